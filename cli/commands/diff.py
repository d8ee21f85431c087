"""`pigou diff`: two cases or two results side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
  pigou diff two_vendors.yaml mine.yaml          keys, and what each does to the answer
  pigou diff before.json after.json              figures, recommendation, verdicts
  pigou diff one.parquet other.parquet

Of two cases every key that differs is also put into the first case alone. Of two results figures
that differ by less than --tolerance of the scale of their kind count as the same. Exit code 3:
something differs."""


def diff(
    a: Annotated[
        Path, typer.Argument(metavar="A", help="A case, or a result.", show_default=False)
    ],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another.", show_default=False)],
    tolerance: ToleranceOption = 1e-9,
    form: FormatOption = None,
    out: OutOption = None,
    digits: DigitsOption = 6,
    quiet: QuietOption = False,
) -> None:
    """See what two cases or two results differ in.

    Of cases: the keys, what each of them does to the answer, and what all together do. Of results
    of one command: inputs, recommendation, verdicts and figures.
    """
    target = Target(out, [a, b])
    form = chosen(form, out)
    from cli.shipped import load
    from market.casefile.files import unreadable

    for path in (a, b):
        if unreadable(path):
            load([path])  # says what may have been meant
    from cli.results.read import NoResult
    from cli.results.side_by_side import cases_side_by_side, is_result, results_side_by_side

    try:
        kinds = is_result(a), is_result(b)
        if kinds[0] != kinds[1]:
            result, case = (a, b) if kinds[0] else (b, a)
            raise NoResult(
                f"{case} is a case and {result} a result; give two cases or two results (`pigou"
                f" verify {result}` runs it again)"
            )
        found = results_side_by_side(a, b, tolerance) if kinds[0] else cases_side_by_side(a, b)
    except NoResult as error:
        raise typer.BadParameter(str(error), param_hint="A or B") from None
    from cli.pages.checked import side_by_side
    from cli.pages.forms import deliver
    from cli.pages.rows import differences_csv

    rows = [*found["changes"], *found.get("labels", []), *found.get("differences", [])]
    deliver(
        found,
        form,
        target,
        page=lambda page: side_by_side(found, page, digits),
        csv=lambda: differences_csv(rows),
    )
    if target.path is not None:
        say([f"written to {target.path}"], quiet=quiet)
    if not found["same"]:
        leave_unmet([f"differs: {len(rows):,} values"])
