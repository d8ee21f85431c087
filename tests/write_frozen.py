"""Write what the commands say at the shipped cases, so that a change of the code's shape can be
told from a change of its results.

    python tests/write_frozen.py DIRECTORY

Each entry is one command line and what is kept of its result: figures, statuses, labels and
witnesses; not prose, and not how well something was solved. Only the command line is used.
`test_frozen.py` compares.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.entry import main

CASES = Path(__file__).resolve().parents[1] / "cases"
FROZEN = Path(__file__).parent / "frozen"

DIGITS = 13
"""Significant digits that are kept of a figure."""

LEFT_OUT = {
    # who wrote it, from what
    *("schema_version", "tool", "case", "case_sha256", "input", "expectations", "provenance"),
    # prose
    *("message", "text", "detail", "basis", "note", "notes"),
    # how well it was solved
    *("residual", "regret", "curvature", "gap", "second_opinion", "program", "least_violation"),
}
"""Keys whose values are not kept, wherever they stand."""

SETTINGS = ("bilateral_trade", "partnership", "public_project", "street_lights", "two_apples")
UNTYPED = (
    *(
        "capped",
        "exponential_cost",
        "fierce_rivalry",
        "from_utility",
        "full_sharing",
        "ill_posed",
        "large_and_small",
    ),
    *(
        "loss_at_optimum",
        "near_homogeneous",
        "near_monopolies",
        "negative_spillover",
        "one_sided_spillover",
        "restricted_cost",
    ),
    *("sharing_lowers_welfare", "starter", "two_optima", "two_vendors", "unit_costs"),
)
TYPED = (
    "private_intercepts",
    "private_large_and_small",
    "private_spillovers",
    "second_best",
    "strong_response",
    "two_types",
)

TOGETHER = ("no_sharing", "nash", "joint_profit", "price_collusion", "social_optimum", "first_best")
STAGED = ("sequential", "sequential_firm_2", "investment_first")
RULES = ("printed", "groves", "worst_type", "agv", "designed")

JUDGED = (
    *("fierce_rivalry", "ill_posed", "large_and_small", "negative_spillover"),
    *("restricted_cost", "sharing_lowers_welfare", "strong_response", "two_vendors", "unit_costs"),
)
"""Cases of `propositions`: where claims fail, where nothing is found, and every kind of cost."""

VARIED = {
    "two_vendors": ("security.rivalry=0.3:0.6:3",),
    "one_sided_spillover": (
        "cost.scale=8:20:5",
        "--policy",
        "nash",
        "--policy",
        "joint_profit",
        "--policy",
        "social_optimum",
    ),
    "unit_costs": ("unit_cost.spillover=0.05:0.1:2", "--policy", "nash", "--policy", "first_best"),
    "two_optima": (
        "cost.max_saving=0.1:0.5:4",
        "--policy",
        "social_optimum",
        "--policy",
        "sequential",
    ),
    "two_types": ("demand.cross_slope=0.6:0.9:2", "--policy", "nash", "--policy", "groves"),
}
"""The path of `what-if` at these cases, and who is followed along it."""

SOLVED_FOR = {
    "two_types": (
        ("--budget", "none"),
        ("--budget", "none", "--incentive", "dominant"),
        ("--budget", "none", "--collusion", "proof"),
        ("--allocation", "second_best", "--objective", "max_surplus"),
        ("--tax-rule", "agv"),
    ),
    "second_best": ((), ("--objective", "min_violation", "--allocation", "efficient")),
    "private_spillovers": ((), ("--budget", "none")),
    "private_large_and_small": (("--budget", "none", "--timing", "ex_post"),),
    "private_intercepts": (("--budget", "none"),),
    "strong_response": (("--budget", "none", "--objective", "min_worst_deficit"),),
}
"""Options of `design` at the cases with types."""

SETTING_OPTIONS = (
    (),
    ("--tax-rule", "clarke"),
    ("--tax-rule", "agv"),
    ("--allocation", "efficient", "--budget", "none"),
    ("--incentive", "dominant", "--budget", "none", "--objective", "min_outlay"),
)
"""Options of `design` at every setting."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One command line at one file."""

    command: str
    file: str
    """Under the directory of cases, without the ending."""
    options: tuple[str, ...] = ()
    batch: dict[str, Any] | None = None
    """Of `batch`: the design, but for its case."""

    @property
    def name(self) -> str:
        """What the entry is called in the data and in tests."""
        return " ".join([self.command, self.file.split("/")[-1], *self.options])


def entries() -> Iterator[Entry]:
    """All entries; `batch` over a small grid and over a few points of the shipped design."""
    for name in (*UNTYPED, *TYPED):
        yield Entry(command="evaluate", file=name)
    for name in JUDGED:
        yield Entry(command="propositions", file=name)
    for name in UNTYPED:
        yield Entry(command="statics", file=name)
    for name in ("full_sharing", "large_and_small", "unit_costs", "restricted_cost"):
        yield Entry(command="statics", file=name, options=("--regime", "social_optimum"))
    for name, path in VARIED.items():
        yield Entry(command="what-if", file=name, options=("--vary", *path))
    for name, choices in SOLVED_FOR.items():
        for options in choices:
            yield Entry(command="design", file=name, options=options)
    for name in SETTINGS:
        for options in SETTING_OPTIONS:
            yield Entry(command="design", file=f"settings/{name}", options=options)
    for name in UNTYPED:
        grid = {
            "cost.scale": {"low": 10, "high": 20},
            "security.rivalry": {"low": 0.1, "high": 0.6},
        }
        yield Entry(command="batch", file=name, batch=_batch(grid, "grid", 2, (*TOGETHER, *STAGED)))
    for name in TYPED:
        shorter = {"security.rivalry": {"low": 0.1, "high": 0.6}}
        policies = (
            (*TOGETHER, *RULES) if name == "two_types" else ("nash", "social_optimum", *RULES)
        )
        yield Entry(command="batch", file=name, batch=_batch(shorter, "grid", 2, policies))
    shipped = {
        "demand.cross_slope": {"low": 0.2, "high": 1.1},
        "security.demand_spillover": {"low": 0.1, "high": 0.4},
        "cost.scale": {"low": 12, "high": 30, "log": True},
    }
    yield Entry(
        command="batch",
        file="two_types",
        options=("sobol",),
        batch=_batch(shipped, "sobol", 8, (*TOGETHER, *RULES)),
    )
    yield Entry(
        command="batch",
        file="two_vendors",
        options=("sobol",),
        batch=_batch(shipped, "sobol", 16, (*TOGETHER, *STAGED)),
    )


def _batch(
    vary: dict[str, Any], method: str, count: int, policies: tuple[str, ...]
) -> dict[str, Any]:
    return {
        "vary": vary,
        "sample": {"method": method, "count": count, "seed": 7},
        "policies": list(policies),
    }


def result(entry: Entry, cases: Path = CASES) -> dict[str, Any]:
    """What is kept of the result of an entry's command line, run in this process."""
    case = cases / f"{entry.file}.yaml"
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        if entry.batch is None:
            out = Path(folder, "result.json")
            # what would overturn an answer has tests of its own
            quick = ["--quick"] if entry.command == "evaluate" else []
            told = ["--format", "json", "--out", str(out)]
            code = main([entry.command, str(case), *entry.options, *quick, *told])
            # what is refused has its exit code only
            tree = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
        else:
            design, out = Path(folder, "design.json"), Path(folder, "result.csv")
            design.write_text(json.dumps({"case": str(case), **entry.batch}), encoding="utf-8")
            code = main(["batch", str(design), "--out", str(out), "--quiet"])
            with out.open(encoding="utf-8", newline="") as file:
                rows = [
                    {key: _cell(text) for key, text in row.items()} for row in csv.DictReader(file)
                ]
            tree = {"rows": {f"{row.pop('case_id')} {row.pop('policy')}": row for row in rows}}
    return {"code": code, **kept(tree)}


def _cell(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text or None


def kept(tree: Any) -> Any:
    """The part of a tree that is compared; rows with a name of their own under that name."""
    if isinstance(tree, dict):
        return {key: kept(value) for key, value in tree.items() if key not in LEFT_OUT}
    if isinstance(tree, list):
        for name in ("policy", "id"):
            names = [row.get(name) for row in tree if isinstance(row, dict)]
            if tree and len(set(names)) == len(tree) and None not in names:
                return {
                    row[name]: kept({key: value for key, value in row.items() if key != name})
                    for row in tree
                }
        return [kept(value) for value in tree]
    return float(f"{tree:.{DIGITS}g}") if isinstance(tree, float) else tree


def read() -> dict[str, Any]:
    """The frozen results by entry."""
    found: dict[str, Any] = {}
    for path in sorted(FROZEN.glob("*.json.gz")):
        found |= json.loads(gzip.decompress(path.read_bytes()))
    return found


def write(target: Path, cases: Path = CASES) -> None:
    """Run everything and write a file for each command."""
    found: dict[str, dict[str, Any]] = {}
    for entry in entries():
        found.setdefault(entry.command, {})[entry.name] = result(entry, cases)
        print(entry.name, file=sys.stderr)
    for command, results in found.items():
        text = json.dumps(results, sort_keys=True, separators=(",", ":"))
        (target / f"{command}.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
