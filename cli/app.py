"""The commands, put together. Importing this module imports no numerical library."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.commands import (
    batch,
    calibrate,
    compare,
    design,
    diff,
    doctor,
    evaluate,
    examples,
    explore,
    propositions,
    report,
    schema,
    sensitivity,
    statics,
    validate,
    verify,
    what_if,
)

FIRST_STEPS = """\b
First steps:
  pigou examples copy two_vendors                       a market to practise on
  pigou evaluate two_vendors.yaml                       what to do about it
  pigou what-if two_vendors.yaml --set cost.scale=15    what a change does"""

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=FIRST_STEPS,
)
app.command("evaluate", epilog=evaluate.EPILOG)(evaluate.evaluate)
app.command("compare", epilog=compare.EPILOG)(compare.compare)
app.command("what-if", epilog=what_if.EPILOG)(what_if.what_if)
app.command("design", epilog=design.EPILOG)(design.design)
app.command("explore", epilog=explore.EPILOG)(explore.explore)
app.command("calibrate", epilog=calibrate.EPILOG)(calibrate.calibrate)
app.command("batch", epilog=batch.EPILOG)(batch.batch)
app.command("propositions", epilog=propositions.EPILOG)(propositions.propositions)
app.command("statics", epilog=statics.EPILOG)(statics.statics)
app.command("sensitivity", epilog=sensitivity.EPILOG)(sensitivity.sensitivity)
app.command("report", epilog=report.EPILOG)(report.report)
app.command("verify", epilog=verify.EPILOG)(verify.verify)
app.command("diff", epilog=diff.EPILOG)(diff.diff)
app.command("validate", epilog=validate.EPILOG)(validate.validate)
app.command("schema", epilog=schema.EPILOG)(schema.schema)
app.add_typer(examples.app, name="examples")
app.command("doctor")(doctor.doctor)


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
