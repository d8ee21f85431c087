"""A tax rule and a private parameter are rows: a copy under another name gives the same figures
everywhere, and new ones go through evaluation, comparison, paths and batches untouched by anybody
else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mechanism.analysis.difference import difference
from mechanism.analysis.evaluation import evaluate
from mechanism.analysis.many import NUMBERS, TEXT, solve_many
from mechanism.analysis.what_if import Span, along
from mechanism.analysis.what_if_tree import difference_tree, path_tree
from mechanism.casefile.policy_case import PolicyCase, load_case, parse_tree
from mechanism.casefile.types import PRIVATE, PrivateParameter
from mechanism.design.rules import TAX_RULES, TaxRule
from mechanism.design.states import Reports
from mechanism.report.evaluation_tree import evaluation_tree
from mechanism.report.rule_tree import rule_tree
from mechanism.scheme.rule_results import RuleResult

CASES = Path(__file__).resolve().parents[1] / "cases"
Tree = dict[str, Any]


def tree_of(name: str = "two_types", types: Tree | None = None, **mechanism: str) -> Tree:
    """A shipped case with other types and options."""
    tree = load_case(CASES / f"{name}.yaml").resolved | {"expect": {}}
    tree["types"] = types or tree["types"]
    tree["mechanism"] = tree["mechanism"] | mechanism
    return tree


UNIFORM = {"support": [0.2, 0.8], "points": 3}


def rules_of(case: PolicyCase) -> dict[str, RuleResult]:
    """Every tax rule of an evaluation that has figures."""
    return evaluate(case).found_rules


def same_columns(case: PolicyCase, one: str, other: str) -> None:
    """Assert that two policies have the same columns to the last bit, asked for together or
    alone."""
    together, alone = solve_many([case], [one, other]), solve_many([case], [other])
    for name in {*TEXT[1:], *NUMBERS} - {"best", "recommended"}:  # of two alike one is recommended
        for value in (together[name][1], alone[name][0]):
            assert value == together[name][0] or (
                value != value and together[name][0] != together[name][0]
            ), name


@pytest.mark.slow
@pytest.mark.parametrize("parameter", ["cost_spillover", "intercept"])
def test_a_copy_of_groves_under_another_name_gives_the_same_figures(
    parameter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TAX_RULES, "twin", replace(TAX_RULES["groves"], key="twin"))
    types = (
        UNIFORM if parameter == "cost_spillover" else {"values": [18, 22], "parameter": "intercept"}
    )
    case = parse_tree(tree_of(types=types, tax_rule="twin"))
    found = rules_of(case)
    groves = parse_tree(tree_of(types=types, tax_rule="groves"))
    assert rule_tree(found["twin"]) == rule_tree(rules_of(groves)["groves"]) | {"tax_rule": "twin"}
    same_columns(case, "groves", "twin")


def _with_a_constant(reports: Reports) -> tuple[np.ndarray[Any, Any], ...]:
    """Groves, and a subsidy that grows with the rival's report."""
    nets = TAX_RULES["groves"].net(reports)
    ranks = (np.arange(nets[0].shape[-1]), np.arange(nets[1].shape[-2])[:, None])
    return tuple(net + 0.5 * rank for net, rank in zip(nets, ranks, strict=True))


def _by_own_report(reports: Reports) -> tuple[np.ndarray[Any, Any], ...]:
    """Groves, and a prize that grows with the own report."""
    nets = TAX_RULES["groves"].net(reports)
    ranks = (np.arange(nets[0].shape[-2])[:, None], np.arange(nets[1].shape[-1]))
    return tuple(net + 5.0 * rank for net, rank in zip(nets, ranks, strict=True))


FREE = TaxRule(
    key="toy_free",
    label="groves and a bonus",
    phrase="groves and a bonus for the rival's report",
    does="adds a bonus",
    formula=_with_a_constant,
    free_of_own_report=True,
)
OWN = TaxRule(
    key="toy_own",
    label="a prize",
    phrase="a prize for the own report",
    does="adds a prize",
    formula=_by_own_report,
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{}, {"incentive": "dominant", "timing": "ex_post"}], ids=["usual", "strong"]
)
def test_a_new_rule_is_one_row(options: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is free of the own report keeps truth dominant, between grid points too; what is not
    invites lies, and where its row does not say what it pays between grid points nothing is
    established there."""
    for rule in (FREE, OWN):
        monkeypatch.setitem(TAX_RULES, rule.key, rule)
        case = parse_tree(tree_of(types=UNIFORM, tax_rule=rule.key, **options))
        whole = evaluate(case)
        found = whole.found_rules
        own, groves = found[rule.key], found["groves"]
        assert own.continuum is not None
        if rule is FREE:
            assert own.checks.ic.status == "holds"
            assert own.continuum.ic.status == "holds"
            # The rank of the rival's report among all points, in expectation: both firms' bonuses
            # come on top.
            assert own.checks.budget.ex_ante > groves.checks.budget.ex_ante + 1.0
        else:
            assert own.checks.ic.status == "violated"
            assert own.continuum.ic.status == "not_established"
        assert evaluation_tree(whole)["verdicts"]
        columns = solve_many([case, case], ["nash", rule.key])
        for k in (1, 3):
            assert columns["ic"][k] == own.checks.ic.status
            assert columns["ic_max_gain"][k] == pytest.approx(
                own.checks.ic.amount, rel=1e-9, abs=1e-9
            )
            assert columns["status"][k] == (
                "converged" if own.achieved is not None else "no_equilibrium"
            )
            if own.achieved is not None:
                assert columns["welfare"][k] == pytest.approx(own.achieved.welfare, rel=1e-10)
                assert columns["public_outlay"][k] == pytest.approx(
                    own.achieved.budget, rel=1e-9, abs=1e-9
                )
        path = path_tree(
            along(case.resolved, [Span("cost.scale", 12.0, 20.0, 2)], ["nash", rule.key]),
            case.resolved,
            case.resolved,
        )
        assert {row["policy"] for row in path["rows"]} == {"nash", rule.key}


UNSOLVED = {"cost": {"scale": 2.0}}
"""The planner's problem has no bound here."""


@pytest.mark.slow
def test_a_new_rule_where_the_planner_has_no_optimum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TAX_RULES, FREE.key, FREE)
    tree = tree_of(types={"values": [0.3, 0.7]}, tax_rule=FREE.key)
    tree["cost"] = tree["cost"] | UNSOLVED["cost"]
    case = parse_tree(tree)
    found = evaluate(case)
    assert found.found_rules == {}
    assert evaluation_tree(found)["mechanism"]["reported"] is None
    columns = solve_many([case], [FREE.key, "social_optimum"])
    assert columns["status"][0] == columns["status"][1] == "unbounded"
    assert columns["message"][0]
    assert np.isnan(columns["welfare"]).all()


TOY = PrivateParameter(
    key="own_slope",
    letter="b1",
    label="own slopes",
    place="demand.own_slope",
    low=0.0,
    high=np.inf,
    ends=False,
    most=5,
)


@pytest.mark.slow
def test_a_new_private_parameter_is_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """The own slope private, which moves both profits: evaluation and batch agree, truth holds
    under what is solved for."""
    monkeypatch.setitem(PRIVATE, TOY.key, TOY)
    types = {"values": [1.45, 1.55], "parameter": "own_slope"}
    case = parse_tree(tree_of(types=types, tax_rule="groves"))
    whole = evaluate(case)
    found = whole.found_rules
    policies = ["nash", "social_optimum", *found]
    columns = solve_many([case, case], policies)
    assert "observed" in found
    for k, key in enumerate(found, 2):
        rule = found[key]
        assert columns["ic"][k] == rule.checks.ic.status, key
        assert columns["ic_max_gain"][k] == pytest.approx(rule.checks.ic.amount, rel=1e-8, abs=1e-8)
        if rule.achieved is not None:
            assert columns["welfare"][k] == pytest.approx(rule.achieved.welfare, rel=1e-9)
    assert found["observed"].checks.ic.status == "holds"
    tree = evaluation_tree(whole)
    assert "own slopes" in str(tree) or tree["verdicts"]
    path = along(case.resolved, [Span("cost.scale", 14.0, 18.0, 2)], ["nash", "groves"])
    assert path_tree(path, case.resolved, case.resolved)["rows"]
    other = parse_tree(
        tree_of(types={"values": [1.4, 1.6], "parameter": "own_slope"}, tax_rule="groves")
    )
    assert difference_tree(difference(whole, evaluate(other)))["changes"]


def test_a_private_parameter_is_held_to_its_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRIVATE, TOY.key, TOY)
    with pytest.raises(Exception, match=r"must lie in \(0, inf\)"):
        parse_tree(tree_of(types={"values": [-1, 1.5], "parameter": "own_slope"}))
    with pytest.raises(Exception, match="at most 5 are taken"):
        parse_tree(tree_of(types={"support": [1.4, 1.6], "points": 6, "parameter": "own_slope"}))
