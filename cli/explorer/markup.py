"""The page: its controls, and what it shows, as markup."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from htmltools import HTML, Tag, TagList, tags
from shiny import ui

from cli.explorer.answers import Shown, ShownTable
from cli.explorer.controls import Choice, Moves, Slider
from market.text import visible

HERE = Path(__file__).resolve().parent


def page(title: str, sliders: Sequence[Slider], choices: Sequence[Choice]) -> Tag:
    """The whole page."""
    groups = [
        tags.fieldset(tags.legend(block), *(_slider(one) for one in members))
        for block, members in groupby(sliders, key=lambda one: one.block)
    ]
    groups.append(
        tags.fieldset(tags.legend("Rules of the game"), *(_choice(one) for one in choices))
    )
    title = visible(title)
    return ui.page_fluid(
        tags.head(tags.style(_file("look.css"))),
        tags.main(
            tags.h1(title),
            tags.div(
                tags.section(
                    tags.p(id="note", class_="hint", role="status"),
                    *groups,
                    aria_label="What can be moved",
                ),
                tags.section(
                    tags.div(
                        tags.div(ui.output_ui("answer"), role="status"),
                        tags.div(
                            ui.input_action_button("undo", "Undo", disabled=True),
                            ui.input_action_button("reset", "As loaded", disabled=True),
                            ui.download_button("save", "Save as case"),
                            ui.download_button("report", "Report"),
                            tags.span(id="state", role="status"),
                            class_="tools",
                        ),
                        class_="kept",
                    ),
                    tags.div(
                        tags.label("As a command", for_="command"),
                        tags.input(id="command", type="text", readonly=""),
                        tags.button("Copy", id="copy", type="button", class_="btn btn-default"),
                        tags.span(id="copied", role="status"),
                        class_="tools",
                    ),
                    ui.output_ui("in_full"),
                    ui.output_ui("who_gains"),
                    ui.output_ui("tables"),
                    id="results",
                    aria_label="What that leads to",
                ),
                class_="columns",
            ),
        ),
        tags.script(HTML(_file("client.js"))),
        title=f"{title} - pigou",
        lang="en",
    )


def _file(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _slider(one: Slider) -> Tag:
    name = f"at-{one.key}"
    return tags.div(
        tags.label(one.label, for_=name),
        tags.div(
            tags.div(
                tags.input(
                    id=name,
                    type="range",
                    min=f"{one.low:.12g}",
                    max=f"{one.high:.12g}",
                    step=f"{one.step:.12g}",
                    value=f"{one.value:.15g}",
                    autocomplete="off",
                    aria_describedby=f"hint-{one.key} turns-{one.key}",
                ),
                class_="track",
            ),
            tags.input(
                type="number",
                step="any",
                value=f"{one.value:.15g}",
                autocomplete="off",
                aria_label=f"{one.label}, as a number",
            ),
            class_="line",
        ),
        tags.p(one.hint, class_="hint", id=f"hint-{one.key}"),
        tags.p(class_="turns", id=f"turns-{one.key}"),
        class_="control",
        data_key=one.key,
        data_own=json.dumps(one.value),
    )


def _choice(one: Choice) -> Tag:
    name = f"at-{one.key}"
    options = [
        tags.option(words, value=value, selected="" if value == one.value else None)
        for value, words in one.options.items()
    ]
    return tags.div(
        tags.label(one.label, for_=name),
        tags.select(*options, id=name, autocomplete="off"),
        class_="control",
        data_key=one.key,
        data_own=one.value,
    )


def told(lines: Sequence[str], moves: Moves, refused: bool = False) -> Tag:
    """Sentences below each other, and the moves that led to them, by which the page knows whether
    they are of where its controls stand; `refused`: why there is nothing to show."""
    return tags.div(
        *(tags.p(visible(line)) for line in lines),
        class_="refused" if refused else "",
        data_of=json.dumps(moves),
    )


def in_full(text: Sequence[str]) -> TagList:
    """The answer in full."""
    return TagList(
        tags.h2("The answer in full"),
        tags.ul(*(tags.li(visible(line)) for line in text)),
    )


def figure(picture: str) -> Tag:
    """A picture, which is SVG."""
    return tags.figure(HTML(picture))


def table(one: ShownTable) -> Tag:
    rows = [
        tags.tr(
            tags.th(visible(name) + (" (recommended)" if n == one.marked else ""), scope="row"),
            *(_cell(cell) for cell in cells),
            class_="best" if n == one.marked else "",
        )
        for n, (name, cells) in enumerate(one.rows)
    ]
    heads = (tags.th(visible(head), scope="col") for head in one.heads)
    return tags.div(
        tags.h2(visible(one.title)),
        tags.table(
            tags.caption("Below a figure: its change against the case as loaded."),
            tags.thead(tags.tr(*heads)),
            tags.tbody(*rows),
        ),
        class_="wide",
        tabindex="0",
        role="region",
        aria_label=visible(one.title),
    )


def _cell(cell: Shown) -> Tag:
    return tags.td(cell.text, tags.small(cell.change) if cell.change else None)
