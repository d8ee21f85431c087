"""Natural units, in which every market is solved: answers do not depend on what money and
quantities are counted in.

Under money x m and quantity x n each parameter is multiplied by a product of powers of m and n, and
so is each figure of a result. In natural units n = 1/a and m = b/a^2, a and b being the geometric
means of intercepts and own slopes over firms: intercepts and slopes are then one in the mean,
swapping firms changes nothing, and the scale of a payoff is one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from market.model.case import Array, Case, UnitCost, take_lanes

POWERS: dict[str, tuple[int, int]] = {
    "number": (0, 0),
    "money": (1, 0),
    "quantity": (0, 1),
    "price": (1, -1),
    "slope": (-1, 2),
    "cost_scale": (1, -2),
    "per_quantity": (0, -1),
    "per_quantity_squared": (0, -2),
}
"""Dimensions, as powers of the units of money and of quantity; a figure measured in `cost_scale` is
money per quantity squared."""

PARAMETERS: dict[str, str] = {
    "intercept": "quantity",
    "own_slope": "slope",
    "cross_slope": "slope",
    "rivalry": "number",
    "demand_spillover": "number",
    "leakage_own": "quantity",
    "leakage_cross": "quantity",
    "leakage_interaction": "quantity",
    "cost_scale": "cost_scale",
    "max_saving": "number",
    "cost_spillover": "number",
    "reference_investment": "quantity",
    "investment_cap": "quantity",
}
"""The dimension of every parameter of a market."""

UNIT_COST: dict[str, str] = {
    "base": "price",
    "spillover": "cost_scale",
    "slope": "per_quantity",
    "curvature": "per_quantity_squared",
}
"""The dimension of every parameter of the cost of a unit sold."""


@dataclass(frozen=True, kw_only=True)
class NaturalUnits:
    """Units of one market or of many, each (..., 1): what one natural unit is in the market's
    own."""

    money: Array
    quantity: Array

    def take(self, lanes: Any) -> NaturalUnits:
        """The units of these lanes."""
        return NaturalUnits(**{name: take_lanes(a, lanes) for name, a in vars(self).items()})

    def of(self, dimension: str) -> Array:
        """The unit of a dimension, (..., 1)."""
        money, quantity = POWERS[dimension]
        return np.asarray(self.money**money * self.quantity**quantity)


def in_words(dimension: str, money: str = "money", quantity: str = "quantity") -> str:
    """A unit of this dimension, from what money and quantity are counted in; empty of a pure
    number."""

    def times(unit: str, power: int) -> str:
        return unit if power == 1 else f"({unit})²" if " " in unit else f"{unit}²"

    parts = list(zip((money, quantity), POWERS[dimension], strict=True))
    above = " ".join(times(unit, power) for unit, power in parts if power > 0)
    below = " ".join(times(unit, -power) for unit, power in parts if power < 0)
    return f"{above} per {below}".strip() if below else above


def reciprocal(units: NaturalUnits) -> NaturalUnits:
    """The units in which a figure is stated that goes the other way."""
    return NaturalUnits(money=1 / units.money, quantity=1 / units.quantity)


def levels_in(x: Array, units: NaturalUnits) -> Array:
    """Levels (..., 4), or one firm's (..., 2): sharing first, investments second, in these units;
    `units` are of the leading axes."""
    sharing, investment = np.split(x, 2, axis=-1)
    return np.concatenate([sharing, investment / units.quantity], -1)


def levels_from(x: Array, units: NaturalUnits) -> Array:
    """Levels stated in these units in the market's own."""
    sharing, investment = np.split(x, 2, axis=-1)
    return np.concatenate([sharing, investment * units.quantity], -1)


def natural_units(case: Case) -> NaturalUnits:
    """What one natural unit is worth in a case's own."""
    a, b = (np.exp(np.log(x).mean(-1, keepdims=True)) for x in (case.intercept, case.own_slope))
    return NaturalUnits(money=a**2 / b, quantity=a)


def in_units(case: Case, units: NaturalUnits) -> Case:
    """The same market with money and quantity counted in these units."""
    unit = case.unit_cost and UnitCost(
        **{name: getattr(case.unit_cost, name) / units.of(UNIT_COST[name]) for name in UNIT_COST}
    )
    return replace(
        case,
        **{
            name: getattr(case, name) / units.of(dimension)
            for name, dimension in PARAMETERS.items()
        },
        unit_cost=unit,
    )
