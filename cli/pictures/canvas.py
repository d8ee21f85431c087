"""What every picture is drawn on, and the bytes it becomes: the only import of matplotlib.

The same figures make the same bytes on every machine: settings of the user are not read, the font
is the one that matplotlib ships, nothing tells a time or a version. Text stays text: in SVG it can
be searched, read aloud and copied, and no letter of a name is taken for mathematics or markup.
"""

from __future__ import annotations

import io
import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

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


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure, sizes in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


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
    rest cut off behind dots."""
    found = textwrap.wrap(visible(text), width, max_lines=lines, placeholder=" …")
    return "\n".join(found)


def headed(figure: Figure, title: str, below: str, width: int = 118) -> None:
    """The title of a picture and what is said under it."""
    height = float(figure.get_figheight())
    head = short(title, width - 30)
    figure.text(0.012, 1 - 0.1 / height, head, fontsize=SIZE + 3, weight="bold", va="top")
    lines = "\n".join(textwrap.wrap(visible(below), width))
    rows = head.count("\n") + 1
    figure.text(0.012, 1 - (0.14 + 0.2 * rows) / height, lines, color=FAINT, va="top")


def apart(
    wanted: Sequence[float], least: float, low: float = -1e300, high: float = 1e300
) -> list[float]:
    """Places as near to those wanted as keeps labels `least` apart, in the order wanted."""
    order = sorted(range(len(wanted)), key=lambda n: wanted[n])
    groups: list[list[float]] = []  # sum of wanted less own offset, count
    for n in order:
        groups.append([wanted[n], 1.0])
        while len(groups) > 1:
            (s1, n1), (s2, n2) = groups[-2:]
            if s1 / n1 + (n1 + n2) / 2 * least <= s2 / n2:
                break
            groups[-2:] = [[s1 + s2, n1 + n2]]
    out = [0.0] * len(wanted)
    k = 0
    for total, count in groups:
        half = (count - 1) / 2 * least
        middle = min(max(total / count, low + half), high - half)
        for j in range(int(count)):
            out[order[k]] = middle - half + j * least
            k += 1
    return out


def bare_axes(axes: Axes) -> None:
    """No ticks and no frame on the left: labels say what stands there."""
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
