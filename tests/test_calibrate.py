"""From observations to a market: known markets recovered, published and computed figures, what is
told of intervals, and data that fit no market."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from observations import EVERYTHING, MARKET, data, observed, parameters, priors_at, today
from scipy.stats import binomtest, kstest

from market.calibrate.chain import chain
from market.calibrate.datafile import Common, FirmRow, parse_data
from market.calibrate.fit import Fit, LeastSquares, fit, pose, solve
from market.calibrate.moments import OBSERVABLES
from market.calibrate.observed import NoCase
from market.calibrate.parameters import Parameters, priors_of
from market.calibrate.products import linear_demand
from market.casefile.faults import BadCase
from market.model.outcome import account
from market.model.pricing import bertrand, bertrand_matrix
from market.regimes import solve_regime
from mechanism.analysis.calibration import calibrate
from mechanism.analysis.informative import gain_at_stake

ASSUMED = ("rivalry", "leakage_interaction_share", "max_saving")
EVERY_PRIOR = (
    *("rivalry", "demand_spillover", "leakage_own", "leak_switch", "leakage_interaction_share"),
    *("max_saving", "cost_spillover"),
)
SLOPES = ("own_slope", "cross_slope", "cost_scale")


def asym_data(**blocks: Any) -> Any:
    """The market `asym` as it was computed independently, with ten digits."""
    names = ("price", "quantity", "margin", "diversion", "security_spending", "sharing")
    alpha = dict(
        zip(
            (*names, "leak_churn", "saving_share"),
            (
                *(12.72250433, 15.55600692, 0.7641973684, 0.4375, 3.507644937, 0.06171473975),
                *(0.0002448384808, 0.007560854462),
            ),
            strict=True,
        )
    )
    beta = dict(
        zip(
            (*names, "saving_share"),
            (
                *(12.32328842, 11.18794611, 0.7565584853, 0.5833333333, 3.30726805),
                *(0.04647542053, 0.0102548134),
            ),
            strict=True,
        )
    )
    tree = {
        "firms": [alpha, beta],
        "common": {"leak_switch": 0.3},
        "priors": {"rivalry": 0.2, "leakage_interaction_share": 0.15, "max_saving": 0.4},
        "reference_investment": 1.0,
    }
    return parse_data(tree | blocks)


# --- the chain and the fit


PLAIN = {
    "firms": [
        {"price": 100, "quantity": 100, "margin": 0.5, "diversion": 0.4, "sharing": 0.3},
        {"price": 90, "quantity": 120, "margin": 0.5, "diversion": 0.35, "sharing": 0.25},
    ]
}
for _row, _spent in zip(PLAIN["firms"], (50, 60), strict=True):
    _row["security_spending"] = _spent


def test_a_belief_of_the_program_is_no_reason_to_refuse_data() -> None:
    """Leaks of which nothing is known are as small as the sharing asks for; those that are told, or
    believed by who gives the data, are not touched."""
    given = parse_data(PLAIN)
    found = chain(given, priors_of(given))
    assert max(found.implied_spillover) == pytest.approx(0.5)
    assert found.priors["leakage_own"].median < priors_of(given)["leakage_own"].median
    for told in (0.2, 0.9):
        other = parse_data(
            PLAIN | {"priors": {"demand_spillover": {"median": told, "log_sd": 0.3}}}
        )
        there = chain(other, priors_of(other)).priors["leakage_own"].median
        assert (there > found.priors["leakage_own"].median) == (told > 0.5)
    for believed in (2.0, {"median": 2.0, "log_sd": 0.5}):
        own = parse_data(PLAIN | {"priors": {"leakage_own": believed}})
        assert chain(own, priors_of(own)).priors == priors_of(own)
        assert calibrate(own).refused is not None
    rich = parse_data({"firms": [one | {"security_spending": 2000.0} for one in PLAIN["firms"]]})
    assert chain(rich, priors_of(rich)).priors == priors_of(rich)


def test_the_chain_recovers_a_market_from_its_own_outcomes() -> None:
    given = asym_data()
    found = chain(given, priors_of(given))
    want = parameters()
    for name, value in vars(found.parameters).items():
        np.testing.assert_allclose(value, getattr(want, name), rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(found.levels[2:], [0.7105699702, 0.6909139771], rtol=1e-6)
    np.testing.assert_allclose(found.implied_spillover, [0.5, 0.5], rtol=1e-6)


def test_exact_data_give_the_case_back() -> None:
    """Unit costs and gross intercepts included, and as today's market what was observed."""
    found = fit(asym_data())
    values = found.case_values
    want = {
        "demand.intercept[0]": 26.7,
        "demand.intercept[1]": 16.5,
        "demand.own_slope[0]": 1.6,
        "demand.own_slope[1]": 1.2,
        "demand.cross_slope": 0.7,
        "security.rivalry": 0.2,
        "security.demand_spillover": 0.5,
        "security.leakage.own": 1.0,
        "security.leakage.cross": 0.3,
        "security.leakage.interaction": 0.15,
        "cost.scale": 14.0,
        "cost.max_saving": 0.4,
        "cost.spillover": 0.6,
        "unit_cost.base[0]": 3.0,
        "unit_cost.base[1]": 3.0,
    }
    assert list(values) == list(want)
    np.testing.assert_allclose(list(values.values()), list(want.values()), rtol=1e-6)
    assert found.statistic < 1e-10


@pytest.mark.slow
def test_the_case_reproduces_what_was_observed() -> None:
    given = asym_data()
    case = calibrate(given).case
    assert case is not None
    levels = solve_regime(case.market, "nash").levels
    assert levels is not None
    books = account(case.market, levels, bertrand_matrix)
    for kind, figure in (
        ("price", books.price),
        ("quantity", books.quantity),
        ("margin", 1 - books.unit_cost / books.price),
        ("security_spending", books.investment_cost),
        ("sharing", levels[:2]),
    ):
        np.testing.assert_allclose(figure, given.pair(kind), rtol=1e-6, err_msg=kind)


@pytest.mark.parametrize(
    ("truth", "kinds", "priors", "per_firm"),
    [
        ({}, EVERYTHING, ASSUMED, ("own_slope",)),
        # one slope, and one margin to tell it
        ({"own_slope": 1.4}, EVERYTHING, ASSUMED, ()),
        ({"margin": [1.0, 1.0]}, MARKET, ASSUMED, ("own_slope",)),
        (
            {
                "demand_spillover": [0.4, 0.6],
                "leakage_own": [0.8, 1.1],
                "cost_scale": [12.0, 15.0],
                "cost_spillover": [0.3, 0.6],
            },
            MARKET,
            ASSUMED,
            ("own_slope", "demand_spillover", "leakage_own", "cost_scale", "cost_spillover"),
        ),
        # hardly anything: the rest is believed
        (
            {},
            ["price", "quantity", "margin", "diversion", "security_spending", "sharing"],
            EVERY_PRIOR,
            ("own_slope",),
        ),
    ],
)
def test_markets_are_recovered_from_exact_data_with_priors_at_the_truth(
    truth: dict[str, Any], kinds: list[str], priors: tuple[str, ...], per_firm: tuple[str, ...]
) -> None:
    want = parameters(**truth)
    at = today(want)
    assert at is not None
    tree = observed(at, kinds) | {"priors": priors_at(want, priors), "per_firm": list(per_firm)}
    if "own_slope" not in per_firm:
        tree["firms"][1].pop("margin")
    found = fit(parse_data(tree)).today.parameters
    for name, value in vars(found).items():
        np.testing.assert_allclose(value, getattr(want, name), rtol=1e-6, err_msg=name)


def test_elasticities_and_unit_costs_say_what_diversion_and_margins_do() -> None:
    at = today(parameters())
    assert at is not None
    kinds = [k for k in MARKET if k not in ("margin", "diversion")]
    given = data(
        at, [*kinds, "unit_cost", "cross_elasticity"], priors=priors_at(at.parameters, ASSUMED)
    )
    for name, value in vars(fit(given).today.parameters).items():
        np.testing.assert_allclose(value, getattr(at.parameters, name), rtol=1e-6, err_msg=name)


def noisy(seed: int, noise: float = 0.05) -> Fit:
    """A fit to data with noise."""
    at = today(parameters())
    assert at is not None
    tree = observed(at, MARKET, noise, np.random.default_rng(seed))
    return fit(parse_data(tree | {"priors": priors_at(at.parameters, ASSUMED)}))


def test_derivatives_are_those_of_solving_again() -> None:
    """Implicit differentiation with complex steps, against central differences."""
    found = noisy(1)
    problem, theta, h = found.problem, found.theta, 1e-5

    def logs(point: np.ndarray) -> np.ndarray:
        at = problem.today(point, found.today.levels[0])
        assert at is not None
        return problem.logs(at, problem.asked)[0]

    apart = [(logs(theta + h * e) - logs(theta - h * e)) / (2 * h) for e in np.eye(len(theta))]
    exact = problem.derivatives(theta, found.today, problem.asked)
    np.testing.assert_allclose(exact, np.array(apart).T, rtol=1e-6, atol=1e-7)


def test_the_fit_is_a_minimum() -> None:
    found = noisy(2)
    residuals = found.problem.residuals(found.theta, found.today)
    np.testing.assert_allclose(found.jacobian.T @ residuals, 0, atol=1e-5)
    assert found.statistic == pytest.approx(float(residuals @ residuals))
    assert found.degrees == len(found.moments) + 3 - len(found.theta)


@pytest.mark.slow
def test_answers_do_not_depend_on_units_nor_on_which_firm_comes_first() -> None:
    at = today(parameters())
    assert at is not None
    tree = observed(at, MARKET, 0.05, np.random.default_rng(3))
    tree = {key: value for key, value in tree.items() if key != "reference_investment"}
    money, quantity = 1e3, 1e-2
    scale = {"price": money / quantity, "quantity": quantity, "security_spending": money}
    other = tree | {
        "firms": [{k: v * scale.get(k, 1.0) for k, v in row.items()} for row in tree["firms"]]
    }
    swapped = tree | {"firms": tree["firms"][::-1]}
    one, scaled, exchanged = (calibrate(parse_data(each)) for each in (tree, other, swapped))
    dimensions = {
        "intercept": quantity,
        "slope": quantity**2 / money,
        "leakage": quantity,
        "scale": money / quantity**2,
        "base": money / quantity,
    }
    for a, b in zip(one.estimates, scaled.estimates, strict=True):
        factor = next((f for part, f in dimensions.items() if part in a.key), 1.0)
        assert b.value == pytest.approx(factor * a.value, rel=1e-6)
        assert b.low == pytest.approx(factor * a.low, rel=1e-5)
        assert b.prior_share == pytest.approx(a.prior_share, rel=1e-4, abs=1e-9)
    assert one.stake is not None
    assert scaled.stake is not None
    assert scaled.stake.value == pytest.approx(money * one.stake.value, rel=1e-6)
    assert scaled.stake.log_sd == pytest.approx(one.stake.log_sd, rel=1e-4)
    values = {e.key: e.value for e in exchanged.estimates}
    for estimate in one.estimates:
        key = estimate.key.translate(str.maketrans("01", "10"))
        assert values[key] == pytest.approx(estimate.value, rel=1e-6)


@pytest.mark.slow
def test_exact_observations_are_met() -> None:
    at = today(parameters())
    assert at is not None
    tree = observed(at, MARKET, 0.05, np.random.default_rng(4))
    noise = {"default": 0.05, "price": 0, "firms[0].quantity": 0}
    found = fit(parse_data(tree | {"noise": noise}))
    exact = {one.key: one for one in found.moments}
    for key in ("firms[0].price", "firms[1].price", "firms[0].quantity"):
        assert exact[key].fitted == pytest.approx(exact[key].observed, rel=1e-5)


# --- what the data tell, and what they cannot


VENDORS = parameters(
    own_slope=[1.5, 1.5],
    cross_slope=1.0,
    rivalry=0.3,
    demand_spillover=0.3,
    leakage_own=1.2,
    leak_switch=1 / 6,
    leakage_interaction_share=1 / 12,
    cost_scale=12.0,
    max_saving=0.3,
    cost_spillover=0.5,
    net_intercept=[20.0, 20.0],
    margin=[1.0, 1.0],
)
FIRST = ["price", "quantity", "diversion", "security_spending", "sharing"]


@pytest.mark.parametrize(
    ("kinds", "rank", "spreads", "gain"),
    [
        ([], 7, (0.38, 0.49, 0.34, 0.13, 0.50, 0.50), 1.28),
        (["leak_churn", "leak_switch"], 9, (0.12, 0.49, 0.09, 0.13, 0.50, 0.50), 1.27),
        (
            ["leak_churn", "leak_switch", "saving_share"],
            *(10, (0.12, 0.48, 0.09, 0.13, 0.35, 0.50), 1.26),
        ),
        (
            ["leak_churn", "leak_switch", "saving_share", "stolen_share", "partner_gain"],
            *(12, (0.08, 0.05, 0.09, 0.08, 0.35, 0.48), 0.20),
        ),
    ],
)
def test_what_observations_tell_of_two_vendors(
    kinds: list[str], rank: int, spreads: tuple[float, ...], gain: float
) -> None:
    """Computed independently: standard deviations of logarithms at 5 % noise and priors of .5 on
    every parameter, and that of the alliance's gain."""
    at = today(VENDORS)
    assert at is not None
    tree = observed(at, [*FIRST, *kinds]) | {"priors": priors_at(VENDORS, EVERY_PRIOR + SLOPES)}
    for row in tree["firms"]:
        row["unit_cost"] = 0
    found = fit(parse_data(tree))
    assert (found.rank, len(found.theta)) == (rank, 13)
    sd = dict(
        zip(
            (slot.key for slot in found.problem.layout.slots),
            np.sqrt(np.diag(found.covariance)),
            strict=True,
        )
    )
    names = ("demand_spillover", "rivalry", "leakage_own", "cost_scale", "max_saving")
    for name, spread in zip((*names, "leakage_interaction_share"), spreads, strict=True):
        assert sd[name] == pytest.approx(spread, abs=0.04), name
    stake = gain_at_stake(found, "joint_profit")
    assert stake is not None
    assert stake.value == pytest.approx(6.224817803875, rel=1e-8)
    assert stake.log_sd == pytest.approx(gain, abs=0.04)
    turns = {turn.key: turn.elasticity for turn in stake.turns}
    assert turns["cross_slope"] == pytest.approx(7.0, abs=0.05)
    assert turns["own_slope[0]"] == pytest.approx(-5.3, abs=0.05)
    assert turns["own_slope[1]"] == pytest.approx(-5.3, abs=0.05)
    assert sum(part.share for part in stake.parts) == pytest.approx(1)


def test_slopes_dominate_what_the_planner_adds() -> None:
    at = today(VENDORS)
    assert at is not None
    tree = observed(at, FIRST) | {"priors": priors_at(VENDORS, EVERY_PRIOR)}
    for row in tree["firms"]:
        row["unit_cost"] = 0
    stake = gain_at_stake(fit(parse_data(tree)), "social_optimum")
    assert stake is not None
    turns = {turn.key: turn.elasticity for turn in stake.turns}
    assert turns["cross_slope"] == pytest.approx(8.9, abs=0.05)
    assert turns["own_slope[0]"] == pytest.approx(-6.3, abs=0.05)
    by = {one.key: one for one in stake.informative}
    assert next(one.key for one in stake.informative if one.observed) == "diversion"
    assert by["diversion"].observed
    assert not by["stolen_share"].observed
    assert by["leak_switch"].gain < by["diversion"].gain


@pytest.mark.slow
def test_a_further_observation_narrows_the_gain_as_is_said() -> None:
    at = today(parameters())
    assert at is not None
    priors = priors_at(at.parameters, EVERY_PRIOR)
    few = [kind for kind in MARKET if kind != "leak_churn"]
    before, after = (
        gain_at_stake(fit(data(at, kinds, priors=priors))) for kinds in (few, [*few, "leak_churn"])
    )
    assert before is not None
    assert after is not None
    told = next(one for one in before.informative if one.key == "leak_churn")
    assert not told.observed
    assert 1 - after.log_sd / before.log_sd == pytest.approx(told.gain, rel=1e-3)


@pytest.mark.slow
def test_intervals_owe_to_priors_what_is_left_without_data() -> None:
    found = {one.key: one for one in calibrate(asym_data(priors={
        "rivalry": 0.2, "leakage_interaction_share": {"median": 0.15},
    })).estimates}  # fmt: skip
    assert found["security.rivalry"].source == "prior"
    assert found["security.rivalry"].low == found["security.rivalry"].high == 0.2
    assert found["security.leakage.interaction"].prior_share > 0.8
    assert found["demand.cross_slope"].source == "data"
    assert found["demand.cross_slope"].prior_share < 1e-3
    first = found["demand.cross_slope"].influences[0]
    assert abs(first.elasticity) == pytest.approx(0.5, abs=0.02)
    for one in found.values():
        assert one.low <= one.value <= one.high
        assert 0 <= one.prior_share <= 1


def test_a_unit_cost_beside_a_margin_close_to_one_may_be_none() -> None:
    """Its logarithm is not told, but its size is: about the noise of the margin."""
    at = today(parameters(margin=[0.97, 0.75]))
    assert at is not None
    found = calibrate(data(at))
    assert found.case is not None
    assert found.case.uncertainty is not None
    by = {one.key: one for one in found.estimates}
    first, second = by["unit_cost.base[0]"], by["unit_cost.base[1]"]
    assert first.low == 0.0
    assert first.high < 6 * first.value
    assert second.low > 0
    forms = found.case.uncertainty.distributions
    assert forms["unit_cost.base[0]"].normal is not None
    assert forms["unit_cost.base[1]"].lognormal is not None


@pytest.mark.slow
def test_a_bootstrap_agrees_with_the_curvature() -> None:
    at = today(parameters())
    assert at is not None
    given = data(at, MARKET, priors={"rivalry": 0.2, "leakage_interaction_share": 0.15})
    curved, drawn = calibrate(given), calibrate(given, bootstrap=20, seed=1)
    for one, other in zip(curved.estimates, drawn.estimates, strict=True):
        if not one.certain and "max_saving" not in one.key:
            ratio = np.log(other.high / other.low) / np.log(one.high / one.low)
            assert 0.5 < ratio < 1.6
    with pytest.raises(ValueError, match="20 to 2,000"):
        calibrate(given, bootstrap=3)


# --- the statistics


def drawn_truth(draw: np.random.Generator) -> Parameters:
    """A market drawn from the priors: those that would be inadmissible are drawn again."""
    centre = parameters(demand_spillover=0.4, cost_spillover=0.5)
    while True:
        values: dict[str, Any] = {
            name: float(getattr(centre, name)[0, 0] * np.exp(0.5 * draw.normal()))
            for name in EVERY_PRIOR
        }
        values |= {
            name: np.asarray(getattr(centre, name))[0] * np.exp(0.1 * draw.normal(size=k))
            for name, k in (("own_slope", 2), ("cost_scale", 1), ("net_intercept", 2))
        }
        shares = ("rivalry", "demand_spillover", "max_saving", "cost_spillover")
        leaks = values["leak_switch"] + values["leakage_interaction_share"]
        if max(values[name] for name in shares) < 1 and leaks < 1:
            truth = parameters(**values)
            if today(truth) is not None:
                return truth


def noisy_data(at: Any, noise: float, draw: np.random.Generator, priors: Any) -> Any:
    """Observations with noise; shares that noise takes out of their range are drawn again."""
    while True:
        with suppress(BadCase):
            return parse_data(observed(at, MARKET, noise, draw) | {"priors": priors})


def statistics(noise: float, draws: int, seed: int) -> None:
    """Every fit converges, chi-squares are uniform in probability, intervals cover."""
    draw = np.random.default_rng(seed)
    centre = parameters(demand_spillover=0.4, cost_spillover=0.5)
    probabilities, hits, shares = [], {}, {}
    for _ in range(draws):
        truth = drawn_truth(draw)
        at = today(truth)
        assert at is not None
        found = fit(noisy_data(at, noise, draw, priors_at(centre, EVERY_PRIOR)))
        probabilities.append(found.p_value)
        sd = np.sqrt(np.diag(found.covariance))
        share = np.diag(found.prior_covariance) / sd**2
        for k, slot in enumerate(found.problem.layout.slots):
            true = np.log(getattr(truth, slot.name)[0][slot.firm or 0])
            hits.setdefault(slot.key, []).append(abs(found.theta[k] - true) < 1.6449 * sd[k])
            shares.setdefault(slot.key, []).append(share[k])
    assert kstest(probabilities, "uniform").pvalue > 1e-3
    for key, hit in hits.items():
        count = int(np.sum(hit))
        assert binomtest(count, draws, 0.80, alternative="less").pvalue > 1e-3, key
        if np.mean(shares[key]) < 0.5:
            # at most .97, as a binomial test at .001 would not reject it from above
            assert binomtest(count, draws, 0.97, alternative="greater").pvalue > 1e-3, key


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.02, 0.05])
def test_noisy_fits_converge_and_their_intervals_cover(noise: float) -> None:
    statistics(noise, 40, seed=18)


# --- published figures, any number of products


def test_the_observables_are_those_of_the_data_file() -> None:
    firms = {key for key in FirmRow.model_fields if key != "name"}
    assert firms == {key for key, row in OBSERVABLES.items() if row.per_firm}
    assert set(Common.model_fields) == {k for k, row in OBSERVABLES.items() if not row.per_firm}


def real(*, margin: float, spending: float, churn: float, diversion: float, switch: float) -> Any:
    """Two equal firms from figures of an industry: spending and churn as shares of sales."""

    def calibrated(sharing: float, leaks: float) -> Any:
        row = {
            "price": 100.0,
            "quantity": 100.0,
            "margin": margin,
            "diversion": diversion,
            "security_spending": spending * 1e4,
            "sharing": sharing,
            "leak_churn": leaks * churn,
            "saving_share": 0.01,
        }
        return calibrate(
            parse_data(
                {
                    "firms": [row, dict(row)],
                    "common": {"leak_switch": switch},
                    "priors": {
                        "rivalry": 0.2,
                        "max_saving": 0.3,
                        "leakage_interaction_share": 0.1,
                    },
                }
            )
        )

    return calibrated


SOFTWARE = real(margin=0.7238, spending=0.007, churn=0.039, diversion=0.5, switch=0.5)
BANKS = real(margin=0.30, spending=0.0036, churn=0.059, diversion=0.3, switch=0.3)


@pytest.mark.parametrize(
    ("industry", "sharing", "spillover", "gain"),
    [(SOFTWARE, 0.3, 0.459, 3.54), (SOFTWARE, 0.5, 0.275, 1.96), (BANKS, 0.5, 0.611, 3.24)],
)
def test_industries_from_public_figures(
    industry: Any, sharing: float, spillover: float, gain: float
) -> None:
    case = industry(sharing, 0.01).case
    assert case.market.demand_spillover.item() == pytest.approx(spillover, abs=5e-4)
    before, best = (solve_regime(case.market, key).welfare for key in ("nash", "social_optimum"))
    assert 100 * (best / before - 1) == pytest.approx(gain, abs=5e-3)


@pytest.mark.parametrize(
    ("industry", "sharing", "leaks", "spillover"),
    [(SOFTWARE, 0.3, 0.05, 2.68), (BANKS, 0.3, 0.01, 1.02)],
)
def test_a_spillover_above_one_is_a_verdict(
    industry: Any, sharing: float, leaks: float, spillover: float
) -> None:
    found = industry(sharing, leaks)
    assert found.case is None
    assert found.refused.code == "spillover_above_one"
    assert found.refused.numbers["demand_spillover"] == pytest.approx(spillover, abs=5e-3)


# --- data that fit no market


def changed(**rows: Any) -> Any:
    """The data of two firms with other values of the first; None takes a value out."""
    at = today(parameters())
    assert at is not None
    tree = observed(at, MARKET)
    tree["firms"][1].pop("leak_churn")
    tree["firms"][0] = {
        key: value for key, value in (tree["firms"][0] | rows).items() if value is not None
    }
    return parse_data(tree)


@pytest.mark.parametrize(
    ("rows", "code", "said"),
    [
        ({"diversion": 1.0}, "singular_diversion", "who buy neither"),
        ({"margin": 0.1}, "margins_fit_no_slopes", "cross slope"),
        ({"sharing": 0.0}, "sharing_at_its_bound", "shares nothing"),
        ({"sharing": 1.0}, "sharing_at_its_bound", "shares everything"),
        ({"security_spending": 3507.0}, "inconsistent_units", "price times quantity"),
        ({"security_spending": 1e-9}, "inconsistent_units", "next to nothing"),
        ({"leak_churn": 0.05}, "no_motive_to_share", "no demand spillover"),
        ({"leak_churn": 0.0009}, "spillover_above_one", "would have to be"),
        ({"leak_churn": 0.02}, "spillover_above_one", "would have to be"),
    ],
)
def test_what_is_no_market_is_refused_with_the_reason(
    rows: dict[str, Any], code: str, said: str
) -> None:
    found = calibrate(changed(**rows))
    assert found.refused is not None
    assert found.refused.code == code
    assert found.refused.numbers
    assert found.case is None
    assert found.case_file is None
    assert re.search(said, found.refused.reason)


def test_a_symmetric_slope_that_asks_for_a_margin_above_one_is_refused() -> None:
    at = today(parameters())
    assert at is not None
    tree = observed(at, MARKET) | {"per_firm": []}
    tree["firms"][1].pop("margin")
    tree["firms"][0]["margin"] = 0.95
    tree["firms"][1]["quantity"] *= 3
    with pytest.raises(NoCase, match="give its margin"):
        pose(parse_data(tree))


def test_a_market_of_firms_that_differ_meets_what_was_observed() -> None:
    """Whatever the noise: as many parameters as there are observations, diversion told once."""
    at = today(parameters())
    assert at is not None
    tree = observed(at, MARKET, 0.05, np.random.default_rng(5))
    tree["firms"][1].pop("diversion")
    own = ["own_slope", "demand_spillover", "leakage_own", "cost_scale", "cost_spillover"]
    found = fit(parse_data(tree | {"per_firm": own}))
    assert found.degrees == 0
    assert found.p_value is None
    for one in found.moments:
        assert one.fitted == pytest.approx(one.observed, rel=1e-6), one.key


def test_what_nothing_pins_is_named() -> None:
    at = today(parameters())
    assert at is not None
    problem = pose(data(at, [kind for kind in MARKET if kind != "saving_share"]))
    bare = LeastSquares(
        data=problem.data,
        priors={},
        start=problem.start,
        layout=problem.layout,
        observations=problem.observations,
    )
    with pytest.raises(NoCase, match="max_saving"):
        solve(bare)


@pytest.mark.slow
def test_observations_that_contradict_each_other_are_told() -> None:
    at = today(parameters())
    assert at is not None
    tree = observed(at, MARKET)
    tree["firms"][0]["diversion"] *= 1.5
    found = calibrate(parse_data(tree | {"noise": {"default": 0.01}}))
    said = {one.code: one.text for one in found.warnings}
    assert "diversion" in said["observations_contradict"]
    assert "usual_priors" in said


def test_demand_of_two_products_is_the_one_of_the_model() -> None:
    given = asym_data()
    found = linear_demand(
        given.pair("price"),
        given.pair("quantity"),
        given.pair("margin"),
        [[0, given.pair("diversion")[0]], [given.pair("diversion")[1], 0]],
    )
    market = replace(parameters().market(1.0), intercept=found.intercept[None])
    np.testing.assert_allclose(found.slopes, [[1.6, -0.7], [-0.7, 1.2]], rtol=1e-6)
    want = bertrand(market, found.intercept[None], found.unit_cost[None])[0]
    np.testing.assert_allclose(found.prices(["one", "other"]), want, rtol=1e-6)
    np.testing.assert_allclose(want, given.pair("price"), rtol=1e-6)
    assert found.why_no_case is None
