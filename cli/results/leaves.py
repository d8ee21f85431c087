"""Two results figure by figure: what differs by more than rounding.

A figure may differ by a share of the scale of its kind, the largest size of that kind in both
results. Kinds go by the key a figure stands under: shares, investment, prices, quantities, what is
in natural units (whose scale is one), and money, whose scale is as a rule welfare. Derivatives,
the numbers of claims, indices and estimates have a kind per key. What was asked is compared
exactly.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from market.casefile.faults import KeyPath, dotted

Leaf = str | float | int | bool | None

TOLERANCE = 1e-9
"""Share of the scale of its kind by which a figure may differ."""

_KINDS = {
    **dict.fromkeys(("sharing", "probabilities", "share_of_gain", "attained", "share"), "share"),
    **dict.fromkeys(("competes", "recommended", "allocation"), "share"),
    **dict.fromkeys(("residual", "regret", "curvature", "gap", "reply_eigenvalues"), "natural"),
    **dict.fromkeys(("investment", "quantity"), "quantity"),
    **dict.fromkeys(("price", "unit_cost"), "price"),
    **dict.fromkeys(("type", "types", "report", "reports", "best_report"), "type"),
    **dict.fromkeys(("rival_type", "rival_report"), "type"),
}
"""The kind of the figures under a key; money where none is given."""
_AT_LEAST_ONE = {"share", "natural"}
"""Kinds whose scale is at least one."""
_OWN = ("statics", "propositions", "sensitivity", "calibrate")
"""Commands whose figures have a kind per key."""
_GIVEN = {"case", "case_before", "input", "resolved", "options", "data"}
"""Keys below which stands what was asked, not what was found."""
_FOUND = {"calibrate": {"case"}}
"""Those of them that are what a command finds."""
_APART = {"version", "python", "packages", "run"}
"""Of where a result comes from: what may explain a difference and is none itself."""


@dataclass(frozen=True, kw_only=True)
class Differing:
    """A value that is not the same in two results; `missing` where a side has none."""

    path: str
    """The dotted way to it."""
    before: Any
    """In the first result, or as it is written."""
    after: Any
    """In the second, or as it comes out here."""
    missing: str | None = None
    """The side that lacks it: before or after; None where both have it."""

    @property
    def change(self) -> float | None:
        """After less before, of figures."""
        if not (_number(self.before) and _number(self.after)):
            return None
        return float(self.after) - float(self.before)

    @property
    def tree(self) -> dict[str, Any]:
        """As a row of JSON and CSV."""
        return {
            "key": self.path,
            "before": self.before,
            "after": self.after,
            "change": self.change,
            "missing": self.missing,
        }


def leaves(tree: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Leaf]]:
    """Every value of a tree with its path. Empty mappings and lists have none."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from leaves(value, (*path, key))
    elif isinstance(tree, list | tuple):
        for n, value in enumerate(tree):
            yield from leaves(value, (*path, n))
    else:
        yield path, tree


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _kind(path: KeyPath, own: bool) -> str:
    """The kind of the figure at a path; with `own` every key is one of its own."""
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    bare = key[:-2] if key.endswith(("_1", "_2")) else key
    return key if own else _KINDS.get(bare, "money")


def compared(path: KeyPath) -> bool:
    """Whether a value is what was asked or found: not the version that wrote it, nor its stamp."""
    if path[:1] == ("tool",):
        return False
    return not any(
        part == "provenance" and path[n + 1 : n + 2] and path[n + 1] in _APART
        for n, part in enumerate(path)
    )


def differing(
    before: Any,
    after: Any,
    *,
    tolerance: float = TOLERANCE,
    of: str = "",
    left_out: Collection[str] = (),
) -> tuple[list[Differing], int]:
    """What differs between two results `of` a command, in the order of the first, and how many
    values were compared. Keys that are left out are not looked below."""
    own, asked = of in _OWN, _GIVEN - _FOUND.get(of, set())
    old, new = (
        {
            path: value
            for path, value in leaves(tree)
            if compared(path) and not set(left_out) & set(path)
        }
        for tree in (before, after)
    )
    scale: dict[str, float] = {}
    for path, value in [*old.items(), *new.items()]:
        if _number(value):
            kind = _kind(path, own)
            floor = 1.0 if kind in _AT_LEAST_ONE else 0.0
            scale[kind] = max(scale.get(kind, floor), abs(float(value or 0)))
    found = []
    paths = dict.fromkeys([*old, *new])
    for path in paths:
        if path not in new or path not in old:
            found.append(
                Differing(
                    path=dotted(path),
                    before=old.get(path),
                    after=new.get(path),
                    missing="after" if path not in new else "before",
                )
            )
            continue
        one, other = old[path], new[path]
        if _number(one) and _number(other):
            given = bool(asked & set(path))
            allowed = 0.0 if given else tolerance * scale[_kind(path, own)]
            if abs(float(one or 0) - float(other or 0)) <= allowed:
                continue
        elif one == other and isinstance(one, bool) == isinstance(other, bool):
            continue
        found.append(Differing(path=dotted(path), before=one, after=other))
    return found, len(paths)
