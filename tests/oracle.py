"""An independent, slow and precise solution of the market, against which the programs are tested.

Nothing here comes from the packages under test. Every formula is a scalar one, written as one would
on paper, and works in whatever arithmetic it is given: floats for the searches, complex floats for
derivatives (the imaginary part of f(x + ih) / h), and mpmath's numbers for the digits. Three steps
lead to every outcome:

1. search: many starts all over the levels, and every combination of bounds that may bind;
2. polish: Newton's method at 40 digits on the first-order conditions of the levels that are free;
3. check: the signs at the bounds that bind, the curvature on the free levels, and, for equilibria,
   the best of a firm's own deviations found by brute force.

Levels are lists [s_1, s_2, t_1, t_2]; firms are 0 and 1; unit costs are nil.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np
from scipy import optimize

DIGITS = 40
"""Decimal digits of the polishing arithmetic."""

Levels = list[Any]
Pair = tuple[Any, Any]

PRICE_RULE = {
    "nash": "bertrand",
    "no_sharing": "bertrand",
    "joint_profit": "bertrand",
    "price_collusion": "collusive",
    "social_optimum": "bertrand",
    "first_best": "marginal_cost",
}
PLANNER = {
    "joint_profit": "profit",
    "price_collusion": "profit",
    "social_optimum": "welfare",
    "first_best": "welfare",
}
"""What the single decision maker of a regime maximises; the regimes not listed are games."""


# --- the market -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Market:
    """Parameters in one arithmetic; a pair holds one number per firm."""

    intercept: Pair
    """a_i"""
    own_slope: Pair
    """b1_i"""
    cross_slope: Any
    """b2"""
    rivalry: Any
    """alpha"""
    demand_spillover: Any
    """lambda_d"""
    leakage: tuple[Any, Any, Any]
    """phi1, phi2, phi3"""
    scale: Any
    """k"""
    max_saving: Any
    """gamma"""
    cost_spillover: Pair
    """lambda_c,i"""
    cap: Any
    """bound on t, or infinity"""
    form: str


def read_market(tree: Mapping[str, Any], number: Callable[[Any], Any] = float) -> Market:
    """The market of a case file's tree, its numbers turned into the arithmetic `number`."""

    def pair(value: Any) -> Pair:
        first, second = (
            value if isinstance(value, Sequence) and not isinstance(value, str) else (value, value)
        )
        return number(first), number(second)

    if any(
        tree.get("unit_cost", {}).get(key) for key in ("base", "spillover", "slope", "curvature")
    ):
        raise NotImplementedError("unit costs")
    demand, security, cost = tree["demand"], tree["security"], tree["cost"]
    cap = cost.get("investment_cap")
    return Market(
        intercept=pair(demand["intercept"]),
        own_slope=pair(demand["own_slope"]),
        cross_slope=number(demand["cross_slope"]),
        rivalry=number(security["rivalry"]),
        demand_spillover=number(security["demand_spillover"]),
        leakage=tuple(number(security["leakage"][key]) for key in ("own", "cross", "interaction")),
        scale=number(cost["scale"]),
        max_saving=number(cost["max_saving"]),
        cost_spillover=pair(cost["spillover"]),
        cap=math.inf if cap is None else number(cap),
        form=cost.get("form", "saturating"),
    )


def precise(x: Any) -> Any:
    """A number of a case file at the polishing precision (the double nearest to what is
    written)."""
    return mp.mpf(float(x))


def exponential(x: Any) -> Any:
    """e^x in the arithmetic of x."""
    return mp.exp(x) if isinstance(x, mp.mpf | mp.mpc) else np.exp(x)


def real(x: Any) -> Any:
    """The real part, in the arithmetic of x."""
    return x.real if isinstance(x, complex | mp.mpc) else x


def shift(m: Market, x: Levels) -> Pair:
    """(3) and (2): B_i = t_i - alpha t_j + lambda_d t_j s_j - g_i, g_i = phi1 s_i^2 - phi2 s_j^2 -
    phi3 s_i s_j."""
    s, t = x[:2], x[2:]
    phi1, phi2, phi3 = m.leakage

    def of(i: int, j: int) -> Any:
        leaked = phi1 * s[i] ** 2 - phi2 * s[j] ** 2 - phi3 * s[i] * s[j]
        return t[i] - m.rivalry * t[j] + m.demand_spillover * t[j] * s[j] - leaked

    return of(0, 1), of(1, 0)


def investment_cost(m: Market, x: Levels, i: int) -> Any:
    """f_i = f(t_i, y), y = lambda_c,i t_j s_j."""
    t, y = x[2 + i], m.cost_spillover[i] * x[2 + 1 - i] * x[1 - i]
    if m.form == "restricted":
        return m.scale / 2 * (t - y) ** 2 if real(t - y) > 0 else 0 * t
    saved = {"saturating": lambda: y / (1 + y), "exponential": lambda: 1 - exponential(-y)}[
        m.form
    ]()
    return m.scale / 2 * t**2 * (1 - m.max_saving * saved)


def two_by_two(a: Any, b: Any, c: Any, d: Any, right: Pair) -> Pair:
    """The solution of [[a, b], [c, d]] (x, y)' = right."""
    determinant = a * d - b * c
    return (d * right[0] - b * right[1]) / determinant, (a * right[1] - c * right[0]) / determinant


def prices(m: Market, A: Pair, rule: str) -> Pair:
    """Prices at the intercepts A = a + B, from the first-order conditions of the price game or
    programme.

    Bertrand: A_i - 2 b1_i p_i + b2 p_j = 0. Collusive, with p_1 q_1 + p_2 q_2 to maximise: A_i - 2
    b1_i p_i + 2 b2 p_j = 0.
    """
    if rule == "marginal_cost":
        return 0 * A[0], 0 * A[1]
    cross = {"bertrand": 1, "collusive": 2}[rule] * m.cross_slope
    return two_by_two(2 * m.own_slope[0], -cross, -cross, 2 * m.own_slope[1], A)


def quantities(m: Market, A: Pair, p: Pair) -> Pair:
    """(1): q_i = A_i - b1_i p_i + b2 p_j."""
    return (
        A[0] - m.own_slope[0] * p[0] + m.cross_slope * p[1],
        A[1] - m.own_slope[1] * p[1] + m.cross_slope * p[0],
    )


def inverse_demand(m: Market, A: Pair, q: Pair) -> Pair:
    """The prices at which the quantities q are demanded."""
    return two_by_two(
        m.own_slope[0], -m.cross_slope, -m.cross_slope, m.own_slope[1], (A[0] - q[0], A[1] - q[1])
    )


def simpson(f: Callable[[Any], Any]) -> Any:
    """The integral of f over [0, 1] by Simpson's rule, which is exact up to cubics."""
    return (f(0) + 4 * f(0.5) + f(1)) / 6


def gross_utility_along_ray(m: Market, A: Pair, q: Pair) -> Pair:
    """Each product's part of the line integral of inverse demand from 0 to q along the ray."""
    first = simpson(lambda u: inverse_demand(m, A, (u * q[0], u * q[1]))[0] * q[0])
    second = simpson(lambda u: inverse_demand(m, A, (u * q[0], u * q[1]))[1] * q[1])
    return first, second


def gross_utility_along_axes(m: Market, A: Pair, q: Pair) -> Any:
    """The same integral, first product 1 alone, then product 2 with product 1 at q_1; the sum alone
    has a meaning."""
    first = simpson(lambda u: inverse_demand(m, A, (u * q[0], 0 * q[1]))[0] * q[0])
    second = simpson(lambda u: inverse_demand(m, A, (q[0], u * q[1]))[1] * q[1])
    return first + second


def account(m: Market, x: Levels, rule: str) -> dict[str, Any]:
    """Everything that levels x lead to at a price rule."""
    B = shift(m, x)
    A = m.intercept[0] + B[0], m.intercept[1] + B[1]
    p = prices(m, A, rule)
    q = quantities(m, A, p)
    utility = gross_utility_along_ray(m, A, q)
    cost = [investment_cost(m, x, i) for i in (0, 1)]
    surplus = [utility[i] - p[i] * q[i] for i in (0, 1)]
    total = [utility[i] - cost[i] for i in (0, 1)]
    return {
        "sharing": list(x[:2]),
        "investment": list(x[2:]),
        "price": list(p),
        "quantity": list(q),
        "profit": [p[i] * q[i] - cost[i] for i in (0, 1)],
        "consumer_surplus": surplus[0] + surplus[1],
        "welfare": total[0] + total[1],
        "subsidy": [surplus[i] + total[1 - i] for i in (0, 1)],
    }


def own_profit(m: Market, x: Levels, i: int) -> Any:
    """Firm i's profit at Bertrand prices."""
    B = shift(m, x)
    A = m.intercept[0] + B[0], m.intercept[1] + B[1]
    p = prices(m, A, "bertrand")
    return p[i] * quantities(m, A, p)[i] - investment_cost(m, x, i)


def planner_payoff(m: Market, x: Levels, regime: str) -> Any:
    """What the decision maker of a regime maximises."""
    told = account(m, x, PRICE_RULE[regime])
    return (
        told["welfare"] if PLANNER[regime] == "welfare" else told["profit"][0] + told["profit"][1]
    )


# --- derivatives, Newton --------------------------------------------------------------------------


def slope(f: Callable[[Levels], Any], x: Levels, k: int) -> Any:
    """df/dx_k by a complex step: no cancellation, so exact to the arithmetic."""
    step = mp.mpf(10) ** (-DIGITS) if isinstance(x[0], mp.mpf) else 1e-30
    there = list(x)
    there[k] = there[k] + (mp.mpc(0, step) if isinstance(step, mp.mpf) else complex(0, step))
    return f(there).imag / step


def jacobian(
    conditions: Callable[[Levels], list[Any]], x: Levels, free: Sequence[int]
) -> mp.matrix:
    """Derivatives of the conditions in the free levels, by central differences at the polishing
    precision."""
    step = mp.mpf(10) ** (-DIGITS // 3)
    columns = []
    for k in free:
        up, down = list(x), list(x)
        up[k] += step
        down[k] -= step
        columns.append(
            [(a - b) / (2 * step) for a, b in zip(conditions(up), conditions(down), strict=True)]
        )
    return mp.matrix(columns).T


def polish(
    conditions: Callable[[Levels], list[Any]], x: Levels, free: Sequence[int]
) -> Levels | None:
    """Newton's method on the conditions of the free levels; None where it does not converge near
    its start."""
    x = list(x)
    for _ in range(30):
        if not free:
            return x
        try:
            step = mp.lu_solve(jacobian(conditions, x, free), mp.matrix(conditions(x)))
        except ZeroDivisionError:
            return None
        size = max(abs(step[n]) for n in range(len(free)))
        if size > 1e3 * (1 + max(abs(v) for v in x)):
            return None
        for n, k in enumerate(free):
            x[k] -= step[n]
        if size < mp.mpf(10) ** (-DIGITS + 15):
            return x
    return None


def inside(m: Market, x: Levels, slack: float = 1e-9) -> bool:
    """Whether the levels respect their bounds."""
    return all(-slack <= v <= 1 + slack for v in x[:2]) and all(
        -slack <= v <= m.cap + slack for v in x[2:]
    )


def same(x: Levels, y: Levels) -> bool:
    """Whether two points are one."""
    return all(abs(a - b) <= 1e-7 * (1 + abs(a)) for a, b in zip(x, y, strict=True))


def pushes_out(gradient: Any, level: Any) -> bool:
    """Whether a level held at a bound (its lower one if it is nil) would gain nothing by leaving
    it."""
    return bool((-gradient if level == 0 else gradient) >= -(mp.mpf(10) ** (-DIGITS // 2)))


def at_bound(m: Market, x: Levels) -> list[str]:
    """Names of the bounds that bind at x."""
    upper = (1, 1, m.cap, m.cap)
    names = ("sharing[0]", "sharing[1]", "investment[0]", "investment[1]")
    low = [f"{name} = 0" for name, v in zip(names, x, strict=True) if v == 0]
    return low + [f"{name} = {u}" for name, v, u in zip(names, x, upper, strict=True) if v == u]


# --- one decision maker ---------------------------------------------------------------------------


def grows(tree: Mapping[str, Any], regime: str) -> bool:
    """Whether the payoff of a regime's decision maker rises without bound as investment does.

    Far out the payoff is the square of the distance times a coefficient of direction and sharing;
    its sign is looked up by brute force. A little sharing is enough for the whole saving there,
    hence the sharing of one thousandth.
    """
    m = read_market(tree)
    if math.isfinite(m.cap):
        return False
    far = 1e9
    for s1, s2 in itertools.product((0.0, 1e-3, 0.25, 0.5, 0.75, 1.0), repeat=2):
        for angle in np.linspace(0, math.pi / 2, 31):
            x = [s1, s2, far * math.cos(angle), far * math.sin(angle)]
            if planner_payoff(m, x, regime) > 1e-7 * far**2:
                return True
    return False


def climb(
    m: Market, regime: str, start: Levels, fixed_sharing: bool = False
) -> tuple[Levels, float]:
    """A local maximum of the decision maker's payoff from a start, in floats, and the payoff there.

    The method is one that calls no linear algebra library: threads that wait for one another make
    those very slow on problems of this size when the machine is busy.
    """

    def loss(v: Any) -> tuple[float, Any]:
        x = [float(k) for k in v]
        f = lambda y: planner_payoff(m, y, regime)  # noqa: E731
        return -f(x), np.array([-slope(f, x, k) for k in range(4)])

    top = None if math.isinf(m.cap) else m.cap
    sharing = [(start[k], start[k]) if fixed_sharing else (0, 1) for k in (0, 1)]
    point, options = start, {"maxfun": 2000, "ftol": 1e-15, "gtol": 1e-8, "xtol": 1e-12}
    for _ in range(2):  # a restart forgets a bad model of the curvature
        found = optimize.minimize(
            loss,
            point,
            jac=True,
            method="TNC",
            bounds=[*sharing, (0, top), (0, top)],
            options=options,
        )
        point = [float(v) for v in found.x]
    return point, -float(found.fun)


def starts(m: Market, sharing: Sequence[float] = (0.0, 0.1, 0.3, 0.65, 1.0)) -> list[Levels]:
    """Points all over the levels."""
    unit = min(max(m.intercept) / 20, m.cap / 12)
    pairs = [(0.2, 0.2), (1, 1), (6, 6), (30, 30), (1, 12), (12, 1)]
    investments = [(min(m.cap, unit * a), min(m.cap, unit * b)) for a, b in pairs]
    return [
        [s1, s2, t1, t2]
        for s1, s2 in itertools.product(sharing, repeat=2)
        for t1, t2 in investments
    ]


def local_optima(tree: Mapping[str, Any], regime: str) -> list[Levels]:
    """Every local maximum found of a regime with one decision maker, best first, at the polishing
    precision."""
    rough, fine = read_market(tree), read_market(tree, precise)
    upper = (1, 1, fine.cap, fine.cap)

    def payoff(x: Levels) -> Any:
        return planner_payoff(fine, x, regime)

    found: list[Levels] = []
    candidates: list[Levels] = []
    for start in starts(rough):
        x, _ = climb(rough, regime, start)
        if not any(
            all(abs(a - b) <= 1e-3 * (1 + abs(a)) for a, b in zip(x, y, strict=True))
            for y in candidates
        ):
            candidates.append(x)
    for x in candidates:
        # a level next to a bound may be at it or not: both are tried, and the signs below decide
        near = [k for k in range(4) if x[k] < 1e-3 or x[k] > upper[k] - 1e-3]
        for held in itertools.chain.from_iterable(
            itertools.combinations(near, n) for n in range(len(near) + 1)
        ):
            point = [mp.mpf(v) for v in x]
            for k in held:
                point[k] = mp.mpf(0) if x[k] < 0.5 * upper[k] else mp.mpf(upper[k])
            free = [k for k in range(4) if k not in held]
            point = polish(lambda y, free=free: [slope(payoff, y, k) for k in free], point, free)
            if point is None or not inside(fine, point) or any(same(point, y) for y in found):
                continue
            outward = all(pushes_out(slope(payoff, point, k), point[k]) for k in held)
            if outward and (not free or curvature(payoff, point, free) < 0):
                found.append(point)
    return sorted(found, key=payoff, reverse=True)


def curvature(payoff: Callable[[Levels], Any], x: Levels, free: Sequence[int]) -> float:
    """The largest eigenvalue of the payoff's Hessian on the free levels."""
    hessian = jacobian(lambda y: [slope(payoff, y, k) for k in free], x, free)
    symmetric = np.array(
        [
            [float(hessian[i, j] + hessian[j, i]) / 2 for j in range(len(free))]
            for i in range(len(free))
        ]
    )
    return float(np.linalg.eigvalsh(symmetric).max())


def profile(tree: Mapping[str, Any], regime: str, points: int = 11) -> float:
    """The best payoff on a grid of sharing with investment maximised at every node: no optimum may
    fall short of it."""
    m = read_market(tree)
    unit = min(m.cap, max(m.intercept) / 4)
    return max(
        climb(m, regime, [s1, s2, unit, unit], fixed_sharing=True)[1]
        for s1, s2 in itertools.product(np.linspace(0, 1, points).tolist(), repeat=2)
    )


# --- the game -------------------------------------------------------------------------------------


def best_investment(m: Market, x: Levels, i: int) -> float | None:
    """Firm i's best t_i at Bertrand prices, all other levels as in x; None if its profit rises
    without bound.

    The own price is c0 + c1 t_i, so that profit is b1 (c0 + c1 t)^2 - (kappa / 2) t^2 where kappa
    does not depend on t.
    """
    nil, one = list(x), list(x)
    nil[2 + i], one[2 + i] = 0.0, 1.0
    c0, there = (
        prices(m, tuple(a + b for a, b in zip(m.intercept, shift(m, y), strict=True)), "bertrand")[
            i
        ]
        for y in (nil, one)
    )
    c1, b1 = there - c0, m.own_slope[i]
    if m.form == "restricted":
        y = m.cost_spillover[i] * x[2 + 1 - i] * x[1 - i]
        bend, target = m.scale - 2 * b1 * c1**2, 2 * b1 * c0 * c1 + m.scale * y
    else:
        y = 0.0
        bend, target = 2 * investment_cost(m, one, i) - 2 * b1 * c1**2, 2 * b1 * c0 * c1
    if bend <= 0:
        return None if math.isinf(m.cap) else m.cap
    return min(max(target / bend, y), m.cap)


def best_reply(
    m: Market, x: Levels, i: int, sharing: Sequence[float] | None = None
) -> tuple[Levels, float]:
    """Firm i's best own (s_i, t_i) by brute force over s_i, the rival's levels as in x, and the
    profit it gives."""

    def at(s: float) -> tuple[Levels, float]:
        y = list(x)
        y[i] = s
        t = best_investment(m, y, i)
        if t is None:
            return y, math.inf
        y[2 + i] = t
        return y, own_profit(m, y, i)

    if sharing is not None:
        return max((at(s) for s in sharing), key=lambda found: found[1])
    grid = np.linspace(0, 1, 201).tolist()
    best = max((at(s) for s in grid), key=lambda found: found[1])
    low, high = max(0.0, best[0][i] - 0.005), min(1.0, best[0][i] + 0.005)
    finer = optimize.minimize_scalar(
        lambda s: -at(float(s))[1], bounds=(low, high), method="bounded", options={"xatol": 1e-13}
    )
    return max(best, at(float(finer.x)), key=lambda found: found[1])


def equilibria(tree: Mapping[str, Any], sharing: Sequence[float] | None = None) -> list[Levels]:
    """All equilibria found, highest joint profit first, then lowest total investment; `sharing`
    imposes s on both firms.

    Every combination of bounds is tried: for each, the own first-order conditions of the free
    levels are solved from several starts, and a solution counts if it is inside the bounds, pushes
    against those it sits at, and leaves no firm a deviation.
    """
    rough, fine = read_market(tree), read_market(tree, precise)

    def own_slopes(m: Market, x: Levels, free: Sequence[int]) -> list[Any]:
        return [slope(lambda y, i=k % 2: own_profit(m, y, i), x, k) for k in free]

    sharing_states = [(0.0, None, 1.0)] * 2 if sharing is None else [(float(s),) for s in sharing]
    investment_states = [(None,) if math.isinf(rough.cap) else (None, rough.cap)] * 2
    imposed = [] if sharing is None else [0, 1]
    unit = max(rough.intercept) / 20
    seeds = [
        [s, s, unit * a, unit * b]
        for s in (0.1, 0.6)
        for a, b in ((1, 1), (6, 6), (25, 25), (1, 10), (10, 1))
    ]
    reached = replies_settle(rough, sharing)
    if reached is not None:
        seeds.insert(0, reached)

    found: list[Levels] = []
    for state in itertools.product(*sharing_states, *investment_states):
        free = [k for k in range(4) if state[k] is None]
        tried: list[Levels] = []
        for seed in seeds:
            x = [seed[k] if state[k] is None else state[k] for k in range(4)]
            if free:

                def conditions(
                    v: Any, x: Levels = x, free: Sequence[int] = tuple(free)
                ) -> list[float]:
                    y = list(x)
                    for k, value in zip(free, v, strict=True):
                        y[k] = float(value)
                    return own_slopes(rough, y, free)

                root = optimize.root(
                    conditions, [x[k] for k in free], method="hybr", options={"xtol": 1e-10}
                )
                for k, value in zip(free, root.x, strict=True):
                    x[k] = float(value)
            if not all(math.isfinite(v) for v in x) or not inside(rough, x, 1e-3):
                continue
            if free and (
                max(abs(root.fun)) > 1e-5 * rough.scale
                or any(
                    all(abs(a - b) <= 1e-6 * (1 + abs(a)) for a, b in zip(x, y, strict=True))
                    for y in tried
                )
            ):
                continue
            tried.append(list(x))
            point = polish(
                lambda y, free=free: own_slopes(fine, y, free), [precise(v) for v in x], free
            )
            if point is None or not inside(fine, point) or any(same(point, y) for y in found):
                continue
            held = [k for k in range(4) if k not in free and k not in imposed]
            if not all(pushes_out(own_slopes(fine, point, [k])[0], point[k]) for k in held):
                continue
            there = [float(v) for v in point]
            if all(
                regret_of(rough, there, i, sharing)
                <= 1e-9 * max(1.0, abs(own_profit(rough, there, i)))
                for i in (0, 1)
            ):
                found.append(point)
    return sorted(
        found, key=lambda x: (-(own_profit(fine, x, 0) + own_profit(fine, x, 1)), x[2] + x[3])
    )


def regret_of(m: Market, x: Levels, i: int, sharing: Sequence[float] | None) -> float:
    """Firm i's largest gain from an own deviation, its sharing held where it is imposed."""
    return best_reply(m, x, i, None if sharing is None else [float(sharing[i])])[1] - own_profit(
        m, x, i
    )


def replies_settle(m: Market, sharing: Sequence[float] | None = None) -> Levels | None:
    """Where alternating best replies come to rest from a small start; None if they run off."""
    x = [0.0, 0.0, *(min(m.cap, max(m.intercept) / 20) for _ in (0, 1))]
    if sharing is not None:
        x[:2] = [float(s) for s in sharing]
    for _ in range(25):
        for i in (0, 1):
            x, gain = best_reply(m, x, i, None if sharing is None else [x[i]])
            if math.isinf(gain) or max(x) > 1e6:
                return None
    return x


# --- outcomes -------------------------------------------------------------------------------------


def outcome(tree: Mapping[str, Any], regime: str) -> dict[str, Any]:
    """A regime's outcome under the keys of a result, its numbers at the polishing precision.

    `others` lists the accounts of the other equilibria or local optima, `bounds` what binds, and
    `regret` or `curvature` is the check that was made.
    """
    with mp.workdps(DIGITS):
        fine, rough = read_market(tree, precise), read_market(tree)
        if regime in PLANNER:
            if grows(tree, regime):
                return {"status": "unbounded"}
            points = local_optima(tree, regime)
        else:
            points = equilibria(tree, (0.0, 0.0) if regime == "no_sharing" else None)
        if not points:
            return {"status": "not_converged" if regime in PLANNER else "no_equilibrium"}
        told = [account(fine, x, PRICE_RULE[regime]) for x in points]
        best = told[0]
        if any(v < 0 for v in (*best["price"], *best["quantity"])):
            return {"status": "infeasible"}
        bounds = at_bound(fine, points[0])
        if regime == "no_sharing":
            bounds = [b for b in bounds if not b.startswith("sharing")]
        best |= {
            "status": "corner" if bounds else "converged",
            "bounds": bounds,
            "others": told[1:],
        }
        x = points[0]
        if regime in PLANNER:
            free = [k for k, top in enumerate((1, 1, fine.cap, fine.cap)) if x[k] not in (0, top)]
            best["curvature"] = (
                curvature(lambda y: planner_payoff(fine, y, regime), x, free) if free else None
            )
        else:
            imposed = (0.0, 0.0) if regime == "no_sharing" else None
            best["regret"] = max(
                regret_of(rough, [float(v) for v in x], i, imposed) for i in (0, 1)
            )
        return best


def full_information(nash: Mapping[str, Any], optimum: Mapping[str, Any]) -> dict[str, Any] | None:
    """(35), (36) with both outcomes given: subsidy CS_i + TS_j at the social optimum, a tax of the
    same amount.

    Together with the own profit the subsidy is welfare, so that the optimum is what the regulated
    firms choose, the net transfer there is nil, and a firm gains the difference of its profits at
    the optimum and in the market.
    """
    if "profit" not in nash or "profit" not in optimum:
        return None
    subsidy = optimum["subsidy"]
    return {
        "subsidy": subsidy,
        "tax": list(subsidy),
        "net_transfer": [mp.mpf(0), mp.mpf(0)],
        "participation_gain": [
            a - b for a, b in zip(optimum["profit"], nash["profit"], strict=True)
        ],
        "welfare_gap": mp.mpf(0),
    }


def solve(tree: Mapping[str, Any], regimes: Sequence[str] = tuple(PRICE_RULE)) -> dict[str, Any]:
    """The part of a result this oracle vouches for: `regimes` and, where both ends are there,
    `mechanism.scheme.full_information`."""
    told = {regime: outcome(tree, regime) for regime in regimes}
    result: dict[str, Any] = {"regimes": told}
    if "nash" in told and "social_optimum" in told:
        result["mechanism"] = {
            "full_information": full_information(told["nash"], told["social_optimum"])
        }
    return result


def look_up(result: Any, path: str) -> Any:
    """The value at a dotted path such as `regimes.nash.sharing[0]`."""
    for key, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        result = result[key] if key else result[int(index)]
    return result
