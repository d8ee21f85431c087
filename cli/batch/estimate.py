"""What a batch will take, measured on a few of its cases."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from cli.batch.formats import Columns, Format
from cli.batch.runner import partition
from cli.batch.work import Work, chunk_size, failed_cases

PROBE = 64
"""Cases that are solved to see how long one takes."""
PATIENCE = 10.0
"""Seconds after which fewer have to do."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """How large a batch is and, roughly, what it takes."""

    cases: int
    rows: int
    chunks: int
    seconds: float
    """Of one process."""
    size: float
    """Bytes of the result."""
    probed: int
    failed: int
    """Of the cases probed."""
    message: str | None
    """Of the first that failed."""

    def lines(self, jobs: int) -> list[str]:
        """In words."""
        each = self.seconds / max(1, self.cases)
        on = f"with {jobs} processes" if jobs > 1 else "with one process"
        why = f": {self.message}" if self.failed else ""
        return [
            f"cases   {self.cases:,}",
            f"rows    {self.rows:,}",
            f"chunks  {self.chunks:,}",
            (
                f"time    about {duration(self.seconds / min(jobs, max(1, self.chunks)))} {on}"
                f" ({1000 * each:.3g} ms per case)"
            ),
            f"size    about {_bytes(self.size)}",
            f"probe   {self.probed} cases spread over the design; {self.failed} of them fail{why}",
        ]


def estimate(work: Work, form: Format) -> Estimate:
    """Measured on cases spread over the design, drawn the same way every time."""
    design = work.design
    count = min(PROBE, design.count)
    spread = np.linspace(0, design.count - 1, count).round().astype(int)
    order = [int(n) for n in np.random.default_rng(0).permutation(spread)]
    begun = time.perf_counter()
    work.probe(order[:1])  # imports what solving needs
    pieces: list[Columns] = []
    spent, done, size = 0.0, 0, 4
    while done < count:
        piece = order[done : done + size]
        rows, seconds = work.probe(piece)
        pieces.append(rows)
        spent += seconds
        done += len(piece)
        if time.perf_counter() - begun > PATIENCE:
            break
        size *= 4
    gathered = {name: [value for piece in pieces for value in piece[name]] for name in pieces[0]}
    empty = len(form.part({name: [] for name in gathered}))
    message = next(
        (
            text
            for text, status in zip(gathered["message"], gathered["status"], strict=True)
            if status in ("bad_case", "failed")
        ),
        None,
    )
    return Estimate(
        cases=design.count,
        rows=design.count * len(design.policies),
        chunks=len(partition(design.count, chunk_size(design))),
        seconds=spent / done * design.count,
        size=empty + (len(form.part(gathered)) - empty) / done * design.count,
        probed=done,
        failed=failed_cases(gathered),
        message=message,
    )


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86400:.1f} days"


def _bytes(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
