"""Spreadsheets: tidy sheets with a header, formats for numbers, and one native chart.

Text is written as text, whatever it looks like, so that a spreadsheet runs none of it; figures keep
every digit, formats only say how many are shown. The same sheets make the same bytes.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cli.output.cells import on_one_line, runs

MOST_ROWS = 1_048_575
"""Rows of a sheet under its header."""
LINE_HEIGHT = 15.0
"""Of a line of a header, in points; not every program fits a row to what is wrapped in it."""
WRAPPED = 24.0
"""Letters of a column of text from which on what is longer goes on in the next line."""
PAGE = 190.0
"""Letters that are printed side by side on a page; wider sheets take several."""
A4 = 9
LONGEST = 32_767
"""Letters that a cell holds."""
FORMATS = {
    "text": "@",
    "number": "0.000000",
    "amount": "#,##0.000",
    "share": "0.0000",
    "percent": "0.0%",
    "count": "#,##0",
    "any": "General",
    # a program that does not know truth values of a spreadsheet shows 0 otherwise
    "truth": '"TRUE";"TRUE";"FALSE"',
}
"""How a column's figures are shown."""
_NO_TIME = datetime(2000, 1, 1)
"""When every workbook says it was made: a time would make its bytes differ from run to run."""


@dataclass(frozen=True, kw_only=True)
class SheetColumn:
    """A column of a sheet."""

    head: str
    """What stands in its first row, with the unit."""
    shown: str = "any"
    """How figures in it are shown, a key of `FORMATS`."""
    width: float = 14.0
    """In letters."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A tidy table: a header, then rows of text, figures, true and false, or nothing."""

    name: str
    columns: Sequence[SheetColumn]
    rows: Iterable[Sequence[Any]]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One chart of columns of a sheet, on a sheet of its own."""

    sheet: str
    """Where the figures stand."""
    title: str
    kind: str
    """`bar` for categories, `line` for a path."""
    along: int
    """The column of categories, or of the values along the path."""
    series: Sequence[int]
    """The columns that are drawn."""
    first: int = 0
    """The first row that is drawn, from 0."""
    last: int = 0
    """The last."""
    axes: tuple[str, str] = ("", "")
    """What the axes show."""
    shares: bool = False
    """Whether shares are drawn."""


class TooManyRows(Exception):  # noqa: N818 - wrong usage, not an error of the program
    """What does not fit on a sheet; the message says what to do."""


class _Exact(float):
    """A figure with every digit: the library writes sixteen, which may be one too few."""

    def __format__(self, how: str) -> str:
        return repr(float(self))


def workbook(sheets: Sequence[Sheet], chart: Chart | None = None) -> bytes:
    """The file. The chart stands behind the first sheet."""
    for sheet in sheets:
        # rows that come one by one are counted by who makes them
        if isinstance(sheet.rows, Sequence) and len(sheet.rows) > MOST_ROWS:
            raise TooManyRows(
                f"the sheet {sheet.name} has more than {MOST_ROWS:,} rows; write a .csv file"
            )
    import xlsxwriter

    stream = io.BytesIO()
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(stream, options)
    book.set_properties({"created": _NO_TIME, "comments": "Written by pigou"})
    head = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1})
    top: dict[str, Any] = {"valign": "top"}
    left: dict[str, Any] = {"truth": {"align": "left"}}
    formats = {
        name: book.add_format({"num_format": how, **top, **left.get(name, {})})
        for name, how in FORMATS.items()
    }
    # shown as it is, and kept text when the cell is edited
    kept_text = {"num_format": "@", "indent": 1, **top}
    texts = [
        {
            "text": book.add_format(kept_text | {"text_wrap": wrap}),
            "harmless": book.add_format(kept_text | {"text_wrap": wrap, "quote_prefix": True}),
        }
        for wrap in (False, True)
    ]
    drawn: Any = None
    for sheet in sheets:
        page = book.add_worksheet(sheet.name)
        page.freeze_panes(1, 0)
        _print(page, sum(column.width for column in sheet.columns))
        for n, column in enumerate(sheet.columns):
            page.set_column(n, n, max(column.width, _longest(sheet, n)))
        page.set_row(0, LINE_HEIGHT * max(_lines(one.head, one) for one in sheet.columns))
        for n, column in enumerate(sheet.columns):
            page.write_string(0, n, on_one_line(column.head), head)
        kept = [formats[column.shown] for column in sheet.columns]
        wrapped = [k for k, column in enumerate(sheet.columns) if column.width >= WRAPPED]
        for n, row in enumerate(sheet.rows, 1):
            lines = [_lines(row[k], sheet.columns[k]) for k in wrapped if isinstance(row[k], str)]
            if max(lines, default=1) > 1:
                page.set_row(n, LINE_HEIGHT * max(lines))
            for k, value in enumerate(row):
                truth = isinstance(value, bool)
                shown = formats["truth"] if truth else kept[k]
                _write(page, n, k, value, shown, **texts[k in wrapped])
        if chart is not None and drawn is None:
            drawn = book.add_worksheet("Chart")
            _print(drawn, PAGE)
    if chart is not None:
        drawn.insert_chart("A1", _draw(book, chart))
    book.close()
    return stream.getvalue()


def _print(page: Any, width: float) -> None:
    """How a sheet of so many letters goes on paper: across, its head on every page, and its first
    column too where it takes several side by side."""
    page.set_paper(A4)
    page.set_landscape()
    beside = math.ceil(width / PAGE)
    page.fit_to_pages(beside, 0)
    page.repeat_rows(0)
    if beside > 1:
        page.repeat_columns(0)
    page.set_footer("&L&A&R&P / &N")


def _longest(sheet: Sheet, n: int) -> float:
    """Letters of the longest amount in a column, where rows do not come one by one."""
    if sheet.columns[n].shown != "amount" or not isinstance(sheet.rows, Sequence):
        return 0.0
    amounts = [row[n] for row in sheet.rows if isinstance(row[n], int | float)]
    return max((len(f"{amount:,.3f}") for amount in amounts), default=0) + 2.0


def _lines(text: str, column: SheetColumn) -> int:
    """Lines that a text takes in a column, bold or indented."""
    return len(textwrap.wrap(on_one_line(text), max(1, int(column.width / 1.15)))) or 1


def _write(page: Any, n: int, k: int, value: Any, kept: Any, text: Any, harmless: Any) -> None:
    """One cell; nothing where there is no value."""
    if value is None or value != value:
        return
    if isinstance(value, bool):
        page.write_boolean(n, k, value, kept)
    elif isinstance(value, int | float):
        page.write_number(n, k, value if isinstance(value, int) else _Exact(value), kept)
    else:
        line = on_one_line(str(value))
        line = line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
        page.write_string(n, k, line, harmless if runs(line) else text)


def _draw(book: Any, chart: Chart) -> Any:
    """The chart of a workbook."""
    drawn = book.add_chart(
        {"type": "column"}
        if chart.kind == "bar"
        else {"type": "scatter", "subtype": "straight_with_markers"}
    )
    rows = chart.first + 1, chart.last + 1
    for column in chart.series:
        drawn.add_series(
            {
                "name": [chart.sheet, 0, column],
                "categories": [chart.sheet, rows[0], chart.along, rows[1], chart.along],
                "values": [chart.sheet, rows[0], column, rows[1], column],
            }
        )
    drawn.set_title({"name": on_one_line(chart.title), "name_font": {"size": 12}})
    drawn.set_x_axis({"name": on_one_line(chart.axes[0]), "label_position": "low"})
    shares = {"num_format": FORMATS["percent"]} if chart.shares else {}
    drawn.set_y_axis({"name": on_one_line(chart.axes[1]), **shares})
    drawn.set_legend({"position": "bottom"} if len(chart.series) > 1 else {"none": True})
    drawn.set_size({"width": 960, "height": 520})
    return drawn
