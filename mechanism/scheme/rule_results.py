"""What one tax rule does at one case with private types, and what their market is without one, as
values.

Money is in the case's own unit, payoffs are expectations over the rival's type unless said
otherwise. Firms are counted from 1 where a row names one. Whatever was not asked or is not known is
None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from market.model.case import Array
from mechanism.design.checks import Check
from mechanism.frozen import freeze
from mechanism.scheme.behaviour import ExpectedOutcome

if TYPE_CHECKING:
    from mechanism.casefile.types import TypeSpace
    from mechanism.scheme.designed import Designed

FORMS = ("ir1", "ir_market", "ir2")
"""The forms of individual rationality that are always evaluated."""


@dataclass(frozen=True, kw_only=True)
class IncentiveCheck:
    """One reading of truth-telling, evaluated."""

    incentive: Literal["bayesian", "dominant"]
    """Gains in expectation over the rival's type, or at the worst of its reports."""
    deviation: Literal["assigned", "free"]
    """A misreport with the levels then assigned, or with own levels chosen freely as well."""
    payoff: str
    """`with_cost` or `printed` (38)."""
    check: Check
    """Its amount is the largest gain; None where the gain has no limit."""


@dataclass(frozen=True, kw_only=True)
class ParticipationCheck:
    """One reading of individual rationality, evaluated."""

    timing: Literal["interim", "ex_post"]
    check: Check
    """Its amount is the smallest slack."""


@dataclass(frozen=True, kw_only=True)
class ProgramCheck:
    """The case's own IC and IR stated to cvxpy, beside the same figure by direct evaluation."""

    largest_violation: tuple[float | None, ...]
    """Per firm; None where the program was not solved."""
    evaluated: tuple[float, ...]
    agrees: bool

    @property
    def status(self) -> str:
        """Only what the solver called optimal for every firm is established."""
        return "not_established" if None in self.largest_violation else "optimal"


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What the public pays net of tax; negative is revenue."""

    ex_ante: float
    """In expectation over both types."""
    worst: float
    """In the state in which it is most."""


@dataclass(frozen=True, kw_only=True)
class Checks:
    """All constraints at one tax rule."""

    incentive: str
    """The case's own strength of truth-telling."""
    payoff: str
    """The case's own payoff."""
    timing: str
    """The case's own timing of participation."""
    payoff_range: float
    """What gains are measured against."""
    incentives: tuple[IncentiveCheck, ...]
    """Every combination of strength, deviation and payoff."""
    participation: Mapping[str, tuple[ParticipationCheck, ...]]
    """By form, in both timings."""
    program: ProgramCheck | None
    collusion: Check
    """What both firms together gain by agreeing on reports; its witness names both types and both
    reports."""
    budget: Budget

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def own(self) -> IncentiveCheck:
        """Truth-telling as the case asks for it, with the levels assigned."""
        asked = (self.incentive, "assigned", self.payoff)
        return next(c for c in self.incentives if (c.incentive, c.deviation, c.payoff) == asked)

    @property
    def ic(self) -> Check:
        """The check of `own`."""
        return self.own.check

    def ir(self, form: str) -> Check:
        """One form of participation in the case's own timing."""
        return next(c.check for c in self.participation[form] if c.timing == self.timing)

    @property
    def dominant_whatever_levels(self) -> bool:
        """Whether truth is a best reply whatever the rival reports and whatever levels the firm
        then picks."""
        asked = ("dominant", "free", self.payoff)
        return any(
            (c.incentive, c.deviation, c.payoff) == asked and c.check.status == "holds"
            for c in self.incentives
        )


@dataclass(frozen=True, kw_only=True)
class Correction:
    """What is added to the net transfer of one report of one firm."""

    firm: int
    type: float
    correction: float


@dataclass(frozen=True, kw_only=True)
class ConstraintRow:
    """A constraint of one firm with its price, or with its weight in a proof of infeasibility."""

    constraint: Literal["ic", "ir"]
    firm: int
    type: float
    report: float | None
    rival_type: float | None
    """The rival's type at which it is tightest, where it is asked for each; None where it is an
    expectation."""
    weight: float


@dataclass(frozen=True, kw_only=True)
class RepairResult:
    """The least total absolute correction of interim net transfers that makes the case's own IC and
    IR hold."""

    status: Literal["optimal", "infeasible", "not_established"]
    incentive: str
    payoff: str
    participation: str
    timing: str
    per_type: tuple[Correction, ...]
    total: float | None
    expected_outlay: float | None
    binding: tuple[ConstraintRow, ...]
    """Of an optimal repair: what binds, weight being the price of a unit of relaxing it."""
    conflict: tuple[ConstraintRow, ...] | None
    """Of an infeasible one: the rows that contradict each other; None otherwise."""
    conflict_verified: bool
    """Whether every proof of infeasibility was checked."""
    verified: bool
    """Whether the solver's answer was checked for every firm."""


@dataclass(frozen=True, kw_only=True)
class Played:
    """What firms report where truth is no best reply."""

    status: Literal["converged", "no_equilibrium"]
    reports: Array | None
    """(2, K): the report of each type; None without an equilibrium."""
    others: tuple[Array, ...]
    """The same of the other equilibria that were met."""
    rounds: int
    truthful: bool
    regret: float | None
    expected: ExpectedOutcome | None
    welfare_loss: float | None
    """Expected welfare at the truth less what is then reached."""

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True, kw_only=True)
class InterimRow:
    """One type that tells the truth, in expectation over its rival's type."""

    firm: int
    type: float
    payoff: float
    subsidy: float | None
    tax: float | None
    net_transfer: float
    outside: float | None
    best_report: float
    gain: float


@dataclass(frozen=True, kw_only=True)
class EvidenceRow:
    """One type's expected accounts at one own report."""

    report: float
    truth: bool
    revenue: float
    own_cost: float
    subsidy: float
    tax: float
    net_transfer: float
    payoff: float


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Why one type would or would not lie."""

    firm: int
    type: float
    payoff: str
    reports: tuple[EvidenceRow, ...]


@dataclass(frozen=True, kw_only=True)
class ScheduleRow:
    """What one firm would receive and pay at levels near those assigned."""

    firm: int
    report: float
    rival_report: float
    sharing: float
    investment: float
    assigned: bool
    subsidy: float
    tax: float
    net_transfer: float


@dataclass(frozen=True, kw_only=True)
class Continuum:
    """Truth and participation between the types of a grid, refined until they settle."""

    points: int
    """Types and reports per firm of the finest grid."""
    change: float | None
    """What the last refinement moved the largest gain or the smallest slack by."""
    payoff_range: float
    incentive: str
    timing: str
    ic: Check
    ir: Check | None


@dataclass(frozen=True, kw_only=True)
class DrawnLevels:
    """Levels that a lottery may draw."""

    probability: float
    sharing: Array
    """(2,)."""
    investment: Array
    """(2,)."""

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True, kw_only=True)
class Lottery:
    """How levels are drawn at one pair of types."""

    types: tuple[float, float]
    levels: tuple[DrawnLevels, ...]
    """The likeliest first."""


@dataclass(frozen=True, kw_only=True)
class LevelsCertificate:
    """How the levels at all pairs of reports were found."""

    residual: float
    """The largest first-order residual of any of them."""
    several_optima: bool
    pairs: int


@dataclass(frozen=True, kw_only=True)
class RuleResult:
    """One tax rule at one case."""

    tax_rule: str
    payoff: str
    types: Array
    """(K,), or (2, K) where the firms' differ: the types expectations are taken over."""
    probabilities: Array
    """(K,), of either firm."""
    expected: ExpectedOutcome
    """If everybody tells the truth."""
    least: Array
    """(2,): the least expected net receipts with which every type would join, doing what firms then
    do; NaN where not known."""
    worst: Array
    """(2,): what the worst type of each firm keeps as it stands."""
    achieved: ExpectedOutcome | None
    """What firms then do: truth where it is a best reply, the equilibrium in reports otherwise;
    None where there is none."""
    checks: Checks
    repair: RepairResult | None
    """None where nothing needs mending."""
    played: Played | None
    """None where truth is a best reply."""
    interim: tuple[InterimRow, ...]
    evidence: Evidence | None
    schedule: tuple[ScheduleRow, ...]
    design: Designed | None
    """Of transfers that were solved for: what was asked, whether it can be met, what binds."""
    lotteries: tuple[Lottery, ...] | None
    """Of a second best."""
    continuum: Continuum | None
    certificate: LevelsCertificate

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """What one type of one firm does in a market with private types."""

    firm: int
    type: float
    sharing: float
    investment: float
    payoff: float

    @classmethod
    def rows(cls, types: TypeSpace, strategy: Array, payoff: Array) -> tuple[Strategy, ...]:
        """Of strategies (2, M points, 2) and payoffs (2, M) those of the types expectations are
        taken over."""
        return tuple(
            cls(
                firm=firm + 1,
                type=float(types.of(firm)[k]),
                sharing=float(strategy[firm, k, 0]),
                investment=float(strategy[firm, k, 1]),
                payoff=float(payoff[firm, k]),
            )
            for firm in (0, 1)
            for k in types.nodes
        )


@dataclass(frozen=True, kw_only=True)
class PrivateMarket:
    """`bayes_nash`: expectations over both firms' types, and every type's strategy."""

    expected: ExpectedOutcome
    price: Array
    """(2,), as are the following."""
    quantity: Array
    profit: Array
    investment_cost: Array
    unit_cost: Array
    strategies: tuple[Strategy, ...]
    residual: float
    regret: float

    def __post_init__(self) -> None:
        freeze(self)


NOT_SETTLED = "best replies of the types did not settle on an equilibrium"
"""Why there is no `bayes_nash` where there is none."""
