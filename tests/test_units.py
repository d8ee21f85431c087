"""Answers do not depend on what money and quantities are counted in, nor on which firm comes
first."""

from __future__ import annotations

import copy
import csv
import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run
from trees import evaluate

from market.model.case import INVESTMENT, SHARING, Array, Case, make_case
from market.model.outcome import Outcome
from market.model.units import NaturalUnits, in_units, levels_in, natural_units
from market.regimes import REGIMES, solve_regime
from market.regimes.statics import comparative_statics
from mechanism.analysis.what_if import Span, along
from mechanism.analysis.what_if_tree import path_tree
from mechanism.casefile.policy_case import parse_tree
from mechanism.claims.ground import NEEDED, Ground
from mechanism.claims.propositions import claims_at

UNIT: dict[str, Any] = {
    "demand": {"intercept": [20.0, 14.0], "own_slope": 1.5, "cross_slope": 1.0},
    "security": {
        "rivalry": 0.3,
        "demand_spillover": 0.3,
        "leakage": {"own": 1.2, "cross": 0.2, "interaction": 0.1},
    },
    "cost": {"form": "saturating", "scale": 12, "max_saving": 0, "spillover": 0.5},
}
SCALES = [(0, -8), (-9, 9), (9, -9), (6, 6), (-7, -3)]
"""Powers of ten of the units of money and of quantity."""


def counted(tree: dict[str, Any], money: float, quantity: float) -> dict[str, Any]:
    """A case file with money and quantity multiplied."""
    out = copy.deepcopy(tree)
    powers = {
        ("demand", "intercept"): quantity,
        ("demand", "own_slope"): quantity**2 / money,
        ("demand", "cross_slope"): quantity**2 / money,
        ("cost", "scale"): money / quantity**2,
        ("cost", "investment_cap"): quantity,
        ("cost", "reference_investment"): quantity,
        ("unit_cost", "base"): money / quantity,
        ("unit_cost", "spillover"): money / quantity**2,
        ("unit_cost", "slope"): 1 / quantity,
        ("unit_cost", "curvature"): 1 / quantity**2,
    }
    out["cost"].setdefault("reference_investment", 1.0)
    for (block, key), factor in powers.items():
        value = out.get(block, {}).get(key)
        if value is not None:
            out[block][key] = (
                [v * factor for v in value] if isinstance(value, list) else value * factor
            )
    leakage = out["security"]["leakage"]
    out["security"]["leakage"] = {key: value * quantity for key, value in leakage.items()}
    types = out.get("types")
    if types and types.get("parameter") == "intercept":
        for key in ("support", "values"):
            if key in types:
                types[key] = [v * quantity for v in types[key]]
    return out


def market(seed: int) -> Case:
    """A market of moderate size whose firms differ in everything they may differ in."""
    rng = np.random.default_rng(seed)
    own = rng.uniform(1, 2, 2)
    phi = rng.uniform(0, 0.5, 2), rng.uniform(0, 0.3, 2)
    return make_case(
        intercept=rng.uniform(15, 25, 2),
        own_slope=own,
        cross_slope=rng.uniform(0.1, 0.8) * own.min(),
        rivalry=rng.uniform(0, 0.6, 2),
        demand_spillover=rng.uniform(0, 0.6, 2),
        leakage=(phi[0] + phi[1] + rng.uniform(0.5, 4, 2), *phi),
        cost_scale=rng.uniform(15, 30, 2),
        max_saving=rng.uniform(0, 0.6, 2),
        cost_spillover=rng.uniform(0, 1, 2),
        unit_cost=(
            (rng.uniform(0.5, 2, 2), 0, rng.uniform(0, 0.05, 2), 0)
            if seed % 3 == 0
            else (0, 0, 0, 0)
        ),
    ).flat()


@cache
def as_it_is(seed: int, key: str) -> Outcome:
    """A regime of such a market in its own units, which many tests compare with."""
    return solve_regime(market(seed), key)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scale", SCALES)
def test_regimes_scale_with_the_units(seed: int, scale: tuple[int, int]) -> None:
    """Levels and welfare of every regime, the status and the proof, whatever money and quantity are
    counted in."""
    case = market(seed)
    units = NaturalUnits(
        money=np.array([[10.0 ** -scale[0]]]), quantity=np.array([[10.0 ** -scale[1]]])
    )
    other = in_units(case, units)
    for key in ("nash", "joint_profit", "social_optimum", "sequential"):
        here, there = as_it_is(seed, key), solve_regime(other, key)
        assert (here.status, here.certificate.scope) == (there.status, there.certificate.scope)
        assert here.levels is not None
        assert there.levels is not None
        factor = np.array([1, 1, 10.0 ** scale[1], 10.0 ** scale[1]])
        np.testing.assert_allclose(
            there.levels, here.levels * factor, rtol=1e-9, atol=1e-12 * factor.max()
        )
        assert there.welfare == pytest.approx(here.welfare * 10.0 ** scale[0], rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_swapping_the_firms_swaps_the_figures(seed: int) -> None:
    """A regime that treats firms alike gives the same figures to the same firm, first or second."""
    case = market(seed)
    swapped = case.map(lambda a: a[..., ::-1])
    for key in ("no_sharing", "nash", "joint_profit", "social_optimum", "first_best"):
        here, there = as_it_is(seed, key), solve_regime(swapped, key)
        assert here.status == there.status
        assert here.levels is not None
        assert there.levels is not None
        np.testing.assert_allclose(there.levels, here.levels[[1, 0, 3, 2]], rtol=1e-9, atol=1e-10)


def test_natural_units_have_intercepts_and_slopes_of_one() -> None:
    """In the geometric mean; natural units of a market in natural units are one."""
    case = market(1)
    natural = in_units(case, natural_units(case))
    for parameter in (natural.intercept, natural.own_slope):
        assert float(np.log(parameter).mean()) == pytest.approx(0, abs=1e-14)
    again = natural_units(natural)
    assert again.money == pytest.approx(1)
    assert again.quantity == pytest.approx(1)


@pytest.mark.slow
def test_a_tiny_market_has_the_same_alliance() -> None:
    """Intercepts and leakage of 1e-8: sharing as in units of one (.13122, .13990)."""
    for money, quantity in ((1.0, 1.0), (1.0, 1e-8), (1.0, 1e-9), (1e-9, 1e9)):
        found = solve_regime(parse_tree(counted(UNIT, money, quantity)).market, "joint_profit")
        assert found.levels is not None
        np.testing.assert_allclose(found.levels[:2], [0.13121691, 0.13990103], rtol=1e-6)
        assert found.certificate.scope == "proven"


@pytest.mark.slow
@pytest.mark.parametrize("parameter", ["cost_spillover", "intercept"])
@pytest.mark.parametrize("scale", [(12, -6), (-5, 4)])
def test_evaluations_with_private_types_scale_with_the_units(
    parameter: str, scale: tuple[int, int]
) -> None:
    """Verdicts of truth-telling and participation, expectations and outlays under every rule."""
    tree = copy.deepcopy(UNIT)
    support = [0.2, 0.8] if parameter == "cost_spillover" else [16.0, 20.0]
    if parameter == "intercept":
        tree["demand"]["intercept"] = 18.0
    tree["cost"]["max_saving"] = 0.4
    tree["types"] = {"support": support, "points": 3, "parameter": parameter}
    money, quantity = 10.0 ** scale[0], 10.0 ** scale[1]
    here, there = (evaluate(parse_tree(t)) for t in (tree, counted(tree, money, quantity)))
    assert (
        here["regimes"]["bayes_nash"]["status"]
        == there["regimes"]["bayes_nash"]["status"]
        == "converged"
    )
    codes = [[each["code"] for each in found["warnings"]] for found in (here, there)]
    assert codes[0] == codes[1]
    for row, other in zip(here["comparison"], there["comparison"], strict=True):
        assert row["status"] == other["status"]
        if row["welfare"] is not None:
            assert other["welfare"] == pytest.approx(row["welfare"] * money, rel=1e-8)
            assert other["public_outlay"] == pytest.approx(
                row["public_outlay"] * money, rel=1e-5, abs=1e-8 * row["welfare"] * money
            )
    rules = {"printed": here["mechanism"]["reported"], **here["mechanism"]["alternatives"]}
    others = {"printed": there["mechanism"]["reported"], **there["mechanism"]["alternatives"]}
    for rule, found in rules.items():
        if found is None:
            assert others[rule] is None
            continue
        for check in ("ic", "ir_market", "ir2"):
            assert found["checks"][check]["status"] == others[rule]["checks"][check]["status"], (
                rule,
                check,
            )


def test_every_regime_is_covered() -> None:
    """The keys asked above are regimes."""
    assert {
        "nash",
        "joint_profit",
        "social_optimum",
        "sequential",
        "no_sharing",
        "first_best",
    } <= set(REGIMES)


DIMENSIONS = {
    **dict.fromkeys(
        (
            "sharing",
            "security.rivalry",
            "security.demand_spillover",
            "cost.max_saving",
            "cost.spillover",
        ),
        (0, 0),
    ),
    **dict.fromkeys(("investment", "quantity", "demand.intercept", "leakage"), (0, 1)),
    **dict.fromkeys(
        (
            "profit",
            "consumer_surplus",
            "welfare",
            "welfare_net",
            "public_outlay",
            "ic_max_gain",
            "ir_min_slack",
        ),
        (1, 0),
    ),
    **dict.fromkeys(
        ("value", "best_value", "outlay_joined", "flat_payment", "net_transfer"), (1, 0)
    ),
    **dict.fromkeys(("demand.own_slope", "demand.cross_slope"), (-1, 2)),
    **dict.fromkeys(("price", "unit_cost.base"), (1, -1)),
    **dict.fromkeys(("cost.scale", "unit_cost.spillover"), (1, -2)),
    "cost.reference_investment": (0, 1),
    "unit_cost.slope": (0, -1),
    "unit_cost.curvature": (0, -2),
}
"""Powers of the units of money and of quantity in which figures and keys of a case are counted."""
FAR = [(-9, 0), (0, 9), (9, -9), (-9, 9)]


def factor(name: str, scale: tuple[int, int]) -> float:
    """What a figure or key is multiplied by where money and quantity are counted in other units."""
    name = (
        "leakage"
        if ".leakage." in name
        else name.split("[")[0].removesuffix("_1").removesuffix("_2")
    )
    money, quantity = DIMENSIONS[name]
    return float(10.0 ** (money * scale[0] + quantity * scale[1]))


def same(there: Any, here: Any, times: float, size: float) -> None:
    """Figures of the same kind, those in other units being so many times the others, up to rounding
    of the largest of their kind."""
    there, here = np.asarray(there, float), np.asarray(here, float)
    np.testing.assert_array_equal(np.isnan(there), np.isnan(here))
    np.testing.assert_allclose(there / times, here, rtol=1e-6, atol=1e-6 * size)


@pytest.mark.slow
@pytest.mark.parametrize("scale", FAR)
@pytest.mark.parametrize("seed", [0, 1])
def test_derivatives_scale_with_the_units(seed: int, scale: tuple[int, int]) -> None:
    case = market(seed)
    units = NaturalUnits(
        money=np.array([[10.0 ** -scale[0]]]), quantity=np.array([[10.0 ** -scale[1]]])
    )
    other = in_units(case, units)
    for key in ("nash", "social_optimum"):
        levels = as_it_is(seed, key).levels
        assert levels is not None
        there = comparative_statics(other, REGIMES[key], levels_in(levels[None], units))
        for name, here in comparative_statics(case, REGIMES[key], levels[None]).items():
            parts = {"sharing": SHARING, "investment": INVESTMENT}
            pairs = [
                (part, there[name].levels[..., which], here.levels[..., which])
                for part, which in parts.items()
            ]
            rest = ("price", "quantity", "profit", "consumer_surplus", "welfare")
            pairs += [(part, getattr(there[name], part), getattr(here, part)) for part in rest]
            for part, new, old in pairs:
                same(new, old, factor(part, scale) / factor(name, scale), np.abs(old).max())


@cache
def claimed(number: int) -> tuple[Case, dict[str, Array], dict[str, Any]]:
    """Of equal firms, or of firms that differ, with unit costs: a market, its levels by regime and
    the claims judged there."""
    symmetric = parse_tree(
        {**copy.deepcopy(UNIT), "demand": {**UNIT["demand"], "intercept": 20.0}}
    ).market.flat()
    case = (market(1), market(3), symmetric)[number]
    found = {key: solve_regime(case, key).levels for key in NEEDED}
    levels = {key: np.full((1, 4), np.nan) if x is None else x[None] for key, x in found.items()}
    return case, levels, claims_at(Ground(case=case, lanes=1, levels=levels))


@pytest.mark.slow
@pytest.mark.parametrize("scale", FAR)
def test_claims_are_judged_alike_in_all_units(scale: tuple[int, int]) -> None:
    """Verdicts, assumptions, and welfare among the numbers."""
    for number in range(3):
        case, levels, here = claimed(number)
        units = NaturalUnits(
            money=np.array([[10.0 ** -scale[0]]]), quantity=np.array([[10.0 ** -scale[1]]])
        )
        moved = {key: levels_in(x, units) for key, x in levels.items()}
        there = claims_at(Ground(case=in_units(case, units), lanes=1, levels=moved))
        for key, found in here.items():
            np.testing.assert_array_equal(there[key].holds, found.holds, err_msg=key)
            np.testing.assert_array_equal(there[key].met, found.met, err_msg=key)
            np.testing.assert_allclose(
                there[key].judged, found.judged, rtol=1e-6, atol=1e-9, err_msg=key
            )
        for key, figure, part in (
            ("P5.i", "nash", "welfare"),
            ("P2.i", "dt_i_ds_j", "investment"),
            ("P1.ii", "dp_i_ds_i_at_0", "price"),
        ):
            if figure in here[key].numbers:
                old = here[key].numbers[figure]
                same(there[key].numbers[figure], old, factor(part, scale), np.abs(old).max())


@pytest.mark.parametrize("scale", FAR)
def test_the_gap_of_a_proof_is_the_same_in_all_units(scale: tuple[int, int]) -> None:
    case = market(1)
    units = NaturalUnits(
        money=np.array([[10.0 ** -scale[0]]]), quantity=np.array([[10.0 ** -scale[1]]])
    )
    here, there = (
        as_it_is(1, "social_optimum").certificate,
        solve_regime(in_units(case, units), "social_optimum").certificate,
    )
    assert here.scope == there.scope == "proven"
    assert here.gap is not None
    assert there.gap == pytest.approx(here.gap, abs=1e-12)


WITH_TYPES = {**UNIT, "cost": {**UNIT["cost"], "max_saving": 0.4}, "types": {"values": [0.2, 0.7]}}
FOLLOWED = ("nash", "joint_profit", "social_optimum", "groves")


def rows_alike(
    here: list[dict[str, Any]], there: list[dict[str, Any]], scale: tuple[int, int]
) -> None:
    """Rows of a path or a batch: texts and statuses the same, figures the same in other units."""
    assert len(here) == len(there) > 0
    for name in here[0]:
        old, new = ([row[name] for row in rows] for rows in (here, there))
        if name in ("residual", "regret", "case_id", "message"):
            continue
        if name.split("[")[0].removesuffix("_1").removesuffix("_2") in DIMENSIONS:
            old, new = (
                [np.nan if v in (None, "") else float(v) for v in column] for column in (old, new)
            )
            # welfare, of what is money
            size = (
                2000.0 if DIMENSIONS[name.removesuffix("_1").removesuffix("_2")] == (1, 0) else 1.0
            )
            same(new, old, factor(name, scale), size)
        else:
            assert new == old, name


@cache
def path_in(scale: tuple[int, int]) -> dict[str, Any]:
    """A path over the cost scale, money and quantity counted in these units."""
    tree = counted(WITH_TYPES, 10.0 ** scale[0], 10.0 ** scale[1])
    case, by = parse_tree(tree), factor("cost.scale", scale)
    span = Span("cost.scale", 8.0 * by, 40.0 * by, 5)
    found = along(case.resolved, [span], list(FOLLOWED), lambda *_: None)
    return path_tree(found, case.resolved, case.resolved)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [(9, 0), (-9, 9), (0, -9)])
def test_a_path_and_what_changes_along_it_scale_with_the_units(scale: tuple[int, int]) -> None:
    times = factor("cost.scale", scale)
    here, there = path_in((0, 0)), path_in(scale)
    rows_alike(here["rows"], there["rows"], scale)
    assert here["events"]  # something changes
    for old, new in zip(here["events"], there["events"], strict=True):
        assert [new[key] for key in ("kind", "policies")] == [
            old[key] for key in ("kind", "policies")
        ]
        assert new["at"] / times == pytest.approx(old["at"], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [(9, 0), (-9, 9), (0, -9)])
def test_a_batch_scales_with_the_units(run: Run, tmp_path: Path, scale: tuple[int, int]) -> None:
    found = []
    for name, tree, by in (
        ("a", WITH_TYPES, 1.0),
        ("b", counted(WITH_TYPES, 10.0 ** scale[0], 10.0 ** scale[1]), factor("cost.scale", scale)),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(tree))
        plan = {
            "case": f"{name}.json",
            "vary": {"cost.scale": {"values": [9.0 * by, 12.0 * by, 30.0 * by]}},
            "policies": list(FOLLOWED),
        }
        (tmp_path / f"{name}_plan.json").write_text(json.dumps(plan))
        assert (
            run("batch", tmp_path / f"{name}_plan.json", "--out", tmp_path / f"{name}.csv").code
            == 0
        )
        found.append(list(csv.DictReader(io.StringIO((tmp_path / f"{name}.csv").read_text()))))
    rows_alike(*found, scale)
