"""Firms that leave: prices against consumers who cannot buy less than nothing, replies against
brute force, boundedness and optima among levels at which every firm sells."""

from __future__ import annotations

import numpy as np
import pytest
from admissible import FIERCE, LED
from numpy.typing import NDArray
from wild_markets import made
from wild_search import bounded_sharing, earned, read, regret, replies, reply_growth, unit_costs

from market.model.aside import Aside
from market.model.case import Case, UnitCost, make_case
from market.model.cost import own_parabola, received_at_nil
from market.model.leaving import sales, true_profits
from market.model.own_levels import net_intercepts_in_own_levels
from market.model.payoff import Payoff
from market.model.pricing import net_intercept, sold_matrix
from market.model.reply import best_reply
from market.model.units import in_units, natural_units
from market.model.wellposed import investment_response, remaining_cost
from market.regimes import (
    BOTH,
    REGIMES,
    benefit_matrix,
    level_bounds,
    sole_payoff,
    solve_regime,
)
from market.regimes.sellers import climb_among_sellers
from market.regimes.starts import fine_starts
from market.regimes.table import needed_scale
from mechanism.casefile.policy_case import parse_tree

Array = NDArray[np.float64]


def demand(D: Array, N: Array, margin: Array) -> Array:
    """What a consumer with quadratic utility buys at these margins when quantities cannot be
    negative: the best of the four supports."""
    Z = np.linalg.inv(D)
    r = Z @ N
    best, bought = 0.0, np.zeros(2)
    for support in ([0], [1], [0, 1]):
        q = np.zeros(2)
        q[support] = np.linalg.solve(Z[np.ix_(support, support)], (r - margin)[support])
        worth = float((r - margin) @ q - q @ Z @ q / 2)
        if (q >= 0).all() and worth > best:
            best, bought = worth, q
    return bought


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_prices_are_an_equilibrium_against_consumers_who_cannot_buy_less_than_nothing(
    seed: int,
) -> None:
    """No firm gains by another price, whoever sells; all three cases of who does are met."""
    rng = np.random.default_rng(seed)
    b = rng.uniform(0.5, 2, 2)
    x = rng.uniform(0.1, 0.95) * b.min()
    case = make_case(
        intercept=1,
        own_slope=b,
        cross_slope=x,
        rivalry=0,
        demand_spillover=0,
        leakage=(1, 0, 0),
        cost_scale=1,
        max_saving=0,
        cost_spillover=0,
    ).flat()
    D = np.array([[b[0], -x], [-x, b[1]]])
    for low in (3.0, -0.2, -0.6, -1.2, -6.0):
        N = np.array([4.0, low])[:: 1 if seed % 2 else -1]
        found = sales(case, N[None])
        margin, sold = found.margin[0], found.sold[0]
        np.testing.assert_allclose(demand(D, N, margin), sold, atol=1e-9)
        for firm in (0, 1):
            for price in np.linspace(0, 8, 321):
                other = margin.copy()
                other[firm] = price
                assert price * demand(D, N, other)[firm] <= margin[firm] * sold[firm] + 1e-9


def wild(rng: np.random.Generator, number: int) -> Case:
    """A market in which driving the rival out may pay: strong rivalry, cheap security; some with
    unit costs, some with a cap."""
    b, dear = rng.uniform(0.5, 2, 2), number % 3 == 0

    def pair(low: float, high: float) -> Array:
        return rng.uniform(low, high, 2)

    return make_case(
        intercept=pair(2, 20),
        own_slope=b,
        cross_slope=rng.uniform(0.05, 0.6) * b.min(),
        rivalry=pair(0.5, 1),
        demand_spillover=pair(-0.5, 1),
        leakage=(pair(1, 5), pair(0, 0.5), pair(0, 0.3)),
        cost_scale=rng.uniform(0.2, 1.5),
        max_saving=rng.uniform(0, 0.5),
        cost_spillover=pair(0, 1),
        investment_cap=None if number % 2 else rng.uniform(1, 40),
        cost_form="restricted" if number % 5 == 0 else "saturating",
        unit_cost=(
            pair(0, 2) * dear,
            pair(0, 0.02) * dear,
            pair(0, 0.05) * dear,
            pair(0, 0.01) * dear,
        ),
    ).flat()


def climbed(case: Case, x: Array, firm: int, top: float) -> float:
    """The highest true profit on a fine grid of own levels, improved by shrinking steps."""
    s, t = (
        a.ravel()
        for a in np.meshgrid(np.linspace(0, 1, 81), np.linspace(0, top, 801), indexing="ij")
    )
    tried = np.repeat(x, len(s), axis=0)
    tried[:, firm], tried[:, 2 + firm] = s, t
    value = true_profits(case, tried)[:, firm]
    point, best = tried[value.argmax()], float(value.max())
    step_s, step_t = 0.02, top / 400
    moves = np.array([[a, b] for a in (-1, -0.5, 0, 0.5, 1) for b in (-1, -0.5, 0, 0.5, 1)])
    while step_s > 1e-9:
        near = np.repeat(point[None], len(moves), axis=0)
        near[:, firm] = np.clip(near[:, firm] + moves[:, 0] * step_s, 0, 1)
        near[:, 2 + firm] = np.clip(near[:, 2 + firm] + moves[:, 1] * step_t, 0, top)
        value = true_profits(case, near)[:, firm]
        if value.max() > best + 1e-15:
            best, point = float(value.max()), near[value.argmax()]
        else:
            step_s, step_t = step_s / 2, step_t / 2
    return best


@pytest.mark.slow
def test_replies_that_drive_the_rival_out_are_found() -> None:
    """The reply is worth what is claimed and nothing on a fine grid is better, with the rival out
    in many of them."""
    rng = np.random.default_rng(5)
    driven, endless = 0, 0
    for number in range(60):
        case = wild(rng, number)
        x = np.concatenate([rng.uniform(0, 1, 2), rng.uniform(0, 12, 2)])[None]
        for firm in (0, 1):
            reply, value = best_reply(case, x, firm)
            if np.isinf(value[0]):
                endless += 1
                far = x.copy()
                far[0, 2 + firm] = 1e7
                worth = max(
                    true_profits(case, np.where(np.arange(4) == firm, s, far))[0, firm]
                    for s in (0.0, 1.0)
                )
                assert worth > 0
                continue
            size = max(1.0, abs(float(value[0])))
            assert true_profits(case, reply)[0, firm] == pytest.approx(value[0], abs=1e-9 * size)
            top = (
                float(np.min(case.investment_cap))
                if number % 2 == 0
                else max(60.0, 4 * reply[0, 2 + firm])
            )
            assert climbed(case, x, firm, top) <= value[0] + 1e-9 * size
            driven += bool(sales(case, net_intercept(case, reply)).out[0, 1 - firm])
    assert driven >= 8
    assert endless >= 2


def aside_of(case: Case, x: Array, firm: int) -> Aside:
    """A firm's profit with its rival out, against levels x (1, 4)."""
    kappa, origin = own_parabola(case, x, firm)
    intercepts = net_intercepts_in_own_levels(case, x, firm)
    return Aside.of(case, firm, (0.0, 1.0), intercepts, kappa, origin)


def test_nothing_that_drives_the_rival_out_earns_more_than_its_bound() -> None:
    """On a fine grid of own levels, over all own sharing or on cells of it; and on fine cells the
    bound is hardly above what is earned, however near profit is to having no limit."""
    rng = np.random.default_rng(11)
    asked, close, simple = 0, 0, 0
    for number in range(120):
        case = wild(rng, number)
        x = np.concatenate([rng.uniform(0, 1, 2), rng.uniform(0, 12, 2)])[None]
        for firm in (0, 1):
            if np.isinf(best_reply(case, x, firm)[1][0]):
                continue
            top = min(60.0, float(np.min(case.investment_cap)))
            s, t = np.meshgrid(np.linspace(0, 1, 101), np.linspace(0, top, 601))
            tried = np.repeat(x, s.size, axis=0)
            tried[:, firm], tried[:, 2 + firm] = s.ravel(), t.ravel()
            out = sales(case, net_intercept(case, tried)).out[:, 1 - firm]
            if not out.any():
                continue
            most = float(true_profits(case, tried)[out, firm].max())
            aside, size = aside_of(case, x, firm), max(1.0, abs(most))
            if most > 0:
                asked += 1
                for how in ((1, False), (16, False), (16, True), (100, True)):
                    assert aside.may_pay(np.array([most - 1e-9 * size]), *how)[0]
            if case.unit_cost is None or not np.any(case.unit_cost.base):
                simple += 1
                close += not aside.may_pay(np.array([max(most, 0.0) + 0.2 * size]), 500, True)[0]
    assert asked >= 50
    print(asked, close, simple)
    assert close >= 0.95 * simple


def test_a_rival_that_just_leaves_is_out_whichever_way_rounding_goes() -> None:
    """Against one firm's levels the other's best profit with it out has no gaps in own sharing:
    beside a level at which it can be driven out it can be by nearly the same."""
    x = np.array([[0.02, 0.0, 4.05, 0.0]])
    aside = aside_of(LED.flat(), x, 1)
    value = aside.best_investment(np.linspace(0, 0.6, 601)[:, None])[1][:, 0]
    assert np.isfinite(value).all()
    assert np.abs(np.diff(value)).max() < 0.01 * np.ptp(value) + 0.1


@pytest.mark.slow
def test_only_growth_with_every_firm_selling_makes_a_problem_unbounded() -> None:
    """The scale that is needed bounds every sampled direction at which no quantity falls, and is
    approached by the best of them."""
    rng = np.random.default_rng(3)
    angles = np.linspace(0, np.pi / 2, 721)
    t = np.stack([np.cos(angles), np.sin(angles)], -1)
    fan = 0
    for _ in range(40):
        b = rng.uniform(0.5, 2, 2)
        case = make_case(
            intercept=20,
            own_slope=b,
            cross_slope=rng.uniform(0, 0.95) * b.min(),
            rivalry=rng.uniform(0.3, 1, 2),
            demand_spillover=rng.uniform(-0.5, 0.6, 2),
            leakage=(3, 0.5, 0.2),
            cost_scale=1,
            max_saving=rng.uniform(0, 0.8),
            cost_spillover=rng.uniform(0, 1, 2) * (rng.random(2) < 0.8),
        ).flat()
        for key in ("joint_profit", "social_optimum", "first_best"):
            regime = REGIMES[key]
            needed = float(needed_scale(case, regime)[0])
            Q, S, kappa = (
                benefit_matrix(case, regime)[0],
                sold_matrix(case, regime.prices)[0],
                remaining_cost(case)[0],
            )
            found, free = -np.inf, -np.inf
            line = np.linspace(0, 1, 201)
            for fixed in (0, 1):
                for end in (0.0, 1.0):
                    s = np.empty((len(line), 2))
                    s[:, fixed], s[:, 1 - fixed] = end, line
                    rise = np.einsum("sij,nj->sni", investment_response(case, s), t)
                    gain = 2 * np.einsum("sni,ij,snj->sn", rise, Q, rise) / (kappa * t**2).sum(-1)
                    sells = (np.einsum("ij,snj->sni", S, rise) >= -1e-12).all(-1)
                    found, free = (
                        max(found, float(gain[sells].max(initial=-np.inf))),
                        max(free, float(gain.max())),
                    )
            assert found <= needed * (1 + 1e-9)
            assert found >= needed * (1 - 2e-2)
            fan += free > needed * (1 + 1e-6)
    assert fan >= 10


ALLIANCE = {
    "own_slope": 0.4,
    "cross_slope": 0.1,
    "rivalry": 0.55,
    "demand_spillover": 0.2,
    "leakage": (5, 0.4, 0.9),
    "cost_spillover": 0.2,
}


@pytest.mark.parametrize(
    ("case", "key", "value", "out"),
    [
        (
            make_case(intercept=50, cost_scale=8, max_saving=0.85, **ALLIANCE),
            "joint_profit",
            5681.387144,
            [],
        ),
        (
            make_case(intercept=50, cost_scale=8, max_saving=0.85, **ALLIANCE),
            "price_collusion",
            5948.432707,
            [],
        ),
        (FIERCE, "joint_profit", 68.2835, [1]),
    ],
)
def test_the_best_levels_at_which_every_firm_sells(
    case: Case, key: str, value: float, out: list[int]
) -> None:
    """Figures derived independently; in the last the chooser would rather drive a firm out, and one
    quantity is zero."""
    case, regime = case.flat(), REGIMES[key]
    Q = benefit_matrix(case, regime)
    starts = np.concatenate(
        [
            fine_starts(case, Q)[0][0] * [1, 1, *pair]
            for pair in ((1, 1), (0.1, 0.1), (1, 0), (0, 1))
        ]
    )
    payoff = Payoff(case=case, benefit=Q, cost_weight=BOTH).take(np.zeros(len(starts), int))
    found = climb_among_sellers(
        payoff, sold_matrix(case, regime.prices), starts, *level_bounds(case, len(starts))
    )
    best = np.where(found.residual <= 1e-9, found.value, -np.inf).argmax()
    assert found.value[best] == pytest.approx(value, abs=6e-5)
    assert sorted(np.flatnonzero(found.out[best])) in (out, [1 - i for i in out])


@pytest.mark.slow
def test_a_quantity_at_nil_is_told_where_rounding_moves_its_price() -> None:
    """Leakage of many times demand, which hardly costs more than it brings: the value from a search
    along the levels at which firm 1 sells nothing (`wild_search`)."""
    tree = made(1, 771)
    told = solve_regime(parse_tree(tree).market, "first_best")
    assert (told.status, told.certificate.driven_out) == ("infeasible", 0)
    assert told.certificate.value == pytest.approx(5.356432640975578 * read(tree).money, rel=1e-9)


@pytest.mark.slow
def test_a_firm_that_is_out_may_share_what_keeps_it_out() -> None:
    """What firm 2 shares makes firm 1's product sell, firm 1's investment drives firm 2 out, and
    without that sharing it would not pay: the profit from a search over all own levels
    (`wild_search`)."""
    outcome = solve_regime(
        make_case(
            intercept=[0.573, 1.744],
            own_slope=1,
            cross_slope=4.3e-5,
            rivalry=[0.942, 0.996],
            demand_spillover=0.104,
            leakage=([97.4, 0.0017], [97.3, 0.0009], [0, 0.0005]),
            cost_scale=25.7,
            max_saving=[0.182, 0.532],
            cost_spillover=1.0,
            reference_investment=1.03e-4,
            cost_form="exponential",
        ),
        "nash",
    )
    assert (outcome.status, outcome.certificate.driven_out) == ("infeasible", 1)
    (only,) = outcome.certificate.others
    np.testing.assert_allclose(only.profit, [2442.296121889125, 0], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(only.levels, [0, 1, 1.9418395925, 0], atol=1e-6)


def market(**changes: dict[str, object]) -> Case:
    """A market in which one firm may keep the other out."""
    tree: dict[str, dict[str, object]] = {
        "demand": {"intercept": [30, 20], "own_slope": 1.5, "cross_slope": 0.6},
        "security": {
            "rivalry": 0.85,
            "demand_spillover": 0.5,
            "leakage": {"own": 3, "cross": 1, "interaction": 0.5},
        },
        "cost": {"scale": 0.22, "max_saving": 0, "spillover": 0.5},
    }
    for block, keys in changes.items():
        tree[block] = tree[block] | keys
    return parse_tree(tree).market


def alone(case: Case, firm: int) -> Array:
    """What a firm invests that sells alone at the monopoly price, nothing being shared: q = M / (2
    b), M = b a + x a_j + (b - x rivalry) t, profit M^2 / (4 b (b^2 - x^2)) less k t^2 / 2."""
    b, x, k = (float(a.ravel()[0]) for a in (case.own_slope, case.cross_slope, case.cost_scale))
    a, alpha = np.broadcast_to(case.intercept, 2), float(case.rivalry.ravel()[0])
    level, slope = b * a[firm] + x * a[1 - firm], b - x * alpha
    t = level * slope / (2 * b * (b**2 - x**2) * k - slope**2)
    profit = (level + slope * t) ** 2 / (4 * b * (b**2 - x**2)) - k * t**2 / 2
    return np.array([t, profit])


@pytest.mark.parametrize("intercept", [[30, 20], [20, 30], 25])
def test_every_equilibrium_with_a_firm_out_is_found_in_either_order(
    intercept: float | list[float],
) -> None:
    """Either firm may have the market to itself; that which earns more is told first."""
    case = market(demand={"intercept": intercept})
    found = solve_regime(case, "no_sharing")
    assert found.status == "infeasible"
    told = {int(one.levels[2:].argmax()): one for one in found.certificate.others}
    assert sorted(told) == [0, 1]
    for firm, one in told.items():
        t, profit = alone(case, firm)
        assert one.levels[2 + firm] == pytest.approx(t, rel=1e-8)
        assert one.profit[firm] == pytest.approx(profit, rel=1e-8)
        assert one.levels[3 - firm] == one.profit[1 - firm] == 0
    first = found.certificate.others[0]
    assert first.profit.sum() == max(one.profit.sum() for one in told.values())
    assert found.certificate.driven_out == int(first.levels[2:].argmin())
    assert found.message is not None
    assert "each of the 2 equilibria" in found.message


def test_equilibria_with_a_firm_out_stand_beside_one_in_which_both_sell() -> None:
    """The headline is that in which both sell, though one firm alone earns far more."""
    case = market(demand={"intercept": 20}, cost={"scale": 0.26})
    found = solve_regime(case, "no_sharing")
    assert found.status == "converged"
    t, profit = alone(case, 0)
    assert profit > 10 * found.profit.sum()
    told = [one.levels[2:] for one in found.certificate.others]
    np.testing.assert_allclose(np.sort(told, 0), [[0, 0], [t, t]], rtol=1e-8)
    assert found.certificate.unique is not None
    assert found.certificate.unique.status == "no"
    assert "2 of them with a firm out" in found.certificate.unique.basis


@pytest.mark.slow
@pytest.mark.parametrize(
    ("blocks", "levels", "joint"),
    [
        (
            {
                "demand": {"intercept": 9, "own_slope": 1.3, "cross_slope": 0.3},
                "security": {
                    "rivalry": 0.5,
                    "demand_spillover": 1.0,
                    "leakage": {"own": 1.9, "cross": 0.6, "interaction": 0.3},
                },
                "cost": {
                    "scale": 3.4,
                    "max_saving": 0.86,
                    "spillover": 0.6,
                    "reference_investment": 3.5,
                },
            },
            [1, 1, 52.03165218, 52.03165218],
            1552.40887,
        ),
        (
            {
                "demand": {"intercept": [33, 38], "own_slope": 1.6, "cross_slope": 1.4},
                "security": {
                    "rivalry": 0.9,
                    "demand_spillover": [0.86, -0.07],
                    "leakage": {"own": 4.7, "cross": 2.0, "interaction": 0.36},
                },
                "cost": {"form": "restricted", "scale": 0.52, "max_saving": 0.5, "spillover": 0.3},
            },
            [0, 1, 88.92621398, 59.94909868],
            2683.56,
        ),
    ],
)
def test_equilibria_are_found_that_best_replies_run_away_from(
    blocks: dict[str, dict[str, object]], levels: list[float], joint: float
) -> None:
    """Levels and profits as somebody else's search found them, with no gain by any deviation."""
    found = solve_regime(market(**blocks), "nash")
    assert found.levels is not None
    np.testing.assert_allclose(found.levels, levels, rtol=1e-6, atol=1e-9)
    assert found.profit.sum() == pytest.approx(joint, rel=1e-6)


@pytest.mark.slow
def test_replies_that_would_make_the_rivals_unit_cost_negative_count_nowhere() -> None:
    """Sharing with a firm that is out makes its unit cost nil before it stops paying: firm 1's
    profit is the most of a fine line of levels at which it is, by the formulas of `wild_search`."""
    tree = made(1, 888)
    m = read(tree)
    outcome = solve_regime(parse_tree(tree).market, "nash")
    assert (outcome.status, outcome.certificate.driven_out) == ("infeasible", 1)
    (only,) = outcome.certificate.others
    t = np.linspace(m.most[0], 2 * m.most[0], 400_001)
    none = np.zeros_like(t)
    most = earned(m, np.column_stack([m.most[0] / t, none, t, none]))[:, 0].max()
    assert only.profit / m.money == pytest.approx([most, 0], rel=1e-9)
    x = only.levels / [1, 1, m.amount, m.amount]
    assert (unit_costs(m, x) >= -1e-12 * m.base).all()
    np.testing.assert_allclose(regret(m, x[None], True), 0, atol=1e-9 * most)


def test_all_is_shared_where_sharing_nothing_drives_the_rival_out() -> None:
    """At the prices of two sellers nothing shared would be better than all: what a firm shares
    makes its rival sell less, and its own leak is small. But the rival is out where nothing is
    shared, and in where all is."""
    case = make_case(
        intercept=[2.5, 1.8],
        own_slope=1.7,
        cross_slope=0.03,
        rivalry=[0.3, 0.73],
        demand_spillover=[0.4, -0.3],
        leakage=(np.array([0.02, 5.0]), np.array([0.01, 2.9]), 0.0),
        cost_scale=0.38,
        max_saving=0.2,
        cost_spillover=0.4,
        investment_cap=3.3,
    ).flat()
    reply, value = best_reply(case, np.zeros((1, 4)), 0)
    shares, t = np.linspace(0, 1, 101), np.linspace(0, 3.3, 331)
    s, t = (a.ravel() for a in np.meshgrid(shares, t))
    x = np.stack([s, 0 * s, t, 0 * t], -1)
    assert sales(case, net_intercept(case, x[s == 0][-1:])).out[0, 1]
    assert value[0] >= true_profits(case, x)[:, 0].max() - 1e-12
    assert reply[0].tolist() == [1, 0, 3.3, 0]


@pytest.mark.parametrize("number", [166, 337])
def test_no_levels_with_unit_costs_beat_a_reply(number: int) -> None:
    """Against a search on a grid that closes in, levels with a negative unit cost left out
    (`wild_search`), where what rivals share makes the own unit cost nil or nearly."""
    tree, rng, compared = made(1, number), np.random.default_rng(number), 0
    m, case = read(tree), parse_tree(tree).market.flat()
    natural = in_units(case, natural_units(case)).take(np.zeros(8, int))
    for firm in (0, 1):
        x = np.zeros((8, 4))
        x[:, 1 - firm], x[:, 3 - firm] = rng.choice([0, 0.01, 1], 8), 10 ** rng.uniform(-2, 2, 8)
        x[:, 2:] = np.minimum(x[:, 2:], m.cap)
        x = bounded_sharing(m, x)
        reply, value = best_reply(natural, x, firm)
        if not np.isfinite(value).all():
            assert reply_growth(m, firm, True) > 1
            continue
        found = replies(m, x, firm, True)[1]
        size = np.maximum(1, np.abs(found))
        assert (value >= found - 1e-9 * size).all()
        np.testing.assert_allclose(earned(m, reply)[:, firm] / size, value / size, atol=1e-8)
        compared += 1
    assert compared


@pytest.mark.slow
def test_a_narrow_peak_at_a_nil_unit_cost_is_not_missed() -> None:
    """The planner's payoff is positive at a nil unit cost only where one firm's investment lies in
    a band of some per cent: levels and value from an independent search (`wild_search`)."""
    tree = made(1, 185)
    found = solve_regime(parse_tree(tree).market, "social_optimum")
    assert found.status == "infeasible"
    assert found.message is not None
    assert "drives a unit cost to zero or below" in found.message
    case = parse_tree(tree).market.flat()
    natural = in_units(case, natural_units(case))
    payoff = sole_payoff(natural, REGIMES["social_optimum"])
    x = np.array([[1, 1, 4.60476765e5, 2.17023437e5]])
    assert payoff.value(x)[0] == pytest.approx(12508460637.9, rel=1e-6)


@pytest.mark.parametrize(("saved", "most"), [(0.5, 4.0), (0.0, np.inf), (5e-324, np.inf)])
def test_what_makes_a_unit_cost_nil(saved: float, most: float) -> None:
    """c / lambdahat, without limit where nothing received lowers it, or next to nothing."""
    none = np.zeros(1)
    cost = UnitCost(base=np.array([2.0]), spillover=np.array([saved]), slope=none, curvature=none)
    assert received_at_nil(cost).tolist() == [most]
