"""The command as a process: pipes, terminals, interrupts, the environment."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command import Run
from test_cli_evaluate import CASE

from cli.app import COMMANDS
from cli.app import loaded as whole
from cli.output import signals

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-c", "from cli.entry import run; run()"]
posix = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX system")


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A good case file."""
    path = tmp_path / "two.yaml"
    path.write_text(CASE)
    return path


def environment(**more: str) -> dict[str, str]:
    """The environment of a command: plain, warnings being errors."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in ("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS")
    }
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", **more}


def ran(*arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
    """A command that has ended."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        env=environment(**more),
    )


@pytest.mark.slow
def test_version_help_and_usage() -> None:
    assert ran("--version").stdout.startswith("pigou ")
    shown = ran("--help")
    assert shown.returncode == 0
    assert all(
        command in shown.stdout
        for command in ("evaluate", "compare", "validate", "schema", "examples", "doctor")
    )
    assert shown.stderr == ""
    bare = ran()
    assert bare.returncode == 2
    wrong = ran("evaluate", "--nonsense")
    assert wrong.returncode == 2
    assert wrong.stdout == ""
    assert "--nonsense" in wrong.stderr
    assert "Traceback" not in wrong.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", ["evaluate", "compare", "batch", "validate", "schema", "doctor"]
)
def test_every_command_explains_itself(command: str) -> None:
    shown = ran(command, "--help").stdout
    assert f"pigou {command}" in shown
    assert len(shown.splitlines()) > 5


@pytest.mark.slow
def test_a_result_is_the_same_whatever_the_width_of_the_terminal(case: Path) -> None:
    asked = ("evaluate", case, "--quick")
    wide, narrow = (ran(*asked, COLUMNS=columns) for columns in ("300", "20"))
    assert wide.returncode == 0
    assert wide.stderr == ""
    assert wide.stdout == narrow.stdout
    assert "\x1b" not in ran(*asked, FORCE_COLOR="1", TERM="xterm-256color").stdout


@pytest.mark.slow
def test_a_terminal_that_knows_ascii_only_is_served(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(CASE.replace("Two vendors", "Zwei Händler → 二"), encoding="utf-8")
    for form in ("table", "json", "csv"):
        done = subprocess.run(
            [*COMMAND, "evaluate", str(path), "--quick", "--format", form],
            capture_output=True,
            timeout=60,
            env=environment(PYTHONIOENCODING="ascii"),
        )
        assert done.returncode == 0
        assert done.stdout.isascii()
    assert "Zwei Händler → 二" in ran("evaluate", path, "--quick", PYTHONIOENCODING="utf-8").stdout


@pytest.mark.slow
@posix
@pytest.mark.parametrize(
    "arguments",
    [["evaluate", "CASE", "--quick"], ["--help"], ["schema"], ["validate", "CASE"], ["--version"]],
)
def test_a_closed_pipe_ends_quietly(case: Path, arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    words = [str(case) if word == "CASE" else word for word in arguments]
    done = subprocess.run(
        [*COMMAND, *words],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        env=environment(),
    )
    os.close(write)
    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.slow
@posix
def test_a_full_disk_is_said_so() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    for arguments in (["schema"], ["--version"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [*COMMAND, *arguments],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
                env=environment(),
            )
        assert done.returncode == 2
        assert "cannot write the result" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
@posix
@pytest.mark.parametrize(
    ("more", "bold"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_headings_are_bold_on_a_terminal_unless_asked_not_to(
    case: Path, more: dict[str, str], bold: bool
) -> None:
    import pty

    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "evaluate", str(case), "--quick"],
        stdout=slave,
        stderr=subprocess.DEVNULL,
        env=environment(**more),
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        shown += piece
    os.close(master)
    assert process.wait(timeout=60) == 0
    assert b"(nash)" in shown
    assert (b"\x1b" in shown) is bold


@pytest.mark.slow
@posix
def test_an_interrupt_ends_with_130_and_no_traceback(case: Path, tmp_path: Path) -> None:
    slow = (
        "import sys, time, mechanism.analysis.evaluation as e\ndef wait(*_, **__):\n   "
        " print('started', file=sys.stderr, flush=True)\n    time.sleep(60)\ne.evaluate ="
        " wait\nfrom cli.entry import run; run()"
    )
    target = tmp_path / "result.txt"
    command = [sys.executable, "-c", slow, "evaluate", str(case), "--out", str(target)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "started\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert not target.exists()


def sent(work: Callable[..., Any], number: int, swallowed: bool) -> Callable[..., Any]:
    """A command to which a signal is sent where it begins, and swallowed or not."""

    @functools.wraps(work)
    def inner(*given: Any, **more: Any) -> Any:
        try:
            os.kill(os.getpid(), number)
            for _ in range(100):
                pass
        except KeyboardInterrupt:
            if not swallowed:
                raise
        return work(*given, **more)

    return inner


@pytest.fixture
def heeding(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Signals are heeded as in a process of its own, and afterwards taken as before."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    monkeypatch.setattr(signals, "_came", [])
    signals.heed()
    yield
    for number, taken in before.items():
        signal.signal(number, taken)


@posix
@pytest.mark.slow
@pytest.mark.parametrize("swallowed", [False, True])
@pytest.mark.parametrize(
    "line",
    [
        "evaluate two.yaml --out r.json",
        "compare two.yaml --out r.csv",
        "what-if two.yaml --set cost.scale=13 --out r.txt",
        "what-if two.yaml --vary cost.scale=12:14:3 --out r.txt --quiet",
        "design s.yaml --out r.json",
        "batch d.yaml --out r.csv --quiet",
        "statics two.yaml --out r.json",
        "propositions two.yaml --out r.json",
        "validate two.yaml",
        "schema",
        "examples list",
        "doctor",
    ],
)
@pytest.mark.usefixtures("heeding")
def test_a_signal_ends_every_command_with_130_even_where_it_is_swallowed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, swallowed: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.yaml").write_text(CASE)
    shutil.copy(ROOT / "cases" / "settings" / "bilateral_trade.yaml", tmp_path / "s.yaml")
    (tmp_path / "d.yaml").write_text(
        "case: two.yaml\nvary: {cost.scale: {values: [12]}}\npolicies: [nash]\n"
    )
    number = signal.SIGTERM if swallowed else signal.SIGINT

    def loaded(name: str) -> Any:
        found = whole(name)
        for command in getattr(found, "commands", {name: found}).values():
            command.callback = sent(command.callback, number, swallowed)
        return found

    monkeypatch.setattr("cli.app.loaded", loaded)
    done = run(*line.split())
    assert done.code == 130
    assert "Traceback" not in done.err
    # a batch keeps what it has done
    assert not [path for path in tmp_path.glob("r.*") if path.suffix != ".parts"]


@pytest.mark.slow
@posix
@pytest.mark.parametrize("kind", ["case", "setting", "design"])
def test_what_comes_through_a_pipe_is_validated_in_one_reading(tmp_path: Path, kind: str) -> None:
    (tmp_path / "two.yaml").write_text(CASE)
    text = {
        "case": CASE,
        "setting": (ROOT / "cases" / "settings" / "bilateral_trade.yaml").read_text(),
        "design": (
            f"case: {tmp_path / 'two.yaml'}\nvary: {{cost.scale: {{values: [12]}}}}\npolicies:"
            " [nash]\n"
        ),
    }[kind]
    for good in (True, False):
        done = subprocess.run(
            [*COMMAND, "validate", "/dev/stdin"],
            input=text if good else f"{text}name: one\nname: two\nnonsense: 1\n",
            capture_output=True,
            text=True,
            timeout=60,
            env=environment(),
        )
        assert done.returncode == (0 if good else 2)
        assert done.stdout.startswith("OK  /dev/stdin") == good
        assert (
            ("name is given twice" in done.stderr)
            == ("nonsense is not a known key" in done.stderr)
            == (not good)
        )


def test_the_help_says_of_every_command_what_it_says_of_itself() -> None:
    """What is listed without being loaded is what there is."""
    there = {path.stem.replace("_", "-") for path in (ROOT / "cli" / "commands").glob("[a-z]*.py")}
    assert set(COMMANDS) == there
    for name, does in COMMANDS.items():
        assert whole(name).get_short_help_str(300) == does
