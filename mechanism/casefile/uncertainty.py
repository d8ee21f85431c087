"""The block `uncertainty` of a case file: parameters that are not known exactly.

A distribution for each dotted key, rank correlations between keys (a Gaussian copula joins them),
how many draws and from which seed. What is uncertain is unknown to everybody; what is private is
known to a firm, so that the same parameter cannot be both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError

from market.casefile.faults import Fault, KeyPath, dotted, show
from market.casefile.files import Document
from market.casefile.schema import Block, described
from market.model.case import Array
from market.text import Json
from mechanism.casefile.case_keys import BLOCKS, key_fault, key_path, value_at
from mechanism.casefile.distributions import (
    Correlations,
    Distribution,
    correlation_faults,
    form_faults,
    rank_correlations,
)
from mechanism.casefile.types import PAPERS, PRIVATE
from mechanism.frozen import freeze


class UncertaintyBlock(Block):
    """Parameters that are not known exactly, by their dotted keys."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Distribution]

    correlation: Correlations = Field(default_factory=dict)
    draws: Annotated[
        int, described("how many markets are drawn", strict=True, ge=16, le=65_536)
    ] = 1024
    seed: Annotated[int, described("of the draws", strict=True, ge=0, le=2**31 - 1)] = 0


@dataclass(frozen=True, kw_only=True)
class Uncertainty:
    """What is not known exactly."""

    distributions: Mapping[str, Distribution]
    """By dotted key, in the order of the file."""
    rank_correlation: Array
    """(K, K), in that order."""
    draws: int
    seed: int

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def keys(self) -> tuple[str, ...]:
        """What is uncertain."""
        return tuple(self.distributions)


def left_unused(block: Uncertainty | None) -> str | None:
    """What is said where figures are told at the case's own numbers alone; None where these are
    certain."""
    if block is None:
        return None
    return (
        f"the case says that {len(block.keys)} of its numbers are not known exactly (uncertainty);"
        " that is not used here: every figure is at the case's own numbers (pigou evaluate uses it)"
    )


def uncertainty_of(block: UncertaintyBlock | None) -> Uncertainty | None:
    """The block of a validated case; None where everything is certain."""
    if block is None or not block.__pydantic_extra__:
        return None
    return Uncertainty(
        distributions=MappingProxyType(dict(block.__pydantic_extra__)),
        rank_correlation=rank_correlations(block.correlation, list(block.__pydantic_extra__)),
        draws=block.draws,
        seed=block.seed,
    )


def uncertainty_faults(
    given: Mapping[str, Any], resolved: Json | None, document: Document | None
) -> list[Fault]:
    """What is wrong between the block and the case it stands in, beyond what is wrong with either
    alone.

    Args:
        given: The block as it is written; parts that are wrong by themselves are passed over.
        resolved: The case with every default filled in; None where the rest of it is wrong, which
            leaves open what its keys are.
        document: Knows the places.
    """
    return [
        Fault(document.place(at) if document else None, dotted(at), message)
        for at, message in _faults(given, resolved)
    ]


def _sound(given: Mapping[str, Any]) -> UncertaintyBlock:
    """The parts of a block that are right by themselves."""

    def kept(one: Mapping[str, Any]) -> bool:
        try:
            UncertaintyBlock.model_validate(one)
        except ValidationError:
            return False
        return True

    pairs = given.get("correlation")
    some = dict(pairs) if isinstance(pairs, Mapping) else {}
    parts = {key: value for key, value in given.items() if kept({key: value})}
    sound = {pair: value for pair, value in some.items() if kept({"correlation": {pair: value}})}
    return UncertaintyBlock.model_validate({**parts, "correlation": sound})


def _faults(given: Mapping[str, Any], resolved: Json | None) -> Iterator[tuple[KeyPath, str]]:
    block = _sound(given)
    keys = [key for key in given if key not in UncertaintyBlock.model_fields]
    sound = block.__pydantic_extra__
    for key in keys:
        here: KeyPath = ("uncertainty", key)
        if resolved is not None and (message := _wrong_key(key, keys, resolved)):
            yield here, message
        for below, told in form_faults(sound[key]) if key in sound else ():
            yield (*here, *below), told
    if block.correlation and not keys:
        yield ("uncertainty", "correlation"), "is given, but nothing is uncertain; give KEY: {...}"
        return
    for at, told in correlation_faults(block.correlation, keys):
        yield ("uncertainty", "correlation", *at), told


def _wrong_key(key: str, keys: list[str], resolved: Json) -> str | None:
    # Looking the key up is far cheaper than looking for what may be wrong with it.
    if not _is_number(resolved, key) and (message := key_fault(resolved, key)):
        return message.replace("the base case", "this case")
    if key.startswith("types"):
        return "says what is private, not what is uncertain; give a distribution to a parameter"
    if key.endswith("]") and (key.startswith("mechanism.") or key[:-3] in COMMON):
        return "has one value for both firms; leave out the number in brackets"
    value = value_at_firm(resolved, key)
    if isinstance(value, list):
        return "has a value for each firm in this case; give each a distribution, by [0] and [1]"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"is {show(value)} in this case; only numbers can be uncertain"
    bare = key.partition("[")[0]
    if key == bare and any(other.startswith(f"{key}[") for other in keys):
        return "stands beside one firm's own; give both firms' values by [0] and [1]"
    private = resolved.get("types")
    if private and PRIVATE[private.get("parameter", PAPERS)].place == bare:
        return "is private here (types): each firm knows its own; take it out of one of the blocks"
    return None


COMMON = ("demand.cross_slope", "demand.cross_satiation", "cost.reference_investment")
"""Parameters of the market that firms cannot have of their own."""


def _is_number(resolved: Json, key: str) -> bool:
    """Whether there is a number at this key of the market or the mechanism, of a firm there is."""
    path = key_path(key)
    no_firm = isinstance(path[-1], int) and path[-1] > 1
    if path[0] not in BLOCKS or path[0] == "types" or no_firm:
        return False
    try:
        value = value_at_firm(resolved, key)
    except (LookupError, TypeError):
        return False
    return isinstance(value, int | float) and not isinstance(value, bool)


def value_at_firm(resolved: Json, key: str) -> Any:
    """The value of a dotted key, where [0] or [1] may stand for a number common to both firms."""
    path = key_path(key)
    if isinstance(path[-1], int):
        held = value_at(resolved, path[:-1])
        return held[path[-1]] if isinstance(held, list) else held
    return value_at(resolved, path)
