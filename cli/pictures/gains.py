"""Who gains by policy: a panel for the value, for consumers, for each firm and for the public."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.pages import figures
from cli.pages.words import NO_CHANGE, Scale, changes, money_of, words_for
from cli.pictures.canvas import (
    FAINT,
    INK,
    SERIES,
    STAR,
    WIDTH,
    Drawn,
    new_figure,
    row_axes,
    short,
)
from cli.pictures.table import NoPicture
from market.text import opening
from mechanism.casefile.policies import today
from mechanism.report.plain import Tree

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DIGITS = 4
"""Significant digits of figures beside what is drawn."""
PER_ROW = 0.3
"""Inches of a row."""
NAMES = 2.35
"""Inches for the names of policies."""
LABEL = 0.5
"""Inches for the figure at the end of a bar."""


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What one policy changes against today's market when everybody takes part. Money; None where
    nothing is claimed."""

    policy: str
    label: str
    recommended: bool
    note: str
    """Why it has no figures or cannot be recommended, in short; empty otherwise."""
    changes: tuple[float | None, ...]
    """By panel."""


def who_gains(result: Tree) -> Drawn:
    """A bar per policy and party from no change, of `evaluate`.

    Ids: `PARTY-POLICY` of every bar, the parties being `value`, `consumers`, `firm_1`, `firm_2`,
    `public`.
    """
    scale = Scale([result], DIGITS)
    rows = gains(result)
    names = ("value", "consumers", "firm_1", "firm_2", "public")
    heads = ["Value", "Consumers", *map(opening, scale.firms), "Public money"]
    used = [k for k in range(5) if k < 4 or any(row.changes[4] for row in rows)]
    groups = [[row for row in rows if bool(row.note) == barred] for barred in (False, True)]
    groups = [group for group in groups if group]
    told = result["recommendation"]["policy"]
    below = (
        f"Change against today's market when everybody takes part{money_of(scale)}. Value is what"
        " policies are ranked by; public money is what the public receives, negative what it pays."
        + (f" {STAR}recommended." if told else "")
        + " Hatched: cannot be recommended."
    )
    content = sum(0.62 + PER_ROW * len(group) for group in groups)
    figure, axes_at = new_figure(content + 0.1, f"Who gains: {result['case']['name']}", below)
    widest = [_widest(group) for group in groups]
    alike = max(widest) < 2 * min(widest)
    panels = [(names[k], heads[k], k) for k in used]
    for group in groups:
        _group(axes_at, group, rows if alike else group, panels, content)
        content -= 0.62 + PER_ROW * len(group)
    return Drawn(
        figure=figure,
        title=f"Who gains by policy: {figures.plain(result['case']['name'])}",
        alternative=_told(rows, heads, used, scale),
    )


def gains(result: Tree) -> list[Gain]:
    """The rows of the picture, today's market left out."""
    now = today(result["case"]["types"] is not None)
    told, rows = result["recommendation"]["policy"], result["comparison"]
    base = next(row for row in rows if row["policy"] == now)
    if base["welfare"] is None:
        raise NoPicture(f"today's market has no figures here ({base['status']}): nobody gains")
    firms = Scale([result], DIGITS).firms
    zero = NO_CHANGE * abs(base["welfare"])

    def moved(change: dict[str, float | None]) -> tuple[float | None, ...]:
        paid = change["outlay"]
        parts = {**change, "outlay": None if paid is None else -paid}.values()
        return tuple(0.0 if v is not None and abs(v) <= zero else v for v in parts)

    by_policy = changes(result)
    out = []
    for row in rows:
        if row["policy"] in (now, "vcg_reported"):
            continue
        solved = row["welfare"] is not None
        note = "" if row["competes"] else "cannot be recommended" if solved else row["status"]
        out.append(
            Gain(
                policy=row["policy"],
                label=words_for(row["policy"], firms) or row["policy"],
                recommended=row["policy"] == told,
                note=note,
                changes=moved(by_policy[row["policy"]]),
            )
        )
    return out


def _widest(rows: Sequence[Gain]) -> float:
    """The largest change."""
    return max((abs(v) for row in rows for v in row.changes if v is not None), default=0.0)


def _group(
    axes_at: Callable[..., Axes],
    rows: Sequence[Gain],
    scaled: Sequence[Gain],
    panels: Sequence[tuple[str, str, int]],
    top: float,
) -> None:
    """Policies that can be recommended, or that cannot, under `top` inches: a panel a party, a
    unit of money as wide in all of them as `scaled` leaves room for."""
    ends = []
    for _, _, k in panels:
        values = [row.changes[k] or 0.0 for row in scaled]
        ends.append((min(0.0, *values, 0.0), max(0.0, *values, 0.0)))
    rooms = [(LABEL if low < 0 else 0.06, LABEL if low < 0 else 0.75) for low, _ in ends]
    inches = WIDTH - NAMES - 0.15 - sum(map(sum, rooms)) - 0.12 * len(panels)
    unit = inches / (sum(high - low for low, high in ends) or 1.0)
    left = NAMES
    for n, ((party, head, k), (low, high), (before, after)) in enumerate(
        zip(panels, ends, rooms, strict=True)
    ):
        wide = (high - low) * unit + before + after
        high_rows = PER_ROW * len(rows)
        axes = axes_at(left, top - high_rows - 0.25, wide, high_rows)
        axes.set_xlim(low - before / unit, high + after / unit)
        _bars(axes, party, rows, [row.changes[k] for row in rows])
        axes.set_title(short(head, max(11, int(wide / 0.09))), loc="center")
        axes.title.set_fontweight("bold" if n == 0 else "normal")
        if n == 0:
            _names(axes, rows)
        left += wide + 0.12


def _bars(axes: Axes, party: str, rows: Sequence[Gain], column: Sequence[float | None]) -> None:
    """One panel: bars from zero, the figures at their ends."""
    for n, (row, value) in enumerate(zip(rows, column, strict=True)):
        if value is None:
            if party == "value":
                axes.annotate(
                    f"no figures: {row.note.replace('_', ' ')}",
                    (0, n),
                    (3, 0),
                    textcoords="offset points",
                    va="center",
                    color=FAINT,
                    fontsize="small",
                )
            continue
        side, colour = (1, SERIES[0]) if value >= 0 else (-1, SERIES[1])
        bar = axes.barh(
            n,
            value,
            height=0.62,
            color="white" if row.note else colour,
            edgecolor=colour,
            hatch=("/////" if side > 0 else "\\\\\\\\\\") if row.note else "",
            linewidth=0.8,
        )
        bar.patches[0].set_gid(f"{party}-{row.policy}")
        axes.annotate(
            figures.number(value, DIGITS, signed=True).replace("-", "−"),
            (value, n),
            (3 * side, 0),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            va="center",
            fontsize="small",
            weight="bold" if row.recommended else "normal",
        )
    axes.axvline(0, color=INK, linewidth=0.7)
    row_axes(axes, [""] * len(rows))


def _names(axes: Axes, rows: Sequence[Gain]) -> None:
    """The policies left of the first panel."""
    labels = [(STAR if row.recommended else "") + short(row.label, 38) for row in rows]
    axes.set_yticks(range(len(rows)), labels)
    for text, row in zip(axes.get_yticklabels(), rows, strict=True):
        text.set_fontweight("bold" if row.recommended else "normal")
        text.set_color(FAINT if row.note else INK)


def _told(rows: Sequence[Gain], heads: Sequence[str], used: Sequence[int], scale: Scale) -> str:
    """The picture in words: a line a policy."""
    out = [f"Change against today's market by policy{money_of(scale)}."]
    for row in rows:
        amounts = "; ".join(
            f"{heads[k]} {figures.number(row.changes[k], DIGITS, signed=True)}" for k in used
        )
        what = amounts if row.changes[0] is not None else f"no figures ({row.note})"
        marks = [mark for mark in ("recommended" * row.recommended, row.note) if mark]
        out.append(f"{row.label}{f' ({marks[0]})' if marks else ''}: {what}.")
    return "\n".join(out).replace("\n…", "…")
