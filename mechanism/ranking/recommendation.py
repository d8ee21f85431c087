"""What to do about a market: the winner of the one ranking with what stands beside it. Plain
values; `mechanism.report.answer` words them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from market.model.case import Array
from mechanism.casefile.policies import RUNGS, Policy, Requires
from mechanism.casefile.standard import Standard
from mechanism.frozen import freeze
from mechanism.ranking.rank import Ranked

SAID = 3
"""Cautions that the answer says at once, the most important; the others are counted there and stand
elsewhere."""


PLANE = ("public_funds_cost", "profit_weight")
"""The numbers of the standard, as keys of `mechanism`."""


@dataclass(frozen=True, kw_only=True)
class Rung:
    """The best that asks just so much."""

    requires: Requires
    """What it asks."""
    policy: Policy | None
    """Which; None where nothing competes that asks just that."""
    value: float | None
    """Its V."""
    adds: float | None
    """Its V less that of the best that asks less; None without either."""
    why: str | None
    """Why the rung is empty; None where it is not."""


@dataclass(frozen=True, kw_only=True)
class Caution:
    """Something to know beside the recommendation."""

    code: str
    """For programs."""
    text: str
    """In words."""
    amount: float | None
    """The number in it: money, or a share where the text says so."""


@dataclass(frozen=True, kw_only=True)
class Switch:
    """The nearest value of a key, on one side, at which another policy wins."""

    key: str
    """Dotted."""
    value: float
    """Where."""
    to: str | None
    """The policy that wins beyond it; None where there is no advice."""
    lacks: str | None = None
    """The regime that then has no solution; None where there is advice, or it is not told."""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Who wins over a range of one number of the standard."""

    low: float
    high: float
    policy: str | None


@dataclass(frozen=True, kw_only=True)
class Robust:
    """Who wins over the numbers of the standard, each with the other as the case has it."""

    public_funds_cost: tuple[Stretch, ...]
    """From 0 to 0.5, or twice the case's own."""
    profit_weight: tuple[Stretch, ...]
    """From 0 to 1."""
    winners: tuple[str | None, ...] = ()
    """Whatever wins somewhere on the edges of the plane of both, a cost of public funds of 0 to 0.5
    and a weight of profits of 0 to 1; None for no advice. One alone: all standards agree."""


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """What to do, under which standard, and what stands beside it."""

    policy: Policy | None
    """None where there is no advice."""
    value: float | None
    """Its V."""
    runner_up: Policy | None
    """The competing policy of the highest V with other levels."""
    margin: float | None
    """V less the runner-up's; negative where what asks less was preferred."""
    standard: Standard
    equivalent: tuple[Policy, ...]
    """What competes beside it with the same levels."""
    ladder: tuple[Rung, ...]
    """By what is asked, from least to most."""
    flat_payments: Array | None
    """(2,): the flat part of what firms receive; None of what has none."""
    no_advice: str | None
    """Why there is no advice; None where there is."""
    cautions: tuple[Caution, ...] = ()
    switching: tuple[Switch, ...] = ()
    """Of the case's parameters, and of the numbers of the standard; empty where not asked."""
    robust: Robust | None = None
    """None where not asked."""
    varied: bool = False
    """Whether the numbers of the market were varied in looking for switches."""
    text: tuple[str, ...] = ()
    """The answer in words, at most seven lines."""

    def __post_init__(self) -> None:
        freeze(self)

    def __str__(self) -> str:
        head = self.policy.key if self.policy else "no advice"
        return "\n".join([head, *(f"- {line}" for line in self.text)])


def recommended(ranked: Ranked, no_advice: str | None) -> Recommendation:
    """The winner at one case, the first of those ranked, without its words."""
    w, contenders = int(ranked.winner[0]), ranked.contenders
    up = int(ranked.runner_up[0])
    if w < 0:
        return Recommendation(
            policy=None,
            value=None,
            runner_up=None,
            margin=None,
            standard=ranked.standard,
            equivalent=(),
            ladder=ladder(ranked),
            flat_payments=None,
            no_advice=no_advice,
        )
    value = float(ranked.value[w, 0])
    return Recommendation(
        policy=contenders[w].policy,
        value=value,
        runner_up=contenders[up].policy if up >= 0 else None,
        margin=value - float(ranked.value[up, 0]) if up >= 0 else None,
        standard=ranked.standard,
        equivalent=tuple(
            c.policy for c, same in zip(contenders, ranked.equivalent[:, 0], strict=True) if same
        ),
        ladder=ladder(ranked),
        flat_payments=None if contenders[w].least is None else ranked.flat[w, 0],
        no_advice=None,
    )


def ladder(ranked: Ranked) -> tuple[Rung, ...]:
    """The best at one case by what is asked."""
    out: list[Rung] = []
    reached: list[float] = []
    for requires, best in zip(RUNGS, ranked.rungs[:, 0], strict=True):
        if best < 0:
            out.append(
                Rung(
                    requires=requires,
                    policy=None,
                    value=None,
                    adds=None,
                    why=_empty(ranked, requires),
                )
            )
            continue
        value = float(ranked.value[best, 0])
        adds = value - max(reached) if reached else None
        reached.append(value)
        out.append(
            Rung(
                requires=requires,
                policy=ranked.contenders[best].policy,
                value=value,
                adds=adds,
                why=None,
            )
        )
    return tuple(out)


def _empty(ranked: Ranked, requires: str) -> str:
    """Why nothing competes that asks just so much: the codes of what does not."""
    asks: Sequence[int] = [
        p for p, c in enumerate(ranked.contenders) if c.policy.requires == requires
    ]
    codes = {
        c.policy.key: ranked.why_not[p, 0] for p, c in enumerate(ranked.contenders) if p in asks
    }
    return ", ".join(f"{key}: {code}" for key, code in codes.items()) or "nothing here asks that"
