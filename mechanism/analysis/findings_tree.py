"""The JSON contract of a batch's findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mechanism.report.plain import Tree

if TYPE_CHECKING:
    from mechanism.analysis.findings import Findings, PolicyFinding, Spread


def findings_tree(found: Findings) -> Tree:
    """`compare RESULT --format json`."""
    return {
        "cases": found.cases,
        "policies": [_finding(row) for row in found.policies],
        "undecided": found.undecided,
        "inadmissible": found.inadmissible,
        "unlisted": found.unlisted,
        "asks": dict(found.asks),
        "shapes": found.shapes,
        "by": {
            key: [
                {
                    "group": group.name,
                    "cases": group.cases,
                    "decided": group.decided,
                    "policies": [_finding(row) for row in group.policies],
                }
                for group in groups
            ]
            for key, groups in found.by.items()
        },
    }


def _finding(row: PolicyFinding) -> Tree:
    tree: Tree = {
        "policy": row.policy,
        "wins": row.wins,
        "competes": row.competes,
        "solved": row.solved,
        "corner": row.corner,
        "status": dict(row.status),
        "truthful": row.truthful,
        "joined": row.joined,
    }
    against = row.against_market
    if against is not None:
        tree["gain"] = _spread(against.gain)
        tree |= {
            f"profit_{firm}_change": _spread(spread) for firm, spread in against.profit.items()
        }
        tree["beats_market"] = against.better
    return tree | {name: _spread(spread) for name, spread in row.spreads.items()}


def _spread(spread: Spread | None) -> Tree | None:
    """Mean and quantiles; null where nothing is known."""
    return (
        None
        if spread is None
        else {
            "mean": spread.mean,
            **{f"q{100 * q:02.0f}": value for q, value in spread.quantiles.items()},
        }
    )
