"""Who computes the chunks: this process, processes of this machine (joblib's loky), or a dask
cluster.

A pool takes a function once and ranges of cases one by one, and gives futures. Its `lost` are the
errors that say a worker died: the range itself may be innocent and is tried again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any, Protocol

from cli.batch.parts import Refused
from cli.threads import THREADS
from market.text import needs

Work = Callable[[int, int], Any]
"""From a range of cases, the second end not included, to their rows."""

ANSWER = 15
"""Seconds that a cluster's scheduler has to answer."""


class Gone(Exception):  # noqa: N818 - an ending of a run, not a class of errors
    """The cluster does not answer any more."""


class Pool(Protocol):
    """Computes ranges of cases."""

    lost: tuple[type[BaseException], ...]
    gone: tuple[type[BaseException], ...]
    """The errors that say there is no pool any more."""
    retries: int
    """How often a range that lost its worker is tried again."""

    @property
    def width(self) -> int:
        """How many ranges to have submitted at a time."""

    def submit(self, start: int, stop: int) -> Any:
        """A future of the rows of these cases: it has `result` and `add_done_callback`."""

    def close(self) -> None:
        """Stop at once, whatever is under way."""


def open_pool(work: Work, jobs: int, cluster: str | None) -> Pool:
    """The pool that the options ask for; `Refused` where what it needs is not installed or not
    there."""
    if cluster is not None:
        return Cluster(work, jobs, cluster)
    return Processes(work, jobs) if jobs > 1 else Here(work)


class Here:
    """This process."""

    lost: tuple[type[BaseException], ...] = ()
    gone: tuple[type[BaseException], ...] = ()
    retries = 0
    width = 1

    def __init__(self, work: Work) -> None:
        self.work = work

    def submit(self, start: int, stop: int) -> Future[Any]:
        """Computed when this returns."""
        future: Future[Any] = Future()
        try:
            future.set_result(self.work(start, stop))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Nothing to stop."""


_work: Work | None = None
"""In a worker process: what it computes, sent once."""


def _begin(work: Work, parent: int) -> None:
    """Make a worker: Ctrl-C is its parent's affair, and it does not outlive it."""
    global _work
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.name == "posix":
        threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _range(start: int, stop: int) -> Any:
    assert _work is not None
    return _work(start, stop)


class Processes:
    """Processes of this machine. When one dies all are replaced, and every range they held counts
    as lost."""

    gone: tuple[type[BaseException], ...] = ()
    retries = 3

    def __init__(self, work: Work, jobs: int) -> None:
        try:
            from joblib.externals.loky import get_reusable_executor
            from joblib.externals.loky.process_executor import BrokenProcessPool
        except ImportError:
            raise Refused(f"--jobs {needs('joblib', 'batch')}") from None
        self.lost: tuple[type[BaseException], ...] = (BrokenProcessPool,)
        self.jobs, self.width = jobs, 2 * jobs
        self._new = lambda: get_reusable_executor(
            max_workers=jobs,
            initializer=_begin,
            initargs=(work, os.getpid()),
            env=THREADS,
            reuse=False,
            kill_workers=True,
            timeout=3600,
        )
        self._executor = self._new()

    def submit(self, start: int, stop: int) -> Any:
        """Queued for the next free process."""
        try:
            return self._executor.submit(_range, start, stop)
        except self.lost:
            self._executor = self._new()
            return self._executor.submit(_range, start, stop)

    def close(self) -> None:
        """Kill the processes. What the pool's own thread meets while they are killed under it is no
        news."""
        hook = threading.excepthook

        def without_the_pools(args: threading.ExceptHookArgs) -> None:
            if type(args.thread).__name__ != "_ExecutorManagerThread":
                hook(args)

        threading.excepthook = without_the_pools
        try:
            self._executor.shutdown(wait=True, kill_workers=True)
        finally:
            threading.excepthook = hook


def _on_cluster(work: Work, start: int, stop: int) -> Any:
    return work(start, stop)


class Cluster:
    """A dask cluster: the one whose scheduler has this address, or one started here for the time of
    the run (`local`)."""

    retries = 0  # the scheduler itself tries again, on other workers

    def __init__(self, work: Work, jobs: int, address: str) -> None:
        try:
            import distributed
            from distributed.comm.core import CommClosedError
        except ImportError:
            raise Refused(f"--cluster {needs('dask', 'cluster', 'distributed')}") from None
        self.lost: tuple[type[BaseException], ...] = (distributed.KilledWorker,)
        self.gone: tuple[type[BaseException], ...] = (
            Gone,
            CommClosedError,
            asyncio.CancelledError,
            CancelledError,
        )
        for logger in ("distributed", "distributed.client"):
            logging.getLogger(logger).setLevel(logging.CRITICAL)  # what matters comes as an error
        self._cluster = None
        if address == "local":
            # Without a port of its own choosing the scheduler's pages want 8787, which others may
            # have.
            self._cluster = distributed.LocalCluster(
                n_workers=jobs,
                threads_per_worker=1,
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                silence_logs=logging.CRITICAL,
            )
        try:
            self._client = distributed.Client(
                self._cluster or address, timeout=ANSWER, set_as_default=False
            )
        except (OSError, ValueError) as error:
            raise Refused(
                f"--cluster: no dask scheduler answers at {address}"
                f" ({error or type(error).__name__})"
            ) from None
        self._work = self._client.scatter(work, broadcast=True, hash=False)

    @property
    def width(self) -> int:
        """Twice as many as there are threads, which may come and go."""
        try:
            return 2 * max(1, sum(self._client.nthreads().values()))
        except OSError as error:
            raise Gone(str(error)) from None

    def submit(self, start: int, stop: int) -> Any:
        """Queued with the scheduler."""
        return self._client.submit(_on_cluster, self._work, start, stop, pure=False)

    def close(self) -> None:
        """Cancel what is queued and leave; a cluster started here ends."""
        self._client.close()
        if self._cluster is not None:
            self._cluster.close(timeout=5)
