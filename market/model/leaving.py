"""Prices, sales and profits when a firm may be driven out of the market.

With net intercepts N, margins m and cross slope x Bertrand competition has both firms sell where 2
b_i N_j + x N_i >= 0 for both. Where that is negative for firm j, its quantity would be: it is out,
with m_j = q_j = 0, and firm i charges the smaller of

    the highest margin that keeps j out  -N_j / x,  q_i = N_i - b_i m_i
    the monopoly's on what is left       M / (2 (b_i b_j - x^2)),  q_i = M / (2 b_j),
                                         M = b_j N_i + x N_j

and where also b_j N_i + x N_j <= 0 nobody sells. Profit is continuous in the levels. Where j just
leaves it bends upward (the slope in any direction that drives j further out is higher beyond than
before), so that no best reply lies there; between the two prices it is smooth.

For given sharing profit is a polynomial in own investment on either stretch, so that the best
investment is among finitely many; a reply that drives the rival out is therefore a search over
sharing alone, made only where it can pay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case, of_firm, rival
from market.model.cost import investment_cost
from market.model.demand import apply as apply_matrix
from market.model.demand import inverse_slope_matrix
from market.model.pricing import net_intercept
from market.solve.roots import stationary_points, zeros


def welfare_with_exit(case: Case, x: Array) -> Array:
    """Social welfare (...) at levels x (..., 4) at Bertrand prices, with a firm out that cannot
    sell.

    What is bought is worth r'q - q'Hq/2 to consumers with quadratic utility, r = H N being what
    they pay beyond unit costs.
    """
    N = net_intercept(case, x)
    sold = sales(case, N).sold
    H = inverse_slope_matrix(case)
    worth = (sold * (apply_matrix(H, N) - apply_matrix(H, sold) / 2)).sum(-1)
    return np.asarray(worth - investment_cost(case, x).sum(-1))


SHARES = 33
"""Sharing levels from which a reply that drives the rival out is searched."""
PEAKS = 3
"""Local peaks among them that are followed up."""
CELLS = 16
"""Cells of own sharing on which it is asked whether driving the rival out may pay, before that is
searched."""
NARROWING, POINTS = 13, 8
"""Times a bracket in sharing is cut, each time about the best of so many points: profit is flat at
its top, so that less than rounding is left."""
FAINTEST, SIZES = 12, 97
"""Own sharing from ten to minus this power up to one, so many levels, from which own levels are
searched that may share no more than makes the rival's unit cost nil."""
UNRELATED = 1e-100
"""Cross slope over own slope up to which nothing is won by driving the rival out that rounding
would leave."""
FAR = 1e50
"""Investment in natural units beyond which nothing lies."""


class Sales(NamedTuple):
    """What firms charge beyond unit cost and sell, each (..., 2)."""

    margin: Array
    """p_i - F_i, money per unit."""
    sold: Array
    """q_i >= 0."""
    out: NDArray[np.bool_]
    """Whether the firm sells nothing because its quantity would be negative."""


def sales(case: Case, N: Array) -> Sales:
    """Margins and quantities at net intercepts N (..., 2), a firm that cannot sell being out."""
    b = case.own_slope
    margin, sold = beside_or_alone(N, rival(N), b, rival(b), case.cross_slope)
    return Sales(
        np.asarray(margin),
        np.asarray(sold),
        np.asarray(2 * rival(b) * N + case.cross_slope * rival(N) < 0),
    )


def beside_or_alone(
    N_i: Array, N_j: Array, b_i: Array, b_j: Array, x: Array
) -> tuple[Array, Array]:
    """Firm i's margin and what it sells at these net intercepts, beside its rival or with it
    out."""
    own, cross = 2 * b_j * N_i + x * N_j, 2 * b_i * N_j + x * N_i
    rest = b_j * N_i + x * N_j
    related = x > UNRELATED * b_i
    keeps_out = np.where(related, -N_j / np.where(related, x, 1.0), np.inf)
    monopoly = rest / (2 * (b_i * b_j - x**2))
    limits = keeps_out < monopoly
    alone = np.maximum(np.where(limits, keeps_out, monopoly), 0.0)
    sells_alone = np.maximum(np.where(limits, N_i - b_i * alone, rest / (2 * b_j)), 0.0)
    both = own / (4 * b_i * b_j - x**2)
    margin = np.where(own < 0, 0.0, np.where(cross < 0, alone, both))
    return margin, np.where(own < 0, 0.0, np.where(cross < 0, sells_alone, b_i * both))


def true_profits(case: Case, x: Array) -> Array:
    """Both firms' profits (..., 2) at levels x (..., 4) at Bertrand prices, with a firm out that
    cannot sell."""
    N, b = net_intercept(case, x), case.own_slope
    margin = (2 * rival(b) * N + case.cross_slope * rival(N)) / (
        4 * b * rival(b) - case.cross_slope**2
    )
    earned = b * margin**2
    if not (margin >= 0).all():
        found = sales(case, N)
        earned = found.margin * found.sold
    return np.asarray(earned - investment_cost(case, x))


Top = Callable[[Array], tuple[Array, Array]]
"""The best own investment at own sharing (n, L), and profit there."""


class Found(NamedTuple):
    """The best own levels that drive the rival out, (L,) each; minus infinity where there are
    none."""

    sharing: Array
    investment: Array
    value: Array


@dataclass(frozen=True, kw_only=True)
class Aside:
    """A firm's profit where its rival is out, in L lanes; polynomials are in own levels (s, t), see
    `Margin`."""

    own: tuple[Array, ...]
    """N_i."""
    cross: tuple[Array, ...]
    """N_j."""
    b_i: Array
    b_j: Array
    x: Array
    kappa: Array
    origin: Array
    cap: Array
    range: tuple[float, float]

    @classmethod
    def of(
        cls,
        case: Case,
        firm: int,
        sharing_range: tuple[float, float],
        intercepts: tuple[tuple[Array, ...], tuple[Array, ...]],
        kappa: Array,
        origin: Array,
    ) -> Aside:
        """From both firms' net intercepts in own levels and own cost's parabola, with L lanes."""
        shape = intercepts[0][0].shape

        def full(a: Array) -> Array:
            return a if a.shape == shape else np.broadcast_to(a, shape)

        own, cross = intercepts
        return cls(
            own=tuple(map(full, own)),
            cross=tuple(map(full, cross)),
            b_i=full(of_firm(case.own_slope, firm)),
            b_j=full(of_firm(case.own_slope, 1 - firm)),
            x=full(of_firm(case.cross_slope, firm)),
            kappa=full(kappa),
            origin=full(origin),
            cap=full(of_firm(case.investment_cap, firm)),
            range=sharing_range,
        )

    def take(self, lanes: NDArray[np.intp]) -> Aside:
        """These lanes."""
        return Aside(
            own=tuple(a[lanes] for a in self.own),
            cross=tuple(a[lanes] for a in self.cross),
            **{
                name: getattr(self, name)[lanes]
                for name in ("b_i", "b_j", "x", "kappa", "origin", "cap")
            },
            range=self.range,
        )

    def least_out(
        self, least: Array | float | None = None, most: Array | float | None = None
    ) -> Array:
        """No investment below this (..., L) drives the rival out at own sharing between these, by
        default at any; infinite where none does."""
        low, high = (
            self.range[0] if least is None else least,
            (self.range[1] if most is None else most),
        )
        c0, c1, c2, c3, c4, c5 = (
            2 * self.b_i * c + self.x * o for o, c in zip(self.own, self.cross, strict=True)
        )
        # The rival sells where the polynomial of these is positive: bounds of its constant and of
        # its slope in t.
        constant = c0 + np.minimum(c3 * low, c3 * high) - np.maximum(c5 * low**2, c5 * high**2)
        slope = c1 + np.minimum(c4 * low, c4 * high)
        with np.errstate(over="ignore"):
            line = np.where(slope < 0, constant / np.where(slope < 0, -slope, 1.0), np.inf)
        return np.where(
            self.x > UNRELATED * self.b_i, np.where((constant < 0) | (c2 < 0), 0.0, line), np.inf
        )

    def may_pay(self, value: Array, cells: int = 1) -> NDArray[np.bool_]:
        """Whether driving the rival out could earn more than this value (L,), by bounds that
        hold for all own levels: over the whole range of own sharing, or on each of so many cells
        of it."""
        edges = np.linspace(*self.range, cells + 1)[:, None]
        least, most = edges[:-1], edges[1:]
        first = self.least_out(least, most)
        # At most a monopoly's profit, (r0 + r1 t)^2 / d less cost, from the first investment at
        # which the rival could be out.
        c0, c1, c2, c3, c4, c5 = (
            self.b_j * o + self.x * c for o, c in zip(self.own, self.cross, strict=True)
        )
        r0 = np.maximum(
            c0 + np.maximum(c3 * least, c3 * most) - np.minimum(c5 * least**2, c5 * most**2), 0.0
        )
        r1 = np.maximum(c1 + np.maximum(c4 * least, c4 * most), 0.0)
        d = 4 * self.b_j * (self.b_i * self.b_j - self.x**2)

        def most_at(t: Array) -> Array:
            return (r0 + r1 * t) ** 2 / d - self.kappa / 2 * np.maximum(t - self.origin, 0.0) ** 2

        bend = self.kappa - 2 * r1**2 / d
        concave = bend > 0
        top = np.where(
            concave,
            (2 * r0 * r1 / d + self.kappa * self.origin) / np.where(concave, bend, 1.0),
            np.inf,
        )
        top = np.minimum(np.maximum(np.maximum(top, first), self.origin), self.cap)
        reachable = first <= np.minimum(self.cap, FAR)
        bent = (c2 > 0) | ~(top <= FAR)
        return np.asarray(
            (reachable & (bent | (most_at(np.where(top <= FAR, top, 0.0)) > value))).any(0)
        )

    def tempted(self, lanes: NDArray[np.intp], value: Array) -> NDArray[np.intp]:
        """Those of some lanes in which driving the rival out could earn more than this (L,)."""
        for cells in (1, CELLS):
            if len(lanes):
                lanes = lanes[self.take(lanes).may_pay(value[lanes], cells)]
        return lanes

    def drives_out(self, s: Array, t: Array) -> NDArray[np.bool_]:
        """Whether the rival is out at own levels."""
        own, cross = self.in_investment(s)
        N_i, N_j = (n[0] + n[1] * t + n[2] * t**2 for n in (own, cross))
        return np.asarray(2 * self.b_i * N_j + self.x * N_i < 0)

    def in_investment(
        self, s: Array
    ) -> tuple[tuple[Array, Array, Array], tuple[Array, Array, Array]]:
        """N_i and N_j as polynomials 1, t, t^2 at own sharing s (n, L)."""
        own, cross = (
            (n[0] + n[3] * s - n[5] * s**2, n[1] + n[4] * s, n[2] + 0 * s)
            for n in (self.own, self.cross)
        )
        return own, cross

    def best_investment(self, s: Array, beside: bool = False) -> tuple[Array, Array]:
        """The best of the investments that drive the rival out at own sharing s (n, L), and profit
        there; minus infinity where none does. With `beside` those that leave it in count too."""
        own, cross = self.in_investment(s)
        b_i, b_j, x = self.b_i, self.b_j, self.x
        rest = tuple(b_j * o + x * c for o, c in zip(own, cross, strict=True))
        d = 4 * b_j * (b_i * b_j - x**2)
        # A price that keeps the rival out: margin m = -N_j / x, sold q = N_i - b_i m.
        related = x > UNRELATED * b_i
        m = tuple(-c / np.where(related, x, 1.0) for c in cross)
        q = tuple(o - b_i * n for o, n in zip(own, m, strict=True))
        pieces = [(rest, tuple(r / d for r in rest)), (m, q)]
        if beside:
            both = tuple(2 * b_j * o + x * c for o, c in zip(own, cross, strict=True))
            pieces.append((both, tuple(b_i * n / (4 * b_i * b_j - x**2) ** 2 for n in both)))
        candidates = [
            0 * s,
            self.origin + 0 * s,
            np.where(np.isfinite(self.cap), self.cap, 0.0) + 0 * s,
        ]
        for u, v in pieces:
            candidates += stationary_points(u, v, self.kappa, self.origin)
        monopoly = tuple(n - r / (2 * (b_i * b_j - x**2)) for n, r in zip(m, rest, strict=True))
        leaves = tuple(2 * b_i * c + x * o for o, c in zip(own, cross, strict=True))
        for edge in (monopoly, leaves):  # where one price rule gives way to another
            candidates += zeros(*edge)
        t = np.array(candidates)
        t = np.clip(np.where(np.abs(t) < 1e50, t, 0.0), 0.0, self.cap)
        values = self.profit(s, t)
        if not beside:
            values = np.where(self.drives_out(s, t), values, -np.inf)
        best = np.argmax(values, axis=0)[None]
        return np.take_along_axis(t, best, 0)[0], np.take_along_axis(values, best, 0)[0]

    def profit(self, s: Array, t: Array) -> Array:
        """The true profit at own levels, whoever sells."""
        own, cross = self.in_investment(s)
        N_i, N_j = (n[0] + n[1] * t + n[2] * t**2 for n in (own, cross))
        margin, sold = beside_or_alone(N_i, N_j, self.b_i, self.b_j, self.x)
        return np.asarray(margin * sold - self.kappa / 2 * np.maximum(t - self.origin, 0.0) ** 2)

    def far_out(self) -> Array:
        """Variable profit over t^2 as own investment grows, at the own sharing at which that is
        most."""
        least, most = self.range
        own, cross = self.in_investment(np.where(self.cross[4] > 0, most, least) + 0 * self.x)
        margin, sold = beside_or_alone(own[1], cross[1], self.b_i, self.b_j, self.x)
        return np.asarray(margin * sold)

    def giving_little(self, limit: Array) -> Found:
        """The best own levels that share at most so much of own investment, s t <= limit (L,),
        whoever then sells; infinite where nothing bounds them."""
        least, most = self.range
        lanes = np.arange(len(self.x))
        parts = np.concatenate([[0.0], np.logspace(-FAINTEST, 0, SIZES)]) if most > least else [1.0]
        grid = least + (most - least) * np.asarray(parts)[:, None] + 0 * self.x

        def top(s: Array) -> tuple[Array, Array]:
            most_of_it = np.where(s > 0, limit / np.where(s > 0, s, 1.0), np.inf)
            capped = replace(self, cap=np.minimum(self.cap, most_of_it))
            return capped.best_investment(s, beside=True)

        value = top(grid)[1]
        around = np.pad(value, ((1, 1), (0, 0)), constant_values=-np.inf)
        peaks = np.where((value >= around[:-2]) & (value >= around[2:]), value, -np.inf)
        order = np.argsort(-peaks, axis=0, kind="stable")[:PEAKS]
        low, high = (grid[np.clip(order + by, 0, len(grid) - 1), lanes] for by in (-1, 1))
        tries = np.concatenate([grid[order, lanes], self._narrowed(top, low, high)])
        t, value = top(tries)
        best = np.argmax(value, axis=0)
        # Far out all but nothing is shared.
        own, cross = self.in_investment(np.full((1, len(lanes)), least))
        margin, sold = beside_or_alone(own[1][0], cross[1][0], self.b_i, self.b_j, self.x)
        bend = 2 * self.b_j * own[2][0] + self.x * cross[2][0]
        grows = np.where(bend == 0, self.kappa <= 2 * margin * sold, bend > 0)
        endless = np.isinf(self.cap) & (least == 0) & grows
        return Found(
            tries[best, lanes], t[best, lanes], np.where(endless, np.inf, value[best, lanes])
        )

    @staticmethod
    def _narrowed(top: Top, low: Array, high: Array) -> Array:
        """The middles (peaks, L) of brackets of own sharing after they were cut about the best."""
        inside = (np.arange(POINTS) + 1)[:, None, None] / (POINTS + 1)
        for _ in range(NARROWING):
            s = low + inside * (high - low)  # (points, peaks, L)
            at = top(s.reshape(-1, s.shape[-1]))[1].reshape(s.shape).argmax(0)
            width = (high - low) / (POINTS + 1)
            low = low + at * width
            high = low + 2 * width
        return np.asarray((low + high) / 2)

    def search(self, sharing_range: tuple[float, float]) -> Found:
        """The best own levels where the rival may be out."""
        least, most = sharing_range
        grid = np.linspace(least, most, SHARES if most > least else 1)[:, None] + 0 * self.x
        value = self.best_investment(grid)[1]
        lanes = np.arange(len(self.x))
        step = (most - least) / max(SHARES - 1, 1)
        around = np.pad(value, ((1, 1), (0, 0)), constant_values=-np.inf)
        peaks = np.where((value >= around[:-2]) & (value >= around[2:]), value, -np.inf)
        top = grid[np.argsort(-peaks, axis=0, kind="stable")[:PEAKS], lanes]
        low, high = np.maximum(top - step, least), np.minimum(top + step, most)
        tries = top
        if most > least:
            tries = np.concatenate([top, self._narrowed(self.best_investment, low, high)])
        t, value = self.best_investment(tries)
        best = np.argmax(value, axis=0)
        return Found(tries[best, lanes], t[best, lanes], value[best, lanes])
