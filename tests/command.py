"""What running a command line in a test leads to; the fixture `run` does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Ran(NamedTuple):
    """Exit code and the two streams."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]
