"""Subsidies per unit that are set before types are drawn, and played by firms that know their own
type alone.

No rates fit every draw. The best are those whose Bayesian equilibrium has the highest value under a
standard (`mechanism.casefile.standard`),

    V = CS + beta (profits + outlay) - (1 + mu) outlay

consumers not losing against today's market (`bayes_nash`) unless that is allowed. Flat parts beside
the rates are the least with which every type joins: firm i receives on balance

    m_i = E[rates_i . x_i] + max over types k of (o_i(k) - U_i(k))

U_i(k) being what type k expects at the rates and o_i(k) what staying out is worth. Outlay is max(0,
m_1 + m_2), since money may pass between the firms but not on balance to the public, or m_1 + m_2
where fees may be charged. Where nobody may refuse there are no flat parts, and no type may be left
with less than nothing.

At mu = 1 - beta = 0 outlay does not count and V is smooth in the rates: BFGS. Otherwise it has
kinks where the type that gains least changes, or outlay its sign: stated with flat parts and outlay
as variables (their epigraph) it is smooth again, for SLSQP. Slopes follow from the conditions of
equilibrium.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import qmc

from market.model.case import Array, Case
from market.model.outcome import account
from market.model.pricing import bertrand_matrix
from market.model.units import levels_from
from market.regimes import REGIMES, headroom
from market.solve.tolerances import DEFAULT, Tolerances
from mechanism.casefile.policies import GOAL
from mechanism.casefile.standard import LEAST_WEIGHT, Standard
from mechanism.casefile.types import TypeSpace
from mechanism.design.options import NO_OUTSIDE, WhyNot
from mechanism.frozen import freeze
from mechanism.rates.climbs import ROUNDS, Follower, ascent, constrained
from mechanism.rates.rates_problem import Piece, Point, RatesProblem
from mechanism.scheme.allocation import case_at_pairs, per_firm
from mechanism.scheme.behaviour import ExpectedOutcome
from mechanism.scheme.private_market import (
    PrivateEquilibrium,
    examined,
    expected_under,
    pairs_of,
    private_game,
)

SCANNED = 32
"""Rates spread around those that would make firms count all others' gains, at which the value is
looked at."""
SEARCHED = 17
"""Types with which the best rates are searched where there are three times as many: with seven of
15 to 28 types the best was missed in two of 86 markets."""
CLIMBED = 3
"""How many of these and of the starts that are given are climbed from: the best on each piece, and
then the best of the others."""
PIECES, IDLE = 100, 12
"""How many pieces between kinks are searched, and how many since the last on which something better
was found, before those beside them are left out."""
EDGE = 1e-7
"""What counts as the edge of a piece, natural units."""
PROBED = (0.1, 0.01, 1e-3, 1e-4)
"""Steps in every rate, as shares of the rates' size, by which the best rates are tried for
something better near them."""

NO_TODAY = WhyNot(
    code="no_today", text="today's market has no equilibrium to compare with or to start from"
)
NO_LIMIT = WhyNot(
    code="no_limit",
    text="the higher the rates the better by this standard, without limit: nothing makes up for"
    " what firms lose by them",
)
NO_RATES = WhyNot(
    code="no_rates", text="no rates were found at which the types' choices are an equilibrium"
)


@dataclass(frozen=True, kw_only=True)
class FixedRates:
    """Rates that are fixed before types are drawn, and what firms of every type then choose."""

    rates: Array
    """(2, 4): money per unit of each level, by firm; zero for what the other firm chooses."""
    strategy: Array
    """(2 firms, M points, 2): sharing and investment of each type of the grid."""
    levels: Array
    """(K, K, 4): what types k and l choose, of those expectations are taken over."""
    payoff: Array
    """(2, M): what each type expects to earn, payments per unit included."""
    flat: Array | None
    """(2,): the least flat payments with which every type joins, money; zero where nobody may
    refuse, None where what staying out is worth is not known."""
    least_receipts: Array | None
    """(2,): m, what each firm then receives on balance, expected; money. None as before."""
    expected: ExpectedOutcome
    """Expectations; net transfers are what is received per unit."""
    value: float
    """V, money."""
    residual: float
    """Largest first-order residual of any type, natural units."""
    regret: float
    """Largest gain of any type from a global change of its levels, natural units."""

    def __post_init__(self) -> None:
        freeze(self)


def best_rates(
    case: Case,
    types: TypeSpace,
    today: PrivateEquilibrium,
    standard: Standard,
    market_levels: Array | None = None,
    starts: Sequence[Array] = (),
    plain: bool = False,
    tolerances: Tolerances = DEFAULT,
) -> FixedRates | WhyNot:
    """The rates of the highest value under a standard in one market, or why there are none.

    `today` is its `bayes_nash`, `market_levels` (M, M, 4) is `nash` at all pairs of points, asked
    for where firms decide whether to join knowing both types (timing ex_post); `starts` are rates
    (2, 4) to search from besides zero and those that make up for what firms do to others in today's
    market. With `plain` these are all, as where the best rates under a similar standard are known;
    without it rates spread around them are looked at as well.
    """
    before = expected_under(case, types, today)
    if not (today.converged and before.describes_market):
        return NO_TODAY
    if standard.participation == "ir1" and _no_limit(case, types, standard):
        return NO_LIMIT
    problem = RatesProblem.of(case, types, today, before, standard, market_levels)
    if problem.flat_matters and not np.isfinite(problem.outside).all():
        return NO_OUTSIDE
    own = [problem.rates_in(start) for start in starts]
    for point in _best(problem, own, plain):
        found = _certified(problem, point, tolerances)
        if found is not None:
            return found
    return NO_RATES


def _no_limit(case: Case, types: TypeSpace, standard: Standard) -> bool:
    """Whether consumers' surplus and profits, weighed as the standard does, grow without limit in
    all extreme pairs of types, so that some rates beat any others."""
    weight = max(float(standard.profit_weight), LEAST_WEIGHT)
    ends = types.points[..., [0, -1]]
    pairs = case_at_pairs(case, ends, types.parameter).flat()
    regime = replace(REGIMES[GOAL], welfare_weight=1 / weight)
    return bool((headroom(pairs, regime) <= 0).all())


# --- the search


def _best(problem: RatesProblem, starts: Sequence[Array], plain: bool) -> Iterator[Point]:
    """Rates from the best found downward, searched with few of many types."""
    few, shares = problem.among(SEARCHED)
    zero = few.points(np.zeros((1, few.spread.shape[1])), few.start[None])[0]
    if zero is None:
        return

    def downward(points: Sequence[Point | None]) -> list[Point]:
        found = [point for point in points if point is not None]
        return sorted(found, key=few.value, reverse=True)

    given = [_followed(few, zero, free) for free in starts]
    looked = downward([zero, *given, *_scan(few, zero, starts, plain)])
    seen = [point for point in looked if few.describes_market(point)] or looked
    feet = _by_pieces(few, seen)[: 1 if plain else CLIMBED]
    tops = downward([_climbed(few, point) for point in feet])
    reached = (_polished(few, tops[0]), *downward([*tops, *seen]))
    for point in _with_least(few, reached):
        if few is problem:
            yield point
            continue
        z = np.einsum("ka,iav->ikv", shares, point.z.reshape(2, -1, 2)).reshape(1, -1)
        found = problem.points(point.free[None], z)[0]
        if found is not None:
            yield _over_pieces(problem, _climbed(problem, found))


def _with_least(problem: RatesProblem, points: Sequence[Point]) -> Iterator[Point]:
    """Each at the smallest rates that lead there, then as it is: what keeps a type at a bound to
    first order may not keep it from levels far away."""
    for point in points:
        least = _least(problem, point, problem.piece_at(point))
        yield from [point] if least is point else [least, point]


def _by_pieces(problem: RatesProblem, points: Sequence[Point]) -> list[Point]:
    """The same, the first of every piece before all others: climbs from one piece often meet."""
    firsts: dict[bytes, Point] = {}
    rest = [p for p in points if firsts.setdefault(problem.game.sides(p.z).tobytes(), p) is not p]
    return [*firsts.values(), *rest]


def _followed(problem: RatesProblem, zero: Point, free: Array) -> Point | None:
    """What these rates lead to, reached from zero rates at once or step by step."""
    for steps in (1, 8):
        path = Follower(problem, zero)
        ends = [path.at(share * free) for share in np.linspace(0, 1, steps + 1)[1:]]
        if ends[-1] is not None:
            return ends[-1]
    return None


def _scan(problem: RatesProblem, zero: Point, starts: Sequence[Array], plain: bool) -> list[Point]:
    """What rates lead to that make up for what is done to others and, unless `plain`, those spread
    around them and around zero, each also with the firms exchanged, so that it does not matter
    which firm is the first."""
    n = len(zero.free)
    towards = problem.externalities(zero)
    size = np.max([np.abs(towards), np.full(n, 0.01), *map(np.abs, starts)], axis=0)
    spread = qmc.Halton(n, scramble=False).random(SCANNED + 1)[1:]
    if not problem.symmetric:
        spread = np.concatenate([spread, spread[:, [2, 3, 0, 1]]])
    free = np.concatenate([towards[None], (4 * spread - 1) * size])[: 1 if plain else None]
    found = problem.points(free, np.repeat(zero.z[None], len(free), axis=0))
    return [point for point in found if point is not None]


def _climbed(problem: RatesProblem, start: Point) -> Point:
    """The best rates that are reached from these."""
    follower = Follower(problem, start)
    smooth = problem.burden == 0 and problem.joins
    found = ascent(problem, follower) if smooth else start
    if not smooth or problem.value(found) == -np.inf:
        found = constrained(problem, follower)
    return max(start, found, key=problem.value)


def _polished(problem: RatesProblem, point: Point) -> Point:
    """The best rates reached from these: on their piece and its neighbours there are none better,
    nor among those looked at near them."""
    for _ in range(ROUNDS):
        point = _over_pieces(problem, point)
        near = _nearby(problem, point)
        if problem.value(near) <= problem.value(point) + problem.gain:
            break
        point = _climbed(problem, near)
    return point


def _over_pieces(problem: RatesProblem, point: Point) -> Point:
    """From rates to the best on their piece, and on to the best of all neighbouring pieces while
    that is better: the first that is would be another one with the firms exchanged."""
    layer, seen, last = [(problem.piece_at(point), point)], set[bytes](), 0
    while layer and len(seen) < min(PIECES, last + IDLE):
        ends = []
        for piece, start in layer:
            if piece.sides.tobytes() not in seen:
                seen.add(piece.sides.tobytes())
                ends += _ends(problem, piece, start)
        ends = [e for e in ends if problem.value(e[2]) >= problem.value(point) - problem.gain]
        best = max(ends, key=lambda end: problem.value(end[2]), default=None)
        better = best is not None and problem.value(best[2]) > problem.value(point) + problem.gain
        if best is not None and better:
            ends, last = [best], len(seen)  # what lies beside the others is of no interest
        if best is not None and (better or len(seen) == 1):
            point = best[2]
        layer = [beside for piece, end, _ in ends for beside in _beside(problem, piece, end)]
    return point


def _ends(problem: RatesProblem, piece: Piece, start: Point) -> list[tuple[Piece, Point, Point]]:
    """The best rates on a piece, with what they lead to on it and at all; none where it has no
    equilibrium."""
    on_piece = problem.points(start.free[None], start.z[None], piece)[0]
    if on_piece is None:
        return []
    led = constrained(problem, Follower(problem, on_piece, piece))
    end = _least(problem, max(on_piece, led, key=problem.value), piece)
    found = problem.points(end.free[None], end.z[None])[0]
    return [] if found is None else [(piece, end, found)]


def _beside(problem: RatesProblem, piece: Piece, end: Point) -> Iterator[tuple[Piece, Point]]:
    """The pieces on whose edges rates lie too: beyond all edges at once, and beyond each."""
    values, _, beyond = piece.conditions(problem.game, end)
    tight = beyond[values <= EDGE]
    half = 2 * problem.game.size
    for some in [tight, *tight[:, None]] if len(tight) else []:
        sides = piece.sides.copy()
        sides[some[:, 0]] = some[:, 1]
        if problem.symmetric:
            sides[(some[:, 0] + half) % (2 * half)] = some[:, 1]
        yield Piece(sides=sides, counted=piece.counted), end


def _least(problem: RatesProblem, point: Point, piece: Piece) -> Point:
    """The same levels at the smallest rates that lead there: where a level of all types lies at a
    bound, a rate need not push further."""
    rates, push = problem.rates(point.free), point.push.reshape(2, -1, 2)
    low, high = ((piece.sides == side).reshape(2, -1, 2).all(1) for side in (-1, 1))
    at_low, at_high = np.minimum(rates - push.max(1), 0.0), np.maximum(rates - push.min(1), 0.0)
    least = np.where(low, at_low, np.where(high, at_high, rates))
    if (least == rates).all():
        return point
    free = np.asarray(np.linalg.lstsq(problem.spread, least.ravel(), rcond=None)[0])
    found = problem.points(free[None], point.z[None], piece)[0]
    return (
        point
        if found is None or problem.value(found) < problem.value(point) - problem.gain
        else found
    )


def _nearby(problem: RatesProblem, point: Point) -> Point:
    """The best rates among those a little off in each direction."""
    n = len(point.free)
    size = max(float(np.abs(point.free).max()), 0.01)
    steps = np.concatenate([sign * step * size * np.eye(n) for step in PROBED for sign in (1, -1)])
    found = problem.points(point.free + steps, point.z + steps @ point.slope.T)
    return max([point, *(p for p in found if p is not None)], key=problem.value)


# --- what is claimed


def _certified(problem: RatesProblem, point: Point, tolerances: Tolerances) -> FixedRates | None:
    """The claim of these rates, every type's global deviations searched; None where it does not
    hold."""
    if problem.value(point) == -np.inf:
        return None
    case, types, units = problem.case, problem.types, problem.units
    rates, nodes = problem.rates_from(point.free), problem.nodes
    game = private_game(case.map(lambda a: a[None]), types, (1,), rates[:, None])
    strategy = levels_from(point.z.reshape(2, -1, 2), units)[:, nodes]
    found = examined(game, strategy[:, None], tolerances=tolerances).take(0)
    if not found.converged:
        return None
    expected = expected_under(case, types, found, rates)
    if not expected.describes_market:
        return None
    slack = _slack(problem, found, rates)
    flat = -slack.reshape(2, -1).min(1) if problem.joins else np.zeros(2)
    known = bool(np.isfinite(flat).all())
    receipts = expected.net_transfer + flat
    paid = float(receipts.sum()) if problem.burden else 0.0
    outlay = paid if problem.standard.fees else max(paid, 0.0)
    kept = float(expected.profit.sum()) + outlay
    on_all = np.zeros((2, 4))
    on_all[0, [0, 2]], on_all[1, [1, 3]] = rates
    return FixedRates(
        rates=on_all,
        strategy=found.strategy,
        levels=pairs_of(found.strategy[:, types.nodes]),
        payoff=found.payoff,
        flat=flat if known else None,
        least_receipts=receipts if known else None,
        expected=expected,
        value=float(problem.standard.value(expected.consumer_surplus, kept, outlay)),
        residual=float(found.residual),
        regret=float(found.regret),
    )


def _slack(problem: RatesProblem, found: PrivateEquilibrium, rates: Array) -> Array:
    """What joining is worth more than staying out to every point of the grid, (2, M, M or 1),
    money."""
    case, types, stays = problem.case, problem.types, problem.stays
    received = (found.strategy * rates[:, None]).sum(-1)[..., None]
    if problem.standard.participation == "ir1":
        return np.asarray(received)
    if stays.shape[-1] == 1:
        return np.asarray(found.payoff[..., None] - stays)
    there = case_at_pairs(case, types.points, types.parameter)
    books = account(there, pairs_of(found.strategy), bertrand_matrix)
    return np.asarray(per_firm(books.profit) + received - stays)
