"""Where results and messages go: results to stdout or whole into a file, everything else to
stderr."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import typer

from cli.exit_codes import NOT_MET
from cli.output.beside import foreign_beside, write_beside
from cli.output.signals import stop_if_interrupted
from cli.output.streams import bare
from cli.output.whole import write_whole
from market.casefile.files import chain
from market.text import visible

WIDTH = 100
"""Columns of a page that goes to no terminal."""
WIDEST = 140
"""Columns beyond which a page is not spread, however wide the terminal."""
NARROWEST = 60
"""Columns below which a page is not squeezed further."""

BOLD = re.compile(r"(\x1b\[[01]m)")
"""What makes a heading bold, and ends it."""


class Target:
    """Where one result goes. Made before anything is computed, so that a place that cannot be
    written is refused at once."""

    def __init__(self, out: Path | None, inputs: Iterable[Path] = ()) -> None:
        """`inputs` are the files given to the command; what they are based on is found here."""
        self.begun = time.time()
        self.path = None if out is None else Path(os.path.realpath(out))
        if (
            out is not None
            and self.path is not None
            and (
                problem := _problem(self.path)
                or _read_too(self.path, inputs)
                or (self._beside and foreign_beside(self.path))
            )
        ):
            raise typer.BadParameter(f"{out}: {problem}", param_hint="--out")

    @property
    def _beside(self) -> bool:
        """Whether metadata stand in a file beside what is written."""
        path = self.path
        return (
            path is not None
            and path.suffix.lower() == ".csv"
            and (path.is_file() or not path.exists())
        )

    @property
    def width(self) -> int:
        """Columns of a page: those of the terminal within bounds; always the same elsewhere."""
        if not self._terminal():
            return WIDTH
        return min(WIDEST, max(NARROWEST, shutil.get_terminal_size((WIDTH, 24)).columns))

    @property
    def styled(self) -> bool:
        """Whether headings may be bold: on a terminal, unless NO_COLOR or TERM=dumb asks for plain
        text."""
        return (
            self._terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        )

    @property
    def unicode(self) -> bool:
        """Whether characters beyond ASCII arrive."""
        return (
            self.path is not None or "utf" in (getattr(sys.stdout, "encoding", None) or "").lower()
        )

    def write(self, text: str | bytes, metadata: Mapping[str, str] | None = None) -> None:
        """Print the text, or put it into the file: entirely or not at all. Of CSV the metadata
        stand in a file beside it."""
        stop_if_interrupted()
        if isinstance(text, str) and not text.endswith("\n"):
            text += "\n"
        if self.path is None:
            assert isinstance(text, str)
            for n, piece in enumerate(
                BOLD.split(text)
            ):  # tables hold no escapes but those of their headings, CSV and JSON none
                print(piece, end="", file=bare(sys.stdout) if n % 2 else sys.stdout)
            print(end="", flush=True)
            return
        try:
            data = text if isinstance(text, bytes) else text.encode()
            if metadata and self._beside:
                # first: metadata without their file tell nothing wrong
                write_beside(self.path, metadata, hashlib.sha256(data).hexdigest())
            _put(self.path, data)
        except OSError as error:
            raise typer.BadParameter(
                f"{self.path}: cannot be written ({error.strerror})", param_hint="--out"
            ) from None

    def _terminal(self) -> bool:
        return self.path is None and sys.stdout is not None and sys.stdout.isatty()


def _problem(path: Path) -> str:
    """Why a file of this name cannot be written; empty if nothing is known against it."""
    try:
        path.stat()
    except FileNotFoundError:
        pass
    except OSError as error:
        return f"cannot be written ({error.strerror})"
    if path.is_dir():
        return "is a directory; name a file in it"
    if not path.parent.is_dir():
        return f"the directory {path.parent} does not exist; make it first"
    writable = os.access(path, os.W_OK) if path.exists() else True
    if path.is_file() or not path.exists():
        writable &= os.access(path.parent, os.W_OK)  # the file is replaced by one written beside it
    return "" if writable else "cannot be written; check its permissions"


def _read_too(path: Path, inputs: Iterable[Path]) -> str:
    """What a file is to the command that would write it; empty if it is not read."""
    mark = _identity(path)
    for given in dict.fromkeys(inputs) if mark is not None and path.is_file() else ():
        for n, file in enumerate(chain(given)):
            if _identity(file) == mark:
                return (
                    "is a case given to this command; choose another name"
                    if n == 0
                    else f"{given} is based on it; choose another name"
                )
    return ""


def _identity(path: str | Path) -> tuple[int, int] | None:
    """What a file is the same by, whatever it is called; None where there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _put(path: Path, data: bytes) -> None:
    """Write a file whole; a device or pipe is written to directly."""
    if path.exists() and not path.is_file():
        with open(path, "wb") as stream:
            stream.write(data)
        return
    write_whole(path, data)


def counted(number: int, what: str) -> str:
    """So many of something."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def shown(tree: Any) -> Any:
    """A result whose texts, keys among them, stand on one line each and steer no terminal."""
    if isinstance(tree, dict):
        return {shown(key): shown(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [shown(value) for value in tree]
    return visible(tree) if isinstance(tree, str) else tree


def say(messages: Iterable[str], *, quiet: bool = False) -> None:
    """Messages, one per line, to stderr."""
    if not quiet:
        for message in messages:
            print(visible(message), file=sys.stderr)


def leave_unmet(findings: Iterable[str]) -> None:
    """Leave with the exit code of what was asked for and does not hold, saying why, `quiet` or not;
    go on where nothing does."""
    if told := list(findings):
        say(told)
        raise typer.Exit(NOT_MET)
