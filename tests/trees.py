"""Results as the trees that users are given, from evaluations that are done once."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from market.model.case import Case
from market.model.outcome import Outcome
from market.regimes import solve_regimes
from mechanism.analysis import evaluation
from mechanism.casefile.policy_case import PolicyCase
from mechanism.report.evaluation_tree import evaluation_tree
from mechanism.report.results import Evaluation

_SOLVED: dict[bytes, Mapping[str, Outcome]] = {}
_DONE: dict[tuple[str, bool], Evaluation] = {}
_evaluate = evaluation.evaluate  # also where a test has put `evaluate_once` in its place


def _regimes_once(case: Case) -> Mapping[str, Outcome]:
    """The regimes of a market, solved once whatever is private and whatever the standard is."""
    key = pickle.dumps(case)
    if key not in _SOLVED:
        _SOLVED[key] = solve_regimes(case)
    return _SOLVED[key]


def evaluate_once(case: PolicyCase, switches: bool = False) -> Evaluation:
    """The evaluation of a case, done once in this process however many tests look at it."""
    key = (case.sha256, switches)
    if key not in _DONE:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(evaluation, "solve_regimes", _regimes_once)
            _DONE[key] = _evaluate(case, switches)
    return replace(_DONE[key], case=case)


def evaluate(case: PolicyCase) -> dict[str, Any]:
    """The result of a case, as `pigou evaluate --format json` gives it."""
    return evaluation_tree(evaluate_once(case))


def evaluate_anew(case: PolicyCase) -> dict[str, Any]:
    """The same where the program itself is changed."""
    return evaluation_tree(_evaluate(case))
