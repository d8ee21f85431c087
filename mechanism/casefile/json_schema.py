"""The JSON Schema of the case file, for editors and other programs, and what its keys are in
words."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

from market.casefile.faults import Meant, meant
from market.text import Json
from mechanism.casefile.case_keys import key_path
from mechanism.casefile.schema import CaseFile


def case_schema() -> Json:
    """The JSON Schema (2020-12) of the case file."""
    schema = CaseFile.model_json_schema()
    base = {
        "type": "string",
        "title": "Base",
        "description": "path, relative to this file, of a case from which this one differs",
    }
    schema["properties"] = {**schema["properties"], "base": base}
    # With a base the market's blocks may be partial: what they require is asked only of a file
    # without one.
    needed = _take_required(schema, schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Case file of pigou",
        "if": {"not": {"required": ["base"]}},
        "then": needed,
    }


def _take_required(node: Json, schema: Json) -> Json:
    """Remove `required` from this mapping and the mappings in its keys; give it back as a schema of
    its own."""
    taken: Json = {}
    if "required" in node:
        taken["required"] = node.pop("required")
    inner = {}
    for key, child in node.get("properties", {}).items():
        refs = [part["$ref"] for part in child.get("oneOf", [child]) if "$ref" in part]
        below = [
            found
            for ref in refs
            if (found := _take_required(schema["$defs"][ref.rsplit("/", 1)[-1]], schema))
        ]
        if below:
            inner[key] = below[0] if len(below) == 1 else {"anyOf": below}
    return {**taken, "properties": inner} if inner else taken


_EACH = "; one number or one per firm"
"""What a description says of what it may be given as."""


@cache
def _schema() -> Json:
    return case_schema()


def meaning(key: str) -> Meant:
    """What a dotted key of a case means, without its letter in the text and what it may be given
    as."""
    told = meant(key_path(key), _schema())
    _, head, rest = told.text.partition(": ")
    text = rest if head and told.letter else told.text
    return replace(told, text=text.replace(_EACH, ""))


def named(key: str, firms: tuple[str, str]) -> str:
    """What a dotted key of a case is, in few words, with the firm's name where it is one firm's;
    the key itself where nothing is said of it."""
    bare, _, index = key.partition("[")
    text = re.split(r"[;:,] | \(", meaning(bare).text)[0]
    return f"{text or bare} of {firms[int(index[0])]}" if index else text or key
