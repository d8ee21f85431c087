"""What a fault of the user is, and how it is worded: where, which key, what was given, what is
admissible, what may have been meant.

What is admissible is read off the JSON Schema that users get too, so that the two cannot differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from market.text import Json, visible

KeyPath = tuple[str | int, ...]
"""The way to a value from the top of the tree: keys, and positions in lists."""

LISTED = 20
"""Faults that a message lists; the rest are counted."""


@dataclass(frozen=True)
class Place:
    """Where something stands in a file; lines and columns count from 1 and are None where the
    format does not tell them."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(
            str(part) for part in (self.file, self.line, self.column) if part is not None
        )


@dataclass(frozen=True)
class Fault:
    """One mistake of the user: where, in which key, what was given and what is admissible."""

    place: Place | None
    key: str
    message: str

    def __str__(self) -> str:
        text = " ".join(part for part in (self.key, self.message) if part)
        return visible(text if self.place is None else f"{self.place}: {text}")


def order(place: Place | None) -> tuple[str, int, int]:
    """What faults are sorted by: file, line, column."""
    return ("", 0, 0) if place is None else (place.file, place.line or 0, place.column or 0)


class BadCase(Exception):  # noqa: N818 - a fault of the user, not an error of the program
    """A file or tree that is refused, with all its faults in the order of the file; its text lists
    the first."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: order(fault.place)))
        lines = [str(fault) for fault in self.faults[:LISTED]]
        if (more := len(self.faults) - LISTED) > 0:
            lines.append(f"and {more:,} more fault{'s' * (more > 1)}")
        super().__init__("\n".join(lines))


def dotted(path: KeyPath) -> str:
    """A path as it is written in messages and options: `demand.intercept[1]`."""
    return "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in path
    ).removeprefix(".")


def show(value: Any) -> str:
    """A value as a message shows it, briefly and as a case file would write it."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, int) and value.bit_length() > 1024:
        return "a number beyond all bounds"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:56]}..."


def explain(kind: str, text: str, given: Any, path: KeyPath, schema: Json) -> str:
    """What a fault says after its key: pydantic's kind of error and its text, the value given, and
    the JSON Schema it had to meet."""
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return _unknown(path, schema)
    if kind == "invalid_key":
        return "is not a known key; keys must be text"
    if kind == "mixed":
        return text
    node = _node(schema, path)
    if kind == "missing":
        such = f", such as {node['examples'][0]}" if "examples" in node else ""
        return f"is missing; give {_admissible(node, schema)}{such}"
    if kind == "too_short" and not given:
        return f"is empty; give {_admissible(node, schema)}"
    kinds = [branch for branch in _branches(node, schema) if branch.get("type") != "null"]
    for branch in kinds:
        most = branch.get("maxItems", branch.get("maxProperties"))
        # Beside a number, a list of exactly two is better told whole: a number or a list of two.
        whole = len(kinds) > 1 and most == branch.get("minItems")
        if kind == "too_long" and most and len(given) > most and not whole:
            return f"has {len(given):,} entries; at most {most:,} are taken"
    choices = node.get("enum", [])
    if isinstance(given, int | float) and not isinstance(given, bool):
        for branch in _branches(node, schema):
            if branch.get("type") == "number" or (
                branch.get("type") == "integer" and isinstance(given, int)
            ):
                return f"is {show(given)}; it must lie in {_interval(branch)}"
    close = get_close_matches(given, choices, 1) if isinstance(given, str) else []
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"is {show(given)}; it must be {_admissible(node, schema)}{hint}"


def _unknown(path: KeyPath, schema: Json) -> str:
    """What is said of a key that there is not: the one that was meant, by its letter or nearly by
    its name, or all."""
    keys = [
        name
        for branch in _branches(_node(schema, path[:-1]), schema)
        for name in branch.get("properties", {})
    ]
    letters = {_node(schema, (*path[:-1], name)).get("x-letter"): name for name in keys}
    by_letter = [letters[path[-1]]] if path[-1] in letters else []
    if close := by_letter or get_close_matches(str(path[-1]), keys, 1):
        return f"is not a known key; did you mean {close[0]}?"
    return f"is not a known key; the keys here are {', '.join(keys)}"


@dataclass(frozen=True, kw_only=True)
class Meant:
    """What the JSON Schema says of a key."""

    letter: str | None
    """The paper's symbol."""
    text: str
    """Its description."""
    admissible: str | None
    """The interval it must lie in; None of what is no number."""


def meant(path: KeyPath, schema: Json) -> Meant:
    """What a key of a file means."""
    node = _node(schema, path)
    number = next((one for one in _branches(node, schema) if one.get("type") == "number"), None)
    return Meant(
        letter=node.get("x-letter"),
        text=node.get("description", ""),
        admissible=None if number is None else _interval(number),
    )


def _resolved(node: Json, schema: Json) -> Json:
    """A node of the schema with its reference followed; what stands beside the reference wins."""
    reference = node.get("$ref", "").rsplit("/", 1)[-1]
    return {**schema["$defs"][reference], **node} if reference else node


def _branches(node: Json, schema: Json) -> list[Json]:
    """The alternatives of a union, each with what the union itself says; the node itself where it
    is none."""
    shared = {key: value for key, value in node.items() if key.startswith("x-")}
    union = node.get("oneOf", node.get("anyOf"))
    if not union:
        return [node]
    return [
        {**leaf, **shared}
        for branch in union
        for leaf in _branches(_resolved(branch, schema), schema)
    ]


def _node(schema: Json, path: KeyPath) -> Json:
    """The part of the schema that describes the value at this path; empty where there is none."""
    node = schema
    for part in path:
        steps = [
            (
                branch.get("items")
                if isinstance(part, int)
                else branch.get("properties", {}).get(part, branch.get("additionalProperties"))
            )
            for branch in _branches(node, schema)
        ]
        found = [step for step in steps if isinstance(step, dict)]
        # An entry of a list may be any of what the list's alternatives hold; of a key they say the
        # same.
        node = (
            {"anyOf": found}
            if isinstance(part, int) and len(found) > 1
            else _resolved(next(iter(found), {}), schema)
        )
    return node


def _interval(node: Json) -> str:
    if "x-admissible" in node:
        return str(node["x-admissible"])
    low = (
        f"({show(node['exclusiveMinimum'])}"
        if "exclusiveMinimum" in node
        else f"[{show(node['minimum'])}"
        if "minimum" in node
        else "(-inf"
    )
    high = (
        f"{show(node['exclusiveMaximum'])})"
        if "exclusiveMaximum" in node
        else f"{show(node['maximum'])}]"
        if "maximum" in node
        else "inf)"
    )
    return f"{low}, {high}"


def _admissible(node: Json, schema: Json) -> str:
    """What a value must be, in words."""
    if len(branches := _branches(node, schema)) > 1:
        return " or ".join(_admissible(branch, schema) for branch in branches)
    if "enum" in node:
        return "one of " + ", ".join(map(str, node["enum"]))
    if "const" in node:
        return str(node["const"])
    kind = node.get("type")
    if kind == "object":
        most = node.get("maxProperties")
        return f"a mapping{f' of at most {most} keys' if most else ''}" + (
            f" with the keys {', '.join(node['properties'])}" if "properties" in node else ""
        )
    if "x-words" in node:
        return str(node["x-words"])
    if kind == "array":
        least, most = node.get("minItems"), node.get("maxItems")
        count = f" of {least}" if least == most and least else ""
        return f"a list{count}, each {_admissible(_resolved(node['items'], schema), schema)}"
    if kind in ("number", "integer"):
        return f"a {'whole number' if kind == 'integer' else 'number'} in {_interval(node)}"
    if kind == "string" and "maxLength" in node:
        return f"text of {node.get('minLength', 0)} to {node['maxLength']} characters"
    return {"string": "text", "null": "null"}.get(str(kind), "a number, text, true, false or null")
