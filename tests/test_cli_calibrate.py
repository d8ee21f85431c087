"""`pigou calibrate`: from a file of observations to a case file, its formats, and bad data."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import openpyxl
import pytest
from command import Run

import pigou
from market.calibrate.datafile import data_tree, parse_data, read_data
from market.casefile.files import read_document
from mechanism.casefile.policy_case import load_case

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "cases" / "data" / "two_vendors_2025.yaml"
HEAD = "name,price,quantity,margin,diversion,security_spending,sharing,leak_churn,saving_share"
ALPHA = "Alpha,12.7225,15.556,0.7642,0.4375,3.5076,0.0617,0.000245,0.00756"
BETA = "Beta,12.3233,11.1879,0.7566,0.5833,3.3073,0.0465,,0.01025"
OPTIONS = (
    *("--common", "leak_switch=0.3", "--prior", "rivalry=0.2"),
    *("--prior", "leakage_interaction_share=0.15"),
    *("--prior", "max_saving={median: 0.4, log_sd: 0.5}", "--noise", "default=0.05"),
)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Two rows of CSV."""
    path = tmp_path / "firms.csv"
    path.write_text("\n".join([HEAD, ALPHA, BETA, ""]))
    return path


@pytest.mark.slow
def test_two_commands_lead_from_two_rows_to_a_recommendation(
    run: Run, rows: Path, tmp_path: Path
) -> None:
    case = tmp_path / "case.yaml"
    made = run("calibrate", rows, *OPTIONS, "--out", case)
    assert made.code == 0
    assert f"written to {case}" in made.err
    assert all(len(line) <= 100 for line in made.out.splitlines())
    for said in ("priors.max_saving", "narrow", "errors off", "directions", "leak_churn"):
        assert said in made.out
    told = run("evaluate", case, "--format", "json")
    assert told.code == 0
    result = json.loads(told.out)
    assert result["recommendation"]["policy"] == "linear_subsidies"
    assert "uncertainty_not_used" not in [one["code"] for one in result["warnings"]]
    assert result["uncertainty"]["policies"]["linear_subsidies"]["best_share"] > 0.9
    assert sum("draws" in line for line in result["recommendation"]["text"]) == 1
    assert result["case"]["firms"] == ["Alpha", "Beta"]
    nash = result["regimes"]["nash"]
    assert nash["sharing"] == pytest.approx([0.0617, 0.0465], rel=1e-3)
    assert nash["price"] == pytest.approx([12.7225, 12.3233], rel=1e-3)


@pytest.mark.slow
def test_the_json_has_the_keys_of_the_contract(run: Run) -> None:
    done = run("calibrate", DATA, "--format", "json")
    assert done.code == 0
    told = json.loads(done.out)
    for key in (
        *("case", "estimates", "moments", "rank", "condition", "over_identification"),
        *("most_informative", "refused"),
    ):
        assert key in told
    assert told["refused"] is None
    assert told["rank"] == told["parameters"] == 13
    assert set(told["moments"][0]) == {"key", "observed", "fitted", "residual"}
    assert {"key", "gain"} <= set(told["most_informative"][0])
    estimate = told["estimates"]["security.demand_spillover"]
    assert {"value", "low", "high", "from", "prior_share"} <= set(estimate)
    assert estimate["value"] == pytest.approx(0.5, rel=2e-3)
    assert estimate["from"] == "data"
    assert told["estimates"]["cost.max_saving"]["from"] == "prior"
    assert sum(told["gain"]["comes_from"].values()) == pytest.approx(1)
    assert done.out == run("calibrate", DATA, "--format", "json").out


@pytest.mark.slow
def test_a_calibration_tells_where_it_comes_from(run: Run, rows: Path) -> None:
    """The hash is of what was observed and assumed, in the file and in options."""
    result = json.loads(run("calibrate", rows, *OPTIONS, "--format", "json", "--stamp").out)
    told = result["provenance"]
    assert told["run"].keys() == {"started", "seconds", "platform"}
    assert told["command"].startswith(
        "pigou calibrate DATA --common leak_switch=0.3 --prior rivalr"
    )
    assert "--prior 'max_saving={median: 0.4, log_sd: 0.5}' --noise default=0.05" in told["command"]
    assert told["seed"] is None
    rows.write_text(rows.read_text().replace("12.7225", "12.7226"))
    other = json.loads(run("calibrate", rows, *OPTIONS, "--format", "json").out)["provenance"]
    assert other["case_sha256"] != told["case_sha256"]
    assert {**other, "case_sha256": None} == {**told, "case_sha256": None, "run": None}


def test_the_csv_lists_the_estimates(run: Run) -> None:
    done = run("calibrate", DATA, "--format", "csv")
    listed = {row["key"]: row for row in csv.DictReader(io.StringIO(done.out))}
    assert float(listed["demand.cross_slope"]["value"]) == pytest.approx(0.7, rel=1e-3)
    assert "warning:" in done.err


@pytest.mark.slow
def test_the_case_is_complete_commented_and_carries_the_posterior(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "case.yml"
    assert run("calibrate", DATA, "--out", path, "--quiet").code == 0
    text = path.read_text(encoding="utf-8")
    case = load_case(path)
    told = json.loads(run("calibrate", DATA, "--format", "json").out)
    assert told["case_file"] == text
    assert told["case"] == case.resolved
    for said in (
        *("firms[0].price 12.7225 (5 %): price list", "(rivalry): 0.2, held fixed"),
        *("priors.max_saving", "0 % from priors", "today's market is another one"),
    ):
        assert said in text
    lines = text.splitlines()
    for key in ("intercept", "own_slope", "cross_slope", "rivalry", "scale", "base"):
        at = next(n for n, line in enumerate(lines) if line.strip().startswith(f"{key}:"))
        assert lines[at - 1].strip().startswith("#")
    assert case.uncertainty is not None
    assert "security.rivalry" not in case.uncertainty.keys  # held fixed
    for key, one in case.uncertainty.distributions.items():
        assert one.lognormal is not None
        median, sd = one.lognormal
        estimate = told["estimates"][key]
        assert median == pytest.approx(estimate["value"], rel=1e-8)
        assert sd > 0
    ranks = case.uncertainty.rank_correlation
    names = list(case.uncertainty.keys)
    gamma, lambda_c = names.index("cost.max_saving"), names.index("cost.spillover")
    assert ranks[gamma, lambda_c] < -0.9  # only their product is told


@pytest.mark.slow
def test_a_table_is_called_and_counted_as_options_say(run: Run, rows: Path) -> None:
    named = ("--name", "Two, 001", "--unit", "money=million EUR", "--unit", "quantity=2")
    told = json.loads(run("calibrate", rows, *OPTIONS, *named, "--format", "json").out)
    assert told["case"]["name"] == told["name"] == "Two, 001"
    assert told["case"]["units"] == told["units"] == {"money": "million EUR", "quantity": "2"}
    done = run("calibrate", rows, *OPTIONS, "--unit", "mony=EUR")
    assert done.code == 2
    assert "--unit: mony is no unit; give money or quantity" in done.err


@pytest.mark.slow
def test_a_table_says_what_a_file_does(run: Run, rows: Path) -> None:
    from_file, from_rows = (
        json.loads(run("calibrate", *given, "--format", "json").out)["estimates"]
        for given in ((DATA,), (rows, *OPTIONS))
    )
    assert {key: one["value"] for key, one in from_file.items()} == {
        key: one["value"] for key, one in from_rows.items()
    }


def test_heads_and_shares_as_people_write_them(rows: Path, tmp_path: Path) -> None:
    """In capitals, with blanks, hyphens and units; shares with a sign, and two spellings of it."""
    other = tmp_path / "other.csv"
    text = rows.read_text()
    for old, new in (
        ("name,", "Firm,"),
        ("price,", "Price (EUR; a seat),"),
        ("security_spending", "Security Spending"),
        ("leak_churn", "LEAK-CHURN"),
        ("0.4375", "43.75 %"),
        ("0.5833", "58.33per cent"),
        ("0.0617", "6.17%"),
    ):
        assert old in text
        text = text.replace(old, new)
    other.write_text(text)
    mine, theirs = (read_data(path).observations for path in (rows, other))
    assert [one.key for one in mine] == [one.key for one in theirs]
    assert read_data(other).firms == ("Alpha", "Beta")
    assert [one.value for one in mine] == pytest.approx([one.value for one in theirs], rel=1e-15)


def test_faults_of_one_firm_alone_are_told_once(run: Run, rows: Path) -> None:
    rows.write_text(rows.read_text().replace(f"\n{BETA}", "").replace("0.7642", "76"))
    told = run("calibrate", rows, *OPTIONS).err.splitlines()
    assert ["describes 1" in told[0], "margin is 76" in told[1]] == [True, True]
    assert len(told) == 2


@pytest.mark.slow
def test_where_nothing_is_at_stake_the_page_says_so_first(run: Run) -> None:
    done = run("calibrate", DATA, "--prior", "max_saving=0.9", "--noise", "default=0.2")
    head, _, rest = done.out.partition("What the data say")
    assert "there is no advice and no gain to tell: the planner's problem" in " ".join(head.split())
    assert "no gain to tell" not in rest


@pytest.mark.slow
def test_semicolons_and_decimal_commas(run: Run, rows: Path, tmp_path: Path) -> None:
    other = tmp_path / "german.csv"
    text = rows.read_text().replace(",", ";").replace(".", ",")
    other.write_bytes(b"\xef\xbb\xbf" + text.encode())
    one, two = (run("calibrate", path, *OPTIONS, "--format", "csv") for path in (rows, other))
    assert one.out == two.out


@pytest.mark.slow
def test_symmetric_slopes_need_one_margin_only(run: Run, rows: Path) -> None:
    rows.write_text(rows.read_text().replace("0.7566", ""))
    done = run("calibrate", rows, *OPTIONS)
    assert done.code == 2
    assert "firms[1] has neither margin nor unit_cost" in done.err
    assert "--symmetric" in done.err
    done = run("calibrate", rows, *OPTIONS, "--symmetric", "--format", "json")
    assert done.code == 0
    assert "demand.own_slope" in json.loads(done.out)["estimates"]


@pytest.mark.slow
def test_parameters_of_each_firm(run: Run) -> None:
    done = run(
        *("calibrate", DATA, "--per-firm", "own_slope", "--per-firm", "cost_scale"),
        *("--format", "json", "--bootstrap", "20"),
    )
    told = json.loads(done.out)
    assert "cost.scale[1]" in told["estimates"]
    assert told["parameters"] == 14


# --- bad data: one clear message each


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "0.7642",
            "-0.7642",
            "firms.csv:2: firms[0].margin is -0.7642; it must lie in (0, 1] (a share: 40 per cent"
            " is 0.4)",
        ),
        ("0.5833", "1.5833", "firms.csv:3: firms[1].diversion is 1.5833; it must lie in (0, 1]"),
        ("0.4375", "40", "firms.csv:2: firms[0].diversion is 40; it must lie in (0, 1] (a share"),
        ("0.7642", "high", 'firms.csv:2: firms[0].margin is "high"; it must be a number in (0, 1]'),
        ("0.0465", "1.2", "firms.csv:3: firms[1].sharing is 1.2; it must lie in [0, 1]"),
        ("12.7225", "", "firms.csv:2: firms[0].price is missing; give a number in (0, inf)"),
        ("12.7225", "0", "firms.csv:2: firms[0].price is 0; it must lie in (0, inf)"),
        ("15.556", "nan", "firms.csv:2: firms[0].quantity is"),
        ("sharing", "shring", "firms.csv:2: firms[0].shring is not a known key; did you mean shar"),
        (f"\n{BETA}", "", "firms.csv:1: firms describes 1; the model has two rivals"),
        (BETA, f"{BETA}\n{BETA}", "firms.csv:1: firms describes 3; the model has two rivals"),
        (
            "12.7225",
            "$12.72",
            'firms[0].price is "$12.72", column B; write the number alone: 12.72',
        ),
        ("12.7225", "40 %", 'firms[0].price is "40 %", column B; write the number alone: 40'),
        ("0.7642", "140 %", "firms[0].margin is 1.4; it must lie in (0, 1]"),
        ("0.7642", "7 to 8", 'firms[0].margin is "7 to 8"; it must be a number in (0, 1]'),
        ("margin", "Margin (%)", "firms.csv: column D is headed Margin (%); head it margin and"),
        ("quantity", "PRICE", "firms.csv: columns B and C are both price; leave one out"),
        (BETA, f"{BETA},1,2", "firms.csv: row 3, column J holds '1', and the column has no"),
        ("Beta", "Alpha", 'firms.csv:3: firms[1].name is "Alpha", as the first firm\'s'),
    ],
)
def test_bad_data_get_one_message_at_their_place(
    run: Run, rows: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, said: str
) -> None:
    monkeypatch.chdir(rows.parent)
    rows.write_text(rows.read_text().replace(old, new))
    done = run("calibrate", rows.name, *OPTIONS, "--out", "case.yaml")
    assert done.code == 2
    told = done.err.splitlines()
    assert said in told[0]
    assert len(told) == (2 if new == "shring" else 1)
    assert not done.out
    assert not Path("case.yaml").exists()


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"common": {"leak_swich": 0.3}}, "common.leak_swich is not a known key; did you mean"),
        ({"priors": {"rivalry": 2}}, "priors.rivalry is 2; it must lie in [0, 1)"),
        ({"priors": {"rivalry": {"median": 0.2, "log_sd": -1}}}, "priors.rivalry.log_sd is -1"),
        ({"priors": {"leak_switch": 0.3}}, "priors.leak_switch is held fixed beside"),
        ({"priors": {"max_saving": 0.005}}, "firms[0].saving_share is 0.00756, which"),
        ({"noise": {"margin": 5}}, "noise.margin is 5; it must lie in [0, 1]"),
        ({"noise": {"prize": 0.1}}, "noise.prize is no observation"),
        ({"sources": {"firms[0].prize": "x"}}, "sources.firms[0].prize is neither"),
        ({"per_firm": ["b1"]}, 'per_firm[0] is "b1"; it must be one of own_slope'),
        ({"firms": "two"}, 'firms is "two"; it must be a list of two firms'),
        ({"reference_investment": 0}, "reference_investment is 0"),
    ],
)
def test_faults_of_a_file(run: Run, tmp_path: Path, block: dict[str, object], said: str) -> None:
    tree = read_document(DATA).tree
    for key, value in block.items():
        own = tree.get(key)
        tree[key] = own | value if isinstance(own, dict) and isinstance(value, dict) else value
    path = tmp_path / "data.json"
    path.write_text(json.dumps(tree))
    done = run("calibrate", path)
    assert done.code == 2
    assert said in done.err
    assert len(done.err.splitlines()) == (2 if "max_saving" in said or "saving" in said else 1)


def test_margin_and_unit_cost_say_the_same(run: Run, tmp_path: Path) -> None:
    tree = read_document(DATA).tree
    tree["firms"][0]["unit_cost"] = 3
    tree["firms"][1].pop("margin")
    tree["firms"][1]["unit_cost"] = 13
    path = tmp_path / "data.json"
    path.write_text(json.dumps(tree))
    done = run("validate", path)
    assert done.code == 2
    assert "firms[0].unit_cost stands beside margin" in done.err
    assert "firms[1].unit_cost is 13; it must be below the price" in done.err


def test_what_is_no_market_is_refused_and_nothing_is_written(
    run: Run, rows: Path, tmp_path: Path
) -> None:
    rows.write_text(rows.read_text().replace("0.0617", "0"))
    case = tmp_path / "case.yaml"
    case.write_text("mine")
    done = run("calibrate", rows, *OPTIONS, "--out", case)
    assert done.code == 3
    assert "Alpha shares nothing" in done.out
    assert "not met" in done.err
    assert case.read_text() == "mine"
    told = json.loads(run("calibrate", rows, *OPTIONS, "--format", "json").out)
    assert told["case"] is None
    assert told["refused"]["code"] == "sharing_at_its_bound"
    assert told["refused"]["numbers"] == {"sharing": 0.0}
    assert told["most_informative"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--out", "case.txt"), "ends in .yaml or .yml"),
        (("--out", "missing/case.yaml"), "does not exist"),
        (("--symmetric", "--per-firm", "own_slope"), "opposite"),
        (("--bootstrap", "5"), "20 to 2000"),
        (("--common", "leak_switch"), "is no KEY=VALUE"),
    ],
)
def test_wrong_usage(run: Run, rows: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run("calibrate", rows, *OPTIONS, *arguments)
    assert done.code == 2
    assert said in " ".join(done.err.split())


def test_a_spreadsheet_says_what_its_rows_say(rows: Path, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for line in csv.reader(rows.read_text().splitlines()):
        book.active.append([float(cell) if cell[:1].isdigit() else cell or None for cell in line])
    book.save(tmp_path / "firms.xlsx")
    assert read_data(tmp_path / "firms.xlsx").observations == read_data(rows).observations
    assert read_data(tmp_path / "firms.xlsx").firms == ("Alpha", "Beta")


@pytest.mark.parametrize(
    ("name", "said"), [("f.xlsx", "it cannot be read as a spreadsheet"), ("f.ods", "as CSV")]
)
def test_what_is_no_table(run: Run, tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / name).write_bytes(b"PK")
    done = run("calibrate", tmp_path / name)
    assert done.code == 2
    assert said in done.err


def test_the_data_are_not_written_over_and_a_case_is_no_data(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "data.yaml"
    path.write_bytes(DATA.read_bytes())
    done = run("calibrate", path, "--out", path)
    assert done.code == 2
    assert path.read_bytes() == DATA.read_bytes()
    done = run("calibrate", ROOT / "cases" / "two_vendors.yaml")
    assert done.code == 2
    assert "is a case, not data" in done.err


@pytest.mark.parametrize("path", sorted(DATA.parent.glob("*.yaml")), ids=lambda path: path.stem)
def test_data_written_out_are_read_back(path: Path) -> None:
    given = read_data(path, noise=["price=0.01"])
    assert parse_data(data_tree(given), source=path.name) == given


def test_data_are_shipped_validated_and_have_a_schema(run: Run, rows: Path) -> None:
    assert "data/two_vendors_2025" in run("examples", "list").out
    assert "data to calibrate from" in run("validate", DATA).out
    assert "data to calibrate from" in run("validate", rows).out
    told = json.loads(run("schema", "--data").out)
    assert "firms" in told["properties"]
    assert run("schema", "--data", "--design").code == 2


def test_strict_fails_on_warnings(run: Run) -> None:
    done = run("calibrate", DATA, "--strict", "--quiet")
    assert done.code == 3
    assert "weakly_identified" in done.err


# --- from public figures


@pytest.mark.slow
def test_public_figures_make_a_case_of_software_and_none_of_banks() -> None:
    """What the closed chain gives at these observations: .459 and 1.02."""
    folder = Path(__file__).resolve().parents[1] / "cases" / "data"
    software = pigou.calibrate(folder / "software_vendors.yaml")
    assert software.case is not None
    assert software.case.market.demand_spillover.item() == pytest.approx(0.459, abs=5e-4)
    banks = pigou.calibrate(folder / "two_banks.yaml")
    assert banks.refused is not None
    assert banks.refused.code == "spillover_above_one"
    assert max(banks.refused.numbers.values()) == pytest.approx(1.02, abs=5e-3)
    for found in (software, banks):
        told = [one.key for one in found.data.observations if one.firm != 1]
        told += [f"priors.{name}" for name in found.data.priors]
        assert set(told) == set(found.data.sources)
