"""Prices once levels are observed, and the quadratic form in the intercepts that each price rule
leaves.

With unit costs F and the net intercept N = A - D F, demand is q = N - D (p - F): a market of
margins p - F. Every rule of the paper is linear in it, p - F = P N and q = (I - D P) N. Variable
profits (p_i - F_i) q_i, and gross utility less unit costs, are then quadratic forms N' Q N, and a
regime needs nothing of the price stage but Q. Without unit costs N = A.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from market.model.case import SHARING, Array, Case, of_firm, rival
from market.model.cost import unit_cost
from market.model.demand import apply as apply_matrix
from market.model.demand import inverse_slope_matrix, matrix, shifted_intercept, slope_matrix, times

PriceRule = Callable[[Case], Array]
"""From a case to the matrix P (..., 2, 2) of margins in net intercepts."""


def net_intercept(case: Case, x: Array) -> Array:
    """N = A - D F: what consumers would buy at prices equal to unit costs, (..., 2), quantity
    units."""
    A = shifted_intercept(case, x)
    F = unit_cost(case, x)
    return A if F is None else A - apply_matrix(slope_matrix(case), F.value)


def rivalry_bound(case: Case, x: Array) -> Array:
    """alpha-bar_i = lambda_d,i min(s_1, s_2) + b2 / (2 b1) (Assumption 1), the largest b1 counting:
    rivalry up to which a price does not fall with the rival's investment, (..., 2), a number."""
    least = x[..., SHARING].min(-1, keepdims=True)
    return np.asarray(
        case.demand_spillover * least
        + (case.cross_slope / (2 * case.own_slope)).min(-1, keepdims=True)
        + np.zeros(2)
    )


def bertrand(case: Case, intercept: Array, unit_cost: Array | float = 0.0) -> Array:
    """Equilibrium prices (21) when each firm sets its own: shape (..., 2).

    p_i = [2 b1_j (A_i + b1_i F_i) + b2 (A_j + b1_j F_j)] / (4 b1_1 b1_2 - b2^2), with F the unit
    cost.
    """
    own, cross = case.own_slope, case.cross_slope
    pull = intercept + own * unit_cost
    return (2 * rival(own) * pull + cross * rival(pull)) / (4 * own * rival(own) - cross**2)


def collusive(case: Case, intercept: Array, unit_cost: Array | float = 0.0) -> Array:
    """Prices that maximise the firms' joint variable profit: p = (D^-1 A + F) / 2, shape (...,
    2)."""
    own, cross = case.own_slope, case.cross_slope
    choke = (rival(own) * intercept + cross * rival(intercept)) / (own * rival(own) - cross**2)
    return (choke + unit_cost) / 2


def marginal_cost(case: Case, intercept: Array, unit_cost: Array | float = 0.0) -> Array:
    """The planner's prices p = F, shape (..., 2)."""
    return np.broadcast_to(
        np.asarray(unit_cost, float), np.broadcast_shapes(intercept.shape, np.shape(unit_cost))
    ).copy()


def bertrand_matrix(case: Case) -> Array:
    """P of Bertrand prices (21)."""
    own, other = (of_firm(case.own_slope, firm) for firm in (0, 1))
    cross = case.cross_slope[..., 0]
    scale = 4 * own * other - cross**2
    return matrix(2 * other, cross, cross, 2 * own) / scale[..., None, None]


def collusive_matrix(case: Case) -> Array:
    """P of collusive prices."""
    return inverse_slope_matrix(case) / 2


def marginal_cost_matrix(case: Case) -> Array:
    """P of prices at unit cost: no margin."""
    return np.zeros_like(slope_matrix(case))


def sold_matrix(case: Case, rule: PriceRule) -> Array:
    """I - D P (..., 2, 2): quantities in net intercepts."""
    return np.eye(2) - times(slope_matrix(case), rule(case))


def revenue_matrices(case: Case, rule: PriceRule) -> Array:
    """Q of each firm's variable profit (p_i - F_i) q_i = N' Q_i N, shape (..., 2 firms, 2, 2),
    symmetric."""
    return revenue_forms(rule(case), sold_matrix(case, rule))


def revenue_forms(margin: Array, sold: Array) -> Array:
    """The same (..., 2 firms, 2, 2) from the matrices (..., 2, 2) of margins and of quantities in
    net intercepts."""
    outer = margin[..., :, :, None] * sold[..., :, None, :]
    return (outer + np.swapaxes(outer, -1, -2)) / 2


def utility_matrix(case: Case, rule: PriceRule) -> Array:
    """Q of consumers' gross utility less unit costs, U - F'q = N' Q N, shape (..., 2, 2),
    symmetric."""
    return utility_form(inverse_slope_matrix(case), sold_matrix(case, rule))


def utility_form(inverse: Array, sold: Array) -> Array:
    """The same from H, the inverse of the slopes, and the matrix of quantities in net intercepts,
    (..., 2, 2) each."""
    cross = times(np.swapaxes(sold, -1, -2), inverse)
    return (cross + np.swapaxes(cross, -1, -2) - times(cross, sold)) / 2
