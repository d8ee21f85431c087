"""The JSON contract: typed results as trees of plain values, the only place where they lose their types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from market.outcome import numbers
from mechanism.behaviour import Expected
from mechanism.checks import Check, JointLie, Lie, Refusal
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
    from mechanism.design import Contradiction, DirectMechanism, Named
    from mechanism.design_file import DesignResult
    from mechanism.designed import Designed

Tree = dict[str, Any]


# --- checks


def witness_tree(witness: Lie | JointLie | Refusal | None, players: tuple[str, ...] | None = None) -> Tree | None:
    """Where a check's amount is attained; a player by its name, a firm (where there are no names) counted from 1."""
    if witness is None:
        return None
    if isinstance(witness, JointLie):
        return {"types": list(witness.types), "reports": list(witness.reports), "gain": witness.gain}
    who: Tree = {"firm": witness.player + 1} if players is None else {"player": players[witness.player]}
    if isinstance(witness, Lie):
        return who | {"type": witness.type, "report": witness.report, "gain": witness.gain}
    known = {"type": witness.type, "rival_type": witness.rival_type}
    return who | {name: value for name, value in known.items() if value is not None} | {"slack": witness.slack}


# --- evaluate: one tax rule at one case


def rule_tree(found: RuleResult) -> Tree:
    """`mechanism.reported`."""
    design = None if found.design is None else designed_tree(found.design)
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
        "expected": expected_tree(found.expected),
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


def expected_tree(expected: Expected) -> Tree:
    """Expectations over both firms' types."""
    return {
        "welfare": float(expected.welfare),
        "consumer_surplus": float(expected.consumer_surplus),
        "profit": numbers(expected.profit),
        "net_transfer": numbers(expected.net_transfer),
        "payoff": numbers(expected.kept),
        "budget": float(expected.budget),
        "sharing": numbers(expected.sharing),
        "investment": numbers(expected.investment),
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
    return {"status": check.status, "max_gain": check.amount, "witness": witness_tree(check.witness)}


def _slack(check: Check) -> Tree:
    """A check of participation."""
    return {"status": check.status, "min_slack": check.amount, "witness": witness_tree(check.witness)}


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
        "expected": None if found.expected is None else expected_tree(found.expected),
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
        "consumer_surplus": float(expected.consumer_surplus),
        "welfare": float(expected.welfare),
        "strategies": [asdict(row) for row in found.strategies],
        "certificate": certificate | {"residual": found.residual, "regret": found.regret},
    }


# --- designs


def design_tree(result: DesignResult) -> Tree:
    """`design --format json`. States are listed in row-major order of the players' types."""
    setting, found = result.setting, result.found
    return {
        "input": result.resolved,
        "options": result.options.model_dump(mode="json") | {"participation": result.participation},
        "players": list(setting.players),
        "probabilities": [p.tolist() for p in setting.probabilities],
        "states": [list(setting.state(index)) for index in range(int(np.prod(setting.shape)))],
        "status": found.status,
        "objective_value": found.objective_value,
        **_mechanism_tree(result, found.mechanism),
        "binding": _rows_tree(found.binding, setting.players, "price"),
        "second_opinion": None if found.second_opinion is None else vars(found.second_opinion).copy(),
        "infeasibility": None if found.contradiction is None else _contradiction_tree(found.contradiction, setting.players),
        "continuum": None if result.continuum is None else continuum_tree(result.continuum),
        "benchmark": {"efficient_surplus": result.efficient_surplus, "least_outlay": result.least_outlay},
        "verdicts": list(result.verdicts),
    }


def _mechanism_tree(result: DesignResult, mechanism: DirectMechanism | None) -> Tree:
    """Who gets what under a mechanism; null where there is none."""
    if mechanism is None:
        return dict.fromkeys(("allocation", "transfers", "expected", "checks", "rents"))
    plan, achieved = mechanism.plan, mechanism.achieved
    setting, options = plan.setting, result.options
    ic = {strength: _check_tree("incentive", strength, check, setting.players) for strength, check in achieved.ic.items()}
    ir = {timing: _check_tree("timing", timing, check, setting.players) for timing, check in achieved.ir.items()}
    return {
        "allocation": [{setting.alternatives[a]: float(state[a]) for a in np.flatnonzero(state > 1e-12)} for state in plan.shares()],
        "transfers": [t.ravel().tolist() for t in mechanism.transfers],
        "expected": {"surplus": achieved.surplus, "payoff": list(achieved.payoff), "outlay": achieved.outlay},
        "checks": {
            "ic": list(ic.values()),
            "ir": list(ir.values()),
            "budget": {"ex_ante": achieved.outlay, "worst": achieved.worst},
            "collusion": {
                "status": achieved.collusion.status,
                "max_gain": achieved.collusion.amount,
                "witness": witness_tree(achieved.collusion.witness),
            },
            "chosen": {"ic": ic[options.incentive], "ir": None if options.participation == "none" else ir[options.timing]},
        },
        "rents": [
            {"player": name, "types": types.tolist(), "rent": rent.tolist()}
            for name, types, rent in zip(setting.players, setting.types, achieved.rents, strict=True)
        ],
    }


def _check_tree(key: str, form: str, check: Check, players: tuple[str, ...]) -> Tree:
    """One check in one of its forms: of truth (`incentive`), or of participation (`timing`)."""
    amount = "max_gain" if key == "incentive" else "min_slack"
    return {key: form, "status": check.status, amount: check.amount, "witness": witness_tree(check.witness, players)}


def designed_tree(found: Designed) -> Tree:
    """`mechanism.reported.design` of an evaluation: what was asked, whether it can be met, what binds or contradicts itself."""
    players = ("firm 1", "firm 2")
    return {
        "status": found.status,
        "objective": found.objective,
        "objective_value": found.objective_value,
        "binding": _rows_tree(found.binding, players, "price"),
        "infeasibility": None if found.contradiction is None else _contradiction_tree(found.contradiction, players),
    }


def _contradiction_tree(found: Contradiction, players: tuple[str, ...]) -> Tree:
    amounts = {"least_violation": found.least_violation} if found.least_outlay is None else {"least_outlay": found.least_outlay}
    return {"rows": _rows_tree(found.rows, players, "weight"), **amounts, "verified": found.verified}


def _rows_tree(rows: Sequence[Named], players: tuple[str, ...], weight: str) -> list[Tree]:
    def plain(value: float | tuple[float, ...] | None) -> float | list[float] | None:
        return list(value) if isinstance(value, tuple) else value

    return [
        {
            "constraint": row.constraint,
            "player": None if row.player is None else players[row.player],
            "type": plain(row.type),
            "report": plain(row.report),
            weight: row.weight,
        }
        for row in rows
    ]
