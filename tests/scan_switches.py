"""Switches of every number of the market against scans of it, the long form of `test_overturn.py`:
`scan_switches.py START COUNT [POINTS]`, by default 200 points a number.

Prints a line per random case and every difference; exit 1 if there is any.
"""

from __future__ import annotations

import sys
import time

from test_overturn import nearer, random_tree

from market.casefile.faults import BadCase
from mechanism.casefile.policy_case import parse_tree


def main(start: int, count: int, points: int = 200) -> int:
    """How many cases differ."""
    differ = 0
    for seed in range(start, start + count):
        began = time.process_time()
        try:
            case = parse_tree(random_tree(seed))
        except BadCase:
            print(f"{seed}: no market", flush=True)
            continue
        wrong = nearer(case, points)
        differ += bool(wrong)
        told = "; ".join(wrong) or "none nearer"
        print(f"{seed}: {told} ({time.process_time() - began:.0f} s)", flush=True)
    return differ


if __name__ == "__main__":
    sys.exit(bool(main(*map(int, sys.argv[1:4]))))
