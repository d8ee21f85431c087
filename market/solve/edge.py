"""Maximise in two variables where the best lies on an edge: the border of where a payoff is known,
a kink, a jump, or a side of the unit square.

Away from edges the payoff is smooth. Beside its best point it rises toward the edge, and along the
edge, a curve, it is smooth again: what is left is one variable. The edge is located to rounding by
cutting a segment across it; its direction follows from neighbouring points of it, and the root of
the payoff's slope along it is found by secants between points of the edge on either side. The edge
is followed as far as the slope leads. Where it turns a corner, at another edge, the slope changes
its sign there and the corner is found.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.intp]

OUT = -1
"""Label of what lies beyond the sides of the square."""
CUTS = 128
"""Pieces into which a segment across the edge is cut at once."""
REACH = 4.0 ** -np.arange(12, -1, -1)
"""Distances up to which it is asked whether an edge is near, the least first."""
ASIDE = 1e-5
"""Distance of the neighbouring points from which the direction of the edge follows."""
FIRST, LAST, MOST = 1e-3, 1e-6, 0.1
"""Steps along the edge: the first, the least after which it is followed no further, the most."""
WIDE = 4.0
"""Multiple of a step within which the edge is looked for to either side."""
CORNER = 1e-2
"""Change of the edge's direction between neighbouring points that makes a corner."""
CLOSE = 1e-7
"""Distance of the neighbouring points beside a corner that is known to `ASIDE`."""
SECANTS = 4
"""Cuts of a bracket after which secants have found a root unless it is at a corner."""
STEPS = 120
"""Steps along the edge, and cuts of a bracket on it."""
NARROW, ROUGH = 1e-16, 1e-10
"""Distance that is none, and one at which it is enough to know which way the payoff rises."""


DIGITS, SETTLED = 1e-10, 1e-8
"""Share of a step along the edge to which the edge is located, and a secant's step after which the
next is none."""


class Look(Protocol):
    """A payoff on the unit square that is smooth where its label stays the same."""

    def labels(self, s: Array) -> Labels:
        """One number (m,) for each smooth piece at points (m, 2) of the square, none of them
        `OUT`."""
        ...

    def slopes(self, s: Array) -> Array:
        """Slopes (m, 2) at points of pieces on which there is a payoff."""
        ...

    def near(self, s: Array) -> Self:
        """The same where it is looked at near this point (2,)."""
        ...


SomeLook = TypeVar("SomeLook", bound=Look)


class _Edge(NamedTuple):
    """A point of an edge, on the side looked at."""

    x: Array
    along: Array
    """(2,): the edge's direction there, of length one."""
    slope: float
    """The payoff's along it."""
    bend: float
    """By how much its direction changes between the neighbouring points."""


class _Frame(NamedTuple):
    """Where the edge is a graph: offsets along `normal`, which leads out, over distances along
    `along`."""

    origin: Array
    along: Array
    normal: Array
    label: int

    def distance(self, here: _Edge) -> float:
        """Along the frame to a point of the edge."""
        return float((here.x - self.origin) @ self.along)


def on_an_edge(look: SomeLook, s: Array) -> tuple[Array, SomeLook]:
    """The point (2,) to which the edge leads, followed uphill on the side of a point (2,) from
    where payoff rises towards it; the point itself where there is no edge that way. And the payoff
    as it is looked at near it."""
    frame = _across(look, s)
    if frame is None:
        return s, look
    here = _edge(look, frame, 0.0, FIRST) or _from_a_side(look, frame)
    if here is None:
        return frame.origin, look
    step = FIRST
    for _ in range(STEPS):
        look, frame = look.near(here.x), _turned(frame, here)
        way = float(np.sign(here.slope))
        there = _edge(look, frame, way * step, step) if way else None
        if there is not None and there.slope * way <= 0:
            return _between(look, frame, here, there), look
        if there is None:
            step /= 4
            if not way or step < LAST:
                break
        else:
            here, step = there, min(2 * step, MOST)
    return here.x, look


def _from_a_side(look: Look, frame: _Frame) -> _Edge | None:
    """The edge a little further on from where it meets a side of the square, if payoff rises that
    way; else None."""
    for ahead in (2 * ASIDE, -2 * ASIDE):
        here = _edge(look, frame, ahead, FIRST)
        if here is not None and here.slope * ahead * float(here.along @ frame.along) > 0:
            return here
    return None


def _labels(look: Look, s: Array) -> Labels:
    inside = ((s >= 0) & (s <= 1)).all(-1)
    found = np.full(len(s), OUT)
    if inside.any():
        found[inside] = look.labels(s[inside])
    return found


def _across(look: Look, s: Array) -> _Frame | None:
    """The frame at the edge that the payoff's slope leads to, along a side of the square where it
    leads across that."""
    slope = look.slopes(s[None])[0]
    slope = np.where(((s <= 0) & (slope < 0)) | ((s >= 1) & (slope > 0)), 0.0, slope)
    size = float(np.hypot(*slope))
    if not size > 0:
        return None
    normal = slope / size
    label = int(_labels(look, s[None])[0])
    beyond = np.flatnonzero(_labels(look, s + REACH[:, None] * normal) != label)
    if not len(beyond):
        return None
    far = float(REACH[beyond[0]])
    offset = _cut(look, s[None], normal, label, np.zeros(1), np.full(1, far))
    return _Frame(s + offset[0] * normal, np.array([-normal[1], normal[0]]), normal, label)


def _cut(
    look: Look,
    origin: Array,
    normal: Array,
    label: int,
    low: Array,
    high: Array,
    narrow: float = NARROW,
) -> Array:
    """The last offsets (m,) from points (m, 2) between those given that have this label; the lower
    ones do."""
    shares = np.linspace(0, 1, CUTS + 1)[:, None]
    while (high - low > narrow).any():
        tried = low + shares * (high - low)
        points = origin + tried[..., None] * normal
        same = (_labels(look, points.reshape(-1, 2)) == label).reshape(tried.shape)
        same[0], same[-1] = True, False
        last = same.argmin(0) - 1
        columns = np.arange(len(low))
        before = high - low
        low, high = tried[last, columns], tried[last + 1, columns]
        if (high - low >= before).all():
            break
    return low


def _edge(
    look: Look,
    frame: _Frame,
    distance: float,
    width: float,
    narrow: float = ROUGH,
    aside: float = ASIDE,
) -> _Edge | None:
    """The edge at this distance, looked for within a multiple of the width of the frame; None where
    it is not met."""
    at = distance + aside * np.array([-1.0, 0.0, 1.0])
    origin = frame.origin + at[:, None] * frame.along
    offsets = WIDE * width * np.linspace(-1, 1, CUTS + 1)
    points = origin[:, None] + offsets[:, None] * frame.normal
    same = (_labels(look, points.reshape(-1, 2)) == frame.label).reshape(3, -1)
    leaves = same[:, :-1] & ~same[:, 1:]
    if not leaves.any(1).all():
        return None
    away = np.where(leaves, np.abs(offsets[:-1] + offsets[1:]), np.inf).argmin(1)
    offset = _cut(look, origin, frame.normal, frame.label, offsets[away], offsets[away + 1], narrow)
    along = frame.along + (offset[2] - offset[0]) / (2 * aside) * frame.normal
    along = along / np.hypot(*along)
    x = origin[1] + offset[1] * frame.normal
    bend = abs(float(np.diff(offset, 2)[0])) / aside
    return _Edge(x, along, float(look.slopes(x[None])[0] @ along), bend)


def _turned(frame: _Frame, here: _Edge) -> _Frame:
    """The frame at a point of the edge, along the edge."""
    normal = np.array([-here.along[1], here.along[0]])
    return _Frame(here.x, here.along, normal * np.sign(normal @ frame.normal), frame.label)


def _between(look: Look, frame: _Frame, low: _Edge, high: _Edge) -> Array:
    """The point (2,) of the edge between two of it at which the slope along it, of different signs
    there, changes its sign: secants, the end that stays counting half."""
    at_low, at_high, width = low.slope, high.slope, abs(frame.distance(high))
    stays, before = 0, frame.distance(low)
    for k in range(STEPS):
        first, last = frame.distance(low), frame.distance(high)
        if k >= SECANTS and abs(_cross(low.along, high.along)) >= CORNER:
            return _corner(look, frame, low, high, width, _meeting(frame, low, high))
        share = 0.5 if k % 4 == 3 else at_low / (at_low - at_high)
        distance = first + share * (last - first)
        moved, before = abs(distance - before), distance
        # the nearer the more digits are worth looking for
        narrow = float(np.clip(DIGITS * moved, NARROW, ROUGH))
        here = _edge(look, frame, distance, width, narrow)
        if here is None:
            break
        if here.bend >= CORNER:
            return _corner(look, frame, low, high, width, distance)
        if here.slope == 0 or min(moved, abs(last - first)) <= SETTLED:
            return here.x
        if here.slope * low.slope > 0:
            low, at_low, at_high = here, here.slope, at_high / (1 + (stays == 1))
            stays = 1
        else:
            high, at_high, at_low = here, here.slope, at_low / (1 + (stays == -1))
            stays = -1
    return low.x


def _corner(look: Look, frame: _Frame, low: _Edge, high: _Edge, width: float, near: float) -> Array:
    """The corner (2,) of the edge between two points of it, asked for on either side of a distance
    it may be near: where the directions on both sides meet, closer by closer."""
    aside, bent = ASIDE, False
    for _ in range(STEPS):
        apart = 2 * aside * float(np.sign(frame.distance(high) - frame.distance(low)))
        below = _edge(look, frame, near - apart, width, NARROW, aside)
        above = _edge(look, frame, near + apart, width, NARROW, aside)
        if below is None or above is None:
            break
        within = [here for here in (below, above) if here.bend >= CORNER]
        if within:
            if bent:  # an edge that is bent wherever it is looked at is not known that closely
                return within[0].x
            near, bent = frame.distance(within[0]), True
            continue
        bent = False
        if below.slope * low.slope <= 0:
            high = below
        elif above.slope * low.slope > 0:
            low = above
        else:
            low, high = below, above
            if aside == CLOSE:
                here = _edge(look, frame, _meeting(frame, low, high), width, NARROW, aside)
                return low.x if here is None else here.x
            aside = CLOSE
        near = _meeting(frame, low, high)
    return low.x


def _meeting(frame: _Frame, low: _Edge, high: _Edge) -> float:
    """The distance at which the directions of two points of the edge meet; half-way where they do
    not between them."""
    first, last = frame.distance(low), frame.distance(high)
    turn = _cross(low.along, high.along)
    if abs(turn) >= CORNER:
        ahead = _cross(high.x - low.x, high.along) / turn
        there = first + ahead * float(low.along @ frame.along)
        if min(first, last) < there < max(first, last):
            return there
    return (first + last) / 2


def _cross(a: Array, b: Array) -> float:
    """The sine between two directions of length one."""
    return float(a[0] * b[1] - a[1] * b[0])
