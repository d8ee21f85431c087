"""The one ranking: flat parts, who competes, who wins, and the levels of the highest value."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from admissible import cases
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from trees import evaluate_once

from market.model.case import Array, Case
from market.model.outcome import SOLVED, account
from market.model.pricing import bertrand_matrix
from market.regimes import level_bounds, solve_markets
from mechanism.analysis.many import solve_many
from mechanism.casefile.policies import compared
from mechanism.casefile.policy_case import load_case, parse_tree
from mechanism.casefile.standard import Standard, standard_of
from mechanism.casefile.together import stack
from mechanism.ranking.attainable import attainable
from mechanism.ranking.flat_parts import least_net
from mechanism.ranking.rank import choose
from mechanism.report.results import ComparisonRow, Evaluation

CASES = Path(__file__).resolve().parents[1] / "cases"

AMOUNTS = st.floats(-100, 100, allow_nan=False)


# --- flat parts


@given(one=AMOUNTS, other=AMOUNTS)
def test_flat_parts_are_the_least_with_which_all_join(one: float, other: float) -> None:
    """Nobody gets less than it needs but by what others were handed back; the public pays what is
    missing and takes nothing."""
    least = np.array([one, other])
    net = least_net(least, fees=False)
    assert net.sum() == pytest.approx(max(0.0, least.sum()), abs=1e-9)
    assert (net >= least - 1e-12).all()
    if least.sum() >= 0:
        np.testing.assert_allclose(net, least)
    else:  # who needs something is paid in proportion to what the others would give
        gives = np.maximum(-least, 0)
        np.testing.assert_allclose(
            np.maximum(-net, 0) * gives.sum(), gives * np.maximum(least, 0).sum(), atol=1e-8
        )
    np.testing.assert_array_equal(least_net(least, fees=True), least)


# --- who wins


def winner(
    values: list[float],
    asks: list[int],
    outlay: list[float] | None = None,
    materiality: float = 0.05,
) -> int:
    """Of policies at one case, the first being the market as it is and welfare 100."""
    paid = np.array(outlay or [0.0] * len(values))
    net = np.stack([paid / 2, paid / 2], -1)[:, None]
    value = np.array(values)[:, None]
    found, _ = choose(
        value, value[0], np.array(asks), paid[:, None], net, np.array([100.0]), materiality
    )
    return int(found[0])


def test_what_asks_more_must_bring_more() -> None:
    assert winner([100, 110], [0, 3]) == 1
    assert winner([100, 110, 109.6], [0, 3, 1]) == 2  # a gain of 10, and 0.4 of it is less than 5 %
    assert winner([100, 110, 109.4], [0, 3, 1]) == 1
    assert winner([100, 110, 109.6], [0, 3, 1], materiality=0.0) == 1
    assert winner([100, 100.09], [0, 1]) == 0  # nobody could measure a thousandth of welfare
    assert winner([100, 100.11], [0, 1]) == 1
    assert winner([100, np.nan], [0, 1]) == 0


def test_among_equals_the_smaller_outlay_then_the_order() -> None:
    assert winner([100, 110, 110], [0, 3, 3], [0, 20, 10]) == 2
    assert winner([100, 110, 110], [0, 3, 3], [0, 10, 10]) == 1
    assert winner([100, 110, 110], [0, 3, 3], [0, 10, 10 - 1e-8]) == 1  # equal amounts


# --- the figures of the case the documents speak of


def row(found: Evaluation, key: str) -> ComparisonRow:
    return found.rows[key]


def changed(name: str, **mechanism: Any) -> Evaluation:
    tree = load_case(CASES / f"{name}.yaml").resolved | {"expect": {}}
    return evaluate_once(parse_tree({**tree, "mechanism": {**tree["mechanism"], **mechanism}}))


@pytest.mark.slow
def test_two_vendors() -> None:
    """The levels alone decide what a public instrument costs: 2 x 49.49, with rates of 344.42 as
    under subsidy and tax."""
    found = changed("two_vendors")
    advice = found.recommendation
    assert advice is not None
    assert advice.policy is not None
    assert advice.policy.key == "linear_subsidies"
    assert [
        (rung.requires, round(rung.value, 2)) for rung in advice.ladder if rung.value is not None
    ] == [
        ("nothing", 788.35),
        ("permission", 794.57),
        ("money", 853.69),
    ]
    for key in ("linear_subsidies", "vcg_full_information"):
        assert row(found, key).outlay_joined == pytest.approx(98.9803, abs=1e-4)
    rates, today = row(found, "linear_subsidies"), row(found, "nash")
    assert rates.outlay == pytest.approx(344.42, abs=5e-3)
    assert rates.flat_payments == pytest.approx([-122.72, -122.72], abs=5e-3)
    assert today.profit is not None
    assert rates.expected is not None
    np.testing.assert_allclose(rates.expected.profit + rates.net_transfer, today.profit, rtol=1e-9)
    assert [policy.key for policy in advice.equivalent] == ["vcg_full_information"]
    assert row(found, "sharing_alliance").change is not None
    assert row(found, "sharing_alliance").change.welfare == pytest.approx(2.01095, abs=1e-5)  # type: ignore[union-attr]


@pytest.mark.slow
@pytest.mark.parametrize("fees", [False, True])
@pytest.mark.parametrize(
    "name", ["two_vendors", "large_and_small", "near_monopolies", "loss_at_optimum", "unit_costs"]
)
def test_money_buys_the_same_by_any_name(name: str, fees: bool) -> None:
    """At full weight of profits and no cost of public funds rates and subsidy and tax come to the
    same."""
    found = changed(name, fees=fees)
    one, other = row(found, "linear_subsidies"), row(found, "vcg_full_information")
    assert one.expected is not None
    assert other.expected is not None
    assert one.value == pytest.approx(other.value, rel=1e-9)
    assert one.outlay_joined == pytest.approx(other.outlay_joined, rel=1e-9)
    np.testing.assert_allclose(one.expected.investment, other.expected.investment, rtol=1e-9)


STANDARDS = [
    {},
    {"public_funds_cost": 0.3},
    {"profit_weight": 0.4, "public_funds_cost": 0.2},
    {"fees": True, "profit_weight": 0.5},
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["two_vendors", "restricted_cost", "large_and_small", "sharing_lowers_welfare"]
)
def test_nothing_exceeds_what_can_be_attained(name: str) -> None:
    tree = load_case(CASES / f"{name}.yaml").resolved | {"expect": {}}
    judged = [
        parse_tree({**tree, "mechanism": {**tree["mechanism"], **standard}})
        for standard in STANDARDS
    ]
    keys = [policy.key for policy in compared(private=False, unpaid=False)]
    columns = solve_many(judged, keys)
    values, competes = (
        columns[name].reshape(len(STANDARDS), len(keys)) for name in ("value", "competes")
    )
    most = values[:, keys.index("second_best")]
    assert np.isfinite(most).all()
    assert ((competes == 1) & np.isfinite(values)).any(-1).all()
    over = values - most[:, None] - 1e-9 * np.abs(most)[:, None]
    assert not (over[competes == 1] > 0).any()


@pytest.mark.slow
def test_who_loses_is_protected_unless_allowed() -> None:
    """In this market the planner's levels cost consumers something: it is not recommended, and
    allowed it reaches more."""
    kept, free = (
        changed("sharing_lowers_welfare"),
        changed("sharing_lowers_welfare", allow=["consumers_lose"]),
    )
    refused = row(kept, "vcg_full_information")
    assert refused.why_not is not None
    assert refused.why_not.code == "consumers_lose"
    assert row(kept, "linear_subsidies").change is not None
    assert row(kept, "linear_subsidies").change.consumer_surplus >= -1e-9 * 302  # type: ignore[union-attr]
    assert row(free, "vcg_full_information").competes
    least, most = row(kept, "second_best").value, row(free, "second_best").value
    assert least is not None
    assert most is not None
    assert most > least + 1


@pytest.mark.slow
def test_price_fixing_only_where_allowed() -> None:
    assert not row(changed("two_vendors"), "price_collusion").competes
    assert row(
        changed("two_vendors", allow=["price_collusion", "consumers_lose"]), "price_collusion"
    ).competes


@pytest.mark.slow
def test_no_advice_where_the_planner_has_no_limit() -> None:
    found = changed("ill_posed")
    assert found.recommendation is not None
    assert found.recommendation.policy is None
    assert found.recommendation.no_advice is not None


# --- the levels of the highest value


def by_brute_force(case: Case, today: Any, standard: Standard, starts: list[Array]) -> float:
    """The highest V over levels by local searches of V itself with its kink, consumers kept."""
    beta, burden = float(standard.profit_weight), float(standard.burden)
    floor, needed = float(today.consumer_surplus.sum()), float(today.profit.sum())
    lower, upper = level_bounds(case, 1)

    @cache  # V and both conditions are asked for at the same levels
    def at(levels: tuple[float, ...]) -> tuple[float, float]:
        books = account(case, np.array([levels]), bertrand_matrix)
        return float(books.consumer_surplus.sum()), float(books.profit.sum())

    def parts(x: Array) -> tuple[float, float]:
        return at(tuple(x.tolist()))

    def loss(x: Array) -> float:
        consumers, profit = parts(x[:4])
        return -(consumers + beta * profit - burden * x[4])

    conditions = [
        {"type": "ineq", "fun": lambda x: parts(x[:4])[1] + x[4] - needed},
        {"type": "ineq", "fun": lambda x: parts(x[:4])[0] - floor},
    ]
    box = [
        *zip(lower[0], [u if np.isfinite(u) else None for u in upper[0]], strict=True),
        (None if standard.fees else 0, None),
    ]
    best = -np.inf
    for start in starts:
        begin = np.append(start, max(0.0, needed - parts(start)[1]))
        end = minimize(
            loss,
            begin,
            method="SLSQP",
            bounds=box,
            constraints=conditions,
            options={"ftol": 1e-13, "maxiter": 400},
        ).x
        if (
            min(condition["fun"](end) for condition in conditions) >= -1e-6
            and account(case, end[None, :4], bertrand_matrix).describes_market[0]
        ):
            best = max(best, -loss(end))
    return best


@pytest.mark.slow
@given(
    case=cases(forms=("saturating", "exponential")),
    beta=st.sampled_from([0.0, 0.3, 0.7, 1.0]),
    mu=st.sampled_from([0.0, 0.1, 0.4]),
)
@settings(max_examples=8, deadline=None)
def test_no_levels_are_better(case: Case, beta: float, mu: float) -> None:
    """Against local searches of V itself from many starts."""
    case = case.flat()
    nash, optimum = solve_markets(case, "nash", 1), solve_markets(case, "social_optimum", 1)
    if nash.status[0] not in SOLVED or optimum.status[0] not in SOLVED:
        return
    standard = Standard(profit_weight=beta, public_funds_cost=mu)
    today = account(case, nash.levels, bertrand_matrix)
    found = attainable(case, optimum, today, standard, [nash.levels])
    if found.status[0] not in SOLVED:
        return
    books = account(case, found.levels, bertrand_matrix)
    outlay = max(0.0, float(today.profit.sum() - books.profit.sum()))
    value = float(standard.value(books.consumer_surplus.sum(), books.profit.sum() + outlay, outlay))
    top = float(np.abs(found.levels[0, 2:]).max())
    rng = np.random.default_rng(1)
    spread = [
        np.concatenate([rng.uniform(0, 1, 2), rng.uniform(0, 1.5 * top + 1e-3, 2)])
        for _ in range(3)
    ]
    other = by_brute_force(
        case,
        replace(today),
        standard,
        [found.levels[0], nash.levels[0], optimum.levels[0], *spread],
    )
    assert value >= other - 1e-6 * abs(value)
    floor = float(today.consumer_surplus.sum())
    assert books.consumer_surplus.sum() >= floor - 1e-8 * abs(float(today.total_surplus.sum()))


def test_what_firms_gain_can_be_charged_where_no_weight_leads_to_the_best_levels() -> None:
    """Consumers' surplus jumps as the weight of profits moves; with fees what firms gain counts as
    what consumers gain does."""
    tree = {
        "demand": {"intercept": [18.86, 19.28], "own_slope": 1.161, "cross_slope": 0.603},
        "security": {
            "rivalry": 0.994,
            "demand_spillover": [0.254, 0.604],
            "leakage": {"own": 1.182, "cross": 0.279, "interaction": 0.11},
        },
        "cost": {"scale": 39.93, "max_saving": 0.583, "spillover": [0.568, 0.609]},
    }
    case = parse_tree(tree).market.flat()
    nash, optimum = solve_markets(case, "nash", 1), solve_markets(case, "social_optimum", 1)
    today = account(case, nash.levels, bertrand_matrix)
    standard = Standard(profit_weight=0.0, fees=True)
    found = attainable(case, optimum, today, standard, [nash.levels])
    assert not found.proven[0]
    books = account(case, found.levels, bertrand_matrix)
    outlay = today.profit.sum() - books.profit.sum()
    value = float(standard.value(books.consumer_surplus.sum(), today.profit.sum(), outlay))
    starts = [nash.levels[0], optimum.levels[0]]
    assert value >= by_brute_force(case, today, standard, starts) - 1e-6 * abs(value)


def test_equal_firms_are_asked_for_different_levels_where_those_are_worth_more() -> None:
    """Where the best equal levels are a saddle of what is searched."""
    case = load_case(CASES / "sharing_lowers_welfare.yaml").set("unit_cost.base", 11.69)
    market, standard = case.market.flat(), standard_of(case.mechanism)
    nash, optimum = solve_markets(market, "nash", 1), solve_markets(market, "social_optimum", 1)
    today = account(market, nash.levels, bertrand_matrix)
    found = attainable(market, optimum, today, standard)
    assert not found.proven[0]
    books = account(market, found.levels, bertrand_matrix)
    outlay = max(0.0, float(today.profit.sum() - books.profit.sum()))
    value = float(standard.value(books.consumer_surplus.sum(), books.profit.sum() + outlay, outlay))
    unequal = optimum.levels[0] * [0.8, 1.0, 0.6, 1.2]
    assert value >= by_brute_force(market, today, standard, [unequal]) - 1e-7 * abs(value)


def test_many_markets_and_standards_at_once_are_what_each_is_alone() -> None:
    trees = [
        load_case(CASES / f"{name}.yaml").market.flat()
        for name in ("two_vendors", "full_sharing", "near_monopolies")
    ]
    many = stack(trees)
    standards = [(1.0, 0.3), (0.3, 0.0), (0.6, 0.2)]
    nash, optimum = solve_markets(many, "nash", 3), solve_markets(many, "social_optimum", 3)
    weights, costs = (np.array(column) for column in zip(*standards, strict=True))
    together = attainable(
        many,
        optimum,
        account(many, nash.levels, bertrand_matrix),
        Standard(profit_weight=weights, public_funds_cost=costs),
    )
    for k, (beta, mu) in enumerate(standards):
        one = many.take([k])
        own = solve_markets(one, "nash", 1), solve_markets(one, "social_optimum", 1)
        alone = attainable(
            one,
            own[1],
            account(one, own[0].levels, bertrand_matrix),
            Standard(profit_weight=beta, public_funds_cost=mu),
        )
        np.testing.assert_allclose(together.levels[k], alone.levels[0], rtol=1e-8, atol=1e-10)
