"""A regime's solutions carried from neighbours' to many markets that differ in few parameters: a
sweep of Newton's method over all lanes at once, each with the certificate that a search ends with.

Nothing is searched, and no lane waits for another's trials: what few steps from levels that are
nearly right do not settle is left to a search.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case
from market.model.outcome import every_firm_sells
from market.model.payoff import Derivatives, Payoff
from market.model.units import in_units, levels_from, levels_in, natural_units
from market.regimes.objectives import level_bounds, sole_payoff
from market.regimes.points import Points
from market.regimes.record import Outcomes
from market.regimes.search import given
from market.regimes.table import Regime
from market.regimes.together import best
from market.solve.optimum import swept
from market.solve.tolerances import DEFAULT, Tolerances

BLOCK = 8192
"""Lanes swept together: fewer cost more in calls than they save in cache."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Carried:
    """Where the sweep ended at P points of each of C markets."""

    levels: Array
    """(C, P, 4), the market's own units."""
    residual: Array
    """(C, P): projected first-order residual, natural units."""
    regret: Array
    """(C, P): largest gain from a global own deviation, natural units; NaN where nobody
    deviates."""
    holds: NDArray[np.bool_]
    """(C, P): whether these levels solve the regime and describe a market."""


def carried(case: Case, regime: Regime, starts: Array, tolerances: Tolerances = DEFAULT) -> Carried:
    """One regime whose choosers choose at once, from levels (C, P, 4) near its solutions in the
    markets of a case with batch axes (C or 1, P or 1), of which payoffs are known to be bounded."""
    C, P = starts.shape[:2]
    units = natural_units(case)
    begin, case = levels_in(starts, units), in_units(case, units)
    found = Carried(
        levels=np.moveaxis(np.empty((4, C, P)), 0, -1),
        residual=np.empty((C, P)),
        regret=np.full((C, P), np.nan),
        holds=np.zeros((C, P), bool),
    )
    rows, width = max(1, BLOCK // P), min(P, BLOCK)
    for c in range(0, C, rows):
        for p in range(0, P, width):
            block = np.s_[c : c + rows, p : p + width]
            at = case.map(lambda a, block=block: _part(a, block))
            ends = (_optima if regime.sole else _equilibria)(at, regime, begin[block], tolerances)
            for column, values in zip(vars(found).values(), ends, strict=True):
                column[block] = values
    return replace(found, levels=levels_from(found.levels, units))


def _part(a: Array, block: tuple[slice, slice]) -> Array:
    """A block of a parameter (C or 1, P or 1, firms)."""
    return a[tuple(s if n > 1 else slice(None) for s, n in zip(block, a.shape, strict=False))]


def _optima(
    case: Case, regime: Regime, begin: Array, tolerances: Tolerances
) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
    """Of a block (B, P, 4): levels, residual, regret and what holds."""
    shape = begin.shape[:2]
    lower, upper = map(_lanes, level_bounds(case, shape, regime.sharing_range))
    at, value, residual, arrived = swept(
        _OverPairs(sole_payoff(case, regime), shape), _lanes(begin), lower, upper, tolerances
    )
    residual = residual * np.maximum(1.0, np.abs(value))
    x = _over_pairs(at, shape)
    holds = (arrived & (residual <= tolerances.residual)).reshape(shape)
    sells = every_firm_sells(case, x, regime.prices)
    return x, residual.reshape(shape), np.full(shape, np.nan), holds & sells


def _equilibria(
    case: Case, regime: Regime, begin: Array, tolerances: Tolerances
) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
    """The same where firms choose."""
    shape = begin.shape[:2]
    lanes = case.map(lambda a: np.broadcast_to(a, (*shape, a.shape[-1]))).flat()
    points = given(lanes, regime, begin.reshape(1, -1, 4), tolerances)
    end: Points | Outcomes = points
    holds = points.holds & points.market
    if regime.staged:  # a start may lead to no point, or to two
        found = best(lanes, regime, points, np.zeros(np.prod(shape), bool), tolerances)
        holds, end = found.solved & found.plain, found
    return (
        end.levels.reshape(begin.shape),
        end.residual.reshape(shape),
        end.regret.reshape(shape),
        holds.reshape(shape),
    )


@dataclass(frozen=True)
class _OverPairs:
    """A payoff over a block (B, P) as one over lanes: a market's parameters are held once, its
    points lie next to each other."""

    payoff: Payoff
    shape: tuple[int, ...]

    def derivatives(self, x: Array) -> Derivatives:
        """Payoffs, gradients and Hessians at levels (L, 4)."""
        value, gradient, hessian = self.payoff.derivatives(_over_pairs(x, self.shape))
        return _lanes(value), _lanes(gradient), _lanes(hessian)

    def gradient(self, x: Array) -> tuple[Array, Array]:
        """Payoffs and gradients alone."""
        value, gradient = self.payoff.gradient(_over_pairs(x, self.shape))
        return _lanes(value), _lanes(gradient)


def _lanes(a: Array) -> Array:
    """An array (B, P, ...) as one over lanes (B * P, ...), lanes next to each other in memory."""
    return (
        np.ascontiguousarray(a.transpose(*range(2, a.ndim), 0, 1))
        .reshape(*a.shape[2:], -1)
        .transpose(-1, *range(a.ndim - 2))
    )


def _over_pairs(x: Array, shape: tuple[int, ...]) -> Array:
    return x.T.reshape(4, *shape).transpose(1, 2, 0)
