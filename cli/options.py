"""The options that commands share, and how they are written on the command line."""

from __future__ import annotations

from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from cli.completion import case_files
from market.text import needs


class OutputFormat(StrEnum):
    """How a result is printed."""

    table = "table"
    json = "json"
    csv = "csv"
    xlsx = "xlsx"


ENDINGS = {
    ".json": OutputFormat.json,
    ".csv": OutputFormat.csv,
    ".txt": None,
    "": None,
    ".xlsx": OutputFormat.xlsx,
}
"""The endings of files that results are written to, and the format that each asks for."""


REPORTS = (".html", ".htm", ".md")
"""The endings of reports."""


def chosen(
    form: OutputFormat | None,
    out: Path | None,
    *,
    script: bool = False,
    sheets: bool = False,
    reports: bool = False,
) -> OutputFormat:
    """The format asked for, or the one that the name of the file asks for; an ending that promises
    something else is refused. A script has no format; `sheets` where the command writes
    spreadsheets, `reports` where it has written those that are reports before."""
    ending = out.suffix.lower() if out else ""
    if script:
        if ending in (".py", ""):
            return OutputFormat.table
        raise _refused(f"{out}: a script is written to a file that ends in .py")
    endings = {key: meant for key, meant in ENDINGS.items() if sheets or key != ".xlsx"}
    meant = endings.get(ending)
    if ending not in endings:
        listed = ", ".join(filter(None, (*endings, *(REPORTS if reports else ()))))
        raise _refused(f"{out}: results are written to files that end in {listed}")
    if form not in (None, meant or form):
        raise _refused(f"{out}: {form} is not what it holds by its name")
    found = form or meant or OutputFormat.table
    if found is not OutputFormat.xlsx:
        return found
    if not sheets:
        raise typer.BadParameter(
            "this command writes no spreadsheet; give json or csv", param_hint="--format"
        )
    if ending != ".xlsx":
        raise _refused("a spreadsheet goes into a file; give a name that ends in .xlsx", "")
    if find_spec("xlsxwriter") is None:
        raise lacking(".xlsx", "XlsxWriter", "tables")
    return found


def lacking(ending: str, name: str, extra: str) -> typer.BadParameter:
    """The refusal of a file that this installation lacks the library for, with the remedy."""
    return typer.BadParameter(
        f"a {ending} file {needs(name, extra)}; or write a .csv file",
        param_hint="--out",
    )


def _refused(why: str, remedy: str = "; choose another ending") -> typer.BadParameter:
    return typer.BadParameter(f"{why}{remedy}", param_hint="--out")


CaseFile = Annotated[
    Path,
    typer.Argument(
        metavar="CASE",
        help="A case file: YAML, JSON or TOML.",
        show_default=False,
        autocompletion=case_files,
    ),
]
CaseFiles = Annotated[
    list[Path],
    typer.Argument(
        metavar="CASE...",
        help="Case files: YAML, JSON or TOML.",
        show_default=False,
        autocompletion=case_files,
    ),
]
FormatOption = Annotated[
    OutputFormat | None,
    typer.Option(
        "--format",
        help="How the result is printed.",
        show_default="table, or by the ending of --out: .json, .csv, .xlsx",
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
ToleranceOption = Annotated[
    float,
    typer.Option(
        "--tolerance",
        min=0.0,
        max=1.0,
        metavar="SHARE",
        help="Of results: by which share of the scale of its kind a figure may differ.",
    ),
]
