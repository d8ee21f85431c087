"""The game of all types of both firms at once, for Newton's method and for slopes in the rates.

Its variables are the levels of every type, z = (firm, type, [sharing, investment]). A type's
first-order condition is an expectation over its rival's types, so that the Jacobian of all
conditions is made of Hessians at pairs of types. A type of probability zero answers like any other
and moves nobody. Everything is in natural units.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case
from market.model.deviations import CONTROLS
from market.model.payoff import Payoff, consumer_payoff, firm_payoffs
from market.model.units import NaturalUnits, in_units
from market.regimes import level_bounds
from market.solve.equilibrium import Game, newton, own_system
from market.solve.linear import implicit_slope
from market.solve.optimum import free_curvature, on_bound
from market.solve.tolerances import DEFAULT, Tolerances
from mechanism.casefile.types import TypeSpace
from mechanism.scheme.allocation import case_at_pairs
from mechanism.scheme.private_market import pairs_of


def seen_by(values: Array, firm: int) -> Array:
    """Values (L, n, n, ...) over pairs of types, firm 1's first, by the firm's own type first."""
    return values if firm == 0 else np.swapaxes(values, 1, 2)


@dataclass(frozen=True, kw_only=True)
class FirmsTypes:
    """What one firm expects from what all types choose, in L lanes of one market that differ in
    rates.

    A payoff over the 4 n levels of all types. In the levels of its own types its derivatives are
    those of what the type itself expects, whatever the type's probability; the others are left
    zero.
    """

    firm: int
    profit: Payoff
    """At every pair of types, n n lanes."""
    weights: Array
    """(n,): probabilities of types."""
    rates: Array
    """(L, 2): what it receives per unit of its own sharing and investment."""

    def take(self, lanes: Any) -> FirmsTypes:
        """In these lanes only."""
        return replace(self, rates=self.rates[lanes])

    def value(self, z: Array) -> Array:
        """What the firm expects before it knows its type (L,)."""
        return self.derivatives(z)[0]

    def derivatives(self, z: Array) -> tuple[Array, Array, Array]:
        """Value (L,), gradient (L, 4 n) and Hessian (L, 4 n, 4 n)."""
        firm, w, own, other = (
            self.firm,
            self.weights,
            list(CONTROLS[self.firm]),
            list(CONTROLS[1 - self.firm]),
        )
        L, n = len(z), len(w)
        levels = z.reshape(L, 2, n, 2)
        value, slope, bend = (
            seen_by(a, firm) for a in at_pairs(self.profit, pairs_of(np.moveaxis(levels, 1, 0)))
        )
        mine = levels[:, firm]
        gradient, hessian = np.zeros((L, 2, n, 2)), np.zeros((L, 2, n, 2, 2, n, 2))
        gradient[:, firm] = np.einsum("l,zklv->zkv", w, slope[..., own]) + self.rates[:, None]
        rows = bend[..., own, :]
        each = np.arange(n)
        # Of each type in its own levels, then in those of every type of the rival.
        block = np.einsum("l,zklvu->kzvu", w, rows[..., own])
        hessian[:, firm, each, :, firm, each, :] = block
        hessian[:, firm, :, :, 1 - firm] = np.einsum("l,zklvu->zkvlu", w, rows[..., other])
        earned = (value @ w + (mine * self.rates[:, None]).sum(-1)) @ w
        return earned, gradient.reshape(L, -1), hessian.reshape(L, 4 * n, 4 * n)


def at_pairs(payoff: Payoff, x: Array) -> tuple[Array, Array, Array]:
    """Value, gradient and Hessian of a payoff of one market at levels (L, n, n, 4) of pairs of
    types."""
    L, n = x.shape[:2]
    lanes = payoff if L == 1 else payoff.take(np.tile(np.arange(n * n), L))
    found = lanes.derivatives(x.reshape(-1, 4))
    return tuple(a.reshape(L, n, n, *a.shape[1:]) for a in found)  # type: ignore[return-value]


class SolvedGame(NamedTuple):
    """Where types' first-order conditions hold, in L lanes; NaN where nowhere was found."""

    z: Array
    """(L, 4 n): levels of all types."""
    slope: Array
    """(L, 4 n, 4): their slopes in the rates (firm, level)."""
    push: Array
    """(L, 4 n): what each type expects of a little more of each level, zero but at a bound."""
    push_slope: Array
    """(L, 4 n, 4)."""


@dataclass(frozen=True, kw_only=True)
class TypesGame:
    """One market in natural units, its types, and what everybody has of levels at pairs of
    types."""

    weights: Array
    """(n,): probabilities of the types."""
    profits: tuple[Payoff, Payoff]
    """Of the firms, before they receive anything."""
    consumers: Payoff
    """Of consumers."""
    lower: Array
    """(4 n,), as is `upper`: bounds of all types' levels."""
    upper: Array

    @classmethod
    def of(cls, case: Case, types: TypeSpace, units: NaturalUnits) -> TypesGame:
        """The game of a market whose arrays are (1 or 2,), counted in these units (1,)."""
        n = len(types.nodes)
        flat = in_units(case, units).map(lambda a: a.reshape(1, -1))
        pairs = in_units(case_at_pairs(case, types.types, types.parameter), units)
        pairs = pairs.map(lambda a: a.reshape(-1, a.shape[-1]))
        lower, upper = (
            np.repeat(bound.reshape(2, 2).T[:, None], n, 1).ravel()
            for bound in level_bounds(flat, 1)
        )
        return cls(
            weights=types.probabilities,
            profits=firm_payoffs(pairs),
            consumers=consumer_payoff(pairs),
            lower=lower,
            upper=upper,
        )

    @property
    def size(self) -> int:
        """How many types a firm has."""
        return len(self.weights)

    def at(self, rates: Array) -> Game:
        """The game at rates (L, 2 firms, 2); it is solved from first-order conditions alone."""
        half = 2 * self.size
        first, second = (
            FirmsTypes(firm=i, profit=self.profits[i], weights=self.weights, rates=rates[:, i])
            for i in (0, 1)
        )

        def reply(player: int, x: Array) -> tuple[Array, Array]:
            raise NotImplementedError(
                "best replies of types are those of `mechanism.scheme.private_market`"
            )

        return Game(
            players=(first, second),
            controls=(tuple(range(half)), tuple(range(half, 2 * half))),
            lower=self.lower,
            upper=self.upper,
            reply=reply,
        )

    def sides(self, z: Array) -> NDArray[np.intp]:
        """On which bound each level of z (..., 4 n) lies: -1 the lower, 1 the upper, 0 none."""
        return np.where(on_bound(z, self.lower), -1, np.where(on_bound(z, self.upper), 1, 0))

    def on(self, sides: NDArray[np.intp], some: NDArray[np.bool_]) -> TypesGame:
        """The same with these levels (4 n,) of `some` types kept where `sides` has them: on their
        bounds, or free of them."""
        kept = np.where(sides < 0, self.lower, self.upper)
        lower = np.where(some, np.where(sides == 0, -np.inf, kept), self.lower)
        upper = np.where(some, np.where(sides == 0, np.inf, kept), self.upper)
        return replace(self, lower=lower, upper=upper)

    def solve(self, rates: Array, start: Array, tolerances: Tolerances = DEFAULT) -> SolvedGame:
        """Levels near `start` (L, 4 n) at which every type is at a local best reply, at rates (L,
        2, 2); NaN where none is found."""
        L, n = len(rates), self.size
        game = self.at(rates)
        z = newton(game, start, tolerances)
        found = np.asarray(np.isfinite(z).all(-1))
        z = np.where(found[:, None], z, np.clip(start, self.lower, self.upper))
        _, push, jacobian = own_system(game, z)
        held = self.sides(z) != 0
        each = np.arange(2 * n)
        blocks = jacobian.reshape(L, 2 * n, 2, 2 * n, 2)[:, each, :, each, :]  # (2 n, L, 2, 2)
        bent = free_curvature(blocks, np.moveaxis(held.reshape(L, 2 * n, 2), 1, 0))
        found &= np.asarray(~(bent > 0).any(0))
        direct = np.zeros((2, n, 2, 2, 2))
        for firm in (0, 1):
            for level in (0, 1):
                direct[firm, :, level, firm, level] = 1.0
        direct = np.broadcast_to(direct.reshape(4 * n, 4), (L, 4 * n, 4))
        slope = implicit_slope(jacobian, direct, held)
        push_slope = np.matmul(jacobian, slope) + direct
        for a in (z, slope, push, push_slope):
            a[~found] = np.nan
        return SolvedGame(z, slope, push, push_slope)
