"""Sharing agreed on jointly, each firm's investment its own, prices following. Two firms.

`sharing_alliance` (section 11 of the model): members agree on sharing for joint profit, then each
invests for itself, then prices follow. Joint profit in agreed sharing (`agreement`) is climbed from
the peaks of a grid (`agreed_peaks`).

It may jump, where an equilibrium ends or a firm would rather drive the other out, and has a kink
where an investment reaches a bound; there climbs stall, and are finished along the edge: where an
equilibrium ends in a fold by `fold`, else by `market.solve.edge`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from market.model.case import INVESTMENT, SHARING, Array, Case
from market.model.leaving import sales, true_profits
from market.model.outcome import account
from market.model.pricing import bertrand_matrix, net_intercept
from market.regimes.agreed_peaks import FINE_SIDE, SIDE, answers, peaks
from market.regimes.agreement import Agreement, Rows, at_bounds, investment_game
from market.regimes.fold import best_fold, near_fold, runs_away_beyond
from market.regimes.points import Points
from market.solve.edge import on_an_edge
from market.solve.equilibrium import LAST_DIGITS, examine
from market.solve.optimum import free_curvature, maximise
from market.solve.search import one_sided_slope
from market.solve.tolerances import DEFAULT, Tolerances

CLIMB = 40
"""Steps of a climb: one that takes more has met a kink, a jump, or no limit."""

ANCHORED = 12
"""How often a search is begun anew from where it has led to."""

_ANGLES = np.linspace(0, 2 * np.pi, 48, endpoint=False)
CIRCLES = np.concatenate(
    [r * np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], -1) for r in 4.0 ** -np.arange(1, 14)]
)
"""Steps in sharing (n, 2) by which it is asked whether there is more around an end on an edge."""

CLOSE = 1e-9
"""Distance in sharing within which a search is begun where it was before."""

ASIDE = 0.02
"""Step in sharing by which a saddle is left."""

EDGE = 1e-4
"""Share of the larger quantity, or of the unit cost without sharing, below which one that a kink
lies at counts as zero."""


def agree(
    case: Case,
    lanes: int,
    thoroughly: bool = False,
    tolerances: Tolerances = DEFAULT,
    starts: Array | None = None,
) -> Points:
    """The sharing that members agree on and the investments that follow, in the L markets of a flat
    case, climbed from the peaks of a grid or from levels `starts` (m, L, 4) known beforehand;
    unless `thoroughly` it is not searched at kinks and jumps, nor with a firm out, and nothing is
    known where it may lie there."""
    found = _searched(case, lanes, thoroughly, False, tolerances, starts)
    refused = _refused(found, lanes)
    if len(refused):
        # there a firm gains by another investment, or nothing holds: every point is asked
        near = None if starts is None else starts[:, refused]
        again = _searched(case.take(refused), len(refused), thoroughly, True, tolerances, near)
        kept = found.take(~np.isin(found.lane, refused))
        found = Points.joined([kept, replace(again, lane=refused[again.lane])])
    missing = np.setdiff1d(np.arange(lanes), found.lane)
    if thoroughly and len(missing):
        none = _with_a_firm_out(case.take(missing), len(missing), tolerances)
        found = Points.joined([found, replace(none, lane=missing[none.lane])])
    return found


def _refused(found: Points, lanes: int) -> Rows:
    """Lanes (n,) in which the row of highest worth is no equilibrium in investments."""
    top = np.full(lanes, -np.inf)
    np.maximum.at(top, found.lane, found.worth)
    first = found.worth >= top[found.lane]
    return np.unique(found.lane[first & ~(found.regret <= DEFAULT.regret)])


@dataclass(kw_only=True)
class _Climbed:
    """Where climbs have led, one row each."""

    lane: Rows
    agreement: Agreement
    s: Array
    """(n, 2)."""
    value: Array
    residual: Array
    """As it is; infinite where a climb had nowhere to start."""
    hessian: Array
    """(n, 2, 2)."""
    x: Array
    """Levels (n, 4); NaN where nothing follows."""
    fold: NDArray[np.bool_]
    """(n,): whether what follows ends there in a fold."""
    ending: NDArray[np.bool_]
    """(n,): whether best replies grow without limit beyond it."""

    @classmethod
    def of(cls, lane: Rows, agreement: Agreement, start: Array, tolerances: Tolerances) -> _Climbed:
        """From sharing (n, 2)."""
        few = replace(tolerances, climb_steps=CLIMB)
        end = maximise(agreement, start, np.zeros_like(start), np.ones_like(start), few)
        known = np.isfinite(end.value)
        size = np.maximum(1.0, np.abs(np.where(known, end.value, 1.0)))
        return cls(
            lane=lane,
            agreement=agreement,
            s=end.x,
            value=end.value,
            residual=np.where(known, end.residual * size, np.inf),
            hessian=end.hessian,
            x=agreement.follow(end.x),
            fold=np.zeros(len(lane), bool),
            ending=np.zeros(len(lane), bool),
        )

    def take(self, rows: Rows) -> _Climbed:
        """These rows."""
        return _Climbed(
            **{
                name: value.take(rows, 0) if name != "agreement" else value.take(rows)
                for name, value in vars(self).items()
            }
        )

    def put(self, rows: Rows, other: _Climbed) -> None:
        """Others in the place of these rows."""
        for name in ("s", "value", "residual", "hessian", "x", "fold", "ending"):
            vars(self)[name][rows] = vars(other)[name]
        near = self.agreement.near.copy()
        near[rows] = other.agreement.near
        self.agreement = replace(self.agreement, near=near)

    @property
    def curvature(self) -> Array:
        """(n,), where sharing is at no bound."""
        return free_curvature(self.hessian, (self.s <= 0) | (self.s >= 1))


def _searched(
    case: Case,
    lanes: int,
    thoroughly: bool,
    checked: bool,
    tolerances: Tolerances,
    starts: Array | None,
) -> Points:
    """The local maxima to which the peaks of a grid, or the levels that are given, lead; of those
    that fail none but the highest of its lane."""
    side = FINE_SIDE if thoroughly else SIDE
    if starts is None:
        lane, start, near, piece = peaks(case, lanes, side, checked, tolerances)
    else:
        lane, levels = np.tile(np.arange(lanes), len(starts)), starts.reshape(-1, 4)
        start, near = levels[:, SHARING], levels[:, INVESTMENT]
        piece = at_bounds(case.take(lane), levels)
    # beside an edge at which a firm is about to gain none does but by rounding
    inner = replace(tolerances, regret=tolerances.regret / 2)
    agreement = Agreement(case=case.take(lane), near=near, checked=checked, tolerances=inner)
    found = _Climbed.of(lane, agreement, start, tolerances)
    saddle = np.flatnonzero((found.residual <= tolerances.residual) & (found.curvature > 1e-6))
    if len(saddle):  # as where equal firms stay equal: left in both directions
        rows = np.concatenate([np.arange(len(lane)), saddle])
        found, piece = found.take(rows), piece[rows]
        both = np.concatenate([saddle, np.arange(len(lane), len(found.lane))])
        found.put(both, _beside_saddles(found.take(both), tolerances))
    if not thoroughly:
        # beyond a kink near by there may be more
        found.residual[at_bounds(found.agreement.case, found.x) != piece] = np.inf
    top = np.full(lanes, -np.inf)
    np.maximum.at(top, found.lane, found.value)
    size = np.maximum(1.0, np.abs(top[found.lane]))
    counts = found.value >= top[found.lane] - 1e-9 * size
    counts |= found.residual <= tolerances.residual
    counts |= _beside_folds(found, tolerances)
    found = found.take(np.flatnonzero(np.isfinite(found.value) & counts))
    if thoroughly:
        found = _apart(found, tolerances)
        for row in _unfinished(found, tolerances):
            found.put(row[None], _finished(found.take(row[None]), tolerances))
    return _judged(found, thoroughly, tolerances)


def _beside_folds(found: _Climbed, tolerances: Tolerances) -> NDArray[np.bool_]:
    """Climbs (n,) that stalled near a fold, at which joint profit may be much higher."""
    near = ~(found.residual <= tolerances.residual) & np.isfinite(found.value)
    if len(rows := np.flatnonzero(near)):  # mostly none has stalled
        there = found.take(rows)
        near[rows] = near_fold(there.agreement.case, np.nan_to_num(there.x))
    return near


def _apart(found: _Climbed, tolerances: Tolerances) -> _Climbed:
    """One of the climbs of a lane that ended at the same levels, the one nearest to rest."""
    found = found.take(np.argsort(found.residual, kind="stable"))
    x = found.x
    near = np.abs(x[:, None] - x) <= tolerances.distinct * np.maximum(1.0, np.abs(x))
    same = near.all(-1) & (found.lane[:, None] == found.lane)
    return found.take(np.flatnonzero(~np.tril(same, -1).any(-1)))


def _unfinished(found: _Climbed, tolerances: Tolerances) -> Rows:
    """Climbs that met an edge and count: of those that are asked for all gains at the end alone, a
    point that is none is not worth more digits."""
    x = found.x
    left = ~(found.residual <= tolerances.residual) & ~found.agreement.runs_away(x)
    if left.any() and not found.agreement.checked:
        game = investment_game(found.agreement.case, len(x))
        left &= examine(game, np.nan_to_num(x), tolerances).nobody_gains(tolerances.regret)
    return np.flatnonzero(left)


def _beside_saddles(found: _Climbed, tolerances: Tolerances) -> _Climbed:
    """Climbs from either side of saddles, each of which is there twice, in two blocks."""
    held = (found.s <= 0) | (found.s >= 1)
    either = held[:, :, None] | held[:, None]
    vector = np.linalg.eigh(np.where(either, 0.0, found.hessian))[1][:, :, -1]
    way = np.where(np.arange(len(held)) < len(held) / 2, ASIDE, -ASIDE)
    start = np.clip(found.s + way[:, None] * vector, 0.0, 1.0)
    return _Climbed.of(found.lane, found.agreement, start, tolerances)


@dataclass(frozen=True, kw_only=True)
class _Pieces:
    """An agreement of one lane in its smooth pieces (`market.solve.edge.Look`): where something
    follows, and the same investments are at their bounds."""

    agreement: Agreement

    def _at(self, s: Array) -> Agreement:
        return self.agreement.take(np.zeros(len(s), np.intp))

    def labels(self, s: Array) -> Rows:
        """Numbers (m,) of the pieces at sharing (m, 2)."""
        there = self._at(s)
        x = there.follow(s)
        return np.where(np.isfinite(there.worth(x)), 1 + at_bounds(there.case, x), 0)

    def slopes(self, s: Array) -> Array:
        """Of joint profit (m, 2); none where a firm gains, from where no edge is worth
        following."""
        return replace(self._at(s), checked=True).slope(s)[1]

    def near(self, s: Array) -> _Pieces:
        """The same where what follows is looked for near what follows at this sharing (2,)."""
        t = self.agreement.follow(s[None])[:, INVESTMENT]
        if not np.isfinite(t).all():
            return self
        return _Pieces(agreement=replace(self.agreement, near=t))


def _finished(found: _Climbed, tolerances: Tolerances) -> _Climbed:
    """One climb that met an edge, finished along it, from where payoff is higher around that
    again."""
    # an edge is located as exactly as what follows is known
    exact = replace(found.agreement, tolerances=replace(found.agreement.tolerances, target=0.0))
    found = replace(found, agreement=exact, x=exact.follow(found.s))
    begun: list[Array] = []
    for _ in range(ANCHORED):
        ended = _at_the_end(found)
        agreement = ended.agreement
        tried = np.concatenate([ended.s, found.s, np.clip(ended.s + CIRCLES, 0.0, 1.0)])
        values = agreement.at_tries(tried[None])[0]
        values[0] = ended.value[0]
        least = values[0] + LAST_DIGITS * max(1.0, abs(found.value[0]))
        best = int(values.argmax()) if values.max() > least else 0
        if best == 0:
            return ended
        s = tried[[best]]
        higher = replace(
            found, agreement=agreement, s=s, value=values[[best]], x=agreement.follow(s)
        )
        # begun anew where it was before it goes in circles
        circling = any(np.abs(tried[best] - before).max() <= CLOSE for before in begun)
        if best < 2 or circling or agreement.runs_away(higher.x)[0]:
            return higher
        begun.append(tried[best])
        found = _Climbed.of(found.lane, agreement, tried[[best]], tolerances)
        if found.residual[0] <= tolerances.residual:
            break
    return found


def _at_the_end(found: _Climbed) -> _Climbed:
    """One climb that met an edge, at the end to which that leads."""
    fold = best_fold(found.agreement, found.x[0])
    if fold is None:
        pieces = _Pieces(agreement=found.agreement).near(found.s[0])
        led, pieces = on_an_edge(pieces, found.s[0])
        agreement = pieces.near(led).agreement
        value, slope, x = agreement.slope(led[None])
        beyond = bool(np.isfinite(value)) and runs_away_beyond(agreement, x[0], slope[0])
        return replace(
            found, agreement=agreement, s=led[None], value=value, x=x, ending=np.full(1, beyond)
        )
    x = fold.levels[None]
    agreement = replace(found.agreement, near=x[:, INVESTMENT])
    value = agreement.worth(x)
    return replace(
        found,
        agreement=agreement,
        s=x[:, SHARING],
        value=value,
        residual=np.full(1, fold.slope / max(1.0, abs(value[0]))),
        x=x,
        fold=np.ones(1, bool),
        ending=np.full(1, fold.runs_away),
    )


def _judged(found: _Climbed, thoroughly: bool, tolerances: Tolerances) -> Points:
    """What holds of where climbs have led."""
    agreement, residual, x = found.agreement, found.residual, found.x
    switching = found.fold | ~(residual <= tolerances.residual)
    runaway = switching & found.agreement.runs_away(x)
    bent = np.flatnonzero(switching & ~found.fold & ~runaway & thoroughly)
    if len(bent):
        there, whole = agreement.take(bent), np.ones((len(bent), 2))
        tried = one_sided_slope(there.at_tries, found.s[bent], 0 * whole, whole, whole[:, 0])
        residual[bent] = tried
    known = np.asarray(np.isfinite(x).all(-1))
    at = np.where(known[:, None], x, 0.0)
    seen = examine(investment_game(agreement.case, len(at)), at, tolerances)
    books = account(agreement.case, at, bertrand_matrix)
    residual = np.maximum(residual, seen.unscaled_residual)
    limit = np.where(switching, tolerances.kink, tolerances.residual)
    # nothing is claimed there
    limit = np.where(switching & at_the_edge(agreement.case, at).any(-1), np.inf, limit)
    # rounding is no gain
    size = np.where(runaway, np.maximum(1.0, np.abs(seen.payoff).max(-1)), 1.0)
    regret = np.where(known, seen.unscaled_regret / size, np.inf)
    return Points(
        lane=found.lane,
        levels=np.where(known[:, None] & ~runaway[:, None], x, np.nan),
        worth=np.where(known, books.profit.sum(-1), -np.inf),
        residual=residual,
        regret=regret,
        curvature=np.where(switching, np.nan, np.fmax(found.curvature, seen.curvature)),
        holds=known & ~runaway & (regret <= tolerances.regret) & (residual <= limit),
        market=books.describes_market,
        switching=switching,
        ending=found.ending,
        runaway=runaway,
    )


def at_the_edge(case: Case, x: Array) -> NDArray[np.bool_]:
    """Which quantities and unit costs (L, 4) at levels x (L, 4) of a market leave nothing to
    fall."""
    books = account(case, np.nan_to_num(x), bertrand_matrix)
    dear = 0.0 if case.unit_cost is None else case.unit_cost.base
    quantity = books.quantity <= EDGE * books.quantity.max(-1, keepdims=True)
    return np.concatenate(
        [quantity, books.unit_cost < EDGE * np.broadcast_to(dear, books.unit_cost.shape)], -1
    )


def _with_a_firm_out(case: Case, lanes: int, tolerances: Tolerances) -> Points:
    """Where at no sharing every firm sells in equilibrium: the agreement of highest joint profit
    with a firm out, or that there is none."""
    side = SIDE
    at, s, reached = answers(case, lanes, side, beside=False)
    best, levels = np.full(lanes, -np.inf), np.full((lanes, 4), np.nan)
    game = investment_game(at, len(s))
    for x in reached:
        known = np.asarray(np.isfinite(x).all(-1))
        x = np.where(known[:, None], x, 0.0)
        earned = true_profits(at, x)
        gain = np.max([game.reply(firm, x)[1] - earned[:, firm] for firm in (0, 1)], axis=0)
        out = sales(at, net_intercept(at, x)).out.any(-1)
        rests = known & out & (gain <= tolerances.regret)
        worth = np.where(rests, earned.sum(-1), -np.inf).reshape(lanes, -1)
        row = np.arange(lanes) * side**2 + worth.argmax(1)
        better = worth.max(1) > best
        best, levels = (
            np.where(better, worth.max(1), best),
            np.where(better[:, None], x[row], levels),
        )
    some = np.isfinite(best)
    no = np.zeros(lanes, bool)
    return Points(
        lane=np.arange(lanes),
        levels=levels,
        worth=best,
        residual=np.where(some, 0.0, np.inf),
        regret=np.where(some, 0.0, np.inf),
        curvature=np.full(lanes, np.nan),
        holds=some,
        market=no,
        switching=no,
        ending=no,
        runaway=no,
    )
