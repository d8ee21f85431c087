"""Levels, prices and what security costs, by regime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.pages import figures
from cli.pages.words import Scale, symmetric, words_for
from cli.pictures.canvas import (
    FAINT,
    INK,
    MARKS,
    SERIES,
    SIZE,
    WIDTH,
    Drawn,
    new_figure,
    row_axes,
    short,
)
from cli.pictures.table import NoPicture
from market.model.outcome import SOLVED
from market.text import opening
from mechanism.casefile.policies import policy_of, today
from mechanism.report.plain import Tree

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DIGITS = 4
"""Significant digits of figures beside what is drawn."""
PANELS = ("sharing", "investment", "price", "investment_cost")
"""What is drawn of a regime, per firm."""
PER_ROW = 0.3
"""Inches of a row."""


def levels(result: Tree) -> Drawn:
    """A row per regime, a panel per figure, a mark per firm, of `evaluate`.

    Ids: `FIGURE-REGIME` of both firms' marks, firm 1 first; figures as results name them.
    """
    scale, regimes = Scale([result], DIGITS), result["regimes"]
    alike = symmetric(result["case"])
    keys = [key for key in regimes if not (alike and policy_of(key).mirror)]
    solved = [key for key in keys if regimes[key]["status"] in SOLVED]
    if not solved:
        raise NoPicture("no regime has an outcome here")
    now = today(result["case"]["types"] is not None)
    names = [words_for(key, scale.firms) or key for key in keys]
    units = ("0 to 1", scale.quantity, scale.price, scale.money)
    heads = ("Sharing", "Investment", "Price", "Security spending")
    first, second = (short(opening(firm), 30, 1) for firm in scale.firms)
    told = (
        f"● {first}, □ {second}; one figure where both are the same. Bold and the dashed line:"
        " today's market."
    )
    if result["case"]["types"] is not None:
        told += " Of private types today's market is expected, the others stand at the case's own."
    high = PER_ROW * len(keys)
    figure, axes_at = new_figure(high + 0.95, f"Levels by regime: {result['case']['name']}", told)
    left = 2.25
    width = (WIDTH - 0.12 - left) / len(PANELS)
    for n, (panel, head, unit) in enumerate(zip(PANELS, heads, units, strict=True)):
        axes = axes_at(left + n * width, 0.28, width - 0.12, high)
        pairs = [regimes[key][panel] for key in keys]
        _marks(axes, panel, keys, pairs, [regimes[key]["status"] for key in keys], now)
        axes.set_title(f"{head}\n{short(unit or '', 26)}", fontsize=SIZE - 0.5, va="bottom")
        if n == 0:
            axes.set_yticks(range(len(keys)), [short(name, 34) for name in names])
            for text, key in zip(axes.get_yticklabels(), keys, strict=True):
                text.set_color(INK if key in solved else FAINT)
                text.set_fontweight("bold" if key == now else "normal")
    words = [f"Levels by regime, {first} / {second}."]
    counted = ("", *units[1:])  # a share says what it is
    for key, name in zip(keys, names, strict=True):
        if key not in solved:
            words.append(f"{name}: no figures ({regimes[key]['status']}).")
            continue
        parts = (
            f"{head} {' '.join(figures.pair_column([regimes[key][panel]], DIGITS)[0].split())}"
            f" {unit or ''}".strip()
            for panel, head, unit in zip(PANELS, heads, counted, strict=True)
        )
        words.append(f"{name}: {'; '.join(parts)}.")
    return Drawn(
        figure=figure,
        title=f"Levels and security spending by regime: {figures.plain(result['case']['name'])}",
        alternative="\n".join(words),
    )


def _marks(
    axes: Axes,
    panel: str,
    keys: Sequence[str],
    pairs: Sequence[Sequence[float] | None],
    statuses: Sequence[str],
    now: str,
) -> None:
    """One panel: both firms' marks in each row, the figures at its right edge."""
    there = [value for pair in pairs if pair is not None for value in pair]
    low, high = min(0.0, *there), max(*there, 1.0 if panel == "sharing" else 0.0)
    span = (high - low) or 1.0
    if panel == "price" and min(there) > 0.4 * high:
        low = min(there)  # prices are told apart, not compared with none
        span = (high - low) or high
        low -= 0.1 * span
    texts = [
        " ".join(text.replace("-", "−").split()) for text in figures.pair_column(pairs, DIGITS)
    ]
    axes.set_xlim(low - 0.09 * span, high + (1.5 if "/" in "".join(texts) else 0.8) * span)
    for n, (key, pair, status) in enumerate(zip(keys, pairs, statuses, strict=True)):
        if pair is None:
            if panel == PANELS[0]:
                axes.text(
                    low,
                    n,
                    f"no figures: {status.replace('_', ' ')}",
                    va="center",
                    color=FAINT,
                    fontsize="small",
                )
            continue
        axes.plot(pair, [n, n], color=FAINT, linewidth=0.8)
        axes.plot(
            pair,
            [n, n],
            linestyle="none",
            marker=MARKS[1],
            markersize=7,
            markerfacecolor="none",
            markeredgecolor=SERIES[1],
            markevery=[1],
            markeredgewidth=1.1,
        )
        axes.plot(
            pair,
            [n, n],
            linestyle="none",
            marker=MARKS[0],
            markersize=4,
            color=SERIES[0],
            markevery=[0],
        )
        # both places once more, as what is read back
        axes.plot(pair, [n, n], linestyle="none", marker=",", color=SERIES[0], gid=f"{panel}-{key}")
    for n, (key, text) in enumerate(zip(keys, texts, strict=True)):
        if pairs[n] is not None:
            axes.text(
                1.0,
                n,
                text,
                transform=axes.get_yaxis_transform(),
                ha="right",
                va="center",
                fontsize=SIZE - 1.5,
                weight="bold" if key == now else "normal",
            )
    here = pairs[keys.index(now)] if now in keys else None
    if here is not None:
        axes.axvline(sum(here) / 2, color=FAINT, linewidth=0.8, linestyle=(0, (3, 2)), zorder=0)
    row_axes(axes, [""] * len(keys))
    axes.set_xticks([tick for tick in axes.get_xticks() if low <= tick <= high + 1e-9 * span])
