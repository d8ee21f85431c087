"""`pigou schema --result`: every result is as its schema says, and every key of it is described."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command import Run
from test_provenance import CASES, COMMANDS, VENDORS

from cli.results.schema import result_schema

pytestmark = pytest.mark.usefixtures("evaluated_once")

SCHEMA = result_schema()
KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}


def wrong(node: dict[str, Any], value: Any, path: str = "") -> list[str]:
    """What of a value is not as its schema says: the part of JSON Schema that ours uses."""
    if "$ref" in node:
        return wrong(SCHEMA["$defs"][node["$ref"].rsplit("/", 1)[-1]], value, path)
    if "anyOf" in node:
        tries = [wrong(branch, value, path) for branch in node["anyOf"]]
        return [] if [] in tries else min(tries, key=len)
    kinds = [node["type"]] if isinstance(node["type"], str) else node["type"]
    bare = isinstance(value, bool) and "boolean" not in kinds
    if bare or not isinstance(value, tuple(one for kind in kinds for one in KINDS[kind])):
        return [f"{path} is {value!r}, not {kinds}"]
    if isinstance(value, list):
        if not node.get("minItems", 0) <= len(value) <= node.get("maxItems", len(value)):
            return [f"{path} has {len(value)} entries"]
        parts = [(node.get("items"), one, f"{path}[{n}]") for n, one in enumerate(value)]
    elif isinstance(value, dict):
        found = [f"{path}.{key} is missing" for key in node.get("required", ()) if key not in value]
        if found:
            return found
        more = node.get("additionalProperties")
        inner = node.get("properties", {})
        parts = [(inner.get(key, more), one, f"{path}.{key}") for key, one in value.items()]
    else:
        parts = []
    return [text for below, one, where in parts if below for text in wrong(below, one, where)]


def definition(tree: Any) -> str:
    """The definition of a result, by its own keys."""
    names = {
        "path": "vary",
        "difference": "baseline",
        "design": "transfers",
        "statics": "derivatives",
        "propositions": "claims",
        "evaluate": "regimes",
        "sensitivity": "figures",
        "calibrate": "estimates",
    }
    return next(name for name, key in names.items() if key in tree)


RUNS: dict[str, list[Any]] = {
    **COMMANDS,
    "calibrate": ["calibrate", CASES / "data" / "two_vendors_2025.yaml"],
    "refused": ["calibrate", CASES / "data" / "two_banks.yaml"],
    "types": ["evaluate", CASES / "two_types.yaml"],
    "ill posed": ["evaluate", CASES / "ill_posed.yaml"],
    "infeasible": [
        *("design", CASES / "settings" / "bilateral_trade.yaml"),
        *("--allocation", "efficient", "--budget", "ex_post"),
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_results_are_as_the_schema_says(run: Run, name: str) -> None:
    tree = json.loads(run(*RUNS[name], "--format", "json").out)
    assert wrong(SCHEMA, tree) == []
    if isinstance(tree, dict):
        described = SCHEMA["$defs"][definition(tree)]
        assert set(tree) == set(described["properties"])
        assert wrong(described, tree) == []


@pytest.mark.slow
def test_a_sensitivity_is_as_the_schema_says(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"base: {VENDORS}\nuncertainty: {{cost.scale: {{normal: [12, 1]}}}}\n")
    tree = json.loads(run("sensitivity", path, "--method", "tornado", "--format", "json").out)
    assert wrong(SCHEMA["$defs"]["sensitivity"], tree) == []
    assert set(tree) == set(SCHEMA["$defs"]["sensitivity"]["properties"])


def test_findings_are_as_the_schema_says(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("d.yaml").write_text(
        f"case: {VENDORS}\nvary: {{cost.scale: {{values: [12, 15]}}}}\npolicies: [nash]\n"
    )
    assert run("batch", "d.yaml", "--out", "r.csv").code == 0
    tree = json.loads(run("compare", "r.csv", "--format", "json").out)
    assert wrong(SCHEMA["$defs"]["findings"], tree) == []
    assert set(tree) == set(SCHEMA["$defs"]["findings"]["properties"])


def test_the_command_prints_it_and_loads_no_library_of_numbers(run: Run) -> None:
    done = run("schema", "--result")
    assert done.code == 0
    assert json.loads(done.out) == json.loads(json.dumps(SCHEMA))
    assert run("schema", "--result", "--design").code == 2
    assert wrong(SCHEMA, {"regimes": {}})
