"""Cells that a spreadsheet shows as they are."""

from __future__ import annotations

import re
from typing import Any

_RUN = re.compile(r"\s*[=+\-@\uff0b\uff0d\uff1d\uff20]")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def unrun(value: Any) -> Any:
    """The value as a cell: a text on one line, behind an apostrophe where a spreadsheet would run
    it as a formula; else as it is."""
    if not isinstance(value, str):
        return value
    value = on_one_line(value)
    return f"'{value}" if runs(value) else value


def on_one_line(text: str) -> str:
    """The text with escapes in the place of control characters, ends of lines among them."""
    return _CONTROLS.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def runs(text: str) -> bool:
    """Whether a spreadsheet would run this text as a formula."""
    return _RUN.match(text) is not None
