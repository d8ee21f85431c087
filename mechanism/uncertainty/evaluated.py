"""A case end to end, what is not known exactly included: the evaluation at its own numbers, and
what the markets drawn around them say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mechanism.analysis import evaluation
from mechanism.casefile.policy_case import PolicyCase
from mechanism.report.answer import lines
from mechanism.report.results import Evaluation
from mechanism.report.verdicts import warnings
from mechanism.uncertainty.choice import choice_over_draws


def evaluate(
    case: PolicyCase,
    switches: bool | None = False,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> Evaluation:
    """Evaluate a case: every regime, the mechanism, its constraints, policies against the
    benchmarks, and what to do; where the case says what is not known exactly (`uncertainty`), also
    how sure that is.

    Args:
        case: What `load` read.
        switches: Whether to look for what would overturn the recommendation too, at other numbers
            of the standard and of the market; takes a second, with private types and in some
            markets many. None: there at other numbers of the standard alone.
        tell: Hears how many drawn markets of how many are solved.

    Returns:
        The findings, each with its proof; `recommendation` is the answer.

    Raises:
        BadCase: Hardly any draw of what is not known exactly is an admissible case.

    Example:
        >>> import pigou
        >>> found = pigou.evaluate(pigou.load("two_vendors.yaml"))
        >>> found.recommendation.policy.key
        'linear_subsidies'
        >>> round(found.rows["linear_subsidies"].value - found.today.value, 2)
        65.35
    """
    found = evaluation.evaluate(case, switches)
    if case.uncertainty is None:
        return found
    told = found.recommendation
    policy = None if told is None or told.policy is None else told.policy.key
    rates = None if found.types is not None else found.rates
    fixed = None if rates is None or rates.status != "holds" else (rates.rates, rates.levels)
    drawn = choice_over_draws(case, recommended=policy, fixed=fixed, tell=tell)
    found = replace(found, uncertainty=drawn)
    if told is not None:
        found = replace(found, recommendation=replace(told, text=lines(found, told)))
    return replace(found, warnings=tuple(warnings(found)))
