"""Two cases or two results side by side: what was changed, what is recommended, what is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cli.batch.parts import known_ending
from cli.results.leaves import differing
from cli.results.read import NoResult, ReadResult, json_of, provenance_of, read_back
from cli.results.reasons import environments_of
from market.text import Json as Tree
from mechanism.analysis.difference import Moved, changes, difference
from mechanism.analysis.evaluation import evaluate
from mechanism.analysis.what_if_tree import advice_tree
from mechanism.casefile.case_keys import BLOCKS, NAMES, key_path, settings, value_at
from mechanism.casefile.policy_case import PolicyCase, load_case
from mechanism.casefile.uncertainty import left_unused

ASKED = ("provenance", "case", "input", "resolved", "case_before", "case_sha256", "changes")
"""Keys of results below which stands what was asked."""
WORDS = ("verdicts", "text", "message", "basis", "note", "notes", "detail", "why")
"""Keys of results below which stand words about the figures."""


def is_result(path: Path) -> bool:
    """Whether a file holds a result rather than a case."""
    if known_ending(path):
        return True
    return (
        path.suffix.lower() == ".json"
        and path.is_file()
        and provenance_of(json_of(path)) is not None
    )


def cases_side_by_side(a: Path, b: Path) -> Tree:
    """Two cases: the keys that differ, and what each of them alone makes of the first case's
    answer."""
    one, other = load_case(a), load_case(b)
    found = difference(evaluate(one), evaluate(other))
    before, after = one.resolved, other.resolved
    labels = [
        {"key": key, "before": before.get(key), "after": after.get(key)}
        for key in dict.fromkeys([*before, *after])
        if key not in BLOCKS and before.get(key) != after.get(key)
    ]
    moved = [
        {
            "key": key,
            "before": value_at(before, key_path(key)),
            "after": value,
            "alone": _alone(one, key, value, found.advice.value.before),
        }
        for key, value in settings(before, after).items()
        if key != NAMES
    ]
    return {
        "kind": "cases",
        "a": str(a),
        "b": str(b),
        "same": not labels and not moved,
        "changes": moved,
        "labels": labels,
        "notes": [
            f"{path}: {unused}"
            for path, case in ((a, one), (b, other))
            if (unused := left_unused(case.uncertainty))
        ],
        "recommendation": advice_tree(found.advice),
    }


def _alone(case: PolicyCase, key: str, value: Any, was: float | None) -> Tree:
    """What a case's answer becomes if one key alone has another value."""
    from market.casefile.faults import BadCase

    try:
        told = evaluate(case.set(key, value)).recommendation
    except BadCase as bad:
        return {"policy": None, "value": None, "change": None, "message": str(bad.faults[0])}
    assert told is not None
    return {
        "policy": told.policy and told.policy.key,
        "value": told.value,
        "change": Moved(before=was, after=told.value).change,
        "message": told.no_advice,
    }


def results_side_by_side(a: Path, b: Path, tolerance: float) -> Tree:
    """Two results of one command: inputs, recommendations, verdicts, figures."""
    one, other = _read(a), _read(b)
    if one.command != other.command:
        raise NoResult(
            f"is of pigou {other.command}, {a} of pigou {one.command}; give two results of one"
            " command"
        )
    if one.command == "batch":
        return _batches(a, b, tolerance)
    try:
        return _told(one, other, tolerance)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise NoResult(
            f"{a} or {b} is no whole result of pigou {one.command}: {type(error).__name__} at"
            f" {error}"
        ) from None


def _told(one: ReadResult, other: ReadResult, tolerance: float) -> Tree:
    """Two results of one command."""
    figures, count = differing(
        one.tree, other.tree, tolerance=tolerance, of=one.command, left_out=(*ASKED, *WORDS)
    )
    said, says = list(_verdicts(one)), list(_verdicts(other))
    inputs = _inputs(one), _inputs(other)
    changed = [
        {"key": f"{name}: {change.key}" if name else change.key, **_pair(change)}
        for name in dict.fromkeys([*inputs[0], *inputs[1]])
        for change in changes(inputs[0].get(name, {}), inputs[1].get(name, {}))
    ]
    advice = _advised(one), _advised(other)
    names = dict.fromkeys([*advice[0], *advice[1]])
    recommended = [
        {"of": name, "before": advice[0].get(name), "after": advice[1].get(name)} for name in names
    ]
    verdicts = {
        "gone": [text for text in said if text not in says],
        "new": [text for text in says if text not in said],
    }
    return {
        "kind": "results",
        "a": str(one.path),
        "b": str(other.path),
        "of": f"pigou {one.command}",
        "same": not (figures or changed or verdicts["gone"] or verdicts["new"]),
        "compared": count,
        "tolerance": tolerance,
        "changes": changed,
        "recommendation": [row for row in recommended if row["before"] != row["after"]],
        "verdicts": verdicts,
        "differences": [one.tree for one in figures],
        "environment": environments_of(one.provenance, other.provenance),
    }


def _read(path: Path) -> ReadResult:
    try:
        return read_back(path)
    except NoResult as error:
        raise NoResult(f"{path} {error}") from None


def _batches(a: Path, b: Path, tolerance: float) -> Tree:
    from cli.results.batch_again import read_batch

    tables = [read_batch(path) for path in (a, b)]
    trees = [table.tree(np.arange(table.count)) for table in tables]
    figures, count = differing(*trees, tolerance=tolerance, left_out=WORDS)
    return {
        "kind": "results",
        "a": str(a),
        "b": str(b),
        "of": "pigou batch",
        "same": not figures,
        "compared": count,
        "tolerance": tolerance,
        "changes": [],
        "recommendation": [],
        "verdicts": {"gone": [], "new": []},
        "differences": [one.tree for one in figures],
        "environment": environments_of(*(table.provenance for table in tables)),
    }


def _pair(change: Any) -> Tree:
    return {"before": change.before, "after": change.after}


def _inputs(found: ReadResult) -> dict[str, Tree]:
    """The cases that a result is of, by what they are called in it."""
    tree = found.tree
    if found.command == "compare":
        return {row["case"]: row["resolved"] for row in tree if row.get("resolved")}
    if isinstance(tree, list):
        return {row["design"]: row["input"] for row in tree}
    if "changed" in tree and isinstance(tree["changed"], dict):
        return {"baseline": tree["baseline"]["case"], "changed": tree["changed"]["case"]}
    if found.command == "calibrate":  # the data are no case and are compared value by value
        return {}
    return {"": tree.get("case", tree.get("input", {}))}


def _advised(found: ReadResult) -> dict[str, Tree]:
    """What a result recommends, by case, and what that is worth."""
    tree = found.tree
    if found.command == "compare":
        told = {row["case"]: row["recommendation"] for row in tree if row.get("recommendation")}
    elif found.command == "what-if" and "changed" in tree:
        told = {name: tree[name]["recommendation"] for name in ("baseline", "changed")}
    elif found.command == "evaluate":
        told = {"": tree["recommendation"]}
    elif found.command == "design" and isinstance(tree, list):
        told = {
            row["design"]: {"policy": row["status"], "value": row["objective_value"]}
            for row in tree
        }
    elif found.command == "design":
        told = {"": {"policy": tree["status"], "value": tree["objective_value"]}}
    else:
        return {}
    return {name: {"policy": one["policy"], "value": one["value"]} for name, one in told.items()}


def _verdicts(found: ReadResult) -> Iterator[str]:
    """What a result says in words."""
    tree = found.tree
    if not isinstance(tree, dict):
        return
    side = tree["changed"] if isinstance(tree.get("changed"), dict) else tree
    for said in side.get("verdicts", []):
        yield said["text"] if isinstance(said, dict) else str(said)
