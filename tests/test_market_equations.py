"""The equations of the market against closed forms, published numbers and complex steps."""

from __future__ import annotations

import numpy as np
import pytest
from admissible import cases, random_levels
from admissible import market as any_market
from hypothesis import given, settings
from hypothesis import strategies as st

from market.model.case import Case
from market.model.cost import COST_FORMS, investment_cost
from market.model.demand import (
    consumer_surplus,
    gross_utility,
    inverse_demand,
    printed_double_integral,
    quantity,
    shifted_intercept,
)
from market.model.outcome import account
from market.model.payoff import Payoff
from market.model.pricing import (
    bertrand,
    bertrand_matrix,
    collusive,
    collusive_matrix,
    marginal_cost,
    marginal_cost_matrix,
    net_intercept,
    revenue_matrices,
    utility_matrix,
)

RULES = {
    "bertrand": bertrand_matrix,
    "collusive": collusive_matrix,
    "marginal_cost": marginal_cost_matrix,
}


def market(**changes: object) -> Case:
    """A market with two different firms."""
    return any_market(
        **{"intercept": [20, 16], "own_slope": [1.5, 1.8], "cost_spillover": [0.3, 0.8], **changes}
    )


def test_published_bertrand_prices_with_unit_costs() -> None:
    """Two textbook duopolies: q1 = 10 - 2 p1 + 2 p2, q2 = 11 - 3 p2 + 2 p1, unit costs 1 and 2; q =
    75 - p_i + p_j / 2, unit cost 30."""
    case = market(own_slope=[2, 3], cross_slope=2.0)
    price = bertrand(case, np.array([[10.0, 11.0]]), np.array([[1.0, 2.0]]))
    np.testing.assert_allclose(price, [[5.3, 4.6]], rtol=1e-14)
    case = market(own_slope=1, cross_slope=0.5)
    np.testing.assert_allclose(
        bertrand(case, np.array([[75.0, 75.0]]), 30.0), [[70, 70]], rtol=1e-14
    )
    np.testing.assert_allclose(
        collusive(case, np.array([[75.0, 75.0]]), 30.0), [[90, 90]], rtol=1e-14
    )


@pytest.mark.slow
@given(case=cases(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_bertrand_prices_solve_both_first_order_conditions_and_leave_q_equal_slope_times_margin(
    case: Case, seed: int
) -> None:
    """(21): A_i - 2 b1_i p_i + b2 p_j + b1_i F_i = 0 and q_i = b1_i (p_i - F_i)."""
    rng = np.random.default_rng(seed)
    A, F = rng.uniform(5, 30, (1, 2)), rng.uniform(0, 2, (1, 2))
    p = bertrand(case, A, F)
    b1, b2 = case.own_slope, case.cross_slope
    np.testing.assert_allclose(A - 2 * b1 * p + b2 * p[:, ::-1] + b1 * F, 0, atol=1e-12)
    np.testing.assert_allclose(quantity(case, A, p), b1 * (p - F), rtol=1e-12)


@given(case=cases(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_collusive_prices_cannot_be_improved(case: Case, seed: int) -> None:
    """Joint variable profit is stationary and falls in every direction away from the collusive
    prices."""
    rng = np.random.default_rng(seed)
    A, F = rng.uniform(5, 30, (1, 2)), rng.uniform(0, 2, (1, 2))
    best = collusive(case, A, F)

    def joint(p: np.ndarray) -> np.ndarray:
        return ((p - F) * quantity(case, A, p)).sum(-1)

    step = rng.normal(size=(50, 2))
    assert (joint(best + step) <= joint(best) + 1e-12).all()
    assert np.abs(joint(best + 1e-4 * step) - joint(best)).max() < 1e-6
    np.testing.assert_array_equal(marginal_cost(case, A, F), F)


def test_price_matrices_give_the_price_functions() -> None:
    """Each rule's matrix and its function are the same prices; collusion is (a + B) / (2 (b1 - b2))
    for equal firms."""
    case = market()
    A = np.array([[17.0, 23.0]])
    np.testing.assert_allclose(
        (bertrand_matrix(case) @ A[..., None])[..., 0], bertrand(case, A), rtol=1e-14
    )
    np.testing.assert_allclose(
        (collusive_matrix(case) @ A[..., None])[..., 0], collusive(case, A), rtol=1e-14
    )
    np.testing.assert_allclose(
        collusive(market(own_slope=1.5), np.array([[10.0, 10.0]])), 10 / (2 * 0.5), rtol=1e-14
    )


def test_demand_and_inverse_demand_undo_each_other() -> None:
    case = market()
    A, p = np.array([[17.0, 23.0]]), np.array([[4.0, 6.0]])
    np.testing.assert_allclose(inverse_demand(case, A, quantity(case, A, p)), p, rtol=1e-13)


@pytest.mark.parametrize("path", ["ray", "first firm first", "second firm first"])
def test_gross_utility_is_the_line_integral_of_inverse_demand_along_any_path(path: str) -> None:
    """Section 3: the integral does not depend on the path; along the ray its two parts are GU_1 and
    GU_2."""
    case = market()
    A, q = np.array([[17.0, 23.0]]), np.array([[5.0, 7.0]])
    nodes, weights = np.polynomial.legendre.leggauss(20)
    at, weights = ((nodes + 1) / 2)[:, None], weights / 2

    def integral(start: np.ndarray, end: np.ndarray) -> np.ndarray:
        return (
            weights[:, None] * inverse_demand(case, A, start + at * (end - start)) * (end - start)
        ).sum(0)

    zero = np.zeros((1, 2))
    corner = {"ray": q / 2, "first firm first": q * [1, 0], "second firm first": q * [0, 1]}[path]
    parts = integral(zero, corner) + integral(corner, q)
    np.testing.assert_allclose(parts.sum(), gross_utility(case, A, q).sum(), rtol=1e-13)
    if path == "ray":
        np.testing.assert_allclose(parts, gross_utility(case, A, q)[0], rtol=1e-13)


def test_symmetric_gross_utility_is_equation_9() -> None:
    """2 times the integral of (A - q) / (b1 - b2) from 0 to q."""
    case = market(own_slope=1.5)
    A, q = np.array([[20.0, 20.0]]), np.array([[9.0, 9.0]])
    np.testing.assert_allclose(
        gross_utility(case, A, q).sum(), 2 * (20 * 9 - 81 / 2) / 0.5, rtol=1e-14
    )


def test_printed_double_integral_is_the_integral_over_the_rectangle() -> None:
    """(35) as printed, by a product rule; it is q_j times GU_i, so no amount of money."""
    case = market()
    A, q = np.array([[17.0, 23.0]]), np.array([[5.0, 7.0]])
    nodes, weights = np.polynomial.legendre.leggauss(8)
    x, w = (nodes + 1) / 2, weights / 2
    grid = np.stack(np.meshgrid(x * 5, x * 7, indexing="ij"), -1)
    price = inverse_demand(case, A, grid)
    double = (w[:, None, None] * w[None, :, None] * price).sum((0, 1)) * 35
    np.testing.assert_allclose(printed_double_integral(case, A, q)[0], double, rtol=1e-13)


@pytest.mark.slow
@given(case=cases(forms=tuple(COST_FORMS), unit_costs=True), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_accounts_add_up(case: Case, seed: int) -> None:
    """Consumers and firms split gross utility less costs; the quadratic forms give the same money
    as prices times quantities."""
    x = random_levels(np.random.default_rng(seed), 6)
    A, N = shifted_intercept(case, x), net_intercept(case, x)
    for rule in RULES.values():
        books = account(case, x, rule)
        np.testing.assert_allclose(
            books.consumer_surplus + books.profit, books.total_surplus, rtol=1e-10, atol=1e-9
        )
        cost = investment_cost(case, x)
        Q = revenue_matrices(case, rule)
        variable = np.einsum("li,lfij,lj->lf", N, np.broadcast_to(Q, (6, 2, 2, 2)), N)
        np.testing.assert_allclose(variable - cost, books.profit, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(
            books.price * books.quantity - books.unit_cost * books.quantity,
            variable,
            rtol=1e-9,
            atol=1e-9,
        )
        utility = np.einsum(
            "li,lij,lj->l", N, np.broadcast_to(utility_matrix(case, rule), (6, 2, 2)), N
        )
        np.testing.assert_allclose(utility - cost.sum(-1), books.total_surplus.sum(-1), rtol=1e-10)
        np.testing.assert_allclose(
            consumer_surplus(gross_utility(case, A, books.quantity), books.quantity, books.price),
            books.consumer_surplus,
            rtol=1e-12,
        )


K, GAMMA = np.array(3.0), np.array(0.6)


@pytest.mark.parametrize("form", ["exponential", "saturating"])
def test_cost_forms_meet_the_papers_requirements(form: str) -> None:
    """f_t(0, y) = 0 and, for t > 0: f_t > 0, f_tt > 0, f_y < 0, f_ty < 0; the saving tends to gamma
    and never exceeds it."""
    t, y = (a.ravel() for a in np.meshgrid(np.linspace(0.1, 5, 20), np.linspace(0, 40, 100)))
    f, f_t, f_y, f_tt, f_ty, f_yy = COST_FORMS[form].derivatives(t, y, K, GAMMA)
    np.testing.assert_allclose(f[y == 0], 1.5 * t[y == 0] ** 2)
    assert (f >= (0.4 - 1e-12) * 1.5 * t**2).all()
    assert (f[y == 40] < 0.42 * 1.5 * t[y == 40] ** 2).all()
    assert (f_t > 0).all()
    assert (f_tt > 0).all()
    assert (f_y < 0).all()
    assert (f_ty < 0).all()
    assert (f_yy > 0).all()
    assert COST_FORMS[form].derivatives(np.zeros(1), np.ones(1), K, GAMMA)[1] == 0


def test_the_restricted_form_lies_outside_them() -> None:
    """Received knowledge replaces investment: enough of it costs nothing at all, and the saving has
    no largest share."""
    f, f_t, f_y, *_ = COST_FORMS["restricted"].derivatives(
        np.array([2.0, 2.0]), np.array([3.0, 0.5]), K, GAMMA
    )
    np.testing.assert_allclose(f, [0, 1.5 * 1.5**2])
    np.testing.assert_allclose(f_t, [0, 3 * 1.5])
    np.testing.assert_allclose(f_y, [0, -3 * 1.5])


@pytest.mark.parametrize("form", sorted(COST_FORMS))
def test_cost_derivatives_by_complex_step(form: str) -> None:
    """In both arguments, and the parabola in own investment through the same values."""
    t, y = (a.ravel() for a in np.meshgrid(np.linspace(0.1, 5, 20), np.linspace(0, 7, 29)))
    # the restricted form's second derivatives jump there
    t, y = (
        t[np.abs(t - y) > 1e-6],
        y[np.abs(t - y) > 1e-6],
    )
    found, step = COST_FORMS[form].derivatives(t, y, K, GAMMA), 1e-20
    in_t = COST_FORMS[form].derivatives(t + 1j * step, y, K, GAMMA)  # type: ignore[arg-type]
    in_y = COST_FORMS[form].derivatives(t, y + 1j * step, K, GAMMA)  # type: ignore[arg-type]
    for value, slope in (
        (in_t[0], found[1]),
        (in_y[0], found[2]),
        (in_t[1], found[3]),
        (in_y[1], found[4]),
        (in_y[2], found[5]),
    ):
        np.testing.assert_allclose(np.imag(value) / step, slope, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(COST_FORMS[form].value(t, y, K, GAMMA), found[0], rtol=1e-14)
    kappa, origin = COST_FORMS[form].parabola(y, K, GAMMA)
    np.testing.assert_allclose(kappa / 2 * np.maximum(t - origin, 0) ** 2, found[0], rtol=1e-14)


@pytest.mark.slow
@given(case=cases(forms=tuple(COST_FORMS), unit_costs=True), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_payoff_derivatives_by_complex_step(case: Case, seed: int) -> None:
    """Gradient and Hessian against the complex step, which has no truncation error worth the
    name."""
    x = random_levels(np.random.default_rng(seed), 5)
    own = np.eye(2)[None, 0]
    for Q, weight in (
        (revenue_matrices(case, bertrand_matrix)[:, 0], own),
        (utility_matrix(case, bertrand_matrix), np.ones((1, 2))),
    ):
        payoff = Payoff(case=case, benefit=Q, cost_weight=weight)
        value, gradient, hessian = payoff.derivatives(x)
        np.testing.assert_allclose(value, payoff.value(x), rtol=1e-12)
        for j in range(4):
            z = x.astype(complex)
            z[:, j] += 1e-30j
            np.testing.assert_allclose(
                payoff.value(z).imag / 1e-30, gradient[:, j], rtol=1e-9, atol=1e-9
            )  # type: ignore[arg-type]
            e = 1e-5 * np.eye(4)[j]
            slope = (payoff.derivatives(x + e)[1] - payoff.derivatives(x - e)[1]) / 2e-5
            np.testing.assert_allclose(slope, hessian[:, j], rtol=1e-4, atol=1e-4)


def test_formulas_broadcast_over_any_leading_axes() -> None:
    """One call over a grid of cost spillovers equals the calls one by one."""
    case = market()
    spill = np.stack(np.meshgrid([0.1, 0.5, 0.9], [0.2, 0.8], indexing="ij"), -1)
    many = case.with_cost_spillover(spill)
    x = np.array([0.3, 0.6, 1.0, 1.5])
    cost = investment_cost(many, x)
    assert cost.shape == (3, 2, 2)
    for i in range(3):
        for j in range(2):
            np.testing.assert_array_equal(
                cost[i, j], investment_cost(market(cost_spillover=spill[i, j]), x[None])[0]
            )
