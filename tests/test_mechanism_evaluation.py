"""The result tree as a whole: the comparison, its tidy table, and expectations."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from trees import evaluate

from mechanism.analysis import evaluation
from mechanism.casefile.policy_case import load_case, parse_tree
from mechanism.report.evaluation_tree import look_up
from mechanism.report.table import comparison_frame

CASES = Path(__file__).resolve().parents[1] / "cases"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("*.yaml")))
def test_every_shipped_case_meets_its_expectations_and_is_plain_json(name: str) -> None:
    """Values from the oracle hold at the tolerances of the file, and the tree holds no NaN."""
    result = evaluate(load_case(CASES / f"{name}.yaml"))
    assert [e for e in result["expectations"] if not e["ok"]] == []
    assert result["expectations"] or name == "starter"
    json.dumps(result, allow_nan=False)
    policies = [row["policy"] for row in result["comparison"]]
    assert ("vcg_reported" in policies) == (result["case"]["types"] is not None)


@pytest.mark.slow
def test_changes_and_shares_follow_from_the_figures() -> None:
    """The tidy table: shares of the gain are 0 for today's market and 1 for the optimum; consumers
    and firms share every change."""
    frame = comparison_frame(
        [evaluation.evaluate(load_case(CASES / "large_and_small.yaml"))]
    ).set_index("policy")
    assert frame.loc["nash", "share_of_gain"] == 0
    assert frame.loc["social_optimum", "share_of_gain"] == pytest.approx(1)
    # What the public pays is among what firms keep, and nobody else's gain.
    parts = (
        frame[["change_profit_1", "change_profit_2", "change_consumer_surplus"]].sum(axis=1)
        - frame["public_outlay"]
    )
    assert list(parts) == pytest.approx(list(frame["change_welfare"]), abs=1e-8)
    everybody = (
        frame[["profit_1", "profit_2", "consumer_surplus"]].sum(axis=1) - frame["public_outlay"]
    )
    assert list(everybody) == pytest.approx(list(frame["welfare"]))
    assert frame.loc["linear_subsidies", "public_outlay"] > 0


def test_paths_reach_into_the_tree_and_say_when_they_do_not() -> None:
    tree = {"a": {"b": [1, {"c": 2}]}}
    assert look_up(tree, "a.b[1].c") == 2
    assert look_up(tree, "a.x") == "no such key"
    assert look_up(tree, "a.b[7]") == "no such key"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["two_vendors", "restricted_cost", "two_types", "private_large_and_small"]
)
def test_the_recommendation_follows_from_the_rows(name: str) -> None:
    """Of what competes and falls short of the best by less than counts, what asks the least, then
    costs the public the least."""
    result = evaluate(load_case(CASES / f"{name}.yaml"))
    rows, told = result["comparison"], result["recommendation"]
    today = next(
        row
        for row in rows
        if row["policy"] == ("nash" if result["case"]["types"] is None else "bayes_nash")
    )
    able = [row for row in rows if row["competes"]]
    assert all((row["why_not"] is None) == row["competes"] for row in rows)
    top = max(row["value"] for row in able)
    short = max(0.05 * (top - today["value"]), 1e-3 * today["welfare"])
    equal = [row for row in able if row["value"] >= top - short]
    asks = ["nothing", "permission", "order", "money", "reports"]
    least = min(asks.index(row["requires"]) for row in equal)
    best = min(
        (row for row in equal if asks.index(row["requires"]) == least),
        key=lambda row: round(row["outlay_joined"], 6),
    )
    assert told["policy"] == best["policy"]
    assert told["value"] == best["value"]
    # Consumers, firms and taxpayers: nothing is lost on the way.
    for row in able:
        kept = sum(row["profit"]) + sum(row["net_transfer"]) - row["public_outlay"]
        assert row["value"] == pytest.approx(
            row["consumer_surplus"] + kept - row["outlay_joined"], rel=1e-9
        )


@pytest.mark.slow
def test_with_the_printed_payoff_the_highest_report_is_not_always_best() -> None:
    """Own cost missing from (38), no type has a part in it, so all types report the same: with
    equal firms usually the highest, but a large firm beside a small one can earn more when little
    is asked of either, and reports the lowest.
    """
    tree = {
        "demand": {"intercept": [21.065, 11.111], "own_slope": 1.7988, "cross_slope": 0.7026},
        "security": {
            "rivalry": 0.698,
            "demand_spillover": 0.1743,
            "leakage": {"own": 1.4404, "cross": 0.1855, "interaction": 0.5643},
        },
        "cost": {"scale": 4.4997, "max_saving": 0.4367, "spillover": 0.5},
        "types": {"values": [0.1, 0.5, 0.9]},
        "mechanism": {"tax_rule": "printed", "payoff": "printed"},
    }
    played = evaluate(parse_tree(tree))["mechanism"]["reported"]["if_not_truthful"]
    assert played["reports"] == [[0.1] * 3, [0.9] * 3]
    tree["demand"] |= {"intercept": 16}
    played = evaluate(parse_tree(tree))["mechanism"]["reported"]["if_not_truthful"]
    assert played["reports"] == [[0.9] * 3, [0.9] * 3]


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_types_whose_profit_has_no_limit_are_told_of_without_a_warning() -> None:
    """Investment is so cheap that every type's profit rises with it for ever: that is no
    equilibrium, whatever its search runs into."""
    tree = copy.deepcopy(load_case(CASES / "two_types.yaml").resolved)
    tree["cost"]["scale"] = 0.2
    rows = {row["policy"]: row for row in evaluate(parse_tree(tree))["comparison"]}
    assert rows["nash"]["status"] == "unbounded"
    assert rows["bayes_nash"]["status"] == "no_equilibrium"
    assert rows["bayes_nash"]["profit"] is None
