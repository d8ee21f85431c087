"""Sharing agreed on jointly, each firm's investment its own, prices following. Two firms.

`sharing_alliance` (section 11 of the model): members agree on sharing for joint profit, then each
invests for itself, then prices follow. For given sharing investment is a game in which every best
reply is closed form, kinks and firms driven out included. Joint profit at its equilibrium is one
function of two variables, whose slope follows from the slope of the equilibrium; it is climbed from
the peaks of a grid. Investments may have several equilibria: those that best replies reach from
below and from far above are both followed.

It may jump, where an equilibrium ends or a firm would rather drive the other out, and has a kink
where an investment reaches a bound; there climbs stall, and ever smaller steps finish.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.model.case import INVESTMENT, SHARING, Array, Case, take_lanes
from market.model.leaving import sales, true_profits
from market.model.outcome import account
from market.model.payoff import firm_payoffs
from market.model.pricing import bertrand_matrix, net_intercept
from market.model.reply import best_reply
from market.regimes.points import Points
from market.solve.equilibrium import Game, best_reply_rounds, examine, newton
from market.solve.linear import implicit_slope
from market.solve.optimum import Ascent, free_curvature, maximise, on_bound
from market.solve.search import descend, grid, one_sided_slope
from market.solve.tolerances import DEFAULT, Tolerances

Rows = NDArray[np.intp]

SIDE = 7
"""Sharing levels of each firm on the grid from whose peaks joint profit is climbed."""

FINE_SIDE = 17
"""The same where one market is searched thoroughly."""

FAR_ABOVE = 10.0
"""Multiple of the largest investments met from below at which best replies start from above."""

CLIMB = 40
"""Steps of a climb: one that takes more has met a kink, a jump, or no limit."""

ROUNDS = 12
"""Rounds of best replies for investments that follow."""

ANCHORED = 12
"""How often a search is begun anew near the investments that it has led to."""

SETTLED = 1e-6
"""Share of an investment's size below which they stop."""

PEAKS = 3
"""Local maxima of the grid that are climbed."""

STEP = 1e-6
"""Step of sharing by which the reduced slope is differenced."""

ASIDE = 0.02
"""Step in sharing by which a saddle is left."""

NEWTON = 8
"""Steps of Newton's method for investments that follow, tried at once; what they do not find best
replies are asked for."""

SAME = 1e-6
"""Share of an investment's size by which it may differ from a best reply to be one."""

EDGE = 1e-4
"""Share of the larger quantity, or of the unit cost without sharing, below which one that a kink
lies at counts as zero."""

CACHED = 4096
"""Levels answered together: what is computed on the way should fit the processor's cache."""

RUNAWAY = 1e4
"""Multiple of what a firm would invest alone beyond which investments count as growing without
limit."""


def investment_game(case: Case, lanes: int) -> Game:
    """The firms' game in investments at given sharing, in the L lanes of a flat case: exact best
    replies, a rival possibly driven out."""
    players = firm_payoffs(case)
    lower, upper = np.zeros((lanes, 4)), np.ones((lanes, 4))
    upper[:, INVESTMENT] = case.investment_cap

    def exact(firm: int, x: Array) -> tuple[Array, Array]:
        return best_reply(case, x, firm, None)

    def beside(firm: int, x: Array) -> tuple[Array, Array]:
        return best_reply(case, x, firm, None, beside=True)

    return Game(
        players=players,
        controls=((2,), (3,)),
        lower=lower,
        upper=upper,
        reply=exact,
        nominate=beside,
    )


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Joint profit (L,) in agreed sharing (L, 2), in L lanes; minus infinity where investments that
    follow are no equilibrium of a market in which every firm sells."""

    case: Case
    near: Array
    """(L, 2): investments from which those that follow are found; which of several equilibria is
    meant."""
    checked: bool
    """Whether it is asked everywhere that no firm gains by any other investment; else first-order
    conditions are enough, which bounds the function from above."""
    tolerances: Tolerances

    def take(self, lanes: Any) -> Agreement:
        """The agreements in these lanes only."""
        return replace(self, case=self.case.take(lanes), near=take_lanes(self.near, lanes))

    def follow(self, s: Array) -> Array:
        """Levels (L, 4) at agreed sharing (L, 2); NaN where none were found."""
        start = np.concatenate([s, np.broadcast_to(self.near, s.shape)], -1)
        x = _settled(self.case, start, self.tolerances)
        lost = np.flatnonzero(np.isnan(x).any(-1))
        if len(lost):
            there = self.case.take(lost)
            answered = best_reply_rounds(investment_game(there, len(lost)), start[lost], ROUNDS)
            replied = np.isfinite(answered).all(-1)
            x[lost[replied]] = _settled(there.take(replied), answered[replied], self.tolerances)
        return x

    def worth(self, x: Array) -> Array:
        """Joint profit (L,) at levels (L, 4) that follow."""
        found = np.asarray(np.isfinite(x).all(-1))
        at = np.where(found[:, None], x, 0.0)
        books = account(self.case, at, bertrand_matrix)
        counts = np.asarray(found & books.describes_market)
        if self.checked and counts.any():
            counts &= examine(
                investment_game(self.case, len(at)), at, self.tolerances
            ).nobody_gains(self.tolerances.regret)
        return np.where(counts, books.profit.sum(-1), -np.inf)

    def value(self, s: Array) -> Array:
        """Joint profit (L,)."""
        return self.worth(self.follow(s))

    def slope(self, s: Array) -> tuple[Array, Array, Array]:
        """Joint profit (L,), its total derivative (L, 2) in sharing, and the levels (L, 4); zero
        slope where it is minus infinity."""
        x = self.follow(s)
        value = self.worth(x)
        if not np.isfinite(value).any():
            return value, np.zeros_like(s), x
        at = np.where(np.isfinite(x), x, 0.0)
        game = investment_game(self.case, len(at))
        own, cross = [2, 3], [0, 1]
        gradients = [player.derivatives(at) for player in game.players]
        joint = gradients[0][1] + gradients[1][1]
        # rows: own conditions in all four levels
        jacobian = np.stack([gradients[i][2][:, 2 + i] for i in (0, 1)], 1)
        held = on_bound(at, game.lower, self.tolerances) | on_bound(at, game.upper, self.tolerances)
        by = implicit_slope(jacobian[:, :, own], jacobian[:, :, cross], held[:, own])
        total = joint[:, cross] + np.einsum("lts,lt->ls", by, joint[:, own])
        return value, np.where(np.isfinite(value)[:, None], total, 0.0), x

    def derivatives(self, s: Array) -> tuple[Array, Array, Array]:
        """Joint profit, its total derivative and, by differences of that, its second derivatives
        (L, 2, 2)."""
        value, gradient, x = self.slope(s)
        hessian = np.tile(-np.eye(2), (len(s), 1, 1))
        known = np.flatnonzero(np.isfinite(value))
        beside = Agreement(
            case=self.case.take(known), near=x[known, 2:], checked=False, tolerances=self.tolerances
        )
        for k in (0, 1):
            moved = s[known]
            moved[:, k] += np.where(moved[:, k] > 0.5, -STEP, STEP)
            there = beside.slope(moved)
            hessian[known, :, k] = (there[1] - gradient[known]) / (moved - s[known])[:, k, None]
            ends = known[~np.isfinite(there[0])]  # nothing follows a step further on
            hessian[ends] = np.nan
        blind = ~np.isfinite(hessian).all((-1, -2))
        hessian[blind] = (
            -np.eye(2) * np.maximum(1.0, np.abs(gradient[blind]).max(-1))[:, None, None]
        )
        return value, gradient, (hessian + np.swapaxes(hessian, -1, -2)) / 2

    def at_tries(self, s: Array) -> Array:
        """Joint profit (L, m) at sharing (L, m, 2), m tries in every lane."""
        tries = s.shape[1]
        if not tries:
            return np.empty(s.shape[:2])
        return (
            self.take(np.repeat(np.arange(len(s)), tries))
            .value(s.reshape(-1, 2))
            .reshape(s.shape[:2])
        )


def _settled(case: Case, start: Array, tolerances: Tolerances) -> Array:
    """Levels (L, 4) at which each investment is the best reply beside a rival that sells, by
    Newton's method from `start`; else NaN."""
    game = investment_game(case, len(start))
    x = newton(game, start, tolerances, NEWTON)
    found = np.asarray(np.isfinite(x).all(-1))
    at = np.where(found[:, None], x, start)
    for firm in (0, 1):
        reply = best_reply(case, at, firm, None, beside=True)[0][:, 2 + firm]
        found &= np.abs(reply - at[:, 2 + firm]) <= SAME * np.maximum(1.0, np.abs(reply))
    return np.where(found[:, None], x, np.nan)


def agree(
    case: Case,
    lanes: int,
    thoroughly: bool = False,
    tolerances: Tolerances = DEFAULT,
    starts: Array | None = None,
) -> Points:
    """The sharing that members agree on and the investments that follow, in the L markets of a flat
    case, climbed from the peaks of a grid or from levels `starts` (m, L, 4) known beforehand;
    unless `thoroughly` it is not searched at kinks and jumps, nor with a firm out, and nothing is
    known where it may lie there."""
    found = _searched(case, lanes, thoroughly, False, tolerances, starts)
    refused = _refused(found, lanes)
    if len(
        refused
    ):  # there a firm gains by another investment, or nothing holds: every point is asked
        near = None if starts is None else starts[:, refused]
        again = _searched(case.take(refused), len(refused), thoroughly, True, tolerances, near)
        kept = found.take(~np.isin(found.lane, refused))
        found = Points.joined([kept, replace(again, lane=refused[again.lane])])
    missing = np.setdiff1d(np.arange(lanes), found.lane)
    if thoroughly and len(missing):
        none = _with_a_firm_out(case.take(missing), len(missing), tolerances)
        found = Points.joined([found, replace(none, lane=missing[none.lane])])
    return found


def _refused(found: Points, lanes: int) -> Rows:
    """Lanes (n,) in which the row of highest worth is no equilibrium in investments."""
    top = np.full(lanes, -np.inf)
    np.maximum.at(top, found.lane, found.worth)
    first = found.worth >= top[found.lane]
    return np.unique(found.lane[first & ~(found.regret <= DEFAULT.regret)])


def _searched(
    case: Case,
    lanes: int,
    thoroughly: bool,
    checked: bool,
    tolerances: Tolerances,
    starts: Array | None,
) -> Points:
    """The local maxima to which the peaks of a grid, or the levels that are given, lead; of those
    that fail none but the highest of its lane."""
    side = FINE_SIDE if thoroughly else SIDE
    if starts is None:
        lane, start, near = _peaks(case, lanes, side, checked, tolerances)
    else:
        lane, levels = np.tile(np.arange(lanes), len(starts)), starts.reshape(-1, 4)
        start, near = levels[:, SHARING], levels[:, INVESTMENT]
    agreement = Agreement(case=case.take(lane), near=near, checked=checked, tolerances=tolerances)
    lower, upper = np.zeros((len(lane), 2)), np.ones((len(lane), 2))
    few = replace(tolerances, climb_steps=CLIMB)
    end = maximise(agreement, start, lower, upper, few)
    s, value, hessian = end.x, end.value, end.hessian
    residual = _residual(end)
    held = (s <= 0) | (s >= 1)
    curvature = free_curvature(hessian, held)

    saddle = np.flatnonzero(
        (residual <= tolerances.residual) & (curvature > 1e-6) & np.isfinite(value)
    )
    if len(saddle):  # as where equal firms stay equal: left in both directions
        vector = np.linalg.eigh(
            np.where(held[saddle][:, :, None] | held[saddle][:, None], 0.0, hessian[saddle])
        )[1][:, :, -1]
        aside = np.clip(
            np.concatenate([s[saddle] + ASIDE * vector, s[saddle] - ASIDE * vector]), 0.0, 1.0
        )
        which = np.concatenate([saddle, saddle])
        more = maximise(agreement.take(which), aside, lower[which], upper[which], few)
        stay = np.setdiff1d(np.arange(len(lane)), saddle)
        lane, near = (
            np.concatenate([lane[stay], lane[which]]),
            np.concatenate([near[stay], near[which]]),
        )
        s, value = np.concatenate([s[stay], more.x]), np.concatenate([value[stay], more.value])
        hessian = np.concatenate([hessian[stay], more.hessian])
        residual = np.concatenate([residual[stay], _residual(more)])
        agreement = replace(agreement, case=case.take(lane), near=near)

    top = np.full(lanes, -np.inf)
    np.maximum.at(top, lane, value)
    best = value >= top[lane] - 1e-9 * np.maximum(1.0, np.abs(top[lane]))
    kept = np.flatnonzero(np.isfinite(value) & (best | (residual <= tolerances.residual)))
    lane, s, hessian, residual = lane[kept], s[kept], hessian[kept], residual[kept]
    agreement = agreement.take(kept)
    switching = ~(residual <= tolerances.residual)
    alone = np.maximum(1.0, np.nan_to_num(_alone(agreement.case, len(s)).max(-1), nan=1.0))

    def runs_away(x: Array, rows: Rows) -> NDArray[np.bool_]:
        most = np.nan_to_num(x[:, INVESTMENT]).max(-1, initial=0.0)
        return np.asarray(most > RUNAWAY * alone[rows])

    runaway, bent = switching.copy(), np.flatnonzero(switching)
    runaway[bent] = runs_away(agreement.take(bent).follow(s[bent]), bent)
    done = runaway.copy() if thoroughly else np.ones(len(lane), bool)
    if thoroughly and not checked:  # a point that is none is not worth more digits
        x = np.nan_to_num(agreement.follow(s))
        done |= ~examine(investment_game(agreement.case, len(x)), x, tolerances).nobody_gains(
            tolerances.regret
        )
    # at a kink or a jump only ever smaller steps help
    for width, smallest in ((0.5 / (side - 1), 1e-6), (1e-5, 1e-10)):
        bent = np.flatnonzero(switching & ~done)
        for _ in range(ANCHORED):
            there, step = agreement.take(bent), np.full((len(bent), 2), width)
            s[bent] = descend(
                there.at_tries, s[bent], step, np.zeros_like(step), np.ones_like(step), smallest
            )
            x = there.follow(s[bent])
            runaway[bent] = runs_away(x, bent)
            done[bent] = runaway[bent] | at_the_edge(there.case, x).any(-1)
            # what follows was looked for near other investments: it may seem to end where it only
            # is far from them
            far = np.abs(x[:, INVESTMENT] - there.near) > 0.5 * np.abs(there.near)
            again = far.any(-1) & ~done[bent]
            bent, x = bent[again], x[again]
            if not len(bent):
                break
            near = agreement.near.copy()
            near[bent] = x[:, INVESTMENT]
            agreement = replace(agreement, near=near)
    bent = np.flatnonzero(switching & ~runaway & thoroughly)
    there, whole = agreement.take(bent), np.ones((len(bent), 2))
    residual[bent] = one_sided_slope(there.at_tries, s[bent], 0 * whole, whole, whole[:, 0])
    x = agreement.follow(s)
    known = np.asarray(np.isfinite(x).all(-1))
    at = np.where(known[:, None], x, 0.0)
    seen = examine(investment_game(agreement.case, len(at)), at, tolerances)
    books = account(agreement.case, at, bertrand_matrix)
    of_leader = free_curvature(hessian, (s <= 0) | (s >= 1))
    residual = np.maximum(residual, seen.unscaled_residual)
    limit = np.where(switching, tolerances.kink, tolerances.residual)
    # nothing is claimed there
    limit = np.where(switching & at_the_edge(agreement.case, at).any(-1), np.inf, limit)
    # rounding is no gain
    size = np.where(runaway, np.maximum(1.0, np.abs(seen.payoff).max(-1)), 1.0)
    regret = np.where(known, seen.unscaled_regret / size, np.inf)
    return Points(
        lane=lane,
        levels=np.where(known[:, None] & ~runaway[:, None], x, np.nan),
        worth=np.where(known, books.profit.sum(-1), -np.inf),
        residual=residual,
        regret=regret,
        curvature=np.where(switching, np.nan, np.fmax(of_leader, seen.curvature)),
        holds=known & ~runaway & (regret <= tolerances.regret) & (residual <= limit),
        market=books.describes_market,
        switching=switching,
        runaway=runaway,
    )


def _residual(end: Ascent) -> Array:
    """The residual (L,) as it is; infinite where a climb had nowhere to start."""
    known = np.isfinite(end.value)
    return np.where(
        known, end.residual * np.maximum(1.0, np.abs(np.where(known, end.value, 1.0))), np.inf
    )


def at_the_edge(case: Case, x: Array) -> NDArray[np.bool_]:
    """Which quantities and unit costs (L, 4) at levels x (L, 4) of a market leave nothing to
    fall."""
    books = account(case, np.nan_to_num(x), bertrand_matrix)
    dear = 0.0 if case.unit_cost is None else case.unit_cost.base
    quantity = books.quantity <= EDGE * books.quantity.max(-1, keepdims=True)
    return np.concatenate(
        [quantity, books.unit_cost < EDGE * np.broadcast_to(dear, books.unit_cost.shape)], -1
    )


def _alone(case: Case, lanes: int) -> Array:
    """Each firm's best investment (L, 2) while nobody shares and the rival does not invest; NaN
    where it has no limit."""
    silent = np.zeros((lanes, 4))
    return np.column_stack(
        [best_reply(case, silent, firm, None)[0][:, 2 + firm] for firm in (0, 1)]
    )


def _square(side: int, lanes: int) -> Array:
    """Sharing (L, side^2, 2) on a grid."""
    return grid((side, side), np.ones((lanes, 2)))


def _from_below_and_above(
    case: Case, lanes: int, side: int, beside: bool
) -> tuple[Case, Array, list[Array]]:
    """The case at every point of the grid, sharing there (L side^2, 2), and levels that best
    replies reach from below and from above."""
    at = case.take(np.repeat(np.arange(lanes), side**2))
    s = _square(side, lanes).reshape(-1, 2)
    cap = np.broadcast_to(case.investment_cap, (lanes, 2)).repeat(side**2, axis=0)
    low = _answered(at, np.concatenate([s, np.zeros_like(s)], -1), beside)
    most = np.nan_to_num(low[:, INVESTMENT]).reshape(lanes, -1).max(1).repeat(side**2)
    above = np.minimum(FAR_ABOVE * np.maximum(most, 1e-6)[:, None], cap)
    return at, s, [low, _answered(at, np.concatenate([s, above], -1), beside)]


def _answered(case: Case, x: Array, beside: bool) -> Array:
    """What best replies from levels (L, 4) settle on or, where they do not and both firms sell,
    Newton's method finds; else NaN."""
    return np.concatenate(
        [
            _answered_together(case.take(rows), x[rows], beside)
            for rows in np.array_split(np.arange(len(x)), max(1, len(x) // CACHED))
        ]
    )


def _answered_together(case: Case, x: Array, beside: bool) -> Array:
    x, on = x.copy(), np.arange(len(x))
    for _ in range(ROUNDS):
        game = investment_game(case.take(on), len(on))
        before = x[on]
        x[on] = best_reply_rounds(game if beside else replace(game, nominate=None), before, 1)
        # what has no reply is NaN, and stays so
        on = on[(np.abs(x[on] - before) > SETTLED * np.maximum(1.0, np.abs(x[on]))).any(-1)]
        if not len(on):
            break
    x[on] = _settled(case.take(on), x[on], DEFAULT) if beside else np.nan
    return np.where((x <= RUNAWAY).all(-1, keepdims=True), x, np.nan)


def _peaks(
    case: Case, lanes: int, side: int, checked: bool, tolerances: Tolerances
) -> tuple[Rows, Array, Array]:
    """From where to climb: lanes (n,), sharing (n, 2) and investments (n, 2) near those that
    follow."""
    at, s, reached = _from_below_and_above(case, lanes, side, beside=True)
    found = []
    for k, levels in enumerate(reached):
        agreement = Agreement(
            case=at,
            near=np.nan_to_num(levels[:, INVESTMENT]),
            checked=checked,
            tolerances=tolerances,
        )
        value = agreement.worth(levels) if not checked else agreement.value(s)
        if k and not checked:  # where nothing else is reached from above, nothing else is climbed
            apart = np.abs(levels - reached[0]) > 1e-3 * np.maximum(1e-3, np.abs(levels))
            other = (
                (apart.any(-1) | (np.isfinite(levels).all(-1) != np.isfinite(reached[0]).all(-1)))
                .reshape(lanes, -1)
                .any(1)
            )
            value = np.where(np.repeat(other, side**2), value, -np.inf)
        value = value.reshape(lanes, side, side)
        around = np.pad(value, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
        shifts = [(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)]
        highest = np.max([around[:, i : i + side, j : j + side] for i, j in shifts], axis=0)
        peak = np.where((value >= highest) & np.isfinite(value), value, -np.inf).reshape(lanes, -1)
        order = np.argsort(-peak, axis=1, kind="stable")[:, :PEAKS]
        lane, turn = np.nonzero(np.isfinite(np.take_along_axis(peak, order, 1)))
        row = lane * side**2 + order[lane, turn]
        found.append((lane, s[row], agreement.near[row]))
    lane, start, near = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(lane, kind="stable")
    return lane[order], start[order], near[order]


def _with_a_firm_out(case: Case, lanes: int, tolerances: Tolerances) -> Points:
    """Where at no sharing every firm sells in equilibrium: the agreement of highest joint profit
    with a firm out, or that there is none."""
    side = SIDE
    at, s, reached = _from_below_and_above(case, lanes, side, beside=False)
    best, levels = np.full(lanes, -np.inf), np.full((lanes, 4), np.nan)
    game = investment_game(at, len(s))
    for x in reached:
        known = np.asarray(np.isfinite(x).all(-1))
        x = np.where(known[:, None], x, 0.0)
        earned = true_profits(at, x)
        gain = np.max([game.reply(firm, x)[1] - earned[:, firm] for firm in (0, 1)], axis=0)
        out = sales(at, net_intercept(at, x)).out.any(-1)
        rests = known & out & (gain <= tolerances.regret)
        worth = np.where(rests, earned.sum(-1), -np.inf).reshape(lanes, -1)
        row = np.arange(lanes) * side**2 + worth.argmax(1)
        better = worth.max(1) > best
        best, levels = (
            np.where(better, worth.max(1), best),
            np.where(better[:, None], x[row], levels),
        )
    some = np.isfinite(best)
    no = np.zeros(lanes, bool)
    return Points(
        lane=np.arange(lanes),
        levels=levels,
        worth=best,
        residual=np.where(some, 0.0, np.inf),
        regret=np.where(some, 0.0, np.inf),
        curvature=np.full(lanes, np.nan),
        holds=some,
        market=no,
        switching=no,
        runaway=no,
    )
