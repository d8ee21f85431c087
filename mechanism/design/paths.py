"""The least payoffs and transfers under which nobody gains by a false report, in closed form.

With Bayesian truth-telling and interim participation only expected transfers given the own report
matter. Interim payoffs U must satisfy U(k) >= U(r) + d(r, k), where d(r, k) is what type k values
the assignment of report r more than type r does, and U >= outside: the least such U are the lengths
of longest paths from the outside options, a max-plus fixed point.
"""

from __future__ import annotations

import numpy as np

from mechanism.design.states import Array


def least_payoffs(interim: Array, floor: Array) -> Array:
    """The least interim payoffs (..., K) not below the floor (..., K) under which no type gains by
    a report, from interim values (..., K true, K reports) without transfers; NaN where there are
    none, because some cycle of misreports gains whatever is paid."""
    # (report, true)
    gain = np.swapaxes(interim, -1, -2) - np.diagonal(interim, axis1=-2, axis2=-1)[..., :, None]
    payoff = np.broadcast_to(floor, interim.shape[:-1])
    settled = np.zeros(interim.shape[:-2], bool)
    rounding = 1e-13 * np.maximum(np.abs(floor).max(-1), np.abs(interim).max((-1, -2)))
    for _ in range(interim.shape[-1] + 1):
        better = np.maximum(payoff, (payoff[..., :, None] + gain).max(-2))
        settled = (better - payoff).max(-1) <= rounding
        if settled.all():
            return payoff
        payoff = better
    return np.where(settled[..., None], payoff, np.nan)


def least_transfers(interim: Array, floor: Array, weights: Array) -> Array:
    """The net transfers (2, ..., M own reports, M rival's) under which either firm has its least
    payoffs, from interim values (2, ..., M true, M reports) and outside options (2, ..., M); NaN
    where there are none."""
    return evened_out(
        least_payoffs(interim, floor) - np.diagonal(interim, axis1=-2, axis2=-1), weights
    )


def evened_out(transfers: Array, weights: Array) -> Array:
    """Net transfers (2, ..., M own reports, M rival's) whose expectation given the own report is
    `transfers` (2, ..., M).

    What the public pays is the same in every state: tau_i(r) = t_i(r_i) - (t_j(r_j) - E t_j).
    """
    away = transfers - (transfers @ weights)[..., None]
    return np.asarray(transfers[..., :, None] - away[::-1][..., None, :])
