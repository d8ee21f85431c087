"""The page of `pigou compare` on the result of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cli.pages import figures
from cli.pages.page import Column, Page
from cli.pages.words import label
from market.text import FIRMS
from mechanism.casefile.policies import PRIVATE_MARKET, TODAY, benchmarks, known, policy_of

Tree = dict[str, Any]


def findings_page(
    result: Tree, name: str, page: Page, digits: int, firms: tuple[str, str] = FIRMS
) -> str:
    """Which policy wins how often, what it brings and costs, and what that depends on; `firms` are
    the names of the firms."""
    rows = result["policies"]
    page.heading(f"{figures.plain(name)}: {result['cases']:,} cases")
    page.heading("Policies")

    def part(key: str, which: str) -> list[str]:
        return figures.column(
            [None if row.get(key) is None else row[key][which] for row in rows], digits, zero=1e-9
        )

    asking = any(row["truthful"] is not None for row in rows)
    page.table(
        [
            Column("Policy", [row["policy"] for row in rows], words=True),
            Column("Wins", [figures.percent(row["wins"]) for row in rows]),
            Column("Com-\npetes", [figures.percent(row["competes"]) for row in rows]),
            Column("Solved", [figures.percent(row["solved"]) for row in rows]),
            Column("Beats\nmarket", [figures.percent(row.get("beats_market")) for row in rows]),
            Column("Gain\nlow", part("gain", "q05")),
            Column("Gain\nmedian", part("gain", "q50")),
            Column("Gain\nhigh", part("gain", "q95")),
            Column("Outlay\nmean", part("outlay_joined", "mean")),
            *(
                [Column("Truth\npays", [figures.percent(row["truthful"]) for row in rows])]
                if asking
                else []
            ),
        ]
    )
    page.sentence(
        "Wins: share of cases in which a policy is recommended, of those listed and today's"
        f" market, as pigou evaluate does; {' and '.join(benchmarks())} only show what would be"
        f" possible. Gain: value against today's market ({PRIVATE_MARKET} where types are private,"
        f" else {TODAY}), in the cases' unit of money; one case in twenty has less than low, one"
        " more than high. Outlay: what the public pays where all join."
    )
    page.heading("Findings")
    for text in sentences(result, firms):
        page.sentence(text, bullet="- ")
    for key, groups in result["by"].items():
        page.heading(f"By {figures.plain(key)}: share of wins, and the median gain, of what wins")
        names = [row["policy"] for row in rows if row["wins"]] or [
            row["policy"] for row in rows if row["wins"] is not None
        ]
        columns = [Column(key.rsplit(".", 1)[-1], [group["group"] for group in groups], words=True)]
        columns.append(Column("Cases", [f"{group['cases']:,}" for group in groups]))
        for policy in names:
            found = [
                next(row for row in group["policies"] if row["policy"] == policy)
                for group in groups
            ]
            gains = figures.column(
                [None if row.get("gain") is None else row["gain"]["q50"] for row in found],
                digits,
                zero=1e-9,
            )
            cells = [
                f"{figures.percent(row['wins'])}  {gain}"
                for row, gain in zip(found, gains, strict=True)
            ]
            columns.append(Column(policy.replace("_", "\n", 1), cells))
        page.table(columns)
    return page.text


def sentences(result: Tree, firms: tuple[str, str] = FIRMS) -> list[str]:
    """What the table says, in words, and how wins run over keys whose groups go from low to
    high."""
    rows = [row for row in result["policies"] if row["wins"] is not None]
    out = []
    order = sorted((row for row in rows if row["wins"] > 0), key=lambda row: -row["wins"])[:3]
    told = [f"{label(row['policy'], firms)} in {figures.percent(row['wins'])}" for row in order]
    if result["unlisted"]:
        told.append(
            "today's market, which the batch does not list, in"
            f" {figures.percent(result['unlisted'])}"
        )
    if told:
        out.append(f"Recommended: {', '.join(told)} of the cases.")
        asks = [(rung, share) for rung, share in result["asks"].items() if share > 0]
        out.append(
            "What is recommended asks for"
            f" {', '.join(f'{rung} in {figures.percent(share)}' for rung, share in asks)}."
        )
    if result["undecided"] > 0:
        inadmissible = min(result["inadmissible"], result["undecided"])
        reasons = (
            [f"{figures.percent(inadmissible)} are no admissible market (bad_case)"]
            if inadmissible
            else []
        )
        if result["undecided"] > inadmissible:
            reasons.append("a problem that it rests on has no solution")
        out.append(
            f"In {figures.percent(result['undecided'])} there is no advice:"
            f" {'; elsewhere '.join(reasons)}."
        )
    for row in rows:
        if row["truthful"] is not None and row["truthful"] < 1:
            worst = row["ic_max_gain"]["q95"] if row.get("ic_max_gain") else None
            much = (
                "" if worst is None else f"; in one case of twenty a lie gains {worst:.4g} or more"
            )
            out.append(
                f"Under {label(row['policy'], firms)} truth fails to pay in"
                f" {figures.percent(1 - row['truthful'])}{much}."
            )
        if row["joined"] is not None and row["joined"] < 1:
            out.append(
                f"{label(row['policy'], firms)} has to be made good to some type, which would stay"
                f" out as it stands, in {figures.percent(1 - row['joined'])}."
            )
        if (
            row.get("beats_market") is not None
            and row["beats_market"] < 1
            and not _contrast(row["policy"])
        ):
            out.append(
                f"{label(row['policy'], firms)} is worth no more than today's market in"
                f" {figures.percent(1 - row['beats_market'])}."
            )
    for key, shapes in result["shapes"].items():
        groups = [
            group for group in result["by"][key] if group["decided"] and group["group"] != "null"
        ]
        for policy, shape in shapes.items():
            wins = [
                next(row["wins"] for row in group["policies"] if row["policy"] == policy)
                for group in groups
            ]
            rates = [
                share * group["cases"] / group["decided"]
                for share, group in zip(wins, groups, strict=True)
            ]
            if shape != "flat" and max(rates) - min(rates) >= NOTABLE:
                out.append(
                    _run(
                        label(policy, firms),
                        key,
                        shape,
                        rates,
                        [group["group"] for group in groups],
                    )
                )
    return out


NOTABLE = 0.1
"""Difference between the win rates of groups from which on it is told."""


def _run(policy: str, key: str, shape: str, rates: Sequence[float], names: Sequence[str]) -> str:
    """How often a policy is recommended over the groups of a key."""

    def at(n: int) -> str:
        return f"{figures.percent(rates[n])} at {names[n]}"

    top, bottom = rates.index(max(rates)), rates.index(min(rates))
    if shape in ("rises", "falls"):
        return (
            f"{policy} wins {'more' if shape == 'rises' else 'less'} often the higher {key}:"
            f" {at(0)}, {at(-1)}."
        )
    if shape == "irregular":
        return f"How often {policy} wins goes up and down with {key}: {at(bottom)}, {at(top)}."
    middle, most = (top, "most") if shape == "rises, then falls" else (bottom, "least")
    return f"{policy} wins {most} often in the middle of {key}: {at(0)}, {at(middle)}, {at(-1)}."


def _contrast(key: str) -> bool:
    """Whether nobody expects the policy to be better than the market as it is."""
    return known(key) and policy_of(key).contrast
