"""Files and command lines made up at random, and what must never happen to them.

    python tests/fuzz.py --files 2000 --evaluations 200 --commands 500 --seed 1 --jobs 2

Files are the shipped cases, settings and designs, patches and tables, changed with their structure
in mind: numbers to extremes, other types, keys gone, twice or misspelt, anchors, signs that steer a
terminal, texts cut off, nesting. About half of the changes keep to what is admissible, so that many
files get past validation. Every file is validated, valid ones are computed with, and command lines
are put together of commands, options, values and files.

Files are validated once, and every third a second time; a third of the evaluations run twice.

Never: a fault of the program, an exit code that is not in use, a number that is not finite, a
figure in an outcome that claims none, other bytes the second time, more than `LIMIT` seconds, a
file changed that was read, anything written outside the directory, a sign that steers the terminal.
What happens all the same is printed with its files; file, evaluation or command n of a seed is the
same on its own.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from typer.main import get_command

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from cli.entry import main  # noqa: E402
from market.casefile.files import read_document  # noqa: E402
from market.text import visible  # noqa: E402

LIMIT = 20.0
"""Seconds of a processor that a command may take."""
CODES = {0, 2, 3, 4}
"""Exit codes of commands that were not interrupted and did not break."""
SOLVED = ("converged", "corner")
FIGURES = ("sharing", "investment", "price", "quantity", "profit", "consumer_surplus", "welfare")
"""The figures of an outcome, null unless it is solved."""

Tree = Any
Way = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that must never happen."""

    kind: str
    """What, in a word."""
    detail: str
    source: str
    """Seed, kind and number of what was tried."""
    command: list[str]
    files: dict[str, str] = field(repr=False)
    """The files of the directory it ran in."""

    def __str__(self) -> str:
        files = "".join(f"\n--- {name}\n{text[:3000]}" for name, text in self.files.items())
        return (
            f"=== {self.kind} [{self.source}] pigou"
            f" {' '.join(map(repr, self.command))}\n{self.detail}{files}"
        )


# What is written


NUMBERS = (
    0,
    -0.0,
    1,
    -1,
    0.5,
    1e-300,
    1e300,
    1e-30,
    1e30,
    1e31,
    1e12,
    1e-12,
    2**53 + 1,
    math.nan,
    math.inf,
    10**400,
    True,
)
NASTY = (
    "\x1b[31m",
    "\u202eabc",
    "a\u200bb",
    "=1+1",
    "",
    "\x9b2J",
    "a\nb",
    "é",
    "x" * 300,
    "\ud83d",
    "\x00",
    "'",
    '"',
    "null",
    "1e5",
    "<<",
)
SIGNS = (
    "&a ",
    "*a",
    "!!str ",
    "<<: ",
    "\t",
    "\x1b",
    "\ufeff",
    "---\n",
    "[",
    "}",
    "#",
    "'",
    ": ",
    "\r\n",
    "\u2028",
    "9" * 5000,
    "[" * 50,
    "%YAML 1.1\n",
)


def ways(tree: Tree, above: Way = ()) -> Iterator[Way]:
    """The way to every value below the top."""
    parts = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    for key, value in parts:
        yield (*above, key)
        yield from ways(value, (*above, key))


def at(tree: Tree, way: Way) -> Tree:
    """The value there."""
    for part in way:
        tree = tree[part]
    return tree


def put(tree: Tree, way: Way, value: Tree) -> None:
    """Replace the value there."""
    at(tree, way[:-1])[way[-1]] = value


def is_number(value: Tree) -> bool:
    """Whether it is a number of a file."""
    return isinstance(value, int | float) and not isinstance(value, bool)


class Maker:
    """Makes files, all from one source of chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def mild(self, tree: Tree) -> None:
        """A change that keeps to what is admissible, mostly."""
        numbers = [
            way for way in ways(tree) if is_number(at(tree, way)) and way[0] != "schema_version"
        ]
        choices = [way for way in ways(tree) if isinstance(way[-1], str) and way[-1] in OPTIONS]
        kind = self.chance.random()
        if kind < 0.2 and choices:
            way = self.chance.choice(choices)
            put(tree, way, self.chance.choice(OPTIONS[way[-1]]))
        elif kind < 0.35 and "demand" in tree:
            tree.setdefault("mechanism", {})
            name = self.chance.choice(list(OPTIONS)[:8])
            if isinstance(tree["mechanism"], dict):
                tree["mechanism"][name] = self.chance.choice(OPTIONS[name])
        elif kind < 0.45 and "demand" in tree:
            low = self.chance.random()
            tree["types"] = self.chance.choice(
                [
                    {"values": [low, 1 - low / 2]},
                    {"support": [low / 2, 0.5 + low / 2], "points": self.chance.randint(2, 4)},
                    {"values": [low]},
                ]
            )
        elif kind < 0.52:
            tree["name"] = self.chance.choice([*NASTY[:9], "Name"])
        elif numbers:
            way = self.chance.choice(numbers)
            value = at(tree, way)
            if way[-1] in ("points", "count", "seed"):
                put(tree, way, self.chance.randint(2, 5))
            elif kind < 0.7:
                put(
                    tree,
                    way,
                    float(value or 1)
                    * 10.0
                    ** self.chance.choice(
                        [self.chance.randint(-3, 3), self.chance.randint(-25, 25)]
                    ),
                )
            elif kind < 0.76 and way[:1] == ("demand",) and isinstance(way[-1], str):
                put(tree, way, [value, value * self.chance.uniform(0.5, 1.5)])
            else:
                put(
                    tree,
                    way,
                    value
                    * self.chance.choice(
                        [0, 1, self.chance.uniform(0.3, 1.7), self.chance.uniform(0.9, 1.1)]
                    ),
                )

    def wild(self, tree: Tree) -> None:
        """A change that respects nothing."""
        chance = self.chance
        way = chance.choice(list(ways(tree)) or [("x",)])
        value = at(tree, way) if way != ("x",) else None
        holder = at(tree, way[:-1]) if way != ("x",) else tree
        kind = chance.randrange(9)
        if kind <= 1:
            put(tree, way, chance.choice(NUMBERS))
        elif kind == 2:
            put(
                tree,
                way,
                chance.choice(["text", [], {}, None, True, [1, 2, 3], {"a": 1}, [[value]], *NASTY]),
            )
        elif kind == 3 and isinstance(holder, dict):
            holder.pop(way[-1], None)
        elif kind == 4 and isinstance(holder, dict):
            holder[str(way[-1])[:-1] + chance.choice(["", "z", *NASTY])] = holder.pop(way[-1], None)
        elif kind == 5:
            other = chance.choice(list(ways(tree)) or [("x",)])
            put(tree, way, json.loads(json.dumps(at(tree, other))) if other != ("x",) else 1)
        elif kind == 6:
            deep: Tree = value
            for _ in range(chance.choice([1, 3, 25])):
                deep = [deep] if chance.random() < 0.5 else {"a": deep}
            put(tree, way, deep)
        elif kind == 7 and isinstance(holder, list):
            holder.insert(chance.randint(0, len(holder)), value)
        elif isinstance(holder, dict):
            holder[
                chance.choice(
                    ["base", "types", "expect", "policies", "alternatives", "<<", "cases", "units"]
                )
            ] = chance.choice(
                [
                    "c.yaml",
                    "f.yaml",
                    "nowhere.yaml",
                    value,
                    {},
                    [],
                    {"regimes.nash.welfare": {"value": 1}},
                    {"money": NASTY[0]},
                ]
            )

    def text(self, tree: Tree, ending: str) -> str:
        """The tree as text; floats that JSON has no word for as YAML has them."""
        if ending == ".json":
            return json.dumps(tree, ensure_ascii=self.chance.random() < 0.5)
        found = "\n".join(
            f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
            for key, value in tree.items()
        )
        return (
            re.sub(
                r"(?<![\w\"])(-?)(NaN|Infinity)(?![\w\"])",
                lambda m: f"{m[1]}.{'nan' if m[2] == 'NaN' else 'inf'}",
                found,
            )
            + "\n"
        )

    def torn(self, text: str) -> str:
        """The text with something put in, left out, repeated or cut off."""
        chance = self.chance
        place = chance.randrange(len(text) + 1)
        kind = chance.randrange(5)
        lines = text.split("\n")
        if kind == 0:
            return text[:place]
        if kind == 1:
            return text[:place] + text[place + chance.randint(1, 4) :]
        if kind == 2:
            line = chance.randrange(len(lines))
            return "\n".join([*lines[:line], *[lines[line]] * 2, *lines[line + 1 :]])
        return text[:place] + chance.choice(SIGNS) + text[place:]

    def changed(self, tree: Tree, ending: str) -> str:
        """A file that comes of a shipped one."""
        tree = json.loads(json.dumps(tree))
        if self.chance.random() < 0.75:
            tree.pop("expect", None)  # longer than all the rest, and alike everywhere
        mild = self.chance.random() < 0.6
        for _ in range(self.chance.randint(0, 3) if mild else self.chance.randint(1, 2)):
            (self.mild if mild else self.wild)(tree)
        text = self.text(tree, ending)
        return self.torn(text) if self.chance.random() < (0.03 if mild else 0.3) else text

    def table(self) -> str:
        """A table of a batch."""
        chance = self.chance
        keys = chance.sample(
            [
                "cost.scale",
                "demand.cross_slope",
                "security.rivalry",
                "cost.max_saving",
                "demand.intercept[0]",
            ],
            chance.randint(1, 3),
        )
        rows = [
            [f"{chance.uniform(0.1, 1):.3g}" for _ in keys] for _ in range(chance.randint(1, 4))
        ]
        if chance.random() < 0.3:
            keys, rows = (
                ["case_id", *keys],
                [
                    [chance.choice(["a", "001", "=1", str(n)]) + str(n), *row]
                    for n, row in enumerate(rows)
                ],
            )
        if chance.random() < 0.4:
            row = chance.choice([keys, *rows])
            row[chance.randrange(len(row))] = chance.choice(
                [
                    "",
                    "1e999",
                    "nan",
                    "text",
                    "=1",
                    "\x1b",
                    '"',
                    "9" * 400,
                    "cost.scale",
                    "cost",
                    "x[0]",
                ]
            )
        mark = chance.choice([",", ",", ",", ";", "\t"])
        text = "\n".join(mark.join(row) for row in [keys, *rows]) + "\n"
        return self.torn(text) if chance.random() < 0.2 else text

    def result(self) -> str:
        """The result of a batch, some cells of which are others."""
        chance = self.chance
        rows = [row.split(",") for row in RESULT.split("\n")]
        for _ in range(chance.randint(0, 3)):
            row = chance.choice(rows)
            row[chance.randrange(len(row))] = chance.choice(
                [
                    "",
                    "inf",
                    "-1e308",
                    "nan",
                    "text",
                    "nash",
                    "1e999",
                    "\x1b",
                    "converged",
                    "9" * 400,
                    "holds",
                ]
            )
        if chance.random() < 0.2:
            del rows[chance.randrange(len(rows))]
        text = "\n".join(",".join(row) for row in rows) + "\n"
        return self.torn(text) if chance.random() < 0.3 else text


OPTIONS: dict[str, list[str]] = {
    "tax_rule": ["printed", "groves", "worst_type", "agv", "designed", "clarke"],
    "payoff": ["with_cost", "printed"],
    "incentive": ["bayesian", "dominant"],
    "participation": ["ir1", "ir_market", "ir2", "none", "outside"],
    "timing": ["interim", "ex_post"],
    "budget": ["ex_ante", "ex_post", "none"],
    "allocation": ["efficient", "second_best"],
    "objective": ["min_outlay", "max_surplus", "min_worst_deficit", "min_violation"],
    "form": ["saturating", "quadratic", "linear"],
    "method": ["grid", "one_at_a_time", "sobol", "latin_hypercube"],
}
"""Keys that take one of a few words, some of which they do not take; the first eight belong to the
mechanism."""


def shipped() -> dict[str, list[Tree]]:
    """The trees of all shipped files, by what they are."""
    folder = ROOT / "cases"
    kinds = {"case": folder, "setting": folder / "settings", "design": folder / "designs"}
    return {
        kind: [read_document(path).tree for path in sorted(place.glob("*.yaml"))]
        for kind, place in kinds.items()
    }


SHIPPED = shipped()
BASE = json.dumps(
    {
        key: value
        for key, value in read_document(ROOT / "cases" / "two_vendors.yaml").tree.items()
        if key != "expect"
    }
)
RANGES = ("10:12:3", "1:0:3", "0:1:99999999", "a:b", "::", "1:2:" + "9" * 30, "0.1:0.2:2")
"""Of values, good and bad."""
KINDS = ("case", "case", "case", "setting", "setting", "design", "patch", "table", "result")
RESULT = """case_id,cost.scale,policy,status,welfare,welfare_net,consumer_surplus,profit_1,\
profit_2,public_outlay,ic,ir,value,competes,recommended,best
0,12.0,nash,converged,10.0,10.0,4.0,3.0,3.0,0.0,,,10.0,1.0,0.0,groves
0,12.0,groves,converged,11.0,10.5,4.0,3.0,4.0,0.5,holds,violated,10.5,1.0,1.0,groves
0,12.0,social_optimum,converged,12.0,12.0,4.0,4.0,4.0,0.0,,,12.0,0.0,0.0,groves
1,14.0,nash,converged,9.0,9.0,4.0,3.0,2.0,0.0,,,9.0,1.0,1.0,nash
1,14.0,groves,no_equilibrium,,,,,,,,,,0.0,0.0,nash
1,14.0,social_optimum,converged,12.0,12.0,4.0,4.0,4.0,0.0,,,12.0,0.0,0.0,nash"""
"""The result of a batch of two cases."""


def made(chance: random.Random) -> dict[str, str]:
    """The files of one try: a good case c.yaml, and f, which is fuzzed, with what belongs to it."""
    maker = Maker(chance)
    kind = chance.choice(KINDS)
    ending = chance.choice([".yaml", ".yaml", ".json"])
    files = {"c.yaml": BASE}
    if kind == "result":
        files["f.csv"] = maker.result()
    elif kind in ("case", "setting"):
        files[f"f{ending}"] = maker.changed(chance.choice(SHIPPED[kind]), ending)
    elif kind == "patch":
        part = {
            "base": "c.yaml",
            "cost": {"scale": chance.uniform(1, 40)},
            "security": {"rivalry": chance.random()},
        }
        files[f"f{ending}"] = maker.changed(part, ending)
    else:
        tree = json.loads(json.dumps(chance.choice(SHIPPED["design"])))
        tree["case"] = "c.yaml"
        tree["policies"] = chance.sample(["nash", "joint_profit", "social_optimum"], 2)
        if "sample" in tree:
            tree["sample"]["count"] = 2
        if kind == "table":
            tree = {"case": "c.yaml", "table": "t.csv", "policies": ["nash"]}
            files["t.csv"] = maker.table()
            files[f"f{ending}"] = maker.text(tree, ending)
        else:
            files[f"f{ending}"] = maker.changed(tree, ending)
    return files


# What must never happen


class TooLong(BaseException):
    """A command has had its time."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command line led to."""

    code: int
    out: str
    err: str


_watched: list[str] = []
"""The directory outside which nothing may be written, while a command runs."""
_outside: list[str] = []
"""What was written outside all the same."""
WRITES = {
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
}


def _audit(event: str, given: tuple[Any, ...]) -> None:
    """Notice what is opened for writing, removed, renamed or made."""
    if not _watched:
        return
    if event == "open":
        path, _, flags = given
        if not isinstance(flags, int) or not flags & (
            os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        ):
            return
        paths = [path]
    elif event in WRITES:
        paths = [part for part in given[:2] if isinstance(part, str | bytes | os.PathLike)]
    else:
        return
    for path in paths:
        if isinstance(path, int):
            continue
        place = os.path.realpath(os.fsdecode(path))
        if not place.startswith((_watched[0], "/dev/", "/proc/")) and "__pycache__" not in place:
            _outside.append(f"{event} {place}")


_hooked: list[bool] = []


@contextmanager
def _watch(folder: Path) -> Iterator[None]:
    if not _hooked:
        sys.addaudithook(_audit)
        _hooked.append(True)
    _outside.clear()
    _watched.append(os.path.realpath(folder))
    try:
        yield
    finally:
        _watched.clear()


@contextmanager
def _timed(limit: float) -> Iterator[None]:
    """Stop after so many seconds of this processor, and after far more of a busy machine's."""

    def ring(number: int, frame: Any) -> None:
        raise TooLong

    clocks = (
        (signal.SIGPROF, signal.ITIMER_PROF, limit),
        (signal.SIGALRM, signal.ITIMER_REAL, 10 * limit),
    )
    before = [(number, signal.signal(number, ring)) for number, _, _ in clocks]
    for _, clock, seconds in clocks:
        signal.setitimer(clock, seconds)
    try:
        yield
    finally:
        for _, clock, _ in clocks:
            signal.setitimer(clock, 0)
        for number, handler in before:
            signal.signal(number, handler)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class Oracle:
    """Runs command lines in a directory and gathers what must not happen."""

    def __init__(self, folder: Path, files: dict[str, str], source: str, limit: float) -> None:
        self.folder, self.files, self.source, self.limit = folder, files, source, limit
        self.findings: list[Finding] = []

    def found(self, kind: str, detail: str, command: list[str]) -> None:
        """Note it."""
        self.findings.append(
            Finding(kind=kind, detail=detail, source=self.source, command=command, files=self.files)
        )

    def run(self, *command: str, made: tuple[str, ...] = (), twice: bool = True) -> Ran | None:
        """Run it, and once more; `made` are names that it may make or change. None where it took
        too long."""
        line = list(command)
        first = self._once(line, made)
        if first is None or not twice:
            return first
        before = {name: data for name, data in contents(self.folder).items() if name in made}
        for name in before:
            (self.folder / name).unlink()
        second = self._once(line, made)
        if second is not None and (
            second != first
            or before != {n: d for n, d in contents(self.folder).items() if n in made}
        ):
            where = "".join(
                f"\n- {a}\n+ {b}"
                for a, b in zip(first.out.split("\n"), second.out.split("\n"), strict=False)
                if a != b
            )
            self.found("differs", f"the second time{where[:500]}", line)
        return first

    def _once(self, line: list[str], made: tuple[str, ...]) -> Ran | None:
        before = {name: data for name, data in contents(self.folder).items() if name not in made}
        out, err = io.StringIO(), io.StringIO()
        begun = time.process_time()
        try:
            with (
                warnings.catch_warnings(),
                _watch(self.folder),
                _timed(self.limit),
                redirect_stdout(out),
                redirect_stderr(err),
            ):
                warnings.simplefilter("ignore", RuntimeWarning)  # as the process does
                code = main(line)
        except TooLong:
            self.found("slow", f"more than {self.limit:g} s", line)
            return None
        except BaseException as error:
            self.found("traceback", f"{type(error).__name__}: {error}", line)
            return None
        if time.process_time() - begun > self.limit:  # compiled code is not stopped
            self.found("slow", f"more than {self.limit:g} s", line)
        ran = Ran(code=code, out=out.getvalue(), err=err.getvalue())
        if code == 1 or "Traceback" in ran.err:
            self.found("traceback", ran.err[-1500:], line)
        elif code not in CODES:
            self.found("code", str(code), line)
        elif code == 2 and ran.out and line[0] != "validate":
            self.found("half", f"exit 2 after printing {ran.out[:200]!r}", line)
        elif code and not ran.err and "--help" not in line:
            self.found("silent", f"exit {code} without a word", line)
        if len(ran.err.splitlines()) > 60:
            self.found("flood", f"{len(ran.err.splitlines())} lines of messages", line)
        for text in (ran.out, ran.err):
            if visible(text, "\n\t") != text:
                self.found("steers", repr(text[:300]), line)
        after = {name: data for name, data in contents(self.folder).items() if name not in made}
        if after != before:
            self.found(
                "changed",
                ", ".join(
                    sorted(
                        {name for name in {*before, *after} if before.get(name) != after.get(name)}
                    )
                ),
                line,
            )
        if _outside:
            self.found("outside", "; ".join(_outside[:5]), line)
        return ran

    def json(self, ran: Ran | None, line: list[str]) -> Tree:
        """The result, after a look at its numbers and claims."""
        if ran is None or ran.code not in (0, 3) or not ran.out:
            return None

        def strange(word: str) -> None:
            raise ValueError(word)

        try:
            tree = json.loads(ran.out, parse_constant=strange)
        except ValueError as error:
            self.found("not finite", str(error), line)
            return None
        for way in ways(tree):
            value = at(tree, way)
            if isinstance(value, float) and not math.isfinite(value):
                self.found("not finite", str(way), line)
            if (
                isinstance(value, dict)
                and "status" in value
                and ("certificate" in value or "policy" in value)
            ):
                claimed = [name for name in FIGURES if _any(value.get(name))]
                if value["status"] not in SOLVED and claimed and value["status"] in UNSOLVED:
                    self.found("claims", f"{way} is {value['status']} with {claimed}", line)
        return tree


UNSOLVED = ("infeasible", "unbounded", "no_equilibrium", "not_converged")


def _any(value: Tree) -> bool:
    return any(part is not None for part in value) if isinstance(value, list) else value is not None


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV result."""
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


# What is tried


def try_file(oracle: Oracle, *, twice: bool) -> bool:
    """Validate the fuzzed file, or show the findings of a result; whether it is good."""
    name = next(name for name in oracle.files if name.startswith("f"))
    line = ["compare", name, "--format", "json"] if name == "f.csv" else ["validate", name]
    ran = oracle.run(*line, twice=twice)
    if name == "f.csv":
        oracle.json(ran, line)
    return ran is not None and ran.code == 0


def try_evaluation(oracle: Oracle, chance: random.Random) -> None:
    """Compute with a file that is good."""
    name = next(name for name in oracle.files if name.startswith("f"))
    if name == "f.csv":
        oracle.run("compare", name)
        return
    tree = read_document(oracle.folder / name).tree
    twice = chance.random() < 0.3
    if "policies" in tree:
        line = ["batch", name, "--out", "r.csv", "--overwrite"]
        oracle.run(*line, made=("r.csv", "r.csv.metadata.json"), twice=twice)
        if (oracle.folder / "r.csv").exists():
            for row in rows_of(oracle.folder / "r.csv"):
                figures = [
                    key for key in ("welfare", "profit_1", "sharing_1", "price_1") if row[key]
                ]
                if row["status"] not in SOLVED and figures:
                    oracle.found("claims", f"{row['status']} with {figures}", line)
                if any(row[key] in ("inf", "-inf", "nan") for key in row if key != "case_id"):
                    oracle.found("not finite", str(row), line)
                if row["status"] == "failed":
                    oracle.found("traceback", row["message"], line)
        return
    line = ["design", name] if {"alternatives", "players"} & set(tree) else ["evaluate", name]
    kind = chance.random()
    if line[0] == "evaluate" and kind < 0.3:
        line = chance.choice(
            [
                ["what-if", "c.yaml", "--set", f"@{name}"],
                ["statics", name],
                ["compare", name, "c.yaml"],
                ["propositions", name],
                ["design", name],
            ]
        )
    if kind < 0.85:
        line += ["--format", "json"]
        oracle.json(oracle.run(*line, twice=twice), line)
    else:
        oracle.run(
            *line, *chance.choice([[], ["--format", "csv"], ["--digits", "15"]]), twice=twice
        )


def a_command(chance: random.Random, fuzzed: str) -> list[str]:
    """A command line, right, nearly right, or not at all."""
    file = chance.choice(
        [
            "c.yaml",
            "c.yaml",
            fuzzed,
            "nowhere.yaml",
            "folder",
            "",
            "x" * 300,
            "two_vendors",
            "\x1b.yaml",
            "s.yaml",
            "d.yaml",
        ]
    )
    commands = [
        "evaluate",
        "compare",
        "what-if",
        "design",
        "batch",
        "propositions",
        "statics",
        "verify",
        "diff",
        "validate",
        "schema",
        "examples",
    ]
    line = [chance.choice([*commands, "evalute", "--help", "\x1b"]), file]
    if line[0] == "examples":
        line = [
            "examples",
            chance.choice(["list", "show", "copy"]),
            chance.choice(["two_vendors", "two_vendor", "../c", "", "designs/x", "--all"]),
        ]
    value = chance.choice(
        [
            "1",
            "0.5",
            "-1",
            "nan",
            "[1,2]",
            "[",
            "&a [*a]",
            "null",
            "9" * 5000,
            "text",
            "\x1b",
            "1e400",
            "{a: 1}",
            "",
            "12",
        ]
    )
    key = chance.choice(
        [
            "cost.scale",
            "demand.intercept[0]",
            "demand.intercept[7]",
            "cost",
            "x",
            "",
            "[0]",
            "demand.cross_slope",
            "types.points",
            "a.b.c",
        ]
    )
    options = [
        ["--format", chance.choice(["json", "csv", "table", "xlsx", "xml"])],
        [
            "--out",
            chance.choice(
                [
                    "r.json",
                    "r.csv",
                    "r.txt",
                    "r.xlsx",
                    "c.yaml",
                    "folder",
                    "no/x.csv",
                    "x" * 300,
                    "",
                    fuzzed,
                    "s.yaml",
                    "r.parquet",
                ]
            ),
        ],
        ["--digits", chance.choice(["3", "0", "99", "x"])],
        ["--seed", chance.choice(["1", "-1", "9" * 40])],
        ["--set", f"{key}={value}"],
        ["--set", chance.choice([f"@{fuzzed}", "@", "@folder", "@nowhere", value])],
        [
            "--vary",
            f"{key}={chance.choice([*RANGES, value])}",
        ],
        ["--policy", chance.choice(["nash", "groves", "nsh", ""])],
        ["--budget", chance.choice(["none", "ex_post", "x"])],
        ["--tax-rule", chance.choice(["clarke", "designed", "x"])],
        ["--regime", chance.choice(["nash", "x"])],
        ["--by", key],
        ["--jobs", chance.choice(["1", "0", "1000", "x"])],
        ["--sample", chance.choice(["1", "0", "x", "9" * 30])],
        *[
            [flag]
            for flag in (
                "--quiet",
                "--strict",
                "--dry-run",
                "--resume",
                "--overwrite",
                "--nonsense",
                "--stamp",
                "--emit-python",
                "--whole",
                "--result",
                "--setting",
                "--help",
                "--",
            )
        ],
    ]
    for _ in range(chance.choice([0, 1, 1, 2, 2, 3, 4])):
        line += chance.choice(options)
    return line


def try_command(oracle: Oracle, chance: random.Random) -> None:
    """Run a command line beside a folder, a setting and a design."""
    folder = oracle.folder
    (folder / "folder").mkdir()
    shutil.copy(ROOT / "cases" / "settings" / "bilateral_trade.yaml", folder / "s.yaml")
    (folder / "d.yaml").write_text(
        "case: c.yaml\nvary: {cost.scale: {values: [12, 14]}}\npolicies: [nash]\n"
    )
    fuzzed = next(name for name in oracle.files if name.startswith("f"))
    line = a_command(chance, fuzzed)
    written = tuple(
        f"r.{end}" for end in ("json", "csv", "txt", "parquet", "xlsx", "csv.metadata.json")
    )
    # it is written to, not read
    replaced = (fuzzed,) if not {fuzzed, f"@{fuzzed}"} & set(read_by(line)) else ()
    ran = oracle.run(*line, made=(*written, *copied_by(line), *replaced), twice=False)
    if ran is not None and ran.code == 2 and any((folder / name).exists() for name in written):
        oracle.found("half", "exit 2 after writing a file", line)
    if (
        "json" in line
        and "--out" not in line
        and line[0] not in ("schema", "examples", "validate", "batch", "verify", "diff")
        and "--emit-python" not in line
        and "--help" not in line
    ):
        oracle.json(ran, line)


def copied_by(line: list[str]) -> list[str]:
    """The names under which a command line may copy shipped cases: here, or at what follows `--`,
    where a word is a place whatever it begins with."""
    if line[:2] != ["examples", "copy"]:
        return []
    names = [f"{name}.yaml" for name in _names()]
    places = line[line.index("--") + 1 :] if "--" in line else []
    return [*names, *places, *(f"{place}/{name}" for place in places for name in names)]


def read_by(line: list[str]) -> list[str]:
    """The words of a command line that do not say where to write."""
    return [word for before, word in zip(["", *line], line, strict=False) if before != "--out"]


def _names() -> list[str]:
    from cli.shipped import every_name

    return every_name()


@dataclass(kw_only=True)
class Tally:
    """What came of a run."""

    findings: list[Finding] = field(default_factory=list)
    tried: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Count another run in."""
        self.findings += other.findings
        self.tried += other.tried


TRIES = 40
"""Files that are made until one is good."""


# putting the commands together takes as long as validating a file
@patch("typer.main.get_command", cache(get_command))
def fuzz(
    files: int,
    evaluations: int,
    commands: int,
    seed: int,
    *,
    first: int = 0,
    step: int = 1,
    limit: float = LIMIT,
    told: Callable[[Finding], None] | None = None,
) -> Tally:
    """Try so many files, evaluations and command lines of this seed, every `step`th from
    `first`."""
    tally = Tally()
    here = os.getcwd()
    plans = (
        [("file", n) for n in range(files)]
        + [("evaluation", n) for n in range(evaluations)]
        + [("command", n) for n in range(commands)]
    )
    for kind, n in plans[first::step]:
        source = f"seed {seed}, {kind} {n}"
        chance = random.Random(source)
        for _ in range(TRIES):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                oracle = Oracle(folder, made(chance), source, limit)
                for file, text in oracle.files.items():
                    (folder / file).write_bytes(text.encode("utf-8", "surrogatepass"))
                os.chdir(folder)
                try:
                    if kind == "command":
                        try_command(oracle, chance)
                    good = kind == "command" or try_file(
                        oracle, twice=kind == "file" and n % 3 == 0
                    )
                    if kind == "evaluation" and good:
                        try_evaluation(oracle, chance)
                finally:
                    os.chdir(here)
            if kind == "file":
                tally.tried["good files"] += good
            tally.findings += oracle.findings
            for finding in oracle.findings if told is not None else ():
                told(finding)
            if kind == "file" or good:
                break
        tally.tried[f"{kind}s"] += 1
    return tally


def run() -> int:
    """The command line; the number of findings, at most 100."""
    parser = argparse.ArgumentParser(
        description="Files and command lines made up at random, and what must never happen to them."
    )
    for name, default in (
        ("files", 1000),
        ("evaluations", 100),
        ("commands", 300),
        ("seed", 0),
        ("jobs", 1),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    begun = time.monotonic()
    tally = Tally()
    if given.jobs == 1:
        tally = fuzz(
            given.files,
            given.evaluations,
            given.commands,
            given.seed,
            told=lambda finding: print(finding, flush=True),
        )
    else:
        with ProcessPoolExecutor(given.jobs) as pool:
            parts = [
                pool.submit(
                    fuzz,
                    given.files,
                    given.evaluations,
                    given.commands,
                    given.seed,
                    first=n,
                    step=given.jobs,
                )
                for n in range(given.jobs)
            ]
            for part in parts:
                tally.add(part.result())
        for finding in tally.findings:
            print(finding)
    share = tally.tried["good files"] / max(1, tally.tried["files"])
    print(
        f"{dict(tally.tried)}, {share:.0%} of files good, {time.monotonic() - begun:.0f} s;"
        f" {len(tally.findings)} findings",
        end=" ",
    )
    print(dict(Counter(finding.kind for finding in tally.findings)))
    return min(100, len(tally.findings))


if __name__ == "__main__":
    sys.exit(run())
