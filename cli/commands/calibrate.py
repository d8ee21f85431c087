"""`pigou calibrate`: a case from what is observed of a market."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import (
    DigitsOption,
    FormatOption,
    OutputFormat,
    QuietOption,
    SeedOption,
    StampOption,
    StrictOption,
    chosen,
)
from cli.output.write import Target, leave_unmet, say, shown

EPILOG = """\b
Examples:
  pigou calibrate market.yaml --out case.yaml && pigou evaluate case.yaml
  pigou calibrate firms.csv --common leak_switch=0.3 --prior rivalry=0.2 --out case.yaml
  pigou calibrate market.yaml --prior "max_saving={median: 0.4, log_sd: 0.3}"
  pigou calibrate market.yaml --noise default=0.02 --noise diversion=0.2
  pigou calibrate firms.csv --name "Two banks" --unit "money=million EUR" --unit quantity=clients
  pigou calibrate market.yaml --per-firm own_slope --per-firm cost_scale

What is observed of two rivals: price, quantity, margin, diversion, security spending, sharing,
and what is known of leaks and savings. Exit code 3: the data are no market of the model, and the
reason is told; nothing is written then."""

CASE_ENDINGS = (".yaml", ".yml")


def calibrate(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="A data file: YAML, JSON, TOML, or a table with a row per firm.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="PATH", help="Write the case to this file.", show_default=False
        ),
    ] = None,
    common: Annotated[
        list[str] | None,
        typer.Option(
            "--common",
            metavar="KEY=VALUE",
            help="What is observed of both firms; may be repeated.",
            show_default=False,
        ),
    ] = None,
    prior: Annotated[
        list[str] | None,
        typer.Option(
            "--prior",
            metavar="KEY=VALUE",
            help="What is assumed: a number, held fixed, or {median: M, log_sd: S}.",
            show_default=False,
        ),
    ] = None,
    noise: Annotated[
        list[str] | None,
        typer.Option(
            "--noise",
            metavar="KEY=VALUE",
            help="Relative standard error of an observation, or of all others (default=0.02).",
            show_default=False,
        ),
    ] = None,
    per_firm: Annotated[
        list[str] | None,
        typer.Option(
            "--per-firm",
            metavar="KEY",
            help="A parameter of which each firm has its own; may be repeated.",
            show_default="as in the file, or own_slope",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="TEXT", help="What the market is called.", show_default="the file's"
        ),
    ] = None,
    unit: Annotated[
        list[str] | None,
        typer.Option(
            "--unit",
            metavar="KEY=TEXT",
            help="What money, or quantity, is counted in: money=million EUR; may be repeated.",
            show_default=False,
        ),
    ] = None,
    symmetric: Annotated[
        bool,
        typer.Option("--symmetric", help="One own slope for both firms; one margin will do."),
    ] = False,
    bootstrap: Annotated[
        int,
        typer.Option(
            "--bootstrap",
            metavar="N",
            help="Intervals from so many fits to data drawn anew, 20 to 2000.",
            show_default="from the curvature at the fit",
        ),
    ] = 0,
    form: FormatOption = None,
    digits: DigitsOption = 4,
    seed: SeedOption = 0,
    quiet: QuietOption = False,
    strict: StrictOption = False,
    stamp: StampOption = False,
) -> None:
    """Calibrate a case to prices, quantities, margins, diversion, security spending and sharing.

    The page tells how well every observation is met, what each value's interval owes to data and to
    priors, and which further observation would narrow the recommendation most. The case reproduces
    what was observed as today's market and carries what is left open as its uncertainty.
    """
    form = chosen(form, None)
    if symmetric and per_firm:
        raise typer.BadParameter(
            "says the opposite of --per-firm; give one of them", param_hint="--symmetric"
        )
    if out is not None and out.suffix.lower() not in CASE_ENDINGS:
        raise typer.BadParameter(
            f"{out}: a case is written to a file that ends in {' or '.join(CASE_ENDINGS)}; choose"
            " another ending",
            param_hint="--out",
        )
    file, page = Target(out, [data]), Target(None)
    from mechanism.analysis.calibration import BOOTSTRAP
    from mechanism.analysis.calibration import calibrate as calibrated
    from mechanism.analysis.calibration_tree import calibration_tree

    if bootstrap and not BOOTSTRAP[0] <= bootstrap <= BOOTSTRAP[1]:
        raise typer.BadParameter(
            f"{bootstrap} is outside of {BOOTSTRAP[0]} to {BOOTSTRAP[1]}; take a number within",
            param_hint="--bootstrap",
        )
    found = calibrated(
        data,
        common=common or (),
        priors=prior or (),
        noise=noise or (),
        per_firm=[] if symmetric else per_firm,
        name=name,
        units=unit or (),
        bootstrap=bootstrap,
        seed=seed,
    )
    tree = calibration_tree(found)
    from cli.pages.calibration import calibration
    from cli.pages.forms import deliver
    from cli.pages.rows import calibration_csv

    deliver(
        tree,
        form,
        page,
        page=lambda page: calibration(shown(tree), page, digits),
        csv=lambda: calibration_csv(tree),
        stamp=stamp,
    )
    if form is not OutputFormat.table:
        say((f"warning: {one['message']}" for one in tree["warnings"]), quiet=quiet)
    if found.refused is not None:
        told = found.refused.code if form is OutputFormat.table else found.refused.reason
        leave_unmet([f"not met: no case describes these data: {told}"])
    assert found.case_file is not None
    if out is not None:
        file.write(found.case_file)
        say([f"written to {file.path}"], quiet=quiet)
    elif form is OutputFormat.table:
        say(["no case is written; --out case.yaml writes it"], quiet=quiet)
    if strict:
        leave_unmet(f"not met: warning {one['code']}" for one in tree["warnings"])
