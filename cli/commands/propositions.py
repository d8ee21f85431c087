"""`pigou propositions`: which of the paper's claims hold at a case, and how often."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.options import (
    CaseFile,
    DigitsOption,
    FormatOption,
    OutOption,
    QuietOption,
    SeedOption,
    StampOption,
    StrictOption,
    chosen,
)
from cli.output.write import Target, leave_unmet, say
from market.casefile.files import chain

EPILOG = """\b
Examples:
  pigou propositions two_vendors.yaml
  pigou propositions two_vendors.yaml --sample 2000 --seed 1 --counterexamples .

A claim that fails although its assumption is met is reported on stderr, and with --strict the
exit code is then 3. --sample draws random admissible markets, independent of the case; 2000 of
them take about half a minute."""

COUNTEREXAMPLE = "counterexample_"
"""How the names of files with counterexamples begin."""

SampleOption = Annotated[
    int | None,
    typer.Option(
        "--sample",
        min=1,
        max=100_000,
        metavar="N",
        help="Count the claims over N random markets too.",
        show_default=False,
    ),
]
FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--counterexamples",
        metavar="DIR",
        help="Write the worst counterexample to each claim there, as a case file.",
        show_default=False,
    ),
]


def propositions(
    case: CaseFile,
    sample: SampleOption = None,
    counterexamples: FolderOption = None,
    form: FormatOption = None,
    out: OutOption = None,
    digits: DigitsOption = 5,
    seed: SeedOption = 0,
    quiet: QuietOption = False,
    strict: StrictOption = False,
    stamp: StampOption = False,
) -> None:
    """Check every claim of the paper at a case.

    A row per claim: is its assumption met, is it true, and by what margin.
    """
    if counterexamples is not None and sample is None:
        raise typer.BadParameter(
            "needs --sample N: counterexamples come from random markets",
            param_hint="--counterexamples",
        )
    if counterexamples is not None and not counterexamples.is_dir():
        raise typer.BadParameter(
            f"{counterexamples}: is no directory; make it first", param_hint="--counterexamples"
        )
    target = Target(out, [case])
    form = chosen(form, out)
    for file in map(Path, chain(case)) if counterexamples is not None else ():
        if os.path.realpath(file.parent) == os.path.realpath(
            counterexamples or ""
        ) and file.name.startswith(COUNTEREXAMPLE):
            raise typer.BadParameter(
                f"{file}: is read and could be replaced; name another directory",
                param_hint="--counterexamples",
            )
    from cli.shipped import load

    policy = load([case])[0]
    from mechanism.claims.claims_tree import propositions_tree
    from mechanism.claims.sample import propositions as check

    result = propositions_tree(check(policy, sample, seed))
    from cli.pages.claims import claims
    from cli.pages.forms import deliver
    from cli.pages.rows import claims_csv

    deliver(
        result,
        form,
        target,
        page=lambda page: claims(result, page, digits),
        csv=lambda: claims_csv(result),
        stamp=stamp,
    )
    if counterexamples is not None:
        written = [
            _write(row, counterexamples)
            for row in result["sample"]["claims"]
            if row["worst"] and row["worst"]["case"]
        ]
        say((f"written: {path}" for path in written), quiet=quiet)
    broken = [
        f"does not hold here: {row['id']}: {row['text']}"
        for row in result["claims"]
        if row["assumption"]["met"] is not False and row["holds"] is False
    ]
    if strict:
        leave_unmet(broken)
    say(broken, quiet=quiet)


def _write(row: dict[str, Any], folder: Path) -> Path:
    """One counterexample as a case file; JSON is YAML too."""
    path = folder / f"{COUNTEREXAMPLE}{row['id'].replace('.', '_')}.json"
    Target(path).write(json.dumps(row["worst"]["case"], indent=2))
    return path
