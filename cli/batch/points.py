"""Points of a design by number: any range of them, always the same, whoever asks for it and in
whatever pieces."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cli.output.signals import uninterrupted
from mechanism.casefile.distributions import Distribution, correlated, quantile, which

Array = NDArray[Any]


class CasePoints(Protocol):
    """The values of the varied keys, case by case."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The varied keys."""

    @property
    def count(self) -> int:
        """How many cases there are."""

    def columns(self, start: int, stop: int) -> dict[str, Array]:
        """Key -> values in the cases of this range: floats, or objects where a key takes texts."""

    def ids(self, start: int, stop: int) -> Array:
        """What these cases are called in the result: numbers, or a table's texts."""


class Numbered:
    """Cases numbered from 0."""

    def ids(self, start: int, stop: int) -> NDArray[np.int64]:
        """Their numbers."""
        return np.arange(start, stop, dtype=np.int64)


def column(values: Any) -> Array:
    """Values as a column: floats with NaN for null, or texts with None for null."""
    if any(isinstance(value, str) for value in values):
        return np.array(values, object)
    return np.array([math.nan if value is None else value for value in values], float)


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A varied key: a distribution, or values."""

    key: str
    distribution: Distribution | None = None
    ends: bool = False
    """Whether steps run from end to end of its range; otherwise each stands in the middle of an
    equal share of the probability."""
    values: tuple[Any, ...] = ()
    weights: tuple[float, ...] | None = None

    def at(self, share: Array) -> Array:
        """The values at these probabilities in [0, 1]."""
        if self.distribution is not None:
            return quantile(self.distribution, share)
        return column(self.values)[which(len(self.values), self.weights, share)]

    def size(self, count: int) -> int:
        """How many values there are where a range has `count`."""
        return count if self.distribution is not None else len(self.values)

    def steps(self, count: int, at: NDArray[np.intp] | None = None) -> Array:
        """The values of these numbers, by default all: those listed, or `count` of the
        distribution (from end to end; of one, the middle)."""
        at = np.arange(self.size(count)) if at is None else at
        if self.distribution is None:
            return column(self.values)[at]
        if count == 1 or not self.ends:
            return self.at((at + 0.5) / count)
        return self.at(np.where(at == count - 1, 1.0, at * (1.0 / (count - 1))))


@dataclass(frozen=True)
class _Axes(Numbered):
    axes: tuple[Axis, ...]
    size: int
    """What `sample.count` says."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The varied keys."""
        return tuple(axis.key for axis in self.axes)


@dataclass(frozen=True)
class Grid(_Axes):
    """Every combination; the last key runs fastest."""

    @property
    def count(self) -> int:
        """The product of the keys' points."""
        return math.prod(self._shape)

    @property
    def _shape(self) -> tuple[int, ...]:
        return tuple(axis.size(self.size) for axis in self.axes)

    def columns(self, start: int, stop: int) -> dict[str, Array]:
        """The combinations of this range."""
        where = np.unravel_index(np.arange(start, stop), self._shape)
        return {
            axis.key: axis.steps(self.size, index)
            for axis, index in zip(self.axes, where, strict=True)
        }


@dataclass(frozen=True)
class OneAtATime(_Axes):
    """The base case, then each key through its other points with the rest at the base."""

    base: tuple[Any, ...]

    @property
    def count(self) -> int:
        """The base case, and the points of all keys."""
        return 1 + sum(map(len, self._steps))

    @property
    def _steps(self) -> list[Array]:
        """Every key's points but the base's."""
        found = []
        for axis, value in zip(self.axes, self.base, strict=True):
            steps = axis.steps(self.size)
            found.append(steps[[step != value for step in steps.tolist()]])
        return found

    def columns(self, start: int, stop: int) -> dict[str, Array]:
        """The cases of this range."""
        found, first = {}, 1
        for axis, value, steps in zip(self.axes, self.base, self._steps, strict=True):
            whole = np.full(self.count, column([value])[0], steps.dtype)
            whole[first : first + len(steps)] = steps
            found[axis.key] = whole[start:stop]
            first += len(steps)
        return found


@dataclass(frozen=True)
class _Sampled(_Axes):
    seed: int
    ranks: Array | None = None
    """(axes, axes): rank correlations; None: none."""

    @property
    def count(self) -> int:
        """As asked."""
        return self.size

    def shares(self, start: int, stop: int) -> Array:
        """Points of the unit cube, (stop - start, axes)."""
        raise NotImplementedError

    def columns(self, start: int, stop: int) -> dict[str, Array]:
        """The points of this range."""
        shares = self.shares(start, stop)
        if self.ranks is not None:
            shares = correlated(shares, self.ranks)
        return {axis.key: axis.at(shares[:, n]) for n, axis in enumerate(self.axes)}


class Sobol(_Sampled):
    """Scrambled Sobol points."""

    def shares(self, start: int, stop: int) -> Array:
        """Points by their place in the sequence."""
        sequence = _sequence(len(self.axes), self.seed)
        if start < sequence.num_generated:
            sequence.reset()
        if ahead := start - sequence.num_generated:
            sequence.fast_forward(ahead)
        # the first by itself: the library warns of a beginning that is no power of two
        parts = [1, stop - start - 1] if start == 0 else [stop - start]
        return np.concatenate([sequence.random(n) for n in parts if n])


@lru_cache(maxsize=1)
def _sequence(axes: int, seed: int) -> Any:
    """A sequence, which goes on from where it is: its beginning takes long to reach again."""
    from scipy.stats import qmc

    with uninterrupted():
        return qmc.Sobol(axes, scramble=True, bits=30, rng=seed)


class LatinHypercube(_Sampled):
    """A Latin hypercube: each key meets each of `count` equal parts of its range once."""

    def shares(self, start: int, stop: int) -> Array:
        """Rows of the hypercube, which is made whole and kept."""
        return _hypercube(len(self.axes), self.size, self.seed)[start:stop]


@lru_cache(maxsize=1)
def _hypercube(axes: int, count: int, seed: int) -> Array:
    from scipy.stats import qmc

    return np.asarray(qmc.LatinHypercube(axes, rng=seed).random(count))


@dataclass(frozen=True, kw_only=True)
class Table:
    """The rows of a table."""

    data: Mapping[str, Array]
    numbers: Array | None
    """The column case_id, where there is one: whole numbers, or texts."""
    sha256: str
    """Of the file."""
    carried: Mapping[str, Array] = field(default_factory=dict)
    """Columns that mean nothing here, by header, as they are."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(self.data)

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(next(iter(self.data.values()), ()))

    def columns(self, start: int, stop: int) -> dict[str, Array]:
        """The rows of this range."""
        return {key: values[start:stop] for key, values in self.data.items()}

    def ids(self, start: int, stop: int) -> Array:
        """The column case_id, or the number of the row from 0."""
        return (
            np.arange(start, stop, dtype=np.int64)
            if self.numbers is None
            else self.numbers[start:stop]
        )


@dataclass(frozen=True)
class Listed(Numbered):
    """Case files one by one."""

    files: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The one column that tells them apart."""
        return ("case",)

    @property
    def count(self) -> int:
        """The number of files."""
        return len(self.files)

    def columns(self, start: int, stop: int) -> dict[str, Array]:
        """The names of the files."""
        return {"case": np.array(self.files[start:stop], object)}
