"""What would overturn a recommendation: the nearest value of every number of the market at which
another policy wins.

Each number runs from half to twice its own value while all others stay, as far as there is a
market; from nothing to one natural unit where it is zero. All of them run at once, as the markets
of one batch. Where types are private a market takes a hundred times as long: there fewer values are
looked at, and switches are bracketed less closely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from market.casefile.faults import BadCase
from market.model.case import Array, Case
from market.model.units import natural_units
from market.regimes import REGIMES, Outcomes, headroom, joined, outcomes, part, solve_markets
from market.text import Json
from mechanism.analysis.along_lines import (
    FIGURES,
    NO_MARKET,
    NOBODY,
    Idle,
    Line,
    Met,
    followed,
    met,
)
from mechanism.analysis.line_ends import beside_ends
from mechanism.analysis.many import rank_known, rank_private
from mechanism.casefile.case_keys import key_path, leaves, value_at
from mechanism.casefile.policies import GOAL, TODAY, Policy
from mechanism.casefile.policy_case import PolicyCase, case_at
from mechanism.casefile.proportions import DIMENSIONS
from mechanism.casefile.standard import standard_of
from mechanism.casefile.together import gathered, side_by_side, stack
from mechanism.casefile.types import PRIVATE
from mechanism.ranking.contenders import NOT_ASKED, in_the_running
from mechanism.ranking.recommendation import Switch

if TYPE_CHECKING:
    from mechanism.report.results import Evaluation

MARKET_BLOCKS = ("demand", "security", "cost", "unit_cost")
"""The blocks of a case whose numbers describe its market."""
SPAN = 2.0
"""How many times its own value, or which part of it, a number runs to."""
LOOKS_A_SIDE = {False: 5, True: 3}
"""Values looked at first on each side of a number's own, which is the first of them, by whether
types are private."""
FOUND_TO = {False: 1e-5, True: 5e-3}
"""Width of a bracket beside the value at which it is narrow enough, by whether types are
private."""


def over_parameters(found: Evaluation, keys: Sequence[str] | None = None) -> tuple[Switch, ...]:
    """The nearest switches on both sides of every number of the market; `keys`: of these alone."""
    private = found.types is not None
    policies = in_the_running(found.types, standard_of(found.case.mechanism))
    tree = found.case.resolved | {"expect": {}}
    if keys is None:
        # what is private is drawn, whatever the case's own value of it
        drawn = None if found.case.types is None else PRIVATE[found.case.types.parameter].place
        keys = [
            key
            for key in leaves(tree)
            if key.partition(".")[0] in MARKET_BLOCKS and key.partition("[")[0] != drawn
        ]
    lines = {
        key: line
        for key in keys
        if (line := _line(found.case.market, key, value_at(tree, key_path(key)), private))
    }
    tried = _Tried(
        tree=tree,
        paths=tuple(key_path(key) for key in lines),
        policies=policies,
        own=np.array([line.own for line in lines.values()], float),
    )
    begun = [*lines.values()]
    if not private:
        begun = [
            replace(line, values=np.union1d(line.first, beside))
            for line, beside in zip(begun, beside_ends(begun, tried), strict=True)
        ]

    out, beyond = [], []
    for n, (key, seen) in enumerate(zip(lines, followed(begun, tried.met), strict=True)):
        for k in seen.switches():
            far = k if seen.x[k] < seen.line.own else k + 1
            if NO_MARKET not in (seen.winner[k], seen.winner[k + 1]):
                to = None if seen.winner[far] == NOBODY else seen.winner[far]
                out.append(Switch(key=key, value=float(seen.x[k] + seen.x[k + 1]) / 2, to=to))
                beyond.append((n, float(seen.x[far])))
    lacking = [k for k, switch in enumerate(out) if switch.to is None and not private]
    for k, regime in zip(lacking, tried.lacking([beyond[k] for k in lacking]), strict=True):
        out[k] = replace(out[k], lacks=regime)
    return tuple(out)


@dataclass(kw_only=True)
class _Tried:
    """A case with other values of its numbers."""

    tree: Json
    paths: tuple[tuple[str | int, ...], ...]
    """Where the number of every line stands."""
    policies: tuple[Policy, ...]
    own: Array
    """The case's own value on every line."""
    cases: dict[tuple[int, float], PolicyCase | BadCase] = field(default_factory=dict)
    """What was made of every line and value so far."""
    rooms: dict[tuple[int, float], float] = field(default_factory=dict)
    """How far the problems there are from having no limit, by line and value."""
    planners: dict[tuple[int, float], Outcomes] = field(default_factory=dict)
    """The planner's outcomes so far, by line and value."""

    def made(self, which: NDArray[np.intp], x: Array) -> list[PolicyCase | BadCase]:
        """The cases at values (n,) of these lines, or why there is no market."""
        where = list(zip(which.tolist(), x.tolist(), strict=True))
        for n, value in where:
            if (n, value) not in self.cases:
                self.cases[n, value] = case_at(self.tree, {self.paths[n]: value})
        return [self.cases[one] for one in where]

    def markets(
        self, which: NDArray[np.intp], x: Array
    ) -> tuple[NDArray[np.intp], list[PolicyCase]]:
        """At values (n,) of these lines: those that make a market, and their cases."""
        made = self.made(which, x)
        there = np.array([k for k, one in enumerate(made) if isinstance(one, PolicyCase)], int)
        return there, [one for one in made if isinstance(one, PolicyCase)]

    def there(self, which: NDArray[np.intp], x: Array) -> NDArray[np.bool_]:
        """Whether values (n,) of these lines make a market."""
        return np.array([isinstance(one, PolicyCase) for one in self.made(which, x)], bool)

    def room(self, which: NDArray[np.intp], x: Array) -> Array:
        """How far problems at values (n,) of these lines are from having no limit, the least of
        what `headroom` says; NaN where there is no market."""
        where = list(zip(which.tolist(), x.tolist(), strict=True))
        new = [k for k, key in enumerate(where) if key not in self.rooms]
        if new:
            there, cases = self.markets(which[new], x[new])
            least = np.full(len(new), np.nan)
            if cases:
                market = stack([one.market for one in cases])
                regimes = [REGIMES[p.key] for p in self.policies if p.source == "regime"]
                least[there] = np.min([headroom(market, regime) for regime in regimes], axis=0)
            self.rooms |= {where[k]: float(room) for k, room in zip(new, least, strict=True)}
        return np.array([self.rooms[key] for key in where])

    def met(self, which: NDArray[np.intp], x: Array, idle: Sequence[Idle]) -> Met:
        """Who wins there. At the case's own values all lines meet: they are solved once."""
        own = x == self.own[which]
        first, back = np.unique(np.where(own, own.argmax(), np.arange(len(x))), return_inverse=True)
        return self._met(which[first], x[first], [idle[k] for k in first]).take(back)

    def _met(self, which: NDArray[np.intp], x: Array, idle: Sequence[Idle]) -> Met:
        """Who wins there. Where the planner's problem has no solution there is no advice, and
        nothing else is solved."""
        there, cases = self.markets(which, x)
        winner = np.full(len(x), NO_MARKET, object)
        among = tuple(policy.key for policy in self.policies)
        turns = np.full((len(x), len(among), FIGURES), np.nan)
        gains, enough = (np.full(turns.shape[:2], np.nan) for _ in range(2))
        alike = np.zeros(gains.shape, bool)
        winner[there] = NOBODY
        if cases and cases[0].types is not None:
            for some in gathered(cases):
                for lanes, ranked in rank_private(some, self.policies):
                    told = met(ranked)
                    winner[there[lanes]], turns[there[lanes]] = told.winner, told.turns
            return Met(winner=winner, among=among, turns=turns)
        if cases:
            planned = self._planned(which[there], x[there], cases)
            kept = np.flatnonzero(planned.solved)
            if len(kept):
                some = side_by_side([cases[k] for k in kept])
                settled = {GOAL: part(planned, kept)} | self._agreed(
                    some.market, [idle[k] for k in there[kept]]
                )
                told = met(rank_known(some, self.policies, True, settled))
                winner[there[kept]], turns[there[kept]] = told.winner, told.turns
                gains[there[kept]], enough[there[kept]] = told.gains, told.enough
                alike[there[kept]] = told.alike
        return Met(winner=winner, among=among, turns=turns, gains=gains, alike=alike, enough=enough)

    def _agreed(self, market: Case, idle: Sequence[Idle]) -> dict[str, Outcomes]:
        """The outcomes of policies of which one market may take as long as all others together, in
        the markets (n,) of a flat case: none where they are idle."""
        out = {}
        for policy in self.policies:
            if policy.source == "regime" and REGIMES[policy.key].agreed:
                asked = np.flatnonzero([policy.key not in some for some in idle])
                found = outcomes(len(idle), status=NOT_ASKED)
                if len(asked):
                    there = market.take(asked)
                    more = solve_markets(there, policy.key, len(asked), roughly=True)
                    found = joined(len(idle), [(slice(None), found), (asked, more)])
                out[policy.key] = found
        return out

    def advised(self, which: NDArray[np.intp], x: Array) -> NDArray[np.bool_]:
        """Whether the planner's problem has a solution at values (n,) of these lines."""
        there, cases = self.markets(which, x)
        out = np.zeros(len(x), bool)
        if cases:
            out[there] = self._planned(which[there], x[there], cases).solved
        return out

    def _planned(self, which: NDArray[np.intp], x: Array, cases: Sequence[PolicyCase]) -> Outcomes:
        """The planner's outcomes at these cases, at values (n,) of these lines."""
        # at the case's own values all lines meet
        own = x == self.own[which]
        line, value = np.where(own, -1, which).tolist(), np.where(own, 0.0, x).tolist()
        where = list(zip(line, value, strict=True))
        new = {key: one for key, one in zip(where, cases, strict=True) if key not in self.planners}
        if new:
            market = stack([one.market for one in new.values()])
            found = solve_markets(market, GOAL, len(new), roughly=True)
            self.planners |= {key: part(found, [n]) for n, key in enumerate(new)}
        return joined(len(x), [([k], self.planners[key]) for k, key in enumerate(where)])

    def lacking(self, where: Sequence[tuple[int, float]]) -> list[str]:
        """Which regime has no solution at each of these values of lines, at which there is no
        advice: one whose problem has no limit, else the planner's or today's."""
        if not where:
            return []
        _, cases = self.markets(*(np.array(one) for one in zip(*where, strict=True)))
        market = stack([one.market for one in cases])
        endless = headroom(market, REGIMES[GOAL]) <= 0
        out = [GOAL if none else TODAY for none in endless]
        on = np.flatnonzero(~endless)
        which, x = (np.array([one[k] for one in where])[on] for k in (0, 1))
        planned = self._planned(which, x, [cases[k] for k in on])
        for k, solved in zip(on, planned.solved, strict=True):
            out[k] = TODAY if solved else GOAL
        for policy in self.policies:
            if policy.source == "regime" and policy.key != GOAL:
                room = headroom(market, REGIMES[policy.key])
                out = [
                    policy.key if key == TODAY and least <= 0 else key
                    for key, least in zip(out, room, strict=True)
                ]
        return out


def _line(market: Case, key: str, own: Any, private: bool) -> Line | None:
    """The range a number runs over; None of what is no number."""
    if isinstance(own, bool) or not isinstance(own, int | float):
        return None
    low, high = sorted((own / SPAN, own * SPAN))
    if own == 0:
        block = key.partition("[")[0]
        dimension = DIMENSIONS.get(block) or DIMENSIONS.get(block.rpartition(".")[0], "number")
        high = float(natural_units(market).of(dimension).ravel()[0])
    looks = LOOKS_A_SIDE[private]
    first = np.unique([*np.linspace(low, own, looks), *np.linspace(own, high, looks)])
    return Line(
        low=low, high=high, own=float(own), values=first, width=FOUND_TO[private], dear=private
    )
