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
from market.model.payoff import Payoff, consumer_payoff, firm_payoffs
from market.model.units import NaturalUnits, in_units
from market.regimes import level_bounds
from market.solve.equilibrium import Apart, Game, newton
from market.solve.linear import implicit_slope
from market.solve.optimum import free_curvature, on_bound
from market.solve.tolerances import DEFAULT, Tolerances
from mechanism.casefile.types import TypeSpace
from mechanism.scheme.allocation import case_at_pairs
from mechanism.scheme.private_market import pairs_of

STEPS = 15
"""Newton's steps to levels near those one starts from: half of them do nearly always, and rates
that have none are met far more often than those that take more."""


def seen_by(values: Array, firm: int) -> Array:
    """Values (L, n, n, ...) over pairs of types, firm 1's first, by the firm's own type first."""
    return values if firm == 0 else np.swapaxes(values, 1, 2)


@dataclass(frozen=True, kw_only=True)
class Agents:
    """What a few agents have of levels at pairs of types of one market."""

    payoff: Payoff
    """With lanes for all n n pairs of the first agent, then of the next."""
    size: int
    """n."""

    @classmethod
    def of(cls, case: Case, size: int, payoffs: tuple[Payoff, ...]) -> Agents:
        """Agents by their payoffs at all pairs of types of a case, (n n,) each or the same for
        all."""
        pairs = size**2

        def joined(name: str) -> Array:
            every = [getattr(one, name) for one in payoffs]
            return np.concatenate([np.broadcast_to(a, (pairs, *a.shape[1:])) for a in every])

        lanes = np.tile(np.arange(pairs), len(payoffs))
        benefit, weight = joined("benefit"), joined("cost_weight")
        return cls(
            payoff=Payoff(case=case.take(lanes), benefit=benefit, cost_weight=weight), size=size
        )

    def among(self, which: NDArray[np.intp]) -> Agents:
        """At pairs of these types (m,) alone."""
        pairs, each = np.add.outer(which * self.size, which).ravel(), self.size**2
        lanes = np.add.outer(np.arange(len(self.payoff.benefit) // each) * each, pairs)
        return Agents(payoff=self.payoff.take(lanes.ravel()), size=len(which))

    def first(self, few: int) -> Agents:
        """The first few agents."""
        return replace(self, payoff=self.payoff.take(np.arange(few * self.size**2)))

    def _lanes(self, x: Array) -> tuple[Payoff, Array, tuple[int, ...]]:
        L, n, pairs = len(x), self.size, self.size**2
        agents = len(self.payoff.benefit) // pairs
        payoff = self.payoff
        if L != 1:
            every = np.arange(agents * pairs).reshape(agents, 1, pairs)
            payoff = payoff.take(np.broadcast_to(every, (agents, L, pairs)).ravel())
        flat = np.asarray(x.reshape(-1, 4).T, order="C")
        return payoff, np.tile(flat, agents).T, (agents, L, n, n)

    def derivatives(self, x: Array) -> tuple[Array, Array, Array]:
        """At levels (L, n, n, 4) of pairs of types: values (agents, L, n, n), and with the levels
        first, (4, agents, L, n, n) and (4, 4, agents, L, n, n), gradients and Hessians."""
        payoff, flat, shape = self._lanes(x)
        value, gradient, hessian = payoff.derivatives(flat)
        return (
            value.reshape(shape),
            gradient.T.reshape(4, *shape),
            hessian.transpose(1, 2, 0).reshape(4, 4, *shape),
        )

    def gradient(self, x: Array) -> tuple[Array, Array]:
        """Values and gradients alone."""
        payoff, flat, shape = self._lanes(x)
        value, gradient = payoff.gradient(flat)
        return value.reshape(shape), gradient.T.reshape(4, *shape)


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """The first-order conditions of all types of both firms, in L lanes of one market that differ
    in rates: in form one player's payoff over the 4 n levels of all types.

    Its derivatives in a type's levels are those of what the type itself expects, whatever the
    type's probability.
    """

    firms: Agents
    weights: Array
    """(n,): probabilities of types."""
    rates: Array
    """(L, 2 firms, 2): what is received per unit of own sharing and investment."""

    def take(self, lanes: Any) -> Conditions:
        """In these lanes only."""
        return replace(self, rates=self.rates[lanes])

    def value(self, z: Array) -> Array:
        """The more that a firm expects before it knows its type, in absolute value (L,)."""
        return self.derivatives(z)[0]

    def derivatives(self, z: Array) -> tuple[Array, Array, Array]:
        """That, the conditions (L, 4 n) and their Jacobian (L, 4 n, 4 n)."""
        w, L, n = self.weights, len(z), len(self.weights)
        levels, each = z.reshape(L, 2, n, 2), np.arange(n)
        value, slope, bend = self.firms.derivatives(pairs_of(levels.transpose(1, 0, 2, 3)))
        stack, jacobian = np.empty((L, 2, n, 2)), np.zeros((L, 2, n, 2, 2, n, 2))
        received = (levels * self.rates[:, :, None]).sum(-1)  # (L, 2, n)
        largest = np.zeros(L)
        for i, j in ((0, 1), (1, 0)):
            # own type first, the rival's last
            mine, pull, rows = (
                a if i == 0 else np.swapaxes(a, -1, -2)
                for a in (value[i], slope[i::2, i], bend[i::2, :, i])
            )
            stack[:, i] = (pull @ w).transpose(1, 2, 0) + self.rates[:, i, None]
            # Of each type in its own levels, then in those of every type of the rival.
            jacobian[:, i, each, :, i, each, :] = (rows[:, i::2] @ w).transpose(3, 2, 0, 1)
            jacobian[:, i, :, :, j] = (rows[:, j::2] * w).transpose(2, 3, 0, 4, 1)
            largest = np.maximum(largest, np.abs((mine @ w + received[:, i]) @ w))
        return largest, stack.reshape(L, -1), jacobian.reshape(L, 4 * n, 4 * n)


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
    everybody: Agents
    """The firms, before they receive anything, and consumers."""
    firms: Agents
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
        everybody = Agents.of(pairs, n, (*firm_payoffs(pairs), consumer_payoff(pairs)))
        return cls(
            weights=types.probabilities,
            everybody=everybody,
            firms=everybody.first(2),
            lower=lower,
            upper=upper,
        )

    @property
    def size(self) -> int:
        """How many types a firm has."""
        return len(self.weights)

    def among(self, which: NDArray[np.intp], weights: Array) -> TypesGame:
        """The game of these types (m,) alone, of probabilities (m,)."""
        lower, upper = (a.reshape(2, -1, 2)[:, which].ravel() for a in (self.lower, self.upper))
        everybody = self.everybody.among(which)
        return TypesGame(
            weights=weights,
            everybody=everybody,
            firms=everybody.first(2),
            lower=lower,
            upper=upper,
        )

    def at(self, rates: Array) -> Game:
        """The game at rates (L, 2 firms, 2); it is solved from first-order conditions alone."""
        conditions = Conditions(firms=self.firms, weights=self.weights, rates=rates)

        def reply(player: int, x: Array) -> tuple[Array, Array]:
            raise NotImplementedError(
                "best replies of types are those of `mechanism.scheme.private_market`"
            )

        return Game(
            players=Apart((conditions,)),
            controls=(tuple(range(4 * self.size)),),
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
        z, system = newton(game, start, tolerances, STEPS)
        rows = np.flatnonzero(np.isfinite(z).all(-1))
        z, (_, push, jacobian) = z[rows], (a[rows] for a in system)
        held = self.sides(z) != 0
        each = np.arange(2 * n)
        blocks = jacobian.reshape(-1, 2 * n, 2, 2 * n, 2)[:, each, :, each, :]  # (2 n, L, 2, 2)
        bent = free_curvature(blocks, held.reshape(-1, 2 * n, 2).swapaxes(0, 1))
        fine = np.asarray(~(bent > 0).any(0))
        direct = np.zeros((2, n, 2, 2, 2))
        for firm in (0, 1):
            for level in (0, 1):
                direct[firm, :, level, firm, level] = 1.0
        direct = np.broadcast_to(direct.reshape(4 * n, 4), (len(rows), 4 * n, 4))
        slope = implicit_slope(jacobian, direct, held)
        push_slope = np.matmul(jacobian, slope) + direct
        found = []
        for a in (z, slope, push, push_slope):
            found.append(np.full((L, *a.shape[1:]), np.nan))
            found[-1][rows[fine]] = a[fine]
        return SolvedGame(*found)
