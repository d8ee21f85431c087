"""Settings shared by all tests: reproducible examples, no deadlines on shared machines."""

from __future__ import annotations

import os

# Tests run in several processes: threads of a linear algebra library inside each would only get in
# each other's way.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from command import Ran, Run
from hypothesis import Phase, settings

settings.register_profile("pigou", deadline=None, derandomize=True, database=None)
settings.register_profile(
    "first_failure", settings.get_profile("pigou"), phases=(Phase.explicit, Phase.generate)
)
settings.load_profile("pigou")


@pytest.fixture
def evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No command evaluates a case that was evaluated before: for tests of what is told of it."""
    from trees import evaluate_once

    monkeypatch.setattr("mechanism.analysis.evaluation.evaluate", evaluate_once)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process."""
    from cli.entry import main

    def running(*arguments: object) -> Ran:
        code = main([str(argument) for argument in arguments])
        return Ran(code, *capsys.readouterr())

    return running
