"""Transfers that are solved for: which options of a case have any, and which have them in closed
form."""

from __future__ import annotations

from mechanism.casefile.schema import MechanismOptions
from mechanism.casefile.types import TypeSpace
from mechanism.design.options import WhyNot, expectations_count, no_limit, too_many


def no_design(types: TypeSpace, options: MechanismOptions) -> WhyNot | None:
    """Why no transfers are solved for under these options, whatever the market; None where they
    are."""
    if why := no_limit(options.payoff, options.participation, options.objective):
        return why
    if options.allocation == "second_best":
        return too_many(len(types.nodes), "lotteries")
    by_type = expectations_count(options.incentive, options.timing, options.participation)
    return too_many(types.size, "by_type" if by_type else "by_state")


def in_closed_form(options: MechanismOptions) -> bool:
    """Whether the best transfers at the planner's levels are those of the least outlay, in
    expectation given the own type."""
    expected = (
        expectations_count(options.incentive, options.timing, options.participation)
        and options.participation != "none"
    )
    return expected and options.allocation == "efficient" and options.objective != "min_violation"
