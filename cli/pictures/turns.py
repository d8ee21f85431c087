"""What the choice or a figure turns on among what is not known exactly: tornado, Sobol, Morris."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from cli.pages import figures
from cli.pages.sensitivity import index, never_moves, unreliable
from cli.pictures.canvas import (
    FAINT,
    INK,
    SERIES,
    SIZE,
    WIDTH,
    Drawn,
    new_figure,
    row_axes,
    short,
)
from cli.pictures.table import NoPicture
from market.text import visible
from mechanism.report.plain import Tree

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DIGITS = 4
"""Significant digits of figures beside what is drawn."""
NOTHING = 1e-6
"""A share of the variance up to which it is rounding."""
PER_ROW = 0.4
"""Inches of a row."""
LEFT = 2.6
"""Inches for keys."""


def sensitivity(result: Tree) -> Drawn:
    """A row per key, what matters most first, a block per figure, of `sensitivity`.

    Ids: `low-FIGURE-KEY` and `high-FIGURE-KEY` of a tornado's bars, which begin at the figure of
    the case; `first-` and `total-` of Sobol's, `size-` of Morris's.
    """
    method, told = result["method"], result["figures"]
    draw, said, worth = _METHODS[method]
    blocks = {
        name: dict(sorted(one["keys"].items(), key=lambda item: -worth(item[1], one["value"])))
        for name, one in told.items()
    }
    if not any(
        worth(one, told[name]["value"]) >= 0 for name, b in blocks.items() for one in b.values()
    ):
        raise NoPicture("no figure has an outcome")
    lost = result["without_outcome"]
    below = " ".join(
        [
            _BELOW[method],
            *([f"{lost:,} of {result['markets']:,} markets have no outcome."] if lost else []),
            *(f"{_short_name(name)}: {text}" for name, text in _beside(result).items()),
        ]
    )
    blocks = {name: keys for name, keys in blocks.items() if not never_moves(told[name])}
    if not blocks:
        raise NoPicture(f"no figure moves at any end: {below}")
    high = sum(PER_ROW * len(keys) + 0.7 for keys in blocks.values())
    figure, axes_at = new_figure(
        high + 0.05, f"What it turns on ({method}): {result['case']['name']}", below
    )
    unit = (result["case"].get("units") or {}).get("money")
    words = [below]
    for name, keys in blocks.items():
        high -= PER_ROW * len(keys) + 0.7
        axes = axes_at(LEFT, high + 0.35, WIDTH - LEFT - 0.15, PER_ROW * len(keys))
        row_axes(axes, [short(key, 40) for key in keys])
        money = f", {short(unit, 30, 1)}" if unit and name != "choice" and method != "sobol" else ""
        base = told[name]["value"]
        axes.set_title(
            f"{_NAMES.get(name, visible(name))}{money}"
            + (
                f": {figures.number(base, DIGITS)} at the case's own numbers"
                if base is not None
                else ": no outcome at the case's own numbers"
            )
        )
        words.append(f"{name}{money}, {figures.number(base, DIGITS)} at the case's own numbers:")
        for row, (key, one) in enumerate(keys.items()):
            if worth(one, base) < 0:
                axes.text(
                    0.01,
                    row,
                    "no outcome",
                    transform=axes.get_yaxis_transform(),
                    va="center",
                    color=FAINT,
                    fontsize="small",
                )
                words.append(f"{key}: no outcome.")
                continue
            draw(axes, row, f"{name}-{key}", one, base)
            words.append(f"{key}: {said(one)}.")
        axes.use_sticky_edges = False
        axes.autoscale_view()
        left, right = axes.get_xlim()
        room = right - left
        before = 0.12 if method == "tornado" else 0.0
        axes.set_xlim(left - before * room, right + (0.12 if before else 0.3) * room)
        if method != "tornado":
            axes.axvline(0, color=INK, linewidth=0.6)
    return Drawn(
        figure=figure,
        title=f"What it turns on, {method}: {figures.plain(result['case']['name'])}",
        alternative="\n".join(words),
    )


def _beside(result: Tree) -> dict[str, str]:
    """By figure, what is said where a panel would mislead, or does not stand."""
    found = result["figures"].items()
    flat = {name: text for name, one in found if (text := never_moves(one))}
    doubtful = {
        name: unreliable(one, result["markets"]) for name, one in found if one["reliable"] is False
    }
    return doubtful | flat


def _short_name(name: str) -> str:
    return _NAMES.get(name, visible(name)).partition(" (")[0]


def _label(axes: Axes, x: float, y: float, text: str, right: bool) -> None:
    axes.annotate(
        text.replace("-", "−"),
        (x, y),
        (3 if right else -3, 0),
        textcoords="offset points",
        va="center",
        ha="left" if right else "right",
        fontsize=SIZE - 2,
    )


def _swing(axes: Axes, row: int, name: str, one: Tree, base: float | None) -> None:
    """Both ends of a key, from the figure of the case."""
    for side, colour, hatch in (("low", SERIES[1], "////"), ("high", SERIES[0], None)):
        value = one[f"at_{side}"]
        if base is None:
            continue
        y = row + (-0.15 if side == "low" else 0.15)
        if value is None:
            _label(axes, base, y, f"no outcome at {figures.number(one[side], 3)}", True)
            continue
        bar = axes.barh(
            y,
            value - base,
            left=base,
            height=0.28,
            color="white" if hatch else colour,
            edgecolor=colour,
            hatch=hatch,
            linewidth=0.8,
        )
        bar.patches[0].set_gid(f"{side}-{name}")
        _label(axes, value, y, figures.number(one[side], 3), value >= base)
    if base is not None:
        axes.axvline(base, color=INK, linewidth=0.7)


def _indices(axes: Axes, row: int, name: str, one: Tree, base: float | None) -> None:
    """First and total index with their intervals."""
    for k, (part, colour) in enumerate((("first", "white"), ("total", SERIES[0]))):
        if one[part] is None:
            continue
        y = row - 0.19 + 0.38 * k
        bar = axes.barh(
            y,
            one[part],
            height=0.32,
            color=colour,
            edgecolor=SERIES[0],
            linewidth=0.8,
            hatch=None if k else "////",
        )
        bar.patches[0].set_gid(f"{part}-{name}")
        axes.plot([one[f"{part}_low"], one[f"{part}_high"]], [y, y], color=INK, linewidth=0.9)
        text = f"{part} {figures.number(one[part], 3, zero=NOTHING)}"
        _label(axes, max(one[f"{part}_high"], one[part]), y, text, True)


def _effect(axes: Axes, row: int, name: str, one: Tree, base: float | None) -> None:
    """The mean size of an effect with its interval."""
    bar = axes.barh(row, one["size"], height=0.55, color=SERIES[0], linewidth=0)
    bar.patches[0].set_gid(f"size-{name}")
    axes.plot([one["size_low"], one["size_high"]], [row, row], color=INK, linewidth=0.9)
    text = f"{figures.number(one['size'], 3)}, with sign {figures.number(one['mean'], 3)}"
    _label(axes, max(one["size_high"], one["size"]), row, text, True)


def _swing_said(one: Tree) -> str:
    return ", ".join(
        f"at {figures.number(one[end], DIGITS)}"
        + (
            " there is no outcome"
            if one[f"at_{end}"] is None
            else f" the figure is {figures.number(one[f'at_{end}'], DIGITS)}"
        )
        for end in ("low", "high")
    )


def _indices_said(one: Tree) -> str:
    parts = (
        f"{part} {figures.number(one[part], 3, zero=NOTHING)}"
        f" ({figures.number(one[f'{part}_low'], 3, zero=NOTHING)} to"
        f" {figures.number(one[f'{part}_high'], 3, zero=NOTHING)})"
        for part in ("first", "total")
        if one[part] is not None
    )
    return ", ".join(parts)


def _effect_said(one: Tree) -> str:
    return (
        f"size {figures.number(one['size'], 3)} ({figures.number(one['size_low'], 3)} to"
        f" {figures.number(one['size_high'], 3)}), with sign {figures.number(one['mean'], 3)}"
    )


def _swing_worth(one: Tree, base: float | None) -> float:
    """How far the figure moves; -1 where it has no outcome."""
    if base is None:
        return -1.0
    ends = [abs(v - base) for v in (one["at_low"], one["at_high"]) if v is not None]
    return max(ends, default=-1.0)


def _index_worth(one: Tree, base: float | None) -> float:
    found = index(one)
    return -1.0 if found is None else max(0.0, float(found))


def _effect_worth(one: Tree, base: float | None) -> float:
    return -1.0 if one["size"] is None else float(one["size"])


_NAMES = {"choice": "choice (1: the recommendation stands, 0: another policy wins)"}
"""What a figure is called where its key is not enough."""
Draws = Callable[["Axes", int, str, Tree, float | None], None]
_METHODS: Mapping[
    str, tuple[Draws, Callable[[Tree], str], Callable[[Tree, float | None], float]]
] = {
    "tornado": (_swing, _swing_said, _swing_worth),
    "sobol": (_indices, _indices_said, _index_worth),
    "morris": (_effect, _effect_said, _effect_worth),
}
"""By method: what draws a key, what says it, and how much it matters."""
_BELOW = {
    "tornado": (
        "The figure with one key at its low end (hatched) and its high end (solid), the others at"
        " the case's own; the key's value at the bar's end."
    ),
    "sobol": (
        "Share of the figure's variance that would go if the key were known (first, hatched), and"
        " that would stay if all others were (total, solid): more where keys act together, less"
        " where they are correlated. Lines: 90 % intervals."
    ),
    "morris": (
        "What the figure does as the key runs from its 5th to its 95th percentile, in the mean of"
        " sizes; lines: 90 % intervals."
    ),
}
"""By method: how to read it."""
