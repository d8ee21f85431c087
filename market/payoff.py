"""Payoffs over levels x = [s_1, s_2, t_1, t_2], with exact gradient and Hessian.

Whatever the price rule, an agent's payoff is N(x)' Q N(x) - sum_i w_i f_i(x): a quadratic form in the net intercepts less
the investment costs it bears. Firm i has Q = its revenue matrix and w = e_i; an alliance, the sum of both and w = (1, 1); a
planner, the matrix of gross utility and w = (1, 1), because prices are transfers from consumers to firms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from market.case import INVESTMENT, SHARING, Array, Case, rival, take_lanes
from market.cost import cost_derivatives, investment_cost, unit_cost
from market.demand import apply as apply_matrix
from market.demand import slope_matrix
from market.pricing import net_intercept

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
        A = net_intercept(self.case, x)
        Q = self.benefit
        earned = Q[..., 0, 0] * A[..., 0] ** 2 + 2 * Q[..., 0, 1] * A[..., 0] * A[..., 1] + Q[..., 1, 1] * A[..., 1] ** 2
        return earned - (self.cost_weight * investment_cost(self.case, x)).sum(-1)

    def derivatives(self, x: Array) -> Derivatives:
        """Value, gradient and Hessian in the four levels."""
        case, Q = self.case, self.benefit
        s, t = x[..., SHARING], x[..., INVESTMENT]
        s_j, t_j = rival(s), rival(t)

        # The net intercept A_i: its gradient J (row i = firm i) and the few second derivatives it has.
        A = net_intercept(case, x)
        by_own_sharing = -2 * case.leakage_own * s + case.leakage_interaction * s_j
        by_rival_sharing = case.demand_spillover * t_j + 2 * case.leakage_cross * s_j + case.leakage_interaction * s
        by_rival_investment = case.demand_spillover * s_j - case.rivalry
        J = np.empty((*A.shape, 4), A.dtype)
        J[..., 0, 0], J[..., 1, 1] = by_own_sharing[..., 0], by_own_sharing[..., 1]
        J[..., 0, 1], J[..., 1, 0] = by_rival_sharing[..., 0], by_rival_sharing[..., 1]
        J[..., 0, 2] = J[..., 1, 3] = 1
        J[..., 0, 3], J[..., 1, 2] = by_rival_investment[..., 0], by_rival_investment[..., 1]
        F = unit_cost(case, x)
        if F is not None:
            D = slope_matrix(case)
            passed_on = F.parameters.spillover * F.rise  # - dF_i / d(t_j s_j)
            G = np.zeros_like(J)
            for i, j in ((0, 1), (1, 0)):
                G[..., i, j], G[..., i, 2 + j] = -passed_on[..., i] * t[..., j], -passed_on[..., i] * s[..., j]
                G[..., i, 2 + i] = (F.left * F.rise_t)[..., i]
            J -= D @ G

        QJ = Q @ J
        QA = (Q * A[..., None, :]).sum(-1)
        u = 2 * QA
        value = (A * QA).sum(-1)
        gradient = (u[..., None] * J).sum(-2)
        hessian = 2 * (np.swapaxes(J, -1, -2) @ QJ)
        u_j = rival(u)
        sharing_twice = 2 * (case.leakage_cross * u_j - case.leakage_own * u)
        sharing_both = case.leakage_interaction[..., 0] * (u[..., 0] + u[..., 1])
        own_levels = rival(case.demand_spillover) * u_j  # it is the rival that benefits

        # Investment cost f_i(t_i, lambda_c,i t_j s_j), times the weight the agent bears; derivatives in the product t_j s_j.
        w, received = self.cost_weight, case.cost_spillover
        f, f_t, f_y, f_tt, f_ty, f_yy = cost_derivatives(case, x)
        value -= (w * f).sum(-1)
        f_y, f_ty, f_yy = w * f_y * received, w * f_ty * received, w * f_yy * received**2
        # Stored under the firm j = rival(i) whose levels they are derivatives in.
        g_y, g_yy = rival(f_y), rival(f_yy)
        gradient[..., SHARING] -= g_y * t
        gradient[..., INVESTMENT] -= w * f_t + g_y * s
        sharing_twice = sharing_twice - g_yy * t**2
        own_levels = own_levels - g_yy * t * s - g_y
        investment_twice = -w * f_tt - g_yy * s**2
        cross_levels = -f_ty * t_j  # (t_i, s_j)
        investment_both = -(f_ty * s_j).sum(-1)

        if F is not None:
            v = apply_matrix(slope_matrix(case), u)
            left_t = v * F.parameters.spillover * F.rise_t
            own_levels = own_levels + rival(v * F.parameters.spillover * F.rise)
            cross_levels = cross_levels + left_t * t_j
            investment_both = investment_both + (left_t * s_j).sum(-1)
            investment_twice = investment_twice - v * F.left * F.parameters.curvature

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
