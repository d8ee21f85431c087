"""Outcomes of the regimes: closed forms, the paper's symmetric equations, orderings, proofs,
corners, ill-posed cases."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from admissible import cases, market, random_levels
from hypothesis import given, settings
from hypothesis import strategies as st
from wild_markets import made
from wild_search import read

from market.model.case import Case, levels
from market.model.cost import COST_FORMS, cost_derivatives, unit_cost
from market.model.outcome import Binding, Outcome, account
from market.model.payoff import Payoff
from market.model.pricing import bertrand_matrix, revenue_matrices
from market.model.reply import best_reply, reply_bound
from market.model.wellposed import concavity
from market.regimes import (
    BOTH,
    REGIMES,
    Regime,
    benefit_matrix,
    deviation_bounds,
    level_bounds,
    solve_markets,
    solve_regime,
    solve_regimes,
)
from market.regimes.table import needed_scale
from market.solve.optimum import maximise
from mechanism.casefile.policy_case import parse_tree
from mechanism.casefile.together import stack


def levels_of(outcome: Outcome) -> np.ndarray:
    """Levels of an outcome that must be solved."""
    assert outcome.levels is not None, outcome.message
    return outcome.levels


def test_without_demand_spillover_firms_share_nothing_and_investment_solves_a_linear_equation() -> (
    None
):
    """lambda_d = 0: s = 0 and 2 b1 p dp/dt = k t with p = (a + (1 - alpha) t) / (2 b1 - b2)."""
    x = levels_of(solve_regime(market(demand_spillover=0.0), "nash"))
    b1, b2, alpha, k, a = 1.5, 1.0, 0.2, 20.0, 20.0
    weight = 2 * b1 / (2 * b1 - b2) * (2 * b1 - b2 * alpha) / (4 * b1**2 - b2**2)
    t = weight * a / (k - weight * (1 - alpha))
    np.testing.assert_allclose(x, [0, 0, t, t], atol=1e-12)


def test_unrelated_goods_are_two_monopolies() -> None:
    """b2 = 0: sharing only leaks; p = A / (2 b1), dp/dt = 1 / (2 b1)."""
    x = levels_of(
        solve_regime(market(cross_slope=0.0, intercept=[20, 12], own_slope=[1.5, 2.0]), "nash")
    )
    a, b1, alpha, k = np.array([20.0, 12.0]), np.array([1.5, 2.0]), 0.2, 20.0
    matrix = np.diag(k - 1 / (2 * b1)) + np.diag(alpha / (2 * b1)) @ (1 - np.eye(2))
    np.testing.assert_allclose(x[:2], 0, atol=0)
    np.testing.assert_allclose(x[2:], np.linalg.solve(matrix, a / (2 * b1)), rtol=1e-12)


@pytest.mark.slow
def test_without_saving_the_cost_spillover_does_not_matter() -> None:
    """gamma = 0: every regime is the same at every lambda_c."""
    one, two = (solve_regimes(market(max_saving=0.0, cost_spillover=c)) for c in (0.0, 1.0))
    for key in REGIMES:
        np.testing.assert_allclose(levels_of(one[key]), levels_of(two[key]), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("form", "k"), [("saturating", 20.0), ("exponential", 30.0)])
def test_symmetric_equations_of_the_paper_hold(form: str, k: float) -> None:
    """(12), (29) at the equilibrium; (13), (14) at the alliance's choice; (27), (28) at the
    planner's, as the paper writes them."""
    case = market(cost_form=form, cost_scale=k)
    a, b1, b2, alpha, spill, lam = 20.0, 1.5, 1.0, 0.2, 0.6, 0.5
    phi1, phi2, phi3 = 3.0, 0.5, 0.2

    def parts(key: str) -> tuple[float, ...]:
        x = levels_of(solve_regime(case, key))
        assert x[0] == pytest.approx(x[1], abs=1e-10)
        assert x[2] == pytest.approx(x[3], abs=1e-10)
        s, t = float(x[0]), float(x[2])
        _, f_t, f_y, *_ = (float(v[0, 0]) for v in cost_derivatives(case, x[None]))
        g_own, g_rival = 2 * phi1 * s - phi3 * s, -2 * phi2 * s - phi3 * s
        A = a + t * (1 - alpha) + spill * t * s - (phi1 - phi2 - phi3) * s**2
        return s, t, f_t, f_y, g_own, g_rival, A

    s, t, f_t, f_y, g_own, g_rival, A = parts("nash")
    assert spill * t - (2 * b1 / b2 * g_own + g_rival) == pytest.approx(0, abs=1e-9)  # (12)
    assert 2 * b1 * A * (2 * b1 + b2 * (spill * s - alpha)) / (
        (2 * b1 - b2) * (4 * b1**2 - b2**2)
    ) == pytest.approx(f_t, abs=1e-9)  # (29)

    s, t, f_t, f_y, g_own, g_rival, A = parts("joint_profit")
    weight = 4 * b1 * A / (2 * b1 - b2) ** 2
    # (13)
    assert weight * (spill * t - g_own - g_rival) - 2 * lam * t * f_y == pytest.approx(0, abs=1e-8)
    # (14)
    assert weight * (1 - alpha + spill * s) - 2 * (f_t + lam * s * f_y) == pytest.approx(
        0, abs=1e-8
    )

    s, t, f_t, f_y, g_own, g_rival, A = parts("social_optimum")
    weight = b1 * A * (3 * b1 - 2 * b2) / ((2 * b1 - b2) ** 2 * (b1 - b2))
    # (27)
    assert 2 * weight * (spill * t - g_own - g_rival) - 2 * lam * t * f_y == pytest.approx(
        0, abs=1e-8
    )
    # (28)
    assert weight * (1 - alpha + spill * s) - (f_t + lam * s * f_y) == pytest.approx(0, abs=1e-8)


@pytest.mark.slow
@given(case=cases())
@settings(max_examples=10)
def test_certificates_and_orderings_on_random_markets(case: Case) -> None:
    """Joint profit beats the sum of equilibrium profits, SW* every Bertrand regime's welfare, the
    first best SW*; certificates hold."""
    everything = solve_regimes(case)
    assert all(outcome.solved or outcome.status == "infeasible" for outcome in everything.values())
    outcomes = {key: outcome for key, outcome in everything.items() if outcome.solved}
    for outcome in outcomes.values():
        certificate = outcome.certificate
        assert certificate.residual is not None
        assert certificate.residual <= 1e-9
        assert certificate.curvature is None or certificate.curvature < 0
        if REGIMES[outcome.regime].chooser == "firms":
            assert certificate.scope == (
                "proven" if REGIMES[outcome.regime].order == "together" else "searched"
            )
            assert certificate.regret is not None
            assert certificate.regret <= 1e-10
        elif float(
            concavity(case, benefit_matrix(case, REGIMES[outcome.regime]))[0]
        ) > 1e-6 * float(case.cost_scale[0, 0]):
            assert certificate.scope == "proven"
            assert certificate.gap is not None
            assert certificate.gap <= 1e-9
        # bounded but not concave in investments: strong rivalry may make it best that only one firm
        # invests
        else:
            assert certificate.scope == "searched"
    slack = 1e-8
    if {"nash", "joint_profit"} <= set(outcomes):
        assert outcomes["joint_profit"].profit.sum() >= outcomes["nash"].profit.sum() - slack
    for key in ("no_sharing", "nash", "joint_profit"):
        if {key, "social_optimum"} <= set(outcomes):
            assert outcomes["social_optimum"].welfare >= outcomes[key].welfare - slack
    if {"first_best", "social_optimum"} <= set(outcomes):
        assert outcomes["first_best"].welfare >= outcomes["social_optimum"].welfare - slack


@pytest.mark.slow
@given(case=cases(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_no_random_point_beats_a_proven_optimum(case: Case, seed: int) -> None:
    """Brute force against the proof: thousands of points over the whole box, and climbs from some
    of them, stay below."""
    rng = np.random.default_rng(seed)
    for key in ("joint_profit", "social_optimum"):
        outcome = solve_regime(case, key)
        if not outcome.solved:
            continue
        if outcome.certificate.scope != "proven":
            continue
        payoff = Payoff(case=case, benefit=benefit_matrix(case, REGIMES[key]), cost_weight=BOTH)
        best = float(payoff.value(levels_of(outcome)[None])[0])
        top = 3 * levels_of(outcome)[2:].max() + 1
        points = random_levels(rng, 4000, top)
        assert payoff.value(points).max() <= best + 1e-9 * max(1.0, abs(best))
        climbs = maximise(payoff, points[:40], *level_bounds(case, 40))
        assert climbs.value.max() <= best + 1e-8 * max(1.0, abs(best))


@pytest.mark.slow
@given(case=cases(forms=tuple(COST_FORMS), unit_costs=True), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_best_replies_are_global(case: Case, seed: int) -> None:
    """The closed form against a dense grid of own levels, and against its own claim of what the
    reply earns."""
    x = random_levels(np.random.default_rng(seed), 1)
    for firm in (0, 1):
        reply, value = best_reply(case, x, firm)
        payoff = Payoff(
            case=case,
            benefit=revenue_matrices(case, bertrand_matrix)[:, firm],
            cost_weight=np.eye(2)[None, firm],
        )
        if not np.isfinite(value[0]):
            continue
        np.testing.assert_allclose(payoff.value(reply), value, rtol=1e-10)
        s, t = np.meshgrid(np.linspace(0, 1, 41), np.linspace(0, 2 * reply[0, 2 + firm] + 1, 201))
        grid = np.repeat(x, s.size, axis=0)
        grid[:, firm], grid[:, 2 + firm] = s.ravel(), t.ravel()
        books = account(case, grid, bertrand_matrix)
        # a loss on every unit is no sale
        grid = grid[books.price[:, firm] >= books.unit_cost[:, firm]]
        assert payoff.value(grid).max() <= value[0] + 1e-9 * max(1.0, abs(value[0]))


@pytest.mark.slow
@given(case=cases())
@settings(max_examples=10)
def test_exchanging_the_firms_exchanges_the_outcome(case: Case) -> None:
    """Names do not matter."""
    swapped = case.map(lambda a: a[..., ::-1])
    for key in ("nash", "social_optimum"):
        one, two = solve_regime(case, key), solve_regime(swapped, key)
        assert one.status == two.status
        if one.solved and not one.certificate.others:
            np.testing.assert_allclose(
                levels_of(one).reshape(2, 2)[:, ::-1].ravel(), levels_of(two), rtol=1e-7, atol=1e-8
            )


@pytest.mark.slow
def test_a_binding_cap_is_reported_and_holds_in_every_regime() -> None:
    case = market(investment_cap=0.5)
    for key, outcome in solve_regimes(case).items():
        assert outcome.status == "corner", key
        assert levels_of(outcome)[2:] == pytest.approx([0.5, 0.5])
        assert Binding("investment", 0, 0.5) in outcome.certificate.bounds
        assert "investment[0] = 0.5" in outcome.certificate.tree(outcome.firms)["bounds"]


def test_full_sharing_corner_has_an_upward_gradient() -> None:
    """At s = 1 the planner would share more if it could."""
    case = market(leakage=(0.6, 0.2, 0.1))
    outcome = solve_regime(case, "social_optimum")
    assert outcome.status == "corner"
    x = levels_of(outcome)
    assert x[:2] == pytest.approx([1, 1])
    gradient = Payoff(
        case=case, benefit=benefit_matrix(case, REGIMES["social_optimum"]), cost_weight=BOTH
    ).derivatives(x[None])[1]
    assert (gradient[0, :2] > 0).all()


def test_a_second_peak_at_the_cap_is_listed() -> None:
    """Found independently by a search over every set of binding bounds: a lower peak at which only
    one firm is at its cap."""
    case = market(
        intercept=[19.491, 28.493],
        own_slope=[1.9618, 1.9412],
        cross_slope=1.44723,
        rivalry=0.06,
        demand_spillover=0.42935,
        leakage=(4.8047, 1.7384, 0.6408),
        cost_scale=32.2944,
        max_saving=0.7269,
        cost_spillover=[0.9733, 0.5008],
        investment_cap=3.88524,
        cost_form="exponential",
    )
    outcome = solve_regime(case, "price_collusion")
    assert outcome.profit.sum() == pytest.approx(591.469, abs=0.01)
    assert [float(other.profit.sum()) for other in outcome.certificate.others] == [
        pytest.approx(575.448, abs=0.01)
    ]


def test_a_harmful_small_firm_is_told_not_to_invest() -> None:
    """t = 0 is a corner of the alliance when rivalry is strong and one firm hardly sells."""
    case = market(intercept=[40, 12], rivalry=0.95, demand_spillover=0.05, cross_slope=0.2)
    outcome = solve_regime(case, "joint_profit")
    assert outcome.status == "corner"
    assert levels_of(outcome)[3] == 0
    assert Binding("investment", 1, 0.0) in outcome.certificate.bounds


def test_investment_of_a_deviation_ends_where_the_rivals_unit_cost_is_nil() -> None:
    case = market(unit_cost=([5, 1], [1, 0.5], 0, 0))
    _, upper = deviation_bounds(case, levels(0.0, [0.0, 0.0])[None])
    assert upper[0, 2:].tolist() == [1 / 0.5, 5 / 1]
    least = unit_cost(case, levels(1.0, upper[0, 2:]))
    assert least is not None
    assert np.allclose(least.value, 0)


@pytest.mark.parametrize("key", ["joint_profit", "social_optimum", "first_best"])
def test_boundedness_is_sharp_and_every_suggested_remedy_works(key: str) -> None:
    """Below the required scale payoff grows along a ray; just above it, with less saving or with a
    cap, there is an optimum."""
    base = market()
    Q = benefit_matrix(base, REGIMES[key])
    needed = float(needed_scale(base, REGIMES[key])[0])
    ill = replace(base, cost_scale=np.array([[0.98 * needed]]))
    outcome = solve_regime(ill, key)
    assert outcome.status == "unbounded"
    assert outcome.levels is None
    assert outcome.accounts is None
    payoff = Payoff(case=ill, benefit=Q, cost_weight=BOTH)
    ray = payoff.value(np.array([[1.0, 1.0, t, t] for t in (1e4, 1e5, 1e6)]))
    assert (np.diff(ray) > 0).all()
    assert ray[-1] > 0
    message = outcome.message or ""
    assert "cost.scale above" in message
    saving = float(message.split("cost.max_saving below ")[1].split(",")[0])
    for mended in (
        replace(ill, cost_scale=np.array([[1.02 * needed]])),
        replace(ill, max_saving=np.array([[saving - 0.01]])),
        replace(ill, investment_cap=np.array([[5.0]])),
    ):
        assert solve_regime(mended, key).solved
    assert concavity(replace(base, cost_scale=np.array([[1.02 * needed]])), Q)[0] > 0


def test_unbounded_best_replies_are_reported() -> None:
    """When even the full stand-alone cost cannot stop a firm, there is no equilibrium to look
    for."""
    outcome = solve_regime(market(cost_scale=0.3), "nash")
    assert outcome.status == "unbounded"
    assert "cost.scale above" in (outcome.message or "")


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [{"intercept": 1e9}, {"cost_scale": 5.0, "investment_cap": 1e6}, {"intercept": [1000, 1]}],
)
def test_extreme_magnitudes_end_in_an_answer_or_a_status(changes: dict[str, object]) -> None:
    """Nothing overflows into an exception; what is solved has small residual and regret."""
    for outcome in solve_regimes(market(**changes)).values():
        if outcome.solved:
            assert outcome.certificate.residual is not None
            assert outcome.certificate.residual <= 1e-9
            assert (outcome.certificate.regret or 0.0) <= 1e-10


def test_without_sharing_best_replies_are_bounded_by_their_own_threshold() -> None:
    """With s = 0 imposed the demand spillover cannot make investment pay: the required scale is
    lower, and sharp."""
    needed = float(reply_bound(market(), (0.0, 0.0)).max())
    assert solve_regime(market(cost_scale=0.99 * needed), "no_sharing").status == "unbounded"
    assert solve_regime(market(cost_scale=1.5 * needed), "no_sharing").status == "converged"


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"leakage": (45, 0.2, 0.1)},
        {"leakage": (12, 0.2, 0.1), "intercept": [20, 1], "cross_slope": 0.3},
    ],
)
def test_strong_leakage_leaves_the_market_and_no_phantoms(changes: dict[str, object]) -> None:
    """The square of a negative price is no revenue: full sharing that wipes out demand is neither
    chosen nor listed."""
    base = {"rivalry": 0.3, "demand_spillover": 0.3, "cost_scale": 12, "max_saving": 0.3}
    for key, outcome in solve_regimes(market(**{**base, **changes})).items():
        assert outcome.solved, key
        assert outcome.accounts is not None
        assert (outcome.accounts.price >= 0).all()
        assert (outcome.accounts.quantity >= 0).all()
        assert (levels_of(outcome)[:2] < 0.1).all()
        assert outcome.certificate.others == ()


def test_a_firm_driven_out_makes_the_outcome_infeasible() -> None:
    """Leakage and rivalry that wipe out a small firm's demand: no figures, and the reason."""
    case = market(
        intercept=[60, 0.05], rivalry=0.95, demand_spillover=0.0, cross_slope=0.05, cost_scale=6.0
    )
    outcome = solve_regime(case, "nash")
    assert outcome.status == "infeasible"
    assert outcome.levels is None
    assert "firm 2 is driven out of the market" in (outcome.message or "")


@pytest.mark.slow
def test_a_constant_unit_cost_is_a_smaller_intercept() -> None:
    """q = a - D p = (a - D c) - D (p - c): levels, margins, profits and welfare are those of the
    market without unit costs."""
    c = 2.0
    outcomes = solve_regimes(market(unit_cost=(c, 0, 0, 0)))
    reference = solve_regimes(market(intercept=20 - 0.5 * c))
    for key, outcome in outcomes.items():
        same = reference[key]
        np.testing.assert_allclose(levels_of(outcome), levels_of(same), rtol=1e-9, atol=1e-12)
        assert outcome.accounts is not None
        assert same.accounts is not None
        np.testing.assert_allclose(
            outcome.accounts.price - c, same.accounts.price, rtol=1e-9, atol=1e-12
        )
        np.testing.assert_allclose(outcome.profit, same.profit, rtol=1e-9)
        assert outcome.welfare == pytest.approx(same.welfare, rel=1e-12)


def test_the_paper_s_first_order_conditions_with_unit_costs() -> None:
    """(17) and (18) at the equilibrium, by differences of the prices; everything inside its
    range."""
    case = market(unit_cost=(2.0, 0.05, 0.05, 0.02), cost_spillover=0.0, cost_scale=8)
    x = levels_of(solve_regime(case, "nash"))
    assert (x > 0).all()

    def books(change: np.ndarray) -> tuple[float, float]:
        found = account(case, (x + change)[None], bertrand_matrix)
        return float(found.price[0, 0]), float(found.unit_cost[0, 0])

    h = 1e-5
    for level, marginal_cost in ((0, 0.0), (2, 8 * x[2])):
        up, down = books(h * np.eye(4)[level]), books(-h * np.eye(4)[level])
        slope = (up[0] - down[0] - up[1] + down[1]) / (2 * h)
        price, unit = books(np.zeros(4))
        assert 2 * 1.5 * (price - unit) * slope == pytest.approx(marginal_cost, abs=1e-7)


@pytest.mark.slow
def test_an_optimum_that_would_make_a_unit_cost_negative_is_refused() -> None:
    """With the remedy the message names, it is found."""
    outcome = solve_regime(market(unit_cost=(0.5, 0.3, 0.1, 0.05)), "social_optimum")
    assert outcome.status == "infeasible"
    assert outcome.message is not None
    assert "set cost.investment_cap below base / spillover = 1.66666667" in outcome.message
    capped = solve_regime(
        market(unit_cost=(0.5, 0.3, 0.1, 0.05), investment_cap=1.6), "social_optimum"
    )
    assert capped.solved
    assert capped.accounts is not None
    assert (capped.accounts.unit_cost > 0).all()


def test_restricted_cost_lets_sharing_replace_investment() -> None:
    """The contrast of Gordon, Loeb and Lucyshyn: with sharing imposed, without demand spillover,
    firms spend less on their own.

    By hand, for equal firms: k (t - lambda t s) = 2 b1 p dp/dt with p = (a - Phi s^2 + (1 - alpha)
    t) / (2 b1 - b2). The paper's form leads to more investment at the same numbers. The benefit of
    security is convex here, so the contrast needs some leakage and rivalry.
    """
    changes: dict[str, object] = {
        "demand_spillover": 0.0,
        "rivalry": 0.9,
        "leakage": (0.7, 0.1, 0.1),
    }
    spent = {}
    for form in ("restricted", "saturating"):
        case = market(cost_form=form, **changes)
        for s in (0.0, 1.0):
            forced = Regime(
                key="forced", chooser="firms", prices=bertrand_matrix, sharing_range=(s, s)
            )
            t = solve_regime(case, forced).levels
            assert t is not None
            spent[form, s] = float(t[2]) * (1 - 0.5 * s if form == "restricted" else 1)
    for s in (0.0, 1.0):
        gain = 2 * 1.5 * (3 - 0.9) / 8 / 2
        by_hand = gain * (20 - 0.5 * s**2) / (20 * (1 - 0.5 * s) - gain * 0.1) * (1 - 0.5 * s)
        assert spent["restricted", s] == pytest.approx(by_hand, rel=1e-10)
    assert spent["restricted", 1.0] < spent["restricted", 0.0]
    assert spent["saturating", 1.0] > spent["saturating", 0.0]


def test_restricted_cost_is_unbounded_where_shared_knowledge_is_free_for_both() -> None:
    outcome = solve_regime(market(cost_form="restricted", cost_spillover=1.0), "social_optimum")
    assert outcome.status == "unbounded"
    assert outcome.message is not None
    named = re.search(r"lower cost.spillover below ([0-9.]+)", outcome.message)
    assert named is not None
    assert solve_regime(
        market(cost_form="restricted", cost_spillover=0.999 * float(named[1])), "social_optimum"
    ).solved


def test_markets_that_differ_in_the_use_of_knowledge_are_asked_for_a_limit_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Knowledge only lowers costs: with a limit where both have the most use of it there is one in
    all, and where there is none each market has the status it has alone."""
    asked = []

    def counted(case: Case, regime: Regime, every_firm: bool = True) -> np.ndarray:
        asked.append(case.batch[0])
        return needed_scale(case, regime, every_firm)

    monkeypatch.setattr("market.regimes.solve.needed_scale", counted)
    for top in (0.5, 1.0):
        useful = top * np.array([[0.1, 0.2], [1.0, 0.3], [0.2, 1.0], [1.0, 1.0], [0.9, 0.9]])
        many = market(cost_form="restricted", cost_spillover=useful)
        found = solve_markets(many, "social_optimum", len(useful)).status
        once = max(asked) == 1
        alone = [solve_regime(many.take([k]), "social_optimum").status for k in range(len(useful))]
        assert list(found) == alone
        assert once == (top < 1)
        assert ("unbounded" in alone) == (top == 1)


def test_at_the_bound_itself_a_problem_is_unbounded() -> None:
    """The scale that the message names is not enough; a little more is."""
    case = market(cost_scale=2.0)
    message = solve_regime(case, "first_best").message
    assert message is not None
    bound = float(re.search(r"raise cost.scale above ([0-9.]+)", message)[1])  # type: ignore[index]
    assert solve_regime(market(cost_scale=bound), "first_best").status == "unbounded"
    assert solve_regime(market(cost_scale=1.001 * bound), "first_best").solved


# Units, neighbours in a batch, optima and growth far out


@pytest.mark.slow
def test_the_unit_of_quantities_changes_nothing() -> None:
    """The same market with quantities counted in other units: sharing stays, investment and
    quantities scale, money does not."""

    def counted_in(c: float) -> Case:
        return market(
            intercept=[20 * c, 17 * c],
            own_slope=1.5 * c,
            cross_slope=0.8 * c,
            leakage=(3 * c, 0.5 * c, 0.2 * c),
            cost_scale=20 / c,
            cost_spillover=np.array([0.5, 0.3]) / c,
        )

    for key in ("social_optimum", "joint_profit", "nash"):
        plain = solve_regime(counted_in(1.0), key)
        assert plain.levels is not None
        for c in (1e-6, 1e4, 1e7, 3e8):
            found = solve_regime(counted_in(c), key)
            assert found.levels is not None, (key, c, found.message)
            np.testing.assert_allclose(found.levels / [1, 1, c, c], plain.levels, rtol=1e-7)
            assert found.welfare / c == pytest.approx(plain.welfare, rel=1e-9)


def test_whether_a_market_is_bounded_does_not_depend_on_its_neighbours() -> None:
    """One lane with convex unit cost and one with spillovers between unit costs beside one with
    neither."""
    shared = {
        "intercept": 21.0,
        "own_slope": 1.36,
        "cross_slope": 0.13,
        "rivalry": 0.26,
        "demand_spillover": 0.3,
        "cost_scale": 18.77,
    }
    shared |= {"leakage": (3.67, 0.19, 0.05), "max_saving": 0.99, "cost_spillover": 0.08}
    alone = [
        market(**shared, unit_cost=(0.3363, spill, 0.0326, bend))
        for spill, bend in ((0.0, 0.0), (0.0, 0.05), (0.02, 0.0))
    ]
    lanes = stack(alone)
    for key in ("social_optimum", "joint_profit"):
        together = needed_scale(lanes, REGIMES[key])
        each = [float(needed_scale(c, REGIMES[key])[0]) for c in alone]
        np.testing.assert_allclose(together, each, rtol=1e-12)
        assert each[1] == -np.inf
    np.testing.assert_allclose(
        np.broadcast_to(reply_bound(lanes), (3, 2)),
        np.concatenate([np.broadcast_to(reply_bound(c), (1, 2)) for c in alone]),
        rtol=1e-12,
    )


def test_with_much_to_save_the_optimum_with_much_investment_is_found() -> None:
    """Restricted cost and strong spillovers: welfare has a peak with hardly any sharing, and a
    higher one where everything is shared."""
    case = market(
        intercept=19.6,
        own_slope=1.12,
        cross_slope=0.4,
        rivalry=0.1,
        demand_spillover=0.1,
        leakage=(2.0, 0.2, 0.1),
        cost_scale=14.0,
        cost_spillover=0.6,
        cost_form="restricted",
    )
    payoff = Payoff(
        case=case, benefit=benefit_matrix(case, REGIMES["social_optimum"]), cost_weight=BOTH
    )
    grid = np.linspace(0, 1, 11)
    starts = np.array(
        [
            [a, b, t, u]
            for a in grid
            for b in grid
            for t in (0.1, 1, 5, 20, 60)
            for u in (0.1, 1, 5, 20, 60)
        ]
    )
    found = maximise(payoff, starts, *level_bounds(case, len(starts)))
    real = (found.residual <= 1e-9) & account(case, found.x, bertrand_matrix).describes_market
    best = found.value[real].max()
    told = solve_regime(case, "social_optimum")
    assert told.welfare == pytest.approx(best, rel=1e-9)
    assert solve_markets(case, "social_optimum", 1).levels[0] == pytest.approx(
        told.levels, abs=1e-7
    )


@pytest.mark.slow
def test_growth_without_limit_between_two_directions_of_a_fan_is_seen() -> None:
    """Restricted cost, no spillover of knowledge: the scale needed is that of the best direction in
    which both net intercepts rise."""
    case = market(
        intercept=22.378,
        own_slope=1.1046250627594936,
        cross_slope=0.7140542762869426,
        rivalry=0.8736199995482475,
        demand_spillover=0.19938515829859738,
        leakage=(1.22, 0.0912, 0.1779),
        cost_scale=0.299,
        cost_spillover=0.0,
        cost_form="restricted",
    )
    Q = benefit_matrix(case, REGIMES["first_best"])[0]
    best = -np.inf
    for s in ((0, 0), (0, 1), (1, 0), (1, 1)):
        off = 0.19938515829859738 * np.array(s[::-1]) - 0.8736199995482475
        M = np.array([[1, off[0]], [off[1], 1]])
        for angle in np.linspace(0, np.pi / 2, 200_001):
            t = np.array([np.cos(angle), np.sin(angle)])
            if (M @ t >= 0).all():
                best = max(best, float(2 * t @ M.T @ Q @ M @ t))
    assert float(needed_scale(case, REGIMES["first_best"])[0]) == pytest.approx(best, rel=1e-4)
    assert solve_regime(case, "first_best").status == "unbounded"


LARGE = {
    "intercept": 1,
    "own_slope": 1,
    "cross_slope": 0.915,
    "rivalry": [0.0495, 0.983],
    "demand_spillover": [0.356, 0.627],
    "leakage": (34500, 0, 3.13),
    "cost_scale": 0.0626,
    "max_saving": 0.967,
    "cost_spillover": [0.192, 0.341],
    "reference_investment": 4320,
    "investment_cap": 10400,
}
"""Security that multiplies demand ten thousandfold: payoffs are a hundred million times the natural
unit, and rounding leaves more of their slopes than a small payoff's tolerance."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("joint_profit", 45669866.85442108),
        ("price_collusion", 160246619.8020085),
        ("social_optimum", 320234568.0933502),
        ("first_best", 326956747.1180681),
    ],
)
def test_the_best_of_a_payoff_far_larger_than_its_natural_unit_is_found(
    key: str, value: float
) -> None:
    """Values from grids and sequential quadratic programming (`wild_search`)."""
    outcome = solve_regime(market(**LARGE), key)
    assert outcome.status == "corner"
    reached = outcome.welfare if REGIMES[key].chooser == "planner" else sum(outcome.profit)
    assert reached == pytest.approx(value, rel=1e-10)


FAR_OUT = {
    "intercept": 1,
    "own_slope": [36.4, 0.0274],
    "cross_slope": 0.0263,
    "rivalry": [0.0, 0.898],
    "demand_spillover": 0.948,
    "leakage": ([286, 317], [16.7, 0], [5.6e-6, 24.1]),
    "cost_scale": [0.0311, 692],
    "max_saving": 0.622,
    "cost_spillover": 0.547,
    "reference_investment": 2.07,
}
"""Beside a stable equilibrium one far out, with investments and payoffs of very unequal size."""
MILLIONS = {
    "intercept": [0.782, 1.279],
    "own_slope": 1,
    "cross_slope": 0.883,
    "rivalry": 1.89e-5,
    "demand_spillover": 0.911,
    "leakage": (5.0038, 5.0034, 4e-6),
    "cost_scale": [0.00558, 11.07],
    "max_saving": 0.994,
    "cost_spillover": [1.0, 0.494],
    "reference_investment": 5.87e-4,
    "unit_cost": ([0.0114, 2.49e-6], 0, 0, [1.69e-5, 0]),
}
"""Unit costs that security raises, and investments in the millions."""


@pytest.mark.parametrize(
    ("changes", "key", "levels"),
    [
        (LARGE, "nash", [0.04323736235918, 0.02455138040241, 10400, 10400]),
        (FAR_OUT, "nash", [1, 0.03834832971835, 164108.5609104, 620.1224803531]),
        (MILLIONS, "no_sharing", [0, 0, 8391354.790605836, 501817.2845025]),
    ],
)
def test_equilibria_far_out_and_those_that_rounding_hides_are_found(
    changes: dict[str, object], key: str, levels: list[float]
) -> None:
    """Levels from Newton's method on first-order conditions from many levels, nobody gaining by any
    on a grid that closes in (`wild_search`)."""
    outcome = solve_regime(market(**changes), key)
    np.testing.assert_allclose(levels_of(outcome), levels, rtol=1e-9)


@pytest.mark.slow
def test_an_equilibrium_that_best_replies_run_away_from_is_found() -> None:
    """Hardly any levels are near it. Levels from Newton's method from many levels, nobody gaining
    by any on a grid that closes in (`wild_search`)."""
    tree = made(1, 589)
    m = read(tree)
    x = levels_of(solve_regime(parse_tree(tree).market, "nash")) / [1, 1, m.amount, m.amount]
    np.testing.assert_allclose(x, [1, 0.116335330875, 0.018569724649, 1.304716648540], rtol=1e-9)
