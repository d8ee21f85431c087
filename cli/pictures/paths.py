"""Policies along a key, with the values at which the recommendation changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cli.pages import figures
from cli.pages.words import firms_of, words_for
from cli.pictures.canvas import (
    DASHES,
    FAINT,
    HATCHES,
    INK,
    LEADER,
    RULE,
    SERIES,
    SIZE,
    Drawn,
    apart,
    aside,
    box,
    new_figure,
    short,
)
from cli.pictures.table import NoPicture
from market.model.outcome import SOLVED
from market.text import visible
from mechanism.casefile.case_keys import number_at
from mechanism.casefile.policies import today
from mechanism.report.plain import Tree

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from market.model.case import Array

DIGITS = 5
"""Significant digits of the values at which something changes."""
NO_ADVICE = "no advice"
"""Where nothing is recommended."""
LEFT, WIDE = 0.75, 5.6
"""Inches left of the axes, and of the axes."""
STRIP = 0.26
"""Inches of a strip."""


def path(result: Tree) -> Drawn:
    """A line per policy over one key, of `what-if --vary`: what it is worth more than today's
    market, or its value where today's market is not followed; beneath it what is recommended, and
    which policies have no figures where.

    Ids: `value-POLICY` of every line, `switch-N` of the values at which the recommendation changes,
    in their order; `best-N` of the stretches between.
    """
    if len(result.get("vary", ())) != 1:
        raise NoPicture("it is drawn along one key; give one --vary KEY=LO:HI:N")
    key, policies = result["vary"][0]["key"], result["policies"]
    firms = firms_of(result["case"])
    unit = (result["case"].get("units") or {}).get("money")
    x = np.array([row[key] for row in result["best"]])
    rows = {policy: result["rows"][n :: len(policies)] for n, policy in enumerate(policies)}
    values = {
        policy: np.array([np.nan if row["value"] is None else row["value"] for row in own])
        for policy, own in rows.items()
    }
    now = today(result["case"]["types"] is not None)
    base = values.get(now, np.zeros(len(x)))
    lines = {policy: value - base for policy, value in values.items()}
    if all(np.isnan(line).all() for line in lines.values()):
        raise NoPicture("no policy that is followed has figures anywhere along it")
    names = {policy: words_for(policy, firms) or policy for policy in policies}
    lacking = _lacking(rows)
    own = number_at(result["case_before"] or result["case"], key)
    more = result["more_events"]
    high, below = 3.6, STRIP * (1.4 + 1.1 * len(lacking))
    figure, axes_at = new_figure(
        high + below + 0.8,
        f"Along {key}: {result['case']['name']}",
        ("What a policy is worth more than today's market" if now in values else "Value")
        + ", by what policies are ranked by. Dashed: the recommendation changes."
        + (" ▼: the case's own value." if own is not None else "")
        + (f" {more:,} more changes were not looked for." if more else ""),
    )
    axes = axes_at(LEFT, 0.5 + below, WIDE, high)
    strip = axes_at(LEFT, 0.5, WIDE, below - 0.03)
    head = "Value, change against today" if now in values else "Value"
    axes.set_title(short(f"{head}{f', {unit}' if unit else ''}", 80, 1))
    axes.axhline(0, color=RULE, linewidth=0.8, zorder=0)
    step = (x[-1] - x[0]) / (len(x) - 1)
    for each in (axes, strip):
        each.set_xlim(x[0] - step / 2, x[-1] + step / 2)
    for n, (policy, line) in enumerate(lines.items()):
        axes.plot(
            x,
            line,
            color=SERIES[n % len(SERIES)],
            linestyle=DASHES[n % len(DASHES)],
            linewidth=1.6,
            marker="." if np.isnan(line).any() or len(x) < 12 else "",
            gid=f"value-{policy}",
        )
    _ends(axes, x, lines, names, high)
    switches = [event for event in result["events"] if event["kind"] == "winner"]
    best = _stretches(result, switches, x)
    _winners(strip, axes, best, switches, names, policies)
    _without_figures(strip, x, step, lacking, names)
    axes.tick_params(axis="x", labelbottom=False)
    strip.set_xlabel(visible(key))
    strip.set_yticks([])
    for side in ("left", "bottom"):
        strip.spines[side].set_visible(side == "bottom")
    if own is not None and x[0] <= own <= x[-1]:
        axes.plot(
            own,
            1.0,
            marker="v",
            color=INK,
            markersize=6,
            clip_on=False,
            transform=axes.get_xaxis_transform(),
        )
    return Drawn(
        figure=figure,
        title=f"Policies along {visible(key)}: {figures.plain(result['case']['name'])}",
        alternative=_told(result, lines, names, best, lacking, x),
    )


def _lacking(rows: Mapping[str, Sequence[Tree]]) -> dict[str, dict[str, list[int]]]:
    """The points at which a policy has no figures, by policy and status."""
    out: dict[str, dict[str, list[int]]] = {}
    for policy, own in rows.items():
        for n, row in enumerate(own):
            if row["value"] is None:
                status = "no value" if row["status"] in SOLVED else row["status"]
                out.setdefault(policy, {}).setdefault(status.replace("_", " "), []).append(n)
    return out


def _stretches(
    result: Tree, switches: Sequence[Tree], x: Array
) -> list[tuple[float, float, str | None]]:
    """Who wins from where to where."""
    cuts = [float(x[0]), *(event["at"] for event in switches), float(x[-1])]
    first = result["best"][0]["policy"]
    winners = [first, *(event["after"] or None for event in switches)]
    return list(zip(cuts, cuts[1:], winners, strict=False))


def _ends(
    axes: Axes, x: Array, lines: Mapping[str, Array], names: Mapping[str, str], inches: float
) -> None:
    """The names right of the lines, one for those that coincide."""
    axes.margins(y=0.06)
    axes.autoscale_view(scalex=False)
    low, high = axes.get_ylim()
    groups: list[list[str]] = []
    for policy, line in lines.items():
        for group in groups:
            if np.allclose(line, lines[group[0]], atol=1e-3 * (high - low), equal_nan=True):
                group.append(policy)
                break
        else:
            groups.append([policy])
    groups = [group for group in groups if np.isfinite(lines[group[0]]).any()]
    texts = [short("; ".join(names[policy] for policy in group), 38, 3) for group in groups]
    ends = []
    for group in groups:
        last = int(np.flatnonzero(np.isfinite(lines[group[0]]))[-1])
        ends.append((float(x[last]), float(lines[group[0]][last])))
    per_inch = (high - low) / inches
    sizes = [(0.06 + 0.15 * (1 + text.count("\n"))) * per_inch for text in texts]
    places = apart([end[1] for end in ends], sizes, low, high)
    order = list(lines)
    for group, text, end, y in zip(groups, texts, ends, places, strict=True):
        aside(
            axes,
            text,
            end,
            (1.03, y),
            color=SERIES[order.index(group[0]) % len(SERIES)],
            arrowprops=LEADER | {"shrinkB": 1},
        )


def _winners(
    strip: Axes,
    axes: Axes,
    best: Sequence[tuple[float, float, str | None]],
    switches: Sequence[Tree],
    names: Mapping[str, str],
    policies: Sequence[str],
) -> None:
    """What is recommended, as a strip, and the values between."""
    low, high = strip.get_xlim()
    for n, (a, b, winner) in enumerate(best):
        a, b = (low if n == 0 else a), (high if n == len(best) - 1 else b)
        at = policies.index(winner) if winner in policies else None
        colour = FAINT if at is None else SERIES[at % len(SERIES)]
        hatch = None if at is None else HATCHES[at % len(HATCHES)]
        look = {"facecolor": "white", "edgecolor": colour, "linewidth": 1.2, "hatch": hatch}
        box(strip, a, 0.1, b - a, 0.8, gid=f"best-{n}", **look)
        inches = (b - a) / (high - low) * WIDE
        words = NO_ADVICE if winner is None else names.get(winner, words_for(winner) or winner)
        text = short(words, max(3, int(inches / 0.085)), 1)
        if inches > 0.35:
            strip.text(
                (a + b) / 2,
                0.5,
                text,
                ha="center",
                va="center",
                fontsize=SIZE - 2,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
            )
    strip.text(
        1.03,
        0.5,
        "recommended",
        transform=strip.get_yaxis_transform(),
        va="center",
        fontsize="small",
        color=FAINT,
    )
    places = apart(
        [event["at"] for event in switches],
        [0.55 / WIDE * (high - low)] * len(switches),
        low,
        high,
    )
    for n, (event, place) in enumerate(zip(switches, places, strict=True)):
        axes.axvline(
            event["at"], color=INK, linewidth=0.9, linestyle=(0, (4, 2)), gid=f"switch-{n}"
        )
        axes.annotate(
            figures.number(event["at"], DIGITS).replace("-", "−"),
            (place, 1.0),
            (0, -1),
            xycoords=axes.get_xaxis_transform(),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=SIZE - 1.5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )


def _without_figures(
    strip: Axes,
    x: Array,
    step: float,
    lacking: Mapping[str, Mapping[str, Sequence[int]]],
    names: Mapping[str, str],
) -> None:
    """A strip per policy that has no figures somewhere."""
    strip.set_ylim(1.2 + 1.1 * len(lacking), -0.1)
    for n, (policy, by) in enumerate(lacking.items()):
        y = 1.2 + 1.1 * n
        for points in by.values():
            strip.plot(
                x[list(points)],
                [y + 0.4] * len(points),
                linestyle="none",
                marker="x",
                markersize=3.5,
                color=FAINT,
                gid=f"without-{policy}",
            )
        said = f"without figures: {names[policy]} ({', '.join(by)})"
        strip.text(
            1.03,
            y + 0.4,
            short(said, 44),
            transform=strip.get_yaxis_transform(),
            va="center",
            fontsize=SIZE - 2,
            color=FAINT,
        )


def _told(
    result: Tree,
    lines: Mapping[str, Array],
    names: Mapping[str, str],
    best: Sequence[tuple[float, float, str | None]],
    lacking: Mapping[str, Mapping[str, Sequence[int]]],
    x: Array,
) -> str:
    """The picture in words."""
    key = result["vary"][0]["key"]

    def said(value: float) -> str:
        return figures.number(float(value), DIGITS)

    out = [f"{key} from {said(x[0])} to {said(x[-1])}, {len(x)} points."]
    out += [
        f"Recommended from {said(a)} to {said(b)}:"
        f" {NO_ADVICE if winner is None else names.get(winner, winner)}."
        for a, b, winner in best
    ]
    for policy, line in lines.items():
        there = np.flatnonzero(np.isfinite(line))
        if len(there):
            first, last = there[0], there[-1]
            out.append(
                f"{names[policy]}: {said(line[first])} at {said(x[first])}, {said(line[last])} at"
                f" {said(x[last])}."
            )
        for status, points in lacking.get(policy, {}).items():
            out.append(f"{names[policy]}: no figures ({status}) at {len(points)} points.")
    others = [event for event in result["events"] if event["kind"] != "winner"]
    out += [
        f"At {said(event['at'])}: {event['before'] or 'no figures'} becomes"
        f" {event['after'] or 'no figures'} ({', '.join(event['policies'])})."
        for event in others
    ]
    return "\n".join(out)
