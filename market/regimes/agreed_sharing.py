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
from market.solve.edge import on_an_edge
from market.solve.equilibrium import LAST_DIGITS, Game, best_reply_rounds, examine, newton
from market.solve.linear import implicit_slope
from market.solve.optimum import free_curvature, maximise, on_bound
from market.solve.search import grid, one_sided_slope
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
"""How often a search is begun anew from where it has led to."""

SETTLED = 1e-6
"""Share of an investment's size below which they stop."""

PEAKS = 3
"""Local maxima of the grid that are climbed."""

_ANGLES = np.linspace(0, 2 * np.pi, 48, endpoint=False)
CIRCLES = np.concatenate(
    [r * np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], -1) for r in 4.0 ** -np.arange(1, 14)]
)
"""Steps in sharing (n, 2) by which it is asked whether there is more around an end on an edge."""

STEP = 1e-6
"""Step of sharing by which the reduced slope is differenced."""

ASIDE = 0.02
"""Step in sharing by which a saddle is left."""

NEWTON = 8
"""Steps of Newton's method for investments that follow, tried at once; what they do not find best
replies are asked for."""

SAME = 1e-13
"""Share of the larger firm's takings by which a firm may earn less than by its best reply for its
investment to be one: what rounding leaves of payoffs, which are small differences of takings and
outlays."""

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
        _, gradient, hessian = game.players.derivatives(at)
        joint = gradient[0] + gradient[1]
        # rows: own conditions in all four levels
        jacobian = np.stack([hessian[i][:, 2 + i] for i in (0, 1)], 1)
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
    assert game.nominate is not None
    x = newton(game, start, tolerances, NEWTON)
    found = np.asarray(np.isfinite(x).all(-1))
    at = np.where(found[:, None], x, start)
    books = account(case, at, bertrand_matrix)
    takings = np.maximum(1.0, (np.abs(books.profit) + books.investment_cost).max(-1))
    for firm in (0, 1):
        # by what it earns: where a best reply is about to have no limit its digits are few
        most, earned = game.nominate(firm, at)[1], game.players[firm].value(at)
        found &= most - earned <= SAME * takings
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


@dataclass(kw_only=True)
class _Climbed:
    """Where climbs have led, one row each."""

    lane: Rows
    agreement: Agreement
    s: Array
    """(n, 2)."""
    value: Array
    residual: Array
    """As it is; infinite where a climb had nowhere to start."""
    hessian: Array
    """(n, 2, 2)."""

    @classmethod
    def of(cls, lane: Rows, agreement: Agreement, start: Array, tolerances: Tolerances) -> _Climbed:
        """From sharing (n, 2)."""
        few = replace(tolerances, climb_steps=CLIMB)
        end = maximise(agreement, start, np.zeros_like(start), np.ones_like(start), few)
        known = np.isfinite(end.value)
        size = np.maximum(1.0, np.abs(np.where(known, end.value, 1.0)))
        return cls(
            lane=lane,
            agreement=agreement,
            s=end.x,
            value=end.value,
            residual=np.where(known, end.residual * size, np.inf),
            hessian=end.hessian,
        )

    def take(self, rows: Rows) -> _Climbed:
        """These rows."""
        return _Climbed(
            **{
                name: value.take(rows, 0) if name != "agreement" else value.take(rows)
                for name, value in vars(self).items()
            }
        )

    def put(self, rows: Rows, other: _Climbed) -> None:
        """Others in the place of these rows."""
        for name in ("s", "value", "residual", "hessian"):
            vars(self)[name][rows] = vars(other)[name]
        near = self.agreement.near.copy()
        near[rows] = other.agreement.near
        self.agreement = replace(self.agreement, near=near)

    @property
    def curvature(self) -> Array:
        """(n,), where sharing is at no bound."""
        return free_curvature(self.hessian, (self.s <= 0) | (self.s >= 1))

    def runs_away(self, x: Array) -> NDArray[np.bool_]:
        """Whether investments at levels x (n, 4) count as growing without limit."""
        alone = np.nan_to_num(_alone(self.agreement.case, len(x)).max(-1), nan=1.0)
        most = np.nan_to_num(x[:, INVESTMENT]).max(-1, initial=0.0)
        return np.asarray(most > RUNAWAY * np.maximum(1.0, alone))


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
    # beside an edge at which a firm is about to gain none does but by rounding
    inner = replace(tolerances, regret=tolerances.regret / 2)
    agreement = Agreement(case=case.take(lane), near=near, checked=checked, tolerances=inner)
    found = _Climbed.of(lane, agreement, start, tolerances)
    saddle = np.flatnonzero((found.residual <= tolerances.residual) & (found.curvature > 1e-6))
    if len(saddle):  # as where equal firms stay equal: left in both directions
        found = found.take(np.concatenate([np.arange(len(lane)), saddle]))
        both = np.concatenate([saddle, np.arange(len(lane), len(found.lane))])
        found.put(both, _beside_saddles(found.take(both), tolerances))
    top = np.full(lanes, -np.inf)
    np.maximum.at(top, found.lane, found.value)
    size = np.maximum(1.0, np.abs(top[found.lane]))
    counts = found.value >= top[found.lane] - 1e-9 * size
    counts |= found.residual <= tolerances.residual
    found = found.take(np.flatnonzero(np.isfinite(found.value) & counts))
    if thoroughly:
        found = _apart(found, tolerances)
        for row in _unfinished(found, tolerances):
            found.put(row[None], _finished(found.take(row[None]), tolerances))
    return _judged(found, thoroughly, tolerances)


def _apart(found: _Climbed, tolerances: Tolerances) -> _Climbed:
    """One of the climbs of a lane that ended at the same levels, the one nearest to rest."""
    found = found.take(np.argsort(found.residual, kind="stable"))
    x = found.agreement.follow(found.s)
    near = np.abs(x[:, None] - x) <= tolerances.distinct * np.maximum(1.0, np.abs(x))
    same = near.all(-1) & (found.lane[:, None] == found.lane)
    return found.take(np.flatnonzero(~np.tril(same, -1).any(-1)))


def _unfinished(found: _Climbed, tolerances: Tolerances) -> Rows:
    """Climbs that met an edge and count: of those that are asked for all gains at the end alone, a
    point that is none is not worth more digits."""
    x = found.agreement.follow(found.s)
    left = ~(found.residual <= tolerances.residual) & ~found.runs_away(x)
    if not found.agreement.checked:
        game = investment_game(found.agreement.case, len(x))
        left &= examine(game, np.nan_to_num(x), tolerances).nobody_gains(tolerances.regret)
    return np.flatnonzero(left)


def _beside_saddles(found: _Climbed, tolerances: Tolerances) -> _Climbed:
    """Climbs from either side of saddles, each of which is there twice, in two blocks."""
    held = (found.s <= 0) | (found.s >= 1)
    either = held[:, :, None] | held[:, None]
    vector = np.linalg.eigh(np.where(either, 0.0, found.hessian))[1][:, :, -1]
    way = np.where(np.arange(len(held)) < len(held) / 2, ASIDE, -ASIDE)
    start = np.clip(found.s + way[:, None] * vector, 0.0, 1.0)
    return _Climbed.of(found.lane, found.agreement, start, tolerances)


@dataclass(frozen=True, kw_only=True)
class _Pieces:
    """An agreement of one lane in its smooth pieces (`market.solve.edge.Look`): where something
    follows, and the same investments are at their bounds."""

    agreement: Agreement

    def _at(self, s: Array) -> Agreement:
        return self.agreement.take(np.zeros(len(s), np.intp))

    def labels(self, s: Array) -> Rows:
        """Numbers (m,) of the pieces at sharing (m, 2)."""
        there = self._at(s)
        x = there.follow(s)
        t, cap = x[:, INVESTMENT], there.case.investment_cap
        bounds = (t <= 0) @ np.array([1, 2]) + (t >= cap) @ np.array([4, 8])
        return np.where(np.isfinite(there.worth(x)), 1 + bounds, 0)

    def slopes(self, s: Array) -> Array:
        """Of joint profit (m, 2); none where a firm gains, from where no edge is worth
        following."""
        return replace(self._at(s), checked=True).slope(s)[1]

    def near(self, s: Array) -> _Pieces:
        """The same where what follows is looked for near what follows at this sharing (2,)."""
        t = self.agreement.follow(s[None])[:, INVESTMENT]
        if not np.isfinite(t).all():
            return self
        return _Pieces(agreement=replace(self.agreement, near=t))


def _finished(found: _Climbed, tolerances: Tolerances) -> _Climbed:
    """One climb that met an edge, finished along it, from where payoff is higher around that
    again."""
    # an edge is located as exactly as what follows is known
    exact = replace(found.agreement, tolerances=replace(found.agreement.tolerances, target=0.0))
    found = replace(found, agreement=exact)
    for _ in range(ANCHORED):
        pieces = _Pieces(agreement=found.agreement).near(found.s[0])
        led, pieces = on_an_edge(pieces, found.s[0])
        agreement = pieces.near(led).agreement
        tried = np.concatenate([[led], found.s, np.clip(led + CIRCLES, 0.0, 1.0)])
        values = agreement.at_tries(tried[None])[0]
        least = values[0] + LAST_DIGITS * max(1.0, abs(values[0]))
        best = int(values.argmax()) if values.max() > least else 0
        higher = replace(found, agreement=agreement, s=tried[[best]], value=values[[best]])
        if best < 2 or higher.runs_away(agreement.follow(higher.s))[0]:
            return higher
        found = _Climbed.of(found.lane, agreement, tried[[best]], tolerances)
        if found.residual[0] <= tolerances.residual:
            break
    return found


def _judged(found: _Climbed, thoroughly: bool, tolerances: Tolerances) -> Points:
    """What holds of where climbs have led."""
    agreement, residual = found.agreement, found.residual
    switching = ~(residual <= tolerances.residual)
    x = agreement.follow(found.s)
    runaway = switching & found.runs_away(x)
    bent = np.flatnonzero(switching & ~runaway & thoroughly)
    there, whole = agreement.take(bent), np.ones((len(bent), 2))
    residual[bent] = one_sided_slope(there.at_tries, found.s[bent], 0 * whole, whole, whole[:, 0])
    known = np.asarray(np.isfinite(x).all(-1))
    at = np.where(known[:, None], x, 0.0)
    seen = examine(investment_game(agreement.case, len(at)), at, tolerances)
    books = account(agreement.case, at, bertrand_matrix)
    residual = np.maximum(residual, seen.unscaled_residual)
    limit = np.where(switching, tolerances.kink, tolerances.residual)
    # nothing is claimed there
    limit = np.where(switching & at_the_edge(agreement.case, at).any(-1), np.inf, limit)
    # rounding is no gain
    size = np.where(runaway, np.maximum(1.0, np.abs(seen.payoff).max(-1)), 1.0)
    regret = np.where(known, seen.unscaled_regret / size, np.inf)
    return Points(
        lane=found.lane,
        levels=np.where(known[:, None] & ~runaway[:, None], x, np.nan),
        worth=np.where(known, books.profit.sum(-1), -np.inf),
        residual=residual,
        regret=regret,
        curvature=np.where(switching, np.nan, np.fmax(found.curvature, seen.curvature)),
        holds=known & ~runaway & (regret <= tolerances.regret) & (residual <= limit),
        market=books.describes_market,
        switching=switching,
        runaway=runaway,
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
