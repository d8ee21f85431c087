"""`pigou validate`: check case files without solving anything."""

from __future__ import annotations

import os
import sys

import typer

from ..options import CaseFiles

EPILOG = """\b
Examples:
  pigou validate two_vendors.yaml
  pigou validate *.yaml

Prints a line per good case with the start of its sha256; all faults of all files go to stderr, and the exit code is then 2."""


def validate(cases: CaseFiles) -> None:
    """Check case files, setting files and designs of a batch, without solving anything."""
    from market.files import BadCase, read_document
    from mechanism.setting_file import is_setting, load_setting

    from ..figures import plain
    from ..shipped import load

    bad = False
    for path in cases:
        try:
            document = read_document(path) if os.path.exists(path) else None
            if document is not None and "policies" in document.tree:
                from ..batch.design import load_design

                plan = load_design(path)
                print(f"OK  {path}  {plain(plan.name)}  (design of a batch, {plan.count:,} cases)")
            elif document is not None and is_setting(document.tree):
                print(f"OK  {path}  {plain(load_setting(path).setting.name)}  (setting)")
            else:
                case = load([path])[0]
                print(f"OK  {path}  {plain(case.name)}  {case.sha256[:12]}")
        except BadCase as error:
            print(error, file=sys.stderr)
            bad = True
    if bad:
        raise typer.Exit(2)
