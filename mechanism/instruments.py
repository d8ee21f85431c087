"""Instruments that can be legislated: a subsidy per unit of investment and per unit of sharing, the firms then playing their game.

At the planner's levels x* each firm lacks just the marginal profit that would make it choose them: rates equal to minus its marginal
profit there, one for its investment and one for its sharing (Pigou). At a bound the least rate that keeps it there is taken. First-order
conditions then hold by construction; whether x* is an equilibrium is another matter, since rates leave profits as convex as they were:
each firm's best global deviation is searched, and what it gains is the regret.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from market.case import Array, Case, take_lanes
from market.outcome import Outcome, account
from market.payoff import Payoff
from market.pricing import bertrand_matrix, revenue_matrices
from market.regimes import level_bounds, starting_levels
from market.solve.equilibrium import Game, examine, searched_reply
from market.solve.optimum import on_bound
from market.solve.tolerances import DEFAULT, Tolerances
from market.units import Units, in_units, levels_in, natural_units
from mechanism.checks import CheckStatus
from mechanism.frozen import freeze


@dataclass(frozen=True)
class Subsidised:
    """A firm's profit plus what it receives per unit of its levels."""

    profit: Payoff
    """The firm's own, over all levels."""
    rates: Array
    """(1, 4): money per unit of each level."""

    def take(self, lanes: Any) -> Subsidised:
        """In these lanes only."""
        return Subsidised(self.profit.take(lanes), take_lanes(self.rates, lanes))

    def value(self, x: Array) -> Array:
        """Profit plus subsidy (L,)."""
        return self.profit.value(x) + (self.rates * x).sum(-1)

    def derivatives(self, x: Array) -> tuple[Array, Array, Array]:
        """Value, gradient and Hessian in all levels."""
        value, gradient, hessian = self.profit.derivatives(x)
        return value + (self.rates * x).sum(-1), gradient + self.rates, hessian


@dataclass(frozen=True, kw_only=True)
class LinearSubsidies:
    """Rates per unit at one market whose types are known, and what they lead to. Money; a negative rate is a tax."""

    status: CheckStatus
    """Whether the planner's levels are an equilibrium at these rates."""
    rates: Array
    """(2, 4): money per unit of each level, by firm; zero for what the other firm chooses."""
    levels: Array
    """(4,): the planner's."""
    net_transfer: Array
    """(2,): received at those levels."""
    payoff: Array
    """(2,): profit and what is received."""
    participation_gain: Array | None
    """(2,): payoff less the profit in the unregulated market; None if that market has no equilibrium."""
    residual: float
    """Largest first-order residual, natural units."""
    regret: float
    """Largest gain of any firm from a global own deviation, natural units."""

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def outlay(self) -> float:
        """What the public pays; negative is revenue."""
        return float(self.net_transfer.sum())


def sharing_rates(rates: Array) -> Array:
    """Each firm's rate on its own sharing (2,), from rates (2, 4)."""
    return rates[[0, 1], [0, 1]]


def investment_rates(rates: Array) -> Array:
    """Each firm's rate on its own investment (2,), from rates (2, 4)."""
    return rates[[0, 1], [2, 3]]


def rates_in(rates: Array, units: Units) -> Array:
    """Rates (2, 4) with money and quantity counted in these units of one market."""
    return rates / np.concatenate([units.money[0].repeat(2), units.of("price")[0].repeat(2)])


def linear_subsidies(case: Case, optimum: Outcome, market: Outcome, tolerances: Tolerances = DEFAULT) -> LinearSubsidies | None:
    """Rates that make the planner's levels every firm's first-order choice, whether they are an equilibrium, and what that costs.

    None where the planner has no levels.
    """
    if optimum.levels is None:
        return None
    case, x = case.flat(), optimum.levels[None]
    Q = revenue_matrices(case, bertrand_matrix)
    profits = [Payoff(case=case, benefit=Q[..., i, :, :], cost_weight=np.eye(2)[None, i]) for i in (0, 1)]
    lower, upper = level_bounds(case, 1)
    units = natural_units(case)
    at_lower, at_upper = (on_bound(levels_in(x, units), levels_in(bound, units), tolerances)[0] for bound in (lower, upper))
    rates = np.zeros((2, 4))
    for firm in (0, 1):
        gradient = profits[firm].derivatives(x)[1][0]
        for level in (firm, 2 + firm):
            lacking = -float(gradient[level])
            # At a bound a firm that is pushed into it needs nothing.
            rates[firm, level] = min(lacking, 0.0) if at_lower[level] else max(lacking, 0.0) if at_upper[level] else lacking
    found = examine(subsidised_game(in_units(case, units), rates_in(rates, units), levels_in(x, units)), levels_in(x, units), tolerances)
    regret, residual = float(found.unscaled_regret[0]), float(found.unscaled_residual[0])
    holds = bool(regret <= 1e-8 and residual <= tolerances.residual)
    received = np.array([float((rates[i] * x[0]).sum()) for i in (0, 1)])
    payoff = account(case, x, bertrand_matrix).profit[0] + received
    return LinearSubsidies(
        status="holds" if holds else "violated",
        rates=rates,
        levels=x[0],
        net_transfer=received,
        payoff=payoff,
        participation_gain=payoff - market.profit if market.solved else None,
        residual=residual,
        regret=regret,
    )


CONTROLS = ((0, 2), (1, 3))
"""Which levels either firm chooses."""


def subsidised_game(case: Case, rates: Array, x: Array) -> Game:
    """The firms' game at these rates (2, 4) in every lane of a flat case, deviations searched from around levels x (L, 4) too."""
    Q = revenue_matrices(case, bertrand_matrix)
    profits = [Payoff(case=case, benefit=Q[..., i, :, :], cost_weight=np.eye(2)[None, i]) for i in (0, 1)]
    players = tuple(Subsidised(profits[i], rates[i][None]) for i in (0, 1))
    lower, upper = level_bounds(case, len(x))
    starts = np.broadcast_to(starting_levels(case, Q.sum(-3)), (len(x), 9, 4))
    spread = np.concatenate([starts, 2 * starts * [0.5, 0.5, 1, 1], x[:, None]], axis=1)

    own_starts = tuple(np.minimum(spread[:, :, own], upper[:, None, own]) for own in map(list, CONTROLS))
    reply = searched_reply(players, CONTROLS, lower, upper, own_starts)
    return Game(players=players, controls=CONTROLS, lower=lower, upper=upper, reply=reply)
