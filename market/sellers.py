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

FINISHED = 6
"""Ends of climbs, the most promising, that are finished where they did not settle."""
SETTLED = 1e-6
"""What is left of first-order conditions, quantities and bounds, natural units, where a constrained optimum counts as found: of its
value that is the square."""
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
    ends = WithEveryFirm(x=x, value=value, residual=found.residual, out=out)
    return _finished(payoff, sold, ends, lower, upper, tolerances)


def _finished(payoff: Payoff, sold: Array, ends: WithEveryFirm, lower: Array, upper: Array, tolerances: Tolerances) -> WithEveryFirm:
    """The ends of climbs, those not settled that promise more than any that did finished with quantities as constraints.

    A high rate makes the payoff so steep on one side that rounding may keep a climb from settling.
    """
    settled = ends.residual <= tolerances.residual
    known = float(ends.value[settled].max(initial=-np.inf))
    promise = np.where(~settled & np.isfinite(ends.value), ends.value, -np.inf)
    some = [i for i in np.argsort(-promise, kind="stable")[:FINISHED] if promise[i] > known + 1e-9 * max(1.0, abs(known))]
    x, value, residual, out = ends.x.copy(), ends.value.copy(), ends.residual.copy(), ends.out.copy()
    for i in some:
        found = _constrained(payoff.take([i]), sold[i], ends.x[i], lower[i], upper[i])
        if found is not None:
            x[i], value[i], residual[i], out[i] = found[0], found[1], 0.0, found[2]
    return WithEveryFirm(x=x, value=value, residual=residual, out=out)


def _constrained(payoff: Payoff, sold: Array, start: Array, lower: Array, upper: Array) -> tuple[Array, float, NDArray[np.bool_]] | None:
    """The optimum (4,) near levels (4,) of one lane's payoff with no quantity below zero, its value, and which quantities are held at
    zero; None where the conditions of Karush, Kuhn and Tucker do not hold there to `SETTLED`."""
    # Imported where it is needed: it takes longer to import than most markets to solve.
    from scipy.optimize import minimize, nnls

    def quantities(x: Array) -> Array:
        return apply_matrix(sold, net_intercept(payoff.case, x[None])[0])

    def slopes(x: Array) -> Array:
        h = 1e-5 * np.maximum(1.0, np.abs(x))
        return np.stack([(quantities(x + e) - quantities(x - e)) / (2 * h[k]) for k, e in enumerate(np.diag(h))], -1)

    def loss(x: Array) -> tuple[float, Array]:
        value, gradient, _ = payoff.derivatives(x[None])
        return -float(value[0]), -gradient[0]

    constraint = {"type": "ineq", "fun": quantities, "jac": slopes}
    bounds = [(low, high if np.isfinite(high) else None) for low, high in zip(lower, upper, strict=True)]
    options = {"ftol": 1e-15, "maxiter": 200}
    x = np.clip(start, lower, upper)
    x = np.clip(minimize(loss, x, jac=True, method="SLSQP", bounds=bounds, constraints=constraint, options=options).x, lower, upper)
    value, gradient = loss(x)
    q = quantities(x)
    held = q <= SETTLED
    signs = [(x <= lower + SETTLED, 1.0), (x >= upper - SETTLED, -1.0)]
    columns = [*slopes(x)[held], *(sign * np.eye(4)[k] for at, sign in signs for k in np.flatnonzero(at))]
    price, missing = nnls(np.array(columns).T, gradient) if columns else (np.zeros(0), float(np.linalg.norm(gradient)))
    if not missing <= SETTLED * max(1.0, abs(value)) or q.min() < -SETTLED:
        return None
    pressed = held.copy()
    pressed[held] = price[: int(held.sum())] > 0
    return x, -value, pressed
