"""`pigou compare`: policies side by side over several cases."""

from __future__ import annotations

import json

from ..options import CaseFiles, DigitsOption, Format, FormatOption, OutOption, QuietOption, SeedOption, StrictOption
from ..output import Target, say
from .evaluate import finish, results

EPILOG = """\b
Examples:
  pigou compare two_vendors.yaml rivals.yaml
  pigou compare *.yaml --format csv --out policies.csv

A bad case stops the command before anything is computed."""


def compare(
    cases: CaseFiles,
    form: FormatOption = Format.table,
    out: OutOption = None,
    digits: DigitsOption = 5,
    seed: SeedOption = 0,
    quiet: QuietOption = False,
    strict: StrictOption = False,
) -> None:
    """Compare policies over several cases.

    One row per case and policy, the policy with the highest welfare marked.
    """
    target = Target(out, cases)
    paths = list(dict.fromkeys(cases))
    found = results(paths)
    from mechanism.tidy import comparison_rows

    from ..rows import as_csv, case_labels

    labels = case_labels(found, paths)
    if form is Format.json:
        text = json.dumps(comparison_rows(found, labels), indent=2, allow_nan=False)
    elif form is Format.csv:
        text = as_csv(comparison_rows(found, labels))
    else:
        from ..page import Page
        from ..render import comparison

        text = comparison(found, labels, Page(target.width, target.styled, target.unicode), digits)
    target.write(text)
    named = zip(labels, found, strict=True)
    say((f"warning: {name}: {warning['message']}" for name, result in named for warning in result["warnings"]), quiet=quiet)
    finish(found, target, quiet=quiet, strict=strict)
