"""Every regime against the second oracle's figures (`expected_stages.json`): unit costs, the
restricted cost, other orders of moves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import oracle_stages
import pytest

from market.regimes import solve_regime
from mechanism.casefile.policy_case import parse_tree

EXPECTED: dict[str, Any] = json.loads(
    (Path(__file__).parent / "expected_stages.json").read_text(encoding="utf-8")
)
NAMES = {"sequential_second_leads": "sequential_firm_2"}
FIGURES = (
    "sharing",
    "investment",
    "price",
    "quantity",
    "profit",
    "unit_cost",
    "consumer_surplus",
    "welfare",
)

JUMP = ("leader_at_a_jump", "sequential")
"""At a jump the leader's levels lie on a curve of indifference, along which its payoff is flat to
second order: half the digits."""

EDGE = ("leader_at_a_jump", "sequential_second_leads")
"""The leader drives its rival out. The oracle knows no firm that is out, and stops where the
rival's quantity is zero."""


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_regimes_of(name: str) -> None:
    case = parse_tree(EXPECTED[name]["case"]).market
    for key, wanted in EXPECTED[name]["regimes"].items():
        found = solve_regime(case, NAMES.get(key, key))
        if (name, key) == EDGE:
            assert found.status == wanted["status"] == "infeasible"
            assert found.certificate.driven_out == 0
            (there,) = found.certificate.others
            assert there.profit[0] == 0
            assert wanted["best_seen"] <= there.profit[1] <= wanted["best_seen"] * (1 + 1e-3)
            continue
        assert found.status == wanted["status"], (key, found.message)
        if not found.solved:
            continue
        tree, tolerance = found.tree(), 1e-6 if (name, key) == JUMP else 1e-9
        for figure in FIGURES:
            np.testing.assert_allclose(
                tree[figure],
                wanted[figure],
                rtol=tolerance,
                atol=tolerance,
                err_msg=f"{key} {figure}",
            )


@pytest.mark.parametrize(
    ("name", "key"), [("unit_cost_asymmetric", "nash"), ("asymmetric", "investment_first")]
)
def test_the_file_is_what_the_oracle_says(name: str, key: str) -> None:
    again = oracle_stages.outcome(EXPECTED[name]["case"], key)
    for figure in FIGURES:
        np.testing.assert_allclose(
            np.array(again[figure], float),
            EXPECTED[name]["regimes"][key][figure],
            rtol=1e-12,
            atol=1e-13,
        )
