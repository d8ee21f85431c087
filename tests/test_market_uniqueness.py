"""Uniqueness proven by intervals, symmetric equilibria by scanning, stability."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from admissible import cases, market, random_levels
from hypothesis import given, settings
from hypothesis import strategies as st

from market.certify.uniqueness import _conditions as conditions
from market.certify.uniqueness import _letters as letters
from market.certify.uniqueness import (
    every_firm_stays,
    largest_investment,
    symmetric_levels,
    uniqueness,
)
from market.model.case import Case, make_case
from market.model.pricing import bertrand_matrix, revenue_matrices
from market.model.reply import best_reply
from market.model.units import in_units, natural_units
from market.model.wellposed import required_scale
from market.regimes import REGIMES, firm_game, solve_regime
from market.regimes.exits import driven_out
from market.regimes.stages import sharing_equilibrium
from market.solve.equilibrium import best_reply_rounds, find_equilibria, own_system
from market.solve.interval import Interval
from market.solve.tolerances import DEFAULT

SEVERAL = {
    "intercept": 15.976,
    "own_slope": 1.198,
    "cross_slope": 0.377,
    "rivalry": 0.834,
    "demand_spillover": 0.461,
    "leakage": (1.126, 0.258, 0.184),
    "max_saving": 0.424,
    "cost_spillover": 0.276,
    "cost_scale": 0.745,
}
"""Equal firms of which, in equilibrium, one invests twice as much as the other; the symmetric
equilibrium is unstable."""


@pytest.mark.slow
@given(case=cases(forms=("saturating", "exponential")), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_nothing_else_is_found_where_uniqueness_is_proven(case: Case, seed: int) -> None:
    if uniqueness(case).status != "proven":
        return
    starts = random_levels(np.random.default_rng(seed), 40, 1.5 * largest_investment(case))
    found = find_equilibria(firm_game(case, REGIMES["nash"]), starts)
    assert len(found.x) <= 1
    if len(found.x):
        assert (found.x[0, 2:] <= largest_investment(case)).all()


STEEP = make_case(
    intercept=10,
    own_slope=0.91,
    cross_slope=0.6,
    rivalry=0.97,
    demand_spillover=0.75,
    leakage=(0.66, 0.2, 0.092),
    max_saving=0.44,
    cost_spillover=0.28,
    cost_scale=0.67,
    investment_cap=31,
)


def test_the_only_equilibrium_with_both_is_not_the_only_one_where_a_firm_may_be_out() -> None:
    """Where firms do not share the first could also invest alone, and the other then sells nothing
    whatever it does: 2 b n_j + x n_i = 18.2 + 6 + t (.6 - 1.7654) < 0 from t = 20.77 on."""
    assert uniqueness(in_units(STEEP.flat(), natural_units(STEEP.flat())), 0.0).status == "proven"
    alone = best_reply(STEEP.flat(), np.zeros((1, 4)), 0, (0.0, 0.0))[0]
    assert alone[0, 2] > 24.2 / 1.1654
    most = best_reply(STEEP.flat(), alone, 1, (0.0, 0.0))[1]
    assert most[0] <= 0
    outcome = solve_regime(STEEP, "no_sharing")
    assert outcome.levels is not None
    only = outcome.certificate.unique
    assert only is not None
    assert only.status == "no"
    assert [tuple(one.levels[2:] > 0) for one in outcome.certificate.others] in (
        [(True, False), (False, True)],
        [(False, True), (True, False)],
    )


@pytest.mark.parametrize("cap", [0.5, 2.0])
@pytest.mark.parametrize("scale", [0.05, 0.2])
def test_that_every_firm_invests_all_it_may_is_proven_at_once(cap: float, scale: float) -> None:
    """Profit is convex in own investment: what is left of boxes never becomes one-to-one."""
    case = market(cost_scale=scale, investment_cap=cap)
    only = uniqueness(case)
    assert only.status == "proven"
    assert int(only.basis.split("(")[1].split()[0]) < 100
    game = firm_game(case, REGIMES["nash"])
    starts = random_levels(np.random.default_rng(1), 20, cap)
    found = find_equilibria(game, starts)
    assert len(found.x) == 1
    assert found.x[0, 2:] == pytest.approx([cap, cap])


@given(
    case=cases(forms=("saturating", "exponential")),
    rivalry=st.floats(0.3, 1.0),
    scale=st.floats(0.3, 1.5),
    cap=st.floats(0.5, 20),
)
@settings(max_examples=60)
def test_no_firm_is_out_where_none_can_be(
    case: Case, rivalry: float, scale: float, cap: float
) -> None:
    needed = float(required_scale(case, revenue_matrices(case, bertrand_matrix).sum(-3)).max())
    harsh = replace(
        case,
        rivalry=np.full((1, 1), rivalry),
        cost_scale=np.full((1, 1), scale * max(needed, 1e-3)),
        investment_cap=np.full((1, 1), cap),
    )
    if every_firm_stays(harsh):
        for key in ("nash", "no_sharing"):
            assert not len(driven_out(harsh, REGIMES[key], DEFAULT))


@given(
    case=cases(forms=("saturating", "exponential")),
    seed=st.integers(0, 2**32 - 1),
    imposed=st.sampled_from([None, 0.0, 1.0]),
)
@settings(max_examples=40)
def test_intervals_enclose_the_conditions_and_their_slopes(
    case: Case, seed: int, imposed: float | None
) -> None:
    """Random points of random boxes: G is the gradient in own investment at the sharing
    equilibrium, its slope by differences."""
    rng = np.random.default_rng(seed)
    ends = np.sort(rng.uniform(0, 3, (2, 1, 2)), axis=0)
    box = Interval(ends[0], ends[1])
    G, (own, cross) = conditions(case, letters(case), box, imposed)
    game = firm_game(case, REGIMES["nash"])

    def gradient(t: np.ndarray) -> np.ndarray:
        s = sharing_equilibrium(case, t)[0] if imposed is None else np.full_like(t, imposed)
        return own_system(game, np.concatenate([s, t], -1))[1][:, 2:]

    t = rng.uniform(ends[0], ends[1], (30, 2))
    value, slack = gradient(t), 1e-8 * max(1.0, float(np.abs(G.high).max()))
    assert (value >= G.low - slack).all()
    assert (value <= G.high + slack).all()
    h = 1e-6
    for k, (low, high) in enumerate(zip(ends[0, 0], ends[1, 0], strict=True)):
        inside = (t[:, k] - h > low) & (t[:, k] + h < high)
        step = h * np.eye(2)[k]
        slope = ((gradient(t + step) - gradient(t - step)) / (2 * h))[inside]
        bound = 1e-5 * max(1.0, float(np.abs(slope).max(initial=0.0)))
        for firm, enclosure in ((k, own), (1 - k, cross)):
            assert (slope[:, firm] >= enclosure.low[0, firm] - bound).all()
            assert (slope[:, firm] <= enclosure.high[0, firm] + bound).all()


def test_equal_firms_with_three_equilibria() -> None:
    """Both asymmetric ones are listed, the symmetric one is found by scanning, and best replies run
    away from it."""
    case = market(**SEVERAL)
    certificate = solve_regime(case, "nash").certificate
    assert certificate.unique is not None
    assert certificate.unique.status == "no"
    assert [other.stable for other in certificate.others] == [True, False]
    symmetric = certificate.others[1]
    np.testing.assert_allclose(symmetric_levels(case)[0], symmetric.levels, rtol=1e-9)
    near = symmetric.levels[None].copy()
    near[0, 3] += 1e-3
    there = best_reply_rounds(firm_game(case, REGIMES["nash"]), near, 200)[0]
    assert abs(there[2] - there[3]) > 1


def test_at_a_stable_equilibrium_best_replies_return_at_the_rate_of_the_eigenvalue() -> None:
    """Answering in turn contracts by the square of the modulus of the simultaneous map."""
    case = market(intercept=[20, 16], cost_scale=6.0)
    outcome = solve_regime(case, "nash")
    assert outcome.levels is not None
    assert outcome.certificate.reply_eigenvalues is not None
    rate = max(outcome.certificate.reply_eigenvalues) ** 2
    game, x = firm_game(case, REGIMES["nash"]), outcome.levels[None] + [[0, 0, 0, 1e-2]]
    first = best_reply_rounds(game, x, 2)
    second = best_reply_rounds(game, first, 1)
    ratio = np.abs(second - outcome.levels)[0, 2:] / np.abs(first - outcome.levels)[0, 2:]
    np.testing.assert_allclose(ratio, rate, rtol=0.03)


def test_the_scan_finds_the_only_symmetric_equilibrium_and_the_cap() -> None:
    x = solve_regime(market(), "nash").levels
    np.testing.assert_allclose(symmetric_levels(market()), [x], rtol=1e-9)
    capped = symmetric_levels(market(investment_cap=0.4))
    np.testing.assert_allclose(capped[:, 2:], [[0.4, 0.4]])


@pytest.mark.parametrize(
    "changes", [{"cost_form": "restricted"}, {"unit_cost": (2.0, 0.1, 0.0, 0.0)}]
)
def test_what_no_proof_covers_is_said(changes: dict[str, object]) -> None:
    certificate = solve_regime(market(**changes), "nash").certificate
    assert certificate.unique is not None
    assert certificate.unique.status == "not proven"
    assert "no proof covers" in certificate.unique.basis
