"""Maps of what is recommended: over two keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cli.pages import figures
from cli.pages.words import firms_of, words_for
from cli.pictures.canvas import (
    FAINT,
    FILLS,
    HATCHES,
    INK,
    SIZE,
    Drawn,
    areas,
    box,
    new_figure,
    short,
)
from cli.pictures.table import NoPicture
from market.text import visible
from mechanism.casefile.policy_case import parse_tree
from mechanism.report.plain import Tree

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from market.model.case import Array

NO_ADVICE, NO_CASE = "no advice", "no admissible case"
"""What is said where nothing is recommended, and where there is no market at all."""
STANDARDS = (26, 21)
"""Costs of public funds and weights of profits of the map of standards."""
HIGH, WIDE = 4.2, 5.4
"""Inches of the map."""
LEAST = 0.05
"""Share of the map from which a region is labelled in it."""


def map_of_keys(result: Tree) -> Drawn:
    """What is recommended over two keys, of `what-if` with --vary twice. A cell is a point of the
    grid.

    Ids: `winner-POLICY` of its cells, `winner-none` where there is no advice, `winner-bad_case`
    where the point is no case; a run of cells along the first key is one rectangle.
    """
    if len(result.get("vary", ())) != 2:
        raise NoPicture("it is drawn over two keys; give --vary KEY=LO:HI:N twice")
    first, second = (span["key"] for span in result["vary"])
    counts = [span["count"] for span in result["vary"]]
    x, y = (np.linspace(s["low"], s["high"], s["count"]) for s in result["vary"])
    width = len(result["policies"])
    bad = [row["status"] == "bad_case" for row in result["rows"][::width]]
    keys = [
        "bad_case" if wrong else best["policy"] or "none"
        for best, wrong in zip(result["best"], bad, strict=True)
    ]
    winner = np.array(keys, object).reshape(counts).T  # rows: the second key
    name = result["case"]["name"]
    return winners_map(
        winner,
        x,
        y,
        (visible(first), visible(second)),
        f"Recommended over {first} and {second}: {name}",
        f"One cell a point of the grid, {counts[0]} x {counts[1]}.",
        firms_of(result["case"]),
    )


def standards(result: Tree) -> Drawn:
    """What is recommended over the cost of public funds and the weight of profits, of `evaluate` at
    a case whose types are known; policies designed for the standard are designed anew at each.

    Ids: `winner-POLICY` and `winner-none` as of `map_of_keys`, `own-case` of the case's standard.
    """
    from mechanism.analysis.evaluation import evaluate
    from mechanism.analysis.overturn import MOST_FUNDS_COST, winners_at

    if result["case"]["types"] is not None:
        raise NoPicture(
            "types are private, and what is designed for a standard is not designed anew at every"
            " point of a map; `pigou evaluate --switches` tells who wins along both numbers"
        )
    own = result["case"]["mechanism"]
    top = max(MOST_FUNDS_COST, 2 * own["public_funds_cost"])
    x, y = np.linspace(0.0, top, STANDARDS[0]), np.linspace(0.0, 1.0, STANDARDS[1])
    funds, weight = np.meshgrid(x, y)
    found = evaluate(parse_tree({**result["case"], "expect": {}}))
    winner = winners_at(found, funds.ravel(), weight.ravel())
    return winners_map(
        np.where(winner == "", "none", winner).reshape(funds.shape),
        x,
        y,
        ("Cost of public funds beyond their face value", "Weight of firms' profits"),
        f"Recommended by standard: {result['case']['name']}",
        "What is recommended when public money costs more and profits count less; ★ the case's own"
        " standard. Policies designed for the standard are designed anew at each.",
        firms_of(result["case"]),
        (own["public_funds_cost"], own["profit_weight"]),
    )


def winners_map(
    winner: NDArray[np.object_],
    x: Array,
    y: Array,
    axes_names: tuple[str, str],
    title: str,
    below: str,
    firms: tuple[str, str],
    own: tuple[float, float] | None = None,
) -> Drawn:
    """A map of who wins (len(y), len(x)) at evenly spaced values."""
    listed, counts = np.unique(winner.astype(str), return_counts=True)
    order = sorted(range(len(listed)), key=lambda n: (listed[n] in SPECIAL, -counts[n], listed[n]))
    figure, axes_at = new_figure(HIGH + 0.85, title, below)
    axes = axes_at(0.8, 0.52, WIDE, HIGH)
    dx, dy = (float(v[1] - v[0]) if len(v) > 1 else 1.0 for v in (x, y))
    axes.set_xlim(x[0] - dx / 2, x[-1] + dx / 2)
    axes.set_ylim(y[0] - dy / 2, y[-1] + dy / 2)
    axes.set_xlabel(short(axes_names[0], 70, 1), loc="left")
    axes.set_title(short(axes_names[1], 70, 1))
    words = [
        f"{axes_names[0]} from {x[0]:g} to {x[-1]:g}, {axes_names[1]} from {y[0]:g} to {y[-1]:g}."
    ]
    for place, n in enumerate(order):
        policy = str(listed[n])
        label = SPECIAL.get(policy) or words_for(policy, firms) or policy
        face, hatch = _look(policy, place)
        where = winner == policy
        areas(
            axes,
            _runs(where, x, y, dx, dy),
            facecolor=face,
            edgecolor="#00000055" if hatch else "none",
            hatch=hatch,
            linewidth=0,
            gid=f"winner-{policy}",
        )
        share = counts[n] / winner.size
        _legend(axes, place, label, face, hatch, share)
        row, column = _middle(where)
        letters = int(_room(where[row], column) / len(x) * WIDE / 0.09)
        if share >= LEAST and letters >= min(12, len(label)):
            axes.text(
                x[column],
                y[row],
                short(label, min(24, letters), 3),
                ha="center",
                va="center",
                fontsize=SIZE - 1,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.9},
            )
        words.append(
            f"{label}: recommended at {share:.1%} of points."
            if policy not in SPECIAL
            else f"{label}: at {share:.1%} of points."
        )
    if own is not None:
        axes.plot(
            *own,
            marker="*",
            markersize=13,
            color="white",
            markeredgecolor=INK,
            gid="own-case",
            clip_on=False,
        )
    for side in ("top", "right"):
        axes.spines[side].set_visible(True)
    return Drawn(figure=figure, title=visible(title), alternative="\n".join(words))


SPECIAL = {"none": NO_ADVICE, "bad_case": NO_CASE}
"""What is no policy, in words."""


def _look(policy: str, place: int) -> tuple[str, str | None]:
    """The colour and the hatch of a region."""
    if policy == "none":
        return "white", "xxx"
    if policy == "bad_case":
        return "#9a9a9a", None
    return FILLS[place % len(FILLS)], HATCHES[place % len(HATCHES)]


def _runs(
    where: NDArray[np.bool_], x: Array, y: Array, dx: float, dy: float
) -> list[list[tuple[float, float]]]:
    """The cells as rectangles, neighbours in a row as one."""
    out = []
    for row, line in enumerate(where):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], line, [False]]).astype(int)))
        low, high = float(y[row]) - dy / 2, float(y[row]) + dy / 2
        for start, stop in edges.reshape(-1, 2):
            left, right = float(x[start]) - dx / 2, float(x[stop - 1]) + dx / 2
            out.append([(left, low), (right, low), (right, high), (left, high)])
    return out


def _middle(where: NDArray[np.bool_]) -> tuple[int, int]:
    """The cell of a region that is farthest from its edge, row and column."""
    from scipy.ndimage import distance_transform_edt

    depth = distance_transform_edt(np.pad(where, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(row), int(column)


def _room(row: NDArray[np.bool_], column: int) -> int:
    """Cells of a row that a label in the middle of a column may cover: twice those to the nearer
    end of its run."""
    outside = np.flatnonzero(~row)
    before = column - max((k for k in outside if k < column), default=-1)
    after = min((k for k in outside if k > column), default=len(row)) - column
    return 2 * int(min(before, after)) - 1


def _legend(axes: Axes, place: int, label: str, face: str, hatch: str | None, share: float) -> None:
    """One region, right of the map."""
    top = 1 - 0.115 * place
    look = {"facecolor": face, "hatch": hatch, "edgecolor": "#00000088", "linewidth": 0.6}
    box(axes, 1.03, top - 0.07, 0.055, 0.06, transform=axes.transAxes, clip_on=False, **look)
    axes.text(
        1.1,
        top - 0.04,
        f"{short(label, 34)}\n{figures.percent(share)} of points",
        transform=axes.transAxes,
        va="center",
        fontsize=SIZE - 1,
        color=FAINT if face in ("white", "#9a9a9a") else INK,
    )
