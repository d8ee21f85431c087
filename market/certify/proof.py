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
    """What branch and bound established about the largest payoff."""

    gap: float
    """Proven upper bound less the value given; infinite if nothing was established."""
    better: Array | None
    """A point (4,) with a payoff above the value given, if one was met."""


def bound_optimum(payoff: Payoff, value: float, tolerances: Tolerances = DEFAULT) -> Bound:
    """Bound a planner's payoff (one case in natural units, all costs borne) over all sharing and
    investment, given the best value known."""
    case = payoff.case
    nothing = Bound(gap=np.inf, better=None)
    form = form_of(case)
    if not (form.convex_in_both and form.falling_share) or case.unit_cost is not None:
        return nothing
    modulus = float(concavity(case, payoff.benefit).ravel()[0])
    if modulus <= 1e-9 * float(case.cost_scale.ravel()[0]):
        return nothing
    cap = np.broadcast_to(case.investment_cap, (1, 2))
    allowed = value + tolerances.gap

    half = np.full((16, 2), 0.125)
    grid = (np.arange(4) + 0.5) / 4
    center = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)
    start = np.ones_like(center)
    boxes, settled = 0, -np.inf
    while len(center):
        boxes += len(center)
        if boxes > LARGEST_TREE:
            return nothing
        x = np.concatenate([center, start], -1)
        lower, upper = (
            np.concatenate([center, 0 * center], -1),
            np.concatenate([center, cap + 0 * center], -1),
        )
        top = maximise(payoff, x, lower, upper, tolerances)
        if top.value.max() > allowed:
            return Bound(gap=np.inf, better=top.x[np.argmax(top.value)])
        gradient = payoff.derivatives(top.x)[1]
        slack = _distance_to_optimum(top.x, gradient, lower, upper, modulus)
        sharing = Interval(center - half, center + half)
        radius = (
            _investment_radius(payoff, sharing, top.x, gradient[:, INVESTMENT], modulus) + slack
        )
        t = top.x[:, INVESTMENT]
        slope = _sharing_slope(
            payoff, sharing, Interval(np.maximum(t - radius, 0.0), np.minimum(t + radius, cap))
        )
        bound = (
            top.value
            + modulus * slack[:, 0] ** 2
            + (half * np.maximum(slope.high, -slope.low)).sum(-1)
        )
        # Monotone toward a face inside the square: the maximum is elsewhere. Toward the border: it
        # is on the border.
        rising, falling = slope.low > 0, slope.high < 0
        at_one, at_zero = center + half >= 1, center - half <= 0
        elsewhere = ((rising & ~at_one) | (falling & ~at_zero)).any(-1)
        done = elsewhere | (bound <= allowed)
        settled = max(settled, float(np.max(bound[done & ~elsewhere], initial=-np.inf)))
        center, half, start = center[~done], half[~done], t[~done]
        to_one, to_zero = rising[~done] & (half > 0), falling[~done] & (half > 0)
        center = np.where(to_one, 1.0, np.where(to_zero, 0.0, center))
        half = np.where(to_one | to_zero, 0.0, half)
        center, half, start = _quarter(center, half, start)
    return Bound(gap=max(settled - value, 0.0), better=None)


def _quarter(center: Array, half: Array, start: Array) -> tuple[Array, Array, Array]:
    """Each box halved in every coordinate in which it has extent."""
    for axis in (0, 1):
        wide = half[:, axis] > 0
        half = half.copy()
        half[wide, axis] /= 2
        shifted = center[wide].copy()
        shifted[:, axis] += half[wide, axis]
        center = center.copy()
        center[wide, axis] -= half[wide, axis]
        center, half, start = (
            np.concatenate([center, shifted]),
            np.concatenate([half, half[wide]]),
            np.concatenate([start, start[wide]]),
        )
    return center, half, start


def _distance_to_optimum(
    x: Array, gradient: Array, lower: Array, upper: Array, modulus: float
) -> Array:
    """How far the optimal investments at these sharings can be from those found, (N, 1)."""
    off = projected_gradient(x, gradient, lower, upper)[:, INVESTMENT]
    return np.asarray(np.linalg.norm(off, axis=-1, keepdims=True) / modulus)


def _investment_radius(
    payoff: Payoff, sharing: Interval, x: Array, at_center: Array, modulus: float
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
