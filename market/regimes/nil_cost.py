"""Would a sole chooser rather drive a unit cost to nil? Such an optimum is none of the model's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, rival, take_lanes
from market.model.cost import investment_cost
from market.model.demand import apply as apply_matrix
from market.model.outcome import not_negative
from market.model.payoff import Payoff
from market.model.pricing import net_intercept, sold_matrix
from market.model.wellposed import most_received
from market.regimes.edges import quantity_nil
from market.regimes.table import Regime
from market.solve.search import most_around

FAR = 10.0
"""Investment in natural units up to which it is at least asked whether zero unit costs pay."""
AT_NIL = 32
"""Markets in which levels at a nil unit cost are looked at together."""
CACHED = 1 << 14
"""Levels judged together: what is computed on the way should fit the processor's cache."""
CLOSER = 0.5 ** np.arange(1, 9)
"""Share of a level's size around the best of a grid that the next is over."""
PEAKS = 4
"""Of those at which a firm sells nothing, the best that are closed in on."""
NOTHING = 1e-12
"""Quantity, beside the larger of the two, that is nothing."""


def zero_unit_cost_pays(payoff: Payoff, regime: Regime, value: Array) -> NDArray[np.bool_]:
    """Whether a sole chooser would rather drive a firm's unit cost down to zero, t_j s_j = c /
    lambdahat, than take these values (L,), in the L markets of a flat case.

    A unit cost cannot be negative, so such an optimum is none of the model's. Searched on a grid
    over those levels that closes in on its best point.
    """
    F, pays = payoff.case.unit_cost, np.zeros(len(value), bool)
    if F is None or not np.any(F.spillover):
        return pays
    equal = payoff.case.symmetric()
    saves = rival(F.spillover + np.zeros(2)) > 0  # by giver
    most = rival(most_received(payoff.case)) + np.zeros((len(value), 2))  # of t_i s_i, by giver
    cap = payoff.case.investment_cap + np.zeros((len(value), 2))
    sold = sold_matrix(payoff.case, regime.prices) + np.zeros((len(value), 1, 1))
    for giver in (0,) if equal else (0, 1):
        asked = np.flatnonzero((saves & (most < cap))[:, giver] & ~pays)
        for k in range(0, len(asked), AT_NIL):
            some = asked[k : k + AT_NIL]
            here = payoff.take(some)
            at = _AtNil(
                payoff=Payoff(
                    case=here.case.map(lambda a: a[:, None]),
                    benefit=here.benefit[:, None],
                    cost_weight=here.cost_weight,
                ),
                sold=sold[some, None],
                giver=giver,
                most=most[some],
                cap=cap[some],
            )
            pays[some] = at.pays(value[some])
    return pays


@dataclass(frozen=True, kw_only=True)
class _AtNil:
    """Levels of L markets at which one firm gives so much that its rival's unit cost is nil; points
    (L, n, 3) are its investment, and its rival's sharing and investment."""

    payoff: Payoff
    """In lanes (L, 1)."""
    sold: Array
    """S (L, 1, 2, 2): quantities in net intercepts."""
    giver: int
    most: Array
    """(L, 2): what either firm may give before the other's unit cost is nil."""
    cap: Array
    """(L, 2): on investments."""

    def take(self, lanes: Any) -> _AtNil:
        """The same in these lanes."""
        arrays = {name: take_lanes(getattr(self, name), lanes) for name in ("sold", "most", "cap")}
        return _AtNil(payoff=self.payoff.take(lanes), giver=self.giver, **arrays)

    def pays(self, value: Array) -> NDArray[np.bool_]:
        """Whether (L,) some of these levels are worth more than these values (L,).

        Where some would be were a firm to sell less than nothing, it is also asked where one sells
        nothing: that edge bends, and few points of a grid are near it."""
        enough, capped = (of[:, self.giver, None] for of in (self.most, self.cap))
        far = np.maximum(20 * enough, FAR)
        own = np.geomspace(enough[:, 0], np.minimum(capped, far)[:, 0], 25, axis=-1)
        little = np.minimum(enough, 1.0)[:, 0] / 50
        others = np.concatenate([0 * enough, np.geomspace(little, far[:, 0], 25, axis=-1)], -1)
        axes = own, np.linspace(0, 1, 11)[None], others
        payoff, sells = self.judged(self.levels(points := _grid(*axes)))
        pays = self._pays(value, axes, points, np.where(sells, payoff, -np.inf))
        beyond = (payoff > value[:, None]).any(-1)
        for follows in (1 - self.giver, 3 - self.giver):
            if (left := np.flatnonzero(beyond & ~pays)).size:
                at = self.take(left)
                some = _without(tuple(take_lanes(axis, left) for axis in axes), follows)
                worth = at.at_an_edge(points := _grid(*some), follows)
                pays[left] = at._pays(value[left], some, points, worth, follows)
        return pays

    def _pays(
        self,
        value: Array,
        axes: tuple[Array, ...],
        points: Array,
        worth: Array,
        follows: int | None = None,
    ) -> NDArray[np.bool_]:
        """The same on a grid and between its points, where a payoff may rise and fall: what is
        worth most is closed in on; several peaks where, at an edge, one level `follows`."""
        pays = np.asarray((worth > value[:, None]).any(-1))
        shape = (len(value), *(axis.shape[1] for axis in axes))
        beside = most_around(worth.reshape(shape)).reshape(worth.shape)
        ranked = np.where((worth >= beside) & ~pays[:, None], worth, -np.inf)
        best = np.argsort(-ranked, axis=-1, kind="stable")[:, : 1 if follows is None else PEAKS]
        lane, turn = np.nonzero(np.isfinite(np.take_along_axis(ranked, best, -1)))
        if not len(lane):
            return pays
        at, top = self.take(lane), points[lane, best[lane, turn]]
        enough, capped = (of[:, self.giver, None] for of in (at.most, at.cap))
        for step in CLOSER:
            t, s, t_other = np.moveaxis(top[:, None], -1, 0)
            factors = np.exp(step * np.linspace(-1, 1, 9))
            around = (
                np.clip(t * factors, enough, capped),
                np.clip(s + step * np.linspace(-0.2, 0.2, 5), 0.0, 1.0),
                t_other * factors,
            )
            points = _grid(*_without(around, follows))
            worth = at.worth(points) if follows is None else at.at_an_edge(points, follows)
            pays[lane[(worth > value[lane, None]).any(-1)]] = True
            if pays[lane].all():
                break
            top = points[np.arange(len(lane)), worth.argmax(-1)]
        return pays

    def levels(self, points: Array) -> Array:
        """Levels (L, n, 4), with the giver's sharing that makes its rival's unit cost nil."""
        giver, other = self.giver, 1 - self.giver
        t, s, t_other = np.moveaxis(points, -1, 0)
        x = np.moveaxis(np.empty((4, *t.shape)), 0, -1)
        x[..., giver], x[..., 2 + giver] = np.minimum(self.most[:, giver, None] / t, 1.0), t
        x[..., other] = np.minimum(s, self.most_of(t_other))
        x[..., 2 + other] = np.minimum(t_other, self.cap[:, other, None])
        return x

    def most_of(self, level: Array) -> Array:
        """The most of its rival's sharing, or investment, (L, n) that leaves the giver a unit cost,
        where the other of the two is this."""
        return np.asarray(self.most[:, 1 - self.giver, None] / np.maximum(level, 1e-200))

    def judged(self, x: Array) -> tuple[Array, NDArray[np.bool_]]:
        """A sole chooser's payoff (L, n) at levels (L, n, 4), and whether no firm would sell less
        than nothing there."""
        size, parts = max(1, CACHED // x.shape[1]), []
        for k in range(0, max(1, len(x)), size):
            at, some = self.take(slice(k, k + size)), x[k : k + size]
            N = net_intercept(at.payoff.case, some)
            payoff = at.payoff.of(N, investment_cost(at.payoff.case, some))
            parts.append((payoff, not_negative(apply_matrix(at.sold, N), NOTHING)))
        payoff, sells = (np.concatenate(each) for each in zip(*parts, strict=True))
        return payoff, sells

    def worth(self, points: Array) -> Array:
        """Its payoff (L, n); minus infinity where a firm would sell less than nothing."""
        payoff, sells = self.judged(self.levels(points))
        return np.where(sells, payoff, -np.inf)

    def at_an_edge(self, points: Array, follows: int) -> Array:
        """The most it has (L, n) where either firm sells nothing, as one level of the rival, by its
        place in levels, follows from the others."""
        x = self.levels(points)
        top = 1.0 if follows < 2 else self.cap[:, 1 - self.giver, None]
        top = np.minimum(self.most_of(x[..., (follows + 2) % 4]), top)
        nil = quantity_nil(self.payoff.case, self.sold, x, follows)
        inside = (nil >= 0) & (nil <= top[..., None])
        _, lane, turn, _ = np.nonzero(inside)
        there = x[lane, turn, None]
        there[..., follows] = nil[inside][:, None]
        payoff, sells = self.take(lane).judged(there)
        best = np.full(top.shape, -np.inf)
        np.maximum.at(best, (lane, turn), np.where(sells, payoff, -np.inf)[:, 0])
        return best


def _without(axes: tuple[Array, ...], follows: int | None) -> tuple[Array, ...]:
    """Axes of which that of a rival's level that follows has one point."""
    if follows is None:
        return axes
    own, shares, others = axes
    return (own, shares[:, :1], others) if follows < 2 else (own, shares, others[:, :1])


def _grid(*axes: Array) -> Array:
    """All combinations (L, n, 3) of values (L or 1, m) along three axes."""
    t, s, t_other = axes
    whole = np.broadcast_arrays(t[:, :, None, None], s[:, None, :, None], t_other[:, None, None, :])
    return np.moveaxis(np.stack(whole), 0, -1).reshape(len(t), -1, 3)
