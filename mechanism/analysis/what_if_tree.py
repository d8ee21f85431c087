"""The JSON contract of `what-if`: differences and paths."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import isnan
from typing import TYPE_CHECKING

from market.text import Json
from mechanism.analysis.difference import changes
from mechanism.analysis.many import TOLD
from mechanism.casefile.case_keys import settings
from mechanism.casefile.policy_case import tree_sha256
from mechanism.report.evaluation_tree import evaluation_tree
from mechanism.report.plain import Tree, fields_of
from mechanism.report.provenance import command_line, provenance

if TYPE_CHECKING:
    from mechanism.analysis.difference import Advice, Compared, Difference, KeyChange, Moved
    from mechanism.analysis.what_if import Path


def difference_tree(found: Difference) -> Tree:
    """`what-if --set --format json`."""
    return {
        "provenance": provenance(
            command_line(
                "what-if",
                "CASE",
                set_options(found.before.case.resolved, found.after.case.resolved),
            ),
            found.before.case.sha256,
        ),
        "changes": changes_tree(found.changes),
        "recommendation": advice_tree(found.advice),
        "policies": [_compared(row, "policy") for row in found.policies],
        "regimes": [_compared(row, "regime") for row in found.regimes],
        "rules": [_compared(row, "tax_rule") for row in found.rules],
        "baseline": evaluation_tree(found.before),
        "changed": evaluation_tree(found.after),
    }


def set_options(before: Json, after: Json) -> list[tuple[str, str]]:
    """The options that make one case of another, however they were written."""
    return [
        ("--set", f"{key}={json.dumps(value, ensure_ascii=False)}")
        for key, value in settings(before, after).items()
    ]


def changes_tree(changes: Sequence[KeyChange]) -> list[Tree]:
    """What was changed in a case."""
    return [
        {"key": change.key, "before": change.before, "after": change.after} for change in changes
    ]


def advice_tree(found: Advice) -> Tree:
    """What is recommended before and after, and why it changed; null where there is no advice."""
    return {
        "before": found.before and found.before.key,
        "after": found.after and found.after.key,
        "changed": found.before != found.after,
        "value": _moved(found.value),
        "why": list(found.why),
    }


def _compared(row: Compared, name: str) -> Tree:
    before, after = row.status
    return {
        name: row.key,
        "status": {"before": before, "after": after},
        **{figure: _moved(moved) for figure, moved in row.figures.items()},
        **{figure: [_moved(moved) for moved in pair] for figure, pair in row.per_firm.items()},
    }


def _moved(moved: Moved) -> Tree:
    return {
        "before": moved.before,
        "after": moved.after,
        "change": moved.change,
        "share": moved.share,
    }


def path_tree(found: Path, before: Json, changed: Json) -> Tree:
    """`what-if --vary --format json`: policies along keys of a case, of which something may have
    been set first."""
    options = set_options(before, changed)
    options += [("--vary", f"{s.key}={s.low!r}:{s.high!r}:{s.count}") for s in found.spans]
    options += [("--policy", policy) for policy in found.policies]
    return {
        "provenance": provenance(command_line("what-if", "CASE", options), tree_sha256(before)),
        "case": changed,
        "case_before": None if before == changed else before,
        "changes": changes_tree(changes(before, changed)),
        "vary": [fields_of(span) for span in found.spans],
        "policies": list(found.policies),
        "best": _best(found),
        "rows": _path_rows(found),
        "events": [fields_of(event) | {"policies": list(event.policies)} for event in found.events],
        "more_events": found.more_events,
    }


def _points(found: Path) -> list[Tree]:
    """The values of the varied keys at every point."""
    return [
        dict(zip((span.key for span in found.spans), point, strict=True))
        for point in found.points.tolist()
    ]


def _best(found: Path) -> list[Tree]:
    """A row per point: what is recommended there, and its value; null where there is no advice."""
    width = len(found.policies)
    winners = zip(
        found.columns["best"][::width], found.columns["best_value"][::width].tolist(), strict=True
    )
    return [
        point | {"policy": key or None, "value": None if isnan(value) else value}
        for point, (key, value) in zip(_points(found), winners, strict=True)
    ]


def _path_rows(found: Path) -> list[Tree]:
    """A row per point and policy: figures, and what is said where there is something to say."""
    figures = [name for name, values in found.columns.items() if values.dtype == float]
    columns = {name: values.tolist() for name, values in found.columns.items()}
    points, width = _points(found), len(found.policies)
    return [
        points[at // width]
        | {name: columns[name][at] for name in ("policy", "status")}
        | {name: None if isnan(columns[name][at]) else columns[name][at] for name in figures}
        | {name: columns[name][at] or None for name in TOLD}
        for at in range(len(points) * width)
    ]
