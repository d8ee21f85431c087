"""How far a batch is: a bar on a terminal, a line a minute elsewhere, nothing when quiet. All of it
goes to stderr."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

from cli.batch.estimate import duration
from cli.output.signals import stop_if_interrupted
from cli.output.streams import bare

EVERY = 60.0
"""Seconds between two lines."""


class Progress:
    """Told how many cases are done; shows it with the rate and the time left."""

    def __init__(self, cases: int, *, quiet: bool) -> None:
        self.cases, self.quiet = cases, quiet
        self._bar: Any = None
        self._task: Any = None
        self._begun = self._said = time.monotonic()

    def __enter__(self) -> Self:
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
            self._bar = Bar(*columns, console=Console(file=bare(sys.stderr)), transient=True)
            self._task = self._bar.add_task("", total=self.cases, rate="")
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def tell(self, done: int, of: int) -> None:
        """So many of so many, where it turns out on the way how many there are."""
        self.cases = of
        self(done, 0)

    def __call__(self, done: int, kept: int) -> None:
        """So many cases are done, of which an earlier run did `kept`."""
        stop_if_interrupted()
        if self.quiet:
            return
        now = time.monotonic()
        if self._bar is not None:
            rate = self._rate(done - kept, self.cases - done, now)
            self._bar.update(self._task, total=self.cases, completed=done, rate=rate)
        elif now - self._said >= EVERY:
            self._said = now
            print(
                f"{done:,} of {self.cases:,} cases,"
                f" {self._rate(done - kept, self.cases - done, now)}",
                file=sys.stderr,
                flush=True,
            )

    def _rate(self, done: int, left: int, now: float) -> str:
        passed = now - self._begun
        return (
            f"{done / passed:.3g} per second, {duration(left * passed / done)} left"
            if done and passed > 0
            else ""
        )
