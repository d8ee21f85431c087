"""Payoffs over levels x = [s_1, s_2, t_1, t_2], with exact gradient and Hessian.

Whatever the price rule, an agent's payoff is N(x)' Q N(x) - sum_i w_i f_i(x): a quadratic form in
the net intercepts less the investment costs it bears. Firm i has Q = its revenue matrix and w =
e_i; an alliance, the sum of both and w = (1, 1); a planner, the matrix of gross utility and w = (1,
1), because prices are transfers from consumers to firms.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from market.model.case import Array, Case, of_firm, take_lanes
from market.model.cost import (
    UnitCostTerms,
    cost_derivatives,
    investment_cost,
    unit_cost,
    usefulness,
)
from market.model.demand import apply as apply_matrix
from market.model.demand import slope_matrix
from market.model.pricing import (
    PriceRule,
    bertrand_matrix,
    net_intercept,
    revenue_matrices,
    utility_matrix,
)

Derivatives = tuple[Array, Array, Array]
"""Value (...), gradient (..., n) and Hessian (..., n, n)."""
PAIRS = tuple(combinations(range(4), 2))
"""The entries above a Hessian's diagonal."""


@dataclass(frozen=True, kw_only=True)
class Payoff:
    """One agent's payoff over all four levels, for a flat case of L lanes."""

    case: Case
    benefit: Array
    """Q, symmetric, (L, 2, 2) or (1, 2, 2)."""
    cost_weight: Array
    """w, (L, 2) or (1, 2): the share of each firm's investment cost that the agent bears."""

    def take(self, lanes: Any) -> Payoff:
        """The payoff in these lanes only."""
        return Payoff(
            case=self.case.take(lanes),
            benefit=take_lanes(self.benefit, lanes),
            cost_weight=take_lanes(self.cost_weight, lanes),
        )

    def value(self, x: Array) -> Array:
        """Payoff at levels (..., 4), money units."""
        A = net_intercept(self.case, x)
        Q = self.benefit
        earned = (
            Q[..., 0, 0] * A[..., 0] ** 2
            + 2 * Q[..., 0, 1] * A[..., 0] * A[..., 1]
            + Q[..., 1, 1] * A[..., 1] ** 2
        )
        return earned - (self.cost_weight * investment_cost(self.case, x)).sum(-1)

    def derivatives(self, x: Array) -> Derivatives:
        """Value, gradient and Hessian in the four levels; lanes lie next to each other in
        memory."""
        value, gradient, hessian = self._derived(x, bends=True)
        assert hessian is not None
        return value, gradient, hessian

    def gradient(self, x: Array) -> tuple[Array, Array]:
        """Value and gradient alone: what shows whether levels are a solution's."""
        return self._derived(x, bends=False)[:2]

    def _derived(self, x: Array, bends: bool) -> tuple[Array, Array, Array | None]:
        """Value, gradient and, where asked, Hessian."""
        case, lanes = self.case, x.shape[:-1]
        s, t = (x[..., 0], x[..., 1]), (x[..., 2], x[..., 3])
        Q = [[2 * self.benefit[..., i, j] for j in (0, 1)] for i in (0, 1)]
        N = net_intercept(case, x)
        F = unit_cost(case, x)
        J = self.slopes(x, F)
        u = [Q[i][0] * N[..., 0] + Q[i][1] * N[..., 1] for i in (0, 1)]
        value = (u[0] * N[..., 0] + u[1] * N[..., 1]) / 2
        gradient = np.empty((4, *lanes), x.dtype)
        hessian = np.empty((4, 4, *lanes), x.dtype) if bends else None
        for v in range(4):
            gradient[v] = u[0] * J[0][v] + u[1] * J[1][v]
        if hessian is not None:
            self._bent(hessian, x, Q, J, u, F)

        # Investment cost f_i(t_i, y_i), y_i = lambda_c,i t_j s_j / t0, times the weight the agent
        # bears.
        costs, useful = cost_derivatives(case, x), usefulness(case)
        for i, j in ((0, 1), (1, 0)):
            borne, received = of_firm(self.cost_weight, i), of_firm(useful, i)
            if not borne.any():
                continue
            f, f_t, f_y, f_tt, f_ty, f_yy = (of_firm(c, i) for c in costs)
            if not (borne == 1).all():
                f, f_t, f_y, f_tt, f_ty, f_yy = (borne * c for c in (f, f_t, f_y, f_tt, f_ty, f_yy))
            f_y = received * f_y  # the derivative in the product t_j s_j
            value = value - f
            gradient[j] -= f_y * t[j]
            gradient[2 + j] -= f_y * s[j]
            gradient[2 + i] -= f_t
            if hessian is None:
                continue
            f_ty, f_yy = received * f_ty, received**2 * f_yy
            hessian[j, j] -= f_yy * t[j] ** 2
            hessian[j, 2 + j] -= f_yy * t[j] * s[j] + f_y
            hessian[2 + j, 2 + j] -= f_yy * s[j] ** 2
            hessian[2 + i, 2 + i] -= f_tt
            hessian[j, 2 + i] -= f_ty * t[j]
            hessian[2, 3] -= f_ty * s[j]
        gradient = gradient.transpose(*range(1, gradient.ndim), 0)
        if hessian is None:
            return value, gradient, None
        for v, w in PAIRS:
            hessian[w, v] = hessian[v, w]
        return value, gradient, hessian.transpose(*range(2, hessian.ndim), 0, 1)

    def _bent(
        self,
        hessian: Array,
        x: Array,
        Q: list[list[Array]],
        J: list[list[Array]],
        u: list[Array],
        F: UnitCostTerms | None,
    ) -> None:
        """Write into the upper triangle of a Hessian (4, 4, ...) what is not investment cost: how
        the quadratic form bends, and where N does; `dearer` is what the payoff loses by a unit cost
        higher by one."""
        case, s, t = self.case, (x[..., 0], x[..., 1]), (x[..., 2], x[..., 3])
        QJ = [[Q[i][0] * J[0][v] + Q[i][1] * J[1][v] for v in range(4)] for i in (0, 1)]
        for v in range(4):
            for w in range(v, 4):
                hessian[v, w] = J[0][v] * QJ[0][w] + J[1][v] * QJ[1][w]
        hessian[0, 1] += (
            of_firm(case.leakage_interaction, 0) * u[0]
            + of_firm(case.leakage_interaction, 1) * u[1]
        )
        dearer = None if F is None else apply_matrix(slope_matrix(case), np.stack(u, -1))
        for i, j in ((0, 1), (1, 0)):
            hessian[i, i] += 2 * (
                of_firm(case.leakage_cross, j) * u[j] - of_firm(case.leakage_own, i) * u[i]
            )
            # it is the rival that benefits
            hessian[i, 2 + i] += of_firm(case.demand_spillover, j) * u[j]
            if F is not None and dearer is not None:
                saved, risen = (
                    dearer[..., i] * of_firm(F.parameters.spillover, i),
                    of_firm(F.rise_t, i),
                )
                hessian[j, 2 + j] += saved * of_firm(F.rise, i)
                hessian[j, 2 + i] += saved * risen * t[j]
                hessian[2, 3] += saved * risen * s[j]
                hessian[2 + i, 2 + i] -= (
                    dearer[..., i] * of_firm(F.left, i) * of_firm(F.parameters.curvature, i)
                )

    def slopes(self, x: Array, F: UnitCostTerms | None) -> list[list[Array]]:
        """The gradients of both firms' net intercepts in the four levels; F is what units cost
        there."""
        case = self.case
        s, t = (x[..., 0], x[..., 1]), (x[..., 2], x[..., 3])
        one: Any = 1.0
        J = [[one] * 4, [one] * 4]
        for i, j in ((0, 1), (1, 0)):
            spill, together = (
                of_firm(case.demand_spillover, i),
                of_firm(case.leakage_interaction, i),
            )
            J[i][i] = together * s[j] - 2 * of_firm(case.leakage_own, i) * s[i]
            J[i][j] = spill * t[j] + 2 * of_firm(case.leakage_cross, i) * s[j] + together * s[i]
            J[i][2 + j] = spill * s[j] - of_firm(case.rivalry, i)
        if F is None:
            return J
        G = [[0 * one] * 4, [0 * one] * 4]  # of the unit costs
        for i, j in ((0, 1), (1, 0)):
            # - dF_i / d(t_j s_j)
            passed_on = of_firm(F.parameters.spillover, i) * of_firm(F.rise, i)
            G[i][j], G[i][2 + j], G[i][2 + i] = (
                -passed_on * t[j],
                -passed_on * s[j],
                of_firm(F.left, i) * of_firm(F.rise_t, i),
            )
        own, cross = case.own_slope, of_firm(case.cross_slope, 0)
        return [
            [J[i][v] - of_firm(own, i) * G[i][v] + cross * G[1 - i][v] for v in range(4)]
            for i in (0, 1)
        ]


def firm_payoffs(case: Case, prices: PriceRule = bertrand_matrix) -> tuple[Payoff, Payoff]:
    """Both firms' profits at a flat case, at prices by this rule."""
    Q = revenue_matrices(case, prices)
    first, second = (
        Payoff(case=case, benefit=Q[..., i, :, :], cost_weight=np.eye(2)[None, i]) for i in (0, 1)
    )
    return first, second


def consumer_payoff(case: Case) -> Payoff:
    """Consumers' surplus at a flat case and Bertrand prices: gross utility less what firms are
    paid."""
    benefit = utility_matrix(case, bertrand_matrix) - revenue_matrices(case, bertrand_matrix).sum(
        -3
    )
    return Payoff(case=case, benefit=benefit, cost_weight=np.zeros((1, 2)))
