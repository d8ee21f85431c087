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
from market.casefile.faults import BadCase, Fault, dotted, show
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
from mechanism.design.options import (
    LIMITS,
    UNLIMITED,
    beliefs_count,
    by_formula,
    expectations_count,
    with_limits,
    without_payments,
)
from mechanism.design.rules import DESIGNED, TAX_RULES, setting_rules
from mechanism.design.states import Array, Prior, along, product

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
MOST_BELIEFS = 130_000
"""States times types of all players that expectations are solved over, where every type holds its
own beliefs."""
MOST_JOINT = {"efficient": 441, "second_best": 100}
"""States, where no joint report may pay in any of them."""

Text = Annotated[str, Field(strict=True, min_length=1)]


def _is(kind: type | tuple[type, ...], tag: str) -> Any:
    """Which branch of a union a value takes: that of this tag where it is of this kind. It is
    chosen before anything is validated: one fault each, not one per branch."""
    return Discriminator(lambda value: tag if isinstance(value, kind) else "<number>")


Name = Annotated[
    Annotated[Number, Tag("<number>")] | Annotated[Text, Tag("<text>")], _is(str, "<text>")
]
Table = Annotated[
    tuple[Any, ...], Field(json_schema_extra={"x-words": "a table over all states of types"})
]
"""Lists within lists, one level for each player's types."""
Entry = Annotated[
    Annotated[Number, Tag("<number>")] | Annotated[Table, Tag("<table>")],
    _is((list, tuple), "<table>"),
]
PerPlayer = Annotated[
    Annotated[Number, Tag("<number>")] | Annotated[dict[str, Number], Tag("<per player>")],
    _is(Mapping, "<per player>"),
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
        dict[str, tuple[Entry, ...]],
        described(
            "value of each alternative: one number per type or, where it depends on the others'"
            " types too, a table: a list per type of the first player, in it one per type of the"
            " second, and so on"
        ),
    ]
    outside: Annotated[
        Annotated[Number, Tag("<number>")] | Annotated[tuple[Number, ...], Tag("<list>")],
        _is((list, tuple), "<list>"),
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
    fees: Annotated[
        bool,
        Field(strict=True),
        described(
            "objective max_surplus: whether what the public takes in counts as outlay does, with"
            " the other sign"
        ),
    ] = True
    payments: Annotated[
        Literal["allowed", "none"],
        described(
            "whether money may change hands; without it truth must pay by what is done alone"
        ),
    ] = "allowed"
    transfer_floor: Annotated[
        PerPlayer | None,
        described(
            "of designed transfers: the least a player may receive in any state, 0 where nobody can"
            " be made to pay; one number or one per player's name; null: no limit"
        ),
    ] = None
    transfer_cap: Annotated[
        PerPlayer | None,
        described("the most, likewise; 0 where nobody can be paid; null: no limit"),
    ] = None

    def limits(self, player: str) -> tuple[float | None, float | None]:
        """The least and the most that a player may receive in any state; None: no limit."""
        if self.payments == "none":
            return 0.0, 0.0
        low, high = (
            limit.get(player) if isinstance(limit, dict) else limit
            for limit in (self.transfer_floor, self.transfer_cap)
        )
        return low, high

    @property
    def revenue_counts(self) -> bool:
        """Whether the objective is the better, the more the public takes in."""
        dear = self.objective == "max_surplus" and self.fees and self.public_funds_cost > 0
        return self.objective in UNLIMITED or dear

    @property
    def limited(self) -> bool:
        """Whether what players receive has any limits."""
        return self.transfer_floor is not None or self.transfer_cap is not None


def transfers_by_type(players: int, options: DesignOptions, *, dependent: bool = False) -> bool:
    """Whether there is a transfer per own type alone: where types are independent, nothing but its
    expectation counts, and it has no limits. What a single player receives cannot be evened out
    over the others' types."""
    expected = expectations_count(options.incentive, options.timing, options.participation)
    free = options.collusion == "ignored" and not options.limited and not dependent
    return players > 1 and expected and free


def too_large(
    types: list[int], alternatives: int, options: DesignOptions, *, dependent: bool = False
) -> str | None:
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
        by_type = transfers_by_type(count, options, dependent=dependent)
        transfers = 0 if by_type else count
        if options.allocation == "second_best":
            most.append(MOST_DRAWN[by_type] // (alternatives + transfers))
        elif transfers:
            most.append(MOST_SOLVED // transfers)
        if dependent and beliefs_count(options.incentive, options.timing, options.participation):
            most.append(MOST_BELIEFS // sum(types))
        if options.collusion == "proof":
            most.append(MOST_JOINT[options.allocation])
    if states <= min(most):
        return None
    return (
        f"{have}; at most {min(most):,} are taken here, so take fewer players or types, or a"
        " tax_rule with a formula, for which sums of private values do"
    )


def sums_do(options: DesignOptions, *, dependent: bool, private: bool) -> bool:
    """Whether what is asked can be told without a list of states: of rules with a formula, where
    types are independent and values private."""
    return not TAX_RULES[options.tax_rule].designed and private and not dependent


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
        tuple[Player, ...],
        described("the players, their types independent unless joint says otherwise", min_length=1),
    ]
    joint: Annotated[
        Table | None,
        described(
            "the probability of every state of types, adding up to 1, a table: a list per type of"
            " the first player, in it one per type of the second, and so on; null: types are"
            " independent"
        ),
    ] = None
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
    prior, joint = _prior(file)
    outside = tuple(
        along(prior, i, np.broadcast_to(np.asarray(player.outside, float), (len(player.types),)))
        for i, player in enumerate(file.players)
    )
    environment = Environment(
        name=file.name or name,
        players=tuple(player.name for player in file.players),
        types=tuple(player.types for player in file.players),
        probabilities=prior,
        joint=joint,
        alternatives=file.alternatives,
        values=tuple(_values(file, i) for i in range(len(file.players))),
        outside=outside,
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


NEARLY = 1e-12
"""Up to which probabilities of states are those of independent types."""


def _prior(file: SettingFile) -> tuple[Prior, Array | None]:
    """The probabilities of every player's types, and of states where types are not independent."""
    n = len(file.players)
    if file.joint is None:
        sizes = [len(player.types) for player in file.players]
        return tuple(
            np.array(player.probabilities or [1 / size] * size)
            for player, size in zip(file.players, sizes, strict=True)
        ), None
    joint = np.array(file.joint, float)
    alone = tuple(joint.sum(tuple(j for j in range(n) if j != i)) for i in range(n))
    independent = np.abs(joint - product(alone)).max() <= NEARLY
    return alone, None if independent else joint


def _values(file: SettingFile, player: int) -> Array:
    """A player's values by own type and alternative, (K, A), or by state and alternative where they
    depend on the others' types."""
    sizes = [len(each.types) for each in file.players]
    axes = [sizes[player] if axis == player else 1 for axis in range(len(sizes))]
    tables = []
    for alternative in file.alternatives:
        table = np.array(file.players[player].value[alternative], float)
        tables.append(table.reshape(axes) if table.ndim == 1 else table)
    values = np.stack(np.broadcast_arrays(*tables), -1)
    return values.reshape(sizes[player], -1) if list(values.shape[:-1]) == axes else values


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
    dependent = file.joint is not None
    tables = (table for player in file.players for table in player.value.values())
    private = not any(isinstance(entry, tuple) for table in tables for entry in table)
    too_many = too_large(sizes, len(file.alternatives), file.mechanism, dependent=dependent)
    summed = len(sizes) <= MOST_PLAYERS and sums_do(
        file.mechanism, dependent=dependent, private=private
    )
    if (message := too_many) and not summed:
        yield ("players",), message
    if len(set(file.alternatives)) < len(file.alternatives):
        yield ("alternatives",), "lists an alternative twice"
    if len({player.name for player in file.players}) < len(file.players):
        yield ("players",), "has two players of the same name"
    for name in file.public_value:
        if name not in file.alternatives:
            yield ("public_value", name), _no_alternative(file)
    yield from _of_needs(file)
    yield from _of_joint(file, sizes)
    yield from of_limits([player.name for player in file.players], file.mechanism)
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
    if why := with_limits(rule.key, file.mechanism.payments):
        for key in LIMITS:
            if getattr(file.mechanism, key) is not None:
                yield ("mechanism", key), why.fault


def _of_needs(file: SettingFile) -> Iterator[Breach]:
    """What is wrong with who is needed for what."""
    names = [player.name for player in file.players]
    for alternative, needed in file.needs.items():
        if alternative not in file.alternatives:
            yield ("needs", alternative), _no_alternative(file)
        for i, name in enumerate(needed):
            if name not in names:
                yield ("needs", alternative, i), f"is no player; they are {', '.join(names)}"


def _of_table(
    table: Any, sizes: Sequence[int], names: Sequence[str], least: int | None = None
) -> Iterator[Breach]:
    """What is wrong with a table over states: its shape, and what is no number of at least so
    much."""
    if not sizes:
        number = isinstance(table, int | float) and not isinstance(table, bool)
        if not number or not math.isfinite(table) or (least is not None and table < least):
            above = "(-inf" if least is None else f"[{least}"
            yield (), f"is {show(table)}; it must be a number in {above}, inf)"
    elif not isinstance(table, list | tuple) or len(table) != sizes[0]:
        yield (
            (),
            (
                f"is {show(table)}; it must be a list with one entry for each of the {sizes[0]}"
                f" types of {names[0]}"
            ),
        )
    else:
        for k, below in enumerate(table):
            for path, message in _of_table(below, sizes[1:], names[1:], least):
                yield (k, *path), message


def _of_joint(file: SettingFile, sizes: Sequence[int]) -> Iterator[Breach]:
    """What is wrong with the probabilities of states."""
    if file.joint is None:
        return
    for i, player in enumerate(file.players):
        if player.probabilities is not None:
            yield (
                ("players", i, "probabilities"),
                "stands beside joint, which says how likely types are; leave it out",
            )
    wrong = list(_of_table(file.joint, sizes, [player.name for player in file.players], 0))
    for path, message in wrong:
        yield ("joint", *path), message
    if wrong:
        return
    joint = np.array(file.joint, float)
    if abs(joint.sum() - 1) > 1e-9:
        yield ("joint",), f"adds up to {joint.sum():.10g}; it must add up to 1"
    for i, player in enumerate(file.players):
        alone = joint.sum(tuple(j for j in range(len(sizes)) if j != i))
        for k in np.flatnonzero(alone == 0):
            yield (
                ("joint",),
                f"gives the type {player.types[k]} of {player.name} probability 0; leave it out",
            )


def of_limits(names: Sequence[str], options: DesignOptions) -> Iterator[Breach]:
    """What is wrong with what players of these names may receive."""
    for key in LIMITS:
        limit = getattr(options, key)
        for name in limit if isinstance(limit, dict) else ():
            if name not in names:
                yield ("mechanism", key, name), f"is no player; they are {', '.join(names)}"
    for name in names:
        low, high = options.limits(name)
        if low is not None and high is not None and low > high:
            yield (
                ("mechanism", "transfer_floor"),
                f"is {low:g} for {name}, above transfer_cap, which is {high:g}",
            )
            return


def _no_alternative(file: SettingFile) -> str:
    return f"is no alternative; they are {', '.join(file.alternatives)}"


def _one_each(values: Sequence[Any], size: int) -> str:
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
        elif any(isinstance(entry, tuple) for entry in player.value[name]):
            sizes = [len(each.types) for each in file.players]
            names = [each.name for each in file.players]
            for path, message in _of_table(player.value[name], sizes, names):
                yield ("value", name, *path), message
        elif len(player.value[name]) != size:
            yield ("value", name), _one_each(player.value[name], size)
    for name in player.value:
        if name not in file.alternatives:
            yield ("value", name), _no_alternative(file)
