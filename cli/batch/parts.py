"""The directory of parts beside a result: what is finished survives whatever stops the program.

    RESULT.parts/manifest.json      what decides the result, and how the cases are cut into chunks; written once
    RESULT.parts/finished.jsonl     one line per finished chunk: its number, the sha256 of its part, how many cases failed
    RESULT.parts/000012.part        the rows of chunk 12
    RESULT.parts/lock               held while a run is at work

A part is written under another name, brought to the disk and renamed before its line is added, so a line promises a whole part; the
hash tells whether the promise still holds. A line cut off by a crash is dropped.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]


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

    def part(self, chunk: int) -> Path:
        """Where the rows of a chunk are."""
        return self.folder / f"{chunk:06d}.part"

    def exist(self) -> bool:
        """Whether a run has begun here."""
        return self.folder.exists()

    def take_up(self, manifest: Json) -> None:
        """Begin or continue: refuse if anything that decides the result has changed, and keep the parts that are whole."""
        if not self.manifest.exists() and not self.log.exists():
            write_whole(self.manifest, json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False).encode())
        try:
            before = json.loads(self.manifest.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            raise Refused(f"{self.manifest} is gone or damaged; start again with --overwrite") from None
        changed = differences(before, json.loads(json.dumps(manifest)))
        if changed:
            listed = "\n".join(f"  {line}" for line in changed[:10]) + (f"\n  and {len(changed) - 10} more" if len(changed) > 10 else "")
            raise Refused(
                f"{self.folder} holds parts of another batch; what differs:\n{listed}\n"
                "Undo the change to resume, choose another --out, or start again with --overwrite"
            )
        for line in self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []:
            with suppress(ValueError, KeyError, TypeError):
                entry = json.loads(line)
                if "result" in entry:
                    self.result = entry["result"]
                elif self._whole(entry["chunk"], entry["sha256"]):
                    self.finished[entry["chunk"]] = Finished(entry["sha256"], entry["failed"])
        write_whole(self.log, "".join(_line(chunk, done) for chunk, done in sorted(self.finished.items())).encode())

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
        """Say what the joined file is before it gets its name, so that a run stopped after that knows it is done."""
        self._append(json.dumps({"result": digest}) + "\n")

    def _append(self, line: str) -> None:
        with open(self.log, "ab") as stream:
            stream.write(line.encode())
            stream.flush()
            os.fsync(stream.fileno())

    def remove(self) -> None:
        """Remove everything; under another name, so that a run stopped meanwhile leaves no half of it."""
        stale = self.folder.with_name(f"{self.folder.name}.old")
        shutil.rmtree(stale, ignore_errors=True)
        if self.exist():
            os.replace(self.folder, stale)
            shutil.rmtree(stale, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Refuse a second run on the same parts; the lock goes with the process that holds it."""
        try:
            import fcntl
        except ImportError:  # Windows has no such lock
            yield
            return
        with open(self.folder / "lock", "w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused(f"another run is at work on {self.folder}; wait for it, or choose another --out") from None
            except OSError:
                pass  # a file system without locks
            yield


def folder_of(out: Path) -> Path:
    """Where the parts of this result are kept until it is complete."""
    return out.with_name(f"{out.name}.parts")


def _line(chunk: int, done: Finished) -> str:
    return json.dumps({"chunk": chunk, "sha256": done.sha256, "failed": done.failed}) + "\n"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file entirely or not at all, whatever stops the program or the machine."""
    draft = path.with_name(f"{path.name}.tmp")
    try:
        with open(draft, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, path)
    except OSError:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


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
