"""Why a result may differ from what comes out here: by what it was written, and what it says of
itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cli.results.leaves import Differing
from mechanism.report.provenance import provenance

HASHES = ("case_sha256", "result_sha256")
"""How the paths of hashes end."""


def _versions(told: Mapping[str, Any]) -> dict[str, Any]:
    """What a result was written by, by name."""
    packages = told.get("packages")
    return {
        "pigou": told.get("version"),
        "Python": told.get("python"),
        **(packages if isinstance(packages, Mapping) else {}),
    }


def environments_of(
    written: Mapping[str, Any], other: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """What differs between where a result was written and where another was, by default here: a
    row per program or library."""
    there, here = _versions(written), _versions(other or provenance("", None))
    return [
        {"name": name, "written": there.get(name), "here": here.get(name)}
        for name in dict.fromkeys([*there, *here])
        if there.get(name) != here.get(name)
    ]


def reasons(found: Sequence[Differing], written: Mapping[str, Any]) -> list[str]:
    """In words; nothing where nothing differs."""
    if not found:
        return []
    out = []
    if any(one.path.endswith(HASHES) for one in found):
        out.append(
            "A hash is not that of what stands in the file: its input, or a figure of a table, was"
            " changed after it was written."
        )
    if others := environments_of(written):
        listed = ", ".join(f"{row['name']} {row['written']} (here {row['here']})" for row in others)
        out.append(
            f"It was written with {listed}: install these versions to tell a change of the program"
            " from a change of the file."
        )
    else:
        out.append(
            "The versions of pigou, Python and libraries are the same here: the file was changed"
            " after it was written. Only where all differences are tiny (--tolerance), or lie in"
            " which of several equals is named as a witness or in words, another processor may"
            " round differently."
        )
    return out
