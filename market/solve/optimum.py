"""Maximise smooth payoffs over boxes: projected Newton in every lane at once.

The ascent is Bertsekas' projected Newton method: variables at a bound that the gradient pushes against are held, the rest take
a Newton step that is projected onto the box and shortened until the payoff rises (Armijo).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from market.solve.linear import ascent_direction, free_system
from market.solve.tolerances import DEFAULT, Tolerances

Array = NDArray[np.float64]


class Objective(Protocol):
    """What a maximiser needs: payoffs of L independent problems in n variables."""

    def value(self, x: Array) -> Array:
        """Payoffs (L,) at points (L, n)."""
        ...

    def derivatives(self, x: Array) -> tuple[Array, Array, Array]:
        """Payoffs (L,), gradients (L, n) and Hessians (L, n, n)."""
        ...

    def take(self, lanes: Any) -> Self:
        """The problems at these indices."""
        ...


@dataclass(frozen=True, kw_only=True)
class Ascent:
    """Where the ascents ended, one per lane."""

    x: Array
    """(L, n)."""
    value: Array
    """(L,)."""
    residual: Array
    """Largest projected gradient over max(1, |value|), (L,)."""
    hessian: Array
    """(L, n, n)."""


def projected_gradient(x: Array, gradient: Array, lower: Array, upper: Array) -> Array:
    """The gradient without the components that push out of the box."""
    out = np.where((x <= lower) & (gradient < 0), 0.0, gradient)
    return np.where((x >= upper) & (gradient > 0), 0.0, out)


def free_curvature(hessian: Array, held: NDArray[np.bool_]) -> Array:
    """Largest eigenvalue of the Hessian (L, n, n) on the variables not held (L, n); NaN where all are held."""
    both = ~held[..., :, None] & ~held[..., None, :]
    # A held variable must not supply the largest eigenvalue: it gets one below every other.
    n = held.shape[-1]
    low = -1 - 2 * n * np.abs(hessian).max((-1, -2))
    matrix = np.where(both, hessian, 0.0)
    matrix[..., np.arange(n), np.arange(n)] += np.where(held, low[..., None], 0.0)
    return np.where(held.all(-1), np.nan, np.linalg.eigvalsh(matrix)[..., -1])


def on_bound(x: Array, bound: Array, tolerances: Tolerances = DEFAULT) -> NDArray[np.bool_]:
    """Whether a variable lies on this bound (never on an infinite one)."""
    finite = np.isfinite(bound)
    away = np.abs(x - np.where(finite, bound, 0.0))
    return finite & (away <= tolerances.bound * np.maximum(1.0, np.abs(x)))


def maximise(objective: Objective, start: Array, lower: Array, upper: Array, tolerances: Tolerances = DEFAULT) -> Ascent:
    """Climb from each start (L, n) to a local maximum over its box (bounds (L, n)). Deterministic."""
    lanes, n = start.shape
    end = Ascent(
        x=np.clip(start, lower, upper), value=np.full(lanes, np.nan), residual=np.full(lanes, np.inf), hessian=np.zeros((lanes, n, n))
    )
    active, x, lo, hi = np.arange(lanes), end.x.copy(), lower, upper
    value, gradient, hessian = objective.derivatives(x)
    residual = _residual(x, value, gradient, lo, hi)
    stalled = np.zeros(lanes, bool)

    def record(at: Any, which: Any) -> None:
        end.x[at], end.value[at], end.residual[at], end.hessian[at] = x[which], value[which], residual[which], hessian[which]

    for _ in range(tolerances.iterations):
        # What is close to a bound and pushed toward it goes there: otherwise clipping could spoil the direction.
        near = np.minimum(1e-6, residual)[:, None]
        to_lower = (x - lo <= near) & (gradient < 0)
        to_upper = (hi - x <= near) & (gradient > 0)
        direction = ascent_direction(*free_system(hessian, gradient, to_lower | to_upper))
        direction = np.where(to_lower, lo - x, np.where(to_upper, hi - x, direction))

        # A residual relative to a large payoff can be small far from the solution: the step must be small as well.
        step = np.abs(np.clip(x + direction, lo, hi) - x) / np.maximum(1.0, np.abs(x))
        done = (residual <= tolerances.target) & (step.max(-1) <= tolerances.step) | stalled
        if done.any():
            record(active[done], done)
            keep = ~done
            active = active[keep]
            if not len(active):
                return end
            objective = objective.take(keep)
            x, lo, hi, direction = x[keep], lo[keep], hi[keep], direction[keep]
            value, gradient, hessian, residual = value[keep], gradient[keep], hessian[keep], residual[keep]

        new = np.clip(x + direction, lo, hi)
        new_value, new_gradient, new_hessian = objective.derivatives(new)
        new_residual = _residual(new, new_value, new_gradient, lo, hi)
        noise = 1e-12 * np.maximum(1.0, np.abs(value))
        rise = (gradient * (new - x)).sum(-1)
        good = (new_value >= value + 1e-4 * rise) | ((np.abs(new_value - value) <= noise) & (new_residual <= residual))
        stalled = good & (new_residual <= tolerances.residual) & (new_residual > 0.5 * residual)
        if not good.all():
            bad = ~good
            those = objective.take(bad)
            new[bad], found = _shorten(those, x[bad], value[bad], gradient[bad], direction[bad], lo[bad], hi[bad])
            stalled[bad] = ~found
            new_value[bad], new_gradient[bad], new_hessian[bad] = those.derivatives(new[bad])
            new_residual[bad] = _residual(new[bad], new_value[bad], new_gradient[bad], lo[bad], hi[bad])
        x, value, gradient, hessian, residual = new, new_value, new_gradient, new_hessian, new_residual
    record(active, slice(None))
    return end


def _residual(x: Array, value: Array, gradient: Array, lower: Array, upper: Array) -> Array:
    largest: Array = np.abs(projected_gradient(x, gradient, lower, upper)).max(-1) / np.maximum(1.0, np.abs(value))
    return largest


_HALVINGS = (0.5 ** np.arange(1, 5)[:, None], 0.5 ** np.arange(5, 41)[:, None])
"""Step lengths tried together, the likely ones first."""


def _shorten(
    objective: Objective, x: Array, value: Array, gradient: Array, direction: Array, lower: Array, upper: Array
) -> tuple[Array, NDArray[np.bool_]]:
    """For every lane the longest projected step among halvings that raises the payoff enough, and whether there is one; else x."""
    out, found = x.copy(), np.zeros(len(x), bool)
    for halvings in _HALVINGS:
        left = np.flatnonzero(~found)
        if not len(left):
            break
        at, low, high = x[left, None], lower[left, None], upper[left, None]
        points = np.clip(at + halvings * direction[left, None], low, high)
        tries = points.shape[1]
        values = objective.take(np.repeat(left, tries)).value(points.reshape(-1, x.shape[1])).reshape(-1, tries)
        rise = ((points - at) * gradient[left, None]).sum(-1)
        enough = (values >= value[left, None] + 1e-4 * rise) & (values > value[left, None])
        which = enough.any(1)
        out[left[which]] = points[which, enough[which].argmax(1)]
        found[left[which]] = True
    return out, found


def distinct_points(x: Array, value: Array, tolerances: Tolerances = DEFAULT) -> list[int]:
    """Indices of pairwise distinct points (m, n), highest value first, ties by the lexicographic order of the points."""
    order = sorted(range(len(x)), key=lambda i: (-round(float(value[i]), 9), *np.round(x[i], 6)))
    kept: list[int] = []
    for i in order:
        scale = tolerances.distinct * np.maximum(1.0, np.abs(x[i]))
        if all((np.abs(x[i] - x[j]) > scale).any() for j in kept):
            kept.append(i)
    return kept
