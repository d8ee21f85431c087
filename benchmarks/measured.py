"""What a command takes in a fresh process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PIGOU = (sys.executable, "-c", "from cli.entry import run; run()")


def spent(*command: str) -> tuple[float, float]:
    """Seconds of a processor, and MiB at most (the caller's own where that is more)."""
    run = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    _, status, used = os.wait4(run.pid, 0)
    run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {run.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
