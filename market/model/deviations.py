"""What a firm gains by own levels, whoever then sells: a firm that cannot sell is out
(`market.model.leaving`).

A firm may meet one rival or, where types are private, one of several, each at levels of its own; it
may receive so much per unit of its own levels. Where every firm sells its payoff is what formulas
without exit say, and the best levels of these are the best of all unless more is to be had with a
rival out: what can be is bounded from above, and searched where the bound leaves room.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.model.aside import CELLS, FAR, Aside
from market.model.case import Array, Case, take_lanes
from market.model.cost import own_parabola
from market.model.own_levels import net_intercepts_in_own_levels
from market.model.with_exit import WithExit, planner_with_exit, profits_with_exit
from market.solve.optimum import maximise

CONTROLS = ((0, 2), (1, 3))
"""Which levels either firm chooses."""
SHARES = 17
"""Own sharing on the grid from which levels that drive a rival out are searched."""
NEAR, OUTWARD = 17, 24
"""Own investments on it: up to a few times what is chosen, and from there on, each so many times
the one before."""
ENDLESS = 1e4
"""Multiple of that up to which it is looked at where nothing bounds it: beyond, payoffs are
parabolas."""
VAST = 1e9
"""Multiple of it at which the payoff is higher than anywhere within that only if it grows without
limit."""
PEAKS = 4
"""The best of its local peaks, so many, that are climbed from."""
AT_ONCE = 100_000
"""Points of the grid, each against one rival, that are valued together."""


@dataclass(frozen=True, kw_only=True)
class OwnLevels:
    """A firm's payoff in its own levels (L, 2), expected over K rivals, in L lanes."""

    firm: int
    profit: WithExit
    """Over all levels, in L * K lanes, a lane's rivals together, or in one for all."""
    rivals: Array
    """(L, K, 2): their sharing and investment."""
    weights: Array
    """(K,): how probable each is."""
    rates: Array
    """(L, 2) or (1, 2): what is received per unit of own levels."""

    def take(self, lanes: Any) -> OwnLevels:
        """In these lanes only."""
        K = len(self.weights)
        each = (np.asarray(lanes)[:, None] * K + np.arange(K)).ravel()
        rates = take_lanes(self.rates, lanes)
        return replace(self, profit=self.profit.take(each), rivals=self.rivals[lanes], rates=rates)

    def value(self, own: Array) -> Array:
        """(L,)."""
        earned = self.profit.value(_meeting(self.firm, own, self.rivals)).reshape(len(own), -1)
        return np.asarray(earned @ self.weights + (self.rates * own).sum(-1))

    def derivatives(self, own: Array) -> tuple[Array, Array, Array]:
        """Value, gradient and Hessian in own levels."""
        L, w, mine = len(own), self.weights, list(CONTROLS[self.firm])
        value, slope, bend = self.profit.derivatives(_meeting(self.firm, own, self.rivals))
        slope = np.einsum("k,lkv->lv", w, slope[:, mine].reshape(L, -1, 2))
        bend = np.einsum("k,lkvu->lvu", w, bend[:, mine][:, :, mine].reshape(L, -1, 2, 2))
        received = (self.rates * own).sum(-1)
        return value.reshape(L, -1) @ w + received, slope + self.rates, bend


@dataclass(frozen=True, kw_only=True)
class Deviations:
    """Choices of own levels in L lanes, each against K rivals; natural units."""

    firm: int
    case: Case
    """Flat: a market in each of L * K lanes, a lane's rivals together, or one for all."""
    rivals: Array
    """(L, K, 2): their sharing and investment."""
    weights: Array
    """(K,): how probable each is."""
    rates: Array
    """(L, 2) or (1, 2): what is received per unit of own levels."""
    sharing_range: tuple[float, float]
    """What the firm may share."""
    cap: Array
    """(L,): what it may invest."""
    planner: bool = False
    """Whether it counts welfare for its profit, as a firm does that is paid all others' surplus."""

    def take(self, lanes: NDArray[np.intp]) -> Deviations:
        """In these lanes only."""
        K = len(self.weights)
        each = (lanes[:, None] * K + np.arange(K)).ravel()
        rates = take_lanes(self.rates, lanes)
        rivals, cap = self.rivals[lanes], self.cap[lanes]
        return replace(self, case=self.case.take(each), rivals=rivals, rates=rates, cap=cap)

    @cached_property
    def payoff(self) -> OwnLevels:
        """What own levels earn."""
        return OwnLevels(
            firm=self.firm,
            profit=(
                planner_with_exit(self.case)
                if self.planner
                else profits_with_exit(self.case)[self.firm]
            ),
            rivals=self.rivals,
            weights=self.weights,
            rates=self.rates,
        )

    @cached_property
    def aside(self) -> Aside:
        """Profit with the rival out, in L * K lanes."""
        x = _meeting(self.firm, np.zeros((len(self.rivals), 2)), self.rivals)
        kappa, origin = own_parabola(self.case, x, self.firm)
        intercepts = net_intercepts_in_own_levels(self.case, x, self.firm)
        return Aside.of(self.case, self.firm, self.sharing_range, intercepts, kappa, origin)

    def best(self, own: Array, value: Array) -> tuple[Array, Array]:
        """The best own levels (L, 2) and what they earn (L,), infinite where nothing bounds it.

        `own` are the best and worth `value` where every firm is taken to sell.
        """
        # Where those levels drive somebody out they are not worth that, and others may be better
        # than they.
        fooled = self.drives_out(own)
        own, value, best = own.copy(), value.copy(), np.where(fooled, -np.inf, value)
        if fooled.any():
            idle = self.take(np.flatnonzero(fooled))
            value[fooled] = idle.payoff.value(
                np.tile([self.sharing_range[0], 0.0], (len(idle.rivals), 1))
            )
        room = np.flatnonzero(fooled | (self.reach(value) > 0))
        if not len(room):
            return own, best
        reach = self.take(room).reach(value[room], CELLS)
        on = fooled[room] | (reach > 0)
        room, reach = room[on], reach[on]
        block = max(AT_ONCE // (SHARES * (NEAR + OUTWARD) * len(self.weights)), 1)
        for begin in range(0, len(room), block):
            some = room[begin : begin + block]
            levels, found = self.take(some).searched(own[some], reach[begin : begin + block])
            better = found > best[some]
            own[some[better]], best[some[better]] = levels[better], found[better]
        return own, best

    def drives_out(self, own: Array) -> NDArray[np.bool_]:
        """Whether at own levels (L, 2) some firm is out against some rival."""
        aside, K = self.aside, len(self.weights)
        s, t = (np.repeat(own[:, v], K) for v in (0, 1))
        N_i, N_j = (n[0] + n[1] * t + n[2] * t**2 for n in aside.in_investment(s))
        beside, cross = 2 * aside.b_j * N_i + aside.x * N_j, 2 * aside.b_i * N_j + aside.x * N_i
        return np.asarray(((beside < 0) | (cross < 0)).reshape(-1, K).any(-1))

    def reach(self, value: Array, cells: int = 1) -> Array:
        """Investment (L,) up to which driving a rival out may earn more than this value, by bounds
        that hold for all own levels on each of so many cells of own sharing: zero where it never
        does, infinite where no bound says how far.
        """
        aside, L, K = self.aside, len(value), len(self.weights)

        def by_lane(a: Array) -> Array:
            return a.reshape(-1, L, K)

        edges = np.linspace(*self.sharing_range, cells + 1)[:, None]
        least, most = edges[:-1], edges[1:]
        cap = np.minimum(self.cap, FAR)
        first = by_lane(aside.least_out(least, most)).min(-1)
        # Before costs a firm earns at most (e0 + e1 t)^2, beside its rival or alone.
        # what one firm alone can sell is worth to all, over what it can earn by it
        worth = 2.0 if self.planner else 1.0
        forms = [(1.0, 0.5 * np.sqrt(worth / (aside.b_j * (aside.b_i * aside.b_j - aside.x**2))))]
        if K > 1:  # of one rival only levels at which it is out are asked for
            forms.append((2.0, np.sqrt(aside.b_i) / (4 * aside.b_i * aside.b_j - aside.x**2)))
        e0, e1 = np.zeros(1), np.zeros(1)
        for weight, scale in forms:
            terms = zip(aside.own, aside.cross, strict=True)
            c0, c1, _, c3, c4, c5 = (weight * aside.b_j * o + aside.x * c for o, c in terms)
            constant = (
                c0 + np.maximum(c3 * least, c3 * most) - np.minimum(c5 * least**2, c5 * most**2)
            )
            e0 = np.maximum(e0, scale * constant)
            e1 = np.maximum(e1, scale * (c1 + np.maximum(c4 * least, c4 * most)))
        E0, E1, E2 = (by_lane(a) @ self.weights for a in (e0**2, 2 * e0 * e1, e1**2))
        E0 = E0 + np.maximum(self.rates[:, 0] * least, self.rates[:, 0] * most) - value
        E1 = E1 + self.rates[:, 1]
        # Investment costs at least a parabola of the same curvature, since cost is convex in its
        # origin.
        kappa = by_lane(aside.kappa) @ self.weights
        origin = by_lane(aside.kappa * aside.origin) @ self.weights / kappa

        def gains(t: Array) -> Array:
            return E0 + E1 * t + E2 * t**2 - kappa / 2 * np.maximum(t - origin, 0.0) ** 2

        a, b, c = kappa / 2 - E2, E1 + kappa * origin, E0 - kappa * origin**2 / 2
        concave = a > 0
        safe, inner = np.where(concave, a, 1.0), b**2 + 4 * a * c
        last = np.where(inner > 0, (b + np.sqrt(np.maximum(inner, 0.0))) / (2 * safe), 0.0)
        # Below its origin the parabola is flat, and the most is earned at an end.
        flat = np.minimum(origin, cap)
        early = np.where((gains(np.minimum(first, flat)) > 0) | (gains(flat) > 0), flat, 0.0)
        last = np.where(concave, np.where(last > origin, last, early), np.inf)
        last = np.where((first <= cap) & (last >= first), last, 0.0)
        return np.asarray(np.minimum(last, self.cap).max(0))

    def searched(self, own: Array, reach: Array) -> tuple[Array, Array]:
        """The best own levels (L, 2) found from a grid of them up to these investments and from
        `own`, and what they earn (L,)."""
        payoff, L = self.payoff, len(own)
        least, most = self.sharing_range
        s = np.linspace(least, most, SHARES if most > least else 1)
        near = np.minimum(np.maximum(1.0, 3 * own[:, 1]), self.cap)
        far = np.clip(reach, near, np.minimum(self.cap, ENDLESS * near))
        times = np.where(near > 0, far / np.where(near > 0, near, 1.0), 1.0)  # no room, one step
        outward = times[:, None] ** (np.arange(1, OUTWARD + 1) / OUTWARD)
        inward = np.broadcast_to(np.linspace(0, 1, NEAR) ** 2, (L, NEAR))
        t = near[:, None] * np.concatenate([inward, outward], -1)
        grid = np.stack(np.broadcast_arrays(s[:, None], t[:, None]), -1)  # (L, s, t, 2)
        S, T = grid.shape[1:3]
        value = (
            payoff.take(np.repeat(np.arange(L), S * T)).value(grid.reshape(-1, 2)).reshape(L, S, T)
        )
        around = np.pad(value, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
        peak = np.logical_and.reduce(
            [value >= around[:, i : i + S, j : j + T] for i in range(3) for j in range(3)]
        )
        order = np.argsort(-np.where(peak, value, -np.inf).reshape(L, -1), axis=-1, kind="stable")[
            :, :PEAKS
        ]
        start = np.take_along_axis(grid.reshape(L, -1, 2), order[..., None], 1)
        start = np.concatenate([start, own[:, None]], 1)
        lanes = np.repeat(np.arange(L), start.shape[1])
        upper = np.column_stack([np.full(len(lanes), most), self.cap[lanes]])
        lower = np.broadcast_to([least, 0.0], upper.shape)
        found = maximise(payoff.take(lanes), start.reshape(-1, 2), lower, upper)
        best = found.value.reshape(L, -1).argmax(-1)
        rows = np.arange(L) * start.shape[1] + best
        # So far out only the square of investment counts.
        outside = np.stack(np.broadcast_arrays(s, VAST * near[:, None]), -1).reshape(-1, 2)
        distant = payoff.take(np.repeat(np.arange(L), S)).value(outside).reshape(L, S).max(-1)
        endless = np.isinf(self.cap) & (distant > found.value[rows])
        return found.x[rows], np.where(endless, np.inf, found.value[rows])


def _meeting(firm: int, own: Array, rivals: Array) -> Array:
    """All levels (L * K, 4) where own ones (L, 2) meet rivals' (L, K, 2)."""
    x = np.empty((*rivals.shape[:2], 4))
    x[..., CONTROLS[firm]], x[..., CONTROLS[1 - firm]] = own[:, None], rivals
    return x.reshape(-1, 4)
