"""`pigou design`: transfers, and if asked lotteries over alternatives, that make truth pay and
players join."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.exit_codes import NOT_MET
from cli.options import (
    DigitsOption,
    EmitOption,
    FormatOption,
    OutOption,
    QuietOption,
    StampOption,
    StrictOption,
    chosen,
)
from cli.output.write import Target, say, shown
from market.casefile.files import unreadable
from mechanism.design.rules import DESIGNED, setting_rules

EPILOG = """\b
Examples:
  pigou design private_spillovers.yaml --budget none
  pigou design settings/bilateral_trade.yaml --allocation efficient --budget none
  pigou design two_types.yaml --budget none --collusion proof
  pigou design settings/street_lights.yaml --tax-rule clarke --format json

A case file needs types; its mechanism block says what is asked, and the options here overrule
it. A setting file describes a problem without the market. Exit code 3: no mechanism does what is
asked (the conflicting constraints are named), or the solver gave no answer."""


if TYPE_CHECKING:
    Rule = StrEnum
else:
    Rule = StrEnum("Rule", {key: key for key in setting_rules()})
    """The tax rules of the table."""


class ObjectiveChoice(StrEnum):
    """What designed transfers minimise, or maximise."""

    min_outlay = "min_outlay"
    max_surplus = "max_surplus"
    min_worst_deficit = "min_worst_deficit"
    min_violation = "min_violation"


class AllocationChoice(StrEnum):
    """Which alternative is taken."""

    efficient = "efficient"
    second_best = "second_best"


class Incentive(StrEnum):
    """How strong truth-telling is."""

    bayesian = "bayesian"
    dominant = "dominant"


class Participation(StrEnum):
    """Against what players compare joining."""

    outside = "outside"
    ir1 = "ir1"
    ir_market = "ir_market"
    ir2 = "ir2"
    none = "none"


class Timing(StrEnum):
    """What a player knows when it joins."""

    interim = "interim"
    ex_post = "ex_post"


class BudgetChoice(StrEnum):
    """Where public money is limited."""

    ex_ante = "ex_ante"
    ex_post = "ex_post"
    none = "none"


class Collusion(StrEnum):
    """Whether players that agree on their reports are a concern."""

    ignored = "ignored"
    proof = "proof"


def _option(flag: str, text: str) -> Any:
    return typer.Option(flag, help=text, show_default="as in the file")


def design(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="CASE|SETTING",
            help="A case file with types, or a setting file.",
            show_default=False,
        ),
    ],
    tax_rule: Annotated[
        Rule | None, _option("--tax-rule", f"A rule with a formula, or {DESIGNED}: solved for.")
    ] = None,
    objective: Annotated[
        ObjectiveChoice | None, _option("--objective", "What designed transfers are best at.")
    ] = None,
    allocation: Annotated[
        AllocationChoice | None,
        _option("--allocation", "The best alternative everywhere, or lotteries."),
    ] = None,
    incentive: Annotated[
        Incentive | None, _option("--incentive", "Truth in expectation, or whatever others report.")
    ] = None,
    participation: Annotated[
        Participation | None,
        _option("--participation", "Outside option; settings know outside and none."),
    ] = None,
    timing: Annotated[
        Timing | None, _option("--timing", "Joining given the own type alone, or in every state.")
    ] = None,
    budget: Annotated[
        BudgetChoice | None,
        _option("--budget", "No net public money in expectation, in every state, or no limit."),
    ] = None,
    collusion: Annotated[
        Collusion | None,
        _option("--collusion", "Proof: no joint report of all players may pay either."),
    ] = None,
    form: FormatOption = None,
    out: OutOption = None,
    digits: DigitsOption = 5,
    quiet: QuietOption = False,
    strict: StrictOption = False,
    stamp: StampOption = False,
    emit_python: EmitOption = False,
) -> None:
    """Design transfers: which net payments make truth pay and everybody join, and what they cost.

    The program is solved by HiGHS and, where it is small, by Clarabel too. If nothing does what is
    asked, the constraints that contradict each other are named with weights that prove it.
    """
    target = Target(out, [file])
    form = chosen(form, out, script=emit_python, sheets=True)
    given = {
        "tax_rule": tax_rule,
        "objective": objective,
        "allocation": allocation,
        "incentive": incentive,
        "participation": participation,
        "timing": timing,
        "budget": budget,
        "collusion": collusion,
    }
    options = {key: value.value for key, value in given.items() if value is not None}
    if emit_python:
        from cli.results.script import design_script

        if problem := unreadable(file):
            raise typer.BadParameter(f"{file}: {problem}", param_hint="CASE|SETTING")
        target.write(design_script(file, options))
        return
    from mechanism.analysis.designs import DesignError, solve_file
    from mechanism.analysis.designs_tree import design_tree

    try:
        result = design_tree(solve_file(file, options))
    except DesignError as error:
        raise typer.BadParameter(str(error)) from None
    from cli.pages.design import designed
    from cli.pages.forms import deliver
    from cli.pages.rows import transfers_csv
    from cli.pages.sheets import design_sheets

    deliver(
        result,
        form,
        target,
        page=lambda page: designed(shown(result), page, digits),
        csv=lambda: transfers_csv(result),
        sheets=lambda: design_sheets(result),
        stamp=stamp,
    )
    if result["status"] not in ("optimal", "searched"):
        say([f"not met: the design is {result['status']}: {result['verdicts'][0]}"], quiet=quiet)
        raise typer.Exit(NOT_MET)
    checks = result["checks"]
    if strict and any(
        c["status"] != "holds"
        for c in (checks["chosen"]["ic"], checks["chosen"]["ir"])
        if c is not None
    ):
        raise typer.Exit(NOT_MET)
