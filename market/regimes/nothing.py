"""One market, and why nothing is claimed of it where nothing is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from market.model.case import Array, Case
from market.model.leaving import sales
from market.model.outcome import (
    LeavingOut,
    Status,
    account,
    every_firm_sells,
    other_point,
    why_infeasible,
    without_firm,
)
from market.model.pricing import net_intercept
from market.model.sharing import sharing_settles
from market.model.units import NaturalUnits, levels_from
from market.model.wellposed import explain_zero_unit_cost
from market.regimes.agreed_sharing import at_the_edge
from market.regimes.exits import driven_out, listed
from market.regimes.no_limit import pole
from market.regimes.points import Points
from market.regimes.record import Outcomes, outcomes
from market.regimes.starts import all_sizes
from market.regimes.table import Regime
from market.solve.tolerances import Tolerances


@dataclass(frozen=True, kw_only=True)
class Market:
    """One market, flat."""

    case: Case
    """In natural units, in which it is solved."""
    own: Case
    """In its own, in which it is spoken of."""
    units: NaturalUnits
    regime: Regime
    endless: bool
    """Whether a sole chooser's payoff grows without limit where some firm would sell less than
    nothing."""
    leaving: bool
    """Whether it is asked what leaving a firm out would pay."""

    def money(self, amount: float) -> float:
        """An amount in natural units in the market's own."""
        return float(amount * self.units.money[0, 0])


def out_at_most(
    market: Market,
    payoff: str,
    firm: int,
    value: float,
    x: Array,
    without: LeavingOut | None = None,
) -> Outcomes:
    """What is said where this payoff is highest with a firm driven out, and at most this value with
    both selling, approached at levels x (4,), natural units; `without` is what leaving one out
    would pay, where that is known."""
    message = (
        f"{payoff} is highest where {market.case.firms[firm]} is driven out of the market: with"
        f" both firms selling it is at most {market.money(value):.6g}, approached as"
        f" quantity[{firm}] falls to zero"
    )
    return outcomes(
        1,
        status="infeasible",
        message=message,
        plain=True,
        thorough=True,
        driven_out=firm,
        value=value,
        approached=other_point(market.case, market.regime.prices, x),
        leaving_out=without,
    )


def with_a_firm_out(market: Market, x: Array) -> Outcomes | None:
    """What is said of levels (n, 4), natural units, that solve a game and at each of which a firm
    is out, the first being what is told first; None where there are none."""
    if not len(x):
        return None
    firm = int(sales(market.case, net_intercept(market.case, x)).out[0].argmax())
    return outcomes(
        1,
        status="infeasible",
        message=without_firm(market.case.firms[firm], len(x)),
        driven_out=firm,
        others=listed(market.case, x),
        plain=True,
        thorough=True,
    )


def edge_met(market: Market, x: Array, value: float) -> Outcomes | None:
    """What is said of the best levels (4,) of a market, natural units, where beyond them a quantity
    or a unit cost would be negative."""
    edge = at_the_edge(market.case, x[None])[0]
    if edge[:2].any():
        return out_at_most(market, "joint profit", int(edge[:2].argmax()), value, x)
    return (
        failed("infeasible", explain_zero_unit_cost(market.own, "joint profit"))
        if edge[2:].any()
        else None
    )


def why_nothing(market: Market, points: Points, tolerances: Tolerances) -> Outcomes:
    """Why no point of a market holds."""
    regime = market.regime
    if points.holds.any():  # levels that solve it, but describe no market
        best = int(np.where(points.holds, points.worth, -np.inf).argmax())
        books = account(
            market.own, levels_from(points.levels[best : best + 1], market.units), regime.prices
        )
        if not regime.sole:
            x = points.levels[best : best + 1]
            x = x[sales(market.case, net_intercept(market.case, x)).out.any(-1)]
            alone = x if regime.staged else driven_out(market.case, regime, tolerances)
            if (driven := with_a_firm_out(market, alone)) is not None:
                return driven
        return failed(
            "infeasible",
            why_infeasible(
                replace(books, **{name: value[0] for name, value in vars(books).items()})
            ),
        )
    if regime.sole:
        if not every_firm_sells(market.case, all_sizes(market.case), regime.prices).any():
            return failed("infeasible", "at no levels that were looked at does every firm sell")
        return failed(
            "not_converged",
            f"no ascent on {regime.maximised} reached a residual of {tolerances.residual:g}",
        )
    if not regime.staged:
        if driven := with_a_firm_out(market, driven_out(market.case, regime, tolerances)):
            return driven
        return failed(
            "no_equilibrium",
            "no levels were found at which neither firm gains by a global deviation: best replies"
            " cycle or grow without limit",
        )
    if points.runaway[0]:
        if (
            regime.leader is not None
            and np.isfinite(near := pole(market.case, regime.leader)).all()
        ):
            s, t = levels_from(near, market.units)[0]
            return failed(
                "unbounded",
                f"the payoff of a firm that moves first grows without limit as its sharing nears"
                f" {s:.6g} and its investment {t:.6g}, for so does the other's best reply: set"
                " cost.investment_cap",
            )
        who = "joint profit" if regime.agreed else "the payoff of a firm that moves first"
        return failed("unbounded", f"{who} still rises at the largest investment searched")
    if regime.shared_last and not sharing_settles(market.case).all():
        return failed(
            "not_converged",
            "security.leakage differs so much between firms that what they share does not follow"
            " from what they invest",
        )
    if not np.isfinite(points.levels[0]).all() or points.regret[0] > tolerances.regret:
        return failed(
            "no_equilibrium", "no levels were found from which no firm gains by a deviation"
        )
    return failed(
        "not_converged",
        f"the first movers' condition is left with a residual of {points.residual[0]:.3g}",
    )


def failed(status: Status, message: str) -> Outcomes:
    return outcomes(1, status=status, message=message, plain=True, thorough=True)
