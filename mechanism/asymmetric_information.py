"""Appendix B with reported lambda_c, end to end: one tax rule at one case, as the tree `mechanism.reported` of the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from market.case import Array
from market.outcome import account, numbers
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
from mechanism.second_best import second_best_tree
from mechanism.transfers import no_design
from mechanism.types import discrete

Tree = dict[str, Any]
T = TypeVar("T")

INCENTIVES: tuple[Literal["bayesian", "dominant"], ...] = ("bayesian", "dominant")
TIMINGS = ("interim", "ex_post")
FORMS = ("ir1", "ir_market", "ir2")
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


def run_second_best(setting: Setting) -> Mechanism | None:
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
    tree, expected = second_best_tree(setting, found, menu, market)
    return Mechanism(tree=tree, achieved=expected)


@dataclass(frozen=True, kw_only=True)
class Mechanism:
    """One tax rule at one setting."""

    tree: Tree
    """`mechanism.reported` of the result."""
    achieved: Expected | None
    """What firms then do: truth where it is a best reply, the equilibrium in reports otherwise; None where there is none."""


def run_rule(setting: Setting, rule: str) -> Mechanism | None:
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

    checks = _incentive_checks(setting, assigned, free)
    checks |= _participation_checks(setting, own, net)
    node_net = by_pair(net, types.nodes, types.nodes)
    weights = types.probabilities[:, None] * types.probabilities
    checks["program"] = _program_check(setting, own, net)
    unknown = {"status": "not_established", "max_gain": None, "witness": None}
    checks["collusion"] = unknown if rule == OBSERVED else collusion_check(assignment, tax, options.payoff, own.range)
    checks["budget"] = {"ex_ante": float((weights * node_net.sum(-1)).sum()), "worst": float(node_net.sum(-1).max())}

    node_levels = assignment.levels[0][np.ix_(types.nodes, types.nodes)]
    truth = expected_outcome(setting.case, types, node_levels, node_net)
    truthful = checks["ic"]["status"] == "holds"
    # A formula holds between types or fails at them; what is solved for on a grid leaves something between.
    between_types = types.continuous and types.private_values and rule in (options.tax_rule, "designed")
    played = None if truthful or rule == OBSERVED else reporting_equilibrium(assignment, tax, options.payoff)
    achieved = truth if truthful else outcome_of_play(setting, net, played)
    tree: Tree = {
        "tax_rule": rule,
        "payoff": options.payoff,
        "types": numbers(types.types),
        "probabilities": numbers(types.probabilities),
        "expected": truth.tree(),
        "checks": checks,
        "repair": _repair_tree(setting, own, checks, net),
        "if_not_truthful": None if played is None else _played_tree(setting, played, achieved, truth),
        "interim": _interim_tree(setting, own, tax, net),
        # What is settled on the market that comes about is no function of the reports alone.
        "evidence": None if rule == OBSERVED else _evidence(setting, own, tax, checks["ic"]["witness"]),
        "schedule": payment_schedule(setting, tax),
        "design": None if found is None else found.tree,
        "continuum": between(setting, rule, net) if between_types else None,
        "certificate": {
            "residual": setting.residual,
            "global": "searched",
            "several_optima": setting.several,
            "pairs": len(types.points) ** 2,
        },
    }
    return Mechanism(tree=tree, achieved=achieved)


def _incentive_checks(setting: Setting, assigned: dict[str, Gains], free: dict[str, Gains | None]) -> Tree:
    points, options = setting.types.points, setting.options
    everything = []
    for incentive in INCENTIVES:
        for deviation, table in (("assigned", assigned), ("free", free)):
            for payoff in table:
                check = incentive_check(table[payoff], points, incentive, assigned[payoff].range)
                everything.append(
                    {
                        "incentive": incentive,
                        "deviation": deviation,
                        "payoff": payoff,
                        "status": check.status,
                        "max_gain": check.amount,
                        "witness": check.witness,
                    }
                )
    chosen = next(
        c for c in everything if c["incentive"] == options.incentive and c["payoff"] == options.payoff and c["deviation"] == "assigned"
    )
    return {"ic": {**chosen, "payoff_range": assigned[options.payoff].range}, "ic_all": everything}


def _participation_checks(setting: Setting, own: Gains, net: Array) -> Tree:
    out: Tree = {}
    scale = payoff_range(own.truth_ex_post)
    for form in FORMS:
        found: list[Tree] = []
        for timing in TIMINGS:
            sides = participation_sides(setting, own, net, form, timing)
            check: Check = NOT_ESTABLISHED if sides is None else participation(*sides, setting.types.points, scale)
            found.append({"timing": timing, "status": check.status, "min_slack": check.amount, "witness": check.witness})
        out[form] = next(c for c in found if c["timing"] == setting.options.timing)
        out[f"{form}_all"] = found
    return out


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


def _program_check(setting: Setting, own: Gains, net: Array) -> Tree:
    """The chosen IC and IR, stated to cvxpy as one program per firm, beside the same number by direct evaluation."""
    gain, slack = constraint_data(setting, own, net)
    solved = _per_firm(setting, lambda i: largest_violation(gain[i], None if slack is None else slack[i]))
    direct = [max(0.0, float(gain[i].max()), 0.0 if slack is None else float(-slack[i].min())) for i in (0, 1)]
    tolerance = 1e-7 * max(1.0, *direct)
    agrees = all(v is not None and abs(v - w) <= tolerance for v, w in zip(solved, direct, strict=True))
    status = "not_established" if None in solved else "optimal"
    return {"status": status, "largest_violation": solved, "evaluated": direct, "agrees": agrees}


def _repair_tree(setting: Setting, own: Gains, checks: Tree, net: Array) -> Tree | None:
    """The least correction by cvxpy; None where nothing needs mending."""
    options = setting.options
    asked = [checks["ic"]["status"]] + ([checks[options.participation]["status"]] if options.participation != "none" else [])
    if all(status == "holds" for status in asked):
        return None
    gain, slack = constraint_data(setting, own, net)
    found = _per_firm(setting, lambda i: repair(gain[i], None if slack is None else slack[i]))
    optimal = all(r.status == "optimal" for r in found)
    infeasible = any(r.status == "infeasible" for r in found)
    tree: Tree = {
        "status": "optimal" if optimal else "infeasible" if infeasible else "not_established",
        "asks": {
            "incentive": options.incentive,
            "payoff": options.payoff,
            "participation": options.participation,
            "timing": options.timing,
        },
        "per_type": [],
        "total": None,
        "expected_outlay": None,
        "binding": [],
        "infeasibility": None,
        "verified": all(r.verified for r in found),
    }
    if optimal:
        corrections = np.array([r.correction for r in found])
        tree["per_type"] = [
            {"firm": firm + 1, "type": float(t), "correction": float(corrections[firm, k])}
            for firm in (0, 1)
            for k, t in enumerate(setting.types.points)
        ]
        tree["total"] = float(np.abs(corrections).sum())
        tree["expected_outlay"] = float((corrections @ setting.types.weights).sum())
        tree["binding"] = _rows(setting, found, "price")
    elif infeasible:
        conflicting = [r for r in found if r.status == "infeasible"]
        tree["infeasibility"] = {"rows": _rows(setting, found, "weight"), "verified": all(r.verified for r in conflicting)}
    return tree


def _rows(setting: Setting, found: list[Repair], weight: str) -> list[Tree]:
    types = setting.types.points
    wanted = "optimal" if weight == "price" else "infeasible"
    return [
        {
            "constraint": row.constraint,
            "firm": firm,
            "type": float(types[row.type]),
            "report": None if row.report is None else float(types[row.report]),
            weight: row.weight,
        }
        for firm, r in enumerate(found, 1)
        if r.status == wanted
        for row in r.rows
    ]


def _played_tree(setting: Setting, played: ReportingEquilibrium, achieved: Expected | None, truth: Expected) -> Tree:
    points = setting.types.points
    return {
        "status": played.status,
        "reports": [numbers(points[r]) for r in played.reports] if played.status == "converged" else None,
        "rounds": played.rounds,
        "truthful": played.status == "converged" and bool((played.reports == setting.types.nodes).all()),
        "regret": played.regret if played.status == "converged" else None,
        "expected": None if achieved is None else achieved.tree(),
        "welfare_loss": None if achieved is None else truth.welfare - achieved.welfare,
    }


def _interim_tree(setting: Setting, own: Gains, tax: Array, net: Array) -> list[Tree]:
    """Expected payoff, net transfer and outside option of every type that tells the truth."""
    types, assignment = setting.types, setting.assignment
    outside = outside_option(setting, "interim")
    rows = []
    for firm in (0, 1):
        for k in types.nodes:
            rows.append(
                {
                    "firm": firm + 1,
                    "type": float(types.points[k]),
                    "payoff": float(own.truth[firm, k]),
                    "subsidy": float(assignment.subsidy[firm, k] @ types.weights),
                    "tax": float(tax[firm, k] @ types.weights),
                    "net_transfer": float(net[firm, k] @ types.weights),
                    "outside": None if outside is None else float(outside[firm, k]),
                    "best_report": float(types.points[int(np.argmax(own.interim[firm, k]))]),
                    "gain": float(own.bayesian[firm, k].max()),
                }
            )
    return rows


def _evidence(setting: Setting, own: Gains, tax: Array, witness: Tree | None) -> Tree:
    """One type's expected accounts for several own reports: where its payoff comes from, and why it would or would not lie."""
    types, assignment = setting.types, setting.assignment
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
            {
                "report": float(points[r]),
                "truth": r == kind,
                "revenue": float(revenue[r]),
                "own_cost": float(revenue[r] - profit[r]),
                "subsidy": paid,
                "tax": taxed,
                "net_transfer": paid - taxed,
                "payoff": float(own.interim[firm, kind, r]),
            }
        )
    return {"firm": firm + 1, "type": float(points[kind]), "payoff": setting.options.payoff, "reports": rows}


def private_tree(setting: Setting) -> Tree:
    """`regimes.bayes_nash`: expectations over types, and every type's strategy. Figures are null where it was not found."""
    types, found = setting.types, setting.private
    means = ("price", "quantity", "profit", "investment_cost", "unit_cost")
    names = ("sharing", "investment", *means, "consumer_surplus", "welfare")
    tree: Tree = {"status": "no_equilibrium", "message": None, **dict.fromkeys(names)}
    certificate: Tree = {"residual": None, "curvature": None, "regret": None, "global": "searched", "gap": None, "others": [], "bounds": []}
    if found is None:
        return tree | {
            "message": "best replies of the types did not settle on an equilibrium",
            "strategies": None,
            "certificate": certificate,
        }
    own = found.strategy[:, types.nodes]
    x = pair_levels(own[0], own[1], 0)
    books = account(case_at_pairs(setting.case, types.types, types.parameter), x, bertrand_matrix)
    weights = (types.probabilities[:, None] * types.probabilities)[..., None]
    expected = expected_outcome(setting.case, types, x)
    strategies = [
        {
            "firm": firm + 1,
            "type": float(types.points[k]),
            "sharing": float(found.strategy[firm, k, 0]),
            "investment": float(found.strategy[firm, k, 1]),
            "payoff": float(found.payoff[firm, k]),
        }
        for firm in (0, 1)
        for k in types.nodes
    ]
    return tree | {
        "status": "converged",
        "sharing": numbers(expected.sharing),
        "investment": numbers(expected.investment),
        **{name: numbers((weights * getattr(books, name)).sum((0, 1))) for name in means},
        "consumer_surplus": expected.consumer_surplus,
        "welfare": expected.welfare,
        "strategies": strategies,
        "certificate": certificate | {"residual": found.residual, "regret": found.regret},
    }


SCHEDULE_SHARES = (0.5, 0.75, 1.0, 1.25, 1.5)
"""Own levels in the payment schedule, as shares of the assigned ones (sharing stops at 1, investment at the cap)."""


def payment_schedule(setting: Setting, tax: Array) -> list[Tree]:
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
                    {
                        "firm": firm + 1,
                        "report": float(types.points[report]),
                        "rival_report": float(types.points[middle]),
                        "sharing": float(levels[firm]),
                        "investment": float(levels[2 + firm]),
                        "assigned": bool((levels == x).all()),
                        "subsidy": float(amount),
                        "tax": float(tax[firm, report, middle]),
                        "net_transfer": float(amount - tax[firm, report, middle]),
                    }
                )
    return rows
