"""What is asked of a setting as a linear program written anew, in loops: scipy's status and optimum
beside ours, and what our prices and weights prove in those rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from setting_programs import Oracle, random_setting

from mechanism.analysis.designs import solve_tree
from mechanism.analysis.designs_tree import design_tree
from mechanism.design.rules import TAX_RULES, setting_rules

STATUS = {0: "optimal", 2: "infeasible", 3: "unbounded"}


def check(seed: int) -> str:
    """Ours against the program in loops; its status."""
    tree = random_setting(seed)
    oracle = Oracle(tree)
    ours, theirs = design_tree(solve_tree(tree, {})), oracle.solved()
    scale = ours["payoff_range"]
    assert ours["status"] == STATUS[theirs.status], (ours["status"], theirs.message)
    if ours["status"] == "optimal":
        sign = -1 if tree["mechanism"]["objective"] == "max_surplus" else 1
        assert ours["objective_value"] == pytest.approx(sign * theirs.fun, abs=1e-9 * scale)
        judged(oracle, ours)
        if tree["mechanism"]["objective"] != "min_violation":
            chosen = [one for one in ours["checks"]["chosen"].values() if one is not None]
            assert {one["status"] for one in chosen} == {"holds"}
        lower = oracle.proven(ours["binding"], "price", oracle.goal()[0], scale)
        assert lower == pytest.approx(theirs.fun, abs=1e-6 * scale)
    if ours["status"] == "infeasible":
        assert ours["infeasibility"]["verified"]
        shown = oracle.proven(ours["infeasibility"]["rows"], "weight", None, scale)
        assert shown > 1e-9 * scale
    return str(ours["status"])


def judged(oracle: Oracle, result: dict[str, Any]) -> None:
    """What a result says that its mechanism achieves, against sums over the rows in loops."""
    x, near = oracle.point(result), 1e-9 * max(result["payoff_range"], np.ptp(result["transfers"]))
    for found in result["checks"]["ic"]:
        gain = max(0.0, -oracle.least("ic", found["incentive"], x))
        assert found["max_gain"] == pytest.approx(gain, abs=near)
    for found in result["checks"]["ir"]:
        assert found["min_slack"] == pytest.approx(oracle.least("ir", found["timing"], x), abs=near)
    spent = -oracle.row("budget", -1, None, None, None)[0] @ x
    worst = max(np.sum(result["transfers"], axis=0)[oracle.can])
    assert result["checks"]["budget"]["ex_ante"] == pytest.approx(spent, abs=near)
    assert result["checks"]["budget"]["worst"] == pytest.approx(worst, abs=near)


def check_rules(seed: int) -> None:
    """Every rule with a formula against the same in loops."""
    tree = random_setting(seed)
    for rule in setting_rules():
        if TAX_RULES[rule].designed or len(tree["players"]) < TAX_RULES[rule].least_players:
            continue
        asked = {"tax_rule": rule, "timing": tree["mechanism"]["timing"]}
        here = tree | {"mechanism": asked}
        oracle, result = Oracle(here), design_tree(solve_tree(here, {}))
        near = 1e-9 * result["payoff_range"]
        assert np.allclose(result["transfers"], oracle.formula(rule), rtol=0, atol=near)
        judged(oracle, result)


@pytest.mark.parametrize("seed", range(4))
def test_rules_of_a_random_setting_by_an_independent_road(seed: int) -> None:
    check_rules(seed)


@pytest.mark.parametrize("seed", range(12))
def test_a_random_setting_by_an_independent_road(seed: int) -> None:
    check(seed)
