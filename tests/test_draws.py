"""Markets drawn from what is not known exactly, and policies over them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import pigou
from market.casefile.faults import BadCase
from market.casefile.files import read_document
from mechanism.casefile.distributions import Distribution, quantile, root
from mechanism.casefile.policy_case import PolicyCase, parse_tree
from mechanism.uncertainty.choice import choice_over_draws
from mechanism.uncertainty.draws import draw

CASES = Path(__file__).resolve().parents[1] / "cases"


def case(block: Any, name: str = "two_vendors", **blocks: Any) -> PolicyCase:
    """A shipped case with this block."""
    tree = read_document(CASES / f"{name}.yaml").tree
    return parse_tree(tree | {"uncertainty": block, "expect": {}} | blocks)


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ({"normal": [2, 0.5]}, stats.norm(2, 0.5)),
        ({"lognormal": [2, 0.5]}, stats.lognorm(0.5, scale=2)),
        ({"uniform": [1, 3]}, stats.uniform(1, 2)),
        ({"log_uniform": [1, 3]}, stats.loguniform(1, 3)),
        ({"triangular": [1, 1.5, 3]}, stats.triang(0.25, 1, 2)),
        ({"triangular": [1, 3, 3]}, stats.triang(1, 1, 2)),
        ({"beta": [2, 3, 1, 3]}, stats.beta(2, 3, 1, 2)),
    ],
)
def test_values_are_quantiles(given: dict[str, Any], known: Any) -> None:
    p = np.linspace(0.001, 0.999, 101)
    np.testing.assert_allclose(quantile(Distribution(**given), p), known.ppf(p), rtol=1e-9)


def test_several_values_come_as_often_as_they_weigh() -> None:
    p = (np.arange(1000) + 0.5) / 1000
    drawn = quantile(Distribution(values=(5.0, 1.0, 3.0), weights=(1.0, 2.0, 7.0)), p)
    assert [(drawn == value).mean() for value in (5, 1, 3)] == [0.1, 0.2, 0.7]


BLOCK: dict[str, Any] = {
    "demand.cross_slope": {"normal": [1.0, 0.05]},
    "demand.own_slope[0]": {"lognormal": [1.5, 0.05]},
    "cost.scale": {"uniform": [11, 13]},
    "correlation": {
        "demand.cross_slope & demand.own_slope[0]": 0.7,
        "cost.scale & demand.cross_slope": -0.3,
    },
    "draws": 1024,
}


@pytest.mark.slow
def test_draws_have_the_distributions_and_correlations_asked_for() -> None:
    found = draw(case(BLOCK))
    assert found.values.shape == (1024, 3)
    assert found.inadmissible == 0
    cross, own, scale = found.values.T
    # quasi-random points: far closer than random ones
    assert cross.mean() == pytest.approx(1.0, abs=2e-3)
    assert cross.std() == pytest.approx(0.05, rel=0.02)
    assert np.median(own) == pytest.approx(1.5, rel=2e-3)
    assert scale.min() >= 11
    assert scale.max() <= 13
    ranks = stats.spearmanr(found.values).statistic
    assert ranks[0, 1] == pytest.approx(0.7, abs=0.02)
    assert ranks[0, 2] == pytest.approx(-0.3, abs=0.02)
    assert ranks[1, 2] == pytest.approx(0.0, abs=0.02)
    one = found.cases[5]
    assert one.uncertainty is None
    assert one.market.own_slope.tolist() == [own[5], 1.5]
    assert one.market.cross_slope.item() == cross[5]


def test_draws_follow_the_seed_alone() -> None:
    one, same, other = (draw(case(BLOCK | {"draws": 20, "seed": seed})) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.values, same.values)
    assert not np.array_equal(one.values, other.values)
    with pytest.raises(ValueError, match="read-only"):
        one.values[0, 0] = 1
    with pytest.raises(ValueError, match="nothing in this case is uncertain"):
        draw(case(None))


def test_what_is_no_case_is_counted_and_drawn_again() -> None:
    """Half of the distribution lies above the own slope."""
    block = {"demand.cross_slope": {"uniform": [1.0, 2.0]}, "draws": 256}
    found = draw(case(block))
    assert len(found.cases) == 256
    assert found.values.max() < 1.5
    assert found.inadmissible == pytest.approx(256, abs=4)
    assert found.why == {"demand.cross_slope": found.inadmissible}
    assert found.values.mean() == pytest.approx(1.25, abs=0.01)
    with pytest.raises(BadCase, match=r"uncertainty gives .* at fault most often demand.cross"):
        draw(case({"demand.cross_slope": {"uniform": [1.49, 9]}, "draws": 64}))


def test_the_root_of_correlations_that_rounding_has_spoilt() -> None:
    spoilt = np.array([[1, 1, 0.5], [1, 1, 0.500001], [0.5, 0.500001, 1]])
    made = root(spoilt)
    np.testing.assert_allclose(made.T @ made, spoilt, atol=1e-3)
    np.testing.assert_allclose(np.diag(made.T @ made), 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "count"),
    [("two_vendors", 6), pytest.param("two_types", 4, marks=pytest.mark.slow)],
)
def test_best_shares_are_those_of_a_loop_over_evaluate(name: str, count: int) -> None:
    """At a cost of public money at which the recommendation turns."""
    block = {
        "security.rivalry": {"uniform": [0.1, 0.9]},
        "mechanism.public_funds_cost": {"uniform": [0, 1.5]},
        "draws": 16,
    }
    asked = case(block, name)
    drawn = draw(asked)
    drawn = replace(drawn, values=drawn.values[:count], cases=drawn.cases[:count])
    found = choice_over_draws(asked, drawn)
    loop = [pigou.evaluate(one) for one in drawn.cases]
    told = [one.recommendation for one in loop]
    best = [None if one is None or one.policy is None else one.policy.key for one in told]
    assert found.draws == count
    assert found.without_outcome == best.count(None)
    kept = [(one, key) for one, key in zip(loop, best, strict=True) if key is not None]
    for row in found.policies:
        assert row.best_share == pytest.approx(best.count(row.policy) / len(kept))
    assert sum(row.best_share for row in found.policies) == pytest.approx(1)
    assert len({row.policy for row in found.policies if row.best_share}) > 1
    for row in found.policies:
        stands = [
            one.rows[row.policy] if one.rows[row.policy].competes else one.today for one, _ in kept
        ]
        assert row.competes_share == np.mean([one.rows[row.policy].competes for one, _ in kept])
        if not row.competes_share:
            assert row.mean_value is row.regret_mean is row.regret_max is None
            continue
        value = np.array([one.value for one in stands])
        regret = np.array([one.rows[key].value for one, key in kept]) - value
        assert row.mean_value == pytest.approx(value.mean())
        assert row.regret_mean == pytest.approx(regret.mean(), abs=1e-6)
        assert row.regret_max == pytest.approx(regret.max(), abs=1e-6)
        surplus = found.figures[f"{row.policy}.consumer_surplus"]
        assert surplus.mean == pytest.approx(np.mean([one.consumer_surplus for one in stands]))
        assert surplus.sd == pytest.approx(np.std([one.consumer_surplus for one in stands]))
