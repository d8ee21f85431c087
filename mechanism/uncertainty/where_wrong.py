"""Where a recommendation is wrong: the one condition on one key that best tells the draws in which
another policy is best from the rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array
from mechanism.report.over_draws import WrongWhere

NAMED = 2
"""Conditions told at most, each on a key of its own."""
BESIDE = 0.5
"""Share of what the best condition separates, from which the second is told beside it."""
CHANCE = 15.0
"""Chi-square of a split up to which it may be one of the many that were tried."""
SMALLEST = 8
"""Draws on either side of a split."""


def where_wrong(
    keys: Sequence[str], values: Array, wrong: NDArray[np.bool_]
) -> tuple[WrongWhere, ...]:
    """The best conditions, by what they separate, at values (n, K) of the keys."""
    if wrong.all() or not wrong.any():
        return ()
    splits = [_split(key, x, wrong) for key, x in zip(keys, values.T, strict=True)]
    ordered = sorted(splits, key=lambda split: -split[0])[:NAMED]
    least = max(CHANCE, BESIDE * ordered[0][0])
    return tuple(found for told, found in ordered if found is not None and told >= least)


def _split(key: str, x: Array, wrong: NDArray[np.bool_]) -> tuple[float, WrongWhere | None]:
    """The best threshold on one key and its chi-square."""
    order = np.argsort(x, kind="stable")
    at, n, total = x[order], len(x), int(wrong.sum())
    size = np.arange(1, n)
    below = np.cumsum(wrong[order])[:-1]
    apart = (at[1:] > at[:-1]) & (size >= SMALLEST) & (n - size >= SMALLEST)
    if not apart.any():
        return 0.0, None
    mean = total / n
    low, high = below / size, (total - below) / (n - size)
    told = (size * (low - mean) ** 2 + (n - size) * (high - mean) ** 2) / (mean * (1 - mean))
    i = int(np.where(apart, told, -1.0).argmax())
    above = bool(high[i] > low[i])
    held, caught = (n - size[i], total - below[i]) if above else (size[i], below[i])
    inside, outside = (high[i], low[i]) if above else (low[i], high[i])
    return float(told[i]), WrongWhere(
        key=key,
        above=above,
        threshold=float(at[i] + (at[i + 1] - at[i]) / 2),
        share=float(held / n),
        inside=float(inside),
        outside=float(outside),
        covers=float(caught / total),
    )
