"""Several designs in one table: files, choices of options, and every form of the result."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from command import Run

ROOT = Path(__file__).resolve().parents[1]


def sale(name: str, worth: float) -> str:
    """A buyer worth 1 or `worth` to whom the public may sell, the same chance of each."""
    return json.dumps(
        {
            "name": name,
            "alternatives": ["sell", "keep"],
            "players": [
                {
                    "name": "buyer",
                    "types": [1, worth],
                    "value": {"sell": [1, worth], "keep": [0, 0]},
                }
            ],
            "mechanism": {"allocation": "second_best", "objective": "min_outlay", "budget": "none"},
        }
    )


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A buyer of 1 or 3, and one of 1 or 1.5."""
    monkeypatch.chdir(tmp_path)
    paths = [Path("far.json"), Path("near.json")]
    for path, worth in zip(paths, (3, 1.5), strict=True):
        path.write_text(sale(path.stem, worth))
    return paths


def rows(run: Run, *arguments: Any, code: int = 0) -> list[dict[str, Any]]:
    done = run("design", *arguments, "--format", "json")
    assert done.code == code, done.err
    return list(json.loads(done.out))


@pytest.mark.slow
def test_files_side_by_side(run: Run, files: list[Path]) -> None:
    """A price of 3 brings 3/2 where a price of 1 brings 1; of 1.5, 3/4, where 1 brings 1."""
    found = rows(run, *files)
    assert [row["design"] for row in found] == ["far", "near"]
    assert [row["outlay"] for row in found] == pytest.approx([-1.5, -1])
    assert [row["surplus"] for row in found] == pytest.approx([1.5, 1.25])
    assert [row["lost"] for row in found] == pytest.approx([0.5, 0], abs=1e-12)
    assert [row["payoff"] for row in found] == [
        {"buyer": pytest.approx(0, abs=1e-12)},
        {"buyer": pytest.approx(0.25)},
    ]
    for path, row in zip(files, found, strict=True):
        alone = json.loads(run("design", path, "--format", "json").out)
        assert row["objective_value"] == alone["objective_value"] == alone["expected"]["outlay"]
        assert row["provenance"] == alone["provenance"]


def test_choices_of_options(run: Run, files: list[Path]) -> None:
    found = rows(
        run, files[0], "--vary", "objective=min_outlay,max_surplus", "--vary", "budget=none,ex_ante"
    )
    assert [row["design"] for row in found] == [
        f"objective {objective}, budget {budget}"
        for objective in ("min_outlay", "max_surplus")
        for budget in ("none", "ex_ante")
    ]
    assert [row["surplus"] for row in found] == pytest.approx([1.5, 1.5, 2, 2])
    both = rows(run, *files, "--vary", "objective=min_outlay,max_surplus")
    assert [row["design"] for row in both] == [
        f"{name}, objective {objective}"
        for name in ("far", "near")
        for objective in ("min_outlay", "max_surplus")
    ]


@pytest.mark.slow
def test_forms_agree_and_are_run_again(run: Run, files: list[Path]) -> None:
    found = rows(run, *files)
    listed = list(csv.DictReader(io.StringIO(run("design", *files, "--format", "csv").out)))
    for row, told in zip(found, listed, strict=True):
        assert float(told["outlay"]) == row["outlay"]
        assert float(told["payoff_buyer"]) == row["payoff"]["buyer"]
        assert told["budget"] == "none"
    page = run("design", *files).out
    assert "far" in page
    assert "-1.5000" in page
    assert all(len(line) <= 100 for line in page.splitlines())
    Path("r.json").write_text(json.dumps(found))
    assert run("verify", "r.json").code == 0
    found[1]["outlay"] = -1.1
    Path("s.json").write_text(json.dumps(found))
    done = run("verify", "s.json")
    assert done.code == 3
    assert "outlay" in done.out
    assert run("diff", "r.json", "s.json").code == 3
    assert run("design", *files, "--out", "r.xlsx").code == 0


@pytest.mark.slow
def test_what_cannot_be_had_stands_beside_what_can(run: Run, files: list[Path]) -> None:
    """A buyer that is worth 5 elsewhere joins for money from outside alone."""
    tree = json.loads(files[0].read_text())
    tree["players"][0]["outside"] = 5
    tree["mechanism"] = {"budget": "none"}
    files[0].write_text(json.dumps(tree))
    found = rows(run, files[0], "--vary", "budget=none,ex_ante", code=3)
    assert [row["status"] for row in found] == ["optimal", "infeasible"]
    assert found[1]["outlay"] is found[1]["truth"] is found[1]["payoff"] is None
    assert "budget ex_ante" in run("design", files[0], "--vary", "budget=none,ex_ante").err


@pytest.mark.parametrize(
    ("varied", "message"),
    [
        (["tax_rule=cheap"], "cheap is no choice of tax_rule; there are clarke"),
        (["rule=clarke"], "rule is no option of a design; there are tax_rule"),
        (["budget="], "budget is given no choice"),
        (["budget=none", "budget=ex_ante"], "budget is given twice"),
    ],
)
def test_bad_choices(run: Run, files: list[Path], varied: list[str], message: str) -> None:
    options = [part for text in varied for part in ("--vary", text)]
    done = run("design", files[0], *options)
    assert done.code == 2
    assert message in " ".join(done.err.split())
    assert done.out == ""
    assert run("design", *files, "--emit-python").code == 2
