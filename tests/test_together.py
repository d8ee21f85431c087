"""Cases read as columns are those that are read one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from market.casefile.faults import BadCase
from mechanism.casefile.case_keys import key_path, with_values
from mechanism.casefile.policy_case import PolicyCase, load_case, parse_tree
from mechanism.casefile.together import WEIGHTS, gathered, read_together

CASES = Path(__file__).resolve().parents[1] / "cases"
COUNT = 60
BLOCKS: dict[str, dict[str, Any]] = {
    "slopes": {},
    "unequal": {
        "demand": {"intercept": [20.0, 14.0], "own_slope": [1.5, 1.2], "cross_slope": 0.6},
        "unit_cost": {"base": [0.5, 0.0], "spillover": 0.0, "slope": 0.0, "curvature": 0.0},
        "cost": {"scale": 18.0, "max_saving": 0.5, "spillover": 0.5, "investment_cap": [5.0, 6.0]},
    },
    "utility": {
        "demand": {"choke_price": [20.0, 14.0], "own_satiation": [1.0, 0.8], "cross_satiation": 0.4}
    },
    "private": {"types": {"support": [0.2, 0.8], "points": 3}},
}
COLUMNS: dict[str, dict[str, tuple[Any, ...]]] = {
    # each value is drawn from these; some break a range, some a rule between keys
    "slopes": {
        "demand.intercept": (20.0, 1e31, 0.0, -1.0),
        "demand.own_slope[1]": (1.5, 0.3, 1e-31),
        "demand.cross_slope": (0.2, 0.9, 1.6),
        "security.leakage.own": (3.0, 0.1, 1e12),
        "security.leakage.interaction[0]": (0.1, 2.5),
        "cost.investment_cap": (np.nan, 5.0, 0.0, -1.0, np.inf),
        "mechanism.public_funds_cost": (0.0, 0.3, -0.1),
        "mechanism.profit_weight": (0.5, 1.0, np.nan),
    },
    "unequal": {
        "demand.intercept[0]": (20.0, 1e10, np.nan),
        "unit_cost.base[0]": (0.5, 0.0),
        "unit_cost.spillover[0]": (0.0, 0.1),
        "cost.investment_cap[1]": (5.0, np.nan),
        "cost.reference_investment": (1.0, 1e-31),
        "security.demand_spillover": (-1.0, 0.4, 1.1),
    },
    "utility": {
        "demand.choke_price[1]": (14.0, 6.0, 8.0),
        "demand.own_satiation": (1.0, 0.3),
        "demand.cross_satiation": (0.4, 0.95, 0.0),
    },
    "private": {
        "types.points": (3.0, 4.0, 2.5),
        "cost.form": ("saturating", "exponential", "none"),
        "demand.own_slope[1]": (1.5, 1.2),
        "cost.scale": (15.0, 20.0, 0.0),
    },
}


def alone(tree: dict[str, Any]) -> PolicyCase | list[str]:
    """The case, or what is wrong with it."""
    try:
        return parse_tree(tree)
    except BadCase as bad:
        return list(map(str, bad.faults))


@pytest.mark.parametrize("kind", BLOCKS)
def test_columns_are_the_cases_one_by_one(kind: str) -> None:
    """The same are admissible, for the same reasons not, and every number is in its place."""
    tree = parse_tree(
        load_case(CASES / "two_vendors.yaml").resolved | BLOCKS[kind] | {"expect": {}}
    ).resolved
    rng = np.random.default_rng(1)
    columns = {
        key: np.array(
            rng.choice(of, COUNT, p=[0.8, *[0.2 / (len(of) - 1)] * (len(of) - 1)]).tolist(),
            object if isinstance(of[0], str) else float,
        )
        for key, of in COLUMNS[kind].items()
    }
    rows = [{key: values.tolist()[n] for key, values in columns.items()} for n in range(COUNT)]
    one_by_one = [
        alone(with_values(tree, {key_path(key): value for key, value in row.items()}))
        for row in rows
    ]
    found, bad = read_together(tree, columns, COUNT)
    assert {n: list(map(str, why.faults)) for n, why in bad.items()} == {
        n: one for n, one in enumerate(one_by_one) if isinstance(one, list)
    }
    assert sorted(n for some in found for n in some.at) == sorted(set(range(COUNT)) - set(bad))
    assert 0 < len(bad) < COUNT
    for some in found:
        for lane, n in enumerate(some.at):
            case = one_by_one[n]
            assert isinstance(case, PolicyCase)
            (own,) = gathered([case])
            here = some.take(np.array([lane]))
            assert (here.market.unit_cost is None) == (own.market.unit_cost is None)
            assert here.market.cost_form == own.market.cost_form
            assert (here.types, here.market.symmetric()) == (own.types, own.market.symmetric())
            for mine, its in zip(here.market.arrays(), own.market.arrays(), strict=True):
                assert np.all(mine == its)
            assert all(here.weights[name] == own.weights[name] for name in WEIGHTS)


def test_what_is_apart_is_not_solved_together() -> None:
    """Firms that are equal, and units that cost nothing, are columns of their own."""
    tree = load_case(CASES / "two_vendors.yaml").resolved | {
        "types": {"support": [0.2, 0.8], "points": 3},
        "expect": {},
    }
    tree = parse_tree(tree).resolved
    columns = {
        "demand.intercept[0]": np.array([20.0, 21.0, 20.0, 21.0]),
        "unit_cost.base": np.array([0.0, 0.0, 0.5, 0.5]),
    }
    found, bad = read_together(tree, columns, 4)
    assert not bad
    told = {
        (int(n), some.market.symmetric(), some.market.unit_cost is None)
        for some in found
        for n in some.at
    }
    assert told == {(0, True, True), (1, False, True), (2, True, False), (3, False, False)}
