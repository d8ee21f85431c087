"""Distributions of parameters, in words a file may use: what each is, what is wrong with one, its
values at probabilities, and rank correlations between several (a Gaussian copula joins them).

Whatever draws parameters reads this: `uncertainty` of a case and the design of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import numpy as np
from pydantic import Field, model_serializer

from market.casefile.faults import KeyPath, show
from market.casefile.schema import Block, Number, Positive, described
from market.model.case import Array
from market.text import Json

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
BOUNDED = ("uniform", "log_uniform", "triangular", "beta")
"""Those on a range, of which the lowest and the highest value stand in the file."""
AND = " & "
"""Stands between the two keys of a correlation."""
Correlations = Annotated[
    dict[str, Annotated[Number, Field(ge=-1, le=1)]],
    described("rank correlations by pairs of keys: `KEY & KEY: 0.5`"),
]


def form_of(given: Distribution) -> str:
    """Which form a distribution without faults has."""
    return next(form for form in FORMS if getattr(given, form) is not None)


def ends_of(given: Distribution) -> tuple[float, float]:
    """The lowest and the highest value of one on a range."""
    form = form_of(given)
    low, *_, high = getattr(given, form)[2:] if form == "beta" else getattr(given, form)
    return low, high


# --- values


def inside(p: Array) -> Array:
    """Probabilities in (0, 1) next to those given, so that every quantile is finite."""
    return np.clip(p, np.finfo(float).tiny, 1 - 2**-53)


def quantile(given: Distribution, p: Array) -> Array:
    """Values at probabilities p in [0, 1]; of what has no ends, in (0, 1)."""
    from scipy.special import betaincinv, ndtri

    if given.normal is not None:
        centre, spread = given.normal
        return np.asarray(centre + spread * ndtri(inside(p)))
    if given.lognormal is not None:
        median, spread = given.lognormal
        return np.asarray(median * np.exp(spread * ndtri(inside(p))))
    if given.values is not None:
        return np.array(given.values)[which(len(given.values), given.weights, p)]
    low, high = ends_of(given)
    if given.uniform is not None:
        found = low + (high - low) * p
    elif given.log_uniform is not None:
        found = low * (high / low) ** p
    elif given.beta is not None:
        found = low + (high - low) * betaincinv(*given.beta[:2], p)
    else:
        assert given.triangular is not None
        mode = given.triangular[1]
        rising = low + np.sqrt(p * (high - low) * (mode - low))
        falling = high - np.sqrt((1 - p) * (high - low) * (high - mode))
        found = np.where(p < (mode - low) / (high - low), rising, falling)
    # rounding leads beyond an end by the last digit
    return np.clip(found, low, high)


def which(count: int, weights: Sequence[float] | None, p: Array) -> Array:
    """Of so many values, the number of the one at each probability p in [0, 1]."""
    steps = np.cumsum(weights or [1.0] * count)
    found = np.searchsorted(steps / steps[-1], p, side="right")
    return np.minimum(found, count - 1)


# --- several at once


def copula_correlation(ranks: Array) -> Array:
    """Correlations of the Gaussian copula from rank correlations (Spearman): 2 sin(pi rho / 6)."""
    return np.asarray(2 * np.sin(np.pi * ranks / 6))


def rank_correlation(gaussian: Array) -> Array:
    """Rank correlations (Spearman) from correlations of the Gaussian copula."""
    return np.asarray(6 / np.pi * np.arcsin(np.clip(gaussian, -1, 1) / 2))


def rank_correlations(given: Mapping[str, float], keys: Sequence[str]) -> Array:
    """(K, K): rank correlations of these keys from those given by pairs, 0 where none is."""
    ranks = np.eye(len(keys))
    for pair, value in given.items():
        i, j = (keys.index(key) for key in _pair(pair))
        ranks[i, j] = ranks[j, i] = value
    return ranks


def root(correlation: Array) -> Array:
    """The symmetric root (K, K) of a matrix of correlations; where rounding has left it no matrix
    of correlations, of the nearest that drops what is negative."""
    sizes, directions = np.linalg.eigh(correlation)
    made = (directions * np.sqrt(np.maximum(sizes, 0.0))) @ directions.T
    return np.asarray(made / np.linalg.norm(made, axis=0))


def correlated(p: Array, ranks: Array) -> Array:
    """Independent probabilities (n, K), uniform each, as such with these rank correlations
    (K, K)."""
    from scipy.special import ndtr, ndtri

    # not as a product of matrices, whose last digits depend on how many rows there are
    normal = np.einsum("nk,kj->nj", ndtri(inside(p)), root(copula_correlation(ranks)))
    return np.asarray(ndtr(normal))


# --- what is wrong


IMPOSSIBLE = -1e-3
"""Smallest eigenvalue of a correlation matrix, below which its entries contradict each other; what
lies above is rounding of what a file writes."""


def form_faults(given: Distribution) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with a distribution by itself: where in it, and what."""
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


def correlation_faults(
    given: Mapping[str, float], keys: Sequence[str]
) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with rank correlations of these keys: where among them, and what."""
    seen: set[frozenset[str]] = set()
    faulty = False
    for pair in given:
        text = _wrong_pair(pair, keys, seen)
        faulty |= text is not None
        if text is not None:
            yield (pair,), text
    if faulty or not given:
        return
    least = float(np.linalg.eigvalsh(copula_correlation(rank_correlations(given, keys))).min())
    if least < IMPOSSIBLE:
        yield (
            (),
            "holds correlations that contradict each other: what moves with a second and a third"
            f" key moves those together too (smallest eigenvalue {least:.3g}); bring them closer"
            " to 0",
        )


def _pair(pair: str) -> tuple[str, str]:
    one, _, other = pair.partition("&")
    return one.strip(), other.strip()


def _wrong_pair(pair: str, keys: Sequence[str], seen: set[frozenset[str]]) -> str | None:
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
