"""What changes if: one case against another, along one parameter, or over two.

A path is solved at many points at once (`mechanism.many`). Where something changes between two of its points (the order of two policies,
the status or the bounds of a regime, truth-telling or participation under a tax rule) the value at which it does is bracketed by
bisection, all brackets together, until they are narrower than `NARROW` of the range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from market.case import INVESTMENT, SHARING, Array
from market.faults import BadCase, Json
from market.outcome import SOLVED, Outcome
from market.regimes import REGIMES
from market.text import firm_names
from mechanism.case_keys import NAMES, flat, key_path, set_at
from mechanism.frozen import freeze
from mechanism.many import Columns, solve_many, tax_rules
from mechanism.policies import PRIVATE_MARKET
from mechanism.results import ComparisonRow, Evaluation, PrivateMarket, RuleResult
from mechanism.rules import TAX_RULES, market_rules
from mechanism.schema import PolicyCase, parse_tree
from mechanism.transfers import in_closed_form, no_design
from mechanism.types import type_space

Report = Callable[[int, int], None]
"""Told how many points are done, of how many."""

NARROW = 1e-6
"""Share of a path's range below which a bracket is narrow enough."""
SAME = 1e-9
"""Share of welfare up to which two policies count as equally good all along a path."""
MOST_EVENTS = 100
"""Changes that are bracketed; of more only the first."""
BATCH = 250
"""Points solved between two reports of progress."""


# --- one case against another


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


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two evaluations side by side."""

    before: Evaluation
    """Of the case as it is."""
    after: Evaluation
    """Of the changed one."""
    changes: tuple[KeyChange, ...]
    """What was changed."""
    policies: tuple[Compared, ...]
    """The comparison's rows."""
    regimes: tuple[Compared, ...]
    """The outcomes at the cases' own parameters, and the market with private types."""
    rules: tuple[Compared, ...]
    """The tax rules."""


def difference(before: Evaluation, after: Evaluation) -> Difference:
    """Two evaluations side by side: what was changed, every policy, regime and tax rule before, after, and by how much."""
    sides = before, after
    policies = [{key: _policy_side(row) for key, row in side.rows.items()} for side in sides]
    rules = [{key: _rule_side(rule, side) for key, rule in side.found_rules.items()} for side in sides]
    return Difference(
        before=before,
        after=after,
        changes=changes(before.case.resolved, after.case.resolved),
        policies=_compared(*policies),
        regimes=_compared(*(_regimes(side) for side in sides)),
        rules=_compared(*rules),
    )


def changes(before: Json, after: Json) -> tuple[KeyChange, ...]:
    """The keys whose values differ."""
    old, new = flat(before), flat(after)
    keys = dict.fromkeys([*old, *new])
    return tuple(KeyChange(key=key, before=old.get(key), after=new.get(key)) for key in keys if old.get(key) != new.get(key))


def _policy_side(row: ComparisonRow) -> Side:
    e = row.expected
    return Side(
        status=row.status,
        figures={"welfare": row.welfare, "consumer_surplus": row.consumer_surplus, "public_outlay": row.outlay},
        per_firm={
            "profit": row.profit,
            "sharing": None if e is None else e.sharing,
            "investment": None if e is None else e.investment,
        },
    )


def _regimes(found: Evaluation) -> dict[str, Side]:
    sides = {key: _outcome_side(outcome) for key, outcome in found.regimes.items()}
    return sides | ({PRIVATE_MARKET: _private_side(found.private_market)} if found.private_asked else {})


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
    return tuple(_row(key, before.get(key, NOT_THERE), after.get(key, NOT_THERE)) for key in dict.fromkeys([*before, *after]))


def _row(key: str, before: Side, after: Side) -> Compared:
    figures, per_firm = {**before.figures, **after.figures}, {**before.per_firm, **after.per_firm}
    return Compared(
        key=key,
        status=(before.status, after.status),
        figures={name: Moved(before=before.figures.get(name), after=after.figures.get(name)) for name in figures},
        per_firm={name: (_moved(before, after, name, 0), _moved(before, after, name, 1)) for name in per_firm},
    )


def _moved(before: Side, after: Side, name: str, firm: int) -> Moved:
    """One firm's figure."""
    old, new = before.per_firm.get(name), after.per_firm.get(name)
    return Moved(before=None if old is None else float(old[firm]), after=None if new is None else float(new[firm]))


# --- along one parameter, or over two


@dataclass(frozen=True)
class Span:
    """A dotted key of the case and the values it takes: `count` of them, evenly from low to high."""

    key: str
    """Dotted."""
    low: float
    """The first value."""
    high: float
    """The last value."""
    count: int
    """How many."""

    @property
    def values(self) -> Array:
        """The values."""
        return np.linspace(self.low, self.high, self.count)


def usual_policies(case: PolicyCase) -> tuple[str, ...]:
    """What a path shows unless it is told: the regimes in which all choose at once, and with types the tax rules; transfers that are solved
    for only where a closed form gives them."""
    regimes = tuple(key for key, regime in REGIMES.items() if regime.order == "together")
    if case.types is None:
        return regimes
    quick = in_closed_form(case.mechanism) and no_design(type_space(case.types), case.mechanism) is None
    return regimes + tuple(rule for rule in market_rules() if quick or not TAX_RULES[rule].designed)


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that changes along a path."""

    kind: str
    """`order` of two policies, `bounds` that bind in a regime, `status`, `ic` or `ir` of a tax rule."""
    policies: tuple[str, ...]
    """Whose."""
    at: float
    """The value of the key."""
    within: float
    """How narrow it is bracketed."""
    before: str
    """What holds below, in words; empty for what has no figures."""
    after: str
    """What holds above."""


@dataclass(frozen=True, kw_only=True)
class Path:
    """Policies over one or two varied keys."""

    spans: tuple[Span, ...]
    """What is varied."""
    policies: tuple[str, ...]
    """What is followed."""
    points: Array
    """(N, keys): the values, the last key's the fastest."""
    columns: Columns
    """Figures and words of N x policies rows."""
    events: tuple[Event, ...]
    """What changes along one key, from its low end to its high one."""
    more_events: int
    """Changes beyond those that were bracketed."""

    def __post_init__(self) -> None:
        freeze(self)


def along(tree: Json, spans: Sequence[Span], policies: Sequence[str], report: Report | None = None) -> Path:
    """One or two keys varied: figures at every point, and along one key the values at which something changes."""
    grid = np.stack(np.meshgrid(*(span.values for span in spans), indexing="ij"), -1).reshape(-1, len(spans))
    columns = _solved(tree, spans, grid, policies, report)
    events, more = _events(tree, spans[0], grid[:, 0], columns, policies) if len(spans) == 1 else ([], 0)
    return Path(spans=tuple(spans), policies=tuple(policies), points=grid, columns=columns, events=tuple(events), more_events=more)


def _solved(tree: Json, spans: Sequence[Span], points: Array, policies: Sequence[str], report: Report | None = None) -> Columns:
    """The columns of all points; a point that is no admissible market has the status `bad_case`."""
    found = []
    for start in range(0, len(points), BATCH):
        if report is not None:
            report(start, len(points))
        found.append(_some(tree, spans, points[start : start + BATCH], policies))
    if report is not None:
        report(len(points), len(points))
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


def _some(tree: Json, spans: Sequence[Span], points: Array, policies: Sequence[str]) -> Columns:
    cases, good, bad = [], [], {}
    for k, point in enumerate(points):
        one = deepcopy(tree)
        for span, value in zip(spans, point, strict=True):
            set_at(one, key_path(span.key), float(value))
        try:
            cases.append(parse_tree(one))
            good.append(k)
        except BadCase as fault:
            bad[k] = "; ".join(map(str, fault.faults))
    width = len(policies)
    solved = solve_many(cases, policies)
    if not bad:
        return solved
    rows = (np.array(good, int)[:, None] * width + np.arange(width)).ravel()
    out: Columns = {}
    for name, values in solved.items():
        empty: Any = np.nan if values.dtype == float else ""
        out[name] = np.full(len(points) * width, empty, values.dtype)
        out[name][rows] = values
    out["policy"] = np.array(list(policies) * len(points), object)
    for k, message in bad.items():
        out["status"][k * width : (k + 1) * width], out["message"][k * width : (k + 1) * width] = "bad_case", message
    return out


# --- where things change


State = Any
"""What holds at a point: None where there are no figures; else something that two points have in common or not."""
TIE = 0
"""The order of two policies that are equally good."""


@dataclass(frozen=True)
class Watched:
    """Something that may change along a path."""

    kind: str
    """See `Event`."""
    policies: tuple[str, ...]
    """Whose."""
    read: Callable[[Columns], list[State]]
    """From the columns of n points to their states."""
    say: Callable[[State], str]
    """A state in words."""


@dataclass(frozen=True, kw_only=True)
class Bracket:
    """Between these two values something changes."""

    watched: Watched
    """What."""
    low: float
    """Where it is as before."""
    high: float
    """Where it has changed."""
    before: State
    """The state at `low`."""
    after: State
    """The state at `high`."""


def _watched(columns: Columns, policies: Sequence[str], names: tuple[str, str]) -> list[Watched]:
    """What is watched along a path; not the order of policies that are equally good all along; `names` are the firms'."""
    width = len(policies)

    def of(policy: str, name: str) -> Callable[[Columns], Any]:
        j = list(policies).index(policy)
        return lambda c: c[name][j::width]

    pairs = [_order(one, other, of(one, "welfare_net"), of(other, "welfare_net")) for one, other in combinations(policies, 2)]
    watched = [pair for pair in pairs if any(state for state in pair.read(columns))]
    watched += [_bounds(policy, of, names, columns) for policy in policies if policy in REGIMES]
    watched += [_told("status", policy, of) for policy in policies if policy in tax_rules()]
    watched += [_told(kind, policy, of) for policy in policies if policy in tax_rules() for kind in ("ic", "ir")]
    return watched


Reader = Callable[[str, str], Callable[[Columns], Any]]
"""From a policy and a column's name to what reads it from the columns of n points."""


def _order(one: str, other: str, first: Callable[[Columns], Any], second: Callable[[Columns], Any]) -> Watched:
    """Which of two policies is better: 1 the first, -1 the second, `TIE` neither."""

    def read(c: Columns) -> list[State]:
        value, gap = first(c), first(c) - second(c)
        equal = np.abs(gap) <= SAME * np.abs(value)
        return [None if np.isnan(g) else TIE if same else 1 if g >= 0 else -1 for g, same in zip(gap, equal, strict=True)]

    words = {None: "", 1: f"{one} above {other}", -1: f"{other} above {one}", TIE: "tie"}
    return Watched("order", (one, other), read, words.__getitem__)


def _told(kind: str, policy: str, of: Reader) -> Watched:
    """A column of words."""
    column = of(policy, kind)
    return Watched(kind, (policy,), lambda c: [str(word) for word in column(c)], str)


@dataclass(frozen=True)
class Bounds:
    """Which levels of a regime lie at a bound."""

    all_shared: tuple[int, ...]
    """Firms (0 or 1) that share everything, where sharing is theirs to choose."""
    none_shared: tuple[int, ...]
    """Firms that share nothing."""
    idle: tuple[int, ...]
    """Firms that do not invest."""
    capped: bool
    """Whether an investment is at its cap, and nothing else at a bound."""
    names: tuple[str, str]
    """What the firms are called."""

    def __str__(self) -> str:
        at = [f"{self.names[i]} shares everything" for i in self.all_shared]
        at += [f"{self.names[i]} shares nothing" for i in self.none_shared]
        at += [f"{self.names[i]} does not invest" for i in self.idle]
        at += ["an investment is capped"] if self.capped else []
        return ", ".join(at) or "no bound binds"


def _bounds(policy: str, of: Reader, names: tuple[str, str], path: Columns) -> Watched:
    """Which bounds bind in a regime; its status where it has no figures. No investment is what is none beside the largest along the
    path."""
    status = of(policy, "status")
    shared, invested = ([of(policy, f"{name}_{i}") for i in (1, 2)] for name in ("sharing", "investment"))
    chosen = len(set(REGIMES[policy].sharing_range)) > 1
    least = SAME * float(np.nanmax([column(path) for column in invested], initial=0.0))

    def state(told: str, s: tuple[float, float], t: tuple[float, float]) -> State:
        if told not in SOLVED:
            return told
        full = tuple(i for i in (0, 1) if chosen and s[i] >= 1 - SAME)
        none = tuple(i for i in (0, 1) if chosen and s[i] <= SAME)
        idle = tuple(i for i in (0, 1) if t[i] <= least)
        return Bounds(full, none, idle, capped=told == "corner" and not (full or none or idle), names=names)

    def read(c: Columns) -> list[State]:
        columns = [column(c) for column in (*shared, *invested)]
        return [state(str(told), (s1, s2), (t1, t2)) for told, s1, s2, t1, t2 in zip(status(c), *columns, strict=True)]

    return Watched("bounds", (policy,), read, str)


def _brackets(watched: Watched, values: Array, columns: Columns) -> list[Bracket]:
    """Where it changes between neighbouring points."""
    states = watched.read(columns)
    ordered = watched.kind == "order"
    found = []
    for k in range(1, len(states)):
        if ordered and states[k] == TIE:  # nobody has overtaken anybody yet
            states[k] = states[k - 1]
        before, after = states[k - 1], states[k]
        # A figure that ends or begins is told by its status, and a tie that ends is no overtaking.
        if before != after and not (ordered and {None, TIE} & {before, after}):
            found.append(Bracket(watched=watched, low=float(values[k - 1]), high=float(values[k]), before=before, after=after))
    return found


def _events(tree: Json, span: Span, values: Array, columns: Columns, policies: Sequence[str]) -> tuple[list[Event], int]:
    """What changes between two neighbouring points, each bracketed to `NARROW` of the range, and how much more does."""
    watched = _watched(columns, policies, firm_names(tree.get(NAMES)))
    brackets = [bracket for one in watched for bracket in _brackets(one, values, columns)]
    brackets.sort(key=lambda b: (b.low, b.watched.kind, b.watched.policies))
    active = brackets[:MOST_EVENTS]
    narrow = NARROW * abs(span.high - span.low)
    while active and max(b.high - b.low for b in active) > narrow:
        active = _halved(active, tree, span, policies)
    return [_event(bracket) for bracket in sorted(active, key=lambda b: b.low)], len(brackets) - len(active)


def _halved(active: Sequence[Bracket], tree: Json, span: Span, policies: Sequence[str]) -> list[Bracket]:
    """The brackets, each half as wide; all their middles are solved together."""
    width = len(policies)
    middles = sorted({(b.low + b.high) / 2 for b in active})
    found = _solved(tree, [span], np.array(middles)[:, None], policies)
    place = {value: k for k, value in enumerate(middles)}
    halved = []
    for b in active:
        middle = (b.low + b.high) / 2
        at = place[middle] * width
        (here,) = b.watched.read({name: column[at : at + width] for name, column in found.items()})
        # The first change is followed; a third state in between is another change.
        as_before = here == b.before or (b.watched.kind == "order" and here == TIE)
        halved.append(replace(b, low=middle) if as_before else replace(b, high=middle, after=here))
    return halved


def _event(b: Bracket) -> Event:
    say = b.watched.say
    return Event(
        kind=b.watched.kind,
        policies=b.watched.policies,
        at=(b.low + b.high) / 2,
        within=b.high - b.low,
        before=say(b.before),
        after=say(b.after),
    )
