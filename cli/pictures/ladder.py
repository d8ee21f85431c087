"""From today's market to the planner's, channel by channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cli.pages import figures
from cli.pages.words import Scale
from cli.pictures.canvas import (
    FAINT,
    INK,
    RULE,
    SERIES,
    SIZE,
    WIDTH,
    Drawn,
    new_figure,
    row_axes,
    short,
)
from cli.pictures.table import NoPicture
from market.model.case import levels
from market.model.outcome import SOLVED
from market.text import opening
from mechanism.analysis.ladder import Ladder
from mechanism.analysis.ladder import ladder as ladder_of
from mechanism.casefile.policies import GOAL, TODAY, policy_of
from mechanism.casefile.policy_case import parse_tree
from mechanism.report.plain import Tree

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from market.model.case import Array

DIGITS = 4
"""Significant digits of figures beside what is drawn."""
PER_ROW = 0.34
"""Inches of a row."""
PER_PAIR = 0.42
"""Inches of a pair of bars."""
LEFT = 2.3
"""Inches for names."""
SAID = {
    "own investment": "Own investment, rivalry included",
    "spillover received": "Spillover received",
    "leakage": "Leakage",
    "cost saving": "Cost saving",
    "price response": "Price response",
}
"""Channels in words."""


def ladder(result: Tree) -> Drawn:
    """A step per channel from the welfare of today's market to that at the planner's levels, of
    `evaluate`, at the case's own numbers; beside it what own levels do to own profit today.

    Ids: `channel-NAME` of each step, blanks as `_`; `goal-welfare` of the whole way;
    `direct-LEVEL-FIRM` and `strategic-LEVEL-FIRM` of the bars of (7) and (8).
    """
    found = ladder_in(result)
    if found.shares is None:
        raise NoPicture(f"the way cannot be split: {found.why}")
    scale = Scale([result], DIGITS)
    unit = f", {short(scale.money, 24, 1)}" if scale.money else ""
    below = (
        "What each channel adds to welfare when security goes from today's levels to the planner's:"
        " Shapley values, the mean over all orders in which channels are opened; they add up"
        " exactly. Below: what own levels do to own profit at today's margin, directly and by the"
        " rival's price, (7) and (8)."
    )
    high, low = PER_ROW * (len(found.shares) + 2), PER_PAIR * 4
    figure, axes_at = new_figure(
        high + low + 1.35, f"From today's market to the planner's: {result['case']['name']}", below
    )
    wide = WIDTH - LEFT - 0.15
    axes = axes_at(LEFT, low + 0.95, wide, high)
    axes.set_title(f"Welfare{unit}")
    _steps(axes, found)
    beneath = axes_at(LEFT, 0.3, wide, low)
    beneath.set_title(f"Own profit at the margin today{unit} per unit of the level")
    _effects(beneath, found, scale.firms)
    words = [
        f"Welfare{unit}: today {figures.number(found.start, DIGITS)}, at the planner's levels"
        f" {figures.number(found.goal, DIGITS)}."
    ]
    words += [
        f"{SAID[name]} adds {figures.number(share, DIGITS)}."
        for name, share in found.shares.items()
    ]
    for firm, level, direct, strategic in _margins(found, scale.firms):
        words.append(
            f"{firm}, a unit of {level}: direct {figures.number(direct, DIGITS)}, strategic"
            f" {figures.number(strategic, DIGITS)}."
        )
    return Drawn(
        figure=figure,
        title=f"From today's welfare to the planner's: {figures.plain(result['case']['name'])}",
        alternative="\n".join(words),
    )


def ladder_in(result: Tree) -> Ladder:
    """The way from today's market to the planner's levels in a result, at its own numbers."""
    at = []
    for key in (TODAY, GOAL):
        outcome = result["regimes"][key]
        if outcome["status"] not in SOLVED:
            raise NoPicture(
                f"{policy_of(key).phrase} has no figures here ({outcome['status']}); the ladder"
                " leads from one to the other"
            )
        at.append(levels(outcome["sharing"], outcome["investment"]))
    return ladder_of(parse_tree({**result["case"], "expect": {}}).market, *at)


def _steps(axes: Axes, found: Ladder) -> None:
    """The bars of the way, each from where the last ended."""
    assert found.shares is not None
    rows = len(found.shares) + 2
    names = ["Today's market", *(SAID[name] for name in found.shares), "The planner's levels"]
    at = found.start
    ends = [found.start]
    for n, (name, share) in enumerate(found.shares.items(), 1):
        colour = SERIES[0] if share >= 0 else SERIES[1]
        bar = axes.barh(
            n,
            share,
            left=at,
            height=0.62,
            color=colour if share >= 0 else "white",
            edgecolor=colour,
            hatch="" if share >= 0 else "\\\\\\\\\\",
            linewidth=0.8,
        )
        bar.patches[0].set_gid(f"channel-{name.replace(' ', '_')}")
        axes.plot([at, at], [n - 1, n], color=FAINT, linewidth=0.6)
        at += share
        ends.append(at)
        _say(axes, max(at, at - share), n, figures.number(share, DIGITS, signed=True))
    axes.plot([at, at], [rows - 2, rows - 1], color=FAINT, linewidth=0.6)
    axes.plot(
        [found.start, found.goal],
        [rows - 1, rows - 1],
        color=INK,
        linewidth=5,
        solid_capstyle="butt",
        gid="goal-welfare",
    )
    axes.plot(found.start, 0, marker="o", color=INK, markersize=5)
    gain = figures.number(found.goal - found.start, DIGITS, signed=True)
    _say(axes, found.start, 0, figures.number(found.start, DIGITS))
    _say(
        axes,
        max(found.goal, found.start),
        rows - 1,
        f"{figures.number(found.goal, DIGITS)} ({gain})",
    )
    span = (max(ends) - min(ends)) or abs(found.start)
    axes.set_xlim(min(ends) - 0.04 * span, max(ends) + 0.42 * span)
    axes.axvline(found.start, color=RULE, linewidth=0.8, zorder=0)
    row_axes(axes, names)


def _say(axes: Axes, x: float, row: int, text: str) -> None:
    axes.annotate(
        text.replace("-", "−"),
        (x, row),
        (4, 0),
        textcoords="offset points",
        va="center",
        fontsize=SIZE - 1.5,
    )


def _margins(found: Ladder, firms: tuple[str, str]) -> list[tuple[str, str, float, float]]:
    """Per firm and level what it does to own profit, directly and by the rival's price."""
    e = found.effects
    kinds: dict[str, tuple[Array, Array]] = {
        "sharing": (e.direct_sharing, e.strategic_sharing),
        "investment": (e.direct_investment, e.strategic_investment),
    }
    return [
        (opening(firm), level, float(direct[i]), float(strategic[i]))
        for level, (direct, strategic) in kinds.items()
        for i, firm in enumerate(firms)
    ]


def _effects(axes: Axes, found: Ladder, firms: tuple[str, str]) -> None:
    """(7) and (8): a pair of bars per firm and level."""
    rows = _margins(found, firms)
    names = []
    for n, (firm, level, direct, strategic) in enumerate(rows):
        for k, (what, value) in enumerate((("direct", direct), ("strategic", strategic))):
            bar = axes.barh(
                n - 0.18 + 0.36 * k,
                value,
                height=0.3,
                color=SERIES[0] if k else "white",
                edgecolor=SERIES[0],
                hatch=None if k else "////",
                linewidth=0.7,
            )
            bar.patches[0].set_gid(f"{what}-{level}-{1 + n % 2}")
            axes.annotate(
                f"{what} {figures.number(value, 3, signed=True)}".replace("-", "−"),
                (value, n - 0.18 + 0.36 * k),
                (3 if value >= 0 else -3, 0),
                textcoords="offset points",
                va="center",
                ha="left" if value >= 0 else "right",
                fontsize=SIZE - 2.5,
            )
        names.append(f"{short(firm, 24, 1)}, {level}")
    widest = float(np.abs([row[2:] for row in rows]).max()) or 1.0
    axes.set_xlim(-1.6 * widest, 1.6 * widest)
    axes.axvline(0, color=INK, linewidth=0.6)
    row_axes(axes, names)
