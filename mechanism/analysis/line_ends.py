"""Where along lines of values a market ends, a problem begins to have no limit or the planner's no
solution: found without solving anything else.

The first is known from reading a case, the second is closed form; the third takes the planner's
problem alone, at many values at once, since a round of them takes little longer than one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array
from mechanism.analysis.along_lines import Line

CLOSE = 1e-4
"""How close, beside the width of a bracket that is narrow enough, the value is found at which a
problem begins to have no limit."""
HALVES, CUTS = 2, 4
"""Parts into which a bracket is cut in a round where a value costs as much as a round, and where it
costs little more."""

Lines = NDArray[np.intp]


class Tried(Protocol):
    """What is asked at values (n,) of lines (n,)."""

    def there(self, which: Lines, x: Array) -> NDArray[np.bool_]:
        """Whether there is a market."""
        ...

    def room(self, which: Lines, x: Array) -> Array:
        """How far problems are from having no limit; NaN where there is no market."""
        ...

    def advised(self, which: Lines, x: Array) -> NDArray[np.bool_]:
        """Whether the planner's problem has a solution."""
        ...


class _Changes(NamedTuple):
    """Between which values on lines a figure changes its sign."""

    line: Lines
    low: Array
    high: Array
    below: Array
    """The figure at `low`."""
    above: Array


def beside_ends(lines: Sequence[Line], tried: Tried) -> list[Array]:
    """Of every line the values on both sides of the nearest ones, on either side of its own value,
    at which a market ends, some problem begins to have no limit or the planner's no solution."""
    out = [np.empty(0) for _ in lines]

    def at() -> tuple[Lines, Array]:
        every = [np.union1d(line.first, some) for line, some in zip(lines, out, strict=True)]
        return np.repeat(np.arange(len(lines)), [len(x) for x in every]), np.concatenate(every)

    def add(found: _Changes) -> None:
        for n, low, high in zip(found.line, found.low, found.high, strict=True):
            out[n] = np.union1d(out[n], [low, high])

    which, x = at()
    ends = _changes(lines, which, x, _sign(tried.there(which, x)))
    add(_closed_in(lines, ends, tried.there, HALVES))
    which, x = at()
    add(_limits(lines, _changes(lines, which, x, tried.room(which, x)), tried))
    which, x = at()
    room = tried.room(which, x)
    on, planned = np.flatnonzero(room > 0), np.full(len(x), np.nan)
    planned[on] = _sign(tried.advised(which[on], x[on]))
    add(_closed_in(lines, _changes(lines, which, x, planned), tried.advised, CUTS))
    return out


def _sign(which: NDArray[np.bool_]) -> Array:
    return np.where(which, 1.0, -1.0)


def _changes(lines: Sequence[Line], which: Lines, x: Array, value: Array) -> _Changes:
    """Where a figure known at values (n,) of lines changes its sign nearest to a line's own value,
    on either side; NaN where it is not known."""
    ends = []
    for n, line in enumerate(lines):
        assert line.own is not None
        mine, told = x[which == n], value[which == n]
        own = int(np.searchsorted(mine, line.own))
        turns = np.flatnonzero(told[1:] * told[:-1] < 0)
        for k in (*turns[turns < own][-1:], *turns[turns >= own][:1]):
            ends.append((n, mine[k], mine[k + 1], told[k], told[k + 1]))
    columns = (np.array([end[k] for end in ends], float) for k in range(1, 5))
    return _Changes(np.array([end[0] for end in ends], int), *columns)


def _narrow(lines: Sequence[Line], ends: _Changes) -> Array:
    """How wide brackets may be that are within these."""
    sides = zip(ends.line, ends.low, ends.high, strict=True)
    return np.array([min(lines[n].narrow(low), lines[n].narrow(high)) for n, low, high in sides])


def _closed_in(
    lines: Sequence[Line],
    ends: _Changes,
    asked: Callable[[Lines, Array], NDArray[np.bool_]],
    cuts: int,
) -> _Changes:
    """The brackets of a yes and a no as narrow as is of interest; of several changes in one that
    nearest to the line's own value."""
    line_of, low, high, below, _ = ends
    near = _narrow(lines, ends)
    rises = np.array([lines[n].own <= x for n, x in zip(line_of, low, strict=True)], bool)
    while len(wide := np.flatnonzero(high - low > near)):
        x = np.linspace(low[wide], high[wide], cuts + 1, axis=-1)
        told = asked(np.repeat(line_of[wide], cuts - 1), x[:, 1:-1].ravel())
        alike = np.ones((len(wide), cuts + 1), bool)
        alike[:, 1:-1] = told.reshape(len(wide), -1) == (below[wide, None] > 0)
        alike[:, -1] = False
        # the first value unlike the lower end, or the one after the last that is like it
        first, last = (~alike).argmax(1), cuts + 1 - alike[:, ::-1].argmax(1)
        end = np.where(rises[wide], first, last)
        low[wide], high[wide] = (np.take_along_axis(x, k[:, None], 1)[:, 0] for k in (end - 1, end))
    return ends


def _limits(lines: Sequence[Line], ends: _Changes, tried: Tried) -> _Changes:
    """The brackets of where problems begin to have no limit as narrow as is of interest."""
    if not len(ends.line):
        return ends
    # Not at the top: a case of which no problem is near its limit does not need it.
    from scipy.optimize import elementwise

    near = _narrow(lines, ends)

    def room(x: Array, end: Array) -> Array:
        # in widths of brackets that are narrow enough
        at = end.astype(np.intp)
        return tried.room(ends.line[at], x * near[at])

    found = elementwise.find_root(
        room,
        (ends.low / near, ends.high / near),
        args=(np.arange(len(near), dtype=float),),
        tolerances={"xrtol": 0, "xatol": CLOSE, "fatol": 0, "frtol": 0},
    )
    # as far apart as they may be, so that what is smooth between other values is not taken for
    # rounding
    middle = (found.bracket[0] + found.bracket[1]) / 2
    return ends._replace(low=(middle - 0.4) * near, high=(middle + 0.4) * near)
