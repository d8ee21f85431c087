"""The blocks `demand`, `security` and `cost` of a case file: their keys, ranges and the rules between them.

`check` turns a tree into a validated model or raises every fault at once; `to_case` makes the frozen `Case` of a validated market.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from .case import Case, make_case
from .faults import BadCase, Fault, KeyPath, dotted, explain, show
from .files import Document

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)


def _one_or_per_firm(value: Any) -> str:
    return "<per firm>" if isinstance(value, list | tuple) else "<number>"


# The branch is chosen by shape before anything is validated: a plain union would report every fault once per branch.
OneOrPerFirm = Annotated[
    Annotated[T, Tag("<number>")] | Annotated[tuple[T, ...], Field(min_length=2, max_length=2), Tag("<per firm>")],
    Discriminator(_one_or_per_firm),
]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
NonNegative = Annotated[Number, Field(ge=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
TAGS = {"<number>", "<per firm>", "<uniform>", "<listed>"}
"""Names of union branches, which are no part of a key's path."""


def described(text: str, *, letter: str | None = None, admissible: str | None = None, **options: Any) -> Any:
    """A field's description, the letter the paper gives it, and, where one interval does not tell it, what is admissible."""
    extra = {"x-letter": letter, "x-admissible": admissible}
    return Field(description=text, json_schema_extra={key: value for key, value in extra.items() if value is not None}, **options)


class Block(BaseModel):
    """A block of a case file: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Demand(Block):
    """Demand q_i = a_i - b1_i p_i + b2 p_j + B_i."""

    intercept: Annotated[
        OneOrPerFirm[Positive], described("a_i: base demand, in units of quantity; one number or one per firm", letter="a")
    ]
    own_slope: Annotated[
        OneOrPerFirm[Positive],
        described("b1_i: quantity lost per unit of the own price (disloyalty); one number or one per firm", letter="b1"),
    ]
    cross_slope: Annotated[
        NonNegative,
        described(
            "b2: quantity gained per unit of the rival's price (substitutability); below own_slope",
            letter="b2",
            admissible="[0, own_slope)",
        ),
    ]


class Leakage(Block):
    """Demand lost to leakage: g_i = phi1 s_i^2 - phi2 s_j^2 - phi3 s_i s_j, in units of quantity."""

    own: Annotated[
        Positive,
        described(
            "phi1: demand lost per squared unit of own sharing; above cross + interaction",
            letter="phi1",
            admissible="(cross + interaction, inf)",
        ),
    ]
    cross: Annotated[NonNegative, described("phi2: demand gained per squared unit of the rival's sharing", letter="phi2")]
    interaction: Annotated[NonNegative, described("phi3: demand gained per product of both firms' sharing", letter="phi3")]


class Security(Block):
    """How sharing and investment move demand: B_i = t_i - alpha t_j + lambda_d t_j s_j - g_i."""

    rivalry: Annotated[Number, described("alpha: demand lost per unit of the rival's investment", letter="alpha", ge=0, lt=1)]
    demand_spillover: Annotated[
        Number,
        described(
            "lambda_d: demand gained per unit of what the rival invests and shares; negative is allowed", letter="lambda_d", ge=-1, le=1
        ),
    ]
    leakage: Annotated[Leakage, described("phi1, phi2, phi3: demand lost as shared knowledge leaks")]


class Cost(Block):
    """What security costs, f(t, y), when the rival's shared knowledge is y = lambda_c t_j s_j."""

    form: Annotated[
        Literal["saturating", "exponential"],
        described("saturating: (k/2) t^2 [1 - gamma y/(1+y)]; exponential: (k/2) t^2 [1 - gamma (1 - e^-y)]"),
    ] = "saturating"
    scale: Annotated[Positive, described("k: curvature of the stand-alone cost k t^2 / 2, in units of money", letter="k")]
    max_saving: Annotated[
        Number,
        described(
            "gamma: largest share of the stand-alone cost that shared knowledge can save",
            letter="gamma",
            admissible="[0, 1): at 1 the cost grows slower than the benefit and every planner's problem is unbounded",
            ge=0,
            lt=1,
        ),
    ]
    spillover: Annotated[
        OneOrPerFirm[Share],
        described("lambda_c_i: how useful the rival's shared knowledge is to firm i's cost; one number or one per firm", letter="lambda_c"),
    ]
    investment_cap: Annotated[Positive | None, described("upper bound on each firm's investment; null: none")] = None


def to_case(demand: Demand, security: Security, cost: Cost) -> Case:
    """The frozen `Case` of a validated market."""
    return make_case(
        intercept=demand.intercept,
        own_slope=demand.own_slope,
        cross_slope=demand.cross_slope,
        rivalry=security.rivalry,
        demand_spillover=security.demand_spillover,
        leakage=(security.leakage.own, security.leakage.cross, security.leakage.interaction),
        cost_scale=cost.scale,
        max_saving=cost.max_saving,
        cost_spillover=cost.spillover,
        investment_cap=cost.investment_cap,
        cost_form=cost.form,
    )


@dataclass(frozen=True)
class Rule:
    """A rule between keys that are admissible one by one; a breach is a fault of the first key."""

    keys: tuple[str, ...]
    breach: Callable[..., str | None]
    """Takes the keys' values; None, or the message."""


def _cross_slope(cross: float, own: float | list[float]) -> str | None:
    smaller, name = (min(own), "smaller own_slope") if isinstance(own, list | tuple) else (own, "own_slope")
    return None if cross < smaller else f"is {show(cross)}; it must lie in [0, {name} = {show(smaller)})"


def _leakage(own: float, cross: float, interaction: float) -> str | None:
    least = cross + interaction
    return None if own > least else f"is {show(own)}; it must lie in (cross + interaction = {show(round(least, 12))}, inf)"


MARKET_RULES = (
    Rule(("demand.cross_slope", "demand.own_slope"), _cross_slope),
    Rule(("security.leakage.own", "security.leakage.cross", "security.leakage.interaction"), _leakage),
)
MARKET_LATER: Mapping[str, tuple[str, ...]] = {"cost.form": ("restricted",)}
"""Values, or with an empty tuple whole keys, that belong to the format and are not available yet."""


def check(
    model: type[Model],
    tree: Mapping[str, Any],
    *,
    rules: Iterable[Rule] = (),
    later: Mapping[str, tuple[str, ...]] | None = None,
    document: Document | None = None,
    faults: Iterable[Fault] = (),
) -> Model:
    """The tree as a validated model; raises `BadCase` with all its faults, and with the `faults` found before."""
    found: dict[KeyPath, str] = {}
    result = None
    try:
        result = model.model_validate(tree)
    except ValidationError as error:
        schema = model.model_json_schema()
        entries = [(tuple(part for part in entry["loc"] if part not in TAGS), entry) for entry in error.errors(include_url=False)]
        for path, entry in entries:
            if entry["type"] == "too_short" and any(other[: len(path)] == path != other for other, _ in entries):
                continue  # pydantic counts faulty items as absent
            found.setdefault(path, explain(entry["type"], entry["msg"], entry["input"], path, schema, later or {}))
    found.update({path: message for path, message in _breaches(rules, tree, found) if path not in found})
    everything = list(faults)
    for path, message in found.items():
        everything.append(Fault(document.place(path) if document else None, dotted(path), message))
    if result is None or everything:
        raise BadCase(everything)
    return result


def _breaches(rules: Iterable[Rule], tree: Mapping[str, Any], faulty: Iterable[KeyPath]) -> Iterator[tuple[KeyPath, str]]:
    """Breaches of rules whose keys are all given and free of faults."""
    faulty = tuple(faulty)
    for rule in rules:
        paths = [tuple(key.split(".")) for key in rule.keys]
        if any(path[: len(bad)] == bad[: len(path)] for path in paths for bad in faulty):
            continue
        values = [_at(tree, path) for path in paths]
        if None not in values and (message := rule.breach(*values)):
            yield paths[0], message


def _at(tree: Any, path: KeyPath) -> Any:
    for part in path:
        tree = tree.get(part) if isinstance(tree, Mapping) else None
    return tree
