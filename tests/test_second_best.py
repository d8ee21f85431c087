"""The second best over all levels: its value, its bound, and the prices they rest on."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linprog, minimize
from trees import evaluate

from market.certify.levels_bound import bound_levels
from market.model.case import Case
from market.model.outcome import account, every_firm_sells
from market.model.payoff import Payoff
from market.model.pricing import bertrand_matrix, revenue_matrices, sold_matrix, utility_matrix
from market.model.weighted import WeightedPayoff
from mechanism.analysis.designs import DesignResult, design
from mechanism.analysis.many import solve_many
from mechanism.casefile.policy_case import PolicyCase, load_case, parse_tree
from mechanism.casefile.types import type_space
from mechanism.design.program import build, stacked, worth
from mechanism.design.setting_file import DesignOptions, parse_setting
from mechanism.design.solve import solve
from mechanism.scheme.generation import generate
from mechanism.scheme.market_environment import outside_options, planner_levels

HERE = Path(__file__).parent
CASES = HERE.parent / "cases"
Array = NDArray[np.float64]
ASKED = {"tax_rule": "designed", "allocation": "second_best", "objective": "max_surplus"}


def drawn_case(seed: int, parameter: str, values: list[float], **mechanism: Any) -> PolicyCase:
    """A random market of two unequal firms with two private types each."""
    rng = np.random.default_rng(seed)
    market = {
        "demand": {
            "intercept": rng.uniform(14, 24, 2).tolist(),
            "own_slope": rng.uniform(1.4, 1.9, 2).tolist(),
            "cross_slope": float(rng.uniform(0.3, 0.9)),
        },
        "security": {
            "rivalry": float(rng.uniform(0.05, 0.3)),
            "demand_spillover": float(rng.uniform(0.3, 0.6)),
            "leakage": {"own": float(rng.uniform(1, 3)), "cross": 0.3, "interaction": 0.1},
        },
        "cost": {
            "scale": float(rng.uniform(10, 20)),
            "max_saving": float(rng.uniform(0.3, 0.6)),
            "spillover": rng.uniform(0.3, 0.7, 2).tolist(),
        },
        "types": {"parameter": parameter, "values": values, "probabilities": [0.3, 0.7]},
        "mechanism": ASKED | mechanism,
    }
    return parse_tree(market)


class Sides:
    """Profits and consumers' surplus of a case with two types each, by levels (4 states, 4): by
    nothing but the accounts of the market."""

    def __init__(self, policy: PolicyCase) -> None:
        assert policy.types is not None
        self.types = type_space(policy.types)
        self.case = policy.market.map(lambda a: a.reshape(1, -1))
        self.pairs = np.array(list(product((0, 1), repeat=2)))
        self.prior = np.outer(self.types.probabilities, self.types.probabilities).ravel()

    def at(self, x: Array, own: Array) -> Any:
        """The accounts at these levels (..., 4 states, 4), types being these places (4, 2)."""
        both = np.stack([self.types.types_of(i)[own[:, i]] for i in (0, 1)], -1)
        case = self.case.with_parameter(self.types.parameter, both)
        return account(case, x, bertrand_matrix)

    def parts(self, x: Array) -> tuple[Array, list[Array]]:
        """Consumers' surplus by state (..., 4), and each firm's profit by own type, (..., 2, 4)."""
        consumers = self.at(x, self.pairs).consumer_surplus.sum(-1)
        profit = []
        for firm in (0, 1):
            own = []
            for kind in (0, 1):
                lying = self.pairs.copy()
                lying[:, firm] = kind
                own.append(self.at(x, lying).profit[..., firm])
            profit.append(np.stack(own, -2))
        return consumers, profit

    def interim(self, firm: int, by_state: Array) -> Array:
        """(..., true, told), of profits (..., true, 4 states)."""
        square = by_state.reshape(*by_state.shape[:-1], 2, 2)
        axis = -1 if firm == 0 else -2
        return np.asarray(np.moveaxis(square, axis, -1) @ self.types.probabilities)


def free_search(policy: PolicyCase, outside: list[Array] | None, cost: float) -> float:
    """The most surplus net of the cost of public funds (budget none) that a search over levels for
    sure in every state and transfers by type finds, Bayesian truth and interim participation:
    against what staying out is worth or, without `outside`, where no type pays."""
    sides = Sides(policy)
    p, top = sides.types.probabilities, np.array([1.0, 1.0, 8.0, 8.0])

    def both(z: Array) -> tuple[Array, Array]:
        """Losses (n,) and what is left of the constraints (n, 9) at points (n, 21)."""
        tau, paid = z[:, 16:20].reshape(-1, 2, 2), z[:, 20]
        consumers, profit = sides.parts(z[:, :16].reshape(-1, 4, 4) * top)
        own = [profit[i][:, sides.pairs[:, i], np.arange(4)] for i in (0, 1)]
        loss = cost * paid - (consumers + own[0] + own[1]) @ sides.prior
        left = [paid - (tau @ p).sum(-1)]
        for i in (0, 1):
            table = sides.interim(i, profit[i]) + tau[:, i, None]
            for k in (0, 1):
                truth = table[:, k, k]
                stays = truth - tau[:, i, k] if outside is None else outside[i][k]
                left += [truth - table[:, k, 1 - k], truth - stays]
        return loss, np.stack(left, -1)

    def slopes(z: Array, which: int) -> Array:
        ends = [both(z + sign * 1e-6 * np.eye(len(z)))[which] for sign in (1, -1)]
        return np.asarray((ends[0] - ends[1]).T / 2e-6)

    begin = np.concatenate([np.full(16, 0.3), np.full(4, 2.0), [10.0]])
    found = minimize(
        lambda z: float(both(z[None])[0][0]),
        begin,
        jac=lambda z: slopes(z, 0),
        method="SLSQP",
        bounds=[(0, 1)] * 16 + [(None, None)] * 4 + [(0, None)],
        constraints={
            "type": "ineq",
            "fun": lambda z: both(z[None])[1][0],
            "jac": lambda z: slopes(z, 1),
        },
        options={"maxiter": 300, "ftol": 1e-11},
    )
    assert both(found.x[None])[1].min() >= -1e-6
    return -float(found.fun)


def value_of(found: DesignResult) -> tuple[float, float]:
    """The objective, and by how much other levels could exceed it."""
    bound = found.found.bound
    assert found.found.objective_value is not None
    assert bound is not None
    assert bound.gap is not None
    return found.found.objective_value, bound.gap


# --- its value


@pytest.mark.slow
def test_levels_free_in_every_state_are_worth_more_than_a_menu_of_blends() -> None:
    """The value is that of a search over the levels of all four states at once (381.9458);
    lotteries between the planner's levels and the alliance's reach 380.9197."""
    found = design(load_case(HERE / "inputs" / "second_best_asym2.json"))
    value, gap = value_of(found)
    assert found.found.status == "optimal"
    assert value == pytest.approx(381.9458, abs=5e-5)
    assert 0 <= gap < 1e-4 * value
    checks = found.found.mechanism.achieved  # type: ignore[union-attr]
    assert checks.ic["bayesian"].status == checks.ir["interim"].status == "holds"
    assert checks.outlay <= 1e-6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "parameter", "values", "funds"),
    [
        (1, "cost_spillover", [0.1, 0.8], 0.4),
        (3, "intercept", [17.0, 20.0], 0.0),
        (4, "demand_spillover", [0.3, 0.5], 1.0),
    ],
)
def test_a_free_search_finds_nothing_beyond_the_bound(
    seed: int, parameter: str, values: list[float], funds: float
) -> None:
    policy = drawn_case(seed, parameter, values, public_funds_cost=funds, budget="none")
    found = design(policy)
    value, gap = value_of(found)
    assert found.found.status == "optimal"
    assert gap <= 1e-4 * found.environment.range
    free = free_search(policy, [o.ravel() for o in found.environment.outside], funds)
    assert free <= value + gap + 1e-8 * value
    # and it does reach what is said to be the most
    assert free == pytest.approx(value, rel=1e-6)


@pytest.mark.slow
def test_the_printed_form_of_participation_is_at_the_levels_drawn() -> None:
    """With the same levels on both sides no type may pay, whatever the planner's levels would leave
    it."""
    policy = drawn_case(3, "cost_spillover", [0.1, 0.8], budget="none", participation="ir1")
    value, gap = value_of(design(policy))
    free = free_search(policy, None, 0.0)
    assert value - 2e-2 <= free <= value + gap + 1e-6
    dear = parse_tree(
        {**policy.resolved, "mechanism": ASKED | {"participation": "ir1", "public_funds_cost": 1.0}}
    )
    told = evaluate(dear)["mechanism"]["reported"]
    assert told["checks"]["ir1"]["status"] == "holds"
    assert told["design"]["objective_value"] == pytest.approx(
        free_search(dear, None, 1.0), abs=2e-2
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", [5, 7, 9])
def test_brute_force_on_a_grid_stays_below_the_bound(seed: int) -> None:
    """Lotteries over a grid of levels in every state, by a program written in loops; truth pays
    whatever the rival is, and everybody joins in every state."""
    asked = {"incentive": "dominant", "timing": "ex_post", "budget": "none"}
    policy = drawn_case(seed, "cost_spillover", [0.1, 0.8], public_funds_cost=0.4, **asked)
    found = design(policy)
    value, gap = value_of(found)
    assert gap <= 1e-4 * found.environment.range
    sides = Sides(policy)
    axes = [np.linspace(0, 1, 5)] * 2 + [np.linspace(0, 4, 7)] * 2
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 1, 4)
    consumers, profit = sides.parts(np.repeat(grid, 4, 1))
    G = len(grid)
    # Variables: what either firm receives in every state, probabilities state by state, and what
    # the public pays.
    size = 8 + 4 * G + 1
    rows, bounds = [], []

    def earned(firm: int, kind: int, state: int) -> Array:
        row = np.zeros(size)
        row[4 * firm + state] = 1
        row[8 + state * G : 8 + (state + 1) * G] = profit[firm][:, kind, state]
        return row

    for firm in (0, 1):
        outside = np.broadcast_to(found.environment.outside[firm], (2, 2)).ravel()
        for state, own in enumerate(sides.pairs):
            lying = own.copy()
            lying[firm] = 1 - own[firm]
            told = int(2 * lying[0] + lying[1])
            honest = earned(firm, own[firm], state)
            rows += [earned(firm, own[firm], told) - honest, -honest]
            bounds += [0.0, -outside[state]]
    row = np.zeros(size)
    row[:8], row[-1] = np.tile(sides.prior, 2), -1
    rows.append(row)
    bounds.append(0.0)
    cost, equal = np.zeros(size), np.zeros((4, size))
    for state, own in enumerate(sides.pairs):
        at = slice(8 + state * G, 8 + (state + 1) * G)
        gains = consumers[:, state] + sum(profit[i][:, own[i], state] for i in (0, 1))
        cost[at], equal[state, at] = -sides.prior[state] * gains, 1
    cost[-1] = 0.4
    brute = linprog(
        cost,
        A_ub=np.array(rows),
        b_ub=bounds,
        A_eq=equal,
        b_eq=np.ones(4),
        bounds=[(None, None)] * 8 + [(0, None)] * (4 * G + 1),
        method="highs",
    )
    assert brute.status == 0
    assert 0.98 * value < -brute.fun <= value + gap


@pytest.mark.slow
@pytest.mark.parametrize("funds", [0.0, 0.3])
def test_with_one_type_it_is_the_most_that_can_be_attained(funds: float) -> None:
    """Nothing is private, so that rents cost nothing: the levels of the highest V."""
    tree = load_case(CASES / "large_and_small.yaml").resolved
    known = {"public_funds_cost": funds, "allow": ["consumers_lose"]}
    result = evaluate(parse_tree({**tree, "expect": {}, "mechanism": known}))
    most = next(row for row in result["comparison"] if row["policy"] == "second_best")
    spillover = tree["cost"]["spillover"]
    types = {"values": [spillover]} if isinstance(spillover, float) else {"values": [spillover[0]]}
    private = {**tree, "expect": {}, "types": types}
    private["mechanism"] = ASKED | known | {"budget": "none"}
    value, gap = value_of(design(parse_tree(private)))
    assert value <= most["value"] + 1e-6 * abs(value)
    assert value + gap >= most["value"] - 1e-6 * abs(value)


@pytest.mark.slow
def test_evaluate_and_design_give_the_same_second_best() -> None:
    policy = load_case(CASES / "second_best.yaml")
    told = evaluate(policy)["mechanism"]["reported"]["design"]
    value, gap = value_of(design(policy))
    assert told["status"] == "optimal"
    assert told["objective_value"] == pytest.approx(value, rel=1e-9)
    assert told["bound"]["gap"] == pytest.approx(gap, rel=1e-3)
    for row in told["lotteries"]:
        assert sum(levels["probability"] for levels in row["levels"]) == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "standard",
    [
        {"profit_weight": 0.3, "public_funds_cost": 0.1},
        {"profit_weight": 0.0, "fees": True},
        {"profit_weight": 0.6, "allow": ["consumers_lose"], "participation": "none"},
    ],
    ids=lambda standard: " ".join(map(str, standard.values())),
)
def test_nothing_that_competes_is_worth_more(standard: dict[str, Any]) -> None:
    """In a comparison it is the benchmark, by the case's own standard: whatever firms tell or do
    knowing their own type alone, no levels and payments that leave them to join are worth more."""
    tree = load_case(HERE / "inputs" / "second_best_asym2.json").resolved
    result = evaluate(parse_tree({**tree, "mechanism": ASKED | standard}))
    rows = {row["policy"]: row for row in result["comparison"]}
    most = rows["second_best"]
    assert (most["status"], most["competes"]) == ("converged", False)
    competing = {key: row for key, row in rows.items() if row["competes"]}
    assert {"designed", "linear_subsidies"} & set(competing)
    for key, row in competing.items():
        if row["requires"] in ("money", "reports", "nothing"):
            assert row["value"] <= most["value"] + 1e-6 * abs(most["value"]), key
            assert row["attained"] is None or row["attained"] <= 1 + 1e-6
    if "allow" not in standard:
        assert most["consumer_surplus"] >= rows["bayes_nash"]["consumer_surplus"] * (1 - 1e-9)
    beta, mu = standard["profit_weight"], standard.get("public_funds_cost", 0.0)
    kept, outlay = sum(most["profit"]), sum(most["net_transfer"])
    moved = outlay - most["public_outlay"]  # what flat parts add when everybody takes part
    value = most["consumer_surplus"] + beta * (kept + moved) - (1 + mu) * outlay
    assert most["value"] == pytest.approx(value, rel=1e-9)


@pytest.mark.slow
def test_the_path_over_the_cost_of_public_funds_is_the_frontier() -> None:
    """Every point of it is the best at its own cost: none of the others' welfare and outlay would
    be worth more there."""
    case, costs = load_case(CASES / "second_best.yaml"), np.array([0.2, 1.0, 3.0])
    points = [case.set("mechanism.public_funds_cost", float(cost)) for cost in costs]
    columns = solve_many(points, ["vcg_reported"])
    welfare, outlay = columns["welfare"], columns["public_outlay"]
    value = welfare - costs[:, None] * outlay
    assert (value <= np.diagonal(value)[:, None] + 1e-6).all()
    assert (np.diff(outlay) < 0).all()
    assert (np.diff(welfare) < 0).all()


# --- when nothing does what is asked, and when nothing is proven


@pytest.fixture(scope="module")
def asymmetric() -> tuple[PolicyCase, Array, tuple[Array, Array]]:
    """A case of two types, the planner's levels, and what staying out is worth."""
    policy = load_case(HERE / "inputs" / "second_best_asym2.json")
    assert policy.types is not None
    types = type_space(policy.types)
    planner = planner_levels(policy.market, types)
    return policy, planner, outside_options(policy.market, types, "ir_market", "interim", planner)


def test_what_no_levels_do_is_proven(
    asymmetric: tuple[PolicyCase, Array, tuple[Array, Array]],
) -> None:
    """Were staying out worth more than all levels bring, no levels would pay for everybody's
    joining; what is missed at least is then bounded over all levels."""
    policy, planner, outside = asymmetric
    assert policy.types is not None
    dear = (outside[0] + 200.0, outside[1] + 200.0)
    options = DesignOptions.model_validate(ASKED | {"budget": "ex_ante"})
    found = generate(policy.market, type_space(policy.types), planner, dear, options)
    assert found is not None
    assert (found.possible, found.bound.proven) == (False, True)


@pytest.mark.slow
def test_without_intervals_it_is_searched() -> None:
    """Where units cost something no bound is known, and none is claimed."""
    tree = load_case(HERE / "inputs" / "second_best_asym2.json").resolved
    unit = {"base": 0.5, "spillover": 0.02, "slope": 0.01, "curvature": 0.0}
    found = design(parse_tree({**tree, "unit_cost": unit}))
    assert found.found.status == "searched"
    assert found.found.bound is not None
    assert (found.found.bound.gap, found.found.bound.proven) == (None, False)
    assert found.found.mechanism is not None
    assert "not proven" in " ".join(found.verdicts)


def test_where_nothing_can_be_done_nothing_is_lost() -> None:
    """Without investment types change nothing: today's market is all there is, and payoffs differ
    by nothing but rounding, of which no impossibility is proven."""
    tree = load_case(HERE / "inputs" / "second_best_asym2.json").resolved
    still = {**tree, "cost": {**tree["cost"], "investment_cap": 0}}
    found = design(parse_tree(still))
    assert found.found.status == "optimal"
    assert found.found.objective_value == pytest.approx(found.efficient_surplus, rel=1e-9)
    still["mechanism"] = tree["mechanism"] | {"allocation": "efficient"}
    assert design(parse_tree(still)).found.status != "infeasible"


# --- the prices, and the bound by intervals


def test_what_payoffs_are_worth_prices_every_alternative() -> None:
    """At a program's prices an alternative comes to what is needed less its reduced cost; what is
    drawn comes to just that."""
    rng = np.random.default_rng(3)
    players = [
        {
            "name": name,
            "types": [1, 2, 3],
            "probabilities": [0.2, 0.3, 0.5],
            "value": {a: rng.normal(size=3).tolist() for a in "abcd"},
            "outside": rng.uniform(-1, 0, 3).tolist(),
        }
        for name in ("one", "other")
    ]
    public = dict(zip("abcd", rng.normal(size=4).tolist(), strict=True))
    setting = {"alternatives": list("abcd"), "players": players, "public_value": public}
    environment = parse_setting(setting).environment
    for changes in (
        {"public_funds_cost": 0.4, "budget": "none"},
        {"incentive": "dominant", "timing": "ex_post", "budget": "ex_post"},
        {"objective": "min_violation", "timing": "ex_post"},
    ):
        options = DesignOptions.model_validate(ASKED | changes)
        program = build(environment, options)
        answer = solve(program)
        assert answer.x is not None
        found = worth(program, answer.prices, answer.equality_prices)
        reduced = program.cost - stacked(program.rows)[0].T @ answer.prices
        reduced = reduced[program.probabilities].reshape(9, 4) - answer.equality_prices[:, None]
        for state in range(9):
            comes_to = found.public[state] * environment.public_value
            for i in (0, 1):
                comes_to = comes_to + found.own[i][:, state] @ environment.values[i]
            np.testing.assert_allclose(comes_to, found.needed[state] - reduced[state], atol=1e-8)
        shares = answer.x[program.probabilities].reshape(9, 4)
        assert np.abs(shares * reduced).max() <= 1e-8


def random_sum(rng: np.random.Generator, form: str) -> tuple[WeightedPayoff, Array]:
    """Payoffs of a market and of firms that it does not have, with weights of either sign."""
    from market.model.case import make_case

    base = make_case(
        intercept=rng.uniform(0.8, 1.2, 2),
        own_slope=rng.uniform(0.8, 1.2, 2),
        cross_slope=0.4,
        rivalry=0.2,
        demand_spillover=rng.uniform(-0.3, 0.6, 2),
        leakage=(0.1, 0.02, 0.01),
        cost_scale=rng.uniform(5, 10, 2),
        max_saving=0.5,
        cost_spillover=rng.uniform(0.1, 0.9, 2),
        cost_form=form,
    ).flat()
    revenue = revenue_matrices(base, bertrand_matrix)
    whole = Payoff(
        case=base, benefit=utility_matrix(base, bertrand_matrix), cost_weight=np.ones((1, 2))
    )
    terms = [whole]
    for parameter in ("intercept", "demand_spillover", "cost_spillover"):
        for firm in (0, 1):
            other = np.broadcast_to(getattr(base, parameter), (1, 2)).copy()
            other[0, firm] += 0.1
            weight = rng.normal() / 4
            terms.append(
                Payoff(
                    case=base.with_parameter(parameter, other),
                    benefit=weight * revenue[:, firm],
                    cost_weight=weight * np.eye(2)[None, firm],
                )
            )
    return WeightedPayoff(terms=tuple(terms)), sold_matrix(base, bertrand_matrix)


@pytest.mark.parametrize("form", ["saturating", "exponential"])
def test_no_levels_of_a_box_come_to_more_than_its_bound(form: str) -> None:
    """The best of many points, improved by scipy's optimiser, is at most the bound and reaches it
    within the tolerance."""
    rng = np.random.default_rng(8)
    upper = np.array([1.0, 1.0, 1.5, 1.5])
    for _ in range(3):
        payoff, sold = random_sum(rng, form)
        case: Case = payoff.case
        points = rng.uniform(0, 1, (4000, 4)) * upper
        values = np.where(every_firm_sells(case, points), payoff.value(points), -np.inf)
        best = points[values.argmax()]
        found = minimize(
            lambda x, payoff=payoff: -float(payoff.value(x[None])[0]),
            best,
            bounds=[(0, end) for end in upper],
            options={"ftol": 1e-15, "gtol": 1e-10},
        )
        x = found.x if bool(every_firm_sells(case, found.x)) else best
        value = float(payoff.value(x[None])[0])
        bound = bound_levels(payoff, x[None], upper, sold, 1e-6, 100_000)
        assert not np.isfinite(bound.better).any()
        assert value - 1e-12 <= bound.most[0] <= value + 1e-6 + 1e-9
        # from a poor point better levels are met, never a bound below what there is
        poor = bound_levels(payoff, 0.0 * x[None], upper, sold, 1e-6, 100_000)
        assert np.isfinite(poor.better).all()
        assert payoff.value(poor.better)[0] > payoff.value(0.0 * x[None])[0]
        # without time to look the bound is loose, and still one
        hasty = bound_levels(payoff, x[None], upper, sold, 1e-6, 1)
        assert hasty.most[0] >= value
