"""Appendix B with reported types, end to end at one case: one tax rule, judged as many are
(`mechanism.scheme.judge`), with what is told of one case alone: every form of every check, repair,
evidence, payments at other levels, and what lies between the types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeVar

import numpy as np

from market.model.case import Array, Case
from market.model.outcome import account
from market.model.pricing import bertrand_matrix
from mechanism.casefile.types import TypeSpace, per_firm
from mechanism.design.checks import (
    NOT_ESTABLISHED,
    Check,
    Lie,
    first_largest,
    participation,
    payoff_range,
)
from mechanism.design.cvx import Repair, Row, largest_violation, repair
from mechanism.design.options import NO_OUTSIDE, NO_TRANSFERS, WhyNot
from mechanism.design.rules import TAX_RULES, TaxRule
from mechanism.scheme.allocation import case_at_pairs
from mechanism.scheme.behaviour import by_pair
from mechanism.scheme.continuum import between
from mechanism.scheme.designed import Designed
from mechanism.scheme.full_information import subsidy
from mechanism.scheme.incentives import Gains, collusion_check, free_gains, incentive_check
from mechanism.scheme.judge import Judged, judge
from mechanism.scheme.preparation import PAYOFFS, Scheme
from mechanism.scheme.private_market import PrivateEquilibrium, expected_under, pairs_of
from mechanism.scheme.rule_results import (
    FORMS,
    Budget,
    Checks,
    ConstraintRow,
    Correction,
    Evidence,
    EvidenceRow,
    IncentiveCheck,
    InterimRow,
    LevelsCertificate,
    ParticipationCheck,
    Played,
    PrivateMarket,
    ProgramCheck,
    RepairResult,
    RuleResult,
    ScheduleRow,
    Strategy,
)
from mechanism.scheme.second_best import LotteryScheme, lottery_scheme
from mechanism.scheme.solved import design_of, transfers_of
from mechanism.scheme.transfers import no_design

T = TypeVar("T")

INCENTIVES: tuple[Literal["bayesian", "dominant"], ...] = ("bayesian", "dominant")
TIMINGS: tuple[Literal["interim", "ex_post"], ...] = ("interim", "ex_post")


def rules_at(types: TypeSpace) -> tuple[TaxRule, ...]:
    """The tax rules that are evaluated: those a case can ask for and, where both types move both
    profits, what is settled on the market that comes about."""
    asked = [
        rule
        for rule in TAX_RULES.values()
        if rule.in_markets and not (rule.observed and types.private_values)
    ]
    return tuple(sorted(asked, key=lambda rule: rule.observed))


def run_rule(scheme: Scheme, key: str) -> RuleResult | WhyNot:
    """One tax rule at one case, or why there is none: it is solved for, and there are no such
    transfers."""
    rule = TAX_RULES[key]
    if not rule.designed:
        return _result(scheme, judge(scheme, rule, transfers_of(scheme, rule).net), None)
    if why := no_design(scheme.types, scheme.options):
        return why
    if not np.isfinite(scheme.own_outside).all():
        return NO_OUTSIDE
    if scheme.options.allocation == "second_best":
        drawn = lottery_scheme(scheme)
        return (
            NO_TRANSFERS
            if drawn is None
            else _result(drawn, judge(drawn, rule, drawn.design.net), drawn.design)
        )
    design = design_of(scheme)
    return (
        NO_TRANSFERS if design is None else _result(scheme, judge(scheme, rule, design.net), design)
    )


def _result(scheme: Scheme, judged: Judged, design: Designed | None) -> RuleResult:
    types, options, rule, net = scheme.types, scheme.options, judged.rule, judged.net
    drawn = isinstance(scheme, LotteryScheme)
    # What is settled on the market that comes about is no function of the reports alone, and a
    # lottery leaves no levels to be sure of.
    by_reports = not rule.observed and not drawn
    own_rule = rule.key == options.tax_rule
    checks = _checks(scheme, judged, drawn, by_reports, own_rule)
    # A formula holds between types or fails at them; what is solved for on a grid leaves something
    # between.
    between_types = (
        types.continuous and types.private_values and not drawn and (own_rule or rule.designed)
    )
    return RuleResult(
        tax_rule=rule.key,
        payoff=options.payoff,
        types=types.types,
        probabilities=types.probabilities,
        expected=judged.truth,
        least=judged.least,
        worst=judged.worst,
        achieved=judged.achieved if judged.settled else None,
        checks=checks,
        repair=None if drawn else _repair(scheme, judged.gains, checks, net),
        played=None if judged.played is None else _played(scheme, judged),
        interim=_interim(scheme, judged, drawn),
        evidence=_evidence(scheme, judged, checks.ic) if by_reports else None,
        schedule=() if drawn else payment_schedule(scheme, net),
        design=design,
        lotteries=scheme.lotteries() if isinstance(scheme, LotteryScheme) else None,
        continuum=between(scheme, rule, net) if between_types else None,
        certificate=LevelsCertificate(
            residual=float(scheme.residual),
            several_optima=bool(scheme.several),
            pairs=types.size**2,
        ),
    )


def _checks(
    scheme: Scheme, judged: Judged, drawn: bool, by_reports: bool, own_rule: bool
) -> Checks:
    """Every form of truth-telling and participation, and the budget."""
    options, own, net = scheme.options, judged.gains, judged.net
    assigned: dict[str, Gains] = {options.payoff: own}
    free: dict[str, Gains | None] = {}
    if not drawn:
        tables = {payoff: scheme.earned(payoff, judged.rule.observed) for payoff in PAYOFFS}
        assigned = {
            payoff: (
                own
                if payoff == options.payoff
                else Gains(earned=tables[payoff], transfer=own.transfer)
            )
            for payoff in PAYOFFS
        }
        free = {
            payoff: None if best is None else free_gains(scheme.types.nodes, best, net)
            for payoff, best in scheme.free.items()
        }
    scale = float(own.range)
    collusion = NOT_ESTABLISHED
    if by_reports:
        collusion = collusion_check(scheme.assignment, net, options.payoff, scale)
    return Checks(
        incentive=options.incentive,
        payoff=options.payoff,
        timing=options.timing,
        payoff_range=scale,
        incentives=_incentive_checks(scheme, assigned, free),
        participation=_participation_checks(scheme, own, net),
        # The largest of numbers that are already known is asked of a solver once, as a check of how
        # constraints are stated.
        program=_program_check(scheme, own, net) if own_rule and not drawn else None,
        collusion=collusion,
        budget=budget_of(by_pair(net, np.stack([scheme.types.nodes] * 2)).sum(-1), scheme.types),
    )


def budget_of(outlay: Array, types: TypeSpace) -> Budget:
    """The budget of a public outlay (K, K) over pairs of types."""
    return Budget(
        ex_ante=float((types.probabilities[:, None] * types.probabilities * outlay).sum()),
        worst=float(outlay.max()),
    )


def _incentive_checks(
    scheme: Scheme, assigned: Mapping[str, Gains], free: Mapping[str, Gains | None]
) -> tuple[IncentiveCheck, ...]:
    tables: tuple[tuple[Literal["assigned", "free"], Mapping[str, Gains | None]], ...] = (
        ("assigned", assigned),
        ("free", free),
    )
    return tuple(
        IncentiveCheck(
            incentive=incentive,
            deviation=deviation,
            payoff=payoff,
            check=incentive_check(found, scheme.types, incentive, float(assigned[payoff].range)),
        )
        for incentive in INCENTIVES
        for deviation, table in tables
        for payoff, found in table.items()
    )


def _participation_checks(
    scheme: Scheme, own: Gains, net: Array
) -> dict[str, tuple[ParticipationCheck, ...]]:
    scale = payoff_range(own.truth_ex_post)

    def check(form: str, timing: Literal["interim", "ex_post"]) -> ParticipationCheck:
        sides = scheme.joining(net, own.truth_ex_post, form, timing)
        return ParticipationCheck(
            timing=timing, check=participation(*sides, scheme.types.points, scale)
        )

    return {form: tuple(check(form, timing) for timing in TIMINGS) for form in FORMS}


def constraint_data(scheme: Scheme, own: Gains, net: Array) -> tuple[Array, Array | None]:
    """What the chosen IC and IR ask of corrections to interim transfers, at every point that is
    checked: for each firm the gains (2, M, M) that must be outweighed and the slacks (2, M) that
    may be used up; None without participation.
    """
    options = scheme.options
    table = own.by(options.incentive)
    if options.participation == "none":
        return table, None
    slack = _slack(scheme, own, net)
    if not np.isfinite(slack).all():
        return table, None
    return table, slack if options.timing == "interim" else slack.min(-1)


def _slack(scheme: Scheme, own: Gains, net: Array) -> Array:
    """What joining is worth over staying out in the case's own form: (2, M), or ex post (2, M,
    M)."""
    options = scheme.options
    joins, stays = scheme.joining(net, own.truth_ex_post, options.participation, options.timing)
    return joins - stays


def _per_firm(scheme: Scheme, solve: Callable[[int], T]) -> list[T]:
    """A program solved for each firm; once where the firms are alike."""
    first = solve(0)
    return [first, first if scheme.case.symmetric() and scheme.types.common else solve(1)]


def _program_check(scheme: Scheme, own: Gains, net: Array) -> ProgramCheck:
    """The chosen IC and IR, stated to cvxpy as one program per firm, beside the same number by
    direct evaluation."""
    gain, slack = constraint_data(scheme, own, net)
    solved = tuple(
        _per_firm(scheme, lambda i: largest_violation(gain[i], None if slack is None else slack[i]))
    )
    direct = tuple(
        max(0.0, float(gain[i].max()), 0.0 if slack is None else float(-slack[i].min()))
        for i in (0, 1)
    )
    # the solver's own feasibility is no finer; whether IC holds is judged by `direct` alone
    tolerance = 1e-7 * max(float(own.range), *direct)
    agrees = all(
        v is not None and abs(v - w) <= tolerance for v, w in zip(solved, direct, strict=True)
    )
    return ProgramCheck(largest_violation=solved, evaluated=direct, agrees=agrees)


def _repair(scheme: Scheme, own: Gains, checks: Checks, net: Array) -> RepairResult | None:
    """The least correction by cvxpy; None where nothing needs mending."""
    options = scheme.options
    asked = [checks.ic] + (
        [checks.ir(options.participation)] if options.participation != "none" else []
    )
    if all(check.status == "holds" for check in asked):
        return None
    gain, slack = constraint_data(scheme, own, net)
    found = _per_firm(scheme, lambda i: repair(gain[i], None if slack is None else slack[i]))
    optimal = all(r.status == "optimal" for r in found)
    infeasible = any(r.status == "infeasible" for r in found)
    corrections = np.array([r.correction for r in found]) if optimal else np.zeros((2, 0))
    return RepairResult(
        status="optimal" if optimal else "infeasible" if infeasible else "not_established",
        incentive=options.incentive,
        payoff=options.payoff,
        participation=options.participation,
        timing=options.timing,
        per_type=tuple(
            Correction(firm=firm, type=float(t), correction=float(c))
            for firm, own_corrections in enumerate(corrections, 1)
            for t, c in zip(scheme.types.of(firm - 1), own_corrections, strict=False)
        ),
        total=float(np.abs(corrections).sum()) if optimal else None,
        expected_outlay=float((corrections @ scheme.types.weights).sum()) if optimal else None,
        binding=_rows(scheme, own, net, found, "optimal") if optimal else (),
        conflict=_rows(scheme, own, net, found, "infeasible") if infeasible else None,
        conflict_verified=all(r.verified for r in found if r.status == "infeasible"),
        verified=all(r.verified for r in found),
    )


def _rows(
    scheme: Scheme, own: Gains, net: Array, found: list[Repair], status: str
) -> tuple[ConstraintRow, ...]:
    types, options = scheme.types, scheme.options

    def rival_type(firm: int, row: Row) -> float | None:
        if row.report is not None:
            if options.incentive == "bayesian":
                return None
            each = own.of_lie(firm, row.type, row.report)
            return float(types.of(1 - firm)[first_largest(each)[0]])
        if options.timing == "interim":
            return None
        return float(
            types.of(1 - firm)[first_largest(-_slack(scheme, own, net)[firm, row.type])[0]]
        )

    return tuple(
        ConstraintRow(
            constraint=row.constraint,
            firm=firm,
            type=float(types.of(firm - 1)[row.type]),
            report=None if row.report is None else float(types.of(firm - 1)[row.report]),
            rival_type=rival_type(firm - 1, row),
            weight=row.weight,
        )
        for firm, r in enumerate(found, 1)
        if r.status == status
        for row in r.rows
    )


def _played(scheme: Scheme, judged: Judged) -> Played:
    played, points = judged.played, per_firm(scheme.types.points)
    assert played is not None
    settled, truth, achieved = bool(played.settled), judged.truth, judged.achieved
    two = settled and bool((played.others != played.reports).any())
    return Played(
        status="converged" if settled else "no_equilibrium",
        reports=np.take_along_axis(points, played.reports, 1) if settled else None,
        others=(np.take_along_axis(points, played.others, 1),) if two else (),
        rounds=int(played.rounds),
        truthful=settled and bool((played.reports == scheme.types.nodes).all()),
        regret=float(played.regret) if settled else None,
        expected=achieved if settled else None,
        welfare_loss=float(truth.welfare - achieved.welfare) if settled else None,
    )


def _interim(scheme: Scheme, judged: Judged, drawn: bool) -> tuple[InterimRow, ...]:
    """Expected payoff, net transfer and outside option of every type that tells the truth; a
    lottery has no subsidy of one assignment."""
    types, own, weights = scheme.types, judged.gains, scheme.types.weights
    outside, paid, subsidised = (
        scheme.private()[..., 0],
        judged.net @ weights,
        scheme.assignment.subsidy @ weights,
    )
    # Ties go to the truth.
    gain = own.bayesian.max(-1)
    rounding = 1e-12 * np.abs(own.truth).max()
    best = np.where(gain <= rounding, np.arange(gain.shape[-1]), own.interim.argmax(-1))
    return tuple(
        InterimRow(
            firm=firm + 1,
            type=float(types.of(firm)[k]),
            payoff=float(own.truth[firm, k]),
            subsidy=None if drawn else float(subsidised[firm, k]),
            tax=None if drawn else float(subsidised[firm, k] - paid[firm, k]),
            net_transfer=float(paid[firm, k]),
            outside=float(outside[firm, k]) if np.isfinite(outside[firm, k]) else None,
            best_report=float(types.of(firm)[best[firm, k]]),
            gain=float(gain[firm, k]),
        )
        for firm in (0, 1)
        for k in types.nodes
    )


def _evidence(scheme: Scheme, judged: Judged, truth: Check) -> Evidence:
    """One type's expected accounts for several own reports: where its payoff comes from, and why it
    would or would not lie."""
    types, assignment, witness, own = scheme.types, scheme.assignment, truth.witness, judged.gains
    weights = types.weights
    if isinstance(witness, Lie) and truth.status != "holds":
        firm, points = witness.player, types.of(witness.player)
        kind = int(np.argmin(np.abs(points - float(witness.type))))
        told = int(np.argmin(np.abs(points - float(witness.report))))
    else:
        firm, points = 0, types.of(0)
        kind = told = int(types.nodes[len(types.nodes) // 2])
    spread = np.round(np.linspace(0, len(points) - 1, min(5, len(points)))).astype(int)
    revenue, profit = (
        scheme.earned(payoff).interim[firm, kind] for payoff in ("printed", "with_cost")
    )
    paid = assignment.subsidy[firm] @ weights
    return Evidence(
        firm=firm + 1,
        type=float(points[kind]),
        payoff=scheme.options.payoff,
        reports=tuple(
            EvidenceRow(
                report=float(points[r]),
                truth=r == kind,
                revenue=float(revenue[r]),
                own_cost=float(revenue[r] - profit[r]),
                subsidy=float(paid[r]),
                tax=float(paid[r] - own.paid[firm, r]),
                net_transfer=float(own.paid[firm, r]),
                payoff=float(own.interim[firm, kind, r]),
            )
            for r in sorted({kind, told, *spread.tolist()})
        ),
    )


def private_market(case: Case, types: TypeSpace, found: PrivateEquilibrium) -> PrivateMarket | None:
    """`regimes.bayes_nash`: expectations over types, and every type's strategy; None where best
    replies of the types did not settle."""
    if not found.converged:
        return None
    x = pairs_of(found.strategy[:, types.nodes])
    books = account(case_at_pairs(case, types.types, types.parameter), x, bertrand_matrix)
    weights = (types.probabilities[:, None] * types.probabilities)[..., None]

    def mean(values: Array) -> Array:
        return np.asarray((weights * values).sum((0, 1)))

    return PrivateMarket(
        expected=expected_under(case, types, found),
        price=mean(books.price),
        quantity=mean(books.quantity),
        profit=mean(books.profit),
        investment_cost=mean(books.investment_cost),
        unit_cost=mean(books.unit_cost),
        strategies=Strategy.rows(types, found.strategy, found.payoff),
        residual=float(found.residual),
        regret=float(found.regret),
    )


SCHEDULE_SHARES = (0.5, 0.75, 1.0, 1.25, 1.5)
"""Own levels in the payment schedule, as shares of the assigned ones (sharing stops at 1,
investment at the cap)."""


def payment_schedule(scheme: Scheme, net: Array) -> tuple[ScheduleRow, ...]:
    """What each firm would receive and pay at levels other than those assigned, the rival reporting
    its middle type and complying."""
    types, assignment = scheme.types, scheme.assignment
    tax, market = assignment.subsidy - net, assignment.case.map(lambda a: a.reshape(1, -1))
    middle = int(types.nodes[len(types.nodes) // 2])
    few = [int(types.nodes[0]), middle, int(types.nodes[-1])]
    cap = np.broadcast_to(assignment.case.investment_cap, 2)
    asked, spills = [], []
    for firm in (0, 1):
        for report in dict.fromkeys(few):
            x = assignment.levels[firm][report, middle]
            tried = np.repeat(x[None], 2 * len(SCHEDULE_SHARES), axis=0)
            shares = np.array(SCHEDULE_SHARES)
            tried[: len(shares), firm] = np.minimum(shares * x[firm], 1.0)
            tried[len(shares) :, 2 + firm] = np.minimum(shares * x[2 + firm], cap[firm])
            tried = np.unique(tried, axis=0)
            asked += [(firm, report, levels, bool((levels == x).all())) for levels in tried]
            told = types.of(firm)[report], types.of(1 - firm)[middle]
            spills += [told if firm == 0 else told[::-1]] * len(tried)
    case = market.with_parameter(types.parameter, np.array(spills))
    paid = subsidy(case, np.array([levels for _, _, levels, _ in asked]))
    return tuple(
        ScheduleRow(
            firm=firm + 1,
            report=float(types.of(firm)[report]),
            rival_report=float(types.of(1 - firm)[middle]),
            sharing=float(levels[firm]),
            investment=float(levels[2 + firm]),
            assigned=assigned,
            subsidy=float(amount),
            tax=float(tax[firm, report, middle]),
            net_transfer=float(amount - tax[firm, report, middle]),
        )
        for (firm, report, levels, assigned), amount in zip(
            asked, paid[np.arange(len(asked)), [row[0] for row in asked]], strict=True
        )
    )
