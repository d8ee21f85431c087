"""The README shows real output, exactly two installation commands, and every shipped case."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.app import app
from mechanism.claims.sample import sampled

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_output_shown_is_the_output_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    shown = re.search(r"```\n\$ pigou evaluate cases/two_vendors.yaml\n(.*?)```", README, re.S)
    assert shown is not None
    result = CliRunner().invoke(app, ["evaluate", "cases/two_vendors.yaml"])
    assert result.exit_code == 0
    assert shown[1].strip() == _steady(result.stdout).strip()


def _steady(text: str) -> str:
    """The output without its line of residuals, which are rounding and differ between machines."""
    return re.sub(r"residual <= \S+ regret <= \S+", "residual <= 1e-13, regret <= 1e-15,", text)


def test_installation_is_two_commands() -> None:
    section = re.search(r"## Install\n(.*?)\n## ", README, re.S)
    assert section is not None
    blocks = re.findall(r"```sh\n(.*?)```", section[1], re.S)
    assert len(blocks) == 2
    assert all(block.count("\n") == 1 for block in blocks)
    assert "pigou evaluate" in blocks[0]
    assert "pytest" in blocks[1]


def test_every_shipped_case_is_listed() -> None:
    for file in (ROOT / "cases").glob("*.yaml"):
        assert f"`{file.stem}`" in README, file.stem


def test_the_counts_of_claims_are_those_of_the_sample() -> None:
    """2,000 random markets, every claim: what the replication table says is what the program finds,
    on this machine too."""
    table = re.search(r"<!-- claims -->\n(.*?)\n<!-- end of claims -->", README, re.S)
    assert table is not None
    shown = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()[2:]
    ]
    found = sampled(2000, 0).claims
    assert shown == [
        [
            row.claim.key,
            row.claim.text,
            f"{row.met.true}, {row.met.false}",
            f"{row.not_met.true}, {row.not_met.false}",
            str(row.not_asked),
        ]
        for row in found
    ]
