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

from mechanism.analysis import findings as batch_findings
from mechanism.analysis.findings import Result, groups, read_result, shape
from mechanism.analysis.findings_tree import findings_tree
from mechanism.report.plain import Tree

CASES = Path(__file__).resolve().parents[1] / "cases"
DESIGN = """case: {case}
vary:
  demand.cross_slope: {{low: 0.3, high: 1.2}}
  cost.form: {{values: [saturating, exponential]}}
  cost.scale: {{low: 9, high: 20}}
sample: {{method: sobol, count: 32, seed: 3}}
policies: [nash, joint_profit, price_collusion, linear_subsidies, social_optimum]
"""
HEAD = "case_id,policy,status,welfare,value,competes,recommended,best"


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
    assert (
        CliRunner()
        .invoke(app, ["batch", str(folder / "design.yaml"), "--out", str(out), "--quiet"])
        .exit_code
        == 0
    )
    return out


@pytest.mark.slow
def test_shares_and_quantiles_are_those_counted_by_hand(result: Path) -> None:
    frame = pd.read_csv(result)
    wide = frame.pivot(index="case_id", columns="policy", values="value")
    best = frame[frame.recommended == 1].set_index("case_id").policy.reindex(wide.index)
    assert (best.fillna("") == frame.groupby("case_id").best.first().fillna("")).all()
    found = findings(read_result(result), [])
    rows = {row["policy"]: row for row in found["policies"]}
    assert found["cases"] == 32
    for policy in ("nash", "joint_profit", "linear_subsidies"):
        assert rows[policy]["wins"] == pytest.approx((best == policy).mean())
        gain = (wide[policy] - wide["nash"]).dropna()
        assert rows[policy]["gain"]["q50"] == pytest.approx(gain.median(), abs=1e-12)
        assert rows[policy]["gain"]["q95"] == pytest.approx(gain.quantile(0.95), abs=1e-12)
        assert rows[policy]["beats_market"] == pytest.approx((gain > 0).mean())
        assert rows[policy]["competes"] == pytest.approx(
            frame[frame.policy == policy].competes.mean()
        )
    assert (rows["social_optimum"]["wins"], rows["price_collusion"]["wins"]) == (None, None)
    assert sum(rows["nash"]["status"].values()) == 32
    assert rows["nash"]["solved"] == pytest.approx(
        frame[frame.policy == "nash"].status.isin(["converged", "corner"]).mean()
    )
    # Where the planner's problem has no solution nothing is advised; elsewhere one of those listed
    # is.
    assert found["undecided"] == pytest.approx(wide["social_optimum"].isna().mean())
    assert found["unlisted"] == 0
    assert found["asks"]["money"] == rows["linear_subsidies"]["wins"]
    assert sum(found["asks"].values()) == pytest.approx(1 - found["undecided"])
    # Groups share the cases out, and the whole is their mean.
    for key, told in found["by"].items():
        assert sum(group["cases"] for group in told) == 32, key
        assert sum(group["decided"] for group in told) == best.notna().sum()
        mean = (
            sum(
                group["cases"] * next(r for r in group["policies"] if r["policy"] == "nash")["wins"]
                for group in told
            )
            / 32
        )
        assert mean == pytest.approx(rows["nash"]["wins"])
    assert {group["group"] for group in found["by"]["cost.form"]} == {"saturating", "exponential"}
    # forms of cost have no order
    assert set(found["shapes"]) == {
        "demand.cross_slope",
        "cost.scale",
    }


@pytest.mark.slow
def test_the_three_formats(run: Run, result: Path) -> None:
    told = json.loads(run("compare", result, "--format", "json").out)
    rows = list(csv.DictReader(io.StringIO(run("compare", result, "--format", "csv").out)))
    wins = next(
        row for row in rows if (row["key"], row["policy"], row["figure"]) == ("", "nash", "wins")
    )
    assert (
        float(wins["value"])
        == next(row for row in told["policies"] if row["policy"] == "nash")["wins"]
    )
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
    assert [(group.name, group.low, group.missing) for group in few] == [
        ("1", 1.0, False),
        ("2", 2.0, False),
        ("null", None, True),
    ]
    assert [(group.name, group.low) for group in groups(np.array(["b", "a"], object))] == [
        ("a", None),
        ("b", None),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "is no result of pigou batch: it has no column case_id"),
        ("case_id,policy,status,welfare\n", "has no rows"),
        (
            "case_id,policy,status,welfare\n1,nash,converged,1\n1,x,converged,1\n2,nash,converged,1\n",
            "is no whole result",
        ),
        (
            f"{HEAD}\n1,nash,converged,much,1,1,1,nash\n",
            "has something else than numbers in the column welfare",
        ),
        (
            f"{HEAD}\n1,nash,converged,-1e308,1,1,1,nash\n",
            "has -1e+308 in the column welfare, which is no figure of a market",
        ),
        (
            f"{HEAD},cost.scale\n1,nash,converged,1,1,1,1,nash,inf\n",
            "has inf in the column cost.scale, which is no figure of a market",
        ),
        (
            "case_id,policy,status,welfare\n1,nash,converged,1\n",
            "was written by an older version of pigou: it has no column recommended; run",
        ),
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
    assert (
        "one result of a batch"
        in run("compare", result, result).err
        + run("compare", result, CASES / "two_vendors.yaml").err
    )
    done = run("compare", result, "--by", "cost.scal")
    assert (done.code, "did you mean cost.scale?" in done.err) == (2, True)
    done = run("compare", CASES / "two_vendors.yaml", "--by", "cost.scale")
    assert (done.code, "cases are not pivoted" in done.err) == (2, True)


def written(path: Path, rows: list[str], head: str = HEAD) -> Path:
    """A result with these rows."""
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def test_what_is_recommended_is_not_ranked_again(tmp_path: Path) -> None:
    """What asks less is recommended though it is worth less; a case without advice; today's market
    where the batch does not list it."""
    rows = []
    for case, best in enumerate(("joint_profit", "groves", "bayes_nash", "")):
        for key, value in (("joint_profit", 1.0), ("groves", 1.01), ("social_optimum", 2.0)):
            competes, wins = int(key != "social_optimum"), int(key == best)
            rows.append(f"{case},{key},converged,1.0,{value},{competes},{wins},{best}")
    found = findings(read_result(written(tmp_path / "r.csv", rows)), [])
    assert [row["wins"] for row in found["policies"]] == [0.25, 0.25, None]
    assert (found["undecided"], found["unlisted"]) == (0.25, 0.25)
    assert found["asks"] == {
        "nothing": 0.25,
        "permission": 0.25,
        "order": 0,
        "money": 0,
        "reports": 0.25,
    }
    assert "gain" not in found["policies"][0]


def test_gains_are_against_the_market_as_it_is_at_each_case(tmp_path: Path) -> None:
    """Where types are private that is the one in which they are: the other does not compete."""
    rows = []
    for case, (known, private) in enumerate(((1.0, None), (1.0, 2.0))):
        rows.append(f"{case},nash,converged,1,{known},{int(private is None)},0,joint_profit")
        figures = "not_asked,,,0" if private is None else f"converged,1,{private},1"
        rows.append(f"{case},bayes_nash,{figures},0,joint_profit")
        rows.append(f"{case},joint_profit,converged,1,{4.0 + case},1,1,joint_profit")
    found = findings(read_result(written(tmp_path / "r.csv", rows)), [])
    assert found["policies"][2]["gain"]["mean"] == pytest.approx(((4 - 1) + (5 - 2)) / 2)
    assert found["policies"][0]["gain"]["mean"] == pytest.approx((0 + (1 - 2)) / 2)


def test_keys_varied_one_at_a_time_are_pivoted_with_the_others_at_the_base(tmp_path: Path) -> None:
    """Cases in which another key moved say nothing about this one."""
    rows = []
    # The alliance is recommended only where b is low; a never matters.
    for case, (a, b) in enumerate(((1, 1), (2, 1), (3, 1), (1, 2), (1, 3))):
        best = "joint_profit" if b == 1 else "nash"
        rows += [
            f"{case},{key},converged,1,1,1,{int(key == best)},{best},{a},{b}"
            for key in ("nash", "joint_profit")
        ]
    by = findings(read_result(written(tmp_path / "r.csv", rows, HEAD + ",a,b")), [])["by"]
    assert [
        (group["group"], group["cases"], group["policies"][1]["wins"]) for group in by["a"]
    ] == [("1", 1, 1), ("2", 1, 1), ("3", 1, 1)]
    assert [
        (group["group"], group["cases"], group["policies"][1]["wins"]) for group in by["b"]
    ] == [("1", 1, 1), ("2", 1, 0), ("3", 1, 0)]


@pytest.mark.parametrize(
    ("rates", "told"),
    [
        ((0.015, 0.25, 0.66, 0.88, 0.65), "rises, then falls"),
        ((0.88, 0.66, 0.65, 0.66, 0.88), "falls, then rises"),
        ((0.1, 0.3, 0.29, 0.6, 0.61), "rises"),
        ((0.9, 0.5, 0.5, 0.5, 0.5), "falls"),
        ((0.5, 0.52, 0.47, 0.51, 0.49), "flat"),
        ((0.1, 0.6, 0.1, 0.6, 0.1), "irregular"),
        ((0.0, 0.0, 0.0), "flat"),
        ((0.0, 1.0), "rises"),
        ((0.7,), "flat"),
        ((), "flat"),
    ],
)
def test_how_wins_run_over_groups(rates: tuple[float, ...], told: str) -> None:
    assert shape([round(rate * 200) for rate in rates], [200] * len(rates)) == told
    mirrored = {"rises": "falls", "falls": "rises"}.get(told, told)
    assert shape([round(rate * 200) for rate in reversed(rates)], [200] * len(rates)) == mirrored
    # Of three cases a group none of this can be told from chance, but of nothing and everything in
    # many groups.
    assert shape([round(rate * 3) for rate in rates], [3] * len(rates)) in ("flat", told)


def test_what_is_the_same_everywhere_is_seldom_called_different() -> None:
    """Of samples of one win rate at most one in twenty, whatever the rate and the size of the
    groups."""
    rng = np.random.default_rng(5)
    for rate, size in ((0.02, 50), (0.5, 20), (0.9, 300)):
        of = [size] * 5
        calls = [shape(rng.binomial(size, rate, 5).tolist(), of) != "flat" for _ in range(1000)]
        assert np.mean(calls) <= 0.065


def test_the_page_tells_a_peak_from_a_rise(run: Run, tmp_path: Path) -> None:
    rows = []
    for k, share in enumerate((3, 50, 132, 176, 130)):
        for n in range(200):
            best = "joint_profit" if n < share else "nash"
            rows += [
                f"{200 * k + n},{key},converged,1,1,1,{int(key == best)},{best},{k + 1}"
                for key in ("nash", "joint_profit")
            ]
    path = written(tmp_path / "r.csv", rows, HEAD + ",cost.scale")
    page = " ".join(run("compare", path).out.split())
    assert (
        "(joint_profit) wins most often in the middle of cost.scale: 1.5 % at 1, 88.0 % at 4, 65.0"
        " % at 5." in page
    )
    assert (
        "(nash) wins least often in the middle of cost.scale: 98.5 % at 1, 12.0 % at 4, 35.0 %"
        " at 5." in page
    )
    assert "What is recommended asks for nothing in 50.9 %, permission in 49.1 %." in page
    told = json.loads(run("compare", path, "--format", "json").out)
    assert told["shapes"] == {
        "cost.scale": {"nash": "falls, then rises", "joint_profit": "rises, then falls"}
    }


def test_strict_fails_where_a_rule_fails_in_some_case(run: Run, tmp_path: Path) -> None:
    rows = [
        f"{case},groves,converged,1,1,1,1,groves,holds,{told}"
        for case, told in enumerate(("violated", "holds"))
    ]
    path = written(tmp_path / "r.csv", rows, HEAD + ",ic,ir")
    assert run("compare", path).code == 0
    done = run("compare", path, "--strict")
    assert (done.code, "groves" in done.err) == (3, True)
