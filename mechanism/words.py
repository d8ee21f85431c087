"""Words shared by the findings: what outside options and amounts are called."""

from __future__ import annotations

from dataclasses import dataclass

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
    "ir1": Outside(label="As printed, one price on both sides", against="its own profit at the same levels without transfers"),
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
        return f"{value:.4g} {self.unit}" if self.unit else f"{value:.4g}"


def capitalised(text: str) -> str:
    """The text as the beginning of a sentence."""
    return f"{text[0].upper()}{text[1:]}"
