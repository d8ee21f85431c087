"""The table of policies: what is derived from it, and that a new row needs nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import Run
from trees import evaluate_anew

from cli.commands.statics import RegimeName
from market.regimes import REGIMES
from mechanism.casefile.policies import (
    allowable,
    benchmarks,
    compared,
    followed,
    known,
    policies,
    policy_of,
)
from mechanism.casefile.policy_case import load_case, parse_tree
from mechanism.design.rules import TAX_RULES, market_rules

CASES = Path(__file__).resolve().parents[1] / "cases"


def test_every_regime_and_tax_rule_is_a_policy_with_words() -> None:
    for key, regime in REGIMES.items():
        row = policy_of(key)
        assert (row.key, row.source) == (key, "regime")
        assert row.label, f"{key} has no label of its own"
        assert key not in row.phrase, f"{key} has no phrase of its own"
        assert (row.compared == "always") == (regime.requires is not None)
    for key in (*market_rules(), *(key for key, rule in TAX_RULES.items() if rule.observed)):
        assert TAX_RULES[key].label in policy_of(key).phrase
        assert policy_of(key).requires == "reports"
    assert not known("clarke")
    assert not known("nsh")


def test_what_policies_take() -> None:
    """Nothing, permission, an order, public money, or reports besides."""
    wanted = {
        "nash": "nothing",
        "bayes_nash": "nothing",
        "joint_profit": "permission",
        "sharing_alliance": "permission",
        "price_collusion": "permission",
        "no_sharing": "order",
        "social_optimum": "order",
        "first_best": "order",
        "linear_subsidies": "money",
        "vcg_full_information": "money",
        **dict.fromkeys(
            ("vcg_reported", "printed", "groves", "worst_type", "agv", "observed", "designed"),
            "reports",
        ),
    }
    assert {key: policy_of(key).requires for key in wanted} == wanted


def test_who_can_be_best() -> None:
    """What needs to know types cannot where they are private; planners and what is forbidden
    never."""
    rows = {
        private: [row.key for row in compared(private) if not row.bar(private)]
        for private in (False, True)
    }
    assert rows[False] == [
        "nash",
        "no_sharing",
        "joint_profit",
        "sharing_alliance",
        "linear_subsidies",
        "vcg_full_information",
    ]
    rules = ["printed", "groves", "worst_type", "agv", "observed", "designed"]
    assert rows[True] == [
        "bayes_nash",
        "no_sharing",
        "joint_profit",
        "sharing_alliance",
        "linear_subsidies",
        *rules,
    ]
    assert benchmarks() == ("social_optimum", "first_best")
    assert allowable() == ("price_collusion", "social_optimum", "first_best", "consumers_lose")


def test_the_order_of_the_rows() -> None:
    """By what is asked, then what cannot be chosen; orders to set levels only where nobody may
    refuse."""
    end = ["price_collusion", "social_optimum", "first_best"]
    known_types = [
        "nash",
        "no_sharing",
        "joint_profit",
        "sharing_alliance",
        "linear_subsidies",
        "vcg_full_information",
        "second_best",
    ]
    assert [row.key for row in compared(private=False)] == [*known_types, *end]
    assert [row.key for row in compared(private=False, unpaid=True)] == [
        *known_types,
        "mandate",
        *end,
    ]
    order = [row.key for row in policies()]
    for private in (False, True):
        shown = [row.key for row in compared(private)]
        assert shown == [key for key in order if key in shown]


def test_what_can_be_followed() -> None:
    """Every regime, and every instrument and rule that a comparison shows."""
    known_types, private = followed(private=False), followed(private=True)
    assert set(known_types) == {
        *REGIMES,
        "linear_subsidies",
        "vcg_full_information",
        "second_best",
        "mandate",
    }
    assert set(private) == {*known_types, "bayes_nash", *market_rules(), "observed"}


def test_the_options_of_statics_are_the_regimes_whose_choosers_act_at_once() -> None:
    assert [name.value for name in RegimeName] == [
        key for key, regime in REGIMES.items() if regime.order == "together"
    ]


@pytest.fixture
def guild(monkeypatch: pytest.MonkeyPatch) -> str:
    """The industry alliance as a row of its own behind all others, without words."""
    row = replace(REGIMES["joint_profit"], key="guild", label="", phrase="", advised=None, code="")
    monkeypatch.setitem(REGIMES, "guild", row)
    return "guild"


def nameless(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "policy"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two_vendors", "two_types"])
def test_a_regime_is_compared_as_soon_as_it_has_a_row(guild: str, name: str) -> None:
    """A renamed copy has the figures of what it copies, and is spoken of by its key."""
    result = evaluate_anew(load_case(CASES / f"{name}.yaml"))
    rows = {row["policy"]: row for row in result["comparison"]}
    assert nameless(rows[guild]) == nameless(rows["joint_profit"])
    assert {**result["regimes"][guild]} == result["regimes"]["joint_profit"]
    (said,) = (verdict["text"] for verdict in result["verdicts"] if verdict["code"] == guild)
    (alliance,) = (
        verdict["text"] for verdict in result["verdicts"] if verdict["code"] == "alliance"
    )
    assert said == alliance.replace("An industry alliance", "The regime guild")


@pytest.mark.slow
def test_a_regime_without_solution_is_told_of_by_its_key(guild: str) -> None:
    tree = load_case(CASES / "two_vendors.yaml").resolved | {"expect": {}}
    result = evaluate_anew(parse_tree({**tree, "cost": {**tree["cost"], "scale": 0.5}}))
    told = {verdict["code"]: verdict["text"] for verdict in result["verdicts"]}
    assert told[f"{guild}_unbounded"].startswith(
        "There is no figure for the regime guild (unbounded): "
    )


@pytest.mark.slow
def test_pages_and_paths_have_a_new_regime_too(run: Run, guild: str) -> None:
    path = CASES / "two_vendors.yaml"
    for arguments in (
        ("evaluate",),
        ("compare",),
        ("what-if", "--set", "cost.scale=15"),
        ("what-if", "--vary", "cost.scale=10:20:3"),
    ):
        done = run(arguments[0], path, *arguments[1:])
        assert done.code == 0, done.err
        assert guild in done.out
