"""The page of `pigou sensitivity`."""

from __future__ import annotations

from collections.abc import Callable

from cli.pages import figures
from cli.pages.evaluation import heading
from cli.pages.page import Column, Page
from market.text import Json as Tree

TITLES = {
    "sobol": "Which keys it turns on: parts of the variance (Sobol indices)",
    "morris": "Which keys it turns on: a quick look (Morris)",
    "tornado": "Which keys it turns on: each alone, 5th to 95th percentile (tornado)",
}
MEANINGS = {
    "sobol": (
        "Alone: the part of the variance that would go if this key were known. In all: the part"
        " that would stay if everything else were; more than alone where keys act together, less"
        " where others that are correlated tell of it. In brackets 90 per cent intervals, which may"
        " leave 0 to 1: more points narrow them (--points)."
    ),
    "morris": (
        "Size: mean size of the change as the key runs from its 5th to its 95th percentile, in"
        " brackets its 90 per cent interval. With sign: less than the size where it may go either"
        " way. Spread: large where it depends on where this and the other keys are. Correlations"
        " are left aside."
    ),
    "tornado": (
        "One key at a time, the others at the case's own values: what keys do together, and their"
        " correlations, are left aside."
    ),
}
WORDS = {
    "choice": "The choice: 1 where {policy} is what is recommended, as at the case's own numbers",
    "gain": "gain: value of {policy} over today's market",
}


def sensitivity(result: Tree, page: Page, digits: int) -> str:
    """A table per figure, the keys that matter most first."""
    heading(result, page)
    method = result["method"]
    page.heading(TITLES[method])
    for name, found in result["figures"].items():
        page.heading(WORDS.get(name, name).format(policy=result["recommended"]))
        if flat := never_moves(found):
            page.sentence(flat)
            continue
        _TABLES[method](found, page, digits)
        if found["reliable"] is False:
            page.sentence(unreliable(found, result["markets"]))
    page.sentence(MEANINGS[method])
    for text in _left_out(result):
        page.sentence(text)
    return page.text


def never_moves(found: Tree) -> str | None:
    """What is said of a figure that is the same at both ends of every key, or in every market; None
    of any other."""
    if found["reliable"] is False and not found["varying"]:
        return (
            f"{figures.number(found['value'], 4)} at the case's own numbers and in every market"
            " that has an outcome: nothing of what is not known exactly changes it."
        )
    if found["reliable"] is not None or not all("at_low" in row for row in found["keys"].values()):
        return None
    ends = [row[end] for row in found["keys"].values() for end in ("at_low", "at_high")]
    known = {end for end in ends if end is not None}
    if not known or known != {found["value"]}:
        return None
    lacking = ends.count(None)
    but = f" that has an outcome ({lacking} of {len(ends)} have none)" if lacking else ""
    return (
        f"{figures.number(found['value'], 4)} at the case's own numbers and at every end of every"
        f" key{but}: none of them alone changes it."
    )


def unreliable(found: Tree, markets: int) -> str:
    """What is said beside indices of a figure that hardly varies."""
    return (
        f"Not reliable: only {found['varying']:,} of {markets:,} markets differ from all others in"
        " this; more points (--points) make it so, if anything does."
    )


def _lost(keys: Tree) -> str | None:
    """Ends of a tornado without an outcome; None where all have one."""
    ends = [
        f"{key} at {figures.number(row[end], 4)}"
        for key, row in keys.items()
        for end in ("low", "high")
        if row[f"at_{end}"] is None
    ]
    return f"No outcome with {', '.join(ends)}." if ends else None


def _ordered(found: Tree, size: Callable[[Tree], float | None]) -> dict[str, Tree]:
    """The keys with what is told of them, the largest first."""

    def rank(item: tuple[str, Tree]) -> float:
        value = size(item[1])
        return float("inf") if value is None else -value

    return dict(sorted(found["keys"].items(), key=rank))


def index(row: Tree) -> float | None:
    """How much a key matters by its indices: the larger, since of correlated keys each tells of the
    other; None where there are none."""
    return max((row[part] for part in ("first", "total") if row[part] is not None), default=None)


def _sobol(found: Tree, page: Page, digits: int) -> None:
    keys = _ordered(found, index)
    if all(row["total"] is None for row in keys.values()):
        page.sentence(
            "It does not vary, or too few points have an outcome: there is nothing to tell."
        )
        return

    def told(name: str) -> list[str]:
        return [
            figures.NONE
            if row[name] is None
            else f"{row[name]:.2f} [{row[f'{name}_low']:.2f}, {row[f'{name}_high']:.2f}]"
            for row in keys.values()
        ]

    page.table(
        [
            Column("Key", list(keys), words=True),
            Column("Alone", told("first")),
            Column("In all", told("total")),
        ]
    )


def _morris(found: Tree, page: Page, digits: int) -> None:
    keys = _ordered(found, lambda row: row["size"])
    rows = list(keys.values())
    zero = 1e-9 * max((abs(row["size"]) for row in rows if row["size"] is not None), default=0.0)

    def told(name: str, signed: bool = False) -> list[str]:
        return figures.column([row[name] for row in rows], digits, zero=zero, signed=signed)

    intervals = [
        "" if row["size"] is None else f"[{low.strip()}, {high.strip()}]"
        for row, low, high in zip(rows, told("size_low"), told("size_high"), strict=True)
    ]
    page.table(
        [
            Column("Key", list(keys), words=True),
            Column("Size", told("size")),
            Column("90 %", intervals),
            Column("With sign", told("mean", signed=True)),
            Column("Spread", told("spread")),
        ]
    )


def _tornado(found: Tree, page: Page, digits: int) -> None:
    def swing(row: Tree) -> float | None:
        low, high = row["at_low"], row["at_high"]
        return None if low is None or high is None else abs(high - low)

    keys = _ordered(found, swing)
    rows = list(keys.values())
    ends = [
        f"{figures.number(row['low'], digits)} to {figures.number(row['high'], digits)}"
        for row in rows
    ]
    page.table(
        [
            Column("Key", list(keys), words=True),
            Column("From, to", ends, words=True),
            Column("At the\nlow end", figures.column([row["at_low"] for row in rows], digits)),
            Column("At the\nhigh end", figures.column([row["at_high"] for row in rows], digits)),
            Column("Swing", figures.column([swing(row) for row in rows], digits)),
        ]
    )
    page.sentence(f"At the case's own numbers: {figures.number(found['value'], digits)}.")
    if lost := _lost(keys):
        page.sentence(lost)


_TABLES = {"sobol": _sobol, "morris": _morris, "tornado": _tornado}


def _left_out(result: Tree) -> list[str]:
    """Points that count nowhere."""
    of = result["markets"]
    out = [f"{of:,} markets."]
    for count, why in (
        (result["inadmissible"], "are no admissible case"),
        (result["without_outcome"], "have no outcome, as nothing can be recommended there"),
    ):
        if count:
            out[0] = out[0].rstrip(".") + f"; {count:,} ({figures.percent(count / of)}) {why}."
    if result["inadmissible"] or result["without_outcome"]:
        out.append("What is told rests on the others.")
    return [" ".join(out)]
