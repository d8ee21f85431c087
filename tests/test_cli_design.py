"""`pigou design`: files of both kinds, options, the three formats, and what cannot be done."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from command import Run

from cli.pages.design import designed
from cli.pages.page import Page
from mechanism.analysis.designs import solve_file, solve_tree
from mechanism.analysis.designs_tree import design_tree

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


@pytest.mark.parametrize("strict", [False, True])
def test_quiet_does_not_silence_why_a_command_leaves_with_a_finding(
    run: Run, tmp_path: Path, strict: bool
) -> None:
    """A design that cannot be had, one whose truth-telling a chosen rule does not keep, and two
    cases that differ."""
    asked = ["--tax-rule", "agv", "--strict"] if strict else ["--budget", "ex_post"]
    done = run("design", ROOT / "cases" / "private_spillovers.yaml", *asked, "--quiet")
    assert (done.code, done.err.startswith("not met: ")) == (3, True)
    shipped = [ROOT / "cases" / f"{name}.yaml" for name in ("two_vendors", "capped")]
    done = run("diff", *shipped, "--quiet", "--out", tmp_path / "out.txt")
    assert (done.code, done.err.startswith("differs: ")) == (3, True)


def test_tables_that_break_can_be_read() -> None:
    """Seven players and two states: every part of the table names its rows by their numbers."""
    tree = json.loads(solve_file(SETTINGS / "route.yaml", {}).text)
    tree["players"][1] |= {
        "types": [1, 2],
        "probabilities": None,
        "value": {"ABEF": [-1, -2], "ACEF": [0, 0], "ABDF": [0, 0]},
    }
    page = designed(design_tree(solve_tree(tree, {})), Page(80), 5)
    assert all(len(line) <= 80 for line in page.splitlines())
    _, transfers = page.split("Net transfers (positive is received)\n")
    parts = transfers.strip().split("\n\n")
    assert len(parts) == 2
    for part in parts:
        head, _, *rows = part.splitlines()
        assert head.startswith("No.")
        assert [row.split()[0] for row in rows] == ["1", "2"]


def test_rounding_is_shown_as_nothing_and_named() -> None:
    """What the solver leaves of zero is no figure; what is more than that is one."""
    result = design_tree(solve_file(SETTINGS / "bilateral_trade.yaml", {}))
    assert result["rounding"] == pytest.approx(1e-8 * 0.875)
    assert result["objective_value"] == result["expected"]["surplus"]
    result["expected"]["payoff"] = [4.3e-9, 4.3e-8]
    page = designed(result, Page(80), 5)
    rows = [line.split() for line in page.splitlines() if line.startswith(("buyer", "seller"))]
    assert [row[1] for row in rows[:2]] == ["0", "4.3000e-08"]
    assert "Amounts up to 9e-09 are rounding and shown as 0." in " ".join(page.split())


def test_who_forgets_needs_is_told_of_it() -> None:
    """Links of a route that are not said to be needed are charged for what they cost the rest."""
    tree = json.loads(solve_file(SETTINGS / "route.yaml", {}).text)
    assert not any("needs" in text for text in solve_tree(tree, {}).verdicts)
    tree["needs"] = {}
    assert "say so by needs" in solve_tree(tree, {}).verdicts[-1]
