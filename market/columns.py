"""Payoffs laid out for speed: the firm axis first, lanes last, every level one contiguous run.

The same payoffs, gradients and Hessians as `market.payoff` in a market without unit costs, for simultaneous choice at thousands of lanes.
Quantities per firm are (2, ...), parameters (1, ...) where common to both firms, and `x[::-1]` exchanges the firms. The second
derivatives are named by the levels they are taken in, of the own firm unless said otherwise; tests hold them against `market.payoff`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from market.case import Array, Case
from market.cost import COST_FORMS


@dataclass(frozen=True)
class Market:
    """The parameters of a `Case` without unit costs, each (1 or 2, lanes or 1)."""

    form: str
    intercept: Array
    own_slope: Array
    cross_slope: Array
    rivalry: Array
    demand_spillover: Array
    leakage_own: Array
    leakage_cross: Array
    leakage_interaction: Array
    cost_scale: Array
    max_saving: Array
    cost_spillover: Array
    investment_cap: Array

    @classmethod
    def of(cls, case: Case) -> Market:
        """The market of a flat case."""
        names = [f.name for f in fields(cls) if f.name != "form"]
        return cls(case.cost_form, **{name: np.ascontiguousarray(getattr(case, name).T) for name in names})

    def take(self, lanes: Any) -> Market:
        """The markets at these lanes."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "form"}
        return Market(self.form, **{name: v if v.shape[-1] == 1 else np.ascontiguousarray(v[:, lanes]) for name, v in values.items()})


class Slopes(NamedTuple):
    """Derivatives in own levels (2, ...): of the payoff once, and twice."""

    s: Array
    """In own sharing."""
    t: Array
    """In own investment."""


class Bends(NamedTuple):
    """Second derivatives: of one payoff, or of each firm's own, then first in the firm's own level and second in the one named after it."""

    ss: Array
    st: Array
    tt: Array
    s_sj: Array
    """Own sharing and the rival's."""
    s_tj: Array
    """Own sharing and the rival's investment."""
    t_sj: Array
    t_tj: Array


class _Shift(NamedTuple):
    """Net intercepts and their derivatives: `own` dA_i/ds_i, `other` dA_j/ds_i, `reach` dA_j/dt_i."""

    A: Array
    own: Array
    other: Array
    reach: Array


def _shift(m: Market, s: Array, t: Array) -> _Shift:
    s_j = s[::-1]
    reach = m.demand_spillover * s - m.rivalry
    both = m.leakage_interaction * s_j
    lost, given = m.leakage_own * s, m.leakage_cross * s
    A = m.intercept + t + (t * reach + given * s)[::-1] - (lost - both) * s
    return _Shift(A, both - 2 * lost, m.demand_spillover * t + 2 * given + both, reach)


def _cost(m: Market, s: Array, t: Array) -> tuple[Array, ...]:
    received = m.cost_spillover * (t * s)[::-1]
    return COST_FORMS[m.form].derivatives(t, received, m.cost_scale, m.max_saving)


@dataclass(frozen=True)
class Chooser:
    """A sole chooser's payoff A' Q A - f_1 - f_2: the whole of `market.payoff.Payoff` with both costs borne."""

    market: Market
    diagonal: Array
    """Q_ii, (2, lanes or 1)."""
    cross: Array
    """Q_12, (lanes or 1,)."""

    @classmethod
    def of(cls, case: Case, benefit: Array) -> Chooser:
        """From a flat case and Q (L or 1, 2, 2)."""
        return cls(Market.of(case), np.ascontiguousarray(benefit[:, [0, 1], [0, 1]].T), np.ascontiguousarray(benefit[:, 0, 1]))

    def take(self, lanes: Any) -> Chooser:
        """The payoffs at these lanes."""
        one = self.cross.shape[-1] == 1
        return Chooser(self.market.take(lanes), self.diagonal if one else self.diagonal[:, lanes], self.cross if one else self.cross[lanes])

    def value(self, s: Array, t: Array) -> Array:
        """Payoffs (...) at sharing and investment (2, ...)."""
        m = self.market
        A = _shift(m, s, t).A
        received = m.cost_spillover * (t * s)[::-1]
        cost = COST_FORMS[m.form].value(t, received, m.cost_scale, m.max_saving)
        earned = self.diagonal * A * A - cost
        return np.asarray(earned[0] + earned[1] + 2 * self.cross * A[0] * A[1])

    def slopes(self, s: Array, t: Array) -> tuple[Array, Slopes]:
        """Payoffs and gradients."""
        return self._derivatives(s, t, False)[:2]

    def derivatives(self, s: Array, t: Array) -> tuple[Array, Slopes, Bends]:
        """Payoffs, gradients and Hessians."""
        value, slopes, bends = self._derivatives(s, t, True)
        assert bends is not None
        return value, slopes, bends

    def _derivatives(self, s: Array, t: Array, twice: bool) -> tuple[Array, Slopes, Bends | None]:
        m, d, c = self.market, 2 * self.diagonal, 2 * self.cross
        A, own, other, reach = _shift(m, s, t)
        u = d * A + c * A[::-1]
        u_j = u[::-1]
        f, f_t, f_y, f_tt, f_ty, f_yy = _cost(m, s, t)
        # What own levels do to the rival's cost, stored under the firm whose levels they are.
        z = (m.cost_spillover * f_y)[::-1]
        per_firm = 0.5 * u * A - f
        slopes = Slopes(u * own + u_j * other - z * t, u + u_j * reach - f_t - z * s)
        if not twice:
            return per_firm[0] + per_firm[1], slopes, None
        d_j = d[::-1]
        zz = (m.cost_spillover * m.cost_spillover * f_yy)[::-1]
        mixed = (m.cost_spillover * f_ty)[::-1]
        # Rows Q J of the levels: what own sharing and own investment do to u_i and u_j (but for the second derivatives of A).
        s_i, s_j = d * own + c * other, c * own + d_j * other
        t_i, t_j = d + c * reach, c + d_j * reach
        bends = Bends(
            ss=s_i * own + s_j * other + 2 * (m.leakage_cross * u_j - m.leakage_own * u) - zz * t * t,
            st=s_i + s_j * reach + m.demand_spillover * u_j - zz * t * s - z,
            tt=t_i + t_j * reach - f_tt - zz * s * s,
            s_sj=s_i[0] * other[1] + s_j[0] * own[1] + m.leakage_interaction[0] * (u[0] + u[1]),
            s_tj=s_i * reach[::-1] + s_j - mixed * t,
            t_sj=np.empty(0),
            t_tj=t_i[0] * reach[1] + t_j[0] - (mixed * s).sum(0),
        )
        return per_firm[0] + per_firm[1], slopes, bends


@dataclass(frozen=True)
class Firms:
    """Both firms' profits at Bertrand prices, each in its own levels: b_i m_i^2 - f_i with margin m = P A."""

    market: Market
    own: Array
    """dm_i/dA_i, (2, lanes or 1)."""
    cross: Array
    """dm_i/dA_j, (1, lanes or 1)."""

    @classmethod
    def of(cls, case: Case) -> Firms:
        """From a flat case."""
        m = Market.of(case)
        b = m.own_slope + np.zeros((2, 1))
        scale = 4 * b[:1] * b[1:] - m.cross_slope**2
        return cls(m, 2 * b[::-1] / scale, m.cross_slope / scale)

    def take(self, lanes: Any) -> Self:
        """The games at these lanes."""

        def pick(a: Array) -> Array:
            return a if a.shape[-1] == 1 else a[:, lanes]

        return type(self)(self.market.take(lanes), pick(self.own), pick(self.cross))

    def slopes(self, s: Array, t: Array) -> tuple[Array, Slopes]:
        """Profits (2, ...) and each firm's own gradient."""
        m = self.market
        A, own, other, reach = _shift(m, s, t)
        margin = self.own * A + self.cross * A[::-1]
        f, f_t, *_ = _cost(m, s, t)
        earned = m.own_slope * margin
        return earned * margin - f, Slopes(
            2 * earned * (self.own * own + self.cross * other), 2 * earned * (self.own + self.cross * reach) - f_t
        )

    def derivatives(self, s: Array, t: Array) -> tuple[Array, Slopes, Bends]:
        """Profits (2, ...), own gradients, and the derivatives of own gradients in all levels."""
        m = self.market
        A, own, other, reach = _shift(m, s, t)
        margin = self.own * A + self.cross * A[::-1]
        m_s, m_t = self.own * own + self.cross * other, self.own + self.cross * reach
        m_sj, m_tj = self.own * other[::-1] + self.cross * own[::-1], self.own * reach[::-1] + self.cross
        f, f_t, _, f_tt, f_ty, _ = _cost(m, s, t)
        twice = 2 * m.own_slope
        u = twice * margin
        mixed = f_ty * m.cost_spillover
        bends = Bends(
            ss=twice * m_s * m_s + 2 * u * (self.cross * m.leakage_cross - self.own * m.leakage_own),
            st=twice * m_s * m_t + u * self.cross * m.demand_spillover,
            tt=twice * m_t * m_t - f_tt,
            s_sj=twice * m_s * m_sj + u * (self.own + self.cross) * m.leakage_interaction,
            s_tj=twice * m_s * m_tj,
            t_sj=twice * m_t * m_sj - mixed * t[::-1],
            t_tj=twice * m_t * m_tj - mixed * s[::-1],
        )
        return m.own_slope * margin * margin - f, Slopes(u * m_s, u * m_t - f_t), bends


# --- Newton directions


def _bent(a: Array, b: Array, c: Array) -> tuple[Array, Array, Array]:
    """The symmetric matrices [[a, b], [b, c]] with the absolute values of their eigenvalues, none below a millionth of the larger."""
    definite = (a > 0) & (a * c > b * b * (1 + 1e-14))
    if definite.all():
        return a, b, c
    half = (a - c) / 2
    mean, radius = (a + c) / 2, np.hypot(half, b) + 1e-300
    first, second = np.abs(mean + radius), np.abs(mean - radius)
    floor = 1e-8 * np.maximum(first, second) + 1e-300
    first, second = np.maximum(first, floor), np.maximum(second, floor)
    total, gap = (first + second) / 2, (first - second) / (2 * radius)
    return (
        np.where(definite, a, total + gap * half),
        np.where(definite, b, gap * b),
        np.where(definite, c, total - gap * half),
    )


def ascent(slopes: Slopes, bends: Bends, held_s: NDArray[np.bool_], held_t: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Newton's direction for a sole chooser, in sharing and investment (2, ...); zero where held.

    Investments are eliminated first; each block that is not negative definite is bent, so that the direction always ascends.
    """
    free_s, free_t = np.where(held_s, 0.0, 1.0), np.where(held_t, 0.0, 1.0)
    g_s, g_t = slopes.s * free_s, slopes.t * free_t
    # Minus the Hessian, held rows and columns replaced by the identity's.
    t1, t2 = np.where(held_t, 1.0, -bends.tt)
    t12 = -bends.t_tj * free_t[0] * free_t[1]
    a1, a2 = np.where(held_s, 1.0, -bends.ss)
    a12 = -bends.s_sj * free_s[0] * free_s[1]
    own = -bends.st * free_s * free_t
    cross = -bends.s_tj * free_s * free_t[::-1]
    t1, t12, t2 = _bent(t1, t12, t2)
    scale = 1 / (t1 * t2 - t12 * t12)
    i1, i2, i12 = t2 * scale, t1 * scale, -t12 * scale
    # C = [[own_1, cross_1], [cross_2, own_2]] between sharing (rows) and investment; K = C T^-1.
    k11, k12 = own[0] * i1 + cross[0] * i12, own[0] * i12 + cross[0] * i2
    k21, k22 = cross[1] * i1 + own[1] * i12, cross[1] * i12 + own[1] * i2
    r1 = a1 - (k11 * own[0] + k12 * cross[0])
    r2 = a2 - (k21 * cross[1] + k22 * own[1])
    r12 = a12 - (k11 * cross[1] + k12 * own[1])
    r1, r12, r2 = _bent(r1, r12, r2)
    h1, h2 = g_s[0] - (k11 * g_t[0] + k12 * g_t[1]), g_s[1] - (k21 * g_t[0] + k22 * g_t[1])
    scale = 1 / (r1 * r2 - r12 * r12)
    d_s = np.stack([(r2 * h1 - r12 * h2) * scale, (r1 * h2 - r12 * h1) * scale])
    d_t = np.stack(
        [
            i1 * g_t[0] + i12 * g_t[1] - (k11 * d_s[0] + k21 * d_s[1]),
            i12 * g_t[0] + i2 * g_t[1] - (k12 * d_s[0] + k22 * d_s[1]),
        ]
    )
    return d_s, d_t


def game_step(slopes: Slopes, bends: Bends, held_s: NDArray[np.bool_], held_t: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Newton's step on both firms' own conditions, in sharing and investment (2, ...); zero where held. May be infinite where singular."""
    free_s, free_t = np.where(held_s, 0.0, 1.0), np.where(held_t, 0.0, 1.0)
    g_s, g_t = slopes.s * free_s, slopes.t * free_t
    a, b, c = np.where(held_s, 1.0, -bends.ss), -bends.st * free_s * free_t, np.where(held_t, 1.0, -bends.tt)
    # Row blocks: own (a, b; b, c), rival's columns (p, q; v, w); own blocks are eliminated, firm by firm.
    p, q = -bends.s_sj * free_s * free_s[::-1], -bends.s_tj * free_s * free_t[::-1]
    v, w = -bends.t_sj * free_t * free_s[::-1], -bends.t_tj * free_t * free_t[::-1]
    scale = 1 / (a * c - b * b)

    def own_inverse(x: Array, y: Array) -> tuple[Array, Array]:
        return (c * x - b * y) * scale, (a * y - b * x) * scale

    r_s, r_t = own_inverse(g_s, g_t)
    m_ss, m_ts = own_inverse(p, v)
    m_st, m_tt = own_inverse(q, w)
    # x_1 + M_1 x_2 = r_1, x_2 + M_2 x_1 = r_2: eliminate the second firm.
    e = 1 - (m_ss[0] * m_ss[1] + m_st[0] * m_ts[1])
    f = -(m_ss[0] * m_st[1] + m_st[0] * m_tt[1])
    g = -(m_ts[0] * m_ss[1] + m_tt[0] * m_ts[1])
    h = 1 - (m_ts[0] * m_st[1] + m_tt[0] * m_tt[1])
    y_s, y_t = r_s[0] - (m_ss[0] * r_s[1] + m_st[0] * r_t[1]), r_t[0] - (m_ts[0] * r_s[1] + m_tt[0] * r_t[1])
    scale = 1 / (e * h - f * g)
    s_1, t_1 = (h * y_s - f * y_t) * scale, (e * y_t - g * y_s) * scale
    s_2, t_2 = r_s[1] - (m_ss[1] * s_1 + m_st[1] * t_1), r_t[1] - (m_ts[1] * s_1 + m_tt[1] * t_1)
    return np.stack([s_1, s_2]), np.stack([t_1, t_2])
