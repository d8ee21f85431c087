"""Slopes and merger prices of any number of products: the figures of the R package `antitrust`."""

from __future__ import annotations

import numpy as np
import pytest

from market.calibrate.products import LinearDemand, linear_demand, ownership_matrix

PRICE = np.array([2.9, 3.4, 2.2])
QUANTITY = np.array([650.0, 998.0, 1801.0])
MARGIN = np.array([0.435, 0.417, 0.370])
BY_QUANTITY = QUANTITY / (QUANTITY.sum() - QUANTITY[:, None])
"""Diversion by shares of quantity; the diagonal is not read."""
MERGED = ["one", "one", "other"]


def test_the_manuals_three_products_without_symmetry() -> None:
    found = linear_demand(PRICE, QUANTITY, MARGIN, BY_QUANTITY)
    np.testing.assert_allclose(found.prices([1, 2, 3]), PRICE, rtol=1e-12)
    np.testing.assert_allclose(
        100 * (found.prices(MERGED) / PRICE - 1),
        [15.30094373, 10.44616601, 3.39819687],
        rtol=1e-9,
    )
    np.testing.assert_allclose(np.diag(found.slopes), QUANTITY / (PRICE * MARGIN))
    np.testing.assert_allclose(found.margin_gap, 0, atol=1e-12)
    assert found.why_no_case is not None
    assert "not symmetric" in found.why_no_case


def test_the_manuals_three_products_with_symmetry() -> None:
    """R 0.99.31; it does not say that the third margin is .974 against the .370 put in."""
    found = linear_demand(PRICE, QUANTITY, MARGIN, BY_QUANTITY, symmetric=True)
    np.testing.assert_allclose(found.prices(MERGED), [3.347951, 3.758395, 2.396859], atol=5e-7)
    np.testing.assert_allclose(found.slopes, found.slopes.T)
    assert found.implied_margin[0] == pytest.approx(0.435)
    assert found.implied_margin[2] == pytest.approx(0.974, abs=5e-4)
    assert found.margin_gap[2] == pytest.approx(0.604, abs=5e-4)
    own = np.diag(found.slopes)
    share = QUANTITY * (QUANTITY.sum() - QUANTITY)
    np.testing.assert_allclose(own / own[0], share / share[0])
    assert found.why_no_case is not None
    assert "singular" in found.why_no_case


def duopoly(cost: tuple[float, float]) -> LinearDemand:
    """q = 100 - 2 p + p', calibrated from its own outcomes."""
    slopes, c = np.array([[2.0, -1.0], [-1.0, 2.0]]), np.array(cost)
    price = np.linalg.solve(slopes + 2 * np.eye(2), 100 + 2 * c)
    sold = 100 - slopes @ price
    return linear_demand(price, sold, (price - c) / price, [[0, 0.5], [0.5, 0]])


def test_two_firms_with_unequal_costs() -> None:
    found = duopoly((30, 10))
    np.testing.assert_allclose(found.intercept, 100)
    np.testing.assert_allclose(found.unit_cost, [30, 10])
    np.testing.assert_allclose(found.prices([0, 1]), [50.667, 42.667], atol=5e-4)
    np.testing.assert_allclose(found.prices([0, 0]), [65, 55], rtol=1e-12)
    assert found.why_no_case is None


def test_two_firms_with_equal_costs() -> None:
    found = duopoly((10, 10))
    alone, merged = found.prices([0, 1]), found.prices([0, 0])
    np.testing.assert_allclose((alone, merged), [(40, 40), (55, 55)])
    for price, profit in ((alone, 1800), (merged, 2025)):
        sold = found.intercept - found.slopes @ price
        np.testing.assert_allclose((price - 10) * sold, profit)
    # savings by a merger
    np.testing.assert_allclose(found.prices([0, 0], [0, 0]), 50)


def test_a_matrix_of_ownership_counts_shares_of_profits() -> None:
    found = duopoly((10, 10))
    half = found.prices([[1, 0.5], [0.5, 1]])
    assert (found.prices([0, 1]) < half).all()
    assert (half < found.prices([0, 0])).all()
    np.testing.assert_allclose(ownership_matrix(["a", "b"], 2), np.eye(2))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"price": [1, -1]}, "price must be a number above 0"),
        ({"margin": [0.5, 1.2]}, r"margin must lie in \(0, 1\]"),
        ({"diversion": [[0, 1.4], [0.5, 0]]}, "diversion must lie"),
        ({"quantity": [1, 2, 3]}, "the same length"),
    ],
)
def test_what_is_no_observation_is_refused(change: dict[str, list[float]], said: str) -> None:
    given = {
        "price": [1, 1],
        "quantity": [1, 1],
        "margin": [0.5, 0.5],
        "diversion": [[0, 0.5], [0.5, 0]],
    }
    with pytest.raises(ValueError, match=said):
        linear_demand(**(given | change))


def test_diversion_that_adds_up_to_more_than_all_is_refused() -> None:
    with pytest.raises(ValueError, match=r"adds up to 1\.2"):
        linear_demand([1] * 3, [1] * 3, [0.5] * 3, np.full((3, 3), 0.6))


def test_owners_without_best_prices_are_told() -> None:
    found = linear_demand([1] * 2, [1] * 2, [0.5] * 2, [[0, 1], [1, 0]])
    with pytest.raises(ValueError, match="no best prices"):
        found.prices([0, 0])
    with pytest.raises(ValueError, match="shape"):
        found.prices([0, 1, 2])
