"""What leaving a firm out would pay whoever chooses all levels, a planner or an alliance.

They choose among levels at which every firm sells. Levels at which firm j cannot sell beside its
rival are another market: firm i is alone on what is left of demand, and the price rule says at
which margin,

    firms set prices (`market.model.leaving`)  the monopoly's, or the highest that keeps j out
    an alliance sets prices                    the monopoly's
    a planner sets prices                      none: the price is the unit cost

With net intercepts N both the margin and the quantity are linear in N on a cone of net intercepts,
so that the payoff is again N' Q N less both firms' investment costs: j may invest and share without
selling. Its optima inside a cone are found as those among sellers are; that an optimum lies there
and pays more is certain, that none pays still more is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case, of_firm, rival
from market.model.cost import form_of, investment_cost, unit_cost
from market.model.demand import apply as apply_matrix
from market.model.demand import inverse_slope_matrix
from market.model.outcome import LeavingOut
from market.model.payoff import Payoff
from market.model.pricing import (
    bertrand_matrix,
    collusive_matrix,
    marginal_cost_matrix,
    net_intercept,
)
from market.model.wellposed import VAST, dearer_at_will, remaining_cost, required_scale
from market.regimes.objectives import BOTH, level_bounds
from market.regimes.sellers import RATE, among_sellers
from market.regimes.starts import all_around, all_sizes, peaks_on
from market.regimes.table import Regime, benefit_matrix, unbounded
from market.solve.optimum import maximise
from market.solve.tolerances import DEFAULT, Tolerances

CLIMBS = 12
"""Of near-optimal levels, and of peaks on a grid, those of highest payoff from which each cone is
climbed in."""


NOTHING = 1e-10
"""Share of what is summed up to which a sum is rounding, or tells little else."""

FAINT = 1e-8
"""Share of the own slope up to which the other product's price moves sales too little for a price
to keep its seller out."""


class Alone(NamedTuple):
    """How firm i sells alone on a cone of net intercepts; rows (2,) of coefficients of N."""

    margin: Array
    sold: Array
    cone: tuple[Array, Array]
    """Both are at least zero there."""


def _rows(case: Case, i: int) -> tuple[Array, Array, Array, Array, float, float, float]:
    own, other = np.eye(2)[i], np.eye(2)[1 - i]
    b_i, b_j, x = (
        float(of_firm(a, k)[0])
        for a, k in ((case.own_slope, i), (case.own_slope, 1 - i), (case.cross_slope, i))
    )
    rest = b_j * own + x * other
    # positive: keeping j out takes a price below the monopoly's
    edge = 2 * (b_i * b_j - x**2) * other + x * rest
    return own, other, rest, edge, b_i, b_j, x


def _set_by_firms(case: Case, i: int) -> Iterator[Alone]:
    own, other, rest, edge, b_i, b_j, x = _rows(case, i)
    yield Alone(rest / (2 * (b_i * b_j - x**2)), rest / (2 * b_j), (rest, -edge))
    if x > FAINT * b_i:
        yield Alone(-other / x, own + b_i * other / x, (-2 * b_i * other - x * own, edge))


def _set_by_alliance(case: Case, i: int) -> Iterator[Alone]:
    _, other, rest, _, b_i, b_j, x = _rows(case, i)
    yield Alone(rest / (2 * (b_i * b_j - x**2)), rest / (2 * b_j), (rest, -other))


def _at_cost(case: Case, i: int) -> Iterator[Alone]:
    _, other, rest, _, _, b_j, _ = _rows(case, i)
    yield Alone(np.zeros(2), rest / b_j, (rest, -other))


ALONE: dict[object, Callable[[Case, int], Iterator[Alone]]] = {
    bertrand_matrix: _set_by_firms,
    collusive_matrix: _set_by_alliance,
    marginal_cost_matrix: _at_cost,
}
"""By who sets prices, how a firm sells alone."""


def _benefit(case: Case, regime: Regime, i: int, alone: Alone) -> Array:
    """Q (1, 2, 2) of what the chooser gets before investment costs: firm i's variable profit, or
    what is bought less what it costs."""
    weight = float(np.ravel(regime.welfare_weight)[0]) if regime.chooser == "planner" else 0.0
    H = inverse_slope_matrix(case)[0]
    worth = np.outer(H[i], alone.sold) - H[i, i] / 2 * np.outer(alone.sold, alone.sold)
    Q = weight * worth + (1 - weight) * np.outer(alone.margin, alone.sold)
    return np.asarray((Q + Q.T)[None] / 2)


def most_without(
    case: Case, regime: Regime, known: Array, tolerances: Tolerances = DEFAULT
) -> Array:
    """The highest payoff (L, 2) found for a sole chooser with either firm alone in the market, in
    the L lanes of a flat case, natural units; minus infinity where none was, or none is above what
    is `known` to be had with both (L,). Of equal firms the first alone is looked at."""
    lanes = max(case.batch[0], len(benefit_matrix(case, regime)))
    most = np.full((lanes, 2), -np.inf)
    asked = ~(bound_alone(case, regime) <= known[:, None])
    lane, firm, benefit, cone = [], [], [], []
    for k in range(lanes):
        at, own = case.take([k]), regime.of(np.array([k]))
        for i in (0,) if at.symmetric() else (0, 1):
            for alone in ALONE[own.prices](at, i) if asked[k, i] and own.prices in ALONE else ():
                lane.append(k)
                firm.append(i)
                benefit.append(_benefit(at, own, i, alone))
                cone.append(np.stack(alone.cone))
    if not lane:
        return most
    payoff = Payoff(
        case=case.take(np.array(lane)), benefit=np.concatenate(benefit), cost_weight=BOTH
    )
    np.maximum.at(most, (lane, firm), _most(payoff, np.stack(cone), regime, tolerances))
    return most


def bound_alone(case: Case, regime: Regime) -> Array:
    """A payoff (L, 2) above which a sole chooser has none with firm i alone, in the lanes of a flat
    case, natural units; infinite where this tells none.

    Firm j is out at N_j <= 0 alone, so that i has invested t_i >= l / r, at least what takes j's
    demand, and j at most r t_i - l. So N_i <= a + d t_i, and what i sells is worth no more than
    b_j N_i^2 / (2 (b_i b_j - x^2)): all of it, at a price of nothing but cost. It takes k kappa
    t_i^2 / 2, kappa being what remains of costs whatever is shared.
    """
    if not form_of(case).falling_share or case.unit_cost is not None:
        return np.full((1, 2), np.inf)
    weight = np.maximum(np.reshape(regime.welfare_weight, (-1, 1)), 1.0)
    b, x, spill = case.own_slope + np.zeros(2), case.cross_slope, case.demand_spillover
    taken = rival(case.rivalry + np.maximum(-spill, 0.0))
    base = rival(case.intercept - case.leakage_own)
    passed = np.maximum(spill - case.rivalry, 0.0)
    slope = 1 + passed * taken
    level = case.intercept + case.leakage_cross + case.leakage_interaction - passed * base
    worth = weight * rival(b) / (b * rival(b) - x**2)
    bend = case.cost_scale * remaining_cost(case) - worth * slope**2
    never = base > taken * np.minimum(case.investment_cap, VAST)
    first = np.where(never, 0.0, np.maximum(base, 0.0) / np.where(never | (taken <= 0), 1.0, taken))
    bent = bend > NOTHING * case.cost_scale
    t = np.maximum(first, worth * slope * level / np.where(bent, bend, 1.0))
    most = worth * level**2 / 2 + (worth * slope * level - bend * t / 2) * t
    return np.where(never, -np.inf, np.where(bent, most, np.inf))


def better_without(without: Array, every_firm: float) -> LeavingOut | None:
    """The firm without which a sole chooser has more than `every_firm`, given the highest payoffs
    (2,) with either firm alone, natural units; None where there is none."""
    i = int(without.argmax())
    value = float(without[i])
    if not value > every_firm + 1e-9 * max(1.0, abs(every_firm)):
        return None
    return LeavingOut(firm=1 - i, value=value, every_firm=every_firm)


def _most(payoff: Payoff, cone: Array, regime: Regime, tolerances: Tolerances) -> Array:
    """The highest payoffs (L,) found inside cones (L, 2, 2); minus infinity where none lies
    there."""
    case, lanes = payoff.case, len(cone)
    # Only where it would be without limit if all net intercepts counted, or unit costs may be what
    # one likes, is it asked whether it is inside the cone.
    endless = np.zeros(lanes, bool)
    if not np.isfinite(case.investment_cap).all():
        endless |= unbounded(case, required_scale(case, payoff.benefit))
        endless |= dearer_at_will(case).any(-1)
    some = np.flatnonzero(endless)
    if len(some):
        there = case.take(some)
        endless[some] = unbounded(there, required_scale(there, payoff.benefit[some], cone[some]))
    start = all_around(payoff, lanes)[1].reshape(lanes, -1, 4)
    start = np.concatenate([start, start * [1, 1, 1, 0], start * [1, 1, 0, 1]], 1)
    lane = np.repeat(np.arange(lanes), start.shape[1])
    bounds = level_bounds(case.take(lane), len(lane), regime.sharing_range)
    start = np.clip(start.reshape(-1, 4), *bounds)
    among = among_sellers(payoff.take(lane), cone[lane], RATE)
    value = -np.nan_to_num(among.value(start), nan=-np.inf).reshape(lanes, -1)
    first = np.argsort(value, axis=1, kind="stable")[:, :CLIMBS]
    rows = (np.arange(lanes)[:, None] * value.shape[1] + first).ravel()
    # Those are close to each other, and may all lead out of the cone.
    peaks = _peaks(payoff, cone)
    start = np.concatenate([start[rows], *peaks])
    lane = np.concatenate([lane[rows], np.repeat(np.arange(lanes), [len(one) for one in peaks])])
    at = payoff.take(lane)
    bounds = level_bounds(at.case, len(lane), regime.sharing_range)
    found = maximise(at, start, *bounds, tolerances)
    inside = _inside(cone[lane], net_intercept(at.case, found.x))
    inside &= found.residual <= tolerances.residual
    F = unit_cost(at.case, found.x)
    if F is not None:
        inside &= (F.value >= 0).all(-1)
    most = np.full(lanes, -np.inf)
    np.maximum.at(most, lane, np.where(inside, found.value, -np.inf))
    return np.where(endless, np.inf, most)


def _inside(cone: Array, net: Array) -> NDArray[np.bool_]:
    """Whether net intercepts (..., 2) are inside a cone (..., 2, 2), beyond rounding.

    What the one that is out would pay per unit cancels in what is left to the other: where it is
    vast, only its rounding may be left.
    """
    left, size = apply_matrix(cone, net), apply_matrix(np.abs(cone), np.abs(net))
    first, second = np.moveaxis(left >= NOTHING * size, -1, 0)
    return np.asarray(first & second)


def _peaks(payoff: Payoff, cone: Array) -> list[Array]:
    """Of each lane the levels (n, 4) inside its cone at which payoff is highest among those beside
    them on a grid of all sizes; the highest first, at most so many as are climbed from."""
    found: list[Array] = []
    case = None
    for k, sold in enumerate(cone):
        at = payoff.take([k])
        if at.case is not case:  # the same in all lanes where regimes of one market are compared
            case, x = at.case, all_sizes(at.case)
            net, cost, F = net_intercept(case, x), investment_cost(case, x), unit_cost(case, x)
            real = True if F is None else (F.value >= 0).all(-1)
        inside = real & _inside(sold, net)
        found.append(peaks_on(x, np.where(inside, at.of(net, cost), -np.inf))[:CLIMBS])
    return found
