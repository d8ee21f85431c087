"""Case files: YAML, JSON or TOML read into a tree that knows where every key stands.

A `Document` is the merged tree of a file and of the files it is based on (`base:`). What can be
checked without knowing the keys is checked here: size, depth, syntax, duplicate keys.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from market.casefile.faults import BadCase, Fault, KeyPath, Place, dotted, show

__all__ = [
    "BadCase",
    "Document",
    "Fault",
    "KeyPath",
    "Place",
    "chain",
    "read_document",
    "read_text",
    "read_value",
    "unreadable",
]

MAX_BYTES = 256 * 1024
"""Largest file that is read."""
MAX_DEPTH = 20
"""Deepest nesting of mappings and lists that is read."""
MAX_BASES = 20
"""Longest chain of files based on each other."""
REPLACED_WHOLE = {("types",), ("uncertainty",)}
"""Blocks that are not merged key by key with those of the file they are based on."""


@dataclass(frozen=True)
class Document:
    """A file as a plain tree, merged with the files it is based on."""

    tree: dict[str, Any]
    places: Mapping[KeyPath, Place]
    """Place of every key and list item; the empty path is the top of the file."""
    files: tuple[str, ...]
    """The file itself, then those it is based on."""

    def place(self, path: KeyPath) -> Place:
        """Where the key at this path stands, or its nearest parent that stands in a file."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(self.files[0]))


def read_document(path: str | Path, *, faults: list[Fault] | None = None) -> Document:
    """The document in a file: JSON and TOML by the name's ending, YAML otherwise.

    Raises `BadCase` for what cannot be read. Faults that leave a tree to check (duplicate keys,
    keys that are not text) are appended to `faults` if the caller gives a list to raise them with
    its own, and raised otherwise.
    """
    found: list[Fault] = []
    try:
        document = _read(Path(path), Place(str(path)), "", found, ())
    except BadCase as bad:
        raise BadCase([*found, *bad.faults]) from None
    if faults is not None:
        faults.extend(found)
    elif found:
        raise BadCase(found)
    return document


def read_value(text: str, name: str) -> Any:
    """A value as a case file would write it, from a text of this name; `BadCase` where it is
    none."""
    faults: list[Fault] = []
    tokens = _yaml_tokens(text, name)
    first = next(tokens, None)
    if first is None:
        return None
    value = _Builder(tokens, {}, faults).value(first, ())
    next(tokens, None)
    if faults:
        raise BadCase(faults)
    return value


def _read(
    path: Path, asked: Place, key: str, faults: list[Fault], above: tuple[str, ...]
) -> Document:
    """The document at `path`, wanted at the place `asked`; `above` holds the files that are based
    on it."""
    text, file, identity = _text(path, asked, key), str(path), os.path.realpath(path)
    if identity in above:
        raise _refused(
            asked, f"leads back to {path}, which is based on this file; break the cycle", key
        )
    if len(above) > MAX_BASES:
        raise _refused(
            asked,
            f"is {path}: more than {MAX_BASES} files are based on each other; base the case on one"
            " of the last",
            key,
        )
    places: dict[KeyPath, Place] = {(): Place(file)}
    tree: Any = None
    if path.suffix.lower() == ".toml":
        tree = _toml(text, file) or None
    elif text.strip():
        tokens = (
            _json_tokens(text, file) if path.suffix.lower() == ".json" else _yaml_tokens(text, file)
        )
        if first := next(tokens, None):
            tree = _Builder(tokens, places, faults).value(first, ())
            next(tokens, None)  # lets the reader refuse what comes after the tree
    if tree is None:
        raise _refused(
            Place(file), "the file is empty; `pigou examples show` prints a case to start from"
        )
    if not isinstance(tree, dict):
        raise _refused(
            places[()],
            "the top level is not a mapping; it must hold keys with values, such as `demand:"
            " {...}`",
        )
    own = Document(tree, places, (file,))
    if "base" not in tree:
        return own
    base, place = tree.pop("base"), own.place(("base",))
    if not isinstance(base, str) or not base:
        raise _refused(
            place,
            f"is {show(base)}; it must be text: the path of the file that this one is based on",
            "base",
        )
    return _merged(_read(path.parent / base, place, "base", faults, (*above, identity)), own)


def merged(
    below: dict[str, Any], above: dict[str, Any], replaced: set[KeyPath], path: KeyPath = ()
) -> dict[str, Any]:
    """One tree over another: mappings merge key by key, everything else is replaced, and its place
    noted in `replaced`."""
    result = dict(below)
    for key, value in above.items():
        here = (*path, key)
        if (
            isinstance(value, dict)
            and isinstance(below.get(key), dict)
            and here not in REPLACED_WHOLE
        ):
            result[key] = merged(below[key], value, replaced, here)
        else:
            replaced.add(here)
            result[key] = value
    return result


def _merged(base: Document, own: Document) -> Document:
    """`own` over `base`: mappings merge key by key, everything else is replaced; what to expect is
    not inherited."""
    replaced: set[KeyPath] = {("expect",)}
    tree = merged(
        {key: value for key, value in base.tree.items() if key != "expect"}, own.tree, replaced
    )
    kept = {
        path: place
        for path, place in base.places.items()
        if not any(path[: n + 1] in replaced for n in range(len(path)))
    }
    return Document(tree, {**kept, **own.places}, own.files + base.files)


def _refused(place: Place, message: str, key: str = "") -> BadCase:
    return BadCase([Fault(place, key, message)])


def unreadable(path: str | Path) -> str:
    """Why there is no file to read at this path, with the remedy; empty where there is one."""
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "there is no such file; check the path"
    except (OSError, ValueError) as error:
        return _unopened(error)
    if stat.S_ISDIR(mode):
        return "this is a directory; name a file in it"
    if stat.S_ISFIFO(mode) and os.path.exists(
        os.path.realpath(path)
    ):  # a shell's <(...) leads to a pipe without a name
        return "this is a named pipe, which may have nobody to write to it; name a file"
    return (
        ""
        if stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)
        else "this is no file; check the path"
    )


def chain(path: str | Path) -> tuple[str, ...]:
    """The file and those it is based on; the file alone where it is no case that can be read."""
    if os.path.isfile(path):  # a pipe can be read once only
        with suppress(BadCase):
            return read_document(path, faults=[]).files
    return (str(path),)


def _unopened(error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    return f"the file cannot be read ({reason}); check its path and permissions"


def _text(path: Path, asked: Place, key: str) -> str:
    """The text of a file; whatever makes it unreadable is reported at the place `asked`."""
    text = ""
    problem = unreadable(path)
    try:
        if problem:
            pass
        elif os.stat(path).st_size > MAX_BYTES or len(raw := _first_bytes(path)) > MAX_BYTES:
            problem = f"the file has more than {MAX_BYTES // 1024} KiB; a case is a page of text"
        elif re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", text := raw.decode("utf-8-sig")):
            problem = "the file holds control characters; it must be plain YAML, JSON or TOML text"
    except UnicodeDecodeError as error:
        problem = f"the file is not UTF-8 text (byte {error.start + 1}); save the case as UTF-8"
    except (OSError, ValueError) as error:
        problem = _unopened(error)
    if problem:
        raise _refused(asked, f"is {path}: {problem}" if key else problem, key)
    return text


def read_text(path: str | Path) -> str:
    """The text of a file that is no tree, such as a table; `BadCase` where it cannot be read."""
    return _text(Path(path), Place(str(path)), "")


def _first_bytes(path: Path) -> bytes:
    with open(path, "rb") as stream:
        return stream.read(MAX_BYTES + 1)  # a pipe or device tells no size before


_Kind = Literal["{", "}", "[", "]", "scalar"]


class _Token(NamedTuple):
    """A piece of YAML or JSON: the start or end of a mapping or list, or a scalar with its
    value."""

    kind: _Kind
    value: Any
    place: Place


@dataclass
class _Builder:
    """Builds the tree out of tokens, noting places and faults."""

    tokens: Iterator[_Token]
    places: dict[KeyPath, Place]
    faults: list[Fault]

    def value(self, token: _Token, path: KeyPath) -> Any:
        """The value that starts with this token and stands at this path."""
        if not path:
            self.places[()] = token.place
        if token.kind == "scalar":
            if isinstance(token.value, str) and re.search("[\ud800-\udfff]", token.value):
                try:
                    return token.value.encode("utf-16", "surrogatepass").decode("utf-16")
                except UnicodeDecodeError:
                    raise _refused(
                        token.place,
                        "half of a surrogate pair stands in this text; write the character itself",
                    ) from None
            return token.value
        if len(path) >= MAX_DEPTH:
            raise _too_deep(token.place)
        return self._mapping(path) if token.kind == "{" else self._list(path)

    def _mapping(self, path: KeyPath) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        while (token := next(self.tokens)).kind != "}":
            key = self.value(token, (*path, "?"))
            if not isinstance(key, str):
                self.faults.append(
                    Fault(token.place, dotted(path), f"has the key {show(key)}; keys must be text")
                )
                self.value(next(self.tokens), (*path, "?"))
                continue
            here = (*path, key)
            if key in tree:
                self.faults.append(
                    Fault(
                        token.place,
                        dotted(here),
                        f"is given twice, first in line {self.places[here].line}; keep one",
                    )
                )
            self.places.setdefault(here, token.place)
            below = next(self.tokens)
            if key == "<<" and below.kind != "scalar":
                raise _refused(
                    token.place,
                    "a merge key (<<) stands here; write the keys out, or share them between files"
                    " with `base:`",
                )
            tree.setdefault(key, self.value(below, here))
        return tree

    def _list(self, path: KeyPath) -> list[Any]:
        items: list[Any] = []
        while (token := next(self.tokens)).kind != "]":
            here = (*path, len(items))
            self.places.setdefault(here, token.place)
            items.append(self.value(token, here))
        return items


def _yaml_tokens(text: str, file: str) -> Iterator[_Token]:
    from ruamel.yaml import YAML, events
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.nodes import ScalarNode

    yaml = YAML(typ="safe", pure=True)
    brackets: dict[type, _Kind] = {
        events.MappingStartEvent: "{",
        events.MappingEndEvent: "}",
        events.SequenceStartEvent: "[",
        events.SequenceEndEvent: "]",
    }
    place, documents = Place(file, 1, 1), 0
    try:
        for event in yaml.parse(text):
            place = Place(file, event.start_mark.line + 1, event.start_mark.column + 1)
            if isinstance(event, events.AliasEvent):
                raise _refused(
                    place,
                    "an alias (*) stands here; write the value out, or share values between files"
                    " with `base:`",
                )
            if getattr(event, "tag", None) is not None:
                raise _refused(
                    place, f"the tag {event.tag} stands here; write the plain value without it"
                )
            if isinstance(event, events.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _refused(
                        place, "a second YAML document starts here; keep one case per file"
                    )
                if event.version and tuple(event.version) != (1, 2):
                    raise _refused(
                        place,
                        "the file asks for another version of YAML than 1.2; remove the line %YAML",
                    )
            elif type(event) in brackets:
                yield _Token(brackets[type(event)], None, place)
            elif isinstance(event, events.ScalarEvent):
                value = event.value
                if event.implicit[0]:  # neither quoted nor a block of text
                    tag = str(yaml.resolver.resolve(ScalarNode, value, event.implicit))
                    if tag.rsplit(":", 1)[-1] in (
                        "int",
                        "float",
                        "bool",
                        "null",
                    ):  # the rest, dates among it, stays text as in JSON
                        value = yaml.constructor.construct_object(ScalarNode(tag, value))
                yield _Token("scalar", value, place)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = Place(file, mark.line + 1, mark.column + 1) if mark else place
        reason = getattr(error, "problem", None) or "a character that YAML does not allow"
        raise _refused(
            place, f"YAML cannot be read here: {reason}; check indentation, brackets and quotes"
        ) from None
    except (ValueError, ArithmeticError) as error:
        raise _refused(place, f"YAML cannot be read after this: {_brief(error)}") from None
    except RecursionError:
        raise _too_deep(place) from None


def _json_tokens(text: str, file: str) -> Iterator[_Token]:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        place = Place(file, error.lineno, error.colno)
        raise _refused(
            place, f"JSON cannot be read here: {error.msg}; check commas, brackets and quotes"
        ) from None
    except RecursionError:
        raise _too_deep(Place(file)) from None
    except ValueError as error:
        raise _refused(Place(file), f"JSON cannot be read: {_brief(error)}") from None
    lines = [0, *(match.end() for match in re.finditer("\n", text))]
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[^\s{}\[\]:,"]+', text):
        line = bisect_right(lines, match.start())
        place = Place(file, line, match.start() - lines[line - 1] + 1)
        piece = match.group()
        if piece in ("{", "}", "[", "]"):
            yield _Token(piece, None, place)  # type: ignore[arg-type]
            continue
        yield _Token("scalar", json.loads(piece), place)


def _toml(text: str, file: str) -> dict[str, Any]:
    if re.search(r"""(?<![\w-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){100}""", text):
        raise _too_deep(Place(file))  # tomllib takes minutes over a dotted key of this kind
    try:
        tree = tomllib.loads(text)
    except RecursionError:
        raise _too_deep(Place(file)) from None
    except ValueError as error:
        raise _refused(Place(file), f"TOML cannot be read: {_brief(error)}") from None
    level: list[Any] = [tree]
    for _ in range(MAX_DEPTH):
        level = [
            x
            for value in level
            for x in (value.values() if isinstance(value, dict) else value)
            if isinstance(x, dict | list)
        ]
    if level:
        raise _too_deep(Place(file))
    return tree


def _brief(error: Exception) -> str:
    """What Python says, and in our words what it says of numbers it does not convert."""
    return (
        "a number has thousands of digits; round it"
        if "integer string conversion" in str(error)
        else str(error)
    )


def _too_deep(place: Place) -> BadCase:
    return _refused(
        place,
        f"mappings and lists are nested deeper than {MAX_DEPTH} here; a case needs four levels",
    )
