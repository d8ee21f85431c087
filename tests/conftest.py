"""Settings shared by all tests: reproducible examples, no deadlines on shared machines."""

from __future__ import annotations

import os

# Tests run in several processes: threads of a linear algebra library inside each would only get in each other's way.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from hypothesis import settings

settings.register_profile("pigou", deadline=None, derandomize=True, database=None)
settings.load_profile("pigou")
