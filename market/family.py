"""One regime at many cases at once: related ones, a market seen over a grid of types or along a path, or any.

A few of the cases are solved from many starts; their solutions start all the others, which Newton finishes together. Every case
keeps its own residual and, in games, its own regret by exact best replies, so that a solution followed too far is noticed: what
fails is solved again from scratch, alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.case import SHARING, Array, Case
from market.outcome import account
from market.payoff import Payoff
from market.pricing import revenue_matrices
from market.regimes import (
    BOTH,
    FINE_GRID,
    REGIMES,
    Regime,
    benefit_matrix,
    fine_starts,
    firm_game,
    level_bounds,
    local_optima,
    needed_scale,
    solve_regime,
    starting_levels,
)
from market.solve.equilibrium import best_reply_rounds, examine, newton
from market.solve.optimum import maximise
from market.solve.tolerances import DEFAULT, Tolerances
from market.wellposed import zero_unit_cost_pays


@dataclass(frozen=True, kw_only=True)
class Family:
    """A regime's solutions at L cases."""

    levels: Array
    """(L, 4); NaN where there is no solution."""
    residual: Array
    """Projected first-order residual over max(1, |payoff|), (L,)."""
    regret: Array
    """Largest gain from a global own deviation over max(1, |payoff|), (L,); NaN in optimisations, where nobody deviates."""
    several: NDArray[np.bool_]
    """(L,): whether more than one local optimum or equilibrium was met."""


def solve_family(case: Case, key: str, anchors: NDArray[np.intp], nearest: NDArray[np.intp], tolerances: Tolerances = DEFAULT) -> Family:
    """Solve one regime at the L lanes of a flat case.

    `anchors` (m,) are the lanes solved from many starts; `nearest` (L,) says for every lane which anchor (0..m-1) it starts from.
    """
    regime = REGIMES[key]
    solve = _equilibria if regime.chooser == "firms" else _optima
    return solve(case, regime, anchors, nearest, tolerances)


def solve_lanes(case: Case, regime: Regime, lanes: int, tolerances: Tolerances = DEFAULT) -> Family:
    """Solve one regime, its choosers acting at once, at the L unrelated lanes of a flat case: each from several starts.

    Levels are NaN where nothing was found that describes a market. Among several equilibria the one with the highest joint profit is
    taken. Optima are searched, not proven; `solve_regime` does that one case at a time.
    """
    if regime.chooser == "firms":
        game = firm_game(case, regime)
        Q = np.broadcast_to(revenue_matrices(case, regime.prices).sum(-3), (lanes, 2, 2))
        starts = np.broadcast_to(starting_levels(case, Q), (lanes, 9, 4)).copy()
        starts[..., SHARING] = np.clip(starts[..., SHARING], *regime.sharing_range)
        points, residuals, regrets, worth = [], [], [], []
        reached = [best_reply_rounds(game, starts[:, which], 40, 1e-4) for which in (0, 8)]
        # Best replies find what they settle on; Newton alone also what they run away from.
        tries_from = [np.where(np.isfinite(x), x, starts[:, 8]) for x in reached] + [starts[:, 8], starts[:, 4] * [1, 1, 4, 4]]
        for start in tries_from:
            there = newton(game, start, tolerances)
            lost = ~np.isfinite(there).all(-1)
            found = examine(game, np.where(np.expand_dims(lost, -1), start, there), tolerances)
            fits = (found.residual <= tolerances.residual) & (found.regret <= tolerances.regret)
            good = ~lost & fits & account(case, found.x, regime.prices).describes_market
            points.append(found.x)
            residuals.append(found.residual)
            regrets.append(found.regret)
            worth.append(np.where(good, found.payoff.sum(-1), -np.inf))
    else:
        Q = np.broadcast_to(benefit_matrix(case, regime), (lanes, 2, 2))
        payoff = Payoff(case=case, benefit=Q, cost_weight=BOTH)
        lane, start = _promising(case, payoff, Q, lanes)
        lower, upper = level_bounds(case.take(lane), len(lane))
        climbed = maximise(payoff.take(lane), start, lower, upper, tolerances)
        good = (climbed.residual <= tolerances.residual) & account(case.take(lane), climbed.x, regime.prices).describes_market
        bounded = np.asarray(np.isfinite(case.investment_cap).all(-1) | (case.cost_scale[:, 0] > needed_scale(case, regime)))
        good &= np.broadcast_to(bounded, lanes)[lane]
        if case.unit_cost is not None and np.any(case.unit_cost.spillover):
            top = np.full(lanes, -np.inf)
            np.maximum.at(top, lane, np.where(good, climbed.value, -np.inf))
            refused = np.array([zero_unit_cost_pays(payoff.take([one]), float(top[one])) for one in range(lanes)])
            good &= ~refused[lane]
        # Every lane's climbs side by side; lanes with fewer climbs repeat none.
        turn = np.arange(len(lane)) - np.searchsorted(lane, lane)
        tries = int(turn.max()) + 1
        table = np.full((tries, lanes, 4), np.nan)
        table[turn, lane] = climbed.x
        points = list(table)
        residuals = list(_spread_out(climbed.residual, turn, lane, tries, lanes, np.nan))
        regrets = [np.full(lanes, np.nan)] * tries
        worth = list(_spread_out(np.where(good, climbed.value, -np.inf), turn, lane, tries, lanes, -np.inf))
    values, rows = np.array(worth), np.arange(lanes)
    best = (values >= values.max(0) - _tie(values.max(0))).argmax(0)
    solved = np.isfinite(values.max(0))
    away = np.asarray(np.abs(np.array(points) - np.array(points)[best, rows]).max(-1) > 1e-4)
    return Family(
        levels=np.where(solved[:, None], np.array(points)[best, rows], np.nan),
        residual=np.array(residuals)[best, rows],
        regret=np.array(regrets)[best, rows],
        several=(away & np.isfinite(values)).any(0),
    )


def _spread_out(values: Array, turn: NDArray[np.intp], lane: NDArray[np.intp], tries: int, lanes: int, missing: float) -> Array:
    """Values of climbs as a table (tries, lanes)."""
    table = np.full((tries, lanes), missing)
    table[turn, lane] = values
    return table


def _promising(case: Case, payoff: Payoff, Q: Array, lanes: int) -> tuple[NDArray[np.intp], Array]:
    """From where to climb: lanes, in order, and starting levels (n, 4).

    Of grids of sharing with near-optimal investments: their local peaks, their four corners, the best point inside and the best at which
    the firms differ. Over 20,000 random markets this met every optimum but a few in 10,000 that climbing from all points of a grid did.
    """
    size = len(FINE_GRID)
    found = []
    for points in fine_starts(case, Q):
        starts = np.broadcast_to(points, (lanes, size**2, 4))
        value = payoff.value(np.swapaxes(starts, 0, 1)).T.reshape(lanes, size, size)
        lane, which = np.nonzero(_picked(np.where(np.isfinite(value), value, -np.inf)))
        found.append((lane, starts[lane, which]))
    lane, start = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(lane, kind="stable")
    return lane[order], start[order]


def _picked(value: Array) -> NDArray[np.bool_]:
    """Which points of grids of sharing, with values (L, size, size), are worth a climb: (L, size * size)."""
    lanes, size, _ = value.shape
    around = np.pad(value, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    shifts = [(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    picked = value >= np.max([around[:, i : i + size, j : j + size] for i, j in shifts], axis=0)
    picked[:, :: size - 1, :: size - 1] = True
    inner = value[:, 1:-1, 1:-1].reshape(lanes, -1).argmax(1)
    picked[np.arange(lanes), 1 + inner // (size - 2), 1 + inner % (size - 2)] = True
    # A climb from equal levels of equal firms stays on the diagonal, be it a saddle: the best point off it leaves.
    unequal = ~np.eye(size, dtype=bool)
    unequal[0, -1] = unequal[-1, 0] = False
    aside = np.where(unequal, value, -np.inf).reshape(lanes, -1).argmax(1)
    picked[np.arange(lanes), aside // size, aside % size] = True
    return np.asarray(picked.reshape(lanes, -1))


def _optima(case: Case, regime: Regime, anchors: NDArray[np.intp], nearest: NDArray[np.intp], tolerances: Tolerances) -> Family:
    lanes, m = len(nearest), len(anchors)
    Q = np.broadcast_to(benefit_matrix(case, regime), (lanes, 2, 2))
    bounded = np.isfinite(case.investment_cap).all(-1) | (case.cost_scale[:, 0] > needed_scale(case, regime))
    bounded = np.broadcast_to(bounded, lanes)

    at = case.take(anchors)
    starts = np.concatenate(fine_starts(at, Q[anchors]), axis=1)
    starts = np.broadcast_to(starts, (m, *starts.shape[1:]))
    climbed = local_optima(at, Q[anchors], starts, tolerances)
    value = np.where(climbed.residual <= tolerances.residual, climbed.value, -np.inf).reshape(m, -1)
    points = climbed.x.reshape(m, -1, 4)
    # Mirror images of an asymmetric optimum tie up to rounding: the first found wins, so that neighbours do not flip between them.
    best = points[np.arange(m), (value >= value.max(1, keepdims=True) - _tie(value.max(1, keepdims=True))).argmax(1)]
    # A second start where an anchor's search also ended elsewhere.
    away = (np.abs(points - best[:, None]) > 1e3 * tolerances.distinct * np.maximum(1.0, np.abs(best[:, None]))).any(-1)
    second = points[np.arange(m), np.where(away, value, -np.inf).argmax(1)]
    double = away.any(1)

    payoff = Payoff(case=case, benefit=Q, cost_weight=BOTH)
    lower, upper = level_bounds(case, lanes)
    first = maximise(payoff, best[nearest], lower, upper, tolerances)
    x, top, residual = first.x.copy(), first.value.copy(), first.residual.copy()
    # Where any anchor met several optima, every lane is also tried from each anchor's best and second: branches cross somewhere.
    if double.any():
        candidates = _spread(np.concatenate([best, second[double]]))
        for point in candidates:
            other = maximise(payoff, np.broadcast_to(point, (lanes, 4)), lower, upper, tolerances)
            better = (other.residual <= tolerances.residual) & (other.value > top + _tie(top))
            x[better], top[better], residual[better] = other.x[better], other.value[better], other.residual[better]
    failed = ~((residual <= tolerances.residual) & account(case, x, regime.prices).describes_market) & bounded
    for lane in np.flatnonzero(failed):
        alone = solve_regime(case.take([lane]), regime.key, tolerances)
        if alone.levels is not None and alone.certificate.residual is not None:
            x[lane], residual[lane], failed[lane] = alone.levels, alone.certificate.residual, False
    x[failed | ~bounded] = np.nan
    return Family(levels=x, residual=residual, regret=np.full(lanes, np.nan), several=double[nearest])


def _equilibria(case: Case, regime: Regime, anchors: NDArray[np.intp], nearest: NDArray[np.intp], tolerances: Tolerances) -> Family:
    lanes = len(nearest)
    outcomes = [solve_regime(case.take([lane]), regime.key, tolerances) for lane in anchors]
    start = np.array([np.full(4, np.nan) if o.levels is None else o.levels for o in outcomes])
    several = np.array([bool(o.certificate.others) for o in outcomes])
    game = firm_game(case, regime)
    x = np.broadcast_to(start[nearest], (lanes, 4)).copy()
    lost = np.isnan(x).any(-1)
    x[lost] = 0.0
    found = examine(game, np.nan_to_num(newton(game, x, tolerances)), tolerances)
    good = (found.residual <= tolerances.residual) & (found.regret <= tolerances.regret)
    good &= ~lost & account(case, found.x, regime.prices).describes_market
    levels, residual, regret = found.x.copy(), found.residual.copy(), found.regret.copy()
    for lane in np.flatnonzero(~good):
        alone = solve_regime(case.take([lane]), regime.key, tolerances)
        levels[lane] = np.nan if alone.levels is None else alone.levels
        residual[lane] = np.nan if alone.certificate.residual is None else alone.certificate.residual
        regret[lane] = np.nan if alone.certificate.regret is None else alone.certificate.regret
    return Family(levels=levels, residual=residual, regret=regret, several=several[nearest])


def _tie(value: Array) -> Array:
    """The difference up to which payoffs count as equal."""
    return np.where(np.isfinite(value), 1e-11 * np.maximum(1.0, np.abs(value)), 0.0)


def _spread(points: Array) -> list[Array]:
    """A few of the points (m, 4) that are far from each other: greedy, at most six."""
    scale = np.maximum(np.ptp(points, axis=0), 1e-12)
    kept = [points[0]]
    while len(kept) < 6:
        distance = np.min([(np.abs(points - k) / scale).max(-1) for k in kept], axis=0)
        if distance.max() < 0.2:
            break
        kept.append(points[int(np.argmax(distance))])
    return kept
