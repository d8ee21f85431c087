"""Planners of all weights of profits in many markets, and the weights at which something that is
read of them passes zero.

What a planner of weight w has, CS + w Pi at best, is convex in w, and what it has at the levels of
another weight is a line that touches it there. Where levels jump from one optimum to another two
such lines meet on it: no weight leads to what lies between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case
from market.model.outcome import SOLVED, account
from market.model.pricing import bertrand_matrix
from market.regimes import REGIMES, solve_lanes, solve_markets
from mechanism.casefile.policies import GOAL
from mechanism.frozen import put

WIDTH = {False: 1e-14, True: 1e-9}
"""How close, as a share, weights are sought, by whether markets are searched together."""
BESIDE = 0.3
"""How close, as a share, weights are from whose levels beside a root those of a weight are
found."""
CLOSE_BY = 1e-2
"""How close, as a share, thorough searches come to a weight."""
FARTHEST = 5.0
"""The longest step, in logarithms, toward a weight at which nothing is known yet."""
STEPS = 60
"""Thorough searches of a market after which its weight is left as it is; most take five."""


class Solved(Protocol):
    """A regime's outcomes in C markets."""

    @property
    def status(self) -> NDArray[np.object_]:
        """(C,)."""
        ...

    @property
    def levels(self) -> Array:
        """(C, 4); NaN where nothing is claimed."""
        ...


@dataclass(frozen=True, kw_only=True)
class Planners:
    """What planners reach in L markets."""

    weight: Array
    """Of profits in what they maximise."""
    status: NDArray[np.object_]
    levels: Array
    consumers: Array
    """CS; infinite where the planner's problem has no solution, as is its counterpart."""
    profits: Array
    """Pi."""

    def take(self, lanes: NDArray[np.intp]) -> Planners:
        """Those of some markets."""
        return Planners(**{name: values[lanes] for name, values in vars(self).items()})


@dataclass(frozen=True, kw_only=True)
class Frontier:
    """Planners of all weights of profits in the C markets of a flat case."""

    case: Case
    optimum: Solved
    """Those of weight one, which are known."""
    together: bool = False
    """Whether markets are searched together where a thorough search of each is asked for."""

    def at(
        self,
        lanes: NDArray[np.intp],
        weight: Array,
        roughly: bool = False,
        starts: Array | None = None,
    ) -> Planners:
        """The planners of these weights in these markets; `roughly`: from a few starts alone, or
        from these (m, n, 4)."""
        found = np.full((len(lanes), 4), np.nan)
        status = np.empty(len(lanes), object)
        one = weight == 1
        found[one], status[one] = self.optimum.levels[lanes[one]], self.optimum.status[lanes[one]]
        if len(rest := np.flatnonzero(~one)):
            regime = replace(REGIMES[GOAL], welfare_weight=1 / weight[rest])
            market = self.case.take(lanes[rest])
            if roughly:
                given = None if starts is None else starts[:, rest]
                more = solve_lanes(
                    market,
                    regime,
                    len(rest),
                    starts=given,
                    bounded=True,
                    briefly=self.together,
                )
            else:
                more = solve_markets(market, regime, len(rest), roughly=self.together)
            found[rest], status[rest] = more.levels, more.status
        books = account(self.case.take(lanes), found, bertrand_matrix)
        consumers, profits = books.consumer_surplus.sum(-1), books.profit.sum(-1)
        # A low weight drives investment up until payoffs have no limit, or a firm is driven out:
        # either way it is too low.
        endless = ~np.isin(status, list(SOLVED))
        return Planners(
            weight=weight,
            status=status,
            levels=found,
            consumers=np.where(endless, np.inf, consumers),
            profits=np.where(endless, -np.inf, profits),
        )


def gap_at(
    frontier: Frontier,
    read: Callable[[Planners, NDArray[np.intp]], Array],
    at: NDArray[np.intp],
    weight: Array,
    roughly: bool,
    starts: Array | None = None,
) -> tuple[Array, Planners]:
    """What is read of the planners of these weights, and they."""
    found = frontier.at(at, weight, roughly, starts)
    return read(found, at), found


def followed_to_zero(
    gap: Callable[..., tuple[Array, Planners]],
    lanes: NDArray[np.intp],
    low: Array,
    top: Planners,
    sought: Callable[..., tuple[Array, Array]],
) -> tuple[Array, Array]:
    """The weights (n,) below and above the one at which a gap passes zero, followed from those of
    `top`; far apart where the levels followed are lost before."""
    below, above = _followed_down(gap, lanes, low, top)
    ends = (below.weight.copy(), above.weight.copy())
    kept = np.flatnonzero(np.isfinite(below.levels).all(-1))
    if len(kept):
        sides = [one.take(kept) for one in (below, above)]
        starts = np.stack([one.levels for one in sides])
        found = sought(kept, tuple(one.weight for one in sides), True, starts=starts)
        for end, closer in zip(ends, found, strict=True):
            end[kept] = closer
    return ends


def _followed_down(
    gap: Callable[..., tuple[Array, Planners]], lanes: NDArray[np.intp], low: Array, top: Planners
) -> tuple[Planners, Planners]:
    """The planners (n,) on both sides of the weights, between `low` and those of `top`, at which a
    gap passes zero that is positive at the latter: levels are followed from there in steps so small
    that those of the last lead to the next."""
    above, below, left = top, top, np.arange(len(lanes))
    while len(left):
        weight = np.maximum(low[left], above.weight[left] * np.exp(-BESIDE))
        open_, met = gap(lanes[left], weight, True, above.levels[left][None])
        below = put(below, left, met)
        on = (open_ > 0) & (weight > low[left])
        above = put(above, left[on], met.take(np.flatnonzero(on)))
        left = left[on]
    return below, above


def between_tangents(
    gap: Callable[..., tuple[Array, Planners]],
    lanes: NDArray[np.intp],
    ends: tuple[Array, Array],
    here: Planners,
    left: Array,
    tie: Array,
) -> tuple[Planners, Planners, NDArray[np.bool_]]:
    """The planners (n,) below and above the weights, between two `ends`, at which a gap passes zero
    that is `left` at planners known already; and whether both are best at one weight, the gap
    jumping there. Searched thoroughly, where the lines that touch what planners have meet."""
    below, above = (_unknown(here, end) for end in ends)
    high = np.flatnonzero(left > 0)
    above, below = (
        put(side, at, here.take(at))
        for side, at in ((above, high), (below, np.flatnonzero(left <= 0)))
    )
    jump, on, step = np.zeros(len(lanes), bool), np.arange(len(lanes)), BESIDE
    for _ in range(STEPS):
        on = on[~jump[on] & (np.log(above.weight[on] / below.weight[on]) > CLOSE_BY)]
        if not len(on):
            break
        low, up = below.take(on), above.take(on)
        with np.errstate(invalid="ignore", divide="ignore"):
            meet = (low.consumers - up.consumers) / (up.profits - low.profits)
        middle = np.sqrt(low.weight * up.weight)
        inside = (meet > low.weight) & (meet < up.weight)
        weight = np.where(inside, meet, middle)
        # where one side is only an end, steps of growing size toward it
        weight = np.where(
            np.isnan(low.profits), np.maximum(middle, up.weight * np.exp(-step)), weight
        )
        weight = np.where(
            np.isnan(up.profits), np.minimum(middle, low.weight * np.exp(step)), weight
        )
        open_, found = gap(lanes[on], weight, False)
        with np.errstate(invalid="ignore"):
            line = up.consumers + weight * up.profits
            jump[on] = inside & (found.consumers + weight * found.profits <= line + tie[on])
        rises = open_ > 0
        above = put(above, on[rises], found.take(np.flatnonzero(rises)))
        below = put(below, on[~rises], found.take(np.flatnonzero(~rises)))
        step = min(2 * step, FARTHEST)
    # where both ends are as good as one
    lost = [np.flatnonzero(np.isnan(side.profits)) for side in (below, above)]
    below, above = (
        put(below, lost[0], above.take(lost[0])),
        put(above, lost[1], below.take(lost[1])),
    )
    return below, above, jump


def _unknown(like: Planners, weight: Array) -> Planners:
    """Planners of these weights of whom nothing is known."""
    nothing = np.full(len(weight), np.nan)
    return replace(
        like,
        weight=weight.copy(),
        levels=np.full_like(like.levels, np.nan),
        consumers=nothing,
        profits=nothing,
    )
