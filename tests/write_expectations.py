"""Recompute the `expect` blocks of the shipped cases from the oracle.

    python tests/write_expectations.py            rewrite the values in cases/*.yaml
    python tests/write_expectations.py --check    change nothing; list what has moved, exit with 1
    python tests/write_expectations.py FILE...    these files only (with or without --check)

To add an expectation, add a line with its key and any value to the file, in the form the others
have, and run this. Keys, tolerances, comments and order stay as they are: only what stands after
`value:` is replaced. The programs under test are not used. Every optimum is also held against the
best of a grid of sharing levels before anything is written. A case with a support of types takes
minutes, because every pair of types is solved on its own. What was found right is noted in
`checked_expectations.json`, with a mark of the case and of the oracles: the suite asks for that
mark, and solves a few cases itself.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mpmath as mp
import oracle
import oracle_reported
import oracle_stages
from ruamel.yaml import YAML

CASES = Path(__file__).resolve().parent.parent / "cases"
LINE = re.compile(r"^(?P<head>  (?P<path>[\w.\[\]]+): \{value: )(?P<value>[^,}]+)(?P<tail>[,}].*)$")
CHECKED = Path(__file__).parent / "checked_expectations.json"
ORACLES = ("oracle.py", "oracle_reported.py", "oracle_stages.py", "write_expectations.py")
DIGITS = 15
"""Significant digits written."""


def read(file: Path) -> dict[str, Any]:
    """The tree of a case file, laid over that of its base."""

    def merged(below: Any, above: Any) -> Any:
        if not (isinstance(below, dict) and isinstance(above, dict)):
            return above
        return below | {key: merged(below.get(key), value) for key, value in above.items()}

    tree: dict[str, Any] = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    return merged(read(file.parent / tree.pop("base")), tree) if "base" in tree else tree


def mark(file: Path) -> str:
    """A hash of what a case says, what is expected of it, and the oracles."""
    parts = [json.dumps(read(file), sort_keys=True)]
    parts += [(Path(__file__).parent / name).read_text(encoding="utf-8") for name in ORACLES]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def spelled(value: Any) -> str:
    """A value as it is written to a case file."""
    return value if isinstance(value, str) else mp.nstr(mp.mpf(value), DIGITS)


def agree(old: str, new: Any) -> bool:
    """Whether what a file says is what the oracle says, up to the digits written."""
    if isinstance(new, str) or re.fullmatch(r"[a-z_]+", old):
        return old == new
    return bool(
        abs(mp.mpf(old) - new) <= (1e-12 if isinstance(new, mp.mpf) else 1e-11) * max(1, abs(new))
    )


def shortfall(tree: dict[str, Any], told: dict[str, Any]) -> list[str]:
    """The regimes whose optimum falls short of a grid's best: a sign that the search missed
    something."""
    short = []
    for regime, kind in oracle.PLANNER.items():
        found = told["regimes"][regime]
        if "welfare" in found:
            value = float(found["welfare"] if kind == "welfare" else sum(found["profit"]))
            best = oracle.profile(tree, regime)
            if best > value + 1e-9 * abs(value):
                short.append(f"{regime}: {value} is below {best}")
    return short


def refreshed(text: str, told: dict[str, Any]) -> tuple[str, list[str]]:
    """The text of a case file with the oracle's values, and what has moved."""
    lines, moved = text.splitlines(keepends=True), []
    start = next(n for n, line in enumerate(lines) if line.startswith("expect:"))
    for n in range(start + 1, len(lines)):
        match = LINE.match(lines[n].rstrip("\n"))
        if match is None:
            raise ValueError(f"line {n + 1} is not an expectation: {lines[n].rstrip()}")
        new = oracle.look_up(told, match["path"])
        old = match["value"].strip()
        if not agree(old, new):
            moved.append(f"{match['path']}: {old} -> {spelled(new)}")
        lines[n] = f"{match['head']}{spelled(new)}{match['tail']}\n"
    return "".join(lines), moved


STAGES = {
    "sequential": ("sequential", 0),
    "sequential_firm_2": ("sequential", 1),
    "investment_first": ("investment_first", 0),
}


def told_by_oracles(tree: dict[str, Any]) -> dict[str, Any]:
    """What the oracles say: the first of markets it covers, the second of unit costs, the
    restricted cost and other orders of moves."""
    if "choke_price" in tree["demand"]:
        utility = tree["demand"]
        demand = oracle_stages.primitives(
            utility["choke_price"], utility["own_satiation"], utility["cross_satiation"]
        )
        tree = tree | {"demand": demand}
    beyond = any(tree.get("unit_cost", {}).values()) or tree["cost"]["form"] == "restricted"
    if beyond:
        told: dict[str, Any] = {
            "regimes": {
                key: oracle_stages.outcome(tree, key)
                for key in ("no_sharing", "nash", *oracle.PLANNER)
            }
        }
    else:
        told = oracle.solve(tree)
        if "types" in tree:
            told["mechanism"] |= oracle_reported.solve(tree)["mechanism"]
    expected = tree.get("expect", {})
    for key, (regime, leader) in STAGES.items():
        if any(path.startswith(f"regimes.{key}.") for path in expected):
            told["regimes"][key] = oracle_stages.outcome(tree, regime, leader)
    return told


def main(arguments: Sequence[str]) -> int:
    """Rewrite or check; 1 if a check found a difference or an optimum is in doubt."""
    check = "--check" in arguments
    files = [Path(a) for a in arguments if a != "--check"] or sorted(CASES.glob("*.yaml"))
    wrong, checked = 0, json.loads(CHECKED.read_text()) if CHECKED.exists() else {}
    for file in files:
        tree = read(file)
        if "expect" not in YAML(typ="safe").load(file.read_text(encoding="utf-8")):
            continue
        told = told_by_oracles(tree)
        doubts = (
            []
            if "mechanism" not in told or "choke_price" in tree["demand"]
            else shortfall(tree, told)
        )
        text, moved = refreshed(file.read_text(encoding="utf-8"), told)
        for message in doubts + moved:
            print(f"{file.name}: {message}")
        wrong += bool(doubts) or (check and bool(moved))
        if moved and not check and not doubts:
            file.write_text(text, encoding="utf-8")
        if not doubts and not (check and moved) and file.parent.resolve() == CASES:
            checked[file.name] = mark(file)
            CHECKED.write_text(json.dumps(checked, indent=1, sort_keys=True) + "\n")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
