"""Several designs side by side: a page, and rows of CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from cli.pages import figures
from cli.pages.columns import units_of
from cli.pages.page import Column, Page
from cli.pages.rows import csv_text
from cli.pages.words import WORDS
from mechanism.report.plain import Tree

FIGURES = ("objective_value", "surplus", "lost", "outlay", "worst")
"""Amounts of money in a row."""


def design_labels(given: Sequence[tuple[Path, str, Mapping[str, str]]]) -> list[str]:
    """What each design is called, from its file, its name and what is varied: as much of that as
    tells them apart."""
    paths = {path: figures.plain(name) for path, name, _ in given}
    count = Counter(paths.values())
    labels = []
    for path, _, forms in given:
        name = paths[path] if count[paths[path]] == 1 else f"{paths[path]} ({path})"
        varied = [f"{key} {choice}" for key, choice in forms.items()]
        labels.append(", ".join([name, *varied] if len(paths) > 1 or not varied else varied))
    return labels


def side_by_side(rows: Sequence[Tree], page: Page, digits: int) -> str:
    """What was asked of all, and of each what it comes to."""
    asked = [row["options"] for row in rows]
    common = {
        key: value for key, value in asked[0].items() if all(one[key] == value for one in asked)
    }
    page.heading("Designs compared")
    told = ", ".join(f"{key} {value}" for key, value in common.items() if value is not None)
    page.sentence(f"Asked of all: {told}.")
    units = {units_of(row["input"]).get("money") for row in rows}
    unit = units.pop() if len(units) == 1 else None

    def money(head: str, amounts: Sequence[float | None]) -> Column:
        texts = [
            figures.number(amount, digits, zero=row["rounding"])
            for amount, row in zip(amounts, rows, strict=True)
        ]
        return Column(head, figures.aligned(texts), unit)

    heads = ("Objective", "Surplus", "Lost", "Outlay", "Worst")
    players = same_players(rows)
    page.table(
        [
            Column("Design", [row["design"] for row in rows], words=True),
            Column("Status", [row["status"].replace("_", " ") for row in rows], words=True),
            *(
                money(head, [row[key] for row in rows])
                for head, key in zip(heads, FIGURES, strict=True)
            ),
            *(
                Column(head, [WORDS.get(row[key], figures.NONE) for row in rows], words=True)
                for head, key in (("Truth", "truth"), ("Joining", "joins"))
            ),
            *(
                money(f"Payoff of\n{name}", [(row["payoff"] or {}).get(name) for row in rows])
                for name in players
            ),
        ]
    )
    page.sentence(
        "Lost: of the surplus of the efficient alternatives. Worst: what the public pays in the"
        " state in which it pays most. Truth and joining as strongly as asked. Amounts up to"
        f" {figures.number(max(row['rounding'] for row in rows), 1)} are rounding and shown as 0."
    )
    page.heading("Findings")
    for row in rows:
        page.sentence(f"{row['design']}: {row['finding']}", bullet="- ")
    return page.text


def same_players(rows: Sequence[Tree]) -> list[str]:
    """The players' names where all designs have the same; none else."""
    named = [list(row["payoff"]) for row in rows if row["payoff"] is not None]
    return named[0] if named and all(names == named[0] for names in named) else []


def design_columns(rows: Sequence[Tree]) -> tuple[list[str], list[list[object]]]:
    """The names of columns, and rows with every option and figure."""
    options, players = list(rows[0]["options"]), same_players(rows)
    told = ("truth", "joins", "finding")
    return (
        ["design", *options, "status", *FIGURES, *(f"payoff_{name}" for name in players), *told],
        [
            [
                row["design"],
                *(row["options"].get(key) for key in options),
                row["status"],
                *(row[key] for key in FIGURES),
                *((row["payoff"] or {}).get(name) for name in players),
                *(row[key] for key in told),
            ]
            for row in rows
        ],
    )


def designs_csv(rows: Sequence[Tree]) -> str:
    """Designs as CSV, a row each."""
    return csv_text(*design_columns(rows))
