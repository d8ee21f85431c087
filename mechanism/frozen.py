"""Arrays of results: nobody can write to them."""

from __future__ import annotations

import numpy as np

from market.case import Array


def read_only(array: Array) -> Array:
    """The same numbers in an array that cannot be written to."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view
