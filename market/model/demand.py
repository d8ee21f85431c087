"""Demand, the utility behind it, and consumer surplus.

Demand (1): q_i = a_i - b1_i p_i + b2 p_j + B_i(s, t). With D = [[b1_1, -b2], [-b2, b1_2]] and the
shifted intercept A = a + B this is q = A - D p. It is the demand of a consumer with quadratic
utility (Appendix A), whose inverse demand is p = H (A - q), H = D^-1: p_i = r_i - d_i q_i - z q_j
with r = H A, d_i = H_ii, z = H_12.
"""

from __future__ import annotations

import numpy as np

from market.model.case import INVESTMENT, SHARING, Array, Case, of_firm, rival


def leakage(case: Case, x: Array) -> Array:
    """Demand lost by leaked information, g_i = phi1 s_i^2 - phi2 s_j^2 - phi3 s_i s_j (2), shape
    (..., 2)."""
    s = x[..., SHARING]
    return (
        case.leakage_own * s**2
        - case.leakage_cross * rival(s) ** 2
        - case.leakage_interaction * s * rival(s)
    )


def shifted_intercept(case: Case, x: Array) -> Array:
    """A_i = a_i + B_i, B_i = t_i - alpha t_j + lambda_d t_j s_j - g_i (3), shape (..., 2), quantity
    units."""
    t = x[..., INVESTMENT]
    received = rival(t * x[..., SHARING])
    return (
        case.intercept
        + t
        - case.rivalry * rival(t)
        + case.demand_spillover * received
        - leakage(case, x)
    )


def slope_matrix(case: Case) -> Array:
    """D, shape (..., 2, 2): quantities fall by D p when prices are p."""
    own, cross = case.own_slope, -case.cross_slope[..., 0]
    return matrix(of_firm(own, 0), cross, cross, of_firm(own, 1))


def inverse_slope_matrix(case: Case) -> Array:
    """H = D^-1, shape (..., 2, 2): inverse demand is p = H (A - q)."""
    D = slope_matrix(case)
    determinant = D[..., 0, 0] * D[..., 1, 1] - D[..., 0, 1] * D[..., 1, 0]
    return (
        matrix(D[..., 1, 1], -D[..., 0, 1], -D[..., 1, 0], D[..., 0, 0])
        / determinant[..., None, None]
    )


def quantity(case: Case, intercept: Array, price: Array) -> Array:
    """q = A - D p (1), shape (..., 2)."""
    return intercept - case.own_slope * price + case.cross_slope * rival(price)


def inverse_demand(case: Case, intercept: Array, quantity: Array) -> Array:
    """The prices (..., 2) at which consumers buy these quantities."""
    return apply(inverse_slope_matrix(case), intercept - quantity)


def gross_utility(case: Case, intercept: Array, quantity: Array) -> Array:
    """GU_i = q_i (r_i - d_i q_i / 2 - z q_j / 2), shape (..., 2), money units.

    Their sum is the line integral of inverse demand from 0 to the quantities, along any path; GU_i
    is firm i's part of it along the ray. At equal firms the sum is the integral in (9).
    """
    H = inverse_slope_matrix(case)
    return quantity * (apply(H, intercept) - apply(H, quantity) / 2)


def consumer_surplus(utility: Array, quantity: Array, price: Array) -> Array:
    """CS_i = GU_i - p_i q_i: consumers' surplus from product i of which they have this gross
    utility, shape (..., 2), money units."""
    return utility - price * quantity


def printed_double_integral(case: Case, intercept: Array, quantity: Array) -> Array:
    """The integral of inverse demand p_i(q_1, q_2) over the rectangle of both quantities, as (35)
    prints it.

    A diagnostic only: it has the unit price x quantity^2, so it is no money amount and does not sum
    to (9). Shape (..., 2).
    """
    return rival(quantity) * gross_utility(case, intercept, quantity)


def apply(m: Array, v: Array) -> Array:
    """The product of matrices (..., 2, 2) with vectors (..., 2)."""
    # firm by firm: what comes out lies in memory as v does
    own, cross = m.diagonal(0, -2, -1), m[..., ::-1].diagonal(0, -2, -1)
    return own * v + cross * rival(v)


def matrix(m11: Array, m12: Array, m21: Array, m22: Array) -> Array:
    """A matrix (..., 2, 2) from its entries."""
    shape = np.broadcast(m11, m12, m21, m22).shape
    # lanes next to each other in memory
    out = np.empty((2, 2, *shape), np.result_type(m11, m12, m21, m22))
    out[0, 0], out[0, 1], out[1, 0], out[1, 1] = m11, m12, m21, m22
    return out.transpose(*range(2, out.ndim), 0, 1)


def times(m: Array, n: Array) -> Array:
    """The product of matrices (..., 2, 2)."""
    return m[..., :, :1] * n[..., :1, :] + m[..., :, 1:] * n[..., 1:, :]
