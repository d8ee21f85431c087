"""What a CSV file has no place for: a file of metadata beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from cli.output.whole import write_whole

PROVENANCE = "pigou.provenance"
"""Where metadata tell where a result comes from, as JSON."""
DIGEST = "pigou.result_sha256"
"""Where they have the hash of the file that they stand beside."""


def metadata_beside(path: Path) -> Path:
    """The file that tells where a CSV result comes from."""
    return path.with_name(f"{path.name}.metadata.json")


def told_beside(path: Path) -> dict[str, str]:
    """What such a file tells; nothing where it is none that can be read."""
    with suppress(OSError, ValueError, RecursionError):
        told = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(told, dict):
            return {key: str(value) for key, value in told.items()}
    return {}


def is_metadata(path: Path) -> bool:
    """Whether this is a file that tells where a CSV result comes from."""
    return DIGEST in told_beside(path)


def foreign_beside(path: Path) -> str | None:
    """Why nothing can be told beside this file; None where nothing is in the way."""
    beside = metadata_beside(path)
    try:
        os.lstat(beside)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return f"{beside}: cannot be written ({error.strerror}); choose another name"
    if is_metadata(beside):
        return None
    return (
        f"{beside} would tell where the result comes from, and is another file; move it away, or"
        " choose another name"
    )


def write_beside(path: Path, metadata: Mapping[str, str], digest: str) -> None:
    """Tell beside a CSV file of this hash where it comes from."""
    told = {**metadata, DIGEST: digest}
    write_whole(
        metadata_beside(path),
        (json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode(),
    )
