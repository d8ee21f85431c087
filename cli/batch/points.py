"""Points of a design by number: any range of them, always the same, whoever asks for it and in whatever pieces."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Points(Protocol):
    """The values of the varied keys, case by case."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The varied keys."""

    @property
    def count(self) -> int:
        """How many cases there are."""

    def columns(self, start: int, stop: int) -> dict[str, Array]:
        """Key -> values in the cases of this range: floats, or objects where a key takes texts."""

    def ids(self, start: int, stop: int) -> NDArray[np.int64]:
        """The numbers of these cases in the result."""


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
    """A varied key: an interval, or values."""

    key: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    values: tuple[Any, ...] | None = None

    def at(self, share: Array) -> Array:
        """The values at these shares of the way, each in [0, 1)."""
        if self.values is not None:
            return column(self.values)[np.minimum((share * len(self.values)).astype(int), len(self.values) - 1)]
        found = self.low * (self.high / self.low) ** share if self.log else self.low + (self.high - self.low) * share
        return np.clip(found, self.low, self.high)

    def steps(self, count: int) -> Array:
        """The values one after the other: those listed, or `count` from end to end (of one, the middle)."""
        if self.values is not None:
            return column(self.values)
        return self.at(np.linspace(0.0, 1.0, count) if count > 1 else np.array([0.5]))


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
        return tuple(self.size if axis.values is None else len(axis.values) for axis in self.axes)

    def columns(self, start: int, stop: int) -> dict[str, Array]:
        """The combinations of this range."""
        where = np.unravel_index(np.arange(start, stop), self._shape)
        return {axis.key: axis.steps(self.size)[index] for axis, index in zip(self.axes, where, strict=True)}


@dataclass(frozen=True)
class OneAtATime(_Axes):
    """The base case, then each key through its points with the others at the base."""

    base: tuple[Any, ...]

    @property
    def count(self) -> int:
        """The base case, and the points of all keys."""
        return 1 + sum(len(axis.steps(self.size)) for axis in self.axes)

    def columns(self, start: int, stop: int) -> dict[str, Array]:
        """The cases of this range."""
        found, first = {}, 1
        for axis, value in zip(self.axes, self.base, strict=True):
            steps = axis.steps(self.size)
            whole = np.full(self.count, column([value])[0], steps.dtype)
            whole[first : first + len(steps)] = steps
            found[axis.key] = whole[start:stop]
            first += len(steps)
        return found


@dataclass(frozen=True)
class _Sampled(_Axes):
    seed: int

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
        return {axis.key: axis.at(shares[:, n]) for n, axis in enumerate(self.axes)}


class Sobol(_Sampled):
    """Scrambled Sobol points."""

    def shares(self, start: int, stop: int) -> Array:
        """Points by their place in the sequence."""
        from scipy.stats import qmc

        engine = qmc.Sobol(len(self.axes), scramble=True, bits=30, rng=self.seed)
        if start:
            return engine.fast_forward(start).random(stop - start)
        first = engine.random(1)  # by itself: the library warns of a beginning that is no power of two, and a piece is none
        return np.concatenate([first, engine.random(stop - 1)]) if stop > 1 else first


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
    numbers: NDArray[np.int64] | None
    """The column case_id, where there is one."""
    sha256: str
    """Of the file."""

    @classmethod
    def read(cls, path: Path) -> Table:
        """The table in a CSV or Parquet file."""
        import pandas as pd

        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if path.suffix.lower() == ".parquet":
            frame = pd.read_parquet(path, engine="pyarrow")
        else:
            with open(path, encoding="utf-8-sig", newline="") as stream:
                names = [name.strip() for name in next(csv.reader(stream), [])]
            if twice := [name for n, name in enumerate(names) if name in names[:n]]:
                raise ValueError(f"the column {twice[0]} stands there twice")
            frame = pd.read_csv(path, skipinitialspace=True, float_precision="round_trip")
        frame.columns = [str(name).strip() for name in frame.columns]
        numbers = None
        if "case_id" in frame:
            given = frame.pop("case_id")
            if not pd.api.types.is_integer_dtype(given):
                raise ValueError("the column case_id holds something else than whole numbers")
            numbers = given.to_numpy(np.int64)
        return cls(data={str(name): _values(frame[name]) for name in frame}, numbers=numbers, sha256=digest)

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(self.data)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, case_id included."""
        return (*(["case_id"] if self.numbers is not None else []), *self.data)

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(next(iter(self.data.values()), ()))

    def first_text(self, key: str) -> int | None:
        """The first row in which this column holds something else than a number."""
        values = self.data[key]
        return next((n for n, value in enumerate(values) if not _is_number(value)), None) if values.dtype == object else None

    def columns(self, start: int, stop: int) -> dict[str, Array]:
        """The rows of this range."""
        return {key: values[start:stop] for key, values in self.data.items()}

    def ids(self, start: int, stop: int) -> NDArray[np.int64]:
        """The column case_id, or the number of the row from 0."""
        return np.arange(start, stop, dtype=np.int64) if self.numbers is None else self.numbers[start:stop]


def _is_number(value: Any) -> bool:
    try:
        return value is None or math.isfinite(float(value))
    except ValueError:
        return False


def _values(series: Any) -> Array:
    import pandas as pd

    if pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series):
        return np.asarray(series.to_numpy(float, na_value=np.nan))
    texts = np.array([None if pd.isna(value) else str(value) for value in series], object)
    return column([None if text is None else float(text) for text in texts]) if all(map(_is_number, texts)) else texts


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
