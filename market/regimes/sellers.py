"""The best levels at which every firm sells, for a sole chooser.

A payoff N' Q N - sum_i f_i squares prices, so that levels with negative quantities look like gains
and may even run away. Here what a quantity q_i = S_i N below an aim c_i would seem to earn is taken
back, rate (c_i - q_i)^2 where q_i < c_i, so that climbs stay in the market. Where the chooser would
rather drive a firm out, q_i = 0 binds, and its price, what the payoff would gain beyond per unit of
q_i, is 2 rate (c_i - q_i): climbs with a moderate rate and aims that follow the price (the method
of multipliers) end at q_i = 0 itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, take_lanes
from market.model.cost import unit_cost
from market.model.demand import apply as apply_matrix
from market.model.payoff import Derivatives, Payoff
from market.model.pricing import net_intercept
from market.model.weighted import WeightedPayoff
from market.solve.optimum import maximise, projected_gradient
from market.solve.tolerances import DEFAULT, Tolerances

RATE = 1e3
"""What a quantity short of its aim costs at first, as a multiple of the payoff's own curvature,
where aims follow prices."""
STEEP = 1e7
"""The same where they do not: what little is short remains."""
STEEPEST = 1e6
"""The most it comes to where prices settle slowly."""
ROUNDS = 16
"""Climbs, each with aims corrected by what the one before left."""
LOST = 2
"""Climbs that arrive nowhere after which a start is given up."""
SLOW = 0.1
"""Share of the last correction of an aim that is left by the next where the rate is high enough."""
NOTHING = 1e-10
"""Size of a quantity, beside one or beside the other, that is nothing."""


@dataclass(frozen=True, kw_only=True)
class AmongSellers:
    """A payoff from which quantities below their aims are taken, in L lanes."""

    payoff: Payoff | WeightedPayoff
    sold: Array
    """S (L, 2, 2): quantities in net intercepts."""
    rate: Array
    """(L,): what the square of a quantity short of its aim costs."""
    aim: Array
    """c (L, 2): what a quantity must not fall short of; zero where no firm would be driven out."""

    def take(self, lanes: Any) -> AmongSellers:
        """The payoff in these lanes only."""
        arrays = {name: take_lanes(getattr(self, name), lanes) for name in ("sold", "rate", "aim")}
        return AmongSellers(payoff=self.payoff.take(lanes), **arrays)

    def quantities(self, x: Array) -> Array:
        """q (L, 2) at levels (L, 4)."""
        return apply_matrix(self.sold, net_intercept(self.payoff.case, x))

    def steepness(self, x: Array) -> Array:
        """Slopes of quantities in levels, (L, 2, 4)."""
        slope = self.payoff.slopes(x, unit_cost(self.payoff.case, x))
        return self.sold @ np.moveaxis(slope, -1, 0)

    def priced(self, x: Array) -> AmongSellers:
        """The same with aims such that quantities that are nil at levels (L, 4) have the prices at
        which payoff changes least with levels, each in proportion: those of an optimum, were it
        there. A climb that begins without them may leave for good."""
        q = self.quantities(x)
        nil = np.abs(q) <= NOTHING * np.abs(q).max(-1, keepdims=True)
        if not nil.any():
            return self
        steep = np.where(nil[..., None], self.steepness(x), 0.0) * x[:, None]
        gradient = self.payoff.derivatives(x)[1] * x
        price = -(np.linalg.pinv(np.swapaxes(steep, -1, -2)) @ gradient[..., None])[..., 0]
        return replace(self, aim=np.maximum(price, 0.0) / (2 * self.rate[:, None]))

    def residual(self, x: Array, lower: Array, upper: Array) -> Array:
        """What is left (L,) of the projected gradient of the payoff with quantities short of their
        aims at the prices at which least is, over max(1, |payoff|).

        At a high rate rounding of a quantity moves its price by more than any tolerance; prices
        that solve the conditions are as good.
        """
        payoff = self.payoff
        value, gradient, _ = payoff.derivatives(x)
        steep = self.steepness(x)
        price: Array = 2 * self.rate[:, None] * np.maximum(self.aim - self.quantities(x), 0.0)
        priced = gradient + (price[..., None] * steep).sum(-2)
        free = projected_gradient(x, priced, lower, upper)
        moves = np.where((price > 0)[..., None] & (free != 0)[:, None], steep, 0.0)
        change = -(np.linalg.pinv(np.swapaxes(moves, -1, -2)) @ free[..., None])[..., 0]
        fair = np.asarray((price + change >= 0).all(-1))[:, None]
        priced = priced + np.where(fair, (change[..., None] * steep).sum(-2), 0.0)
        found: Array = np.abs(projected_gradient(x, priced, lower, upper)).max(-1)
        return found / np.maximum(1.0, np.abs(value))

    def _short(self, x: Array) -> Payoff | None:
        """What is taken at these levels, as a payoff; None where nothing is. Its intercepts are
        such that S N - c stands for S N."""
        below = np.where(self.quantities(x) < self.aim, self.rate[:, None], 0.0)
        if not below.any():
            return None
        case = self.payoff.case
        taken: Array = np.einsum("li,lij,lik->ljk", below, self.sold, self.sold)
        if self.aim.any():
            inverse = np.asarray(np.linalg.inv(self.sold), float)
            case = replace(case, intercept=case.intercept - apply_matrix(inverse, self.aim))
        return Payoff(case=case, benefit=-taken, cost_weight=np.zeros((1, 2)))

    def value(self, x: Array) -> Array:
        """Payoff (L,)."""
        short = self._short(x)
        return self.payoff.value(x) if short is None else self.payoff.value(x) + short.value(x)

    def derivatives(self, x: Array) -> Derivatives:
        """Payoff, gradient and Hessian; the latter jumps where a quantity is at its aim."""
        short, here = self._short(x), self.payoff.derivatives(x)
        if short is None:
            return here
        value, gradient, hessian = (a + b for a, b in zip(here, short.derivatives(x), strict=True))
        return value, gradient, hessian


def among_sellers(
    payoff: Payoff | WeightedPayoff, sold: Array, rate: float = STEEP
) -> AmongSellers:
    """The payoff from which negative quantities are taken at this rate, a multiple of its own
    curvature."""
    lanes = max(len(payoff.benefit), len(sold))
    curvature = np.abs(payoff.benefit).max((-1, -2)) / np.maximum((sold**2).sum(-1).min(-1), 1e-300)
    return AmongSellers(
        payoff=payoff,
        sold=np.broadcast_to(sold, (lanes, 2, 2)),
        rate=np.broadcast_to(rate * curvature, (lanes,)),
        aim=np.zeros((lanes, 2)),
    )


@dataclass(frozen=True, kw_only=True)
class WithEveryFirm:
    """Ends of climbs among levels at which every firm sells."""

    x: Array
    """(L, 4)."""
    value: Array
    """(L,): the payoff; where a firm would be driven out, its least upper bound with that firm
    in."""
    residual: Array
    """(L,): of the payoff with quantities at their prices, relative as a climb's; infinite where a
    quantity is still negative, or where the climb met another, which went on."""
    out: NDArray[np.bool_]
    """(L, 2): the firms that the chooser would rather drive out there."""


def climb_among_sellers(
    payoff: Payoff | WeightedPayoff,
    sold: Array,
    start: Array,
    lower: Array,
    upper: Array,
    tolerances: Tolerances = DEFAULT,
    rate: float = RATE,
    market: NDArray[np.intp] | None = None,
) -> WithEveryFirm:
    """Climb from each start (L, 4) to a local optimum among levels at which every firm sells, at
    first at this rate, at most STEEPEST; `market` (L,) says which start is whose where they are of
    several. Where a firm sells nothing at a start its quantity has its price from the first."""
    among = among_sellers(payoff, np.broadcast_to(sold, (len(start), 2, 2)), rate).priced(start)
    most = among.rate * (STEEPEST / rate)
    x, value, residual = start.copy(), np.full(len(start), -np.inf), np.full(len(start), np.inf)
    out, left, before = (
        np.zeros((len(start), 2), bool),
        np.arange(len(start)),
        np.full(len(start), np.inf),
    )
    lost = np.zeros(len(start), int)
    for _ in range(ROUNDS):
        found = maximise(among, x[left], lower[left], upper[left], tolerances)
        q = among.quantities(found.x)
        aim = np.maximum(among.aim - q, 0.0)
        # The payoff with quantities at their prices: what a quantity is still off zero is worth its
        # price.
        x[left], value[left] = (
            found.x,
            among.payoff.value(found.x) + 2 * among.rate * (aim * q).sum(-1),
        )
        moved = np.abs(aim - among.aim).max(-1)
        settled = moved <= NOTHING * np.maximum(1.0, np.abs(q).max(-1))
        residual[left] = np.where(settled, found.residual, np.inf)
        rough = settled & (aim > 0).any(-1) & (found.residual > tolerances.residual)
        if (some := np.flatnonzero(rough & np.isfinite(found.residual))).size:
            at = left[some]
            residual[at] = among.take(some).residual(found.x[some], lower[at], upper[at])
        out[left] = aim > 0
        lost += ~np.isfinite(found.residual)
        on = np.flatnonzero(~settled & (lost < LOST))
        if not len(on):
            break
        # Climbs that have met, at the same prices, go on as one; digits count up to one, and
        # relative beyond.
        state = np.concatenate([found.x, 2 * among.rate[:, None] * aim], axis=-1)[on]
        digits = (np.minimum(state, 1.0) + np.log(np.maximum(state, 1.0))).round(7)
        if market is not None:
            digits = np.column_stack([digits, market[left[on]]])
        on = on[np.unique(digits, axis=0, return_index=True)[1]]
        lost = lost[on]
        steeper = np.where(
            (moved > SLOW * before[left]) & (10 * among.rate <= most[left]), 10.0, 1.0
        )[on]
        before[left] = moved
        left, among = left[on], among.take(on)
        # the price stays
        among = replace(among, aim=aim[on] / steeper[:, None], rate=among.rate * steeper)
        before[left] /= steeper
    return WithEveryFirm(x=x, value=value, residual=residual, out=out)
