"""Unit costs that rise with investment: whether payoff has a limit, against levels of markets that
grow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from market.model.case import Case, make_case
from market.model.leaving import sales, true_profits
from market.model.outcome import account
from market.model.pricing import bertrand_matrix, net_intercept
from market.regimes import solve_markets, solve_regime

Array = NDArray[np.float64]


def close_rivals(scale: float, exchanged: bool = False, size: float = 1.0) -> Case:
    """Nearly the same products: the first firm's unit cost is convex in its investment, the
    second's linear. Quantities are counted in units of which one has `size`."""
    by_firm: dict[str, Any] = {
        "demand_spillover": (0.384, 0.170),
        "max_saving": (0.2082, 0.3778),
        "unit_cost": [(0.557, 0.369), 0.0, 0.426 / size, (1.304 / size**2, 0.0)],
    }
    if exchanged:
        by_firm = {
            key: [v[::-1] if isinstance(v, tuple) else v for v in value]
            if key == "unit_cost"
            else value[::-1]
            for key, value in by_firm.items()
        }
    by_firm["unit_cost"] = tuple(by_firm["unit_cost"])
    return make_case(
        intercept=size,
        own_slope=size,
        cross_slope=0.9893 * size,
        rivalry=0.4477,
        leakage=(0.8209 * size, 0.0112 * size, 0.0),
        cost_scale=scale / size,
        cost_spillover=0.6064,
        reference_investment=3.709 * size,
        **by_firm,
    ).flat()


def saving_rivals(scale: float, exchanged: bool = False, size: float = 1.0) -> Case:
    """Close products of firms whose unit costs, convex in investment, knowledge could save."""
    slopes = (1.0 * size, 1.02 * size)
    return make_case(
        intercept=size,
        own_slope=slopes[::-1] if exchanged else slopes,
        cross_slope=0.942 * size,
        rivalry=0.001,
        demand_spillover=0.0,
        leakage=(1.0 * size, 0.1 * size, 0.0),
        cost_scale=scale / size,
        max_saving=0.0,
        cost_spillover=0.0,
        unit_cost=(0.07, 100.0 / size, 0.0, 26.0 / size**2),
    ).flat()


def along_close(t: float, exchanged: bool, size: float) -> Array:
    """Levels (n, 4) at which the second firm invests t and shares all, the first about the root."""
    own = np.sqrt(t) * np.geomspace(0.3, 10, 4001)
    # shares ever less, and yet its rival receives ever more
    x = np.stack([own**-0.5, np.ones_like(own), own, np.full_like(own, t)], -1)
    x[:, 2:] *= size
    return x[:, [1, 0, 3, 2]] if exchanged else x


def along_saving(t: float, exchanged: bool, size: float) -> Array:
    """Levels (n, 4) at which the first firm's unit cost is as good as saved and the second's in
    part: what is left of it, over t, is among numbers up to four."""
    own = np.linspace(0.3, 1.0, 71)[:, None] * t
    left = np.linspace(0, 4, 801) * t / (1 + 13 * own**2)
    t_1, t_2 = np.broadcast_arrays(np.float64(t), own + 0 * left)
    received = [0.07 * (1 - 1e-13) / 100 + 0 * left, (0.07 * (1 - 1e-13) - left) / 100]
    x = np.stack([received[1] / t_1, received[0] / t_2, t_1, t_2], -1).reshape(-1, 4)
    x = x[(x >= 0).all(-1)]
    x[:, 2:] *= size
    return x[:, [1, 0, 3, 2]] if exchanged else x


def per_square(case: Case, x: Array) -> float:
    """Of levels (n, 4) at which both firms sell, at prices and unit costs that are none below zero,
    the highest joint profit over the largest investment squared."""
    books = account(case, x, bertrand_matrix)
    real = books.describes_market & (books.quantity >= 0).all(-1) & (books.price >= 0).all(-1)
    real &= (books.unit_cost >= 0).all(-1)
    assert real.any()
    return float((books.profit.sum(-1)[real] / (x[real, 2:] ** 2).max(-1)).max())


VERSIONS = [(False, 1.0), (True, 1.0), (False, 1000.0)]


@pytest.mark.parametrize(("exchanged", "size"), VERSIONS)
@pytest.mark.parametrize(
    ("market", "along", "below", "above", "sizes"),
    [
        (close_rivals, along_close, 2.5, 2.75, (1e9, 1e11, 1e13)),
        (saving_rivals, along_saving, 2.6, 3.0, (1e2, 1e3, 1e4)),
    ],
)
def test_a_dear_rival_lets_joint_profit_grow(
    market: Any, along: Any, below: float, above: float, sizes: Any, exchanged: bool, size: float
) -> None:
    """A firm's unit cost may rise in proportion to its rival's investment at no investment to speak
    of, or for what of it is not saved; that keeps its rival selling, or raises its margin. Joint
    profit over the square of investment then stays."""
    case = market(below, exchanged, size)
    grows = [per_square(case, along(t, exchanged, size)) * size for t in sizes]
    assert min(grows) > 0.04
    np.testing.assert_allclose(grows, grows[-1], rtol=0.2)
    assert solve_regime(case, "joint_profit").status == "unbounded"
    assert solve_markets(case, "joint_profit", 1).status[0] == "unbounded"
    dear = market(above, exchanged, size)
    assert max(per_square(dear, along(t, exchanged, size)) for t in sizes) < 0
    assert solve_regime(dear, "joint_profit").status != "unbounded"


@pytest.mark.parametrize("exchanged", [False, True])
def test_a_firm_whose_unit_cost_puts_it_out_lets_profit_without_it_grow(exchanged: bool) -> None:
    """The second firm invests just so much that its unit cost keeps it out at the price of a
    monopoly, which costs next to nothing; were its unit cost not convex that would cost more."""

    def market(curvature: float) -> Case:
        pair = (0.0, curvature)
        return make_case(
            intercept=(1.19, 0.84) if exchanged else (0.84, 1.19),
            own_slope=1.0,
            cross_slope=0.9998,
            rivalry=0.413,
            demand_spillover=(-0.172, -0.355) if exchanged else (-0.355, -0.172),
            leakage=(0.146, 0.0066, 0.0072),
            cost_scale=1.487,
            max_saving=0.0,
            cost_spillover=0.0,
            unit_cost=(0.2, 0.0, 0.1234, pair[::-1] if exchanged else pair),
        ).flat()

    def grown(case: Case, t: float) -> float:
        x = np.zeros((4001, 4))
        x[:, 2], x[:, 3] = t, np.sqrt(t) * np.geomspace(0.1, 1000, 4001)
        x = x[:, [1, 0, 3, 2]] if exchanged else x
        out = sales(case, net_intercept(case, x)).out[..., 0 if exchanged else 1]
        return float(np.where(out, true_profits(case, x).sum(-1), -np.inf).max()) / t**2

    for t in (1e8, 1e10, 1e12):
        assert grown(market(0.0023), t) > 0.01
    left = solve_regime(market(0.0023), "joint_profit").certificate.leaving_out
    assert left is not None
    assert (left.firm, left.value) == (0 if exchanged else 1, np.inf)


@pytest.mark.parametrize("exchanged", [False, True])
def test_a_unit_that_costs_nothing_does_not_become_dearer(exchanged: bool) -> None:
    """Investment raises unit costs by a share: of none it makes none, however convex."""
    case = close_rivals(2.5, exchanged)
    unit = case.unit_cost
    assert unit is not None
    free = np.array([[0.0, 0.369]])
    base = free[:, ::-1] if exchanged else free
    convex = replace(case, unit_cost=replace(unit, base=base))
    straight = replace(case, unit_cost=replace(unit, base=base, curvature=0 * unit.curvature))
    found, same = solve_regime(convex, "joint_profit"), solve_regime(straight, "joint_profit")
    assert found.solved
    assert found.levels == pytest.approx(same.levels, rel=1e-9)
