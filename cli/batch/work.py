"""What a batch computes: from a range of cases of a design to rows, one per case and policy."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
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
from market.text import Json
from mechanism.analysis.many import NUMBERS, TOLD
from mechanism.casefile.policy_case import tree_sha256
from mechanism.casefile.together import Together
from mechanism.report.provenance import command_line, provenance

Rows = dict[str, NDArray[Any]]

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
            self.design.ids(start, stop),
            self.design.columns(start, stop),
            self.design.carried_columns(start, stop),
        )

    def probe(self, numbers: Sequence[int]) -> tuple[Columns, float]:
        """The rows of these cases, solved together, and the seconds of solving: far places of a
        sequence take long to reach."""
        ids = np.concatenate([self.design.ids(n, n + 1) for n in numbers])
        pieces = [self.design.columns(n, n + 1) for n in numbers]
        columns = {
            key: np.concatenate([piece[key] for piece in pieces]) for key in self.design.keys
        }
        others = [self.design.carried_columns(n, n + 1) for n in numbers]
        carried = {name: np.concatenate([one[name] for one in others]) for name in others[0]}
        begun = time.perf_counter()
        return self._rows(ids, columns, carried), time.perf_counter() - begun

    def _rows(
        self,
        ids: NDArray[np.int64],
        varied: Mapping[str, NDArray[Any]],
        carried: Mapping[str, NDArray[Any]],
    ) -> Columns:
        with uninterrupted():
            alike, bad = self.design.read(varied)
        out = self._solved(alike, len(ids))
        for n, why in bad.items():
            at = self._at(np.array([n]))
            out["status"][at] = "bad_case"
            out["message"][at] = " ".join("; ".join(map(str, why.faults)).split())
        for name in TOLD:
            out[name][out[name] == ""] = None
        width = len(self.design.policies)
        head: Rows = {"case_id": np.repeat(ids, width)}
        head |= {key: np.repeat(values, width) for key, values in varied.items()}
        tail = {name: np.repeat(values, width) for name, values in carried.items()}
        return head | {name: out[name] for name in ("policy", "status", *NUMBERS, *TOLD)} | tail

    def _solved(self, alike: list[Together], count: int) -> Rows:
        """The rows of so many cases; where the program breaks at all of them together, each is
        tried alone."""
        from mechanism.analysis.many import solve_together

        policies = self.design.policies
        try:
            return solve_together(alike, count, policies)
        except Exception as error:
            out = solve_together([], count, policies)
            each = [some.take(np.array([n])) for some in alike for n in range(len(some.at))]
            if len(each) == 1:
                at = self._at(each[0].at)
                out["status"][at] = "failed"
                out["message"][at] = " ".join(f"{type(error).__name__}: {error}".split())
                return out
        for one in each:
            at, found = self._at(one.at), self._solved([one], count)
            for name, column in found.items():
                out[name][at] = column[at]
        return out

    def _at(self, which: NDArray[np.intp]) -> NDArray[np.intp]:
        """The rows of these cases."""
        width = len(self.design.policies)
        return (which[:, None] * width + np.arange(width)).ravel()


def failed_cases(columns: Columns) -> int:
    """How many cases among these rows failed; all rows of one case fail together."""
    failed = np.array([status in FAILED for status in columns["status"]], bool)
    return len(np.unique(np.asarray(columns["case_id"])[failed]))


def result_columns(design: BatchDesign) -> dict[str, Kind]:
    """The columns of the result and what they hold."""
    figures: dict[str, Kind] = dict.fromkeys(NUMBERS, "float")
    texts: dict[str, Kind] = dict.fromkeys(TOLD, "text")
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
