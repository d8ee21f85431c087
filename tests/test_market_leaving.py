"""Firms that leave: prices against consumers who cannot buy less than nothing, replies against
brute force, boundedness and optima among levels at which every firm sells."""

from __future__ import annotations

import numpy as np
import pytest
from admissible import FIERCE
from numpy.typing import NDArray
from wild_markets import made
from wild_search import bounded_sharing, earned, read, regret, replies, reply_growth, unit_costs

from market.model.case import Case, make_case
from market.model.leaving import sales, true_profits
from market.model.payoff import Payoff
from market.model.pricing import net_intercept, sold_matrix
from market.model.reply import best_reply
from market.model.units import in_units, natural_units
from market.model.wellposed import investment_response, remaining_cost
from market.regimes import BOTH, REGIMES, benefit_matrix, level_bounds, solve_regime
from market.regimes.sellers import climb_among_sellers
from market.regimes.starts import fine_starts
from market.regimes.table import needed_scale
from mechanism.casefile.schema import parse_tree

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


def test_a_quantity_at_nil_is_told_where_rounding_moves_its_price() -> None:
    """Leakage of many times demand, which hardly costs more than it brings: the value from a search
    along the levels at which firm 1 sells nothing (`wild_search`)."""
    tree = made(1, 771)
    told = solve_regime(parse_tree(tree).market, "first_best")
    assert (told.status, told.certificate.driven_out) == ("infeasible", 0)
    assert told.certificate.value == pytest.approx(5.356432640975578 * read(tree).money, rel=1e-9)


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
