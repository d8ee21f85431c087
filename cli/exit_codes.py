"""How the program leaves: what each exit code means, for whoever calls it from another program."""

from __future__ import annotations

DONE = 0
FAULT = 1
"""A fault of the program, or of the machine it runs on."""
USAGE = 2
"""Wrong usage, or a file that is not admissible."""
NOT_MET = 3
"""Solved, but something asked for does not hold."""
SOME_FAILED = 4
"""A batch finished with some of its cases failed."""
INTERRUPTED = 130
