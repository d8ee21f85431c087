"""Tables of cases as people have them: what is read, what is refused and where that stands, and
what comes back."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from command import Run

from market.casefile.tables import TableFault, as_number, decimal_sign, letters, read_grid

openpyxl = pytest.importorskip("openpyxl")

ROOT = Path(__file__).resolve().parents[1]
VENDORS = ROOT / "cases" / "two_vendors.yaml"

HEADS = [
    "Nr.",
    "Markt",
    "Preisniveau a [Tsd. Lizenzen]",
    "Kosten k",
    "Bemerkung",
    "Umsatz (Mio. €)",
]
ROWS = [
    ["001", "=Nord", "20,5", "12,25", "gut; sehr", "1.234,50"],
    ["002", "Süd", "21", "1.200,0", "", "17"],
    ["010", "West", "19,75", "11", "'alt'", ""],
]
DESIGN = f"""case: {VENDORS}
table: {{table}}
columns:
  Nr.: case_id
  "Preisniveau a  [Tsd. Lizenzen]": demand.intercept
  Kosten k: cost.scale
policies: [nash, joint_profit]
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory in which the command runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def text_of(delimiter: str, trailing: str = "") -> str:
    """The table as a spreadsheet writes it."""
    import io

    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=f"{trailing}\r\n")
    writer.writerow(HEADS)
    writer.writerow([])
    writer.writerows(ROWS)
    return stream.getvalue()


FORMS: dict[str, bytes] = {
    "semicolon": text_of(";").encode(),
    "tab": text_of("\t").encode(),
    "comma": text_of(",").encode(),
    "mark": text_of(";").encode("utf-8-sig"),
    "utf-16": text_of("\t").encode("utf-16"),
    "utf-16 big": b"\xfe\xff" + text_of("\t").encode("utf-16-be"),
    "utf-16 bare": text_of(";").encode("utf-16-le"),
    "trailing": text_of(";", ";;;").encode(),
    "sep": b"sep=;\r\n" + text_of(";").encode(),
    "blank": ("\r\n;;\r\n" + text_of(";") + "\r\n;;;;;\r\n").encode(),
}


def written(path: str) -> list[dict[str, str]]:
    """The rows of a result in CSV."""
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_a_german_table_goes_through_and_keeps_its_columns(run: Run, here: Path, form: str) -> None:
    Path("t.csv").write_bytes(FORMS[form])
    Path("d.yaml").write_text(DESIGN.format(table="t.csv"))
    done = run("batch", "d.yaml", "--out", "r.csv")
    assert done.code == 0, done.err
    rows = written("r.csv")[::2]
    assert [row["case_id"] for row in rows] == ["001", "002", "010"]
    assert [row["demand.intercept"] for row in rows] == ["20.5", "21.0", "19.75"]
    assert [row["cost.scale"] for row in rows] == ["12.25", "1200.0", "11.0"]
    assert [row["Markt"] for row in rows] == ["'=Nord", "Süd", "West"]
    assert [row["Umsatz (Mio. €)"] for row in rows] == ["1.234,50", "17", ""]
    assert [row["Bemerkung"] for row in rows] == ["gut; sehr", "", "'alt'"]
    assert list(rows[0])[-3:] == ["Markt", "Bemerkung", "Umsatz (Mio. €)"]


def book(path: str, rows: list[list[Any]]) -> None:
    """A spreadsheet of these rows."""
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(row)
    made.save(path)


@pytest.mark.slow
def test_a_spreadsheet_goes_through_and_comes_back_as_one(run: Run, here: Path) -> None:
    pytest.importorskip("xlsxwriter")
    rows: list[list[Any]] = [HEADS, [None] * 6]
    rows += [["001", "=1+1", 20.5, 12.25, "a", 1234.5], [2, "Süd", 21, "12,5", None, 17]]
    book("t.xlsx", rows)
    made = openpyxl.load_workbook("t.xlsx")
    made.active["B3"].data_type = "s"
    made.active["A4"].number_format = "000"
    made.save("t.xlsx")
    Path("d.yaml").write_text(DESIGN.format(table="t.xlsx"))
    done = run("batch", "d.yaml", "--out", "r.xlsx")
    assert done.code == 0, done.err
    sheet = openpyxl.load_workbook("r.xlsx").worksheets[0]
    head, *body = sheet.iter_rows(values_only=True)
    found = [dict(zip(head, row, strict=True)) for row in body[::2]]
    assert [row["case_id"] for row in found] == ["001", "002"]
    assert [row["cost.scale"] for row in found] == [12.25, 12.5]
    assert [row["Markt"] for row in found] == ["=1+1", "Süd"]
    assert [row["Umsatz (Mio. €)"] for row in found] == [1234.5, 17]
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} == {"s", "n"}
    assert run("batch", "d.yaml", "--out", "r.csv").code == 0
    for row, source in zip(body, written("r.csv"), strict=True):
        for name, value in zip(head, row, strict=True):
            told = source[name].removeprefix("'")
            assert str(value if value is not None else "") == told or float(told) == value
    assert run("verify", "r.xlsx", "--whole").code == 0
    keys = json.loads(run("compare", "r.xlsx", "--format", "json").out)["by"]
    assert list(keys) == ["demand.intercept", "cost.scale"]
    first = Path("r.xlsx").read_bytes()
    assert run("batch", "d.yaml", "--out", "r.xlsx", "--overwrite").code == 0
    assert Path("r.xlsx").read_bytes() == first


def refused(run: Run, text: bytes | str, design: str, name: str = "t.csv") -> str:
    """The message for a table that is refused, on one line."""
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    Path("d.yaml").write_text(design)
    done = run("batch", "d.yaml", "--out", "r.csv")
    assert done.code == 2
    assert not Path("r.csv").exists()
    return " ".join(done.err.split())


PLAIN = f"case: {VENDORS}\ntable: t.csv\npolicies: [nash]\n"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("cost.scale\n\n12\nabc\n", 'has "abc" in row 4, column A (cost.scale); it must be'),
        ("case_id;cost.scale\na;12,5\nb;13.5\n", "row 2, column B (cost.scale) is 12,5, with a"),
        ("cost.scale;x\n1.234;\n", "has the column x, which is not a key"),
        ("cost.scale;security.rivalry\n1.234;\n", "which may be 1234 or 1.234"),
        ('cost.scale\n"1,234"\n', "which may be 1234 or 1.234"),
        ("cost.scale,\n12,13\n", "row 2, column B holds '13', and the column has no header"),
        ("cost.scale,cost.scale\n1,2\n", "stands there twice: row 1, columns A and B"),
        ("case_id,cost.scale\n1,12\n\n1,13\n", 'has a case_id twice: "1" in row 4, column A'),
        (b"cost.scale\n12\xe4\n", "save it as CSV UTF-8"),
    ],
)
def test_a_fault_names_file_row_and_column(
    run: Run, here: Path, table: str | bytes, said: str
) -> None:
    message = refused(run, table, PLAIN)
    assert said in message
    assert "d.yaml:2:" in message


def test_all_faults_of_cells_come_at_once(run: Run, here: Path) -> None:
    message = refused(run, "cost.scale;security.rivalry\n12;x\ny;0,3\n", PLAIN)
    assert "row 2, column B (security.rivalry)" in message
    assert "row 3, column A (cost.scale)" in message


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("{Preis: demand.intercept}", "has no column Preis, which `columns` maps; there are k"),
        ("{k: cost.scal}", "has the column k mapped to cost.scal, which is not a key"),
        ("{k: cost.scale, note: cost.scale}", "has cost.scale twice: column A (k) and column B"),
        ("{note: null}", "whose only columns are"),
        ("{k: cost.scale, policy: null}", "has the column policy, which the result has too"),
    ],
)
def test_faults_of_the_map(run: Run, here: Path, columns: str, said: str) -> None:
    design = f"{PLAIN}columns: {columns}\n"
    assert said in refused(run, "k,note,policy\n12,x,y\n", design)
    nothing = f"case: {VENDORS}\nvary: {{cost.scale: {{values: [12]}}}}\ncolumns: {{}}\n"
    assert "there is no table" in refused(run, "k\n1\n", f"{nothing}policies: [nash]\n")


def test_a_damaged_spreadsheet_and_a_formula_without_value_are_refused(
    run: Run, here: Path
) -> None:
    design = PLAIN.replace("t.csv", "t.xlsx")
    assert "cannot be read as a spreadsheet" in refused(run, b"PK\x03\x04junk", design, "t.xlsx")
    book("t.xlsx", [["cost.scale"], [12], ["=A2+1"]])
    Path("d.yaml").write_text(design)
    done = run("batch", "d.yaml", "--out", "r.csv")
    assert done.code == 2
    assert "row 3, column A holds a formula that was never worked out" in " ".join(done.err.split())


@pytest.mark.parametrize(
    ("cells", "sign"),
    [
        (["1.5", "2"], "."),
        (["1,5", "1.234,5", "1.234"], ","),
        (["1,234.5"], "."),
        (["0,125"], ","),
        (["1.234.567"], ","),
        (["1e-3", "-2"], "."),
        (["1,25e-3"], ","),
    ],
)
def test_the_decimal_sign_is_what_the_cells_leave(
    tmp_path: Path, cells: list[str], sign: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["x;y", *(f"{cell};" for cell in cells)]))
    grid = read_grid(path)
    assert decimal_sign(grid, [0]) == sign


@pytest.mark.parametrize(
    ("cell", "sign", "value"),
    [
        ("1.234,5", ",", 1234.5),
        ("1\u00a0234,5", ",", 1234.5),
        ("-0,5", ",", -0.5),
        (",5", ",", 0.5),
        ("1.5", ",", None),
        ("12", ",", 12.0),
        ("1,25E3", ",", 1250.0),
        ("1'234.5", ".", 1234.5),
        ("20 €", ",", None),
        ("", ".", None),
        ("nan", ".", None),
        ("1e999", ".", None),
        (True, ".", None),
    ],
)
def test_numbers(cell: Any, sign: str, value: float | None) -> None:
    assert as_number(cell, sign) == value


def test_columns_are_called_as_a_spreadsheet_calls_them() -> None:
    assert [letters(n) for n in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]


def test_old_spreadsheets_are_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "t.xls"
    path.write_bytes(b"")
    with pytest.raises(TableFault, match=r"save it as \.xlsx"):
        read_grid(path)
