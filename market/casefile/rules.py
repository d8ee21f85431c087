"""Rules between keys of a market that are admissible one by one.

A rule between numbers is an expression in them, which holds of a column over cases as it does of
one case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from market.casefile.faults import KeyPath, show


@dataclass(frozen=True)
class Rule:
    """A rule between keys that are admissible one by one; a breach is a fault of the first key."""

    keys: tuple[str, ...]
    breach: Callable[..., str | tuple[KeyPath, str] | None]
    """Takes the keys' values; None, the message, or the place below the first key and the
    message."""
    kept: Callable[..., Any] | None = None
    """Of a rule between numbers whether they keep it, each a number or a column over cases; only
    where they do not is `breach` asked for the words."""

    @cached_property
    def paths(self) -> tuple[KeyPath, ...]:
        """The ways to the keys."""
        return tuple(tuple(key.split(".")) for key in self.keys)


def _both(value: Any) -> list[Any]:
    """One value per firm."""
    return list(value) if isinstance(value, list | tuple) else [value, value]


def _per_firm(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _below_own(cross: Any, own: Any) -> Any:
    one, other = _both(own)
    return (cross < one) & (cross < other)


def _not_below(name: str, cross: float, own: float | list[float]) -> str:
    told = f"smaller {name}" if _per_firm(own) else name
    return f"is {show(cross)}; it must lie in [0, {told} = {show(min(_both(own)))})"


def _each_in_demand(choke: Any, own: Any, cross: Any) -> list[Any]:
    """Whether a firm has demand at a price of nothing, firm by firm; goods that are no substitutes
    are another rule's."""
    d, unlike = _both(own), _below_own(cross, own)
    return [
        (d[1 - i] * choke[i] > cross * choke[1 - i]) | (unlike == False)  # noqa: E712 - or a column
        for i in (0, 1)
    ]


def _in_demand(choke: Any, own: Any, cross: Any) -> Any:
    if not _per_firm(choke):
        return True
    one, other = _each_in_demand(choke, own, cross)
    return one & other


def _choke_price(choke: list[float], own: Any, cross: float) -> tuple[KeyPath, str]:
    i = _each_in_demand(choke, own, cross).index(False)
    least = cross * choke[1 - i] / _both(own)[1 - i]
    text = f"is {show(choke[i])} and leaves the firm without demand; it must exceed {show(least)}"
    return (i,), text


def _something_to_save(given: Mapping[str, Any]) -> Any:
    pairs = zip(*(_both(given.get(key, 0.0)) for key in ("spillover", "base")), strict=True)
    one, other = ((saved == 0) | (base != 0) for saved, base in pairs)
    return one & other


def _unit_cost(given: Mapping[str, Any]) -> str:
    return "has a spillover but no base: there is no unit cost to save"


def _each_leaks(own: Any, cross: Any, interaction: Any) -> list[Any]:
    """Whether a firm's own sharing costs it more than its rival's gives it, firm by firm."""
    each = zip(_both(own), _both(cross), _both(interaction), strict=True)
    return [first > second + third for first, second, third in each]


def _leaks(own: Any, cross: Any, interaction: Any) -> Any:
    one, other = _each_leaks(own, cross, interaction)
    return one & other


def _leakage(own: Any, cross: Any, interaction: Any) -> str | tuple[KeyPath, str]:
    firm = _each_leaks(own, cross, interaction).index(False)
    first, second, third = (_both(each)[firm] for each in (own, cross, interaction))
    least = show(round(second + third, 12))
    text = f"is {show(first)}; it must lie in (cross + interaction = {least}, inf)"
    return ((firm,), text) if _per_firm(own) else text


LARGEST = 1e30
"""Sizes beyond which figures could no longer be squared and compared."""

DIVIDES = ("intercept", "own_slope", "choke_price", "scale", "reference_investment")
"""What figures are divided by, which may not be as small as it likes, as a spillover may."""


def _sizes(block: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any, Any]]:
    """The numbers of a block, and whether they are neither too large nor too small to be computed
    with."""
    if isinstance(block, dict | Mapping):
        for key, below in block.items():
            yield from _sizes(below, (*path, key))
    elif isinstance(block, list | tuple):
        for firm, below in enumerate(block):
            yield from _sizes(below, (*path, firm))
    elif block is not None and not isinstance(block, bool | str):
        size, least = abs(block), 1 / LARGEST if path[0] in DIVIDES else 0.0
        yield path, block, (size <= LARGEST) & ((size == 0) | (size >= least))


def _computable(block: Any) -> Any:
    fine: Any = True
    for _, _, sound in _sizes(block):
        fine = fine & sound
    return fine


def _size(block: Any) -> tuple[KeyPath, str]:
    path, value = next((path, value) for path, value, sound in _sizes(block) if not sound)
    text = "state it in other units, so that its size lies between 1e-30 and 1e30"
    return path, f"is {show(value)}; {text}"


LARGEST_RATIO = 1e9
"""How many times the smaller intercept the larger, or own leakage, may be: beyond, a firm is lost
in the rounding of its rival's figures, or in that of what sharing costs it."""


def _comparable(intercept: Any) -> Any:
    one, other = _both(intercept)
    return (one <= LARGEST_RATIO * other) & (other <= LARGEST_RATIO * one)


def _intercepts(intercept: list[float]) -> str:
    return (
        f"is [{', '.join(map(show, intercept))}]; the larger may be at most {LARGEST_RATIO:.0e}"
        " times the smaller"
    )


def _leaks_little(own: Any, intercept: Any) -> Any:
    fine: Any = True
    for leaked in _both(own):
        for base in _both(intercept):
            fine = fine & (leaked <= LARGEST_RATIO * base)
    return fine


def _large_leakage(own: float | list[float], intercept: float | list[float]) -> str:
    return (
        f"is {show(own)}; it may be at most {LARGEST_RATIO:.0e} times the intercept,"
        f" {show(LARGEST_RATIO * min(_both(intercept)))} here"
    )


MARKET_RULES = (
    *(Rule((name,), _size, _computable) for name in ("demand", "security", "cost", "unit_cost")),
    Rule(("demand.intercept",), _intercepts, _comparable),
    *(
        Rule(
            (f"demand.cross_{effect}", f"demand.own_{effect}"),
            partial(_not_below, f"own_{effect}"),
            _below_own,
        )
        for effect in ("slope", "satiation")
    ),
    Rule(
        ("demand.choke_price", "demand.own_satiation", "demand.cross_satiation"),
        _choke_price,
        _in_demand,
    ),
    Rule(("unit_cost",), _unit_cost, _something_to_save),
    Rule(
        tuple(f"security.leakage.{name}" for name in ("own", "cross", "interaction")),
        _leakage,
        _leaks,
    ),
    Rule(("security.leakage.own", "demand.intercept"), _large_leakage, _leaks_little),
)


def breaches(
    rules: Iterable[Rule], tree: Mapping[str, Any], faulty: Iterable[KeyPath]
) -> Iterator[tuple[KeyPath, str]]:
    """Breaches of rules whose keys are all given and free of faults."""
    faulty = tuple(faulty)
    for rule in rules:
        paths = rule.paths
        if faulty and any(path[: len(bad)] == bad[: len(path)] for path in paths for bad in faulty):
            continue
        values = [_at(tree, path) for path in paths]
        if None in values or (rule.kept is not None and rule.kept(*values)):
            continue
        if message := rule.breach(*values):
            yield (
                (paths[0], message)
                if isinstance(message, str)
                else (paths[0] + message[0], message[1])
            )


def kept(rules: Iterable[Rule], tree: Mapping[str, Any]) -> Any:
    """Whether a tree in which some numbers are columns over cases keeps what the rules say between
    numbers; one answer, or one per case."""
    fine: Any = True
    for rule in rules:
        values = [_at(tree, path) for path in rule.paths]
        if rule.kept is not None and not any(value is None for value in values):
            fine = fine & rule.kept(*values)
    return fine


def _at(tree: Any, path: KeyPath) -> Any:
    for part in path:
        # A plain tree first: asking the abstract class takes most of the time of many cases.
        tree = tree.get(part) if isinstance(tree, dict | Mapping) else None
    return tree
