"""The payoffs with lanes last are those of `market.payoff`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from admissible import random_levels

from market.columns import Chooser, Firms, Market, ascent, game_step
from market.payoff import Payoff
from market.regimes import BOTH, REGIMES, benefit_matrix, firm_game
from market.solve.equilibrium import own_system
from market.solve.linear import ascent_direction, free_system, solve_general
from mechanism.sample import draw

LANES = 40


def markets(form: str):
    """Random markets of unequal firms."""
    rng = np.random.default_rng(5)
    case = draw(LANES, rng, False)
    return replace(
        case,
        intercept=rng.uniform(15, 25, (LANES, 2)),
        own_slope=case.own_slope * rng.uniform(1, 1.4, (LANES, 2)),
        cost_spillover=rng.uniform(0, 1, (LANES, 2)),
        cost_form=form,
    )


@pytest.mark.parametrize("form", ["saturating", "exponential", "restricted"])
@pytest.mark.parametrize("key", ["joint_profit", "price_collusion", "social_optimum", "first_best"])
def test_a_sole_choosers_derivatives(form: str, key: str) -> None:
    case = markets(form)
    Q = benefit_matrix(case, REGIMES[key])
    x = random_levels(np.random.default_rng(1), LANES)
    value, gradient, hessian = Payoff(case=case, benefit=Q, cost_weight=BOTH).derivatives(x)
    s, t = x.T[:2], x.T[2:]
    chooser = Chooser.of(case, Q)
    ours, slopes, bends = chooser.derivatives(s, t)
    np.testing.assert_allclose(ours, value, rtol=1e-13)
    np.testing.assert_allclose(chooser.value(s, t), value, rtol=1e-13)
    np.testing.assert_allclose(np.concatenate(slopes).T, gradient, rtol=1e-11, atol=1e-11)
    size = np.abs(hessian).max()
    for name, i, j in [("ss", (0, 1), (0, 1)), ("st", (0, 1), (2, 3)), ("tt", (2, 3), (2, 3)), ("s_tj", (0, 1), (3, 2))]:
        np.testing.assert_allclose(getattr(bends, name), hessian[:, i, j].T, rtol=0, atol=1e-13 * size)
    np.testing.assert_allclose(bends.s_sj, hessian[:, 0, 1], rtol=0, atol=1e-13 * size)
    np.testing.assert_allclose(bends.t_tj, hessian[:, 2, 3], rtol=0, atol=1e-13 * size)
    held = np.random.default_rng(2).random((4, LANES)) < 0.3
    direction = np.concatenate(ascent(slopes, bends, held[:2], held[2:]))
    expected = ascent_direction(*free_system(hessian, gradient, held.T))
    definite = np.linalg.eigvalsh(free_system(hessian, gradient, held.T)[0])[:, -1] < 0
    np.testing.assert_allclose(direction.T[definite], expected[definite], rtol=1e-9, atol=1e-12)
    assert (np.einsum("vl,lv->l", direction, np.where(held.T, 0, gradient)) >= 0).all()


@pytest.mark.parametrize("form", ["saturating", "exponential"])
def test_the_firms_own_conditions(form: str) -> None:
    case = markets(form)
    game = firm_game(case, REGIMES["nash"])
    x = random_levels(np.random.default_rng(1), LANES)
    payoff, gradient, jacobian = own_system(game, x)
    s, t = x.T[:2], x.T[2:]
    firms = Firms.of(case)
    profit, slopes, bends = firms.derivatives(s, t)
    np.testing.assert_allclose(profit.T, payoff, rtol=1e-12)
    np.testing.assert_allclose(np.concatenate(slopes).T, gradient, rtol=1e-11, atol=1e-11)
    np.testing.assert_array_equal(np.concatenate(firms.slopes(s, t)[1]), np.concatenate(slopes))
    held = np.random.default_rng(2).random((4, LANES)) < 0.3
    step = np.concatenate(game_step(slopes, bends, held[:2], held[2:]))
    expected = solve_general(*free_system(-jacobian, gradient, held.T))
    np.testing.assert_allclose(step.T, expected, rtol=1e-8, atol=1e-10)
    assert Market.of(case).take([1]).intercept.shape == (2, 1)
