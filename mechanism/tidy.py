"""The comparison of policies as tidy rows: one per case and policy, one column per figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]


def welfare_net(welfare: Any, outlay: Any, cost: Any) -> Any:
    """Welfare less the shadow cost of public funds for what is paid out, numbers or arrays; what is taken in counts for nothing more."""
    return welfare - cost * np.maximum(outlay, 0.0)


PER_FIRM = ("profit", "sharing", "investment")
"""Figures that a comparison gives for both firms."""
COLUMNS = (
    "case",
    "policy",
    "status",
    "welfare",
    "consumer_surplus",
    "profit_1",
    "profit_2",
    "public_outlay",
    "sharing_1",
    "sharing_2",
    "investment_1",
    "investment_2",
    "share_of_gain",
    "welfare_net",
    "change_profit_1",
    "change_profit_2",
    "change_consumer_surplus",
    "change_welfare",
)


def comparison_rows(results: Sequence[dict[str, Any]], labels: Sequence[str]) -> list[Row]:
    """The rows of several results, each under its label; what is not available is None."""
    return [{"case": label} | tidy(row) for result, label in zip(results, labels, strict=True) for row in result["comparison"]]


def tidy(row: Row) -> Row:
    """One row of a comparison with one figure per column."""
    change = row.get("change") or {}
    flat = dict(row) | {f"change_{key}": value for key, value in change.items()}
    for key in (*PER_FIRM, "change_profit"):
        flat[f"{key}_1"], flat[f"{key}_2"] = flat.get(key) or (None, None)
    return {column: flat.get(column) for column in COLUMNS if column != "case"}


def comparison_frame(results: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """The comparison of several results as a pandas table, the rows of each under its case's name."""
    import pandas as pd

    return pd.DataFrame(comparison_rows(results, [result["case"]["name"] for result in results]), columns=list(COLUMNS))
