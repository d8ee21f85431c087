"""Comparative statics against solving again, and at corners from either side."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from admissible import market

from cli.pages.rows import derivatives_csv
from market.model.case import Array, Case
from market.model.outcome import account
from market.model.units import POWERS, in_words
from market.regimes import REGIMES, solve_markets, solve_regime
from market.regimes.statics import Slopes, comparative_statics, dimension_of, shifts, values
from mechanism.casefile.together import stack
from mechanism.report.plain import Tree
from mechanism.report.statics_tree import elasticities_tree, slopes_tree

MARKETS: dict[str, dict[str, object]] = {
    "equal": {},
    "unequal, unit costs": {
        "intercept": [20, 16],
        "own_slope": [1.5, 1.8],
        "cost_spillover": [0.3, 0.8],
        "unit_cost": (2.0, 0.1, 0.05, 0.02),
    },
    "exponential": {"cost_form": "exponential", "cost_scale": 30},
    "full sharing": {"leakage": (0.3, 0.1, 0.1), "cost_scale": 6},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "key"),
    [
        (name, key)
        for n, name in enumerate(MARKETS)
        for k, key in enumerate(("nash", "joint_profit", "no_sharing", "first_best"))
        if (n + k) % 2 == 0
    ],
)
def test_against_solving_again(name: str, key: str) -> None:
    case = market(**MARKETS[name])
    outcome = solve_regime(case, key)
    if not outcome.solved:
        pytest.skip(f"{key} is {outcome.status}")
    assert outcome.levels is not None
    found = comparative_statics(case, REGIMES[key], outcome.levels[None])
    h = 1e-4
    moved = shifts(case)
    many = stack([shift(case, step) for shift in moved.values() for step in (h, -h)])
    solved = solve_markets(many, key, 2 * len(moved))
    assert solved.solved.all()
    books = account(many, solved.levels, REGIMES[key].prices)
    figures = {
        "levels": solved.levels,
        "price": books.price,
        "profit": books.profit,
        "welfare": books.total_surplus.sum(-1),
    }
    for n, parameter in enumerate(moved):
        again = {
            name: (value[2 * n] - value[2 * n + 1]) / (2 * h) for name, value in figures.items()
        }
        for figure, value in again.items():
            slope, size = (
                getattr(found[parameter], figure)[1, 0],
                max(1.0, float(np.abs(value).max())),
            )
            np.testing.assert_allclose(
                slope, value, rtol=1e-4, atol=1e-4 * size, err_msg=f"{parameter} {figure}"
            )


def test_envelope_a_planners_welfare_moves_with_the_cost_scale_by_the_cost_alone() -> None:
    """dW/dk = -(f_1 + f_2) / k."""
    case = market()
    outcome = solve_regime(case, "social_optimum")
    assert outcome.levels is not None
    assert outcome.accounts is not None
    found = comparative_statics(case, REGIMES["social_optimum"], outcome.levels[None])
    assert found["cost.scale"].welfare[1, 0] == pytest.approx(
        -outcome.accounts.investment_cost.sum() / 20, rel=1e-8
    )


def test_a_level_about_to_leave_its_bound_moves_one_way_only() -> None:
    """Without demand spillover sharing is zero with no force against it: a positive spillover
    starts it, a negative one does not."""
    case = market(demand_spillover=0.0)
    outcome = solve_regime(case, "nash")
    assert outcome.levels is not None
    found = comparative_statics(case, REGIMES["nash"], outcome.levels[None])[
        "security.demand_spillover"
    ]
    falling, rising = found.levels[:, 0]
    assert (falling[:2] == 0).all()
    t = outcome.levels[2]
    # By hand at s = 0: 2 h s = b2 lambda_d t + (2 b1 + b2) phi3 s, h = 2 b1 phi1 - b2 phi2.
    np.testing.assert_allclose(rising[:2], t / (2 * (3 * 3.0 - 0.5) - 4 * 0.2), rtol=1e-9)
    assert slopes_tree({"x": found})["x"]["falling"]["sharing"] == [0.0, 0.0]


def test_parameters_and_their_values() -> None:
    case = market(intercept=[20, 16], unit_cost=(2.0, 0.1, 0.05, 0.02))
    named = values(case)
    assert list(named) == list(shifts(case))
    assert named["demand.intercept[1]"] == 16
    assert "cost.investment_cap" not in named  # there is none
    assert named["cost.spillover[1]"] == 0.5
    assert named["unit_cost.slope"] == 0.05
    assert "demand.intercept" in shifts(case, common=True)


def test_a_common_change_is_the_sum_of_both_firms() -> None:
    case = market(intercept=[20, 16])
    x = solve_regime(case, "nash").levels
    assert x is not None
    apart, together = (
        comparative_statics(case, REGIMES["nash"], x[None], common) for common in (False, True)
    )
    for key in ("demand.intercept", "demand.own_slope", "cost.spillover"):
        summed = apart[f"{key}[0]"].levels + apart[f"{key}[1]"].levels
        np.testing.assert_allclose(together[key].levels, summed, rtol=1e-7, atol=1e-9)


def in_per_cent(case: Case, key: str) -> dict[str, Slopes]:
    """The elasticities of a regime's outcome."""
    levels = solve_regime(case, key).levels
    assert levels is not None
    levels, rule = levels[None], REGIMES[key]
    found, own = comparative_statics(case, rule, levels), values(case)
    books = account(case, levels, rule.prices)
    return {name: slopes.elasticities(own[name], levels, books) for name, slopes in found.items()}


def again_in_per_cent(case: Case, key: str, name: str, both: bool = False) -> dict[str, Array]:
    """The same of one parameter, of both firms where `both`, by solving again a thousandth of a
    per cent from where it is."""
    moved, own, h = shifts(case), values(case), 1e-5
    which = [one for one in moved if one == name or (both and one.partition("[")[0] == name)]
    sides = []
    for sign in (h, -h):
        there = case
        for one in which:
            there = moved[one](there, sign * own[one])
        levels = solve_regime(there, key).levels
        assert levels is not None
        books = account(there, levels[None], REGIMES[key].prices)
        welfare = books.total_surplus.sum(-1)
        sides.append({"levels": levels, "profit": books.profit[0], "welfare": welfare[0]})
    return {
        figure: (np.log(sides[0][figure]) - np.log(sides[1][figure])) / (2 * h)
        for figure in sides[0]
    }


@pytest.mark.parametrize("cross", [1.4, 1.495, 1.4985])
def test_close_substitutes_have_the_closed_forms_slopes(cross: float) -> None:
    """Without sharing an alliance that fixes prices invests t = (1 - alpha) a / (2 k (b1 - b2) - (1
    - alpha)^2), which runs away as b2 approaches b1."""
    k = 3.6 / (1.5 - cross)
    changes = {"demand_spillover": -0.1, "leakage": (1.2, 0, 0), "cost_spillover": 0.0}
    case = market(cross_slope=cross, cost_scale=k, rivalry=0.3, **changes)
    levels = solve_regime(case, "price_collusion").levels
    assert levels is not None
    found = comparative_statics(case, REGIMES["price_collusion"], levels[None], common=True)
    left = 2 * k * (1.5 - cross) - 0.7**2
    slope = 0.7 * 20 * 2 * k / left**2
    for key, sign in (("demand.cross_slope", 1), ("demand.own_slope", -1)):
        np.testing.assert_allclose(found[key].levels[1, 0, 2:], sign * slope, rtol=1e-7)


@pytest.mark.parametrize("reference", [1.0, 0.01, 1e-5])
@pytest.mark.parametrize("key", ["nash", "social_optimum"])
def test_what_knowledge_saves_depends_on_its_use_beside_the_reference_alone(
    key: str, reference: float
) -> None:
    """Only lambda_c / t0 counts: a per cent more of t0 is a per cent less of both lambda_c, however
    small t0 is beside the market."""
    shares = in_per_cent(market(reference_investment=reference), key)
    for figure in ("levels", "price", "quantity", "profit", "welfare", "consumer_surplus"):
        used, unit = (
            sum(getattr(shares[name], figure)[1] for name in names)
            for names in (
                ("cost.spillover[0]", "cost.spillover[1]"),
                ("cost.reference_investment",),
            )
        )
        np.testing.assert_allclose(unit, -used, rtol=1e-10, atol=1e-12)


def test_unequal_slopes_are_those_of_solving_again() -> None:
    case = market(own_slope=[0.05, 45], cross_slope=0.04, cost_scale=300)
    told = in_per_cent(case, "nash")
    for name in ("demand.own_slope[0]", "demand.own_slope[1]", "demand.cross_slope"):
        again = again_in_per_cent(case, "nash", name)
        for figure, value in again.items():
            np.testing.assert_allclose(
                getattr(told[name], figure)[1, 0], value, rtol=1e-4, atol=1e-6, err_msg=figure
            )


DIFFER: dict[str, dict[str, object]] = {
    "cost.scale": {"cost_scale": [20, 60]},
    "security.rivalry": {"rivalry": [0.1, 0.4]},
    "cost.max_saving": {"max_saving": [0.3, 0.6]},
    "security.leakage.own": {"leakage": ([3.0, 5.0], 0.5, 0.2)},
    "unit_cost.base": {"unit_cost": ([1.0, 2.0], 0.1, 0.05, 0.02)},
}


@pytest.mark.parametrize("key", DIFFER)
def test_where_firms_differ_each_has_its_own_elasticities(key: str) -> None:
    case = market(**DIFFER[key])
    told, name = in_per_cent(case, "nash"), f"{key}[1]"
    assert key not in told
    again = again_in_per_cent(case, "nash", name)
    together = again_in_per_cent(case, "nash", key, both=True)
    for figure, value in again.items():
        mine = getattr(told[name], figure)[1, 0]
        np.testing.assert_allclose(mine, value, rtol=1e-4, atol=1e-6, err_msg=figure)
        both = mine + getattr(told[f"{key}[0]"], figure)[1, 0]
        np.testing.assert_allclose(both, together[figure], rtol=1e-4, atol=1e-6, err_msg=figure)


def test_a_cap_on_investment_is_worth_what_solving_again_says() -> None:
    case = market(investment_cap=[0.5, np.inf])
    told, name = in_per_cent(case, "nash"), "cost.investment_cap[0]"
    assert [key for key in told if key.startswith("cost.investment_cap")] == [name]
    assert told[name].levels[1, 0, 2] == pytest.approx(1, rel=1e-12)
    assert told[name].levels[1, 0, 3] != 0  # the rival answers
    for figure, value in again_in_per_cent(case, "nash", name).items():
        np.testing.assert_allclose(getattr(told[name], figure)[1, 0], value, rtol=1e-4, atol=1e-6)
    # one that binds nobody moves nothing, nor does one that forbids what nobody wants
    loose = in_per_cent(market(investment_cap=50.0), "nash")["cost.investment_cap"]
    assert not loose.levels.any()
    none = market(investment_cap=0.0, rivalry=1.0)
    x = solve_regime(none, "joint_profit").levels
    assert x is not None
    found = comparative_statics(none, REGIMES["joint_profit"], x[None])["cost.investment_cap"]
    assert not found.levels.any()


def test_a_cap_that_barely_binds_moves_investment_one_way_only() -> None:
    free = solve_regime(market(), "social_optimum").levels
    assert free is not None
    case = market(investment_cap=float(free[2]))
    x = solve_regime(case, "social_optimum").levels
    assert x is not None
    found = comparative_statics(case, REGIMES["social_optimum"], x[None])["cost.investment_cap"]
    falling, rising = found.levels[:, 0, 2:]
    np.testing.assert_allclose(falling, 1)
    np.testing.assert_allclose(rising, 0, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", MARKETS)
@pytest.mark.parametrize("key", ["nash", "social_optimum"])
def test_elasticities_add_up_to_the_power_of_the_unit(name: str, key: str) -> None:
    """Euler: counting money or quantities otherwise moves every parameter and every figure by its
    own power of the unit."""
    case = market(**MARKETS[name]).flat()
    outcome = solve_regime(case, key)
    if outcome.levels is None:
        pytest.skip(f"{key} is {outcome.status}")
    levels = outcome.levels[None]
    books, own = account(case, levels, REGIMES[key].prices), values(case)
    found = comparative_statics(case, REGIMES[key], levels)
    shares = {name: slopes.elasticities(own[name], levels, books) for name, slopes in found.items()}
    for unit in (0, 1):
        powers = {name: POWERS[dimension_of(name)][unit] for name in shares}
        for figure, dimension in {
            "price": "price",
            "quantity": "quantity",
            "profit": "money",
            "welfare": "money",
        }.items():
            total = sum(
                powers[name] * getattr(slopes, figure)[1] for name, slopes in shares.items()
            )
            np.testing.assert_allclose(total, POWERS[dimension][unit], atol=1e-6, err_msg=figure)
        total = sum(powers[name] * slopes.levels[1] for name, slopes in shares.items())
        np.testing.assert_allclose(total[:, 2:], POWERS["quantity"][unit], atol=1e-6)
        free = (levels[0, :2] > 0) & (levels[0, :2] < 1)
        np.testing.assert_allclose(total[0, :2][free], 0, atol=1e-6)


def without_spillover(key: str) -> tuple[Tree, Tree]:
    """Derivatives and elasticities of a regime where nothing spills over in demand."""
    case = market(demand_spillover=0.0).flat()
    outcome = solve_regime(case, key)
    assert outcome.levels is not None
    levels = outcome.levels[None]
    slopes = comparative_statics(case, REGIMES[key], levels)
    return slopes_tree(slopes), elasticities_tree(
        slopes, values(case), levels, account(case, levels, REGIMES[key].prices)
    )


def test_what_is_zero_has_no_elasticity_and_what_moves_welfare_most_comes_first() -> None:
    told = without_spillover("nash")[1]
    assert told["security.demand_spillover"]["welfare"] == 0  # nothing times its derivative
    told = without_spillover("no_sharing")[1]
    assert told["cost.scale"]["sharing"] == [None, None]
    sizes = [abs(row["welfare"]) for row in told.values()]
    assert sizes == sorted(sizes, reverse=True)


def test_a_kink_has_both_sides_in_every_form() -> None:
    """Sharing that is nothing has no elasticity, and yet starts where the spillover rises."""
    written, relative = without_spillover("nash")
    key = "security.demand_spillover"
    assert (written[key]["falling"] is None, relative[key]["falling"] is None) == (False, False)
    # rounding is no kink
    assert [name for name, row in written.items() if row["falling"] is not None] == [key]
    rows = list(
        csv.DictReader(
            io.StringIO(derivatives_csv({"derivatives": written, "elasticities": relative}))
        )
    )
    assert {row["direction"] for row in rows if row["parameter"] == key} == {"rising", "falling"}
    assert {row["direction"] for row in rows if row["parameter"] == "cost.scale"} == {"rising"}


def test_units_are_told_in_words() -> None:
    assert in_words("cost_scale", "EUR", "boxes") == "EUR per boxes²"
    assert in_words("slope", "million EUR", "boxes") == "boxes² per million EUR"
    assert in_words("per_quantity_squared", "EUR", "thousand boxes") == "per (thousand boxes)²"
    assert in_words("number") == ""
