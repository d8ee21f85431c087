"""Write the outcomes of `oracle_stages.py` for the cases below, as JSON: case trees with their
results.

    python tests/write_stages.py FILE [CASE...]     all cases, or those named, others kept

The file is written anew after every outcome. The programs under test are not used.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import oracle_stages

BASE: dict[str, Any] = {
    "demand": {"intercept": 20.0, "own_slope": 1.5, "cross_slope": 1.0},
    "security": {
        "rivalry": 0.2,
        "demand_spillover": 0.6,
        "leakage": {"own": 3.0, "cross": 0.5, "interaction": 0.2},
    },
    "cost": {
        "form": "saturating",
        "scale": 20.0,
        "max_saving": 0.5,
        "spillover": 0.5,
        "investment_cap": None,
    },
    "unit_cost": {"base": 0.0, "spillover": 0.0, "slope": 0.0, "curvature": 0.0},
}
UNIT_COST = {"base": 2.0, "spillover": 0.05, "slope": 0.05, "curvature": 0.02}
LOW_LEAKAGE = {"own": 0.6, "cross": 0.1, "interaction": 0.1}
ASYMMETRIC = {
    "demand": {"intercept": [24.0, 17.0], "own_slope": [1.4, 1.7], "cross_slope": 0.9},
    "cost": {"spillover": [0.3, 0.8]},
}

CASES: dict[str, dict[str, Any]] = {
    "base": {},
    "asymmetric": ASYMMETRIC,
    "exponential": {"cost": {"form": "exponential"}},
    "low_scale": {"cost": {"scale": 9.0}},
    "full_sharing": {"security": {"leakage": LOW_LEAKAGE}, "cost": {"scale": 5.0}},
    "investments_at_a_kink": {"security": {"leakage": LOW_LEAKAGE}, "cost": {"scale": 5.5}},
    "leader_at_a_kink": {"security": {"leakage": LOW_LEAKAGE}, "cost": {"scale": 5.6}},
    "leader_at_a_jump": {
        "demand": {"intercept": [4.2, 4.8], "own_slope": [5.3, 1.5], "cross_slope": 1.15},
        "security": {"rivalry": 0.81, "leakage": {"own": 2.4, "cross": 0.5, "interaction": 0.2}},
        "cost": {"scale": 0.441, "max_saving": 0.3, "investment_cap": 100.0},
    },
    "three_equilibria": {
        "demand": {"intercept": 6.0, "cross_slope": 1.3},
        "security": {
            "demand_spillover": 0.9,
            "leakage": {"own": 6.0, "cross": 0.5, "interaction": 0.2},
        },
        "cost": {"scale": 1.6, "max_saving": 0.3, "investment_cap": 40.0},
    },
    "unit_cost": {"unit_cost": UNIT_COST},
    "unit_cost_base_only": {"unit_cost": {"base": 2.0}},
    "unit_cost_asymmetric": ASYMMETRIC | {"unit_cost": UNIT_COST},
    "unit_cost_spillover": {
        "unit_cost": {"base": 3.0, "spillover": 0.3, "slope": 0.02, "curvature": 0.01}
    },
    "unit_cost_against_sharing": {"unit_cost": {"base": 4.0, "spillover": 0.45}},
    "restricted": {"cost": {"form": "restricted"}},
    "restricted_asymmetric": (
        ASYMMETRIC | {"cost": {"form": "restricted", "scale": 30.0, "spillover": [0.3, 0.8]}}
    ),
    "restricted_unit_cost": {"cost": {"form": "restricted"}, "unit_cost": UNIT_COST},
    "cap": {"cost": {"investment_cap": 0.5}},
    "cap_of_planners": {"cost": {"investment_cap": 2.0}, "security": {"leakage": LOW_LEAKAGE}},
    "negative_spillover": {"security": {"demand_spillover": -0.3}},
    "slightly_negative_spillover": {
        "security": {"demand_spillover": -0.05},
        "cost": {"spillover": 0.9, "max_saving": 0.8},
    },
}


def laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """A tree with what another one changes."""
    return {
        k: laid_over(v, above.get(k, {})) if isinstance(v, dict) else above.get(k, v)
        for k, v in below.items()
    }


def main(target: Path, names: list[str]) -> None:
    """Solve and write."""
    told = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    for name in names or list(CASES):
        case = laid_over(BASE, CASES[name])
        entry = told[name] = {"case": case, "regimes": {}}
        jobs = [(regime, regime, 0) for regime in oracle_stages.REGIMES]
        if any(isinstance(v, list) for block in case.values() for v in block.values()):
            jobs.append(("sequential_second_leads", "sequential", 1))
        for key, regime, leader in jobs:
            begun = time.perf_counter()
            entry["regimes"][key] = found = oracle_stages.outcome(case, regime, leader)
            target.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
            took = time.perf_counter() - begun
            checks = {
                k: v
                for k, v in found.items()
                if k
                not in (
                    "price",
                    "quantity",
                    "profit",
                    "unit_cost",
                    "consumer_surplus",
                    "others",
                )
            }
            print(
                f"{name} {key} {took:.1f}s",
                checks,
                f"others: {len(found.get('others', []))}",
                flush=True,
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
