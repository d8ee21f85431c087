"""A firm's exact global best reply in its own sharing and investment, rival's levels given, at Bertrand prices. About two firms.

With margin p_i - F_i = N / (4 b1_i b1_j - b2^2), the numerator in own levels (s, t) is N = n0 + n1 t + n2 t^2 + (e + g t) s - h s^2 with
h > 0, and n2 < 0 only where unit cost is convex. Profit is w N^2 - (kappa/2) max(t - o, 0)^2, w = b1_i / (4 b1_i b1_j - b2^2)^2, where
kappa and the origin o (0 but for the restricted cost) are fixed by the rival's levels. For every t the best sharing is
s*(t) = clip((e + g t) / 2h, 0, 1). In t, N is then quadratic on three stretches (s* = 0, between, s* = 1) and profit quartic: every
local maximum is 0, o, the cap, the top of N or one of at most three roots of a cubic. All are evaluated; the best wins.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from market.case import Array, Case, of_firm, rival
from market.cost import own_parabola, unit_cost


class Margin(NamedTuple):
    """A firm's margin p_i - F_i in own levels (s, t), times 4 b1_i b1_j - b2^2: n0 + n1 t + n2 t^2 + (e + g t) s - h s^2."""

    n0: Array
    n1: Array
    n2: Array
    e: Array
    g: Array
    h: Array
    weight: Array
    """w: the firm's variable profit is w times the square."""


def margin_in_own_levels(case: Case, x: Array, firm: int) -> Margin:
    """The coefficients of one firm's margin at the rival's levels in x (..., 4); own levels are not looked at."""
    other = 1 - firm

    def own(a: Array, i: int = firm) -> Array:
        return of_firm(a, i)

    s_j, t_j = x[..., other], x[..., 2 + other]
    b_i, b_j, b2 = own(case.own_slope), own(case.own_slope, other), own(case.cross_slope)
    spill, alpha = own(case.demand_spillover), own(case.rivalry)
    phi1, phi2, phi3 = own(case.leakage_own), own(case.leakage_cross), own(case.leakage_interaction)

    n0 = 2 * b_j * (own(case.intercept) - alpha * t_j + spill * t_j * s_j + phi2 * s_j**2)
    n0 = n0 + b2 * (own(case.intercept, other) + t_j - phi1 * s_j**2)
    n1 = 2 * b_j - b2 * alpha + 0 * t_j
    e = (2 * b_j + b2) * phi3 * s_j
    g = b2 * own(case.demand_spillover, other) + 0 * t_j
    h = 2 * b_j * phi1 - b2 * phi2
    n2 = 0 * t_j
    F = unit_cost(case, x)
    if F is not None:
        U = F.parameters
        weight = -(2 * b_i * b_j - b2**2) * own(F.left)
        n0 = n0 + weight + b_j * b2 * own(U.base, other) * own(F.rise, other)
        n1 = n1 + weight * own(U.slope)
        n2 = n2 + weight * own(U.curvature) / 2
        g = g - b_j * b2 * own(U.spillover, other) * own(F.rise, other)
    return Margin(n0, n1, n2, e, g, h, weight=b_i / (4 * b_i * b_j - b2**2) ** 2)


def best_reply(case: Case, x: Array, firm: int, sharing_range: tuple[float, float] = (0.0, 1.0)) -> tuple[Array, Array]:
    """Levels (L, 4) with this firm's own at its global best reply, and its profit (L,) there.

    Profit is infinite, and the firm's investment NaN, where profit grows without bound in own investment.
    `sharing_range` is what the firm may share; both ends equal where sharing is imposed.
    """
    least, most = sharing_range
    t_j = x[..., 3 - firm]
    n0, n1, n2, e, g, h, w = margin_in_own_levels(case, x, firm)
    kappa, origin = (of_firm(a, firm) for a in own_parabola(case, x))
    cap = np.broadcast_to(of_firm(case.investment_cap, firm), t_j.shape)

    def sharing(t: Array) -> Array:
        return np.clip((e + g * t) / (2 * h), least, most)

    def profit(t: Array) -> Array:
        s = sharing(t)
        # Where the price would be negative nobody buys at any price: the square of a negative price is no revenue.
        margin = n0 + n1 * t + n2 * t**2 + (e + g * t) * s - h * s**2
        return w * np.maximum(margin, 0.0) ** 2 - kappa / 2 * np.maximum(t - origin, 0.0) ** 2

    # Candidates in t, one more axis in front: the ends, then what each stretch N = m0 + m1 t + m2 t^2 has.
    candidates = [np.zeros_like(t_j), origin, np.where(np.isfinite(cap), cap, 0.0)]
    stretches = [(n0 + e * s - h * s**2, n1 + g * s, n2) for s in sharing_range]
    stretches.append((n0 + e**2 / (4 * h), n1 + e * g / (2 * h), n2 + g**2 / (4 * h)))
    for m0, m1, m2 in stretches:
        constant, slope = 2 * w * m0 * m1 + kappa * origin, 2 * w * (m1**2 + 2 * m0 * m2) - kappa
        if np.any(m2):
            candidates.extend(_positive_roots(constant, slope, 6 * w * m1 * m2, 4 * w * m2**2))
            candidates.append(_root_of_line(m1, -2 * m2))
        else:
            candidates.append(_root_of_line(constant, -slope))
    t = np.array(candidates)
    t = np.clip(np.where(np.abs(t) < 1e50, t, 0.0), 0.0, cap)  # larger ones are roots at infinity of a lower degree, NaN is none
    values = profit(t)
    best = np.argmax(values, axis=0)
    t_best = np.take_along_axis(t, best[None], 0)[0]
    value = np.take_along_axis(values, best[None], 0)[0]

    # Far out, sharing sits at a bound and profit behaves like (w slope^2 - kappa/2) t^2, unless unit cost is convex.
    far = np.where(g > 0, most, np.where(g < 0, least, sharing(t_best)))
    steep = kappa <= 2 * w * np.maximum(n1 + g * far, 0.0) ** 2
    unbounded = np.isinf(cap) & np.where(n2 == 0, steep, n2 > 0)
    out = x.copy()
    out[..., firm] = sharing(t_best)
    out[..., 2 + firm] = np.where(unbounded, np.nan, t_best)
    return out, np.where(unbounded, np.inf, value)


def _root_of_line(constant: Array, slope: Array) -> Array:
    """The zero of constant - slope t."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray(constant / slope)


def _positive_roots(c0: Array, c1: Array, c2: Array, c3: Array) -> list[Array]:
    """Real parts of the t at which c0 + c1 t + c2 t^2 + c3 t^3 = 0, polished; NaN or infinite where there are fewer.

    They are found as reciprocals of the roots u = 1/t of u^3 + a u^2 + b u + c, the polynomial over c0, since it is c0 that never
    vanishes: c3 does as soon as goods are unrelated. Viete's formula where all three are real, Cardano's where one is.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        a, b, c = c1 / c0, c2 / c0, c3 / c0
        Q, R = (a**2 - 3 * b) / 9, (2 * a**3 - 9 * a * b + 27 * c) / 54
        apart = Q**3 - R**2
        wide = 2 * np.sqrt(np.maximum(Q, 0.0))
        angle = np.arccos(np.clip(R / np.maximum(Q, 0.0) ** 1.5, -1.0, 1.0)) / 3
        big = -np.sign(R) * np.cbrt(np.abs(R) + np.sqrt(np.maximum(-apart, 0.0)))
        one = big + np.where(big == 0, 0.0, Q / big)
        roots = [
            1 / (np.where(apart > 0, -wide * np.cos(angle + turn), real) - a / 3)
            for turn, real in ((0.0, one), (2 * np.pi / 3, -one / 2), (-2 * np.pi / 3, -one / 2))
        ]
        # Roots far beyond another are lost in its rounding; without c0 they solve a quadratic.
        if np.any((np.abs(b) < 1e-6 * a**2) | (np.abs(c) < 1e-6 * np.abs(a) ** 3)):
            half = -(c2 + np.where(c2 < 0, -1, 1) * np.sqrt(np.maximum(c2**2 - 4 * c1 * c3, 0.0))) / 2
            roots += [half / c3, c1 / half]
        for _ in range(3):
            for i, t in enumerate(roots):
                step = (c0 + t * (c1 + t * (c2 + t * c3))) / (c1 + t * (2 * c2 + t * 3 * c3))
                roots[i] = t - np.where(np.abs(step) < 0.1 * np.abs(t), step, 0.0)
    return roots


def reply_bound(case: Case, sharing_range: tuple[float, float] = (0.0, 1.0)) -> Array:
    """The largest 2 w (dN/dt)^2 over own sharing, per firm (..., 2): profit is bounded in own investment iff kappa exceeds it.

    Zero where unit costs make the slope depend on the rival's levels, so that nothing can be said beforehand.
    """
    b, b2 = case.own_slope, case.cross_slope
    F = case.unit_cost
    unknown = np.zeros((1, 1), bool) if F is None else (F.spillover + F.slope + F.curvature != 0).any(-1, keepdims=True)
    steepest = 2 * rival(b) - b2 * case.rivalry + b2 * np.maximum(*(rival(case.demand_spillover) * s for s in sharing_range))
    return np.where(unknown, 0.0, 2 * b / (4 * b * rival(b) - b2**2) ** 2 * steepest**2)
