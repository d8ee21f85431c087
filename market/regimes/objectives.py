"""What a regime's choosers maximise, and over which box: one payoff, or the firms' game with exact
best replies. Two firms."""

from __future__ import annotations

import numpy as np

from market.model.case import INVESTMENT, SHARING, Array, Case, rival
from market.model.cost import received_at_nil
from market.model.payoff import Payoff, firm_payoffs
from market.model.reply import best_reply
from market.regimes.table import Regime, benefit_matrix
from market.solve.equilibrium import Game

BOTH = np.ones((1, 2))
"""Weights of a chooser that bears both firms' costs."""


def level_bounds(
    case: Case, lanes: int | tuple[int, ...], sharing_range: tuple[float, float] = (0.0, 1.0)
) -> tuple[Array, Array]:
    """Lower and upper bounds (lanes, 4) of the levels; `lanes` may be several axes."""
    shape = lanes if isinstance(lanes, tuple) else (lanes,)
    lower, upper = np.zeros((*shape, 4)), np.empty((*shape, 4))
    lower[..., SHARING], upper[..., SHARING] = sharing_range
    upper[..., INVESTMENT] = case.investment_cap
    return lower, upper


def deviation_bounds(case: Case, x: Array) -> tuple[Array, Array]:
    """Bounds (L, 4) for deviations from levels x (L, 4) by those who like a low unit cost.

    Where sharing lowers unit costs, investment stays below what would make the rival's negative
    at full sharing, or at x if that is more.
    """
    lower, upper = level_bounds(case, len(x))
    if case.unit_cost is not None and np.any(case.unit_cost.spillover):
        enough = rival(received_at_nil(case.unit_cost))
        upper[:, INVESTMENT] = np.minimum(
            upper[:, INVESTMENT], np.maximum(enough, x[:, INVESTMENT])
        )
    return lower, upper


def sole_payoff(case: Case, regime: Regime) -> Payoff:
    """What a sole chooser maximises at a flat case."""
    return Payoff(case=case, benefit=benefit_matrix(case, regime), cost_weight=BOTH)


def game_in_lanes(case: Case, regime: Regime, lanes: int) -> Game:
    """The firms' game of one flat case in so many lanes."""
    return firm_game(case.take(np.zeros(lanes, np.intp)), regime)


def firm_game(case: Case, regime: Regime) -> Game:
    """The firms' game over all four levels at one flat case or in all its lanes: own profit, own
    levels, exact best replies."""
    players = firm_payoffs(case, regime.prices)
    lower, upper = level_bounds(case, len(case.investment_cap), regime.sharing_range)

    def exact(firm: int, x: Array) -> tuple[Array, Array]:
        return best_reply(case, x, firm, regime.sharing_range)

    def beside(firm: int, x: Array) -> tuple[Array, Array]:
        return best_reply(case, x, firm, regime.sharing_range, beside=True)

    return Game(
        players=players,
        controls=((0, 2), (1, 3)),
        lower=lower,
        upper=upper,
        reply=exact,
        nominate=beside,
    )
