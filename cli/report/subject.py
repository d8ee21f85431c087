"""A case that a report is about: what was found, and how its figures and firms are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cli.pages.words import Scale
from mechanism.casefile.policies import Policy, policy_of
from mechanism.report.answer import parts
from mechanism.report.evaluation_tree import evaluation_tree
from mechanism.report.plain import Tree
from mechanism.report.words import Words

if TYPE_CHECKING:
    from mechanism.ranking.recommendation import Recommendation
    from mechanism.report.results import ComparisonRow, Evaluation

DIGITS = 5
"""Significant digits of a report's tables."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One case of a report."""

    label: str
    """What the case is called, unlike every other of the report."""
    found: Evaluation
    """What was found, what would overturn it included."""
    hidden: frozenset[str] = frozenset()
    """Dotted keys of the case whose values are left out."""

    @cached_property
    def result(self) -> Tree:
        """The same as the JSON of `pigou evaluate`."""
        return evaluation_tree(self.found)

    @cached_property
    def scale(self) -> Scale:
        """How its figures are written in tables."""
        return Scale([self.result], DIGITS)

    @property
    def say(self) -> Words:
        """How they are written in sentences."""
        return Words(self.found.case.units.money, self.found.case.market.firms)

    @property
    def told(self) -> Recommendation:
        """What to do."""
        told = self.found.recommendation
        assert told is not None
        return told

    @cached_property
    def answer(self) -> Mapping[str, str]:
        """The same in words, by what each part says."""
        return parts(self.found, self.told)

    @cached_property
    def verdicts(self) -> Mapping[str, str]:
        """Findings in words by their code."""
        return {verdict.code: verdict.whole for verdict in self.found.verdicts}

    @property
    def private(self) -> bool:
        """Whether firms know something of themselves that the regulator does not."""
        return self.found.types is not None

    @property
    def chosen(self) -> ComparisonRow | None:
        """The recommended policy; None without advice."""
        policy = self.told.policy
        return None if policy is None else self.found.rows[policy.key]

    def policy(self, key: str) -> Policy:
        """A policy as this case's firms are called."""
        return policy_of(key, self.found.case.market.firms)

    @property
    def texts(self) -> tuple[str, ...]:
        """Text of the case's author that stands in the middle of ours."""
        case = self.found.case
        given = (case.name, self.label, *case.market.firms, case.units.money, case.units.quantity)
        return tuple(dict.fromkeys(text for text in given if text))
