"""Many cases at once give what each gives alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linprog
from trees import evaluate

from market.outcome import SOLVED
from market.regimes import REGIMES
from mechanism.many import NUMBERS, solve_many, stack, tax_rules
from mechanism.many_types import solve_block
from mechanism.rules import market_rules
from mechanism.schema import PolicyCase, load_case, parse_tree
from mechanism.transfers import least_payoffs
from mechanism.types import type_space

CASES = Path(__file__).resolve().parents[1] / "cases"
POLICIES = [*REGIMES, *tax_rules()]
COMPARED = ("no_sharing", "nash", "joint_profit", "price_collusion", "social_optimum", "first_best")


def expected_row(case: PolicyCase, policy: str, result: dict[str, object]) -> dict[str, object]:
    """The figures that `evaluate` gives for this policy, under the names of the columns."""
    regimes, comparison = result["regimes"], {row["policy"]: row for row in result["comparison"]}  # type: ignore[index, union-attr]
    if policy in tax_rules():
        found = result["mechanism"]  # type: ignore[assignment]
        told = found["reported"] if policy == case.mechanism.tax_rule else (found["alternatives"] or {}).get(policy)  # type: ignore[index]
        if told is None:
            return {"status": "not_asked"}
        played = told["if_not_truthful"]
        expected = told["expected"] if played is None else played["expected"]
        row = {"status": "no_equilibrium" if expected is None else "converged", "ic_max_gain": told["checks"]["ic"]["max_gain"]}
        if case.mechanism.participation != "none":
            row["ir_min_slack"] = told["checks"][case.mechanism.participation]["min_slack"]
        if expected is not None:
            row |= {"welfare": expected["welfare"], "consumer_surplus": expected["consumer_surplus"], "public_outlay": expected["budget"]}
            row |= {f"profit_{i + 1}": expected["payoff"][i] for i in (0, 1)}
            row |= {f"{name}_{i + 1}": expected[name][i] for name in ("sharing", "investment") for i in (0, 1)}
        return row
    told = regimes[policy] if case.types is None else comparison.get(policy)  # type: ignore[index]
    if told is None:
        return {}
    row = {"status": told["status"]}
    if told["welfare"] is None:
        return row
    names = ("sharing", "investment", "profit") if case.types is not None else ("sharing", "investment", "price", "profit")
    row |= {f"{name}_{i + 1}": told[name][i] for name in names for i in (0, 1)}
    return row | {name: told[name] for name in ("consumer_surplus", "welfare")}


def compare(cases: list[PolicyCase], policies: list[str], rtol: float = 1e-9) -> None:
    """Assert that many at once and one at a time agree."""
    columns = solve_many(cases, policies)
    assert all(len(column) == len(cases) * len(policies) for column in columns.values())
    for i, case in enumerate(cases):
        result = evaluate(case)
        for j, policy in enumerate(policies):
            row = {name: column[i * len(policies) + j] for name, column in columns.items()}
            assert row["policy"] == policy
            where = f"{case.name}: {policy}: {row['message']}"
            for name, value in expected_row(case, policy, result).items():
                if value is None:
                    assert name == "status" or np.isnan(row[name]), f"{where}: {name}"
                elif isinstance(value, str):
                    assert row[name] == value, f"{where}: {name}"
                else:
                    # A gain or slack near zero is what sums of payoffs round to.
                    size = max(1.0, abs(row["welfare"])) if name in ("ic_max_gain", "ir_min_slack", "public_outlay") else 1e-3
                    assert row[name] == pytest.approx(value, rel=rtol, abs=rtol * size), f"{where}: {name}"
            if row["status"] not in SOLVED:
                assert all(np.isnan(row[name]) for name in NUMBERS if name not in ("ic_max_gain", "ir_min_slack", "residual"))
                assert row["message"]


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("*.yaml")))
def test_every_shipped_case_gives_what_evaluate_gives(name: str) -> None:
    case = load_case(CASES / f"{name}.yaml")
    staged = [key for key, regime in REGIMES.items() if regime.order != "together"]
    compare([case], [key for key in POLICIES if case.types is None or key not in staged])


def typed(count: int, seed: int, **mechanism: str) -> list[PolicyCase]:
    """Random cases with the same types: half of equal firms, some with corners, some outside the paper's assumptions."""
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
        tree["security"] = {"rivalry": float(rng.uniform(0, 0.6)), "demand_spillover": float(rng.uniform(0.05, 0.5)), "leakage": leakage}
        tree["cost"] |= {"scale": float(rng.uniform(12, 30)), "max_saving": float(rng.uniform(0.1, 0.5)), "spillover": 0.5}
        tree["types"] = {"support": [0.2, 0.8], "points": 6}
        tree["mechanism"] |= mechanism
        cases.append(parse_tree(tree))
    return cases


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
    policies = ["nash", "joint_profit", "social_optimum", "first_best", *(rule for rule in market_rules() if rule != "designed")]
    compare(typed(8, 11, **mechanism), policies)


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
    """Where expectations are all that counts they are longest paths; elsewhere each case has its linear program."""
    compare(typed(3, 5, **{"tax_rule": "groves", **mechanism}), ["social_optimum", "designed", "groves"], 1e-8)


def test_a_design_over_budget_says_so() -> None:
    """In these markets no truthful scheme with voluntary participation pays for itself."""
    columns = solve_many(typed(2, 5, budget="ex_ante"), ["designed"])
    assert (columns["public_outlay"] > 1).all()
    assert all("budget" in message for message in columns["message"])
    free = solve_many(typed(2, 5, budget="none"), ["designed"])
    assert not any(free["message"])
    np.testing.assert_array_equal(free["public_outlay"], columns["public_outlay"])


def test_least_payoffs_are_longest_paths_or_none() -> None:
    """Against a linear program over random values, and a cycle of two misreports that gains whatever is paid."""
    rng = np.random.default_rng(2)
    # Values with increasing differences in type and report can always be made truthful; swapping two rows gives a cycle.
    types = np.sort(rng.uniform(0, 1, (30, 6)), -1)
    interim = types[:, :, None] * np.linspace(0, 2, 6) ** 2 - rng.uniform(0, 1, (30, 1, 6))
    floor = rng.uniform(-1, 1, (30, 6))
    found = least_payoffs(interim, floor)
    for k in range(30):
        rows = [(t, r) for t in range(6) for r in range(6) if t != r]
        A, b = np.zeros((len(rows), 6)), np.empty(len(rows))
        for n, (t, r) in enumerate(rows):
            A[n, r], A[n, t], b[n] = 1, -1, interim[k, r, r] - interim[k, t, r]
        told = linprog(np.ones(6), A_ub=A, b_ub=b, bounds=list(zip(floor[k], [None] * 6, strict=True)))
        np.testing.assert_allclose(found[k], told.x, atol=1e-9)
    # Two reports with the same assignment are a cycle that gains nothing, however large what all payoffs have in common.
    doubled = interim[:, :, [0, 1, 2, 2, 4, 5]] + 1e6
    doubled[:, :, 3] = doubled[:, :, 2]
    assert np.isfinite(least_payoffs(doubled, floor)).all()
    swapped = interim[:, [1, 0, 2, 3, 4, 5]]
    assert np.isnan(least_payoffs(swapped, floor)).all()
    mixed = least_payoffs(np.stack([interim[0], swapped[0]]), floor[:2] * 0)
    assert np.isfinite(mixed[0]).all()
    assert np.isnan(mixed[1]).all()


def test_a_block_is_solved_together() -> None:
    """Most cases are plain; what is not is left out and done alone."""
    cases = typed(20, 3)
    alike = [case for case in cases if case.market.alike()]
    policies = ["nash", "social_optimum", "printed", "groves"]
    case = alike[0]
    assert case.types is not None
    _, plain = solve_block(stack([c.market for c in alike]), type_space(case.types), case.mechanism, policies)
    assert plain.mean() >= 0.8
