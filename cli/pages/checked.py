"""The pages of `pigou verify` and `pigou diff`: what differs, and why it may."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from cli.pages import figures
from cli.pages.page import Column, Page
from cli.pages.words import sentences
from market.casefile.faults import show
from market.text import Json as Tree

SHOWN = 40
"""Rows that a page shows; all are in JSON and CSV."""
NUMBER = re.compile(r"([+-]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?)")
"""A figure in a sentence."""


def verified(result: Tree, page: Page, digits: int) -> str:
    """Whether a result comes out again here, what does not, and why it may not."""
    page.heading(figures.plain(f"{result['result']}: {result['of']}"))
    values = f"{result['compared']:,} values"
    if (cases := result["cases"]) is not None:
        values += f" of {cases['checked']:,} of {cases['count']:,} cases"
    if result["same"]:
        page.sentence(f"The same here: {values} compared, tolerance {result['tolerance']:g}.")
    else:
        page.sentence(
            f"Differs: {len(result['differences']):,} of {values}, tolerance"
            f" {result['tolerance']:g}."
        )
        table(result["differences"], ("Written", "Here"), page, digits)
    for text in result["why"]:
        page.sentence(text, bullet="- ")
    return page.text


def table(rows: list[Tree], heads: tuple[str, str], page: Page, digits: int) -> None:
    """Values that differ, side by side."""
    shown = rows[:SHOWN]
    sides = ("before", "after")
    page.table(
        [
            Column("Key", [row["key"] for row in shown], words=True),
            *(
                Column(head, [_cell(row, side, digits) for row in shown], words=True)
                for head, side in zip(heads, sides, strict=True)
            ),
            Column(
                "Change",
                [figures.number(row["change"], digits, signed=True) for row in shown],
            ),
        ]
    )
    if len(rows) > SHOWN:
        page.sentence(f"{len(rows) - SHOWN:,} more; --format json or csv has all.")


def _cell(row: Tree, side: str, digits: int) -> str:
    """One side of a row; figures that differ beyond the digits asked for in full."""
    if row["missing"] == side:
        return "(missing)"
    value = row[side]
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int | float):
        other = row["after" if side == "before" else "before"]
        text = figures.number(value, digits)
        same = isinstance(other, int | float) and figures.number(other, digits) == text
        return repr(value) if same else text
    return figures.plain(str(value))


def side_by_side(result: Tree, page: Page, digits: int) -> str:
    """Two cases or two results."""
    page.heading(figures.plain(f"{result['a']} and {result['b']}"))
    if result["same"]:
        page.sentence("They are the same.")
        return page.text
    if result["kind"] == "cases":
        _cases(result, page, digits)
    else:
        _results(result, page, digits)
    return page.text


def _cases(result: Tree, page: Page, digits: int) -> None:
    """Keys, and what each and all of them do to the answer."""
    told = result["recommendation"]
    page.heading("What to do")
    value = told["value"]
    page.sentence(
        f"{told['before'] or 'no advice'} ({figures.number(value['before'], digits)}) in the"
        f" first, {told['after'] or 'no advice'} ({figures.number(value['after'], digits)}) in"
        " the second; in brackets what it is worth."
    )
    for text in told["why"]:
        page.sentence(text, bullet="- ")
    rows = result["changes"]
    if rows:
        page.heading("Keys, and what each alone makes of the first case's answer")
        page.table(
            [
                Column("Key", [row["key"] for row in rows], words=True),
                Column("First", [_value(row["before"]) for row in rows], words=True),
                Column("Second", [_value(row["after"]) for row in rows], words=True),
                Column("Then", [row["alone"]["policy"] or "no advice" for row in rows], words=True),
                Column("Value", figures.column([row["alone"]["value"] for row in rows], digits)),
                Column(
                    "Change",
                    figures.column([row["alone"]["change"] for row in rows], digits, signed=True),
                ),
            ]
        )
        for row in rows:
            if row["alone"]["message"]:
                page.sentence(f"{row['key']} alone: {row['alone']['message']}", bullet="- ")
    for note in result["notes"]:
        page.sentence(f"Note: {note}.")
    if result["labels"]:
        page.heading("Names, and what else is no key of the market, its types or the mechanism")
        for row in result["labels"]:
            page.sentence(
                f"{row['key']}: {_value(row['before'])}, then {_value(row['after'])}", bullet="- "
            )


def _results(result: Tree, page: Page, digits: int) -> None:
    """Inputs, recommendations, verdicts, figures, and what they were written with."""
    for row in result["recommendation"]:
        sides = [
            "nothing"
            if side is None
            else f"{side['policy'] or 'no advice'} ({figures.number(side['value'], digits)})"
            for side in (row["before"], row["after"])
        ]
        name = f"{row['of']}: " if row["of"] else ""
        page.sentence(figures.plain(f"{name}{sides[0]}, then {sides[1]}"), bullet="- ")
    if result["changes"]:
        page.heading("Inputs")
        for row in result["changes"]:
            text = f"{row['key']}: {_value(row['before'])}, then {_value(row['after'])}"
            page.sentence(figures.plain(text), bullet="- ")
    both, gone, new = said_of(result["verdicts"]["gone"], result["verdicts"]["new"])
    sentences("Said of both, with the figures of the first -> those of the second", both, page)
    sentences("Said in the first only", gone, page)
    sentences("Said in the second only", new, page)
    page.heading(f"Figures: {len(result['differences']):,} of {result['compared']:,} values differ")
    if result["differences"]:
        table(result["differences"], ("First", "Second"), page, digits)
    for row in result["environment"]:
        text = f"{row['name']}: {row['written']}, then {row['here']}"
        page.sentence(figures.plain(text), bullet="- ")


def said_of(gone: Sequence[str], new: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Sentences that two results say in the same words, once with the figures of both, and those
    that only the first and only the second say."""
    parts = {text: NUMBER.split(text) for text in (*gone, *new)}
    both, only, left = [], [], list(new)
    for text in gone:
        other = next((one for one in left if parts[one][::2] == parts[text][::2]), None)
        if other is None:
            only.append(text)
        else:
            left.remove(other)
            pairs = zip(parts[text], parts[other], strict=True)
            both.append("".join(a if a == b else f"{a} -> {b}" for a, b in pairs))
    return both, only, left


def _value(value: Any) -> str:
    """A value of a case, briefly."""
    return (
        figures.plain(show(value))
        if isinstance(value, dict)
        else figures.plain(json.dumps(value, ensure_ascii=False))
    )
