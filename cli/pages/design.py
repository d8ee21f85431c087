"""The page of `pigou design`."""

from __future__ import annotations

from cli.pages import figures
from cli.pages.page import Column, Page
from market.text import Json as Tree

LONGEST = 40
"""Rows of a table; the rest is in the JSON."""

NOTHING = 1e-12
"""Share of the range of payoffs up to which an amount is shown as zero."""


def designed(result: Tree, page: Page, digits: int) -> str:
    """What was asked, the finding, payments by report, what binds or conflicts."""
    page.heading(figures.plain(str(result["input"].get("name") or "")))
    options = {key: value for key, value in result["options"].items() if value is not None}
    page.sentence("Asked: " + ", ".join(f"{key} {value}" for key, value in options.items()) + ".")
    page.heading("Finding")
    for text in result["verdicts"]:
        page.sentence(text, bullet="- ")
    if result["status"] == "infeasible":
        _rows(page, "Conflicting constraints", result["infeasibility"]["rows"], "weight", digits)
    if result["status"] not in ("optimal", "searched"):
        return page.text
    nothing = NOTHING * result["payoff_range"]
    page.heading("Players")
    names, rents = result["players"], result["rents"]
    page.table(
        [
            Column("Player", names, words=True),
            Column("Payoff", figures.column(result["expected"]["payoff"], digits, zero=nothing)),
            Column(
                "Least rent", figures.column([min(r["rent"]) for r in rents], digits, zero=nothing)
            ),
            Column(
                "Largest rent",
                figures.column([max(r["rent"]) for r in rents], digits, zero=nothing),
            ),
        ]
    )
    page.sentence("Rent: expected payoff of a type less its outside option.")
    page.heading("Checks")
    checks = [
        (c["incentive"] + " truth", c["status"], c["max_gain"]) for c in result["checks"]["ic"]
    ]
    checks += [
        (c["timing"].replace("_", " ") + " participation", c["status"], c["min_slack"])
        for c in result["checks"]["ir"]
    ]
    checks.append(
        (
            "proof against collusion",
            result["checks"]["collusion"]["status"],
            result["checks"]["collusion"]["max_gain"],
        )
    )
    page.table(
        [
            Column("Constraint", [name for name, _, _ in checks], words=True),
            Column("Status", [status for _, status, _ in checks], words=True),
            Column(
                "Largest gain,\nleast slack",
                figures.column([amount for _, _, amount in checks], digits, zero=nothing),
            ),
        ]
    )
    _transfers(result, page, digits)
    if result["levels"] is not None:
        _levels(result["levels"], names, page, digits)
    if result["binding"]:
        _rows(
            page,
            "What binds, and what a unit of relaxing it is worth",
            result["binding"],
            "price",
            digits,
        )
    return page.text


def _transfers(result: Tree, page: Page, digits: int) -> None:
    states = result["states"][:LONGEST]
    names, nothing = result["players"], NOTHING * result["payoff_range"]
    page.heading("Net transfers (positive is received)")
    columns = [
        Column(f"Type of {name}", figures.label_column([state[i] for state in states], digits))
        for i, name in enumerate(names)
    ]
    if len(set().union(*result["allocation"])) <= 12:
        shown = [_alternatives(state) for state in result["allocation"][:LONGEST]]
        columns.append(Column("Alternative", shown, words=True))
    columns += [
        Column(f"To {name}", figures.column(result["transfers"][i][:LONGEST], digits, zero=nothing))
        for i, name in enumerate(names)
    ]
    page.table(columns)
    if len(result["states"]) > LONGEST:
        page.sentence(
            f"The first {LONGEST} of {len(result['states'])} states; all are in --format json and"
            " csv."
        )


def _levels(levels: dict[str, Tree], names: list[str], page: Page, digits: int) -> None:
    """The levels behind the alternatives that are drawn."""
    page.heading("Levels")
    shown = list(levels.items())[:LONGEST]
    page.table(
        [
            Column("Alternative", [name for name, _ in shown], words=True),
            *(
                Column(
                    f"{key.capitalize()}\nof {name}",
                    figures.column([row[key][i] for _, row in shown], digits),
                )
                for key in ("sharing", "investment")
                for i, name in enumerate(names)
            ),
        ]
    )
    if len(levels) > LONGEST:
        page.sentence(f"The first {LONGEST} of {len(levels)}; all are in --format json.")


def _alternatives(state: dict[str, float]) -> str:
    """The alternative of a state, or the lottery over several."""
    return ", ".join(
        name if share > 1 - 1e-9 else f"{name} {share:.4g}" for name, share in state.items()
    )


def _rows(page: Page, title: str, rows: list[Tree], weight: str, digits: int) -> None:
    words = {"ic": "truth", "ir": "participation", "budget": "budget", "coalition": "joint truth"}

    def named(value: float | str | list[float | str] | None) -> str:
        return (
            ", ".join(figures.label(v, digits) for v in value)
            if isinstance(value, list)
            else figures.label(value, digits)
        )

    page.heading(title)
    shown = rows[:LONGEST]
    states = (
        [Column("In the state", [named(row["state"]) for row in shown])]
        if any(row["state"] for row in shown)
        else []
    )
    page.table(
        [
            Column("Constraint", [words[row["constraint"]] for row in shown], words=True),
            Column("Player", [row["player"] or figures.NONE for row in shown], words=True),
            Column("Type", [named(row["type"]) for row in shown]),
            Column("Report", [named(row["report"]) for row in shown]),
            *states,
            Column(weight.capitalize(), figures.column([row[weight] for row in shown], digits)),
        ]
    )
    if len(rows) > LONGEST:
        page.sentence(f"The first {LONGEST} of {len(rows)}.")
