"""Tables of cases as people have them: CSV with commas, semicolons or tabs, decimal points or
commas, of Excel in any country; xlsx; Parquet.

What is read is a grid of cells that know their rows as a spreadsheet shows them. A cell of text
stays text; whether it is a number is asked only where a key wants one. Which sign is the decimal
one is settled for a whole file by the cells that leave no choice, and a file in which none does is
refused rather than read a thousand times too large.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from market.text import needs

MOST_COLUMNS = 200
"""Columns of the widest table: more than a case has keys."""
ENDINGS = (".csv", ".tsv", ".txt", ".xlsx", ".parquet")
"""What the names of tables end in."""

_MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))
_BLANKS = re.compile("(?<=\\d)[\u00a0\u202f\u2009'\u2019](?=\\d{3})")
"""What stands between groups of digits and means nothing."""
_EXPONENT = r"(?:[eE][+-]?\d+)?"


class TableFault(Exception):  # noqa: N818 - a fault of the user, not an error of the program
    """A table that cannot be read; the message says where and why."""


@dataclass(frozen=True, kw_only=True)
class TableCells:
    """A table's cells under its headers."""

    heads: tuple[str, ...]
    places: tuple[int, ...]
    """The number of each column in the file, from 0."""
    columns: tuple[list[Any], ...]
    """Texts, numbers, None for nothing."""
    rows: tuple[int, ...]
    """The row that each entry stands in, as a spreadsheet counts: the header is row 1 where it
    comes first."""
    delimiter: str | None = None
    """Of CSV."""

    def where(self, row: int, column: int) -> str:
        """A cell as a spreadsheet names it, with its header."""
        name = letters(self.places[column])
        return f"row {self.rows[row]}, column {name} ({self.heads[column]})"


def letters(number: int) -> str:
    """The name of a column, from 0: A to Z, AA."""
    name = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(65 + rest) + name
    return name


def read_grid(path: Path) -> TableCells:
    """The table in a file, or `TableFault`."""
    ending = path.suffix.lower()
    if ending == ".parquet":
        return _parquet(path)
    if ending == ".xlsx":
        return _gridded(_sheet(path))
    if ending in (".xls", ".xlsb", ".ods", ".numbers"):
        raise TableFault(f"{ending} files are not read; save it as .xlsx or as CSV")
    return _csv(path.read_bytes())


def _parquet(path: Path) -> TableCells:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise TableFault(
            "a .parquet file needs pyarrow: install it, or pigou with its extra `batch`"
        ) from None
    try:
        file = pq.ParquetFile(path)
        if (count := len(file.schema_arrow)) > MOST_COLUMNS:
            raise TableFault(f"it has {count:,} columns; at most {MOST_COLUMNS:,} are read")
        table = {str(name): values for name, values in file.read().to_pydict().items()}
    except (OSError, pa.ArrowException) as error:
        raise TableFault(str(error).splitlines()[0]) from None
    count = len(next(iter(table.values()), []))
    return TableCells(
        heads=tuple(table),
        places=tuple(range(len(table))),
        columns=tuple(table.values()),
        rows=tuple(range(2, count + 2)),
    )


def _csv(data: bytes) -> TableCells:
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if encoding is None:
        # text of a spreadsheet without a mark: every second byte of UTF-16 is nil
        half = data[:200]
        nil = half[1::2].count(0), half[0::2].count(0)
        many = len(half) // 4
        encoding = "utf-16-le" if nil[0] > many else "utf-16-be" if nil[1] > many else "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        raise TableFault("it is not UTF-8 or UTF-16 text; save it as CSV UTF-8") from None
    if "\x00" in text:
        raise TableFault("it holds control characters; it must be a table of text")
    first, _, rest = text.partition("\n")
    named = re.fullmatch(r"sep=(.)\r?", first)
    delimiter = named[1] if named else _delimiter(text)
    with io.StringIO(rest if named else text, newline="") as stream:
        try:
            rows = list(csv.reader(stream, delimiter=delimiter))
        except csv.Error as error:
            raise TableFault(f"it cannot be read as CSV: {error}") from None
    return _gridded(rows, delimiter, 2 if named else 1)


def _delimiter(text: str) -> str:
    """What stands between the cells of the header: what splits the first line with text into most
    parts, outside of quotes."""
    first = next((line for line in text.splitlines() if line.strip(" ,;\t\ufeff")), "")
    bare = re.sub(r'"[^"]*"', "", first)
    return max(",;\t", key=lambda sign: (bare.count(sign), sign == ","))


def _sheet(path: Path) -> list[list[Any]]:
    """The cells of the first sheet."""
    try:
        import openpyxl
    except ImportError:
        raise TableFault(
            f"an .xlsx file {needs('openpyxl', 'tables')}; or save it as CSV"
        ) from None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        formulas = openpyxl.load_workbook(path, read_only=True)
        pairs = zip(book.worksheets[0].iter_rows(), formulas.worksheets[0].iter_rows(), strict=True)
        return [
            [
                _cell(cell, formula, n, k)
                for k, (cell, formula) in enumerate(zip(*both, strict=True))
            ]
            for n, both in enumerate(pairs, 1)
        ]
    except TableFault:
        raise
    except Exception as error:  # the library raises what it meets inside a damaged file
        raise TableFault(
            f"it cannot be read as a spreadsheet ({type(error).__name__}); save it anew"
        ) from None


def _cell(cell: Any, formula: Any, row: int, column: int) -> Any:
    """A cell's value: a number shown with leading zeros as the text that is shown."""
    value = cell.value
    where = f"row {row}, column {letters(column)}"
    if value is None and formula.data_type == "f":
        raise TableFault(
            f"{where} holds a formula that was never worked out; open the file in a spreadsheet"
            " and save it"
        )
    if cell.data_type == "e":
        raise TableFault(f"{where} holds the error {value}; mend it, or leave the cell empty")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, int | float):
        shown = str(cell.number_format or "")
        if re.fullmatch(r"0{2,}", shown) and float(value).is_integer():
            return f"{int(value):0{len(shown)}d}"
        return value
    return value


def _gridded(
    rows: Iterable[Sequence[Any]], delimiter: str | None = None, start: int = 1
) -> TableCells:
    """Cells under the first row that is not blank; blank rows and columns without a header left
    out."""
    numbered = [(n, [_bare(cell) for cell in row]) for n, row in enumerate(rows, start)]
    filled = [(n, row) for n, row in numbered if any(cell is not None for cell in row)]
    if not filled:
        raise TableFault("it is empty")
    (head_row, heads), body = filled[0], filled[1:]
    while heads and heads[-1] is None:
        heads = heads[:-1]
    if len(heads) > MOST_COLUMNS:
        raise TableFault(f"it has {len(heads):,} columns; at most {MOST_COLUMNS:,} are read")
    names = [None if head is None else " ".join(str(head).split()) for head in heads]
    for k, name in enumerate(names):
        if name is not None and name in names[:k]:
            raise TableFault(
                f"the column {name} stands there twice: row {head_row}, columns"
                f" {letters(names.index(name))} and {letters(k)}"
            )
    for n, row in body:
        for k, cell in enumerate(row):
            if cell is not None and (k >= len(names) or names[k] is None):
                raise TableFault(
                    f"row {n}, column {letters(k)} holds {str(cell)[:40]!r}, and the column has no"
                    " header"
                )
    kept = [k for k, name in enumerate(names) if name is not None]
    return TableCells(
        heads=tuple(str(names[k]) for k in kept),
        places=tuple(kept),
        columns=tuple([row[k] if k < len(row) else None for _, row in body] for k in kept),
        rows=tuple(n for n, _ in body),
        delimiter=delimiter,
    )


def _bare(cell: Any) -> Any:
    """A cell without the blanks around it; None where nothing is left."""
    return cell.strip() or None if isinstance(cell, str) else cell


# --- numbers


def _alone(sign: str, other: str) -> re.Pattern[str]:
    """Texts in which `sign` can only be the decimal sign: behind it stand no three digits alone, or
    before it a zero or groups, or the other sign groups digits."""
    mark, group = re.escape(sign), re.escape(other)
    return re.compile(
        rf"[+-]?(?:\d+{mark}(?:\d{{1,2}}|\d{{4,}})?|0*{mark}\d+|\d{{4,}}{mark}\d+"
        rf"|\d{{1,3}}(?:{group}\d{{3}})+{mark}\d*|\d{{1,3}}(?:{group}\d{{3}}){{2,}}){_EXPONENT}"
        rf"|[+-]?\d+{mark}\d+[eE][+-]?\d+"
    )


_POINT, _COMMA = _alone(".", ","), _alone(",", ".")
_OPEN = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")
"""A thousand or one: 1.234 and 1,234."""


def decimal_sign(grid: TableCells, columns: Iterable[int]) -> str:
    """The decimal sign of the numbers in some columns."""
    proofs: dict[str, tuple[int, int, str]] = {}
    doubts: dict[str, tuple[int, int, str]] = {}
    for k in columns:
        for n, cell in enumerate(grid.columns[k]):
            if not isinstance(cell, str):
                continue
            text = _BLANKS.sub("", cell)
            for sign, pattern in ((".", _POINT), (",", _COMMA)):
                if pattern.fullmatch(text):
                    proofs.setdefault(sign, (n, k, cell))
            if _OPEN.fullmatch(text):
                doubts.setdefault("," if "," in text else ".", (n, k, cell))
    if len(proofs) > 1:
        (n, k, cell), (m, j, other) = proofs[","], proofs["."]
        raise TableFault(
            f"{grid.where(n, k)} is {cell}, with a decimal comma, and {grid.where(m, j)} is"
            f" {other}, with a decimal point; write all numbers alike"
        )
    if proofs:
        return next(iter(proofs))
    # a file between commas has points; any other may have either
    if doubts and (grid.delimiter != "," or "," in doubts):
        n, k, cell = next(iter(doubts.values()))
        digits = re.sub(r"[.,]", "", cell)
        raise TableFault(
            f"{grid.where(n, k)} is {cell}, which may be {digits} or {cell.replace(',', '.')}:"
            " nothing in the table tells whether commas or points are decimal; write it without"
            " the sign, or with more digits behind it"
        )
    return "."


def as_number(cell: Any, sign: str) -> float | None:
    """A cell as a number; None where it is none."""
    if isinstance(cell, bool):
        return None
    if isinstance(cell, int | float):
        return float(cell) if abs(cell) < float("inf") else None
    group = re.escape("." if sign == "," else ",")
    text = _BLANKS.sub("", str(cell))
    pattern = (
        rf"([+-]?(?:\d{{1,3}}(?:{group}\d{{3}})+|\d*))(?:{re.escape(sign)}(\d*))?({_EXPONENT})"
    )
    found = re.fullmatch(pattern, text)
    if found is None or not re.search(r"\d", (found[1] or "") + (found[2] or "")):
        return None
    value = float(f"{re.sub(group, '', found[1])}.{found[2] or '0'}{found[3]}")
    return value if abs(value) < float("inf") else None


def named(columns: Mapping[str, str | None], head: str) -> str | None:
    """The key that a header is mapped to, several blanks and ends of lines counting as one; the
    header itself where it is not mapped."""
    meant = {" ".join(key.split()): key for key in columns}
    return columns[meant[head]] if head in meant else head
