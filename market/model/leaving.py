"""Prices, sales and profits when a firm may be driven out of the market.

With net intercepts N, margins m and cross slope x Bertrand competition has both firms sell where 2
b_i N_j + x N_i >= 0 for both. Where that is negative for firm j, its quantity would be: it is out,
with m_j = q_j = 0, and firm i charges the smaller of

    the highest margin that keeps j out  -N_j / x,  q_i = N_i - b_i m_i
    the monopoly's on what is left       M / (2 (b_i b_j - x^2)),  q_i = M / (2 b_j),
                                         M = b_j N_i + x N_j

and where also b_j N_i + x N_j <= 0 nobody sells. Profit is continuous in the levels. Where j just
leaves it bends upward (the slope in any direction that drives j further out is higher beyond than
before), so that no best reply lies there; between the two prices it is smooth.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case, rival
from market.model.cost import investment_cost
from market.model.demand import apply as apply_matrix
from market.model.demand import inverse_slope_matrix
from market.model.pricing import net_intercept


def welfare_with_exit(case: Case, x: Array) -> Array:
    """Social welfare (...) at levels x (..., 4) at Bertrand prices, with a firm out that cannot
    sell.

    What is bought is worth r'q - q'Hq/2 to consumers with quadratic utility, r = H N being what
    they pay beyond unit costs.
    """
    N = net_intercept(case, x)
    sold = sales(case, N).sold
    H = inverse_slope_matrix(case)
    worth = (sold * (apply_matrix(H, N) - apply_matrix(H, sold) / 2)).sum(-1)
    return np.asarray(worth - investment_cost(case, x).sum(-1))


UNRELATED = 1e-100
"""Cross slope over own slope up to which nothing is won by driving the rival out that rounding
would leave."""


class Sales(NamedTuple):
    """What firms charge beyond unit cost and sell, each (..., 2)."""

    margin: Array
    """p_i - F_i, money per unit."""
    sold: Array
    """q_i >= 0."""
    out: NDArray[np.bool_]
    """Whether the firm sells nothing because its quantity would be negative."""


def sales(case: Case, N: Array) -> Sales:
    """Margins and quantities at net intercepts N (..., 2), a firm that cannot sell being out."""
    b = case.own_slope
    margin, sold = beside_or_alone(N, rival(N), b, rival(b), case.cross_slope)
    return Sales(
        np.asarray(margin),
        np.asarray(sold),
        np.asarray(2 * rival(b) * N + case.cross_slope * rival(N) < 0),
    )


def beside_or_alone(
    N_i: Array, N_j: Array, b_i: Array, b_j: Array, x: Array
) -> tuple[Array, Array]:
    """Firm i's margin and what it sells at these net intercepts, beside its rival or with it
    out."""
    own, cross = 2 * b_j * N_i + x * N_j, 2 * b_i * N_j + x * N_i
    rest = b_j * N_i + x * N_j
    related = x > UNRELATED * b_i
    keeps_out = np.where(related, -N_j / np.where(related, x, 1.0), np.inf)
    monopoly = rest / (2 * (b_i * b_j - x**2))
    limits = keeps_out < monopoly
    alone = np.maximum(np.where(limits, keeps_out, monopoly), 0.0)
    sells_alone = np.maximum(np.where(limits, N_i - b_i * alone, rest / (2 * b_j)), 0.0)
    both = own / (4 * b_i * b_j - x**2)
    margin = np.where(own < 0, 0.0, np.where(cross < 0, alone, both))
    return margin, np.where(own < 0, 0.0, np.where(cross < 0, sells_alone, b_i * both))


def true_profits(case: Case, x: Array) -> Array:
    """Both firms' profits (..., 2) at levels x (..., 4) at Bertrand prices, with a firm out that
    cannot sell."""
    N, b = net_intercept(case, x), case.own_slope
    margin = (2 * rival(b) * N + case.cross_slope * rival(N)) / (
        4 * b * rival(b) - case.cross_slope**2
    )
    earned = b * margin**2
    if not (margin >= 0).all():
        found = sales(case, N)
        earned = found.margin * found.sold
    return np.asarray(earned - investment_cost(case, x))
