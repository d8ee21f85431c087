"""Tables keep every figure whole, however narrow the page."""

from __future__ import annotations

import pytest

from cli.pages.page import Column, Page


@pytest.mark.parametrize("width", [20, 60, 80, 100])
def test_no_figure_is_cropped(width: int) -> None:
    page = Page(width)
    figures = ["-222.8 %", "100.0 %", "12345678.9"]
    page.table(
        [
            Column("A case with a long name", ["one", "two words", "three more words"], words=True),
            *(Column("Share of", figures) for _ in range(7)),
        ]
    )
    for figure in figures:
        assert page.text.count(figure) == 7
