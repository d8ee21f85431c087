"""The options that commands share, and how they are written on the command line."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class OutputFormat(StrEnum):
    """How a result is printed."""

    table = "table"
    json = "json"
    csv = "csv"


ENDINGS = {".json": OutputFormat.json, ".csv": OutputFormat.csv, ".txt": None, "": None}
"""The endings of files that results are written to, and the format that each asks for."""


def chosen(form: OutputFormat | None, out: Path | None, *, script: bool = False) -> OutputFormat:
    """The format asked for, or the one that the name of the file asks for; an ending that promises
    something else is refused. A script has no format."""
    ending = out.suffix.lower() if out else ""
    if script:
        if ending not in (".py", ""):
            raise typer.BadParameter(
                f"{out}: a script is written to a file that ends in .py; choose another ending",
                param_hint="--out",
            )
        return OutputFormat.table
    meant = ENDINGS.get(ending)
    if ending not in ENDINGS or form not in (None, meant or form):
        listed = ", ".join(filter(None, ENDINGS))
        reason = (
            f"{form} is not what it holds by its name"
            if ending in ENDINGS
            else f"results are written to files that end in {listed}"
        )
        raise typer.BadParameter(f"{out}: {reason}; choose another ending", param_hint="--out")
    return form or meant or OutputFormat.table


CaseFile = Annotated[
    Path,
    typer.Argument(metavar="CASE", help="A case file: YAML, JSON or TOML.", show_default=False),
]
CaseFiles = Annotated[
    list[Path],
    typer.Argument(metavar="CASE...", help="Case files: YAML, JSON or TOML.", show_default=False),
]
FormatOption = Annotated[
    OutputFormat | None,
    typer.Option(
        "--format",
        help="How the result is printed.",
        show_default="table, or by the ending of --out: .json, .csv",
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="PATH", help="Write the result to this file instead.", show_default=False
    ),
]
DigitsOption = Annotated[
    int,
    typer.Option(
        "--digits", min=1, max=15, metavar="N", help="Significant digits in tables, 1 to 15."
    ),
]
SeedOption = Annotated[
    int, typer.Option("--seed", min=0, metavar="N", help="Seed of whatever is drawn at random.")
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", help="No messages on stderr; errors still appear.")
]
StampOption = Annotated[
    bool,
    typer.Option(
        "--stamp", help="Also say in the result when, how long and where it was computed."
    ),
]
EmitOption = Annotated[
    bool,
    typer.Option(
        "--emit-python", help="Instead of running, print the Python script that does the same."
    ),
]
StrictOption = Annotated[
    bool,
    typer.Option("--strict", help="Exit with 3 on any warning and on any violated IC or IR too."),
]
