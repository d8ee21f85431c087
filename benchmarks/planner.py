"""1,000 planner's problems at once against a loop over scipy.optimize, in one run.

Both sides solve the same random asymmetric markets from the same starting points, with one start
per problem and with nine. Two loops of L-BFGS-B: `plain`, as most users would write it, welfare in
numpy from the model's equations and scipy's own numerical gradient; and `tuned`, welfare and its
exact gradient by hand in Python floats, which for four variables beat arrays. Both stop short of
full accuracy, so the comparison of answers polishes their levels by Newton.

Run: python benchmarks/planner.py [problems]
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # threads only slow both sides down on problems this small

import numpy as np
from scipy.optimize import minimize

sys.path.insert(0, str(Path(__file__).parents[1]))

from market.model.case import Case, make_case
from market.model.payoff import Payoff
from market.model.wellposed import required_scale
from market.regimes import BOTH, REGIMES, benefit_matrix, level_bounds, starting_levels
from market.solve.optimum import maximise


def random_markets(count: int, seed: int = 7) -> Case:
    """Asymmetric markets whose planner's problem is bounded."""
    rng = np.random.default_rng(seed)
    own = rng.uniform(1.2, 2.0, (count, 2))
    case = make_case(
        intercept=rng.uniform(15, 25, (count, 2)),
        own_slope=own,
        cross_slope=rng.uniform(0.2, 0.75, (count, 1)) * own.min(1, keepdims=True),
        rivalry=rng.uniform(0, 0.4, (count, 1)),
        demand_spillover=rng.uniform(0.1, 0.9, (count, 1)),
        leakage=(
            rng.uniform(2, 4, (count, 1)),
            rng.uniform(0.1, 0.6, (count, 1)),
            rng.uniform(0, 0.3, (count, 1)),
        ),
        cost_scale=1.0,
        max_saving=rng.uniform(0.1, 0.5, (count, 1)),
        cost_spillover=rng.uniform(0.1, 1, (count, 2)),
    ).flat()
    needed = required_scale(case, benefit_matrix(case, REGIMES["social_optimum"]))[:, None]
    return Case(**{**case.__dict__, "cost_scale": needed * rng.uniform(1.3, 3.0, (count, 1))})


def scalar_problem(case: Case, benefit: np.ndarray, lane: int):
    """Minus welfare and its gradient of one market, in plain floats."""
    a1, a2 = (float(v) for v in case.intercept[lane])
    alpha, spill = float(case.rivalry[lane, 0]), float(case.demand_spillover[lane, 0])
    f1, f2, f3 = (
        float(v[lane, 0]) for v in (case.leakage_own, case.leakage_cross, case.leakage_interaction)
    )
    k, gamma = float(case.cost_scale[lane, 0]), float(case.max_saving[lane, 0])
    l1, l2 = (float(v) for v in case.cost_spillover[lane])
    q11, q12, q22 = (
        float(benefit[lane, 0, 0]),
        float(benefit[lane, 0, 1]),
        float(benefit[lane, 1, 1]),
    )

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        s1, s2, t1, t2 = x.tolist()
        A1 = a1 + t1 - alpha * t2 + spill * t2 * s2 - f1 * s1 * s1 + f2 * s2 * s2 + f3 * s1 * s2
        A2 = a2 + t2 - alpha * t1 + spill * t1 * s1 - f1 * s2 * s2 + f2 * s1 * s1 + f3 * s1 * s2
        u1, u2 = 2 * (q11 * A1 + q12 * A2), 2 * (q12 * A1 + q22 * A2)
        y1, y2 = l1 * t2 * s2, l2 * t1 * s1
        share1, share2 = 1 - gamma * y1 / (1 + y1), 1 - gamma * y2 / (1 + y2)
        value = (u1 * A1 + u2 * A2) / 2 - k / 2 * (t1 * t1 * share1 + t2 * t2 * share2)
        d1, d2 = (
            k / 2 * t1 * t1 * gamma * l1 / (1 + y1) ** 2,
            k / 2 * t2 * t2 * gamma * l2 / (1 + y2) ** 2,
        )
        g1 = u1 * (-2 * f1 * s1 + f3 * s2) + u2 * (spill * t1 + 2 * f2 * s1 + f3 * s2) + d2 * t1
        g2 = u2 * (-2 * f1 * s2 + f3 * s1) + u1 * (spill * t2 + 2 * f2 * s2 + f3 * s1) + d1 * t2
        g3 = u1 + u2 * (spill * s1 - alpha) - k * t1 * share1 + d2 * s1
        g4 = u2 + u1 * (spill * s2 - alpha) - k * t2 * share2 + d1 * s2
        return -value, np.array([-g1, -g2, -g3, -g4])

    return objective


def plain_problem(case: Case, lane: int):
    """Minus welfare of one market, straight from the model's equations in numpy."""
    one = case.take([lane])
    a, b1, b2 = one.intercept[0], one.own_slope[0], one.cross_slope[0, 0]
    alpha, spill = one.rivalry[0, 0], one.demand_spillover[0, 0]
    f1, f2, f3 = one.leakage_own[0, 0], one.leakage_cross[0, 0], one.leakage_interaction[0, 0]
    k, gamma, lam = one.cost_scale[0, 0], one.max_saving[0, 0], one.cost_spillover[0]
    slopes = np.array([[b1[0], -b2], [-b2, b1[1]]])

    def objective(x: np.ndarray) -> float:
        s, t = x[:2], x[2:]
        s_j, t_j = s[::-1], t[::-1]
        A = a + t - alpha * t_j + spill * t_j * s_j - (f1 * s**2 - f2 * s_j**2 - f3 * s * s_j)
        p = np.linalg.solve(2 * np.diag(b1) - b2 * (1 - np.eye(2)), A)
        q = A - slopes @ p
        y = lam * t_j * s_j
        cost = k / 2 * t**2 * (1 - gamma * y / (1 + y))
        utility = q @ np.linalg.solve(slopes, A) - q @ np.linalg.solve(slopes, q) / 2
        return -(utility - cost.sum())

    return objective


TIGHT = {"ftol": 1e-15, "gtol": 1e-9, "maxfun": 100_000}


def loop(case: Case, benefit: np.ndarray, starts: np.ndarray, tuned: bool) -> np.ndarray:
    """The best end point of every market, one scipy call per market and start."""
    bounds = [(0, 1), (0, 1), (0, None), (0, None)]
    out = np.empty((len(starts), 4))
    for lane in range(len(starts)):
        objective = scalar_problem(case, benefit, lane) if tuned else plain_problem(case, lane)
        ends = [
            minimize(
                objective, x, jac=tuned or None, bounds=bounds, method="L-BFGS-B", options=TIGHT
            )
            for x in starts[lane]
        ]
        out[lane] = min(ends, key=lambda r: r.fun).x
    return out


def vectorised(case: Case, benefit: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The best end point of every market, all at once."""
    which = np.repeat(np.arange(len(starts)), starts.shape[1])
    payoff = Payoff(case=case, benefit=benefit, cost_weight=BOTH)
    found = maximise(
        payoff.take(which), starts.reshape(-1, 4), *level_bounds(case.take(which), len(which))
    )
    value, x = found.value.reshape(starts.shape[:2]), found.x.reshape(starts.shape)
    return x[np.arange(len(x)), value.argmax(1)]


def main() -> None:
    """Print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    case = random_markets(count)
    benefit = benefit_matrix(case, REGIMES["social_optimum"])
    payoff = Payoff(case=case, benefit=benefit, cost_weight=BOTH)
    for grid, label in (((0.5,), "one start"), ((0.0, 0.5, 1.0), "nine starts")):
        starts = starting_levels(case, benefit, grid)
        vectorised(case, benefit, starts)
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            ours = vectorised(case, benefit, starts)
            times.append(time.perf_counter() - begin)
        fast = sorted(times)[2]
        for tuned in (False, True):
            if not tuned and len(grid) > 1:
                continue  # nine plain starts take minutes and tell nothing new
            begin = time.perf_counter()
            theirs = loop(case, benefit, starts, tuned)
            slow = time.perf_counter() - begin
            polished = maximise(payoff, theirs, *level_bounds(case, count))
            apart = np.abs(payoff.value(ours) - polished.value) > 1e-9 * np.abs(polished.value)
            gap = np.abs(ours - polished.x)[~apart].max()
            print(
                f"{count} planner's problems, {label}, {'tuned' if tuned else 'plain'} loop"
                f" {slow * 1e3:.0f} ms, at once {fast * 1e3:.1f} ms, ratio {slow / fast:.0f}x;"
                f" levels differ by at most {gap:.1e}, {int(apart.sum())} ended at another local"
                " optimum"
            )


if __name__ == "__main__":
    main()
