"""Where a leader's payoff has no limit (section 3): at a pole of the follower's best reply, or far
out.

What follower j receives, u = s_i t_i, lowers its costs, and nothing else that the leader chooses
does. Far out its variable profit is G(u) t_j^2 and its cost kappa(u) t_j^2 / 2, kappa falling and G
rising in u; so that its profit is bounded up to the one u* at which kappa = 2 G. As u nears u* from
below, profit at its best reply on the stretch that leads far out is w m^2 kappa / (kappa - 2 G), m
being the numerator of its margin there without investment. Where m > 0 that outdoes every other
reply and the reply itself has no limit. The leader's payoff is then quadratic in it: it has none
either where its margin rises with the follower's investment, its cost being at most k t_i^2 / 2.

Without a pole a leader's payoff may still grow with its own investment. Far out intercepts and
leakage count for nothing, and what is shared saves all that it can: payoff over t_i^2 is what it is
in a market without them at t_i = 1.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case, UnitCost, of_firm
from market.model.cost import form_of, received_at_nil, usefulness
from market.model.own_levels import margin_in_own_levels, net_intercepts_in_own_levels
from market.model.reply import far_slopes, reply_bound
from market.model.wellposed import can_grow, shares_nothing_far_out
from market.solve.roots import root_of_line

HALVINGS = 200
"""Steps in which what the follower receives at the pole is bracketed."""
FAINT = 1e-9
"""Sharing so little that it is as good as none."""
VAST = 1e30
"""A multiple beside which nothing else counts."""
SHARES = np.concatenate([[0.0, FAINT], np.linspace(0, 1, 9)[1:]])
"""Sharing at which growth is looked at far out."""


def received_at_pole(case: Case, leader: int) -> Array:
    """What the follower receives (L,), as much as the leader may give, at which its profit ceases
    to be bounded in own investment; infinite where it is bounded whatever it receives."""
    lanes = case.batch
    follower = 1 - leader
    F = case.unit_cost
    most = np.minimum(of_firm(case.investment_cap, leader), VAST) + np.zeros(lanes)
    if F is not None:
        most = np.minimum(most, of_firm(received_at_nil(F), follower))
    free = np.isinf(of_firm(case.investment_cap, follower))

    def bounded(u: Array) -> NDArray[np.bool_]:
        y = usefulness(case) * u[:, None]
        kappa = form_of(case).parabola(y, case.cost_scale, case.max_saving)[0]
        room = kappa - reply_bound(case, received=u[:, None])
        return (of_firm(room, follower) > 0) | ~free

    ends = ~bounded(most)
    if not ends.any():
        return np.full(lanes, np.inf)
    low, high = np.zeros(lanes), np.minimum(1.0, most)
    while (still := bounded(high) & ends).any():
        low, high = np.where(still, high, low), np.where(still, np.minimum(2 * high, most), high)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if ((middle <= low) | (middle >= high) | ~ends).all():
            break
        still = bounded(middle)
        low, high = np.where(still, middle, low), np.where(still, high, middle)
    return np.where(ends, high, np.inf)


def pole(case: Case, leader: int) -> Array:
    """Commitments (L, 2) near which the leader's payoff grows without limit because the follower's
    best reply does, in the lanes of a flat case; NaN where there are none."""
    u = received_at_pole(case, leader)
    found = np.full((len(u), 2), np.nan)
    for lane in np.flatnonzero((u > 0) & np.isfinite(u)):
        at = case.take([lane])
        own, cross = (of_firm(a, 1 - leader) for a in far_slopes(at, received=u[lane]))
        b_i, b_j, x = _slopes(at, leader)
        if (2 * b_j * cross + x * own > 0) & (2 * b_i * own + x * cross > 0):
            found[lane] = _leading_far_out(at, leader, float(u[lane]))
    return found


def _slopes(case: Case, leader: int) -> tuple[Array, Array, Array]:
    """The leader's and the follower's own slope, and the cross slope."""
    own = case.own_slope
    return of_firm(own, leader), of_firm(own, 1 - leader), of_firm(case.cross_slope, leader)


def _leading_far_out(case: Case, leader: int, u: float) -> Array:
    """Of the commitments that give the follower of one market u one (2,) at which its margin
    without investment is positive on the stretch of its replies that leads far out, tops of it and
    the ends being asked, most sharing first; NaN where there is none.

    With t = u / s that numerator is a polynomial in the leader's s and 1 / s for either end of the
    follower's own sharing, and for what is between where that does not depend on investment.
    """
    follower = 1 - leader
    b, _, x = _slopes(case, leader)

    def in_leaders_levels(sharing: float) -> Array:
        levels = np.zeros((1, 4))
        levels[0, follower] = sharing
        own, cross = net_intercepts_in_own_levels(case, levels, leader)
        return np.array([(2 * b * n + x * o).item() for o, n in zip(own, cross, strict=True)])

    none, all_ = in_leaders_levels(0.0), in_leaders_levels(1.0)
    levels = np.zeros((1, 4))
    levels[0, leader], levels[0, 2 + leader] = 1.0, u
    g, h = (getattr(margin_in_own_levels(case, levels, follower), name).item() for name in "gh")
    if shares_nothing_far_out(case)[..., follower].any():
        g = -1.0
    parts = [none] if g < 0 else [all_] if g > 0 else [none, all_]
    if g == 0 and h > 0:
        between = none.copy()
        between[5] -= (all_[3] - none[3]) ** 2 / (4 * h)
        parts.append(between)
    least = max(u / of_firm(case.investment_cap, leader).item(), FAINT)
    tried = [least, 1.0]
    for _, c1, c2, c3, _, c5 in parts:
        tops = np.roots([-2 * c5, c3, 0.0, -c1 * u, -2 * c2 * u**2])
        tried += [s.real for s in tops if least < s.real < 1.0]
    x_tried = np.zeros((len(tried), 4))
    x_tried[:, leader], x_tried[:, 2 + leader] = tried, u / np.array(tried)
    m = margin_in_own_levels(case, x_tried, follower)
    between = np.clip(m.e / (2 * h), 0.0, 1.0) if h > 0 else np.where(m.e > h, 1.0, 0.0)
    share = between if g == 0 else np.full(len(tried), float(g > 0))
    margin = m.n0 + m.e * share - m.h * share**2
    positive = np.flatnonzero(margin > 0)
    if not len(positive):
        return np.full(2, np.nan)
    most = positive[np.array(tried)[positive].argmax()]
    return np.asarray(x_tried[most, [leader, 2 + leader]])


def far_market(case: Case) -> Case:
    """What is left of the markets of a flat case where investments are so large that intercepts and
    leakage count for nothing, investments being measured in one of them.

    What a firm shares may be so much in all that no unit cost falls below zero: far out that is
    nothing.
    """
    nothing = np.zeros((1, 1))
    form = form_of(case)
    base = nothing if case.unit_cost is None else case.unit_cost.base
    heard = ~shares_nothing_far_out(case)[..., ::-1]
    useful = np.where(heard, case.cost_spillover, 0.0)
    unit = case.unit_cost and UnitCost(
        base=case.unit_cost.base * case.unit_cost.slope / VAST,
        spillover=nothing,
        slope=np.full((1, 1), VAST),
        curvature=nothing,
    )
    return replace(
        case,
        intercept=nothing,
        # decides what is shared where nothing else does
        leakage_own=case.leakage_own / VAST,
        leakage_cross=case.leakage_cross / VAST,
        leakage_interaction=case.leakage_interaction / VAST,
        demand_spillover=np.where(heard, case.demand_spillover, 0.0),
        cost_spillover=np.where(useful > 0, 1.0, 0.0) if form.pure_knowledge else useful,
        reference_investment=np.full((1, 1), 1 / VAST),
        investment_cap=np.where(can_grow(case, base), np.inf, 0.0),
        unit_cost=unit,
    )


def shares_far_out(case: Case, leader: int) -> Array:
    """A leader's sharing (L, n) among which, in the market that is left far out, the best is: its
    payoff over t^2 is convex in sharing where the follower invests and monotone where it does
    not."""
    silent = np.zeros((1, 4))
    silent[0, 2 + leader] = 1.0
    own, cross = net_intercepts_in_own_levels(case, silent, leader)
    b, _, x = _slopes(case, leader)
    rest, by_sharing = (2 * b * cross[k] + x * own[k] for k in (1, 4))
    starts = np.clip(np.nan_to_num(root_of_line(rest, -by_sharing)), 0.0, 1.0)[:, None]
    (lanes,) = case.batch
    wide = np.broadcast_to(SHARES, (lanes, len(SHARES)))
    return np.concatenate([wide, np.broadcast_to(starts, (lanes, 1))], 1)
