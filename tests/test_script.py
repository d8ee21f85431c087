"""`--emit-python`: the script that is printed gives the same bytes as the run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command import Run

pytestmark = pytest.mark.usefixtures("evaluated_once")

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "cases"
RUNS = {
    "evaluate": (["evaluate", "cases/two_vendors.yaml"], "json"),
    "quick": (["evaluate", "cases/two_types.yaml", "--quick"], "json"),
    "set": (
        [
            *("what-if", "cases/two_vendors.yaml"),
            *("--set", "cost.scale=15", "--set", "firms=[A, 'B\"']"),
        ],
        "json",
    ),
    "order": (
        [
            *("what-if", "cases/two_vendors.yaml"),
            *("--set", "demand.cross_slope=2", "--set", "demand.own_slope=[3, 3.5]"),
        ],
        "json",
    ),
    "vary": (
        [
            *("what-if", "cases/two_vendors.yaml", "--set", "cost.scale=15"),
            *("--vary", "security.rivalry=0:1.2:5", "--policy", "nash"),
        ],
        "csv",
    ),
    "map": (
        [
            *("what-if", "cases/two_types.yaml", "--vary", "security.rivalry=0.1:0.3:2"),
            *("--vary", "cost.scale=12:15:2", "--policy", "groves"),
        ],
        "csv",
    ),
    "design": (["design", "cases/two_types.yaml", "--budget", "none"], "json"),
    "setting": (["design", "cases/settings/bilateral_trade.yaml", "--budget", "none"], "json"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_the_script_gives_the_bytes_of_the_run(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(ROOT)
    command, form = RUNS[name]
    script = tmp_path / "again.py"
    emitted = run(*command, "--emit-python")
    assert emitted.code == 0
    assert run(*command, "--emit-python", "--out", script).code == 0
    assert script.read_text() == emitted.out
    assert len(emitted.out.splitlines()) < 15
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=ROOT,
        capture_output=True,
        check=True,
        env={"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.stdout.decode() == run(*command, "--format", form).out


def test_a_script_asks_for_switches_where_the_command_does(run: Run) -> None:
    """Running it takes ten seconds: with types they are dear."""
    told = {
        option: run("evaluate", CASES / "two_types.yaml", *option, "--emit-python").out
        for option in ((), ("--quick",), ("--switches",))
    }
    assert "switches=True" in told["--switches",]
    assert "switches=True" not in told[()] + told["--quick",]


def test_what_no_script_does_is_refused(run: Run, tmp_path: Path) -> None:
    part = tmp_path / "named.yaml"
    part.write_text("name: Other\ncost: {scale: 15}\n")
    done = run("what-if", CASES / "two_vendors.yaml", "--set", f"@{part}", "--emit-python")
    assert done.code == 2
    assert "change the case file instead" in " ".join(done.err.split())
    out = tmp_path / "again.json"
    assert run("evaluate", CASES / "two_vendors.yaml", "--emit-python", "--out", out).code == 2
    assert not out.exists()
