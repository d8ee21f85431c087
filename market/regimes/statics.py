"""Comparative statics: how levels, prices, profits and welfare move with every parameter, by the
implicit function theorem.

At a solution the conditions G(x, theta) = 0 hold on the levels that are free, so dx / dtheta =
-G_x^-1 G_theta there and zero for levels held at a bound. A level that sits on a bound with no
force against it (G = 0 there too) may move one way only: derivatives are therefore one-sided, and
the two sides agree everywhere else. G_theta, and the totals that follow, are five-point differences
of closed forms, accurate to eight digits or more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case
from market.model.outcome import Accounts, account
from market.model.units import (
    PARAMETERS,
    UNIT_COST,
    NaturalUnits,
    in_units,
    levels_from,
    levels_in,
    natural_units,
)
from market.regimes import Regime, firm_game, level_bounds, sole_payoff
from market.solve.equilibrium import own_system
from market.solve.linear import solve_general
from market.solve.optimum import on_bound
from market.solve.tolerances import DEFAULT, Tolerances

MARKET_PARAMETERS: dict[str, str] = {
    "demand.intercept": "intercept",
    "demand.own_slope": "own_slope",
    "demand.cross_slope": "cross_slope",
    "security.rivalry": "rivalry",
    "security.demand_spillover": "demand_spillover",
    "security.leakage.own": "leakage_own",
    "security.leakage.cross": "leakage_cross",
    "security.leakage.interaction": "leakage_interaction",
    "cost.scale": "cost_scale",
    "cost.max_saving": "max_saving",
    "cost.reference_investment": "reference_investment",
    "cost.spillover": "cost_spillover",
}
UNIT_COST_PARAMETERS = ("base", "spillover", "slope", "curvature")
PER_FIRM = ("demand.intercept", "demand.own_slope", "cost.spillover")
"""Parameters that may differ between firms: their derivatives are given for each firm's own, marked
[0] and [1]."""

STENCIL = ((-2.0, 1 / 12), (-1.0, -2 / 3), (1.0, 2 / 3), (2.0, -1 / 12))
"""Points and weights of the five-point first derivative (the middle one has weight zero)."""

STEP = 1e-3
"""Step of the differences, relative to the parameter or to its natural unit, whichever is more."""

ROUNDING = 1e-12
"""Difference of the two sides' derivatives, natural units, that is rounding and no kink."""


@dataclass(frozen=True, kw_only=True)
class Slopes:
    """Derivatives in one parameter, (L, ...), when it rises (`side` 1) or falls (`side` 0): arrays
    have a leading axis of 2."""

    levels: Array
    """(2, L, 4)."""
    price: Array
    """(2, L, 2)."""
    quantity: Array
    profit: Array
    consumer_surplus: Array
    """(2, L): both products."""
    welfare: Array
    """(2, L)."""

    def stated(self, units: NaturalUnits, dimension: str) -> Slopes:
        """Derivatives by a parameter of this dimension, found in these units, in the market's
        own."""
        parameter, money = units.of(dimension), units.money
        return Slopes(
            levels=levels_from(self.levels, units) / parameter,
            price=self.price * (units.of("price") / parameter),
            quantity=self.quantity * (units.quantity / parameter),
            profit=self.profit * (money / parameter),
            consumer_surplus=self.consumer_surplus * (money / parameter)[..., 0],
            welfare=self.welfare * (money / parameter)[..., 0],
        )

    def elasticities(self, value: float, levels: Array, books: Accounts) -> Slopes:
        """The change in per cent for each per cent by which the parameter, which is `value`,
        changes; `levels` (L, 4) and `books` are the figures that move. NaN of figures that are
        zero."""

        def share(slope: Array, figure: Array) -> Array:
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.where(figure == 0, np.nan, slope * (value / figure))

        return Slopes(
            levels=share(self.levels, levels),
            price=share(self.price, books.price),
            quantity=share(self.quantity, books.quantity),
            profit=share(self.profit, books.profit),
            consumer_surplus=share(self.consumer_surplus, books.consumer_surplus.sum(-1)),
            welfare=share(self.welfare, books.total_surplus.sum(-1)),
        )


def shifts(case: Case, common: bool = False) -> dict[str, Callable[[Case, float], Case]]:
    """For every parameter a function that adds an amount to it; with `common` one for both firms
    instead of one each."""
    out: dict[str, Callable[[Case, float], Case]] = {}
    for key, name in MARKET_PARAMETERS.items():
        if key in PER_FIRM and not common:
            for firm in (0, 1):
                out[f"{key}[{firm}]"] = _shift(name, np.eye(2)[firm])
        else:
            out[key] = _shift(name, np.ones(1))
    if case.unit_cost is not None:
        for name in UNIT_COST_PARAMETERS:
            out[f"unit_cost.{name}"] = _unit_shift(name)
    return out


def _shift(name: str, direction: Array) -> Callable[[Case, float], Case]:
    def move(case: Case, amount: float) -> Case:
        return replace(case, **{name: getattr(case, name) + amount * direction})

    return move


def _unit_shift(name: str) -> Callable[[Case, float], Case]:
    def move(case: Case, amount: float) -> Case:
        assert case.unit_cost is not None
        return replace(
            case,
            unit_cost=replace(case.unit_cost, **{name: getattr(case.unit_cost, name) + amount}),
        )

    return move


def conditions(case: Case, regime: Regime, x: Array) -> tuple[Array, Array]:
    """The first-order conditions G (L, 4) of a regime at levels x, and their derivatives (L, 4,
    4)."""
    if not regime.sole:
        _, gradient, jacobian = own_system(firm_game(case, regime), x)
        return gradient, jacobian
    _, gradient, hessian = sole_payoff(case, regime).derivatives(x)
    return gradient, hessian


def comparative_statics(
    case: Case, regime: Regime, x: Array, common: bool = False, tolerances: Tolerances = DEFAULT
) -> dict[str, Slopes]:
    """Derivatives of a regime's outcome at levels x (L, 4), its solution in L markets, by every
    parameter.

    Regimes whose choosers act at once; for those in stages solve again at changed parameters.
    Differences are taken in natural units, so that neither steps nor tolerances depend on what the
    case counts in; what is given back is in the case's own.
    """
    units = natural_units(case)
    case, x = in_units(case, units), levels_in(x, units)
    G, jacobian = conditions(case, regime, x)
    lower, upper = level_bounds(case, len(x), regime.sharing_range)
    at_lower, at_upper = on_bound(x, lower, tolerances), on_bound(x, upper, tolerances)
    scale = np.abs(account(case, x, regime.prices).total_surplus).sum(-1)[:, None]
    # both: imposed, so never free
    weak = (at_lower ^ at_upper) & (np.abs(G) <= 1e3 * tolerances.residual * scale)
    held = (at_lower | at_upper) & ~weak
    out = {}
    for name, shift in shifts(case, common).items():
        h = STEP * max(1.0, _size(case, name))
        by_parameter = (
            np.asarray(
                sum(weight * conditions(shift(case, k * h), regime, x)[0] for k, weight in STENCIL)
            )
            / h
        )
        falling, rising = (
            _move(jacobian, by_parameter, held, weak, at_lower, sign) for sign in (-1.0, 1.0)
        )
        kink = (np.abs(rising - falling) > ROUNDING * (1 + np.abs(rising))).any(-1, keepdims=True)
        sides = [np.where(kink, falling, rising), rising]
        out[name] = _totals(case, regime, x, shift, h, np.stack(sides)).stated(
            units, dimension_of(name)
        )
    return out


def dimension_of(name: str) -> str:
    """The dimension (`market.model.units`) of a parameter, under its name in `shifts`."""
    key = name.split("[")[0]
    return (
        PARAMETERS[MARKET_PARAMETERS[key]]
        if key in MARKET_PARAMETERS
        else UNIT_COST[key.split(".")[1]]
    )


def _size(case: Case, name: str) -> float:
    key = name.split("[")[0]
    if key in MARKET_PARAMETERS:
        return float(np.abs(getattr(case, MARKET_PARAMETERS[key])).max())
    assert case.unit_cost is not None
    return float(np.abs(getattr(case.unit_cost, key.split(".")[1])).max())


def _move(
    jacobian: Array,
    by_parameter: Array,
    held: NDArray[np.bool_],
    weak: NDArray[np.bool_],
    at_lower: NDArray[np.bool_],
    sign: float,
) -> Array:
    """dx / dtheta (L, 4) for a parameter that moves in the direction of `sign`: what would leave
    its range stays."""
    stay = held.copy()
    for _ in range(jacobian.shape[-1] + 1):
        free = ~stay
        matrix = np.where(free[:, :, None] & free[:, None, :], jacobian, 0.0)
        n = jacobian.shape[-1]
        matrix[:, np.arange(n), np.arange(n)] -= stay
        moved = -solve_general(matrix, np.where(stay, 0.0, by_parameter))
        outward = weak & ~stay & np.where(at_lower, sign * moved < 0, sign * moved > 0)
        if not outward.any():
            break
        stay |= outward
    return moved


def _totals(
    case: Case,
    regime: Regime,
    x: Array,
    shift: Callable[[Case, float], Case],
    h: float,
    moved: Array,
) -> Slopes:
    books = [
        [account(shift(case, k * h), x + k * h * side, regime.prices) for k, _ in STENCIL]
        for side in moved
    ]

    def total(value: Callable[[Accounts], Array]) -> Array:
        weighted = [
            sum(weight * value(at) for (_, weight), at in zip(STENCIL, each, strict=True))
            for each in books
        ]
        return np.stack(weighted) / h

    return Slopes(
        levels=moved,
        price=total(lambda a: a.price),
        quantity=total(lambda a: a.quantity),
        profit=total(lambda a: a.profit),
        consumer_surplus=total(lambda a: a.consumer_surplus.sum(-1)),
        welfare=total(lambda a: a.total_surplus.sum(-1)),
    )


def values(case: Case) -> dict[str, float]:
    """The present value of every parameter of one market, under the names of `shifts`."""

    def value(name: str) -> float:
        key, _, firm = name.partition("[")
        if key in MARKET_PARAMETERS:
            array = getattr(case, MARKET_PARAMETERS[key]).ravel()
        else:
            array = getattr(case.unit_cost, key.split(".")[1]).ravel()
        return float(array[min(int(firm[0]), len(array) - 1)] if firm else array[0])

    return {name: value(name) for name in shifts(case)}
