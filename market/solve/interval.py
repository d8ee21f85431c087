"""Intervals of numbers, in ordinary floating point: enclosures hold up to rounding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """Arrays of closed intervals."""

    low: Array
    high: Array

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.high + other.high)

    def __sub__(self, other: Interval) -> Interval:
        return Interval(self.low - other.high, self.high - other.low)

    def __mul__(self, other: Interval) -> Interval:
        a, b = self.low * other.low, self.low * other.high
        c, d = self.high * other.low, self.high * other.high
        return Interval(
            np.minimum(np.minimum(a, b), np.minimum(c, d)),
            np.maximum(np.maximum(a, b), np.maximum(c, d)),
        )

    def scaled(self, factor: Array | float) -> Interval:
        """The intervals times numbers of either sign."""
        a, b = self.low * factor, self.high * factor
        return Interval(np.minimum(a, b), np.maximum(a, b))

    def squared(self) -> Interval:
        """The intervals of squares of intervals of non-negative numbers."""
        return Interval(self.low**2, self.high**2)

    def squared_any(self) -> Interval:
        """The intervals of squares of intervals of numbers of either sign."""
        a, b = self.low**2, self.high**2
        least = np.where(self.excludes_zero, np.minimum(a, b), 0.0)
        return Interval(least, np.maximum(a, b))

    @property
    def excludes_zero(self) -> NDArray[np.bool_]:
        """Whether every number in the interval has the same sign."""
        return np.asarray((self.low > 0) | (self.high < 0))

    def pick(self, firm: int) -> Interval:
        """One entry of the last axis."""
        return Interval(self.low[..., firm], self.high[..., firm])

    @property
    def rival(self) -> Interval:
        """The firm axis exchanged."""
        return Interval(self.low[..., ::-1], self.high[..., ::-1])
