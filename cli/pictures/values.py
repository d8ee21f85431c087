"""Values of policies side by side: over cases, before and after a change, over a batch."""

from __future__ import annotations

from typing import Any

from cli.pages import figures
from cli.pages.words import firms_of, words_for
from cli.pictures.canvas import (
    FAINT,
    INK,
    MARKS,
    SERIES,
    SIZE,
    STAR,
    WIDTH,
    Drawn,
    new_figure,
    row_axes,
    short,
)
from cli.pictures.table import NoPicture
from market.text import visible
from mechanism.casefile.policies import RUNGS, TODAY, today
from mechanism.report.plain import Tree

DIGITS = 4
"""Significant digits of figures beside what is drawn."""
PER_ROW = 0.36
"""Inches of a row."""
LEFT = 2.4
"""Inches for names."""
MOST = 60
"""Cases that are drawn."""


def gains_over_cases(result: Any) -> Drawn:
    """A row per case, of `compare`: what the best that asks for permission, an order, money or
    reports is worth more than today's market, in per cent of today's value, which has no unit.

    Ids: `gain-N-REQUIRES` of every mark, N counting cases from 1.
    """
    if not isinstance(result, list):
        raise NoPicture("it is drawn of cases; of a batch there is the picture `wins`")
    cases: dict[str, list[Tree]] = {}
    for row in result:
        cases.setdefault(row["case"], []).append(row)
    if len(cases) > MOST:
        raise NoPicture(f"{len(cases):,} cases are more than {MOST}; a batch has `wins`")
    high = PER_ROW * len(cases)
    figure, axes_at = new_figure(
        high + 1.15,
        "What policies add to today's market, by case",
        "Value when everybody takes part, against today's market's, in per cent of today's: the"
        " best that can be recommended by what it asks for. Filled and named at the"
        " right: what is recommended.",
    )
    axes = axes_at(LEFT, 0.65, 4.6, high)
    row_axes(axes, [short(case, 40) for case in cases])
    axes.set_title("Gain, % of today's value")
    words = ["Gain in value over today's market, in per cent of it."]
    for n, (case, rows) in enumerate(cases.items()):
        private = (rows[0]["resolved"] or {}).get("types") is not None
        base = next((row["value"] for row in rows if row["policy"] == today(private)), None)
        told = next((row["policy"] for row in rows if row["recommended"]), None)
        said = []
        for at, asks in enumerate(RUNGS):
            able = [row for row in rows if row["competes"] and row["requires"] == asks]
            if not able or not base:
                continue
            best = max(able, key=lambda row: (row["value"], row["policy"] == told))
            gain = 100 * (best["value"] - base) / abs(base)
            own = any(row["policy"] == told for row in able)
            axes.plot(
                gain,
                n,
                linestyle="none",
                marker=MARKS[at],
                markersize=6.5,
                markerfacecolor=SERIES[at] if own else "white",
                markeredgecolor=SERIES[at],
                gid=f"gain-{n + 1}-{asks}",
            )
            said.append(f"{asks}: {words_for(best['policy'])} {figures.number(gain, DIGITS)} %")
        note = "no advice" if told is None else STAR + (words_for(told) or told)
        if not base:
            note = "today's market has no figures"
        axes.text(
            1.02,
            n,
            short(note, 34),
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=SIZE - 1,
            color=FAINT if told is None else INK,
        )
        words.append(f"{case}: {'; '.join([*said, note.replace(STAR, 'recommended: ')])}.")
    axes.margins(x=0.06)
    axes.axvline(0, color=INK, linewidth=0.6)
    legend = axes_at(LEFT, 0.1, 4.6, 0.2)
    legend.set_axis_off()
    legend.set_xlim(0, len(RUNGS))
    for at, asks in enumerate(RUNGS):
        legend.plot(
            at + 0.05,
            0,
            marker=MARKS[at],
            markersize=6.5,
            color="white",
            markeredgecolor=SERIES[at],
        )
        legend.text(at + 0.17, 0, asks, va="center", fontsize=SIZE - 1)
    return Drawn(
        figure=figure,
        title="What policies add to today's market, by case",
        alternative="\n".join(words),
    )


def before_and_after(result: Tree) -> Drawn:
    """A row per policy, of `what-if --set`: its value before and after the change.

    Ids: `value-POLICY` of both marks, before first.
    """
    if "changed" not in result:
        raise NoPicture("it is drawn of a change; give --set KEY=VALUE and no --vary")
    case = result["changed"]["case"]
    firms, unit = firms_of(case), (case.get("units") or {}).get("money")
    rows = [row for row in result["policies"] if row["policy"] != "vcg_reported"]
    told = result["recommendation"]
    changes = "; ".join(
        f"{one['key']}: {one['before']} → {one['after']}" for one in result["changes"]
    )
    high = PER_ROW * len(rows)
    figure, axes_at = new_figure(
        high + 0.75,
        f"Before and after: {case['name']}",
        f"{short(changes, 300, 1)}. ○ value before, ● after, when everybody takes part."
        f" {STAR}recommended after"
        + (", ☆ before." if told["before"] != told["after"] else " and before."),
    )
    axes = axes_at(LEFT, 0.3, WIDTH - LEFT - 1.9, high)
    labels = [words_for(row["policy"], firms) or row["policy"] for row in rows]
    marks = [
        STAR if row["policy"] == told["after"] else "☆ " * (row["policy"] == told["before"])
        for row in rows
    ]
    row_axes(axes, [mark + short(label, 36) for mark, label in zip(marks, labels, strict=True)])
    axes.set_title(f"Value{f', {short(unit, 30, 1)}' if unit else ''}")
    words = [f"Changed: {changes}. Value{f', {unit}' if unit else ''}, before and after."]
    for n, (row, label) in enumerate(zip(rows, labels, strict=True)):
        before, after = row["value"]["before"], row["value"]["after"]
        pair = [v for v in (before, after) if v is not None]
        if len(pair) == 2:
            axes.plot(pair, [n, n], color=SERIES[0], linewidth=1.2)
            axes.plot(pair, [n, n], linestyle="none", marker=",", gid=f"value-{row['policy']}")
        for value, face in ((before, "white"), (after, SERIES[0])):
            if value is not None:
                axes.plot(
                    value,
                    n,
                    marker="o",
                    markersize=7,
                    markerfacecolor=face,
                    markeredgecolor=SERIES[0],
                    linestyle="none",
                )
        status = row["status"]
        said = (
            figures.number(row["value"]["change"], DIGITS, signed=True)
            if len(pair) == 2
            else f"no figures {' and '.join(k for k in status if row['value'][k] is None)}"
        )
        axes.text(
            1.02,
            n,
            said.replace("-", "−"),
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=SIZE - 1,
            color=INK if len(pair) == 2 else FAINT,
        )
        words.append(
            f"{label}: {figures.number(before, DIGITS)} before, {figures.number(after, DIGITS)}"
            " after."
        )
    axes.margins(x=0.04)
    return Drawn(
        figure=figure,
        title=f"Values before and after: {visible(case['name'])}",
        alternative="\n".join(words),
    )


def wins(result: Any) -> Drawn:
    """A bar per policy, of `compare` on the result of a batch: the share of cases in which it is
    recommended, and in which it may be.

    Ids: `wins-POLICY` and `competes-POLICY` of the bars.
    """
    if not isinstance(result, dict):
        raise NoPicture("it is drawn of a batch; of cases there is the picture `gains_over_cases`")
    rows = [row for row in result["policies"] if row["wins"] is not None]
    rows = [row for row in rows if row["wins"] or row["competes"] or row["policy"] == TODAY]
    if not rows:
        raise NoPicture("nothing is recommended in any case of the batch")
    high = PER_ROW * len(rows)
    figure, axes_at = new_figure(
        high + 0.75,
        f"Recommended how often, {result['cases']:,} cases",
        "Solid: the share of cases in which a policy is recommended; outline: in which it may be.",
    )
    axes = axes_at(LEFT, 0.3, WIDTH - LEFT - 0.6, high)
    names = [words_for(row["policy"]) or row["policy"] for row in rows]
    row_axes(axes, [short(name, 38) for name in names])
    axes.set_title("Share of cases, %")
    words = [f"{result['cases']:,} cases."]
    for n, (row, name) in enumerate(zip(rows, names, strict=True)):
        for part, face, line in (("competes", "white", FAINT), ("wins", SERIES[0], SERIES[0])):
            share = 100 * (row[part] or 0.0)
            bar = axes.barh(n, share, height=0.6, color=face, edgecolor=line, linewidth=0.8)
            bar.patches[0].set_gid(f"{part}-{row['policy']}")
        most = 100 * max(row["wins"], row["competes"] or 0.0)
        text = figures.percent(row["wins"])
        axes.annotate(
            text, (most, n), (4, 0), textcoords="offset points", va="center", fontsize=SIZE - 1
        )
        words.append(
            f"{name}: recommended in {text}, possible in {figures.percent(row['competes'])}."
        )
    axes.set_xlim(0, 112)
    axes.set_xticks([0, 25, 50, 75, 100])
    return Drawn(
        figure=figure, title="Recommended how often over a batch", alternative="\n".join(words)
    )
