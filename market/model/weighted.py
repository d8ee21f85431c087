"""Weighted sums of payoffs over the same levels, of firms and consumers whose parameters may differ
from term to term: what a designer pursues who pays with rents. A firm's payoff at a type that it is
not enters with a negative weight where its lie must not pay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from market.model.case import Array, Case
from market.model.cost import UnitCostTerms
from market.model.payoff import Derivatives, Payoff


@dataclass(frozen=True, kw_only=True)
class WeightedPayoff:
    """The sum of payoffs of L lanes each; the first is that of the market itself, in which every
    firm must sell."""

    terms: tuple[Payoff, ...]

    @property
    def case(self) -> Case:
        """The market itself."""
        return self.terms[0].case

    @property
    def benefit(self) -> Array:
        """(L, 2, 2): what its net intercepts are worth, other terms left out."""
        return self.terms[0].benefit

    def take(self, lanes: Any) -> WeightedPayoff:
        """The sum in these lanes only."""
        return WeightedPayoff(terms=tuple(term.take(lanes) for term in self.terms))

    def value(self, x: Array) -> Array:
        """(L,) at levels (L, 4)."""
        return np.asarray(sum(term.value(x) for term in self.terms))

    def derivatives(self, x: Array) -> Derivatives:
        """Value (L,), gradient (L, 4) and Hessian (L, 4, 4)."""
        value, gradient, hessian = self.terms[0].derivatives(x)
        for term in self.terms[1:]:
            more = term.derivatives(x)
            value, gradient, hessian = value + more[0], gradient + more[1], hessian + more[2]
        return value, gradient, hessian

    def slopes(self, x: Array, F: UnitCostTerms | None) -> Array:
        """The gradients (2, 4, L) of the market's own net intercepts."""
        return self.terms[0].slopes(x, F)
