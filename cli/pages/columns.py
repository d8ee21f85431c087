"""What the columns of sheets are: their dimension, how figures are shown, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cli.output.workbook import SheetColumn
from market.model.units import POWERS, in_words
from market.text import FIRMS, firm_names
from mechanism.report.plain import Tree

MEANT: dict[str, tuple[str, str]] = {
    "case": ("text", "the case, by its name"),
    "case_id": ("any", "the number or name of the case"),
    "policy": ("text", "the policy, by its key"),
    "regime": ("text", "who chooses what, by its key"),
    "tax_rule": ("text", "the tax at reported types, by its key"),
    "status": (
        "text",
        "that of the outcome the figures come from; message says why there are none",
    ),
    "message": ("text", "why there are no figures"),
    "recommended": ("any", "whether it is what to do"),
    "value": ("money", "what policies are ranked by, when all join"),
    "competes": ("any", "whether the policy can be recommended"),
    "why_not": ("text", "why it cannot be recommended"),
    "requires": ("text", "what it asks for: nothing, permission, order, money, reports"),
    "welfare": ("money", "consumers' surplus and profits as the policy stands"),
    "consumer_surplus": ("money", "of both products"),
    "profit": ("money", "what a firm keeps as the policy stands"),
    "public_outlay": ("money", "what the public pays net of tax as the policy stands"),
    "outlay_joined": ("money", "what the public pays when all join"),
    "flat_payments": ("money", "the flat part of what a firm receives when all join"),
    "flat_payment": ("money", "the flat part of what a firm receives when all join"),
    "net_transfer": ("money", "what a firm or player receives on balance"),
    "sharing": ("share", "the share of what a firm knows that it shares, 0 to 1"),
    "investment": ("quantity", "what a firm invests in security"),
    "investment_cost": ("money", "what that costs"),
    "price": ("price", "what a firm asks for a unit"),
    "quantity": ("quantity", "what a firm sells"),
    "unit_cost": ("price", "what a unit sold costs"),
    "attained": ("share", "the share of the most that can be attained over today"),
    "share_of_gain": ("share", "of the welfare that the planner's levels add to today's"),
    "welfare_net": ("money", "welfare less the cost of public funds for what is paid out"),
    "change_profit": ("money", "of what a firm keeps, against today's market"),
    "change_consumer_surplus": ("money", "against today's market"),
    **{
        f"profit_{n}_change": ("money", f"of what firm {n} keeps, against today's market")
        for n in (1, 2)
    },
    "change_welfare": ("money", "against today's market"),
    "best": ("text", "what is recommended at the case"),
    "best_value": ("money", "the value of what is recommended"),
    "ic_max_gain": ("money", "the most that a lie gains"),
    "ir_min_slack": ("money", "the least that joining leaves over staying out"),
    "ic": ("text", "whether truth pays under a tax rule"),
    "ir": ("text", "whether all join under a tax rule"),
    "residual": ("number", "how far the equations are from being met, in natural units"),
    "regret": ("number", "the most that a firm gains by choosing otherwise, in natural units"),
    "global": ("text", "proven where nothing better can exist, else searched"),
    "key": ("text", "the dotted key of the case file, or of what is told"),
    "before": ("any", "as the case is"),
    "after": ("any", "as it was changed"),
    "change": ("any", "after less before"),
    "share": ("share", "the change as a share of the size before"),
    "kind": ("text", "what the row is about"),
    "name": ("text", "its key"),
    "figure": ("text", "which figure"),
    "unit": ("text", "the unit of the row's figures; nothing of pure numbers"),
    "at": ("any", "the value of the key at which it changes"),
    "within": ("any", "how narrow that is bracketed"),
    "policies": ("text", "whose"),
    "points": ("count", "how many points of the grid"),
    "state": ("count", "the number of the state, in row-major order of the players' types"),
    "player": ("text", "who receives, is asked or joins"),
    "type": ("any", "the player's type"),
    "report": ("any", "what it would report instead"),
    "alternative": ("text", "what is chosen"),
    "probability": ("share", "how often it is chosen in the state"),
    "objective_value": ("money", "of a design, as was asked for"),
    "lost": ("money", "of the surplus of the efficient alternatives"),
    "worst": ("money", "what the public pays in the state in which it pays most"),
    "truth": ("text", "whether truth pays, as strongly as was asked"),
    "joins": ("text", "whether all join"),
    "finding": ("text", "in words"),
    "design": ("text", "which: its name, and what is varied"),
    "rent": ("money", "expected payoff of a type less its outside option"),
    "constraint": ("text", "truth-telling (ic), participation (ir), collusion, budget"),
    "in_state": ("any", "every player's true type, where the constraint is of one state"),
    "given_up": ("text", "what is given up, all else kept"),
    "suffices": ("any", "whether all else can then be had"),
    "by_at_least": ("money", "the least amount of it, of efficiency the surplus lost"),
    "surplus": ("money", "expected, before transfers"),
    "outlay": ("money", "what the public pays in expectation"),
    "weight": ("number", "the constraint's part in the proof that none can do it"),
    "shadow_price": ("number", "what one unit of the constraint costs the objective"),
    "text": ("text", "in words"),
    "group": ("text", "cases with similar values of a key"),
    "cases": ("count", "how many"),
    "wins": ("percent", "the share of cases in which the policy is recommended"),
    "solved": ("percent", "the share of cases with figures"),
    "truthful": ("percent", "the share in which truth pays"),
    "corner": ("percent", "the share with an outcome at a bound"),
    "joined": ("percent", "the share in which all join as it stands"),
    "beats_market": ("percent", "the share in which it is worth more than today's market"),
    "best_share": ("percent", "the share of draws in which the policy is recommended"),
    "competes_share": ("percent", "the share of draws in which it can be"),
    "mean_value": ("money", "over the draws"),
    "regret_mean": ("money", "what is recommended in a draw less the policy, mean over the draws"),
    "regret_max": ("money", "the most of that in any draw"),
    "mean": ("money", "over the draws"),
    "sd": ("money", "standard deviation over the draws"),
    **{f"p{k}": ("money", f"{k} per cent of draws lie below") for k in (5, 25, 50, 75, 95)},
    "knowing": ("money", "what knowing the key before choosing adds to the mean value"),
    "gain": ("money", "value against today's market: mean, and quantiles q05 to q95"),
}
"""By column, its dimension or how it is shown, and its meaning. Columns that end in _1 and _2 are
of the first and the second firm."""

_SHOWN = {"money": "amount", "price": "amount", "quantity": "amount"}
WIDE = {
    **{"text": 90.0, "why_not": 40.0, "message": 40.0, "case": 28.0},
    **dict.fromkeys(("key", "figure"), 36.0),
    **dict.fromkeys(("policy", "regime"), 22.0),
    **dict.fromkeys(("status", "tax_rule"), 14.0),
}
"""Columns that take more letters than others."""


def bare(name: str) -> str:
    """A column's name without what firm or part of a spread it is of."""
    name = name.rsplit(".", 1)[0] if name.rpartition(".")[2] in PARTS else name
    return name[:-2] if name.endswith(("_1", "_2")) else name


PARTS = ("mean", "q05", "q25", "q50", "q75", "q95")
"""Of a spread."""


def unit_of(name: str, units: Mapping[str, str | None]) -> str:
    """The unit of a column; empty of text and pure numbers."""
    dimension = MEANT.get(bare(name), ("any", ""))[0]
    if dimension not in POWERS:
        return ""
    return in_words(dimension, **{kind: unit for kind, unit in units.items() if unit})


def column(name: str, units: Mapping[str, str | None]) -> SheetColumn:
    """A column of a sheet, its unit in its head."""
    dimension = MEANT.get(bare(name), ("any", ""))[0]
    unit = unit_of(name, units)
    head = f"{name} ({unit})" if unit else name
    shown = _SHOWN.get(dimension, dimension)
    return SheetColumn(head=head, shown=shown, width=WIDE.get(name, max(11.0, len(name) + 2.0)))


def units_of(case: Tree | None) -> dict[str, str | None]:
    """What money and quantity are counted in."""
    return dict((case or {}).get("units") or {})


def definitions(names: list[str], units: Mapping[str, str | None], case: Any) -> list[list[Any]]:
    """Rows of column, unit and meaning, for the columns of a workbook."""
    firms = firm_names((case or {}).get("firms"))
    rows = []
    for name in dict.fromkeys(names):
        meant = MEANT.get(bare(name))
        if meant is None:
            continue
        text = meant[1]
        if name[-2:] in ("_1", "_2"):
            n = int(name[-1])
            text += f" ({firms[n - 1] if firms != FIRMS else FIRMS[n - 1]})"
        rows.append([name, unit_of(name, units) or None, text])
    return rows
