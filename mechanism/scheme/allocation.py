"""The levels a regime assigns to every pair of types, in any number of markets: x*(r_1, r_2) for
reports, and the benchmarks for true types.

A few pairs along each axis, the anchors, are searched. All others start from the polynomial through
the anchors' levels and are finished together, each with its residual and, in games, its regret
checked. Where an anchor has several optima or equilibria, or levels jump between anchors, every
pair starts from the nearest anchor and from a few of all the solutions met, since branches cross or
end somewhere; a pair at which nothing holds is searched thoroughly, alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case
from market.model.outcome import exchanged
from market.regimes import REGIMES, Outcomes, solve_lanes
from market.regimes.record import joined, part
from market.solve.tolerances import DEFAULT, Tolerances
from mechanism.casefile.policies import GOAL
from mechanism.casefile.types import interchangeable
from mechanism.casefile.types import per_firm as each_firms

Index = NDArray[np.intp]

ANCHORS = 5
"""Points along each axis of types at which levels are searched."""

JUMP = 0.6
"""Share of a level's range over the anchors beyond which one step is a jump."""

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
    """() or (C,): whether every pair has a solution and no anchor several, without a jump between
    anchors."""

    @property
    def solved(self) -> bool:
        """Whether every pair has a solution."""
        return bool(np.isfinite(self.levels).all())

    def take(self, where: Any) -> Allocation:
        """Some of many cases or, with a tuple of indices, some of their pairs."""
        cases = where[0].ravel() if isinstance(where, tuple) else where
        pairs = {name: values[where] for name, values in vars(self).items() if name != "plain"}
        return Allocation(**pairs, plain=self.plain[cases])

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
    )


def case_at_pairs(case: Case, points: Array, parameter: str = "cost_spillover") -> Case:
    """The case, or each of a batch of them, at every pair of the points (M,) or, of either firm,
    (2, M) as values of a parameter: batch axes (..., M, M), first firm 1's."""
    pairs = np.stack(np.meshgrid(*each_firms(points), indexing="ij"), -1)
    return case.map(lambda x: x[..., None, None, :]).with_parameter(parameter, pairs)


def per_firm(values: Array) -> Array:
    """Values (..., M, M, 2) over pairs of types seen by each firm: (2, ..., M own, M rival's)."""
    return np.stack([values[..., 0], np.swapaxes(values[..., 1], -1, -2)])


def at_pairs(
    case: Case, points: Array, first: Index, second: Index, parameter: str = "cost_spillover"
) -> Case:
    """The C markets of a flat case at these pairs of points, lanes a market's pairs together."""
    one, other = each_firms(points)
    C, pairs = len(case.cost_scale), np.column_stack([one[first], other[second]])
    return case.take(np.repeat(np.arange(C), len(pairs))).with_parameter(
        parameter, np.tile(pairs, (C, 1))
    )


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
    first, second = _pairs(M, symmetric)
    lanes = at_pairs(case, points, first, second, parameter)
    few = (
        np.arange(M)
        if regime.staged
        else np.unique(np.round(np.linspace(0, M - 1, min(M, ANCHORS))).astype(np.intp))
    )
    anchor = np.isin(first, few) & np.isin(second, few)
    lost = np.zeros(C, bool)
    at_anchor, elsewhere = (np.flatnonzero(np.tile(which, C)) for which in (anchor, ~anchor))

    def thoroughly(which: Index, found: Outcomes, left: NDArray[np.bool_]) -> Outcomes:
        """With these lanes searched thoroughly, each alone, up to the first of every market that
        has no solution: a regime that is missing at one pair is used at none."""
        parts: list[tuple[Any, Outcomes]] = [(slice(None), found)]
        for at in () if plain else np.flatnonzero(left):
            if lost[market := which[at] // len(first)]:
                continue
            alone = solve_lanes(
                lanes.take(which[[at]]), regime, 1, prove=True, tolerances=tolerances
            )
            lost[market] = not alone.solved[0]
            parts.append(([at], alone))
        return joined(len(which), parts) if len(parts) > 1 else found

    searched = solve_lanes(lanes.take(at_anchor), regime, len(at_anchor), tolerances=tolerances)
    searched = thoroughly(at_anchor, searched, ~searched.plain)
    found, several = [(at_anchor, searched)], searched.several.reshape(C, -1)
    known = searched.levels.reshape(C, -1, 4)
    square = _square(
        known,
        np.searchsorted(few, first[anchor]),
        np.searchsorted(few, second[anchor]),
        len(few),
        symmetric,
    )
    crossing = np.asarray(several.any(1) | (_jumps(square) & (len(elsewhere) > 0)))
    refused = (searched.status == "infeasible").reshape(C, -1).any(1)
    near = _nearest(points, first, second, anchor)
    nearest = _filled(points, first, second, anchor, known)[:, near]
    apart = crossing & (not plain) & (len(elsewhere) > 0)
    simple = np.flatnonzero(~apart)
    if len(elsewhere) and len(simple):
        through = _polynomial(points, few, square)[:, first[~anchor], second[~anchor]]
        smooth = np.isfinite(through).all((1, 2)) & ~crossing
        starts = np.where(smooth[:, None, None], through, nearest[:, ~anchor])[simple]
        which = elsewhere.reshape(C, -1)[simple].ravel()
        ends = solve_lanes(
            lanes.take(which),
            regime,
            len(which),
            starts=starts.reshape(1, -1, 4),
            tolerances=tolerances,
        )
        found.append((which, thoroughly(which, ends, ~ends.plain)))
    for c in np.flatnonzero(apart):
        met = [
            *known[c],
            *(other.levels for some in searched.others.reshape(C, -1)[c] for other in some),
        ]
        tries = np.stack(
            [nearest[c], *(np.broadcast_to(x, nearest[c].shape) for x in _spread(np.array(met)))]
        )
        which = c * len(first) + np.arange(len(first))
        ends = solve_lanes(
            lanes.take(which), regime, len(which), starts=tries, tolerances=tolerances
        )
        # Where an anchor's optimum is none of a market, what climbs from neighbours find elsewhere
        # may be none either.
        left = np.where(refused[c], ends.status != "unbounded", ~ends.solved & ~ends.plain)
        unsolved = np.isin(which, at_anchor[~searched.solved])  # nothing better is known there
        better = thoroughly(which, ends, left & ~unsolved)
        found.append((which[~unsolved], part(better, ~unsolved)))
    out = joined(C * len(first), found)
    columns = {
        "levels": out.levels,
        "residual": out.residual,
        "regret": out.regret,
        "several": several[:, near],
    }
    planes = {
        name: _square(values.reshape(C, len(first), -1), first, second, M, symmetric)
        for name, values in columns.items()
    }
    return Allocation(**planes, plain=~crossing & out.solved.reshape(C, -1).all(1))


def _pairs(size: int, symmetric: bool) -> tuple[Index, Index]:
    """All pairs of points; for equal firms, whose pair (r, r') is the pair (r', r) with the firms
    exchanged, one of each two."""
    first, second = (i.ravel() for i in np.indices((size, size)))
    kept = (first >= second) | (not symmetric)
    return first[kept], second[kept]


def _polynomial(points: Array, few: Index, square: Array) -> Array:
    """Levels (C, M, M, 4) of the polynomial through those at the anchors (C, a, a, 4); NaN where
    some anchor has none."""
    first, second = (_lagrange(own[few], own) for own in each_firms(points))
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


def _nearest(points: Array, first: Index, second: Index, anchor: NDArray[np.bool_]) -> Index:
    """For every pair the number of the anchor nearest to it."""
    one, other = each_firms(points)
    x, y = one[first], other[second]
    return np.argmin((x[:, None] - x[anchor]) ** 2 + (y[:, None] - y[anchor]) ** 2, axis=1)


def _square(
    values: NDArray[Any], first: Index, second: Index, size: int, symmetric: bool
) -> NDArray[Any]:
    """Values (C, pairs, 4) or (C, pairs, 1) as (C, size, size, 4) or (C, size, size); of equal
    firms also at exchanged pairs."""
    lanes, _, width = values.shape
    out = np.moveaxis(np.empty((width, lanes, size, size), values.dtype), 0, -1)
    if symmetric:
        out[:, second, first] = exchanged(values) if width > 1 else values
    out[:, first, second] = values
    return out if width > 1 else out[..., 0]


def _lagrange(nodes: Array, points: Array) -> Array:
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
