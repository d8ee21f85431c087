"""Settings shared by all tests: reproducible examples, no deadlines on shared machines."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("pigou", deadline=None, derandomize=True, database=None)
settings.load_profile("pigou")
