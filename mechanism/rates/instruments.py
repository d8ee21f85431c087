"""Instruments that can be legislated: a subsidy per unit of investment and per unit of sharing, the
firms then playing their game.

At levels x* aimed at, such as the planner's, each firm lacks just the marginal profit that would
make it choose them: rates equal to minus its marginal profit there, one for its investment and one
for its sharing (Pigou). At a bound the least rate that keeps it there is taken. First-order
conditions then hold by construction; whether x* is an equilibrium is another matter, since rates
leave profits as convex as they were: each firm's best global deviation is searched, and what it
gains is the regret.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case, take_lanes
from market.model.cost import own_parabola
from market.model.deviations import CONTROLS, Deviations
from market.model.outcome import Outcome, account
from market.model.own_levels import margin_of, net_intercepts_in_own_levels
from market.model.pricing import bertrand_matrix
from market.model.units import (
    NaturalUnits,
    in_units,
    levels_from,
    levels_in,
    natural_units,
    reciprocal,
)
from market.model.with_exit import WithExit, profits_with_exit
from market.regimes import level_bounds
from market.solve.equilibrium import Apart, Game, examine, newton
from market.solve.optimum import maximise, on_bound
from market.solve.tolerances import DEFAULT, Tolerances
from mechanism.design.checks import CheckStatus
from mechanism.frozen import freeze, put


@dataclass(frozen=True)
class Subsidised:
    """A firm's profit plus what it receives per unit of its levels."""

    profit: WithExit
    """The firm's own, over all levels."""
    rates: Array
    """(1, 4) or (L, 4): money per unit of each level."""

    def take(self, lanes: Any) -> Subsidised:
        """In these lanes only."""
        return Subsidised(self.profit.take(lanes), take_lanes(self.rates, lanes))

    def value(self, x: Array) -> Array:
        """Profit plus subsidy (L,)."""
        return self.profit.value(x) + (self.rates * x).sum(-1)

    def derivatives(self, x: Array) -> tuple[Array, Array, Array]:
        """Value, gradient and Hessian in all levels."""
        value, gradient, hessian = self.profit.derivatives(x)
        return value + (self.rates * x).sum(-1), gradient + self.rates, hessian


@dataclass(frozen=True, kw_only=True)
class UnitRates:
    """Rates per unit at which levels satisfy both firms' first-order conditions, in C markets, and
    what they lead to. Money; a negative rate is a tax."""

    rates: Array
    """(C, 2, 4): money per unit of each level, by firm; zero for what the other firm chooses."""
    levels: Array
    """(C, 4): those aimed at."""
    paid: Array
    """(C, 2): received at those levels."""
    residual: Array
    """(C,): largest first-order residual, natural units."""
    regret: Array
    """(C,): largest gain of any firm from a global own deviation, natural units."""
    holds: NDArray[np.bool_]
    """(C,): whether the levels are an equilibrium at these rates."""

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True, kw_only=True)
class LinearSubsidies:
    """Rates per unit at one market whose types are known, and what they lead to. Money; a negative
    rate is a tax."""

    status: CheckStatus
    """Whether the levels aimed at are an equilibrium at these rates."""
    rates: Array
    """(2, 4): money per unit of each level, by firm; zero for what the other firm chooses."""
    levels: Array
    """(4,): those aimed at."""
    net_transfer: Array
    """(2,): received at those levels."""
    payoff: Array
    """(2,): profit and what is received."""
    participation_gain: Array | None
    """(2,): payoff less the profit in the unregulated market; None if that market has no
    equilibrium."""
    residual: float
    """Largest first-order residual, natural units."""
    regret: float
    """Largest gain of any firm from a global own deviation, natural units."""

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def outlay(self) -> float:
        """What the public pays; negative is revenue."""
        return float(self.net_transfer.sum())


def sharing_rates(rates: Array) -> Array:
    """Each firm's rate on its own sharing (2,), from rates (2, 4)."""
    return rates[[0, 1], [0, 1]]


def investment_rates(rates: Array) -> Array:
    """Each firm's rate on its own investment (2,), from rates (2, 4)."""
    return rates[[0, 1], [2, 3]]


def rates_in(rates: Array, units: NaturalUnits) -> Array:
    """Rates (2, 4) of one market, or (C, 2, 4) of many, with money and quantity counted in these
    units."""
    each = np.concatenate([np.repeat(units.money, 2, -1), np.repeat(units.of("price"), 2, -1)], -1)
    return rates / (each[0] if rates.ndim == 2 else each[:, None])


def unit_rates(case: Case, x: Array, tolerances: Tolerances = DEFAULT) -> UnitRates:
    """Rates that make levels (C, 4) every firm's first-order choice in the C markets of a flat
    case, and whether they are an equilibrium.

    At a bound it is the least rate that keeps the level there: a firm that is pushed into it needs
    nothing. Where a level far from the bound would pay more, the rate is that at which it just does
    not.
    """
    units = natural_units(case)
    inner, at = in_units(case, units), levels_in(x, units)
    lower, upper = level_bounds(inner, len(x))
    at_lower, at_upper = on_bound(at, lower, tolerances), on_bound(at, upper, tolerances)
    # what lies on a bound but for rounding is on it, and is asked for nothing beyond
    at = np.where(at_lower, lower, np.where(at_upper, upper, at))
    profits = profits_with_exit(inner)
    rates = np.zeros((len(x), 2, 4))
    for firm, own in enumerate(CONTROLS):
        gradient = profits[firm].derivatives(at)[1]
        for level in own:
            lacking = -gradient[:, level]
            held = np.where(at_upper[:, level], np.maximum(lacking, 0.0), lacking)
            rates[:, firm, level] = np.where(at_lower[:, level], np.minimum(lacking, 0.0), held)
    found = examine(subsidised_game(inner, rates, at), at, tolerances)
    held = at_lower | at_upper
    tempted = held.any(-1) & (found.gain > tolerances.regret_at_rates).any(-1)
    if (lanes := np.flatnonzero(tempted)).size:
        moved = _kept(inner.take(lanes), rates[lanes], at[lanes], held[lanes], tolerances)
        changed = (moved != rates[lanes]).any((-1, -2))
        if (some := lanes[changed]).size:
            rates[some] = moved[changed]
            game = subsidised_game(inner.take(some), rates[some], at[some])
            found = put(found, some, examine(game, at[some], tolerances))
    rates = rates_in(rates, reciprocal(units))
    return UnitRates(
        rates=rates,
        levels=x,
        paid=(rates * x[:, None]).sum(-1),
        residual=found.unscaled_residual,
        regret=found.unscaled_regret,
        holds=found.nobody_gains(tolerances.regret_at_rates)
        & (found.unscaled_residual <= tolerances.residual),
    )


def _kept(
    case: Case, rates: Array, x: Array, held: NDArray[np.bool_], tolerances: Tolerances
) -> Array:
    """Rates (C, 2, 4) on levels that are held at a bound moved until the deviation that pays most
    no longer does: what it gains is spread over how far it takes the level."""
    rates, lanes = rates.copy(), np.arange(len(x))
    for _ in range(ROUNDS):
        at, paid = x[lanes], rates[lanes]
        game, moved = subsidised_game(case.take(lanes), paid, at), np.zeros(len(lanes), bool)
        for firm, own in enumerate(CONTROLS):
            reached, value = game.reply(firm, at)
            gain = value - game.players[firm].value(at)
            far = np.where(held[lanes][:, own], (reached - at)[:, own], 0.0)
            level = np.abs(far).argmax(-1)
            by = np.take_along_axis(far, level[:, None], 1)[:, 0]
            some = np.flatnonzero(
                (gain > tolerances.regret_at_rates) & np.isfinite(gain) & (by != 0)
            )
            rates[lanes[some], firm, np.array(own)[level[some]]] -= gain[some] / by[some]
            moved[some] = True
        lanes = lanes[moved]
        if not len(lanes):
            break
    return rates


ROUNDS = 20
"""Times that rates at bounds are moved."""


def played_at(case: Case, rates: Array, starts: Array, tolerances: Tolerances = DEFAULT) -> Array:
    """Levels (C, 4) that firms choose in the C markets of a flat case at rates (2, 4) that were
    fixed without knowing which it would be: the equilibrium that the first of the starts (k, C, 4)
    to lead to one leads to, every firm's global deviation searched; NaN where none does."""
    units = natural_units(case)
    inner = in_units(case, units)
    own = rates_in(np.repeat(rates[None], len(starts[0]), 0), units)
    out = np.full(starts.shape[1:], np.nan)
    for start in starts:
        lanes = np.flatnonzero(np.isnan(out).any(-1) & np.isfinite(start).all(-1))
        if not len(lanes):
            continue
        here, paid = inner.take(lanes), own[lanes]
        at = levels_in(start, units)[lanes]
        x, _ = newton(subsidised_game(here, paid, at), at, tolerances)
        reached = np.flatnonzero(np.isfinite(x).all(-1))
        if not len(reached):
            continue
        lanes, x, game = (
            lanes[reached],
            x[reached],
            subsidised_game(here.take(reached), paid[reached], x[reached]),
        )
        found = examine(game, x, tolerances)
        holds = found.nobody_gains(tolerances.regret_at_rates)
        out[lanes[holds]] = x[holds]
    return levels_from(out, units)


def linear_subsidies(
    case: Case, levels: Array, market: Outcome, found: UnitRates | None = None
) -> LinearSubsidies:
    """Rates that make these levels (4,) of one market every firm's first-order choice, whether they
    are an equilibrium, and what that costs; `found`: where they are known."""
    case, x = case.flat(), levels[None]
    found = found or unit_rates(case, x)
    payoff = account(case, x, bertrand_matrix).profit[0] + found.paid[0]
    return LinearSubsidies(
        status="holds" if found.holds[0] else "violated",
        rates=found.rates[0],
        levels=x[0],
        net_transfer=found.paid[0],
        payoff=payoff,
        participation_gain=payoff - market.profit if market.solved else None,
        residual=float(found.residual[0]),
        regret=float(found.regret[0]),
    )


def subsidised_game(case: Case, rates: Array, x: Array) -> Game:
    """The firms' game at these rates, (2, 4) or (L, 2, 4), in every lane of a flat case of levels
    like x (L, 4).

    For every own sharing the best own investment is closed form, so that deviations are climbed
    from the highest peaks over a grid of own sharing.
    """
    profits = profits_with_exit(case)
    players = [Subsidised(profits[i], np.atleast_2d(rates[..., i, :])) for i in (0, 1)]
    lower, upper = level_bounds(case, len(x))

    def deviations(firm: int, x: Array) -> Deviations:
        return Deviations(
            firm=firm,
            case=case,
            rivals=x[:, None, CONTROLS[1 - firm]],
            weights=np.ones(1),
            rates=players[firm].rates[:, CONTROLS[firm]],
            sharing_range=(0.0, 1.0),
            cap=np.broadcast_to(upper[:, 2 + firm], len(x)),
        )

    def reply(firm: int, x: Array) -> tuple[Array, Array]:
        own, reached, its = list(CONTROLS[firm]), x.copy(), deviations(firm, x)
        starts = np.concatenate([x[:, None, own], _peaks(its, x)[0]], 1)
        L, tries = starts.shape[:2]
        lanes = np.repeat(np.arange(L), tries)
        most = np.column_stack([np.ones(len(lanes)), its.cap[lanes]])
        climbed = maximise(its.payoff.take(lanes), starts.reshape(-1, 2), np.zeros_like(most), most)
        row = np.arange(L) * tries + climbed.value.reshape(L, tries).argmax(-1)
        reached[:, own], value = its.best(climbed.x[row], climbed.value[row])
        return reached, value

    def near(firm: int, x: Array) -> tuple[Array, Array]:
        levels, value = _peaks(deviations(firm, x), x)
        reached = x.copy()
        reached[:, CONTROLS[firm]] = levels[:, 0]
        return reached, value[:, 0]

    return Game(
        players=Apart(players),
        controls=CONTROLS,
        lower=lower,
        upper=upper,
        reply=reply,
        nominate=near,
    )


SHARES = 25
"""Own sharing on the grid over which deviations are nominated."""
PEAKS = 3
"""The highest of its peaks, so many, that are climbed from."""


def _peaks(deviations: Deviations, x: Array) -> tuple[Array, Array]:
    """Own levels (L, n, 2) of the highest peaks over own sharing, with the best own investment at
    each, against the rival's levels in x (L, 4), and what they earn (L, n), the highest first."""
    case, firm, L = deviations.case, deviations.firm, len(x)
    n0, n1, _, e, g, h, w = margin_of(case, firm, *net_intercepts_in_own_levels(case, x, firm))
    kappa, origin = own_parabola(case, x, firm)
    s = np.linspace(0, 1, SHARES)[:, None]
    margin, rise = n0 + e * s - h * s**2, n1 + g * s
    bend, slope = kappa - 2 * w * rise**2, 2 * w * margin * rise + kappa * origin
    slope = slope + deviations.rates[:, 1]
    own = x[:, 2 + firm]
    best = np.where(bend > 0, slope / np.where(bend > 0, bend, 1.0), FAR * np.maximum(own, 1.0))
    none = np.zeros_like(best)
    # Investment beside: none, what saves as much as it can where that is a kink, and as it is.
    t = np.clip(np.stack([best, none, origin + none, own + none]), 0.0, deviations.cap)
    at = np.stack(np.broadcast_arrays(s, t), -1)  # (4, S, L, 2)
    value = deviations.payoff.take(np.tile(np.arange(L), 4 * SHARES)).value(at.reshape(-1, 2))
    value = np.nan_to_num(value.reshape(4, SHARES, L), nan=-np.inf)
    which, top = value.argmax(0), value.max(0)
    around = np.pad(top, ((1, 1), (0, 0)), constant_values=-np.inf)
    peak = np.where((top >= around[:-2]) & (top >= around[2:]), top, -np.inf)
    order = np.argsort(-peak, axis=0, kind="stable")[:PEAKS].T  # (L, n)
    lane = np.arange(L)[:, None]
    return at[which[order, lane], order, lane], peak[order, lane]


FAR = 1e3
"""Multiple of own investment from which is climbed where the parabola in it has no top."""
