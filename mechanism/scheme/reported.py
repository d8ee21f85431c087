"""Appendix B when firms report their cost spillovers: levels, subsidies, taxes and payoffs over all
reports.

The regulator assigns the levels x*(r_1, r_2) that are socially optimal for the reports. Firm i
receives S_i = CS_i + TS_j at those levels, with firm j's cost as j reports it, and pays T_i.
Written with U = GU_1 + GU_2 - F_1 q_1 - F_2 q_2, firm i of type theta_i earns

    V_i = U(x) - f_i(x; theta_i) - f_j(x; r_j) - T_i(r_i, r_j)    with its own cost in the payoff
    V_i = U(x)                   - f_j(x; r_j) - T_i(r_i, r_j)    as (38) prints it, no own cost

at x = x*(r_i, r_j). Prices do not depend on lambda_c, so nothing but reports links the firms'
information.

Taxes are functions of the table S_i(r_i, r_j) of subsidies on the path (`mechanism.design.rules`).
One that is free of the own report leaves V_i welfare at (theta_i, r_j) less a constant, and x*
maximises just that: truth is then a best reply whatever the rival reports.

Where an intercept or a demand spillover is private instead, both types move both profits through
prices, which are set with everything known. What a report then does to the subsidy is no longer
what the true type does, so that a tax free of the own report is not enough; a subsidy settled on
the market that is `observed` is: with it and the tax of `groves` a firm earns welfare at the true
types less what its own report does not move, and x* at true reports maximises that. Truth is a best
reply to truth at every pair of types.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array, Case, of_firm, rival
from market.model.cost import COST_FORMS, usefulness
from market.model.outcome import Accounts, account
from market.model.pricing import bertrand_matrix
from mechanism.casefile.types import TypeSpace, discrete
from mechanism.design.states import Reports, Timing, over_states, own_first
from mechanism.frozen import freeze
from mechanism.scheme.allocation import case_at_pairs, per_firm
from mechanism.scheme.own_table import EVERY


@dataclass(frozen=True, kw_only=True, eq=False)
class Assignment:
    """What the regulator assigns over the grid of reports, seen by each firm: arrays are (2 firms,
    ..., M own, M rival's report), "..." being the cases, none for one."""

    case: Case
    """With the batch axes "..."."""
    types: TypeSpace
    levels: Array
    """(2, ..., M, M, 4): levels in the firms' own order (firm 1's sharing first), by the firm's own
    and its rival's report."""
    utility: Array
    """U: consumers' gross utility of both products less the cost of the units sold, money units."""
    revenue: Array
    """(p_i - F_i) q_i of the firm itself: its variable profit."""
    rival_cost: Array
    """f_j at the rival's reported cost spillover."""
    reported_cost: Array
    """f_i at the firm's own report."""

    def __post_init__(self) -> None:
        freeze(self)

    def take(self, lanes: NDArray[np.intp]) -> Assignment:
        """Some of many cases."""
        return Assignment(case=self.case.take(lanes), types=self.types, **self._tables(lanes))

    def lane(self, at: int) -> Assignment:
        """One of many cases."""
        case = self.case.take([at]).map(lambda a: a[0])
        return Assignment(case=case, types=self.types, **self._tables(at))

    def _tables(self, cases: Any) -> dict[str, Array]:
        names = ("levels", "utility", "revenue", "rival_cost", "reported_cost")
        return {name: getattr(self, name)[:, cases] for name in names}

    def at_points(self, points: NDArray[np.intp]) -> Assignment:
        """One case at some of the points alone, each of them a type."""
        square = np.ix_(np.arange(2), points, points)
        tables = {
            name: getattr(self, name)[square]
            for name in ("levels", "utility", "revenue", "rival_cost", "reported_cost")
        }
        types = discrete(
            self.types.points[..., points], self.types.weights[points], self.types.parameter
        )
        return Assignment(case=self.case, types=types, **tables)

    @cached_property
    def subsidy(self) -> Array:
        """S_i = CS_i + TS_j with the rival's cost as reported (35)."""
        return self.utility - self.revenue - self.rival_cost

    @cached_property
    def welfare(self) -> Array:
        """Social welfare if both reports are true."""
        return self.utility - self.reported_cost - self.rival_cost

    @cached_property
    def symmetric(self) -> bool:
        """Whether both firms see the same, up to rounding."""
        return self.types.common and all(
            np.allclose(a[0], a[1], 1e-12, 0)
            for a in (self.utility, self.revenue, self.reported_cost)
        )

    def kept(self, payoff: str) -> Array:
        """What either firm earns before transfers if both reports are true: profit (`with_cost`),
        or as in (38) profit before investment cost (`printed`)."""
        return self.revenue if payoff == "printed" else self.revenue - self.reported_cost

    def own_part(self, firm: int, types: Array, payoff: str, reports: slice = EVERY) -> Array:
        """What one firm of true types (n,) earns before transfers at the levels assigned for every
        pair of reports, of its own (r,) some, the rival's type being what it reports, (..., n, r,
        M)."""
        if not self.types.private_values:
            return own_payoff(self.at_true(firm, types, reports), firm, payoff)
        revenue = self.revenue[firm][..., None, reports, :]
        if payoff == "printed":
            return np.broadcast_to(revenue, (*revenue.shape[:-3], len(types), *revenue.shape[-2:]))
        levels = self.levels[firm][..., reports, :, :]
        return revenue - own_cost(self.case, self.types.parameter, firm, types, levels)

    def settled_part(self, firm: int, types: Array, payoff: str, reports: slice = EVERY) -> Array:
        """The same together with the subsidy of the market that comes about at the true types,
        whose prices and quantities they move."""
        books = self.at_true(firm, types, reports)
        return np.asarray(
            books.total_surplus.sum(-1)
            + (books.investment_cost[..., firm] if payoff == "printed" else 0.0)
        )

    def at_true(self, firm: int, types: Array, reports: slice = EVERY) -> Accounts:
        """The accounts at one firm's true types (n,), its own reports (r,) and its rival's, the
        rival truthful: leading axes (..., n, r, M)."""
        pairs = np.empty((len(types), 1, self.types.size, 2))
        pairs[..., firm], pairs[..., 1 - firm] = types[:, None, None], self.types.of(1 - firm)
        case = self.case.map(lambda a: a[..., None, None, None, :]).with_parameter(
            self.types.parameter, pairs
        )
        x = self.levels[firm][..., None, reports, :, :]
        return account(
            case, np.broadcast_to(x, (*x.shape[:-4], len(types), *x.shape[-3:])), bertrand_matrix
        )

    def at_both_true(self, firm: int, payoff: str) -> Array:
        """What one firm earns before transfers by its type and report and its rival's type and
        report, all on the types themselves: (..., K, K, K, K)."""
        types = self.types
        nodes, K = types.nodes, len(types.nodes)
        # axes: own type, own report, rival's type, rival's report
        pairs = np.empty((K, 1, K, 1, 2))
        pairs[..., firm], pairs[..., 1 - firm] = (
            types.types_of(firm)[:, None, None, None],
            types.types_of(1 - firm)[:, None],
        )
        case = self.case.map(lambda a: a[..., None, None, None, None, :]).with_parameter(
            types.parameter, pairs
        )
        x = self.levels[firm][..., nodes[:, None], nodes, :][..., None, :, None, :, :]
        shape = (*x.shape[:-5], K, K, K, K, 4)
        return own_payoff(account(case, np.broadcast_to(x, shape), bertrand_matrix), firm, payoff)

    def reports(self, outside: Array, timing: Timing) -> Reports:
        """What a tax rule sees; `outside` (2, ..., M, 1) or (2, ..., M, M) is what staying out is
        worth."""
        return Reports(
            others=over_states(self.subsidy),
            welfare=self.welfare[0],
            outside=over_states(outside),
            prior=(self.types.weights, self.types.weights),
            timing=timing,
        )


def own_payoff(books: Accounts, firm: int, payoff: str) -> Array:
    """What one firm earns before transfers: profit (`with_cost`), or as in (38) profit before
    investment cost (`printed`)."""
    return np.asarray(
        books.profit[..., firm] + (books.investment_cost[..., firm] if payoff == "printed" else 0.0)
    )


def own_cost(case: Case, parameter: str, firm: int, types: Array, levels: Array) -> Array:
    """f_i of one firm's true types (n,) at levels (..., m, K, 4) assigned for its own and its
    rival's reports: (..., n, m, K)."""
    x = levels[..., None, :, :, :]
    lone = case.map(lambda a: of_firm(a, firm)[..., None, None, None]).with_parameter(
        parameter, types[:, None, None]
    )
    received = usefulness(lone) * (x[..., 3 - firm] * x[..., 1 - firm])
    return COST_FORMS[case.cost_form].value(
        x[..., 2 + firm], received, lone.cost_scale, lone.max_saving
    )


def assign(case: Case, types: TypeSpace, levels: Array) -> Assignment:
    """The assignment of levels (..., M, M, 4) over pairs of reports, firm 1's first, in a case or a
    batch of them."""
    books = account(case_at_pairs(case, types.points, types.parameter), levels, bertrand_matrix)
    utility = (books.total_surplus + books.investment_cost).sum(-1)
    by_level = np.moveaxis(levels, -1, 0)  # each level of all reports next to each other in memory
    return Assignment(
        case=case,
        types=types,
        levels=np.moveaxis(np.stack([by_level, np.swapaxes(by_level, -1, -2)], 1), 0, -1),
        utility=own_first(utility, utility),
        revenue=per_firm(books.profit + books.investment_cost),
        rival_cost=per_firm(rival(books.investment_cost)),
        reported_cost=per_firm(books.investment_cost),
    )
