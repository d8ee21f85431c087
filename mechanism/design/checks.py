"""Constraints evaluated: how much, where, and whether they hold.

A check is not a bool. It has a status (`holds`, `violated`, `not_established`), an amount in payoff
units and a witness: which firm, which true type, which report. What only needs evaluating is
evaluated here; `mechanism.design.cvx` states the same constraints for cvxpy, which solves what has
to be solved. Words and plain values come last (`mechanism.report`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mechanism.design.states import Array, Label

CheckStatus = Literal["holds", "violated", "not_established"]

RELATIVE_TOLERANCE = 1e-7
"""Share of the payoff range up to which a gain or a shortfall counts as rounding."""


ROUNDING = 1e-6
"""Share of the largest payoff below which a payoff range is no measure: times the tolerance it is
what sums of payoffs round to."""


@dataclass(frozen=True, kw_only=True)
class Lie:
    """The misreport that gains most."""

    player: int
    """Counted from 0."""
    type: Label
    report: Label
    gain: float


@dataclass(frozen=True, kw_only=True)
class JointLie:
    """The joint misreport by which all players together gain most, one entry per player."""

    types: tuple[Label, ...]
    reports: tuple[Label, ...]
    gain: float


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """The player with the least to gain from joining."""

    player: int
    """Counted from 0."""
    type: Label | None = None
    """None where nothing is private."""
    rival_type: float | None = None
    """None where the rival's type is not known when joining is decided, or is not told."""
    slack: float


@dataclass(frozen=True, kw_only=True)
class Check:
    """A constraint, evaluated."""

    status: CheckStatus
    amount: float | None
    """Incentives: the largest gain from misreporting. Participation: the smallest slack. None where
    it is infinite or unknown."""
    witness: Lie | JointLie | Refusal | None
    """Where the amount is attained."""


NOT_ESTABLISHED = Check(status="not_established", amount=None, witness=None)


def payoff_ranges(payoffs: Array, size: Array | float = 0.0) -> Array:
    """(...): per case what gains and slacks are measured against, from payoffs (2, ..., n, m) of
    either firm: the largest less the smallest, but at least `ROUNDING` of the largest size, which
    may be given: that of what payoffs are sums of.
    """
    axes = (0, -2, -1)
    largest = np.maximum(np.abs(payoffs).max(axes), size)
    return np.asarray(np.maximum(np.maximum(np.ptp(payoffs, axes), ROUNDING * largest), 1e-300))


def payoff_range(*payoffs: Array) -> float:
    """The same of any payoffs at one case."""
    return float(payoff_ranges(np.concatenate([np.ravel(p) for p in payoffs])[None, None, :]))


def judged(excess: float, scale: float) -> CheckStatus:
    """Whether a gain, or a shortfall, of this size counts, measured against a payoff range."""
    return "holds" if excess <= RELATIVE_TOLERANCE * scale else "violated"


def gain_check(witness: Lie | JointLie, scale: float) -> Check:
    """Truth against the misreport that gains most."""
    return Check(status=judged(witness.gain, scale), amount=witness.gain, witness=witness)


def slack_check(witness: Refusal, scale: float) -> Check:
    """Participation against the player with the least to gain from it."""
    return Check(status=judged(-witness.slack, scale), amount=witness.slack, witness=witness)


def first_largest(values: Array, scale: float = 0.0) -> tuple[int, ...]:
    """Where the largest value is; among values equal up to rounding, of their own size or of a
    `scale` of payoffs, the first, so that equal firms name firm 1."""
    near = values >= values.max() - 1e-12 * max(scale, float(np.abs(values).max()))
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(near)), values.shape))


def participation(
    payoff: Array, outside: Array | float, points: Array | None = None, scale: float | None = None
) -> Check:
    """Individual rationality: payoff at least the outside option.

    Shapes: per firm (2,), per firm and type (2, M), or per firm, type and rival's type (2, M, M);
    `points` (M,) or (2, M) name the types. A shortfall is measured against `scale`, by default the
    range of both sides.
    """
    outside = np.broadcast_to(outside, payoff.shape)
    slack = payoff - outside
    if not np.isfinite(slack).all():
        return NOT_ESTABLISHED
    at = first_largest(-slack)
    known = []
    if points is not None:
        own = np.broadcast_to(points, (2, points.shape[-1]))
        known = [float(own[firm, k]) for firm, k in zip((at[0], 1 - at[0]), at[1:], strict=False)]
    witness = Refusal(
        player=at[0],
        type=known[0] if known else None,
        rival_type=known[1] if len(known) > 1 else None,
        slack=float(slack.min()),
    )
    return slack_check(witness, payoff_range(payoff, outside) if scale is None else scale)


def least_lump_sums(payoff: Array, outside: Array | float) -> Array:
    """The least lump sums to the firms (2,) that make each at least as well off as outside: max(0,
    outside - payoff)."""
    return np.maximum(outside - payoff, 0.0) + 0.0
