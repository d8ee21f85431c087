"""A designer's program and its answers: proofs of impossibility, by another solver's weights and by
spoilt ones; typed results."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog

from mechanism.analysis.designs import solve_file
from mechanism.analysis.designs_tree import design_tree
from mechanism.design.environment import (
    AllocationRule,
    Environment,
    efficient,
    interim_by_report,
    transfers_by,
)
from mechanism.design.program import Program, build, stacked
from mechanism.design.setting_file import DesignOptions
from mechanism.design.solve import Design, Ties, design, least_outlay, proves, refute, solve

TRADE = Path(__file__).resolve().parents[1] / "cases" / "settings" / "bilateral_trade.yaml"
GRID = np.array([0.1, 0.3, 0.5, 0.7, 0.9])


def trade() -> Environment:
    """A buyer and a seller whose values overlap: efficient trade takes money from outside (Myerson
    and Satterthwaite)."""
    values = np.stack([GRID, np.zeros(5)], -1)
    return Environment(
        name="trade",
        players=("buyer", "seller"),
        types=(GRID, GRID),
        probabilities=(np.full(5, 0.2), np.full(5, 0.2)),
        alternatives=("trade", "keep"),
        values=(values, -values),
        outside=(np.zeros((1, 1)), np.zeros((1, 1))),
        public_value=np.zeros(2),
    )


IMPOSSIBLE = (
    DesignOptions(),
    DesignOptions(incentive="dominant", timing="ex_post", budget="ex_post"),
)
"""Efficient trade without money from outside: in expectation, and in every state."""


def weights_of_another_solver(program: Program) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
    """Rows G x >= h that somebody asked for, and the prices of rows and of equalities in the least
    violation of all, by scipy."""
    G, h = stacked(tuple(r for r in program.rows if r.kind != "aside"))
    E, e = program.equalities
    size = program.space.size
    cost = np.eye(1, size, size - 1).ravel()
    drawn = range(size)[program.probabilities]
    bounds = [(0, None) if k in drawn or k == size - 1 else (None, None) for k in range(size)]
    wide = (
        G
        + sparse.csr_matrix(
            (np.ones(len(h)), (np.arange(len(h)), np.full(len(h), size - 1))), shape=G.shape
        )
    ).tocsr()
    found = linprog(
        cost,
        A_ub=-wide,
        b_ub=-h,
        A_eq=E if len(e) else None,
        b_eq=e if len(e) else None,
        bounds=bounds,
        method="highs",
    )
    return G, h, -found.ineqlin.marginals, found.eqlin.marginals if len(e) else np.zeros(0)


@pytest.mark.parametrize("options", IMPOSSIBLE, ids=["expected", "every state"])
def test_weights_prove_an_impossibility_until_they_are_spoilt(options: DesignOptions) -> None:
    program = build(trade(), options)
    G, h, y, z = weights_of_another_solver(program)
    assert proves(program, G, h, y, z)
    assert not proves(program, G, h, 0 * y, z)  # nothing is said
    assert not proves(program, G, h, -y, z)  # a constraint the other way round
    for k in np.flatnonzero(y > 1e-9):
        without = y.copy()
        without[k] = 0  # what is left adds up to something that transfers can move
        assert not proves(program, G, h, without, z)
    loose = h.copy()
    loose[y > 1e-9] -= 10  # bounds that do not bind contradict nothing
    assert not proves(program, G, loose, y, z)


def test_a_negative_weight_proves_nothing_even_where_all_adds_up() -> None:
    """The same combination of rows with two that cancel, one of them weighted negatively."""
    program = build(trade(), DesignOptions())
    G, h, y, z = weights_of_another_solver(program)
    double, bounds = sparse.vstack([G, G[:1], -G[:1]]).tocsr(), np.concatenate([h, h[:1], -h[:1]])
    assert proves(program, double, bounds, np.concatenate([y, [1.0, 1.0]]), z)
    assert not proves(program, double, bounds, np.concatenate([y, [-1.0, -1.0]]), z)


def test_what_contradicts_itself_is_named_with_its_weights() -> None:
    environment, options = trade(), DesignOptions()
    found = design(environment, options)
    assert found.status == "infeasible"
    assert found.mechanism is None
    assert found.contradiction is not None
    assert replace(found.contradiction, ties=None) == refute(build(environment, options))
    rows = found.contradiction.rows
    # the heaviest first, but for rounding
    assert np.diff([row.weight for row in rows]).max() <= 1e-9
    # every row may be missed by the same amount
    assert sum(row.weight for row in rows) == pytest.approx(1)
    for row in rows:
        if row.constraint == "budget":
            assert (row.player, row.type, row.report) == (None, None, None)
        else:
            assert row.type in GRID
            assert (row.report is None) == (row.constraint == "ir")
    # Weighted by them the rows say, without any solver: what types keep beyond the gains from trade
    # is at least the violation.
    interim = [interim_by_report(environment, i, efficient(environment).value(i)) for i in (0, 1)]
    place = {t: k for k, t in enumerate(GRID)}
    total = 0.0
    for row in rows:
        if row.constraint == "ic":
            true, told = place[row.type], place[row.report]  # type: ignore[index]
            total += row.weight * float(
                interim[row.player][true, told] - interim[row.player][true, true]
            )  # type: ignore[index]
        elif row.constraint == "ir":
            true = place[row.type]  # type: ignore[index]
            total += row.weight * float(-interim[row.player][true, true])  # type: ignore[index]
    assert total == pytest.approx(found.contradiction.least_violation, rel=1e-6)


def test_rows_of_single_states_add_up_to_a_contradiction_by_what_they_name() -> None:
    """Dominant truth, joining and the budget in every state: by player, type, report and state
    alone the weighted rows cancel on every transfer and ask for something more than nothing."""
    environment, options = trade(), IMPOSSIBLE[1]
    found = design(environment, options)
    assert found.contradiction is not None
    chosen = efficient(environment).chosen
    assert chosen is not None
    place = {t: k for k, t in enumerate(GRID)}
    money, asked = np.zeros((2, 5, 5)), 0.0
    for row in found.contradiction.rows:
        assert row.state is not None
        state = tuple(place[t] for t in row.state)
        if row.constraint == "budget":
            assert (row.player, row.type, row.report) == (None, None, None)
            money[(slice(None), *state)] -= row.weight
            continue
        i = row.player
        assert i is not None
        assert row.type == row.state[i]
        money[(i, *state)] += row.weight
        worth = environment.values[i][state[i]]
        if row.constraint == "ir":
            asked -= row.weight * worth[chosen[state]]
            continue
        told = list(state)
        told[i] = place[row.report]  # type: ignore[index]
        money[(i, *told)] -= row.weight
        asked += row.weight * (worth[chosen[tuple(told)]] - worth[chosen[state]])
    assert np.abs(money).max() <= 1e-9
    assert asked == pytest.approx(found.contradiction.least_violation, rel=1e-6)
    weights = [row.weight for row in found.contradiction.rows]
    assert np.diff(weights).max() <= 1e-9
    page = design_tree(
        solve_file(
            TRADE,
            {
                "incentive": "dominant",
                "allocation": "efficient",
                "objective": "min_outlay",
                "budget": "none",
            },
        )
    )
    assert all(
        len(row["state"]) == 2 and row["type"] in row["state"]
        for row in page["binding"]
        if row["constraint"] == "ic"
    )
    # in expectation
    assert all(row["state"] is None for row in page["binding"] if row["constraint"] == "ir")


def coarse(
    *, dearer: float = 0.0, alternatives: tuple[str, str] = ("trade", "keep"), outside: float = 0.0
) -> Environment:
    """Four types of either, efficient trade impossible where ties are traded."""
    types = np.array([0.125, 0.375, 0.625, 0.875])
    order = 1 if alternatives[0] == "trade" else -1
    buyer, seller = (
        np.stack([types, np.zeros(4)], -1)[:, ::order],
        np.stack([-types - dearer, np.zeros(4)], -1)[:, ::order],
    )
    return Environment(
        name="trade",
        players=("buyer", "seller"),
        types=(types, types),
        probabilities=(np.full(4, 0.25), np.full(4, 0.25)),
        alternatives=alternatives,
        values=(buyer, seller),
        outside=(np.full((1, 1), outside), np.full((1, 1), outside)),
        public_value=np.zeros(2),
    )


@pytest.mark.parametrize(
    ("environment", "ties"),
    [
        (coarse(), Ties(states=4, otherwise="possible")),  # kept, it brings money
        # staying out is worth more than all that can be gained
        (
            coarse(outside=0.2),
            Ties(states=4, otherwise="infeasible"),
        ),
        (
            coarse(outside=0.2, alternatives=("keep", "trade")),
            Ties(states=4, otherwise="infeasible"),
        ),
        (coarse(dearer=-0.01), None),  # trade is better where it tied
    ],
    ids=["otherwise", "neither", "nor kept", "no ties"],
)
def test_an_impossibility_says_which_way_ties_are_broken(
    environment: Environment, ties: Ties | None
) -> None:
    found = design(environment, DesignOptions())
    assert found.contradiction is not None
    assert found.contradiction.ties == ties


@pytest.mark.parametrize(
    "environment",
    [coarse(alternatives=("keep", "trade")), coarse(dearer=0.01)],
    ids=["kept", "dearer"],
)
def test_where_ties_are_kept_efficient_trade_is_possible(environment: Environment) -> None:
    assert design(environment, DesignOptions()).status == "optimal"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_what_is_said_of_ties_is_what_trying_every_way_finds(seed: int) -> None:
    """Whole numbers tie often: the least outlay in closed form at every way to break them."""
    rng = np.random.default_rng(seed)
    sizes, wide, unit = rng.integers(2, 4, 2), int(rng.integers(2, 4)), 10.0 ** rng.integers(-9, 10)
    environment = Environment(
        name="ties",
        players=("one", "two"),
        types=tuple(np.arange(float(k)) for k in sizes),
        probabilities=tuple(rng.dirichlet(np.full(k, 3.0)) for k in sizes),
        alternatives=("x", "y", "z")[:wide],
        values=tuple(unit * rng.integers(-2, 3, (k, wide)) for k in sizes),
        outside=tuple(unit * rng.integers(-2, 2, (1, 1)) for _ in sizes),
        public_value=np.zeros(wide),
    )
    found = design(environment, DesignOptions())
    assert found.status == (
        "optimal" if least_outlay(environment)[0] <= 1e-9 * unit else "infeasible"
    )
    if found.contradiction is None:
        return
    total = sum(
        v[states]
        for v, states in zip(environment.values, np.indices(environment.shape), strict=True)
    )
    ways = [
        np.flatnonzero(state > state.max() - unit / 2) for state in np.reshape(total, (-1, wide))
    ]
    assert found.contradiction.ties is None or found.contradiction.ties.states == sum(
        len(way) > 1 for way in ways
    )
    least = min(
        least_outlay(
            environment,
            AllocationRule(environment, chosen=np.array(way).reshape(environment.shape)),
        )[0]
        for way in itertools.islice(itertools.product(*ways), 3000)
    )
    if least <= 1e-9 * unit:
        assert found.contradiction.ties is not None
        assert found.contradiction.ties.otherwise == "possible"
    elif found.contradiction.ties is not None:  # lotteries do no better than the best way here
        assert found.contradiction.ties.otherwise == "infeasible"


def test_of_too_many_ties_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mechanism.design.solve.LARGEST_TIES", 31)
    found = design(coarse(), DesignOptions()).contradiction
    assert found is not None
    assert found.ties == Ties(states=4, otherwise="not_established")


def test_the_page_names_the_way_ties_are_broken(tmp_path: Path) -> None:
    tree = {
        "schema_version": 1,
        "alternatives": ["trade", "keep"],
        "players": [
            {
                "name": name,
                "types": (types := [0.125, 0.375, 0.625, 0.875]),
                "value": {"trade": [sign * t for t in types], "keep": [0] * 4},
            }
            for name, sign in (("buyer", 1), ("seller", -1))
        ],
    }
    path = tmp_path / "trade.json"
    path.write_text(json.dumps(tree))
    found = solve_file(path, {})
    assert design_tree(found)["infeasibility"]["ties"] == {
        "states": 4,
        "broken_to": "first_listed",
        "otherwise": "possible",
    }
    assert (
        "in 4 states, broken to the alternative listed first: broken otherwise" in found.verdicts[1]
    )


def test_what_is_not_verified_is_not_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by the solver's word nor by weights that prove nothing."""
    monkeypatch.setattr("mechanism.design.solve.proves", lambda *given: False)
    assert design(coarse(), DesignOptions()) == Design(status="not_established")


def test_a_solver_that_says_unbounded_of_what_has_a_limit_is_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Payments have no limit where nobody may refuse, and there alone."""
    monkeypatch.setattr(
        "mechanism.design.cvx.solve", lambda problem, solver, **options: "unbounded"
    )
    assert design(coarse(), DesignOptions()) == Design(status="not_established")
    assert design(coarse(), DesignOptions(participation="none")) == Design(status="unbounded")
    assert design(coarse(), DesignOptions(participation="none", objective="max_surplus")) == Design(
        status="not_established"
    )


@pytest.mark.parametrize(
    "status", ["infeasible_or_unbounded", "infeasible_inaccurate", "user_limit", "unknown"]
)
def test_a_solver_without_a_word_leaves_a_proof_to_find(
    status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No solver's word makes an impossibility or an optimum; weights that are checked do."""
    monkeypatch.setattr("mechanism.design.cvx.solve", lambda problem, solver, **options: status)
    assert design(coarse(), DesignOptions()) == Design(status="not_established")
    monkeypatch.undo()
    silent = replace(solve(build(coarse(), DesignOptions())), status="not_established")
    monkeypatch.setattr("mechanism.design.solve.solve", lambda *given: silent)
    assert design(coarse(), DesignOptions()).status == "infeasible"


def test_lotteries_are_never_a_contradiction_where_nothing_can_be_drawn_that_pays() -> None:
    """Keeping everything for sure, at no payment, meets every constraint of trade: the second best
    exists whatever is asked."""
    for options in IMPOSSIBLE:
        second = options.model_copy(
            update={"allocation": "second_best", "objective": "max_surplus"}
        )
        assert design(trade(), second).status == "optimal"


def test_what_nobody_can_be_paid_enough_for_is_refuted_with_lotteries() -> None:
    """Outside options above anything that can be drawn, and no public money: the lottery's own rows
    are part of the proof."""
    environment = trade()
    rich = Environment(
        **{**vars(environment), "outside": (np.full((1, 1), 0.3), np.full((1, 1), 0.3))}
    )
    found = design(
        rich, DesignOptions(allocation="second_best", objective="max_surplus", budget="ex_ante")
    )
    assert found.status == "infeasible"
    assert found.contradiction is not None
    assert found.contradiction.verified
    program = build(
        rich, DesignOptions(allocation="second_best", objective="max_surplus", budget="ex_ante")
    )
    G, h, y, z = weights_of_another_solver(program)
    assert proves(program, G, h, y, z)
    assert not proves(program, G, h, y, 0 * z)
    assert not proves(program, G, h, y, 50 * z)  # more than is left once probabilities add up


def test_numbers_of_a_result_cannot_be_written_over() -> None:
    environment = trade()
    found = design(environment, DesignOptions(budget="none"))
    assert isinstance(found, Design)
    assert found.mechanism is not None
    program = build(environment, DesignOptions())
    arrays = [
        *environment.probabilities,
        *environment.values,
        *environment.outside,
        environment.public_value,
        *found.mechanism.transfers,
        *found.mechanism.achieved.rents,
        *transfers_by("groves", efficient(environment)),
        program.cost,
        program.start,
        *(r.bound for r in program.rows),
    ]
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    with pytest.raises(TypeError):
        found.mechanism.achieved.ic["bayesian"] = None  # type: ignore[index]


def test_the_price_of_a_constraint_is_what_relaxing_it_is_worth() -> None:
    """The dearest row that binds: the least outlay falls by its price per unit by which it is
    relaxed."""
    environment = trade()
    program = build(environment, DesignOptions(budget="none"))
    answer = solve(program)
    at, step = int(answer.prices.argmax()), 1e-3
    rows, left = [], at
    for r in program.rows:
        bound = np.array(r.bound)
        if 0 <= left < len(bound):
            bound[left] -= step
        left -= len(bound)
        rows.append(type(r)(**{**vars(r), "bound": bound}))
    fields = {
        name: getattr(program, name)
        for name in ("space", "options", "equalities", "cost", "constant", "start")
    }
    relaxed = solve(Program(rows=tuple(rows), **fields))
    assert answer.value - relaxed.value == pytest.approx(step * answer.prices[at], rel=1e-3)


def test_of_transfers_of_equal_surplus_the_cheapest_are_taken() -> None:
    """Surplus does not depend on transfers at given alternatives, so that those of the least outlay
    are left to choose."""
    environment = trade()
    found = design(environment, DesignOptions(objective="max_surplus", budget="none"))
    assert found.mechanism is not None
    assert found.mechanism.achieved.outlay == pytest.approx(least_outlay(environment)[0], abs=1e-7)


def monopoly(**asked: object) -> tuple[Environment, DesignOptions]:
    """The public sells a good that costs nothing to a buyer who values it at 1 or 3."""
    environment = Environment(
        name="monopoly",
        players=("buyer",),
        types=((1, 3),),
        probabilities=(np.array([0.5, 0.5]),),
        alternatives=("sold", "kept"),
        values=(np.array([[1.0, 0.0], [3.0, 0.0]]),),
        outside=(np.zeros(2),),
        public_value=np.zeros(2),
    )
    options = {"allocation": "second_best", "objective": "max_surplus"} | asked
    return environment, DesignOptions.model_validate(options)


@pytest.mark.parametrize(
    ("cost", "fees", "value", "outlay"),
    [(0.0, True, 2.0, -1.0), (0.5, True, 2.5, -1.0), (2.0, True, 4.5, -1.5), (2.0, False, 2.0, -1)],
)
def test_what_the_public_takes_in_counts_as_outlay_does(
    cost: float, fees: bool, value: float, outlay: float
) -> None:
    """Sold to both at 1 the surplus is 2; at 3, to half of them, 1.5: revenue 1 or 1.5, each unit
    worth the cost of funds. With fees that do not count nothing is sold dear."""
    found = design(*monopoly(public_funds_cost=cost, fees=fees))
    assert found.mechanism is not None
    assert found.objective_value == pytest.approx(value, abs=1e-9)
    assert found.mechanism.achieved.outlay == pytest.approx(outlay, abs=1e-9)


@pytest.mark.parametrize(("fees", "status"), [(True, "unbounded"), (False, "optimal")])
def test_revenue_that_counts_has_no_limit_where_nobody_may_refuse(fees: bool, status: str) -> None:
    asked = monopoly(public_funds_cost=0.5, fees=fees, participation="none")
    assert design(*asked).status == status


def test_rents_are_what_a_type_expects_beyond_staying_out() -> None:
    """In loops over the rival's types, with an outside option of each own type."""
    environment = trade()
    outside = (np.array([[0.05, 0.04, 0.03, 0.02, 0.01]]).T, np.array([[-0.1, 0.1, 0.2, 0.3, 0.4]]))
    uneven = Environment(**{**vars(environment), "outside": outside})
    found = design(uneven, DesignOptions(tax_rule="groves"))
    assert found.mechanism is not None
    net = found.mechanism.transfers[1]
    for k, cost in enumerate(GRID):
        expected = sum(
            0.2 * (net[b, k] - (cost if worth > cost or np.isclose(worth, cost) else 0.0))
            for b, worth in enumerate(GRID)
        )
        assert found.mechanism.achieved.rents[1][k] == pytest.approx(
            expected - outside[1][0, k], abs=1e-12
        )


@pytest.mark.parametrize(("off", "agrees"), [(1e-8, True), (1e-4, False)])
def test_a_second_solver_that_disagrees_is_told(
    off: float, agrees: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another(program: Program, solver: str = "HIGHS") -> Any:
        answer = solve(program)
        return answer if solver == "HIGHS" else replace(answer, value=answer.value + off)

    monkeypatch.setattr("mechanism.design.solve.solve", another)
    found = solve_file(
        TRADE, {"allocation": "efficient", "objective": "min_outlay", "budget": "none"}
    )
    opinion = found.found.second_opinion
    assert opinion is not None
    assert opinion.agrees is agrees
    assert any("does NOT confirm" in text for text in found.verdicts) is not agrees


@pytest.mark.parametrize(
    ("rule", "money"),
    [
        ("worst_type", "costs the public"),
        ("clarke", "brings the public"),
        ("agv", "costs nothing in expectation"),
    ],
)
def test_the_verdict_on_a_formula_says_who_pays(rule: str, money: str) -> None:
    found = solve_file(TRADE, {"tax_rule": rule, "allocation": "efficient"})
    assert found.found.mechanism is not None
    outlay = found.found.mechanism.achieved.outlay
    assert f"The rule {rule} {money}" in found.verdicts[0]
    assert rule == "agv" or f"{abs(outlay):.6g} in expectation" in found.verdicts[0]
    assert np.sign(round(outlay, 12)) == {"worst_type": 1, "clarke": -1, "agv": 0}[rule]
