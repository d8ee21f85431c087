"""`pigou design`: files of both kinds, options, the three formats, and what cannot be done."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from command import Run

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = ROOT / "cases" / "settings"
TYPED = ROOT / "cases" / "two_types.yaml"


@pytest.mark.slow
def test_three_formats_say_the_same(run: Run) -> None:
    path = SETTINGS / "bilateral_trade.yaml"
    table, tree, rows = (run("design", path, "--format", form) for form in ("table", "json", "csv"))
    assert table.code == tree.code == rows.code == 0
    told = json.loads(tree.out)
    assert told["status"] == "optimal"
    assert told["objective_value"] == pytest.approx(5 / 32)
    assert len(told["states"]) == len(told["allocation"]) == len(told["transfers"][0]) == 16
    assert told["states"][1] == [0.125, 0.375]  # row-major: the last player's types run fastest
    listed = list(csv.DictReader(io.StringIO(rows.out)))
    assert len(listed) == 32
    assert float(listed[3]["net_transfer"]) == told["transfers"][1][1]
    assert "0.15625" in table.out
    assert all(len(line) <= 100 for line in table.out.splitlines())
    for key in ("expected", "checks", "binding", "infeasibility"):
        assert key in told
    assert set(told["expected"]) == {"surplus", "payoff", "outlay"}


@pytest.mark.slow
def test_what_cannot_be_done_is_proven_and_gives_3(run: Run) -> None:
    done = run(
        "design",
        SETTINGS / "bilateral_trade.yaml",
        "--allocation",
        "efficient",
        "--objective",
        "min_outlay",
    )
    assert done.code == 3
    assert "contradict each other" in done.out
    assert "is verified" in done.out
    assert "not met: the design is infeasible" in done.err
    told = json.loads(
        run(
            "design",
            SETTINGS / "bilateral_trade.yaml",
            "--allocation",
            "efficient",
            "--objective",
            "min_outlay",
            "--format",
            "json",
        ).out
    )
    assert told["infeasibility"]["verified"] is True
    assert told["benchmark"]["least_outlay"] == pytest.approx(5 / 32)
    weights = [row["weight"] for row in told["infeasibility"]["rows"]]
    assert sum(weights) == pytest.approx(1)


@pytest.mark.slow
def test_a_case_with_types_is_designed_for(run: Run) -> None:
    told = json.loads(
        run("design", TYPED, "--timing", "interim", "--budget", "none", "--format", "json").out
    )
    assert told["players"] == ["firm 1", "firm 2"]
    assert told["options"]["participation"] == "ir_market"
    assert told["objective_value"] == pytest.approx(told["benchmark"]["least_outlay"], rel=1e-7)
    assert "the least expected outlay that" in told["verdicts"][0].lower()
    assert {row["constraint"] for row in told["binding"]} == {"ic", "ir"}
    # nobody is asked whether it wants to join
    assert run("design", TYPED, "--tax-rule", "agv", "--strict").code == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("two_vendors.yaml",), "the case has no types"),
        (("two_types.yaml", "--tax-rule", "clarke"), "clarke is a rule for setting files"),
        (
            ("two_types.yaml", "--allocation", "second_best", "--tax-rule", "agv"),
            "second_best needs the rule designed",
        ),
        (("settings/partnership.yaml", "--participation", "ir_market"), "is for case files"),
        (
            ("settings/partnership.yaml", "--tax-rule", "groves", "--allocation", "second_best"),
            "second_best needs the rule designed",
        ),
        (
            ("settings/partnership.yaml", "--objective", "cheapest"),
            "Invalid value for '--objective'",
        ),
        (("nowhere.yaml",), "nowhere.yaml"),
    ],
)
def test_bad_usage(run: Run, arguments: tuple[str, ...], message: str) -> None:
    done = run("design", ROOT / "cases" / arguments[0], *arguments[1:])
    assert done.code == 2
    assert message in " ".join(done.err.split())
    assert done.out == ""


def test_settings_validate_and_have_a_schema(run: Run, tmp_path: Path) -> None:
    assert run("validate", *sorted(SETTINGS.glob("*.yaml"))).code == 0
    schema = json.loads(run("schema", "--setting").out)
    assert {"alternatives", "players"} <= set(schema["required"])
    bad = tmp_path / "bad.yaml"
    bad.write_text("alternatives: [a]\nplayers:\n  - {name: x, types: [1, 2], value: {a: [1]}}\n")
    done = run("validate", bad)
    assert done.code == 2
    assert "bad.yaml:3:" in done.err
    assert "must have one entry for each of the 2 types" in done.err


@pytest.mark.slow
def test_settings_are_shipped(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "settings/street_lights" in run("examples", "list").out
    assert run("examples", "copy", "street_lights").code == 0
    assert run("design", "street_lights.yaml", "--quiet").code == 0
