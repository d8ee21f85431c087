"""An alliance on sharing alone: what is agreed, what each then invests, and what is said where that has no solution.

Expected values come from the model written out once more: profits with a firm possibly out of the market, best replies in investment by
search, sharing by a grid that is refined.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from admissible import cases, market
from hypothesis import given, settings

from market.case import Array, Case
from market.outcome import Outcome
from market.regimes import REGIMES, solve_lanes, solve_markets, solve_regime
from mechanism.schema import load_case

KEY = "sharing_alliance"
SHIPPED = Path(__file__).resolve().parents[1] / "cases"


# --- the model written out once more


def figure(a: Array, firm: int) -> float:
    """A parameter of one firm of a flat case."""
    return float(a.reshape(-1)[firm if a.size > 1 else 0])


def profits(case: Case, s: list[Array], t: list[Array]) -> list[Array]:
    """Both firms' profits, elementwise: prices of section 2 of the model, a firm whose quantity would be negative being out."""
    x, N, cost = figure(case.cross_slope, 0), [], []
    b = [figure(case.own_slope, i) for i in (0, 1)]
    F = [np.zeros(1)] * 2
    for i, j in ((0, 1), (1, 0)):
        received = t[j] * s[j]
        if (unit := case.unit_cost) is not None:
            rise = 1 + figure(unit.slope, i) * t[i] + figure(unit.curvature, i) / 2 * t[i] ** 2
            F[i] = (figure(unit.base, i) - figure(unit.spillover, i) * received) * rise
        k, y = figure(case.cost_scale, i), figure(case.cost_spillover, i) * received
        if case.cost_form == "restricted":
            cost.append(k / 2 * np.maximum(t[i] - y, 0.0) ** 2)
            continue
        y = y / figure(case.reference_investment, i)
        saved = y / (1 + y) if case.cost_form == "saturating" else 1 - np.exp(-y)
        cost.append(k / 2 * t[i] ** 2 * (1 - figure(case.max_saving, i) * saved))
    for i, j in ((0, 1), (1, 0)):
        lost = [figure(a, i) for a in (case.leakage_own, case.leakage_cross, case.leakage_interaction)]
        A = figure(case.intercept, i) + t[i] - figure(case.rivalry, i) * t[j] + figure(case.demand_spillover, i) * t[j] * s[j]
        A = A - lost[0] * s[i] ** 2 + lost[1] * s[j] ** 2 + lost[2] * s[i] * s[j]
        N.append(A - b[i] * F[i] + x * F[j])
    earned = []
    for i, j in ((0, 1), (1, 0)):
        own, cross, rest = 2 * b[j] * N[i] + x * N[j], 2 * b[i] * N[j] + x * N[i], b[j] * N[i] + x * N[j]
        both = b[i] * (own / (4 * b[0] * b[1] - x**2)) ** 2
        alone = np.maximum(np.minimum(-N[j] / x if x > 0 else np.inf, rest / (2 * (b[0] * b[1] - x**2))), 0.0)
        sold = np.maximum(np.where(-N[j] < x * alone * (1 + 1e-12), N[i] - b[i] * alone, rest / (2 * b[j])), 0.0)
        earned.append(np.where(own < 0, 0.0, np.where(cross < 0, alone * sold, both)) - cost[i])
    return earned


def reply(case: Case, s: list[Array], t: list[Array], i: int, top: float) -> Array:
    """Firm i's best investment, elementwise, by a grid and golden sections."""
    top = min(top, figure(case.investment_cap, i))

    def value(own: Array) -> Array:
        return profits(case, s, [own, t[1]] if i == 0 else [t[0], own])[i]

    grid = np.linspace(0, top, 61)
    best = grid[np.argmax([value(np.full_like(t[i], g)) for g in grid], axis=0)]
    low, high = np.maximum(best - grid[1], 0.0), np.minimum(best + grid[1], top)
    ratio = (np.sqrt(5) - 1) / 2
    for _ in range(40):
        one, two = high - ratio * (high - low), low + ratio * (high - low)
        up = value(one) < value(two)
        low, high = np.where(up, one, low), np.where(up, high, two)
    return (low + high) / 2


def followed(case: Case, s: list[Array], top: float, rounds: int = 25) -> tuple[list[Array], Array]:
    """The investments that best replies from zero settle on, and joint profit there; minus infinity where they do not settle."""
    t = [np.zeros_like(s[0]), np.zeros_like(s[0])]
    for _ in range(rounds):
        before = [v.copy() for v in t]
        for i in (0, 1):
            t[i] = reply(case, s, t, i, top)
        moved = np.maximum(*(np.abs(a - b) for a, b in zip(t, before, strict=True)))
        if moved.max() < 1e-9:
            break
    earned = profits(case, s, t)
    counts = (moved < 1e-6) & (np.maximum(*t) < 0.99 * top)
    if case.unit_cost is not None:
        left = [figure(case.unit_cost.base, i) - figure(case.unit_cost.spillover, i) * t[1 - i] * s[1 - i] for i in (0, 1)]
        counts &= np.minimum(*left) >= 0
    return t, np.where(counts, earned[0] + earned[1], -np.inf)


def brute_force(case: Case, top: float, side: int = 9) -> tuple[Array, float]:
    """Sharing (2,) of highest joint profit and that profit, on a grid that narrows around its best point."""
    centre, width, best = np.array([0.5, 0.5]), 0.5, -np.inf
    for _ in range(7):
        axes = [np.clip(np.linspace(c - width, c + width, side), 0, 1) for c in centre]
        s = [a.ravel() for a in np.meshgrid(*axes, indexing="ij")]
        worth = followed(case, s, top)[1]
        k = int(worth.argmax())
        if worth[k] > best:
            centre, best = np.array([s[0][k], s[1][k]]), float(worth[k])
        width *= 2.5 / (side - 1)
    return centre, best
