"""The pictures of a report, each with the same in words."""

from __future__ import annotations

from cli.pages.page import Image
from cli.pictures.canvas import inline
from cli.pictures.table import drawn_of
from cli.report.subject import Subject


def pictures(subject: Subject, prefix: str) -> dict[str, Image]:
    """The pictures of a case by their names, none where figures are left out; `prefix` begins the
    ids in their SVG and differs from case to case."""
    if subject.hidden:
        return {}
    robust = subject.told.robust
    # a map of one colour says what the sentence beside it says
    flat = {"standards"} if robust is not None and len(set(robust.winners)) == 1 else set()
    return {
        name: Image(inline(drawn, f"{prefix}-{name}"), drawn.alternative)
        for name, drawn in drawn_of("evaluate", subject.result, flat).items()
    }
