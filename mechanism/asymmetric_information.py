"""Appendix B with reported lambda_c, end to end: one tax rule at one case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeVar

import numpy as np

from market.case import Array
from market.outcome import account
from market.pricing import bertrand_matrix
from mechanism.allocation import case_at_pairs
from mechanism.behaviour import Expected, ReportingEquilibrium, by_pair, expected_outcome, reporting_equilibrium
from mechanism.checks import NOT_ESTABLISHED, Check, participation, payoff_range
from mechanism.continuum import between
from mechanism.designed import Designed, design_transfers
from mechanism.full_information import subsidy
from mechanism.incentives import Gains, collusion_check, free_gains, gains, incentive_check
from mechanism.interdependent import design_of_both
from mechanism.market_setting import NoSettingError, menu_levels
from mechanism.preparation import (
    PAYOFFS,
    Setting,
    joining_against,
    outcome_of_play,
    outside_option,
    participation_sides,
    taxes,
)
from mechanism.private_market import pair_levels
from mechanism.programs import Repair, largest_violation, repair
from mechanism.results import (
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
from mechanism.second_best import second_best_result
from mechanism.transfers import no_design
from mechanism.types import TypeSpace, discrete

T = TypeVar("T")

INCENTIVES: tuple[Literal["bayesian", "dominant"], ...] = ("bayesian", "dominant")
TIMINGS: tuple[Literal["interim", "ex_post"], ...] = ("interim", "ex_post")
OBSERVED = "observed"
"""The tax free of the own report with the subsidy settled on the market that comes about; of use where both types move both profits."""


def _designed(setting: Setting) -> Designed | None:
    """The transfers solved for at the planner's levels; None where there are none to be had or the program would be too large."""
    options, types = setting.options, setting.types
    outside = joining_against(setting)
    if outside is None or no_design(types, options):
        return None
    if not types.private_values:
        return design_of_both(setting.assignment, options, outside)
    return design_transfers(setting.case, types, options, (outside[0], outside[1].T), setting.assignment.levels[:1])


def run_second_best(setting: Setting) -> RuleResult | None:
    """The design with lotteries over levels, on the types themselves; None where there is none."""
    types, options = setting.types, setting.options
    nodes = types.nodes
    square = np.ix_(nodes, nodes)
    outside = joining_against(setting)
    if outside is None:
        return None
    at_types = [o[nodes] if o.shape[1] == 1 else o[square] for o in outside]
    listed = discrete(types.types, types.probabilities)
    try:
        menu = menu_levels(setting.case, listed.types, True, setting.assignment.levels[0][square])
    except NoSettingError:
        return None
    found = design_transfers(setting.case, listed, options, (at_types[0], at_types[1].T), menu)
    if found is None:
        return None
    interim, ex_post = (outside_option(setting, timing) for timing in TIMINGS)
    market = {
        "interim": None if interim is None else interim[:, nodes],
        "ex_post": None if ex_post is None else np.stack([o[square] for o in ex_post]),
    }
    return second_best_result(setting, found, menu, market)


def run_rule(setting: Setting, rule: str) -> RuleResult | None:
    """Evaluate one tax rule: payments, truth-telling, participation, repair, and behaviour where truth is no best reply.

    None for `designed` where there are no such transfers.
    """
    types, options, assignment = setting.types, setting.options, setting.assignment
    if rule == "designed" and options.allocation == "second_best":
        return run_second_best(setting)
    found = _designed(setting) if rule == "designed" else None
    if found is not None:
        tax = assignment.subsidy - found.net
    elif rule == "designed":
        return None
    else:
        tax = taxes(setting, "groves" if rule == OBSERVED else rule)
    net = assignment.subsidy - tax
    assigned = {payoff: gains(assignment, tax, payoff, rule == OBSERVED) for payoff in PAYOFFS}
    free = {payoff: free_gains(assignment, tax, best, assigned[payoff]) for payoff, best in setting.free.items()}
    own = assigned[options.payoff]

    node_net = by_pair(net, types.nodes, types.nodes)
    checks = Checks(
        incentive=options.incentive,
        payoff=options.payoff,
        timing=options.timing,
        payoff_range=own.range,
        incentives=_incentive_checks(setting, assigned, free),
        participation=_participation_checks(setting, own, net),
        program=_program_check(setting, own, net),
        collusion=NOT_ESTABLISHED if rule == OBSERVED else collusion_check(assignment, tax, options.payoff, own.range),
        budget=budget_of(node_net.sum(-1), types),
    )
    node_levels = assignment.levels[0][np.ix_(types.nodes, types.nodes)]
    truth = expected_outcome(setting.case, types, node_levels, node_net)
    truthful = checks.ic.status == "holds"
    # A formula holds between types or fails at them; what is solved for on a grid leaves something between.
    between_types = types.continuous and types.private_values and rule in (options.tax_rule, "designed")
    played = None if truthful or rule == OBSERVED else reporting_equilibrium(assignment, tax, options.payoff)
    achieved = truth if truthful else outcome_of_play(setting, net, played)
    return RuleResult(
        tax_rule=rule,
        payoff=options.payoff,
        types=types.types,
        probabilities=types.probabilities,
        expected=truth,
        achieved=achieved,
        checks=checks,
        repair=_repair(setting, own, checks, net),
        played=None if played is None else _played(setting, played, achieved, truth),
        interim=_interim(setting, own, tax, net),
        # What is settled on the market that comes about is no function of the reports alone.
        evidence=None if rule == OBSERVED else _evidence(setting, own, tax, checks.ic),
        schedule=payment_schedule(setting, tax),
        design=found,
        lotteries=None,
        continuum=between(setting, rule, net) if between_types else None,
        certificate=LevelsCertificate(residual=setting.residual, several_optima=setting.several, pairs=len(types.points) ** 2),
    )


def budget_of(outlay: Array, types: TypeSpace) -> Budget:
    """The budget of a public outlay (K, K) over pairs of types."""
    return Budget(ex_ante=float((types.probabilities[:, None] * types.probabilities * outlay).sum()), worst=float(outlay.max()))


def _incentive_checks(setting: Setting, assigned: dict[str, Gains], free: dict[str, Gains | None]) -> tuple[IncentiveCheck, ...]:
    points = setting.types.points
    tables: tuple[tuple[Literal["assigned", "free"], Mapping[str, Gains | None]], ...] = (("assigned", assigned), ("free", free))
    return tuple(
        IncentiveCheck(
            incentive=incentive,
            deviation=deviation,
            payoff=payoff,
            check=incentive_check(found, points, incentive, assigned[payoff].range),
        )
        for incentive in INCENTIVES
        for deviation, table in tables
        for payoff, found in table.items()
    )


def _participation_checks(setting: Setting, own: Gains, net: Array) -> dict[str, tuple[ParticipationCheck, ...]]:
    scale = payoff_range(own.truth_ex_post)

    def check(form: str, timing: Literal["interim", "ex_post"]) -> ParticipationCheck:
        sides = participation_sides(setting, own, net, form, timing)
        found = NOT_ESTABLISHED if sides is None else participation(*sides, setting.types.points, scale)
        return ParticipationCheck(timing=timing, check=found)

    return {form: tuple(check(form, timing) for timing in TIMINGS) for form in FORMS}


def constraint_data(setting: Setting, own: Gains, net: Array) -> tuple[Array, Array | None]:
    """What the chosen IC and IR ask of corrections to interim transfers, at every point that is checked: for each firm the gains (2, M, M)
    that must be outweighed and the slacks (2, M) that may be used up; None without participation."""
    options = setting.options
    table = own.bayesian if options.incentive == "bayesian" else own.dominant
    sides = None if options.participation == "none" else participation_sides(setting, own, net, options.participation, options.timing)
    if sides is None:
        return table, None
    slack = sides[0] - sides[1]
    return table, slack if options.timing == "interim" else slack.min(-1)


def _per_firm(setting: Setting, solve: Callable[[int], T]) -> list[T]:
    """A program solved for each firm; once where the firms are alike."""
    first = solve(0)
    return [first, first if setting.case.alike() else solve(1)]


def _program_check(setting: Setting, own: Gains, net: Array) -> ProgramCheck:
    """The chosen IC and IR, stated to cvxpy as one program per firm, beside the same number by direct evaluation."""
    gain, slack = constraint_data(setting, own, net)
    solved = tuple(_per_firm(setting, lambda i: largest_violation(gain[i], None if slack is None else slack[i])))
    direct = tuple(max(0.0, float(gain[i].max()), 0.0 if slack is None else float(-slack[i].min())) for i in (0, 1))
    tolerance = 1e-7 * max(1.0, *direct)
    agrees = all(v is not None and abs(v - w) <= tolerance for v, w in zip(solved, direct, strict=True))
    return ProgramCheck(largest_violation=solved, evaluated=direct, agrees=agrees)


def _repair(setting: Setting, own: Gains, checks: Checks, net: Array) -> RepairResult | None:
    """The least correction by cvxpy; None where nothing needs mending."""
    options = setting.options
    asked = [checks.ic] + ([checks.ir(options.participation)] if options.participation != "none" else [])
    if all(check.status == "holds" for check in asked):
        return None
    gain, slack = constraint_data(setting, own, net)
    found = _per_firm(setting, lambda i: repair(gain[i], None if slack is None else slack[i]))
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
            for t, c in zip(setting.types.points, own_corrections, strict=False)
        ),
        total=float(np.abs(corrections).sum()) if optimal else None,
        expected_outlay=float((corrections @ setting.types.weights).sum()) if optimal else None,
        binding=_rows(setting, found, "optimal") if optimal else (),
        conflict=_rows(setting, found, "infeasible") if infeasible else None,
        conflict_verified=all(r.verified for r in found if r.status == "infeasible"),
        verified=all(r.verified for r in found),
    )


def _rows(setting: Setting, found: list[Repair], status: str) -> tuple[ConstraintRow, ...]:
    types = setting.types.points
    return tuple(
        ConstraintRow(
            constraint=row.constraint,
            firm=firm,
            type=float(types[row.type]),
            report=None if row.report is None else float(types[row.report]),
            weight=row.weight,
        )
        for firm, r in enumerate(found, 1)
        if r.status == status
        for row in r.rows
    )


def _played(setting: Setting, played: ReportingEquilibrium, achieved: Expected | None, truth: Expected) -> Played:
    settled = played.status == "converged"
    return Played(
        status=played.status,
        reports=setting.types.points[played.reports] if settled else None,
        rounds=played.rounds,
        truthful=settled and bool((played.reports == setting.types.nodes).all()),
        regret=played.regret if settled else None,
        expected=achieved,
        welfare_loss=None if achieved is None else truth.welfare - achieved.welfare,
    )


def _interim(setting: Setting, own: Gains, tax: Array, net: Array) -> tuple[InterimRow, ...]:
    """Expected payoff, net transfer and outside option of every type that tells the truth."""
    types, assignment = setting.types, setting.assignment
    outside = outside_option(setting, "interim")
    return tuple(
        InterimRow(
            firm=firm + 1,
            type=float(types.points[k]),
            payoff=float(own.truth[firm, k]),
            subsidy=float(assignment.subsidy[firm, k] @ types.weights),
            tax=float(tax[firm, k] @ types.weights),
            net_transfer=float(net[firm, k] @ types.weights),
            outside=None if outside is None else float(outside[firm, k]),
            best_report=float(types.points[int(np.argmax(own.interim[firm, k]))]),
            gain=float(own.bayesian[firm, k].max()),
        )
        for firm in (0, 1)
        for k in types.nodes
    )


def _evidence(setting: Setting, own: Gains, tax: Array, truth: Check) -> Evidence:
    """One type's expected accounts for several own reports: where its payoff comes from, and why it would or would not lie."""
    types, assignment, witness = setting.types, setting.assignment, truth.witness
    points = types.points
    if witness is not None and witness["gain"] > 0:
        firm, kind = witness["firm"] - 1, int(np.argmin(np.abs(points - witness["type"])))
        told = int(np.argmin(np.abs(points - witness["report"])))
    else:
        firm, kind = 0, int(types.nodes[len(types.nodes) // 2])
        told = kind
    spread = np.round(np.linspace(0, len(points) - 1, min(5, len(points)))).astype(int)
    weights = types.weights
    revenue, profit = (assignment.own_part(firm, points[[kind]], payoff)[0] @ weights for payoff in ("printed", "with_cost"))
    rows = []
    for r in sorted({kind, told, *spread.tolist()}):
        paid, taxed = (float(a[firm, r] @ weights) for a in (assignment.subsidy, tax))
        rows.append(
            EvidenceRow(
                report=float(points[r]),
                truth=r == kind,
                revenue=float(revenue[r]),
                own_cost=float(revenue[r] - profit[r]),
                subsidy=paid,
                tax=taxed,
                net_transfer=paid - taxed,
                payoff=float(own.interim[firm, kind, r]),
            )
        )
    return Evidence(firm=firm + 1, type=float(points[kind]), payoff=setting.options.payoff, reports=tuple(rows))


def private_market(setting: Setting) -> PrivateMarket | None:
    """`regimes.bayes_nash`: expectations over types, and every type's strategy; None where best replies of the types did not settle."""
    types, found = setting.types, setting.private
    if found is None:
        return None
    own = found.strategy[:, types.nodes]
    x = pair_levels(own[0], own[1], 0)
    books = account(case_at_pairs(setting.case, types.types, types.parameter), x, bertrand_matrix)
    weights = (types.probabilities[:, None] * types.probabilities)[..., None]

    def mean(values: Array) -> Array:
        return np.asarray((weights * values).sum((0, 1)))

    return PrivateMarket(
        expected=expected_outcome(setting.case, types, x),
        price=mean(books.price),
        quantity=mean(books.quantity),
        profit=mean(books.profit),
        investment_cost=mean(books.investment_cost),
        unit_cost=mean(books.unit_cost),
        strategies=tuple(
            Strategy(
                firm=firm + 1,
                type=float(types.points[k]),
                sharing=float(found.strategy[firm, k, 0]),
                investment=float(found.strategy[firm, k, 1]),
                payoff=float(found.payoff[firm, k]),
            )
            for firm in (0, 1)
            for k in types.nodes
        ),
        residual=found.residual,
        regret=found.regret,
    )


SCHEDULE_SHARES = (0.5, 0.75, 1.0, 1.25, 1.5)
"""Own levels in the payment schedule, as shares of the assigned ones (sharing stops at 1, investment at the cap)."""


def payment_schedule(setting: Setting, tax: Array) -> tuple[ScheduleRow, ...]:
    """What each firm would receive and pay at levels other than those assigned, the rival reporting its middle type and complying."""
    types, assignment = setting.types, setting.assignment
    middle = int(types.nodes[len(types.nodes) // 2])
    few = [int(types.nodes[0]), middle, int(types.nodes[-1])]
    cap = np.broadcast_to(assignment.case.investment_cap, (1, 2))[0]
    rows = []
    for firm in (0, 1):
        for report in dict.fromkeys(few):
            x = assignment.levels[firm][report, middle]
            spill = np.empty(2)
            spill[firm], spill[1 - firm] = types.points[report], types.points[middle]
            case = assignment.case.with_parameter(types.parameter, spill[None])
            tried = np.repeat(x[None], 2 * len(SCHEDULE_SHARES), axis=0)
            shares = np.array(SCHEDULE_SHARES)
            tried[: len(shares), firm] = np.minimum(shares * x[firm], 1.0)
            tried[len(shares) :, 2 + firm] = np.minimum(shares * x[2 + firm], cap[firm])
            tried = np.unique(tried, axis=0)
            paid = subsidy(case, tried)[:, firm]
            for levels, amount in zip(tried, paid, strict=True):
                rows.append(
                    ScheduleRow(
                        firm=firm + 1,
                        report=float(types.points[report]),
                        rival_report=float(types.points[middle]),
                        sharing=float(levels[firm]),
                        investment=float(levels[2 + firm]),
                        assigned=bool((levels == x).all()),
                        subsidy=float(amount),
                        tax=float(tax[firm, report, middle]),
                        net_transfer=float(amount - tax[firm, report, middle]),
                    )
                )
    return tuple(rows)
