"""What is observed of a market, what is believed of it, and why it may be refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

USUAL_NOISE = 0.05
"""Relative standard error of an observation of which none is told."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One number that was observed."""

    key: str
    """Its place in the data file: `firms[0].price`, `common.leak_switch`."""
    kind: str
    """What is observed, a key of `market.calibrate.moments.OBSERVABLES`."""
    firm: int | None
    """0 or 1; None of what is observed of both together."""
    value: float
    """In the file's own units."""
    noise: float
    """Relative standard error; 0: exact."""


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What is believed of a parameter before the data: log-normal, or held fixed."""

    median: float
    log_sd: float | None
    """Standard deviation of its logarithm; None: held fixed at the median."""


@dataclass(frozen=True, kw_only=True)
class Data:
    """Everything a data file says."""

    name: str
    source: str
    """The file they were read from, without its place; else the name."""
    reference: str | None
    money: str | None
    """What money is counted in; None where the file does not say."""
    quantity: str | None
    firms: tuple[str, str] | None
    """Their names; None where the file gives none."""
    observations: tuple[Observation, ...]
    priors: Mapping[str, Prior]
    """By parameter, those of the file alone."""
    per_firm: frozenset[str]
    """The parameters of which each firm has its own."""
    reference_investment: float | None
    """t0; None: to be chosen."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where numbers come from, by their key in the file."""
    usual_noise: float = USUAL_NOISE
    """Relative standard error of an observation of which none is told."""

    def __post_init__(self) -> None:
        for name in ("priors", "sources"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def has(self, kind: str) -> bool:
        """Whether this is observed of some firm, or of both."""
        return any(one.kind == kind for one in self.observations)

    def pair(self, kind: str) -> tuple[float, float]:
        """What is observed of either firm; NaN where it is not."""
        found = {one.firm: one.value for one in self.observations if one.kind == kind}
        return found.get(0, float("nan")), found.get(1, float("nan"))

    def common(self, kind: str) -> float | None:
        """What is observed of both firms together; None where it is not."""
        return next((one.value for one in self.observations if one.kind == kind), None)


@dataclass(frozen=True, kw_only=True)
class WhyNoCase:
    """Why no case describes what was observed."""

    code: str
    """Which of the reasons it is."""
    reason: str
    """In words, with what would mend it."""
    numbers: Mapping[str, float]
    """What it rests on."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", MappingProxyType(dict(self.numbers)))


class NoCase(Exception):  # noqa: N818 - a finding about the data, not an error of the program
    """Raised where the observations fit no market of the model."""

    def __init__(self, refusal: WhyNoCase) -> None:
        self.refusal = refusal
        super().__init__(refusal.reason)


def refuse(code: str, reason: str, **numbers: float) -> NoCase:
    """The exception for this reason."""
    return NoCase(WhyNoCase(code=code, reason=reason, numbers=numbers))
