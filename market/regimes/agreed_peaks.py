"""From where the sharing that members agree on is climbed: the peaks of joint profit on a grid.

Investments that follow may have several equilibria. Those that best replies settle on are looked
at, whichever firm answers first, from below, from far above and from what each invests alone; which
counts is decided by joint profit.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from market.model.case import INVESTMENT, Array, Case
from market.model.reply import replies_feed_each_other
from market.regimes.agreement import (
    ROUNDS,
    RUNAWAY,
    Agreement,
    Rows,
    alone,
    at_bounds,
    investment_game,
    settled,
)
from market.solve.equilibrium import best_reply_rounds
from market.solve.search import grid, neighbours, peaks_of
from market.solve.tolerances import DEFAULT, Tolerances

SIDE = 7
"""Sharing levels of each firm on the grid from whose peaks joint profit is climbed."""

FINE_SIDE = 17
"""The same where one market is searched thoroughly."""

FAR_ABOVE = 10.0
"""Multiple of the largest investments met from below at which best replies start from above."""

FAR = 1e4
"""The same, natural units, at least, where replies may feed each other."""

SETTLED = 1e-6
"""Share of an investment's size below which they stop."""

PEAKS = 3
"""Local maxima of the grid that are climbed."""

MIXED, NOTHING = -1, -2
"""Which investments are at bounds where that is not the same all around, and where nothing follows
that counts."""

CACHED = 4096
"""Levels answered together: what is computed on the way should fit the processor's cache."""


def _square(side: int, lanes: int) -> Array:
    """Sharing (L, side^2, 2) on a grid."""
    return grid((side, side), np.ones((lanes, 2)))


def answers(case: Case, lanes: int, side: int, beside: bool) -> tuple[Case, Array, list[Array]]:
    """The case at every point of the grid, sharing there (L side^2, 2), and levels that best
    replies settle on there, NaN where they do not: from below and from above and, in lanes in which
    these are not all the same, with either firm answering first and from what each invests alone.

    Where they are, so is whatever replies settle on that are monotone: those that rise with the
    rival's investment lie between both ends; of those that fall, what the first to answer from
    below settles on is one end, and from above the other.
    """
    at = case.take(np.repeat(np.arange(lanes), side**2))
    s = _square(side, lanes).reshape(-1, 2)
    cap = np.broadcast_to(case.investment_cap, (lanes, 2)).repeat(side**2, axis=0)

    # what is exchanged may pay for itself at another size: no multiple of this one bounds that
    least = np.where(replies_feed_each_other(case), FAR, 0.0)

    def far_above(levels: Array) -> Array:
        most = np.nan_to_num(levels[..., INVESTMENT]).reshape(-1, lanes, side**2, 2).max((0, 2, 3))
        most = np.maximum(FAR_ABOVE * np.maximum(most, 1e-6), least)
        return np.minimum(most.repeat(side**2)[:, None], cap)

    everywhere, nothing = np.arange(len(s)), np.zeros_like(s)
    low = np.full((len(s), 4), np.nan)

    def reached(t: Array, first: int, rows: Rows) -> Array:
        x, start = np.full((len(s), 4), np.nan), np.concatenate([s, t], -1)
        x[rows] = _answered(at.take(rows), start[rows], low[rows], beside, first)
        return x

    low = reached(nothing, 0, everywhere)
    top = far_above(low)
    high = reached(top, 0, everywhere)
    several = ~_close(low, high).reshape(lanes, -1).all(1)
    rows = np.flatnonzero(several.repeat(side**2))
    if not len(rows):
        return at, s, [low, high]
    other = reached(nothing, 1, rows)
    tops = far_above(np.stack([low, other]))
    higher = np.asarray((tops > top).any(-1))
    high = np.where(higher[:, None], reached(tops, 0, np.flatnonzero(higher)), high)
    single = np.nan_to_num(alone(case, lanes)).repeat(side**2, axis=0)
    more = [reached(t, first, rows) for t, first in ((tops, 1), (single, 0), (single, 1))]
    return at, s, [low, high, other, *more]


def _close(one: Array, other: Array) -> NDArray[np.bool_]:
    """Whether investments of two answers (n, 4) at the same sharing are the same (n,)."""
    t, other = one[:, INVESTMENT], other[:, INVESTMENT]
    near = np.abs(t - other) <= 1e-3 * np.maximum(1e-3, np.abs(t))
    return np.asarray(near[:, 0] & near[:, 1])


def _answered(case: Case, x: Array, known: Array, beside: bool, first: int) -> Array:
    """What best replies from levels (L, 4), of this firm first, settle on or, where they do not and
    both firms sell, Newton's method finds; else NaN. What comes close to levels that replies are
    known to settle on, NaN where none are, settles there."""
    return np.concatenate(
        [
            _answered_together(case.take(rows), x[rows], known[rows], beside, first)
            for rows in np.array_split(np.arange(len(x)), max(1, len(x) // CACHED))
        ]
    )


def _answered_together(case: Case, x: Array, known: Array, beside: bool, first: int) -> Array:
    x, on, game = x.copy(), np.arange(len(x)), investment_game(case, len(x))
    for _ in range(ROUNDS):
        before = x[on]
        there = best_reply_rounds(
            game if beside else replace(game, nominate=None), before, 1, first=first
        )
        met = _close(there, known[on])
        x[on] = np.where(met[:, None], known[on], there)
        # what has no reply is NaN, and stays so
        moves = np.abs(there - before) > SETTLED * np.maximum(1.0, np.abs(there))
        left = np.flatnonzero(~met & (moves[:, 2] | moves[:, 3]))
        if len(left) < len(on):
            on = on[left]
            game = investment_game(case.take(on), len(on))
        if not len(on):
            break
    else:
        x[on] = settled(case.take(on), x[on], DEFAULT) if beside else np.nan
    return np.where((x <= RUNAWAY).all(-1, keepdims=True), x, np.nan)


def peaks(
    case: Case, lanes: int, side: int, checked: bool, tolerances: Tolerances
) -> tuple[Rows, Array, Array, Rows]:
    """From where to climb: lanes (n,), sharing (n, 2) and investments (n, 2) near those that
    follow, and which of these are at bounds (n,), `MIXED` where beside the peak others are or
    nothing follows: an edge lies between, at which there may be more."""
    at, s, reached = answers(case, lanes, side, beside=True)
    found = []
    for k, levels in enumerate(reached):
        rows = np.arange(len(s))
        if k and not checked:  # where nothing else is reached, nothing else is climbed
            known = np.any([_close(levels, before) for before in reached[:k]], axis=0)
            other = (np.isfinite(levels).all(-1) & ~known).reshape(lanes, -1).any(1)
            rows = np.flatnonzero(np.repeat(other, side**2))
        agreement = Agreement(
            case=at.take(rows),
            near=np.nan_to_num(levels[rows, INVESTMENT]),
            checked=checked,
            tolerances=tolerances,
        )
        every = np.full(len(s), -np.inf)
        every[rows] = agreement.value(s[rows]) if checked else agreement.worth(levels[rows])
        value = every.reshape(lanes, side, side)
        peak, _ = peaks_of(value)
        order = np.argsort(-peak, axis=1, kind="stable")[:, :PEAKS]
        lane, turn = np.nonzero(np.isfinite(np.take_along_axis(peak, order, 1)))
        row = lane * side**2 + order[lane, turn]
        piece = np.where(np.isfinite(value), at_bounds(at, levels).reshape(value.shape), NOTHING)
        near = neighbours(piece, MIXED)
        same = ((near == piece) | (near == MIXED)).all(0)
        piece = np.where(same, piece, MIXED).reshape(-1)[row]
        found.append((lane, s[row], np.nan_to_num(levels[row, INVESTMENT]), piece))
    lane, start, near, piece = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(lane, kind="stable")
    return lane[order], start[order], near[order], piece[order]
