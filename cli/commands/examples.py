"""`pigou examples`: the cases that come with the program."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cli import shipped
from cli.output.whole import write_whole

EPILOG = """\b
Examples:
  pigou examples list
  pigou examples list --published
  pigou examples copy two_vendors
  pigou examples copy --all cases"""

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="List, show or copy the shipped cases.",
    epilog=EPILOG,
)


def _starting(incomplete: str) -> list[str]:
    return [name for name in shipped.every_name() if name.startswith(incomplete)]


def _found(name: str) -> Path:
    path = shipped.find(name)
    if path is None:
        raise typer.BadParameter(
            f"no case of the name {name} is shipped; {shipped.closest(name)}", param_hint="NAME"
        )
    return path


@app.command("list")
def list_cases(
    published: Annotated[
        bool,
        typer.Option(
            "--published",
            help="Those with figures in print: the source, what it has, what is right.",
        ),
    ] = False,
) -> None:
    """List the shipped cases, settings and designs: name and title."""
    from market.casefile.files import read_document

    if published:
        from cli.pages.published import published_page

        print(published_page(), end="")
        return

    names = shipped.every_name()
    width = max(map(len, names), default=0)
    for name in names:
        title = read_document(shipped.folder() / f"{name}.yaml").tree.get("name", "")
        print(f"{name:{width}}  {title}".rstrip())


@app.command("show")
def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A shipped case.", autocompletion=_starting)
    ],
) -> None:
    """Print a shipped case file."""
    print(_found(name).read_text(encoding="utf-8"), end="")


@app.command("copy", epilog=EPILOG)
def copy(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A shipped case; left out with --all.",
            autocompletion=_starting,
            show_default=False,
        ),
    ] = None,
    destination: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DEST]", help="A directory or a file name; default: here.", show_default=False
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Copy all shipped cases.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that differ.")] = False,
) -> None:
    """Copy a shipped case, together with the case it is based on."""
    if every:
        if destination is not None:
            raise typer.BadParameter("with --all give the destination only", param_hint="NAME")
        place = Path(name or ".")
        if os.path.lexists(place) and not place.is_dir():
            raise typer.BadParameter(
                f"{place}: is a file; with --all name a directory", param_hint="DEST"
            )
        wanted = {
            place / f"{each}.yaml": shipped.folder() / f"{each}.yaml"
            for each in shipped.every_name()
        }
    elif name is None:
        raise typer.BadParameter("name a shipped case, or give --all", param_hint="NAME")
    else:
        wanted = _with_bases(_found(name), destination or Path())
    _copy(wanted, force)


def _with_bases(source: Path, destination: Path) -> dict[Path, Path]:
    """Target and source of a case and of the cases it is based on, which keep their names."""
    from market.casefile.files import read_document

    target = destination / source.name if os.path.isdir(destination) else destination
    if source.parent.name == "designs" and os.path.isdir(
        destination
    ):  # a design names its case by its place in the folder above
        design = read_document(source).tree
        target = destination / "designs" / source.name
        return {target: source} | _with_bases(
            (source.parent / design["case"]).resolve(), destination
        )
    if not os.path.isdir(target.parent):
        raise typer.BadParameter(
            f"{target}: the directory {target.parent} does not exist; make it first",
            param_hint="DEST",
        )
    bases = [Path(file) for file in read_document(source).files[1:]]
    return {target: source} | {target.parent / base.name: base for base in bases}


def _copy(wanted: dict[Path, Path], force: bool) -> None:
    differing = [
        target
        for target, source in wanted.items()
        if os.path.lexists(target) and not _same(target, source)
    ]
    if differing and not force:
        raise typer.BadParameter(
            f"exists and differs: {', '.join(map(str, differing))}; --force overwrites",
            param_hint="DEST",
        )
    for target, source in wanted.items():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if not _same(target, source):
                write_whole(target, source.read_bytes())
        except OSError as error:
            raise typer.BadParameter(
                f"{target}: cannot be written ({error.strerror})", param_hint="DEST"
            ) from None
        print(target)


def _same(target: Path, source: Path) -> bool:
    return os.path.isfile(target) and target.read_bytes() == source.read_bytes()
