"""The block `uncertainty` of a case file: parameters that are not known exactly.

A distribution for each dotted key, rank correlations between keys (a Gaussian copula joins them),
how many draws and from which seed. What is uncertain is unknown to everybody; what is private is
known to a firm, so that the same parameter cannot be both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field, model_serializer

from market.casefile.faults import Fault, KeyPath, dotted, show
from market.casefile.files import Document
from market.casefile.schema import Block, Number, Positive, described
from market.model.case import Array
from market.text import Json
from mechanism.casefile.case_keys import BLOCKS, key_fault, key_path, value_at
from mechanism.casefile.types import PAPERS, PRIVATE
from mechanism.frozen import freeze

Pair = Annotated[tuple[Number, ...], Field(min_length=2, max_length=2)]
Triple = Annotated[tuple[Number, ...], Field(min_length=3, max_length=3)]
Four = Annotated[tuple[Number, ...], Field(min_length=4, max_length=4)]


class Distribution(Block):
    """What is believed of a parameter: exactly one form."""

    normal: Annotated[Pair | None, described("[mean, standard deviation]")] = None
    lognormal: Annotated[
        Pair | None, described("[median, standard deviation of the logarithm]")
    ] = None
    uniform: Annotated[Pair | None, described("[lowest, highest]")] = None
    log_uniform: Annotated[
        Pair | None, described("[lowest, highest], uniform in the logarithm")
    ] = None
    triangular: Annotated[Triple | None, described("[lowest, most likely, highest]")] = None
    beta: Annotated[Four | None, described("[a, b, lowest, highest]: beta(a, b) on a range")] = None
    values: Annotated[
        tuple[Number, ...] | None,
        described("the values it may have, all different", min_length=1, max_length=1000),
    ] = None
    weights: Annotated[
        tuple[Positive, ...] | None,
        described("of the values, one each; null: all equal", min_length=1, max_length=1000),
    ] = None

    @model_serializer
    def _given(self) -> Json:
        """What the file gives, without the forms it does not use."""
        return {
            key: list(value)
            for key in type(self).model_fields
            if (value := getattr(self, key)) is not None
        }


FORMS = tuple(key for key in Distribution.model_fields if key != "weights")
"""The forms of a distribution."""
AND = " & "
"""Stands between the two keys of a correlation."""


class UncertaintyBlock(Block):
    """Parameters that are not known exactly, by their dotted keys."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Distribution]

    correlation: Annotated[
        dict[str, Annotated[Number, Field(ge=-1, le=1)]],
        described("rank correlations by pairs of keys: `KEY & KEY: 0.5`"),
    ] = Field(default_factory=dict)
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


def uncertainty_of(block: UncertaintyBlock | None) -> Uncertainty | None:
    """The block of a validated case; None where everything is certain."""
    if block is None or not block.__pydantic_extra__:
        return None
    keys = list(block.__pydantic_extra__)
    ranks = np.eye(len(keys))
    for pair, value in block.correlation.items():
        i, j = (keys.index(key) for key in _pair(pair))
        ranks[i, j] = ranks[j, i] = value
    return Uncertainty(
        distributions=MappingProxyType(dict(block.__pydantic_extra__)),
        rank_correlation=ranks,
        draws=block.draws,
        seed=block.seed,
    )


def copula_correlation(ranks: Array) -> Array:
    """Correlations of the Gaussian copula from rank correlations (Spearman): 2 sin(pi rho / 6)."""
    return np.asarray(2 * np.sin(np.pi * ranks / 6))


def rank_correlation(gaussian: Array) -> Array:
    """Rank correlations (Spearman) from correlations of the Gaussian copula."""
    return np.asarray(6 / np.pi * np.arcsin(np.clip(gaussian, -1, 1) / 2))


IMPOSSIBLE = -1e-3
"""Smallest eigenvalue of a correlation matrix, below which its entries contradict each other; what
lies above is rounding of what a file writes."""


def uncertainty_faults(
    block: UncertaintyBlock, resolved: Json, document: Document | None
) -> list[Fault]:
    """What is wrong between the block and the case it stands in; `document` knows the places."""
    return [
        Fault(document.place(at) if document else None, dotted(at), message)
        for at, message in _faults(block, resolved)
    ]


def _faults(block: UncertaintyBlock, resolved: Json) -> Iterator[tuple[KeyPath, str]]:
    keys = list(block.__pydantic_extra__ or {})
    for key in keys:
        here: KeyPath = ("uncertainty", key)
        if message := _wrong_key(key, keys, resolved):
            yield here, message
        for below, told in _wrong_form(block.__pydantic_extra__[key]):
            yield (*here, *below), told
    if block.correlation and not keys:
        yield ("uncertainty", "correlation"), "is given, but nothing is uncertain; give KEY: {...}"
        return
    seen: set[frozenset[str]] = set()
    faulty = False
    for pair in block.correlation:
        text = _wrong_pair(pair, keys, seen)
        faulty |= text is not None
        if text is not None:
            yield ("uncertainty", "correlation", pair), text
    if faulty or not block.correlation:
        return
    made = uncertainty_of(block)
    assert made is not None
    least = float(np.linalg.eigvalsh(copula_correlation(made.rank_correlation)).min())
    if least < IMPOSSIBLE:
        yield (
            ("uncertainty", "correlation"),
            "holds correlations that contradict each other: what moves with a second and a third"
            f" key moves those together too (smallest eigenvalue {least:.3g}); bring them closer"
            " to 0",
        )


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


def _wrong_form(given: Distribution) -> Iterator[tuple[KeyPath, str]]:
    forms = [form for form in FORMS if getattr(given, form) is not None]
    if len(forms) != 1:
        told = f"gives {' and '.join(forms)}" if forms else "gives no distribution"
        yield (), f"{told}; give one of {', '.join(FORMS)}"
        return
    form = forms[0]
    if given.weights is not None and form != "values":
        yield ("weights",), "belong to values; leave them out"
    numbers = getattr(given, form)
    if text := _wrong_numbers(form, numbers, given.weights):
        yield (form,), f"is [{', '.join(f'{one:g}' for one in numbers[:4])}]; {text}"


def _wrong_numbers(
    form: str, numbers: tuple[float, ...], weights: tuple[float, ...] | None
) -> str | None:
    if form in ("normal", "lognormal"):
        centre, spread = numbers
        if form == "lognormal" and centre <= 0:
            return "the median must be above 0"
        return None if spread > 0 else "the standard deviation must be above 0"
    if form == "values":
        if len(set(numbers)) < len(numbers):
            return "list each value once"
        if weights is not None and len(weights) != len(numbers):
            return f"weights must have one entry for each of the {len(numbers)} values"
        return None
    if form == "beta" and min(numbers[:2]) <= 0:
        return "a and b must be above 0"
    low, high = numbers[-2:] if form == "beta" else (numbers[0], numbers[-1])
    if not low < high:
        return "the lowest must be below the highest"
    if form == "log_uniform" and low <= 0:
        return "the lowest must be above 0"
    if form == "triangular" and not low <= numbers[1] <= high:
        return "the most likely must lie between the other two"
    return None if math.isfinite(high - low) else "the range is too wide"


def _pair(pair: str) -> tuple[str, str]:
    one, _, other = pair.partition("&")
    return one.strip(), other.strip()


def _wrong_pair(pair: str, keys: list[str], seen: set[frozenset[str]]) -> str | None:
    one, other = _pair(pair)
    if "&" not in pair or not one or not other:
        return f"is no pair; write KEY{AND}KEY"
    for key in (one, other):
        if key not in keys:
            return f"names {show(key)}, which has no distribution here"
    if one == other:
        return "names one key twice"
    both = frozenset((one, other))
    if both in seen:
        return "stands here twice; give one correlation for each pair"
    seen.add(both)
    return None
