"""Subsidies per unit of investment and sharing: Pigou's rates, what they lead to, and where they
fail."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from admissible import cases, market
from hypothesis import given, settings

from market.model.case import Case
from market.model.leaving import true_profits
from market.model.outcome import account
from market.model.pricing import bertrand_matrix
from market.model.units import natural_units
from market.regimes import solve_regime
from mechanism.casefile.policy_case import load_case, parse_tree
from mechanism.rates.instruments import linear_subsidies, unit_rates

CASES = Path(__file__).resolve().parents[1] / "cases"


@pytest.mark.slow
@given(case=cases(forms=("saturating", "exponential")))
@settings(max_examples=25)
def test_at_these_rates_no_other_levels_pay(case: Case) -> None:
    """Brute force over own levels at the planner's levels of the rival; where some pay, the program
    says so too."""
    optimum, nash = solve_regime(case, "social_optimum"), solve_regime(case, "nash")
    x = optimum.levels
    if x is None:
        return
    found = linear_subsidies(case, x, nash)
    worst = 0.0
    for firm in (0, 1):
        s, t = np.meshgrid(np.linspace(0, 1, 41), np.linspace(0, 3 * x[2:].max() + 1, 301))
        grid = np.repeat(x[None], s.size, axis=0)
        grid[:, firm], grid[:, 2 + firm] = s.ravel(), t.ravel()
        rate_s, rate_t = found.rates[firm, firm], found.rates[firm, 2 + firm]
        paid = (
            true_profits(case, grid)[:, firm] + rate_s * grid[:, firm] + rate_t * grid[:, 2 + firm]
        )
        kept = true_profits(case, x[None])[0, firm] + rate_s * x[firm] + rate_t * x[2 + firm]
        assert found.payoff[firm] == pytest.approx(kept, rel=1e-9, abs=1e-9)
        worst = max(worst, float(paid.max() - kept) / float(natural_units(case).money.ravel()[0]))
    if found.status == "holds":
        assert worst <= 1e-7
    assert found.regret >= worst - 1e-9
    assert found.regret <= worst + 1e-3
    assert found.residual <= 1e-9


def test_the_rate_is_what_the_firm_does_to_the_others() -> None:
    """At an optimum inside its range the rate on investment is the marginal benefit to consumers
    and the rival."""
    case = market(cost_scale=30)
    optimum = solve_regime(case, "social_optimum")
    assert optimum.levels is not None
    found = linear_subsidies(case, optimum.levels, solve_regime(case, "nash"))
    assert optimum.status == "converged"

    def rest(t: float) -> float:
        assert optimum.levels is not None
        books = account(case, optimum.levels[None] + [[0, 0, t, 0]], bertrand_matrix)
        return float(books.total_surplus.sum() - books.profit[0, 0])

    assert found.status == "holds"
    assert found.rates[0, 2] == pytest.approx((rest(1e-4) - rest(-1e-4)) / 2e-4, rel=1e-6)
    assert found.rates[0, 2] > 0
    assert found.outlay == pytest.approx(found.net_transfer.sum())


def test_at_full_sharing_the_least_rate_that_keeps_it_is_taken() -> None:
    case = market(leakage=(0.3, 0.1, 0.1), cost_scale=12)
    optimum = solve_regime(case, "social_optimum")
    assert optimum.levels is not None
    found = linear_subsidies(case, optimum.levels, solve_regime(case, "nash"))
    assert found.levels[:2].tolist() == [1.0, 1.0]
    assert min(found.rates[0, 0], found.rates[1, 1]) >= 0


@pytest.mark.slow
def test_gains_below_a_payoffs_own_digits_are_none() -> None:
    """Next to where welfare grows without limit investment is a million times the market: rates
    hold there as they do further off."""
    tree = json.loads(json.dumps(load_case(CASES / "two_vendors.yaml").resolved)) | {"expect": {}}
    for slope in (1.11797, 1.11798, 1.11799, 1.118):
        tree["demand"]["own_slope"] = slope
        market = parse_tree(tree).market.flat()
        optimum = solve_regime(market, "social_optimum")
        assert optimum.levels is not None
        found = unit_rates(market, optimum.levels[None])
        assert found.holds[0], slope
        digits = 1e-15 * float(
            np.abs(optimum.profit + found.paid).max() / natural_units(market).money[0, 0]
        )
        assert found.regret[0] <= max(1e-8, digits)


def test_a_level_that_lies_on_its_bound_but_for_rounding_is_on_it() -> None:
    """A firm that is pushed into not sharing needs nothing there, and nothing is missing from its
    first-order condition."""
    case = market(demand_spillover=-0.25, cost_scale=30)
    x = np.array([[0.0, 0.0, 1.7, 1.3]])
    for off in (0.0, 2e-16):
        found = unit_rates(case, x + off * np.array([1, 1, 0, 0]))
        assert (found.rates[0, [0, 1], [0, 1]] == 0).all()
        assert found.residual[0] <= 1e-12
        assert found.holds[0]
