"""The commands that solve many markets, whole and in fresh processes: `pigou batch` and the claims
over random markets.

    OPENBLAS_NUM_THREADS=1 python benchmarks/batch.py [CASES]

Processor time, one thread, of the whole command, reading and writing included; peak memory (this
script's own where that is more). The cases are the shipped design without types: scrambled Sobol
points (seed 7) of slopes, spillovers and costs, three regimes. The loop is `plain.solved`, the same
three regimes in one case after the other at scipy's default tolerances. Fails where a ratio is
below its limit, cost a case or memory grows with the number of cases, results depend on the number
of processes, or levels differ from the loop's.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pyarrow.parquet as pq
from measured import PIGOU, ROOT, spent
from plain import solved

from cli.batch.design import load_design

LOOPED = 12
FASTER = 60.0
"""How many times as long a case takes in the loop, at least."""
GROWS = 1.25
"""How much more a case, or the memory, may take among many than among few."""
SPLIT = 1.5
"""What two processes together may take of a processor, over what one does: they are twice as fast
where this is 1. Either loads the libraries for itself."""
APART = 1e-4
"""By how much of their size levels may differ from the loop's, which stops short of accuracy."""
CLAIMS, CLAIMED, CLAIMED_MEMORY = 2000, 0.55, 300.0
"""Random markets of the claims, what share of a case's time in the loop each may take (it solves
five games more, their statics and three settings), and MiB at most."""


def design(folder: Path, count: int) -> Path:
    """The shipped design without types, of so many cases."""
    text = (ROOT / "cases" / "designs" / "alliance_or_mechanism.yaml").read_text()
    text = text.replace("../two_types.yaml", str(ROOT / "cases" / "two_vendors.yaml"))
    text = text.replace(", printed, groves", "").replace("count: 256", f"count: {count}")
    path = folder / f"{count}.yaml"
    path.write_text(text)
    return path


def batches(folder: Path, most: int) -> bool:
    """The command at growing numbers of cases, and with two processes."""
    sizes = (1000, most // 3, most)
    took = {}
    spent(*PIGOU, "batch", str(design(folder, 10)), "--out", str(folder / "first.csv"), "--quiet")
    for size in sizes:
        out = str(folder / f"{size}.parquet")
        took[size] = spent(*PIGOU, "batch", str(design(folder, size)), "--out", out, "--quiet")
        seconds, memory = took[size]
        print(
            f"{size:9,} cases: {1000 * seconds / size:.3f} ms a case, {memory:.0f} MiB", flush=True
        )
    each = {size: (took[size][0] - took[1000][0]) / (size - 1000) for size in sizes[1:]}
    grows = each[most] / each[sizes[1]]
    memory = took[most][1] / took[sizes[1]][1]

    case = load_design(folder / "1000.yaml")
    market = case.read(case.columns(0, LOOPED))[0][0].market
    market = market.map(lambda a: a + np.zeros((LOOPED, 2)))
    begin = time.process_time()
    theirs = [solved(market, lane) for lane in range(LOOPED)]
    slow = (time.process_time() - begin) / LOOPED
    rows = pq.read_table(folder / "1000.parquet").to_pylist()
    names = [f"{name}_{firm}" for name in ("sharing", "investment") for firm in (1, 2)]
    apart = 0.0
    for row in rows[: 3 * LOOPED]:
        ours = np.array([row[name] for name in names])
        moved = np.abs(theirs[row["case_id"]][row["policy"]] - ours) / np.maximum(1.0, np.abs(ours))
        apart = max(apart, float(moved.max()))
    whole = took[most][0] / most
    print(
        f"a case is {slow / whole:.0f} times as fast as in the loop (at least {FASTER:.0f}), levels"
        f" apart by {apart:.0e}; beyond the start it takes {grows:.2f} times as long among {most:,}"
        f" as among {sizes[1]:,}, and memory {memory:.2f} times (at most {GROWS})",
        flush=True,
    )
    both = folder / "two.parquet"
    two, _ = spent(
        *PIGOU, "batch", str(folder / f"{most}.yaml"), "--out", str(both), "--jobs", "2", "--quiet"
    )
    same = both.read_bytes() == (folder / f"{most}.parquet").read_bytes()
    print(
        f"two processes take {two / took[most][0]:.2f} times what one does (at most {SPLIT}), so"
        f" that they are up to {2 * took[most][0] / two:.2f} times as fast; the same bytes: {same}",
        flush=True,
    )
    claims, peak = spent(
        *PIGOU, "propositions", str(ROOT / "cases" / "two_vendors.yaml"), "--sample", str(CLAIMS)
    )
    share = claims / CLAIMS / slow
    print(
        f"claims over {CLAIMS:,} markets: {claims:.1f} s, {peak:.0f} MiB (at most"
        f" {CLAIMED_MEMORY:.0f}); a market takes {share:.2f} of the loop's case (at most"
        f" {CLAIMED:g})"
    )
    return (
        slow / whole >= FASTER
        and apart <= APART
        and max(grows, memory) <= GROWS
        and two / took[most][0] <= SPLIT
        and same
        and share <= CLAIMED
        and peak <= CLAIMED_MEMORY
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        most = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
        raise SystemExit(not batches(Path(name), most))
