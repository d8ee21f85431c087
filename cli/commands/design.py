"""`pigou design`: transfers, and if asked lotteries over alternatives, that make truth pay and
players join."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.exit_codes import NOT_MET
from cli.options import (
    DigitsOption,
    EmitOption,
    FormatOption,
    OutOption,
    OutputFormat,
    QuietOption,
    StampOption,
    StrictOption,
    chosen,
)
from cli.output.write import Target, leave_unmet, say, shown
from market.casefile.files import unreadable
from mechanism.design.rules import DESIGNED, setting_rules

EPILOG = """\b
Examples:
  pigou design private_spillovers.yaml --budget none
  pigou design settings/bilateral_trade.yaml --allocation efficient --budget none
  pigou design two_types.yaml --budget none --collusion proof
  pigou design settings/street_lights.yaml --tax-rule clarke --format json
  pigou design settings/partnership.yaml --vary tax_rule=designed,agv,clarke
  pigou design first.yaml second.yaml --format csv

A case file needs types; its mechanism block says what is asked, and the options here overrule
it. A setting file describes a problem without the market. Exit code 3: no mechanism does what is
asked (the conflicting constraints are named), the market has no outcome to design for, or the
solver gave no answer."""


if TYPE_CHECKING:
    from mechanism.analysis.designs import DesignResult, Option

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


KEYS: dict[str, list[str]] = {
    "tax_rule": list(setting_rules()),
    **{
        key: [one.value for one in choices]
        for key, choices in (
            ("objective", ObjectiveChoice),
            ("allocation", AllocationChoice),
            ("incentive", Incentive),
            ("participation", Participation),
            ("timing", Timing),
            ("budget", BudgetChoice),
            ("collusion", Collusion),
        )
    },
}
"""What can be varied, and its choices."""
MOST = 100
"""Designs that stand side by side."""
MET = ("optimal", "searched")
"""Statuses of a design with a mechanism."""


def _option(flag: str, text: str) -> Any:
    return typer.Option(flag, help=text, show_default="as in the file")


def _limit(flag: str, text: str) -> Any:
    return typer.Option(
        flag,
        metavar="AMOUNT|PLAYER=AMOUNT",
        help=f"{text}: for all, or by player (repeated).",
        show_default="as in the file",
    )


def design(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="CASE|SETTING",
            help="Case files with types, or setting files; several stand side by side.",
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
    transfer_floor: Annotated[
        list[str] | None,
        _limit("--transfer-floor", "The least a player may receive in any state"),
    ] = None,
    transfer_cap: Annotated[
        list[str] | None,
        _limit("--transfer-cap", "The most a player may receive in any state"),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary",
            metavar="KEY=A,B,...",
            help="Designs side by side, one with each of these choices of an option; may be"
            " repeated.",
            show_default=False,
        ),
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

    Several files, or choices with --vary, are designs side by side.

    The program is solved by HiGHS and, where it is small, by Clarabel too. If nothing does what is
    asked, the constraints that contradict each other are named with weights that prove it.
    """
    target = Target(out, files)
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
    options: dict[str, Option] = {
        key: value.value for key, value in given.items() if value is not None
    }
    options |= _limits({"transfer_floor": transfer_floor, "transfer_cap": transfer_cap})
    paths = list({os.path.realpath(path): path for path in reversed(files)}.values())[::-1]
    forms = _variants(vary or [], options)
    if len(paths) * len(forms) > MOST:
        raise typer.BadParameter(
            f"{len(paths) * len(forms):,} designs are more than {MOST}; take fewer files or"
            " choices",
            param_hint="--vary",
        )
    if emit_python:
        if len(paths) * len(forms) > 1:
            raise typer.BadParameter(
                "a script is of one design; give one file and no --vary", param_hint="--emit-python"
            )
        from cli.results.script import design_script

        if problem := unreadable(paths[0]):
            raise typer.BadParameter(f"{paths[0]}: {problem}", param_hint="CASE|SETTING")
        target.write(design_script(paths[0], options))
        return
    if len(paths) * len(forms) > 1:
        _several(
            paths, options, forms, form, target, digits, quiet=quiet, strict=strict, stamp=stamp
        )
        return
    from mechanism.analysis.designs_tree import design_tree

    result = design_tree(_solved(paths[0], options))
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
    if result["status"] not in MET:
        leave_unmet([f"not met: the design is {result['status']}: {result['verdicts'][0]}"])
    checks = result["checks"]["chosen"]
    truth, joins = checks["ic"]["status"], (checks["ir"] or {}).get("status")
    if strict and not _kept(truth, joins):
        leave_unmet([f"not met: {_unkept(truth, joins)}"])


def _kept(truth: str | None, joins: str | None) -> bool:
    """Whether truth and participation hold, as far as they were asked."""
    return truth == "holds" and joins in ("holds", None)


def _unkept(truth: str | None, joins: str | None) -> str:
    """What --strict has to say of a design that does not keep both."""
    return f"truth {truth}, participation {joins or 'not asked'}"


def _limits(given: dict[str, list[str] | None]) -> dict[str, Option]:
    """What players may receive: one number for all, or numbers by name."""
    found: dict[str, Option] = {}
    for key, texts in given.items():
        amounts: dict[str, float] = {}
        for text in texts or ():
            name, _, amount = text.rpartition("=")
            if name in amounts or (not name and len(texts or ()) > 1):
                raise _no_limit(key, f"{text} is one too many; give one number, or one by player")
            try:
                amounts[name] = float(amount)
            except ValueError:
                raise _no_limit(key, f"{text} is no number and no PLAYER=NUMBER") from None
        if amounts:
            found[key] = amounts.get("", amounts)
    return found


def _no_limit(key: str, message: str) -> typer.BadParameter:
    return typer.BadParameter(message, param_hint=f"--{key.replace('_', '-')}")


def _solved(path: Path, options: Mapping[str, Option]) -> DesignResult:
    from mechanism.analysis.designs import DesignError, NothingToDesignError, solve_file

    try:
        return solve_file(path, options)
    except NothingToDesignError as finding:
        say([f"not met: {path}: {finding}"])
        raise typer.Exit(NOT_MET) from None
    except DesignError as error:
        raise typer.BadParameter(f"{error} ({path})") from None


def _variants(texts: list[str], options: Mapping[str, Option]) -> list[dict[str, str]]:
    """The choices of options that stand side by side: all of one option with all of another."""
    given: dict[str, list[str]] = {}
    for text in texts:
        key, _, listed = text.partition("=")
        choices = list(dict.fromkeys(part.strip() for part in listed.split(",") if part.strip()))
        if key not in KEYS:
            raise typer.BadParameter(
                f"{key} is no option of a design; there are {', '.join(KEYS)}", param_hint="--vary"
            )
        if key in options or key in given:
            raise typer.BadParameter(
                f"{key} is given twice; vary it once, without an option of its own",
                param_hint="--vary",
            )
        wrong = [choice for choice in choices if choice not in KEYS[key]]
        if wrong or not choices:
            what = f"{wrong[0]} is no choice of {key}" if wrong else f"{key} is given no choice"
            raise typer.BadParameter(
                f"{what}; there are {', '.join(KEYS[key])}", param_hint="--vary"
            )
        given[key] = choices
    return [dict(zip(given, choices, strict=True)) for choices in product(*given.values())]


def _several(
    paths: list[Path],
    options: dict[str, Option],
    forms: list[dict[str, str]],
    form: OutputFormat,
    target: Target,
    digits: int,
    *,
    quiet: bool,
    strict: bool,
    stamp: bool,
) -> None:
    """Designs side by side."""
    found = [(path, each, _solved(path, options | each)) for path in paths for each in forms]
    from cli.pages.designs import design_labels, designs_csv, side_by_side
    from cli.pages.forms import deliver
    from cli.pages.sheets import designs_sheets
    from mechanism.analysis.designs_tree import design_rows

    labels = design_labels([(path, result.environment.name, each) for path, each, result in found])
    rows = design_rows(labels, [result for _, _, result in found])
    deliver(
        rows,
        form,
        target,
        page=lambda page: side_by_side(shown(rows), page, digits),
        csv=lambda: designs_csv(rows),
        sheets=lambda: designs_sheets(rows),
        stamp=stamp,
    )
    findings = []
    for row in rows:
        if row["status"] not in MET:
            findings.append(f"not met: {row['design']}: {row['finding']}")
        elif strict and not _kept(row["truth"], row["joins"]):
            unkept = _unkept(row["truth"], row["joins"])
            findings.append(f"not met: {row['design']}: {unkept}")
    leave_unmet(findings)
