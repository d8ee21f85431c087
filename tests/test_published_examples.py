"""The catalogue of published examples, and textbook duopolies worked by hand.

What stands in the catalogue as right is computed; what its sources print was read in them, or
follows from their formulas.
"""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from command import Run
from trees import evaluate

from cli import shipped
from cli.published import EXAMPLES, Example
from mechanism.analysis.designs import solve_file
from mechanism.analysis.designs_tree import design_tree
from mechanism.casefile.policy_case import load_case, parse_tree
from mechanism.claims.claims_tree import propositions_tree
from mechanism.claims.sample import propositions

SLOW = ("private_spillovers", "sharing_lowers_welfare", "restricted_cost")


def result(example: Example) -> dict[str, Any]:
    """What the example's command gives; of claims whether they hold, by their ids."""
    path = shipped.find(example.name)
    assert path is not None
    if example.command == "design":
        return design_tree(solve_file(path, {}))
    if example.command == "evaluate":
        return evaluate(load_case(path))
    claims = propositions_tree(propositions(load_case(path), None, 0))["claims"]
    words = {True: "holds", False: "violated", None: "not judged"}
    return {claim["id"]: words[claim["holds"]] for claim in claims}


def at(tree: Any, key: str) -> Any:
    """The value at a key such as a.b[0]."""
    for name, place in re.findall(r"([^.\[\]]+)|\[(\d+)\]", key):
        tree = tree[name] if name else tree[int(place)]
    return tree


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(one, marks=pytest.mark.slow if one.name in SLOW else (), id=one.name)
        for one in EXAMPLES
    ],
)
def test_what_is_right_is_computed(example: Example) -> None:
    found = result(example)
    for figure in example.figures:
        value = found[figure.key] if example.command == "propositions" else at(found, figure.key)
        if isinstance(figure.right, str):
            assert value == figure.right, figure.what
        else:
            assert value == pytest.approx(figure.right, rel=1e-5, abs=1e-9), figure.what
        same = (
            figure.printed == figure.right
            if isinstance(figure.printed, str) or isinstance(figure.right, str)
            else math.isclose(figure.printed, figure.right)
        )
        assert same == (not figure.why), f"{figure.what}: a remark stands where two figures differ"


def test_the_catalogue_is_listed_with_sources_and_remarks(run: Run) -> None:
    told = run("examples", "list", "--published").out
    for example in EXAMPLES:
        assert f"{example.name}\n  {example.source}\n" in told
    assert "price: in print 10, here 40: the source errs" in told
    assert {
        name for name in shipped.every_name() if name.startswith(("published/", "settings/"))
    } <= {one.name for one in EXAMPLES}


def duopoly(intercept: float, own: float, cross: float, cost: Any = 0.0) -> dict[str, Any]:
    """The market q = intercept - own p + cross p', unit costs as given, with nothing invested."""
    return {
        "schema_version": 1,
        "name": "textbook",
        "demand": {"intercept": intercept, "own_slope": own, "cross_slope": cross},
        "security": {
            "rivalry": 0,
            "demand_spillover": 0,
            "leakage": {"own": 1, "cross": 0, "interaction": 0},
        },
        "cost": {"scale": 1, "max_saving": 0, "spillover": 0, "investment_cap": 0},
        "unit_cost": {"base": cost},
    }


def inverse(intercept: float, own: float, cross: float) -> dict[str, Any]:
    """The market P = intercept - own Q - cross Q'."""
    tree = duopoly(1, 1, 0)
    tree["demand"] = {"choke_price": intercept, "own_satiation": own, "cross_satiation": cross}
    return tree


@pytest.mark.parametrize(
    ("tree", "alone", "quantity", "profit", "together"),
    [
        # 18 - 4 p + p' = 0 at p = p' = 6, q = 18 - 6; together 18 - 2 p (2 - 1) = 0
        (duopoly(18, 2, 1), 6, 12, 72, 9),
        # 100 - 2 p + p' + (p - 10) (-2) = 0: 120 = 3 p; together (100 + 10) / 2
        (duopoly(100, 2, 1, 10), 40, 60, 30 * 60, 55),
        # 4 p_1 - p_2 = 160, 4 p_2 - p_1 = 120: (760, 640) / 15; together (100 + c) / 2
        (duopoly(100, 2, 1, [30, 10]), [760 / 15, 640 / 15], None, None, [65, 55]),
        # q = (10 - .5 p + .4 p') / .09: 10 - p + .4 p = 0; together half the choke price
        (inverse(100, 0.5, 0.4), 10 / 0.6, 0.5 / 0.09 * 10 / 0.6, 0.5 / 0.09 * (10 / 0.6) ** 2, 50),
    ],
    ids=["18", "100", "unequal", "inverse"],
)
def test_textbook_duopolies(
    tree: dict[str, Any], alone: Any, quantity: float | None, profit: float | None, together: Any
) -> None:
    """By hand from first-order conditions: prices set alone and by one owner."""
    regimes = evaluate(parse_tree(tree))["regimes"]
    both = [1.0, 1.0]

    def each(value: Any) -> list[float]:
        return value if isinstance(value, list) else [value * one for one in both]

    assert regimes["nash"]["price"] == pytest.approx(each(alone), rel=1e-12)
    assert regimes["price_collusion"]["price"] == pytest.approx(each(together), rel=1e-12)
    if quantity is not None and profit is not None:
        assert regimes["nash"]["quantity"] == pytest.approx(each(quantity), rel=1e-12)
        assert regimes["nash"]["profit"] == pytest.approx(each(profit), rel=1e-12)


# --- settings by the formulas of their sources


def setting(name: str, **options: str) -> dict[str, Any]:
    path = shipped.find(f"settings/{name}")
    assert path is not None
    return design_tree(solve_file(path, options))


def test_the_auction_by_virtual_values() -> None:
    """The k-th of n equally likely values counts less its distance to the next times the number of
    those above; the highest that is not negative gets it (Myerson), from the reserve of 1/2 on."""
    values = [k / 4 for k in range(4)]
    virtual = [v - (3 - k) / 4 for k, v in enumerate(values)]
    revenue = sum(max(a, b, 0) for a in virtual for b in virtual) / 16
    assert virtual[:3] == [-0.75, -0.25, 0.25]
    found = setting("auction")
    assert -found["expected"]["outlay"] == pytest.approx(revenue, abs=1e-12)
    for state, shares in zip(found["states"], found["allocation"], strict=True):
        assert shares.get("keep", 0) == pytest.approx(float(max(state) < 0.5), abs=1e-9)


def test_procurement_by_virtual_costs() -> None:
    """A cost counts with its distance to the one below, equally likely: 1 and 5 against 4 and 6."""
    strong, weak = {1: 1, 3: 5}, {4: 4, 5: 6}
    price = sum(min(a, b) for a in strong.values() for b in weak.values()) / 4
    found = setting("procurement")
    assert found["expected"]["outlay"] == pytest.approx(price, abs=1e-12)
    for (a, b), shares in zip(found["states"], found["allocation"], strict=True):
        assert shares == {f"from the {'strong' if strong[a] < weak[b] else 'weak'}": 1}
    assert setting("procurement", allocation="efficient")["objective_value"] == pytest.approx(3)


def test_the_public_good_by_virtual_values() -> None:
    """A value of 2 counts 2 x 2 - 6 towards what can be raised: -1/2 where one of two has 6, as
    often as not, 5/4 where both have it; building in 5 of 6 of the former spends just that."""
    raised = {(2, 6): -2 + 6 - 7, (6, 6): 6 + 6 - 7}
    short = -(raised[2, 6] / 2 + raised[6, 6] / 4)
    share = raised[6, 6] / 4 / (-raised[2, 6] / 2)
    best = setting("public_good")
    assert best["expected"]["surplus"] == pytest.approx(share / 2 + 5 / 4, abs=1e-12)
    mixed = sum(best["allocation"][n].get("build", 0) for n in (1, 2)) / 2
    assert mixed == pytest.approx(share, abs=1e-9)
    told = setting("public_good", allocation="efficient")
    assert told["status"] == "infeasible"
    amounts = {one["constraints"][0]: one["amount"] for one in told["give_up"]["relaxed"]}
    # A loss from joining is borne by all three; a gain from lying saves half of it at either.
    assert amounts == pytest.approx({"ic": short, "ir": short / 3, "budget": short}, abs=1e-12)
    assert told["give_up"]["second_best"]["lost"] == pytest.approx((1 - share) / 2, abs=1e-12)


def test_regulation_by_first_order_conditions() -> None:
    """10 - q is 2 at cost 1, twice the cost as money is; at cost 2 it is 4 and the rent of 1 a unit
    that is left to the other type."""
    found = setting("regulation")
    assert found["allocation"] == [{"q8": 1}, {"q5": 1}]
    assert found["transfers"] == [[pytest.approx(8 + 5), pytest.approx(10)]]
    value = sum(10 * q - q * q / 2 - c * q - t for q, c, t in ((8, 1, 13), (5, 2, 10))) / 2
    assert found["objective_value"] == pytest.approx(value, abs=1e-9) == 22.25
    assert found["objective_value"] == found["expected"]["surplus"] - found["expected"]["outlay"]
