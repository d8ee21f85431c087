"""Results as the trees that users are given; what evaluations consist of is worked out once."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from mechanism.analysis import evaluation
from mechanism.casefile.policy_case import PolicyCase
from mechanism.report.evaluation_tree import evaluation_tree
from mechanism.report.results import Evaluation

_DONE: dict[Any, Any] = {}
_KEPT = 200
"""Results that are kept; the oldest go."""

_PARTS: dict[str, Callable[..., Any]] = {
    "solve_regimes": lambda case: pickle.dumps(case),
    "_known": lambda case, regimes: case.sha256,
    "_private": lambda case, regimes, types: case.sha256,
    "over_standards": lambda found: found.case.sha256,
    "over_parameters": lambda found, keys=None: (found.case.sha256, keys),
}
"""What takes long in an evaluation, and what its result depends on."""

_WORK = {name: getattr(evaluation, name) for name in _PARTS}


def _once(name: str) -> Callable[..., Any]:
    def done(first: Any, *more: Any) -> Any:
        key = name, _PARTS[name](first, *more)
        if key not in _DONE:
            while len(_DONE) >= _KEPT:
                del _DONE[next(iter(_DONE))]
            _DONE[key] = _WORK[name](first, *more)
        found = _DONE[key]
        return replace(found, case=first) if isinstance(found, Evaluation) else found

    return done


@contextmanager
def parts_done_once() -> Iterator[None]:
    """Whoever evaluates a case gets the parts of an evaluation that were worked out before in this
    process: for what is told of them, not for programs that a test has changed."""
    with pytest.MonkeyPatch.context() as patch:
        for name in _PARTS:
            patch.setattr(evaluation, name, _once(name))
        yield


def evaluate_once(case: PolicyCase, switches: bool = False) -> Evaluation:
    """The evaluation of a case, done once in this process however many tests look at it."""
    with parts_done_once():
        return evaluation.evaluate(case, switches)


def evaluate(case: PolicyCase) -> dict[str, Any]:
    """The result of a case, as `pigou evaluate --format json` gives it."""
    return evaluation_tree(evaluate_once(case))


def evaluate_anew(case: PolicyCase) -> dict[str, Any]:
    """The same where the program itself is changed."""
    assert evaluation.solve_regimes is _WORK["solve_regimes"], "the test has to ask for `anew`"
    return evaluation_tree(evaluation.evaluate(case))
