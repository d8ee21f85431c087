"""What leaving a firm out would pay: against a scalar model of a market with one firm, searched by
brute force."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run
from scipy.optimize import minimize
from trees import evaluate

from market.model.case import Case, make_case
from market.model.outcome import Outcome, account
from market.model.pricing import bertrand_matrix, marginal_cost_matrix
from market.model.units import levels_from, natural_units
from market.regimes import REGIMES, solve_markets, solve_regime
from market.regimes.leaving_out import bound_alone
from mechanism.casefile.policy_case import load_case, parse_tree

CASES = Path(__file__).resolve().parents[1] / "cases"
SOLE = ("joint_profit", "price_collusion", "social_optimum", "first_best")


def fierce(**changes: Any) -> Case:
    """A market in which investing mostly takes the rival's customers."""
    given: dict[str, Any] = {
        "intercept": [10, 10],
        "own_slope": 1,
        "cross_slope": 0.0,
        "rivalry": 0.9,
        "demand_spillover": 0.05,
        "leakage": (1, 0.1, 0.1),
        "cost_scale": 1.6,
        "max_saving": 0.2,
        "cost_spillover": 0.5,
    }
    return make_case(**{**given, **changes})


def alone(case: Case, key: str, i: int) -> Callable[[Sequence[float]], float]:
    """The chooser's payoff over levels with firm i alone in the market; minus infinity where the
    other could sell beside it. In plain numbers, as it is asked for very often."""
    one = {
        name: np.broadcast_to(value.ravel(), 2).tolist()
        for name, value in vars(case).items()
        if isinstance(value, np.ndarray)
    }
    j, b, z = 1 - i, one["own_slope"], one["cross_slope"][0]

    def payoff(x: Sequence[float]) -> float:
        s, t = x[:2], x[2:]
        n, cost = [0.0, 0.0], 0.0
        for k in (0, 1):
            m = 1 - k
            leak = (
                one["leakage_own"][k] * s[k] ** 2
                - one["leakage_cross"][k] * s[m] ** 2
                - one["leakage_interaction"][k] * s[k] * s[m]
            )
            shift = (
                t[k] - one["rivalry"][k] * t[m] + one["demand_spillover"][k] * t[m] * s[m] - leak
            )
            n[k] = one["intercept"][k] + shift
            y = one["cost_spillover"][k] * t[m] * s[m]
            cost += one["cost_scale"][k] / 2 * t[k] ** 2 * (1 - one["max_saving"][k] * y / (1 + y))
        # demand for i where j sells nothing
        left, slope = (b[j] * n[i] + z * n[j]) / b[j], (b[0] * b[1] - z**2) / b[j]
        if left <= 0:
            return -math.inf
        if key in ("joint_profit", "social_optimum"):
            if 2 * b[i] * n[j] + z * n[i] >= 0:
                return -math.inf
            price = left / (2 * slope) if z == 0 else min(left / (2 * slope), -n[j] / z)
            sold = left - slope * price if price == left / (2 * slope) else n[i] - b[i] * price
        else:
            if n[j] >= 0:
                return -math.inf
            price = left / (2 * slope) if key == "price_collusion" else 0.0
            sold = left - slope * price
        if key in ("joint_profit", "price_collusion"):
            return price * sold - cost
        return _worth(n, b, z, i, sold) - cost

    return payoff


def _worth(n: list[float], b: list[float], z: float, i: int, sold: float) -> float:
    """The area below inverse demand for firm i's product, the other not being sold."""
    determinant = b[0] * b[1] - z**2
    choke = (b[1 - i] * n[i] + z * n[1 - i]) / determinant
    return choke * sold - b[1 - i] / determinant * sold**2 / 2


def brute_force(case: Case, key: str, i: int, top: float) -> float:
    """The best of many random levels, refined by a simplex search."""
    rng = np.random.default_rng(5)
    tries = np.column_stack(
        [
            rng.uniform(0, 1, (4000, 2)),
            rng.uniform(0, top, (4000, 2)) * rng.integers(0, 2, (4000, 2)),
        ]
    )
    corners = rng.integers(0, 3, (4000, 2))
    tries[:, :2] = np.where(corners == 0, 0.0, np.where(corners == 1, 1.0, tries[:, :2]))
    payoff = alone(case, key, i)
    values = np.array([payoff(x) for x in tries.tolist()])

    def loss(x: np.ndarray) -> float:
        given = x.tolist()
        inside = [max(level, 0.0) for level in given]
        inside[:2] = [min(share, 1.0) for share in inside[:2]]
        outside = sum(abs(a - b) for a, b in zip(given, inside, strict=True))
        return 1e6 * outside - max(payoff(inside), -1e9)

    best = -np.inf
    for start in tries[np.argsort(-values)[:3]]:
        x = start
        for _ in range(3):
            x = minimize(
                loss,
                x,
                method="Nelder-Mead",
                options={"maxiter": 4000, "xatol": 1e-10, "fatol": 1e-10},
            ).x
        best = max(best, -loss(x))
    return best


def with_every_firm(outcome: Outcome) -> float:
    """What is reached with both firms selling."""
    if not outcome.solved:
        assert outcome.certificate.value is not None
        return outcome.certificate.value
    return (
        outcome.welfare
        if outcome.regime in ("social_optimum", "first_best")
        else float(outcome.profit.sum())
    )


@pytest.mark.slow
@pytest.mark.parametrize("key", SOLE[::2])
@pytest.mark.parametrize(
    "changes",
    [
        {"intercept": [10, 9.5]},
        {"intercept": [14, 6], "cross_slope": 0.3, "rivalry": 0.95, "cost_scale": 2.0},
        {
            "intercept": [12, 4],
            "own_slope": [1.0, 1.4],
            "cross_slope": 0.5,
            "cost_scale": 3.0,
            "rivalry": 0.9,
        },
        {
            "intercept": [10, 9],
            "cross_slope": 0.1,
            "cost_scale": [1.8, 2.4],
            "demand_spillover": 0.3,
        },
    ],
)
def test_what_is_said_is_what_brute_force_finds(key: str, changes: dict[str, Any]) -> None:
    case = fierce(**changes)
    outcome = solve_regime(case, key)
    left = outcome.certificate.leaving_out
    found = [brute_force(case, key, i, 40.0) for i in (0, 1)]
    if left is None:
        assert outcome.status == "unbounded" or max(found) <= with_every_firm(outcome) * (1 + 1e-6)
        return
    assert left.every_firm == pytest.approx(with_every_firm(outcome), rel=1e-9)
    assert left.value > left.every_firm
    if np.isfinite(left.value):
        assert left.value == pytest.approx(max(found), rel=1e-6)
        assert found[1 - left.firm] == pytest.approx(max(found), rel=1e-6)
    else:
        assert max(brute_force(case, key, 1 - left.firm, top) for top in (1e3, 1e5)) > 1e3 * abs(
            left.every_firm
        )


def test_no_levels_with_a_firm_alone_pay_more_than_the_bound() -> None:
    """So where it is no more than what is reached with both firms none is looked for."""
    rng, told = np.random.default_rng(3), 0
    for _ in range(12):
        case = fierce(
            intercept=rng.uniform(4, 14, 2),
            own_slope=rng.uniform(1, 2, 2),
            cross_slope=rng.uniform(0, 0.9),
            rivalry=rng.uniform(0.1, 0.95, 2),
            demand_spillover=rng.uniform(-0.5, 1),
            cost_scale=rng.uniform(1.5, 4),
        )
        for key in SOLE:
            bound = bound_alone(case.flat(), REGIMES[key])[0]
            told += int(np.isfinite(bound).sum())
            for i in (0, 1):
                payoff = alone(case, key, i)
                x = rng.uniform(0, [1, 1, 40, 40], (400, 4)) * rng.integers(0, 2, (400, 4))
                assert max(map(payoff, x.tolist())) <= bound[i]
    assert told > 48


@pytest.mark.parametrize("other", [10, 14])
def test_the_bound_is_what_is_had_where_nothing_is_saved(other: float) -> None:
    """Goods unrelated, nothing passed on: with prices at cost it is (a + phi2 + t)^2 / 2 less k t^2
    / 2, at the best investment or at the least that takes the other's demand."""
    case = fierce(
        intercept=[10, other], rivalry=0.9, leakage=(1, 0.1, 0), cost_scale=1.9, max_saving=0
    )
    best = max(10.1 / 0.9, (other - 1) / 0.9)
    most = (10.1 + best) ** 2 / 2 - 1.9 * best**2 / 2
    assert bound_alone(case.flat(), REGIMES["first_best"])[0, 0] == pytest.approx(most)
    assert alone(case, "first_best", 0)([0, 1, best * (1 + 1e-9), 0]) == pytest.approx(most)


def test_the_bound_is_approached_where_the_other_invests_and_saves_for_nothing() -> None:
    case = fierce(
        intercept=[10, 14],
        demand_spillover=1.0,
        leakage=(1, 0.1, 0),
        cost_scale=[1.9, 1e-9],
        cost_spillover=1e9,
    )
    payoff = alone(case, "first_best", 0)
    # just more than would leave the other its demand of 14 less a leak of 1
    most = max(payoff([0, 1, t, 0.9 * t - 13 - 1e-9]) for t in np.linspace(20, 40, 2001))
    bound = bound_alone(case.flat(), REGIMES["first_best"])[0, 0]
    assert most <= bound == pytest.approx(most, rel=1e-5)


def test_a_firm_whose_demand_nobody_can_take_is_never_left_out() -> None:
    case = fierce(rivalry=0.0, demand_spillover=0.5).flat()
    assert (bound_alone(case, REGIMES["social_optimum"]) == -np.inf).all()
    capped = fierce(investment_cap=9.9).flat()  # it takes 9 over a rivalry of 0.9
    assert (bound_alone(capped, REGIMES["social_optimum"]) == -np.inf).all()


@pytest.mark.slow
def test_the_published_market() -> None:
    """With the rival out the alliance earns 91.5 against 68.2835, and welfare grows without
    limit."""
    case = fierce(cost_scale=0.7)
    for key in SOLE:
        certificate = solve_regime(case, key).certificate
        left = certificate.leaving_out
        assert left is not None
        assert certificate.driven_out == left.firm == 1
        assert certificate.value == left.every_firm
        if key in ("joint_profit", "price_collusion"):
            assert left.value == pytest.approx(91.5, abs=0.05)
            assert left.value == pytest.approx(brute_force(case, key, 0, 60.0), rel=1e-6)
            assert left.every_firm == pytest.approx(68.2835, abs=1e-4)
        else:
            assert left.value == np.inf


@pytest.mark.slow
def test_firms_exchanged_exchange_who_is_left_out() -> None:
    one, other = (
        solve_regime(fierce(intercept=pair), "joint_profit").certificate.leaving_out
        for pair in ([14, 6], [6, 14])
    )
    assert one is not None
    assert other is not None
    assert (one.firm, other.firm) == (1, 0)
    assert one.value == pytest.approx(other.value, rel=1e-9)


@pytest.mark.slow
def test_money_scales_what_is_said() -> None:
    plain = solve_regime(fierce(cost_scale=0.7), "joint_profit").certificate.leaving_out
    dear = solve_regime(
        fierce(cost_scale=0.7e6, own_slope=1e-6), "joint_profit"
    ).certificate.leaving_out
    assert plain is not None
    assert dear is not None
    assert dear.value == pytest.approx(1e6 * plain.value, rel=1e-9)
    assert dear.every_firm == pytest.approx(1e6 * plain.every_firm, rel=1e-9)


@pytest.mark.slow
@pytest.mark.usefixtures("evaluated_once")
def test_the_page_names_the_firm_and_both_amounts(run: Run, tmp_path: Any) -> None:
    tree = {
        "name": "Fierce",
        "demand": {"intercept": 10, "own_slope": 1, "cross_slope": 0},
        "security": {
            "rivalry": 0.9,
            "demand_spillover": 0.05,
            "leakage": {"own": 1, "cross": 0.1, "interaction": 0.1},
        },
        "cost": {"scale": 0.7, "max_saving": 0.2, "spillover": 0.5},
        "firms": ["Alpha", "Beta"],
        "units": {"money": "EUR"},
    }
    told = {
        w["message"]
        for w in evaluate(parse_tree(tree))["warnings"]
        if w["code"] == "firm_driven_out"
    }
    assert (
        "joint_profit: joint profit is 68.28 EUR at most with every firm in the market; with Beta"
        " driven out it would be 91.48 EUR" in told
    )
    assert any(
        text.startswith("social_optimum: ")
        and text.endswith("with Beta driven out it would grow without limit")
        for text in told
    )
    path = tmp_path / "case.json"
    path.write_text(json.dumps(tree))
    assert "with Beta driven out it would be 91.48 EUR" in " ".join(
        run("evaluate", path, "--quick").out.split()
    )
    found = json.loads(run("evaluate", path, "--quick", "--format", "json").out)["regimes"]
    assert found["joint_profit"]["certificate"]["leaving_out"]["without"] == "Beta"
    assert found["social_optimum"]["certificate"]["leaving_out"]["value"] is None
    assert found["social_optimum"]["certificate"]["leaving_out"]["unlimited"] is True
    assert found["nash"]["certificate"]["leaving_out"] is None


@pytest.mark.slow
@pytest.mark.parametrize("share", [-1e-6, -1e-9, -1e-12, 1e-12, 1e-9, 1e-6])
def test_rounding_does_not_decide_what_is_reached_with_every_firm(share: float) -> None:
    """Next to the published market the alliance would drive a firm out too, and reaches as much
    with both selling."""
    outcome = solve_regime(fierce(cost_scale=0.7 * (1 + share)), "joint_profit")
    assert outcome.status == "infeasible"
    assert outcome.certificate.value == pytest.approx(68.2835, abs=2e-4)


def far_off(exchanged: bool = False) -> Case:
    """A market in which unit costs rise so little at first, and each firm serves so much of what it
    receives, that a planner's best lies at investments hundreds of times demand."""
    pair: dict[str, Any] = {
        "intercept": [0.8, 1.25],
        "rivalry": [0.42, 0.86],
        "max_saving": [0.78, 0.17],
        "cost_spillover": [0.5, 1.0],
    }
    return make_case(
        **{key: values[::-1] if exchanged else values for key, values in pair.items()},
        own_slope=1.0,
        cross_slope=1e-5,
        demand_spillover=0.556,
        leakage=(0.05, 0.0054, 0.0),
        cost_scale=2.64,
        reference_investment=1.06,
        unit_cost=(0.205, 0, 0, 0.00117),
    )


@pytest.mark.parametrize("regime", ["social_optimum", "first_best"])
def test_rounding_of_a_vast_unit_cost_is_no_reason_to_leave_a_firm_out(regime: str) -> None:
    """A firm that invests 10^14 demands is out by its own unit cost, which cancels in what is left
    to the other. What that earns in its own investment grows by 1.41 t^2 at most, with prices at
    cost, and costs at least 2.69 t^2 less a seventh."""
    case = make_case(
        intercept=[20.4, 40.0],
        own_slope=[0.726, 0.585],
        cross_slope=0.41,
        rivalry=[0.219, 0.229],
        demand_spillover=0.664,
        leakage=(1.05, 0.337, 0.103),
        cost_scale=[5.39, 4.54],
        max_saving=0.153,
        cost_spillover=[0.0385, 0.0],
        reference_investment=2.21,
        unit_cost=(10.3, 0, 0.0226, 0.000328),
    )
    outcome = solve_regime(case, regime)
    assert outcome.levels is not None
    assert outcome.certificate.leaving_out is None


@pytest.mark.parametrize("exchanged", [False, True])
def test_what_pays_far_from_where_investment_begins_to_is_found(exchanged: bool) -> None:
    """With unit costs that rise with investment payoff is no parabola: an optimum near demand's
    size may be beaten far away, where a quantity falls to zero."""
    case = far_off(exchanged).flat()
    x = np.array([[1.0, 1.0, 700.0, 222.0]])[:, [1, 0, 3, 2] if exchanged else [0, 1, 2, 3]]
    there = account(case, x, marginal_cost_matrix)
    welfare = float(there.total_surplus.sum())
    assert there.describes_market.all()
    assert welfare > 1e4  # units of about one
    outcome = solve_regime(case, "first_best")
    assert outcome.status == "infeasible"
    assert outcome.certificate.driven_out == (0 if exchanged else 1)
    assert outcome.certificate.value is not None
    assert outcome.certificate.value > welfare
    near = outcome.certificate.approached
    assert near is not None
    assert near.welfare == pytest.approx(outcome.certificate.value, rel=1e-8)
    sold = account(case, near.levels[None], marginal_cost_matrix).quantity[0]
    assert abs(sold[outcome.certificate.driven_out]) < 1e-8 * sold.max()
    left = outcome.certificate.leaving_out
    assert left is not None
    assert left.firm == outcome.certificate.driven_out
    assert solve_markets(case, "first_best", 1).status[0] == "infeasible"


def far_off_at_random(seed: int) -> Case:
    """Markets like that one."""
    number = np.random.default_rng(seed).uniform
    return make_case(
        intercept=[number(0.7, 0.9), number(1.1, 1.4)],
        own_slope=1.0,
        cross_slope=number(0, 1e-3),
        rivalry=[number(0.38, 0.46), number(0.8, 0.9)],
        demand_spillover=number(0.53, 0.58),
        leakage=(number(0.04, 0.1), 0.005, 0.0),
        cost_scale=number(2.6, 2.9),
        max_saving=[number(0.77, 0.83), number(0.1, 0.2)],
        cost_spillover=[0.5, 1.0],
        reference_investment=number(0.9, 1.1),
        unit_cost=(0.2, 0, 0, number(5e-4, 4e-3)),
    ).flat()


def with_one_alone(case: Case, key: str, i: int, x: np.ndarray) -> np.ndarray:
    """The same as `alone` at many levels (n, 4), unit costs included."""

    def of(value: np.ndarray) -> list[float]:
        return np.broadcast_to(value.ravel(), 2).tolist()

    s, t, unit, j = x[:, :2].T, x[:, 2:].T, case.unit_cost, 1 - i
    assert unit is not None
    b, z = of(case.own_slope), of(case.cross_slope)[0]
    dear = [of(unit.base)[k] * (1 + of(unit.curvature)[k] / 2 * t[k] ** 2) for k in (0, 1)]
    n, cost = [], np.zeros(len(x))
    for k, m in ((0, 1), (1, 0)):
        leak = of(case.leakage_own)[k] * s[k] ** 2 - of(case.leakage_cross)[k] * s[m] ** 2
        spill = (of(case.demand_spillover)[k] * s[m] - of(case.rivalry)[k]) * t[m]
        demand = of(case.intercept)[k] + t[k] + spill - leak
        n.append(demand - b[k] * dear[k] + z * dear[m])
        y = of(case.cost_spillover)[k] * t[m] * s[m] / of(case.reference_investment)[k]
        cost += of(case.cost_scale)[k] / 2 * t[k] ** 2 * (1 - of(case.max_saving)[k] * y / (1 + y))
    left, slope = n[i] + z / b[j] * n[j], b[i] - z**2 / b[j]
    margin = np.minimum(left / (2 * slope), -n[j] / z)
    sold = left - slope * margin
    earned = margin * sold if key == "joint_profit" else (left * sold - sold**2 / 2) / slope
    is_out = (2 * b[i] * n[j] + z * n[i] < 0) & (left > 0)
    return np.where(is_out, earned - cost, -np.inf)


def densely(payoff: Callable[[np.ndarray], np.ndarray]) -> float:
    """The highest payoff at many random levels of all sizes, and ever closer around the best."""
    rng = np.random.default_rng(1)
    x = np.column_stack([rng.uniform(0, 1, (100000, 2)), 10 ** rng.uniform(-2, 4, (100000, 2))])
    x[:, :2] = np.where(rng.random((100000, 2)) < 0.3, rng.integers(0, 2, (100000, 2)), x[:, :2])
    for size in np.geomspace(0.3, 1e-6, 60):
        x = x[np.argsort(-payoff(x))[:40]]
        step = np.concatenate([np.ones((40, 2)), x[:, 2:]], 1)
        near = x[:, None] + size * step[:, None] * rng.normal(size=(40, 60, 4))
        near[..., :2] = np.clip(near[..., :2], 0, 1)
        x = np.concatenate([x, np.maximum(near, 0).reshape(-1, 4)])
    return float(payoff(x).max())


@pytest.mark.slow
@pytest.mark.parametrize("exchanged", [False, True])
@pytest.mark.parametrize("seed", [17, 20, 31, 44])
def test_what_driving_a_firm_out_would_pay_far_away_is_found(seed: int, exchanged: bool) -> None:
    """It takes so large investments that all but the best of them pay less than near demand's
    size, from where climbs lead to markets in which both sell."""
    case = far_off_at_random(seed)
    case = case.map(lambda a: a[..., ::-1]) if exchanged else case
    outcome = solve_regime(case, "social_optimum")
    found = [densely(lambda x, i=i: with_one_alone(case, "social_optimum", i, x)) for i in (0, 1)]
    assert max(found) > 2 * abs(with_every_firm(outcome))
    left = outcome.certificate.leaving_out
    assert left is not None
    assert left.firm == 1 - int(np.argmax(found))
    assert left.value == pytest.approx(max(found), rel=1e-6)


def test_welfare_is_highest_beside_a_firm_that_is_all_but_out_though_far_from_a_local_optimum() -> (
    None
):
    """The second of two equal firms sells a hundredth of the first: welfare is above that of the
    best levels around which neither is nearly out."""
    case = load_case(CASES / "fierce_rivalry.yaml").set("cost.max_saving", 0.8769).market.flat()
    inside, beside = (
        account(case, levels_from(np.array([x]), natural_units(case)), bertrand_matrix)
        for x in ([1.0, 1.0, 18.24660019, 52.96414962], [1.0, 1.0, 113.0, 26.4])
    )
    assert (beside.quantity > 0).all()
    assert beside.total_surplus.sum() > inside.total_surplus.sum()
    assert solve_regime(case, "social_optimum").status == "infeasible"
