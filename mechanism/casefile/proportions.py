"""Parameters that are out of all proportion to demand, as a key left in other units than the rest
makes them.

A market is looked at in natural units (`market.model.units`), in which intercepts and own slopes
are one in the mean. There the cost scale k decides how much is invested: the benefit of a unit of
investment is of the order of one, so that investment is about 1 / k. Leakage, caps and unit costs
are judged beside the intercept, spillovers by what they do to an investment of that size. Bands are
wide: what lies outside makes a term of the model either everything or nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from market.model.case import Array, Case
from market.model.cost import form_of
from market.model.units import POWERS, in_units, natural_units

NOTHING, EVERYTHING = 1e-5, 1e2
"""Sizes beside demand, in natural units, outside which a term is as good as none, or all there
is."""

SCALES = (1e-2, 1e5)
"""Cost scales in natural units outside which investment would be many times demand, or nothing."""

KNOWLEDGE = (1e-4, 1e2)
"""Units of knowledge received, were an ordinary investment shared in full: all that can be saved is
saved, or nothing."""

APART = 1e4
"""How many times one firm's demand may be the other's."""

DIMENSIONS: dict[str, str] = {
    "demand.intercept": "quantity",
    "demand.choke_price": "price",
    "demand.own_slope": "slope",
    "demand.cross_slope": "slope",
    "demand.own_satiation": "cost_scale",
    "demand.cross_satiation": "cost_scale",
    "security.leakage": "quantity",
    "cost.scale": "cost_scale",
    "cost.reference_investment": "quantity",
    "cost.investment_cap": "quantity",
    "unit_cost.base": "price",
    "unit_cost.spillover": "cost_scale",
    "unit_cost.slope": "per_quantity",
    "unit_cost.curvature": "per_quantity_squared",
}
"""The dimension of every key of a case file that has one."""


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """Keys that do not fit together."""

    keys: tuple[str, ...]
    """Of the case file: one of them is in other units, or wrong."""
    text: str
    """What is absurd, in words."""


def misfits(case: Case, tree: Mapping[str, Any]) -> tuple[Misfit, ...]:
    """What is out of proportion in one market; `tree` is its case, whose keys are spoken of."""
    return tuple(_misfits(case.flat(), "choke_price" in tree.get("demand", {})))


def _misfits(case: Case, utility: bool) -> Iterator[Misfit]:
    units = natural_units(case)
    natural = in_units(case, units)
    intercept, own, cross = (f"demand.{key}" for key in (UTILITY if utility else SLOPES))
    for key, values in ((intercept, natural.intercept), (own, natural.own_slope)):
        if values.max() > APART * values.min():
            ratio = float(values.max() / values.min())
            yield Misfit(
                keys=(key,), text=f"{key} makes one firm's demand {ratio:.0e} times the other's"
            )
    if _outside(natural.cross_slope / natural.own_slope, (NOTHING, np.inf)):
        yield Misfit(
            keys=(cross, own),
            text=f"{cross} is as good as none beside {own}: the firms hardly are rivals",
        )
    for name in ("own", "cross", "interaction"):
        size = getattr(natural, f"leakage_{name}")
        if _outside(size, (NOTHING, EVERYTHING)):
            key = f"security.leakage.{name}"
            yield Misfit(
                keys=(key, intercept),
                text=f"{key} is {_size(size)} times the demand that {intercept} gives",
            )
    capped = natural.investment_cap[np.isfinite(natural.investment_cap)]
    if _outside(capped, (NOTHING, np.inf)):
        key = "cost.investment_cap"
        yield Misfit(
            keys=(key, intercept),
            text=f"{key} is {_size(capped)} times the demand that {intercept} gives",
        )
    if _outside(natural.cost_scale, SCALES):
        invested = _size(1 / natural.cost_scale)
        text = (
            f"cost.scale asks for investments of about {invested} times the demand that {intercept}"
            " gives"
        )
        yield Misfit(keys=("cost.scale", own), text=text)
        return  # what follows is judged at that investment
    yield from _beside_investment(natural, 1 / natural.cost_scale, float(units.quantity[0, 0]))
    if natural.unit_cost is not None:
        yield from _unit_costs(natural, 1 / natural.cost_scale, intercept)


def _beside_investment(natural: Case, invested: Array, quantity: float) -> Iterator[Misfit]:
    received = natural.cost_spillover * invested[..., ::-1] / natural.reference_investment
    if form_of(natural).pure_knowledge and _outside(received, KNOWLEDGE):
        saved = "all that can be saved" if received.max() > KNOWLEDGE[1] else "nothing"
        keys = ("cost.reference_investment", "cost.spillover")
        yield Misfit(
            keys=keys,
            text=(
                f"cost.spillover over cost.reference_investment saves {saved} of the cost of an"
                " ordinary investment: set cost.reference_investment to the size of one, such as"
                f" {float(invested.mean()) * quantity:.2g}"
            ),
        )


def _unit_costs(natural: Case, invested: Array, intercept: str) -> Iterator[Misfit]:
    unit = natural.unit_cost
    assert unit is not None
    base = np.where(unit.base > 0, unit.base, np.inf)
    for key, size, least in (
        ("base", unit.base, NOTHING),
        ("spillover", unit.spillover * invested[..., ::-1] / base, NOTHING),
        ("slope", unit.slope * invested, NOTHING / 10),
        # the smaller, the less is invested
        (
            "curvature",
            unit.curvature * invested**2,
            NOTHING / 100,
        ),
    ):
        if _outside(size, (least, EVERYTHING)):
            against = (
                "the choke price" if key == "base" else "the unit cost, at an ordinary investment,"
            )
            name = f"unit_cost.{key}"
            yield Misfit(keys=(name, intercept), text=f"{name} is {_size(size)} times {against}")


SLOPES = ("intercept", "own_slope", "cross_slope")
UTILITY = ("choke_price", "own_satiation", "cross_satiation")
"""The keys of demand in either form."""


def _outside(values: Array, band: tuple[float, float]) -> bool:
    """Whether some value that is not zero lies outside."""
    some = values[values != 0]
    return bool(((some < band[0]) | (some > band[1])).any())


def _size(values: Array) -> str:
    """The value farthest from one."""
    some = values[values != 0]
    return f"{float(some[np.abs(np.log(some)).argmax()]):.0e}"


def scaling(tree: Mapping[str, Any]) -> str:
    """How the keys a case gives move with the units of money and quantity, in words."""
    moved: dict[str, list[str]] = {}
    for key, dimension in DIMENSIONS.items():
        block, name = key.split(".")
        if (tree.get(block) or {}).get(name):
            money, quantity = POWERS[dimension]
            moved.setdefault(_factor(money, quantity), []).append(key)
    told = "; ".join(f"{', '.join(keys)} by {factor}" for factor, keys in moved.items())
    return (
        f"Counting money in units 10^m and quantity in units 10^n times as large multiplies {told}"
    )


def _factor(money: int, quantity: int) -> str:
    """10 to the power by which a key of this dimension moves."""
    parts = [(-power, letter) for power, letter in ((money, "m"), (quantity, "n")) if power]
    parts.sort(key=lambda part: part[0] < 0)
    text = "".join(
        f"{'-' if power < 0 else '+'}{'' if abs(power) == 1 else abs(power)}{letter}"
        for power, letter in parts
    )
    text = text.removeprefix("+")
    return f"10^{text}" if len(text) == 1 else f"10^({text})"
