"""The chunk runner with a cheap function: the same bytes whoever computes and whatever
interrupts."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from cli.batch import parts as parts_module
from cli.batch.formats import read_metadata
from cli.batch.parts import Parts, Refused
from cli.batch.runner import Job, WorkersDied, partition, run

ROOT = Path(__file__).resolve().parents[1]
CASES = 1200
posix = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX system")


@dataclass(frozen=True)
class Squares:
    """Two rows per case; every seventh case fails."""

    pause: float = 0.0
    trap: str = ""
    """A file; while it is absent, whoever meets the case of the trap makes it and is killed."""
    always: bool = False
    trail: str = ""
    """A folder in which every process that computes leaves its number."""

    def __call__(self, start: int, stop: int) -> dict[str, Any]:
        if self.trail:
            (Path(self.trail) / str(os.getpid())).touch()
        time.sleep(self.pause)
        if self.trap and start <= 600 < stop and (self.always or not Path(self.trap).exists()):
            with open(self.trap, "a") as stream:
                stream.write("x")
            os.kill(os.getpid(), signal.SIGKILL)
        cases = [n for n in range(start, stop) for _ in (0, 1)]
        return {
            "case_id": cases,
            "value": [n / 7 if n % 5 else float("nan") for n in cases],
            "message": [None if n % 7 else 'a "quoted", word' for n in cases],
        }


def failures(columns: Any) -> int:
    """Cases with a message."""
    return sum(message is not None for message in columns["message"]) // 2


def job(**work: Any) -> Job:
    """The job of all tests here."""
    return Job(
        work=Squares(**work),
        cases=CASES,
        chunk=50,
        columns={"case_id": "int", "value": "float", "message": "text"},
        failed=failures,
        identity={"sample": {"seed": 7, "count": CASES}},
        metadata={"pigou.seed": "7"},
    )


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bytes of an unbroken run in one process, by ending."""
    folder = tmp_path_factory.mktemp("unbroken")
    found = {}
    for ending in ("parquet", "csv"):
        out = folder / f"r.{ending}"
        summary = run(job(), out)
        assert (summary.failed, summary.kept) == (len(range(0, CASES, 7)), 0)
        found[ending] = out.read_bytes()
    # the parts are gone
    assert [path.name for path in sorted(folder.iterdir())] == [
        "r.csv",
        "r.csv.metadata.json",
        "r.parquet",
    ]
    return found


def test_the_partition_covers_every_case_once_and_starts_small() -> None:
    for cases, chunk in ((1, 1), (15, 100), (16, 100), (1000, 100), (12345, 1000), (40, 3)):
        bounds = partition(cases, chunk)
        assert [n for start, stop in bounds for n in range(start, stop)] == list(range(cases))
        assert max(stop - start for start, stop in bounds) <= chunk
    assert [stop - start for start, stop in partition(400, 100)] == [16, 32, 64, 100, 100, 88]


def test_what_is_written_is_what_was_computed(unbroken: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "r.parquet").write_bytes(unbroken["parquet"])
    file = pq.ParquetFile(tmp_path / "r.parquet")
    wanted = Squares()(0, CASES)
    table = file.read()
    assert table.column("case_id").to_pylist() == wanted["case_id"]
    assert table.column("value").to_pylist() == [
        None if value != value else value for value in wanted["value"]
    ]
    assert table.column("message").to_pylist() == wanted["message"]
    assert [str(field.type) for field in table.schema] == ["int64", "double", "string"]
    assert file.num_row_groups == 1
    assert table.schema.metadata[b"pigou.seed"] == b"7"
    assert table.schema.metadata[b"pigou.failed_cases"] == str(len(range(0, CASES, 7))).encode()
    lines = unbroken["csv"].decode().splitlines()
    assert lines[:4] == [
        "case_id,value,message",
        '0,,"a ""quoted"", word"',
        '0,,"a ""quoted"", word"',
        f"1,{1 / 7!r},",
    ]
    assert len(lines) == 1 + 2 * CASES


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_two_processes_give_the_same_bytes(
    unbroken: dict[str, bytes], tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"r.{ending}"
    run(job(), out, jobs=2)
    assert out.read_bytes() == unbroken[ending]


SCRIPT = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
from pathlib import Path
from test_batch_runner import job
from cli.batch.runner import run
if __name__ == "__main__":
    run(job(pause=0.1, trail=sys.argv[3]), Path(sys.argv[1]), jobs=int(sys.argv[2]), resume=True)
"""


@pytest.mark.slow
@posix
@pytest.mark.parametrize(("ending", "jobs"), [("parquet", 1), ("csv", 2)])
def test_killed_twice_and_resumed_the_bytes_are_those_of_an_unbroken_run(
    unbroken: dict[str, bytes], tmp_path: Path, ending: str, jobs: int
) -> None:
    out = tmp_path / f"r.{ending}"
    log = Parts(out).log
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(tests=str(ROOT / "tests"), root=str(ROOT)))
    trail = tmp_path / "trail"
    trail.mkdir()
    before = 0
    for _ in (1, 2):
        with subprocess.Popen(
            [sys.executable, str(script), str(out), str(jobs), str(trail)]
        ) as process:
            wait_for(lambda: log.exists() and len(log.read_text().splitlines()) >= before + 3)  # noqa: B023
            process.kill()
        assert process.returncode == -signal.SIGKILL
        finished = len(log.read_text().splitlines())
        assert before < finished < len(partition(CASES, 50))
        before = finished
    assert not out.exists()
    summary = run(job(), out, resume=True)
    assert 0 < summary.kept < CASES
    assert summary.failed == len(range(0, CASES, 7))  # those of earlier runs are counted
    assert out.read_bytes() == unbroken[ending]
    assert not Parts(out).exist()
    assert len(list(trail.iterdir())) >= 2
    # no worker outlives the run
    wait_for(lambda: not any(alive(int(path.name)) for path in trail.iterdir()))


def alive(process: int) -> bool:
    """Whether it still runs."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    limit = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


def interrupted(out: Path, after: int, **more: Any) -> None:
    """A run that is interrupted when so many cases are done."""

    def stop(done: int, kept: int) -> None:
        if done >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(job(), out, progress=stop, **more)


@pytest.mark.slow
def test_an_interrupt_keeps_what_is_done(unbroken: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "r.parquet"
    interrupted(out, 400, jobs=2)
    assert not out.exists()
    told: list[tuple[int, int]] = []
    summary = run(job(), out, resume=True, progress=lambda done, kept: told.append((done, kept)))
    assert summary.kept >= 400
    assert told[0] == (summary.kept, summary.kept)
    assert told[-1] == (CASES, summary.kept)
    assert out.read_bytes() == unbroken["parquet"]


def test_damaged_parts_and_a_torn_line_are_computed_again(
    unbroken: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    interrupted(out, 600)
    parts = Parts(out)
    finished = len(parts.log.read_text().splitlines())
    parts.part(0).write_bytes(parts.part(0).read_bytes().replace(b"1", b"2", 1))
    parts.part(1).unlink()
    with open(parts.log, "a") as stream:
        stream.write('{"chunk": 5, "sh')
    computed: list[int] = []

    @dataclass(frozen=True)
    class Watched:
        def __call__(self, start: int, stop: int) -> Any:
            computed.append(start)
            return Squares()(start, stop)

    run(replace(job(), work=Watched()), out, resume=True)
    bounds = partition(CASES, 50)
    assert computed == [bounds[n][0] for n in (0, 1, *range(finished, len(bounds)))]
    assert out.read_bytes() == unbroken["csv"]


def test_a_changed_design_is_refused_and_the_change_named(tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    interrupted(out, 100)
    changed = replace(job(), identity={"sample": {"seed": 8, "count": CASES}})
    with pytest.raises(Refused, match=r"sample\.seed was 7 and is 8"):
        run(changed, out, resume=True)
    with pytest.raises(Refused, match="chunk was 50 and is 60"):
        run(replace(job(), chunk=60), out, resume=True)
    run(changed, out, overwrite=True)
    assert out.exists()


def test_what_is_there_is_not_overwritten_unasked(
    unbroken: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    interrupted(out, 100)
    with pytest.raises(Refused, match="--resume"):
        run(job(), out)
    run(job(), out, overwrite=True)
    assert out.read_bytes() == unbroken["csv"]
    with pytest.raises(Refused, match="--overwrite"):
        run(job(), out)
    out.write_text("something else")
    with pytest.raises(Refused, match="does not tell which design"):
        run(job(), out, resume=True)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_resuming_what_is_complete_is_nothing(tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"r.{ending}"
    run(job(), out)
    assert read_metadata(out)["pigou.seed"] == "7"
    written = out.stat().st_mtime_ns
    summary = run(job(), out, resume=True)
    assert (summary.failed, summary.kept) == (len(range(0, CASES, 7)), CASES)
    assert out.stat().st_mtime_ns == written
    with pytest.raises(Refused, match="another design"):
        run(replace(job(), identity={}), out, resume=True)


def test_stopped_after_the_result_got_its_name_only_the_parts_are_left_to_remove(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "r.csv"

    def killed(self: Parts) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Parts, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            run(job(), out)
    for n in range(5):
        Parts(out).part(n).unlink()
    written = out.stat().st_mtime_ns
    run(job(), out, resume=True)
    assert out.stat().st_mtime_ns == written
    assert not Parts(out).exist()


@pytest.mark.slow
@posix
def test_a_worker_that_dies_once_is_survived(unbroken: dict[str, bytes], tmp_path: Path) -> None:
    out, trap = tmp_path / "r.parquet", tmp_path / "trap"
    run(job(trap=str(trap)), out, jobs=2)
    assert trap.read_text() == "x"
    assert out.read_bytes() == unbroken["parquet"]


@pytest.mark.slow
@posix
def test_cases_that_always_kill_their_worker_end_the_run_after_three_retries(
    unbroken: dict[str, bytes], tmp_path: Path
) -> None:
    out, trap = tmp_path / "r.csv", tmp_path / "trap"
    with pytest.raises(WorkersDied, match=r"the cases 598 to 647, out of memory"):
        run(job(trap=str(trap), always=True), out, jobs=2)
    assert trap.read_text() == "xxxx"
    summary = run(job(), out, resume=True)
    assert summary.kept == CASES - 50  # all others were done first
    assert out.read_bytes() == unbroken["csv"]


@pytest.mark.slow
@posix
def test_a_cluster_gives_the_same_bytes_though_a_worker_dies(
    unbroken: dict[str, bytes], tmp_path: Path
) -> None:
    out, trap = tmp_path / "r.parquet", tmp_path / "trap"
    run(job(trap=str(trap)), out, jobs=2, cluster="local")
    assert trap.exists()
    assert out.read_bytes() == unbroken["parquet"]


@pytest.mark.slow
def test_a_cluster_that_goes_away_ends_the_run_and_keeps_what_is_done(
    unbroken: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import distributed

    monkeypatch.setattr("cli.batch.pools.ANSWER", 5)
    out = tmp_path / "r.csv"
    free = {"dashboard_address": None, "scheduler_kwargs": {"dashboard_address": "127.0.0.1:0"}}
    options = {"processes": False, "protocol": "tcp://", "host": "127.0.0.1", **free}
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, **options) as cluster:

        def leave(done: int, kept: int) -> None:
            if done >= 300:
                cluster.close(timeout=5)

        with pytest.raises(WorkersDied, match="the cluster is gone"):
            run(job(), out, cluster=cluster.scheduler_address, progress=leave)
    assert run(job(), out, resume=True).kept >= 300
    assert out.read_bytes() == unbroken["csv"]


def test_a_full_disk_keeps_what_is_done(
    unbroken: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "r.csv"
    real = os.fsync
    calls = 0

    def full(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 30:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(parts_module.os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            run(job(), out)
    assert not out.exists()
    assert not list(Parts(out).folder.glob("*.tmp"))
    assert run(job(), out, resume=True).kept > 0
    assert out.read_bytes() == unbroken["csv"]


def test_a_disk_that_fills_up_while_parts_are_joined_leaves_the_parts(
    unbroken: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cli.batch import runner

    def full(self: object, data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    for ending in ("parquet", "csv"):
        out = tmp_path / f"r.{ending}"
        with monkeypatch.context() as patch:
            patch.setattr(runner._Hashed, "write", full)
            with pytest.raises(OSError, match="No space left") as caught:
                run(job(), out)
        assert caught.value.errno == errno.ENOSPC
        assert not out.exists()
        assert not list(Parts(out).folder.glob("*.tmp"))
        assert run(job(), out, resume=True).kept == CASES
        assert out.read_bytes() == unbroken[ending]


@posix
def test_two_runs_do_not_write_to_the_same_parts(tmp_path: Path) -> None:
    out = tmp_path / "r.csv"

    def second(done: int, kept: int) -> None:
        for how in ({"resume": True}, {"overwrite": True}):
            with pytest.raises(Refused, match="another run is at work"):
                run(job(), out, **how)  # type: ignore[arg-type]

    run(job(), out, progress=second)
    assert out.exists()


def test_the_manifest_names_what_decides_the_result(tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    interrupted(out, 100)
    told = json.loads(Parts(out).manifest.read_text())
    assert told["sample"] == {"seed": 7, "count": CASES}
    assert told["chunk"] == 50
    for line in Parts(out).log.read_text().splitlines():
        entry = json.loads(line)
        assert parts_module.file_sha256(Parts(out).part(entry["chunk"])) == entry["sha256"]
