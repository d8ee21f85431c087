"""The JSON contract: typed results as plain values, and the only place where they become so.

A key without a value to give is null, never missing. Firms are counted from 1.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from market.case import Array, Case
from market.outcome import numbers
from mechanism.checks import Check
from mechanism.results import (
    FORMS,
    Checks,
    ConstraintRow,
    Continuum,
    IncentiveCheck,
    ParticipationCheck,
    Played,
    PrivateMarket,
    RepairResult,
    RuleResult,
)

if TYPE_CHECKING:
    from mechanism.propositions import Answer
    from mechanism.sample import Propositions, Sample, Tally

Tree = dict[str, Any]

# --- evaluate: one tax rule at one case


def rule_tree(found: RuleResult) -> Tree:
    """`mechanism.reported`."""
    design = None if found.design is None else dict(found.design.tree)
    if design is not None and found.lotteries is not None:
        design["lotteries"] = [
            {"types": list(lottery.types), "probability_by_weight": dict(lottery.probability_by_weight)} for lottery in found.lotteries
        ]
    evidence = found.evidence
    return {
        "tax_rule": found.tax_rule,
        "payoff": found.payoff,
        "types": numbers(found.types),
        "probabilities": numbers(found.probabilities),
        "expected": found.expected.tree(),
        "checks": checks_tree(found.checks),
        "repair": None if found.repair is None else _repair(found.repair),
        "if_not_truthful": None if found.played is None else _played(found.played),
        "interim": [asdict(row) for row in found.interim],
        "evidence": None if evidence is None else asdict(evidence) | {"reports": [asdict(row) for row in evidence.reports]},
        "schedule": [asdict(row) for row in found.schedule],
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
        "program": None if program is None else {name: _listed(value) for name, value in asdict(program).items()},
        "collusion": _gain(checks.collusion),
        "budget": asdict(checks.budget),
    }


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _gain(check: Check) -> Tree:
    """A check of truth-telling."""
    return {"status": check.status, "max_gain": check.amount, "witness": check.witness}


def _slack(check: Check) -> Tree:
    """A check of participation."""
    return {"status": check.status, "min_slack": check.amount, "witness": check.witness}


def _incentive(found: IncentiveCheck) -> Tree:
    return {"incentive": found.incentive, "deviation": found.deviation, "payoff": found.payoff, **_gain(found.check)}


def _participation(found: ParticipationCheck) -> Tree:
    return {"timing": found.timing, **_slack(found.check)}


def _repair(found: RepairResult) -> Tree:
    conflict = found.conflict
    return {
        "status": found.status,
        "asks": {name: getattr(found, name) for name in ("incentive", "payoff", "participation", "timing")},
        "per_type": [asdict(row) for row in found.per_type],
        "total": found.total,
        "expected_outlay": found.expected_outlay,
        "binding": [_constraint(row, "price") for row in found.binding],
        "infeasibility": None
        if conflict is None
        else {"rows": [_constraint(row, "weight") for row in conflict], "verified": found.conflict_verified},
        "verified": found.verified,
    }


def _constraint(row: ConstraintRow, weight: str) -> Tree:
    return {"constraint": row.constraint, "firm": row.firm, "type": row.type, "report": row.report, weight: row.weight}


def _played(found: Played) -> Tree:
    return {
        "status": found.status,
        "reports": None if found.reports is None else found.reports.tolist(),
        "rounds": found.rounds,
        "truthful": found.truthful,
        "regret": found.regret,
        "expected": None if found.expected is None else found.expected.tree(),
        "welfare_loss": found.welfare_loss,
    }


def continuum_tree(found: Continuum) -> Tree:
    """Truth and participation between types."""
    return {
        "points": found.points,
        "change": found.change,
        "payoff_range": found.payoff_range,
        "ic": {"incentive": found.incentive, **_gain(found.ic)},
        "ir": None if found.ir is None else {"timing": found.timing, **_slack(found.ir)},
    }


def private_market_tree(found: PrivateMarket | None) -> Tree:
    """`regimes.bayes_nash`; figures are null where it was not found."""
    means = ("price", "quantity", "profit", "investment_cost", "unit_cost")
    names = ("sharing", "investment", *means, "consumer_surplus", "welfare")
    tree: Tree = {"status": "no_equilibrium", "message": None, **dict.fromkeys(names)}
    certificate: Tree = {"residual": None, "curvature": None, "regret": None, "global": "searched", "gap": None, "others": [], "bounds": []}
    if found is None:
        message = "best replies of the types did not settle on an equilibrium"
        return tree | {"message": message, "strategies": None, "certificate": certificate}
    expected = found.expected
    return tree | {
        "status": "converged",
        "sharing": numbers(expected.sharing),
        "investment": numbers(expected.investment),
        **{name: numbers(getattr(found, name)) for name in means},
        "consumer_surplus": expected.consumer_surplus,
        "welfare": expected.welfare,
        "strategies": [asdict(row) for row in found.strategies],
        "certificate": certificate | {"residual": found.residual, "regret": found.regret},
    }


# --- the claims


def propositions_tree(found: Propositions) -> Tree:
    """`propositions --format json`."""
    return {
        "case": found.policy.resolved,
        "claims": [answer_tree(answer) for answer in found.claims],
        "sample": None if found.sample is None else sample_tree(found.sample),
    }


def answer_tree(answer: Answer) -> Tree:
    """One claim at one market."""
    return {
        "id": answer.claim.key,
        "text": answer.claim.text,
        "assumption": {"met": answer.met, "detail": answer.detail},
        "holds": answer.holds,
        "margin": answer.margin,
        "numbers": {name: _finite(value.tolist()) for name, value in answer.numbers.items()},
    }


def _finite(value: Any) -> Any:
    """Numbers, nested as they are; None for what is not finite."""
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return value if np.isfinite(value) else None


def sample_tree(sample: Sample) -> Tree:
    """The claims over random markets."""
    return {
        "count": sample.count,
        "seed": sample.seed,
        "solved": dict(sample.solved),
        "claims": [_tally_tree(tally) for tally in sample.claims],
    }


def _tally_tree(tally: Tally) -> Tree:
    key, worst = tally.claim.key, tally.worst
    market = None if worst is None else worst.market
    return {
        "id": key,
        "met": asdict(tally.met),
        "not_met": asdict(tally.not_met),
        "not_asked": tally.not_asked,
        "signs": None if tally.signs is None else {name: asdict(way) for name, way in tally.signs.items()},
        "worst": None
        if worst is None
        else {
            "margin": worst.margin,
            "case": None if market is None else market_tree(market, f"Counterexample to {key}"),
        },
    }


def market_tree(market: Case, name: str) -> Tree:
    """One market (a single lane) as the tree of a case file."""

    def value(array: Array) -> float | list[float]:
        numbers = [float(v) for v in array.ravel()]
        return numbers[0] if len(set(numbers)) == 1 else numbers

    cap = float(market.investment_cap.ravel()[0])
    tree: Tree = {
        "schema_version": 1,
        "name": name,
        "demand": {key: value(getattr(market, key)) for key in ("intercept", "own_slope", "cross_slope")},
        "security": {
            "rivalry": value(market.rivalry),
            "demand_spillover": value(market.demand_spillover),
            "leakage": {
                "own": value(market.leakage_own),
                "cross": value(market.leakage_cross),
                "interaction": value(market.leakage_interaction),
            },
        },
        "cost": {
            "form": market.cost_form,
            "scale": value(market.cost_scale),
            "max_saving": value(market.max_saving),
            "spillover": value(market.cost_spillover),
            "investment_cap": None if np.isinf(cap) else cap,
        },
    }
    if market.unit_cost is not None and np.any(market.unit_cost.base):
        tree["unit_cost"] = {key: value(array) for key, array in vars(market.unit_cost).items()}
    return tree
