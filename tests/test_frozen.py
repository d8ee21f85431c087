"""The results of the commands at the shipped cases are what they were: `write_frozen.py` says
which, `frozen/` holds them.

Statuses, labels, exit codes and numbers of rows are compared exactly. A figure may differ by
`TOLERANCE` of the scale of its kind, the largest magnitude of that kind in the same result but at
least one. Kinds go by the key a figure stands under: sharing and shares, investment, price,
quantity, and money, of which the largest is as a rule welfare. In `statics` and `propositions`,
which give derivatives, every key is a kind of its own. Keys and rows with a name that are new are
no difference: the interface may grow.

This is no evidence that a figure is right. A change that is meant goes into `INTENDED`, or the data
are written anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from write_frozen import Entry, entries, read, result

pytestmark = pytest.mark.usefixtures("evaluated_once")

TOLERANCE = 1e-10

BY_ROUNDING = (
    r"evaluate .*: mechanism\.full_information\.participation\.ir1\.witness\.firm",
    r"evaluate two_types: mechanism\.alternatives\.designed\.evidence\..*",
    (
        r"(evaluate|design) private_large_and_small.*:"
        r" (.*\.)?continuum\.ir\.witness\.(firm|rival_type)"
    ),
    r"propositions .*: claims\.B\.full_information\.numbers\.net_transfer\[.\]",
    r"design two_types --budget none --collusion proof: binding\[.\]\..*",
    # levels are sought until lotteries gain a hundred-millionth; which then stand is rounding
    (
        r"design two_types --allocation second_best .*: (objective_value|payoff_range"
        r"|(allocation|binding|bound|checks|expected|levels|rents|transfers)(\.|\[).*)"
    ),
    # the best rates lie where value is flat: they are found to a hundred-millionth
    (
        r"evaluate (second_best|private_large_and_small):"
        r" ((comparison\.linear_subsidies|mechanism\.linear_subsidies\.under_types)\..*"
        r"|recommendation\.(flat_payments\[.\]|cautions\[\d+\]\.amount))"
    ),
    (
        r"evaluate private_large_and_small:"
        r" mechanism\.alternatives\.designed\.design\.(binding|infeasibility\.rows)\[\d+\]\..*"
    ),
    (
        r"evaluate .*:"
        r" mechanism\.(reported|alternatives\.\w+)\.checks\.ic_all\[[26]\]"
        r"\.witness\.(firm|type|report)"
    ),
)
"""Patterns of `entry: path` of values that rounding decides: a parameter changed by 1e-15 of itself
changes them. Several firms, types or constraints come to the same; a net transfer, or what free
levels gain over the truth, is nil. Not compared; nor is a best report that gains nothing over the
truth."""

INTENDED: dict[str, str] = {
    r"design private_spillovers: verdicts\[3\]": "named a command that is refused at 31 points",
}
"""Patterns of `entry: path` that are meant to differ from the frozen data, each with the reason."""

OF_TRUTH = r"evaluate .*: (mechanism\.(?:reported|alternatives\.\w+))\.evidence\..*"
"""Evidence, which differs as intended where truth holds: there it is of the middle type, not of one
that rounding picks."""

KINDS = {
    "sharing": "share",
    "probabilities": "share",
    "share_of_gain": "share",
    "investment": "investment",
    "price": "price",
    "unit_cost": "price",
    "quantity": "quantity",
    "type": "label",
    "types": "label",
    "report": "label",
    "reports": "label",
    "best_report": "label",
    "rival_type": "label",
    "rival_report": "label",
}
"""The kind of the figures under a key; money where none is given."""

Leaf = str | float | int | bool | None

BEFORE = read()
ENTRIES = {entry.name: entry for entry in entries()}
FAST = {
    "evaluate two_vendors",
    "evaluate two_types",
    "design two_types --budget none",
    "design bilateral_trade",
    "batch two_types sobol",
}
"""Entries that are compared even where slow tests are left out."""


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Leaf]]:
    """Every value of a tree with its path, and the length of every list."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(tree, list):
        yield f"{path}.length", len(tree)
        for n, value in enumerate(tree):
            yield from leaves(value, f"{path}[{n}]")
    else:
        yield path, tree


def kind(entry: Entry, path: str) -> str:
    """The kind of the figure at a path."""
    key = re.sub(r"(\[\d+\])+$", "", path).rsplit(".", 1)[-1]
    if entry.command in ("statics", "propositions"):
        return key
    return KINDS.get(re.sub(r"_[12]$", "", key), "money")


def number(value: Leaf) -> bool:
    """Whether a leaf is a figure."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def differences(entry: Entry, before: Any, after: Any) -> list[str]:
    """What is no longer as it was, a line each: entry, path, before, after."""
    old, new = dict(leaves(before)), dict(leaves(after))
    scale: dict[str, float] = {}
    for path, value in old.items():
        if number(value):
            scale[kind(entry, path)] = max(
                scale.get(kind(entry, path), 1.0), abs(float(value or 0))
            )
    found = []
    for path, value in old.items():
        where = f"{entry.name}: {path}"
        now = new.get(path, "missing")
        if any(re.fullmatch(pattern, where) for pattern in (*BY_ROUNDING, *INTENDED)):
            continue
        evidence = re.fullmatch(OF_TRUTH, where)
        if evidence and {tree.get(f"{evidence[1]}.checks.ic.status") for tree in (old, new)} == {
            "holds"
        }:
            continue
        if (
            path.endswith(".best_report")
            and abs(float(old[path.replace("best_report", "gain")] or 0)) <= 1e-9 * scale["money"]
        ):
            continue
        if number(value) and number(now):
            allowed = TOLERANCE * scale[kind(entry, path)]
            if abs(float(value or 0) - float(now or 0)) <= allowed:
                continue
            found.append(f"{where}: {value!r} before, {now!r} after, {allowed:.3g} allowed")
        elif value != now or isinstance(value, bool) != isinstance(now, bool):
            found.append(f"{where}: {value!r} before, {now!r} after")
    return found


def test_the_data_are_of_the_entries() -> None:
    assert set(BEFORE) == set(ENTRIES)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in ENTRIES]
)
def test_results_are_what_they_were(name: str) -> None:
    entry = ENTRIES[name]
    found = differences(entry, BEFORE[name], result(entry))
    assert not found, "\n".join([f"{len(found)} differences", *found[:40]])


def test_a_difference_is_noticed_where_it_is() -> None:
    """A figure beyond its tolerance, a status, a missing key, a shorter list; not one within, nor a
    new key."""
    entry = ENTRIES["evaluate two_vendors"]
    before = {
        "welfare": 800.0,
        "sharing": [0.5, 0.25],
        "status": "converged",
        "rows": [1, 2],
        "gone": None,
        "true": True,
    }
    after = {
        "welfare": 800.0 + 7e-8,
        "sharing": [0.5, 0.25 + 2e-10],
        "status": "corner",
        "rows": [1],
        "true": 1,
        "new": 3,
    }
    assert [line.split(": ")[1] for line in differences(entry, before, after)] == [
        *("sharing[1]", "status", "rows.length", "rows[1]", "gone", "true")
    ]
