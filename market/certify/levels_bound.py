"""An upper bound of weighted sums of payoffs over a box of levels: branch and bound in all four
levels.

Weights may be negative, so that a sum need not be concave in anything. In z = (N_1, N_2, 1, u_1,
u_2), the net intercepts of the market itself and what is shared, u_j = t_j s_j, every term's own
net intercepts are linear: N + da + dl u, of intercepts higher by da and demand spillovers higher by
dl. Benefits together are one quadratic form z' M z, and

    W(x) = z' M z - sum_i (k_i / 2) t_i^2 H_i(u_j)
    H_i(u) = sum over terms of w_i share(lambda_i u / t0)

Gradients and Hessians are enclosed in intervals. On a box with centre c and half widths h, W is at
most the lesser of

    W(c) + sum_v h_v sup |W_v|
    W(c) + sum_v max over |d| <= h_v of (W_v(c) d + sup W_vv d^2 / 2)
         + sum over v < w of h_v h_w sup |W_vw|

and a box on which W rises toward a face inside the whole box holds no maximum. Around the best
point known, a box on which W is concave along the levels that are free, and rises toward the bounds
at which the others are, holds nothing better: it is cut out first. Intervals are evaluated in
ordinary floating point, so the bound holds up to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, of_firm
from market.model.cost import form_of, usefulness
from market.model.demand import apply as apply_matrix
from market.model.payoff import Payoff
from market.model.pricing import net_intercept
from market.model.weighted import WeightedPayoff
from market.solve.interval import Interval
from market.solve.optimum import free_curvature

Lanes = NDArray[np.intp]
_Left = tuple[Interval, Interval, Interval]
"""What is left of a cost, and its first two derivatives in what is received."""

DIAGONAL = np.diag_indices(4)
"""Where a Hessian's own entries stand."""

SHARES = (0.25, 0.125, 0.06, 0.03, 0.01, 0.003)
"""Half widths, as shares of the whole box, of the boxes that are tried around the best point."""


@dataclass(frozen=True, kw_only=True)
class LevelsBound:
    """What is known of the largest sums over a box of levels, in L lanes."""

    most: Array
    """(L,): an upper bound; infinite where a better point was met."""
    better: Array
    """(L, 4): levels worth more than those given, at which every firm sells, where any were met;
    NaN elsewhere."""


def provable(payoff: WeightedPayoff) -> bool:
    """Whether intervals enclose these payoffs: no unit costs, and a cost that is a falling share of
    the stand-alone cost."""
    return payoff.case.unit_cost is None and form_of(payoff.case).falling_share


def beyond_concave(payoff: Payoff, best: Array, low: Array, high: Array, upper: Array) -> Array:
    """By how much payoffs can exceed those at the best levels (B, 4) on boxes (B, 4) around them,
    at most, (B,); NaN where they are not known to be concave there along the levels that are free,
    and to rise toward the bounds, zero or `upper` (B, 4), at which the others are."""
    whole = np.broadcast_to(np.eye(2), (len(best), 2, 2))
    parts = _WeightedSum.of(WeightedPayoff(terms=(payoff,)), whole)
    return parts.beyond(best, low, high, upper)


def bound_levels(
    payoff: WeightedPayoff,
    best: Array,
    upper: Array,
    sold: Array,
    tolerance: float,
    most_boxes: int,
) -> LevelsBound:
    """Bound sums of L lanes over levels from zero to `upper` (4,) at which every firm sells, given
    the best such levels (L, 4) known.

    Boxes are divided until the bound is within the tolerance of their value, or so many were looked
    at. `sold` (L, 2, 2): quantities in net intercepts.
    """
    parts = _WeightedSum.of(payoff, sold)
    value = payoff.value(best)
    low, high, lane, most = _around(parts, best, value, upper)
    better, boxes = np.full(best.shape, np.nan), 0
    while len(lane):
        boxes += len(lane)
        seen = parts.take(lane).over(low, high)
        allowed = value[lane] + tolerance
        for k in np.flatnonzero(seen.sells & (seen.center > allowed)):
            if not seen.center[k] <= value[lane[k]]:
                value[lane[k]] = seen.center[k]
                better[lane[k]], most[lane[k]] = (low + high)[:, k] / 2, np.inf
        bound = seen.center + seen.rise
        # Only where every firm is sure to sell is a step along the slope sure to be allowed.
        sure = seen.sold.low.min(0) > 0
        rising, falling = (seen.slope.low > 0) & sure, (seen.slope.high < 0) & sure
        inner = (falling & (low > 0)) | (rising & (high < upper[:, None]))
        empty = inner.any(0) | (seen.sold.high.min(0) < 0) | ~np.isfinite(most[lane])
        left = ~empty & (bound > allowed) & (high > low).any(0)
        if boxes >= most_boxes:
            left[:] = False
        np.maximum.at(most, lane[~empty & ~left], bound[~empty & ~left])
        # what rises toward the border of the whole box is highest there
        low, high = np.where(rising, high, low), np.where(falling, low, high)
        lane = np.tile(lane[left], 4)
        low, high = _quartered(low[:, left], high[:, left], seen.steep[:, left])
    return LevelsBound(most=most, better=better)


def _quartered(low: Array, high: Array, steep: Array) -> tuple[Array, Array]:
    """Each box (4, B) in four, along the levels that move the sum most."""
    for _ in range(2):
        level, boxes = ((high - low) * steep).argmax(0), np.arange(low.shape[1])
        middle = (low[level, boxes] + high[level, boxes]) / 2
        up, down = low.copy(), high.copy()
        up[level, boxes] = down[level, boxes] = middle
        low, high, steep = np.hstack([low, up]), np.hstack([down, high]), np.tile(steep, 2)
    return low, high


def _around(
    parts: _WeightedSum, best: Array, value: Array, upper: Array
) -> tuple[Array, Array, Lanes, Array]:
    """In every lane the whole box as boxes (4, B), less one around the best point on which nothing
    is better; the boxes' lanes, and the bound (L,) on what is left out."""
    L = len(best)
    below, above, beyond = np.zeros((L, 4)), np.tile(upper, (L, 1)), np.full(L, np.nan)
    for share in SHARES:
        some = np.flatnonzero(np.isnan(beyond))
        if not len(some):
            break
        low = np.maximum(best[some] - share * upper, 0.0)
        high = np.minimum(best[some] + share * upper, upper)
        found = parts.take(some).beyond(best[some], low, high, upper)
        fine = np.isfinite(found)
        beyond[some[fine]] = found[fine]
        below[some[fine]], above[some[fine]] = low[fine], high[fine]
    boxes, lanes = [], []
    for lane in range(L):
        cuts = zip(below[lane], above[lane], upper, strict=True)
        cells = [list(pairwise(np.unique([0.0, a, b, end]))) or [(0.0, 0.0)] for a, b, end in cuts]
        mine = np.array(list(product(*cells)))  # (B, 4, 2)
        if np.isfinite(beyond[lane]):
            own = (mine[..., 0] == below[lane]) & (mine[..., 1] == above[lane])
            mine = mine[~own.all(1)]
        boxes.append(mine)
        lanes.append(np.full(len(mine), lane))
    low, high = np.concatenate(boxes).transpose(2, 1, 0)
    return low, high, np.concatenate(lanes), value + np.nan_to_num(beyond)


@dataclass(frozen=True, kw_only=True)
class _OnBoxes:
    """What is known of a sum on boxes."""

    center: Array
    """(B,): at the centre."""
    sells: NDArray[np.bool_]
    """(B,): whether every firm sells there."""
    slope: Interval
    """(4, B): the gradient."""
    bend: Interval
    """(4, 4, B): the Hessian."""
    steep: Array
    """(4, B): the most a slope is in size."""
    rise: Array
    """(B,): by how much the sum can exceed that at the centre, at most."""
    sold: Interval
    """(2, B): quantities."""


@dataclass(frozen=True, kw_only=True)
class _WeightedSum:
    """Sums taken apart, a lane for each box."""

    payoff: WeightedPayoff
    form: Array
    """2 M (5, 5, B)."""
    weight: Array
    """(T, 2, B): of every term's share of the stand-alone cost."""
    useful: Array
    """(T, 2, B): lambda / t0."""
    sold: Array
    """(2, 2, B)."""

    @classmethod
    def of(cls, payoff: WeightedPayoff, sold: Array) -> _WeightedSum:
        """The parts of sums of L lanes."""
        base, L = payoff.case, len(sold)
        form = np.zeros((L, 5, 5))
        for term in payoff.terms:
            to = np.zeros((L, 2, 5))
            to[:, [0, 1], [0, 1]] = 1.0
            to[:, :, 2] = term.case.intercept - base.intercept
            # a firm has the use of what its rival shares
            to[:, [0, 1], [4, 3]] = term.case.demand_spillover - base.demand_spillover
            form += 2 * np.swapaxes(to, -1, -2) @ term.benefit @ to
        weight, useful = (
            np.stack([np.broadcast_to(part, (L, 2)).T for part in parts])
            for parts in (
                [term.cost_weight for term in payoff.terms],
                [usefulness(term.case) for term in payoff.terms],
            )
        )
        return cls(
            payoff=payoff,
            form=np.moveaxis(form, 0, -1),
            weight=weight,
            useful=useful,
            sold=np.moveaxis(sold, 0, -1),
        )

    def take(self, lanes: Lanes) -> _WeightedSum:
        """Those of boxes in these lanes."""
        return _WeightedSum(
            payoff=self.payoff.take(lanes),
            **{
                name: getattr(self, name)[..., lanes]
                for name in ("form", "weight", "useful", "sold")
            },
        )

    def _of(self, name: str, firm: int) -> Array:
        """A parameter of one firm in the market itself, (B,) or (1,)."""
        return of_firm(getattr(self.payoff.case, name), firm)

    # --- enclosures over boxes, every one (B,)

    def over(self, low: Array, high: Array) -> _OnBoxes:
        """What is known on boxes (4, B)."""
        middle, half = (low + high) / 2, (high - low) / 2
        x = [Interval(low[v], high[v]) for v in range(4)]
        value, gradient, _ = self.payoff.derivatives(middle.T)
        net, J = self._net(x), self._slopes(x)
        worth = self._worth(x, net)
        left = [self._left(i, x[1 - i] * x[3 - i]) for i in (0, 1)]
        bend, slope = self._bend(x, worth, J, left), self._gradient(x, worth, J, left)
        size = _size(bend)
        # what the gradient at the centre and the Hessian leave of it
        slope = _meet(slope, gradient.T, (size * half).sum(1))
        steep = _size(slope)
        own = _along(gradient.T, bend.high[DIAGONAL], half)
        crossed = (size * half[:, None] * half)[np.tril_indices(4, -1)]
        quantities = [
            net[0].scaled(self.sold[i, 0]) + net[1].scaled(self.sold[i, 1]) for i in (0, 1)
        ]
        sold = np.moveaxis(self.sold, -1, 0)
        at_center = apply_matrix(sold, net_intercept(self.payoff.case, middle.T))
        return _OnBoxes(
            center=value,
            sells=np.asarray((at_center >= 0).all(-1)),
            slope=slope,
            bend=bend,
            steep=steep,
            rise=np.minimum((steep * half).sum(0), own.sum(0) + crossed.sum(0)),
            sold=_stacked(quantities),
        )

    def beyond(self, best: Array, low: Array, high: Array, upper: Array) -> Array:
        """By how much sums can exceed those at the best points (B, 4) on boxes (B, 4) around them,
        at most, (B,); NaN where they are not known to be concave there along the levels that are
        free, and to rise toward the bounds at which the others are."""
        seen = self.over(low.T, high.T)
        gradient = self.payoff.derivatives(best)[1]
        held = ((best <= 0) & (seen.slope.high.T < 0)) | ((best >= upper) & (seen.slope.low.T > 0))
        # levels in shares of the box, so that rows can be compared
        size = (high - low)[:, :, None] * (high - low)[:, None]
        below, above = (np.moveaxis(side, -1, 0) * size for side in (seen.bend.low, seen.bend.high))
        # A symmetric matrix of intervals is negative definite where its middle is, by more than its
        # radius can move an eigenvalue.
        largest = free_curvature((below + above) / 2, held) + free_curvature(
            (above - below) / 2, held
        )
        left = np.maximum(gradient, 0.0) * (high - best) + np.maximum(-gradient, 0.0) * (best - low)
        beyond = np.where(held, 0.0, left).sum(-1)
        return np.where(held.all(-1) | (largest < 0), beyond, np.nan)

    def _net(self, x: list[Interval]) -> list[Interval]:
        """Net intercepts."""
        out = []
        for i, j in ((0, 1), (1, 0)):
            s, r, t, u = x[i], x[j], x[2 + i], x[2 + j]
            own, cross, both = (
                self._of(name, i)
                for name in ("leakage_own", "leakage_cross", "leakage_interaction")
            )
            reach = _plus(r.scaled(self._of("demand_spillover", i)), -self._of("rivalry", i))
            lost = s.squared().scaled(-own) + r.squared().scaled(cross) + (s * r).scaled(both)
            out.append(_plus(t, self._of("intercept", i)) + reach * u + lost)
        return out

    def _slopes(self, x: list[Interval]) -> list[Interval]:
        """The gradients (4, B) of z in the four levels."""
        one, nil = (Interval(number, number) for number in (np.ones(1), np.zeros(1)))
        J = [[nil] * 4 for _ in range(5)]
        for i, j in ((0, 1), (1, 0)):
            own, cross, both, spill = (
                self._of(name, i)
                for name in (
                    "leakage_own",
                    "leakage_cross",
                    "leakage_interaction",
                    "demand_spillover",
                )
            )
            J[i][i] = x[j].scaled(both) + x[i].scaled(-2 * own)
            J[i][j] = x[2 + j].scaled(spill) + x[j].scaled(2 * cross) + x[i].scaled(both)
            J[i][2 + i] = one
            J[i][2 + j] = _plus(x[j].scaled(spill), -self._of("rivalry", i))
            J[3 + i][i], J[3 + i][2 + i] = x[2 + i], x[i]
        return [_stacked(row) for row in J]

    def _worth(self, x: list[Interval], net: list[Interval]) -> list[Interval | None]:
        """2 M z, what a unit of each part of z is worth; None where that is nil."""
        one = Interval(np.ones(1), np.ones(1))
        z = [*net, one, x[0] * x[2], x[1] * x[3]]
        out: list[Interval | None] = []
        for row in self.form:
            parts = [part.scaled(a) for part, a in zip(z, row, strict=True) if a.any()]
            out.append(_total(parts) if parts else None)
        return out

    def _left(self, i: int, received: Interval) -> _Left:
        """H_i and its first two derivatives in what is received."""
        form = form_of(self.payoff.case)
        gamma, one, two = self._of("max_saving", i), np.ones(1), np.full(1, 2.0)
        useful, weight = self.useful[:, i], self.weight[:, i]

        def at(u: Array) -> tuple[Array, Array, Array]:
            f, _, f_y, _, _, f_yy = form.derivatives(one, useful * u, two, gamma)
            return f, useful * f_y, useful**2 * f_yy

        low, high = at(received.low), at(received.high)
        # The share falls in what is received, its slope rises, and its curvature falls.
        ends = [(high[0], low[0]), (low[1], high[1]), (high[2], low[2])]
        gain, loss = np.maximum(weight, 0.0), np.minimum(weight, 0.0)
        found = [
            Interval((gain * least + loss * most).sum(0), (gain * most + loss * least).sum(0))
            for least, most in ends
        ]
        middle, half = (received.low + received.high) / 2, (received.high - received.low) / 2
        center = [(weight * part).sum(0) for part in at(middle)]
        return (
            _meet(found[0], center[0], half * _size(found[1])),
            _meet(found[1], center[1], half * _size(found[2])),
            found[2],
        )

    def _gradient(
        self, x: list[Interval], worth: list[Interval | None], J: list[Interval], left: list[_Left]
    ) -> Interval:
        whole = _total([unit * J[a] for a, unit in enumerate(worth) if unit is not None])
        parts: list[list[Interval]] = [[] for _ in range(4)]
        for i, j in ((0, 1), (1, 0)):
            s, t, own = x[j], x[2 + j], x[2 + i]
            share, by, _ = left[i]
            k = -self._of("cost_scale", i)
            parts[2 + i].append((own * share).scaled(k))
            moved = (own.squared() * by).scaled(k / 2)
            parts[2 + j].append(moved * s)
            parts[j].append(moved * t)
        return whole + _stacked([_total(part) for part in parts])

    def _bend(
        self, x: list[Interval], worth: list[Interval | None], J: list[Interval], left: list[_Left]
    ) -> Interval:
        """The Hessian, (4, 4, B)."""
        whole = Interval(*np.zeros((2, 4, 4, self.form.shape[-1])))

        def add(v: int, w: int, part: Interval) -> None:
            for at in {(v, w), (w, v)}:
                whole.low[at] += part.low
                whole.high[at] += part.high

        for a, b in zip(*np.nonzero(self.form.any(-1)), strict=True):
            part = Interval(J[a].low[:, None], J[a].high[:, None]) * J[b]
            if a == b:
                square = J[a].squared_any()
                part.low[DIAGONAL], part.high[DIAGONAL] = square.low, square.high
            part = part.scaled(self.form[a, b])
            whole = whole + part
        for i, j in ((0, 1), (1, 0)):
            if (unit := worth[i]) is not None:
                add(i, i, unit.scaled(-2 * self._of("leakage_own", i)))
                add(j, j, unit.scaled(2 * self._of("leakage_cross", i)))
                add(i, j, unit.scaled(self._of("leakage_interaction", i)))
                add(j, 2 + j, unit.scaled(self._of("demand_spillover", i)))
            if (unit := worth[3 + i]) is not None:
                add(i, 2 + i, unit)
            s, t, own = x[j], x[2 + j], x[2 + i]
            share, by, twice = left[i]
            k = -self._of("cost_scale", i)
            add(2 + i, 2 + i, share.scaled(k))
            mixed = (own * by).scaled(k)
            add(2 + i, 2 + j, mixed * s)
            add(2 + i, j, mixed * t)
            first, second = (
                own.squared() * part for part in (by.scaled(k / 2), twice.scaled(k / 2))
            )
            add(2 + j, 2 + j, second * s.squared())
            add(j, j, second * t.squared())
            add(j, 2 + j, second * (s * t) + first)
        return whole


def _plus(a: Interval, number: Array) -> Interval:
    return Interval(a.low + number, a.high + number)


def _total(parts: list[Interval]) -> Interval:
    return Interval(
        np.asarray(sum(part.low for part in parts)), np.asarray(sum(part.high for part in parts))
    )


def _stacked(parts: list[Interval]) -> Interval:
    shape = np.broadcast_shapes(*(part.low.shape for part in parts))
    low, high = np.empty((2, len(parts), *shape))
    for k, part in enumerate(parts):
        low[k], high[k] = part.low, part.high
    return Interval(low, high)


def _size(a: Interval) -> Array:
    """The most that numbers of intervals are in size."""
    return np.maximum(a.high, -a.low)


def _meet(a: Interval, center: Array, half: Array) -> Interval:
    """What is in the intervals and within half a width of the centre."""
    return Interval(np.maximum(a.low, center - half), np.minimum(a.high, center + half))


def _along(slope: Array, bend: Array, half: Array) -> Array:
    """The most of slope d + bend d^2 / 2 over |d| <= half."""
    ends = np.abs(slope) * half + bend * half**2 / 2
    inside = (bend < 0) & (np.abs(slope) < -bend * half)
    return np.where(inside, slope**2 / np.where(inside, -2 * bend, 1.0), ends)
