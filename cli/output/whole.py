"""Files written entirely or not at all, through drafts that nobody else can have put there."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

DRAFT = ".pigou-"
"""How the name of a draft begins."""


@contextmanager
def draft(path: Path, folder: Path | None = None) -> Iterator[IO[bytes]]:
    """A stream whose content gets the name `path` once the block ends well, and vanishes otherwise.

    The draft is a new file in `folder` (by default beside `path`) under a name of its own: no link
    is followed. A link at `path` itself is replaced.
    """
    handle, name = tempfile.mkstemp(prefix=DRAFT, suffix=".tmp", dir=folder or path.parent)
    try:
        with open(handle, "wb") as stream:
            os.chmod(name, _mode(path))
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)  # a full disk has room again
        raise
    sync_folder(path.parent)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file entirely or not at all, whatever stops the program or the machine."""
    with draft(path) as stream:
        stream.write(content)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _mode(path: Path) -> int:
    """The permissions of the file that is replaced, or those of a new one."""
    with suppress(OSError):
        return stat.S_IMODE(os.lstat(path).st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
