"""What a firm earns by its true type, its own report and its rival's, a few true types at a time.

The table of all types grows as their third power. It is kept where it is small; elsewhere a few
types fill a processor's cache, and are worked out anew for whatever asks: that takes no longer than
to fetch them from memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array

LARGEST_BLOCK = 64_000
"""Entries of a payoff table worked on at once: more would not fit the processor's cache."""

LARGEST_KEPT = 4_000_000
"""Entries of a table up to which it is kept as a whole."""

Places = slice | NDArray[np.intp]
"""Which true types, or which own reports."""
EVERY = slice(None)


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnTable:
    """What one firm earns before net transfers; "..." in a shape are the cases."""

    shape: tuple[int, ...]
    """(..., n true types, R own reports, S reports of the rival)."""
    part: Callable[[Places, slice], Array]
    """From m of the true types and r of the own reports to their (..., m, r, S)."""
    asked_again: bool = True
    """Whether it is worth keeping."""

    @cached_property
    def _whole(self) -> Array | None:
        if not self.asked_again or np.prod(self.shape) > LARGEST_KEPT:
            return None
        whole = np.empty(self.shape)
        for rows, reports in product(*self._blocks()):
            whole[..., rows, reports, :] = self.part(rows, reports)
        whole.flags.writeable = False
        return whole

    def _blocks(self) -> tuple[list[slice], list[slice]]:
        """True types and own reports some at a time, as many types as may be: what depends on
        reports alone is then worked out for all of them."""
        n, R = self.shape[-3:-1]
        pairs = LARGEST_BLOCK * n * R // int(np.prod(self.shape))
        types = min(max(1, pairs), n)
        reports = max(1, pairs // types)
        return (
            [slice(k, k + types) for k in range(0, n, types)],
            [slice(k, k + reports) for k in range(0, R, reports)],
        )

    def of(self, kinds: Places, reports: slice = EVERY) -> Array:
        """(..., m, r, S): of these true types and own reports."""
        whole = self._whole
        return self.part(kinds, reports) if whole is None else whole[..., kinds, reports, :]

    def among(self, kinds: NDArray[np.intp]) -> OwnTable:
        """The table of these true types alone."""
        shape = (*self.shape[:-3], len(kinds), *self.shape[-2:])
        return OwnTable(shape=shape, part=lambda rows, reports: self.of(kinds[rows], reports))

    def reduced(self, by: Callable[[slice, slice, Array], Array]) -> Array:
        """(..., n, R): what a function makes of some types, some reports and their (..., m, r, S),
        of all."""
        kinds, told = self._blocks()
        return np.concatenate(
            [np.concatenate([by(k, r, self.of(k, r)) for r in told], -1) for k in kinds], -2
        )

    def told(self, reports: NDArray[np.intp]) -> Array:
        """(..., n, S): of every type, by the report (..., n) that it tells."""
        each = [
            np.take_along_axis(self.of(slice(k, k + 1)), reports[..., k, None, None, None], -2)[
                ..., 0, :
            ]
            for k in range(self.shape[-3])
        ]
        return np.concatenate(each, -2)


def listed(values: Array) -> OwnTable:
    """A table that is known."""
    return OwnTable(
        shape=values.shape, part=lambda kinds, reports: values[..., kinds, :, :][..., reports, :]
    )
