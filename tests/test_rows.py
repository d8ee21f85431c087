"""Rows own everything true of them: a renamed copy changes no figure, a new one is a row in one
table and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from admissible import market

from market.certify.uniqueness import uniqueness
from market.model.case import Array, Case
from market.model.cost import COST_FORMS, CostForm, of_share
from market.model.outcome import Outcome
from market.model.payoff import Payoff
from market.model.pricing import bertrand_matrix
from market.model.reply import best_reply
from market.model.wellposed import required_scale
from market.regimes import (
    BOTH,
    REGIMES,
    Regime,
    benefit_matrix,
    level_bounds,
    solve_markets,
    solve_regime,
    solve_regimes,
)
from market.solve.optimum import maximise
from mechanism.casefile.together import stack
from mechanism.scheme.allocation import allocate, levels_over_pairs

UNEQUAL: dict[str, object] = {"intercept": [20.0, 17.0], "cost_spillover": [0.5, 0.2]}
VARIANTS: tuple[dict[str, object], ...] = (
    {},
    UNEQUAL,
    {"cost_scale": 2.0},
    {"unit_cost": (2.0, 0.1, 0.0, 0.0)},
)
"""Markets that are solved, and one in which some regimes are unbounded."""


def as_text(outcomes: Mapping[str, Outcome]) -> str:
    """Every figure, status and word of outcomes."""
    return json.dumps({key: outcome.tree() for key, outcome in outcomes.items()})


@pytest.mark.slow
@pytest.mark.parametrize("changes", VARIANTS)
def test_a_renamed_copy_of_a_cost_form_changes_nothing(
    changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COST_FORMS, "copy", replace(COST_FORMS["saturating"], key="copy"))
    one, two = market(**changes), market(cost_form="copy", **changes)
    assert as_text(solve_regimes(one)) == as_text(solve_regimes(two))
    points = np.linspace(0.1, 0.9, 7)
    for key in ("nash", "social_optimum"):
        plain = [levels_over_pairs(case, points, key).levels for case in (one, two)]
        np.testing.assert_array_equal(*plain)


@pytest.mark.slow
@pytest.mark.parametrize("changes", VARIANTS)
def test_a_renamed_copy_of_a_regime_changes_nothing(
    changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = market(**changes)
    for key in ("nash", "social_optimum", "sequential"):
        monkeypatch.setitem(REGIMES, "copy", replace(REGIMES[key], key="copy"))
        outcomes = solve_regimes(case)
        assert as_text({key: outcomes[key]}) == as_text({key: outcomes["copy"]})
        ours, theirs = (solve_markets(stack([case, case]), name, 2) for name in (key, "copy"))
        np.testing.assert_array_equal(ours.levels, theirs.levels)
        assert list(ours.status) == list(theirs.status)


# --- a new cost form


def _half_as_fast(y: Array, gamma: Array) -> Array:
    return 1 - gamma * (y / (2 + y))


def _half_as_fast_bends(y: Array, gamma: Array) -> tuple[Array, Array]:
    return -2 * gamma / (2 + y) ** 2, 4 * gamma / (2 + y) ** 3


@pytest.fixture
def hyperbolic(monkeypatch: pytest.MonkeyPatch) -> CostForm:
    """A form that saves like the saturating one from half the knowledge received."""
    row = of_share(
        _half_as_fast,
        _half_as_fast_bends,
        key="hyperbolic",
        label="hyperbolic",
        formula="(k/2) t^2 [1 - gamma y/(2+y)]",
        saved=(0.5,),
        convex_in_both=True,
    )
    monkeypatch.setitem(COST_FORMS, row.key, row)
    return row


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, UNEQUAL])
def test_a_new_cost_form_is_solved_as_the_one_it_equals(
    changes: dict[str, object], hyperbolic: CostForm
) -> None:
    """y / (2 + y) is the saturating saving at half the knowledge, so a market at lambda_c is the
    saturating one at lambda_c / 2: another road to every figure, proofs included."""
    case = market(cost_form=hyperbolic.key, **changes)
    twin = replace(case, cost_form="saturating", cost_spillover=case.cost_spillover / 2)
    outcomes, expected = solve_regimes(case), solve_regimes(twin)
    for key, outcome in outcomes.items():
        assert outcome.levels is not None, (key, outcome.message)
        assert expected[key].levels is not None
        np.testing.assert_allclose(
            outcome.levels, expected[key].levels, rtol=1e-7, atol=1e-8, err_msg=key
        )
        assert outcome.welfare == pytest.approx(expected[key].welfare, rel=1e-10)
        assert outcome.certificate.scope == expected[key].certificate.scope
        assert outcome.status == expected[key].status
    assert outcomes["social_optimum"].certificate.scope == "proven"
    assert uniqueness(case).status == uniqueness(twin).status == "proven"
    points = np.linspace(0.1, 0.9, 7)
    for key in ("nash", "social_optimum"):
        found = levels_over_pairs(case, points, key).levels
        np.testing.assert_allclose(
            found, levels_over_pairs(twin, points / 2, key).levels, rtol=1e-7, atol=1e-8
        )


@pytest.mark.slow
def test_a_new_cost_form_survives_without_a_solution_alone_and_in_lanes(
    hyperbolic: CostForm,
) -> None:
    cases = [market(cost_form=hyperbolic.key, cost_scale=k) for k in (2.0, 20.0, 0.3)]
    lanes = stack(cases)
    for key in REGIMES:
        together = solve_markets(lanes, key, len(cases))
        alone = [solve_regime(case, key) for case in cases]
        assert list(together.status) == [outcome.status for outcome in alone]
        assert [message or None for message in together.message] == [
            outcome.message for outcome in alone
        ]
        for lane, outcome in enumerate(alone):
            if outcome.levels is not None:
                np.testing.assert_allclose(
                    together.levels[lane], outcome.levels, rtol=1e-7, atol=1e-8
                )
    assert solve_regime(cases[0], "first_best").status == "unbounded"
    assert "cost.max_saving = 0.5" in (solve_regime(cases[0], "first_best").message or "")
    assert hyperbolic.described() == "hyperbolic: (k/2) t^2 [1 - gamma y/(2+y)]"


# --- a new regime


@pytest.fixture
def half_welfare(monkeypatch: pytest.MonkeyPatch) -> Regime:
    """A planner to whom profits count as much as welfare."""
    row = Regime(
        key="half_welfare",
        chooser="planner",
        prices=bertrand_matrix,
        welfare_weight=0.5,
        label="Planner who minds profits",
        phrase="a planner who minds profits",
        role="benchmark",
        objective="the mean of welfare and joint profit",
    )
    monkeypatch.setitem(REGIMES, row.key, row)
    return row


def _mean_of_welfare_and_profit(case: Case, x: Array) -> Array:
    from market.model.outcome import account

    books = account(case, x, bertrand_matrix)
    return np.asarray((books.total_surplus.sum(-1) + books.profit.sum(-1)) / 2)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, UNEQUAL])
def test_a_new_regime_is_solved_alone_in_lanes_and_over_pairs(
    changes: dict[str, object], half_welfare: Regime
) -> None:
    """Against a climb from a dense grid, of a value read off the accounts."""
    case = market(**changes)
    outcome = solve_regimes(case)[half_welfare.key]
    assert outcome.levels is not None
    assert outcome.certificate.scope == "proven"
    value = float(_mean_of_welfare_and_profit(case, outcome.levels[None])[0])
    s, t = np.linspace(0, 1, 9), np.linspace(0, 3, 13)
    grid = np.array(np.meshgrid(s, s, t, t)).reshape(4, -1).T
    assert _mean_of_welfare_and_profit(case, grid).max() <= value + 1e-9
    payoff = Payoff(case=case, benefit=benefit_matrix(case, half_welfare), cost_weight=BOTH)
    np.testing.assert_allclose(payoff.value(outcome.levels[None]), value, rtol=1e-12)
    climbs = maximise(payoff, grid[::97], *level_bounds(case, len(grid[::97])))
    assert climbs.value.max() <= value + 1e-9 * value
    assert climbs.value.max() == pytest.approx(value, rel=1e-9)
    lanes = solve_markets(stack([case, market(cost_scale=12.0)]), half_welfare.key, 2)
    np.testing.assert_allclose(lanes.levels[0], outcome.levels, rtol=1e-8)
    points = np.array([0.1, 0.5, 0.9])
    found = allocate(case, points, half_welfare.key)
    there = solve_regime(case.with_cost_spillover([[0.9, 0.1]]), half_welfare.key)
    np.testing.assert_allclose(found.levels[2, 0], there.levels, rtol=1e-7)


def test_a_new_regime_without_a_solution_says_what_grows(half_welfare: Regime) -> None:
    needed = float(required_scale(market(), benefit_matrix(market(), half_welfare))[0])
    ill = market(cost_scale=0.9 * needed)
    outcome = solve_regime(ill, half_welfare.key)
    assert outcome.status == "unbounded"
    assert (outcome.message or "").startswith(
        "the mean of welfare and joint profit grows without limit"
    )
    lanes = solve_markets(stack([ill, market()]), half_welfare.key, 2)
    assert list(lanes.status) == ["unbounded", "converged"]
    assert lanes.message[0] == outcome.message
    assert not half_welfare.policy


@pytest.mark.slow
def test_a_new_leader_is_the_mirror_image_only_for_equal_firms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`mirror_of` is a fact of the row; what leads to the outcome of unequal firms is the firm's
    own commitment."""
    monkeypatch.setitem(REGIMES, "second", replace(REGIMES["sequential_firm_2"], key="second"))
    for case in (market(), market(**UNEQUAL)):
        outcome, alone = solve_regimes(case)["second"], solve_regime(case, "sequential_firm_2")
        assert outcome.levels is not None
        np.testing.assert_allclose(outcome.levels, alone.levels, rtol=1e-8)
        reply = best_reply(case, outcome.levels[None], 0)[0][0]
        np.testing.assert_allclose(reply, outcome.levels, atol=1e-9)


# --- results


def test_results_are_read_only() -> None:
    case = market()
    outcome, lanes = solve_regime(case, "nash"), solve_markets(case, "nash", 1)
    assert outcome.levels is not None
    assert outcome.accounts is not None
    for array in (outcome.levels, outcome.accounts.profit, lanes.levels, lanes.status):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0
