"""The levels among which a second best draws, by column generation.

The linear program of transfers and lotteries is solved over menus of levels, one for every state of
types. At its prices the pricing problem (`mechanism.scheme.level_pricing`) names the levels by
which each state's lottery would gain most; they join the menus until nothing gains. What the
program is worth over all levels is then at most its value and the sum over states of the most that
levels gain there (Lagrange; the probabilities of a state add up to one): a bound wherever pricing
was global, which branch and bound establishes.

Where nothing on the menus does what is asked, levels are sought that lessen what it is missed by.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from market.model.case import INVESTMENT, Array, Case
from market.model.units import natural_units
from market.regimes import REGIMES, solve_lanes
from mechanism.casefile.policies import GOAL, TODAY
from mechanism.casefile.types import TypeSpace
from mechanism.design.cvx import LinearAnswer
from mechanism.design.environment import AllocationRule
from mechanism.design.program import WELFARE, Merit, Program, Worth, build, stacked, worth
from mechanism.design.setting_file import DesignOptions
from mechanism.design.solve import OptimalityBound, solve
from mechanism.frozen import freeze
from mechanism.scheme.level_pricing import LevelPricing
from mechanism.scheme.market_environment import market_environment

NOTHING = 1e-8
"""Gain of a round, over the range of payoffs, below which levels are searched thoroughly, and then
no further."""
PROVEN = 1e-4
"""The same of what a bound leaves open, up to which a second best counts as proven."""
ROUNDS = 80
"""Rounds after which no levels are added any more."""
STARTS, THOROUGH = 2, 12
"""Points of the grid from which every state's levels are searched: in a round, and at its end."""
KEPT = 20
"""Levels on a state's menu beside the planner's and those of the round."""
BOXES = 1_500_000
"""Boxes of levels that a bound may look at, in all states together."""
WIDER = 2.0
"""How far investments are sought, as a multiple of the largest where the search starts, and then of
the last bound, should it bind."""
NEAR = 1e-2
"""Share of the box of levels within which levels drawn in the same state are close."""
SOME = 0.05
"""The same, in natural units, where hardly any are made."""
SHORT = 1 - 1e-9
"""Share of the most that is looked at from which an investment is at it."""
DRAWN = 1e-9
"""Probability below which levels are not drawn."""


@dataclass(frozen=True, kw_only=True)
class Generated:
    """Menus that hold the second best."""

    plan: AllocationRule
    """The planner's levels over the market as a setting with these menus."""
    levels: Array
    """(m, K, K, 4): the menus, the planner's levels first."""
    bound: OptimalityBound
    """What is known of all other levels."""
    possible: bool
    """Whether lotteries over them do what is asked; where not they hold what misses it least, and
    the bound is that on the violation."""

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True, kw_only=True)
class _Over:
    """The program over some menus (m, S, 4), solved."""

    program: Program
    answer: LinearAnswer
    asked: bool
    """Whether it is the one asked for, or that of the least violation."""

    @cached_property
    def worth(self) -> Worth:
        """What payoffs are worth at its prices."""
        return worth(self.program, self.answer.prices, self.answer.equality_prices)

    @property
    def cost(self) -> float:
        """What is minimised, money, up to a constant that is the same for all menus."""
        return self.program.space.given.range * self.answer.value

    @property
    def shares(self) -> Array:
        """(m, S): the probabilities of levels on the menus."""
        assert self.answer.x is not None
        drawn = self.answer.x[self.program.probabilities]
        return np.asarray(drawn.reshape(self.program.space.menus.shape).T)

    def gain(self, value: Array) -> float:
        """What lotteries gain at most by levels that come to these values (S,), money."""
        more = np.maximum(value - self.worth.needed, 0.0).sum()
        return float(self.program.space.given.range * more)


@dataclass(frozen=True, kw_only=True)
class _Problem:
    """What is asked of a market."""

    case: Case
    """Flat, of one market."""
    types: TypeSpace
    outside: tuple[Array, Array]
    options: DesignOptions
    merit: Merit
    same_levels: bool

    @property
    def size(self) -> int:
        """K."""
        return len(self.types.nodes)

    def squared(self, menu: Array) -> Array:
        """Menus (m, S, 4) by both firms' types, (m, K, K, 4)."""
        return menu.reshape(len(menu), self.size, self.size, 4)

    def plan(self, menu: Array) -> AllocationRule:
        """The market as a setting with these menus."""
        return market_environment(
            self.case, self.types, self.squared(menu), self.outside, self.same_levels
        )

    def over(self, menu: Array) -> _Over | None:
        """The program over these menus; where nothing there does what is asked, that of what misses
        it least. None where it has no limit or no answer."""
        plan = self.plan(menu)
        for asked in (True, False):
            goal = {} if asked else {"objective": "min_violation"}
            options = self.options.model_copy(update=goal)
            program = build(plan.environment, options, plan, self.merit)
            answer = solve(program)
            if answer.x is not None:
                return _Over(program=program, answer=answer, asked=asked)
            if answer.status == "unbounded":
                return None
        return None

    def start(self, planner: Array) -> Array:
        """(m, S, 4): the planner's levels (S, 4), the alliance's, those in between and today's,
        where they are found."""
        one, other = (self.types.types_of(firm) for firm in (0, 1))
        both = np.stack(np.meshgrid(one, other, indexing="ij"), -1).reshape(-1, 2)
        lanes = self.case.take(np.zeros(len(both), np.intp))
        pairs = lanes.with_parameter(self.types.parameter, both)
        goal = REGIMES[GOAL]
        blends = [replace(goal, key="blend", welfare_weight=weight) for weight in (0.5, 0.0)]
        menu = [planner]
        for regime in (*blends, REGIMES[TODAY]):
            levels = solve_lanes(pairs, regime, len(both)).levels
            menu.append(np.where(np.isfinite(levels), levels, planner))
        return np.stack(menu)


def generate(
    case: Case,
    types: TypeSpace,
    planner: Array,
    outside: tuple[Array, Array],
    options: DesignOptions,
    merit: Merit = WELFARE,
    *,
    same_levels: bool = False,
) -> Generated | None:
    """Menus for what is asked at one market; `planner` (K, K, 4) are the planner's levels at its
    types, `outside` what staying out is worth over states. None where the program has no limit or
    no answer."""
    flat = case.map(lambda a: a.reshape(1, -1))
    problem = _Problem(
        case=flat,
        types=types,
        outside=outside,
        options=options,
        merit=merit,
        same_levels=same_levels,
    )
    menu = problem.start(planner.reshape(-1, 4))
    scale = problem.plan(menu).environment.range
    cap = np.broadcast_to(flat.investment_cap[0], 2)
    some = SOME * natural_units(flat).quantity[0]
    most = np.minimum(cap, WIDER * np.maximum(menu[..., INVESTMENT].max((0, 1)), some))
    rounds = 0
    while True:
        over = problem.over(menu)
        if over is None:
            return None
        rounds += 1
        pricing = LevelPricing(case=flat, types=types, planner=menu[0], most=most)
        if rounds < ROUNDS:
            found = _improving(pricing, over, menu, NOTHING * scale)
            if found is not None:
                near = _merged(menu, over.shares, NEAR * pricing.box)
                menu = np.concatenate([_kept(menu, over), near, found[None]])
                continue
            at_most = (over.shares > DRAWN)[..., None] & (menu[..., INVESTMENT] >= SHORT * most)
            wider = at_most.any((0, 1)) & (most < cap)
            if wider.any():
                most = np.where(wider, np.minimum(cap, WIDER * most), most)
                continue
        found, _ = pricing.search(over.worth, menu, THOROUGH)
        finest = PROVEN * scale / (4 * over.program.space.given.range * len(found))
        top, better = pricing.bound(over.worth, found, finest, BOXES // len(found))
        if rounds >= ROUNDS or not np.isfinite(better).any():
            break
        # from what branch and bound met climbs go on
        menu = np.concatenate([menu, np.where(np.isfinite(better), better, found)[None]])
    menu, lost = _tidied(problem, menu, over, pricing.box, NOTHING * scale)
    gap = over.gain(top) + lost
    return Generated(
        plan=problem.plan(menu),
        levels=problem.squared(menu),
        bound=OptimalityBound(
            gap=gap if np.isfinite(gap) else None,
            proven=bool(gap <= PROVEN * scale),
            investment_up_to=(float(most[0]), float(most[1])),
        ),
        possible=over.asked,
    )


def _improving(pricing: LevelPricing, over: _Over, menu: Array, least: float) -> Array | None:
    """Levels (S, 4) by which lotteries gain more than this, money, searched thoroughly where few
    starts find none; None where there are none."""
    for starts in (STARTS, THOROUGH):
        found, value = pricing.search(over.worth, menu, starts)
        if over.gain(value) > least:
            return found
    return None


def _tidied(
    problem: _Problem, menu: Array, over: _Over, box: Array, least: float
) -> tuple[Array, float]:
    """The planner's levels and those that are drawn, and what they lose against the menus, money:
    near ones are one if next to nothing is lost by that."""
    for near in (NEAR * box, 0.0 * box):
        drawn = np.concatenate([menu[:1], _merged(menu, over.shares, near)])
        again = problem.over(drawn)
        if again is not None and again.asked == over.asked and again.cost - over.cost <= least:
            return drawn, max(again.cost - over.cost, 0.0)
    return menu, 0.0


def _kept(menu: Array, over: _Over) -> Array:
    """The menus less levels that are far from being drawn."""
    if len(menu) <= KEPT:
        return menu
    program = over.program
    costs = program.cost - stacked(program.rows)[0].T @ over.answer.prices
    dear = costs[program.probabilities].reshape(program.space.menus.shape).T
    order = np.argsort(dear - 1e3 * over.shares, axis=0, kind="stable")[:KEPT]
    return np.concatenate([menu[:1], np.take_along_axis(menu, order[..., None], 0)])


def _merged(menu: Array, shares: Array, near: Array) -> Array:
    """(m, S, 4): the levels that are drawn, the likeliest first, means taking the place of those
    within `near` (4,) of each other; the planner's where no more are drawn."""
    each = []
    for state in range(menu.shape[1]):
        means = []
        left = [k for k in np.argsort(-shares[:, state], kind="stable") if shares[k, state] > DRAWN]
        while left:
            close = (np.abs(menu[left, state] - menu[left[0], state]) <= near).all(-1)
            group = np.array(left)[close]
            weight = shares[group, state]
            means.append(weight @ menu[group, state] / weight.sum())
            left = [k for k in left if k not in group]
        each.append(means)
    out = np.tile(menu[0], (max(map(len, each)), 1, 1))
    for state, means in enumerate(each):
        out[: len(means), state] = means
    return out
