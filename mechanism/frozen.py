"""Records of arrays: nobody can write to them; what changes in some of their lanes makes new
ones."""

from __future__ import annotations

from dataclasses import fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")


def read_only(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same numbers in an array that cannot be written to."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def freeze(record: Any) -> None:
    """Make every array, tuple of arrays and mapping of a frozen dataclass read-only: its whole
    `__post_init__`.

    What it works out once and keeps, under a name that begins with _, stays its own.
    """
    for field in fields(record):
        value = getattr(record, field.name)
        if isinstance(value, np.ndarray) and value.flags.writeable:
            object.__setattr__(record, field.name, read_only(value))
        elif isinstance(value, tuple) and any(isinstance(one, np.ndarray) for one in value):
            kept = (read_only(one) if isinstance(one, np.ndarray) else one for one in value)
            object.__setattr__(record, field.name, tuple(kept))
        elif isinstance(value, dict) and not field.name.startswith("_"):
            held = {
                key: read_only(one) if isinstance(one, np.ndarray) else one
                for key, one in value.items()
            }
            object.__setattr__(record, field.name, MappingProxyType(held))


def put(record: Record, where: NDArray[np.intp], by: Record) -> Record:
    """A dataclass of arrays with those of another in these lanes."""
    columns = {field.name: np.array(getattr(record, field.name)) for field in fields(record)}
    for name, values in columns.items():
        values[where] = getattr(by, name)
    return replace(record, **columns)
