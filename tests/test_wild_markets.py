"""A short run over markets of wild sizes, what it covers, and proof that it sees faults planted one
by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import wild_markets
from wild_markets import REGIMES, SOLE, compare, made, read
from wild_search import admissible, nets, unit_costs, worth

import market.regimes.objectives as objectives
from market.model.units import in_units, natural_units
from market.regimes import solve_markets, solve_regime
from market.regimes.nil_cost import zero_unit_cost_pays
from market.regimes.objectives import sole_payoff
from market.regimes.table import REGIMES as REGIME
from mechanism.casefile.policy_case import parse_tree


@pytest.mark.slow
def test_pigou_and_an_independent_search_agree_on_markets_of_wild_sizes() -> None:
    """Three of the markets of a long run, each in two of the regimes."""
    for number in range(3):
        assert not compare(1, number, REGIMES[number::3]).faults


@pytest.mark.slow
@pytest.mark.parametrize("number", [7, 20, 138])
def test_they_agree_where_a_short_run_may_not_come(number: int) -> None:
    """Knowledge bounded by unit costs; optima at which a quantity is nil; a large cap; profit
    convex in own sharing."""
    assert not compare(1, number).faults


@pytest.mark.slow
def test_climbs_along_a_payoff_without_limit_warn_nobody() -> None:
    """With a firm out profit grows without limit where the other sells less than nothing; climbs
    that follow it until nothing is a number end nowhere."""
    assert not compare(9, 129, ("price_collusion",)).faults


@pytest.mark.parametrize("convex", [False, True])
def test_a_unit_cost_that_is_partly_saved_lets_welfare_grow_without_limit(convex: bool) -> None:
    """Knowledge that saves all of a firm's unit cost would drive its rival out, knowledge that
    saves part of it does not: there both sell, and payoff over the square of investment stays. Of a
    unit cost that is convex in investment ever less is left."""
    tree = made(1, 757)
    if convex:
        unit, slope = tree["unit_cost"], tree["unit_cost"]["slope"]
        unit |= {"slope": [0.0, slope], "curvature": [slope**2 / 100, 0.0]}
    m = read(tree)
    assert np.isinf(m.cap).all()
    rivals = 1e-3
    for regime in ("first_best", "price_collusion"):
        levels = []
        for t in (1e6, 1e8, 1e10):
            left = 0.46 * t / (1 + m.slope[0] * t + m.curvature[0] / 2 * t**2)
            received = (m.base[0] - left) / m.saved[0]
            levels.append(np.array([0.0, received / (rivals * t), t, rivals * t]))
        assert all(admissible(m, x, regime) for x in levels)
        per_square = [float(worth(m, x, regime)) / x[2] ** 2 for x in levels]
        assert per_square[0] > 10
        np.testing.assert_allclose(per_square, per_square[0], rtol=0.01)
        assert solve_regime(parse_tree(tree).market, regime).status == "unbounded"


@pytest.mark.parametrize(
    ("number", "levels"),
    [
        (168, (0, 0.102295993, 1536.44977, 124.372505)),
        (986, (1, 0.0383444506, 79727.4243, 300.263608)),
        (339, (1, 0.47367373, 0, 0)),
    ],
)
def test_many_markets_at_once_have_the_equilibrium_that_one_has(
    number: int, levels: tuple[float, ...]
) -> None:
    """What is shared pays for what is shared: firms that begin by themselves end near another
    equilibrium, at which they earn less together."""
    found = solve_markets(parse_tree(made(1, number)).market.flat(), "nash", 1)
    assert found.levels[0] == pytest.approx(levels, rel=1e-8)


@pytest.mark.slow
def test_many_markets_at_once_see_what_lies_between_nothing_and_a_firm_out() -> None:
    """Sharing costs so much that on a coarse grid all but none of it leaves a firm out; what is
    best lies before that."""
    case, m = parse_tree(made(7, 61)).market.flat(), read(made(7, 61))
    found, alone = (
        solve_markets(case, "sharing_alliance", 1),
        solve_regime(case, "sharing_alliance"),
    )
    assert found.status[0] == alone.status == "infeasible"
    assert found.value[0] == alone.certificate.value
    # where nobody shares members earn much less
    none = solve_regime(case, "no_sharing")
    assert none.levels is not None
    assert (
        found.value[0]
        > 2.5 * worth(m, none.levels / [1, 1, m.amount, m.amount], "joint_profit") * m.money
    )


def test_all_kinds_of_markets_are_drawn() -> None:
    trees = [made(1, number) for number in range(300)]
    for tree in trees:
        parse_tree(tree)
    assert {tree["cost"]["form"] for tree in trees} == {"saturating", "exponential", "restricted"}
    assert sum("unit_cost" in tree for tree in trees) > 60
    caps = [tree["cost"].get("investment_cap") for tree in trees]
    assert sum(cap is not None and np.any(np.equal(cap, 0)) for cap in caps) > 8
    assert sum(isinstance(cap, list) for cap in caps) > 20
    for block, key in (
        ("demand", "intercept"),
        ("demand", "own_slope"),
        ("security", "rivalry"),
        ("cost", "scale"),
        ("cost", "spillover"),
    ):
        assert sum(isinstance(tree[block][key], list) for tree in trees) > 60
    for block, key in (
        ("demand", "intercept"),
        ("demand", "own_slope"),
        ("cost", "scale"),
        ("cost", "reference_investment"),
    ):
        sizes = np.log10([np.max(tree[block][key]) for tree in trees if key in tree[block]])
        assert np.ptp(sizes) > 9


def _scale_halved(m: Any) -> Any:
    return replace(m, scale=m.scale / 2)


def _without_rivalry(m: Any) -> Any:
    return replace(m, rivalry=0 * m.rivalry)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "regimes"),
    [
        (11, SOLE),
        (212, ["joint_profit"]),
        (356, ["joint_profit", "first_best"]),
        (527, ["first_best"]),
        (864, ["price_collusion"]),
        (66, ["nash"]),
        (93, ["nash"]),
        (558, ["nash"]),
        (958, ["price_collusion", "joint_profit"]),
        (995, ["first_best"]),
    ],
)
def test_they_agree_in_markets_that_a_long_run_of_another_seed_found(
    number: int, regimes: list[str]
) -> None:
    """At 11 firms that share all pay for hardly anything; at 212 the chooser would rather have
    firm 1 alone, and the best with both is approached as firm 2 stops selling. At 66 one firm is
    a thousandth of the other; at 558 an equilibrium with all shared lies 10^7 demands out. At 356
    and 527 the best is where a unit cost is nil and a firm stops selling. At 864 only much help
    keeps firm 2 selling; at 93, 958 and 995 what is looked for lies so far out that
    of payoffs little but their last digits tells where."""
    assert not compare(4, number, regimes).faults


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "regime"),
    [
        (202, "joint_profit"),
        (299, "nash"),
        (326, "price_collusion"),
        (434, "price_collusion"),
        (564, "joint_profit"),
        (589, "first_best"),
    ],
)
def test_they_agree_in_markets_of_a_third_seed(number: int, regime: str) -> None:
    """At 202 unit costs leave nothing to sell; at 299 replies settle where a unit cost is nil, no
    equilibrium; at 326 and 564 a firm a hundredth of its rival stops selling, kept in by next to
    nothing or by leakage alone; at 434 the best with both is at 285 demands, where one of very
    unequal firms stops selling; at 589 nothing but caps, 10^4 demands out, bounds what is
    chosen."""
    assert not compare(5, number, [regime]).faults


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "regime"), [(94, "first_best"), (94, "price_collusion"), (258, "price_collusion")]
)
def test_they_agree_in_markets_of_a_fourth_seed(number: int, regime: str) -> None:
    """The best is where a firm stops selling: at 94 nothing may be invested and what firms leak
    drives one out, at 258 hardly anything is worth investing."""
    assert not compare(6, number, [regime]).faults
    case = parse_tree(made(6, number)).market.flat()
    assert solve_markets(case, regime, 1, roughly=True).status == ["infeasible"]


def test_a_unit_cost_of_nil_is_looked_for_wherever_both_firms_sell() -> None:
    """Also where the intercept net of unit costs of a firm that sells is negative."""
    case, m = parse_tree(tree := made(1, 26)).market.flat(), read(tree)
    x = np.array([3.60042e-3, 3e-3, 10.3821, 1.38057e-3])
    assert admissible(m, x, "joint_profit", 1e-9)
    assert nets(m, x)[1] < -1
    assert 0 < unit_costs(m, x)[1] < 1e-5 * m.base[1]
    payoff = sole_payoff(in_units(case, natural_units(case)), REGIME["joint_profit"])
    known = np.array([0.99 * worth(m, x, "joint_profit")])
    assert zero_unit_cost_pays(payoff, REGIME["joint_profit"], known).all()


def _in_other_money(m: Any) -> Any:
    return replace(m, money=m.money * 1.001)


@pytest.mark.slow
@pytest.mark.parametrize("change", [_scale_halved, _without_rivalry, _in_other_money])
def test_another_market_is_not_mistaken_for_the_one_that_was_solved(
    change: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = wild_markets.read
    monkeypatch.setattr(wild_markets, "read", lambda tree: change(read(tree)))
    assert compare(1, 1, ["nash"]).faults


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 7])
def test_a_firm_that_is_kept_in_the_market_when_it_would_be_driven_out_is_noticed(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Levels at which quantities may be negative, taken for a market."""
    monkeypatch.setattr(
        "market.model.outcome.not_negative", lambda values: np.ones(values.shape[:-1], bool)
    )
    assert compare(1, number, ["joint_profit"]).faults


@pytest.mark.slow
def test_deviations_that_drive_the_rival_out_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit payoffs ignored: a rival that sells whatever happens."""
    exact = objectives.best_reply
    monkeypatch.setattr(
        objectives,
        "best_reply",
        lambda case, x, firm, sharing_range, beside=False: exact(
            case, x, firm, sharing_range, True
        ),
    )
    assert compare(1, 64, ["nash"]).faults
