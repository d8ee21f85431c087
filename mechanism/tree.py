"""The JSON contract: typed results as trees of plain values, the only place where they lose their types."""

from __future__ import annotations

from typing import Any

from mechanism.checks import JointLie, Lie, Refusal

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
