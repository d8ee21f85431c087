"""Levels at which a firm is all but driven out: its quantity is nil, its rival sells.

Demand, leakage and unit costs make every quantity quadratic in each single level, so that where it
is nil follows in closed form from the other three.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.model.case import INVESTMENT, Array, Case
from market.model.cost import unit_cost
from market.model.demand import apply as apply_matrix
from market.model.outcome import ROUNDING
from market.model.payoff import Payoff
from market.model.pricing import net_intercept
from market.regimes.sellers import NOTHING
from market.solve.roots import zeros
from market.solve.search import most_around

SHARES = np.array([0.0, 0.01, 0.03, 0.1, 0.3, 0.6, 0.85, 1.0])
"""Sharing of either firm that is looked at: close where little already costs more than it
brings,"""
INVESTMENTS = np.array([0.0, *np.geomspace(1e-3, 1e4, 8)])
"""and investment, natural units."""
FEW = 4
"""The best of the peaks over them in every market, so many, from which climbs start."""


def quantity_nil(case: Case, sold: Array, x: Array, level: int) -> Array:
    """The values (1 or 2, ..., 2 firms) of one level, by its place in x (..., 4), at which a firm's
    quantity is nil, the other levels as in x: NaN where there are fewer; or at which it comes
    nearest. `sold` (..., 2, 2): quantities in net intercepts."""
    at, x = [], np.copy(x)
    size = np.maximum(1.0, x[..., 5 - level]) if level >= 2 else np.ones(x.shape[:-1])
    for value in (-size, 0.0, size):
        x[..., level] = value
        at.append(apply_matrix(sold, net_intercept(case, x)))
    below, nothing, above = at
    roots = np.array(zeros(nothing, (above - below) / 2, (above + below) / 2 - nothing))
    return np.where(np.isfinite(roots), size[..., None] * roots, np.nan)


def at_an_edge(payoff: Payoff, sold: Array, lanes: int) -> tuple[NDArray[np.intp], Array]:
    """From where to climb to what a sole chooser has at most who would rather drive a firm out:
    lanes (n,), in order, and levels (n, 4) at which a firm sells nothing and payoff is highest
    among those beside them; `sold` (L, 2, 2): quantities in net intercepts.

    Three levels are looked at all over and the fourth follows, each of them in turn: at most edges
    some are at a bound, or hardly move the quantity.
    """
    found = [_peaks(payoff, sold, lanes, level) for level in range(4)]
    lane, x, value = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort([-value, lane])
    lane = lane[order]
    kept = np.arange(len(lane)) - np.searchsorted(lane, lane) < FEW
    return lane[kept], x[order[kept]]


def _peaks(
    payoff: Payoff, sold: Array, lanes: int, level: int
) -> tuple[NDArray[np.intp], Array, Array]:
    """Lanes (n,), levels (n, 4) at which one firm sells nothing and payoffs (n,) there, highest
    among those beside them on a grid of the levels but one."""
    upper = np.ones((lanes, 4))
    upper[:, INVESTMENT] = payoff.case.investment_cap
    rest = [k for k in range(4) if k != level]
    axes = [np.minimum(SHARES if k < 2 else INVESTMENTS, upper[:, [k]]) for k in rest]
    shape = tuple(axis.shape[1] for axis in axes)
    # each of the four contiguous
    x = np.moveaxis(np.zeros((4, lanes, *shape)), 0, -1)
    again = np.zeros((lanes, *shape), bool)
    for k, axis, place in zip(rest, axes, np.indices(shape), strict=True):
        x[..., k] = axis[:, place]
        # of investments that a cap makes the same, one
        again |= (np.diff(axis, prepend=-1.0) == 0)[:, place]
    wide = (slice(None), None, None, None)
    parts = []
    roots = quantity_nil(payoff.case.map(lambda a: a[wide]), sold[wide], x, level)
    for out, nil in ((out, root[..., out]) for out in (0, 1) for root in roots):
        lane, *place = np.nonzero((nil >= 0) & (nil <= upper[:, level][wide]) & ~again)
        there = x[(lane, *place)]
        there[:, level] = nil[(lane, *place)]
        here = payoff.take(lane)
        q = apply_matrix(sold[lane], net_intercept(here.case, there))
        sells = (np.abs(q[:, out]) <= NOTHING * np.abs(q).max(-1)) & (q[:, 1 - out] > 0)
        if (cost := unit_cost(here.case, there)) is not None:
            sells &= (cost.value >= -ROUNDING * cost.rise).all(-1)
        value = np.full(again.shape, -np.inf)
        value[(lane, *place)] = np.where(sells, here.value(there), -np.inf)
        peak = np.isfinite(value) & (value >= most_around(value))
        best = peak[(lane, *place)]
        parts.append((lane[best], there[best], value[peak]))
    lane, x, value = (np.concatenate(each) for each in zip(*parts, strict=True))
    return lane, x, value
