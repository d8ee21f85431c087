"""Comparative statics: how levels, prices, profits and welfare move with every parameter, by the
implicit function theorem.

At a solution the conditions G(x, theta) = 0 hold on the levels that are free, so dx / dtheta =
-G_x^-1 G_theta there and zero for levels held at a bound. A level that sits on a bound with no
force against it (G = 0 there too) may move one way only: derivatives are therefore one-sided, and
the two sides agree everywhere else. What a parameter does at given levels, to G and to every
figure, is a five-point difference of closed forms in steps that are small beside the way to where
they have a pole, accurate to eight digits or more; what levels do to figures is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from market.model.case import INVESTMENT, SHARING, Array, Case, UnitCost, rival
from market.model.cost import form_of, own_parabola
from market.model.demand import slope_matrix
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

STENCIL = ((-2.0, 1 / 12), (-1.0, -2 / 3), (1.0, 2 / 3), (2.0, -1 / 12))
"""Points and weights of the five-point first derivative (the middle one has weight zero)."""

STEP = 1e-3
"""Step of the differences, as a share of how far a parameter may move (`_reach`)."""

BY_LEVEL = 0.1
"""The same of levels, as a share of their size or of one natural unit, whichever is more: along one
level prices, quantities and consumers' surplus are polynomials of at most the fourth degree, of
which five points give the exact derivative."""

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


Shift = Callable[[Case, Array | float], Case]
"""From a case and an amount, of one market or (L, 1), to the case with that much more of a
parameter."""


def shifts(case: Case, common: bool = False) -> dict[str, Shift]:
    """For every parameter a function that adds an amount to it; with `common` one for both firms
    instead of one each."""
    out: dict[str, Shift] = {}
    for key in _keys(case):
        held = _held(case, key)
        differs = bool((held[..., 0] != held[..., -1]).any())
        if (key in PER_FIRM or differs) and not common:
            for firm in (0, 1):
                if np.isfinite(held[..., min(firm, held.shape[-1] - 1)]).all():
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
    def move(case: Case, amount: Array | float) -> Case:
        moved = _held(case, key) + amount * direction
        if key in MARKET_PARAMETERS:
            return _with(case, MARKET_PARAMETERS[key], moved)
        assert case.unit_cost is not None
        return replace(case, unit_cost=_with(case.unit_cost, key.partition(".")[2], moved))

    return move


def _with(of: T, name: str, value: Any) -> T:
    """The same parameters with another value of this one."""
    return replace(of, **{name: value})


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
    by_level, out = _by_level(case, regime, x), {}
    for name, shift in shifts(case, common).items():
        h = STEP * _reach(case, name, x)
        beside = [shift(case, k * h) for k, _ in STENCIL]
        by_parameter = _slope([conditions(at, regime, x)[0] for at in beside], h)
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
        books = [account(at, x, regime.prices) for at in beside]
        figures = {
            figure: _slope([of(at) for at in books], h)
            + np.einsum("l...v,slv->sl...", by_level[figure], moved)
            for figure, of in FIGURES.items()
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


def _slope(at: Sequence[Array], h: Array) -> Array:
    """The derivative of something of L markets (L, ...) from what it is at the stencil's points,
    which are steps h (L, 1) apart."""
    # both sides of a point at once: what does not depend on the parameter is exactly zero
    sides = zip(STENCIL[2:], at[2:], at[1::-1], strict=True)
    weighted = np.asarray(sum(w * (above - below) for (_, w), above, below in sides))
    return weighted / h.reshape(-1, *(1,) * (weighted.ndim - 1))


def _by_level(case: Case, regime: Regime, x: Array) -> dict[str, Array]:
    """The derivatives (L, ..., 4) of every figure in the four levels x (L, 4)."""
    size, by = BY_LEVEL * np.maximum(1.0, x), []
    for level, unit in enumerate(np.eye(4)):
        books = [account(case, x + k * size * unit, regime.prices) for k, _ in STENCIL]
        by.append([_slope([of(at) for at in books], size[:, [level]]) for of in FIGURES.values()])
    price, quantity, _, consumers, _ = (np.stack(each, -1) for each in zip(*by, strict=True))
    # investment costs are no polynomials
    profit = np.moveaxis(firm_payoffs(case, regime.prices).derivatives(x)[1], 0, 1)
    each = (price, quantity, profit, consumers, consumers + profit.sum(1))
    return dict(zip(FIGURES, each, strict=True))


def _reach(case: Case, name: str, x: Array) -> Array:
    """How far (L, 1) a parameter may move at levels x (L, 4), natural units, before what is made of
    it has a pole or a kink; of one in which all is a polynomial its size or one, whichever is
    more."""
    key, _, firm = name.partition("[")
    which = [int(firm[0])] if firm else [0, 1]
    held = np.broadcast_to(_held(case, key), (len(x), 2))[:, which]
    size = np.maximum(1.0, np.abs(held).max(-1, keepdims=True))
    if key in ("demand.own_slope", "demand.cross_slope"):
        # to where D is singular; both slopes together its smallest eigenvalue
        D = slope_matrix(case)
        b, cross = np.diagonal(D, axis1=-2, axis2=-1), np.abs(D[..., 0, 1])
        across = np.sqrt(b.prod(-1))
        if key == "demand.cross_slope":
            return np.broadcast_to((across - cross)[:, None], size.shape)
        left = (across - cross) * (across + cross)
        by = b[:, 1 - which[0]] if firm else np.linalg.eigvalsh(D)[..., -1]
        return np.broadcast_to((left / by)[:, None], size.shape)
    if key == "cost.reference_investment":
        return held.min(-1, keepdims=True)
    if key == "cost.spillover":
        given = rival(x[:, INVESTMENT] * x[:, SHARING])
        per_unit = given / case.reference_investment if form_of(case).pure_knowledge else given
        with np.errstate(divide="ignore", invalid="ignore"):
            # 1 + y = 0; a cost that falls to nothing has its kink there
            kink = np.abs(x[:, INVESTMENT] - own_parabola(case, x)[1]) / per_unit
            far = kink if not form_of(case).falling_share else case.cost_spillover + 1 / per_unit
        far = np.where(np.isfinite(far) & (far > 0), far, np.inf)[:, which]
        return np.minimum(size, far.min(-1, keepdims=True))
    return size


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
        return float(np.broadcast_to(_held(case, key), (1, 2))[0, int(firm[0]) if firm else 0])

    return {name: value(name) for name in shifts(case)}
