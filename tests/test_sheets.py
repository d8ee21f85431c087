"""Spreadsheets: what is read back is the JSON cell by cell, units stand in headers, text is
text."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from command import Run

from cli.output.workbook import Sheet, SheetColumn, workbook
from cli.pages.columns import MEANT, bare
from mechanism.analysis.many import NUMBERS, TEXT
from mechanism.report.table import COLUMNS

openpyxl = pytest.importorskip("openpyxl")
pytest.importorskip("xlsxwriter")

pytestmark = pytest.mark.usefixtures("evaluated_once")

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "cases"
VENDORS = CASES / "two_vendors.yaml"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory in which the command runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(path: str) -> dict[str, list[dict[str, Any]]]:
    """The sheets of a workbook, rows by the keys that its heads begin with."""
    book = openpyxl.load_workbook(path)
    found = {}
    for sheet in book:
        rows = list(sheet.iter_rows(values_only=True))
        heads = [str(head).split(" (")[0] for head in rows[0]] if rows else []
        found[sheet.title] = [dict(zip(heads, row, strict=True)) for row in rows[1:]]
    return found


def heads(path: str, sheet: str) -> list[str]:
    """The heads of a sheet."""
    return [cell.value for cell in openpyxl.load_workbook(path)[sheet][1]]


def both(run: Run, *command: object) -> tuple[Any, dict[str, list[dict[str, Any]]]]:
    """The JSON of a command and the sheets of its workbook."""
    tree = json.loads(run(*command, "--format", "json").out)
    done = run(*command, "--out", "r.xlsx")
    assert done.code in (0, 3), done.err
    return tree, read("r.xlsx")


def pairs(sheet: list[dict[str, Any]]) -> dict[str, Any]:
    """A sheet of keys and values."""
    return {row["key"]: row["value"] for row in sheet}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two_vendors", "two_types", "ill_posed"])
def test_an_evaluation_is_its_json_cell_by_cell(run: Run, here: Path, name: str) -> None:
    tree, book = both(run, "evaluate", CASES / f"{name}.yaml")
    assert len(book["Policies"]) == len(tree["comparison"])
    for row, source in zip(book["Policies"], tree["comparison"], strict=True):
        change = source["change"] or {}
        for key, value in row.items():
            if key == "recommended":
                told = tree["recommendation"]
                assert value == (source["policy"] == (told and told["policy"]))
            elif key.startswith("change_"):
                held = change.get(bare(key)[len("change_") :])
                assert value == (held[int(key[-1]) - 1] if isinstance(held, list) else held)
            elif key[-2:] in ("_1", "_2"):
                held = source[bare(key)]
                assert value == (None if held is None else held[int(key[-1]) - 1])
            else:
                assert value == source[key]
    for row in book["Regimes"]:
        outcome = tree["regimes"][row["regime"]]
        for key, value in row.items():
            if key[-2:] in ("_1", "_2"):
                held = outcome.get(bare(key))
                assert value == (None if held is None else held[int(key[-1]) - 1])
            elif key in outcome:
                assert value == outcome[key]
    assert ("Tax rules" in book) is (tree["case"]["types"] is not None)
    told = pairs(book["Provenance"])
    assert told["case_sha256"] == tree["case_sha256"]
    assert told["packages.numpy"] == tree["provenance"]["packages"]["numpy"]
    case = pairs(book["Case"])
    assert case["cost.scale"] == tree["case"]["cost"]["scale"]
    assert "welfare" in {row["column"] for row in book["Definitions"]}


@pytest.mark.slow
def test_units_stand_in_headers_figures_have_formats_and_there_is_a_chart(
    run: Run, here: Path
) -> None:
    assert run("evaluate", VENDORS, "--out", "r.xlsx").code == 0
    found = heads("r.xlsx", "Policies")
    assert "welfare (million USD)" in found
    assert "investment_1 (thousand licences)" in found
    assert "price_1 (million USD per thousand licences)" in heads("r.xlsx", "Regimes")
    book = openpyxl.load_workbook("r.xlsx")
    welfare = book["Policies"].cell(2, found.index("welfare (million USD)") + 1)
    assert welfare.number_format == "#,##0.000"
    # a head of two lines does not lie over the first row, and false is not shown as 0
    assert book["Policies"].row_dimensions[1].height >= 30
    competes = book["Policies"].cell(3, found.index("competes") + 1)
    assert (competes.value, competes.number_format) == (False, '"TRUE";"TRUE";"FALSE"')
    assert book.sheetnames[:2] == ["Policies", "Chart"]
    assert book.sheetnames[-2:] == ["Provenance", "Definitions"]
    # the library does not read charts back
    import zipfile

    with zipfile.ZipFile("r.xlsx") as inside:
        drawn = inside.read("xl/charts/chart1.xml").decode()
    assert "'Policies'!$D$2" in drawn.replace("Policies!", "'Policies'!")


@pytest.mark.slow
def test_the_same_sheets_are_the_same_bytes(run: Run, here: Path) -> None:
    run("evaluate", VENDORS, "--out", "a.xlsx")
    run("evaluate", VENDORS, "--format", "xlsx", "--out", "b.xlsx")
    assert Path("a.xlsx").read_bytes() == Path("b.xlsx").read_bytes()


@pytest.mark.slow
def test_a_comparison_is_its_json_cell_by_cell(run: Run, here: Path) -> None:
    tree, book = both(run, "compare", VENDORS, CASES / "unit_costs.yaml")
    rows = book["Policies"]
    assert [
        row | {key: one[key] for key in one if key not in COLUMNS}
        for row, one in zip(rows, tree, strict=True)
    ] == tree
    assert {row["case"] for row in book["Answer"]} == {row["case"] for row in tree}


@pytest.mark.slow
def test_a_change_is_its_json_cell_by_cell(run: Run, here: Path) -> None:
    tree, book = both(run, "what-if", VENDORS, "--set", "cost.scale=15")
    for row, source in zip(book["Values"], tree["policies"], strict=True):
        assert row["policy"] == source["policy"]
        assert (row["before"], row["after"]) == (
            source["value"]["before"],
            source["value"]["after"],
        )
    welfare = [
        row for row in book["Figures"] if (row["name"], row["figure"]) == ("nash", "welfare")
    ]
    assert [row["after"] for row in welfare] == [
        next(row for row in tree[block] if row[name] == "nash")["welfare"]["after"]
        for block, name in (("policies", "policy"), ("regimes", "regime"))
    ]
    assert {row["unit"] for row in welfare} == {"million USD"}
    assert [row["key"] for row in book["Changes"]] == ["cost.scale"]


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--vary", "cost.scale=12:15:2"]])
def test_a_path_is_its_json_cell_by_cell(run: Run, here: Path, more: list[str]) -> None:
    policies = ("--policy", "nash", "--policy", "joint_profit")
    path = ("--vary", "security.rivalry=0.1:1.1:3", *policies)
    tree, book = both(run, "what-if", VENDORS, *path, *more)
    assert book["Path"] == tree["rows"]
    assert book["Best"] == tree["best"]
    assert len(book["Events"]) == len(tree["events"])
    assert ("Winners" in book) is bool(more)


@pytest.mark.slow
def test_a_design_is_its_json_cell_by_cell(run: Run, here: Path) -> None:
    tree, book = both(run, "design", CASES / "two_types.yaml", "--budget", "none")
    for row in book["Transfers"]:
        player = tree["players"].index(row["player"])
        assert row["net_transfer"] == tree["transfers"][player][row["state"]]
        assert [row[f"type_{name}"] for name in tree["players"]] == tree["states"][row["state"]]
    assert [row["rent"] for row in book["Rents"]] == [
        rent for row in tree["rents"] for rent in row["rent"]
    ]
    assert [row["shadow_price"] for row in book["Binding"]] == [
        row["price"] for row in tree["binding"]
    ]
    asked = ("--allocation", "efficient", "--budget", "ex_post")
    tree, book = both(run, "design", CASES / "settings" / "bilateral_trade.yaml", *asked)
    assert [row["weight"] for row in book["Conflict"]] == [
        row["weight"] for row in tree["infeasibility"]["rows"]
    ]


def test_findings_are_their_json_cell_by_cell(run: Run, here: Path) -> None:
    Path("d.yaml").write_text(
        f"case: {VENDORS}\nvary: {{cost.scale: {{low: 12, high: 20}}}}\n"
        "sample: {method: sobol, count: 8, seed: 7}\npolicies: [nash, joint_profit]\n"
    )
    assert run("batch", "d.yaml", "--out", "b.csv").code == 0
    tree, book = both(run, "compare", "b.csv")
    groups = [tree["policies"], *(group["policies"] for group in tree["by"]["cost.scale"])]
    sources = [row for group in groups for row in group]
    for row, source in zip(book["Findings"], sources, strict=True):
        assert row["policy"] == source["policy"]
        assert row["wins"] == source["wins"]
        assert row["welfare.q50"] == source["welfare"]["q50"]
        assert row["gain.mean"] == source["gain"]["mean"]


@pytest.mark.slow
def test_no_text_is_run(run: Run, here: Path) -> None:
    name = '=HYPERLINK("http://x")'
    Path("c.yaml").write_text(f"base: {VENDORS}\nname: '{name}'\nfirms: ['+1', \"a\\nb\\x07\"]\n")
    assert run("compare", "c.yaml", VENDORS, "--out", "r.xlsx").code == 0
    book = openpyxl.load_workbook("r.xlsx")
    kinds = {cell.data_type for sheet in book for row in sheet.iter_rows() for cell in row}
    assert "f" not in kinds
    cell = book["Policies"]["A2"]
    assert cell.value == name
    assert cell.quotePrefix


def test_without_the_library_the_remedy_is_told_and_nothing_written(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.options.find_spec", lambda name: None)
    done = run("evaluate", VENDORS, "--out", "r.xlsx")
    assert done.code == 2
    assert "pip install XlsxWriter" in done.err
    assert "extra `tables`" in " ".join(done.err.split())
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["evaluate", VENDORS, "--format", "xlsx"], "a spreadsheet goes into a file"),
        (["evaluate", VENDORS, "--format", "xlsx", "--out", "r.txt"], "ends in .xlsx"),
        (["evaluate", VENDORS, "--format", "json", "--out", "r.xlsx"], "not what it holds"),
        (["statics", VENDORS, "--out", "r.xlsx"], "files that end in .json, .csv, .txt"),
        (["statics", VENDORS, "--format", "xlsx"], "writes no spreadsheet"),
    ],
)
def test_a_spreadsheet_is_a_file_with_that_ending(
    run: Run, here: Path, command: list[object], said: str
) -> None:
    done = run(*command)
    assert done.code == 2
    assert said in " ".join(done.err.split())
    assert list(here.iterdir()) == []


@pytest.mark.slow
def test_what_does_not_fit_on_a_sheet_is_refused(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.output.workbook.MOST_ROWS", 5)
    done = run("evaluate", VENDORS, "--out", "r.xlsx")
    assert done.code == 2
    assert "the sheet Policies has more than 5 rows; write a .csv file" in done.err
    assert list(here.iterdir()) == []


def test_every_column_has_a_meaning() -> None:
    names = {bare(name) for name in (*COLUMNS, *NUMBERS, *TEXT)}
    assert names - set(MEANT) == set()


def test_a_sheet_can_be_read_on_paper() -> None:
    """What is wrapped has room, a wide sheet has its head and first column on every page, and an
    amount has as many letters as it takes."""
    wide = [SheetColumn(head=f"c{n}", shown="amount") for n in range(30)]
    columns = [SheetColumn(head="text", shown="text", width=30.0), *wide]
    rows = [["word " * 40, *[1e9] * 30], ["word", *[1.0] * 30]]
    book = openpyxl.load_workbook(
        BytesIO(workbook([Sheet(name="Wide", columns=columns, rows=rows)]))
    )
    page = book["Wide"]
    assert page.row_dimensions[2].height >= 15 * 200 / 30
    assert page.row_dimensions[3].height is None
    assert page.column_dimensions["B"].width >= len("1,000,000,000.000")
    assert page.page_setup.orientation == "landscape"
    assert page.page_setup.fitToWidth > 1
    assert (page.print_title_rows, page.print_title_cols) == ("$1:$1", "$A:$A")
