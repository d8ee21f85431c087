"""Where a result comes from: what was asked, of which input, by which versions.

Everything here is the same on every run of the same program, so that results can be compared byte
by byte. What differs from run to run, the time and the machine, stands apart under `run`, which is
null unless a result is stamped.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from shlex import quote
from typing import Any

from mechanism.report.plain import Tree
from mechanism.version import VERSION

PACKAGES = ("clarabel", "cvxpy", "highspy", "numpy", "pandas", "pydantic", "ruamel.yaml", "scipy")
"""The libraries that figures depend on."""


@cache
def _packages(names: tuple[str, ...]) -> tuple[tuple[str, str | None], ...]:
    """Their versions here; None of what is not installed."""
    found: list[tuple[str, str | None]] = []
    for name in names:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            found.append((name, None))
    return tuple(found)


def provenance(
    command: str, case_sha256: str | None, seed: int | None = None, also: tuple[str, ...] = ()
) -> Tree:
    """`provenance` of a result, whose figures depend on these libraries `also`. The command stands
    with CASE for its file, and without options that leave the figures as they are; a seed only
    where something is drawn at random."""
    return {
        "command": command,
        "case_sha256": case_sha256,
        "version": VERSION,
        "python": "{}.{}.{}".format(*sys.version_info[:3]),
        "packages": dict(_packages((*PACKAGES, *also))),
        "seed": seed,
        "run": None,
    }


def command_line(command: str, file: str, options: Iterable[tuple[str, Any]] = ()) -> str:
    """A command with its options as a shell takes them; an option without a value is a flag."""
    parts = ["pigou", command, file]
    for name, value in options:
        parts += [name] if value is None else [name, quote(str(value))]
    return " ".join(parts)
