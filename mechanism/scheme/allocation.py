"""The levels a regime assigns to every pair of types, in any number of markets: x*(r_1, r_2) for
reports, and the benchmarks for true types.

A few points along each axis, the anchors, are searched. All pairs then start from the polynomial
through the anchors' levels, over ever finer grids, and are finished together, each with its
residual and, in games, its regret checked. Where an anchor has several optima or equilibria, or
levels jump between close points, every pair of a fine grid starts from the nearest anchor and from
a few of all the solutions met, since branches cross or end somewhere, and those between from the
pairs beside them; a pair at which nothing holds is searched thoroughly, alone. A market of which an
anchor has no solution is not looked at further.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case
from market.model.outcome import exchanged
from market.regimes import REGIMES, Outcomes, Regime, solve_lanes
from market.regimes.carried import carried
from market.regimes.record import joined, part
from market.regimes.table import needed_scale, unbounded
from market.solve.tolerances import DEFAULT, Tolerances
from mechanism.casefile.policies import GOAL
from mechanism.casefile.types import interchangeable
from mechanism.casefile.types import per_firm as each_firms

Index = NDArray[np.intp]

ANCHORS = 3
"""Points along each axis of types at which levels are searched."""

CLOSE = 5
"""The same of the points carried from there first, among which jumps are looked for."""

FINE = 13
"""The same of those carried from there, through which a polynomial is right to the last digits but
where bounds switch."""

JUMP = 0.6
"""Share of a level's range over close points beyond which one step is a jump."""

LARGE = 0.1
"""Share of a level's size below which its range is too small for one."""

CANDIDATES = 6
"""Levels of anchors, far from each other, from which every pair is tried where there are several
solutions."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Allocation:
    """Levels over a grid of pairs: first axis firm 1's type, second firm 2's; of C markets with one
    more axis in front."""

    levels: Array
    """(M, M, 4) or (C, M, M, 4); NaN where the regime has no solution at the pair."""
    residual: Array
    """(M, M) or (C, M, M)."""
    regret: Array
    """(M, M) or (C, M, M); NaN in optimisations."""
    several: NDArray[np.bool_]
    """(M, M) or (C, M, M): whether a search near the pair met more than one local optimum or
    equilibrium."""
    plain: NDArray[np.bool_]
    """() or (C,): whether every pair has a solution and no anchor several, or levels that seem
    better but describe no market, without a jump between anchors."""
    missing: NDArray[np.object_]
    """() or (C,): the first pair met that has no solution, as its two points, the status there and
    why; None where every pair has one."""

    @property
    def solved(self) -> bool:
        """Whether every pair has a solution."""
        return bool(np.isfinite(self.levels).all())

    def take(self, where: Any) -> Allocation:
        """Some of many cases or, with a tuple of indices, some of their pairs."""
        cases = where[0].ravel() if isinstance(where, tuple) else where
        return Allocation(
            **{
                name: values[cases if name in ("plain", "missing") else where]
                for name, values in vars(self).items()
            }
        )

    def reshaped(self, lead: tuple[int, ...]) -> Allocation:
        """The same with these axes in place of that of the cases."""
        return Allocation(
            **{
                name: values.reshape((*lead, *values.shape[1:]))
                for name, values in vars(self).items()
            }
        )


def given_levels(levels: Array) -> Allocation:
    """Levels (..., M, M, 4) that are known."""
    shape = levels.shape[:-1]
    return Allocation(
        levels=levels,
        residual=np.zeros(shape),
        regret=np.full(shape, np.nan),
        several=np.zeros(shape, bool),
        plain=np.ones(shape[:-2], bool),
        missing=np.full(shape[:-2], None, object),
    )


def case_at_pairs(case: Case, points: Array, parameter: str = "cost_spillover") -> Case:
    """The case, or each of a batch of them, at every pair of the points (M,) or, of either firm,
    (2, M) as values of a parameter: batch axes (..., M, M), first firm 1's."""
    pairs = np.stack(np.meshgrid(*each_firms(points), indexing="ij"), -1)
    return case.map(lambda x: x[..., None, None, :]).with_parameter(parameter, pairs)


def per_firm(values: Array) -> Array:
    """Values (..., M, M, 2) over pairs of types seen by each firm: (2, ..., M own, M rival's)."""
    return np.stack([values[..., 0], np.swapaxes(values[..., 1], -1, -2)])


def allocate(
    case: Case, points: Array, key: str = GOAL, parameter: str = "cost_spillover"
) -> Allocation:
    """One regime at every pair of the points (M,) or (2, M) as values of a parameter, in one
    market."""
    found = levels_over_pairs(case.map(lambda x: x.reshape(1, -1)), points, key, parameter)
    return Allocation(**{name: values[0] for name, values in vars(found).items()})


def levels_over_pairs(
    case: Case,
    points: Array,
    key: str,
    parameter: str = "cost_spillover",
    *,
    plain: bool = False,
    tolerances: Tolerances = DEFAULT,
) -> Allocation:
    """One regime at every pair of the points (M,) or (2, M) as values of a parameter, in the C
    markets of a flat case (one, or all parameters with C lanes).

    With `plain` a few starts at the anchors and one elsewhere are all there is: where several
    solutions are met that is flagged, and what does not hold is left out.
    """
    regime, C, M = REGIMES[key], len(case.cost_scale), points.shape[-1]
    symmetric = interchangeable(case, points, parameter)
    grid = _Grid.of(points, symmetric)
    work = _Work(case, parameter, grid.pairs, regime, plain, tolerances)
    every = regime.staged and (not regime.agreed or M <= FINE)
    few = anchors(points, M if every else ANCHORS)
    anchor = grid.within(few)
    at_anchor = np.flatnonzero(np.tile(anchor, C))
    # What payoffs gain far out is convex in types, and what remains of costs falls in them: where
    # they are bounded at the corners of the square they are at all pairs.
    corners = work.at(np.flatnonzero(np.tile(grid.within(np.array([0, M - 1])), C)))
    scale = needed_scale(corners, regime, every_firm=False)
    work.endless = np.asarray(unbounded(corners, scale).reshape(C, -1).any(1))
    searched = work.solved(at_anchor, None)
    searched = work.settle(at_anchor, searched, ~searched.plain)
    several = searched.several.reshape(C, -1)
    known = searched.levels.reshape(C, -1, 4)
    square = grid.square(known, few)
    between = not anchor.all()
    crossing = np.asarray(several.any(1) | ~np.isfinite(known).all((1, 2)))
    near = _beside(points, few, grid.first, grid.second, anchor)
    filled = _filled(points, grid.first, grid.second, anchor, known)
    simple = np.flatnonzero(~crossing)
    if between and len(simple):
        crossing[work.carry(grid, points, few, square[simple], simple)] = True
    apart = crossing & (not plain) & between
    refused = (searched.status == "infeasible").reshape(C, -1).any(1)
    listed, branching = searched.others.reshape(C, -1), np.flatnonzero(apart & ~work.lost)
    met = [
        np.array([*known[c], *(other.levels for some in listed[c] for other in some)])
        for c in branching
    ]
    fine = anchors(points, FINE)
    first = np.flatnonzero(grid.within(fine))
    work.try_branches(branching, first, filled[branching][:, near[first]], met, refused)
    work.follow_branches(grid, points, fine, branching, refused)
    columns = (work.levels, work.residual, work.regret, several[:, near])
    planes = (grid.square(values.reshape(C, len(near), -1)) for values in columns)
    solved = np.isfinite(work.levels).all(-1).reshape(C, -1).all(1)
    return Allocation(
        **dict(zip(("levels", "residual", "regret", "several"), planes, strict=True)),
        plain=~crossing & solved & ~work.rough,
        missing=work.why,
    )


@dataclass(frozen=True)
class _Grid:
    """The pairs of a grid of points at which levels are sought: all of them or, for equal firms,
    whose pair (r, r') is the pair (r', r) with the firms exchanged, one of each two."""

    pairs: Array
    """(P, 2): the points of both firms."""
    first: Index
    """(P,): their places."""
    second: Index
    symmetric: bool

    @classmethod
    def of(cls, points: Array, symmetric: bool) -> _Grid:
        """The grid over points (M,) or (2, M)."""
        first, second = (i.ravel() for i in np.indices((points.shape[-1],) * 2))
        kept = (first >= second) | (not symmetric)
        first, second = first[kept], second[kept]
        one, other = each_firms(points)
        return cls(np.column_stack([one[first], other[second]]), first, second, symmetric)

    def within(self, few: Index) -> NDArray[np.bool_]:
        """(P,): which pairs are of these points alone."""
        inside = np.zeros(int(self.first.max()) + 1, bool)
        inside[few] = True
        return inside[self.first] & inside[self.second]

    def square(self, values: NDArray[Any], few: Index | None = None) -> NDArray[Any]:
        """Values (C, P, 4) or (C, P, 1) as (C, M, M, 4) or (C, M, M), of equal firms also at
        exchanged pairs; or those of the pairs of a few points alone."""
        first, second, size = self.first, self.second, int(self.first.max()) + 1
        if few is not None:
            some, size = self.within(few), len(few)
            first, second = (np.searchsorted(few, i[some]) for i in (first, second))
        lanes, _, width = values.shape
        out = np.moveaxis(np.empty((width, lanes, size, size), values.dtype), 0, -1)
        if self.symmetric:
            out[:, second, first] = exchanged(values) if width > 1 else values
        out[:, first, second] = values
        return out if width > 1 else out[..., 0]


class _Work:
    """What is known of a regime at the P pairs of each of C markets, a market's pairs together, and
    the ways to know more."""

    def __init__(
        self,
        case: Case,
        parameter: str,
        pairs: Array,
        regime: Regime,
        plain: bool,
        tolerances: Tolerances,
    ) -> None:
        self.case, self.parameter, self.pairs = case, parameter, pairs
        self.regime, self.plain, self.tolerances = regime, plain, tolerances
        C, P = len(case.cost_scale), len(pairs)
        self.levels = np.full((C * P, 4), np.nan)
        self.residual, self.regret = np.full(C * P, np.nan), np.full(C * P, np.nan)
        self.missing, self.lost = np.zeros(C * P, bool), np.zeros(C, bool)
        self.endless = np.ones(C, bool)  # where payoffs may grow without limit at some pair
        self.rough = np.zeros(C, bool)  # where few starts were not enough at some pair
        self.why = np.full(C, None, object)

    def at(self, which: Index) -> Case:
        """The markets at these of all C * P pairs, in lanes."""
        P = len(self.pairs)
        return self.case.take(which // P).with_parameter(self.parameter, self.pairs[which % P])

    def solved(self, which: Index, starts: Array | None) -> Outcomes:
        """Their outcomes, searched or from starts (m, L, 4)."""
        return solve_lanes(
            self.at(which),
            self.regime,
            len(which),
            starts=starts,
            bounded=~self.endless[which // len(self.pairs)],
            tolerances=self.tolerances,
        )

    def settle(self, which: Index, found: Outcomes, left: NDArray[np.bool_]) -> Outcomes:
        """Write down what was found in these lanes, those left searched thoroughly, up to the first
        of every market that has no solution: a regime that is missing at one pair is used at
        none."""
        parts: list[tuple[Any, Outcomes]] = [(slice(None), found)]
        market, more = which // len(self.pairs), np.flatnonzero(left & ~self.plain)
        self.rough[market[left]] = True
        more = more[~self.lost[market[more]]]
        first = np.unique(market[more], return_index=True)[1]
        # one of every market first, since mostly all of its pairs lack a solution or none
        for some in (more[first], np.delete(more, first)):
            some = some[~self.lost[market[some]]]
            if not len(some):
                continue
            found_there = solve_lanes(
                self.at(which[some]),
                self.regime,
                len(some),
                prove=True,
                tolerances=self.tolerances,
            )
            missing = ~found_there.solved
            gone = np.unique(market[some[missing]], return_index=True)
            last = np.full(len(self.lost), len(some))
            last[gone[0]] = np.flatnonzero(missing)[gone[1]]
            self.lost[gone[0]] = True
            kept = np.flatnonzero(np.arange(len(some)) <= last[market[some]])
            parts.append((some[kept], part(found_there, kept)))
        found = joined(len(which), parts) if len(parts) > 1 else found
        self.levels[which], self.residual[which] = found.levels, found.residual
        self.regret[which], self.missing[which] = found.regret, ~found.solved
        for k in np.flatnonzero(~found.solved & found.plain):
            self.lost[market[k]] = True
            if self.why[market[k]] is None:
                pair = self.pairs[which[k] % len(self.pairs)]
                self.why[market[k]] = (pair, found.status[k], found.message[k])
        return found

    def try_branches(
        self,
        markets: Index,
        pairs: Index,
        nearest: Array,
        met: list[Array],
        refused: NDArray[np.bool_],
    ) -> None:
        """Solve these markets at some pairs from the levels of the nearest anchor (C', p, 4) and a
        few of those met in each (n, 4); `refused` (C,): where an anchor's optimum is none of a
        market."""
        spread = [_spread(levels) for levels in met]
        for count in sorted({len(far) for far in spread}):
            some = np.flatnonzero([len(far) == count for far in spread])
            far = np.array([spread[k] for k in some]).reshape(len(some), count, 1, 4)
            far = np.broadcast_to(far, (len(some), count, len(pairs), 4)).swapaxes(0, 1)
            starts = np.concatenate([nearest[None, some], far])
            self._from(markets[some], pairs, starts, refused)

    def follow_branches(
        self,
        grid: _Grid,
        points: Array,
        fine: Index,
        markets: Index,
        refused: NDArray[np.bool_],
    ) -> None:
        """Solve these markets at the pairs between those of the fine grid, which are solved, from
        the nearest of these and from the one beside it whose levels are farthest from its own:
        where branches cross, it lies on another."""
        pairs = np.flatnonzero(~grid.within(fine))
        markets = markets[~self.lost[markets]]
        if not len(pairs) or not len(markets):
            return
        known = self.levels.reshape(-1, len(self.pairs), 4)[markets]
        square = grid.square(known[:, grid.within(fine)], fine)
        near = [
            np.abs(own[which[pairs], None] - own[fine]).argmin(1)
            for own, which in zip(each_firms(points), (grid.first, grid.second), strict=True)
        ]
        around = [
            square[:, *(np.clip(n + d, 0, len(fine) - 1) for n, d in zip(near, way, strict=True))]
            for way in product((0, -1, 1), repeat=2)
        ]
        beside = np.stack(around)  # the nearest first
        scale = np.maximum(np.ptp(square, axis=(1, 2)), 1e-12)[:, None]
        other = (np.abs(beside - beside[0]) / scale).max(-1).argmax(0)
        far = np.take_along_axis(beside, other[None, ..., None], 0)[0]
        self._from(markets, pairs, np.stack([beside[0], far]), refused)

    def _from(
        self,
        markets: Index,
        pairs: Index,
        starts: Array,
        refused: NDArray[np.bool_],
    ) -> None:
        """Solve these markets at these pairs from starts (m, C', p, 4)."""
        P = len(self.pairs)
        which = (markets[:, None] * P + pairs).ravel()
        asked = ~self.missing[which]  # nothing better is known there
        which = which[asked]
        ends = self.solved(which, starts.reshape(len(starts), -1, 4)[:, asked])
        # what climbs from neighbours find elsewhere may be none of a market either
        left = np.where(refused[which // P], ends.status != "unbounded", ~ends.solved & ~ends.plain)
        self.settle(which, ends, left)

    def carry(
        self,
        grid: _Grid,
        points: Array,
        few: Index,
        square: Array,
        markets: Index,
    ) -> Index:
        """Carry levels (C', a, a, 4) at a few points to all pairs of these markets, by the
        polynomial through them over ever finer grids. What does not settle is searched. Given back
        are the markets in which levels jump, of which no more is written down."""
        P, jumping = len(self.pairs), markets[:0]
        for size in (CLOSE, FINE, points.shape[-1]):
            fine = anchors(points, size)
            every = np.flatnonzero(grid.within(fine))
            new = ~grid.within(few)[every]
            some = every[new]
            if not len(some) or not len(markets):
                continue
            first, second = (np.searchsorted(fine, i[every]) for i in (grid.first, grid.second))
            known = _polynomial(points, few, fine, square)[:, first, second]
            at = self.case.take(markets).map(lambda a: a[:, None])
            at = at.with_parameter(self.parameter, self.pairs[None, some])
            ends = carried(at, self.regime, known[:, new], self.tolerances)
            which = markets[:, None] * P + some
            self.levels[which], self.residual[which] = ends.levels, ends.residual
            self.regret[which] = ends.regret
            left = ~(ends.holds & ~self.endless[markets, None])
            if left.any():
                start = np.where(np.isfinite(ends.levels), ends.levels, known[:, new])[left]
                found = self.solved(which[left], start[None])
                self.settle(which[left], found, ~found.plain)
            if len(every) == P and size > CLOSE:
                break
            there = self.levels[which]
            known[:, new] = np.where(np.isfinite(there), there, known[:, new])
            few, square = fine, grid.square(known, fine)
            if size == CLOSE:
                jumps = _jumps(square)
                jumping, markets, square = markets[jumps], markets[~jumps], square[~jumps]
        return jumping


def anchors(points: Array, size: int) -> Index:
    """The places of so many points at most along an axis, closest together at its ends, as
    polynomials want them."""
    own, M = each_firms(points)[0], points.shape[-1]
    nodes = own[0] + (own[-1] - own[0]) * (1 - np.cos(np.linspace(0, np.pi, size))) / 2
    return np.unique(np.abs(own[:, None] - nodes).argmin(0)) if size < M else np.arange(M)


def _polynomial(points: Array, few: Index, fine: Index, square: Array) -> Array:
    """Levels (C, f, f, 4), at some of the points, of the polynomial through those at a few (C, a,
    a, 4)."""
    first, second = (lagrange(own[few], own[fine]) for own in each_firms(points))
    return np.swapaxes(np.tensordot(second, np.tensordot(first, square, (1, 1)), (1, 2)), 0, 2)


def _jumps(square: Array) -> NDArray[np.bool_]:
    """Whether levels at the anchors (C, a, a, 4) jump from one to the next or are missing, so that
    a branch may end between them: some level moves by most of its whole range in one step, and its
    range is no small part of its size.
    """
    low, high = square.min((1, 2)), square.max((1, 2))
    steps = np.maximum(
        *(np.abs(np.diff(square, axis=axis)).max((1, 2), initial=0.0) for axis in (1, 2))
    )
    far = (steps > JUMP * (high - low)) & (high - low > LARGE * np.maximum(np.abs(high), 1e-3))
    return np.asarray((far.any(-1) & (square.shape[1] > 2)) | ~np.isfinite(square).all((1, 2, 3)))


def _filled(
    points: Array, first: Index, second: Index, anchor: NDArray[np.bool_], known: Array
) -> Array:
    """The anchors' levels (C, a, 4); where one has none, those of the nearest that has, or zero."""
    out, at = known.copy(), np.flatnonzero(anchor)
    for c in np.flatnonzero(~np.isfinite(known).all((1, 2))):
        usable = np.zeros_like(anchor)
        usable[at[np.isfinite(known[c]).all(-1)]] = True
        out[c] = (
            known[c][usable[at]][_nearest(points, first, second, usable)[at]]
            if usable.any()
            else 0.0
        )
    return out


def _beside(
    points: Array, few: Index, first: Index, second: Index, anchor: NDArray[np.bool_]
) -> Index:
    """For every pair the number of the anchor nearest to it along either axis."""
    place = np.full((len(few), len(few)), -1)
    at = (np.searchsorted(few, which[anchor]) for which in (first, second))
    place[tuple(at)] = np.arange(np.count_nonzero(anchor))
    closest = [np.abs(own[:, None] - own[few]).argmin(1) for own in each_firms(points)]
    return place[closest[0][first], closest[1][second]]


def _nearest(points: Array, first: Index, second: Index, anchor: NDArray[np.bool_]) -> Index:
    """For every pair the number of the anchor nearest to it."""
    one, other = each_firms(points)
    x, y = one[first], other[second]
    return np.argmin((x[:, None] - x[anchor]) ** 2 + (y[:, None] - y[anchor]) ** 2, axis=1)


def lagrange(nodes: Array, points: Array) -> Array:
    """(M, a): the value at every point of the polynomial that is one at one node and zero at the
    others."""
    out = np.ones((len(points), len(nodes)))
    for k, node in enumerate(nodes):
        for other in np.delete(nodes, k):
            out[:, k] *= (points - other) / (node - other)
    return out


def _spread(levels: Array) -> list[Array]:
    """A few of the levels (m, 4) that are far from each other: greedy."""
    levels = levels[np.isfinite(levels).all(-1)]
    if not len(levels):
        return []
    scale = np.maximum(np.ptp(levels, axis=0), 1e-12)
    kept = [levels[0]]
    while len(kept) < CANDIDATES:
        distance = np.min([(np.abs(levels - k) / scale).max(-1) for k in kept], axis=0)
        if distance.max() < 0.2:
            break
        kept.append(levels[int(np.argmax(distance))])
    return kept
