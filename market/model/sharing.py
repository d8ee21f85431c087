"""The sharing that follows given investments: best replies of two firms at Bertrand prices, and
where they meet.

Own sharing does not enter own cost and own price is quadratic in it, so best sharing is linear in
the rival's up to its bounds where price is concave, with slopes that multiply to less than one
where leakage is the same for both firms: for every pair of investments there is then one sharing
equilibrium, in closed form.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case, rival
from market.model.cost import unit_cost


def sharing_replies(case: Case, t: Array) -> tuple[Array, Array, tuple[Array, Array]]:
    """Best sharing is clip(slope s_j + level, 0, 1): slope and level (L, 2), and the level's
    derivatives in own and rival's investment."""
    b2, b_j = case.cross_slope, rival(case.own_slope + np.zeros(2))
    e, h = _pull_in_sharing(case), bend_in_sharing(case)
    x = np.concatenate([np.zeros_like(t), t], -1)
    F = unit_cost(case, x)
    g = b2 * rival(case.demand_spillover) + np.zeros_like(t)
    g_t = np.zeros_like(t)  # of g_i in the rival's investment
    if F is not None:
        g = g - b_j * b2 * rival(F.parameters.spillover * F.rise)
        g_t = -b_j * b2 * rival(F.parameters.spillover * F.rise_t)
    return np.broadcast_to(e / (2 * h), t.shape), g * t / (2 * h), (g / (2 * h), g_t * t / (2 * h))


def steepness(case: Case) -> Array:
    """The product of the slopes (L or 1,) of both best replies in sharing to the rival's; infinite
    where one has none. Only where leakage differs between firms may it be one or more."""
    e, h = _pull_in_sharing(case), bend_in_sharing(case)
    bent = (h > 0).all(-1)
    return np.where(bent, e.prod(-1) / np.where(bent, 4 * h.prod(-1), 1.0), np.inf)


def sharing_settles(case: Case) -> NDArray[np.bool_]:
    """Whether sharing follows investments (L or 1,): there is one sharing equilibrium, or one that
    replies leave all others for once anybody invests."""
    pays = (case.demand_spillover >= 0).all(-1)
    if case.unit_cost is not None:
        pays = pays & ~(case.unit_cost.spillover > 0).any(-1)
    steep = steepness(case)
    return np.asarray((steep < 1) | (np.isfinite(steep) & pays))


def _pull_in_sharing(case: Case) -> Array:
    """What the rival's sharing adds to e (L, 2) of `market.model.reply`."""
    shared = case.leakage_interaction + np.zeros(2)
    own_slope = case.own_slope + np.zeros(2)
    return np.asarray(2 * rival(own_slope) * shared + case.cross_slope * rival(shared))


def bend_in_sharing(case: Case) -> Array:
    """h (L, 2) of `market.model.reply`; not positive where the rival gains so much by a firm's
    leakage that its prices reward the leak."""
    return 2 * rival(case.own_slope + np.zeros(2)) * case.leakage_own - case.cross_slope * rival(
        case.leakage_cross
    )


def _shared(wish: Array) -> Array:
    """What is shared by who would share so much."""
    return np.minimum(np.maximum(wish, 0.0), 1.0)


def sharing_equilibrium(case: Case, t: Array) -> tuple[Array, Array]:
    """The sharing (L, 2) that follows investments t (L, 2), and its derivative (L, 2, 2) in them.

    Firm i's best sharing given its rival's is clip((e_i s_j + g_i t_i) / (2 h_i), 0, 1), in the
    letters of `market.model.reply`.
    """
    slope, level, (by_own, by_rival) = sharing_replies(case, t)
    # One firm at a bound and the other answering, or inside: whichever is consistent. Where replies
    # are together steeper than one they run away from the point inside, and at no investment from
    # no sharing too: the most sharing stands first.
    tries = np.empty((5, *t.shape))
    for k, bound in ((0, 1.0), (2, 0.0)):
        answer = _shared(level + slope * bound)
        tries[k, :, 0], tries[k, :, 1] = bound, answer[:, 1]
        tries[k + 1, :, 0], tries[k + 1, :, 1] = answer[:, 0], bound
    steep = slope * rival(slope)
    inside = (level + slope * rival(level)) / np.where(steep < 1, 1 - steep, np.inf)
    tries[4] = _shared(inside)
    wrong = np.abs(tries - _shared(level + slope * rival(tries))).max(-1)
    s = tries[wrong.argmin(0), np.arange(len(t))]
    wish = level + slope * rival(s)
    free = (wish > 0) & (wish < 1)
    # ds = free (slope ds_j + d level): two linear equations.
    by = np.zeros((*t.shape, 2))
    by[:, [0, 1], [0, 1]] = by_own
    by[:, [0, 1], [1, 0]] = by_rival
    by = np.where(free[..., None], by, 0.0)
    active = np.where(free, slope, 0.0)
    determinant = 1 - active[:, 0] * active[:, 1]
    return s, (by + active[..., None] * by[:, ::-1]) / determinant[:, None, None]
