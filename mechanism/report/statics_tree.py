"""The JSON contract of `statics`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from market.model.case import INVESTMENT, SHARING, Array
from market.model.outcome import Accounts, account, numbers
from market.model.units import in_words
from market.regimes import REGIMES
from market.regimes.statics import comparative_statics, dimension_of, values
from mechanism.report.plain import Tree, without_nan
from mechanism.report.provenance import command_line, provenance

if TYPE_CHECKING:
    from market.model.outcome import Outcome
    from market.regimes.statics import Slopes
    from mechanism.casefile.policy_case import PolicyCase


def statics_tree(policy: PolicyCase, regime: str, outcome: Outcome) -> Tree:
    """`statics --format json`, of an outcome with levels."""
    market, levels, rule = policy.market.flat(), outcome.levels, REGIMES[regime]
    assert levels is not None
    slopes, own = comparative_statics(market, rule, levels[None]), values(market)
    units = {"money": policy.units.money, "quantity": policy.units.quantity}
    counted = {kind: unit for kind, unit in units.items() if unit}
    books = account(market, levels[None], rule.prices)
    bounds = outcome.certificate.bounds
    return {
        "provenance": provenance(
            command_line("statics", "CASE", [("--regime", regime)]), policy.sha256
        ),
        "case": policy.resolved,
        "regime": regime,
        "outcome": outcome.tree(),
        "values": own,
        "units": {name: in_words(dimension_of(name), **counted) for name in own},
        "derivatives": slopes_tree(slopes),
        "elasticities": elasticities_tree(slopes, own, levels[None], books),
        "notes": [f"Held at a bound: {', '.join(map(str, bounds))}."] if bounds else [],
    }


def slopes_tree(slopes: Mapping[str, Slopes]) -> Tree:
    """The derivatives of one market (L = 1) by parameter; `falling` is null where the two sides
    agree."""
    return {name: _sides(found, _bent(found)) for name, found in slopes.items()}


def _bent(found: Slopes) -> bool:
    return not np.array_equal(found.levels[0], found.levels[1])


def _sides(found: Slopes, bent: bool) -> Tree:
    return {**_slope(found, 1), "falling": _slope(found, 0) if bent else None}


def _slope(found: Slopes, side: int) -> Tree:
    levels = found.levels[side, 0]
    return {
        "sharing": numbers(levels[SHARING]),
        "investment": numbers(levels[INVESTMENT]),
        **{
            name: numbers(getattr(found, name)[side, 0]) for name in ("price", "quantity", "profit")
        },
        **{name: float(getattr(found, name)[side, 0]) for name in ("consumer_surplus", "welfare")},
    }


def elasticities_tree(
    slopes: Mapping[str, Slopes], value: Mapping[str, float], levels: Array, books: Accounts
) -> Tree:
    """The elasticities of one market (L = 1) by parameter, what moves welfare most first; null of
    figures that are zero."""
    found = {name: one.elasticities(value[name], levels, books) for name, one in slopes.items()}
    found = dict(
        sorted(found.items(), key=lambda pair: -float(np.nan_to_num(np.abs(pair[1].welfare)).max()))
    )
    return without_nan({name: _sides(one, _bent(slopes[name])) for name, one in found.items()})
