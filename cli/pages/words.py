"""What pages share: firms and policies as they are called, amounts to scale, sentences."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from cli.pages import figures
from cli.pages.page import Column, Page
from market.model.outcome import SOLVED
from market.model.units import in_words
from market.text import FIRMS, firm_names, opening
from mechanism.casefile.policies import known, policy_of, today
from mechanism.casefile.standard import welfare_net
from mechanism.report.plain import Tree

NEGLIGIBLE = 1e-9
"""Share of the largest welfare up to which an amount of money is rounding and prints as 0."""


LEVELS = ("sharing", "investment", "price", "quantity")


NAME_WIDTH = 14
"""Columns over which a firm's name at the head of a column runs before it is wrapped."""


NO_CHANGE = 1e-7
"""Share of the largest welfare up to which a change is none."""


WORDS = {"holds": "holds", "violated": "VIOLATED", "not_established": "not established"}


def firms_of(case: Tree) -> tuple[str, str]:
    """What the firms of a case are called."""
    return firm_names(case.get("firms"))


def at_head(firm: str) -> str:
    """A firm at the head of a column."""
    return "\n".join(textwrap.wrap(opening(firm), NAME_WIDTH))


def by_firm(what: str, firms: tuple[str, str]) -> tuple[str, str]:
    """The heads of two columns, one per firm."""
    if firms == FIRMS:
        return f"{what} 1", f"{what} 2"
    return f"{what}\n{at_head(firms[0])}", f"{what}\n{at_head(firms[1])}"


def words_for(key: str, firms: tuple[str, str] = FIRMS) -> str | None:
    """What a policy is called in tables; None where the key is enough."""
    return policy_of(key, firms).label if known(key) else None


def label(key: str, firms: tuple[str, str] = FIRMS) -> str:
    """Plain words for a policy, and its key."""
    words = words_for(key, firms)
    return f"{words} ({key})" if words else key


class Scale:
    """How the numbers of one result are written: digits, units, and what counts as rounding."""

    def __init__(self, results: Sequence[Tree], digits: int) -> None:
        units = [
            {
                key: figures.plain(unit)
                for key, unit in (result["case"].get("units") or {}).items()
                if unit
            }
            for result in results
        ]
        common = units[0] if all(unit == units[0] for unit in units) else {}
        self.digits = digits
        names = [firms_of(result["case"]) for result in results]
        self.firms = names[0] if all(pair == names[0] for pair in names) else FIRMS
        """What the firms are called; by their numbers where the results do not agree."""
        self.money = common.get("money")
        self.quantity = common.get("quantity")
        self.price = (
            in_words("price", self.money, self.quantity)
            if self.money and self.quantity
            else self.money
        )
        amounts = [
            abs(row["welfare"])
            for result in results
            for row in result["comparison"]
            if row["welfare"] is not None
        ]
        self.zero = NEGLIGIBLE * max(amounts, default=0.0)

    def amounts(self, values: Sequence[float | None], *, signed: bool = False) -> list[str]:
        """A column of money amounts."""
        return figures.column(values, self.digits, zero=self.zero, signed=signed)

    def amount(self, value: float | None) -> str:
        """One amount with its unit."""
        return figures.number(value, self.digits, zero=self.zero) + (
            f" {self.money}" if self.money else ""
        )


def without_figures(result: Tree) -> set[str]:
    """The codes of the findings that say why something has no figures."""
    return {
        f"{key}_{row['status']}"
        for key, row in result["regimes"].items()
        if row["status"] not in SOLVED
    } | {"no_rule"}


def kept(row: Tree, firm: int) -> float | None:
    """What a firm keeps under a policy when everybody takes part: as it stands, and the flat part
    or what members pay each other; as it stands alone where nobody knows what that is."""
    if row["profit"] is None:
        return None
    more = row["net_transfer"] if row["flat_payments"] is None else row["flat_payments"]
    return float(row["profit"][firm] + (0.0 if more is None else more[firm]))


def joined(row: Tree) -> dict[str, float | None]:
    """A policy's figures when everybody takes part: value, consumers, what each firm keeps, outlay.
    Money; None where nothing is claimed."""
    paid = row["outlay_joined"]
    return {
        "value": row["value"],
        "consumers": row["consumer_surplus"],
        "firm_1": kept(row, 0),
        "firm_2": kept(row, 1),
        "outlay": row["public_outlay"] if paid is None else paid,
    }


def changes(result: Tree) -> dict[str, dict[str, float | None]]:
    """What every policy changes against today's market, by policy and figure."""
    rows = {row["policy"]: joined(row) for row in result["comparison"]}
    base = rows[today(result["case"]["types"] is not None)]

    def change(value: float | None, before: float | None) -> float | None:
        return None if value is None or before is None else value - before

    return {key: {k: change(v, base[k]) for k, v in row.items()} for key, row in rows.items()}


def symmetric(case: Tree) -> bool:
    """Whether both firms have the same parameters: nothing given per firm differs."""

    def same(value: Any) -> bool:
        if isinstance(value, dict):
            return all(map(same, value.values()))
        return not isinstance(value, list) or all(entry == value[0] for entry in value)

    return all(
        same(case[block])
        for block in ("demand", "security", "cost", "unit_cost")
        if case.get(block) is not None
    )


def unsolved(status: str) -> str:
    """A mark behind the name of what has no figures; nothing for what is solved at a bound or
    inside."""
    return "" if status in SOLVED else f" [{status}]"


def of_standard(standard: Tree) -> str:
    """The two numbers of a standard."""
    return (
        f"profits weigh {standard['profit_weight']:g}, a unit of public money costs"
        f" {1 + standard['public_funds_cost']:g}"
    )


def money_of(scale: Scale) -> str:
    """The unit of money behind a heading."""
    return f", {scale.money}" if scale.money else ""


def figure_of(value: Any) -> str:
    return "[" + ", ".join(map(figure_of, value)) + "]" if isinstance(value, list) else f"{value:g}"


def outlay(values: Sequence[float | None], scale: Scale, unit: str | None) -> list[Column]:
    """What the public pays net of tax, if any policy costs or brings it anything."""
    if not any(value is not None and abs(value) > scale.zero for value in values):
        return []
    return [Column("Public\noutlay", scale.amounts(values), unit)]


def all_rules(mechanism: Tree) -> list[Tree]:
    """The tax rules that there are, the case's own first."""
    return [
        mechanism["reported"],
        *(tree for tree in (mechanism.get("alternatives") or {}).values() if tree is not None),
    ]


def welfare_then(rule: Tree) -> float | None:
    """Expected welfare as firms then behave: truthfully, or in the equilibrium of their reports."""
    played = rule["if_not_truthful"]
    told = rule if played is None else played
    return None if told["expected"] is None else float(told["expected"]["welfare"])


def net_welfare(rule: Tree, cost: float) -> float | None:
    """The same less what the public bears beyond what it pays."""
    welfare, played = welfare_then(rule), rule["if_not_truthful"]
    outlay = (rule if played is None else played)["expected"]["budget"]
    return None if welfare is None else float(welfare_net(welfare, outlay, cost))


def mark(row: Tree, best: float, zero: float) -> str:
    """What is special about a report."""
    words = ["truth"] if row["truth"] else []
    if row["payoff"] >= best - zero:
        words.append("best")
    return ", ".join(words)


def sentences(title: str, texts: Iterable[str], page: Page) -> None:
    """A list of sentences under a heading; nothing if there are none."""
    texts = list(texts)
    if texts:
        page.heading(title)
    for text in texts:
        page.sentence(figures.plain(text), bullet="- ")


def largest(certificates: Sequence[Tree], key: str) -> str:
    """The largest of a figure that certificates give."""
    values = [c[key] for c in certificates if c.get(key) is not None]
    return figures.NONE if not values else f"{max(values):.1e}" if max(values) else "0"
