"""Which policy: the one ranking. Every page, table, path, map and batch reads it; one case is a
batch of one.

Policies are compared by V (`mechanism.casefile.standard`) when all join, their flat parts being set
by one rule (`mechanism.ranking.flat_parts`).

The recommendation is the policy of the highest V among those that compete; what falls short of it
by no more than a share of its gain over today counts as equal, and of equals what asks less wins,
then the smaller outlay, then the smaller largest net transfer, then the order of the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array
from mechanism.casefile.policies import RUNGS
from mechanism.casefile.standard import SAME, UNMEASURABLE, Standard
from mechanism.frozen import freeze
from mechanism.ranking.contender import Contender
from mechanism.ranking.flat_parts import ROUNDING, net_when_all_join, outlay_of

ALIKE = 1e-6
"""Share of their size up to which levels and what they earn count as the same."""


WHY_NOT = {
    "no_figures": "there are no figures here",
    "benchmark": "it shows what could be had and is nobody's to choose",
    "no_policy": "it is how firms might act, and nobody's to choose",
    "forbidden": "fixing prices is what competition law forbids; `allow` would let it compete",
    "types_known": "it needs the types known, and they are private",
    "copy": "it is the rule that the case asks for; rules compete under their own names, with the"
    " planner's levels",
    "attainable": "it is the benchmark of what can be attained",
    "grid": (
        "what it saves against a formula with the same levels is the distance between the types of"
        " the grid"
    ),
    "consumers_lose": "consumers lose against today; `allow` would let it compete",
    "members_lose": "its members together would lose, so that they would not agree",
    "below_zero": "some firm would be left with less than nothing",
    "no_outside": "what staying out is worth is not known",
    "no_baseline": "today's market has no figures to compare with",
}
"""Why a policy does not compete, by code."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranked:
    """Policies ranked at C cases; P policies in the order of reports."""

    standard: Standard
    contenders: tuple[Contender, ...]
    today: int
    """Which of them is the market as it is."""
    net_transfer: Array
    """(P, C, 2): what firms receive net when all join."""
    value: Array
    """(P, C): V then; NaN where there are no figures."""
    why_not: NDArray[np.object_]
    """(P, C): why a policy does not compete, a code of `WHY_NOT`; empty where it does."""
    winner: NDArray[np.intp]
    """(C,): which is recommended; -1: none."""
    equal: NDArray[np.bool_]
    """(P, C): what competes and counts as equal to the best."""

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def competes(self) -> NDArray[np.bool_]:
        """(P, C)."""
        return np.asarray(self.why_not == "")

    @cached_property
    def outlay(self) -> Array:
        """(P, C): what the public pays when all join."""
        return outlay_of(self.net_transfer)

    @cached_property
    def flat(self) -> Array:
        """(P, C, 2): the flat part of it."""
        paid = np.stack([c.expected.net_transfer for c in self.contenders])
        flat = self.net_transfer - paid
        return np.where(
            np.abs(flat) <= ROUNDING * np.maximum(np.abs(paid), self.scale[:, None]), 0.0, flat
        )

    @cached_property
    def scale(self) -> Array:
        """(C,): the size of today's welfare, against which amounts count."""
        return np.abs(np.asarray(self.contenders[self.today].expected.welfare, float))

    @cached_property
    def prints(self) -> Array:
        """(P, C, 7): levels and what they earn, in sizes of their own, by which policies are told
        apart."""
        books = [c.expected for c in self.contenders]
        invested = np.stack([b.investment for b in books])
        size = np.nanmax(np.abs(np.where(np.isfinite(invested), invested, 0.0)), axis=(0, 2))[
            :, None
        ]
        money = np.maximum(self.scale, np.finfo(float).tiny)[:, None]
        profit = np.stack([b.profit for b in books]) / money
        consumers = (
            np.stack([np.asarray(b.consumer_surplus, float)[:, None] for b in books]) / money
        )
        sharing = np.stack([b.sharing for b in books])
        return np.concatenate(
            [sharing, invested / np.where(size > 0, size, 1.0), profit, consumers], -1
        )

    def same_levels(self, which: NDArray[np.intp]) -> NDArray[np.bool_]:
        """(P, C): whether a policy has the levels of another, which (C,)."""
        own = self.prints[which, np.arange(len(which))]
        return np.asarray((np.abs(self.prints - own) <= ALIKE).all(-1))

    @cached_property
    def equivalent(self) -> NDArray[np.bool_]:
        """(P, C): what competes beside the winner with its levels."""
        mine = np.arange(len(self.contenders))[:, None] == self.winner
        return np.asarray(
            self.competes & self.same_levels(self.winner) & ~mine & (self.winner >= 0)
        )

    @cached_property
    def runner_up(self) -> NDArray[np.intp]:
        """(C,): what competes with other levels and has the highest V; -1: nothing."""
        return self._highest(self.competes & ~self.same_levels(self.winner) & (self.winner >= 0))

    @cached_property
    def rungs(self) -> NDArray[np.intp]:
        """(rungs, C): the best that competes of what asks just so much, in the order of `RUNGS`;
        -1: nothing."""
        asks = asks_of(self.contenders)
        return np.stack(
            [self._highest(self.competes & (asks == rung)[:, None]) for rung in range(len(RUNGS))]
        )

    def _highest(self, which: NDArray[np.bool_]) -> NDArray[np.intp]:
        """(C,): of some policies (P, C) that of the highest V, equals as for the winner; -1 where
        there are none."""
        value = np.where(which & np.isfinite(self.value), self.value, -np.inf)
        with np.errstate(invalid="ignore"):
            equal = np.isfinite(value) & (value >= value.max(0) - SAME * self.scale)
        return _least(equal, asks_of(self.contenders), self.outlay, self.net_transfer, self.scale)

    def value_of(self, which: NDArray[np.intp]) -> Array:
        """(C,): V of a policy, which (C,); NaN for none."""
        return np.where(which >= 0, self.value[which, np.arange(len(which))], np.nan)


def rank(contenders: Sequence[Contender], today: str, goal: str, standard: Standard) -> Ranked:
    """Rank policies at C cases against the market as it is, one of them; `goal` is what money aims
    at: where it is among them and has no figures there is no advice."""
    keys = [c.policy.key for c in contenders]
    market = contenders[keys.index(today)]
    base = market.expected
    net = np.stack([net_when_all_join(c, standard, base.kept) for c in contenders])
    outlay = outlay_of(net)
    surplus = np.stack([np.asarray(c.expected.consumer_surplus, float) for c in contenders])
    earned = np.stack([c.expected.profit for c in contenders])
    value = standard.value(surplus, (earned + net).sum(-1), outlay)
    scale = np.abs(np.asarray(base.welfare, float))
    why = np.stack(
        [_why_not(c, n, market, scale, standard) for c, n in zip(contenders, net, strict=True)]
    )
    may = ~np.isin(
        why, ("benchmark", "no_policy", "copy", "attainable", "types_known", "forbidden")
    )
    endless = np.stack([c.status == "unbounded" for c in contenders])
    planned = contenders[keys.index(goal)].solved if goal in keys else np.array(True)
    advised = market.solved & planned & ~(endless & may).any(0)
    asks = asks_of(contenders)
    winner, equal = choose(
        np.where(why == "", value, np.nan),
        value[keys.index(today)],
        asks,
        outlay,
        net,
        scale,
        standard.materiality,
    )
    return Ranked(
        standard=standard,
        contenders=tuple(contenders),
        today=keys.index(today),
        net_transfer=net,
        value=np.where(np.stack([c.solved for c in contenders]), value, np.nan),
        why_not=why,
        winner=np.where(advised, winner, -1),
        equal=equal & advised,
    )


def _why_not(
    c: Contender, net: Array, market: Contender, scale: Array, standard: Standard
) -> NDArray[np.object_]:
    """(C,): why a policy does not compete; empty where it does."""
    out = np.full(len(c.status), "", object)

    def bar(code: str, where: Any = True) -> None:
        out[np.asarray((out == "") & where)] = code

    if c.barred and not (c.barred in ("forbidden", "benchmark") and c.policy.key in standard.allow):
        bar(c.barred)
    bar("no_figures", ~c.solved)
    bar("no_baseline", ~market.solved)
    if c.least is not None:
        bar("no_outside", ~np.isfinite(c.least).all(-1))
    if c.policy.requires == "permission":
        bar("members_lose", (c.expected.profit - market.expected.kept).sum(-1) < -SAME * scale)
    kept = c.expected.profit + net if c.worst is None else c.worst + net - c.expected.net_transfer
    if standard.participation == "none":
        bar("below_zero", np.asarray((kept < -SAME * scale[:, None]).any(-1)))
    if not standard.consumers_may_lose:
        surplus = (np.asarray(one.expected.consumer_surplus, float) for one in (c, market))
        bar("consumers_lose", np.asarray(np.subtract(*surplus) < -SAME * scale))
    return out


def choose(
    value: Array,
    today: Array,
    asks: NDArray[np.intp],
    outlay: Array,
    net: Array,
    scale: Array,
    materiality: float,
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The winner (C,), -1 where nothing competes, and what counts as equal to the best (P, C);
    `value` (P, C) is NaN where a policy does not compete, `today` (C,) that of the market as it is,
    `scale` (C,) its welfare's size."""
    top = np.where(np.isfinite(value), value, -np.inf).max(0)
    with np.errstate(invalid="ignore"):
        tie = np.maximum(
            np.maximum(materiality * (top - today), UNMEASURABLE * scale), SAME * scale
        )
        equal = np.isfinite(value) & (value >= top - tie)
    return _least(equal, asks, outlay, net, scale), equal


def _least(
    left: NDArray[np.bool_], asks: NDArray[np.intp], outlay: Array, net: Array, scale: Array
) -> NDArray[np.intp]:
    """(C,): of the policies left (P, C), that which asks least, then with the smallest outlay, the
    smallest largest net transfer, the first in the order of the table; -1 where none is left."""
    left = left.copy()
    for criterion, same in (
        (np.broadcast_to(asks[:, None], left.shape), 0.0),
        (outlay, SAME * scale),
        (np.abs(net).max(-1), SAME * scale),
    ):
        lowest = np.where(left, criterion, np.inf).min(0)
        with np.errstate(invalid="ignore"):
            left &= criterion <= lowest + same
    return np.where(left.any(0), left.argmax(0), -1)


def asks_of(contenders: Sequence[Contender]) -> NDArray[np.intp]:
    """(P,): how much each policy asks; what nobody can choose asks the most."""
    return np.array(
        [RUNGS.index(c.policy.requires) if c.policy.requires else len(RUNGS) for c in contenders]
    )
