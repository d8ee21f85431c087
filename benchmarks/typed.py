"""Cases with private types together against one at a time, and the memory of large ones.

    OPENBLAS_NUM_THREADS=1 python benchmarks/typed.py

Processor time, one thread. Cases are random markets of the ranking's test (seed 1: firms that
differ, corners, capped investments) with private cost spillovers. Fails where many cases together
take longer than one at a time, where both differ, or where memory passes its limit.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # threads only slow down problems this small

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from compare_ranking import draw_tree
from measured import PIGOU, ROOT, spent

from mechanism.analysis.many import solve_many
from mechanism.casefile.policy_case import PolicyCase, parse_tree

POLICIES = ("nash", "joint_profit", "price_collusion", "social_optimum", "printed", "groves")
SAME = 1e-9
"""Largest difference, as a share of the largest figure of a case."""
MOST = 450.0
"""MiB at most for the claims over 400 markets."""
LARGE = 360.0
"""The same for one case of 201 types: a third above what was reached."""


def drawn(points: int, count: int) -> list[PolicyCase]:
    """Random markets in which each firm alone knows its cost spillover."""
    rng, out = np.random.default_rng(1), []
    while len(out) < count:
        tree = draw_tree(rng)
        if tree["cost"]["form"] == "saturating":  # others are solved apart
            tree["types"] = {"support": [0.2, 0.8], "points": points}
            out.append(parse_tree(tree | {"mechanism": {}}))
    return out


def together(points: int, count: int) -> bool:
    """Whether many cases are no slower together, and the same."""
    cases = drawn(points, count)
    solve_many(cases[:2], POLICIES)
    begin = time.process_time()
    many = solve_many(cases, POLICIES)
    middle = time.process_time()
    alone = [solve_many([case], POLICIES) for case in cases]
    end = time.process_time()
    welfare = np.concatenate([one["welfare"] for one in alone])
    apart = np.nanmax(np.abs(many["welfare"] - welfare)) / np.nanmax(np.abs(welfare))
    ratio = (end - middle) / (middle - begin)
    print(
        f"{points} types, {count} cases: {count / (middle - begin):.0f} a second together,"
        f" {ratio:.1f}x one at a time; apart by {apart:.0e}"
    )
    return bool(ratio >= 1 and apart <= SAME)


def peak(what: str, arguments: list[str], limit: float) -> bool:
    """Whether a command keeps within its memory, in a fresh process."""
    seconds, mebibytes = spent(*PIGOU, *arguments)
    print(f"{what}: {mebibytes:.0f} MiB (at most {limit:.0f}), {seconds:.0f} s of a processor")
    return bool(mebibytes <= limit)


if __name__ == "__main__":
    held = [together(points, count) for points, count in ((5, 60), (11, 30), (21, 16), (51, 5))]
    claims = ["propositions", str(ROOT / "cases" / "two_vendors.yaml"), "--sample", "400"]
    held.append(peak("claims over 400 markets", claims, MOST))
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder) / "many.yaml"
        vendors = ROOT / "cases" / "two_vendors.yaml"
        case.write_text(f"base: {vendors}\ntypes: {{support: [0.2, 0.8], points: 201}}\n")
        held.append(peak("a case of 201 types", ["evaluate", str(case), "--quick"], LARGE))
        path = ["--vary", "cost.scale=14:20:1000", "--policy", "groves", "--format", "csv"]
        case.write_text(f"base: {vendors}\ntypes: {{support: [0.2, 0.8], points: 15}}\n")
        held.append(peak("a path of 1,000 points", ["what-if", str(case), *path], MOST))
    raise SystemExit(not all(held))
