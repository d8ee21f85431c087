"""What is left out of a report whose reader may not know some inputs.

Nearly every figure of a result follows from the inputs by a short formula, and so inputs follow
from figures: an own slope is quantity / (price - unit cost), a cost scale 2 x spending /
investment^2 where nothing is shared, the ratio of slopes comes from profits and consumers'
surplus. So once a number of the market is confidential every figure of the result is. What remains
are the other inputs, words, signs, and one amount as a range of a factor of two or so; whether
proofs are exact to a billionth, since their last digits are a fingerprint of the market; and what
says how the report was made. Text that names something (the case, the firms, units, the source) is
taken out before anything is worked out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import floor, log10

from cli.pages.page import Column, Heading, Image, Page, PageBlock, Prose, TableBlock
from cli.pages.words import label
from cli.report.market import BLOCKS
from cli.report.subject import Subject
from market.text import Json, opening
from mechanism.casefile.case_keys import flat
from mechanism.casefile.standard import SAME
from mechanism.casefile.types import PRIVATE
from mechanism.report.results import ComparisonRow

TEXTS = ("name", "reference", "units", "units.money", "units.quantity", "firms")
"""What names something and is no number."""
NUMBERS = (*BLOCKS, "types")
"""Blocks whose numbers may be left out."""
MARK = "[…]"
"""Stands where a figure would."""

_FIGURE = re.compile(
    r"(?:(?<![\w.])[-+−]?\d(?:[\d,]*\d)?(?:\.\d+)?|(?<=[A-Za-z])\d+\.\d+|(?<!\w)[-+−]?\.\d+)"
    r"(?:e[-+]?\d+)?(?:\s?%)?",
    re.ASCII,
)
"""A figure; digits of a word, such as sequential_firm_2 or b1, are none, but 1.5 is in x1.5."""
_NAME = r"(?<![\w.,])(?:{})(?![\w%]|[.,]\d)"
"""One of some names, where no digit, letter or point adjoins it."""


class NotRedactable(Exception):  # noqa: N818 - wrong usage, not an error of the program
    """A key that cannot be left out; the message says why and what can."""


def hidden_keys(
    cases: Sequence[Json], asked: Iterable[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """The keys of resolved cases whose numbers are left out, and the texts, by what is asked: keys,
    blocks of keys, or a key of one firm (which leaves out both firms' values).

    Raises:
        NotRedactable: A key is in none of the cases, or is no input that can be left out.
    """
    given = [(case, _inputs(case)) for case in cases]
    numbers: set[str] = set()
    texts: set[str] = set()
    for name in asked:
        key = re.sub(r"\[\d+\]$", "", name)
        if key in TEXTS:
            texts.add(key)
            continue
        there = dict.fromkeys(one for _, inputs in given for one in inputs)
        found = {one for one in there if one == key or one.startswith(f"{key}.")}
        if not found:
            raise NotRedactable(_why(key, list(there)))
        numbers |= found
    hidden = {key for case, inputs in given for key in _with_what_tells(numbers, case, inputs)}
    return frozenset(hidden), frozenset(texts)


def _inputs(case: Json) -> list[str]:
    """The keys of the numbers of a case, and of what is said of how well they are known."""
    # `types` alone is a case without any
    numbers = [key for key in flat(case) if key.split(".")[0] in NUMBERS and key != "types"]
    doubts = [key for key in case.get("uncertainty") or {} if key != "correlation"]
    return [*numbers, *(f"uncertainty.{key}" for key in doubts)]


def _why(key: str, there: Sequence[str]) -> str:
    if key.split(".")[0] == "mechanism":
        return (
            f"{key} is part of the standard by which the answer is given, without which it says"
            " nothing"
        )
    return (
        f"{key} is no input of the case that can be left out; there are"
        f" {', '.join([*TEXTS, *BLOCKS, *there])}"
    )


def _with_what_tells(numbers: set[str], case: Json, there: Sequence[str]) -> set[str]:
    """The keys with those that tell their values: how well a number is known is told around it,
    and the types of a private parameter lie around the case's own value."""
    out = set(numbers)
    told = [key for key in there if key.startswith("uncertainty.")]
    for key in told:
        own = re.sub(r"\[\d+\]$", "", key.removeprefix("uncertainty."))
        if key in out or own in out:
            out |= {key, own}
    types = case.get("types")
    if types is not None:
        place = PRIVATE[types["parameter"]].place
        if place in out or any(key.startswith("types.") for key in out):
            out |= {place, *(key for key in there if key.startswith("types."))}
            out.discard("types.parameter")
    return out & set(there)


def without_texts(case: Json, texts: Iterable[str]) -> Json:
    """The case without what names something."""
    out = {**case}
    for key in texts:
        block, _, name = key.partition(".")
        if name:
            out[block] = {**(out.get(block) or {}), name: None}
        else:
            out[block] = None
    return out


def masked(blocks: Iterable[PageBlock], names: Sequence[str]) -> list[PageBlock]:
    """Blocks with every figure of their sentences left out, tables of figures and pictures
    altogether; `names` are no figures."""
    out: list[PageBlock] = []
    for block in blocks:
        if isinstance(block, Heading):
            out.append(Heading(without_figures(block.text, names)))
        elif isinstance(block, Prose):
            out.append(Prose(without_figures(block.text, names), block.bullet))
        elif isinstance(block, TableBlock) and all(column.words for column in block.columns):
            cells = [
                column._replace(cells=[without_figures(cell, names) for cell in column.cells])
                for column in block.columns
            ]
            out.append(TableBlock(cells, block.sections))
        elif isinstance(block, TableBlock | Image):
            kind = "table" if isinstance(block, TableBlock) else "picture"
            out.append(Prose(f"A {kind} is left out here."))
    return out


def without_figures(text: str, names: Sequence[str]) -> str:
    """The text with every figure left out; `names` are none, unless they begin as one."""
    kept = [
        re.escape(name)
        for name in sorted({*names, "firm 1", "firm 2", "Firm 1", "Firm 2"}, key=len, reverse=True)
        if any(letter.isdigit() for letter in name)
        and any(letter.isalpha() for letter in name.split()[0])
    ]
    pieces = re.split(f"({_NAME.format('|'.join(kept))})", text)  # names at odd places
    return "".join(piece if n % 2 else _FIGURE.sub(MARK, piece) for n, piece in enumerate(pieces))


def directions(subject: Subject, page: Page) -> None:
    """Who gains by every policy, by sign alone, and what the recommended one comes to as ranges."""
    now, zero = subject.found.today.expected, SAME * float(subject.found.ranked.scale[0])
    rows = [row for row in subject.found.comparison if row.expected is not None]
    page.sentence(
        "Figures are left out. What remains is who gains and loses against today's market when"
        " everybody takes part."
    )
    if now is None:
        return

    def change(row: ComparisonRow, firm: int | None) -> float:
        assert row.expected is not None
        if firm is None:
            return float(row.expected.consumer_surplus - now.consumer_surplus)
        net = row.expected.net_transfer if row.net_transfer is None else row.net_transfer
        return float((row.expected.profit + net - now.kept)[firm])

    def moves(value: float) -> str:
        return "the same" if abs(value) <= zero else "better off" if value > 0 else "worse off"

    def pays(row: ComparisonRow) -> str:
        paid = row.outlay_joined or 0.0
        return "nothing" if abs(paid) <= zero else "pays" if paid > 0 else "receives"

    first, second = subject.found.case.market.firms
    best = subject.told.policy
    page.heading("Who gains when everybody takes part, by direction")
    page.table(
        [
            Column(
                "Policy",
                [
                    label(row.policy.key, subject.scale.firms) + ("*" if row.policy == best else "")
                    for row in rows
                ],
                words=True,
            ),
            Column("Consumers", [moves(change(row, None)) for row in rows], words=True),
            Column(opening(first), [moves(change(row, 0)) for row in rows], words=True),
            Column(opening(second), [moves(change(row, 1)) for row in rows], words=True),
            Column("Public", [pays(row) for row in rows], words=True),
        ]
    )
    row, today = subject.chosen, subject.found.today.value
    if row is None or row.value is None or today is None or row is subject.found.today:
        return
    unit = f" {subject.say.unit}" if subject.say.unit else ""
    # one range: several together would be met by few values of what is left out
    page.sentence(f"* recommended. As a range: it is worth {band(row.value - today, zero)}{unit}.")


def band(value: float, zero: float) -> str:
    """The size of an amount between two steps of 1, 2, 5, 10; what is negative says so."""
    if abs(value) <= zero:
        return "nothing, or next to nothing, in"
    size, sign = abs(value), "minus " if value < 0 else ""
    power = 10.0 ** floor(log10(size))
    steps = [step * power for step in (1, 2, 5, 10)]
    low = max((step for step in steps if step <= size), default=steps[0])
    high = next((step for step in steps if step > size), 2 * steps[-1])
    return f"{sign}{low:g} to {sign}{high:g}"


def note(subject: Subject, texts: frozenset[str]) -> str:
    """What was left out, said at the head of a report."""
    left = [*sorted(texts), *sorted(subject.hidden)]
    text = f"Left out as confidential: {', '.join(left)}."
    if subject.hidden:
        text += (
            " So is every figure from which these could be worked out: levels, prices, quantities,"
            " spending, profits, surplus, payments, rates, shares and thresholds, the tables and"
            f" pictures that show them, the hash of the case and its file. {MARK} stands for a"
            " figure that is left out; what the recommended policy is worth is given as a range."
        )
    return text
