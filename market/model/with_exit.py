"""Payoffs over all levels that hold whoever sells: a firm that cannot sell is out
(`market.model.leaving`).

Margins and quantities are linear in the net intercepts as long as the same firms sell at the same
rule of price, so that a firm's variable profit, and what consumers have of the market, are
quadratic forms N' Q N whose Q depends on that alone. They are continuous; where a firm just leaves
they have a kink.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case, rival, take_lanes
from market.model.demand import inverse_slope_matrix, matrix
from market.model.leaving import UNRELATED
from market.model.payoff import Derivatives, Payoff, firm_payoffs
from market.model.pricing import (
    bertrand_matrix,
    net_intercept,
    revenue_forms,
    sold_matrix,
    utility_form,
)

BOTH, LIMITS, ALONE, NOBODY = 0, 1, 3, 5
"""Who sells: both; firm i at the highest price that keeps its rival out, LIMITS + i; firm i at the
price of a firm alone in the market, ALONE + i; nobody."""


def who_sells(case: Case, N: Array) -> NDArray[np.intp]:
    """Which of these holds (...) at net intercepts N (..., 2) and Bertrand prices."""
    b, x = case.own_slope, case.cross_slope
    sells = 2 * rival(b) * N + x * rival(N) >= 0
    rest = rival(b) * N + x * rival(N)
    limits = (x > UNRELATED * b) & (-2 * (b * rival(b) - x**2) * rival(N) < x * rest)
    alone = np.where(
        rest <= 0, NOBODY, np.where(limits, LIMITS, ALONE) + np.where(rest <= 0, 0, [0, 1])
    )
    one = np.where(sells[..., 0], alone[..., 0], alone[..., 1])
    return np.asarray(np.where(sells.all(-1), BOTH, np.where(sells.any(-1), one, NOBODY)))


def margins_and_sales(case: Case) -> tuple[Array, Array]:
    """Margins and quantities in net intercepts, (..., 6, 2, 2) each, by who sells."""
    own, x = (
        np.broadcast_to(case.own_slope, (*case.own_slope.shape[:-1], 2)),
        case.cross_slope[..., 0],
    )
    zero = 0 * (x + own[..., 0])
    related = x > UNRELATED * own.min(-1)
    over_x = np.where(related, 1 / np.where(related, x, 1.0), 0.0)

    def row(firm: int, of_own: Array, of_rival: Array) -> Array:
        """A matrix of one firm's figure alone, in its own and its rival's intercept."""
        mine, other = of_own + zero, of_rival + zero
        return matrix(mine, other, zero, zero) if firm == 0 else matrix(zero, zero, other, mine)

    margin, sold = [bertrand_matrix(case)], [sold_matrix(case, bertrand_matrix)]
    for firm in (0, 1):
        margin.append(row(firm, zero, -over_x))
        sold.append(row(firm, 1 + zero, own[..., firm] * over_x))
    for firm in (0, 1):
        b_i, b_j = own[..., firm], own[..., 1 - firm]
        width = 2 * (b_i * b_j - x**2)
        margin.append(row(firm, b_j / width, x / width))
        sold.append(row(firm, 0.5 + zero, x / (2 * b_j)))
    margin.append(0 * margin[0])
    sold.append(0 * sold[0])
    shape = np.broadcast_shapes(*(a.shape for a in margin + sold))
    return tuple(np.stack([np.broadcast_to(a, shape) for a in each], -3) for each in (margin, sold))  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True)
class WithExit:
    """One agent's payoff over all levels whoever sells, in L lanes."""

    payoff: Payoff
    """The payoff where both firms sell."""
    forms: Array
    """Q (L, 6, 2, 2) or (1, 6, 2, 2), by who sells."""

    def take(self, lanes: Any) -> WithExit:
        """The payoff in these lanes only."""
        return WithExit(payoff=self.payoff.take(lanes), forms=take_lanes(self.forms, lanes))

    def _here(self, x: Array) -> Payoff:
        """The payoff of the form that holds at these levels."""
        case = self.payoff.case
        who = who_sells(case, net_intercept(case, x))
        if not who.any():
            return self.payoff
        lanes = np.arange(len(x)) if len(self.forms) > 1 else 0
        return replace(self.payoff, benefit=self.forms[lanes, who])

    def value(self, x: Array) -> Array:
        """Payoff (L,) at levels (L, 4)."""
        return self._here(x).value(x)

    def derivatives(self, x: Array) -> Derivatives:
        """Payoff, gradient and Hessian; at a kink those of one side."""
        return self._here(x).derivatives(x)


def profits_with_exit(case: Case) -> tuple[WithExit, WithExit]:
    """Both firms' profits over all levels, in a flat case."""
    Q = revenue_forms(*margins_and_sales(case))
    first, second = (
        WithExit(payoff=payoff, forms=Q[:, :, i]) for i, payoff in enumerate(firm_payoffs(case))
    )
    return first, second


def planner_with_exit(case: Case) -> WithExit:
    """Social welfare over all levels, in a flat case."""
    H = inverse_slope_matrix(case)[..., None, :, :]
    Q = utility_form(H, margins_and_sales(case)[1])
    return WithExit(payoff=Payoff(case=case, benefit=Q[:, 0], cost_weight=np.ones((1, 2))), forms=Q)
