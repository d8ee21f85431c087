"""What it is worth to know a parameter before a policy is chosen, from draws that are solved
already.

The regression of Strong and Oakley (2014): how much better or worse a policy is than the best on
average is regressed on the parameter, and the best choice at every fitted value is compared with
the best on average. A parameter that takes few values has a mean at each; any other has natural
cubic splines, whose number of knots, none included, is that of the least Bayesian information
criterion.
Differences rather than values are fitted, so that what all policies have in common is no noise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from market.model.case import Array

KNOTS = (2, 3, 4, 5, 7, 10)
"""Of the splines that are tried; two knots are a straight line."""
PER_GROUP = 5
"""Draws on average, from which a mean at every value, or another knot, can be told."""
EXACT = 1e-20
"""Share of the variance up to which what a fit leaves is rounding."""


class Worths(NamedTuple):
    """What knowing is worth. Money."""

    each: Array
    """(K,): one parameter."""
    all: float
    """Everything."""


def value_of_information(values: Array, worth: Array) -> Worths:
    """What knowing each parameter, values (n, K), adds to the mean of the best of P policies, which
    are worth (n, P)."""
    lead = worth - worth[:, [int(worth.mean(0).argmax())]]
    everything = float(lead.max(1).mean())
    low, high = lead.min(0), lead.max(0)
    each = [
        float(np.clip(expected_at(x, lead), low, high).max(1).mean()) if np.ptp(x) > 0 else 0.0
        for x in values.T
    ]
    return Worths(np.clip(each, 0.0, everything), everything)


def expected_at(x: Array, lead: Array) -> Array:
    """The expectation (n, P) of every column given the parameter, at its draws x (n,)."""
    n = len(x)
    places, which, count = np.unique(x, return_inverse=True, return_counts=True)
    if len(places) * PER_GROUP <= n:
        sums = np.zeros((len(places), lead.shape[1]))
        np.add.at(sums, which, lead)
        return np.asarray((sums / count[:, None])[which])
    mean = lead.mean(0)
    spread = ((lead - mean) ** 2).sum(0)
    least = np.maximum(EXACT * spread, np.finfo(float).tiny)
    fitted = np.broadcast_to(mean, lead.shape).copy()
    lowest = n * np.log(np.maximum(spread, least) / n) + np.log(n)
    u = (x - x.mean()) / x.std()
    for knots in KNOTS:
        if knots * PER_GROUP > n:
            break
        basis = natural_splines(u, np.unique(np.quantile(u, np.linspace(0.02, 0.98, knots))))
        trial = basis @ np.linalg.lstsq(basis, lead, rcond=None)[0]
        left = np.maximum(((lead - trial) ** 2).sum(0), least)
        criterion = n * np.log(left / n) + basis.shape[1] * np.log(n)
        better = criterion < lowest
        fitted[:, better], lowest = trial[:, better], np.minimum(criterion, lowest)
    return fitted


def natural_splines(u: Array, knots: Array) -> Array:
    """The basis (n, m) of cubic splines with these m knots that are straight outside of them."""

    def bent(k: int) -> Array:
        cubes = np.maximum(u - knots[k], 0.0) ** 3 - np.maximum(u - knots[-1], 0.0) ** 3
        return np.asarray(cubes / (knots[-1] - knots[k]))

    last = len(knots) - 2
    columns = [np.ones_like(u), u, *(bent(k) - bent(last) for k in range(last))]
    return np.stack(columns, -1)
