"""Does a chooser's problem have a solution at all, and if not, which parameter would give it one.

Investment earns a quadratic benefit and costs about k (1 - gamma) t^2 / 2 once both firms invest
and share (k t^2 / 2 for a firm whose cost has no spillover). With M(s) the derivative of the
shifted intercepts in investments, payoff is bounded for every sharing iff (k/2) sum_i kappa_i t_i^2
> t' M' Q M t for all t >= 0, t != 0, where kappa_i = 1 - gamma if lambda_c,i > 0 and 1 otherwise.
For given t the right side is convex in s, so the four corners of the sharing square decide. Payoff
squares prices, so that levels with negative ones look like gains: only directions in which every
firm sells count. Where the best direction of all is none of them, the others are tried in a fan, at
the corners and at the sharing at which some quantity stays the same.

Far out only what can grow counts. A firm's investment cannot where it is capped, nor where it makes
a unit cost rise convexly, unless the firm is out of the market all the same. Where a unit cost
falls with what is shared, levels with a negative unit cost are no market: what is received t_j s_j
is bounded, so that far out nothing is shared and the saving stays below its limit, but all but
nothing of the unit cost may be left, or so much that a rival sells that otherwise would not. A unit
cost that is convex in own investment rises as fast as the rival's investment t_j where own
investment grows as the root of t_j, which costs nothing beside t_j^2: far out it is whatever one
likes. Cost forms that are no parabola in own investment far out, and unit costs that rise with it,
are tried in a fan of directions. In these cases boundedness is not proven, but what is called
unbounded is.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case, of_firm, rival, take_lanes
from market.model.cost import form_of, received_at_nil, unit_cost_rises, usefulness
from market.model.demand import apply as apply_matrix
from market.model.demand import matrix, slope_matrix, times


def investment_response(case: Case, sharing: Array, left: Array | None = None) -> Array:
    """M(s) (..., 2, 2): the derivative of net intercept i in investment j where unit cost is
    linear; `left` (..., 2) is what received knowledge leaves of unit costs without own investment,
    by default all."""
    # row i: what the rival's investment does to firm i
    off = case.demand_spillover * sharing[..., ::-1] - case.rivalry
    one = np.ones_like(off[..., 0])
    out = matrix(one, off[..., 0], off[..., 1], one)
    if case.unit_cost is not None:
        F = case.unit_cost
        rise = (F.base if left is None else left) * F.slope
        out = out - slope_matrix(case) * rise[..., None, :]
    return out


VAST = 1e100
"""What is so large beside a unit cost is none."""
ROUNDING = 1e-12
"""Share of a needed scale that is none: where directions beside the best need as much none is
looked for."""
TOGETHER = 1 << 14
"""Directions, at all pairs of sharing, that are looked at together."""
CORNERS = np.array(list(product((0.0, 1.0), repeat=2)))
"""The corners of the sharing square."""


def remaining_cost(case: Case) -> Array:
    """kappa (..., 2): the share of the stand-alone cost that remains however much knowledge is
    received."""
    return _far_out(case, np.ones(1), np.zeros(1)) + np.zeros(2)


def _far_out(case: Case, t: Array, y: Array) -> Array:
    """2 f / (k r^2) (..., 2) far out along the direction (t, y)."""
    return form_of(case).far_out(t, y, case.cost_spillover > 0, case.max_saving)


def most_received(case: Case) -> Array:
    """The most of t_j s_j (..., 2) that firm i can receive with no unit cost negative; infinite
    where there is no limit."""
    most = rival(case.investment_cap) + np.zeros(2)
    if case.unit_cost is not None:
        most = np.minimum(most, received_at_nil(case.unit_cost))
    return np.asarray(most)


def least_unit_cost(case: Case) -> Array:
    """What is left (..., 2) of unit costs without own investment where as much as possible is
    received."""
    if case.unit_cost is None:
        return np.zeros((1, 2))
    base, saved = case.unit_cost.base, case.unit_cost.spillover
    received = np.where(saved > 0, most_received(case), 0.0)
    left = base - saved * received
    return np.asarray(np.where(left > 1e-12 * base, left, 0.0))


def can_grow(case: Case, left: Array) -> NDArray[np.bool_]:
    """Whose investment (..., 2) can grow without limit where this is left of unit costs: it is not
    capped, nor its unit cost convex."""
    free = np.isinf(case.investment_cap) & np.ones(2, bool)
    return np.asarray(
        free if case.unit_cost is None else free & ~((left > 0) & (case.unit_cost.curvature > 0))
    )


def dearer_at_will(case: Case) -> NDArray[np.bool_]:
    """Whose unit cost (..., 2) rises as fast as a rival's investment t while its own grows as the
    root of t alone: it is convex, and own investment not capped."""
    if case.unit_cost is None:
        return np.zeros((1, 2), bool)
    F = case.unit_cost
    return np.asarray(
        (F.base > 0) & (F.curvature > 0) & np.isinf(case.investment_cap) & np.ones(2, bool)
    )


def _can_grow_beside(case: Case, left: Array, sold: Array) -> NDArray[np.bool_]:
    """As `can_grow`, and who is out of the market where its unit cost rises: no quantity of those
    in `sold` (..., 2, 2) falls with it."""
    grows = can_grow(case, left)
    if not (dearer := dearer_at_will(case)).any():
        return grows
    D = slope_matrix(case)
    fall, size = times(sold, D), times(np.abs(sold), np.abs(D))
    out = (fall <= 1e-12 * size).all(-2) & (fall < -1e-12 * size).any(-2)
    return np.asarray(grows | (dearer & out))


def shares_nothing_far_out(case: Case) -> NDArray[np.bool_]:
    """Whether a firm (..., 2) shares nothing as its investment grows, for its rival's unit cost
    would fall below zero."""
    return (
        np.zeros((1, 2), bool)
        if case.unit_cost is None
        else (rival(case.unit_cost.spillover) > 0) & np.ones(2, bool)
    )


def _cost_far_out(case: Case, t: Array, sharing: Array) -> Array:
    """2 f / (k r^2) (..., 2) far out along the direction t (..., 2)."""
    most, useful = most_received(case), usefulness(case)
    bounded = np.isfinite(most)
    share = form_of(case).parabola(
        useful * np.where(bounded, most, 0.0), np.ones(1), case.max_saving
    )[0]
    return np.asarray(
        np.where(bounded, share * t**2, _far_out(case, t, useful * (t * sharing)[..., ::-1]))
    )


def relative_scale(case: Case) -> Array:
    """k_i / k_1 (..., 1 or 2): what is said of a scale is said of firm 1's, the other's in
    proportion."""
    return case.cost_scale / case.cost_scale[..., :1]


def required_scale(case: Case, benefit: Array, sold: Array | None = None) -> Array:
    """What cost.scale must exceed for payoff N' Q N - sum_i f_i to be bounded, (L,) at a flat case.

    It is firm 1's scale, the other's in proportion. Only levels at which every firm sells count;
    without `sold` all do.

    `sold` (..., 2, 2) are the quantities in net intercepts: only directions in which none of them
    falls lead anywhere far out.
    """
    sold = np.zeros((2, 2)) if sold is None else sold
    shape = np.broadcast_shapes(case.batch, benefit.shape[:-2])
    worst, sells = np.full(shape, -np.inf), np.ones(shape, bool)
    left = least_unit_cost(case)
    grows, silent = _can_grow_beside(case, left, sold), shares_nothing_far_out(case)
    root = np.sqrt(relative_scale(case) * _cost_far_out(case, np.ones(2), np.zeros(2)))
    for corner in CORNERS:
        M = investment_response(case, corner, left)
        N = times(times(np.swapaxes(M, -1, -2), benefit), M)
        N = N / (root[..., :, None] * root[..., None, :])
        # The largest value of t'Nt on the unit circle in t >= 0: the eigenvalue if its vector
        # points there, else an axis.
        mean, spread = (N[..., 0, 0] + N[..., 1, 1]) / 2, (N[..., 0, 0] - N[..., 1, 1]) / 2
        reach = np.hypot(spread, N[..., 0, 1])
        inside = (N[..., 0, 1] > 0) & grows.all(-1)
        alone = [np.where(grows[..., i], N[..., i, i], -np.inf) for i in (0, 1)]
        needed = 2 * np.where(inside, mean + reach, np.maximum(*alone))
        first = alone[0] >= alone[1]
        along = [np.where(inside, N[..., 0, 1], first), np.where(inside, reach - spread, ~first)]
        t = np.stack(along, -1) / root
        real = (
            apply_matrix(sold, apply_matrix(M, t)) >= -1e-12 * np.abs(t).max(-1, keepdims=True)
        ).all(-1)
        better = (needed > worst) & ~(silent & (corner > 0)).any(-1)
        worst, sells = np.where(better, needed, worst), np.where(better, real, sells)
    rises = unit_cost_rises(case)
    fan = np.asarray((rises | (not form_of(case).own_far_out) | ~sells) & grows.any(-1))
    some = np.flatnonzero(np.broadcast_to(fan, shape))
    if len(some):
        worst = np.broadcast_to(worst, shape).copy()
        worst[some] = _among_sellers(
            case.take(some), take_lanes(benefit, some), np.broadcast_to(sold, (*shape, 2, 2))[some]
        )
    # At the bound itself payoff is linear far out; rounding must not decide on which side a case
    # is.
    return worst * (1 + ROUNDING * np.sign(worst))


def _among_sellers(case: Case, benefit: Array, sold: Array) -> Array:
    """The largest scale (...) needed in any direction of investments and at any sharing at which no
    quantity falls far out.

    For a direction the gain is convex in sharing and in unit costs, and quantities are linear in
    them: a corner decides, or a point of an edge at which a quantity stays the same. Directions are
    a fan, and around the best ever finer ones.
    """

    least = least_unit_cost(case)
    grows, silent = _can_grow_beside(case, least, sold), shares_nothing_far_out(case)

    def needed(angle: Array) -> Array:
        """What directions at these angles (A, ...) need."""
        t = np.where(grows, np.stack([np.cos(angle), np.sin(angle)], -1), 0.0)
        t = t / np.maximum(np.hypot(t[..., :1], t[..., 1:]), 1e-300)
        most, room = np.full(np.shape(angle), -np.inf), _room_of_unit_costs(case, t, least)
        pairs = _deciding(case, sold, t, least, room)
        size = max(1, TOGETHER // most.size)
        for k in range(0, len(pairs), size):
            sharing, extra = (
                np.stack([np.broadcast_to(one, t.shape) for one in part])
                for part in zip(*pairs[k : k + size], strict=True)
            )
            inside = ((sharing >= 0) & (sharing <= 1) & (~silent | (sharing == 0))).all(-1)
            inside = inside & ((extra >= 0) & (extra <= room)).all(-1)
            sharing = np.where(inside[..., None], sharing, 0.0)
            rise = _rise(case, sharing, least, t, extra)
            cost = (relative_scale(case) * _cost_far_out(case, t, sharing)).sum(-1)
            gain = 2 * (rise * apply_matrix(benefit, rise)).sum(-1)
            nil = 1e-12 * np.maximum(1.0, extra.max(-1, keepdims=True))  # of what cancels out
            sells = (apply_matrix(sold, rise) >= -nil).all(-1)
            ratio = np.divide(gain, cost, out=np.full(gain.shape, np.inf), where=cost > 1e-12)
            ratio = np.where(inside & sells & (gain > 0), ratio, -np.inf)
            most = np.maximum(most, ratio.max(0))
        return most

    shape = np.broadcast_shapes(case.batch, benefit.shape[:-2])
    best, need = np.zeros(shape), np.full(shape, -np.inf)
    angles, width = (
        np.linspace(0, np.pi / 2, 65)[(...,) + (None,) * len(shape)] + np.zeros(shape),
        np.pi / 128,
    )
    shares = np.linspace(-1, 1, 33)[(...,) + (None,) * len(shape)]
    for _ in range(8):
        found = needed(angles)
        top = found.argmax(0)[None]
        most = np.take_along_axis(found, top, 0)[0]
        best, need = (
            np.where(most > need, np.take_along_axis(angles, top, 0)[0], best),
            np.maximum(most, need),
        )
        beside = (np.clip(top + by, 0, len(found) - 1) for by in (-1, 1))
        lower = np.minimum(*(np.take_along_axis(found, k, 0)[0] for k in beside))
        if (lower >= most * (1 - ROUNDING)).all() and np.isfinite(most).all():
            break
        angles = np.clip(best + shares * width, 0, np.pi / 2)
        width /= 16
    return need


def _rise(case: Case, sharing: Array, least: Array, t: Array, extra: Array) -> Array:
    """By how much net intercepts (..., 2) rise along t (..., 2) where unit costs rise by `extra`
    more than they have to."""
    rise = apply_matrix(investment_response(case, sharing, least), t)
    return rise - apply_matrix(slope_matrix(case), extra) if extra.any() else rise


def _room_of_unit_costs(case: Case, t: Array, least: Array) -> Array:
    """By how much more than they have to unit costs (..., 2) may rise along t (..., 2)."""
    if case.unit_cost is None:
        return np.zeros(2)
    F = case.unit_cost
    # a little more than all, for rounding
    saved = (F.base - least) * np.where(F.curvature > 0, 0.0, F.slope) * t * (1 + 1e-12)
    return np.asarray(np.where(dearer_at_will(case), VAST, saved))


def _deciding(
    case: Case, sold: Array, t: Array, least: Array, room: Array
) -> list[tuple[Array, Array]]:
    """Pairs of sharing and of how much more unit costs rise than they have to (..., 2) among which,
    for investments along t (..., 2), the one of largest gain with no quantity falling is; those
    with sharing outside the square or more than there is `room` for are none.

    All are at an end of what they may be but at most one, which keeps some quantity the same: with
    a dearer firm's unit its rival may sell that otherwise would not. What is received is bounded
    where it saves unit costs, so that far out all the same nothing is shared.
    """
    some, limited = (
        which.reshape(-1, 2).any(0) for which in (room > 0, (room > 0) & (room < VAST))
    )
    ends = [
        np.where(room < VAST, end * room, 0.0) if end.any() else np.zeros(2)
        for end in CORNERS
        if (end <= limited).all()
    ]
    silent = shares_nothing_far_out(case).reshape(-1, 2).all(0)
    corners = [sharing for sharing in CORNERS if not (silent & (sharing > 0)).any()]
    found = [(sharing, end) for end in ends for sharing in corners]
    if not np.any(sold):  # no quantity that may not fall
        return found
    if not silent.all():
        found += [(edge, end) for end in ends for edge in _at_rest(case, sold, t, least, end)]
    for i in np.flatnonzero(some):
        unit = np.eye(2)[i]
        fall = apply_matrix(sold, apply_matrix(slope_matrix(case), unit))
        for sharing, end, q in product(corners, ends, (0, 1)):
            end = np.where(unit > 0, 0.0, end)
            rise = apply_matrix(sold, _rise(case, sharing, least, t, end))
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                extra = np.nan_to_num(rise[..., q] / fall[..., q], nan=-1.0, posinf=-1.0)
            pair = np.broadcast_to(sharing, rise.shape)
            found.append(
                (pair, end + np.where(np.abs(extra) < VAST, extra, -1.0)[..., None] * unit)
            )
    return found


def _at_rest(case: Case, sold: Array, t: Array, least: Array, extra: Array) -> list[Array]:
    """Pairs of sharing (..., 2) on edges of the square at which some quantity stays the same, unit
    costs being given; those outside the square are none."""
    # row i rises by lambda_d,i t_j s_j with the rival's sharing
    silent = _rise(case, np.zeros(2), least, t, extra)
    spill = case.demand_spillover * t[..., ::-1]
    found = []
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for i, j in ((0, 1), (1, 0)):
            for end in (
                0.0,
                1.0,
            ):  # s_j at an end fixes the rise of i; s_i is what keeps quantity q at rest
                rise = silent[..., i] + of_firm(spill, i) * end
                for q in (0, 1):
                    level = -sold[..., q, i] * rise / sold[..., q, j]
                    s = (level - silent[..., j]) / of_firm(spill, j)
                    pair = [s, np.full_like(s, end)] if i == 0 else [np.full_like(s, end), s]
                    found.append(
                        np.nan_to_num(np.stack(pair, -1), nan=-1.0, posinf=-1.0, neginf=-1.0)
                    )
    return found


def concavity(case: Case, benefit: Array) -> Array:
    """A lower bound (...), over all sharing, on the strong concavity of payoff in investments
    (forms convex in both).

    The cost is convex in both investments, with Hessian at least k diag(kappa); the benefit's
    Hessian 2 M' Q M has its largest eigenvalue at a corner of the sharing square when Q is positive
    semidefinite.
    """
    least = np.full(np.broadcast_shapes(case.batch, benefit.shape[:-2]), np.inf)
    kappa = case.cost_scale * remaining_cost(case)
    for corner in CORNERS:
        M = investment_response(case, corner)
        N = kappa[..., :, None] * np.eye(2) - 2 * np.swapaxes(M, -1, -2) @ benefit @ M
        least = np.minimum(least, np.linalg.eigvalsh(N)[..., 0])
    return least


def explain_unbounded(case: Case, required: float, who: str, lower: dict[str, float]) -> str:
    """Why an uncapped problem that needs a larger cost scale has no solution, and what would mend
    it.

    `required` is what the first firm's scale must exceed, the other's in proportion, `lower` what
    other keys have to stay below.
    """
    form = form_of(case)
    remedies = (
        [f"raise cost.scale above {_each(required * relative_scale(case))}"]
        if np.isfinite(required)
        else []
    )
    remedies += [f"lower {key} below {most:.{DIGITS}g}" for key, most in lower.items()]
    remedies.append("set cost.investment_cap")
    saving = (
        f"cost.max_saving = {_each(case.max_saving, 6)}"
        if form.uses_max_saving
        else f"the {form.label} form"
    )
    return (
        f"{who} grows without limit in investment: cost.scale = {_each(case.cost_scale, 6)} with"
        f" {saving} is too low for the benefit that demand.own_slope, demand.cross_slope,"
        f" security.rivalry and security.demand_spillover give; {', or '.join(remedies)}"
    )


DIGITS = 9
"""Digits of a bound that is told: what is told has to do, and what falls short of it by a millionth
not."""


def _each(values: Array, digits: int = DIGITS) -> str:
    """A parameter as a case file gives it: one number, or one per firm."""
    texts = [f"{float(value):.{digits}g}" for value in values.ravel()]
    return texts[0] if len(set(texts)) == 1 else f"[{', '.join(texts)}]"


def explain_zero_unit_cost(case: Case, who: str) -> str:
    """Why an optimum that would drive a unit cost to zero or below is refused, and what would mend
    it."""
    assert case.unit_cost is not None
    F = case.unit_cost
    # what a firm shares and invests makes the rival's unit free
    enough = rival(F.base / np.where(F.spillover > 0, F.spillover, np.nan))
    return (
        f"{who} would be highest where shared knowledge drives a unit cost to zero or below,"
        f" unit_cost.base = {_each(F.base, 6)} against unit_cost.spillover ="
        f" {_each(F.spillover, 6)} times t s: lower unit_cost.spillover, or set cost.investment_cap"
        f" below base / spillover = {_each(enough)}, which is sure to do"
    )
