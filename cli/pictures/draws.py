"""Policies over markets drawn from what is not known exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.pages import figures
from cli.pages.words import Scale, words_for
from cli.pictures.canvas import (
    FAINT,
    INK,
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
from mechanism.report.plain import Tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

DIGITS = 4
"""Significant digits of figures beside what is drawn."""
EDGE = 0.06
"""Share of a panel at its right end whose tick would run into the next panel's."""
PER_ROW = 0.34
"""Inches of a row."""
NAMES = 2.3
"""Inches for names."""


def uncertainty(result: Tree) -> Drawn:
    """How often each policy is the best, how far its value spreads and what choosing it costs where
    it is not, of `evaluate` at a case with an `uncertainty:` block; beneath that what knowing a key
    is worth.

    Ids: `best-POLICY` of the bars, `spread-POLICY` of the line from p5 to p95, `median-POLICY`,
    `mean-POLICY`, `regret-POLICY` of mean and largest regret, `knowing-KEY` of the bars.
    """
    found = result["uncertainty"]
    if found is None:
        raise NoPicture("everything is certain; the case has no `uncertainty:` block")
    there = found["draws"] - found["without_outcome"]
    rows = {key: row for key, row in found["policies"].items() if row["competes_share"]}
    if not there or not rows:
        raise NoPicture(f"none of {found['draws']:,} draws has an outcome")
    scale = Scale([result], DIGITS)
    names = {key: words_for(key, scale.firms) or key for key in found["policies"]}
    never = [names[key] for key in found["policies"] if key not in rows]
    worth = {
        key: value
        for key, value in (found["value_of_information"] or {}).items()
        if (found["perfect_information"] or 0.0) > scale.zero
    }
    below = (
        f"{there:,} draws. Value: thick where the middle half lies, thin from 5 to 95 %, | median,"
        " ● mean. Regret: what the best there is worth more; bar the mean, ▶ the most."
    )
    below += f" {STAR}recommended." if found["recommended"] else ""
    if found["without_outcome"]:
        below += f" {found['without_outcome']:,} of {found['draws']:,} draws have no outcome."
    if never:
        below += f" Never possible: {', '.join(never)}."
    more = 0.75 + PER_ROW * (1 + len(worth)) if worth else 0.0
    high = PER_ROW * len(rows)
    figure, axes_at = new_figure(
        high + more + 0.65, f"Over what is not known exactly: {result['case']['name']}", below
    )
    unit = f", {short(scale.money, 24, 1)}" if scale.money else ""
    wide = WIDTH - NAMES - 0.15
    widths = (0.26 * wide, 0.44 * wide, 0.3 * wide)
    panels = [
        axes_at(NAMES + sum(widths[:n]), more + 0.3, width - 0.15, high)
        for n, width in enumerate(widths)
    ]
    heads = ("Best in", f"Value{unit}", f"Regret{unit}")
    for axes, head in zip(panels, heads, strict=True):
        axes.set_title(head)
        row_axes(axes, [""] * len(rows))
    _best(panels[0], rows)
    _spreads(panels[1], rows, found["figures"])
    _regrets(panels[2], rows)
    _labels(panels[0], [names[key] for key in rows], list(rows), found["recommended"])
    if worth:
        worth = dict(sorted(worth.items(), key=lambda item: -item[1]))
        worth["everything"] = found["perfect_information"]
        axes = axes_at(NAMES, 0.3, wide - 0.15, PER_ROW * len(worth))
        axes.set_title(f"What knowing it before choosing adds to the mean value{unit}")
        row_axes(axes, [""] * len(worth))
        for n, (key, value) in enumerate(worth.items()):
            _bar(axes, n, value, f"knowing-{key}", figures.number(value, DIGITS))
        axes.set_xlim(0, 1.25 * max(worth.values()))
        _labels(axes, list(worth), list(worth), None)
    return Drawn(
        figure=figure,
        title=f"Policies over what is not known exactly: {figures.plain(result['case']['name'])}",
        alternative=_told(found, rows, names, never, worth, unit),
    )


def _labels(
    axes: Axes, labels: Sequence[str], keys: Sequence[str], recommended: str | None
) -> None:
    """The names of rows, left of the axes."""
    marked = [
        (STAR if key == recommended else "") + short(label, 36)
        for key, label in zip(keys, labels, strict=True)
    ]
    axes.set_yticks(range(len(keys)), marked)
    for text, key in zip(axes.get_yticklabels(), keys, strict=True):
        text.set_fontweight("bold" if key == recommended else "normal")


def _bar(axes: Axes, row: int, value: float, gid: str, label: str) -> None:
    """A bar from zero, its figure at its end."""
    bar = axes.barh(row, value, height=0.6, color=SERIES[0], linewidth=0)
    bar.patches[0].set_gid(gid)
    axes.annotate(
        label.replace("-", "−"),
        (max(value, 0.0), row),
        (3, 0),
        textcoords="offset points",
        va="center",
        fontsize=SIZE - 1.5,
    )


def _best(axes: Axes, rows: Tree) -> None:
    for n, (key, row) in enumerate(rows.items()):
        text = figures.percent(row["best_share"])
        if row["competes_share"] < 1:
            text += f" (possible in {figures.percent(row['competes_share'])})"
        _bar(axes, n, 100 * row["best_share"], f"best-{key}", short(text, 20))
    axes.set_xlim(0, 200)
    axes.set_xticks([0, 50, 100], ["0", "50", "100 %"])


def _spreads(axes: Axes, rows: Tree, told: Tree) -> None:
    for n, key in enumerate(rows):
        one = told[f"{key}.value"]
        at = one["quantiles"]
        axes.plot([at["p5"], at["p95"]], [n, n], color=SERIES[0], linewidth=1, gid=f"spread-{key}")
        axes.plot(
            [at["p25"], at["p75"]], [n, n], color=SERIES[0], linewidth=5, solid_capstyle="butt"
        )
        axes.plot(
            at["p50"],
            n,
            marker="|",
            markersize=11,
            color=INK,
            markeredgewidth=1.5,
            gid=f"median-{key}",
        )
        axes.plot(
            one["mean"],
            n,
            marker="o",
            markersize=4.5,
            color="white",
            markeredgecolor=INK,
            gid=f"mean-{key}",
        )
    low, high = axes.get_xlim()
    axes.set_xticks(
        [tick for tick in axes.get_xticks() if low <= tick <= high - EDGE * (high - low)]
    )
    axes.set_xlim(low, high)


def _regrets(axes: Axes, rows: Tree) -> None:
    for n, (key, row) in enumerate(rows.items()):
        most, mean = row["regret_max"], row["regret_mean"]
        axes.plot([0, most], [n, n], color=FAINT, linewidth=0.8)
        axes.barh(n, mean, height=0.5, color=SERIES[1], linewidth=0)
        axes.plot(most, n, marker=">", markersize=5, color=SERIES[1])
        axes.plot([mean, most], [n, n], linestyle="none", marker=",", gid=f"regret-{key}")
        axes.annotate(
            f"{figures.number(mean, 3)}; most {figures.number(most, 3)}".replace("-", "−"),
            (max(most, 0.0), n),
            (6, 0),
            textcoords="offset points",
            va="center",
            fontsize=SIZE - 2,
        )
    widest = max(row["regret_max"] for row in rows.values()) or 1.0
    least = min(0.0, *(row["regret_mean"] for row in rows.values()))
    axes.set_xlim(least - 0.02 * widest, 1.9 * widest)
    axes.axvline(0, color=INK, linewidth=0.6)
    axes.set_xticks([tick for tick in axes.get_xticks() if least <= tick <= widest])


def _told(
    found: Tree,
    rows: Tree,
    names: Tree,
    never: Sequence[str],
    worth: Tree,
    unit: str,
) -> str:
    """The picture in words."""

    def said(value: float) -> str:
        return figures.number(value, DIGITS)

    out = [f"Over {found['draws'] - found['without_outcome']:,} draws{unit}."]
    for key, row in rows.items():
        one = found["figures"][f"{key}.value"]
        mark = " (recommended)" if key == found["recommended"] else ""
        out.append(
            f"{names[key]}{mark}: best in {figures.percent(row['best_share'])}, possible in"
            f" {figures.percent(row['competes_share'])}; value {said(one['mean'])} in the mean,"
            f" {said(one['quantiles']['p5'])} to {said(one['quantiles']['p95'])} in nine of ten"
            f" draws; regret {said(row['regret_mean'])} in the mean, {said(row['regret_max'])} at"
            " most."
        )
    if never:
        out.append(f"Never possible: {', '.join(never)}.")
    out += [f"Knowing {key} adds {said(value)}." for key, value in worth.items()]
    return "\n".join(out)
