"""The social optimum at all K x K pairs of reported types against a loop over the pairs through
scipy.optimize, in one run.

The loops (`plain` and `tuned`, see planner.py) start each pair from the solution of the pair
before, the kindest way to write them. Run: python benchmarks/allocation.py
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # threads only slow both sides down on problems this small

import numpy as np
from scipy.optimize import minimize

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.planner import TIGHT, plain_problem, scalar_problem
from market.model.case import Case
from market.model.payoff import Payoff
from market.regimes import BOTH, REGIMES, benefit_matrix, level_bounds
from market.solve.optimum import maximise
from mechanism.casefile.policy_case import load_case
from mechanism.casefile.types import uniform
from mechanism.scheme.allocation import allocate


def lanes_of(case: Case, lanes: int) -> Case:
    """Every parameter laid out once per lane, intercepts and slopes once per firm, as the loops
    read them."""
    firms = {
        key: np.broadcast_to(getattr(case, key), (lanes, 2)) for key in ("intercept", "own_slope")
    }
    return replace(case.map(lambda a: np.broadcast_to(a, (lanes, a.shape[-1]))), **firms)


def main() -> None:
    """Print the table."""
    case = load_case(Path(__file__).parents[1] / "cases" / "two_vendors.yaml").market
    for count in (21, 51):
        types = uniform(0.2, 0.8, count)
        allocate(case, types.types)
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            found = allocate(case, types.types)
            times.append(time.perf_counter() - begin)
        fast = sorted(times)[2]
        pairs = np.stack(np.meshgrid(types.types, types.types, indexing="ij"), -1).reshape(-1, 2)
        wide = case.with_cost_spillover(pairs)
        flat = lanes_of(wide, len(pairs))
        benefit = np.broadcast_to(
            benefit_matrix(flat, REGIMES["social_optimum"]), (len(pairs), 2, 2)
        )
        payoff = Payoff(case=flat, benefit=benefit, cost_weight=BOTH)
        bounds = [(0, 1), (0, 1), (0, None), (0, None)]
        for tuned in (False, True):
            begin = time.perf_counter()
            x = found.levels[0, 0]
            theirs = np.empty((len(pairs), 4))
            for lane in range(len(pairs)):
                objective = (
                    scalar_problem(flat, benefit, lane) if tuned else plain_problem(flat, lane)
                )
                theirs[lane] = x = minimize(
                    objective, x, jac=tuned or None, bounds=bounds, method="L-BFGS-B", options=TIGHT
                ).x
            slow = time.perf_counter() - begin
            polished = maximise(payoff, theirs, *level_bounds(flat, len(pairs)))
            gap = np.abs(found.levels.reshape(-1, 4) - polished.x).max()
            print(
                f"K = {count}, {'tuned' if tuned else 'plain'} loop {slow * 1e3:.0f} ms, at once"
                f" {fast * 1e3:.1f} ms, ratio {slow / fast:.0f}x; levels differ by at most"
                f" {gap:.1e}"
            )


if __name__ == "__main__":
    main()
