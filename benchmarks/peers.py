"""The second best of bilateral trade, by `pigou` and by mechaudit.

    pip install mechaudit
    OPENBLAS_NUM_THREADS=1 python benchmarks/peers.py

Buyer and seller of 8, 16 and 32 types on midpoints of [0, 1]: the most surplus under Bayesian
truth-telling, interim participation and an expected budget, from plain numbers to the mechanism
with its checks. Ours is `design` with everything it does beside: closed form, a second solver, the
mechanism of least outlay among the best, what binds. Theirs is `solve`, which audits its solution.
Both give the same surplus to 1e-8. Processor time of the work alone, imports not counted, the least
of five; a process each, since both would set up the one scheduler that HiGHS has in a process.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

SIZES = (8, 16, 32)


def ours(size: int) -> float:
    """The surplus of the best mechanism."""
    from design import trade

    from mechanism.design.setting_file import DesignOptions
    from mechanism.design.solve import design

    options = DesignOptions(allocation="second_best", objective="max_surplus", budget="ex_ante")
    found = design(trade(size), options)
    assert found.mechanism is not None
    return found.mechanism.achieved.surplus


def theirs(size: int) -> float:
    """The same by mechaudit."""
    import mechaudit as ma

    grid = [(k + 0.5) / size for k in range(size)]

    def value(agent: str, own: float, outcome: str) -> float:
        return (own if agent == "buyer" else -own) if outcome == "trade" else 0.0

    env = ma.FiniteEnvironment(
        agents={"buyer": grid, "seller": grid},
        outcomes=["keep", "trade"],
        prior={(b, s): 1 / size**2 for b in grid for s in grid},
        values=ma.PrivateValues(value),
    )
    asked = (ma.BIC(), ma.InterimIR(), ma.WeakBudgetBalance(timing="ex_ante"))
    problem = env.design(objective=ma.ExpectedSocialWelfare(), requirements=asked)
    return float(problem.solve().objective_value)


def least(work: Callable[[int], float], size: int) -> tuple[float, float]:
    """The least processor time of five runs after a first, and what comes out."""
    value, times = work(size), []
    for _ in range(5):
        begun = time.process_time()
        work(size)
        times.append(time.process_time() - begun)
    return min(times), value


def main() -> int:
    """A line per size; 1 where ours is slower or the answers differ."""
    fine = True
    for size in SIZES:
        found = []
        for work in (ours, theirs):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                found.append(pool.submit(least, work, size).result())
        (own, surplus), (other, value) = found
        fine &= abs(surplus - value) < 1e-8 and own <= other
        print(
            f"{size:3} types: {own:.3f} s, mechaudit {other:.3f} s, {other / own:.1f}x;"
            f" surplus {surplus:.10f} and {value:.10f}"
        )
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
