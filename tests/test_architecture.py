"""The shape of the program: which package may import which, what a command may load, how long a
module may be."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("market", "mechanism", "cli")
MAY_IMPORT = {
    "market": {"market"},
    "mechanism": {"market", "mechanism"},
    "cli": {"market", "mechanism", "cli"},
}
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
HEAVY = {"cvxpy", "pandas", "scipy"}


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, by its absolute name, and the line of the import."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or "", node.lineno
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1]
            assert above, f"{path}:{node.lineno}: leaves its package"
            yield ".".join([*above, node.module or ""]).rstrip("."), node.lineno


def test_there_is_something_to_walk() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == set(PACKAGES)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way_only(path: Path) -> None:
    """cli -> mechanism -> market, never back; tests and benchmarks are imported by nothing."""
    package = path.relative_to(ROOT).parts[0]
    ours = {*PACKAGES, "tests", "benchmarks", "cases"}
    wrong = [
        f"line {line}: {name}"
        for name, line in imported(path)
        if name.split(".")[0] in ours - MAY_IMPORT[package]
    ]
    assert not wrong


def test_one_module_imports_cvxpy() -> None:
    users = {
        str(path.relative_to(ROOT))
        for path in MODULES
        for name, _ in imported(path)
        if name.split(".")[0] == "cvxpy"
    }
    assert users == {"mechanism/design/cvx.py"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_of_readable_length_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 650
    assert ast.get_docstring(ast.parse(text))


PLAIN = {
    "market/casefile/faults.py",
    "market/casefile/files.py",
    "market/casefile/schema.py",
    "mechanism/casefile/case_keys.py",
    "market/casefile/choices.py",
    "mechanism/claims/claims_tree.py",
    "mechanism/report/design.py",
    "mechanism/casefile/schema.py",
    "mechanism/design/setting_file.py",
    "mechanism/report/tree.py",
}
"""Where values have no types yet or no longer: a file is read, or JSON is made."""
COLUMNS = {
    "mechanism/analysis/findings.py",
    "mechanism/claims/ground.py",
    "mechanism/analysis/many.py",
    "mechanism/claims/propositions.py",
    "mechanism/claims/sample.py",
    "mechanism/analysis/what_if.py",
}
"""Where arrays stand under names, as columns of a table or by regime."""
UNTYPED: set[str] = set()
"""Where results are still trees."""


def plain_trees(path: Path) -> tuple[list[int], list[int]]:
    """The lines of a module with `dict[str, Any]`, and those that subscript by a string."""
    trees, keys = [], []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Subscript):
            continue
        if ast.unparse(node) == "dict[str, Any]":
            trees.append(node.lineno)
        elif (
            isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
            and ast.unparse(node.value) != "Literal"
        ):
            keys.append(node.lineno)
    return trees, keys


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if path.relative_to(ROOT).parts[0] != "cli"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_results_have_types_until_they_leave(path: Path) -> None:
    """Plain trees are made in one module and read in those that read files; nobody looks a fact up
    by a string in between."""
    name, (trees, keys) = str(path.relative_to(ROOT)), plain_trees(path)
    assert not trees or name in PLAIN | UNTYPED
    assert not keys or name in PLAIN | COLUMNS | UNTYPED


def test_no_module_is_excused_for_nothing() -> None:
    found = {str(path.relative_to(ROOT)): plain_trees(path) for path in MODULES}
    assert {name for name in PLAIN if not any(found[name])} == set()
    assert {name for name in COLUMNS if not found[name][1]} == set()
    assert {name for name in UNTYPED if not any(found[name])} == set()


LOADED = """
import sys
sys.argv = ["pigou", *sys.argv[1:]]
from cli.entry import run
try:
    run()
finally:
    print(*{name.split(".")[0] for name in sys.modules}, file=sys.stderr)
"""


def loaded(*arguments: str) -> set[str]:
    """The top-level modules that a command has loaded when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stderr.splitlines()[-1].split())


def test_help_loads_no_library_of_numbers_models_or_files() -> None:
    assert not loaded("--help") & (HEAVY | {"numpy", "pydantic", "ruamel", "rich"})


@pytest.mark.parametrize("command", [["evaluate"], ["batch"], ["doctor"], ["examples", "copy"]])
def test_help_of_a_command_loads_no_library_of_numbers_or_files(command: list[str]) -> None:
    """Newer versions of typer load pydantic for it themselves."""
    assert not loaded(*command, "--help") & (
        HEAVY | {"numpy", "ruamel", "rich", "pyarrow", "joblib", "distributed"}
    )


def test_the_version_does_not_even_load_typer() -> None:
    assert "typer" not in loaded("--version")


def test_validate_and_schema_load_no_solver(tmp_path: Path) -> None:
    case = tmp_path / "case.yaml"
    case.write_text(
        "demand: {intercept: 20, own_slope: 1.5, cross_slope: 1.0}\nsecurity: {rivalry: 0.2,"
        " demand_spillover: 0.6, leakage: {own: 3.0, cross: 0.5, interaction: 0.2}}\ncost: {form:"
        " saturating, scale: 20, max_saving: 0.5, spillover: 0.5}\n"
    )
    assert not loaded("validate", str(case)) & HEAVY
    assert not loaded("schema") & HEAVY


def test_listing_the_examples_loads_no_library_of_numbers() -> None:
    assert not loaded("examples", "list") & (HEAVY | {"numpy"})
