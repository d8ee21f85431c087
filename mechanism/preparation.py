"""What all tax rules share at one case with private cost spillovers: levels for all reports and what staying out earns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from market.case import Array, Case
from market.outcome import account
from market.pricing import bertrand_matrix
from mechanism.allocation import Allocation, allocate, case_at_pairs, per_firm
from mechanism.behaviour import Expected, ReportingEquilibrium, by_pair, expected_outcome
from mechanism.incentives import FreePayoff, Gains, free_payoff
from mechanism.private_market import PrivateEquilibrium, private_equilibrium
from mechanism.reported import TAX_RULES, Assignment, assign
from mechanism.schema import MechanismOptions
from mechanism.types import TypeSpace

PAYOFFS = ("with_cost", "printed")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all tax rules share at one case: types, levels for all reports, outside options."""

    case: Case
    types: TypeSpace
    options: MechanismOptions
    assignment: Assignment
    residual: float
    """Largest first-order residual of any assigned levels."""
    several: bool
    """Whether any search met more than one local optimum."""
    outside: dict[str, Array] | None
    """(2, M, M) for each form of the payoff: what the unregulated market (`nash`) earns by own and rival's true type, with (38) before
    investment cost; None where some pair has no equilibrium."""
    private: PrivateEquilibrium | None
    """The unregulated market when each firm knows its own type alone (`bayes_nash`); None where it was not found."""
    market: Allocation
    """The unregulated market at every pair of points."""

    @cached_property
    def free(self) -> dict[str, FreePayoff | None]:
        """For each form of the payoff, the best a firm gets before tax when it also picks its levels; None where that has no limit."""
        return {payoff: free_payoff(self.assignment, payoff) for payoff in PAYOFFS if self.types.private_values}


def prepare(case: Case, types: TypeSpace, options: MechanismOptions) -> Setting | None:
    """Levels x*(r_1, r_2) and outside options over the grid of types; None where some pair has no social optimum."""
    optimum = allocate(case, types.points, parameter=types.parameter)
    if not optimum.solved:
        return None
    market = allocate(case, types.points, "nash", types.parameter)
    outside = private = None
    if market.solved:
        books = account(case_at_pairs(case, types.points, types.parameter), market.levels, bertrand_matrix)
        if books.describes_market.all():
            outside = {"with_cost": per_firm(books.profit), "printed": per_firm(books.profit + books.investment_cost)}
        middle = types.nodes[len(types.nodes) // 2]
        found = private_equilibrium(case, types, market.levels[middle, middle])
        private = found if found.converged else None
    assignment = assign(case, types, optimum)
    return Setting(
        case=case,
        types=types,
        options=options,
        assignment=assignment,
        residual=float(optimum.residual.max()),
        several=bool(optimum.several.any()),
        outside=outside,
        private=private,
        market=market,
    )


def outside_option(setting: Setting, timing: str) -> Array | None:
    """What staying out earns, since a refusal cancels the scheme for both: interim (2, M), each type's payoff in `bayes_nash`; ex post
    (2, M, M), `nash` at the pair of types. None where that market has no equilibrium."""
    payoff = setting.options.payoff
    if timing == "ex_post":
        return None if setting.outside is None else setting.outside[payoff]
    if setting.private is None:
        return None
    return setting.private.payoff + (setting.private.own_cost if payoff == "printed" else 0.0)


def joining_against(setting: Setting) -> Array | None:
    """What a firm that stays out is left with in the form of participation the case asks for, (2, M, 1) or (2, M, M): the unregulated
    market, its own profit at the assigned levels (ir1), or nothing. None where the market has no equilibrium."""
    assignment, options = setting.assignment, setting.options
    if options.participation == "ir_market":
        found = outside_option(setting, options.timing)
    elif options.participation == "ir1":
        found = assignment.revenue - (assignment.reported_cost if options.payoff == "with_cost" else 0.0)
        found = found @ setting.types.weights if options.timing == "interim" else found
    else:
        found = np.zeros((2, len(setting.types.points)))
    return found if found is None or found.ndim == 3 else found[:, :, None]


def taxes(setting: Setting, rule: str) -> Array:
    """The taxes (2, M, M) of a rule with a formula; where the market has no equilibrium, staying out counts as worth nothing."""
    outside = joining_against(setting)
    return TAX_RULES[rule](setting.assignment, np.zeros((2, len(setting.types.points), 1)) if outside is None else outside)


def participation_sides(setting: Setting, own: Gains, net: Array, form: str, timing: str) -> tuple[Array, Array] | None:
    """Both sides of one form of individual rationality, (2, M) interim or (2, M, M) ex post; None where the outside is unknown."""
    payoff = net if form == "ir1" else own.truth_ex_post  # ir1 has the same price on both sides: the net transfer is what is left
    if timing == "interim":
        payoff = payoff @ setting.types.weights
    outside = outside_option(setting, timing) if form == "ir_market" else np.zeros_like(payoff)
    return None if outside is None else (payoff, outside)


def outcome_of_play(setting: Setting, net: Array, played: ReportingEquilibrium | None) -> Expected | None:
    """What firms end up with in an equilibrium in reports, at net transfers (2, M, M); None where there is none."""
    if played is None or played.status != "converged":
        return None
    x = setting.assignment.levels[0][np.ix_(played.reports[0], played.reports[1])]
    return expected_outcome(setting.case, setting.types, x, by_pair(net, played.reports[0], played.reports[1]))
