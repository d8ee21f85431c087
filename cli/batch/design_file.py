"""What the design file of a batch may say: its blocks and keys.

Which cases and policies that makes is `cli.batch.design`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, WithJsonSchema

from market.casefile.schema import Block, Number, Positive, SchemaVersion, described
from market.casefile.tables import MOST_COLUMNS
from market.text import Json
from mechanism.casefile.distributions import FORMS, Correlations, Distribution

Text = Annotated[str, Field(strict=True, min_length=1)]
Plain = Annotated[Any, WithJsonSchema({"type": ["number", "string", "null"]})]

MOST_CASES = 2**27
"""Cases of the largest design."""
MOST_NAMES = 100
"""Keys that are varied, and policies, at most: more than there are."""


class Range(Block):
    """A key that runs over an interval."""

    low: Annotated[Number, described("least value")]
    high: Annotated[Number, described("largest value; above low")]
    log: Annotated[
        bool,
        described(
            "whether equal ratios, not equal differences, are equally far apart; low is then"
            " positive"
        ),
    ] = False


class Values(Block):
    """A key that takes the listed values."""

    values: Annotated[tuple[Plain, ...], described("the values: numbers, or texts", min_length=1)]
    weights: Annotated[
        tuple[Positive, ...] | None,
        described("of the values where they are sampled, one each; null: all equal"),
    ] = None


SPREADS = tuple(form for form in FORMS if form != "values")
"""The forms of a distribution, beside values in a list."""


def _shape(value: Any) -> str:
    if isinstance(value, Block):
        return {Range: "<range>", Values: "<values>", Distribution: "<distribution>"}[type(value)]
    given = set(value) if isinstance(value, Mapping) else set()
    if "values" in given:
        return "<values>"
    return "<distribution>" if given.intersection(SPREADS) else "<range>"


class SampleBlock(Block):
    """How the ranges are sampled."""

    method: Annotated[
        Literal["grid", "one_at_a_time", "sobol", "latin_hypercube"],
        described("every combination, the base and one key at a time, or quasi-random points"),
    ]
    count: Annotated[
        int | None,
        described(
            "points per range for grid and one_at_a_time, cases in all for the others",
            strict=True,
            ge=1,
            le=MOST_CASES,
        ),
    ] = None
    seed: Annotated[int, described("of quasi-random points", strict=True, ge=0)] = 0
    correlation: Correlations = Field(default_factory=dict)


class DesignFile(Block):
    """A batch."""

    schema_version: SchemaVersion = 1
    name: Annotated[Text | None, described("what the batch is called; null: the file's name")] = (
        None
    )
    reference: Annotated[Text | None, described("where the numbers come from")] = None
    case: Annotated[Text | None, described("path, relative to this file, of the base case")] = None
    vary: Annotated[
        dict[
            str,
            Annotated[
                Annotated[Range, Tag("<range>")]
                | Annotated[Values, Tag("<values>")]
                | Annotated[Distribution, Tag("<distribution>")],
                Discriminator(_shape),
            ],
        ]
        | None,
        described(
            "dotted key of the case file, such as demand.cross_slope: {low, high}, {values} or"
            " {normal: [mean, sd]}",
            min_length=1,
            max_length=MOST_NAMES,
        ),
    ] = None
    sample: Annotated[SampleBlock | None, described("how the ranges of vary are sampled")] = None
    table: Annotated[
        Text | None,
        described(
            "path, relative to this file, of a CSV, xlsx or Parquet table whose columns are dotted"
            " keys"
        ),
    ] = None
    columns: Annotated[
        dict[str, Text | None] | None,
        described(
            "header of the table -> dotted key, or case_id, or null; other columns are carried"
            " through to the result",
            examples=["{'Price level (thousand)': demand.intercept, No.: case_id}"],
            max_length=MOST_COLUMNS,
        ),
    ] = None
    cases: Annotated[
        tuple[Text, ...] | None,
        described("paths, relative to this file, of cases taken as they are", min_length=1),
    ] = None
    policies: Annotated[
        Annotated[Literal["all"], Tag("<all>")]
        | Annotated[tuple[Text, ...], Field(min_length=1, max_length=MOST_NAMES), Tag("<values>")],
        Discriminator(lambda value: "<all>" if isinstance(value, str) else "<values>"),
        described(
            "names of policies, as `pigou evaluate` has them; or all: whatever may be recommended,"
            " and the planner",
            examples=["[nash, joint_profit, social_optimum]"],
        ),
    ]


def design_schema() -> Json:
    """The JSON Schema (2020-12) of the design file."""
    schema = DesignFile.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Design file of pigou",
    }
