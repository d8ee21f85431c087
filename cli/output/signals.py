"""Signals that end a run: none is lost, whoever swallows the exception it raises."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_came: list[int] = []
"""The signals that came so far."""


def heed() -> None:
    """Take every signal to end like Ctrl-C, unless the process was told to ignore it."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        usual = (signal.SIG_DFL, signal.default_int_handler)
        if number is not None and signal.getsignal(number) in usual:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Drafts are removed on the way out, and what is done is kept."""
    _came.append(number)
    raise KeyboardInterrupt


def interrupted() -> bool:
    """Whether a signal to end came, also where what it raised was swallowed."""
    return bool(_came)


def stop_if_interrupted() -> None:
    """Raise what was swallowed, before more is computed or a result is shown."""
    if _came:
        raise KeyboardInterrupt


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C and its like back for a moment: compiled code that calls Python would swallow it
    and go on with half a result."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(
        signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    )
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
