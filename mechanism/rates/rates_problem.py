"""What rates set before types are drawn lead to in one market, with slopes in the rates, and what
that is worth.

Everything is in natural units, at the Bayesian equilibrium of all types
(`mechanism.rates.types_game`). The value is that of `mechanism.rates.robust_rates`, which searches
for the best.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case
from market.model.outcome import account
from market.model.pricing import bertrand_matrix
from market.model.units import NaturalUnits, levels_in, natural_units
from mechanism.casefile.standard import SAME, Standard
from mechanism.casefile.types import TypeSpace, interchangeable
from mechanism.casefile.types import per_firm as per_firm_points
from mechanism.rates.types_game import TypesGame, seen_by
from mechanism.scheme.allocation import anchors, case_at_pairs, lagrange, per_firm
from mechanism.scheme.behaviour import ExpectedOutcome
from mechanism.scheme.private_market import PrivateEquilibrium, pairs_of

GAIN = 1e-12
"""What counts as better, over max(1, welfare today), natural units."""


PAIRS = 32_000
"""Pairs of types, over all rates, that are worked on together."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Point:
    """What some rates lead to, natural units; slopes in the n free rates stand last."""

    free: Array
    z: Array
    """Levels of all types."""
    slope: Array
    """(4 n types, n free)."""
    push: Array
    """(4 n types,): what each type expects of a little more of each level; of one sign at a bound,
    zero elsewhere."""
    push_slope: Array
    consumers: float
    consumers_slope: Array
    profit: float
    """Both firms', expected, before they receive anything."""
    profit_slope: Array
    received: Array
    """(2,): expected, per unit of levels."""
    received_slope: Array
    slack: Array
    """(2, n types, rival's types or 1): what joining is worth more than staying out, without flat
    parts."""
    slack_slope: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """Rates at which the same levels of the same types lie at their bounds: there the value has no
    kink of theirs."""

    sides: NDArray[np.intp]
    """(4 n types,): -1 at the lower bound, 1 at the upper, 0 at none."""
    counted: NDArray[np.bool_]
    """(4 n types,): the levels this is asked of, those that others' payoffs depend on."""

    def conditions(self, game: TypesGame, point: Point) -> tuple[Array, Array, NDArray[np.intp]]:
        """What must not be negative on the piece (m,), its slopes (m, n free), and the level and
        side each belongs to, as the piece that lies beyond: (m, 2)."""
        at = np.flatnonzero(self.counted & (self.sides != 0))
        away = self.sides[at]
        values, slopes = [away * point.push[at]], [away[:, None] * point.push_slope[at]]
        beyond = [np.column_stack([at, np.zeros_like(at)])]
        for side, bound in ((-1, game.lower), (1, game.upper)):
            at = np.flatnonzero(self.counted & (self.sides == 0) & np.isfinite(bound))
            values.append(side * (bound[at] - point.z[at]))
            slopes.append(-side * point.slope[at])
            beyond.append(np.column_stack([at, np.full_like(at, side)]))
        return np.concatenate(values), np.concatenate(slopes), np.concatenate(beyond)


@dataclass(frozen=True, kw_only=True, eq=False)
class RatesProblem:
    """One market in natural units, and by what its rates are chosen."""

    case: Case
    """The market in its own units."""
    types: TypeSpace
    units: NaturalUnits
    game: TypesGame
    """Of the types expectations are taken over or, where participation counts, of all points."""
    standard: Standard
    stays: Array
    """(2, M points, rival's points or 1): what staying out is worth, money; zero where it counts
    for nothing."""
    outside: Array
    """The same of the types of the game, natural units."""
    start: Array
    """(4 n): today's levels of these types."""
    spread: Array
    """(4, n free): the rates (firm, level) in the free ones; alike firms have the same."""
    consumers_today: float
    welfare_today: float

    @classmethod
    def of(
        cls,
        case: Case,
        types: TypeSpace,
        today: PrivateEquilibrium,
        before: ExpectedOutcome,
        standard: Standard,
        market_levels: Array | None,
    ) -> RatesProblem:
        """The problem of a market in its own units, `before` being expectations today."""
        units = NaturalUnits(
            **{name: a.reshape(1) for name, a in vars(natural_units(case)).items()}
        )
        own = case.map(np.ravel)
        joins = standard.participation != "none"
        counts = float(standard.burden) != 0 or not joins
        of = types.everywhere() if counts else types
        everywhere = np.arange(types.size)
        nodes = everywhere if counts else types.nodes
        by_pair = standard.timing == "ex_post" and standard.participation != "ir1"
        stays = np.zeros((2, types.size, types.size if by_pair else 1))
        if standard.participation == "ir_market" and not by_pair:
            stays = today.payoff[..., None]
        elif standard.participation == "ir_market":
            assert market_levels is not None, "joining at both types known asks for `nash` there"
            there = account(
                case_at_pairs(own, types.points, types.parameter), market_levels, bertrand_matrix
            )
            stays = np.where(there.describes_market.all(), per_firm(there.profit), np.nan)
        symmetric = interchangeable(own, types.points, types.parameter)
        return cls(
            case=own,
            types=types,
            units=units,
            game=TypesGame.of(own, of, units),
            standard=standard,
            stays=stays,
            outside=(stays[:, nodes][:, :, nodes] if by_pair else stays[:, nodes]) / units.money,
            start=levels_in(today.strategy[:, nodes], units).ravel(),
            spread=np.concatenate([np.eye(2), np.eye(2)]) if symmetric else np.eye(4),
            consumers_today=float(before.consumer_surplus / units.money[0]),
            welfare_today=float(before.welfare / units.money[0]),
        )

    def among(self, most: int) -> tuple[RatesProblem, Array]:
        """The problem of at most so many of its types, expectations over which are those of the
        polynomials through what they do, and the shares (n types, m) of each in what all of them
        do; the problem itself where it has not three times as many or some would count for less
        than nothing."""
        every = self.game.size == self.types.size
        points = per_firm_points(self.types.points if every else self.types.types)[0]
        which = anchors(points, most)
        shares = lagrange(points[which], points)
        weights = self.game.weights @ shares
        if 3 * most > self.game.size or (weights < 0).any():
            return self, np.eye(self.game.size)
        by_rival = self.outside.shape[-1] > 1
        some = self.outside[:, which]
        few = replace(
            self,
            game=self.game.among(which, weights),
            outside=some[:, :, which] if by_rival else some,
            start=self.start.reshape(2, -1, 2)[:, which].ravel(),
        )
        return few, shares

    @property
    def gain(self) -> float:
        """What a value has to exceed another by to be more: where firms are of very unequal size
        values are far from one in natural units, and are only as exact as their size allows."""
        return GAIN * max(1.0, abs(self.welfare_today))

    @property
    def nodes(self) -> NDArray[np.intp]:
        """Which types of the game are those expectations are taken over."""
        every = self.game.size == self.types.size
        return self.types.nodes if every else np.arange(self.game.size)

    @property
    def symmetric(self) -> bool:
        """Whether the firms are, so that their rates are the same."""
        return self.spread.shape[1] == 2

    @property
    def burden(self) -> float:
        """What a unit of outlay costs beyond what firms have of it."""
        return float(self.standard.burden)

    @property
    def joins(self) -> bool:
        """Whether firms may refuse, and are paid flat parts so that they do not."""
        return self.standard.participation != "none"

    @property
    def flat_matters(self) -> bool:
        """Whether the value depends on flat parts."""
        return self.joins and self.burden != 0

    @property
    def least_consumers(self) -> float:
        """What consumers must be left with at least."""
        return -np.inf if self.standard.consumers_may_lose else self.consumers_today

    def rates(self, free: Array) -> Array:
        """Rates (..., 2 firms, 2) in natural units, from free ones (..., n)."""
        return np.asarray(free @ self.spread.T).reshape(*free.shape[:-1], 2, 2)

    def rates_in(self, rates: Array) -> Array:
        """Free rates, from rates (2, 4) in the market's own units; of alike firms the mean."""
        mine = np.stack([rates[0, [0, 2]], rates[1, [1, 3]]]) / self._unit
        return np.asarray(np.linalg.lstsq(self.spread, mine.ravel(), rcond=None)[0])

    def rates_from(self, free: Array) -> Array:
        """Rates (2 firms, 2) in the market's own units."""
        return np.asarray(self.rates(free) * self._unit)

    @property
    def _unit(self) -> Array:
        return np.concatenate([self.units.money, self.units.of("price")])

    def points(self, free: Array, start: Array, piece: Piece | None = None) -> list[Point | None]:
        """What free rates (L, n) lead to, from levels (L, 4 n types), on a piece where one is
        given; None where no equilibrium is found."""
        some = max(1, PAIRS // self.game.size**2)
        if len(free) > some:
            blocks = [slice(k, k + some) for k in range(0, len(free), some)]
            return [point for k in blocks for point in self.points(free[k], start[k], piece)]
        game = self.game if piece is None else self.game.on(piece.sides, piece.counted)
        found = game.solve(self.rates(free), start)
        fine = np.flatnonzero(np.isfinite(found.z).all(-1))
        out: list[Point | None] = [None] * len(free)
        slopes = [slope[fine] @ self.spread for slope in (found.slope, found.push_slope)]
        measured = self._measured(free[fine], found.z[fine], slopes[0])
        for k, at in enumerate(fine):
            out[at] = Point(
                free=free[at],
                z=found.z[at],
                slope=slopes[0][k],
                push=found.push[at],
                push_slope=slopes[1][k],
                **{name: values[k] for name, values in measured.items()},
            )
        return out

    def _measured(self, free: Array, z: Array, slope: Array) -> dict[str, Array]:
        """What everybody has at rates (L, n) that lead to levels with these slopes: columns of
        points."""
        w, n, L = self.game.weights, self.game.size, len(free)
        rates, rates_slope = self.rates(free), self.rates(np.eye(free.shape[1]))
        own, own_slope = z.reshape(L, 2, n, 2), slope.reshape(L, 2, n, 2, free.shape[1])
        received = np.einsum("likv,liv->lik", own, rates)
        received_slope = np.einsum("likvn,liv->likn", own_slope, rates) + np.einsum(
            "likv,niv->likn", own, rates_slope
        )
        value, gradient = self.game.everybody.gradient(pairs_of(own.swapaxes(0, 1)))
        # by firm 1's levels, which its type moves, and by firm 2's: (agents, L, n, n, free)
        along = np.einsum("valkm,lkvn->alkmn", gradient[::2], own_slope[:, 0]) + np.einsum(
            "valkm,lmvn->alkmn", gradient[1::2], own_slope[:, 1]
        )
        mean, mean_slope = (
            value @ w @ w,
            np.einsum("alkn,k->aln", np.einsum("alkmn,m->alkn", along, w), w),
        )
        slack = np.empty((L, *self.outside.shape))
        slack_slope = np.empty((*slack.shape, free.shape[1]))
        for i in (0, 1):
            mine = seen_by(value[i], i), seen_by(along[i], i)
            if self.standard.participation == "ir1":  # the own profit stands on both sides
                mine = np.zeros_like(mine[0]), np.zeros_like(mine[1])
            if self.outside.shape[-1] == 1:
                mine = (mine[0] @ w)[..., None], np.einsum("lkmn,m->lkn", mine[1], w)[:, :, None]
            slack[:, i] = mine[0] + received[:, i, :, None] - self.outside[i]
            slack_slope[:, i] = mine[1] + received_slope[:, i, :, None]
        return {
            "consumers": mean[2],
            "consumers_slope": mean_slope[2],
            "profit": mean[0] + mean[1],
            "profit_slope": mean_slope[0] + mean_slope[1],
            "received": received @ w,
            "received_slope": np.einsum("likn,k->lin", received_slope, w),
            "slack": slack,
            "slack_slope": slack_slope,
        }

    def piece_at(self, point: Point) -> Piece:
        """The piece on which rates lie."""
        fixed = self.game.lower == self.game.upper
        counted = np.tile(np.repeat(self.game.weights > 0, 2), 2) & ~fixed
        return Piece(sides=self.game.sides(point.z), counted=counted)

    def describes_market(self, point: Point) -> bool:
        """Whether all types that may meet sell."""
        n, some = self.game.size, self.game.weights > 0
        there = self.game.firms.payoff.case.take(np.arange(n**2))
        x = pairs_of(point.z.reshape(2, n, 2)).reshape(-1, 4)
        sells = account(there, x, bertrand_matrix).describes_market.reshape(n, n)
        return bool(sells[np.ix_(some, some)].all())

    def externalities(self, point: Point) -> Array:
        """(n free,): the rates that would make firms count what their levels do to all others,
        where they are now."""
        own, w = point.z.reshape(2, self.game.size, 2), self.game.weights
        x = pairs_of(own)[None]
        gradient = self.game.everybody.gradient(x)[1][:, :, 0] @ w @ w  # (4, agents)
        gains = np.array([gradient[i::2].sum(-1) - gradient[i::2, i] for i in (0, 1)])
        return np.asarray(np.linalg.lstsq(self.spread, gains.ravel(), rcond=None)[0])

    # what they are worth

    def flat(self, point: Point) -> Array:
        """(2,): the least flat parts with which every type joins; zero where nobody may refuse."""
        return np.asarray((-point.slack).max((1, 2)) if self.joins else np.zeros(2))

    def outlay(self, point: Point) -> float:
        """What the public pays on balance; zero where that does not matter."""
        if self.burden == 0:
            return 0.0
        paid = float((point.received + self.flat(point)).sum())
        return paid if self.standard.fees else max(paid, 0.0)

    def value(self, point: Point | None) -> float:
        """V in natural units; minus infinity for what is not admitted."""
        if point is None or point.consumers < self.least_consumers - SAME * abs(self.welfare_today):
            return -np.inf
        if not self.joins and point.slack.min() < -self.gain:
            return -np.inf
        beta = float(self.standard.profit_weight)
        return point.consumers + beta * point.profit - self.burden * self.outlay(point)
