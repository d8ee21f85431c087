"""The oracle of the ranking: the numbers of MODEL.md, brute force, and rankings worked by hand."""

from __future__ import annotations

import copy
import math
from typing import Any

import compare_ranking
import numpy as np
import oracle
import oracle_ranking as ranking
import pytest
import write_expectations
from scipy import optimize

TWO_VENDORS = write_expectations.read(write_expectations.CASES / "two_vendors.yaml")


def rows(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["policy"]: row for row in told["comparison"]}


@pytest.fixture(scope="module")
def usual() -> dict[str, Any]:
    return ranking.rank_known(TWO_VENDORS, {})


def drawn(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(seed)
    return compare_ranking.draw_tree(rng), compare_ranking.draw_standard(rng)


# --- the published numbers ------------------------------------------------------------------------


@pytest.mark.oracle
@pytest.mark.slow
def test_welfare_of_two_vendors(usual: dict[str, Any]) -> None:
    told = rows(usual)
    assert told["nash"]["welfare"] == pytest.approx(788.348902, abs=1e-6)
    assert told["joint_profit"]["welfare"] == pytest.approx(794.573720, abs=1e-6)
    assert told["vcg_full_information"]["welfare"] == pytest.approx(853.694845, abs=1e-6)


@pytest.mark.oracle
@pytest.mark.slow
@pytest.mark.parametrize("name", ["vcg_full_information", "linear_subsidies", "second_best"])
def test_levels_alone_decide_what_an_instrument_costs(usual: dict[str, Any], name: str) -> None:
    row = rows(usual)[name]
    assert row["outlay_joined"] == pytest.approx(98.98, abs=5e-3)
    assert row["net_transfer"] == pytest.approx([49.4901515867379] * 2, abs=1e-7)


@pytest.mark.oracle
@pytest.mark.slow
def test_rates_without_flat_parts_cost_what_they_come_to(usual: dict[str, Any]) -> None:
    assert sum(rows(usual)["linear_subsidies"]["receipts"]) == pytest.approx(344.42, abs=1e-2)


def test_ladder_of_two_vendors(usual: dict[str, Any]) -> None:
    told = [
        (rung["policy"], rung["value"] and round(rung["value"], 2))
        for rung in usual["recommendation"]["ladder"]
    ]
    assert told == [
        ("nash", 788.35),
        ("joint_profit", 794.57),
        (None, None),
        ("linear_subsidies", 853.69),
        (None, None),
    ]
    assert usual["recommendation"]["policy"] == "linear_subsidies"
    assert usual["recommendation"]["equivalent"] == ["vcg_full_information"]
    assert usual["recommendation"]["runner_up"] == "joint_profit"


def test_sharing_alliance_of_two_vendors(usual: dict[str, Any]) -> None:
    told = rows(usual)
    row, today, alliance = told["sharing_alliance"], told["nash"], told["joint_profit"]
    assert row["sharing"] == pytest.approx([0.1812034] * 2, abs=5e-8)
    assert row["investment"] == pytest.approx([0.9097870] * 2, abs=5e-8)
    assert row["welfare"] - today["welfare"] == pytest.approx(2.01095, abs=5e-6)
    gained = sum(row["profit"]) - sum(today["profit"])
    assert gained / (sum(alliance["profit"]) - sum(today["profit"])) == pytest.approx(
        0.8002, abs=5e-5
    )


# --- against other routes -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_figures_are_those_of_the_older_oracle(seed: int) -> None:
    tree, _ = drawn(seed)
    tree["security"] |= {"rivalry": 0.2, "demand_spillover": 0.5}
    tree["cost"] |= {"max_saving": 0.4, "reference_investment": 1.0}
    x = [0.3, 0.7, 1.1, 0.6]
    m, older = ranking.read_market(tree), oracle.read_market(tree)
    for rule in ("bertrand", "collusive", "marginal_cost"):
        told = oracle.account(older, x, rule)
        assert [
            float(v[0]) for v in ranking.profits(m, np.array(x)[:, None], rule)
        ] == pytest.approx(told["profit"], rel=1e-12)
        assert float(ranking.consumer_surplus(m, np.array(x)[:, None], rule)[0]) == pytest.approx(
            told["consumer_surplus"], rel=1e-12
        )
    for i in (0, 1):
        slopes = [float(v[0]) for v in ranking.own_slopes(m, np.array(x)[:, None], i)]
        exact = [
            oracle.slope(lambda y, i=i: oracle.own_profit(older, y, i), x, k) for k in (i, 2 + i)
        ]
        assert slopes == pytest.approx(exact, rel=1e-10)


def test_a_firm_that_leaves_earns_nothing_more() -> None:
    """At the brink of leaving the figures are continuous, and past it the firm that stays is at
    most a monopolist."""
    tree = copy.deepcopy(TWO_VENDORS)
    tree["security"]["rivalry"] = 0.9
    m = ranking.read_market(tree)
    x = np.array([np.zeros(2001), np.zeros(2001), np.linspace(0, 60, 2001), np.zeros(2001)])
    leaves = ranking.quantities(m, x)[1] < 0
    assert 0 < leaves.sum() < 2001
    rival = ranking.profit_with_exit(m, x, 1)
    assert np.all(rival[leaves] == 0)
    stays = ranking.profit_with_exit(m, x, 0)
    # no jump at the brink, where the formulas of both cases meet
    assert np.max(np.abs(np.diff(stays, 2))) < 0.1
    # past the brink, on a grid of prices at which the rival sells nothing even for free: buyers who
    # cannot have its product behave as if it cost the price, here negative, at which they want none
    # of it
    for at in (np.flatnonzero(leaves)[0], np.flatnonzero(leaves)[-1]):
        A = [float(v[at]) for v in ranking.shifted_intercepts(m, x)]
        p = np.linspace(0, -A[1] / m.x, 200001)
        revenue = p * (A[0] - m.b[0] * p + m.x * (A[1] + m.x * p) / m.b[1])
        assert float(stays[at] + ranking.investment_cost(m, x, 0)[at]) == pytest.approx(
            float(revenue.max()), rel=1e-8
        )


@pytest.mark.oracle
@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 11])
def test_rates_reach_the_highest_value_a_random_search_finds(seed: int) -> None:
    tree, standard = drawn(seed)
    standard = {
        **standard,
        "participation": "ir_market",
        "fees": False,
        "profit_weight": 0.6,
        "public_funds_cost": 0.2,
        "allow": [],
    }
    told = rows(ranking.rank_known(tree, standard))
    m, today = ranking.read_market(tree), told["nash"]

    def loss(x: np.ndarray) -> float:
        y = np.array(x)[:, None]
        surplus = float(ranking.consumer_surplus(m, y)[0])
        earned = [float(v[0]) for v in ranking.profits(m, y)]
        outlay = max(0.0, sum(today["profit"]) - sum(earned))
        if (
            surplus < today["consumer_surplus"]
            or min(float(q[0]) for q in ranking.quantities(m, y)) < 0
        ):
            return 0.0
        return -(surplus + 0.6 * (sum(earned) + outlay) - 1.2 * outlay)

    top = min(m.cap[0], 2 * m.quantity)
    found = optimize.differential_evolution(
        loss, [(0, 1), (0, 1), (0, top), (0, top)], seed=1, popsize=20, maxiter=300, tol=1e-10
    )
    best = told["linear_subsidies"]["value"]
    assert -found.fun == pytest.approx(best, rel=1e-4)
    assert -found.fun <= best * (1 + 1e-9)


@pytest.mark.oracle
@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 5])
def test_today_and_the_planner_are_those_of_the_older_oracle(seed: int) -> None:
    tree, _ = drawn(seed)
    tree["security"] |= {"rivalry": 0.2, "demand_spillover": 0.5}
    tree["cost"] |= {
        "max_saving": 0.4,
        "form": "saturating",
        "investment_cap": None,
        "reference_investment": 1.0,
    }
    tree["cost"]["scale"] *= 3
    told = rows(ranking.rank_known(tree, {}))
    for ours, theirs in (
        ("nash", "nash"),
        ("vcg_full_information", "social_optimum"),
        ("joint_profit", "joint_profit"),
    ):
        expected = oracle.outcome(tree, theirs)
        assert told[ours]["profit"] == pytest.approx(
            [float(v) for v in expected["profit"]], abs=1e-7
        )
        assert told[ours]["welfare"] == pytest.approx(float(expected["welfare"]), abs=1e-8)


@pytest.mark.oracle
@pytest.mark.slow
def test_a_tax_keeps_a_firm_from_investing_what_would_cost_it_nothing() -> None:
    """With the restricted cost a first unit is free: the tax that makes nil a local choice leaves a
    better one far from it."""
    _, tree, standard = next(compare_ranking.cases(1, 3, 15))
    row = rows(ranking.rank_known(tree, standard))["linear_subsidies"]
    m, x = ranking.read_market(tree), np.array([*row["sharing"], *row["investment"]])
    local = ranking.rates_at(m, x)[1]
    assert x[3] == 0
    assert ranking.gain_by_deviating(m, x, 1, local) > 0.04
    assert ranking.gain_by_deviating(m, x, 1, row["rates"][1]) < 1e-6
    assert row["rates"][1][1] < local[1]
    assert row["competes"]


# --- rankings by hand -----------------------------------------------------------------------------


def policy(
    name: str, surplus: float, profit: float, level: float, needs: float = 0.0, **more: Any
) -> dict[str, Any]:
    """A policy of two alike firms."""
    return {
        "policy": name,
        "status": "converged",
        "consumer_surplus": surplus,
        "profit": [profit, profit],
        "m": [needs, needs],
        "sharing": [level, level],
        "investment": [level, level],
        "truthful": True,
        **more,
    }


TODAY = policy("bayes_nash", 60, 20, 0.1)
"""welfare 100"""


def test_value_counts_profits_by_weight_and_outlay_by_its_cost() -> None:
    told = ranking.rank_figures(
        [TODAY, policy("groves", 90, 15, 0.9, 5)],
        {"profit_weight": 0.5, "public_funds_cost": 0.3},
        "bayes_nash",
    )
    # outlay 10: 90 + .5 (30 + 10) - 1.3 x 10
    assert rows(told)["groves"]["value"] == pytest.approx(97)
    assert rows(told)["groves"]["outlay_joined"] == pytest.approx(10)
    assert told["recommendation"]["margin"] == pytest.approx(97 - 80)


def test_gains_pay_for_losses_and_stay_with_the_firms() -> None:
    asymmetric = policy("groves", 90, 15, 0.9) | {"m": [-8.0, 3.0]}
    row = rows(ranking.rank_figures([TODAY, asymmetric], {"profit_weight": 0.5}, "bayes_nash"))[
        "groves"
    ]
    assert row["net_transfer"] == pytest.approx([-3, 3])
    assert row["outlay_joined"] == 0
    row = rows(
        ranking.rank_figures(
            [TODAY, asymmetric], {"profit_weight": 0.5, "fees": True}, "bayes_nash"
        )
    )["groves"]
    assert row["net_transfer"] == pytest.approx([-8, 3])
    assert row["outlay_joined"] == pytest.approx(-5)
    assert row["value"] == pytest.approx(90 + 0.5 * (30 - 5) + 5)


def test_flat_parts_are_what_receipts_leave_to_pay() -> None:
    row = rows(
        ranking.rank_figures(
            [TODAY, policy("groves", 90, 15, 0.9, 5, receipts=[7.0, -1.0])], {}, "bayes_nash"
        )
    )["groves"]
    assert row["flat_payments"] == pytest.approx([-2, 6])


def test_what_asks_more_must_bring_more() -> None:
    # gains 9 and 9.5
    at = [
        TODAY,
        policy("joint_profit", 69, 20, 0.4),
        policy("linear_subsidies", 69.5, 20, 0.5),
    ]
    assert (
        ranking.rank_figures(at, {}, "bayes_nash")["recommendation"]["policy"] == "linear_subsidies"
    )
    assert (
        ranking.rank_figures(at, {"materiality": 0.06}, "bayes_nash")["recommendation"]["policy"]
        == "joint_profit"
    )


def test_an_immeasurable_gain_asks_for_nothing() -> None:
    at = [TODAY, policy("linear_subsidies", 60.09, 20, 0.5)]
    told = ranking.rank_figures(at, {"materiality": 0.0}, "bayes_nash")["recommendation"]
    assert told["policy"] == "bayes_nash"
    assert told["margin"] == pytest.approx(-0.09)
    at = [TODAY, policy("linear_subsidies", 60.11, 20, 0.5)]
    assert (
        ranking.rank_figures(at, {"materiality": 0.0}, "bayes_nash")["recommendation"]["policy"]
        == "linear_subsidies"
    )


def test_among_equals_the_smaller_outlay_then_the_table() -> None:
    at = [
        TODAY,
        policy("groves", 90, 15, 0.9, 5),
        policy("agv", 90, 15, 0.9, 5),
        policy("designed", 90, 15, 0.9, 4),
    ]
    told = ranking.rank_figures(at, {}, "bayes_nash")["recommendation"]
    assert told["policy"] == "designed"
    assert told["equivalent"] == ["groves", "agv"]
    assert ranking.rank_figures(at[:3], {}, "bayes_nash")["recommendation"]["policy"] == "groves"


def test_designed_does_not_win_by_its_band() -> None:
    at = [TODAY, policy("groves", 90, 15, 0.9, 5), policy("designed", 90, 15, 0.9, 4, band=2.5)]
    # leads by .5 x 2, its band is worth .5 x 2.5
    standard = {
        "public_funds_cost": 0.5,
        "materiality": 0.0,
    }
    assert ranking.rank_figures(at, standard, "bayes_nash")["recommendation"]["policy"] == "groves"
    at[2]["band"] = 1.5
    assert (
        ranking.rank_figures(at, standard, "bayes_nash")["recommendation"]["policy"] == "designed"
    )


def test_who_does_not_compete() -> None:
    at = [
        TODAY,
        policy("nash", 99, 20, 0.2),
        policy("vcg_full_information", 99, 20, 0.3),
        policy("joint_profit", 59, 30, 0.4),
        policy("printed", 99, 20, 0.5, truthful=False),
        policy("observed", 70, 20, 0.6, truthful=False, valued_as_played=True),
        policy("mandate", 99, 20, 0.7),
    ]
    told = ranking.rank_figures(at, {}, "bayes_nash")
    assert [row["policy"] for row in told["comparison"] if row["competes"]] == [
        "bayes_nash",
        "observed",
    ]
    told = ranking.rank_figures(
        at, {"allow": ["consumers_lose"], "participation": "none"}, "bayes_nash"
    )
    competes = [row["policy"] for row in told["comparison"] if row["competes"]]
    assert competes == ["bayes_nash", "joint_profit", "observed", "mandate"]


def test_a_firm_below_zero_keeps_a_policy_from_competing_only_without_participation() -> None:
    at = [TODAY, policy("groves", 120, -1, 0.9, 21)]
    assert rows(ranking.rank_figures(at, {}, "bayes_nash"))["groves"]["competes"]
    told = rows(ranking.rank_figures(at, {"participation": "none"}, "bayes_nash"))["groves"]
    assert told["outlay_joined"] == 0
    assert not told["competes"]


def test_no_advice_where_a_competing_policy_is_ill_posed() -> None:
    at = [TODAY, {"policy": "joint_profit", "status": "unbounded"}, policy("groves", 120, 1, 0.9)]
    assert ranking.rank_figures(at, {}, "bayes_nash")["recommendation"]["policy"] is None


@pytest.mark.oracle
@pytest.mark.slow
def test_generated_scales_make_every_problem_bounded() -> None:
    tree, _ = drawn(7)
    assert math.isfinite(tree["cost"]["scale"])
    told = rows(ranking.rank_known(tree, {}))
    assert {row["status"] for row in told.values()} == {"converged"}
