"""`pigou evaluate` and `pigou compare`: formats, files, exit codes, and what a person reads."""

from __future__ import annotations

import copy
import csv
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import oracle
import pytest
import trees
from command import Run

from cli.pages.evaluation import evaluation, proof
from cli.pages.figures import aligned, column, number, pair_column, percent, plain
from cli.pages.page import Column, Page
from cli.pages.words import kept

pytestmark = pytest.mark.usefixtures("evaluated_once")

CASE = """\
schema_version: 1
name: Two vendors
reference: illustrative
units: {money: million USD, quantity: thousand licences}
demand: {intercept: 20, own_slope: 1.5, cross_slope: 1.0}
security:
  rivalry: 0.2
  demand_spillover: 0.6
  leakage: {own: 3.0, cross: 0.5, interaction: 0.2}
cost: {form: saturating, scale: 20, max_saving: 0.5, spillover: 0.5}
"""


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A good case file."""
    path = tmp_path / "two.yaml"
    path.write_text(CASE)
    return path


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result of the good case."""
    from mechanism.casefile.policy_case import load_case

    path = tmp_path_factory.mktemp("case") / "two.yaml"
    path.write_text(CASE)
    return trees.evaluate(load_case(path))


@pytest.fixture
def found(tree: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A copy of that result, which every evaluation of the test then leads to."""
    result = copy.deepcopy(tree)
    monkeypatch.setattr("mechanism.analysis.evaluation.evaluate", lambda *_, **__: None)
    monkeypatch.setattr("mechanism.report.evaluation_tree.evaluation_tree", lambda _: result)
    return result


# The formats


@pytest.mark.slow
def test_json_is_the_result_tree(run: Run, case: Path) -> None:
    done = run("evaluate", case, "--format", "json")
    result = json.loads(done.out)
    assert done.code == 0
    assert done.err == ""
    assert {
        "schema_version",
        "tool",
        "case",
        "case_sha256",
        "regimes",
        "mechanism",
        "comparison",
        "warnings",
    } <= set(result)
    assert result["regimes"]["nash"]["status"] == "converged"


@pytest.mark.slow
def test_csv_is_the_comparison_in_full_precision(
    run: Run, case: Path, tree: dict[str, Any]
) -> None:
    done = run("evaluate", case, "--format", "csv", "--digits", 2)
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["policy"] for row in rows] == [row["policy"] for row in tree["comparison"]]
    for row, source in zip(rows, tree["comparison"], strict=True):
        assert float(row["welfare"]) == source["welfare"]
        assert float(row["profit_2"]) == source["profit"][1]
    assert set(rows[0]) >= {
        "case",
        "policy",
        "status",
        "consumer_surplus",
        "public_outlay",
        "sharing_1",
        "investment_2",
        "share_of_gain",
    }


@pytest.mark.slow
def test_the_page_answers_first_and_shows_what_every_policy_changes(
    run: Run, case: Path, tree: dict[str, Any]
) -> None:
    done = run("evaluate", case)
    assert done.code == 0
    assert done.err == ""
    words = " ".join(done.out.replace("- ", "").split())
    answer = [" ".join(line.split()) for line in tree["recommendation"]["text"]]
    assert all(line in words for line in answer)
    assert (
        words.index(answer[0])
        < words.index("Who gains")
        < words.index("What firms receive")
        < words.index("Outcomes")
        < words.index("Proof")
    )
    today = next(row for row in tree["comparison"] if row["policy"] == "nash")
    for row in tree["comparison"]:
        (line,) = re.findall(rf"^{row['policy']}\*? +[-+\d].*\d %$", done.out, re.M)
        change = row["value"] - today["value"]
        assert (f"{change:+.5g}" if row is not today else f"{today['value']:.5g}") in line.replace(
            "0000", ""
        )
    assert done.out.count("linear_subsidies*") == 2  # who gains, and what is paid
    assert len(done.out.splitlines()) <= 90
    for policy in {
        key
        for key, regime in tree["regimes"].items()
        if key in {row["policy"] for row in tree["comparison"]}
    }:
        assert f"({policy})" in done.out
    assert "million USD" in done.out
    assert "thousand" in done.out
    assert "The firms are alike." in done.out
    assert "innovation" in done.out  # what the model cannot answer
    assert "Taken as certain: all of demand, all of security, all of cost; `unc" in done.out


@pytest.mark.slow
def test_details_bring_every_regime_and_finding(run: Run, case: Path, tree: dict[str, Any]) -> None:
    out = run("evaluate", case, "--details").out
    mirrored = {"sequential_firm_2"}  # of equal firms; shown once
    for key in {*tree["regimes"], *(row["policy"] for row in tree["comparison"])} - mirrored:
        assert f"({key})" in out or f"({key}*)" in out
    for row in tree["comparison"]:
        assert f"{row['value']:#.5g}" in out
    for verdict in tree["verdicts"]:
        assert " ".join(verdict["text"].split()) in " ".join(out.replace("- ", "").split())
    assert "Individual rationality" in out
    assert "Inputs: " in out


@pytest.mark.slow
def test_kept_is_what_is_kept_when_everybody_takes_part(tree: dict[str, Any]) -> None:
    """Value is made of it: consumers' surplus and what firms keep, less what the public pays; so
    also under another standard."""
    for row in tree["comparison"]:
        total = row["consumer_surplus"] + kept(row, 0) + kept(row, 1) - row["outlay_joined"]  # type: ignore[operator]
        assert total == pytest.approx(row["value"], rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("name", ["two_vendors", "large_and_small", "two_types"])
def test_pages_fit_and_use_the_width_there_is(name: str, width: int) -> None:
    from mechanism.casefile.policy_case import load_case

    result = trees.evaluate(
        load_case(Path(__file__).resolve().parents[1] / "cases" / f"{name}.yaml")
    )
    for details in (False, True):
        lines = evaluation(result, Page(width), 5, details).splitlines()
        assert max(map(len, lines)) <= width
    if width >= 100:
        head = next(line for line in lines if line.startswith("Policy"))
        assert head.endswith("of gain") or "Security" in "".join(
            lines[lines.index(head) - 2 : lines.index(head) + 1]
        )


@pytest.mark.slow
def test_a_page_fits_a_hundred_columns_without_dots_or_escapes(run: Run, case: Path) -> None:
    out = run("evaluate", case).out
    assert max(map(len, out.splitlines())) <= 100
    assert "…" not in out
    assert "\x1b" not in out
    assert not any(line != line.rstrip() for line in out.splitlines())


@pytest.mark.slow
def test_firms_that_differ_are_shown_as_a_pair(run: Run, case: Path) -> None:
    case.write_text(CASE.replace("intercept: 20", "intercept: [20, 22]"))
    out = run("evaluate", case).out
    assert "The firms differ." in out
    assert re.search(r"\d / \d", out)
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.slow
def test_digits_are_significant_digits(run: Run, case: Path, tree: dict[str, Any]) -> None:
    welfare = tree["regimes"]["nash"]["welfare"]
    assert f"{welfare:#.8g}" in run("evaluate", case, "--digits", 8).out
    wide = run("evaluate", case, "--digits", 15, "--details").out
    assert f"{welfare:#.15g}" in wide
    assert "…" not in wide
    for bad in (0, 16, "many"):
        assert run("evaluate", case, "--digits", bad).code == 2


@pytest.mark.slow
def test_private_types_bring_the_tax_rules(run: Run, case: Path) -> None:
    case.write_text(CASE + "types: {values: [0.3, 0.7]}\n")
    done = run("evaluate", case, "--details")
    assert done.code == 0
    assert "vcg_reported" in done.out
    assert re.search(r"^printed +VIOLATED", done.out, re.M)
    assert re.search(r"^groves +holds", done.out, re.M)


def test_an_unknown_format_or_option_or_no_case_is_wrong_usage(run: Run, case: Path) -> None:
    for arguments in (["--format", "xml"], ["--colour"], ["--seed", "-1"], ["another.yaml"]):
        done = run("evaluate", case, *arguments)
        assert done.code == 2
        assert done.out == ""
        assert done.err
    assert run("evaluate").code == 2
    assert run("compare").code == 2
    assert run("conjure").code == 2


# Where the result goes


@pytest.mark.slow
def test_out_writes_the_result_to_a_file_and_nothing_to_stdout(
    run: Run, case: Path, tmp_path: Path
) -> None:
    target = tmp_path / "result.json"
    target.write_text("old")
    done = run("evaluate", case, "--format", "json", "--out", target)
    assert (done.code, done.out) == (0, "")
    assert str(target) in done.err
    assert json.loads(target.read_text())["schema_version"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["result.json", "two.yaml"]


@pytest.mark.slow
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_computed(
    run: Run, case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("computed first")

    monkeypatch.setattr("mechanism.analysis.evaluation.evaluate", never)
    for command in ("evaluate", "compare"):
        for target, reason in (
            (tmp_path, "directory"),
            (tmp_path / "none" / "x.json", "does not exist"),
            (case, "case given"),
            ("x" * 300, "cannot"),
        ):
            done = run(command, case, "--out", target)
            assert done.code == 2
            assert reason in done.err
    assert case.read_text() == CASE


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/null").exists(), reason="there is no /dev/null here")
def test_a_device_is_written_to_and_stays_a_device(run: Run, case: Path) -> None:
    assert run("evaluate", case, "--out", os.devnull).code == 0
    assert not Path(os.devnull).is_file()


@pytest.mark.slow
def test_a_link_keeps_pointing_to_the_file_that_is_written(
    run: Run, case: Path, tmp_path: Path
) -> None:
    target, link = tmp_path / "real.txt", tmp_path / "link.txt"
    link.symlink_to(target)
    assert run("evaluate", case, "--out", link).code == 0
    assert link.is_symlink()
    assert target.read_text().startswith("Two vendors")


def test_quiet_leaves_stderr_empty(
    run: Run, case: Path, found: dict[str, Any], tmp_path: Path
) -> None:
    found["warnings"] = [{"code": "odd", "message": "something is odd"}]
    loud, quiet = (run("evaluate", case, "--format", "csv", *more) for more in ([], ["--quiet"]))
    assert "something is odd" in loud.err
    assert quiet.err == ""
    assert loud.out == quiet.out
    assert run("evaluate", case, "--out", tmp_path / "x", "--quiet").err == ""


# What does not hold


@pytest.mark.slow
def test_a_regime_without_a_solution_gives_3_and_the_rest(run: Run, case: Path) -> None:
    case.write_text(CASE.replace("scale: 20", "scale: 1"))
    done = run("evaluate", case, "--format", "json")
    result = json.loads(done.out)
    bad = [
        key
        for key, outcome in result["regimes"].items()
        if outcome["status"] not in ("converged", "corner")
    ]
    assert done.code == 3
    assert bad
    assert all(key in done.err for key in bad)
    table = run("evaluate", case)
    assert table.code == 3
    # by its name or, where that leaves no room, its key alone
    status = result["regimes"][bad[0]]["status"]
    assert re.search(rf"\b{bad[0]}\)? \[{status}\]", " ".join(table.out.split()))


@pytest.mark.slow
def test_a_missed_expectation_gives_3_and_says_which(
    run: Run, case: Path, tree: dict[str, Any]
) -> None:
    value = tree["regimes"]["nash"]["sharing"][0]
    case.write_text(CASE + f"expect: {{'regimes.nash.sharing[0]': {{value: {value}}}}}\n")
    assert run("evaluate", case).code == 0
    case.write_text(CASE + "expect: {'regimes.nash.sharing[0]': {value: 0.5}}\n")
    done = run("evaluate", case)
    assert done.code == 3
    assert "regimes.nash.sharing[0]" in done.err
    assert "regimes.nash.sharing[0]" in done.out


def test_regret_above_the_tolerance_gives_3(run: Run, case: Path, found: dict[str, Any]) -> None:
    found["regimes"]["nash"]["certificate"]["regret"] = 1e-9
    done = run("evaluate", case)
    assert done.code == 3
    assert "regret" in done.err


@pytest.mark.slow
def test_a_violated_constraint_gives_3_only_if_strict(
    run: Run, case: Path, tree: dict[str, Any]
) -> None:
    assert (
        tree["mechanism"]["full_information"]["participation"]["ir_market"]["status"] == "violated"
    )
    assert run("evaluate", case).code == 0
    done = run("evaluate", case, "--strict")
    assert done.code == 3
    assert "ir_market" in done.err
    assert done.out


@pytest.mark.slow
def test_a_warning_gives_3_only_if_strict(run: Run, case: Path, found: dict[str, Any]) -> None:
    for check in found["mechanism"]["full_information"]["participation"].values():
        check["status"] = "holds"
    assert run("evaluate", case, "--strict").code == 0
    found["warnings"] = [{"code": "odd", "message": "something is odd"}]
    assert run("evaluate", case).code == 0
    assert "something is odd" in run("evaluate", case).out
    assert run("evaluate", case, "--strict").code == 3


def test_no_equilibrium_in_reports_gives_3(run: Run, case: Path, found: dict[str, Any]) -> None:
    row = dict(found["comparison"][0], policy="vcg_reported", status="no_equilibrium")
    found["comparison"].append(row | {key: None for key in row if key not in ("policy", "status")})
    done = run("evaluate", case)
    assert done.code == 3
    assert "vcg_reported" in done.err


def test_a_result_without_a_mechanism_is_rendered(
    run: Run, case: Path, found: dict[str, Any]
) -> None:
    found["mechanism"] = dict.fromkeys(
        ("full_information", "linear_subsidies", "reported", "alternatives")
    )
    found["regimes"]["social_optimum"] |= dict.fromkeys(
        ("sharing", "investment", "price", "quantity", "profit", "welfare")
    )
    found["regimes"]["social_optimum"] |= {
        "status": "unbounded",
        "message": "welfare grows without limit",
    }
    done = run("evaluate", case)
    assert done.code == 3
    assert "welfare grows without limit" in done.err


def test_a_fault_of_the_program_says_so_and_gives_1(
    run: Run, case: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("mechanism.analysis.evaluation.evaluate", broken)
    done = run("evaluate", case)
    assert done.code == 1
    assert done.out == ""
    assert "a fault of the program" in done.err.splitlines()[0]
    assert "Traceback" in done.err
    assert "ZeroDivisionError: ours" in done.err


def test_an_interrupt_gives_130(run: Run, case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mechanism.analysis.evaluation.evaluate", interrupted)
    assert run("evaluate", case).code == 130


# Comparing cases


@pytest.mark.slow
def test_compare_gives_a_tidy_row_per_case_and_policy(
    run: Run, case: Path, tmp_path: Path, tree: dict[str, Any]
) -> None:
    second = tmp_path / "second.yaml"
    second.write_text("base: two.yaml\nname: Fierce rivals\ndemand: {cross_slope: 0.3}\n")
    done = run("compare", case, second, "--format", "json")
    rows = json.loads(done.out)
    assert done.code == 0
    assert [(row["case"], row["policy"]) for row in rows] == [
        (name, row["policy"])
        for name in ("Two vendors", "Fierce rivals")
        for row in tree["comparison"]
    ]
    table = run("compare", case, second)
    assert table.out.count("*") == 3  # one for each case, and the note
    assert "- Two vendors: Pay plain subsidies of" in table.out
    assert "- Fierce rivals: Pay plain subsidies of" in table.out
    assert max(map(len, table.out.splitlines())) <= 100


@pytest.mark.slow
def test_cases_of_one_name_are_told_apart_by_their_files(
    run: Run, case: Path, tmp_path: Path
) -> None:
    second = tmp_path / "second.yaml"
    second.write_text("base: two.yaml\n")
    rows = csv.DictReader(io.StringIO(run("compare", case, second, "--format", "csv").out))
    assert {row["case"] for row in rows} == {f"Two vendors ({case})", f"Two vendors ({second})"}


def test_a_bad_case_stops_compare_before_anything_runs(
    run: Run, case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("computed first")

    monkeypatch.setattr("mechanism.analysis.evaluation.evaluate", never)
    bad = tmp_path / "bad.yaml"
    bad.write_text(CASE.replace("20,", "none,"))
    done = run("compare", case, bad, tmp_path / "missing.yaml")
    assert done.code == 2
    assert "bad.yaml:5:" in done.err
    assert "missing.yaml" in done.err
    assert done.out == ""


@pytest.mark.slow
def test_every_row_of_compare_says_whether_it_is_recommended(
    run: Run, case: Path, tree: dict[str, Any], tmp_path: Path
) -> None:
    """One ranking: the star, the rows of JSON and the recommendation name the same policy; the
    recommendation stands in nash's row."""
    types = tmp_path / "types.yaml"
    types.write_text("base: two.yaml\nname: Types\ntypes: {values: [0.3, 0.7]}\n")
    rows = json.loads(run("compare", case, types, "--format", "json").out)
    for name in ("Two vendors", "Types"):
        mine = {row["policy"]: row for row in rows if row["case"] == name}
        told = mine["nash"]["recommendation"]
        assert [key for key, row in mine.items() if row["recommended"]] == [told["policy"]]
        assert all(row["recommendation"] is None for key, row in mine.items() if key != "nash")
    assert rows[0]["recommendation"] == tree["recommendation"]
    out = run("compare", case, types).out
    assert len(re.findall(r"^.*[a-z]\* +\d", out, re.M)) == 2
    told = next(csv.DictReader(io.StringIO(run("compare", case, "--format", "csv").out)))
    assert {
        "value",
        "competes",
        "why_not",
        "requires",
        "outlay_joined",
        "flat_payments_2",
        "investment_cost_1",
        "recommended",
    } <= set(told)


def test_what_is_recommended_has_its_levels_among_the_outcomes(tree: dict[str, Any]) -> None:
    """Prices and quantities are those its levels lead to."""
    best = tree["recommendation"]["policy"]
    assert best == "linear_subsidies"
    (row,) = [row for row in tree["comparison"] if row["policy"] == best]
    levels = [*row["sharing"], *row["investment"]]
    books = oracle.account(oracle.read_market(tree["case"]), levels, "bertrand")
    assert row["price"] == pytest.approx(books["price"], rel=1e-9)
    assert row["quantity"] == pytest.approx(books["quantity"], rel=1e-9)
    told = evaluation(tree, Page(100), 5)
    (line,) = re.findall(r"^Plain subsidies per unit \(linear_subsidies\)\*(.*)$", told, re.M)
    assert [float(figure) for figure in line.split()] == pytest.approx(
        [row[what][0] for what in ("sharing", "investment", "price", "quantity")], rel=1e-4
    )


def test_the_proof_counts_what_is_no_regime(tree: dict[str, Any]) -> None:
    """Its worst figures are of everything whose figures are shown: today they are not a regime's
    where rates alone are far off."""
    worse = copy.deepcopy(tree)
    worse["mechanism"]["linear_subsidies"]["regret"] = 2.5e-8
    plain, told = proof(tree), proof(worse)
    assert "regret <= 2.5e-08" in told
    assert "What is recommended: residual" in told
    assert "regret <= 2.5e-08, searched." in told
    assert "2.5e-08" not in plain
    count, proven, searched = map(
        int,
        re.search(r"(\d+) outcomes: .* (\d+) proven, (\d+) searched", told).groups(),  # type: ignore[union-attr]
    )
    # every regime, the regulated market, and plain subsidies
    assert count == proven + searched == len(tree["regimes"]) + 2


# Numbers and pages


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (None, 5, "-"),
        (0.0, 5, "0"),
        (-1e-14, 5, "0"),
        (1.0, 5, "1.0000"),
        (777.369, 5, "777.37"),
        (99999.6, 5, "100000"),
        (0.020009, 3, "0.0200"),
        (1234567.0, 3, "1234567"),
        (1.5e18, 3, "1.50e+18"),
        (2e-7, 3, "2.00e-07"),
        (-0.25, 2, "-0.25"),
    ],
)
def test_numbers_keep_their_significant_digits(value: float | None, digits: int, text: str) -> None:
    assert number(value, digits, zero=1e-12) == text


def test_gains_carry_their_sign() -> None:
    assert number(3.0, 2, signed=True) == "+3.0"
    assert number(-3.0, 2, signed=True) == "-3.0"
    assert number(0.0, 2, signed=True) == "0"


def test_points_stand_below_each_other() -> None:
    assert column([1026.03, 48.4884, None], 5) == ["1026.0  ", "  48.488", "   -    "]
    assert aligned([]) == []


def test_equal_firms_collapse_to_one_number() -> None:
    assert pair_column([[0.5, 0.5], None], 2) == ["0.50", "-   "]
    assert pair_column([[0.5, 0.5], [0.25, 1.0], None], 2) == [
        "0.50       ",
        "0.25 / 1.0 ",
        "-          ",
    ]


def test_shares_are_percentages() -> None:
    assert percent(0.1134) == "11.3 %"
    assert percent(-1e-9) == "0.0 %"
    assert percent(None) == "-"


def test_text_of_a_case_cannot_steer_the_terminal() -> None:
    assert plain("a\x1b[2Jb\nc\u202ed") == r"a\x1b[2Jb\nc\u202ed"


def test_a_table_wider_than_the_page_is_not_cut() -> None:
    page = Page(60)
    page.table(
        [
            Column("[Name]", ["[bold] :smile: words"], words=True),
            *(Column("X", ["123456789.123456789"]) for _ in range(5)),
        ]
    )
    assert page.text.count("123456789.123456789") == 5
    assert {"[bold]", ":smile:", "words", "[Name]"} <= set(page.text.split())


def test_without_unicode_a_page_is_ascii() -> None:
    page = Page(60, unicode=False)
    page.heading("Title")
    page.table([Column("A", ["1"]), Column("B", ["2"])], sections=[0])
    page.sentence("Said.", bullet="- ")
    assert page.text.isascii()


def test_public_outlay_appears_where_there_is_some(tree: dict[str, Any]) -> None:
    result = copy.deepcopy(tree)
    result["comparison"][2]["outlay_joined"] = 12.5
    assert "12.500" in evaluation(result, Page(100), 5)
    for row in result["comparison"]:
        row["outlay_joined"] = 0.0
    assert "outlay  " not in evaluation(result, Page(100), 5)
