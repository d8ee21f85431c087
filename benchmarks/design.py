"""Designed transfers: one program against the number of types, and many programs of one size.

    OPENBLAS_NUM_THREADS=1 python benchmarks/design.py

One program: building it, solving it, scipy's linprog on the same matrices, closed form, for
bilateral trade on midpoints of [0, 1]. Memory is the largest of the process so far. Many: markets
with private cost spillovers, least outlay under Bayesian truth-telling and voluntary participation,
from the same expected payoffs: longest paths in all at once, HiGHS on matrices, one parametrised
cvxpy problem re-solved, and a cvxpy problem built for each. All ways give the same outlay.
"""

from __future__ import annotations

import resource
import sys
from functools import partial
from pathlib import Path

import cvxpy as cp
import numpy as np
from many import timed, typed_case
from scipy import sparse
from scipy.optimize import linprog

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mechanism.casefile.types import type_space
from mechanism.design.environment import Environment, efficient
from mechanism.design.paths import least_payoffs
from mechanism.design.program import build, stacked
from mechanism.design.setting_file import DesignOptions
from mechanism.design.solve import least_outlay, solve
from mechanism.scheme.preparation import prepare


def trade(size: int) -> Environment:
    """Buyer and seller with `size` types each."""
    grid = (np.arange(size) + 0.5) / size
    even = np.full(size, 1 / size)
    zero = np.zeros(size)
    return Environment(
        name="trade",
        players=("buyer", "seller"),
        types=(grid, grid),
        probabilities=(even, even),
        alternatives=("trade", "keep"),
        values=(np.column_stack([grid, zero]), np.column_stack([-grid, zero])),
        outside=(np.zeros((1, 1)), np.zeros((1, 1))),
        public_value=np.zeros(2),
    )


def market_tables(count: int, points: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expected payoffs (2 count, M true, M reports) and outside options (2 count, M) of random
    markets' firms, and the weights (M,)."""
    rng = np.random.default_rng(4)
    interim, floor, weights = [], [], np.zeros(0)
    for _ in range(count):
        case = typed_case(rng, points)
        types = type_space(case.types)
        setting = prepare(case.market, types, case.mechanism)
        outside, weights = setting.own_outside[..., 0], types.weights
        for firm in (0, 1):
            interim.append(setting.assignment.own_part(firm, types.points, "with_cost") @ weights)
            floor.append(outside[firm])
    return np.array(interim), np.array(floor), weights


def many(points: int, count: int = 10) -> bool:
    """A line on many programs of one size; whether the ways agree."""
    interim, floor, weights = market_tables(count, points)
    size = interim.shape[-1]
    pairs = np.array([(t, r) for t in range(size) for r in range(size) if t != r])
    A = np.zeros((len(pairs), size))
    # U(true) - U(report) >= what a lie gains
    A[np.arange(len(pairs)), pairs[:, 0]], A[np.arange(len(pairs)), pairs[:, 1]] = (
        1,
        -1,
    )
    gain = interim[:, pairs[:, 0], pairs[:, 1]] - interim[:, pairs[:, 1], pairs[:, 1]]
    copies = 50
    wide, low = np.tile(interim, (copies, 1, 1)), np.tile(floor, (copies, 1))
    payoff, at_once = timed(lambda: least_payoffs(wide, low))
    at_once /= copies
    sparse_A = sparse.csr_matrix(-A)

    def highs() -> list[float]:
        return [
            linprog(
                weights, A_ub=sparse_A, b_ub=-g, bounds=np.column_stack([f, np.full(size, np.inf)])
            ).fun
            for g, f in zip(gain, floor, strict=True)
        ]

    U, g, f = cp.Variable(size), cp.Parameter(len(pairs)), cp.Parameter(size)
    problem = cp.Problem(cp.Minimize(weights @ U), [g <= A @ U, f <= U])

    def reused() -> list[float]:
        out = []
        for g.value, f.value in zip(gain, floor, strict=True):
            out.append(problem.solve(solver="HIGHS"))
        return out

    def built() -> list[float]:
        out = []
        for one, least in zip(gain, floor, strict=True):
            U = cp.Variable(size)
            out.append(
                cp.Problem(cp.Minimize(weights @ U), [one <= A @ U, least <= U]).solve(
                    solver="HIGHS"
                )
            )
        return out

    reused()
    found = {
        name: timed(way)
        for name, way in (("matrices", highs), ("parametrised", reused), ("built", built))
    }
    outlay = payoff[: len(floor)] @ weights
    agree = all(np.allclose(values, outlay, rtol=1e-7) for values, _ in found.values())
    ratios = "   ".join(f"{name} {seconds / at_once:7.0f}x" for name, (_, seconds) in found.items())
    print(
        f"{points:5} types, {size} points: {1e6 * at_once / len(floor):7.1f} microseconds a firm at"
        f" once; {ratios}",
        flush=True,
    )
    return agree


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
            direct = partial(linprog, program.cost, A_ub=-G, b_ub=-h, bounds=(None, None))
            other, other_time = timed(partial(direct, method="highs"))
            (closed, _), closed_time = timed(lambda: least_outlay(setting, plan))  # noqa: B023
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{incentive:10} {size:5} {len(h):8} {building:9.3f} {solving:9.3f}"
                f" {other_time:11.3f} {closed_time:10.4f} {memory:5.0f}",
                flush=True,
            )
            bad += abs(answer.value - other.fun) > 1e-7
            bad += incentive == "bayesian" and abs(answer.value - closed) > 1e-9
    print("\nmany programs of one size: how much longer one at a time takes")
    bad += not all([many(points) for points in (5, 11, 21)])  # noqa: C419 - every line is wanted
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
