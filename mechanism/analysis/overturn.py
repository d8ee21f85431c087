"""What would overturn a recommendation: at which standards, and at which values of a parameter,
another policy wins. Both are looked for along lines (`mechanism.analysis.along_lines`).

Policies that are designed for the standard are designed anew at each. Their value is convex in both
numbers of the standard, that of given levels affine. With private types one design takes long:
there the tangents of known designs, and the chords between them, bound the value, and rates are
designed only where the bounds leave the winner open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case
from mechanism.analysis.along_lines import Line, followed, met, nearest, stretches
from mechanism.casefile.policies import GOAL, TODAY, policy_of
from mechanism.casefile.standard import Standard, standard_of
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
from mechanism.ranking.recommendation import PLANE, Robust, Switch
from mechanism.scheme.behaviour import ExpectedOutcome

if TYPE_CHECKING:
    from mechanism.report.results import Evaluation
    from mechanism.scheme.preparation import Scheme

MOST_FUNDS_COST = 0.5
"""The cost of public funds up to which winners are asked for, or twice the case's own."""


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
        lambda which, x, idle: met(ranked_at(standards(which, x))),
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
