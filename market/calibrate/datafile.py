"""The data file of `pigou calibrate`: what is observed of two rivals, how exactly, and what is
assumed where nothing is observed.

YAML, JSON or TOML, or a table with a row per firm. Every fault is told at its place, all at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Discriminator, Field, Tag

from market.calibrate.observed import USUAL_NOISE, Data, Observation, Prior
from market.casefile.faults import BadCase, Fault, KeyPath, Place, dotted, show
from market.casefile.files import Document, read_document, read_value
from market.casefile.schema import (
    Block,
    FirmName,
    NonNegative,
    Number,
    Positive,
    SchemaVersion,
    Text,
    check,
    described,
)
from market.casefile.tables import (
    TableCells,
    TableFault,
    as_number,
    decimal_sign,
    letters,
    read_grid,
)
from market.text import firm_names

PER_CENT = "a share: 40 per cent is 0.4"


def _interval(text: str) -> dict[str, Any]:
    """What is admissible, for messages and the schema: an interval of shares."""
    return {"x-admissible": f"{text} ({PER_CENT})"}


Inner = Annotated[Number, Field(gt=0, lt=1, json_schema_extra=_interval("(0, 1)"))]
"""A share strictly between none and all."""
Some = Annotated[Number, Field(gt=0, le=1, json_schema_extra=_interval("(0, 1]"))]
"""A share above none."""
NotAll = Annotated[Number, Field(ge=0, lt=1, json_schema_extra=_interval("[0, 1)"))]
"""A share below all."""
AnyShare = Annotated[Number, Field(ge=0, le=1, json_schema_extra=_interval("[0, 1]"))]


class FirmRow(Block):
    """What is observed of one firm; everything but price and quantity may be missing."""

    name: Annotated[
        FirmName | None, described("what the firm is called; null: firm 1 or firm 2")
    ] = None
    price: Annotated[Positive, described("p_i: what a unit is sold at, money per quantity")]
    quantity: Annotated[Positive, described("q_i: units sold in a period")]
    margin: Annotated[
        Some | None, described("(price - unit cost) / price; 1: a unit costs nothing")
    ] = None
    unit_cost: Annotated[
        NonNegative | None, described("what a unit costs, instead of the margin, below the price")
    ] = None
    diversion: Annotated[
        Some | None,
        described("share of the sales the firm loses by a higher price that goes to the other"),
    ] = None
    cross_elasticity: Annotated[
        Positive | None,
        described(
            "per cent by which the firm's sales rise when the other's price rises by one per cent,"
            " instead of the diversion"
        ),
    ] = None
    security_spending: Annotated[
        Positive | None, described("f_i: spending on security in a period, money")
    ] = None
    sharing: Annotated[
        AnyShare | None, described("s_i: share of what the firm learns that it discloses")
    ] = None
    leak_churn: Annotated[
        Inner | None,
        described("share of sales lost because of the firm's own disclosure, phi1 s_i^2 / q_i"),
    ] = None
    saving_share: Annotated[
        Inner | None,
        described(
            "share of what the firm's security would cost alone that the other's information saves"
        ),
    ] = None
    partner_gain: Annotated[
        Inner | None,
        described(
            "share of the firm's sales won by what the other shares, lambda_d s_j t_j / q_i, at"
            " given prices"
        ),
    ] = None


class Common(Block):
    """What is observed of both firms together."""

    leak_switch: Annotated[
        Inner | None,
        described(
            "share of the customers lost by a leak who go to the other firm, phi2 / phi1",
            letter="phi2",
        ),
    ] = None
    stolen_share: Annotated[
        Inner | None,
        described(
            "share of the demand won by investment that comes from the other firm, alpha",
            letter="alpha",
        ),
    ] = None


class PriorBlock(Block):
    """What is believed of a parameter before the data: log-normal."""

    median: Annotated[Positive, described("as likely above as below, in the case's own units")]
    log_sd: Annotated[
        Annotated[Number, Field(gt=0, le=5)], described("standard deviation of its logarithm")
    ] = 0.5


def _fixed_or_prior(value: Any) -> str:
    return "<prior>" if isinstance(value, Mapping | PriorBlock) else "<number>"


T = TypeVar("T")
# A number, which is held fixed, or a median with a standard deviation.
FixedOrPrior = Annotated[
    Annotated[T, Tag("<number>")] | Annotated[PriorBlock, Tag("<prior>")],
    Discriminator(_fixed_or_prior),
]


class Priors(Block):
    """What is assumed of parameters: a bare number is held fixed."""

    own_slope: Annotated[FixedOrPrior[Positive] | None, described("b1, quantity^2 per money")] = (
        None
    )
    cross_slope: Annotated[FixedOrPrior[Positive] | None, described("b2, quantity^2 per money")] = (
        None
    )
    rivalry: Annotated[
        FixedOrPrior[NotAll] | None, described("alpha: demand lost per unit of the other's")
    ] = None
    demand_spillover: Annotated[
        FixedOrPrior[Some] | None,
        described("lambda_d: demand won per unit the other invests and shares"),
    ] = None
    leakage_own: Annotated[
        FixedOrPrior[Positive] | None, described("phi1: demand lost by full disclosure, quantity")
    ] = None
    leak_switch: Annotated[FixedOrPrior[NotAll] | None, described("phi2 / phi1")] = None
    leakage_interaction_share: Annotated[FixedOrPrior[NotAll] | None, described("phi3 / phi1")] = (
        None
    )
    cost_scale: Annotated[FixedOrPrior[Positive] | None, described("k, money per quantity^2")] = (
        None
    )
    max_saving: Annotated[
        FixedOrPrior[NotAll] | None,
        described("gamma: largest share of security cost that sharing saves"),
    ] = None
    cost_spillover: Annotated[
        FixedOrPrior[AnyShare] | None, described("lambda_c at the reference investment t0")
    ] = None


Differing = Literal["own_slope", "demand_spillover", "leakage_own", "cost_scale", "cost_spillover"]
PER_FIRM: tuple[Differing, ...] = ("own_slope",)
"""The parameters of which each firm has its own unless a file says otherwise."""


class DataFile(Block):
    """What is observed of a market of two rivals."""

    schema_version: SchemaVersion = 1
    name: Annotated[Text | None, described("what the market is called; null: the file's name")] = (
        None
    )
    reference: Annotated[Text | None, described("where the numbers come from")] = None
    units: Annotated[
        dict[Literal["money", "quantity"], Text] | None,
        described("names of the units of money and quantity"),
    ] = None
    firms: Annotated[
        tuple[FirmRow, ...],
        Field(
            min_length=2,
            max_length=2,
            json_schema_extra={"x-words": "a list of two firms"},
        ),
        described("the two firms"),
    ]
    common: Annotated[Common, described("what is observed of both together")] = Common()
    noise: Annotated[
        dict[str, AnyShare],
        described(
            "relative standard error of observations by their name, or of one as firms[0].price;"
            " default: of all others; 0: exact"
        ),
    ] = Field(default_factory=dict)
    priors: Annotated[Priors, described("what is assumed of parameters")] = Priors()
    per_firm: Annotated[
        tuple[Differing, ...],
        described("parameters of which each firm has its own; the others are common to both"),
    ] = PER_FIRM
    reference_investment: Annotated[
        Positive | None,
        described("t0, in units of quantity; null: chosen, only lambda_c / t0 matters"),
    ] = None
    sources: Annotated[
        dict[str, Text], described("where observations and priors come from, by their keys")
    ] = Field(default_factory=dict)


OF_FIRMS = tuple(key for key in FirmRow.model_fields if key != "name")
OF_BOTH = tuple(Common.model_fields)
TABLES = (".csv", ".tsv", ".parquet", ".xlsx", ".xls", ".ods")
"""Endings of tables; what is wrong with the last two is told when they are read."""
SAME_AS = {"leak_switch": "leak_switch", "stolen_share": "rivalry"}
"""What is observed of both firms and is a parameter itself."""


def read_data(
    path: str | Path,
    *,
    common: Iterable[str] = (),
    priors: Iterable[str] = (),
    noise: Iterable[str] = (),
    per_firm: Iterable[str] | None = None,
    name: str | None = None,
    units: Iterable[str] = (),
) -> Data:
    """The observations in a file.

    Args:
        path: YAML, JSON or TOML by the name's ending, or CSV, xlsx or Parquet with a row per firm.
        common: `KEY=VALUE` of what is observed of both firms, over what the file says.
        priors: `KEY=VALUE`, a number that is held fixed or `{median: .., log_sd: ..}`.
        noise: `KEY=VALUE`, relative standard errors; `default=0.02` for all others.
        per_firm: Parameters of which each firm has its own; None: as the file says.
        name: What the market is called, over what the file says.
        units: `money=...` and `quantity=...`, over what the file says.

    Raises:
        BadCase: With every fault, its place and what is admissible.
    """
    faults: list[Fault] = []
    ending = Path(path).suffix.lower()
    document = (
        _table(Path(path), faults) if ending in TABLES else read_document(path, faults=faults)
    )
    if {"demand", "security"} & set(document.tree) and not is_data(document.tree):
        message = "is a case, not data; `pigou evaluate` takes it"
        raise BadCase([*faults, Fault(document.place(()), "", message)])
    for block, option, given in (
        ("common", "--common", common),
        ("priors", "--prior", priors),
        ("noise", "--noise", noise),
        ("units", "--unit", units),
    ):
        document = _with(document, block, option, given, faults)
    for key, option, value in (
        ("per_firm", "--per-firm", None if per_firm is None else list(per_firm)),
        ("name", "--name", name),
    ):
        if value is not None:
            places = {**document.places, (key,): Place(option)}
            document = Document({**document.tree, key: value}, places, document.files)
    return parse_data(
        document.tree,
        name=Path(path).stem,
        source=Path(path).name,
        document=document,
        faults=faults,
    )


def parse_data(
    tree: Mapping[str, Any],
    *,
    name: str = "market",
    source: str | None = None,
    document: Document | None = None,
    faults: Iterable[Fault] = (),
) -> Data:
    """The observations in a tree; `name` is for data without one, `source` the file they come
    from."""
    file = _checked(tree, document, list(faults))
    wrong = [
        Fault(document.place(path) if document else None, dotted(path), message)
        for path, message in _breaches(file)
    ]
    if wrong:
        raise BadCase(wrong)
    units = file.units or {}
    names = tuple(row.name or f"firm {i + 1}" for i, row in enumerate(file.firms))
    return Data(
        name=file.name or name,
        source=source or file.name or name,
        reference=file.reference,
        money=units.get("money"),
        quantity=units.get("quantity"),
        firms=None if all(row.name is None for row in file.firms) else (names[0], names[1]),
        observations=tuple(_observations(file)),
        priors={
            key: Prior(median=float(value), log_sd=None)
            if isinstance(value, int | float)
            else Prior(median=value.median, log_sd=value.log_sd)
            for key in Priors.model_fields
            if (value := getattr(file.priors, key)) is not None
        },
        per_firm=frozenset(file.per_firm),
        reference_investment=file.reference_investment,
        sources=dict(file.sources),
        usual_noise=file.noise.get("default", USUAL_NOISE),
    )


def data_tree(data: Data) -> dict[str, Any]:
    """The data file that holds these data, with every noise; `parse_data` reads it back."""
    names = data.firms or (None, None)
    firms: list[dict[str, Any]] = [{} if name is None else {"name": name} for name in names]
    common: dict[str, float] = {}
    for one in data.observations:
        (common if one.firm is None else firms[one.firm])[one.kind] = one.value
    units = {"money": data.money, "quantity": data.quantity}
    return {
        "schema_version": 1,
        "name": data.name,
        "reference": data.reference,
        "units": {key: unit for key, unit in units.items() if unit is not None} or None,
        "firms": firms,
        "common": common,
        "noise": {"default": data.usual_noise} | {one.key: one.noise for one in data.observations},
        "priors": {
            key: one.median if one.log_sd is None else {"median": one.median, "log_sd": one.log_sd}
            for key, one in data.priors.items()
        },
        "per_firm": sorted(data.per_firm),
        "reference_investment": data.reference_investment,
        "sources": dict(data.sources),
    }


TWO = "the model has two rivals: give two, of which one may stand for all the others together"


def _checked(tree: Mapping[str, Any], document: Document | None, faults: list[Fault]) -> DataFile:
    """The tree as a validated model; that there are more or fewer than two firms is one fault
    beside those of the first two."""
    firms = tree.get("firms")
    if not isinstance(firms, list) or len(firms) == 2 or not firms:
        return check(DataFile, tree, document=document, faults=faults)
    place = document.place(("firms",)) if document else None
    faults.append(Fault(place, "firms", f"describes {len(firms)}; {TWO}"))
    try:
        check(DataFile, {**tree, "firms": (firms * 2)[:2]}, document=document)
    except BadCase as bad:
        # the faults of one firm are told once
        copied = ("firms[1]",) if len(firms) == 1 else ()
        faults += [one for one in bad.faults if not one.key.startswith(copied)]
    raise BadCase(faults)


def is_data(tree: Any) -> bool:
    """Whether a file's tree is data rather than a case: its firms are described, not named."""
    firms = tree.get("firms") if isinstance(tree, Mapping) else None
    return isinstance(firms, list) and any(isinstance(row, Mapping) for row in firms)


def data_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the data file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **DataFile.model_json_schema(),
        "title": "Data file of pigou calibrate",
    }


def _observations(file: DataFile) -> Iterator[Observation]:
    def one(kind: str, firm: int | None, value: float | None) -> Iterator[Observation]:
        if value is None:
            return
        key = kind if firm is None else f"firms[{firm}].{kind}"
        key = f"common.{kind}" if firm is None else key
        noise = file.noise.get(key, file.noise.get(kind, file.noise.get("default", USUAL_NOISE)))
        yield Observation(key=key, kind=kind, firm=firm, value=float(value), noise=noise)

    for kind in OF_FIRMS:
        for firm, row in enumerate(file.firms):
            yield from one(kind, firm, getattr(row, kind))
    for kind in OF_BOTH:
        yield from one(kind, None, getattr(file.common, kind))


# --- faults between keys

Breach = tuple[KeyPath, str]


def _breaches(file: DataFile) -> Iterator[Breach]:
    for i, row in enumerate(file.firms):
        yield from (((("firms", i, *path)), text) for path, text in _of_row(row))
    first, second = (name.strip() for name in firm_names([r.name or "" for r in file.firms]))
    if first and first == second:
        yield ("firms", 1, "name"), f"is {show(second)}, as the first firm's; name them apart"
    yield from _missing(file)
    for key in file.noise:
        if not _known(key) and key != "default":
            yield (
                ("noise", key),
                "is no observation; give default, the name of one such as price, or one firm's"
                " such as firms[0].price",
            )
    for key in file.sources:
        if not (_known(key) or key.removeprefix("priors.") in Priors.model_fields):
            yield (
                ("sources", key),
                "is neither an observation, such as firms[0].price or common.leak_switch, nor a"
                " prior, such as priors.rivalry",
            )
    yield from _of_priors(file)


def _known(key: str) -> bool:
    """Whether a key names an observation: by itself, one firm's, or one of both."""
    bare = re.sub(r"^(firms\[[01]\]|common)\.", "", key)
    return bare in (OF_BOTH if key.startswith("common.") else OF_FIRMS) or key in OF_BOTH


def _of_row(row: FirmRow) -> Iterator[Breach]:
    for one, other in (("margin", "unit_cost"), ("diversion", "cross_elasticity")):
        if getattr(row, one) is not None and getattr(row, other) is not None:
            yield (other,), f"stands beside {one}, which says the same; give one of them"
    if row.unit_cost is not None and row.unit_cost >= row.price:
        yield (
            ("unit_cost",),
            f"is {row.unit_cost:g}; it must be below the price, {row.price:g}: a firm that"
            " gains nothing by a sale would not sell",
        )
    if row.name is not None and not row.name.strip():
        yield ("name",), f"is {show(row.name)}; it must be text that can be read"


def _missing(file: DataFile) -> Iterator[Breach]:
    """What both firms lack and nothing else can tell."""
    lacking = [i for i, r in enumerate(file.firms) if r.margin is None and r.unit_cost is None]
    if len(lacking) == 2:
        yield ("firms",), "have neither margin nor unit_cost; give the margin of at least one"
    elif lacking and "own_slope" in file.per_firm and file.priors.own_slope is None:
        yield (
            ("firms", lacking[0]),
            "has neither margin nor unit_cost; give one of them, or take own slopes as common to"
            " both firms (per_firm without own_slope, or --symmetric)",
        )
    if (
        all(r.diversion is None and r.cross_elasticity is None for r in file.firms)
        and file.priors.cross_slope is None
    ):
        yield ("firms",), "have neither diversion nor cross_elasticity; give that of at least one"
    for key in ("security_spending", "sharing"):
        if all(getattr(row, key) is None for row in file.firms):
            yield ("firms",), f"have no {key}; give that of at least one"


def _of_priors(file: DataFile) -> Iterator[Breach]:
    priors = file.priors
    for kind, key in SAME_AS.items():
        if isinstance(getattr(priors, key), int | float) and getattr(file.common, kind) is not None:
            yield (
                ("priors", key),
                f"is held fixed beside common.{kind}, which observes it; leave one of them out, or"
                " give a median and a log_sd",
            )
    fixed = {
        key: value
        for key in Priors.model_fields
        if isinstance(value := getattr(priors, key), int | float)
    }
    switch, together = (fixed.get(k, 0.0) for k in ("leak_switch", "leakage_interaction_share"))
    if switch + together >= 1:
        yield (
            ("priors", "leak_switch"),
            f"and leakage_interaction_share add up to {switch + together:g}; they must stay"
            " below 1: a leak helps the others less than it costs",
        )
    largest = fixed.get("max_saving", 1.0)
    for i, row in enumerate(file.firms):
        if row.saving_share is not None and (
            row.saving_share >= largest or fixed.get("cost_spillover") == 0
        ):
            key = "max_saving" if row.saving_share >= largest else "cost_spillover"
            yield (
                ("firms", i, "saving_share"),
                f"is {row.saving_share:g}, which priors.{key} = {fixed[key]:g} does not"
                " allow; give a larger one",
            )
        if row.partner_gain is not None and fixed.get("demand_spillover") == 0:
            yield (
                ("firms", i, "partner_gain"),
                "is above 0, which priors.demand_spillover = 0 does not allow",
            )


# --- tables and options


def _table(path: Path, faults: list[Fault]) -> Document:
    """A table with a row per firm as the tree of a data file: heads in any case, with blanks or
    hyphens; shares also in per cent, where the cell says so."""
    file = str(path)
    try:
        grid = _with_keys(read_grid(path))
        bare, per_cent = _without_signs(grid)
        sign = decimal_sign(bare, [k for k, head in enumerate(grid.heads) if head != "name"])
    except TableFault as error:
        raise BadCase([Fault(Place(file), "", str(error))]) from None
    places: dict[KeyPath, Place] = {(): Place(file), ("firms",): Place(file, 1)}
    rows: list[dict[str, Any]] = []
    for n, line in enumerate(grid.rows):
        here = ("firms", n)
        places[here] = Place(file, line)
        rows.append({})
        for k, head in enumerate(grid.heads):
            cell = bare.columns[k][n]
            if cell is None:
                continue
            places[(*here, head)] = Place(file, line)
            number = None if head == "name" else as_number(cell, sign)
            if number is None and head in OF_FIRMS:
                # a number with something beside it is one fault, which says what to write
                number = _beside(str(cell), sign)
                if number is not None:
                    at, told = letters(grid.places[k]), "write the number alone"
                    told = f"is {show(cell)}, column {at}; {told}: {as_shown(number)}"
                    faults.append(Fault(Place(file, line), dotted((*here, head)), told))
            if number is None:
                rows[-1][head] = str(cell)
                continue
            rows[-1][head] = as_shown(number / 100 if (n, k) in per_cent else number)
    return Document({"firms": rows}, places, (file,))


def as_shown(number: float) -> float:
    """A number as a spreadsheet shows it: a whole one without a point."""
    return int(number) if number.is_integer() else number


_PER_CENT = re.compile(r"\s*(?:%|per ?cent|pct\.?)$", re.IGNORECASE)


def _with_keys(grid: TableCells) -> TableCells:
    """The table under the keys that its heads mean."""
    heads: list[str] = []
    for k, head in enumerate(grid.heads):
        bare, _, unit = head.partition("(")
        key = re.sub(r"[ -]", "_", bare.strip().casefold())
        key = "name" if key == "firm" else key
        heads.append(key if key in FirmRow.model_fields else head)
        if key in FirmRow.model_fields and "%" in unit:  # 0.4 may be meant there, and 40
            raise TableFault(
                f"column {letters(grid.places[k])} is headed {head}; head it {key} and write 40 per"
                " cent as 0.4 or as 40 %"
            )
        if heads[-1] in heads[:-1]:
            first = letters(grid.places[heads.index(heads[-1])])
            raise TableFault(
                f"columns {first} and {letters(grid.places[k])} are both {heads[-1]}; leave one out"
            )
    return replace(grid, heads=tuple(heads))


def _without_signs(grid: TableCells) -> tuple[TableCells, set[tuple[int, int]]]:
    """The table without per cent signs in cells that hold a share, and where (row, column) these
    were."""
    found = set()
    columns = [list(column) for column in grid.columns]
    shares = {
        key
        for key, what in FirmRow.model_json_schema()["properties"].items()
        if PER_CENT in str(what)
    }
    for k, head in enumerate(grid.heads):
        for n, cell in enumerate(columns[k] if head in shares else ()):
            if isinstance(cell, str) and (bare := _PER_CENT.sub("", cell)) != cell:
                columns[k][n] = bare
                found.add((n, k))
    return replace(grid, columns=tuple(columns)), found


def _beside(text: str, sign: str) -> float | None:
    """The one number in a cell that holds something beside it, as a currency; None where there is
    none, or several."""
    found = re.fullmatch(r"\D*?([-+]?\d(?:[\d., '\u00a0\u202f]*\d)?)\D*", text)
    return None if found is None else as_number(found[1], sign)


def _with(
    document: Document, block: str, option: str, given: Iterable[str], faults: list[Fault]
) -> Document:
    """The document with values of the command line over those of one of its blocks."""
    tree, places = dict(document.tree), dict(document.places)
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            faults.append(Fault(Place(option), text, "is no KEY=VALUE"))
            continue
        if block == "units" and key not in ("money", "quantity"):
            faults.append(Fault(Place(option), key, "is no unit; give money or quantity"))
            continue
        below = tree.get(block)
        read = value if block == "units" else read_value(value, option)
        tree[block] = {**(below if isinstance(below, dict) else {}), key: read}
        kept = {p: place for p, place in places.items() if p[:2] != (block, key)}
        places = {**kept, (block, key): Place(option)}
    return Document(tree, places, document.files)
