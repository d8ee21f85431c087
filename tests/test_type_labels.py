"""Types that are called by text: read, told in results, on pages and in spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from command import Run

from market.casefile.faults import BadCase
from mechanism.analysis.designs import solve_tree
from mechanism.analysis.designs_tree import design_tree
from mechanism.design.setting_file import parse_setting

Tree = dict[str, Any]


def trade(buyer: list[Any], seller: list[Any], **asked: Any) -> Tree:
    """Bilateral trade with two types each, called as given."""
    value, cost = [0.25, 0.75], [-0.25, -0.75]
    return {
        "alternatives": ["trade", "keep"],
        "players": [
            {"name": "buyer", "types": buyer, "value": {"trade": value, "keep": [0, 0]}},
            {"name": "seller", "types": seller, "value": {"trade": cost, "keep": [0, 0]}},
        ],
        "mechanism": asked,
    }


TOLD = {0.25: "low", 0.75: "high"}


def by_name(value: Any) -> Any:
    """A result with the names of types in the place of their numbers, wherever types stand."""
    if isinstance(value, list):
        return [by_name(one) for one in value]
    if isinstance(value, dict):
        places = ("type", "report", "state", "types", "reports")
        return {key: renamed(one) if key in places else by_name(one) for key, one in value.items()}
    return value


def renamed(value: Any) -> Any:
    """Types, or lists of them, by name."""
    return [renamed(one) for one in value] if isinstance(value, list) else TOLD.get(value, value)


@pytest.mark.parametrize(
    "asked",
    [
        {"budget": "none", "incentive": "dominant"},
        {"timing": "ex_post", "collusion": "proof"},
        {"tax_rule": "agv"},
    ],
)
def test_what_types_are_called_changes_nothing_but_names(asked: Tree) -> None:
    numbers, text = [0.25, 0.75], ["low", "high"]
    plain, named = (
        design_tree(solve_tree(trade(types, types, **asked), {})) for types in (numbers, text)
    )
    assert named["states"] == [["low", "low"], ["low", "high"], ["high", "low"], ["high", "high"]]
    for key in ("binding", "infeasibility", "checks", "rents", "transfers", "allocation"):
        assert named[key] == by_name(plain[key]), key
    rows = named["binding"] or (named["infeasibility"] or {"rows": []})["rows"]
    assert asked.get("tax_rule") or {"low", "high"} & {row["type"] for row in rows if row["player"]}


def test_text_stays_as_it_is_given(run: Run, tmp_path: Path) -> None:
    """Leading zeros, and what a spreadsheet would run, are no numbers and no formulas."""
    path = tmp_path / "trade.json"
    path.write_text(json.dumps(trade(["001", "=1+1"], ["low\x1b[1m", 7], budget="none")))
    assert json.loads(run("design", path, "--format", "json").out)["states"][1] == ["001", 7.0]
    rows = list(csv.DictReader(io.StringIO(run("design", path, "--format", "csv").out)))
    assert [row["type_buyer"] for row in rows[::2]] == ["001", "001", "'=1+1", "'=1+1"]
    page = run("design", path).out
    assert "001" in page
    assert "\x1b" not in page
    assert "low\\x1b[1m" in page


@pytest.mark.parametrize(
    ("types", "message"),
    [
        (["low", "low"], "players[0].types holds a value twice; list each type once"),
        (["1.0", 1], "players[0].types holds a value twice; list each type once"),
        (
            ["low", None],
            "players[0].types[1] is null; it must be a number in (-inf, inf) or text",
        ),
        (
            ["low", ""],
            'players[0].types[1] is ""; it must be a number in (-inf, inf) or text',
        ),
    ],
)
def test_faults_of_names(types: list[Any], message: str) -> None:
    with pytest.raises(BadCase) as caught:
        parse_setting(trade(types, [0.25, 0.75]))
    assert str(caught.value) == message
