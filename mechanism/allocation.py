"""The levels a regime assigns to every pair of cost spillovers: x*(r_1, r_2) for reports, and the benchmarks for true types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.case import Array, Case, levels
from market.family import Family, solve_family


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """Levels over a grid of pairs: first axis firm 1's lambda_c, second firm 2's."""

    levels: Array
    """(M, M, 4); NaN where the regime has no solution at the pair."""
    residual: Array
    """(M, M)."""
    regret: Array
    """(M, M); NaN in optimisations."""
    several: NDArray[np.bool_]
    """(M, M): whether a search near the pair met more than one local optimum or equilibrium."""

    @property
    def solved(self) -> bool:
        """Whether every pair has a solution."""
        return bool(np.isfinite(self.levels).all())

    def take(self, where: Any) -> Allocation:
        """Some of many cases, or some of their pairs."""
        return Allocation(**{name: values[where] for name, values in vars(self).items()})

    def reshaped(self, lead: tuple[int, ...]) -> Allocation:
        """The same with these axes in place of that of the cases."""
        return Allocation(**{name: values.reshape(*lead, *values.shape[1:]) for name, values in vars(self).items()})


def given_levels(levels: Array) -> Allocation:
    """Levels (..., M, M, 4) that are known."""
    shape = levels.shape[:-1]
    return Allocation(levels=levels, residual=np.zeros(shape), regret=np.full(shape, np.nan), several=np.zeros(shape, bool))


def case_at_pairs(case: Case, points: Array, parameter: str = "cost_spillover") -> Case:
    """The case, or each of a batch of them, at every pair of the points (M,) as values of a parameter: batch axes (..., M, M), first
    firm 1's."""
    pairs = np.stack(np.meshgrid(points, points, indexing="ij"), -1)
    return case.map(lambda x: x[..., None, None, :]).with_parameter(parameter, pairs)


def per_firm(values: Array) -> Array:
    """Values (..., M, M, 2) over pairs of types seen by each firm: (2, ..., M own, M rival's)."""
    return np.stack([values[..., 0], np.swapaxes(values[..., 1], -1, -2)])


def allocate(case: Case, points: Array, key: str = "social_optimum", parameter: str = "cost_spillover") -> Allocation:
    """Solve one regime at every pair of the points (M,) as values of a parameter, all pairs at once."""
    case = case.map(lambda x: x.reshape(1, -1))
    size = len(points)
    first, second = (a.ravel() for a in np.meshgrid(np.arange(size), np.arange(size), indexing="ij"))
    mirror = case.with_parameter(parameter, np.full((1, 2), points[0])).alike()
    if mirror:  # the pair (r, r') is the pair (r', r) with the firms exchanged
        keep = first >= second
        first, second = first[keep], second[keep]
    pairs = case.with_parameter(parameter, np.column_stack([points[first], points[second]]))
    coarse = _anchor_points(size, 5 if key not in ("nash", "no_sharing") else 2)
    is_anchor = np.isin(first, coarse) & np.isin(second, coarse)
    anchors = np.flatnonzero(is_anchor)
    nearest = _nearest(points[first], points[second], points[first[anchors]], points[second[anchors]])
    family = solve_family(pairs, key, anchors, nearest)
    return _grid(family, first, second, size, mirror)


def _anchor_points(size: int, count: int) -> NDArray[np.intp]:
    return np.unique(np.round(np.linspace(0, size - 1, min(size, count))).astype(np.intp))


def _nearest(first: Array, second: Array, at_first: Array, at_second: Array) -> NDArray[np.intp]:
    return np.argmin((first[:, None] - at_first) ** 2 + (second[:, None] - at_second) ** 2, axis=1)


def _grid(family: Family, first: NDArray[np.intp], second: NDArray[np.intp], size: int, mirror: bool) -> Allocation:
    x = np.empty((size, size, 4))
    x[first, second] = family.levels
    planes = {}
    for name in ("residual", "regret", "several"):
        values = getattr(family, name)
        planes[name] = np.empty((size, size), values.dtype)
        planes[name][first, second] = values
        if mirror:
            planes[name][second, first] = values
    if mirror:
        x[second, first] = levels(family.levels[:, 1::-1], family.levels[:, :1:-1])
        diagonal = first == second
        x[first[diagonal], second[diagonal]] = family.levels[diagonal]
    return Allocation(levels=x, **planes)
