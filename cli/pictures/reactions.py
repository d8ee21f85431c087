"""Reaction curves in investments, with today's equilibrium and all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cli.pages import figures
from cli.pages.words import Scale
from cli.pictures.canvas import (
    INK,
    LEADER,
    RULE,
    SERIES,
    SIZE,
    Drawn,
    apart,
    aside,
    new_figure,
    short,
)
from cli.pictures.table import NoPicture
from market.model.outcome import SOLVED
from market.model.sharing import sharing_settles
from market.regimes.reactions import reaction_curve
from market.text import opening
from mechanism.casefile.policies import GOAL, TODAY
from mechanism.casefile.policy_case import parse_tree
from mechanism.report.plain import Tree

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from market.model.case import Array, Case

DIGITS = 4
"""Significant digits of figures beside what is drawn."""
POINTS = 161
"""Of a curve."""
BEYOND = 1.6
"""How far the axes reach beyond the largest investment of an equilibrium."""
STEEP = 0.02
"""Share of the axes by which a reply moves between two points where others are put between."""
NARROW = 1e-5
"""Share of the axes below which points are not put closer to each other."""
ROUNDS = 20
"""Times that points are put between others."""
MOST_NAMED = 6
"""Equilibria that are named beside the axes; all are in the words."""
JUMP = 0.05
"""Share of the axes by which a reply has jumped that moves so far between close points."""
CURVES = ((SERIES[0], "solid"), (SERIES[1], (0, (5, 2))))
"""Colour and dashes of each firm's reply."""


Named = tuple[str, Sequence[float], dict[str, Any]]
"""A text beside the axes, the point it is of, and how it looks."""


def reactions(result: Tree) -> Drawn:
    """Both firms' reaction curves at the case's own numbers, of `evaluate`: own investment that is
    best against the rival's, sharing best on both sides.

    Ids: `reply-1` and `reply-2` of the curves (a gap where a reply jumps or has no limit),
    `today-1` of today's equilibrium, `other-N` of the others in their order, `goal-1` of the
    planner's levels where they fit.
    """
    market = parse_tree({**result["case"], "expect": {}}).market
    if not sharing_settles(market.flat()).all():
        raise NoPicture(
            "leakage differs so much between firms that sharing does not follow from what is"
            " invested: no curve in investments tells of both"
        )
    scale, now = Scale([result], DIGITS), result["regimes"][TODAY]
    solved = now["status"] in SOLVED
    others = now["certificate"]["others"]
    spots = ([now["investment"]] if solved else []) + [one["investment"] for one in others]
    top = _reach(market, spots)
    unit = f", {short(scale.quantity, 30, 1)}" if scale.quantity else ""
    first, second = (short(opening(firm), 40, 1) for firm in scale.firms)
    told = (
        "Each curve: the investment that is best for a firm against its rival's, both sharing what"
        " is then best for them. Where the curves meet nobody gains by moving alone."
    )
    if not solved:
        told += f" Today's market has no figures: {now['status'].replace('_', ' ')}."
    figure, axes_at = new_figure(4.9, f"Reaction curves: {result['case']['name']}", told)
    axes = axes_at(0.75, 0.52, 4.1, 4.1)
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    axes.set_xlabel(f"Investment of {first}{unit}", loc="left")
    axes.set_title(f"Investment of {second}{unit}")
    axes.plot([0, top], [0, top], color=RULE, linewidth=0.6, zorder=0)
    words, named = [f"Investments{unit}."], []
    for firm, name in enumerate((first, second)):
        said, at_end = _reply(axes, market, firm, name, top)
        words += said
        named += at_end
    points = [("Today", "today-1", now)] if solved else []
    points += [("Another equilibrium", f"other-{n}", one) for n, one in enumerate(others, 1)]
    equilibria = [_equilibrium(axes, *point) for point in points]
    named += equilibria[:MOST_NAMED]
    words += [text.replace("\n", " ") + "." for text, *_ in equilibria]
    if result["regimes"][GOAL]["status"] in SOLVED:
        words.append(_planner(axes, result["regimes"][GOAL]["investment"], top) + ".")
    heights = apart(
        [spot[1] / top for _, spot, _ in named],
        [0.06 * (1 + text.count("\n")) for text, _, _ in named],
        0.05,
        0.98,
    )
    for (text, spot, look), height in zip(named, heights, strict=True):
        place = {"textcoords": "axes fraction", "fontsize": SIZE - 1}
        aside(axes, text, spot, (1.05, height), **(place | look))
    return Drawn(
        figure=figure,
        title=f"Reaction curves: {figures.plain(result['case']['name'])}",
        alternative="\n".join(words),
    )


def _reach(market: Case, spots: Sequence[Sequence[float]]) -> float:
    """How far the axes reach: beyond every equilibrium, or what firms would do alone, and not far
    beyond the cap; some length where nobody invests."""
    top = BEYOND * max((max(spot) for spot in spots), default=0.0)
    if not top:
        alone = [reaction_curve(market, firm, np.zeros(1))[0, 2 + firm] for firm in (0, 1)]
        top = 2 * float(np.nan_to_num(alone).max()) or 1.0
    cap = float(np.max(market.investment_cap))
    return (min(top, 1.05 * cap) if np.isfinite(cap) else top) or 1.0


def _reply(
    axes: Axes, market: Case, firm: int, name: str, top: float
) -> tuple[list[str], list[Named]]:
    """A firm's curve, in words too, and its name at its end."""
    colour, dash = CURVES[firm]
    grid, own = _curve(market, firm, top)
    broken = np.abs(np.diff(own, prepend=own[0])) > JUMP * top
    at = np.insert(grid, np.flatnonzero(broken), np.nan)
    reply = np.insert(own, np.flatnonzero(broken), np.nan)
    x, y = (reply, at) if firm == 0 else (at, reply)
    axes.plot(x, y, color=colour, linestyle=dash, linewidth=1.6, gid=f"reply-{firm + 1}")
    inside = np.flatnonzero(np.isfinite(x) & np.isfinite(y) & (x <= top) & (y <= top))
    look = {"color": colour, "arrowprops": LEADER | {"shrinkB": 1}}
    named: list[Named] = [(f"reply of {name}", (x[end], y[end]), look) for end in inside[-1:]]
    ends = np.flatnonzero(np.isfinite(own))
    if not len(ends):
        return [], named
    answers = " and ".join(
        f"{figures.number(grid[end], 3)} with {figures.number(own[end], DIGITS)}"
        for end in (ends[0], ends[-1])
    )
    jumps = ", jumping between" if broken.any() else ""
    return [f"{name} answers {answers}{jumps}."], named


def _equilibrium(axes: Axes, said: str, identity: str, point: Tree) -> Named:
    """An equilibrium, marked, with what is told of it."""
    today, spot = said == "Today", point["investment"]
    axes.plot(
        *spot,
        marker="o" if today else "s",
        markersize=8 if today else 6,
        color=INK if today else "white",
        markeredgecolor=INK,
        linestyle="none",
        gid=identity,
        clip_on=False,
    )
    stable = point["certificate"]["stable"] if today else point.get("stable")
    state = {True: ", stable", False: ", unstable", None: ""}[stable]
    return (
        f"{said}{state}\n{_pair(spot)}, welfare {figures.number(point['welfare'], DIGITS)}",
        spot,
        {},
    )


def _planner(axes: Axes, spot: Sequence[float], top: float) -> str:
    """The planner's levels, marked where they fit, and what is told of them."""
    said = f"Planner {_pair(spot)}"
    if max(spot) <= top:
        axes.plot(
            *spot,
            marker="*",
            markersize=12,
            color=SERIES[2],
            markeredgecolor=INK,
            linestyle="none",
            gid="goal-1",
        )
    else:
        said += ", beyond the axes"
    axes.text(1.05, 0.0, said, transform=axes.transAxes, fontsize=SIZE - 1)
    return said


def _pair(spot: Sequence[float]) -> str:
    return f"({figures.number(spot[0], DIGITS)}, {figures.number(spot[1], DIGITS)})"


def _curve(market: Case, firm: int, top: float) -> tuple[Array, Array]:
    """The rival's investments up to `top`, closer to each other where the reply is steep, and the
    replies (NaN where there is none)."""
    rival = np.linspace(0.0, top, POINTS)
    own = reaction_curve(market, firm, rival)[:, 2 + firm]
    for _ in range(ROUNDS):
        with np.errstate(invalid="ignore"):
            far = np.abs(np.diff(own)) > STEEP * top
            inside = np.minimum(own[1:], own[:-1]) <= top
        left = np.flatnonzero(far & inside & (np.diff(rival) > NARROW * top))
        if not len(left):
            break
        between = (rival[left] + rival[left + 1]) / 2
        found = reaction_curve(market, firm, between)[:, 2 + firm]
        rival, own = (np.insert(v, left + 1, w) for v, w in ((rival, between), (own, found)))
    return rival, own
