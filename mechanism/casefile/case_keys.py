"""Dotted keys of a case, such as `demand.cross_slope` or `demand.intercept[0]`: the way to a value
in the resolved tree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy, deepcopy
from difflib import get_close_matches
from typing import Any

from market.casefile.faults import KeyPath, dotted
from market.text import Json, firm_names

BLOCKS = ("demand", "security", "cost", "unit_cost", "types", "mechanism")
"""The blocks whose keys can be varied."""
NAMES = "firms"
"""The key of the firms' names, which can be set as a whole."""


def key_path(key: str) -> KeyPath:
    """The parts of a dotted key."""
    return tuple(
        int(part[1:-1]) if re.fullmatch(r"\[\d{1,6}\]", part) else part
        for part in key.replace("[", ".[").split(".")
    )


def leaves(tree: Json) -> list[str]:
    """The dotted keys of a resolved case that hold one value, or one value per firm."""
    found: list[str] = []

    def walk(value: Any, path: KeyPath) -> None:
        if isinstance(value, dict):
            for key, below in value.items():
                walk(below, (*path, key))
            return
        if isinstance(value, list):
            for n, below in enumerate(value):
                walk(below, (*path, n))
        if not isinstance(value, list) or path[0] != "types":
            found.append(dotted(path))

    for block in BLOCKS:
        if isinstance(tree.get(block), dict):
            walk(tree[block], (block,))
    return found


def value_at(tree: Any, path: KeyPath) -> Any:
    """The value there; `LookupError` or `TypeError` where there is none."""
    for part in path:
        tree = tree[part]
    return tree


def set_at(tree: Json, path: KeyPath, value: Any) -> None:
    """Put a value there in the tree; where one firm of two is meant and both have one value, each
    gets its own. NaN stands for null."""
    *above, last = path
    parent: Any = tree
    for n, part in enumerate(above):
        if isinstance(path[n + 1], int) and not isinstance(parent[part], list):
            parent[part] = [parent[part]] * 2
        parent = parent[part]
    before = parent[last]
    if isinstance(value, float):
        if value != value:
            value = None
        elif isinstance(before, int) and not isinstance(before, bool) and value.is_integer():
            value = int(value)
    parent[last] = value


def with_values(tree: Json, values: Mapping[KeyPath, Any]) -> Json:
    """The tree with other values there, as `set_at` puts them; what lies beside the ways to them is
    the same."""
    changed = dict(tree)
    for path, value in values.items():
        parent: Any = changed
        for part in path[:-1]:
            parent[part] = copy(parent[part])
            parent = parent[part]
            if not isinstance(parent, dict | list):
                break  # one value for both firms
        set_at(changed, path, value)
    return changed


def expanded(tree: Json, path: KeyPath) -> Json:
    """The tree with one value per firm where the path means one firm of two."""
    if not path or not isinstance(path[-1], int) or path[0] not in BLOCKS:
        return {block: tree[block] for block in BLOCKS if block in tree}
    tree = deepcopy(tree)
    parent = value_at(tree, path[:-2])
    if not isinstance(parent[path[-2]], dict | list):
        parent[path[-2]] = [parent[path[-2]]] * 2
    return tree


def number_at(tree: Json, key: str) -> float | None:
    """A case's own value of a number by its dotted key, one firm's of a number that is common to
    both; None where the firms differ in it, or it is no number."""
    value = value_at(expanded(tree, key_path(key)), key_path(key))
    return float(value) if isinstance(value, int | float) else None


def key_fault(tree: Json, key: str, *, whole: bool = False) -> str | None:
    """What is wrong with a dotted key of a resolved case, with the nearest that would do; None if
    nothing is. `whole`: blocks and lists may be meant as well as single values."""
    known, steps = leaves(tree), key_path(key)
    # where an entry of a list is no firm's, and a number does not stand for one of each
    listed = steps[0] == "types"
    if key == NAMES:
        return None if whole else "cannot be varied"
    try:
        held = value_at(tree if listed else expanded(tree, steps), steps)
    except (LookupError, TypeError):
        last = {name.rsplit(".", 1)[-1]: name for name in known}
        close = get_close_matches(key, known, 1) or [
            last[name] for name in get_close_matches(key.rsplit(".", 1)[-1], last, 1)
        ]
        if not listed and isinstance(steps[-1], int) and key.rpartition("[")[0] in known:
            first, second = firm_names(tree.get(NAMES))
            return f"is not a key of the base case: [0] is {first}'s, [1] {second}'s"
        if key.startswith("types") and tree.get("types") is None:
            return "is not a key of the base case; the base case has no types"
        hint = f"did you mean {close[0]}?" if close else f"the keys there are {', '.join(known)}"
        return f"is not a key of the base case; {hint}"
    if (
        whole
        or key in known
        or (isinstance(steps[-1], int) and not (listed and isinstance(held, list)))
    ):
        return None
    below = [name for name in known if name.startswith((f"{key}.", f"{key}["))]
    return (
        f"is a block or a list; vary its parts, such as {below[0]}" if below else "cannot be varied"
    )


def flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Every value that can be varied or set, by its dotted key; lists stay whole."""
    found: dict[str, Any] = {NAMES: tree[NAMES]} if tree.get(NAMES) else {}

    def walk(value: Any, path: KeyPath) -> None:
        if isinstance(value, dict):
            for key, below in value.items():
                walk(below, (*path, key))
        else:
            found[dotted(path)] = value

    for block in BLOCKS:
        walk(tree.get(block), (block,))
    return found


def settings(before: Json, after: Json) -> Json:
    """What to set in one case, key by key, to have the other: single keys where both have the same
    ones, else whole blocks. Names, units and what is expected stay as they are."""
    old, new = flat(before), flat(after)
    found: Json = {}
    for key in dict.fromkeys([*old, *new]):
        block = key.partition(".")[0]
        same = {one for one in old if one.startswith(f"{block}.")} == {
            one for one in new if one.startswith(f"{block}.")
        }
        if before.get(block) != after.get(block) and not (same and old.get(key) == new.get(key)):
            alone = same and key != block
            found[key if alone else block] = new[key] if alone else after.get(block)
    return found
