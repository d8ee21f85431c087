"""Constraints as convex programs: what has to be solved, stated in cvxpy. The only module that imports it."""

from __future__ import annotations

import cvxpy as cp
import numpy as np

from market.case import Array


def least_lump_sums(payoff: Array, outside: Array | float, balanced: bool = False) -> Array | None:
    """The lump sums (2,) of least total size that make every firm's payoff at least its outside option; None if there are none.

    With `balanced` they must sum to zero: what one firm receives the other pays.
    """
    lump = cp.Variable(len(payoff))
    constraints = [payoff + lump >= np.broadcast_to(outside, payoff.shape)]
    if balanced:
        constraints.append(cp.sum(lump) == 0)
    problem = cp.Problem(cp.Minimize(cp.norm1(lump)), constraints)
    problem.solve(solver=cp.HIGHS)
    return np.asarray(lump.value) if problem.status == cp.OPTIMAL else None
