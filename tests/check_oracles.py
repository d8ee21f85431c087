"""Run the tests of the oracles alone and note what they passed with.

    python tests/check_oracles.py

These tests, marked `oracle`, hold the oracles against each other and against brute force. They use
nothing of the program, so no change of it fails them: the suite runs them where an oracle, a test
of it or a case it looks at is not what is noted in `checked_oracles.json`.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CHECKED = HERE / "checked_oracles.json"
TESTS = ("test_oracle.py", "test_oracle_ranking.py", "test_oracle_stages.py")
REST_ON = (
    *TESTS,
    "compare_ranking.py",
    "oracle.py",
    "oracle_ranking.py",
    "oracle_reported.py",
    "oracle_stages.py",
    "write_expectations.py",
    "write_stages.py",
    "../cases/ill_posed.yaml",
    "../cases/large_and_small.yaml",
    "../cases/starter.yaml",
    "../cases/two_optima.yaml",
    "../cases/two_vendors.yaml",
)
"""What decides whether they pass."""


def mark() -> str:
    """A hash of all that decides whether the tests of the oracles alone pass."""
    texts = [(HERE / name).read_text(encoding="utf-8") for name in REST_ON]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def checked() -> bool:
    """Whether these tests passed with everything as it is."""
    return bool(json.loads(CHECKED.read_text()) == {"oracles": mark()})


def main() -> int:
    """Run them; 1 if one failed."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "oracle", "--oracles"]
    failed = subprocess.run([*command, *(HERE / name for name in TESTS)], check=False).returncode
    if not failed:
        CHECKED.write_text(json.dumps({"oracles": mark()}) + "\n", encoding="utf-8")
    return failed


if __name__ == "__main__":
    sys.exit(main())
