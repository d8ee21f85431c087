"""Transfers solved for in the market, lotteries over levels and rates fixed beforehand."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run
from trees import evaluate

from market.model.outcome import account
from market.model.pricing import bertrand_matrix
from mechanism.analysis.designs import solve_file, solve_tree
from mechanism.analysis.designs_tree import design_tree
from mechanism.casefile.policy_case import load_case, parse_tree
from mechanism.casefile.types import type_space
from mechanism.design.setting_file import DesignOptions, parse_setting
from mechanism.design.solve import design

CASES = Path(__file__).resolve().parents[1] / "cases"
Tree = dict[str, Any]


def tree_of(name: str, **changes: Any) -> Tree:
    """A shipped case with some keys of `types` and `mechanism` changed."""
    tree = copy.deepcopy(load_case(CASES / f"{name}.yaml").resolved)
    tree["expect"] = {}
    tree["types"] = changes.pop("types", tree["types"])
    tree["mechanism"] |= changes
    return tree


def all_rules(result: Tree) -> Tree:
    mechanism = result["mechanism"]
    return {mechanism["reported"]["tax_rule"]: mechanism["reported"], **mechanism["alternatives"]}


# --- designed transfers beside the formulas


@pytest.mark.slow
@pytest.mark.parametrize("name", ["private_spillovers", "private_large_and_small"])
def test_the_least_outlay_rises_toward_the_worst_type_rules(name: str) -> None:
    """A grid leaves the designer slack that shrinks as it is refined; truth and participation hold
    at every point that is checked."""
    saved = []
    for points in (3, 6, 12):
        rules = all_rules(
            evaluate(
                parse_tree(
                    tree_of(
                        name, types={"support": [0.2, 0.8], "points": points}, incentive="bayesian"
                    )
                )
            )
        )
        designed, formula = rules["designed"], rules["worst_type"]
        assert designed["checks"]["ic"]["status"] == "holds"
        assert designed["checks"]["ir_market"]["status"] == "holds"
        saved.append(formula["expected"]["budget"] - designed["expected"]["budget"])
    assert saved[0] > saved[1] > saved[2] > 0
    assert saved[2] < 0.3 * saved[0]


@pytest.mark.slow
def test_both_commands_give_the_same_numbers() -> None:
    """`evaluate` and `design` state the same program and the same rules, at the points between
    types too."""
    path = CASES / "private_large_and_small.yaml"
    rules = all_rules(evaluate(load_case(path)))
    asked = {"incentive": load_case(path).mechanism.incentive, "budget": "none"}
    for rule in ("worst_type", "groves", "agv", "designed"):
        found = design_tree(solve_file(path, {**asked, "tax_rule": rule}))
        told = rules[rule]
        assert found["expected"]["outlay"] == pytest.approx(told["expected"]["budget"], abs=1e-6), (
            rule
        )
        assert found["expected"]["payoff"] == pytest.approx(told["expected"]["payoff"], abs=1e-6), (
            rule
        )
        slack = next(c for c in found["checks"]["ir"] if c["timing"] == "interim")["min_slack"]
        assert slack == pytest.approx(told["checks"]["ir_market"]["min_slack"], abs=1e-6), rule


@pytest.mark.slow
def test_agv_moves_no_money_between_unequal_firms_in_expectation() -> None:
    """Mutual payments give every type what the tax free of the own report gives it, and balance in
    every state."""
    rules = all_rules(
        evaluate(parse_tree(tree_of("private_large_and_small", incentive="bayesian")))
    )
    agv, groves = rules["agv"], rules["groves"]
    assert agv["checks"]["budget"]["worst"] == pytest.approx(0, abs=1e-9)
    assert agv["expected"]["net_transfer"] == pytest.approx([0, 0], abs=1e-9)
    assert [row["payoff"] for row in agv["interim"]] == pytest.approx(
        [row["payoff"] for row in groves["interim"]], rel=1e-10
    )


@pytest.mark.slow
@pytest.mark.parametrize("timing", ["interim", "ex_post"])
def test_with_the_printed_form_of_participation_the_worst_type_rule_keeps_everybody(
    timing: str,
) -> None:
    rules = all_rules(
        evaluate(parse_tree(tree_of("private_large_and_small", participation="ir1", timing=timing)))
    )
    check = rules["worst_type"]["checks"]["ir1"]
    assert check["status"] == "holds"
    assert check["min_slack"] == pytest.approx(0, abs=1e-8)


@pytest.mark.slow
def test_a_repair_mends_the_ends_of_the_support_too() -> None:
    """Corrections are given for every point that is checked, so that no rule repaired is cheaper
    than the cheapest design."""
    rules = all_rules(
        evaluate(
            parse_tree(tree_of("private_spillovers", types={"support": [0.2, 0.8], "points": 5}))
        )
    )
    repaired = rules["groves"]["repair"]
    assert repaired["status"] == "optimal"
    assert {row["type"] for row in repaired["per_type"]} >= {0.2, 0.8}
    assert repaired["expected_outlay"] >= rules["designed"]["expected"]["budget"] - 1e-7


@pytest.mark.slow
def test_a_budget_that_cannot_be_met_is_proven_and_the_least_outlay_is_shown(
    run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "asked.yaml"
    path.write_text(
        f"base: {CASES / 'two_types.yaml'}\nmechanism: {{tax_rule: designed, timing: interim}}\n"
    )
    done = run("evaluate", path, "--format", "json")
    assert done.code == 3
    assert "the design is infeasible" in done.err
    reported = json.loads(done.out)["mechanism"]["reported"]
    assert reported["design"]["status"] == "infeasible"
    assert reported["design"]["infeasibility"]["verified"] is True
    assert {row["constraint"] for row in reported["design"]["infeasibility"]["rows"]} >= {
        "ir",
        "budget",
    }
    assert reported["expected"]["budget"] > 0
    assert reported["checks"]["ic"]["status"] == "holds"


def test_nobody_to_share_with() -> None:
    """One player's transfers cannot be evened out: a type that must be paid makes a budget that
    balances in every state impossible."""
    player = {"name": "one", "types": [1, 3], "value": {"a": [0, 0]}, "outside": [1, -3]}
    problem = parse_setting({"alternatives": ["a"], "players": [player]})
    assert design(problem.environment, DesignOptions(budget="ex_post")).status == "infeasible"
    least = design(problem.environment, DesignOptions(objective="min_worst_deficit", budget="none"))
    assert least.objective_value == pytest.approx(1)
    assert least.mechanism.achieved.worst == pytest.approx(1)


def test_of_a_market_revenue_counts_where_firms_may_be_charged_fees_alone() -> None:
    """Firms that would earn nothing outside pay much at the planner's levels."""
    asked = {"objective": "max_surplus", "public_funds_cost": 0.5, "budget": "none"}
    tree = tree_of("two_types", participation="ir2", **asked)
    found = solve_tree(tree, {}).found
    assert found.mechanism is not None
    assert found.mechanism.achieved.outlay < -1
    assert found.objective_value == found.mechanism.achieved.surplus
    charged = solve_tree(tree_of("two_types", participation="ir_market", fees=True, **asked), {})
    assert charged.options.fees


# --- second best


@pytest.mark.slow
def test_the_dearer_public_money_the_less_of_the_planners_levels() -> None:
    """Free money buys the planner's levels; then welfare and outlay fall; net welfare never falls
    below that of the market's alliance."""
    found = []
    for cost in (0.0, 0.4, 1.3, 3.0):
        result = evaluate(parse_tree(tree_of("second_best", public_funds_cost=cost)))
        reported = result["mechanism"]["reported"]
        assert reported["checks"]["ic"]["status"] == "holds"
        assert reported["checks"]["ir_market"]["status"] == "holds"
        found.append(
            (
                reported["expected"]["welfare"],
                reported["expected"]["budget"],
                reported["design"]["objective_value"],
            )
        )
        shares = [
            sum(levels["probability"] for levels in row["levels"])
            for row in reported["design"]["lotteries"]
        ]
        assert shares == pytest.approx([1.0] * 4)
    welfare, outlay, net = np.array(found).T
    best = next(row for row in result["comparison"] if row["policy"] == "social_optimum")["welfare"]
    # a billionth is given up for the cheapest transfers
    assert welfare[0] == pytest.approx(best, rel=2e-9)
    for falling in (welfare, outlay, net):
        assert (np.diff(falling) < 0).all()
    market = next(row for row in result["comparison"] if row["policy"] == "nash")["welfare"]
    assert net[-1] > market


# --- rates fixed beforehand


@pytest.mark.slow
def test_with_one_type_the_rates_are_pigous() -> None:
    """Nothing is drawn, so rates fixed beforehand reach the planner's levels."""
    result = evaluate(parse_tree(tree_of("two_vendors", types={"values": [0.5]})))
    rates = result["mechanism"]["linear_subsidies"]
    for key in ("sharing_rate", "investment_rate"):
        assert rates["under_types"][key] == pytest.approx(rates[key], rel=1e-5)
    row = next(row for row in result["comparison"] if row["policy"] == "linear_subsidies")
    assert row["share_of_gain"] == pytest.approx(1, abs=1e-9)


# --- between the types of a grid


@pytest.mark.slow
def test_a_formula_holds_between_types_and_a_grid_leaves_little() -> None:
    """The tax set by the worst type is truthful and joined everywhere on the interval; what is
    solved for on a grid leaves lies a gain that vanishes as the grid is refined; the printed tax's
    largest gain is that of its ends."""
    left = []
    for points in (3, 6, 12):
        tree = tree_of(
            "private_spillovers",
            types={"support": [0.2, 0.8], "points": points},
            tax_rule="designed",
            budget="none",
        )
        found = evaluate(parse_tree(tree))["mechanism"]["reported"]["continuum"]
        assert found["ir"]["status"] == "holds"
        assert found["points"] > 2 * points + 1
        left.append(found["ic"]["max_gain"])
    assert left[0] > 2 * left[1] > 4 * left[2] > 0
    few = {"support": [0.2, 0.8], "points": 4}
    for rule, holds in (("worst_type", True), ("groves", True), ("agv", True), ("printed", False)):
        tree = tree_of("private_spillovers", types=few, tax_rule=rule)
        found = evaluate(parse_tree(tree))["mechanism"]["reported"]
        assert (found["continuum"]["ic"]["status"] == "holds") is holds
        assert found["continuum"]["ic"]["max_gain"] >= found["checks"]["ic"]["max_gain"] - 1e-9
        assert (found["continuum"]["ir"]["status"] == "holds") is (rule == "worst_type")


@pytest.mark.slow
def test_gains_between_types_are_those_of_a_direct_search() -> None:
    """The gain at a witness off the grid, from the planner's levels solved for alone: mutual
    payments where the rival's type is known."""
    tree = tree_of("private_large_and_small", tax_rule="agv", incentive="dominant")
    policy = parse_tree(tree)
    assert policy.types is not None
    types = type_space(policy.types)
    found = evaluate(policy)["mechanism"]["reported"]["continuum"]
    witness = found["ic"]["witness"]
    assert found["ic"]["status"] == "violated"
    assert witness["firm"] == 2
    case = policy.market.flat()

    def accounts(report: float, rival: float, true: float) -> tuple[float, float]:
        """Firm 2's subsidy at reports, and its profit there at its true type."""
        from market.regimes import solve_regime

        levels = solve_regime(case.with_cost_spillover([[rival, report]]), "social_optimum").levels
        assert levels is not None
        told = account(case.with_cost_spillover([[rival, report]]), levels[None], bertrand_matrix)
        truly = account(case.with_cost_spillover([[rival, true]]), levels[None], bertrand_matrix)
        return float(told.total_surplus.sum() - told.profit[0, 1]), float(truly.profit[0, 1])

    def expected_subsidy(report: float) -> float:
        return float(
            sum(
                p * accounts(report, t, report)[0]
                for t, p in zip(types.types, types.probabilities, strict=True)
            )
        )

    gains = []
    moved = expected_subsidy(witness["report"]) - expected_subsidy(witness["type"])
    for rival in types.types:
        gains.append(
            accounts(witness["report"], rival, witness["type"])[1]
            - accounts(witness["type"], rival, witness["type"])[1]
            + moved
        )
    assert max(gains) == pytest.approx(witness["gain"], rel=1e-7)


@pytest.mark.slow
def test_where_types_change_nothing_transfers_are_still_found() -> None:
    """Without a saving a type has no effect; what is solved for is then rounding beside the
    payoffs, and must not make the program fail."""
    for participation in ("ir_market", "ir2"):
        tree = tree_of(
            "two_types",
            payoff="with_cost",
            tax_rule="designed",
            timing="ex_post",
            budget="none",
            participation=participation,
        )
        result = evaluate(
            parse_tree({**tree, "cost": {**tree["cost"], "max_saving": 0.0}, "expect": {}})
        )
        reported = result["mechanism"]["reported"]
        assert reported["design"]["status"] == "optimal"
        assert reported["checks"]["ic"]["status"] == "holds"
        assert reported["checks"][participation]["status"] == "holds"
