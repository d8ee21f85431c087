"""Pictures: what is drawn is what the result says, in the same bytes every time."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
import picture_results as results
import pytest
from command import Run
from picture_results import CASES, Tree, evaluated
from read_svg import Shown
from trees import evaluate_once
from wild_markets import made

from cli.pages.words import kept
from cli.pictures.table import PICTURES, NoPicture, drawn_of, pictures_of
from market.model.case import levels
from market.regimes.reactions import reaction_curve
from mechanism.analysis.ladder import ladder
from mechanism.casefile.policy_case import parse_tree

pytest.importorskip("matplotlib")

RIVALRY = ("security.rivalry", 0.7, 0.8, 4)
FUNDS = ("mechanism.public_funds_cost", 0.0, 1.0, 3)
SCALE = ("cost.scale", 1.0, 9.0, 3)
TWO: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    **{
        name: (lambda: evaluated("two_vendors"), lambda: evaluated("ill_posed"))
        for name in ("who_gains", "levels", "welfare_outlay", "reactions")
    },
    "ladder": (lambda: evaluated("two_vendors"), lambda: results.rivals(0.5)),
    "standards": (lambda: evaluated("two_vendors"), lambda: results.rivals(0.74)),
    "interim": (results.by_types, lambda: results.by_types(1.0)),
    "uncertainty": (results.uncertain, lambda: results.uncertain(shift=1.0)),
    "path": (
        lambda: results.path(RIVALRY),
        lambda: results.path(SCALE, policies=("nash", "social_optimum")),
    ),
    "frontier": (
        lambda: results.path(FUNDS, policies=("second_best", "nash")),
        lambda: results.path(RIVALRY),
    ),
    "map_of_keys": (
        lambda: results.path(RIVALRY, SCALE, policies=("nash", "sharing_alliance")),
        lambda: results.path(RIVALRY, ("demand.cross_slope", 0.5, 2.0, 2), policies=("nash",)),
    ),
    "before_and_after": (results.before_after, lambda: results.before_after(1.0)),
    "gains_over_cases": (
        lambda: results.compared("two_vendors", "ill_posed"),
        lambda: results.compared("two_vendors"),
    ),
    "wins": (results.batch, lambda: results.batch(0.5)),
    "sensitivity": (
        lambda: results.turning("tornado"),
        lambda: results.turning("sobol"),
    ),
}
"""Two results of each picture, between which it differs."""


pytestmark = pytest.mark.usefixtures("evaluated_once")


@pytest.fixture(autouse=True)
def few_standards(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small map of standards."""
    monkeypatch.setattr("cli.pictures.maps.STANDARDS", (3, 2))


@cache
def bytes_of(name: str, n: int = 0) -> bytes:
    """A picture of one of its two results."""
    return drawn_anew(name, TWO[name][n]())


def drawn_anew(name: str, result: Any) -> bytes:
    """The SVG of a picture of a result."""
    from cli.pictures.canvas import svg

    return svg(PICTURES[name].draw(result))


def shown(name: str, n: int = 0) -> Shown:
    """A picture of one of its two results, read back."""
    return Shown(bytes_of(name, n))


def test_every_picture_has_a_function_of_its_name_and_two_results() -> None:
    assert set(TWO) == set(PICTURES)
    for name, picture in PICTURES.items():
        assert name == picture.name
        assert callable(getattr(import_module(f"cli.pictures.{picture.module}"), name))
        assert all(picture in pictures_of(command) for command in picture.commands)


@pytest.mark.slow
@pytest.mark.parametrize("name", TWO)
def test_the_same_result_makes_the_same_bytes_and_another_others(name: str) -> None:
    assert drawn_anew(name, TWO[name][0]()) == bytes_of(name)
    one, other = shown(name), shown(name, 1)
    same = set(one.marks) == set(other.marks) and all(
        one.marks[key].shape == other.marks[key].shape
        and np.array_equal(one.marks[key], other.marks[key])
        for key in one.marks
    )
    assert one.marks
    assert not same
    for picture in (one, other):
        assert picture.title
        assert len(picture.words) > 40
    assert b"<metadata" not in bytes_of(name)
    assert version("matplotlib").encode() not in bytes_of(name)


@pytest.mark.slow
@pytest.mark.parametrize("n", [0, 1])
def test_who_gains_shows_the_changes_of_the_comparison(n: int) -> None:
    result = TWO["who_gains"][n]()
    rows = {row["policy"]: row for row in result["comparison"]}
    now, picture = rows["nash"], shown("who_gains", n)
    for policy, row in rows.items():
        if policy == "nash":
            continue
        if row["welfare"] is None:
            assert f"value-{policy}" not in picture.marks
            assert f"no figures: {row['status']}" in picture.texts
            continue
        wanted = {
            "value": row["value"] - now["value"],
            "consumers": row["consumer_surplus"] - now["consumer_surplus"],
            "firm_1": kept(row, 0) - kept(now, 0),  # type: ignore[operator]
            "firm_2": kept(row, 1) - kept(now, 1),  # type: ignore[operator]
        }
        if any(other["outlay_joined"] for other in rows.values()):
            wanted["public"] = -row["outlay_joined"] if row["outlay_joined"] is not None else 0.0
        for party, change in wanted.items():
            close = pytest.approx(change, abs=1e-6 * now["welfare"])
            assert picture.end(f"{party}-{policy}") == close


@pytest.mark.slow
def test_levels_and_outlays_are_those_of_the_result() -> None:
    result = evaluated("two_vendors")
    picture = shown("levels")
    for key, outcome in result["regimes"].items():
        if key == "sequential_firm_2":  # for equal firms another regime with the firms exchanged
            assert f"price-{key}" not in picture.marks
            continue
        for figure in ("sharing", "investment", "price", "investment_cost"):
            found = picture.marks[f"{figure}-{key}"][:, 0]
            np.testing.assert_allclose(found, outcome[figure], atol=1e-4)
    picture = shown("welfare_outlay")
    base = result["comparison"][0]["welfare"]
    for row in result["comparison"]:
        ((x, y),) = picture.marks[f"policy-{row['policy']}"]
        assert x == pytest.approx(row["outlay_joined"] or 0.0, abs=1e-3)
        assert y == pytest.approx(row["welfare"] - base, abs=1e-3)


@pytest.mark.slow
def test_the_ladder_and_reaction_curves_are_those_of_the_market() -> None:
    result = evaluated("two_vendors")
    market = parse_tree({**result["case"], "expect": {}}).market
    ends = [
        levels(result["regimes"][key]["sharing"], result["regimes"][key]["investment"])
        for key in ("nash", "social_optimum")
    ]
    found, picture = ladder(market, *ends), shown("ladder")
    assert found.shares is not None
    at = found.start
    for channel, share in found.shares.items():
        x = picture.marks[f"channel-{channel.replace(' ', '_')}"][:, 0]
        assert sorted([x.min(), x.max()]) == pytest.approx(sorted([at, at + share]), abs=1e-3)
        at += share
    assert picture.marks["goal-welfare"][:, 0] == pytest.approx([found.start, found.goal], abs=1e-3)
    for firm in (0, 1):
        end = picture.end(f"direct-sharing-{firm + 1}")
        assert end == pytest.approx(found.effects.direct_sharing[firm], abs=1e-5)
    picture = shown("reactions")
    assert picture.marks["today-1"][0] == pytest.approx(ends[0][2:], abs=1e-5)
    x, y = picture.marks["reply-2"].T
    wanted = reaction_curve(market, 1, np.array([x[40], x[120]]))[:, 3]
    assert [y[40], y[120]] == pytest.approx(wanted, abs=1e-5)


@pytest.mark.slow
def test_a_steep_reply_is_followed_and_not_broken() -> None:
    """An unstable equilibrium far out, its levels those of an independent search (`test_edges`):
    the curve of the firm whose reply is steep passes through it."""
    spot = np.array([29.6660073, 2.89368974])
    today = {
        "status": "converged",
        "investment": spot.tolist(),
        "welfare": 98.96,
        "certificate": {"others": [], "stable": False},
    }
    result = {
        "case": parse_tree(made(1, 459)).resolved,
        "regimes": {"nash": today, "social_optimum": {"status": "unbounded"}},
        "comparison": [],
    }
    picture = Shown(drawn_anew("reactions", result))
    for reply in ("reply-1", "reply-2"):
        points = picture.marks[reply]
        assert np.abs(points - spot).max(1).min() < 0.5
        near = points[np.abs(points - spot).max(1) < 3]
        assert len(near) > 3


@pytest.mark.slow
def test_payoffs_by_type_and_reports_are_those_of_the_rules() -> None:
    picture, rule = shown("interim"), results.by_types()["mechanism"]["reported"]
    for firm in (1, 2):
        rows = [row for row in rule["interim"] if row["firm"] == firm]
        for what in ("payoff", "outside"):
            points = [(row["type"], row[what]) for row in rows]
            np.testing.assert_allclose(picture.marks[f"{what}-printed-{firm}"], points, atol=1e-4)
        lie = (0.8, rows[1]["payoff"] + 0.75)
        np.testing.assert_allclose(picture.marks[f"lie-printed-{firm}"], [lie], atol=1e-4)
    assert "No figures: agv." in " ".join(picture.texts)
    told = [(row["report"], row["payoff"]) for row in rule["evidence"]["reports"]]
    np.testing.assert_allclose(picture.marks["reports-printed"], told, atol=1e-4)


@pytest.mark.slow
def test_a_path_shows_every_value_and_every_switch() -> None:
    result = results.path(RIVALRY)
    picture, width = shown("path"), len(result["policies"])
    today = [row["value"] for row in result["rows"][::width]]
    for n, policy in enumerate(result["policies"]):
        rows = result["rows"][n::width]
        points = [
            (row["security.rivalry"], row["value"] - base)
            for row, base in zip(rows, today, strict=True)
        ]
        np.testing.assert_allclose(picture.marks[f"value-{policy}"], points, atol=1e-5)
    switches = [event["at"] for event in result["events"] if event["kind"] == "winner"]
    assert len(switches) == 2
    for n, at in enumerate(switches):
        assert picture.marks[f"switch-{n}"][:, 0] == pytest.approx([at, at], abs=1e-6)


@pytest.mark.slow
def test_the_frontier_is_what_is_paid_and_had_at_every_cost_of_public_funds() -> None:
    result = results.path(FUNDS, policies=("second_best", "nash"))
    rows = [row for row in result["rows"] if row["policy"] == "second_best"]
    points = [(row["outlay_joined"], row["welfare"]) for row in rows]
    found = shown("frontier").marks["frontier-second_best"]
    np.testing.assert_allclose(found, points, atol=1e-3)
    assert (np.diff(found, axis=0) < 0).all()  # dearer money buys less


@pytest.mark.slow
def test_points_without_figures_are_marked_as_such() -> None:
    result = results.path(SCALE, policies=("nash", "social_optimum"))
    lacking = [
        row["cost.scale"]
        for row in result["rows"]
        if row["policy"] == "social_optimum" and row["value"] is None
    ]
    picture = shown("path", 1)
    assert lacking
    assert picture.marks["without-social_optimum"][:, 0] == pytest.approx(lacking, abs=1e-5)
    assert "social_optimum" not in {key for key in picture.marks if key.startswith("without-nash")}


@pytest.mark.slow
@pytest.mark.parametrize("n", [0, 1])
def test_a_map_has_a_cell_for_every_point(n: int) -> None:
    result = TWO["map_of_keys"][n]()
    picture = shown("map_of_keys", n)
    spans = result["vary"]
    width = len(result["policies"])
    for row, best in zip(result["rows"][::width], result["best"], strict=True):
        key = "bad_case" if row["status"] == "bad_case" else best["policy"] or "none"
        x, y = (best[span["key"]] for span in spans)
        corners = picture.marks[f"winner-{key}"].reshape(-1, 4, 2)
        inside = (corners.min(1) < [x, y]) & ([x, y] < corners.max(1))
        assert inside.all(-1).sum() == 1
    assert any(mark.startswith("winner-bad_case") for mark in picture.marks) == (n == 1)


@pytest.mark.slow
def test_a_map_of_standards_is_that_of_the_ranking_at_each() -> None:
    """At a corner of the map the case is evaluated anew."""
    result, picture = results.rivals(0.74), shown("standards", 1)
    ((x, y),) = picture.marks["own-case"]
    assert [x, y] == pytest.approx([0.0, 1.0], abs=1e-6)
    at = {"public_funds_cost": 0.5, "profit_weight": 0.0}
    options = {**result["case"]["mechanism"], **at}
    case = parse_tree({**result["case"], "mechanism": options, "expect": {}})
    told = evaluate_once(case).recommendation
    assert told is not None
    assert told.policy is not None
    own = evaluate_once(parse_tree({**result["case"], "expect": {}})).recommendation
    assert own is not None
    assert told.policy != own.policy
    for advice, spot in ((told, (0.5, 0.0)), (own, (0.0, 1.0))):
        assert advice.policy is not None
        boxes = picture.marks[f"winner-{advice.policy.key}"].reshape(-1, 4, 2)
        assert ((boxes.min(1) < spot) & (spot < boxes.max(1))).all(-1).any()


@pytest.mark.slow
def test_draws_and_what_they_turn_on_are_drawn_as_told() -> None:
    result = results.uncertain()
    found, picture = result["uncertainty"], shown("uncertainty")
    for key in ("nash", "linear_subsidies"):
        row, one = found["policies"][key], found["figures"][f"{key}.value"]
        spread = picture.marks[f"spread-{key}"][:, 0]
        assert spread == pytest.approx([one["quantiles"][at] for at in ("p5", "p95")], abs=1e-5)
        assert picture.marks[f"mean-{key}"][0, 0] == pytest.approx(one["mean"], abs=1e-5)
        assert picture.marks[f"median-{key}"][0, 0] == pytest.approx(4 + one["mean"] - 4.5)
        regrets = picture.marks[f"regret-{key}"][:, 0]
        assert regrets == pytest.approx([row["regret_mean"], row["regret_max"]], abs=1e-5)
    assert picture.end("knowing-security.rivalry") == pytest.approx(1.5, abs=1e-5)
    assert "No sharing" in " ".join(picture.texts)
    assert "3 of 100 draws have no outcome" in " ".join(" ".join(picture.texts).split())
    for method, mark, wanted in (
        ("tornado", "high-gain-demand.own_slope", 9.0),
        ("sobol", "first-gain-demand.own_slope", 0.4),
        ("morris", "size-gain-demand.own_slope", 2.0),
    ):
        picture = Shown(drawn_anew("sensitivity", results.turning(method)))
        assert picture.end(mark) == pytest.approx(wanted, abs=1e-5)
        assert "no outcome" in picture.texts
        assert (method != "tornado") == ("Not reliable" in " ".join(picture.texts))
    one_end = deepcopy(results.turning("tornado"))
    one_end["figures"]["gain"]["keys"]["demand.own_slope"]["at_low"] = None
    still = {"low": 1.0, "high": 2.0, "at_low": 1.0, "at_high": 1.0}
    one_end["figures"]["choice"] = {"value": 1.0, "reliable": None, "keys": {"cost.scale": still}}
    picture = Shown(drawn_anew("sensitivity", one_end))
    assert "no outcome at 1.00" in picture.texts
    assert "high-choice-cost.scale" not in picture.marks
    assert "none of them alone changes it" in " ".join(" ".join(picture.texts).split())


@pytest.mark.slow
def test_values_over_cases_and_changes_are_drawn_as_told() -> None:
    picture = shown("gains_over_cases")
    values = {row["policy"]: row["value"] for row in evaluated("two_vendors")["comparison"]}
    gain = 100 * (values["linear_subsidies"] / values["nash"] - 1)
    assert picture.marks["gain-1-money"][0, 0] == pytest.approx(gain, abs=1e-4)
    assert "gain-2-money" not in picture.marks  # unbounded there
    assert "no advice" in picture.texts
    picture = shown("before_and_after")
    assert picture.marks["value-nash"][:, 0] == pytest.approx([7, 8], abs=1e-6)
    assert "value-linear_subsidies" not in picture.marks
    assert "no figures after" in picture.texts
    picture = shown("wins")
    assert picture.end("wins-linear_subsidies") == pytest.approx(75, abs=1e-5)
    assert picture.end("competes-linear_subsidies") == pytest.approx(87.5, abs=1e-5)


WILD = 'a <b>&amp;"\' id="x" url(#x) $x_1^2$ \\alpha %s {0} שלום ' + "W" * 140


@pytest.mark.slow
def test_names_of_users_come_out_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.pictures.canvas.DPI", 40)
    from cli.pictures.canvas import inline, no_glyphs, png

    case = {**evaluated("two_vendors")["case"], "name": WILD, "firms": ["$a_1$ <i>", 'שלום "b"']}
    case["units"] = {"money": "$ & <US>\u202e", "quantity": "中" * 60}
    result = {**evaluated("two_vendors"), "case": case}
    for name in ("levels", "reactions"):
        picture = Shown(drawn_anew(name, result))
        assert picture.title.endswith(WILD)
        said = "".join(picture.texts)
        assert "\u202e" not in said
        assert "$x_1^2$" in " ".join(picture.texts)
        assert 'id="x"' in " ".join(picture.texts)
    assert any("$a_1$ <i>" in text for text in Shown(drawn_anew("levels", result)).texts)
    drawn = PICTURES["levels"].draw(result)
    assert png(drawn) == png(PICTURES["levels"].draw(result))
    assert no_glyphs(drawn) == "中"
    page = inline(drawn, "one")
    assert "<script" not in page
    assert page.count("<title") == page.count("<desc") == 1
    with pytest.raises(ValueError, match="begins no id"):
        inline(drawn, 'x" onload="')


@pytest.mark.slow
def test_labels_keep_their_distance_and_lie_as_near_as_that_allows() -> None:
    from cli.pictures.canvas import apart

    assert apart([1.0, 5.0], [1.0, 1.0], 0.0, 10.0) == [1.0, 5.0]
    places = apart([3.0, 3.0, 3.1, 9.9], [1.0] * 4, 0.0, 10.0)
    assert places == pytest.approx([2.0333333, 3.0333333, 4.0333333, 9.5], abs=0.5)
    assert np.diff(sorted(places)).min() >= 1 - 1e-12
    assert min(places) >= 0.5
    assert max(places) <= 9.5


NONE: dict[str, tuple[Callable[[], Any], str]] = {
    "interim": (lambda: evaluated("two_vendors"), "nothing is private"),
    "standards": (results.by_types, "types are private"),
    "uncertainty": (lambda: evaluated("two_vendors"), "everything is certain"),
    "ladder": (lambda: evaluated("ill_posed"), "has no figures here"),
    "path": (lambda: results.before_after(), "give one --vary"),
    "map_of_keys": (lambda: results.path(RIVALRY), "--vary KEY=LO:HI:N twice"),
    "before_and_after": (lambda: results.path(RIVALRY), "give --set"),
    "gains_over_cases": (results.batch, "of a batch"),
    "wins": (lambda: [], "of cases"),
}
"""Results that have no such picture, and what is said then."""


@pytest.mark.slow
@pytest.mark.parametrize("name", NONE)
def test_a_result_without_a_picture_says_why(name: str) -> None:
    make, why = NONE[name]
    with pytest.raises(NoPicture, match=why):
        PICTURES[name].draw(make())


@pytest.mark.slow
def test_a_report_is_given_every_picture_that_a_result_has() -> None:
    found: Tree = drawn_of("evaluate", evaluated("ill_posed"))
    assert list(found) == ["who_gains", "levels", "welfare_outlay", "reactions", "standards"]


def test_a_picture_is_asked_for_by_its_name_and_goes_into_a_file_of_its_kind(
    run: Run, tmp_path: Any
) -> None:
    case = CASES / "two_vendors.yaml"
    wrong = [
        (["--picture", "who_gain"], "did you mean who_gains?"),
        (["--picture", "path"], "path is of pigou what-if"),
        (["--out", tmp_path / "a.svg"], "--picture NAME"),
        (["--picture", "who_gains", "--out", tmp_path / "a.json"], ".svg or .png"),
        (["--picture", "who_gains", "--format", "json"], "leave --format out"),
        (["--picture", "who_gains", "--emit-python"], "leave --emit-python out"),
    ]
    for options, hint in wrong:
        done = run("evaluate", case, *options)
        assert done.code == 2
        assert hint in " ".join(done.err.split())
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_a_picture_is_refused_with_the_remedy(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.pictures.option.find_spec", lambda _: None)
    done = run("evaluate", CASES / "two_vendors.yaml", "--picture", "who_gains")
    assert done.code == 2
    assert "extra `report`" in " ".join(done.err.split())


@pytest.mark.slow
def test_a_command_writes_its_picture(run: Run, tmp_path: Any) -> None:
    vary = ["--vary", "security.rivalry=0.2:0.4:2", "--policy", "nash", "--quiet"]
    asked = ["what-if", CASES / "two_vendors.yaml", *vary, "--picture"]
    done = run(*asked, "path", "--out", tmp_path / "a.svg")
    assert done.code == 0, done.err
    assert Shown((tmp_path / "a.svg").read_bytes()).marks["value-nash"].shape == (2, 2)
    assert run(*asked, "path").out.encode() == (tmp_path / "a.svg").read_bytes()
    done = run(*asked, "before_and_after", "--out", tmp_path / "b.png")
    assert done.code == 2
    assert "give --set" in " ".join(done.err.split())
    assert not (tmp_path / "b.png").exists()


def test_the_page_on_pictures_lists_all_of_them() -> None:
    page = (CASES.parent / "docs" / "pictures.md").read_text(encoding="utf-8")
    listed = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("| `")]
    assert [(name.strip(" `"), (of.strip(" `"),)) for name, of in listed] == [
        (picture.name, picture.commands) for picture in PICTURES.values()
    ]
