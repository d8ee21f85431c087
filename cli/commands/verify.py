"""`pigou verify`: a result run again here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.options import (
    DigitsOption,
    FormatOption,
    OutOption,
    QuietOption,
    ToleranceOption,
    chosen,
)
from cli.output.write import Target, leave_unmet, say

EPILOG = """\b
Examples:
  pigou verify result.json
  pigou verify result.parquet                    1000 cases spread over a batch
  pigou verify result.csv --whole                every case of it
  pigou verify result.json --tolerance 1e-6

A result is what --format json of evaluate, compare, what-if, design, sensitivity, calibrate,
statics or propositions wrote, or the file of a batch. Only what stands in it is used. Exit code 3:
something differs."""

SAMPLE = 1000
"""Cases of a batch that are run again unless more are asked for."""


def verify(
    result: Annotated[
        Path,
        typer.Argument(
            metavar="RESULT", help="JSON of a command, or the file of a batch.", show_default=False
        ),
    ],
    tolerance: ToleranceOption = 1e-9,
    sample: Annotated[
        int | None,
        typer.Option(
            "--sample",
            min=1,
            metavar="N",
            help="Of a batch: run N cases again, spread over it.",
            show_default=str(SAMPLE),
        ),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Of a batch: run every case again.")
    ] = False,
    form: FormatOption = None,
    out: OutOption = None,
    digits: DigitsOption = 6,
    quiet: QuietOption = False,
) -> None:
    """Run a result again here and name every figure that differs, and why it may.

    The input that stands in the result is solved anew, so that a figure or an input that was
    changed afterwards shows, also where the hash was made to fit.
    """
    if whole and sample is not None:
        raise typer.BadParameter("--sample and --whole exclude each other", param_hint="--sample")
    target = Target(out, [result])
    form = chosen(form, out)
    from cli.results.read import NoResult, read_back

    try:
        read = read_back(result)
        if read.command == "batch":
            found = batch_checked(
                result, None if whole else sample or SAMPLE, tolerance, quiet=quiet
            )
        elif whole or sample is not None:
            raise typer.BadParameter("is for the file of a batch", param_hint="--sample or --whole")
        else:
            found = _again(read, tolerance)
    except NoResult as error:
        raise typer.BadParameter(f"{result} {error}", param_hint="RESULT") from None
    from cli.pages.checked import verified
    from cli.pages.forms import deliver
    from cli.pages.rows import differences_csv

    deliver(
        found,
        form,
        target,
        page=lambda page: verified(found, page, digits),
        csv=lambda: differences_csv(found["differences"]),
    )
    if target.path is not None:
        say([f"written to {target.path}"], quiet=quiet)
    if not found["same"]:
        leave_unmet([f"differs: {len(found['differences']):,} values of {result}"])


def _again(read: Any, tolerance: float) -> dict[str, Any]:
    """What differs between a result and what its input gives here."""
    from cli.results.again import differing_here

    found, count = differing_here(read, tolerance)
    return _told(read.path, f"pigou {read.command}", found, count, tolerance, read.provenance, None)


def batch_checked(
    path: Path, sample: int | None, tolerance: float, *, quiet: bool
) -> dict[str, Any]:
    """What differs between the table of a batch and what its cases give here."""
    from cli.batch.progress import Progress
    from cli.results.batch_again import batch_again, read_batch

    table = read_batch(path)
    count = table.count if sample is None else min(sample, table.count)
    with Progress(count, quiet=quiet) as progress:
        found, values, cases = batch_again(table, sample, tolerance, progress)
    counted = {"count": table.count, "checked": cases}
    return _told(path, "pigou batch", found, values, tolerance, table.provenance, counted)


def _told(
    path: Path,
    of: str,
    found: list[Any],
    count: int,
    tolerance: float,
    written: Mapping[str, Any],
    cases: dict[str, int] | None,
) -> dict[str, Any]:
    """The findings as a tree."""
    from cli.results.reasons import environments_of, reasons

    return {
        "result": str(path),
        "of": of,
        "same": not found,
        "compared": count,
        "cases": cases,
        "tolerance": tolerance,
        "differences": [one.tree for one in found],
        "environment": environments_of(written),
        "why": reasons(found, written),
    }
