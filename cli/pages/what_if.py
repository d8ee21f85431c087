"""The pages of `pigou what-if`: a change in figures, a path with what changes along it, a grid of
winners."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cli.pages import figures
from cli.pages.comparison import who_gains
from cli.pages.evaluation import outcomes
from cli.pages.page import Column, Page
from cli.pages.words import Scale, by_firm, firms_of, label, sentences
from market.text import Json as Tree
from market.text import capitalised
from mechanism.casefile.policies import GOAL, policy_of

SHOWN = 21
"""Points of a path that the page shows; all are in JSON and CSV."""
MARKS = {"holds": "+", "violated": "x", "not_established": "?", None: "!"}
REASONS = 4
"""Reasons for missing figures that the page gives."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
UNSOLVED = "!"
"""On a map: no advice, as where the planner's problem has no solution, or the point is no
admissible market."""


def differences(result: Tree, page: Page, digits: int) -> str:
    """Two evaluations side by side: what is recommended before and after, and every figure."""
    before, after = result["baseline"], result["changed"]
    scale, firms = Scale([before, after], digits), firms_of(after["case"])
    page.heading(figures.plain(before["case"]["name"]))
    changed(result["changes"], page)
    page.heading("What to do")
    recommended(result["recommendation"], scale, page)
    rows, ranked_by = (
        result["policies"],
        ("Welfare" if plain(before["case"]) and plain(after["case"]) else "Value"),
    )
    page.heading(f"{ranked_by} before and after, and what it means for whom")
    if before["case"].get("types"):
        page.sentence(
            "Money is in expectation over both firms' types; sharing and investment are at the"
            " case's own cost spillovers."
        )

    def moves(figure: str, part: str, signed: bool = False) -> list[str]:
        return scale.amounts([(row.get(figure) or {}).get(part) for row in rows], signed=signed)

    def firm(i: int) -> list[str]:
        return scale.amounts([row["profit_joined"][i]["change"] for row in rows], signed=True)

    page.table(
        [
            Column(
                "Policy", [row["policy"] + _statuses(row["status"]) for row in rows], words=True
            ),
            Column(f"{ranked_by}\nbefore", moves("value", "before"), scale.money),
            Column(f"{ranked_by}\nafter", moves("value", "after"), scale.money),
            Column("Change", moves("value", "change", True), scale.money),
            Column("Consumers", moves("consumer_surplus", "change", True), scale.money),
            *(
                Column(head, firm(i), scale.money)
                for i, head in enumerate(by_firm("Profit", firms))
            ),
            Column("Outlay", moves("outlay_joined", "change", True), scale.money),
        ]
    )
    page.sentence(
        "Consumers, profits and outlay: their changes, transfers included, where all join."
    )
    if ranked_by == "Value":
        page.sentence(f"{STANDARD}.")
    regimes = [
        row
        for row in result["regimes"]
        if any(m["before"] is not None or m["after"] is not None for m in row["sharing"])
    ]
    page.heading(
        f"Levels before and after ({firms[0]} / {firms[1]}; one number where both are the same)"
    )
    page.table(
        [
            Column("Regime", [row["regime"] for row in regimes], words=True),
            *(
                Column(
                    f"{name}\n{part}",
                    figures.pair_column(
                        [_pair(row[key], part) for row in regimes], min(digits, 4), zero=1e-12
                    ),
                )
                for key, name in (("sharing", "Sharing"), ("investment", "Investment"))
                for part in ("before", "after")
            ),
        ]
    )
    rules = result["rules"]
    if rules:
        page.heading("Tax rules before and after")
        page.table(
            [
                Column("Tax rule", [row["tax_rule"] for row in rules], words=True),
                *(
                    Column(
                        f"{name}\n{part}",
                        scale.amounts([(row.get(key) or {}).get(part) for row in rules]),
                        scale.money,
                    )
                    for key, name in (
                        ("ic_max_gain", "Gain from a lie"),
                        ("ir_min_slack", "Least slack"),
                        ("public_outlay", "Outlay"),
                    )
                    for part in ("before", "after")
                ),
            ]
        )
    as_changed(after, page, scale)
    return page.text


def as_changed(after: Tree, page: Page, scale: Scale) -> None:
    """The answer of the changed case with its rates and payments, who gains, and the outcomes."""
    sentences("The answer as changed", after["recommendation"]["text"], page)
    who_gains(after, page, scale, False)
    outcomes(after, page, scale, {row["policy"] for row in after["comparison"]}, named=False)


def recommended(found: Tree, scale: Scale, page: Page) -> None:
    """What is recommended before and after, and why it changed."""
    value = found["value"]
    for name, key in (("Before", "before"), ("After", "after")):
        amount = "" if value[key] is None else f", worth {scale.amount(value[key])}"
        page.sentence(f"{name}: {_doing(found[key])}{amount}.", bullet="- ")
    if not found["changed"]:
        page.sentence("The recommendation stays the same.", bullet="- ")
    for reason in found["why"]:
        page.sentence(f"{capitalised(reason)}.", bullet="- ")


def _doing(key: str | None) -> str:
    """What is advised, in words."""
    return "no advice" if key is None else f"{policy_of(key).doing} ({key})"


def plain(case: Tree, varied: Sequence[str] = ()) -> bool:
    """Whether what a case ranks by is welfare, whatever the value of these keys."""
    weights = {"profit_weight": 1, "public_funds_cost": 0}
    return all(
        case["mechanism"][name] == value and f"mechanism.{name}" not in varied
        for name, value in weights.items()
    )


def worth(result: Tree) -> str:
    """What policies are ranked by along a path or over a grid."""
    return "Welfare" if plain(result["case"], [span["key"] for span in result["vary"]]) else "Value"


STANDARD = (
    "Value: what the case's standard counts of each policy where all join (consumer surplus,"
    " profits by their weight, public money by what it costs)"
)


def _pair(moved: Sequence[Tree], part: str) -> Sequence[float] | None:
    values = [one[part] for one in moved]
    return None if None in values else values


def changed(changes: Sequence[Tree], page: Page) -> None:
    """What was changed."""
    texts = [f"{row['key']}: {_value(row['before'])} -> {_value(row['after'])}" for row in changes]
    page.sentence(
        "Changed: "
        + ("; ".join(texts) if texts else "nothing; the values given are those of the case")
        + "."
    )


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return (
        "null"
        if value is None
        else (
            json.dumps(value)
            if isinstance(value, list | bool)
            else f"{value:g}"
            if isinstance(value, float)
            else str(value)
        )
    )


def _statuses(status: Tree) -> str:
    told = [
        s
        for s in (status["before"], status["after"])
        if s not in ("converged", "corner", "holds", None)
    ]
    return f" [{status['before']} -> {status['after']}]" if told else ""


def path_page(result: Tree, page: Page, digits: int) -> str:
    """Welfare along one key, and where things change."""
    vary, policies, rows = result["vary"][0], result["policies"], result["rows"]
    width, count = len(policies), vary["count"]
    page.heading(figures.plain(result["case"]["name"]))
    if result["changes"]:
        changed(result["changes"], page)
    page.sentence(f"{vary['key']} from {vary['low']:g} to {vary['high']:g}, {count} points.")
    page.heading("What to do")
    for text in _advised(result, digits):
        page.sentence(text, bullet="- ")
    shown = _spread(count, SHOWN)
    best = [point["policy"] for point in result["best"]]
    money = (result["case"].get("units") or {}).get("money")
    of_money = f", {figures.plain(money)}" if money else ""
    last = vary["key"].rsplit(".", 1)[-1]
    at = Column(
        last, figures.column([rows[k * width][vary["key"]] for k in shown], digits, zero=1e-12)
    )

    def columns(key: str, which: Iterable[int]) -> list[Column]:
        return [
            Column(
                policies[j].replace("_", "\n", 1),
                _figures([rows[k * width + j] for k in shown], key, digits),
            )
            for j in which
        ]

    page.heading(worth(result) + of_money)
    winners = Column("Best", [best[k] or figures.NONE for k in shown], words=True)
    page.table([at, winners, *columns("value", range(width))])
    page.sentence(_best(result))
    if result["case"].get("types"):
        page.sentence("All figures are expectations over both firms' types.")
    _without_figures(result, page)
    paying = [j for j in range(width) if any(row["outlay_joined"] for row in rows[j::width])]
    if paying:
        page.heading("Public outlay where all join" + of_money)
        page.table([at, *columns("outlay_joined", paying)])
    for text in _constraints(result):
        page.sentence(text)
    _events(result, page, last)
    if count > len(shown):
        page.sentence(
            f"{len(shown)} of {count} points are shown; all, with every figure, are in --format csv"
            " and json."
        )
    return page.text


def _spread(count: int, most: int) -> list[int]:
    """So many of `count` points at most, evenly, both ends among them."""
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})


def _constraints(result: Tree) -> Iterator[str]:
    """Where truth and participation hold along a path, by tax rule."""
    policies, rows, firms = result["policies"], result["rows"], firms_of(result["case"])
    width = len(policies)
    rules = [j for j in range(width) if any(row["ic"] for row in rows[j::width])]
    for key, words in (("ic", "Truth"), ("ir", "Participation as the tax stands")):
        told = {
            label(policies[j], firms): _held({row[key] for row in rows[j::width]} - {None})
            for j in rules
        }
        if any(told.values()):
            yield f"{words}: " + "; ".join(f"{name} {text}" for name, text in told.items()) + "."


def _events(result: Tree, page: Page, key: str) -> None:
    """The values at which something changes."""
    events, vary, firms = result["events"], result["vary"][0], firms_of(result["case"])
    page.heading("Where things change")
    if events:
        values = figures.column([event["at"] for event in events], 8)
        what = [_event(event, firms) for event in events]
        page.table([Column(key, values), Column("What", what, words=True)])
        page.sentence(f"Each to {1e-6 * (vary['high'] - vary['low']):.1g}.")
    else:
        page.sentence(
            "Nowhere: the recommendation, the order of policies, the bounds that bind and the"
            " checks stay the same all along."
        )
    if result["more_events"]:
        page.sentence(
            f"{result['more_events']} more changes were not bracketed; follow fewer policies"
            " (--policy) or a shorter range."
        )


def _advised(result: Tree, digits: int) -> list[str]:
    """What is recommended from the low end of a path to its high one."""
    firms = firms_of(result["case"])
    places = [event for event in result["events"] if event["kind"] == "winner"]
    ends = [figures.number(event["at"], digits) for event in places]
    out = []
    for n, policy in enumerate(
        [result["best"][0]["policy"], *(event["after"] for event in places)]
    ):
        low, high = ends[n - 1] if n else None, ends[n] if n < len(ends) else None
        if low is None or high is None:
            where = f"up to {high}" if high else f"from {low} on" if low else "all along"
        else:
            where = f"from {low} to {high}"
        out.append(f"{where}: {label(policy, firms) if policy else 'no advice'}.")
    return out


def _best(result: Tree) -> str:
    """What the best policy is."""
    standard = "" if worth(result) == "Welfare" else f" {STANDARD}."
    return (
        "Best: what is recommended of these and today's market, as pigou evaluate does: the"
        " highest value of what competes, and of what comes near it that which asks"
        f" less.{standard}"
    )


def _without_figures(result: Tree, page: Page) -> None:
    """Why some points have no figures: each reason with the first point it holds at."""
    told: dict[tuple[str, str], Tree] = {}
    for row in result["rows"]:
        if row["welfare"] is None:
            told.setdefault((row["status"], row["message"] or ""), row)
    keys = [vary["key"] for vary in result["vary"]]
    for (status, message), row in list(told.items())[:REASONS]:
        point = ", ".join(f"{key} {figures.number(row[key], 4)}" for key in keys)
        page.sentence(f"{status}: {message.rstrip('.')} (first at {point}, {row['policy']}).")
    if len(told) > REASONS:
        page.sentence(f"{len(told) - REASONS} more reasons are in --format csv and json.")


def _figures(rows: Sequence[Tree], name: str, digits: int) -> list[str]:
    """One figure of every row, its status where there is none; what is negligible beside welfare is
    zero."""
    largest = max((abs(row["welfare"]) for row in rows if row["welfare"] is not None), default=0.0)
    texts = figures.column([row[name] for row in rows], digits, zero=1e-9 * largest)
    return [
        text if row[name] is not None else row["status"]
        for text, row in zip(texts, rows, strict=True)
    ]


def _held(told: set[str]) -> str:
    """Whether a check holds along a path."""
    if len(told) > 1:
        return "holds at some points"
    return {"holds": "holds", "violated": "fails"}.get(min(told, default=""), "not established")


def _event(event: Tree, firms: tuple[str, str]) -> str:
    """One change in words."""
    who = " and ".join(label(policy, firms) for policy in event["policies"])
    before, after = event["before"] or "-", event["after"] or "-"
    if event["kind"] == "order":
        return f"{before} -> {after}"
    if event["kind"] == "winner":
        return f"Best: {event['before'] or 'no advice'} -> {event['after'] or 'no advice'}"
    what = {"ic": "truth", "ir": "participation", "status": "status", "bounds": ""}[event["kind"]]
    return f"{who}{': ' + what if what else ''}: {before} -> {after}"


def over_a_grid(result: Tree, page: Page, digits: int) -> str:
    """A map of winners over two keys, and where the checks fail."""
    first, second = result["vary"]
    page.heading(figures.plain(result["case"]["name"]))
    if result["changes"]:
        changed(result["changes"], page)
    page.sentence(
        f"{first['key']} from {first['low']:g} to {first['high']:g} across, {second['key']} from"
        f" {second['low']:g} (bottom) to {second['high']:g} (top); {first['count']} x"
        f" {second['count']} points."
    )
    across = _spread(first["count"], max(2, page.width - 12))
    if len(across) < first["count"]:
        page.sentence(
            f"{len(across)} of the {first['count']} points across are drawn: no more fit this page."
        )
    page.sentence(_best(result))
    rows, width = result["rows"], len(result["policies"])
    for title, marks, legend in _maps(result):
        page.heading(title)
        used = set()
        for j in reversed(range(second["count"])):
            line = "".join(marks[i * second["count"] + j] for i in across)
            used |= set(line)
            page.verbatim(f"{figures.number(rows[j * width][second['key']], 4):>10}  {line}")
        for mark, text in legend.items():
            if mark in used:
                page.sentence(f"{mark}  {text}")
    _without_figures(result, page)
    page.sentence("Every figure is in --format csv and json.")
    return page.text


def _maps(result: Tree) -> Iterator[tuple[str, list[str], dict[str, str]]]:
    """What is drawn over two keys: a title, the mark of every point, what marks mean."""
    policies, rows, firms = result["policies"], result["rows"], firms_of(result["case"])
    best = [point["policy"] for point in result["best"]]
    letters: dict[str, str] = {}
    for key in filter(None, best):
        letters.setdefault(key, LETTERS[len(letters) % len(LETTERS)])
    legend = {letter: label(key, firms) for key, letter in letters.items()}
    none = "no advice: a problem it rests on has no solution, or the point is no admissible market"
    yield "Best policy", [letters.get(key, UNSOLVED) for key in best], legend | {UNSOLVED: none}

    def told(policy: str, key: str) -> list[Any]:
        return [row[key] for row in rows[policies.index(policy) :: len(policies)]]

    checks = {"+": "holds", "x": "violated", "?": "not established", UNSOLVED: "no figures"}
    for policy in policies:
        for key, words in (("ic", "truth"), ("ir", "participation")):
            held = told(policy, key)
            if len(set(held) - {None}) > 1:
                yield f"{label(policy, firms)}: {words}", [MARKS[one] for one in held], checks
    if GOAL in policies and len(set(told(GOAL, "status"))) > 1:
        marks = {"corner": "o", "converged": "."}
        yield (
            "The planner's levels",
            [marks.get(status, UNSOLVED) for status in told(GOAL, "status")],
            {
                ".": "inside their bounds",
                "o": "at a bound",
                UNSOLVED: "no solution, or no admissible market",
            },
        )
