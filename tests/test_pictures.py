"""Pictures: what is drawn is what the result says, in the same bytes every time."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from command import Run
from read_svg import Shown
from trees import evaluate

from cli.pages.words import kept
from cli.pictures.table import PICTURES, NoPicture, pictures_of
from mechanism.casefile.policy_case import load_case, parse_tree

pytest.importorskip("matplotlib")

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "cases"
WILD = "a <b>&amp;\"'$x_1^2$ \\alpha שלום " + "w" * 200


@cache
def evaluated(name: str, **changes: Any) -> dict[str, Any]:
    """The result of a shipped case."""
    case = load_case(CASES / f"{name}.yaml")
    return evaluate(parse_tree({**case.resolved, "expect": {}, **changes}) if changes else case)


def shown(name: str, result: Any) -> Shown:
    """A picture of a result, read back."""
    from cli.pictures.canvas import svg

    return Shown(svg(PICTURES[name].draw(result)))


@pytest.mark.slow
@pytest.mark.parametrize("case", ["two_vendors", "ill_posed"])
def test_who_gains_shows_the_changes_of_the_comparison(case: str) -> None:
    result = evaluated(case)
    rows = {row["policy"]: row for row in result["comparison"]}
    now, picture = rows["nash"], shown("who_gains", result)
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
        for party, change in wanted.items():
            assert picture.end(f"{party}-{policy}") == pytest.approx(
                change, abs=1e-6 * now["welfare"]
            )


@pytest.mark.slow
def test_the_same_result_makes_the_same_bytes_and_another_others() -> None:
    from cli.pictures.canvas import png, svg

    one, other = evaluated("two_vendors"), evaluated("ill_posed")
    for write in (svg, png):
        first, second, third = (
            write(PICTURES["who_gains"].draw(result)) for result in (one, one, other)
        )
        assert first == second != third


def test_a_picture_is_asked_for_by_its_name_and_goes_into_a_file_of_its_kind(
    run: Run, tmp_path: Path
) -> None:
    case = CASES / "two_vendors.yaml"
    wrong = [
        (["--picture", "who_gain"], "did you mean who_gains?"),
        (["--out", tmp_path / "a.svg"], "--picture NAME"),
        (["--picture", "who_gains", "--out", tmp_path / "a.json"], ".svg or .png"),
        (["--picture", "who_gains", "--format", "json"], "leave --format out"),
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


def test_every_picture_has_a_function_of_its_name() -> None:
    from importlib import import_module

    for name, picture in PICTURES.items():
        assert name == picture.name
        assert callable(getattr(import_module(f"cli.pictures.{picture.module}"), name))
        assert all(picture in pictures_of(command) for command in picture.commands)


@pytest.mark.slow
def test_without_a_market_today_nobody_gains() -> None:
    result = evaluated("two_vendors")
    base = [{**row, "welfare": None} for row in result["comparison"]]
    with pytest.raises(NoPicture, match="no figures"):
        PICTURES["who_gains"].draw({**result, "comparison": base})
