"""Where results and messages go: results to stdout or whole into a file, everything else to stderr."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import typer

WIDTH = 100
"""Columns of a page that no terminal limits."""
NARROWEST = 60
"""Columns below which a page is not squeezed further."""


class Target:
    """Where one result goes. Made before anything is computed, so that a place that cannot be written is refused at once."""

    def __init__(self, out: Path | None, inputs: Iterable[Path] = ()) -> None:
        self.path = None if out is None else Path(os.path.realpath(out))
        if out is not None and self.path is not None:
            problem = _problem(self.path, inputs)
            if problem:
                raise typer.BadParameter(f"{out}: {problem}", param_hint="--out")

    @property
    def width(self) -> int:
        """Columns of a page: those of the terminal up to the full width; always the full width elsewhere."""
        if not self._terminal():
            return WIDTH
        return min(WIDTH, max(NARROWEST, shutil.get_terminal_size((WIDTH, 24)).columns))

    @property
    def styled(self) -> bool:
        """Whether headings may be bold: on a terminal, unless NO_COLOR or TERM=dumb asks for plain text."""
        return self._terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    @property
    def unicode(self) -> bool:
        """Whether characters beyond ASCII arrive."""
        return self.path is not None or "utf" in (getattr(sys.stdout, "encoding", None) or "").lower()

    def write(self, text: str) -> None:
        """Print the text, or put it into the file: entirely or not at all."""
        text = text if text.endswith("\n") else f"{text}\n"
        if self.path is None:
            print(text, end="", flush=True)
            return
        try:
            _replace(self.path, text)
        except OSError as error:
            raise typer.BadParameter(f"{self.path}: cannot be written ({error.strerror})", param_hint="--out") from None

    def _terminal(self) -> bool:
        return self.path is None and sys.stdout is not None and sys.stdout.isatty()


def _problem(path: Path, inputs: Iterable[Path]) -> str:
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
    if any(os.path.realpath(given) == str(path) for given in inputs):
        return "is a case given to this command; choose another name"
    writable = os.access(path, os.W_OK) if path.exists() else os.access(path.parent, os.W_OK)
    return "" if writable else "cannot be written; check its permissions"


def _replace(path: Path, text: str) -> None:
    """Write a file beside the target and rename it; a device or pipe is written to directly."""
    data = text.encode()
    if path.exists() and not path.is_file():
        with open(path, "wb") as stream:
            stream.write(data)
        return
    draft = path.with_name(f".pigou-{os.getpid()}.tmp")
    try:
        draft.write_bytes(data)
        if path.exists():
            shutil.copymode(path, draft)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def counted(number: int, what: str) -> str:
    """So many of something."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def say(messages: Iterable[str], *, quiet: bool = False) -> None:
    """Messages, one per line, to stderr."""
    if not quiet:
        for message in messages:
            print(message, file=sys.stderr)
