"""`pigou batch`: many cases, in one table."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from cli.exit_codes import FAULT, INTERRUPTED, SOME_FAILED, USAGE
from cli.options import QuietOption, lacking
from cli.output.workbook import MOST_ROWS
from cli.output.write import Target, counted, say

EPILOG = """\b
Examples:
  pigou batch design.yaml --out result.parquet --jobs 8
  pigou batch design.yaml --out result.parquet --resume       after an interruption
  pigou batch design.yaml --out result.csv --dry-run          how many cases, how long
  pigou batch design.yaml --out result.parquet --cluster tcp://scheduler:8786

The design file names a base case, the keys to vary, how to sample them (grid, one_at_a_time,
sobol, latin_hypercube) or a table of values, and the policies. What is finished is kept in
RESULT.parts until the result is whole. The result is the same to the byte whatever --jobs and
however often the run was interrupted.

Exit code 4: some cases failed; their rows say why. 130: interrupted; --resume goes on."""


LIBRARIES = (
    (".parquet", "pyarrow", "pyarrow", "batch"),
    (".xlsx", "xlsxwriter", "XlsxWriter", "tables"),
)
"""Endings of results, what has to be there to write them, and the extra that brings it."""
LEAST_JOBS, JOBS_PER_PROCESSOR = 16, 4
"""Processes that every machine may be given, and those that it may be given for each of its
processors."""


def batch(
    design: Annotated[
        Path,
        typer.Argument(
            metavar="DESIGN", help="A design file: YAML, JSON or TOML.", show_default=False
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="PATH",
            help="The result: a .parquet, .csv or .xlsx file.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start again, whatever is there.")
    ] = False,
    jobs: Annotated[
        int, typer.Option("--jobs", min=1, metavar="N", help="Processes on this machine.")
    ] = 1,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="ADDRESS|local",
            help="A dask scheduler, or local: one with N workers here.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say how many cases, how long and how large; write nothing."
        ),
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Evaluate many cases: grids, samples or a table of them.

    One row per case and policy: levels, prices, profits, welfare, outlay, incentive and
    participation, and the proof's residuals.
    """
    path = _target(design, out, jobs, resume=resume, overwrite=overwrite, dry_run=dry_run)
    from cli.batch.design import load_design

    plan = load_design(design)
    Target(out, plan.files)
    say((f"warning: {warning}" for warning in plan.warnings), quiet=quiet)
    if path.suffix.lower() == ".xlsx" and (most := plan.count * len(plan.policies)) > MOST_ROWS:
        raise typer.BadParameter(
            f"{most:,} rows are more than the {MOST_ROWS:,} of a sheet; write a .parquet or a .csv"
            " file",
            param_hint="--out",
        )
    if dry_run:
        from cli.batch.estimate import estimate
        from cli.batch.formats import format_for
        from cli.batch.work import Work, result_columns

        print("\n".join(estimate(Work(plan), format_for(path, result_columns(plan))).lines(jobs)))
        return
    from cli.batch.parts import Refused, folder_of
    from cli.batch.progress import Progress
    from cli.batch.runner import WorkersDied, run
    from cli.batch.work import job
    from mechanism.version import VERSION

    kept = f"what is finished is kept in {folder_of(path)}"
    again = (
        f"pigou batch {design} --out {out} --resume"
        + (f" --jobs {jobs}" if jobs > 1 else "")
        + (f" --cluster {cluster}" if cluster else "")
    )
    try:
        with Progress(plan.count, quiet=quiet) as progress:
            found = run(
                job(plan, path.suffix.lower(), VERSION),
                path,
                jobs=min(jobs, plan.count),
                cluster=cluster,
                resume=resume,
                overwrite=overwrite,
                progress=progress,
            )
    except Refused as refused:
        say(f"pigou batch: {refused}".splitlines())
        raise typer.Exit(USAGE) from None
    except KeyboardInterrupt:
        say([f"interrupted; {kept}. To go on: {again}"])
        raise typer.Exit(INTERRUPTED) from None
    except WorkersDied as died:
        say([f"pigou: {died}; {kept}. To go on: {again}"])
        raise typer.Exit(FAULT) from None
    except OSError as error:
        if not os.path.lexists(folder_of(path)):
            raise typer.BadParameter(
                f"{out}: cannot be written ({error.strerror or error})", param_hint="--out"
            ) from None
        say(
            [
                f"pigou: cannot write the result: {error.strerror or error}; {kept}. Once there is"
                f" room, go on: {again}"
            ]
        )
        raise typer.Exit(FAULT) from None
    earlier = f", {found.kept:,} of them by an earlier run" if found.kept else ""
    cases, rows = counted(plan.count, "case"), counted(plan.count * len(plan.policies), "row")
    say([f"written to {path}: {cases}{earlier}, {rows}"], quiet=quiet)
    if found.failed:
        say(
            [
                f"{found.failed:,} of {cases} failed; the columns status (bad_case, failed) and"
                " message of their rows say why"
            ]
        )
        raise typer.Exit(SOME_FAILED)


def _target(
    design: Path, out: Path | None, jobs: int, *, resume: bool, overwrite: bool, dry_run: bool
) -> Path:
    """Where the result goes, if what is asked makes sense together and may be written there."""
    if resume and overwrite:
        raise typer.BadParameter(
            "--resume goes on and --overwrite starts again; give one of them", param_hint="--resume"
        )
    if out is None and not dry_run:
        raise typer.BadParameter(
            "name the result: a .parquet or a .csv file, or .xlsx", param_hint="--out"
        )
    most = max(LEAST_JOBS, JOBS_PER_PROCESSOR * (os.cpu_count() or 1))
    if jobs > most:
        raise typer.BadParameter(
            f"{jobs:,} processes are more than the {most} that this machine is given at most",
            param_hint="--jobs",
        )
    path = Target(out, [design]).path or Path("result.parquet")
    from cli.batch.runner import refusal

    if reason := refusal(path, resume=resume or dry_run, overwrite=overwrite):
        raise typer.BadParameter(reason, param_hint="--out")
    for ending, module, name, extra in LIBRARIES:
        if path.suffix.lower() == ending and find_spec(module) is None:
            raise lacking(ending, name, extra)
    return path
