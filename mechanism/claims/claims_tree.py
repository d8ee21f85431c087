"""The JSON contract of the claims: answers at a case and over a sample as trees of plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from market.model.case import Array, Case
from mechanism.report.plain import Tree
from mechanism.report.provenance import command_line, provenance

if TYPE_CHECKING:
    from mechanism.claims.claim import Answer
    from mechanism.claims.sample import Propositions, Sample, Tally


def propositions_tree(found: Propositions) -> Tree:
    """`propositions --format json`."""
    sample = found.sample
    drawn = [] if sample is None else [("--sample", sample.count), ("--seed", sample.seed)]
    return {
        "provenance": provenance(
            command_line("propositions", "CASE", drawn),
            found.policy.sha256,
            None if sample is None else sample.seed,
        ),
        "case": found.policy.resolved,
        "claims": [answer_tree(answer) for answer in found.claims],
        "sample": None if sample is None else sample_tree(sample),
    }


def answer_tree(answer: Answer) -> Tree:
    """One claim at one market."""
    return {
        "id": answer.claim.key,
        "text": answer.claim.text,
        "assumption": {"met": answer.met, "detail": answer.detail},
        "holds": answer.holds,
        "margin": answer.margin,
        "numbers": {name: _finite(value.tolist()) for name, value in answer.numbers.items()},
    }


def _finite(value: Any) -> Any:
    """Numbers, nested as they are; None for what is not finite."""
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return value if np.isfinite(value) else None


def sample_tree(sample: Sample) -> Tree:
    """The claims over random markets."""
    return {
        "count": sample.count,
        "seed": sample.seed,
        "solved": dict(sample.solved),
        "claims": [_tally_tree(tally) for tally in sample.claims],
    }


def _tally_tree(tally: Tally) -> Tree:
    key, worst = tally.claim.key, tally.worst
    market = None if worst is None else worst.market
    return {
        "id": key,
        "met": vars(tally.met).copy(),
        "not_met": vars(tally.not_met).copy(),
        "not_asked": tally.not_asked,
        "signs": (
            None
            if tally.signs is None
            else {name: vars(way).copy() for name, way in tally.signs.items()}
        ),
        "worst": (
            None
            if worst is None
            else {
                "margin": worst.margin,
                "case": None if market is None else market_tree(market, f"Counterexample to {key}"),
            }
        ),
    }


def market_tree(market: Case, name: str) -> Tree:
    """One market (a single lane) as the tree of a case file."""

    def value(array: Array) -> float | list[float]:
        numbers = [float(v) for v in array.ravel()]
        return numbers[0] if len(set(numbers)) == 1 else numbers

    cap = float(market.investment_cap.ravel()[0])
    tree: Tree = {
        "schema_version": 1,
        "name": name,
        "demand": {
            key: value(getattr(market, key)) for key in ("intercept", "own_slope", "cross_slope")
        },
        "security": {
            "rivalry": value(market.rivalry),
            "demand_spillover": value(market.demand_spillover),
            "leakage": {
                "own": value(market.leakage_own),
                "cross": value(market.leakage_cross),
                "interaction": value(market.leakage_interaction),
            },
        },
        "cost": {
            "form": market.cost_form,
            "scale": value(market.cost_scale),
            "max_saving": value(market.max_saving),
            "spillover": value(market.cost_spillover),
            "investment_cap": None if np.isinf(cap) else cap,
        },
    }
    if market.unit_cost is not None and np.any(market.unit_cost.base):
        tree["unit_cost"] = {key: value(array) for key, array in vars(market.unit_cost).items()}
    return tree
