"""The findings of a batch: against counting by hand, and files that are no results."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import Run

from mechanism import batch_findings
from mechanism.batch_findings import Result, groups, read_result
from mechanism.tree import Tree, findings_tree

CASES = Path(__file__).resolve().parents[1] / "cases"
DESIGN = """case: {case}
vary:
  demand.cross_slope: {{low: 0.3, high: 1.2}}
  cost.form: {{values: [saturating, exponential]}}
  cost.scale: {{low: 9, high: 20}}
sample: {{method: sobol, count: 32, seed: 3}}
policies: [nash, joint_profit, price_collusion, social_optimum]
"""


def findings(result: Result, by: list[str]) -> Tree:
    """The findings as the tree that users are given."""
    return findings_tree(batch_findings.findings(result, by))


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small batch."""
    from typer.testing import CliRunner

    from cli.app import app

    folder = tmp_path_factory.mktemp("batch")
    (folder / "design.yaml").write_text(DESIGN.format(case=CASES / "two_vendors.yaml"))
    out = folder / "result.csv"
    assert CliRunner().invoke(app, ["batch", str(folder / "design.yaml"), "--out", str(out), "--quiet"]).exit_code == 0
    return out


def test_shares_and_quantiles_are_those_counted_by_hand(result: Path) -> None:
    frame = pd.read_csv(result)
    wide = frame.pivot(index="case_id", columns="policy", values="welfare")
    competing = wide[["nash", "joint_profit", "price_collusion"]]
    best = competing.idxmax(axis=1).where(wide["social_optimum"].notna())
    found = findings(read_result(result), [])
    rows = {row["policy"]: row for row in found["policies"]}
    assert found["cases"] == 32
    for policy in competing:
        assert rows[policy]["wins"] == pytest.approx((best == policy).mean())
        gain = (wide[policy] - wide["nash"]).dropna()
        assert rows[policy]["gain"]["q50"] == pytest.approx(gain.median(), abs=1e-12)
        assert rows[policy]["gain"]["q95"] == pytest.approx(gain.quantile(0.95), abs=1e-12)
        assert rows[policy]["beats_market"] == pytest.approx((gain > 0).mean())
    assert rows["social_optimum"]["wins"] is None
    assert sum(rows["nash"]["status"].values()) == 32
    assert rows["nash"]["solved"] == pytest.approx(frame[frame.policy == "nash"].status.isin(["converged", "corner"]).mean())
    assert found["undecided"] == pytest.approx(wide["social_optimum"].isna().mean())
    # Groups share the cases out, and the whole is their mean.
    for key, told in found["by"].items():
        assert sum(group["cases"] for group in told) == 32, key
        mean = sum(group["cases"] * next(r for r in group["policies"] if r["policy"] == "nash")["wins"] for group in told) / 32
        assert mean == pytest.approx(rows["nash"]["wins"])
    assert {group["group"] for group in found["by"]["cost.form"]} == {"saturating", "exponential"}


def test_the_three_formats(run: Run, result: Path) -> None:
    told = json.loads(run("compare", result, "--format", "json").out)
    rows = list(csv.DictReader(io.StringIO(run("compare", result, "--format", "csv").out)))
    wins = next(row for row in rows if (row["key"], row["policy"], row["figure"]) == ("", "nash", "wins"))
    assert float(wins["value"]) == next(row for row in told["policies"] if row["policy"] == "nash")["wins"]
    page = run("compare", result, "--by", "cost.form").out
    assert "By cost.form" in page
    assert "By cost.scale" not in page
    assert max(map(len, page.splitlines())) <= 100


def test_groups_of_many_values_are_of_equal_size() -> None:
    values = np.arange(100.0)
    found = groups(values)
    assert [group.which.sum() for group in found] == [20] * 5
    assert np.sum([group.which for group in found], axis=0).tolist() == [1] * 100
    few = groups(np.array([1.0, 2.0, np.nan]))
    assert [(group.name, group.low, group.missing) for group in few] == [("1", 1.0, False), ("2", 2.0, False), ("null", None, True)]
    assert [(group.name, group.low) for group in groups(np.array(["b", "a"], object))] == [("a", None), ("b", None)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "is no result of pigou batch: it has no column case_id"),
        ("case_id,policy,status,welfare\n", "has no rows"),
        ("case_id,policy,status,welfare\n1,nash,converged,1\n1,x,converged,1\n2,nash,converged,1\n", "is no whole result"),
        ("case_id,policy,status,welfare\n1,nash,converged,much\n", "has something else than numbers in the column welfare"),
        ("", "cannot be read"),
    ],
)
def test_what_is_no_result_is_refused(run: Run, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "some.csv"
    path.write_text(text)
    done = run("compare", path)
    assert done.code == 2
    assert message in " ".join(done.err.split())


def test_bad_usage(run: Run, result: Path) -> None:
    assert "one result of a batch" in run("compare", result, result).err + run("compare", result, CASES / "two_vendors.yaml").err
    done = run("compare", result, "--by", "cost.scal")
    assert (done.code, "did you mean cost.scale?" in done.err) == (2, True)
    done = run("compare", CASES / "two_vendors.yaml", "--by", "cost.scale")
    assert (done.code, "cases are not pivoted" in done.err) == (2, True)


def test_what_firms_would_refuse_does_not_win_where_they_may(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    rows = ["case_id,policy,status,ir,welfare"]
    for case, told in enumerate(("holds", "violated", "violated", "holds")):
        rows += [f"{case},nash,converged,,1.0", f"{case},joint_profit,converged,,{1.5 - case}", f"{case},groves,converged,{told},2.0"]
    path.write_text("\n".join(rows))
    found = {row["policy"]: row for row in findings(read_result(path), [])["policies"]}
    assert [found[policy]["wins"] for policy in ("nash", "joint_profit", "groves")] == [0, 0, 1]
    assert [found[policy]["wins_voluntary"] for policy in ("nash", "joint_profit", "groves")] == [0.5, 0, 0.5]
    assert found["groves"]["joined"] == 0.5


def test_keys_varied_one_at_a_time_are_pivoted_with_the_others_at_the_base(tmp_path: Path) -> None:
    """Cases in which another key moved say nothing about this one."""
    path = tmp_path / "r.csv"
    rows = ["case_id,a,b,policy,status,welfare"]
    # The market is better than the alliance only where b is high; a never matters.
    for case, (a, b) in enumerate(((1, 1), (2, 1), (3, 1), (1, 2), (1, 3))):
        rows += [f"{case},{a},{b},nash,converged,1.0", f"{case},{a},{b},joint_profit,converged,{2.0 if b == 1 else 0.5}"]
    path.write_text("\n".join(rows))
    by = findings(read_result(path), [])["by"]
    assert [(group["group"], group["cases"], group["policies"][1]["wins"]) for group in by["a"]] == [("1", 1, 1), ("2", 1, 1), ("3", 1, 1)]
    assert [(group["group"], group["cases"], group["policies"][1]["wins"]) for group in by["b"]] == [("1", 1, 1), ("2", 1, 0), ("3", 1, 0)]


def test_policies_are_ranked_after_the_cost_of_public_funds(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(
        "case_id,policy,status,welfare,welfare_net\n0,nash,converged,1,1\n0,designed,converged,3,0.5\n"
        "1,nash,converged,1,1\n1,designed,converged,3,2.5\n"
    )
    found = findings(read_result(path), [])
    assert found["public_funds"]
    assert [row["wins"] for row in found["policies"]] == [0.5, 0.5]
    assert found["policies"][1]["gain"]["q50"] == pytest.approx(0.5)


def test_strict_fails_where_a_rule_fails_in_some_case(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("case_id,policy,status,ic,ir,welfare\n0,groves,converged,holds,violated,1\n1,groves,converged,holds,holds,1\n")
    assert run("compare", path).code == 0
    done = run("compare", path, "--strict")
    assert (done.code, "groves" in done.err) == (3, True)
