"""Firms by the names a case gives them: the same answers in the same words, and nowhere a number
instead of a name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from command import Run
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import evaluate

from cli.shipped import find
from market.casefile.faults import BadCase
from mechanism.casefile.case_keys import set_at
from mechanism.casefile.policy_case import PolicyCase, load_case, parse_tree

pytestmark = pytest.mark.usefixtures("evaluated_once")

CASES = Path(__file__).resolve().parents[1] / "cases"
NAMES = ("Bärenwacht & Söhne", "Zeta")
NUMBER = re.compile(r"\bfirm [12]\b|\b(Profit|Correction) [12]\b", re.IGNORECASE)
"""A firm spoken of by its number."""

LEAVING = {
    "demand": {"intercept": 10, "own_slope": 1, "cross_slope": 0},
    "security": {
        "rivalry": 0.9,
        "demand_spillover": 0.05,
        "leakage": {"own": 1, "cross": 0.1, "interaction": 0.1},
    },
    "cost": {"scale": 0.7, "max_saving": 0.2, "spillover": 0.5},
}
"""A market out of which every planner, and the market itself, would drive a firm."""


def case(name: str, **changes: Any) -> PolicyCase:
    """A shipped case with some of its keys replaced."""
    tree = json.loads(json.dumps(load_case(CASES / f"{name}.yaml").resolved))
    return parse_tree({**tree, "expect": {}, **changes})


def renamed(tree: Any) -> Any:
    """A result in which firms go by their numbers, with the names in their places."""
    if isinstance(tree, dict):
        return {key: renamed(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [renamed(value) for value in tree]
    if isinstance(tree, str):
        return re.sub(r"\b[Ff]irm ([12])\b", lambda found: NAMES[int(found[1]) - 1], tree)
    return tree


def answer(found: dict[str, Any]) -> dict[str, Any]:
    """A result without the case it is of."""
    of_the_case = ("case", "case_sha256", "provenance")
    return {key: value for key, value in found.items() if key not in of_the_case}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["large_and_small", "loss_at_optimum", "ill_posed", "two_types", "second_best"]
)
def test_names_change_words_alone(name: str) -> None:
    plain, named = evaluate(case(name)), evaluate(case(name, firms=NAMES))
    assert answer(named) == renamed(answer(plain))
    assert named["case"]["firms"] == list(NAMES)
    assert not NUMBER.search(json.dumps(named))
    if name != "ill_posed":
        assert NUMBER.search(json.dumps(plain))


@pytest.mark.slow
@settings(max_examples=2)
@given(
    st.tuples(st.floats(12, 30), st.floats(12, 30)),
    st.floats(0, 0.9),
    st.floats(0, 1.3),
    st.floats(4, 30),
)
def test_names_change_words_alone_in_random_markets(
    intercept: tuple[float, float], rivalry: float, cross: float, scale: float
) -> None:
    tree = case("two_vendors").resolved
    tree = {
        **tree,
        "demand": {**tree["demand"], "intercept": list(intercept), "cross_slope": cross},
    }
    set_at(tree, ("security", "rivalry"), rivalry)
    set_at(tree, ("cost", "scale"), scale)
    plain, named = evaluate(parse_tree(tree)), evaluate(parse_tree({**tree, "firms": NAMES}))
    assert answer(named) == renamed(answer(plain))


@pytest.mark.slow
def test_who_is_driven_out_goes_by_its_name() -> None:
    regimes = evaluate(parse_tree({**LEAVING, "firms": NAMES}))["regimes"]
    for key in ("joint_profit", "social_optimum"):
        out = regimes[key]["certificate"]["driven_out"]
        assert out in NAMES
        assert f"{out} is driven out of the market" in regimes[key]["message"]
    leaders = {
        regimes[key]["certificate"]["driven_out"] for key in ("sequential", "sequential_firm_2")
    }
    assert leaders <= {*NAMES, None}
    assert not NUMBER.search(json.dumps(regimes))


@pytest.mark.slow
def test_firms_exchanged_with_their_names_are_the_same_firms() -> None:
    tree = {**case("large_and_small").resolved, "firms": NAMES}
    one = evaluate(parse_tree(tree))
    demand = {**tree["demand"], "intercept": tree["demand"]["intercept"][::-1]}
    other = evaluate(parse_tree({**tree, "demand": demand, "firms": NAMES[::-1]}))

    def about(found: dict[str, Any], code: str) -> list[str]:
        text = next(said["text"] for said in found["verdicts"] if said["code"] == code)
        return re.findall(rf"(?:{'|'.join(NAMES)}) (?:falls short by|loses) [\d.]+", text)

    assert about(one, "alliance") == about(other, "alliance") != []
    refusing = about(one, "ir_market_violated")
    assert len(refusing) == 2
    assert set(refusing) == set(about(other, "ir_market_violated"))


def test_without_names_nothing_changes() -> None:
    found = case("two_vendors")
    assert found.resolved["firms"] is None
    assert found.market.firms == ("firm 1", "firm 2")


def faults(names: Any) -> list[str]:
    with pytest.raises(BadCase) as bad:
        case("two_vendors", firms=names)
    return [str(fault) for fault in bad.value.faults]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["Alpha"],
            "firms is a list of 1; it must be a list of 2, each text of 1 to 40 characters or null",
        ),
        (["A", "B", "C"], "firms has 3 entries; at most 2 are taken"),
        (
            "Alpha",
            'firms is "Alpha"; it must be a list of 2, each text of 1 to 40 characters or null',
        ),
        (["Alpha", 2], "firms[1] is 2; it must be text of 1 to 40 characters"),
        (["Alpha", ""], 'firms[1] is ""; it must be text of 1 to 40 characters'),
        (["B" * 41, "A"], f'firms[0] is "{"B" * 41}"; it must be text of 1 to 40 characters'),
        ([" \t ", "A"], 'firms[0] is " \\t "; it must be text that can be read'),
        (["Alpha", "Alpha "], "firms gives both firms the same name; name them apart"),
    ],
)
def test_names_that_are_none(names: Any, message: str) -> None:
    assert faults(names) == [message]


def test_forty_characters_are_a_name() -> None:
    assert case("two_vendors", firms=["A" * 40, "B"]).market.firms == ("A" * 40, "B")


@pytest.fixture
def named(tmp_path: Path) -> Path:
    """A case that takes everything but its name and its firms' from another, whose firms have
    names."""
    (tmp_path / "base.yaml").write_text(
        f"base: {find('large_and_small')}\nfirms: [{', '.join(NAMES)}]\n", encoding="utf-8"
    )
    child = tmp_path / "child.yaml"
    child.write_text("base: base.yaml\nname: A child\n", encoding="utf-8")
    return child


PAGES = [
    ("evaluate",),
    ("compare",),
    ("statics",),
    ("propositions",),
    ("what-if", "--set", "cost.scale=9"),
    ("what-if", "--vary", "security.rivalry=0:0.9:3", "--policy", "nash", "--policy", "sequential"),
    (
        *(
            "what-if",
            "--vary",
            "security.rivalry=0:0.9:2",
            "--vary",
            "demand.cross_slope=0.1:1.4:2",
        ),
        *("--policy", "sequential", "--policy", "sequential_firm_2"),
    ),
    ("what-if", "--vary", "demand.intercept=10:20:3", "--policy", "nash"),
    ("what-if", "--set", "demand.own_slope[2]=3"),
]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["table", "json"])
@pytest.mark.parametrize("command", PAGES, ids=lambda command: " ".join(command[:3]))
def test_no_page_numbers_a_firm_that_has_a_name(
    run: Run, named: Path, command: tuple[str, ...], form: str
) -> None:
    ran = run(command[0], named, *command[1:], "--format", form)
    told = (
        json.dumps(json.loads(ran.out), ensure_ascii=False)
        if form == "json" and ran.out
        else ran.out
    )
    assert ran.code in (0, 2, 3)
    assert not NUMBER.search(told + ran.err)
    if command[0] in ("evaluate", "statics") or (form == "table" and command[0] == "compare"):
        assert NAMES[1] in told + ran.err
    if any("[2]" in part for part in command):
        assert f"[0] is {NAMES[0]}'s, [1] {NAMES[1]}'s" in ran.err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two_types", "second_best", "private_intercepts"])
def test_no_page_numbers_a_firm_whose_types_are_private(
    run: Run, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "case.yaml"
    path.write_text(f"base: {find(name)}\nfirms: [{', '.join(NAMES)}]\n", encoding="utf-8")
    for command in (("evaluate",), ("design", "--budget", "none"), ("design", "--format", "csv")):
        ran = run(command[0], path, *command[1:])
        assert not NUMBER.search(ran.out + ran.err)
    if name == "two_types":
        ran = run("design", path, "--budget", "none")
        assert f"To {NAMES[0]}" in ran.out.replace("\n", " ")


@pytest.mark.slow
def test_names_are_set_and_told_as_a_change(run: Run, named: Path) -> None:
    ran = run("what-if", named, "--set", "firms=[Ypsilon, Xi]")
    assert ran.code == 0
    assert f"Changed: firms: [{', '.join(NAMES)}] -> [Ypsilon, Xi]." in " ".join(ran.out.split())
    assert "(Ypsilon / Xi; one number where both are the same)" in ran.out
    assert run("what-if", named, "--set", "firms=[Xi, Xi]").code == 2
    assert run("what-if", named, "--vary", "firms=1:2:3").code == 2


@pytest.mark.slow
def test_cases_whose_firms_differ_are_told_apart(run: Run, named: Path) -> None:
    other = named.with_name("other.yaml")
    other.write_text("base: base.yaml\nname: Another\nfirms: [Ypsilon, Xi]\n", encoding="utf-8")
    ran = run("compare", named, other)
    words = " ".join(ran.out.split())
    assert (
        f"Profit 1 and 2 are those of child: {NAMES[0]} and {NAMES[1]}; other: Ypsilon and Xi."
        in words
        or (
            f"Profit 1 and 2 are those of A child: {NAMES[0]} and {NAMES[1]}; Another: Ypsilon"
            " and Xi." in words
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_batch_keeps_the_names_of_its_base(run: Run, named: Path, ending: str) -> None:
    design = named.with_name("design.yaml")
    design.write_text(
        "schema_version: 1\nname: Leaders\ncase: child.yaml\nvary: {cost.scale: {values: [9, 12,"
        " 20]}}\nsample: {method: grid}\npolicies: [nash, sequential, sequential_firm_2]\n",
        encoding="utf-8",
    )
    result = named.with_name(f"result.{ending}")
    assert run("batch", design, "--out", result, "--jobs", 1).code == 0
    ran = run("compare", result)
    assert ran.code == 0
    assert "sequential_firm_2" in ran.out
    assert not NUMBER.search(ran.out.replace("sequential_firm_2", ""))


@pytest.mark.slow
def test_a_batch_speaks_of_each_cases_own_firms(run: Run, tmp_path: Path) -> None:
    for path, names in (("one.json", ["Alpha", "Beta"]), ("two.json", ["Gamma", "Delta"])):
        (tmp_path / path).write_text(json.dumps({**LEAVING, "firms": names}), encoding="utf-8")
    design = tmp_path / "design.yaml"
    design.write_text(
        "schema_version: 1\ncases: [one.json, two.json]\npolicies: [joint_profit]\n",
        encoding="utf-8",
    )
    assert run("batch", design, "--out", tmp_path / "result.csv", "--jobs", 1).code == 0
    header, one, two = (tmp_path / "result.csv").read_text(encoding="utf-8").splitlines()
    assert "message" in header
    assert "Beta is driven out" in one
    assert "Delta is driven out" in two


@pytest.mark.slow
def test_what_steers_a_terminal_is_shown_as_an_escape(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "case.json"
    path.write_text(
        json.dumps({**LEAVING, "firms": ["Al\x1b[31mpha", "Be\u202eta\nX"]}), encoding="utf-8"
    )
    for form in ("table", "json"):
        ran = run("evaluate", path, "--quick", "--format", form)
        assert not any(letter in ran.out + ran.err for letter in "\x1b\u202e")
        assert "Be\\u202eta\\nX is driven out" in (ran.out + ran.err).replace("\\\\", "\\").replace(
            "\n  ", " "
        )
    found = json.loads(run("evaluate", path, "--quick", "--format", "json").out)
    assert found["case"]["firms"] == ["Al\x1b[31mpha", "Be\u202eta\nX"]
