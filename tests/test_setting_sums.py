"""Settings of too many states to list: what rules achieve from sums of values, against the list of
states where it can be made, and against convolutions."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from setting_programs import Oracle, random_setting

from cli.pages.design import designed
from cli.pages.page import Page
from cli.pages.rows import transfers_csv
from mechanism.analysis.designs import DesignError, solve_tree
from mechanism.design.environment import achieved, efficient, transfers_by
from mechanism.design.rules import TAX_RULES, setting_rules
from mechanism.design.setting_file import parse_setting
from mechanism.design.sums import achieved_by_sums, sums

Tree = dict[str, Any]
FORMULAS = [rule for rule in setting_rules() if not TAX_RULES[rule].designed]


def project(players: int, types: int, rule: str, step: float = 1.0) -> Tree:
    """A project that costs half of the most it can be worth to players of values 0, 1, ..."""
    value = [step * k for k in range(types)]
    return {
        "alternatives": ["build", "leave"],
        "players": [
            {"name": f"p{i}", "types": value, "value": {"build": value, "leave": [0] * types}}
            for i in range(players)
        ],
        "public_value": {"build": -step * players * (types - 1) / 2},
        "mechanism": {"tax_rule": rule},
    }


def private(seed: int) -> Tree:
    """A random setting of independent private values, of three players of two or three types."""
    rng = np.random.default_rng(seed)
    players = []
    for name in "xyz":
        size = int(rng.integers(2, 4))
        value = {a: rng.integers(-3, 4, size).tolist() for a in "abc"}
        players.append(
            {
                "name": name,
                "types": list(range(size)),
                "value": value,
                "probabilities": rng.dirichlet(np.ones(size)).tolist(),
                "outside": rng.integers(-2, 1, size).tolist(),
            }
        )
    return {
        "alternatives": list("abc"),
        "players": players,
        "public_value": {"b": float(rng.normal())},
        "needs": {"b": ["x"], "c": ["y", "z"]},
    }


@pytest.mark.parametrize("timing", ["interim", "ex_post"])
@pytest.mark.parametrize("rule", FORMULAS)
@pytest.mark.parametrize("seed", range(3))
def test_sums_come_to_what_states_come_to(rule: str, timing: str, seed: int) -> None:
    asked = {"tax_rule": rule, "timing": timing}
    problem = parse_setting(private(seed) | {"mechanism": asked})
    plan = efficient(problem.environment)
    listed = achieved(plan, transfers_by(rule, plan, problem.options.timing))
    summed = achieved_by_sums(problem.environment, problem.options)
    near = {"abs": 1e-9}
    assert summed.surplus == pytest.approx(listed.surplus, **near)
    assert summed.payoff == pytest.approx(listed.payoff, **near)
    assert summed.outlay == pytest.approx(listed.outlay, **near)
    for a, b in zip(summed.rents, listed.rents, strict=True):
        assert np.allclose(a, b)
    for strength, check in summed.ic.items():
        assert check.amount == pytest.approx(listed.ic[strength].amount, **near)
        assert check.status == listed.ic[strength].status
    assert summed.ir["interim"].amount == pytest.approx(listed.ir["interim"].amount, **near)
    if TAX_RULES[rule].balanced:
        assert summed.worst == pytest.approx(listed.worst, **near)
        assert summed.ir["ex_post"].status == "not_established"
    else:
        assert summed.worst is None
        assert summed.ir["ex_post"].amount == pytest.approx(listed.ir["ex_post"].amount, **near)


def test_twelve_players_of_twenty_types_each() -> None:
    """A public project, clarke by convolution: who turns the decision pays the rest's welfare that
    is lost."""
    result = solve_tree(project(12, 20, "clarke"), {})
    die = np.full(20, 1 / 20)
    rest = np.ones(1)
    for _ in range(11):
        rest = np.convolve(rest, die)
    total, cost = np.convolve(rest, die), 114
    surplus = (total * np.maximum(np.arange(229) - cost, 0)).sum()
    loss = np.arange(210)[:, None] - cost  # of the rest, if built
    built = np.arange(210)[:, None] + np.arange(20) >= cost
    paid = np.maximum(loss, 0) - built * loss
    taken = 12 * (rest[:, None] * paid).sum() / 20
    assert result.found.mechanism is not None
    got = result.found.mechanism.achieved
    assert got.surplus == pytest.approx(surplus, abs=1e-9)
    assert got.outlay == pytest.approx(-taken, abs=1e-9)
    public = -cost * total[cost:].sum()
    assert sum(got.payoff) == pytest.approx(surplus - public + got.outlay, abs=1e-9)
    assert got.ic["dominant"].status == got.ir["ex_post"].status == "holds"


@pytest.mark.parametrize("step", [1e-9, 0.1, 1e9])
def test_sums_that_are_the_same_but_for_rounding_are_one(step: float) -> None:
    environment = parse_setting(project(12, 20, "clarke", step)).environment
    worth, chance = sums(environment, 0)
    assert len(worth) <= 2 * 210  # half a grain may lie between two that are the same
    assert chance.sum() == pytest.approx(1)


def test_what_sums_cannot_do_is_refused_in_time() -> None:
    """Values off any grid have too many sums; of what is solved for states are counted."""
    tree = project(12, 20, "clarke")
    rng = np.random.default_rng(0)
    for player in tree["players"]:
        player["value"]["build"] = rng.random(20).tolist()
    with pytest.raises(DesignError, match="more than 6,250 different sums for p0; take fewer"):
        solve_tree(tree, {})
    with pytest.raises(Exception, match="tax_rule with a formula, for which sums") as caught:
        parse_setting(tree | {"mechanism": {}})
    assert "4,096,000,000,000,000 states" in str(caught.value)
    with pytest.raises(DesignError, match="4,096,000,000,000,000 states"):
        solve_tree(tree, {"tax_rule": "designed"})


@pytest.mark.parametrize("rule", FORMULAS)
def test_what_rules_achieve_is_told_without_states(rule: str) -> None:
    """Of providers too, who are charged where needs are not said."""
    tree = project(8, 12, rule)
    tree["players"][0]["value"] = {"build": [-float(k) for k in range(12)], "leave": [0] * 12}
    told = solve_tree(tree, {}).verdicts
    assert told[0].startswith(f"The rule {rule} ")
    assert any("too many to list" in text for text in told)


def test_states_that_are_not_listed_are_null() -> None:
    found = solve_tree(project(8, 12, "agv"), {})
    result = json.loads(found.to_json())
    assert (result["states"], result["allocation"], result["transfers"]) == ([], None, None)
    assert result["checks"]["budget"] == {"ex_ante": 0.0, "worst": 0.0}
    assert any("4.29982e+08 states, too many to list" in text for text in result["verdicts"])
    page = designed(result, Page(width=100), 5)
    assert "not_established" in page
    assert "Net transfers" not in page
    assert transfers_csv(result).startswith("state,type_p0,")


def test_the_oracle_of_other_tests_agrees() -> None:
    """Clarke by loops over states."""
    tree = random_setting(3) | private(1) | {"mechanism": {"tax_rule": "clarke"}}
    tree.pop("joint", None)
    oracle, found = Oracle(tree), parse_setting(tree)
    spent = oracle.formula("clarke").sum(0) @ np.array(oracle.chance)
    summed = achieved_by_sums(found.environment, found.options)
    assert summed.outlay == pytest.approx(spent, abs=1e-9)
