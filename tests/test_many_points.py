"""What keeps cases of many private types small and quick changes no figure: payoffs some types at a
time, expectations instead of states, a grid refined from a coarser one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from admissible import market

from market.model.case import Case
from mechanism.casefile.schema import MechanismOptions
from mechanism.casefile.types import TypeSpace, uniform
from mechanism.design.program import build, stacked
from mechanism.design.rules import TAX_RULES
from mechanism.scheme import own_table
from mechanism.scheme.continuum import ReportTable, between
from mechanism.scheme.designed import asked
from mechanism.scheme.incentives import Gains, earned
from mechanism.scheme.market_environment import planned_environment
from mechanism.scheme.preparation import Scheme, prepare
from mechanism.scheme.reported import own_cost

TYPES = uniform(0.2, 0.8, 4)


def scheme(case: Case | None = None, types: TypeSpace = TYPES, **options: Any) -> Scheme:
    """Firms that differ, unless a case is given."""
    case = case or market(intercept=[20, 16])
    found = prepare(case.map(np.ravel), types, MechanismOptions(**options))
    assert found is not None
    return found


@pytest.mark.parametrize("parameter", ["cost_spillover", "demand_spillover"])
@pytest.mark.parametrize(("block", "kept"), [(1, 0), (130, 0), (130, 10**6)])
def test_gains_are_those_of_the_whole_table_in_blocks_of_any_size(
    parameter: str, block: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against payoffs of every type, report and rival's report side by side."""
    monkeypatch.setattr(own_table, "LARGEST_BLOCK", block)
    monkeypatch.setattr(own_table, "LARGEST_KEPT", kept)
    types = uniform(0.2, 0.4, 4, parameter)
    assignment = scheme(types=types).assignment
    net = np.random.default_rng(1).normal(size=assignment.utility.shape)
    found = Gains(earned=earned(assignment, "with_cost"), transfer=net)
    for firm in (0, 1):
        whole = assignment.own_part(firm, types.of(firm), "with_cost") + net[firm]
        truth = np.diagonal(whole).T[:, None]
        np.testing.assert_allclose(
            found.bayesian[firm], (whole - truth) @ types.weights, atol=1e-10
        )
        np.testing.assert_allclose(found.dominant[firm], (whole - truth).max(-1), atol=1e-10)
        table, told = found.earned.tables[firm], np.arange(types.size)[::-1]
        np.testing.assert_allclose(
            table.told(told), (whole - net[firm])[np.arange(types.size), told], atol=1e-10
        )


@pytest.mark.parametrize(
    "options",
    [
        {"participation": "ir_market"},
        {"participation": "none", "objective": "min_violation"},
        {"participation": "ir2", "objective": "max_surplus", "public_funds_cost": 0.3},
    ],
)
def test_expectations_state_the_program_that_all_states_do(options: dict[str, Any]) -> None:
    """Rows, where the search starts and what the objective lacks, in money."""
    found = scheme(tax_rule="designed", **options)
    programs = []
    for expected in (False, True):
        plan = planned_environment(found, expected)
        programs.append((plan.environment, build(plan.environment, asked(found.options), plan)))
    (states, full), (_, brief) = programs
    unit = states.range / brief.space.given.range
    (G, h), (G_brief, h_brief) = stacked(full.rows), stacked(brief.rows)
    assert abs(G - G_brief).max() <= 1e-12
    np.testing.assert_allclose(h * unit, h_brief, atol=1e-10)
    np.testing.assert_allclose(full.start * unit, brief.start, atol=1e-10)
    lacks = [
        program.constant * program.space.given.range - program.space.given.shifted_welfare
        for program in (full, brief)
    ]
    if options.get("objective") == "max_surplus":
        assert lacks[0] == pytest.approx(lacks[1], rel=1e-10)


def test_a_finer_grid_is_what_it_would_be_on_its_own() -> None:
    """Levels of the coarser one are kept, and so are expected costs."""
    found = scheme()
    grid = ReportTable(
        scheme=found,
        firm=1,
        points=TYPES.of(1),
        levels=found.assignment.levels[1][:, TYPES.nodes],
        coarser=None,
    )
    finer = grid.finer.finer
    costs = own_cost(found.case, TYPES.parameter, 1, finer.points, finer.levels)
    np.testing.assert_allclose(finer.expected_cost, costs @ TYPES.probabilities, atol=1e-12)
    directly = scheme(
        types=TypeSpace(
            points=finer.points,
            weights=np.interp(finer.points, TYPES.points, TYPES.weights)
            * np.isin(finer.points, TYPES.points),
            nodes=np.searchsorted(finer.points, TYPES.types),
            continuous=True,
        )
    ).assignment
    nodes = directly.types.nodes
    np.testing.assert_allclose(finer.levels, directly.levels[1][:, nodes], atol=1e-8)
    np.testing.assert_allclose(finer.revenue, directly.revenue[1][:, nodes], atol=1e-8)
    np.testing.assert_allclose(finer.subsidy, directly.subsidy[1][:, nodes], atol=1e-8)


@pytest.mark.parametrize("incentive", ["bayesian", "dominant"])
def test_a_tax_free_of_the_own_report_leaves_no_gain_between_types(incentive: str) -> None:
    found = scheme(incentive=incentive)
    rule = TAX_RULES["groves"]
    told = between(found, rule, found.net(rule))
    assert told.ic.status == "holds"
    assert told.points > TYPES.size
