"""Settings shared by all tests: reproducible examples, no deadlines on shared machines."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator

# Tests run in several processes: threads of a linear algebra library inside each would only get in
# each other's way.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Processes that tests start compile the program once, not each for itself.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import pytest
from command import Ran, Run
from hypothesis import Phase, settings

gc.disable()  # while tests are collected: looking for garbage takes a third of the time

settings.register_profile("pigou", deadline=None, derandomize=True, database=None)
settings.register_profile(
    "first_failure", settings.get_profile("pigou"), phases=(Phase.explicit, Phase.generate)
)
settings.load_profile("pigou")


DEAR = (
    *("test_one_answer.py", "test_recipes.py", "test_many.py", "test_frozen.py", "test_units.py"),
    *("test_verify.py", "test_what_if.py", "test_propositions.py", "test_wild_markets.py"),
    *("test_expected_stages.py", "test_mechanism_designed.py", "test_readme.py"),
    *("test_overturn.py", "test_mechanism_evaluation.py", "test_mechanism_interdependent.py"),
)
"""Files with few tests that take long: begun last they would leave one process alone at the end."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--oracles`: run the tests of oracles alone whatever was noted."""
    parser.addoption("--oracles", action="store_true", help="run tests of the oracles alone too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the dearest files, and skip tests of oracles alone, which no change of the program
    fails, where they passed with the oracles as they are."""
    from check_oracles import checked

    items.sort(key=lambda item: item.path.name not in DEAR)
    if not config.getoption("--oracles") and checked():
        passed = pytest.mark.skip(reason="passed with these oracles: --oracles runs it again")
        for item in items:
            if "oracle" in item.keywords:
                item.add_marker(passed)


def pytest_collection_finish() -> None:
    """What was collected stays: it is never looked through for garbage."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Function) -> Generator[None, object, object]:
    """What evaluations consist of is worked out once in a process, except where the program may be
    changed: in a test that asks for `monkeypatch` and not for `evaluated_once`, or for `anew`."""
    names = set(getattr(item, "fixturenames", ()))
    if "anew" in names or ("monkeypatch" in names and "evaluated_once" not in names):
        return (yield)
    from trees import parts_done_once

    with parts_done_once():
        return (yield)


@pytest.fixture
def evaluated_once() -> None:
    """A test that patches, but nothing that evaluates: nothing is evaluated twice."""


@pytest.fixture
def anew() -> None:
    """A test of evaluating itself: everything is evaluated."""


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process."""
    from cli.entry import main

    def running(*arguments: object) -> Ran:
        code = main([str(argument) for argument in arguments])
        return Ran(code, *capsys.readouterr())

    return running
