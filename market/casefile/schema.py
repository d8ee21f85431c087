"""The blocks `demand`, `security` and `cost` of a case file: their keys, ranges and the rules
between them.

`check` turns a tree into a validated model or raises every fault at once; `to_case` makes the
frozen `Case` of a validated market.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    WithJsonSchema,
)

from market.casefile.choices import OneOf
from market.casefile.faults import LISTED, BadCase, Fault, KeyPath, dotted, explain, order
from market.casefile.files import Document
from market.casefile.rules import Rule, breaches
from market.model.case import Case, make_case
from market.model.cost import COST_FORMS
from market.text import Json, firm_names

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)


def _one_or_per_firm(value: Any) -> str:
    return "<per firm>" if isinstance(value, list | tuple) else "<number>"


# The branch is chosen by shape before anything is validated: a plain union would report every fault
# once per branch.
OneOrPerFirm = Annotated[
    Annotated[T, Tag("<number>")]
    | Annotated[tuple[T, ...], Field(min_length=2, max_length=2), Tag("<per firm>")],
    Discriminator(_one_or_per_firm),
]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
NonNegative = Annotated[Number, Field(ge=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
TAGS = {
    "<number>",
    "<text>",
    "<list>",
    "<table>",
    "<per player>",
    "<per firm>",
    "<uniform>",
    "<listed>",
    "<demand>",
    "<utility>",
    "<range>",
    "<distribution>",
    "<values>",
    "<all>",
    "<prior>",
}
"""Names of union branches, which are no part of a key's path."""


def described(
    text: str, *, letter: str | None = None, admissible: str | None = None, **options: Any
) -> Any:
    """A field's description, the letter the paper gives it, and, where one interval does not tell
    it, what is admissible."""
    extra = {"x-letter": letter, "x-admissible": admissible}
    return Field(
        description=text,
        json_schema_extra={key: value for key, value in extra.items() if value is not None},
        **options,
    )


SchemaVersion = Annotated[
    int,
    Field(strict=True, ge=1, le=1),
    WithJsonSchema({"const": 1}),
    described("version of this format"),
]
"""Of every kind of file, which begins with it."""
Text = Annotated[str, Field(strict=True)]
FirmName = Annotated[str, Field(strict=True, min_length=1, max_length=40)]


class Block(BaseModel):
    """A block of a case file: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Demand(Block):
    """Demand q_i = a_i - b1_i p_i + b2 p_j + B_i."""

    intercept: Annotated[
        OneOrPerFirm[Positive],
        described("a_i: base demand, in units of quantity; one number or one per firm", letter="a"),
    ]
    own_slope: Annotated[
        OneOrPerFirm[Positive],
        described(
            "b1_i: quantity lost per unit of the own price (disloyalty); one number or one per"
            " firm",
            letter="b1",
        ),
    ]
    cross_slope: Annotated[
        NonNegative,
        described(
            "b2: quantity gained per unit of the rival's price (substitutability); below own_slope",
            letter="b2",
            admissible="[0, own_slope)",
        ),
    ]


class Utility(Block):
    """The consumer's utility behind demand (Appendix A): inverse demand p_i = r_i - d_i q_i - z
    q_j."""

    choke_price: Annotated[
        OneOrPerFirm[Positive],
        described(
            "r_i: what the first unit is worth to consumers, a price; one number or one per firm",
            letter="r",
        ),
    ]
    own_satiation: Annotated[
        OneOrPerFirm[Positive],
        described(
            "d_i: fall of what a unit is worth per unit of the same product bought; one number or"
            " one per firm",
            letter="d",
        ),
    ]
    cross_satiation: Annotated[
        NonNegative,
        described(
            "z: fall of what a unit is worth per unit of the other product bought; below"
            " own_satiation",
            letter="z",
            admissible="[0, own_satiation)",
        ),
    ]

    def slopes(self) -> Demand:
        """The same demand by its intercepts and slopes: a_i = (d_j r_i - z r_j) / D, b1_i = d_j /
        D, b2 = z / D, D = d_1 d_2 - z^2."""
        r, d = (
            value if isinstance(value, tuple) else (value, value)
            for value in (self.choke_price, self.own_satiation)
        )
        z = self.cross_satiation
        determinant = d[0] * d[1] - z**2
        return Demand.model_construct(  # what is validated gives a demand, of a column of cases too
            intercept=(
                (d[1] * r[0] - z * r[1]) / determinant,
                (d[0] * r[1] - z * r[0]) / determinant,
            ),
            own_slope=(d[1] / determinant, d[0] / determinant),
            cross_slope=z / determinant,
        )


def _shape_of_demand(value: Any) -> str | None:
    keys = (
        set(value)
        if isinstance(value, Mapping)
        else set(type(value).model_fields)
        if isinstance(value, Block)
        else set()
    )
    slopes, utility = bool(keys & set(Demand.model_fields)), bool(keys & set(Utility.model_fields))
    return None if slopes and utility else "<utility>" if utility else "<demand>"


AnyDemand = Annotated[
    Annotated[Demand, Tag("<demand>")] | Annotated[Utility, Tag("<utility>")],
    Discriminator(
        _shape_of_demand,
        custom_error_type="mixed",
        custom_error_message=(
            "mixes demand and utility; give either intercept, own_slope and cross_slope or"
            " choke_price, own_satiation and cross_satiation"
        ),
    ),
]


class Leakage(Block):
    """Demand lost to leakage: g_i = phi1 s_i^2 - phi2 s_j^2 - phi3 s_i s_j, in units of
    quantity."""

    own: Annotated[
        OneOrPerFirm[Positive],
        described(
            "phi1_i: demand lost per squared unit of own sharing; above cross + interaction; one"
            " number or one per firm",
            letter="phi1",
            admissible="(cross + interaction, inf)",
        ),
    ]
    cross: Annotated[
        OneOrPerFirm[NonNegative],
        described(
            "phi2_i: demand gained per squared unit of the rival's sharing; one number or one per"
            " firm",
            letter="phi2",
        ),
    ]
    interaction: Annotated[
        OneOrPerFirm[NonNegative],
        described(
            "phi3_i: demand gained per product of both firms' sharing; one number or one per firm",
            letter="phi3",
        ),
    ]


class Security(Block):
    """How sharing and investment move demand: B_i = t_i - alpha t_j + lambda_d t_j s_j - g_i."""

    rivalry: Annotated[
        OneOrPerFirm[Annotated[Number, Field(ge=0, lt=1)]],
        described(
            "alpha_i: demand lost per unit of the rival's investment; one number or one per firm",
            letter="alpha",
        ),
    ]
    demand_spillover: Annotated[
        OneOrPerFirm[Annotated[Number, Field(ge=-1, le=1)]],
        described(
            "lambda_d_i: demand gained per unit of what the rival invests and shares; negative is"
            " allowed; one number or one per firm",
            letter="lambda_d",
        ),
    ]
    leakage: Annotated[
        Leakage, described("phi1, phi2, phi3: demand lost as shared knowledge leaks")
    ]


class Cost(Block):
    """What security costs, f(t, y), when the rival's shared knowledge is y = lambda_c t_j s_j /
    t0."""

    form: Annotated[
        Annotated[str, Field(strict=True)],
        OneOf(lambda: tuple(COST_FORMS)),
        described("; ".join(form.described() for form in COST_FORMS.values())),
    ] = next(iter(COST_FORMS))
    scale: Annotated[
        OneOrPerFirm[Positive],
        described(
            "k_i: curvature of the cost of investment without shared knowledge, k t^2 / 2; money"
            " per squared unit of quantity; one number or one per firm",
            letter="k",
        ),
    ]
    max_saving: Annotated[
        OneOrPerFirm[
            Annotated[
                Number,
                Field(
                    ge=0,
                    lt=1,
                    json_schema_extra={
                        "x-admissible": (
                            "[0, 1): at 1 the cost grows slower than the benefit and every"
                            " planner's problem is unbounded"
                        )
                    },
                ),
            ]
        ],
        described(
            "gamma_i: largest share of the stand-alone cost that shared knowledge can save; one"
            " number or one per firm",
            letter="gamma",
        ),
    ]
    spillover: Annotated[
        OneOrPerFirm[
            Annotated[
                Number,
                Field(
                    ge=0,
                    le=1,
                    json_schema_extra={
                        "x-admissible": (
                            "[0, 1], a pure number; with investment in other units divide it and"
                            " cost.reference_investment by the same factor, only their ratio"
                            " matters"
                        )
                    },
                ),
            ]
        ],
        described(
            "lambda_c_i: usefulness of the rival's shared knowledge to firm i's cost; one number or"
            " one per firm",
            letter="lambda_c",
        ),
    ]
    investment_cap: Annotated[
        OneOrPerFirm[NonNegative] | None,
        described(
            "upper bound on a firm's investment, in units of quantity; 0: no investment, a pure"
            " price game; null: none"
        ),
    ] = None
    reference_investment: Annotated[
        Positive,
        described(
            "t0: investment that is one unit of knowledge if shared in full, y = lambda_c t_j s_j /"
            " t0 being a pure number; the restricted form has no use for it",
            letter="t0",
        ),
    ] = 1.0


class UnitCosts(Block):
    """What a unit sold costs, F_i = (c - lambdahat t_j s_j) (1 + slope t_i + curvature t_i^2 / 2):
    section 4 of the paper."""

    base: Annotated[
        OneOrPerFirm[NonNegative],
        described(
            "c_i: unit cost without investment, money per unit of quantity; one number or one per"
            " firm",
            letter="c",
        ),
    ] = 0.0
    spillover: Annotated[
        OneOrPerFirm[NonNegative],
        described(
            "lambdahat_i: unit cost saved per unit of what the rival invests and shares; a negative"
            " unit cost is refused; one number or one per firm",
            letter="lambdahat",
        ),
    ] = 0.0
    slope: Annotated[
        OneOrPerFirm[NonNegative],
        described(
            "delta_i'(0): relative rise of unit cost per unit of own investment; one number or one"
            " per firm"
        ),
    ] = 0.0
    curvature: Annotated[
        OneOrPerFirm[NonNegative],
        described(
            "delta_i'': growth of that relative rise per unit of own investment; one number or one"
            " per firm"
        ),
    ] = 0.0


def to_case(
    demand: Demand | Utility,
    security: Security,
    cost: Cost,
    unit_cost: UnitCosts,
    firms: Sequence[str] | None = None,
) -> Case:
    """The frozen `Case` of a validated market, whose firms may have names."""
    if isinstance(demand, Utility):
        demand = demand.slopes()
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
        reference_investment=cost.reference_investment,
        cost_form=cost.form,
        unit_cost=(unit_cost.base, unit_cost.spillover, unit_cost.slope, unit_cost.curvature),
        firms=firm_names(firms),
    )


def check(
    model: type[Model],
    tree: Mapping[str, Any],
    *,
    rules: Iterable[Rule] = (),
    document: Document | None = None,
    faults: Iterable[Fault] = (),
) -> Model:
    """The tree as a validated model; raises `BadCase` with all its faults, and with the `faults`
    found before."""
    found: dict[KeyPath, str] = {}
    result = None
    try:
        result = model.model_validate(tree)
    except ValidationError as error:
        schema = _json_schema(model)
        entries = [
            (tuple(part for part in entry["loc"] if part not in TAGS), entry)
            for entry in error.errors(include_url=False)
        ]
        if document is not None:
            entries.sort(key=lambda each: order(document.place(each[0])))
        above = {path[:n] for path, _ in entries for n in range(len(path))}
        for path, entry in entries:
            if entry["type"] == "too_short" and path in above:
                continue  # pydantic counts faulty items as absent
            # Only the first faults are listed: what the rest would say need not be found.
            told = len(found) < LISTED or path in found
            found.setdefault(
                path,
                (
                    explain(entry["type"], entry["msg"], entry["input"], path, schema)
                    if told
                    else "is not admissible"
                ),
            )
    found.update(
        {path: message for path, message in breaches(rules, tree, found) if path not in found}
    )
    everything = list(faults)
    for path, message in found.items():
        everything.append(Fault(document.place(path) if document else None, dotted(path), message))
    if result is None or everything:
        raise BadCase(everything)
    return result


@cache
def _json_schema(model: type[BaseModel]) -> Json:
    return model.model_json_schema()
