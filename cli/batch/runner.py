"""Chunks of cases, computed in any order by anybody, written one by one, joined in order.

The runner takes a function from a range of cases to columns and knows nothing of what it computes.
The partition depends on the job alone, so that the result is the same to the byte whoever computes
it and however often it was interrupted.
"""

from __future__ import annotations

import hashlib
import os
import queue
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from cli.batch.formats import (
    Columns,
    Format,
    Kind,
    format_for,
    read_metadata,
)
from cli.batch.parts import Parts, Refused, canonical, file_sha256, known_ending, sha256
from cli.batch.pools import Pool, open_pool
from cli.output.beside import foreign_beside, write_beside
from cli.output.whole import draft

FORMAT = 1
"""Version of the parts, of the partition and of the columns."""

FIRST_CHUNK = 16
"""Cases of the first chunk: writing starts early."""

MOST_DEADLY = 3
"""Chunks that may end every worker that tries them before the run is given up; with fewer, all
others are computed first."""


class WorkersDied(Exception):  # noqa: N818 - an ending of a run, not a class of errors
    """There is nobody to compute: cases ended their worker as often as they were tried, or the
    cluster is gone."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be computed."""

    work: Callable[[int, int], Columns]
    """From a range of cases to their rows; picklable."""
    cases: int
    chunk: int
    """Cases of a full chunk."""
    columns: Mapping[str, Kind]
    failed: Callable[[Columns], int]
    """How many cases failed among these rows."""
    identity: Mapping[str, Any] = field(default_factory=dict)
    """Whatever decides the result, as plain values: a run is resumed only if it agrees."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What the result says of itself: a Parquet file inside, a CSV file in a file beside it."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """How a run ended."""

    failed: int
    """Cases that failed."""
    kept: int
    """Cases that an earlier run had finished."""


Progress = Callable[[int, int], None]
"""Told how many cases are done, and how many of them an earlier run did."""


def partition(cases: int, chunk: int) -> list[tuple[int, int]]:
    """Ranges that cover the cases: small ones first, doubling up to the full chunk."""
    bounds, start, size = [], 0, min(FIRST_CHUNK, chunk)
    while start < cases:
        stop = min(start + size, cases)
        bounds.append((start, stop))
        start, size = stop, min(2 * size, chunk)
    return bounds


def manifest(job: Job) -> dict[str, Any]:
    """What a run must agree with to be resumed."""
    return {
        "format": FORMAT,
        "cases": job.cases,
        "chunk": job.chunk,
        "columns": list(job.columns),
        **job.identity,
    }


def run(
    job: Job,
    out: Path,
    *,
    jobs: int = 1,
    cluster: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Summary:
    """Compute what is missing and write the result; `Refused` before anything is computed where it
    must not be written."""
    identity = manifest(job)
    digest = sha256(canonical(identity).encode())
    parts, form = Parts(out), format_for(out, job.columns)
    if reason := refusal(out, resume=resume, overwrite=overwrite):
        raise Refused(reason)
    if overwrite:
        if parts.exist():
            with parts.locked():  # nobody is at work on them
                parts.remove()
    elif (done := _admitted(out, parts, digest)) is not None:
        return Summary(failed=done, kept=job.cases)
    parts.folder.mkdir(exist_ok=resume)
    with parts.locked():
        bounds = partition(job.cases, job.chunk)
        parts.take_up(identity, len(bounds))
        kept = sum(bounds[n][1] - bounds[n][0] for n in parts.finished)
        if parts.result is None or not out.exists() or file_sha256(out) != parts.result:
            try:
                _compute(
                    job, bounds, parts, form, lambda: open_pool(job.work, jobs, cluster), progress
                )
            except Refused:
                if not parts.finished:
                    parts.remove()
                raise
            failed = _failed(parts)
            told = (
                {**job.metadata, "pigou.batch_sha256": digest, "pigou.failed_cases": str(failed)}
                if job.metadata
                else {}
            )
            _join(out, parts, form, len(bounds), told)
        failed = _failed(parts)
        parts.remove()
    return Summary(failed=failed, kept=kept)


def refusal(out: Path, *, resume: bool, overwrite: bool) -> str | None:
    """Why a batch may not write here, found without its design."""
    if not known_ending(out):
        return f"{out}: the result is a .parquet or a .csv file, or .xlsx"
    parts = Parts(out)
    try:
        os.lstat(parts.manifest)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        return f"{parts.manifest}: cannot be written ({error.strerror}); choose another name"
    if reason := parts.foreign():
        return (
            f"{parts.folder} {reason}: it is no folder of parts that a batch made; move it away, or"
            " choose another name"
        )
    if out.suffix.lower() == ".csv" and (reason := foreign_beside(out)):
        return reason
    if not resume and not overwrite:
        for path in (out, parts.folder):
            if path.exists():
                return (
                    f"{path} exists; --resume continues an interrupted batch, --overwrite starts"
                    " again, or choose another name"
                )
    return None


def _admitted(out: Path, parts: Parts, digest: str) -> int | None:
    """None if the run may start; the number of failed cases if there is nothing left to do."""
    if parts.exist() or not out.exists():
        return None
    told = read_metadata(out)
    if (
        told.get("pigou.batch_sha256") == digest
        and (failed := told.get("pigou.failed_cases", "")).isdecimal()
    ):
        return int(failed)
    reason = "comes from another design" if told else "does not tell which design it comes from"
    raise Refused(
        f"{out} is complete and {reason}, and nothing is left to resume; choose another name, or"
        " --overwrite"
    )


def _failed(parts: Parts) -> int:
    return sum(done.failed for done in parts.finished.values())


def _compute(
    job: Job,
    bounds: list[tuple[int, int]],
    parts: Parts,
    form: Format,
    opened: Callable[[], Pool],
    progress: Progress | None,
) -> None:
    """Compute and keep the chunks that are not finished; at most the pool's width of them are in
    memory."""
    waiting = deque(n for n in range(len(bounds)) if n not in parts.finished)
    done = kept = job.cases - sum(bounds[n][1] - bounds[n][0] for n in waiting)
    if progress is not None:
        progress(done, kept)
    if not waiting:
        return
    running: dict[Any, int] = {}
    ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
    tries: Counter[int] = Counter()
    deadly: list[str] = []
    pool = opened()
    try:
        while waiting or running:
            while waiting and len(running) < pool.width:
                last_try = pool.retries and tries[waiting[0]] == pool.retries
                if running and (
                    last_try or any(tries[n] == pool.retries > 0 for n in running.values())
                ):
                    break  # it runs alone, so that no other's death can be taken for its own
                n = waiting.popleft()
                future = pool.submit(*bounds[n])
                running[future] = n
                future.add_done_callback(ended.put)
            future = ended.get()
            n = running.pop(future)
            start, stop = bounds[n]
            try:
                columns = future.result()
            except pool.lost:
                tries[n] += 1
                if tries[n] <= pool.retries:
                    waiting.append(n)  # after all others, which it may keep from being done
                    continue
                deadly.append(f"{start} to {stop - 1}")
                if len(deadly) == MOST_DEADLY:
                    waiting.clear()
                continue
            parts.keep(n, form.part(columns), job.failed(columns))
            done += stop - start
            if progress is not None:
                progress(done, kept)
    except pool.gone as error:
        raise WorkersDied(f"the cluster is gone ({type(error).__name__})") from None
    finally:
        pool.close()
    if deadly:
        raise WorkersDied(
            f"the worker died whenever it computed the cases {' and '.join(deadly)}, out of memory"
            " perhaps (fewer --jobs need less)"
        )


def _join(out: Path, parts: Parts, form: Format, chunks: int, metadata: dict[str, str]) -> None:
    """Write the result beside its name, then give it the name."""
    with draft(out, parts.folder) as stream:
        hashed = _Hashed(stream)
        form.join((parts.part(n) for n in range(chunks)), hashed, metadata)  # type: ignore[arg-type]
        digest = hashed.hash.hexdigest()
        parts.announce(digest)
        if metadata and out.suffix.lower() == ".csv":
            write_beside(out, metadata, digest)


class _Hashed:
    """A file that is written once from front to end, and its hash."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.hash, self.closed = stream, hashlib.sha256(), False

    def write(self, data: Any) -> int:
        """Write and remember."""
        self.hash.update(data)
        return self.stream.write(data)

    def flush(self) -> None:
        """Hand over to the system."""
        self.stream.flush()

    def tell(self) -> int:
        """How much is written."""
        return self.stream.tell()

    def close(self) -> None:
        """The caller closes."""
