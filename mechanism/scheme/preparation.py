"""What all tax rules share at one case with private types, or at many with the same types at once:
the levels for all reports, what firms earn at them before transfers, and what staying out is worth.
"..." in a shape are the cases, none for one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case
from market.model.outcome import account
from market.model.pricing import bertrand_matrix
from market.regimes import REGIMES
from mechanism.casefile.policies import GOAL, TODAY
from mechanism.casefile.schema import MechanismOptions
from mechanism.casefile.types import TypeSpace
from mechanism.design.rules import TaxRule
from mechanism.design.states import Timing, own_first
from mechanism.frozen import freeze
from mechanism.scheme.allocation import Allocation, case_at_pairs, levels_over_pairs, per_firm
from mechanism.scheme.behaviour import (
    ExpectedOutcome,
    Replies,
    at_reports,
    by_pair,
    expected_outcome,
    levels_at,
)
from mechanism.scheme.incentives import Earned, earned, free_earned
from mechanism.scheme.own_table import listed
from mechanism.scheme.private_market import PrivateEquilibrium, private_equilibrium
from mechanism.scheme.reported import Assignment, assign

PAYOFFS = ("with_cost", "printed")


# --- what staying out is worth


class Fallback(Protocol):
    """What a firm earns, by its own type and its rival's (..., n, K), where it might fall back on;
    NaN where that is not known."""

    def assigned(self) -> Array:
        """At the levels assigned, before transfers."""
        ...

    def market(self) -> Array:
        """In the unregulated market at both types known (`nash`)."""
        ...

    def private(self) -> Array:
        """(..., n, 1): there when each firm knows its own type alone (`bayes_nash`)."""
        ...


def staying_out(fallback: Fallback, form: str, timing: Timing, weights: Array) -> Array:
    """What staying out is worth in one form of participation, by own type (..., n, 1) or by both
    (..., n, K); NaN where not known.

    A refusal cancels the scheme for both firms: `ir_market` is the unregulated market, `ir1` the
    own profit at the levels assigned (weights (K,): the rival's types), `ir2` and `none` nothing.
    """
    if form == "ir_market":
        return fallback.private() if timing == "interim" else fallback.market()
    own = fallback.assigned()
    if form == "ir1":
        return (own @ weights)[..., None] if timing == "interim" else own
    return np.zeros_like(own[..., :1])


def sides_of_joining(form: str, payoff: Array, net: Array, outside: Array) -> tuple[Array, Array]:
    """What a firm compares when it decides to join, (..., n, K) each: its payoff and what staying
    out is worth. With `ir1` the own profit is the same on both sides, so that the net transfer is
    what is left."""
    return (
        (net, np.zeros_like(net))
        if form == "ir1"
        else (payoff, np.broadcast_to(outside, payoff.shape))
    )


# --- the scheme


@dataclass(frozen=True, kw_only=True, eq=False)
class Scheme:
    """What all tax rules share."""

    case: Case
    """With the batch axes "..."."""
    types: TypeSpace
    options: MechanismOptions
    assignment: Assignment
    residual: Array
    """(...): the largest first-order residual of any assigned levels."""
    several: NDArray[np.bool_]
    """(...): whether any search met more than one local optimum."""
    market_levels: Array | None
    """(..., M, M, 4): the unregulated market (`nash`) at every pair of points, NaN where it has no
    equilibrium; None if not asked for."""
    private_market: PrivateEquilibrium
    """That market when each firm knows its own type alone (`bayes_nash`)."""
    _earned: dict[tuple[str, bool], Earned] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def lead(self) -> tuple[int, ...]:
        """The shape of "..."."""
        return self.residual.shape

    def take(self, lanes: NDArray[np.intp]) -> Scheme:
        """Some of many cases."""
        return replace(
            self,
            case=self.case.take(lanes),
            assignment=self.assignment.take(lanes),
            residual=self.residual[lanes],
            several=self.several[lanes],
            market_levels=None if self.market_levels is None else self.market_levels[lanes],
            private_market=self.private_market.take(lanes),
        )

    def lane(self, at: int) -> Scheme:
        """One of many cases as a scheme of its own."""
        one = self.take(np.array([at]))
        return replace(
            one,
            case=one.case.map(lambda a: a[0]),
            assignment=one.assignment.lane(0),
            residual=one.residual[0],
            several=one.several[0],
            market_levels=None if one.market_levels is None else one.market_levels[0],
            private_market=one.private_market.take(0),
        )

    # what firms earn before transfers

    def earned(self, payoff: str, observed: bool = False) -> Earned:
        """Before net transfers, by true types and reports; whatever the tax rule."""
        if (payoff, observed) not in self._earned:
            self._earned[payoff, observed] = earned(self.assignment, payoff, observed)
        return self._earned[payoff, observed]

    @cached_property
    def free(self) -> dict[str, Earned | None]:
        """For each form of the payoff, the same when own levels are chosen as well; None where that
        has no limit."""
        return {
            payoff: free_earned(self.assignment, payoff)
            for payoff in PAYOFFS
            if self.types.private_values
        }

    @cached_property
    def replies(self) -> Replies:
        """The same in the case's own payoff by what the rival is and says."""
        types, payoff = self.types, self.options.payoff
        if types.private_values:
            tables = self.earned(payoff).tables
            first = tables[0].among(types.nodes)
            second = first if tables[1] is tables[0] else tables[1].among(types.nodes)
            return Replies(types=types, tables=(first, second), reports=np.arange(types.size))
        first, second = (
            listed(t.reshape(*t.shape[:-2], -1))
            for t in (self.assignment.at_both_true(firm, payoff) for firm in (0, 1))
        )
        return Replies(types=types, tables=(first, second), reports=types.nodes)

    @cached_property
    def refined(self) -> dict[int, Any]:
        """What `continuum` has worked out of either firm between the types, whatever the tax
        rule."""
        return {}

    # what comes of it

    @cached_property
    def truth(self) -> ExpectedOutcome:
        """Expectations at the truth before net transfers."""
        return expected_outcome(
            self.case, self.types, levels_at(self.assignment.levels[0], self._truth_reports)
        )

    @cached_property
    def _truth_reports(self) -> NDArray[np.intp]:
        return np.broadcast_to(self.types.nodes, (2, *self.lead, len(self.types.nodes)))

    def at_truth(self, net: Array) -> ExpectedOutcome:
        """Expectations when all tell the truth at net transfers (2, ..., M, M)."""
        pairs = np.outer(self.types.probabilities, self.types.probabilities)
        paid = by_pair(net, self._truth_reports)
        return self.truth.paying(
            np.moveaxis(np.tensordot(np.moveaxis(paid, -1, 0), pairs, 2), 0, -1)
        )

    def at_reports(self, net: Array, reports: NDArray[np.intp]) -> ExpectedOutcome:
        """Expectations when types report these points (2, ..., K)."""
        return expected_outcome(
            self.case,
            self.types,
            levels_at(self.assignment.levels[0], reports),
            by_pair(net, reports),
        )

    # what staying out is worth

    def assigned(self) -> Array:
        """(2, ..., M, M): own profit at the levels assigned, in the case's own payoff."""
        return self.assignment.kept(self.options.payoff)

    def market(self) -> Array:
        """(2, ..., M, M): what `nash` earns by own and rival's true type; NaN where at some pair it
        has no equilibrium that describes a market."""
        assert self.market_levels is not None
        books = account(
            case_at_pairs(self.case, self.types.points, self.types.parameter),
            self.market_levels,
            bertrand_matrix,
        )
        own = per_firm(
            books.profit + (books.investment_cost if self.options.payoff == "printed" else 0.0)
        )
        return np.where(books.describes_market.all((-2, -1), keepdims=True), own, np.nan)

    def private(self) -> Array:
        """(2, ..., M, 1): what each type earns in `bayes_nash`; NaN where that was not found."""
        return self.private_market.earned(self.options.payoff)[..., None]

    def outside(self, form: str, timing: Timing) -> Array:
        """What staying out is worth, (2, ..., M, 1) or (2, ..., M, M); NaN where the market has no
        equilibrium."""
        return staying_out(self, form, timing, self.types.weights)

    @cached_property
    def own_outside(self) -> Array:
        """The same in the case's own form of participation."""
        return self.outside(self.options.participation, self.options.timing)

    def joining(self, net: Array, payoff: Array, form: str, timing: Timing) -> tuple[Array, Array]:
        """Both sides of one form of individual rationality at net transfers and payoffs of the
        truth (2, ..., M, M): (2, ..., M) interim or (2, ..., M, M) ex post; NaN where the outside
        is not known."""
        own = form == self.options.participation and timing == self.options.timing
        sides = sides_of_joining(
            form, payoff, net, self.own_outside if own else self.outside(form, timing)
        )
        if timing == "ex_post":
            return sides
        return sides[0] @ self.types.weights, sides[1] @ self.types.weights

    def by_own_type(self, values: Array, timing: Timing) -> Array:
        """Values (2, ..., M, M) by own type alone, (2, ..., M), where firms decide knowing no more;
        as they are ex post."""
        return values if timing == "ex_post" else np.asarray(values @ self.types.weights)

    def by_type(self, values: Array, timing: Timing) -> Array:
        """The same of values (2, ..., K, K) over types."""
        return values if timing == "ex_post" else np.asarray(values @ self.types.probabilities)

    @property
    def outside_of_types(self) -> Array:
        """What staying out is worth to the types that expectations are taken over, (2, ..., K, 1)
        or (2, ..., K, K)."""
        at_types = self.own_outside[..., self.types.nodes, :]
        return at_types if at_types.shape[-1] == 1 else at_types[..., self.types.nodes]

    def kept_at(self, net: Array, reports: NDArray[np.intp]) -> tuple[Array, Array]:
        """What types keep, net transfers (2, ..., M, M) included, when they report these points (2,
        ..., K), and what of it they are paid: (2, ..., K, K) each, the own type first."""
        replies = self.replies
        told = np.searchsorted(replies.reports, reports)
        K, R = len(self.types.nodes), len(replies.reports)
        earned, paid = [], []
        for firm, table in enumerate(replies.tables):
            met = told[1 - firm] if self.types.private_values else np.arange(K) * R + told[1 - firm]
            own = table.told(told[firm])
            earned.append(
                np.take_along_axis(
                    own, np.broadcast_to(met[..., None, :], (*own.shape[:-1], K)), -1
                )
            )
            paid.append(at_reports(net[firm], reports[firm], reports[1 - firm]))
        return np.stack(earned) + np.stack(paid), np.stack(paid)

    def net(self, rule: TaxRule) -> Array:
        """The net transfers (2, ..., M own reports, M rival's) of a rule with a formula; where the
        market has no equilibrium, staying out counts as worth nothing. Where nobody may refuse
        there is no time at which they do, and a worst type is one in expectation.
        """
        timing: Timing = "interim" if self.options.participation == "none" else self.options.timing
        return own_first(
            *rule.net(self.assignment.reports(np.nan_to_num(self.own_outside), timing))
        )


def over_pairs(
    case: Case, points: Array, key: str, parameter: str, plain: bool = False
) -> Allocation:
    """The levels of a regime at all pairs of points in a case or a batch of them: arrays (..., M,
    M)."""
    return levels_over_pairs(case.flat(), points, key, parameter, plain=plain).reshaped(case.batch)


def prepare(case: Case, types: TypeSpace, options: MechanismOptions) -> Scheme | None:
    """The scheme of one case with everything any option may ask for; None where some pair has no
    social optimum."""
    optimum = over_pairs(case, types.points, GOAL, types.parameter)
    if not optimum.solved:
        return None
    return scheme_at(
        case, types, options, optimum, over_pairs(case, types.points, TODAY, types.parameter)
    )


def private_regime(
    case: Case, types: TypeSpace, key: str = TODAY, known: Array | None = None, plain: bool = False
) -> PrivateEquilibrium:
    """A regime in which firms choose for themselves (`nash`, `no_sharing`) when each knows its own
    type alone, in a case or a batch.

    Its equilibrium is sought from the one with both types known at the middle pair, and asked for
    only where there is one at every pair that is looked at. `known` (..., M, M, 4) or (..., K, K,
    4) are those levels over all pairs of points or of types, where they are known; otherwise they
    are found in the corners and in the middle. With `plain` global deviations are searched at these
    points alone.
    """
    K, M, middle = len(types.nodes), types.size, int(types.nodes[len(types.nodes) // 2])
    few = np.unique([0, middle, M - 1])
    if known is None:
        known, place = (
            over_pairs(case, types.points[..., few], key, types.parameter, plain).levels,
            int(np.searchsorted(few, middle)),
        )
    else:
        place = middle if known.shape[-2] == M else K // 2
    start = known[..., place, place, :] + 0.0 * known.sum((-3, -2))  # NaN where some pair has none
    return private_equilibrium(
        case, types, start, few if plain else None, sharing_range=REGIMES[key].sharing_range
    )


def scheme_at(
    case: Case,
    types: TypeSpace,
    options: MechanismOptions,
    optimum: Allocation,
    market: Allocation | None,
    plain: bool = False,
    market_at_types: Array | None = None,
) -> Scheme:
    """The scheme at the planner's levels over all pairs of points.

    `market` is `nash` over the same pairs. With `plain` it is given only if the options ask for it,
    levels are found from a few pairs, and `market_at_types` (..., K, K, 4) is `nash` at the types
    where it is known.
    """
    private = private_regime(
        case, types, TODAY, market_at_types if market is None else market.levels, plain
    )
    return Scheme(
        case=case,
        types=types,
        options=options,
        assignment=assign(case, types, optimum.levels),
        residual=np.asarray(optimum.residual.max((-2, -1))),
        several=np.asarray(optimum.several.any((-2, -1))),
        market_levels=None if market is None else market.levels,
        private_market=private,
    )
