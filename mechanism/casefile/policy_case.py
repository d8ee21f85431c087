"""A validated case as a value, and the ways to one: from a file, from a tree, from another case."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass, field
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from market.casefile.faults import BadCase, Fault, KeyPath
from market.casefile.files import Document, read_document
from market.casefile.rules import Rule
from market.casefile.schema import check, to_case
from market.model.case import Case
from market.text import Json
from mechanism.casefile.case_keys import key_fault, key_path, set_at, with_values
from mechanism.casefile.schema import (
    RULES,
    CaseFile,
    Expected,
    ListedTypes,
    MechanismOptions,
    UniformTypes,
    Units,
)
from mechanism.casefile.types import PRIVATE
from mechanism.casefile.uncertainty import (
    Uncertainty,
    uncertainty_faults,
    uncertainty_of,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class PolicyCase:
    """A validated case: the market, what is private, the policy.

    Text, hash and market say the same, because nothing but a validated file makes a case: a part of
    it cannot be replaced, only set to another value (`set`), which validates the whole anew.
    """

    file: InitVar[CaseFile]
    """The validated blocks."""
    called: InitVar[str]
    """The name of a case whose file gives none."""
    path: Path | None = None
    """Where it was read; None where it was not."""
    name: str = field(init=False)
    """What the case is called."""
    market: Case = field(init=False)
    """The market as arrays that cannot be written to."""
    types: UniformTypes | ListedTypes | None = field(init=False)
    """What is private; None where nothing is."""
    mechanism: MechanismOptions = field(init=False)
    """The policy, the standard and the constraints it is held to."""
    units: Units = field(init=False)
    """Names of the units."""
    uncertainty: Uncertainty | None = field(init=False)
    """What is not known exactly; None where everything is certain."""
    expect: Mapping[str, Expected] = field(init=False)
    """Figures that its file expects, by dotted key of the result."""
    _file: CaseFile = field(init=False, repr=False)

    def __post_init__(self, file: CaseFile, called: str) -> None:
        values = {
            "_file": file,
            "name": file.name or called,
            "market": to_case(file.demand, file.security, file.cost, file.unit_cost, file.firms),
            "types": file.types,
            "mechanism": file.mechanism,
            "units": file.units or Units(),
            "uncertainty": uncertainty_of(file.uncertainty),
            "expect": MappingProxyType(dict(file.expect)),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @cached_property
    def text(self) -> str:
        """The case with every default filled in, as JSON; written out when it is first asked
        for."""
        resolved = {**self._file.model_dump(mode="json"), "name": self.name}
        if self._file.uncertainty is None:  # a case that says nothing of it keeps the hash it had
            del resolved["uncertainty"]
        return json.dumps(resolved, allow_nan=False)

    @cached_property
    def sha256(self) -> str:
        """The hash of its canonical JSON; nothing that is done with many cases asks for it."""
        return tree_sha256(self.resolved)

    @property
    def resolved(self) -> Json:
        """The case as a tree of one's own with every default filled in; `parse_tree` takes it
        back."""
        tree: Json = json.loads(self.text)
        return tree

    def set(self, key: str, value: Any) -> PolicyCase:
        """This case with another value of a key, validated.

        Args:
            key: Dotted, as in the case file: `demand.cross_slope`; `demand.intercept[0]` is the
                first firm's. A block or a list can be set as a whole.
            value: As the case file takes it, in the case's own units; None for null.

        Returns:
            Another case. What the file expects of its results is not expected of it.

        Raises:
            BadCase: The key is none of this case's, or the case would not be admissible.

        Example:
            >>> import pigou
            >>> pigou.load("two_vendors.yaml").set("security.rivalry", 0.3).market.rivalry
            array([0.3])
        """
        tree = {**self.resolved, "expect": {}}
        if message := key_fault(tree, key, whole=True):
            raise BadCase([Fault(None, key, message)])
        set_at(tree, key_path(key), value.tolist() if hasattr(value, "tolist") else value)
        return parse_tree(tree)

    def __str__(self) -> str:
        types = "" if self.types is None else f", private {PRIVATE[self.types.parameter].label}"
        return f"{self.name} (sha256 {self.sha256[:12]}{types})"


def tree_sha256(tree: Mapping[str, Any]) -> str:
    """The hash of a tree's canonical JSON: keys sorted, no blanks."""
    canonical = json.dumps(tree, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def load_case(
    path: str | Path, document: Document | None = None, faults: Iterable[Fault] = ()
) -> PolicyCase:
    """The case in a YAML, JSON or TOML file.

    Args:
        path: The file; its endings tell its kind.
        document: What was read from it, where it was read before.
        faults: What reading it found wrong.

    Raises:
        BadCase: With every fault, its place and what is admissible.
        OSError: The file cannot be read.

    Example:
        >>> import pigou
        >>> pigou.load("two_vendors.yaml").market.own_slope
        array([1.5])
    """
    found = list(faults)
    document = document or read_document(path, faults=found)
    if "policies" in document.tree and "demand" not in document.tree:
        raise BadCase(
            [
                Fault(
                    document.place(()),
                    "",
                    "is the design of a batch, not a case; `pigou batch` takes it",
                )
            ]
        )
    return parse_tree(
        document.tree, name=Path(path).stem, path=Path(path), document=document, faults=found
    )


def parse_tree(
    tree: Mapping[str, Any],
    *,
    name: str = "case",
    path: Path | None = None,
    document: Document | None = None,
    faults: Iterable[Fault] = (),
) -> PolicyCase:
    """The case in a tree; `name` is for a case without one, `document` tells the places of its
    keys."""
    given = tree.get("uncertainty") if isinstance(tree, Mapping) else None
    block = given if isinstance(given, Mapping) else {}
    try:
        file = check(CaseFile, tree, rules=RULES, document=document, faults=faults)
    except BadCase as bad:
        more = uncertainty_faults(block, _resolved_without(tree), document) if block else []
        raise BadCase([*bad.faults, *more]) from None
    if block and (wrong := uncertainty_faults(block, file.model_dump(mode="json"), document)):
        raise BadCase(wrong)
    return PolicyCase(file=file, called=name, path=path)


def _resolved_without(tree: Mapping[str, Any]) -> Json | None:
    """A case whose block of what is uncertain is wrong, without it; None where more is wrong."""
    try:
        file = check(CaseFile, {**tree, "uncertainty": None}, rules=RULES)
    except BadCase:
        return None
    return file.model_dump(mode="json")


def case_at(tree: Json, values: Mapping[KeyPath, float]) -> PolicyCase | BadCase:
    """The case in the resolved tree of a case with other values of some keys, or what is wrong with
    it."""
    try:
        file = check(CaseFile, with_values(tree, values), rules=rules_on(tuple(values)))
    except BadCase as bad:
        return bad
    return PolicyCase(file=file, called="case")


@cache
def rules_on(paths: tuple[KeyPath, ...]) -> tuple[Rule, ...]:
    """The rules that have to do with these keys; a case keeps the others whatever these are."""
    return tuple(
        rule
        for rule in RULES
        if any(
            all(one == other for one, other in zip(path, way, strict=False))
            for path in paths
            for way in rule.paths
        )
    )
