"""A page: headings, tables, sentences, and how they are laid out for a terminal. Knows nothing of
what they are about."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from market.text import visible

UNIT_WIDTH = 10
"""Columns over which a unit under a column's head runs before it is wrapped, unless the figures are
wider."""
LONGEST_WORD = 40
"""Columns beyond which a word is broken."""
GAP = 2
"""Blanks between two columns of a table."""
PROSE = 100
"""Columns over which sentences run at most, however wide the page."""


class Column(NamedTuple):
    """A column of a table: its head, the unit of its figures, and its cells."""

    head: str
    cells: Sequence[str]
    unit: str | None = None
    words: bool = False
    """Whether the cells are words, which may be wrapped and stand on the left."""


def _least_width(column: Column, head: str) -> int:
    """The columns of the page that a column of a table takes at least."""
    texts = [head, *column.cells]
    if column.words:
        return min(max(len(word) for text in texts for word in [*text.split(), ""]), LONGEST_WORD)
    return max(len(line) for text in texts for line in text.split("\n"))


def _seen(column: Column) -> Column:
    """The column with what would steer a terminal written as escapes."""
    unit = column.unit and visible(column.unit)
    return column._replace(
        head=visible(column.head, "\n"),
        cells=[visible(cell, "\n") for cell in column.cells],
        unit=unit,
    )


class Heading(NamedTuple):
    """A heading, with an empty line above."""

    text: str


class Prose(NamedTuple):
    """A sentence, wrapped; with a bullet, the following lines are indented."""

    text: str
    bullet: str = ""


class Verbatim(NamedTuple):
    """A line as it is."""

    text: str


class TableBlock(NamedTuple):
    """A table; a line is drawn below the rows numbered in `sections`."""

    columns: Sequence[Column]
    sections: Sequence[int] = ()


class Image(NamedTuple):
    """A picture: its SVG, and the same in words, which a terminal shows."""

    markup: str
    words: str


PageBlock = Heading | Prose | Verbatim | TableBlock | Image


@dataclass
class Page:
    """Collects blocks; `text` gives the page as a terminal shows it."""

    width: int
    styled: bool = False
    unicode: bool = True
    blocks: list[PageBlock] = field(default_factory=list)

    def heading(self, text: str) -> None:
        """Add a heading."""
        self.blocks.append(Heading(text))

    def sentence(self, text: str, *, bullet: str = "") -> None:
        """Add a sentence."""
        self.blocks.append(Prose(text, bullet))

    def verbatim(self, line: str) -> None:
        """Add a line that stays as it is."""
        self.blocks.append(Verbatim(line))

    def table(self, columns: Sequence[Column], sections: Sequence[int] = ()) -> None:
        """Add a table."""
        self.blocks.append(TableBlock(columns, sections))

    @property
    def text(self) -> str:
        """The page so far, without blanks at the ends of lines."""
        shown = _Terminal(self.width, self.styled, self.unicode)
        for block in self.blocks:
            shown.put(block)
        return shown.text


class _Terminal:
    """Lays blocks out in columns of letters."""

    def __init__(self, width: int, styled: bool, unicode: bool) -> None:
        self.width = width
        self.unicode = unicode
        self._file = io.StringIO()
        self._console = Console(
            file=self._file,
            width=width,
            force_terminal=styled,
            color_system="standard" if styled else None,
            no_color=True,
            markup=False,
            highlight=False,
            emoji=False,
            legacy_windows=False,
        )

    @property
    def text(self) -> str:
        lines = (line.rstrip() for line in self._file.getvalue().split("\n"))
        return "\n".join(lines).strip("\n") + "\n"

    def put(self, block: PageBlock) -> None:
        if isinstance(block, Heading):
            lines = self._wrapped(visible(block.text))
            self._console.print(Text("\n".join(["", *lines]), style="bold"), soft_wrap=True)
        elif isinstance(block, Prose):
            lines = self._wrapped(visible(block.text, "\n"), block.bullet)
            self._console.print(Text("\n".join(lines)), soft_wrap=True)
        elif isinstance(block, Verbatim):
            self._console.print(Text(visible(block.text, "\n")), soft_wrap=True)
        elif isinstance(block, Image):
            self.put(Prose(block.words))
        else:
            self._grid(block)

    def _wrapped(self, text: str, bullet: str = "") -> list[str]:
        return textwrap.wrap(
            text,
            min(self.width, PROSE),
            initial_indent=bullet,
            subsequent_indent=" " * len(bullet),
            break_long_words=False,
            break_on_hyphens=False,
        )

    def _grid(self, grid: TableBlock) -> None:
        """A table. What does not fit the page is continued below, its rows named by the first
        column again, or by their numbers where that does not tell them apart."""
        columns = [_seen(column) for column in grid.columns]
        if not self._laid(columns, grid.sections):
            numbers = [str(n + 1) for n in range(len(columns[0].cells))]
            self._laid([Column("No.", numbers), *columns], grid.sections, broken=True)

    def _laid(
        self, columns: Sequence[Column], sections: Sequence[int], broken: bool = False
    ) -> bool:
        """Print a table; not, unless `broken`, where it must be broken and its first column does
        not tell rows apart."""
        units = self._wrapped_units(columns)
        heads = ["\n".join([column.head, *units.get(column.unit, [])]) for column in columns]
        needed = [_least_width(column, head) for column, head in zip(columns, heads, strict=True)]
        parts: list[list[int]] = [[]]
        for k in range(1, len(columns)):
            if parts[-1] and sum(needed[n] + GAP for n in (0, *parts[-1], k)) - GAP > self.width:
                parts.append([])
            parts[-1].append(k)
        if len(parts) > 1 and not broken and len(set(columns[0].cells)) < len(columns[0].cells):
            return False
        for n, part in enumerate(parts):
            if n:
                self._console.print()
            shown = [0, *part]
            self._table(
                [columns[k] for k in shown],
                [heads[k] for k in shown],
                [needed[k] for k in shown],
                sections,
            )
        return True

    def _table(
        self,
        columns: Sequence[Column],
        heads: Sequence[str],
        needed: Sequence[int],
        sections: Sequence[int],
    ) -> None:
        dash = "─" if self.unicode else "-"
        lines = box.Box(
            f"    \n    \n {dash * 2} \n    \n {dash * 2} \n {dash * 2} \n    \n    \n", ascii=True
        )
        table = Table(box=lines, padding=(0, GAP - 1, 0, 0), header_style="bold", show_edge=False)
        widths = self._widths(columns, heads, needed)
        for column, head, width in zip(columns, heads, widths, strict=True):
            table.add_column(
                head,
                justify="left" if column.words else "right",
                no_wrap=not column.words,
                width=width,
                vertical="top",
            )
        for i, row in enumerate(zip(*(column.cells for column in columns), strict=True)):
            table.add_row(*map(Text, row), end_section=i in sections)
        # The last column has its padding too, which is cut off again where the line under the head
        # runs.
        self._console.width = sum(widths) + GAP * len(widths)
        with self._console.capture() as captured:
            self._console.print(table)
        self._console.width = self.width
        rows = captured.get().split("\n")
        self._file.write(
            "\n".join(row[: 1 - GAP] if row and not row.strip(dash) else row for row in rows)
        )

    def _widths(
        self, columns: Sequence[Column], heads: Sequence[str], needed: Sequence[int]
    ) -> list[int]:
        """The widths of columns: figures what they need, even where two of them need more than the
        page; words as much of what is left as they can use, the most modest first."""
        widths = list(needed)
        room = self.width - sum(needed) - GAP * (len(needed) - 1)
        wanted = {
            k: (
                max(len(line) for text in (heads[k], *column.cells) for line in text.split("\n"))
                - needed[k]
            )
            for k, column in enumerate(columns)
            if column.words
        }
        for left, k in enumerate(sorted(wanted, key=lambda k: wanted[k])):
            more = max(0, min(wanted[k], room // (len(wanted) - left)))
            widths[k] += more
            room -= more
        return widths

    def _wrapped_units(self, columns: Sequence[Column]) -> dict[str | None, list[str]]:
        """The lines of every unit, the same wherever it stands in the table."""
        room: dict[str, int] = {}
        for column in columns:
            if column.unit:
                widest = max(
                    (len(line) for cell in column.cells for line in cell.split("\n")), default=0
                )
                room[column.unit] = max(UNIT_WIDTH, min(widest, room.get(column.unit, self.width)))
        return {unit: textwrap.wrap(unit, width) for unit, width in room.items()}
