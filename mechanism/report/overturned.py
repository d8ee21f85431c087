"""What would overturn a recommendation, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mechanism.casefile.case_keys import number_at
from mechanism.casefile.policies import GOAL, policy_of
from mechanism.ranking.recommendation import Recommendation, Stretch, Switch
from mechanism.report.rungs import called

if TYPE_CHECKING:
    from mechanism.report.results import Evaluation

SWITCHES = 3
"""Parameters named of those that would overturn the recommendation, the nearest first."""


def told_overturned(found: Evaluation, told: Recommendation) -> str:
    """Where another policy would win, where that was asked."""
    parts = []
    if told.robust is None and found.dear and told.policy is not None:
        return "What would overturn it was not looked for: pigou evaluate --switches does."
    near = sorted(told.switching, key=lambda switch: abs(_distance(found, switch)))[:SWITCHES]
    turns: dict[str, list[str]] = {}
    for switch in near:
        turns.setdefault(_then(found, switch), []).append(_switched(found, switch))
    parts += [f"{then} with {' or '.join(where)}" for then, where in turns.items()]
    numbers = [switch for switch in told.switching if not switch.key.startswith("mechanism.")]
    if told.robust is not None and told.policy is not None and not numbers:
        parts.append(
            "no number of the market, alone, from half to twice its own value"
            if told.varied
            else "numbers of the market were not varied (pigou evaluate --switches does)"
        )
    if told.robust is not None and told.policy is not None:
        names = {
            "public_funds_cost": "the cost of public funds",
            "profit_weight": "the weight of profits",
        }
        for key, name in names.items():
            stretches: Sequence[Stretch] = getattr(told.robust, key)
            if stretches and all(one.policy == told.policy.key for one in stretches):
                parts.append(
                    f"no value of {name} from {stretches[0].low:g} to {stretches[-1].high:g}"
                )
    # rates meet no other market as they stand
    anew = "" if told.policy is None or told.policy.source != "rates" else ", rates being set anew"
    return f"What would overturn it{anew}: {'; '.join(parts)}." if parts else ""


def _own(found: Evaluation, switch: Switch) -> float:
    """The case's own value of what a switch is about."""
    return number_at(found.case.resolved, switch.key) or 0.0


def _distance(found: Evaluation, switch: Switch) -> float:
    """How far a switch lies from the case's own value, as a share of it."""
    own = _own(found, switch)
    return (switch.value - own) / (abs(own) or 1.0)


def _switched(found: Evaluation, switch: Switch) -> str:
    """Where a switch is, in words."""
    own = _own(found, switch)
    side = "below" if switch.value < own else "above"
    return f"{switch.key} {side} {switch.value:.4g} (now {own:.4g})"


def unanswered(found: Evaluation, regime: str) -> str:
    """Whose problem it is that has no solution."""
    named = policy_of(regime, found.case.market.firms).phrase
    return "the planner's problem" if regime == GOAL else named


def _then(found: Evaluation, switch: Switch) -> str:
    """What is advised beyond a switch."""
    if switch.to is not None:
        return called(policy_of(switch.to))
    if switch.lacks is None:
        return "no answer, for some problem then has no solution,"
    return f"no answer, for {unanswered(found, switch.lacks)} then has no solution,"
