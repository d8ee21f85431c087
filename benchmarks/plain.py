"""The fixed reference of the benchmarks of batches: one market after the other through
scipy.optimize at its default tolerances, profits in numpy straight from the model's equations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from planner import plain_problem
from scipy.optimize import minimize

from market.model.case import Case

BOUNDS = [(0, 1), (0, 1), (0, None), (0, None)]
START = np.array([0.5, 0.5, 1.0, 1.0])
OWN = ([0, 2], [1, 3])
Profits = Callable[[np.ndarray], np.ndarray]


def plain_profits(case: Case, lane: int) -> Profits:
    """Both firms' profits at levels (4,) and Bertrand prices in one market."""
    one = case.take([lane])
    a, b1, b2 = one.intercept[0], one.own_slope[0], one.cross_slope[0, 0]
    alpha, spill = one.rivalry[0, 0], one.demand_spillover[0, 0]
    f1, f2, f3 = one.leakage_own[0, 0], one.leakage_cross[0, 0], one.leakage_interaction[0, 0]
    k, gamma, lam = one.cost_scale[0, 0], one.max_saving[0, 0], one.cost_spillover[0]
    conditions = 2 * np.diag(b1) - b2 * (1 - np.eye(2))

    def profits(x: np.ndarray) -> np.ndarray:
        s, t = x[:2], x[2:]
        s_j, t_j = s[::-1], t[::-1]
        A = a + t - alpha * t_j + spill * t_j * s_j - (f1 * s**2 - f2 * s_j**2 - f3 * s * s_j)
        y = lam * t_j * s_j
        cost = k / 2 * t**2 * (1 - gamma * y / (1 + y))
        return np.asarray(b1 * np.linalg.solve(conditions, A) ** 2 - cost)

    return profits


def climbed(value: Callable[[np.ndarray], float], x: np.ndarray, free: list[int]) -> np.ndarray:
    """Levels at which a value is highest in some of them, the others staying."""

    def minus(y: np.ndarray) -> float:
        full = x.copy()
        full[free] = y
        return -value(full)

    out = x.copy()
    bounds = [BOUNDS[v] for v in free]
    out[free] = minimize(minus, x[free], bounds=bounds, method="L-BFGS-B").x
    return out


def settled(profits: Profits, x: np.ndarray, own: tuple[list[int], list[int]]) -> np.ndarray:
    """Best replies in turn until they settle."""
    for _ in range(60):
        before = x
        for firm in (0, 1):
            x = climbed(lambda z, firm=firm: float(profits(z)[firm]), x, own[firm])
        if np.abs(x - before).max() < 1e-6:
            break
    return x


def solved(case: Case, lane: int) -> dict[str, np.ndarray]:
    """Nash, joint profit and the planner's levels in one market."""
    profits, planner = plain_profits(case, lane), plain_problem(case, lane)
    return {
        "nash": settled(profits, START, OWN),
        "joint_profit": climbed(lambda x: float(profits(x).sum()), START, [0, 1, 2, 3]),
        "social_optimum": climbed(lambda x: -planner(x), START, [0, 1, 2, 3]),
    }


def leading(profits: Profits, start: np.ndarray) -> np.ndarray:
    """The first firm commits its levels, the other answers."""

    def answered(x: np.ndarray) -> np.ndarray:
        return climbed(lambda z: float(profits(z)[1]), x, OWN[1])

    return answered(climbed(lambda x: float(profits(answered(x))[0]), start, OWN[0]))


def investing_first(profits: Profits, start: np.ndarray) -> np.ndarray:
    """Both invest, then both share."""

    def shared(x: np.ndarray) -> np.ndarray:
        return settled(profits, x, ([0], [1]))

    return shared(settled(lambda x: profits(shared(x)), start, ([2], [3])))


def sharing_agreed(profits: Profits, start: np.ndarray) -> np.ndarray:
    """Sharing is chosen for joint profit, then each invests for itself."""

    def invested(x: np.ndarray) -> np.ndarray:
        return settled(profits, x, ([2], [3]))

    return invested(climbed(lambda x: float(profits(invested(x)).sum()), start, [0, 1]))


IN_STAGES = {
    "sequential": leading,
    "investment_first": investing_first,
    "sharing_alliance": sharing_agreed,
}
"""The games in stages, the later stage solved anew for every first move."""
