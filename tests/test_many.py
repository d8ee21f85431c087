"""Many cases at once give what each gives alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog
from trees import evaluate

from market.model.outcome import SOLVED
from market.regimes import REGIMES
from mechanism.analysis.many import NUMBERS, solve_many
from mechanism.analysis.many_types import solve_private
from mechanism.casefile.policies import followed, policy_of
from mechanism.casefile.policy_case import PolicyCase, load_case, parse_tree
from mechanism.casefile.together import stack
from mechanism.casefile.types import type_space
from mechanism.design.paths import least_payoffs
from mechanism.design.rules import market_rules

CASES = Path(__file__).resolve().parents[1] / "cases"
POLICIES = [*followed(private=True), "vcg_reported"]


def expected_row(
    case: PolicyCase, policy: str, result: dict[str, Any], everything: bool
) -> dict[str, Any]:
    """The figures that `evaluate` gives for this policy, under the names of the columns."""
    rows = {row["policy"]: row for row in result["comparison"]}
    told = rows.get(policy)
    if told is None:  # what no comparison shows: games in stages at known types
        told = result["regimes"].get(policy) if case.types is None else None
        if told is None:
            return (
                {}
                if policy in REGIMES or policy_of(policy).compared == "unpaid"
                else {"status": "not_asked"}
            )
    row = {"status": told["status"]}
    if told["welfare"] is None:
        return row
    row |= {name: told[name] for name in ("consumer_surplus", "welfare")}
    row |= {
        f"{name}_{i + 1}": told[name][i]
        for name in ("sharing", "investment", "profit")
        for i in (0, 1)
    }
    if policy not in rows:
        return row
    row |= {name: told[name] for name in ("public_outlay", "value", "outlay_joined")} | {
        "competes": float(told["competes"])
    }
    for key in ("flat_payments", "net_transfer"):
        row |= {
            f"{key.removesuffix('s')}_{i + 1}": None if told[key] is None else told[key][i]
            for i in (0, 1)
        }
    if everything:  # the winner is that among what is asked
        row["recommended"] = float(policy == result["recommendation"]["policy"])
    found = result["mechanism"]
    own = case.mechanism.tax_rule
    checked = (
        found["reported"]
        if policy in (own, "vcg_reported")
        else (found["alternatives"] or {}).get(policy)
    )
    if checked is not None and policy != "designed":
        row["ic_max_gain"] = checked["checks"]["ic"]["max_gain"]
        if case.mechanism.participation != "none":
            row["ir_min_slack"] = checked["checks"][case.mechanism.participation]["min_slack"]
    return row


def compare(cases: list[PolicyCase], policies: list[str], rtol: float = 1e-9) -> None:
    """Assert that many at once and one at a time agree."""
    columns = solve_many(cases, policies)
    assert all(len(column) == len(cases) * len(policies) for column in columns.values())
    for i, case in enumerate(cases):
        result = evaluate(case)
        everything = {row["policy"] for row in result["comparison"]} <= set(policies)
        for j, policy in enumerate(policies):
            row = {name: column[i * len(policies) + j] for name, column in columns.items()}
            assert row["policy"] == policy
            where = f"{case.name}: {policy}: {row['message']}"
            for name, value in expected_row(case, policy, result, everything).items():
                if value is None:
                    assert name == "status" or np.isnan(row[name]), f"{where}: {name}"
                elif isinstance(value, str):
                    assert row[name] == value, f"{where}: {name}"
                else:
                    # A gain or slack near zero is what sums of payoffs round to.
                    small = ("ic_max_gain", "ir_min_slack", "public_outlay", "outlay_joined")
                    money = name in small or name.startswith(("flat", "net"))
                    size = max(1.0, abs(row["welfare"])) if money else 1e-3
                    assert row[name] == pytest.approx(value, rel=rtol, abs=rtol * size), (
                        f"{where}: {name}"
                    )
            if row["status"] not in SOLVED:
                told_all_the_same = (
                    "ic_max_gain",
                    "ir_min_slack",
                    "residual",
                    "regret",
                    "competes",
                    "recommended",
                    "best_value",
                )
                assert all(np.isnan(row[name]) for name in NUMBERS if name not in told_all_the_same)
                assert row["message"], where


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("*.yaml"))[::2])
def test_every_shipped_case_gives_what_evaluate_gives(name: str) -> None:
    case = load_case(CASES / f"{name}.yaml")
    unseen = [key for key, regime in REGIMES.items() if not regime.policy]
    compare([case], [key for key in POLICIES if case.types is None or key not in unseen])


def typed(count: int, seed: int, **mechanism: str) -> list[PolicyCase]:
    """Random cases with the same types: half of equal firms, some with corners, some outside the
    paper's assumptions."""
    rng = np.random.default_rng(seed)
    cases = []
    for k in range(count):
        tree = load_case(CASES / "private_spillovers.yaml").resolved | {"expect": {}}
        own = float(rng.uniform(1.2, 1.8))
        tree["demand"] = {
            "intercept": 20.0 if k % 2 else [20.0, float(rng.uniform(12, 20))],
            "own_slope": own,
            "cross_slope": own * float(rng.uniform(0.2, 0.7)),
        }
        leakage = {"own": float(rng.uniform(0.8, 3)), "cross": 0.2, "interaction": 0.1}
        tree["security"] = {
            "rivalry": float(rng.uniform(0, 0.6)),
            "demand_spillover": float(rng.uniform(0.05, 0.5)),
            "leakage": leakage,
        }
        tree["cost"] |= {
            "scale": float(rng.uniform(12, 30)),
            "max_saving": float(rng.uniform(0.1, 0.5)),
            "spillover": 0.5,
        }
        tree["types"] = {"support": [0.2, 0.8], "points": 4}
        tree["mechanism"] |= mechanism
        cases.append(parse_tree(tree))
    return cases


@pytest.mark.slow
@pytest.mark.parametrize(
    "mechanism",
    [
        {},
        {"incentive": "dominant", "timing": "ex_post"},
        {"participation": "ir1", "payoff": "printed"},
        {"participation": "ir2", "timing": "ex_post"},
    ],
    ids=lambda options: " ".join(options.values()) or "usual",
)
def test_a_block_of_cases_with_types_gives_what_each_gives_alone(mechanism: dict[str, str]) -> None:
    policies = [
        "nash",
        "joint_profit",
        "social_optimum",
        "first_best",
        *(rule for rule in market_rules() if rule != "designed"),
    ]
    compare(typed(3, 11, **mechanism), policies)


@pytest.mark.slow
@pytest.mark.parametrize(
    "mechanism",
    [{}, {"incentive": "dominant", "timing": "ex_post"}, {"participation": "none"}],
    ids=lambda options: " ".join(options.values()) or "usual",
)
def test_a_block_of_cases_with_supports_per_firm_gives_what_each_gives_alone(
    mechanism: dict[str, str],
) -> None:
    support = [[0.2, 0.8], [0.1, 0.5]]
    cases = [
        parse_tree(case.resolved | {"types": {"support": support, "points": 3}})
        for case in typed(2, 3, **mechanism)
    ]
    compare(cases, [*followed(private=True)], 1e-8)


@pytest.mark.slow
@pytest.mark.parametrize(
    "mechanism",
    [
        {},
        {"objective": "max_surplus", "budget": "ex_post"},
        {"objective": "min_worst_deficit", "participation": "ir1", "budget": "none"},
        {"incentive": "dominant"},
        {"timing": "ex_post", "objective": "min_violation"},
        {"tax_rule": "designed", "allocation": "second_best", "objective": "max_surplus"},
        {"payoff": "printed"},
        {"participation": "none"},
    ],
    ids=lambda options: " ".join(options.values()) or "usual",
)
def test_transfers_solved_for_in_a_block_are_those_of_evaluate(mechanism: dict[str, str]) -> None:
    """Where expectations are all that counts they are longest paths; elsewhere each case has its
    linear program."""
    compare(
        typed(2, 5, **{"tax_rule": "groves", **mechanism}),
        ["social_optimum", "designed", "groves"],
        1e-8,
    )


def test_the_case_s_own_design_over_budget_says_so_and_the_one_compared_has_no_budget() -> None:
    """In these markets no truthful scheme with voluntary participation pays for itself."""
    columns = solve_many(
        typed(2, 5, budget="ex_ante", tax_rule="designed"), ["designed", "vcg_reported"]
    )
    assert (columns["public_outlay"] > 1).all()
    assert ["budget" in message for message in columns["message"]] == [False, True] * 2
    outlay = columns["public_outlay"]
    np.testing.assert_array_equal(outlay[::2], outlay[1::2])


def test_least_payoffs_are_longest_paths_or_none() -> None:
    """Against a linear program over random values, and a cycle of two misreports that gains
    whatever is paid."""
    rng = np.random.default_rng(2)
    # Values with increasing differences in type and report can always be made truthful; swapping
    # two rows gives a cycle.
    types = np.sort(rng.uniform(0, 1, (30, 6)), -1)
    interim = types[:, :, None] * np.linspace(0, 2, 6) ** 2 - rng.uniform(0, 1, (30, 1, 6))
    floor = rng.uniform(-1, 1, (30, 6))
    found = least_payoffs(interim, floor)
    for k in range(30):
        rows = [(t, r) for t in range(6) for r in range(6) if t != r]
        A, b = np.zeros((len(rows), 6)), np.empty(len(rows))
        for n, (t, r) in enumerate(rows):
            A[n, r], A[n, t], b[n] = 1, -1, interim[k, r, r] - interim[k, t, r]
        told = linprog(
            np.ones(6), A_ub=A, b_ub=b, bounds=list(zip(floor[k], [None] * 6, strict=True))
        )
        np.testing.assert_allclose(found[k], told.x, atol=1e-9)
    # Two reports with the same assignment are a cycle that gains nothing, however large what all
    # payoffs have in common.
    doubled = interim[:, :, [0, 1, 2, 2, 4, 5]] + 1e6
    doubled[:, :, 3] = doubled[:, :, 2]
    assert np.isfinite(least_payoffs(doubled, floor)).all()
    swapped = interim[:, [1, 0, 2, 3, 4, 5]]
    assert np.isnan(least_payoffs(swapped, floor)).all()
    mixed = least_payoffs(np.stack([interim[0], swapped[0]]), floor[:2] * 0)
    assert np.isfinite(mixed[0]).all()
    assert np.isnan(mixed[1]).all()


@pytest.mark.slow
def test_a_block_is_solved_together() -> None:
    """Most cases are plain; every case has its place."""
    cases = typed(20, 3)
    symmetric = [case for case in cases if case.market.symmetric()]
    policies = [policy_of(key) for key in ("nash", "social_optimum", "printed", "groves")]
    case = symmetric[0]
    assert case.types is not None
    parts = solve_private(
        stack([c.market for c in symmetric]), type_space(case.types), case.mechanism, policies
    )
    lanes = [lane for some, _ in parts for lane in some]
    assert sorted(lanes) == list(range(len(symmetric)))
    assert len(parts[0][0]) >= 0.8 * len(symmetric)
