"""The short script that reproduces a run with `import pigou`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from market.casefile.faults import BadCase
from market.text import visible
from mechanism.casefile.case_keys import settings

if TYPE_CHECKING:
    from mechanism.casefile.policy_case import PolicyCase


class NoScript(Exception):  # noqa: N818 - wrong usage, not an error of the program
    """A run that no short script reproduces; the message says why and what to do."""


def evaluate_script(case: Path, switches: bool | None) -> str:
    """What prints the JSON of `evaluate`."""
    option = {True: " --switches", False: " --quick", None: ""}[switches]
    return _script(
        f"pigou evaluate CASE{option} --format json",
        case,
        [f"print(pigou.evaluate(case, switches={switches}).to_json())"],
    )


def what_if_script(path: Path, before: PolicyCase, changed: PolicyCase) -> str:
    """What prints the JSON of `what-if --set`."""
    given = _changes(before, changed)
    return _script(
        "pigou what-if CASE --set ... --format json",
        path,
        ["changes = {", *_items(given), "}", "print(pigou.what_if(case, changes).to_json())"],
    )


def sweep_script(
    path: Path,
    before: PolicyCase,
    changed: PolicyCase,
    spans: Sequence[Any],
    policies: Sequence[str],
) -> str:
    """What prints the CSV of `what-if --vary`."""
    sets = [
        f"case = case.set({key!r}, {value!r})" for key, value in _changes(before, changed).items()
    ]
    ranges = [f"    {s.key!r}: np.linspace({s.low!r}, {s.high!r}, {s.count})," for s in spans]
    return _script(
        "pigou what-if CASE --vary ... --format csv",
        path,
        [
            *sets,
            "values = {",
            *ranges,
            "}",
            f"table = pigou.sweep(case, values, policies={list(policies)!r})",
            r'print(table.to_csv(index=False, lineterminator="\n"), end="")',
        ],
        "import numpy as np\n\n",
    )


def design_script(file: Path, options: Mapping[str, Any]) -> str:
    """What prints the JSON of `design`."""
    given = "".join(f", {key}={value!r}" for key, value in options.items())
    return (
        "# Prints what `pigou design FILE --format json` prints.\nimport pigou\n\n"
        f"print(pigou.design({str(file)!r}{given}).to_json())\n"
    )


def _script(command: str, case: Path, lines: Sequence[str], imports: str = "") -> str:
    return "\n".join(
        [
            f"# Prints what `{command}` prints.",
            f"{imports}import pigou\n",
            f"case = pigou.load({str(case)!r})",
            *lines,
            "",
        ]
    )


def _items(given: Mapping[str, Any]) -> list[str]:
    return [f"    {key!r}: {value!r}," for key, value in given.items()]


def _changes(before: PolicyCase, changed: PolicyCase) -> dict[str, Any]:
    """What to set, key by key, in an order in which every case on the way is admissible."""
    given = settings(before.resolved, changed.resolved)
    here, left, ordered = before, dict(given), {}
    while left:
        for key, value in left.items():
            try:
                here = here.set(key, value)
            except BadCase:
                continue
            ordered[key] = left.pop(key)
            break
        else:
            raise NoScript(
                f"{visible(', '.join(left))} cannot be set one after the other, which a script"
                " does; change the case file instead"
            )
    if {**here.resolved, "expect": {}} != {**changed.resolved, "expect": {}}:
        raise NoScript(
            "--set changes more than keys of the market, types and the mechanism, which a script"
            " does not; change the case file instead"
        )
    return ordered
