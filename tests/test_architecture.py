"""The shape of the program: which package may import which, what a command may load, how long a
module may be."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("market", "mechanism", "cli")
MAY_IMPORT = {
    "market": {"market"},
    "mechanism": {"market", "mechanism"},
    # whoever explores a case with the fingers has what a user of Python has
    "cli": {"market", "mechanism", "cli", "pigou"},
}
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MARKET = ("market.model", "market.regimes", "market.solve")
HEAVY = {"cvxpy", "pandas", "scipy"}


@cache
def tree_of(path: Path) -> ast.Module:
    """What a file says, read once."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imported(path: Path) -> tuple[tuple[str, int], ...]:
    """Every module that a file imports, by its absolute name, and the line of the import."""
    package = path.relative_to(ROOT).parent.parts
    found: list[tuple[str, int]] = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found += ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append((node.module or "", node.lineno))
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1]
            assert above, f"{path}:{node.lineno}: leaves its package"
            found.append((".".join([*above, node.module or ""]).rstrip("."), node.lineno))
    return tuple(found)


def test_there_is_something_to_walk() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == set(PACKAGES)


def test_imports_go_one_way_only() -> None:
    """cli -> mechanism -> market, never back; tests and benchmarks are imported by nothing."""
    ours = {*PACKAGES, "pigou", "tests", "benchmarks", "cases"}
    assert not [
        f"{path}:{line}: {name}"
        for path in MODULES
        for name, line in imported(path)
        if name.split(".")[0] in ours - MAY_IMPORT[path.relative_to(ROOT).parts[0]]
    ]


ROOMS = {
    "market.solve": (),
    "market.model": ("market.solve",),
    "market.casefile": ("market.model",),
    "market.certify": ("market.model", "market.solve"),
    "market.regimes": ("market.certify", "market.model", "market.solve"),
    "market.calibrate": ("market.casefile", "market.model", "market.regimes"),
    "mechanism.design": ("market.casefile",),
    "mechanism.casefile": (
        "market.casefile",
        "market.model",
        "market.regimes",
        "mechanism.design",
    ),
    "mechanism.scheme": (*MARKET, "market.certify", "mechanism.casefile", "mechanism.design"),
    "mechanism.rates": (*MARKET, "mechanism.casefile", "mechanism.design", "mechanism.scheme"),
    "mechanism.ranking": (
        "market.model",
        "market.regimes",
        "mechanism.casefile",
        "mechanism.design",
        "mechanism.scheme",
        "mechanism.rates",
    ),
    "mechanism.report": (
        *MARKET,
        "mechanism.casefile",
        "mechanism.design",
        "mechanism.scheme",
        "mechanism.rates",
        "mechanism.ranking",
    ),
    "mechanism.analysis": (
        "market.model",
        "market.regimes",
        "market.casefile",
        "market.calibrate",
        "mechanism.casefile",
        "mechanism.design",
        "mechanism.scheme",
        "mechanism.rates",
        "mechanism.ranking",
        "mechanism.report",
    ),
    "mechanism.uncertainty": (
        "market.casefile",
        "market.model",
        "mechanism.casefile",
        "mechanism.ranking",
        "mechanism.report",
        "mechanism.analysis",
    ),
    "mechanism.claims": (
        *MARKET,
        "mechanism.casefile",
        "mechanism.scheme",
        "mechanism.report",
    ),
    "cli.output": ("market.casefile",),
    "cli.pages": (
        "cli.output",
        "market.casefile",
        "market.model",
        "mechanism.casefile",
        "mechanism.design",
        "mechanism.ranking",
        "mechanism.report",
    ),
    "cli.pictures": (
        "cli.output",
        "cli.pages",
        "market.model",
        "market.regimes",
        "mechanism.casefile",
        "mechanism.report",
        "mechanism.analysis",
    ),
    "cli.batch": (
        "cli.output",
        "cli.pages",
        "market.casefile",
        "mechanism.casefile",
        "mechanism.ranking",
        "mechanism.report",
        "mechanism.analysis",
    ),
    "cli.results": (
        "cli.batch",
        "cli.output",
        "market.calibrate",
        "market.casefile",
        "market.regimes",
        "mechanism.casefile",
        "mechanism.report",
        "mechanism.analysis",
        "mechanism.uncertainty",
        "mechanism.claims",
    ),
    "cli.report": (
        "cli.pages",
        "cli.pictures",
        "market.casefile",
        "market.model",
        "mechanism.casefile",
        "mechanism.design",
        "mechanism.ranking",
        "mechanism.report",
    ),
    "cli.explorer": (
        "cli.pages",
        "cli.pictures",
        "market.casefile",
        "mechanism.casefile",
        "mechanism.design",
        "mechanism.uncertainty",
    ),
    "cli.commands": (
        "cli.explorer",
        "cli.report",
        "cli.output",
        "cli.pages",
        "cli.pictures",
        "cli.batch",
        "market.calibrate",
        "cli.results",
        "market.casefile",
        *MARKET,
        "mechanism.casefile",
        "mechanism.design",
        "mechanism.report",
        "mechanism.analysis",
        "mechanism.uncertainty",
        "mechanism.claims",
    ),
}
"""Every room, after all that it may import from; what stands at the root of a package serves its
rooms and imports none of them, the entry of the command line apart."""
ENTRY = {"cli/app.py", "cli/entry.py", "cli/shipped.py", "cli/naming.py"}


def room_of(name: str) -> str | None:
    """The room of a module, by its absolute name; None for what stands at the root of a package."""
    room = ".".join(name.split(".")[:2])
    return room if (ROOT / room.replace(".", "/")).is_dir() and "." in room else None


def test_every_room_is_listed_after_those_it_imports_from() -> None:
    there = {
        ".".join(path.relative_to(ROOT).parts[:2])
        for path in MODULES
        if len(path.relative_to(ROOT).parts) == 3
    }
    assert there == set(ROOMS)
    order = list(ROOMS)
    assert all(order.index(other) < order.index(room) for room in ROOMS for other in ROOMS[room])


def test_arrows_between_rooms_go_one_way() -> None:
    """Imports for types and those inside of functions included."""
    wrong = []
    for path in MODULES:
        name = str(path.relative_to(ROOT))
        own = room_of(name.removesuffix(".py").replace("/", "."))
        may = {own, None, *(ROOMS[own] if own else ())}
        wrong += [
            f"{name}:{line}: {there}"
            for there, line in imported(path)
            if there.split(".")[0] in PACKAGES and room_of(there) not in may and name not in ENTRY
        ]
    assert not wrong


def test_no_room_imports_from_more_rooms_than_it_uses() -> None:
    used: dict[str, set[str]] = {room: set() for room in ROOMS}
    for path in MODULES:
        own = room_of(str(path.relative_to(ROOT)).removesuffix(".py").replace("/", "."))
        if own:
            used[own] |= {room for name, _ in imported(path) if (room := room_of(name))}
    idle = {room: set(ROOMS[room]) - used[room] for room in ROOMS}
    assert not {room: rest for room, rest in idle.items() if rest}


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    """Circles would be hidden by imports inside of functions; those for types alone are none."""
    arrows = {
        (name, there)
        for path in MODULES
        for name in [str(path.relative_to(ROOT)).removesuffix(".py").replace("/", ".")]
        for there in at_once(path)
        if there.split(".")[0] in PACKAGES
    }
    while leaves := {pair for pair in arrows if pair[1] not in {one for one, _ in arrows}}:
        arrows -= leaves
    assert not arrows


def at_once(path: Path) -> Iterator[str]:
    """The modules that a module imports when it is imported itself."""
    for node in tree_of(path).body:
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_no_class_name_twice() -> None:
    """Two things of one name in two rooms are mistaken for each other."""
    names = [
        node.name
        for path in MODULES
        for node in tree_of(path).body
        if isinstance(node, ast.ClassDef)
    ]
    assert sorted(names) == sorted(set(names))


def test_a_module_has_something_of_its_own() -> None:
    """None only hands on what others define; the roots of packages may."""
    own = (ast.FunctionDef, ast.ClassDef, ast.Assign, ast.Try)
    assert not [
        path
        for path in MODULES
        if path.name != "__init__.py"
        and not any(isinstance(node, own) for node in tree_of(path).body)
    ]


@pytest.mark.parametrize(
    ("library", "place"),
    [("cvxpy", "mechanism/design/cvx.py"), ("matplotlib", "cli/pictures/canvas.py")],
)
def test_one_module_imports_a_library_that_is_slow_to_load(library: str, place: str) -> None:
    """Imports for types alone load nothing."""
    users = {
        str(path.relative_to(ROOT))
        for path in MODULES
        for name, line in imported(path)
        if name.split(".")[0] == library and line not in for_types(path)
    }
    assert users == {place}


def for_types(path: Path) -> set[int]:
    """The lines of a module that only a type checker reads."""
    return {
        inner.lineno
        for node in tree_of(path).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in node.body
    }


def test_a_module_is_of_readable_length_and_says_what_it_is_for() -> None:
    long = [p for p in MODULES if len(p.read_text(encoding="utf-8").splitlines()) > 650]
    assert not long
    assert not [path for path in MODULES if not ast.get_docstring(tree_of(path))]


PLAIN = {
    "mechanism/analysis/calibrated_case.py",
    "market/calibrate/datafile.py",
    "market/casefile/choices.py",
    "market/casefile/faults.py",
    "market/casefile/files.py",
    "market/casefile/schema.py",
    "market/casefile/tables.py",
    "market/text.py",
    "mechanism/analysis/findings_tree.py",
    "mechanism/analysis/what_if_tree.py",
    "mechanism/casefile/case_keys.py",
    "mechanism/casefile/json_schema.py",
    "mechanism/casefile/policy_case.py",
    "mechanism/casefile/schema.py",
    "mechanism/casefile/together.py",
    "mechanism/claims/claims_tree.py",
    "mechanism/design/setting_file.py",
    "mechanism/report/evaluation_tree.py",
    "mechanism/report/plain.py",
    "mechanism/report/rule_tree.py",
}
"""Where values have no types yet or no longer: a file is read, or JSON is made."""
COLUMNS = {
    "mechanism/analysis/informative.py",
    "mechanism/claims/claim.py",
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


@cache
def plain_trees(path: Path) -> tuple[list[int], list[int]]:
    """The lines of a module with `dict[str, Any]`, and those that subscript by a string."""
    trees, keys = [], []
    for node in ast.walk(tree_of(path)):
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


def test_results_have_types_until_they_leave() -> None:
    """Plain trees are made in one module and read in those that read files; nobody looks a fact up
    by a string in between."""
    found = {
        str(path.relative_to(ROOT)): plain_trees(path)
        for path in MODULES
        if path.relative_to(ROOT).parts[0] != "cli"
    }
    trees = {name: lines for name, (lines, _) in found.items() if lines}
    keys = {name: lines for name, (_, lines) in found.items() if lines}
    assert not {name: trees[name] for name in set(trees) - PLAIN - UNTYPED}
    assert not {name: keys[name] for name in set(keys) - PLAIN - COLUMNS - UNTYPED}


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


@pytest.mark.parametrize(
    "command", [["evaluate"], ["batch"], ["calibrate"], ["doctor"], ["examples", "copy"]]
)
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


def test_the_page_on_architecture_names_every_module_in_its_room() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows: dict[str, str] = {}
    for line in page.split("## The rooms")[1].split("## ")[0].splitlines():
        cells = line.split("|")
        if len(cells) == 4 and "`" in cells[1]:
            rows |= {room.strip("`/ "): cells[2] for room in cells[1].split(",")}
    named = {".".join(room.split("/")) for room in rows}
    assert named == {*ROOMS, "market", "mechanism", "cli"}
    lost = [
        f"{room}/{path.stem}"
        for path in MODULES
        for room in [str(path.relative_to(ROOT).parent)]
        if path.name != "__init__.py"
        and room not in ("cli/commands", "cli/pages")
        and f"`{path.stem}`" not in rows[room]
    ]
    # The trees of what is analysed are named together.
    assert all(name.endswith("_tree") for name in lost)
    mentioned = set(re.findall(r"`((?:market|mechanism|cli)/[a-z_/]+\.py)`", page))
    assert mentioned
    assert not [name for name in mentioned if not (ROOT / name).is_file()]
