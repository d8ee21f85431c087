"""Policies at many cases: the figures `evaluate` gives for each case alone, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.regimes import REGIMES, solve_regime
from mechanism.evaluation import evaluate
from mechanism.reported import TAX_RULES
from mechanism.schema import PolicyCase

PER_FIRM = ("sharing", "investment", "price", "profit")
NUMBERS = (
    *(f"{name}_{firm}" for name in PER_FIRM for firm in (1, 2)),
    "consumer_surplus",
    "welfare",
    "public_outlay",
    "ic_max_gain",
    "ir_min_slack",
    "residual",
    "regret",
)
"""The columns of figures, NaN where no number is claimed."""


def solve_many(cases: Sequence[PolicyCase], policies: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Columns over rows, case by case and then policy by policy in the order asked."""
    rows = []
    for case in cases:
        if any(policy in TAX_RULES for policy in policies):
            result = evaluate(case)
        else:
            result = {"regimes": {policy: solve_regime(case.market, policy).tree() for policy in policies}}
        rows += [{"policy": policy, **_row(result, policy)} for policy in policies]
    texts = {name: np.array([row.get(name, "") for row in rows], object) for name in ("policy", "status", "message")}
    return texts | {name: np.array([_number(row.get(name)) for row in rows]) for name in NUMBERS}


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _row(result: dict[str, Any], policy: str) -> dict[str, Any]:
    if policy in REGIMES:
        outcome = result["regimes"][policy]
        solved = outcome["welfare"] is not None
        certificate = outcome["certificate"]
        figures = {"public_outlay": 0.0 if solved else None, "residual": certificate["residual"], "regret": certificate["regret"]}
    else:
        reported = result["mechanism"]["reported"]
        trees = {} if reported is None else {reported["tax_rule"]: reported, **result["mechanism"]["alternatives"]}
        if policy not in trees:
            return {"status": "not_asked", "message": "a tax rule taxes reports: the case needs types"}
        tree = trees[policy]
        checks, outcome = tree["checks"], {**tree["expected"], "status": "converged"}
        form = result["case"]["mechanism"]["participation"]
        figures = {
            "public_outlay": outcome["budget"],
            "ic_max_gain": checks["ic"]["max_gain"],
            "ir_min_slack": None if form == "none" else checks[form]["min_slack"],
            "residual": tree["certificate"]["residual"],
        }
    for name in PER_FIRM:
        figures[f"{name}_1"], figures[f"{name}_2"] = outcome.get(name) or (None, None)
    return {"status": outcome["status"], "consumer_surplus": outcome["consumer_surplus"], "welfare": outcome["welfare"], **figures}
