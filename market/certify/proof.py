"""Proof that a planner's optimum is global: branch and bound over the sharing square of two firms.

For given sharing s a planner's payoff W(s, t) is strongly concave in investments with modulus at
least m (see `market.model.wellposed.concavity`; costs convex in both investments), so V(s) = max_t
W(s, t) is found exactly, is continuously differentiable, and its gradient is W_s(s, t*(s)). On a
box of sharings with centre c the optimal investments stay within |change of W_t| / m of t*(c), so
interval arithmetic encloses the gradient of V, and

    V(s) <= V(c) + sum_i h_i sup |V_i|        (h: half widths)

A box is settled when this bound does not exceed the best value by more than the tolerance, or when
V is monotone on it toward a face that is not on the square's border; what is left is quartered.
Around the best levels known no box would be until it is tiny: where W is concave on sharings about
them and all investments that may be optimal there, nothing there is better, and boxes within count
as settled (`market.certify.levels_bound`). Intervals are evaluated in ordinary floating point, so
the proof holds up to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.certify.levels_bound import beyond_concave
from market.model.case import INVESTMENT, SHARING, Array, rival
from market.model.cost import form_of, share_enclosure, usefulness
from market.model.payoff import Payoff
from market.model.wellposed import concavity
from market.solve.interval import Interval
from market.solve.linear import definite_step
from market.solve.optimum import projected_gradient
from market.solve.tolerances import DEFAULT, Tolerances

SIDE = 8
"""Boxes along each side of the square at first."""
LARGEST_TREE = 40_000
"""Boxes after which the search gives up and the optimum stays `searched`."""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """What branch and bound established about the largest payoffs of L markets."""

    gap: Array
    """(L,): proven upper bound less the value given; infinite if nothing was established."""
    better: Array
    """(L, 4): a point with a payoff above the value given; NaN if none was met."""


def bound_optimum(
    payoff: Payoff, value: Array, tolerances: Tolerances = DEFAULT, best: Array | None = None
) -> Bound:
    """Bound planners' payoffs (L flat cases in natural units, all costs borne) over all sharing and
    investment, given the best values known (L,) and, where they are, the levels (L, 4) that earn
    them."""
    case, lanes = payoff.case, len(value)
    gap, better = np.full(lanes, np.inf), np.full((lanes, 4), np.nan)
    form = form_of(case)
    if not (form.convex_in_both and form.falling_share) or case.unit_cost is not None:
        return Bound(gap=gap, better=better)
    moduli = np.broadcast_to(concavity(case, payoff.benefit), lanes)
    open_ = np.asarray(moduli > 1e-9 * case.cost_scale[:, 0])
    allowed, settled = value + tolerances.gap, np.full(lanes, -np.inf)
    around = Interval(np.full((lanes, 2), np.inf), np.full((lanes, 2), -np.inf))
    if best is not None and open_.any():
        around, most = _concave_around(payoff, best, moduli)
        fine = most <= allowed
        around = Interval(np.where(fine[:, None], around.low, np.inf), around.high)
        settled[fine] = most[fine]

    grid = (np.arange(SIDE) + 0.5) / SIDE
    grid = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)
    lane: NDArray[np.intp] = np.repeat(np.flatnonzero(open_), len(grid))
    center = np.tile(grid, (int(open_.sum()), 1))
    half, boxes, first = np.full_like(center, 0.5 / SIDE), np.zeros(lanes, int), True
    start = np.ones_like(center) if best is None else best[lane, INVESTMENT]
    while len(lane):
        boxes = boxes + np.bincount(lane, minlength=lanes)
        at, modulus = payoff.take(lane), moduli[lane, None]
        cap = np.broadcast_to(at.case.investment_cap, center.shape)
        x = np.concatenate([center, start], -1)
        lower, upper = (
            np.concatenate([center, 0 * center], -1),
            np.concatenate([center, cap], -1),
        )
        # what is left to a box's optimum is counted; later boxes begin near theirs
        for _ in range(2 if first else 1):
            x = _nearer(at, x, lower, upper)
        first, (top, gradient) = False, at.gradient(x)
        rows = np.argsort(top, kind="stable")
        rows = rows[top[rows] > allowed[lane[rows]]]
        better[lane[rows]] = x[rows]  # of several of a market the last, which is highest
        open_[lane[rows]] = False
        slack = _distance_to_optimum(x, gradient, lower, upper, modulus)
        sharing = Interval(center - half, center + half)
        radius = _investment_radius(at, sharing, x, gradient[:, INVESTMENT], modulus) + slack
        t = x[:, INVESTMENT]
        slope = _sharing_slope(
            at, sharing, Interval(np.maximum(t - radius, 0.0), np.minimum(t + radius, cap))
        )
        bound = (
            top + (modulus * slack**2)[:, 0] + (half * np.maximum(slope.high, -slope.low)).sum(-1)
        )
        # Monotone toward a face inside the square: the maximum is elsewhere. Toward the border: it
        # is on the border.
        rising, falling = slope.low > 0, slope.high < 0
        at_one, at_zero = center + half >= 1, center - half <= 0
        elsewhere = ((rising & ~at_one) | (falling & ~at_zero)).any(-1)
        done = elsewhere | (bound <= allowed[lane])
        np.maximum.at(settled, lane[done & ~elsewhere], bound[done & ~elsewhere])
        left = ~done & open_[lane]
        to_one, to_zero = rising[left] & (half[left] > 0), falling[left] & (half[left] > 0)
        center = np.where(to_one, 1.0, np.where(to_zero, 0.0, center[left]))
        half = np.where(to_one | to_zero, 0.0, half[left])
        center, half, start, lane = _quarter(center, half, t[left], lane[left])
        open_ &= boxes + np.bincount(lane, minlength=lanes) <= LARGEST_TREE
        known = (center - half >= around.low[lane]) & (center + half <= around.high[lane])
        on = open_[lane] & ~known.all(-1)
        center, half, start, lane = center[on], half[on], start[on], lane[on]
    gap[open_] = np.maximum(settled - value, 0.0)[open_]
    return Bound(gap=gap, better=better)


NEAR_BY = np.array([0.25, 0.125, 0.06, 0.03, 0.015, 0.007, 0.0035, 0.0015])
"""How far sharing may be from the best on the squares about it that are tried."""


def _concave_around(payoff: Payoff, best: Array, moduli: Array) -> tuple[Interval, Array]:
    """Of every market the largest square of sharings about the best levels (L, 4) that is tried on
    which payoff is concave in what is free, whatever investments are optimal there, and the most
    payoff is on it (L,): infinite where none is."""
    lanes, tries = len(best), len(NEAR_BY)
    at = payoff.take(np.repeat(np.arange(lanes), tries))
    x, modulus = np.repeat(best, tries, 0), np.repeat(moduli, tries)[:, None]
    upper = np.ones_like(x)
    upper[:, INVESTMENT] = at.case.investment_cap
    value, gradient = at.gradient(x)
    away = np.tile(NEAR_BY, lanes)[:, None]
    sharing = Interval(np.maximum(x[:, SHARING] - away, 0.0), np.minimum(x[:, SHARING] + away, 1.0))
    radius = _investment_radius(at, sharing, x, gradient[:, INVESTMENT], modulus)
    t = x[:, INVESTMENT]
    low = np.concatenate([sharing.low, np.maximum(t - radius, 0.0)], -1)
    high = np.concatenate([sharing.high, np.minimum(t + radius, upper[:, INVESTMENT])], -1)
    beyond = beyond_concave(at, x, low, high, upper).reshape(lanes, tries)
    largest = np.isfinite(beyond).argmax(1)
    rows = np.arange(lanes) * tries + largest
    most = value[rows] + np.nan_to_num(beyond.ravel()[rows], nan=np.inf)
    return Interval(sharing.low[rows], sharing.high[rows]), most


def _nearer(payoff: Payoff, x: Array, lower: Array, upper: Array) -> Array:
    """Levels (N, 4) after Newton's step in investments, of which payoff is concave."""
    _, gradient, hessian = payoff.derivatives(x)
    held = ((x <= lower) & (gradient < 0)) | ((x >= upper) & (gradient > 0))
    slope, bend = gradient[:, INVESTMENT], hessian[:, INVESTMENT, INVESTMENT]
    step = np.zeros_like(x)
    step[:, INVESTMENT] = definite_step(bend, slope, held[:, INVESTMENT])[0]
    return np.asarray(np.clip(x + step, lower, upper))


def _quarter(
    center: Array, half: Array, start: Array, lane: NDArray[np.intp]
) -> tuple[Array, Array, Array, NDArray[np.intp]]:
    """Each box halved in every coordinate in which it has extent."""
    for axis in (0, 1):
        wide = half[:, axis] > 0
        half = half.copy()
        half[wide, axis] /= 2
        shifted = center[wide].copy()
        shifted[:, axis] += half[wide, axis]
        center = center.copy()
        center[wide, axis] -= half[wide, axis]
        center, half, start, lane = (
            np.concatenate([center, shifted]),
            np.concatenate([half, half[wide]]),
            np.concatenate([start, start[wide]]),
            np.concatenate([lane, lane[wide]]),
        )
    return center, half, start, lane


def _distance_to_optimum(
    x: Array, gradient: Array, lower: Array, upper: Array, modulus: Array | float
) -> Array:
    """How far the optimal investments at these sharings can be from those found, (N, 1)."""
    off = projected_gradient(x, gradient, lower, upper)[:, INVESTMENT]
    return np.asarray(np.linalg.norm(off, axis=-1, keepdims=True) / modulus)


def _investment_radius(
    payoff: Payoff, sharing: Interval, x: Array, at_center: Array, modulus: Array | float
) -> Array:
    """How far the optimal investments move on each box of sharings, (N, 1), from W_t (N, 2) at the
    centres."""
    case, t = payoff.case, x[:, INVESTMENT]
    fixed = Interval(t, t)
    u = _marginal_value(payoff, sharing, fixed)
    reach = sharing.scaled(rival(case.demand_spillover)) + Interval(
        -rival(case.rivalry), -rival(case.rivalry)
    )
    knowledge = (sharing * fixed).rival.scaled(usefulness(case))
    left, saving = share_enclosure(case, knowledge)
    own_cost = left.scaled(-case.cost_scale * t)
    spilled = (saving.rival * sharing).scaled(
        rival(case.cost_scale / 2 * usefulness(case)) * t[:, ::-1] ** 2
    )
    slope = u + u.rival * reach + own_cost + spilled
    move = np.maximum(slope.high - at_center, at_center - slope.low)
    return np.asarray(np.linalg.norm(move, axis=-1, keepdims=True) / modulus)


def _sharing_slope(payoff: Payoff, sharing: Interval, t: Interval) -> Interval:
    """An enclosure of the payoff's gradient in sharing on each box, (N, 2)."""
    case = payoff.case
    u = _marginal_value(payoff, sharing, t)
    own = sharing.scaled(-2 * case.leakage_own) + sharing.rival.scaled(case.leakage_interaction)
    others = (
        t.scaled(rival(case.demand_spillover))
        + sharing.scaled(2 * rival(case.leakage_cross))
        + sharing.rival.scaled(rival(case.leakage_interaction))
    )
    knowledge = (sharing * t).rival.scaled(usefulness(case))
    saving = share_enclosure(case, knowledge)[1].rival
    spilled = (t.rival.squared() * t * saving).scaled(rival(case.cost_scale / 2 * usefulness(case)))
    return u * own + u.rival * others + spilled


def _marginal_value(payoff: Payoff, sharing: Interval, t: Interval) -> Interval:
    """An enclosure of 2 Q A, the payoff's derivative in the shifted intercepts, (N, 2)."""
    case, Q = payoff.case, payoff.benefit
    square = sharing.squared()
    spill = sharing.scaled(rival(case.demand_spillover)) + Interval(
        -rival(case.rivalry), -rival(case.rivalry)
    )
    A = (
        Interval(case.intercept + t.low, case.intercept + t.high)
        + (t * spill).rival
        + square.scaled(-case.leakage_own)
        + square.rival.scaled(case.leakage_cross)
        + (sharing * sharing.rival).scaled(case.leakage_interaction)
    )
    diagonal = np.stack([Q[..., 0, 0], Q[..., 1, 1]], -1)
    return A.scaled(2 * diagonal) + A.rival.scaled(2 * Q[..., 0, 1, None])
