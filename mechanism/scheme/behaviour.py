"""What firms do when truth is no best reply: an equilibrium in reports, and what any reporting
leads to.

Everything stands for one case or for many with the same types at once: "..." in a shape are the
cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.model.case import INVESTMENT, SHARING, Array, Case
from market.model.outcome import account
from market.model.pricing import PriceRule, bertrand_matrix
from mechanism.casefile.types import TypeSpace
from mechanism.frozen import freeze
from mechanism.scheme.allocation import case_at_pairs
from mechanism.scheme.own_table import OwnTable

PerCase = Any
"""(...): a number for one case, an array for many."""

ROUNDS = 200
"""Rounds of best replies in reports after which no equilibrium is claimed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Replies:
    """What a firm of each type earns before net transfers, by its report and by what its rival is
    and says."""

    types: TypeSpace
    tables: tuple[OwnTable, OwnTable]
    """Per firm (..., K types, R reports, S): S are the rival's reports or, where both types move
    both profits, its types and reports, a type's reports together."""
    reports: NDArray[np.intp]
    """(R,): the points of the grid that can be reported."""

    def rival_weights(self, told: NDArray[np.intp]) -> tuple[Array, Array]:
        """Of a rival whose types report like this, (C, K) places in `reports`: the probability of
        each report (C, R), and of each of the S things on which the own table depends (C, S)."""
        C, K = told.shape
        lane, p = np.arange(C)[:, None], np.broadcast_to(self.types.probabilities, told.shape)
        reported = np.zeros((C, len(self.reports)))
        np.add.at(reported, (lane, told), p)
        if self.types.private_values:
            return reported, reported
        both = np.zeros((C, K * len(self.reports)))
        both[lane, np.arange(K) * len(self.reports) + told] = p
        return reported, both


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportingEquilibrium:
    """Reports from which no type of either firm gains by another report on the grid."""

    settled: NDArray[np.bool_]
    """(...): whether best replies settled; where not, nothing else is claimed."""
    reports: NDArray[np.intp]
    """(2, ..., K): the grid point that each type of each firm reports; where play cycled, the last
    round's."""
    others: NDArray[np.intp]
    """The same of another equilibrium that was met; the same one where there is none."""
    rounds: NDArray[np.intp]
    """(...): rounds of best replies until they settled, or until reports came back."""
    regret: Array
    """(...): the largest expected gain of any type from another report, payoff units; NaN where
    play cycled."""

    def __post_init__(self) -> None:
        freeze(self)


def reporting_equilibrium(replies: Replies, net: Array) -> ReportingEquilibrium:
    """Best replies in reports from the truth, firm by firm, until they settle, at net transfers (2,
    ..., M, M): whichever firm answers first. Of two equilibria to which that leads it is the one of
    the higher joint payoff, of two that are alike in it the one to which the first firm leads.

    Ties go to the truth, then to the nearest report.
    """
    types, at = replies.types, replies.reports
    lead = net.shape[1:-2]
    C, K = int(np.prod(lead)), len(types.nodes)
    game = _Reporting(replies, net[..., at[:, None], at].reshape(2, C, len(at), len(at)))
    told, settled, rounds, regret, joint = game.played(0)
    other, also, later, other_regret, other_joint = game.played(1)
    # what only rounding tells apart is alike
    better = settled < also
    better |= settled & also & (other_joint - joint > 1e-12 * np.abs(joint))
    two = (settled & also & (told != other).any((0, 2)))[:, None]
    kept, second = np.where(better[:, None], other, told), np.where(better[:, None], told, other)
    return ReportingEquilibrium(
        settled=(settled | also).reshape(lead),
        reports=at[kept].reshape(2, *lead, K),
        others=at[np.where(two, second, kept)].reshape(2, *lead, K),
        rounds=np.where(better, later, rounds).reshape(lead),
        regret=np.where(better, other_regret, regret).reshape(lead),
    )


@dataclass(frozen=True)
class _Reporting:
    """The game in reports at C cases; what is told are places in `replies.reports`, (2, C, K)."""

    replies: Replies
    paid: Array
    """(2, C, R, R): net transfers by both reports."""

    def expected(self, told: NDArray[np.intp], firm: int, lanes: NDArray[np.intp]) -> Array:
        """(n, K, R): payoffs by own type and report in these cases."""
        C = self.paid.shape[1]
        reported, met = self.replies.rival_weights(told[1 - firm, lanes])

        def met_by(kinds: slice, reports: slice, part: Array) -> Array:
            here = part.reshape(C, -1, part.shape[-1])
            found = (here if len(lanes) == C else here[lanes]) @ met[..., None]
            return np.asarray(found.reshape(len(lanes), *part.shape[-3:-1]))

        earned = self.replies.tables[firm].reduced(met_by)
        paid = np.matmul(self.paid[firm, lanes], reported[..., None])
        return np.asarray(earned + paid[:, None, :, 0])

    def played(
        self, first: int
    ) -> tuple[NDArray[np.intp], NDArray[np.bool_], NDArray[np.intp], Array, Array]:
        """What is told when best replies from the truth, this firm's first, settle or come back;
        (C,) each: whether they settled, after how many rounds, and, NaN where they did not, the
        largest expected gain of any type from another report and the firms' joint expected
        payoff."""
        types, at, C = self.replies.types, self.replies.reports, self.paid.shape[1]
        told = np.broadcast_to(np.searchsorted(at, types.nodes), (2, C, len(types.nodes))).copy()
        distance = [np.abs(types.of(firm)[at] - types.types_of(firm)[:, None]) for firm in (0, 1)]
        settled, rounds = np.zeros(C, bool), np.zeros(C, np.intp)
        gain, earned = np.empty((2, 2, C))  # of each firm's last answer
        moving, seen = np.arange(C), [told.copy()]
        for turn in range(1, ROUNDS + 1):
            before = told[:, moving]
            for firm in (first, 1 - first):
                value = self.expected(told, firm, moving)
                best = value.max(-1, keepdims=True)
                near = value >= best - 1e-12 * np.abs(best)
                answer = np.argmin(np.where(near, distance[firm], np.inf), axis=-1)
                own = np.take_along_axis(value, answer[..., None], -1)
                gain[firm, moving] = (best - own).max((-2, -1))
                earned[firm, moving] = own[..., 0] @ types.probabilities
                told[firm, moving], rounds[moving] = answer, turn
                if firm == first and turn == 1:
                    continue
                # whoever answers what has not changed does not change either
                still = (told[:, moving] == before).all((0, 2))
                settled[moving[still]] = True
                moving, before = moving[~still], before[:, ~still]
                if not len(moving):
                    break
            cycles = np.any([(told[:, moving] == old[:, moving]).all((0, 2)) for old in seen], 0)
            seen.append(told.copy())
            moving = moving[~cycles]
            if not len(moving):
                break
        regret, joint = gain.max(0), earned.sum(0)
        regret[~settled], joint[~settled] = np.nan, np.nan
        return told, settled, rounds, regret, joint


@dataclass(frozen=True, kw_only=True, eq=False)
class ExpectedOutcome:
    """Expectations over both firms' types; money units."""

    welfare: PerCase
    """(...)."""
    consumer_surplus: PerCase
    """(...)."""
    profit: Array
    """(..., 2): before transfers, at true costs."""
    net_transfer: Array
    """(..., 2): received less paid."""
    sharing: Array
    """(..., 2)."""
    investment: Array
    """(..., 2)."""
    price: Array
    """(..., 2)."""
    quantity: Array
    """(..., 2)."""
    investment_cost: Array
    """(..., 2): security spending, part of what profit is net of."""
    describes_market: bool | NDArray[np.bool_] = True
    """(...): whether no price, quantity or unit cost is negative at any pair of types."""

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def kept(self) -> Array:
        """(..., 2): what firms are left with, profit and net transfer."""
        return self.profit + self.net_transfer

    @property
    def budget(self) -> PerCase:
        """(...): what the public pays net of tax; negative is revenue."""
        return np.asarray(self.net_transfer).sum(-1)[()]

    def paying(self, net_transfer: Array) -> ExpectedOutcome:
        """The same with these expected net transfers (..., 2)."""
        return replace(self, net_transfer=net_transfer)

    def take(self, cases: NDArray[np.intp]) -> ExpectedOutcome:
        """The expectations of some of many cases."""
        return ExpectedOutcome(**{f.name: getattr(self, f.name)[cases] for f in fields(self)})

    @property
    def lane(self) -> ExpectedOutcome:
        """Those of one case as those of many."""
        return ExpectedOutcome(
            **{f.name: np.asarray(getattr(self, f.name))[None] for f in fields(self)}
        )

    @property
    def first(self) -> ExpectedOutcome:
        """Those of the first of many cases."""
        return ExpectedOutcome(
            **{f.name: np.asarray(getattr(self, f.name))[0] for f in fields(self)}
        )

    @classmethod
    def joined(cls, parts: Sequence[ExpectedOutcome]) -> ExpectedOutcome:
        """Those of some cases each, one after the other."""
        return cls(
            **{
                f.name: np.concatenate([getattr(part, f.name) for part in parts])
                for f in fields(cls)
            }
        )


def expected_outcome(
    case: Case,
    types: TypeSpace,
    x: Array,
    net_transfer: Array | float = 0.0,
    rule: PriceRule = bertrand_matrix,
    shares: Array | None = None,
) -> ExpectedOutcome:
    """Expectations when types (k, l) end up at levels x (..., K, K, 4) with these net transfers
    (..., K, K, 2), costs being the true ones; where levels are drawn by lottery they are (m, K, K,
    4), each with its probability `shares` (m, K, K).
    """
    books = account(case_at_pairs(case, types.types, types.parameter), x, rule)
    pairs = np.outer(types.probabilities, types.probabilities)
    drawn = pairs if shares is None else pairs * shares

    def mean(values: Array, weight: Array = drawn) -> Array:
        """(..., 2), of values (..., K, K, 2) or (m, K, K, 2)."""
        return np.moveaxis(np.tensordot(np.moveaxis(values, -1, 0), weight, weight.ndim), 0, -1)

    paid = np.broadcast_to(
        net_transfer, books.profit.shape if shares is None else books.profit.shape[1:]
    )
    return ExpectedOutcome(
        welfare=mean(books.total_surplus).sum(-1),
        consumer_surplus=mean(books.consumer_surplus).sum(-1),
        profit=mean(books.profit),
        net_transfer=mean(paid, pairs),
        sharing=mean(x[..., SHARING]),
        investment=mean(x[..., INVESTMENT]),
        price=mean(books.price),
        quantity=mean(books.quantity),
        investment_cost=mean(books.investment_cost),
        describes_market=np.asarray(books.describes_market.all(tuple(range(-drawn.ndim, 0)))),
    )


def certain_outcome(
    case: Case, x: Array, rule: PriceRule = bertrand_matrix, net_transfer: Array | float = 0.0
) -> ExpectedOutcome:
    """The same where nothing is private: at levels x (C, 4) in the markets of a flat case, with
    these net transfers (C, 2)."""
    books = account(case, x, rule)
    return ExpectedOutcome(
        welfare=books.total_surplus.sum(-1),
        consumer_surplus=books.consumer_surplus.sum(-1),
        profit=books.profit,
        net_transfer=np.broadcast_to(net_transfer, books.profit.shape),
        sharing=x[..., SHARING],
        investment=x[..., INVESTMENT],
        price=books.price,
        quantity=books.quantity,
        investment_cost=books.investment_cost,
        describes_market=books.describes_market,
    )


def at_reports(values: Array, first: NDArray[np.intp], second: NDArray[np.intp]) -> Array:
    """Values (..., M, M) over reports, firm 1's first, at those of all pairs of types, (..., K)
    each: (..., K, K)."""
    lead = values.shape[:-2]
    rows = np.broadcast_to(first, (*lead, first.shape[-1]))[..., :, None]
    columns = np.broadcast_to(second, (*lead, second.shape[-1]))[..., None, :]
    return np.take_along_axis(np.take_along_axis(values, rows, -2), columns, -1)


def by_pair(table: Array, reports: NDArray[np.intp]) -> Array:
    """A table (2, ..., M own, M rival's) at the reports (2, ..., K) of all pairs of types: (..., K,
    K, 2), firm 1's type first."""
    first, second = reports
    return np.stack(
        [
            at_reports(table[0], first, second),
            np.swapaxes(at_reports(table[1], second, first), -1, -2),
        ],
        -1,
    )


def levels_at(levels: Array, reports: NDArray[np.intp]) -> Array:
    """Levels (..., M, M, 4) over reports at those (2, ..., K) of all pairs of types: (..., K, K,
    4)."""
    return np.moveaxis(at_reports(np.moveaxis(levels, -1, 0), *reports), 0, -1)
