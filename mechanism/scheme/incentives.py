"""Incentive compatibility: what a firm gains by reporting another type than its own.

Two deviations: a misreport with the levels then assigned, and a misreport with the firm's own
levels chosen freely for each report of the rival, which keeps its assigned levels (more than any
deviation could gain; the levels are searched for from two starts). Two strengths: Bayesian (in
expectation over the rival's type, the rival truthful) and dominant (whatever the rival reports).

What a firm earns before net transfers does not depend on the tax rule; it is worked out once
(`Earned`) and a rule's transfers are added. "..." in a shape are the cases, none for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from market.model.case import Array
from market.model.payoff import Payoff
from market.model.pricing import bertrand_matrix, utility_matrix
from market.model.units import in_units, levels_in, natural_units
from market.regimes import deviation_bounds
from market.solve.optimum import maximise
from mechanism.casefile.types import TypeSpace, per_firm
from mechanism.design.checks import Check, JointLie, Lie, first_largest, gain_check, payoff_ranges
from mechanism.frozen import freeze
from mechanism.scheme.own_table import OwnTable, listed
from mechanism.scheme.reported import Assignment

FREE_TYPES = 21
"""Types, evenly picked, on which deviations with free levels are searched."""

Incentive = Literal["bayesian", "dominant"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Earned:
    """What either firm earns before net transfers at n true types, n own reports and S reports of
    its rival."""

    at: NDArray[np.intp]
    """(n,): which points of the grid are the true types and the reports."""
    tables: tuple[OwnTable, OwnTable]
    """Per firm (..., n, n, S): by true type, own report and rival's report, the rival truthful."""
    truth: Array
    """(2, ..., n, S): at the truth, with the levels assigned."""
    weights: Array
    """(S,): the probability of the rival's reports when it tells the truth."""
    size: Array
    """(...): the largest of what payoffs are sums of; below its rounding no range of payoffs is a
    measure."""
    assigned: bool = True
    """Whether the tables hold the truth on their diagonal; not where own levels are chosen as
    well."""

    def __post_init__(self) -> None:
        freeze(self)

    @cached_property
    def interim(self) -> Array:
        """(2, ..., n, n): in expectation over the rival's type."""
        first, second = self.tables
        mean = first.reduced(self._mean)
        return np.stack([mean, mean if second is first else second.reduced(self._mean)])

    def _mean(self, kinds: slice, reports: slice, part: Array) -> Array:
        return np.asarray(part @ self.weights)

    @cached_property
    def interim_truth(self) -> Array:
        """(2, ..., n): of the truth."""
        if self.assigned:
            return np.diagonal(self.interim, axis1=-2, axis2=-1)
        return np.asarray(self.truth @ self.weights)


@dataclass(frozen=True, kw_only=True, eq=False)
class Gains:
    """Payoffs after net transfers, and what either firm gains by any report."""

    earned: Earned
    transfer: Array
    """(2, ..., n own reports, S): the net transfer at every pair of reports."""

    def __post_init__(self) -> None:
        freeze(self)

    @cached_property
    def paid(self) -> Array:
        """(2, ..., n): the expected net transfer of every own report."""
        return np.asarray(self.transfer @ self.earned.weights)

    @cached_property
    def interim(self) -> Array:
        """(2, ..., n, n): expected payoff by true type and report, the rival truthful."""
        return self.earned.interim + self.paid[..., None, :]

    @cached_property
    def truth(self) -> Array:
        """(2, ..., n): expected payoff of the truth."""
        return self.earned.interim_truth + self.paid

    @cached_property
    def truth_ex_post(self) -> Array:
        """(2, ..., n, S): payoff of the truth at each report of the rival."""
        return self.earned.truth + self.transfer

    @cached_property
    def bayesian(self) -> Array:
        """(2, ..., n, n): the expected gain over the truth, by true type and report."""
        return self.interim - self.truth[..., None]

    @cached_property
    def dominant(self) -> Array:
        """(2, ..., n, n): the largest gain over the truth at any report of the rival."""
        first, second = self.earned.tables
        gain = first.reduced(partial(self._largest, 0))
        apart = np.abs(self.transfer[0] - self.transfer[1]).max((-2, -1))
        alike = second is first and (apart <= 1e-12 * self.earned.size).all()
        return np.stack([gain, gain if alike else second.reduced(partial(self._largest, 1))])

    def _largest(self, firm: int, kinds: slice, reports: slice, lying: Array) -> Array:
        """(..., m, r): of some types and reports, from what they earn, (..., m, r, S)."""
        gain = lying + self.transfer[firm][..., None, reports, :]
        gain -= self.truth_ex_post[firm][..., kinds, None, :]
        return np.asarray(gain.max(-1))

    def of_lie(self, firm: int, kind: int, report: int) -> Array:
        """(S,): what one type gains by one report over the truth, at each report of the rival; one
        case."""
        lying = self.earned.tables[firm].of(slice(kind, kind + 1))[0, report]
        return np.asarray(lying + self.transfer[firm][report] - self.truth_ex_post[firm][kind])

    def by(self, incentive: Incentive) -> Array:
        """The gains of one strength."""
        return self.bayesian if incentive == "bayesian" else self.dominant

    @cached_property
    def range(self) -> Array:
        """(...): largest less smallest expected payoff over the types and reports at hand, what
        gains are measured against."""
        return payoff_ranges(self.interim, self.earned.size)


def earned(assignment: Assignment, payoff: str, observed: bool = False) -> Earned:
    """Misreports with assigned levels, for every point of the type grid as type and as report, the
    rival truthful; `observed`: with the subsidy of the market that comes about, which then counts
    as earned."""
    n = assignment.types.size
    part = assignment.settled_part if observed else assignment.own_part
    shape = (*assignment.utility.shape[1:-2], n, n, n)

    def table(firm: int) -> OwnTable:
        points = assignment.types.of(firm)
        return OwnTable(
            shape=shape, part=lambda kinds, told: part(firm, points[kinds], payoff, told)
        )

    first = table(0)
    truth = assignment.kept(payoff)
    return Earned(
        at=np.arange(n),
        tables=(first, first if assignment.symmetric else table(1)),
        truth=truth + assignment.subsidy if observed else truth,
        weights=assignment.types.weights,
        size=np.abs(assignment.utility).max((0, -2, -1)),
    )


def gains(assignment: Assignment, net: Array, payoff: str, observed: bool = False) -> Gains:
    """Misreports with assigned levels at net transfers (2, ..., M, M); where the subsidy is settled
    on the market that comes about (`observed`), what reports decide is the tax alone."""
    return Gains(
        earned=earned(assignment, payoff, observed),
        transfer=net - assignment.subsidy if observed else net,
    )


def picked_types(nodes: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """At most so many of the types, evenly picked."""
    step = np.linspace(0, len(nodes) - 1, min(most, len(nodes)))
    return nodes[np.unique(np.round(step).astype(int))]


def free_earned(assignment: Assignment, payoff: str) -> Earned | None:
    """The same when each firm also picks its own levels freely, at one case, on at most
    `FREE_TYPES` types; None where that has no limit.

    With the payoff of (38) own investment costs the firm nothing, so without a cap there is no best
    level.
    """
    case, types = assignment.case, assignment.types
    if payoff == "printed" and not np.isfinite(case.investment_cap).all():
        return None
    picked = picked_types(types.nodes, FREE_TYPES)
    square = np.ix_(picked, types.nodes)
    first = _free(assignment, 0, picked, payoff)
    # Equal firms deviate alike.
    second = first if case.symmetric() and types.common else _free(assignment, 1, picked, payoff)
    return Earned(
        at=picked,
        tables=(
            listed(first - assignment.subsidy[0][square]),
            listed(second - assignment.subsidy[1][square]),
        ),
        truth=assignment.kept(payoff)[:, picked][:, :, types.nodes],
        weights=types.probabilities,
        size=np.abs(assignment.utility).max((0, -2, -1)),
        assigned=False,
    )


def free_gains(types_nodes: NDArray[np.intp], free: Earned, net: Array) -> Gains:
    """Misreports with own levels chosen freely at net transfers (2, M, M)."""
    return Gains(earned=free, transfer=net[:, free.at][:, :, types_nodes])


def _free(assignment: Assignment, firm: int, picked: NDArray[np.intp], payoff: str) -> Array:
    """(n, n, K): the best a firm can get before tax, by true type, own report and rival's
    report."""
    types, n, other = assignment.types, len(picked), 1 - firm
    nodes = types.nodes
    theta, report, rival = (a.ravel() for a in np.meshgrid(picked, picked, nodes, indexing="ij"))
    pairs = np.empty((len(theta), 2))
    pairs[:, firm], pairs[:, other] = types.of(firm)[theta], types.of(other)[rival]
    own = assignment.case.map(lambda a: a.reshape(1, -1))
    units = natural_units(own)
    market = in_units(own, units)
    weight = np.zeros((1, 2))
    weight[0, other], weight[0, firm] = 1, 0 if payoff == "printed" else 1
    case = in_units(own.with_parameter(types.parameter, pairs), units)
    objective = Payoff(
        case=case, benefit=utility_matrix(market, bertrand_matrix), cost_weight=weight
    )
    held = levels_in(assignment.levels[firm][report, rival], units)
    lower, upper = deviation_bounds(market, held)
    for bound in (lower, upper):
        bound[:, [other, 2 + other]] = held[:, [other, 2 + other]]
    # From the levels assigned for the report, and from those that suit the true type.
    truthful = held.copy()
    truthful[:, [firm, 2 + firm]] = levels_in(assignment.levels[firm][theta, rival], units)[
        :, [firm, 2 + firm]
    ]
    best = np.maximum(
        *(maximise(objective, start, lower, upper).value for start in (held, truthful))
    )
    return best.reshape(n, n, len(nodes)) * units.money[0, 0]


def incentive_check(
    found: Gains | None, types: TypeSpace, incentive: Incentive, scale: float
) -> Check:
    """The largest gain of one strength at one case with its witness, against the payoff range
    `scale`; None stands for no limit."""
    if found is None:
        return Check(status="violated", amount=None, witness=None)
    gain = found.by(incentive)
    if not np.isfinite(gain).all():
        return Check(status="not_established", amount=None, witness=None)
    at = first_largest(gain)
    here = types.of(at[0])[found.earned.at]
    return gain_check(
        Lie(
            player=at[0], type=float(here[at[1]]), report=float(here[at[2]]), gain=float(gain.max())
        ),
        scale,
    )


COLLUDING_TYPES = 31
"""Types, evenly picked, at most over which joint misreports are searched."""


def collusion_check(assignment: Assignment, net: Array, payoff: str, scale: float) -> Check:
    """The most both firms together can gain at one case by agreeing on their reports, at any pair
    of types, with assigned levels and money that may change hands between them; the witness names
    both types and both reports. No rule of this kind is proof against it by design."""
    types = assignment.types
    if not types.private_values:
        return _jointly(assignment, net, payoff, scale)
    picked = picked_types(types.nodes, COLLUDING_TYPES)
    square, tables = np.ix_(picked, picked), earned(assignment.at_points(picked), payoff).tables
    # (true type, own report, rival's report)
    first, second = (tables[firm].of(slice(None)) + net[firm][square] for firm in (0, 1))
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
    return _joint_check(gain, scale, per_firm(types.points)[:, picked], witness)


def _joint_check(gain: float, scale: float, points: Array, at: tuple[int, ...]) -> Check:
    """Of a gain attained at these places of the firms' points (2, n): both types, then both
    reports."""
    one, two, told, said = at
    types, reports = (
        (float(points[0, one]), float(points[1, two])),
        (
            float(points[0, told]),
            float(points[1, said]),
        ),
    )
    return gain_check(JointLie(types=types, reports=reports, gain=gain), scale)


def _jointly(assignment: Assignment, net: Array, payoff: str, scale: float) -> Check:
    """The same where both types move both profits."""
    types = assignment.types
    square = np.ix_(types.nodes, types.nodes)
    first, second = (
        assignment.at_both_true(firm, payoff) + net[firm][square][None, :, None] for firm in (0, 1)
    )
    # (type 1, type 2, report 1, report 2)
    joint = first.transpose(0, 2, 1, 3) + second.transpose(2, 0, 3, 1)
    one, two = np.ogrid[: len(types.nodes), : len(types.nodes)]
    gain = joint - joint[one, two, one, two][..., None, None]
    at = first_largest(gain)
    return _joint_check(float(gain.max()), scale, per_firm(types.types), at)
