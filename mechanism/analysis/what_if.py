"""What changes along one parameter, or over two.

A path is solved at many points at once (`mechanism.analysis.many`). Where something changes between
two of its points (what is recommended, the order of two policies, the status or the bounds of a
regime, truth-telling or participation under a tax rule) the value at which it does is bracketed by
bisection, all brackets together, until they are narrower than `NARROW` of the range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from market.casefile.faults import BadCase, Fault
from market.model.case import Array
from market.model.outcome import SOLVED
from market.regimes import REGIMES
from market.text import Json, firm_names
from mechanism.analysis.many import NUMBERS, TOLD, Columns, solve_together
from mechanism.casefile.case_keys import NAMES, key_fault
from mechanism.casefile.policies import known, policy_of
from mechanism.casefile.policy_case import PolicyCase
from mechanism.casefile.standard import standard_of
from mechanism.casefile.together import read_together
from mechanism.casefile.types import type_space
from mechanism.frozen import freeze
from mechanism.ranking.contenders import in_the_running

if TYPE_CHECKING:
    import pandas as pd

Report = Callable[[int, int], None]
"""Told how many points are done, of how many."""

NARROW = 1e-6
"""Share of a path's range below which a bracket is narrow enough."""
SAME = 1e-9
"""Share of welfare up to which two policies count as equally good all along a path."""
MOST_EVENTS = 100
"""Changes that are bracketed, those of what is recommended before any other; of more only the
first."""
BATCH = 250
"""Points solved between two reports of progress."""


@dataclass(frozen=True)
class Span:
    """A dotted key of the case and the values it takes: `count` of them, evenly from low to
    high."""

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
    """What a path shows unless it is told: what may be recommended at the case, and the planner."""
    types = None if case.types is None else type_space(case.types)
    return tuple(policy.key for policy in in_the_running(types, standard_of(case.mechanism)))


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that changes along a path."""

    kind: str
    """`winner`: what is recommended; `order` of two policies by value, `bounds` that bind in a
    regime, `status`, `ic` or `ir` of a tax rule."""
    policies: tuple[str, ...]
    """Whose; of a winner, those it changes between."""
    at: float
    """The value of the key."""
    within: float
    """How narrow it is bracketed."""
    before: str
    """What holds below, in words; empty for what has no figures, and for no advice."""
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


def along(
    tree: Json, spans: Sequence[Span], policies: Sequence[str], report: Report | None = None
) -> Path:
    """One or two keys varied: figures at every point, and along one key the values at which
    something changes."""
    keys = [span.key for span in spans]
    grid = _grid([span.values for span in spans])
    columns = _solved(tree, keys, grid, policies, report)
    events, more = (
        _events(tree, spans[0], grid[:, 0], columns, policies) if len(spans) == 1 else ([], 0)
    )
    return Path(
        spans=tuple(spans),
        policies=tuple(policies),
        points=grid,
        columns=columns,
        events=tuple(events),
        more_events=more,
    )


def sweep(
    case: PolicyCase, values: Mapping[str, ArrayLike], policies: Sequence[str] | None = None
) -> pd.DataFrame:
    """Policies at every combination of some keys' values, as a table.

    Args:
        case: From which the others differ.
        values: Dotted keys of the case and the numbers each takes, in the case's units.
        policies: Their names, as `compare` lists them; those that may be recommended if None.

    Returns:
        A row per combination and policy, the last key's values the fastest, with keys, policy,
        its status and figures (money and quantities in the case's units), whether it is
        recommended. A combination that is no admissible market has the status `bad_case` and a
        message.

    Raises:
        BadCase: A key is none of the case's, or a policy is none.

    Example:
        >>> import pigou
        >>> case = pigou.load("two_vendors.yaml")
        >>> table = pigou.sweep(case, {"security.rivalry": [0.2, 0.4]}, ["nash"])
        >>> table[["security.rivalry", "policy", "welfare"]].round(2)
           security.rivalry policy  welfare
        0               0.2   nash   796.79
        1               0.4   nash   780.54
    """
    import pandas as pd

    tree = {**case.resolved, "expect": {}}
    keys, chosen = list(values), tuple(policies or usual_policies(case))
    faults = [Fault(None, key, fault) for key in keys if (fault := key_fault(tree, key))]
    faults += [
        Fault(None, f"policy {key}", "is none; `pigou compare` lists them")
        for key in chosen
        if not known(key)
    ]
    if faults:
        raise BadCase(faults)
    points = _grid([np.asarray(each, float).ravel() for each in values.values()])
    columns = _solved(tree, keys, points, chosen)
    repeated = {key: np.repeat(points[:, k], len(chosen)) for k, key in enumerate(keys)}
    ordered = ("policy", "status", *NUMBERS, *TOLD)
    return pd.DataFrame(repeated | {name: columns[name] for name in ordered})


def _grid(values: Sequence[Array]) -> Array:
    """(N, keys): every combination, the last key's values the fastest."""
    return np.stack(np.meshgrid(*values, indexing="ij"), -1).reshape(-1, len(values))


def _solved(
    tree: Json,
    keys: Sequence[str],
    points: Array,
    policies: Sequence[str],
    report: Report | None = None,
) -> Columns:
    """The columns of all points; a point that is no admissible market has the status `bad_case`."""
    found = []
    for start in range(0, len(points), BATCH):
        if report is not None:
            report(start, len(points))
        found.append(_some(tree, keys, points[start : start + BATCH], policies))
    if report is not None:
        report(len(points), len(points))
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


def _some(tree: Json, keys: Sequence[str], points: Array, policies: Sequence[str]) -> Columns:
    width, columns = len(policies), dict(zip(keys, points.T, strict=True))
    alike, bad = read_together(tree, columns, len(points))
    out = solve_together(alike, len(points), policies)
    for k, wrong in bad.items():
        rows = slice(k * width, (k + 1) * width)
        out["status"][rows], out["message"][rows] = "bad_case", "; ".join(map(str, wrong.faults))
    return out


# --- where things change


State = Any
"""What holds at a point: None where there are no figures; else something that two points have in
common or not."""
TIE = 0
"""The order of two policies that are equally good."""
Solve = Callable[[Array], Columns]
"""From values of the key (n,) to the columns of those points."""


@dataclass(frozen=True)
class Watched:
    """Something that may change along a path."""

    kind: str
    """See `Event`."""
    policies: tuple[str, ...]
    """Whose; empty of a winner."""
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


def winner(policies: int) -> Watched:
    """What is recommended, read from columns with so many policies a point; empty where there is no
    advice."""
    return Watched("winner", (), lambda c: [str(key) for key in c["best"][::policies]], str)


def _watched(columns: Columns, policies: Sequence[str], names: tuple[str, str]) -> list[Watched]:
    """What is watched along a path; not the order of policies that are equally good all along;
    `names` are the firms'."""
    width = len(policies)

    def of(policy: str, name: str) -> Callable[[Columns], Any]:
        j = list(policies).index(policy)
        return lambda c: c[name][j::width]

    pairs = [
        _order(one, other, of(one, "value"), of(other, "value"))
        for one, other in combinations(policies, 2)
    ]
    asking = [policy for policy in policies if policy_of(policy).source in ("rule", "own_rule")]
    watched = [
        winner(width),
        *(pair for pair in pairs if any(state for state in pair.read(columns))),
    ]
    watched += [_bounds(policy, of, names, columns) for policy in policies if policy in REGIMES]
    watched += [_solved_at_all(policy, of) for policy in policies if policy not in REGIMES]
    watched += [_told(kind, policy, of) for policy in asking for kind in ("ic", "ir")]
    return watched


Reader = Callable[[str, str], Callable[[Columns], Any]]
"""From a policy and a column's name to what reads it from the columns of n points."""


def _order(
    one: str, other: str, first: Callable[[Columns], Any], second: Callable[[Columns], Any]
) -> Watched:
    """Which of two policies is better: 1 the first, -1 the second, `TIE` neither."""

    def read(c: Columns) -> list[State]:
        value, gap = first(c), first(c) - second(c)
        equal = np.abs(gap) <= SAME * np.abs(value)
        return [
            None if np.isnan(g) else TIE if same else 1 if g >= 0 else -1
            for g, same in zip(gap, equal, strict=True)
        ]

    words = {None: "", 1: f"{one} above {other}", -1: f"{other} above {one}", TIE: "tie"}
    return Watched("order", (one, other), read, words.__getitem__)


def _solved_at_all(policy: str, of: Reader) -> Watched:
    """The status of what is no regime; where it has figures they may rest on levels at a bound,
    which is told of the regime."""
    column = of(policy, "status")
    return Watched(
        "status",
        (policy,),
        lambda c: ["converged" if word in SOLVED else str(word) for word in column(c)],
        str,
    )


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
    """Which bounds bind in a regime; its status where it has no figures. No investment is what is
    none beside the largest along the path."""
    status = of(policy, "status")
    shared, invested = (
        [of(policy, f"{name}_{i}") for i in (1, 2)] for name in ("sharing", "investment")
    )
    chosen = len(set(REGIMES[policy].sharing_range)) > 1
    least = SAME * float(np.nan_to_num([column(path) for column in invested]).max(initial=0.0))

    def state(told: str, s: tuple[float, float], t: tuple[float, float]) -> State:
        if told not in SOLVED:
            return told
        full = tuple(i for i in (0, 1) if chosen and s[i] >= 1 - SAME)
        none = tuple(i for i in (0, 1) if chosen and s[i] <= SAME)
        idle = tuple(i for i in (0, 1) if t[i] <= least)
        return Bounds(
            full, none, idle, capped=told == "corner" and not (full or none or idle), names=names
        )

    def read(c: Columns) -> list[State]:
        columns = [column(c) for column in (*shared, *invested)]
        return [
            state(str(told), (s1, s2), (t1, t2))
            for told, s1, s2, t1, t2 in zip(status(c), *columns, strict=True)
        ]

    return Watched("bounds", (policy,), read, str)


def brackets(watched: Watched, values: Array, columns: Columns) -> list[Bracket]:
    """Where it changes between neighbouring points, `columns` being those at `values`."""
    states = watched.read(columns)
    found = []
    for k in range(1, len(states)):
        if watched.kind == "order" and states[k] == TIE:  # nobody has overtaken anybody yet
            states[k] = states[k - 1]
        if _changes(watched, states[k - 1], states[k]):
            ends = {"low": float(values[k - 1]), "high": float(values[k])}
            found.append(Bracket(watched=watched, before=states[k - 1], after=states[k], **ends))
    return found


def _changes(watched: Watched, before: State, after: State) -> bool:
    """Whether that is a change: a figure that ends or begins is told by its status, and a tie that
    ends is no overtaking."""
    return bool(before != after) and not (watched.kind == "order" and {None, TIE} & {before, after})


def narrowed(active: Sequence[Bracket], solve: Solve, narrow: float) -> tuple[list[Bracket], int]:
    """The brackets by bisection until none is wider than `narrow`, all their middles being solved
    together; what changes more than once within one of them is followed from change to change, up
    to `MOST_EVENTS`. And in how many something changes still."""
    found: list[Bracket] = []
    while active and len(found) < MOST_EVENTS:
        first = list(active)
        while max(b.high - b.low for b in first) > narrow:
            first = _halved(first, solve)
        found += first
        rest = [
            replace(whole, low=one.high, before=one.after)
            for whole, one in zip(active, first, strict=True)
        ]
        active = [b for b in rest if _changes(b.watched, b.before, b.after)]
    return found, len(active)


def _halved(active: Sequence[Bracket], solve: Solve) -> list[Bracket]:
    """The brackets, each half as wide."""
    middles = sorted({(b.low + b.high) / 2 for b in active})
    found = solve(np.array(middles))
    place, width = (
        {value: k for k, value in enumerate(middles)},
        len(found["policy"]) // len(middles),
    )
    halved = []
    for b in active:
        middle = (b.low + b.high) / 2
        at = place[middle] * width
        (here,) = b.watched.read({name: column[at : at + width] for name, column in found.items()})
        # The first change is looked for; a third state in between is another.
        as_before = here == b.before or (b.watched.kind == "order" and here == TIE)
        halved.append(replace(b, low=middle) if as_before else replace(b, high=middle, after=here))
    return halved


def _events(
    tree: Json, span: Span, values: Array, columns: Columns, policies: Sequence[str]
) -> tuple[list[Event], int]:
    """What changes between two neighbouring points, each bracketed to `NARROW` of the range, and
    how much more does."""
    watched = _watched(columns, policies, firm_names(tree.get(NAMES)))
    found = [bracket for one in watched for bracket in brackets(one, values, columns)]
    # What is recommended is bracketed wherever it changes; of the rest what does not fit is
    # counted.
    found.sort(
        key=lambda b: (b.watched.kind != "winner", b.low, b.watched.kind, b.watched.policies)
    )
    narrow, left = narrowed(
        found[:MOST_EVENTS],
        lambda at: _solved(tree, [span.key], at[:, None], policies),
        NARROW * abs(span.high - span.low),
    )
    narrow.sort(key=lambda b: (b.low, b.watched.kind != "winner"))
    return [_event(bracket) for bracket in narrow], len(found[MOST_EVENTS:]) + left


def _event(b: Bracket) -> Event:
    before, after = b.watched.say(b.before), b.watched.say(b.after)
    return Event(
        kind=b.watched.kind,
        policies=b.watched.policies or tuple(key for key in (before, after) if key),
        at=(b.low + b.high) / 2,
        within=b.high - b.low,
        before=before,
        after=after,
    )
