"""What an SVG shows, read back from its bytes alone: where marks lie on the axes, by the ticks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

import numpy as np

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
NUMBERS = r"(-?[\d.e-]+) (-?[\d.e-]+)"
Element = ElementTree.Element


class Shown:
    """The marks of a picture by their ids, each with its points in the figures of its axes."""

    def __init__(self, data: bytes) -> None:
        self.root = ElementTree.fromstring(data)
        self.title, self.words = (
            str(self.root.find(f"{SVG}{name}").text)  # type: ignore[union-attr]
            for name in ("title", "desc")
        )
        self.texts = [str(text.text) for text in self.root.iter(f"{SVG}text")]
        self.marks: dict[str, np.ndarray] = {}
        ids = str(self.root.get("id"))
        found = [
            axes
            for axes in self.root.iter(f"{SVG}g")
            if re.fullmatch(rf"{ids}-axes_\d+", axes.get("id", ""))
        ]
        scales = [self._scale(axes, f"{ids}-xtick_") for axes in found]
        for axes, x in zip(found, scales, strict=True):
            # axes without numbers of their own stand over others that share theirs
            shared = (
                scale
                for other, scale in zip(found, scales, strict=True)
                if scale is not None and self._sides(other) == self._sides(axes)
            )
            self._read(axes, ids, next(shared, None) if x is None else x)

    def _sides(self, axes: Element) -> tuple[float, float]:
        """Where axes begin and end from left to right."""
        path = str(next(axes.iter(f"{SVG}path")).get("d"))
        across = [float(x) for x, _ in re.findall(NUMBERS, path)]
        return min(across), max(across)

    def _read(self, axes: Element, ids: str, x: np.ndarray | None) -> None:
        scales = (x, self._scale(axes, f"{ids}-ytick_"))
        for mark in axes.iter(f"{SVG}g"):
            name = mark.get("id", "").removeprefix(f"{ids}-")
            if "-" not in name:
                continue
            points = np.array(list(self._points(mark)))
            if len(points):
                columns = [
                    np.full(len(points), np.nan) if scale is None else np.polyval(scale, along)
                    for scale, along in zip(scales, points.T, strict=True)
                ]
                self.marks[name] = np.column_stack(columns)

    def _scale(self, axes: Element, head: str) -> np.ndarray | None:
        """From points of the page to what the labels of the ticks say; None without two numbers."""
        at, said = [], []
        for tick in axes.iter(f"{SVG}g"):
            if not re.fullmatch(re.escape(head) + r"\d+", tick.get("id", "")):
                continue
            use, text = tick.find(f".//{SVG}use"), tick.find(f".//{SVG}text")
            try:
                number = float(str(text.text).replace("−", "-"))  # type: ignore[union-attr]
            except (AttributeError, ValueError):
                continue
            if use is not None:
                at.append(float(use.get("x" if "xtick" in head else "y", "nan")))
                said.append(number)
        return np.polyfit(at, said, 1) if len(at) > 1 else None

    def _points(self, mark: Element) -> Iterator[tuple[float, float]]:
        """The corners of a path, or the places of its marks."""
        uses = list(mark.iter(f"{SVG}use"))
        if uses:
            yield from ((float(u.get("x", "nan")), float(u.get("y", "nan"))) for u in uses)
            return
        for path in mark.findall(f".//{SVG}path"):
            if path.get("id") is None:
                for x, y in re.findall(NUMBERS, path.get("d", "")):
                    yield float(x), float(y)

    def end(self, mark: str, axis: int = 0) -> float:
        """Where a bar that begins at zero ends."""
        values = self.marks[mark][:, axis]
        return float(values[np.abs(values).argmax()])
