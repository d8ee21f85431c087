"""Arrays of results: nobody can write to them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from market.case import Array


def read_only(array: Array) -> Array:
    """The same numbers in an array that cannot be written to."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def freeze(record: Any) -> None:
    """Make every array of a frozen dataclass read-only: its whole `__post_init__`."""
    for field in fields(record):
        value = getattr(record, field.name)
        if isinstance(value, np.ndarray) and value.flags.writeable:
            object.__setattr__(record, field.name, read_only(value))
