"""What would overturn a recommendation, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mechanism.casefile.case_keys import number_at
from mechanism.casefile.json_schema import named
from mechanism.casefile.policies import GOAL, policy_of
from mechanism.ranking.recommendation import PLANE, Recommendation, Stretch, Switch
from mechanism.report.words import amount, listed

if TYPE_CHECKING:
    from mechanism.report.results import Evaluation

FREE = ("nothing", "permission", "order")
"""What a policy may ask for that costs no public money."""
SWITCHES = 3
"""Numbers of the market named of those that would overturn the recommendation, the nearest."""


def told_overturned(found: Evaluation, told: Recommendation) -> str:
    """Where another policy would win, where that was asked."""
    numbers = sorted(of_market(told), key=lambda switch: _distance(found, switch))
    near = [*numbers[:SWITCHES], *of_standard(told)]
    near.sort(key=lambda switch: _distance(found, switch))
    parts = switched(found, near)
    if more := len({one.key for one in numbers} - {one.key for one in near}):
        parts.append(
            f"For {more} more {'number' if more == 1 else 'numbers'} of the market such a value"
            " lies farther off (--format json has all)."
        )
    if told.robust is not None and told.policy is not None:
        parts += unmoved(found, told, varied=told.varied)
        if told.policy.source == "rates":
            parts += _dearer(found, told)
        if not told.varied:
            parts.append(
                "Numbers of the market were not varied, as that takes from seconds to minutes here:"
                " pigou evaluate --switches does it."
            )
    said = " ".join(parts)
    alone = ", each number alone, the nearest first" if len(near) > 1 else ""
    begin = f"What would overturn it{alone}" if near else "Nothing that was varied overturns it"
    return f"{begin}: {said[0].lower()}{said[1:]}" if parts else ""


def of_standard(told: Recommendation) -> list[Switch]:
    """The switches along the numbers of the standard."""
    return [one for one in told.switching if one.key.startswith("mechanism.")]


def of_market(told: Recommendation) -> list[Switch]:
    """The switches along the numbers of the market."""
    return [one for one in told.switching if not one.key.startswith("mechanism.")]


def switched(found: Evaluation, switches: Sequence[Switch]) -> list[str]:
    """Sentences that say where switches are and what is advised beyond them."""
    where: dict[str, list[str]] = {}
    for switch in switches:
        own, firms = _own(found, switch), found.case.market.firms
        side = "below" if switch.value < own else "above"
        verb = "" if where.get(_then(found, switch)) else "were "
        text = (
            f"the {named(switch.key, firms)} ({switch.key}) {verb}{side} {amount(switch.value)}"
            f" (now {amount(own)})"
        )
        where.setdefault(_then(found, switch), []).append(text)
    return [f"If {', or '.join(some)}, {then}." for then, some in where.items()]


def unmoved(found: Evaluation, told: Recommendation, varied: bool = False) -> list[str]:
    """A sentence, if any, that says what of the standard would not overturn the recommendation and,
    where they were `varied`, whether none of the market's numbers does."""
    assert told.policy is not None
    firms, rates = found.case.market.firms, told.policy.source == "rates"
    none = varied and not of_market(told)
    out = ["number of the market from half to twice its own value"] * none
    for key in PLANE:
        stretches: Sequence[Stretch] = getattr(told.robust, key)
        if stretches and all(one.policy == told.policy.key for one in stretches):
            name = named(f"mechanism.{key}", firms)
            out.append(f"{name} from {stretches[0].low:g} to {stretches[-1].high:g}")
    kept = (
        "the kind of policy stays the same, but its rates have to be set anew"
        if rates
        else "the advice stays the same"
    )
    alone = ", each alone," if none or len(out) > 1 else ""
    return [f"For {listed([f'any {one}' for one in out])}{alone} {kept}."] if out else []


def _dearer(found: Evaluation, told: Recommendation) -> list[str]:
    """From which cost of public funds on rates left as they are would be worth less than what needs
    no public money, where that lies among those that were looked at."""
    assert told.policy is not None
    assert told.robust is not None
    chosen, now = found.rows[told.policy.key], float(found.ranked.standard.public_funds_cost)
    met = []
    for row in found.comparison:
        if row.competes and row.value is not None and row.policy.requires in FREE:
            dearer = (chosen.outlay_joined or 0.0) - (row.outlay_joined or 0.0)
            if dearer > 0:
                met.append((now + ((chosen.value or 0.0) - row.value) / dearer, row))
    cost, best = min(met, key=lambda one: one[0], default=(np.inf, chosen))
    most = max((one.high for one in told.robust.public_funds_cost), default=0.0)
    if not cost < most:
        return []
    return [
        f"Left as they are, these rates are worth less than {best.policy.phrase} where the cost of"
        f" public funds is above {amount(cost)}."
    ]


def _own(found: Evaluation, switch: Switch) -> float:
    """The case's own value of what a switch is about."""
    return number_at(found.case.resolved, switch.key) or 0.0


def _distance(found: Evaluation, switch: Switch) -> float:
    """How far a switch lies from the case's own value, as a share of it."""
    own = _own(found, switch)
    return abs(switch.value - own) / (abs(own) or 1.0)


def unanswered(found: Evaluation, regime: str) -> str:
    """Whose problem it is that has no solution."""
    named = policy_of(regime, found.case.market.firms).phrase
    return "the planner's problem" if regime == GOAL else named


def _then(found: Evaluation, switch: Switch) -> str:
    """What is advised beyond a switch."""
    if switch.to is not None:
        doing = policy_of(switch.to, found.case.market.firms).doing
        return f"the advice just beyond would be to {doing}"
    lacking = "some problem" if switch.lacks is None else unanswered(found, switch.lacks)
    return f"the model would give no advice, as {lacking} then has no solution"
