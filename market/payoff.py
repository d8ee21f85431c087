"""Payoffs over levels x = [s_1, s_2, t_1, t_2], with exact gradient and Hessian.

Whatever the price rule, an agent's payoff is A(x)' Q A(x) - sum_i w_i f_i(x): a quadratic form in the shifted intercepts less
the investment costs it bears. Firm i has Q = its revenue matrix and w = e_i; an alliance, the sum of both and w = (1, 1); a
planner, the matrix of gross utility and w = (1, 1), because prices are transfers from consumers to firms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from market.case import INVESTMENT, SHARING, Array, Case, rival, take_lanes
from market.cost import cost_share
from market.demand import shifted_intercept

Derivatives = tuple[Array, Array, Array]
"""Value (...), gradient (..., n) and Hessian (..., n, n)."""


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
        return Payoff(case=self.case.take(lanes), benefit=take_lanes(self.benefit, lanes), cost_weight=take_lanes(self.cost_weight, lanes))

    def value(self, x: Array) -> Array:
        """Payoff at levels (..., 4), money units."""
        A = shifted_intercept(self.case, x)
        Q = self.benefit
        earned = Q[..., 0, 0] * A[..., 0] ** 2 + 2 * Q[..., 0, 1] * A[..., 0] * A[..., 1] + Q[..., 1, 1] * A[..., 1] ** 2
        cost = self.case.cost_scale / 2 * x[..., INVESTMENT] ** 2 * cost_share(self.case, x)[0]
        return earned - (self.cost_weight * cost).sum(-1)

    def derivatives(self, x: Array) -> Derivatives:
        """Value, gradient and Hessian in the four levels."""
        case, Q = self.case, self.benefit
        s, t = x[..., SHARING], x[..., INVESTMENT]
        s_j, t_j = rival(s), rival(t)

        # The shifted intercept A_i: its gradient J (row i = firm i) and the few second derivatives it has.
        A = shifted_intercept(case, x)
        by_own_sharing = -2 * case.leakage_own * s + case.leakage_interaction * s_j
        by_rival_sharing = case.demand_spillover * t_j + 2 * case.leakage_cross * s_j + case.leakage_interaction * s
        by_rival_investment = case.demand_spillover * s_j - case.rivalry
        J = np.empty((*A.shape, 4))
        J[..., 0, 0], J[..., 1, 1] = by_own_sharing[..., 0], by_own_sharing[..., 1]
        J[..., 0, 1], J[..., 1, 0] = by_rival_sharing[..., 0], by_rival_sharing[..., 1]
        J[..., 0, 2] = J[..., 1, 3] = 1
        J[..., 0, 3], J[..., 1, 2] = by_rival_investment[..., 0], by_rival_investment[..., 1]

        QJ = Q @ J
        QA = (Q * A[..., None, :]).sum(-1)
        u = 2 * QA
        value = (A * QA).sum(-1)
        gradient = (u[..., None] * J).sum(-2)
        hessian = 2 * (np.swapaxes(J, -1, -2) @ QJ)
        u_j = rival(u)
        sharing_twice = 2 * (case.leakage_cross * u_j - case.leakage_own * u)
        sharing_both = case.leakage_interaction[..., 0] * (u[..., 0] + u[..., 1])
        own_levels = case.demand_spillover * u_j

        # Investment cost of firm i, f_i = (k/2) t_i^2 share(lambda_c,i t_j s_j), times the weight the agent bears.
        share, share_y, share_yy = cost_share(case, x)
        k = case.cost_scale * self.cost_weight
        received = case.cost_spillover
        half = k / 2 * t**2
        value -= (half * share).sum(-1)
        f_y = half * share_y * received  # derivative in the product t_j s_j
        f_yy = half * share_yy * received**2
        f_ty = k * t * share_y * received
        # Stored under the firm j = rival(i) whose levels they are derivatives in.
        g_y, g_yy = rival(f_y), rival(f_yy)
        gradient[..., SHARING] -= g_y * t
        gradient[..., INVESTMENT] -= k * t * share + g_y * s
        sharing_twice = sharing_twice - g_yy * t**2
        own_levels = own_levels - g_yy * t * s - g_y
        investment_twice = -k * share - g_yy * s**2
        cross_levels = -f_ty * t_j  # (t_i, s_j)
        investment_both = -(f_ty * s_j).sum(-1)

        for i, j in ((0, 1), (1, 0)):
            hessian[..., i, i] += sharing_twice[..., i]
            hessian[..., 2 + i, 2 + i] += investment_twice[..., i]
            hessian[..., i, 2 + i] += own_levels[..., i]
            hessian[..., 2 + i, i] += own_levels[..., i]
            hessian[..., 2 + i, j] += cross_levels[..., i]
            hessian[..., j, 2 + i] += cross_levels[..., i]
            hessian[..., i, j] += sharing_both
            hessian[..., 2 + i, 2 + j] += investment_both
        return value, gradient, hessian
