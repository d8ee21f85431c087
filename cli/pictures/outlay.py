"""Welfare against what the public pays, over policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.pages import figures
from cli.pages.words import NO_CHANGE, Scale, firms_of, words_for
from cli.pictures.canvas import (
    DASHES,
    FAINT,
    INK,
    RULE,
    SERIES,
    SIZE,
    STAR,
    Drawn,
    apart,
    aside,
    new_figure,
    short,
)
from cli.pictures.table import NoPicture
from market.text import visible
from mechanism.casefile.policies import today
from mechanism.report.plain import Tree

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DIGITS = 4
"""Significant digits of figures beside what is drawn."""


def welfare_outlay(result: Tree) -> Drawn:
    """A mark per policy, of `evaluate`: what welfare gains and what the public pays when everybody
    takes part. Policies that come to the same share a mark.

    Ids: `policy-KEY` of every mark.
    """
    scale, told = Scale([result], DIGITS), result["recommendation"]
    now = today(result["case"]["types"] is not None)
    rows = [row for row in result["comparison"] if row["policy"] != "vcg_reported"]
    base = next(row for row in rows if row["policy"] == now)
    if base["welfare"] is None:
        raise NoPicture(f"today's market has no figures here ({base['status']})")
    zero = NO_CHANGE * abs(base["welfare"])
    points = _marks(rows, base["welfare"], zero)
    lacking = [row for row in rows if row["welfare"] is None]
    labels = {
        at: "; ".join(
            (STAR if row["policy"] == told["policy"] else "") + _name(row, scale.firms)
            for row in group
        )
        for at, group in points.items()
    }
    lines = sum(1 + short(label, 42, 4).count("\n") for label in labels.values())
    text = "When everybody takes part. Filled: can be recommended; open: cannot."
    text += f" {STAR}recommended." if told["policy"] else ""
    if lacking:
        some = ", ".join(
            f"{_name(row, scale.firms)} ({row['status'].replace('_', ' ')})" for row in lacking
        )
        text += f" Without figures: {some}."
    content = max(3.2, 0.9 + 0.17 * lines + 0.16 * len(labels))
    figure, axes_at = new_figure(content, f"Welfare against outlay: {result['case']['name']}", text)
    axes = axes_at(0.75, 0.5, 5.0, content - 0.85)
    unit = f", {scale.money}" if scale.money else ""
    axes.set_xlabel(short(f"What the public pays net of tax{unit}", 70, 1), loc="left")
    axes.set_title(short(f"Welfare, change against today{unit}", 70, 1))
    axes.margins(0.08)
    axes.axhline(0, color=RULE, linewidth=0.8, zorder=0)
    axes.axvline(0, color=RULE, linewidth=0.8, zorder=0)
    if all(abs(at[0]) <= zero for at in points):
        axes.set_xlim(-1, 1)
        axes.set_xticks([0])
    for at, group in points.items():
        best = any(row["policy"] == told["policy"] for row in group)
        able = any(row["competes"] for row in group)
        for row in group:
            axes.plot(
                *at,
                marker="*" if best else "o",
                markersize=12 if best else 7,
                markerfacecolor=SERIES[0] if able else "white",
                markeredgecolor=SERIES[0],
                linestyle="none",
                zorder=5 if best else 3,
                gid=f"policy-{row['policy']}",
            )
    _beside(axes, content - 0.85, labels, points, told["policy"])
    words = [f"Welfare, change against today's market, and what the public pays{unit}."]
    for at, group in points.items():
        more = " (recommended)" if any(row["policy"] == told["policy"] for row in group) else ""
        welfare, paid = (figures.number(v, DIGITS, zero=zero) for v in (at[1], at[0]))
        words.append(f"{labels[at].replace(STAR, '')}{more}: welfare {welfare}, outlay {paid}.")
    words += [f"{row['policy']}: no figures ({row['status']})." for row in lacking]
    return Drawn(
        figure=figure,
        title=f"Welfare against outlay: {figures.plain(result['case']['name'])}",
        alternative="\n".join(words),
    )


def _marks(rows: list[Tree], now: float, zero: float) -> dict[tuple[float, float], list[Tree]]:
    """The policies that have figures by what the public pays and what welfare gains on `now`; those
    that differ by no more than `zero` in both together."""
    points: dict[tuple[float, float], list[Tree]] = {}
    for row in rows:
        if row["welfare"] is None:
            continue
        paid = row["outlay_joined"] if row["outlay_joined"] is not None else row["public_outlay"]
        at = (float(paid or 0.0), float(row["welfare"] - now))
        same = next(
            (p for p in points if abs(p[0] - at[0]) <= zero and abs(p[1] - at[1]) <= zero), at
        )
        points.setdefault(same, []).append(row)
    return points


def _name(row: Tree, firms: tuple[str, str]) -> str:
    return words_for(row["policy"], firms) or str(row["policy"])


def frontier(result: Tree) -> Drawn:
    """A line per policy along one key, of `what-if --vary`: what the public pays and the welfare
    that it has for it when everybody takes part. Over the cost of public funds that of
    `second_best` is the frontier of what can be attained.

    Ids: `frontier-POLICY` of the lines, a point a value of the key in their order.
    """
    if len(result.get("vary", ())) != 1:
        raise NoPicture("it is drawn along one key; give one --vary KEY=LO:HI:N")
    key, policies = result["vary"][0]["key"], result["policies"]
    firms, unit = firms_of(result["case"]), (result["case"].get("units") or {}).get("money")
    lines = {}
    for n, policy in enumerate(policies):
        rows = [
            row
            for row in result["rows"][n :: len(policies)]
            if row["welfare"] is not None and row["outlay_joined"] is not None
        ]
        if rows:
            lines[policy] = [(row["outlay_joined"], row["welfare"], row[key]) for row in rows]
    if not lines:
        raise NoPicture("no policy that is followed has figures anywhere along it")
    lacking = [words_for(policy, firms) or policy for policy in policies if policy not in lines]
    text = f"When everybody takes part, as {key} runs; figures beside the ends: its values."
    text += f" Without figures: {', '.join(lacking)}." if lacking else ""
    content = 4.2
    figure, axes_at = new_figure(content, f"Welfare and outlay: {result['case']['name']}", text)
    axes = axes_at(0.75, 0.5, 5.4, content - 0.85)
    money = f", {unit}" if unit else ""
    axes.set_xlabel(short(f"What the public pays net of tax{money}", 70, 1), loc="left")
    axes.set_title(short(f"Welfare{money}", 70, 1))
    words = [f"Outlay and welfare{money}, along {key}."]
    for n, (policy, line) in enumerate(lines.items()):
        look = {"color": SERIES[n % len(SERIES)], "linestyle": DASHES[n % len(DASHES)]}
        x, y, at = zip(*line, strict=True)
        axes.plot(x, y, marker=".", gid=f"frontier-{policy}", **look)
        name = words_for(policy, firms) or policy
        words.append(
            f"{name}: outlay {figures.number(x[0], DIGITS)} and welfare"
            f" {figures.number(y[0], DIGITS)} at {at[0]:g}, {figures.number(x[-1], DIGITS)} and"
            f" {figures.number(y[-1], DIGITS)} at {at[-1]:g}."
        )
    axes.margins(0.1)
    axes.autoscale_view()
    low, high = axes.get_ylim()
    per_inch = (high - low) / (content - 0.85)
    names = [short(words_for(policy, firms) or policy, 34) for policy in lines]
    sizes = [(0.06 + 0.15 * (1 + name.count("\n"))) * per_inch for name in names]
    ends = [line[-1] for line in lines.values()]
    places = apart([end[1] for end in ends], sizes, low, high)
    for n, (name, line, place) in enumerate(zip(names, lines.values(), places, strict=True)):
        aside(axes, name, line[-1][:2], (1.03, place), color=SERIES[n % len(SERIES)])
        spread = max(abs(line[0][k] - line[-1][k]) for k in (0, 1))
        if spread > 0.05 * (high - low):
            for x, welfare, value in (line[0], line[-1]):
                axes.annotate(
                    figures.number(value, 3),
                    (x, welfare),
                    (-4, 4),
                    textcoords="offset points",
                    ha="right",
                    fontsize=SIZE - 2,
                    color=FAINT,
                )
    return Drawn(
        figure=figure,
        title=f"Welfare and outlay along {visible(key)}: {figures.plain(result['case']['name'])}",
        alternative="\n".join(words),
    )


def _beside(
    axes: Axes,
    inches: float,
    labels: dict[tuple[float, float], str],
    points: dict[tuple[float, float], list[Tree]],
    recommended: str | None,
) -> None:
    """Names right of axes of this height, a line from each to its mark."""
    axes.autoscale_view()
    low, high = axes.get_ylim()
    per_inch = (high - low) / inches
    order = sorted(points, key=lambda at: (at[1], -at[0]))
    texts = [short(labels[at], 42, 4) for at in order]
    sizes = [(0.19 + 0.16 * (1 + text.count("\n"))) * per_inch for text in texts]
    places = apart([at[1] for at in order], sizes, low - 0.3 * per_inch, high + 0.2 * per_inch)
    for at, text, y in zip(order, texts, places, strict=True):
        best = any(row["policy"] == recommended for row in points[at])
        able = any(row["competes"] for row in points[at])
        aside(
            axes,
            text,
            at,
            (1.04, y),
            color=INK if able else FAINT,
            weight="bold" if best else "normal",
        )
