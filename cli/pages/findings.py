"""The page of `pigou compare` on the result of a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cli.pages import figures
from cli.pages.page import Column, Page
from cli.pages.words import label
from market.text import FIRMS
from market.text import Json as Tree
from mechanism.casefile.policies import PRIVATE_MARKET, TODAY, benchmarks, known, policy_of


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
        page.table(_by(key, groups, rows, digits))
    return page.text


def _by(key: str, groups: list[Tree], rows: list[Tree], digits: int) -> list[Column]:
    """Wins and gains over the groups of a key, of what wins anywhere."""
    listed = [row for row in rows if row["wins"] is not None]
    columns = [
        Column(key.rsplit(".", 1)[-1], [group["group"] for group in groups], words=True),
        Column("Cases", [f"{group['cases']:,}" for group in groups]),
    ]
    for policy in [row["policy"] for row in [row for row in listed if row["wins"]] or listed]:
        found = [
            next(row for row in group["policies"] if row["policy"] == policy) for group in groups
        ]
        medians = [None if row.get("gain") is None else row["gain"]["q50"] for row in found]
        cells = [
            f"{figures.percent(row['wins'])}  {gain}"
            for row, gain in zip(found, figures.column(medians, digits, zero=1e-9), strict=True)
        ]
        columns.append(Column(policy.replace("_", "\n", 1), cells))
    return columns


def sentences(result: Tree, firms: tuple[str, str] = FIRMS) -> list[str]:
    """What the table says, in words, and how wins run over keys whose groups go from low to
    high."""
    rows = [row for row in result["policies"] if row["wins"] is not None]
    out = [*_recommended(result, rows, firms), *_undecided(result)]
    for row in rows:
        out += _shortcomings(row, label(row["policy"], firms))
    return [*out, *_runs(result, firms)]


def _recommended(result: Tree, rows: list[Tree], firms: tuple[str, str]) -> Iterator[str]:
    """What is recommended how often, and what that asks for."""
    order = sorted((row for row in rows if row["wins"] > 0), key=lambda row: -row["wins"])[:3]
    told = [f"{label(row['policy'], firms)} in {figures.percent(row['wins'])}" for row in order]
    if result["unlisted"]:
        share = figures.percent(result["unlisted"])
        told.append(f"today's market, which the batch does not list, in {share}")
    if told:
        yield f"Recommended: {', '.join(told)} of the cases."
        asks = [(rung, share) for rung, share in result["asks"].items() if share > 0]
        shares = ", ".join(f"{rung} in {figures.percent(share)}" for rung, share in asks)
        yield f"What is recommended asks for {shares}."


def _undecided(result: Tree) -> Iterator[str]:
    """How often there is no advice, and why."""
    if not result["undecided"] > 0:
        return
    inadmissible = min(result["inadmissible"], result["undecided"])
    reasons = []
    if inadmissible:
        reasons.append(f"{figures.percent(inadmissible)} are no admissible market (bad_case)")
    if result["undecided"] > inadmissible:
        reasons.append("a problem that it rests on has no solution")
    share = figures.percent(result["undecided"])
    yield f"In {share} there is no advice: {'; elsewhere '.join(reasons)}."


def _shortcomings(row: Tree, name: str) -> Iterator[str]:
    """Where a policy asks for lies, leaves somebody out, or brings nothing."""

    def lacks(key: str) -> str | None:
        share = row.get(key)
        return None if share is None or share >= 1 else figures.percent(1 - share)

    if failing := lacks("truthful"):
        worst = row["ic_max_gain"]["q95"] if row.get("ic_max_gain") else None
        much = "" if worst is None else f"; in one case of twenty a lie gains {worst:.4g} or more"
        yield f"Under {name} truth fails to pay in {failing}{much}."
    if staying := lacks("joined"):
        yield (
            f"{name} would have to be made good to some type, which would stay out as it stands, in"
            f" {staying}."
        )
    if (idle := lacks("beats_market")) and not _contrast(row["policy"]):
        yield f"{name} would be worth no more than today's market in {idle}."


def _runs(result: Tree, firms: tuple[str, str]) -> Iterator[str]:
    """How wins run over keys, where they run far enough."""
    for key, shapes in result["shapes"].items():
        groups = [
            group for group in result["by"][key] if group["decided"] and group["group"] != "null"
        ]
        names = [group["group"] for group in groups]
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
                yield _run(label(policy, firms), key, shape, rates, names)


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
