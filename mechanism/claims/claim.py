"""What a claim is, what is found about it at many markets, and what is answered at one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from market.model.case import Array
from market.model.cost import form_of
from mechanism.claims.ground import Ground
from mechanism.frozen import read_only

EQUAL = 1e-11
"""Difference, relative to the size of what is compared, up to which two figures count as equal."""


SMALL = 1e-2
"""Size of derivatives in parameters, natural units: they may be tiny and still have a sign."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What became of one claim in L markets."""

    margin: Array
    """(L,): positive where the claim is true, NaN where the question does not arise."""
    met: Array
    """(L,): 1 where the assumption is met, 0 where not, NaN where there is nothing to assume or to
    ask."""
    numbers: dict[str, Array]
    """What was compared, (L, ...)."""
    size: Array | float = 1.0
    """(L,): the size of what was compared, in natural units."""
    null: bool = False
    """Whether the claim is a statement of ambiguity: nothing to be true or false."""
    natural: Array | None = None
    """(L,): the margin in natural units, by which it is judged; None: the margin is stated in
    them."""

    @property
    def judged(self) -> Array:
        """(L,): the margin in natural units."""
        return self.margin if self.natural is None else self.natural

    @property
    def holds(self) -> Array:
        """(L,): 1 true, 0 false, NaN where the question does not arise."""
        true = self.judged > EQUAL * np.asarray(self.size)
        answer = np.where(np.isnan(self.judged), np.nan, true)
        return np.full_like(answer, np.nan) if self.null else answer


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """Something a claim is made under."""

    text: str
    """What is assumed, in words."""
    at: Callable[[Ground], str] | None
    """What it comes to at the first market, in words with its numbers; None where the claim is not
    asked unless it is met."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim of the paper."""

    key: str
    """Its place in the paper, such as `P3.ii`."""
    text: str
    """What is claimed, in words."""
    assumes: tuple[Assumption, ...] = ()
    """What it is claimed under."""
    find: Callable[[Ground], Finding]
    """What becomes of it in L markets."""
    compares: tuple[str, ...] = ("nash",)
    """The regimes of which it needs levels."""
    about_section_2: bool = True
    """Whether it is about the market of sections 2 and 3: lambda_d > 0, no unit costs, a cost form
    the paper allows."""
    unasked: str | None = None
    """Why the question does not arise where it does not; None where several reasons are
    possible."""
    remark: str = "nothing is assumed"
    """What is said where there is no assumption to speak of."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One claim at one market."""

    claim: Claim
    """What is claimed."""
    met: bool | None
    """Whether its assumption is met; None where there is nothing to assume or to ask."""
    detail: str
    """The assumption with its numbers, or why the question does not arise."""
    holds: bool | None
    """Whether it is true; None where the question does not arise."""
    margin: float | None
    """Positive where it is true; None where the question does not arise."""
    numbers: Mapping[str, Array]
    """What was compared: numbers, per firm (2,) or larger."""


def finding_of(claim: Claim, ground: Ground) -> Finding:
    """One claim's finding, judged in natural units and told in the market's own; outside the market
    a claim is about its assumption is not met."""
    judged = claim.find(ground.natural)
    found = replace(claim.find(ground), natural=judged.margin, met=judged.met, size=judged.size)
    if not claim.about_section_2:
        return found
    outside = ground.case.unit_cost is not None or not form_of(ground.case).obeys_paper
    excluded = outside | ~ground.spillover_positive
    return replace(found, met=np.where(np.isnan(found.met) | ~excluded, found.met, 0.0))


def answer(claim: Claim, finding: Finding, ground: Ground) -> Answer:
    """One claim at the first market."""
    met, holds, margin = (float(a[0]) for a in (finding.met, finding.holds, finding.margin))
    return Answer(
        claim=claim,
        met=None if np.isnan(met) else bool(met),
        detail=detail(claim, ground, margin),
        holds=None if np.isnan(holds) else bool(holds),
        margin=None if np.isnan(margin) else margin,
        numbers={
            name: read_only(np.asarray(value[0], float)) for name, value in finding.numbers.items()
        },
    )


def detail(claim: Claim, ground: Ground, margin: float) -> str:
    """The assumption with its numbers at the first market, or why the question does not arise."""
    if not np.isfinite(ground.levels["nash"][0]).all():
        return "the market has no equilibrium"
    if np.isnan(margin) and claim.unasked is not None:
        return claim.unasked
    parts = [assumption.at(ground) for assumption in claim.assumes if assumption.at is not None]
    if claim.about_section_2 and not ground.spillover_positive[0]:
        parts.append("the demand spillover is not positive")
    if claim.about_section_2 and ground.case.unit_cost is not None:
        parts.append("there are unit costs, which the claim does not know")
    if claim.about_section_2 and not form_of(ground.case).obeys_paper:
        parts.append(
            f"the {form_of(ground.case).label} cost form lies outside the paper's assumptions"
        )
    if np.isnan(margin):
        parts.append(
            "levels are at their bounds in all regimes compared, or a regime has no solution"
        )
    return "; ".join(parts) or claim.remark
