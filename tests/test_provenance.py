"""Where results come from: in every form of every command, the same on every run, the time and the
machine apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command import Run

import pigou
from mechanism.version import VERSION

pytestmark = pytest.mark.usefixtures("evaluated_once")

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "cases"
VENDORS = CASES / "two_vendors.yaml"
KEYS = {"command", "case_sha256", "version", "python", "packages", "seed", "run"}
COMMANDS = {
    "evaluate": ["evaluate", VENDORS],
    "compare": ["compare", VENDORS, CASES / "unit_costs.yaml"],
    "set": ["what-if", VENDORS, "--set", "cost.scale=15", "--set", "firms=[A, 'B & Co']"],
    "vary": ["what-if", VENDORS, "--vary", "security.rivalry=0:0.5:3", "--policy", "nash"],
    "statics": ["statics", VENDORS],
    "propositions": ["propositions", VENDORS, "--sample", 2, "--seed", 5],
    "design": ["design", CASES / "settings" / "bilateral_trade.yaml"],
}


def told(result: Any) -> list[dict[str, Any]]:
    """What a result says of where it comes from."""
    rows = result if isinstance(result, list) else [result]
    return [row["provenance"] for row in rows if row["provenance"] is not None]


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_every_result_tells_where_it_comes_from_and_only_a_stamp_differs(
    run: Run, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = pigou.load(VENDORS)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    command = [*COMMANDS[name], "--format", "json"]
    first = run(*command).out
    for each in told(json.loads(first)):
        assert each["case_sha256"] == case.sha256 or name in ("compare", "design")
        assert each["seed"] == (5 if name == "propositions" else None)
        assert set(each) == KEYS
        assert each["version"] == VERSION
        assert each["run"] is None
        assert "numpy" in each["packages"]
        assert str(ROOT) not in json.dumps(each)
        assert each["command"].startswith(f"pigou {command[0]} ")
    stamped = json.loads(run(*command, "--stamp").out)
    for each in told(stamped):
        assert set(each["run"]) == {"started", "seconds", "platform"}
        assert each["run"]["seconds"] > 0
        each["run"] = None
    assert stamped == json.loads(first)
    if name in (
        "evaluate",
        "vary",
        "design",
    ):  # the others are slower, and stamped by the same lines
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        fixed = run(*command, "--stamp").out
        assert told(json.loads(fixed))[0]["run"]["started"] == "2023-11-14T22:13:20+00:00"
        assert fixed == run(*command, "--stamp").out


@pytest.mark.slow
def test_commands_are_told_however_they_were_written(run: Run, tmp_path: Path) -> None:
    part = tmp_path / "dear.yaml"
    part.write_text("cost: {scale: 15}\n")
    one, other = (
        run("what-if", VENDORS, "--set", how, "--format", "json").out
        for how in ("cost.scale=15", f"@{part}")
    )
    assert one == other
    assert told(json.loads(one))[0]["command"] == "pigou what-if CASE --set cost.scale=15.0"
    # where it is looked for anyway, it is the same to ask
    for option, name in (("--switches", ""), ("--quick", " --quick")):
        found = run("evaluate", VENDORS, option, "--format", "json").out
        assert told(json.loads(found))[0]["command"] == f"pigou evaluate CASE{name}"


@pytest.mark.slow
def test_what_python_hands_on_is_what_commands_write(run: Run) -> None:
    case = pigou.load(VENDORS)
    moved = pigou.what_if(case, {"cost.scale": 15.0})
    asked = ("what-if", VENDORS, "--set", "cost.scale=15", "--format", "json")
    assert run(*asked).out == moved.to_json() + "\n"
    setting = CASES / "settings" / "bilateral_trade.yaml"
    assert run("design", setting, "--format", "json").out == pigou.design(setting).to_json() + "\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory in which the command runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_csv_file_has_it_beside(run: Run, here: Path) -> None:
    assert run("evaluate", VENDORS, "--out", "r.csv").code == 0
    assert sorted(path.name for path in here.iterdir()) == ["r.csv", "r.csv.metadata.json"]
    beside = json.loads((here / "r.csv.metadata.json").read_text())
    assert json.loads(beside["pigou.provenance"]) == json.loads(
        json.dumps(told(json.loads(run("evaluate", VENDORS, "--format", "json").out))[0])
    )
    assert run("evaluate", VENDORS, "--out", "r.csv").code == 0  # replaced


def test_a_file_of_another_that_would_be_in_the_way_stays(run: Run, here: Path) -> None:
    (here / "r.csv.metadata.json").write_text("mine")
    refused = run("evaluate", VENDORS, "--out", "r.csv")
    assert refused.code == 2
    assert "another file" in refused.err
    assert sorted(path.name for path in here.iterdir()) == ["r.csv.metadata.json"]


def test_a_batch_tells_it_in_its_metadata(run: Run, here: Path) -> None:
    (here / "d.yaml").write_text(
        f"case: {VENDORS}\nvary: {{cost.scale: {{low: 12, high: 20}}}}\n"
        "sample: {method: sobol, count: 2, seed: 7}\npolicies: [nash]\n"
    )
    assert run("batch", "d.yaml", "--out", "r.csv").code == 0
    beside = json.loads((here / "r.csv.metadata.json").read_text())
    found = json.loads(beside["pigou.provenance"])
    assert set(found) == KEYS
    assert found["seed"] == 7
    assert run("compare", "r.csv", "--format", "json").code == 0
