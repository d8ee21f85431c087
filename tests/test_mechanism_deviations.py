"""Deviations that drive the rival out, where types are private, at rates per unit and under full
information."""

from __future__ import annotations

import numpy as np
import pytest
from admissible import FIERCE
from test_market_leaving import wild

from market.model.leaving import true_profits, welfare_with_exit
from market.model.pricing import net_intercept
from market.model.with_exit import planner_with_exit, profits_with_exit, who_sells
from mechanism.casefile.types import discrete
from mechanism.scheme.private_market import examined, private_equilibrium, private_game


def test_payoffs_over_all_levels_are_those_of_sales_one_by_one() -> None:
    """Whoever sells, profit and welfare are what margins and quantities with exit say; slopes are
    theirs too."""
    rng = np.random.default_rng(0)
    met = np.zeros(6, int)
    for number in range(60):
        case = wild(rng, number)
        x = np.column_stack(
            [rng.uniform(0, 1, (99, 2)), rng.uniform(0, 40, (99, 2)) * rng.integers(0, 2, (99, 2))]
        )
        profit, welfare = true_profits(case, x), welfare_with_exit(case, x)
        for firm, payoff in enumerate(profits_with_exit(case)):
            np.testing.assert_allclose(
                payoff.value(x), profit[:, firm], rtol=1e-9, atol=1e-9 * np.abs(profit).max()
            )
        np.testing.assert_allclose(
            planner_with_exit(case).value(x), welfare, rtol=1e-9, atol=1e-9 * np.abs(welfare).max()
        )
        met += np.bincount(who_sells(case, net_intercept(case, x)), minlength=6)
    assert (met > 0).all()


def test_no_equilibrium_is_claimed_at_a_negative_quantity() -> None:
    """From (12, 1) best replies settle with the second firm's quantity below zero."""
    found = private_equilibrium(FIERCE, discrete([0.5], [1.0]), np.array([0.0, 0.0, 12.0, 1.0]))
    assert not found.converged


@pytest.mark.slow
@pytest.mark.parametrize("paid", [0.0, 1.5])
def test_the_regret_of_types_counts_that_the_rival_leaves(paid: float) -> None:
    """At levels that need be no equilibrium the best gain of any type is that of a fine grid of
    expected true profit."""
    rng = np.random.default_rng(7)
    types = discrete([0.2, 0.8], [0.4, 0.6])
    driven = 0
    for number in range(1, 41, 2):
        case = wild(rng, number)
        strategy = np.stack([rng.uniform(0, 0.3, (2, 1, 2)), rng.uniform(0, 3, (2, 1, 2))], -1)
        game = private_game(case, types, (1,), np.full((2, 1, 2), paid))
        found = examined(game, strategy)
        gain, out = 0.0, False
        for firm in (0, 1):
            s, t = (
                a.ravel()
                for a in np.meshgrid(np.linspace(0, 1, 11), np.linspace(0, 80, 401), indexing="ij")
            )
            for k, own_type in enumerate(types.points):
                pair = [own_type, own_type]
                earned = paid * (s + t)
                leaves = np.zeros(len(s), bool)
                for probability, theirs in zip(types.weights, strategy[1 - firm, 0], strict=True):
                    x = np.empty((len(s), 4))
                    x[:, firm], x[:, 2 + firm] = s, t
                    x[:, 1 - firm], x[:, 3 - firm] = theirs
                    there = case.with_cost_spillover(np.array([pair]))
                    earned = earned + probability * true_profits(there, x)[:, firm]
                    leaves |= who_sells(there, net_intercept(there, x)) != 0
                best = int(earned.argmax())
                out |= bool(leaves[best]) and t[best] < 80
                gain = max(
                    gain,
                    float(earned[best] - found.payoff[firm, 0, k]) / float(game.units.money[0, 0]),
                )
        assert found.regret[0] >= gain - 1e-9
        driven += out
    assert driven >= 3
