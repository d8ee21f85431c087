"""Settings in which alternatives need players, and mechanisms without money."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run
from numpy.typing import NDArray
from scipy.optimize import linprog

from market.casefile.faults import BadCase
from mechanism.design.rules import TAX_RULES, setting_rules
from mechanism.design.setting_file import parse_setting
from mechanism.design.solve import Design, design

Tree = dict[str, Any]


def found(tree: Tree) -> Design:
    """The design of a setting."""
    problem = parse_setting(tree)
    return design(problem.environment, problem.options)


def procurement(rule: str = "clarke", needs: bool = True) -> Tree:
    """Three bidders of whom one is to do the work."""
    costs = {"A": [10, 14, 18], "B": [11, 15], "C": [12, 20]}
    players = [
        {
            "name": f"bidder {name}",
            "types": own,
            "value": {a: [-c if a == name else 0 for c in own] for a in costs},
        }
        for name, own in costs.items()
    ]
    return {
        "alternatives": list(costs),
        "players": players,
        "needs": {name: [f"bidder {name}"] for name in costs} if needs else {},
        "mechanism": {"tax_rule": rule, "budget": "none"},
    }


# --- needs


def test_the_winner_is_paid_the_second_lowest_cost() -> None:
    """And nobody else anything, at every profile of costs."""
    tree = procurement()
    mechanism = found(tree).mechanism
    assert mechanism is not None
    for state in product(*(range(len(p["types"])) for p in tree["players"])):
        costs = [p["types"][k] for p, k in zip(tree["players"], state, strict=True)]
        received = [float(transfer[state]) for transfer in mechanism.transfers]
        winner = int(np.argmin(costs))
        assert received == [sorted(costs)[1] if i == winner else 0 for i in range(3)]
    achieved = mechanism.achieved
    assert achieved.ic["dominant"].status == achieved.ir["ex_post"].status == "holds"


def test_without_needs_losers_are_charged() -> None:
    """Then others could have the work done by a bidder that is not there, at no cost."""
    mechanism = found(procurement(needs=False)).mechanism
    assert mechanism is not None
    assert max(float(t.max()) for t in mechanism.transfers) <= 0
    assert min(float(t.min()) for t in mechanism.transfers) < 0


@pytest.mark.parametrize("rule", setting_rules())
def test_who_is_needed_moves_no_rule_but_what_each_costs_the_others(rule: str) -> None:
    with_needs, without = (found(procurement(rule, needs)).mechanism for needs in (True, False))
    assert with_needs is not None
    assert without is not None
    same = all(
        np.allclose(a, b) for a, b in zip(with_needs.transfers, without.transfers, strict=True)
    )
    assert same == (not TAX_RULES[rule].without_player)


@pytest.mark.parametrize(
    ("needs", "message"),
    [
        ({"D": ["bidder A"]}, "needs.D is no alternative; they are A, B, C"),
        (
            {"A": ["bidder Z"]},
            "needs.A[0] is no player; they are bidder A, bidder B, bidder C",
        ),
        (
            {a: ["bidder B"] for a in "ABC"},
            (
                "needs leaves nothing to be done without bidder B, with which clarke compares; add"
                " an alternative that is there without it"
            ),
        ),
    ],
)
def test_faults_of_needs(needs: Tree, message: str) -> None:
    with pytest.raises(BadCase) as caught:
        parse_setting(procurement() | {"needs": needs})
    assert str(caught.value) == message


def test_a_rule_on_the_command_line_is_held_against_needs_too(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "work.json"
    needs = {a: ["bidder B"] for a in "ABC"}
    path.write_text(json.dumps(procurement("groves") | {"needs": needs}))
    assert run("design", path, "--quiet").code == 0
    told = run("design", path, "--tax-rule", "clarke")
    assert (told.code, told.out) == (2, "")
    assert "nothing to be done without bidder B" in " ".join(told.err.split())


# --- without money


def divorce(burn: bool, **asked: str) -> Tree:
    """Who gets a painting: husband or wife, a museum, or nobody, for it is burnt (Conitzer and
    Sandholm 2003)."""
    alternatives = ["his", "hers", "museum"] + ["burnt"] * burn

    def player(name: str, own: str, other: str) -> Tree:
        value = {own: [11000, 1200], "museum": [6000, 1100], other: [1000, 1000], "burnt": [0, 0]}
        return {
            "name": name,
            "types": [1, 0],
            "probabilities": [0.2, 0.8],
            "value": {a: value[a] for a in alternatives},
        }

    mechanism = {
        "payments": "none",
        "allocation": "second_best",
        "objective": "max_surplus",
        "participation": "none",
        "budget": "none",
    }
    return {
        "alternatives": alternatives,
        "players": [player("husband", "his", "hers"), player("wife", "hers", "his")],
        "mechanism": mechanism | asked,
    }


@pytest.mark.parametrize(("burn", "surplus"), [(True, 5509.818), (False, 4160.0)])
def test_without_money_truth_is_paid_for_by_what_is_burnt(burn: bool, surplus: float) -> None:
    answer = found(divorce(burn))
    assert answer.objective_value == pytest.approx(surplus, abs=5e-4)
    assert answer.mechanism is not None
    assert all((transfer == 0).all() for transfer in answer.mechanism.transfers)
    assert answer.mechanism.achieved.ic["bayesian"].status == "holds"


def test_the_best_alternatives_cannot_be_had_without_money() -> None:
    """Who values the painting little says that it is much: with the best alternative everywhere no
    truth, and the proof is of truth and of payments that are none."""
    answer = found(divorce(True, allocation="efficient"))
    assert answer.status == "infeasible"
    assert answer.contradiction is not None
    assert answer.contradiction.verified
    assert {row.constraint for row in answer.contradiction.rows} == {"ic", "floor", "cap"}


def loops(values: list[NDArray[np.float64]], public: NDArray[np.float64]) -> float:
    """The most expected welfare of dominant truth without money: two players of two equally likely
    types, lotteries by a program written in loops."""
    A = len(public)
    at = {s: slice(A * k, A * (k + 1)) for k, s in enumerate(product((0, 1), repeat=2))}
    rows, cost, equal = [], np.zeros(4 * A), np.zeros((4, 4 * A))
    for k, (one, other) in enumerate(at):
        state = (one, other)
        cost[at[state]] = -(public + values[0][one] + values[1][other]) / 4
        equal[k, at[state]] = 1
        for player in (0, 1):
            lie = (1 - one, other) if player == 0 else (one, 1 - other)
            row = np.zeros(4 * A)
            row[at[lie]] += values[player][state[player]]
            row[at[state]] -= values[player][state[player]]
            rows.append(row)
    return -float(linprog(cost, np.array(rows), np.zeros(8), equal, np.ones(4), method="highs").fun)


@pytest.mark.parametrize("seed", range(4))
def test_lotteries_without_money_by_an_independent_road(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, public = [rng.normal(size=(2, 4)) for _ in (0, 1)], rng.normal(size=4)
    players = [
        {"name": name, "types": [0, 1], "value": dict(zip("abcd", own.T.tolist(), strict=True))}
        for name, own in zip("xy", values, strict=True)
    ]
    tree = {
        "alternatives": list("abcd"),
        "players": players,
        "public_value": dict(zip("abcd", public.tolist(), strict=True)),
        "mechanism": divorce(True, incentive="dominant")["mechanism"],
    }
    assert found(tree).objective_value == pytest.approx(loops(values, public), abs=1e-8)


def test_a_formula_pays(run: Run, tmp_path: Path) -> None:
    with pytest.raises(BadCase) as caught:
        parse_setting(divorce(True, tax_rule="groves", allocation="efficient"))
    assert str(caught.value) == (
        "mechanism.payments is none, which needs tax_rule designed: a rule with a formula pays"
    )
    path = tmp_path / "divorce.json"
    path.write_text(json.dumps(divorce(True, allocation="efficient")))
    told = run("design", path, "--tax-rule", "agv")
    assert (told.code, told.out) == (2, "")
    assert "without payments needs the rule designed" in " ".join(told.err.split())
