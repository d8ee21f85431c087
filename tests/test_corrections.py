"""Where the paper's formulas are corrected: the formula used holds, the printed one does not, at a
point where they differ."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from admissible import market

from market.model.case import Case
from market.model.cost import cost_derivatives, unit_cost
from market.model.demand import leakage, quantity, shifted_intercept
from market.model.outcome import account
from market.model.payoff import Payoff
from market.model.pricing import bertrand, bertrand_matrix, revenue_matrices
from market.regimes import solve_regime
from market.regimes.stages import follow
from market.regimes.statics import shifts

B1, B2, ALPHA, SPILL, PHI1, PHI2, PHI3 = 1.5, 1.0, 0.2, 0.6, 3.0, 0.5, 0.2
DELTA = 4 * B1**2 - B2**2
C, HAT, SLOPE, CURVE = 2.0, 0.15, 0.1, 0.04
POINT = np.array([[0.3, 0.6, 1.2, 0.7]])
"""Levels at which the firms differ."""


def difference(f: Callable[[float], float], h: float = 1e-4) -> float:
    """A central difference."""
    return (f(h) - f(-h)) / (2 * h)


def price(case: Case, x: np.ndarray) -> float:
    return float(account(case, x, bertrand_matrix).price[0, 0])


def margin(case: Case, x: np.ndarray) -> float:
    books = account(case, x, bertrand_matrix)
    return float(books.price[0, 0] - books.unit_cost[0, 0])


def along(f: Callable[[Case, np.ndarray], float], case: Case, level: int) -> float:
    return difference(lambda h: f(case, POINT + h * np.eye(4)[level]))


def volume_costs() -> Case:
    return market(unit_cost=(C, HAT, SLOPE, CURVE))


def test_appendix_a_demand_is_the_solution_of_the_consumers_conditions() -> None:
    """(20) with the determinant d1 d2 - z^2 and each product's own price in its own place."""
    r, d, z, p = np.array([27.0, 22.0]), np.array([1.3, 0.9]), 0.4, np.array([5.0, 3.0])
    q = np.linalg.solve(np.array([[d[0], z], [z, d[1]]]), r - p)
    det = d[0] * d[1] - z**2
    used = (d[1] * r[0] - z * r[1]) / det - d[1] / det * p[0] + z / det * p[1]
    printed = (d[1] * r[0] - z * r[1]) / det - d[1] / det * p[0] + z / det * p[0]
    assert used == pytest.approx(q[0], rel=1e-12)
    assert abs(printed - q[0]) > 0.1


def test_bertrand_prices_solve_the_first_order_condition() -> None:
    """a_i - 2 b1 p_i + b2 p_j + B_i = 0; the printed "p_i = (a_i - b1 p_i + b2 p_j + B_i) / b1"
    says the same and q_i = b1 p_i."""
    case = market()
    A = shifted_intercept(case, POINT)
    p = bertrand(case, A)
    np.testing.assert_allclose(A - 2 * B1 * p + B2 * p[:, ::-1], 0, atol=1e-12)
    np.testing.assert_allclose(quantity(case, A, p), B1 * p, rtol=1e-12)


def test_prices_move_with_spillover_and_rivalry_through_the_rivals_investment() -> None:
    """Proof of Proposition 4: 2 b1 s_j t_j and 2 b1 t_j, where t_i is printed."""
    case = market()
    s_i, s_j, t_i, t_j = POINT[0]
    for name, used, printed in (
        (
            "security.demand_spillover",
            2 * B1 * s_j * t_j + B2 * t_i * s_i,
            2 * B1 * s_j * t_i + B2 * t_i * s_i,
        ),
        ("security.rivalry", -(2 * B1 * t_j + B2 * t_i), -(2 * B1 * t_i + B2 * t_i)),
    ):
        shift = shifts(case)[name]
        slope = difference(lambda h, shift=shift: price(shift(case, h), POINT))  # type: ignore[misc]
        assert slope == pytest.approx(used / DELTA, rel=1e-8)
        assert abs(slope - printed / DELTA) > 1e-2


def test_the_leaders_condition_includes_what_the_follower_does_to_its_cost() -> None:
    """(15) and (16) at the leader's optimum: zero with -f_y d(lambda_c t_j s_j), not without."""
    case = market(cost_scale=6.0, cost_spillover=0.9)
    x = solve_regime(case, "sequential").levels
    assert x is not None
    own = x[None, [0, 2]]
    profit = Payoff(
        case=case,
        benefit=revenue_matrices(case, bertrand_matrix)[:, 0],
        cost_weight=np.eye(2)[None, 0],
    )
    gradient = profit.derivatives(x[None])[1][0]
    f_y = cost_derivatives(case, x[None])[2][0, 0]
    for k in (0, 1):
        h = 1e-5 * np.eye(2)[k]
        reply = (follow(case, 0, own + h)[0] - follow(case, 0, own - h)[0]) / 2e-5
        received = 0.9 * (x[3] * reply[1] + x[1] * reply[3])
        total = gradient[[0, 2][k]] + gradient[1] * reply[1] + gradient[3] * reply[3]
        assert total == pytest.approx(0, abs=1e-7)
        assert abs(f_y * received) > 1e-3  # what the printed conditions leave out


def test_margin_in_own_investment_with_volume_related_costs() -> None:
    """(33) with -(2 b1^2 - b2^2); printed is -(2 b1^2 + b2^2). The price itself moves with (c -
    lambdahat s_j t_j), not s_i t_j."""
    case = volume_costs()
    s_i, s_j, t_i, t_j = POINT[0]
    rise_i, rise_j = (1 + SLOPE * t + CURVE * t**2 / 2 for t in (t_i, t_j))
    steep = SLOPE + CURVE * t_i
    left = C - HAT * s_j * t_j
    other = 2 * B1 + B2 * (SPILL * s_i - ALPHA) - B1 * B2 * HAT * s_i * rise_j
    slope = along(margin, case, 2)
    assert slope == pytest.approx((other - (2 * B1**2 - B2**2) * left * steep) / DELTA, rel=1e-7)
    assert abs(slope - (other - (2 * B1**2 + B2**2) * left * steep) / DELTA) > 1e-2
    moved = along(price, case, 2)
    assert moved == pytest.approx((other + 2 * B1**2 * left * steep) / DELTA, rel=1e-7)
    assert abs(moved - (other + 2 * B1**2 * (C - HAT * s_i * t_j) * steep) / DELTA) > 1e-3
    costs = unit_cost(case, POINT)
    assert costs is not None
    np.testing.assert_allclose(
        costs.value[0], [left * rise_i, (C - HAT * s_i * t_i) * rise_j], rtol=1e-12
    )


def test_own_sharing_with_volume_related_costs() -> None:
    """Proof of Proposition 7: dp_i/ds_i, and the mixed derivative in own investment, which needs
    the divisor 4 b1^2 - b2^2."""
    case = volume_costs()
    s_i, s_j, t_i, t_j = POINT[0]
    rise_j = 1 + SLOPE * t_j + CURVE * t_j**2 / 2
    g_own, g_rival = 2 * PHI1 * s_i - PHI3 * s_j, -2 * PHI2 * s_i - PHI3 * s_j
    used = -2 * B1 * g_own + B2 * (SPILL * t_i - g_rival) - B1 * B2 * HAT * t_i * rise_j
    assert along(margin, case, 0) == pytest.approx(used / DELTA, rel=1e-7)
    mixed = difference(lambda h: _mixed(case, h), 1e-3)
    assert mixed == pytest.approx(B2 * (SPILL - B1 * HAT * rise_j) / DELTA, rel=1e-5)
    assert abs(mixed - B2 * (SPILL - B1 * HAT * rise_j)) > 0.1


def _mixed(case: Case, h: float) -> float:
    """dp_i / ds_i with own investment moved by h."""
    base = POINT + h * np.eye(4)[2]
    return difference(lambda e: margin(case, base + e * np.eye(4)[0]))


def test_the_sign_of_32_is_not_settled() -> None:
    """Margins' slope in own investment may fall with lambdahat: with delta' = 0 and some sharing it
    does."""
    for slope, sign in ((0.0, -1), (3.0, 1)):
        s_i, s_j, _, t_j = POINT[0]
        printed = (
            (2 * B1**2 - B2**2) * t_j * s_j * slope - B1 * B2 * s_i * (1 + slope * t_j)
        ) / DELTA

        def own(hat: float, slope: float = slope) -> float:
            return along(margin, market(unit_cost=(C, hat, slope, 0.0)), 2)

        assert difference(lambda h: own(HAT + h)) == pytest.approx(printed, rel=1e-5)
        assert np.sign(printed) == sign


def test_prices_in_the_rivals_sharing_at_equilibrium() -> None:
    """Proof of Proposition 2: with the rival's own condition, dp_i/ds_j = (lambda_d t_j -
    dg_i/ds_j) / (2 b1)."""
    case = market(cost_scale=6.0)
    x = solve_regime(case, "nash").levels
    assert x is not None

    def at(h: float) -> float:
        return price(case, x[None] + h * np.eye(4)[1])

    by_rival = difference(lambda h: float(leakage(case, x[None] + h * np.eye(4)[1])[0, 0]))
    assert difference(at) == pytest.approx((SPILL * x[3] - by_rival) / (2 * B1), rel=1e-6)


def test_the_cross_effect_said_to_be_positive_is_zero() -> None:
    """d2 Pi_i / ds_i dt_j = 2 b1 (dp_i/ds_i dp_i/dt_j + p_i d2p_i/ds_i dt_j): both terms vanish at
    an equilibrium inside its range.

    Sharing and investment are complements across firms all the same: through the firm's own
    investment.
    """
    case = market(cost_scale=6.0)
    x = solve_regime(case, "nash").levels
    assert x is not None
    profit = Payoff(
        case=case,
        benefit=revenue_matrices(case, bertrand_matrix)[:, 0],
        cost_weight=np.eye(2)[None, 0],
    )
    hessian = profit.derivatives(x[None])[2][0]
    assert hessian[0, 3] == pytest.approx(0, abs=1e-10)
    assert hessian[0, 2] > 0.1
    assert hessian[2, 3] > 0.1
