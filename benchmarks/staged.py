"""Games in stages of many markets, against one market after the other through scipy.

    OPENBLAS_NUM_THREADS=1 python benchmarks/staged.py

Processor time, one thread. Markets are `planner.random_markets` (firms that differ, corners; seed
7); the loop (`plain.IN_STAGES`) solves the later stage anew for every first move, at scipy's
default tolerances. Fails where a ratio is below its limit, or where the loop leaves our levels.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from plain import IN_STAGES, START, plain_profits
from planner import random_markets

from market.regimes import solve_markets

MARKETS, LOOPED = 2000, 3
LEAST = {"sequential": 400.0, "investment_first": 5000.0, "sharing_alliance": 1500.0}
"""How many times as long a market takes in the loop, at least."""
SAME = 1e-3
"""By how much of their size the loop may move our levels: it stops short of full accuracy."""


def main() -> int:
    """Measure; 1 where something is too slow or not the same."""
    case = random_markets(MARKETS)
    held = []
    for key, least in LEAST.items():
        solve_markets(case.take(np.arange(50)), key, 50)
        begin = time.process_time()
        found = solve_markets(case, key, MARKETS)
        middle = time.process_time()
        for lane in range(LOOPED):
            IN_STAGES[key](plain_profits(case, lane), START)
        slow, each = (time.process_time() - middle) / LOOPED, (middle - begin) / MARKETS
        # From far off the loop is lost in the noise of its own gradients: it is asked whether it
        # stays where we are.
        apart = 0.0
        for lane, x in enumerate(found.levels[:LOOPED]):
            moved = IN_STAGES[key](plain_profits(case, lane), x) - x
            apart = max(apart, float(np.abs(moved / np.maximum(1.0, np.abs(x))).max()))
        print(
            f"{key}: {1000 * each:.2f} ms a case, {slow / each:.0f} times as fast as the loop of"
            f" {1000 * slow:.0f} ms (at least {least:.0f}), which moves levels by {apart:.0e};"
            f" {int(found.solved.sum())} of {MARKETS} solved, {int(found.thorough.sum())} searched"
            " thoroughly",
            flush=True,
        )
        held.append(slow / each >= least and apart <= SAME)
    return 0 if all(held) else 1


if __name__ == "__main__":
    raise SystemExit(main())
