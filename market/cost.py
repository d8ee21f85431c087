"""What security costs: a fixed cost of investment, and the cost of a unit sold.

Investment cost is f(t, y): y_i = lambda_c,i t_j s_j is the knowledge firm i receives. The paper's section 2 asks f_t(0, y) = 0 and,
for t > 0, f_t > 0, f_tt > 0, f_y < 0 and f_ty < 0, and names no form. The forms of a share, f = (k/2) t^2 share(y), obey: `share` is
the part of the stand-alone cost k t^2 / 2 that is left, from 1 at y = 0 down to 1 - gamma. The restricted form
f = (k/2) max(t - y, 0)^2 of Gordon, Loeb and Lucyshyn (2003) does not: knowledge replaces investment, and f_t(0, y) = 0 only because
received knowledge is enough; the paper contrasts its results with it. It has a kink in its second derivatives at t = y.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from market.case import INVESTMENT, SHARING, Array, Case, UnitCost, rival

CostDerivatives = tuple[Array, Array, Array, Array, Array, Array]
"""f, f_t, f_y, f_tt, f_ty, f_yy."""


class CostForm(NamedTuple):
    """An investment-cost form; arguments are own investment t, knowledge received y, scale k and largest saving gamma."""

    value: Callable[[Array, Array, Array, Array], Array]
    """f(t, y, k, gamma)."""
    derivatives: Callable[[Array, Array, Array, Array], CostDerivatives]
    """f and its derivatives in t and y."""
    parabola: Callable[[Array, Array, Array], tuple[Array, Array]]
    """From (y, k, gamma) to (kappa, origin) such that f = (kappa / 2) max(t - origin, 0)^2: every form is this in own investment."""


def _of_share(share: Callable[[Array, Array], Array], bends: Callable[[Array, Array], tuple[Array, Array]]) -> CostForm:
    """The form (k/2) t^2 share(y) from the share that is left and its first two derivatives in y."""

    def value(t: Array, y: Array, k: Array, gamma: Array) -> Array:
        return np.asarray(k / 2 * t**2 * share(y, gamma))

    def derivatives(t: Array, y: Array, k: Array, gamma: Array) -> CostDerivatives:
        left, (left_y, left_yy) = share(y, gamma), bends(y, gamma)
        half, kt = k / 2 * t**2, k * t
        return half * left, kt * left, half * left_y, k * left, kt * left_y, half * left_yy

    def parabola(y: Array, k: Array, gamma: Array) -> tuple[Array, Array]:
        return k * share(y, gamma), np.zeros_like(y)

    return CostForm(value, derivatives, parabola)


def _saturating(y: Array, gamma: Array) -> Array:
    """1 - gamma y / (1 + y): the saving rises toward the share gamma; f is then jointly convex in both investments."""
    return 1 - gamma * (y / (1 + y))


def _saturating_bends(y: Array, gamma: Array) -> tuple[Array, Array]:
    left = 1 / (1 + y)
    slope = -gamma * left * left
    return slope, -2 * slope * left


def _exponential(y: Array, gamma: Array) -> Array:
    """1 - gamma (1 - exp(-y))."""
    return 1 - gamma + gamma * np.exp(-y)


def _exponential_bends(y: Array, gamma: Array) -> tuple[Array, Array]:
    decay = gamma * np.exp(-y)
    return -decay, decay


def _restricted(t: Array, y: Array, k: Array, gamma: Array) -> Array:
    return np.asarray(k / 2 * np.maximum(t - y, 0.0) ** 2)


def _restricted_derivatives(t: Array, y: Array, k: Array, gamma: Array) -> CostDerivatives:
    net = np.maximum(t - y, 0.0)
    bend = k * (net > 0)
    return k / 2 * net**2, k * net, -k * net, bend, -bend, bend


def _restricted_parabola(y: Array, k: Array, gamma: Array) -> tuple[Array, Array]:
    return k + 0 * y, y


COST_FORMS: dict[str, CostForm] = {
    "saturating": _of_share(_saturating, _saturating_bends),
    "exponential": _of_share(_exponential, _exponential_bends),
    "restricted": CostForm(_restricted, _restricted_derivatives, _restricted_parabola),
}


def knowledge_received(case: Case, x: Array) -> Array:
    """y_i = lambda_c,i t_j s_j, shape (..., 2)."""
    return case.cost_spillover * rival(x[..., INVESTMENT] * x[..., SHARING])


def investment_cost(case: Case, x: Array) -> Array:
    """f_i at levels x (..., 4), per firm (..., 2), money units."""
    return COST_FORMS[case.cost_form].value(x[..., INVESTMENT], knowledge_received(case, x), case.cost_scale, case.max_saving)


def cost_derivatives(case: Case, x: Array) -> CostDerivatives:
    """f_i and its derivatives in own investment and knowledge received, each (..., 2)."""
    return COST_FORMS[case.cost_form].derivatives(x[..., INVESTMENT], knowledge_received(case, x), case.cost_scale, case.max_saving)


def own_parabola(case: Case, x: Array) -> tuple[Array, Array]:
    """(kappa, origin), each (..., 2): f_i = (kappa / 2) max(t_i - origin, 0)^2 while the rival's levels stay."""
    return COST_FORMS[case.cost_form].parabola(knowledge_received(case, x), case.cost_scale, case.max_saving)


class UnitCosts(NamedTuple):
    """F_i and what its derivatives are made of, each (..., 2)."""

    parameters: UnitCost
    value: Array
    """F_i = K_i delta_i."""
    left: Array
    """K_i = c - lambdahat t_j s_j."""
    rise: Array
    """delta_i."""
    rise_t: Array
    """delta'_i."""


def unit_cost(case: Case, x: Array) -> UnitCosts | None:
    """F_i = (c - lambdahat t_j s_j) delta(t_i) at levels x (..., 4), money per unit; None where units cost nothing."""
    F = case.unit_cost
    if F is None:
        return None
    t = x[..., INVESTMENT]
    left = F.base - F.spillover * rival(t * x[..., SHARING])
    rise = 1 + F.slope * t + F.curvature / 2 * t**2
    return UnitCosts(F, left * rise, left, rise, F.slope + F.curvature * t)
