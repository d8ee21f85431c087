"""Where a recommendation is wrong: few plain conditions that together best tell the draws in which
another policy is best from the rest.

A box is narrowed one condition at a time, each a threshold on one key that separates best what is
left in the box (chi-square), as the nodes on one way down a classification tree (Breiman and
others 1984); like a box of PRIM (Friedman and Fisher 1999) it may not lose most of what it is
about. The next box is found among the draws outside of the first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array
from mechanism.report.over_draws import Condition, WrongWhere

NAMED = 2
"""Boxes told at most."""
CONDITIONS = 3
"""Conditions of a box at most."""
CAUGHT = 0.5
"""Share of the wrong draws in a box that a further condition has to leave there."""
CHANCE = 15.0
"""Chi-square of a split up to which it may be one of the many that were tried."""
SMALLEST = 8
"""Draws on either side of a split."""

Some = NDArray[np.bool_]


def where_wrong(keys: Sequence[str], values: Array, wrong: Some) -> tuple[WrongWhere, ...]:
    """The best boxes, the first the best, at values (n, K) of the keys."""
    found, left = [], np.ones(len(wrong), bool)
    for _ in range(NAMED):
        conditions = _narrowed(keys, values, wrong, left)
        if not conditions:
            break
        box = np.all([_holds(one, keys, values) for one in conditions], axis=0)
        left &= ~box
        found.append(
            WrongWhere(
                conditions=conditions,
                share=float(box.mean()),
                inside=float(wrong[box].mean()),
                outside=float(wrong[~box].mean()),
                covers=float(wrong[box].sum() / wrong.sum()),
            )
        )
    return tuple(found)


def _narrowed(
    keys: Sequence[str], values: Array, wrong: Some, inside: Some
) -> tuple[Condition, ...]:
    """The conditions that narrow a box."""
    found: list[Condition] = []
    while len(found) < CONDITIONS and inside.any():
        splits = [
            _split(key, x[inside], wrong[inside], bool(found))
            for key, x in zip(keys, values.T, strict=True)
        ]
        told, condition = max(splits, key=lambda split: split[0])
        if condition is None or told < CHANCE:
            break
        inside = inside & _holds(condition, keys, values)
        found.append(condition)
    return tuple(found)


def _holds(condition: Condition, keys: Sequence[str], values: Array) -> Some:
    """(n,): at which draws a condition holds."""
    x = values[:, list(keys).index(condition.key)]
    return np.asarray((x > condition.threshold) == condition.above)


def _split(key: str, x: Array, wrong: Some, further: bool) -> tuple[float, Condition | None]:
    """The best threshold on one key and its chi-square; a further one keeps what the box is
    about."""
    order = np.argsort(x, kind="stable")
    at, n, total = x[order], len(x), int(wrong.sum())
    size = np.arange(1, n)
    below = np.cumsum(wrong[order])[:-1]
    apart = (at[1:] > at[:-1]) & (size >= SMALLEST) & (n - size >= SMALLEST)
    mean = total / max(1, n)
    low, high = below / size, (total - below) / (n - size)
    above = high > low
    if further:
        apart &= np.where(above, total - below, below) >= CAUGHT * total
    if not apart.any() or not 0 < total < n:
        return 0.0, None
    told = (size * (low - mean) ** 2 + (n - size) * (high - mean) ** 2) / (mean * (1 - mean))
    i = int(np.where(apart, told, -1.0).argmax())
    threshold = float(at[i] + (at[i + 1] - at[i]) / 2)
    return float(told[i]), Condition(key=key, above=bool(above[i]), threshold=threshold)
