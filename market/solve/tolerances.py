"""Every numerical threshold, with its meaning, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Tolerances:
    """Thresholds of the solvers and of the claims made from their answers; payoffs are scaled by
    max(1, |payoff|)."""

    target: float = 1e-13
    """Projected gradient, scaled, at which an iteration stops at once."""
    arrived: float = 1e-12
    """Projected gradient, scaled, at which a point reached from neighbours' solutions is left as it
    is."""
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
    climb_steps: int = 200
    """Steps after which the climb of an optimum ends; equilibria are found by `newton`, which has
    its own."""


DEFAULT = Tolerances()
