"""What the design file of a batch makes: which cases, which policies.

Cases are a base case with keys varied over a grid, one at a time or at quasi-random points, or with
the rows of a table, or case files one by one. Nothing is expanded: any range of cases can be asked
for, and a case depends on its number alone.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cli.batch.cases_table import FIXED, read_cases
from cli.batch.design_file import MOST_CASES, DesignFile, Range, SampleBlock, Values
from cli.batch.formats import Kind
from cli.batch.parts import canonical
from cli.batch.points import (
    Axis,
    CasePoints,
    Grid,
    LatinHypercube,
    Listed,
    OneAtATime,
    Sobol,
    Table,
)
from cli.naming import no_policy, on_reports
from market.casefile.faults import BadCase, Fault, KeyPath, dotted, show
from market.casefile.files import Document, read_document
from market.casefile.schema import check
from market.casefile.tables import TableFault
from market.text import Json
from mechanism.casefile.case_keys import expanded, key_fault, key_path, set_at, value_at
from mechanism.casefile.distributions import (
    BOUNDED,
    Distribution,
    correlation_faults,
    ends_of,
    form_faults,
    form_of,
    quantile,
    rank_correlations,
)
from mechanism.casefile.policies import compared, policies, policy_of
from mechanism.casefile.policy_case import PolicyCase, load_case, parse_tree
from mechanism.casefile.schema import CaseFile
from mechanism.casefile.standard import standard_of
from mechanism.casefile.together import Together, gathered, read_together
from mechanism.casefile.types import type_space
from mechanism.casefile.uncertainty import left_unused
from mechanism.ranking.contenders import in_the_running

MOST_DRAWN = 2**23
"""Numbers of the largest Latin hypercube, which is made whole."""
MOST_STEPS = 2**20
"""Points per key of the longest one_at_a_time, which is made whole."""
OPTIONS = ("mechanism.participation", "mechanism.timing", "mechanism.allow")
"""Options that decide what may compete, besides the types."""
RANDOM = ("sobol", "latin_hypercube")
"""The ways to sample that draw points."""


@dataclass(frozen=True, kw_only=True)
class BatchDesign:
    """The cases of a batch, by number, and the policies."""

    name: str
    policies: tuple[str, ...]
    points: CasePoints
    keys: Mapping[str, Kind]
    """The varied keys and what they hold."""
    bases: tuple[Json, ...]
    """The resolved case that all cases differ from; or every case, where they are listed."""
    identity: Json
    """Whatever decides the result, as plain values."""
    seed: int | None = None
    warnings: tuple[str, ...] = ()
    files: tuple[Path, ...] = field(default=())
    """What was read."""

    @property
    def count(self) -> int:
        """How many cases there are."""
        return self.points.count

    @property
    def slow(self) -> bool:
        """Whether a case takes far longer than some regimes: what rests on private types does."""
        return any(base.get("types") for base in self.bases) and any(
            policy_of(key).source != "regime" for key in self.policies
        )

    def columns(self, start: int, stop: int) -> dict[str, NDArray[Any]]:
        """The values of the varied keys in the cases of this range, NaN or None where a value is
        null."""
        return self.points.columns(start, stop)

    @property
    def carried(self) -> Mapping[str, Kind]:
        """The columns of a table that are carried through, and what they hold."""
        if not isinstance(self.points, Table):
            return {}
        kinds: dict[str, Kind] = {"O": "text", "f": "float", "i": "int"}
        return {name: kinds[held.dtype.kind] for name, held in self.points.carried.items()}

    def carried_columns(self, start: int, stop: int) -> dict[str, NDArray[Any]]:
        """What they hold in the cases of this range."""
        if not isinstance(self.points, Table):
            return {}
        return {name: held[start:stop] for name, held in self.points.carried.items()}

    def ids(self, start: int, stop: int) -> NDArray[Any]:
        """What the result calls the cases of this range."""
        return self.points.ids(start, stop)

    def read(
        self, columns: Mapping[str, NDArray[Any]]
    ) -> tuple[list[Together], dict[int, BadCase]]:
        """The cases with these values of the varied keys, and what is wrong with those that are
        none."""
        count = len(next(iter(columns.values()), ()))
        if not isinstance(self.points, Listed):
            return read_together(self.bases[0], columns, count)
        named = dict(zip(self.points.files, self.bases, strict=True))
        return gathered([parse_tree(named[name]) for name in columns["case"]]), {}


def load_design(
    path: str | Path, document: Document | None = None, faults: Iterable[Fault] = ()
) -> BatchDesign:
    """The design in a YAML, JSON or TOML file, or in what was read from it."""
    path, found = Path(path), list(faults)
    document = document or read_document(path, faults=found)
    if "policies" not in document.tree and {"demand", "security", "cost"} & set(document.tree):
        raise BadCase(
            [
                Fault(
                    document.place(()),
                    "",
                    "is a case, not the design of a batch; `pigou evaluate` takes it",
                )
            ]
        )
    return _Reader(
        check(DesignFile, document.tree, document=document, faults=found), document, path
    ).design()


def repeats(values: Sequence[Any]) -> set[int]:
    """The numbers of the values that stand earlier in the list too."""
    seen: set[Any] = set()
    found: set[int] = set()
    for n, value in enumerate(values):
        mark = value if isinstance(value, Hashable) else canonical(value)
        if mark in seen:
            found.add(n)
        seen.add(mark)
    return found


def _kinds(points: CasePoints) -> dict[str, Kind]:
    """What is varied, and whether that is numbers or texts."""
    if isinstance(points, Listed):
        return {"case": "text"}
    first = points.columns(0, 1)
    return {key: "text" if first[key].dtype == object else "float" for key in points.keys}


class _Reader:
    """Makes a design of a file whose keys are in order, gathering what is wrong between them."""

    def __init__(self, file: DesignFile, document: Document, path: Path) -> None:
        self.file, self.document, self.path = file, document, path
        self.faults: list[Fault] = []

    def fault(self, path: KeyPath, message: str) -> None:
        """Note a fault of the key at this path."""
        self.faults.append(Fault(self.document.place(path), dotted(path), message))

    def design(self) -> BatchDesign:
        """The design, or `BadCase`."""
        file = self.file
        self._forms()
        listed = self._listed()
        base = self._case(("case",), file.case) if file.case and not file.cases else None
        known = [case for case in [*listed, base] if case is not None]
        policies = self._policies(known)
        points = self._points(base)
        if self.faults or points is None:
            raise BadCase(self.faults)
        keys = _kinds(points)
        return BatchDesign(
            name=file.name or self.path.stem,
            policies=policies or self._all_policies(known, keys),
            points=points,
            keys=keys,
            bases=tuple({**case.resolved, "expect": {}} for case in known),
            identity={
                "design": json.loads(json.dumps(file.model_dump(mode="json"))),
                "case": None if base is None else base.resolved,
                "cases_sha256": [case.sha256 for case in known] if file.cases else None,
                "table_sha256": points.sha256 if isinstance(points, Table) else None,
            },
            seed=file.sample.seed if file.sample is not None else None,
            warnings=self._warnings(points, known),
            files=(
                *(Path(name) for name in self.document.files),
                *(case.path for case in known if case.path is not None),
                *([self.path.parent / file.table] if file.table is not None else []),
            ),
        )

    def _listed(self) -> list[PolicyCase | None]:
        """The cases that are listed, each once."""
        names = self.file.cases or ()
        again = repeats(names)
        cases = [self._case(("cases", n), name) for n, name in enumerate(names) if n not in again]
        for n in sorted(again):
            self.fault(("cases", n), f"is {names[n]} again; list each case once")
        return cases

    def _points(self, base: PolicyCase | None) -> CasePoints | None:
        """Which cases; None where that cannot be said."""
        if self.file.cases:
            return Listed(self.file.cases)
        if base is not None and self.file.table is not None:
            return self._table(base)
        if base is not None and self.file.vary is not None:
            return self._varied(base)
        return None

    def _forms(self) -> None:
        """Exactly one way of saying which cases."""
        file = self.file
        given = [key for key in ("vary", "table", "cases") if getattr(file, key) is not None]
        if not given:
            self.fault(
                (), "says nothing about which cases; give vary with sample, or table, or cases"
            )
        for key in given[1:]:
            self.fault((key,), f"stands beside {given[0]}; give one of vary, table, cases")
        if given and given[0] != "cases" and file.case is None:
            self.fault(("case",), "is missing; give the path of the base case")
        if given == ["cases"] and file.case is not None:
            self.fault(
                ("case",), "stands beside cases, which are taken as they are; remove one of them"
            )
        if file.sample is not None and file.vary is None and given:
            self.fault(
                ("sample",), f"stands beside {given[0]}, where nothing is sampled; remove it"
            )
        if file.columns is not None and file.table is None:
            self.fault(("columns",), "maps headers of a table, and there is no table; remove it")
        if (
            file.sample is None
            and file.vary is not None
            and not all(isinstance(axis, Values) for axis in file.vary.values())
        ):
            self.fault(
                ("sample",),
                "is missing; give a method and a count, such as {method: sobol, count: 1024,"
                " seed: 0}",
            )

    def _case(self, path: KeyPath, name: str) -> PolicyCase | None:
        place = self.path.parent / name
        if not os.path.exists(place):
            self.fault(
                path,
                f"is {name}: there is no such file beside this one; `pigou examples list` shows the"
                " cases that are shipped",
            )
            return None
        try:
            return load_case(place)
        except BadCase as bad:
            self.faults.extend(bad.faults)
            return None

    def _policies(self, known: list[PolicyCase]) -> tuple[str, ...]:
        """The policies that are listed; none for `all`."""
        asked = self.file.policies
        if asked == "all":
            return ()
        again = repeats(asked)
        for n, policy in enumerate(asked):
            if message := no_policy(policy):
                self.fault(("policies", n), f"is {show(policy)}, which {message}")
            elif n in again:
                self.fault(("policies", n), f"is {policy} again; list each policy once")
            elif on_reports(policy) and (bare := [case for case in known if case.types is None]):
                where = bare[0].path or bare[0].name
                self.fault(
                    ("policies", n),
                    f"is {policy}, a tax on reports: {where} needs `types`, what the regulator"
                    " knows of private spillovers",
                )
        return asked

    @staticmethod
    def _all_policies(known: list[PolicyCase], keys: Collection[str]) -> tuple[str, ...]:
        """What may be recommended at any case, and the planner, where these keys are varied."""
        unpaid, more = (
            OPTIONS[0] in keys,
            any(key in OPTIONS or key.startswith("types.") for key in keys),
        )
        found: set[str] = set()
        for case in known:
            types = None if case.types is None else type_space(case.types)
            rows = in_the_running(types, standard_of(case.mechanism))
            if more:  # what the base's own options leave out may compete at others
                private = types is not None
                rows += tuple(row for row in compared(private, unpaid) if not row.bar(private))
            found |= {row.key for row in rows}
        return tuple(row.key for row in policies() if row.key in found)

    def _warnings(self, points: CasePoints, known: Sequence[PolicyCase]) -> tuple[str, ...]:
        out = []
        if isinstance(points, Sobol) and points.count & (points.count - 1):
            power = 2 ** round(math.log2(points.count))
            out.append(
                f"sample.count is {points.count}; Sobol points are evenly spread for powers of two,"
                f" such as {power}"
            )
        unused = (left_unused(case.uncertainty) for case in known)
        return (*out, *dict.fromkeys(text for text in unused if text))

    def _key(self, path: KeyPath, key: str, base: PolicyCase) -> bool:
        """Whether this dotted key can be varied; a fault if not."""
        message = key_fault(base.resolved, key)
        if message is not None:
            self.fault(path, message)
        return message is None

    def _overlap(self, block: str, keys: list[str]) -> None:
        for key in keys:
            for other in keys:
                if key.startswith((f"{other}[", f"{other}.")):
                    self.fault(
                        (block, key), f"stands beside {other}, which holds it; vary one of them"
                    )

    def _varied(self, base: PolicyCase) -> CasePoints | None:
        assert self.file.vary is not None
        axes = [
            self._given(key, given, base)
            if isinstance(given, Values)
            else self._ranged(key, given, base)
            if isinstance(given, Range)
            else self._spread(key, given, base)
            for key, given in self.file.vary.items()
            if self._key(("vary", key), key, base)
        ]
        self._overlap("vary", list(self.file.vary))
        self._sampled(axes)
        self._correlated()
        if self.faults:
            return None
        points = self._sample(axes, base)
        if points.count > MOST_CASES:
            self.fault(
                ("sample",),
                f"gives {points.count:,} cases, more than {MOST_CASES:,}; take fewer points, or"
                " method sobol",
            )
        return points

    def _ranged(self, key: str, given: Range, base: PolicyCase) -> Axis:
        """A key that takes the values of a range."""
        low, high = ("vary", key, "low"), ("vary", key, "high")
        if not given.low < given.high:
            self.fault(high, f"is {show(given.high)}; it must lie above low = {show(given.low)}")
        elif given.log and given.low <= 0:
            self.fault(
                low,
                f"is {show(given.low)}; with log it must lie in (0, high = {show(given.high)})",
            )
        else:
            self._admissible(low, key, given.low, base)
            self._admissible(high, key, given.high, base)
        form = "log_uniform" if given.log else "uniform"
        return Axis(
            key=key, distribution=Distribution(**{form: (given.low, given.high)}), ends=True
        )

    def _spread(self, key: str, given: Distribution, base: PolicyCase) -> Axis:
        """A key that takes the values of a distribution; of one without ends, the median has to be
        admissible."""
        wrong = list(form_faults(given))
        for below, told in wrong:
            self.fault(("vary", key, *below), told)
        if not wrong:
            form = form_of(given)
            median = float(quantile(given, np.array(0.5)))
            for value in ends_of(given) if form in BOUNDED else (median,):
                self._admissible(("vary", key, form), key, value, base)
        return Axis(key=key, distribution=given)

    def _correlated(self) -> None:
        """Rank correlations are of keys that are varied, and where they can be had."""
        if self.file.sample is None or not self.file.sample.correlation:
            return
        if self.file.sample.method != "sobol":
            self.fault(
                ("sample", "correlation"),
                f"stands beside method {self.file.sample.method}, whose points are not drawn"
                " together; take method sobol",
            )
        for at, told in correlation_faults(
            self.file.sample.correlation, list(self.file.vary or ())
        ):
            self.fault(("sample", "correlation", *at), told)

    def _given(self, key: str, given: Values, base: PolicyCase) -> Axis:
        """A key that takes the values of a list."""
        at: KeyPath = ("vary", key, "values")
        values = given.values
        again = repeats(values)
        for n, value in enumerate(values):
            if n in again:
                self.fault((*at, n), f"is {show(value)} again; list each value once")
            self._admissible((*at, n), key, value, base)
        if {True, False} <= {isinstance(value, str) for value in values if value is not None}:
            self.fault(at, "mixes numbers and texts")
        if given.weights is not None and len(given.weights) != len(values):
            self.fault(
                ("vary", key, "weights"),
                f"has {len(given.weights)} entries; give one for each of the {len(values)} values",
            )
        method = "grid" if self.file.sample is None else self.file.sample.method
        if given.weights is not None and method not in RANDOM:
            self.fault(
                ("vary", key, "weights"),
                f"counts where values are drawn, and method {method} takes each once; leave it out",
            )
        return Axis(key=key, values=tuple(values), weights=given.weights)

    def _sampled(self, axes: Sequence[Axis]) -> None:
        """How many points there are is said where it must be, and is not too many."""
        sample = self.file.sample or SampleBlock(method="grid")
        random, count = sample.method in RANDOM, sample.count or 1
        ranges = any(axis.distribution is not None for axis in axes)
        if self.file.sample is not None and sample.count is None and (random or ranges):
            what = "the number of cases" if random else "the number of points of each range"
            self.fault(("sample", "count"), f"is missing; give {what}")
        drawn = count * len(axes)
        if sample.method == "latin_hypercube" and drawn > MOST_DRAWN:
            self.fault(
                ("sample", "count"),
                f"makes {drawn:,} numbers, more than the {MOST_DRAWN:,} of a hypercube; take method"
                " sobol",
            )
        if sample.method == "one_at_a_time" and count > MOST_STEPS:
            self.fault(
                ("sample", "count"),
                f"is {count:,}; one_at_a_time takes at most {MOST_STEPS:,} points per key",
            )

    def _sample(self, axes: list[Axis], base: PolicyCase) -> CasePoints:
        """The points of a way to sample."""
        sample = self.file.sample or SampleBlock(method="grid")
        count = sample.count or 1
        if sample.method == "sobol":
            keys = [axis.key for axis in axes]
            ranks = rank_correlations(sample.correlation, keys) if sample.correlation else None
            return Sobol(tuple(axes), count, sample.seed, ranks)
        if sample.method == "latin_hypercube":
            return LatinHypercube(tuple(axes), count, sample.seed)
        if sample.method == "grid":
            return Grid(tuple(axes), count)
        return self._one_at_a_time(axes, count, base)

    def _one_at_a_time(self, axes: list[Axis], count: int, base: PolicyCase) -> CasePoints:
        around = []
        for axis in axes:
            steps = key_path(axis.key)
            value = value_at(expanded(base.resolved, steps), steps)
            if isinstance(value, list):
                self.fault(
                    ("vary", axis.key),
                    f"has one value per firm in the base case; vary {axis.key}[0] or {axis.key}[1]",
                )
            around.append(value)
        return OneAtATime(tuple(axes), count, tuple(around))

    def _admissible(self, path: KeyPath, key: str, value: Any, base: PolicyCase) -> None:
        """Refuse a value that the key cannot take whatever else is varied; rules between keys are
        for the cases themselves."""
        steps = key_path(key)
        tree = deepcopy(base.resolved)
        set_at(tree, steps, value)
        try:
            check(CaseFile, tree)
        except BadCase as bad:
            self.fault(path, bad.faults[0].message)

    def _table(self, base: PolicyCase) -> CasePoints | None:
        assert self.file.table is not None
        place, faults = self.path.parent / self.file.table, len(self.faults)
        try:
            found = read_cases(place, self.file.columns, base.resolved)
        except FileNotFoundError:
            self.fault(("table",), f"is {self.file.table}: there is no such file beside this one")
            return None
        except (OSError, TableFault) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            self.fault(
                ("table",), f"is {self.file.table}, which cannot be read as a table: {reason}"
            )
            return None
        for message in found.faults:
            self.fault(("table",), message)
        if found.table is None:
            return None
        if not found.table.count:
            self.fault(("table",), f"is {self.file.table}, which has no rows")
        if not found.table.keys:
            names = ", ".join([*(["case_id"] * (found.table.numbers is not None))])
            self.fault(
                ("table",),
                f"is {self.file.table}, whose only columns are {names}; columns are dotted keys,"
                " or mapped to keys by `columns`",
            )
        taken = set(FIXED) | set(found.table.keys)
        for name in sorted(taken & set(found.table.carried)):
            self.fault(
                ("table",),
                f"has the column {name}, which the result has too; rename it in the table",
            )
        return found.table if len(self.faults) == faults else None
