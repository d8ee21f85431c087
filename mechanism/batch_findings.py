"""What a batch shows: which policy wins how often, how large gains and outlays are, who would join, and what it depends on.

Reads a batch's result (Parquet or CSV), whose rows are ordered by case and then by policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from market.outcome import SOLVED
from mechanism.policies import GOAL, TODAY, known, policy_of

Array = NDArray[np.float64]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = 5
"""Groups of equal size that a parameter with many values is cut into."""
FEW = 8
"""Values up to which each is a group of its own."""
TIE = 1e-9
"""Share of welfare up to which policies count as equally good."""
FIGURES = ("welfare", "welfare_net", "consumer_surplus", "profit_1", "profit_2", "public_outlay", "ic_max_gain", "ir_min_slack")
KNOWN = ("case_id", "policy", "status", "ic", "ir", "message", "residual", "regret", "price_1", "price_2")
LEVELS = ("sharing_1", "sharing_2", "investment_1", "investment_2")


class ResultError(Exception):
    """A file that is no result of a batch; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """A batch's result, cases by policies."""

    policies: tuple[str, ...]
    """Their names."""
    figures: Mapping[str, Array]
    """(cases, policies) each; NaN where no number is claimed."""
    status: NDArray[np.object_]
    """(cases, policies)."""
    truth: NDArray[np.object_]
    """(cases, policies): whether truth pays under a tax rule; no text where nothing is said."""
    joining: NDArray[np.object_]
    """(cases, policies): whether all would join."""
    keys: Mapping[str, NDArray[Any]]
    """The varied keys, (cases,) each."""

    @property
    def worth(self) -> Array:
        """What policies are ranked by, (cases, policies): welfare after the cost of public funds."""
        return self.figures.get("welfare_net", self.figures["welfare"])

    def column(self, key: str) -> int | None:
        """Where a policy stands; None where the batch has it not."""
        return self.policies.index(key) if key in self.policies else None

    def competes(self, key: str) -> bool:
        """Whether a policy can win, and does not only show what would be possible."""
        return not known(key) or policy_of(key).competes != "never"


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How a figure is distributed over the cases that have it."""

    mean: float
    """Its mean."""
    quantiles: Mapping[float, float]
    """By probability."""


@dataclass(frozen=True, kw_only=True)
class AgainstMarket:
    """A policy against the market as it is, in the cases in which both have figures."""

    gain: Spread | None
    """Of welfare after the cost of public funds; None where nothing is known, as below."""
    profit: Mapping[int, Spread | None]
    """By firm, counted from 1, what its profit changes by."""
    better: float | None
    """The share of cases with a positive gain."""


@dataclass(frozen=True, kw_only=True)
class PolicyFinding:
    """One policy over some cases. Shares are of those cases."""

    policy: str
    """Its name."""
    wins: float | None
    """The share in which it is best, ties shared; None for what does not compete."""
    wins_voluntary: float | None
    """The same if no tax rule counts under which some type would rather stay out."""
    solved: float
    """The share with figures."""
    corner: float
    """The share with levels at a bound."""
    status: Mapping[str, int]
    """How many cases have which status."""
    truthful: float | None
    """Of the cases that say, the share in which truth pays."""
    joined: float | None
    """Of the cases that say, the share in which all would join."""
    against_market: AgainstMarket | None
    """None where the batch has not the market as it is."""
    spreads: Mapping[str, Spread | None]
    """Of the figures that the batch has."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """The cases with similar values of a key."""

    name: str
    """The value, or the range, in words."""
    low: float | None
    """Its lowest value; None where values are no numbers."""
    missing: bool = False
    """Whether these are the cases without a value."""
    cases: int
    """How many."""
    policies: tuple[PolicyFinding, ...]
    """Over them."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the result of a batch shows."""

    cases: int
    """How many."""
    policies: tuple[PolicyFinding, ...]
    """Over all cases, in the order of the batch."""
    undecided: float
    """The share of cases in which no policy wins."""
    inadmissible: float
    """The share of cases that are no admissible market."""
    public_funds: bool
    """Whether public funds cost anything."""
    by: Mapping[str, tuple[Group, ...]]
    """By varied key."""

    @property
    def ordered(self) -> frozenset[str]:
        """The keys whose groups run from low to high."""
        return frozenset(key for key, groups in self.by.items() if all(group.missing or group.low is not None for group in groups))


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
        status=frame["status"].to_numpy(object).reshape(shape),
        truth=frame.get("ic", empty).to_numpy(object).reshape(shape),
        joining=frame.get("ir", empty).to_numpy(object).reshape(shape),
        keys={name: frame[name].to_numpy()[::width] for name in frame.columns if name not in known},
    )


def _numbers(column: Any) -> Array:
    """A column of figures."""
    try:
        return np.asarray(pd.to_numeric(column).to_numpy(float))
    except (ValueError, TypeError) as error:
        raise ResultError(f"has something else than numbers in the column {column.name}: {str(error).splitlines()[0]}") from None


def findings(result: Result, by: list[str]) -> Findings:
    """The findings of a result, pivoted by some of its keys (by default all that were varied)."""
    worth, welfare = result.worth, result.figures["welfare"]
    found = np.isfinite(worth)
    wins = Wins(
        all=_wins(result, worth),
        voluntary=_wins(result, np.where(result.joining == "violated", np.nan, worth)),
    )
    everything = np.ones(len(worth), bool)
    return Findings(
        cases=len(worth),
        policies=_policies(result, wins, everything),
        undecided=float((wins.all.sum(1) == 0).mean()),
        inadmissible=float((result.status == "bad_case").all(1).mean()),
        public_funds=bool(np.any(worth[found] != welfare[found])),
        by={key: _pivot(result, key, wins) for key in (by or list(result.keys))},
    )


@dataclass(frozen=True, kw_only=True)
class Wins:
    """Which policy wins in which case, (cases, policies), ties shared."""

    all: Array
    """If firms can be obliged to take part."""
    voluntary: Array
    """If they may refuse."""


def _wins(result: Result, worth: Array) -> Array:
    """(cases, policies): the share of a win, ties shared; none where no policy that competes, or not the planner, has a figure."""
    competes = np.array([result.competes(key) for key in result.policies])
    values = np.where(competes & np.isfinite(worth), worth, -np.inf)
    top = values.max(1, keepdims=True)
    best = (values >= top - TIE * np.abs(top)) & np.isfinite(values)
    planner = result.column(GOAL)
    if planner is not None:
        best &= np.isfinite(worth[:, [planner]])
    return np.asarray(best / np.maximum(best.sum(1, keepdims=True), 1))


def _policies(result: Result, wins: Wins, which: NDArray[np.bool_]) -> tuple[PolicyFinding, ...]:
    """Every policy over some cases."""
    return tuple(_policy(result, j, wins, which) for j in range(len(result.policies)))


def _policy(result: Result, j: int, wins: Wins, which: NDArray[np.bool_]) -> PolicyFinding:
    """One policy over some cases."""
    key, status = result.policies[j], result.status[which, j]
    competes = result.competes(key)
    names = ("welfare", "welfare_net", "public_outlay", "ic_max_gain", "ir_min_slack")
    return PolicyFinding(
        policy=key,
        wins=float(wins.all[which, j].mean()) if competes else None,
        wins_voluntary=float(wins.voluntary[which, j].mean()) if competes else None,
        solved=float(np.isin(status, sorted(SOLVED)).mean()),
        corner=float((status == "corner").mean()),
        status={str(name): int(count) for name, count in zip(*np.unique(status.astype(str), return_counts=True), strict=True)},
        truthful=_share(result.truth[which, j]),
        joined=_share(result.joining[which, j]),
        against_market=_against_market(result, j, which),
        spreads={name: _spread(result.figures[name][which, j]) for name in names if name in result.figures},
    )


def _against_market(result: Result, j: int, which: NDArray[np.bool_]) -> AgainstMarket | None:
    market = result.column(TODAY)
    if market is None:
        return None
    better = result.worth[which, j] - result.worth[which, market]
    profits = {firm: result.figures[f"profit_{firm}"] for firm in (1, 2) if f"profit_{firm}" in result.figures}
    found = np.isfinite(better)
    return AgainstMarket(
        gain=_spread(better),
        profit={firm: _spread(profit[which, j] - profit[which, market]) for firm, profit in profits.items()},
        better=float((better[found] > 0).mean()) if found.any() else None,
    )


def _share(told: NDArray[np.object_]) -> float | None:
    """The share of `holds` where something is said."""
    said = np.array([isinstance(text, str) and bool(text) for text in told])
    return float((told[said] == "holds").mean()) if said.any() else None


def _spread(values: Array) -> Spread | None:
    """Mean and quantiles of what is known; None where nothing is."""
    found = values[np.isfinite(values)]
    if not len(found):
        return None
    at = np.quantile(found, QUANTILES)
    return Spread(mean=float(found.mean()), quantiles={q: float(v) for q, v in zip(QUANTILES, at, strict=True)})


def _pivot(result: Result, key: str, wins: Wins) -> tuple[Group, ...]:
    """Every policy within groups of a key's values; where keys were varied one at a time, with the others as in the first case."""
    differs = np.array([values != values[0] for values in result.keys.values()])
    others = differs.sum(0) - differs[list(result.keys).index(key)]
    alone = others == 0 if len(differs) > 1 and (differs.sum(0) <= 1).all() else np.ones(len(others), bool)
    out = []
    for values in groups(result.keys[key][alone]):
        which = np.zeros(len(others), bool)
        which[np.flatnonzero(alone)[values.which]] = True
        group = Group(
            name=values.name,
            low=values.low,
            missing=values.missing,
            cases=int(which.sum()),
            policies=_policies(result, wins, which),
        )
        out.append(group)
    return tuple(out)


@dataclass(frozen=True, kw_only=True)
class Values:
    """Similar values of a key."""

    name: str
    """In words."""
    which: NDArray[np.bool_]
    """(cases,): who has them."""
    low: float | None = None
    """The lowest; None where they are no numbers."""
    missing: bool = False
    """Whether there is no value."""


def groups(values: NDArray[Any]) -> list[Values]:
    """Groups of a key's values: each value where there are few, else ranges of equal size."""
    numeric = values.dtype != object
    missing = pd.isna(values)
    distinct = np.unique(values[~missing])
    rest = [Values(name="null", which=missing, missing=True)] if missing.any() else []
    if len(distinct) <= FEW or not numeric:
        return [Values(name=f"{v:g}" if numeric else str(v), which=values == v, low=_number(v)) for v in distinct] + rest
    edges = np.unique(np.quantile(distinct, np.linspace(0, 1, BINS + 1)))
    found = []
    for n, (low, high) in enumerate(pairwise(edges)):
        last = n == len(edges) - 2
        which = (values >= low) & ((values <= high) if last else (values < high))
        found.append(Values(name=f"{low:.4g} to {high:.4g}", which=which, low=float(low)))
    return found + rest


def _number(value: Any) -> float | None:
    """A value as a number, also where it stands as text; None for what is none."""
    try:
        return float(value)
    except ValueError:
        return None
