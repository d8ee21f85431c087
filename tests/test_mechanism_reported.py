"""Appendix B with reported cost spillovers: the printed tax fails, a tax free of the own report
does not, and the proofs."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from admissible import cases, market
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from market.model.case import Array, Case
from market.model.outcome import account
from market.model.payoff import Payoff
from market.model.pricing import bertrand_matrix, utility_matrix
from market.regimes import BOTH, solve_regime
from mechanism.casefile.policy_case import parse_tree
from mechanism.casefile.schema import MechanismOptions
from mechanism.casefile.types import TypeSpace, discrete, type_space, uniform
from mechanism.design.cvx import largest_violation, repair, repair_rows, solve
from mechanism.design.rules import TAX_RULES
from mechanism.design.states import own_first
from mechanism.report.rule_tree import rule_tree
from mechanism.scheme.allocation import CLOSE, allocate
from mechanism.scheme.asymmetric_information import constraint_data, run_rule
from mechanism.scheme.behaviour import by_pair, expected_outcome, reporting_equilibrium
from mechanism.scheme.full_information import subsidy
from mechanism.scheme.incentives import collusion_check, free_earned, free_gains, gains
from mechanism.scheme.preparation import Scheme, prepare
from mechanism.scheme.private_market import private_equilibrium
from mechanism.scheme.reported import Assignment, assign

NOTHING = np.zeros((2, 1, 1))
"""Outside options of zero."""


def assigned(case: Case, types: TypeSpace) -> Assignment:
    """The assignment of the social optimum over the grid of types."""
    return assign(case.map(np.ravel), types, allocate(case, types.points).levels)


FORMULAS = sorted(
    key for key, rule in TAX_RULES.items() if rule.formula and rule.in_markets and not rule.observed
)


def net_of(rule: str, assignment: Assignment, outside: Array = NOTHING) -> Array:
    """The net transfers of a rule, staying out being worth this much to each type or at each
    pair."""
    return own_first(
        *TAX_RULES[rule].net(
            assignment.reports(outside, "interim" if outside.shape[-1] == 1 else "ex_post")
        )
    )


def environment(case: Case, types: TypeSpace, **options: object) -> Scheme:
    """A prepared setting that must exist."""
    found = prepare(case.map(np.ravel), types, MechanismOptions(**options))  # type: ignore[arg-type]
    assert found is not None
    return found


def test_type_space_integrates_polynomials_exactly_and_keeps_both_ends() -> None:
    types = uniform(0.2, 0.8, 5)
    assert types.points[0] == 0.2
    assert types.points[-1] == 0.8
    assert types.weights.sum() == pytest.approx(1, abs=1e-15)
    for power in range(10):
        exact = (0.8 ** (power + 1) - 0.2 ** (power + 1)) / (0.6 * (power + 1))
        assert types.weights @ types.points**power == pytest.approx(exact, rel=1e-13)
    listed = discrete(np.array([0.7, 0.1]), np.array([0.25, 0.75]))
    np.testing.assert_array_equal(listed.types, [0.1, 0.7])
    np.testing.assert_array_equal(listed.probabilities, [0.75, 0.25])


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"intercept": [20, 12]},
        {
            "intercept": 24,
            "own_slope": 1.4,
            "cross_slope": 0.5,
            "rivalry": 0.6,
            "leakage": (3, 0.45, 1.1),
            "cost_scale": 14.2,
            "max_saving": 0.86,
        },
    ],
)
@pytest.mark.parametrize("key", ["social_optimum", "nash", "first_best"])
def test_allocation_over_all_pairs_equals_each_pair_solved_alone(
    changes: dict[str, object], key: str
) -> None:
    """Followed solutions are the global ones, where bounds and branches switch too (the last market
    jumps to full sharing)."""
    case, points = market(**changes), np.linspace(0.1, 0.9, CLOSE + 2)  # most are not searched
    found = allocate(case, points, key)
    mirrored = found.levels.swapaxes(0, 1)[..., [1, 0, 3, 2]]
    if case.symmetric():  # then half of the pairs are enough
        np.testing.assert_allclose(found.levels, mirrored, rtol=1e-8, atol=1e-8)
    for i, first in enumerate(points):
        for j, second in enumerate(points[: i + 1] if case.symmetric() else points):
            if (i + j) % 2:  # half of the pairs, in all rows and columns
                continue
            alone = solve_regime(case.with_cost_spillover([first, second]), key)
            assert alone.levels is not None
            np.testing.assert_allclose(found.levels[i, j], alone.levels, rtol=1e-8, atol=1e-8)
    assert found.residual.max() <= 1e-9


@pytest.mark.slow
def test_the_switching_market_does_switch() -> None:
    """The last market above would prove nothing if its allocation did not jump."""
    case = market(
        intercept=24,
        own_slope=1.4,
        cross_slope=0.5,
        rivalry=0.6,
        leakage=(3, 0.45, 1.1),
        cost_scale=14.2,
        max_saving=0.86,
    )
    sharing = allocate(case, np.linspace(0.1, 0.9, CLOSE + 2)).levels[..., 0]
    assert (sharing == 1).any()
    assert (sharing < 0.5).any()


@pytest.mark.slow
@given(case=cases(), low=st.floats(0.0, 0.4), width=st.floats(0.1, 0.6))
@settings(max_examples=15)
def test_a_tax_free_of_the_own_report_is_exactly_truthful(
    case: Case, low: float, width: float
) -> None:
    """Dominant, with assigned levels and with levels chosen freely; its budget balances in
    expectation."""
    types = uniform(low, low + width, 5)
    assignment = assigned(case, types)
    net = net_of("groves", assignment)
    found = gains(assignment, net, "with_cost")
    scale = np.abs(found.interim).max()
    assert found.dominant.max() <= 1e-10 * scale
    free = free_earned(assignment, "with_cost")
    assert free is not None
    assert free_gains(types.nodes, free, net).dominant.max() <= 1e-9 * scale
    net = by_pair(net, np.stack([types.nodes, types.nodes]))
    weight = types.probabilities[:, None, None] * types.probabilities[:, None]
    assert abs((weight * net).sum()) <= 1e-10 * scale


@given(
    case=cases(), low=st.floats(0.0, 0.4), width=st.floats(0.1, 0.6), seed=st.integers(0, 2**32 - 1)
)
@settings(max_examples=15)
def test_the_tax_set_by_the_worst_type_and_mutual_payments(
    case: Case, low: float, width: float, seed: int
) -> None:
    """worst_type: truth dominant, participation binds at one type and holds at all. agv: truth in
    expectation, balance in every state."""
    types = uniform(low, low + width, 5)
    assignment = assigned(case, types)
    size = len(types.points)
    scale = float(np.abs(assignment.welfare).max())
    rng = np.random.default_rng(seed)
    for outside in (rng.uniform(0, 200, (2, size, 1)), rng.uniform(0, 200, (2, size, size))):
        found = gains(assignment, net_of("worst_type", assignment, outside), "with_cost")
        assert found.dominant.max() <= 1e-10 * scale
        slack = found.truth_ex_post - outside
        if outside.shape[-1] == 1:
            slack = slack @ types.weights
        np.testing.assert_allclose(slack.min(1), 0, atol=1e-10 * scale)
    net = net_of("agv", assignment)
    assert gains(assignment, net, "with_cost").bayesian.max() <= 1e-10 * scale
    net = by_pair(net, np.stack([types.nodes, types.nodes]))
    np.testing.assert_allclose(net.sum(-1), 0, atol=1e-10 * scale)


@pytest.mark.slow
@given(case=cases(), low=st.floats(0.0, 0.4), width=st.floats(0.2, 0.6))
@settings(max_examples=15)
def test_the_printed_tax_pays_nothing_on_the_path_and_invites_misreports(
    case: Case, low: float, width: float
) -> None:
    """(37): S - T = 0 for every pair of reports; whenever levels respond to the own report, some
    type gains by a lower one."""
    types = uniform(low, low + width, 5)
    allocation = allocate(case, types.points)
    assume(allocation.solved)  # a planner who would rather drive a firm out assigns nothing
    assignment = assign(case.map(np.ravel), types, allocation.levels)
    net = net_of("printed", assignment)
    np.testing.assert_array_equal(net, 0)
    found = gains(assignment, net, "with_cost")
    for firm in (0, 1):
        responds = np.ptp(assignment.levels[firm][:, :, [firm, 2 + firm]], axis=0).max()
        gain = found.bayesian[firm].max()
        if (
            responds > 1e-3 and not allocation.several.any()
        ):  # a flip between mirror images is no response
            assert gain > 1e-9 * np.abs(found.interim).max()


def test_the_direction_of_the_lie_depends_on_the_market() -> None:
    """Usually a lower report is better: the planner then asks less of the firm. Where the rival's
    sharing is what moves most (no demand spillover, strong rivalry), a higher one is: the planner
    then has the rival share more."""
    types = uniform(0.0, 0.5, 5)
    for case, best in (
        (market(), 0),
        (
            market(
                intercept=15,
                own_slope=1,
                cross_slope=0,
                rivalry=0.5,
                demand_spillover=0,
                leakage=(1, 0, 0),
                cost_scale=5,
            ),
            -1,
        ),
    ):
        assignment = assigned(case, types)
        found = gains(assignment, net_of("printed", assignment), "with_cost")
        assert (np.argmax(found.interim, axis=2) == np.arange(len(types.points))[best]).all()


def test_with_the_printed_payoff_every_type_reports_the_highest() -> None:
    """(38) has no true type in it: the best report is the same for all, and over-states; free
    levels then gain without limit."""
    types = uniform(0.2, 0.8, 9)
    assignment = assigned(market(), types)
    scheme = environment(market(), types, payoff="printed")
    net = net_of("printed", assignment)
    found = gains(assignment, net, "printed")
    assert (found.interim == found.interim[:, :1]).all()
    assert (np.argmax(found.interim, axis=2) == len(types.points) - 1).all()
    assert free_earned(assignment, "printed") is None
    played = reporting_equilibrium(scheme.replies, net)
    assert (played.reports == len(types.points) - 1).all()


def test_payoffs_are_what_the_accounts_say() -> None:
    """V_i from prices, quantities, costs and transfers one by one, at one misreport, against the
    vectorised table."""
    case, types = (
        market(intercept=[20, 15]),
        discrete(np.array([0.2, 0.5, 0.8]), np.array([0.3, 0.3, 0.4])),
    )
    assignment = assigned(case, types)
    for rule in FORMULAS:
        net = net_of(rule, assignment)
        tax = assignment.subsidy - net
        found = gains(assignment, net, "with_cost")
        true, told = 2, 0
        expected = 0.0
        for k, probability in enumerate(types.probabilities):
            x = allocate(case, types.points).levels[told, k][None]
            books = account(
                case.with_cost_spillover([[types.points[true], types.points[k]]]).flat(),
                x,
                bertrand_matrix,
            )
            received = subsidy(
                case.with_cost_spillover([[types.points[told], types.points[k]]]).flat(), x
            )[0, 0]
            expected += probability * (books.profit[0, 0] + received - tax[0, told, k])
        assert found.interim[0, true, told] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rule", FORMULAS)
def test_interim_utilities_obey_the_envelope_formula(rule: str) -> None:
    """Under a truthful rule dU/dlambda = E[-df/dlambda]; under the printed one the derivative in
    the true type alone does."""
    case, types = market(intercept=[20, 14]), uniform(0.2, 0.8, 41)
    assignment = assigned(case, types)
    found = gains(assignment, net_of(rule, assignment), "with_cost")
    points, h = types.points, 1e-6
    errors = []
    for firm in (0, 1):
        slope = np.array(
            [
                (
                    assignment.own_part(firm, points[[k]] + h, "with_cost")
                    - assignment.own_part(firm, points[[k]] - h, "with_cost")
                )[0, k]
                @ types.weights
                / (2 * h)
                for k in range(len(points))
            ]
        )
        rise = np.diff(found.truth[firm])
        trapezoid = (slope[1:] + slope[:-1]) / 2 * np.diff(points)
        errors.append(np.abs(rise - trapezoid).max())
    if rule != "printed":
        assert max(errors) < 1e-3
    else:
        assert min(errors) > 0.05


def test_expectations_agree_with_a_ten_times_finer_rule() -> None:
    """Gauss-Legendre at 15 nodes against 150 on a market without switches."""
    case = market(intercept=[20, 12])
    values = []
    for count in (15, 150):
        types = uniform(0.2, 0.8, count)
        x = allocate(case, types.types).levels
        e = expected_outcome(case.map(np.ravel), types, x)
        values.append([e.welfare, e.consumer_surplus, *e.profit, *e.sharing, *e.investment])
    np.testing.assert_allclose(values[0], values[1], rtol=1e-8)


@pytest.mark.slow
def test_a_misreport_moves_welfare_by_second_order_at_the_truth() -> None:
    """The envelope theorem for the regulator: halving a small lie quarters the welfare it costs."""
    case, truth = market(), np.array([0.5, 0.5])
    payoff = Payoff(
        case=case.with_cost_spillover(truth[None]).flat(),
        benefit=utility_matrix(case.flat(), bertrand_matrix),
        cost_weight=BOTH,
    )

    def welfare(report: float) -> float:
        levels = solve_regime(case.with_cost_spillover([report, 0.5]), "social_optimum").levels
        assert levels is not None
        return float(payoff.value(levels[None])[0])

    loss = [welfare(0.5) - welfare(0.5 - h) for h in (0.02, 0.01, 0.005)]
    assert loss[0] / loss[1] == pytest.approx(4, rel=0.2)
    assert loss[1] / loss[2] == pytest.approx(4, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "options"),
    [
        ("printed", {}),
        ("printed", {"participation": "ir2"}),
        ("printed", {"incentive": "dominant", "participation": "none"}),
        ("printed", {"payoff": "printed", "participation": "none"}),
        ("groves", {"timing": "ex_post"}),
    ],
)
def test_repair_equals_linprog_on_the_same_matrices(rule: str, options: dict[str, object]) -> None:
    """The least correction by cvxpy against scipy, with its dual price; where there is none, a
    proof that numpy confirms."""
    case = market(intercept=[20, 14])
    found = environment(case, uniform(0.2, 0.8, 7), **options)
    net = net_of(rule, found.assignment)
    own = gains(found.assignment, net, found.options.payoff)
    gain, slack = constraint_data(found, own, net)
    for firm in (0, 1):
        side = None if slack is None else slack[firm]
        result = repair(gain[firm], side)
        A, d, _, _ = repair_rows(gain[firm], side)
        size = len(gain[firm])
        wide = np.block([[-A.toarray(), A.toarray()]])  # c = plus - minus
        answer = linprog(np.ones(2 * size), A_ub=wide, b_ub=-d, bounds=(0, None), method="highs")
        assert result.verified
        if answer.status == 0:
            assert result.status == "optimal"
            assert result.correction is not None
            assert np.abs(result.correction).sum() == pytest.approx(answer.fun, rel=1e-8, abs=1e-8)
            assert (A @ result.correction - d).min() >= -1e-8 * np.abs(d).max()
        else:
            assert answer.status == 2
            assert result.status == "infeasible"
            weights = np.zeros(len(d))
            lookup = {
                (int(k), int(r)): i
                for i, (k, r) in enumerate(zip(*repair_rows(gain[firm], side)[2:], strict=True))
            }
            for row in result.rows:
                weights[lookup[row.type, -1 if row.report is None else row.report]] = row.weight
            assert np.abs(A.T @ weights).max() < 1e-9
            assert d @ weights > 0


@pytest.mark.slow
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_repair_for_two_types_equals_the_closed_form(seed: int) -> None:
    """c_0 - c_1 >= g01, c_1 - c_0 >= g10: possible iff g01 + g10 <= 0. Without participation the
    least total is the distance of zero from the interval [g01, -g10]; with it the floors -slack
    come on top."""
    rng = np.random.default_rng(seed)
    g01, g10 = rng.normal(0, 5, 2)
    gain = np.array([[0.0, g01], [g10, 0.0]])
    result = repair(gain, None)
    if g01 + g10 > 1e-6:
        assert result.status == "infeasible"
        assert result.verified
        assert {row.weight for row in result.rows} == {0.5}
        return
    if g01 + g10 > -1e-6:
        return
    assert result.correction is not None
    assert np.abs(result.correction).sum() == pytest.approx(max(g01, g10, 0.0), abs=1e-8)
    # With floors: raise what lies below its floor, then raise one of the two until neither report
    # pays.
    floor = rng.normal(0, 5, 2)
    best = np.inf
    for low in (floor[0], floor[1] + g01, 0.0, max(floor[0], floor[1] + g01)):
        for high in (floor[1], low - g01, low + g10, 0.0):
            if min(low - floor[0], high - floor[1], low - high - g01, high - low - g10) >= -1e-9:
                best = min(best, abs(low) + abs(high))
    result = repair(gain, -floor)
    assert result.correction is not None
    assert np.abs(result.correction).sum() == pytest.approx(best, abs=1e-7)


@pytest.mark.parametrize("unit", [1e-12, 1e-6, 1e6, 1e12])
def test_a_repair_is_the_same_in_any_unit(unit: float) -> None:
    """One that there is and one that there is not: reports in a cycle that gain whatever is
    paid."""
    rng = np.random.default_rng(3)
    worth = rng.normal(size=4)
    mendable = 0.5 * np.subtract.outer(worth, worth) - 0.1 * np.abs(rng.normal(size=(4, 4)))
    np.fill_diagonal(mendable, 0.0)
    slack = rng.normal(size=4)
    for gain, status in ((mendable, "optimal"), (mendable + 0.5 * (1 - np.eye(4)), "infeasible")):
        plain, other = repair(gain, slack), repair(unit * gain, unit * slack)
        assert (plain.status, plain.verified) == (other.status, other.verified) == (status, True)
        if plain.correction is not None and other.correction is not None:
            assert np.abs(other.correction).sum() / unit == pytest.approx(
                np.abs(plain.correction).sum(), rel=1e-9
            )
        direct = max(0.0, gain.max(), -slack.min())
        assert largest_violation(unit * gain, unit * slack) / unit == pytest.approx(
            direct, rel=1e-9
        )  # type: ignore[operator]


@pytest.mark.parametrize("said", ["infeasible", "unknown", "infeasible_or_unbounded", "user_limit"])
def test_no_repair_is_ruled_out_on_a_solver_s_word(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a constraint that can be mended."""
    monkeypatch.setattr("mechanism.design.cvx.solve", lambda problem, *_, **__: said)
    found = repair(np.array([[0.0, 1.0], [-2.0, 0.0]]), None)
    assert (found.status, found.rows, found.verified) == ("not_established", (), False)
    assert largest_violation(np.array([[0.0, 1.0], [-2.0, 0.0]]), None) is None


def test_weights_that_add_up_to_nothing_rule_out_no_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    words = iter(["infeasible"])
    monkeypatch.setattr(
        "mechanism.design.cvx.solve",
        lambda *problem, **options: next(words, None) or solve(*problem, **options),
    )
    found = repair(np.array([[0.0, 1.0], [-2.0, 0.0]]), None)
    assert (found.status, found.rows, found.verified) == ("not_established", (), False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"incentive": "dominant", "participation": "none"},
        {"timing": "ex_post"},
        {"incentive": "dominant", "timing": "ex_post"},
        {},
    ],
)
def test_rows_of_a_repair_name_the_rivals_type_at_which_they_are_tightest(
    options: dict[str, object],
) -> None:
    found = environment(
        market(intercept=[20, 14]), uniform(0.2, 0.8, 5), tax_rule="printed", **options
    )
    points, net, assignment = (
        found.types.points,
        net_of("printed", found.assignment),
        found.assignment,
    )
    result = run_rule(found, "printed").repair
    assert result is not None
    rows = [*result.binding, *(result.conflict or ())]
    assert rows
    place = {float(point): k for k, point in enumerate(points)}
    outside = (
        found.outside(found.options.participation, "ex_post")
        if options.get("participation") != "none"
        else None
    )
    for row in rows:
        firm, k = row.firm - 1, place[row.type]
        # by true type, report and rival's report
        profit = assignment.own_part(firm, points, "with_cost") + net[firm]
        if row.report is not None:
            each = profit[k, place[row.report]] - profit[k, k]
            asked = options.get("incentive") == "dominant"
        else:
            assert outside is not None
            each = np.broadcast_to(outside[firm], net[firm].shape)[k] - profit[k, k]
            asked = options.get("timing") == "ex_post"
        assert (row.rival_type is not None) == asked
        if row.rival_type is not None:
            assert each[place[row.rival_type]] == pytest.approx(each.max(), abs=1e-9)
            assert each.max() - each.min() > 1e-3  # which of them it is matters


@pytest.mark.slow
def test_programs_agree_with_direct_evaluation() -> None:
    """The chosen IC and IR as one cvxpy program per firm, and the largest shortfall by plain
    numpy."""
    for rule in FORMULAS:
        found = environment(market(intercept=[20, 14]), uniform(0.2, 0.8, 7), tax_rule=rule)
        net = net_of(rule, found.assignment)
        own = gains(found.assignment, net, "with_cost")
        gain, slack = constraint_data(found, own, net)
        assert slack is not None
        for firm in (0, 1):
            direct = max(0.0, gain[firm].max(), -slack[firm].min())
            assert largest_violation(gain[firm], slack[firm]) == pytest.approx(
                direct, rel=1e-9, abs=1e-9
            )
        assert run_rule(found, rule).checks.program.agrees


@pytest.mark.slow
def test_reporting_equilibrium_is_checked_by_brute_force() -> None:
    """Under the printed tax everybody reports the lowest value: no other report of any type does
    better against that."""
    case, types = market(), uniform(0.2, 0.8, 9)
    scheme = environment(case, types)
    played = reporting_equilibrium(scheme.replies, net_of("printed", scheme.assignment))
    assert played.settled
    assert (played.reports == 0).all()
    low = types.points[0]
    levels = [
        solve_regime(case.with_cost_spillover([r, low]), "social_optimum").levels
        for r in types.points
    ]
    for theta in types.types:
        true = case.with_cost_spillover([[theta, low]]).flat()
        profits = [account(true, np.asarray(x)[None], bertrand_matrix).profit[0, 0] for x in levels]
        assert np.argmax(profits) == 0


def test_reports_that_follow_do_not_depend_on_which_firm_comes_first() -> None:
    """Under the printed tax the third types' reports differ: either may be the higher."""
    types = discrete(
        np.array([0.036035, 0.269905, 0.603288, 0.984985]),
        np.array([0.592183, 0.169482, 0.160782, 0.077553]),
    )
    told = []
    for rivalry in ([0.407388, 0.464952], [0.464952, 0.407388]):
        case = market(
            intercept=19.4568,
            own_slope=1.09738,
            cross_slope=0.59995,
            rivalry=rivalry,
            demand_spillover=0.183808,
            leakage=(1.27867, 0.094335, 0.349522),
            cost_form="restricted",
            cost_scale=19.2797,
            reference_investment=0.932418,
            investment_cap=4.57933,
        )
        scheme = environment(case, types)
        net = net_of("printed", scheme.assignment)
        played = reporting_equilibrium(scheme.replies, net)
        assert played.settled
        joint = []
        for reports in (played.reports, played.others):
            achieved = scheme.at_reports(net, reports)
            joint.append((achieved.profit + achieved.net_transfer).sum())
        told.append((played.reports, played.others, joint))
    (first, others, joint), (swapped, others_swapped, joint_swapped) = told
    assert (first != others).any()
    assert (first == swapped[::-1]).all()
    assert (others == others_swapped[::-1]).all()
    assert joint[0] > joint[1]
    np.testing.assert_allclose(joint, joint_swapped, rtol=1e-12)


@pytest.mark.slow
def test_participation_against_the_market_uses_the_market_at_each_pair_of_types() -> None:
    """Interim and ex-post slacks from regimes solved one by one."""
    case, types = market(), discrete(np.array([0.3, 0.7]), np.array([0.5, 0.5]))
    found = rule_tree(run_rule(environment(case, types), "groves"))["checks"]
    slack = np.empty((2, 2))
    assignment = assigned(case, types)
    net = net_of("groves", assignment)
    for i in (0, 1):
        for j in (0, 1):
            at = case.with_cost_spillover([types.points[i], types.points[j]])
            optimum, nash = solve_regime(at, "social_optimum"), solve_regime(at, "nash")
            slack[i, j] = optimum.profit[0] + net[0, i, j] - nash.profit[0]
    by_timing = {c["timing"]: c["min_slack"] for c in found["ir_market_all"]}
    assert by_timing["ex_post"] == pytest.approx(slack.min(), rel=1e-8)
    # Interim, firms do not know the rival's type: nearly the expectation over pairs, exactly the
    # private equilibrium's payoff.
    assert by_timing["interim"] == pytest.approx(slack.mean(1).min(), rel=1e-5)
    private = private_equilibrium(case, types, np.asarray(solve_regime(case, "nash").levels))
    truth = gains(assignment, net, "with_cost").truth
    assert by_timing["interim"] == pytest.approx((truth - private.payoff).min(), rel=1e-10)


@pytest.mark.slow
def test_what_staying_out_is_worth() -> None:
    """Own profit at the planner's levels for the true types, or nothing; before the rival's type is
    known, in expectation over it."""
    case, types = market(intercept=[20, 17]), discrete(np.array([0.3, 0.7]), np.array([0.25, 0.75]))
    scheme = environment(case, types)
    profit = np.empty((2, 2, 2))
    for i, j in product((0, 1), (0, 1)):
        at = solve_regime(
            case.with_cost_spillover([types.points[i], types.points[j]]), "social_optimum"
        )
        profit[0, i, j], profit[1, j, i] = at.profit
    np.testing.assert_allclose(scheme.outside("ir1", "ex_post"), profit, rtol=1e-9)
    np.testing.assert_allclose(
        scheme.outside("ir1", "interim")[..., 0], profit @ [0.25, 0.75], rtol=1e-9
    )
    for timing in ("interim", "ex_post"):
        assert not scheme.outside("ir2", timing).any()


def pair_levels(own: Array, rival: Array, firm: int) -> Array:
    """Levels (n, K, 4) when the firm's own are (n, 2) and its rival's (K, 2) or (n, K, 2), sharing
    and investment."""
    x = np.empty((len(own), rival.shape[-2], 4))
    x[..., [firm, 2 + firm]] = own[:, None]
    x[..., [1 - firm, 3 - firm]] = rival
    return x


@pytest.mark.parametrize(
    "changes", [{}, {"intercept": [20, 12], "demand_spillover": 0.9, "cost_scale": 8}]
)
def test_no_type_gains_in_the_private_equilibrium(changes: dict[str, object]) -> None:
    """`bayes_nash` by brute force: expected profit on a dense grid of own levels, from prices and
    costs, against every type's payoff."""
    case, types = market(**changes), discrete(np.array([0.1, 0.5, 0.9]), np.array([0.2, 0.5, 0.3]))
    found = private_equilibrium(case, types, np.asarray(solve_regime(case, "nash").levels))
    assert found.converged
    s, t = (
        a.ravel()
        for a in np.meshgrid(
            np.linspace(0, 1, 61), np.linspace(0, 3 * found.strategy[..., 1].max(), 241)
        )
    )
    for firm in (0, 1):
        for k, theta in enumerate(types.points):
            own = np.stack([s, t], -1)
            own = np.concatenate([own, found.strategy[firm, k][None]])
            x = pair_levels(own, found.strategy[1 - firm], firm)
            true = case.map(lambda a: a.reshape(1, 1, -1)).with_cost_spillover(
                np.full((1, 1, 2), theta)
            )
            profit = account(true, x, bertrand_matrix).profit[..., firm] @ types.probabilities
            assert profit[-1] == pytest.approx(found.payoff[firm, k], rel=1e-12)
            assert profit[:-1].max() <= profit[-1] + 1e-9 * abs(profit[-1])


def test_private_information_vanishes_with_the_support() -> None:
    """With one type only, `bayes_nash` is `nash`."""
    case = market(intercept=[20, 14])
    types = discrete(np.array([0.5]), np.array([1.0]))
    nash = solve_regime(case, "nash")
    found = private_equilibrium(case, types, np.array([0.5, 0.5, 2.0, 2.0]))
    assert nash.levels is not None
    np.testing.assert_allclose(found.strategy[:, 0].T.ravel(), nash.levels, rtol=1e-9)
    np.testing.assert_allclose(found.payoff[:, 0], nash.profit, rtol=1e-12)


@pytest.mark.slow
def test_evidence_and_schedule_add_up() -> None:
    """What a distrustful reader checks by hand: payoff = revenue - own cost + subsidy - tax, and
    the path pays S - T."""
    for rule in FORMULAS:
        tree = rule_tree(run_rule(environment(market(), uniform(0.2, 0.8, 9)), rule))
        rows = tree["evidence"]["reports"]
        assert sum(row["truth"] for row in rows) == 1
        for row in rows:
            assert row["payoff"] == pytest.approx(
                row["revenue"] - row["own_cost"] + row["subsidy"] - row["tax"], rel=1e-10
            )
        if rule == "groves":
            assert len({round(row["tax"], 9) for row in rows}) == 1
        truth = next(row["payoff"] for row in rows if row["truth"])
        best = max(row["payoff"] for row in rows)
        assert best - truth == pytest.approx(max(tree["checks"]["ic"]["max_gain"], 0.0), abs=1e-8)
        for row in tree["schedule"]:
            assert row["net_transfer"] == pytest.approx(row["subsidy"] - row["tax"])
            if row["assigned"] and rule == "printed":
                assert row["net_transfer"] == pytest.approx(0, abs=1e-9)


@pytest.mark.slow
def test_equal_firms_are_treated_equally_and_different_ones_by_name() -> None:
    """The half of the grid that symmetry saves is the half that is right."""
    types = uniform(0.2, 0.8, 5)
    symmetric, almost = market(), market(intercept=[20, 20 + 1e-9])
    np.testing.assert_allclose(
        allocate(symmetric, types.points).levels,
        allocate(almost, types.points).levels,
        rtol=1e-6,
        atol=1e-7,
    )
    swapped = rule_tree(run_rule(environment(market(intercept=[14, 20]), types), "printed"))[
        "checks"
    ]["ic"]
    straight = rule_tree(run_rule(environment(market(intercept=[20, 14]), types), "printed"))[
        "checks"
    ]["ic"]
    assert swapped["max_gain"] == pytest.approx(straight["max_gain"], rel=1e-8)
    assert {swapped["witness"]["firm"], straight["witness"]["firm"]} == {1, 2}


@pytest.mark.slow
def test_an_unbounded_pair_of_types_leaves_no_mechanism() -> None:
    """Where the planner's problem has no solution for some reports, nothing is claimed."""
    case = replace(market(max_saving=0.9), cost_scale=np.array([9.0]))
    assert prepare(case.map(np.ravel), uniform(0.2, 0.8, 5), MechanismOptions()) is None


@pytest.mark.parametrize("rule", FORMULAS)
def test_what_firms_gain_by_agreeing_on_reports(rule: str) -> None:
    """All pairs of types and of reports one by one; at least what either gains alone, and nothing
    where net transfers do not depend on reports and joint profit is all that counts."""
    types = discrete(np.array([0.2, 0.5, 0.8]), np.array([0.3, 0.3, 0.4]))
    assignment = assigned(market(intercept=[20, 16]), types)
    net = net_of(rule, assignment)
    own = gains(assignment, net, "with_cost")
    found = collusion_check(assignment, net, "with_cost", float(own.range))
    V = [assignment.own_part(firm, types.points, "with_cost") + net[firm] for firm in (0, 1)]

    def joint(one: int, two: int, told: int, said: int) -> float:
        return float(
            V[0][one, told, said]
            + V[1][two, said, told]
            - V[0][one, one, two]
            - V[1][two, two, one]
        )

    best = max(joint(*indices) for indices in product(range(3), repeat=4))
    assert found.amount == pytest.approx(best, rel=1e-12)
    named = [*found.witness.types, *found.witness.reports]
    assert joint(*(int(np.flatnonzero(types.points == t)[0]) for t in named)) == pytest.approx(
        best, rel=1e-12
    )
    assert best > 0


def test_with_unit_costs_and_the_printed_payoff_the_market_counts_variable_profit() -> None:
    """What staying out earns under (38) is profit before investment cost: unit costs stay in."""
    tree = {
        "demand": {"intercept": 20, "own_slope": 1.5, "cross_slope": 1.0},
        "security": {
            "rivalry": 0.3,
            "demand_spillover": 0.3,
            "leakage": {"own": 1.2, "cross": 0.2, "interaction": 0.1},
        },
        "cost": {"scale": 12, "max_saving": 0.3, "spillover": 0.5},
        "unit_cost": {"base": 1.0},
        "types": {"values": [0.3]},
        "mechanism": {"payoff": "printed", "timing": "ex_post"},
    }
    policy = parse_tree(tree)
    assert policy.types is not None
    found = prepare(policy.market, type_space(policy.types), policy.mechanism)
    assert found is not None
    paying = prepare(policy.market, type_space(policy.types), MechanismOptions(timing="ex_post"))
    assert paying is not None
    nash = solve_regime(policy.market.with_cost_spillover([0.3, 0.3]), "nash")
    assert nash.accounts is not None
    revenue = (nash.accounts.price - 1.0) * nash.accounts.quantity
    np.testing.assert_allclose(found.own_outside[:, 0, 0], revenue, rtol=1e-10)
    np.testing.assert_allclose(
        found.own_outside - paying.own_outside, nash.accounts.investment_cost[0], rtol=1e-8
    )
