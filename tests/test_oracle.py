"""The oracle itself: hand-worked prices, closed forms, identities, and the shipped cases it vouches
for."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import check_oracles
import mpmath as mp
import numpy as np
import oracle
import pytest
import write_expectations


@pytest.fixture(autouse=True)
def _precision() -> Any:
    with mp.workdps(oracle.DIGITS):
        yield


def tree(**changes: Any) -> dict[str, Any]:
    """The template case with some of its numbers changed, keys given as block__key."""
    told = copy.deepcopy(write_expectations.read(write_expectations.CASES / "starter.yaml"))
    for path, value in changes.items():
        block, key = path.split("__")
        told[block][key] = value
    return told


def market(**changes: Any) -> oracle.Market:
    return oracle.read_market(tree(**changes))


def test_bertrand_prices_of_a_worked_example() -> None:
    # A = (10, 4), b1 = 1, b2 = 1/2: p1 = (2 * 10 + 4 / 2) / (4 - 1/4), p2 = (2 * 4 + 10 / 2) / (4 -
    # 1/4)
    m = market(demand__own_slope=1.0, demand__cross_slope=0.5)
    assert oracle.prices(m, (10.0, 4.0), "bertrand") == pytest.approx((22 / 3.75, 13 / 3.75))
    assert oracle.quantities(
        m, (10.0, 4.0), oracle.prices(m, (10.0, 4.0), "bertrand")
    ) == pytest.approx((22 / 3.75, 13 / 3.75))


def test_alike_firms_charge_what_the_textbook_says() -> None:
    m = market()
    assert oracle.prices(m, (20.0, 20.0), "bertrand") == pytest.approx((10, 10))  # A / (2 b1 - b2)
    # A / (2 (b1 - b2))
    assert oracle.prices(m, (20.0, 20.0), "collusive") == pytest.approx((20, 20))


@pytest.mark.parametrize("rule", ["bertrand", "collusive"])
def test_nobody_gains_by_another_price(rule: str) -> None:
    m, A = market(demand__own_slope=[1.5, 1.2], demand__cross_slope=0.7), (18.0, 11.0)
    p = oracle.prices(m, A, rule)

    def earned(i: int, prices: tuple[float, float]) -> float:
        each = [
            price * sold
            for price, sold in zip(prices, oracle.quantities(m, A, prices), strict=True)
        ]
        return each[i] if rule == "bertrand" else sum(each)

    for i in (0, 1):
        for change in (-0.3, -0.01, 0.01, 0.3):
            other = (p[0] + change, p[1]) if i == 0 else (p[0], p[1] + change)
            assert earned(i, other) < earned(i, p)


def test_utility_does_not_depend_on_the_path() -> None:
    m, A, q = (
        market(demand__own_slope=[1.5, 1.2], demand__cross_slope=0.7),
        (18.0, 11.0),
        (9.0, 7.0),
    )
    assert sum(oracle.gross_utility_along_ray(m, A, q)) == pytest.approx(
        oracle.gross_utility_along_axes(m, A, q), rel=1e-14
    )


def test_demand_and_inverse_demand_undo_each_other() -> None:
    m, A = market(demand__own_slope=[1.5, 1.2], demand__cross_slope=0.7), (18.0, 11.0)
    assert oracle.inverse_demand(m, A, oracle.quantities(m, A, (5.0, 3.0))) == pytest.approx((5, 3))


def test_welfare_of_alike_firms_has_its_closed_form() -> None:
    m, x = market(), [0.4, 0.4, 3.0, 3.0]
    a_plus_shift = 20 + 3 - 0.2 * 3 + 0.6 * 3 * 0.4 - (3.0 - 0.5 - 0.2) * 0.16
    cost = 10 * 9 * (1 - 0.5 * 0.6 / 1.6)
    expected = 1.5 * (3 * 1.5 - 2) / ((3 - 1) ** 2 * 0.5) * a_plus_shift**2 - 2 * cost
    assert oracle.account(m, x, "bertrand")["welfare"] == pytest.approx(expected, rel=1e-14)


def test_subsidy_and_profit_add_up_to_welfare() -> None:
    told = oracle.account(market(demand__intercept=[25, 14]), [0.1, 0.5, 2.0, 1.0], "bertrand")
    for i in (0, 1):
        assert told["profit"][i] + told["subsidy"][i] == pytest.approx(told["welfare"], rel=1e-14)


def test_separate_markets_have_a_closed_form() -> None:
    # b2 = 0 and no spillover of any kind: each firm maximises (a + t - phi1 s^2)^2 / (4 b1) - k t^2
    # / 2
    told = oracle.outcome(
        tree(
            demand__cross_slope=0.0,
            security__rivalry=0.0,
            security__demand_spillover=0.0,
            security__leakage={"own": 3.0, "cross": 0.0, "interaction": 0.0},
        ),
        "nash",
    )
    assert told["status"] == "corner"
    assert told["sharing"] == [0, 0]
    for t in told["investment"]:
        assert abs(t - mp.mpf(20) / (2 * mp.mpf("1.5") * 20 - 1)) < mp.mpf(10) ** -25


def test_equilibrium_meets_the_conditions_for_alike_firms() -> None:
    told = oracle.outcome(tree(), "nash")
    (s, _), (t, _), (p, _) = told["sharing"], told["investment"], told["price"]
    b1, b2, alpha, spill, k, gamma, useful = (
        oracle.precise(v) for v in (1.5, 1.0, 0.2, 0.6, 20, 0.5, 0.5)
    )
    own, cross, both = (oracle.precise(v) for v in (3.0, 0.5, 0.2))
    own_leak, rival_leak = 2 * own * s - both * s, -2 * cross * s - both * s
    y = useful * t * s
    assert abs(spill * t - (2 * b1 / b2 * own_leak + rival_leak)) < mp.mpf(10) ** -25
    gain, cost = (
        2 * b1 * p * (2 * b1 + b2 * (spill * s - alpha)) / (4 * b1**2 - b2**2),
        k * t * (1 - gamma * y / (1 + y)),
    )
    assert abs(gain - cost) < mp.mpf(10) ** -22
    assert told["regret"] < 1e-9


@pytest.mark.oracle
@pytest.mark.slow
def test_planner_meets_the_conditions_for_alike_firms() -> None:
    told = oracle.outcome(tree(), "social_optimum")
    assert told["status"] == "converged"
    (s, _), (t, _) = told["sharing"], told["investment"]
    b1, b2, alpha, spill, k, gamma, useful = (
        oracle.precise(v) for v in (1.5, 1.0, 0.2, 0.6, 20, 0.5, 0.5)
    )
    leak = oracle.precise(3.0) - oracle.precise(0.5) - oracle.precise(0.2)
    level, y = 20 + (1 - alpha + spill * s) * t - leak * s**2, useful * t * s
    weight = b1 * (3 * b1 - 2 * b2) / ((2 * b1 - b2) ** 2 * (b1 - b2))
    f_t, f_y = k * t * (1 - gamma * y / (1 + y)), -k / 2 * t**2 * gamma / (1 + y) ** 2
    assert abs(weight * level * (spill * t - 2 * leak * s) - useful * t * f_y) < mp.mpf(10) ** -20
    assert (
        abs(weight * level * (1 - alpha + spill * s) - f_t - useful * s * f_y) < mp.mpf(10) ** -20
    )
    assert told["curvature"] < 0


@pytest.mark.parametrize(
    ("regime", "weight"),
    [
        ("social_optimum", 1.5 * 2.5 / (4 * 0.5)),
        ("first_best", 1 / 0.5),
        ("joint_profit", 3 / 4),
        ("price_collusion", 1.0),
    ],
)
def test_welfare_is_bounded_just_where_it_should_be(regime: str, weight: float) -> None:
    needed = weight * 1.4**2 / 0.5  # k (1 - gamma) > weight (1 - alpha + lambda_d)^2
    assert oracle.grows(tree(cost__scale=0.999 * needed), regime)
    assert not oracle.grows(tree(cost__scale=1.001 * needed), regime)


@pytest.mark.oracle
@pytest.mark.slow
def test_naming_the_firms_the_other_way_round_changes_nothing() -> None:
    one = tree(demand__intercept=[28, 15], demand__own_slope=[1.5, 1.3], cost__spillover=[0.9, 0.2])
    other = tree(
        demand__intercept=[15, 28], demand__own_slope=[1.3, 1.5], cost__spillover=[0.2, 0.9]
    )
    for regime in ("nash", "joint_profit"):
        a, b = oracle.outcome(one, regime), oracle.outcome(other, regime)
        for key in ("sharing", "investment", "profit"):
            assert [float(v) for v in a[key]] == pytest.approx(
                [float(v) for v in reversed(b[key])], rel=1e-15
            )


@pytest.mark.parametrize("form", ["saturating", "exponential", "restricted"])
def test_best_investment_is_best(form: str) -> None:
    m, x = market(cost__form=form, demand__intercept=[25, 14]), [0.3, 0.8, 1.0, 3.0]
    t = oracle.best_investment(m, x, 0)
    assert t is not None
    profits = [
        oracle.own_profit(m, [0.3, 0.8, float(v), 3.0], 0) for v in np.linspace(0, 4 * t, 401)
    ]
    assert oracle.own_profit(m, [0.3, 0.8, t, 3.0], 0) >= max(profits) - 1e-12


@pytest.mark.oracle
@pytest.mark.slow
def test_a_cap_that_binds_is_named() -> None:
    told = oracle.outcome(tree(cost__investment_cap=2), "social_optimum")
    assert told["status"] == "corner"
    assert told["investment"] == [2, 2]
    assert {b.split(" = ")[0] for b in told["bounds"]} == {"investment[0]", "investment[1]"}


@pytest.mark.oracle
@pytest.mark.slow
def test_both_peaks_of_the_planner_are_found() -> None:
    told = oracle.outcome(
        write_expectations.read(write_expectations.CASES / "two_optima.yaml"), "social_optimum"
    )
    assert told["sharing"] == [1, 1]
    assert [0.2 < other["sharing"][0] < 0.3 for other in told["others"]] == [True]


def test_paths_reach_into_a_result() -> None:
    assert (
        oracle.look_up({"regimes": {"nash": {"sharing": [1, 2]}}}, "regimes.nash.sharing[1]") == 2
    )


@pytest.mark.oracle
@pytest.mark.slow
@pytest.mark.parametrize("name", ["large_and_small", "ill_posed"])
def test_shipped_expectations_are_the_oracle_s(name: str) -> None:
    file = write_expectations.CASES / f"{name}.yaml"
    told = oracle.solve(write_expectations.read(file))
    assert write_expectations.refreshed(file.read_text(encoding="utf-8"), told)[1] == []


def test_all_shipped_expectations_were_checked_as_they_are() -> None:
    """A case, what is expected of it or an oracle changed: `python tests/write_expectations.py
    --check` solves them all again and notes what it found right."""
    checked = json.loads(write_expectations.CHECKED.read_text())
    left = [
        file.name
        for file in sorted(write_expectations.CASES.glob("*.yaml"))
        if "expect" in (tree := write_expectations.read(file)) and "types" not in tree
        if checked.get(file.name) != write_expectations.mark(file)
    ]
    assert left == []


def test_the_oracles_passed_their_own_tests_as_they_are() -> None:
    """Something of an oracle or of a test of it changed: `python tests/check_oracles.py` runs the
    tests marked `oracle` and notes that they pass."""
    assert check_oracles.checked()


def test_no_other_test_is_left_out_with_those_of_the_oracles() -> None:
    """Only files whose tests use nothing of the program have the mark."""
    for file in check_oracles.HERE.glob("test_*.py"):
        text = file.read_text(encoding="utf-8")
        if "mark." + "oracle\n" in text:
            assert file.name in check_oracles.TESTS
    for name in check_oracles.REST_ON:
        if name.endswith(".py") and name != "compare_ranking.py":
            text = (check_oracles.HERE / name).read_text(encoding="utf-8")
            assert not re.search(r"^\s*(from|import) (market|mechanism|cli|pigou)\b", text, re.M)
