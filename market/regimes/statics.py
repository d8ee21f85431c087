"""Comparative statics: how levels, prices, profits and welfare move with every parameter, by the
implicit function theorem.

At a solution the conditions G(x, theta) = 0 hold on the levels that are free, so dx / dtheta =
-G_x^-1 G_theta there and zero for levels held at a bound. A level that sits on a bound with no
force against it (G = 0 there too) may move one way only: derivatives are therefore one-sided, and
the two sides agree everywhere else. G_theta, and the totals that follow, are complex steps through
the closed forms, which lose no digits however small they are: near a pole they are as exact as
elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case, UnitCost, of_firm
from market.model.outcome import Accounts, account
from market.model.payoff import firm_payoffs
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

T = TypeVar("T", Case, UnitCost)

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
    "cost.investment_cap": "investment_cap",
}
CAP = "cost.investment_cap"
"""A parameter only where it is finite. Nothing depends on it but how far investment may go: one
that is held there moves with it."""
UNIT_COST_PARAMETERS = ("base", "spillover", "slope", "curvature")
PER_FIRM = ("demand.intercept", "demand.own_slope", "cost.spillover")
"""Parameters whose derivatives are given for each firm's own, marked [0] and [1], also where both
firms have the same; those of others only where the firms' differ."""

STEP = 1e-30
"""Of complex derivatives."""

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


Shift = Callable[[Case, complex], Case]
"""From a case and an amount to the case with that much more of a parameter."""


def shifts(case: Case, common: bool = False) -> dict[str, Shift]:
    """For every parameter a function that adds an amount to it; with `common` one for both firms
    instead of one each."""
    out: dict[str, Shift] = {}
    for key in _keys(case):
        held = _held(case, key)
        differs = bool((of_firm(held, 0) != of_firm(held, 1)).any())
        if (key in PER_FIRM or differs) and not common:
            for firm in (0, 1):
                if np.isfinite(of_firm(held, firm)).all():
                    out[f"{key}[{firm}]"] = _shift(key, np.eye(2)[firm])
        elif np.isfinite(held).all():
            out[key] = _shift(key, np.ones(1))
    return out


def _keys(case: Case) -> list[str]:
    """The keys of all parameters of a case."""
    unit = [] if case.unit_cost is None else [f"unit_cost.{name}" for name in UNIT_COST_PARAMETERS]
    return [*MARKET_PARAMETERS, *unit]


def _held(case: Case, key: str) -> Array:
    """What a case has of a parameter, (..., 1 or 2)."""
    if key in MARKET_PARAMETERS:
        return np.asarray(getattr(case, MARKET_PARAMETERS[key]))
    return np.asarray(getattr(case.unit_cost, key.partition(".")[2]))


def _shift(key: str, direction: Array) -> Shift:
    def move(case: Case, amount: complex) -> Case:
        moved = _held(case, key) + amount * direction
        if key in MARKET_PARAMETERS:
            return _with(case, MARKET_PARAMETERS[key], moved)
        assert case.unit_cost is not None
        return replace(case, unit_cost=_with(case.unit_cost, key.partition(".")[2], moved))

    return move


def _with(of: T, name: str, value: Any) -> T:
    """The same parameters with another value of this one."""
    return replace(of, **{name: value})


def conditions(case: Case, regime: Regime, x: Array) -> Array:
    """The first-order conditions G (L, 4) of a regime at levels x, complex where these are."""
    if regime.sole:
        return sole_payoff(case, regime).gradient(x)[1]
    one, other = (firm.gradient(x)[1] for firm in firm_payoffs(case, regime.prices))
    return np.stack([one[:, 0], other[:, 1], one[:, 2], other[:, 3]], -1)


def curvature(case: Case, regime: Regime, x: Array) -> Array:
    """The derivatives (L, 4, 4) of a regime's first-order conditions in the levels x."""
    if regime.sole:
        return sole_payoff(case, regime).derivatives(x)[2]
    return own_system(firm_game(case, regime), x)[2]


def comparative_statics(
    case: Case, regime: Regime, x: Array, common: bool = False, tolerances: Tolerances = DEFAULT
) -> dict[str, Slopes]:
    """Derivatives of a regime's outcome at levels x (L, 4), its solution in L markets, by every
    parameter.

    Regimes whose choosers act at once; for those in stages solve again at changed parameters. All
    is worked out in natural units, so that tolerances do not depend on what the case counts in;
    what is given back is in the case's own.
    """
    units = natural_units(case)
    case, x = in_units(case, units), levels_in(x, units)
    G, jacobian = conditions(case, regime, x), curvature(case, regime, x)
    lower, upper = level_bounds(case, len(x), regime.sharing_range)
    at_lower, at_upper = on_bound(x, lower, tolerances), on_bound(x, upper, tolerances)
    scale = np.abs(account(case, x, regime.prices).total_surplus).sum(-1)[:, None]
    # both: imposed, so never free
    weak = (at_lower ^ at_upper) & (np.abs(G) <= 1e3 * tolerances.residual * scale)
    held = (at_lower | at_upper) & ~weak
    out = {}
    for name, shift in shifts(case, common).items():
        beside = shift(case, 1j * STEP)
        by_parameter = conditions(beside, regime, x.astype(complex)).imag / STEP
        # no investment is allowed, and none may be wanted
        capped = at_upper & _which_capped(name) & ~(at_lower & (G <= 0))
        falling, rising = (
            _move(
                jacobian,
                by_parameter,
                stays,
                np.where(stays & capped, 1.0, 0.0),
                weak,
                at_lower,
                sign,
            )
            for stays, sign in ((held | capped, -1.0), (held, 1.0))
        )
        kink = (np.abs(rising - falling) > ROUNDING * (1 + np.abs(rising))).any(-1, keepdims=True)
        moved = np.stack([np.where(kink, falling, rising), rising])
        books = [account(beside, x + 1j * STEP * side, regime.prices) for side in moved]
        figures = {
            figure: np.stack([of(at).imag for at in books]) / STEP for figure, of in FIGURES.items()
        }
        out[name] = Slopes(levels=moved, **figures).stated(units, dimension_of(name))
    return out


FIGURES: dict[str, Callable[[Accounts], Array]] = {
    "price": lambda books: books.price,
    "quantity": lambda books: books.quantity,
    "profit": lambda books: books.profit,
    "consumer_surplus": lambda books: books.consumer_surplus.sum(-1),
    "welfare": lambda books: books.total_surplus.sum(-1),
}
"""What derivatives are told of beside levels, from accounts."""


def dimension_of(name: str) -> str:
    """The dimension (`market.model.units`) of a parameter, under its name in `shifts`."""
    key = name.split("[")[0]
    return (
        PARAMETERS[MARKET_PARAMETERS[key]]
        if key in MARKET_PARAMETERS
        else UNIT_COST[key.split(".")[1]]
    )


def _which_capped(name: str) -> NDArray[np.bool_]:
    """Which levels (4,) a parameter caps."""
    key, _, firm = name.partition("[")
    out = np.zeros(4, bool)
    out[[2 + int(firm[0])] if firm else [2, 3]] = key == CAP
    return out


def _move(
    jacobian: Array,
    by_parameter: Array,
    held: NDArray[np.bool_],
    pushed: Array,
    weak: NDArray[np.bool_],
    at_lower: NDArray[np.bool_],
    sign: float,
) -> Array:
    """dx / dtheta (L, 4) for a parameter that moves in the direction of `sign`: what is held moves
    as it is pushed (L, 4), what would leave its range stays."""
    stay = held.copy()
    for _ in range(jacobian.shape[-1] + 1):
        free = ~stay
        matrix = np.where(free[:, :, None] & free[:, None, :], jacobian, 0.0)
        n = jacobian.shape[-1]
        matrix[:, np.arange(n), np.arange(n)] -= stay
        force = by_parameter + (jacobian @ pushed[..., None])[..., 0]
        moved = -solve_general(matrix, np.where(stay, pushed, force))
        outward = weak & ~stay & np.where(at_lower, sign * moved < 0, sign * moved > 0)
        if not outward.any():
            break
        stay |= outward
    return moved


def values(case: Case) -> dict[str, float]:
    """The present value of every parameter of one market, under the names of `shifts`."""

    def value(name: str) -> float:
        key, _, firm = name.partition("[")
        return float(of_firm(_held(case, key), int(firm[0]) if firm else 0).item())

    return {name: value(name) for name in shifts(case)}
