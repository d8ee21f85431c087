"""Which levels a lottery over levels would gain most by, in every state of types: the pricing
problem of a second best.

At the prices of truth, participation and budget (`mechanism.design.program.worth`) levels x come in
the state (r_1, r_2) to

    w_0 CS(x) + sum over firms i and types l of w_il Pi_i(x; l, r_j),

CS at the state's types, Pi_i what firm i of type l earns there if its rival is what it says.
Weights w_il of other types than the state's are rents, and negative. Levels at which some firm
would not sell count nowhere; investments are sought up to a stated bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from market.certify.levels_bound import bound_levels, provable
from market.model.case import Array, Case
from market.model.outcome import every_firm_sells
from market.model.payoff import Payoff
from market.model.pricing import (
    bertrand_matrix,
    revenue_matrices,
    sold_matrix,
    utility_matrix,
)
from market.model.units import NaturalUnits, in_units, levels_from, levels_in, natural_units
from market.model.weighted import WeightedPayoff
from market.regimes import climb_among_sellers
from mechanism.casefile.types import TypeSpace
from mechanism.design.program import Worth
from mechanism.frozen import freeze

GRID = np.array(
    [
        [*s, *t]
        for s in product((0.0, 0.5, 1.0), repeat=2)
        for t in product((0.0, 0.4, 1.0, 2.0), repeat=2)
    ]
)
"""Where searches start beside what is known: sharing, and investments as multiples of the
planner's."""


TOGETHER = 32
"""States that are bounded together."""


@dataclass(frozen=True, kw_only=True)
class LevelPricing:
    """The pricing problem at all pairs of the K types of a market: S = K^2 states, firm 1's type
    first."""

    case: Case
    """Flat, of one market, in its own units."""
    types: TypeSpace
    """Every point a type."""
    planner: Array
    """(S, 4): the planner's levels."""
    most: Array
    """(2,): the investments up to which levels are sought."""

    def __post_init__(self) -> None:
        freeze(self)

    @cached_property
    def _units(self) -> NaturalUnits:
        return natural_units(self.case)

    @cached_property
    def _pairs(self) -> NDArray[np.intp]:
        """(2, S): both firms' types, by their place."""
        K = len(self.types.nodes)
        return np.indices((K, K)).reshape(2, -1)

    @property
    def box(self) -> Array:
        """(4,): the most of every level that is looked at."""
        return np.array([1.0, 1.0, *self.most])

    @cached_property
    def _upper(self) -> Array:
        """The same in natural units."""
        return levels_in(self.box[None], self._units)[0]

    def _at(self, places: NDArray[np.intp]) -> Case:
        """The market at pairs of types (2, S) by their places, natural units."""
        both = np.stack([self.types.types_of(i)[places[i]] for i in (0, 1)], -1)
        lanes = self.case.take(np.zeros(both.shape[0], np.intp))
        return in_units(lanes.with_parameter(self.types.parameter, both), self._units)

    @cached_property
    def _true(self) -> Case:
        """(S,): the market at every pair of types."""
        return self._at(self._pairs)

    @cached_property
    def _sold(self) -> Array:
        """(S, 2, 2): quantities in net intercepts."""
        sold = sold_matrix(self._true, bertrand_matrix)
        return np.broadcast_to(sold, (self._pairs.shape[1], 2, 2))

    def payoff(self, worth: Worth) -> WeightedPayoff:
        """What levels come to in every state, at what payoffs are worth; natural levels."""
        money, places = float(self._units.money[0, 0]), self._pairs
        states = np.arange(places.shape[1])
        revenue = revenue_matrices(self._true, bertrand_matrix)  # (S, 2, 2, 2)
        consumers = utility_matrix(self._true, bertrand_matrix) - revenue.sum(-3)
        own = np.stack([worth.own[i][places[i], states] for i in (0, 1)], -1) * money
        public = worth.public[:, None, None] * money
        terms = [
            Payoff(
                case=self._true,
                benefit=public * consumers + (own[..., None, None] * revenue).sum(-3),
                cost_weight=own,
            )
        ]
        for i in (0, 1):
            lies = worth.own[i].copy()  # (K, S)
            lies[places[i], states] = 0.0
            order = np.argsort(lies == 0, axis=0, kind="stable")
            for rank in range(int((lies != 0).sum(0).max())):
                type_ = order[rank]
                weight = lies[type_, states] * money
                other = places.copy()
                other[i] = type_
                terms.append(
                    Payoff(
                        case=self._at(other),
                        benefit=weight[:, None, None] * revenue[:, i],
                        cost_weight=weight[:, None] * np.eye(2)[i],
                    )
                )
        return WeightedPayoff(terms=tuple(terms))

    def search(self, worth: Worth, known: Array, starts: int) -> tuple[Array, Array]:
        """The best levels (S, 4) found in every state, and what they come to (S,): climbs from the
        best of what is `known` (m, S, 4) and from so many of the best points of a grid."""
        payoff, S = self.payoff(worth), self._pairs.shape[1]
        grid = np.repeat(GRID[:, None], S, 1)
        grid[..., 2:] *= np.maximum(self.planner[..., 2:], 1e-3 * self.most)
        every = levels_in(np.concatenate([known, grid]), self._units)
        every = np.minimum(every, self._upper)
        here = np.where(every_firm_sells(self._true, every), payoff.value(every), -np.inf)
        m, lanes = len(known), np.arange(S)
        best = np.concatenate(
            [here[:m].argmax(0)[None], m + np.argsort(-here[m:], axis=0, kind="stable")[:starts]]
        )
        begin, at = every[best, lanes].reshape(-1, 4), np.tile(lanes, len(best))
        upper = np.broadcast_to(self._upper, begin.shape)
        found = climb_among_sellers(
            payoff.take(at), self._sold[at], begin, np.zeros_like(begin), upper
        )
        ends = np.concatenate([found.x, begin]).reshape(-1, S, 4)
        value = np.where(every_firm_sells(self._true, ends), payoff.value(ends), -np.inf)
        top = value.argmax(0)
        return levels_from(ends[top, lanes], self._units), value[top, lanes]

    def bound(self, worth: Worth, best: Array, tolerance: float, boxes: int) -> tuple[Array, Array]:
        """What levels come to at most in every state (S,), infinite where no bound is known, given
        the best known (S, 4), and better ones (S, 4) where any were met; NaN elsewhere."""
        payoff = self.payoff(worth)
        most, better = np.full(len(best), np.inf), np.full(best.shape, np.nan)
        if not provable(payoff):
            return most, better
        inner = levels_in(best, self._units)
        for start in range(0, len(best), TOGETHER):
            lanes = np.arange(start, min(start + TOGETHER, len(best)))
            found = bound_levels(
                payoff.take(lanes),
                inner[lanes],
                self._upper,
                self._sold[lanes],
                tolerance,
                boxes * len(lanes),
            )
            most[lanes] = found.most
            better[lanes] = levels_from(found.better, self._units)
        return most, better
