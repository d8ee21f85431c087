"""Keys in other units than the rest are warned of; what is in proportion is not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run

from market.casefile.faults import BadCase
from market.model.units import in_units, natural_units
from mechanism.casefile.policy_case import PolicyCase, load_case, parse_tree
from mechanism.casefile.proportions import misfits, scaling
from mechanism.claims.sample import draw

CASES = Path(__file__).resolve().parents[1] / "cases"

ACME: dict[str, Any] = {
    "demand": {"intercept": [30, 14], "own_slope": [1.6, 1.2], "cross_slope": 0.8},
    "security": {
        "rivalry": 0.25,
        "demand_spillover": 0.35,
        "leakage": {"own": 2.0, "cross": 0.4, "interaction": 0.1},
    },
    "cost": {"scale": 18, "max_saving": 0.35, "spillover": [0.2, 0.7]},
}
"""In million EUR and thousand seats."""

SEATS: dict[str, Any] = {
    "demand": {"intercept": [30e3, 14e3], "own_slope": [1.6e6, 1.2e6], "cross_slope": 0.8e6},
    "security": {**ACME["security"], "leakage": {"own": 2000, "cross": 400, "interaction": 100}},
    "cost": {
        "scale": 18e-6,
        "max_saving": 0.35,
        "spillover": [0.2, 0.7],
        "reference_investment": 1000,
    },
}
"""The same in single seats."""

MILLIONS: dict[str, Any] = {
    "demand": {"intercept": [0.03, 0.014], "own_slope": [1.6e-6, 1.2e-6], "cross_slope": 0.8e-6},
    "security": {
        **ACME["security"],
        "leakage": {"own": 0.002, "cross": 0.0004, "interaction": 0.0001},
    },
    "cost": {
        "scale": 18e6,
        "max_saving": 0.35,
        "spillover": [0.2, 0.7],
        "reference_investment": 0.001,
    },
}
"""And in millions."""


def found(case: PolicyCase) -> tuple[Any, ...]:
    return misfits(case.market, case.resolved)


def changed(tree: dict[str, Any], key: str, change: Any) -> dict[str, Any]:
    """The tree with one key changed, by a function or to a value; of lists every entry."""
    tree = json.loads(json.dumps(tree))
    *above, last = key.split(".")
    at = tree
    for part in above:
        at = at[part]
    if callable(change):
        at[last] = (
            [change(one) for one in at[last]] if isinstance(at[last], list) else change(at[last])
        )
    else:
        at[last] = change
    return tree


@pytest.mark.parametrize("path", sorted(CASES.glob("*.yaml")), ids=lambda path: path.stem)
def test_no_shipped_case_is_out_of_proportion(path: Path) -> None:
    assert found(load_case(path)) == ()


@pytest.mark.parametrize("unit_costs", [False, True])
def test_no_ordinary_random_market_is(unit_costs: bool) -> None:
    markets = draw(400, np.random.default_rng(3), unit_costs)
    for lane in range(400):
        assert misfits(markets.take([lane]), {}) == ()


@pytest.mark.parametrize("tree", [ACME, SEATS, MILLIONS], ids=["thousands", "singles", "millions"])
def test_a_case_in_whatever_units_is_in_proportion(tree: dict[str, Any]) -> None:
    assert found(parse_tree(tree)) == ()


def keys(tree: Any, path: str = "") -> list[str]:
    """The dotted keys of all numbers and pairs of numbers that are not zero."""
    if isinstance(tree, dict):
        return [
            key for name, below in tree.items() for key in keys(below, f"{path}.{name}".lstrip("."))
        ]
    return (
        [path]
        if isinstance(tree, int | float | list) and not isinstance(tree, bool) and np.any(tree)
        else []
    )


PURE = ("security.rivalry", "security.demand_spillover", "cost.max_saving", "unit_cost.slope")
"""Numbers without a unit, which cannot be in another; and a slope that may be large, as nobody then
invests."""


@pytest.mark.parametrize(
    "name", ["two_vendors", "large_and_small", "unit_costs", "from_utility", "capped"]
)
@pytest.mark.parametrize("factor", [1e6, 1e-6])
def test_one_key_in_other_units_is_warned_of(name: str, factor: float) -> None:
    resolved = {**load_case(CASES / f"{name}.yaml").resolved, "expect": {}}
    blocks = {block: resolved[block] for block in ("demand", "security", "cost", "unit_cost")}
    warned = set()
    for key in keys(blocks):
        tree = changed(resolved, key, lambda value: value * factor)
        try:
            odd = found(parse_tree(tree))
        except BadCase:
            continue  # refused, with a message of its own
        if key in PURE or (key == "cost.investment_cap" and factor > 1):
            continue
        assert odd, key
        assert any(key in one.keys for one in odd), (key, odd)
        warned.add(key)
    assert len(warned) >= 3


def test_what_is_taken_per_seat_with_the_spillovers_of_thousands() -> None:
    """The reference investment is left at one seat: the remedy that is named mends it."""
    tree = changed(SEATS, "cost.reference_investment", 1)
    (odd,) = found(parse_tree(tree))
    assert "cost.reference_investment" in odd.keys
    named = re.search(r"such as (\S+)$", odd.text)
    assert named is not None
    assert found(parse_tree(changed(tree, "cost.reference_investment", float(named[1])))) == ()


def test_one_firm_in_other_units() -> None:
    odd, *_ = found(parse_tree(changed(ACME, "demand.intercept", [30e6, 14])))
    assert odd.keys == ("demand.intercept",)


@pytest.mark.parametrize("name", ["unit_costs", "from_utility", "capped", "large_and_small"])
def test_the_scaling_that_is_told_changes_nothing(name: str) -> None:
    """The text's own factors turn a case into the same market in other units."""
    case = load_case(CASES / f"{name}.yaml")
    tree = {**case.resolved, "expect": {}}
    text = scaling(tree)
    money, quantity = 3, -2
    for part in text.partition(" multiplies ")[2].split("; "):
        names, _, factor = part.partition(" by 10^")
        power = factor.strip("()")
        exponent = eval(re.sub(r"(\d)([mn])", r"\1*\2", power), {"m": money, "n": quantity})
        for key in names.split(", "):
            if key == "security.leakage":
                for below in tree["security"]["leakage"]:
                    tree = changed(
                        tree, f"{key}.{below}", lambda value, e=exponent: value * 10.0**e
                    )
            else:
                tree = changed(tree, key, lambda value, e=exponent: value * 10.0**e)
    here, there = (each.market.flat() for each in (case, parse_tree(tree)))
    assert natural_units(there).quantity == pytest.approx(
        natural_units(here).quantity * 10.0**-quantity
    )
    one, other = in_units(here, natural_units(here)), in_units(there, natural_units(there))
    for parameter, value in vars(one).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_allclose(getattr(other, parameter), value, rtol=1e-12)
    if one.unit_cost is not None:
        for parameter, value in vars(one.unit_cost).items():
            np.testing.assert_allclose(getattr(other.unit_cost, parameter), value, rtol=1e-12)


@pytest.mark.slow
def test_the_page_warns(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "case.json"
    path.write_text(json.dumps(changed(SEATS, "cost.reference_investment", 1)))
    result = json.loads(run("evaluate", path, "--format", "json").out)
    assert [warning["code"] for warning in result["warnings"]].count("units_look_wrong") == 1
    assert "units look wrong" in " ".join(run("evaluate", path).out.split())
    assert run("evaluate", path, "--strict").code == 3
