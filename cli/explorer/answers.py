"""What the page shows of a case: the answer at once, then every table, each figure beside its
change against the case as it was loaded.

Figures are those of `pigou.evaluate`; the answer at once is that of `pigou.sweep` at one point,
which ranks the same policies without proofs.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pigou
from cli.pages import figures
from cli.pages.words import LEVELS, NEGLIGIBLE, NO_CHANGE, Scale, changes, label, unsolved
from market.text import Json, capitalised, opening
from mechanism.casefile.case_keys import number_at
from mechanism.casefile.policies import policy_of, today
from mechanism.casefile.policy_case import PolicyCase, parse_tree
from mechanism.uncertainty.draws import certain

DIGITS = 5
"""Significant digits of figures."""
ROUNDING = 1e-12
"""Sizes of levels and prices up to which one is rounding, as on the pages."""
AT = "mechanism.public_funds_cost"
"""A key that every case has, along which it is swept at one point."""


@dataclass(frozen=True, kw_only=True)
class Headline:
    """What to do, in a line or two."""

    policy: str | None
    """The key of what is recommended; None: no advice."""
    doing: str
    """What doing it is called."""
    gain: float | None
    """Its V less today's. Money; None without advice."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A figure and its change against the case as it was loaded, as text; no text, no change."""

    text: str
    change: str = ""


@dataclass(frozen=True, kw_only=True)
class ShownTable:
    """A table as it is shown."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Shown, ...]], ...]
    """The name of a row, and its cells."""
    marked: int | None = None
    """The row of what is recommended."""


def settled(case: PolicyCase) -> PolicyCase:
    """The case at its own numbers, which is what moves under the fingers: what is not known exactly
    gives ranges, and is not drawn from."""
    return parse_tree(certain(case), name=case.name)


def answer_at_once(case: PolicyCase) -> Headline:
    """The answer of `pigou.sweep` at the case itself."""
    own = case.resolved["mechanism"]["public_funds_cost"]
    rows = pigou.sweep(case, {AT: [own]}).set_index("policy")
    best = str(rows["best"].iloc[0])
    if best not in rows.index:
        return Headline(policy=None, doing="No advice", gain=None)
    now = rows.loc[today(case.types is not None), "value"]
    return _answer(best, case.market.firms, float(rows.loc[best, "value"]) - float(now))


def answer_of(result: Json) -> Headline:
    """The answer of an evaluation."""
    told = result["recommendation"]
    if told["policy"] is None:
        return Headline(policy=None, doing="No advice", gain=None)
    now = _row(result, today(result["case"]["types"] is not None))
    firms = Scale([result], DIGITS).firms
    return _answer(told["policy"], firms, told["value"] - now["value"])


def _answer(key: str, firms: tuple[str, str], gain: float) -> Headline:
    return Headline(policy=key, doing=capitalised(policy_of(key, firms).doing), gain=gain)


def in_words(answer: Headline, before: Headline | None, case: PolicyCase) -> list[str]:
    """The answer in sentences, with what it was in the case as loaded."""
    money = f" {figures.plain(case.units.money)}" if case.units.money else ""
    if answer.gain is None:
        lines = ["No advice: some problem of the market has no solution; the tables say which."]
    elif not answer.gain:
        lines = [f"{answer.doing}."]
    else:
        gain = figures.number(answer.gain, DIGITS)
        lines = [f"{answer.doing}: worth {gain}{money} more than today's market."]
    if before is None:
        return lines
    if answer.policy != before.policy:
        lines.append(f"In the case as loaded: {before.doing[0].lower()}{before.doing[1:]}.")
    elif answer.gain is not None and before.gain is not None:
        change = answer.gain - before.gain
        if abs(change) > NO_CHANGE * max(abs(answer.gain), abs(before.gain)):
            told = figures.number(before.gain, DIGITS)
            lines.append(f"So it is in the case as loaded, where it is worth {told}{money}.")
    return lines


@dataclass(frozen=True, kw_only=True)
class Worked:
    """What was worked out for a case."""

    text: str
    """The case, as `PolicyCase.text`."""
    result: Json
    """What `pigou evaluate --format json` gives."""


def worked_out(text: str, switches: bool | None = False) -> Worked:
    """A case evaluated, from its resolved text; with `switches` what would overturn it, as in
    `pigou.evaluate`."""
    found = pigou.evaluate(parse_tree(json.loads(text)), switches)
    return Worked(text=text, result=json.loads(found.to_json()))


def picture(result: Json) -> str | None:
    """Who gains, as SVG; None where nothing can draw it, or there is nothing to draw."""
    if find_spec("matplotlib") is None:
        return None
    from cli.pictures.canvas import svg
    from cli.pictures.table import PICTURES, NoPicture

    try:
        drawn = svg(PICTURES["who_gains"].draw(result)).decode()
    except NoPicture:
        return None
    return drawn[drawn.index("<svg") :]


def report_of(text: str) -> str:
    """The report of a case from its file's text: what `pigou report` writes of it."""
    from cli.entry import main

    with TemporaryDirectory() as folder:
        case, out = Path(folder) / "case.yaml", Path(folder) / "report.html"
        case.write_text(text, encoding="utf-8")
        main(["report", str(case), "--out", str(out), "--quiet"])
        return out.read_text(encoding="utf-8")


def _row(result: Json, key: str) -> Json:
    return next((row for row in result["comparison"] if row["policy"] == key), {})


def tables(result: Json, before: Json) -> tuple[ShownTable, ...]:
    """Who gains, and at which levels: of a case, beside the case as loaded."""
    return _who_gains(result, before), _levels(result, before)


def _who_gains(result: Json, before: Json) -> ShownTable:
    scale = Scale([result, before], DIGITS)
    zero = NO_CHANGE / NEGLIGIBLE * scale.zero
    told, now, earlier = result["recommendation"]["policy"], changes(result), changes(before)
    rows = []
    for key, values in now.items():
        row, old = _row(result, key), earlier.get(key, {})
        cells = [_shown(value, old.get(name), zero) for name, value in values.items()]
        competes = Shown(text="yes" if row["competes"] else "no")
        rows.append((label(key, scale.firms) + unsolved(row["status"]), (*cells, competes)))
    firms = tuple(opening(firm) for firm in scale.firms)
    unit = f", {scale.money}" if scale.money else ""
    return ShownTable(
        title=f"Who gains over today's market when everybody takes part{unit}",
        heads=("Policy", "Value", "Consumers", *firms, "Public outlay", "Can be recommended"),
        rows=tuple(rows),
        marked=list(now).index(told) if told else None,
    )


def _levels(result: Json, before: Json) -> ShownTable:
    scale = Scale([result, before], DIGITS)
    compared = {row["policy"] for row in result["comparison"]}
    rows = []
    for key, outcome in result["regimes"].items():
        if key in compared:
            old = before["regimes"].get(key, {})
            cells = tuple(_pair(outcome[what], old.get(what)) for what in LEVELS)
            rows.append((label(key, scale.firms) + unsolved(outcome["status"]), cells))
    quantity = f", {scale.quantity}" if scale.quantity else ""
    price = f", {scale.price}" if scale.price else ""
    return ShownTable(
        title="Levels, prices and quantities",
        heads=(
            "Regime",
            "Sharing, 0 to 1",
            f"Investment{quantity}",
            f"Price{price}",
            f"Quantity{quantity}",
        ),
        rows=tuple(rows),
    )


def _pair(now: Sequence[float] | None, before: Sequence[float] | None) -> Shown:
    """Both firms' figures in one cell, once where they read the same."""
    nothing = (None, None)
    firms = [
        _shown(value, was, ROUNDING)
        for value, was in zip(now or nothing, before or nothing, strict=True)
    ]
    firms = firms[: 1 if firms[0] == firms[1] else 2]
    change = " / ".join(one.change or "0" for one in firms)
    return Shown(
        text=" / ".join(one.text for one in firms),
        change=change if any(one.change for one in firms) else "",
    )


def _shown(value: float | None, before: float | None, zero: float) -> Shown:
    change = None if value is None or before is None else value - before
    return Shown(
        text=figures.number(value, DIGITS, zero=zero),
        change=(
            ""
            if change is None or abs(change) <= max(zero, NO_CHANGE * abs(value or 0.0))
            else figures.number(change, DIGITS, signed=True)
        ),
    )


def marks(result: Json) -> dict[str, list[tuple[float, str]]]:
    """Where the answer changes along every key: the value, and what is recommended beyond it."""
    found: dict[str, list[tuple[float, str]]] = {}
    for switch in result["recommendation"]["switching"]:
        if math.isfinite(switch["value"]):
            to = "no advice" if switch["to"] is None else policy_of(switch["to"]).phrase
            found.setdefault(switch["key"], []).append((switch["value"], to))
    return found


def case_text(case: PolicyCase, source: PolicyCase) -> str:
    """The case as a file: what was moved stays moved, what the source says of its uncertainty
    stays, with a remark where that is of what was moved, and what it expects of its results is left
    out."""
    from ruamel.yaml import YAML

    tree: dict[str, Any] = case.resolved
    uncertain = source.resolved.get("uncertainty")
    tree |= {"uncertainty": uncertain} if uncertain else {}
    del tree["expect"]
    tree = {key: value for key, value in tree.items() if value is not None}
    out = io.StringIO()
    moved = [
        key
        for key in (source.uncertainty.keys if source.uncertainty else ())
        if number_at(case.resolved, key) != number_at(source.resolved, key)
    ]
    if moved:
        out.write(
            f"# Moved: {', '.join(moved)}. What `uncertainty` says of that is as it was loaded.\n"
        )
    YAML().dump(_plain(tree), out)
    return out.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(part) for part in value]
    return value
