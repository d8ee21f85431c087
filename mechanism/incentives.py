"""Incentive compatibility: what a firm gains by reporting another cost spillover than its own.

Two deviations: a misreport with the levels then assigned, and a misreport with the firm's own levels chosen freely for each report of the
rival, which keeps its assigned levels (more than any deviation could gain; the levels are searched for from two starts). Two strengths:
Bayesian (in expectation over the rival's type, the rival truthful) and dominant (whatever the rival reports).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from market.case import Array
from market.payoff import Payoff
from market.pricing import bertrand_matrix, utility_matrix
from market.regimes import deviation_bounds
from market.solve.optimum import maximise
from mechanism.checks import RELATIVE_TOLERANCE, Check, CheckStatus, first_largest, payoff_range
from mechanism.reported import Assignment, both_types_table, payoff_before_tax

LARGEST_BLOCK = 2_000_000
"""Entries of a payoff table held at once."""

FREE_TYPES = 21
"""Types, evenly picked, on which deviations with free levels are searched."""


@dataclass(frozen=True, kw_only=True)
class Gains:
    """Payoffs and gains over true types (rows, n) and own reports (columns, M) for both firms."""

    rows: NDArray[np.intp]
    """(n,): which points of the grid are the true types."""
    columns: NDArray[np.intp]
    """(m,): which points of the grid are the reports."""
    interim: Array
    """(2, n, m): expected payoff over the rival's type, the rival truthful."""
    truth: Array
    """(2, n): expected payoff of the truth."""
    truth_ex_post: Array
    """(2, n, reports of the rival): payoff of the truth at each of them."""
    dominant: Array
    """(2, n, m): the largest gain over the truth at any report of the rival."""

    @property
    def bayesian(self) -> Array:
        """(2, n, m): the expected gain over the truth."""
        return self.interim - self.truth[..., None]

    @property
    def range(self) -> float:
        """Largest less smallest expected payoff over the types and reports at hand."""
        return payoff_range(self.interim)


def gains(assignment: Assignment, tax: Array, payoff: str, observed: bool = False) -> Gains:
    """Misreports with assigned levels, for every point of the type grid as type and as report, the rival truthful; `observed`: with the
    subsidy of the market that comes about."""
    types = assignment.types
    size = len(types.points)
    interim, dominant, ex_post = (np.empty_like(assignment.utility) for _ in range(3))
    block = max(1, LARGEST_BLOCK // interim[0].size)
    for firm in (0, 1):
        for start in range(0, size, block):
            rows = np.arange(start, min(start + block, size))
            V = payoff_before_tax(assignment, firm, types.points[rows], payoff, observed) - tax[firm][..., None, :, :]
            at_truth = V[..., np.arange(len(rows)), rows, :]
            interim[firm][..., rows, :] = V @ types.weights
            dominant[firm][..., rows, :] = (V - at_truth[..., None, :]).max(-1)
            ex_post[firm][..., rows, :] = at_truth
    everything = np.arange(size)
    return Gains(
        rows=everything,
        columns=everything,
        interim=interim,
        truth=interim[..., everything, everything],
        truth_ex_post=ex_post,
        dominant=dominant,
    )


@dataclass(frozen=True, kw_only=True)
class FreePayoff:
    """The best each firm can get before tax when it also picks its own levels freely, on at most `FREE_TYPES` types."""

    picked: NDArray[np.intp]
    """(n,): which points of the grid are the true types and the reports."""
    value: Array
    """(2, n, n, K): by firm, true type, own report and rival's type."""


def free_payoff(assignment: Assignment, payoff: str) -> FreePayoff | None:
    """Deviations with free levels, whatever the tax; None where the gain has no limit.

    With the payoff of (38) own investment costs the firm nothing, so without a cap there is no best level.
    """
    case, types = assignment.case, assignment.types
    if payoff == "printed" and not np.isfinite(case.investment_cap).all():
        return None
    step = np.linspace(0, len(types.nodes) - 1, min(FREE_TYPES, len(types.nodes)))
    picked = types.nodes[np.unique(np.round(step).astype(int))]
    first = _free_payoff(assignment, 0, picked, payoff)
    # Equal firms deviate alike.
    second = first if case.alike() else _free_payoff(assignment, 1, picked, payoff)
    return FreePayoff(picked=picked, value=np.stack([first, second]))


def free_gains(assignment: Assignment, tax: Array, free: FreePayoff | None, assigned: Gains) -> Gains | None:
    """Misreports with own levels chosen freely under a tax; None where the gain has no limit."""
    if free is None:
        return None
    types, picked = assignment.types, free.picked
    V = free.value - tax[:, picked][:, :, types.nodes][:, None]
    ex_post = assigned.truth_ex_post[:, picked][:, :, types.nodes]
    return Gains(
        rows=picked,
        columns=picked,
        interim=V @ types.probabilities,
        truth=ex_post @ types.probabilities,
        truth_ex_post=ex_post,
        dominant=(V - ex_post[:, :, None]).max(-1),
    )


def _free_payoff(assignment: Assignment, firm: int, picked: NDArray[np.intp], payoff: str) -> Array:
    """(n, n, K): the best a firm can get before tax, by true type, own report and rival's report."""
    points, nodes, n, other = assignment.types.points, assignment.types.nodes, len(picked), 1 - firm
    theta, report, rival = (a.ravel() for a in np.meshgrid(picked, picked, nodes, indexing="ij"))
    spill = np.empty((len(theta), 2))
    spill[:, firm], spill[:, other] = points[theta], points[rival]
    case = assignment.case.with_cost_spillover(spill)
    weight = np.zeros((1, 2))
    weight[0, other], weight[0, firm] = 1, 0 if payoff == "printed" else 1
    objective = Payoff(case=case, benefit=utility_matrix(assignment.case, bertrand_matrix), cost_weight=weight)
    held = assignment.levels[firm][report, rival]
    lower, upper = deviation_bounds(assignment.case, held)
    for bound in (lower, upper):
        bound[:, [other, 2 + other]] = held[:, [other, 2 + other]]
    # From the levels assigned for the report, and from those that suit the true type.
    truthful = held.copy()
    truthful[:, [firm, 2 + firm]] = assignment.levels[firm][theta, rival][:, [firm, 2 + firm]]
    best = np.maximum(*(maximise(objective, start, lower, upper).value for start in (held, truthful)))
    return best.reshape(n, n, len(nodes))


def incentive_check(found: Gains | None, points: Array, incentive: Literal["bayesian", "dominant"], scale: float) -> Check:
    """The largest gain of one strength with its witness, against the payoff range `scale`."""
    if found is None:  # no limit to the gain
        return Check(status="violated", amount=None, witness=None)
    gain = found.bayesian if incentive == "bayesian" else found.dominant
    if not np.isfinite(gain).all():
        return Check(status="not_established", amount=None, witness=None)
    at = first_largest(gain)
    largest = float(gain.max())
    status: CheckStatus = "holds" if largest <= RELATIVE_TOLERANCE * scale else "violated"
    witness: dict[str, Any] = {
        "firm": at[0] + 1,
        "type": float(points[found.rows[at[1]]]),
        "report": float(points[found.columns[at[2]]]),
        "gain": largest,
    }
    return Check(status=status, amount=largest, witness=witness)


COLLUDING_TYPES = 31
"""Types, evenly picked, at most over which joint misreports are searched."""


def collusion_check(assignment: Assignment, tax: Array, payoff: str, scale: float) -> Check:
    """The most both firms together can gain by agreeing on their reports, at any pair of types, with assigned levels and money that may
    change hands between them; the witness names both types and both reports. No rule of this kind is proof against it by design."""
    types = assignment.types
    if not types.private_values:
        return _jointly(assignment, tax, payoff, scale)
    step = np.linspace(0, len(types.nodes) - 1, min(COLLUDING_TYPES, len(types.nodes)))
    picked = types.nodes[np.unique(np.round(step).astype(int))]
    points = types.points[picked]
    first, second = (
        (payoff_before_tax(assignment, firm, points, payoff) - tax[firm])[:, picked][:, :, picked] for firm in (0, 1)
    )  # (true type, own report, rival's report)
    second = np.swapaxes(second, 1, 2)  # reports in the firms' order
    size = len(picked)
    index = np.arange(size)
    gain = -np.inf
    witness: tuple[int, ...] = (0, 0, 0, 0)
    for k in range(size):
        joint = first[k] + second  # (second's type, report 1, report 2)
        excess = joint - joint[index, k, index][:, None, None]
        top = float(excess.max())
        if top > gain * (1 + 1e-12) or not np.isfinite(gain):
            at = first_largest(excess)
            gain, witness = top, (k, *at)
    one, two, told, said = witness
    return _joint_check(gain, scale, points[[one, two]], points[[told, said]])


def _joint_check(gain: float, scale: float, types: Array, reports: Array) -> Check:
    status: CheckStatus = "holds" if gain <= RELATIVE_TOLERANCE * scale else "violated"
    return Check(status=status, amount=gain, witness={"types": types.tolist(), "reports": reports.tolist(), "gain": gain})


def _jointly(assignment: Assignment, tax: Array, payoff: str, scale: float) -> Check:
    """The same where both types move both profits."""
    types = assignment.types
    first, second = (both_types_table(assignment, firm, tax, payoff) for firm in (0, 1))
    joint = first.transpose(0, 2, 1, 3) + second.transpose(2, 0, 3, 1)  # (type 1, type 2, report 1, report 2)
    one, two = np.ogrid[: len(types.nodes), : len(types.nodes)]
    gain = joint - joint[one, two, one, two][..., None, None]
    at = first_largest(gain)
    points = types.types
    return _joint_check(float(gain.max()), scale, points[list(at[:2])], points[list(at[2:])])
