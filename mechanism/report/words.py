"""Words shared by the findings: what outside options and amounts are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

from market.text import opening

NEGLIGIBLE = 1e-9
"""Changes below this share of welfare are called none."""


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A finding, or a warning, in words."""

    code: str
    """What it is about, for programs."""
    text: str
    """What it says."""
    question: str = ""
    """What it answers."""
    against: bool = False
    """Whether it speaks against what is recommended."""

    @property
    def whole(self) -> str:
        """The question, if there is one, and what is said."""
        return f"{self.question} {self.text}" if self.question else self.text


@dataclass(frozen=True, kw_only=True)
class Outside:
    """What a form of individual rationality compares joining with, in words."""

    label: str
    """In tables."""
    against: str
    """In the middle of a sentence."""


OUTSIDE = {
    "ir1": Outside(
        label="As printed, one price on both sides",
        against="its own profit at the same levels without transfers",
    ),
    "ir_market": Outside(label="Against today's market", against="today's market"),
    "ir2": Outside(label="Against earning nothing", against="earning nothing"),
}
"""By form."""


@dataclass(frozen=True)
class Words:
    """Numbers with their unit, and firms by their names, for one case."""

    unit: str | None
    """Of money; None where the case names none."""
    firms: tuple[str, str]
    """What the firms are called."""

    def firm(self, firm: int) -> str:
        """A firm (0 or 1) in the middle of a sentence."""
        return self.firms[firm]

    def opening(self, firm: int) -> str:
        """A firm (0 or 1) at the beginning of a sentence."""
        return opening(self.firms[firm])

    def money(self, value: float) -> str:
        """An amount with its unit."""
        return f"{amount(value)} {self.unit}" if self.unit else amount(value)

    def gains(self, who: str, value: float, zero: float) -> str:
        """Who gains or loses how much, as a clause; up to `zero` it is nothing."""
        if abs(value) <= zero:
            return (
                f"{who} neither gain nor lose"
                if who == CONSUMERS
                else f"{who} neither gains nor loses"
            )
        verb = "gain" if value > 0 else "lose"
        return f"{who} {verb if who == CONSUMERS else verb + 's'} {amount(abs(value))}"


CONSUMERS = "consumers"
"""What consumers are called, who are many."""


def amount(value: float) -> str:
    """A number with four significant digits and no exponent where that can be read."""
    if not 1e-5 <= abs(value) < 1e15:
        return f"{value:.4g}"
    places = max(0, 3 - floor(log10(abs(float(f"{value:.3e}")))))
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def listed(parts: Sequence[str]) -> str:
    """Parts of a sentence one after the other: a, b and c."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
