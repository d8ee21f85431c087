"""The table of mutants fits the program: every text is there once, every test that has to notice it
exists, none is a frozen result."""

from __future__ import annotations

import re

import pytest
from mutants import MUTANTS, ROOT, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_mutant_can_be_made_and_has_its_tests(mutant: Mutant) -> None:
    assert (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1
    assert mutant.new != mutant.old
    assert mutant.killers
    for test in mutant.killers:
        file, _, name = test.partition("::")
        assert "frozen" not in file
        assert re.search(
            rf"^def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE
        ), test


def test_names_are_different() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
