"""The page of `pigou compare` on the result of a batch."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from market.text import FIRMS
from mechanism.policies import TODAY, benchmarks, known, policy_of

from . import figures
from .page import Column, Page
from .render import label

Tree = dict[str, Any]


def findings_page(result: Tree, ordered: Collection[str], name: str, page: Page, digits: int, firms: tuple[str, str] = FIRMS) -> str:
    """Which policy wins how often, what it brings and costs, and what that depends on; `ordered` keys have groups from low to high,
    `firms` are the names of the firms."""
    rows = result["policies"]
    page.heading(f"{figures.plain(name)}: {result['cases']:,} cases")
    page.heading("Policies")

    def part(key: str, which: str) -> list[str]:
        return figures.column([None if row.get(key) is None else row[key][which] for row in rows], digits, zero=1e-9)

    page.table(
        [
            Column("Policy", [row["policy"] for row in rows], words=True),
            Column("Wins", [figures.percent(row["wins"]) for row in rows]),
            *(
                [Column("Wins if\nfree to\nrefuse", [figures.percent(row["wins_voluntary"]) for row in rows])]
                if any(row["joined"] is not None for row in rows)
                else []
            ),
            Column("Solved", [figures.percent(row["solved"]) for row in rows]),
            Column("Beats\nmarket", [figures.percent(row.get("beats_market")) for row in rows]),
            Column("Gain\nlow", part("gain", "q05")),
            Column("Gain\nmedian", part("gain", "q50")),
            Column("Gain\nhigh", part("gain", "q95")),
            Column("Outlay\nmean", part("public_outlay", "mean")),
            Column("Truth\npays", [figures.percent(row["truthful"]) for row in rows]),
            Column("Firms\njoin", [figures.percent(row["joined"]) for row in rows]),
        ]
    )
    page.sentence(
        f"Wins: share of cases in which a policy has the highest welfare of those that compete (not {', '.join(benchmarks())}); ties are "
        "shared; if free to refuse, no tax rule under which some type would rather stay out counts. Gain: welfare against today's "
        f"market ({TODAY}), in the cases' unit of money; one case in twenty has less than low, one more than high."
        + (" Welfare is after the cost of public funds." if result["public_funds"] else "")
    )
    page.heading("Findings")
    for text in sentences(result, ordered, firms):
        page.sentence(text, bullet="- ")
    for key, groups in result["by"].items():
        page.heading(f"By {figures.plain(key)}: share of wins, and the median gain")
        names = [row["policy"] for row in rows if row["wins"] is not None]
        columns = [Column(key.rsplit(".", 1)[-1], [group["group"] for group in groups], words=True)]
        columns.append(Column("Cases", [f"{group['cases']:,}" for group in groups]))
        for policy in names:
            found = [next(row for row in group["policies"] if row["policy"] == policy) for group in groups]
            gains = figures.column([None if row.get("gain") is None else row["gain"]["q50"] for row in found], digits, zero=1e-9)
            cells = [f"{figures.percent(row['wins'])}  {gain}" for row, gain in zip(found, gains, strict=True)]
            columns.append(Column(policy.replace("_", "\n", 1), cells))
        page.table(columns)
    return page.text


def sentences(result: Tree, ordered: Collection[str], firms: tuple[str, str] = FIRMS) -> list[str]:
    """What the table says, in words; of keys whose groups are ordered also what rises with them."""
    rows = [row for row in result["policies"] if row["wins"] is not None]
    out = []
    if rows and max(row["wins"] for row in rows) > 0:
        order = sorted(rows, key=lambda row: -row["wins"])
        told = [f"{label(row['policy'], firms)} in {figures.percent(row['wins'])}" for row in order if row["wins"] > 0][:3]
        out.append(f"Highest welfare: {', '.join(told)} of the cases.")
    if result["undecided"] > 0:
        inadmissible = min(result["inadmissible"], result["undecided"])
        reasons = [f"{figures.percent(inadmissible)} are no admissible market (bad_case)"] if inadmissible else []
        if result["undecided"] > inadmissible:
            reasons.append("the planner's problem or every policy has no solution")
        out.append(f"In {figures.percent(result['undecided'])} no winner can be named: {'; elsewhere '.join(reasons)}.")
    for row in rows:
        if row["truthful"] is not None and row["truthful"] < 1:
            worst = row["ic_max_gain"]["q95"] if row.get("ic_max_gain") else None
            much = "" if worst is None else f"; in one case of twenty a lie gains {worst:.4g} or more"
            out.append(f"Under {label(row['policy'], firms)} truth fails to pay in {figures.percent(1 - row['truthful'])}{much}.")
        if row["joined"] is not None and row["joined"] < 1:
            out.append(f"Under {label(row['policy'], firms)} some type would rather stay out in {figures.percent(1 - row['joined'])}.")
        if row.get("beats_market") is not None and row["beats_market"] < 1 and not _contrast(row["policy"]):
            out.append(
                f"{label(row['policy'], firms)} leaves welfare at or below today's market's in {figures.percent(1 - row['beats_market'])}."
            )
    for key, groups in result["by"].items():
        if len(groups) < 2 or key not in ordered:
            continue
        for row in rows:
            ends = (groups[0], groups[-1])
            decided = [sum(r["wins"] for r in group["policies"] if r["wins"] is not None) for group in ends]
            if min(decided) == 0:
                continue
            wins = [
                next(r for r in group["policies"] if r["policy"] == row["policy"])["wins"] / share
                for group, share in zip(ends, decided, strict=True)
            ]
            if abs(wins[1] - wins[0]) >= 0.1:
                moved = "more" if wins[1] > wins[0] else "less"
                out.append(
                    f"{label(row['policy'], firms)} wins {moved} often where {key} is high: "
                    f"{figures.percent(wins[0])} at {groups[0]['group']}, {figures.percent(wins[1])} at {groups[-1]['group']}."
                )
    return out


def _contrast(key: str) -> bool:
    """Whether nobody expects the policy to be better than the market as it is."""
    return known(key) and policy_of(key).contrast
