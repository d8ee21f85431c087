"""`bayes_nash`: the unregulated market when each firm alone knows its own cost spillover.

As `nash`, but firm i of type lambda_k chooses levels (s_i(lambda_k), t_i(lambda_k)) knowing only the distribution of its rival's type;
levels are then observed and Bertrand prices follow. Its payoff is the expectation over the rival's types, each at the rival's
strategy. Own type matters through own fixed cost alone, so prices depend on nobody's beliefs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.case import Array, Case, of_firm, take_lanes
from market.cost import investment_cost, own_parabola
from market.own_levels import margin_in_own_levels
from market.solve.lanes import together
from market.solve.optimum import maximise
from market.solve.tolerances import DEFAULT, Tolerances
from market.units import Units, in_units, levels_from, levels_in, natural_units
from mechanism.frozen import freeze
from mechanism.types import TypeSpace

ROUNDS = 200
"""Rounds of best replies after which no equilibrium is claimed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PrivateEquilibrium:
    """Strategies from which no type of either firm gains by other levels; "..." are the markets, none for one."""

    converged: NDArray[np.bool_]
    """(...): whether residual and regret are in tolerance; if not, no number is claimed."""
    strategy: Array
    """(2 firms, ..., n types, 2): sharing and investment of each type."""
    payoff: Array
    """(2, ..., n): expected profit of each type, money units."""
    own_cost: Array
    """(2, ..., n): expected investment cost of each type, part of that profit."""
    residual: Array
    """(...): largest projected own gradient of any type, natural units."""
    regret: Array
    """(...): largest gain of any type from a global change of its levels, natural units."""

    def __post_init__(self) -> None:
        freeze(self)

    def lane(self, at: int) -> PrivateEquilibrium:
        """One of many markets."""
        whole = {name: getattr(self, name)[at] for name in ("converged", "residual", "regret")}
        return PrivateEquilibrium(**whole, **{name: getattr(self, name)[:, at] for name in ("strategy", "payoff", "own_cost")})

    def at_points(self, points: NDArray[np.intp]) -> PrivateEquilibrium:
        """One market at some of the points alone."""
        return replace(self, **{name: getattr(self, name)[:, points] for name in ("strategy", "payoff", "own_cost")})

    def earned(self, payoff: str) -> Array:
        """(2, ..., n): what each type earns in this form of the payoff; NaN where there is no equilibrium."""
        own = self.payoff + (self.own_cost if payoff == "printed" else 0.0)
        return np.where(self.converged[..., None], own, np.nan)


@dataclass(frozen=True, kw_only=True)
class ExpectedProfit:
    """Expected profit of a firm's types, one lane each, in the firm's own levels (L, 2): sharing s and investment t.

    The margin is a sum of terms phi(s, t) = (1, t, t^2, s, s t, -s^2) whose coefficients alone depend on the rival's type, so that of
    the rival's types only the coefficients' second moments matter, and of costs only what every rival type leaves of them.
    """

    moments: Array
    """E[w c c'], (L, 6, 6)."""
    cost: Array
    """Curvatures kappa of own cost by rival type, times its probability, (L, K), or (L, 1) where all origins are zero."""
    origin: Array
    """Where own cost begins, (L, K) or (L, 1)."""

    def take(self, lanes: Any) -> ExpectedProfit:
        """The expected profits of these types."""
        return ExpectedProfit(**{name: take_lanes(a, lanes) for name, a in vars(self).items()})

    def value(self, x: Array) -> Array:
        """Expected profits (L,)."""
        terms = _terms(x)
        beyond = np.maximum(x[:, 1:] - self.origin, 0.0)
        return np.asarray(_paired(self.moments, terms, terms) - (self.cost * beyond**2).sum(-1) / 2)

    def derivatives(self, x: Array) -> tuple[Array, Array, Array]:
        """Value, gradient and Hessian in own levels."""
        s, t, one = x[:, 0], x[:, 1], np.ones(len(x))
        terms = _terms(x)
        by = ({3: one, 4: t, 5: -2 * s}, {1: one, 2: 2 * t, 4: s})  # by sharing, by investment
        twice = {(0, 0): {5: -2 * one}, (0, 1): {4: one}, (1, 1): {2: 2 * one}}
        with_terms = {a: _paired(self.moments, {a: one}, terms) for a in range(1, 6)}
        gradient, hessian = np.empty((2, len(x))), np.empty((2, 2, len(x)))
        for v in (0, 1):
            gradient[v] = 2 * sum(slope * with_terms[a] for a, slope in by[v].items())
            for u in range(v + 1):
                bend = sum(curvature * with_terms[a] for a, curvature in twice[u, v].items())
                hessian[u, v] = hessian[v, u] = 2 * (_paired(self.moments, by[u], by[v]) + bend)
        beyond = np.maximum(x[:, 1:] - self.origin, 0.0)
        value = _paired(self.moments, terms, terms) - (self.cost * beyond**2).sum(-1) / 2
        gradient[1] -= (self.cost * beyond).sum(-1)
        hessian[1, 1] -= (self.cost * (x[:, 1:] >= self.origin)).sum(-1)
        return value, gradient.T, hessian.T


def _terms(x: Array) -> dict[int, Array]:
    """phi at own levels (L, 2)."""
    s, t = x[:, 0], x[:, 1]
    return {0: np.ones(len(x)), 1: t, 2: t * t, 3: s, 4: s * t, 5: -s * s}


def _paired(moments: Array, left: dict[int, Array], right: dict[int, Array]) -> Array:
    """left' M right in every lane, of terms by their place."""
    return np.asarray(sum(one * sum(moments[:, a, b] * other for b, other in right.items()) for a, one in left.items()))


def private_equilibrium(
    case: Case, types: TypeSpace, start: Array, searched: NDArray[np.intp] | None = None, tolerances: Tolerances = DEFAULT
) -> PrivateEquilibrium:
    """The equilibrium that best replies reach from levels `start` (..., 4), such as `nash` at the mean type, in a case or a batch of them.

    Strategies are found on the types expectations are taken over and then answered at every point of the grid, so that the result
    has one row per point: (2, ..., M, ...). Global deviations are searched at the points `searched`, by default at all. Where there is
    nothing to start from (NaN) there is no equilibrium either.
    """
    lead = start.shape[:-1]
    case, start = case.flat(), start.reshape(-1, 4)
    begun = np.isfinite(start).all(-1)
    start = np.nan_to_num(start)
    C, K, M = len(start), len(types.nodes), len(types.points)
    mirrored = start[:, [1, 0, 3, 2]]
    alike = case.with_parameter(types.parameter, np.full((1, 2), types.points[0])).alike() and np.allclose(start, mirrored, 1e-9, 1e-12)
    start = (start + mirrored) / 2 if alike else start
    strategy = np.stack([np.repeat(start[:, None, [i, 2 + i]], K, axis=1) for i in (0, 1)])  # (2, C, K, [sharing, investment])
    units = natural_units(case)
    unit = np.broadcast_to(np.column_stack([np.ones(len(units.quantity)), units.quantity[:, 0]]), (C, 2))  # of a strategy's levels
    moving = np.arange(C)
    for _ in range(ROUNDS):
        before = strategy[:, moving].copy()
        some = case.take(moving)
        for firm in (0, 1):
            if firm and alike:  # equal firms answer alike
                strategy[1, moving] = strategy[0, moving]
                continue
            rivals, own = strategy[1 - firm, moving], strategy[firm, moving]
            strategy[firm, moving] = _climb(some, types, firm, rivals, types.types, own[:, :, None])[0]
        now, then = (levels / unit[moving, None] for levels in (strategy[:, moving], before))
        moved = np.abs(now - then).max((0, 2, 3)) > 1e-13 * np.maximum(1.0, np.abs(now).max((0, 2, 3)))
        moving = moving[moved]
        if not len(moving):
            break
    near = np.abs(types.points[:, None] - types.types).argmin(1)
    looked = np.arange(M) if searched is None else searched
    answers, payoffs, costs = np.empty((2, C, M, 2)), np.empty((2, C, M)), np.empty((2, C, M))
    worst, regret = np.zeros(C), np.zeros(C)
    for firm in (0, 1):
        if firm and alike:
            answers[1], payoffs[1], costs[1] = answers[0], payoffs[0], costs[0]
            continue
        rivals = strategy[1 - firm]
        x, value, residual = _climb(case, types, firm, rivals, types.points, strategy[firm][:, near][:, :, None])
        # A global deviation: climbs from own levels spread over the whole range.
        top = np.maximum(unit[:, 1], 3 * strategy[firm][..., 1].max(1))
        spread = np.array([[s, t] for s in (0.0, 0.5, 1.0) for t in (0.0, 1 / 3, 1.0)]) * np.stack([np.ones(C), top], -1)[:, None]
        everywhere = np.broadcast_to(spread[:, None], (C, len(looked), *spread.shape[1:]))
        best = _climb(case, types, firm, rivals, types.points[looked], everywhere)[1]
        gain = (best - value[:, looked]) / units.money
        answers[firm], payoffs[firm] = x, value
        worst, regret = np.maximum(worst, residual.max(1)), np.maximum(regret, gain.max(1))
        costs[firm] = _expected_cost(case, types, firm, types.points, x, rivals)
    gap = np.abs((answers[:, :, types.nodes] - strategy) / unit[:, None]).max((0, 2, 3))
    settled = gap <= 1e-9 * np.maximum(1.0, np.abs(strategy / unit[:, None]).max((0, 2, 3)))
    fits = begun & settled & (worst <= tolerances.residual) & (regret <= tolerances.regret)
    return PrivateEquilibrium(
        converged=fits.reshape(lead),
        strategy=answers.reshape(2, *lead, M, 2),
        payoff=payoffs.reshape(2, *lead, M),
        own_cost=costs.reshape(2, *lead, M),
        residual=worst.reshape(lead),
        regret=regret.reshape(lead),
    )


def at_types(case: Case, types: TypeSpace, firm: int, found: PrivateEquilibrium, own_types: Array) -> tuple[Array, Array]:
    """What one firm's types (n,), on the grid or between, earn in an equilibrium of one market, and their expected investment cost: (n,)
    each."""
    one = case.map(lambda a: a.reshape(1, -1))
    nearest = found.strategy[firm][np.abs(own_types[:, None] - types.points).argmin(1)]
    rivals = found.strategy[1 - firm][types.nodes][None]
    x, value, _ = _climb(one, types, firm, rivals, own_types, nearest[None, :, None])
    return value[0], _expected_cost(one, types, firm, own_types, x, rivals)[0]


def _expected_cost(case: Case, types: TypeSpace, firm: int, own_types: Array, own: Array, rivals: Array) -> Array:
    """(C, n): expected investment cost of types (n,) with levels (C, n, 2) in C markets."""
    pairs = np.empty((len(own_types), len(types.types), 2))
    pairs[..., firm], pairs[..., 1 - firm] = own_types[:, None], types.types
    x = np.empty((*own.shape[:2], len(types.types), 4))
    x[..., [firm, 2 + firm]], x[..., [1 - firm, 3 - firm]] = own[:, :, None], rivals[:, None]
    cost = investment_cost(case.map(lambda a: a[:, None, None]).with_parameter(types.parameter, pairs), x)
    return np.asarray(cost[..., firm] @ types.probabilities)


def pair_levels(own: Array, rival: Array, firm: int) -> Array:
    """Levels (n, K, 4) when the firm's own are (n, 2) and its rival's (K, 2) or (n, K, 2), sharing and investment."""
    x = np.empty((len(own), rival.shape[-2], 4))
    x[..., [firm, 2 + firm]] = own[:, None]
    x[..., [1 - firm, 3 - firm]] = rival
    return x


def expected_profit(case: Case, types: TypeSpace, firm: int, rivals: Array, own_types: Array) -> ExpectedProfit:
    """In C markets, rivals' strategies (C, K, 2), the expected profits of own types (n,): C * n lanes, a market's types together.

    Its levels and its money are in natural units.
    """
    C, K, n = len(rivals), len(types.types), len(own_types)
    lanes, units = np.repeat(np.arange(C), n * K), natural_units(case)
    pairs = np.empty((C, n, K, 2))
    pairs[..., firm], pairs[..., 1 - firm] = own_types[:, None], types.types
    x = np.zeros((C, n, K, 4))
    x[..., [1 - firm, 3 - firm]] = levels_in(rivals, _of_market(units))[:, None]
    here, x = case.take(lanes).with_parameter(types.parameter, together(pairs.reshape(-1, 2))), together(x.reshape(-1, 4))
    here = in_units(here, units.take(lanes))
    margin = margin_in_own_levels(here, x, firm)
    terms = np.array([np.broadcast_to(c, len(x)) for c in margin[:6]]).reshape(6, C * n, K)
    weight = types.probabilities * np.broadcast_to(margin.weight, len(x)).reshape(C * n, K)
    moments = np.empty((6, 6, C * n))
    for a in range(6):
        for b in range(a + 1):
            moments[a, b] = moments[b, a] = (weight * terms[a] * terms[b]).sum(-1)
    kappa, origin = (np.broadcast_to(of_firm(a, firm), len(x)).reshape(C * n, K) for a in own_parabola(here, x))
    cost = kappa * types.probabilities
    if not origin.any():
        cost, origin = cost.sum(-1, keepdims=True), origin[:, :1]
    return ExpectedProfit(moments=moments.T, cost=together(cost), origin=together(origin))


def _climb(case: Case, types: TypeSpace, firm: int, rivals: Array, own_types: Array, starts: Array) -> tuple[Array, Array, Array]:
    """In C markets, rivals' strategies (C, K, 2), for each own type (n,) the best end of climbs from its starts (C, n, m, 2): levels
    (C, n, 2), payoff (C, n), residual in natural units (C, n)."""
    C, n, tries, _ = starts.shape
    units = natural_units(case)
    objective = expected_profit(case, types, firm, rivals, own_types)
    objective = objective.take(np.repeat(np.arange(C * n), tries))
    market = np.repeat(np.arange(C), n * tries)
    cap = of_firm(case.investment_cap, firm) / units.quantity[:, 0]
    upper = np.column_stack([np.ones(len(market)), np.broadcast_to(cap, C)[market]])
    begin = levels_in(starts, _of_market(units, 2)).reshape(-1, 2)
    found = maximise(objective, begin, np.zeros_like(upper), upper)
    best = found.value.reshape(C, n, tries).argmax(-1)
    rows = (np.arange(C)[:, None] * n + np.arange(n)) * tries + best
    value = found.value[rows]
    residual = found.residual[rows] * np.maximum(1.0, np.abs(value))
    return levels_from(found.x[rows], _of_market(units)), value * units.money, residual


def _of_market(units: Units, axes: int = 1) -> Units:
    """Units of C markets (C, 1) for arrays with more axes between the market and its levels."""
    return Units(**{name: a.reshape(-1, *([1] * axes), 1) for name, a in vars(units).items()})
