"""An independent ranking of policies, against which the programs are tested.

Nothing here comes from the packages under test. `rank_known` starts from the raw parameters of a
market of two firms whose types are known: it solves every policy by brute force and ranks them.
`rank_figures` ranks policies whose figures are given, as they are where types are private.

Levels are arrays [s_1, s_2, t_1, t_2], firms are 0 and 1, unit costs are nil. Every formula takes
many levels at once along later axes and works with complex numbers, so that derivatives are exact:
Im f(x + ih) / h.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize

FIRMS = (0, 1)
REQUIRES = {
    "nash": "nothing",
    "bayes_nash": "nothing",
    "no_sharing": "order",
    "joint_profit": "permission",
    "sharing_alliance": "permission",
    "linear_subsidies": "money",
    "vcg_full_information": "money",
    "printed": "reports",
    "groves": "reports",
    "worst_type": "reports",
    "agv": "reports",
    "observed": "reports",
    "designed": "reports",
    "second_best": "reports",
    "mandate": "order",
    "price_collusion": "permission",
    "social_optimum": "order",
    "first_best": "order",
}
"""What a policy asks for, in the order in which policies of equal standing are preferred."""
ORDER = list(REQUIRES)
RUNGS = ("nothing", "permission", "order", "money", "reports")
PUBLIC_MONEY = ("linear_subsidies", "vcg_full_information", "second_best", *ORDER[7:13])
"""Two-part tariffs: the public pays and takes, and flat parts make every firm join."""
ALLIANCES = ("joint_profit", "sharing_alliance", "price_collusion")
BY_ALLOWANCE_ONLY = ("price_collusion", "social_optimum", "first_best")
SOLVED = ("converged", "corner")
NOISE = 1e-9
"""Differences of money up to this share of today's welfare are none."""
IMMATERIAL = 1e-3
"""Differences of value up to this share of today's welfare are too small to ask anything for."""

Array = np.ndarray
Function = Callable[[Array], Array]
Policy = dict[str, Any]


# --- the market -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Market:
    """The raw parameters; pairs hold one number per firm."""

    a: tuple[float, float]
    """intercepts"""
    b: tuple[float, float]
    """own slopes b1"""
    x: float
    """cross slope b2"""
    alpha: tuple[float, float]
    """rivalry"""
    spill: tuple[float, float]
    """lambda_d"""
    phi: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    """phi1, phi2, phi3, each one per firm whose demand it lowers"""
    k: tuple[float, float]
    """scale of cost"""
    gamma: tuple[float, float]
    """largest share of cost saved"""
    learn: tuple[float, float]
    """lambda_c of the firm that benefits"""
    cap: tuple[float, float]
    """bounds on investment, or infinity"""
    t0: float
    """reference investment"""
    form: str

    @property
    def quantity(self) -> float:
        """The natural unit of quantity: the geometric mean of a."""
        return math.sqrt(self.a[0] * self.a[1])

    @property
    def money(self) -> float:
        """The natural unit of money: quantity^2 over the geometric mean of b."""
        return self.quantity**2 / math.sqrt(self.b[0] * self.b[1])


def read_market(tree: Mapping[str, Any]) -> Market:
    """The market of a case file's tree."""

    def pair(value: Any) -> tuple[float, float]:
        one, two = value if isinstance(value, Sequence) else (value, value)
        return float(one), float(two)

    if any(tree.get("unit_cost", {}).values()):
        raise NotImplementedError("unit costs")
    demand, security, cost = tree["demand"], tree["security"], tree["cost"]
    leakage, cap = security["leakage"], cost.get("investment_cap")
    return Market(
        a=pair(demand["intercept"]),
        b=pair(demand["own_slope"]),
        x=float(demand["cross_slope"]),
        alpha=pair(security["rivalry"]),
        spill=pair(security["demand_spillover"]),
        phi=(pair(leakage["own"]), pair(leakage["cross"]), pair(leakage["interaction"])),
        k=pair(cost["scale"]),
        gamma=pair(cost["max_saving"]),
        learn=pair(cost["spillover"]),
        cap=pair(math.inf if cap is None else cap),
        t0=float(cost.get("reference_investment", 1.0)),
        form=cost.get("form", "saturating"),
    )


def shifted_intercepts(m: Market, x: Array) -> list[Array]:
    """A_i = a_i + B_i, with (2) and (3)."""
    s, t = x[:2], x[2:]
    told = []
    for i in FIRMS:
        j = 1 - i
        leaked = m.phi[0][i] * s[i] ** 2 - m.phi[1][i] * s[j] ** 2 - m.phi[2][i] * s[i] * s[j]
        told.append(m.a[i] + t[i] - m.alpha[i] * t[j] + m.spill[i] * t[j] * s[j] - leaked)
    return told


def share_saved(m: Market, x: Array, i: int) -> Array:
    """The share of the stand-alone cost that the rival's knowledge saves (not of the restricted
    form)."""
    y = m.learn[i] * x[3 - i] * x[1 - i] / m.t0
    return m.gamma[i] * (y / (1 + y) if m.form == "saturating" else 1 - np.exp(-y))


def restricted_excess(m: Market, x: Array, i: int) -> Array:
    """max(t - lambda_c t_j s_j, 0), of the restricted form."""
    excess = x[2 + i] - m.learn[i] * x[3 - i] * x[1 - i]
    return np.where(np.real(excess) > 0, excess, 0 * excess)


def investment_cost(m: Market, x: Array, i: int) -> Array:
    """f_i."""
    if m.form == "restricted":
        return m.k[i] / 2 * restricted_excess(m, x, i) ** 2
    return m.k[i] / 2 * x[2 + i] ** 2 * (1 - share_saved(m, x, i))


def prices(m: Market, A: Sequence[Array], rule: str = "bertrand") -> list[Array]:
    """Prices from the first-order conditions of the price game or of joint profit; nil at marginal
    cost."""
    if rule == "marginal_cost":
        return [0 * A[0], 0 * A[1]]
    cross = m.x if rule == "bertrand" else 2 * m.x
    determinant = 4 * m.b[0] * m.b[1] - cross**2
    return [(2 * m.b[1 - i] * A[i] + cross * A[1 - i]) / determinant for i in FIRMS]


def quantities(m: Market, x: Array, rule: str = "bertrand") -> list[Array]:
    """(1) at the rule's prices."""
    A = shifted_intercepts(m, x)
    p = prices(m, A, rule)
    return [A[i] - m.b[i] * p[i] + m.x * p[1 - i] for i in FIRMS]


def profits(m: Market, x: Array, rule: str = "bertrand") -> list[Array]:
    """Pi_i before transfers."""
    p, q = prices(m, shifted_intercepts(m, x), rule), quantities(m, x, rule)
    return [p[i] * q[i] - investment_cost(m, x, i) for i in FIRMS]


def consumer_surplus(m: Market, x: Array, rule: str = "bertrand") -> Array:
    """q' D q / 2, D the slopes of inverse demand: what quadratic utility leaves after paying the
    prices."""
    q = quantities(m, x, rule)
    square = m.b[1] * q[0] ** 2 + m.b[0] * q[1] ** 2 + 2 * m.x * q[0] * q[1]
    return square / (2 * (m.b[0] * m.b[1] - m.x**2))


def own_slopes(m: Market, x: Array, i: int) -> tuple[Array, Array]:
    """dPi_i/ds_i and dPi_i/dt_i at Bertrand prices; the own price is p_i = (2 b_j A_i + x A_j) / D,
    revenue b_i p_i^2."""
    j = 1 - i
    s, t = x[:2], x[2:]
    p = prices(m, shifted_intercepts(m, x))[i]
    determinant = 4 * m.b[0] * m.b[1] - m.x**2
    own = -2 * m.phi[0][i] * s[i] + m.phi[2][i] * s[j]
    rival = m.spill[j] * t[i] + 2 * m.phi[1][j] * s[i] + m.phi[2][j] * s[j]
    by_sharing = (2 * m.b[j] * own + m.x * rival) / determinant
    by_investment = (2 * m.b[j] + m.x * (m.spill[j] * s[i] - m.alpha[j])) / determinant
    kept = (
        restricted_excess(m, x, i) if m.form == "restricted" else t[i] * (1 - share_saved(m, x, i))
    )
    return 2 * m.b[i] * p * by_sharing, 2 * m.b[i] * p * by_investment - m.k[i] * kept


def profit_with_exit(m: Market, x: Array, i: int) -> Array:
    """Firm i's profit where a firm that would sell a negative quantity is out instead."""
    j = 1 - i
    A = shifted_intercepts(m, x)
    p = prices(m, A)
    both = m.b[i] * p[i] ** 2

    def alone(own: Array, other: Array) -> Array:
        """What firm i earns when its rival is out: it keeps it out, or is a monopolist who need
        not."""
        monopoly = (m.b[j] * own + m.x * other) / (2 * (m.b[i] * m.b[j] - m.x**2))
        limit = -other / m.x if m.x > 0 else np.full_like(other, np.inf)
        kept_out = (own - m.b[i] * np.where(np.isfinite(limit), limit, 0)) * np.where(
            np.isfinite(limit), limit, 0
        )
        free = monopoly * (m.b[j] * own + m.x * other) / (2 * m.b[j])
        earned = np.where(limit < monopoly, kept_out, free)
        return np.where(m.b[j] * own + m.x * other <= 0, 0.0, earned)

    rival_out = 2 * m.b[i] * A[j] + m.x * A[i] < 0
    itself_out = 2 * m.b[j] * A[i] + m.x * A[j] < 0
    earned = np.where(itself_out, 0.0, np.where(rival_out, alone(A[i], A[j]), both))
    return earned - investment_cost(m, x, i)


# --- one decision maker ---------------------------------------------------------------------------


def gradient(f: Function, v: Array) -> Array:
    """The exact gradient of f at v, by complex steps in all directions at once."""
    there = np.repeat(v[:, None].astype(complex), len(v), axis=1)
    there[np.arange(len(v)), np.arange(len(v))] += 1e-30j
    return np.imag(f(there)) / 1e-30


@dataclass(frozen=True, kw_only=True)
class Program:
    """Maximise `payoff` where every function of `floors` is at least nil and `low <= v <= high`."""

    payoff: Function
    floors: Sequence[Function]
    low: Array
    high: Array
    unit: Array
    """size of each variable"""
    money: float
    """size of the payoff"""


def value_at(f: Function, v: Array) -> float:
    """f at one point."""
    return float(f(v[:, None])[0])


def feasible(problem: Program, v: Array, slack: float = 1e-8) -> bool:
    """Whether v is admissible up to rounding."""
    return bool(
        np.all(np.isfinite(v))
        and np.all(v >= problem.low - slack * problem.unit)
        and np.all(v <= problem.high + slack * problem.unit)
        and all(value_at(g, v) >= -slack * problem.money for g in problem.floors)
    )


def climb(problem: Program, start: Array) -> Array:
    """A local maximum from a start by sequential quadratic programming."""

    def scaled(f: Function) -> tuple[Callable[[Array], float], Callable[[Array], Array]]:
        return (
            lambda u: value_at(f, u * problem.unit) / problem.money,
            lambda u: gradient(f, u * problem.unit) * problem.unit / problem.money,
        )

    value, slope = scaled(problem.payoff)
    constraints = [
        {"type": "ineq", "fun": fun, "jac": jac} for fun, jac in map(scaled, problem.floors)
    ]
    found = optimize.minimize(
        lambda u: -value(u),
        np.clip(start, problem.low, problem.high) / problem.unit,
        jac=lambda u: -slope(u),
        method="SLSQP",
        bounds=list(zip(problem.low / problem.unit, problem.high / problem.unit, strict=True)),
        constraints=constraints,
        options={"ftol": 1e-13, "maxiter": 300},
    )
    return np.clip(found.x * problem.unit, problem.low, problem.high)


def polish(problem: Program, v: Array) -> Array | None:
    """Newton's method on the Lagrange conditions with what binds near v; None where that leads
    elsewhere."""
    at_low, at_high = (
        np.abs(v - bound) <= 1e-6 * problem.unit for bound in (problem.low, problem.high)
    )
    free = np.flatnonzero(~(at_low | at_high))
    v = np.where(at_low, problem.low, np.where(at_high, problem.high, v)).astype(float)
    binding = [g for g in problem.floors if value_at(g, v) <= 1e-6 * problem.money]
    unit = problem.unit[free]

    def conditions(z: Array) -> Array:
        w = v.copy()
        w[free] = z[: len(free)] * unit
        total = gradient(problem.payoff, w)[free]
        for price, g in zip(z[len(free) :], binding, strict=True):
            total = total + price * gradient(g, w)[free]
        return np.concatenate([total * unit, [value_at(g, w) for g in binding]]) / problem.money

    slopes = np.array([gradient(g, v)[free] * unit for g in binding]).reshape(
        len(binding), len(free)
    )
    prices_of = (
        np.linalg.lstsq(slopes.T, -gradient(problem.payoff, v)[free] * unit, rcond=None)[0]
        if binding
        else []
    )
    z = np.concatenate([v[free] / unit, prices_of])
    for _ in range(12):
        residual = conditions(z)
        if len(z) == 0 or np.max(np.abs(residual)) < 1e-14:
            break
        jacobian = np.empty((len(z), len(z)))
        for c in range(len(z)):
            step = np.zeros(len(z))
            step[c] = 1e-6
            jacobian[:, c] = (conditions(z + step) - conditions(z - step)) / 2e-6
        z = z - np.linalg.lstsq(jacobian, residual, rcond=1e-13)[0]
        if not np.all(np.isfinite(z)):
            return None
    told = v.copy()
    told[free] = z[: len(free)] * unit
    near = np.max(np.abs(told - v) / problem.unit, initial=0) <= 1e-3
    settled = len(z) == 0 or np.max(np.abs(conditions(z))) < 1e-10
    return (
        told
        if near and settled and np.all(z[len(free) :] >= -1e-7) and feasible(problem, told)
        else None
    )


def maximise(problem: Program, starts: Sequence[Array]) -> Array:
    """The best of the local maxima from many starts, polished."""
    tops = [v for v in (climb(problem, start) for start in starts) if feasible(problem, v, 1e-7)]
    tops.sort(key=lambda v: -value_at(problem.payoff, v))
    best = tops[0]
    told = []
    for v in tops:
        if value_at(problem.payoff, v) < value_at(problem.payoff, best) - 1e-6 * problem.money:
            break
        if not any(np.max(np.abs(v - w) / problem.unit) < 1e-4 for w, _ in told):
            finer = polish(problem, v)
            told.append((v, finer))
    polished = [finer for _, finer in told if finer is not None]
    return max(polished or [best], key=lambda v: value_at(problem.payoff, v))


LARGE = 30.0
"""Investment in natural units that no bounded market here comes near."""


def level_starts(m: Market, today: Policy | None = None) -> list[Array]:
    """Starts all over the levels, and today's."""
    n = m.quantity
    told = [
        np.array([s1, s2, t * n, t * n])
        for s1, s2 in itertools.product((0.02, 0.5, 0.98), repeat=2)
        for t in (0.03, 0.3)
    ]
    return [*told, np.array([*today["sharing"], *today["investment"]])] if today else told


def level_program(
    m: Market,
    payoff: Function,
    floors: Sequence[Function] = (),
    extra: int = 0,
    rule: str = "bertrand",
    fixed: Mapping[int, float] | None = None,
) -> Program:
    """A problem in the levels (and `extra` amounts of money, at least nil, behind them) at which
    every firm sells."""
    low, high = (
        np.zeros(4 + extra),
        np.array([1, 1, *np.minimum(m.cap, LARGE * m.quantity), *[np.inf] * extra]),
    )
    for k, v in (fixed or {}).items():
        low[k] = high[k] = v
    sells = [lambda v, i=i: quantities(m, v, rule)[i] * m.money / m.quantity for i in FIRMS]
    return Program(
        payoff=payoff,
        floors=[*sells, *floors],
        low=low,
        high=high,
        unit=np.array([1, 1, m.quantity / 10, m.quantity / 10, *[m.money] * extra]),
        money=m.money,
    )


def status_of(m: Market, x: Array, rule: str = "bertrand") -> str:
    """What a planner's levels are worth as a claim: nothing where a firm is at the brink of leaving
    or investment runs off."""
    if any(t >= 0.99 * LARGE * m.quantity and t < c for t, c in zip(x[2:], m.cap, strict=True)):
        return "unbounded"
    if min(float(q[0]) for q in quantities(m, x[:, None], rule)) <= 1e-7 * m.quantity:
        return "infeasible"
    return "converged"


# --- games ----------------------------------------------------------------------------------------


def local_reply(m: Market, x: Array, i: int, variables: str = "st") -> Array:
    """The levels with firm i's own s_i and/or t_i replaced by those that meet its first-order
    condition."""
    j = 1 - i
    told = x.copy()
    s, t = told[:2], told[2:]
    determinant = 4 * m.b[0] * m.b[1] - m.x**2
    if "t" in variables:
        nil = told.copy()
        nil[2 + i] = 0
        c0 = prices(m, shifted_intercepts(m, nil))[i]
        c1 = (2 * m.b[j] + m.x * (m.spill[j] * s[i] - m.alpha[j])) / determinant
        if m.form == "restricted":
            kappa, learned = m.k[i], m.learn[i] * t[j] * s[j]
        else:
            kappa, learned = m.k[i] * (1 - share_saved(m, told, i)), 0.0
        reply = (2 * m.b[i] * c0 * c1 + kappa * learned) / (kappa - 2 * m.b[i] * c1**2)
        reply = np.where(np.real(reply) < 0, 0 * reply, reply)
        told[2 + i] = np.where(np.real(reply) > m.cap[i], m.cap[i], reply)
    if "s" in variables:
        top = 2 * m.b[j] * m.phi[2][i] * s[j] + m.x * (m.spill[j] * t[i] + m.phi[2][j] * s[j])
        reply = top / (2 * (2 * m.b[j] * m.phi[0][i] - m.x * m.phi[1][j]))
        told[i] = np.clip(reply, 0, 1)
    return told


def settle(m: Market, x: Array, variables: str) -> Array:
    """Where alternating local replies come to rest; lanes that do not are NaN."""
    for _ in range(4000):
        before = x
        for i in FIRMS:
            x = local_reply(m, x, i, variables)
        moved = np.abs(x - before)
        if np.nanmax(moved / (1 + np.abs(x)), initial=0) < 2e-16:
            break
    settled = np.all(
        np.isfinite(x) & (moved <= 1e-10 * (1 + np.abs(x))) & (np.abs(x) < 1e6 * m.quantity), axis=0
    )
    return np.where(settled, x, np.nan)


def gain_by_deviating(
    m: Market, x: Array, i: int, rates: Sequence[float] = (0.0, 0.0), sharing_fixed: bool = False
) -> float:
    """Firm i's largest gain from other own levels, by grids that close in on the best; `rates` are
    paid per unit of s_i and t_i."""

    def payoff(y: Array) -> Array:
        return profit_with_exit(m, y, i) + rates[0] * y[i] + rates[1] * y[2 + i]

    # beyond `top` the kept share of cost outruns the growth of revenue
    slope = (2 * m.b[1 - i] + m.x * abs(m.spill[1 - i])) / (4 * m.b[0] * m.b[1] - m.x**2)
    bend = m.k[i] * (1 - (0 if m.form == "restricted" else m.gamma[i])) - 2 * m.b[i] * slope**2
    top = 3 * m.quantity + 3 * float(max(x[2:]))
    if bend > 0:
        top = max(top, 4 * (2 * m.b[i] * m.money / m.quantity * slope + abs(rates[1])) / bend)
    top = min(top, m.cap[i])
    low, high = (
        np.array([x[i] if sharing_fixed else 0.0, 0.0]),
        np.array([x[i] if sharing_fixed else 1.0, top]),
    )
    best = -np.inf
    span_low, span_high = low, high
    for _ in range(9):
        s = np.linspace(span_low[0], span_high[0], 1 if sharing_fixed else 61)
        t = np.linspace(span_low[1], span_high[1], 301)
        own = np.array(np.meshgrid(s, t, indexing="ij")).reshape(2, -1)
        y = np.repeat(x[:, None], own.shape[1], axis=1)
        y[i], y[2 + i] = own
        told = payoff(y)
        at = int(np.argmax(told))
        best = max(best, float(told[at]))
        width = (span_high - span_low) * np.array([3 / 60, 3 / 300])
        span_low, span_high = (
            np.maximum(low, own[:, at] - width),
            np.minimum(high, own[:, at] + width),
        )
    return best - float(payoff(x[:, None])[0])


def equilibrium(m: Market, sharing: Sequence[float] | None = None) -> Array | None:
    """The equilibrium of highest joint profit (then lowest investment) found from many starts; None
    without one."""
    variables = "st" if sharing is None else "t"
    starts = [
        [s1, s2, t1 * m.quantity, t2 * m.quantity]
        for s1, s2 in (
            itertools.product((0.0, 0.5, 1.0), repeat=2) if sharing is None else [sharing]
        )
        for t1, t2 in ((0.01, 0.01), (0.5, 0.5), (0.01, 0.8), (0.8, 0.01))
    ]
    with np.errstate(all="ignore"):
        ends = settle(m, np.array(starts).T, variables)
    found: list[Array] = []
    for x in ends.T:
        known = any(np.max(np.abs(x - y)) <= 1e-7 * m.quantity for y in found)
        if (
            not np.all(np.isfinite(x))
            or known
            or min(float(q[0]) for q in quantities(m, x[:, None])) < 0
        ):
            continue
        gains = [gain_by_deviating(m, x, i, sharing_fixed=sharing is not None) for i in FIRMS]
        if max(gains) <= 1e-9 * m.money:
            found.append(x)
    joint = [sum(float(v[0]) for v in profits(m, x[:, None])) for x in found]
    return (
        min(
            zip(joint, found, strict=True),
            key=lambda told: (-round(told[0], 9), told[1][2] + told[1][3]),
        )[1]
        if found
        else None
    )


def invested(m: Market, sharing: Array) -> Array:
    """Levels after the firms invest each for itself at the given sharing, complex numbers and many
    columns allowed."""
    start = np.full_like(sharing, 0.05 * m.quantity)
    x = np.concatenate([sharing, start])
    for _ in range(400):
        before = x
        for i in FIRMS:
            x = local_reply(m, x, i, "t")
        if (
            np.max(np.abs(x - before)) <= 1e-15 * m.quantity
            and np.max(np.abs(np.imag(x - before))) <= 1e-46
        ):
            break
    return x


def sharing_alliance(m: Market) -> Array | None:
    """Members choose sharing for joint profit, then each its own investment."""

    def joint(s: Array) -> Array:
        return np.add(*profits(m, invested(m, s)))

    problem = Program(
        payoff=joint,
        floors=[
            lambda s, i=i: quantities(m, invested(m, s))[i] * m.money / m.quantity for i in FIRMS
        ],
        low=np.zeros(2),
        high=np.ones(2),
        unit=np.ones(2),
        money=m.money,
    )
    starts = [np.array(s) for s in itertools.product((0.02, 0.25, 0.6, 0.98), repeat=2)]
    s = maximise(problem, starts)
    x = invested(m, s[:, None])[:, 0]
    regret = max(gain_by_deviating(m, x, i, sharing_fixed=True) for i in FIRMS)
    return x if regret <= 1e-9 * m.money else None


# --- known types ----------------------------------------------------------------------------------


def figures(m: Market, policy: str, x: Array | None, status: str, rule: str = "bertrand") -> Policy:
    """A policy's figures before transfers."""
    if x is None or status not in SOLVED:
        return {"policy": policy, "status": status}
    y = x[:, None]
    return {
        "policy": policy,
        "status": status,
        "sharing": [float(v) for v in x[:2]],
        "investment": [float(v) for v in x[2:]],
        "consumer_surplus": float(consumer_surplus(m, y, rule)[0]),
        "profit": [float(v[0]) for v in profits(m, y, rule)],
        "truthful": True,
    }


def planned(
    m: Market,
    policy: str,
    payoff: Function,
    today: Policy,
    rule: str = "bertrand",
    floors: Sequence[Function] = (),
) -> Policy:
    """A single decision maker's levels and their figures."""
    x = maximise(level_program(m, payoff, floors, rule=rule), level_starts(m, today))
    return figures(m, policy, x, status_of(m, x, rule), rule)


def rates_at(m: Market, x: Array) -> list[list[float]]:
    """Per firm the rates on s_i and t_i that make x its first-order choice; at a bound the smallest
    in size that keep it there."""
    told = []
    for i in FIRMS:
        rates = []
        for level, top, slope in zip(
            (x[i], x[2 + i]), (1.0, m.cap[i]), own_slopes(m, x[:, None], i), strict=True
        ):
            rate = -float(slope[0])
            if level <= 0:
                rate = min(rate, 0.0)
            elif level >= top:
                rate = max(rate, 0.0)
            rates.append(rate)
        told.append(rates)
    return told


def held_at_nil(m: Market, x: Array, i: int, rates: Sequence[float]) -> list[float]:
    """The rates with those on levels of nil lowered as far as it takes that firm i does not want
    levels far from x."""

    def tempted(told: Sequence[float]) -> bool:
        return gain_by_deviating(m, x, i, told) > 1e-9 * m.money

    told = list(rates)
    for n, level in enumerate((x[i], x[2 + i])):
        if level > 0 or not tempted(told):
            continue
        step, start = (m.money, m.money / m.quantity)[n], told[n]
        while tempted([*told[:n], start - step, *told[n + 1 :]]) and step < 1e3 * m.money:
            step *= 2
        low, high = 0.0, step
        for _ in range(40):
            middle = (low + high) / 2
            if tempted([*told[:n], start - middle, *told[n + 1 :]]):
                low = middle
            else:
                high = middle
        told[n] = start - high
    return told


def consumers_guard(m: Market, standard: Mapping[str, Any], today: Policy) -> list[Function]:
    """Consumers do not lose against today, unless that is allowed."""
    floor = today["consumer_surplus"]
    return (
        [] if "consumers_lose" in standard["allow"] else [lambda v: consumer_surplus(m, v) - floor]
    )


def firms_guard(m: Market) -> list[Function]:
    """No firm earns less than nothing before transfers."""
    return [lambda v, i=i: profits(m, v)[i] for i in FIRMS]


def second_best(m: Market, standard: Mapping[str, Any], today: Policy) -> Policy:
    """The benchmark of what can be attained: the levels of highest value that a policy designed for
    value could choose."""
    guards = consumers_guard(m, standard, today)
    if standard["participation"] == "none":
        guards = [*guards, *firms_guard(m)]
    x = best_levels(m, standard, today, guards)
    return figures(m, "second_best", x, status_of(m, x))


def linear_subsidies(m: Market, standard: Mapping[str, Any], today: Policy) -> Policy:
    """Per-unit rates whose equilibrium has the highest value, consumers not losing unless that is
    allowed."""
    guards = consumers_guard(m, standard, today)
    if standard["participation"] == "none":
        x = levels_by_rates_alone(m, standard, today, guards)
    else:
        x = best_levels(m, standard, today, guards)
    told = figures(m, "linear_subsidies", x, status_of(m, x))
    if told["status"] in SOLVED:
        rates = [held_at_nil(m, x, i, own) for i, own in enumerate(rates_at(m, x))]
        told["rates"] = rates
        told["receipts"] = [float(rates[i][0] * x[i] + rates[i][1] * x[2 + i]) for i in FIRMS]
        told["regret"] = max(gain_by_deviating(m, x, i, rates[i]) for i in FIRMS)
        if told["regret"] > 1e-7 * m.money:
            told["status"] = "no_equilibrium"
    return told


def outside_options(standard: Mapping[str, Any], today: Policy, profit: Sequence[Any]) -> list[Any]:
    """What a firm has when it refuses, under the form of participation."""
    return {
        "ir_market": list(today["profit"]),
        "ir1": list(profit),
        "ir2": [0.0, 0.0],
        "none": list(profit),
    }[standard["participation"]]


def best_levels(
    m: Market, standard: Mapping[str, Any], today: Policy, guards: Sequence[Function]
) -> Array:
    """The levels of highest value when flat payments make every firm join: outlay is max(0, sum
    (o_i - Pi_i)), or with fees the sum."""
    beta, mu = standard["profit_weight"], standard["public_funds_cost"]
    price = 1 + mu - beta

    def short(v: Array) -> Array:
        earned = profits(m, v)
        options = outside_options(standard, today, earned)
        return options[0] + options[1] - earned[0] - earned[1]

    def before(v: Array) -> Array:
        return consumer_surplus(m, v) + beta * np.add(*profits(m, v))

    starts = level_starts(m, today)
    if standard["fees"]:
        return maximise(level_program(m, lambda v: before(v) - price * short(v), guards), starts)
    if price == 0 or standard["participation"] in ("ir1", "none"):
        return maximise(level_program(m, before, guards), starts)
    # the outlay is a fifth variable, at least nil and at least what the firms are short of
    problem = level_program(
        m, lambda v: before(v) - price * v[4], [*guards, lambda v: v[4] - short(v)], extra=1
    )
    widened = [np.append(x, max(0.0, value_at(short, x))) for x in starts]
    return maximise(problem, widened)[:4]


def levels_by_rates_alone(
    m: Market, standard: Mapping[str, Any], today: Policy, guards: Sequence[Function]
) -> Array:
    """The levels of highest value when the rates are all that is paid: outlay is max(0, what they
    come to).

    Payments are smooth in the levels but at full sharing (and at the cap), where a rate that would
    be a tax is not needed: those cases are gone through one by one.
    """
    beta, price = (
        standard["profit_weight"],
        1 + standard["public_funds_cost"] - standard["profit_weight"],
    )

    def before(v: Array) -> Array:
        return consumer_surplus(m, v) + beta * np.add(*profits(m, v))

    starts = level_starts(m, today)
    if price == 0:
        return maximise(level_program(m, before, guards), starts)
    best: tuple[float, Array] | None = None
    tops = (1.0, 1.0, *m.cap)
    states = [(False, True) if math.isfinite(top) else (False,) for top in tops]
    for state in itertools.product(*states):
        held = [k for k in range(4) if state[k]]

        def paid(v: Array, held: Sequence[int] = held) -> Array:
            """What the rates come to; v[5:] are the payments at the tops."""
            total = 0 * v[0]
            for i in FIRMS:
                for k, slope in zip((i, 2 + i), own_slopes(m, v, i), strict=True):
                    if k not in held:
                        total = total - slope * v[k]
            return total + sum(v[5 + n] for n in range(len(held)))

        def needed(v: Array, n: int, k: int) -> Array:
            slope = own_slopes(m, v, k % 2)[k // 2]
            return v[5 + n] + slope * tops[k]

        floors = [*guards, lambda v, paid=paid: v[4] - paid(v)]
        floors += [lambda v, n=n, k=k, needed=needed: needed(v, n, k) for n, k in enumerate(held)]
        problem = level_program(
            m,
            lambda v: before(v) - price * v[4],
            floors,
            extra=1 + len(held),
            fixed={k: tops[k] for k in held},
        )
        widened = [
            np.append(x, np.full(1 + len(held), 0.1 * m.money))
            for x in (starts[::3] if held else starts)
        ]
        try:
            x = maximise(problem, widened)[:4]
        except IndexError:  # nothing admissible with these levels at their tops
            continue
        rates = rates_at(m, x)
        outlay = max(0.0, sum(rates[i][0] * x[i] + rates[i][1] * x[2 + i] for i in FIRMS))
        value = value_at(before, x) - price * outlay
        if best is None or value > best[0]:
            best = value, x
    assert best is not None
    return best[1]


def mandate(m: Market, standard: Mapping[str, Any], today: Policy) -> Policy:
    """Levels imposed without payment: those of highest value with no firm below zero and consumers
    not losing."""
    beta = standard["profit_weight"]
    guards = [*firms_guard(m), *consumers_guard(m, standard, today)]
    return planned(
        m,
        "mandate",
        lambda v: consumer_surplus(m, v) + beta * np.add(*profits(m, v)),
        today,
        floors=guards,
    )


def complete(standard: Mapping[str, Any]) -> dict[str, Any]:
    """The standard with what is not given."""
    usual = {
        "profit_weight": 1.0,
        "public_funds_cost": 0.0,
        "fees": False,
        "materiality": 0.05,
        "allow": [],
        "participation": "ir_market",
    }
    return {**usual, **standard}


def rank_known(parameters: Mapping[str, Any], standard: Mapping[str, Any]) -> dict[str, Any]:
    """Every policy of a market whose types are known, and the recommendation.

    `parameters` is a case file's tree; `standard` has profit_weight, public_funds_cost, fees,
    materiality, allow and participation.
    """
    standard, m = complete(standard), read_market(parameters)

    def welfare(v: Array, rule: str = "bertrand") -> Array:
        return consumer_surplus(m, v, rule) + np.add(*profits(m, v, rule))

    x = equilibrium(m)
    today = figures(m, "nash", x, "no_equilibrium" if x is None else "converged")
    if today["status"] not in SOLVED:
        return {"comparison": [today], "recommendation": nothing_said()}
    x = equilibrium(m, (0.0, 0.0))
    policies = [today, figures(m, "no_sharing", x, "no_equilibrium" if x is None else "converged")]
    policies.append(planned(m, "joint_profit", lambda v: np.add(*profits(m, v)), today))
    x = sharing_alliance(m)
    policies.append(
        figures(m, "sharing_alliance", x, "no_equilibrium" if x is None else status_of(m, x))
    )
    policies.append(linear_subsidies(m, standard, today))
    policies.append(planned(m, "vcg_full_information", welfare, today))
    policies.append(second_best(m, standard, today))
    if standard["participation"] == "none" or "mandate" in standard["allow"]:
        policies.append(mandate(m, standard, today))
    if "price_collusion" in standard["allow"]:
        policies.append(
            planned(
                m,
                "price_collusion",
                lambda v: np.add(*profits(m, v, "collusive")),
                today,
                "collusive",
            )
        )
    if "social_optimum" in standard["allow"]:
        policies.append({**policies[5], "policy": "social_optimum"})
    if "first_best" in standard["allow"]:
        policies.append(
            planned(m, "first_best", lambda v: welfare(v, "marginal_cost"), today, "marginal_cost")
        )
    for policy in policies:
        if policy["status"] in SOLVED:
            options = (
                today["profit"]
                if policy["policy"] in ALLIANCES
                else outside_options(standard, today, policy["profit"])
            )
            policy["m"] = [o - p for o, p in zip(options, policy["profit"], strict=True)]
    return rank_figures(policies, standard, "nash")


# --- the ranking ----------------------------------------------------------------------------------


def nothing_said() -> dict[str, Any]:
    """No advice."""
    return {
        "policy": None,
        "value": None,
        "runner_up": None,
        "margin": None,
        "equivalent": [],
        "ladder": [],
        "flat_payments": None,
    }


def passed_on(needs: Sequence[float], fees: bool) -> list[float]:
    """What each firm receives when it must receive at least `needs`: what some must pay meets the
    others' needs first.

    Where firms may be charged, or together they need money, each receives just what it needs.
    Otherwise those who could pay do so in proportion, as much as the others need, and keep the
    rest.
    """
    if fees or sum(needs) >= 0:
        return list(needs)
    asked, offered = sum(max(n, 0.0) for n in needs), sum(max(-n, 0.0) for n in needs)
    return [n if n > 0 else n * asked / offered for n in needs]


def with_money(policy: Policy, standard: Mapping[str, Any]) -> Policy:
    """The policy with what passes between firms and the public when all join, and its value."""
    told = dict(policy)
    receipts = policy.get("receipts", [0.0, 0.0])
    net = [0.0, 0.0]
    tariff = policy["policy"] in PUBLIC_MONEY
    if tariff:
        net = passed_on(
            receipts if standard["participation"] == "none" else policy["m"], standard["fees"]
        )
    elif (
        policy["policy"] in ALLIANCES
    ):  # without fees these are side payments, which cost the public nothing
        net = passed_on(policy["m"], standard["fees"])
    outlay = sum(net) if standard["fees"] else max(0.0, sum(net)) if tariff else 0.0
    told["net_transfer"] = net
    told["flat_payments"] = [n - r for n, r in zip(net, receipts, strict=True)] if tariff else None
    told["outlay_joined"] = outlay
    told["welfare"] = policy["consumer_surplus"] + sum(policy["profit"])
    kept = sum(policy["profit"]) + outlay
    told["value"] = (
        policy["consumer_surplus"]
        + standard["profit_weight"] * kept
        - (1 + standard["public_funds_cost"]) * outlay
    )
    return told


def why_not(
    policy: Policy, standard: Mapping[str, Any], today: Policy, private: bool
) -> str | None:
    """Why a policy does not compete, or None."""
    name, allowed = policy["policy"], standard["allow"]
    slack = NOISE * abs(today["welfare"])
    if policy["status"] not in SOLVED:
        return policy["status"]
    if name in BY_ALLOWANCE_ONLY and name not in allowed:
        return "not lawful unless allowed"
    if private and name in ("nash", "vcg_full_information", *BY_ALLOWANCE_ONLY[1:]):
        return "needs types known"
    if not private and name == "second_best":
        return "the benchmark"
    if name == "mandate" and standard["participation"] != "none" and name not in allowed:
        return "a firm may refuse"
    if not policy.get("truthful", True) and not policy.get("valued_as_played", False):
        return "not truthful"
    if (
        "consumers_lose" not in allowed
        and policy["consumer_surplus"] < today["consumer_surplus"] - slack
    ):
        return "consumers lose"
    after = [p + n for p, n in zip(policy["profit"], policy["net_transfer"], strict=True)]
    if standard["participation"] == "none" and min(after) < -slack:
        return "a firm is left below zero"
    return None


def same_levels(one: Policy, two: Policy) -> bool:
    """Whether two policies lead to the same levels (and prices)."""
    special = ("price_collusion", "first_best")
    if one["policy"] != two["policy"] and (one["policy"] in special or two["policy"] in special):
        return False
    return all(
        np.allclose(np.asarray(one[key], float), np.asarray(two[key], float), rtol=1e-6, atol=1e-6)
        for key in ("sharing", "investment")
    )


def least(
    policies: Sequence[Policy], key: Callable[[Policy], float], slack: float = 0.0
) -> list[Policy]:
    """Those at which the key is least, up to a slack."""
    bound = min(map(key, policies)) + slack
    return [p for p in policies if key(p) <= bound]


def first(policies: Sequence[Policy], slack: float, asks: bool = True) -> Policy:
    """Among policies that count as equal: what asks less, then the smaller outlay, the smaller
    largest transfer, the table's order."""
    left = list(policies)
    if asks:
        left = least(left, lambda p: RUNGS.index(p["requires"]))
    left = least(left, lambda p: p["outlay_joined"], slack)
    left = least(left, lambda p: max(map(abs, p["net_transfer"])), slack)
    return min(left, key=lambda p: ORDER.index(p["policy"]))


def rank_figures(
    policies: Sequence[Policy], standard: Mapping[str, Any], today: str
) -> dict[str, Any]:
    """The ranking of policies whose figures are given.

    A policy has `policy`, `status`, and where it is solved `consumer_surplus`, `profit` (expected,
    before transfers), `m` (per firm the least expected net receipts with which all its types join),
    `receipts` (per firm what the instrument pays before flat parts), `truthful`, `valued_as_played`
    (the figures are those of what firms then do), `sharing` and `investment`, and for designed
    transfers `band`. Types are private where today's market is `bayes_nash`.
    """
    standard, private = complete(standard), today == "bayes_nash"
    rows = [with_money(p, standard) if p["status"] in SOLVED else dict(p) for p in policies]
    for row in rows:
        row["requires"] = (
            None if row["policy"] == "second_best" and not private else REQUIRES[row["policy"]]
        )
    rows.sort(key=lambda row: ORDER.index(row["policy"]))
    now = next(row for row in rows if row["policy"] == today)
    if now["status"] not in SOLVED:
        return {"comparison": rows, "recommendation": nothing_said()}
    for row in rows:
        row["why_not"] = why_not(row, standard, now, private)
        row["competes"] = row["why_not"] is None
    benchmark = next(
        (row for row in rows if row["policy"] == "second_best" and row["status"] in SOLVED), None
    )
    for row in rows:
        attainable = benchmark["value"] - now["value"] if benchmark and not private else 0.0
        known = row["competes"] and attainable > 0
        row["attained"] = (row["value"] - now["value"]) / attainable if known else None
    competing = [row for row in rows if row["competes"]]
    slack = NOISE * abs(now["welfare"])
    ladder = []
    for rung in RUNGS:
        there = [row for row in competing if row["requires"] == rung]
        best = first(least(there, lambda row: -row["value"], slack), slack) if there else None
        ladder.append(
            {"requires": rung, "policy": best and best["policy"], "value": best and best["value"]}
        )
    ill = [
        row
        for row in rows
        if row["status"] not in SOLVED and (row["policy"] != "second_best" or private)
    ]
    if ill:
        because = [(row["policy"], row["status"]) for row in ill]
        return {
            "comparison": rows,
            "recommendation": nothing_said() | {"ladder": ladder, "because": because},
        }

    def winner_of(among: Sequence[Policy]) -> Policy:
        best = max(row["value"] for row in among)
        near = max(
            standard["materiality"] * (best - now["value"]), IMMATERIAL * abs(now["welfare"])
        )
        return first([row for row in among if row["value"] >= best - near], slack)

    winner = winner_of(competing)
    if winner["policy"] == "designed" and winner.get("band"):
        others = [row for row in competing if row is not winner]
        lead = winner["value"] - max(row["value"] for row in others)
        if lead <= (1 + standard["public_funds_cost"] - standard["profit_weight"]) * winner["band"]:
            winner = winner_of(others)
    rest = [row for row in competing if not same_levels(row, winner)]
    runner = first(least(rest, lambda row: -row["value"], slack), slack) if rest else None
    recommendation = {
        "policy": winner["policy"],
        "value": winner["value"],
        "runner_up": runner and runner["policy"],
        "margin": winner["value"] - runner["value"] if runner else None,
        "standard": {
            key: standard[key]
            for key in ("profit_weight", "public_funds_cost", "fees", "materiality")
        },
        "equivalent": [
            row["policy"] for row in competing if row is not winner and same_levels(row, winner)
        ],
        "ladder": ladder,
        "flat_payments": winner["flat_payments"],
    }
    return {"comparison": rows, "recommendation": recommendation}
