"""Results as the trees that users are given."""

from __future__ import annotations

from typing import Any

from mechanism.analysis import evaluation
from mechanism.casefile.policy_case import PolicyCase
from mechanism.report.evaluation_tree import evaluation_tree


def evaluate(case: PolicyCase) -> dict[str, Any]:
    """The result of a case, as `pigou evaluate --format json` gives it."""
    return evaluation_tree(evaluation.evaluate(case))
