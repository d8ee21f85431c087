"""The oracle's second part: unit costs, the restricted cost, other orders of moves, and demand from
the consumer's utility.

It adds to `oracle.py`, whose arithmetic, Newton's method and derivatives it uses and whose three
steps it keeps:

1. search: a dense grid over all levels that are not given by the others, refined from every local
   maximum or crossing;
2. polish: Newton's method at 40 digits and more on the conditions of the levels that are free, for
   every way in which bounds may bind and every piece of the rival's reply;
3. check: signs at the bounds that bind, curvature, and the best of an own deviation on another,
   finer grid.

What is derived here, with F_i = (c - lambdahat t_j s_j) delta(t_i), delta(t) = 1 + slope t +
curvature t^2 / 2:

- Bertrand: A_i - 2 b1_i p_i + b2 p_j + b1_i F_i = 0; so A_i + b1_i F_i takes the place of A_i, and
  q_i = b1_i (p_i - F_i).
- Collusive: A_i - 2 b1_i p_i + 2 b2 p_j + b1_i F_i - b2 F_j = 0; so A_i + b1_i F_i - b2 F_j takes
  the place of A_i.
- Own sharing, the own investment given: neither F_i nor f_i contains s_i, so firm i maximises its
  price, a concave parabola in s_i whatever the form of the cost. Its top is u_i = [(2 b1_j + b2)
  phi3 s_j + b2 t_i (lambda_d - b1_j lambdahat delta(t_j))] / (4 b1_j phi1 - 2 b2 phi2), cut off at
  0 and 1. It is linear in s_j with a slope in [0, 1), so investments determine both firms' sharing.
  Hence Nash equilibria are found as crossings in the plane of (t_1, t_2), all of them, and a best
  reply in one dimension, t_i.

Levels are lists [s_1, s_2, t_1, t_2]; firms are 0 and 1. Everything up to `single_payoff` works on
floats, complex floats, mpmath's numbers and numpy arrays alike. A level at which a quantity, a
price or a unit cost is negative is not an outcome: a firm whose margin would be negative is taken
to sell nothing, and a planner may not go there.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np
from oracle import (
    DIGITS,
    PLANNER,
    PRICE_RULE,
    Levels,
    Market,
    Pair,
    at_bound,
    curvature,
    gross_utility_along_ray,
    grows,
    jacobian,
    polish,
    precise,
    prices,
    pushes_out,
    quantities,
    read_market,
    real,
    same,
    shift,
    slope,
    starts,
)
from oracle import investment_cost as scalar_investment_cost
from scipy import ndimage, optimize

WORK = 60
"""Decimal digits of the arithmetic in which a leader's payoff is differentiated numerically."""

REGIMES = (*PRICE_RULE, "sequential", "investment_first")


# --- the market -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage(Market):
    """A market with unit costs."""

    unit_cost: tuple[Any, Any, Any, Any]
    """c, lambdahat, delta'(0), delta''"""


def read_stage(tree: Mapping[str, Any], number: Callable[[Any], Any] = float) -> Stage:
    """The market of a case file's tree, unit costs included."""
    block = tree.get("unit_cost", {})
    told = tuple(number(block.get(key, 0)) for key in ("base", "spillover", "slope", "curvature"))
    return Stage(**vars(read_market({**tree, "unit_cost": {}}, number)), unit_cost=told)


def choose(condition: Any, yes: Any, no: Any) -> Any:
    """`yes` where the condition holds, else `no`, elementwise for arrays."""
    if isinstance(condition, np.ndarray):
        return np.where(condition, yes, no)
    return yes if condition else no


def cut(u: Any) -> Any:
    """u cut off at 0 and 1 by its real part, so that derivatives by a complex step pass through."""
    return choose(real(u) <= 0, 0 * u, choose(real(u) >= 1, 0 * u + 1, u))


def investment_cost(m: Stage, x: Levels, i: int) -> Any:
    """f_i, on arrays too."""
    if m.form == "restricted":
        gap = x[2 + i] - m.cost_spillover[i] * x[3 - i] * x[1 - i]
        return choose(real(gap) > 0, m.scale / 2 * gap**2, 0 * gap)
    return scalar_investment_cost(m, x, i)


def delta(m: Stage, t: Any) -> Any:
    """delta(t)"""
    return 1 + m.unit_cost[2] * t + m.unit_cost[3] * t**2 / 2


def unit_costs(m: Stage, x: Levels) -> Pair:
    """F_i"""
    base, spillover = m.unit_cost[:2]
    return (base - spillover * x[3] * x[1]) * delta(m, x[2]), (
        base - spillover * x[2] * x[0]
    ) * delta(m, x[3])


def stage_prices(m: Stage, A: Pair, F: Pair, rule: str) -> Pair:
    """Prices at intercepts A and unit costs F: those without unit costs at other intercepts, as the
    module says."""
    if rule == "marginal_cost":
        return F
    cross = m.cross_slope if rule == "collusive" else 0
    return prices(
        m,
        (A[0] + m.own_slope[0] * F[0] - cross * F[1], A[1] + m.own_slope[1] * F[1] - cross * F[0]),
        rule,
    )


def account(m: Stage, x: Levels, rule: str) -> dict[str, Any]:
    """Everything that levels x lead to at a price rule; TS_i = GU_i - f_i - F_i q_i."""
    B, F = shift(m, x), unit_costs(m, x)
    A = m.intercept[0] + B[0], m.intercept[1] + B[1]
    p = stage_prices(m, A, F, rule)
    q = quantities(m, A, p)
    utility = gross_utility_along_ray(m, A, q)
    cost = [investment_cost(m, x, i) for i in (0, 1)]
    return {
        "sharing": list(x[:2]),
        "investment": list(x[2:]),
        "price": list(p),
        "quantity": list(q),
        "profit": [(p[i] - F[i]) * q[i] - cost[i] for i in (0, 1)],
        "consumer_surplus": sum(utility[i] - p[i] * q[i] for i in (0, 1)),
        "welfare": sum(utility[i] - cost[i] - F[i] * q[i] for i in (0, 1)),
        "unit_cost": list(F),
    }


def own_profit(m: Stage, x: Levels, i: int) -> Any:
    """Firm i's profit at Bertrand prices, b1_i (p_i - F_i)^2 - f_i; a firm with a negative margin
    sells nothing."""
    B, F = shift(m, x), unit_costs(m, x)
    margin = (
        stage_prices(m, (m.intercept[0] + B[0], m.intercept[1] + B[1]), F, "bertrand")[i] - F[i]
    )
    return choose(real(margin) > 0, m.own_slope[i] * margin**2, 0 * margin) - investment_cost(
        m, x, i
    )


def possible(told: Mapping[str, Any]) -> Any:
    """Whether quantities, prices and unit costs are all non-negative."""
    return np.all(
        [
            np.asarray(v, dtype=float) >= 0
            for key in ("price", "quantity", "unit_cost")
            for v in told[key]
        ],
        axis=0,
    )


def single_payoff(m: Stage, x: Levels, regime: str) -> Any:
    """What the decision maker of a regime maximises."""
    told = account(m, x, PRICE_RULE[regime])
    return (
        told["welfare"] if PLANNER[regime] == "welfare" else told["profit"][0] + told["profit"][1]
    )


def primitives(r: Any, d: Any, z: Any) -> dict[str, Any]:
    """Demand from the utility r_1 q_1 + r_2 q_2 - d_1 q_1^2 / 2 - d_2 q_2^2 / 2 - z q_1 q_2,
    numbers or one per firm.

    The system r_i - d_i q_i - z q_j = p_i, solved by Cramer's rule with the determinant d_1 d_2 -
    z^2.
    """
    (r1, r2), (d1, d2) = ((tuple(v) if isinstance(v, Sequence) else (v, v)) for v in (r, d))
    determinant = d1 * d2 - z**2
    return {
        "intercept": [(d2 * r1 - z * r2) / determinant, (d1 * r2 - z * r1) / determinant],
        "own_slope": [d2 / determinant, d1 / determinant],
        "cross_slope": z / determinant,
    }


# --- one decision maker ---------------------------------------------------------------------------


def spread(top: float, points: int) -> np.ndarray:
    """Investments from 0 to `top`, denser below."""
    return top * np.linspace(0, 1, points) ** 2


def far(m: Stage) -> float:
    """An investment at which to start the search for a bound."""
    return min(m.cap, 0.8 * max(m.intercept))


def single_grid(
    m: Stage, regime: str, sharing: int = 13, investment: int = 33
) -> tuple[list[Levels], float] | None:
    """The grid's local maxima, best first, and its best payoff; None if the payoff grows as far as
    one looks.

    The grid reaches twice as far as its best point, and as far again as needed in steps of two to
    be sure of that.
    """
    top = far(m)
    s = np.linspace(0, 1, sharing)
    for _ in range(18):
        t = spread(top, investment)
        axes = np.meshgrid(s, s, t, t, indexing="ij")
        told = account(m, list(axes), PRICE_RULE[regime])
        value = (
            told["welfare"]
            if PLANNER[regime] == "welfare"
            else told["profit"][0] + told["profit"][1]
        )
        value = np.where(possible(told), value, -np.inf)
        best = np.unravel_index(np.argmax(value), value.shape)
        if top >= m.cap or (
            max(t[best[2]], t[best[3]]) <= top / 2 and value[..., -1, -1].max() < value.max()
        ):
            peak = (value == ndimage.maximum_filter(value, size=3, mode="nearest")) & np.isfinite(
                value
            )
            where = sorted(np.argwhere(peak), key=lambda k: -value[tuple(k)])[:12]
            return [[float(a[tuple(k)]) for a in axes] for k in where], float(value.max())
        top = min(m.cap, 2 * top)
    return None


def climb(m: Stage, regime: str, start: Levels) -> Levels:
    """A local maximum of the decision maker's payoff from a start, in floats."""

    def loss(v: Any) -> tuple[float, Any]:
        x = [float(k) for k in v]
        return -single_payoff(m, x, regime), np.array(
            [-slope(lambda y: single_payoff(m, y, regime), x, k) for k in range(4)]
        )

    top = None if math.isinf(m.cap) else m.cap
    point = start
    for _ in range(2):
        found = optimize.minimize(
            loss,
            point,
            jac=True,
            method="TNC",
            bounds=[(0, 1), (0, 1), (0, top), (0, top)],
            options={"maxfun": 600, "ftol": 1e-15, "gtol": 1e-8, "xtol": 1e-12},
        )
        point = [float(v) for v in found.x]
    return point


def snapped(x: Levels, upper: Sequence[Any], slack: float = 1e-3) -> list[tuple[Levels, list[int]]]:
    """x at the polishing precision with every subset of the levels next to a bound put on it, and
    the levels left free."""
    near = [k for k in range(len(x)) if x[k] < slack or x[k] > upper[k] - slack]
    told = []
    for held in itertools.chain.from_iterable(
        itertools.combinations(near, n) for n in range(len(near) + 1)
    ):
        point = [mp.mpf(v) for v in x]
        for k in held:
            point[k] = mp.mpf(0) if x[k] < 0.5 * upper[k] else mp.mpf(upper[k])
        told.append((point, [k for k in range(len(x)) if k not in held]))
    return told


def within(x: Levels, upper: Sequence[Any], slack: float = 1e-18) -> bool:
    """Whether levels lie between nil and their upper bounds."""
    return all(-slack <= v <= u + slack for v, u in zip(x, upper, strict=True))


def single(tree: Mapping[str, Any], regime: str) -> dict[str, Any]:
    """The outcome of a regime with one decision maker."""
    rough, fine = read_stage(tree), read_stage(tree, precise)
    upper = (1, 1, fine.cap, fine.cap)
    # without unit costs the payoff is quadratic far out, and its sign there is decisive
    grid = None if not any(rough.unit_cost) and grows(tree, regime) else single_grid(rough, regime)
    if grid is None:
        return {"status": "unbounded"}
    seeds, best_seen = grid

    def payoff(x: Levels) -> Any:
        return single_payoff(fine, x, regime)

    tried: list[Levels] = []
    found: list[Levels] = []
    for seed in [*seeds, *starts(rough, (0.05, 0.5, 1.0))]:
        x = climb(rough, regime, seed)
        if not possible(account(rough, x, PRICE_RULE[regime])):
            continue
        if any(
            all(abs(a - b) <= 1e-3 * (1 + abs(a)) for a, b in zip(x, y, strict=True)) for y in tried
        ):
            continue
        tried.append(x)
        for start, free in snapped(x, upper):
            point = polish(lambda y, free=free: [slope(payoff, y, k) for k in free], start, free)
            if point is None or not within(point, upper) or any(same(point, y) for y in found):
                continue
            if all(
                pushes_out(slope(payoff, point, k), point[k]) for k in range(4) if k not in free
            ) and (not free or curvature(payoff, point, free) < 0):
                found.append(point)
    found = [
        x
        for x in sorted(found, key=payoff, reverse=True)
        if possible(account(fine, x, PRICE_RULE[regime]))
    ]
    if not found or payoff(found[0]) < best_seen - 1e-9 * abs(best_seen):
        # nothing stationary is as good as the grid's best: the payoff rises up to where a unit
        # cost, price or quantity is nil
        edge = not possible(account(rough, climb(rough, regime, seeds[0]), PRICE_RULE[regime]))
        return {
            "status": "infeasible" if edge else "not_converged",
            "best_seen": best_seen,
            "near": seeds[0],
        }
    told = [account(fine, x, PRICE_RULE[regime]) for x in found]
    free = [k for k in range(4) if found[0][k] not in (0, upper[k])]
    proof = {
        "curvature": curvature(payoff, found[0], free) if free else None,
        "grid_margin": float(payoff(found[0])) - best_seen,
    }
    return finished(fine, found, told, proof)


def finished(
    m: Stage,
    points: list[Levels],
    told: list[dict[str, Any]],
    proof: Mapping[str, Any],
    imposed: bool = False,
) -> dict[str, Any]:
    """An outcome as it is handed out: the first account, how it was checked, and the others."""
    bounds = [b for b in at_bound(m, points[0]) if not (imposed and b.startswith("sharing"))]
    return {
        **told[0],
        "status": "corner" if bounds else "converged",
        "bounds": bounds,
        **proof,
        "others": told[1:],
    }


# --- games of simultaneous investments ------------------------------------------------------------


def sharing_line(m: Stage, t: Sequence[Any], i: int) -> Pair:
    """(gamma_i, beta_i) of the wish u_i = gamma_i + beta_i s_j."""
    j = 1 - i
    phi1, phi2, phi3 = m.leakage
    bend = 4 * m.own_slope[j] * phi1 - 2 * m.cross_slope * phi2
    pull = m.demand_spillover - m.own_slope[j] * m.unit_cost[1] * delta(m, t[j])
    return m.cross_slope * t[i] * pull / bend, (2 * m.own_slope[j] + m.cross_slope) * phi3 / bend


def wish(m: Stage, s: Sequence[Any], t: Sequence[Any], i: int) -> Any:
    """u_i"""
    gamma, beta = sharing_line(m, t, i)
    return gamma + beta * s[1 - i]


def held_sharing(m: Stage, t: Sequence[Any]) -> list[Any]:
    """Per firm where its sharing stands, given investments and the rival's sharing at equilibrium:
    0 and 1 held, 2 free."""
    t = [real(v) for v in t]
    s = [0 * t[0], 0 * t[1]]
    for _ in range(120):  # a contraction by 3/4 or less
        before = s
        s = [cut(wish(m, s, t, 0)), s[1]]
        s = [s[0], cut(wish(m, s, t, 1))]
        if np.max(np.abs(np.asarray(s[0] - before[0], dtype=float))) < 1e-17:
            break
    told = [wish(m, s, t, i) for i in (0, 1)]
    return [choose(u <= 0, 0 * u, choose(u >= 1, 0 * u + 1, 0 * u + 2)) for u in told]


def sharing_at(m: Stage, t: Sequence[Any], held: Sequence[Any]) -> Pair:
    """Both firms' sharing given investments and who is held where: two linear equations."""
    lines = [sharing_line(m, t, i) for i in (0, 1)]
    (g1, c1), (g2, c2) = (
        (
            choose(held[i] == 2, lines[i][0], 0 * lines[i][0] + held[i]),
            choose(held[i] == 2, lines[i][1] + 0 * held[i], 0 * held[i]),
        )
        for i in (0, 1)
    )
    first = (g1 + c1 * g2) / (1 - c1 * c2)
    return first, g2 + c2 * first


def levels(m: Stage, t: Sequence[Any], kind: str, held: Sequence[Any] | None = None) -> Levels:
    """The levels that investments lead to."""
    if kind == "no_sharing":
        return [0 * t[0], 0 * t[1], *t]
    return [*sharing_at(m, t, held_sharing(m, t) if held is None else held), *t]


def pull_on_investment(m: Stage, t: Sequence[Any], i: int, kind: str, held: Sequence[Any]) -> Any:
    """The derivative of firm i's profit in t_i: total if sharing answers to investment, else with
    sharing as it stands."""
    if kind == "investment_first":
        return slope(lambda y: own_profit(m, levels(m, y, kind, held), i), list(t), i)
    return slope(lambda y: own_profit(m, y, i), levels(m, t, kind, held), 2 + i)


def crossings(
    m: Stage, kind: str, points: int = 201
) -> tuple[list[tuple[list[float], set[Any], list[tuple[float, float]]]], float]:
    """Cells of the plane of investments in which both firms' conditions may hold: centre, cases of
    sharing, sides; and how far the plane was searched."""
    top = far(m)
    for size in far(m) * 2.0 ** np.arange(
        12
    ):  # conditions may hold anywhere short of where both firms always want less
        edge = [np.full(121, size), spread(size, 121)]
        if any(
            (pull_on_investment(m, e, i, kind, held_sharing(m, e)) >= 0).any()
            for i, e in ((0, edge), (1, edge[::-1]))
        ):
            top = 2 * size
    top = min(2 * top, m.cap)
    axis = spread(top, points)
    t = list(np.meshgrid(axis, axis, indexing="ij"))
    held = held_sharing(m, t)
    gap = []
    for i in (0, 1):
        step = pull_on_investment(m, t, i, kind, held) / m.scale
        gap.append(np.clip(t[i] + step, 0, m.cap) - t[i])

    def corners(v: np.ndarray) -> np.ndarray:
        return np.stack([v[:-1, :-1], v[1:, :-1], v[:-1, 1:], v[1:, 1:]])

    signs = [corners(g) for g in gap]
    here = np.logical_and.reduce([(g.min(axis=0) <= 0) & (g.max(axis=0) >= 0) for g in signs])
    codes = corners(held[0] + 10 * held[1])
    cells = []
    for a, b in np.argwhere(here):
        sides = [(axis[a], axis[a + 1]), (axis[b], axis[b + 1])]
        cells.append(
            (
                [float(sum(side) / 2) for side in sides],
                {(int(c % 10), int(c // 10)) for c in codes[:, a, b]},
                sides,
            )
        )
    return cells, top


def settle(
    m: Stage, kind: str, start: Sequence[float], held: Pair, rules: Sequence[Any]
) -> Levels | None:
    """Levels that meet one condition per firm, polished from a start; None where there are none
    near.

    A rule is "free" (the derivative is nil), a bound at which t_i is held, or a pair (k, b): t_i
    where firm k's wish is b.
    """
    t = [mp.mpf(v) for v in start]
    free = [i for i in (0, 1) if not isinstance(rules[i], float)]
    for i in {0, 1} - set(free):
        t[i] = mp.mpf(rules[i])
    where = [mp.mpf(h) for h in held]

    def conditions(y: Levels) -> list[Any]:
        told = []
        for i in free:
            if rules[i] == "free":
                told.append(pull_on_investment(m, y, i, kind, where))
            else:
                k, bound = rules[i]
                told.append(wish(m, sharing_at(m, y, where), y, k) - bound)
        return told

    try:
        t = polish(conditions, t, free)
    except (
        TypeError
    ):  # what mpmath makes of a Jacobian without pivots: rules that contradict each other
        return None
    return None if t is None else levels(m, t, kind, where)


def own_line(m: Stage, x: Levels, i: int, kind: str) -> Callable[[Any], Levels]:
    """What levels firm i's investment leads to, its own sharing (`nash`) or both firms'
    (`investment_first`) at its best."""

    def at(t: Any) -> Levels:
        own = [t, x[3]] if i == 0 else [x[2], t]
        if kind == "investment_first":
            other = 0 * t + own[1 - i]
            own[1 - i] = other
            return levels(m, own, kind)
        s = 0 * t if kind == "no_sharing" else cut(wish(m, x[:2], own, i))
        return [s, x[1], *own] if i == 0 else [x[0], s, *own]

    return at


def replies(
    m: Stage, x: Levels, i: int, kind: str, top: float, points: int = 1201
) -> list[tuple[float, Levels]]:
    """The local maxima of firm i's profit over its own levels, best first, each with its profit."""
    at, top = own_line(m, x, i, kind), min(top, m.cap)
    grid = spread(top, points)
    if top < m.cap:
        grid = np.unique(
            np.concatenate([grid, np.minimum(top * np.geomspace(1.02, 1e4, 120), m.cap)])
        )
    value = own_profit(m, at(grid), i)
    last = len(grid) - 1

    def derivative(t: float) -> float:
        return slope(lambda y: own_profit(m, at(y[0]), i), [t], 0)

    told = []
    for n in range(last + 1):
        low, high = max(0, n - 1), min(last, n + 1)
        if value[n] < max(value[low], value[high]):
            continue
        t, ends = float(grid[n]), (float(grid[low]), float(grid[high]))
        if ends[0] < ends[1] and derivative(ends[0]) > 0 > derivative(ends[1]):
            t = optimize.brentq(derivative, *ends, xtol=1e-15, rtol=1e-15)
        y = [float(v) for v in at(t)]
        told.append((float(own_profit(m, y, i)), y))
    return sorted(told, key=lambda r: -r[0])


def regret(m: Stage, x: Levels, i: int, kind: str, top: float) -> float:
    """Firm i's largest gain from an own deviation; with sharing its own to choose, also over a grid
    of (s_i, t_i)."""
    best = replies(m, x, i, kind, top, 4001)[0][0]
    if kind == "nash":
        s, t = np.meshgrid(np.linspace(0, 1, 101), spread(top, 801), indexing="ij")
        y: Levels = list(x)
        y[i], y[2 + i] = s, t
        best = max(best, float(own_profit(m, y, i).max()))
    return best - float(own_profit(m, x, i))


def game(tree: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """All equilibria of `nash`, `no_sharing` or `investment_first`; highest joint profit first,
    then lowest total investment."""
    rough, fine = read_stage(tree), read_stage(tree, precise)
    cells, top = crossings(rough, kind)
    found: list[tuple[Levels, float, list[Any]]] = []
    for start, cases, sides in cells:
        kinks = (
            [(k, b) for k in (0, 1) for b in (0, 1) if len({c[k] == b for c in cases}) == 2]
            if kind == "investment_first"
            else []
        )
        choices = [
            ["free", *(float(v) for v in sides[i] if v in (0, rough.cap)), *kinks] for i in (0, 1)
        ]
        for held, *rules in itertools.product(cases, *choices):
            x = settle(fine, kind, start, held, rules)
            if (
                x is None
                or not within(x, (1, 1, fine.cap, fine.cap))
                or any(same(x, y[0]) for y in found)
            ):
                continue
            if kind != "no_sharing" and not consistent(fine, x, held):
                continue
            there = [float(v) for v in x]
            gain = max(
                regret(rough, there, i, kind, top) / max(1.0, abs(own_profit(rough, there, i)))
                for i in (0, 1)
            )
            if gain <= 1e-10:
                found.append((x, gain, rules))
    if not found:
        return {"status": "no_equilibrium", "cells": len(cells)}
    found.sort(key=lambda f: (-sum(own_profit(fine, f[0], i) for i in (0, 1)), f[0][2] + f[0][3]))
    told = [account(fine, f[0], "bertrand") for f in found]
    if not possible(told[0]):
        return {"status": "infeasible"}
    proof = {
        "regret": found[0][1],
        "kinks": [r if isinstance(r, tuple) else None for r in found[0][2]],
    }
    return finished(fine, [f[0] for f in found], told, proof, kind == "no_sharing")


def consistent(m: Stage, x: Levels, held: Sequence[Any]) -> bool:
    """Whether firms held at a bound of sharing wish to be there or beyond."""
    slack = mp.mpf(10) ** -20
    told = [wish(m, x[:2], x[2:], i) for i in (0, 1)]
    return all(
        h == 2 or (u <= slack if h == 0 else u >= 1 - slack)
        for h, u in zip(held, told, strict=True)
    )


# --- a leader and a follower ----------------------------------------------------------------------


def answered(
    m: Stage, own: Sequence[float], leader: int, top: float, points: int = 1201
) -> list[tuple[float, Levels]]:
    """The follower's locally best answers to a leader's (s, t), best first, each with the
    follower's profit."""
    x = [0.0, 0.0, 0.0, 0.0]
    x[leader], x[2 + leader] = (float(v) for v in own)
    return replies(m, x, 1 - leader, "nash", top, points)


def leader_grid(
    m: Stage, leader: int, sharing: int, investment: int, follower: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """The leader's profit on a grid of its levels, the follower's answer taken from a grid: s, t,
    profit, the follower's reach.

    Both grids reach at least twice as far as what is chosen.
    """
    top = reach = far(m)
    for _ in range(16):
        s, t, own = np.linspace(0, 1, sharing), spread(top, investment), spread(reach, follower)
        value, answer = np.empty((sharing, investment)), np.empty((sharing, investment))
        for n, fixed in enumerate(s):
            x: Levels = [0.0, 0.0, 0.0, 0.0]
            x[leader], x[2 + leader] = fixed, t[:, None]
            y = own_line(m, x, 1 - leader, "nash")(own[None, :] + 0 * t[:, None])
            pick = own_profit(m, y, 1 - leader).argmax(axis=1)[:, None]
            value[n] = np.take_along_axis(own_profit(m, y, leader), pick, axis=1)[:, 0]
            answer[n] = own[pick[:, 0]]
        best = np.unravel_index(value.argmax(), value.shape)
        enough = (
            top >= m.cap or t[best[1]] <= top / 2,
            reach >= m.cap or answer.max() <= reach / 2,
        )
        if all(enough):
            return s, t, value, reach
        top, reach = (
            size if fine else min(m.cap, 2 * size)
            for size, fine in zip((top, reach), enough, strict=True)
        )
    raise ArithmeticError(
        "the leader's investment or the follower's answer grows as far as one looks"
    )


class Answer:
    """One piece of the follower's reply at high precision: its sharing free or at a bound, its
    investment free or at one."""

    def __init__(self, m: Stage, leader: int, near: Levels) -> None:
        self.m, self.leader, self.follower = m, leader, 1 - leader
        s, self.start = near[self.follower], mp.mpf(near[2 + self.follower])
        self.sharing = mp.mpf(s) if s in (0, 1) else None
        self.investment = (
            mp.mpf(near[2 + self.follower])
            if near[2 + self.follower] in (0, float(m.cap))
            else None
        )

    def at(self, own: Sequence[Any], t: Any) -> Levels:
        x: Levels = [None] * 4
        x[self.leader], x[2 + self.leader], x[2 + self.follower] = own[0], own[1], t
        x[self.follower] = (
            wish(self.m, [own[0]] * 2, x[2:], self.follower)
            if self.sharing is None
            else self.sharing
        )
        return x

    def __call__(self, own: Sequence[Any]) -> Levels:
        """All levels when the leader chooses `own`."""
        if self.investment is not None:
            return self.at(own, self.investment)
        told = polish(
            lambda y: [
                slope(lambda z: own_profit(self.m, self.at(own, z[0]), self.follower), y, 0)
            ],
            [self.start],
            [0],
        )
        if told is None:
            raise ArithmeticError("the follower's answer was not found")
        return self.at(own, told[0])

    def payoff(self, own: Sequence[Any], firm: int) -> Any:
        return own_profit(self.m, self(own), firm)


def gradient(f: Callable[[Levels], Any], x: Levels, free: Sequence[int]) -> list[Any]:
    """Derivatives by central differences; at 60 digits a step of 1e-16 leaves an error of about
    1e-32."""
    step = mp.mpf(10) ** -16
    told = []
    for k in free:
        up, down = list(x), list(x)
        up[k] += step
        down[k] -= step
        told.append((f(up) - f(down)) / (2 * step))
    return told


def sequential(tree: Mapping[str, Any], leader: int = 0) -> dict[str, Any]:
    """The leader's best commitment when the follower answers with its globally best reply.

    Where the follower's reply jumps the leader's profit does too; a leader's optimum at a jump, the
    follower indifferent and choosing what the leader prefers, is looked for as a maximum along the
    curve of indifference.
    """
    rough, fine = read_stage(tree), read_stage(tree, precise)
    upper = (1, fine.cap)
    try:
        s, t, value, reach = leader_grid(rough, leader, 31, 81, 500)
    except ArithmeticError:
        return {"status": "unbounded"}
    best_seen, best_own = -math.inf, [0.0, 0.0]
    peaks = value == ndimage.maximum_filter(value, size=3, mode="nearest")
    seeds = sorted(np.argwhere(peaks), key=lambda k: -value[tuple(k)])[:6]

    def loss(v: Any) -> float:
        own = [min(max(float(v[0]), 0.0), 1.0), min(max(float(v[1]), 0.0), rough.cap)]
        outside = abs(own[0] - v[0]) + abs(own[1] - v[1])
        return (
            -own_profit(rough, answered(rough, own, leader, reach, 401)[0][1], leader)
            + 10 * outside
        )

    found: list[tuple[Any, list[Any], Levels, float | None, str | None]] = []
    for a, b in seeds:
        own, size = [float(s[a]), float(t[b])], (0.02, 0.02 * (1 + t[b]))
        for _ in range(2):
            simplex = np.array(
                [
                    own,
                    [own[0] + (size[0] if own[0] < 0.5 else -size[0]), own[1]],
                    [own[0], abs(own[1] - size[1])],
                ]
            )
            options = {"initial_simplex": simplex, "xatol": 1e-9, "fatol": 1e-13, "maxfev": 250}
            run = optimize.minimize(loss, own, method="Nelder-Mead", options=options)
            own, size = (
                [
                    min(max(float(run.x[0]), 0.0), 1.0),
                    min(max(float(run.x[1]), 0.0), rough.cap),
                ],
                (1e-3, 1e-3),
            )
        if -run.fun > best_seen:
            best_seen, best_own = -float(run.fun), own
        with mp.workdps(WORK):
            local = answered(rough, own, leader, reach)
            close = [r for r in local if r[0] >= local[0][0] - 1e-5 * max(1.0, abs(local[0][0]))]
            for answer in close:
                reply = Answer(fine, leader, answer[1])
                for start, free in snapped(own, upper):
                    found += [(*f, None) for f in led(rough, reply, start, free, upper, reach)]
            # seams: the follower indifferent between two answers, or its wish of sharing just at a
            # bound
            seams: list[Any] = [
                ("kink", *switched(fine, leader, local[0][1], bound), bound) for bound in (0, 1)
            ]
            if len(close) > 1:
                ranked = sorted(close[:2], key=lambda r: -own_profit(rough, r[1], leader))
                seams.append(("jump", *(Answer(fine, leader, r[1]) for r in ranked), None))
            for name, one, other, bound in seams:
                for start, free in snapped(own, upper):
                    found += [
                        (*f, name)
                        for f in led_along(rough, one, other, bound, start, free, upper, reach)
                    ]
    found.sort(key=lambda f: -f[0])
    if not found or found[0][0] < best_seen - 1e-8 * max(1.0, abs(best_seen)):
        # a leader that gains up to where the follower sells nothing has no outcome to offer
        there = account(rough, answered(rough, best_own, leader, reach)[0][1], "bertrand")
        edge = not possible(there) or min(there["quantity"]) < 1e-3 * max(there["quantity"])
        return {
            "status": "infeasible" if edge else "not_converged",
            "best_seen": best_seen,
            "near": best_own,
        }
    told = account(fine, found[0][2], "bertrand")
    if not possible(told):
        return {"status": "infeasible"}
    there = [float(v) for v in found[0][2]]
    proof = {
        "follower_regret": regret(rough, there, 1 - leader, "nash", reach),
        "leader_margin": (
            float(found[0][0]) - finer_leader_grid(rough, leader, reach, float(found[0][0]))
        ),
        "curvature": found[0][3],
        "seam": found[0][4],
        "leader": leader,
    }
    kept = [found[0]]
    for f in found[1:]:
        if not any(same(f[2], g[2]) for g in kept):
            kept.append(f)
    return finished(
        fine, [f[2] for f in kept], [account(fine, f[2], "bertrand") for f in kept], proof
    )


def led(
    rough: Stage, reply: Answer, start: Levels, free: list[int], upper: Sequence[Any], reach: float
) -> list[Any]:
    """A local optimum of the leader on one piece of the follower's reply, if there is one near:
    (profit, own, levels, curvature)."""

    def payoff(own: Levels) -> Any:
        return reply.payoff(own, reply.leader)

    try:
        own = polish(lambda y: gradient(payoff, y, free), start, free)
        if own is None or not within(own, upper):
            return []
        held = [k for k in (0, 1) if k not in free]
        if not all(pushes_out(gradient(payoff, own, [k])[0], own[k]) for k in held):
            return []
        x = reply(own)
        if not within(x, (1, 1, upper[1], upper[1])):
            return []
        bend = None
        if free:
            hessian = jacobian(lambda y: gradient(payoff, y, free), own, free)
            bend = float(max(mp.eigsy((hessian + hessian.T) / 2, eigvals_only=True)))
            if bend >= 0:
                return []
    except (ArithmeticError, ValueError):
        return []
    best = answered(rough, [float(v) for v in own], reply.leader, reach, 4001)[0]
    if best[0] > float(own_profit(reply.m, x, reply.follower)) + 1e-9 * max(1.0, abs(best[0])):
        return []
    return [(payoff(own), own, x, bend)]


def switched(m: Stage, leader: int, near: Levels, bound: int) -> tuple[Answer, Answer]:
    """The follower's answers near one of them with its sharing held at a bound, and with its
    sharing free."""
    held, loose = Answer(m, leader, near), Answer(m, leader, near)
    held.sharing, loose.sharing = mp.mpf(bound), None
    return held, loose


def led_along(
    rough: Stage,
    one: Answer,
    other: Answer,
    bound: int | None,
    start: Levels,
    free: list[int],
    upper: Sequence[Any],
    reach: float,
) -> list[Any]:
    """The leader's optimum on the seam of two pieces of the follower's reply, if there is one near.

    With D nil on the seam and positive where the first piece holds, the conditions are D = 0 and a
    gradient of profit + mu D that vanishes on the free levels. Without a bound D is the follower's
    gain from the first answer over the other, and mu >= 0 says that the leader's profit falls into
    the first piece; into the other it jumps down. With a bound the two answers agree on the seam, D
    is how far the follower's wish of sharing is beyond the bound, and the profit on the other piece
    has to fall away too: its own mu is at most nil.
    """
    follower, leader = one.follower, one.leader

    def side(own: Levels) -> Any:
        if bound is None:
            return one.payoff(own, follower) - other.payoff(own, follower)
        x = one(own)
        return (wish(one.m, x[:2], x[2:], follower) - bound) * (2 * bound - 1)

    def lagrangian(piece: Answer, mu: Any) -> Callable[[Levels], Any]:
        return lambda own: piece.payoff(own, leader) + mu * side(own)

    def conditions(z: Levels) -> list[Any]:
        return [*gradient(lagrangian(one, z[2]), z[:2], free), side(z[:2])]

    if not free:
        return []
    try:
        slopes, rates = (
            gradient(lambda own: one.payoff(own, leader), start, free),
            gradient(side, start, free),
        )
        z = polish(
            conditions, [*start, -mp.fdot(slopes, rates) / mp.fdot(rates, rates)], [*free, 2]
        )
        if z is None or z[2] < 0 or not within(z[:2], upper):
            return []
        own = z[:2]
        if not all(
            pushes_out(gradient(lagrangian(one, z[2]), own, [k])[0], own[k])
            for k in (0, 1)
            if k not in free
        ):
            return []
        if bound is not None:
            slopes, rates = (
                gradient(lambda y: other.payoff(y, leader), own, free),
                gradient(side, own, free),
            )
            if mp.fdot(slopes, rates) < 0:
                return []
        elif one.payoff(own, leader) < other.payoff(own, leader):
            return []
        x = one(own)
    except (ArithmeticError, ValueError, TypeError):
        return []
    best = answered(rough, [float(v) for v in own], leader, reach, 4001)[0]
    if not within(x, (1, 1, upper[1], upper[1])) or best[0] > float(
        own_profit(one.m, x, follower)
    ) + 1e-9 * max(1.0, abs(best[0])):
        return []
    return [(one.payoff(own, leader), own, x, None)]


def finer_leader_grid(m: Stage, leader: int, reach: float, claimed: float) -> float:
    """The leader's best profit on a fine grid, answers computed exactly wherever the grid comes
    close to what is claimed."""
    s, t, value, _ = leader_grid(m, leader, 61, 201, 400)
    best = -math.inf
    close = sorted(
        np.argwhere(value > claimed - 2e-4 * max(1.0, abs(claimed))), key=lambda k: -value[tuple(k)]
    )
    for a, b in close[:1500]:
        best = max(
            best, float(own_profit(m, answered(m, [s[a], t[b]], leader, reach, 401)[0][1], leader))
        )
    return max(best, float(value.max())) if math.isinf(-best) else best


# --- outcomes -------------------------------------------------------------------------------------


def outcome(tree: Mapping[str, Any], regime: str, leader: int = 0) -> dict[str, Any]:
    """A regime's outcome under the keys of a result, with `status`, `bounds`, what was checked, and
    `others`."""
    with mp.workdps(DIGITS):
        if regime in PLANNER:
            told = single(tree, regime)
        elif regime == "sequential":
            told = sequential(tree, leader)
        else:
            told = game(tree, regime)
        return plain(told)


def plain(value: Any) -> Any:
    """The same with floats for mpmath's numbers."""
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return float(value) if isinstance(value, mp.mpf | np.floating) else value


def solve(tree: Mapping[str, Any], regimes: Sequence[str] = REGIMES) -> dict[str, Any]:
    """The outcomes of several regimes."""
    return {regime: outcome(tree, regime) for regime in regimes}
