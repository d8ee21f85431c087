"""Where a firm sells nothing: levels in closed form, the price of keeping it in, and optima that
lie there, against figures derived anew (`wild_search`)."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from wild_markets import made
from wild_search import SOLE, Market, admissible, figures, nets, read, unit_costs, worth

from market.model.case import Case
from market.model.pricing import sold_matrix
from market.model.units import in_units, natural_units
from market.regimes import REGIMES, sole_payoff, solve_regime
from market.regimes.edges import at_an_edge, quantity_nil
from market.regimes.nil_cost import zero_unit_cost_pays
from market.regimes.sellers import RATE, among_sellers
from mechanism.casefile.policy_case import parse_tree

Array = NDArray[np.float64]


def both_ways(seed: int, number: int) -> tuple[Case, Market]:
    """A wild market in natural units, for the program and for the independent figures."""
    tree = made(seed, number)
    case = parse_tree(tree).market.flat()
    return in_units(case, natural_units(case)), read(tree)


def sold(m: Market, x: Array, regime: str) -> Array:
    """Quantities (..., 2) at levels (..., 4) by the independent figures."""
    return figures(m, nets(m, x), SOLE[regime][0])[1]


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("number", [1, 5, 9, 26, 212, 356, 527])
def test_wherever_a_quantity_changes_its_sign_it_is_said_to_be_nil(number: int, level: int) -> None:
    case, m = both_ways(4, number)
    rng = np.random.default_rng(number)
    others = np.concatenate([rng.uniform(size=(40, 2)), 10 ** rng.uniform(-3, 2, (40, 2))], -1)
    sweep = np.linspace(0, 1, 201) if level < 2 else np.append(0, np.geomspace(1e-6, 1e4, 400))
    line = np.repeat(others[:, None], len(sweep), 1)
    line[..., level] = sweep
    q = sold(m, line, "joint_profit")
    S = sold_matrix(case, REGIMES["joint_profit"].prices)
    both = quantity_nil(case, S, others, level)
    for firm in (0, 1):
        nil = both[..., firm]
        for k, j in np.argwhere(q[:, :-1, firm] * q[:, 1:, firm] < 0):
            width = sweep[j + 1] - sweep[j]
            within = (nil[:, k] >= sweep[j] - width / 1e6) & (
                nil[:, k] <= sweep[j + 1] + width / 1e6
            )
            assert within.any()


@pytest.mark.parametrize(
    ("seed", "number", "regime"),
    [
        (4, 864, "price_collusion"),
        (5, 326, "price_collusion"),
        (5, 564, "joint_profit"),
        (6, 94, "first_best"),
        (6, 258, "price_collusion"),
    ],
)
def test_climbs_start_where_a_firm_sells_nothing_and_its_rival_does(
    seed: int, number: int, regime: str
) -> None:
    case, m = both_ways(seed, number)
    payoff = sole_payoff(case, REGIMES[regime])
    S = np.broadcast_to(sold_matrix(case, REGIMES[regime].prices), (2, 2, 2))
    lane, x = at_an_edge(payoff, S, 2)
    assert (np.bincount(lane, minlength=2) >= 1).all()
    np.testing.assert_array_equal(x[lane == 0], x[lane == 1])
    q = sold(m, x, regime)
    assert (np.abs(q).min(-1) <= 1e-9 * q.max(-1)).all()
    assert (q.max(-1) > 0).all()
    assert admissible(m, x, regime, 1e-9).all()
    assert ((x >= 0) & (x <= np.array([1, 1, *m.cap]))).all()


def test_at_an_optimum_a_firm_that_sells_nothing_has_the_price_that_holds_all_levels() -> None:
    """Payoff would rise with each of the four levels, or fall, by the price times what that level
    adds to the quantity: all four are at no bound. From there a climb stays."""
    case, _ = both_ways(5, 326)
    regime = REGIMES["price_collusion"]
    x = np.array([[4.1857429e-4, 5.7310949e-2, 0.25924775, 1.3279210e-2]])
    (root,) = (
        root
        for root in quantity_nil(case, sold_matrix(case, regime.prices), x, 2)[..., 0]
        if abs(root[0] / x[0, 2] - 1) < 1e-4
    )
    x[:, 2] = root
    payoff = sole_payoff(case, regime)
    among = among_sellers(payoff, sold_matrix(case, regime.prices), RATE)
    gradient = payoff.derivatives(x)[1] * x
    priced = among.priced(x).derivatives(x)[1] * x
    assert np.abs(gradient).min() > 1e-2
    assert np.abs(priced).max() < 1e-4 * np.abs(gradient).max()


def test_a_unit_cost_of_nil_is_looked_for_where_a_firm_sells_nothing() -> None:
    """What firm 2 gives leaves firm 1 no unit cost, and firm 2 sells nothing: the levels of a
    search along both (`wild_search`), a needle among those at either. No levels at which both sell
    are worth nearly as much."""
    case, m = both_ways(4, 527)
    x = np.array([0.5731861429716358, 0.7649002326444903, 15.33967787347901, 13.263708700433243])
    assert admissible(m, x, "first_best", 1e-9)
    assert sold(m, x, "first_best")[1] < 1e-9
    assert unit_costs(m, x)[0] < 1e-9 * m.base[0]
    assert worth(m, x, "first_best") > 3.04
    payoff = sole_payoff(case, REGIMES["first_best"])
    for value, pays in ((3.0, True), (3.05, False)):
        assert (zero_unit_cost_pays(payoff, REGIMES["first_best"], np.array([value])) == pays).all()
    assert solve_regime(parse_tree(made(4, 527)).market, "first_best").status == "infeasible"
