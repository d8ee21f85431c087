"""One case against another: what was changed, every policy, regime and tax rule before and after,
and what that does to the recommendation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from market.model.case import INVESTMENT, SHARING, Array
from market.model.outcome import Outcome
from market.text import Json
from mechanism.analysis.evaluation import evaluate
from mechanism.casefile.case_keys import flat
from mechanism.casefile.policies import PRIVATE_MARKET, RUNGS, Policy
from mechanism.casefile.policy_case import PolicyCase
from mechanism.casefile.standard import SAME
from mechanism.frozen import freeze
from mechanism.report.results import ComparisonRow, Evaluation
from mechanism.report.words import Words
from mechanism.scheme.rule_results import PrivateMarket, RuleResult


@dataclass(frozen=True, kw_only=True)
class KeyChange:
    """A key of the case whose value differs."""

    key: str
    """Dotted."""
    before: Any
    """As in the case file; None where there was none."""
    after: Any
    """The same afterwards."""


@dataclass(frozen=True, kw_only=True)
class Moved:
    """A figure before and after; None where there is no figure."""

    before: float | None
    """In the case as it is."""
    after: float | None
    """In the changed one."""

    @property
    def change(self) -> float | None:
        """After less before; None where there is nothing to compare."""
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def share(self) -> float | None:
        """The change as a share of the size before."""
        return None if self.change is None or not self.before else self.change / abs(self.before)


@dataclass(frozen=True, kw_only=True)
class Side:
    """The figures of one thing on one side."""

    status: str | None = None
    """None where it does not stand there."""
    figures: Mapping[str, float | None]
    """By name."""
    per_firm: Mapping[str, Array | None]
    """(2,) each, by name."""

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A policy, regime or tax rule before and after."""

    key: str
    """Its name."""
    status: tuple[str | None, str | None]
    """Before and after; None where it does not stand there."""
    figures: Mapping[str, Moved]
    """By name, those that either side has."""
    per_firm: Mapping[str, tuple[Moved, Moved]]
    """By name."""

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What is recommended before and after."""

    before: Policy | None
    """In the case as it is; None: no advice."""
    after: Policy | None
    """In the changed one."""
    value: Moved
    """V of what is recommended."""
    why: tuple[str, ...]
    """Why it changed, in words; empty where it did not."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two evaluations side by side."""

    before: Evaluation
    """Of the case as it is."""
    after: Evaluation
    """Of the changed one."""
    changes: tuple[KeyChange, ...]
    """What was changed."""
    advice: Advice
    """What is recommended."""
    policies: tuple[Compared, ...]
    """The comparison's rows."""
    regimes: tuple[Compared, ...]
    """The outcomes at the cases' own parameters, and the market with private types."""
    rules: tuple[Compared, ...]
    """The tax rules."""

    def __post_init__(self) -> None:
        freeze(self)

    def to_json(self, indent: int | None = 2) -> str:
        """What `pigou what-if --set --format json` writes, to the byte at the usual indent."""
        from mechanism.analysis.what_if_tree import difference_tree

        return json.dumps(difference_tree(self), indent=indent, allow_nan=False)


def what_if(case: PolicyCase, changes: Mapping[str, Any]) -> Difference:
    """What changes if some keys of a case had other values.

    Args:
        case: The case as it is.
        changes: New values by dotted key, set in this order.

    Returns:
        Both evaluations side by side; `advice` says what is recommended before and after, and why
        that changed.

    Raises:
        BadCase: A key is none of the case's, or the changed case is not admissible.

    Example:
        >>> import pigou
        >>> case = pigou.load("two_vendors.yaml")
        >>> found = pigou.what_if(case, {"security.rivalry": 0.9})
        >>> found.advice.before.key, found.advice.after.key
        ('linear_subsidies', 'nash')
    """
    changed = case
    for key, value in changes.items():
        changed = changed.set(key, value)
    return difference(evaluate(case), evaluate(changed))


def difference(before: Evaluation, after: Evaluation) -> Difference:
    """Two evaluations side by side: what was changed, every policy, regime and tax rule before,
    after, and by how much."""
    sides = before, after
    policies = [{key: _policy_side(row) for key, row in side.rows.items()} for side in sides]
    rules = [
        {key: _rule_side(rule, side) for key, rule in side.found_rules.items()} for side in sides
    ]
    return Difference(
        before=before,
        after=after,
        changes=changes(before.case.resolved, after.case.resolved),
        advice=_advice(before, after),
        policies=_compared(*policies),
        regimes=_compared(*(_regimes(side) for side in sides)),
        rules=_compared(*rules),
    )


def changes(before: Json, after: Json) -> tuple[KeyChange, ...]:
    """The keys whose values differ."""
    old, new = flat(before), flat(after)
    keys = dict.fromkeys([*old, *new])
    return tuple(
        KeyChange(key=key, before=old.get(key), after=new.get(key))
        for key in keys
        if old.get(key) != new.get(key)
    )


def _policy_side(row: ComparisonRow) -> Side:
    e = row.expected
    return Side(
        status=row.status,
        figures={
            "welfare": row.welfare,
            "consumer_surplus": row.consumer_surplus,
            "public_outlay": row.outlay,
            "value": row.value,
            "outlay_joined": row.outlay_joined,
        },
        per_firm={
            "profit": row.profit,
            "profit_joined": (
                None if e is None or row.net_transfer is None else e.profit + row.net_transfer
            ),
            "sharing": None if e is None else e.sharing,
            "investment": None if e is None else e.investment,
        },
    )


def _regimes(found: Evaluation) -> dict[str, Side]:
    sides = {key: _outcome_side(outcome) for key, outcome in found.regimes.items()}
    return sides | (
        {PRIVATE_MARKET: _private_side(found.private_market)} if found.private_asked else {}
    )


def _outcome_side(outcome: Outcome) -> Side:
    x, books = outcome.levels, outcome.accounts
    return Side(
        status=outcome.status,
        figures={
            "welfare": None if books is None else outcome.welfare,
            "consumer_surplus": None if books is None else float(books.consumer_surplus.sum()),
        },
        per_firm={
            "profit": None if books is None else books.profit,
            "sharing": None if x is None else x[SHARING],
            "investment": None if x is None else x[INVESTMENT],
        },
    )


def _private_side(found: PrivateMarket | None) -> Side:
    if found is None:
        return Side(
            status="no_equilibrium",
            figures={"welfare": None, "consumer_surplus": None},
            per_firm={"profit": None, "sharing": None, "investment": None},
        )
    e = found.expected
    return Side(
        status="converged",
        figures={"welfare": e.welfare, "consumer_surplus": e.consumer_surplus},
        per_firm={"profit": found.profit, "sharing": e.sharing, "investment": e.investment},
    )


def _rule_side(rule: RuleResult, found: Evaluation) -> Side:
    form = found.case.mechanism.participation
    return Side(
        status=rule.checks.ic.status,
        figures={
            "ic_max_gain": rule.checks.ic.amount,
            "ir_min_slack": None if form == "none" else rule.checks.ir(form).amount,
            "public_outlay": rule.expected.budget,
            "welfare": rule.expected.welfare,
        },
        per_firm={},
    )


NOT_THERE = Side(figures={}, per_firm={})
"""Of what does not stand on a side."""


def _compared(before: Mapping[str, Side], after: Mapping[str, Side]) -> tuple[Compared, ...]:
    """Rows of figures before and after, for everything that stands on either side."""
    return tuple(
        _row(key, before.get(key, NOT_THERE), after.get(key, NOT_THERE))
        for key in dict.fromkeys([*before, *after])
    )


def _row(key: str, before: Side, after: Side) -> Compared:
    figures, per_firm = {**before.figures, **after.figures}, {**before.per_firm, **after.per_firm}
    return Compared(
        key=key,
        status=(before.status, after.status),
        figures={
            name: Moved(before=before.figures.get(name), after=after.figures.get(name))
            for name in figures
        },
        per_firm={
            name: (_moved(before, after, name, 0), _moved(before, after, name, 1))
            for name in per_firm
        },
    )


def _moved(before: Side, after: Side, name: str, firm: int) -> Moved:
    """One firm's figure."""
    old, new = before.per_firm.get(name), after.per_firm.get(name)
    return Moved(
        before=None if old is None else float(old[firm]),
        after=None if new is None else float(new[firm]),
    )


# --- what is recommended


def _advice(before: Evaluation, after: Evaluation) -> Advice:
    old, new = (_recommended(side) for side in (before, after))
    assert before.recommendation is not None
    assert after.recommendation is not None
    value = Moved(before=before.recommendation.value, after=after.recommendation.value)
    why = () if old == new else _why(before, after, old, new)
    return Advice(before=old, after=new, value=value, why=why)


def _recommended(found: Evaluation) -> Policy | None:
    assert found.recommendation is not None
    return found.recommendation.policy


def _why(
    before: Evaluation, after: Evaluation, old: Policy | None, new: Policy | None
) -> tuple[str, ...]:
    """Why `new` is recommended where `old` was."""
    assert before.recommendation is not None
    assert after.recommendation is not None
    if old is None or new is None:
        found, when = (after, "now") if new is None else (before, "before")
        assert found.recommendation is not None
        return (f"there is no advice {when}: {found.recommendation.no_advice}",)
    out = []
    rival, earlier = after.rows.get(old.key), before.rows.get(new.key)
    if rival is None:
        out.append(f"{old.phrase} cannot be had in the changed case")
    elif rival.why_not is not None:
        out.append(f"{old.phrase} can no longer be recommended: {rival.why_not.text}")
    else:
        out.append(f"now {_preferred(after, new, old)}")
    if earlier is None:
        out.append(f"{new.phrase} could not be had in the case before")
    elif earlier.why_not is not None:
        out.append(f"{new.phrase} could not be recommended before: {earlier.why_not.text}")
    else:
        out.append(f"before, {_preferred(before, old, new)}")
    return tuple(out)


def _preferred(found: Evaluation, winner: Policy, other: Policy) -> str:
    """Why one policy that competes is recommended and not another that competes too."""
    say = Words(found.case.units.money, found.case.market.firms)
    rows = found.rows[winner.key], found.rows[other.key]
    value, against = (row.value for row in rows)
    assert value is not None
    assert against is not None
    keys = [c.policy.key for c in found.ranked.contenders]
    if not found.ranked.equal[keys.index(other.key), 0]:
        return (
            f"{winner.phrase} would be worth {say.money(value - against)} more than {other.phrase}"
        )
    asks = [
        RUNGS.index(policy.requires) for policy in (winner, other) if policy.requires is not None
    ]
    outlays = [row.outlay_joined or 0.0 for row in rows]
    if asks[0] < asks[-1]:
        reason = f"asks less ({winner.requires}, not {other.requires})"
    elif abs(outlays[0] - outlays[1]) > SAME * found.ranked.scale[0]:
        reason = "costs the public less"
    else:
        reason = "moves less money, or comes first"
    return f"{winner.phrase} and {other.phrase} count as equally good, and the first {reason}"
