"""What the regulator knows about what is private: a common prior on a parameter of each firm, lambda_c in the paper, independent
across firms."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from market.case import Array
from mechanism.schema import ListedTypes, UniformTypes

DENSE = 51
"""Nodes above which incentives are checked at the types and both ends only, not at the midpoints between."""


@dataclass(frozen=True, kw_only=True)
class TypeSpace:
    """Types of one firm and the points at which incentives are checked."""

    points: Array
    """(M,) ascending: the types themselves and, for a continuous prior, both ends of the support and the midpoints between types."""
    weights: Array
    """(M,): probability of each point; zero at points that are only checked."""
    nodes: NDArray[np.intp]
    """(K,): which points are the types expectations are taken over."""
    continuous: bool
    """Whether the prior is a uniform distribution on a support."""
    parameter: str = "cost_spillover"
    """Which parameter of the market is private. With a cost spillover a firm's profit depends on its own type alone, whatever the levels;
    with an intercept or a demand spillover on both, through prices."""

    @property
    def private_values(self) -> bool:
        """Whether a firm's profit at given levels depends on no type but its own."""
        return self.parameter == "cost_spillover"

    @property
    def types(self) -> Array:
        """(K,): the types expectations are taken over."""
        return self.points[self.nodes]

    @property
    def probabilities(self) -> Array:
        """(K,)."""
        return self.weights[self.nodes]

    def everywhere(self) -> TypeSpace:
        """The same prior with every point a type, those between the types of probability zero."""
        return replace(self, nodes=np.arange(len(self.points)))


def uniform(low: float, high: float, count: int, parameter: str = "cost_spillover") -> TypeSpace:
    """The uniform prior on [low, high]: `count` Gauss-Legendre nodes, which integrate polynomials of degree 2 count - 1 exactly."""
    x, w = np.polynomial.legendre.leggauss(count)
    types = low + (high - low) * (x + 1) / 2
    # Many nodes lie close enough to check incentives at; between few of them, the midpoints are checked too.
    between = (types[1:] + types[:-1]) / 2 if count <= DENSE else types[:0]
    points = np.sort(np.concatenate([[low], types, between, [high]]))
    nodes = np.searchsorted(points, types)
    weights = np.zeros(len(points))
    weights[nodes] = w / 2
    return TypeSpace(points=points, weights=weights, nodes=nodes, continuous=True, parameter=parameter)


def discrete(values: Array, probabilities: Array, parameter: str = "cost_spillover") -> TypeSpace:
    """A discrete prior; only the types themselves can be reported."""
    order = np.argsort(values)
    points = np.asarray(values, float)[order]
    weights = np.asarray(probabilities, float)[order]
    return TypeSpace(points=points, weights=weights, nodes=np.arange(len(points)), continuous=False, parameter=parameter)


def type_space(given: UniformTypes | ListedTypes) -> TypeSpace:
    """The type space a case file describes."""
    if isinstance(given, UniformTypes):
        return uniform(given.support[0], given.support[1], given.points, given.parameter)
    return discrete(np.array(given.values), np.array(given.weights), given.parameter)
