"""What one firm's own sharing s and investment t do to both firms' net intercepts, the rival's
levels given.

Both are polynomials with the terms 1, t, t^2, s, s t and -s^2. What is truly about two firms stands
here, in `market.model.leaving`, `market.model.reply` and `market.regimes.stages`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from market.model.case import Array, Case, of_firm
from market.model.cost import unit_cost

LAST_DIGITS = 1e-15
"""Share of a unit cost that is what rounding leaves of it where received knowledge makes it nil."""


class Margin(NamedTuple):
    """c b_j N_i + x N_j in own levels (s, t): n0 + n1 t + n2 t^2 + (e + g t) s - h s^2. With c = 2
    it is the margin of a firm beside its rival, times 4 b_i b_j - x^2; with c = 1 that of a firm
    alone, times 2 (b_i b_j - x^2)."""

    n0: Array
    n1: Array
    n2: Array
    e: Array
    g: Array
    h: Array
    weight: Array
    """w: the firm's variable profit is w times the square."""


def margin_in_own_levels(case: Case, x: Array, firm: int, weight: float = 2.0) -> Margin:
    """The coefficients at the rival's levels in x (..., 4) of c b_j N_i + x N_j, c being `weight`;
    own levels are not looked at."""
    return margin_of(case, firm, *net_intercepts_in_own_levels(case, x, firm), weight)


def margin_of(
    case: Case, firm: int, own: tuple[Array, ...], cross: tuple[Array, ...], weight: float = 2.0
) -> Margin:
    """The same from both firms' net intercepts."""
    b_i, b_j, x_ij = (
        of_firm(case.own_slope, firm),
        of_firm(case.own_slope, 1 - firm),
        of_firm(case.cross_slope, firm),
    )
    n0, n1, n2, e, g, h = (
        weight * b_j * one + x_ij * other for one, other in zip(own, cross, strict=True)
    )
    return Margin(n0, n1, n2, e, g, h, weight=b_i / (4 * b_i * b_j - x_ij**2) ** 2)


def net_intercepts_in_own_levels(
    case: Case, x: Array, firm: int
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """The firm's own and its rival's net intercept N = A - D F in the firm's levels (s, t).

    Each is the coefficients of (1, t, t^2, s, s t, -s^2).
    """
    other = 1 - firm

    def of(a: Array, i: int) -> Array:
        return of_firm(a, i)

    s_j, t_j = x[..., other], x[..., 2 + other]
    zero = 0 * t_j
    own: tuple[Array, ...] = (
        of(case.intercept, firm)
        - of(case.rivalry, firm) * t_j
        + of(case.demand_spillover, firm) * t_j * s_j
        + of(case.leakage_cross, firm) * s_j**2,
        1 + zero,
        zero,
        of(case.leakage_interaction, firm) * s_j,
        zero,
        of(case.leakage_own, firm) + zero,
    )
    cross: tuple[Array, ...] = (
        of(case.intercept, other) + t_j - of(case.leakage_own, other) * s_j**2,
        zero - of(case.rivalry, other),
        zero,
        of(case.leakage_interaction, other) * s_j,
        of(case.demand_spillover, other) + zero,
        zero - of(case.leakage_cross, other),
    )
    F = unit_cost(case, x)
    if F is None:
        return own, cross
    U, left, rise = F.parameters, of(F.left, firm), of(F.rise, other)
    # What rounding leaves of a unit cost would count for much far out.
    left = np.where(np.abs(left) <= LAST_DIGITS * of(U.base, firm), 0.0, left)
    # F_i = left (1 + slope t + curvature t^2 / 2) and F_j = (base - spillover s t) rise in own
    # levels.
    own_cost = (left, left * of(U.slope, firm), left * of(U.curvature, firm) / 2, zero, zero, zero)
    cross_cost = (of(U.base, other) * rise, zero, zero, zero, -of(U.spillover, other) * rise, zero)
    b_i, b_j, x_ij = of(case.own_slope, firm), of(case.own_slope, other), of(case.cross_slope, firm)
    return (
        tuple(n - b_i * f + x_ij * c for n, f, c in zip(own, own_cost, cross_cost, strict=True)),
        tuple(n - b_j * c + x_ij * f for n, f, c in zip(cross, own_cost, cross_cost, strict=True)),
    )


def at_own_sharing(coefficients: tuple[Array, ...], s: Array) -> tuple[Array, ...]:
    """The same polynomial where own sharing is s (...) whatever else is chosen: constant in what it
    calls sharing but for -s^2."""
    c0, c1, c2, c3, c4, c5 = coefficients
    return c0 + c3 * s - c5 * s**2, c1 + c4 * s, c2, 0 * c3, 0 * c4, c5
