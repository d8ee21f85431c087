"""What a shell completes: the names that there are, and nothing heavy for it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pigou
from cli import completion
from cli.report.redaction import NUMBERS, TEXTS, hidden_keys
from mechanism.casefile.case_keys import key_path, leaves, value_at
from mechanism.casefile.policies import followed

ROOT = Path(__file__).resolve().parents[1]


def numeric(value: Any) -> bool:
    """Whether a value of a case is a number, or one per firm."""
    parts = value if isinstance(value, list) else [value]
    return all(isinstance(part, int | float) and not isinstance(part, bool) for part in parts)


def test_keys_are_those_of_the_shipped_cases() -> None:
    numbers, others = set(), set()
    for path in (ROOT / "cases").glob("*.yaml"):
        tree = pigou.load(path).resolved
        for leaf in leaves(tree):
            key = re.sub(r"\[\d+\]", "", leaf)
            held = value_at(tree, key_path(key))
            single = not key.startswith("types") or not isinstance(held, list)
            # a cap that is null may be a number, a list of policies may be empty
            can_vary = key == "cost.investment_cap" or (numeric(held) and held != [])
            (numbers if single and can_vary else others).add(key)
    assert set(completion.NUMBERS) == numbers
    assert set(completion.CHOICES) == others - numbers


def test_policies_are_those_that_can_be_followed() -> None:
    assert followed(private=True) == completion.POLICIES


def complete(*words: str) -> tuple[list[str], set[str]]:
    """What bash is offered for a command line, and what was imported for it."""
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "from cli.entry import run; run()"],
        env=os.environ
        | {
            "PYTHONPATH": str(ROOT),
            "_PIGOU_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(("pigou", *words)),
            "COMP_CWORD": str(len(words)),
        },
        capture_output=True,
        text=True,
    )
    loaded = re.findall(r"\|\s+([\w.]+)$", ran.stderr, re.MULTILINE)
    return ran.stdout.split(), {name.split(".")[0] for name in loaded}


def test_a_key_is_completed_without_numbers() -> None:
    offered, loaded = complete("what-if", "--vary", "security.l")
    assert offered == [f"security.leakage.{key}=" for key in ("own", "cross", "interaction")]
    assert "typer" in loaded
    assert not loaded & {"numpy", "ruamel"}


def test_a_picture_is_completed_without_what_draws_it() -> None:
    offered, loaded = complete("evaluate", "--picture", "l")
    assert offered == ["levels", "ladder"]
    assert not loaded & {"numpy", "matplotlib"}


def test_what_is_offered_starts_as_the_text_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert completion.policy_names("linear") == ["linear_subsidies"]
    assert completion.keys_to_set("cost.f") == ["cost.form="]
    assert completion.keys_to_redact("units") == ["units", "units.money", "units.quantity"]
    assert completion.keys_to_redact("cost.s") == ["cost.scale", "cost.spillover"]
    case = pigou.load(ROOT / "cases" / "two_types.yaml").resolved
    hidden, _ = hidden_keys([case], NUMBERS)
    assert hidden <= {re.sub(r"\[.\]$", "", key) for key in completion.keys_to_redact("")}
    assert completion.keys_to_redact("mech") == []
    assert completion.TEXTS == TEXTS
    assert completion.keys_to_vary("cost.f") == []
    monkeypatch.chdir(tmp_path)
    (tmp_path / "markets").mkdir()
    for name in ("mine.yaml", "mine.txt", "markets/a.json"):
        (tmp_path / name).touch()
    assert completion.case_files("m") == ["markets/", "mine.yaml"]
    assert completion.case_files("markets/") == ["markets/a.json"]
    assert completion.case_files("nowhere/") == []
