"""Where investments that follow agreed sharing end in a fold, and the best agreement there.

At a fold an equilibrium in investments meets one that best replies run away from, and a little
beyond there is neither: both firms' conditions hold, and the slopes of their best replies multiply
to one. Toward it investments, and joint profit with them, change as the root of the distance does,
so that no climb in sharing arrives. In sharing and investments together all is smooth: folds are
curves in the four levels, along which joint profit is climbed here, in one market.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from market.model.case import INVESTMENT, SHARING, Array, Case
from market.model.cost import usefulness
from market.regimes.agreement import Agreement, investment_game, replies_beside
from market.solve.equilibrium import best_reply_rounds

NEAR = 0.25
"""What the product of the slopes of best replies falls short of one by near a fold."""

SMALL = 1e-5
"""Step of a level, as a share of its size, by which conditions are differenced."""

NEWTON = 20
"""Steps of Newton's method to a curve."""

ON, SETTLED = 1e-11, 1e-13
"""Conditions, pure numbers, that are met but for rounding, and shares of levels' sizes, and of a
bracket, that are nothing."""

FIRST, LAST, MOST, STEPS = 1e-3, 1e-9, 0.1, 200
"""Steps along a curve, in sharing: the first, the least after which it is followed no further, the
most, and how many; also cuts of a bracket on it."""

BEYOND, ROUNDS = 0.05, 400
"""Share of sharing's size beyond an end at which it is asked where best replies lead, and the
rounds in which they do."""


def near_fold(case: Case, x: Array) -> NDArray[np.bool_]:
    """Whether levels x (L, 4) are near a fold (L,), by the slopes of best replies in investment."""
    return np.asarray(np.abs(1 - replies_beside(case, x)[1].prod(-1)) < NEAR)


def _sizes(case: Case, x: Array) -> Array:
    """Of levels (4,) in one market the sizes that changes of them are measured by: where a firm
    shares next to nothing, what it takes to be felt."""
    s, t = x[SHARING], x[INVESTMENT]
    use = np.broadcast_to(usefulness(case), (1, 2))[0, ::-1]
    return np.concatenate([np.maximum(s, 1 / np.maximum(1.0, t * (1 + use))), t])


def runs_away_beyond(agreement: Agreement, x: Array, way: Array) -> bool:
    """Whether best replies from levels x (4,) grow without limit where in the one market of an
    agreement sharing is a little further this way (2,), sharing being measured by its size."""
    step = BEYOND * _sizes(agreement.case, x)[SHARING] * way / np.abs(way).max(initial=1e-300)
    tried = np.concatenate([np.clip(x[SHARING] + step, 0.0, 1.0), x[INVESTMENT]])
    gone = best_reply_rounds(investment_game(agreement.case, 1), tried[None], ROUNDS)
    return not np.isfinite(gone).all()


@dataclass(frozen=True, kw_only=True)
class Fold:
    """The best of a curve of folds."""

    levels: Array
    """(4,)."""
    slope: float
    """Joint profit's along the curve that is left; zero where sharing can go no further."""
    runs_away: bool
    """Whether best replies grow without limit a little beyond."""


@dataclass(frozen=True, kw_only=True)
class _Here:
    """A point of a curve."""

    z: Array
    """(4,): levels."""
    rows: Array
    """(3, 4): slopes of what is zero on the curve, a level measured by its size."""
    size: Array
    """(4,): of the levels."""
    joint: Array
    """(4,): slopes of joint profit."""
    along: Array
    """(4,): the curve's direction, of length one in sharing."""

    @property
    def slope(self) -> float:
        """Joint profit's along the curve."""
        return float(self.joint @ self.along)

    def turned(self, way: Array) -> _Here:
        """The same with the curve's direction as this one (4,) leads in sharing."""
        return replace(self, along=-self.along) if self.along[:2] @ way[:2] < 0 else self

    def uphill(self) -> _Here:
        """The same with the direction in which joint profit rises."""
        return replace(self, along=-self.along) if self.slope < 0 else self

    def leaves(self) -> NDArray[np.bool_]:
        """Which sharing (2,) is at a bound that the direction crosses."""
        s, way = self.z[SHARING], self.along[SHARING]
        return np.asarray(((s <= 0) & (way < 0)) | ((s >= 1) & (way > 0)))


def best_fold(agreement: Agreement, x: Array) -> Fold | None:
    """The end of the climb in joint profit along a curve of folds near levels x (4,), in the one
    market of an agreement, as far as every firm sells and gains by no other investment; None where
    it leads to no such end."""
    if not np.isfinite(x).all() or not near_fold(agreement.case, x[None])[0]:
        return None
    curve = _Curve(agreement=replace(agreement, checked=True))
    here, step = curve.near(x), FIRST
    for _ in range(STEPS):
        if here is None or step < LAST:
            break
        here = here.uphill()
        if here.leaves().any() or agreement.runs_away(here.z[None])[0]:
            return curve.ended(here, 0.0)
        there = curve.ahead(here, step)
        if there is None:
            step /= 4
        elif there.slope <= 0:
            top = curve.between(here, there)
            return curve.ended(top, abs(top.slope))
        else:
            here, step = there, min(2 * step, MOST)
    return None


@dataclass(frozen=True, kw_only=True)
class _Curve:
    """A curve of folds in one market."""

    agreement: Agreement

    def _conditions(self, z: Array) -> tuple[Array, Array]:
        """What is zero on the curve (m, 3), pure numbers, and slopes of joint profit (m, 4) at
        levels (m, 4)."""
        case = self.agreement.case.take(np.zeros(len(z), np.intp))
        to_reply, slope, gradient = replies_beside(case, z)
        left = [to_reply / z[:, INVESTMENT], 1 - slope.prod(-1, keepdims=True)]
        return np.concatenate(left, -1), gradient[0] + gradient[1]

    def at(self, z: Array) -> tuple[Array, _Here]:
        """What is left of the conditions (3,) at levels z (4,), and the curve there."""
        size = _sizes(self.agreement.case, z)
        moves = SMALL * np.diag(size)
        left, joint = self._conditions(np.concatenate([[z], z + moves, z - moves]))
        rows = (left[1:5] - left[5:]).T / (2 * SMALL)
        known = np.isfinite(rows).all() and np.isfinite(left[0]).all()
        along = size * (np.linalg.svd(rows)[2][-1] if known else np.nan)
        here = _Here(
            z=z, rows=rows, size=size, joint=joint[0], along=along / np.hypot(*along[SHARING])
        )
        return left[0], here

    def near(self, x: Array) -> _Here | None:
        """The point of the curve nearest to levels x (4,), at a bound where it leads across."""
        here = self.onto(x)
        if here is None or np.abs(here.z[SHARING] - 0.5).max() <= 0.5:
            return self.counting(here)
        bounded = here.z.copy()
        bounded[SHARING] = np.clip(bounded[SHARING], 0.0, 1.0)
        (beyond,) = np.nonzero(bounded != here.z)
        return self.counting(self.onto(bounded, np.eye(4)[beyond[0]]))

    def ahead(self, here: _Here, step: float) -> _Here | None:
        """The point of the curve so far ahead of another in sharing, or at the bound that is
        nearer; None where none is that counts."""
        way = here.along
        step = min(step, 0.5 / float(np.abs(way / here.size)[INVESTMENT].max()))
        end = (way[SHARING] > 0).astype(float)
        moves = way[SHARING] != 0
        room = np.where(moves, (end - here.z[SHARING]) / np.where(moves, way[SHARING], 1.0), np.inf)
        k = int(room.argmin())
        start = here.z + min(step, room[k]) * way
        if room[k] <= step:
            start[k] = end[k]
            there = self.onto(start, np.eye(4)[k])
        else:
            there = self.onto(start, way * [1, 1, 0, 0])
        if there is None or np.abs(there.z - start)[SHARING].max() > step:
            return None
        there = self.counting(there)
        return None if there is None else there.turned(way)

    def between(self, low: _Here, high: _Here) -> _Here:
        """The point of the curve between two at which joint profit's slope along it, of different
        signs there, changes its sign: secants, the end that stays counting half."""
        plane = low.along * [1, 1, 0, 0]
        first, last, at_low, at_high, stays = low, high, low.slope, high.slope, 0
        for _ in range(STEPS):
            share = at_low / (at_low - at_high)
            here = self.onto(first.z + share * (last.z - first.z), plane)
            if here is None:
                break
            here = here.turned(low.along)
            width = np.abs((last.z - first.z) / here.size).max()
            if width <= SETTLED or abs(here.slope) <= SETTLED * low.slope:
                return here
            if here.slope > 0:
                first, at_low, at_high = here, here.slope, at_high / (1 + (stays == 1))
                stays = 1
            else:
                last, at_high, at_low = here, here.slope, at_low / (1 + (stays == -1))
                stays = -1
        return first

    def onto(self, z: Array, plane: Array | None = None) -> _Here | None:
        """The point of the curve that Newton's method leads to from levels z (4,), in the plane
        through them of this normal (4,) or the shortest way; None where it does not arrive."""
        start, before = z, np.inf
        for _ in range(NEWTON):
            left, here = self.at(z)
            rows = here.rows
            if plane is not None:
                rows = np.vstack([rows, plane * here.size])
                left = np.append(left, plane @ (z - start))
            if np.isnan(here.along).any():
                return None
            step = np.linalg.lstsq(rows, -left, rcond=None)[0]
            moved = float(np.abs(step).max())
            if moved <= SETTLED or (np.abs(left).max() <= ON and moved > before / 2):
                return here
            z, before = z + here.size * step * min(1.0, 0.5 / moved), moved
            if plane is not None:  # what is held at a bound is so to the last digit
                z = np.where(plane == 1, start, z)
            if not (z[INVESTMENT] > 0).all():
                return None
        return None

    def counting(self, here: _Here | None) -> _Here | None:
        """A point of the curve if it is an agreement of a market in which no firm gains."""
        if here is None or np.abs(here.z[SHARING] - 0.5).max() > 0.5:
            return None
        return here if np.isfinite(self.agreement.worth(here.z[None]))[0] else None

    def ended(self, here: _Here, slope: float) -> Fold | None:
        """A point of the curve as where joint profit is highest; None where it is not, for it falls
        toward the curve."""
        across = here.rows[:2, 2:]
        left, _, right = np.linalg.svd(across)
        v, w = right[-1], left[:, -1]
        v = -v if here.rows[2, 2:] @ v > 0 else v  # toward where best replies run away
        if here.joint[INVESTMENT] @ (here.size[INVESTMENT] * v) < 0:
            return None
        away = w @ here.rows[:2, :2]
        gone = any(runs_away_beyond(self.agreement, here.z, way) for way in (away, -away))
        return Fold(levels=here.z, slope=slope, runs_away=gone)
