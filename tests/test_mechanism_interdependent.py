"""An intercept or a demand spillover private instead of lambda_c: both types move both profits,
through prices."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from admissible import cases
from command import Run
from hypothesis import given, settings
from scipy.optimize import linprog
from trees import evaluate, evaluate_anew

from market.casefile.files import BadCase, read_document
from market.model.case import Case, levels
from market.model.outcome import account
from market.model.payoff import Payoff
from market.model.pricing import bertrand_matrix, revenue_matrices, utility_matrix
from market.model.reply import best_reply
from market.regimes import BOTH, REGIMES, firm_game, solve_regime
from mechanism.casefile.policy_case import parse_tree
from mechanism.casefile.types import uniform
from mechanism.design.options import NO_TRANSFERS
from mechanism.scheme.allocation import allocate
from mechanism.scheme.private_market import PrivateEquilibrium
from mechanism.scheme.reported import assign

Tree = dict[str, Any]
TREE: Tree = {
    "demand": {"intercept": 20, "own_slope": 1.5, "cross_slope": 1.0},
    "security": {
        "rivalry": 0.3,
        "demand_spillover": 0.3,
        "leakage": {"own": 1.2, "cross": 0.2, "interaction": 0.1},
    },
    "cost": {"scale": 12, "max_saving": 0.3, "spillover": [0.5, 0.3]},
}
PRIOR = {"intercept": [18.0, 22.0], "demand_spillover": [0.1, 0.5]}


def differing(case: Case) -> Case:
    """The case with demand spillovers that differ between the firms."""
    spill = float(case.demand_spillover.ravel()[0])
    return case.flat().with_parameter("demand_spillover", [[spill, 0.4 * spill - 0.05]])


# --- demand spillovers per firm in the market layer


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_derivatives_with_spillovers_that_differ(case: Case) -> None:
    """Gradients by complex steps, Hessians by differences of gradients, for welfare and both
    profits."""
    one = differing(case)
    x = np.array([[0.3, 0.7, 1.1, 0.6]])
    for benefit, weight in (
        (utility_matrix(one, bertrand_matrix), BOTH),
        *((revenue_matrices(one, bertrand_matrix)[:, i], np.eye(2)[None, i]) for i in (0, 1)),
    ):
        payoff = Payoff(case=one, benefit=benefit, cost_weight=weight)
        _, gradient, hessian = payoff.derivatives(x)
        for k, step in enumerate(np.eye(4)):
            slope = payoff.value(x + 1e-30j * step).imag / 1e-30
            assert gradient[0, k] == pytest.approx(slope[0], rel=1e-9, abs=1e-9)
            both = payoff.derivatives(x + 1e-5 * step)[1] - payoff.derivatives(x - 1e-5 * step)[1]
            np.testing.assert_allclose(hessian[0, k], both[0] / 2e-5, rtol=1e-5, atol=1e-4)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(case=cases())
def test_best_replies_with_spillovers_that_differ(case: Case) -> None:
    """No point of a fine grid earns more than the closed form, and the closed form earns what it
    says."""
    one = differing(case)
    x = np.array([[0.4, 0.6, 0.8, 1.2]])
    game = firm_game(one, REGIMES["nash"])
    for firm in (0, 1):
        reply, value = best_reply(one, x, firm)
        if not np.isfinite(value[0]):
            continue
        assert game.players[firm].value(reply)[0] == pytest.approx(value[0], rel=1e-9)
        s, t = np.meshgrid(np.linspace(0, 1, 41), np.linspace(0, 2 * reply[0, 2 + firm] + 1, 81))
        tried = np.repeat(x, s.size, axis=0)
        tried[:, firm], tried[:, 2 + firm] = s.ravel(), t.ravel()
        real = account(one, tried, bertrand_matrix).describes_market
        assert game.players[firm].value(tried)[real].max(initial=-np.inf) <= value[0] + 1e-9 * max(
            1.0, abs(value[0])
        )


def test_optima_with_spillovers_that_differ_are_proven_and_unsurpassed() -> None:
    case = parse_tree(TREE).market.flat().with_parameter("demand_spillover", [[0.5, 0.1]])
    found = solve_regime(case, "social_optimum")
    assert found.certificate.scope == "proven"
    assert found.levels is not None
    rng = np.random.default_rng(0)
    tried = levels(rng.random((20000, 2)), found.levels[2:] * rng.uniform(0, 2, (20000, 2)))
    payoff = Payoff(case=case, benefit=utility_matrix(case, bertrand_matrix), cost_weight=BOTH)
    assert payoff.value(tried).max() <= found.welfare
    # It is the firm with the larger spillover that is helped by the other's sharing.
    assert found.levels[1] > found.levels[0]
    nash = solve_regime(case, "nash")
    assert nash.certificate.unique is not None
    assert nash.certificate.unique.status == "not proven"


# --- the mechanism


def test_with_private_costs_the_rivals_type_moves_nothing() -> None:
    """The table by both types and both reports is then the table that leaves the rival's type
    out."""
    case, types = parse_tree(TREE).market, uniform(0.2, 0.8, 4)
    assignment = assign(case, types, allocate(case, types.points).levels)
    for firm, payoff in itertools.product((0, 1), ("with_cost", "printed")):
        table = assignment.at_both_true(firm, payoff)
        plain = assignment.own_part(firm, types.types, payoff)[:, types.nodes][:, :, types.nodes]
        np.testing.assert_allclose(
            table, np.broadcast_to(plain[:, :, None], table.shape), rtol=1e-12
        )


def in_loops(parameter: str, values: list[float], tree: Tree = TREE) -> Tree:
    """Everything of a case with two types per firm, state by state: levels, profits, subsidies,
    market profits by type."""
    case = parse_tree(
        {key: part for key, part in tree.items() if key not in ("types", "mechanism")}
    ).market.flat()
    n = range(len(values))

    def at(k: int, m: int) -> Case:
        return case.with_parameter(parameter, [[values[k], values[m]]])

    x = {(k, m): solve_regime(at(k, m), "social_optimum").levels for k in n for m in n}
    profit, surplus = {}, {}
    for k, m, r, q in itertools.product(n, n, n, n):  # true types, reports
        books = account(at(k, m), x[r, q][None], bertrand_matrix)  # type: ignore[index]
        profit[k, m, r, q] = books.profit[0]
        surplus[k, m, r, q] = float(books.total_surplus.sum())
    return {"x": x, "profit": profit, "welfare": surplus}


@pytest.mark.slow
@pytest.mark.parametrize("parameter", sorted(PRIOR))
def test_rules_with_other_private_parameters_against_loops(parameter: str) -> None:
    """A tax free of the own report is no longer enough; settling the subsidy on the market is; the
    least outlay is linprog's."""
    values = PRIOR[parameter]
    result = evaluate(parse_tree({**TREE, "types": {"parameter": parameter, "values": values}}))
    rules = {
        result["mechanism"]["reported"]["tax_rule"]: result["mechanism"]["reported"],
        **result["mechanism"]["alternatives"],
    }
    found = in_loops(parameter, values)
    profit, welfare, n = found["profit"], found["welfare"], range(2)

    def subsidy(firm: int, own: int, other: int) -> float:
        """At reports, the firm's own first."""
        state = (own, other) if firm == 0 else (other, own)
        return welfare[(*state, *state)] - profit[(*state, *state)][firm]

    def earned(firm: int, kind: int, told: int, other: int) -> float:
        true, said = ((kind, other), (told, other)) if firm == 0 else ((other, kind), (other, told))
        return float(profit[(*true, *said)][firm])

    def social(firm: int, kind: int, told: int, other: int) -> float:
        true, said = ((kind, other), (told, other)) if firm == 0 else ((other, kind), (other, told))
        return float(welfare[(*true, *said)])

    def largest(value: Any) -> float:
        """The largest expected gain from a lie when `value` is what a firm gets before a tax free
        of its report."""
        gains = []
        for firm, kind, told in itertools.product(n, n, n):
            gains.append(
                sum(value(firm, kind, told, m) - value(firm, kind, kind, m) for m in n) / 2
            )
        return max(gains)

    groves = largest(
        lambda firm, kind, told, m: earned(firm, kind, told, m) + subsidy(firm, told, m)
    )
    assert rules["groves"]["checks"]["ic"]["max_gain"] == pytest.approx(groves, rel=1e-8)
    assert rules["groves"]["checks"]["ic"]["status"] == "violated"
    assert rules["printed"]["checks"]["ic"]["max_gain"] == pytest.approx(largest(earned), rel=1e-8)
    assert largest(social) <= 1e-9
    for check in rules["observed"]["checks"]["ic_all"]:
        if check["payoff"] == "with_cost":
            assert check["status"] == "holds"

    # Least outlay: payments by own report, truth and joining in expectation.
    outside = {
        (row["firm"] - 1, values.index(row["type"])): row["outside"]
        for row in rules["designed"]["interim"]
    }
    upper, bound = [], []
    for firm in n:
        for kind in n:
            row = np.zeros(4)
            row[2 * firm + kind] = -1
            upper.append(row)
            bound.append(sum(earned(firm, kind, kind, m) for m in n) / 2 - outside[firm, kind])
            lie = np.zeros(4)
            lie[2 * firm + kind], lie[2 * firm + 1 - kind] = -1, 1
            upper.append(lie)
            bound.append(
                sum(earned(firm, kind, kind, m) - earned(firm, kind, 1 - kind, m) for m in n) / 2
            )
    least = linprog(
        np.full(4, 0.5), A_ub=np.array(upper), b_ub=bound, bounds=(None, None), method="highs"
    )
    assert rules["designed"]["expected"]["budget"] == pytest.approx(least.fun, rel=1e-8)
    assert rules["designed"]["checks"]["ic"]["status"] == "holds"
    assert rules["designed"]["checks"]["ir_market"]["status"] == "holds"
    assert rules["designed"]["checks"]["budget"]["worst"] == pytest.approx(least.fun, rel=1e-8)
    # The planner's levels are kept, and the public pays for it: rents are what private information
    # costs.
    assert rules["designed"]["expected"]["welfare"] == pytest.approx(
        sum(welfare[k, m, k, m] for k in n for m in n) / 4, rel=1e-9
    )


@pytest.mark.slow
@pytest.mark.parametrize("parameter", sorted(PRIOR))
def test_what_firms_would_then_report(parameter: str) -> None:
    """The equilibrium in reports: no type gains by another report, in loops over both types and
    both reports."""
    values = PRIOR[parameter]
    result = evaluate(
        parse_tree(
            {
                **TREE,
                "types": {"parameter": parameter, "values": values},
                "mechanism": {"tax_rule": "groves"},
            }
        )
    )
    played = result["mechanism"]["reported"]["if_not_truthful"]
    assert played["status"] == "converged"
    told = [[values.index(r) for r in reports] for reports in played["reports"]]
    found, n = in_loops(parameter, values), range(2)
    profit, welfare = found["profit"], found["welfare"]
    for firm, kind in itertools.product(n, n):

        def expected(report: int, firm: int = firm, kind: int = kind) -> float:
            total = 0.0
            for other in n:
                said = told[1 - firm][other]
                true, state = (
                    ((kind, other), (report, said))
                    if firm == 0
                    else ((other, kind), (said, report))
                )
                total += (
                    profit[(*true, *state)][firm]
                    + welfare[(*state, *state)]
                    - profit[(*state, *state)][firm]
                )
            return total / 2

        best = expected(told[firm][kind])
        assert all(expected(r) <= best + 1e-9 for r in n)


@pytest.mark.parametrize(
    ("types", "mechanism", "message"),
    [
        (
            {"parameter": "intercept", "support": [0, 2]},
            {},
            "types.support[0] is 0; it must lie in (0, inf)",
        ),
        (
            {"parameter": "demand_spillover", "values": [0.5, 1.5]},
            {},
            "types.values[1] is 1.5; it must lie in [-1, 1]",
        ),
        (
            {"parameter": "intercept", "support": [18, 22], "points": 30},
            {},
            (
                "types gives 30 types of the intercept; at most 21 are taken where both types move"
                " a firm's profit"
            ),
        ),
    ],
)
def test_faults(types: Tree, mechanism: Tree, message: str) -> None:
    with pytest.raises(BadCase) as caught:
        parse_tree({**TREE, "types": types, "mechanism": mechanism})
    assert str(caught.value) == message


@pytest.mark.slow
def test_where_both_types_move_profits_what_is_solved_for_can_bring_money_in() -> None:
    """No formula is known to cost least there: the settled subsidy is free, the design brings money
    in."""
    tree = {
        **TREE,
        "types": {"parameter": "intercept", "support": [18, 22], "points": 4},
        "mechanism": {"participation": "ir2"},
    }
    result = evaluate(parse_tree(tree))
    designed = result["mechanism"]["alternatives"]["designed"]["expected"]["budget"]
    assert designed < 0
    # What firms would give beyond what makes them join is handed back: no policy is recommended for
    # its revenue.
    assert all(row["outlay_joined"] >= 0 for row in result["comparison"] if row["competes"])


# --- transfers per pair of reports


def least_outlay_in_loops(
    found: Tree, outside: dict[tuple[int, int], float], weights: list[float], incentive: str
) -> float:
    """The least expected outlay over a payment for every firm and pair of reports, by another
    solver: truth at each of the rival's types or in expectation, joining in expectation."""
    n, profit = range(len(weights)), found["profit"]

    def earned(firm: int, kind: int, told: int, other: int) -> float:
        true, said = ((kind, other), (told, other)) if firm == 0 else ((other, kind), (other, told))
        return float(profit[(*true, *said)][firm])

    size = len(weights)
    at = np.arange(2 * size * size).reshape(2, size, size)  # firm, own report, rival's
    cost, upper, bound = np.zeros(at.size), [], []
    for firm, kind in itertools.product((0, 1), n):
        joins = np.zeros(at.size)
        for m in n:
            cost[at[firm, kind, m]] = weights[kind] * weights[m]
            joins[at[firm, kind, m]] = -weights[m]
        upper.append(joins)
        bound.append(sum(weights[m] * earned(firm, kind, kind, m) for m in n) - outside[firm, kind])
        for told in n:
            rows, gains = np.zeros((size, at.size)), np.zeros(size)
            for m in n:
                rows[m, at[firm, told, m]] += 1
                rows[m, at[firm, kind, m]] -= 1
                gains[m] = earned(firm, kind, kind, m) - earned(firm, kind, told, m)
            if incentive == "bayesian":
                upper.append(np.array(weights) @ rows)
                bound.append(float(np.array(weights) @ gains))
            else:
                upper += list(rows)
                bound += list(gains)
    least = linprog(cost, A_ub=np.array(upper), b_ub=bound, bounds=(None, None), method="highs")
    assert least.status == 0
    return float(least.fun)


INPUT = json.loads((Path(__file__).parent / "inputs" / "int_dom.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("incentive", ["dominant", "bayesian"])
@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        ("intercept", [12.0, 20.0]),
        ("intercept", [11.0, 15.0, 20.0]),
        ("demand_spillover", [0.3, 0.5]),
    ],
)
def test_transfers_are_solved_for_at_each_type_of_the_rival(
    parameter: str, values: list[float], incentive: str
) -> None:
    weights = [0.6, 0.4] if len(values) == 2 else [0.5, 0.3, 0.2]
    types = {"values": values, "probabilities": weights, "parameter": parameter}
    case = parse_tree(
        {**INPUT, "types": types, "mechanism": {**INPUT["mechanism"], "incentive": incentive}}
    )
    reported = evaluate(case)["mechanism"]["reported"]
    outside = {
        (row["firm"] - 1, values.index(row["type"])): row["outside"] for row in reported["interim"]
    }
    found = in_loops(parameter, values, INPUT)
    assert reported["design"]["objective_value"] == pytest.approx(
        least_outlay_in_loops(found, outside, weights, incentive), rel=1e-7
    )
    assert reported["checks"]["ic"]["status"] == "holds"
    assert reported["checks"]["ic"]["incentive"] == incentive
    assert reported["checks"]["ir_market"]["status"] == "holds"
    if parameter == "intercept" and len(values) == 2 and incentive == "dominant":
        assert reported["expected"]["budget"] == pytest.approx(20.4556, abs=5e-5)
    rows = [row for row in reported["design"]["binding"] if row["constraint"] == "ic"]
    assert all((row["state"] is not None) == (incentive == "dominant") for row in rows)


@pytest.mark.slow
def test_a_budget_that_types_do_not_leave_is_refuted_there_too() -> None:
    """At the planner's levels firms together earn less than on the market, in expectation: joining
    alone is too dear."""
    case = parse_tree({**INPUT, "mechanism": {**INPUT["mechanism"], "budget": "ex_ante"}})
    design = evaluate(case)["mechanism"]["reported"]["design"]
    assert design["status"] == "infeasible"
    assert design["objective_value"] == pytest.approx(20.4556, abs=5e-5)  # without a limit to it
    assert design["infeasibility"]["verified"]
    assert {row["constraint"] for row in design["infeasibility"]["rows"]} == {"ir", "budget"}


# --- no rule without its reason


@pytest.mark.slow
def test_a_rule_that_there_is_none_of_says_why(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    path = Path(__file__).parent / "inputs" / "int_dom.json"
    told = run("evaluate", path, "--format", "json")
    assert told.code == 0
    assert json.loads(told.out)["mechanism"]["why_not"] == {}
    monkeypatch.setattr("mechanism.scheme.asymmetric_information.design_of", lambda scheme: None)
    told = run("evaluate", path, "--format", "json")
    assert told.code == 3
    mechanism = json.loads(told.out)["mechanism"]
    assert mechanism["reported"] is None
    assert mechanism["why_not"]["designed"]["code"] == "no_transfers"
    told = run("evaluate", path)
    assert NO_TRANSFERS.text in " ".join(told.out.split())
    assert NO_TRANSFERS.text in told.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "rule", "code"),
    [
        ({"cost": {**INPUT["cost"], "scale": 1.8}}, "designed", "no_levels"),
        ({"mechanism": {"tax_rule": "groves", "payoff": "printed"}}, "designed", "printed_payoff"),
        ({"mechanism": {"tax_rule": "groves", "participation": "none"}}, "designed", "no_limit"),
    ],
)
def test_every_rule_without_a_result_has_its_reason(change: Tree, rule: str, code: str) -> None:
    result = evaluate(parse_tree({**INPUT, **change}))
    mechanism = result["mechanism"]
    rules = {
        result["case"]["mechanism"]["tax_rule"]: mechanism["reported"],
        **mechanism["alternatives"],
    }
    assert {key for key, found in rules.items() if found is None} == set(mechanism["why_not"])
    assert mechanism["why_not"][rule]["code"] == code
    assert any(said["code"] == "no_rule" for said in result["verdicts"]) is (
        mechanism["reported"] is None
    )


@pytest.mark.slow
def test_what_staying_out_is_worth_may_not_be_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where today's market has no equilibrium nothing can be solved for."""
    monkeypatch.setattr(
        PrivateEquilibrium, "earned", lambda self, payoff: np.full_like(self.payoff, np.nan)
    )
    path = Path(__file__).parent / "inputs" / "one_noeq.yaml"
    tree = {**read_document(path).tree, "mechanism": {"tax_rule": "designed"}}
    mechanism = evaluate_anew(parse_tree(tree))["mechanism"]
    assert mechanism["reported"] is None
    assert mechanism["why_not"]["designed"]["code"] == "no_outside"


@pytest.mark.slow
@pytest.mark.parametrize(("incentive", "outlay"), [("dominant", 20.4556), ("bayesian", None)])
def test_design_solves_for_transfers_where_intercepts_are_private(
    run: Run, incentive: str, outlay: float | None
) -> None:
    path = Path(__file__).parent / "inputs" / "int_dom.json"
    told = run("design", path, "--incentive", incentive, "--format", "json")
    assert told.code == 0
    result = json.loads(told.out)
    case = parse_tree({**INPUT, "mechanism": {**INPUT["mechanism"], "incentive": incentive}})
    reported = evaluate(case)["mechanism"]["reported"]
    outside = {
        (row["firm"] - 1, [12.0, 20.0].index(row["type"])): row["outside"]
        for row in reported["interim"]
    }
    found = in_loops("intercept", [12.0, 20.0], INPUT)
    least = least_outlay_in_loops(found, outside, [0.6, 0.4], incentive)
    assert result["expected"]["outlay"] == pytest.approx(least, rel=1e-7)
    if outlay is not None:
        assert least == pytest.approx(outlay, abs=5e-5)
    assert result["expected"]["surplus"] == pytest.approx(reported["expected"]["welfare"], rel=1e-9)
    assert {result["checks"]["chosen"][kind]["status"] for kind in ("ic", "ir")} == {"holds"}
    assert result["checks"]["collusion"]["status"] == "not_established"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--tax-rule", "groves"], "pigou evaluate judges groves"),
        (["--collusion", "proof"], "proof against collusion is not solved for there"),
        (
            ["--collusion", "proof", "--allocation", "second_best"],
            "proof against collusion is not solved for there",
        ),
    ],
)
def test_design_says_what_it_does_not_solve_where_intercepts_are_private(
    run: Run, asked: list[str], words: str
) -> None:
    told = run("design", Path(__file__).parent / "inputs" / "int_dom.json", *asked)
    assert (told.code, told.out) == (2, "")
    assert words in " ".join(told.err.split())
