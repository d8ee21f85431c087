"""Policies over markets that are drawn: which is best how often, and what choosing it costs where
it is not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mechanism.analysis.many import solve_many
from mechanism.casefile.policies import compared
from mechanism.casefile.policy_case import PolicyCase
from mechanism.uncertainty.draws import Draws, draw


@dataclass(frozen=True, kw_only=True)
class PolicyOverDraws:
    """One policy over all markets with an outcome."""

    policy: str
    best_share: float
    """In how many of them it is what would be recommended."""
    competes_share: float
    """In how many of them it may be recommended."""
    mean_value: float | None
    """Of those in which it competes, money; None where it never does."""
    regret_mean: float | None
    """What the recommended policy is worth more there."""
    regret_max: float | None


@dataclass(frozen=True, kw_only=True)
class ChoiceOverDraws:
    """All policies."""

    draws: int
    without_outcome: int
    """Draws in which nothing is recommended: today's market, the planner's problem or a competing
    policy has no outcome."""
    inadmissible: int
    """Points that are no case and were drawn again."""
    policies: tuple[PolicyOverDraws, ...]
    """In the order of reports."""


def choice_over_draws(case: PolicyCase, drawn: Draws | None = None) -> ChoiceOverDraws:
    """Which policy is best how often in the markets that a case's uncertainty allows.

    Every market is ranked as `evaluate` ranks it. What is recommended may be worth less than
    another policy by what does not count (`mechanism.materiality`), so that a regret may be
    negative by as much.
    """
    drawn = draw(case) if drawn is None else drawn
    unpaid = case.mechanism.participation == "none"
    keys = [
        row.key
        for row in compared(private=case.types is not None, unpaid=unpaid)
        if row.source != "own_rule"
    ]
    table = solve_many(drawn.cases, keys)
    shape = (len(drawn.cases), len(keys))
    value, competes = (table[name].reshape(shape) for name in ("value", "competes"))
    best, most = (table[name].reshape(shape)[:, 0] for name in ("best", "best_value"))
    there = best != ""
    return ChoiceOverDraws(
        draws=len(drawn.cases),
        without_outcome=int((~there).sum()),
        inadmissible=drawn.inadmissible,
        policies=tuple(
            _over(key, best[there] == key, value[there, p], competes[there, p] == 1, most[there])
            for p, key in enumerate(keys)
        ),
    )


def _over(
    key: str,
    best: NDArray[np.bool_],
    value: NDArray[np.float64],
    competes: NDArray[np.bool_],
    most: NDArray[np.float64],
) -> PolicyOverDraws:
    known = competes & np.isfinite(value)
    regret = (most - value)[known]
    some = bool(known.any())
    return PolicyOverDraws(
        policy=key,
        best_share=float(best.mean()) if len(best) else 0.0,
        competes_share=float(known.mean()) if len(best) else 0.0,
        mean_value=float(value[known].mean()) if some else None,
        regret_mean=float(regret.mean()) if some else None,
        regret_max=float(regret.max()) if some else None,
    )
