"""Of what a few starts in every market lead to the best, in many markets at once.

`market.regimes.solve` searches one market from hundreds of starts and proves what can be proven.
Where only levels and statuses are asked for, at the values of a line along which something is
bracketed, a few starts serve all markets together, also those in which a sole chooser would rather
drive a firm out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from market.model.case import SHARING, Array, Case
from market.model.cost import unit_cost
from market.model.outcome import ROUNDING
from market.model.payoff import Payoff
from market.model.pricing import sold_matrix
from market.regimes.edges import at_an_edge
from market.regimes.nil_cost import zero_unit_cost_pays
from market.regimes.objectives import level_bounds, sole_payoff
from market.regimes.points import Points
from market.regimes.record import Outcomes, joined, outcomes
from market.regimes.search import optima
from market.regimes.sellers import among_sellers, climb_among_sellers
from market.regimes.starts import more_afar, promising
from market.regimes.table import Regime, may_have_others
from market.solve.optimum import on_bound
from market.solve.tolerances import DEFAULT, Tolerances

SAME = 1e-4
"""Levels closer than this are one solution to a look at a few starts."""


MORE = 1e-9
"""What a payoff has to exceed another by to be more, over max(1, |payoff|)."""


SAME_STAGED = 1e-7
"""The same in games in stages, relative to max(1, |level|)."""


BESIDE = np.array([[1, 1, *pair] for pair in ((1, 1), (0.3, 0.3), (1, 0), (0, 1), (0.05, 0.05))])
"""Multiples of promising levels from which climbs may start."""
FEW = 8
"""The best of them in every market, so many, from which they do."""
FEW_STEPS = 40
"""Steps of a climb where markets are searched together: the few that take more flip from side to
side of an edge, or have lost an optimum, and hold up all others."""


def fewer_steps(tolerances: Tolerances = DEFAULT) -> Tolerances:
    """The same tolerances, for climbs in many markets at once."""
    return replace(tolerances, climb_steps=FEW_STEPS)


def best(
    case: Case,
    regime: Regime,
    points: Points,
    endless: NDArray[np.bool_],
    tolerances: Tolerances,
    afar: bool = True,
) -> Outcomes:
    """The best point of every lane that holds in a market, and whether all that hold are that one
    and, with `afar`, nothing far from it seems better; `endless` (L,): whether payoff grows without
    limit where some firm would sell less than nothing."""
    lanes, none = len(endless), "a few starts led to nothing that holds"
    if not len(points.lane):
        return outcomes(lanes, status="not_converged", message=none)
    order = np.argsort(points.lane, kind="stable")
    lane = points.lane[order]
    turn = np.arange(len(lane)) - np.searchsorted(lane, lane)
    # every lane's rows side by side; lanes with fewer repeat none
    rows = np.full((int(turn.max(initial=0)) + 1, lanes), -1)
    rows[turn, lane] = order
    good = points.holds & points.market & ~points.switching
    worth = np.where(rows >= 0, np.where(good, points.worth, -np.inf)[rows], -np.inf)
    top = worth.max(0)
    tie = np.where(np.isfinite(top), 1e-11 * np.maximum(1.0, np.abs(top)), 0.0)
    each = np.arange(lanes)
    # what ties up to rounding: the first found, so that neighbours do not flip
    row = rows[(worth >= top - tie).argmax(0), each]
    solved, x = np.isfinite(top), points.levels[row]
    apart = np.abs(points.levels[rows] - x)
    same = SAME_STAGED * np.maximum(1.0, np.abs(x)) if regime.staged else SAME
    several = ((apart > same).any(-1) & np.isfinite(worth)).any(0)
    plain = solved & ~several
    # payoff squares prices: where negative ones seem to pay more, the best with every firm selling
    # is another question
    if regime.sole:
        seems = np.where((rows >= 0) & ~points.market[rows], points.worth[rows], -np.inf).max(0)
        more = np.where(solved, MORE * np.maximum(1.0, np.abs(top)), 0)
        plain &= (seems <= top + more) & ~endless
        if afar:
            plain &= ~more_afar(sole_payoff(case, regime), regime, top + more)
    elif regime.staged:  # every start must have led there
        plain &= (good[rows] | (rows < 0)).all(0)
    if not regime.sole and regime.leader is None:
        plain &= ~may_have_others(case, regime)
    held = held_levels(case, regime, x, tolerances) & solved[:, None]
    return outcomes(
        lanes,
        status=np.where(solved, np.where(held.any(-1), "corner", "converged"), "not_converged"),
        message=np.where(solved, "", none),
        levels=np.where(solved[:, None], x, np.nan),
        residual=np.where(solved, points.residual[row], np.nan),
        regret=np.where(solved, points.regret[row], np.nan),
        curvature=np.where(solved, points.curvature[row], np.nan),
        binding=held,
        several=several,
        plain=plain,
        proven=not regime.sole and not regime.staged,
    )


def held_levels(case: Case, regime: Regime, x: Array, tolerances: Tolerances) -> NDArray[np.bool_]:
    """Which levels (L, 4) lie on a bound of what is chosen; what is imposed is no corner of a
    choice."""
    lower, upper = level_bounds(case, len(x), regime.sharing_range)
    at = np.nan_to_num(x)
    held = on_bound(at, lower, tolerances) | on_bound(at, upper, tolerances)
    if regime.imposed is not None:
        held[:, SHARING] = False
    return held


def more_than(value: float) -> float:
    """A payoff above which another is more than this one, beyond rounding."""
    return value + MORE * max(1.0, abs(value)) if np.isfinite(value) else value


def best_with_every_firm(
    case: Case, regime: Regime, points: Points, endless: NDArray[np.bool_], tolerances: Tolerances
) -> Outcomes:
    """As `best`; where something seems to pay more than what was found, with the best with every
    firm selling from a few more starts, all those lanes together; where the chooser would rather
    drive a firm out the status alone."""
    found = best(case, regime, points, endless, tolerances)
    left = np.flatnonzero(~found.plain)
    if not len(left):
        return found
    some, own = case.take(left), regime.of(left)
    more, limit = _among_sellers(some, own, len(left), tolerances)
    every = Points.joined([points, replace(more, lane=left[more.lane])])
    top, real = np.full(len(endless), -np.inf), every.holds & every.market
    np.maximum.at(top, every.lane[real], every.worth[real])
    driven = [most > more_than(one) for most, one in zip(limit, top[left], strict=True)]
    refused = zero_unit_cost_pays(sole_payoff(some, own), own, np.maximum(top[left], limit))
    none = left[refused | driven]
    found = best(case, regime, every, endless, tolerances)
    without = outcomes(len(none), status="infeasible")
    return joined(len(endless), [(slice(None), found), (none, without)])


def _among_sellers(
    case: Case, regime: Regime, lanes: int, tolerances: Tolerances = DEFAULT
) -> tuple[Points, Array]:
    """Optima of a sole chooser at which every firm sells in the L markets of a flat case, and the
    most (L,) that is approached where one of them sells nothing; minus infinity where no climb
    ends there."""
    payoff = sole_payoff(case, regime)
    sold = np.broadcast_to(sold_matrix(case, regime.prices), (lanes, 2, 2))
    lane, start = _starts(payoff, sold, lanes)
    many = payoff.take(lane)
    bounds = level_bounds(many.case, len(lane), regime.sharing_range)
    ends = climb_among_sellers(many, sold[lane], start, *bounds, tolerances, market=lane)
    cost = unit_cost(many.case, ends.x)
    holds = ends.residual <= tolerances.residual
    if cost is not None:
        holds &= (cost.value >= -ROUNDING * cost.rise).all(-1)
    out, limit = holds & ends.out.any(-1), np.full(lanes, -np.inf)
    np.maximum.at(limit, lane[out], ends.value[out])
    inside = np.flatnonzero(holds & ~ends.out.any(-1))
    return optima(payoff, regime, lane[inside], ends.x[inside], tolerances), limit


def _starts(payoff: Payoff, sold: Array, lanes: int) -> tuple[NDArray[np.intp], Array]:
    """From where to climb: lanes (n,) and levels (n, 4)."""
    lane, start = promising(payoff, lanes)
    lane = np.tile(lane, len(BESIDE))
    start = np.concatenate([start * factors for factors in BESIDE])
    value = among_sellers(payoff, sold).take(lane).value(start)
    order = np.lexsort([-np.nan_to_num(value, nan=-np.inf), lane])
    turn = np.arange(len(lane)) - np.searchsorted(lane[order], lane[order])
    kept = order[turn < FEW]
    edge, there = at_an_edge(payoff, sold, lanes)
    return np.concatenate([lane[kept], edge]), np.concatenate([start[kept], there])
