"""The directory of parts beside a result: what is finished survives whatever stops the program.

    RESULT.parts/manifest.json   what decides the result, how cases are cut; written once
    RESULT.parts/finished.jsonl  a line per finished chunk: number, sha256, how many failed
    RESULT.parts/000012.part     the rows of chunk 12
    RESULT.parts/lock            held while a run is at work

A part is written under another name, brought to the disk and renamed before its line is added, so a
line promises a whole part; the hash tells whether the promise still holds. A line cut off by a
crash is dropped.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.output.whole import DRAFT, write_whole
from market.text import Json

RESULTS = (".parquet", ".csv", ".xlsx")
"""The endings of a batch's result."""


def known_ending(path: Path) -> bool:
    """Whether a batch's result goes by a name like this."""
    return path.suffix.lower() in RESULTS


class Refused(Exception):  # noqa: N818 - wrong usage, not an error of the program
    """A batch that may not start; the message says why and what to do."""


@dataclass(frozen=True)
class Finished:
    """A chunk that is done."""

    sha256: str
    failed: int


def canonical(tree: Any) -> str:
    """The one JSON text of a tree."""
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256(data: bytes) -> str:
    """The hash of these bytes."""
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    """The hash of a file, which may be larger than memory."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Parts:
    """The parts of one result."""

    def __init__(self, out: Path) -> None:
        self.folder = folder_of(out)
        self.finished: dict[int, Finished] = {}
        self.result: str | None = None
        """The sha256 of the joined file, once there is one."""

    @property
    def manifest(self) -> Path:
        """What decides the result."""
        return self.folder / "manifest.json"

    @property
    def log(self) -> Path:
        """What is finished."""
        return self.folder / "finished.jsonl"

    @property
    def lock(self) -> Path:
        """Held while a run is at work."""
        return self.folder / "lock"

    def part(self, chunk: int) -> Path:
        """Where the rows of a chunk are."""
        return self.folder / f"{chunk:06d}.part"

    def exist(self) -> bool:
        """Whether something has the name of the folder."""
        return os.path.lexists(self.folder)

    def foreign(self) -> str | None:
        """Why the folder is not one that a batch made; None where it is, or there is none."""
        if not self.exist():
            return None
        if self.folder.is_symlink() or not self.folder.is_dir():
            return "is no directory"
        entries = sorted(os.scandir(self.folder), key=lambda entry: entry.name)
        for entry in entries:
            if not OURS.fullmatch(entry.name) or not entry.is_file(follow_symlinks=False):
                return f"holds {entry.name}, which no batch puts there"
        return (
            None
            if "lock" in {entry.name for entry in entries} or _made(self.manifest)
            else "has no manifest of a batch"
        )

    def take_up(self, manifest: Json, chunks: int) -> None:
        """Begin or continue: refuse if anything that decides the result has changed, and keep the
        parts that are whole."""
        if not self.manifest.exists() and not self.log.exists():
            write_whole(
                self.manifest,
                json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False).encode(),
            )
        try:
            before = json.loads(self.manifest.read_text(encoding="utf-8"))
            changed = differences(before, json.loads(json.dumps(manifest)))
        except (FileNotFoundError, ValueError, RecursionError):
            raise Refused(
                f"{self.manifest} is gone or damaged; start again with --overwrite"
            ) from None
        if changed:
            listed = "\n".join(f"  {line}" for line in changed[:10]) + (
                f"\n  and {len(changed) - 10} more" if len(changed) > 10 else ""
            )
            raise Refused(
                f"{self.folder} holds parts of another batch; what differs:\n{listed}\n"
                "Undo the change to resume, choose another --out, or start again with --overwrite"
            )
        # the last was cut off, or is empty
        lines = self.log.read_bytes().split(b"\n")[:-1] if self.log.exists() else []
        for n, line in enumerate(lines):
            if not self._entered(line, chunks):
                raise Refused(
                    f"{self.log} is damaged in line {n + 1}; start again with --overwrite"
                )
        write_whole(
            self.log,
            "".join(_line(chunk, done) for chunk, done in sorted(self.finished.items())).encode(),
        )

    def _entered(self, line: bytes, chunks: int) -> bool:
        """Take a line of the log up; False where it is none."""
        try:
            match json.loads(line):
                case {"result": str(digest)}:
                    self.result = digest
                case {
                    "chunk": int(chunk),
                    "sha256": str(digest),
                    "failed": int(failed),
                } if 0 <= chunk < chunks and failed >= 0:
                    if self._whole(chunk, digest):
                        self.finished[chunk] = Finished(digest, failed)
                case _:
                    return False
        except (ValueError, RecursionError):
            return False
        return True

    def _whole(self, chunk: int, digest: str) -> bool:
        try:
            return file_sha256(self.part(chunk)) == digest
        except FileNotFoundError:
            return False

    def keep(self, chunk: int, content: bytes, failed: int) -> None:
        """Bring a chunk's part to the disk, then say that it is there."""
        write_whole(self.part(chunk), content)
        done = Finished(sha256(content), failed)
        self._append(_line(chunk, done))
        self.finished[chunk] = done

    def announce(self, digest: str) -> None:
        """Say what the joined file is before it gets its name, so that a run stopped after that
        knows it is done."""
        self._append(json.dumps({"result": digest}) + "\n")

    def _append(self, line: str) -> None:
        with open(self.log, "ab", opener=_no_link) as stream:
            stream.write(line.encode())
            stream.flush()
            os.fsync(stream.fileno())

    def remove(self) -> None:
        """Remove what a batch puts here, the log last: a run stopped meanwhile finds nothing that
        is not so."""
        with suppress(FileNotFoundError):
            last = (self.log, self.manifest, self.lock)
            for entry in list(os.scandir(self.folder)):
                if OURS.fullmatch(entry.name) and Path(entry.path) not in last:
                    os.unlink(entry.path)
            for path in last:
                path.unlink(missing_ok=True)
            self.folder.rmdir()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Refuse a second run on the same parts; the lock goes with the process that holds it."""
        with open(self.lock, "a", opener=_no_link) as stream:
            try:
                import fcntl

                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused(
                    f"another run is at work on {self.folder}; wait for it, or choose another --out"
                ) from None
            except (ImportError, OSError):
                pass  # Windows has no such lock, nor have some file systems
            yield


OURS = re.compile(rf"manifest\.json|finished\.jsonl|lock|\d{{6,}}\.part|{re.escape(DRAFT)}\w+\.tmp")
"""The names of files in a folder of parts."""


def _made(manifest: Path) -> bool:
    """Whether this is the manifest of a batch."""
    try:
        told = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(told, dict) and {"format", "cases", "chunk", "columns"} <= set(told)


def _no_link(path: str, flags: int) -> int:
    """Open a file that is no link."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def folder_of(out: Path) -> Path:
    """Where the parts of this result are kept until it is complete."""
    return out.with_name(f"{out.name}.parts")


def _line(chunk: int, done: Finished) -> str:
    return json.dumps({"chunk": chunk, "sha256": done.sha256, "failed": done.failed}) + "\n"


def differences(before: Any, now: Any, key: str = "") -> list[str]:
    """What changed between two trees, by dotted key."""
    if isinstance(before, dict) and isinstance(now, dict):
        found = []
        for name in sorted({*before, *now}):
            here = f"{key}.{name}" if key else name
            if name not in now:
                found.append(f"{here} is gone; it was {_brief(before[name])}")
            elif name not in before:
                found.append(f"{here} is new: {_brief(now[name])}")
            else:
                found += differences(before[name], now[name], here)
        return found
    return [] if before == now else [f"{key} was {_brief(before)} and is {_brief(now)}"]


def _brief(value: Any) -> str:
    text = canonical(value)
    return text if len(text) <= 80 else f"{text[:76]}..."
