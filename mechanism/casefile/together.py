"""Many cases as columns: those that can be solved together, and the cases of a table read at once.

Read one by one, cases take longer than many of them to solve. Of cases that differ from one in some
keys the numbers of the market and the weights of the standard stay columns: the field of a key says
which of them are admissible, rules between keys are asked of whole columns, and whatever else
differs is read once for each of its values. A case that is not plainly admissible is read alone,
and says why.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, get_type_hints

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from market.casefile.faults import BadCase, KeyPath
from market.casefile.rules import kept
from market.casefile.schema import check, to_case
from market.model.case import PARAMETERS, Array, Case, UnitCost
from market.text import Json
from mechanism.casefile.case_keys import key_path, with_values
from mechanism.casefile.policy_case import PolicyCase, parse_tree, rules_on
from mechanism.casefile.schema import (
    RULES,
    CaseFile,
    ListedTypes,
    MechanismOptions,
    UniformTypes,
)
from mechanism.casefile.standard import Standard, standard_of

MARKET = ("demand", "security", "cost", "unit_cost")
"""The blocks whose numbers may be columns."""
WEIGHTS = ("profit_weight", "public_funds_cost")
"""The options that may be."""


@dataclass(frozen=True, kw_only=True)
class Together:
    """Cases that can be solved together: the same types, cost form and firms by name, options that
    differ in the standard's weights alone; with types firms are equal in all of them or in none."""

    at: NDArray[np.intp]
    """(L,): which of the cases asked for they are."""
    market: Case
    """Flat, a lane per case."""
    types: UniformTypes | ListedTypes | None
    options: MechanismOptions
    """Theirs but for the weights."""
    weights: Mapping[str, Array]
    """(L,) each."""

    @property
    def standard(self) -> Standard:
        """By what policies are ranked, a weight per case."""
        return standard_of(self.options).at(**self.weights)

    def take(self, lanes: NDArray[np.intp]) -> Together:
        """These of them."""
        weights = {name: values[lanes] for name, values in self.weights.items()}
        return replace(self, at=self.at[lanes], market=self.market.take(lanes), weights=weights)


def gathered(cases: Mapping[int, PolicyCase] | Sequence[PolicyCase]) -> list[Together]:
    """These cases as few columns as can be."""
    numbered = cases.items() if isinstance(cases, Mapping) else enumerate(cases)
    alike: dict[Any, list[tuple[int, PolicyCase]]] = {}
    for n, case in numbered:
        market, options = case.market, case.mechanism
        form = (market.cost_form, market.unit_cost is None, market.firms)
        if case.types is None:
            key: Any = (
                form,
                options.participation,
                options.timing,
                options.fees,
                options.materiality,
                options.allow,
            )
        else:
            key = (form, case.types, options, market.symmetric())
        alike.setdefault(key, []).append((n, case))
    return [
        side_by_side([case for _, case in same], [n for n, _ in same]) for same in alike.values()
    ]


def side_by_side(cases: Sequence[PolicyCase], at: Sequence[int] | None = None) -> Together:
    """Cases of this kind as columns; `at`: which they are, by default those from the first on."""
    first, options = cases[0], [case.mechanism for case in cases]
    return Together(
        at=np.arange(len(cases)) if at is None else np.array(at),
        market=stack([case.market for case in cases]),
        types=first.types,
        options=first.mechanism,
        weights={name: np.array([getattr(one, name) for one in options]) for name in WEIGHTS},
    )


def stack(markets: Sequence[Case]) -> Case:
    """One flat case with a lane per market."""

    def joined(values: list[Array]) -> Array:
        flat = [value.reshape(-1) for value in values]
        width = max(len(value) for value in flat)
        return np.array(
            [value if len(value) == width else np.repeat(value, width) for value in flat]
        )

    unit, free = None, np.zeros(1)
    if any(market.unit_cost is not None for market in markets):
        costs = [market.unit_cost for market in markets]
        unit = UnitCost(
            **{
                f.name: joined([free if one is None else getattr(one, f.name) for one in costs])
                for f in fields(UnitCost)
            }
        )
    return Case(
        **{name: joined([getattr(market, name) for market in markets]) for name in PARAMETERS},
        cost_form=markets[0].cost_form,
        unit_cost=unit,
        firms=markets[0].firms,
    )


def read_together(
    tree: Json, columns: Mapping[str, NDArray[Any]], count: int
) -> tuple[list[Together], dict[int, BadCase]]:
    """The cases in the resolved tree of a case with other values of some keys, and what is wrong
    with those that are none.

    Args:
        tree: Resolved.
        columns: Dotted key -> values (count,), floats with NaN for null, or objects.
        count: How many cases.
    """
    ways = {key: key_path(key) for key in columns}
    may = not tree.get("uncertainty")  # whose rules are between everything
    # with types what is solved depends on the weights
    blocks = MARKET if tree.get("types") else (*MARKET, "mechanism")
    numbers = [key for key in columns if may and _number(ways[key], columns[key], blocks)]
    others = [key for key in columns if key not in numbers]
    found, alone, bad = [], [], {}
    for values, rows in _distinct([columns[key] for key in others], count):
        like = with_values(tree, {ways[key]: v for key, v in zip(others, values, strict=True)})
        fine = np.zeros(len(rows), bool)
        try:
            file = check(CaseFile, like, rules=RULES)
        except BadCase:
            pass  # by itself; with other numbers it may be a case
        else:
            given = {ways[key]: np.asarray(columns[key][rows], float) for key in numbers}
            fine = _admissible(file, like, given, len(rows))
            some = {path: column[fine] for path, column in given.items()}
            found += _columns(file, some, rows[fine])
        alone += rows[~fine].tolist()
    apart: dict[int, PolicyCase] = {}
    for n in alone:
        try:
            apart[n] = parse_tree(
                with_values(tree, {ways[k]: _cell(columns[k][n]) for k in columns})
            )
        except BadCase as wrong:
            bad[n] = wrong
    return found + gathered(apart), bad


def _cell(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _number(path: KeyPath, column: NDArray[Any], blocks: Sequence[str]) -> bool:
    """Whether a key's values may stay a column."""
    weight = path[0] == "mechanism" and path[1:] in [(name,) for name in WEIGHTS]
    return path[0] in blocks and (path[0] in MARKET or weight) and column.dtype.kind == "f"


def _distinct(
    columns: Sequence[NDArray[Any]], count: int
) -> Iterable[tuple[tuple[Any, ...], NDArray[np.intp]]]:
    """The different rows of some columns, and where each stands."""
    where: dict[tuple[Any, ...], list[int]] = {}
    if not columns:
        return [((), np.arange(count))]
    for n, row in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        where.setdefault(tuple(None if v != v else v for v in row), []).append(n)
    return [(row, np.array(rows)) for row, rows in where.items()]


def _admissible(
    file: CaseFile, tree: Json, values: Mapping[KeyPath, Array], count: int
) -> NDArray[np.bool_]:
    """Which cases (count,) are plainly admissible: with these columns in the tree of this file."""
    fine = np.ones(count, bool)
    for path, column in values.items():
        fine &= _in_range(file, path, column)
    # null is no number that a rule could be about
    told = {path: np.where(np.isnan(column), 0.0, column) for path, column in values.items()}
    return fine & kept(rules_on(tuple(values)), with_values(tree, told))


def _in_range(file: CaseFile, path: KeyPath, column: Array) -> NDArray[np.bool_]:
    """Which values (L,) the field of a key admits by itself."""
    *above, key = (str(part) for part in path if not isinstance(part, int))
    block: Any = file
    for name in above:
        block = getattr(block, name)
    fine = _held(type(block), key, column)
    if isinstance(path[-1], int):  # null is both firms' or none's
        fine &= ~np.isnan(column) & (getattr(block, key) is not None)
    return fine


def _held(model: type, key: Any, column: Array) -> NDArray[np.bool_]:
    values = column.tolist()
    if np.isnan(column).any():
        values = [None if value != value else value for value in values]
    fine = np.ones(len(column), bool)
    try:
        _field(model, key).validate_python(values)
    except ValidationError as error:
        told = error.errors(include_url=False, include_context=False, include_input=False)
        fine[[int(one["loc"][0]) for one in told]] = False
    return fine


@cache
def _field(model: type, key: str) -> TypeAdapter[Any]:
    """A list of values of a key of a block."""
    module = vars(sys.modules[model.__module__])
    held = get_type_hints(model, globalns=module, include_extras=True)[key]
    return TypeAdapter(list[held])  # type: ignore[valid-type]


def _columns(
    file: CaseFile, values: Mapping[KeyPath, Array], rows: NDArray[np.intp]
) -> list[Together]:
    """The cases of these rows (L,), with columns (L,) of admissible values."""
    if not len(rows):
        return []
    blocks = {name: getattr(file, name) for name in MARKET}
    weights = {name: np.full(len(rows), getattr(file.mechanism, name)) for name in WEIGHTS}
    for (block, *path), column in values.items():
        if block in blocks:
            # the one number that may be null is a cap
            value = np.where(np.isnan(column), np.inf, column)[:, None]
            blocks[block] = _with(blocks[block], path, value)
        else:
            weights[str(path[0])] = column
    market = to_case(**blocks, firms=file.firms).flat()
    lanes = np.zeros((len(rows), 1))
    whole = Together(
        at=rows,
        # all lanes are there in one parameter at least, with types in every one
        market=(
            market.with_parameter("intercept", market.intercept + lanes)
            if file.types is None
            else market.map(lambda a: a + lanes)
        ),
        types=file.types,
        options=file.mechanism,
        weights=weights,
    )
    return _apart(whole)


def _with(block: Any, path: Sequence[Any], value: Array) -> Any:
    """A block with a column at this place, not validated."""
    key, *below = path
    held, new = getattr(block, key), value
    if below and isinstance(below[0], int):
        pair: list[Any] = list(held) if isinstance(held, tuple) else [held, held]
        pair[below[0]] = value
        return block.model_copy(update={key: tuple(pair)})
    if below:
        new = _with(held, below, value)
    return block.model_copy(update={key: new})


def _apart(whole: Together) -> list[Together]:
    """The same, those apart that cannot be solved together."""
    market, costs = whole.market, whole.market.unit_cost
    kinds = np.zeros(len(whole.at), int)
    if whole.types is not None:
        for values in market.arrays():
            kinds |= values[:, 0] != values[:, -1]
    if costs is not None:
        kinds += 2 * ((costs.base == 0) & (costs.spillover == 0)).all(-1)
    out = []
    for kind in np.unique(kinds):
        some = whole.take(np.flatnonzero(kinds == kind))
        out.append(
            replace(some, market=replace(some.market, unit_cost=None)) if kind >= 2 else some
        )
    return out
