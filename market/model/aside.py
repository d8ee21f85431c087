"""What a firm earns with its rival out of the market, in its own levels: whether that can pay, and
the best of it.

For given sharing profit is a polynomial in own investment on either stretch of
`market.model.leaving`, so that the best investment is among finitely many; a reply that drives the
rival out is therefore a search over sharing alone, made only where bounds leave room for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case, of_firm
from market.model.leaving import UNRELATED, beside_or_alone
from market.solve.roots import most_between, product, root_of_line, tops, zeros

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
ABOUT = 1e-12
"""Share of what is compared within which a rival counts as just leaving."""
FAR = 1e50
"""Investment in natural units beyond which nothing lies."""


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
        return self._earliest(2 * self.b_i, self.x, low, high)

    def _earliest(self, cross: Array, own: Array, low: Array | float, high: Array | float) -> Array:
        """No investment below this (..., L) makes N_j and N_i with these weights negative at own
        sharing between these; infinite where none does, or goods are unrelated."""
        c0, c1, c2, c3, c4, c5 = (
            cross * c + own * o for o, c in zip(self.own, self.cross, strict=True)
        )
        # Bounds of the polynomial's constant and of its slope in t.
        constant = c0 + np.minimum(c3 * low, c3 * high) - np.maximum(c5 * low**2, c5 * high**2)
        slope = c1 + np.minimum(c4 * low, c4 * high)
        with np.errstate(over="ignore"):
            line = np.where(slope < 0, constant / np.where(slope < 0, -slope, 1.0), np.inf)
        return np.where(
            self.x > UNRELATED * self.b_i, np.where((constant < 0) | (c2 < 0), 0.0, line), np.inf
        )

    def may_pay(self, value: Array, cells: int = 1, closely: bool = False) -> NDArray[np.bool_]:
        """Whether driving the rival out could earn more than this value (L,), not negative, by
        bounds that hold for all own levels: over the whole range of own sharing, or on each of so
        many cells of it; `closely` by ones that take longer."""
        edges = np.linspace(*self.range, cells + 1)[:, None]
        between = edges[:-1], edges[1:]
        b_i, b_j, x = self.b_i, self.b_j, self.x
        out, free = self.least_out(*between), 2 * (b_i * b_j - x**2)
        # margin and sales, each as weights of N_j and N_i
        monopoly = (x / free, b_j / free), (x / (2 * b_j), 0.5 + 0 * x)
        earned = self._bound(*monopoly, out, between, False)
        if closely:
            # A price that keeps the rival out earns no more than that; a monopoly's is charged from
            # an investment on at which it keeps the rival out too.
            related = np.where(x > UNRELATED * b_i, x, 1.0)
            limit = (-1 / related, 0 * x), (b_i / related, 1 + 0 * x)
            alone = np.maximum(out, self._earliest(2 * b_i * b_j - x**2, x * b_j, *between))
            either = np.maximum(
                self._bound(*limit, out, between, True),
                self._bound(*monopoly, alone, between, True),
            )
            earned = np.minimum(earned, either)
        return np.asarray((earned > value).any(0))

    @np.errstate(over="ignore", invalid="ignore")
    def _bound(
        self,
        margin: tuple[Array, Array],
        sold: tuple[Array, Array],
        first: Array,
        between: tuple[Array, Array],
        closely: bool,
    ) -> Array:
        """What is earned at most (cells, L) with own sharing between these and investments from
        `first` on, where margin and sales, neither negative, are N_j and N_i with these weights;
        minus infinity where nothing so large may be invested."""
        (u0, u1, u_bends), (v0, v1, v_bends) = map(self._factor, (margin, sold))
        reachable = first <= np.minimum(self.cap, FAR)
        first = np.where(reachable, first, 0.0)
        u0, v0 = (
            [c + d * first for c, d in zip_longest(*f, fillvalue=0.0)] for f in ((u0, u1), (v0, v1))
        )
        # Coefficients no less than those of their product in what is invested beyond the first: of
        # what neither factor exceeds, since none is negative; and as polynomials in s. Squares that
        # make a factor smaller are left out.
        a0, a1, b0, b1 = (np.maximum(most_between(c, *between), 0.0) for c in (u0, u1, v0, v1))
        most = [a0 * b0, a0 * b1 + a1 * b0, a1 * b1]
        if closely:
            linear = [a + b for a, b in zip(product(u0, v1), product(u1, v0), strict=True)]
            both = (product(u0, v0), linear, product(u1, v1))
            most = [
                np.stack([a, most_between(c, *between)]) for a, c in zip(most, both, strict=True)
            ]
        c0, c1, c2 = most
        origin, cap = self.origin - first, self.cap - first

        def most_at(t: Array) -> Array:
            spent = self.kappa / 2 * np.maximum(t - origin, 0.0) ** 2
            return c0 + (c1 + c2 * t) * t - spent

        bend, costly = self.kappa - 2 * c2, np.minimum(np.maximum(origin, 0.0), cap)
        far = np.where(bend > 0, root_of_line(c1 + self.kappa * origin, bend), np.inf)
        far = np.minimum(np.maximum(far, costly), cap)
        known = (far <= FAR) & ~u_bends & ~v_bends
        ends = (most_at(np.where(known, t, 0.0)) for t in (costly, far))
        # up to its origin investment costs nothing: coefficients no less than these rise with it
        free = np.maximum(c0, 0.0) + (np.maximum(c1, 0.0) + np.maximum(c2, 0.0) * costly) * costly
        earned = np.maximum(np.maximum(*ends), np.where(origin > 0, free, -np.inf))
        # what is beyond all numbers bounds nothing
        earned = np.where(known & ~np.isnan(earned), earned, np.inf)
        return np.where(reachable, earned.min(0) if closely else earned, -np.inf)

    def _factor(
        self, weights: tuple[Array, Array]
    ) -> tuple[list[Array], list[Array], NDArray[np.bool_]]:
        """Of N_j and N_i with these weights the constant and the slope in own investment, each a
        polynomial in s, and whether it bends upward by more than rounding."""
        c0, c1, _, c3, c4, c5 = (
            weights[0] * c + weights[1] * o for o, c in zip(self.own, self.cross, strict=True)
        )
        mine, other = weights[1] * self.own[2], weights[0] * self.cross[2]
        bends = mine + other > ABOUT * (np.abs(mine) + np.abs(other))
        return [c0, c3, -c5], [c1, c4], bends

    def tempted(self, lanes: NDArray[np.intp], value: Array) -> NDArray[np.intp]:
        """Those of some lanes in which driving the rival out could earn more than this (L,)."""
        cells = CELLS if self.range[0] < self.range[1] else 1
        for how in dict.fromkeys(((1, False), (cells, False), (cells, True))):
            if len(lanes):
                lanes = lanes[self.take(lanes).may_pay(value[lanes], *how)]
        return lanes

    def drives_out(self, s: Array, t: Array, about: float = 0.0) -> NDArray[np.bool_]:
        """Whether the rival is out at own levels, or is but for this share of what is compared."""
        own, cross = self.in_investment(s)
        N_i, N_j = (n[0] + n[1] * t + n[2] * t**2 for n in (own, cross))
        mine, other = self.x * N_i, 2 * self.b_i * N_j
        return np.asarray(other + mine < about * (np.abs(other) + np.abs(mine)))

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
            candidates += tops(u, v, self.kappa, self.origin)
        monopoly = tuple(n - r / (2 * (b_i * b_j - x**2)) for n, r in zip(m, rest, strict=True))
        leaves = tuple(2 * b_i * c + x * o for o, c in zip(own, cross, strict=True))
        for edge in (monopoly, leaves):  # where one price rule gives way to another
            candidates += zeros(*edge)
        t = np.array(candidates)
        t = np.clip(np.where(np.abs(t) < FAR, t, 0.0), 0.0, self.cap)
        values = self.profit(s, t)
        if not beside:
            # where it just leaves rounding does not say which way
            values = np.where(self.drives_out(s, t, ABOUT), values, -np.inf)
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

        def giving(some: NDArray[np.intp]) -> Top:
            at, most_given = self.take(some), limit[some]

            def top(s: Array) -> tuple[Array, Array]:
                most_of_it = np.where(s > 0, most_given / np.where(s > 0, s, 1.0), np.inf)
                capped = replace(at, cap=np.minimum(at.cap, most_of_it))
                return capped.best_investment(s, beside=True)

            return top

        found = self._highest(grid, giving)
        # Far out all but nothing is shared.
        own, cross = self.in_investment(np.full((1, len(lanes)), least))
        margin, sold = beside_or_alone(own[1][0], cross[1][0], self.b_i, self.b_j, self.x)
        bend = 2 * self.b_j * own[2][0] + self.x * cross[2][0]
        grows = np.where(bend == 0, self.kappa <= 2 * margin * sold, bend > 0)
        endless = np.isinf(self.cap) & (least == 0) & grows
        return found._replace(value=np.where(endless, np.inf, found.value))

    def search(self, sharing_range: tuple[float, float]) -> Found:
        """The best own levels where the rival may be out."""
        least, most = sharing_range
        grid = np.linspace(least, most, SHARES if most > least else 1)[:, None] + 0 * self.x
        return self._highest(grid, lambda some: self.take(some).best_investment)

    @staticmethod
    def _highest(grid: Array, of: Callable[[NDArray[np.intp]], Top]) -> Found:
        """The best of own sharing about the highest peaks on a grid (n, L) of it, `of` some lanes
        what it is worth."""
        lanes = np.arange(grid.shape[1])
        t, value = of(lanes)(grid)
        best = value.argmax(0)
        found = Found(grid[best, lanes], t[best, lanes], value[best, lanes])
        around = np.pad(value, ((1, 1), (0, 0)), constant_values=-np.inf)
        peaks = np.where((value >= around[:-2]) & (value >= around[2:]), value, -np.inf)
        order = np.argsort(-peaks, axis=0, kind="stable")[: PEAKS if len(grid) > 1 else 0]
        turn, lane = np.nonzero(np.isfinite(np.take_along_axis(peaks, order, 0)))
        row = order[turn, lane]
        low, high = (grid[np.clip(row + by, 0, len(grid) - 1), lane] for by in (-1, 1))
        top = of(lane)
        s = _narrowed(top, low, high)
        t, value = (a[0] for a in top(s[None]))
        for k in range(len(order)):  # peak by peak, each lane once
            mine = np.flatnonzero((turn == k) & (value > found.value[lane]))
            for into, a in zip(found, (s, t, value), strict=True):
                into[lane[mine]] = a[mine]
        return found


def _narrowed(top: Top, low: Array, high: Array) -> Array:
    """The middles (L,) of brackets of own sharing after they were cut about the best."""
    inside = (np.arange(POINTS) + 1)[:, None] / (POINTS + 1)
    for _ in range(NARROWING):
        at = top(low + inside * (high - low))[1].argmax(0)
        width = (high - low) / (POINTS + 1)
        low = low + at * width
        high = low + 2 * width
    return np.asarray((low + high) / 2)
