"""`pigou what-if`: a change beside the case, paths with what changes along them, maps, and bad
input."""

from __future__ import annotations

import csv
import io
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run
from scipy.optimize import brentq
from trees import evaluate

from market.regimes import solve_regime
from mechanism.analysis import what_if
from mechanism.analysis.difference import changes
from mechanism.analysis.what_if import Span, usual_policies
from mechanism.analysis.what_if_tree import path_tree
from mechanism.casefile.case_keys import key_path, set_at
from mechanism.casefile.policy_case import load_case, parse_tree

CASES = Path(__file__).resolve().parents[1] / "cases"
VENDORS, TYPES = CASES / "two_vendors.yaml", CASES / "two_types.yaml"


def along(*arguments: Any) -> dict[str, Any]:
    """A path as the tree that users are given."""
    return path_tree(what_if.along(*arguments), arguments[0], arguments[0])


def with_value(tree: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy of the tree with another value there."""
    copy = deepcopy(tree)
    set_at(copy, key_path(key), value)
    return copy


def welfare(key: str, value: float, regime: str) -> float:
    """A regime's welfare at another value of one key, solved alone."""
    case = parse_tree(with_value(load_case(VENDORS).resolved, key, value) | {"expect": {}})
    return solve_regime(case.market, regime).welfare


@pytest.mark.slow
def test_a_change_is_the_difference_of_two_evaluations(run: Run) -> None:
    done = run(
        "what-if",
        VENDORS,
        "--set",
        "cost.scale=15",
        "--set",
        "demand.intercept=[20, 22]",
        "--format",
        "json",
    )
    assert done.code == 0
    told = json.loads(done.out)
    assert told["changes"] == [
        {"key": "demand.intercept", "before": 20.0, "after": [20.0, 22.0]},
        {"key": "cost.scale", "before": 12.0, "after": 15.0},
    ]
    tree = with_value(
        with_value(load_case(VENDORS).resolved, "cost.scale", 15.0),
        "demand.intercept",
        [20.0, 22.0],
    )
    after = evaluate(parse_tree({**tree, "expect": {}}))
    before = evaluate(load_case(VENDORS))
    for row in told["policies"]:
        old, new = (
            next(r for r in side["comparison"] if r["policy"] == row["policy"])
            for side in (before, after)
        )
        assert row["welfare"]["before"] == pytest.approx(old["welfare"], rel=1e-12)
        assert row["welfare"]["change"] == pytest.approx(new["welfare"] - old["welfare"], rel=1e-9)
        assert row["welfare"]["share"] == pytest.approx(
            new["welfare"] / old["welfare"] - 1, rel=1e-9
        )
        assert row["profit"][1]["after"] == pytest.approx(new["profit"][1], rel=1e-12)
    assert {row["regime"] for row in told["regimes"]} == set(before["regimes"])
    rows = list(
        csv.DictReader(
            io.StringIO(run("what-if", VENDORS, "--set", "cost.scale=15", "--format", "csv").out)
        )
    )
    assert {row["kind"] for row in rows} == {"policy", "regime"}
    page = run("what-if", VENDORS, "--set", "cost.scale=15").out
    assert "Changed: cost.scale: 12 -> 15." in page
    assert max(map(len, page.splitlines())) <= 100


@pytest.mark.slow
def test_changes_are_made_in_the_order_given(run: Run, tmp_path: Path) -> None:
    """A file laid over the case, then a value over the file, or the other way round."""
    patch = tmp_path / "dear.yaml"
    patch.write_text("cost: {scale: 20}\ntypes: {values: [0.4]}\n")
    first = json.loads(
        run(
            "what-if", TYPES, "--set", f"@{patch}", "--set", "cost.scale=15", "--format", "json"
        ).out
    )
    last = json.loads(
        run(
            "what-if", TYPES, "--set", "cost.scale=15", "--set", f"@{patch}", "--format", "json"
        ).out
    )
    assert first["changed"]["case"]["cost"]["scale"] == 15
    assert last["changed"]["case"]["cost"]["scale"] == 20
    # Types are replaced whole: no probability of the case is left beside the new value.
    assert last["changed"]["case"]["types"]["values"] == [0.4]
    assert {row["tax_rule"] for row in last["rules"]} >= {"printed", "groves", "worst_type", "agv"}


def test_nothing_changed_changes_nothing() -> None:
    case = load_case(VENDORS)
    assert changes(case.resolved, case.resolved) == ()


@pytest.mark.slow
def test_a_path_is_what_each_point_gives_alone() -> None:
    case = load_case(VENDORS)
    keys = ("nash", "joint_profit", "social_optimum")
    found = along({**case.resolved, "expect": {}}, [Span("security.rivalry", 0.0, 0.8, 9)], keys)
    assert len(found["rows"]) == 27
    for row in found["rows"]:
        assert row["welfare"] == pytest.approx(
            welfare("security.rivalry", row["security.rivalry"], row["policy"]), rel=1e-11
        )
        assert row["residual"] <= 1e-9


PATHS = {
    "two_vendors": ("security.rivalry", 0.1, 0.9),
    "capped": ("cost.investment_cap", 0.3, 3.0),
    "full_sharing": ("cost.scale", 8, 30),
    "large_and_small": ("mechanism.public_funds_cost", 0.0, 2.0),
    "loss_at_optimum": ("mechanism.profit_weight", 0.0, 1.0),
    "two_types": ("demand.cross_slope", 0.4, 1.0),
    "private_intercepts": ("mechanism.public_funds_cost", 0.1, 0.5),
}
"""A key and its range, by case; equal and unequal firms, bounds, types and the weights of the
standard among them."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [name if name == "capped" else pytest.param(name, marks=pytest.mark.slow) for name in PATHS],
)
def test_every_policy_along_a_path_is_as_evaluate_has_it(name: str) -> None:
    """What may be recommended is followed, with the figures of each point alone, and the same is
    recommended."""
    case, (key, low, high) = load_case(CASES / f"{name}.yaml"), PATHS[name]
    tree = {**case.resolved, "expect": {}}
    keys = usual_policies(case)
    columns = what_if.along(
        tree, [Span(key, low, high, 2), Span("mechanism.materiality", 0.05, 0.05, 1)], keys
    ).columns
    for k, value in enumerate((low, high)):
        alone = evaluate(parse_tree(with_value(tree, key, float(value))))
        rows = {row["policy"]: row for row in alone["comparison"]}
        assert {policy for policy, row in rows.items() if row["competes"]} <= set(keys)
        size = 1e-9 * abs(rows["social_optimum"]["welfare"])
        for j, policy in enumerate(keys):
            at, row = k * len(keys) + j, rows[policy]
            told = {
                figure: columns[figure][at]
                for figure in (
                    "value",
                    "welfare",
                    "consumer_surplus",
                    "public_outlay",
                    "outlay_joined",
                )
            }
            told |= {
                f"{figure}{i}": columns[f"{figure}_{i + 1}"][at]
                for figure in ("profit", "net_transfer", "investment")
                for i in (0, 1)
            }
            for figure, here in told.items():
                there = (
                    row[figure]
                    if figure in row
                    else row[figure[:-1]] and row[figure[:-1]][int(figure[-1])]
                )
                assert here == pytest.approx(
                    np.nan if there is None else there, rel=1e-9, abs=size, nan_ok=True
                ), (policy, figure)
            assert (columns["competes"][at], columns["why_not"][at] or None) == (
                row["competes"],
                row["why_not"],
            ), policy
            assert (columns["best"][at] or None) == alone["recommendation"]["policy"]
            assert columns["recommended"][at] == (policy == alone["recommendation"]["policy"])
            assert columns["best_value"][at] == pytest.approx(
                alone["recommendation"]["value"], rel=1e-9
            )


@pytest.mark.slow
def test_an_agreement_is_recommended_as_long_as_it_brings_what_can_be_measured() -> None:
    """Against Brent's method: up to where it adds a thousandth of today's welfare."""
    tree = {**load_case(VENDORS).resolved, "expect": {}}
    path = what_if.along(
        tree, [Span("security.rivalry", 0.6, 0.9, 4)], ("nash", "sharing_alliance")
    )
    (event,) = [event for event in path.events if event.kind == "winner"]
    assert (event.policies, event.before, event.after) == (
        ("sharing_alliance", "nash"),
        "sharing_alliance",
        "nash",
    )

    def beyond(value: float) -> float:
        now = welfare("security.rivalry", value, "nash")
        return welfare("security.rivalry", value, "sharing_alliance") - now - 1e-3 * now

    assert event.at == pytest.approx(brentq(beyond, 0.6, 0.9, xtol=1e-10), abs=3e-7)
    assert event.within <= 3e-7


@pytest.mark.slow
def test_money_is_recommended_up_to_the_cost_at_which_an_alliance_is_as_good() -> None:
    """For given levels value falls by the outlay for every unit of the cost; what falls short of
    the best by a thousandth of today's welfare counts as equal, and permission asks less than
    money."""
    case = load_case(VENDORS)
    rows = {row["policy"]: row for row in evaluate(case)["comparison"]}
    paid, alliance, now = (
        rows[key]["welfare"] for key in ("vcg_full_information", "joint_profit", "nash")
    )
    switch = (paid - alliance - 1e-3 * now) / rows["vcg_full_information"]["outlay_joined"]
    tree = with_value({**case.resolved, "expect": {}}, "mechanism.materiality", 0.0)
    # Today's market is ranked too, though it is not followed.
    path = along(
        tree,
        [Span("mechanism.public_funds_cost", 0.0, 1.0, 3)],
        ("joint_profit", "vcg_full_information"),
    )
    (event,) = [event for event in path["events"] if event["kind"] == "winner"]
    assert event["at"] == pytest.approx(switch, abs=1e-6)
    assert 0.5 < switch < 1
    assert [point["policy"] for point in path["best"]] == [
        "vcg_full_information",
        "vcg_full_information",
        "joint_profit",
    ]
    assert path["best"][0]["value"] == pytest.approx(paid, rel=1e-12)
    tree = with_value(tree, "security.rivalry", 0.9)
    point, _ = along(tree, [Span("cost.scale", 11.9, 12.0, 2)], ("no_sharing",))["best"]
    assert point["policy"] == "nash"


def test_what_changes_twice_between_two_points_is_followed_twice() -> None:
    """Of three steps in a range without points between its ends, each is bracketed."""
    steps = np.array([0.123, 0.456, 0.789])

    def solve(values: Any) -> dict[str, Any]:
        names = np.array(["a", "b", "c", "d"], object)[np.searchsorted(steps, values)]
        return {"policy": names, "best": names}

    ends = np.array([0.0, 1.0])
    found, left = what_if.narrowed(
        what_if.brackets(what_if.winner(1), ends, solve(ends)), solve, 1e-9
    )
    assert sorted((b.before, b.after) for b in found) == [("a", "b"), ("b", "c"), ("c", "d")]
    np.testing.assert_allclose(sorted((b.low + b.high) / 2 for b in found), steps, atol=1e-9)
    assert left == 0


def test_what_is_not_bracketed_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two changes in one bracket of which only one is followed leave one, whatever the count."""
    monkeypatch.setattr(what_if, "MOST_EVENTS", 1)

    def solve(values: Any) -> dict[str, Any]:
        names = np.array(["a", "b", "c"], object)[np.searchsorted([0.3, 0.6], values)]
        return {"policy": names, "best": names}

    ends = np.array([0.0, 1.0])
    found, left = what_if.narrowed(
        what_if.brackets(what_if.winner(1), ends, solve(ends)), solve, 1e-9
    )
    assert (len(found), left) == (1, 1)


@pytest.mark.slow
def test_why_the_recommendation_changes(run: Run, tmp_path: Path) -> None:
    def changed(case: Path, *sets: str) -> dict[str, Any]:
        arguments = [part for one in sets for part in ("--set", one)]
        told = json.loads(run("what-if", case, *arguments, "--format", "json").out)
        advice = told["recommendation"]
        for side, name in (("baseline", "before"), ("changed", "after")):
            assert (advice[name], advice["value"][name]) == tuple(
                told[side]["recommendation"][key] for key in ("policy", "value")
            )
        assert advice["changed"] == (advice["before"] != advice["after"]) == bool(advice["why"])
        rows = {row["policy"]: row for row in told["policies"]}
        assert rows["nash"]["outlay_joined"]["after"] == 0
        assert rows["nash"]["value"]["before"] == told["baseline"]["comparison"][0]["value"]
        for side in ("baseline", "changed"):
            # no share of what the planner's levels add where that is next to nothing
            goal, now = (
                next(row for row in told[side]["comparison"] if row["policy"] == key)
                for key in ("social_optimum", "nash")
            )
            small = goal["welfare"] is None or goal["welfare"] <= 1.01 * now["welfare"]
            assert {row["share_of_gain"] is None for row in told[side]["comparison"]} == {small}
        return dict(advice)

    assert not changed(VENDORS, "cost.scale=13")["changed"]
    # Where hardly anything is to be gained nothing is asked for.
    told = changed(VENDORS, "security.rivalry=0.9")
    assert (told["before"], told["after"]) == ("linear_subsidies", "nash")
    assert told["why"][0].endswith(
        "count as equally good, and the first asks less (nothing, not money)"
    )
    value = {row["policy"]: row["value"] for row in evaluate(load_case(VENDORS))["comparison"]}
    gain = value["linear_subsidies"] - value["nash"]
    assert (
        told["why"][1]
        == f"before, plain subsidies per unit would be worth {gain:.4g} million USD more than"
        " today's market"
    )
    # A benchmark that may be chosen no longer may.
    lenient = tmp_path / "lenient.yaml"
    lenient.write_text(f"base: {VENDORS}\nmechanism: {{allow: [social_optimum]}}\n")
    told = changed(lenient, "mechanism.allow=[]")
    assert (told["before"], told["after"]) == ("social_optimum", "linear_subsidies")
    assert "can no longer be recommended: it shows what could be had" in told["why"][0]
    assert told["why"][1].endswith(
        "count as equally good, and the first asks less (order, not money)"
    )
    told = changed(VENDORS, "cost.scale=2")
    assert told["after"] is None
    assert told["why"][0].startswith("there is no advice now: the planner's problem")
    page = run("what-if", VENDORS, "--set", "security.rivalry=0.9").out
    assert "- After: leave the market as it is (nash), worth 750.12 million USD." in page


@pytest.mark.slow
def test_where_the_order_changes_is_where_welfare_is_equal() -> None:
    """Against Brent's method on outcomes solved one by one."""
    case = load_case(VENDORS)
    found = along(
        {**case.resolved, "expect": {}},
        [Span("security.rivalry", 0.3, 0.9, 31)],
        ("nash", "joint_profit"),
    )
    crossings = [event for event in found["events"] if event["kind"] == "order"]
    assert len(crossings) == 2

    def gap(value: float) -> float:
        return welfare("security.rivalry", value, "nash") - welfare(
            "security.rivalry", value, "joint_profit"
        )

    for event, (low, high) in zip(crossings, ((0.4, 0.5), (0.8, 0.9)), strict=True):
        assert event["at"] == pytest.approx(brentq(gap, low, high, xtol=1e-10), abs=6e-7)
        assert event["within"] <= 6e-7
    assert crossings[0]["before"] == "joint_profit above nash"
    assert crossings[0]["after"] == "nash above joint_profit"


@pytest.mark.slow
def test_where_a_bound_begins_to_bind() -> None:
    """Just beside the value the planner shares everything, just beyond not quite."""
    case = load_case(VENDORS)
    found = along(
        {**case.resolved, "expect": {}},
        [Span("security.rivalry", 0.1, 0.5, 11)],
        ("social_optimum",),
    )
    (event,) = found["events"]
    assert event["kind"] == "bounds"
    assert "shares everything" in event["before"]
    shares = []
    for side in (-1e-5, 1e-5):
        tree = with_value(case.resolved, "security.rivalry", event["at"] + side)
        levels = solve_regime(parse_tree({**tree, "expect": {}}).market, "social_optimum").levels
        assert levels is not None
        shares.append(levels[0])
    assert shares[0] == 1
    assert 0.999 < shares[1] < 1


@pytest.mark.slow
def test_where_a_tax_begins_to_fail_and_a_market_ends(run: Run) -> None:
    """The printed tax is truthful as long as nothing is shared; beyond the own slope there is no
    admissible market."""
    policies = ("--policy", "printed", "--policy", "social_optimum")
    told = json.loads(
        run(
            "what-if",
            TYPES,
            "--vary",
            "security.demand_spillover=-0.4:0.2:7",
            *policies,
            "--format",
            "json",
        ).out
    )
    truth = [event for event in told["events"] if event["kind"] == "ic"]
    corner = [event for event in told["events"] if event["kind"] == "bounds"]
    assert (truth[0]["before"], truth[0]["after"]) == ("holds", "violated")
    assert truth[0]["at"] == pytest.approx(corner[0]["at"], abs=1e-5)
    told = json.loads(
        run(
            "what-if",
            VENDORS,
            "--vary",
            "demand.cross_slope=1:2:5",
            "--policy",
            "nash",
            "--format",
            "json",
        ).out
    )
    assert [row["status"] for row in told["rows"]][-1] == "bad_case"
    assert "it must lie in [0, own_slope = 1.5)" in told["rows"][-1]["message"]
    assert told["rows"][-1]["welfare"] is None
    end = next(
        event
        for event in told["events"]
        if event["kind"] == "bounds" and event["after"] == "bad_case"
    )
    assert end["at"] == pytest.approx(1.5, abs=2e-6)


@pytest.mark.slow
def test_a_map_of_winners(run: Run) -> None:
    arguments = (
        "what-if",
        VENDORS,
        "--vary",
        "cost.scale=8:16:5",
        "--vary",
        "demand.cross_slope=0.3:1.4:4",
    )
    told = json.loads(run(*arguments, "--format", "json").out)
    assert len(told["rows"]) == 5 * 4 * len(told["policies"])
    assert told["events"] == []
    page = run(*arguments).out
    lines = [line.split() for line in page.splitlines()]
    rows = [
        line
        for line in lines
        if len(line) == 2 and len(line[1]) == 5 and line[0].replace(".", "").isdigit()
    ]
    letters = {
        line[0]: line[-1].strip("()") for line in lines if len(line) > 2 and line[0] in "ABCD"
    }
    best = [point["policy"] for point in told["best"]]
    assert {None, *letters.values()} >= set(best) > {None}
    for n, line in enumerate(rows[:4]):  # from the highest slope down
        for i, mark in enumerate(line[1]):
            assert best[i * 4 + 3 - n] == (None if mark == "!" else letters[mark])
    for k in (0, 7, 18):
        tree = load_case(VENDORS).resolved | {"expect": {}}
        for key in ("cost.scale", "demand.cross_slope"):
            tree = with_value(tree, key, told["best"][k][key])
        alone = evaluate(parse_tree(tree))["recommendation"]
        assert told["best"][k]["policy"] == alone["policy"]
        assert (told["best"][k]["value"] or 0.0) == pytest.approx(alone["value"] or 0.0, rel=1e-9)
    tidy = list(csv.DictReader(io.StringIO(run(*arguments, "--format", "csv").out)))
    assert len(tidy) == len(told["rows"])
    assert float(tidy[0]["welfare"]) == told["rows"][0]["welfare"]
    assert [row["best"] or None for row in tidy[:: len(told["policies"])]] == best


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "nothing is changed"),
        (
            ("--set", "cost.scal=3"),
            "--set cost.scal is not a key of the base case; did you mean cost.scale?",
        ),
        (("--set", "cost.scale"), "is no change; write KEY=VALUE, or @FILE"),
        (("--set", "cost.scale=-1"), "cost.scale is -1; it must lie in (0, inf)"),
        (("--set", "cost.scale=[1"), "is no value of a case file"),
        (("--set", "types.points=5"), "the base case has no types"),
        (("--set", "@none.yaml"), "none.yaml"),
        (("--vary", "cost.scale=3:2:9"), "is no range"),
        (("--vary", "cost.scale=1:2:x"), "is no range"),
        (
            ("--vary", "cost=1:2:5"),
            "--vary cost is a block or a list; vary its parts, such as cost.form",
        ),
        (
            ("--vary", "cost.scale=10:20:5", "--vary", "cost.scale=10:20:5"),
            "cost.scale is varied twice",
        ),
        (
            ("--vary", "a=1:2", "--vary", "b=1:2", "--vary", "c=1:2"),
            "one or two keys can be varied",
        ),
        (("--vary", "cost.scale=10:20:1000000"), "pigou batch takes any number"),
        (("--vary", "cost.scale=10:20:5", "--policy", "nsh"), "did you mean nash?"),
        (
            ("--vary", "cost.scale=10:20:5", "--policy", "groves"),
            "groves needs `types` in the case",
        ),
        (
            ("--vary", "cost.scale=10:20:5", "--policy", "clarke"),
            "clarke is no policy; there are no_sharing, nash",
        ),
    ],
)
def test_bad_usage(run: Run, arguments: tuple[str, ...], message: str) -> None:
    done = run("what-if", VENDORS, *arguments)
    assert done.code == 2
    assert message in " ".join(done.err.replace("│", " ").split())
    assert done.out == ""


@pytest.mark.slow
def test_a_change_without_solution_gives_3(run: Run) -> None:
    done = run("what-if", VENDORS, "--set", "cost.scale=2")
    assert done.code == 3
    assert "changed: social_optimum is unbounded" in done.err
    assert "baseline" not in done.err


@pytest.mark.slow
def test_everything_at_once_is_deterministic(run: Run) -> None:
    arguments: tuple[Any, ...] = (
        "what-if",
        VENDORS,
        "--vary",
        "security.rivalry=0.2:0.3:2",
        "--format",
        "csv",
    )
    assert run(*arguments).out == run(*arguments).out


@pytest.mark.slow
def test_a_cap_stops_binding_at_the_investment_that_is_chosen_without_it() -> None:
    """Of no sharing and Nash too, whose sharing is no bound that anybody runs into."""
    tree = load_case(VENDORS).resolved | {"expect": {}}
    found = along(tree, [Span("cost.investment_cap", 0.2, 2, 21)], ["no_sharing", "nash"])
    events = [event for event in found["events"] if event["kind"] == "bounds"]
    assert [event["policies"] for event in events] == [["no_sharing"], ["nash"]]
    for event, key in zip(events, ("no_sharing", "nash"), strict=True):
        free = solve_regime(load_case(VENDORS).market, key)
        assert free.levels is not None
        assert event["at"] == pytest.approx(float(free.levels[2]), abs=2e-6)
        assert (event["before"], event["after"]) == ("an investment is capped", "no bound binds")


def test_what_is_wrong_in_a_change_is_told_with_its_place(run: Run, tmp_path: Path) -> None:
    part = tmp_path / "dear.yaml"
    part.write_text("cost:\n  scale: 15\n  scal: 12\n")
    for given, said in (
        (f"@{part}", f"{part}:3:3: cost.scal is not a known key"),
        ("cost.scale=-2", "--set: cost.scale is -2"),
        ("demand.cross_slope[0]=1.2", "--set: demand.cross_slope is a list of 2"),
        ("demand.intercept[2]=3", "[0] is firm 1's, [1] firm 2's"),
    ):
        told = run("what-if", VENDORS, "--set", given)
        assert told.code == 2
        assert said in told.err, told.err
        assert len(told.err.strip().splitlines()) == 1


@pytest.mark.slow
def test_a_path_says_why_points_have_no_figures(run: Run) -> None:
    told = run("what-if", VENDORS, "--vary", "demand.cross_slope=1:2:2", "--policy", "nash")
    assert "bad_case: demand.cross_slope is 2.0" in told.out


@pytest.mark.slow
def test_the_ending_of_the_file_asks_for_the_format(run: Run, tmp_path: Path) -> None:
    arguments = ("what-if", VENDORS, "--vary", "cost.scale=10:12:3", "--policy", "nash")
    for name, form in (("r.json", "json"), ("r.csv", "csv"), ("r.txt", "table")):
        out = tmp_path / name
        assert run(*arguments, "--out", out).code == 0
        assert out.read_text() == run(*arguments, "--format", form).out
