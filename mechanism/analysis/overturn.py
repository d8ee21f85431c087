"""What would overturn a recommendation: at which standards, and at which values of a parameter,
another policy wins.

Both are looked for along lines: a number runs over a range, the winner is found at a few of its
values in all lines at once, and between two values with different winners the switch is bracketed
until it is narrower than `NARROW`. What the winner turns on (how far every policy falls short of
counting as equal to the best, what consumers and members have of it) is smooth where the winner is
not: polynomials through its values say where to look next, and where between two values with the
same winner two switches may hide.

Policies that are designed for the standard are designed anew at each. Their value is convex in both
numbers of the standard, that of given levels affine. With private types one design takes long:
there the tangents of known designs, and the chords between them, bound the value, and rates are
designed only where the bounds leave the winner open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case
from mechanism.casefile.policies import GOAL, TODAY, policy_of
from mechanism.casefile.standard import SAME, UNMEASURABLE, Standard, standard_of
from mechanism.design.options import WhyNot
from mechanism.ranking.contender import Contender
from mechanism.ranking.contenders import (
    AsFound,
    Standing,
    as_found,
    fixed_rates,
    in_the_running,
    known_policies,
    rates_standing,
    typed_policies,
)
from mechanism.ranking.rank import Ranked, asks_of, choose, rank
from mechanism.ranking.recommendation import PLANE, Robust, Stretch, Switch
from mechanism.scheme.behaviour import ExpectedOutcome

if TYPE_CHECKING:
    from mechanism.report.results import Evaluation
    from mechanism.scheme.preparation import Scheme

NARROW = 1e-7
"""Width of a bracket, beside the size of the number or a hundredth of its range, at which it is
narrow enough."""
MOST_FUNDS_COST = 0.5
"""The cost of public funds up to which winners are asked for, or twice the case's own."""
FIRST = np.array([0.0, 0.04, 0.1, 0.18, 0.27, 0.38, 0.5, 0.62, 0.73, 0.82, 0.9, 0.96, 1.0])
"""Where a line is looked at first, as shares of its range."""
LOOKS = 3
"""Times that stretches with one winner are looked into again where another might win."""
SHALLOW = 1e-3
"""Share of what counts as equal by which another has to be expected to win there."""
PLACES = np.arange(1, 16) / 16
"""Shares of such a stretch at which it is asked whether it might."""
LEAST_STRETCH = 0.005
"""Share of a line's range below which a stretch with one winner is not looked into, nor the end of
what is a market narrowed down."""
ROUNDS = 40
"""Rounds of bracketing after which a line is left as it is; every round at least halves every
bracket."""
FARTHER = 8.0
"""How many times farther from where a switch is expected each value is than the one before."""
MISSED = 4.0
"""How many times as far as is thought a switch may lie from where it is expected."""
CUTS = 16
"""Parts into which a stretch is cut where nothing says where in it the winner changes."""
DEAR_CUTS = 4
"""The same where values are dear."""
NOBODY = ""
"""The winner where there is no advice."""
FIGURES = 3
"""How many figures are known of every policy."""
NO_MARKET = "no market"
"""In place of a winner where a value makes no admissible market."""


# --- along lines


@dataclass(frozen=True, kw_only=True)
class Met:
    """Who wins at n points, and what that turns on."""

    winner: NDArray[np.object_]
    """(n,): keys; `NOBODY` where there is no advice."""
    among: tuple[str, ...]
    """Keys of the P policies whose figures are known."""
    turns: Array
    """(n, P, G): figures none of which is negative where a policy may win: how far it is from
    counting as equal to the best, and what consumers and members have of it, beside what counts as
    equal; between -1 and 1, so that none runs away where gains do. NaN where unknown."""


def met(ranked: Ranked) -> Met:
    """Who wins where policies are ranked, and what that turns on."""
    among = tuple(c.policy.key for c in ranked.contenders)
    scale, value, standard = ranked.scale, ranked.value, ranked.standard
    with np.errstate(all="ignore"):
        top = np.where(ranked.competes, value, -np.inf).max(0)
        gain = top - value[ranked.today]
        tie = np.maximum(standard.materiality * gain, UNMEASURABLE * scale)
        books = [c.expected for c in ranked.contenders]
        consumers = np.stack([np.asarray(b.consumer_surplus, float) for b in books])
        profits = np.stack([b.profit.sum(-1) for b in books])
        kept = ranked.contenders[ranked.today].expected.kept.sum(-1)
        agreed = np.array([c.policy.requires == "permission" for c in ranked.contenders])
        none = SAME * scale
        asked = [
            value - top + tie,
            np.where(standard.consumers_may_lose, tie, consumers - consumers[ranked.today] + none),
            np.where(agreed[:, None], profits - kept + none, tie),
        ]
        turns = np.stack([one / np.hypot(one, tie) for one in asked], -1)
    winner = np.array([*among, NOBODY], object)[ranked.winner]
    return Met(winner=winner, among=among, turns=turns.swapaxes(0, 1))


Solve = Callable[[NDArray[np.intp], Array], Met]
"""From lines (n,) and values along them (n,) to who wins there."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A number and the range it runs over."""

    low: float
    high: float
    own: float | None = None
    """The case's own value: then only the nearest switches on both sides are bracketed. None:
    all."""
    values: Array | None = None
    """Where it is looked at first; None: at the shares `FIRST`."""
    width: float = NARROW
    """See `NARROW`."""
    dear: bool = False
    """Whether a value takes long however many are asked for at once, as with private types."""

    @property
    def first(self) -> Array:
        """Where it is looked at first."""
        return self.low + FIRST * (self.high - self.low) if self.values is None else self.values

    @property
    def least(self) -> float:
        """How wide a stretch is of which it is asked what wins in it."""
        return LEAST_STRETCH * (self.high - self.low)

    def narrow(self, x: float) -> float:
        """How wide a bracket may be there."""
        return self.width * max(abs(x), 0.01 * (self.high - self.low))


@dataclass(kw_only=True)
class _Seen:
    """What is known along one line, in the order of its values."""

    line: Line
    x: Array
    winner: NDArray[np.object_]
    among: tuple[str, ...]
    turns: Array

    def add(self, x: Array, winner: NDArray[np.object_], turns: Array) -> None:
        """Further values."""
        _, first = np.unique(np.concatenate([self.x, x]), return_index=True)
        self.winner = np.concatenate([self.winner, winner])[first]
        self.turns = np.concatenate([self.turns, turns])[first]
        self.x = np.concatenate([self.x, x])[first]

    def switches(self) -> list[int]:
        """The k of which the winners at x[k] and x[k + 1] differ; about an own value the nearest on
        both sides."""
        every = [int(k) for k in np.flatnonzero(self.winner[1:] != self.winner[:-1])]
        if self.line.own is None:
            return every
        at = int(np.searchsorted(self.x, self.line.own))
        return [k for k in every if k < at][-1:] + [k for k in every if k >= at][:1]

    def within(self) -> range:
        """The k of the stretches that are of interest."""
        found = self.switches()
        if self.line.own is None:
            return range(len(self.x) - 1)
        at = int(np.searchsorted(self.x, self.line.own))
        below, above = [k for k in found if k < at], [k for k in found if k >= at]
        return range(below[0] + 1 if below else 0, above[0] if above else len(self.x) - 1)

    def inside(self, k: int) -> list[float]:
        """Values between x[k] and x[k + 1] that narrow the switch between them."""
        low, high = float(self.x[k]), float(self.x[k + 1])
        width, near = high - low, self.line.narrow(high)
        if NO_MARKET in (self.winner[k], self.winner[k + 1]):
            near = max(near, self.line.least)
        if width <= near:
            return []
        # Where something is unknown on one side a figure may grow without limit toward it.
        roots = (
            [] if (np.isnan(self.turns[k]) != np.isnan(self.turns[k + 1])).any() else self.roots(k)
        )
        if not roots:
            cuts = DEAR_CUTS if self.line.dear else CUTS
            return [float(x) for x in np.linspace(low, high, cuts + 1)[1:-1]]
        some = [(low + high) / 2]
        for root, unsure in roots:
            if self.line.dear:
                steps = np.array([max(0.4 * near, min(unsure, width / 8))])
            else:
                # A round costs far more than a value in it: values stand about a root at all
                # distances up to those it may be wrong by, so that the next bracket is as wide as
                # it was wrong.
                far = np.log(max(MISSED * unsure / near, 1.0)) / np.log(FARTHER)
                steps = 0.4 * near * FARTHER ** np.arange(np.ceil(far) + 1)
            some += [root, *(root - steps), *(root + steps)]
        return [float(x) for x in some if low < x < high]

    def near(self, k: int, known: NDArray[np.bool_]) -> list[int]:
        """The indices k, k + 1 and those beside them of values that are known (n,), the nearest
        first."""
        low, high = self.x[k], self.x[k + 1]
        beside = [j for j in (k - 1, k + 2) if 0 <= j < len(self.x) and known[j]]
        beside.sort(key=lambda j: min(abs(self.x[j] - low), abs(self.x[j] - high)))
        return [k, k + 1, *beside]

    def roots(self, k: int) -> list[tuple[float, float]]:
        """Where what makes the winner at x[k] or the one at x[k + 1] win is expected to be zero
        between them, and how unsure that is."""
        from scipy.optimize import brentq

        low, high = float(self.x[k]), float(self.x[k + 1])
        both = [p for p, key in enumerate(self.among) if key in self.winner[k : k + 2]]
        found = []
        for f in self.turns[:, both].reshape(len(self.x), -1).T:
            if not f[k] * f[k + 1] < 0:
                continue
            at = self.near(k, np.isfinite(f))

            def root(points: list[int], f: Array = f) -> float:
                x, y = self.x[points], f[points]
                return float(brentq(lambda t: through(x, y, np.array([t]))[0], low, high))

            best = root(at)
            unsure = abs(best - root(at[:-1])) if len(at) > 2 else (high - low) / 8
            found.append((best, unsure))
        return sorted(set(found))

    def suspicious(self, k: int) -> list[float]:
        """Where between x[k] and x[k + 1], whose winners are one, another is most likely to win:
        where figures of the winner may be negative, or none of a policy's that may not win at
        either; they are as unsure as the farthest value they are expected from matters."""
        low, high = float(self.x[k]), float(self.x[k + 1])
        if high - low <= self.line.least or self.winner[k] not in self.among:
            return []
        mine = np.array(self.among) == self.winner[k]
        least = self.turns.min(-1)
        barred = ~mine & (least[k] < 0) & (least[k + 1] < 0)
        points = self.near(k, np.isin(self.winner, self.among))
        x = low + PLACES * (high - low)
        figures = through(self.x[points], self.turns[points], x)
        unsure = np.abs(figures - through(self.x[points[:-1]], self.turns[points[:-1]], x))
        # what bars none at either end need not rise
        bars = (self.turns[[k, k + 1]] < 0).any(0)
        falls = (unsure - figures).max(-1)
        rises = np.where(bars, unsure + figures, np.inf).min(-1)
        likely = np.where(mine, falls, np.where(barred, rises, -np.inf))
        most = np.nan_to_num(likely, nan=-np.inf).max(-1)
        return [float(x[most.argmax()])] if most.max() > SHALLOW else []


def through(x: Array, y: Array, at: Array) -> Array:
    """Values (r, ...) at r points of the polynomial that at x (m,) has the values y (m, ...)."""
    weights = np.ones((len(at), len(x)))
    for i, j in permutations(range(len(x)), 2):
        weights[:, i] *= (at - x[j]) / (x[i] - x[j])
    return np.tensordot(weights, y, 1)


def followed(lines: Sequence[Line], solve: Solve) -> list[_Seen]:
    """What is known along lines when every switch of interest is bracketed."""
    seen = [
        _Seen(
            line=line,
            x=np.empty(0),
            winner=np.empty(0, object),
            among=(),
            turns=np.empty((0, 0, 0)),
        )
        for line in lines
    ]
    asked = [line.first for line in lines]
    for turn in range(ROUNDS):
        which = np.repeat(np.arange(len(lines)), [len(x) for x in asked])
        if not len(which):
            break
        found = solve(which, np.concatenate(asked))
        for n, one in enumerate(seen):
            if len(asked[n]):
                mine = which == n
                if not len(one.x):
                    one.among, one.turns = found.among, found.turns[:0]
                one.add(asked[n], found.winner[mine], found.turns[mine])
        asked = []
        for one in seen:
            some = [x for k in one.switches() for x in one.inside(k)]
            if turn < LOOKS:
                some += [
                    x
                    for k in one.within()
                    if one.winner[k] == one.winner[k + 1]
                    for x in one.suspicious(k)
                ]
            asked.append(np.setdiff1d(np.array(some, float), one.x))
    return seen


def stretches(seen: _Seen) -> tuple[Stretch, ...]:
    """Who wins over a line, of which all switches are bracketed."""
    cuts = seen.switches()
    ends = [
        seen.line.low,
        *((float(seen.x[k]) + float(seen.x[k + 1])) / 2 for k in cuts),
        seen.line.high,
    ]
    names = [seen.winner[0], *(seen.winner[k + 1] for k in cuts)]
    return tuple(
        Stretch(low=a, high=b, policy=name or None)
        for a, b, name in zip(ends, ends[1:], names, strict=False)
    )


def nearest(over: Sequence[Stretch], own: float, key: str) -> tuple[Switch, ...]:
    """The nearest switches on both sides of the case's own value, from who wins over a line."""
    at = next((n for n, one in enumerate(over) if one.low <= own <= one.high), None)
    if at is None:
        return ()
    below = [Switch(key=key, value=over[at].low, to=over[at - 1].policy)] if at else []
    above = (
        [Switch(key=key, value=over[at].high, to=over[at + 1].policy)] if at + 1 < len(over) else []
    )
    return (*below, *above)


# --- the standard


def over_standards(found: Evaluation) -> tuple[Robust, tuple[Switch, ...]]:
    """Who wins at other standards, and the nearest switches at the case's own."""
    standard = standard_of(found.case.mechanism)
    own = float(standard.public_funds_cost), float(standard.profit_weight)
    top = max(MOST_FUNDS_COST, 2 * own[0])
    funds, weight = Line(low=0.0, high=top), Line(low=0.0, high=1.0)
    edge = replace(funds, high=MOST_FUNDS_COST)
    # (the line, which number runs, the other)
    lines = [
        (funds, 0, own[1]),
        (weight, 1, own[0]),
        (edge, 0, 0.0),
        (edge, 0, 1.0),
        (weight, 1, 0.0),
        (weight, 1, MOST_FUNDS_COST),
    ]
    asked = list(dict.fromkeys((line.high, runs, fixed) for line, runs, fixed in lines))
    runs, fixed = np.array([a[1] for a in asked]), np.array([a[2] for a in asked])

    def standards(which: NDArray[np.intp], x: Array) -> Standard:
        first = runs[which] == 0
        return standard.at(np.where(first, fixed[which], x), np.where(first, x, fixed[which]))

    ranked_at = _known_ranked(found) if found.types is None else _typed_ranked(found)
    seen = followed(
        [Line(low=0.0, high=a[0], dear=found.types is not None) for a in asked],
        lambda which, x: met(ranked_at(standards(which, x))),
    )
    over = {a: stretches(one) for a, one in zip(asked, seen, strict=True)}
    mine = [over[line.high, n, other] for line, n, other in lines[:2]]
    anywhere = {one.policy for line, n, other in lines[2:] for one in over[line.high, n, other]}
    order = [*(c.policy.key for c in found.ranked.contenders), None]
    robust = Robust(
        public_funds_cost=mine[0],
        profit_weight=mine[1],
        winners=tuple(key for key in order if key in anywhere),
    )
    switching = tuple(
        s
        for key, part, x in zip(PLANE, mine, own, strict=True)
        for s in nearest(part, x, f"mechanism.{key}")
    )
    return robust, switching


def winners_at(found: Evaluation, funds_cost: Array, profit_weight: Array) -> NDArray[np.object_]:
    """Who wins at n other standards (n,): keys; `NOBODY` where there is no advice.

    Policies that are designed for the standard are designed anew at each. Of a case whose types are
    known: with private ones every design takes long.
    """
    if found.types is not None:
        raise ValueError("types are private: policies are not designed anew at so many standards")
    standard = standard_of(found.case.mechanism).at(profit_weight, funds_cost)
    return met(_known_ranked(found)(standard)).winner


RankedAt = Callable[[Standard], Ranked]
"""From a standard of n numbers each to the policies ranked at them."""


def _known_ranked(found: Evaluation) -> RankedAt:
    """At one market whose types are known: its regimes are solved already."""
    policies = in_the_running(None, standard_of(found.case.mechanism))
    market = found.case.market.flat()
    solved = {
        policy.key: as_found(found.regimes[policy.key])
        for policy in policies
        if policy.source == "regime"
    }

    def ranked(standard: Standard) -> Ranked:
        n = len(standard.profit_weight)
        many = {
            key: AsFound(status=np.repeat(one.status, n), levels=np.repeat(one.levels, n, 0))
            for key, one in solved.items()
        }
        known = known_policies(repeated(market, n), many, policies, standard, roughly=True)
        return rank(known.contenders, TODAY, GOAL, standard)

    return ranked


def repeated(case: Case, n: int) -> Case:
    """A flat case of one market as one of n, none of whose arrays is common to all."""
    return case.map(lambda x: np.repeat(x, n, 0))


@dataclass(kw_only=True)
class _Designs:
    """What is designed for the standard at one case with private types, at the standards at which
    it was."""

    found: Evaluation
    standards: list[tuple[float, float]]
    """(weight of profits, cost of public funds) of each."""
    designs: list[dict[str, Contender]]
    """What came of it, by policy."""

    @classmethod
    def of(cls, found: Evaluation) -> _Designs:
        """Those of the case's own standard, which are known."""
        own = standard_of(found.case.mechanism)
        designed = {
            c.policy.key: c
            for c in found.ranked.contenders
            if c.policy.source in ("rates", "imposed") and c.solved[0]
        }
        return cls(
            found=found,
            standards=[(float(own.profit_weight), float(own.public_funds_cost))],
            designs=[designed],
        )

    @cached_property
    def scheme(self) -> Scheme | None:
        """What designs start from; None where the planner's levels have none."""
        from mechanism.scheme.preparation import prepare

        assert self.found.types is not None
        return prepare(self.found.case.market, self.found.types, self.found.case.mechanism)

    def add(self, weight: float, funds: float) -> None:
        """Design everything anew at a standard."""
        from mechanism.analysis.many_types import ordered

        assert self.scheme is not None
        assert self.found.types is not None
        scheme = replace(
            self.scheme,
            options=replace(self.scheme.options, profit_weight=weight, public_funds_cost=funds),
        )
        rates, today = (
            self.found.rates_under_types,
            self.found.ranked.contenders[self.found.ranked.today],
        )
        start = None if rates is None or isinstance(rates, WhyNot) else rates.rates
        policies = [policy_of(key) for key in self.designs[0]]
        market = Standing(status=today.status, expected=today.expected)
        new = {
            p.key: (
                rates_standing(fixed_rates(scheme, start))
                if p.source == "rates"
                else ordered(scheme, market)
            )
            for p in policies
        }
        made = typed_policies(policies, new, self.found.types, standard_of(scheme.options))
        self.standards.append((weight, funds))
        self.designs.append({c.policy.key: c for c in made})

    def best(self, standard: Standard) -> Ranked:
        """The policies ranked at n standards, of designs the best known at each: their values are
        bounds from below."""
        n = len(standard.profit_weight)
        each = [
            self._ranked(standard, {key: np.full(n, d) for key in self.designs[0]})
            for d in range(len(self.designs))
        ]
        if len(each) == 1:
            return each[0]
        place = {c.policy.key: p for p, c in enumerate(each[0].contenders)}
        value = np.stack([np.where(one.competes, one.value, -np.inf) for one in each])
        return self._ranked(
            standard, {key: value[:, place[key]].argmax(0) for key in self.designs[0]}
        )

    def above(self, below: Ranked) -> Array:
        """(P, n): values of the policies at n standards, those of designs bounds from above: chords
        between known designs."""
        value, known = np.where(below.competes, below.value, np.nan), np.array(self.standards)
        at_known = self.best(below.standard.at(known[:, 0], known[:, 1]))
        points = np.column_stack([below.standard.profit_weight, below.standard.public_funds_cost])
        for p, c in enumerate(below.contenders):
            if c.policy.key in self.designs[0]:
                reached = np.where(at_known.competes[p], at_known.value[p], np.nan)
                value[p] = [_chord(point, known, reached) for point in points]
                value[p] = np.fmax(value[p], np.where(below.competes[p], below.value[p], np.nan))
        return value

    def _ranked(self, standard: Standard, which: Mapping[str, NDArray[np.intp]]) -> Ranked:
        """The policies ranked at n standards, with these designs."""
        lanes = np.zeros(len(standard.profit_weight), int)
        out = []
        for c in self.found.ranked.contenders:
            made = (
                [design[c.policy.key] for design in self.designs] if c.policy.key in which else [c]
            )
            least, worst = (
                (
                    None
                    if getattr(c, part) is None
                    else np.concatenate([getattr(m, part) for m in made])
                )
                for part in PARTS
            )
            at = which.get(c.policy.key, lanes)
            out.append(
                Contender(
                    policy=c.policy,
                    status=np.concatenate([m.status for m in made])[at],
                    expected=ExpectedOutcome.joined([m.expected for m in made]).take(at),
                    least=None if least is None else least[at],
                    worst=None if worst is None else worst[at],
                    barred=c.barred,
                )
            )
        return rank(
            out, self.found.ranked.contenders[self.found.ranked.today].policy.key, GOAL, standard
        )


PARTS = ("least", "worst")
"""What a contender may be without."""


def _chord(point: Array, known: Array, value: Array) -> float:
    """A bound from above of a convex function at a point of the plane from its values at others:
    the least of the chords through the point that are parallel to an axis; infinite without any."""
    least = np.inf
    for axis in (0, 1):
        on = (known[:, 1 - axis] == point[1 - axis]) & np.isfinite(value)
        x, y = known[on, axis], value[on]
        low, high = np.flatnonzero(x <= point[axis]), np.flatnonzero(x >= point[axis])
        if len(low) and len(high):
            a, b = low[x[low].argmax()], high[x[high].argmin()]
            share = (point[axis] - x[a]) / (x[b] - x[a]) if x[b] > x[a] else 0.0
            least = min(least, float((1 - share) * y[a] + share * y[b]))
    return least


def _typed_ranked(found: Evaluation) -> RankedAt:
    """At one case with private types: rates are designed anew where bounds of their value leave
    open who wins."""
    designs = _Designs.of(found)

    def ranked(standard: Standard) -> Ranked:
        points = np.column_stack([standard.profit_weight, standard.public_funds_cost])
        while True:
            below = designs.best(standard)
            if not designs.designs[0] or (below.winner < 0).all():
                return below
            above = designs.above(below)
            far = np.abs(points[:, None] - np.array(designs.standards)).sum(-1).min(1)
            left = (_winner_at(below, above) != below.winner) & (far > 0)
            if not left.any() or designs.scheme is None:
                return below
            # Where no chord bounds the value from above the farthest comes first, so that there is
            # one afterwards.
            gap = np.nan_to_num(above - below.value, nan=0.0, posinf=np.inf).max(0)
            most = left & (gap >= gap[left].max())
            designs.add(*map(float, points[np.where(most, far, -1.0).argmax()]))

    return ranked


def _winner_at(ranked: Ranked, value: Array) -> NDArray[np.intp]:
    """(n,): who would win were the values (P, n) these, infinite ones more than anything else; NaN
    where a policy does not compete."""
    today = ranked.value[ranked.today]
    value = np.where(np.isposinf(value), today + 1e6 * ranked.scale, value)
    winner, _ = choose(
        value,
        today,
        asks_of(ranked.contenders),
        ranked.outlay,
        ranked.net_transfer,
        ranked.scale,
        ranked.standard.materiality,
    )
    return winner
