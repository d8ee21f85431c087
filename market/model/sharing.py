"""The sharing that follows given investments: best replies of two firms at Bertrand prices, and
where they meet.

Own sharing does not enter own cost and own price is concave and quadratic in it, so best sharing is
linear in the rival's up to its bounds, with a slope below one: for every pair of investments there
is one sharing equilibrium, in closed form.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from market.model.case import Array, Case, rival
from market.model.cost import unit_cost


def sharing_replies(case: Case, t: Array) -> tuple[Array, Array, tuple[Array, Array]]:
    """Best sharing is clip(slope s_j + level, 0, 1): slope and level (L, 2), and the level's
    derivatives in own and rival's investment."""
    b, b2 = case.own_slope + np.zeros(2), case.cross_slope
    b_j = rival(b)
    e = 2 * b_j * case.leakage_interaction + b2 * rival(case.leakage_interaction)
    h = bend_in_sharing(case)
    x = np.concatenate([np.zeros_like(t), t], -1)
    F = unit_cost(case, x)
    g = b2 * rival(case.demand_spillover) + np.zeros_like(t)
    g_t = np.zeros_like(t)  # of g_i in the rival's investment
    if F is not None:
        g = g - b_j * b2 * rival(F.parameters.spillover * F.rise)
        g_t = -b_j * b2 * rival(F.parameters.spillover * F.rise_t)
    return np.broadcast_to(e / (2 * h), t.shape), g * t / (2 * h), (g / (2 * h), g_t * t / (2 * h))


def bend_in_sharing(case: Case) -> Array:
    """h (L, 2) of `market.model.reply`; not positive where the rival gains so much by a firm's
    leakage that its prices reward the leak."""
    return 2 * rival(case.own_slope + np.zeros(2)) * case.leakage_own - case.cross_slope * rival(
        case.leakage_cross
    )


def sharing_equilibrium(case: Case, t: Array) -> tuple[Array, Array]:
    """The sharing (L, 2) that follows investments t (L, 2), and its derivative (L, 2, 2) in them.

    Firm i's best sharing given its rival's is clip((e_i s_j + g_i t_i) / (2 h_i), 0, 1), in the
    letters of `market.model.reply`.
    """
    slope, level, (by_own, by_rival) = sharing_replies(case, t)
    # Inside, or one firm at a bound and the other answering: whichever is consistent.
    inside = (level + slope * rival(level)) / (1 - slope * rival(slope))
    candidates = [np.clip(inside, 0.0, 1.0)]
    for firm, bound in product((0, 1), (0.0, 1.0)):
        s = np.full_like(t, bound)
        s[:, 1 - firm] = np.clip(level[:, 1 - firm] + slope[:, 1 - firm] * bound, 0.0, 1.0)
        candidates.append(s)
    tries = np.stack(candidates)
    wrong = np.abs(tries - np.clip(level + slope * rival(tries), 0.0, 1.0)).max(-1)
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
