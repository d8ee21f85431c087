"""Searches for what solves a regime, each from levels in rows to `Points`: climbs, equilibria of
firms that choose at once, stages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from market.certify.uniqueness import symmetric_levels
from market.model.case import INVESTMENT, SHARING, Array, Case
from market.model.outcome import account, every_firm_sells, not_negative
from market.model.payoff import Payoff
from market.model.pricing import revenue_matrices
from market.regimes.agreed_sharing import agree
from market.regimes.nil_cost import zero_unit_cost_pays
from market.regimes.objectives import firm_game, game_in_lanes, level_bounds, sole_payoff
from market.regimes.points import Points, same_as_first
from market.regimes.stages import alone, invest_first, invest_smoothly, lead, lead_smoothly
from market.regimes.starts import all_around, of_one_firm, promising, starting_levels
from market.regimes.table import Regime, may_have_others
from market.solve.equilibrium import REPLY_ROUNDS, System, best_reply_rounds, examine, newton
from market.solve.optimum import at_rest, free_curvature, maximise, on_bound
from market.solve.tolerances import DEFAULT, Tolerances

Rows = NDArray[np.intp]

SETTLED = 1e-4
"""Share of a level's size below which rounds of best replies stop moving it, where Newton
finishes."""

FAR = (10.0, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8)
"""Investments, natural units, from whose square equilibria are searched at which what firms
exchange outgrows the market they began with; best replies run away from these."""

FEW_STEPS = 20
"""Newton's steps to equilibria from levels all over: what takes longer mostly wanders."""

LED_BLOCK = 512
"""Markets with a leader that are searched together: every one takes a grid of first moves."""

SEVERAL_STARTS = (1.0, 0.3, 10.0)
"""Multiples of what firms would invest alone from which equilibria of staged games are searched."""


def searched(case: Case, regime: Regime, lanes: int, tolerances: Tolerances = DEFAULT) -> Points:
    """What a few starts in every lane of a flat case lead to."""
    if regime.staged:
        return staged(case, regime, lanes, tolerances)
    if regime.sole:
        payoff = sole_payoff(case, regime)
        found = optima(payoff, regime, *promising(payoff, lanes), tolerances)
        return replace(
            found, holds=found.holds & ~_runs_after_zero_unit_cost(payoff, regime, found, lanes)
        )
    starts = _game_starts(case, regime, lanes)
    # Best replies find what they settle on; Newton alone also what they run away from. Where
    # sharing is imposed starts differ in nothing.
    answers = [starts[:, 0]] if regime.imposed is not None else [starts[:, 0], starts[:, 8]]
    tries = np.stack([*answers, starts[:, 8], starts[:, 4] * [1, 1, 4, 4]])
    answers_first = np.arange(len(tries)) < len(answers)
    parts = []
    # all tries of a lane together: where several lead to one point, that is examined once
    for rows in _blocks(lanes, max(1, regime.block // len(tries))):
        some, begin = np.arange(lanes)[rows], tries[:, rows]
        lane = np.tile(np.arange(len(some)), len(tries))
        answering = np.repeat(answers_first, len(some))
        here = case.take(some)
        found = equilibria(here, regime, lane, begin.reshape(-1, 4), answering, tolerances)
        parts.append(replace(found, lane=some[found.lane]))
    return Points.joined(parts)


def thorough_optima(
    case: Case, regime: Regime, lanes: int, tolerances: Tolerances = DEFAULT
) -> Points:
    """What many starts lead a sole chooser to, in every lane of a flat case."""
    payoff = sole_payoff(case, regime)
    return optima(payoff, regime, *all_around(payoff, lanes), tolerances, curved=True)


def thorough(case: Case, regime: Regime, only: bool, tolerances: Tolerances = DEFAULT) -> Points:
    """What many starts lead firms that choose at once to, at one flat case; `only`: at most one
    equilibrium is known to exist, so that one start is enough."""
    starts = _game_starts(case, regime, 1)[0]
    if only:
        for first in (False, True):  # Newton's method mostly suffices
            found = equilibria(
                case, regime, np.zeros(1, np.intp), starts[:1], np.array([first]), tolerances
            )
            if found.holds.any():
                return found
    symmetric = symmetric_levels(case, regime.imposed) if case.symmetric() else starts[:0]
    starts = np.concatenate([starts, starts * [1, 1, 0.25, 0.25], symmetric])
    more = _all_over(case, regime, tolerances)
    answering = np.repeat([True, False, False], [len(starts), len(starts), len(more)])
    starts = np.concatenate([starts, starts, more])
    return equilibria(
        case, regime, np.zeros(len(starts), np.intp), starts, answering, tolerances, settled=1e-12
    )


def given(case: Case, regime: Regime, starts: Array, tolerances: Tolerances = DEFAULT) -> Points:
    """What levels (m, L, 4) known beforehand lead to, m starts in every lane."""
    tries, lanes = starts.shape[:2]
    if regime.agreed:
        return agree(case, lanes, tolerances=tolerances, starts=starts)
    lane, levels = np.tile(np.arange(lanes), tries), starts.reshape(-1, 4)
    if regime.sole:
        return optima(sole_payoff(case, regime), regime, lane, levels, tolerances)
    return equilibria(case, regime, lane, levels, np.zeros(len(lane), bool), tolerances)


def optima(
    payoff: Payoff,
    regime: Regime,
    lane: Rows,
    start: Array,
    tolerances: Tolerances = DEFAULT,
    curved: bool = False,
) -> Points:
    """Where a sole chooser's payoff leads that climbs from these levels (n, 4); `curved`: with its
    curvature there."""
    payoff = payoff.take(lane)
    lower, upper = level_bounds(payoff.case, len(lane), regime.sharing_range)
    end = maximise(payoff, start, lower, upper, tolerances)
    size = np.maximum(1.0, np.abs(end.value))
    held = on_bound(end.x, lower, tolerances) | on_bound(end.x, upper, tolerances)
    holds = at_rest(end.x, end.hessian, held, end.residual, size, tolerances)
    market = every_firm_sells(payoff.case, end.x, regime.of(lane).prices)
    curvature = np.full(len(lane), np.nan)
    if curved:
        curvature[holds] = free_curvature(end.hessian[holds], held[holds])
    no = np.zeros(len(lane), bool)
    return Points(
        lane=lane,
        levels=end.x,
        worth=end.value,
        residual=end.residual * size,
        regret=np.full(len(lane), np.nan),
        curvature=curvature,
        holds=holds,
        market=market,
        switching=no,
        ending=no,
        runaway=no,
    )


def _runs_after_zero_unit_cost(
    payoff: Payoff, regime: Regime, found: Points, lanes: int
) -> NDArray[np.bool_]:
    """Rows (n,) of lanes in which the chooser would rather drive a unit cost to zero than take the
    best that was found."""
    if payoff.case.unit_cost is None or not np.any(payoff.case.unit_cost.spillover):
        return np.zeros(len(found.lane), bool)
    top = np.full(lanes, -np.inf)
    np.maximum.at(top, found.lane, np.where(found.holds & found.market, found.worth, -np.inf))
    refused = zero_unit_cost_pays(payoff, regime, top)
    return np.asarray(refused[found.lane])


def equilibria(
    case: Case,
    regime: Regime,
    lane: Rows,
    start: Array,
    answering: NDArray[np.bool_],
    tolerances: Tolerances = DEFAULT,
    settled: float = SETTLED,
) -> Points:
    """Where Newton's method on all firms' conditions leads from these levels (n, 4); where
    `answering`, firms first answer in turn."""
    lanes = case.batch[0]
    size = max(1, regime.block // lanes) * lanes  # whole tries of all lanes
    parts = [
        _equilibria(case, regime, lane[k], start[k], answering[k], tolerances, settled)
        for k in _blocks(len(lane), size)
    ]
    return Points.joined(parts)


def _equilibria(
    case: Case,
    regime: Regime,
    lane: Rows,
    start: Array,
    answering: NDArray[np.bool_],
    tolerances: Tolerances,
    settled: float,
) -> Points:
    lanes = case.batch[0]
    at = case if lanes == len(lane) and (lane == np.arange(lanes)).all() else case.take(lane)
    game = firm_game(at, regime)
    if answering.any():
        start = start.copy()
        some = game if answering.all() else firm_game(case.take(lane[answering]), regime)
        reached = best_reply_rounds(some, start[answering], REPLY_ROUNDS, settled)
        start[answering] = np.where(
            np.isfinite(reached).all(-1, keepdims=True), reached, start[answering]
        )
    reached, system = newton(game, start, tolerances)
    lost = np.asarray(~np.isfinite(reached).all(-1))
    if (again := same_as_first(lane, reached, lost)).any():
        on = np.flatnonzero(~again)
        lane, start, reached, lost = lane[on], start[on], reached[on], lost[on]
        at = case.take(lane)
        game, system = firm_game(at, regime), System(*(a[on] for a in system))
    x = np.where(lost[:, None], start, reached)
    found = examine(game, x, tolerances, None if lost.any() else system)
    books = account(at, found.x, regime.prices)
    # The square of a negative margin is no profit: such levels solve nothing.
    holds = ~lost & not_negative(books.quantity) & found.at_rest
    holds &= found.nobody_gains(tolerances.regret)
    no = np.zeros(len(lane), bool)
    return Points(
        lane=lane,
        levels=found.x,
        worth=found.payoff.sum(-1),
        residual=found.unscaled_residual,
        regret=found.unscaled_regret,
        curvature=found.curvature,
        holds=holds,
        market=books.describes_market,
        switching=no,
        ending=no,
        runaway=no,
    )


def staged(
    case: Case,
    regime: Regime,
    lanes: int,
    tolerances: Tolerances = DEFAULT,
    thoroughly: bool = False,
) -> Points:
    """What the first movers of a game in stages commit, in every lane of a flat case."""
    parts = []
    for rows in _blocks(lanes, regime.block if regime.leader is None else LED_BLOCK):
        some = np.arange(lanes)[rows]
        found = _staged(case.take(some), regime, len(some), tolerances, thoroughly)
        parts.append(replace(found, lane=some[found.lane]))
    return Points.joined(parts)


def _staged(
    case: Case, regime: Regime, lanes: int, tolerances: Tolerances, thoroughly: bool
) -> Points:
    if regime.leader is not None:
        solve = lead if thoroughly else lead_smoothly
        return solve(case, lanes, regime.leader, tolerances)
    if regime.agreed:
        return agree(case, lanes, thoroughly, tolerances)
    if not thoroughly:
        return invest_smoothly(case, lanes, SEVERAL_STARTS, tolerances)
    lane = np.tile(np.arange(lanes), len(SEVERAL_STARTS))
    start = np.repeat(SEVERAL_STARTS, lanes)[:, None] * alone(case, lanes)[lane]
    # where what is exchanged pays for itself at another size, from there
    at_once = replace(regime, order="together")
    fed = np.flatnonzero(may_have_others(case, at_once) & np.ones(lanes, bool))
    for k in fed:
        there = thorough(case.take([k]), at_once, False, tolerances)
        more = there.levels[there.holds & there.market][:, INVESTMENT]
        lane = np.concatenate([lane, np.full(len(more), k)])
        start = np.concatenate([start, more])
    return replace(invest_first(case.take(lane), len(lane), start, tolerances), lane=lane)


def _game_starts(case: Case, regime: Regime, lanes: int) -> Array:
    """Starting levels (L, 9, 4) of firms that choose at once."""
    starts = starting_levels(case, revenue_matrices(case, regime.prices).sum(-3))
    starts = np.broadcast_to(starts, (lanes, *starts.shape[1:])).copy()
    starts[..., SHARING] = np.clip(starts[..., SHARING], *regime.sharing_range)
    return starts


def _all_over(case: Case, regime: Regime, tolerances: Tolerances) -> Array:
    """Levels (n, 4) of one flat case at which Newton's method arrives in few steps from a firm's
    levels of all sizes with the rival's best reply to them, and far out from sharing at the ends
    and in the middle of its range: best replies run away from such equilibria, and few levels are
    near one."""
    least, most = regime.sharing_range
    shares = np.unique([least, (least + most) / 2, most])
    far = np.stack(np.meshgrid(shares, FAR, FAR, indexing="ij"), -1).reshape(-1, 3)
    starts = [far[:, [0, 0, 1, 2]]]
    for firm in (0, 1):
        x = of_one_firm(case, firm, regime.sharing_range)
        answered, _ = game_in_lanes(case, regime, len(x)).reply(1 - firm, x)
        starts.append(answered[np.isfinite(answered).all(-1)])
    start = np.concatenate(starts)
    reached, _ = newton(game_in_lanes(case, regime, len(start)), start, tolerances, steps=FEW_STEPS)
    reached = reached[np.isfinite(reached).all(-1)]
    # digits count up to one, and relative beyond
    digits = np.minimum(reached, 1.0) + np.log(np.maximum(reached, 1.0))
    return reached[np.unique(digits.round(7), axis=0, return_index=True)[1]]


def _blocks(rows: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` rows; one at least."""
    for k in range(0, max(rows, 1), size):
        yield slice(k, k + size)
