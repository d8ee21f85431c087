"""The block `uncertainty` of a case file: what is taken, what is refused, what is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pigou
from market.casefile.faults import BadCase
from market.casefile.files import read_document
from mechanism.casefile.distributions import copula_correlation, rank_correlation
from mechanism.casefile.policy_case import PolicyCase, parse_tree

CASES = Path(__file__).resolve().parents[1] / "cases"


def case(block: Any, name: str = "two_vendors") -> PolicyCase:
    """A shipped case with this block."""
    tree = read_document(CASES / f"{name}.yaml").tree | {"uncertainty": block, "expect": {}}
    return parse_tree(tree)


def faults(block: Any, name: str = "two_vendors") -> list[str]:
    """What is wrong with it."""
    with pytest.raises(BadCase) as bad:
        case(block, name)
    return str(bad.value).splitlines()


EVERY_FORM = {
    "demand.cross_slope": {"normal": [1.0, 0.1]},
    "demand.own_slope[0]": {"lognormal": [1.5, 0.05]},
    "demand.own_slope[1]": {"uniform": [1.4, 1.6]},
    "cost.scale": {"log_uniform": [10, 14]},
    "security.rivalry": {"triangular": [0.1, 0.3, 0.4]},
    "cost.spillover": {"beta": [2, 2, 0, 1]},
    "security.demand_spillover": {"values": [0.2, 0.4], "weights": [1, 3]},
    "mechanism.public_funds_cost": {"uniform": [0, 0.5]},
    "correlation": {"demand.cross_slope & demand.own_slope[0]": 0.5},
    "draws": 64,
    "seed": 3,
}


def test_every_form_is_taken_and_kept() -> None:
    found = case(EVERY_FORM)
    assert found.uncertainty is not None
    assert found.uncertainty.keys == tuple(EVERY_FORM)[:8]
    assert (found.uncertainty.draws, found.uncertainty.seed) == (64, 3)
    assert found.uncertainty.rank_correlation[0, 1] == 0.5
    assert found.uncertainty.rank_correlation[1, 0] == 0.5
    with pytest.raises(ValueError, match="read-only"):
        found.uncertainty.rank_correlation[0, 0] = 2
    # the resolved case says it, in the form it was given, and is read back
    told = found.resolved["uncertainty"]
    assert told["security.demand_spillover"] == {"values": [0.2, 0.4], "weights": [1, 3]}
    again = parse_tree(found.resolved)
    assert again.sha256 == found.sha256
    assert found.sha256 != case(EVERY_FORM | {"seed": 4}).sha256


def test_a_case_without_it_is_certain() -> None:
    assert case(None).uncertainty is None
    assert case({"draws": 64}).uncertainty is None


def test_it_is_replaced_whole_by_a_case_based_on_another(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(case(EVERY_FORM).text)
    block = {"cost.scale": {"uniform": [11, 13]}}
    (tmp_path / "b.json").write_text(json.dumps({"base": "a.json", "uncertainty": block}))
    found = pigou.load(tmp_path / "b.json")
    assert found.uncertainty is not None
    assert found.uncertainty.keys == ("cost.scale",)


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"demand.cros_slope": {"normal": [1, 0.1]}}, "is not a key of this case; did you mean"),
        ({"cost.form": {"uniform": [0, 1]}}, "only numbers can be uncertain"),
        ({"cost.investment_cap": {"uniform": [0, 1]}}, "is null in this case; only numbers"),
        ({"demand": {"uniform": [0, 1]}}, "is a block or a list"),
        ({"demand.cross_slope[0]": {"uniform": [0, 1]}}, "has one value for both firms"),
        ({"demand.intercept[2]": {"uniform": [0, 1]}}, "[0] is firm 1's, [1] firm 2's"),
        ({"expect": {"uniform": [0, 1]}}, "is not a key of this case"),
        ({"cost.scale": {}}, "gives no distribution; give one of normal"),
        (
            {"cost.scale": {"uniform": [1, 2], "normal": [1, 1]}},
            "gives normal and uniform; give one of",
        ),
        ({"cost.scale": {"uniform": [2, 1]}}, "is [2, 1]; the lowest must be below"),
        ({"cost.scale": {"uniform": [1]}}, "uniform is a list of 1; it must be a list of 2"),
        ({"cost.scale": {"unifrom": [1, 2]}}, "is not a known key; did you mean uniform?"),
        ({"cost.scale": {"normal": [1, 0]}}, "the standard deviation must be above 0"),
        ({"cost.scale": {"lognormal": [-1, 1]}}, "the median must be above 0"),
        ({"cost.scale": {"log_uniform": [0, 1]}}, "the lowest must be above 0"),
        ({"cost.scale": {"triangular": [1, 3, 2]}}, "must lie between the other two"),
        ({"cost.scale": {"beta": [0, 1, 2, 3]}}, "a and b must be above 0"),
        ({"cost.scale": {"values": [1, 1]}}, "list each value once"),
        ({"cost.scale": {"values": [1, 2], "weights": [1]}}, "one entry for each of the 2 values"),
        ({"cost.scale": {"uniform": [1, 2], "weights": [1]}}, "weights belong to values"),
        ({"cost.scale": 12}, "uncertainty.cost.scale is 12; it must be a mapping"),
        ({"draws": 1}, "uncertainty.draws is 1; it must lie in [16, 65536]"),
        (
            {"demand.own_slope": {"uniform": [1, 2]}, "demand.own_slope[0]": {"uniform": [1, 2]}},
            "stands beside one firm's own",
        ),
        ({"correlation": {"a & b": 0.5}}, "nothing is uncertain"),
        (
            {"cost.scale": {"uniform": [1, 2]}, "correlation": {"cost.scale & cost.spill": 0.5}},
            'names "cost.spill", which has no distribution here',
        ),
        (
            {"cost.scale": {"uniform": [1, 2]}, "correlation": {"cost.scale": 0.5}},
            "is no pair; write KEY & KEY",
        ),
        (
            {"cost.scale": {"uniform": [1, 2]}, "correlation": {"cost.scale & cost.scale": 1}},
            "names one key twice",
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_key(block: Any, said: str) -> None:
    told = faults(block)
    assert len(told) == 1
    assert told[0].startswith("uncertainty.")
    assert said in told[0]


def test_firms_that_differ_have_a_distribution_each() -> None:
    block = {"demand.intercept": {"uniform": [18, 22]}}
    assert "for each firm in this case" in faults(block, "large_and_small")[0]
    assert case(block).uncertainty is not None


def test_correlations_that_contradict_each_other_are_refused() -> None:
    three = {
        key: {"lognormal": [1, 0.1]}
        for key in ("cost.scale", "demand.cross_slope", "security.rivalry")
    }
    pairs = {
        "cost.scale & demand.cross_slope": 0.9,
        "demand.cross_slope & security.rivalry": 0.9,
        "cost.scale & security.rivalry": -0.9,
    }
    assert "contradict each other" in faults(three | {"correlation": pairs})[0]
    pairs["cost.scale & security.rivalry"] = 0.9
    assert case(three | {"correlation": pairs}).uncertainty is not None
    twice = {"cost.scale & security.rivalry": 0.1, "security.rivalry & cost.scale": 0.1}
    assert "stands here twice" in faults(three | {"correlation": twice})[0]


def test_what_is_private_cannot_be_uncertain_too() -> None:
    for key in ("cost.spillover", "cost.spillover[1]"):
        assert "is private here" in faults({key: {"uniform": [0, 1]}}, "two_types")[0]
    assert (
        "is private here"
        in faults({"demand.intercept[0]": {"uniform": [18, 22]}}, "private_intercepts")[0]
    )
    assert case({"cost.scale": {"uniform": [11, 13]}}, "two_types").uncertainty is not None


@pytest.mark.slow
def test_at_its_own_numbers_alone_an_evaluation_says_that_it_is_not_used() -> None:
    asked = case({"cost.scale": {"uniform": [11, 13]}})
    found = pigou.what_if(asked, {"security.rivalry": 0.3}).before
    said = {one.code: one.text for one in found.warnings}
    assert "1 of its numbers" in said["uncertainty_not_used"]


def test_rank_correlations_and_those_of_the_copula() -> None:
    ranks = np.array([[1.0, 0.5], [0.5, 1.0]])
    np.testing.assert_allclose(rank_correlation(copula_correlation(ranks)), ranks)
    draw = np.random.default_rng(0).multivariate_normal([0, 0], copula_correlation(ranks), 20_000)
    order = draw.argsort(0).argsort(0)
    assert np.corrcoef(order.T)[0, 1] == pytest.approx(0.5, abs=0.02)


def test_every_fault_is_told_at_once_whatever_kind_it_is() -> None:
    """Wrong by the schema, by the distribution, by the case, and by the other keys."""
    told = faults(
        {
            "demand.cross_slop": {"normal": [1.0, 0.1]},
            "security.rivalry": {"normal": [1.0]},
            "cost.max_saving": {"uniform": [0.4, 0.2]},
            "cost.form": {"nrmal": [0.4, 0.2]},
            "draws": 3,
            "correlation": {"a & b": 0.5, "cost.max_saving & security.rivalry": 3},
        }
    )
    keys = (
        *("cross_slop is not a key", "rivalry.normal is a list of 1", "lowest must be below"),
        *(
            'form is "saturating"',
            "nrmal is not a known key",
            "draws is 3",
            'names "a"',
            "is 3; it",
        ),
    )
    assert len(told) == len(keys)
    assert all(any(key in line for line in told) for key in keys)
    # a key that has a distribution, though a wrong one, has one
    assert not any('names "security.rivalry"' in line for line in told)
    tree = read_document(CASES / "two_vendors.yaml").tree | {"demand": {"own_slope": -1}}
    with pytest.raises(BadCase) as bad:
        parse_tree(tree | {"uncertainty": {"cost.scale": {"uniform": [2, 1]}}})
    assert "own_slope" in str(bad.value)
    assert "lowest must be below" in str(bad.value)
