"""The recipes of ARCHITECTURE.md: a row in one table is all that a new cost form, tax rule, regime
or private parameter takes, from a file to every command, solved or not; a row under another name
gives the same figures to the last digit; nobody else knows a row by its key.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command import Run
from test_architecture import MODULES, ROOT
from test_rows import _half_as_fast, _half_as_fast_bends
from test_rule_rows import FREE, TOY

from cli.completion import POLICIES
from market.model.cost import COST_FORMS, of_share
from market.model.pricing import bertrand_matrix
from market.regimes import REGIMES, Regime
from mechanism.casefile.policy_case import load_case
from mechanism.casefile.types import PRIVATE
from mechanism.design.rules import TAX_RULES

Tree = dict[str, Any]
Write = Callable[[Tree], Path]

KNOWN, PRIVATE_TYPES = "two_vendors", "two_types"
TWO_TYPES: Tree = {"values": [0.3, 0.7]}


@dataclass(frozen=True, kw_only=True)
class Toy:
    """A new row, and a case that asks for it."""

    table: dict[str, Any]
    row: Any
    changes: Tree
    """Laid over a shipped case, block by block."""
    case: str = KNOWN
    policy: str = "social_optimum"
    """A policy whose figures it moves."""


TOYS = {
    "cost form": Toy(
        table=COST_FORMS,
        row=of_share(
            _half_as_fast,
            _half_as_fast_bends,
            key="toy_form",
            label="toy form",
            formula="(k/2) t^2 [1 - gamma y/(2+y)]",
            saved=(0.5,),
            convex_in_both=True,
        ),
        changes={"cost": {"form": "toy_form"}},
    ),
    "regime": Toy(
        table=REGIMES,
        row=Regime(
            key="toy_regime",
            chooser="planner",
            prices=bertrand_matrix,
            welfare_weight=0.5,
            label="Toy planner",
            phrase="a toy planner",
            role="order",
            requires="order",
            objective="the mean of welfare and joint profit",
        ),
        changes={},
        policy="toy_regime",
    ),
    "tax rule": Toy(
        table=TAX_RULES,
        row=FREE,
        changes={"types": TWO_TYPES, "mechanism": {"tax_rule": FREE.key}},
        case=PRIVATE_TYPES,
        policy=FREE.key,
    ),
    "private parameter": Toy(
        table=PRIVATE,
        row=TOY,
        changes={
            "types": {"values": [1.45, 1.55], "parameter": TOY.key},
            "mechanism": {"tax_rule": "groves"},
        },
        case=PRIVATE_TYPES,
        policy="groves",
    ),
}
ILL: Tree = {"cost": {"scale": 0.9}}
"""No planner's problem has a bound here."""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a tree to a file of its own."""

    def writing(tree: Tree) -> Path:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.json"
        path.write_text(json.dumps(tree))
        return path

    return writing


def laid_over(name: str, *changes: Tree) -> Tree:
    """A shipped case with blocks changed."""
    tree = load_case(ROOT / "cases" / f"{name}.yaml").resolved | {"expect": {}}
    for change in changes:
        for block, values in change.items():
            tree[block] = values if block == "types" else {**(tree.get(block) or {}), **values}
    return tree


def evaluated(run: Run, path: Path, code: int = 0) -> Tree:
    """The JSON of `pigou evaluate`."""
    done = run("evaluate", path, "--format", "json")
    assert done.code == code, done.err
    found: Tree = json.loads(done.out)
    return found


def batch(
    run: Run, write: Write, case: Path, policies: Sequence[str], scales: Sequence[float]
) -> pd.DataFrame:
    """The rows of `pigou batch` over cost scales."""
    design = write(
        {
            "case": str(case),
            "vary": {"cost.scale": {"values": list(scales)}},
            "policies": list(policies),
        }
    )
    out = design.with_suffix(".csv")
    done = run("batch", design, "--out", out, "--quiet")
    assert done.code == 0, done.err
    return pd.read_csv(out)


# --- new rows


@pytest.mark.slow
@pytest.mark.parametrize("toy", TOYS.values(), ids=TOYS)
def test_a_new_row_goes_through_every_command(
    toy: Toy, run: Run, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a solution: figures everywhere, the same in a batch and on a path as alone."""
    monkeypatch.setitem(toy.table, toy.row.key, toy.row)
    tree = laid_over(toy.case, toy.changes)
    path, scale = write(tree), tree["cost"]["scale"]
    result = evaluated(run, path)
    for command in (
        ("evaluate", path, "--quick"),
        ("compare", path, ROOT / "cases" / f"{toy.case}.yaml"),
    ):
        assert run(*command).code == 0
    frame = batch(run, write, path, ["nash", toy.policy], [scale, 1.2 * scale])
    row = frame[frame["policy"] == toy.policy].iloc[0]
    assert row["status"] == "converged"
    reported = result["mechanism"]["reported"]
    if toy.policy in TAX_RULES:
        expected = {r["policy"]: r for r in result["comparison"]}["vcg_reported"]["welfare"]
        assert reported["tax_rule"] == toy.policy
    elif reported is not None:
        expected = {r["policy"]: r for r in result["comparison"]}[toy.policy]["welfare"]
    else:
        expected = result["regimes"][toy.policy]["welfare"]
    assert row["welfare"] == pytest.approx(expected, rel=1e-9)
    vary = (
        "what-if",
        path,
        "--vary",
        f"cost.scale={scale}:{1.2 * scale}:2",
        "--policy",
        toy.policy,
    )
    along = json.loads(run(*vary, "--format", "json").out)["rows"]
    assert [r["welfare"] for r in along] == pytest.approx(
        list(frame[frame["policy"] == toy.policy]["welfare"]), rel=1e-9
    )
    assert run("what-if", path, "--set", f"cost.scale={1.1 * scale}").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("toy", TOYS.values(), ids=TOYS)
def test_a_new_row_without_a_solution_goes_through_every_command(
    toy: Toy, run: Run, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No figures, and the reason, but no failure of the program."""
    monkeypatch.setitem(toy.table, toy.row.key, toy.row)
    path = write(laid_over(toy.case, toy.changes, ILL))
    result = evaluated(run, path, code=3)
    assert result["regimes"]["social_optimum"]["status"] == "unbounded"
    assert result["regimes"].get(toy.policy, {"status": "unbounded"})["status"] == "unbounded"
    for command in (
        ("evaluate", path, "--quick"),
        ("compare", path, path),
        ("what-if", path, "--set", "cost.scale=0.89"),
    ):
        done = run(*command)
        assert done.code == 3
        assert "unbounded" in done.err
    policies = list(dict.fromkeys(("social_optimum", toy.policy)))
    frame = batch(run, write, path, policies, [0.9, 0.8])
    assert set(frame["status"]) <= {"unbounded", "not_converged"}
    assert frame["message"].notna().all()
    assert frame["welfare"].isna().all()
    vary = (
        "what-if",
        path,
        "--vary",
        "cost.scale=0.8:0.9:2",
        *(part for key in policies for part in ("--policy", key)),
    )
    assert all(
        row["welfare"] is None for row in json.loads(run(*vary, "--format", "json").out)["rows"]
    )


# --- renamed copies

COPY = "copy_of_it"


def renamed(value: Any, key: str) -> str:
    """A JSON tree as text in which the copy is called what it copies; whether it competes is a
    matter of its key."""
    if isinstance(value, dict):
        value = {
            name: v
            for name, v in value.items()
            if name not in ("competes", "why_not", "attained", "recommended", "value")
        }
    return json.dumps(value, sort_keys=True).replace(COPY, key)


def same_rows(frame: pd.DataFrame, one: str, other: str) -> None:
    """Assert that two policies have the same rows to the last digit."""
    first, second = (
        frame[frame["policy"] == key]
        .drop(columns=["policy", "recommended", "competes", "why_not", "attained"], errors="ignore")
        .reset_index(drop=True)
        for key in (one, other)
    )
    pd.testing.assert_frame_equal(first, second, check_exact=True)


@pytest.mark.slow
@pytest.mark.parametrize("case", [KNOWN, PRIVATE_TYPES])
def test_a_copy_of_saturating_gives_the_same_figures_everywhere(
    case: str, run: Run, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COST_FORMS, COPY, replace(COST_FORMS["saturating"], key=COPY))
    paths = [write(laid_over(case, {"cost": {"form": form}})) for form in ("saturating", COPY)]
    plain, copy = (evaluated(run, path) for path in paths)
    for result in (plain, copy):
        del result["case"], result["case_sha256"], result["provenance"]
    assert renamed(copy, "saturating") == renamed(plain, "saturating")
    policies = [
        "nash",
        "social_optimum",
        "sequential",
        *(["groves"] if case == PRIVATE_TYPES else []),
    ]
    frames = [batch(run, write, path, policies, [15.0, 18.0, 0.9]) for path in paths]
    pd.testing.assert_frame_equal(*frames, check_exact=True)


@pytest.mark.slow
@pytest.mark.parametrize("case", [KNOWN])
def test_a_copy_of_nash_gives_the_same_figures_everywhere(
    case: str, run: Run, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REGIMES, COPY, replace(REGIMES["nash"], key=COPY))
    path = write(laid_over(case))
    result = evaluated(run, path)
    assert renamed(result["regimes"][COPY], "nash") == renamed(result["regimes"]["nash"], "nash")
    rows = {row["policy"]: row for row in result["comparison"]}
    assert renamed(rows[COPY], "nash") == renamed(rows["nash"], "nash")
    same_rows(batch(run, write, path, ["nash", COPY], [15.0, 18.0, 0.1]), "nash", COPY)


@pytest.mark.slow
def test_a_copy_of_groves_gives_the_same_figures_everywhere(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TAX_RULES, COPY, replace(TAX_RULES["groves"], key=COPY))
    paths = [
        write(laid_over(PRIVATE_TYPES, {"mechanism": {"tax_rule": rule}}))
        for rule in ("groves", COPY)
    ]
    plain, copy = (evaluated(run, path) for path in paths)
    assert renamed(copy["mechanism"]["reported"], "groves") == renamed(
        plain["mechanism"]["reported"], "groves"
    )
    assert renamed(copy["mechanism"]["alternatives"]["groves"], "groves") == renamed(
        plain["mechanism"]["alternatives"][COPY], "groves"
    )
    assert renamed(copy["comparison"], "groves") == renamed(plain["comparison"], "groves")
    same_rows(batch(run, write, paths[0], ["groves", COPY], [15.0, 18.0, 0.9]), "groves", COPY)


# --- nobody else knows a row by its key

TABLES = {
    "market/model/cost.py": COST_FORMS,
    "market/regimes/table.py": REGIMES,
    "mechanism/design/rules.py": TAX_RULES,
}
PAYOFF = "printed"
"""Also a form of the payoff: no rule where that is what it is compared with, or listed."""
NAMED = {
    ("market/calibrate/fit.py", "nash"): "TODAY: what observations are of",
    ("cli/pages/calibration.py", "observed"): "a column of what was observed, no rule",
    ("market/model/case.py", "saturating"): "what a case made in Python has where it does not say",
    ("mechanism/casefile/policies.py", "nash"): "TODAY: what changes are measured against",
    ("mechanism/casefile/policies.py", "social_optimum"): "GOAL: what subsidies and taxes aim at",
    (
        "mechanism/design/program.py",
        "worst_type",
    ): "a bound on what transfers may be, by its formula",
    **{
        (
            f"mechanism/claims/{module}.py",
            key,
        ): "claims of the paper are about named regimes and forms"
        for module in ("claim", "ground", "propositions", "sample")
        for key in (
            *(
                "no_sharing",
                "nash",
                "joint_profit",
                "price_collusion",
                "social_optimum",
                "sequential",
                "investment_first",
            ),
            *("saturating", "restricted"),
        )
    },
    **{
        (
            "cli/commands/statics.py",
            key,
        ): "choices of an option, held to the table by a test: help loads no library of numbers"
        for key in (
            "no_sharing",
            "nash",
            "joint_profit",
            "price_collusion",
            "social_optimum",
            "first_best",
        )
    },
    **{
        ("cli/completion.py", key): "what a shell completes, held to the tables by a test"
        for key in POLICIES
        if key != PAYOFF and any(key in table for table in TABLES.values())
    },
}
"""Where a key of a row stands outside the row's own module, and why."""


def words(path: Path) -> Iterator[str]:
    """Every string that stands in a module as a value."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.slow
def test_nobody_but_its_own_module_knows_a_row_by_its_key() -> None:
    keys = {key: home for home, table in TABLES.items() for key in table}
    found = {
        (name, word)
        for path in MODULES
        for word in words(path)
        if word in keys and word != PAYOFF and (name := str(path.relative_to(ROOT))) != keys[word]
    }
    needless = {place for place in NAMED if place not in found}
    assert found - set(NAMED) == set()
    assert {place for place in needless if not place[0].startswith("mechanism/claims/")} == set()


@pytest.mark.slow
def test_the_printed_tax_is_known_to_its_own_row_alone() -> None:
    for path in MODULES:
        if str(path.relative_to(ROOT)) == "mechanism/design/rules.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare) and any(
                isinstance(c, ast.Constant) and c.value == PAYOFF for c in node.comparators
            ):
                assert "payoff" in ast.unparse(node.left), f"{path}:{node.lineno}"
            if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
                assert node.slice.value != PAYOFF, f"{path}:{node.lineno}"
