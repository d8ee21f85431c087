"""Transfers solved for where both types move both profits: an intercept or a demand spillover is private.

With Bayesian truth-telling and interim participation only expected transfers given the own report matter, whatever a profit depends on.
The least interim payoffs are then longest paths again (`transfers.least_payoffs`); where some cycle of misreports has a positive length, no
transfers make truth a best reply at the planner's levels, and the first best is lost.
"""

from __future__ import annotations

import numpy as np

from market.case import Array
from mechanism.design import Contradiction
from mechanism.designed import Designed
from mechanism.frozen import read_only
from mechanism.reported import Assignment
from mechanism.schema import MechanismOptions
from mechanism.transfers import least_transfers


def design_of_both(assignment: Assignment, options: MechanismOptions, outside: Array) -> Designed | None:
    """The transfers of least expected outlay at the planner's levels; `outside` (2, M, 1) is what staying out is worth to each type.

    Spread over states so that the public pays the same in each. None where no transfers make truth a best reply.
    """
    types = assignment.types
    own = np.stack([assignment.own_part(firm, types.points, "with_cost") @ types.weights for firm in (0, 1)])  # (true type, report)
    first, second = net = least_transfers(own, outside[..., 0], types.weights)
    if np.isnan(net).any():
        return None
    outlay = float((net @ types.weights @ types.weights).sum())
    limited = options.budget != "none" and outlay > 0
    return Designed(
        plan=None,
        transfers=(read_only(first), read_only(second.T)),
        status="infeasible" if limited else "optimal",
        objective=options.objective,
        objective_value=outlay,
        contradiction=Contradiction(rows=(), least_violation=None, least_outlay=outlay, verified=True) if limited else None,
    )
