"""Would a sole chooser rather drive a unit cost to nil? Such an optimum is none of the model's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, rival
from market.model.demand import apply as apply_matrix
from market.model.payoff import Payoff
from market.model.pricing import net_intercept, sold_matrix
from market.model.wellposed import most_received
from market.regimes.table import Regime

FAR = 10.0
"""Investment in natural units up to which it is at least asked whether zero unit costs pay."""
AT_NIL = 4
"""Markets in which levels at a nil unit cost are looked at together."""
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

    def pays(self, value: Array) -> NDArray[np.bool_]:
        """Whether (L,) some of these levels are worth more than these values (L,)."""
        enough, capped = (of[:, self.giver, None] for of in (self.most, self.cap))
        far = np.maximum(20 * enough, FAR)
        own = np.geomspace(enough[:, 0], np.minimum(capped, far)[:, 0], 25, axis=-1)
        little = np.minimum(enough, 1.0)[:, 0] / 50
        others = np.concatenate([0 * enough, np.geomspace(little, far[:, 0], 25, axis=-1)], -1)
        axes = own, np.linspace(0, 1, 11)[None], others
        pays = np.zeros(len(value), bool)
        # Between two points of a grid over all sizes a payoff may rise and fall: the best of them
        # is closed in on.
        for step in (0.5, 0.25, 0.12, 0.06, 0.03, 0.0):
            points = _grid(*axes)
            values = self.worth(points)
            pays |= (values > value[:, None]).any(-1)
            if not step or pays.all():
                break
            best = np.take_along_axis(points, values.argmax(-1)[:, None, None], 1)
            t, s, t_other = np.moveaxis(best, -1, 0)
            factors = np.exp(step * np.linspace(-1, 1, 9))
            axes = (
                np.clip(t * factors, enough, capped),
                np.clip(s + step * np.linspace(-0.2, 0.2, 5), 0.0, 1.0),
                t_other * factors,
            )
        return pays

    def levels(self, points: Array) -> Array:
        """Levels (L, n, 4), with the giver's sharing that makes its rival's unit cost nil."""
        giver, other = self.giver, 1 - self.giver
        t, s, t_other = np.moveaxis(points, -1, 0)
        x = np.moveaxis(np.empty((4, *t.shape)), 0, -1)
        x[..., giver], x[..., 2 + giver] = np.minimum(self.most[:, giver, None] / t, 1.0), t
        x[..., other] = np.minimum(s, self.most[:, other, None] / np.maximum(t_other, 1e-300))
        x[..., 2 + other] = np.minimum(t_other, self.cap[:, other, None])
        return x

    def worth(self, points: Array) -> Array:
        """A sole chooser's payoff (L, n); minus infinity where a firm would sell less than
        nothing."""
        x = self.levels(points)
        q = apply_matrix(self.sold, net_intercept(self.payoff.case, x))
        sells = (q >= -NOTHING * np.abs(q).max(-1, keepdims=True)).all(-1)
        return np.where(sells, self.payoff.value(x), -np.inf)


def _grid(*axes: Array) -> Array:
    """All combinations (L, n, 3) of values (L or 1, m) along three axes."""
    t, s, t_other = axes
    whole = np.broadcast_arrays(t[:, :, None, None], s[:, None, :, None], t_other[:, None, None, :])
    return np.moveaxis(np.stack(whole), 0, -1).reshape(len(t), -1, 3)
