"""A firm's exact global best reply in its own sharing and investment, rival's levels given, at Bertrand prices.

With p_i = N / (4 b1_i b1_j - b2^2), the numerator in own levels (s, t) is N = n0 + n1 t + (e + g t) s - h s^2 with h > 0, and
profit is w N^2 - (kappa/2) t^2, w = b1_i / (4 b1_i b1_j - b2^2)^2, kappa = k share(y_i), which the rival's levels fix. For every t the best
sharing is s*(t) = clip((e + g t) / 2h, 0, 1). In t, profit is then quadratic where s* is at a bound and quartic between: every
local maximum is 0, the cap, the root of a line or one of at most three roots of a cubic. All are evaluated; the best wins.
"""

from __future__ import annotations

import numpy as np

from market.case import Array, Case, rival
from market.cost import cost_share


def best_reply(case: Case, x: Array, firm: int, largest_sharing: float = 1.0) -> tuple[Array, Array]:
    """Levels (L, 4) with this firm's own at its global best reply, and its profit (L,) there.

    Profit is infinite, and the firm's investment NaN, where profit grows without bound in own investment. With
    `largest_sharing` = 0 the firm may not share.
    """
    other = 1 - firm

    def own(a: Array, i: int = firm) -> Array:
        return a[..., min(i, a.shape[-1] - 1)]

    s_j, t_j = x[..., other], x[..., 2 + other]
    b_i, b_j, b2 = own(case.own_slope), own(case.own_slope, other), own(case.cross_slope)
    spill, alpha = own(case.demand_spillover), own(case.rivalry)
    phi1, phi2, phi3 = own(case.leakage_own), own(case.leakage_cross), own(case.leakage_interaction)

    n0 = 2 * b_j * (own(case.intercept) - alpha * t_j + spill * t_j * s_j + phi2 * s_j**2)
    n0 = n0 + b2 * (own(case.intercept, other) + t_j - phi1 * s_j**2)
    n1 = 2 * b_j - b2 * alpha + 0 * t_j
    e = (2 * b_j + b2) * phi3 * s_j
    g = b2 * spill + 0 * t_j
    h = 2 * b_j * phi1 - b2 * phi2
    w = b_i / (4 * b_i * b_j - b2**2) ** 2
    kappa = own(case.cost_scale * cost_share(case, x)[0])
    cap = np.broadcast_to(own(case.investment_cap), t_j.shape)

    def sharing(t: Array) -> Array:
        return np.clip((e + g * t) / (2 * h), 0.0, largest_sharing)

    def profit(t: Array) -> Array:
        s = sharing(t)
        # Where the price would be negative nobody buys at any price: the square of a negative price is no revenue.
        return w * np.maximum(n0 + n1 * t + (e + g * t) * s - h * s**2, 0.0) ** 2 - kappa / 2 * t**2

    # Candidates in t, one more axis in front: both ends, the two lines, the cubic's roots.
    candidates = [np.zeros_like(t_j), np.where(np.isfinite(cap), cap, 0.0)]
    for s in (0.0, largest_sharing):
        level, slope = n0 + e * s - h * s**2, n1 + g * s
        candidates.append(_root_of_line(2 * w * level * slope, kappa - 2 * w * slope**2))
    m0, m1, m2 = n0 + e**2 / (4 * h), n1 + e * g / (2 * h), g**2 / (4 * h)
    candidates.extend(_positive_roots(2 * w * m0 * m1, 2 * w * (m1**2 + 2 * m0 * m2) - kappa, 6 * w * m1 * m2, 4 * w * m2**2))
    t = np.array(candidates)
    t = np.clip(np.where(np.abs(t) < 1e50, t, 0.0), 0.0, cap)  # larger ones are roots at infinity of a lower degree
    values = profit(t)
    best = np.argmax(values, axis=0)
    t_best = np.take_along_axis(t, best[None], 0)[0]
    value = np.take_along_axis(values, best[None], 0)[0]

    # Far out, sharing sits at a bound and profit behaves like (w slope^2 - kappa/2) t^2.
    far = np.where(g > 0, largest_sharing, np.where(g < 0, 0.0, sharing(t_best)))
    unbounded = np.isinf(cap) & (kappa <= 2 * w * (n1 + g * far) ** 2)
    out = x.copy()
    out[..., firm] = sharing(t_best)
    out[..., 2 + firm] = np.where(unbounded, np.nan, t_best)
    return out, np.where(unbounded, np.inf, value)


def _root_of_line(constant: Array, slope: Array) -> Array:
    """The zero of constant - slope t."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(constant / slope)


def _positive_roots(c0: Array, c1: Array, c2: Array, c3: Array) -> list[Array]:
    """Real parts of the three t at which c0 + c1 t + c2 t^2 + c3 t^3 = 0, polished; NaN or infinite where there are fewer.

    They are found as reciprocals of the eigenvalues u = 1/t of the companion matrix of c0 u^3 + c1 u^2 + c2 u + c3, since it is c0
    that never vanishes: c3 does as soon as goods are unrelated.
    """
    c0, c1, c2, c3 = np.broadcast_arrays(c0, c1, c2, c3)
    companion = np.zeros((*c0.shape, 3, 3))
    with np.errstate(divide="ignore", invalid="ignore"):
        for column, c in enumerate((c1, c2, c3)):
            companion[..., 0, column] = -c / c0
        companion[..., 1, 0] = companion[..., 2, 1] = 1
        companion[~np.isfinite(companion).all((-1, -2))] = 0
        roots = 1 / np.linalg.eigvals(companion).real
        for _ in range(3):
            value = c0[..., None] + roots * (c1[..., None] + roots * (c2[..., None] + roots * c3[..., None]))
            slope = c1[..., None] + roots * (2 * c2[..., None] + roots * 3 * c3[..., None])
            step = value / slope
            roots = roots - np.where(np.isfinite(step) & (np.abs(step) < 0.1 * np.abs(roots)), step, 0.0)
    return [roots[..., i] for i in range(3)]


def reply_bound(case: Case, largest_sharing: float = 1.0) -> Array:
    """The largest 2 w (dN/dt)^2 over own sharing, per firm (..., 2): profit is bounded in own investment iff kappa exceeds it."""
    b, b2 = case.own_slope, case.cross_slope
    steepest = 2 * rival(b) - b2 * case.rivalry + b2 * np.maximum(case.demand_spillover, 0.0) * largest_sharing
    return 2 * b / (4 * b * rival(b) - b2**2) ** 2 * steepest**2
