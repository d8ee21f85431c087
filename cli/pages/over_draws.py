"""What is not known exactly: how often each policy is the best, at what regret, and how far the
headline figures spread."""

from __future__ import annotations

from cli.pages import figures
from cli.pages.comparison import STAR
from cli.pages.page import Column, Page
from cli.pages.words import Scale, label, money_of
from mechanism.casefile.case_keys import key_path, leaves, value_at
from mechanism.casefile.types import PAPERS, PRIVATE
from mechanism.report.plain import Tree

HEADLINES = {
    "consumer_surplus": "consumers' surplus",
    "profit[0]": "profit of {0}",
    "profit[1]": "profit of {1}",
    "welfare": "welfare",
    "value": "value",
}
"""Figures of a policy, in words."""
MARKET = ("demand", "security", "cost", "unit_cost")
"""The blocks of a case whose numbers describe the market."""
KEYS = 5
"""Keys told of, those first whose knowledge is worth most."""


def taken_as_certain(case: Tree) -> str:
    """Which numbers of the market a case takes as known to everybody; empty where it takes none."""
    unsure, private = set(case.get("uncertainty") or ()), case.get("types")
    if private:
        unsure.add(PRIVATE[private.get("parameter", PAPERS)].place)
    told: list[str] = []
    for block in (block for block in MARKET if case.get(block)):
        keys = [key for key in leaves({block: case[block]}) if _of_the_market(case, key)]
        sure = [
            key
            for key in keys
            if key.partition("[")[0] not in unsure and not unsure & {key, f"{key}[0]", f"{key}[1]"}
        ]
        alone = [key for key in sure if key.partition("[")[0] not in sure or "[" not in key]
        told += [f"all of {block}"] if keys and sure == keys else alone
    return f"Taken as certain: {', '.join(told)}; `uncertainty` says what is not." if told else ""


def _of_the_market(case: Tree, key: str) -> bool:
    """Whether a key holds numbers that describe the market."""
    value = value_at(case, key_path(key))
    absent = key.startswith("unit_cost") and value in (0, [0, 0])
    return not (absent or isinstance(value, str | type(None)) or key == "cost.reference_investment")


def over_draws(result: Tree, page: Page, scale: Scale, named: bool = False) -> None:
    """The section of the page; nothing where everything is certain. `named`: policies in words
    too."""
    found = result["uncertainty"]
    if found is None:
        return
    there = found["draws"] - found["without_outcome"]
    page.heading(f"Over what is not known exactly, {there:,} draws{money_of(scale)}")
    rows = {key: row for key, row in found["policies"].items() if row["competes_share"]}
    if rows:
        _policies(rows, found["recommended"], page, scale, named)
        page.sentence(_robust(found["best_by"]))
        if found["kept_rates"] is not None:
            page.sentence(_kept(found["kept_rates"], scale))
        _spreads(found, page, scale)
    for text in (
        *_carried(found, scale),
        *_conditions(found),
        *_left_out(found),
        *_worth_knowing(found, scale),
    ):
        page.sentence(text)


def _policies(rows: Tree, recommended: str | None, page: Page, scale: Scale, named: bool) -> None:
    """Best share, mean value and regret of what can be recommended."""
    page.table(
        [
            Column(
                "Policy",
                [
                    (label(key, scale.firms) if named else key)
                    + (STAR if key == recommended else "")
                    for key in rows
                ],
                words=True,
            ),
            Column("Best in", [figures.percent(row["best_share"]) for row in rows.values()]),
            *(
                [
                    Column(
                        "Possible in",
                        [figures.percent(row["competes_share"]) for row in rows.values()],
                    )
                ]
                if any(row["competes_share"] < 1 for row in rows.values())
                else []
            ),
            *(
                Column(head, scale.amounts([row[key] for row in rows.values()]))
                for head, key in (
                    ("Mean\nvalue", "mean_value"),
                    ("Mean\nregret", "regret_mean"),
                    ("Largest\nregret", "regret_max"),
                )
            ),
        ]
    )
    page.sentence(
        "Regret: what would be recommended in a draw is worth so much more there; negative where"
        " that asks or costs less and is worth less by what does not count. Every policy is what it"
        " would be were the draw known, subsidies with their rates for it; where it cannot be"
        " recommended, today's market stands."
    )


def _robust(best: Tree) -> str:
    """Which policy the usual rules of choice name."""
    often, mean, regret = (best[key] for key in ("best_share", "mean_value", "regret_max"))
    if often == mean == regret:
        return (
            f"By expected value, by the smallest largest regret and by how often it is best:"
            f" {often}."
        )
    return (
        f"By expected value: {mean}; by the smallest largest regret: {regret}; best most often:"
        f" {often}."
    )


def _kept(kept: Tree, scale: Scale) -> str:
    """What rates come to that are fixed before anything more is known."""
    mean, regret, most = (
        scale.amount(kept[key]) for key in ("mean_value", "regret_mean", "regret_max")
    )
    return (
        "Plain subsidies at the rates of the case's own numbers, kept whatever the market turns out"
        f" to be, come to a mean value of {mean}: less than what is recommended in a draw by"
        f" {regret} on average and {most} at most. They are worth less than today's market in"
        f" {figures.percent(kept['worse_share'])} of {kept['draws']:,} draws, and consumers lose"
        f" against it in {figures.percent(kept['consumers_lose_share'])}."
    )


def _spreads(found: Tree, page: Page, scale: Scale) -> None:
    """Quantiles of what is recommended and of today's market."""
    told, own = found["figures"], found["recommended"]
    now = next(key for key in found["policies"])
    names = {"gain": "Gain over today"} if "gain" in told else {}
    for policy in dict.fromkeys((own, now)):
        names |= {
            f"{policy}.{key}": f"{policy}: {words.format(*scale.firms)}"
            for key, words in HEADLINES.items()
            if f"{policy}.{key}" in told
        }
    page.table(
        [
            Column("Figure", list(names.values()), words=True),
            Column("Mean", scale.amounts([told[key]["mean"] for key in names])),
            *(
                Column(
                    "Median" if at == "p50" else f"{at[1:]} % of\ndraws below",
                    scale.amounts([told[key]["quantiles"][at] for key in names]),
                )
                for at in told[next(iter(names))]["quantiles"]
            ),
        ]
    )


def _carried(found: Tree, scale: Scale) -> list[str]:
    """A mean that few draws carry, as those close to where a market ends do."""
    gain = found["figures"].get("gain")
    if gain is None or gain["quantiles"]["p5"] <= gain["mean"] <= gain["quantiles"]["p95"]:
        return []
    return [
        f"Few draws carry the mean of the gain, {scale.amount(gain['mean'])}, which lies outside of"
        " what nine draws of ten come to: read the median, not the means."
    ]


def _conditions(found: Tree) -> list[str]:
    """Where the recommendation is wrong."""
    return [
        f"{found['recommended']} is not the best in {figures.percent(one['inside'])} of draws in"
        f" which {' and '.join(map(_condition, (one, *one['and'])))}, and in"
        f" {figures.percent(one['outside'])} of the others."
        for one in found["wrong_where"]
    ]


def _condition(one: Tree) -> str:
    return f"{one['key']} is {one['side']} {one['threshold']:.4g}"


def _left_out(found: Tree) -> list[str]:
    """Draws that do not count."""
    out = []
    if found["without_outcome"]:
        out.append(
            f"{found['without_outcome']:,} of {found['draws']:,} draws have no outcome: nothing can"
            " be recommended there, and no figure counts them."
        )
    if found["unsolved"]:
        out.append(
            f"The other {found['unsolved']:,} draws were not solved, as nothing can be recommended"
            " at the case's own numbers either."
        )
    if found["inadmissible"]:
        out.append(
            f"{found['inadmissible']:,} points were no admissible case and were drawn again."
        )
    return out


def _worth_knowing(found: Tree, scale: Scale) -> list[str]:
    """What knowing a key before choosing is worth."""
    everything, worths = found["perfect_information"], found["value_of_information"]
    if everything is None:
        return []
    kept = found["kept_rates"]
    rates = (
        ""
        if kept is None or kept["regret_mean"] <= scale.zero
        else (
            " To know all of it before rates are set for good would add"
            f" {scale.amount(kept['regret_mean'])}."
        )
    )
    if everything <= scale.zero:
        return [
            "To know any of it before a kind of policy is chosen would add nothing to the mean"
            f" value.{rates}"
        ]
    told = sorted(worths.items(), key=lambda item: -item[1])
    some = [f"{key} {scale.amount(worth)}" for key, worth in told[:KEYS] if worth > scale.zero]
    return [
        "What knowing it before a kind of policy is chosen would add to the mean value:"
        f" {', '.join([*some, f'everything {scale.amount(everything)}'])}.{rates}"
    ]
