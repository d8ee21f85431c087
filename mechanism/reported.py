"""Appendix B when firms report their cost spillovers: levels, subsidies, taxes and payoffs over all reports.

The regulator assigns the levels x*(r_1, r_2) that are socially optimal for the reports. Firm i receives S_i = CS_i + TS_j at those
levels, with firm j's cost as j reports it, and pays T_i. Written with U = GU_1 + GU_2 - F_1 q_1 - F_2 q_2, firm i of type theta_i earns

    V_i = U(x) - f_i(x; theta_i) - f_j(x; r_j) - T_i(r_i, r_j)          with its own cost in the payoff
    V_i = U(x)                   - f_j(x; r_j) - T_i(r_i, r_j)          as (38) prints it, own cost left out

at x = x*(r_i, r_j). Prices do not depend on lambda_c, so nothing but reports links the firms' information.

Tax rules, each a function of the table S_i(r_i, r_j) of subsidies on the path:

- `printed` (37): T_i(r_i, r_j) = S_i(r_i, r_j). The net transfer is zero whatever is reported, so what is left of the payoff is the
  firm's own profit at levels that its report moves: truth is no best reply.
- `groves`: T_i(r_j) = E_theta S_i(theta, r_j). Free of the own report, so V_i is welfare at (theta_i, r_j) less a constant, and
  x* maximises just that: truth is a best reply whatever the rival reports.
- `worst_type` (Krishna and Perry): T_i(r_j) = W(w_i, r_j) - o_i(w_i), welfare with the firm at its worst type less its outside option
  there. Free of the own report as well; the type with the least to gain from joining is left with just its outside option.
- `agv` (d'Aspremont and Gerard-Varet): the net transfer is E S_i given the own report, less its mean, less the same of the rival. Truth
  is a best reply in expectation, the budget balances in every state, and interim payoffs are those of `groves`.

Where an intercept or a demand spillover is private instead, both types move both profits through prices, which are set with everything
known. What a report then does to the subsidy is no longer what the true type does, so that a tax free of the own report is not enough; a
subsidy settled on the market that is `observed` is: with it and the tax of `groves` a firm earns welfare at the true types less what its
own report does not move, and x* at true reports maximises that. Truth is a best reply to truth at every pair of types.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from market.case import Array, Case, of_firm, rival
from market.cost import COST_FORMS, usefulness
from market.outcome import Accounts, account
from market.pricing import bertrand_matrix
from mechanism.allocation import Allocation, case_at_pairs, per_firm
from mechanism.types import TypeSpace


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What the regulator assigns over the grid of reports, seen by each firm: arrays are (2 firms, M own, M rival's report).

    Of many cases with the same types at once the arrays are (2, C, M, M), and the parameters of `case` (C, 1, 1, 1, ...).
    """

    case: Case
    types: TypeSpace
    levels: Array
    """(2, M, M, 4): levels in the firms' own order (firm 1's sharing first), indexed by the firm's own and its rival's report."""
    utility: Array
    """U: consumers' gross utility of both products less the cost of the units sold, money units."""
    revenue: Array
    """(p_i - F_i) q_i of the firm itself: its variable profit."""
    rival_cost: Array
    """f_j at the rival's reported cost spillover."""
    reported_cost: Array
    """f_i at the firm's own report."""

    @property
    def subsidy(self) -> Array:
        """S_i = CS_i + TS_j with the rival's cost as reported (35), (2, M, M)."""
        return self.utility - self.revenue - self.rival_cost

    @property
    def welfare(self) -> Array:
        """Social welfare if both reports are true, (2, M, M)."""
        return self.utility - self.reported_cost - self.rival_cost

    def own_part(self, firm: int, types: Array, payoff: str) -> Array:
        """What one firm of true types (n,) earns before transfers at the levels assigned for every pair of reports, the rival's type being
        what it reports, (n, M, M): profit (`with_cost`), or as in (38) profit before investment cost (`printed`)."""
        if not self.types.private_values:
            books = self.at_true(firm, types)
            return np.asarray(books.profit[..., firm] + (books.investment_cost[..., firm] if payoff == "printed" else 0.0))
        revenue = self.revenue[firm][..., None, :, :]
        if payoff == "printed":
            return np.broadcast_to(revenue, (*revenue.shape[:-3], len(types), *revenue.shape[-2:]))
        return revenue - own_cost(self.case, firm, types, self.levels[firm])

    def at_true(self, firm: int, types: Array) -> Accounts:
        """The accounts at one firm's true types (n,), its own and its rival's report, the rival truthful: leading axes (n, M, M)."""
        pairs = np.empty((len(types), 1, len(self.types.points), 2))
        pairs[..., firm], pairs[..., 1 - firm] = types[:, None, None], self.types.points
        case = self.case.map(lambda a: a.reshape(1, 1, 1, -1)).with_parameter(self.types.parameter, pairs)
        return account(case, np.broadcast_to(self.levels[firm], (len(types), *self.levels[firm].shape)), bertrand_matrix)


def own_cost(case: Case, firm: int, types: Array, levels: Array) -> Array:
    """f_i of one firm's true types (n,) at levels (..., m, K, 4) assigned for its own and its rival's reports: (..., n, m, K)."""
    x, other = levels[..., None, :, :, :], 1 - firm
    useful = usefulness(case.with_cost_spillover(np.ones(1)))  # of a type of one
    received = of_firm(useful, firm) * types[:, None, None] * x[..., 2 + other] * x[..., other]
    return COST_FORMS[case.cost_form].value(x[..., 2 + firm], received, of_firm(case.cost_scale, firm), of_firm(case.max_saving, firm))


def assign(case: Case, types: TypeSpace, allocation: Allocation) -> Assignment:
    """The assignment that follows from an allocation over the grid of types."""
    books = account(case_at_pairs(case, types.points, types.parameter), allocation.levels, bertrand_matrix)
    return assignment_of(case.map(lambda x: x.reshape(1, -1)), types, allocation.levels, books)


def assignment_of(case: Case, types: TypeSpace, levels: Array, books: Accounts) -> Assignment:
    """The assignment of levels (..., M, M, 4), first axis of a pair firm 1's report, with their accounts if the reports are true."""
    revenue = books.profit + books.investment_cost
    utility = (books.total_surplus + books.investment_cost).sum(-1)
    return Assignment(
        case=case,
        types=types,
        levels=np.stack([levels, np.swapaxes(levels, -3, -2)]),
        utility=np.stack([utility, np.swapaxes(utility, -1, -2)]),
        revenue=per_firm(revenue),
        rival_cost=per_firm(rival(books.investment_cost)),
        reported_cost=per_firm(books.investment_cost),
    )


def payoff_before_tax(assignment: Assignment, firm: int, types: Array, payoff: str, observed: bool = False) -> Array:
    """V_i plus the tax for one firm's true types (n,): (n, M, M), axes true type, own report, rival's report.

    `payoff` is `with_cost` (the firm bears its true cost) or `printed` (38). The subsidy is that of the reports, or with `observed` that of
    the market that then comes about, whose prices and quantities both true types move.
    """
    if not observed:
        return assignment.own_part(firm, types, payoff) + assignment.subsidy[firm][..., None, :, :]
    books = assignment.at_true(firm, types)
    return np.asarray(books.total_surplus.sum(-1) + (books.investment_cost[..., firm] if payoff == "printed" else 0.0))


def both_types_table(assignment: Assignment, firm: int, tax: Array, payoff: str) -> Array:
    """One firm's payoff by its type and report and its rival's type and report, all on the types themselves: (K, K, K, K)."""
    types = assignment.types
    nodes, K = types.nodes, len(types.nodes)
    square = np.ix_(nodes, nodes)
    pairs = np.empty((K, 1, K, 1, 2))  # axes: own type, own report, rival's type, rival's report
    pairs[..., firm], pairs[..., 1 - firm] = types.types[:, None, None, None], types.types[:, None]
    case = assignment.case.map(lambda a: a.reshape(1, 1, 1, 1, -1)).with_parameter(types.parameter, pairs)
    x = np.broadcast_to(assignment.levels[firm][square][None, :, None], (K, K, K, K, 4))
    books = account(case, x, bertrand_matrix)
    own = books.profit[..., firm] + (books.investment_cost[..., firm] if payoff == "printed" else 0.0)
    return np.asarray(own + (assignment.subsidy[firm] - tax[firm])[square][None, :, None])


# --- tax rules

TaxRule = Callable[[Assignment, Array], Array]
"""From an assignment and outside options, (2, M, 1) by own type or (2, M, M) by both, to the taxes (2, M own reports, M rival's)."""


def printed_tax(assignment: Assignment, outside: Array) -> Array:
    """(37): the subsidy at the levels assigned for the same reports."""
    return assignment.subsidy


def groves_tax(assignment: Assignment, outside: Array) -> Array:
    """The subsidy's expectation over the own type: the same for every own report."""
    subsidy = assignment.subsidy
    return np.broadcast_to((assignment.types.weights @ subsidy)[..., None, :], subsidy.shape)


def worst_type_tax(assignment: Assignment, outside: Array) -> Array:
    """Welfare with the firm at its worst type, less its outside option there; with outside options by pair, one type per rival's type."""
    margin = assignment.welfare - outside
    if outside.shape[-1] == 1:
        worst = (margin @ assignment.types.weights).argmin(-1)
        fee = np.take_along_axis(margin, worst[..., None, None], axis=-2)
    else:
        fee = margin.min(-2, keepdims=True)
    return np.broadcast_to(fee, margin.shape)


def agv_tax(assignment: Assignment, outside: Array) -> Array:
    """The subsidy less what the own report lets the others expect, plus what the rival's report lets the firm expect; each less its
    mean, so that no firm pays the other in expectation."""
    expected = assignment.subsidy @ assignment.types.weights
    expected = expected - (expected @ assignment.types.weights)[..., None]
    return np.asarray(assignment.subsidy - expected[..., :, None] + expected[::-1][..., None, :])


TAX_RULES: dict[str, TaxRule] = {"printed": printed_tax, "groves": groves_tax, "worst_type": worst_type_tax, "agv": agv_tax}
