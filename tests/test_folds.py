"""Agreed sharing at which the investments that follow end: beyond, best replies run away.

Expected values come from the model written out once more (closed forms of section 2 and both
costs) and scipy's root-finding of the fold: both firms' conditions, and slopes of best replies that
multiply to one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar, root

from market.model.case import Case, make_case
from market.model.units import in_units, natural_units
from market.regimes import solve_markets, solve_regime
from market.regimes.agreement import settled as settled_near
from market.solve.tolerances import DEFAULT

KEY = "sharing_alliance"
ENDS = "what follows ends here: beyond these levels best replies run away"
Array = NDArray[np.float64]

UNEQUAL: dict[str, Any] = {
    "intercept": [9.7, 12.0],
    "own_slope": [0.93, 0.97],
    "cross_slope": 0.25,
    "rivalry": 0.051,
    "demand_spillover": 0.27,
    "leakage": (4.1, 1.6, 0.034),
    "cost_form": "exponential",
    "cost_scale": [0.75, 0.6],
    "max_saving": [0.29, 0.73],
    "cost_spillover": [0.15, 0.7],
    "reference_investment": 9.3,
}
"""The second firm gives, and both invest more the more it does: the first gives nothing."""

EQUAL: dict[str, Any] = {
    "intercept": 33.75020824772355,
    "own_slope": 0.982758515810017,
    "cross_slope": 0.27383691788000214,
    "rivalry": 0.043144561905325146,
    "demand_spillover": 0.4380495451489987,
    "leakage": (0.7873782315271413, 0.01727584202055128, 0.35402828510884293),
    "cost_form": "exponential",
    "cost_scale": 2.2591922396775717,
    "max_saving": 0.9391452797002628,
    "cost_spillover": 0.9741861932592554,
    "reference_investment": 46.27856056132501,
}
"""One of two equal firms gives all, the other half: at equal sharing joint profit is lower."""

INSIDE: dict[str, Any] = {
    "intercept": [6.28, 2.13],
    "own_slope": 2.18,
    "cross_slope": 1.33,
    "rivalry": [0.425, 0.741],
    "demand_spillover": [0.481, 0.514],
    "leakage": (2.9, 0.263, 0.955),
    "cost_form": "saturating",
    "cost_scale": [0.666, 0.303],
    "max_saving": 0.329,
    "cost_spillover": [0.0, 0.0604],
    "reference_investment": 1.47,
}
"""Both give some: along the fold joint profit is highest within the bounds of sharing."""


def counted_in(parameters: dict[str, Any], money: float, quantity: float) -> Case:
    """The market with money and quantity counted in other units."""
    scale = {
        "intercept": quantity,
        "own_slope": quantity**2 / money,
        "cross_slope": quantity**2 / money,
        "leakage": quantity,
        "cost_scale": money / quantity**2,
        "reference_investment": quantity,
    }

    def scaled(key: str, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return type(value)(scaled(key, one) for one in value)
        return value * scale[key] if key in scale else value

    return make_case(**{key: scaled(key, value) for key, value in parameters.items()})


def exchanged(parameters: dict[str, Any]) -> dict[str, Any]:
    """The market with the firms named the other way round."""
    return {k: v[::-1] if isinstance(v, list) else v for k, v in parameters.items()}


# --- the model written out once more


class Firms:
    """Two firms' investments at agreed sharing."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        def two(value: Any) -> Array:
            return np.broadcast_to(np.asarray(value, float), (2,))

        p = parameters
        self.a, self.b, self.x = two(p["intercept"]), two(p["own_slope"]), p["cross_slope"]
        self.rivalry, self.spills = two(p["rivalry"]), two(p["demand_spillover"])
        self.k, self.saving = two(p["cost_scale"]), two(p["max_saving"])
        self.use = two(p["cost_spillover"]) / p["reference_investment"]
        self.leaks, self.form = p["leakage"], p["cost_form"]
        self.w = self.b / (4 * self.b.prod() - self.x**2) ** 2

    def kappa(self, i: int, s: Array, t: Array) -> Any:
        """f_i over t_i^2 / 2."""
        y = self.use[i] * t[1 - i] * s[1 - i]
        saved = 1 - np.exp(-y) if self.form == "exponential" else y / (1 + y)
        return self.k[i] * (1 - self.saving[i] * saved)

    def margin(self, i: int, s: Array, t: Array) -> Any:
        """2 b_j A_i + x A_j."""
        own, cross, both = self.leaks
        A = []
        for m, n in ((i, 1 - i), (1 - i, i)):
            lost = own * s[m] ** 2 - cross * s[n] ** 2 - both * s[m] * s[n]
            moved = t[m] - self.rivalry[m] * t[n] + self.spills[m] * t[n] * s[n]
            A.append(self.a[m] + moved - lost)
        return 2 * self.b[1 - i] * A[0] + self.x * A[1]

    def profit(self, i: int, s: Array, t: Array) -> Any:
        """Pi_i."""
        return self.w[i] * self.margin(i, s, t) ** 2 - self.kappa(i, s, t) / 2 * t[i] ** 2

    def reply(self, i: int, s: Array, t: Array) -> Any:
        """The best investment where there is one: profit is a parabola in it."""
        rise = 2 * self.b[1 - i] + self.x * (self.spills[1 - i] * s[i] - self.rivalry[1 - i])
        room = self.kappa(i, s, t) - 2 * self.w[i] * rise**2
        rest = self.margin(i, s, t) - rise * t[i]
        return 2 * self.w[i] * rise * rest / room if np.real(room) > 0 else np.inf

    def slope(self, i: int, s: Array, t: Array) -> float:
        """Of the best reply, by a complex step."""
        moved = np.asarray(t, complex)
        moved[1 - i] += 1e-30j
        return float(np.imag(self.reply(i, s, moved)) / 1e-30)

    def joint(self, s: Array, t: Array) -> float:
        """Pi_1 + Pi_2."""
        return float(self.profit(0, s, t) + self.profit(1, s, t))

    def settle(self, s: Array, rounds: int = 3000) -> Array | None:
        """What best replies from nothing settle on; None where they run away."""
        t = np.zeros(2)
        for _ in range(rounds):
            before = t.copy()
            for i in (0, 1):
                t[i] = self.reply(i, s, t)
                if not t[i] < 1e6 * self.a.max():
                    return None
            if np.abs(t - before).max() <= 1e-11 * t.max():
                break
        return t

    def fold(self, start: Array, held: int, at: float) -> tuple[Array, Array]:
        """Sharing and investments at the fold where this firm's sharing is as given."""

        def sharing(one: float) -> Array:
            return np.array([at, one] if held == 0 else [one, at])

        def left(z: Array) -> Array:
            s, t = sharing(z[0]), z[1:] * start[1:]
            short = [self.reply(i, s, t) / t[i] - 1 for i in (0, 1)]
            return np.array([*short, self.slope(0, s, t) * self.slope(1, s, t) - 1])

        found = root(left, [start[0], 1.0, 1.0], tol=1e-13)
        assert np.abs(left(found.x)).max() < 1e-10
        return sharing(found.x[0]), found.x[1:] * start[1:]


def last_to_settle(firms: Firms, held: int, at: float) -> float:
    """The most that the other firm gives with best replies still settling, by halves."""

    def given(one: float) -> Array:
        return np.array([at, one] if held == 0 else [one, at])

    low, high = 0.0, 1.0
    for _ in range(16):
        middle = (low + high) / 2
        low, high = (low, middle) if firms.settle(given(middle)) is None else (middle, high)
    return low


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parameters", "held", "at"), [(UNEQUAL, 0, 0.0), (EQUAL, 1, 1.0)], ids=["unequal", "equal"]
)
def test_the_best_agreement_is_at_the_fold_and_is_told_so(
    parameters: dict[str, Any], held: int, at: float
) -> None:
    found, firms = solve_regime(make_case(**parameters), KEY), Firms(parameters)
    assert found.status == "corner"
    assert found.certificate.ending
    assert ENDS in found.tree()["certificate"]["bounds"]
    assert found.certificate.residual < 1e-9
    assert found.levels is not None
    s, t = found.levels[:2], found.levels[2:]
    # of equal firms either may be the one that gives all
    if s[held] != at:
        s, t = s[::-1], t[::-1]
    assert s[held] == at
    start = np.array([last_to_settle(firms, held, at), *t])
    assert start[0] == pytest.approx(s[1 - held], rel=1e-3)
    by_root, invested = firms.fold(start, held, at)
    assert s == pytest.approx(by_root, rel=1e-9)
    assert t == pytest.approx(invested, rel=1e-8)
    assert found.profit.sum() == pytest.approx(firms.joint(by_root, invested), rel=1e-9)
    # nothing that settles is better: along the fold, and before it
    best = firms.joint(by_root, invested)
    rng = np.random.default_rng(0)
    near = by_root * (1 + 0.02 * rng.normal(size=(60, 2))) + 0.01 * rng.random((60, 2))
    for other in np.clip(np.concatenate([rng.random((60, 2)), near]), 0.0, 1.0):
        settled = firms.settle(other, 400)
        if settled is not None and np.abs(firms.reply(0, other, settled) / settled[0] - 1) < 1e-9:
            assert firms.joint(other, settled) < best


@pytest.mark.slow
def test_the_best_of_a_fold_between_the_bounds_of_sharing() -> None:
    found, firms = solve_regime(make_case(**INSIDE), KEY), Firms(INSIDE)
    assert found.certificate.ending
    assert found.tree()["certificate"]["bounds"] == [ENDS]
    assert found.levels is not None
    s, t = found.levels[:2], found.levels[2:]

    def fallen(one: float) -> float:
        by_root, invested = firms.fold(np.array([s[1], *t]), 0, one)
        return -firms.joint(by_root, invested)

    best = minimize_scalar(fallen, bounds=(s[0] - 0.02, s[0] + 0.02), method="bounded")
    assert s[0] == pytest.approx(best.x, abs=1e-4)
    assert found.profit.sum() == pytest.approx(-best.fun, rel=1e-9)
    by_root, invested = firms.fold(np.array([s[1], *t]), 0, float(s[0]))
    assert s == pytest.approx(by_root, rel=1e-9)
    assert t == pytest.approx(invested, rel=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("parameters", [UNEQUAL, EQUAL], ids=["unequal", "equal"])
def test_a_fold_is_one_verdict_in_any_unit_order_and_company(parameters: dict[str, Any]) -> None:
    one = solve_regime(make_case(**parameters), KEY)
    told = set(one.tree()["certificate"]["bounds"])
    assert one.levels is not None
    for money, quantity in ((1e-4, 1e2), (1e6, 3e4)):
        other = solve_regime(counted_in(parameters, money, quantity), KEY)
        assert set(other.tree()["certificate"]["bounds"]) == told
        assert other.levels is not None
        same = other.levels / [1, 1, quantity, quantity]
        assert same == pytest.approx(one.levels, rel=1e-9)
        assert other.profit / money == pytest.approx(one.profit, rel=1e-9)
    swapped = solve_regime(make_case(**exchanged(parameters)), KEY)
    assert swapped.certificate.ending
    assert swapped.levels is not None
    assert sorted(swapped.levels) == pytest.approx(sorted(one.levels), rel=1e-9)
    dearer = {**parameters, "cost_scale": list(2 * np.broadcast_to(parameters["cost_scale"], 2))}
    both = [make_case(**p).flat() for p in (parameters, dearer)]
    scales = np.concatenate([np.broadcast_to(case.cost_scale, (1, 2)) for case in both])
    many = solve_markets(replace(both[0], cost_scale=scales), KEY, 2)
    assert many.status[0] == one.status
    assert many.ending[0]
    assert many.levels[0] == pytest.approx(one.levels, rel=1e-12)
    assert many.levels[1] == pytest.approx(solve_regime(both[1], KEY).levels, rel=1e-9)


def test_the_fold_of_the_closed_forms_is_where_two_equilibria_meet() -> None:
    """What the expected value rests on: a little before there are two, a little beyond none."""
    firms = Firms(UNEQUAL)

    def excess(one: float, s: Array) -> float:
        t = np.array([one, 0.0])
        t[1] = firms.reply(1, s, t)
        return float(firms.reply(0, s, t) - one)

    tried = np.linspace(100.0, 600.0, 501)
    for given, number in ((0.1525, 2), (0.1526, 0)):
        s = np.array([0.0, given])
        signs = np.sign([excess(one, s) for one in tried])
        assert np.count_nonzero(np.diff(signs)) == number
    before = brentq(lambda one: excess(one, np.array([0.0, 0.1525])), 200.0, 272.0)
    settled = firms.settle(np.array([0.0, 0.1525]))
    assert settled is not None
    assert settled[0] == pytest.approx(before, rel=1e-6)


@pytest.mark.parametrize("beyond", [1e-10, 1e-9, 1e-7])
def test_conditions_that_are_nearly_met_beyond_a_fold_are_no_equilibrium(beyond: float) -> None:
    firms, market = Firms(UNEQUAL), make_case(**UNEQUAL).flat()
    by_root, t = firms.fold(np.array([0.1525, 270.0, 280.0]), 0, 0.0)
    units = natural_units(market)
    for given, there in ((1 - beyond, True), (1 + beyond, False)):
        start = np.array([[0.0, by_root[1] * given, *(t / units.quantity[0, 0])]])
        # beyond, close to where conditions are nearest met
        start[:, 2:] *= 1 - (np.sqrt(beyond) if there else 3 * beyond)
        found = settled_near(in_units(market, units), start, DEFAULT)
        assert np.isfinite(found).all() == there
