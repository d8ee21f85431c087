"""`pigou statics`: how an outcome moves with every parameter."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from cli.exit_codes import NOT_MET
from cli.options import CaseFile, DigitsOption, FormatOption, OutOption, StampOption, chosen
from cli.output.write import Target

EPILOG = """\b
Examples:
  pigou statics two_vendors.yaml
  pigou statics two_vendors.yaml --regime social_optimum --format csv --out slopes.csv

Derivatives come from the implicit function theorem, to eight digits or more; they are zero for
levels held at a bound."""


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
    from market.model.outcome import account
    from market.model.units import in_words
    from market.regimes import REGIMES, solve_regime
    from market.regimes.statics import comparative_statics, dimension_of, values
    from mechanism.report.provenance import command_line, provenance
    from mechanism.report.statics_tree import elasticities_tree, slopes_tree

    market = policy.market.flat()
    outcome = solve_regime(market, regime.value)
    if outcome.levels is None:
        typer.echo(f"not met: {regime.value} is {outcome.status}: {outcome.message}", err=True)
        raise typer.Exit(NOT_MET)
    levels, rule = outcome.levels[None], REGIMES[regime.value]
    slopes, own = comparative_statics(market, rule, levels), values(market)
    counted = {kind: unit for kind, unit in (policy.resolved.get("units") or {}).items() if unit}
    result: dict[str, Any] = {
        "provenance": provenance(
            command_line("statics", "CASE", [("--regime", regime.value)]), policy.sha256
        ),
        "case": policy.resolved,
        "regime": regime.value,
        "outcome": outcome.tree(),
        "values": own,
        "units": {name: in_words(dimension_of(name), **counted) for name in own},
        "derivatives": slopes_tree(slopes),
        "elasticities": elasticities_tree(
            slopes, own, levels, account(market, levels, rule.prices)
        ),
        "notes": (
            [f"Held at a bound: {', '.join(map(str, outcome.certificate.bounds))}."]
            if outcome.certificate.bounds
            else []
        ),
    }
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
