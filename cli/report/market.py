"""The market as the case states it: symbols, meanings, values, units, sources, assumptions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from cli.pages.page import Column, Page
from cli.pages.words import figure_of, symmetric
from cli.report.subject import Subject
from market.casefile.faults import Meant
from market.model.units import in_words
from market.text import FIRMS
from mechanism.casefile.case_keys import flat
from mechanism.casefile.json_schema import meaning, named
from mechanism.casefile.proportions import DIMENSIONS
from mechanism.casefile.standard import Standard
from mechanism.casefile.types import PRIVATE
from mechanism.report.plain import Tree

LEFT_OUT = "left out"
"""Stands where a confidential input would."""
BLOCKS = ("demand", "security", "cost", "unit_cost")
"""Of the case: what makes the market."""
KNOWN = {field.name for field in fields(Standard)} - {"timing"}
"""Keys of the mechanism that matter where nothing is private."""

ASSUMPTIONS = (
    "Two firms sell products that consumers see as more or less alike; quantities depend linearly"
    " on prices.",
    "Each firm first chooses how much to invest in security and which share of its security"
    " knowledge to share; both see the other's choice; then both set prices.",
    "A firm's own security investment brings it customers. The rival's costs it customers"
    " (rivalry), but what the rival shares brings some back (demand spillover).",
    "Sharing also leaks: what is disclosed costs the firm that discloses it customers, more for"
    " each further bit.",
    "What the rival shares makes the own security cheaper (cost spillover), up to a largest"
    " saving.",
    "Firms maximise profit, consumers' surplus is what buyers would have paid beyond the price, and"
    " welfare is the sum of surplus and profits.",
    "There is one period, nobody enters, and prices are never fixed by agreement unless a row says"
    " so.",
)
"""What the model takes as given, in plain words."""


def market(subject: Subject, page: Page) -> None:
    """Every number that went in, what it means, and what is assumed."""
    case = subject.found.case.resolved
    source = case.get("reference")
    page.sentence(
        f"Source of the numbers: {source}."
        if source
        else "The case names no source of its numbers."
    )
    if not subject.hidden:
        page.sentence("The firms are alike." if symmetric(case) else "The firms differ.")
    _numbers(subject, page)
    _known_and_asked(subject, page)
    _doubts(subject, page)
    page.heading("Levels and results")
    page.table(
        [
            Column("Symbol", [row[0] for row in LEVELS], words=True),
            Column("Meaning", [row[1] for row in LEVELS], words=True),
            Column("Unit", [_unit(row[2], subject) for row in LEVELS], words=True),
        ]
    )
    page.heading("What the model assumes")
    for text in ASSUMPTIONS:
        page.sentence(text, bullet="- ")


def _numbers(subject: Subject, page: Page) -> None:
    """The numbers of the market."""
    case = subject.found.case.resolved
    given = {key: value for key, value in flat(case).items() if key.split(".")[0] in BLOCKS}
    given = {k: value for k, value in given.items() if value is not None or k in subject.hidden}
    unused = not any(
        value or key in subject.hidden
        for key, value in given.items()
        if key.startswith("unit_cost.")
    )
    if unused:
        given = {key: value for key, value in given.items() if not key.startswith("unit_cost.")}
    _table("The numbers of the market", given, subject, page)
    if unused:
        page.sentence("A unit sold costs nothing to produce in this case.")


def _known_and_asked(subject: Subject, page: Page) -> None:
    """What is private, and the options of the mechanism."""
    case = subject.found.case.resolved
    rest = {
        key: value
        for block in ("types", "mechanism")
        for key, value in flat(case).items()
        if key.startswith(f"{block}.") and value is not None
    }
    if not subject.private:
        rest = {key: value for key, value in rest.items() if key.split(".")[1] in KNOWN}
    page.heading("What the regulator knows, and what is asked for")
    page.sentence(
        "The regulator knows everything about the firms."
        if case.get("types") is None
        else f"Each firm alone knows its {PRIVATE[case['types']['parameter']].label}; the regulator"
        f" knows how likely each value is: {_likely(case['types'])}, whatever the rival's."
    )
    told = [(key, value, _meant(key)) for key, value in rest.items()]
    page.table(
        [
            Column("Key", [key for key, _, _ in told], words=True),
            Column("Value", [_shown(key, value, subject) for key, value, _ in told], words=True),
            Column("Meaning", [what.text for _, _, what in told], words=True),
        ]
    )
    if "mechanism.budget" in rest:
        page.sentence(
            "mechanism.budget binds transfers that are solved for alone: no policy is ranked under"
            " a budget, what the public pays counting against it instead."
        )


def _doubts(subject: Subject, page: Page) -> None:
    """What is not known exactly, where the case says so."""
    told = subject.found.case.resolved.get("uncertainty") or {}
    doubts = {key: value for key, value in told.items() if key != "correlation"}
    if not doubts:
        return
    shown = [_shown(f"uncertainty.{key}", value, subject) for key, value in doubts.items()]
    page.heading("What is not known exactly")
    page.table(
        [
            Column("Key", list(doubts), words=True),
            Column("Distribution", shown, words=True),
        ]
    )


def differences(subjects: Sequence[Subject], page: Page) -> None:
    """Inputs that are not the same in several cases."""
    given = [flat({**s.found.case.resolved, "firms": None}) for s in subjects]
    keys = dict.fromkeys(key for one in given for key in one)
    hidden = frozenset(key for subject in subjects for key in subject.hidden)
    differing = [
        key
        for key in keys
        if key in hidden or any(one.get(key) != given[0].get(key) for one in given)
    ]  # of what is left out it is not said which are the same
    if not differing:
        page.sentence("They differ in no number.")
        return
    page.table(
        [
            Column("Key", differing, words=True),
            Column("Meaning", [named(key, FIRMS) for key in differing], words=True),
            *(
                Column(
                    subject.label,
                    [
                        ""
                        if one.get(key) is None and key not in subject.hidden
                        else _shown(key, one.get(key), subject)
                        for key in differing
                    ],
                    words=True,
                )
                for subject, one in zip(subjects, given, strict=True)
            ),
        ]
    )


LEVELS = (
    ("s", "sharing: the share of its security information that a firm discloses", "share"),
    ("t", "investment in security, measured in the demand it brings", "quantity"),
    ("p", "price", "price"),
    ("q", "quantity sold", "quantity"),
    ("Pi", "profit: what is earned on sales less what security costs", "money"),
    ("CS", "consumers' surplus", "money"),
    ("W", "welfare: consumers' surplus and profits", "money"),
)
"""What is found, with its dimension."""


def _table(title: str, given: dict[str, Any], subject: Subject, page: Page) -> None:
    told = [(key, value, _meant(key)) for key, value in given.items()]
    page.heading(title)
    page.table(
        [
            Column("Symbol", [what.letter or "" for _, _, what in told], words=True),
            Column("Key", [key for key, _, _ in told], words=True),
            Column("Value", [_shown(key, value, subject) for key, value, _ in told], words=True),
            Column(
                "Unit",
                [
                    "" if isinstance(value, str) else _unit(dimension(key), subject)
                    for key, value, _ in told
                ],
                words=True,
            ),
            Column("Admissible", [what.admissible or "" for _, _, what in told], words=True),
            Column("Meaning", [_own_form(value, what.text) for _, value, what in told], words=True),
        ]
    )
    if any(isinstance(value, list) for value in given.values()):
        first, second = subject.found.case.market.firms
        page.sentence(f"Two values in brackets are those of {first} and of {second}.")


def _own_form(value: Any, text: str) -> str:
    """What is said of a value that is one of several words, where it is said word by word."""
    told = [part for part in text.split("; ") if isinstance(value, str)]
    return next((part for part in told if part.startswith(f"{value}: ")), text)


def dimension(key: str) -> str:
    """The dimension of a number of the case; that of a pure number where it is a word."""
    return DIMENSIONS.get(key) or DIMENSIONS.get(key.rpartition(".")[0], "number")


def _likely(types: Tree) -> str:
    """How private values are distributed."""
    return (
        "all values of its range, its `support`, alike, of which expectations take some points"
        if types.get("support") is not None
        else "each of its `values` by its `probabilities`, or all alike where there are none"
    )


def _unit(dimension: str, subject: Subject) -> str:
    if dimension == "share":
        return "0 to 1"
    units = subject.found.case.units
    named = {"money": units.money, "quantity": units.quantity}
    told = in_words(dimension, **{kind: unit for kind, unit in named.items() if unit})
    return told or "pure number"


def _meant(key: str) -> Meant:
    """What the schema says of a key, with the interval alone."""
    told = meaning(key)
    return replace(told, admissible=told.admissible and _interval(told.admissible))


def _interval(text: str) -> str:
    """The interval that what is admissible begins with."""
    found = re.match(r"[\[(][^\])]*[\])]", text)
    return (found.group() if found else text).replace("inf", "∞")


def _shown(key: str, value: Any, subject: Subject) -> str:
    if key in subject.hidden:
        return LEFT_OUT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return "; ".join(f"{name} {figure_of(part)}" for name, part in value.items())
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "[" + ", ".join(_shown(key, part, subject) for part in value) + "]"
    return repr(value) if isinstance(value, int) else f"{value:.10g}"
