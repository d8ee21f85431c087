"""A regime solved: one function for the lanes of a flat case, of which a single case is one.

A few starts in every lane find what holds; where all of it is one point nothing is left to choose.
`prove` asks for everything: many starts, every solution found listed, proof that an optimum is
global, uniqueness and stability of an equilibrium.

Everything is computed in natural units (`market.units`), so that no answer depends on what money
and quantities are counted in, and given back in the market's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from market.certify.proof import bound_optimum
from market.certify.uniqueness import every_firm_stays, uniqueness
from market.model.case import Array, Case
from market.model.cost import unit_cost
from market.model.outcome import (
    ROUNDING,
    Outcome,
    Solution,
    Uniqueness,
    account,
    every_firm_sells,
    exchanged,
    other_point,
)
from market.model.payoff import Payoff
from market.model.pricing import sold_matrix
from market.model.units import in_units, levels_in, natural_units
from market.model.wellposed import explain_zero_unit_cost
from market.regimes.edges import at_an_edge
from market.regimes.exits import driven_out, listed
from market.regimes.leaving_out import better_without, most_without
from market.regimes.nil_cost import zero_unit_cost_pays
from market.regimes.nothing import Market, edge_met, failed, out_at_most, why_nothing
from market.regimes.objectives import firm_game, level_bounds, sole_payoff
from market.regimes.points import Points
from market.regimes.record import Outcomes, joined, outcome_at, outcomes, restored
from market.regimes.search import given, optima, searched, staged, thorough, thorough_optima
from market.regimes.sellers import RATE, STEEPEST, WithEveryFirm, among_sellers, climb_among_sellers
from market.regimes.starts import all_around, more_afar, of_all_sizes
from market.regimes.table import (
    REGIMES,
    Regime,
    needed_scale,
    side_by_side,
    unbounded,
    why_unbounded,
)
from market.regimes.together import best, best_with_every_firm, fewer_steps, held_levels, more_than
from market.solve.equilibrium import reply_eigenvalues
from market.solve.tolerances import DEFAULT, Tolerances

PROVEN = 64
"""Markets that are searched thoroughly together: each takes many starts."""


def solve_regimes(case: Case, tolerances: Tolerances = DEFAULT) -> dict[str, Outcome]:
    """The outcomes of all regimes at one case, in the order of reports."""
    case, found = case.flat(), dict[str, Outcome]()
    sole = [regime for regime in REGIMES.values() if regime.sole]
    for regime in REGIMES.values():
        image = found.get(regime.mirror_of or "") if case.symmetric() else None
        if image is not None:
            found[regime.key] = image.exchanged(regime.key)
        elif regime.sole:
            if regime is sole[0]:
                alike = solve_lanes(
                    case,
                    side_by_side(sole),
                    len(sole),
                    prove=True,
                    leaving=True,
                    tolerances=tolerances,
                )
            found[regime.key] = outcome_at(case, regime, alike, sole.index(regime))
        else:
            found[regime.key] = solve_regime(case, regime, tolerances)
    return found


def solve_regime(case: Case, regime: str | Regime, tolerances: Tolerances = DEFAULT) -> Outcome:
    """The outcome of one regime at one case (no batch axes), with its certificate."""
    case = case.flat()
    regime = REGIMES[regime] if isinstance(regime, str) else regime
    return outcome_at(
        case,
        regime,
        solve_lanes(case, regime, 1, prove=True, leaving=True, tolerances=tolerances),
        0,
    )


def solve_markets(
    case: Case,
    key: str | Regime,
    lanes: int,
    tolerances: Tolerances = DEFAULT,
    *,
    roughly: bool = False,
) -> Outcomes:
    """The outcomes of one regime at the L markets of a flat case, with the statuses each would have
    alone: whatever is not plain (nothing found, several optima or equilibria, a kink, equilibria
    that few starts may miss) is searched thoroughly.

    `roughly`: statuses and levels alone, without words; a sole chooser's markets are then all
    searched together, also for what pays with every firm selling.
    """
    regime = REGIMES[key] if isinstance(key, str) else key
    found = solve_lanes(
        case, regime, lanes, roughly=roughly, briefly=roughly and regime.sole, tolerances=tolerances
    )
    left = np.flatnonzero(~(found.plain | (roughly and regime.sole)))
    if not len(left):
        return found
    more = solve_lanes(
        case.take(left), regime.of(left), len(left), prove=True, tolerances=tolerances
    )
    return joined(lanes, [(slice(None), found), (left, more)])


def solve_lanes(
    case: Case,
    regime: Regime,
    lanes: int,
    *,
    starts: Array | None = None,
    prove: bool = False,
    bounded: bool | NDArray[np.bool_] = False,
    leaving: bool = False,
    roughly: bool = False,
    briefly: bool = False,
    tolerances: Tolerances = DEFAULT,
) -> Outcomes:
    """One regime at the L lanes of a flat case.

    Every lane is searched from a few starts, or from the `starts` (m, L, 4) given, as neighbours'
    solutions are; with `prove` from many, with every proof there is and, where `leaving`, what
    leaving a firm out would pay; `bounded`: where payoffs are known to have a limit, (L,). Among
    several solutions the one of highest payoff, in games of highest joint profit, is taken.
    `roughly`: see `solve_markets`; `briefly`: climbs that take long are given up. With it, or from
    `starts`, it is not asked whether more is to be had far away: `plain` says nothing of that.
    """
    if briefly:
        tolerances = fewer_steps(tolerances)
    units = natural_units(case)
    if starts is not None:
        starts = levels_in(starts, units)
    near = starts is not None or briefly
    own, case = case, in_units(case, units)
    # Few markets would be unbounded even if firms could sell less than nothing: only those are
    # asked whether they are with every firm in.
    endless = np.zeros(lanes, bool)
    asked = np.flatnonzero(np.broadcast_to(np.logical_not(bounded), lanes))
    if len(asked) and not (lanes > 1 and _bounded_with_most_knowledge(case, regime)):
        at = case if len(asked) == lanes else case.take(asked)
        endless[asked] = unbounded(at, needed_scale(at, regime.of(asked), every_firm=False))
    some = np.flatnonzero(endless)
    needed, limitless = np.full(lanes, -np.inf), endless.copy()
    if len(some):
        needed[some] = needed_scale(case.take(some), regime.of(some))
        limitless[some] = unbounded(case.take(some), needed[some])
    parts: list[tuple[NDArray[np.intp], Outcomes]] = []
    for lane in np.flatnonzero(limitless):
        there = units.take([lane])
        message = (
            ""
            if roughly
            else why_unbounded(
                own.take([lane]),
                regime.of(np.array([lane])),
                float(needed[lane] * there.of("cost_scale")[0, 0]),
            )
        )
        parts.append(
            (np.array([lane]), outcomes(1, status="unbounded", message=message, plain=True))
        )
    on = np.flatnonzero(~limitless)
    size = PROVEN if prove else regime.block
    for k in range(0, len(on), size):
        some = on[k : k + size]
        at, here = case if len(some) == lanes else case.take(some), regime.of(some)
        if prove:
            markets = [
                Market(
                    case=case.take([lane]),
                    own=own.take([lane]),
                    units=units.take([lane]),
                    regime=regime.of(np.array([lane])),
                    endless=bool(endless[lane]),
                    leaving=leaving,
                )
                for lane in some
            ]
            each = (_proven_optima if regime.sole else _proven)(markets, at, here, tolerances)
            found = joined(len(some), [([k], alone) for k, alone in enumerate(each)])
        else:
            points = (
                searched(at, here, len(some), tolerances)
                if starts is None
                else given(at, here, starts[:, some], tolerances)
            )
            if roughly and regime.sole:
                found = best_with_every_firm(at, here, points, endless[some], tolerances)
            else:
                found = best(at, here, points, endless[some], tolerances, not near)
        parts.append((some, found))
    return restored(parts[0][1] if len(parts) == 1 else joined(lanes, parts), units)


def _bounded_with_most_knowledge(case: Case, regime: Regime) -> bool:
    """Whether lanes that differ in the use of knowledge alone all have bounded payoffs, because the
    market in which both firms have the most use of it that there is in any has.

    Knowledge lowers costs at all levels and does nothing else, so that payoffs at any levels rise
    with both cost spillovers: what grows without limit along a path still does with higher ones.
    """
    most = replace(case, cost_spillover=case.cost_spillover.max(0, keepdims=True))
    if most.batch != (1,) or np.size(regime.welfare_weight) > 1 or regime.each:
        return False
    return not unbounded(most, needed_scale(most, regime, every_firm=False)).any()


def _proven(
    markets: list[Market], case: Case, regime: Regime, tolerances: Tolerances
) -> list[Outcomes]:
    """The outcomes of firms that choose, in bounded markets, each searched from many starts; the
    markets are the lanes of the case. Games in stages are searched together."""
    out = []
    together = staged(case, regime, len(markets), tolerances, True) if regime.staged else None
    for k, market in enumerate(markets):
        if together is not None:
            only, points = None, together.take(together.lane == k)
        else:
            only = uniqueness(market.case, market.regime.imposed)
            surely = only.status == "proven"
            points = thorough(market.case, market.regime, surely, tolerances)
        real = points.holds & points.market
        out.append(
            _judged(market, points.take(real), only, np.nan, None, tolerances)
            if real.any()
            else why_nothing(market, points, tolerances)
        )
    return out


def _proven_optima(
    markets: list[Market], case: Case, regime: Regime, tolerances: Tolerances
) -> list[Outcomes]:
    """The same of a sole chooser, the markets searched and bounded above together."""
    points, payoff = (
        thorough_optima(case, regime, len(markets), tolerances),
        sole_payoff(case, regime),
    )
    without: dict[int, Array] = {}
    if len(asked := np.array([k for k, one in enumerate(markets) if one.leaving], np.intp)):
        known, real = np.full(len(markets), -np.inf), points.holds & points.market
        real &= ~points.saddles()
        np.maximum.at(known, points.lane[real], points.worth[real])
        most = most_without(case.take(asked), regime.of(asked), known[asked], tolerances)
        without = dict(zip(asked.tolist(), most, strict=True))
    out: dict[int, Outcomes] = {}
    kept: dict[int, Points] = {}
    for k, market in enumerate(markets):
        alone = float(without[k].max()) if k in without else -np.inf
        some, instead = _with_what_seems_better(
            market, points.take(points.lane == k), alone, tolerances
        )
        real = some.holds & some.market
        if instead is not None or not real.any():
            out[k] = instead or why_nothing(market, some, tolerances)
        else:
            kept[k] = some.take(real)
    gap, left = np.full(len(markets), np.nan), np.array(list(kept), np.intp)
    for _ in range(2):
        if not len(left):
            break
        tops = [kept[k].take(int(kept[k].worth.argmax())) for k in left]
        top, best = np.array([one.worth for one in tops]), np.array([one.levels for one in tops])
        bound = bound_optimum(payoff.take(left), top, tolerances, best)
        gap[left] = np.where(np.isfinite(bound.gap), bound.gap, np.nan)
        # The proof met a better point than every start led to. If it describes no market, nothing
        # is proven about those that do.
        met = np.isfinite(bound.better[:, 0])
        left, better = left[met], bound.better[met]
        if len(left):
            real = account(case.take(left), better, regime.of(left).prices).describes_market
            left, better = left[real], better[real]
        for k, x in zip(left, better, strict=True):
            one = optima(
                payoff.take([k]),
                markets[k].regime,
                np.zeros(1, np.intp),
                x[None],
                tolerances,
                curved=True,
            )
            kept[k] = Points.joined([kept[k], one])
    for k, some in kept.items():
        out[k] = _judged(markets[k], some, None, float(gap[k]), without.get(k), tolerances)
    return [out[k] for k in range(len(markets))]


def _judged(
    market: Market,
    points: Points,
    only: Uniqueness | None,
    gap: float,
    without: Array | None,
    tolerances: Tolerances,
) -> Outcomes:
    """The outcome of one market to which these points lead, which hold: the best, with what can be
    proven of it, the others listed. `without` (2,): what a sole chooser could have with either firm
    alone, where that is asked."""
    case, regime = market.case, market.regime
    order = points.ranked(1e3 * tolerances.distinct if regime.staged else tolerances.distinct)
    if regime.sole:
        # A saddle is no optimum: only points without an ascending direction among the free levels
        # are listed.
        saddles = points.saddles()
        order = [i for i in order if not saddles[i]]
        if (no := _no_optimum(market, points, order)) is not None:
            return no
    best, x = order[0], points.levels[order]
    edge = (
        edge_met(market, x[0], float(points.worth[best]))
        if regime.agreed and points.switching[best]
        else None
    )
    if edge is not None:
        return edge
    moduli = np.full(4, np.nan)
    stable: list[bool | None] = [None] * len(order)
    alone: tuple[Solution, ...] = ()
    if only is not None:
        found = reply_eigenvalues(firm_game(case, regime), x, tolerances)
        moduli, stable = found[0], [bool(largest < 1) for largest in found.max(-1)]
        stays = only.status == "proven" and every_firm_stays(market.case)
        if not stays:
            alone = listed(market.case, driven_out(market.case, regime, tolerances))
        if len(order) + len(alone) > 1:
            apart = f", {len(alone)} of them with a firm out" if alone else ""
            several = f"{len(order) + len(alone) - 1} other found{apart}"
            only = Uniqueness(status="no", basis=several)
        elif only.status == "proven" and not stays:
            only = replace(only, basis=f"{only.basis}; none was found with a firm out")
    held, switching = held_levels(case, regime, x[:1], tolerances), bool(points.switching[best])
    return outcomes(
        1,
        status="corner" if held.any() or switching else "converged",
        levels=x[0],
        residual=points.residual[best],
        regret=points.regret[best],
        curvature=points.curvature[best],
        binding=held,
        switching=switching,
        ending=points.ending[best],
        several=len(order) + len(alone) > 1,
        plain=True,
        thorough=True,
        proven=bool(gap <= tolerances.gap) if regime.sole else not regime.staged,
        gap=gap,
        leaving_out=(
            None if without is None else better_without(without, float(points.worth[best]))
        ),
        unique=only,
        reply_eigenvalues=moduli,
        others=(
            *(
                other_point(case, regime.prices, y, s)
                for y, s in zip(x[1:], stable[1:], strict=True)
            ),
            *alone,
        ),
    )


def _with_what_seems_better(
    market: Market, points: Points, alone: float, tolerances: Tolerances
) -> tuple[Points, Outcomes | None]:
    """A sole chooser's points, with the best of those at which every firm sells where something
    seems to pay more than what was found; and what is told instead where it does.

    Payoff squares prices, so levels with negative ones can look good: they describe no market and
    count nowhere. Where the chooser could have more with a firm `alone`, it may also have more up
    to where that firm's rival stops selling.
    """

    def reached(points: Points) -> float:
        # Payoff is flat where nothing is sold; what curves upward there is no optimum.
        real = points.holds & points.market & ~points.saddles()
        return float(points.worth[real].max(initial=-np.inf))

    best, driven, regime = reached(points), None, market.regime
    payoff = sole_payoff(market.case, regime)
    refused = bool(zero_unit_cost_pays(payoff, regime, np.array([best]))[0])  # climbs run after it
    seems = bool((points.worth[points.holds | ~points.market] > more_than(best)).any())
    seems |= alone > more_than(best)
    afar = more_afar(payoff, regime, np.array([more_than(best)]))[0]
    if seems or refused or not np.isfinite(best) or market.endless or afar:
        more, driven = _with_every_firm(market, tolerances)
        points = Points.joined([points, more])
        best = reached(points)
    limit = -np.inf if driven is None else float(driven.value[0])
    if refused and zero_unit_cost_pays(payoff, regime, np.array([max(best, limit)]))[0]:
        why = explain_zero_unit_cost(market.own, regime.maximised)
        return points, failed("infeasible", why)
    return points, driven if limit > more_than(best) else None


def _no_optimum(market: Market, points: Points, order: list[int]) -> Outcomes | None:
    """Why a sole chooser has no optimum among points, of which those of an order are none but
    optima; None where it has."""
    if not order:
        return failed(
            "not_converged",
            f"{market.regime.maximised} has no optimum among the levels at which ascents ended",
        )
    top, reached = float(points.worth.max()), float(points.worth[order[0]])
    if top > more_than(reached):  # a saddle of a market, from which ascents leave what is one
        return failed(
            "infeasible",
            f"{market.regime.maximised} is highest where some price or quantity would be negative:"
            f" {market.money(top):.6g} is reached on the way there, and"
            f" {market.money(reached):.6g} at the best optimum of a market",
        )
    return None


def _with_every_firm(market: Market, tolerances: Tolerances) -> tuple[Points, Outcomes | None]:
    """Optima among levels at which every firm sells; where the chooser would rather drive one out,
    what there is to say of that."""
    case, regime = market.case, market.regime
    payoff = sole_payoff(case, regime)
    among = among_sellers(payoff, np.broadcast_to(sold_matrix(case, regime.prices), (1, 2, 2)))
    start, wide = (
        all_around(payoff, 1)[1],
        of_all_sizes(case, partial(_no_cost_below_zero, case, among.value)),
    )
    wide = np.concatenate([wide, at_an_edge(payoff, among.sold, 1)[1]])
    start = np.concatenate(
        [
            start,
            start[: len(start) // 5] * [1, 1, 1, 0],
            start[: len(start) // 5] * [1, 1, 0, 1],
            wide,
        ]
    )
    parts = [_among_sellers(case, regime, payoff, start, tolerances)]
    # Where a price is high a climb may leave the market at first and never return: from what is
    # better than all it found, steeply.
    sells = every_firm_sells(case, wide, regime.prices)
    promising = wide[sells & (payoff.value(wide) > parts[0].value.max(initial=-np.inf))]
    if len(promising):
        parts.append(_among_sellers(case, regime, payoff, promising, tolerances, STEEPEST))
    # Firms that are nearly alike have optima in pairs.
    edge = np.unique(np.concatenate([part.x[part.out.any(-1)] for part in parts]).round(7), axis=0)
    if len(edge):
        mirrored = np.concatenate([edge[:, [1, 0, 2, 3]], edge[:, [1, 0, 3, 2]]])
        parts.append(_among_sellers(case, regime, payoff, mirrored, tolerances))
    found = WithEveryFirm(
        **{name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])}
    )
    inside = ~found.out.any(-1)
    points = optima(
        payoff,
        regime,
        np.zeros(int(inside.sum()), np.intp),
        found.x[inside],
        tolerances,
        curved=True,
    )
    bound = np.where(inside, -np.inf, found.value)
    if not len(bound):
        return points, None
    best = int(bound.argmax())
    if not np.isfinite(bound[best]) or bound[best] <= float(
        points.worth[points.holds & points.market].max(initial=-np.inf)
    ):
        return points, None
    # Of equal firms either could be; one has to be named.
    firm, value, x = int(np.flatnonzero(found.out[best])[0]), float(bound[best]), found.x[best]
    if case.symmetric() and firm == 0:
        firm, x = 1, exchanged(x)
    without = most_without(case, regime, np.array([value]), tolerances)[0]
    return points, out_at_most(
        market, regime.maximised, firm, value, x, better_without(without, value)
    )


def _no_cost_below_zero(case: Case, value: Callable[[Array], Array], x: Array) -> Array:
    """A value (n,) of levels (n, 4) where no unit cost is negative; elsewhere minus infinity."""
    cost = unit_cost(case, x)
    return value(x) if cost is None else np.where((cost.value >= 0).all(-1), value(x), -np.inf)


def _among_sellers(
    case: Case,
    regime: Regime,
    payoff: Payoff,
    start: Array,
    tolerances: Tolerances,
    rate: float = RATE,
) -> WithEveryFirm:
    """Where climbs among sellers from levels (n, 4) arrive; those that arrive nowhere, or where a
    unit cost is negative, left out."""
    bounds = level_bounds(case, len(start), regime.sharing_range)
    many = payoff.take(np.zeros(len(start), np.intp))
    found = climb_among_sellers(
        many, sold_matrix(case, regime.prices), start, *bounds, tolerances, rate
    )
    cost = unit_cost(case, found.x)
    holds = (found.residual <= tolerances.residual) & (
        True if cost is None else (cost.value >= -ROUNDING * cost.rise).all(-1)
    )
    return WithEveryFirm(**{name: array[holds] for name, array in vars(found).items()})
