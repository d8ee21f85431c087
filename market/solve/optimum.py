"""Maximise smooth payoffs over boxes: projected Newton in every lane at once.

The ascent is Bertsekas' projected Newton method: variables at a bound that the gradient pushes
against are held, the rest take a Newton step that is projected onto the box and shortened until the
payoff rises (Armijo).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from market.solve.lanes import pick, together
from market.solve.linear import ascent_direction, definite_step
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


class Sloped(Protocol):
    """What a sweep needs: derivatives, and the gradient alone."""

    def derivatives(self, x: Array) -> tuple[Array, Array, Array]:
        """Payoffs (L,), gradients (L, n) and Hessians (L, n, n)."""
        ...

    def gradient(self, x: Array) -> tuple[Array, Array]:
        """Payoffs (L,) and gradients (L, n) at points (L, n)."""
        ...


BLOCK = 4096
"""Lanes climbed together: more would not fit the processor's cache."""
EARLY = 10
"""Steps after which those that have not arrived are gathered from all blocks."""
ARRIVED = 1e-2
"""Newton step, per variable and scaled by max(1, |x|), beyond which a climb that stalls has arrived
nowhere."""
SHORT = 1e-4
"""The same, within which one that leaves the slope as it is may have arrived."""
SWEEPS = 4
"""Newton steps after which a lane that began near its maximum is left to a climb."""
FEW = 8
"""One in how many lanes on its way is too few to step in all."""
SHORTEST = 1e-12
"""Share of Newton's step below which there is nothing to gain along it."""


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
    """Largest eigenvalue of the Hessian (L, n, n) on the variables not held (L, n); NaN where all
    are held."""
    both = ~held[..., :, None] & ~held[..., None, :]
    # A held variable must not supply the largest eigenvalue: it gets one below every other.
    n = held.shape[-1]
    low = -1 - 2 * n * np.abs(hessian).max((-1, -2))
    matrix = np.where(both, hessian, 0.0)
    matrix[..., np.arange(n), np.arange(n)] += np.where(held, low[..., None], 0.0)
    return np.where(held.all(-1), np.nan, _largest_eigenvalue(matrix))


def _largest_eigenvalue(matrix: Array) -> Array:
    """Of symmetric matrices (L, n, n)."""
    if matrix.shape[-1] != 2:
        return np.asarray(np.linalg.eigvalsh(matrix)[..., -1])
    one, two, across = matrix[..., 0, 0], matrix[..., 1, 1], matrix[..., 1, 0]
    return np.asarray((one + two) / 2 + np.hypot((one - two) / 2, across))


def at_rest(
    x: Array,
    jacobian: Array,
    held: NDArray[np.bool_],
    residual: Array,
    size: Array,
    tolerances: Tolerances = DEFAULT,
) -> NDArray[np.bool_]:
    """Whether projected gradients over these sizes of payoffs (L,) are those of solutions x (L, n),
    at which gradients have this Jacobian (L, n, n) and some variables are held.

    They count as they are, for beside a payoff that diverges every one looks small. Of a large
    payoff rounding leaves more than that; it is nothing where it cannot move the variables either:
    where Newton's step from it is short beside them.
    """
    rests = residual * size <= tolerances.residual
    lanes = np.flatnonzero(~rests & (residual <= tolerances.target))
    if len(lanes):
        scale = np.maximum(1.0, np.abs(x[lanes]))
        free = ~held[lanes]
        bend = np.where(free[:, :, None] & free[:, None], jacobian[lanes], 0.0)
        bend = bend * scale[:, :, None] * scale[:, None]
        # what is held does not move: it bends as much as what bends most
        most = np.abs(bend).max((-1, -2))[:, None]
        bend[:, np.arange(x.shape[1]), np.arange(x.shape[1])] += np.where(free, 0.0, most)
        least = np.linalg.svd(bend, compute_uv=False)[:, -1]
        left = (residual * size)[lanes] * scale.max(-1)
        rests[lanes] = left <= tolerances.distinct * least
    return rests


def on_bound(x: Array, bound: Array, tolerances: Tolerances = DEFAULT) -> NDArray[np.bool_]:
    """Whether a variable lies on this bound (never on an infinite one)."""
    finite = np.isfinite(bound)
    away = np.abs(x - np.where(finite, bound, 0.0))
    return finite & (away <= tolerances.bound * np.maximum(1.0, np.abs(x)))


def maximise(
    objective: Objective, start: Array, lower: Array, upper: Array, tolerances: Tolerances = DEFAULT
) -> Ascent:
    """Climb from each start (L, n) to a local maximum over its box (bounds (L, n)). Deterministic;
    no lane depends on another."""
    lanes, n = start.shape
    end = Ascent(
        x=together(np.clip(start, lower, upper)),
        value=np.full(lanes, np.nan),
        residual=np.full(lanes, np.inf),
        hessian=together(np.zeros((lanes, n, n))),
    )
    lower, upper = together(lower), together(upper)
    # The few that take long are finished together, so that no block waits for its own.
    left = np.arange(lanes)
    # A payoff without limit may be followed so far that nothing is a number: no end of a climb.
    with np.errstate(over="ignore", invalid="ignore"):
        for steps in (EARLY, tolerances.climb_steps - EARLY):
            blocks = [left[k : k + BLOCK] for k in range(0, len(left), BLOCK)]
            unfinished = [
                _climb(
                    objective.take(some),
                    end,
                    some,
                    pick(lower, some),
                    pick(upper, some),
                    steps,
                    tolerances,
                )
                for some in blocks
            ]
            left = np.concatenate(unfinished) if unfinished else left
    return end


def swept(
    objective: Sloped, start: Array, lower: Array, upper: Array, tolerances: Tolerances = DEFAULT
) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
    """Where few Newton steps lead all lanes at once from starts (L, n) near local maxima over their
    boxes: points (L, n), payoffs, residuals (L,) and which lanes have arrived. No step is tried or
    shortened, and no lane depends on another: one that has not arrived is for `maximise`, and so
    are all while few have far to go."""
    x, lower, upper = together(np.clip(start, lower, upper)), together(lower), together(upper)
    value, gradient = objective.gradient(x)
    residual = _residual(x, value, gradient, lower, upper)
    arrived = residual <= tolerances.arrived
    for _ in range(SWEEPS):
        if FEW * np.count_nonzero(~arrived) < len(x):
            break
        hessian = objective.derivatives(x)[2]
        near = np.minimum(1e-6, residual)[:, None]
        to_lower = (x - lower <= near) & (gradient < 0)
        to_upper = (upper - x <= near) & (gradient > 0)
        step, bends = definite_step(hessian, gradient, to_lower | to_upper)
        new = np.where(to_lower, lower, np.where(to_upper, upper, np.clip(x + step, lower, upper)))
        x = np.where((arrived | ~bends)[:, None], x, new)
        value, gradient = objective.gradient(x)
        residual = _residual(x, value, gradient, lower, upper)
        arrived = residual <= tolerances.arrived
    return x, value, residual, arrived


def _climb(
    objective: Objective,
    end: Ascent,
    active: NDArray[np.intp],
    lower: Array,
    upper: Array,
    steps: int,
    tolerances: Tolerances,
) -> NDArray[np.intp]:
    """Climb in the lanes `active`, for which the objective and the bounds are, from where `end` has
    them; write there how far they came and return which have not arrived."""
    x = pick(end.x, active)
    value, gradient, hessian = objective.derivatives(x)
    residual = _residual(x, value, gradient, lower, upper)
    share = np.ones(len(x))  # of Newton's step that is tried
    stalled = far = np.zeros(len(x), bool)
    for _ in range(steps):
        # What is close to a bound and pushed toward it goes there: otherwise clipping could spoil
        # the direction.
        near = np.minimum(1e-6, residual)[:, None]
        to_lower = (x - lower <= near) & (gradient < 0)
        to_upper = (upper - x <= near) & (gradient > 0)
        direction = ascent_direction(hessian, gradient, to_lower | to_upper)
        direction = np.where(to_lower, lower - x, np.where(to_upper, upper - x, direction))

        # A residual relative to a large payoff can be small far from the solution: the step must be
        # small as well.
        step = np.abs(np.clip(x + direction, lower, upper) - x) / np.maximum(1.0, np.abs(x))
        done = (residual <= tolerances.target) & (step.max(-1) <= tolerances.step) | stalled
        if done.any():
            which = np.flatnonzero(done)
            end.x[active[which]], end.value[active[which]] = x[which], value[which]
            # Far out a payoff that grows without limit has a small relative slope too, but the step
            # is large.
            end.residual[active[which]] = np.where(step.max(-1) <= ARRIVED, residual, np.inf)[which]
            end.hessian[active[which]] = hessian[which]
            on = np.flatnonzero(~done)
            if not len(on):
                return on
            objective, active, share = objective.take(on), active[on], share[on]
            lower, upper, direction = (pick(a, on) for a in (lower, upper, direction))
            x, value, gradient, hessian, residual = (
                pick(a, on) for a in (x, value, gradient, hessian, residual)
            )

        new = np.clip(x + share[:, None] * direction, lower, upper)
        moved, size = np.abs(new - x), np.maximum(1.0, np.abs(x))
        far = (moved > ARRIVED * size).any(-1)
        new_value, new_gradient, new_hessian = objective.derivatives(new)
        new_residual = _residual(new, new_value, new_gradient, lower, upper)
        noise = 1e-12 * np.maximum(1.0, np.abs(value))
        rise = (gradient * (new - x)).sum(-1)
        good = (new_value >= value + 1e-4 * rise) | (
            (np.abs(new_value - value) <= noise) & (new_residual <= residual)
        )
        settled = (new_residual <= tolerances.residual) & (new_residual > 0.5 * residual)
        # Beside a payoff that is vast far out slopes are small on the way too.
        stalled = good & (moved <= SHORT * size).all(-1) & settled & (rise <= noise)
        if good.all():
            x, value, gradient, hessian, residual = (
                new,
                new_value,
                new_gradient,
                new_hessian,
                new_residual,
            )
            share = np.ones(len(x))
            continue
        # Where the payoff did not rise enough the next round tries a shorter step, until there is
        # nothing to gain.
        for old, better in ((x, new), (gradient, new_gradient), (hessian, new_hessian)):
            np.copyto(old.T, better.T, where=good)
        value, residual = np.where(good, new_value, value), np.where(good, new_residual, residual)
        share = np.where(good, 1.0, share * np.where(share > 0.1, 0.5, 0.125))
        stalled |= share < SHORTEST
    end.x[active], end.value[active], end.hessian[active] = x, value, hessian
    end.residual[active] = np.where(far, np.inf, residual)
    return active


def _residual(x: Array, value: Array, gradient: Array, lower: Array, upper: Array) -> Array:
    largest: Array = np.abs(projected_gradient(x, gradient, lower, upper)).max(-1) / np.maximum(
        1.0, np.abs(value)
    )
    return largest


def distinct_points(x: Array, value: Array, tolerances: Tolerances = DEFAULT) -> list[int]:
    """Indices of pairwise distinct points (m, n), highest value first, ties by the lexicographic
    order of the points."""
    order = sorted(range(len(x)), key=lambda i: (-round(float(value[i]), 9), *np.round(x[i], 6)))
    kept: list[int] = []
    for i in order:
        scale = tolerances.distinct * np.maximum(1.0, np.abs(x[i]))
        if all((np.abs(x[i] - x[j]) > scale).any() for j in kept):
            kept.append(i)
    return kept
