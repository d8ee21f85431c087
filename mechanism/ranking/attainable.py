"""The levels of the highest value V at known types: what any policy could attain at best, and what
rates per unit aim at.

With flat parts by the one rule (`mechanism.ranking.rank`) V depends on levels alone. Where the
firms together need o to join,

    V = CS + beta Pi - (1 + mu - beta) max(0, o - Pi)    Pi: the firms' profits, before transfers

is the least over kappa in [0, 1 + mu - beta] of CS + beta Pi + kappa (Pi - o). So the best levels
are those of a planner who weighs profits by some w in [beta, 1 + mu], CS + w Pi: by beta if the
firms then gain, by 1 + mu if they then lose, else by the w at which they just break even.
Consumers' losing nothing adds a weight on CS: a lower w. Every such point is best by duality, so
long as the planner's optimum at its w is. Where profits or consumers' surplus jump as w moves, no
weight leads to the break-even point: there levels are searched locally from both sides of the jump
and from what other policies reach.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case
from market.model.outcome import SOLVED, Accounts, account
from market.model.payoff import Payoff, consumer_payoff, firm_payoffs
from market.model.pricing import bertrand_matrix
from market.model.units import in_units, levels_from, levels_in, natural_units
from market.regimes import level_bounds
from mechanism.casefile.standard import LEAST_WEIGHT, SAME, Standard
from mechanism.casefile.types import TypeSpace
from mechanism.frozen import freeze, put
from mechanism.ranking.frontier import (
    BESIDE,
    CLOSE_BY,
    WIDTH,
    Frontier,
    Planners,
    Solved,
    between_tangents,
    followed_to_zero,
    gap_at,
)
from mechanism.ranking.local_search import Box, once, reached

CLOSE = 1e-9
"""Share of today's welfare within which a condition counts as met by a weight."""


TILT = np.array([1.0, 1.0, 0.9, 1.1])
"""What equal levels are multiplied by where a local search starts."""


@dataclass(frozen=True, kw_only=True)
class Attainable:
    """The levels of the highest V in C markets."""

    status: NDArray[np.object_]
    """(C,): that of the planner's problem they solve."""
    levels: Array
    """(C, 4); NaN where there are none."""
    weight: Array
    """(C,): the weight of profits at which they are a planner's; NaN where they are no planner's,
    or there are none."""
    proven: NDArray[np.bool_]
    """(C,): whether no better levels exist if the planner's optimum at that weight is global;
    elsewhere they were searched locally."""
    consumers: NDArray[np.bool_]
    """(C,): whether they would be others if consumers could lose."""

    def __post_init__(self) -> None:
        freeze(self)


def attainable(
    case: Case,
    optimum: Solved,
    today: Accounts,
    standard: Standard,
    known: Sequence[Array] = (),
    *,
    payments: bool = True,
    roughly: bool = False,
) -> Attainable:
    """The levels of the highest V under a standard in the C markets of a flat case, `optimum` being
    the planner's.

    `today` are the accounts of today's market, `known` levels (C, 4) of other policies, where
    searches start too. Without `payments` levels are imposed and nobody is paid, but no firm may
    run a loss. `roughly`: as in `market.regimes.solve_markets`.
    """
    C = len(optimum.status)
    beta, mu = (
        np.broadcast_to(np.asarray(a, float), C)
        for a in (standard.profit_weight, standard.public_funds_cost)
    )
    lanes, least = np.arange(C), np.maximum(beta, LEAST_WEIGHT)
    frontier = Frontier(case=case, optimum=optimum, together=roughly)
    scale = np.maximum(np.abs(today.total_surplus.sum(-1)), np.finfo(float).tiny)
    near = 1e3 * CLOSE * scale  # what a root is found to
    needed = _needed(today, standard) if payments else np.full(C, -np.inf)
    floor = np.full(C, -np.inf) if standard.consumers_may_lose else today.consumer_surplus.sum(-1)
    top = 1 + mu if standard.fees else np.maximum(1 + mu, least)

    met = frontier.at(lanes, top if standard.fees else least)
    short = np.flatnonzero(met.profits < needed - CLOSE * scale) if not standard.fees else lanes[:0]
    broken = np.zeros(C, bool)
    if len(short):
        high = frontier.at(short, top[short])
        rises = np.flatnonzero(high.profits > needed[short] + CLOSE * scale[short])
        met = put(met, short, high)
        if len(rises):
            some = short[rises]
            even, closed = _even(
                frontier,
                lambda found, at: found.profits - needed[at],
                some,
                least[some],
                high.take(rises),
                near[some],
                upper=True,
            )
            met = put(met, some, even)
            broken[some] = ~closed
    poorer = np.flatnonzero(met.consumers < floor - SAME * scale)
    if len(poorer):
        even, closed = _even(
            frontier,
            lambda found, at: floor[at] - found.consumers,
            poorer,
            np.full(len(poorer), LEAST_WEIGHT),
            met.take(poorer),
            near[poorer],
            upper=False,
        )
        met = put(met, poorer, even)
        broken[poorer] = ~closed
    consumers = np.zeros(C, bool)
    consumers[poorer] = True
    levels, proven = (
        np.where(np.isin(met.status, list(SOLVED))[:, None], met.levels, np.nan),
        ~broken,
    )
    status = met.status.copy()
    if not payments:
        losing = (account(case, levels, bertrand_matrix).profit < -SAME * scale[:, None]).any(-1)
        broken |= losing | (status == "unbounded")
    for c in np.flatnonzero(broken & np.isin(optimum.status, list(SOLVED))):
        begun = {x[c].tobytes(): x[c] for x in (levels, optimum.levels, *known)}
        starts = [_tilted(x) for x in begun.values() if np.isfinite(x).all()]
        at = standard.at(float(beta[c]), float(mu[c]))
        best = _searched(case.take([c]), at, starts, float(needed[c]), float(floor[c]), payments)
        if best is not None:
            levels[c], status[c] = best, "converged"
        proven[c] = False
    return Attainable(
        status=status,
        levels=levels,
        weight=np.where(proven, met.weight, np.nan),
        proven=proven,
        consumers=consumers,
    )


def _tilted(x: Array) -> Array:
    """Levels (4,), one firm investing less and the other more where both have the same: searches
    from equal levels of equal firms stay there, be it a saddle."""
    return x * TILT if np.allclose(x[::2], x[1::2], rtol=1e-6, atol=0) else x


def _needed(today: Accounts, standard: Standard) -> Array:
    """What the firms together need to join, (C,): `ir1` compares at the same levels, so that no
    levels need any payment."""
    if standard.participation == "ir_market":
        return np.asarray(today.profit.sum(-1))
    none = np.zeros(len(today.profit))
    return none if standard.participation == "ir2" else none - np.inf


def _even(
    frontier: Frontier,
    read: Callable[[Planners, NDArray[np.intp]], Array],
    lanes: NDArray[np.intp],
    low: Array,
    top: Planners,
    near: Array,
    upper: bool,
) -> tuple[Planners, NDArray[np.bool_]]:
    """The planners (n,) at whose weights, from `low` to those of `top`, a gap that rises with them
    passes zero, to rounding, of a jump the upper or the lower side; and whether the gap is closed
    there.

    They are sought with a few starts for every planner. Where the gap is then open it is a jump if
    the levels on both sides are worth the same to the planner, and a thorough search finds none
    worth more; elsewhere the few starts misled. There thorough searches come close, and what they
    met is where the last steps start.
    """
    from scipy.optimize import elementwise

    gap, high = partial(gap_at, frontier, read), top.weight

    def sought(
        where: NDArray[np.intp],
        between: tuple[Array, Array],
        roughly: bool,
        width: float = WIDTH[frontier.together],
        starts: Array | None = None,
    ) -> tuple[Array, Array]:
        """The weights (n,) below and above the root between these, the same one twice where there
        is none."""

        # (2, n): where either sign of the gap was last met: weights, in logarithms, and levels
        last, there = np.full((2, len(where)), np.inf), np.full((2, len(where), 4), np.nan)
        if starts is not None:
            last, there = np.log(np.stack(between)), starts

        def finite(weight: Array, at: Any) -> Array:
            # In logarithms of the weight; what is unbounded has a sign, not a size.
            which = at.astype(np.intp)
            values = np.empty(len(which))
            beside = np.isfinite(there[:, which]).all(-1) & (
                np.abs(last[:, which] - weight) <= BESIDE
            )
            near = beside.any(0) & roughly
            begin = np.where(beside[..., None], there[:, which], there[::-1, which])
            for some in (np.flatnonzero(~near), np.flatnonzero(near)):
                if not len(some):
                    continue
                known = begin[:, some] if near[some[0]] else None
                on = which[some]
                values[some], met = gap(lanes[where[on]], np.exp(weight[some]), roughly, known)
                side = (values[some] > 0).astype(np.intp)
                last[side, on], there[side, on] = weight[some], met.levels
            size = np.abs(values[np.isfinite(values)]).max(initial=1.0)
            return np.nan_to_num(values, nan=-size, posinf=size, neginf=-size)

        ends, each = (np.log(between[0]), np.log(between[1])), np.arange(len(where), dtype=float)
        found = elementwise.find_root(
            finite, ends, args=(each,), tolerances={"xrtol": 0, "xatol": width, "fatol": 0}
        )
        below, above = (
            np.exp(np.where(found.success, side, ends[int(upper)])) for side in found.bracket
        )
        return below, above

    every = np.arange(len(lanes))
    if frontier.together:
        ends = followed_to_zero(gap, lanes, low, top, sought)
    else:
        ends = sought(every, (low, high), True)
    left, met = gap(lanes, ends[int(upper)], False)
    if len(open_ := np.flatnonzero(~(np.abs(left) <= near))):
        sides = [gap(lanes[open_], end[open_], True)[1] for end in ends]
        with np.errstate(invalid="ignore"):  # what is endless on both sides
            below, above, most = (
                m.consumers + ends[int(upper)][open_] * m.profits for m in (*sides, met.take(open_))
            )
            tie = 1e-3 * near[open_]
            jumps = (np.abs(below - above) <= tie) & (most <= np.maximum(below, above) + tie)
        met = put(met, open_[jumps], sides[int(upper)].take(np.flatnonzero(jumps)))
        if len(again := open_[~jumps]):
            between, jump = (low[again], high[again]), np.zeros(len(again), bool)
            if frontier.together:
                here = met.take(again)
                *sides, jump = between_tangents(
                    gap, lanes[again], between, here, left[again], tie[~jumps]
                )
            else:
                close = sought(again, between, False, CLOSE_BY)
                sides = [gap(lanes[again], side, False)[1] for side in close]
            better = sides[int(upper)]
            left[again] = np.where(jump, np.inf, read(better, lanes[again]))
            met = put(met, again, better)
            finite = np.all([np.isfinite(read(one, lanes[again])) for one in sides], axis=0)
            if len(known := np.flatnonzero(finite & ~jump)):
                some = again[known]
                starts = np.stack([one.levels[known] for one in sides])
                within = (sides[0].weight[known], sides[1].weight[known])
                weight = sought(some, within, True, starts=starts)[int(upper)]
                left[some], better = gap(lanes[some], weight, False)
                met = put(met, some, better)
    return met, np.abs(left) <= near


# --- where no weight leads there


def _everybody(case: Case) -> Payoff:
    """Consumers' surplus and both profits in one market, a lane each, so that all are had at
    once."""
    each = (consumer_payoff(case), *firm_payoffs(case))
    return Payoff(
        case=case.take(np.zeros(3, int)),
        benefit=np.concatenate([one.benefit for one in each]),
        cost_weight=np.concatenate([one.cost_weight for one in each]),
    )


def _searched(
    case: Case,
    standard: Standard,
    starts: Sequence[Array],
    needed: float,
    floor: float,
    payments: bool,
) -> Array | None:
    """The best levels (4,) of one market that local searches reach from these, under all
    conditions; None where none does."""
    units = natural_units(case)
    inner, money = in_units(case, units), float(units.money[0, 0])
    needed, floor = needed / money, floor / money
    everybody = _everybody(inner)
    beta, burden = float(standard.profit_weight), float(standard.burden)

    @once
    def parts(x: Array) -> tuple[float, Array, Array, Array]:
        """CS and its slope, both profits and theirs."""
        value, by = everybody.gradient(np.broadcast_to(x[:4], (3, 4)))
        return float(value[0]), by[0], value[1:], by[1:]

    def loss(x: Array) -> tuple[float, Array]:
        consumers, slope, profit, by = parts(x)
        return -(consumers + beta * profit.sum() - burden * x[4]), np.append(
            -(slope + beta * by.sum(0)), burden
        )

    def spare(x: Array) -> Array:
        """What is left of every condition."""
        consumers, _, profit, _ = parts(x)
        left = [profit.sum() + x[4] - needed] if payments and np.isfinite(needed) else []
        left += [] if payments else [*profit]
        return np.array(left + ([consumers - floor] if np.isfinite(floor) else []))

    def slopes(x: Array) -> Array:
        _, slope, _, by = parts(x)
        rows = [np.append(by.sum(0), 1.0)] if payments and np.isfinite(needed) else []
        rows += [] if payments else [np.append(b, 0.0) for b in by]
        return np.array(rows + ([np.append(slope, 0.0)] if np.isfinite(floor) else [])).reshape(
            -1, 5
        )

    lower, upper = (bound[0] for bound in level_bounds(inner, 1))
    # with fees the public takes what firms gain: it pays a negative amount
    least = -np.inf if standard.fees else 0.0
    box = np.append(lower, least), np.append(upper, np.inf)

    def begin(start: Array) -> Array:
        x = levels_in(start[None], units)[0]
        return np.append(
            x, max(least, needed - parts(x)[2].sum()) if payments and np.isfinite(needed) else 0.0
        )

    best = reached(inner, loss, spare, slopes, [(begin(start), box) for start in starts])
    return None if best is None else np.asarray(levels_from(best[None], units)[0])


# --- where nobody may refuse


def rates_alone(
    case: Case, optimum: Solved, today: Accounts, standard: Standard, known: Sequence[Array] = ()
) -> Attainable:
    """The levels to which rates per unit without flat parts bring firms that cannot refuse, of the
    highest V, in the C markets of a flat case. What the public then pays follows from the levels:
    each firm lacks its marginal profit, for every unit.

    Where a unit moved to firms costs nothing the levels alone count; elsewhere they are searched
    locally, from the weighted planner's and from `known`.
    """
    found = attainable(case, optimum, today, standard, known)
    burden = np.broadcast_to(np.asarray(standard.burden, float), len(optimum.status))
    levels, status, proven = found.levels.copy(), found.status.copy(), found.proven.copy()
    floor = (
        np.full(len(status), -np.inf)
        if standard.consumers_may_lose
        else today.consumer_surplus.sum(-1)
    )
    for c in np.flatnonzero((burden > 0) & np.isin(optimum.status, list(SOLVED))):
        starts = [x[c] for x in (found.levels, *known) if np.isfinite(x[c]).all()]
        weight = float(np.broadcast_to(standard.profit_weight, len(status))[c])
        best = _cheapest(case.take([c]), weight, float(burden[c]), starts, float(floor[c]))
        if best is not None:
            levels[c], status[c] = best, "converged"
        proven[c] = False
    return replace(
        found,
        status=status,
        levels=levels,
        proven=proven,
        weight=np.where(proven, found.weight, np.nan),
    )


def _cheapest(
    case: Case, beta: float, burden: float, starts: Sequence[Array], floor: float
) -> Array | None:
    """The best levels (4,) of one market that local searches reach when rates make them the firms'
    choice; None where none does.

    Levels are followed by what each is paid for in all, not less than the level times what its firm
    lacks there. At a bound nothing is taken from a firm that is pushed into it: of every level that
    has an upper bound it is tried whether it stays there.
    """
    units = natural_units(case)
    inner, money = in_units(case, units), float(units.money[0, 0])
    floor = floor / money
    everybody = _everybody(inner)
    lower, upper = (bound[0] for bound in level_bounds(inner, 1))
    bounded = [v for v in range(4) if np.isfinite(upper[v])]

    @once
    def parts(x: Array) -> tuple[float, Array, float, Array, Array, Array]:
        """CS, both profits together, and what every level lacks in all, each with its slopes."""
        value, slope, bend = everybody.derivatives(np.broadcast_to(x[:4], (3, 4)))
        firm, level = 1 + np.arange(4) % 2, np.arange(4)
        own = slope[firm, level]
        lacks, by = -x[:4] * own, -(x[:4, None] * bend[firm, level] + np.diag(own))
        return float(value[0]), slope[0], float(value[1:].sum()), slope[1:].sum(0), lacks, by

    def loss(x: Array) -> tuple[float, Array]:
        consumers, slope, profit, by, _, _ = parts(x)
        return -(consumers + beta * profit - burden * x[8]), np.concatenate(
            [-(slope + beta * by), np.zeros(4), [burden]]
        )

    def spare(x: Array) -> Array:
        consumers, _, _, _, lacks, _ = parts(x)
        return np.concatenate(
            [
                x[4:8] - lacks,
                [x[8] - x[4:8].sum()],
                [consumers - floor] if np.isfinite(floor) else [],
            ]
        )

    def slopes(x: Array) -> Array:
        _, slope, _, _, _, by = parts(x)
        rows = [np.concatenate([-by[v], np.eye(4)[v], [0.0]]) for v in range(4)]
        rows += [np.concatenate([np.zeros(4), -np.ones(4), [1.0]])]
        return np.array(
            rows + ([np.concatenate([slope, np.zeros(5)])] if np.isfinite(floor) else [])
        )

    def begin(start: Array, held: tuple[int, ...]) -> Array:
        x = levels_in(start[None], units)[0]
        x[list(held)] = upper[list(held)]
        lacks = parts(x)[4]
        paid = np.where(np.isin(np.arange(4), held), np.maximum(lacks, 0.0), lacks)
        return np.concatenate([x, paid, [max(0.0, paid.sum())]])

    def box(held: tuple[int, ...]) -> Box:
        stays = np.isin(np.arange(4), held)
        least = np.concatenate(
            [np.where(stays, upper, lower), np.where(stays, 0.0, -np.inf), [0.0]]
        )
        return least, np.append(upper, np.full(5, np.inf))

    every = [held for count in range(len(bounded) + 1) for held in combinations(bounded, count)]
    best = reached(
        inner,
        loss,
        spare,
        slopes,
        [(begin(start, held), box(held)) for held in every for start in starts],
    )
    return None if best is None else np.asarray(levels_from(best[None], units)[0])


def one_order(
    case: Case, types: TypeSpace, standard: Standard, starts: Sequence[Array], floor: float
) -> Array | None:
    """The levels (4,) that are ordered of one market whatever its types turn out to be, of the
    highest expected V: every type's expected profit and, unless they may lose, consumers' surplus
    (its `floor`) kept. Searched locally from `starts`; None where none is found.
    """
    case = case.map(lambda a: a.reshape(1, -1))
    units = natural_units(case)
    K, money = len(types.nodes), float(units.money[0, 0])
    first, second = (index.ravel() for index in np.indices((K, K)))
    both = np.column_stack([types.types_of(0)[first], types.types_of(1)[second]])
    pairs = in_units(case.take(np.zeros(K * K, int)).with_parameter(types.parameter, both), units)
    weight = types.probabilities[first] * types.probabilities[second]
    firms, public = firm_payoffs(pairs), consumer_payoff(pairs)
    beta, floor = (
        float(standard.profit_weight),
        (-np.inf if standard.consumers_may_lose else floor / money),
    )
    of_type = [
        np.stack([(own == k) * types.probabilities[other] for k in range(K)])
        for own, other in ((first, second), (second, first))
    ]

    @once
    def parts(x: Array) -> tuple[float, Array, Array, Array, Array, Array]:
        """CS, joint profit and every type's profit, in expectation, each with its slope."""
        at = np.broadcast_to(x, (K * K, 4))
        consumers, slope = public.gradient(at)
        each = [firm.gradient(at) for firm in firms]
        kept = np.concatenate([each[i][0] @ of_type[i].T for i in (0, 1)])
        by = np.concatenate([of_type[i] @ each[i][1] for i in (0, 1)])
        profit, rise = weight @ (each[0][0] + each[1][0]), weight @ (each[0][1] + each[1][1])
        return float(weight @ consumers), weight @ slope, profit, rise, kept, by

    def loss(x: Array) -> tuple[float, Array]:
        consumers, slope, profit, by, _, _ = parts(x)
        return -(consumers + beta * float(profit)), -(slope + beta * by)

    def spare(x: Array) -> Array:
        consumers, _, _, _, kept, _ = parts(x)
        return np.append(kept, consumers - floor) if np.isfinite(floor) else kept

    def slopes(x: Array) -> Array:
        _, slope, _, _, _, by = parts(x)
        return np.vstack([by, slope]) if np.isfinite(floor) else by

    lower, upper = level_bounds(in_units(case, units), 1)
    box = lower[0], upper[0]
    best = reached(
        pairs, loss, spare, slopes, [(levels_in(start[None], units)[0], box) for start in starts]
    )
    return None if best is None else np.asarray(levels_from(best[None], units)[0])
