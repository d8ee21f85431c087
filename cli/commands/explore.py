"""`pigou explore`: a local page on which numbers are moved and the answer follows."""

from __future__ import annotations

import secrets
import webbrowser
from importlib.util import find_spec
from typing import Annotated

import typer

from cli.options import CaseFile
from market.text import needs

EPILOG = """\b
Examples:
  pigou explore two_vendors.yaml
  pigou explore two_vendors.yaml --no-browser     print the address only

The page is on this machine alone, and nothing leaves it. The program ends when the page is closed,
or with Ctrl-C."""


def explore(
    case: CaseFile,
    port: Annotated[
        int,
        typer.Option(
            "--port", min=0, max=65_535, metavar="N", help="Where to listen; 0: any free port."
        ),
    ] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
    ] = True,
) -> None:
    """Explore a case with the fingers: sliders, and the answer that follows.

    Prints the address of a page on this machine. Each slider shows where the answer changes; what
    was moved can be taken back, saved as a case, or copied as a command.
    """
    if find_spec("shiny") is None:
        raise typer.BadParameter(f"the page {needs('shiny', 'explore')}", param_hint="explore")
    from cli.shipped import load

    loaded = load([case])[0]
    from cli.explorer.served import listening, serve

    try:
        with listening(port) as taken:
            token = secrets.token_urlsafe(16)
            address = f"http://127.0.0.1:{taken.getsockname()[1]}/?token={token}"
            print(address, flush=True)
            if browser:
                webbrowser.open(address)
            serve(loaded, str(case), taken, token)
    except OSError as error:
        raise typer.BadParameter(
            f"port {port} cannot be had ({error.strerror}); leave it out for any that is free",
            param_hint="--port",
        ) from None
