"""Markets at the edges of what describes one: firms that would leave, payoffs that diverge, price
games, colliding types; figures derived independently."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from trees import evaluate
from wild_markets import made
from wild_search import read

from market.casefile.faults import BadCase
from market.model.case import make_case
from market.model.outcome import account
from market.model.reply import best_reply, reply_bound
from market.model.wellposed import required_scale
from market.regimes import REGIMES, benefit_matrix, solve_regime
from mechanism.casefile.policy_case import load_case, parse_tree

FIERCE: dict[str, Any] = {
    "demand": {"intercept": 10, "own_slope": 1, "cross_slope": 0},
    "security": {
        "rivalry": 0.9,
        "demand_spillover": 0.05,
        "leakage": {"own": 1, "cross": 0.1, "interaction": 0.1},
    },
    "cost": {"scale": 0.7, "max_saving": 0.2, "spillover": 0.5},
}
"""Unrelated products and security that mainly takes the rival's customers."""

REGULATED: dict[str, Any] = {
    "demand": {"intercept": [73.0, 83.0], "own_slope": [5.0, 8.3], "cross_slope": 4.6},
    "security": {
        "rivalry": 0.15,
        "demand_spillover": 0.41,
        "leakage": {"own": 4.1, "cross": 0.26, "interaction": 0.3},
    },
    "cost": {"scale": 3.6, "max_saving": 0.43, "spillover": [0.42, 0.71]},
    "unit_cost": {"base": 2.0, "spillover": 0.00029, "slope": 0.028, "curvature": 0.011},
}

ACME: dict[str, Any] = {
    "demand": {"intercept": [30, 14], "own_slope": [1.6, 1.2], "cross_slope": 0.8},
    "security": {
        "rivalry": 0.25,
        "demand_spillover": 0.35,
        "leakage": {"own": 2.0, "cross": 0.4, "interaction": 0.1},
    },
    "cost": {"scale": 18, "max_saving": 0.35, "spillover": [0.2, 0.7]},
}


def two_vendors(**cost: Any) -> Any:
    """The first shipped market with other costs."""
    tree = copy.deepcopy(load_case("cases/two_vendors.yaml").resolved)
    tree["cost"] |= cost
    return parse_tree(tree).market


@pytest.mark.slow
def test_choosers_that_would_drive_a_firm_out_claim_nothing_and_say_what_is_reached_with_both() -> (
    None
):
    """Joint profit is highest with one quantity at zero, 68.2835; who is driven out of equal firms
    has to be one of them."""
    market = parse_tree(FIERCE).market
    for key in ("joint_profit", "price_collusion", "social_optimum", "first_best"):
        found = solve_regime(market, key)
        assert found.status == "infeasible"
        assert found.levels is None
        assert found.certificate.driven_out == 1
        near = found.certificate.approached
        assert near is not None
        told = near.profit.sum() if REGIMES[key].chooser != "planner" else near.welfare
        assert found.certificate.value == pytest.approx(told, rel=1e-8)
        sold = account(market.flat(), near.levels[None], REGIMES[key].prices).quantity[0]
        assert abs(sold[1]) < 1e-8 * sold[0]
    value = solve_regime(market, "joint_profit").certificate.value
    assert value == pytest.approx(68.2835, abs=1e-4)
    leader = solve_regime(market, "sequential")
    assert (leader.status, leader.certificate.driven_out) == ("infeasible", 1)
    (there,) = leader.certificate.others
    # alone, at t = 25: (10 + 25)^2 / 4 - .35 25^2
    assert there.profit[0] == pytest.approx(87.5, rel=1e-9)
    for key in (
        "nash",
        "investment_first",
    ):  # what is shared wins nothing where products are unrelated
        found = solve_regime(market, key)
        assert found.levels is not None
        # N = 10 + .1 t = 1.4 t; driving the rival out wins nothing
        np.testing.assert_allclose(found.levels[2:], 10 / 1.3, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "regime", "value"),
    [
        # hardly any levels at which both sell: one leaks much, the other can only just sell
        (
            352,
            "first_best",
            1074.75065379,
        ),
        (352, "joint_profit", 537.00060017),
        (384, "first_best", 1.05511718659),  # in units far from one firm's size
        (392, "joint_profit", 1.12674276234),  # optima in pairs
        (492, "joint_profit", 1.2125833939611e17),  # at investments of 1e9
    ],
)
def test_the_best_with_both_in_is_found_where_few_climbs_stay_among_sellers(
    number: int, regime: str, value: float
) -> None:
    """What sequential quadratic programming from a grid of all sizes reaches, in natural units; it
    lets a quantity be 1e-9 short."""
    tree = made(1, number)
    found = solve_regime(parse_tree(tree).market, regime)
    assert (found.status, found.certificate.driven_out is not None) == ("infeasible", True)
    assert found.certificate.value / read(tree).money == pytest.approx(value, rel=5e-8)


@pytest.mark.slow
def test_an_equilibrium_far_out_that_replies_run_away_from_is_found() -> None:
    """What firms exchange outgrows the market they began with: of two equilibria the far one earns
    more; an independent search's levels."""
    tree = made(1, 459)
    found = solve_regime(parse_tree(tree).market, "nash")
    assert found.levels is not None
    amount = [1, 1, read(tree).amount, read(tree).amount]
    np.testing.assert_allclose(
        found.levels / amount,
        [7.05674531e-04, 3.95085029e-02, 1.40689272e04, 1.37231511e03],
        rtol=1e-7,
    )
    (near,) = found.certificate.others
    np.testing.assert_allclose(near.levels[2:] / amount[2:], [1.01628239, 0.270663494], rtol=1e-7)


@pytest.mark.slow
def test_the_regulated_game_is_played_among_levels_at_which_every_firm_sells() -> None:
    """Unit costs that are convex in investment: the planner's optimum is the equilibrium and
    nothing is paid on balance."""
    found = evaluate(parse_tree(REGULATED))
    optimum, full = found["regimes"]["social_optimum"], found["mechanism"]["full_information"]
    np.testing.assert_allclose(optimum["investment"], [12.365, 11.204], atol=1e-3)
    assert optimum["welfare"] == pytest.approx(3167.667484, rel=1e-9)
    assert full["regulated"]["status"] in ("converged", "corner")
    np.testing.assert_allclose(full["net_transfer"], 0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scale", "exists"),
    [(0.803571406906, False), (0.80357142857, False), (0.8036, True), (0.81, True)],
)
def test_no_equilibrium_is_claimed_beyond_where_payoffs_diverge(scale: float, exists: bool) -> None:
    """It exists only above .9/1.12; below, levels at which rounding hides the slope beside a payoff
    of 1e23 are none."""
    found = solve_regime(two_vendors(scale=scale), "nash")
    assert found.solved is exists


def test_a_market_without_investment_is_a_price_game() -> None:
    """q = 100 - 2p + p', unit costs 30 and 10: prices 50.667 and 42.667, under one owner 65 and
    55."""
    tree = {
        "demand": {"intercept": 100, "own_slope": 2, "cross_slope": 1},
        "security": {
            "rivalry": 0,
            "demand_spillover": 0,
            "leakage": {"own": 1, "cross": 0, "interaction": 0},
        },
        "cost": {"scale": 1, "max_saving": 0, "spillover": 0, "investment_cap": 0},
        "unit_cost": {"base": [30, 10]},
    }
    market = parse_tree(tree).market
    for key, prices in (("nash", [152 / 3, 128 / 3]), ("price_collusion", [65, 55])):
        found = solve_regime(market, key)
        assert found.accounts is not None
        np.testing.assert_allclose(found.accounts.price, prices, rtol=1e-12)
        np.testing.assert_array_equal(found.accounts.investment_cost, 0)


@pytest.mark.slow
def test_seats_in_thousands_millions_or_one_by_one_give_the_same_answer() -> None:
    """With the reference investment in the same unit spillovers stay pure numbers."""
    sharing = []
    for seats in (1.0, 1e3, 1e-3):
        tree = copy.deepcopy(ACME)
        tree["demand"] = {
            key: np.multiply(value, seats if key == "intercept" else seats**2).tolist()
            for key, value in tree["demand"].items()
        }
        tree["security"]["leakage"] = {
            key: value * seats for key, value in tree["security"]["leakage"].items()
        }
        tree["cost"] |= {"scale": 18 / seats**2, "reference_investment": seats}
        found = solve_regime(parse_tree(tree).market, "social_optimum")
        assert found.levels is not None
        sharing.append([*found.levels[:2], found.welfare])
    np.testing.assert_allclose(sharing, [sharing[0]] * 3, rtol=1e-9)


@pytest.mark.parametrize(
    "types",
    [
        {"support": [0.5, 0.5000000000000001], "points": 3},
        {"values": [0.5, 0.2, 0.5000000000000001]},
    ],
)
def test_types_that_collide_are_refused(types: dict[str, Any]) -> None:
    """Closer than rounding: they would share their probabilities by chance."""
    tree = copy.deepcopy(load_case("cases/two_vendors.yaml").resolved)
    tree["types"] = types
    with pytest.raises(BadCase, match="too close to tell types apart"):
        parse_tree(tree)


def plain(**changes: Any) -> Any:
    """Unrelated products, slopes and intercepts of one, no rivalry, hardly any leakage; flat."""
    market = {
        "intercept": 1,
        "own_slope": 1,
        "cross_slope": 0,
        "rivalry": 0,
        "demand_spillover": 1,
        "leakage": (0.01, 0, 0),
    }
    return make_case(
        **{**market, "cost_scale": 1.5, "max_saving": 0, "cost_spillover": 0, **changes}
    ).flat()  # type: ignore[arg-type]


def test_an_investment_that_is_capped_does_not_grow() -> None:
    """All shared, profits are (1 + t_1 + t_2)^2 / 4 each: k t^2 / 2 against 2 t^2 / 4, or, both
    growing, k t^2 against 2 (2 t)^2 / 4."""
    joint = REGIMES["joint_profit"]
    for cap, needed in (
        (None, 2.0),
        ((3.0, np.inf), 1.0),
        ((np.inf, 3.0), 1.0),
        ((3.0, 3.0), -np.inf),
    ):
        market = plain(investment_cap=cap)
        np.testing.assert_allclose(
            required_scale(market, benefit_matrix(market, joint)), needed, rtol=1e-9
        )
        assert (solve_regime(market, "joint_profit").status == "unbounded") is (needed > 1.5)
    # A firm's own profit is (1 + t)^2 / 4: k / 2 against 1 / 4.
    np.testing.assert_allclose(reply_bound(plain(investment_cap=(3.0, np.inf))), [[0.0, 0.5]])


def test_what_may_be_received_without_a_negative_unit_cost_bounds_what_is_saved() -> None:
    """y = lambda_c t s / t0 is at most 1 where t s is at most c / lambdahat = t0: half the largest
    saving, and nothing shared far out."""
    joint = REGIMES["joint_profit"]
    with_costs = {
        "max_saving": 0.8,
        "cost_spillover": 1.0,
        "reference_investment": 0.5,
        "cost_form": "saturating",
    }
    bounded = plain(**with_costs, unit_cost=(0.1, 0.2, 0, 0))
    np.testing.assert_allclose(
        required_scale(bounded, benefit_matrix(bounded, joint)), 0.5 / (1 - 0.4), rtol=1e-9
    )
    without = plain(**with_costs)
    np.testing.assert_allclose(
        required_scale(without, benefit_matrix(without, joint)), 2 / (1 - 0.8), rtol=1e-9
    )


def test_replies_grow_less_where_investment_makes_units_dearer() -> None:
    """n = 1 + t - .2 (1 + .5 t): k / 2 against .9^2 / 4; never where that is convex and nothing is
    received."""
    np.testing.assert_allclose(reply_bound(plain(unit_cost=(0.2, 0, 0.5, 0))), [[0.405, 0.405]])
    np.testing.assert_array_equal(reply_bound(plain(unit_cost=(0.2, 0, 0.5, 1))), [[0.0, 0.0]])


def test_a_firm_leaks_all_it_knows_where_that_raises_its_rivals_prices_more_than_it_costs() -> None:
    """p_1 = (2 (1 + t - .2 s^2) + x (1 + 3 s^2)) / (4 - x^2) rises with s at any t."""
    x = 0.9
    market = plain(
        cross_slope=x, demand_spillover=0, cost_scale=9, leakage=((0.2, 4.0), (0.0, 3.0), 0.0)
    )
    reply, value = best_reply(market, np.zeros((1, 4)), 0)
    n, d = 2 + x - 0.4 + 3 * x, 4 - x**2  # the price is (n + 2 t) / d
    t = 4 * n / (9 * d**2 - 8)
    np.testing.assert_allclose(reply[0, [0, 2]], [1.0, t], rtol=1e-12)
    np.testing.assert_allclose(value, ((n + 2 * t) / d) ** 2 - 4.5 * t**2, rtol=1e-12)


@pytest.mark.slow
def test_an_equilibrium_at_large_caps_is_one_though_rounding_shows_in_its_payoffs() -> None:
    """(1 + t)^2 / 4 - .05 t^2 rises all the way to the cap."""
    found = solve_regime(plain(cost_scale=0.1, demand_spillover=0, investment_cap=3e4), "nash")
    assert found.status == "corner"
    np.testing.assert_allclose(found.profit, (1 + 3e4) ** 2 / 4 - 0.05 * 9e8, rtol=1e-12)
