"""The best levels at which every firm sells, for a sole chooser.

A payoff N' Q N - sum_i f_i squares prices, so that levels with negative quantities look like gains and may even run away. Here what a
quantity q_i = S_i N below zero would seem to earn is taken back at a high rate, N' (Q - rate S_i S_i') N where q_i < 0: again a payoff of
the same form. Its optima are those of the market inside; where the chooser would rather drive a firm out, they lie just beyond q_i = 0,
nearer the higher the rate, and what the payoff would gain beyond shows as a price on that bound.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.case import Array, take_lanes
from market.demand import apply as apply_matrix
from market.payoff import Derivatives, Payoff
from market.pricing import net_intercept
from market.solve.optimum import maximise
from market.solve.tolerances import DEFAULT, Tolerances

RATES = (1e3, 1e5, 1e7)
"""What a negative quantity costs beyond what it seems to earn, as multiples of the payoff's own curvature, one after the other."""


@dataclass(frozen=True, kw_only=True)
class AmongSellers:
    """A payoff from which negative quantities are taken, in L lanes."""

    payoff: Payoff
    sold: Array
    """S (L, 2, 2): quantities in net intercepts."""
    rate: Array
    """(L,): what the square of a negative quantity costs."""

    def take(self, lanes: Any) -> AmongSellers:
        """The payoff in these lanes only."""
        return AmongSellers(payoff=self.payoff.take(lanes), sold=take_lanes(self.sold, lanes), rate=take_lanes(self.rate, lanes))

    def quantities(self, x: Array) -> Array:
        """q (L, 2) at levels (L, 4)."""
        return apply_matrix(self.sold, net_intercept(self.payoff.case, x))

    def _here(self, x: Array) -> Payoff:
        """The payoff of the form that holds at these levels."""
        below = np.where(self.quantities(x) < 0, self.rate[:, None], 0.0)
        taken = sum(below[:, i, None, None] * self.sold[:, i, :, None] * self.sold[:, i, None, :] for i in (0, 1))
        return replace(self.payoff, benefit=self.payoff.benefit - taken)

    def value(self, x: Array) -> Array:
        """Payoff (L,)."""
        return self._here(x).value(x)

    def derivatives(self, x: Array) -> Derivatives:
        """Payoff, gradient and Hessian; the latter jumps where a quantity is zero."""
        return self._here(x).derivatives(x)


def among_sellers(payoff: Payoff, sold: Array, rate: float = RATES[-1]) -> AmongSellers:
    """The payoff from which negative quantities are taken at this rate, a multiple of its own curvature."""
    lanes = max(len(payoff.benefit), len(sold))
    curvature = np.abs(payoff.benefit).max((-1, -2)) / np.maximum((sold**2).sum(-1).min(-1), 1e-300)
    return AmongSellers(payoff=payoff, sold=sold, rate=np.broadcast_to(rate * curvature, (lanes,)))


@dataclass(frozen=True, kw_only=True)
class WithEveryFirm:
    """Ends of climbs among levels at which every firm sells."""

    x: Array
    """(L, 4)."""
    value: Array
    """(L,): the payoff; where a firm would be driven out, its least upper bound with that firm in."""
    residual: Array
    """(L,)."""
    out: NDArray[np.bool_]
    """(L, 2): the firms that the chooser would rather drive out there."""


def climb_among_sellers(
    payoff: Payoff, sold: Array, start: Array, lower: Array, upper: Array, tolerances: Tolerances = DEFAULT
) -> WithEveryFirm:
    """Climb from each start (L, 4) to a local optimum among levels at which every firm sells."""
    sold = np.broadcast_to(sold, (len(start), 2, 2))
    x = start
    for rate in RATES:
        among = among_sellers(payoff, sold, rate)
        found = maximise(among, x, lower, upper, tolerances)
        x = found.x
    q = among.quantities(x)
    out = q < 0
    # Beyond the bound by q the payoff is up to first order as much too high as what is taken back is: twice the one less the other.
    value = np.where(out.any(-1), 2 * found.value - payoff.value(x), found.value)
    return WithEveryFirm(x=x, value=value, residual=found.residual, out=out)
