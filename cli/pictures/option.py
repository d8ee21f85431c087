"""`--picture NAME` of the commands whose results can be drawn."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer

from cli.options import OutputFormat
from cli.output.write import Target, say
from cli.pictures.table import PICTURES, NoPicture, Picture, pictures_of
from market.text import needs

ENDINGS = (".svg", ".png")
"""The endings of files that pictures are written to."""
Instead = Callable[[Any, Target], None]
"""What writes something made of a result where the result would go."""


def picture_option(command: str) -> Any:
    """The option of one command."""
    names = [picture.name for picture in pictures_of(command)]

    def starting(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return typer.Option(
        "--picture",
        metavar="NAME",
        help=f"Instead of the result a picture, into an .svg or .png file: {', '.join(names)}.",
        autocompletion=starting,
        show_default=False,
    )


def asked(
    command: str,
    name: str | None,
    form: OutputFormat | None,
    out: Path | None,
    *,
    script: bool = False,
) -> Instead | None:
    """What puts the picture of a result where it goes; None if a command line asks for none. What
    cannot be had is refused before anything is computed."""
    ending = out.suffix.lower() if out else ""
    names = [picture.name for picture in pictures_of(command)]
    if name is None:
        if ending in ENDINGS:
            raise typer.BadParameter(
                f"{out} holds a picture by its name; say which with --picture NAME: there are"
                f" {', '.join(names)}",
                param_hint="--out",
            )
        return None
    if name not in names:
        close = get_close_matches(name, names, 1)
        other = PICTURES[name].commands if name in PICTURES else ()
        hint = (
            f"did you mean {close[0]}?"
            if close and not other
            else f"pigou {command} has {', '.join(names)}"
            + (f"; {name} is of pigou {' and '.join(other)}" if other else "")
        )
        raise typer.BadParameter(f"{name} is no picture of it; {hint}", param_hint="--picture")
    if script or form is not None:
        instead = "--emit-python" if script else "--format"
        raise typer.BadParameter(f"a picture is no text; leave {instead} out", param_hint=instead)
    if out is not None and ending not in ENDINGS:
        raise typer.BadParameter(
            f"{out}: pictures are written to files that end in {' or '.join(ENDINGS)}",
            param_hint="--out",
        )
    if find_spec("matplotlib") is None:
        raise typer.BadParameter(
            f"a picture {needs('matplotlib', 'report')}", param_hint="--picture"
        )
    return partial(_put, PICTURES[name])


def _put(picture: Picture, result: Any, target: Target) -> None:
    """Draw a picture of a result and write it where it goes; SVG where no file is named."""
    from cli.pictures.canvas import no_glyphs, png, svg

    try:
        drawn = picture.draw(result)
    except NoPicture as why:
        raise typer.BadParameter(f"{picture.name}: {why}", param_hint="--picture") from None
    if target.path is None:
        target.write(svg(drawn).decode())
    elif target.path.suffix.lower() != ".png":
        target.write(svg(drawn))
    else:
        target.write(png(drawn))
        if missing := no_glyphs(drawn):
            say([f"note: a .png has no letters for {missing}, only boxes; an .svg shows them"])
