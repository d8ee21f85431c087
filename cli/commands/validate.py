"""`pigou validate`: check case files without solving anything."""

from __future__ import annotations

import sys

import typer

from ..options import CaseFiles

EPILOG = """\b
Examples:
  pigou validate two_vendors.yaml
  pigou validate *.yaml

Prints a line per good case with the start of its sha256; all faults of all files go to stderr, and the exit code is then 2."""


def validate(cases: CaseFiles) -> None:
    """Check case files without solving anything."""
    from market.files import BadCase

    from ..figures import plain
    from ..shipped import load

    bad = False
    for path in cases:
        try:
            case = load([path])[0]
        except BadCase as error:
            print(error, file=sys.stderr)
            bad = True
        else:
            print(f"OK  {path}  {plain(case.name)}  {case.sha256[:12]}")
    if bad:
        raise typer.Exit(2)
