"""Transfers solved for where both types move both profits: an intercept or a demand spillover is private.

With Bayesian truth-telling and interim participation only expected transfers given the own report matter, whatever a profit depends on.
The least interim payoffs are then longest paths again (`design.least_payoffs`); where some cycle of misreports has a positive length, no
transfers make truth a best reply at the planner's levels, and the first best is lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from market.case import Array
from mechanism.design import least_payoffs
from mechanism.designed import Designed
from mechanism.reported import Assignment
from mechanism.schema import MechanismOptions


def design_of_both(assignment: Assignment, options: MechanismOptions, outside: Array) -> Designed | None:
    """The transfers of least expected outlay at the planner's levels; `outside` (2, M, 1) is what staying out is worth to each type.

    Spread over states so that the public pays the same in each. None where anything but the least outlay under Bayesian truth and interim
    participation is asked, or where no transfers make truth a best reply.
    """
    asked = (options.incentive, options.timing, options.objective, options.payoff)
    if asked != ("bayesian", "interim", "min_outlay", "with_cost") or options.participation == "none":
        return None
    types = assignment.types
    transfers = []
    for firm in (0, 1):
        own = assignment.own_part(firm, types.points, "with_cost") @ types.weights  # (true type, report)
        payoff = least_payoffs(own, outside[firm, :, 0])
        if payoff is None:
            return None
        transfers.append(payoff - np.diagonal(own))
    away = [t - t @ types.weights for t in transfers]
    first, second = transfers[0][:, None] - away[1], transfers[1] - away[0][:, None]
    outlay = float(sum(t @ types.weights for t in transfers))
    limited = options.budget != "none" and outlay > 0
    tree: dict[str, Any] = {
        "status": "infeasible" if limited else "optimal",
        "objective": options.objective,
        "objective_value": outlay,
        "binding": [],
        "infeasibility": {"rows": [], "least_outlay": outlay, "verified": True} if limited else None,
    }
    return Designed(plan=None, transfers=(first, second), tree=tree)
