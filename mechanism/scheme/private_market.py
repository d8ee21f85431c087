"""The market when each firm alone knows its own type: `bayes_nash`, and the same with rates or
without sharing.

As `nash`, but firm i of type theta_k chooses levels (s_i(theta_k), t_i(theta_k)) knowing only the
distribution of its rival's type; levels are then observed and Bertrand prices follow. Its payoff is
the expectation over the rival's types, each at the rival's strategy, and what it receives per unit
of its own levels where rates were set before types were drawn (a negative rate is a tax). In
equilibrium every firm sells at every pair of types; deviations are worth what they are with the
rival driven out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case, of_firm, take_lanes
from market.model.cost import form_of, investment_cost, usefulness
from market.model.deviations import CONTROLS, Deviations
from market.model.outcome import every_firm_sells
from market.model.own_levels import margin_in_own_levels
from market.model.units import NaturalUnits, in_units, levels_from, levels_in, natural_units
from market.solve.lanes import together
from market.solve.optimum import maximise
from market.solve.tolerances import DEFAULT, Tolerances
from mechanism.casefile.types import TypeSpace, interchangeable
from mechanism.frozen import freeze
from mechanism.scheme.behaviour import ExpectedOutcome, expected_outcome

ROUNDS = 200
"""Rounds of best replies after which no equilibrium is claimed."""
FARTHEST = 1e15
"""Investment, in natural units, beyond which no digit of a payoff is left: one that still rises
there has no limit."""


@dataclass(frozen=True, kw_only=True)
class PrivateGame:
    """What firms play in C markets when each knows its own type alone."""

    case: Case
    """Flat."""
    types: TypeSpace
    rates: Array
    """(2 firms, C, 2): what a firm receives per unit of its sharing and of its investment;
    money."""
    sharing_range: tuple[float, float]
    """What a firm may share; both ends equal where sharing is imposed."""

    def take(self, markets: NDArray[np.intp]) -> PrivateGame:
        """In these markets only."""
        return replace(self, case=self.case.take(markets), rates=self.rates[:, markets])

    @property
    def symmetric(self) -> bool:
        """Whether nothing distinguishes the firms of any market."""
        equal = interchangeable(self.case, self.types.points, self.types.parameter)
        return equal and bool((self.rates[0] == self.rates[1]).all())

    @cached_property
    def units(self) -> NaturalUnits:
        """Natural units of the markets, (C, 1) each."""
        units = natural_units(self.case)
        shape = (self.rates.shape[1], 1)
        return NaturalUnits(**{name: np.broadcast_to(a, shape) for name, a in vars(units).items()})

    @property
    def unit(self) -> Array:
        """(C, 2): the units of sharing and of investment."""
        return np.concatenate([np.ones_like(self.units.quantity), self.units.quantity], -1)


@dataclass(frozen=True, kw_only=True, eq=False)
class PrivateEquilibrium:
    """Strategies from which no type of either firm gains by other levels; "..." are the markets,
    none for one."""

    converged: NDArray[np.bool_]
    """(...): whether residual and regret are in tolerance and every firm sells at every pair of
    types; if not, no number is claimed."""
    strategy: Array
    """(2 firms, ..., n types, 2): sharing and investment of each type."""
    payoff: Array
    """(2, ..., n): what each type expects to earn, profit and what it receives per unit; money."""
    own_cost: Array
    """(2, ..., n): expected investment cost of each type, part of that payoff."""
    residual: Array
    """(...): largest projected own gradient of any type, natural units."""
    regret: Array
    """(...): largest gain of any type from a global change of its levels, whoever then sells,
    natural units."""

    def __post_init__(self) -> None:
        freeze(self)

    def take(self, at: Any) -> PrivateEquilibrium:
        """Some of many markets, or one."""
        whole = {name: getattr(self, name)[at] for name in ("converged", "residual", "regret")}
        return PrivateEquilibrium(
            **whole,
            **{name: getattr(self, name)[:, at] for name in ("strategy", "payoff", "own_cost")},
        )

    def reshaped(self, lead: tuple[int, ...]) -> PrivateEquilibrium:
        """The same with these axes in place of that of the markets."""
        whole = {
            name: getattr(self, name).reshape(lead) for name in ("converged", "residual", "regret")
        }
        by_firm = {name: getattr(self, name) for name in ("strategy", "payoff", "own_cost")}
        shaped = {name: a.reshape(2, *lead, *a.shape[2:]) for name, a in by_firm.items()}
        return PrivateEquilibrium(**whole, **shaped)

    def at_points(self, points: NDArray[np.intp]) -> PrivateEquilibrium:
        """One market at some of the points alone."""
        return replace(
            self,
            **{name: getattr(self, name)[:, points] for name in ("strategy", "payoff", "own_cost")},
        )

    def earned(self, payoff: str) -> Array:
        """(2, ..., n): what each type earns in this form of the payoff; NaN where there is no
        equilibrium."""
        own = self.payoff + (self.own_cost if payoff == "printed" else 0.0)
        return np.where(self.converged[..., None], own, np.nan)


@dataclass(frozen=True, kw_only=True)
class ExpectedProfit:
    """Expected profit of a firm's types, one lane each, in the firm's own levels (L, 2): sharing s
    and investment t.

    The margin is a sum of terms phi(s, t) = (1, t, t^2, s, s t, -s^2) whose coefficients alone
    depend on the rival's type, so that of the rival's types only the coefficients' second moments
    matter, and of costs only what every rival type leaves of them.
    """

    moments: Array
    """E[w c c'], (L, 6, 6)."""
    cost: Array
    """Curvatures kappa of own cost by rival type, times its probability, (L, K), or (L, 1) where
    all origins are zero."""
    origin: Array
    """Where own cost begins, (L, K) or (L, 1)."""
    rates: Array
    """What is received per unit of own levels, (L, 2)."""

    def take(self, lanes: Any) -> ExpectedProfit:
        """The expected profits of these types."""
        return ExpectedProfit(**{name: take_lanes(a, lanes) for name, a in vars(self).items()})

    def value(self, x: Array) -> Array:
        """Expected profits (L,)."""
        terms = _terms(x)
        return self._worth(x, terms, self._weighed(terms))

    def _weighed(self, terms: Array) -> Array:
        """The moments times terms (..., 6, L)."""
        return np.asarray(np.einsum("lab,...bl->...al", self.moments, terms))

    def _worth(self, x: Array, terms: Array, weighed: Array) -> Array:
        beyond = np.maximum(x[:, 1:] - self.origin, 0.0)
        earned = (terms * weighed).sum(0) - (self.cost * beyond**2).sum(-1) / 2
        return np.asarray(earned + (self.rates * x).sum(-1))

    def derivatives(self, x: Array) -> tuple[Array, Array, Array]:
        """Value, gradient and Hessian in own levels."""
        (s, t), terms, by = x.T, _terms(x), np.zeros((2, 6, len(x)))
        by[0, 3], by[0, 4], by[0, 5] = 1.0, t, -2 * s  # by sharing
        by[1, 1], by[1, 2], by[1, 4] = 1.0, 2 * t, s  # by investment
        weighed = self._weighed(terms)
        beyond = np.maximum(x[:, 1:] - self.origin, 0.0)
        gradient = 2 * (by * weighed).sum(1) + self.rates.T
        gradient[1] -= (self.cost * beyond).sum(-1)
        hessian = 2 * (by[:, None] * self._weighed(by)).sum(2)
        hessian[0, 0] -= 4 * weighed[5]
        hessian[0, 1] += 2 * weighed[4]
        hessian[1, 0] += 2 * weighed[4]
        hessian[1, 1] += 4 * weighed[2] - (self.cost * (x[:, 1:] >= self.origin)).sum(-1)
        return self._worth(x, terms, weighed), gradient.T, hessian.T


def _terms(x: Array) -> Array:
    """phi (6, L) at own levels (L, 2)."""
    s, t = x.T
    return np.stack([np.ones(len(x)), t, t * t, s, s * t, -s * s])


def private_equilibrium(
    case: Case,
    types: TypeSpace,
    start: Array,
    searched: NDArray[np.intp] | None = None,
    tolerances: Tolerances = DEFAULT,
    *,
    rates: Array | float = 0.0,
    sharing_range: tuple[float, float] = (0.0, 1.0),
) -> PrivateEquilibrium:
    """The equilibrium that best replies reach from levels `start` (..., 4), such as `nash` at the
    mean type, in a case or a batch of them.

    `rates` (2, ..., 2) are received per unit of each firm's own sharing and investment. Strategies
    are found on the types expectations are taken over and then answered at every point of the grid,
    so that the result has one row per point: (2, ..., M, ...). Global deviations are searched at
    the points `searched`, by default at all. Where there is nothing to start from (NaN) there is no
    equilibrium either.
    """
    lead = start.shape[:-1]
    game = private_game(case, types, lead, rates, sharing_range)
    start = start.reshape(-1, 4)
    begun = np.isfinite(start).all(-1)
    start = np.nan_to_num(start)
    mirrored = start[:, [1, 0, 3, 2]]
    symmetric = game.symmetric and np.allclose(start, mirrored, 1e-9, 1e-12)
    start = (start + mirrored) / 2 if symmetric else start
    K = len(types.nodes)
    begin = np.stack([np.repeat(start[:, None, [i, 2 + i]], K, axis=1) for i in (0, 1)])
    found = examined(game, _settled(game, begin, symmetric), searched, tolerances)
    found = replace(found, converged=found.converged & begun)
    return found.reshaped(lead)


def private_game(
    case: Case,
    types: TypeSpace,
    lead: tuple[int, ...],
    rates: Array | float = 0.0,
    sharing_range: tuple[float, float] = (0.0, 1.0),
) -> PrivateGame:
    """The game in a case or a batch of them with the axes `lead`, at rates (2, ..., 2)."""
    every = np.broadcast_to(np.asarray(rates, float), (2, *lead, 2)).reshape(2, -1, 2)
    return PrivateGame(case=case.flat(), types=types, rates=every, sharing_range=sharing_range)


def _settled(game: PrivateGame, strategy: Array, symmetric: bool) -> Array:
    """Where best replies of the types lead from strategies (2, C, K, 2), after `ROUNDS` at most."""
    strategy = strategy.copy()
    moving = np.arange(strategy.shape[1])
    for _ in range(ROUNDS):
        before = strategy[:, moving].copy()
        some = game.take(moving)
        for firm in (0, 1):
            if firm and symmetric:  # equal firms answer alike
                strategy[1, moving] = strategy[0, moving]
                continue
            rivals, own = strategy[1 - firm, moving], strategy[firm, moving]
            strategy[firm, moving] = _climb(
                some, firm, rivals, game.types.types_of(firm), own[:, :, None]
            )[0]
        now, then = (levels / some.unit[:, None] for levels in (strategy[:, moving], before))
        moved = np.abs(now - then).max((0, 2, 3)) > 1e-13 * np.maximum(
            1.0, np.abs(now).max((0, 2, 3))
        )
        moving = moving[moved]
        if not len(moving):
            break
    return strategy


def examined(
    game: PrivateGame,
    strategy: Array,
    searched: NDArray[np.intp] | None = None,
    tolerances: Tolerances = DEFAULT,
) -> PrivateEquilibrium:
    """What strategies (2, C, K, 2) of the types are worth as an equilibrium of C markets.

    They are answered at every point of the grid; global deviations are searched at the points
    `searched`, by default at all.
    """
    types, unit = game.types, game.unit
    C, M = strategy.shape[1], types.size
    symmetric = game.symmetric and bool((strategy[0] == strategy[1]).all())
    looked = np.arange(M) if searched is None else searched
    answers, payoffs, costs = np.empty((2, C, M, 2)), np.empty((2, C, M)), np.empty((2, C, M))
    worst, regret, everybody = np.zeros(C), np.zeros(C), np.ones(C, bool)
    for firm in (0, 1):
        if firm and symmetric:
            answers[1], payoffs[1], costs[1] = answers[0], payoffs[0], costs[0]
            continue
        rivals, points = strategy[1 - firm], types.of(firm)
        near = np.abs(points[:, None] - types.types_of(firm)).argmin(1)
        own = strategy[firm][:, near][:, :, None]
        x, value, residual = _climb(game, firm, rivals, points, own)
        # A global deviation: climbs from own levels spread over the whole range.
        top = np.maximum(unit[:, 1], 3 * strategy[firm][..., 1].max(1))
        spread = np.array([[s, t] for s in (0.0, 0.5, 1.0) for t in (0.0, 1 / 3, 1.0)])
        spread = spread * np.stack([np.ones(C), top], -1)[:, None]
        everywhere = np.broadcast_to(spread[:, None], (C, len(looked), *spread.shape[1:]))
        found, most, _ = _climb(game, firm, rivals, points[looked], everywhere)
        best = _true_best(game, firm, rivals, points[looked], found, most)
        gain = (best - value[:, looked]) / game.units.money
        answers[firm], payoffs[firm] = x, value
        worst, regret = np.maximum(worst, residual.max(1)), np.maximum(regret, gain.max(1))
        costs[firm], sell = _in_expectation(game, firm, points, x, rivals)
        everybody &= sell
    gap = np.abs((answers[:, :, types.nodes] - strategy) / unit[:, None]).max((0, 2, 3))
    settled = gap <= 1e-9 * np.maximum(1.0, np.abs(strategy / unit[:, None]).max((0, 2, 3)))
    return PrivateEquilibrium(
        converged=settled
        & everybody
        & (worst <= tolerances.residual)
        & (regret <= tolerances.regret),
        strategy=answers,
        payoff=payoffs,
        own_cost=costs,
        residual=worst,
        regret=regret,
    )


def at_types(
    case: Case, types: TypeSpace, firm: int, found: PrivateEquilibrium, own_types: Array
) -> tuple[Array, Array]:
    """What one firm's types (n,), on the grid or between, earn in `bayes_nash` of one market, and
    their expected investment cost: (n,) each."""
    game = private_game(case, types, (1,))
    nearest = found.strategy[firm][np.abs(own_types[:, None] - types.of(firm)).argmin(1)]
    rivals = found.strategy[1 - firm][types.nodes][None]
    x, value, _ = _climb(game, firm, rivals, own_types, nearest[None, :, None])
    return value[0], _in_expectation(game, firm, own_types, x, rivals)[0][0]


def _in_expectation(
    game: PrivateGame, firm: int, own_types: Array, own: Array, rivals: Array
) -> tuple[Array, NDArray[np.bool_]]:
    """Of types (n,) with levels (C, n, 2) in C markets: expected investment cost (C, n), and
    whether no price, quantity or unit cost is negative against any rival's type (C,)."""
    types = game.types
    pairs = np.empty((len(own_types), len(types.nodes), 2))
    pairs[..., firm], pairs[..., 1 - firm] = own_types[:, None], types.types_of(1 - firm)
    x = np.empty((*own.shape[:2], len(types.nodes), 4))
    x[..., [firm, 2 + firm]], x[..., [1 - firm, 3 - firm]] = own[:, :, None], rivals[:, None]
    here = game.case.map(lambda a: a[:, None, None]).with_parameter(types.parameter, pairs)
    cost = investment_cost(here, x)[..., firm] @ types.probabilities
    return np.asarray(cost), np.asarray(every_firm_sells(here, x).all((-2, -1)))


def pairs_of(strategy: Array) -> Array:
    """Levels (..., n, n, 4) at all pairs of types that follow strategies (2, ..., n, 2), firm 1's
    type first."""
    n = strategy.shape[-2]
    x = np.empty((*strategy.shape[1:-2], n, n, 4))
    x[..., CONTROLS[0]] = strategy[0][..., :, None, :]
    x[..., CONTROLS[1]] = strategy[1][..., None, :, :]
    return x


def expected_under(
    case: Case, types: TypeSpace, found: PrivateEquilibrium, rates: Array | float = 0.0
) -> ExpectedOutcome:
    """Expectations over both firms' types in an equilibrium of a case or of each of a batch, NaN
    where there is none; net transfers are what is received at rates (2, ..., 2)."""
    own = np.where(found.converged[..., None, None], found.strategy[..., types.nodes, :], np.nan)
    received = (own * np.asarray(rates)[..., None, :] if np.ndim(rates) else own * rates).sum(-1)
    both = np.broadcast_arrays(received[0][..., :, None], received[1][..., None, :])
    return expected_outcome(case, types, pairs_of(own), np.stack(both, -1))


def expected_profit(
    game: PrivateGame, firm: int, rivals: Array, own_types: Array
) -> ExpectedProfit:
    """In C markets, rivals' strategies (C, K, 2), the expected profits of own types (n,): C * n
    lanes, a market's types together.

    Its levels and its money are in natural units.
    """
    types, C, n = game.types, len(rivals), len(own_types)
    # Where the own type moves nothing but costs the margin is that of any.
    margins = own_types[:1] if types.private_values else own_types
    here, x = _meetings(game, firm, rivals, margins)
    margin = margin_in_own_levels(here, x, firm)
    shape = (C * len(margins), rivals.shape[1])
    terms = np.array([np.broadcast_to(c, len(x)) for c in margin[:6]]).reshape(6, *shape)
    weighed = terms * (types.probabilities * np.broadcast_to(margin.weight, len(x)).reshape(shape))
    moments = np.empty((6, 6, shape[0]))
    for a in range(6):
        for b in range(a + 1):
            moments[a, b] = moments[b, a] = (weighed[a] * terms[b]).sum(-1)
    kappa, origin = _own_parabola(game, firm, rivals, own_types)
    cost = kappa * types.probabilities
    if not origin.any():
        cost, origin = cost.sum(-1, keepdims=True), origin[:, :1]
    return ExpectedProfit(
        moments=np.repeat(moments, C * n // shape[0], -1).T,
        cost=together(cost),
        origin=together(origin),
        rates=together(_rates_of_types(game, firm, n)),
    )


def _own_parabola(
    game: PrivateGame, firm: int, rivals: Array, own_types: Array
) -> tuple[Array, Array]:
    """What own types (n,) pay for their investment against each rival's type, (C * n, K) each:
    curvature and origin of the parabola, natural units."""
    lone = in_units(game.case, game.units).map(lambda a: of_firm(a, firm)[:, None, None])
    if game.types.private_values:
        lone = lone.with_parameter(game.types.parameter, own_types[:, None])
    given = levels_in(rivals, _of_market(game.units)).prod(-1)[:, None]
    shape = (len(rivals), len(own_types), rivals.shape[1])
    kappa, origin = form_of(lone).parabola(
        usefulness(lone) * given, lone.cost_scale, lone.max_saving
    )
    flat = (len(rivals) * len(own_types), rivals.shape[1])
    return np.broadcast_to(kappa, shape).reshape(flat), np.broadcast_to(origin, shape).reshape(flat)


def _rates_of_types(game: PrivateGame, firm: int, n: int) -> Array:
    """(C * n, 2): what n types of a firm receive per unit of their levels, natural units."""
    units = game.units
    return np.repeat(
        game.rates[firm] / np.concatenate([units.money, units.of("price")], -1), n, axis=0
    )


def _meetings(game: PrivateGame, firm: int, rivals: Array, own_types: Array) -> tuple[Case, Array]:
    """Own types (n,) against rivals' strategies (C, K, 2): markets and levels (C * n * K, 4), own
    ones zero; natural units."""
    types, units = game.types, game.units
    C, K, n = len(rivals), len(types.nodes), len(own_types)
    lanes = np.repeat(np.arange(C), n * K)
    pairs = np.empty((C, n, K, 2))
    pairs[..., firm], pairs[..., 1 - firm] = own_types[:, None], types.types_of(1 - firm)
    x = np.zeros((C, n, K, 4))
    x[..., CONTROLS[1 - firm]] = levels_in(rivals, _of_market(units))[:, None]
    here = game.case.take(lanes).with_parameter(types.parameter, together(pairs.reshape(-1, 2)))
    return in_units(here, units.take(lanes)), together(x.reshape(-1, 4))


def _true_best(
    game: PrivateGame, firm: int, rivals: Array, own_types: Array, own: Array, value: Array
) -> Array:
    """The most (C, n) that own types (n,) expect of any levels, whoever then sells, money: `own`
    (C, n, 2) are the best and worth `value` where every firm is taken to sell."""
    units, n = game.units, len(own_types)
    here, x = _meetings(game, firm, rivals, own_types)
    deviations = Deviations(
        firm=firm,
        case=here,
        rivals=x[:, CONTROLS[1 - firm]].reshape(-1, rivals.shape[1], 2),
        weights=game.types.probabilities,
        rates=_rates_of_types(game, firm, n),
        sharing_range=game.sharing_range,
        cap=np.repeat(of_firm(game.case.investment_cap, firm) / units.quantity[:, 0], n),
    )
    scaled = levels_in(own, _of_market(units)).reshape(-1, 2)
    best = deviations.best(scaled, (value / units.money).ravel())[1]
    return best.reshape(-1, n) * units.money


def _climb(
    game: PrivateGame, firm: int, rivals: Array, own_types: Array, starts: Array
) -> tuple[Array, Array, Array]:
    """In C markets, rivals' strategies (C, K, 2), for each own type (n,) the best end of climbs
    from its starts (C, n, m, 2): levels (C, n, 2), payoff (C, n), residual in natural units (C,
    n)."""
    C, n, tries, _ = starts.shape
    units = game.units
    objective = expected_profit(game, firm, rivals, own_types).take(
        np.repeat(np.arange(C * n), tries)
    )
    market = np.repeat(np.arange(C), n * tries)
    cap = of_firm(game.case.investment_cap, firm) / units.quantity[:, 0]
    top = np.where(np.isfinite(cap), cap, FARTHEST)[market]
    least, most = game.sharing_range
    upper = np.column_stack([np.full(len(market), most), top])
    lower = np.column_stack([np.full(len(market), least), np.zeros(len(market))])
    begin = levels_in(starts, _of_market(units, 2)).reshape(-1, 2)
    found = maximise(objective, begin, lower, upper)
    best = found.value.reshape(C, n, tries).argmax(-1)
    rows = (np.arange(C)[:, None] * n + np.arange(n)) * tries + best
    value = found.value[rows]
    residual = found.residual[rows] * np.maximum(1.0, np.abs(value))
    endless = np.isinf(cap)[:, None] & (found.x[rows][..., 1] >= FARTHEST)
    residual[endless] = np.inf  # payoff rises without limit: no end of a climb
    return levels_from(found.x[rows], _of_market(units)), value * units.money, residual


def _of_market(units: NaturalUnits, axes: int = 1) -> NaturalUnits:
    """Units of C markets (C, 1) for arrays with more axes between the market and its levels."""
    return NaturalUnits(
        **{name: a.reshape(-1, *([1] * axes), 1) for name, a in vars(units).items()}
    )
