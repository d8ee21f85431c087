"""Types with a joint distribution, values that depend on others' types, limits to payments: figures
by hand, and how a file says them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run

from market.casefile.faults import BadCase
from mechanism.analysis.designs import DesignError, DesignResult, solve_file, solve_tree
from mechanism.design.setting_file import parse_setting, too_large

Tree = dict[str, Any]
ROOT = Path(__file__).resolve().parents[1]

ALIKE = [[0.4, 0.1], [0.1, 0.4]]
"""Two bidders are alike four times in five."""


def auction(joint: list[list[float]] | None, **asked: Any) -> Tree:
    """A thing worth 1 or 2 to each of two bidders; who gets it by a tie is the first."""

    def bidder(name: str, gets: str, other: str) -> Tree:
        value = {gets: [1, 2], other: [0, 0]}
        return {"name": name, "types": ["low", "high"], "value": value}

    tree = {
        "alternatives": ["to A", "to B"],
        "players": [bidder("A", "to A", "to B"), bidder("B", "to B", "to A")],
        "mechanism": {"budget": "none"} | asked,
    }
    return tree | ({"joint": joint} if joint else {})


def solved(tree: Tree, **given: str) -> DesignResult:
    return solve_tree(tree, given)


# --- a joint distribution


@pytest.mark.parametrize("incentive", ["bayesian", "dominant"])
def test_dependent_types_leave_bidders_nothing(incentive: str) -> None:
    """Cremer and McLean: all of the highest value, .4 x 1 + .6 x 2, is taken."""
    found = solved(auction(ALIKE, incentive=incentive)).found
    assert found.objective_value == pytest.approx(-1.6, abs=1e-9)
    assert found.mechanism is not None
    assert found.mechanism.achieved.payoff == pytest.approx((0, 0), abs=1e-9)
    assert found.mechanism.achieved.ic[incentive].status == "holds"  # type: ignore[index]


@pytest.mark.parametrize("joint", [None, [[0.25, 0.25], [0.25, 0.25]]])
def test_independent_types_keep_their_rents(joint: list[list[float]] | None) -> None:
    """Of 1.75 A's high type keeps what it gains by saying low, 1 where B is low: 1/4 in
    expectation; B never wins by that."""
    result = solved(auction(joint))
    assert result.environment.joint is None
    assert result.found.objective_value == pytest.approx(-1.5, abs=1e-9)
    assert not any("dependent" in text for text in result.verdicts)


@pytest.mark.parametrize(("middle", "rents"), [(1.2, 0.15), (1.5, 0.0), (1.8, 0.0)])
def test_a_type_whose_beliefs_are_a_mixture_cannot_be_told_apart(
    middle: float, rents: float
) -> None:
    """The middle type's beliefs are the mean of the others': a price for it that neither takes must
    leave low and high together twice what their mean value, 1.5, exceeds its own, where it does;
    the cheapest is to leave it to one of them, who is there one time in four."""
    tree = {
        "alternatives": ["sold", "kept"],
        "players": [
            {
                "name": "buyer",
                "types": ["low", "middle", "high"],
                "value": {"sold": [1, middle, 2], "kept": [0, 0, 0]},
            },
            {"name": "signal", "types": ["L", "H"], "value": {"sold": [0, 0], "kept": [0, 0]}},
        ],
        "joint": [[0.2, 0.05], [0.25, 0.25], [0.05, 0.2]],
        "mechanism": {"budget": "none"},
    }
    value = (1 + 2 * middle + 2) / 4
    assert solved(tree).found.objective_value == pytest.approx(rents - value, abs=1e-9)


def test_nobody_joins_in_a_state_that_never_occurs() -> None:
    """A signal that is always right: the high type that says low is seen, in a state that never
    occurs otherwise. What it pays there is no matter of joining: with joining decided in every
    state still all of 1.5 is taken. With a floor of -1 nothing more than 1 is."""
    tree = {
        "alternatives": ["sold", "kept"],
        "players": [
            {"name": "A", "types": ["low", "high"], "value": {"sold": [1, 2], "kept": [0, 0]}},
            {"name": "signal", "types": ["L", "H"], "value": {"sold": [0, 0], "kept": [0, 0]}},
        ],
        "joint": [[0.5, 0], [0, 0.5]],
        "mechanism": {"budget": "none", "timing": "ex_post"},
    }
    found = solved(tree).found
    assert found.objective_value == pytest.approx(-1.5, abs=1e-9)
    assert found.mechanism is not None
    assert found.mechanism.achieved.ir["ex_post"].status == "holds"
    limited = tree | {"mechanism": tree["mechanism"] | {"transfer_floor": {"A": -1.0, "signal": 0}}}
    assert solved(limited).found.objective_value == pytest.approx(-1, abs=1e-9)


def test_the_worst_state_is_one_that_can_occur() -> None:
    """Bidders that are always alike, groves by hand: given the other's type the own is known, so
    nothing is paid but in the state low, high, which never occurs: 2 to A, 1 by B."""
    found = solved(auction([[0.5, 0], [0, 0.5]], tax_rule="groves")).found
    assert found.mechanism is not None
    first, second = found.mechanism.transfers
    assert np.allclose(first, [[0, 2], [0, 0]])
    assert np.allclose(second, [[0, -1], [0, 0]])
    assert found.mechanism.achieved.worst == 0


def test_rules_say_what_they_no_longer_do() -> None:
    """Of groves and clarke nothing is said."""
    told = {
        rule: " ".join(solved(auction(ALIKE, tax_rule=rule)).verdicts)
        for rule in ("clarke", "groves", "worst_type", "agv")
    }
    assert "truth need be no best reply" in told["agv"]
    assert "may expect less than its outside option" in told["worst_type"]
    assert all("Types are dependent" not in told[rule] for rule in ("clarke", "groves"))
    assert "bets" in " ".join(solved(auction(ALIKE)).verdicts)


def test_mutual_payments_may_make_a_lie_pay() -> None:
    """What a report lets the other expect, by its conditional beliefs; half of the types' means
    being equal, what is paid is the difference of both."""
    joint = np.array([[0.4, 0.1], [0.1, 0.4]])
    gets_a, gets_b = np.array([[1, 0], [2, 2]]), np.array([[0, 2], [0, 0]])
    told_a = (joint * gets_b).sum(1) / joint.sum(1)  # what A's report lets B expect
    told_b = (joint * gets_a).sum(0) / joint.sum(0)
    to_a = (told_a - told_a.mean())[:, None] - (told_b - told_b.mean())[None, :]
    found = solved(auction(ALIKE, tax_rule="agv")).found
    assert found.mechanism is not None
    assert np.allclose(found.mechanism.transfers[0], to_a)
    assert np.allclose(found.mechanism.transfers[1], -to_a)
    value = np.array([[[1, 0], [1, 1]], [[2, 0], [2, 2]]])  # of A: true type, reports
    expected = ((value + to_a) * (joint / joint.sum(1, keepdims=True))[:, None, :]).sum(-1)
    gains = (expected - np.diag(expected)[:, None]).max()
    assert found.mechanism.achieved.ic["bayesian"].amount >= gains - 1e-12


# --- values that depend on others' types


def lemons(**asked: Any) -> Tree:
    """A seller knows whether the thing is poor (worth 0 to it, .4 to the buyer) or good (1, 1.5),
    as likely as not."""
    return {
        "alternatives": ["sold", "kept"],
        "players": [
            {"name": "buyer", "types": ["any"], "value": {"sold": [[0.4, 1.5]], "kept": [0]}},
            {
                "name": "seller",
                "types": ["poor", "good"],
                "value": {"sold": [0, -1], "kept": [0, 0]},
            },
        ],
        "mechanism": asked,
    }


def test_a_market_for_lemons_needs_money_or_trades_less() -> None:
    """A price of 1 keeps the good in; to the buyer the thing is worth .95 in expectation, so the
    public pays .05. Without, the good is sold four times in five: .2 + .75 x >= x, and the surplus
    is .2 + .25 x."""
    assert solved(lemons(budget="none")).found.objective_value == pytest.approx(0.05, abs=1e-9)
    assert solved(lemons()).found.status == "infeasible"
    second = solved(lemons(allocation="second_best", objective="max_surplus"))
    assert second.found.objective_value == pytest.approx(0.4, abs=1e-9)
    assert second.found.mechanism is not None
    sold = second.found.mechanism.plan.shares()[:, 0]
    assert sold == pytest.approx((1, 0.8), abs=1e-8)


def test_no_formula_makes_truth_pay_where_values_depend_on_others_types() -> None:
    """The poor seller says good: what the buyer then seems to get is paid to it."""
    result = solved(lemons(tax_rule="groves", budget="none"))
    assert result.found.mechanism is not None
    check = result.found.mechanism.achieved.ic["dominant"]
    # groves pays the seller v_B less its mean: 1.5 rather than .4
    assert check.amount == pytest.approx(1.1)
    assert any("by design no longer" in text for text in result.verdicts)
    asked = solved(lemons(incentive="dominant", budget="none")).verdicts
    assert any("ex-post equilibrium" in text for text in asked)


# --- limits to payments


def job(**asked: Any) -> Tree:
    """Work that is worth 3 to the public and costs the worker 1 or 2."""
    value = {"done": [-1, -2], "not done": [0, 0]}
    return {
        "alternatives": ["done", "not done"],
        "players": [
            {"name": "worker", "types": ["able", "unable"], "value": value},
            {"name": "idle", "types": ["any"], "value": {"done": [0], "not done": [0]}},
        ],
        "public_value": {"done": 3},
        "mechanism": {"budget": "none"} | asked,
    }


@pytest.mark.parametrize(
    ("asked", "outlay"),
    [
        ({}, 2.0),
        ({"transfer_floor": 0.5}, 2.5),  # the idle get it too
        ({"transfer_floor": {"worker": 2.5}}, 2.5),
        ({"transfer_cap": 2.0}, 2.0),
        ({"transfer_cap": {"idle": -0.25}, "participation": "none", "transfer_floor": -1}, -2.0),
    ],
)
def test_limits_move_what_the_public_pays(asked: Tree, outlay: float) -> None:
    assert solved(job(**asked)).found.objective_value == pytest.approx(outlay, abs=1e-9)


def test_a_limit_that_cannot_be_kept_is_named(run: Run, tmp_path: Path) -> None:
    """The unable cost 2: at most 1.75 is half of .25 short, which both rows can be relaxed by."""
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job(transfer_cap={"worker": 1.75})))
    told = run("design", path, "--format", "json")
    proof = json.loads(told.out)["infeasibility"]
    assert told.code == 3
    assert proof["verified"]
    assert proof["least_violation"] == pytest.approx(0.125)
    rows = {(row["constraint"], row["player"], row["type"]) for row in proof["rows"]}
    assert rows == {("cap", "worker", "unable"), ("ir", "worker", "unable")}
    page = " ".join(run("design", path).out.split())
    assert "participation and limits to payments contradict each other" in page
    assert "may pay or receive up to 0.25 beyond the limits" in page
    assert "most received" in page


def test_without_a_floor_nothing_limits_what_players_are_made_to_pay() -> None:
    asked = {"participation": "none", "transfer_cap": 0.0}
    assert solved(job(**asked)).found.status == "unbounded"
    half = asked | {"transfer_floor": {"worker": -1.0}}
    assert solved(job(**half)).found.status == "unbounded"


@pytest.mark.slow
def test_limits_on_the_command_line_are_those_of_the_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job(transfer_floor=0.75)))

    def outlay(*limits: str) -> float:
        return float(
            json.loads(run("design", path, *limits, "--format", "json").out)["objective_value"]
        )

    assert outlay() == pytest.approx(2.75, abs=1e-9)
    assert outlay("--transfer-floor", "0.5") == pytest.approx(2.5, abs=1e-9)
    named = ("--transfer-floor", "worker=2.5", "--transfer-floor", "idle=-1", "--transfer-cap", "9")
    assert outlay(*named) == pytest.approx(2.5, abs=1e-9)
    result = tmp_path / "result.json"
    run("design", path, *named, "--out", result)
    command = json.loads(result.read_text())["provenance"]["command"]
    assert command.split("--collusion ignored ")[1].replace(".0", "") == " ".join(named)
    assert run("verify", result).code == 0


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (["much"], "much is no number and no PLAYER=NUMBER"),
        (["1", "2"], "1 is one too many"),
        (["worker=1", "worker=2"], "worker=2 is one too many"),
        (["nobody=1"], "transfer_floor.nobody is no player; they are worker, idle"),
        (["inf"], "transfer_floor is Infinity; it must lie in"),
    ],
)
def test_faults_of_limits_on_the_command_line(
    run: Run, tmp_path: Path, limits: list[str], message: str
) -> None:
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job()))
    told = run("design", path, *(f"--transfer-floor={limit}" for limit in limits))
    assert (told.code, told.out) == (2, "")
    assert message in " ".join(told.err.split())


def test_of_a_market_too_payments_can_be_limited() -> None:
    """Where the floor is so high that every type joins anyway, a unit more costs one per firm."""
    case = ROOT / "cases" / "two_types.yaml"
    low, high = (
        solve_file(case, {"budget": "none", "transfer_floor": floor}).found
        for floor in (80.0, {"firm 1": 81.0, "firm 2": 81.0})
    )
    assert low.mechanism is not None
    assert high.objective_value == pytest.approx(low.mechanism.achieved.outlay + 2, rel=1e-9)
    assert min(float(t.min()) for t in low.mechanism.transfers) == pytest.approx(80)


# --- the file


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"joint": [[0.4, 0.1]]},
            "joint is a list of 1; it must be a list with one entry for each of the 2 types of A",
        ),
        (
            {"joint": [[0.4, 0.1], [0.1, -0.4]]},
            "joint[1][1] is -0.4; it must be a number in [0, inf)",
        ),
        ({"joint": [[0.4, 0.1], [0.1, 0.3]]}, "joint adds up to 0.9; it must add up to 1"),
        (
            {"joint": [[0.5, 0.5], [0, 0]]},
            "joint gives the type high of A probability 0; leave it out",
        ),
        (
            {"joint": [[0.4, "x"], [0.1, 0.4]]},
            'joint[0][1] is "x"; it must be a number in [0, inf)',
        ),
        (
            {"mechanism": {"transfer_floor": {"C": 0}}},
            "mechanism.transfer_floor.C is no player; they are A, B",
        ),
        (
            {"mechanism": {"transfer_floor": 1, "transfer_cap": {"B": 0}}},
            "mechanism.transfer_floor is 1 for B, above transfer_cap, which is 0",
        ),
        (
            {"mechanism": {"transfer_floor": 0, "tax_rule": "groves"}},
            "mechanism.transfer_floor needs tax_rule designed and payments allowed",
        ),
        (
            {"mechanism": {"transfer_cap": 0, "payments": "none"}},
            "mechanism.transfer_cap needs tax_rule designed and payments allowed",
        ),
        (
            {"mechanism": {"transfer_cap": "much"}},
            'mechanism.transfer_cap is "much"; it must be a number in (-inf, inf) or a mapping or'
            " null",
        ),
    ],
)
def test_faults_of_joint_and_limits(change: Tree, message: str) -> None:
    with pytest.raises(BadCase) as caught:
        parse_setting(auction(None) | change)
    assert str(caught.value) == message


def test_faults_of_players_beside_them() -> None:
    tree = auction(ALIKE)
    tree["players"][0] |= {"probabilities": [0.5, 0.5], "outside": "q"}
    tree["players"][1]["value"]["to A"] = [[0, 1], [2]]
    tree["players"][1]["value"]["to B"] = [[0, 1], [2, None]]
    with pytest.raises(BadCase) as caught:
        parse_setting(tree)
    assert str(caught.value) == (
        'players[0].outside is "q"; it must be a number in (-inf, inf) or a list, each a number in'
        " (-inf, inf)"
    )
    tree["players"][0].pop("outside")
    with pytest.raises(BadCase) as caught:
        parse_setting(tree)
    assert str(caught.value).split("\n") == [
        "players[0].probabilities stands beside joint, which says how likely types are; leave it"
        " out",
        "players[1].value.to A[1] is a list of 1; it must be a list with one entry for each of the"
        " 2 types of B",
        "players[1].value.to B[1][1] is null; it must be a number in (-inf, inf)",
    ]


def test_limits_are_held_against_the_command_line_too() -> None:
    with pytest.raises(DesignError, match="limited where transfers are solved for"):
        solved(job(transfer_floor=0), tax_rule="groves")


def test_dependent_types_are_counted_state_by_state() -> None:
    """With a transfer per state far fewer states can be solved for."""
    options = parse_setting(auction(None)).options
    assert too_large([150, 150], 2, options) is None
    told = too_large([150, 150], 2, options, dependent=True)
    assert told is not None
    assert "have 22,500 states together (150 x 150 types)" in told
