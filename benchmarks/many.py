"""Many cases at once against a loop over scipy.optimize, in one run; cost per case, memory, and
processes.

    OPENBLAS_NUM_THREADS=1 python benchmarks/many.py [cases]

The loop is the one most would write: for the planner's problem `planner.plain_problem`, L-BFGS-B
with a numerical gradient and one start; for Nash, joint profit and social optimum together the same
solver on profits, best replies until they settle. Answers are compared.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from planner import plain_problem, random_markets
from scipy.optimize import minimize

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from market.model.outcome import account
from market.model.pricing import bertrand_matrix
from market.regimes import solve_markets
from mechanism.analysis.many import solve_many
from mechanism.casefile.policy_case import PolicyCase, load_case, parse_tree

ROOT = Path(__file__).resolve().parents[1]
TIGHT = {"ftol": 1e-12, "gtol": 1e-8, "maxfun": 100_000}
BOUNDS = [(0, 1), (0, 1), (0, None), (0, None)]


def timed(f):
    """A result and the seconds it took."""
    begin = time.perf_counter()
    result = f()
    return result, time.perf_counter() - begin


def typed_case(rng: np.random.Generator, points: int) -> PolicyCase:
    """The vendors with private spillovers, of so many types and at a random cost scale."""
    tree = load_case(ROOT / "cases" / "private_spillovers.yaml").resolved | {"expect": {}}
    tree["cost"] = tree["cost"] | {"scale": float(rng.uniform(12, 25))}
    tree["types"] = tree["types"] | {"points": points}
    return parse_tree(tree)


def loop_regimes(case, lane: int) -> dict[str, np.ndarray]:
    """Nash by best replies, joint profit and social optimum of one market, through scipy."""
    one = case.take([lane])

    def minus_profit(x: np.ndarray, firm: int | None) -> float:
        profit = account(one, x[None], bertrand_matrix).profit[0]
        return -float(profit.sum() if firm is None else profit[firm])

    start = np.array([0.5, 0.5, 1.0, 1.0])
    out = {
        "social_optimum": (
            minimize(
                plain_problem(case, lane), start, bounds=BOUNDS, method="L-BFGS-B", options=TIGHT
            ).x
        ),
        "joint_profit": (
            minimize(
                minus_profit, start, args=(None,), bounds=BOUNDS, method="L-BFGS-B", options=TIGHT
            ).x
        ),
    }
    x = start.copy()
    for _ in range(60):
        before = x.copy()
        for firm in (0, 1):
            own = [firm, 2 + firm]

            def reply(
                y: np.ndarray, own: list[int] = own, firm: int = firm, x: np.ndarray = x
            ) -> float:
                full = x.copy()
                full[own] = y
                return minus_profit(full, firm)

            x[own] = minimize(
                reply, x[own], bounds=[BOUNDS[k] for k in own], method="L-BFGS-B", options=TIGHT
            ).x
        if np.abs(x - before).max() < 1e-7:
            break
    out["nash"] = x
    return out


def regimes(count: int) -> None:
    """Regimes without types: ratios against the loop, and the cost per case at growing numbers."""
    few = 40
    case = random_markets(count)
    keys = ("nash", "joint_profit", "social_optimum")
    solve_markets(case.take(np.arange(50)), "nash", 50)
    ours, fast = {}, {}
    for key in keys:
        ours[key], fast[key] = timed(lambda key=key: solve_markets(case, key, count))
    theirs, slow = timed(lambda: [loop_regimes(case, lane) for lane in range(few)])
    start = np.array([0.5, 0.5, 1.0, 1.0])
    _, one_start = timed(
        lambda: [
            minimize(plain_problem(case, k), start, bounds=BOUNDS, options=TIGHT)
            for k in range(few)
        ]
    )
    for key in keys:
        gap = max(float(np.abs(ours[key].levels[k] - theirs[k][key]).max()) for k in range(few))
        print(
            f"  {key}: levels differ from the loop's by at most {gap:.1e};"
            f" {int(ours[key].thorough.sum())} of {count} searched thoroughly"
        )
    print(
        "planner's problem, searched from several starts:"
        f" {one_start / few / (fast['social_optimum'] / count):.0f}x the plain loop"
    )
    print(
        f"nash + joint_profit + social_optimum: {slow / few / (sum(fast.values()) / count):.0f}x"
        " the plain loop"
    )
    for size in (10**3, 10**4, 10**5, 10**6):
        market = random_markets(size)
        seconds = sum(timed(lambda key=key: solve_markets(market, key, size))[1] for key in keys)  # noqa: B023
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"  {size:7,} cases: {1e6 * seconds / size:6.1f} microseconds a case, {memory:.0f} MiB"
        )


def mechanisms() -> None:
    """Cases with types, all usual regimes and two rules, against evaluating one at a time and
    against the loop for three regimes."""
    rng = np.random.default_rng(1)
    policies = [
        "no_sharing",
        "nash",
        "joint_profit",
        "price_collusion",
        "social_optimum",
        "first_best",
        "printed",
        "groves",
    ]
    for points, count in ((5, 200), (21, 40)):
        cases = []
        for _ in range(count):
            cases.append(typed_case(rng, points))
        solve_many(cases[:2], policies)
        _, together = timed(lambda: solve_many(cases, policies))  # noqa: B023
        _, alone = timed(lambda: [solve_many([case], policies) for case in cases[:8]])  # noqa: B023
        rate = count / together
        # The loop at some pairs of types, for three of the six regimes and no mechanism: it would
        # take this long at all pairs.
        pairs = rng.uniform(0.2, 0.8, (6, 2))
        market = (
            cases[0]
            .market.map(lambda a: np.broadcast_to(a.reshape(1, -1), (6, 2)))
            .with_cost_spillover(pairs)
        )
        _, slow = timed(lambda: [loop_regimes(market, lane) for lane in range(6)])  # noqa: B023
        times = slow / len(pairs) * points**2 * rate
        print(
            f"{points} types: {rate:.0f} cases a second, {alone / 8 * rate:.1f}x one at a time,"
            f" {times:.0f}x the plain loop over all pairs"
        )


def batch(count: int) -> None:
    """The command: first rows, one process against two."""
    with tempfile.TemporaryDirectory() as folder:
        design = Path(folder) / "design.yaml"
        text = (ROOT / "cases" / "designs" / "alliance_or_mechanism.yaml").read_text()
        text = text.replace("../two_types.yaml", str(ROOT / "cases" / "two_vendors.yaml")).replace(
            ", printed, groves", ""
        )
        design.write_text(text.replace("count: 256", f"count: {count}"))
        seconds = {}
        for jobs in (1, 2):
            out = Path(folder) / f"r{jobs}.parquet"
            command = [
                str(Path(sys.executable).parent / "pigou"),
                "batch",
                str(design),
                "--out",
                str(out),
                "--jobs",
                str(jobs),
                "--quiet",
            ]
            begin = time.perf_counter()
            with subprocess.Popen(command, cwd=ROOT) as process:
                first = None
                while process.poll() is None:
                    if first is None and list(Path(folder).glob(f"r{jobs}.parquet.parts/*.part")):
                        first = time.perf_counter() - begin
                    time.sleep(0.01)
            seconds[jobs] = time.perf_counter() - begin
            print(
                f"batch of {count:,} cases, --jobs {jobs}: {seconds[jobs]:.1f} s, first rows after"
                f" {first or 0:.1f} s"
            )
        print(f"two processes: {seconds[1] / seconds[2]:.2f}x one")


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 16_000
    regimes(number)
    mechanisms()
    batch(150_000)
