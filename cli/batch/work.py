"""What a batch computes: from a range of cases of a design to rows, one per case and policy."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cli.batch.design import BatchDesign
from cli.batch.formats import CARRIED, FIRMS, Columns, Kind
from cli.batch.points import Listed
from cli.batch.runner import Job
from cli.output.beside import PROVENANCE
from cli.output.signals import uninterrupted
from market.casefile.faults import BadCase
from market.text import Json
from mechanism.analysis.many import NUMBERS
from mechanism.casefile.policy_case import PolicyCase, parse_tree, tree_sha256
from mechanism.report.provenance import command_line, provenance

Rows = dict[str, NDArray[Any]]

TEXTS = ("ic", "ir", "message", "why_not", "best")
"""The columns of words that follow: whether truth and participation hold under a tax rule, why
there are no figures, why a policy does not compete, and what is recommended at the case."""

CASES = "pigou.cases"
"""Where the metadata of a result have the cases themselves, if they were listed as files."""

FAILED = ("bad_case", "failed")
"""The statuses of a case that could not be made, and of one that the program broke at."""

CHUNK, SLOW_CHUNK = 1000, 400
"""Cases of a full chunk: what is lost when a worker dies, or a run is killed."""
SHARES = 32
"""Chunks that a small design is cut into at least, so that there is work for many workers."""


@dataclass(frozen=True)
class Work:
    """The rows of any cases of a design. Picklable; it holds the design, not the cases."""

    design: BatchDesign

    def __call__(self, start: int, stop: int) -> Columns:
        """The rows of the cases of this range."""
        return self._rows(
            self.design.trees(start, stop),
            self.design.ids(start, stop),
            self.design.columns(start, stop),
            self.design.carried_columns(start, stop),
        )

    def probe(self, numbers: Sequence[int]) -> tuple[Columns, float]:
        """The rows of these cases, solved together, and the seconds of solving: far places of a
        sequence take long to reach."""
        trees = [tree for n in numbers for tree in self.design.trees(n, n + 1)]
        ids = np.concatenate([self.design.ids(n, n + 1) for n in numbers])
        pieces = [self.design.columns(n, n + 1) for n in numbers]
        columns = {
            key: np.concatenate([piece[key] for piece in pieces]) for key in self.design.keys
        }
        others = [self.design.carried_columns(n, n + 1) for n in numbers]
        carried = {name: np.concatenate([one[name] for one in others]) for name in others[0]}
        begun = time.perf_counter()
        return self._rows(trees, ids, columns, carried), time.perf_counter() - begun

    def _rows(
        self,
        trees: Iterable[Json],
        ids: NDArray[np.int64],
        varied: Mapping[str, NDArray[Any]],
        carried: Mapping[str, NDArray[Any]],
    ) -> Columns:
        cases: list[PolicyCase | str] = []
        for tree in trees:
            try:
                with uninterrupted():
                    cases.append(parse_tree(tree, name=self.design.name))
            except BadCase as bad:
                cases.append("; ".join(map(str, bad.faults)))
        width = len(self.design.policies)
        head: Rows = {"case_id": np.repeat(ids, width)}
        head |= {key: np.repeat(values, width) for key, values in varied.items()}
        tail = {name: np.repeat(values, width) for name, values in carried.items()}
        return head | self._solved(cases) | tail

    def _solved(self, cases: list[PolicyCase | str]) -> Rows:
        """The rows of these cases, those that are bad saying why."""
        policies = self.design.policies
        rows = len(cases) * len(policies)
        out: Rows = {
            "policy": np.array(list(policies) * len(cases), object),
            "status": np.full(rows, "bad_case", object),
        }
        out |= {name: np.full(rows, np.nan) for name in NUMBERS} | {
            name: np.full(rows, None, object) for name in TEXTS
        }
        for n, case in enumerate(cases):
            if isinstance(case, str):
                out["message"][self._at([n])] = " ".join(case.split())
        self._fill(out, {n: case for n, case in enumerate(cases) if isinstance(case, PolicyCase)})
        return out

    def _at(self, which: Sequence[int]) -> NDArray[np.intp]:
        """The rows of these cases."""
        width = len(self.design.policies)
        return (np.array(which, np.intp)[:, None] * width + np.arange(width)).ravel()

    def _fill(self, out: Rows, cases: Mapping[int, PolicyCase]) -> None:
        """Write the rows of cases by number; where the program breaks at all of them together, each
        is tried alone."""
        from mechanism.analysis.many import solve_many

        if not cases:
            return
        at = self._at(list(cases))
        try:
            found = solve_many(list(cases.values()), self.design.policies)
        except Exception as error:
            if len(cases) > 1:
                for n, case in cases.items():
                    self._fill(out, {n: case})
                return
            out["status"][at], out["message"][at] = (
                "failed",
                " ".join(f"{type(error).__name__}: {error}".split()),
            )
            return
        for name in ("status", *NUMBERS):
            out[name][at] = found[name]
        for name in TEXTS:
            out[name][at] = [text or None for text in found[name]]


def failed_cases(columns: Columns) -> int:
    """How many cases among these rows failed; all rows of one case fail together."""
    failed = np.array([status in FAILED for status in columns["status"]], bool)
    return len(np.unique(np.asarray(columns["case_id"])[failed]))


def result_columns(design: BatchDesign) -> dict[str, Kind]:
    """The columns of the result and what they hold."""
    figures: dict[str, Kind] = dict.fromkeys(NUMBERS, "float")
    texts: dict[str, Kind] = dict.fromkeys(TEXTS, "text")
    named: Kind = "text" if design.ids(0, 1).dtype == object else "int"
    found: dict[str, Kind] = {"case_id": named, **design.keys, "policy": "text", "status": "text"}
    return {**found, **figures, **texts, **design.carried}


def chunk_size(design: BatchDesign) -> int:
    """Cases of a full chunk: fewer where each takes long, and in a small design."""
    most = SLOW_CHUNK if design.slow else CHUNK
    return max(1, min(most, max(16, -(-design.count // SHARES))))


def job(design: BatchDesign, form: str, version: str) -> Job:
    """The design as a job for the runner; `form` is the ending of the result's name."""
    identity: Json = {**design.identity, "result": form, "pigou": version}
    listed = isinstance(design.points, Listed)
    told = provenance(command_line("batch", "DESIGN"), tree_sha256(design.identity), design.seed)
    metadata: Mapping[str, str] = {
        PROVENANCE: json.dumps(told, sort_keys=True),
        "pigou.design": json.dumps(design.identity, sort_keys=True, ensure_ascii=False),
        "pigou.count": str(design.count),
        CARRIED: json.dumps(list(design.carried), ensure_ascii=False),
        "pigou.schema_version": "1",
        **({CASES: json.dumps(design.bases, ensure_ascii=False)} if listed else {}),
        "pigou.seed": "" if design.seed is None else str(design.seed),
        "pigou.version": version,
    }
    named = [base.get("firms") for base in design.bases]
    if named and named[0] and all(names == named[0] for names in named):
        metadata = {**metadata, FIRMS: json.dumps(named[0], ensure_ascii=False)}
    return Job(
        work=Work(design),
        cases=design.count,
        chunk=chunk_size(design),
        columns=result_columns(design),
        failed=failed_cases,
        identity=identity,
        metadata=metadata,
    )
