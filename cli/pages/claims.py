"""The pages of `pigou propositions` and `pigou statics`."""

from __future__ import annotations

from cli.pages import figures
from cli.pages.evaluation import heading, inputs
from cli.pages.page import Column, Page
from cli.pages.words import firms_of, words_for
from market.text import Json as Tree
from mechanism.report.words import listed

PAIRS = ("sharing", "investment", "price", "profit")
"""Figures of both firms."""

ANSWERS = {True: "yes", False: "no", None: figures.NONE}


def claims(result: Tree, page: Page, digits: int) -> str:
    """A row per claim: assumption, truth, margin; then, if asked, the counts over a sample."""
    rows = result["claims"]
    heading(result, page)
    page.sentence(f"Inputs: {inputs(result['case'])}.")
    page.heading("The paper's claims at this case")
    page.table(
        [
            Column("Id", [row["id"] for row in rows], words=True),
            Column("Claim", [row["text"] for row in rows], words=True),
            Column("Assumption\nmet", [ANSWERS[row["assumption"]["met"]] for row in rows]),
            Column("True", [_answer(row) for row in rows]),
            Column(
                "Margin", [figures.number(row["margin"], min(digits, 4), zero=0.0) for row in rows]
            ),
        ]
    )
    page.sentence(
        "A margin is positive where the claim is true; P7.i says that signs may differ and shows"
        " the smaller one."
    )
    details = {row["id"]: row["assumption"]["detail"] for row in rows}
    page.heading("Assumptions")
    for text in dict.fromkeys(details.values()):
        page.sentence(
            f"{', '.join(key for key, value in details.items() if value == text)}: {text}.",
            bullet="- ",
        )
    if result["sample"] is not None:
        _sample(result["sample"], page, digits)
    return page.text


def _answer(row: Tree) -> str:
    if row["id"] == "P7.i" and row["margin"] is not None:
        return "either"
    return ANSWERS[row["holds"]]


def _sample(sample: Tree, page: Page, digits: int) -> None:
    rows = sample["claims"]
    page.heading(f"{sample['count']} random markets, seed {sample['seed']}")
    page.table(
        [
            Column("Id", [row["id"] for row in rows], words=True),
            Column("Met:\ntrue", [str(row["met"]["true"]) for row in rows]),
            Column("Met:\nfalse", [str(row["met"]["false"]) for row in rows]),
            Column("Not met:\ntrue", [str(row["not_met"]["true"]) for row in rows]),
            Column("Not met:\nfalse", [str(row["not_met"]["false"]) for row in rows]),
            Column("Not\nasked", [str(row["not_asked"]) for row in rows]),
            Column("Worst margin,\nconfirmed", [_worst(row["worst"], digits) for row in rows]),
        ]
    )
    page.sentence(
        "Claims that assume nothing count as met. A failure counts as confirmed if it survives"
        " extended precision."
    )
    for row in rows:
        if row["signs"] is not None:
            found = (
                f"{name} rises in {count['rises']} markets and falls in {count['falls']}"
                for name, count in row["signs"].items()
            )
            page.sentence(f"{row['id']}: {', '.join(found)}.")


def _worst(worst: Tree | None, digits: int) -> str:
    if worst is None:
        return figures.NONE
    return (
        "unconfirmed"
        if worst["margin"] is None
        else figures.number(worst["margin"], min(digits, 4), zero=0.0)
    )


def statics(result: Tree, page: Page, digits: int) -> str:
    """A row per parameter: its value, elasticities and derivatives, what moves welfare most
    first."""
    heading(result, page)
    name = result["regime"]
    rule = f"{words_for(name) or name} ({name})"
    order = list(result["elasticities"])
    first = Column("Parameter", order, words=True)
    own = [figures.number(result["values"][key], digits, zero=0.0) for key in order]
    page.heading(f"Comparative statics: {rule}, % change for 1% more of the parameter")
    _slopes(result["elasticities"], [first, Column("Now", own)], page, 3)
    names: dict[str, list[str]] = {}
    for key, unit in result["units"].items():
        names.setdefault(figures.plain(unit) or "pure numbers", []).append(key)
    page.sentence(
        f"Counted in {'; '.join(f'{unit}: {listed(keys)}' for unit, keys in names.items())}."
    )
    page.heading(f"Comparative statics: {rule}, change per unit of the parameter")
    both = _slopes({key: result["derivatives"][key] for key in order}, [first], page, digits)
    if both:
        first_firm, second_firm = firms_of(result["case"])
        page.sentence(f"First line {first_firm}, second line {second_firm}.")
    rows = result["derivatives"]
    sided = [key for key, row in rows.items() if row["falling"] is not None]
    if sided:
        page.sentence(
            "At a kink, as the parameter rises; as it falls the derivatives differ for"
            f" {', '.join(sided)} (see --format json)."
        )
    for text in result["notes"]:
        page.sentence(text)
    return page.text


def _slopes(rows: dict[str, Tree], first: list[Column], page: Page, digits: int) -> bool:
    """A table of slopes by parameter after these columns; whether firms differ, so that every row
    has two lines."""
    same = all(row[key][0] == row[key][1] for row in rows.values() for key in PAIRS)

    def column(values: list[float | None]) -> list[str]:
        # What is lost in the largest figure's rounding is zero.
        return figures.column(
            values, digits, zero=1e-9 * max((abs(v) for v in values if v is not None), default=0.0)
        )

    def pairs(key: str) -> list[str]:
        cells = column([value for row in rows.values() for value in row[key]])
        lines = [(cells[2 * i], cells[2 * i + 1]) for i in range(len(rows))]
        return [one if same else f"{one}\n{other}" for one, other in lines]

    totals = {"Consumers": "consumer_surplus", "Welfare": "welfare"}
    page.table(
        [
            *first,
            *(Column(key.capitalize(), pairs(key)) for key in PAIRS),
            *(
                Column(head, column([row[key] for row in rows.values()]))
                for head, key in totals.items()
            ),
        ]
    )
    return not same
