"""`pigou validate`: check case files without solving anything."""

from __future__ import annotations

import os
import sys

import typer

from cli.exit_codes import USAGE
from cli.options import CaseFiles

EPILOG = """\b
Examples:
  pigou validate two_vendors.yaml
  pigou validate *.yaml

Prints a line per good case with the start of its sha256; all faults of all files go to stderr,
and the exit code is then 2."""


def validate(cases: CaseFiles) -> None:
    """Check case files, setting files, designs of a batch and data to calibrate from, without
    solving anything."""
    from cli.pages.figures import plain
    from cli.shipped import load
    from market.calibrate.datafile import TABLES, is_data, parse_data, read_data
    from market.casefile.files import BadCase, Fault, read_document
    from mechanism.casefile.policy_case import load_case
    from mechanism.design.setting_file import is_setting, load_setting

    bad = False
    for path in cases:
        try:
            if not os.path.exists(path):
                load([path])  # says what may have been meant
            if path.suffix.lower() in TABLES:
                print(f"OK  {path}  {plain(read_data(path).name)}  (data to calibrate from)")
                continue
            faults: list[Fault] = []
            # once: what comes through a pipe comes once
            document = read_document(path, faults=faults)
            if "policies" in document.tree:
                from cli.batch.design import load_design

                plan = load_design(path, document, faults)
                print(f"OK  {path}  {plain(plan.name)}  (design of a batch, {plan.count:,} cases)")
            elif is_data(document.tree):
                data = parse_data(document.tree, name=path.stem, document=document, faults=faults)
                print(f"OK  {path}  {plain(data.name)}  (data to calibrate from)")
            elif is_setting(document.tree):
                name = load_setting(path, document, faults).environment.name
                print(f"OK  {path}  {plain(name)}  (setting)")
            else:
                case = load_case(path, document, faults)
                print(f"OK  {path}  {plain(case.name)}  {case.sha256[:12]}")
        except BadCase as error:
            print(error, file=sys.stderr)
            bad = True
    if bad:
        raise typer.Exit(USAGE)
