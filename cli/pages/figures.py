"""Numbers as a reader sees them: significant digits, points below each other, a dash where there is
no number."""

from __future__ import annotations

from collections.abc import Sequence

from market.text import visible

NONE = "-"
"""Stands where no number is claimed."""


def number(value: float | None, digits: int, *, zero: float = 0.0, signed: bool = False) -> str:
    """A number with this many significant digits; sizes up to `zero` are rounding and print as
    0."""
    if value is None:
        return NONE
    if abs(value) <= zero:
        return "0"
    scientific = f"{value:.{digits - 1}e}"
    exponent = int(scientific.partition("e")[2])
    text = f"{value:.{max(0, digits - 1 - exponent)}f}" if -5 <= exponent < 15 else scientific
    return f"+{text}" if signed and value > 0 else text


def aligned(texts: Sequence[str]) -> list[str]:
    """Numbers of one column padded so that their points stand below each other."""
    parts = [text.partition(".") for text in texts]
    before = max((len(whole) for whole, _, _ in parts), default=0)
    after = max((len(point + rest) for _, point, rest in parts), default=0)
    return [f"{whole:>{before}}{point + rest:<{after}}" for whole, point, rest in parts]


def column(
    values: Sequence[float | None], digits: int, *, zero: float = 0.0, signed: bool = False
) -> list[str]:
    """One column of numbers."""
    return aligned([number(value, digits, zero=zero, signed=signed) for value in values])


def label(value: float | str | None, digits: int) -> str:
    """What a type is called."""
    return plain(value) if isinstance(value, str) else number(value, digits)


def label_column(values: Sequence[float | str], digits: int) -> list[str]:
    """One column of what types are called: numbers with their points below each other."""
    numbers = iter(column([value for value in values if not isinstance(value, str)], digits))
    return [plain(value) if isinstance(value, str) else next(numbers) for value in values]


def pair_column(
    pairs: Sequence[Sequence[float] | None], digits: int, *, zero: float = 0.0
) -> list[str]:
    """One column of both firms' numbers: `a / b`, or one number where both print the same."""
    texts = [[number(value, digits, zero=zero) for value in pair or (None, None)] for pair in pairs]
    first, second = (aligned([text[i] for text in texts]) for i in (0, 1))
    if all(a == b for a, b in texts):
        return first
    return [
        f"{x} / {y}" if a != b else x + " " * (len(y) + 3)
        for (a, b), x, y in zip(texts, first, second, strict=True)
    ]


def percent(value: float | None) -> str:
    """A share in percent."""
    return NONE if value is None else f"{round(100 * value, 1) + 0.0:.1f} %"


def plain(text: str) -> str:
    """Text of a case file on one line, what would steer a terminal written as escapes."""
    return visible(text)
