"""`pigou doctor`: does this installation work, and is it the one that was tested?"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import typer

from cli import shipped
from cli.exit_codes import FAULT
from cli.tested import PYTHON, TESTED

PACKAGES = ("market", "mechanism", "cli", "pigou")
"""The import names that are ours."""
SOLVERS = ("HIGHS", "CLARABEL")
"""What cvxpy needs: one solver for linear programs, one for conic ones."""


class Diagnosis(NamedTuple):
    """One line of the self-test."""

    ok: bool
    subject: str
    detail: str


def doctor() -> None:
    """Test this installation.

    Versions, import names, shipped cases, one evaluation, solvers. The exit code is 1 if a test
    fails.
    """
    failed = False
    for finding in findings():
        print(
            f"{'PASS' if finding.ok else 'FAIL'}  {finding.subject:<24}  {finding.detail}".rstrip(),
            flush=True,
        )
        failed |= not finding.ok
    if failed:
        raise typer.Exit(FAULT)


def findings() -> Iterator[Diagnosis]:
    """Every test, one after the other; a test that breaks is a failure and not the end."""
    tests: tuple[Callable[[], Iterator[Diagnosis]], ...] = (
        python,
        dependencies,
        names,
        cases,
        evaluation,
        solvers,
    )
    for test in tests:
        try:
            yield from test()
        except Exception as error:
            yield Diagnosis(
                False, test.__name__, f"{type(error).__name__}: {error}".splitlines()[0]
            )


def python() -> Iterator[Diagnosis]:
    """The interpreter."""
    version = "{}.{}.{}".format(*sys.version_info[:3])
    yield Diagnosis(
        sys.version_info >= (3, 11),
        "python",
        f"{version}, tested with {PYTHON}; 3.11 or later is needed",
    )


def dependencies() -> Iterator[Diagnosis]:
    """Every library that pigou needs, against the least version it asks for and the one it was
    tested with."""
    from importlib import metadata  # takes as long to import as all of `--help` may

    try:
        required = metadata.requires("pigou") or []
    except metadata.PackageNotFoundError:
        yield Diagnosis(
            False, "pigou", "not installed; run `pip install .` in an environment of its own"
        )
        return
    yield Diagnosis(True, "pigou", metadata.version("pigou"))
    for requirement in required:
        found = re.match(r"([\w.-]+)\s*(?:>=\s*([\d.]+))?([^;]*)(;.*extra.*)?", requirement)
        if found is None or found[4]:
            continue
        name, least = found[1], found[2] or "0"
        tested = TESTED.get(name.lower(), "-")
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Diagnosis(False, name, f"not installed; {requirement} is needed")
            continue
        detail = version if version == tested else f"{version}, tested with {tested}"
        ok = _release(version) >= _release(least)
        yield Diagnosis(ok, name, detail if ok else f"{detail}; at least {least} is needed")


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def names() -> Iterator[Diagnosis]:
    """The import names are common words: another distribution that ships one of them would replace
    ours."""
    from importlib import metadata

    owners = metadata.packages_distributions()
    root = Path(__file__).resolve().parents[2]
    for name in PACKAGES:
        others = sorted({owner for owner in owners.get(name, []) if owner != "pigou"})
        place = Path(str(import_module(name).__file__)).resolve().parent
        if others:
            yield Diagnosis(
                False,
                f"import {name}",
                f"also shipped by {', '.join(others)}; give pigou an environment of its own",
            )
        elif place != root / name:
            yield Diagnosis(
                False,
                f"import {name}",
                f"comes from {place}, expected {root / name}; give pigou an environment of its own",
            )
        else:
            yield Diagnosis(True, f"import {name}", f"from {place}")


def cases() -> Iterator[Diagnosis]:
    """The shipped cases can be read."""
    from mechanism.casefile.policy_case import load_case

    found = shipped.names()
    for name in found:
        load_case(shipped.folder() / f"{name}.yaml")
    yield Diagnosis(bool(found), "shipped cases", f"{len(found)} read from {shipped.folder()}")


def evaluation() -> Iterator[Diagnosis]:
    """One shipped case leads to what it expects."""
    from mechanism.analysis.evaluation import evaluate
    from mechanism.casefile.policy_case import load_case
    from mechanism.report.evaluation_tree import evaluation_tree

    for name in shipped.names():
        case = load_case(shipped.folder() / f"{name}.yaml")
        if case.expect and case.types is None:
            checks = evaluation_tree(evaluate(case))["expectations"]
            missed = [check["key"] for check in checks if not check["ok"]]
            met = f"{len(checks) - len(missed)} of {len(checks)} expected results met"
            yield Diagnosis(
                not missed,
                f"evaluate {name}",
                met + (f"; missed: {', '.join(missed)}" if missed else ""),
            )
            return
    yield Diagnosis(False, "evaluate", "no shipped case says what it expects")


def solvers() -> Iterator[Diagnosis]:
    """cvxpy finds the solvers that are used."""
    # Not an import statement: cvxpy is a library under test here, and `mechanism.design.cvx` alone
    # builds on it.
    installed = import_module("cvxpy").installed_solvers()
    for solver in SOLVERS:
        yield Diagnosis(
            solver in installed,
            f"solver {solver}",
            "found by cvxpy" if solver in installed else "not found by cvxpy",
        )
