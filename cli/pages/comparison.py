"""Policies side by side: who gains, what is paid."""

from __future__ import annotations

from collections.abc import Sequence

from cli.pages import figures
from cli.pages.page import Column, Page
from cli.pages.words import (
    NEGLIGIBLE,
    NO_CHANGE,
    Scale,
    at_head,
    by_firm,
    firms_of,
    kept,
    label,
    money_of,
    of_standard,
    outlay,
    unsolved,
    words_for,
)
from mechanism.casefile.policies import GOAL, today
from mechanism.casefile.standard import SMALL_GAIN
from mechanism.report.evaluation_tree import comparison_rows
from mechanism.report.over_draws import share
from mechanism.report.plain import Tree

VALUE = (
    "what policies are ranked by, consumers' surplus and profits by their weight less public outlay"
    " at its cost"
)
STAR = "*"
"""Behind the name of what is recommended."""
GAIN_NOTE = (
    "Share of gain: of the welfare that the planner's levels add to today's market at the prices"
    " firms set; above 100 % only a planner who also sets prices gets."
)
GAIN_SMALL = (
    f"Share of gain is not told where the planner's levels add at most {SMALL_GAIN:.0%} of today's"
    " welfare."
)


def comparison(
    results: Sequence[Tree], labels: Sequence[str], page: Page, digits: int, *, answers: bool = True
) -> str:
    """Several cases: one tidy table, what is recommended in each marked, and unless that stands
    elsewhere its answer in short."""
    scale = Scale(results, digits)
    rows = comparison_rows(results, labels)
    names = [
        row["case"] if i == 0 or rows[i - 1]["case"] != row["case"] else ""
        for i, row in enumerate(rows)
    ]
    page.heading("Policies compared")
    page.table(
        [
            Column("Case", names, words=True),
            Column(
                "Policy",
                [
                    row["policy"] + unsolved(row["status"]) + (STAR if row["recommended"] else "")
                    for row in rows
                ],
                words=True,
            ),
            Column("Value", scale.amounts([row["value"] for row in rows]), scale.money),
            Column(
                "Consumers", scale.amounts([row["consumer_surplus"] for row in rows]), scale.money
            ),
            *(
                Column(
                    head, scale.amounts([kept(row, i) for row in flat_rows(results)]), scale.money
                )
                for i, head in enumerate(by_firm("Profit", scale.firms))
            ),
            *outlay([row["outlay_joined"] for row in rows], scale, scale.money),
            *_shares(rows),
        ],
        sections=[i for i in range(len(rows) - 1) if names[i + 1]],
    )
    page.sentence(
        "* recommended. Profit and outlay are those when everybody takes part; value is what"
        " policies are ranked by."
    )
    _of_gain(rows, page)
    if any(firms_of(result["case"]) != scale.firms for result in results):
        told = (
            f"{name}: {' and '.join(firms_of(result['case']))}"
            for name, result in zip(labels, results, strict=True)
        )
        page.sentence(f"Profit 1 and 2 are those of {'; '.join(told)}.")
    if not answers:
        return page.text
    page.heading("Findings")
    for name, result in zip(labels, results, strict=True):
        said = [*result["recommendation"]["text"][:2], *_how_sure(result["uncertainty"])]
        page.sentence(figures.plain(f"{name}: {' '.join(said)}"), bullet="- ")
    return page.text


def _how_sure(found: Tree | None) -> list[str]:
    """In how many draws what is recommended is right, where something is not known exactly."""
    if found is None or found["recommended"] is None:
        return []
    there = found["draws"] - found["without_outcome"]
    often = share(found["policies"][found["recommended"]]["best_share"])
    return [
        f"This kind of policy is right in {often} of {there:,} draws of what is not known exactly."
    ]


def flat_rows(results: Sequence[Tree]) -> list[Tree]:
    """The rows of several comparisons, one after the other."""
    return [row for result in results for row in result["comparison"]]


def who_gains(result: Tree, page: Page, scale: Scale, both: bool) -> None:
    """What every policy changes when everybody takes part, today's market in full; with `both`
    every policy in full and its change."""
    rows, told = result["comparison"], result["recommendation"]
    now = today(result["case"]["types"] is not None)
    base = next(n for n, row in enumerate(rows) if row["policy"] == now)
    others = "second line: change against today's market"
    if not both:
        others = f"change against today's market ({now})"
    page.heading(f"Who gains when everybody takes part, {others}" + money_of(scale))

    def amounts(values: list[float | None]) -> list[str]:
        before = values[base]
        changes = [
            None if v is None or before is None or n == base else v - before
            for n, v in enumerate(values)
        ]
        zero = NO_CHANGE / NEGLIGIBLE * scale.zero
        texts = figures.column(changes, scale.digits, zero=zero, signed=True)
        full, change = scale.amounts(values), [text.strip() for text in texts]
        if both:
            return [f"{above}\n{below}" for above, below in zip(full, change, strict=True)]
        return [full[base].strip() if n == base else text for n, text in enumerate(change)]

    plain = told["standard"]["profit_weight"] == 1 and not told["standard"]["public_funds_cost"]
    names = [_name(row, told["policy"], scale, both) for row in rows]
    page.table(
        [
            Column("Policy", names, words=True),
            Column("Value", amounts([row["value"] for row in rows])),
            *([] if plain else [Column("Welfare", amounts([row["welfare"] for row in rows]))]),
            Column("Consumers", amounts([row["consumer_surplus"] for row in rows])),
            *(
                Column(at_head(firm), amounts([kept(row, i) for row in rows]))
                for i, firm in enumerate(scale.firms)
            ),
            *outlay([row["outlay_joined"] for row in rows], scale, unit=None),
            Column("Security\nspending", amounts([spending(row) for row in rows])),
            *_shares(rows),
        ]
    )
    note = f"{STAR} recommended. " if told["policy"] else ""
    weighed = "" if plain else f" ({of_standard(told['standard'])})"
    page.sentence(f"{note}Value: {VALUE}{weighed}.")
    if reasons := _barred(rows):
        page.sentence(f"Cannot be recommended: {reasons}.")
    _of_gain(rows, page)


def _shares(rows: Sequence[Tree]) -> list[Column]:
    """Of the planner's gain; no column where that is too little, or not known, in every case."""
    told = [row["share_of_gain"] for row in rows]
    return (
        []
        if all(share is None for share in told)
        else [Column("Share\nof gain", [figures.percent(share) for share in told])]
    )


def _of_gain(rows: Sequence[Tree], page: Page) -> None:
    """What shares of gain are, or why there are none."""
    told = [row["share_of_gain"] is not None for row in rows if row["policy"] == GOAL]
    solved = [row["welfare"] is not None for row in rows if row["policy"] == GOAL]
    if any(told):
        page.sentence(GAIN_NOTE)
    if not all(told) and any(solved):
        page.sentence(GAIN_SMALL)


def _name(row: Tree, recommended: str | None, scale: Scale, full: bool) -> str:
    """A policy at the head of its row, what is recommended with a star; `full`: in words too."""
    star = STAR if row["policy"] == recommended else ""
    name = f"{row['policy']}{star}{unsolved(row['status'])}"
    return f"{words_for(row['policy'], scale.firms) or ''}\n({name})" if full else name


def _barred(rows: Sequence[Tree]) -> str:
    """What cannot be recommended, by reason."""
    by: dict[str, list[str]] = {}
    for row in rows:
        if row["why_not"] is not None:
            by.setdefault(row["why_not"], []).append(row["policy"])
    return "; ".join(f"{', '.join(keys)}: {why.replace('; ', ', ')}" for why, keys in by.items())


def spending(row: Tree) -> float | None:
    """What both firms spend on security."""
    return None if row["investment_cost"] is None else float(sum(row["investment_cost"]))


def payments(result: Tree, page: Page, scale: Scale, named: bool = False) -> None:
    """What is paid: each paying policy's payments before lump sums, the lump sums, both together,
    and the rates per unit; with `named` policies in words too."""
    rows = [
        row
        for row in result["comparison"]
        if row["requires"] in ("money", "reports") and row["competes"]
    ]
    if not rows:
        return

    def flat(row: Tree, firm: int) -> float:
        return float((row["flat_payments"] or (0.0, 0.0))[firm])

    def both(row: Tree, firm: int) -> float:
        return float(row["net_transfer"][firm])

    kinds = {
        "Payments": lambda row, firm: both(row, firm) - flat(row, firm),
        "Lump sum": flat,
        "Together": both,
    }
    best = result["recommendation"]["policy"]
    page.heading("What firms receive when everybody takes part (negative: pay)" + money_of(scale))
    page.table(
        [
            Column(
                "Policy",
                [
                    (label(row["policy"], scale.firms) if named else row["policy"])
                    + (STAR if row["policy"] == best else "")
                    for row in rows
                ],
                words=True,
            ),
            *(
                Column(head, scale.amounts([get(row, i) for row in rows]))
                for name, get in kinds.items()
                for i, head in enumerate(by_firm(name, scale.firms))
            ),
        ]
    )
    linear = result["mechanism"]["linear_subsidies"]
    rates = linear if linear is None or result["case"]["types"] is None else linear["under_types"]
    row = next((row for row in rows if row["policy"] == "linear_subsidies"), None)
    if rates is not None and row is not None:
        per = {"investment": rates["investment_rate"], "sharing (0 to 1)": rates["sharing_rate"]}
        told = (
            f"{' / '.join(map(str.strip, scale.amounts(pair)))} per unit of {what}"
            for what, pair in per.items()
        )
        shared, invested = (
            " / ".join(figures.number(level, scale.digits, zero=1e-12) for level in row[what])
            for what in ("sharing", "investment")
        )
        page.sentence(
            f"linear_subsidies: {' and '.join(told)} ({scale.firms[0]} / {scale.firms[1]};"
            f" negative: a tax). Firms then share {shared} and invest {invested}"
            f"{'' if result['case']['types'] is None else ' in expectation'}."
        )
