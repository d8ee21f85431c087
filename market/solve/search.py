"""Maximise payoffs that may have kinks and jumps, in one or two variables and many lanes at once.

Payoffs of those who move first are such: later movers' replies switch. A grid finds the peaks,
shrinking steps follow them, Newton's method on total derivatives finishes where the payoff is
smooth, and ever smaller steps where it is not.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.solve.equilibrium import LAST_DIGITS
from market.solve.optimum import Array, projected_gradient
from market.solve.tolerances import DEFAULT, Tolerances

Value = Callable[[Array], Array]
"""Payoffs (L, m) at points (L, m, n), m per lane."""

Slope = Callable[[Array, NDArray[np.intp]], tuple[Array, Array]]
"""Total derivatives (m, n) of payoffs at points (m, n), one in each of these lanes (m,), and the
payoffs (m,) to scale them by."""

DOUBLINGS = 12
"""How often the range of investments searched is doubled before a payoff counts as growing without
limit."""

PEAKS = 3
"""Local maxima of the grid that are followed."""

ROUNDS = 14
"""Rounds of shrinking steps around each of them."""

SHRINK = 0.6
"""Factor between the steps of two rounds."""

STEP = 1e-5
"""Relative step of difference quotients of total derivatives."""

_OFFSETS = {n: [o for o in product((-1, 0, 1), repeat=n) if any(o)] for n in (1, 2, 3)}
"""Neighbours of a point on a grid, by its number of axes."""


def grid(shape: tuple[int, ...], top: Array) -> Array:
    """Points (L, m, n) on a regular grid from zero to `top` (L, n)."""
    unit = np.stack(np.meshgrid(*(np.linspace(0, 1, k) for k in shape), indexing="ij"), -1).reshape(
        -1, len(shape)
    )
    return np.asarray(unit * top[:, None])


def search_range(
    value: Value, top: Array, cap: Array, shape: tuple[int, ...] = (9,)
) -> tuple[Array, NDArray[np.bool_], Array]:
    """The range of investment (L,) beyond whose half the payoff falls, whether there is none, and
    the payoffs (L, m) on the grid that showed it; of other variables, which come first, the range
    is from zero to one."""
    top, others = top.copy(), np.ones((len(top), len(shape) - 1))
    for _ in range(DOUBLINGS):
        points = grid(shape, np.column_stack([others, top]))
        values = value(points)
        best = points[np.arange(len(top)), values.argmax(1), -1]
        short = (best > 0.6 * top) & (top < cap)
        if not short.any():
            break
        top = np.where(short, np.minimum(2 * top, cap), top)
    return top, short, values


def neighbours(values: NDArray[Any], beyond: float) -> NDArray[Any]:
    """Of values on a grid of so many axes (L, ...) those of all neighbours (n, L, ...), one value
    beyond it."""
    shape = values.shape[1:]
    padded = np.pad(values, [(0, 0)] + [(1, 1)] * len(shape), constant_values=beyond)
    shifts = [
        [slice(1 + o, 1 + o + k) for o, k in zip(offset, shape, strict=True)]
        for offset in _OFFSETS[len(shape)]
    ]
    return np.stack([padded[(slice(None), *shift)] for shift in shifts])


def most_around(values: Array) -> Array:
    """Of values on a grid of so many axes (L, ...) the most of each and all its neighbours."""
    most = values.copy()
    for axis in range(1, values.ndim):
        rows, top = np.moveaxis(most.copy(), axis, 0), np.moveaxis(most, axis, 0)
        np.maximum(top[1:], rows[:-1], out=top[1:])
        np.maximum(top[:-1], rows[1:], out=top[:-1])
    return most


def peaks_of(values: Array) -> tuple[Array, Array]:
    """Payoffs (L, m) on a grid of so many axes (L, ...) where they are no less than beside, minus
    infinity elsewhere; and by how much (L, m) they exceed the least beside."""
    lanes, near = len(values), neighbours(values, -np.inf)
    least = np.where(np.isfinite(near), near, values).min(0)
    with np.errstate(invalid="ignore"):
        fall = values - least
    peak = np.where(values >= near.max(0), values, -np.inf)
    return peak.reshape(lanes, -1), fall.reshape(lanes, -1)


def search(
    value: Value,
    lower: Array,
    upper: Array,
    top: Array,
    shape: tuple[int, ...],
    rounds: int = ROUNDS,
) -> tuple[Array, Array]:
    """The best points (L, n) found and their payoffs: a grid from zero to `top`, then shrinking
    steps around its highest local maxima."""
    lanes, n = top.shape
    points = grid(shape, top)
    values = value(points)
    peak, _ = peaks_of(values.reshape(lanes, *shape))
    order = np.argsort(-peak, axis=1, kind="stable")[:, :PEAKS]
    rows = np.arange(lanes)[:, None]
    at, best = points[rows, order], values[rows, order]
    step = top / (np.array(shape) - 1)
    moves = np.array(_OFFSETS[n], float)
    for _ in range(rounds):
        step = step * SHRINK
        tries = np.clip(
            at[:, :, None] + moves * step[:, None, None], lower[:, None, None], upper[:, None, None]
        )
        found = value(tries.reshape(lanes, -1, n)).reshape(lanes, at.shape[1], -1)
        which = found.argmax(-1)
        better = np.take_along_axis(found, which[..., None], -1)[..., 0]
        moved = np.take_along_axis(tries, which[..., None, None], 2)[:, :, 0]
        up = better > best
        at, best = np.where(up[..., None], moved, at), np.maximum(best, better)
    which = best.argmax(1)
    return at[np.arange(lanes), which], best[np.arange(lanes), which]


FINE = np.arange(1, 5)[:, None] / 4
"""In one variable, the shares of a step that are tried to either side at once: the payoffs of many
points cost hardly more than that of one."""


AROUND = np.linspace(0, 2 * np.pi, 64, endpoint=False)
"""In two variables, the angles that are tried at once."""

CLOSE = np.linspace(-AROUND[1], AROUND[1], 33)
"""By how much the best of them is turned: along an edge that payoff rises towards and jumps at only
a narrow range of directions leads up."""


def descend(
    value: Value, x: Array, step: Array, lower: Array, upper: Array, smallest: float = 1e-14
) -> Array:
    """Pattern search from points (L, n): what raises the payoff most is taken, else steps are made
    smaller, down to rounding.

    In two variables a circle of directions turns from round to round, and where none leads up those
    beside the best of it are tried, so that a ridge or an edge in any direction can be followed;
    steps that lead up one after the other grow. In one, steps shrink to the distance between the
    points tried, beyond which the next of them was no better.
    """
    n, rows = x.shape[1], np.arange(len(x))
    pattern = np.concatenate([FINE, -FINE]) if n == 1 else np.array(_OFFSETS[n], float)
    best, enough = value(x[:, None])[:, 0], smallest * np.maximum(1e-2, np.abs(x)).max(-1)
    rose = np.zeros(len(x), bool)

    def tried(moves: Array) -> tuple[Array, Array]:
        """Points (L, m, n) by these moves, and the payoff at them."""
        tries = np.clip(x[:, None] + moves * step[:, None], lower[:, None], upper[:, None])
        return tries, value(tries)

    for k in range(400):
        moves = pattern if n == 1 else np.concatenate([pattern, _circle(AROUND + k)])
        tries, found = tried(moves)
        if n == 2 and (found.max(1) <= best).any():
            nearest = AROUND[found[:, len(pattern) :].argmax(1)] + k
            beside, there = tried(_circle(nearest[:, None] + CLOSE))
            tries, found = np.concatenate([tries, beside], 1), np.concatenate([found, there], 1)
        which = found.argmax(1)
        better = found[rows, which]
        up = better > best
        x = np.where(up[:, None], tries[rows, which], x)
        best = np.maximum(best, better)
        if n == 1:  # on with the same step only where its end was best
            on = up & (np.abs(moves[which, 0]) == 1.0)
            step = np.where(on[:, None], step, step * FINE[0])
        else:  # the way along an edge may be long beside the step it is begun with
            factor = np.where(up, np.where(rose, 2.0, 1.0), 0.5)
            step, rose = step * factor[:, None], up
        if (step.max(-1) <= enough).all():
            break
    return x


def _circle(angle: Array) -> Array:
    """Moves (..., 2) of length one."""
    return np.stack([np.cos(angle), np.sin(angle)], -1)


def polish(
    slope: Slope, x: Array, lower: Array, upper: Array, tolerances: Tolerances = DEFAULT
) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
    """Newton on total derivatives (L, n): points, residuals, Jacobians by differences and what is
    held at a bound.

    A step that does not lower the residual is not taken.
    """
    (lanes, n), x = x.shape, x.copy()
    jacobian, held = np.zeros((lanes, n, n)), np.zeros((lanes, n), bool)
    gradient, value = slope(x, np.arange(lanes))

    def residual_of(at: Array, g: Array, v: Array, on: NDArray[np.intp]) -> Array:
        size = np.maximum(1.0, np.abs(v))
        return np.asarray(np.abs(projected_gradient(at, g, lower[on], upper[on])).max(-1) / size)

    on = np.arange(lanes)
    residual = residual_of(x, gradient, value, on)
    for _ in range(12):
        here, low, high = x[on], lower[on], upper[on]
        jacobian[on] = _jacobian(slope, here, low, high, on)
        held[on] = (
            ((here <= low) & (gradient[on] < 0))
            | ((here >= high) & (gradient[on] > 0))
            | ~(low < high)
        )
        on = on[residual[on] > tolerances.target]
        if not len(on):
            break
        fixed = held[on]
        matrix = np.where(fixed[:, :, None] | fixed[:, None, :], 0.0, jacobian[on])
        matrix[:, np.arange(n), np.arange(n)] -= fixed
        singular = np.abs(np.linalg.det(matrix)) < 1e-30
        matrix[singular] = -np.eye(n)
        step = -np.linalg.solve(matrix, np.where(fixed, 0.0, gradient[on])[..., None])[..., 0]
        new = np.clip(x[on] + step, lower[on], upper[on])
        new_gradient, new_value = slope(new, on)
        new_residual = residual_of(new, new_gradient, new_value, on)
        good = new_residual < residual[on]
        on = on[good]
        if not len(on):
            break
        x[on], gradient[on], residual[on] = new[good], new_gradient[good], new_residual[good]
    return x, residual, jacobian, held


def _jacobian(slope: Slope, x: Array, lower: Array, upper: Array, on: NDArray[np.intp]) -> Array:
    """Jacobians (m, n, n) of total derivatives at points (m, n) of these lanes, by differences, all
    points of which are asked at once."""
    m, n = x.shape
    h = STEP * np.maximum(1e-2, np.abs(x))[:, None] * np.eye(n)
    up, down = (
        np.minimum(x[:, None] + h, upper[:, None]),
        np.maximum(x[:, None] - h, lower[:, None]),
    )
    # what has one admissible value only cannot be moved, and is held by the caller
    width = np.where(lower < upper, np.diagonal(up - down, axis1=1, axis2=2), 1.0)
    ends = np.stack([up, down]).reshape(-1, n)
    high, low = slope(ends, np.tile(np.repeat(on, n), 2))[0].reshape(2, m, n, n)
    return np.swapaxes((high - low) / width[..., None], 1, 2)


def one_sided_slope(value: Value, x: Array, lower: Array, upper: Array, top: Array) -> Array:
    """The largest slope (L,) of the payoff in any direction tried that stays in the box, those
    of the grid and in two variables a circle of them, per relative change of large levels."""
    n = x.shape[1]
    h = 1e-6 * np.maximum(top, 1e-3)
    directions = np.array(_OFFSETS[n], float)
    if n == 2:
        directions = np.concatenate([directions, _circle(AROUND)])
    points = np.clip(x[:, None] + h[:, None, None] * directions, lower[:, None], upper[:, None])
    moved = np.abs(points - x[:, None]).max(-1)
    there, here = value(points), value(x[:, None])
    counts = (moved > 0) & np.isfinite(there) & np.isfinite(here)
    rise = np.where(counts, there, 0.0) - np.where(counts, here, 0.0)
    # where a bound leaves no room for the step a move of the last digit has no slope
    rise -= LAST_DIGITS * np.maximum(1.0, np.abs(np.where(counts, here, 0.0)))
    return np.asarray(
        (rise / np.where(counts, moved, 1.0)).max(1, initial=0.0)
        * np.maximum(1.0, np.abs(x).max(-1))
    )
