"""A page of text: headings, tables, sentences. Knows nothing of what they are about."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

UNIT_WIDTH = 10
"""Columns over which a unit under a column's head runs before it is wrapped, unless the figures are wider."""
LONGEST_WORD = 40
"""Columns beyond which a word is broken."""


class Column(NamedTuple):
    """A column of a table: its head, the unit of its figures, and its cells."""

    head: str
    cells: Sequence[str]
    unit: str | None = None
    words: bool = False
    """Whether the cells are words, which may be wrapped and stand on the left."""


@dataclass
class Page:
    """Collects blocks of text; `text` gives the finished page."""

    width: int
    styled: bool = False
    unicode: bool = True

    def __post_init__(self) -> None:
        self._file = io.StringIO()
        self._console = Console(
            file=self._file,
            width=self.width,
            force_terminal=self.styled,
            color_system="standard" if self.styled else None,
            no_color=True,
            markup=False,
            highlight=False,
            emoji=False,
            legacy_windows=False,
        )

    @property
    def text(self) -> str:
        """The page so far, without blanks at the ends of lines."""
        return "\n".join(line.rstrip() for line in self._file.getvalue().split("\n")).strip("\n") + "\n"

    def heading(self, text: str) -> None:
        """A heading, with an empty line above."""
        self._console.print(Text(f"\n{text}", style="bold"), soft_wrap=True)

    def sentence(self, text: str, *, bullet: str = "") -> None:
        """A sentence, wrapped; with a bullet, the following lines are indented."""
        lines = textwrap.wrap(
            text,
            self.width,
            initial_indent=bullet,
            subsequent_indent=" " * len(bullet),
            break_long_words=False,
            break_on_hyphens=False,
        )
        self._console.print(Text("\n".join(lines)), soft_wrap=True)

    def verbatim(self, line: str) -> None:
        """A line as it is."""
        self._console.print(Text(line), soft_wrap=True)

    def table(self, columns: Sequence[Column], sections: Sequence[int] = ()) -> None:
        """A table, as wide as its numbers need; a line is drawn below the rows numbered in `sections`."""
        dash = "─" if self.unicode else "-"
        lines = box.Box(f"    \n    \n {dash * 2} \n    \n {dash * 2} \n {dash * 2} \n    \n    \n", ascii=True)
        table = Table(box=lines, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold", show_edge=False)
        units = self._wrapped_units(columns)
        for column in columns:
            head = "\n".join([column.head, *units.get(column.unit, [])])
            if column.words:
                longest = max(len(word) for text in [head, *column.cells] for word in [*text.split(), ""])
                table.add_column(head, min_width=min(longest, LONGEST_WORD), vertical="top")
            else:
                widest = max(len(line) for text in [head, *column.cells] for line in text.split("\n"))
                table.add_column(head, justify="right", no_wrap=True, min_width=widest, vertical="top")
        for i, row in enumerate(zip(*(column.cells for column in columns), strict=True)):
            table.add_row(*map(Text, row), end_section=i in sections)
        # Every column at its least width, with padding and the box's separator.
        needed = sum((column.min_width or 0) + 3 for column in table.columns)
        # Figures are never cut: a table that needs more than the page is given more.
        self._console.width = max(self.width, needed)
        self._console.print(table)
        self._console.width = self.width

    def _wrapped_units(self, columns: Sequence[Column]) -> dict[str | None, list[str]]:
        """The lines of every unit, the same wherever it stands in the table."""
        room: dict[str, int] = {}
        for column in columns:
            if column.unit:
                widest = max((len(line) for cell in column.cells for line in cell.split("\n")), default=0)
                room[column.unit] = max(UNIT_WIDTH, min(widest, room.get(column.unit, self.width)))
        return {unit: textwrap.wrap(unit, width) for unit, width in room.items()}
