"""What all trees of the JSON contract are made of.

A key without a value to give is null, never missing. Firms are counted from 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from market.model.outcome import numbers
from mechanism.scheme.behaviour import ExpectedOutcome

Tree = dict[str, Any]

SCHEMA_VERSION = 2
"""Of results; it rises when a key is renamed or means something else."""


def fields_of(record: Any) -> Tree:
    """The fields of a record of plain values; nothing is copied below them."""
    return dict(vars(record))


def expected_tree(expected: ExpectedOutcome) -> Tree:
    """Expectations over both firms' types."""
    return {
        "welfare": float(expected.welfare),
        "consumer_surplus": float(expected.consumer_surplus),
        "profit": numbers(expected.profit),
        "net_transfer": numbers(expected.net_transfer),
        "payoff": numbers(expected.kept),
        "budget": float(expected.budget),
        "sharing": numbers(expected.sharing),
        "investment": numbers(expected.investment),
    }


def listed(value: Any) -> Any:
    """A tuple as a list, anything else as it is."""
    return list(value) if isinstance(value, tuple) else value


def without_nan(tree: Any) -> Any:
    """A tree with null for what is no number."""
    if isinstance(tree, dict):
        return {key: without_nan(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [without_nan(value) for value in tree]
    return None if isinstance(tree, float) and np.isnan(tree) else tree
