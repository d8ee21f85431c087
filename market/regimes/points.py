"""Points that may solve a regime, in rows: what every search hands to whoever chooses among
them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.model.case import INVESTMENT, Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Points:
    """Levels at which searches ended, one row each; a lane may have any number of rows."""

    lane: NDArray[np.intp]
    """(n,): the market a row belongs to."""
    levels: Array
    """(n, 4)."""
    worth: Array
    """(n,): what decides among those that hold: a sole chooser's payoff, joint profit in games;
    money."""
    residual: Array
    """(n,): largest projected first-order residual, natural units; at a kink the largest one-sided
    slope."""
    regret: Array
    """(n,): largest gain from an own deviation, natural units; NaN where nobody deviates."""
    curvature: Array
    """(n,): largest second derivative of a chooser's payoff in its own free levels, money; NaN
    where none is free or nobody asked."""
    holds: NDArray[np.bool_]
    """(n,): whether residual and regret are within tolerance."""
    market: NDArray[np.bool_]
    """(n,): whether no price, quantity or unit cost is negative."""
    switching: NDArray[np.bool_]
    """(n,): whether a later reply switches there, so that some payoff has a kink."""
    ending: NDArray[np.bool_]
    """(n,): whether later movers' equilibrium ends there, and best replies run away beyond."""
    runaway: NDArray[np.bool_]
    """(n,): whether the first movers' payoff was still growing at the end of the range searched."""

    def take(self, rows: Any) -> Points:
        """These rows alone."""
        return Points(**{name: value[rows] for name, value in vars(self).items()})

    def saddles(self) -> NDArray[np.bool_]:
        """Rows (n,) from which a sole chooser's payoff still rises along free levels."""
        return np.asarray(self.curvature > 1e-9 * np.maximum(1.0, np.abs(self.worth)))

    def ranked(self, distinct: float) -> list[int]:
        """Pairwise distinct rows, highest worth first; ties by the lower total investment, then by
        the lexicographic order of the levels."""
        x, total = self.levels, self.levels[:, INVESTMENT].sum(-1)
        # what ties but for rounding: of equal firms' mirrored optima always the same is the first
        size = max(1.0, float(np.abs(self.worth[np.isfinite(self.worth)]).max(initial=0.0)))
        keys = np.column_stack([-(self.worth / size).round(9), total.round(9), x.round(6)])
        left, kept = np.lexsort(keys.T[::-1]), []
        while len(left):
            best = left[0]
            kept.append(int(best))
            scale = distinct * np.maximum(1.0, np.abs(x[left]))
            left = left[(np.abs(x[left] - x[best]) > scale).any(-1)]
        return kept

    @staticmethod
    def joined(parts: list[Points]) -> Points:
        """The rows of all parts, one after the other."""
        if len(parts) == 1:
            return parts[0]
        return Points(
            **{
                name: np.concatenate([getattr(part, name) for part in parts])
                for name in Points.__dataclass_fields__
            }
        )


SAME_POINT = 1e-12
"""Share of a level's size up to which two levels differ by rounding alone."""


def same_as_first(lane: NDArray[np.intp], x: Array, lost: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Rows (n,) that are where the first of their lane (n,) is, so that what is known of one is
    known of all; those that are lost are nowhere."""
    first, there = np.full(lane.max(initial=0) + 1, -1), np.flatnonzero(~lost)
    first[lane[there[::-1]]] = there[::-1]
    beside = x[first[lane]]
    same = (np.abs(x - beside) <= SAME_POINT * np.maximum(1.0, np.abs(beside))).all(-1)
    return np.asarray(same & ~lost & (first[lane] != np.arange(len(lane))))
