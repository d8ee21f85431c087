"""The commands, put together. What a command is made of is imported when it is run."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

COMMANDS = {
    "evaluate": "Evaluate a case: what to do, who gains, what is paid.",
    "compare": "Compare policies over several cases, or over the cases of a batch.",
    "what-if": (
        "See what changes: a changed case beside the case as it is, or policies along one or two"
        " keys."
    ),
    "design": (
        "Design transfers: which net payments make truth pay and everybody join, and what they"
        " cost."
    ),
    "explore": "Explore a case with the fingers: sliders, and the answer that follows.",
    "calibrate": (
        "Calibrate a case to prices, quantities, margins, diversion, security spending and sharing."
    ),
    "batch": "Evaluate many cases: grids, samples or a table of them.",
    "propositions": "Check every claim of the paper at a case.",
    "statics": "Show how an outcome moves with every parameter.",
    "sensitivity": (
        "Show which of what is not known exactly a figure, or the choice itself, turns on."
    ),
    "report": "Write a report that can be handed on: one file, readable without a network.",
    "verify": "Run a result again here and name every figure that differs, and why it may.",
    "diff": "See what two cases or two results differ in.",
    "validate": (
        "Check case files, setting files, designs of a batch and data to calibrate from, without"
        " solving anything."
    ),
    "schema": "Print the JSON Schema of the case file.",
    "doctor": "Test this installation.",
    "examples": "List, show or copy the shipped cases.",
}
"""Every command, in the order of the help, and what it does: the first sentence of its own help."""


class OnDemand(TyperGroup):
    """The commands by name and what they do; the one that is run is loaded."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=does) for name, does in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """The command of a command line, and what is left of it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if command is None else loaded(str(name)), rest


def loaded(name: str) -> Any:
    """A command, or a group of them, whole."""
    key = name.replace("-", "_")
    module = import_module(f"cli.commands.{key}")
    alone = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    if hasattr(module, "app"):
        alone.add_typer(module.app, name=name)
    else:
        epilog = getattr(module, "EPILOG", None)
        alone.command(name, epilog=epilog)(getattr(module, key))
    return get_group(alone).commands[name]


FIRST_STEPS = """\b
First steps:
  pigou examples copy two_vendors                       a market to practise on
  pigou evaluate two_vendors.yaml                       what to do about it
  pigou what-if two_vendors.yaml --set cost.scale=15    what a change does"""

app = typer.Typer(
    cls=OnDemand,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=FIRST_STEPS,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from mechanism.version import VERSION

        print(f"pigou {VERSION}")
        raise typer.Exit()


@app.callback()
def _pigou(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Design of corrective subsidies and taxes for rivals that under-invest in security and
    under-share what they learn."""
