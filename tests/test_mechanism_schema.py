"""The case file: every fault with its key, its place and what is admissible; defaults; the resolved
tree; the JSON Schema."""

from __future__ import annotations

import copy
import dataclasses
import json
import textwrap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.casefile.files import BadCase
from market.model.demand import gross_utility, inverse_demand, quantity
from mechanism.casefile.json_schema import case_schema
from mechanism.casefile.policy_case import load_case, parse_tree
from mechanism.casefile.schema import ListedTypes, MechanismOptions, UniformTypes

TREE = {
    "demand": {"intercept": 20, "own_slope": 1.5, "cross_slope": 1.0},
    "security": {
        "rivalry": 0.2,
        "demand_spillover": 0.6,
        "leakage": {"own": 3.0, "cross": 0.5, "interaction": 0.2},
    },
    "cost": {"scale": 20, "max_saving": 0.5, "spillover": 0.5},
}
GONE = object()
SLOPES = "intercept, own_slope and cross_slope"
UTILITY = "choke_price, own_satiation and cross_satiation"
DEMAND = (
    "a mapping with the keys intercept, own_slope, cross_slope or a mapping with the keys"
    " choke_price, own_satiation, cross_satiation"
)


def changed(changes):
    """The tree with values at dotted keys replaced, or removed where the value is GONE."""
    tree = copy.deepcopy(TREE)
    for key, value in changes.items():
        *parents, last = key.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        if value is GONE:
            del node[last]
        else:
            node[last] = value
    return tree


def faults(**changes):
    """What is said of the tree with these changes; `__` stands between the keys."""
    with pytest.raises(BadCase) as caught:
        parse_tree(changed({key.replace("__", "/"): value for key, value in changes.items()}))
    return str(caught.value).splitlines()


def test_defaults():
    case = parse_tree(TREE, name="plain")
    assert case.name == "plain"
    assert case.types is None
    assert case.mechanism == MechanismOptions()
    assert dataclasses.asdict(case.mechanism) == {
        "tax_rule": "printed",
        "payoff": "with_cost",
        "incentive": "bayesian",
        "participation": "ir_market",
        "timing": "interim",
        "budget": "ex_ante",
        "public_funds_cost": 0.0,
        "profit_weight": 1.0,
        "fees": False,
        "materiality": 0.05,
        "allow": (),
        "allocation": "efficient",
        "objective": "min_outlay",
    }
    assert (case.units.money, case.units.quantity, dict(case.expect), case.path) == (
        None,
        None,
        {},
        None,
    )
    assert case.market.cost_form == "saturating"
    assert np.isposinf(case.market.investment_cap).all()
    assert case.resolved["cost"]["investment_cap"] is None
    assert case.resolved["demand"] == {"intercept": 20.0, "own_slope": 1.5, "cross_slope": 1.0}
    assert case.resolved["unit_cost"] == {
        "base": 0.0,
        "spillover": 0.0,
        "slope": 0.0,
        "curvature": 0.0,
    }
    assert case.market.unit_cost is None


def test_one_number_or_one_per_firm():
    case = parse_tree(
        changed(
            {
                "demand/intercept": [20, 25],
                "demand/own_slope": (1.5, 2),
                "cost/spillover": [0, 1],
                "cost/investment_cap": 4,
            }
        )
    )
    np.testing.assert_array_equal(case.market.intercept, [20, 25])
    np.testing.assert_array_equal(case.market.own_slope, [1.5, 2])
    np.testing.assert_array_equal(case.market.cost_spillover, [0, 1])
    np.testing.assert_array_equal(case.market.investment_cap, [4])
    assert case.resolved["demand"]["own_slope"] == [1.5, 2.0]
    assert faults(demand__cross_slope=[1, 1]) == [
        "demand.cross_slope is a list of 2; it must be a number in [0, own_slope)"
    ]


EITHER = "it must be a number in (0, inf) or a list of 2, each a number in (0, inf)"
PURE = (
    ", a pure number; with investment in other units divide it and cost.reference_investment by the"
    " same factor, only their ratio matters"
)
A_TYPE = (
    "a number in [0, 1] for cost spillovers, (0, inf) for intercepts, [-1, 1] for demand spillovers"
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"demand/cross_slope": 2.0},
            "demand.cross_slope is 2.0; it must lie in [0, own_slope = 1.5)",
        ),
        (
            {"demand/cross_slope": 1.5},
            "demand.cross_slope is 1.5; it must lie in [0, own_slope = 1.5)",
        ),
        ({"demand/cross_slope": -1}, "demand.cross_slope is -1; it must lie in [0, own_slope)"),
        (
            {"demand/own_slope": [1.5, 0.5]},
            "demand.cross_slope is 1.0; it must lie in [0, smaller own_slope = 0.5)",
        ),
        ({"demand/intercept": 0}, "demand.intercept is 0; it must lie in (0, inf)"),
        ({"demand/intercept": True}, f"demand.intercept is true; {EITHER}"),
        ({"demand/intercept": "20"}, f'demand.intercept is "20"; {EITHER}'),
        ({"demand/intercept": None}, f"demand.intercept is null; {EITHER}"),
        ({"demand/intercept": [1]}, f"demand.intercept is a list of 1; {EITHER}"),
        ({"demand/intercept": [1, 2, 3]}, f"demand.intercept is a list of 3; {EITHER}"),
        ({"demand/intercept": [1, -2]}, "demand.intercept[1] is -2; it must lie in (0, inf)"),
        (
            {"demand/intercept": [False, 2]},
            "demand.intercept[0] is false; it must be a number in (0, inf)",
        ),
        ({"demand": GONE}, f"demand is missing; give {DEMAND}"),
        ({"demand": [1]}, f"demand is a list of 1; it must be {DEMAND}"),
        (
            {"demand": {"choke_price": 9, "own_satiation": 2}},
            "demand.cross_satiation is missing; give a number in [0, own_satiation)",
        ),
        (
            {"demand/choke_price": 9},
            f"demand mixes demand and utility; give either {SLOPES} or {UTILITY}",
        ),
        (
            {"demand": {"choke_price": 9, "own_satiation": [2, 1], "cross_satiation": 1.0}},
            "demand.cross_satiation is 1.0; it must lie in [0, smaller own_satiation = 1)",
        ),
        (
            {"demand": {"choke_price": [9, 4], "own_satiation": 2, "cross_satiation": 1}},
            "demand.choke_price[1] is 4 and leaves the firm without demand; it must exceed 4.5",
        ),
        (
            {"unit_cost": {"spillover": 0.1}},
            "unit_cost has a spillover but no base: there is no unit cost to save",
        ),
        ({"unit_cost": {"base": -1}}, "unit_cost.base is -1; it must lie in [0, inf)"),
        ({"security/rivalry": 1}, "security.rivalry is 1; it must lie in [0, 1)"),
        (
            {"security/demand_spillover": -1.5},
            "security.demand_spillover is -1.5; it must lie in [-1, 1]",
        ),
        (
            {"security/leakage/own": 0.7},
            "security.leakage.own is 0.7; it must lie in (cross + interaction = 0.7, inf)",
        ),
        (
            {"security/leakage/cross": -0.1},
            "security.leakage.cross is -0.1; it must lie in [0, inf)",
        ),
        (
            {"security/leakage": 3},
            "security.leakage is 3; it must be a mapping with the keys own, cross, interaction",
        ),
        (
            {"security/spillover": 3},
            "security.spillover is not a known key; did you mean demand_spillover?",
        ),
        ({"cost/scale": -20}, "cost.scale is -20; it must lie in (0, inf)"),
        ({"cost/scale": float("nan")}, "cost.scale is NaN; it must lie in (0, inf)"),
        ({"cost/scale": float("inf")}, "cost.scale is Infinity; it must lie in (0, inf)"),
        (
            {"cost/scale": 10**400},
            "cost.scale is a number beyond all bounds; it must lie in (0, inf)",
        ),
        (
            {"cost/scale": GONE},
            (
                "cost.scale is missing; give a number in (0, inf) or a list of 2, each a number in"
                " (0, inf)"
            ),
        ),
        ({"cost/spillover": 1.1}, f"cost.spillover is 1.1; it must lie in [0, 1]{PURE}"),
        (
            {"demand/intercept": 1e200},
            (
                "demand.intercept is 1e+200; state it in other units, so that its size lies between"
                " 1e-30 and 1e30"
            ),
        ),
        (
            {"cost/scale": 1e-300},
            (
                "cost.scale is 1e-300; state it in other units, so that its size lies between 1e-30"
                " and 1e30"
            ),
        ),
        ({"cost/investment_cap": -1}, "cost.investment_cap is -1; it must lie in [0, inf)"),
        (
            {"cost/investment_cap": "none"},
            (
                'cost.investment_cap is "none"; it must be a number in [0, inf) or a list of 2,'
                " each a number in [0, inf) or null"
            ),
        ),
        ({"cost/gamma": 0.5}, "cost.gamma is not a known key; did you mean max_saving?"),
        (
            {"cost/form": "saturated"},
            (
                'cost.form is "saturated"; it must be one of saturating, exponential, restricted;'
                " did you mean saturating?"
            ),
        ),
        (
            {"cost/max_saving": 1.0},
            (
                "cost.max_saving is 1.0; it must lie in [0, 1): at 1 the cost grows slower than the"
                " benefit and every planner's problem is unbounded"
            ),
        ),
        (
            {"mechanism/objective": "least"},
            (
                'mechanism.objective is "least"; it must be one of min_outlay, max_surplus,'
                " min_worst_deficit, min_violation"
            ),
        ),
        (
            {"mechanism/allocation": "second_best"},
            (
                "mechanism has allocation second_best, which needs tax_rule designed: lotteries and"
                " transfers are solved for together"
            ),
        ),
        (
            {"mechanism": {"tax_rule": "designed", "payoff": "printed"}},
            (
                "mechanism has tax_rule designed with payoff printed, in which types have no part;"
                " use payoff with_cost"
            ),
        ),
        (
            {"mechanism": {"tax_rule": "designed", "participation": "none"}},
            (
                "mechanism has tax_rule designed and participation none: what firms that may not"
                " refuse can be made to pay has no limit"
            ),
        ),
        (
            {
                "mechanism": {"tax_rule": "designed", "allocation": "second_best"},
                "types": {"support": [0, 1], "points": 22},
            },
            "types gives 22 types; allocation second_best takes at most 21",
        ),
        (
            {"mechanism/budget": "exante"},
            (
                'mechanism.budget is "exante"; it must be one of ex_ante, ex_post, none; did you'
                " mean ex_ante?"
            ),
        ),
        (
            {"mechanism/public_funds_cost": -1},
            "mechanism.public_funds_cost is -1; it must lie in [0, inf)",
        ),
        (
            {"mechanism/tax_rul": "printed"},
            "mechanism.tax_rul is not a known key; did you mean tax_rule?",
        ),
        (
            {"types": 3},
            (
                "types is 3; it must be a mapping with the keys support, points, parameter or a"
                " mapping with the keys values, probabilities, parameter or null"
            ),
        ),
        (
            {"types": {"support": [0, 1], "values": [1]}},
            (
                "types mixes an interval and a list; give either support and points or values and"
                " probabilities"
            ),
        ),
        (
            {"types": {}},
            f"types.support is missing; give a list of 2, each {A_TYPE} or one such list per firm",
        ),
        (
            {"types/support": [0.5, 0.5]},
            "types.support is [0.5, 0.5]; the first must be below the second",
        ),
        ({"types/support": [0.5, 2]}, "types.support[1] is 2; it must lie in [0, 1]"),
        (
            {"types/support": [0.5]},
            (
                f"types.support is a list of 1; it must be a list of 2, each {A_TYPE} or one such"
                " list per firm"
            ),
        ),
        ({"types": {"support": [0, 1], "points": 1}}, "types.points is 1; it must lie in [2, 201]"),
        (
            {"types": {"support": [0, 1], "points": 202}},
            "types.points is 202; it must lie in [2, 201]",
        ),
        (
            {"types": {"support": [0, 1], "points": 3.0}},
            "types.points is 3.0; it must be a whole number in [2, 201]",
        ),
        (
            {"types/values": []},
            f"types.values is empty; give a list, each {A_TYPE}",
        ),
        ({"types/values": [0.1, 0.1]}, "types.values holds a value twice; list each type once"),
        (
            {"types": {"values": [0.1, 0.2], "probabilities": [1]}},
            "types.probabilities is a list of 1; it must have one entry for each of the 2 values",
        ),
        (
            {"types": {"values": [0.1, 0.2], "probabilities": [0.5, 0.6]}},
            "types.probabilities adds up to 1.1; it must add up to 1",
        ),
        (
            {"types": {"values": [0.1], "probabilities": [0]}},
            "types.probabilities[0] is 0; it must lie in (0, 1]",
        ),
        ({"schema_version": 2}, "schema_version is 2; it must be 1"),
        ({"schema_version": True}, "schema_version is true; it must be 1"),
        ({"name": 3}, "name is 3; it must be text or null"),
        ({"units/mony": "USD"}, "units.mony is not a known key; did you mean money?"),
        ({"demnd": 3}, "demnd is not a known key; did you mean demand?"),
        (
            {"expect": {"a[0].b": {"value": [1]}}},
            "expect.a[0].b.value is a list of 1; it must be a number, text, true, false or null",
        ),
        (
            {"expect": {"a": {"value": 10**400}}},
            (
                "expect.a.value is a number beyond all bounds; it must be a number, text, true,"
                " false or null"
            ),
        ),
        (
            {"expect": {"a": {}}},
            "expect.a.value is missing; give a number, text, true, false or null",
        ),
        (
            {"expect": {"a": {"value": 1, "rtol": -1}}},
            "expect.a.rtol is -1; it must lie in [0, inf)",
        ),
    ],
)
def test_one_fault_one_message(changes, message):
    assert faults(**changes) == [message]


def test_no_cross_fault_from_faulty_keys():
    assert faults(demand__own_slope=-1) == ["demand.own_slope is -1; it must lie in (0, inf)"]
    assert faults(demand__own_slope=[2, "x"]) == [
        'demand.own_slope[1] is "x"; it must be a number in (0, inf)'
    ]
    assert faults(demand__own_slope=GONE)[0].startswith("demand.own_slope is missing")
    assert faults(security__leakage__cross="much", security__leakage__own=0.1)[0].startswith(
        'security.leakage.cross is "much"'
    )


def test_what_is_no_tree():
    for tree in ({}, {1: 2}, 5, [1]):
        with pytest.raises(BadCase):
            parse_tree(tree)


def test_all_faults_of_a_file_with_their_places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "case.yaml").write_text(
        textwrap.dedent("""\
            schema_version: 1
            demand:
              intercept: [20, -1]
              own_slope: 1.5
              cross_slope: 2.0
            security:
              rivalry: .nan
              demand_spillover: 1e-3
              leakage: {own: 0.5, cross: 0.5, interaction: 0.2, owm: 1}
            cost: {scale: "20", max_saving: 1, max_saving: 0.5}
            types: {support: [0.8, 0.2]}
            mechanism: {tax_rule: grove}
            """)
    )
    with pytest.raises(BadCase) as caught:
        load_case("case.yaml")
    assert str(caught.value).splitlines() == [
        "case.yaml:3:19: demand.intercept[1] is -1; it must lie in (0, inf)",
        "case.yaml:5:3: demand.cross_slope is 2.0; it must lie in [0, own_slope = 1.5)",
        "case.yaml:7:3: security.rivalry is NaN; it must lie in [0, 1)",
        (
            "case.yaml:9:13: security.leakage.own is 0.5; it must lie in (cross + interaction ="
            " 0.7, inf)"
        ),
        "case.yaml:9:53: security.leakage.owm is not a known key; did you mean own?",
        (
            f"case.yaml:10:1: cost.spillover is missing; give a number in [0, 1]{PURE} or a list of"
            f" 2, each a number in [0, 1]{PURE}"
        ),
        (
            'case.yaml:10:8: cost.scale is "20"; it must be a number in (0, inf) or a list of 2,'
            " each a number in (0, inf)"
        ),
        (
            "case.yaml:10:21: cost.max_saving is 1; it must lie in [0, 1): at 1 the cost grows"
            " slower than the benefit and every planner's problem is unbounded"
        ),
        "case.yaml:10:36: cost.max_saving is given twice, first in line 10; keep one",
        "case.yaml:11:9: types.support is [0.8, 0.2]; the first must be below the second",
        (
            'case.yaml:12:13: mechanism.tax_rule is "grove"; it must be one of printed, groves,'
            " worst_type, agv, designed; did you mean groves?"
        ),
    ]


def test_the_three_formats_agree(tmp_path):
    tree = {
        "schema_version": 1,
        "name": "n",
        **TREE,
        "types": {"values": [0.2, 0.8], "probabilities": [0.25, 0.75]},
    }
    toml = ["schema_version = 1", 'name = "n"']
    for block, inner in tree.items():
        if isinstance(inner, dict):
            toml.append(f"[{block}]")
            for key, value in inner.items():
                pairs = (
                    ", ".join(f"{k} = {v}" for k, v in value.items())
                    if isinstance(value, dict)
                    else value
                )
                toml.append(
                    f"{key} = {{{pairs}}}" if isinstance(value, dict) else f"{key} = {pairs}"
                )
    (tmp_path / "c.toml").write_text("\n".join(toml))
    (tmp_path / "c.json").write_text(json.dumps(tree, indent="\t"))
    (tmp_path / "c.yaml").write_text(json.dumps(tree))
    cases = [load_case(tmp_path / f"c.{ending}") for ending in ("toml", "json", "yaml")]
    assert len({case.sha256 for case in cases}) == 1
    assert cases[0].types == ListedTypes(values=(0.2, 0.8), probabilities=(0.25, 0.75))
    assert cases[0].path == tmp_path / "c.toml"
    (tmp_path / "c.toml").write_text("\n".join([*toml, "x = 1"]))
    with pytest.raises(BadCase, match=r"c\.toml: types\.x is not a known key"):
        load_case(tmp_path / "c.toml")


def test_base_and_places_in_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "root.json").write_text(
        json.dumps(
            {**TREE, "expect": {"x": {"value": 1}}, "types": {"support": [0, 1], "points": 3}}
        )
    )
    (tmp_path / "my_case.yaml").write_text(
        "base: root.json\ndemand: {cross_slope: 0.5}\ntypes: {values: [0.1, 0.3, 0.8]}\n"
    )
    case = load_case("my_case.yaml")
    assert (case.name, dict(case.expect), "base" in case.resolved) == ("my_case", {}, False)
    assert case.types == ListedTypes(values=(0.1, 0.3, 0.8))
    assert case.types.weights == (1 / 3,) * 3
    np.testing.assert_array_equal(case.market.cross_slope, [0.5])
    (tmp_path / "my_case.yaml").write_text("base: root.json\ndemand: {own_slope: 0.5}\n")
    with pytest.raises(
        BadCase,
        match=(
            r"^root\.json:1:\d+: demand\.cross_slope is 1\.0; it must lie in \[0, own_slope ="
            r" 0\.5\)$"
        ),
    ):
        load_case("my_case.yaml")


def test_expected_values():
    case = parse_tree(
        {
            **TREE,
            "expect": {
                "a.b[0]": {"value": 1.5},
                "s": {"value": "converged", "rtol": 0},
                "n": {"value": None, "atol": 1},
            },
        }
    )
    assert (case.expect["a.b[0]"].rtol, case.expect["a.b[0]"].atol) == (1e-6, 1e-9)
    assert (case.expect["s"].value, case.expect["n"].value) == ("converged", None)


positive = st.floats(1e-3, 1e3)
share = st.floats(0, 1)


@st.composite
def trees(draw):
    """Admissible case trees."""

    def per_firm(values):
        return st.one_of(values, st.lists(values, min_size=2, max_size=2))

    own_slope = draw(per_firm(positive))
    cross, interaction = draw(positive), draw(positive)
    tree = {
        "demand": {
            "intercept": draw(per_firm(positive)),
            "own_slope": own_slope,
            "cross_slope": (
                draw(st.floats(0, 0.99))
                * (min(own_slope) if isinstance(own_slope, list) else own_slope)
            ),
        },
        "security": {
            "rivalry": draw(st.floats(0, 1, exclude_max=True)),
            "demand_spillover": draw(st.floats(-1, 1)),
            "leakage": {
                "own": cross + interaction + draw(positive),
                "cross": cross,
                "interaction": interaction,
            },
        },
        "cost": {
            "scale": draw(st.integers(1, 100) | positive),
            "max_saving": draw(st.floats(0, 1, exclude_max=True)),
            "spillover": draw(per_firm(share)),
            "investment_cap": draw(st.none() | positive),
        },
        "mechanism": draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "tax_rule": st.sampled_from(["printed", "groves"]),
                    "participation": st.sampled_from(["ir1", "ir_market", "ir2", "none"]),
                    "public_funds_cost": positive,
                },
            )
        ),
    }
    types = draw(
        st.none()
        | st.lists(share, min_size=2, max_size=2, unique=True).map(lambda x: {"support": sorted(x)})
        | st.lists(share, min_size=1, max_size=6, unique=True).map(
            lambda x: {"values": x, "probabilities": [1 / len(x)] * len(x)}
        )
    )
    if types is not None or draw(st.booleans()):
        tree["types"] = types
    if draw(st.booleans()):
        tree["units"] = {"money": draw(st.text())}
    return tree


@pytest.mark.slow
@given(tree=trees())
def test_round_trip(tree):
    case = parse_tree(tree)
    again = parse_tree(json.loads(json.dumps(case.resolved, allow_nan=False)))
    assert again.resolved == case.resolved
    assert again.sha256 == case.sha256
    assert (again.types, again.mechanism, again.units) == (case.types, case.mechanism, case.units)
    for key, value in tree["demand"].items():
        assert case.resolved["demand"][key] == value
        np.testing.assert_array_equal(getattr(case.market, key), np.atleast_1d(value))
    assert isinstance(
        case.types, UniformTypes if "support" in (tree.get("types") or {}) else ListedTypes | None
    )


@pytest.mark.slow
@given(tree=trees())
def test_yaml_round_trip(tree, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "round.yaml"
    path.write_text(json.dumps({**tree, "name": "n"}), encoding="utf-8")
    assert load_case(path).sha256 == parse_tree({**tree, "name": "n"}).sha256


def test_hash_follows_the_resolved_case():
    assert (
        parse_tree(TREE).sha256
        == parse_tree(changed({"cost/form": "saturating", "demand/intercept": 20.0})).sha256
    )
    assert parse_tree(TREE).sha256 != parse_tree(changed({"demand/intercept": 21})).sha256


def test_schema_of_the_case_file():
    schema = case_schema()
    text = json.dumps(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "base" in schema["properties"]
    for value in ("designed", "second_best", "min_outlay"):
        assert value in text
    demand = schema["$defs"]["Demand"]["properties"]
    number, pair = demand["intercept"]["oneOf"]
    assert number == {"type": "number", "exclusiveMinimum": 0}
    assert (pair["items"], pair["minItems"], pair["maxItems"]) == (number, 2, 2)
    for name, block in schema["$defs"].items():
        # the keys of this block are those of the others, dotted
        others = {"$ref": "#/$defs/Distribution"} if name == "UncertaintyBlock" else False
        assert block["additionalProperties"] == others
        assert all(
            "description" in field and "title" in field
            for field in block["properties"].values()
            if "$ref" not in field
        )
    assert all("description" in field for field in schema["properties"].values())
    # Only a file without a base must be complete.
    assert "required" not in schema["$defs"]["Demand"]
    assert schema["if"] == {"not": {"required": ["base"]}}
    assert schema["then"]["required"] == ["demand", "security", "cost"]
    assert schema["then"]["properties"]["demand"]["anyOf"][1]["required"] == [
        "choke_price",
        "own_satiation",
        "cross_satiation",
    ]
    assert schema["then"]["properties"]["security"]["properties"]["leakage"]["required"] == [
        "own",
        "cross",
        "interaction",
    ]
    assert schema["$defs"]["UniformTypes"]["required"] == ["support"]


@pytest.mark.slow
@given(
    choke=st.tuples(st.floats(20, 30), st.floats(20, 30)),
    own=st.tuples(st.floats(1, 2), st.floats(1, 2)),
    share=st.floats(0, 0.6),
)
def test_utility_gives_the_demand_it_implies(choke, own, share):
    """Appendix A, corrected: at any quantities the prices of the utility, put into the demand, give
    the quantities back."""
    cross = share * min(own)
    market = parse_tree(
        changed({"demand": {"choke_price": choke, "own_satiation": own, "cross_satiation": cross}})
    ).market.flat()
    q = np.array([[2.0, 3.0]])
    price = np.array(choke) - np.array(own) * q - cross * q[:, ::-1]
    np.testing.assert_allclose(quantity(market, market.intercept, price), q, rtol=1e-12)
    np.testing.assert_allclose(inverse_demand(market, market.intercept, q), price, rtol=1e-12)
    utility = (np.array(choke) * q).sum() - (np.array(own) * q**2).sum() / 2 - cross * q.prod()
    np.testing.assert_allclose(
        gross_utility(market, market.intercept, q).sum(), utility, rtol=1e-12
    )
