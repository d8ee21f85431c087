"""The second oracle against definitions it does not use, and against the first one where both
apply."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import oracle
import oracle_stages as stages
import pytest
from write_stages import ASYMMETRIC, BASE, CASES, UNIT_COST, laid_over

UNEVEN = laid_over(BASE, ASYMMETRIC | {"unit_cost": UNIT_COST})
LEVELS = [0.2, 0.35, 1.1, 0.7]


@pytest.mark.oracle
@pytest.mark.slow
@pytest.mark.parametrize("form", ["saturating", "exponential", "restricted"])
@pytest.mark.parametrize(
    "regime", ["nash", "joint_profit", "price_collusion", "social_optimum", "first_best"]
)
def test_agrees_with_the_first_oracle_without_unit_costs(form: str, regime: str) -> None:
    tree = laid_over(BASE, {"cost": {"form": form, "scale": 30.0}})
    ours, theirs = stages.outcome(tree, regime), oracle.outcome(tree, regime)
    assert ours["status"] == theirs["status"]
    for key in ("sharing", "investment", "price", "quantity", "profit"):
        assert ours[key] == pytest.approx([float(v) for v in theirs[key]], rel=1e-13, abs=1e-13)


def test_a_constant_unit_cost_is_a_lower_intercept() -> None:
    """With F = c demand depends on p - c as it would on p at the intercept a - (b1 - b2) c; so do
    profit and welfare."""
    ours = stages.outcome(laid_over(BASE, {"unit_cost": {"base": 2.0}}), "nash")
    other = stages.outcome(laid_over(BASE, {"demand": {"intercept": 19.0}}), "nash")
    for key in ("sharing", "investment", "quantity", "profit", "welfare", "consumer_surplus"):
        assert ours[key] == pytest.approx(other[key], rel=1e-13)
    assert ours["price"] == pytest.approx([p + 2 for p in other["price"]], rel=1e-13)


@pytest.mark.parametrize("rule", ["bertrand", "collusive"])
def test_prices_maximise_profit(rule: str) -> None:
    m = stages.read_stage(UNEVEN)
    B, F = stages.shift(m, LEVELS), stages.unit_costs(m, LEVELS)
    A = m.intercept[0] + B[0], m.intercept[1] + B[1]
    best = stages.stage_prices(m, A, F, rule)

    def profit(p: Any, i: int) -> float:
        q = stages.quantities(m, A, p)
        return sum((p[k] - F[k]) * q[k] for k in ((0, 1) if rule == "collusive" else (i,)))

    for i in (0, 1):
        for step in (-1e-3, 1e-3):
            assert profit(tuple(best[k] + (step if k == i else 0) for k in (0, 1)), i) < profit(
                best, i
            )
    told = stages.account(m, LEVELS, "bertrand")
    assert told["profit"] == pytest.approx(
        [stages.own_profit(m, LEVELS, i) for i in (0, 1)], rel=1e-13
    )
    assert told["welfare"] == pytest.approx(
        told["consumer_surplus"] + sum(told["profit"]), rel=1e-13
    )


def test_prices_are_those_of_the_model() -> None:
    """Bertrand prices with one own slope."""
    m = stages.read_stage(
        laid_over(BASE, {"unit_cost": UNIT_COST, "demand": {"intercept": [24.0, 17.0]}})
    )
    B, F = stages.shift(m, LEVELS), stages.unit_costs(m, LEVELS)
    A, b1, b2 = (m.intercept[0] + B[0], m.intercept[1] + B[1]), m.own_slope[0], m.cross_slope
    told = [
        (2 * b1 * A[i] + b2 * A[1 - i] + 2 * b1**2 * F[i] + b1 * b2 * F[1 - i])
        / (4 * b1**2 - b2**2)
        for i in (0, 1)
    ]
    assert stages.stage_prices(m, A, F, "bertrand") == pytest.approx(told, rel=1e-14)


@pytest.mark.oracle
@pytest.mark.slow
@pytest.mark.parametrize("leader", [0, 1])
def test_the_leaders_profit_is_stationary(leader: int) -> None:
    """With the follower's two conditions solved as they stand, its sharing not taken from a
    formula."""
    told = stages.outcome(UNEVEN, "sequential", leader)
    x = [mp.mpf(v) for v in told["sharing"] + told["investment"]]
    with mp.workdps(40):
        m = stages.read_stage(UNEVEN, oracle.precise)
        own, theirs = [leader, 2 + leader], [1 - leader, 3 - leader]

        def payoff(a: Any, b: Any) -> Any:
            def put(c: Any, d: Any) -> list[Any]:
                y: list[Any] = [None] * 4
                y[own[0]], y[own[1]], y[theirs[0]], y[theirs[1]] = a, b, c, d
                return y

            def conditions(c: Any, d: Any) -> list[Any]:
                return [
                    stages.slope(lambda y: stages.own_profit(m, y, 1 - leader), put(c, d), k)
                    for k in theirs
                ]

            reply = mp.findroot(conditions, [x[k] for k in theirs])
            return stages.own_profit(m, put(*reply), leader)

        h = mp.mpf("1e-10")
        here = [x[k] for k in own]
        centre = payoff(*here)
        for k in (0, 1):
            up, down = (
                payoff(*[v + (sign * h if n == k else 0) for n, v in enumerate(here)])
                for sign in (1, -1)
            )
            assert abs((up - down) / (2 * h)) < 1e-13
            assert (up - 2 * centre + down) / h**2 < 0


def test_primitives_give_back_the_utility() -> None:
    demand = stages.primitives([30.0, 26.0], [1.2, 1.5], 0.6)
    (a1, a2), (b1, b2), cross = demand["intercept"], demand["own_slope"], demand["cross_slope"]
    p = 7.0, 9.0
    q1, q2 = a1 - b1 * p[0] + cross * p[1], a2 - b2 * p[1] + cross * p[0]
    assert (30 - 1.2 * q1 - 0.6 * q2, 26 - 1.5 * q2 - 0.6 * q1) == pytest.approx(p, rel=1e-14)
    assert stages.primitives(30.0, 1.2, 0.6)["cross_slope"] == pytest.approx(0.6 / (1.44 - 0.36))


@pytest.mark.oracle
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "seam"), [("leader_at_a_kink", "kink"), ("leader_at_a_jump", "jump")]
)
def test_the_leader_stops_where_the_reply_bends_or_jumps(name: str, seam: str) -> None:
    """The leader's profit falls on both sides of the seam, the follower's best reply taken afresh
    every time."""
    m, told = (
        stages.read_stage(laid_over(BASE, CASES[name])),
        stages.outcome(laid_over(BASE, CASES[name]), "sequential"),
    )
    assert told["seam"] == seam
    own = told["sharing"][0], told["investment"][0]
    falls = []
    for step in (-1e-3, 1e-3):
        answer = stages.answered(m, [own[0], own[1] + step], 0, 120.0, 4001)[0][1]
        falls.append(told["profit"][0] - stages.own_profit(m, answer, 0))
    assert min(falls) > 0
    assert max(falls) > (1 if seam == "jump" else 1e-4)


@pytest.mark.oracle
@pytest.mark.slow
def test_investment_first_at_a_kink() -> None:
    """Both firms invest exactly up to where they would share everything: the profit bends down
    there on both sides."""
    tree = laid_over(BASE, CASES["investments_at_a_kink"])
    told = stages.outcome(tree, "investment_first")
    assert told["sharing"] == [1.0, 1.0]
    assert told["investment"] == pytest.approx([5.0, 5.0], abs=1e-13)
    m, here = (
        stages.read_stage(tree),
        stages.own_profit(stages.read_stage(tree), [1.0, 1.0, 5.0, 5.0], 0),
    )
    for t in (4.999, 5.001):
        assert stages.own_profit(m, stages.levels(m, [t, 5.0], "investment_first"), 0) < here - 1e-5
