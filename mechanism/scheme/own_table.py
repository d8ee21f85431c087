"""What a firm earns by its true type, its own report and its rival's, a few true types at a time.

The table of all types grows as their third power. It is kept where it is small; elsewhere a few
types fill a processor's cache, and are worked out anew for whatever asks: that takes no longer than
to fetch them from memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array

LARGEST_BLOCK = 64_000
"""Entries of a payoff table worked on at once: more would not fit the processor's cache."""

LARGEST_KEPT = 4_000_000
"""Entries of a table up to which it is kept as a whole."""

Kinds = slice | NDArray[np.intp]
"""Which true types."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnTable:
    """What one firm earns before net transfers; "..." in a shape are the cases."""

    shape: tuple[int, ...]
    """(..., n true types, R own reports, S reports of the rival)."""
    part: Callable[[Kinds], Array]
    """From true types to their (..., m, R, S)."""

    @cached_property
    def _whole(self) -> Array | None:
        if np.prod(self.shape) > LARGEST_KEPT:
            return None
        whole = np.empty(self.shape)
        for rows in self._blocks():
            whole[..., rows, :, :] = self.part(rows)
        whole.flags.writeable = False
        return whole

    def _blocks(self) -> Iterator[slice]:
        n = self.shape[-3]
        some = max(1, LARGEST_BLOCK * n // int(np.prod(self.shape)))
        return (slice(k, k + some) for k in range(0, n, some))

    def of(self, kinds: Kinds) -> Array:
        """(..., m, R, S): of these true types."""
        whole = self._whole
        return self.part(kinds) if whole is None else whole[..., kinds, :, :]

    def among(self, kinds: NDArray[np.intp]) -> OwnTable:
        """The table of these true types alone."""
        shape = (*self.shape[:-3], len(kinds), *self.shape[-2:])
        return OwnTable(shape=shape, part=lambda rows: self.of(kinds[rows]))

    def reduced(self, by: Callable[[slice, Array], Array]) -> Array:
        """What a function makes of some types and their (..., m, R, S), true types on the last axis
        but one, of all types."""
        return np.concatenate([by(rows, self.of(rows)) for rows in self._blocks()], -2)


def listed(values: Array) -> OwnTable:
    """A table that is known."""
    return OwnTable(shape=values.shape, part=lambda kinds: values[..., kinds, :, :])
