"""Subsidies per unit that are set before cost spillovers are drawn: no rates fit every draw; those of the highest expected welfare.

The firms know both draws when they choose, and play the game that the rates make at every pair of types.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from market.case import Array, Case
from market.payoff import Payoff
from market.pricing import bertrand_matrix, utility_matrix
from market.solve.equilibrium import examine, newton, own_system
from market.solve.linear import implicit_slope
from market.solve.optimum import on_bound
from market.solve.tolerances import DEFAULT, Tolerances
from market.units import in_units, levels_from, levels_in, natural_units, reciprocal
from mechanism.behaviour import Expected, expected_outcome
from mechanism.frozen import freeze
from mechanism.instruments import rates_in, subsidised_game
from mechanism.types import TypeSpace

GRADIENT = 1e-10
"""Slope of expected welfare in the rates, natural units, at which their search ends."""


@dataclass(frozen=True, kw_only=True)
class FixedRates:
    """Rates that are fixed before types are drawn, and what firms choose at every pair of types."""

    rates: Array
    """(2, 4): money per unit of each level, by firm."""
    levels: Array
    """(K, K, 4): what firms of types k and l choose."""
    regret: float
    """Largest gain of any firm from a global own deviation, natural units, at any pair of types."""
    residual: float
    """Largest first-order residual, natural units, at any pair of types."""

    def __post_init__(self) -> None:
        freeze(self)


def best_rates(case: Case, types: TypeSpace, levels: Array, start: Array, tolerances: Tolerances = DEFAULT) -> FixedRates | None:
    """The rates of the highest expected welfare when cost spillovers are drawn and known to the firms when they choose.

    `levels` (K, K, 4) are the planner's, from which equilibria are looked for, `start` (2, 4) the rates to start from. Welfare's slope
    in the rates follows from the equilibrium conditions: g(x) + rates = 0 gives J dx + d rates = 0 on the levels that are not at a bound.
    None where at some pair of types no equilibrium is found from there.
    """
    own = case.map(lambda a: a.reshape(1, -1))
    units = natural_units(own)
    flat, start = in_units(own, units), rates_in(start, units)
    points = types.types
    equal = own.with_parameter(types.parameter, np.full((1, 2), points[0])).alike()
    first, second = (a.ravel() for a in np.indices((len(points), len(points))))
    weight = types.probabilities[first] * types.probabilities[second]
    if equal:  # the pair (r, r') is the pair (r', r) with the firms exchanged
        half = first >= second
        first, second, weight = first[half], second[half], np.where(first > second, 2 * weight, weight)[half]
    pairs = in_units(own.with_parameter(types.parameter, np.column_stack([points[first], points[second]])), units)
    welfare = Payoff(case=pairs, benefit=utility_matrix(flat, bertrand_matrix), cost_weight=np.ones((1, 2)))
    at = levels_in(levels[first, second], units)

    def spread(free: Array) -> Array:
        """The free rates, of firm 1 alone where the firms are alike, as (2, 4)."""
        rates = np.zeros((2, 4))
        rates[0, [0, 2]] = free[:2]
        rates[1, [1, 3]] = free[:2] if equal else free[2:]
        return rates

    def expected(free: Array) -> tuple[float, Array]:
        """Minus expected welfare and its slope in the free rates."""
        game = subsidised_game(pairs, spread(free), at)
        x = newton(game, at, tolerances)
        if not np.isfinite(x).all():
            return np.inf, np.zeros_like(free)
        value, gradient, _ = welfare.derivatives(x)
        jacobian = own_system(game, x)[2]
        held = on_bound(x, game.lower, tolerances) | on_bound(x, game.upper, tolerances)
        by_level = weight @ implicit_slope(np.swapaxes(jacobian, -1, -2), gradient[..., None], held)[..., 0]
        by_rate = by_level[[0, 2]] + by_level[[1, 3]] if equal else by_level[[0, 2, 1, 3]]
        return -float(weight @ value), -by_rate

    free = start[[0, 0], [0, 2]] if equal else start[[0, 0, 1, 1], [0, 2, 1, 3]]
    found = minimize(expected, free, jac=True, method="BFGS", options={"maxiter": 100, "gtol": GRADIENT})
    rates = spread(found.x)
    game = subsidised_game(pairs, rates, at)
    x = newton(game, at, tolerances)
    if not np.isfinite(x).all():
        return None
    seen = examine(game, x, tolerances)
    regret, residual = float(seen.unscaled_regret.max()), float(seen.unscaled_residual.max())
    if regret > 1e-8 or residual > tolerances.residual:
        return None
    x, rates = levels_from(x, units), rates_in(rates, reciprocal(units))
    everywhere = np.empty_like(levels)
    if equal:
        everywhere[second, first] = x[:, [1, 0, 3, 2]]
    everywhere[first, second] = x
    return FixedRates(rates=rates, levels=everywhere, regret=regret, residual=residual)


def rates_outcome(case: Case, types: TypeSpace, fixed: FixedRates) -> Expected:
    """Expectations at the levels firms choose, what they receive per unit included."""
    received = np.einsum("klv,fv->klf", fixed.levels, fixed.rates)
    return expected_outcome(case, types, fixed.levels, received)
