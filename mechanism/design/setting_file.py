"""The setting file: a mechanism-design problem without the market, read and checked like a case
file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Discriminator, Field, Tag

from market.casefile.choices import OneOf
from market.casefile.faults import BadCase, Fault, dotted
from market.casefile.files import Document, read_document
from market.casefile.schema import (
    Block,
    NonNegative,
    Number,
    Positive,
    SchemaVersion,
    check,
    described,
)
from mechanism.design.environment import Environment
from mechanism.design.options import by_formula, expectations_count, without_payments
from mechanism.design.rules import DESIGNED, TAX_RULES, setting_rules

MOST_PLAYERS = 30
"""Players of the largest setting: arrays over states have an axis for each."""
MOST_ENTRIES = 250_000
"""States times players of the largest setting."""
MOST_LIES = {"bayesian": 20_000_000, "dominant": 2_000_000}
"""States times types of all players: what truth is compared with."""
MOST_VALUES = 1_000_000
"""States times alternatives."""
MOST_SOLVED = 60_000
"""Transfers that are solved for, where there is one per player and state."""
MOST_DRAWN = {True: 12_000, False: 6_000}
"""The same and probabilities of lotteries with them, in all states: with a transfer per own type,
and with one per state."""
MOST_JOINT = {"efficient": 441, "second_best": 100}
"""States, where no joint report may pay in any of them."""

Text = Annotated[str, Field(strict=True, min_length=1)]


def _label(value: Any) -> str:
    return "<text>" if isinstance(value, str) else "<number>"


# The branch is chosen before anything is validated: one fault each, not one per branch.
Name = Annotated[
    Annotated[Number, Tag("<number>")] | Annotated[Text, Tag("<text>")], Discriminator(_label)
]


class Player(Block):
    """One player: its types and what it wants."""

    name: Annotated[Text, described("what the player is called")]
    types: Annotated[
        tuple[Name, ...], described("the types, numbers or text, all different", min_length=1)
    ]
    probabilities: Annotated[
        tuple[Annotated[Positive, Field(le=1)], ...] | None,
        described("one per type, adding up to 1; null: all equal"),
    ] = None
    value: Annotated[
        dict[str, tuple[Number, ...]], described("value of each alternative, one number per type")
    ]
    outside: Annotated[
        Number | tuple[Number, ...],
        described("what staying out is worth: one number or one per type"),
    ] = 0.0


class DesignOptions(Block):
    """What is asked of the mechanism."""

    allocation: Annotated[
        Literal["efficient", "second_best"],
        described("the best alternative in every state, or lotteries chosen too"),
    ] = "efficient"
    tax_rule: Annotated[
        Text, OneOf(setting_rules), described(f"a formula, or {DESIGNED}: solved for")
    ] = DESIGNED
    objective: Annotated[
        Literal["min_outlay", "max_surplus", "min_worst_deficit", "min_violation"],
        described(
            "of designed transfers: least expected outlay, most surplus, least worst-state deficit,"
            " least violation"
        ),
    ] = "min_outlay"
    incentive: Annotated[
        Literal["bayesian", "dominant"],
        described("truth-telling in expectation, or whatever the others report"),
    ] = "bayesian"
    participation: Annotated[
        Literal["outside", "none"], described("at least the outside option, or no choice")
    ] = "outside"
    timing: Annotated[
        Literal["interim", "ex_post"],
        described("participation given the own type alone, or in every state"),
    ] = "interim"
    budget: Annotated[
        Literal["ex_ante", "ex_post", "none"],
        described("no net public money in expectation, in every state, or no limit"),
    ] = "ex_ante"
    collusion: Annotated[
        Literal["ignored", "proof"],
        described(
            "designed transfers: proof where no joint report of all players together may pay, money"
            " changing hands among them"
        ),
    ] = "ignored"
    public_funds_cost: Annotated[
        NonNegative, described("shadow cost of one unit of public outlay, a pure number")
    ] = 0.0
    payments: Annotated[
        Literal["allowed", "none"],
        described(
            "whether money may change hands; without it truth must pay by what is done alone"
        ),
    ] = "allowed"


def transfers_by_type(players: int, options: DesignOptions) -> bool:
    """Whether there is a transfer per own type alone. What a single player receives cannot be
    evened out over the others' types."""
    expected = expectations_count(options.incentive, options.timing, options.participation)
    return players > 1 and expected and options.collusion == "ignored"


def too_large(types: list[int], alternatives: int, options: DesignOptions) -> str | None:
    """Why a setting of players with so many types each has too many states, which are counted, for
    what is asked; None where it has not."""
    states, count = math.prod(types), len(types)
    of = " x ".join(map(str, types[:6])) + (" x ..." if count > 6 else "")
    amount = f"{states:,}" if states < 10**18 else "more than 1e18"
    have = f"have {amount} states together ({of} types)"
    if count > MOST_PLAYERS:
        return f"are {count} and {have}; at most {MOST_PLAYERS} players are taken"
    most = [
        MOST_ENTRIES // count,
        MOST_LIES[options.incentive] // sum(types),
        MOST_VALUES // alternatives,
    ]
    if TAX_RULES[options.tax_rule].designed:
        by_type = transfers_by_type(count, options)
        transfers = 0 if by_type else count
        if options.allocation == "second_best":
            most.append(MOST_DRAWN[by_type] // (alternatives + transfers))
        elif transfers:
            most.append(MOST_SOLVED // transfers)
        if options.collusion == "proof":
            most.append(MOST_JOINT[options.allocation])
    if states <= min(most):
        return None
    return f"{have}; at most {min(most):,} are taken here, so take fewer players or types"


class MoneyUnit(Block):
    """What a setting counts in."""

    money: Annotated[Text | None, described("unit of money, such as million USD")] = None


class SettingFile(Block):
    """A mechanism-design problem."""

    schema_version: SchemaVersion = 1
    name: Annotated[Text | None, described("what the setting is called; null: the file's name")] = (
        None
    )
    reference: Annotated[Text | None, described("where the numbers come from")] = None
    units: Annotated[MoneyUnit, described("shown beside figures")] = MoneyUnit()
    alternatives: Annotated[
        tuple[Text, ...], described("what can be chosen, all different", min_length=1)
    ]
    players: Annotated[
        tuple[Player, ...], described("the players, their types independent", min_length=1)
    ]
    public_value: Annotated[
        dict[str, Number], described("value of alternatives to everybody else; 0 unless given")
    ] = Field(default_factory=dict)
    needs: Annotated[
        dict[str, tuple[Text, ...]],
        described(
            "by alternative the players without whom it is not there, such as who carries it out;"
            " nobody unless given"
        ),
    ] = Field(default_factory=dict)
    mechanism: Annotated[DesignOptions, described("what is asked of the mechanism")] = (
        DesignOptions()
    )


@dataclass(frozen=True)
class Problem:
    """A setting and what is asked of its mechanism."""

    environment: Environment
    options: DesignOptions
    text: str
    """The file with every default spelled out, as JSON."""
    unit: str | None = None
    """What money is counted in; None where the file does not say."""


def is_setting(tree: Any) -> bool:
    """Whether a file's tree is a setting rather than a case."""
    return isinstance(tree, Mapping) and bool({"alternatives", "players"} & set(tree))


def load_setting(
    path: str | Path, document: Document | None = None, faults: Iterable[Fault] = ()
) -> Problem:
    """The setting in a YAML, JSON or TOML file, or in what was read from it."""
    found = list(faults)
    document = document or read_document(path, faults=found)
    return parse_setting(document.tree, name=Path(path).stem, document=document, faults=found)


def parse_setting(
    tree: Mapping[str, Any],
    *,
    name: str = "setting",
    document: Document | None = None,
    faults: Iterable[Fault] = (),
) -> Problem:
    """The setting in a tree."""
    file = check(SettingFile, tree, document=document, faults=faults)
    wrong = [
        Fault(document.place(path) if document else None, dotted(path), message)
        for path, message in _breaches(file)
    ]
    if wrong:
        raise BadCase(wrong)
    shapes = [len(player.types) for player in file.players]
    outside = []
    for i, player in enumerate(file.players):
        worth = np.broadcast_to(np.asarray(player.outside, float), (shapes[i],))
        outside.append(worth.reshape([-1 if axis == i else 1 for axis in range(len(shapes))]))
    environment = Environment(
        name=file.name or name,
        players=tuple(player.name for player in file.players),
        types=tuple(player.types for player in file.players),
        probabilities=tuple(
            np.array(player.probabilities or [1 / len(player.types)] * len(player.types))
            for player in file.players
        ),
        alternatives=file.alternatives,
        values=tuple(
            np.array([player.value[a] for a in file.alternatives], float).T
            for player in file.players
        ),
        outside=tuple(outside),
        public_value=np.array([file.public_value.get(a, 0.0) for a in file.alternatives]),
        needed=np.array(
            [[p.name in file.needs.get(a, ()) for a in file.alternatives] for p in file.players]
        ),
    )
    if why := nothing_without(environment, file.mechanism.tax_rule):
        place = document.place(("needs",)) if document else None
        raise BadCase([Fault(place, "needs", why)])
    text = json.dumps({**file.model_dump(mode="json"), "name": environment.name})
    return Problem(environment, file.mechanism, text, file.units.money)


def nothing_without(environment: Environment, rule: str) -> str | None:
    """Why a rule that compares with what there is without a player has nothing to compare with;
    None where it has."""
    if not TAX_RULES[rule].without_player or environment.needed is None:
        return None
    for name, needed in zip(environment.players, environment.needed, strict=True):
        if needed.all():
            return (
                f"leaves nothing to be done without {name}, with which {rule} compares; add an"
                " alternative that is there without it"
            )
    return None


def setting_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the setting file."""
    schema = SettingFile.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Setting file of pigou",
    }


Breach = tuple[tuple[Any, ...], str]
"""A fault between keys: where and what."""


def _breaches(file: SettingFile) -> Iterator[Breach]:
    sizes = [len(player.types) for player in file.players]
    if message := too_large(sizes, len(file.alternatives), file.mechanism):
        yield ("players",), message
    if len(set(file.alternatives)) < len(file.alternatives):
        yield ("alternatives",), "lists an alternative twice"
    if len({player.name for player in file.players}) < len(file.players):
        yield ("players",), "has two players of the same name"
    for name in file.public_value:
        if name not in file.alternatives:
            yield ("public_value", name), _no_alternative(file)
    yield from _of_needs(file)
    for i, player in enumerate(file.players):
        for below, message in (*_of_types(player), *_of_values(player, file)):
            yield ("players", i, *below), message
    rule = TAX_RULES[file.mechanism.tax_rule]
    if len(file.players) < rule.least_players:
        needs = f"is {rule.key}, which needs {rule.least_players} players or more"
        yield ("mechanism", "tax_rule"), needs
    if why := by_formula(rule.key, file.mechanism.allocation):
        yield ("mechanism", "allocation"), f"is {why.fault}"
    if why := without_payments(rule.key, file.mechanism.payments):
        yield ("mechanism", "payments"), f"is {why.fault}"


def _of_needs(file: SettingFile) -> Iterator[Breach]:
    """What is wrong with who is needed for what."""
    names = [player.name for player in file.players]
    for alternative, needed in file.needs.items():
        if alternative not in file.alternatives:
            yield ("needs", alternative), _no_alternative(file)
        for i, name in enumerate(needed):
            if name not in names:
                yield ("needs", alternative, i), f"is no player; they are {', '.join(names)}"


def _no_alternative(file: SettingFile) -> str:
    return f"is no alternative; they are {', '.join(file.alternatives)}"


def _one_each(values: Sequence[float], size: int) -> str:
    return f"is a list of {len(values)}; it must have one entry for each of the {size} types"


def _of_types(player: Player) -> Iterator[Breach]:
    """What is wrong between a player's types and what stands for each of them."""
    size, given = len(player.types), player.probabilities
    if len(set(map(str, player.types))) < size:
        yield ("types",), "holds a value twice; list each type once"
    if given is not None and len(given) != size:
        yield ("probabilities",), _one_each(given, size)
    elif given is not None and abs(math.fsum(given) - 1) > 1e-9:
        yield ("probabilities",), f"adds up to {math.fsum(given):.10g}; it must add up to 1"
    if isinstance(player.outside, tuple) and len(player.outside) != size:
        yield (
            ("outside",),
            f"is a list of {len(player.outside)}; give one number or one for each of the {size}"
            " types",
        )


def _of_values(player: Player, file: SettingFile) -> Iterator[Breach]:
    """What is wrong between what a player values and the alternatives."""
    size = len(player.types)
    for name in file.alternatives:
        if name not in player.value:
            yield (
                ("value",),
                f"says nothing about {name}; give one number for each of the {size} types",
            )
        elif len(player.value[name]) != size:
            yield ("value", name), _one_each(player.value[name], size)
    for name in player.value:
        if name not in file.alternatives:
            yield ("value", name), _no_alternative(file)
