"""Labels and CSV of the tidy comparison."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cli.output.cells import unrun
from cli.pages.figures import plain
from mechanism.report.plain import Tree
from mechanism.report.table import COLUMNS


def case_labels(results: Sequence[dict[str, Any]], paths: Sequence[Any]) -> list[str]:
    """A label per case that no other has: its name, and its file where several cases share the
    name."""
    given = [plain(result["case"]["name"]) for result in results]
    count = Counter(given)
    return [
        name if count[name] == 1 else f"{name} ({path})"
        for name, path in zip(given, paths, strict=True)
    ]


def as_csv(rows: Sequence[Tree]) -> str:
    """Rows as CSV with a header; figures in full precision, empty where there is none."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({column: unrun(row[column]) for column in COLUMNS} for row in rows)
    return text.getvalue()


def claims_csv(result: dict[str, Any]) -> str:
    """The claims of a case as CSV."""
    return csv_text(
        ("id", "text", "assumption_met", "holds", "margin", "detail"),
        (
            (
                row["id"],
                row["text"],
                row["assumption"]["met"],
                row["holds"],
                row["margin"],
                row["assumption"]["detail"],
            )
            for row in result["claims"]
        ),
    )


def derivatives_csv(result: dict[str, Any]) -> str:
    """Derivatives and elasticities as CSV, a row per parameter and figure; at a kink one for each
    direction."""
    rows = []
    for parameter, found in result["derivatives"].items():
        relative = result["elasticities"][parameter]
        for direction, side, share in (
            ("rising", found, relative),
            ("falling", found["falling"] or {}, relative["falling"]),
        ):
            for figure, value in side.items():
                if figure == "falling":
                    continue
                pairs = (
                    enumerate(zip(value, share[figure], strict=True))
                    if isinstance(value, list)
                    else [(None, (value, share[figure]))]
                )
                rows += [
                    (parameter, direction, figure if i is None else f"{figure}_{i + 1}", *both)
                    for i, both in pairs
                ]
    return csv_text(("parameter", "direction", "figure", "derivative", "elasticity"), rows)


def csv_text(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Rows as CSV with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(unrun, columns))
    writer.writerows(map(unrun, row) for row in rows)
    return text.getvalue()


def transfers_csv(result: dict[str, Any]) -> str:
    """Net transfers as CSV, a row per state and player."""
    rows = []
    for state, types in enumerate(result["states"] if result["transfers"] else []):
        for player, name in enumerate(result["players"]):
            rows.append((state, *types, name, result["transfers"][player][state]))
    return csv_text(
        ("state", *(f"type_{name}" for name in result["players"]), "player", "net_transfer"), rows
    )


def calibration_csv(result: dict[str, Any]) -> str:
    """The estimates of a calibration as CSV, a row per value of the case."""
    return csv_text(
        ("key", "value", "low", "high", "from", "prior_share"),
        (
            (key, *(row[name] for name in ("value", "low", "high", "from", "prior_share")))
            for key, row in result["estimates"].items()
        ),
    )


def sensitivity_csv(result: dict[str, Any]) -> str:
    """What figures turn on as CSV, a row per figure and key."""
    rows = [
        {"figure": figure, "key": key, **row}
        for figure, found in result["figures"].items()
        for key, row in found["keys"].items()
    ]
    return csv_text(rows[0], (row.values() for row in rows))


def path_csv(result: dict[str, Any]) -> str:
    """A path or grid as CSV, a row per point and policy."""
    rows = result["rows"]
    return csv_text(rows[0], (row.values() for row in rows))


def difference_csv(result: dict[str, Any]) -> str:
    """Two evaluations as CSV, a row per policy, regime or tax rule and figure."""
    rows = ((*which, *one.values()) for *which, one in moved_figures(result))
    return csv_text(("kind", "name", "figure", "before", "after", "change", "share"), rows)


def moved_figures(result: dict[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Every figure of two evaluations side by side: what it is of, its name, the figure, those of
    both firms ending in the firm's number, and how it moved."""
    for block, name in (("policies", "policy"), ("regimes", "regime"), ("rules", "tax_rule")):
        for row in result[block]:
            for figure, moved in row.items():
                if figure in (name, "status"):
                    continue
                several = isinstance(moved, list)
                for i, one in enumerate(moved if several else [moved]):
                    yield name, row[name], f"{figure}_{i + 1}" if several else figure, one


def findings_csv(result: dict[str, Any]) -> str:
    """The findings of a batch as CSV, a row per group, policy and figure."""
    rows: list[tuple[Any, ...]] = []
    groups = [("", "all", result["policies"])]
    groups += [
        (key, group["group"], group["policies"])
        for key, found in result["by"].items()
        for group in found
    ]
    for key, name, policies in groups:
        for row in policies:
            for figure, value in row.items():
                if isinstance(value, dict):
                    rows += [
                        (key, name, row["policy"], f"{figure}.{part}", number)
                        for part, number in value.items()
                    ]
                elif figure != "policy":
                    rows.append((key, name, row["policy"], figure, value))
    return csv_text(("key", "group", "policy", "figure", "value"), rows)


def differences_csv(rows: Sequence[Tree]) -> str:
    """Values that differ between two results as CSV, a row per value."""
    columns = ("key", "before", "after", "change", "missing")
    return csv_text(columns, ([row.get(column) for column in columns] for row in rows))
