"""`pigou what-if`: one changed number, or many."""

from __future__ import annotations

import math
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.completion import keys_to_set, keys_to_vary, policy_names
from cli.options import (
    CaseFile,
    DigitsOption,
    EmitOption,
    FormatOption,
    OutOption,
    QuietOption,
    StampOption,
    chosen,
)
from cli.output.write import Target, leave_unmet, say
from cli.pictures.option import asked, picture_option

EPILOG = """\b
Examples:
  pigou what-if two_vendors.yaml --set cost.scale=15
  pigou what-if two_vendors.yaml --set @dear.yaml --set demand.intercept=[20,24]
  pigou what-if two_vendors.yaml --vary security.rivalry=0:0.9:200
  pigou what-if two_vendors.yaml --vary cost.scale=8:20:25 --vary demand.cross_slope=0.2:1.3:25
  pigou what-if two_vendors.yaml --vary security.rivalry=0:0.9:200 --picture path --out path.svg
  pigou what-if private_spillovers.yaml --vary cost.max_saving=0.1:0.6:11 --policy groves

Keys are the dotted keys of the case file; demand.intercept[0] is firm 1's. @FILE is a part of a
case file laid over the case. Changes are made in the order given.

Exit code 3: with --set, some regime of the case or of the changed case has no solution. Along
--vary that is a finding."""

COUNT = 51
"""Points of a path that does not say."""
MOST = 100_000
"""Points of the largest path or grid."""


def what_if(
    case: CaseFile,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE|@FILE",
            help="Change a value; may be repeated.",
            show_default=False,
            autocompletion=keys_to_set,
        ),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary",
            metavar="KEY=LO:HI:N",
            help="Let a key run from LO to HI over N points (51); once or twice.",
            show_default=False,
            autocompletion=keys_to_vary,
        ),
    ] = None,
    policies: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            metavar="NAME",
            help="A policy to follow, by the names of `pigou evaluate`; may be repeated.",
            show_default="all that may be recommended, and the planner",
            autocompletion=policy_names,
        ),
    ] = None,
    form: FormatOption = None,
    out: OutOption = None,
    digits: DigitsOption = 5,
    quiet: QuietOption = False,
    stamp: StampOption = False,
    emit_python: EmitOption = False,
    picture: Annotated[str | None, picture_option("what-if")] = None,
) -> None:
    """See what changes: a changed case beside the case as it is, or policies along one or two keys.

    With --set alone the recommendation, every regime, policy and tax rule stand before, after, and
    with their change. With --vary the path of every policy, what is recommended at every point, and
    the values at which that or the order of two policies changes, a bound begins to bind or a tax
    rule stops to work, bracketed to a millionth of the range.
    """
    if not sets and not vary:
        raise typer.BadParameter(
            "nothing is changed; give --set KEY=VALUE or --vary KEY=LO:HI:N", param_hint="--set"
        )
    if policies and not vary:
        raise typer.BadParameter(
            "policies are followed along --vary; with --set alone all are shown",
            param_hint="--policy",
        )
    if vary and len(vary) > 2:
        raise typer.BadParameter(
            "one or two keys can be varied; a batch takes more (pigou batch)", param_hint="--vary"
        )
    target = Target(
        out, [case, *(Path(given[1:]) for given in sets or [] if given.startswith("@"))]
    )
    drawn = asked("what-if", picture, form, out, script=emit_python)
    form = chosen(form, None if drawn else out, script=emit_python, sheets=True)
    from cli.shipped import load
    from mechanism.casefile.policy_case import parse_tree
    from mechanism.casefile.uncertainty import left_unused

    baseline = load([case])[0]
    changed = parse_tree(
        **changed_tree(baseline.resolved, sets or [], str(case)), name=baseline.name
    )
    if emit_python:
        target.write(_script(case, baseline, changed, vary or [], policies or []))
        return
    if unused := left_unused(changed.uncertainty):
        say([f"note: {unused}"], quiet=quiet)
    if vary:
        given = {text.partition("=")[0] for text in sets or []}
        if twice := given & {text.partition("=")[0] for text in vary}:
            raise typer.BadParameter(
                f"{min(twice)} is set and varied; give one of them", param_hint="--vary"
            )
        result = path(baseline, changed, vary, policies or [], quiet=quiet)
    else:
        from mechanism.analysis.difference import difference
        from mechanism.analysis.evaluation import evaluate
        from mechanism.analysis.what_if_tree import difference_tree

        result = difference_tree(difference(evaluate(baseline), evaluate(changed)))
    from cli.pages.forms import deliver
    from cli.pages.rows import difference_csv, path_csv
    from cli.pages.sheets import difference_sheets, path_sheets
    from cli.pages.what_if import differences, over_a_grid, path_page

    page_of = differences if not vary else over_a_grid if len(vary) == 2 else path_page
    deliver(
        result,
        form,
        target,
        page=lambda page: page_of(result, page, digits),
        csv=lambda: (path_csv if vary else difference_csv)(result),
        sheets=lambda: (path_sheets if vary else difference_sheets)(result),
        stamp=stamp,
        instead=drawn,
    )
    if target.path is not None:
        say([f"written to {target.path}"], quiet=quiet)
    if not vary:
        from cli.commands.evaluate import not_met

        complaints = []
        for name in ("baseline", "changed"):
            complaints += [
                f"{name}: {text}" for text in not_met({**result[name], "expectations": []}, False)
            ]
        leave_unmet(f"not met: {complaint}" for complaint in complaints)


def _script(path: Path, baseline: Any, changed: Any, vary: list[str], policies: list[str]) -> str:
    """The script that does what was asked."""
    from cli.results.script import NoScript, sweep_script, what_if_script

    try:
        if not vary:
            return what_if_script(path, baseline, changed)
        spans, chosen_policies = asked_path(changed, vary, policies)
        return sweep_script(path, baseline, changed, spans, chosen_policies)
    except NoScript as error:
        raise typer.BadParameter(str(error), param_hint="--emit-python") from None


def changed_tree(resolved: dict[str, Any], sets: list[str], path: str) -> dict[str, Any]:
    """The resolved case with the changes made in the order given, and as a document that knows
    where they stand; what is expected of the case is not expected of the changed one."""
    from market.casefile.faults import Fault, Place
    from market.casefile.faults import show as brief
    from market.casefile.files import BadCase, Document, KeyPath, merged, read_document, read_value
    from mechanism.casefile.case_keys import key_fault, key_path, set_at

    tree: dict[str, Any] = {**resolved, "expect": {}}
    places: dict[KeyPath, Place] = {(): Place(path)}
    for given in sets:
        if given.startswith("@"):
            if given == "@":
                raise typer.BadParameter("@ names no file; write @FILE", param_hint="--set")
            part = read_document(Path(given[1:]))
            tree = merged(
                tree, {key: value for key, value in part.tree.items() if key != "expect"}, set()
            )
            places |= {at: place for at, place in part.places.items() if at}
            continue
        key, equals, text = given.partition("=")
        if not equals or not key:
            raise typer.BadParameter(
                f"{brief(given)} is no change; write KEY=VALUE, or @FILE", param_hint="--set"
            )
        if message := key_fault(tree, key, whole=True):
            raise BadCase([Fault(None, f"--set {key}", message)])
        tree = deepcopy(tree)
        try:
            value = read_value(text, "--set")
        except BadCase as bad:
            raise typer.BadParameter(
                f"{brief(text)} is no value of a case file: {bad.faults[0].message}",
                param_hint="--set",
            ) from None
        set_at(tree, key_path(key), value)
        places[key_path(key)] = places[key_path(key.partition("[")[0])] = Place("--set")
    return {"tree": tree, "document": Document(tree, places, (path,))}


def asked_path(case: Any, vary: list[str], policies: list[str]) -> tuple[list[Any], list[str]]:
    """The keys that are varied and the policies that are followed, both as they may be."""
    from cli.naming import no_policy, on_reports
    from mechanism.analysis.what_if import usual_policies

    spans = [span_of(given, case.resolved) for given in vary]
    if len({span.key for span in spans}) < len(spans):
        raise typer.BadParameter(f"{spans[0].key} is varied twice", param_hint="--vary")
    count = 1
    for span in spans:
        count *= span.count
    if count > MOST:
        raise typer.BadParameter(
            f"{count:,} points are more than {MOST:,}; pigou batch takes any number",
            param_hint="--vary",
        )
    for policy in policies:
        if message := no_policy(policy):
            raise typer.BadParameter(f"{policy} {message}", param_hint="--policy")
        if on_reports(policy) and case.types is None:
            raise typer.BadParameter(f"{policy} needs `types` in the case", param_hint="--policy")
    return spans, list(dict.fromkeys(policies)) or list(usual_policies(case))


def path(
    baseline: Any, case: Any, vary: list[str], policies: list[str], *, quiet: bool
) -> dict[str, Any]:
    """The figures along one or two keys of a case, of which something may have been set first."""
    from cli.batch.progress import Progress
    from mechanism.analysis.what_if import along
    from mechanism.analysis.what_if_tree import path_tree
    from mechanism.casefile.case_keys import expanded, key_path, value_at

    spans, chosen = asked_path(case, vary, policies)
    count = math.prod(span.count for span in spans)
    for span in spans:
        held = value_at(expanded(case.resolved, key_path(span.key)), key_path(span.key))
        if isinstance(held, list):
            first = f"{span.key}[0] is {case.market.firms[0]}'s"
            say(
                [
                    f"note: the firms differ in {span.key}; along the path both have its value"
                    f" ({first})"
                ],
                quiet=quiet,
            )
    tree = {**case.resolved, "expect": {}}
    with Progress(count, quiet=quiet) as progress:
        found = path_tree(
            along(tree, spans, chosen, lambda done, _: progress(done, 0)),
            baseline.resolved,
            case.resolved,
        )
    if all(row["status"] == "bad_case" for row in found["rows"]):
        raise typer.BadParameter(
            f"no point is an admissible market: {found['rows'][0]['message']}", param_hint="--vary"
        )
    return found


def span_of(given: str, resolved: dict[str, Any]) -> Any:
    """The key and the values of one --vary."""
    from market.casefile.faults import Fault
    from market.casefile.faults import show as brief
    from market.casefile.files import BadCase
    from mechanism.analysis.what_if import Span
    from mechanism.casefile.case_keys import key_fault

    key, _, text = given.partition("=")
    parts = text.split(":")
    try:
        low, high = float(parts[0]), float(parts[1])
        count = int(parts[2]) if len(parts) == 3 else COUNT
        if (
            len(parts) not in (2, 3)
            or not low < high
            or not math.isfinite(low)
            or not math.isfinite(high)
            or count < 2
        ):
            raise ValueError
    except (ValueError, IndexError):
        raise typer.BadParameter(
            f"{brief(given)} is no range; write KEY=LO:HI:N with LO below HI and N of 2 or more,"
            " such as security.rivalry=0:0.9:50",
            param_hint="--vary",
        ) from None
    if message := key_fault(resolved, key):
        raise BadCase([Fault(None, f"--vary {key}", message)])
    return Span(key, low, high, count)
