"""Designed transfers against the number of types: building the program, solving it, scipy's linprog on the same matrices, closed form.

    OPENBLAS_NUM_THREADS=1 python benchmarks/design.py

Bilateral trade on midpoints of [0, 1]; all ways give the same least outlay. Memory is the largest of the process so far.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linprog

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mechanism.design import build, least_outlay, solve, stacked
from mechanism.setting_file import DesignOptions
from mechanism.settings import Setting, efficient


def trade(size: int) -> Setting:
    """Buyer and seller with `size` types each."""
    grid = (np.arange(size) + 0.5) / size
    even = np.full(size, 1 / size)
    zero = np.zeros(size)
    return Setting(
        name="trade",
        players=("buyer", "seller"),
        types=(grid, grid),
        probabilities=(even, even),
        alternatives=("trade", "keep"),
        values=(np.column_stack([grid, zero]), np.column_stack([-grid, zero])),
        outside=(np.zeros((1, 1)), np.zeros((1, 1))),
        public_value=np.zeros(2),
    )


def timed(f: Callable[[], Any]) -> tuple[Any, float]:
    """A result and the seconds it took."""
    start = time.perf_counter()
    result = f()
    return result, time.perf_counter() - start


def main() -> int:
    """A line per size; 1 if the ways disagree."""
    bad = 0
    print("truth      types     rows   build s   solve s   linprog s   closed s   MiB")
    for incentive, sizes in (("bayesian", (21, 51, 101, 201)), ("dominant", (11, 21, 51))):
        for size in sizes:
            setting = trade(size)
            options = DesignOptions(incentive=incentive, budget="none")  # type: ignore[arg-type]
            plan = efficient(setting)
            program, building = timed(lambda: build(setting, options, plan))  # noqa: B023
            answer, solving = timed(lambda: solve(program))  # noqa: B023
            G, h = stacked(program.rows)
            other, other_time = timed(lambda: linprog(program.cost, A_ub=-G, b_ub=-h, bounds=(None, None), method="highs"))  # noqa: B023
            (closed, _), closed_time = timed(lambda: least_outlay(setting, plan))  # noqa: B023
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{incentive:10} {size:5} {len(h):8} {building:9.3f} {solving:9.3f} {other_time:11.3f} {closed_time:10.4f} {memory:5.0f}",
                flush=True,
            )
            bad += abs(answer.value - other.fun) > 1e-7
            bad += incentive == "bayesian" and abs(answer.value - closed) > 1e-9
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
