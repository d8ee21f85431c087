"""What figures and the choice turn on, against closed forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run

import cli.commands.sensitivity as command
from market.casefile.files import read_document
from mechanism.casefile.distributions import Distribution
from mechanism.casefile.policy_case import PolicyCase, parse_tree
from mechanism.casefile.uncertainty import Uncertainty
from mechanism.uncertainty.sensitivity import (
    MorrisDesign,
    NoFigure,
    SobolDesign,
    TornadoDesign,
    figure_of,
    sensitivity,
    varying_points,
)
from mechanism.uncertainty.standings import Standings

CASES = Path(__file__).resolve().parents[1] / "cases"
WEIGHTS = np.array([3.0, 2.0, 1.0])


def block(given: dict[str, Any], ranks: Any = None) -> Uncertainty:
    """What is not known exactly, by key."""
    return Uncertainty(
        distributions={key: Distribution(**one) for key, one in given.items()},
        rank_correlation=np.eye(len(given)) if ranks is None else np.array(ranks),
        draws=64,
        seed=0,
    )


NORMAL = {key: {"normal": (1.0, 1.0)} for key in "abc"}


def indices(design: SobolDesign, y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """First-order and total indices (2, K)."""
    return np.array([[one.first.value, one.total.value] for one in design.told(y)]).T


def test_the_indices_of_a_sum_are_shares_of_its_variance() -> None:
    design = SobolDesign(block(NORMAL), 256)
    assert len(design.values) == 256 * 5
    found = indices(design, design.values @ WEIGHTS)
    np.testing.assert_allclose(found, [WEIGHTS**2 / 14] * 2, atol=0.01)
    # the same in any units of the figure
    np.testing.assert_allclose(indices(design, 1e6 * (design.values @ WEIGHTS)), found)


def test_the_indices_of_a_sum_of_correlated_keys() -> None:
    """With C the correlations: (C w)_k^2 / w'Cw if k alone is known, w_k^2 / (C^-1)_kk / w'Cw if
    all others are."""
    ranks = np.array([[1, 0.5, 0], [0.5, 1, -0.3], [0, -0.3, 1]])
    C = 2 * np.sin(np.pi * ranks / 6)
    variance = WEIGHTS @ C @ WEIGHTS
    design = SobolDesign(block(NORMAL, ranks), 1024)
    assert len(design.values) == 1024 * 8
    known = [(C @ WEIGHTS) ** 2, WEIGHTS**2 / np.diag(np.linalg.inv(C))] / variance
    np.testing.assert_allclose(indices(design, design.values @ WEIGHTS), known, atol=0.01)


def test_the_indices_of_a_product_at_two_points() -> None:
    """x y, each 0 or 1 alike: of the variance 3/16 each alone explains 1/16."""
    design = SobolDesign(block({key: {"values": (0.0, 1.0)} for key in "ab"}), 256)
    y = design.values.prod(1)
    np.testing.assert_allclose(indices(design, y), [[1 / 3] * 2, [2 / 3] * 2], atol=0.01)
    for one in design.told(y):
        assert one.first is not None
        assert one.first.low < 1 / 3 < one.first.high
        assert one.first.high - one.first.value == pytest.approx(one.first.value - one.first.low)


def test_a_key_that_follows_from_others_adds_nothing_to_them() -> None:
    given = {key: NORMAL[key] for key in "ab"}
    design = SobolDesign(block(given, [[1, 1], [1, 1]]), 256)
    found = indices(design, design.values @ [1.0, 2.0])
    np.testing.assert_allclose(found, [[1, 1], [0, 0]], atol=0.02)


def test_points_without_an_outcome_count_nowhere() -> None:
    design = SobolDesign(block(NORMAL), 256)
    y = design.values @ WEIGHTS
    y[design.values[:, 2] > 2] = np.nan  # of the key that matters least
    told = design.told(y)
    assert all(40 < one.points < 240 for one in told)
    found = indices(design, y)
    np.testing.assert_allclose(found[:, :2], [WEIGHTS[:2] ** 2 / 13.5] * 2, atol=0.08)
    nothing = design.told(np.full(len(y), np.nan))[0]
    assert (nothing.first, nothing.total, nothing.points) == (None, None, 0)
    still = design.told(np.ones(len(y)))[0]
    assert (still.first, still.total, still.points) == (None, None, 256)


def test_a_figure_that_hardly_varies_says_at_how_many_points_it_does() -> None:
    figure = np.r_[np.ones(60), np.zeros(7), np.full(3, np.nan)]
    assert varying_points(figure) == 7
    assert varying_points(np.arange(40.0)) == 39
    assert varying_points(np.full(4, np.nan)) == 0


def test_elementary_effects_are_the_slopes_of_what_is_straight() -> None:
    """From the 5th to the 95th percentile of a uniform number is nine tenths of its range."""
    design = MorrisDesign(block({key: {"uniform": (0.0, 2.0)} for key in "abc"}), 16)
    y = design.values @ [3.0, -2.0, 0.0]
    for one, slope in zip(design.told(y), (3, -2, 0), strict=True):
        assert one.mean == pytest.approx(1.8 * slope)
        assert one.size == pytest.approx(1.8 * abs(slope))
        assert one.spread == pytest.approx(0, abs=1e-9)
    y.reshape(16, 4)[:3, 2] = np.nan
    assert [one.points for one in design.told(y)] == [13, 13, 13]
    assert design.told(np.full(64, np.nan))[0].size is None


def test_elementary_effects_spread_where_keys_act_together() -> None:
    """x y at two points: moving x by two thirds of the way changes it by y, half the time 1."""
    design = MorrisDesign(block({key: {"values": (0.0, 1.0)} for key in "ab"}), 1024)
    for one in design.told(design.values.prod(1)):
        assert one.size == one.mean == pytest.approx(0.75, abs=0.06)
        assert one.spread == pytest.approx(0.75, abs=0.02)
        assert one.size_high - one.size == pytest.approx(1.645 * 0.75 / 32, rel=0.2)


def test_a_tornado_moves_one_key_at_a_time() -> None:
    design = TornadoDesign(block({key: {"uniform": (0.0, 2.0)} for key in "ab"}), 0)
    assert np.isfinite(design.values).sum(1).tolist() == [1] * 4
    own = np.where(np.isfinite(design.values), design.values, 5.0)
    swings = design.told(own @ [1.0, 10.0])
    assert [(one.low, one.high) for one in swings] == [pytest.approx((0.1, 1.9))] * 2
    assert (swings[0].at_low, swings[0].at_high) == pytest.approx((50.1, 51.9))
    assert (swings[1].at_low, swings[1].at_high) == pytest.approx((6.0, 24.0))


STANDINGS = Standings(
    policies=("nash", "linear_subsidies"),
    today="nash",
    best=np.array(["linear_subsidies", "nash", ""], object),
    most=np.array([5.0, 3.0, np.nan]),
    able=np.ones((3, 2), bool),
    levels=np.zeros((3, 2, 4)),
    figures={"value": np.array([[4.0, 5.0], [3.0, 1.0], [np.nan, np.nan]])},
)


def test_figures_are_those_of_the_policy_asked_for() -> None:
    def told(name: str, policy: str | None = "linear_subsidies") -> list[float]:
        return list(figure_of(STANDINGS, name, policy))

    assert told("choice")[:2] == [1, 0]
    assert told("gain")[:2] == [1, -2]
    assert told("nash.value")[:2] == [4, 3]
    assert np.isnan([told(name)[2] for name in ("choice", "gain", "nash.value")]).all()
    for name in ("welfare", "nash", "nash.price", "printed.value"):
        with pytest.raises(NoFigure, match=r"there are choice, gain, and POLICY\.FIGURE"):
            told(name)
    with pytest.raises(NoFigure, match=r"ask for a policy's figure, such as nash\.welfare"):
        told("gain", None)


def case(given: Any) -> PolicyCase:
    """Two vendors with this block."""
    tree = read_document(CASES / "two_vendors.yaml").tree
    return parse_tree(tree | {"uncertainty": given, "expect": {}})


@pytest.mark.slow
def test_a_market_s_swing_is_what_its_cases_say() -> None:
    asked = case({"security.rivalry": {"uniform": [0.1, 0.9]}})
    found = sensitivity(asked, ("choice", "gain", "nash.welfare"), "tornado")
    ends = [case(None).set("security.rivalry", value) for value in (0.14, 0.86)]
    import pigou

    told = [pigou.evaluate(one) for one in ends]
    swing = found.found["nash.welfare"]["security.rivalry"]
    assert (swing.at_low, swing.at_high) == pytest.approx([one.today.value for one in told])
    swing = found.found["gain"]["security.rivalry"]
    gains = [one.rows["linear_subsidies"].value - one.today.value for one in told]
    assert (swing.at_low, swing.at_high) == pytest.approx(gains)
    assert found.base["gain"] == pytest.approx(65.35, abs=0.01)
    swing = found.found["choice"]["security.rivalry"]
    best = [one.recommendation.policy.key == "linear_subsidies" for one in told]
    assert [swing.at_low, swing.at_high] == best == [True, False]


@pytest.mark.slow
def test_a_figure_that_nothing_gives_is_refused_before_markets_are_solved() -> None:
    tree = read_document(CASES / "ill_posed.yaml").tree
    given = {"cost.scale": {"normal": [7, 0.3]}}
    silent = parse_tree(tree | {"uncertainty": given, "expect": {}})
    heard: list[int] = []
    for asked, name, why in (
        (silent, "choice", "and none is"),
        (case({"cost.scale": {"normal": [12, 0.3]}}), "nash.price", "is no figure"),
    ):
        with pytest.raises(NoFigure, match=why):
            sensitivity(asked, (name,), "tornado", tell=lambda done, of: heard.append(done))
    assert heard == []


@pytest.mark.slow
def test_what_is_no_case_and_what_has_no_outcome_is_counted(run: Run, tmp_path: Path) -> None:
    """A third of the values of a key are no case, and another key has no say."""
    path = tmp_path / "c.json"
    given = {
        "demand.cross_slope": {"values": [0.9, 1.0, 1.7]},
        "mechanism.public_funds_cost": {"uniform": [0, 1]},
    }
    path.write_text(case(given).text)
    asked = ["--points", 48, "--figure", "nash.welfare"]
    result = json.loads(run("sensitivity", path, *asked, "--format", "json").out)
    assert result["markets"] == 4 * 48
    assert "SALib" in result["provenance"]["packages"]
    assert result["figures"]["nash.welfare"]["reliable"] is True
    assert result["inadmissible"] == pytest.approx(4 * 48 / 3, abs=4)
    assert result["without_outcome"] == 0
    found = result["figures"]["nash.welfare"]["keys"]
    assert found["mechanism.public_funds_cost"]["total"] == pytest.approx(0, abs=1e-12)
    assert found["demand.cross_slope"]["total"] == pytest.approx(1, abs=0.3)
    assert found["demand.cross_slope"]["points"] == pytest.approx(48 * 4 / 9, abs=8)
    rows = run("sensitivity", path, *asked, "--format", "csv").out.splitlines()
    assert rows[0].startswith("figure,key,first,first_low,first_high,total")
    assert len(rows) == 3


@pytest.mark.slow
def test_where_nothing_can_be_told_it_is_not_met(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    given = {
        "demand.cross_slope": {"values": [1.0, 1.7, 1.8]},
        "mechanism.public_funds_cost": {"uniform": [0, 1]},
    }
    path.write_text(case(given).text)
    done = run(
        "sensitivity", path, "--method", "morris", "--points", 16, "--figure", "nash.welfare"
    )
    assert done.code == 3
    assert "too few that belong together to tell anything" in " ".join(done.err.split())


@pytest.mark.slow
def test_what_hardly_varies_and_what_is_lost_at_an_end_is_said(run: Run, tmp_path: Path) -> None:
    """The choice is another at few points alone; at the upper end the market is none."""
    path = tmp_path / "c.json"
    path.write_text(case({"security.rivalry": {"values": [0.3, 0.9], "weights": [19, 1]}}).text)
    page = " ".join(run("sensitivity", path, "--points", 32, "--figure", "choice").out.split())
    assert "Not reliable: only" in page
    given = {"demand.cross_slope": {"values": [1.0, 1.7]}, "cost.scale": {"uniform": [12, 13]}}
    path.write_text(case(given).text)
    page = " ".join(run("sensitivity", path, "--method", "tornado").out.split())
    assert "No outcome with demand.cross_slope at 1.700." in page
    assert "at every end of every key that has an outcome (1 of 4 have none)" in page


@pytest.mark.parametrize(
    ("given", "options", "said"),
    [
        (None, ["--method", "tornado"], "nothing in the case is uncertain"),
        ({"cost.scale": {"values": [12]}}, ["--method", "tornado", "--points", 32], "no points"),
        ({"cost.scale": {"values": [12]}}, ["--out", "x.html"], ".json, .csv, .txt"),
    ],
)
def test_what_cannot_be_asked(
    run: Run, tmp_path: Path, given: Any, options: list[Any], said: str
) -> None:
    path = tmp_path / "c.json"
    path.write_text(case(given).text)
    done = run("sensitivity", path, *options)
    assert done.code == 2
    assert said in " ".join(done.err.split())


def test_without_salib_there_is_a_remedy(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    done = run("sensitivity", tmp_path / "c.json")
    assert done.code == 2
    assert "pip install SALib" in done.err
    assert "tornado needs nothing" in " ".join(done.err.split())
