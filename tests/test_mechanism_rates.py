"""Rates fixed before types are drawn, played as a Bayesian game: against brute force, and the best
of them against all others."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from trees import evaluate

from market.model.case import Array, Case, make_case
from market.model.outcome import account
from market.model.pricing import bertrand_matrix
from market.regimes import solve_regime
from mechanism.casefile.policy_case import load_case
from mechanism.casefile.standard import CONSUMERS_LOSE, Standard
from mechanism.casefile.types import TypeSpace, discrete, type_space, uniform
from mechanism.rates.climbs import Follower, ascent
from mechanism.rates.instruments import linear_subsidies
from mechanism.rates.robust_rates import FixedRates, best_rates
from mechanism.scheme.allocation import allocate
from mechanism.scheme.behaviour import ExpectedOutcome
from mechanism.scheme.preparation import private_regime
from mechanism.scheme.private_market import (
    PrivateEquilibrium,
    expected_under,
    pairs_of,
    private_equilibrium,
)

INPUTS = Path(__file__).parent / "inputs"
ALIKE: dict[str, Any] = {
    "intercept": [20, 20],
    "own_slope": [1.5, 1.5],
    "cross_slope": 0.8,
    "rivalry": 0.2,
    "demand_spillover": 0.5,
    "leakage": [2.0, 0.4, 0.2],
    "cost_scale": 9.0,
    "max_saving": 0.6,
    "cost_spillover": 0.5,
}
APART = ALIKE | {"intercept": [24, 13], "own_slope": [1.4, 1.9], "cross_slope": 0.7}
CROWDED = ALIKE | {
    "intercept": [20.9, 19.8],
    "own_slope": 1.43,
    "cross_slope": 0.37,
    "rivalry": 0.78,
    "demand_spillover": 0.2,
    "leakage": [3.4, 0.2, 0.2],
}
"""Where investment does a rival so much harm that a planner would have less of it, to the cost of
consumers."""
TWO = discrete([0.1, 0.8], [0.3, 0.7])
OWN = discrete(np.array([[0.1, 0.8], [0.3, 0.5]]), [0.3, 0.7])
"""Types of either firm's own."""


_DONE: dict[bytes, Any] = {}
"""Found once however many tests look at it."""


def today_in(case: Case, types: TypeSpace) -> PrivateEquilibrium:
    """The market today when firms know their own type alone."""
    key = pickle.dumps((case, types))
    if key not in _DONE:
        start = np.asarray(solve_regime(case, "nash").levels)
        _DONE[key] = private_equilibrium(case, types, start)
    found: PrivateEquilibrium = _DONE[key]
    return found


def best(case: Case, types: TypeSpace, **standard: Any) -> FixedRates:
    """The best rates, which must be found."""
    key = pickle.dumps((case, types, sorted(standard.items())))
    if key not in _DONE:
        _DONE[key] = best_rates(case, types, today_in(case, types), Standard(**standard))
    found = _DONE[key]
    assert isinstance(found, FixedRates)
    return found


def own_rates(rates: Array) -> Array:
    """(2 firms, [sharing, investment]), from (2, 4)."""
    return np.stack([rates[0, [0, 2]], rates[1, [1, 3]]])


# --- the game


def payoff(
    p: dict[str, Any], firm: int, own: Array, rival: Array, spillover: float, rate: Array
) -> Array:
    """Profit and subsidy at own levels (n, 2) and the rival's (2,), from the formulas of the model;
    saturating cost."""
    a, b, x = p["intercept"], p["own_slope"], p["cross_slope"]
    phi1, phi2, phi3 = p["leakage"]
    i, j = firm, 1 - firm
    s, t, u, v = own[:, 0], own[:, 1], *rival
    A_i = (
        a[i]
        + t
        - p["rivalry"] * v
        + p["demand_spillover"] * v * u
        - phi1 * s**2
        + phi2 * u**2
        + phi3 * s * u
    )
    A_j = (
        a[j]
        + v
        - p["rivalry"] * t
        + p["demand_spillover"] * t * s
        - phi1 * u**2
        + phi2 * s**2
        + phi3 * s * u
    )
    price = (2 * b[j] * A_i + x * A_j) / (4 * b[i] * b[j] - x**2)
    y = spillover * v * u
    cost = p["cost_scale"] / 2 * t**2 * (1 - p["max_saving"] * y / (1 + y))
    return np.asarray(b[i] * price**2 - cost + own @ rate)


def by_brute_force(
    p: dict[str, Any], types: TypeSpace, rates: Array, most: float
) -> tuple[Array, Array]:
    """Strategies and payoffs (2, K, 2), (2, K) of an equilibrium by best replies: sharing on grids
    that close in, and at each share the top of the payoff in the own investment, of which it is a
    quadratic function, from three of its values."""
    strategy = np.full((2, 2, 2), 0.5)
    earned = np.zeros((2, 2))
    for _ in range(60):
        before = strategy.copy()
        for firm in (0, 1):
            for k, theta in enumerate(types.types_of(firm)):
                middle = width = most / 2
                for _ in range(9):
                    share = np.clip(np.linspace(middle - width, middle + width, 25), 0, most)
                    own = np.stack(np.broadcast_arrays(share, np.array([[0.0], [4.0], [8.0]])), -1)
                    each = [
                        payoff(p, firm, own.reshape(-1, 2), rival, theta, rates[firm])
                        for rival in strategy[1 - firm]
                    ]
                    at_0, at_4, at_8 = (types.probabilities @ np.array(each)).reshape(3, -1)
                    bend = (at_0 - 2 * at_4 + at_8) / 32
                    slope = (at_4 - at_0) / 4 - 4 * bend
                    assert (bend < 0).all()
                    invested = np.maximum(-slope / (2 * bend), 0)
                    value = at_0 + slope * invested + bend * invested**2
                    top = value.argmax()
                    middle, width = share[top], width / 8
                strategy[firm, k] = middle, invested[top]
                earned[firm, k] = value[top]
        if np.abs(strategy - before).max() < 1e-8:
            break
    return strategy, earned


@pytest.mark.slow
@pytest.mark.parametrize(("market", "types"), [(ALIKE, TWO), (APART, TWO), (ALIKE, OWN)])
@pytest.mark.parametrize(
    ("rates", "most"),
    [
        ([[0.0, 0.0], [0.0, 0.0]], 1.0),
        ([[6.0, 9.0], [6.0, 9.0]], 1.0),
        ([[9.0, 2.0], [1.0, -3.0]], 1.0),
        ([[9.0, 12.0], [4.0, 0.0]], 0.0),
    ],
)
def test_the_bayesian_game_at_rates_is_that_of_brute_force(
    market: dict[str, Any], types: TypeSpace, rates: list[list[float]], most: float
) -> None:
    """Equal and unequal firms and types, subsidies and taxes, and sharing forbidden."""
    paid = np.array(rates)
    strategy, earned = by_brute_force(market, types, paid, most)
    case = make_case(**market)
    start = np.array([0.3, 0.3, 2.0, 2.0])
    found = private_equilibrium(case, types, start, rates=paid, sharing_range=(0.0, most))
    assert found.converged
    np.testing.assert_allclose(found.strategy, strategy, atol=2e-5)
    np.testing.assert_allclose(found.payoff, earned, rtol=1e-7)


@pytest.mark.slow
def test_many_markets_are_each_alone() -> None:
    """Rates, markets and regimes in a batch: every lane is the market alone; where there is nothing
    to start from, nothing is claimed."""
    lanes = [
        make_case(**ALIKE),
        make_case(**ALIKE | {"cost_scale": 12.0}),
        make_case(**ALIKE | {"intercept": [18, 18]}),
    ]
    together = make_case(**ALIKE).map(lambda a: np.repeat(a.reshape(1, -1), 3, axis=0))
    together = replace(
        together,
        cost_scale=np.array([[9.0], [12.0], [9.0]]),
        intercept=np.array([[20.0, 20.0], [20.0, 20.0], [18.0, 18.0]]),
    )
    types = uniform(0.2, 0.8, 3)
    rates = np.random.default_rng(1).uniform(-2, 6, (2, 3, 2))
    start = np.array([solve_regime(case, "nash").levels for case in lanes])
    found = private_equilibrium(together, types, start, rates=rates)
    means = expected_under(together, types, found, rates)
    without = private_regime(together, types, "no_sharing")
    for at, case in enumerate(lanes):
        alone = private_equilibrium(case, types, start[at], rates=rates[:, at])
        np.testing.assert_allclose(found.take(at).strategy, alone.strategy, rtol=1e-9, atol=1e-12)
        expected = expected_under(case, types, alone, rates[:, at])
        for name in (
            "welfare",
            "consumer_surplus",
            "profit",
            "sharing",
            "investment",
            "price",
            "net_transfer",
        ):
            np.testing.assert_allclose(getattr(means, name)[at], getattr(expected, name), rtol=1e-9)
        one = private_regime(case, types, "no_sharing")
        assert one.converged
        assert not one.strategy[..., 0].any()
        np.testing.assert_allclose(without.take(at).payoff, one.payoff, rtol=1e-10)
        # What is received is what the levels say.
        weights = types.probabilities
        levels = np.stack([expected.sharing, expected.investment], -1)
        np.testing.assert_allclose(
            expected.net_transfer, (levels * rates[:, at]).sum(-1), rtol=1e-12
        )
        received = (alone.strategy[:, types.nodes] * rates[:, at][:, None]).sum(-1) @ weights
        np.testing.assert_allclose(expected.net_transfer, received, rtol=1e-12)
    nothing = start.copy()
    nothing[1] = np.nan
    some = private_equilibrium(together, types, nothing, rates=rates)
    assert some.converged.tolist() == [True, False, True]
    assert np.isnan(expected_under(together, types, some, rates).welfare).tolist() == [
        False,
        True,
        False,
    ]


@pytest.mark.slow
@pytest.mark.parametrize("market", [ALIKE, APART])
def test_types_that_do_not_differ_are_known(market: dict[str, Any]) -> None:
    """With types that are all alike the planner's levels are the equilibrium at the rates that make
    them so at known types, and these are the best."""
    case = make_case(**market)
    nash, planner = solve_regime(case, "nash"), solve_regime(case, "social_optimum")
    pigou = linear_subsidies(case, planner.levels, nash)
    assert pigou is not None
    assert pigou.status == "holds"
    assert planner.levels is not None
    for types in (discrete([0.5], [1.0]), discrete([0.5 - 1e-13, 0.5], [0.4, 0.6])):
        rates = own_rates(pigou.rates)
        found = private_equilibrium(case, types, planner.levels, rates=rates)
        assert found.converged
        for k in range(len(types.points)):
            np.testing.assert_allclose(found.strategy[:, k].T.ravel(), planner.levels, rtol=1e-7)
        chosen = best(case, types)
        np.testing.assert_allclose(own_rates(chosen.rates), rates, rtol=1e-5)
        assert chosen.expected.welfare == pytest.approx(planner.welfare, rel=1e-10)


# --- the best rates


def value_of(
    case: Case,
    types: TypeSpace,
    standard: Standard,
    today: PrivateEquilibrium,
    found: PrivateEquilibrium,
    rates: Array,
) -> tuple[Array, Array]:
    """V and the outlay (...) of equilibria at rates (2, ..., 2); minus infinity for what is not
    admitted."""
    expected = expected_under(case, types, found, rates)
    received = (found.strategy * rates[..., None, :]).sum(-1)
    gain = {
        "ir_market": found.payoff - today.payoff.reshape(2, *[1] * (found.payoff.ndim - 2), -1),
        "ir1": received,
        "ir2": found.payoff,
        "none": found.payoff,
    }[standard.participation]
    joins = standard.participation != "none"
    paid = np.moveaxis(expected.net_transfer, -1, 0) + (-gain.min(-1) if joins else 0.0)
    outlay = paid.sum(0) if standard.fees else np.maximum(paid.sum(0), 0.0)
    beta, mu = standard.profit_weight, standard.public_funds_cost
    kept = expected.profit.sum(-1) + outlay
    value = expected.consumer_surplus + beta * kept - (1 + mu) * outlay
    before = expected_under(case, types, today)
    lost = before.consumer_surplus - expected.consumer_surplus > 1e-11 * before.welfare
    fits = found.converged & expected.describes_market & ~(lost & ~standard.consumers_may_lose)
    if not joins:
        fits &= gain.min((0, -1)) >= -1e-9
    return np.where(fits, value, -np.inf), outlay


STANDARDS: list[dict[str, Any]] = [
    {},
    {"allow": frozenset({CONSUMERS_LOSE})},
    {"profit_weight": 0.0},
    {"profit_weight": 0.5, "public_funds_cost": 0.3},
    {"public_funds_cost": 0.3, "fees": True},
    {"public_funds_cost": 0.3, "participation": "ir1"},
    {"public_funds_cost": 0.3, "participation": "ir2"},
    {"public_funds_cost": 0.3, "participation": "none"},
]


def inputs() -> list[tuple[str, Case, TypeSpace]]:
    """Markets and types: kinks at full sharing, unequal firms, consumers who would lose, a
    continuum."""
    kinked, unequal = (load_case(INPUTS / f"rates_{name}.json") for name in ("ext3", "asym2"))
    assert kinked.types is not None
    assert unequal.types is not None
    return [
        ("kinked", kinked.market, type_space(kinked.types)),
        ("unequal", unequal.market, type_space(unequal.types)),
        ("crowded", make_case(**CROWDED), TWO),
        ("continuum", make_case(**ALIKE), uniform(0.2, 0.8, 3)),
        ("own types", make_case(**ALIKE), OWN),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "case", "types", "standard"),
    [  # every standard at two or three inputs, every input at four standards
        pytest.param(*given, standard, id=f"{given[0]} {standard}")
        for n, given in enumerate(inputs())
        for k, standard in enumerate(STANDARDS)
        if (n + k) % 2 == 0
    ],
)
def test_no_other_rates_do_better(
    name: str, case: Case, types: TypeSpace, standard: dict[str, Any]
) -> None:
    """A hundred other rates, around and far away, reached by best replies and judged apart; and
    every direction close by."""
    rule, today = Standard(**standard), today_in(case, types)
    found = best(case, types, **standard)
    rates = own_rates(found.rates)
    rng = np.random.default_rng(7)
    size = np.maximum(np.abs(rates), 0.05 * np.abs(rates).max() + 0.1)
    near = [rates + size * width * rng.normal(size=(14, 2, 2)) for width in (0.3, 0.03, 1e-3, 1e-5)]
    if case.symmetric() and types.common:
        near = [np.repeat(some[:, :1], 2, axis=1) for some in near]
    far = size * rng.uniform(-1, 3, (44, 2, 2))
    tried = np.moveaxis(np.concatenate([rates[None], *near, far]), 0, 1)  # (2, 101, 2)
    start = np.broadcast_to(pairs_of(found.strategy)[0, 0], (tried.shape[1], 4))
    played = private_equilibrium(case, types, start, rates=tried)
    value, outlay = value_of(case, types, rule, today, played, tried)
    scale = float(expected_under(case, types, today).welfare)
    assert value[0] == pytest.approx(found.value, rel=1e-9)
    assert np.isfinite(value).sum() > (20 if name == "crowded" else 50)
    assert value[1:].max() <= value[0] + 1e-9 * scale
    assert found.least_receipts is not None
    paid = float(found.least_receipts.sum())
    assert outlay[0] == pytest.approx(paid if rule.fees else max(paid, 0.0), abs=1e-8 * scale)
    # What firms of every type do is what they answer, and best rates are worth what changing
    # nothing is.
    np.testing.assert_allclose(played.strategy[:, 0], found.strategy, rtol=1e-6, atol=1e-7)
    nothing, _ = value_of(case, types, rule, today, today, np.zeros((2, 2)))
    assert found.value >= nothing - 1e-9 * scale


@pytest.mark.slow
def test_what_knowing_both_types_overstated() -> None:
    """Rates found as if firms knew both types, and what they bring when each knows its own alone,
    from an independent calculation."""
    known = {
        "kinked": ([[78.96644467742156, 145.68433366083264]] * 2, 1517.829, 0.605),
        "unequal": (
            [[24.7677074830381, 18.692328564391744], [16.835593992855063, 20.56727686213728]],
            405.3264,
            0.960,
        ),
    }
    for name, case, types in inputs()[:2]:
        rates, welfare, share = known[name]
        today = today_in(case, types)
        nash = solve_regime(case, "nash")
        found = private_equilibrium(case, types, np.asarray(nash.levels), rates=np.array(rates))
        played: ExpectedOutcome = expected_under(case, types, found, np.array(rates))
        assert found.converged
        assert played.welfare == pytest.approx(welfare, abs=6e-4)
        before = expected_under(case, types, today).welfare
        levels = allocate(case, types.types).levels
        planner = account_welfare(case, types, levels)
        assert (played.welfare - before) / (planner - before) == pytest.approx(share, abs=6e-4)
        better = best(case, types)
        assert played.welfare < better.value < planner
        assert better.value - played.welfare < 0.02 * (planner - before)


def account_welfare(case: Case, types: TypeSpace, levels: Array) -> float:
    """Expected welfare of levels (K, K, 4)."""
    total = 0.0
    for k, first in enumerate(types.types):
        for m, second in enumerate(types.types):
            at = case.with_parameter(types.parameter, [first, second])
            weight = types.probabilities[k] * types.probabilities[m]
            total += weight * float(account(at, levels[k, m], bertrand_matrix).total_surplus.sum())
    return total


@pytest.mark.slow
def test_consumers_are_not_made_to_pay() -> None:
    """Where welfare would rise by less investment, consumers are left what they have today unless
    they may lose."""
    case = make_case(**CROWDED)
    before = float(expected_under(case, TWO, today_in(case, TWO)).consumer_surplus)
    kept, free = best(case, TWO), best(case, TWO, allow=frozenset({CONSUMERS_LOSE}))
    assert kept.expected.consumer_surplus == pytest.approx(before, rel=1e-9)
    assert free.expected.consumer_surplus < before - 0.5
    assert free.value > kept.value + 0.5


@pytest.mark.slow
@pytest.mark.parametrize(
    "standard", [{}, {"profit_weight": 0.4, "public_funds_cost": 0.2}], ids=str
)
def test_units_and_names_do_not_matter(standard: dict[str, Any]) -> None:
    """Money counted in another unit, quantities in another, firms exchanged: the same rates."""
    money, number = 1e4, 1e-3
    case = make_case(**APART)
    found = best(case, TWO, **standard)
    rates = own_rates(found.rates)
    scaled = APART | {
        "intercept": [number * a for a in APART["intercept"]],
        "own_slope": [number**2 / money * b for b in APART["own_slope"]],
        "cross_slope": number**2 / money * APART["cross_slope"],
        "leakage": [number * phi for phi in APART["leakage"]],
        "cost_scale": money / number**2 * APART["cost_scale"],
        "reference_investment": number,
    }
    other = best(make_case(**scaled), TWO, **standard)
    np.testing.assert_allclose(own_rates(other.rates), rates * [money, money / number], rtol=1e-6)
    assert other.value == pytest.approx(money * found.value, rel=1e-10)
    swapped = APART | {key: APART[key][::-1] for key in ("intercept", "own_slope")}
    mirror = best(make_case(**swapped), TWO, **standard)
    np.testing.assert_allclose(own_rates(mirror.rates), rates[::-1], rtol=1e-5)
    assert mirror.value == pytest.approx(found.value, rel=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("parameter", ["intercept", "demand_spillover"])
def test_other_parameters_may_be_private(parameter: str) -> None:
    """Types that move both profits: no rates nearby do better, and slopes are those of
    differences."""
    types = discrete(
        [18.0, 22.0] if parameter == "intercept" else [0.3, 0.6], [0.5, 0.5], parameter
    )
    case = make_case(**ALIKE)
    for standard in ({}, {"profit_weight": 0.5, "public_funds_cost": 0.2}):
        rule, today, found = (
            Standard(**standard),
            today_in(case, types),
            best(case, types, **standard),
        )
        rates = own_rates(found.rates)
        step = np.array([1.0, 2.0]) * 1e-3
        tried = np.stack(
            [rates, *(rates + sign * step * side for sign in (1, -1) for side in np.eye(2))], 1
        )
        start = np.broadcast_to(pairs_of(found.strategy)[0, 0], (5, 4))
        played = private_equilibrium(case, types, start, rates=tried)
        value, _ = value_of(case, types, rule, today, played, tried)
        assert value[0] == pytest.approx(found.value, rel=1e-10)
        assert (value[1:] <= value[0] + 1e-10).all()
        assert found.expected.welfare > expected_under(case, types, today).welfare


@pytest.mark.slow
@pytest.mark.parametrize("types", [TWO, OWN], ids=["common", "own"])
def test_joining_at_both_types_known(types: TypeSpace) -> None:
    """`ex_post`: the flat part is the largest shortfall at any pair of types, against `nash`
    there."""
    case = make_case(**APART)
    today = today_in(case, types)
    market = allocate(case, types.points, "nash").levels
    rule = Standard(timing="ex_post", public_funds_cost=0.3)
    found = best_rates(case, types, today, rule, market)
    assert isinstance(found, FixedRates)
    assert found.least_receipts is not None
    assert found.flat is not None
    short = np.full(2, -np.inf)
    for k in (0, 1):
        for m in (0, 1):
            at = case.with_cost_spillover(np.array([types.of(0)[k], types.of(1)[m]]))
            x = found.levels[k, m]
            received = (own_rates(found.rates) * np.stack([x[[0, 2]], x[[1, 3]]])).sum(-1)
            joins = account(at, x, bertrand_matrix).profit + received
            stays = account(at, market[k, m], bertrand_matrix).profit
            short = np.maximum(short, stays - joins)
    np.testing.assert_allclose(found.flat, short, rtol=1e-9)
    interim = best(case, types, public_funds_cost=0.3)
    assert interim.flat is not None
    # more must be paid for joining to be worth while whatever the rival is
    assert found.value < interim.value
    paid = found.expected.net_transfer + short
    np.testing.assert_allclose(found.least_receipts, paid, rtol=1e-9)


def test_without_todays_market_there_are_no_rates() -> None:
    """Nothing to compare with: said, not guessed."""
    case = make_case(**ALIKE)
    fierce = ALIKE | {
        "intercept": 10,
        "own_slope": 1.0,
        "cross_slope": 0.0,
        "rivalry": 0.9,
        "demand_spillover": 0.05,
    }
    fierce |= {"leakage": [1.0, 0.1, 0.1], "cost_scale": 0.7, "max_saving": 0.2}
    # In the other market the squares of prices below zero look like gains.
    for market, start in (
        (case, np.full(4, np.nan)),
        (make_case(**fierce), np.array([0.1, 0.1, 12.0, 1.0])),
    ):
        types = discrete([0.5], [1.0])
        found = best_rates(market, types, private_equilibrium(market, types, start), Standard())
        assert not isinstance(found, FixedRates)
        assert found.code == "no_today"


@pytest.mark.slow
def test_known_rates_lead_to_their_neighbours() -> None:
    """`plain`: from the best rates under a similar standard the best are found without looking
    around."""
    case = make_case(**APART)
    today = today_in(case, TWO)
    first = best(case, TWO, public_funds_cost=0.3)
    rule = Standard(public_funds_cost=0.32)
    near = best_rates(case, TWO, today, rule, starts=[first.rates], plain=True)
    assert isinstance(near, FixedRates)
    assert near.value == pytest.approx(best(case, TWO, public_funds_cost=0.32).value, rel=1e-10)


@pytest.mark.slow
def test_what_an_evaluation_says_of_them() -> None:
    """Every type's choice and expected payoff, whose mean is what firms keep; flat parts make the
    least willing type indifferent."""
    case = load_case(INPUTS / "rates_asym2.json")
    tree = evaluate(case)
    told, market = (
        tree["mechanism"]["linear_subsidies"]["under_types"],
        tree["regimes"]["bayes_nash"],
    )
    weights = {0.1: 0.3, 0.8: 0.7}
    for firm in (1, 2):
        rows = [row for row in told["strategies"] if row["firm"] == firm]
        before = {row["type"]: row["payoff"] for row in market["strategies"] if row["firm"] == firm}
        assert [row["type"] for row in rows] == [0.1, 0.8]
        for name in ("sharing", "investment"):
            mean = sum(weights[row["type"]] * row[name] for row in rows)
            assert told["expected"][name][firm - 1] == pytest.approx(mean, rel=1e-9)
        kept = told["expected"]["profit"][firm - 1] + told["expected"]["net_transfer"][firm - 1]
        assert sum(weights[row["type"]] * row["payoff"] for row in rows) == pytest.approx(
            kept, rel=1e-9
        )
        flat = told["least_flat_payments"][firm - 1]
        gains = [row["payoff"] + flat - before[row["type"]] for row in rows]
        assert min(gains) == pytest.approx(0, abs=1e-8)
        assert told["least_net_receipts"][firm - 1] == pytest.approx(
            told["expected"]["net_transfer"][firm - 1] + flat, rel=1e-9
        )
    assert told["value"] == pytest.approx(told["expected"]["welfare"], rel=1e-12)


def test_rates_that_lead_nowhere_are_looked_at_once() -> None:
    """A loss and its constraints ask for the same rates: from the guess and from what is near, not
    twice over."""
    looked: list[Array] = []

    class Nowhere:
        def points(self, free: Array, start: Array, piece: object) -> list[None]:
            looked.append(free)
            return [None]

    here = SimpleNamespace(free=np.zeros(1), z=np.zeros(4), slope=np.zeros((4, 1)))
    follower = Follower(Nowhere(), here)  # type: ignore[arg-type]
    rates = np.ones(1)
    assert [follower.at(rates) for _ in range(3)] == [None] * 3
    assert len(looked) == 2
    rates += 1
    assert follower.at(rates) is None
    assert len(looked) == 4
    assert follower.at(here.free) is here


def test_the_best_rates_are_found_to_their_last_digits() -> None:
    """So smooth a value tells half of their digits: the others follow from slopes, and do not
    depend on how many nodes expectations are taken over."""
    case = make_case(
        intercept=20,
        own_slope=1.5,
        cross_slope=1.0,
        rivalry=0.3,
        demand_spillover=0.3,
        leakage=(1.2, 0.2, 0.1),
        cost_scale=12,
        max_saving=0.3,
        cost_spillover=0.5,
    )
    found, few = (best(case, uniform(0.2, 0.8, count)).rates for count in (51, 9))
    np.testing.assert_allclose(found, few, rtol=5e-12)


@pytest.mark.slow
def test_rates_searched_with_few_of_many_types_are_those_of_all() -> None:
    """Expectations over so many nodes and over so few are the same integrals, but for rounding."""
    case, many = make_case(**APART), uniform(0.2, 0.6, 51)
    found, few = best(case, many), best(case, uniform(0.2, 0.6, 9))
    assert found.value == pytest.approx(few.value, rel=1e-9)
    assert found.strategy.shape == (2, many.size, 2)


def test_where_welfare_jumps_a_climb_does_not_go_on_to_where_it_is_flat_and_low() -> None:
    """Welfare rises with the rate up to one; beyond, nobody answers rates any more."""

    def at(free: Array) -> Any:
        kept = bool(free[0] <= 1)
        return SimpleNamespace(
            free=free,
            consumers=float(free[0]) * kept,
            profit=0.0,
            consumers_slope=np.array([float(kept)]),
            profit_slope=np.zeros(1),
        )

    follower: Any = SimpleNamespace(last=at(np.full(1, 0.5)), at=at)
    problem: Any = SimpleNamespace(gain=1e-12)
    assert 0.5 <= ascent(problem, follower).consumers <= 1
