"""`pigou sensitivity`: which of what is not known exactly a figure, or the choice, turns on."""

from __future__ import annotations

from enum import StrEnum
from importlib.util import find_spec
from typing import Annotated

import typer

from cli.options import (
    CaseFile,
    DigitsOption,
    FormatOption,
    OutOption,
    QuietOption,
    StampOption,
    chosen,
)
from cli.output.write import Target, leave_unmet, say
from cli.pictures.option import asked, picture_option
from market.text import needs

EPILOG = """\b
Examples:
  pigou sensitivity case.yaml                     Sobol indices of the choice and of the gain
  pigou sensitivity case.yaml --method tornado    each key alone at its ends: the quickest
  pigou sensitivity case.yaml --method morris --figure nash.welfare
  pigou sensitivity case.yaml --points 1024 --format csv --out indices.csv

The case says what is not known exactly in its block `uncertainty`. Figures are `choice` (whether
what is recommended at the case's own numbers is recommended), `gain` (of that policy over today)
and POLICY.FIGURE, FIGURE one of value, welfare, consumer_surplus, profit[0], profit[1].

Exit code 3: too few points have an outcome for anything to be told."""


class MethodName(StrEnum):
    """The ways there are."""

    sobol = "sobol"
    morris = "morris"
    tornado = "tornado"


POINTS = {MethodName.sobol: 256, MethodName.morris: 32, MethodName.tornado: 0}
"""Base points, or paths, that are taken unless asked otherwise."""


def sensitivity(
    case: CaseFile,
    method: Annotated[
        MethodName,
        typer.Option(
            "--method",
            help=(
                "sobol: parts in the variance, first-order and total; morris: a quick look along"
                " random paths; tornado: each key alone."
            ),
        ),
    ] = MethodName.sobol,
    figures: Annotated[
        list[str] | None,
        typer.Option(
            "--figure",
            metavar="NAME",
            help="What is asked about; may be repeated.",
            show_default="choice and gain",
        ),
    ] = None,
    points: Annotated[
        int | None,
        typer.Option(
            "--points",
            metavar="N",
            min=16,
            max=65_536,
            help=(
                "Base points of sobol, each of which takes a market for every key and two more;"
                " paths of morris, each with one for every key and one more."
            ),
            show_default="256, of morris 32",
        ),
    ] = None,
    form: FormatOption = None,
    out: OutOption = None,
    digits: DigitsOption = 4,
    quiet: QuietOption = False,
    stamp: StampOption = False,
    picture: Annotated[str | None, picture_option("sensitivity")] = None,
) -> None:
    """Show which of what is not known exactly a figure, or the choice itself, turns on.

    Markets are drawn from the case's `uncertainty`, policies ranked in each, and every figure's
    variation is put down to the keys, what matters most first.
    """
    target = Target(out, [case])
    drawn = asked("sensitivity", picture, form, out)
    form = chosen(form, None if drawn else out)
    if method is not MethodName.tornado and find_spec("SALib") is None:
        raise typer.BadParameter(
            f"{method} {needs('SALib', 'sensitivity')}; tornado needs nothing",
            param_hint="--method",
        )
    if method is MethodName.tornado and points is not None:
        raise typer.BadParameter("tornado takes no points; leave it out", param_hint="--points")
    from cli.shipped import load

    policy = load([case])[0]
    if policy.uncertainty is None:
        raise typer.BadParameter(
            f"{case}: nothing in the case is uncertain; give it a block `uncertainty`, such as\n"
            "uncertainty:\n  demand.cross_slope: {normal: [1.0, 0.1]}",
            param_hint="CASE",
        )
    from cli.batch.progress import Progress
    from mechanism.uncertainty.sensitivity import CHOICE, GAIN, NoFigure
    from mechanism.uncertainty.sensitivity import sensitivity as sensitivity_of
    from mechanism.uncertainty.sensitivity_tree import sensitivity_tree

    about = tuple(dict.fromkeys(figures or (CHOICE, GAIN)))
    count = POINTS[method] if points is None else points
    with Progress(0, quiet=quiet) as progress:
        try:
            found = sensitivity_of(policy, about, method.value, count, progress.tell)
        except NoFigure as error:
            raise typer.BadParameter(str(error), param_hint="--figure") from None
    result = sensitivity_tree(policy, found, count)
    from cli.pages.forms import deliver
    from cli.pages.rows import sensitivity_csv
    from cli.pages.sensitivity import sensitivity as page_of

    deliver(
        result,
        form,
        target,
        page=lambda page: page_of(result, page, digits),
        csv=lambda: sensitivity_csv(result),
        stamp=stamp,
        instead=drawn,
    )
    if target.path is not None:
        say([f"written to {target.path}"], quiet=quiet)
    if found.silent:
        leave_unmet(
            [
                f"not met: only {found.markets - found.inadmissible - found.without_outcome} of"
                f" {found.markets} points have an outcome, too few that belong together to tell"
                " anything; ask for more --points, narrow `uncertainty`, or use --method sobol,"
                " which follows correlations"
            ]
        )
