"""The table of a batch read back, and cases of it run again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cli.batch.design import BatchDesign
from cli.batch.formats import metadata_of, read_table
from cli.batch.points import Listed, Table
from cli.batch.work import CASES, Work
from cli.output.beside import DIGEST, PROVENANCE
from cli.results.leaves import TOLERANCE, Differing, differing
from cli.results.read import NoResult
from mechanism.analysis.many import NUMBERS, TOLD
from mechanism.casefile.policies import known
from mechanism.casefile.policy_case import tree_sha256

AT_ONCE = 250
"""Cases that are run again together."""
FIGURES = ("status", *NUMBERS, *TOLD)
"""The columns that are found, not asked."""


@dataclass(frozen=True, kw_only=True)
class BatchTable:
    """The rows of a batch, case by case."""

    metadata: dict[str, str]
    rows: dict[str, NDArray[Any]]
    """By column, floats with NaN or texts with None."""
    policies: tuple[str, ...]
    design: BatchDesign
    """Made of the rows themselves: their cases are those that the figures have to belong to."""
    findings: tuple[Differing, ...] = ()
    """What does not fit together before anything is solved."""

    @property
    def count(self) -> int:
        """How many cases."""
        return self.design.count

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the table says that it comes from."""
        try:
            told = json.loads(self.metadata.get(PROVENANCE, "{}"))
        except ValueError:
            return {}
        return told if isinstance(told, dict) else {}

    def tree(self, cases: NDArray[np.intp]) -> dict[str, Any]:
        """The rows of some cases, by case and policy."""
        width = len(self.policies)
        at = (cases[:, None] * width + np.arange(width)).ravel()
        return _tree(self.design, cases, {name: self.rows[name][at] for name in self.rows})


def read_batch(path: Path) -> BatchTable:
    """The table in a file with its metadata, or `NoResult`."""
    metadata, whole = metadata_of(path)
    if "pigou.design" not in metadata:
        raise NoResult(
            "has no metadata of a batch, which a CSV file has in NAME.csv.metadata.json beside it"
        )
    try:
        frame = read_table(path)
        identity = json.loads(metadata["pigou.design"])
        order = list(frame)
        keys = order[1 : order.index("policy")]
        if order[0] != "case_id" or not {"status", "welfare"} <= set(order):
            raise KeyError("case_id")
        policies = tuple(dict.fromkeys(frame["policy"].tolist()))
        width, count = len(policies), len(frame["policy"])
        ids = frame["case_id"].reshape(-1, width) if width and count % width == 0 else None
        in_order = frame["policy"].tolist() == list(policies) * (count // max(1, width))
        if ids is None or not in_order or (ids != ids[:, :1]).any():
            raise NoResult("has rows that are not ordered by case, each with the same policies")
        if unknown := [key for key in policies if not known(str(key))]:
            raise NoResult(f"has the policy {unknown[0]}, which there is not")
        listed = json.loads(metadata[CASES]) if CASES in metadata else None
        bases = tuple(listed if listed is not None else [identity["case"]])
        values = {key: frame[key][::width] for key in keys}
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise NoResult(f"is no whole result of pigou batch: {error}") from None
    points: Any = (
        Listed(tuple(map(str, values["case"])))
        if listed is not None
        else Table(data=values, numbers=_numbers(ids[:, 0]), sha256="")
    )
    if listed is not None and len(listed) != points.count:
        raise NoResult(f"has {points.count} cases where its metadata list {len(listed)}")
    design = BatchDesign(
        name=str((identity.get("design") or {}).get("name") or path.stem),
        policies=policies,
        points=points,
        keys={key: "text" if values[key].dtype == object else "float" for key in keys},
        bases=bases,
        identity=identity,
    )
    rows = {name: frame[name] for name in FIGURES if name in frame}
    table = BatchTable(metadata=metadata, rows=rows, policies=policies, design=design)
    return replace(table, findings=tuple(_untrue(table, whole)))


def _numbers(ids: NDArray[Any]) -> NDArray[Any]:
    """Names of cases: numbers whole, as a batch gives them."""
    return ids.astype(np.int64) if ids.dtype == float else ids


def _untrue(table: BatchTable, whole: bool) -> Iterator[Differing]:
    """What the file says of itself that is not so."""
    metadata = table.metadata
    if not whole:
        yield Differing(
            path=DIGEST,
            before=metadata.get(DIGEST),
            after="the hash of another file",
        )
    told = table.provenance.get("case_sha256")
    if told != (here := tree_sha256(table.design.identity)):
        yield Differing(path="provenance.case_sha256", before=told, after=here)
    said = metadata.get("pigou.count")
    if said is not None and said != str(table.count):
        yield Differing(path="pigou.count", before=said, after=str(table.count))


def _tree(
    design: BatchDesign, cases: NDArray[np.intp], rows: dict[str, NDArray[Any]]
) -> dict[str, Any]:
    """Rows by case and policy, null where nothing is known."""
    ids = [design.ids(int(n), int(n) + 1)[0] for n in cases]
    names = [(str(one), policy) for one in ids for policy in design.policies]
    columns = {
        name: [None if value is None or value != value or value == "" else value for value in part]
        for name, part in ((name, values.tolist()) for name, values in rows.items())
    }
    return {
        f"case {one}, {policy}": {name: values[n] for name, values in columns.items()}
        for n, (one, policy) in enumerate(names)
    }


def batch_again(
    table: BatchTable,
    sample: int | None,
    tolerance: float = TOLERANCE,
    report: Callable[[int, int], None] | None = None,
) -> tuple[list[Differing], int, int]:
    """What differs when cases are run again, spread over the table, or all: with how many values
    were compared, and how many cases."""
    count = table.count if sample is None else min(sample, table.count)
    chosen = np.unique(np.linspace(0, table.count - 1, count).round().astype(np.intp))
    found, seen = list(table.findings), 0
    for start in range(0, len(chosen), AT_ONCE):
        cases = chosen[start : start + AT_ONCE]
        solved, _ = Work(table.design).probe([int(n) for n in cases])
        rows = {name: np.asarray(solved[name]) for name in table.rows if name in solved}
        more, values = differing(
            table.tree(cases), _tree(table.design, cases, rows), tolerance=tolerance
        )
        found += more
        seen += values
        if report is not None:
            report(start + len(cases), 0)
    return found, seen, len(chosen)
