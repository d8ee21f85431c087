"""An independent search for the outcomes of a market, firms that leave included.

Nothing here comes from the packages under test. The pricing stage, what a firm earns once its rival
is out, and what grows without limit are derived anew:

prices    With margins m_i = p_i - F_i demand is q = n - B m, B = [[b_1, -x], [-x, b_2]], n = a +
          shift - B F. A seller's best price has q_i = b_i m_i, hence m_i = (2 b_j n_i + x n_j) / (4
          b_1 b_2 - x^2).
out       If m_j would be negative firm j cannot sell; it would sell at cost as long as n_j + x m_i
          > 0. What is left to firm i is n_i - b_i m_i + (x / b_j) min(0, n_j + x m_i): along the
          first branch it gains by a higher price (that is what m_j < 0 says), so m_i is the lower
          of -n_j / x and the price best on the second, (b_j n_i + x n_j) / (2 (b_1 b_2 - x^2)); if
          that is negative nobody sells.
welfare   Gross utility less what consumers pay is q' B^-1 q / 2 with both firms in.
units     Quantities are counted in the geometric mean of intercepts a, money in b / a^2, b that of
          slopes: intercepts and slopes are then about one, as is the scale of payoffs.

Levels are arrays (..., 4): s_1, s_2, t_1, t_2. Sole choosers are searched among levels at which
both firms sell, by a grid over all orders of magnitude, then sequential quadratic programming from
many of its points. Replies are searched on a grid that closes in on its best cells, kinks and all.
Equilibria are looked for by replies and by Newton's method.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

Array = NDArray[Any]
SOLE = {
    "joint_profit": ("bertrand", "profit"),
    "price_collusion": ("collusive", "profit"),
    "social_optimum": ("bertrand", "welfare"),
    "first_best": ("marginal_cost", "welfare"),
}
"""At what prices a sole chooser's levels count, and what it maximises."""
GAMES = ("nash", "no_sharing")
TINY = 1e-300


def swap(x: Array) -> Array:
    """The same with the firms exchanged on the last axis."""
    return x[..., ::-1]


@dataclass(frozen=True, kw_only=True)
class Market:
    """One market in natural units; arrays (2,) over firms."""

    intercept: Array
    own_slope: Array
    cross_slope: float
    rivalry: Array
    spill: Array
    leak: Array
    """(3, 2): own, cross, interaction."""
    scale: Array
    max_saving: Array
    knowledge: Array
    """lambda_c."""
    reference: float
    cap: Array
    form: str
    base: Array
    saved: Array
    """lambdahat."""
    slope: Array
    curvature: Array
    money: float
    """Money of the file per natural unit of it."""
    amount: float
    """Quantity of the file per natural unit of it."""

    @property
    def determinant(self) -> float:
        """b_1 b_2 - x^2."""
        return float(np.prod(self.own_slope) - self.cross_slope**2)

    @property
    def most(self) -> Array:
        """Largest t_i s_i at which the rival's unit cost is not negative, (2,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            most = np.where(self.saved > 0, self.base / self.saved, np.inf)
        return swap(most)


def read(tree: Mapping[str, Any]) -> Market:
    """The market of a file's tree, in natural units."""

    def of(block: str, key: str, default: float = 0.0) -> Array:
        value = tree.get(block, {}).get(key)
        return np.broadcast_to(np.asarray(default if value is None else value, float), (2,)).copy()

    demand = [of("demand", key) for key in ("intercept", "own_slope", "cross_slope")]
    a = float(np.exp(np.log(demand[0]).mean()))
    b = float(np.exp(np.log(demand[1]).mean()))
    leak = tree["security"]["leakage"]
    return Market(
        intercept=demand[0] / a,
        own_slope=demand[1] / b,
        cross_slope=float(demand[2][0] / b),
        rivalry=of("security", "rivalry"),
        spill=of("security", "demand_spillover"),
        leak=np.array(
            [np.broadcast_to(leak[key], 2) for key in ("own", "cross", "interaction")], float
        )
        / a,
        scale=of("cost", "scale") * b,
        max_saving=of("cost", "max_saving"),
        knowledge=of("cost", "spillover"),
        reference=float(of("cost", "reference_investment", 1.0)[0] / a),
        cap=of("cost", "investment_cap", np.inf) / a,
        form=tree["cost"].get("form", "saturating"),
        base=of("unit_cost", "base") * b / a,
        saved=of("unit_cost", "spillover") * b,
        slope=of("unit_cost", "slope") * a,
        curvature=of("unit_cost", "curvature") * a**2,
        money=a**2 / b,
        amount=a,
    )


# --- the market at given levels -------------------------------------------------------------------


def unit_costs(m: Market, x: Array) -> Array:
    """F_i, (..., 2)."""
    s, t = x[..., :2], x[..., 2:]
    return (m.base - m.saved * swap(s * t)) * (1 + m.slope * t + m.curvature * t**2 / 2)


def nets(m: Market, x: Array) -> Array:
    """What both would sell at prices equal to unit costs, n_i, (..., 2)."""
    s, t = x[..., :2], x[..., 2:]
    own, cross, both = m.leak
    shift = (
        t
        - m.rivalry * swap(t)
        + m.spill * swap(s * t)
        - own * s**2
        + cross * swap(s) ** 2
        + both * s * swap(s)
    )
    cost = unit_costs(m, x)
    return m.intercept + shift - m.own_slope * cost + m.cross_slope * swap(cost)


def costs(m: Market, x: Array) -> Array:
    """f_i, (..., 2)."""
    s, t = x[..., :2], x[..., 2:]
    known = m.knowledge * swap(s * t)
    if m.form == "restricted":
        rest = t - known
        return m.scale / 2 * np.where(rest.real > 0, rest, 0) ** 2
    y = known / m.reference
    share = y / (1 + y) if m.form == "saturating" else -np.expm1(-y)
    return m.scale / 2 * t**2 * (1 - m.max_saving * share)


def duopoly(m: Market, n: Array) -> Array:
    """Margins with both in, (..., 2); negative: that firm is out."""
    b = m.own_slope
    return (2 * swap(b) * n + m.cross_slope * swap(n)) / (4 * b[0] * b[1] - m.cross_slope**2)


def sales(m: Market, n: Array) -> tuple[Array, Array]:
    """Margins and quantities, each (..., 2), whoever is in."""
    b, x = m.own_slope, m.cross_slope
    margin = duopoly(m, n)
    alone = (swap(b) * n + x * swap(n)) / (2 * m.determinant)
    if x > 0:
        with np.errstate(over="ignore"):
            alone = np.minimum(alone, -swap(n) / x)
    out = margin < 0
    margin = np.where(swap(out), np.maximum(alone, 0), margin)
    margin = np.where(out | (out & swap(out)).any(-1, keepdims=True), 0, margin)
    sold = np.where(
        swap(out), n - b * margin + x / swap(b) * np.minimum(0, swap(n) + x * margin), b * margin
    )
    return margin, np.where(margin > 0, sold, 0)


def earned(m: Market, x: Array) -> Array:
    """Profits whoever is in, (..., 2); minus infinity where a unit cost is negative."""
    margin, sold = sales(m, nets(m, x))
    cost = unit_costs(m, x)
    least = (
        -1e-12 * (m.base + TINY) * (1 + m.slope * x[..., 2:] + m.curvature * x[..., 2:] ** 2 / 2)
    )
    return np.where((cost < least).any(-1, keepdims=True), -np.inf, margin * sold - costs(m, x))


def figures(m: Market, n: Array, prices: str) -> tuple[Array, Array]:
    """Margins and quantities, each (..., 2), at prices of this kind with both in."""
    b, x = m.own_slope, m.cross_slope
    if prices == "bertrand":
        margin = duopoly(m, n)
        return margin, b * margin
    if prices == "collusive":
        return (swap(b) * n + x * swap(n)) / (2 * m.determinant), n / 2
    return np.zeros_like(n), n


def surplus(m: Market, sold: Array) -> Array:
    """What consumers keep, q' B^-1 q / 2, (...)."""
    kept = (swap(m.own_slope) * sold**2).sum(-1) + 2 * m.cross_slope * sold[..., 0] * sold[..., 1]
    return np.asarray(kept / (2 * m.determinant))


def benefit(m: Market, n: Array, regime: str) -> Array:
    """What a sole chooser counts before the costs of investment, (...)."""
    prices, aim = SOLE[regime]
    margin, sold = figures(m, n, prices)
    value = (margin * sold).sum(-1)
    return np.asarray(value + surplus(m, sold) if aim == "welfare" else value)


def accounts(m: Market, x: Array, prices: str) -> tuple[Array, float]:
    """Profits (2,) and welfare at levels (4,), both firms in."""
    margin, sold = figures(m, nets(m, x), prices)
    profit = margin * sold - costs(m, x)
    return profit, float(profit.sum() + surplus(m, sold))


def worth(m: Market, x: Array, regime: str) -> Array:
    """A sole chooser's payoff with both in, (...)."""
    return benefit(m, nets(m, x), regime) - costs(m, x).sum(-1)


def admissible(m: Market, x: Array, regime: str, slack: float = 0.0) -> Array:
    """Whether both firms sell at a sole chooser's prices and no unit cost is negative, (...)."""
    sold = figures(m, nets(m, x), SOLE[regime][0])[1]
    cost = unit_costs(m, x)
    size = np.abs(sold).max(-1, keepdims=True)
    return (sold >= -slack * size).all(-1) & (
        cost >= -1e-9 * (np.abs(cost).max(-1, keepdims=True))
    ).all(-1)


# --- grids ----------------------------------------------------------------------------------------


def bounded_sharing(m: Market, x: Array) -> Array:
    """The levels with sharing lowered to where the rival's unit cost is nil, and by rounding not
    below: own investment may multiply what is left by far."""
    s, t = x[..., :2], x[..., 2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        top = np.where(t > 0, m.most * (1 - 1e-15) / np.maximum(t, TINY), np.inf)
    return np.concatenate([np.minimum(s, top), t], -1)


def grid_of_investment(
    m: Market, firm: int, points: int, low: float = -7, high: float = 8
) -> Array:
    """Investments of a firm over all sizes, the cap included."""
    if m.cap[firm] == 0:
        return np.zeros(1)
    values = np.unique(
        np.concatenate([[0.0], np.logspace(low, high, points), np.logspace(-3, 1.5, points // 2)])
    )
    values = values[values < m.cap[firm]]
    return np.append(values, m.cap[firm]) if np.isfinite(m.cap[firm]) else values


# --- sole choosers --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best of a sole chooser's levels that was found."""

    status: str
    """solved, infeasible (a quantity is nil there, or both never sell), or unbounded."""
    levels: Array | None
    value: float
    out: frozenset[int]
    """Firms whose quantity is nil there."""
    idle: bool
    """Whether neither firm sells there."""
    free: bool
    """Whether a unit cost that shared knowledge lowers is nil there: it would be lowered
    further."""
    growth: float
    """Largest ratio of what is gained to what is spent as investment grows without limit."""
    dear: float
    """The same where convex unit costs may be kept high."""


def growth(m: Market, regime: str, dear: bool = False) -> float:
    """The largest benefit per cost along levels that grow without limit, both firms selling: above
    one there is no best.

    Investments are R (theta_1, theta_2), R without limit, of which only what is quadratic in R
    counts. What a firm receives, t_j s_j, may be large however small s_j. Where unit costs fall by
    what is received and must not be negative, that is bounded, and the unit costs of order R that
    remain are proportional to theta or, where they are convex, may be left as nearly nil as one
    likes; `dear`: or as high as still lets both sell.
    """
    free = np.isinf(m.cap)
    if not free.any():
        return 0.0
    angles = np.concatenate(
        [[0, np.pi / 2], np.linspace(0, np.pi / 2, 91)[1:-1], np.logspace(-9, -2, 15)]
    )
    angles = np.unique(np.concatenate([angles, np.pi / 2 - np.logspace(-9, -2, 15)]))
    weight = np.sqrt(m.scale)
    # Also by the ratio of investments: both may sell in a narrow cone alone.
    ratios = np.concatenate([np.logspace(-4, 4, 65), np.logspace(-0.6, 0.6, 61)])
    angles = np.unique(np.concatenate([angles, np.arctan(ratios * weight[1] / weight[0])]))
    shares = np.unique(
        np.concatenate(
            [np.linspace(0, 1, 11), np.logspace(-6, -1.5, 5), 1 - np.logspace(-4, -2, 2)]
        )
    )

    def ratio(angle: Array, s1: Array, s2: Array, z1: Array, z2: Array) -> Array:
        theta = np.stack([np.cos(angle), np.sin(angle)], -1) / weight
        s = np.stack([s1, s2], -1)
        received = np.stack([z1, z2], -1)  # share of the most that is received
        ok = np.ones(angle.shape, bool)
        theta = np.where(free, theta, 0.0)
        theta = np.where(theta * weight < 1e-12, 0.0, theta)
        limit = np.minimum(swap(m.most), swap(m.cap))  # of t_j s_j, by receiver
        s = np.where(np.isinf(m.most), s, 0.0)  # s_i where t_i grows and t_i s_i is bounded
        needs = np.zeros_like(theta)
        rest = np.zeros_like(theta)
        for i in range(2):
            got = np.where(
                np.isinf(limit[i]), np.inf, received[..., i] * np.nan_to_num(limit[i], posinf=0.0)
            )
            if m.base[i] > 0 and m.curvature[i] > 0:
                at_nil = m.saved[i] > 0 and limit[i] * m.saved[i] >= m.base[i] * (1 - 1e-12)
                if not at_nil:
                    ok &= theta[..., i] == 0
                got = np.where(theta[..., i] > 0, limit[i], got)
            elif m.base[i] > 0 and m.slope[i] > 0:
                left = m.base[i] - (m.saved[i] * got if m.saved[i] > 0 else 0.0)
                needs[..., i] = np.maximum(left, 0) * m.slope[i] * theta[..., i]
            y = m.knowledge[i] * got if m.knowledge[i] > 0 else np.zeros(angle.shape)
            if m.form == "restricted":
                rest[..., i] = (
                    np.maximum(
                        theta[..., i] - m.knowledge[i] * theta[..., 1 - i] * s[..., 1 - i], 0
                    )
                    ** 2
                )
            else:
                with np.errstate(invalid="ignore"):
                    y = y / m.reference
                    share = (
                        np.where(np.isinf(y), 1.0, y / (1 + y))
                        if m.form == "saturating"
                        else -np.expm1(-y)
                    )
                rest[..., i] = theta[..., i] ** 2 * (1 - m.max_saving[i] * share)
        spent = (m.scale / 2 * rest).sum(-1)
        shift = theta - m.rivalry * swap(theta) + m.spill * swap(s * theta)

        def gained(cost: Array, ok: Array) -> Array:
            n = shift - m.own_slope * cost + m.cross_slope * swap(cost)
            sold = figures(m, n, SOLE[regime][0])[1]
            ok = ok & (sold >= -1e-13 * np.abs(sold).max(-1, keepdims=True)).all(-1)
            with np.errstate(divide="ignore", invalid="ignore"):
                value = benefit(m, np.where(ok[..., None], n, 0), regime) / np.maximum(spent, TINY)
            return np.where(ok & (theta.max(-1) > 0), value, 0.0)

        best = gained(needs, ok)
        for i, q in ((0, 0), (0, 1), (1, 0), (1, 1)):
            convex = dear and m.curvature[i] > 0 and q == i
            partly = m.curvature[i] == 0 and m.slope[i] > 0 and m.saved[i] > 0
            if m.base[i] > 0 and free[i] and (convex or partly):
                # the unit cost at which a quantity becomes nil: more of it is convex, so the ends
                # suffice
                unit = np.zeros(2)
                unit[i] = 1.0
                n0 = shift - m.own_slope * needs + m.cross_slope * swap(needs)
                q0 = figures(m, n0, SOLE[regime][0])[1][..., q]
                q1 = figures(m, -m.own_slope * unit + m.cross_slope * swap(unit), SOLE[regime][0])[
                    1
                ][q]
                if q1 == 0:
                    continue
                extra = np.maximum(q0 / -q1, 0) * (1 + (1e-12 if q != i else -1e-12))
                all_ = np.inf if convex else m.base[i] * m.slope[i] * theta[..., i] - needs[..., i]
                extra = np.where(extra <= all_, extra, 0.0)
                best = np.maximum(best, gained(needs + unit * extra[..., None], ok))
        return best

    def over(*axes: Array) -> tuple[float, list[float]]:
        mesh = np.meshgrid(*axes, indexing="ij")
        flat = [part.ravel() for part in mesh]
        values = ratio(*flat)
        k = int(np.argmax(values))
        return float(values[k]), [float(part[k]) for part in flat]

    partial = bool(np.any((m.base > 0) & (m.saved > 0) & (m.slope > 0)))
    z = np.array([0.0, 0.25, 0.5, 0.75, 1.0]) if partial else np.array([1.0])
    s = [shares if np.isinf(m.most[i]) else np.zeros(1) for i in range(2)]
    best, at = over(angles, s[0], s[1], z, z)
    width = [0.05, 0.06, 0.06, 0.3, 0.3]
    top = [np.pi / 2, 1, 1, 1, 1]
    for _ in range(24):
        axes = []
        for n, (here, wide) in enumerate(zip(at, width, strict=True)):
            fixed = (n in (1, 2) and len(s[n - 1]) == 1) or (n > 2 and not partial)
            axes.append(
                np.array([here])
                if fixed
                else np.unique(np.clip(here + wide * np.linspace(-1, 1, 7), 0, top[n]))
            )
        value, place = over(*axes)
        if value >= best:
            best, at = value, place
        width = [w * 0.6 for w in width]
    return best


def sole(m: Market, regime: str, hints: Sequence[Array] = ()) -> Best:
    """The best levels of a sole chooser; `hints` are levels to start from as well, and to believe
    where by this market's formulas both firms sell there, beyond rounding of what is sold."""
    grows = growth(m, regime)
    dear = growth(m, regime, True) if ((m.curvature > 0) & (m.base > 0)).any() else grows
    shares = np.array([0, 1e-5, 1e-3, 0.01, 0.05, 0.2, 0.5, 0.8, 0.93, 1])
    t1, t2 = (with_nil(m, i, grid_of_investment(m, i, 20)) for i in range(2))
    near = np.array([[1, 1 - d] for d in (0.01, 0.03, 0.08)])
    both = np.stack(np.meshgrid(shares, shares, indexing="ij"), -1).reshape(-1, 2)
    both = np.concatenate(
        [both, *(s * pair for s in (0.2, 0.5, 1.0) for pair in (near, near[:, ::-1]))]
    )
    which, t1, t2 = (
        part.ravel() for part in np.meshgrid(np.arange(len(both)), t1, t2, indexing="ij")
    )
    x = np.concatenate([np.column_stack([both[which], t1, t2]), *beside_nil(m)])
    x = bounded_sharing(m, x)
    ok = admissible(m, x, regime)
    values = np.where(ok, worth(m, x, regime), -np.inf)
    starts: list[Array] = list(hints)
    if ok.any():
        starts += chosen(x, values, 5)
        beyond = np.where(ok | ~(unit_costs(m, x) >= 0).all(-1), -np.inf, worth(m, x, regime))
        starts += chosen(x, beyond, 2)
        nil = nearly_nil(m, x, 1e-9)
        starts += chosen(x, np.where(nil, values, -np.inf), 2)
        starts += [
            np.concatenate([swap(each[:2]), np.minimum(swap(each[2:]), m.cap)])
            for each in starts[:4]
        ]
    else:
        sold = figures(m, nets(m, x), SOLE[regime][0])[1].min(-1)
        starts += [x[k] for k in np.argsort(-sold)[:6]]
    found: list[tuple[float, Array]] = []
    for hint in hints:
        sold = figures(m, nets(m, hint), SOLE[regime][0])[1]
        cost = unit_costs(m, hint)
        if sold.min() >= -1e-9 and (cost >= -1e-9 * np.abs(cost).max()).all():
            found.append((float(worth(m, hint, regime)), hint))
    for start in starts:
        polished = climb(m, regime, start)
        if polished is not None:
            found.append((float(worth(m, polished, regime)), polished))
    # Along an edge that bends quadratic programming crawls, and some it never meets.
    edges: list[tuple[int, Array]] = []
    for _, levels in sorted(found, key=lambda pair: -pair[0])[:2]:
        sold = figures(m, nets(m, levels), SOLE[regime][0])[1]
        if sold.min() <= 1e-3 * sold.max():
            edges.append((int(sold.argmin()), levels))
    most = max((value for value, _ in found), default=-np.inf)
    for firm in range(2):
        edge = on_edge(m, regime, firm, x)
        edge = edge[worth(m, edge, regime) > most - 0.8 * abs(most)] if found else edge
        edges += [(firm, each) for each in chosen(edge, worth(m, edge, regime), 3)]
    for firm, start in edges:
        polished = climb(m, regime, skirted(m, regime, firm, start))
        if polished is not None:
            found.append((float(worth(m, polished, regime)), polished))
    if not found:
        return Best(
            status="infeasible",
            levels=None,
            value=-np.inf,
            out=frozenset(),
            idle=True,
            free=False,
            growth=grows,
            dear=dear,
        )
    value, levels = max(found, key=lambda pair: pair[0])
    sold = figures(m, nets(m, levels), SOLE[regime][0])[1]
    out = frozenset(i for i in range(2) if sold[i] <= 1e-7 * max(sold.max(), m.intercept.min()))
    idle = len(out) == 2
    if len(out) == 1:  # of equals either could be
        for other, x in found:
            q = figures(m, nets(m, x), SOLE[regime][0])[1]
            if other >= value - 1e-7 * max(1.0, abs(value)) and q.min() <= 1e-7 * q.max():
                out |= {int(q.argmin())}
    free = bool(nearly_nil(m, levels, 1e-6))
    status = "unbounded" if grows > 1 else "infeasible" if out or free else "solved"
    return Best(
        status=status,
        levels=levels,
        value=value,
        out=out,
        idle=idle,
        free=free,
        growth=grows,
        dear=dear,
    )


def with_nil(m: Market, firm: int, t: Array) -> Array:
    """Investments of a firm, those about which the rival's unit cost may be nil included."""
    if not np.isfinite(m.most[firm]):
        return t
    about = m.most[firm] * np.array([1, 1.05, 1.12, 1.25, 1.6, 2.5])
    return np.unique(np.minimum(np.concatenate([t, about]), m.cap[firm]))


def nearly_nil(m: Market, x: Array, share: float) -> Array:
    """Whether what is received leaves at most this share of a unit cost, (...)."""
    lowered = m.saved * swap(x[..., :2] * x[..., 2:])
    return ((lowered > 0) & (lowered >= (1 - share) * m.base)).any(-1)


def beside_nil(m: Market) -> Iterator[Array]:
    """Levels (n, 4) where a rival's unit cost is nil at full sharing: where what is received also
    does for own investment, worth has a needle in the ratio of investments."""
    for firm in (0, 1):
        t = m.most[firm]
        if np.isfinite(t) and t <= m.cap[firm]:
            s, ratio = (
                part.ravel()
                for part in np.meshgrid([0, 0.5, 0.9, 1], np.geomspace(0.2, 5, 161), indexing="ij")
            )
            x = np.empty((len(s), 4))
            x[:, firm], x[:, 2 + firm] = 1, t
            x[:, 1 - firm], x[:, 3 - firm] = s, np.minimum(ratio * t, m.cap[1 - firm])
            yield x


def to_edge(m: Market, regime: str, firm: int, x: Array, which: Array) -> tuple[Array, Array]:
    """Levels (N, 4) with one of them, `which` (N,), moved to where a firm's quantity is nil, and
    whether both sell there: Newton's method."""
    upper, rows, x = np.concatenate([[1, 1], m.cap]), np.arange(len(x)), x.copy()
    for _ in range(12):
        size = np.maximum(x[rows, which], 1e-6)
        moved = x.astype(complex)
        moved[rows, which] += 1e-30j * size
        q = figures(m, nets(m, moved), SOLE[regime][0])[1][:, firm]
        with np.errstate(all="ignore"):
            step = -q.real / (q.imag * 1e30) * size
        before = x[rows, which]
        ahead = before + np.where(np.isfinite(step), step, 0)
        x[rows, which] = np.clip(ahead, 0, upper[which])
        if (np.abs(x[rows, which] - before) <= 1e-15 * size).all():
            break
    sold = figures(m, nets(m, x), SOLE[regime][0])[1]
    there = np.abs(sold[:, firm]) <= 1e-10 * np.abs(sold).max(-1)
    return x, there & admissible(m, x, regime, 1e-9)


def on_edge(m: Market, regime: str, firm: int, x: Array, count: int = 1500) -> Array:
    """Levels at which a firm's quantity is nil, from those of a grid at which it is least and the
    best of those at which it is not much."""
    sold = figures(m, nets(m, x), SOLE[regime][0])[1]
    near = np.abs(sold[:, firm]) / np.maximum(np.abs(sold[:, 1 - firm]), TINY)
    near = np.where(sold[:, 1 - firm] > 0, near, np.inf)
    value = np.where(near < 3, worth(m, x, regime), -np.inf)
    x = x[np.unique(np.concatenate([np.argsort(near)[:count], np.argsort(-value)[:count]]))]
    ends = [to_edge(m, regime, firm, x, np.full(len(x), v)) for v in range(4)]
    return np.concatenate([end[ok] for end, ok in ends])


def skirted(m: Market, regime: str, firm: int, start: Array) -> Array:
    """The best levels near these at which a firm's quantity is nil: three levels are varied in
    steps that shrink, the fourth, the one that moves the quantity most, follows."""
    upper, best, value = np.concatenate([[1, 1], m.cap]), start, -np.inf
    if bool(admissible(m, start, regime, 1e-9)):
        value = float(worth(m, start, regime))
    pattern = np.stack(np.meshgrid(*[np.array([-1, -0.3, 0, 0.3, 1])] * 3, indexing="ij"), -1)
    pattern = pattern.reshape(-1, 3)
    wide = 0.3
    for _ in range(120):
        size = np.maximum(best, 1e-7 * np.minimum(upper, 1))
        tilted = best + 1e-30j * np.diag(size)
        pull = figures(m, nets(m, tilted), SOLE[regime][0])[1][:, firm].imag * 1e30
        v = int(np.where((best > 0) & (best < upper), np.abs(pull), -1).argmax())
        x = np.tile(best, (len(pattern), 1))
        rest = [k for k in range(4) if k != v]
        x[:, rest] = np.clip(best[rest] + wide * size[rest] * pattern, 0, upper[rest])
        x, ok = to_edge(m, regime, firm, x, np.full(len(x), v))
        values = np.where(ok, worth(m, x, regime), -np.inf)
        k = int(values.argmax())
        if values[k] > value:
            best, value = x[k], float(values[k])
        else:
            wide *= 0.5
        if wide < 1e-9:
            break
    return best


def chosen(x: Array, values: Array, count: int) -> list[Array]:
    """The best points of a grid, at most one for each coarse pattern of levels."""
    kept: list[Array] = []
    seen: set[tuple[int, ...]] = set()
    for k in np.argsort(-values)[:4000]:
        if not np.isfinite(values[k]):
            break
        pattern = (
            *(int(np.searchsorted([1e-9, 0.02, 0.5, 0.9, 0.999], s)) for s in x[k, :2]),
            *(int(t > 0) for t in x[k, 2:]),
        )
        if pattern not in seen:
            seen.add(pattern)
            kept.append(x[k])
            if len(kept) == count:
                break
    return kept


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """A sole chooser's problem around a point, in its sizes."""

    m: Market
    regime: str
    size: Array
    """Levels that are one here, (4,)."""
    payoff: float
    per_sale: float
    per_cost: Array

    def steps(self, z: Array) -> Array:
        """Levels (4, 4) with one moved by an imaginary hair each."""
        return z * self.size + 1e-30j * np.diag(self.size)

    def value(self, z: Array) -> tuple[float, Array]:
        """Minus the payoff, and its slopes."""
        steep = worth(self.m, self.steps(z), self.regime).imag * 1e30
        return -float(worth(self.m, z * self.size, self.regime)) / self.payoff, -steep / self.payoff

    def limits(self, x: Array) -> Array:
        """What must not be negative: quantities, and unit costs that knowledge lowers."""
        sold = figures(self.m, nets(self.m, x), SOLE[self.regime][0])[1] / self.per_sale
        return np.concatenate(
            [sold, (unit_costs(self.m, x) / self.per_cost)[..., self.m.saved > 0]], -1
        )

    def conditions(self, z: Array) -> Array:
        """The limits here."""
        return self.limits(z * self.size)

    def steepness(self, z: Array) -> Array:
        """Their slopes."""
        return np.asarray(self.limits(self.steps(z)).imag.T * 1e30)


def climb(m: Market, regime: str, start: Array) -> Array | None:
    """The levels to which sequential quadratic programming leads, or None where both firms do not
    sell there."""
    x = start.astype(float)
    upper = np.concatenate([[1, 1], m.cap])
    for _ in range(6):
        size = np.where(
            x > 0, x, np.where(upper > 0, np.minimum(np.array([1e-3, 1e-3, 0.1, 0.1]), upper), 1)
        )
        scale = max(abs(float(worth(m, x, regime))), 1e-3)
        here = Scaled(
            m=m,
            regime=regime,
            size=size,
            payoff=scale,
            per_sale=max(float(np.abs(figures(m, nets(m, x), SOLE[regime][0])[1]).max()), 1e-9),
            per_cost=np.maximum(unit_costs(m, x), m.base + TINY),
        )
        try:
            with np.errstate(all="ignore"):
                result = optimize.minimize(
                    here.value,
                    x / size,
                    jac=True,
                    method="SLSQP",
                    bounds=list(
                        zip(np.zeros(4), np.where(np.isinf(upper), None, upper / size), strict=True)
                    ),
                    constraints={"type": "ineq", "fun": here.conditions, "jac": here.steepness},
                    options={"maxiter": 200, "ftol": 1e-15},
                )
        except ValueError:
            break
        end = np.clip(result.x * size, 0, upper)
        if not np.isfinite(end).all():
            break
        # As far towards it as both firms sell.
        part = np.array(
            [1, 1 - 1e-9, 1 - 1e-8, 1 - 1e-7, 1 - 1e-6, 1 - 1e-4, 0.99, 0.9, 0.7, 0.5, 0.2, 0.05]
        )[:, None]
        line = bounded_sharing(m, x + part * (end - x))
        old_ok, good = bool(admissible(m, x, regime, 1e-9)), admissible(m, line, regime, 1e-9)
        gains = np.where(good, worth(m, line, regime) - worth(m, x, regime), -np.inf)
        k = int(gains.argmax()) if old_ok else int(good.argmax())
        if not good[k] or (old_ok and gains[k] <= 0):
            break
        x, gain = line[k], float(gains[k])
        if old_ok and gain <= 1e-11 * scale:
            break
    return restored(here, x, upper) if bool(admissible(m, x, regime, 1e-9)) else None


def restored(here: Scaled, x: Array, upper: Array) -> Array:
    """The levels with what a quantity is short of nil made up, where it can be: at a high price
    even a billionth counts."""
    z, free = x / here.size, (x > 0) & (x < upper)
    for _ in range(3):
        short = np.minimum(here.conditions(z), 0)
        z = z - np.linalg.pinv(here.steepness(z) * free) @ short
    end = np.clip(z * here.size, 0, upper)
    return end if bool(admissible(here.m, end, here.regime, 1e-13)) else x


# --- games ----------------------------------------------------------------------------------------


def reply_growth(m: Market, firm: int, discounted: bool) -> float:
    """The largest benefit per cost of a firm's own investment without limit, the rival's levels
    given: above one, no reply.

    `discounted`: with the most that the rival's knowledge may save; otherwise with nothing.
    """
    j = 1 - firm
    if np.isfinite(m.cap[firm]):
        return 0.0
    received = min(m.cap[j], m.most[j])
    burden = (
        m.base[firm]
        if not discounted or m.saved[firm] == 0
        else max(m.base[firm] - m.saved[firm] * received, 0.0)
    )
    if burden <= 1e-12 * m.base[firm]:
        burden = 0.0
    if burden > 0 and m.curvature[firm] > 0:
        return 0.0
    s = np.linspace(0, 1, 2001) if np.isinf(m.most[firm]) else np.zeros(1)
    n = np.zeros((len(s), 2))
    n[:, firm] = 1 - m.own_slope[firm] * burden * m.slope[firm]
    n[:, j] = -m.rivalry[j] + m.spill[j] * s + m.cross_slope * burden * m.slope[firm]
    margin, sold = sales(m, n)
    share = 0.0
    if discounted and m.form != "restricted" and m.knowledge[firm] > 0:
        y = m.knowledge[firm] * received / m.reference
        share = 1.0 if np.isinf(y) else y / (1 + y) if m.form == "saturating" else -np.expm1(-y)
    spent = m.scale[firm] / 2 * (1 - m.max_saving[firm] * share)
    return float((margin * sold)[:, firm].max() / spent)


def with_own(x: Array, firm: int, s: Array, t: Array) -> Array:
    """Levels in which a firm's own are replaced."""
    out = np.broadcast_to(x, (*np.broadcast_shapes(x.shape[:-1], s.shape), 4)).copy()
    out[..., firm], out[..., 2 + firm] = s, t
    return out


SHARES = np.unique(np.concatenate([[0.0], np.logspace(-9, -1.3, 16), np.linspace(0.05, 1, 14)]))


def replies(
    m: Market, x: Array, firm: int, sharing: bool, *, keep: int = 4, rounds: int = 40
) -> tuple[Array, Array]:
    """A firm's best own levels (N, 2) against the levels x (N, 4), and what they earn (N,)."""
    lanes = len(x)
    s0 = SHARES if sharing else np.zeros(1)
    t0 = grid_of_investment(m, firm, 64, -9, 9)
    S, T = (part.ravel() for part in np.meshgrid(s0, t0, indexing="ij"))

    def value(s: Array, t: Array) -> tuple[Array, Array]:
        points = bounded_sharing(m, with_own(x[:, None], firm, s, t))
        return earned(m, points)[..., firm], points[..., firm]

    first, clipped = value(np.broadcast_to(S, (lanes, len(S))), np.broadcast_to(T, (lanes, len(T))))
    shape = (lanes, len(s0), len(t0))
    cube = first.reshape(shape)
    padded = np.pad(cube, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    peak = np.ones(shape, bool)
    for ds in (-1, 0, 1):
        for dt in (-1, 0, 1):
            if ds or dt:
                peak &= cube >= padded[:, 1 + ds : 1 + ds + shape[1], 1 + dt : 1 + dt + shape[2]]
    order = np.argsort(-np.where(peak, cube, -np.inf).reshape(lanes, -1), axis=1)[:, :keep]
    s = np.take_along_axis(clipped, order, 1)
    t = np.broadcast_to(T, (lanes, len(T)))[np.arange(lanes)[:, None], order]
    best = np.take_along_axis(first, order, 1)
    # Closing in: steps in own units, about the sizes of neighbouring grid points.
    wide_s = (
        np.where(s < 1e-12, 2e-9, np.where(s > 0.05, 0.08, 2 * s)) if sharing else np.zeros_like(s)
    )
    wide_t = np.where(t < 1e-12, 2e-9, t)
    ds, dt = np.meshgrid(
        np.linspace(-1, 1, 7) if sharing else np.zeros(1), np.linspace(-1, 1, 7), indexing="ij"
    )
    ds, dt = ds.ravel(), dt.ravel()
    if sharing and np.isfinite(m.most[firm]):  # also as much as leaves the rival's unit cost nil
        ds, dt = np.append(ds, np.full(7, 1e12)), np.append(dt, np.linspace(-1, 1, 7))
    for _ in range(rounds):
        trial_s = np.clip(s[..., None] + wide_s[..., None] * ds, 0, 1)
        trial_t = np.clip(t[..., None] + wide_t[..., None] * dt, 0, m.cap[firm])
        points = bounded_sharing(m, with_own(x[:, None, None], firm, trial_s, trial_t))
        values = earned(m, points)[..., firm]
        k = np.argmax(values, -1)[..., None]
        top = np.take_along_axis(values, k, -1)[..., 0]
        better = top > best
        s = np.where(better, np.take_along_axis(points[..., firm], k, -1)[..., 0], s)
        t = np.where(better, np.take_along_axis(trial_t, k, -1)[..., 0], t)
        best = np.where(better, top, best)
        edge = better & ((np.abs(ds[k[..., 0]]) == 1) | (np.abs(dt[k[..., 0]]) == 1))
        wide_s, wide_t = (np.where(edge, wide, wide * 0.5) for wide in (wide_s, wide_t))
    k = np.argmax(best, 1)[:, None]
    levels = np.concatenate([np.take_along_axis(s, k, 1), np.take_along_axis(t, k, 1)], 1)
    return levels, np.take_along_axis(best, k, 1)[:, 0]


def regret(m: Market, x: Array, sharing: bool) -> Array:
    """Each firm's largest gain from an own deviation, the rival possibly driven out, (N, 2); x (N,
    4)."""
    now = earned(m, x)
    return np.stack([replies(m, x, i, sharing)[1] - now[:, i] for i in range(2)], -1)


def own_slopes(m: Market, x: Array) -> Array:
    """Slope of each firm's duopoly profit in its own levels, (..., 4); x may be complex."""
    b, cross = m.own_slope, m.cross_slope
    s, t = x[..., :2], x[..., 2:]
    phi1, phi2, phi3 = m.leak
    dear = 1 + m.slope * t + m.curvature * t**2 / 2
    raw = m.base - m.saved * swap(s * t)
    steep = raw * (m.slope + m.curvature * t)  # of the own unit cost in t_i
    n = nets(m, x)
    margin = duopoly(m, n)

    def pull(own: Array, other: Array) -> Array:
        return (2 * swap(b) * own + cross * other) / (4 * b[0] * b[1] - cross**2)

    # In s_i: own n falls by leakage and gains x F_j's fall; in t_i likewise.
    fall_s = -swap(m.saved * dear) * t  # of the rival's unit cost in s_i
    fall_t = -swap(m.saved * dear) * s
    ds = pull(
        -2 * phi1 * s + phi3 * swap(s) + cross * fall_s,
        swap(m.spill) * t + swap(2 * phi2) * s + swap(phi3) * swap(s) - swap(b) * fall_s,
    )
    dt = pull(
        1 - b * steep + cross * fall_t,
        -swap(m.rivalry) + swap(m.spill) * s + cross * steep - swap(b) * fall_t,
    )
    known = m.knowledge * swap(s * t)
    if m.form == "restricted":
        rest = t - known
        spent = m.scale * np.where(rest.real > 0, rest, 0)
    else:
        y = known / m.reference
        share = y / (1 + y) if m.form == "saturating" else 1 - np.exp(-y)
        spent = m.scale * t * (1 - m.max_saving * share)
    return np.concatenate([2 * b * margin * ds, 2 * b * margin * dt - spent], -1)


def newton(m: Market, x: Array, sharing: bool, rounds: int = 30) -> Array:
    """Where the slopes are nil or push against a bound: Newton's method on levels (N, 4), the free
    ones chosen anew each time."""
    upper = np.concatenate([[1, 1] if sharing else [0, 0], m.cap])
    x = np.clip(x, 0, upper)
    for _ in range(rounds):
        g = own_slopes(m, x)
        size = np.maximum(x, 1e-9)
        shifted = x[:, None, :] + 1e-30j * size[:, None, :] * np.eye(4)
        jac = np.swapaxes(own_slopes(m, shifted).imag * 1e30, 1, 2)  # [n, slope, level times size]
        held = ((x <= 0) & (g <= 0)) | ((x >= upper) & (g >= 0))
        jac = np.where(held[:, :, None] | held[:, None, :], 0, jac) + np.eye(4) * held[:, :, None]
        g = np.where(held, 0, g)
        row = np.maximum(np.abs(jac).max(-1), TINY)
        with np.errstate(all="ignore"):
            try:
                step = np.linalg.solve(jac / row[..., None], (-g / row)[..., None])[..., 0]
            except np.linalg.LinAlgError:
                step = (np.linalg.pinv(jac / row[..., None]) @ (-g / row)[..., None])[..., 0]
        step = np.where(np.isfinite(step), step, 0)
        # At most tenfold each time, and where a firm invests nothing by a first amount.
        x = np.clip(x + size * step, np.maximum(x / 10, 0) * (x > 1e-12), np.maximum(10 * x, 1e-6))
        x = np.clip(x, 0, upper)
    return bounded_sharing(m, x)


@dataclass(frozen=True, kw_only=True)
class Played:
    """The equilibria of a game that were found."""

    inside: list[Array]
    """With both firms in, highest joint profit first."""
    without: list[tuple[Array, int]]
    """With a firm out, and which; 2: nobody sells."""
    nil: bool
    """Whether replies settle, with both in, where a unit cost that knowledge lowers is nil."""
    certain: float
    """Growth of the reply that grows fastest, nothing saved: above one there is no equilibrium."""
    possible: float
    """The same with the most saved."""


def starting(m: Market, sharing: bool, rng: np.random.Generator, count: int = 60) -> Array:
    """Levels all over, (N, 4)."""
    t = 10 ** rng.uniform(-4, 4, (count, 2))
    t[: count // 2] = (10 ** rng.uniform(-2, 1.5, (count, 2)))[: count // 2]
    s = (
        rng.choice([0.0, 1e-4, 1e-2, 0.1, 0.3, 0.7, 1.0], (count, 2))
        if sharing
        else np.zeros((count, 2))
    )
    x = np.concatenate([s, np.minimum(t, m.cap)], -1)
    x[0, 2:] = 0
    return bounded_sharing(m, x)


def play(m: Market, sharing: bool, hints: Sequence[Array] = (), tolerance: float = 1e-8) -> Played:
    """The equilibria of the game in own levels."""
    rng = np.random.default_rng(5)
    certain, possible = (
        max(reply_growth(m, i, discounted) for i in range(2)) for discounted in (False, True)
    )
    x = starting(m, sharing, rng)
    # Replies in turn, from a few levels.
    turns = np.concatenate([x[:4], x[30:34], *(h[None] for h in hints)])
    trail = [x, turns]
    for _ in range(6):
        for i in range(2):
            own, _ = replies(m, turns, i, sharing, keep=2, rounds=10)
            turns = turns.copy()
            turns[:, i], turns[:, 2 + i] = own[:, 0], own[:, 1]
            turns = np.where(turns > 1e8, 1e8, turns)
        trail.append(turns)
    candidates = newton(m, np.concatenate(trail), sharing)
    candidates = candidates[np.isfinite(candidates).all(-1)]
    # What has not come to rest is none yet.
    on = newton(m, candidates, sharing, rounds=3)
    here, there = earned(m, candidates).sum(-1), earned(m, on).sum(-1)
    with np.errstate(invalid="ignore"):
        candidates = on[np.abs(here - there) <= 1e-9 * np.maximum(1, np.abs(there))]
    inside: list[Array] = []
    nil = False
    for each in distinct(candidates, m):
        n = nets(m, each)
        sold = duopoly(m, n)
        if (
            not endless(m, each)
            and sold.min() > 1e-9 * sold.max()
            and (unit_costs(m, each) >= -1e-9 * m.base).all()
        ):
            scale = max(1.0, float(np.abs(earned(m, each)).max()))
            slope = own_slopes(m, each)
            upper = np.concatenate([[1, 1] if sharing else [0, 0], m.cap])
            push = np.where(
                (each <= 0) & (slope < 0) | (each >= upper) & (slope > 0), 0, slope
            ) * np.maximum(each, 1e-9)
            # At nothing a slope upward is a gain, however little the level that takes it.
            rising = (each <= 0) & (upper > 0) & (slope > 1e-8 * scale)
            if np.abs(push).max() > 1e-5 * scale or rising.any():
                continue
            # What a small firm gains counts beside its own profit: hundredfold unlike firms exist.
            own = np.maximum(np.abs(earned(m, each)), 1e-4 * scale)
            if (regret(m, each[None], sharing)[0] <= tolerance * own).all():
                if nearly_nil(m, each, 1e-6):  # more would be given could costs be negative
                    nil = True
                else:
                    inside.append(each)
    inside.sort(key=lambda each: -float(earned(m, each).sum()))
    others = [] if inside or certain > 1 else without(m, sharing, tolerance)
    if not inside:
        for each in distinct(turns, m)[:3]:
            cost = unit_costs(m, each)
            if ((m.saved > 0) & (cost <= 1e-4 * m.base)).any() and duopoly(
                m, nets(m, each)
            ).min() > 0:
                nil |= float(regret(m, each[None], sharing).max()) <= 1e-6 * max(
                    1.0, float(np.abs(earned(m, each)).max())
                )
    return Played(inside=inside, without=others, nil=nil, certain=certain, possible=possible)


def endless(m: Market, x: Array) -> bool:
    """Whether an investment is where the grid ends only because grids end."""
    return bool(((x[2:] > 1e8) & np.isinf(m.cap)).any())


def distinct(x: Array, m: Market) -> list[Array]:
    """Those that differ, at most 40."""
    kept: list[Array] = []
    for each in x:
        if not any(
            np.all(np.abs(each - other) <= 1e-6 * np.maximum(np.abs(other), 1e-7)) for other in kept
        ):
            kept.append(each)
        if len(kept) == 40:
            break
    return kept


def without(m: Market, sharing: bool, tolerance: float) -> list[tuple[Array, int]]:
    """Equilibria with a firm out: it invests nothing, what it shares is of no account to it, the
    other replies."""
    found: list[tuple[Array, int]] = []
    for out in range(2):
        shares = np.array([0, 0.1, 1.0]) if sharing else np.zeros(1)
        x = np.zeros((len(shares), 4))
        x[:, out] = shares
        own, _ = replies(m, x, 1 - out, sharing)
        x[:, 1 - out], x[:, 3 - out] = own[:, 0], own[:, 1]
        for each in x:
            margin = sales(m, nets(m, each))[0]
            if margin[out] > 0 or endless(m, each):
                continue
            scale = max(1.0, float(np.abs(earned(m, each)).max()))
            if float(regret(m, each[None], sharing).max()) <= tolerance * scale:
                found.append((each, out if margin.max() > 0 else 2))
    return found
