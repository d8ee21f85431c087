"""Case files: YAML, JSON or TOML read into a tree that knows where every key stands.

A `Document` is the merged tree of a file and of the files it is based on (`base:`). What can be checked without knowing the keys is
checked here: size, depth, syntax, duplicate keys. Faults travel as `Fault` values and are raised together as one `BadCase`.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

MAX_BYTES = 256 * 1024
"""Largest file that is read."""
MAX_DEPTH = 20
"""Deepest nesting of mappings and lists that is read."""
REPLACED_WHOLE = {("types",), ("expect",)}
"""Blocks that a file never shares key by key with the file it is based on."""

KeyPath = tuple[str | int, ...]
"""The way to a value from the top of the tree: keys, and positions in lists."""


@dataclass(frozen=True)
class Place:
    """Where something stands in a file; lines and columns count from 1 and are None where the format does not tell them."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)


@dataclass(frozen=True)
class Fault:
    """One mistake of the user: where, in which key, what was given and what is admissible."""

    place: Place | None
    key: str
    message: str

    def __str__(self) -> str:
        text = " ".join(part for part in (self.key, self.message) if part)
        return text if self.place is None else f"{self.place}: {text}"


class BadCase(Exception):  # noqa: N818 - a fault of the user, not an error of the program
    """A file or tree that is refused, with all its faults in the order of the file."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        def order(fault: Fault) -> tuple[str, int, int]:
            place = fault.place or Place("")
            return place.file, place.line or 0, place.column or 0

        self.faults = tuple(sorted(faults, key=order))
        super().__init__("\n".join(map(str, self.faults)))


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

    Raises `BadCase` for what cannot be read. Faults that leave a tree to check (duplicate keys, keys that are not text) are
    appended to `faults` if the caller gives a list to raise them with its own, and raised otherwise.
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


def _read(path: Path, asked: Place, key: str, faults: list[Fault], chain: tuple[Path, ...]) -> Document:
    """The document at `path`, wanted at the place `asked`; `chain` holds the files that are based on it."""
    text = _text(path, asked, key)
    file = str(path)
    places: dict[KeyPath, Place] = {(): Place(file)}
    if not text.strip():
        raise _refused(Place(file), "is empty; `pigou examples show` prints a case to start from")
    if path.suffix.lower() == ".toml":
        tree = _toml(text, file)
    else:
        tokens = _json_tokens(text, file) if path.suffix.lower() == ".json" else _yaml_tokens(text, file)
        first = next(tokens, None)
        tree = first and _Builder(tokens, places, faults).value(first, ())
    if tree is None:
        raise _refused(Place(file), "is empty; `pigou examples show` prints a case to start from")
    if not isinstance(tree, dict):
        raise _refused(places[()], "the top level is not a mapping; it must hold keys with values, such as `demand: {...}`")
    own = Document(tree, places, (file,))
    if "base" not in tree:
        return own
    base, place, chain = tree.pop("base"), own.place(("base",)), (*chain, path.resolve())
    if not isinstance(base, str) or not base:
        faults.append(Fault(place, "base", "must be text: the path of the file that this one is based on"))
        return own
    if (path.parent / base).resolve() in chain:
        raise BadCase([Fault(place, "base", f"is {base}, which is based on this file in turn; break the cycle")])
    return _merged(_read(path.parent / base, place, "base", faults, chain), own)


def _merged(base: Document, own: Document) -> Document:
    """`own` over `base`: mappings merge key by key, everything else is replaced."""
    replaced: set[KeyPath] = set(REPLACED_WHOLE & {(key,) for key in own.tree}) | {("expect",)}

    def merge(below: dict[str, Any], above: dict[str, Any], path: KeyPath) -> dict[str, Any]:
        result = dict(below)
        for key, value in above.items():
            here = (*path, key)
            if here not in replaced and isinstance(value, dict) and isinstance(below.get(key), dict):
                result[key] = merge(below[key], value, here)
            else:
                replaced.add(here)
                result[key] = value
        return result

    inherited = {key: value for key, value in base.tree.items() if key != "expect"}
    tree = merge(inherited, own.tree, ())
    kept = {path: place for path, place in base.places.items() if not any(path[: n + 1] in replaced for n in range(len(path)))}
    return Document(tree, {**kept, **own.places}, own.files + base.files)


def _refused(place: Place, message: str, key: str = "") -> BadCase:
    return BadCase([Fault(place, key, message)])


def _text(path: Path, asked: Place, key: str) -> str:
    """The text of a file; whatever makes it unreadable is reported at the place `asked`."""
    subject = f"is {path}: " if key else ""
    try:
        if path.is_dir():
            raise _refused(asked, f"{subject}this is a directory; name a file in it", key)
        size = os.stat(path).st_size
        if size <= MAX_BYTES:
            with open(path, "rb") as stream:
                raw = stream.read(MAX_BYTES + 1)
            size = max(size, len(raw))  # pipes and devices have no size until they are read
        if size > MAX_BYTES:
            raise _refused(asked, f"{subject}the file has more than {MAX_BYTES // 1024} KiB; a case is a page of text", key)
    except FileNotFoundError:
        raise _refused(asked, f"{subject}there is no such file; check the path", key) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _refused(asked, f"{subject}the file cannot be read ({reason}); check its path and permissions", key) from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{subject}the file is not UTF-8 text (byte {error.start + 1}); save the case as UTF-8"
        raise _refused(asked, message, key) from None
    if re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", text):
        raise _refused(asked, f"{subject}the file holds control characters; it must be plain YAML, JSON or TOML text", key)
    return text


class _Token(NamedTuple):
    """A piece of YAML or JSON: the start or end of a mapping or list, or a scalar with its value."""

    kind: Literal["{", "}", "[", "]", "scalar"]
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
            return token.value
        if len(path) >= MAX_DEPTH:
            raise _too_deep(token.place)
        return self._mapping(path) if token.kind == "{" else self._list(path)

    def _mapping(self, path: KeyPath) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        while (token := next(self.tokens)).kind != "}":
            key = self.value(token, (*path, "?"))
            if not isinstance(key, str):
                self.faults.append(Fault(token.place, dotted(path), f"has the key {show(key)}; keys must be text"))
                self.value(next(self.tokens), (*path, "?"))
                continue
            here = (*path, key)
            if key in tree:
                self.faults.append(Fault(token.place, dotted(here), f"is given twice, first in line {self.places[here].line}; keep one"))
            self.places.setdefault(here, token.place)
            value = self.value(next(self.tokens), here)
            tree.setdefault(key, value)
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
    place, documents = Place(file, 1, 1), 0
    try:
        for event in yaml.parse(text):
            place = Place(file, event.start_mark.line + 1, event.start_mark.column + 1)
            if isinstance(event, events.AliasEvent):
                raise _refused(place, "an alias (*) stands here; write the value out, or share values between files with `base:`")
            if getattr(event, "tag", None) is not None:
                raise _refused(place, f"the tag {event.tag} stands here; write the plain value without it")
            if isinstance(event, events.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _refused(place, "a second YAML document starts here; keep one case per file")
            elif isinstance(event, events.MappingStartEvent):
                yield _Token("{", None, place)
            elif isinstance(event, events.MappingEndEvent):
                yield _Token("}", None, place)
            elif isinstance(event, events.SequenceStartEvent):
                yield _Token("[", None, place)
            elif isinstance(event, events.SequenceEndEvent):
                yield _Token("]", None, place)
            elif isinstance(event, events.ScalarEvent):
                tag = yaml.resolver.resolve(ScalarNode, event.value, event.implicit)
                value = event.value
                if tag.rsplit(":", 1)[-1] in ("int", "float", "bool", "null"):  # the rest, dates among it, stays text as in JSON
                    value = yaml.constructor.construct_object(ScalarNode(tag, value))
                yield _Token("scalar", value, place)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = Place(file, mark.line + 1, mark.column + 1) if mark else place
        reason = getattr(error, "problem", None) or "a character that YAML does not allow"
        raise _refused(place, f"YAML cannot be read here: {reason}; check indentation, brackets and quotes") from None
    except (ValueError, ArithmeticError) as error:
        raise _refused(place, f"YAML cannot be read after this: {error}") from None


def _json_tokens(text: str, file: str) -> Iterator[_Token]:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        place = Place(file, error.lineno, error.colno)
        raise _refused(place, f"JSON cannot be read here: {error.msg}; check commas, brackets and quotes") from None
    except RecursionError:
        raise _too_deep(Place(file)) from None
    except ValueError as error:
        raise _refused(Place(file), f"JSON cannot be read: {error}") from None
    lines = [0, *(match.end() for match in re.finditer("\n", text))]
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[^\s{}\[\]:,"]+', text):
        line = bisect_right(lines, match.start())
        place = Place(file, line, match.start() - lines[line - 1] + 1)
        piece = match.group()
        if piece in ("{", "}", "[", "]"):
            yield _Token(piece, None, place)  # type: ignore[arg-type]
            continue
        value = json.loads(piece)
        if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
            raise _refused(place, "half of a surrogate pair stands in this text; write the character itself")
        yield _Token("scalar", value, place)


def _toml(text: str, file: str) -> dict[str, Any]:
    try:
        tree = tomllib.loads(text)
    except RecursionError:
        raise _too_deep(Place(file)) from None
    except ValueError as error:
        raise _refused(Place(file), f"TOML cannot be read: {error}") from None
    level: list[Any] = [tree]
    for _ in range(MAX_DEPTH):
        level = [x for value in level for x in (value.values() if isinstance(value, dict) else value) if isinstance(x, dict | list)]
    if level:
        raise _too_deep(Place(file))
    return tree


def _too_deep(place: Place) -> BadCase:
    return _refused(place, f"mappings and lists are nested deeper than {MAX_DEPTH} here; a case needs four levels")


def dotted(path: KeyPath) -> str:
    """A path as it is written in messages and options: `demand.intercept[1]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


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
