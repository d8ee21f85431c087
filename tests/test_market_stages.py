"""A leader and a follower, investment before sharing: against brute force, limits in which they are
the simultaneous game, and symmetry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from admissible import LED, cases, market, random_levels
from hypothesis import given, settings
from hypothesis import strategies as st

from market.model.case import Case, make_case
from market.model.cost import COST_FORMS
from market.model.leaving import true_profits
from market.model.outcome import Binding, Outcome, account
from market.model.pricing import bertrand_matrix
from market.model.reply import best_reply
from market.regimes import solve_markets, solve_regime
from market.regimes.no_limit import far_market, pole, received_at_pole
from market.regimes.stages import _leader_slope as leader_slope
from market.regimes.stages import alone, follow, invest_first, lead, sharing_equilibrium
from market.solve.search import STEP
from market.solve.tolerances import DEFAULT


def levels_of(outcome: Outcome) -> np.ndarray:
    """The levels of a solved outcome."""
    assert outcome.solved, outcome.message
    assert outcome.levels is not None
    return outcome.levels


@pytest.mark.slow
@given(case=cases(forms=tuple(COST_FORMS), unit_costs=True), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_no_random_commitment_earns_the_leader_more(case: Case, seed: int) -> None:
    """Thousands of own levels, the follower's reply found by a grid of its own: none does
    better."""
    rng = np.random.default_rng(seed)
    for leader, key in ((0, "sequential"), (1, "sequential_firm_2")):
        outcome = solve_regime(case, key)
        if not outcome.solved:
            continue
        x = levels_of(outcome)
        best = float(true_profits(case, x[None])[0, leader])
        own = np.column_stack(
            [rng.uniform(0, 1, 2000), rng.uniform(0, 3 * x[2 + leader] + 0.1, 2000)]
        )
        earned = true_profits(case, follow(case, leader, own))[:, leader]
        # NaN: what the leader shares would make the other's unit cost negative.
        assert np.nanmax(earned) <= best + 1e-9 * max(1.0, abs(best))
        # The follower's part is its best reply, by a grid over its own levels.
        other = 1 - leader
        s, t = np.meshgrid(np.linspace(0, 1, 61), np.linspace(0, 2 * x[2 + other] + 0.5, 301))
        grid = np.repeat(x[None], s.size, axis=0)
        grid[:, other], grid[:, 2 + other] = s.ravel(), t.ravel()
        kept = float(true_profits(case, x[None])[0, other])
        assert true_profits(case, grid)[:, other].max() <= kept + 1e-9 * max(1.0, abs(kept))


def test_a_leader_goes_to_where_the_follower_is_about_to_answer_otherwise() -> None:
    """The best of the leader's commitments lies where the follower's reply jumps and is about to
    grow without limit at once: no commitment on a grid around it, finer and finer, earns more, and
    none a little beyond it on any side as much."""
    case = LED.flat()
    x = levels_of(solve_regime(case, "sequential"))
    best, centre = float(true_profits(case, x[None])[0, 0]), x[[0, 2]]
    for width in (1.0, 0.1, 1e-2, 1e-4, 1e-6):
        s = np.clip(centre[0] + width * np.linspace(-1, 1, 121), 0, 1)
        t = centre[1] * (1 + width * np.linspace(-1, 1, 121))
        own = np.stack(np.meshgrid(s, t, indexing="ij"), -1).reshape(-1, 2)
        earned = true_profits(case, follow(case, 0, own))[:, 0]
        assert np.nanmax(earned) <= best + 1e-12
    sides = {
        tuple(np.round(np.nan_to_num(follow(case, 0, own[None])[0, [1, 3]], nan=-1.0), 2))
        for own in centre * (1 + 1e-7 * np.array([[-1, -9], [-1, 9], [1, 0]]))
    }
    assert len(sides) == 3  # as before the jump, as beyond it, and without limit


@pytest.mark.slow
@given(case=cases(unit_costs=True))
@settings(max_examples=10)
def test_a_leader_earns_at_least_its_equilibrium_profit(case: Case) -> None:
    """It could commit the levels of the simultaneous game, to which the other's levels are the
    reply."""
    nash, first = solve_regime(case, "nash"), solve_regime(case, "sequential")
    if nash.solved and first.solved:
        assert first.profit[0] >= nash.profit[0] - 1e-9 * max(1.0, abs(nash.profit[0]))


@pytest.mark.slow
@given(
    case=cases(forms=("saturating", "exponential"), unit_costs=True), seed=st.integers(0, 2**32 - 1)
)
@settings(max_examples=20)
def test_the_leaders_total_derivative_by_differences(case: Case, seed: int) -> None:
    """(15), (16) with the reaction of its own cost included."""
    own = random_levels(np.random.default_rng(seed), 6)[:, [0, 2]] * [0.9, 1.0] + [0.05, 0.05]
    x = follow(case, 0, own)
    slope = leader_slope(case, 0, x, DEFAULT)
    inside = ((x[:, 1] > 1e-3) & (x[:, 1] < 1 - 1e-3)) | (x[:, 1] == 0) | (x[:, 1] == 1)
    for k in (0, 1):
        h = 1e-5 * np.eye(2)[k]
        up, down = (true_profits(case, follow(case, 0, own + sign * h))[:, 0] for sign in (1, -1))
        numeric = (up - down) / 2e-5
        np.testing.assert_allclose(
            slope[inside, k],
            numeric[inside],
            rtol=2e-4,
            atol=2e-4 * max(1.0, float(np.abs(slope).max())),
        )


def test_the_firm_that_leads_is_the_only_difference_between_equal_firms() -> None:
    first, second = (
        levels_of(solve_regime(market(), key)) for key in ("sequential", "sequential_firm_2")
    )
    np.testing.assert_allclose(first, second[[1, 0, 3, 2]], atol=1e-12)


def test_unrelated_goods_without_spillovers_leave_nothing_to_lead() -> None:
    """Each firm a monopoly with its own cost: every order of moves gives the simultaneous
    levels."""
    case = market(cross_slope=0.0, demand_spillover=0.0, rivalry=0.0, cost_spillover=0.0)
    nash = levels_of(solve_regime(case, "nash"))
    for key in ("sequential", "investment_first"):
        np.testing.assert_allclose(levels_of(solve_regime(case, key)), nash, atol=1e-9)


def test_without_interaction_in_leakage_investing_first_changes_nothing() -> None:
    """With phi3 = 0 a firm's best sharing does not answer the rival's, so the rival's cannot be
    moved by investing first."""
    case = market(leakage=(1.0, 0.3, 0.0), intercept=[20, 17])
    np.testing.assert_allclose(
        levels_of(solve_regime(case, "investment_first")),
        levels_of(solve_regime(case, "nash")),
        atol=1e-10,
    )


@pytest.mark.slow
@given(case=cases(unit_costs=True), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_the_sharing_equilibrium_is_a_pair_of_best_replies(case: Case, seed: int) -> None:
    """At given investments: the exact reply in sharing against a grid, and the derivative by
    differences where nothing switches."""
    t = random_levels(np.random.default_rng(seed), 5)[:, 2:]
    s, by = sharing_equilibrium(case, t)
    x = np.concatenate([s, t], -1)
    kept = true_profits(case, x)
    for firm in (0, 1):
        for value in np.linspace(0, 1, 101):
            y = x.copy()
            y[:, firm] = value
            assert (true_profits(case, y)[:, firm] <= kept[:, firm] + 1e-9).all()
    h = STEP
    for k in (0, 1):
        step = h * np.eye(2)[k]
        up, down = sharing_equilibrium(case, t + step)[0], sharing_equilibrium(case, t - step)[0]
        smooth = ((s > 1e-3) & (s < 1 - 1e-3) | ((up == s) & (down == s))).all(-1)
        np.testing.assert_allclose(by[smooth][:, :, k], ((up - down) / (2 * h))[smooth], atol=1e-6)


@pytest.mark.slow
@given(case=cases(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_no_other_investment_pays_when_sharing_follows(case: Case, seed: int) -> None:
    outcome = solve_regime(case, "investment_first")
    if not outcome.solved:
        return
    x = levels_of(outcome)
    np.testing.assert_allclose(sharing_equilibrium(case, x[None, 2:])[0][0], x[:2], atol=1e-12)
    rng = np.random.default_rng(seed)
    for firm in (0, 1):
        t = np.repeat(x[None, 2:], 2000, axis=0)
        t[:, firm] = rng.uniform(0, 3 * x[2 + firm] + 0.1, 2000)
        moved = np.concatenate([sharing_equilibrium(case, t)[0], t], -1)
        best = outcome.profit[firm]
        assert true_profits(case, moved)[:, firm].max() <= best + 1e-9 * max(1.0, abs(best))


@pytest.mark.slow
def test_many_markets_at_once_give_the_figures_of_one_at_a_time() -> None:
    rng = np.random.default_rng(3)
    scale = rng.uniform(6, 30, (6, 1))
    many = market(cost_scale=scale, intercept=rng.uniform(15, 25, (6, 2)))
    for solve in (
        lambda case, lanes: lead(case, lanes, 0),
        lambda case, lanes: invest_first(case, lanes, alone(case, lanes)),
    ):
        together = solve(many, 6).levels
        for lane in range(6):
            np.testing.assert_allclose(
                together[lane], solve(many.take([lane]), 1).levels[0], rtol=1e-10, atol=1e-12
            )


FED = make_case(
    intercept=20,
    own_slope=0.8,
    cross_slope=0.6,
    rivalry=0.67,
    demand_spillover=0.47,
    leakage=(5, 1, 0.6),
    cost_form="exponential",
    cost_scale=30,
    max_saving=0.97,
    cost_spillover=0.3,
    reference_investment=2.4,
)
"""Equal firms for which what is exchanged pays for itself at small and at vast investments."""


@pytest.mark.parametrize("regime", ["investment_first", "sharing_alliance"])
def test_the_equilibrium_of_the_highest_joint_profit_is_told_however_far_it_lies(
    regime: str,
) -> None:
    """At full sharing t = 459.2 is an equilibrium in investments, from which nobody gains by any
    other, with joint profit 46,104.6; where nearly nothing is shared firms earn 642 together."""
    x = np.array([[1.0, 1.0, 459.2149533, 459.2149533]])
    assert account(FED.flat(), x, bertrand_matrix).profit.sum() == pytest.approx(46104.61, abs=0.01)
    earned = true_profits(FED.flat(), x)[0, 0]
    tried = np.concatenate([np.linspace(0, 2000, 4001), np.geomspace(2000, 1e6, 200)])
    others = np.tile(x, (len(tried), 1))
    others[:, 2] = tried
    assert true_profits(FED.flat(), others)[:, 0].max() <= earned * (1 + 1e-9)
    outcome = solve_regime(FED, regime)
    assert outcome.levels is not None
    assert outcome.levels == pytest.approx(x[0], rel=1e-7)
    assert outcome.certificate.others
    found = solve_markets(FED.flat(), regime, 1)
    assert found.levels[0] == pytest.approx(x[0], rel=1e-7)


def test_investments_that_run_away_are_told_as_no_levels() -> None:
    """Best replies from anywhere above a few demands grow on; at 10^20 rounding leaves neither a
    slope nor a gain."""
    case = make_case(
        intercept=[45.0, 44.0],
        own_slope=0.39,
        cross_slope=0.3,
        rivalry=[0.53, 0.48],
        demand_spillover=[0.83, 0.8],
        leakage=(24.0, 4.5, 10.0),
        cost_scale=5.1,
        max_saving=0.36,
        cost_spillover=0.31,
        reference_investment=15.0,
    )
    assert solve_regime(case, "investment_first").status == "unbounded"


def test_a_leader_that_would_invest_without_limit_is_reported() -> None:
    outcome = solve_regime(market(cost_scale=1.2), "sequential")
    assert outcome.status == "unbounded"
    assert outcome.message is not None
    assert "still rises at the largest investment searched" in outcome.message


def test_a_pole_of_the_followers_reply_leaves_the_leader_no_limit() -> None:
    """With saturating costs a follower that receives u has a bounded best reply while
    k (1 - gamma + gamma / (1 + lambda_c u / t0)) exceeds 2 G; near the u at which it does not, the
    leader earns a hundred times as much ten times as near. It would not be seen on a grid."""
    k, gamma, useful = 4.0, 0.9, [0.8, 0.6]
    case = market(cost_scale=k, max_saving=gamma, cost_spillover=useful)
    b, x = float(case.own_slope[0, 0]), float(case.cross_slope[0, 0])
    slope = 2 * b + x * (float(case.demand_spillover[0, 0]) - float(case.rivalry[0, 0]))
    needed = 2 * b * slope**2 / (4 * b**2 - x**2) ** 2 / k
    for leader, key in ((0, "sequential"), (1, "sequential_firm_2")):
        u = (gamma / (needed - 1 + gamma) - 1) / useful[1 - leader]
        assert received_at_pole(case, leader) == pytest.approx(u, rel=1e-12)
        s, t = pole(case, leader)[0]
        assert s * t == pytest.approx(u, rel=1e-12)
        near = np.array([[s, t * (1 - d)] for d in (1e-4, 1e-5)])
        earned = true_profits(case, follow(case, leader, near))[:, leader]
        assert earned[1] == pytest.approx(100 * earned[0], rel=1e-2)
        outcome = solve_regime(case, key)
        assert outcome.status == "unbounded"
        assert f"{s:.6g} and its investment {t:.6g}" in outcome.message
    capped = replace(case, investment_cap=np.full((1, 1), 5.0))
    assert np.isinf(received_at_pole(capped, 0)).all()
    # what a follower that grows without limit takes from the leader is no reason to lead there
    harmful = market(
        intercept=1.0,
        own_slope=[1.1, 0.91],
        cross_slope=0.8,
        rivalry=[0.7, 0.79],
        demand_spillover=0.344,
        leakage=(1.8, 1.55, 0.24),
        cost_scale=0.867,
        max_saving=0.9,
        cost_spillover=0.034,
    )
    assert np.isfinite(received_at_pole(harmful, 1)).all()
    assert np.isnan(pole(harmful, 1)).all()


def test_a_leaders_payoff_that_falls_before_it_grows_has_no_limit_all_the_same() -> None:
    """Far out the second firm's payoff is 0.9136 t^2 where it shares everything, as an independent
    search has it, and that of the first falls."""
    case = market(
        intercept=[10.09, 12.22],
        own_slope=[5.45, 2.92],
        cross_slope=1.33,
        rivalry=0.0,
        demand_spillover=[0.88, 1.0],
        leakage=(45.0, 2.36, 25.8),
        cost_scale=1.91,
        cost_spillover=[1.0, 0.384],
        cost_form="restricted",
    )
    far, own = far_market(case), np.array([[1.0, 1.0], [1.0, 1e8]])
    for leader, key, sign in ((0, "sequential", -1), (1, "sequential_firm_2", 1)):
        there = follow(far, leader, own[:1])
        limit = true_profits(far, there)[:, leader]
        earned = true_profits(case, follow(case, leader, own[1:]))[:, leader] / 1e16
        assert np.sign(limit) == sign
        assert limit == pytest.approx(earned, rel=1e-5)
        assert solve_regime(case, key).status == ("unbounded" if sign > 0 else "converged")


def test_a_commitment_far_beyond_what_a_firm_would_invest_alone_is_found() -> None:
    """Forty times that, where the follower just shares everything: an independent search has
    1.154474 where the best nearby is 1.148236."""
    case = market(
        intercept=1.0,
        own_slope=1.0,
        cross_slope=0.68935545,
        rivalry=0.95183737,
        demand_spillover=1.0,
        leakage=(0.19689742, 0.02120599, 0.00160756),
        cost_scale=16.75693135,
        max_saving=0.9,
        cost_spillover=1.0,
        reference_investment=1 / 27.44288167,
        cost_form="exponential",
    )
    outcome = solve_regime(case, "sequential")
    x = levels_of(outcome)
    assert x == pytest.approx([1.0, 1.0, 1.470014, 1.093818], abs=1e-5)
    assert true_profits(case, x[None])[0, 0] == pytest.approx(1.154474, abs=1e-6)


def test_the_accounts_agree_with_the_profits_of_the_stages() -> None:
    case = market(unit_cost=(2.0, 0.1, 0.05, 0.02), intercept=[20, 16])
    x = random_levels(np.random.default_rng(0), 5)
    np.testing.assert_allclose(
        true_profits(case, x), account(case, x, bertrand_matrix).profit, rtol=1e-12
    )
    assert best_reply(case, x, 0)[0].shape == (5, 4)


@pytest.mark.parametrize("key", ["sequential", "investment_first"])
def test_a_binding_cap_is_a_corner(key: str) -> None:
    outcome = solve_regime(market(investment_cap=0.3), key)
    assert outcome.status == "corner"
    assert Binding("investment", 0, 0.3) in outcome.certificate.bounds


STEEP = ((0.25, 6.2), (0.1, 0.1), (0.02, 6.0))
"""Own, cross and interaction leakage of either firm: one's sharing is nearly free, and what it gets
by it is the other's; with slopes 1.5 and 1 the best replies are 6.06 s_2 / 1.3 and 18.02 s_1 / 37
where nobody invests."""


def test_of_two_sharing_equilibria_that_which_replies_lead_to_counts() -> None:
    case = market(own_slope=1.5, cross_slope=1.0, leakage=STEEP, investment_cap=0.0)
    outcome = solve_regime(case, "investment_first")
    np.testing.assert_allclose(levels_of(outcome), [1, 18.02 / 37, 0, 0], rtol=1e-12)


def test_nothing_is_claimed_where_sharing_does_not_follow_from_investments() -> None:
    """The rival's sharing is what makes own sharing pay, investment what makes it a loss: all and
    nothing are both equilibria."""
    case = market(own_slope=1.5, cross_slope=1.0, leakage=STEEP, demand_spillover=-0.3)
    outcome = solve_regime(case, "investment_first")
    assert outcome.status == "not_converged"
    assert "security.leakage differs so much between firms" in str(outcome.message)
