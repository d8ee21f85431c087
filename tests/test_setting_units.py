"""Settings in other units, counted from elsewhere, with players in another order or of other names:
the same rules, designs and verdicts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run
from hypothesis import given, settings
from hypothesis import strategies as st

from mechanism.design.environment import Environment, efficient, transfers_by
from mechanism.design.rules import DESIGNED, TAX_RULES, setting_rules
from mechanism.design.setting_file import DesignOptions
from mechanism.design.solve import Design, design, least_outlay

GRID = np.array([0.125, 0.375, 0.625, 0.875])
SECOND_BEST = DesignOptions(allocation="second_best", objective="max_surplus")


def trade(
    unit: float = 1.0, constant: float = 0.0, alternatives: tuple[str, str] = ("trade", "keep")
) -> Environment:
    """A buyer and a seller, values times a unit and beside a constant that staying out is worth
    too."""
    values = unit * np.stack([GRID, np.zeros(4)], -1)[:, :: 1 if alternatives[0] == "trade" else -1]
    return Environment(
        name="trade",
        players=("buyer", "seller"),
        types=(GRID, GRID),
        probabilities=(np.full(4, 0.25), np.full(4, 0.25)),
        alternatives=alternatives,
        values=(values + constant, constant - values),
        outside=(np.full((1, 1), constant), np.full((1, 1), constant)),
        public_value=np.zeros(2),
    )


UNITS = [10.0**m for m in (-12, -9, -8, -4, 0, 4, 8, 12)]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("constant", [0.0, 1.0, 1e10, 1e12])
def test_trade_is_worth_the_same_in_any_unit_beside_any_constant(
    unit: float, constant: float
) -> None:
    """The second best yields .15625 of the gains. Beside a constant it is known to what doubles
    leave of a value: to an eighth of a unit in the last place of 1e12, 1.2e-4."""
    beside = constant if constant <= 1 else constant * unit
    known = 1e-8 + 8 * np.finfo(float).eps * beside / unit
    found = design(trade(unit, beside), SECOND_BEST)
    assert found.status == "optimal"
    assert found.mechanism is not None
    assert found.objective_value is not None
    assert (found.objective_value - 2 * beside) / unit == pytest.approx(0.15625, abs=known)
    assert found.second_opinion is not None
    assert found.second_opinion.agrees
    assert found.mechanism.achieved.ic["bayesian"].status == "holds"
    assert found.mechanism.achieved.ir["interim"].status == "holds"


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("constant", [0.0, 1.0, 1e10, 1e12])
def test_efficient_trade_is_impossible_in_any_unit_beside_any_constant(
    unit: float, constant: float
) -> None:
    """With ties to trade, proven; with ties to keep it brings 1/32 of a unit."""
    beside = constant if constant <= 1 else constant * unit
    known = 1e-9 + 8 * np.finfo(float).eps * beside / unit
    found = design(trade(unit, beside), DesignOptions())
    assert found.status == "infeasible"
    assert found.contradiction is not None
    assert found.contradiction.verified
    kept = design(trade(unit, beside, ("keep", "trade")), DesignOptions())
    assert kept.objective_value is not None
    assert kept.objective_value / unit == pytest.approx(-0.03125, abs=known)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("rule", ["clarke", "groves", "worst_type"])
def test_truth_holds_beside_any_constant(unit: float, rule: str) -> None:
    """Efficient alternatives are known to what doubles leave of them, and so is what a lie
    gains."""
    buyer, seller = trade(unit, 1e12 * unit), trade(unit, 0.7e12 * unit)
    beside = replace(
        buyer,
        values=(buyer.values[0], seller.values[1]),
        outside=(buyer.outside[0], seller.outside[1]),
    )
    found = design(beside, DesignOptions(tax_rule=rule)).mechanism
    assert found is not None
    assert found.achieved.ic["dominant"].status == "holds"
    gain = found.achieved.ic["dominant"].amount
    assert gain is not None
    assert gain <= 16 * np.finfo(float).eps * 1e12 * unit


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_the_page_shows_small_amounts_and_not_rounding(
    unit: float, run: Run, tmp_path: Path
) -> None:
    """The buyer's payoff of the second best is 1/16 of a unit, and who gains least gains
    nothing."""
    environment = trade(unit)
    players = [
        {
            "name": name,
            "types": GRID.tolist(),
            "value": {"trade": values[:, 0].tolist(), "keep": [0.0] * 4},
        }
        for name, values in zip(environment.players, environment.values, strict=True)
    ]
    asked = {"allocation": "second_best", "objective": "max_surplus"}
    path = tmp_path / "trade.json"
    path.write_text(
        json.dumps(
            {
                "schema_version": 1,
                "alternatives": ["trade", "keep"],
                "players": players,
                "mechanism": asked,
            }
        )
    )
    (line,) = [
        line.split()
        for line in run("design", path).out.splitlines()
        if line.startswith("buyer ") and len(line.split()) == 4
    ]
    assert float(line[1].replace(",", "")) == pytest.approx(unit / 16, rel=1e-4)
    assert line[2] == "0"


# --- random settings


@st.composite
def random_settings(draw: st.DrawFn) -> Environment:
    """Two or three players, two or three types and alternatives, outside options by own type."""
    seed, n = draw(st.integers(0, 2**32 - 1)), draw(st.integers(2, 3))
    rng = np.random.default_rng(seed)
    sizes, wide = rng.integers(2, 4, n), int(rng.integers(2, 4))
    outside = [
        rng.uniform(-0.5, 0.3, k).reshape([-1 if j == i else 1 for j in range(n)])
        for i, k in enumerate(sizes)
    ]
    return Environment(
        name="random",
        players=tuple(f"p{i}" for i in range(n)),
        types=tuple(np.arange(float(k)) for k in sizes),
        probabilities=tuple(rng.dirichlet(np.full(k, 4.0)) for k in sizes),
        alternatives=tuple(f"a{a}" for a in range(wide)),
        values=tuple(rng.uniform(-1, 1, (k, wide)) for k in sizes),
        outside=tuple(outside),
        public_value=rng.uniform(-0.5, 0.5, wide),
    )


ASKED = [
    DesignOptions(),
    DesignOptions(budget="none"),
    DesignOptions(incentive="dominant", timing="ex_post"),
    DesignOptions(objective="min_worst_deficit", incentive="dominant", budget="none"),
    DesignOptions(objective="min_violation"),
    SECOND_BEST,
    DesignOptions(
        allocation="second_best", objective="max_surplus", public_funds_cost=0.3, budget="none"
    ),
]


def figures(
    found: Design, constant: float, options: DesignOptions
) -> tuple[list[str], list[float]]:
    """What is claimed of a design, and its amounts of money without the constants."""
    said, amounts = [found.status], []
    if found.contradiction is not None:
        said.append(str(found.contradiction.verified))
        amounts.append(found.contradiction.least_violation or 0.0)
    if found.mechanism is not None:
        a = found.mechanism.achieved
        checks: list[Any] = [
            a.ic[options.incentive],
            *([a.ir[options.timing]] if options.participation == "outside" else []),
        ]
        said += [check.status for check in checks]
    if found.objective_value is not None:
        amounts.append(
            found.objective_value - (constant if options.objective == "max_surplus" else 0.0)
        )
    return said, amounts


@pytest.mark.slow
@given(environment=random_settings(), power=st.integers(-9, 9), options=st.sampled_from(ASKED))
@settings(max_examples=40, deadline=None)
def test_designs_do_not_depend_on_the_unit(
    environment: Environment, power: int, options: DesignOptions
) -> None:
    unit = 10.0**power
    other = replace(
        environment,
        values=tuple(unit * v for v in environment.values),
        outside=tuple(unit * o for o in environment.outside),
        public_value=unit * environment.public_value,
    )
    said, amounts = figures(design(environment, options), 0.0, options)
    others, scaled = figures(design(other, options), 0.0, options)
    assert others == said
    np.testing.assert_allclose(np.array(scaled) / unit, amounts, atol=1e-9)
    assert least_outlay(other)[0] / unit == pytest.approx(least_outlay(environment)[0], abs=1e-9)


@pytest.mark.slow
@given(environment=random_settings(), options=st.sampled_from(ASKED), data=st.data())
@settings(max_examples=40, deadline=None)
def test_designs_do_not_depend_on_where_payoffs_are_counted_from(
    environment: Environment, options: DesignOptions, data: st.DataObject
) -> None:
    """A constant per player, in its values and its outside option together, and one of the
    public's. Whole numbers up to 2^20 leave 1e-10 of the values."""
    constants = [data.draw(st.integers(-(2**20), 2**20)) for _ in environment.players]
    public = data.draw(st.integers(-(2**20), 2**20))
    other = replace(
        environment,
        values=tuple(v + c for v, c in zip(environment.values, constants, strict=True)),
        outside=tuple(o + c for o, c in zip(environment.outside, constants, strict=True)),
        public_value=environment.public_value + public,
    )
    said, amounts = figures(design(environment, options), 0.0, options)
    others, moved = figures(design(other, options), sum(constants) + public, options)
    assert others == said
    np.testing.assert_allclose(moved, amounts, atol=3e-9)


@pytest.mark.slow
@given(environment=random_settings(), options=st.sampled_from(ASKED))
@settings(max_examples=40, deadline=None)
def test_designs_do_not_depend_on_the_order_or_the_names_of_players(
    environment: Environment, options: DesignOptions
) -> None:
    n = len(environment.players)
    other = replace(
        environment,
        players=tuple("zyx"[:n]),
        types=environment.types[::-1],
        probabilities=environment.probabilities[::-1],
        values=environment.values[::-1],
        outside=tuple(o.transpose(*range(n)[::-1]) for o in environment.outside[::-1]),
    )
    said, amounts = figures(design(environment, options), 0.0, options)
    others, exchanged = figures(design(other, options), 0.0, options)
    assert others == said
    np.testing.assert_allclose(exchanged, amounts, atol=1e-9)


@given(
    environment=random_settings(),
    power=st.integers(-9, 9),
    timing=st.sampled_from(["interim", "ex_post"]),
)
@settings(max_examples=40, deadline=None)
def test_formulas_are_the_same_transfers(environment: Environment, power: int, timing: Any) -> None:
    """In other units, counted from elsewhere, with players in the other order."""
    unit, n = 10.0**power, len(environment.players)
    constants = unit * np.arange(1.0, n + 1) * 1024
    other = replace(
        environment,
        types=environment.types[::-1],
        probabilities=environment.probabilities[::-1],
        values=tuple(
            unit * v + c for v, c in zip(environment.values[::-1], constants, strict=True)
        ),
        outside=tuple(
            unit * o.transpose(*range(n)[::-1]) + c
            for o, c in zip(environment.outside[::-1], constants, strict=True)
        ),
        public_value=unit * environment.public_value - 512 * unit,
    )
    for rule in (
        key for key in setting_rules() if key != DESIGNED and n >= TAX_RULES[key].least_players
    ):
        paid = transfers_by(rule, efficient(environment), timing)
        again = transfers_by(rule, efficient(other), timing)
        for i in range(n):
            np.testing.assert_allclose(
                again[n - 1 - i].transpose(*range(n)[::-1]) / unit, paid[i], atol=1e-9
            )
        options = DesignOptions(tax_rule=rule, timing=timing)
        assert (
            figures(design(environment, options), 0.0, options)[0]
            == figures(design(other, options), 0.0, options)[0]
        )


def test_what_ties_does_not_depend_on_the_unit() -> None:
    """Differences of a billionth of the range decide at every scale; those of rounding at none."""
    for unit in UNITS:
        for more, chosen in ((1e-9, 1), (1e-14, 0), (-1e-9, 0)):
            environment = trade(unit)
            values = np.array(environment.values[0])
            values[:, 1] += more * unit  # keeping, for the buyer
            at = efficient(replace(environment, values=(values, environment.values[1]))).chosen
            assert at is not None
            assert at[2, 2] == chosen
