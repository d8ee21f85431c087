"""What cannot be asked of transfers that are solved for: the same answer wherever it is asked, and
what may be asked can be done."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from market.casefile.faults import BadCase
from mechanism.analysis.designs import DesignError, solve_file
from mechanism.casefile.policy_case import parse_tree
from mechanism.casefile.schema import MechanismOptions
from mechanism.casefile.types import discrete, uniform
from mechanism.design.environment import Environment, efficient
from mechanism.design.options import LARGEST, by_formula, expectations_count, no_limit, too_many
from mechanism.design.program import build, stacked
from mechanism.design.rules import DESIGNED, TAX_RULES
from mechanism.design.setting_file import DesignOptions
from mechanism.scheme.transfers import no_design

TREE: dict[str, Any] = {
    "demand": {"intercept": 20, "own_slope": 1.5, "cross_slope": 1.0},
    "security": {
        "rivalry": 0.2,
        "demand_spillover": 0.6,
        "leakage": {"own": 3.0, "cross": 0.5, "interaction": 0.2},
    },
    "cost": {"form": "saturating", "scale": 20, "max_saving": 0.5, "spillover": 0.5},
    "types": {"values": [0.4, 0.6]},
}
OBJECTIVES = ("min_outlay", "max_surplus", "min_worst_deficit", "min_violation")


@pytest.mark.parametrize("payoff", ["with_cost", "printed"])
@pytest.mark.parametrize("participation", ["ir1", "ir_market", "ir2", "none"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_file_is_refused_for_what_a_case_is_not_solved_for(
    payoff: str, participation: str, objective: str
) -> None:
    """Of a case that asks for another rule the same options are a reason, not a fault."""
    asked = {"payoff": payoff, "participation": participation, "objective": objective}
    why = no_limit(payoff, participation, objective)
    assert (
        no_design(discrete(np.array([0.4, 0.6]), np.array([0.5, 0.5])), MechanismOptions(**asked))
        == why
    )  # type: ignore[arg-type]
    tree = {**TREE, "mechanism": {**asked, "tax_rule": DESIGNED}}
    if why is None:
        assert parse_tree(tree).mechanism.tax_rule == DESIGNED
    else:
        with pytest.raises(BadCase, match=why.fault):
            parse_tree(tree)
    assert (
        parse_tree({**TREE, "mechanism": {**asked, "tax_rule": "groves"}}).mechanism.payoff
        == payoff
    )


def test_only_what_is_solved_for_draws_lotteries_or_is_proof_against_collusion() -> None:
    for rule in TAX_RULES.values():
        assert (by_formula(rule.key, "second_best") is None) == rule.designed
        assert (by_formula(rule.key, "efficient", "proof") is None) == rule.designed
        assert by_formula(rule.key, "efficient") is None


def one_transfer_per_type_is_enough(options: DesignOptions) -> bool:
    """Whether moving money between states of the same own type, its expectation kept, moves nothing
    that is asked."""
    rng = np.random.default_rng(0)
    environment = Environment(
        name="two",
        players=("a", "b"),
        types=(np.arange(2.0), np.arange(3.0)),
        probabilities=(np.array([0.4, 0.6]), np.array([0.2, 0.3, 0.5])),
        alternatives=("x", "y"),
        values=(rng.normal(size=(2, 2)), rng.normal(size=(3, 2))),
        outside=(np.zeros((1, 1)), np.zeros((1, 1))),
        public_value=np.zeros(2),
    )
    # Proof against collusion is asked of transfers in every state; without its rows they are the
    # same program.
    program = build(
        environment, options.model_copy(update={"collusion": "proof"}), efficient(environment)
    )
    G, _ = stacked(tuple(r for r in program.rows if r.kind in ("ic", "ir")))
    shift = np.zeros(program.space.size)
    shift[:3] = [
        0.3 * 0.5,
        0.2 * 0.5,
        -2 * 0.3 * 0.2,
    ]  # first player, first type: over the second's types it averages to zero
    assert abs(shift[:3] @ environment.probabilities[1]) < 1e-15
    return bool(np.abs(G @ shift).max() < 1e-12)


@pytest.mark.parametrize(
    ("incentive", "timing", "participation"),
    list(itertools.product(["bayesian", "dominant"], ["interim", "ex_post"], ["outside", "none"])),
)
def test_expected_transfers_count_where_nothing_else_does(
    incentive: Any, timing: Any, participation: Any
) -> None:
    options = DesignOptions(
        incentive=incentive, timing=timing, participation=participation, budget="none"
    )
    assert expectations_count(incentive, timing, participation) == one_transfer_per_type_is_enough(
        options
    )


@pytest.mark.parametrize(("kind", "most"), LARGEST.items())
def test_programs_are_stated_up_to_their_limit(kind: str, most: int) -> None:
    assert too_many(most, kind) is None
    why = too_many(most + 1, kind)
    assert why is not None
    assert f"{most + 1} points per firm are more than the {most}" in why.text


def test_the_limit_follows_the_program() -> None:
    """A prior of 101 nodes has 103 points: a transfer per pair of reports for them, and not for
    more."""
    for nodes, dominant in ((101, True), (102, False)):
        types = uniform(0.2, 0.8, nodes)
        assert len(types.points) == nodes + 2
        assert no_design(types, MechanismOptions()) is None
        assert (no_design(types, MechanismOptions(incentive="dominant")) is None) is dominant
        assert (no_design(types, MechanismOptions(timing="ex_post")) is None) is dominant
        assert (
            no_design(
                types,
                MechanismOptions(timing="ex_post", participation="none", objective="max_surplus"),
            )
            is None
        )
    few = MechanismOptions(allocation="second_best")
    assert no_design(uniform(0.2, 0.8, 21), few) is None
    assert no_design(uniform(0.2, 0.8, 22), few) is not None


@pytest.mark.parametrize(
    ("asked", "most"),
    [
        ({"allocation": "second_best"}, 21),
        ({"collusion": "proof"}, 16),
        ({"collusion": "proof", "allocation": "second_best"}, LARGEST["joint_lotteries"]),
    ],
)
def test_a_market_is_designed_for_no_more_points_than_are_solved_for(
    tmp_path: Path, asked: dict[str, str], most: int
) -> None:
    tree = {**TREE, "types": {"values": [k / 100 for k in range(1, most + 2)]}}
    (tmp_path / "c.json").write_text(json.dumps(tree))
    with pytest.raises(DesignError, match=f"{most + 1} points per firm are more than the {most} "):
        solve_file(tmp_path / "c.json", asked)
