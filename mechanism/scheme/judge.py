"""One tax rule judged, at one case or at many with the same types at once: truth-telling,
participation and budget in the case's own forms, and what firms then do.
`mechanism.scheme.asymmetric_information` adds what is told of one case alone. "..." in a shape are
the cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array
from mechanism.design.checks import RELATIVE_TOLERANCE, payoff_ranges
from mechanism.design.rules import TaxRule
from mechanism.frozen import freeze
from mechanism.scheme.behaviour import ExpectedOutcome, ReportingEquilibrium, reporting_equilibrium
from mechanism.scheme.incentives import Gains
from mechanism.scheme.preparation import Scheme, sides_of_joining

Statuses = NDArray[np.object_]
"""(...): `holds`, `violated` or `not_established`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """One tax rule at its net transfers."""

    rule: TaxRule
    net: Array
    """(2, ..., M own reports, M rival's)."""
    gains: Gains
    """Misreports with the levels assigned, in the case's own payoff."""
    gain: Array
    """(...): the largest gain in the case's own strength of truth-telling."""
    ic: Statuses
    slack: Array
    """(...): the smallest slack in the case's own form of participation; NaN where that is not
    asked or not known."""
    ir: Statuses | None
    """None where participation is not asked."""
    least: Array
    """(..., 2): the least expected net receipts with which every type of each firm would join,
    doing what firms then do; where nobody may refuse what they receive. NaN where that is not
    known."""
    worst: Array
    """(..., 2): what the worst type of each firm keeps as it stands."""
    played: ReportingEquilibrium | None
    """What firms report where truth is no best reply; None where it is one everywhere, or the
    subsidy is settled on no report."""
    settled: NDArray[np.bool_]
    """(...): whether firms are known to do something."""
    truth: ExpectedOutcome
    """If everybody tells the truth."""
    achieved: ExpectedOutcome
    """What firms then do, where that is `settled`: truth where it is a best reply, the equilibrium
    in reports otherwise."""

    def __post_init__(self) -> None:
        freeze(self)

    @cached_property
    def truthful(self) -> NDArray[np.bool_]:
        """(...): whether truth is a best reply."""
        return np.asarray(self.ic == "holds")


def judge(scheme: Scheme, rule: TaxRule, net: Array) -> Judged:
    """Judge a rule by its net transfers (2, ..., M, M)."""
    types, options = scheme.types, scheme.options
    earned = scheme.earned(options.payoff, rule.observed)
    gains = Gains(earned=earned, transfer=net - scheme.assignment.subsidy if rule.observed else net)
    gain = gains.by(options.incentive).max((0, -2, -1))
    ic = statuses(gain, gains.range)
    form, timing = options.participation, options.timing
    asked = form != "none"
    slack, ir = np.full(gain.shape, np.nan), None
    lead = range(1, 1 + gain.ndim)
    sides = scheme.joining(net, gains.truth_ex_post, form, timing)
    spare, kept = (
        _lowest(sides[0] - sides[1], lead),
        _lowest(scheme.by_own_type(gains.truth_ex_post, timing), lead),
    )
    if asked:
        slack = np.asarray(spare.min(0))
        ir = statuses(-slack, payoff_ranges(gains.truth_ex_post))
    truth = achieved = scheme.at_truth(net)
    truthful = ic == "holds"
    played, settled = None, np.asarray(truthful)
    if not truthful.all() and not rule.observed:
        played = reporting_equilibrium(scheme.replies, net)
        reports = np.where(truthful[..., None], types.nodes, played.reports)
        settled, achieved = truthful | played.settled, scheme.at_reports(net, reports)
        payoff, paid = scheme.kept_at(net, reports)
        sides = sides_of_joining(form, payoff, paid, scheme.outside_of_types)
        found = _lowest(np.subtract(*(scheme.by_type(side, timing) for side in sides)), lead)
        spare = np.where(truthful, spare, found)
        kept = np.where(truthful, kept, _lowest(scheme.by_type(payoff, timing), lead))
    return Judged(
        rule=rule,
        net=net,
        gains=gains,
        gain=gain,
        ic=ic,
        slack=slack,
        ir=ir,
        least=achieved.net_transfer - np.moveaxis(spare, 0, -1) * asked,
        worst=np.moveaxis(kept, 0, -1),
        played=played,
        settled=settled,
        truth=truth,
        achieved=achieved,
    )


def _lowest(values: Array, lead: range) -> Array:
    """(2, ...): the lowest over types of values (2, ..., types)."""
    return np.asarray(values.min(tuple(range(1 + len(lead), values.ndim))))


def statuses(excess: Array, scale: Array) -> Any:
    """Whether gains, or shortfalls, of this size (...) count against payoff ranges (...); what is
    not known is not established."""
    held = np.where(
        np.isfinite(excess),
        np.where(excess <= RELATIVE_TOLERANCE * scale, "holds", "violated"),
        "not_established",
    )
    return np.asarray(held.astype(object))
