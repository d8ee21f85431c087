"""Payoffs over levels x = [s_1, s_2, t_1, t_2], with exact gradient and Hessian.

Whatever the price rule, an agent's payoff is N(x)' Q N(x) - sum_i w_i f_i(x): a quadratic form in
the net intercepts less the investment costs it bears. Firm i has Q = its revenue matrix and w =
e_i; an alliance, the sum of both and w = (1, 1); a planner, the matrix of gross utility and w = (1,
1), because prices are transfers from consumers to firms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from market.model.case import Array, Case, take_lanes
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

BLOCK = 4096
"""Lanes whose derivatives are worked out together: more would not fit the processor's cache."""
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
        return Payoff(
            case=self.case.take(lanes),
            benefit=take_lanes(self.benefit, lanes),
            cost_weight=take_lanes(self.cost_weight, lanes),
        )

    def value(self, x: Array) -> Array:
        """Payoff at levels (..., 4), money units."""
        return self.of(net_intercept(self.case, x), investment_cost(self.case, x))

    def of(self, A: Array, f: Array) -> Array:
        """Payoff at net intercepts and investment costs (..., 2) of levels, money units."""
        Q = self.benefit
        earned = (
            Q[..., 0, 0] * A[..., 0] ** 2
            + 2 * Q[..., 0, 1] * A[..., 0] * A[..., 1]
            + Q[..., 1, 1] * A[..., 1] ** 2
        )
        borne = self.cost_weight * f
        return earned - (borne[..., 0] + borne[..., 1])

    def derivatives(self, x: Array) -> Derivatives:
        """Value, gradient and Hessian in the four levels; lanes lie next to each other in
        memory."""
        value, gradient, hessian = self._in_blocks(x, bends=True)
        assert hessian is not None
        return value, gradient, hessian

    def gradient(self, x: Array) -> tuple[Array, Array]:
        """Value and gradient alone: what shows whether levels are a solution's."""
        return self._in_blocks(x, bends=False)[:2]

    def _in_blocks(self, x: Array, bends: bool) -> tuple[Array, Array, Array | None]:
        """Value, gradient and, where asked, Hessian; of many lanes in blocks."""
        lanes = len(x)
        if x.ndim != 2 or lanes <= BLOCK:
            return self._derived(x, bends)
        value, gradient = np.empty(lanes, x.dtype), np.empty((4, lanes), x.dtype)
        hessian = np.empty((4, 4, lanes), x.dtype) if bends else None
        for k in range(0, lanes, BLOCK):
            some = slice(k, k + BLOCK)
            value[some], slope, bend = self.take(some)._derived(x[some], bends)
            gradient[:, some] = slope.T
            if hessian is not None and bend is not None:
                hessian[:, :, some] = bend.transpose(1, 2, 0)
        return value, gradient.T, None if hessian is None else hessian.transpose(2, 0, 1)

    def _derived(self, x: Array, bends: bool) -> tuple[Array, Array, Array | None]:
        """Value, gradient and, where asked, Hessian."""
        case, F = self.case, unit_cost(self.case, x)
        N, J = _firms_first(net_intercept(case, x), x), self.slopes(x, F)
        s, t = _sharing_and_investment(x)
        Q = 2 * _matrix_first(self.benefit, x)
        u = Q[:, 0] * N[0] + Q[:, 1] * N[1]
        value = (u[0] * N[0] + u[1] * N[1]) / 2
        gradient = u[0] * J[0] + u[1] * J[1]
        bend = self._bends(x, u, F) if bends else None

        # Investment cost f_i(t_i, y_i), y_i = lambda_c,i t_j s_j / t0, times the weight the agent
        # bears; f_y, f_ty and f_yy here are of the firm that receives what firm j gives.
        borne = _firms_first(self.cost_weight, x)
        if borne.any():
            f, f_t, f_y, f_tt, f_ty, f_yy = (_firms_first(c, x) for c in cost_derivatives(case, x))
            if not (borne == 1).all():
                f, f_t, f_y, f_tt, f_ty, f_yy = (borne * c for c in (f, f_t, f_y, f_tt, f_ty, f_yy))
            received = _firms_first(usefulness(case), x)
            value = value - f[0] - f[1]
            f_y = (received * f_y)[::-1]
            gradient[:2] -= f_y * t
            gradient[2:] -= f_t + f_y * s
            if bend is not None:
                f_ty, f_yy = (received * f_ty)[::-1], (received**2 * f_yy)[::-1]
                bend.sharing -= f_yy * t**2
                bend.own -= f_yy * t * s + f_y
                bend.investment -= f_yy * s**2 + f_tt
                bend.across -= f_ty * t
                bend.investments -= f_ty[0] * s[0] + f_ty[1] * s[1]
        gradient = gradient.transpose(*range(1, gradient.ndim), 0)
        return value, gradient, None if bend is None else _hessian(Q, J, bend)

    def _bends(self, x: Array, u: Array, F: UnitCostTerms | None) -> _Bends:
        """How net intercepts, each worth u, bend; `dearer` is what the payoff loses by a unit cost
        higher by one."""
        case, (s, t) = self.case, _sharing_and_investment(x)
        own, cross, both, spill = (
            _firms_first(a, x) * u
            for a in (
                case.leakage_own,
                case.leakage_cross,
                case.leakage_interaction,
                case.demand_spillover,
            )
        )
        # it is the rival that benefits
        bend = _Bends(
            sharing=2 * (cross[::-1] - own),
            sharings=both[0] + both[1],
            own=spill[::-1].copy(),
            across=np.zeros_like(u),
            investment=np.zeros_like(u),
            investments=np.zeros_like(u[0]),
        )
        if F is None:
            return bend
        dearer = _firms_first(apply_matrix(slope_matrix(case), np.moveaxis(u, 0, -1)), x)
        left, rise, rise_t, spillover, curvature = (
            _firms_first(a, x)
            for a in (F.left, F.rise, F.rise_t, F.parameters.spillover, F.parameters.curvature)
        )
        saved, risen = (dearer * spillover * rise)[::-1], (dearer * spillover * rise_t)[::-1]
        bend.own += saved
        bend.across += risen * t
        bend.investments += risen[0] * s[0] + risen[1] * s[1]
        bend.investment -= dearer * left * curvature
        return bend

    def slopes(self, x: Array, F: UnitCostTerms | None) -> Array:
        """The gradients (2, 4, ...) of both firms' net intercepts in the four levels; F is what
        units cost there."""
        case, (s, t) = self.case, _sharing_and_investment(x)
        own, cross, both, spill, rivalry = (
            _firms_first(a, x)
            for a in (
                case.leakage_own,
                case.leakage_cross,
                case.leakage_interaction,
                case.demand_spillover,
                case.rivalry,
            )
        )
        J = _by_whose(
            both * s[::-1] - 2 * own * s,
            spill * t[::-1] + 2 * cross * s[::-1] + both * s,
            np.ones(2),
            spill * s[::-1] - rivalry,
        )
        if F is None:
            return J
        # - dF_i / d(t_j s_j)
        passed_on = _firms_first(F.parameters.spillover * F.rise, x)
        # of the unit costs
        G = _by_whose(
            0.0 * s, -passed_on * t[::-1], _firms_first(F.left * F.rise_t, x), -passed_on * s[::-1]
        )
        slope, cross = (_firms_first(a, x) for a in (case.own_slope, case.cross_slope))
        return np.asarray(J - slope[:, None] * G + cross[:, None] * G[::-1])


@dataclass(kw_only=True)
class _Bends:
    """What a payoff's second derivatives are beside the quadratic form of its gradients."""

    sharing: Array
    """In each firm's sharing, twice, (2, ...)."""
    sharings: Array
    """In both firms' sharing, (...)."""
    own: Array
    """In each firm's sharing and own investment, (2, ...)."""
    across: Array
    """In each firm's sharing and its rival's investment, (2, ...)."""
    investment: Array
    """In each firm's investment, twice, (2, ...)."""
    investments: Array
    """In both firms' investments, (...)."""


def _hessian(Q: Array, J: Array, bend: _Bends) -> Array:
    """The Hessian (..., 4, 4) of a quadratic form Q (2, 2, ...) of net intercepts with gradients J
    (2, 4, ...) and of what bends beside it; lanes lie next to each other in memory."""
    QJ = Q[:, 0, None] * J[0] + Q[:, 1, None] * J[1]
    out = np.empty((4, *QJ.shape[1:]), J.dtype)
    for v in range(4):
        out[v, v:] = J[0, v] * QJ[0, v:] + J[1, v] * QJ[1, v:]
    for i in (0, 1):
        out[i, i] += bend.sharing[i]
        out[i, 2 + i] += bend.own[i]
        out[i, 3 - i] += bend.across[i]
        out[2 + i, 2 + i] += bend.investment[i]
    out[0, 1] += bend.sharings
    out[2, 3] += bend.investments
    for v in range(1, 4):
        out[v, :v] = out[:v, v]
    return out.transpose(*range(2, out.ndim), 0, 1)


def _firms_first(a: Array, x: Array) -> Array:
    """Entries by firm or by level, their last axis, with that axis first and the others in line
    with those of levels x."""
    first = a.T if a.ndim == 2 else a.transpose(-1, *range(a.ndim - 1))
    return first if a.ndim == x.ndim else first[(slice(None), *(None,) * (x.ndim - a.ndim))]


def _sharing_and_investment(x: Array) -> tuple[Array, Array]:
    """Both, (2, ...) each, at levels (..., 4)."""
    levels = _firms_first(x, x)
    return levels[:2], levels[2:]


def _matrix_first(a: Array, x: Array) -> Array:
    """The same of matrices by firm."""
    a = a[(None,) * (x.ndim + 1 - a.ndim)]
    return a.transpose(-2, -1, *range(a.ndim - 2))


def _by_whose(sharing: Array, others: Array, investment: Array, invested: Array) -> Array:
    """Gradients (2, 4, ...) from each firm's slopes (2, ...) in its own sharing, in its rival's, in
    its own investment and in its rival's."""
    out = np.empty((2, 4, *sharing.shape[1:]), sharing.dtype)
    (out[0, 0], out[1, 1]), (out[0, 1], out[1, 0]) = sharing, others
    (out[0, 2], out[1, 3]), (out[0, 3], out[1, 2]) = investment, invested
    return out


@dataclass(frozen=True, kw_only=True)
class FirmPayoffs:
    """Both firms' profits: either alone, or both at once, who share all but their forms."""

    case: Case
    """Flat."""
    revenue: Array
    """Q of each firm (L, 2 firms, 2, 2) or (1, 2, 2, 2)."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, firm: int) -> Payoff:
        return Payoff(
            case=self.case, benefit=self.revenue[:, firm], cost_weight=np.eye(2)[None, firm]
        )

    def __iter__(self) -> Iterator[Payoff]:
        return iter((self[0], self[1]))

    def take(self, lanes: Any) -> FirmPayoffs:
        """The profits in these lanes only."""
        return FirmPayoffs(case=self.case.take(lanes), revenue=take_lanes(self.revenue, lanes))

    def derivatives(self, x: Array) -> Derivatives:
        """Values (2, L), gradients (2, L, 4) and Hessians (2, L, 4, 4) at levels (L, 4)."""
        parts = [
            (self if len(x) <= BLOCK else self.take(slice(k, k + BLOCK)))._at(x[k : k + BLOCK])
            for k in range(0, max(len(x), 1), BLOCK)
        ]
        if len(parts) == 1:
            return parts[0]
        value, gradient, hessian = (np.concatenate(each, 1) for each in zip(*parts, strict=True))
        return value, gradient, hessian

    def _at(self, x: Array) -> Derivatives:
        both = Payoff(
            case=self.case, benefit=self.revenue.swapaxes(0, 1), cost_weight=np.eye(2)[:, None]
        )
        return both.derivatives(x[None])


def firm_payoffs(case: Case, prices: PriceRule = bertrand_matrix) -> FirmPayoffs:
    """Both firms' profits at a flat case, at prices by this rule."""
    return FirmPayoffs(case=case, revenue=revenue_matrices(case, prices))


def consumer_payoff(case: Case) -> Payoff:
    """Consumers' surplus at a flat case and Bertrand prices: gross utility less what firms are
    paid."""
    benefit = utility_matrix(case, bertrand_matrix) - revenue_matrices(case, bertrand_matrix).sum(
        -3
    )
    return Payoff(case=case, benefit=benefit, cost_weight=np.zeros((1, 2)))
