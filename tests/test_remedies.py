"""What a message says would mend a case does, and a millionth less does not."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from market.casefile.faults import BadCase
from market.model.case import Case, make_case
from market.model.cost import COST_FORMS
from market.model.units import in_units, natural_units
from market.regimes import REGIMES, solve_regime, table
from mechanism.casefile.policy_case import parse_tree

STEP = 1e-6


def drawn(rng: np.random.Generator, form: str, per_firm: bool) -> dict[str, Any]:
    """A market in which investment costs too little for some chooser."""

    def some(low: float, high: float) -> Any:
        return rng.uniform(low, high, 2 if per_firm else 1)

    own = some(1.0, 2.0)
    return {
        "intercept": some(15, 25),
        "own_slope": own,
        "cross_slope": rng.uniform(0, 0.8) * own.min(),
        "rivalry": rng.uniform(0, 0.5),
        "demand_spillover": rng.uniform(0, 0.8),
        "leakage": (rng.uniform(1, 4), 0.3, 0.2),
        "cost_scale": some(0.2, 6.0),
        "max_saving": some(0.2, 0.9),
        "cost_spillover": some(0.2, 1.0),
        "cost_form": form,
    }


def unbounded(given: dict[str, Any], key: str) -> bool:
    """Whether the outcome is `unbounded`, which is found before anything is searched."""
    case = make_case(**given).flat()
    natural = in_units(case, natural_units(case))
    return bool(table.unbounded(natural, table.needed_scale(natural, REGIMES[key])).any())


def values(text: str) -> np.ndarray:
    """One number, or one per firm."""
    return np.array([float(part) for part in text.strip("[]").split(", ")])


NUMBERS = r"(\[[^\]]*\]|[0-9.e+-]+)"


def remedies(message: str) -> dict[str, np.ndarray]:
    """The keys a message would change, with the bounds it names."""
    found = re.findall(
        r"(raise cost\.scale above|lower cost\.max_saving below|lower cost\.spillover below)"
        rf" {NUMBERS}",
        message,
    )
    return {what: values(bound) for what, bound in found}


MENDED = {
    "raise cost.scale above": ("cost_scale", 1),
    "lower cost.max_saving below": ("max_saving", -1),
    "lower cost.spillover below": ("cost_spillover", -1),
}


def messages() -> list[tuple[str, dict[str, Any], str]]:
    """Markets without a solution, of every form and with values per firm or common."""
    rng, out = np.random.default_rng(11), []
    for form in COST_FORMS:
        for per_firm in (False, True):
            for key in (
                ("nash", "joint_profit", "first_best")
                if form != "restricted"
                else ("joint_profit",)
            ):
                for _ in range(6):
                    given = drawn(rng, form, per_firm)
                    if unbounded(given, key):
                        found = solve_regime(make_case(**given), key)
                        assert found.status == "unbounded"
                        out.append((key, given, found.message or ""))
                        break
    # shared knowledge costs nothing more
    free = {
        **drawn(rng, "restricted", False),
        "cost_spillover": 1.0,
        "cost_scale": 20.0,
    }
    out.append(
        ("joint_profit", free, solve_regime(make_case(**free), "joint_profit").message or "")
    )
    return out


@pytest.fixture(scope="module")
def told() -> list[tuple[str, dict[str, Any], str]]:
    return messages()


def test_every_bound_is_the_least_that_mends(told: list[tuple[str, dict[str, Any], str]]) -> None:
    met: set[str] = set()
    for key, given, message in told:
        for what, bound in remedies(message).items():
            name, sign = MENDED[what]

            def changed(
                share: float,
                name: str = name,
                sign: int = sign,
                bound: np.ndarray = bound,
                given: Any = given,
            ) -> dict[str, Any]:
                value = bound * (1 + sign * share)
                return {**given, name: value if sign > 0 else np.minimum(given[name], value)}

            assert not unbounded(changed(STEP), key), (key, what, message)
            assert unbounded(changed(-STEP), key), (key, what, message)
            met.add(what)
    assert met == set(MENDED)
    assert len(told) >= 10


def test_a_cap_mends_whatever_it_is(told: list[tuple[str, dict[str, Any], str]]) -> None:
    for key, given, message in told:
        assert "set cost.investment_cap" in message
        assert not unbounded({**given, "investment_cap": 50.0}, key)


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit_cost", [(0.5, 0.3, 0.1, 0.05), (1.0, 0.5, 0.05, 0.02), (2.0, 1.5, 0.02, 0.01)]
)
def test_a_cap_keeps_unit_costs_above_zero(unit_cost: tuple[float, ...]) -> None:
    """The cap is sure to do; a somewhat higher one may, where the optimum under it lies
    elsewhere."""

    def case(cap: float | None) -> Case:
        return make_case(
            intercept=20,
            own_slope=1.5,
            cross_slope=1.0,
            rivalry=0.2,
            demand_spillover=0.6,
            leakage=(3.0, 0.5, 0.2),
            cost_scale=20,
            max_saving=0.5,
            cost_spillover=0.5,
            unit_cost=unit_cost,
            investment_cap=cap,
        )

    message = solve_regime(case(None), "social_optimum").message or ""
    named = re.search(rf"set cost\.investment_cap below base / spillover = {NUMBERS}", message)
    assert named is not None, message
    bound = float(values(named[1])[0])
    assert solve_regime(case(bound * (1 - STEP)), "social_optimum").solved


TREE: dict[str, Any] = {
    "demand": {"choke_price": [10, 4], "own_satiation": [0.8, 0.9], "cross_satiation": 0.4},
    "security": {
        "rivalry": 0.2,
        "demand_spillover": 0.3,
        "leakage": {"own": 2, "cross": 0.3, "interaction": 0.2},
    },
    "cost": {"scale": 30, "max_saving": 0.3, "spillover": 0.5},
}


def fault(tree: dict[str, Any]) -> str | None:
    """The first fault of a tree."""
    try:
        parse_tree(tree)
    except BadCase as bad:
        return str(bad.faults[0])
    return None


@pytest.mark.parametrize("seed", range(8))
def test_bounds_of_keys_are_the_least_that_are_taken(seed: int) -> None:
    rng = np.random.default_rng(seed)
    own, cross = rng.uniform(0.6, 1.0, 2).tolist(), float(rng.uniform(0.3, 0.5))
    demand = {
        "choke_price": [float(rng.uniform(8, 12)), 1.0],
        "own_satiation": own,
        "cross_satiation": cross,
    }
    text = fault({**TREE, "demand": demand})
    assert text is not None
    least = float(text.rpartition("must exceed ")[2])
    for share, fine in ((STEP, True), (-STEP, False)):
        choke = [demand["choke_price"][0], least * (1 + share)]  # type: ignore[index]
        assert (fault({**TREE, "demand": {**demand, "choke_price": choke}}) is None) == fine
    leakage = {
        "own": 0.1,
        "cross": float(rng.uniform(0.2, 0.5)),
        "interaction": float(rng.uniform(0.1, 0.3)),
    }
    security = {**TREE["security"], "leakage": leakage}
    text = fault(
        {
            **TREE,
            "security": security,
            "demand": {"intercept": 20, "own_slope": 1.5, "cross_slope": 0.5},
        }
    )
    assert text is not None
    named = re.search(r"cross \+ interaction = ([0-9.]+)", text)
    assert named is not None
    for share, fine in ((STEP, True), (-STEP, False)):
        changed = {**security, "leakage": {**leakage, "own": float(named[1]) * (1 + share)}}
        demanded = {"intercept": 20, "own_slope": 1.5, "cross_slope": 0.5}
        assert (fault({**TREE, "security": changed, "demand": demanded}) is None) == fine
