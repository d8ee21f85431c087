"""A firm's exact global best reply in its own sharing and investment, rival's levels given, at
Bertrand prices. About two firms.

Where both firms sell, the margin is p_i - F_i = N / (4 b_i b_j - x^2), the numerator in own levels
(s, t) being N = n0 + n1 t + n2 t^2 + (e + g t) s - h s^2, and n2 < 0 only where unit cost is
convex. Profit is w N^2 less (kappa/2) max(t - o, 0)^2, w = b_i / (4 b_i b_j - x^2)^2, where kappa
and the origin o (0 but for the restricted cost) are fixed by the rival's levels. For every t the
best sharing is s*(t) = clip((e + g t) / 2h, 0, 1) where h > 0, as it is where leakage is the same
for both firms; otherwise one of the ends. In t, N is then quadratic on three stretches (s* = 0,
between, s* = 1) and profit quartic: every local maximum is 0, o, the cap, the top of N or the root
at which a cubic falls. All are evaluated; the best wins. Beside them stand replies that drive
the rival out (`market.model.aside`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from market.model.aside import FAR, Aside, Found
from market.model.case import Array, Case, of_firm, rival
from market.model.cost import form_of, own_parabola, received_at_nil
from market.model.leaving import beside_or_alone
from market.model.own_levels import at_own_sharing, margin_of, net_intercepts_in_own_levels
from market.model.wellposed import can_grow, investment_response, shares_nothing_far_out
from market.solve.roots import root_of_line, tops


def best_reply(
    case: Case,
    x: Array,
    firm: int,
    sharing_range: tuple[float, float] | None = (0.0, 1.0),
    beside: bool = False,
    free: bool = False,
) -> tuple[Array, Array]:
    """Levels (L, 4) with this firm's own at its global best reply, and its profit (L,) there; with
    `beside` the best of those beside a rival that sells whatever happens, which nominates
    equilibria but proves none. Levels at which what is shared makes the rival's unit cost negative
    count nowhere; with `free`, or where sharing is not chosen, they do as others.

    Profit is infinite, and the firm's investment NaN, where profit grows without bound in own
    investment. A firm that cannot sell at a profit neither shares nor invests. `sharing_range` is
    what the firm may share; both ends equal where sharing is imposed; None where it is what x says,
    so that only investment is chosen.
    """
    t_j = x[..., 3 - firm]
    intercepts = net_intercepts_in_own_levels(case, x, firm)
    agreed = sharing_range is None
    if (
        sharing_range is None
    ):  # sharing is part of the constants, and what is called so below is zero
        own, cross = (at_own_sharing(n, x[..., firm]) for n in intercepts)
        intercepts, sharing_range = (own, cross), (0.0, 0.0)
    least, most = sharing_range
    n0, n1, n2, e, g, h, w = margin_of(case, firm, *intercepts)
    kappa, origin = own_parabola(case, x, firm)
    cap = np.broadcast_to(of_firm(case.investment_cap, firm), t_j.shape)

    bent = h > 0
    twice = np.where(bent, 2 * h, 1.0)

    def sharing(t: Array) -> Array:
        if least == most:
            return np.full_like(t, least)
        inner = (e + g * t) / twice
        end = np.where(e + g * t >= h * (least + most), most, least)
        return np.where(bent, np.clip(inner, least, most), end)

    def profit(s: Array, t: Array) -> Array:
        # Where the price would be negative nobody buys at any price: the square of a negative price
        # is no revenue.
        margin = n0 + n1 * t + n2 * t**2 + (e + g * t) * s - h * s**2
        return w * np.maximum(margin, 0.0) ** 2 - kappa / 2 * np.maximum(t - origin, 0.0) ** 2

    # Candidates in t, one more axis in front: the ends, then what each stretch N = m0 + m1 t + m2
    # t^2 has. Below the origin, where investment costs nothing, that is the top of N.
    capped, helped = np.isfinite(cap), bool(np.any(origin))
    candidates = [np.zeros_like(t_j)] + [origin] * helped
    candidates += [np.where(capped, cap, 0.0)] * bool(capped.any())
    stretches = [(n0 + e * s - h * s**2, n1 + g * s, n2) for s in dict.fromkeys(sharing_range)]
    if most > least:  # no more than candidates where h <= 0
        stretches.append((n0 + e**2 / (2 * twice), n1 + e * g / twice, n2 + g**2 / (2 * twice)))
    for m in stretches:
        candidates += tops(m, tuple(w * n for n in m), kappa, origin)
        candidates += [root_of_line(m[1], -2 * m[2])] * (helped and bool(np.any(m[2])))
    t = np.array(candidates)
    # larger ones are roots at infinity of a lower degree, NaN is none
    t = np.clip(np.where(np.abs(t) < FAR, t, 0.0), 0.0, cap)
    s = sharing(t)
    if most > least and not bent.all():
        # the end that promises less is better where the other's promise drives the rival out
        t, s = np.concatenate([t, t]), np.concatenate([s, np.where(bent, s, least + most - s)])
    values = profit(s, t)
    # Beyond where the rival leaves the formula does not hold: what it promises there is replaced by
    # the truth.
    aside = Aside.of(case, firm, sharing_range, intercepts, kappa, origin)
    least_out = np.full(t_j.shape, np.inf) if beside else aside.least_out()
    beyond = np.nonzero(t >= least_out)
    if len(beyond[1]):
        there = aside.take(beyond[1])
        without = np.flatnonzero(there.drives_out(s[beyond], t[beyond]))
        beyond = beyond[0][without], beyond[1][without]
        values[beyond] = there.take(without).profit(s[beyond], t[beyond])
    top = np.argmax(values, axis=0), np.arange(t.shape[1])
    s_best, t_best, value = s[top], t[top], values[top]

    # Far out sharing sits at a bound and profit behaves like (w slope^2 - kappa/2) t^2, unless unit
    # cost is convex or the rival is out.
    far = np.where(g > 0, most, np.where(g < 0, least, s_best))
    earned = w * np.maximum(n1 + g * far, 0.0) ** 2
    reach = np.flatnonzero(least_out <= np.minimum(cap, FAR))
    if len(reach):
        earned[reach] = aside.take(reach).far_out()
    unbounded = np.isinf(cap) & np.where(n2 == 0, kappa <= 2 * earned, n2 > 0)
    tempted = aside.tempted(reach[~unbounded[reach]], value)
    if len(tempted):
        found = aside.take(tempted).search(sharing_range)
        better = found.value > value[tempted]
        at = tempted[better]
        s_best[at], t_best[at], value[at] = (
            found.sharing[better],
            found.investment[better],
            found.value[better],
        )
    if not (agreed or beside or free) and case.unit_cost is not None:
        # of s t, with no unit cost of the rival negative
        nil = of_firm(received_at_nil(case.unit_cost), 1 - firm)
        limit = np.broadcast_to(nil, t_best.shape)
        too_much = unbounded | ~(s_best * t_best <= limit * (1 + GIVEN))
        some = np.flatnonzero(np.isfinite(limit) & too_much)
        if len(some):
            own = _giving_little(case.take(some), x[some], firm, sharing_range, aside, limit, some)
            s_best[some], t_best[some], value[some] = own
            unbounded[some] = np.isinf(value[some])
    idle = value <= 0
    out = x.copy()
    if not agreed:
        out[..., firm] = np.where(idle, least, s_best)
    out[..., 2 + firm] = np.where(unbounded, np.nan, np.where(idle, 0.0, t_best))
    return out, np.where(unbounded, np.inf, value)


def _giving_little(
    case: Case,
    x: Array,
    firm: int,
    sharing_range: tuple[float, float],
    aside: Aside,
    limit: Array,
    lanes: NDArray[np.intp],
) -> Found:
    """The best own levels against x (n, 4) that share at most this of own investment; `aside` and
    `limit` are over all lanes, of which these are some."""
    limit, cap = limit[lanes], np.broadcast_to(case.investment_cap, (len(x), 2)).copy()
    beyond = np.flatnonzero(cap[:, firm] > limit)
    # Up to the limit all may be shared.
    cap[:, firm] = np.minimum(cap[:, firm], limit)
    near, value = best_reply(replace(case, investment_cap=cap), x, firm, sharing_range)
    s, t = near[:, firm].copy(), near[:, 2 + firm].copy()
    found = aside.take(lanes[beyond]).giving_little(limit[beyond])
    better = found.value > value[beyond]
    at = beyond[better]
    s[at], t[at], value[at] = (part[better] for part in found)
    return Found(s, t, value)


VAST, TINY = 1e100, 1e-100
"""An investment beside which nothing else counts, natural units, and what does not count."""

KNOWLEDGE = np.logspace(-3, 3, 37)
"""Amounts of knowledge between which it is asked how fast what remains of costs falls."""

GIVEN = 1e-12
"""By what share more than makes the rival's unit cost nil is still that."""


def far_slopes(
    case: Case,
    sharing_range: tuple[float, float] = (0.0, 1.0),
    received: Array | float = 0.0,
) -> tuple[Array, Array]:
    """What a unit that each firm invests adds far out to its own net intercept and to its rival's,
    (..., 2) each, at the own sharing that suits it best, when it receives t_j s_j."""
    F = case.unit_cost
    dearer = np.zeros((1, 2)) if F is None else _left_of_unit_cost(case, received) * F.slope
    shared = np.where(
        shares_nothing_far_out(case),
        0.0,
        np.maximum(*(rival(case.demand_spillover) * s for s in sharing_range)),
    )
    x = case.cross_slope
    return 1 - case.own_slope * dearer, shared - rival(case.rivalry) + x * dearer


def _left_of_unit_cost(case: Case, received: Array | float) -> Array:
    """What is left (..., 2) of unit costs without own investment."""
    if case.unit_cost is None:
        return np.zeros((1, 2))
    base, saved = case.unit_cost.base, case.unit_cost.spillover
    left = base - saved * received + np.zeros(2)
    return np.asarray(np.where(left > GIVEN * base, left, 0.0))


def reply_bound(
    case: Case,
    sharing_range: tuple[float, float] = (0.0, 1.0),
    received: Array | float = 0.0,
) -> Array:
    """What kappa must exceed, per firm (..., 2), for profit to be bounded in own investment where
    the rival's levels give it `received` = t_j s_j, by default nothing, so that the unit cost is
    what it is: twice variable profit over t^2 far out. It rises with what is received. Zero where
    investment cannot grow.
    """
    b, x = case.own_slope, case.cross_slope
    margin, sold = beside_or_alone(*far_slopes(case, sharing_range, received), b, rival(b), x)
    grows = can_grow(case, _left_of_unit_cost(case, received))
    return np.where(grows, 2 * margin * sold, 0.0)


def replies_feed_each_other(case: Case) -> NDArray[np.bool_]:
    """Whether what both firms of a flat case invest and share may pay for itself at another size
    too (L,), so that there may be several equilibria.

    It may where, with all that sharing can add to what investments bring and knowledge take from
    what they cost, a firm's best investment grows by itself, or both grow with the rival's by more
    than in proportion. Far out firm i's best investment is (kappa_i o_i + 2 w_i P_ii P_ij) t_j over
    kappa_i - 2 w_i P_ii^2, in the letters above, o_i t_j being its origin and P t the numerators of
    margins. On the way there knowledge grows with the square of investment where sharing rises in
    step with it.
    """
    t = np.minimum(case.investment_cap + np.zeros(2), VAST)
    most = np.concatenate([np.ones_like(t), t], -1)
    both = zip(*(own_parabola(case, most, firm) for firm in (0, 1)), strict=True)
    kappa, origin = (np.stack(each, -1) for each in both)
    b, x = case.own_slope + np.zeros(2), case.cross_slope
    P = np.zeros((2, 2))
    for sharing in (np.zeros(2), np.ones(2)):  # each entry is monotone in one firm's
        M = investment_response(case, sharing)
        P = np.maximum(P, 2 * rival(b)[..., None] * M + x[..., None] * M[..., ::-1, :])
    own, other = P[..., [0, 1], [0, 1]], P[..., [0, 1], [1, 0]]
    w = b / (4 * b * rival(b) - x**2) ** 2
    room = kappa - 2 * w * own**2
    pull = kappa * origin / np.where(t > 0, t, 1.0)[..., ::-1] + 2 * w * own * other
    # who may not invest answers nothing
    room, pull = np.where(t > 0, room, 1.0), np.where(t > 0, pull, 0.0)
    known = KNOWLEDGE[:, None, None] * (case.cost_spillover > 0)
    left = form_of(case).parabola(known, case.cost_scale, case.max_saving)[0] - 2 * w * own**2
    falls = -np.diff(np.log(np.maximum(left, TINY)), axis=0) / np.diff(np.log(KNOWLEDGE))[0]
    steepest = 2 * np.where(t > 0, falls.max(0), 0.0)
    return np.asarray(
        (room <= 0).any(-1) | (pull.prod(-1) >= room.prod(-1)) | (steepest.prod(-1) >= 1)
    )
