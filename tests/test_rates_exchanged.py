"""Subsidies per unit fixed before types are drawn: the same whichever firm comes first, as high as
any rates looked at one by one lead to, and no larger than they have to be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from market.model.case import Array, Case, make_case
from market.regimes import solve_regime
from mechanism.casefile.standard import Standard
from mechanism.casefile.types import TypeSpace, discrete
from mechanism.rates.robust_rates import FixedRates, best_rates
from mechanism.scheme.private_market import (
    PrivateEquilibrium,
    examined,
    expected_under,
    private_equilibrium,
    private_game,
)

HARMED: dict[str, Any] = {
    "intercept": [2.348, 2.383],
    "own_slope": 1.173,
    "cross_slope": 0.0275,
    "rivalry": [0.741, 0.596],
    "demand_spillover": [0.212, 0.548],
    "leakage": [0.0329, 0.0, 0.0],
    "cost_form": "restricted",
    "cost_scale": 1.888,
    "max_saving": [0.0665, 0.655],
    "cost_spillover": [0.212, 0.0],
    "reference_investment": 1.839,
}
"""Where rates have several local optima: investment does the rival harm where its type is low."""
UNEQUAL: dict[str, Any] = {
    "intercept": [490.0, 114.0],
    "own_slope": 385.6,
    "cross_slope": 381.4,
    "rivalry": [0.987, 0.994],
    "demand_spillover": [-1.0, 1.0],
    "leakage": [[3.51, 4015.1], [0.0, 0.0], [2.84, 4014.6]],
    "cost_scale": 0.672,
    "max_saving": 0.569,
    "cost_spillover": 0.4635,
    "reference_investment": 11.47,
}
"""Where formulas promise most at rates at which a firm would sell less than nothing."""
TEMPTED: dict[str, Any] = {
    "intercept": 0.17581282,
    "own_slope": 3.06726204,
    "cross_slope": 0.5894588,
    "rivalry": [0.57887376, 0.72333369],
    "demand_spillover": 0.06029495,
    "leakage": [[0.06093378, 0.0027654], [0.05887793, 0.0], [0.0, 0.0]],
    "cost_form": "exponential",
    "cost_scale": [0.83498363, 0.51573289],
    "max_saving": 0.41411628,
    "cost_spillover": [1.0, 0.48137608],
    "reference_investment": 1.33468809,
    "investment_cap": [0.312569, 0.15122560],
    "unit_cost": [[0.01146383, 0.02828058], 0.14849271, 0.0, 0.0],
}
"""Where sharing all is a firm's local optimum, but sharing nothing may be better."""
SPILLING = discrete([-0.1, 0.3], [0.5, 0.5], "demand_spillover")
APART = discrete([0.17894607, 0.92272204], [0.3, 0.7])


def today_in(case: Case, types: TypeSpace) -> PrivateEquilibrium:
    """The market today when firms know their own type alone."""
    return private_equilibrium(case, types, np.asarray(solve_regime(case, "nash").levels))


def best(market: dict[str, Any], types: TypeSpace, **standard: Any) -> FixedRates:
    """The best rates, which must be found."""
    case = make_case(**market)
    found = best_rates(case, types, today_in(case, types), Standard(**standard))
    assert isinstance(found, FixedRates)
    return found


def own_rates(rates: Array) -> Array:
    """(2 firms, [sharing, investment]), from (2, 4)."""
    return np.stack([rates[0, [0, 2]], rates[1, [1, 3]]])


def exchanged(market: dict[str, Any]) -> dict[str, Any]:
    """The same market, its firms in the other order."""

    def other(value: Any) -> Any:
        return value[::-1] if isinstance(value, list) else value

    listed = {
        name: [other(a) for a in market[name]]
        for name in ("leakage", "unit_cost")
        if name in market
    }
    return {name: other(value) for name, value in market.items()} | listed


def random_market(seed: int) -> dict[str, Any]:
    """Firms of unequal size, in numbers of any order of magnitude, where a planner has an
    optimum: elsewhere there are no best rates, or only at the edge of what is a market."""
    rng = np.random.default_rng(seed)
    while not solve_regime(make_case(**(market := _drawn(rng))), "social_optimum").solved:
        pass
    return market


def _drawn(rng: np.random.Generator) -> dict[str, Any]:
    size = 10 ** rng.uniform(-2, 2)

    def each(low: float, high: float) -> list[float]:
        return [float(v) for v in rng.uniform(low, high, 2)]

    intercept = [size * v for v in each(0.6, 1.7)]
    slope = 10 ** rng.uniform(-1, 1)
    return {
        "intercept": intercept,
        "own_slope": [slope * v for v in each(0.8, 1.3)],
        "cross_slope": slope * float(rng.uniform(0.1, 0.7)),
        "rivalry": each(0.0, 0.9),
        "demand_spillover": each(-0.3, 0.6),
        "leakage": [
            [size * v for v in each(0.01, 0.4)],
            [size * v for v in each(0.0, 0.01)],
            [0.0, 0.0],
        ],
        "cost_scale": [v / slope for v in each(0.8, 6.0)],
        "max_saving": each(0.0, 0.8),
        "cost_spillover": each(0.0, 1.0),
        "reference_investment": size * float(10 ** rng.uniform(-1, 1)),
    }


def same(market: dict[str, Any], types: TypeSpace, **standard: Any) -> None:
    """Asserts that with the firms exchanged the best rates and what they lead to are too."""
    found, mirror = best(market, types, **standard), best(exchanged(market), types, **standard)
    assert mirror.value == pytest.approx(found.value, rel=1e-9)
    for one, other in (
        (own_rates(found.rates), own_rates(mirror.rates)[::-1]),
        (found.strategy, mirror.strategy[::-1]),
        (found.expected.net_transfer, mirror.expected.net_transfer[::-1]),
    ):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * np.abs(one).max())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("market", "types", "standard"),
    [
        (HARMED, SPILLING, {"profit_weight": 0.475, "public_funds_cost": 0.0712}),
        (UNEQUAL, SPILLING, {}),
        (TEMPTED, APART, {}),
    ],
    ids=["several optima", "no market at the highest", "far deviations"],
)
def test_the_order_of_the_firms_does_not_matter(
    market: dict[str, Any], types: TypeSpace, standard: dict[str, Any]
) -> None:
    """Where the search is led astray easily."""
    same(market, types, **standard)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_the_order_does_not_matter_in_markets_at_random(seed: int) -> None:
    """Whatever the market; in every other one public funds cost something and profit counts for
    less than what consumers have."""
    types = discrete([0.2, 0.8], [0.3, 0.7]) if seed % 4 < 2 else SPILLING
    standard = {"profit_weight": 0.7, "public_funds_cost": 0.2} if seed % 2 else {}
    same(random_market(seed), types, **standard)


@pytest.mark.slow
def test_what_a_bound_keeps_anyway_is_not_paid_for() -> None:
    """Where the rates that seem best are those of no market, the next are the least too: a firm
    that shares all it has without being paid for it is paid nothing."""
    found = best(exchanged(UNEQUAL), SPILLING)
    assert (found.strategy[1, :, 0] == 1).all()
    assert own_rates(found.rates)[1, 0] == 0
    assert float(found.expected.net_transfer.sum()) < 0.02 * found.expected.welfare


def reached(
    market: dict[str, Any], types: TypeSpace, rates: Array
) -> tuple[Array, PrivateEquilibrium]:
    """Expected welfare (L,) that best replies from today's levels lead to at rates (2, L, 2), minus
    infinity where they lead to no equilibrium, to no market, or leave consumers with less."""
    case = make_case(**market)
    before = expected_under(case, types, today_in(case, types))
    lanes = case.map(lambda a: np.broadcast_to(a, (rates.shape[1], *a.shape[-1:])).copy())
    start = np.broadcast_to(np.asarray(solve_regime(case, "nash").levels), (rates.shape[1], 4))
    found = private_equilibrium(lanes, types, start, rates=rates)
    after = expected_under(lanes, types, found, rates)
    admitted = found.converged & after.describes_market
    admitted &= after.consumer_surplus >= before.consumer_surplus
    return np.where(admitted, after.welfare, -np.inf), found


@pytest.mark.slow
@pytest.mark.parametrize("market", [UNEQUAL, *map(random_market, (0, 8, 14))])
def test_no_rates_looked_at_one_by_one_are_better(market: dict[str, Any]) -> None:
    """Against rates near and far at each of which firms reply in turn until they stay, which knows
    nothing of how rates are searched."""
    found = best(market, SPILLING)
    paid, rng = own_rates(found.rates), np.random.default_rng(0)
    size = np.maximum(np.abs(paid), 1e-3 * np.abs(paid).max())
    off = rng.normal(size=(600, 2, 2)) * 10 ** rng.uniform(-4, 0, (600, 1, 1))
    worth, _ = reached(market, SPILLING, (paid + size * off).swapaxes(0, 1))
    assert worth.max() == pytest.approx(found.value, rel=1e-4)
    assert worth.max() <= found.value * (1 + 1e-9)


@pytest.mark.slow
def test_a_rate_that_keeps_types_from_levels_far_away_is_paid() -> None:
    """Sharing a little more pays without a rate on it as long as all is shared, so that to first
    order none is needed; but without it some type would rather choose other levels far away."""
    found = best(TEMPTED, APART)
    paid = own_rates(found.rates)
    assert (found.strategy[1, :, 0] == 1).all()
    unpaid = paid.copy()
    unpaid[1, 0] = 0.0
    case = make_case(**TEMPTED)
    kept, left = (
        examined(private_game(case.map(lambda a: a[None]), APART, (1,), r[:, None]), strategy)
        for r in (paid, unpaid)
        for strategy in [found.strategy[:, None]]
    )
    assert kept.converged.all()
    assert left.residual < 1e-9
    assert left.regret > 1e-6
    assert not left.converged.any()
