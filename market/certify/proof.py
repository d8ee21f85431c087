"""Proof that a planner's optimum is global: branch and bound over the sharing square of two firms.

For given sharing s a planner's payoff W(s, t) is strongly concave in investments with modulus at
least m (see `market.model.wellposed.concavity`; costs convex in both investments), so V(s) = max_t
W(s, t) is found exactly, is continuously differentiable, and its gradient is W_s(s, t*(s)). On a
box of sharings with centre c the optimal investments stay within |change of W_t| / m of t*(c), so
interval arithmetic encloses the gradient of V, and

    V(s) <= V(c) + sum_i h_i sup |V_i|        (h: half widths)

A box is settled when this bound does not exceed the best value by more than the tolerance, or when
V is monotone on it toward a face that is not on the square's border; what is left is quartered.
Intervals are evaluated in ordinary floating point, so the proof holds up to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.model.case import INVESTMENT, Array, rival
from market.model.cost import form_of, share_enclosure, usefulness
from market.model.payoff import Payoff
from market.model.wellposed import concavity
from market.solve.interval import Interval
from market.solve.optimum import maximise, projected_gradient
from market.solve.tolerances import DEFAULT, Tolerances

LARGEST_TREE = 40_000
"""Boxes after which the search gives up and the optimum stays `searched`."""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """What branch and bound established about the largest payoffs of L markets."""

    gap: Array
    """(L,): proven upper bound less the value given; infinite if nothing was established."""
    better: Array
    """(L, 4): a point with a payoff above the value given; NaN if none was met."""


def bound_optimum(payoff: Payoff, value: Array, tolerances: Tolerances = DEFAULT) -> Bound:
    """Bound planners' payoffs (L flat cases in natural units, all costs borne) over all sharing and
    investment, given the best values known (L,)."""
    case, lanes = payoff.case, len(value)
    gap, better = np.full(lanes, np.inf), np.full((lanes, 4), np.nan)
    form = form_of(case)
    if not (form.convex_in_both and form.falling_share) or case.unit_cost is not None:
        return Bound(gap=gap, better=better)
    moduli = np.broadcast_to(concavity(case, payoff.benefit), lanes)
    open_ = np.asarray(moduli > 1e-9 * case.cost_scale[:, 0])
    allowed, settled = value + tolerances.gap, np.full(lanes, -np.inf)

    grid = (np.arange(4) + 0.5) / 4
    grid = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)
    lane: NDArray[np.intp] = np.repeat(np.flatnonzero(open_), len(grid))
    center = np.tile(grid, (int(open_.sum()), 1))
    half, start, boxes = np.full_like(center, 0.125), np.ones_like(center), np.zeros(lanes, int)
    while len(lane):
        boxes = boxes + np.bincount(lane, minlength=lanes)
        at, modulus = payoff.take(lane), moduli[lane, None]
        cap = np.broadcast_to(at.case.investment_cap, center.shape)
        x = np.concatenate([center, start], -1)
        lower, upper = (
            np.concatenate([center, 0 * center], -1),
            np.concatenate([center, cap], -1),
        )
        top = maximise(at, x, lower, upper, tolerances)
        rows = np.argsort(top.value, kind="stable")
        rows = rows[top.value[rows] > allowed[lane[rows]]]
        better[lane[rows]] = top.x[rows]  # of several of a market the last, which is highest
        open_[lane[rows]] = False
        gradient = at.derivatives(top.x)[1]
        slack = _distance_to_optimum(top.x, gradient, lower, upper, modulus)
        sharing = Interval(center - half, center + half)
        radius = _investment_radius(at, sharing, top.x, gradient[:, INVESTMENT], modulus) + slack
        t = top.x[:, INVESTMENT]
        slope = _sharing_slope(
            at, sharing, Interval(np.maximum(t - radius, 0.0), np.minimum(t + radius, cap))
        )
        bound = (
            top.value
            + (modulus * slack**2)[:, 0]
            + (half * np.maximum(slope.high, -slope.low)).sum(-1)
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
        on = open_[lane]
        center, half, start, lane = center[on], half[on], start[on], lane[on]
    gap[open_] = np.maximum(settled - value, 0.0)[open_]
    return Bound(gap=gap, better=better)


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
