"""Who wins along lines: a number runs over a range, and every value at which the winner changes is
bracketed.

The winner is found at a few values in all lines at once, and between two values with different
winners the switch is bracketed until it is narrower than `NARROW`. What the winner turns on (how
far every policy falls short of counting as equal to the best, what consumers and members have of
it, what the public saves by it) is smooth where the winner is not: polynomials through its values
say where to look next, and where between two values with the same winner two switches may hide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array
from mechanism.casefile.standard import SAME, UNMEASURABLE
from mechanism.ranking.rank import Ranked, asks_of
from mechanism.ranking.recommendation import Stretch, Switch
from mechanism.scheme.allocation import lagrange

NARROW = 1e-7
"""Width of a bracket, beside the size of the number or a hundredth of its range, at which it is
narrow enough."""
FIRST = np.array([0.0, 0.04, 0.1, 0.18, 0.27, 0.38, 0.5, 0.62, 0.73, 0.82, 0.9, 0.96, 1.0])
"""Where a line is looked at first, as shares of its range."""
LOOKS = 3
"""Times that stretches with one winner are looked into again where another might win."""
SHALLOW = 1e-3
"""Share of what counts as equal by which another has to be expected to win there."""
BARRED = 0.1
"""How far one figure of a policy has to be below zero for it not to win where another one rises
above."""
FAR_FROM_ENOUGH = 10.0
"""How many times what nobody could measure a policy falls short by where it is not expected to fall
short by less between two looks: such gains run away toward the end of a line."""
PLACES = np.arange(1, 16) / 16
"""Shares of such a stretch at which it is asked whether it might."""
LEAST_STRETCH = 0.005
"""Share of a line's range below which a stretch with one winner is not looked into, nor the end of
what is a market narrowed down."""
ROUNDS = 40
"""Rounds of bracketing after which a line is left as it is; every round at least halves every
bracket."""
FARTHER = 8.0
"""How many times farther from where a switch is expected each value is than the one before."""
MISSED = 4.0
"""How many times as far as is thought a switch may lie from where it is expected."""
CUTS = 16
"""Parts into which a stretch is cut where nothing says where in it the winner changes."""
DEAR_CUTS = 4
"""The same where values are dear, and where all that is known is that policies part."""
NOBODY = ""
"""The winner where there is no advice."""
FIGURES, CANDIDATES = 4, 3
"""How many figures are known of every policy, and how many of them say whether it counts as equal
to the best at all."""
NO_MARKET = "no market"
"""In place of a winner where a value makes no admissible market."""


@dataclass(frozen=True, kw_only=True)
class Met:
    """Who wins at n points, and what that turns on."""

    winner: NDArray[np.object_]
    """(n,): keys; `NOBODY` where there is no advice."""
    among: tuple[str, ...]
    """Keys of the P policies whose figures are known."""
    turns: Array
    """(n, P, G): figures none of which is negative where a policy may win: how far it is from
    counting as equal to the best, what consumers and members have of it, and what the public saves
    by it rather than by another that asks as much, beside what counts as equal; between -1 and 1,
    so that none runs away where gains do. NaN where unknown."""
    gains: Array | None = None
    """(n, P): what firms gain by other levels than a policy aims at where it does not lead to them;
    NaN elsewhere. None where that is not told."""
    alike: NDArray[np.bool_] | None = None
    """(n, P): which policies that ask as much have the winner's levels. None where that is not
    told."""
    enough: Array | None = None
    """(n, P): by how much less than what nobody could measure a policy falls short of the best,
    beside that: where it is not negative it counts as equal however little is gained. NaN where it
    falls far short, None where that is not told."""

    def take(self, rows: NDArray[np.intp]) -> Met:
        """At some of the points."""
        return Met(
            winner=self.winner[rows],
            among=self.among,
            turns=self.turns[rows],
            gains=None if self.gains is None else self.gains[rows],
            alike=None if self.alike is None else self.alike[rows],
            enough=None if self.enough is None else self.enough[rows],
        )


def met(ranked: Ranked) -> Met:
    """Who wins where policies are ranked, and what that turns on."""
    among = tuple(c.policy.key for c in ranked.contenders)
    scale, value, standard = ranked.scale, ranked.value, ranked.standard
    with np.errstate(all="ignore"):
        top = np.where(ranked.competes, value, -np.inf).max(0)
        gain = top - value[ranked.today]
        tie = np.maximum(standard.materiality * gain, UNMEASURABLE * scale)
        books = [c.expected for c in ranked.contenders]
        consumers = np.stack([np.asarray(b.consumer_surplus, float) for b in books])
        profits = np.stack([b.profit.sum(-1) for b in books])
        kept = ranked.contenders[ranked.today].expected.kept.sum(-1)
        agreed = np.array([c.policy.requires == "permission" for c in ranked.contenders])
        none = SAME * scale
        asked = [
            value - top + tie,
            np.where(standard.consumers_may_lose, tie, consumers - consumers[ranked.today] + none),
            np.where(agreed[:, None], profits - kept + none, tie),
        ]
        asked += [_cheaper(ranked, np.min(asked, axis=0) >= 0, tie)]
        turns = np.stack([one / np.hypot(one, tie) for one in asked], -1)
        enough = 1 + (value - top) / (UNMEASURABLE * scale)
        enough = np.where(enough < -FAR_FROM_ENOUGH, np.nan, enough)
    winner = np.array([*among, NOBODY], object)[ranked.winner]
    asks = asks_of(ranked.contenders)
    alike = ranked.equivalent & (asks[:, None] == asks[ranked.winner])
    unknown = np.full(len(winner), np.nan)
    gains = [
        np.where(c.solved, np.nan, c.columns.get("regret", unknown)) for c in ranked.contenders
    ]
    return Met(
        winner=winner,
        among=among,
        turns=turns.swapaxes(0, 1),
        gains=np.stack(gains, -1).astype(float),
        alike=alike.T,
        enough=enough.T,
    )


def _cheaper(ranked: Ranked, able: NDArray[np.bool_], otherwise: Array) -> Array:
    """By how much less (P, n) the public pays than under any other policy that asks as much and may
    win, `able`, or where that is the same by how much the largest payment is smaller; some amount
    where there is no other."""
    asks, out = asks_of(ranked.contenders), np.empty(able.shape)
    largest, same = np.abs(ranked.net_transfer).max(-1), SAME * ranked.scale
    for p in range(len(out)):
        others = able & ((asks == asks[p]) & (np.arange(len(out)) != p))[:, None]
        outlay, payment = (
            np.where(others, amount, np.inf).min(0) - amount[p]
            for amount in (ranked.outlay, largest)
        )
        least = np.where(np.abs(outlay) > same, outlay, payment)
        out[p] = np.where(np.isfinite(least), least, otherwise)
    return out + same


Idle = frozenset[str]
"""Policies that cannot win somewhere, nor be what others fall short of: none has to be solved."""
Solve = Callable[[NDArray[np.intp], Array, Sequence[Idle]], Met]
"""From lines (n,), values along them (n,) and who is idle there to who wins there."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A number and the range it runs over."""

    low: float
    high: float
    own: float | None = None
    """The case's own value: then only the nearest switches on both sides are bracketed. None:
    all."""
    values: Array | None = None
    """Where it is looked at first; None: at the shares `FIRST`."""
    width: float = NARROW
    """See `NARROW`."""
    dear: bool = False
    """Whether a value takes long however many are asked for at once, as with private types."""

    @property
    def first(self) -> Array:
        """Where it is looked at first."""
        return self.low + FIRST * (self.high - self.low) if self.values is None else self.values

    @property
    def least(self) -> float:
        """How wide a stretch is of which it is asked what wins in it."""
        return LEAST_STRETCH * (self.high - self.low)

    def narrow(self, x: float) -> float:
        """How wide a bracket may be there."""
        return self.width * max(abs(x), 0.01 * (self.high - self.low))


@dataclass(kw_only=True)
class _Seen:
    """What is known along one line, in the order of its values."""

    line: Line
    x: Array
    winner: NDArray[np.object_]
    among: tuple[str, ...]
    turns: Array
    gains: Array
    alike: NDArray[np.bool_]
    enough: Array
    cleared: set[tuple[float, ...]] = field(default_factory=set)
    """The values by which stretches were found to be nothing to look into."""

    def add(self, x: Array, found: Met, mine: NDArray[np.bool_]) -> None:
        """Further values, and those of what is found that are of this line (n,)."""
        if not len(self.x):
            self.among = found.among
            self.turns, self.gains = found.turns[:0], found.turns[:0, :, 0]
            self.alike, self.enough = np.zeros(self.gains.shape, bool), self.gains
        unknown = np.full(found.turns.shape[:2], np.nan)
        gains, enough = (unknown if told is None else told for told in (found.gains, found.enough))
        alike = np.zeros(gains.shape, bool) if found.alike is None else found.alike
        _, first = np.unique(np.concatenate([self.x, x]), return_index=True)
        self.winner = np.concatenate([self.winner, found.winner[mine]])[first]
        self.turns = np.concatenate([self.turns, found.turns[mine]])[first]
        self.gains = np.concatenate([self.gains, gains[mine]])[first]
        self.alike = np.concatenate([self.alike, alike[mine]])[first]
        self.enough = np.concatenate([self.enough, enough[mine]])[first]
        self.x = np.concatenate([self.x, x])[first]

    def switches(self) -> list[int]:
        """The k of which the winners at x[k] and x[k + 1] differ; about an own value the nearest on
        both sides."""
        every = [int(k) for k in np.flatnonzero(self.winner[1:] != self.winner[:-1])]
        if self.line.own is None:
            return every
        at = int(np.searchsorted(self.x, self.line.own))
        return [k for k in every if k < at][-1:] + [k for k in every if k >= at][:1]

    def within(self) -> range:
        """The k of the stretches that are of interest."""
        found = self.switches()
        if self.line.own is None:
            return range(len(self.x) - 1)
        at = int(np.searchsorted(self.x, self.line.own))
        below, above = [k for k in found if k < at], [k for k in found if k >= at]
        return range(below[0] + 1 if below else 0, above[0] if above else len(self.x) - 1)

    def next(self, looking: bool) -> dict[float, Idle]:
        """Where to look next, in order, and who is idle there; `looking`: also where another winner
        may hide."""
        some = {x: self.idle(k) for k in self.switches() for x in self.inside(k)}
        if looking:
            same = [k for k in self.within() if self.winner[k] == self.winner[k + 1]]
            some |= {x: frozenset() for k in same for x in self.suspicious(k)}
        return {x: some[x] for x in sorted(some) if x not in self.x}

    def inside(self, k: int) -> list[float]:
        """Values between x[k] and x[k + 1] that narrow the switch between them."""
        low, high = float(self.x[k]), float(self.x[k + 1])
        width, near = high - low, self.line.narrow(high)
        if NO_MARKET in (self.winner[k], self.winner[k + 1]):
            near = max(near, self.line.least)
        if width <= near:
            return []
        # Where something is unknown on one side a figure may grow without limit toward it.
        idle = np.isin(self.among, list(self.idle(k)))
        unlike = (np.isnan(self.turns[k]) != np.isnan(self.turns[k + 1]))[~idle].any()
        roots = self.onsets(k) if unlike else self.roots(k)
        if not roots:
            cuts = DEAR_CUTS if self.line.dear else CUTS
            return [float(x) for x in np.linspace(low, high, cuts + 1)[1:-1]]
        some = [(low + high) / 2]
        for root, unsure in roots:
            if self.line.dear:
                steps = np.array([max(0.4 * near, min(unsure, width / 8))])
            else:
                # A round costs far more than a value in it: values stand about a root at all
                # distances up to those it may be wrong by, so that the next bracket is as wide as
                # it was wrong.
                far = np.log(max(MISSED * unsure / near, 1.0)) / np.log(FARTHER)
                steps = 0.4 * near * FARTHER ** np.arange(np.ceil(far) + 1)
            some += [root, *(root - steps), *(root + steps)]
        return [float(x) for x in some if low < x < high]

    def idle(self, k: int) -> Idle:
        """Who is not expected to win between x[k] and x[k + 1], nor to be the best there: what one
        figure keeps far from it on either side where it is known, also if it goes on all the way
        as it comes."""
        figures = self.turns[..., :CANDIDATES]
        barred = np.ones(figures.shape[1:], bool)
        for at, before, to in ((k, k - 1, k + 1), (k + 1, k + 2, k)):
            here, there = figures[at], np.full(barred.shape, np.nan)
            if 0 <= before < len(self.x):
                share = (self.x[to] - self.x[at]) / (self.x[at] - self.x[before])
                there = here + share * (here - figures[before])
            barred &= np.isnan(here) | (np.maximum(here, there) < -BARRED)
        won = np.isin(self.among, self.winner[[k, k + 1]])
        never = barred.any(-1) & ~won
        return frozenset(key for key, none in zip(self.among, never, strict=True) if none)

    def parts(self, k: int) -> bool:
        """Whether between x[k] and x[k + 1] a policy parts from the winner that has its levels on
        one side alone."""
        return bool((self.alike[k] != self.alike[k + 1]).any())

    def near(self, k: int, known: NDArray[np.bool_]) -> list[int]:
        """The indices k, k + 1 and those beside them of values that are known (n,), the nearest
        first."""
        low, high = self.x[k], self.x[k + 1]
        beside = [j for j in (k - 1, k + 2) if 0 <= j < len(self.x) and known[j]]
        beside.sort(key=lambda j: min(abs(self.x[j] - low), abs(self.x[j] - high)))
        return [k, k + 1, *beside]

    def roots(self, k: int) -> list[tuple[float, float]]:
        """Where between x[k] and x[k + 1] a policy is expected to begin or cease to be one that may
        win, the winners there or another, and how unsure that is."""
        from scipy.optimize import brentq

        low, high = float(self.x[k]), float(self.x[k + 1])
        found = []
        for p, i in zip(*np.nonzero(self.turns[k] * self.turns[k + 1] < 0), strict=True):
            f = self.turns[:, p, i]
            at = self.near(k, np.asarray(np.isfinite(self.turns[:, p]).all(-1)))

            def root(points: list[int], f: Array = f) -> float:
                x, y = self.x[points], f[points]
                return float(brentq(lambda t: through(x, y, np.array([t]))[0], low, high))

            best = root(at)
            unsure = abs(best - root(at[:-1])) if len(at) > 2 else (high - low) / 8
            others = through(self.x[at], self.turns[at, p], np.array([best]))[0]
            if self.among[p] in self.winner[k : k + 2] or np.delete(others, i).min() > -BARRED:
                found.append((best, unsure))
        # what lies where another may be is found beside it
        kept: list[tuple[float, float]] = []
        for best, unsure in sorted(found, key=lambda one: -one[1]):
            if all(abs(best - other) > far for other, far in kept):
                kept.append((best, unsure))
        return kept

    def onsets(self, k: int) -> list[tuple[float, float]]:
        """Where between x[k] and x[k + 1] what firms gain by other levels than a winner aims at is
        expected to be nil, from values beyond it, and how unsure that is."""
        found = []
        for p in (p for p, key in enumerate(self.among) if key in self.winner[k : k + 2]):
            g = self.gains[:, p]
            for at in (range(k, -1, -1)[:3], range(k + 1, len(self.x))[:3]):
                on = [j for n, j in enumerate(at) if (np.diff(g[list(at)[: n + 1]]) > 0).all()]
                if (
                    not np.isfinite(g[[k, k + 1]]).all()
                    and len(on) > 1
                    and np.isfinite(g[on]).all()
                ):
                    zero = np.zeros(1)
                    best, less = (
                        float(through(g[some], self.x[some], zero)[0]) for some in (on, on[:-1])
                    )
                    if len(on) == 2:
                        less = float(self.x[on[0]])
                    if self.x[k] < best < self.x[k + 1]:
                        found.append((best, abs(best - less)))
        return found

    def suspicious(self, k: int) -> list[float]:
        """Where between x[k] and x[k + 1], whose winners are one, another is most likely to win:
        where figures of the winner may be negative, or none of a policy's that may not win at
        either; they are as unsure as the farthest value they are expected from matters."""
        low, high = float(self.x[k]), float(self.x[k + 1])
        if high - low <= self.line.least or self.winner[k] not in self.among:
            return []
        if self.parts(k):
            # Which of them costs less is open right where they part, and figures have a kink there.
            return [float(x) for x in np.linspace(low, high, DEAR_CUTS + 1)[1:-1]]
        mine = np.array(self.among) == self.winner[k]
        least = self.turns.min(-1)
        barred = ~mine & (least[k] < 0) & (least[k + 1] < 0)
        points = self.near(
            k, (self.alike == self.alike[k]).all(-1) & np.isin(self.winner, self.among)
        )
        by = tuple(self.x[points].tolist())
        if by in self.cleared:
            return []
        x = low + PLACES * (high - low)
        figures = self.expected(points, x)
        unsure = np.abs(figures - self.expected(points[:-1], x))
        # what bars none at either end need not rise
        bars = (self.turns[[k, k + 1]] < 0).any(0)
        falls = (unsure - figures).max(-1)
        rises = np.where(bars, unsure + figures, np.inf).min(-1)
        likely = np.where(mine, falls, np.where(barred, rises, -np.inf))
        most = np.nan_to_num(likely, nan=-np.inf).max(-1)
        if most.max() > SHALLOW:
            return [float(x[most.argmax()])]
        self.cleared.add(by)
        return []

    def expected(self, points: list[int], x: Array) -> Array:
        """Figures (r, P, G) expected at r values from those at known ones."""
        share = lagrange(self.x[points], x)
        turns, enough = (np.tensordot(share, a[points], 1) for a in (self.turns, self.enough))
        turns[..., 0] = np.fmax(turns[..., 0], enough / np.hypot(enough, 1))
        return turns


def through(x: Array, y: Array, at: Array) -> Array:
    """Values (r, ...) at r points of the polynomial that at x (m,) has the values y (m, ...)."""
    return np.tensordot(lagrange(x, at), y, 1)


def followed(lines: Sequence[Line], solve: Solve) -> list[_Seen]:
    """What is known along lines when every switch of interest is bracketed."""
    seen = [
        _Seen(
            line=line,
            x=np.empty(0),
            winner=np.empty(0, object),
            among=(),
            turns=np.empty((0, 0, 0)),
            gains=np.empty((0, 0)),
            alike=np.empty((0, 0), bool),
            enough=np.empty((0, 0)),
        )
        for line in lines
    ]
    asked: list[dict[float, Idle]] = [
        dict.fromkeys(line.first.tolist(), frozenset()) for line in lines
    ]
    for turn in range(ROUNDS):
        which = np.repeat(np.arange(len(lines)), [len(some) for some in asked])
        if not len(which):
            break
        x = np.array([x for some in asked for x in some])
        found = solve(which, x, [idle for some in asked for idle in some.values()])
        for n, one in enumerate(seen):
            if asked[n]:
                one.add(x[which == n], found, which == n)
        asked = [one.next(turn < LOOKS) for one in seen]
    return seen


def stretches(seen: _Seen) -> tuple[Stretch, ...]:
    """Who wins over a line, of which all switches are bracketed."""
    cuts = seen.switches()
    ends = [
        seen.line.low,
        *((float(seen.x[k]) + float(seen.x[k + 1])) / 2 for k in cuts),
        seen.line.high,
    ]
    names = [seen.winner[0], *(seen.winner[k + 1] for k in cuts)]
    return tuple(
        Stretch(low=a, high=b, policy=name or None)
        for a, b, name in zip(ends, ends[1:], names, strict=False)
    )


def nearest(over: Sequence[Stretch], own: float, key: str) -> tuple[Switch, ...]:
    """The nearest switches on both sides of the case's own value, from who wins over a line."""
    at = next((n for n, one in enumerate(over) if one.low <= own <= one.high), None)
    if at is None:
        return ()
    below = [Switch(key=key, value=over[at].low, to=over[at - 1].policy)] if at else []
    above = (
        [Switch(key=key, value=over[at].high, to=over[at + 1].policy)] if at + 1 < len(over) else []
    )
    return (*below, *above)
