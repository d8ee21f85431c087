"""`pigou compare`: policies side by side over several cases."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cli.batch.parts import known_ending
from cli.commands.evaluate import finish, results
from cli.options import (
    DigitsOption,
    FormatOption,
    OutOption,
    OutputFormat,
    QuietOption,
    SeedOption,
    StampOption,
    StrictOption,
    chosen,
)
from cli.output.write import Target, leave_unmet, say
from cli.pictures.option import Instead, asked, picture_option
from market.casefile.files import unreadable
from market.text import Json as Tree

EPILOG = """\b
Examples:
  pigou compare two_vendors.yaml rivals.yaml
  pigou compare *.yaml --format csv --out policies.csv
  pigou compare result.parquet                    the findings of a batch
  pigou compare result.parquet --by cost.scale

A bad case stops the command before anything is computed."""


MOST = 1000
"""Cases that are compared at a time."""


def compare(
    cases: Annotated[
        list[Path],
        typer.Argument(
            metavar="CASE...|RESULT",
            help="Case files, or the result of one batch.",
            show_default=False,
        ),
    ],
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            metavar="KEY",
            help="Of a batch: pivot by this varied key; may be repeated.",
            show_default="all of them",
        ),
    ] = None,
    form: FormatOption = None,
    out: OutOption = None,
    digits: DigitsOption = 5,
    seed: SeedOption = 0,
    quiet: QuietOption = False,
    strict: StrictOption = False,
    stamp: StampOption = False,
    picture: Annotated[str | None, picture_option("compare")] = None,
) -> None:
    """Compare policies over several cases, or over the cases of a batch.

    Of cases: one row per case and policy, what is recommended marked. Of a batch's result: which
    policy wins how often, what it brings and costs, and what that depends on.
    """
    target = Target(out, cases)
    drawn = asked("compare", picture, form, out)
    form = chosen(form, None if drawn else out, sheets=True)
    if any(map(known_ending, cases)):
        told = {"quiet": quiet, "strict": strict, "stamp": stamp}
        _batch(cases, by or [], form, target, digits, instead=drawn, **told)
        return
    if by:
        raise typer.BadParameter(
            "cases are not pivoted; give the result of a batch", param_hint="--by"
        )
    once: dict[str, Path] = {}
    for case in cases:
        once.setdefault(os.path.realpath(case), case)
    paths = list(once.values())
    if len(paths) > MOST:
        raise typer.BadParameter(
            f"{len(paths):,} cases are more than {MOST:,}; pigou batch takes any number",
            param_hint="CASE",
        )
    found = results(paths, quiet=quiet)
    from cli.pages.comparison import comparison
    from cli.pages.forms import deliver
    from cli.pages.rows import as_csv, case_labels
    from cli.pages.sheets import comparison_sheets
    from mechanism.report.evaluation_tree import comparison_rows

    labels = case_labels(found, paths)
    rows = comparison_rows(found, labels)
    deliver(
        rows,
        form,
        target,
        page=lambda page: comparison(found, labels, page, digits),
        csv=lambda: as_csv(rows),
        sheets=lambda: comparison_sheets(found, labels, rows),
        stamp=stamp,
        instead=drawn,
    )
    named = zip(labels, found, strict=True)
    say(
        (
            f"warning: {name}: {warning['message']}"
            for name, result in named
            for warning in result["warnings"]
        ),
        quiet=quiet,
    )
    finish(found, target, quiet=quiet, strict=strict)


def _batch(
    paths: list[Path],
    by: list[str],
    form: OutputFormat,
    target: Target,
    digits: int,
    *,
    quiet: bool,
    strict: bool,
    stamp: bool,
    instead: Instead | None,
) -> None:
    """The findings of a batch's result."""
    path, found = paths[0], batch_findings(paths, by)
    from cli.batch.formats import read_firms
    from cli.pages.findings import findings_page
    from cli.pages.forms import deliver
    from cli.pages.rows import findings_csv
    from cli.pages.sheets import findings_sheets

    deliver(
        found,
        form,
        target,
        page=lambda page: findings_page(found, path.name, page, digits, read_firms(path)),
        csv=lambda: findings_csv(found),
        sheets=lambda: findings_sheets(found),
        stamp=stamp,
        instead=instead,
    )
    if target.path is not None:
        say([f"written to {target.path}"], quiet=quiet)
    if strict:
        failing = [
            row["policy"]
            for row in found["policies"]
            if any(row[key] is not None and row[key] < 1 for key in ("truthful", "joined"))
        ]
        leave_unmet(
            f"not met: {policy}: truth or participation fails in some cases" for policy in failing
        )


def batch_findings(paths: list[Path], by: list[str]) -> Tree:
    """The findings of the result of one batch, as `--format json` writes them; pivoted by these
    keys, or by all."""
    if len(paths) > 1:
        raise typer.BadParameter("one result of a batch is compared at a time", param_hint="RESULT")
    from difflib import get_close_matches

    from cli.batch.formats import read_carried
    from mechanism.analysis.findings import ResultError, findings, read_result
    from mechanism.analysis.findings_tree import findings_tree

    path = paths[0]
    if problem := unreadable(path):
        raise typer.BadParameter(f"{path}: {problem}", param_hint="RESULT")
    try:
        result = read_result(path, read_carried(path))
    except ResultError as error:
        raise typer.BadParameter(f"{path} {error}", param_hint="RESULT") from None
    for key in by:
        if key not in result.keys:
            close = get_close_matches(key, list(result.keys), 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(result.keys)}"
            raise typer.BadParameter(f"{key} was not varied; {hint}", param_hint="--by")
    from cli.batch.parts import file_sha256
    from mechanism.report.provenance import command_line, provenance

    told = provenance(command_line("compare", "RESULT", [("--by", key) for key in by]), None)
    return {
        "provenance": told,
        "result_sha256": file_sha256(path),
        **findings_tree(findings(result, by)),
    }
