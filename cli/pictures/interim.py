"""What firms of every type have of the mechanism, beside staying out and beside a lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.pages import figures
from cli.pages.words import Scale, all_rules, words_for
from cli.pictures.canvas import (
    FAINT,
    INK,
    SERIES,
    SIZE,
    WIDTH,
    Drawn,
    new_figure,
    short,
)
from cli.pictures.table import NoPicture
from market.text import opening
from mechanism.casefile.types import PRIVATE
from mechanism.report.plain import Tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

DIGITS = 4
"""Significant digits of figures beside what is drawn."""
HIGH = 1.55
"""Inches of a panel."""
GAINS = 1e-7
"""Share of the payoffs' range from which a lie gains something."""


def interim(result: Tree) -> Drawn:
    """Per tax rule a panel for each firm and one of a lie, of `evaluate` at a case with private
    types: the interim payoff of every type that tells the truth, its outside option, what its best
    report would earn, and what one type would earn by each report.

    Ids: `payoff-RULE-FIRM`, `outside-RULE-FIRM` of the lines, `lie-RULE-FIRM` of the marks of types
    that gain by a lie, `reports-RULE` of the last panel.
    """
    if result["case"]["types"] is None or result["mechanism"]["reported"] is None:
        raise NoPicture("nothing is private, or the case's own tax rule has no figures")
    scale, rules = Scale([result], DIGITS), all_rules(result["mechanism"])
    lacking = [
        key for key, rule in (result["mechanism"]["alternatives"] or {}).items() if rule is None
    ]
    what = PRIVATE[result["case"]["types"]["parameter"]].label
    below = (
        f"Expected payoff{f', {scale.money}' if scale.money else ''}. Solid: of a type that tells"
        " the truth, as the rule stands; dashed: without the mechanism; ▲: what its best report"
        " would earn, where a lie gains. Right: one type by what it reports."
    )
    if lacking:
        below += f" No figures: {', '.join(lacking)}."
    step = HIGH + 0.82
    figure, axes_at = new_figure(
        step * len(rules) + 0.15,
        f"Would firms join and tell the truth: {result['case']['name']}",
        below,
    )
    wide = (WIDTH - 0.75 - 0.1) / 3
    words = [f"Interim payoffs by type ({what}){f', {scale.money}' if scale.money else ''}."]
    for n, rule in enumerate(rules):
        bottom = step * (len(rules) - 1 - n) + 0.5
        panels = [axes_at(0.75 + k * wide, bottom, wide - 0.5, HIGH) for k in range(3)]
        both = [
            value
            for row in rule["interim"]
            for value in (row["payoff"], row["payoff"] + row["gain"], row["outside"])
            if value is not None
        ]
        room = 0.08 * ((max(both) - min(both)) or abs(max(both)) or 1.0)
        for firm in (1, 2):
            rows = [row for row in rule["interim"] if row["firm"] == firm]
            _firm(panels[firm - 1], rule["tax_rule"], firm, rows, max(both) - min(both))
            panels[firm - 1].set_ylim(min(both) - room, max(both) + room)
            name = short(opening(scale.firms[firm - 1]), 30, 1)
            panels[firm - 1].text(
                0.0,
                1.02,
                name,
                transform=panels[firm - 1].transAxes,
                fontsize=SIZE - 1,
                color=FAINT,
            )
            words.append(_of_firm(rule["tax_rule"], name, rows))
        label = words_for(rule["tax_rule"], scale.firms) or rule["tax_rule"]
        panels[0].set_title(short(label, 100, 1), weight="bold", y=1.1)
        _lie(panels[2], rule, scale.firms)
        words.append(_of_lie(rule))
        for axes in panels:
            axes.tick_params(labelsize=SIZE - 2)
            axes.set_xlabel("report" if axes is panels[2] else what, fontsize=SIZE - 1.5)
    words += [f"{key}: no figures." for key in lacking]
    return Drawn(
        figure=figure,
        title=f"Interim payoffs against outside options: {figures.plain(result['case']['name'])}",
        alternative="\n".join(words),
    )


def _firm(axes: Axes, rule: str, firm: int, rows: Sequence[Tree], spread: float) -> None:
    """One firm's types under one rule."""
    x = [row["type"] for row in rows]
    payoff = [row["payoff"] for row in rows]
    axes.plot(
        x,
        payoff,
        color=SERIES[0],
        marker="o",
        markersize=3,
        linewidth=1.4,
        gid=f"payoff-{rule}-{firm}",
    )
    if all(row["outside"] is not None for row in rows):
        axes.plot(
            x,
            [row["outside"] for row in rows],
            color=SERIES[1],
            linestyle=(0, (5, 2)),
            linewidth=1.4,
            gid=f"outside-{rule}-{firm}",
        )
    lies = [row for row in rows if row["gain"] > GAINS * spread]
    if lies:
        axes.vlines(
            [row["type"] for row in lies],
            [row["payoff"] for row in lies],
            [row["payoff"] + row["gain"] for row in lies],
            color=FAINT,
            linewidth=0.6,
        )
        axes.plot(
            [row["type"] for row in lies],
            [row["payoff"] + row["gain"] for row in lies],
            linestyle="none",
            marker="^",
            markersize=4,
            markerfacecolor="white",
            markeredgecolor=INK,
            gid=f"lie-{rule}-{firm}",
        )


def _lie(axes: Axes, rule: Tree, firms: tuple[str, str]) -> None:
    """What one type would earn by each report."""
    told = rule["evidence"]
    if told is None:
        axes.set_axis_off()
        return
    x = [row["report"] for row in told["reports"]]
    y = [row["payoff"] for row in told["reports"]]
    axes.plot(
        x,
        y,
        color=SERIES[2],
        marker="s",
        markersize=3.5,
        linewidth=1.2,
        gid=f"reports-{rule['tax_rule']}",
    )
    for row in told["reports"]:
        if row["truth"]:
            axes.plot(row["report"], row["payoff"], marker="*", markersize=11, color=INK)
            axes.annotate(
                "truth",
                (row["report"], row["payoff"]),
                (0, 6),
                textcoords="offset points",
                ha="center",
                fontsize=SIZE - 2,
            )
    axes.margins(0.12, 0.3)
    name = short(opening(firms[told["firm"] - 1]), 18, 1)
    axes.text(
        0.0,
        1.02,
        f"{name}, type {told['type']:.4g}",
        transform=axes.transAxes,
        fontsize=SIZE - 1,
        color=FAINT,
    )


def _of_firm(rule: str, name: str, rows: Sequence[Tree]) -> str:
    """A firm's panel in words."""
    said = [
        f"type {row['type']:.4g} has {figures.number(row['payoff'], DIGITS)} against"
        f" {figures.number(row['outside'], DIGITS)}, best report {row['best_report']:.4g} gains"
        f" {figures.number(row['gain'], 3)}"
        for row in (rows[0], rows[len(rows) // 2], rows[-1])
    ]
    return f"{rule}, {name}: {'; '.join(said)}."


def _of_lie(rule: Tree) -> str:
    """The last panel in words."""
    told = rule["evidence"]
    if told is None:
        return f"{rule['tax_rule']}: nothing is told of reports."
    said = (
        f"reporting {row['report']:.4g}{' (the truth)' * row['truth']} earns"
        f" {figures.number(row['payoff'], DIGITS)}"
        for row in told["reports"]
    )
    return f"{rule['tax_rule']}, firm {told['firm']} of type {told['type']:.4g}: {'; '.join(said)}."
