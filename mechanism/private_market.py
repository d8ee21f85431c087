"""`bayes_nash`: the unregulated market when each firm alone knows its own cost spillover.

As `nash`, but firm i of type lambda_k chooses levels (s_i(lambda_k), t_i(lambda_k)) knowing only the distribution of its rival's type;
levels are then observed and Bertrand prices follow. Its payoff is the expectation over the rival's types, each at the rival's
strategy. Own type matters through own fixed cost alone, so prices depend on nobody's beliefs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from market.case import Array, Case, take_lanes
from market.cost import investment_cost
from market.payoff import Payoff
from market.pricing import bertrand_matrix, revenue_matrices
from market.solve.optimum import maximise
from market.solve.tolerances import DEFAULT, Tolerances
from mechanism.types import TypeSpace

ROUNDS = 200
"""Rounds of best replies after which no equilibrium is claimed."""


@dataclass(frozen=True, kw_only=True)
class PrivateEquilibrium:
    """Strategies from which no type of either firm gains by other levels."""

    converged: bool
    """Whether residual and regret are in tolerance; if not, no number is claimed."""
    strategy: Array
    """(2 firms, n types, 2): sharing and investment of each type."""
    payoff: Array
    """(2, n): expected profit of each type, money units."""
    own_cost: Array
    """(2, n): expected investment cost of each type, part of that profit."""
    residual: float
    """Largest projected own gradient of any type over max(1, |payoff|)."""
    regret: float
    """Largest gain of any type from a global change of its levels over max(1, |payoff|)."""


@dataclass(frozen=True)
class ExpectedProfit:
    """Expected profit of a firm's types, one lane each, in the firm's own levels (L, 2)."""

    profit: Payoff
    """Profit over all four levels, for lanes types x rival types."""
    firm: int
    own_types: Array
    """(L,)."""
    rival_strategy: Array
    """(K, 2)."""
    rival_types: Array
    """(K,)."""
    weights: Array
    """(K,)."""
    parameter: str
    """Which parameter the types are values of."""

    def take(self, lanes: Any) -> ExpectedProfit:
        """The expected profits of these types."""
        return replace(self, own_types=take_lanes(self.own_types, lanes))

    def _spread(self, x: Array) -> tuple[Payoff, Array]:
        """Profit and levels for every pair of own point and rival type, as lanes."""
        full = pair_levels(x, self.rival_strategy, self.firm)
        pairs = np.empty((*full.shape[:2], 2))
        pairs[..., self.firm], pairs[..., 1 - self.firm] = self.own_types[:, None], self.rival_types
        payoff = Payoff(
            case=self.profit.case.with_parameter(self.parameter, pairs.reshape(-1, 2)),
            benefit=self.profit.benefit,
            cost_weight=self.profit.cost_weight,
        )
        return payoff, full.reshape(-1, 4)

    def value(self, x: Array) -> Array:
        """Expected profits (L,)."""
        payoff, full = self._spread(x)
        return np.asarray(payoff.value(full).reshape(len(x), -1) @ self.weights)

    def derivatives(self, x: Array) -> tuple[Array, Array, Array]:
        """Value, gradient and Hessian in own levels."""
        payoff, full = self._spread(x)
        value, gradient, hessian = payoff.derivatives(full)
        own, K = [self.firm, 2 + self.firm], len(self.weights)
        gradient = gradient[:, own].reshape(-1, K, 2)
        hessian = hessian[:, own][:, :, own].reshape(-1, K, 2, 2)
        return (
            value.reshape(-1, K) @ self.weights,
            np.einsum("k,lki->li", self.weights, gradient),
            np.einsum("k,lkij->lij", self.weights, hessian),
        )


def private_equilibrium(case: Case, types: TypeSpace, start: Array, tolerances: Tolerances = DEFAULT) -> PrivateEquilibrium:
    """The equilibrium that best replies reach from levels `start` (4,), such as `nash` at the mean type.

    Strategies are found on the types expectations are taken over and then answered at every point of the grid, so that the result
    has one row per point: (2, M, ...).
    """
    one = case.map(lambda a: a.reshape(1, -1))
    strategy = np.repeat(start.reshape(2, 2).T[:, None], len(types.nodes), axis=1)  # (2, K, [sharing, investment])
    for _ in range(ROUNDS):
        before = strategy.copy()
        for firm in (0, 1):
            strategy[firm] = _climb(one, types, firm, strategy[1 - firm], types.types, strategy[firm][:, None])[0]
        if np.abs(strategy - before).max() <= 1e-13 * max(1.0, float(np.abs(strategy).max())):
            break
    answers, payoffs, residuals, regrets = [], [], [], []
    for firm in (0, 1):
        nearest = strategy[firm][np.abs(types.points[:, None] - types.types).argmin(1)]
        x, value, residual = _climb(one, types, firm, strategy[1 - firm], types.points, nearest[:, None])
        # A global deviation: climbs from own levels spread over the whole range.
        top = max(1.0, 3 * float(strategy[firm][:, 1].max()))
        spread = np.array([[s, t] for s in (0.0, 0.5, 1.0) for t in (0.0, top / 3, top)])
        everywhere = np.broadcast_to(spread, (len(nearest), *spread.shape))
        best = _climb(one, types, firm, strategy[1 - firm], types.points, everywhere)[1]
        scale = np.maximum(1.0, np.abs(value))
        answers.append(x)
        payoffs.append(value)
        residuals.append(float(residual.max()))
        regrets.append(max(0.0, float(((best - value) / scale).max())))
    gap = max(float(np.abs(answers[firm][types.nodes] - strategy[firm]).max()) for firm in (0, 1))
    worst, regret = max(residuals), max(regrets)
    settled = gap <= 1e-9 * max(1.0, float(np.abs(strategy).max()))
    return PrivateEquilibrium(
        converged=settled and worst <= tolerances.residual and regret <= tolerances.regret,
        strategy=np.stack(answers),
        payoff=np.stack(payoffs),
        own_cost=np.stack([_expected_cost(one, types, firm, types.points, answers[firm], strategy[1 - firm]) for firm in (0, 1)]),
        residual=worst,
        regret=regret,
    )


def at_types(case: Case, types: TypeSpace, firm: int, found: PrivateEquilibrium, own_types: Array) -> tuple[Array, Array]:
    """What one firm's types (n,), on the grid or between, earn in an equilibrium, and their expected investment cost: (n,) each."""
    one = case.map(lambda a: a.reshape(1, -1))
    nearest = found.strategy[firm][np.abs(own_types[:, None] - types.points).argmin(1)]
    x, value, _ = _climb(one, types, firm, found.strategy[1 - firm][types.nodes], own_types, nearest[:, None])
    return value, _expected_cost(one, types, firm, own_types, x, found.strategy[1 - firm][types.nodes])


def _expected_cost(case: Case, types: TypeSpace, firm: int, own_types: Array, own: Array, rival: Array) -> Array:
    pairs = np.empty((len(own), len(rival), 2))
    pairs[..., firm], pairs[..., 1 - firm] = own_types[:, None], types.types
    cost = investment_cost(case.map(lambda a: a[None]).with_parameter(types.parameter, pairs), pair_levels(own, rival, firm))
    return np.asarray(cost[..., firm] @ types.probabilities)


def pair_levels(own: Array, rival: Array, firm: int) -> Array:
    """Levels (n, K, 4) when the firm's own are (n, 2) and its rival's (K, 2), sharing and investment."""
    x = np.empty((len(own), len(rival), 4))
    x[..., [firm, 2 + firm]] = own[:, None]
    x[..., [1 - firm, 3 - firm]] = rival
    return x


def _climb(case: Case, types: TypeSpace, firm: int, rival: Array, own_types: Array, starts: Array) -> tuple[Array, Array, Array]:
    """For each own type the best end of climbs from its starts (n, m, 2): levels (n, 2), payoff (n,), residual (n,)."""
    n, tries, _ = starts.shape
    Q = revenue_matrices(case, bertrand_matrix)[:, firm]
    profit = Payoff(case=case, benefit=Q, cost_weight=np.eye(2)[None, firm])
    own = np.repeat(own_types, tries)
    objective = ExpectedProfit(profit, firm, own, rival, types.types, types.probabilities, types.parameter)
    upper = np.column_stack([np.ones(n * tries), np.full(n * tries, np.broadcast_to(case.investment_cap, (1, 2))[0, firm])])
    found = maximise(objective, starts.reshape(-1, 2), np.zeros((n * tries, 2)), upper)
    best = found.value.reshape(n, tries).argmax(1)
    rows = np.arange(n) * tries + best
    return found.x[rows], found.value[rows], found.residual[rows]
