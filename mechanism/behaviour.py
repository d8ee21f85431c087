"""What firms do when truth is no best reply: an equilibrium in reports, and what any reporting behaviour leads to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from market.case import INVESTMENT, SHARING, Array, Case
from market.outcome import account, numbers
from market.pricing import PriceRule, bertrand_matrix
from mechanism.allocation import case_at_pairs
from mechanism.reported import Assignment, both_types_table, payoff_before_tax
from mechanism.types import TypeSpace

ROUNDS = 200
"""Rounds of best replies in reports after which none is claimed."""


@dataclass(frozen=True, kw_only=True)
class ReportingEquilibrium:
    """Reports from which no type of either firm gains by another report on the grid."""

    status: Literal["converged", "no_equilibrium"]
    reports: NDArray[np.intp]
    """(2, K): the grid point that each type of each firm reports; where play cycled, the last round's."""
    rounds: int
    regret: float
    """Largest expected gain of any type from another report, payoff units."""


def reporting_equilibrium(assignment: Assignment, tax: Array, payoff: str) -> ReportingEquilibrium:
    """Best replies in reports from the truth, firm by firm, until they settle. Ties go to the truth, then to the nearest report."""
    types = assignment.types
    if types.private_values:
        table = [payoff_before_tax(assignment, firm, types.types, payoff) - tax[firm] for firm in (0, 1)]
        expected = _expected
    else:
        table = [both_types_table(assignment, firm, tax, payoff) for firm in (0, 1)]
        expected = _expected_by_both
    distance = np.abs(types.points[None] - types.types[:, None])
    reports = np.stack([types.nodes, types.nodes])
    seen = {reports.tobytes()}
    for turn in range(1, ROUNDS + 1):
        before = reports.copy()
        for firm in (0, 1):
            reports[firm] = _best_reports(expected(table[firm], types, reports[1 - firm]), distance)
        if np.array_equal(reports, before):
            regret = max(_regret(expected(table[firm], types, reports[1 - firm]), reports[firm]) for firm in (0, 1))
            return ReportingEquilibrium(status="converged", reports=reports, rounds=turn, regret=regret)
        if reports.tobytes() in seen:
            break
        seen.add(reports.tobytes())
    return ReportingEquilibrium(status="no_equilibrium", reports=reports, rounds=turn, regret=float("nan"))


def _expected(table: Array, types: TypeSpace, rival_reports: NDArray[np.intp]) -> Array:
    """(K, M): expected payoff by true type and own report when the rival's types report like this."""
    weight = np.bincount(rival_reports, weights=types.probabilities, minlength=len(types.points))
    return np.asarray(table @ weight)


def _expected_by_both(table: Array, types: TypeSpace, rival_reports: NDArray[np.intp]) -> Array:
    """The same where both types move both profits, from (K, K, K, K); only the types themselves are reported."""
    told = np.searchsorted(types.nodes, rival_reports)
    out = np.full((len(types.nodes), len(types.points)), -np.inf)
    every = np.arange(len(types.nodes))
    out[:, types.nodes] = table[:, :, every, told] @ types.probabilities
    return out


def _best_reports(expected: Array, distance: Array) -> NDArray[np.intp]:
    best = expected.max(1, keepdims=True)
    near = expected >= best - 1e-12 * np.maximum(1.0, np.abs(best))
    return np.argmin(np.where(near, distance, np.inf), axis=1)


def _regret(expected: Array, reports: NDArray[np.intp]) -> float:
    return float((expected.max(1) - expected[np.arange(len(reports)), reports]).max())


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Expectations over both firms' types; money units."""

    welfare: float
    consumer_surplus: float
    profit: Array
    """(2,): before transfers, at true costs."""
    net_transfer: Array
    """(2,): received less paid."""
    sharing: Array
    """(2,)."""
    investment: Array
    """(2,)."""
    price: Array
    """(2,)."""
    describes_market: bool = True
    """Whether no price and no quantity is negative at any pair of types."""

    @property
    def budget(self) -> float:
        """What the public pays net of tax; negative is revenue."""
        return float(self.net_transfer.sum())

    def tree(self) -> dict[str, Any]:
        """Expectations as plain values."""
        return {
            "welfare": self.welfare,
            "consumer_surplus": self.consumer_surplus,
            "profit": numbers(self.profit),
            "net_transfer": numbers(self.net_transfer),
            "payoff": numbers(self.profit + self.net_transfer),
            "budget": self.budget,
            "sharing": numbers(self.sharing),
            "investment": numbers(self.investment),
        }


def expected_outcome(
    case: Case, types: TypeSpace, x: Array, net_transfer: Array | float = 0.0, rule: PriceRule = bertrand_matrix
) -> Expected:
    """Expectations when types (k, l) end up at levels x (K, K, 4) with these net transfers (K, K, 2), costs being the true ones."""
    books = account(case_at_pairs(case, types.types, types.parameter), x, rule)
    weight = (types.probabilities[:, None] * types.probabilities[None])[..., None]

    def mean(values: Array) -> Array:
        return np.asarray((weight * values).sum((0, 1)))

    return Expected(
        welfare=float(mean(books.total_surplus).sum()),
        consumer_surplus=float(mean(books.consumer_surplus).sum()),
        profit=mean(books.profit),
        net_transfer=mean(np.broadcast_to(net_transfer, books.profit.shape)),
        sharing=mean(x[..., SHARING]),
        investment=mean(x[..., INVESTMENT]),
        price=mean(books.price),
        describes_market=bool(books.describes_market.all()),
    )


def by_pair(table: Array, own: NDArray[np.intp], rivals: NDArray[np.intp]) -> Array:
    """A table (2, M own, M rival's) at the reports of all pairs of types: (K, K, 2), first axis firm 1's type."""
    first = table[0][np.ix_(own, rivals)]
    second = table[1][np.ix_(rivals, own)].T
    return np.stack([first, second], -1)
