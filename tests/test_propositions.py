"""The paper's claims: at shipped cases, over samples, and on the command line."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run

from market.regimes import REGIMES, solve_regime
from mechanism.analysis.evaluation import evaluate
from mechanism.casefile.policy_case import PolicyCase, load_case, parse_tree
from mechanism.claims.claim import finding_of
from mechanism.claims.claims_tree import market_tree, propositions_tree, sample_tree
from mechanism.claims.propositions import CLAIMS, claims_at
from mechanism.claims.sample import (
    confirmed,
    draw,
    ground_of_case,
    ground_of_sample,
    propositions,
    sampled,
)
from mechanism.report.verdicts import warnings

IDS = [
    *(
        "P1.i",
        "P1.ii",
        "L1.i",
        "L1.ii",
        "P2.i",
        "P2.ii",
        "P2.iii",
        "P3.i",
        "P3.ii",
        "P4.i",
        "P4.ii",
        "P4.iii",
        "P5.i",
        "P5.ii",
        "P6",
    ),
    *(
        "P7.i",
        "P7.ii",
        "R.negative_spillover",
        "R.price_collusion",
        "R.investment_first",
        "R.restricted_cost",
    ),
    *("B.full_information", "B.truthful", "B.participation"),
]
ROOT = Path(__file__).resolve().parents[1]


def case(name: str) -> PolicyCase:
    return load_case(ROOT / "cases" / f"{name}.yaml")


sampled_once = cache(sampled)


@cache
def findings(name: str) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in propositions_tree(propositions(case(name)))["claims"]}


@pytest.mark.slow
def test_every_claim_has_its_row_in_order() -> None:
    assert [claim.key for claim in CLAIMS] == IDS
    assert list(findings("two_vendors")) == IDS


@pytest.mark.slow
def test_a_moderate_market_meets_the_assumptions_and_the_claims_hold() -> None:
    """All but participation: firms earn far less at the planner's levels than in today's market."""
    rows = findings("two_vendors")
    asked = {key: row for key, row in rows.items() if row["holds"] is not None}
    assert {key for key, row in asked.items() if not row["holds"]} == {"B.participation"}
    assert all(row["assumption"]["met"] is not False for row in rows.values())
    assert rows["B.participation"]["margin"] == pytest.approx(-49.49, abs=0.01)
    for key in ("P7.i", "P7.ii", "R.negative_spillover", "B.truthful"):
        assert rows[key]["holds"] is None
        assert rows[key]["margin"] is None


@pytest.mark.slow
def test_margins_are_what_their_numbers_say() -> None:
    rows = findings("two_vendors")
    regimes = {
        key: solve_regime(case("two_vendors").market, key)
        for key in ("nash", "no_sharing", "sequential", "price_collusion")
    }
    assert rows["P5.i"]["margin"] == pytest.approx(
        regimes["nash"].welfare - regimes["no_sharing"].welfare, rel=1e-9
    )
    assert rows["R.price_collusion"]["margin"] == pytest.approx(
        regimes["nash"].welfare - regimes["price_collusion"].welfare, rel=1e-9
    )
    leader, nash = regimes["sequential"].levels, regimes["nash"].levels
    assert leader is not None
    assert nash is not None
    assert rows["P6"]["margin"] == pytest.approx(float((leader - nash)[[0, 2]].min()), rel=1e-9)
    assert rows["P1.i"]["numbers"]["dp_i_dt_i"][0] == pytest.approx(
        (3 + 0.3 * nash[1] - 0.3) / 8, rel=1e-9
    )


@pytest.mark.slow
def test_an_alliance_outside_assumption_1_invests_less_than_the_market() -> None:
    row = findings("fierce_rivalry")["P5.ii"]
    assert row["assumption"]["met"] is False
    assert row["holds"] is False
    assert row["numbers"]["joint_profit.investment"][0] < row["numbers"]["nash.investment"][0]


@pytest.mark.slow
def test_a_counterexample_to_proposition_5_i() -> None:
    """Assumption 2 is met and welfare lower with sharing; the shipped case's expectations are the
    oracle's, which read none of this."""
    row = findings("sharing_lowers_welfare")["P5.i"]
    assert row["assumption"]["met"] is True
    assert row["holds"] is False
    expected = case("sharing_lowers_welfare").expect
    difference = (
        expected["regimes.nash.welfare"].value - expected["regimes.no_sharing.welfare"].value
    )
    assert row["margin"] == pytest.approx(difference, rel=1e-6)
    assert row["margin"] < -0.02


@pytest.mark.slow
def test_volume_related_costs() -> None:
    rows = findings("unit_costs")
    assert rows["P7.i"]["holds"] is None
    assert rows["P7.i"]["numbers"]["sharing"][0] < 0
    assert rows["P7.ii"]["holds"] is True
    assert rows["P1.i"]["assumption"]["met"] is False
    assert "unit costs" in rows["P1.i"]["assumption"]["detail"]


@pytest.mark.slow
def test_negative_spillover_and_the_restricted_cost() -> None:
    assert findings("negative_spillover")["R.negative_spillover"]["holds"] is True
    rows = findings("restricted_cost")
    assert rows["R.restricted_cost"]["holds"] is True
    effort = rows["R.restricted_cost"]["numbers"]
    assert effort["restricted.sharing_1"][0] < effort["restricted.sharing_0"][0]
    assert effort["saturating.sharing_1"][0] > effort["saturating.sharing_0"][0]


def one_firm_apart(first: int) -> PolicyCase:
    """Firms alike but for rivalry and demand spillover, of which one has those of the paper."""
    one = case("two_vendors")
    for key, values in {
        "security.rivalry": (0.1, 0.9),
        "security.demand_spillover": (0.3, -0.3),
    }.items():
        one = one.set(key, list(values[:: 1 - 2 * first]))
    return one


@pytest.mark.parametrize("first", [0, 1])
def test_assumptions_are_asked_of_both_firms(first: int) -> None:
    """What one firm alone breaks is broken, whichever of the two it is."""
    one = one_firm_apart(first)
    g = ground_of_case(one)
    assert g.assumption_1[0] == 0
    assert g.equal_firms[0] == 0
    assert not g.spillover_positive[0]
    rows = {row["id"]: row for row in propositions_tree(propositions(one))["claims"]}
    assert rows["R.negative_spillover"]["holds"] is None  # the other's is positive
    assert "alpha = 0.9" in rows["P1.i"]["assumption"]["detail"]


@pytest.mark.parametrize("first", [0, 1])
def test_warnings_name_the_firm_that_breaks_an_assumption(first: int) -> None:
    told = {w.code: w.text for w in warnings(evaluate(one_firm_apart(first), switches=False))}
    broken = 1 - first
    assert told["rivalry_above_bound"].startswith(f"security.rivalry[{broken}] = 0.9 exceeds")
    assert told["negative_spillover"].startswith(f"security.demand_spillover[{broken}] = -0.3")


def test_marginal_sharing_counts_what_the_rival_feels() -> None:
    """Assumption 2's expressions are 4 b1 b1 - b2^2 times what own sharing does to the own price at
    today's investment, without sharing and with full sharing by both."""
    g = ground_of_case(
        case("two_vendors")
        .set("security.demand_spillover", [0.2, 0.5])
        .set("security.leakage.cross", [0.1, 0.4])
        .set("security.leakage.interaction", [0.3, 0.05])
    )
    own = g.case.own_slope * np.ones(2)
    factor = 4 * own[:, 0] * own[:, 1] - g.case.cross_slope[:, 0] ** 2
    for s, told in zip((0.0, 1.0), g.sharing_slopes, strict=True):
        x = g.nash.copy()
        x[:, :2] = s
        slopes = g.price_slopes(x)
        assert told[0] == pytest.approx([factor[0] * slopes[0, i, i] for i in (0, 1)], rel=1e-9)


@pytest.mark.slow
def test_the_printed_tax_is_not_truthful_where_types_are_private() -> None:
    row = findings("two_types")["B.truthful"]
    assert row["holds"] is False
    assert row["numbers"]["largest_gain"] == pytest.approx(22.528672514528, rel=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize(("unit_costs", "alone_too"), [(False, 4), (True, 2)])
def test_a_sampled_market_gives_the_same_findings_alone(unit_costs: bool, alone_too: int) -> None:
    """Many at once, searched, against one at a time with certificates; those with unit costs, which
    take seconds each, as far as every claim is met, not met and not asked."""
    many = draw(6, np.random.default_rng(5), unit_costs)
    ground = ground_of_sample(many, 6)
    together = claims_at(ground)
    for lane in range(alone_too):
        alone_ground = ground_of_case(parse_tree(market_tree(many.take([lane]), "one")))
        alone = claims_at(alone_ground)
        for key in IDS:
            if key in ("B.full_information", "B.truthful", "P7.ii" if not unit_costs else ""):
                continue
            many_margin, one_margin = float(together[key].margin[lane]), float(alone[key].margin[0])
            if np.isnan(many_margin) and np.isnan(one_margin):
                continue
            np.testing.assert_allclose(
                many_margin, one_margin, rtol=1e-5, atol=1e-7, err_msg=f"{key} in market {lane}"
            )


@pytest.mark.slow
def test_a_claim_needs_the_regimes_that_it_says_and_no_others() -> None:
    """A counterexample is confirmed in these alone."""
    ground = ground_of_sample(draw(6, np.random.default_rng(5), True), 6)
    for claim in CLAIMS:
        for unasked in set(ground.levels) - set(claim.compares):
            rest = {key: x for key, x in ground.levels.items() if key != unasked}
            found = finding_of(claim, replace(ground, levels=rest))
            np.testing.assert_array_equal(found.margin, finding_of(claim, ground).margin)


@pytest.mark.slow
def test_counts_add_up_and_depend_on_the_seed_alone() -> None:
    first, again = (sample_tree(sampled(24, 1)) for _ in range(2))
    assert json.dumps(first) == json.dumps(again)
    assert first["claims"] != sample_tree(sampled_once(24, 2))["claims"]
    for row in first["claims"]:
        assert sum(row["met"].values()) + sum(row["not_met"].values()) + row["not_asked"] == 24
    by_id = {row["id"]: row for row in first["claims"]}
    # The derivative claims are proven under their assumptions: no draw can contradict them.
    for key in (
        "P1.i",
        "P1.ii",
        "L1.i",
        "L1.ii",
        "P2.i",
        "P2.ii",
        "P2.iii",
        "P3.i",
        "P3.ii",
        "P4.i",
        "P4.ii",
        "P4.iii",
        "P5.ii",
        "P6",
    ):
        assert by_id[key]["met"]["false"] == 0
    assert by_id["B.participation"]["worst"]["margin"] < 0


@pytest.mark.slow
def test_what_extended_precision_does_not_confirm_is_no_counterexample() -> None:
    policy = case("two_vendors")
    ground = ground_of_case(policy)
    claim = next(claim for claim in CLAIMS if claim.key == "P5.i")
    assert confirmed(claim, ground, 0) is None
    hurt = ground_of_case(case("sharing_lowers_welfare"))
    margin = confirmed(claim, hurt, 0)
    assert margin == pytest.approx(float(claims_at(hurt)["P5.i"].margin[0]), rel=1e-8)


@pytest.mark.slow
def test_the_refined_levels_solve_the_conditions_to_more_than_double_precision() -> None:
    from market.regimes.statics import conditions
    from mechanism.claims.sample import refined

    ground = ground_of_case(case("two_vendors"))
    fine = ground.case.map(lambda a: a.astype(np.longdouble))
    if np.finfo(np.longdouble).eps >= np.finfo(float).eps:
        pytest.skip("this machine has no extended precision")
    for key in ("nash", "social_optimum"):
        x = refined(fine, REGIMES[key], ground.levels[key])
        assert np.abs(conditions(fine, REGIMES[key], x)).max() < 1e-16


# --- on the command line


@pytest.fixture
def vendors(tmp_path: Path) -> Path:
    path = tmp_path / "case.yaml"
    path.write_text((ROOT / "cases" / "two_vendors.yaml").read_text())
    return path


@pytest.mark.slow
def test_table_json_and_csv_say_the_same(
    run: Run, vendors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = propositions(load_case(vendors))
    monkeypatch.setattr("mechanism.claims.sample.propositions", lambda *given: found)
    table, tree, rows = (
        run("propositions", vendors, "--format", form) for form in ("table", "json", "csv")
    )
    assert table.code == tree.code == rows.code == 0
    told = json.loads(tree.out)
    assert told["sample"] is None
    assert [row["id"] for row in told["claims"]] == IDS
    assert [row["id"] for row in csv.DictReader(io.StringIO(rows.out))] == IDS
    for row in told["claims"]:
        assert row["id"] in table.out
        assert set(row) == {"id", "text", "assumption", "holds", "margin", "numbers"}
        assert set(row["assumption"]) == {"met", "detail"}
    assert "does not hold here: B.participation" in table.err
    assert run("propositions", vendors, "--strict", "--quiet").code == 3


@pytest.mark.slow
def test_counterexamples_are_good_case_files(
    run: Run, vendors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mechanism.claims.sample.sampled", sampled_once)
    done = run(
        "propositions",
        vendors,
        "--sample",
        24,
        "--seed",
        2,
        "--counterexamples",
        tmp_path,
        "--format",
        "json",
    )
    assert done.code == 0
    told = json.loads(done.out)["sample"]
    assert told["count"] == 24
    files = sorted(tmp_path.glob("counterexample_*.json"))
    assert {path.stem for path in files} >= {
        "counterexample_B_participation",
        "counterexample_R_price_collusion",
    }
    for path in files:
        again = {
            row["id"]: row for row in propositions_tree(propositions(load_case(path)))["claims"]
        }
        key = path.stem.removeprefix("counterexample_").replace("_", ".", 1)
        assert again[key]["holds"] is False


def test_bad_usage_is_refused_before_anything_is_computed(
    run: Run, vendors: Path, tmp_path: Path
) -> None:
    done = run("propositions", vendors, "--counterexamples", tmp_path)
    assert done.code == 2
    assert "needs --sample N" in done.err
    done = run("propositions", vendors, "--sample", 10, "--counterexamples", tmp_path / "nowhere")
    assert done.code == 2
    assert "make it first" in done.err
    assert run("propositions", vendors, "--sample", 0).code == 2


@pytest.mark.slow
def test_statics_on_the_command_line(run: Run, vendors: Path) -> None:
    table, tree, rows = (
        run("statics", vendors),
        run("statics", vendors, "--format", "json"),
        run("statics", vendors, "--format", "csv"),
    )
    assert table.code == tree.code == rows.code == 0
    told = json.loads(tree.out)
    assert told["regime"] == "nash"
    assert set(told["values"]) == set(told["derivatives"])
    assert all(key in table.out for key in told["derivatives"])
    slopes = {
        (row["parameter"], row["figure"]): float(row["derivative"])
        for row in csv.DictReader(io.StringIO(rows.out))
    }
    assert (
        slopes["security.rivalry", "welfare"] == told["derivatives"]["security.rivalry"]["welfare"]
    )
    assert told["derivatives"]["security.rivalry"]["investment"][0] < 0


def test_statics_of_a_regime_without_a_solution(run: Run, vendors: Path) -> None:
    vendors.write_text(vendors.read_text().split("expect:")[0].replace("scale: 12", "scale: 2"))
    done = run("statics", vendors, "--regime", "social_optimum")
    assert done.code == 3
    assert "unbounded" in done.err
    assert done.out == ""
    assert run("statics", vendors, "--regime", "sequential").code == 2
