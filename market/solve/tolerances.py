"""Every numerical threshold, with its meaning, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Tolerances:
    """Thresholds of the solvers and of the claims made from their answers; payoffs are scaled by
    max(1, |payoff|)."""

    target: float = 1e-13
    """Projected gradient, scaled, at which an iteration stops at once."""
    step: float = 1e-9
    """Newton step, per level and scaled by max(1, |level|), up to which an iteration may stop."""
    residual: float = 1e-9
    """Largest projected gradient, scaled, at which a point counts as a solution."""
    regret: float = 1e-10
    """Largest gain from a global own deviation, scaled, at which a point counts as an
    equilibrium."""
    regret_at_rates: float = 1e-8
    """The same of a game at rates that themselves rest on a search, in natural units."""
    distinct: float = 1e-6
    """Points closer than this, per level and scaled by max(1, |level|), are the same point."""
    kink: float = 1e-6
    """Largest one-sided slope, scaled and found by differences, at which a kink of a payoff counts
    as its maximum."""
    bound: float = 1e-12
    """A level this close to a bound lies on it."""
    gap: float = 1e-9
    """Largest scaled distance between the best payoff found and a proven upper bound at which an
    optimum is `proven`."""
    iterations: int = 200
    """Newton steps after which a lane counts as not converged."""

    def solves(
        self, residual: NDArray[np.float64], relative: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Whether projected gradients are those of solutions.

        They count as they are, for beside a payoff that diverges every one looks small; of a large
        payoff rounding leaves more, but next to nothing `relative` to it and to what levels are."""
        return np.asarray((residual <= self.residual) | (relative <= self.target))


DEFAULT = Tolerances()
