"""From today's market to a planner's: through which channels welfare rises, and why firms do not go
there by themselves.

Five channels lead from levels x0 to levels x1. Each can be opened alone: what runs through it is
then at x1, what runs through the others at x0 (letters of `market.model.demand` and `.cost`).

- own investment: t_i - alpha t_j in demand, the stand-alone cost of t_i, and delta(t_i) in the cost
  of a unit;
- spillover received: lambda_d t_j s_j in demand;
- leakage: g_i in demand;
- cost saving: the knowledge received y_i in the cost of investment, and what it takes off the cost
  of a unit;
- price response: prices follow (21); while it is closed they stay what they are at x0.

The worth of a coalition of channels is welfare with these open. Shapley values share the whole
change among them: exactly, whatever the order in which channels are opened. Beside them stand the
direct and the strategic effect of own levels on own profit, (7) and (8).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from math import factorial

import numpy as np

from market.model.case import INVESTMENT, SHARING, Array, Case, rival
from market.model.cost import (
    cost_derivatives,
    form_of,
    knowledge_received,
    unit_cost,
)
from market.model.demand import consumer_surplus, gross_utility, leakage, quantity
from market.model.demand import shifted_intercept as demand_at
from market.model.outcome import Accounts
from market.model.pricing import bertrand
from mechanism.frozen import freeze

CHANNELS = (
    "own investment",
    "spillover received",
    "leakage",
    "cost saving",
    "price response",
)
"""In the order in which they are told of."""


@dataclass(frozen=True, kw_only=True)
class Effects:
    """What own levels do to own profit at the margin, (7) and (8), each (2,) over firms, money per
    unit of sharing or of investment. At an equilibrium off the bounds both sum to nothing."""

    direct_sharing: Array
    """At given prices."""
    strategic_sharing: Array
    """By the rival's price."""
    direct_investment: Array
    strategic_investment: Array

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """The change of welfare between two points of a market, channel by channel. Money."""

    start: float
    """Welfare at the first."""
    goal: float
    """Welfare at the second."""
    shares: Mapping[str, float] | None
    """Each channel's Shapley value, which add up to the change; None where some coalition of
    channels describes no market."""
    consumers: Mapping[str, float] | None
    """The same of consumers' surplus."""
    why: str
    """Why there are none; empty otherwise."""
    effects: Effects
    """At the first point."""

    def __post_init__(self) -> None:
        freeze(self)


def ladder(case: Case, start: Array, goal: Array) -> Ladder:
    """The way from levels `start` to levels `goal`, each (4,), of one market at Bertrand prices."""
    case = case.flat()
    open_ = np.array(list(product((False, True), repeat=len(CHANNELS))))
    books = _accounts(case, start, goal, open_)
    welfare, surplus = books.total_surplus.sum(-1), books.consumer_surplus.sum(-1)
    missing = np.flatnonzero(~books.describes_market)
    why, shares, consumers = "", None, None
    if len(missing):
        names = [name for name, flag in zip(CHANNELS, open_[missing[0]], strict=True) if flag]
        why = (
            f"with {' and '.join(names) or 'no channel'} alone open a price, quantity or unit cost"
            " would be negative"
        )
    else:
        shares, consumers = (
            dict(zip(CHANNELS, shapley(worth).tolist(), strict=True))
            for worth in (welfare, surplus)
        )
    return Ladder(
        start=float(welfare[0]),
        goal=float(welfare[-1]),
        shares=shares,
        consumers=consumers,
        why=why,
        effects=own_effects(case, start),
    )


def shapley(worth: Array) -> Array:
    """The Shapley values (n,) of a game of n players from the worth (2^n,) of its coalitions, the
    first player's membership running slowest.

    Each is the player's marginal worth, the mean over all orders in which the players may come.
    """
    n = int(np.log2(len(worth)))
    members = np.array(list(product((False, True), repeat=n)))
    size = members.sum(1)
    weights = np.array([factorial(k) * factorial(n - k - 1) for k in range(n)]) / factorial(n)
    values = []
    for player in range(n):
        without = np.flatnonzero(~members[:, player])
        joined = without + 2 ** (n - 1 - player)
        values.append(weights[size[without]] @ (worth[joined] - worth[without]))
    return np.array(values)


def own_effects(case: Case, x: Array) -> Effects:
    """(7) and (8) at levels x (4,) of one flat market at Bertrand prices.

    Of a firm's own level z: direct (p_i - F_i) dA_i/dz - q_i dF_i/dz - df_i/dz at given prices,
    strategic (p_i - F_i) b2 dp_j/dz, prices by (21).
    """
    x = x[None]
    s, t = x[..., SHARING], x[..., INVESTMENT]
    A, F = demand_at(case, x), unit_cost(case, x)
    none = np.zeros_like(s)
    value, left, rise, rise_t, spillover = (
        (none, none, none, none, none)
        if F is None
        else (F.value, F.left, F.rise, F.rise_t, F.parameters.spillover)
    )
    price = bertrand(case, A, value)
    margin, sold = price - value, quantity(case, A, price)
    f_t = cost_derivatives(case, x)[1]
    # own demand, own unit cost; the rival's demand, the rival's unit cost
    of_sharing = (
        -(2 * case.leakage_own * s - case.leakage_interaction * rival(s)),
        none,
        rival(case.demand_spillover) * t
        + 2 * rival(case.leakage_cross) * s
        + rival(case.leakage_interaction) * rival(s),
        -rival(spillover * rise) * t,
    )
    of_investment = (
        np.ones_like(t),
        left * rise_t,
        rival(case.demand_spillover) * s - rival(case.rivalry),
        -rival(spillover * rise) * s,
    )
    found = []
    for (own, dearer, other, cheaper), paid in ((of_sharing, none), (of_investment, f_t)):
        b, b2 = case.own_slope + none, case.cross_slope
        answer = 2 * b * (other + rival(b) * cheaper) + b2 * (own + b * dearer)
        answer = answer / (4 * b * rival(b) - b2**2)
        found += [margin * own - sold * dearer - paid, margin * b2 * answer]
    return Effects(
        direct_sharing=found[0][0],
        strategic_sharing=found[1][0],
        direct_investment=found[2][0],
        strategic_investment=found[3][0],
    )


def _accounts(case: Case, start: Array, goal: Array, open_: Array) -> Accounts:
    """The accounts (n, ...) of coalitions of channels, `open_` (n, 5) saying which are open."""
    own, received, leaks, saving = (np.where(open_[:, [k]], goal, start) for k in range(4))
    nothing = np.zeros((1, 1))
    tight = replace(case, leakage_own=nothing, leakage_cross=nothing, leakage_interaction=nothing)
    alone = replace(tight, demand_spillover=nothing)
    spilled = demand_at(tight, received) - demand_at(alone, received)
    A = demand_at(alone, own) + spilled - leakage(case, leaks)
    dear, cheap = unit_cost(case, own), unit_cost(case, saving)
    F = np.zeros_like(A) if dear is None or cheap is None else cheap.left * dear.rise
    today = (demand_at(case, start[None]), unit_cost(case, start[None]))
    price = np.where(
        open_[:, [4]],
        bertrand(case, A, F),
        bertrand(case, today[0], 0.0 if today[1] is None else today[1].value),
    )
    sold = quantity(case, A, price)
    cost = form_of(case).value(
        own[..., INVESTMENT], knowledge_received(case, saving), case.cost_scale, case.max_saving
    )
    utility = gross_utility(case, A, sold)
    return Accounts(
        price=price,
        quantity=sold,
        unit_cost=F,
        investment_cost=cost,
        profit=(price - F) * sold - cost,
        consumer_surplus=consumer_surplus(utility, sold, price),
        total_surplus=utility - cost - F * sold,
    )
