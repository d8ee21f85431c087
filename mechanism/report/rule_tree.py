"""The JSON contract of one tax rule at one case, and of a market with private types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from market.model.outcome import numbers
from market.text import FIRMS
from mechanism.report.checks_tree import continuum_tree, designed_tree, gain_tree, slack_tree
from mechanism.report.plain import Tree, expected_tree, fields_of, listed
from mechanism.scheme.rule_results import (
    FORMS,
    NOT_SETTLED,
    Checks,
    ConstraintRow,
    IncentiveCheck,
    ParticipationCheck,
    Played,
    PrivateMarket,
    RepairResult,
    RuleResult,
)

if TYPE_CHECKING:
    pass


def rule_tree(found: RuleResult, firms: tuple[str, str] = FIRMS) -> Tree:
    """`mechanism.reported`."""
    design = None if found.design is None else designed_tree(found.design, firms)
    if design is not None and found.lotteries is not None:
        design["lotteries"] = [
            {
                "types": list(lottery.types),
                "levels": [
                    {
                        "probability": drawn.probability,
                        "sharing": drawn.sharing.tolist(),
                        "investment": drawn.investment.tolist(),
                    }
                    for drawn in lottery.levels
                ],
            }
            for lottery in found.lotteries
        ]
    evidence = found.evidence
    return {
        "tax_rule": found.tax_rule,
        "payoff": found.payoff,
        "types": found.types.tolist(),
        "probabilities": numbers(found.probabilities),
        "expected": expected_tree(found.expected),
        "checks": checks_tree(found.checks),
        "repair": None if found.repair is None else _repair(found.repair),
        "if_not_truthful": None if found.played is None else _played(found.played),
        "interim": [fields_of(row) for row in found.interim],
        "evidence": (
            None
            if evidence is None
            else fields_of(evidence) | {"reports": [fields_of(row) for row in evidence.reports]}
        ),
        "schedule": [fields_of(row) for row in found.schedule],
        "design": design,
        "continuum": None if found.continuum is None else continuum_tree(found.continuum),
        "certificate": {
            "residual": found.certificate.residual,
            "global": "searched",
            "several_optima": found.certificate.several_optima,
            "pairs": found.certificate.pairs,
        },
    }


def checks_tree(checks: Checks) -> Tree:
    """`mechanism.reported.checks`."""
    tree: Tree = {
        "ic": _incentive(checks.own) | {"payoff_range": checks.payoff_range},
        "ic_all": [_incentive(c) for c in checks.incentives],
    }
    for form in FORMS:
        rows = checks.participation[form]
        tree[form] = _participation(next(row for row in rows if row.timing == checks.timing))
        tree[f"{form}_all"] = [_participation(row) for row in rows]
    program = checks.program
    return tree | {
        "program": (
            None
            if program is None
            else {
                "status": program.status,
                **{name: listed(value) for name, value in fields_of(program).items()},
            }
        ),
        "collusion": gain_tree(checks.collusion),
        "budget": fields_of(checks.budget),
    }


def _incentive(found: IncentiveCheck) -> Tree:
    return {
        "incentive": found.incentive,
        "deviation": found.deviation,
        "payoff": found.payoff,
        **gain_tree(found.check),
    }


def _participation(found: ParticipationCheck) -> Tree:
    return {"timing": found.timing, **slack_tree(found.check)}


def _repair(found: RepairResult) -> Tree:
    conflict = found.conflict
    return {
        "status": found.status,
        "asks": {
            name: getattr(found, name)
            for name in ("incentive", "payoff", "participation", "timing")
        },
        "per_type": [fields_of(row) for row in found.per_type],
        "total": found.total,
        "expected_outlay": found.expected_outlay,
        "binding": [_constraint(row, "price") for row in found.binding],
        "infeasibility": (
            None
            if conflict is None
            else {
                "rows": [_constraint(row, "weight") for row in conflict],
                "verified": found.conflict_verified,
            }
        ),
        "verified": found.verified,
    }


def _constraint(row: ConstraintRow, weight: str) -> Tree:
    names = ("constraint", "firm", "type", "report", "rival_type")
    return {**{name: getattr(row, name) for name in names}, weight: row.weight}


def _played(found: Played) -> Tree:
    return {
        "status": found.status,
        "reports": None if found.reports is None else found.reports.tolist(),
        "others": [reports.tolist() for reports in found.others],
        "rounds": found.rounds,
        "truthful": found.truthful,
        "regret": found.regret,
        "expected": None if found.expected is None else expected_tree(found.expected),
        "welfare_loss": found.welfare_loss,
    }


def private_market_tree(found: PrivateMarket | None) -> Tree:
    """`regimes.bayes_nash`; figures are null where it was not found."""
    means = ("price", "quantity", "profit", "investment_cost", "unit_cost")
    names = ("sharing", "investment", *means, "consumer_surplus", "welfare")
    tree: Tree = {"status": "no_equilibrium", "message": None, **dict.fromkeys(names)}
    certificate: Tree = {
        "residual": None,
        "curvature": None,
        "regret": None,
        "global": "searched",
        "gap": None,
        "others": [],
        "bounds": [],
    }
    if found is None:
        return tree | {"message": NOT_SETTLED, "strategies": None, "certificate": certificate}
    expected = found.expected
    return tree | {
        "status": "converged",
        "sharing": numbers(expected.sharing),
        "investment": numbers(expected.investment),
        **{name: numbers(getattr(found, name)) for name in means},
        "consumer_surplus": float(expected.consumer_surplus),
        "welfare": float(expected.welfare),
        "strategies": [fields_of(row) for row in found.strategies],
        "certificate": certificate | {"residual": found.residual, "regret": found.regret},
    }
