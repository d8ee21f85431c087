"""What the regulator knows about what is private: a common prior on a parameter of each firm,
lambda_c in the paper, independent across firms; and which parameters of the market may be
private."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case
from mechanism.frozen import freeze

if TYPE_CHECKING:
    from mechanism.casefile.schema import ListedTypes, UniformTypes


@dataclass(frozen=True, kw_only=True)
class PrivateParameter:
    """A parameter of the market that each firm alone may know of itself, and everything true of
    it."""

    key: str
    """Its name among the arrays of `market.model.case.Case`, and in case files."""
    letter: str
    """The paper's symbol."""
    label: str
    """What a page calls its values, in the plural."""
    meaning: str = ""
    """What that is, for a reader who does not know the model."""
    place: str
    """The dotted key under which the case file has it when everybody knows it."""
    low: float
    high: float
    """Its admissible range."""
    ends: bool = True
    """Whether the ends of that range are admissible."""
    own_only: bool = False
    """Whether a firm's profit at given levels depends on its own value alone, through its
    investment cost ("private values"); otherwise both values move both profits, through prices."""
    most: int | None = 21
    """Types per firm up to which it is taken: a table over both firms' types and reports has their
    fourth power. None: no limit of its own."""

    @property
    def range(self) -> str:
        """The admissible range in words."""
        low, high = (f"{end:g}" for end in (self.low, self.high))
        return f"[{low}, {high}]" if self.ends else f"({low}, {high})"

    def admits(self, value: float) -> bool:
        """Whether a value is admissible."""
        if self.ends:
            return self.low <= value <= self.high
        return self.low < value < self.high


PRIVATE = {
    row.key: row
    for row in (
        PrivateParameter(
            # It moves the own fixed cost alone, and no price depends on fixed costs.
            key="cost_spillover",
            letter="lambda_c",
            label="cost spillovers",
            meaning="how much each saves by what the other shares",
            place="cost.spillover",
            low=0.0,
            high=1.0,
            own_only=True,
            most=None,
        ),
        PrivateParameter(
            key="intercept",
            letter="a",
            label="intercepts",
            meaning="how large each one's market is",
            place="demand.intercept",
            low=0.0,
            high=math.inf,
            ends=False,
        ),
        PrivateParameter(
            key="demand_spillover",
            letter="lambda_d",
            label="demand spillovers",
            meaning="how much customers value what the other shares",
            place="security.demand_spillover",
            low=-1.0,
            high=1.0,
        ),
    )
}
"""What can be private, by key; the first is the paper's."""

PAPERS = next(iter(PRIVATE))
"""The parameter that is private in the paper."""

DENSE = 51
"""Nodes above which incentives are checked at the types and both ends only, not at the midpoints
between."""


@dataclass(frozen=True, kw_only=True)
class TypeSpace:
    """Types of either firm and the points at which incentives are checked."""

    points: Array
    """(M,) ascending, common to both firms, or (2, M): the types themselves and, for a continuous
    prior, both ends of the support and the midpoints between types. Of supports that differ the
    points stand for the same quantiles."""
    weights: Array
    """(M,): probability of each point, of either firm; zero at points that are only checked."""
    nodes: NDArray[np.intp]
    """(K,): which points are the types expectations are taken over."""
    continuous: bool
    """Whether the prior is a uniform distribution on a support."""
    parameter: str = PAPERS
    """Which parameter of the market is private, a key of `PRIVATE`."""

    @property
    def private_values(self) -> bool:
        """Whether a firm's profit at given levels depends on no type but its own."""
        return PRIVATE[self.parameter].own_only

    @property
    def types(self) -> Array:
        """(K,) or (2, K): the types expectations are taken over."""
        return self.points[..., self.nodes]

    @property
    def size(self) -> int:
        """M: how many points there are, per firm."""
        return self.points.shape[-1]

    @property
    def common(self) -> bool:
        """Whether both firms draw from the same types."""
        return self.points.ndim == 1

    def of(self, firm: int) -> Array:
        """(M,): one firm's points."""
        return self.points if self.common else self.points[firm]

    def types_of(self, firm: int) -> Array:
        """(K,): one firm's types."""
        return self.of(firm)[self.nodes]

    @property
    def probabilities(self) -> Array:
        """(K,)."""
        return self.weights[self.nodes]

    def __post_init__(self) -> None:
        freeze(self)

    def everywhere(self) -> TypeSpace:
        """The same prior with every point a type, those between the types of probability zero."""
        return replace(self, nodes=np.arange(self.size))


def per_firm(points: Array) -> Array:
    """Points (M,) common to both firms, or (2, M), as (2, M)."""
    return np.broadcast_to(points, (2, points.shape[-1]))


def interchangeable(case: Case, points: Array, parameter: str) -> bool:
    """Whether nothing distinguishes the firms of a market, or of each of many, before types are
    drawn: points (M,) are common to both, and at one of them the firms are identical."""
    return points.ndim == 1 and case.with_parameter(parameter, np.full(2, points[0])).symmetric()


def uniform(low: float, high: float, count: int, parameter: str = PAPERS) -> TypeSpace:
    """The uniform prior on [low, high]: `count` Gauss-Legendre nodes, which integrate polynomials
    of degree 2 count - 1 exactly."""
    x, w = np.polynomial.legendre.leggauss(count)
    types = low + (high - low) * (x + 1) / 2
    # Many nodes lie close enough to check incentives at; between few of them, the midpoints are
    # checked too.
    between = (types[1:] + types[:-1]) / 2 if count <= DENSE else types[:0]
    points = np.sort(np.concatenate([[low], types, between, [high]]))
    nodes = np.searchsorted(points, types)
    weights = np.zeros(len(points))
    weights[nodes] = w / 2
    return TypeSpace(
        points=points, weights=weights, nodes=nodes, continuous=True, parameter=parameter
    )


def discrete(
    values: Sequence[float] | Array, probabilities: Sequence[float] | Array, parameter: str = PAPERS
) -> TypeSpace:
    """A discrete prior on values (K,), or (2, K) in the same order for both firms; only the types
    themselves can be reported."""
    given = np.asarray(values, float)
    order = np.argsort(per_firm(given)[0])
    points = given[..., order]
    weights = np.asarray(probabilities, float)[order]
    every = np.arange(len(order))
    return TypeSpace(
        points=points, weights=weights, nodes=every, continuous=False, parameter=parameter
    )


def type_space(given: UniformTypes | ListedTypes) -> TypeSpace:
    """The type space a case file describes."""
    from mechanism.casefile.schema import UniformTypes

    if isinstance(given, UniformTypes):
        each = [uniform(low, high, given.points, given.parameter) for low, high in given.supports]
        return (
            each[0]
            if np.array_equal(each[0].points, each[1].points)
            else replace(each[0], points=np.stack([one.points for one in each]))
        )
    return discrete(given.values, given.weights, given.parameter)
