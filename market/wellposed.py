"""Does a chooser's problem have a solution at all, and if not, which parameter would give it one.

Investment earns a quadratic benefit and costs about k (1 - gamma) t^2 / 2 once both firms invest and share (k t^2 / 2 for a firm
whose cost has no spillover). With M(s) the derivative of the shifted intercepts in investments, payoff is bounded for every
sharing iff (k/2) sum_i kappa_i t_i^2 > t' M' Q M t for all t >= 0, t != 0, where kappa_i = 1 - gamma if lambda_c,i > 0 and 1
otherwise. For given t the right side is convex in s, so the four corners of the sharing square decide.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from market.case import Array, Case


def investment_response(case: Case, sharing: Array) -> Array:
    """M(s) (..., 2, 2): the derivative of shifted intercept i in investment j."""
    off = case.demand_spillover * sharing[..., ::-1] - case.rivalry  # row i: what the rival's investment does to firm i
    out = np.ones((*off.shape[:-1], 2, 2))
    out[..., 0, 1], out[..., 1, 0] = off[..., 0], off[..., 1]
    return out


def remaining_cost(case: Case) -> Array:
    """kappa (..., 2): the share of the stand-alone cost that remains however much knowledge is received."""
    return np.where(case.cost_spillover > 0, 1 - case.max_saving, 1.0) + np.zeros(2)


def required_scale(case: Case, benefit: Array) -> Array:
    """The value (...) that cost.scale must exceed for payoff A' Q A - sum_i f_i to be bounded."""
    worst = np.full(np.broadcast_shapes(case.batch, benefit.shape[:-2]), -np.inf)
    root = np.sqrt(remaining_cost(case))
    for corner in product((0.0, 1.0), repeat=2):
        M = investment_response(case, np.array(corner))
        N = np.swapaxes(M, -1, -2) @ benefit @ M / (root[..., :, None] * root[..., None, :])
        # The largest value of t'Nt on the unit circle in t >= 0: the eigenvalue if its vector points there, else an axis.
        mean, spread = (N[..., 0, 0] + N[..., 1, 1]) / 2, (N[..., 0, 0] - N[..., 1, 1]) / 2
        eigenvalue = mean + np.hypot(spread, N[..., 0, 1])
        largest = np.where(N[..., 0, 1] > 0, eigenvalue, np.maximum(N[..., 0, 0], N[..., 1, 1]))
        worst = np.maximum(worst, 2 * largest)
    return worst


def concavity(case: Case, benefit: Array) -> Array:
    """A lower bound (...), over all sharing, on the strong concavity of payoff in investments (saturating form only).

    The saturating cost is convex in both investments, with Hessian at least k diag(kappa); the benefit's Hessian 2 M' Q M has its
    largest eigenvalue at a corner of the sharing square when Q is positive semidefinite.
    """
    least = np.full(np.broadcast_shapes(case.batch, benefit.shape[:-2]), np.inf)
    kappa = case.cost_scale * remaining_cost(case)
    for corner in product((0.0, 1.0), repeat=2):
        M = investment_response(case, np.array(corner))
        N = kappa[..., :, None] * np.eye(2) - 2 * np.swapaxes(M, -1, -2) @ benefit @ M
        least = np.minimum(least, np.linalg.eigvalsh(N)[..., 0])
    return least


def explain_unbounded(case: Case, required: float, who: str) -> str:
    """Why an uncapped problem that needs a larger cost scale has no solution, and what would mend it."""
    k = float(case.cost_scale.ravel()[0])
    gamma = float(case.max_saving.ravel()[0])
    kappa = remaining_cost(case).reshape(-1, 2)[0]
    remedies = [f"raise cost.scale above {required:.6g}"]
    stand_alone = required * (1 - gamma)  # what cost.scale would have to exceed without any saving, if both costs have spillovers
    if gamma > 0 and np.all(kappa < 1) and k > stand_alone:
        remedies.append(f"lower cost.max_saving below {1 - stand_alone / k:.6g}")
    remedies.append("set cost.investment_cap")
    return (
        f"{who} grows without limit in investment: cost.scale = {k:g} with cost.max_saving = {gamma:g} is too low for the benefit that "
        f"demand.own_slope, demand.cross_slope, security.rivalry and security.demand_spillover give; {', or '.join(remedies)}"
    )
