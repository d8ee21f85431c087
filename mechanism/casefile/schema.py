"""The whole case file: the market, private types, the mechanism's options, expected results.

`RULES` are those between its keys; `market.casefile.schema.check` turns a tree into a `CaseFile` or
raises every fault.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
)

from market.casefile.choices import OneOf
from market.casefile.faults import show
from market.casefile.rules import MARKET_RULES, Rule
from market.casefile.schema import (
    AnyDemand,
    Block,
    Cost,
    FirmName,
    NonNegative,
    Number,
    Positive,
    SchemaVersion,
    Security,
    Text,
    UnitCosts,
    described,
)
from market.text import firm_names
from mechanism.casefile.policies import allowable
from mechanism.casefile.types import PAPERS, PRIVATE, PrivateParameter
from mechanism.casefile.uncertainty import (
    UncertaintyBlock,
)
from mechanism.design.options import LARGEST, by_formula, no_limit
from mechanism.design.rules import TAX_RULES, market_rules

_FORBID_EXTRA = ConfigDict(extra="forbid")


Type = Annotated[
    Number,
    WithJsonSchema(
        {
            "type": "number",
            "x-admissible": ", ".join(f"{row.range} for {row.label}" for row in PRIVATE.values()),
        }
    ),
]


Range = Annotated[tuple[Type, ...], Field(min_length=2, max_length=2)]


def _one_range_or_two(value: Any) -> str | None:
    ranges = (
        {isinstance(part, list | tuple) for part in value}
        if isinstance(value, list | tuple)
        else set()
    )
    return None if len(ranges) > 1 else "<per firm>" if True in ranges else "<range>"


Parameter = Annotated[
    Text,
    OneOf(lambda: tuple(PRIVATE)),
    described(
        "what each firm alone knows of itself, as in the paper its lambda_c: "
        + ", ".join(f"{row.letter} at {row.place}" for row in PRIVATE.values())
    ),
]


@dataclass(frozen=True, kw_only=True)
class UniformTypes:
    """Each firm's private parameter is uniform on an interval, seen at Gauss-Legendre nodes."""

    __pydantic_config__ = _FORBID_EXTRA

    support: Annotated[
        Annotated[Range, Tag("<range>")]
        | Annotated[
            tuple[Range, ...],
            Field(
                min_length=2, max_length=2, json_schema_extra={"x-words": "one such list per firm"}
            ),
            Tag("<per firm>"),
        ],
        Discriminator(
            _one_range_or_two,
            custom_error_type="mixed",
            custom_error_message=(
                "holds a range beside something else; give one range, or one range per firm"
            ),
        ),
        described(
            "lowest and highest type, the lowest below the highest; one such pair or one per firm"
        ),
    ]
    points: Annotated[
        int, described("number of Gauss-Legendre nodes", strict=True, ge=2, le=201)
    ] = 15
    parameter: Parameter = PAPERS

    @property
    def supports(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Either firm's lowest and highest type."""
        one, other = (
            self.support if isinstance(self.support[0], tuple) else (self.support, self.support)
        )
        return (one[0], one[1]), (other[0], other[1])


@dataclass(frozen=True, kw_only=True)
class ListedTypes:
    """Each firm's private parameter is one of the listed values."""

    __pydantic_config__ = _FORBID_EXTRA

    values: Annotated[
        tuple[Type, ...], described("the types, all different", min_length=1, max_length=201)
    ]
    probabilities: Annotated[
        tuple[Annotated[Positive, Field(le=1)], ...] | None,
        described("one per value, adding up to 1; null: all equal"),
    ] = None
    parameter: Parameter = PAPERS

    @property
    def weights(self) -> tuple[float, ...]:
        """The probabilities, equal ones where none are given."""
        return self.probabilities or (1 / len(self.values),) * len(self.values)


USUAL_RULE = next(iter(TAX_RULES))
"""The tax rule of a case that names none: the first of the table."""


@dataclass(frozen=True, kw_only=True)
class MechanismOptions:
    """The policy: which taxes, which payoffs, and the constraints it is held to."""

    __pydantic_config__ = _FORBID_EXTRA

    tax_rule: Annotated[
        Text,
        OneOf(market_rules),
        described(
            "the tax at reported types: "
            + ", ".join(f"{key} {TAX_RULES[key].does}" for key in market_rules())
        ),
    ] = USUAL_RULE
    payoff: Annotated[
        Literal["with_cost", "printed"],
        described(
            "what a firm cares for: with_cost counts its true cost, printed is (38) and does not"
        ),
    ] = "with_cost"
    incentive: Annotated[
        Literal["bayesian", "dominant"],
        described("truth-telling given the rival's distribution, or at each of the rival's types"),
    ] = "bayesian"
    participation: Annotated[
        Literal["ir1", "ir_market", "ir2", "none"],
        described("ir1 as printed, ir_market against the unregulated market, ir2 against zero"),
    ] = "ir_market"
    timing: Annotated[
        Literal["interim", "ex_post"],
        described("participation given the own type alone, or at each pair of types"),
    ] = "interim"
    budget: Annotated[
        Literal["ex_ante", "ex_post", "none"],
        described("no net public money in expectation, in every state, or no limit"),
    ] = "ex_ante"
    public_funds_cost: Annotated[
        NonNegative,
        described(
            "cost of public funds: what raising a unit of public money costs beyond the unit itself"
        ),
    ] = 0.0
    profit_weight: Annotated[
        Number,
        Field(ge=0, le=1),
        described(
            "weight of profits: what a unit of them counts beside one of consumer surplus; 1 is"
            " total welfare, 0 consumers and taxpayers alone"
        ),
    ] = 1.0
    fees: Annotated[
        bool,
        Field(strict=True),
        described(
            "whether firms may be charged what they gain over today's market; only with ir_market"
        ),
    ] = False
    materiality: Annotated[
        NonNegative,
        Field(le=1),
        described(
            "share of the best policy's gain over today by which another may fall short and still"
            " count as equal"
        ),
    ] = 0.05
    allow: Annotated[
        tuple[Annotated[Text, OneOf(allowable)], ...],
        described(
            "policies that compete though by rule they do not, and consumers_lose: those by which"
            " consumers lose"
        ),
    ] = ()
    allocation: Annotated[
        Literal["efficient", "second_best"],
        described(
            "levels assigned at reports: the social optimum for them, or lotteries solved for"
            " together with the transfers"
        ),
    ] = "efficient"
    objective: Annotated[
        Literal["min_outlay", "max_surplus", "min_worst_deficit", "min_violation"],
        described(
            "of designed transfers: least expected outlay, most surplus, least worst-state deficit,"
            " least violation"
        ),
    ] = "min_outlay"


@dataclass(frozen=True, kw_only=True)
class Units:
    """Names of the units, shown beside figures."""

    __pydantic_config__ = _FORBID_EXTRA

    money: Annotated[Text | None, described("unit of money, such as million USD")] = None
    quantity: Annotated[Text | None, described("unit of quantity, such as thousand licences")] = (
        None
    )


def _plain(value: Any) -> Any:
    if (
        value is None
        or isinstance(value, str)
        or (isinstance(value, int | float) and abs(value) <= sys.float_info.max)
    ):
        return value
    raise ValueError


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a figure of the result should be."""

    __pydantic_config__ = _FORBID_EXTRA

    value: Annotated[
        Any,
        AfterValidator(_plain),
        WithJsonSchema({"type": ["number", "string", "boolean", "null"]}),
        described("the figure"),
    ]
    rtol: Annotated[NonNegative, described("admissible difference as a share of the value")] = 1e-6
    atol: Annotated[NonNegative, described("admissible difference in the figure's own unit")] = 1e-9


def _shape_of_types(value: Any) -> str | None:
    keys = (
        set(value)
        if isinstance(value, Mapping)
        else set(vars(value))
        if isinstance(value, UniformTypes | ListedTypes)
        else set()
    )
    uniform, listed = bool(keys & {"support", "points"}), bool(keys & {"values", "probabilities"})
    return None if uniform and listed else "<listed>" if listed else "<uniform>"


Types = Annotated[
    Annotated[UniformTypes, Tag("<uniform>")] | Annotated[ListedTypes, Tag("<listed>")],
    Discriminator(
        _shape_of_types,
        custom_error_type="mixed",
        custom_error_message=(
            "mixes an interval and a list; give either support and points or values and"
            " probabilities"
        ),
    ),
]


class CaseFile(Block):
    """A market and a policy for it."""

    schema_version: SchemaVersion = 1
    name: Annotated[Text | None, described("what the case is called; null: the file's name")] = None
    reference: Annotated[Text | None, described("where the numbers come from")] = None
    units: Annotated[Units | None, described("names of the units, shown beside figures")] = None
    firms: Annotated[
        tuple[FirmName, ...] | None,
        described(
            "names of the two firms, the first firm's first, used wherever a firm is spoken of;"
            " null: firm 1 and firm 2",
            min_length=2,
            max_length=2,
        ),
    ] = None
    demand: Annotated[
        AnyDemand, described("demand for the two products, or the consumer's utility behind it")
    ]
    security: Annotated[Security, described("how sharing and investment move demand")]
    cost: Annotated[Cost, described("what security costs")]
    unit_cost: Annotated[UnitCosts, described("what a unit sold costs; nothing unless given")] = (
        UnitCosts()
    )
    types: Annotated[
        Types | None,
        described(
            "what the regulator knows of what is private to the firms; null: it knows everything"
        ),
    ] = None
    mechanism: Annotated[
        MechanismOptions, described("the policy and the constraints it is held to")
    ] = MechanismOptions()
    uncertainty: Annotated[
        UncertaintyBlock | None,
        described("what nobody knows exactly, a distribution per dotted key; null: nothing"),
    ] = None
    expect: Annotated[
        dict[str, Expected],
        described("figures to check: dotted key of the result, such as regimes.nash.sharing[0]"),
    ] = Field(default_factory=dict)


def _firms(names: list[str]) -> str | tuple[tuple[int], str] | None:
    for i, name in enumerate(names):
        if not name.strip():
            return (i,), f"is {show(name)}; it must be text that can be read"
    one, other = (name.strip() for name in firm_names(names))
    return "gives both firms the same name; name them apart" if one == other else None


APART = 1e-9
"""Share of their size by which types must differ: closer ones collide in rounding."""


def _support(support: list[Any]) -> str | tuple[tuple[int], str] | None:
    if isinstance(support[0], list | tuple):
        return next(
            (((i,), text) for i, each in enumerate(support) if (text := _one_support(each))), None
        )
    return _one_support(support)


def _one_support(support: list[float]) -> str | None:
    low, high = support
    if not low < high:
        return f"is [{show(low)}, {show(high)}]; the first must be below the second"
    if high - low <= APART * max(abs(low), abs(high)):
        return (
            f"is [{show(low)}, {show(high)}], too close to tell types apart; give one type as"
            f" values: [{show(low)}]"
        )
    return None


def _distinct(values: list[float]) -> str | None:
    ordered = sorted(values)
    if len(set(values)) < len(values):
        return "holds a value twice; list each type once"
    close = [(a, b) for a, b in pairwise(ordered) if b - a <= APART * max(abs(a), abs(b))]
    return (
        f"holds {show(close[0][0])} and {show(close[0][1])}, too close to tell types apart; list"
        " each type once"
        if close
        else None
    )


def _probabilities(probabilities: list[float], values: list[float]) -> str | None:
    if len(probabilities) != len(values):
        return (
            f"is a list of {len(probabilities)}; it must have one entry for each of the"
            f" {len(values)} values"
        )
    total = math.fsum(probabilities)
    return None if abs(total - 1) <= 1e-9 else f"adds up to {total:.10g}; it must add up to 1"


def _designed(given: Mapping[str, Any]) -> str | None:
    rule = given.get("tax_rule", MechanismOptions.tax_rule)
    if why := by_formula(rule, given.get("allocation", MechanismOptions.allocation)):
        return f"has allocation {why.fault}"
    if not TAX_RULES[rule].designed:
        return None
    why = no_limit(
        *(
            given.get(key, getattr(MechanismOptions, key))
            for key in ("payoff", "participation", "objective")
        )
    )
    return None if why is None else f"has tax_rule {rule} {why.fault}"


def _fees(given: Mapping[str, Any]) -> str | None:
    form = given.get("participation", MechanismOptions.participation)
    if given.get("fees", MechanismOptions.fees) and form != "ir_market":
        return (
            f"has fees true with participation {form}; what firms gain over today can be charged"
            " only with participation ir_market"
        )
    return None


def _lotteries(types: Mapping[str, Any], mechanism: Mapping[str, Any]) -> str | None:
    if mechanism.get("allocation") == "second_best" and (count := _count(types)) > LOTTERY_TYPES:
        return f"gives {count} types; allocation second_best takes at most {LOTTERY_TYPES}"
    return None


def _private(types: Mapping[str, Any]) -> PrivateParameter:
    return PRIVATE[types.get("parameter", PAPERS)]


def _count(types: Mapping[str, Any]) -> int:
    return (
        types.get("points", UniformTypes.points)
        if "support" in types
        else len(types.get("values") or ())
    )


def _range(types: Mapping[str, Any]) -> tuple[tuple[str | int, ...], str] | None:
    row = _private(types)
    key = "support" if "support" in types else "values"
    for i, part in enumerate(types.get(key) or ()):
        for place, value in (
            [((i, j), v) for j, v in enumerate(part)]
            if isinstance(part, list | tuple)
            else [((i,), part)]
        ):
            if not row.admits(value):
                return (key, *place), f"is {show(value)}; it must lie in {row.range}"
    return None


def _few_types(types: Mapping[str, Any]) -> str | None:
    row, count = _private(types), _count(types)
    if row.most is not None and count > row.most:
        return (
            f"gives {count} types of the {row.key}; at most {row.most} are taken where both types"
            " move a firm's profit"
        )
    return None


LOTTERY_TYPES = LARGEST["lotteries"]
"""Types per firm up to which lotteries over levels are solved for."""


RULES = (
    Rule(("mechanism",), _designed),
    Rule(("mechanism",), _fees),
    Rule(("types", "mechanism"), _lotteries),
    Rule(("types",), _range),
    Rule(("types",), _few_types),
    *MARKET_RULES,
    Rule(("firms",), _firms),
    Rule(("types.support",), _support),
    Rule(("types.values",), _distinct),
    Rule(("types.probabilities", "types.values"), _probabilities),
)
