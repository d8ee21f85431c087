"""The recommendation of a case in words, the answer first. Reads an evaluation; computes nothing new."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mechanism.policies import GOAL
from mechanism.recommendation import Recommendation, recommended
from mechanism.words import Words, capitalised

if TYPE_CHECKING:
    from mechanism.results import Evaluation


def recommend(found: Evaluation) -> Recommendation:
    """What to do about a case."""
    say = Words(found.case.units.money, found.case.market.firms)
    plain = recommended(found.ranked, _no_advice(found))
    return replace(plain, text=tuple(_lines(found, plain, say)))


def _no_advice(found: Evaluation) -> str:
    """Why there is no advice, where there is none."""
    ranked = found.ranked
    market = ranked.contenders[ranked.today]
    if not market.solved[0]:
        return f"{market.policy.phrase} has no figures to compare with ({market.status[0]})"
    goal = found.rows[GOAL]
    if goal.welfare is None:
        return f"the planner's problem, on which subsidies and taxes rest, has no solution ({goal.status})"
    endless = [row.policy.key for row in found.comparison if row.status == "unbounded"]
    return f"the problem of {' and '.join(endless)} has no limit"


def _lines(found: Evaluation, plain: Recommendation, say: Words) -> list[str]:
    if plain.policy is None:
        return [f"No advice: {plain.no_advice}."]
    return [f"{capitalised(plain.policy.doing)} ({plain.policy.key})."]
