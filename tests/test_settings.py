"""Mechanism design on settings: textbook numbers, properties of rules, designed transfers by
several routes, proofs of impossibility."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from trees import evaluate

from market.casefile.files import BadCase
from mechanism.analysis.designs import solve_file
from mechanism.analysis.designs_tree import design_tree
from mechanism.design.environment import (
    Environment,
    efficient,
    misreport_gains,
    payoffs,
    transfers_by,
)
from mechanism.design.program import build, stacked
from mechanism.design.setting_file import DesignOptions, load_setting, parse_setting
from mechanism.design.solve import design, least_outlay, objective_value, refute, solve
from mechanism.scheme.generation import generate
from mechanism.scheme.market_environment import outside_options, planner_levels

ROOT = Path(__file__).resolve().parents[1]


def solved(path: Path, given: dict[str, str]) -> dict[str, Any]:
    """The design a file asks for, as plain values."""
    return design_tree(solve_file(path, given))


def trade(size: int, **options: Any) -> tuple[Environment, DesignOptions]:
    """Buyer and seller, values uniform on [0, 1], at the midpoints of a grid."""
    grid = ((np.arange(size) + 0.5) / size).tolist()
    zero = [0.0] * size
    tree = {
        "alternatives": ["trade", "keep"],
        "players": [
            {"name": "buyer", "types": grid, "value": {"trade": grid, "keep": zero}},
            {"name": "seller", "types": grid, "value": {"trade": [-v for v in grid], "keep": zero}},
        ],
        "mechanism": options,
    }
    problem = parse_setting(tree)
    return problem.environment, problem.options


def partnership(size: int, share: float, **options: Any) -> tuple[Environment, DesignOptions]:
    """Two partners, the first with this share, values uniform on [0, 1], at the midpoints of a
    grid."""
    grid = (np.arange(size) + 0.5) / size
    whole, zero = grid.tolist(), [0.0] * size
    tree = {
        "alternatives": ["first", "second"],
        "players": [
            {
                "name": "1",
                "types": whole,
                "value": {"first": whole, "second": zero},
                "outside": (share * grid).tolist(),
            },
            {
                "name": "2",
                "types": whole,
                "value": {"first": zero, "second": whole},
                "outside": ((1 - share) * grid).tolist(),
            },
        ],
        "mechanism": options,
    }
    problem = parse_setting(tree)
    return problem.environment, problem.options


@st.composite
def random_settings(draw: st.DrawFn, players: int | None = None) -> Environment:
    """Two or three players with up to four types and three alternatives."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = players or draw(st.integers(2, 3))
    sizes = [draw(st.integers(1, 4)) for _ in range(n)]
    probabilities = []
    for size in sizes:
        weight = rng.uniform(0.1, 1, size)
        probabilities.append(weight / weight.sum())
    return Environment(
        name="random",
        players=tuple(str(i) for i in range(n)),
        types=tuple(np.arange(size, dtype=float) for size in sizes),
        probabilities=tuple(probabilities),
        alternatives=("a", "b", "c"),
        values=tuple(rng.normal(0, 2, (size, 3)) for size in sizes),
        outside=tuple(
            rng.normal(0, 1, [size if axis == i else 1 for axis in range(n)])
            for i, size in enumerate(sizes)
        ),
        public_value=rng.normal(0, 1, 3),
    )


# --- numbers in print


@pytest.mark.parametrize(
    ("size", "gains"), [(4, 0.15625), (8, 0.153125), (16, 0.1481119792), (32, 80600 / 557056)]
)
def test_second_best_trade(size: int, gains: float) -> None:
    """Myerson and Satterthwaite: without money from outside, toward 9/64 of gains. At 32 types the
    value is a fraction over 17 x 32^3."""
    environment, options = trade(
        size, allocation="second_best", objective="max_surplus", budget="ex_ante"
    )
    found = design(environment, options)
    assert found.objective_value == pytest.approx(gains, abs=1e-9)
    assert found.second_opinion.agrees
    assert found.mechanism.achieved.worst <= 1e-9  # the expected budget is spread over states
    assert found.mechanism.achieved.ic["bayesian"].status == "holds"
    assert found.mechanism.achieved.ir["interim"].status == "holds"


def test_trade_whenever_it_pays_takes_a_subsidy_toward_a_sixth() -> None:
    outlays = [least_outlay(trade(size)[0])[0] for size in (4, 8, 16, 32, 64)]
    assert outlays[0] == pytest.approx(5 / 32)
    assert (np.diff(outlays) > 0).all()
    assert 0 < 1 / 6 - outlays[-1] < 1e-4


def test_impossibility_of_efficient_trade_is_proven() -> None:
    """A Farkas certificate, checked in plain arithmetic against the program's own rows."""
    environment, options = trade(6, budget="ex_ante", objective="min_outlay")
    found = design(environment, options)
    assert found.status == "infeasible"
    assert found.contradiction.verified
    assert {row.constraint for row in found.contradiction.rows} == {"ic", "ir", "budget"}
    assert found.contradiction.least_violation > 0
    # Taking any named row's weight away spoils the proof: the budget alone stops nobody.
    loose = DesignOptions(**{**options.model_dump(), "budget": "none"})
    assert design(environment, loose).status == "optimal"


@pytest.mark.parametrize(
    ("share", "possible"),
    [(0.5, True), (0.25, True), (0.15, False), (0.0, False), (0.85, False), (0.75, True)],
)
def test_partnerships_dissolve_when_shares_are_not_too_unequal(
    share: float, possible: bool
) -> None:
    """Cramton, Gibbons and Klemperer: with two partners iff the share lies in [.211325,
    .788675]."""
    environment, options = partnership(24, share, budget="ex_post", objective="min_outlay")
    assert (design(environment, options).status == "optimal") == possible


@pytest.mark.slow
def test_the_critical_share_of_a_partnership() -> None:
    """The least outlay vanishes at (3 - sqrt 3) / 6 on fine grids."""

    def outlay(share: float) -> float:
        return least_outlay(partnership(201, share)[0])[0]

    low, high = 0.1, 0.5
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if outlay(middle) > 0 else (low, middle)
    assert low == pytest.approx((3 - np.sqrt(3)) / 6, abs=2e-3)


@pytest.mark.parametrize(
    ("name", "alternative", "payments"),
    [
        ("public_project", "build", [0, 0, 100]),
        ("street_lights", "two", [0, 5, 10]),
        ("two_apples", "A and B", [4, 1, 0]),
    ],
)
def test_clarke_taxes(name: str, alternative: str, payments: list[float]) -> None:
    found = solved(ROOT / "cases" / "settings" / f"{name}.yaml", {})
    assert found["allocation"] == [{alternative: 1.0}]
    assert [-transfer[0] for transfer in found["transfers"]] == payments


def test_every_shipped_setting_has_its_answer() -> None:
    for path in sorted((ROOT / "cases" / "settings").glob("*.yaml")):
        found = solved(path, {})
        assert found["status"] == "optimal", path
        assert found["verdicts"]


# --- the rules


@given(environment=random_settings())
@settings(max_examples=60)
def test_properties_of_the_rules(environment: Environment) -> None:
    plan = efficient(environment)
    n = len(environment.players)
    for name in ("clarke", "groves", "worst_type"):
        transfers = transfers_by(name, plan)
        assert max(misreport_gains(plan, transfers, i, "dominant").max() for i in range(n)) <= 1e-9
    assert abs(environment.expect(np.asarray(sum(transfers_by("groves", plan))))).max() <= 1e-9
    assert (
        np.asarray(sum(transfers_by("clarke", plan))) <= 1e-9
    ).all() or environment.public_value.any()
    balanced = transfers_by("agv", plan)
    np.testing.assert_allclose(np.broadcast_to(sum(balanced), environment.shape), 0, atol=1e-9)
    assert max(misreport_gains(plan, balanced, i, "bayesian").max() for i in range(n)) <= 1e-9
    for timing in ("interim", "ex_post"):
        earned = payoffs(plan, transfers_by("worst_type", plan, timing))
        for i in range(n):
            slack = np.broadcast_to(earned[i] - environment.outside[i], environment.shape)
            slack = environment.interim(i, slack) if timing == "interim" else slack.min(i)
            assert slack.min() >= -1e-9
            assert slack.min() <= 1e-9  # it binds somewhere
            assert timing == "interim" or slack.max() <= 1e-9


@pytest.mark.slow
@given(environment=random_settings(players=2))
@settings(max_examples=25)
def test_designed_transfers_by_three_routes(environment: Environment) -> None:
    """cvxpy, the closed form on the grid, and scipy's linprog on the same matrices; primal and dual
    values match."""
    options = DesignOptions(objective="min_outlay", budget="none")
    program = build(environment, options)
    answer = solve(program)
    closed, payoff = least_outlay(environment)
    assert answer.status == "optimal"
    assert objective_value(program, answer.value) == pytest.approx(closed, abs=1e-7)
    G, h = stacked(program.rows)
    other = linprog(program.cost, A_ub=-G, b_ub=-h, bounds=(None, None), method="highs")
    assert objective_value(program, other.fun) == pytest.approx(closed, abs=1e-7)
    assert float(h @ answer.prices) == pytest.approx(answer.value, abs=1e-6)
    np.testing.assert_allclose(G.T @ answer.prices, program.cost, atol=1e-6)
    worst = environment.expect(
        np.asarray(sum(transfers_by("worst_type", efficient(environment))))
    ).item()
    assert closed <= worst + 1e-9
    found = design(environment, options)
    for i in range(2):
        np.testing.assert_array_less(
            np.array(payoff[i]) - 1e-7,
            found.mechanism.achieved.rents[i] + environment.outside[i].ravel(),
        )


@pytest.mark.slow
@given(
    environment=random_settings(),
    incentive=st.sampled_from(["bayesian", "dominant"]),
    timing=st.sampled_from(["interim", "ex_post"]),
)
@settings(max_examples=25)
def test_what_is_designed_does_what_was_asked(
    environment: Environment, incentive: str, timing: str
) -> None:
    """Constraints evaluated apart from the program; the stronger the demands, the more they
    cost."""
    options = DesignOptions(
        objective="min_outlay", budget="none", incentive=incentive, timing=timing
    )
    found = design(environment, options)
    assert found.status == "optimal"
    checks = {**found.mechanism.achieved.ic, **found.mechanism.achieved.ir}
    assert checks[incentive].amount <= 1e-6
    assert checks[timing].amount >= -1e-6
    assert found.objective_value >= least_outlay(environment)[0] - 1e-6
    if incentive == "dominant":
        assert checks["bayesian"].amount <= 1e-6
    if timing == "ex_post":
        assert checks["interim"].amount >= -1e-6
    worst = environment.expect(
        np.asarray(sum(transfers_by("worst_type", efficient(environment), timing)))
    ).item()  # type: ignore[arg-type]
    assert found.objective_value <= worst + 1e-6


@pytest.mark.slow
@given(environment=random_settings(players=2))
@settings(max_examples=15)
def test_infeasibility_always_comes_with_a_proof(environment: Environment) -> None:
    options = DesignOptions(objective="min_outlay", budget="ex_ante")
    found = design(environment, options)
    outlay = least_outlay(environment)[0]
    assert (found.status == "optimal") == (outlay <= 1e-7)
    if found.status == "infeasible":
        assert refute(build(environment, options)).verified


def test_revenue_equivalence_on_a_fine_grid() -> None:
    """Interim payoffs of any two Bayesian mechanisms that bind at the same type differ by the order
    of the grid."""
    gaps = []
    for size in (10, 20, 40):
        environment, _ = trade(size)
        plan = efficient(environment)
        _, least = least_outlay(environment, plan)
        other = [
            environment.interim(i, p)
            for i, p in enumerate(payoffs(plan, transfers_by("worst_type", plan)))
        ]
        gaps.append(max(float(np.abs(least[i] - other[i]).max()) for i in (0, 1)))
    assert gaps[1] <= 0.6 * gaps[0] + 1e-12
    assert gaps[2] <= 0.6 * gaps[1] + 1e-12


def test_ex_post_budget_costs_nothing_beyond_the_expected_one_under_bayesian_truth() -> None:
    """Expected payments are spread so that what the public pays is the same in every state."""
    environment, options = partnership(6, 0.5, budget="ex_post", objective="min_worst_deficit")
    found = design(environment, options)
    again = design(
        environment,
        DesignOptions(**{**options.model_dump(), "objective": "min_outlay", "budget": "ex_ante"}),
    )
    assert found.objective_value == pytest.approx(again.objective_value, abs=1e-9)
    assert found.mechanism.achieved.worst == pytest.approx(
        found.mechanism.achieved.outlay, abs=1e-9
    )


def test_without_participation_payments_are_unbounded() -> None:
    environment, options = trade(3, participation="none", budget="none")
    assert design(environment, options).status == "unbounded"


def test_the_shadow_cost_of_public_funds_trades_surplus_for_money() -> None:
    """The dearer public money, the less of it: outlay falls from the full subsidy to nothing."""
    outlays, surpluses = [], []
    for cost in (0.0, 0.1, 0.5, 2.0):
        environment, options = trade(
            8,
            allocation="second_best",
            objective="max_surplus",
            budget="none",
            public_funds_cost=cost,
        )
        found = design(environment, options)
        outlays.append(found.mechanism.achieved.outlay)
        surpluses.append(found.mechanism.achieved.surplus)
    assert surpluses[0] == pytest.approx(least_surplus(8))
    assert (np.diff(surpluses) <= 1e-9).all()
    assert outlays[-1] <= 1e-7


def least_surplus(size: int) -> float:
    environment, _ = trade(size)
    return float(environment.expect(efficient(environment).welfare).item())


# --- the market as a setting


@pytest.mark.slow
def test_the_market_as_a_setting_agrees_with_the_mechanism() -> None:
    """Groves through the general core is groves of Appendix B: same expected payoffs, same budget
    in the worst state."""
    path = ROOT / "cases" / "two_types.yaml"
    found = solved(path, {"tax_rule": "groves"})
    from mechanism.casefile.policy_case import load_case

    told = evaluate(load_case(path))["mechanism"]["reported"]
    assert told["tax_rule"] == "groves"
    np.testing.assert_allclose(found["expected"]["payoff"], told["expected"]["payoff"], rtol=1e-9)
    assert found["checks"]["budget"]["worst"] == pytest.approx(
        told["checks"]["budget"]["worst"], rel=1e-7
    )
    slack = next(c for c in found["checks"]["ir"] if c["timing"] == "ex_post")["min_slack"]
    assert slack == pytest.approx(told["checks"]["ir_market"]["min_slack"], rel=1e-7)


@pytest.mark.slow
def test_designing_for_the_market() -> None:
    """Least outlay: the program, the closed form; dominant and ex post cost more; agv costs nothing
    and loses firms."""
    path = ROOT / "cases" / "two_types.yaml"
    base = {"timing": "interim", "participation": "ir_market", "budget": "none"}
    least = solved(path, base)
    assert least["status"] == "optimal"
    assert least["objective_value"] == pytest.approx(least["benchmark"]["least_outlay"], rel=1e-7)
    dominant = solved(path, {**base, "incentive": "dominant"})
    ex_post = solved(path, {**base, "timing": "ex_post"})
    assert dominant["objective_value"] >= least["objective_value"] - 1e-7
    assert ex_post["status"] == "optimal"
    balanced = solved(path, {**base, "tax_rule": "agv"})
    assert balanced["checks"]["budget"]["worst"] == pytest.approx(0, abs=1e-9)
    assert balanced["checks"]["chosen"]["ir"]["status"] == "violated"
    impossible = solved(path, {**base, "budget": "ex_ante"})
    assert impossible["status"] == "infeasible"
    assert impossible["infeasibility"]["verified"]


# --- files


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alternatives": ["trade", "trade"]}, "alternatives lists an alternative twice"),
        (
            {"public_value": {"trad": 1}},
            "public_value.trad is no alternative; they are trade, keep",
        ),
        ({"mechanism": {"tax_rule": "clark"}}, "did you mean clarke?"),
        (
            {"mechanism": {"allocation": "second_best", "tax_rule": "groves"}},
            "which needs tax_rule designed",
        ),
        ({"playrs": []}, "did you mean players?"),
    ],
)
def test_faults_of_setting_files(change: dict[str, Any], message: str) -> None:
    grid = [0.25, 0.75]
    tree = {
        "alternatives": ["trade", "keep"],
        "players": [
            {"name": "buyer", "types": grid, "value": {"trade": grid, "keep": [0, 0]}},
            {"name": "seller", "types": grid, "value": {"trade": [-0.25, -0.75], "keep": [0, 0]}},
        ],
    }
    with pytest.raises(BadCase) as caught:
        parse_setting({**tree, **change})
    assert message in str(caught.value)


def test_faults_of_players_name_the_player_and_the_key() -> None:
    with pytest.raises(BadCase) as caught:
        parse_setting(
            {
                "alternatives": ["a", "b"],
                "players": [
                    {
                        "name": "x",
                        "types": [1, 1],
                        "probabilities": [0.5, 0.6],
                        "value": {"a": [1, 2]},
                        "outside": [1],
                    },
                ],
            }
        )
    told = str(caught.value)
    for part in (
        "players[0].types holds a value twice",
        "adds up to 1.1",
        "is a list of 1",
        "says nothing about b",
    ):
        assert part in told


def test_a_setting_file_knows_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        "alternatives: [a]\nplayers:\n  - {name: x, types: [1], value: {a: [1], b: [2]}}\n"
    )
    with pytest.raises(BadCase) as caught:
        load_setting(path)
    assert f"{path}:3:" in str(caught.value)


@pytest.mark.slow
def test_second_best_for_the_market() -> None:
    """Free public money buys the planner's levels; the dearer it is, the less of them; without any
    the mechanism still beats today's market. linprog on the same matrices agrees."""
    path = ROOT / "cases" / "two_types.yaml"
    from mechanism.casefile.policy_case import load_case
    from mechanism.casefile.types import type_space

    policy = load_case(path)
    assert policy.types is not None
    types = type_space(policy.types)
    planner = planner_levels(policy.market, types)
    outside = outside_options(policy.market, types, "ir_market", "interim", planner)
    found = {}
    for cost in (0.0, 0.3, 1.0):
        options = DesignOptions(
            allocation="second_best", objective="max_surplus", budget="none", public_funds_cost=cost
        )
        menus = generate(policy.market, types, planner, outside, options)
        assert menus is not None
        environment = menus.plan.environment
        found[cost] = design(environment, options)
        assert found[cost].mechanism.achieved.ic["bayesian"].status == "holds"
        assert found[cost].mechanism.achieved.ir["interim"].status == "holds"
        program = build(environment, options)
        G, h = stacked(program.rows)
        E, e = program.equalities
        drawn = range(program.space.size)[program.probabilities]
        assert len(drawn) == menus.levels.size // 4
        bounds = [(0, None) if k in drawn else (None, None) for k in range(program.space.size)]
        other = linprog(
            program.cost, A_ub=-G, b_ub=-h, A_eq=E, b_eq=e, bounds=bounds, method="highs"
        )
        assert objective_value(program, other.fun) == pytest.approx(
            found[cost].objective_value, rel=1e-9
        )
    best = float(environment.expect(menus.plan.welfare).item())
    assert found[0.0].objective_value == pytest.approx(best, rel=1e-9)
    surplus = [found[cost].mechanism.achieved.surplus for cost in (0.0, 0.3, 1.0)]
    outlay = [found[cost].mechanism.achieved.outlay for cost in (0.0, 0.3, 1.0)]
    assert (np.diff(surplus) < 0).all()
    assert (np.diff(outlay) < 0).all()
    free = solved(
        path, {"allocation": "second_best", "objective": "max_surplus", "budget": "ex_ante"}
    )
    assert free["expected"]["outlay"] <= 1e-7
    market = 788.35  # two_vendors.yaml's market; its types differ little
    assert market < free["expected"]["surplus"] < free["benchmark"]["efficient_surplus"]


# --- collusion


def loops_joint_gain(environment: Environment, found: Any) -> float:
    """The largest gain of all players together from a joint misreport, state by state."""
    states = list(np.ndindex(environment.shape))
    drawn, transfers = found.mechanism.plan.shares(), found.mechanism.transfers
    worst = 0.0
    for true in states:

        def joint(told: int, true: tuple[int, ...] = true) -> float:
            value = sum(
                p * environment.values[i][k][a]
                for i, k in enumerate(true)
                for a, p in enumerate(drawn[told])
            )
            return float(value + sum(t[states[told]] for t in transfers))

        honest = joint(states.index(true))
        worst = max([worst, *(joint(told) - honest for told in range(len(states)))])
    return worst


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(environment=random_settings(players=2))
def test_collusion_is_measured_and_can_be_designed_away_in_expectation(
    environment: Environment,
) -> None:
    """The joint gain reported is that of a search in loops. With Bayesian truth, paying everybody
    together the public value, and sharing it out by what each report is worth, is proof against
    joint reports: such transfers exist, and never cost less than without.
    """
    plain = design(environment, DesignOptions(budget="none"))
    assert plain.mechanism.achieved.collusion.amount == pytest.approx(
        loops_joint_gain(environment, plain), abs=1e-9
    )
    proof = design(environment, DesignOptions(budget="none", collusion="proof"))
    assert proof.status == "optimal"
    assert proof.mechanism.achieved.collusion.status == "holds"
    assert loops_joint_gain(environment, proof) <= 1e-7
    assert proof.mechanism.achieved.ic["bayesian"].status == "holds"
    assert proof.objective_value >= plain.objective_value - 1e-7


def test_no_dominant_mechanism_is_proof_against_collusion() -> None:
    """Green and Laffont: transfers that make truth dominant leave room for joint lies once types
    are many. The proof is verified."""
    environment, _ = trade(6)
    found = design(
        environment,
        DesignOptions(
            incentive="dominant",
            budget="none",
            collusion="proof",
            participation="none",
            objective="max_surplus",
        ),
    )
    assert found.status == "infeasible"
    assert found.contradiction.verified is True
    assert {row.constraint for row in found.contradiction.rows} == {"ic", "coalition"}
    state = next(row for row in found.contradiction.rows if row.constraint == "coalition")
    assert len(state.type) == len(state.report) == 2
