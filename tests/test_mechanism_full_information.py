"""Appendix B with full information: a common-interest game, participation, and the diagnostics
beside it."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
from admissible import cases, market, random_levels
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from market.model.case import Case
from market.model.outcome import account
from market.model.pricing import bertrand_matrix
from market.regimes import solve_regime
from mechanism.design.checks import Refusal, least_lump_sums, participation
from mechanism.design.cvx import solve
from mechanism.report.checks_tree import witness_tree
from mechanism.scheme.full_information import full_information, regulated_game, subsidy


@given(case=cases(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_own_profit_plus_subsidy_is_social_welfare_at_any_levels(case: Case, seed: int) -> None:
    """(35): Pi_i + CS_i + TS_j = SW, the identity the whole scheme rests on."""
    x = random_levels(np.random.default_rng(seed), 8)
    books = account(case, x, bertrand_matrix)
    welfare = books.total_surplus.sum(-1, keepdims=True)
    np.testing.assert_allclose(
        books.profit + subsidy(case, x), np.broadcast_to(welfare, (8, 2)), rtol=1e-10
    )


@pytest.mark.slow
@given(case=cases(forms=("saturating", "exponential")))
@settings(max_examples=20)
def test_the_social_optimum_is_an_equilibrium_with_zero_net_transfer(case: Case) -> None:
    """(36): best replies from the optimum stay there, subsidy and tax cancel, no welfare is lost,
    nobody regrets."""
    optimum, nash = solve_regime(case, "social_optimum"), solve_regime(case, "nash")
    if not optimum.solved or optimum.accounts is None:
        return
    # at the edge of the market the square of a negative price counts as welfare
    assume(optimum.accounts.quantity.min() > 0)
    found = full_information(case, optimum, nash)
    size = max(1.0, abs(optimum.welfare))
    assert optimum.levels is not None
    assert found.regulated.levels is not None
    np.testing.assert_allclose(found.regulated.levels, optimum.levels, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(found.net_transfer, 0, atol=1e-9 * size)
    assert abs(found.welfare_gap) <= 1e-10 * size
    assert found.regulated.certificate.regret is not None
    assert found.regulated.certificate.regret <= 1e-10
    if nash.solved and found.participation_gain is not None:
        np.testing.assert_allclose(
            found.participation_gain, optimum.profit - nash.profit, atol=1e-8 * size
        )
    for other in found.regulated.certificate.others:
        assert other.welfare <= optimum.welfare + 1e-8 * size


@pytest.mark.slow
def test_coordination_failure_is_found_and_is_real() -> None:
    """Welfare peaks at full sharing, lower at little sharing, and has a saddle between: all three
    are equilibria of the scheme."""
    case = market(
        intercept=24,
        own_slope=1.4,
        cross_slope=0.5,
        rivalry=0.6,
        leakage=(3.0, 0.45, 1.1),
        cost_scale=13.0,
        max_saving=0.86,
        cost_spillover=0.34,
    )
    optimum = solve_regime(case, "social_optimum")
    assert optimum.levels is not None
    assert optimum.levels[:2] == pytest.approx([1, 1])
    assert len(optimum.certificate.others) == 1
    found = full_information(case, optimum, solve_regime(case, "nash"))
    others = found.regulated.certificate.others
    assert len(others) == 2
    # Brute force: no own levels of either firm raise welfare from there.
    payoff = regulated_game(case, optimum.levels).players[0]
    for other in others:
        assert other.welfare < optimum.welfare - 1
        x = other.levels[None]
        s, t = (a.ravel() for a in np.meshgrid(np.linspace(0, 1, 101), np.linspace(0, 15, 601)))
        for firm in (0, 1):
            grid = np.repeat(x, s.size, axis=0)
            grid[:, firm], grid[:, 2 + firm] = s, t
            assert payoff.value(grid).max() <= other.welfare + 1e-9 * other.welfare


def test_subsidy_at_lower_levels_pays_less_than_it_costs() -> None:
    """A firm that shirks loses the welfare it destroys: payoff under the scheme falls one for one
    with welfare."""
    case = market()
    optimum = solve_regime(case, "social_optimum")
    x = np.repeat(np.asarray(optimum.levels)[None], 3, axis=0)
    x[1, 2] *= 0.5
    x[2, 0] *= 0.5
    books = account(case, x, bertrand_matrix)
    payoff = books.profit[:, 0] + subsidy(case, x)[:, 0]
    welfare = books.total_surplus.sum(-1)
    np.testing.assert_allclose(payoff[0] - payoff, welfare[0] - welfare, rtol=1e-9, atol=1e-9)
    assert (welfare[1:] < welfare[0]).all()


@pytest.mark.parametrize("seed", range(6))
def test_least_lump_sums_closed_form_agrees_with_the_program(seed: int) -> None:
    """cvxpy finds the same corrections; balanced ones exist iff the firms together do not lose."""
    rng = np.random.default_rng(seed)
    payoff, outside = rng.normal(80, 30, 2), rng.normal(80, 30, 2)
    lump = cp.Variable(2)
    least, joins = cp.Minimize(cp.norm1(lump)), lump >= outside - payoff
    assert solve(cp.Problem(least, [joins])) == cp.OPTIMAL
    np.testing.assert_allclose(lump.value, least_lump_sums(payoff, outside), atol=1e-9)
    balanced = solve(cp.Problem(least, [joins, cp.sum(lump) == 0]))
    assert (balanced == cp.OPTIMAL) == ((payoff - outside).sum() >= 0)


def test_participation_names_the_worst_firm_and_measures_against_the_payoff_range() -> None:
    found = participation(np.array([5.0, 7.0]), np.array([4.0, 9.5]))
    assert found.status == "violated"
    assert found.amount == -2.5
    assert found.witness == Refusal(player=1, slack=-2.5)
    assert witness_tree(found.witness) == {"firm": 2, "slack": -2.5}
    assert participation(np.array([5.0, 7.0]), np.array([5.0 + 1e-8, 6.0])).status == "holds"
    assert participation(np.array([5.0, np.nan]), 0.0).status == "not_established"
