"""How many threads a linear algebra library may use: one."""

from __future__ import annotations

THREADS = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), "1")
"""Environment variables. Matrices here are small: threads only get in each other's way, and sums
that are split among them come out otherwise on another machine."""
