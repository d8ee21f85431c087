"""What a batch shows: which policy wins how often, how large gains and outlays are, who would join, and what it depends on.

Reads a batch's result (Parquet or CSV), whose rows are ordered by case and then by policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from market.outcome import SOLVED

Tree = dict[str, Any]
Array = NDArray[np.float64]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = 5
"""Groups of equal size that a parameter with many values is cut into."""
FEW = 8
"""Values up to which each is a group of its own."""
TIE = 1e-9
"""Share of welfare up to which policies count as equally good."""
BENCHMARKS = ("social_optimum", "first_best")
"""Policies that show what would be possible; they do not compete."""
FIGURES = ("welfare", "welfare_net", "consumer_surplus", "profit_1", "profit_2", "public_outlay", "ic_max_gain", "ir_min_slack")
KNOWN = ("case_id", "policy", "status", "ic", "ir", "message", "residual", "regret", "price_1", "price_2")
LEVELS = ("sharing_1", "sharing_2", "investment_1", "investment_2")


class ResultError(Exception):
    """A file that is no result of a batch; the message says why."""


@dataclass(frozen=True)
class Result:
    """A batch's result, cases by policies."""

    policies: tuple[str, ...]
    figures: dict[str, Array]
    """(cases, policies) each; NaN where no number is claimed."""
    texts: dict[str, NDArray[np.object_]]
    """`status`, `ic`, `ir`, (cases, policies) each."""
    keys: dict[str, NDArray[Any]]
    """The varied keys, (cases,) each."""

    @property
    def worth(self) -> Array:
        """What policies are ranked by, (cases, policies): welfare after the cost of public funds."""
        return self.figures.get("welfare_net", self.figures["welfare"])


def read_result(path: Path) -> Result:
    """The result in a file."""
    try:
        if not path.exists():
            raise ResultError("is not there; check the path")
        frame = pd.read_parquet(path) if path.suffix.lower() == ".parquet" else pd.read_csv(path)
    except ImportError:
        raise ResultError("a .parquet file needs pyarrow: install it, or pigou with its extra `batch`") from None
    except (OSError, ValueError) as error:
        raise ResultError(f"cannot be read: {str(error).splitlines()[0]}") from None
    missing = [name for name in ("case_id", "policy", "status", "welfare") if name not in frame]
    if missing:
        raise ResultError(f"is no result of pigou batch: it has no column {missing[0]}")
    if frame.empty:
        raise ResultError("has no rows")
    if frame["case_id"].isna().any():
        raise ResultError("has rows without a case_id")
    first = frame["case_id"] == frame["case_id"].iloc[0]
    policies = tuple(frame["policy"][first])
    width = len(policies)
    shape = (len(frame) // width, width)
    whole = len(frame) % width == 0 and (frame["policy"].to_numpy().reshape(shape) == np.array(policies, object)).all()
    ids = frame["case_id"].to_numpy().reshape(shape) if whole else np.zeros((1, 1))
    if not whole or (ids != ids[:, :1]).any():
        raise ResultError("is no whole result of pigou batch: its rows are not ordered by case, each with the same policies")
    known = {*KNOWN, *FIGURES, *LEVELS}
    empty = pd.Series(np.full(len(frame), None, object))
    return Result(
        policies=policies,
        figures={name: _numbers(frame[name]).reshape(shape) for name in FIGURES if name in frame},
        texts={name: frame.get(name, empty).to_numpy(object).reshape(shape) for name in ("status", "ic", "ir")},
        keys={name: frame[name].to_numpy()[::width] for name in frame.columns if name not in known},
    )


def _numbers(column: Any) -> Array:
    """A column of figures."""
    try:
        return np.asarray(pd.to_numeric(column).to_numpy(float))
    except (ValueError, TypeError) as error:
        raise ResultError(f"has something else than numbers in the column {column.name}: {str(error).splitlines()[0]}") from None


def findings(result: Result, by: list[str]) -> Tree:
    """The findings of a result, pivoted by some of its keys (by default all that were varied)."""
    welfare = result.worth
    wins = {"wins": _wins(result, welfare), "wins_voluntary": _wins(result, np.where(result.texts["ir"] == "violated", np.nan, welfare))}
    everything = np.ones(len(welfare), bool)
    return {
        "cases": len(welfare),
        "policies": [_policy(result, j, wins, everything) for j in range(len(result.policies))],
        "undecided": float((wins["wins"].sum(1) == 0).mean()),
        "inadmissible": float((result.texts["status"] == "bad_case").all(1).mean()),
        "public_funds": bool(np.any(result.worth[np.isfinite(welfare)] != result.figures["welfare"][np.isfinite(welfare)])),
        "by": {key: _pivot(result, key, wins) for key in (by or list(result.keys))},
    }


def _wins(result: Result, welfare: Array) -> Array:
    """(cases, policies): the share of a win, ties shared; none where no policy that competes, or not the planner, has a figure."""
    competes = np.array([policy not in BENCHMARKS for policy in result.policies])
    values = np.where(competes & np.isfinite(welfare), welfare, -np.inf)
    top = values.max(1, keepdims=True)
    best = (values >= top - TIE * np.abs(top)) & np.isfinite(values)
    if "social_optimum" in result.policies:
        best &= np.isfinite(welfare[:, [result.policies.index("social_optimum")]])
    return np.asarray(best / np.maximum(best.sum(1, keepdims=True), 1))


def _policy(result: Result, j: int, wins: dict[str, Array], which: NDArray[np.bool_]) -> Tree:
    """One policy over some cases; `wins_voluntary` counts no tax rule where some type would rather stay out."""
    policy = result.policies[j]
    figures = {name: values[which, j] for name, values in result.figures.items()}
    status, told = result.texts["status"][which, j], {name: result.texts[name][which, j] for name in ("ic", "ir")}
    row: Tree = {
        "policy": policy,
        **{name: None if policy in BENCHMARKS else float(share[which, j].mean()) for name, share in wins.items()},
        "solved": float(np.isin(status, sorted(SOLVED)).mean()),
        "corner": float((status == "corner").mean()),
        "status": {str(name): int(count) for name, count in zip(*np.unique(status.astype(str), return_counts=True), strict=True)},
        "truthful": _share(told["ic"]),
        "joined": _share(told["ir"]),
    }
    if "nash" in result.policies:
        market = result.policies.index("nash")
        better = result.worth[which, j] - result.worth[which, market]
        row["gain"] = _quantiles(better)
        for firm in (n for n in (1, 2) if f"profit_{n}" in figures):
            row[f"profit_{firm}_change"] = _quantiles(figures[f"profit_{firm}"] - result.figures[f"profit_{firm}"][which, market])
        known = np.isfinite(better)
        row["beats_market"] = float((better[known] > 0).mean()) if known.any() else None
    row |= {
        name: _quantiles(figures[name])
        for name in ("welfare", "welfare_net", "public_outlay", "ic_max_gain", "ir_min_slack")
        if name in figures
    }
    return row


def _share(told: NDArray[np.object_]) -> float | None:
    """The share of `holds` where something is said."""
    said = np.array([isinstance(text, str) and bool(text) for text in told])
    return float((told[said] == "holds").mean()) if said.any() else None


def _quantiles(values: Array) -> Tree | None:
    """Mean and quantiles of what is known; None where nothing is."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    found = np.quantile(known, QUANTILES)
    return {"mean": float(known.mean()), **{f"q{100 * q:02.0f}": float(v) for q, v in zip(QUANTILES, found, strict=True)}}


def _pivot(result: Result, key: str, wins: dict[str, Array]) -> list[Tree]:
    """Every policy within groups of a key's values; where keys were varied one at a time, with the others as in the first case."""
    out = []
    differs = np.array([values != values[0] for values in result.keys.values()])
    others = differs.sum(0) - differs[list(result.keys).index(key)]
    alone = others == 0 if len(differs) > 1 and (differs.sum(0) <= 1).all() else np.ones(len(others), bool)
    for label, among in groups(result.keys[key][alone]):
        which = np.zeros(len(others), bool)
        which[np.flatnonzero(alone)[among]] = True
        rows = [_policy(result, j, wins, which) for j in range(len(result.policies))]
        out.append({"group": label, "cases": int(which.sum()), "policies": rows})
    return out


def groups(values: NDArray[Any]) -> list[tuple[str, NDArray[np.bool_]]]:
    """Groups of a key's values: each value where there are few, else ranges of equal size."""
    numeric = values.dtype != object
    distinct = np.unique(values[~pd.isna(values)])
    missing = pd.isna(values)
    rest = [("null", missing)] if missing.any() else []
    if len(distinct) <= FEW or not numeric:
        return [(f"{v:g}" if numeric else str(v), values == v) for v in distinct] + rest
    edges = np.unique(np.quantile(distinct, np.linspace(0, 1, BINS + 1)))
    found = []
    for n, (low, high) in enumerate(pairwise(edges)):
        last = n == len(edges) - 2
        found.append((f"{low:.4g} to {high:.4g}", (values >= low) & ((values <= high) if last else (values < high))))
    return found + rest
