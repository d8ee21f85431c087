"""A result in the form asked for: a page, JSON or CSV, with where it comes from."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import typer

from cli.options import OutputFormat
from cli.output.beside import PROVENANCE
from cli.output.workbook import TooManyRows
from cli.output.write import Target
from cli.pages.page import Page


def deliver(
    result: Any,
    form: OutputFormat,
    target: Target,
    *,
    page: Callable[[Page], str],
    csv: Callable[[], str],
    sheets: Callable[[], bytes] | None = None,
    stamp: bool = False,
    instead: Callable[[Any, Target], None] | None = None,
) -> None:
    """Write a result, whose tree or list of rows is its JSON, to where it goes; `instead` writes
    what is made of it in place of that."""
    if instead is not None:
        instead(result, target)
        return
    told = list(_provenances(result))
    if stamp:
        for each in told:
            each["run"] = run_told(target.begun)
    if form is OutputFormat.json:
        target.write(json.dumps(result, indent=2, allow_nan=False))
    elif form is OutputFormat.csv:
        target.write(csv(), {PROVENANCE: json.dumps(told[0] if len(told) == 1 else told)})
    elif form is OutputFormat.xlsx:
        assert sheets is not None
        try:
            target.write(sheets())
        except TooManyRows as error:
            raise typer.BadParameter(str(error), param_hint="--out") from None
    else:
        target.write(page(Page(target.width, target.styled, target.unicode)))


def _provenances(result: Any) -> Iterator[dict[str, Any]]:
    """What a result tells of where it comes from: of a list of rows, what each case does."""
    for part in result if isinstance(result, list) else [result]:
        if part.get("provenance"):
            yield part["provenance"]


def run_told(begun: float) -> dict[str, Any]:
    """When and where a run takes place. SOURCE_DATE_EPOCH, by which builds are made reproducible,
    sets the time; how long it took is then not told."""
    fixed = os.environ.get("SOURCE_DATE_EPOCH", "")
    now = time.time()
    started = float(fixed) if fixed.isdecimal() else begun
    return {
        "started": datetime.fromtimestamp(int(started), UTC).isoformat(),
        "seconds": None if fixed.isdecimal() else round(now - begun, 3),
        "platform": platform.platform(),
    }
