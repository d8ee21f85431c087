"""Text of users as it may be shown, what a file of theirs holds, and how to come by a library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unicodedata import category

Json = dict[str, Any]
"""What a file holds: names and their values."""

FIRMS = ("firm 1", "firm 2")
"""What firms without names are called."""

# What shows nothing of itself though it counts as a letter, mark or symbol: fillers, joiners,
# selectors of variants.
_UNSEEN = {
    0x34F,
    0x115F,
    0x1160,
    0x17B4,
    0x17B5,
    0x2800,
    0x3164,
    0xFFA0,
    *range(0x180B, 0x1810),
    *range(0xFE00, 0xFE10),
}
_UNSEEN |= set(range(0xE0100, 0xE01F0))


def visible(text: str, kept: str = "") -> str:
    r"""The text with everything that steers a terminal or shows nothing written as an escape.

    Control and format characters (ESC, the ends of lines, changes of direction, zero widths) come
    out as `\x1b` or `\u202e`, save those `kept`; letters, marks and blanks stay.
    """

    def shown(letter: str) -> str:
        kind = category(letter)
        unseen = kind[0] == "C" or kind in ("Zl", "Zp") or ord(letter) in _UNSEEN
        return letter.encode("unicode_escape").decode() if unseen and letter not in kept else letter

    # each letter once: a table of results has a few hundred thousand of a few dozen
    return text.translate({ord(letter): shown(letter) for letter in set(text)})


def firm_names(given: Sequence[str] | None) -> tuple[str, str]:
    """What two firms are called wherever one is spoken of, by the names a case gives them, if
    any."""
    first, second = given or FIRMS
    return visible(first), visible(second)


def capitalised(text: str) -> str:
    """The text as the beginning of a sentence."""
    return f"{text[0].upper()}{text[1:]}"


def opening(firm: str) -> str:
    """A firm at the head of a sentence or a column: names stay as they are given."""
    return firm.capitalize() if firm in FIRMS else firm


def needs(library: str, extra: str, package: str = "") -> str:
    """That a library is needed, and how to come by it: its package, where that is called otherwise,
    or the extra of ours."""
    return (
        f"needs {library}: install it (`pip install {package or library}`), or pigou with its extra"
        f" `{extra}`"
    )
