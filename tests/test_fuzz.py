"""A short run of the fuzzer, and proof that it sees what it looks for: faults planted one by
one."""

from __future__ import annotations

import io
import itertools
import json
import os
import random
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from fuzz import RESULT, ROOT, Oracle, fuzz, main
from trees import evaluate

from mechanism.casefile.policy_case import load_case

posix = pytest.mark.skipif(os.name != "posix", reason="its clock needs a POSIX system")


@pytest.mark.slow
@posix
def test_nothing_is_found_and_a_third_of_the_files_are_good() -> None:
    tally = fuzz(files=60, evaluations=2, commands=40, seed=0)
    assert not tally.findings, "\n".join(map(str, tally.findings))
    assert tally.tried["files"] / 3 <= tally.tried["good files"] <= 3 * tally.tried["files"] / 4


@posix
def test_a_seed_tries_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[list[str]] = []
    monkeypatch.setattr("fuzz.main", lambda line: lines.append(line) or 2)
    for part in ({}, {"step": 2}, {"first": 1, "step": 2}):
        fuzz(files=6, evaluations=0, commands=6, seed=3, **part)  # type: ignore[arg-type]
    # A stopped `main` says nothing at exit 2, which is a finding of its own; here only the order
    # counts.
    assert lines[: len(lines) // 2]
    assert sorted(map(str, lines[: len(lines) // 2])) == sorted(map(str, lines[len(lines) // 2 :]))


def test_the_result_that_files_are_made_of_is_good(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text(RESULT + "\n")
    assert main(["compare", str(tmp_path / "f.csv")]) == 0


Work = Callable[[dict[str, Any], Path], None]


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    """What evaluating a case leads to."""
    return evaluate(load_case(ROOT / "cases" / "two_vendors.yaml"))


def _not_finite(result: dict[str, Any], elsewhere: Path) -> None:
    result["regimes"]["nash"]["welfare"] = float("inf")


def _claim(result: dict[str, Any], elsewhere: Path) -> None:
    result["regimes"]["nash"]["status"] = "not_converged"


def _raise(result: dict[str, Any], elsewhere: Path) -> None:
    raise ZeroDivisionError


def _differ(result: dict[str, Any], elsewhere: Path) -> None:
    result["regimes"]["nash"]["message"] = f"{next(COUNT)}"


COUNT = itertools.count()


def _slow(result: dict[str, Any], elsewhere: Path) -> None:
    while True:
        pass


def _outside(result: dict[str, Any], elsewhere: Path) -> None:
    (elsewhere / "x").write_text("x")


def _change(result: dict[str, Any], elsewhere: Path) -> None:
    Path("c.yaml").write_text("x")


@pytest.mark.slow
@posix
@pytest.mark.parametrize(
    ("work", "kind"),
    [
        (_raise, "traceback"),
        (_not_finite, "not finite"),
        (_claim, "claims"),
        (_differ, "differs"),
        (_slow, "slow"),
        (_outside, "outside"),
        (_change, "changed"),
    ],
)
def test_a_fault_planted_in_an_evaluation_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, result: dict[str, Any], work: Work, kind: str
) -> None:
    def planted(*_: Any) -> dict[str, Any]:
        copy = deepcopy(result)
        work(copy, tmp_path)
        return copy

    written = json.dumps
    monkeypatch.setattr("mechanism.analysis.evaluation.evaluate", lambda *_: None)
    monkeypatch.setattr("mechanism.report.evaluation_tree.evaluation_tree", planted)
    monkeypatch.setattr(
        "json.dumps", lambda tree, **more: written(tree, **{**more, "allow_nan": True})
    )
    assert kind in kinds(lambda oracle, chance: oracle.json(oracle.run(*EVALUATE), EVALUATE))


EVALUATE = ["evaluate", "c.yaml", "--format", "json"]


@posix
@pytest.mark.parametrize(
    ("place", "planted", "kind"),
    [
        ("cli.output.streams.visible", lambda text, kept="": text, "steers"),
        ("cli.entry.USAGE", 7, "code"),
        ("market.casefile.faults.LISTED", 10**9, "flood"),
        (
            "cli.output.streams.Seen.write",
            lambda self, text: self.stream.write(text.replace("Usage", "Traceback")),
            "traceback",
        ),
        (
            "cli.entry.Seen.of",
            lambda stream: io.StringIO() if stream is sys.stderr else stream,
            "silent",
        ),
    ],
)
def test_a_fault_planted_in_the_shell_is_found(
    monkeypatch: pytest.MonkeyPatch, place: str, planted: Any, kind: str
) -> None:
    monkeypatch.setattr(place, planted)
    many = "".join(f"k{n}: 1\n" for n in range(99))

    def lines(oracle: Oracle, chance: random.Random) -> None:
        (oracle.folder / "many.yaml").write_text(many)
        for line in (
            ["validate", "many.yaml"],
            ["evaluate", "c.yaml", "--out", "\x1b/x.csv"],
            ["evaluate", "many.yaml"],
            ["evaluate", "nowhere.yaml"],
        ):
            oracle.run(*line, twice=False)

    assert kind in kinds(lines)


def kinds(work: Callable[[Oracle, random.Random], Any]) -> set[str]:
    """The kinds of findings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fuzz.try_command", work)
        return {finding.kind for finding in fuzz(0, 0, 1, 4, limit=1.0).findings}


@posix
@pytest.mark.parametrize(
    "line",
    [
        ["examples", "copy", "--all", "--", "--dry-run"],
        ["examples", "copy", "two_vendors", "--", "--quiet"],
    ],
)
def test_a_word_after_two_dashes_is_a_place_to_copy_to(
    monkeypatch: pytest.MonkeyPatch, line: list[str]
) -> None:
    monkeypatch.setattr("fuzz.a_command", lambda *_: line)
    assert not fuzz(0, 0, 1, 4).findings
    # what is copied without being asked for is found all the same
    monkeypatch.setattr("fuzz.copied_by", lambda _: [])
    assert {finding.kind for finding in fuzz(0, 0, 1, 4).findings} == {"changed"}
