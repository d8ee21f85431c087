"""The ladder in words: the best by what is asked, what each step adds, and what is ruled out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mechanism.casefile.policies import Policy
from mechanism.casefile.standard import CONSUMERS_LOSE, SAME
from mechanism.design.rules import TAX_RULES
from mechanism.ranking.recommendation import Recommendation, Rung
from mechanism.report.words import amount

if TYPE_CHECKING:
    from mechanism.report.results import ComparisonRow, Evaluation

ASKS = {
    "nothing": "nothing",
    "permission": "a permission",
    "order": "an order",
    "money": "public money",
    "reports": "reports of what firms alone know",
}
"""What a policy asks for, in words."""

BY = {
    "permission": "by permission",
    "order": "by order",
    "money": "by public money",
    "reports": "by reports of what firms alone know",
}
"""The same of what asks for something, as a way to what it brings."""

MISSED = {
    "no_figures": "there are no figures for {name}",
    "forbidden": "{name} is forbidden",
    "types_known": "{name} would need known what is private",
    "consumers_lose": "{name} would {gain}, consumers losing {lost}",
    "members_lose": "{name} would {gain}, its members losing {lost}",
    "below_zero": "{name} would {gain}, some firm being left with less than nothing",
    "no_outside": "what firms could fall back on is not known for {name}",
}
"""Why what could be chosen does not compete."""


def called(policy: Policy) -> str:
    """A policy in few words, in the middle of a sentence."""
    return TAX_RULES[policy.key].label if policy.key in TAX_RULES else policy.phrase


def told_ladder(found: Evaluation, told: Recommendation) -> str:
    """The best by what is asked, from least to most, and what each step adds."""
    now, zero = found.today.value, SAME * float(found.ranked.scale[0])
    assert now is not None
    parts: list[str] = []
    before: Rung | None = None
    for rung in told.ladder:
        if rung.requires == "nothing" or (rung.requires == "reports" and found.case.types is None):
            # nothing is what today's market asks; where nothing is private there is nothing to
            # report
            continue
        kind = BY[rung.requires]
        if rung.policy is None or rung.value is None:
            parts.append(f"{kind} none ({_empty(found, rung)})")
            continue
        gain, adds, name = rung.value - now, rung.adds or 0.0, called(rung.policy)
        if rung.requires == "permission" and rung.policy.barred != "forbidden":
            name += ", prices left to the firms"
        if gain < -zero:
            parts.append(f"{kind} -{amount(-gain)} ({name})")
        elif gain <= zero:
            parts.append(f"{kind} nothing ({name})")
        else:
            step = ""
            if before is not None and before.policy is not None and adds < gain - zero:
                less = called(before.policy)
                step = f", {amount(adds) if adds > zero else 'no'} more than {less}"
            # who looks for an agreement asks why it is not the one that goes farther
            out = _missed(found, rung) if rung.requires == "permission" else ""
            beside = f"{name}; {out}" if out else name
            parts.append(f"{kind} +{amount(gain)} ({beside}){step}")
            if before is None or before.value is None or rung.value > before.value:
                before = rung
    return f"The best of each kind by itself, against today: {'; '.join(parts)}." if parts else ""


def _empty(found: Evaluation, rung: Rung) -> str:
    """Why nothing competes that asks just so much."""
    return _missed(found, rung) or "no policy here asks for it"


def _missed(found: Evaluation, rung: Rung) -> str:
    """What does not compete of what asks just so much and could be chosen, what it would bring, and
    why it does not; empty where nothing is ruled out."""
    told = []
    for row in found.comparison:
        why = row.why_not
        if row.policy.requires != rung.requires or row.policy.barred or why is None:
            continue
        if why.code in MISSED:
            name = called(row.policy)
            if rung.requires == "order" and found.case.mechanism.participation != "none":
                # else it might be read as an order to share
                name = f"the only possible one, {name},"
            told.append(MISSED[why.code].format(name=name, **_had(found, row)))
    return "; ".join(told)


def _had(found: Evaluation, row: ComparisonRow) -> dict[str, str]:
    """What a policy that is ruled out would bring against today, and what those it is ruled out for
    would lose by it; empty where there are no figures."""
    if row.value is None or row.change is None or found.today.value is None:
        return {"gain": "", "lost": ""}
    gain = row.value - found.today.value
    lost = (
        row.change.consumer_surplus
        if row.why_not is not None and row.why_not.code == CONSUMERS_LOSE
        else float(row.change.profit.sum())
    )
    return {
        "gain": f"{'bring' if gain >= 0 else 'take away'} {amount(abs(gain))}",
        "lost": amount(-lost),
    }
