"""The net transfers of a tax rule at the planner's levels, at one case or many: its formula's, or
those that are solved for.

With Bayesian truth-telling and interim participation only expected transfers given the own report
matter, whatever a profit depends on. The least interim payoffs are then longest paths
(`transfers.least_payoffs`); where some cycle of misreports has a positive length, no transfers make
truth a best reply at the planner's levels, and the first best is lost. Elsewhere they are a linear
program.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array
from mechanism.design.checks import RELATIVE_TOLERANCE, payoff_ranges
from mechanism.design.options import expectations_count
from mechanism.design.paths import least_transfers
from mechanism.design.rules import TaxRule
from mechanism.frozen import freeze
from mechanism.scheme.preparation import Scheme
from mechanism.scheme.transfers import in_closed_form

if TYPE_CHECKING:
    from mechanism.scheme.designed import Designed

OVER_BUDGET = "no transfers keep to the budget: these are the figures without a limit to it"
"""What is said of a design whose budget cannot be met."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Transfers:
    """Net transfers, and whether the budget asked for can be met; "..." are the cases."""

    net: Array
    """(2, ..., M own reports, M rival's); NaN where there are none."""
    over_budget: NDArray[np.bool_]
    """(...): whether none keep to the budget, so that these are without a limit to it; never of a
    formula, which is held to none."""

    def __post_init__(self) -> None:
        freeze(self)

    @cached_property
    def found(self) -> NDArray[np.bool_]:
        """(...): where there are any."""
        return np.asarray(np.isfinite(self.net).all((0, -2, -1)))


def transfers_of(scheme: Scheme, rule: TaxRule) -> Transfers:
    """The net transfers of a rule; of one that is solved for, under options for which it is
    (`transfers.no_design`)."""
    if not rule.designed:
        return Transfers(net=scheme.net(rule), over_budget=np.zeros(scheme.lead, bool))
    options, weights = scheme.options, scheme.types.weights
    if in_closed_form(options):
        net = least_transfers(
            scheme.earned(options.payoff).interim, scheme.own_outside[..., 0], weights
        )
        beyond = (net @ weights @ weights).sum(0) > RELATIVE_TOLERANCE * payoff_ranges(
            scheme.assigned()
        )
        return Transfers(net=net, over_budget=beyond & (options.budget != "none"))
    if not scheme.lead:
        design = design_of(scheme)
        net = np.full(scheme.assignment.subsidy.shape, np.nan) if design is None else design.net
        return Transfers(
            net=net, over_budget=np.array(design is not None and design.status == "infeasible")
        )
    each = [transfers_of(scheme.lane(c), rule) for c in range(scheme.lead[0])]
    return Transfers(
        net=np.stack([one.net for one in each], 1),
        over_budget=np.stack([one.over_budget for one in each]),
    )


def design_of(scheme: Scheme) -> Designed | None:
    """What is solved for at one case and the planner's levels: what was asked, whether it can be
    met, what binds. None where nothing solves it, or what staying out is worth is not known."""
    # Not at the top: what states the program takes longer to import than a case without types to
    # evaluate.
    from mechanism.scheme.designed import design_transfers
    from mechanism.scheme.market_environment import planned_environment

    if not np.isfinite(scheme.own_outside).all():
        return None
    options = scheme.options
    expected = expectations_count(options.incentive, options.timing, options.participation)
    return design_transfers(planned_environment(scheme, expected), options)
