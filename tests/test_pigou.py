"""`import pigou`: what it offers, that it is light, typed and documented, and that nothing of it
can be written to or made to say two things."""

from __future__ import annotations

import ast
import doctest
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pigou
from mechanism.casefile.policy_case import parse_tree
from mechanism.report.evaluation_tree import evaluation_tree
from pigou import Evaluation, PolicyCase

pytestmark = pytest.mark.usefixtures("evaluated_once")

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "cases"


@pytest.fixture(scope="module")
def vendors() -> PolicyCase:
    return pigou.load(CASES / "two_vendors.yaml")


@pytest.fixture(scope="module")
def found(vendors: PolicyCase) -> Evaluation:
    return pigou.evaluate(vendors)


# --- the package


def test_types_and_values_are_offered_from_the_same_places() -> None:
    """What a type checker reads is what is loaded."""
    tree = ast.parse(Path(str(pigou.__file__)).read_text(encoding="utf-8"))
    typed = {
        alias.asname or alias.name: f"{node.module}:{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] != "typing"
        for alias in node.names
        if node.module not in ("__future__", "importlib")
    }
    assert typed == {key: home for key, home in pigou._HOMES.items() if key != "__version__"}
    assert set(pigou.__all__) == set(dir(pigou)) == set(pigou._HOMES)
    for name in pigou.__all__:
        assert getattr(pigou, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'solv'"):
        pigou.solv  # noqa: B018


def test_importing_loads_no_library() -> None:
    code = "import sys, pigou; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    loaded = set(done.stdout.decode().split())
    assert not loaded & {"numpy", "scipy", "pandas", "cvxpy", "matplotlib", "pydantic"}


@pytest.mark.slow
def test_evaluating_known_types_loads_neither_tables_nor_programs() -> None:
    code = (
        "import sys, pigou; pigou.evaluate(pigou.load('cases/two_vendors.yaml'));"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert not set(done.stdout.decode().split()) & {"pandas", "cvxpy", "matplotlib"}


PUBLIC = [
    pigou.load,
    pigou.PolicyCase.set,
    pigou.solve,
    pigou.evaluate,
    pigou.sweep,
    pigou.what_if,
    pigou.design,
    pigou.calibrate,
    pigou.linear_demand,
]


@pytest.mark.slow
@pytest.mark.parametrize("function", PUBLIC, ids=lambda one: one.__qualname__)
def test_every_public_function_has_an_example_that_runs(
    function: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(CASES)
    tests = doctest.DocTestFinder(recurse=False).find(
        function, function.__qualname__, globs={}, module=False
    )
    assert [one for one in tests if one.examples]
    for one in tests:
        assert doctest.DocTestRunner().run(one).failed == 0


# --- cases


def test_a_value_is_set_and_text_hash_and_market_follow(vendors: PolicyCase) -> None:
    changed = vendors.set("demand.intercept[0]", np.float64(21))
    assert changed.market.intercept.tolist() == [21, 20]
    assert changed.resolved["demand"]["intercept"] == [21, 20]
    assert changed.sha256 != vendors.sha256
    back = changed.set("demand.intercept", 20)
    assert parse_tree(back.resolved).sha256 == back.sha256 == vendors.set("firms", None).sha256
    assert vendors.market.intercept.tolist() == [20]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("demand.cros_slope", 1, "did you mean demand.cross_slope"),
        ("demand.cross_slope", 9, "must lie in"),
        ("cost.scale", "dear", "cost.scale"),
        ("cost.scale", float("nan"), "cost.scale"),
        ("types.points", 5, "has no types"),
    ],
)
def test_what_is_not_admissible_is_refused(
    vendors: PolicyCase, key: str, value: Any, said: str
) -> None:
    with pytest.raises(pigou.BadCase, match=said):
        vendors.set(key, value)


def test_a_part_of_a_case_cannot_be_replaced_and_a_bare_market_is_not_solved(
    vendors: PolicyCase,
) -> None:
    """Its text and hash would say something else, and nothing would have validated it."""
    market = replace(vendors.market, intercept=-vendors.market.intercept)
    with pytest.raises(ValueError, match="replace"):
        replace(vendors, market=market)
    with pytest.raises(TypeError, match="`load`"):
        pigou.solve(market, "nash")  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="is no regime"):
        pigou.solve(vendors, "nsh")


def test_the_tree_of_a_case_is_the_callers_own(vendors: PolicyCase) -> None:
    vendors.resolved["demand"]["intercept"] = 0
    assert vendors.resolved["demand"]["intercept"] == 20


def reached(value: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Everything that fields, entries and items lead to."""
    if id(value) in seen:
        return
    seen.add(id(value))
    yield path, value
    if is_dataclass(value) and not isinstance(value, type):
        for one in fields(value):
            if not one.name.startswith("_"):
                yield from reached(getattr(value, one.name), f"{path}.{one.name}", seen)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from reached(one, f"{path}[{key!r}]", seen)
    elif isinstance(value, (tuple, list)):
        for n, one in enumerate(value):
            yield from reached(one, f"{path}[{n}]", seen)


def writable(value: Any) -> bool:
    """Whether something can be changed in place."""
    if isinstance(value, np.ndarray):
        return bool(value.flags.writeable)
    if is_dataclass(value) and not isinstance(value, type):
        return not type(value).__dataclass_params__.frozen  # type: ignore[attr-defined]
    return isinstance(value, (dict, list, set))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two_vendors", "two_types", "private_intercepts"])
def test_nothing_of_a_result_can_be_written_to(name: str) -> None:
    case = pigou.load(CASES / f"{name}.yaml")
    results = [case, pigou.solve(case), pigou.evaluate(case)]
    results.append(pigou.calibrate(CASES / "data" / "two_vendors_2025.yaml"))
    if case.types is not None:
        results.append(pigou.design(case))
    else:
        results.append(pigou.what_if(case, {"security.rivalry": 0.3}))
    seen: set[int] = set()
    there = [pair for one in results for pair in reached(one, type(one).__name__, seen)]
    assert len(there) > 100
    assert [path for path, value in there if writable(value)] == []


# --- results


@pytest.mark.slow
def test_an_evaluation_hands_itself_on_as_the_command_writes_it(
    found: Evaluation, vendors: PolicyCase
) -> None:
    told = json.loads(found.to_json())
    assert told == json.loads(json.dumps(evaluation_tree(found)))
    command = [sys.executable, "-c", "from cli.entry import run; run()", "evaluate"]
    done = subprocess.run(
        [*command, str(vendors.path), "--quick", "--format", "json"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode() == found.to_json() + "\n"
    table = found.to_frame()
    assert list(table["policy"]) == [row.policy.key for row in found.comparison]
    best = table.loc[table["recommended"], "value"].item()
    assert best == pytest.approx(found.rows["linear_subsidies"].value)


def test_results_print_what_matters(found: Evaluation, vendors: PolicyCase) -> None:
    assert found.recommendation is not None
    assert str(found.recommendation).startswith("linear_subsidies\n- Pay plain subsidies")
    assert str(found).startswith("Two vendors, moderate spillovers\nlinear_subsidies")
    page = found._repr_html_()
    assert "<table" in page
    assert "social_optimum" in page
    text = str(pigou.solve(vendors, "nash"))
    assert text.startswith("nash: converged")
    assert "welfare" in text
    assert "residual" in text
    unbounded = pigou.solve(pigou.load(CASES / "ill_posed.yaml"), "social_optimum")
    assert str(unbounded).startswith("social_optimum: unbounded, ")
    named = pigou.solve(vendors.set("firms", ["<b>", "Beta & Co"]), "nash")
    assert "&lt;b&gt;" in named._repr_html_()
    assert "<b>" not in named._repr_html_()


@pytest.mark.slow
def test_a_sweep_gives_what_evaluating_each_case_gives(vendors: PolicyCase) -> None:
    values = {"security.rivalry": [0.1, 0.3], "mechanism.public_funds_cost": [0.0, 0.5, 9.0]}
    table = pigou.sweep(vendors, values)
    assert len(table) == 6 * table["policy"].nunique()
    for (rivalry, cost), rows in table.groupby(list(values)):
        case = vendors.set("security.rivalry", rivalry)
        one = pigou.evaluate(case.set("mechanism.public_funds_cost", cost))
        told = one.recommendation
        assert told is not None
        assert told.policy is not None
        assert rows.loc[rows["recommended"] == 1, "policy"].item() == told.policy.key
        for key, value in zip(rows["policy"], rows["value"], strict=True):
            assert value == pytest.approx(one.rows[key].value, rel=1e-9)


def test_a_sweep_says_what_is_no_market_and_refuses_what_is_no_key(vendors: PolicyCase) -> None:
    table = pigou.sweep(vendors, {"demand.cross_slope": [1.0, 2.0]}, ["nash"])
    assert table["status"].tolist() == ["converged", "bad_case"]
    assert "must lie in" in table["message"][1]
    assert np.isnan(table["welfare"][1])
    with pytest.raises(pigou.BadCase, match=r"rivalri.*\n.*nsh|rivalri"):
        pigou.sweep(vendors, {"security.rivalri": [1.0]}, ["nsh"])


@pytest.mark.slow
def test_a_question_is_answered_with_the_reason(vendors: PolicyCase) -> None:
    found = pigou.what_if(vendors, {"security.rivalry": 0.9})
    before, after = found.advice.before, found.advice.after
    assert before is not None
    assert before.key == "linear_subsidies"
    assert after is not None
    assert after.key == "nash"
    assert found.advice.why


def test_designs_take_cases_and_files(tmp_path: Path) -> None:
    case = pigou.load(CASES / "two_types.yaml")
    path = tmp_path / "case.json"
    path.write_text(case.text, encoding="utf-8")
    one, other = pigou.design(case, budget="none"), pigou.design(path, budget="none")
    assert one.found.objective_value == pytest.approx(other.found.objective_value, rel=1e-12)
    with pytest.raises(pigou.DesignError, match="no types"):
        pigou.design(pigou.load(CASES / "two_vendors.yaml"))


@pytest.mark.slow
def test_what_the_documentation_shows_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    assert len(blocks) >= 5
    known: dict[str, Any] = {}
    for block in blocks:
        exec(block, known)
    assert known["found"].recommendation.policy.key == "linear_subsidies"
    assert known["unequal"].market.intercept.tolist() == [24, 20]
    assert set(re.findall(r"pigou\.(\w+)", page)) <= set(pigou.__all__)
