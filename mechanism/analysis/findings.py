"""What a batch shows: which policy is recommended how often, how large gains and outlays are, who
would join, and what it depends on.

Reads a batch's result (Parquet, CSV or xlsx), whose rows are ordered by case and then by policy.
Nothing is ranked here: what is recommended stands in the result.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import NormalDist
from typing import Any, Literal, get_args
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from market.model.outcome import SOLVED
from mechanism.analysis.many import NUMBERS, TEXT
from mechanism.casefile.policies import PRIVATE_MARKET, RUNGS, TODAY, known, policy_of

Array = NDArray[np.float64]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = 5
"""Groups of equal size that a parameter with many values is cut into."""
FEW = 8
"""Values up to which each is a group of its own."""
DOUBT = 0.05
"""How often the win rates of some pair of groups are called different where all are the same."""
LARGEST = 1e150
"""Of a figure: what is larger cannot be squared, nor a column of it added up."""

NEEDED = ("recommended", "best", "competes", "value")
"""The columns of a result that say what is recommended."""

Shape = Literal["flat", "rises", "falls", "rises, then falls", "falls, then rises", "irregular"]
"""How a win rate runs over the groups of a key, from low to high."""


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
    """(cases, policies): whether all would join as it stands."""
    best: NDArray[np.object_]
    """(cases,): the policy recommended, today's market even where the batch does not list it;
    empty: no advice."""
    keys: Mapping[str, NDArray[Any]]
    """The varied keys, (cases,) each."""

    def today(self, figure: str) -> Array:
        """(cases,): a figure of today's market, which competes wherever it stands; NaN where the
        batch does not list it."""
        value, may = self.figures[figure], self.figures["competes"] == 1
        columns = [
            self.policies.index(key) for key in (PRIVATE_MARKET, TODAY) if key in self.policies
        ]
        out = np.full(len(value), np.nan)
        for j in reversed(columns):
            out = np.where(may[:, j], value[:, j], out)
        return out

    def competes(self, j: int) -> bool:
        """Whether a policy may be recommended in some case."""
        return bool((self.figures["competes"][:, j] == 1).any())


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
    """Of value; None where nothing is known, as below."""
    profit: Mapping[int, Spread | None]
    """By firm, counted from 1, what its profit changes by as the policy stands."""
    better: float | None
    """The share of cases with a positive gain."""


@dataclass(frozen=True, kw_only=True)
class PolicyFinding:
    """One policy over some cases. Shares are of those cases."""

    policy: str
    """Its name."""
    wins: float | None
    """The share in which it is recommended; None for what competes in no case of the batch."""
    competes: float
    """The share in which it competes."""
    solved: float
    """The share with figures."""
    corner: float
    """The share with levels at a bound."""
    status: Mapping[str, int]
    """How many cases have which status."""
    truthful: float | None
    """Of the cases that say, the share in which truth pays."""
    joined: float | None
    """Of the cases that say, the share in which all would join as it stands, before any flat
    part."""
    against_market: AgainstMarket | None
    """None where the batch does not list the market as it is."""
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
    decided: int
    """Those with advice."""
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
    """The share of cases without advice."""
    inadmissible: float
    """The share of cases that are no admissible market."""
    unlisted: float
    """The share in which today's market is recommended and the batch does not list it."""
    asks: Mapping[str, float]
    """The share in which what is recommended asks for just that, by `RUNGS`."""
    by: Mapping[str, tuple[Group, ...]]
    """By varied key."""

    @property
    def ordered(self) -> frozenset[str]:
        """The keys whose groups run from low to high."""
        return frozenset(
            key
            for key, groups in self.by.items()
            if all(group.missing or group.low is not None for group in groups)
        )

    @property
    def shapes(self) -> dict[str, dict[str, Shape]]:
        """How often each policy that competes is recommended over the groups of a key that run from
        low to high."""
        return {
            key: _shapes([group for group in self.by[key] if not group.missing])
            for key in self.by
            if key in self.ordered
        }


def read_result(path: Path, carried: Collection[str] = ()) -> Result:
    """The result in a file; columns that are only carried through are no keys."""
    try:
        if not path.exists():
            raise ResultError("is not there; check the path")
        read = {".parquet": pd.read_parquet, ".xlsx": pd.read_excel}
        frame = read.get(path.suffix.lower(), pd.read_csv)(path)
    except ImportError:
        raise ResultError(
            "a .parquet file needs pyarrow and an .xlsx file openpyxl: install it, or pigou with"
            " its extra `batch` or `tables`"
        ) from None
    except (OSError, ValueError, BadZipFile) as error:
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
    whole = (
        len(frame) % width == 0
        and (frame["policy"].to_numpy().reshape(shape) == np.array(policies, object)).all()
    )
    ids = frame["case_id"].to_numpy().reshape(shape) if whole else np.zeros((1, 1))
    if not whole or (ids != ids[:, :1]).any():
        raise ResultError(
            "is no whole result of pigou batch: its rows are not ordered by case, each with the"
            " same policies"
        )
    if older := next((name for name in NEEDED if name not in frame), None):
        raise ResultError(
            f"was written by an older version of pigou: it has no column {older}; run the batch"
            " again"
        )
    written = {"case_id", *TEXT, *NUMBERS, *carried}

    def words(name: str) -> NDArray[np.object_]:
        column = (
            frame[name].to_numpy(object) if name in frame else np.full(len(frame), None, object)
        )
        return np.array([word if isinstance(word, str) else "" for word in column], object).reshape(
            shape
        )

    return Result(
        policies=policies,
        figures={name: _numbers(frame[name]).reshape(shape) for name in NUMBERS if name in frame},
        status=frame["status"].to_numpy(object).reshape(shape),
        truth=words("ic"),
        joining=words("ir"),
        best=words("best")[:, 0],
        keys={name: _key(frame[name])[::width] for name in frame.columns if name not in written},
    )


def _key(column: Any) -> NDArray[Any]:
    """A column of what was varied."""
    values: NDArray[Any] = column.to_numpy()
    if values.dtype.kind in "fiu":
        _countable(column.name, values)
    return values


def _numbers(column: Any) -> Array:
    """A column of figures."""
    try:
        figures = np.asarray(pd.to_numeric(column).to_numpy(float))
    except (
        ValueError,
        TypeError,
        OverflowError,
    ) as error:  # whole numbers may have any number of digits
        raise ResultError(
            f"has something else than numbers in the column {column.name}:"
            f" {str(error).splitlines()[0]}"
        ) from None
    _countable(column.name, figures)
    return figures


def _countable(name: object, figures: NDArray[Any]) -> None:
    """Refuses figures that cannot be added up or squared."""
    large = figures[np.abs(figures) > LARGEST]
    if large.size:
        raise ResultError(
            f"has {large[0]:g} in the column {name}, which is no figure of a market: correct it, or"
            " run the batch again"
        )


def findings(result: Result, by: list[str]) -> Findings:
    """The findings of a result, pivoted by some of its keys (by default all that were varied)."""
    best = result.best
    asked = [policy_of(key).requires if known(key) else None for key in best]
    return Findings(
        cases=len(best),
        policies=_policies(result, np.ones(len(best), bool)),
        undecided=float((best == "").mean()),
        inadmissible=float((result.status == "bad_case").all(1).mean()),
        unlisted=float(np.mean([key not in ("", *result.policies) for key in best])),
        asks={rung: sum(requires == rung for requires in asked) / len(best) for rung in RUNGS},
        by={key: _pivot(result, key) for key in by or list(result.keys)},
    )


def _policies(result: Result, which: NDArray[np.bool_]) -> tuple[PolicyFinding, ...]:
    """Every policy over some cases."""
    return tuple(_policy(result, j, which) for j in range(len(result.policies)))


def _policy(result: Result, j: int, which: NDArray[np.bool_]) -> PolicyFinding:
    """One policy over some cases."""
    status, figures = result.status[which, j], result.figures
    names = ("welfare", "value", "public_outlay", "outlay_joined", "ic_max_gain", "ir_min_slack")
    return PolicyFinding(
        policy=result.policies[j],
        wins=float((figures["recommended"][which, j] == 1).mean()) if result.competes(j) else None,
        competes=float((figures["competes"][which, j] == 1).mean()),
        solved=float(np.isin(status, sorted(SOLVED)).mean()),
        corner=float((status == "corner").mean()),
        status={
            str(name): int(count)
            for name, count in zip(*np.unique(status.astype(str), return_counts=True), strict=True)
        },
        truthful=_share(result.truth[which, j]),
        joined=_share(result.joining[which, j]),
        against_market=_against_market(result, j, which),
        spreads={name: _spread(figures[name][which, j]) for name in names if name in figures},
    )


def _against_market(result: Result, j: int, which: NDArray[np.bool_]) -> AgainstMarket | None:
    if not {PRIVATE_MARKET, TODAY} & set(result.policies):
        return None
    value = result.figures["value"][which, j]
    better = value - result.today("value")[which]
    profits = {firm: f"profit_{firm}" for firm in (1, 2) if f"profit_{firm}" in result.figures}
    found = np.isfinite(better)
    return AgainstMarket(
        gain=_spread(better),
        profit={
            firm: _spread(result.figures[name][which, j] - result.today(name)[which])
            for firm, name in profits.items()
        },
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
    return Spread(
        mean=float(found.mean()),
        quantiles={q: float(v) for q, v in zip(QUANTILES, at, strict=True)},
    )


def _pivot(result: Result, key: str) -> tuple[Group, ...]:
    """Every policy within groups of a key's values; where keys were varied one at a time, with the
    others as in the first case."""
    differs = np.array([values != values[0] for values in result.keys.values()])
    others = differs.sum(0) - differs[list(result.keys).index(key)]
    alone = (
        others == 0
        if len(differs) > 1 and (differs.sum(0) <= 1).all()
        else np.ones(len(others), bool)
    )
    out = []
    for values in groups(result.keys[key][alone]):
        which = np.zeros(len(others), bool)
        which[np.flatnonzero(alone)[values.which]] = True
        group = Group(
            name=values.name,
            low=values.low,
            missing=values.missing,
            cases=int(which.sum()),
            decided=int((result.best[which] != "").sum()),
            policies=_policies(result, which),
        )
        out.append(group)
    return tuple(out)


@dataclass(frozen=True, kw_only=True)
class Readings:
    """Similar values of a key."""

    name: str
    """In words."""
    which: NDArray[np.bool_]
    """(cases,): who has them."""
    low: float | None = None
    """The lowest; None where they are no numbers."""
    missing: bool = False
    """Whether there is no value."""


def groups(values: NDArray[Any]) -> list[Readings]:
    """Groups of a key's values: each value where there are few, else ranges of equal size."""
    numeric = values.dtype != object
    missing = pd.isna(values)
    distinct = np.unique(values[~missing])
    rest = [Readings(name="null", which=missing, missing=True)] if missing.any() else []
    if len(distinct) <= FEW or not numeric:
        return [
            Readings(name=f"{v:g}" if numeric else str(v), which=values == v, low=_number(v))
            for v in distinct
        ] + rest
    edges = np.unique(np.quantile(distinct, np.linspace(0, 1, BINS + 1)))
    found = []
    for n, (low, high) in enumerate(pairwise(edges)):
        last = n == len(edges) - 2
        which = (values >= low) & ((values <= high) if last else (values < high))
        found.append(Readings(name=f"{low:.4g} to {high:.4g}", which=which, low=float(low)))
    return found + rest


def _number(value: Any) -> float | None:
    """A value as a number, also where it stands as text; None for what is none."""
    try:
        return float(value)
    except ValueError:
        return None


# --- how a win rate runs


def _shapes(found: Sequence[Group]) -> dict[str, Shape]:
    """By policy that competes, over groups from low to high."""
    some = [group for group in found if group.decided]
    of = [group.decided for group in some]
    out: dict[str, Shape] = {}
    for j, policy in enumerate(found[0].policies if some else ()):
        if policy.wins is not None:
            out[policy.policy] = shape(
                [round((group.policies[j].wins or 0.0) * group.cases) for group in some], of
            )
    return out


def shape(won: Sequence[int], of: Sequence[int]) -> Shape:
    """How the rate of what was won of so many runs over groups in their order, leaving out what may
    be sampling error: the turns between rates that differ significantly (Agresti and Caffo's
    interval, for all pairs of groups together).
    """
    pairs = len(of) * (len(of) - 1) // 2
    if not pairs:
        return "flat"
    z = NormalDist().inv_cdf(1 - DOUBT / (2 * pairs))
    rate = [(k + 1) / (n + 2) for k, n in zip(won, of, strict=True)]
    variance = [p * (1 - p) / (n + 2) for p, n in zip(rate, of, strict=True)]

    def above(i: int, j: int) -> bool:
        return rate[i] - rate[j] > z * (variance[i] + variance[j]) ** 0.5

    moves: list[str] = []
    low = high = 0  # the lowest and the highest group since the last turn
    for k in range(1, len(of)):
        last = moves[-1] if moves else ""
        if last != "rises" and above(k, low):
            moves.append("rises")
            high = k
        elif last != "falls" and above(high, k):
            moves.append("falls")
            low = k
        low, high = (k if rate[k] < rate[low] else low), (k if rate[k] > rate[high] else high)
    told: tuple[Shape, ...] = get_args(Shape)
    name = ", then ".join(moves) or "flat"
    return next((one for one in told if one == name), "irregular")
