"""The JSON contract of `sensitivity`."""

from __future__ import annotations

from dataclasses import asdict

from mechanism.casefile.policy_case import PolicyCase
from mechanism.report.plain import Tree
from mechanism.report.provenance import command_line, provenance
from mechanism.uncertainty.sensitivity import FEW, Found, Sensitivity, SobolIndices


def sensitivity_tree(case: PolicyCase, found: Sensitivity, points: int) -> Tree:
    """`sensitivity --format json`, of so many points asked for."""
    assert case.uncertainty is not None
    tornado = found.method == "tornado"
    asked = [("--method", found.method), *(("--figure", name) for name in found.found)]
    asked += [] if tornado else [("--points", str(points))]
    return {
        "provenance": provenance(
            command_line("sensitivity", "CASE", asked),
            case.sha256,
            None if tornado else case.uncertainty.seed,
            () if tornado else ("SALib",),
        ),
        "case": case.resolved,
        "method": found.method,
        "points": None if tornado else points,
        "recommended": found.recommended,
        "markets": found.markets,
        "inadmissible": found.inadmissible,
        "without_outcome": found.without_outcome,
        "figures": {
            name: {
                "value": found.base[name],
                "varying": found.varying[name],
                "reliable": None if tornado else found.varying[name] >= FEW,
                "keys": {key: _told(one) for key, one in keys.items()},
            }
            for name, keys in found.found.items()
        },
    }


def _told(one: Found) -> Tree:
    if not isinstance(one, SobolIndices):
        return asdict(one)
    tree: Tree = {}
    for name, index in (("first", one.first), ("total", one.total)):
        tree |= {
            name: None if index is None else index.value,
            f"{name}_low": None if index is None else index.low,
            f"{name}_high": None if index is None else index.high,
        }
    return tree | {"points": one.points}
