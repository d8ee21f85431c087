"""The forms of a batch's result, Parquet, CSV and xlsx: how a part is written, and how parts become
one file.

A column has a kind declared beforehand, so that every part has the same schema whatever stands in
it. The same parts make the same bytes: row groups are cut by the parts alone and nothing is stamped
with a time.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Literal, Protocol

import numpy as np

from cli.batch.parts import file_sha256
from cli.output.beside import DIGEST, metadata_beside, told_beside
from cli.output.cells import unrun
from market.text import firm_names

Kind = Literal["int", "float", "text"]
Columns = Mapping[str, Any]
"""Column name -> list or array, all of the same length. A float that is NaN and a text that is None
are not available."""

FIRMS = "pigou.firms"
"""Where the metadata of a result has the names of the firms, if all its cases have the same."""

CARRIED = "pigou.carried"
"""Where they have the columns that a table had beside its keys."""

ROW_GROUP = 32_768
"""Rows from which on a Parquet row group is closed."""


class Format(Protocol):
    """How columns are written."""

    columns: Mapping[str, Kind]

    def part(self, columns: Columns) -> bytes:
        """These columns as the content of a part."""

    def join(self, parts: Iterable[Path], target: IO[bytes], metadata: Mapping[str, str]) -> None:
        """One file out of the parts, holding a few of them in memory at a time."""


def format_for(path: Path, columns: Mapping[str, Kind]) -> Format:
    """The format that a file's ending asks for, one of `cli.batch.parts.RESULTS`."""
    forms: dict[str, Callable[[Mapping[str, Kind]], Format]] = {
        ".parquet": Parquet,
        ".xlsx": Xlsx,
    }
    return forms.get(path.suffix.lower(), Csv)(columns)


class Csv:
    """Text: UTF-8, a header, numbers with all their digits, nothing where a value is not
    available."""

    def __init__(self, columns: Mapping[str, Kind]) -> None:
        self.columns = columns

    def part(self, columns: Columns) -> bytes:
        """Lines without a header."""
        cells = [_cells(columns[name], kind) for name, kind in self.columns.items()]
        return self._lines(zip(*cells, strict=True))

    def join(self, parts: Iterable[Path], target: IO[bytes], metadata: Mapping[str, str]) -> None:
        """The header, then the parts; a CSV file has no place for metadata, see
        `metadata_beside`."""
        target.write(self._lines([[unrun(name) for name in self.columns]]))
        for part in parts:
            target.write(part.read_bytes())

    @staticmethod
    def _lines(rows: Iterable[Sequence[str]]) -> bytes:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        return text.getvalue().encode()


def _cells(values: Any, kind: Kind) -> list[str]:
    if kind == "text":
        return ["" if value is None else unrun(str(value)) for value in values]
    if kind == "int":
        return [str(int(value)) for value in values]
    return ["" if value != value else repr(value) for value in np.asarray(values, float).tolist()]


METADATA, PIECE = "Provenance", 32_000
"""The sheet that tells where a workbook comes from, and the letters that one cell of it has."""


class Xlsx:
    """A workbook: the rows, where they come from, and what the columns mean."""

    def __init__(self, columns: Mapping[str, Kind]) -> None:
        self.columns = columns

    def part(self, columns: Columns) -> bytes:
        """A line of JSON per row."""
        held = [np.asarray(columns[name]).tolist() for name in self.columns]
        lines = (
            json.dumps([None if value != value else value for value in row])
            for row in zip(*held, strict=True)
        )
        return "".join(f"{line}\n" for line in lines).encode()

    def join(self, parts: Iterable[Path], target: IO[bytes], metadata: Mapping[str, str]) -> None:
        """One workbook out of the parts, a row at a time."""
        from cli.output.workbook import Sheet, SheetColumn, workbook
        from cli.pages.columns import column, definitions

        def rows() -> Iterator[list[Any]]:
            for part in parts:
                with part.open(encoding="utf-8") as lines:
                    yield from map(json.loads, lines)

        names = list(self.columns)
        heads = [
            SheetColumn(head=name, shown=column(name, {}).shown if kind != "text" else "text")
            for name, kind in self.columns.items()
        ]
        told = [
            [key, n, value[start : start + PIECE]]
            for key, value in sorted(metadata.items())
            for n, start in enumerate(range(0, max(1, len(value)), PIECE))
        ]
        sheets = [
            Sheet(name="Cases", columns=heads, rows=rows()),
            Sheet(
                name=METADATA, columns=_heads(("key", 34), ("part", 8), ("value", 90)), rows=told
            ),
            Sheet(
                name="Definitions",
                columns=_heads(("column", 26), ("unit", 30), ("meaning", 80)),
                rows=definitions(names, {}, None),
            ),
        ]
        target.write(workbook(sheets))


def _heads(*columns: tuple[str, float]) -> list[Any]:
    from cli.output.workbook import SheetColumn

    return [SheetColumn(head=head, width=width) for head, width in columns]


def _sheet(path: Path, name: str | None = None) -> list[tuple[Any, ...]]:
    """The cells of a sheet, by default the first; `ValueError` where there is none."""
    try:
        import openpyxl
    except ImportError:
        raise ValueError(
            "an .xlsx file needs openpyxl: install it, or pigou with its extra `tables`"
        ) from None
    try:
        book = openpyxl.load_workbook(path, read_only=True)
        page = book.worksheets[0] if name is None else book[name]
        return [tuple(row) for row in page.iter_rows(values_only=True)]
    except Exception as error:  # the library raises what it meets inside a damaged file
        raise ValueError(f"cannot be read as a workbook ({type(error).__name__})") from None


class Parquet:
    """Columns with types and metadata."""

    def __init__(self, columns: Mapping[str, Kind]) -> None:
        self.columns = columns

    def schema(self, metadata: Mapping[str, str] | None = None) -> Any:
        """The Arrow schema."""
        import pyarrow as pa

        types = {"int": pa.int64(), "float": pa.float64(), "text": pa.string()}
        fields = [pa.field(name, types[kind]) for name, kind in self.columns.items()]
        return pa.schema(fields, metadata=dict(metadata) if metadata else None)

    @property
    def _packed(self) -> dict[str, Any]:
        """How columns are packed: figures hardly ever repeat, and no dictionary of them helps."""
        texts = [name for name, kind in self.columns.items() if kind == "text"]
        return {"compression": "zstd", "use_dictionary": texts}

    def part(self, columns: Columns) -> bytes:
        """A Parquet file of its own."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema, sink = self.schema(), io.BytesIO()
        arrays = [pa.array(columns[field.name], field.type, from_pandas=True) for field in schema]
        pq.write_table(pa.Table.from_arrays(arrays, schema=schema), sink, **self._packed)
        return sink.getvalue()

    def join(self, parts: Iterable[Path], target: IO[bytes], metadata: Mapping[str, str]) -> None:
        """One file, the rows of consecutive parts gathered into row groups."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = self.schema(metadata)
        with pq.ParquetWriter(target, schema, **self._packed) as writer:
            held: list[Any] = []

            def write() -> None:
                table = pa.concat_tables(held).replace_schema_metadata(schema.metadata)
                writer.write_table(table, row_group_size=max(1, table.num_rows))
                held.clear()

            for part in parts:
                held.append(pq.read_table(io.BytesIO(part.read_bytes())))
                if sum(table.num_rows for table in held) >= ROW_GROUP:
                    write()
            if held:
                write()


def read_firms(path: Path) -> tuple[str, str]:
    """What the firms of a result are called."""
    with suppress(KeyError, ValueError, TypeError):
        first, second = json.loads(read_metadata(path)[FIRMS])
        return firm_names((first, second))
    return firm_names(None)


def read_carried(path: Path) -> tuple[str, ...]:
    """The columns of a result that a table had beside its keys."""
    with suppress(KeyError, ValueError, TypeError):
        return tuple(map(str, json.loads(metadata_of(path)[0][CARRIED])))
    return ()


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a result; nothing where it has none that can be read, or that are another
    file's."""
    told, whole = metadata_of(path)
    return told if whole else {}


def metadata_of(path: Path) -> tuple[dict[str, str], bool]:
    """The metadata of a result, and whether the file is the one that they were written for."""
    if path.suffix.lower() == ".xlsx":
        pieces: dict[str, str] = {}
        with suppress(ValueError, IndexError):
            for row in _sheet(path, METADATA)[1:]:
                pieces[str(row[0])] = pieces.get(str(row[0]), "") + str(row[2] or "")
        return pieces, True
    if path.suffix.lower() != ".parquet":
        told = told_beside(metadata_beside(path))
        return told, told.get(DIGEST) == file_sha256(path)
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException):
        return {}, True
    return {
        key.decode(): value.decode(errors="replace")
        for key, value in found.items()
        if key.startswith(b"pigou.") and key.isascii()
    }, True


def read_table(path: Path) -> dict[str, Any]:
    """The columns of a result: floats with NaN, or texts with None, every digit and letter as it
    stands; `ValueError` where it cannot be read."""
    if path.suffix.lower() == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise ValueError(str(error).splitlines()[0]) from None
        return {name: _column(table[name].to_pylist()) for name in table.column_names}
    if path.suffix.lower() == ".xlsx":
        head, *body = _sheet(path) or [()]
        parts: list[Any] = list(zip(*body, strict=True)) or [()] * len(head)
        return {str(name): _column(part) for name, part in zip(head, parts, strict=True)}
    with path.open(encoding="utf-8", newline="") as stream:
        rows = csv.reader(stream)
        names = next(rows, [])
        cells = list(zip(*rows, strict=True)) or [()] * len(names)
    return {name: _column(part) for name, part in zip(names, cells, strict=True)}


def _column(values: Sequence[Any]) -> Any:
    """Floats where all cells are figures as a result writes them, or empty; else texts."""
    known = [value for value in values if value not in (None, "")]
    if all(isinstance(value, int | float) or _figure(value) for value in known):
        return np.array(
            [np.nan if value in (None, "") else float(value) for value in values], float
        )
    return np.array([None if value in (None, "") else str(value) for value in values], object)


def _figure(text: str) -> bool:
    """Whether a text is what a figure is written as: 001 is a name."""
    try:
        return repr(float(text)) == text or str(int(text)) == text
    except ValueError:
        return False
