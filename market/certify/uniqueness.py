"""Is the equilibrium the only one? And where firms are alike, all symmetric ones. About two firms.

Own sharing enters no own cost, so in any equilibrium of firms that choose at once sharing is the
one sharing equilibrium s*(t) of `market.regimes.stages` at the investments t, and what remains are
two conditions in two unknowns,

    G_i(t) = 2 w_i N_i (n1_i + g_i s_i) - k share(y_i) t_i = 0     (or G_i >= 0 at the cap)

in the letters of `market.model.reply`. Interval arithmetic encloses G and its derivative on boxes
of investments. Boxes on which some G_i cannot vanish are thrown out, the others quartered; as soon
as minus the derivative is a P-matrix all over the hull of what is left (negative diagonal, positive
determinant), at most one equilibrium exists; so it is where the conditions hold one firm at a bound
all over what is left, and the other's falls in its own investment or holds it too. Boxes cover all
investments an equilibrium can have.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case, rival
from market.model.cost import COST_FORMS, form_of, share_enclosure, usefulness
from market.model.outcome import Uniqueness
from market.model.sharing import sharing_equilibrium
from market.model.wellposed import remaining_cost
from market.solve.interval import Interval

LARGEST_COVER = 20_000
"""Boxes after which uniqueness stays open."""
HALVINGS = 40
"""How often what is left is halved: smaller boxes show nothing more."""

COMMON = (
    "rivalry",
    "demand_spillover",
    "leakage_own",
    "leakage_cross",
    "leakage_interaction",
    "cost_scale",
    "max_saving",
    "investment_cap",
)
"""Parameters that must be the same for both firms for the proof to cover them."""

SCAN = 2001
"""Points at which the condition for a symmetric equilibrium is evaluated."""


@dataclass(frozen=True)
class _Letters:
    """The constants of the conditions, per firm (2,)."""

    w: Array
    n1: Array
    g: Array
    b_j: Array
    b2: float
    spill: float
    alpha: float
    phi: tuple[float, float, float]
    intercept: Array
    k: float
    received: Array
    share_bounds: tuple[Array, Array]


def _letters(case: Case) -> _Letters:
    def one(a: Array) -> float:
        return float(a.ravel()[0])

    b = (case.own_slope + np.zeros(2)).reshape(2)
    b_j, b2, alpha, spill = (
        rival(b),
        one(case.cross_slope),
        one(case.rivalry),
        one(case.demand_spillover),
    )
    return _Letters(
        w=b / (4 * b * b_j - b2**2) ** 2,
        n1=2 * b_j - b2 * alpha,
        g=np.full(2, b2 * spill),
        b_j=b_j,
        b2=b2,
        spill=spill,
        alpha=alpha,
        phi=(one(case.leakage_own), one(case.leakage_cross), one(case.leakage_interaction)),
        intercept=(case.intercept + np.zeros(2)).reshape(2),
        k=one(case.cost_scale),
        received=(usefulness(case) + np.zeros(2)).reshape(2),
        share_bounds=(remaining_cost(case).reshape(2), np.ones(2)),
    )


def largest_investment(case: Case) -> float:
    """A bound on any equilibrium investment; infinite where this argument gives none.

    At the larger investment t_i the gain 2 w N_i (n1 + g s) is at most linear in t_i, the cost at
    least k kappa t_i.
    """
    c = _letters(case)
    _, phi2, phi3 = c.phi
    steepest = c.n1 + np.maximum(c.g, 0.0)
    others = np.maximum(2 * c.b_j * (max(c.spill, 0.0) - c.alpha) + c.b2, 0.0)
    level = 2 * c.b_j * c.intercept + c.b2 * rival(c.intercept) + (2 * c.b_j + c.b2) * (phi2 + phi3)
    room = c.k * c.share_bounds[0] - 2 * c.w * steepest * (steepest + others)
    with np.errstate(divide="ignore"):
        bound = np.where(
            room > 0, 2 * c.w * steepest * level / np.where(room > 0, room, 1.0), np.inf
        )
    # the bound may be attained
    return float(min(bound.max() * (1 + 1e-9), case.investment_cap.max()))


def uniqueness(case: Case, sharing: float | None = None) -> Uniqueness:
    """Whether firms that choose at once have one equilibrium, at one flat case; `sharing` is what
    is imposed, if it is."""
    if not form_of(case).falling_share or case.unit_cost is not None:
        beyond = " or ".join(
            dict.fromkeys(form.label for form in COST_FORMS.values() if not form.falling_share)
        )
        return Uniqueness(
            status="not proven",
            basis=f"no proof covers unit costs or the {beyond} cost form; several starts led here",
        )
    if any((a[..., :1] != a).any() for a in (getattr(case, name) for name in COMMON)):
        return Uniqueness(
            status="not proven",
            basis=(
                "the proof covers firms that differ in intercept, own slope and cost spillover"
                " alone; several starts led here"
            ),
        )
    top = largest_investment(case)
    if top == 0:
        return Uniqueness(
            status="proven", basis="without investment firms have nothing to choose but prices"
        )
    if not np.isfinite(top):
        return Uniqueness(
            status="not proven",
            basis="no bound on equilibrium investments is known; several starts led here",
        )
    c = _letters(case)
    cap = float(case.investment_cap.max())
    low, high = np.zeros((1, 2)), np.full((1, 2), top)
    covered, pinned = 0, np.zeros(2, bool)
    for _ in range(HALVINGS):
        hull = Interval(low.min(0, keepdims=True), high.max(0, keepdims=True))
        if _injective(case, c, hull, sharing, pinned):
            if not covered:
                basis = "the conditions for an equilibrium are one-to-one over all investments"
            elif pinned.all():
                basis = (
                    "interval search excludes all investments but those of which none or all that"
                    f" is allowed is best ({covered} boxes)"
                )
            else:
                basis = (
                    "interval search excludes all investments but a neighbourhood, where the"
                    f" conditions are one-to-one ({covered} boxes)"
                )
            return Uniqueness(status="proven", basis=basis)
        low, high = _quarters(low, high)
        covered += len(low)
        t = Interval(low, high)
        G, _ = _conditions(case, c, t, sharing)
        # At the cap a positive condition is no contradiction; at zero a negative one is none.
        impossible = ((G.low > 0) & (high < cap)) | ((G.high < 0) & (low > 0))
        keep = ~impossible.any(-1)
        # whose investment an equilibrium in what is left has at a bound
        for bound, there in ((cap, G.low > 0), (0.0, G.high < 0)):
            some = there[keep].all(0)
            low[:, some] = high[:, some] = bound
            pinned |= some
        low, high = low[keep], high[keep]
        if covered > LARGEST_COVER or not len(low):
            break
    return Uniqueness(
        status="not proven",
        basis=f"interval search left it open after {covered} boxes; several starts led here",
    )


def every_firm_stays(case: Case) -> bool:
    """Whether in no equilibrium of one flat case a firm is out; False: unknown. Without unit costs.

    A firm j that is out invests nothing, for it would lose that, and would be in where by sharing
    nothing it could sell, 2 b_i n_j + b2 n_i > 0. Here that is asked at the least over what its
    rival i can share and invest, which is at most what a monopoly's profit (b_j n_i + b2 n_j)^2 /
    (4 b_j (b_i b_j - b2^2)) pays for.
    """
    if case.unit_cost is not None:
        return False
    one = np.zeros(2)
    a, b, x = case.intercept + one, case.own_slope + one, case.cross_slope  # of the one that stays
    a_out, b_out = rival(a), rival(b)
    spill, rivalry = (rival(each + one) for each in (case.demand_spillover, case.rivalry))
    own, cross, both = (
        getattr(case, f"leakage_{name}") + one for name in ("own", "cross", "interaction")
    )
    gains = b_out * (a + cross + both) + x * (a_out + rival(cross) + rival(both))
    steep = b_out + x * (np.maximum(spill, 0.0) - rivalry)
    dear = np.sqrt(2 * case.cost_scale * b_out * (b * b_out - x**2)) - steep
    with np.errstate(divide="ignore"):
        most = np.where(dear > 0, gains / np.where(dear > 0, dear, 1.0), np.inf)
    most = np.minimum(most, case.investment_cap)
    falls = x - 2 * b * rivalry + 2 * b * np.minimum(spill, 0.0)
    taken = np.minimum(2 * b * rival(cross) - x * own, 0.0)
    with np.errstate(invalid="ignore"):
        least = 2 * b * a_out + x * a + taken + np.where(falls < 0, most * falls, 0.0)
    return bool((least > 0).all())


def _quarters(low: Array, high: Array) -> tuple[Array, Array]:
    """The quarters of boxes (N, 2), and the halves of those that are but a line."""
    for i in (0, 1):
        if (low[:, i] < high[:, i]).any():
            half, middle = len(low), (low[:, i] + high[:, i]) / 2
            low, high = np.concatenate([low, low]), np.concatenate([high, high])
            low[half:, i] = high[:half, i] = middle
    return low, high


def _injective(
    case: Case, c: _Letters, t: Interval, sharing: float | None, pinned: NDArray[np.bool_]
) -> bool:
    """Whether the conditions of those whose investment is not at a bound all over a box, `pinned`
    (2,), are one-to-one there."""
    J = _conditions(case, c, t, sharing)[1]
    own, cross = J
    determinant = own.pick(0) * own.pick(1) - cross.pick(0) * cross.pick(1)
    falls = (own.high < 0).reshape(-1, 2).all(0) | pinned
    return bool(falls.all() and (pinned.any() or determinant.low.min() > 0))


def _conditions(
    case: Case, c: _Letters, t: Interval, imposed: float | None
) -> tuple[Interval, tuple[Interval, Interval]]:
    """Enclosures on boxes (N, 2) of the conditions G, and of their derivatives in own and in the
    rival's investment."""
    phi1, phi2, phi3 = c.phi
    s, rise = _sharing(case, c, t, imposed)
    s_j, t_j = s.rival, t.rival
    square, square_j = s.squared(), s_j.squared()
    slope = s.scaled(c.g) + _point(c.n1)
    by_rival = s_j.scaled(2 * c.b_j * c.spill) + _point(c.b2 - 2 * c.b_j * c.alpha)
    N = (
        _point(2 * c.b_j * c.intercept + c.b2 * rival(c.intercept))
        + t * slope
        + t_j * by_rival
        + square.scaled(c.b2 * phi2 - 2 * c.b_j * phi1)
        + square_j.scaled(2 * c.b_j * phi2 - c.b2 * phi1)
        + (s * s_j).scaled((2 * c.b_j + c.b2) * phi3)
    )
    y = (t_j * s_j).scaled(c.received)
    share, fall = share_enclosure(case, y)
    G = (N * slope).scaled(2 * c.w) - (share * t).scaled(c.k)

    # G_i depends on own sharing through g alone: where sharing responds, price is at its top in it.
    by_own_sharing = N.scaled(2 * c.w * c.g)
    N_sj = (
        t_j.scaled(2 * c.b_j * c.spill)
        + s_j.scaled(4 * c.b_j * phi2 - 2 * c.b2 * phi1)
        + s.scaled((2 * c.b_j + c.b2) * phi3)
    )
    by_rival_sharing = (N_sj * slope).scaled(2 * c.w) + (fall * t * t_j).scaled(c.k * c.received)
    own = (slope * slope).scaled(2 * c.w) - share.scaled(c.k)
    cross = (by_rival * slope).scaled(2 * c.w) + (fall * t * s_j).scaled(c.k * c.received)
    # rise: derivatives of own sharing in own and in the rival's investment.
    in_own, in_rival = rise
    own = own + by_own_sharing * in_own + by_rival_sharing * in_rival.rival
    cross = cross + by_own_sharing * in_rival + by_rival_sharing * in_own.rival
    return G, (own, cross)


def _point(value: Array) -> Interval:
    return Interval(value, value)


def _sharing(
    case: Case, c: _Letters, t: Interval, imposed: float | None
) -> tuple[Interval, tuple[Interval, Interval]]:
    """Enclosures of the sharing equilibrium on boxes, and of each firm's derivatives in own and in
    the rival's investment.

    Sharing is monotone in both investments, in the direction of the demand spillover.
    """
    if imposed is not None:
        fixed, still = np.full_like(t.low, imposed), np.zeros_like(t.low)
        return _point(fixed), (_point(still), _point(still))
    ends = np.split(sharing_equilibrium(case, np.concatenate([t.low, t.high]))[0], 2)
    s = Interval(np.minimum(*ends), np.maximum(*ends))
    phi1, phi2, phi3 = c.phi
    h = 2 * c.b_j * phi1 - c.b2 * phi2
    answer = (2 * c.b_j + c.b2) * phi3 / (2 * h)
    direct = c.g / (2 * h)
    determinant = 1 - answer[0] * answer[1]
    still = (s.low == s.high) & ((s.low == 0) | (s.low == 1))

    def between(limit: Array) -> Interval:
        # Zero at a bound, less where the rival's sharing is at one, at most this where both
        # respond.
        limit = np.where(still, 0.0, limit)
        return Interval(np.minimum(limit, 0.0), np.maximum(limit, 0.0))

    return s, (between(direct / determinant), between(answer * rival(direct) / determinant))


def symmetric_levels(case: Case, imposed: float | None = None) -> Array:
    """Levels (m, 4) at which the condition of a symmetric equilibrium changes sign, and those at
    the cap, for firms that are alike."""
    top = largest_investment(case)
    if not np.isfinite(top) or case.unit_cost is not None or not form_of(case).falling_share:
        return np.empty((0, 4))
    c = _letters(case)

    def condition(t: Array) -> Array:
        pair = np.column_stack([t, t])
        return np.asarray(_conditions(case, c, _point(pair), imposed)[0].low[:, 0])

    t = np.linspace(0, top, SCAN)
    value = condition(t)
    crossing = np.flatnonzero(np.sign(value[:-1]) != np.sign(value[1:]))
    low, high = t[crossing], t[crossing + 1]
    for _ in range(60):
        middle = (low + high) / 2
        same = np.sign(condition(middle)) == np.sign(value[crossing])
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    root = np.append((low + high) / 2, [top] if value[-1] > 0 else [])
    pairs = np.column_stack([root, root])
    s = np.full_like(pairs, imposed) if imposed is not None else sharing_equilibrium(case, pairs)[0]
    return np.concatenate([s, pairs], -1)
