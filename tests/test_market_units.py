"""Units: what a market is counted in changes no answer, whichever of its parameters are there."""

from __future__ import annotations

import numpy as np
import pytest
from admissible import market

from market.model.case import PARAMETERS, Case
from market.model.outcome import account
from market.model.pricing import bertrand_matrix
from market.model.units import NaturalUnits, in_units, natural_units

X = np.array([[0.3, 0.6, 1.2, 0.7]])
"""Levels: sharing, investment."""


@pytest.mark.parametrize("form", ["saturating", "exponential", "restricted"])
@pytest.mark.parametrize("unit_cost", [(0, 0, 0, 0), (2.0, 0.3, 0.1, 0.05)])
def test_the_same_levels_give_the_same_books_in_other_units(
    form: str, unit_cost: tuple[float, ...]
) -> None:
    """Counted in m of money and n of quantity a market's money is m, its quantities are n and its
    prices m / n times smaller."""
    case = market(
        intercept=[20, 17],
        cost_form=form,
        unit_cost=unit_cost,
        leakage=([3.0, 2.5], [0.5, 0.3], [0.2, 0.1]),
        reference_investment=1.4,
        investment_cap=9.0,
    )
    units = NaturalUnits(money=np.array([[3.0]]), quantity=np.array([[0.7]]))
    plain = account(case, X, bertrand_matrix)
    x = X / np.array([1, 1, 0.7, 0.7])
    other = account(in_units(case, units), x, bertrand_matrix)
    for name, unit in (
        ("profit", 3.0),
        ("consumer_surplus", 3.0),
        ("investment_cost", 3.0),
        ("price", 3.0 / 0.7),
        ("quantity", 0.7),
    ):
        np.testing.assert_allclose(
            getattr(other, name) * unit, getattr(plain, name), rtol=1e-12, err_msg=name
        )
    assert in_units(case, units).investment_cap == pytest.approx(9.0 / 0.7)
    assert {
        name
        for name in PARAMETERS
        if np.array_equal(getattr(in_units(case, units), name), getattr(case, name))
    } == {*("rivalry", "demand_spillover", "max_saving", "cost_spillover")}


def test_in_natural_units_the_mean_intercept_and_own_slope_are_one() -> None:
    case = market(intercept=[2e7, 5e6], own_slope=[3e5, 2e4])
    found: Case = in_units(case, natural_units(case))
    for values in (found.intercept, found.own_slope):
        assert values.prod() == pytest.approx(1.0, rel=1e-12)
