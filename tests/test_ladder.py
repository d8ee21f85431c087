"""The way from today's market to the planner's by channels, against the same sums written out; and
reaction curves against a search over own levels."""

from __future__ import annotations

from itertools import combinations, permutations, product
from pathlib import Path

import numpy as np
import pytest

from market.model.case import Array, Case, levels
from market.model.outcome import account
from market.model.pricing import bertrand_matrix
from market.model.sharing import sharing_settles
from market.regimes import solve_regime
from market.regimes.reactions import reaction_curve
from mechanism.analysis.ladder import CHANNELS, ladder, own_effects, shapley
from mechanism.casefile.policy_case import load_case

CASES = Path(__file__).resolve().parents[1] / "cases"


def market(name: str) -> Case:
    """The market of a shipped case."""
    return load_case(CASES / f"{name}.yaml").market.flat()


def pair(values: Array) -> list[float]:
    """Both firms' values of a parameter."""
    return [float(v) for v in np.broadcast_to(np.asarray(values).reshape(-1), 2)]


def welfare(m: Case, x0: Array, x1: Array, opened: set[str]) -> float:
    """Welfare with some channels at x1 and the others at x0, from the equations one by one: (1) to
    (3), (21), the consumer's quadratic utility, the saturating cost."""
    a, b, alpha, spill = map(pair, (m.intercept, m.own_slope, m.rivalry, m.demand_spillover))
    p1, p2, p3 = map(pair, (m.leakage_own, m.leakage_cross, m.leakage_interaction))
    k, gamma, lam = map(pair, (m.cost_scale, m.max_saving, m.cost_spillover))
    z, t0 = float(m.cross_slope.ravel()[0]), float(m.reference_investment.ravel()[0])
    F = m.unit_cost
    base, less, slope, bend = (
        ([0, 0],) * 4 if F is None else map(pair, (F.base, F.spillover, F.slope, F.curvature))
    )

    def at(channel: str) -> tuple[Array, Array]:
        x = x1 if channel in opened else x0
        return x[:2], x[2:]

    def prices(A: list[float], c: list[float]) -> list[float]:
        pull = [A[i] + b[i] * c[i] for i in (0, 1)]
        return [
            (2 * b[1 - i] * pull[i] + z * pull[1 - i]) / (4 * b[0] * b[1] - z * z) for i in (0, 1)
        ]

    def demand(own: Array, got: tuple[Array, Array], leak: Array) -> list[float]:
        return [
            a[i]
            + own[i]
            - alpha[i] * own[1 - i]
            + spill[i] * got[0][1 - i] * got[1][1 - i]
            - (p1[i] * leak[i] ** 2 - p2[i] * leak[1 - i] ** 2 - p3[i] * leak[0] * leak[1])
            for i in (0, 1)
        ]

    def unit(own: Array, got: tuple[Array, Array]) -> list[float]:
        return [
            (base[i] - less[i] * got[0][1 - i] * got[1][1 - i])
            * (1 + slope[i] * own[i] + bend[i] / 2 * own[i] ** 2)
            for i in (0, 1)
        ]

    own, got, leak, saved = (at(channel) for channel in CHANNELS[:4])
    A, c = demand(own[1], got, leak[0]), unit(own[1], saved)
    start = (x0[:2], x0[2:])
    p = (
        prices(A, c)
        if "price response" in opened
        else prices(demand(x0[2:], start, x0[:2]), unit(x0[2:], start))
    )
    q = [A[i] - b[i] * p[i] + z * p[1 - i] for i in (0, 1)]
    total = 0.0
    for i in (0, 1):
        det = b[0] * b[1] - z * z
        choke = (b[1 - i] * A[i] + z * A[1 - i]) / det
        total += q[i] * (choke - b[1 - i] / det * q[i] / 2 - z / det * q[1 - i] / 2) - c[i] * q[i]
        y = lam[i] * saved[0][1 - i] * saved[1][1 - i] / t0
        total -= k[i] / 2 * own[1][i] ** 2 * (1 - gamma[i] * y / (1 + y))
    return total


@pytest.mark.parametrize("name", ["two_vendors", "large_and_small", "unit_costs"])
def test_channels_share_the_change_as_the_mean_over_all_orders(name: str) -> None:
    m = market(name)
    x0, x1 = levels([0.05, 0.1], [0.9, 0.7]), levels([0.8, 0.6], [3.0, 2.5])
    found = ladder(m, x0, x1)
    worth = {
        frozenset(some): welfare(m, x0, x1, set(some))
        for n in range(6)
        for some in combinations(CHANNELS, n)
    }
    mean = dict.fromkeys(CHANNELS, 0.0)
    for order in permutations(CHANNELS):
        for n, channel in enumerate(order):
            gain = worth[frozenset(order[: n + 1])] - worth[frozenset(order[:n])]
            mean[channel] += gain / 120
    assert found.shares == pytest.approx(mean, rel=1e-9, abs=1e-9)
    assert found.start == pytest.approx(worth[frozenset()], rel=1e-12)
    assert found.goal == pytest.approx(worth[frozenset(CHANNELS)], rel=1e-12)
    assert sum(found.shares.values()) == pytest.approx(found.goal - found.start, rel=1e-12)


def test_consumers_part_adds_up_to_what_they_gain() -> None:
    m = market("large_and_small")
    x0, x1 = levels([0.05, 0.1], [0.9, 0.7]), levels([0.8, 0.6], [3.0, 2.5])
    books = [account(m, x[None], bertrand_matrix).consumer_surplus.sum() for x in (x0, x1)]
    found = ladder(m, x0, x1)
    assert found.consumers is not None
    assert sum(found.consumers.values()) == pytest.approx(books[1] - books[0], rel=1e-12)


def test_a_channel_through_which_nothing_runs_adds_nothing() -> None:
    x0, x1 = levels([0, 0], [0.9, 0.7]), levels([0, 0], [3.0, 2.5])
    shares = ladder(market("two_vendors"), x0, x1).shares
    assert shares is not None
    for channel in ("spillover received", "leakage", "cost saving"):
        assert shares[channel] == 0
    assert shares["own investment"] != 0


def test_what_describes_no_market_is_not_split() -> None:
    m = market("two_vendors")
    found = ladder(m, levels([0, 0], [1, 1]), levels([1, 1], [1, 200]))
    assert found.shares is None
    assert "negative" in found.why


def test_shapley_values_of_games_whose_values_are_known() -> None:
    """Two gloves on the left, one on the right (1/6, 1/6, 4/6); an airport for planes that need 1,
    2 and 3: everybody pays its part of every stretch it needs."""
    coalitions = list(product((0, 1), repeat=3))
    gloves = np.array([float(min(a + b, c)) for a, b, c in coalitions])
    np.testing.assert_allclose(shapley(gloves), [1 / 6, 1 / 6, 4 / 6])
    airport = np.array([float(max(a, 2 * b, 3 * c)) for a, b, c in coalitions])
    np.testing.assert_allclose(shapley(airport), [1 / 3, 1 / 3 + 1 / 2, 1 / 3 + 1 / 2 + 1])


@pytest.mark.parametrize(
    "name",
    ["two_vendors", "large_and_small", pytest.param("unit_costs", marks=pytest.mark.slow)],
)
def test_direct_and_strategic_effects_cancel_in_the_market_today(name: str) -> None:
    """(7) and (8) are the first-order conditions at an equilibrium off the bounds."""
    m = market(name)
    today = solve_regime(m, "nash")
    assert today.levels is not None
    effects = own_effects(m, today.levels)
    for level in ("sharing", "investment"):
        direct, strategic = (getattr(effects, f"{k}_{level}") for k in ("direct", "strategic"))
        np.testing.assert_allclose(direct, -strategic, atol=1e-7)
        assert (strategic > 0).all()  # Proposition 1: the rival asks more


@pytest.mark.parametrize("name", ["large_and_small", "unit_costs"])
def test_effects_are_derivatives_of_own_profit(name: str) -> None:
    """Together they are those along (21); the direct one is that at prices that stay."""
    m, x, h = market(name), levels([0.4, 0.3], [1.2, 0.8]), 1e-5
    effects, price = own_effects(m, x), account(m, x[None], bertrand_matrix).price

    def profit(at: Array, fixed: bool) -> Array:
        books = account(m, at[None], bertrand_matrix)
        if not fixed:
            return books.profit[0]
        A = books.quantity + m.own_slope * books.price - m.cross_slope * books.price[:, ::-1]
        sold = A - m.own_slope * price + m.cross_slope * price[:, ::-1]
        return ((price - books.unit_cost) * sold - books.investment_cost)[0]

    for k, level in enumerate(("sharing", "investment")):
        for firm in (0, 1):
            step = np.zeros(4)
            step[2 * k + firm] = h
            slopes = [
                (profit(x + step, fixed) - profit(x - step, fixed))[firm] / (2 * h)
                for fixed in (True, False)
            ]
            direct = getattr(effects, f"direct_{level}")[firm]
            strategic = getattr(effects, f"strategic_{level}")[firm]
            assert [direct, direct + strategic] == pytest.approx(slopes, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", ["two_vendors", "large_and_small"])
def test_reaction_curves_meet_in_the_market_today(name: str) -> None:
    m = market(name)
    today = solve_regime(m, "nash").levels
    assert today is not None
    for firm in (0, 1):
        on = reaction_curve(m, firm, today[[3 - firm]])
        np.testing.assert_allclose(on[0], today, rtol=1e-9)


def test_nobody_gains_off_its_reaction_curve() -> None:
    """Against a grid of own levels, the rival's as they are on the curve; its sharing is best
    too."""
    m = market("large_and_small")
    assert sharing_settles(m.flat()).all()
    s, t = (g.ravel() for g in np.meshgrid(np.linspace(0, 1, 41), np.linspace(0, 4, 81)))
    for firm, rival in product((0, 1), (0.3, 2.0)):
        (x,) = reaction_curve(m, firm, np.array([rival]))
        tries = np.repeat(x[None], len(s), 0)
        tries[:, firm], tries[:, 2 + firm] = s, t
        best = account(m, tries, bertrand_matrix).profit[:, firm].max()
        own = account(m, x[None], bertrand_matrix).profit[0, firm]
        assert own >= best
        other = np.repeat(x[None], 101, 0)
        other[:, 1 - firm] = np.linspace(0, 1, 101)
        earned = account(m, other, bertrand_matrix).profit[:, 1 - firm]
        assert account(m, x[None], bertrand_matrix).profit[0, 1 - firm] >= earned.max()
