"""The JSON contract of checks, of what lies between types, of transfers solved for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mechanism.design.checks import Check, JointLie, Lie, Refusal
from mechanism.design.states import Label
from mechanism.report.plain import Tree

if TYPE_CHECKING:
    from mechanism.design.solve import Contradiction, Named, OptimalityBound
    from mechanism.scheme.designed import Designed
    from mechanism.scheme.rule_results import Continuum


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


def designed_tree(found: Designed, players: tuple[str, ...]) -> Tree:
    """`mechanism.reported.design` of an evaluation: what was asked, whether it can be met,
    what binds or contradicts itself; `players` are the firms' names."""
    return {
        "status": found.status,
        "objective": found.objective,
        "objective_value": found.objective_value,
        "bound": None if found.bound is None else bound_tree(found.bound),
        "binding": rows_tree(found.binding, players, "price"),
        "infeasibility": (
            None
            if found.contradiction is None
            else contradiction_tree(found.contradiction, players)
        ),
    }


def bound_tree(found: OptimalityBound) -> Tree:
    """What is known of levels beside those on the menus."""
    return {
        "gap": found.gap,
        "proven": found.proven,
        "investment_up_to": list(found.investment_up_to),
    }


def contradiction_tree(found: Contradiction, players: tuple[str, ...]) -> Tree:
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
        "rows": rows_tree(found.rows, players, "weight"),
        "least_violation": found.least_violation,
        "ties": ties,
        "verified": found.verified,
    }


def rows_tree(rows: Sequence[Named], players: tuple[str, ...], weight: str) -> list[Tree]:
    def plain(value: Label | tuple[Label, ...] | None) -> Label | list[Label] | None:
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
