"""The cases of a table: which of its columns are keys, what is carried through, and what is wrong,
by the rows and columns that a spreadsheet shows."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cli.batch.points import Table, column
from market.casefile.faults import show
from market.casefile.files import unreadable
from market.casefile.tables import (
    TableCells,
    TableFault,
    as_number,
    decimal_sign,
    letters,
    named,
    read_grid,
)
from market.text import Json
from mechanism.analysis.many import NUMBERS, TEXT
from mechanism.casefile.case_keys import expanded, key_fault, key_path, value_at

CASE_ID = "case_id"
FIXED = (CASE_ID, *TEXT, *NUMBERS)
"""The columns that a result has whatever is varied."""
MOST_FAULTS = 50
"""Faults of cells that are told; of more the first."""


@dataclass(frozen=True, kw_only=True)
class CasesTable:
    """A table read for a design."""

    table: Table | None
    """None where something is wrong."""
    faults: tuple[str, ...] = ()
    """What, each as it follows the word table."""


def read_cases(path: Path, columns: Mapping[str, str | None] | None, base: Json) -> CasesTable:
    """The cases in a file: dotted keys of the base case, by header or as `columns` maps headers to
    them. With such a map other columns are carried through; without it each has to be a key."""
    if not os.path.exists(path):
        raise FileNotFoundError(path)
    if problem := unreadable(path):
        raise TableFault(problem)
    with open(path, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    grid = read_grid(path)
    found = _Columns(grid, columns, base)
    if not found.faults:
        data = {key: found.values(k, key) for key, k in found.keys.items()}
    if found.faults:
        return CasesTable(table=None, faults=tuple(found.faults[:MOST_FAULTS]))
    return CasesTable(
        table=Table(
            data=data,
            numbers=found.names(),
            sha256=digest,
            carried={grid.heads[k]: _kept(grid.columns[k]) for k in found.carried},
        ),
        faults=tuple(found.faults[:MOST_FAULTS]),
    )


class _Columns:
    """Sorts the columns of a grid."""

    def __init__(
        self, grid: TableCells, columns: Mapping[str, str | None] | None, base: Json
    ) -> None:
        self.grid, self.base = grid, base
        self.faults: list[str] = []
        self.keys: dict[str, int] = {}
        self.carried: list[int] = []
        self.ids: int | None = None
        for head in columns or {}:
            if " ".join(head.split()) not in grid.heads:
                told = ", ".join(grid.heads)
                self.faults.append(f"has no column {head}, which `columns` maps; there are {told}")
        for k, head in enumerate(grid.heads):
            self._sort(k, head, columns)
        numeric = [k for key, k in self.keys.items() if not self._text(key)]
        self.sign = "."
        if not self.faults:
            try:
                self.sign = decimal_sign(grid, numeric)
            except TableFault as fault:
                self.faults.append(f"cannot be read: {fault}")

    def _sort(self, k: int, head: str, columns: Mapping[str, str | None] | None) -> None:
        """A key, the names of cases, or carried through."""
        key = named(columns or {}, head)
        mapped = key != head
        if key is None:
            self.carried.append(k)
            return
        if key == CASE_ID or key in self.keys:
            before = self.ids if key == CASE_ID else self.keys[key]
            if before is not None:
                self.faults.append(
                    f"has {key} twice: column {letters(self.grid.places[before])}"
                    f" ({self.grid.heads[before]}) and column {letters(self.grid.places[k])}"
                    f" ({head}); map one of them to null"
                )
            self.ids = k if key == CASE_ID else self.ids
            return
        message = key_fault(self.base, key)
        if message is None:
            self.keys[key] = k
        elif columns is not None and not mapped:
            self.carried.append(k)
        elif mapped:
            self.faults.append(f"has the column {head} mapped to {key}, which {message}")
        else:
            self.faults.append(f"has the column {head}, which {message}")

    def _text(self, key: str) -> bool:
        """Whether a key of the base case holds text."""
        steps = key_path(key)
        return isinstance(value_at(expanded(self.base, steps), steps), str)

    def values(self, k: int, key: str) -> NDArray[Any]:
        """A column of a key: floats with NaN for what is empty, or texts."""
        cells = self.grid.columns[k]
        if self._text(key):
            return np.array([None if cell is None else str(cell) for cell in cells], object)
        found = []
        for n, cell in enumerate(cells):
            value = math.nan if cell is None else as_number(cell, self.sign)
            if value is None:
                where = self.grid.where(n, k)
                self.faults.append(f"has {show(cell)} in {where}; it must be a number")
                value = math.nan
            found.append(value)
        return column(found)

    def names(self) -> NDArray[Any] | None:
        """What the cases are called; None where they are numbered."""
        if self.ids is None:
            return None
        cells = self.grid.columns[self.ids]
        seen: dict[str, int] = {}
        for n, cell in enumerate(cells):
            where = self.grid.where(n, self.ids)
            if cell is None:
                self.faults.append(
                    f"has nothing in {where}; name every case, or leave the column out"
                )
            elif str(cell) in seen:
                first = self.grid.rows[seen[str(cell)]]
                self.faults.append(
                    f"has a case_id twice: {show(cell)} in {where}, and in row {first}; name each"
                    " row once, or leave the column out"
                )
            seen.setdefault(str(cell), n)
        if all(_whole(cell) for cell in cells):
            return np.array([int(cell) for cell in cells], np.int64)
        return np.array([_told(cell) for cell in cells], object)


def _whole(cell: Any) -> bool:
    """Whether a name is a number that is written in one way only: 001 is none."""
    if isinstance(cell, str):
        return len(cell) < 19 and cell.isascii() and cell.isdecimal() and str(int(cell)) == cell
    return isinstance(cell, int | float) and float(cell).is_integer() and abs(cell) < 2**53


def _told(cell: Any) -> str | None:
    """A cell as text: a whole number without the point that a spreadsheet does not show."""
    if cell is None:
        return None
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    return str(cell)


def _kept(cells: Sequence[Any]) -> NDArray[Any]:
    """A column as it is: numbers where a file has them as such, else texts."""
    known = [cell for cell in cells if cell is not None]
    numbers = known and all(isinstance(c, int | float) and not isinstance(c, bool) for c in known)
    if numbers and len(known) == len(cells) and all(isinstance(cell, int) for cell in known):
        return np.array(cells, np.int64)
    if numbers:
        return np.array([math.nan if cell is None else cell for cell in cells], float)
    return np.array([_told(cell) for cell in cells], object)
