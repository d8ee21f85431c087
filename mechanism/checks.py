"""Constraints evaluated: how much, where, and whether they hold.

A check is not a bool. It has a status (`holds`, `violated`, `not_established`), an amount in payoff units and a witness: which firm,
which true type, which report. What only needs evaluating is evaluated here; `mechanism.programs` states the same constraints
for cvxpy, which solves what has to be solved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from market.case import Array

CheckStatus = Literal["holds", "violated", "not_established"]

RELATIVE_TOLERANCE = 1e-7
"""Share of the payoff range up to which a gain or a shortfall counts as rounding."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """A constraint, evaluated."""

    status: CheckStatus
    amount: float | None
    """Incentives: the largest gain from misreporting. Participation: the smallest slack."""
    witness: dict[str, Any] | None
    """Where the amount is attained; firms are counted from 1."""


NOT_ESTABLISHED = Check(status="not_established", amount=None, witness=None)


def payoff_range(payoff: Array) -> float:
    """What gains and slacks are measured against: the largest less the smallest payoff, but at least 1e-9 of the largest size."""
    return float(max(np.ptp(payoff), 1e-9 * np.max(np.abs(payoff)), 1e-300))


def participation(payoff: Array, outside: Array | float, types: Array | None = None) -> Check:
    """Individual rationality: payoff at least the outside option, per firm (2,) or per firm and type (2, K).

    `types` (2, K) names the types in the witness.
    """
    slack = payoff - outside
    if not np.isfinite(slack).all():
        return NOT_ESTABLISHED
    at = np.unravel_index(int(np.argmin(slack)), slack.shape)
    least = float(slack[at])
    scale = payoff_range(np.concatenate([np.ravel(payoff), np.ravel(np.broadcast_to(outside, payoff.shape))]))
    witness: dict[str, Any] = {"firm": int(at[0]) + 1, "type": None if types is None else float(types[at]), "slack": least}
    return Check(status="holds" if least >= -RELATIVE_TOLERANCE * scale else "violated", amount=least, witness=witness)


def least_lump_sums(payoff: Array, outside: Array | float) -> Array:
    """The least lump sums to the firms (2,) that make each at least as well off as outside: max(0, outside - payoff)."""
    return np.maximum(outside - payoff, 0.0) + 0.0
