"""Comparative statics against solving again, and at corners from either side."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from admissible import market

from cli.pages.rows import derivatives_csv
from market.model.outcome import account
from market.model.units import POWERS, in_words
from market.regimes import REGIMES, solve_markets, solve_regime
from market.regimes.statics import comparative_statics, dimension_of, shifts, values
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
