"""`pigou statics`: how an outcome moves with every parameter."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cli.options import CaseFile, DigitsOption, FormatOption, OutOption, StampOption, chosen
from cli.output.write import Target, leave_unmet

EPILOG = """\b
Examples:
  pigou statics two_vendors.yaml
  pigou statics two_vendors.yaml --regime social_optimum --format csv --out slopes.csv

Derivatives come from the implicit function theorem, to eight digits or more; levels held at a bound
move with that bound alone. What differs between the firms has a row for each firm's own."""


class RegimeName(StrEnum):
    """The regimes whose choosers act at once."""

    no_sharing = "no_sharing"
    nash = "nash"
    joint_profit = "joint_profit"
    price_collusion = "price_collusion"
    social_optimum = "social_optimum"
    first_best = "first_best"


def statics(
    case: CaseFile,
    regime: Annotated[
        RegimeName, typer.Option("--regime", help="Whose outcome.")
    ] = RegimeName.nash,
    form: FormatOption = None,
    out: OutOption = None,
    digits: DigitsOption = 4,
    stamp: StampOption = False,
) -> None:
    """Show how an outcome moves with every parameter.

    One row per parameter, what moves welfare most first: elasticities of sharing, investment,
    prices, profits and welfare, then derivatives.
    """
    target = Target(out, [case])
    form = chosen(form, out)
    from cli.shipped import load

    policy = load([case])[0]
    from market.regimes import solve_regime
    from mechanism.report.statics_tree import statics_tree

    outcome = solve_regime(policy.market.flat(), regime.value)
    if outcome.levels is None:
        leave_unmet([f"not met: {regime.value} is {outcome.status}: {outcome.message}"])
    result = statics_tree(policy, regime.value, outcome)
    from cli.pages.claims import statics as page_of
    from cli.pages.forms import deliver
    from cli.pages.rows import derivatives_csv

    deliver(
        result,
        form,
        target,
        page=lambda page: page_of(result, page, digits),
        csv=lambda: derivatives_csv(result),
        stamp=stamp,
    )
