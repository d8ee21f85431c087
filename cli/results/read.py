"""A result in a file: of which command it is, and what it holds."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.batch.parts import known_ending
from market.casefile.files import unreadable

COMMANDS = (
    *("evaluate", "compare", "what-if", "design", "sensitivity"),
    *("calibrate", "statics", "propositions"),
)
"""The commands whose JSON is read back."""
MOST_BYTES = 256 * 1024 * 1024
"""Largest JSON that is read."""


class NoResult(Exception):  # noqa: N818 - wrong usage, not an error of the program
    """A file that is no result that can be read back; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class ReadResult:
    """What stands in a file."""

    path: Path
    command: str
    """`evaluate` and the like; `batch` for the table of a batch."""
    tree: Any
    """The JSON; of a batch nothing, which may be larger than memory."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Where it comes from."""
    evaluations: list[Any] = field(default_factory=list)
    """What was evaluated when it was run again, in its order, for who goes on with it."""

    @property
    def options(self) -> list[str]:
        """The command's words after the file."""
        return shlex.split(str(self.provenance.get("command", "")))[3:]


def read_back(path: Path) -> ReadResult:
    """The result in a file."""
    if problem := unreadable(path):
        raise NoResult(problem)
    if known_ending(path):
        return ReadResult(path=path, command="batch", tree=None)
    tree = json_of(path)
    told = provenance_of(tree)
    if told is None:
        raise NoResult(
            "tells nothing of where it comes from; give the JSON that a command of this version"
            " wrote (--format json), or the file of a batch"
        )
    try:
        command = shlex.split(str(told.get("command")))[1]
    except (ValueError, IndexError):
        command = ""
    if command not in COMMANDS:
        raise NoResult(
            "tells no command that can be run again in provenance.command; there are"
            f" {', '.join(COMMANDS)}"
        )
    if command == "compare" and not isinstance(tree, list):
        raise NoResult(
            "holds the findings of a batch, which are counted from its table; give the .parquet,"
            " .csv or .xlsx file of the batch"
        )
    return ReadResult(path=path, command=command, tree=tree, provenance=told)


def json_of(path: Path) -> Any:
    """The JSON in a file."""
    if path.stat().st_size > MOST_BYTES:
        raise NoResult(f"has more than {MOST_BYTES // 1024**2} MiB; a result is smaller")
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), parse_constant=_no_number)
    except RecursionError:
        raise NoResult("is nested too deep for a result") from None
    except UnicodeDecodeError:
        raise NoResult("is not UTF-8 text; give the JSON that a command wrote") from None
    except ValueError as error:
        raise NoResult(f"cannot be read as JSON: {error}") from None


def _no_number(text: str) -> float:
    raise ValueError(f"{text} stands there, which is no number of JSON")


def provenance_of(tree: Any) -> dict[str, Any] | None:
    """Where a tree, or a list of rows, says it comes from; None where it says nothing."""
    for part in tree if isinstance(tree, list) else [tree]:
        if isinstance(part, dict) and isinstance(part.get("provenance"), dict):
            return dict(part["provenance"])
    return None
