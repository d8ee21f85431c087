"""What could be given up where nothing does all that is asked: prices by hand, by programs written
in loops, and as files, pages and sheets tell them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run
from scipy.optimize import linprog

from mechanism.analysis import designs
from mechanism.analysis.designs import solve_tree
from mechanism.design import relaxations, setting_file
from mechanism.design.options import LARGEST

ROOT = Path(__file__).resolve().parents[1]


def trade(**mechanism: str) -> dict[str, Any]:
    """Buyer and seller of values 1/4 and 3/4 each; where they value it the same they trade."""
    return {
        "alternatives": ["trade", "keep"],
        "players": [
            {
                "name": name,
                "types": [0.25, 0.75],
                "value": {"trade": [sign * 0.25, sign * 0.75], "keep": [0, 0]},
            }
            for name, sign in (("buyer", 1), ("seller", -1))
        ],
        "mechanism": mechanism,
    }


def relaxed(tree: dict[str, Any]) -> dict[str, tuple[bool | None, float | None]]:
    """What suffices, and its price."""
    found = solve_tree(tree, {})
    assert found.found.status == "infeasible"
    assert found.give_up is not None
    return {" ".join(one.groups): (one.suffices, one.amount) for one in found.give_up.relaxed}


def test_prices_of_trade_by_hand() -> None:
    """A buyer that reports 1/4 trades half the time: the other type must be left 1/4, 1/8 expected,
    as must the seller: 1/4 where trade brings 1/8. An epsilon of lies saves half of it at either
    player, a loss from joining all of it at both."""
    found = relaxed(trade())
    assert found["budget"] == (True, pytest.approx(1 / 8, abs=1e-12))
    assert found["ir"] == (True, pytest.approx(1 / 16, abs=1e-12))
    assert found["ic"] == (True, pytest.approx(1 / 8, abs=1e-12))
    assert list(found) == ["ic", "ir", "budget"]


def test_what_is_had_at_a_price_and_by_lottery() -> None:
    found = solve_tree(trade(), {})
    assert found.give_up is not None
    for one in found.give_up.relaxed:
        assert one.mechanism is not None
        assert one.mechanism.achieved.surplus == pytest.approx(1 / 8, abs=1e-12)
        paid = 1 / 8 if one.groups == ("budget",) else 0
        assert one.mechanism.achieved.outlay == pytest.approx(paid, abs=1e-12)
    # Without trade at ties a player that reports the worse type never trades with its like: nobody
    # has to be left anything that trade does not bring.
    best = found.give_up.second_best
    assert best is not None
    assert best.mechanism is not None
    assert best.mechanism.achieved.surplus == pytest.approx(1 / 8, abs=1e-12)
    assert found.give_up.lost == pytest.approx(0, abs=1e-12)
    assert found.verdicts[-1].endswith("which is efficient.")


def choice(**mechanism: str) -> dict[str, Any]:
    """One player that always wants b, worth 1 or 2 to it, where a is worth 1.5 to the public and
    staying out 1/2; no money."""
    return {
        "alternatives": ["a", "b"],
        "players": [
            {"name": "x", "types": [1, 2], "value": {"a": [0, 0], "b": [1, 2]}, "outside": 0.5}
        ],
        "public_value": {"a": 1.5},
        "mechanism": {"payments": "none", "budget": "none", **mechanism},
    }


def test_sets_where_one_alone_does_not_suffice() -> None:
    """Type 1 is given a: a lie gains 1, joining costs it 1/2. Money of 1/2 from type 2 to type 1
    mends both; without money both must be given up."""
    found = relaxed(choice())
    assert found == {
        "ic": (False, None),
        "ir": (False, None),
        "payments": (True, pytest.approx(0.5, abs=1e-12)),
        "ic ir": (True, pytest.approx(1, abs=1e-12)),
    }
    said = solve_tree(choice(), {}).verdicts
    assert "All else can be had if players may pay or receive up to 0.5, or if lies" in said[-2]


def test_with_participation_alone_in_the_way_truth_is_no_matter() -> None:
    tree = trade(budget="ex_ante")
    for player in tree["players"]:
        player["outside"] = 1.0
    found = relaxed(tree)
    assert found["ic"] == (False, None)
    # what the two could earn outside is 2; they make 1/8, with rents that truth leaves room for
    assert found["budget"][0]
    assert found["budget"][1] == pytest.approx(2 + 1 / 8, abs=1e-12)


def test_asking_less() -> None:
    """Equal partners of three types part with a budget balanced in every state where truth is
    Bayesian (Cramton, Gibbons and Klemperer), or where they join by their own type alone; not with
    dominant truth and a partner that may still leave, at an expected budget either."""
    types = [0.1, 0.5, 0.9]
    tree = {
        "alternatives": ["first", "second"],
        "players": [
            {
                "name": name,
                "types": types,
                "value": {
                    other: types if other == name else [0] * 3 for other in ("first", "second")
                },
                "outside": [t / 2 for t in types],
            }
            for name in ("first", "second")
        ],
        "mechanism": {"incentive": "dominant", "budget": "ex_post", "timing": "ex_post"},
    }
    found = solve_tree(tree, {})
    assert found.give_up is not None
    assert {tuple(one.options.values()): one.suffices for one in found.give_up.weaker} == {
        ("bayesian",): True,
        ("interim",): True,
        ("ex_ante",): False,
    }


@pytest.mark.parametrize(("unit", "beside"), [(1e-12, 0.0), (1e12, 0.0), (1.0, 1e10)])
def test_prices_are_the_same_in_every_unit(unit: float, beside: float) -> None:
    """Beside a constant that staying out is worth too, no more is known than its rounding."""
    tree = trade()
    for player in tree["players"]:
        player["value"] = {
            name: [beside + unit * v for v in values] for name, values in player["value"].items()
        }
        player["outside"] = beside
    found = solve_tree(tree, {})
    assert found.give_up is not None
    prices = {one.groups[0]: one.amount for one in found.give_up.relaxed}
    for name, price in {"ic": 1 / 8, "ir": 1 / 16, "budget": 1 / 8}.items():
        assert prices[name] == pytest.approx(price * unit, rel=1e-5 if beside else 1e-9)
    assert found.give_up.lost == pytest.approx(0, abs=1e-5 * unit)


# --- by programs written in loops


def contexts(
    players: list[dict[str, Any]], i: int, each: bool
) -> list[dict[tuple[int, ...], float]]:
    """What the others may be, with weights: each profile on its own, or all of them expected."""
    rest = [p for j, p in enumerate(players) if j != i]
    profiles = list(itertools.product(*(range(len(p["types"])) for p in rest)))
    if each:
        return [{r: 1.0} for r in profiles]
    odds = [
        float(np.prod([p["probabilities"][k] for p, k in zip(rest, r, strict=True)]))
        for r in profiles
    ]
    return [dict(zip(profiles, odds, strict=True))]


def by_loops(tree: dict[str, Any], group: str) -> float | None:
    """The least amount by which a group of constraints must be relaxed: transfers in every state,
    every row on its own, dominant or Bayesian; None where nothing suffices."""
    players, public = tree["players"], tree["public_value"]
    names, options = tree["alternatives"], tree["mechanism"]
    sizes = [len(p["types"]) for p in players]
    states = list(itertools.product(*map(range, sizes)))
    n, index = len(players), {state: k for k, state in enumerate(states)}
    chance = {s: np.prod([players[i]["probabilities"][s[i]] for i in range(n)]) for s in states}

    def worth(i: int, own: int, name: str) -> float:
        return float(players[i]["value"][name][own])

    taken = {
        s: max(names, key=lambda a: public[a] + sum(worth(i, s[i], a) for i in range(n)))
        for s in states
    }
    rows, bounds = [], []

    def row(group_of: str, parts: list[tuple[int, tuple[int, ...], float]], least: float) -> None:
        coefficients = np.zeros(n * len(states) + 1)
        for i, state, weight in parts:
            coefficients[i * len(states) + index[state]] += weight
        coefficients[-1] = group_of == group
        rows.append(-coefficients)
        bounds.append(-least)

    def with_own(rest: tuple[int, ...], i: int, own: int) -> tuple[int, ...]:
        return (*rest[:i], own, *rest[i:])

    for i in range(n):
        for weights in contexts(players, i, options["incentive"] == "dominant"):
            for true, told in itertools.permutations(range(sizes[i]), 2):
                parts, least = [], 0.0
                for rest, w in weights.items():
                    honest, lie = with_own(rest, i, true), with_own(rest, i, told)
                    parts += [(i, honest, w), (i, lie, -w)]
                    least += w * (worth(i, true, taken[lie]) - worth(i, true, taken[honest]))
                row("ic", parts, least)
        for weights in contexts(players, i, options["timing"] == "ex_post"):
            for own in range(sizes[i]):
                parts = [(i, with_own(rest, i, own), w) for rest, w in weights.items()]
                least = players[i]["outside"] - sum(
                    w * worth(i, own, taken[with_own(rest, i, own)]) for rest, w in weights.items()
                )
                row("ir", parts, least)
    if options["budget"] == "ex_ante":
        row("budget", [(i, s, -chance[s]) for i in range(n) for s in states], 0.0)
    if options["budget"] == "ex_post":
        for s in states:
            row("budget", [(i, s, -1.0) for i in range(n)], 0.0)
    answer = linprog(
        np.append(np.zeros(n * len(states)), 1.0),
        A_ub=np.array(rows),
        b_ub=np.array(bounds),
        bounds=[(None, None)] * (n * len(states)) + [(0, None)],
    )
    return float(answer.fun) if answer.status == 0 else None


def drawn(seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    players = []
    for i in range(int(random.integers(2, 4))):
        size = int(random.integers(1, 4))
        odds = random.dirichlet(np.ones(size) * 3)
        players.append(
            {
                "name": f"p{i}",
                "types": list(range(size)),
                "probabilities": (odds / odds.sum()).tolist(),
                "value": {a: random.normal(size=size).round(2).tolist() for a in "abc"},
                "outside": float(random.uniform(-0.5, 1.0)),
            }
        )
    return {
        "alternatives": ["a", "b", "c"],
        "players": players,
        "public_value": dict(zip("abc", random.normal(size=3).tolist(), strict=True)),
        "mechanism": {
            "incentive": str(random.choice(["bayesian", "dominant"])),
            "timing": str(random.choice(["interim", "ex_post"])),
            "budget": str(random.choice(["ex_ante", "ex_post", "none"])),
            "objective": "max_surplus",
        },
    }


@pytest.mark.slow
def test_prices_by_programs_in_loops() -> None:
    """Random settings; what nothing suffices for is infeasible there too."""
    compared = 0
    for seed in range(14):
        tree = drawn(seed)
        found = solve_tree(tree, {})
        if found.found.status != "infeasible":
            continue
        assert found.give_up is not None
        for one in found.give_up.relaxed:
            if len(one.groups) > 1:
                continue
            amount = by_loops(tree, one.groups[0])
            assert one.suffices is (amount is not None), seed
            if amount is not None:
                assert one.amount == pytest.approx(amount, abs=1e-9 * found.environment.range)
                compared += 1
    assert compared > 6


# --- as it is told


def test_what_is_not_solved_for_is_told_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def last(tree: dict[str, Any]) -> str:
        return solve_tree(tree, {}).verdicts[-1]

    assert "lotteries allowed, has a surplus" in last(trade())
    monkeypatch.setattr(setting_file, "MOST_DRAWN", {True: 4, False: 4})
    assert last(trade()).startswith(
        "Lotteries over the alternatives are not solved for: the players have 4 states together"
    )
    monkeypatch.setattr(relaxations, "LARGEST_SECOND_OPINION", 8)  # truth 4, joining 4, budget 1
    found = solve_tree(trade(), {})
    assert found.give_up is None
    assert found.verdicts[-1].endswith("is not solved for with more than 20,000 constraints.")


def test_the_second_best_of_a_market_with_many_types_must_be_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(designs, "LARGEST_BESIDE", 1)
    found = designs.solve_file(ROOT / "cases" / "two_types.yaml", {})
    assert found.give_up is not None
    assert found.give_up.second_best is None
    assert found.verdicts[-1] == (
        "The second best over all levels is solved for unasked up to 1 types: --allocation"
        " second_best --objective max_surplus finds it."
    )
    monkeypatch.setitem(LARGEST, "lotteries", 1)
    told = designs.solve_file(ROOT / "cases" / "two_types.yaml", {}).verdicts[-1]
    assert told.endswith(
        "here 2 points per firm are more than the 1 that are solved for; lower types.points."
    )


@pytest.mark.slow
def test_it_is_told_in_every_form(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "trade.json"
    path.write_text(json.dumps({**trade(), "units": {"money": "kroner"}}))
    page = run("design", path)
    assert page.code == 3
    assert "lies may gain up to 0.125 kroner" in " ".join(page.out.split())
    before, after = page.out.split("What would do if it were given up")
    assert "Conflicting constraints" in after
    assert "Conflicting constraints" not in before
    told = json.loads(run("design", path, "--format", "json").out)["give_up"]
    assert [one["constraints"] for one in told["relaxed"]] == [["ic"], ["ir"], ["budget"]]
    assert set(told["second_best"]) == {"status", "lost", "surplus", "payoff", "outlay", "worst"}
    assert told["weaker"] == []
    done = run("design", path, "--budget", "none", "--format", "json")
    assert json.loads(done.out)["give_up"] is None
    assert run("design", path, "--out", tmp_path / "x.xlsx").code == 3


@pytest.mark.slow
def test_of_a_market() -> None:
    """The planner's levels cost the public 94.6979 at the two types of the shipped case; levels
    that need no money are sought too."""
    import pigou

    found = pigou.design(ROOT / "cases" / "two_types.yaml")
    assert found.give_up is not None
    amounts = {one.groups: one.amount for one in found.give_up.relaxed}
    assert amounts["budget",] == pytest.approx(94.6979, abs=5e-5)
    assert amounts["ir",] == pytest.approx(94.6979 / 2, abs=5e-5)
    best = found.give_up.second_best
    assert best is not None
    assert best.mechanism is not None
    assert best.mechanism.achieved.outlay < 1e-6
    assert best.mechanism.achieved.ir["ex_post"].status == "holds"
    assert found.give_up.lost == pytest.approx(
        found.efficient_surplus - best.mechanism.achieved.surplus
    )
    assert found.give_up.lost > 1
