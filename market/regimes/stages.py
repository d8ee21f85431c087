"""Games of two firms in which levels are chosen one after the other: a leader commits, or
investment comes before sharing.

`sequential` (section 3): one firm commits its sharing and investment, the other answers with its
global best reply, prices follow. The reply is exact but may have kinks and jumps, so the leader's
payoff is searched on a grid, then by shrinking steps, and only then polished with its total
derivative (15), (16), the reaction of its own cost included.

`investment_first` (footnote 27): both invest, then both share, then prices follow. For every pair
of investments there is one sharing equilibrium, in closed form (`market.model.sharing`). What is
left is a game in two investments.

Both work on many markets at once, one lane each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from market.model.case import INVESTMENT, SHARING, Array, Case, of_firm
from market.model.leaving import true_profits
from market.model.outcome import account
from market.model.payoff import firm_payoffs
from market.model.pricing import bertrand_matrix
from market.model.reply import best_reply
from market.model.sharing import sharing_equilibrium, sharing_replies, sharing_settles
from market.regimes.no_limit import FAINT, far_market, pole, received_at_pole, shares_far_out
from market.regimes.points import Points, same_as_first
from market.solve.equilibrium import LAST_DIGITS
from market.solve.linear import implicit_slope
from market.solve.optimum import free_curvature, on_bound
from market.solve.search import (
    PEAKS,
    ROUNDS,
    SHRINK,
    Slope,
    Value,
    descend,
    grid,
    one_sided_slope,
    peaks_of,
    polish,
    search,
    search_range,
)
from market.solve.tolerances import DEFAULT, Tolerances

CACHED = 4096
"""Levels valued together: what is computed on the way should fit the processor's cache."""

EVERYWHERE = (11, 41)
"""Sharing and investments of a leader on the grids from whose peaks it is climbed in few
markets."""

BEYOND = 1e4
"""Multiple of the range of investment looked at first up to which a leader's is looked for by
orders."""

BESIDE = (4, 12)
"""The same where it is asked in many markets whether there is better."""

LOOKED = 100
"""Investments on the grid on which a deviation is looked for in many markets."""

LOOK = (7, 25)
"""Sharing and investments of a leader on the grid from whose peaks it is climbed in many
markets."""

GROWS = 1e-9
"""Share of the cost scale above which growth over t^2 far out is no rounding."""

RUNAWAY = 1e6
"""Multiple of what a firm would invest alone beyond which best replies count as growing without
limit."""


def _caps(case: Case, lanes: int) -> Array:
    return np.broadcast_to(case.investment_cap, (lanes, 2))


def alone(case: Case, lanes: int) -> Array:
    """Each firm's best investment (L, 2) while the rival neither shares nor invests: the size to
    expect. One where it has no limit."""
    silent = np.zeros((lanes, 4))
    found = [best_reply(case, silent, firm, free=True)[0][:, 2 + firm] for firm in (0, 1)]
    return np.nan_to_num(np.column_stack(found), nan=1.0)


def _points(
    case: Case,
    x: Array,
    residual: Array,
    regret: Array,
    curvature: Array,
    switching: NDArray[np.bool_],
    runaway: NDArray[np.bool_],
    tolerances: Tolerances,
) -> Points:
    """What was found in the L markets of a flat case, one row each; levels are NaN where a first
    mover's payoff has no limit."""
    limit = np.where(switching, tolerances.kink, tolerances.residual)
    books = account(case, np.where(runaway[:, None], np.nan, x), bertrand_matrix)
    return Points(
        lane=np.arange(len(x)),
        levels=np.where(runaway[:, None], np.nan, x),
        worth=books.profit.sum(-1),
        residual=residual,
        regret=regret,
        curvature=np.where(switching, np.nan, curvature),
        holds=~runaway
        & np.isfinite(x).all(-1)
        & (regret <= tolerances.regret)
        & (residual <= limit),
        market=books.describes_market,
        switching=switching,
        ending=np.zeros(len(x), bool),
        runaway=runaway,
    )


# --- a leader and a follower


def follow(case: Case, leader: int, own: Array) -> Array:
    """Levels (L, 4) when the leader commits own levels (L, 2) and the other firm answers; NaN where
    it has no bounded answer."""
    x = np.zeros((len(own), 4))
    x[:, leader], x[:, 2 + leader] = own[:, 0], own[:, 1]
    return best_reply(case, x, 1 - leader, free=True)[0]


def _earned_by_leading(case: Case, leader: int, x: Array) -> Array:
    """The leader's profit (L,) at levels x (L, 4) that follow."""
    earned = true_profits(case, np.nan_to_num(x))[:, leader]
    return np.where(np.isfinite(x).all(-1), earned, -np.inf)


def _leader_value(case: Case, leader: int) -> Value:
    def value(own: Array) -> Array:
        lanes, tries = own.shape[:2]
        lane, flat = np.repeat(np.arange(lanes), tries), own.reshape(-1, 2)
        out = np.empty(len(flat))
        for k in range(0, len(flat), CACHED):
            rows = slice(k, k + CACHED)
            at = case.take(lane[rows])
            out[rows] = _earned_by_leading(at, leader, follow(at, leader, flat[rows]))
        return out.reshape(lanes, tries)

    return value


def lead(case: Case, lanes: int, leader: int, tolerances: Tolerances = DEFAULT) -> Points:
    """The leader's best commitments in the L markets of a flat case."""
    value = _leader_value(case, leader)
    first, cap = _first_range(case, lanes, leader)
    lower, upper = np.zeros((lanes, 2)), np.column_stack([np.ones(lanes), cap])
    top, runaway, _ = search_range(value, first, cap, (5, 9))
    runaway |= without_limit(case, leader)
    own = _searched_everywhere(case, leader, top, cap)
    top = np.maximum(top, own[:, 1])
    wide, shape = np.column_stack([np.ones(lanes), top]), EVERYWHERE

    slope = _slope_of_leading(case, leader, tolerances)
    found, residual, jacobian, held = polish(slope, own, lower, upper, tolerances)
    switching = (
        ~(residual <= tolerances.residual) | (value(found[:, None]) < value(own[:, None]))[:, 0]
    )
    own = np.where(switching[:, None], own, found)
    bent = np.flatnonzero(switching & ~runaway)
    if len(bent):  # at a kink or a jump of the follower's reply only ever smaller steps help
        there = _leader_value(case.take(bent), leader)
        step = wide[bent] / (np.array(shape) - 1) * SHRINK**ROUNDS
        own[bent] = descend(there, own[bent], step, lower[bent], upper[bent])
        own[bent] = _along_the_ridge(case.take(bent), leader, own[bent], cap[bent])
        smooth = lead_smoothly(case.take(bent), len(bent), leader, tolerances)
        other, reached = smooth.levels[:, [leader, 2 + leader]], there(own[bent][:, None])[:, 0]
        last = LAST_DIGITS * np.maximum(1.0, np.abs(reached))
        as_good = smooth.holds & (there(np.nan_to_num(other)[:, None])[:, 0] >= reached - last)
        own[bent[as_good]], residual[bent[as_good]] = other[as_good], smooth.residual[as_good]
        switching[bent[as_good]] = False
    x = follow(case, leader, own)
    best = value(own[:, None])[:, 0]
    known = np.isfinite(best)
    size = np.maximum(1.0, np.abs(np.where(known, best, 1.0)))
    left = np.flatnonzero(switching)
    if len(left):
        sides = (a[left] for a in (own, lower, upper, top))
        steepest = one_sided_slope(_leader_value(case.take(left), leader), *sides)
        residual[left] = steepest / size[left]
    fine = value(grid((14, 60), np.column_stack([np.ones(lanes), np.minimum(2 * top, cap)])))
    own_curvature = free_curvature((jacobian + np.swapaxes(jacobian, -1, -2)) / 2, held)
    regret = np.maximum(fine.max(1) - np.where(known, best, -np.inf), 0.0) / size
    if len(bent):
        own_curvature[bent[as_good]] = smooth.curvature[as_good]
    return _points(case, x, residual, regret, own_curvature, switching, runaway, tolerances)


def _ranges(case: Case, leader: int, top: Array, cap: Array) -> list[Value]:
    """Commitments (L, m, 2) at shares w (L, m, 2) of the ranges in which a leader's are looked for:
    up to the investment (L,) that is looked at first, beyond it by orders, and as shares of what
    the follower may receive before its best reply has no limit, near which payoffs change fast."""
    received = received_at_pole(case, leader)[:, None]
    received = np.where(np.isfinite(received), received, 0.0)
    first, most = top[:, None], cap[:, None]

    def near(w: Array) -> Array:
        return first * w[..., 1]

    def far(w: Array) -> Array:
        return np.minimum(first * BEYOND ** w[..., 1], most)

    def before_the_pole(w: Array) -> Array:
        s, v = w[..., 0], w[..., 1]
        return np.minimum(received * v * (2 - v) / np.maximum(s, FAINT), most)

    def commit(investment: Value, w: Array) -> Array:
        return np.stack([w[..., 0], investment(w)], -1)

    some = [near, far] + [before_the_pole] * bool(received.any())
    return [partial(commit, investment) for investment in some]


def _searched_everywhere(case: Case, leader: int, top: Array, cap: Array) -> Array:
    """The best commitments (L, 2) found in any of the ranges."""
    lanes, ranges = len(top), _ranges(case, leader, top, cap)
    R = len(ranges)
    value = _leader_value(case.take(np.tile(np.arange(lanes), R)), leader)
    nil, one = np.zeros((R * lanes, 2)), np.ones((R * lanes, 2))

    def committed(w: Array) -> Array:
        each = w.reshape(R, lanes, -1, 2)
        return np.concatenate([of(some) for of, some in zip(ranges, each, strict=True)])

    # all ranges of all markets at once, a lane each
    w, earned = search(lambda w: value(committed(w)), nil, one, one, EVERYWHERE)
    own = committed(w[:, None]).reshape(R, lanes, 2)
    return own[earned.reshape(R, lanes).argmax(0), np.arange(lanes)]


def without_limit(case: Case, leader: int) -> NDArray[np.bool_]:
    """Whether the leader's payoff (L,) grows without limit near a pole of the follower's best reply
    or far out."""
    endless = np.isfinite(pole(case, leader)[:, 0])
    far = far_market(case)
    share = shares_far_out(far, leader)
    grows = _leader_value(far, leader)(np.stack([share, np.ones_like(share)], -1)).max(1)
    uncapped = np.isinf(_caps(far, len(share))[:, leader])
    return np.asarray(endless | (uncapped & (grows > GROWS * of_firm(case.cost_scale, leader))))


def _first_range(case: Case, lanes: int, leader: int) -> tuple[Array, Array]:
    """The range of investment (L,) that is looked at first, and what the leader may invest."""
    cap = _caps(case, lanes)[:, leader]
    scale = alone(case, lanes).max(1)
    return np.minimum(4 * np.maximum(scale, 1e-6), cap), cap


def lead_smoothly(case: Case, lanes: int, leader: int, tolerances: Tolerances = DEFAULT) -> Points:
    """The same where the best commitment lies where payoff is smooth, from the peaks of a coarser
    grid; where it may lie at a kink or a jump, nothing holds."""
    value = _leader_value(case, leader)
    first, cap = _first_range(case, lanes, leader)
    top, runaway, values = search_range(value, first, cap, LOOK)
    runaway |= without_limit(case, leader)
    peak, fall = peaks_of(values.reshape(lanes, *LOOK))
    order = np.argsort(-peak, axis=1, kind="stable")[:, :PEAKS]
    lane, turn = np.nonzero(np.isfinite(np.take_along_axis(peak, order, 1)))
    point = order[lane, turn]
    start = grid(LOOK, np.column_stack([np.ones(lanes), top]))[lane, point]
    at = case.take(lane)
    upper = np.column_stack([np.ones(len(lane)), cap[lane]])
    slope = _slope_of_leading(at, leader, tolerances)
    own, residual, jacobian, held = polish(slope, start, np.zeros_like(start), upper, tolerances)
    x = follow(at, leader, own)
    worth, here = _earned_by_leading(at, leader, x), values[lane, point]
    smooth = (residual <= tolerances.residual) & (worth >= here)
    best = np.full(lanes, -np.inf)
    np.maximum.at(best, lane[smooth], worth[smooth])
    # Between points of the grid a kink or a jump rises above its own by no more than it falls to
    # those beside it.
    bent = np.zeros(lanes, bool)
    bent[lane[~smooth & (here + fall[lane, point] > best[lane])]] = True
    bent |= ~np.isfinite(best)

    row, leads = np.zeros(lanes, np.intp), np.flatnonzero(smooth & (worth >= best[lane]))
    row[lane[leads]] = leads
    share = grid(BESIDE, np.ones((lanes, 2)))
    other = np.concatenate([of(share) for of in _ranges(case, leader, top, cap)[1:]], 1)
    most = np.maximum(values.max(1), value(other).max(1))
    known = np.where(bent, 0.0, best)
    regret = np.where(bent, np.inf, np.maximum(most - known, 0.0) / np.maximum(1.0, np.abs(known)))
    bend = (jacobian + np.swapaxes(jacobian, -1, -2))[row] / 2
    curvature = free_curvature(bend, held[row])
    return _points(case, x[row], residual[row], regret, curvature, bent, runaway, tolerances)


def _along_the_ridge(case: Case, leader: int, own: Array, cap: Array) -> Array:
    """Commitments (L, 2) improved along a jump of the follower's reply: over sharing, with the best
    investment for each.

    A jump is a curve in both levels, and steps in fixed directions leave it; in investment alone it
    is a point.
    """
    centre = own[:, 1]

    def best_investment(sharing: Array) -> tuple[Array, Array]:
        lanes, tries = sharing.shape
        at = _leader_value(case.take(np.repeat(np.arange(lanes), tries)), leader)
        s, middle = sharing.reshape(-1), np.repeat(centre, tries)
        low, high = 0.8 * middle[:, None], np.minimum(1.25 * middle, np.repeat(cap, tries))[:, None]

        def value(t: Array) -> Array:
            return at(np.stack([np.broadcast_to(s[:, None], t.shape[:2]), t[..., 0]], -1))

        width = high - low
        grid_points = low[:, None] + np.linspace(0, 1, 25)[None, :, None] * width[:, None]
        first = grid_points[np.arange(len(s)), value(grid_points).argmax(1)]
        t = descend(value, first, width / 24, low, high)
        return t[:, 0].reshape(lanes, tries), value(t[:, None]).reshape(lanes, tries)

    def along(sharing: Array) -> Array:
        return best_investment(sharing[..., 0])[1]

    s = descend(
        along,
        own[:, :1],
        np.full((len(own), 1), 0.02),
        np.zeros((len(own), 1)),
        np.ones((len(own), 1)),
        1e-9,
    )
    t, value = (a[:, 0] for a in best_investment(s))
    better = value > _leader_value(case, leader)(own[:, None])[:, 0]
    return np.where(better[:, None], np.column_stack([s[:, 0], t]), own)


def _slope_of_leading(case: Case, leader: int, tolerances: Tolerances) -> Slope:
    def slope(own: Array, lanes: NDArray[np.intp]) -> tuple[Array, Array]:
        at = case.take(lanes)
        x = follow(at, leader, own)
        return (
            _leader_slope(at, leader, np.nan_to_num(x), tolerances),
            _earned_by_leading(at, leader, x),
        )

    return slope


def _leader_slope(case: Case, leader: int, x: Array, tolerances: Tolerances) -> Array:
    """The leader's total derivatives (15), (16) in its own sharing and investment, (L, 2)."""
    own, others = [leader, 2 + leader], [1 - leader, 3 - leader]
    _, gradients, hessians = firm_payoffs(case).derivatives(x)
    gradient, hessian = gradients[leader], hessians[1 - leader]
    upper = np.column_stack([np.ones(len(x)), _caps(case, len(x))[:, 1 - leader]])
    held = on_bound(x[:, others], np.zeros_like(upper), tolerances) | on_bound(
        x[:, others], upper, tolerances
    )
    reaction = implicit_slope(hessian[:, others][:, :, others], hessian[:, others][:, :, own], held)
    return np.asarray(gradient[:, own] + np.einsum("lfo,lf->lo", reaction, gradient[:, others]))


# --- investment first, sharing second


def _investor_value(case: Case, firm: int | NDArray[np.intp], t: Array) -> Value:
    """What this firm, or one (L,) in every lane, earns by its own investment."""
    firms = np.broadcast_to(firm, len(t))

    def value(own: Array) -> Array:
        tries = own.shape[1]
        lane = np.repeat(np.arange(len(t)), tries)
        out, each = np.empty(len(lane)), np.arange(len(lane))
        both = t[lane]
        both[each, firms[lane]] = own.reshape(-1)
        for k in range(0, len(lane), CACHED):
            rows = slice(k, k + CACHED)
            at = case.take(lane[rows])
            earned = true_profits(at, levels_after(at, both[rows]))
            out[rows] = earned[np.arange(len(earned)), firms[lane[rows]]]
        return out.reshape(-1, tries)

    return value


def invest_first(case: Case, lanes: int, start: Array, tolerances: Tolerances = DEFAULT) -> Points:
    """Equilibrium investments in the L markets of a flat case, sharing and prices following, that
    best replies reach.

    Both firms answer at once, from investments `start` (L, 2), so that equal firms stay equal.
    Where sharing reaches its bound payoffs have kinks, and a whole line of equilibria may lie along
    one: one of them is found.
    """
    cap = _caps(case, lanes)
    usual = alone(case, lanes)
    t, tops, runaway = np.minimum(start, cap), 3 * usual, np.zeros(lanes, bool)
    moving = np.arange(lanes)
    for _ in range(40):
        before, m = t[moving], len(moving)
        # both firms of all markets at once, a lane each
        lane, firm = np.repeat(moving, 2), np.tile([0, 1], m)
        value, most = _investor_value(case.take(lane), firm, t[lane]), cap[lane, firm]
        first = np.minimum(3 * np.maximum(t[lane, firm], 1e-3 * usual[lane, firm]), most)
        top, far, _ = search_range(value, first, most)
        own, _ = search(value, np.zeros((2 * m, 1)), most[:, None], top[:, None], (25,), rounds=10)
        now, tops[moving] = own.reshape(m, 2), top.reshape(m, 2)
        away = np.asarray(far.reshape(m, 2).any(-1) | _far_beyond(now, usual[moving]))
        settled = (np.abs(now - before) <= 1e-3 * np.maximum(1e-3, now)).all(-1)
        runaway[moving] = away
        t[moving] = np.where(away[:, None], before, now)
        moving = moving[~(settled | away)]
        if not len(moving):
            break

    slope = _slopes_of_investing(case)
    found, residual, jacobian, held = polish(slope, t, np.zeros_like(cap), cap, tolerances)
    switching = ~(residual <= tolerances.residual)
    t = np.where(switching[:, None], t, found)
    bent = np.flatnonzero(switching & ~runaway)
    if len(
        bent
        # a kink where sharing reaches a bound: replies to full precision, or both exactly
        # at the kink
    ):
        there, limit, range_ = case.take(bent), cap[bent], tops[bent]
        t[bent] = _precise_replies(there, t[bent], limit)
        at_kink = np.minimum(_both_just_sharing_everything(there, len(bent)), limit)
        slope_there, regret_there = _deviations(there, at_kink, limit, range_)
        holds = (slope_there <= tolerances.kink) & (regret_there <= tolerances.regret)
        better = true_profits(there, levels_after(there, at_kink)).sum(-1) >= true_profits(
            there, levels_after(there, t[bent])
        ).sum(-1)
        t[bent] = np.where((holds & better)[:, None], at_kink, t[bent])
    runaway |= _far_beyond(t, usual)
    one_sided, regret = _deviations(case, t, cap, tops)
    # Where a firm's profit is convex in its own sharing the replies above are no maxima, and where
    # each shares because the other does there may be others: nothing is claimed.
    regret = np.where(sharing_settles(case), regret, np.inf)
    own = np.where(held, np.nan, jacobian[:, [0, 1], [0, 1]])
    residual = np.where(switching, one_sided, residual)
    curvature = np.fmax(own[:, 0], own[:, 1])
    return _points(
        case, levels_after(case, t), residual, regret, curvature, switching, runaway, tolerances
    )


def _slopes_of_investing(case: Case) -> Slope:
    """Each firm's total derivative in its own investment."""
    players = firm_payoffs(case)

    def slope(t: Array, lanes: NDArray[np.intp]) -> tuple[Array, Array]:
        at = case.take(lanes)
        s, by = sharing_equilibrium(at, t)
        x = np.concatenate([s, t], -1)
        gradients = np.moveaxis(players.take(lanes).derivatives(x)[1], 0, 1)  # (n, firm, 4)
        total = gradients[..., INVESTMENT] + np.einsum("lfs,lst->lft", gradients[..., SHARING], by)
        return total[:, [0, 1], [0, 1]], true_profits(at, x).max(1)

    return slope


def invest_smoothly(
    case: Case, lanes: int, starts: Sequence[float], tolerances: Tolerances = DEFAULT
) -> Points:
    """The same from several starts where payoffs are smooth, by Newton's method alone; where it
    does not arrive, nothing holds."""
    lane = np.tile(np.arange(lanes), len(starts))
    at, start = case.take(lane), np.repeat(starts, lanes)[:, None]
    cap = _caps(at, len(lane))
    usual = np.tile(alone(case, lanes), (len(starts), 1))
    t, residual, jacobian, held = polish(
        _slopes_of_investing(at),
        np.minimum(start * usual, cap),
        np.zeros_like(cap),
        cap,
        tolerances,
    )
    bent = ~(residual <= tolerances.residual) | _far_beyond(t, usual)
    kept = np.flatnonzero(~same_as_first(lane, t, bent))
    lane, at, cap, usual, t = lane[kept], at.take(kept), cap[kept], usual[kept], t[kept]
    residual, jacobian, held, bent = residual[kept], jacobian[kept], held[kept], bent[kept]
    gain = _gains(at, t, cap, 3 * np.maximum(usual, t), LOOKED)
    regret = np.where(sharing_settles(at) & ~bent, gain, np.inf)
    own = np.where(held, np.nan, jacobian[:, [0, 1], [0, 1]])
    curvature = np.fmax(own[:, 0], own[:, 1])
    no = np.zeros(len(t), bool)
    found = _points(at, levels_after(at, t), residual, regret, curvature, bent, no, tolerances)
    return replace(found, lane=lane)


def _far_beyond(t: Array, usual: Array) -> NDArray[np.bool_]:
    """Whether investments t (L, 2) count as growing without limit beside those of firms that are
    `alone`."""
    return np.asarray((t > RUNAWAY * np.maximum(1.0, usual)).any(-1))


def levels_after(case: Case, t: Array) -> Array:
    """Levels (L, 4) when firms invest t (L, 2) and then share."""
    return np.concatenate([sharing_equilibrium(case, t)[0], t], -1)


def _deviations(case: Case, t: Array, cap: Array, tops: Array) -> tuple[Array, Array]:
    """What either firm gains by investing otherwise: the largest one-sided slope and, on a grid,
    the largest gain, both scaled (L,)."""
    size = np.maximum(1.0, np.abs(true_profits(case, levels_after(case, t))))
    slopes = []
    for firm in (0, 1):
        value, limit = _investor_value(case, firm, t), cap[:, firm]
        here = t[:, firm : firm + 1]
        slopes.append(
            one_sided_slope(value, here, np.zeros_like(here), limit[:, None], tops[:, firm])
            / size[:, firm]
        )
    return np.maximum(*slopes), _gains(case, t, cap, tops, 400)


def _gains(case: Case, t: Array, cap: Array, tops: Array, points: int) -> Array:
    """The largest gain (L,) of either firm, scaled, from investing what is on a grid."""
    earned = true_profits(case, levels_after(case, t))
    size, gains = np.maximum(1.0, np.abs(earned)), []
    for firm in (0, 1):
        tried = grid((points,), np.minimum(2 * tops, cap)[:, firm, None])
        most = _investor_value(case, firm, t)(tried).max(1)
        gains.append((most - earned[:, firm]) / size[:, firm])
    return np.maximum(np.maximum(*gains), 0.0)


def _both_just_sharing_everything(case: Case, lanes: int) -> Array:
    """The investments (L, 2) at which each firm's best sharing, the other sharing everything, is
    exactly one; infinite where none."""
    t = np.ones((lanes, 2))
    slope, level, _ = sharing_replies(case, t)
    with np.errstate(divide="ignore"):
        return np.where(level > 0, (1 - slope) / np.where(level > 0, level, 1.0), np.inf)


def _precise_replies(case: Case, t: Array, cap: Array) -> Array:
    """Investments (L, 2) after best replies in turn, each found by ever smaller steps from the
    last."""
    for _ in range(60):
        before = t.copy()
        for firm in (0, 1):
            own = t[:, firm : firm + 1]
            value, step = _investor_value(case, firm, t), 0.1 * np.maximum(own, 1e-6)
            t[:, firm] = descend(value, own, step, np.zeros_like(own), cap[:, firm : firm + 1])[
                :, 0
            ]
        if (np.abs(t - before) <= 1e-13 * np.maximum(1.0, t)).all():
            break
    return t
