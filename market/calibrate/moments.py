"""What the model says of every observation, from parameters and today's market.

Shifts of demand (leaks, what is stolen, what a partner's information wins) are at given prices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from market.calibrate.parameters import Parameters
from market.model.case import INVESTMENT, SHARING, Array, Case, rival
from market.model.cost import form_of, investment_cost
from market.model.outcome import Accounts, account
from market.model.pricing import bertrand_matrix


@dataclass(frozen=True, kw_only=True)
class Today:
    """Today's market in net prices, with L lanes."""

    parameters: Parameters
    market: Case
    levels: Array
    """(L, 4)."""
    books: Accounts
    """Prices there are margins."""


def today_at(parameters: Parameters, reference: float, levels: Array) -> Today:
    """Today's market at these parameters and levels (L, 4), which may be complex."""
    market = parameters.market(reference)
    return Today(
        parameters=parameters,
        market=market,
        levels=levels,
        books=account(market, levels, bertrand_matrix),
    )


@dataclass(frozen=True, kw_only=True)
class Observable:
    """Something that can be observed."""

    key: str
    per_firm: bool
    words: str
    """In the middle of a sentence."""
    value: Callable[[Today], Array]
    """What it is in today's market, (L, 1) or (L, 2)."""
    dimension: str = "number"
    """As in `market.model.units`."""


def _saving(at: Today) -> Array:
    alone = form_of(at.market).value(
        at.levels[:, INVESTMENT],
        np.zeros_like(at.levels[:, INVESTMENT]),
        at.market.cost_scale,
        at.market.max_saving,
    )
    return 1 - investment_cost(at.market, at.levels) / alone


OBSERVABLES: dict[str, Observable] = {
    row.key: row
    for row in (
        Observable(
            key="price",
            per_firm=True,
            words="price",
            dimension="price",
            value=lambda at: at.books.price / at.parameters.margin,
        ),
        Observable(
            key="quantity",
            per_firm=True,
            words="quantity",
            dimension="quantity",
            value=lambda at: at.books.quantity,
        ),
        Observable(
            key="margin",
            per_firm=True,
            words="margin",
            value=lambda at: at.parameters.margin,
        ),
        Observable(
            key="unit_cost",
            per_firm=True,
            words="unit cost",
            dimension="price",
            value=lambda at: at.books.price * (1 / at.parameters.margin - 1),
        ),
        Observable(
            key="diversion",
            per_firm=True,
            words="diversion",
            value=lambda at: at.market.cross_slope / at.market.own_slope,
        ),
        Observable(
            key="cross_elasticity",
            per_firm=True,
            words="cross elasticity",
            value=lambda at: (
                at.market.cross_slope
                * rival(at.books.price / at.parameters.margin)
                / at.books.quantity
            ),
        ),
        Observable(
            key="security_spending",
            per_firm=True,
            words="security spending",
            dimension="money",
            value=lambda at: at.books.investment_cost,
        ),
        Observable(
            key="sharing",
            per_firm=True,
            words="sharing",
            value=lambda at: at.levels[:, SHARING],
        ),
        Observable(
            key="leak_churn",
            per_firm=True,
            words="sales lost to own leaks",
            value=lambda at: at.market.leakage_own * at.levels[:, SHARING] ** 2 / at.books.quantity,
        ),
        Observable(
            key="saving_share",
            per_firm=True,
            words="security cost saved by what the other shares",
            value=_saving,
        ),
        Observable(
            key="partner_gain",
            per_firm=True,
            words="sales won by what the other shares",
            value=lambda at: (
                at.market.demand_spillover
                * rival(at.levels[:, SHARING] * at.levels[:, INVESTMENT])
                / at.books.quantity
            ),
        ),
        Observable(
            key="leak_switch",
            per_firm=False,
            words="leaked customers who go to the other",
            value=lambda at: at.parameters.leak_switch,
        ),
        Observable(
            key="stolen_share",
            per_firm=False,
            words="demand won by investment that the other loses",
            value=lambda at: at.parameters.rivalry,
        ),
    )
}
"""Everything that can be observed, by its key in the data file."""


def moment(at: Today, kind: str, firm: int | None) -> Array:
    """One observable (L,) of a firm, or of both."""
    values = OBSERVABLES[kind].value(at)
    return values[:, (firm or 0) if values.shape[-1] > 1 else 0]
