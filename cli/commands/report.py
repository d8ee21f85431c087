"""`pigou report`: one file to hand on."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from cli.batch.parts import known_ending
from cli.commands.evaluate import evaluated, finish
from cli.completion import keys_to_redact
from cli.exit_codes import NOT_MET
from cli.options import REPORTS, OutOption, QuietOption, ToleranceOption
from cli.output.write import Target, say
from market.text import needs

if TYPE_CHECKING:
    from cli.report.document import Report
    from mechanism.casefile.policy_case import PolicyCase
    from mechanism.report.results import Evaluation

EPILOG = """\b
Examples:
  pigou report two_vendors.yaml --out report.html
  pigou report result.json --out report.html          what pigou evaluate wrote, checked first
  pigou report rivals.yaml two_vendors.yaml --out both.html
  pigou report result.parquet --out batch.html        the findings of a batch
  pigou report two_vendors.yaml --redact cost --redact firms --out public.html

Exit code 3: figures of a result differ from what its input gives here; or as of evaluate."""

SAMPLE = 20
"""Cases of a batch that are run again before its findings are reported."""
MOST = 50
"""Cases that one report compares at most."""


class ReportFormat(StrEnum):
    """What a report is written as."""

    html = "html"
    md = "md"


def report(
    cases: Annotated[
        list[Path],
        typer.Argument(
            metavar="CASE|RESULT...",
            help="Case files, JSON of evaluate or compare, or the result of one batch.",
            show_default=False,
        ),
    ],
    out: OutOption = None,
    form: Annotated[
        ReportFormat | None,
        typer.Option(
            "--format",
            help="HTML or Markdown.",
            show_default="html, or by the ending of --out: .html, .md",
        ),
    ] = None,
    redact: Annotated[
        list[str] | None,
        typer.Option(
            "--redact",
            metavar="KEY",
            help=(
                "Leave out a confidential input and all that would tell it: a dotted key, a block"
                " such as cost, or name, firms, units, reference; may be repeated."
            ),
            autocompletion=keys_to_redact,
            show_default=False,
        ),
    ] = None,
    tolerance: ToleranceOption = 1e-9,
    quiet: QuietOption = False,
) -> None:
    """Write a report that can be handed on: one file, readable without a network.

    The answer comes first, in plain words; the market, the method, the proof and where everything
    comes from follow. Several cases are compared. A result is solved again, and refused if its
    figures differ.
    """
    target = Target(out, cases)
    form = _chosen(form, out)
    if missing := [name for name in ("jinja2", "matplotlib") if find_spec(name) is None]:
        raise typer.BadParameter(
            f"a report {needs(' and '.join(missing), 'report', ' '.join(missing))}",
            param_hint="report",
        )
    if any(map(known_ending, cases)):
        if redact:
            raise typer.BadParameter(
                "of a batch nothing can be left out: its table holds the inputs",
                param_hint="--redact",
            )
        _write(_batch(cases, tolerance, quiet=quiet), form, target)
        finish([], target, quiet=quiet, strict=False)
        return
    _write_cases(_read(list(dict.fromkeys(cases)), tolerance), redact or [], form, target, quiet)


def _chosen(form: ReportFormat | None, out: Path | None) -> ReportFormat:
    """The format asked for, or the one that the name of the file asks for."""
    ending = out.suffix.lower() if out else ""
    meant = {key: ReportFormat.md if key == ".md" else ReportFormat.html for key in REPORTS}
    if ending and ending not in meant:
        raise typer.BadParameter(
            f"{out}: reports are written to files that end in .html or .md", param_hint="--out"
        )
    own = meant.get(ending)
    if form is not None and own not in (None, form):
        raise typer.BadParameter(f"{out}: {form} is not what it holds", param_hint="--out")
    return form or own or ReportFormat.html


def _write(made: Report, form: ReportFormat, target: Target) -> None:
    from cli.report.render import rendered
    from mechanism.version import VERSION

    target.write(rendered(made, form.value, VERSION))


Given = tuple[str, "PolicyCase", "Evaluation | None"]
"""What a case is called, the case, and what is found of it where that is known already."""


def _read(paths: Sequence[Path], tolerance: float) -> list[Given]:
    """The cases with what each is called, those of results after their figures came out again."""
    from cli.results.again import differing_here
    from cli.results.read import NoResult, read_back
    from cli.results.side_by_side import is_result
    from cli.shipped import load
    from market.casefile.files import unreadable

    def is_case(path: Path) -> bool:
        try:
            return bool(unreadable(path)) or not is_result(path)
        except NoResult:  # no JSON at all: what is wrong is told as of a case
            return True

    plain = [path for path in paths if is_case(path)]
    loaded = dict(zip(plain, load(plain), strict=True))
    out: list[Given] = []
    for path in paths:
        if path in loaded:
            out.append((str(path), loaded[path], None))
            continue
        try:
            read = read_back(path)
            if read.command not in ("evaluate", "compare"):
                raise NoResult(
                    f"is of pigou {read.command}; a report is made of cases, and of what evaluate,"
                    " compare and batch write"
                )
            found, _ = differing_here(read, tolerance)
        except NoResult as error:
            raise typer.BadParameter(f"{path} {error}", param_hint="RESULT") from None
        if found:
            _refuse(path, [one.path for one in found])
        called = (
            [str(path)]
            if read.command == "evaluate"
            else [str(row["case"]) for row in read.tree if row["resolved"] is not None]
        )
        out += [
            (name, told.case, told) for name, told in zip(called, read.evaluations, strict=True)
        ]
    if len(out) > MOST:
        raise typer.BadParameter(
            f"{len(out):,} cases are more than a report compares ({MOST}); pigou batch and a report"
            " of its result take any number",
            param_hint="CASE",
        )
    return out


def _write_cases(
    given: Sequence[Given],
    redact: Sequence[str],
    form: ReportFormat,
    target: Target,
    quiet: bool,
) -> None:
    """Evaluate cases, leave out what is confidential, and write their report."""
    from cli.pages.forms import run_told
    from cli.pages.rows import case_labels
    from cli.report.document import of_case, of_cases
    from cli.report.pictures import pictures
    from cli.report.redaction import NotRedactable, hidden_keys, without_texts
    from cli.report.subject import Subject
    from mechanism.analysis.evaluation import with_switches
    from mechanism.casefile.policy_case import parse_tree

    try:
        hidden, texts = hidden_keys([case.resolved for _, case, _ in given], redact)
    except NotRedactable as error:
        raise typer.BadParameter(str(error), param_hint="--redact") from None
    if texts:
        bare = [
            parse_tree(without_texts(case.resolved, texts), name=f"case {n}")
            for n, (_, case, _) in enumerate(given, 1)
        ]
        given = [
            (case.name if "name" in texts else where, case, None)
            for (where, *_), case in zip(given, bare, strict=True)
        ]
    names = case_labels(
        [{"case": case.resolved} for _, case, _ in given], [where for where, *_ in given]
    )
    subjects = []
    for name, (_, case, known) in zip(names, given, strict=True):
        found = known or evaluated(case, quiet=quiet)
        told = found.recommendation
        if told is not None and told.policy is not None and told.robust is None:
            found = with_switches(found, numbers=found.types is None)
        subjects.append(Subject(label=name, found=found, hidden=hidden))
    for subject in subjects:
        subject.result["provenance"]["run"] = run_told(target.begun)
    drawn = [pictures(subject, f"p{n}") for n, subject in enumerate(subjects, 1)]
    made = (
        of_case(subjects[0], drawn[0], texts)
        if len(subjects) == 1
        else of_cases(subjects, drawn, texts)
    )
    _write(made, form, target)
    finish([subject.result for subject in subjects], target, quiet=quiet, strict=False)


def _batch(paths: list[Path], tolerance: float, *, quiet: bool) -> Report:
    """The report of a batch's findings, some of its cases run again before."""
    from cli.batch.formats import read_firms
    from cli.commands.compare import batch_findings
    from cli.commands.verify import batch_checked
    from cli.pages.findings import findings_page
    from cli.pages.page import Page
    from cli.report.document import WIDTH, of_batch
    from cli.report.subject import DIGITS
    from cli.results.read import NoResult

    found, path = batch_findings(paths, []), paths[0]
    try:
        again = batch_checked(path, SAMPLE, tolerance, quiet=quiet)
    except NoResult as error:
        raise typer.BadParameter(f"{path} {error}", param_hint="RESULT") from None
    if not again["same"]:
        _refuse(path, [row["key"] for row in again["differences"]])
    page = Page(WIDTH)
    findings_page(found, path.name, page, DIGITS, read_firms(path))
    return of_batch(found, again["cases"]["checked"], path.name, page)


def _refuse(path: Path, keys: Sequence[str]) -> NoReturn:
    """Say which values differ, and leave."""
    some = ", ".join(keys[:3])
    say(
        [
            f"{path}: no report, for {len(keys):,} of its values differ from what its input gives"
            f" here, {some} among them (pigou verify names them all)"
        ]
    )
    raise typer.Exit(NOT_MET)
