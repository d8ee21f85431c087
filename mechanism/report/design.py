"""The JSON contract of checks and designs: typed results as plain values, as in
`mechanism.report.tree`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mechanism.design.checks import Check, JointLie, Lie, Refusal

if TYPE_CHECKING:
    from mechanism.analysis.designs import DesignResult
    from mechanism.design.solve import Contradiction, DirectMechanism, Named
    from mechanism.scheme.designed import Designed
    from mechanism.scheme.rule_results import Continuum

Tree = dict[str, Any]


# --- checks


def witness_tree(
    witness: Lie | JointLie | Refusal | None, players: tuple[str, ...] | None = None
) -> Tree | None:
    """Where a check's amount is attained; a player by its name, a firm (where there are no names)
    counted from 1."""
    if witness is None:
        return None
    if isinstance(witness, JointLie):
        return {
            "types": list(witness.types),
            "reports": list(witness.reports),
            "gain": witness.gain,
        }
    who: Tree = (
        {"firm": witness.player + 1} if players is None else {"player": players[witness.player]}
    )
    if isinstance(witness, Lie):
        return who | {"type": witness.type, "report": witness.report, "gain": witness.gain}
    known = {"type": witness.type, "rival_type": witness.rival_type}
    return (
        who
        | {name: value for name, value in known.items() if value is not None}
        | {"slack": witness.slack}
    )


def gain_tree(check: Check, players: tuple[str, ...] | None = None) -> Tree:
    """A check of truth-telling."""
    return {
        "status": check.status,
        "max_gain": check.amount,
        "witness": witness_tree(check.witness, players),
    }


def slack_tree(check: Check, players: tuple[str, ...] | None = None) -> Tree:
    """A check of participation."""
    return {
        "status": check.status,
        "min_slack": check.amount,
        "witness": witness_tree(check.witness, players),
    }


def continuum_tree(found: Continuum) -> Tree:
    """Truth and participation between types."""
    return {
        "points": found.points,
        "change": found.change,
        "payoff_range": found.payoff_range,
        "ic": {"incentive": found.incentive, **gain_tree(found.ic)},
        "ir": None if found.ir is None else {"timing": found.timing, **slack_tree(found.ir)},
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
        "payoff_range": setting.range,
        "status": found.status,
        "objective_value": found.objective_value,
        **_mechanism_tree(result, found.mechanism),
        "binding": _rows_tree(found.binding, setting.players, "price"),
        "second_opinion": (
            None if found.second_opinion is None else vars(found.second_opinion).copy()
        ),
        "infeasibility": (
            None
            if found.contradiction is None
            else _contradiction_tree(found.contradiction, setting.players)
        ),
        "continuum": None if result.continuum is None else continuum_tree(result.continuum),
        "benchmark": {
            "efficient_surplus": result.efficient_surplus,
            "least_outlay": result.least_outlay,
        },
        "verdicts": list(result.verdicts),
    }


def _mechanism_tree(result: DesignResult, mechanism: DirectMechanism | None) -> Tree:
    """Who gets what under a mechanism; null where there is none."""
    if mechanism is None:
        return dict.fromkeys(("allocation", "transfers", "expected", "checks", "rents"))
    plan, achieved = mechanism.plan, mechanism.achieved
    setting, options = plan.setting, result.options
    ic = {
        strength: {"incentive": strength, **gain_tree(check, setting.players)}
        for strength, check in achieved.ic.items()
    }
    ir = {
        timing: {"timing": timing, **slack_tree(check, setting.players)}
        for timing, check in achieved.ir.items()
    }
    return {
        "allocation": [
            {setting.alternatives[a]: float(state[a]) for a in np.flatnonzero(state > 1e-12)}
            for state in plan.shares()
        ],
        "transfers": [t.ravel().tolist() for t in mechanism.transfers],
        "expected": {
            "surplus": achieved.surplus,
            "payoff": list(achieved.payoff),
            "outlay": achieved.outlay,
        },
        "checks": {
            "ic": list(ic.values()),
            "ir": list(ir.values()),
            "budget": {"ex_ante": achieved.outlay, "worst": achieved.worst},
            "collusion": gain_tree(achieved.collusion),
            "chosen": {
                "ic": ic[options.incentive],
                "ir": None if options.participation == "none" else ir[options.timing],
            },
        },
        "rents": [
            {"player": name, "types": types.tolist(), "rent": rent.tolist()}
            for name, types, rent in zip(
                setting.players, setting.types, achieved.rents, strict=True
            )
        ],
    }


def designed_tree(found: Designed, players: tuple[str, ...]) -> Tree:
    """`mechanism.scheme.reported.design` of an evaluation: what was asked, whether it can be met,
    what binds or contradicts itself; `players` are the firms' names."""
    return {
        "status": found.status,
        "objective": found.objective,
        "objective_value": found.objective_value,
        "binding": _rows_tree(found.binding, players, "price"),
        "infeasibility": (
            None
            if found.contradiction is None
            else _contradiction_tree(found.contradiction, players)
        ),
    }


def _contradiction_tree(found: Contradiction, players: tuple[str, ...]) -> Tree:
    ties = (
        None
        if found.ties is None
        else {
            "states": found.ties.states,
            "broken_to": "first_listed",
            "otherwise": found.ties.otherwise,
        }
    )
    return {
        "rows": _rows_tree(found.rows, players, "weight"),
        "least_violation": found.least_violation,
        "ties": ties,
        "verified": found.verified,
    }


def _rows_tree(rows: Sequence[Named], players: tuple[str, ...], weight: str) -> list[Tree]:
    def plain(value: float | tuple[float, ...] | None) -> float | list[float] | None:
        return list(value) if isinstance(value, tuple) else value

    return [
        {
            "constraint": row.constraint,
            "player": None if row.player is None else players[row.player],
            "type": plain(row.type),
            "report": plain(row.report),
            "state": plain(row.state),
            weight: row.weight,
        }
        for row in rows
    ]
