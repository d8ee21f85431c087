"""One case, warm: a single equilibrium, a planner's optimum with its proof and whole evaluations,
beside a loop over scipy.optimize, in one run.

    python benchmarks/single.py [ROUNDS]

Processor time, one thread, medians of runs in alternation. The reference (`plain.py`) solves three
regimes of the same market from one start each and proves nothing. Fails where a ratio passes its
limit, a third above what was reached.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # threads only slow down problems this small

import numpy as np
from allocation import lanes_of
from plain import solved

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from market.regimes import solve_regime
from mechanism.analysis.evaluation import evaluate
from mechanism.casefile.policy_case import PolicyCase, load_case, parse_tree

ROOT = Path(__file__).resolve().parents[1]
SAME = 1e-3
"""Largest difference of levels: what scipy's own tolerances leave."""
LIMITS = {
    "nash": 0.42,
    "the planner's optimum, proven": 1.05,
    "evaluate, no types": 13.5,
    "evaluate, 21 types": 50.0,
}
"""At most so many times the reference."""


def vendors(types: int = 0) -> PolicyCase:
    """The shipped vendors, with so many private cost spillovers where any."""
    tree = load_case(ROOT / "cases" / "two_vendors.yaml").resolved | {"expect": {}}
    return parse_tree(tree | {"types": {"support": [0.2, 0.8], "points": types}} if types else tree)


def loop(case: PolicyCase) -> dict[str, np.ndarray]:
    """Levels by the loop."""
    return solved(lanes_of(case.market.flat(), 1), 0)


def seconds(what: Callable[[], object]) -> float:
    """Processor time of one run."""
    begin = time.process_time()
    what()
    return time.process_time() - begin


def main(rounds: int) -> bool:
    """Print the ratios; whether all are within their limits."""
    case, typed = vendors(), vendors(21)
    optimum = solve_regime(case.market, "social_optimum")
    assert optimum.levels is not None
    assert optimum.certificate.scope == "proven"
    apart = float(np.abs(loop(case)["social_optimum"] - optimum.levels).max())
    ours = dict(
        zip(
            LIMITS,
            (
                lambda: solve_regime(case.market, "nash"),
                lambda: solve_regime(case.market, "social_optimum"),
                lambda: evaluate(case),
                lambda: evaluate(typed),
            ),
            strict=True,
        )
    )
    for what in ours.values():
        what()
    times: dict[str, list[float]] = {name: [] for name in ("loop", *ours)}
    for _ in range(rounds):
        times["loop"].append(seconds(lambda: loop(case)))
        for name, what in ours.items():
            times[name].append(seconds(what))
    reference = statistics.median(times["loop"])
    print(f"the loop: {1e3 * reference:.1f} ms; levels differ by at most {apart:.0e}")
    fine = apart <= SAME
    for name, limit in LIMITS.items():
        took = statistics.median(times[name])
        fine &= took <= limit * reference
        print(f"{name}: {1e3 * took:.1f} ms, {took / reference:.2f}x the loop (at most {limit:g}x)")
    return fine


if __name__ == "__main__":
    raise SystemExit(not main(int(sys.argv[1]) if len(sys.argv) > 1 else 9))
