"""`pigou evaluate`: one case, end to end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import (
    REPORTS,
    CaseFile,
    DigitsOption,
    EmitOption,
    FormatOption,
    OutOption,
    OutputFormat,
    QuietOption,
    SeedOption,
    StampOption,
    StrictOption,
    chosen,
)
from cli.output.write import Target, leave_unmet, say
from cli.pictures.option import asked, picture_option

if TYPE_CHECKING:
    from mechanism.casefile.policy_case import PolicyCase
    from mechanism.report.results import Evaluation

EPILOG = """\b
Examples:
  pigou evaluate two_vendors.yaml
  pigou evaluate private_spillovers.yaml --details   every finding
  pigou evaluate two_vendors.yaml --quick          without what would overturn the answer
  pigou evaluate two_vendors.yaml --format json --out result.json
  pigou evaluate two_vendors.yaml --format csv     the comparison of policies
  pigou evaluate two_vendors.yaml --out report.html   what pigou report writes
  pigou evaluate two_vendors.yaml --picture who_gains --out gains.svg

Exit code 3: a regime has no solution, or an expected result is missed."""


def evaluate(
    case: CaseFile,
    form: FormatOption = None,
    out: OutOption = None,
    digits: DigitsOption = 5,
    seed: SeedOption = 0,
    quiet: QuietOption = False,
    strict: StrictOption = False,
    stamp: StampOption = False,
    emit_python: EmitOption = False,
    picture: Annotated[str | None, picture_option("evaluate")] = None,
    details: Annotated[
        bool,
        typer.Option(
            "--details", help="Every finding on the page, and why firms would tell the truth."
        ),
    ] = False,
    switches: Annotated[
        bool,
        typer.Option(
            "--switches",
            help=(
                "Vary the numbers of the market in looking for what would overturn the answer, also"
                " where that takes long (private types, some markets); the standard always is."
            ),
        ),
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out what would overturn the answer.")
    ] = False,
) -> None:
    """Evaluate a case: what to do, who gains, what is paid.

    The answer comes first. Every regime is solved, with its proof; subsidy and tax of the
    mechanism, who would join, and the policies side by side follow.
    """
    if switches and quick:
        raise typer.BadParameter("leaves out what --switches asks for", param_hint="--quick")
    asked_for = True if switches else False if quick else None
    if out is not None and out.suffix.lower() in REPORTS and form is picture is None:
        from cli.commands.report import report

        if switches or quick:
            raise typer.BadParameter(
                "a report decides by itself what is looked for; write the result as .json and"
                " give that to pigou report",
                param_hint="--switches" if switches else "--quick",
            )
        report([case], out, quiet=quiet)
        return
    target = Target(out, [case])
    drawn = asked("evaluate", picture, form, out, script=emit_python)
    form = chosen(form, None if drawn else out, script=emit_python, sheets=True, reports=True)
    if emit_python:
        from cli.results.script import evaluate_script
        from cli.shipped import load

        load([case])
        target.write(evaluate_script(case, asked_for))
        return
    result = results([case], asked_for, quiet=quiet)[0]
    from cli.pages.evaluation import evaluation
    from cli.pages.forms import deliver
    from cli.pages.rows import as_csv, case_labels
    from cli.pages.sheets import evaluation_sheets
    from mechanism.report.evaluation_tree import comparison_rows

    labels = case_labels([result], [case])
    deliver(
        result,
        form,
        target,
        page=lambda page: evaluation(result, page, digits, details),
        csv=lambda: as_csv(comparison_rows([result], labels)),
        sheets=lambda: evaluation_sheets(result, labels[0]),
        stamp=stamp,
        instead=drawn,
    )
    if form is not OutputFormat.table or out is not None or drawn is not None:
        say((f"warning: {warning['message']}" for warning in result["warnings"]), quiet=quiet)
    finish([result], target, quiet=quiet, strict=strict)


def results(
    paths: list[Any], switches: bool | None = False, *, quiet: bool = False
) -> list[dict[str, Any]]:
    """The results of the cases in these files, with `switches` what would overturn the answer too;
    all are read before any is evaluated. Unless `quiet`, it is told how many of a case's drawn
    markets are solved."""
    from cli.shipped import load

    cases = load(paths)
    from mechanism.report.evaluation_tree import evaluation_tree

    return [evaluation_tree(evaluated(case, switches, quiet=quiet)) for case in cases]


def evaluated(case: PolicyCase, switches: bool | None = False, *, quiet: bool) -> Evaluation:
    """A case evaluated, with how many of its drawn markets are solved on stderr unless `quiet`."""
    from mechanism.uncertainty.evaluated import evaluate as evaluate_case

    if case.uncertainty is None:
        return evaluate_case(case, switches)
    from cli.batch.progress import Progress

    with Progress(0, quiet=quiet) as progress:
        return evaluate_case(case, switches, progress.tell)


def finish(found: list[dict[str, Any]], target: Target, *, quiet: bool, strict: bool) -> None:
    """Say what was written and what does not hold; leave with 3 if something does not."""
    if target.path is not None:
        say([f"written to {target.path}"], quiet=quiet)
    several = len(found) > 1
    complaints = [
        f"{result['case']['name']}: {complaint}" if several else complaint
        for result in found
        for complaint in not_met(result, strict)
    ]
    leave_unmet(f"not met: {complaint}" for complaint in complaints)


def not_met(result: dict[str, Any], strict: bool) -> list[str]:
    """What was asked for and does not hold: solutions, small regret, expected results; if strict,
    constraints and no warnings."""
    from cli.pages.evaluation import missed
    from market.model.outcome import SOLVED
    from market.solve.tolerances import DEFAULT
    from mechanism.casefile.policies import policy_of

    full = result["mechanism"]["full_information"]
    outcomes = (
        dict(result["regimes"])
        if full is None
        else {**result["regimes"], "regulated": full["regulated"]}
    )
    unsolved = {
        key: f"{key} is {outcome['status']}: {outcome['message']}"
        for key, outcome in outcomes.items()
        if outcome["status"] not in SOLVED
    }
    for row in result["comparison"]:
        # The full-information scheme stands or falls with the regulated market and the optimum,
        # which are outcomes themselves; that no rates lead to the planner's levels is a finding.
        if row["status"] not in SOLVED and not policy_of(row["policy"]).told_elsewhere:
            unsolved.setdefault(
                row["policy"], f"{row['policy']} is {row['status']} in the comparison"
            )
    complaints = list(unsolved.values())
    complaints += [
        f"{key} has a regret of {outcome['certificate']['regret']:.1e}, above {DEFAULT.regret:g}"
        for key, outcome in outcomes.items()
        if (outcome["certificate"]["regret"] or 0.0) > DEFAULT.regret
    ]
    complaints += missed(result)
    own = result["mechanism"]["reported"]
    if own is not None and own["design"] is not None and own["design"]["status"] == "infeasible":
        complaints.append(
            "no transfers meet the truth-telling, participation and budget asked for: the design is"
            " infeasible"
        )
    rule = result["case"]["mechanism"]["tax_rule"]
    if own is None and (why := result["mechanism"].get("why_not", {}).get(rule)):
        complaints.append(f"there is no result for the case's own tax rule ({rule}): {why['text']}")
    if strict:
        complaints += [f"{place} is violated" for place in violated(result)]
        complaints += [
            f"warning {warning['code']}: {warning['message']}" for warning in result["warnings"]
        ]
    return complaints


def violated(result: dict[str, Any]) -> list[str]:
    """The case's own incentive and participation constraints that are violated, by their place in
    the result."""
    full, reported = result["mechanism"]["full_information"], result["mechanism"]["reported"]
    form = result["case"]["mechanism"]["participation"]
    checks = {}
    if full is not None and form != "none":
        checks[f"full_information.{form}"] = full["participation"][form]
    if reported is not None:
        checks |= {
            f"reported.{key}": reported["checks"][key] for key in ("ic", form) if key != "none"
        }
    return [place for place, check in checks.items() if check["status"] == "violated"]
