"""What can be moved of a case: sliders with their ranges, choices, and the case as they stand.

A number runs over what the case holds for possible (`uncertainty`), else from half to twice its
own, as far as there is a market at all. Ranges are found by asking for the case.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from market.casefile.faults import BadCase, Fault
from market.text import Json, capitalised, firm_names
from mechanism.casefile.case_keys import key_fault, key_path, leaves, set_at, value_at
from mechanism.casefile.distributions import quantile
from mechanism.casefile.json_schema import case_schema
from mechanism.casefile.policy_case import PolicyCase, parse_tree
from mechanism.casefile.uncertainty import value_at_firm
from mechanism.design.rules import market_rules

Moves = Mapping[str, Any]
"""New values by dotted key, in the order in which they are set."""

BLOCKS = {
    "demand": "Demand",
    "security": "Security",
    "cost": "Cost of security",
    "unit_cost": "Cost of a unit",
}
"""The blocks whose numbers have sliders, with what they are called."""
STANDARD = {
    "mechanism.profit_weight": (0.0, 1.0),
    "mechanism.public_funds_cost": (0.0, 1.0),
}
"""The numbers of the standard, with the range of each or twice the case's own."""
SHARES = ("security.rivalry", "security.demand_spillover", "cost.spillover", "cost.max_saving")
"""Numbers that run over shares where they are nil."""
UNMOVED = ("cost.reference_investment",)
"""A number that only says in which units another is told."""
TAIL = 0.01
"""Probability that is left beyond either end of a range."""
SPAN = 2.0
"""How many times its own value, or which part of it, a number runs to."""
STEPS = 100
"""Of a range, at least."""
WHOLE = 1e-9
"""By how much of a step a whole number of them may be missed by rounding."""
HALVINGS = 12
"""Of what is left between a value that is a market and one that is none."""
TYPES = {"points": 5}
"""How the spillover is seen where a page makes it private."""


@dataclass(frozen=True, kw_only=True)
class Slider:
    """A number that can be moved."""

    key: str
    """Dotted."""
    block: str
    """The heading it stands under."""
    label: str
    """What it is called, with the firm's name where it is one firm's."""
    hint: str
    """What it means, as the case file's schema says it."""
    low: float
    high: float
    step: float
    """A round number; the ends are whole steps from the value."""
    value: float
    """In the case as it was loaded."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A choice that can be made."""

    key: str
    """Dotted."""
    label: str
    options: Mapping[str, str]
    """Their words, by the JSON of the value."""
    value: str
    """In the case as it was loaded, as JSON."""


def moved(case: PolicyCase, moves: Moves) -> PolicyCase:
    """The case with all these moves at once; `BadCase` where it is none then."""
    tree = {**case.resolved, "expect": {}}
    for key, value in moves.items():
        if message := key_fault(tree, key, whole=True):
            raise BadCase([Fault(None, key, message)])
        set_at(tree, key_path(key), value)
    return parse_tree(tree, name=case.name)


def sliders(case: PolicyCase) -> tuple[Slider, ...]:
    """Every number of the market that the case gives, then those of the standard."""
    tree, hints = case.resolved, descriptions()
    numbers = {} if case.uncertainty is None else dict(case.uncertainty.distributions)
    found = []
    for key in [*_numbers(tree), *STANDARD]:
        value = float(value_at(tree, key_path(key)))
        bare, _, index = key.partition("[")
        given = numbers.get(key) or numbers.get(bare)
        low, high = (
            (float(q) for q in quantile(given, np.array([TAIL, 1 - TAIL])))
            if given is not None
            else _usual(bare, value)
        )
        if not low <= value <= high:
            low, high = min(low, value), max(high, value)
        low, high = _admissible(case, key, value, low), _admissible(case, key, value, high)
        if (step := _step(high - low)) and low < high:
            name = bare.partition(".")[2].replace(".", ": ").replace("_", " ")
            firm = f", {firm_names(tree.get('firms'))[int(index[0])]}" if index else ""
            found.append(
                Slider(
                    key=key,
                    block=BLOCKS.get(bare.partition(".")[0], "Standard"),
                    label=capitalised(name) + firm,
                    hint=hints[bare],
                    low=value - step * math.floor((value - low) / step + WHOLE),
                    high=value + step * math.floor((high - value) / step + WHOLE),
                    step=step,
                    value=value,
                )
            )
    return tuple(found)


def _step(width: float) -> float:
    """A round number of which a range has some two hundred; 0 for no range."""
    if width <= 0:
        return 0.0
    size: float = 10.0 ** math.floor(math.log10(width / STEPS))
    return size * max(round_ for round_ in (1, 2, 5) if round_ * size <= width / STEPS)


def _numbers(tree: Json) -> Iterator[str]:
    """The keys of the market whose numbers have a slider."""
    uncertain = tree.get("uncertainty") or {}
    for key in leaves(tree):
        value, bare = value_at(tree, key_path(key)), key.partition("[")[0]
        if bare.partition(".")[0] not in BLOCKS or bare in UNMOVED:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if value or bare in SHARES or key in uncertain:
            yield key


def _usual(bare: str, value: float) -> tuple[float, float]:
    """The range of a number that is known."""
    if bare in STANDARD:
        low, high = STANDARD[bare]
        return low, high if value <= high else SPAN * value
    if not value:
        return 0.0, 1.0
    return min(value / SPAN, value * SPAN), max(value / SPAN, value * SPAN)


def _admissible(case: PolicyCase, key: str, own: float, end: float) -> float:
    """The end of a range, or what lies as far towards it as there is a market."""
    if _is_case(case, key, end):
        return end
    good = own
    for _ in range(HALVINGS):
        between = (good + end) / 2
        good, end = (between, end) if _is_case(case, key, between) else (good, between)
    return good


def _is_case(case: PolicyCase, key: str, value: Any) -> bool:
    try:
        case.set(key, value)
    except BadCase:
        return False
    return True


def choices(case: PolicyCase) -> tuple[Choice, ...]:
    """Who knows what, by which rule it is asked, and what firms may be charged."""
    tree = case.resolved
    found = [_information(case)]
    rules = {json.dumps(rule): rule for rule in market_rules()}
    for key, label, options in (
        ("mechanism.tax_rule", "Tax rule, where types are private", rules),
        (
            "mechanism.fees",
            "Fees",
            {"false": "firms keep what they gain", "true": "firms are charged what they gain"},
        ),
    ):
        own = json.dumps(value_at(tree, key_path(key)))
        if len(options) > 1 and own in options:
            found.append(Choice(key=key, label=label, options=options, value=own))
    return tuple(found)


def _information(case: PolicyCase) -> Choice:
    """Whether something is private; where the case has nothing that is, its cost spillover."""
    own = json.dumps(case.resolved["types"])
    options = {"null": "everything is known"}
    if case.types is not None:
        options[own] = "private, as in the case"
    elif made := _spillovers(case):
        low, high = made["support"]
        options[json.dumps(made)] = f"cost spillovers private, {low:.3g} to {high:.3g}"
    return Choice(key="types", label="Information", options=options, value=own)


def _spillovers(case: PolicyCase) -> Json | None:
    """Types half and half as much again as the case's own spillover; None where that is no case."""
    values = [value_at_firm(case.resolved, f"cost.spillover[{i}]") for i in (0, 1)]
    support = [min(values) / 2, min(1.5 * max(values), 1.0)]
    made: Json = {"support": [round(end, 6) for end in support], **TYPES}
    return made if _is_case(case, "types", made) else None


def descriptions() -> dict[str, str]:
    """What every key of a case file means, by its dotted name."""
    schema = case_schema()
    blocks, found = schema["$defs"], {}

    def walk(node: Any, above: str) -> None:
        if isinstance(node, list):
            for part in node:
                walk(part, above)
        if not isinstance(node, dict):
            return
        if "$ref" in node:
            walk(blocks[node["$ref"].rsplit("/", 1)[-1]], above)
        for name, child in node.get("properties", {}).items():
            told = child.get("description", "")
            found[f"{above}{name}"] = told.replace("; one number or one per firm", "")
            walk(child, f"{above}{name}.")
        for form in ("anyOf", "oneOf", "allOf"):
            walk(node.get(form), above)

    walk(schema, "")
    return found


def command(path: str, moves: Moves) -> str:
    """The command line that leads to what is shown."""
    if not moves:
        return shlex.join(["pigou", "evaluate", path])
    sets = [
        part
        for key, value in moves.items()
        for part in ("--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}")
    ]
    return shlex.join(["pigou", "what-if", path, *sets])
