"""A report as HTML or Markdown: the only import of jinja2. Everything shown is escaped here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count, groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from cli.pages.page import Column, Heading, Image, PageBlock, Prose, TableBlock, Verbatim
from cli.report.document import Report, Section
from market.text import visible

FORMS = ("html", "md")
"""What a report is written as; also the endings of its file."""

_BREAK = re.compile(r"(?<=[a-z_])([._])(?=[a-z])")
"""Where a dotted key may be broken."""
LONG = 24
"""Letters from which a word may be broken anywhere."""
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&!])")


def rendered(report: Report, form: str, version: str) -> str:
    """The text of the file."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates", encoding="utf-8"),
        autoescape=form == "html",
        finalize=_markdown if form == "md" else None,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["text"] = partial(_isolated, texts=report.texts)
    environment.filters["cell"] = partial(_cell, texts=report.texts)
    environment.filters["fenced"] = _fenced
    template = environment.get_template(f"report.{form}.j2")
    shown = [
        {"key": one.key, "title": one.title, "parts": list(_parts(one))} for one in report.sections
    ]
    return template.render(report=report, sections=shown, version=version)


def _parts(section: Section) -> Iterator[dict[str, Any]]:
    """Blocks by their kind, sentences with bullets as one list; headings and tables are counted."""
    headings, tables = count(1), count(1)

    def listed(pair: tuple[int, PageBlock]) -> object:
        n, block = pair
        return "list" if isinstance(block, Prose) and block.bullet else n

    for kind, group in groupby(enumerate(section.blocks), key=listed):
        run = [block for _, block in group]
        block = run[0]
        if kind == "list":
            yield {"kind": "list", "items": [one.text for one in run if isinstance(one, Prose)]}
        elif isinstance(block, Heading):
            ids = f"{section.key}-{next(headings)}"
            yield {"kind": "heading", "text": block.text, "id": ids}
        elif isinstance(block, Prose):
            yield {"kind": "sentence", "text": block.text}
        elif isinstance(block, Verbatim):
            yield {"kind": "verbatim", "text": visible(block.text, "\n")}
        elif isinstance(block, Image):
            yield {"kind": "picture", "markup": Markup(block.markup), "words": block.words}
        else:
            named = f"{section.title}, table {next(tables)}"
            yield {"kind": "table", "named": named, **_table(block)}


def _table(grid: TableBlock) -> dict[str, Any]:
    columns = [column for column in grid.columns if _holds(column)]
    return {
        "heads": [
            {"text": column.head, "unit": column.unit, "words": column.words} for column in columns
        ],
        "rows": [
            {
                "last": n in grid.sections,
                "cells": [
                    {"text": text, "words": words, "long": words and _longest(text) > LONG}
                    for text, words in ((one.cells[n], one.words) for one in columns)
                ],
            }
            for n in range(len(columns[0].cells))
        ],
    }


def _holds(column: Column) -> bool:
    """Whether a column shows anything; one that does not is none."""
    return bool(column.head) or any(cell.strip() for cell in column.cells)


def _longest(text: str) -> int:
    """Letters of the longest word that cannot be broken between its parts."""
    return max((len(word) for word in re.split(r"[\s._/-]+", text)), default=0)


def _isolated(text: str, texts: Sequence[str]) -> Markup:
    """Text escaped; where users' own text stands in it, kept from turning what is around it."""
    whole = visible(text, "\n")
    names = sorted({visible(one) for one in texts if not one.isascii()}, key=len, reverse=True)
    pieces = re.split(f"({'|'.join(map(re.escape, names))})", whole) if names else [whole]
    shown = [
        Markup("<bdi>{}</bdi>").format(piece)
        if piece in names
        else Markup(_BREAK.sub(r"\1<wbr>", str(escape(piece))))
        for piece in pieces
    ]
    return Markup("<br>").join(Markup("").join(shown).split("\n"))


def _cell(text: str, words: bool, texts: Sequence[str]) -> Markup:
    """A cell of a table; figures keep the room by which their points stand below each other: a
    point is half as wide as a digit, and what parts both firms' figures is made as wide as its
    three letters count."""
    if words:
        return _isolated(text.strip(), texts)
    out = []
    for line in text.split("\n"):
        room = len(line) - len(line.rstrip()) - (0.0 if "." in line else 0.5)
        shown = escape(line.strip()).replace(" / ", Markup('<span class="or"> / </span>'))
        out.append(
            Markup('<span style="padding-right:{}ch">{}</span>').format(f"{room:g}", shown)
            if room > 0
            else shown
        )
    return Markup("<br>").join(out)


def _markdown(value: Any) -> Any:
    """A value as Markdown that shows it as it is; what the template itself says is kept."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    text = " ".join(visible(value, "\n").split())
    return _SPECIAL.sub(r"\\\1", text).replace("://", ":\\//")


def _fenced(text: str) -> Markup:
    """Text as it is between fences longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markup(f"{fence}\n{text}\n{fence}")
