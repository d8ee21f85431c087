"""The page of `pigou design`."""

from __future__ import annotations

from cli.pages import figures
from cli.pages.columns import units_of
from cli.pages.page import Column, Page
from market.text import Json as Tree

LONGEST = 40
"""Rows of a table; the rest is in the JSON."""

SHARE = 1e-7
"""Probability up to which an alternative is not shown."""


def designed(result: Tree, page: Page, digits: int) -> str:
    """What was asked, the finding, payments by report, what binds or conflicts."""
    page.heading(figures.plain(str(result["input"].get("name") or "")))
    options = {key: value for key, value in result["options"].items() if value is not None}
    page.sentence("Asked: " + ", ".join(f"{key} {value}" for key, value in options.items()) + ".")
    page.heading("Finding")
    for text in result["verdicts"]:
        page.sentence(text, bullet="- ")
    if result["give_up"] is not None:
        _give_up(result, page, digits)
    if result["status"] == "infeasible":
        _rows(page, "Conflicting constraints", result["infeasibility"]["rows"], "weight", digits)
    if result["status"] not in ("optimal", "searched"):
        return page.text
    nothing, unit = result["rounding"], units_of(result["input"]).get("money")
    page.heading("Players")
    names, rents = result["players"], result["rents"]
    page.table(
        [
            Column("Player", names, words=True),
            Column(
                "Payoff", figures.column(result["expected"]["payoff"], digits, zero=nothing), unit
            ),
            Column(
                "Least rent",
                figures.column([min(r["rent"]) for r in rents], digits, zero=nothing),
                unit,
            ),
            Column(
                "Largest rent",
                figures.column([max(r["rent"]) for r in rents], digits, zero=nothing),
                unit,
            ),
        ]
    )
    page.sentence(
        "Rent: expected payoff of a type less its outside option. Amounts up to"
        f" {figures.number(nothing, 1)}{'' if unit is None else f' {unit}'} are rounding and shown"
        " as 0."
    )
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
                unit,
            ),
        ]
    )
    if result["transfers"] is not None:
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


def _give_up(result: Tree, page: Page, digits: int) -> None:
    """What could be given up, constraint by constraint, and what is then had."""
    found, unit = result["give_up"], units_of(result["input"]).get("money")
    rows = [
        (" and ".join(map(_group, one["constraints"])), one["amount"], one)
        for one in found["relaxed"]
    ]
    rows += [
        (
            ", ".join(
                f"{result['options'][key]} {key}, for {to}" for key, to in one["options"].items()
            ).replace("_", " "),
            None,
            one,
        )
        for one in found["weaker"]
    ]
    best = found["second_best"]
    if best is not None:
        rows.append(("efficiency", best["lost"], best))
    page.heading("What would do if it were given up")

    def money(head: str, amounts: list[float | None]) -> Column:
        return Column(head, figures.column(amounts, digits, zero=result["rounding"]), unit)

    page.table(
        [
            Column("Given up", [name for name, _, _ in rows], words=True),
            Column("Suffices", [_suffices(one) for _, _, one in rows], words=True),
            money("By at least", [amount for _, amount, _ in rows]),
            money("Surplus", [one["surplus"] for _, _, one in rows]),
            money("Outlay", [one["outlay"] for _, _, one in rows]),
        ]
    )
    page.sentence(
        "By at least: what a lie may still gain, what joining may cost a type, what the public"
        " pays, what players pay or receive; of efficiency the surplus that is lost. All else is"
        " kept."
    )


def _group(name: str) -> str:
    """What is given up, in tables."""
    return KINDS.get(name, name)


def _suffices(one: Tree) -> str:
    enough = one["suffices"] if "suffices" in one else SECOND_BEST.get(one["status"])
    return figures.NONE if enough is None else "yes" if enough else "no"


SECOND_BEST = {"optimal": True, "searched": True, "infeasible": False}
"""Whether lotteries do it, by the status of the best."""


def _transfers(result: Tree, page: Page, digits: int) -> None:
    states = result["states"][:LONGEST]
    names, nothing, unit = (
        result["players"],
        result["rounding"],
        units_of(result["input"]).get("money"),
    )
    page.heading("Net transfers (positive is received)")
    columns = [
        Column(f"Type of {name}", figures.label_column([state[i] for state in states], digits))
        for i, name in enumerate(names)
    ]
    if result["joint"] is not None:
        columns.append(Column("Probability", figures.column(result["joint"][:LONGEST], digits)))
    if len(set().union(*result["allocation"])) <= 12:
        shown = [_alternatives(state) for state in result["allocation"][:LONGEST]]
        columns.append(Column("Alternative", shown, words=True))
    columns += [
        Column(
            f"To {name}",
            figures.column(result["transfers"][i][:LONGEST], digits, zero=nothing),
            unit,
        )
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
        name if share > 1 - SHARE else f"{name} {share:.4g}"
        for name, share in state.items()
        if share > SHARE
    )


KINDS = {
    "ic": "truth",
    "ir": "participation",
    "budget": "budget",
    "coalition": "joint truth",
    "floor": "least received",
    "cap": "most received",
}
"""Constraints in tables."""


def _rows(page: Page, title: str, rows: list[Tree], weight: str, digits: int) -> None:
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
            Column("Constraint", [KINDS[row["constraint"]] for row in shown], words=True),
            Column("Player", [row["player"] or figures.NONE for row in shown], words=True),
            Column("Type", [named(row["type"]) for row in shown]),
            Column("Report", [named(row["report"]) for row in shown]),
            *states,
            Column(weight.capitalize(), figures.column([row[weight] for row in shown], digits)),
        ]
    )
    if len(rows) > LONGEST:
        page.sentence(f"The first {LONGEST} of {len(rows)}.")
