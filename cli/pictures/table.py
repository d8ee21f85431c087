"""Every picture: its name, of which commands, and what draws it. Loads nothing that draws."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cli.pictures.canvas import Drawn


class NoPicture(Exception):  # noqa: N818 - a finding, not an error of the program
    """Why a result has no such picture, and what would have one."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture and everything true of it."""

    name: str
    """What `--picture` and pages call it."""
    title: str
    """What it shows, whatever the case."""
    commands: tuple[str, ...]
    """Of whose results it is drawn."""
    module: str
    """The module of this room that has the function of its name, from what `--format json` of such
    a command holds to a `Drawn`."""

    def draw(self, result: Any) -> Drawn:
        """The picture of what `--format json` of such a command holds.

        Raises:
            NoPicture: The result has nothing to show, with the reason.
            ImportError: matplotlib is not installed.
        """
        from cli.pictures.canvas import styled

        make = getattr(import_module(f"cli.pictures.{self.module}"), self.name)
        with styled():
            drawn: Drawn = make(result)
        return drawn


PICTURES: Mapping[str, Picture] = {
    picture.name: picture
    for picture in (
        Picture(
            name="who_gains",
            title="Who gains by policy",
            commands=("evaluate",),
            module="gains",
        ),
        Picture(
            name="levels",
            title="Levels and security spending by regime",
            commands=("evaluate",),
            module="levels",
        ),
        Picture(
            name="welfare_outlay",
            title="Welfare against outlay over policies",
            commands=("evaluate",),
            module="outlay",
        ),
        Picture(
            name="interim",
            title="Would firms join and tell the truth: payoffs by type",
            commands=("evaluate",),
            module="interim",
        ),
        Picture(
            name="uncertainty",
            title="Policies over what is not known exactly",
            commands=("evaluate",),
            module="draws",
        ),
        Picture(
            name="ladder",
            title="From today's welfare to the planner's, channel by channel",
            commands=("evaluate",),
            module="ladder",
        ),
        Picture(
            name="reactions",
            title="Reaction curves with all equilibria",
            commands=("evaluate",),
            module="reactions",
        ),
        Picture(
            name="standards",
            title="What is recommended by cost of public funds and weight of profits",
            commands=("evaluate",),
            module="maps",
        ),
        Picture(
            name="path",
            title="Policies along a key, with the values at which the recommendation changes",
            commands=("what-if",),
            module="paths",
        ),
        Picture(
            name="frontier",
            title="Welfare against outlay along a key",
            commands=("what-if",),
            module="outlay",
        ),
        Picture(
            name="map_of_keys",
            title="What is recommended over two keys",
            commands=("what-if",),
            module="maps",
        ),
        Picture(
            name="before_and_after",
            title="Values before and after a change",
            commands=("what-if",),
            module="values",
        ),
        Picture(
            name="gains_over_cases",
            title="What policies add to today's market, by case",
            commands=("compare",),
            module="values",
        ),
        Picture(
            name="wins",
            title="Recommended how often over a batch",
            commands=("compare",),
            module="values",
        ),
        Picture(
            name="sensitivity",
            title="What the choice or a figure turns on",
            commands=("sensitivity",),
            module="turns",
        ),
    )
}
"""Every picture, by its name."""


def pictures_of(command: str) -> tuple[Picture, ...]:
    """Those that a command's result may have."""
    return tuple(picture for picture in PICTURES.values() if command in picture.commands)


def drawn_of(command: str, result: Any, without: Collection[str] = ()) -> dict[str, Drawn]:
    """Every picture that a command's result has, by its name."""
    found = {}
    for picture in pictures_of(command):
        if picture.name in without:
            continue
        try:
            found[picture.name] = picture.draw(result)
        except NoPicture:
            continue
    return found
