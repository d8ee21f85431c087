"""What every picture is drawn on, and the bytes it becomes: the only import of matplotlib.

The same figures make the same bytes on every machine: settings of the user are not read, the font
is the one that matplotlib ships, nothing tells a time or a version. Text stays text: in SVG it can
be searched, read aloud and copied, and no letter of a name is taken for mathematics or markup.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING, Any
from unicodedata import bidirectional, east_asian_width

from market.text import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 9.6
"""Inches of a picture from side to side."""
SIZE = 9.0
"""Points of ordinary text."""
DPI = 150
"""Dots per inch of a PNG."""

INK = "#1a1a1a"
"""Text and axes."""
FAINT = "#6b6b6b"
"""What is said beside the figures; dark enough to be read on white."""
RULE = "#d0d0d0"
"""Lines to read along."""
SERIES = ("#0b4f8a", "#d55e00", "#3a9e7d", "#7a3b8f", "#b8860b", "#4d4d4d", "#56b4e9", "#a01040")
"""Colours that stay apart for the colour-blind; what they tell is told by dash, mark or label
too."""
DASHES: tuple[Any, ...] = (
    "solid",
    (0, (5, 2)),
    (0, (1, 1.4)),
    (0, (6, 2, 1, 2)),
    (0, (3, 1.2)),
    (0, (8, 2, 1, 2, 1, 2)),
    (0, (1, 3)),
    (0, (10, 3)),
)
"""Dashes of lines, so that they are told apart in grey."""
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Marks of points, likewise."""

FILLS = ("#9ecae9", "#f7b77a", "#b7dfc9", "#d9c2e3", "#f2e08a", "#c9c9c9", "#7fb3d5", "#e8a0b4")
"""Colours of areas, light enough for text; a hatch tells them apart in grey."""
HATCHES = (None, "////", "....", "\\\\\\\\", "||||", "----", "oo", "++")
"""Hatches of areas."""
RIGHTWARD = "\u200e"
"""An unseen letter that makes a line run to the right."""
STAR = "★ "
"""Before the name of what is recommended."""
LEADER: dict[str, Any] = {
    "arrowstyle": "-",
    "color": FAINT,
    "linewidth": 0.5,
    "shrinkB": 5,
    "relpos": (0, 0.5),
}
"""The line from a name to its mark."""

STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": SIZE,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": SIZE,
    "axes.titlelocation": "left",
    "axes.formatter.useoffset": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": SIZE - 1,
    "ytick.labelsize": SIZE - 1,
    "hatch.linewidth": 0.6,
    "path.simplify": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "pigou",
    "savefig.facecolor": "white",
}


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A picture of one result."""

    figure: Figure
    """The figure of matplotlib. What it shows has the ids (`gid`) that its picture documents."""
    title: str
    """What it shows, in one line."""
    alternative: str
    """The same in words, figures included, for who cannot see it."""


@contextmanager
def styled() -> Iterator[None]:
    """In here matplotlib draws in our style, whatever the user has set; letters that the font
    lacks are no reason to speak."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        matplotlib.rcdefaults()
        style: Any = STYLE
        matplotlib.rcParams.update(style)
        yield


def new_figure(content: float, title: str, below: str) -> tuple[Figure, Callable[..., Axes]]:
    """A figure with so many inches under its title and what is said below that; and what adds axes
    to it, at inches from its left and its bottom, of a width and a height in inches."""
    from matplotlib.figure import Figure

    head, lines = short(title, 84), short(below, 118, 12).split("\n")
    rows = head.count("\n") + 1
    above = 0.16 + 0.2 * rows
    height = content + above + 0.155 * len(lines) + 0.1
    figure = Figure(figsize=(WIDTH, height))
    figure.text(0.012, 1 - 0.1 / height, head, fontsize=SIZE + 3, weight="bold", va="top")
    figure.text(0.012, 1 - above / height, "\n".join(lines), color=FAINT, va="top")

    def axes_at(left: float, bottom: float, wide: float, high: float) -> Axes:
        return figure.add_axes((left / WIDTH, bottom / height, wide / WIDTH, high / height))

    return figure, axes_at


# --- bytes


def svg(drawn: Drawn, ids: str = "picture") -> bytes:
    """A file of its own, its title and description in it, every id beginning with `ids`."""
    head = '<?xml version="1.0" encoding="utf-8" standalone="no"?>\n'
    return (head + inline(drawn, ids)).encode()


def inline(drawn: Drawn, ids: str) -> str:
    """The element to stand in a page of HTML; `ids` must differ from picture to picture of it."""
    if not re.fullmatch(r"[A-Za-z][\w-]*", ids, re.ASCII):
        raise ValueError(f"{ids!r} begins no id: letters, digits and dashes, a letter first")
    stream = io.StringIO()
    with styled():
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        drawn.figure.savefig(stream, format="svg", metadata=nothing)
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<[^>]*>", lambda tag: _renamed(tag[0], ids), text)
    text = text.replace("*{stroke-linejoin", f"#{ids} *{{stroke-linejoin", 1)
    title, words = (escape(visible(part, kept="\n")) for part in (drawn.title, drawn.alternative))
    named = (
        f'<svg id="{ids}" role="img" aria-labelledby="{ids}-title" aria-describedby="{ids}-desc"'
    )
    end = text.index(">") + 1
    head = f'{text[:end].replace("<svg", named, 1)}\n <title id="{ids}-title">{title}</title>'
    return f'{head}\n <desc id="{ids}-desc">{words}</desc>{text[end:]}'


def _renamed(tag: str, ids: str) -> str:
    """A tag whose ids, and those it refers to, begin with `ids`."""
    tag = re.sub(r' id="([^"]+)"', rf' id="{ids}-\1"', tag)
    return re.sub(r'(xlink:href="#|url\(#)', rf"\1{ids}-", tag)


def png(drawn: Drawn) -> bytes:
    """A file of its own, its title and description in it."""
    stream = io.BytesIO()
    with styled():
        told = {"Software": None, "Title": drawn.title, "Description": drawn.alternative}
        drawn.figure.savefig(stream, format="png", dpi=DPI, metadata=told)
    return stream.getvalue()


# --- what pictures have in common


def short(text: str, width: int, lines: int = 2) -> str:
    """Text of users as a label: control characters shown, wrapped to so many letters a line, the
    rest cut off behind dots. Broad letters count for more than one."""
    shown = visible(text, kept=RIGHTWARD)
    broad = sum(2 if east_asian_width(a) in "WF" else 1.5 if a in "mwMW@%" else 1 for a in shown)
    room = max(3, int(width * len(shown) / broad)) if shown else width
    found = wrap(shown, room, max_lines=lines, placeholder=" …")
    # a line that begins with letters that run to the left still runs to the right
    turned = [any(bidirectional(a) in ("R", "AL") for a in line) for line in found]
    return "\n".join(RIGHTWARD * turn + line for turn, line in zip(turned, found, strict=True))


def no_glyphs(drawn: Drawn) -> str:
    """The letters of a picture that its font lacks: a PNG shows boxes for them, an SVG what the
    viewer's fonts have."""
    from matplotlib.font_manager import fontManager, get_font
    from matplotlib.text import Text

    font = get_font(fontManager.findfont("DejaVu Sans"))
    said = "".join(text.get_text() for text in drawn.figure.findobj(Text))
    missing = {a for a in said if a not in "\n" and not font.get_char_index(ord(a))}
    return "".join(sorted(missing))


def apart(wanted: Sequence[float], sizes: Sequence[float], low: float, high: float) -> list[float]:
    """The middles of labels of these sizes, as near to the places wanted as keeps them apart and
    between low and high where there is room, in the order of the places."""
    order = sorted(range(len(wanted)), key=lambda n: wanted[n])
    edges: list[float] = []  # how far the middle of each lies above that of the first
    for k, n in enumerate(order):
        edges.append(0.0 if not k else edges[-1] + (sizes[order[k - 1]] + sizes[n]) / 2)
    # the least squares fit of places that rise, each less its edge: neighbours that would meet pool
    pools: list[tuple[float, int]] = []
    for n, edge in zip(order, edges, strict=True):
        pools.append((wanted[n] - edge, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, m), (b, k) = pools[-2:]
            pools[-2:] = [((a * m + b * k) / (m + k), m + k)]
    flat = [base for base, count in pools for _ in range(count)]
    if order:
        least = low + sizes[order[0]] / 2
        most = high - sizes[order[-1]] / 2 - edges[-1]
        flat = [max(least, min(base, max(most, least))) for base in flat]
    out = [0.0] * len(wanted)
    for n, base, edge in zip(order, flat, edges, strict=True):
        out[n] = base + edge
    return out


def aside(
    axes: Axes,
    text: str,
    point: Sequence[float],
    place: tuple[float, float],
    **look: Any,
) -> None:
    """A name beside the axes with a line to the point it belongs to. The place counts from the left
    edge in widths of the axes and, unless `textcoords` say otherwise, upward as data do."""
    usual = {
        "textcoords": axes.get_yaxis_transform(),
        "va": "center",
        "fontsize": "small",
        "arrowprops": LEADER,
        "annotation_clip": False,
    }
    axes.annotate(text, (point[0], point[1]), place, **{**usual, **look})


def row_axes(axes: Axes, labels: Sequence[str]) -> None:
    """A row a label from top to bottom: rules between them, no frame on the left."""
    axes.set_ylim(len(labels) - 0.5, -0.5)
    for n in range(len(labels) + 1):
        axes.axhline(n - 0.5, color=RULE, linewidth=0.4, zorder=0)
    axes.set_yticks(range(len(labels)), list(labels))
    axes.tick_params(axis="x", labelcolor=FAINT, labelsize=SIZE - 2, length=2)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def box(axes: Axes, left: float, bottom: float, wide: float, high: float, **look: Any) -> None:
    """A rectangle."""
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((left, bottom), wide, high, **look))


def areas(axes: Axes, corners: Sequence[Sequence[tuple[float, float]]], **look: Any) -> None:
    """Polygons that look alike, as one mark."""
    from matplotlib.collections import PolyCollection

    axes.add_collection(PolyCollection(corners, **look))
