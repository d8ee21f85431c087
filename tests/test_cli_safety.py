"""Nothing read is written over, nothing steers a terminal or a spreadsheet, nothing ends in a
traceback or takes for ever."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import Ran, Run
from test_batch_runner import wait_for
from test_cli_evaluate import CASE
from test_cli_process import COMMAND, environment

from cli.batch.parts import Parts
from cli.entry import main
from cli.output.cells import unrun
from cli.output.streams import Seen
from cli.output.whole import draft
from market.casefile.faults import BadCase, Fault
from market.casefile.files import MAX_BASES, chain, read_document
from market.model.case import Case
from market.regimes import Outcomes, Regime, solve_lanes
from market.text import visible

pytestmark = pytest.mark.usefixtures("evaluated_once")

INPUTS = Path(__file__).parent / "inputs"
DESIGN = "case: c.yaml\nvary: {cost.scale: {values: [12, 14]}}\npolicies: [nash, social_optimum]\n"
posix = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX system")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a case, in which the command runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(CASE)
    (tmp_path / "d.yaml").write_text(DESIGN)
    return tmp_path


def refused(done: Ran) -> str:
    """What a refusal says, on one line; nothing was printed and nothing broke."""
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err
    return " ".join(done.err.split())


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# Nothing lost: what was read


@posix
@pytest.mark.parametrize("out", ["base.txt", "link.txt", "hard.csv", "./sub/../base.txt"])
def test_what_a_case_is_based_on_is_not_written_over(run: Run, here: Path, out: str) -> None:
    (here / "sub").mkdir()
    (here / "base.txt").write_text(CASE)
    (here / "middle.yaml").write_text("base: base.txt\n")
    (here / "child.yaml").write_text("base: middle.yaml\ncost: {scale: 21}\n")
    (here / "link.txt").symlink_to("base.txt")
    (here / "hard.csv").hardlink_to(here / "base.txt")
    before = contents(here)
    for command in ("evaluate", "compare", "statics", "propositions"):
        assert "is based on it" in refused(run(command, "child.yaml", "--out", out))
    assert "is based on it" in refused(
        run("what-if", "c.yaml", "--set", "@child.yaml", "--out", out)
    )
    assert contents(here) == before


def test_what_is_laid_over_a_case_is_not_written_over(run: Run, here: Path) -> None:
    (here / "p.txt").write_text("cost: {scale: 21}\n")
    assert "case given" in refused(run("what-if", "c.yaml", "--set", "@p.txt", "--out", "p.txt"))
    (here / "again.csv").write_text(CASE)
    assert "case given" in refused(run("design", "again.csv", "--out", "again.csv"))
    (here / "r.csv").write_text("case_id,policy,status,welfare\n0,nash,converged,1.0\n")
    assert "case given" in refused(run("compare", "r.csv", "--out", "r.csv"))


@pytest.mark.slow
def test_what_a_batch_reads_is_not_written_over(run: Run, here: Path) -> None:
    (here / "base.csv").write_text(CASE)
    (here / "c.yaml").write_text("base: base.csv\n")
    (here / "t.csv").write_text("cost.scale\n12\n")
    (here / "t.yaml").write_text("case: c.yaml\ntable: t.csv\npolicies: [nash]\n")
    (here / "l.yaml").write_text("cases: [c.yaml]\npolicies: [nash]\n")
    before = contents(here)
    for design, out in (("t.yaml", "t.csv"), ("t.yaml", "base.csv"), ("l.yaml", "base.csv")):
        for how in ("--overwrite", "--resume"):
            refused(run("batch", design, "--out", out, how))
    assert contents(here) == before


def test_a_counterexample_does_not_replace_the_case_it_is_asked_about(run: Run, here: Path) -> None:
    name = "counterexample_P1_i.json"
    (here / name).write_text(CASE)
    assert "could be replaced" in refused(
        run("propositions", name, "--sample", 2, "--counterexamples", ".")
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "ending", [".html", ".pdf", ".png", ".docx", ".parquet", ".md", ".json.gz", ".py"]
)
def test_an_ending_that_is_not_written_is_refused(run: Run, here: Path, ending: str) -> None:
    for command in (
        ["evaluate"],
        ["compare"],
        ["statics"],
        ["propositions"],
        ["design"],
        ["what-if", "--set", "cost.scale=21"],
    ):
        if command == ["evaluate"] and ending in (".html", ".md"):
            continue  # reports
        if command[0] in ("evaluate", "compare", "what-if") and ending == ".png":
            assert "--picture" in refused(run(*command, "c.yaml", "--out", "x.png"))
            continue
        assert ".json, .csv, .txt" in refused(run(*command, "c.yaml", "--out", f"x{ending}"))
    assert "json is not what it holds" in refused(
        run("evaluate", "c.yaml", "--format", "json", "--out", "x.csv")
    )
    assert sorted(contents(here)) == ["c.yaml", "d.yaml"]


# Nothing lost: folders and drafts


@pytest.mark.parametrize("how", ["--overwrite", "--resume", None])
@pytest.mark.parametrize("name", ["notes.txt", "manifest.json", "000000.part", None])
def test_a_folder_of_parts_that_no_batch_made_is_refused_and_stays(
    run: Run, here: Path, how: str | None, name: str | None
) -> None:
    for folder in ("z.csv.parts", "z.csv.parts.old"):
        (here / folder).mkdir()
        (here / folder / (name or "x")).write_text('{"mine": 1}')
    if name is None:
        (here / "z.csv.parts" / "x").unlink()
    before = contents(here)
    assert "move it away" in refused(
        run("batch", "d.yaml", "--out", "z.csv", *([how] if how else []))
    )
    assert contents(here) == before
    assert (here / "z.csv.parts").is_dir()


def test_a_folder_of_parts_beside_an_old_one_is_left_alone(run: Run, here: Path) -> None:
    (here / "z.csv.parts.old").mkdir()
    (here / "z.csv.parts.old" / "mine").write_text("mine")
    assert run("batch", "d.yaml", "--out", "z.csv").code == 0
    assert run("batch", "d.yaml", "--out", "z.csv", "--overwrite").code == 0
    assert (here / "z.csv.parts.old" / "mine").read_text() == "mine"


@posix
def test_no_link_is_followed(run: Run, here: Path) -> None:
    (here / "mine").mkdir()
    (here / "mine" / "manifest.json").write_text("mine")
    (here / "z.csv.parts").symlink_to("mine")
    for how in ("--overwrite", "--resume"):
        assert "is no directory" in refused(run("batch", "d.yaml", "--out", "z.csv", how))
    (here / "z.csv.parts").unlink()
    stopped(here)
    (here / "z.csv.parts" / "lock").unlink()
    (here / "z.csv.parts" / "lock").symlink_to(here / "mine" / "manifest.json")
    assert "holds lock" in refused(run("batch", "d.yaml", "--out", "z.csv", "--resume"))
    assert (here / "mine" / "manifest.json").read_text() == "mine"


def stopped(here: Path) -> Parts:
    """The parts of a batch of d.yaml that was stopped before they were joined."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cli.batch.runner._join", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert main(["batch", "d.yaml", "--out", "z.csv", "--quiet"]) == 130
    return Parts(here / "z.csv")


def test_the_metadata_of_a_csv_replace_no_other_file(run: Run, here: Path) -> None:
    (here / "z.csv.metadata.json").write_text('{"mine": 1}')
    assert "another file" in refused(run("batch", "d.yaml", "--out", "z.csv", "--overwrite"))
    assert (here / "z.csv.metadata.json").read_text() == '{"mine": 1}'


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe\n",
        b"null\n",
        b"[]\n",
        b"{}\n",
        b'{"chunk": 99, "sha256": "x", "failed": 0}\n',
        b'{"chunk": -1, "sha256": "x", "failed": 0}\n',
        b'{"chunk": "0", "sha256": "x", "failed": 0}\n',
        b'{"chunk": 0, "sha256": 5, "failed": 0}\n',
        b'{"chunk": 0, "sha256": "x", "failed": "many"}\n',
        b'{"result": 5}\n',
        b"[" * 100_000 + b"\n",
    ],
)
def test_a_damaged_log_is_refused(run: Run, here: Path, line: bytes) -> None:
    parts = stopped(here)
    with open(parts.log, "ab") as stream:
        stream.write(line)
    kept = contents(parts.folder)
    assert "finished.jsonl is damaged in line 2; start again with --overwrite" in refused(
        run("batch", "d.yaml", "--out", "z.csv", "--resume")
    )
    assert contents(parts.folder) == kept
    assert run("batch", "d.yaml", "--out", "z.csv", "--overwrite").code == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b"5", b"\xff", b"[" * 100_000, b'{"format": 1}']
)
def test_a_damaged_manifest_is_refused(run: Run, here: Path, content: bytes) -> None:
    parts = stopped(here)
    parts.manifest.write_bytes(content)
    refused(run("batch", "d.yaml", "--out", "z.csv", "--resume"))
    assert parts.log.exists()
    assert run("batch", "d.yaml", "--out", "z.csv", "--overwrite").code == 0
    assert not parts.exist()


@pytest.mark.parametrize("told", ["[]", "5", '{"pigou.batch_sha256": 1}', "{", "[" * 100_000])
def test_damaged_metadata_are_no_metadata(run: Run, here: Path, told: str) -> None:
    assert run("batch", "d.yaml", "--out", "z.csv").code == 0
    (here / "z.csv.metadata.json").write_text(told)
    assert refused(run("batch", "d.yaml", "--out", "z.csv", "--resume"))


def test_a_draft_is_new_and_vanishes_when_it_is_not_finished(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("old")
    path.chmod(0o640)
    for error in (KeyboardInterrupt(), OSError(28, "No space left on device")):

        def half(error: BaseException) -> None:
            with draft(path) as stream:
                stream.write(b"half")
                stream.flush()
                raise error

        with pytest.raises(type(error)):
            half(error)
    assert contents(tmp_path) == {"x.txt": b"old"}
    with draft(path) as stream:
        stream.write(b"new")
    assert contents(tmp_path) == {"x.txt": b"new"}
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.slow
@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_keeps_what_is_done(here: Path, number: int) -> None:
    many = (
        DESIGN.replace("{values: [12, 14]}", "{low: 12, high: 20}")
        + "sample: {method: sobol, count: 100000}\n"
    )
    (here / "many.yaml").write_text(many)
    log = Parts(here / "z.csv").log
    command = [*COMMAND, "batch", "many.yaml", "--out", "z.csv"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        wait_for(lambda: log.exists() and bool(log.read_text()))
        process.send_signal(number)
        assert "interrupted" in process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert log.read_text()


# Nothing leaked: terminals and spreadsheets

NASTY = "\x1b[31m\x07\x9b2J\u202e\u200b\u2066\ufeff\u00ad\U000e0041\u3164\ufe0f"


def test_what_steers_or_hides_is_visible_and_letters_stay() -> None:
    assert (
        visible(NASTY + "\n\t")
        == r"\x1b[31m\x07\x9b2J\u202e\u200b\u2066\ufeff\xad\U000e0041\u3164\ufe0f\n\t"
    )
    kept = "Zoë Müller, 東京, Ελλάδα, عرب, e\u0301, 1\u00a0000\u202f€, 𝕏"
    assert visible(kept) == kept
    assert visible("a\nb", "\n") == "a\nb"
    assert visible("\udcff") == r"\udcff"
    stream = io.StringIO()
    print(NASTY, "ü", file=Seen(stream))  # type: ignore[arg-type]
    assert clean(stream.getvalue())


def clean(text: str) -> bool:
    """Whether nothing but letters, blanks and ends of lines stands there."""
    return (
        not any(letter in NASTY and letter not in "[31m2J" for letter in text)
        and visible(text, "\n\t") == text
    )


SETTING = {
    "alternatives": [f"a{NASTY}", "b\nb"],
    "players": [
        {
            "name": f"P{NASTY}{n}",
            "types": [1, 2],
            "value": {f"a{NASTY}": [1, 2], "b\nb": [0, 0]},
            "outside": 0,
        }
        for n in range(2)
    ],
    "name": NASTY,
}


def test_text_of_a_setting_steers_no_terminal(run: Run, here: Path) -> None:
    (here / "s.json").write_text(json.dumps(SETTING))
    for form in ("table", "csv", "json"):
        done = run("design", "s.json", "--format", form)
        assert done.code in (0, 3)
        assert clean(done.out), form
        assert clean(done.err), form
    assert json.loads(done.out)["players"][0] == f"P{NASTY}0"
    assert not any(line.split() == ["b"] for line in run("design", "s.json").out.splitlines())


@pytest.mark.slow
def test_text_of_a_case_steers_no_terminal(run: Run, here: Path) -> None:
    tree = json.dumps(
        {
            "base": "c.yaml",
            "name": f"N{NASTY}",
            "reference": NASTY,
            "units": {"money": f"EUR{NASTY}", "quantity": NASTY},
        }
    )
    (here / "n.json").write_text(tree)
    for command in (
        *(["evaluate", "n.json", "--format", form] for form in ("table", "csv")),
        ["compare", "n.json", "c.yaml"],
        ["what-if", "n.json", "--set", "cost.scale=21"],
        ["statics", "n.json"],
        ["propositions", "n.json"],
        ["validate", "n.json"],
    ):
        done = run(*command)
        assert done.code in (0, 3)
        assert done.out
        assert clean(done.out), command
        assert clean(done.err), command


@pytest.mark.slow
@posix
def test_messages_steer_no_terminal(run: Run, here: Path) -> None:
    (here / "k.json").write_text(
        json.dumps({f"k{NASTY}\nforged.yaml:1:1: line": 1, "demand": {"intercept": NASTY}})
    )
    (here / f"f{NASTY}\n.yaml").write_text("a: 1\n")
    for arguments in (
        ["validate", "k.json"],
        ["validate", f"f{NASTY}\n.yaml"],
        ["evaluate", f"no{NASTY}"],
        ["evaluate", "c.yaml", "--out", f"no{NASTY}/x.csv"],
        ["evaluate", "c.yaml", "--format", NASTY],
        ["what-if", "c.yaml", "--set", f"cost.{NASTY}=3"],
        ["what-if", "c.yaml", "--set", f"cost.scale={NASTY}"],
        ["what-if", "c.yaml", "--vary", f"cost.scale={NASTY}"],
        ["examples", "show", NASTY],
        [NASTY],
    ):
        done = run(*arguments)
        assert done.code == 2, arguments
        assert clean(done.err), arguments
    assert not any(line.startswith("forged") for line in run("validate", "k.json").err.splitlines())


@pytest.mark.parametrize(
    "text", ["=cmd|' /C calc'!A0", "@x", "+1", "-x", "\t=1", "\r=1", " =1", "＝1", "\n@x"]
)
def test_a_text_that_a_spreadsheet_would_run_is_neutralised(text: str) -> None:
    cell = unrun(text)
    assert cell.startswith(("'", "\\"))
    assert not set(cell) & set("\t\r\n")


def test_other_cells_stay() -> None:
    for value in ("a=b", "001", "1e5", "", "Zoë", -1.5, 3, None, True):
        assert unrun(value) is value


@pytest.mark.slow
def test_names_in_csv_are_not_run_and_json_is_untouched(run: Run, here: Path) -> None:
    name = "=cmd|' /C calc'!A0"
    (here / "n.json").write_text(json.dumps({"base": "c.yaml", "name": name}))
    rows = list(csv.DictReader(io.StringIO(run("evaluate", "n.json", "--format", "csv").out)))
    assert {row["case"] for row in rows} == {f"'{name}"}
    # a number below zero is no formula
    assert min(float(row["change_welfare"] or 0) for row in rows) < 0
    assert json.loads(run("evaluate", "n.json", "--format", "json").out)["case"]["name"] == name
    (here / "=c.yaml").write_text(CASE)
    (here / "l.yaml").write_text("cases: ['=c.yaml']\npolicies: [nash]\n")
    assert run("batch", "l.yaml", "--out", "r.csv").code == 0
    assert next(csv.DictReader(io.StringIO((here / "r.csv").read_text())))["case"] == "'=c.yaml"


# Nothing exploding: what is no value, no file, too much


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("&a [*a]", "alias"),
        ("[" * 3000, "nested deeper"),
        ("9" * 5000, "thousands of digits"),
        ("!!python/object:os.system x", "tag"),
        ("1\n---\n2", "second"),
        ("{" * 30, "nested deeper"),
        ("- " * 400, "nested deeper"),
        ("'", "YAML"),
        ("2020-01-01", "number"),
    ],
)
def test_what_is_no_value_is_refused(run: Run, here: Path, value: str, words: str) -> None:
    said = refused(run("what-if", "c.yaml", "--set", f"cost.scale={value}"))
    assert words in said
    assert len(said) < 500


def test_numbers_with_thousands_of_digits_are_refused(run: Run, here: Path) -> None:
    for name, text in (
        ("a.json", '{{"cost": {0}}}'),
        ("a.yaml", "cost: {0}"),
        ("a.toml", "cost = {0}"),
    ):
        (here / name).write_text(text.format("9" * 5000))
        assert "thousands of digits; round it" in refused(run("validate", name))


@pytest.mark.slow
@posix
def test_what_is_no_file_is_refused(run: Run, here: Path) -> None:
    (here / "folder").mkdir()
    os.mkfifo(here / "fifo.csv")
    (here / "fifo.yaml").symlink_to("fifo.csv")
    (here / "t.yaml").write_text("case: c.yaml\ntable: fifo.csv\npolicies: [nash]\n")
    (here / "b.yaml").write_text("base: fifo.csv\n")
    long = "x" * 250
    for arguments, words in (
        (["evaluate", "fifo.yaml"], "named pipe"),
        (["evaluate", "b.yaml"], "named pipe"),
        (["what-if", "c.yaml", "--set", "@fifo.yaml"], "named pipe"),
        (["compare", "fifo.csv"], "named pipe"),
        (["batch", "t.yaml", "--dry-run"], "named pipe"),
        (["compare", "folder"], "directory"),
        (["design", "folder"], "directory"),
        (["evaluate", "c.yaml/x"], "no such file"),
        (["evaluate", f"{long}.yaml.yaml"], "cannot be read"),
        (["what-if", "c.yaml", "--set", f"@{long}.yaml.yaml"], "cannot be read"),
        (["evaluate", "c.yaml", "--out", f"{long}.csv.csv"], "cannot be written"),
        (["batch", "d.yaml", "--out", f"{long[:247]}.csv"], "cannot be written"),
        (["batch", "d.yaml", "--out", f"{long[:240]}.csv"], "cannot be written"),
        (["examples", "copy", "two_vendors", f"{long}.yaml.yaml"], "cannot be written"),
        (["examples", "copy", "--all", "c.yaml/x"], "cannot be written"),
        (["examples", "copy", "--all", f"{long}yaml.yaml"], "cannot be written"),
        (
            ["propositions", "c.yaml", "--sample", 1, "--counterexamples", f"{long}yaml.yaml"],
            "File name too long",
        ),
    ):
        assert words in refused(run(*arguments)), arguments
    (here / "n.yaml").write_text(
        f"case: {long}.yaml.yaml\nvary: {{cost.scale: {{values: [1]}}}}\npolicies: [nash]\n"
    )
    assert "there is no such file" in refused(run("batch", "n.yaml", "--dry-run"))
    (here / f"{long}.yaml").write_text(CASE)
    assert run("validate", f"{long}.yaml").code == 0
    # as long as a name may be
    assert run("evaluate", f"{long}.yaml", "--out", f"{long}.txt").code == 0


@pytest.mark.slow
@posix
def test_where_one_may_not_write_nothing_is_written(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "draft")

    monkeypatch.setattr("tempfile.mkstemp", denied)
    monkeypatch.setattr("pathlib.Path.mkdir", denied)
    for arguments in (
        ["examples", "copy", "two_vendors"],
        ["examples", "copy", "--all"],
        ["examples", "copy", "--all", "new/folder"],
        ["evaluate", "c.yaml", "--out", "x.csv"],
        ["batch", "d.yaml", "--out", "x.csv"],
    ):
        assert "cannot be written (Permission denied)" in refused(run(*arguments)), arguments
    assert sorted(contents(here)) == ["c.yaml", "d.yaml"]


def test_what_the_system_refuses_is_said_in_one_line(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(24, "Too many open files", "x")

    monkeypatch.setattr("cli.shipped.load", full)
    assert refused(run("statics", "c.yaml")) == "pigou: x: Too many open files"


@pytest.mark.slow
def test_files_based_on_each_other_without_end_are_refused(run: Run, here: Path) -> None:
    for n in range(2000):
        (here / f"{n}.yaml").write_text(f"base: {n + 1}.yaml\n")
    assert f"more than {MAX_BASES} files" in refused(run("validate", "0.yaml"))
    (here / f"{MAX_BASES}.yaml").write_text(CASE)
    assert run("validate", "0.yaml").code == 0
    assert chain("0.yaml") == tuple(f"{n}.yaml" for n in range(MAX_BASES + 1))


# Nothing exploding: limits


def seconds(work: Callable[[], object]) -> float:
    """Processor time."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


@pytest.mark.slow
def test_faults_are_listed_up_to_twenty_and_the_rest_counted(run: Run, here: Path) -> None:
    (here / "u.yaml").write_text(CASE + "".join(f"k{n}: 1\n" for n in range(15_000)))
    done: list[Ran] = []
    assert seconds(lambda: done.append(run("validate", "u.yaml"))) < 8
    lines = done[0].err.splitlines()
    assert len(lines) == 21
    assert lines[0].startswith("u.yaml:11:1: k0 is not a known key; the keys here are")
    assert lines[-1] == "and 14,980 more faults"
    assert str(BadCase([Fault(None, "", "x")] * 21)).endswith("\nand 1 more fault")
    assert "more" not in str(BadCase([Fault(None, "", "x")] * 20))


def test_a_merge_key_is_named_first(run: Run) -> None:
    assert refused(run("validate", INPUTS / "e_mk.yaml")).startswith(
        f"{INPUTS / 'e_mk.yaml'}:6:3: a merge key (<<)"
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "sample: {method: sobol, count: 1000000000}",
            "sample.count is 1000000000; it must lie in [1, ",
        ),
        ("sample: {method: latin_hypercube, count: 100000000}", "take method sobol"),
        ("sample: {method: one_at_a_time, count: 100000000}", "at most"),
        (
            (
                "sample: {method: grid, count: 100000000}\nvary: {cost.scale: {low: 12, high: 20},"
                " cost.max_saving: {low: 0, high: .5}}"
            ),
            "more than",
        ),
    ],
)
def test_large_designs_are_refused_at_once(run: Run, here: Path, change: str, words: str) -> None:
    text = f"case: c.yaml\npolicies: [nash]\n{change}\n"
    (here / "d.yaml").write_text(
        text if "vary" in text else f"{text}vary: {{cost.scale: {{low: 12, high: 20}}}}\n"
    )
    assert (
        seconds(lambda: words in refused(run("batch", "d.yaml", "--dry-run")) or pytest.fail(words))
        < 5
    )


@pytest.mark.slow
def test_many_names_are_counted(run: Run, here: Path) -> None:
    many = {
        "policies": (
            f"case: c.yaml\nvary: {{cost.scale: {{values: [1]}}}}\npolicies: [{'x, ' * 40_000}]\n"
        ),
        "vary": (
            "case: c.yaml\nvary:"
            f" {{{', '.join(f'k{n}: {{values: [1]}}' for n in range(5000))}}}\npolicies: [nash]\n"
        ),
    }
    for key, text in many.items():
        (here / "d.yaml").write_text(text)
        said: list[str] = []
        assert seconds(lambda: said.append(refused(run("batch", "d.yaml", "--dry-run")))) < 8  # noqa: B023
        assert key in said[0]
        assert "entries; at most 100 are taken" in said[0]
    (here / "d.yaml").write_text(f"cases: [{'c.yaml, ' * 20_000}]\npolicies: [nash]\n")
    said = []
    assert seconds(lambda: said.append(refused(run("batch", "d.yaml", "--dry-run")))) < 8
    assert "cases[1] is c.yaml again; list each case once" in said[0]
    assert said[0].endswith("and 19,979 more faults")
    (here / "t.csv").write_text(",".join(f"k{n}" for n in range(50_000)) + "\n")
    (here / "d.yaml").write_text("case: c.yaml\ntable: t.csv\npolicies: [nash]\n")
    assert "it has 50,000 columns" in refused(run("batch", "d.yaml", "--dry-run"))


@pytest.mark.slow
def test_one_case_many_times_is_one_case(run: Run, here: Path) -> None:
    names = ["c.yaml", f"{here}/c.yaml", "./c.yaml", "../" + here.name + "/c.yaml"] * 5000
    done = run("compare", *names, "--format", "csv")
    assert done.code == 0
    assert (
        len({row["policy"] for row in csv.DictReader(io.StringIO(done.out))})
        == len(done.out.splitlines()) - 1
    )
    assert "pigou batch takes any number" in refused(
        run("compare", *(f"{n}.yaml" for n in range(2000)))
    )


def test_more_processes_than_the_machine_is_given_are_refused(run: Run, here: Path) -> None:
    assert "1,000 processes are more than" in refused(
        run("batch", "d.yaml", "--out", "z.csv", "--jobs", 1000)
    )


@pytest.mark.slow
def test_twenty_thousand_types_are_refused(run: Run, here: Path) -> None:
    (here / "t.yaml").write_text(
        CASE + f"types: {{values: [{', '.join(str(n / 20_000) for n in range(20_000))}]}}\n"
    )
    assert "types.values has 20,000 entries; at most 201 are taken" in refused(
        run("evaluate", "t.yaml")
    )


@pytest.mark.parametrize(
    ("players", "types", "words"),
    [
        (
            12,
            20,
            "have 4,096,000,000,000,000 states together (20 x 20 x 20 x 20 x 20 x 20 x ... types)",
        ),
        (40, 2, "are 40 and have 1,099,511,627,776 states together"),
        (100, 1, "are 100 and have 1 states together"),
        (2, 400, "have 160,000 states together (400 x 400 types); at most 25,000 are taken here"),
    ],
)
def test_states_are_counted(run: Run, here: Path, players: int, types: int, words: str) -> None:
    each = [
        {"name": f"P{n}", "types": list(range(types)), "value": {"a": [1] * types}}
        for n in range(players)
    ]
    (here / "s.json").write_text(json.dumps({"alternatives": ["a"], "players": each}))
    assert words in refused(run("design", "s.json"))


@pytest.mark.parametrize("in_file", [True, False])
@pytest.mark.parametrize(
    ("players", "types", "asked", "most"),
    [
        (2, 101, {"incentive": "dominant"}, "9,900"),
        (14, 2, {"incentive": "dominant"}, "4,285"),
        (2, 70, {"allocation": "second_best"}, "4,000"),
        (2, 40, {"allocation": "second_best", "incentive": "dominant"}, "1,200"),
        (2, 22, {"collusion": "proof"}, "441"),
        (2, 11, {"collusion": "proof", "allocation": "second_best"}, "100"),
    ],
)
def test_states_are_counted_for_what_is_asked(
    run: Run, here: Path, players: int, types: int, asked: dict[str, str], most: str, in_file: bool
) -> None:
    """Just beyond what takes a few seconds, whether the file asks for it or the command line."""
    alternatives = {name: [1] * types for name in "abc"}
    each = [
        {"name": f"P{n}", "types": list(range(types)), "value": alternatives}
        for n in range(players)
    ]
    tree = {"alternatives": list(alternatives), "players": each}
    (here / "s.json").write_text(json.dumps({**tree, "mechanism": asked} if in_file else tree))
    line = [] if in_file else [word for key, value in asked.items() for word in (f"--{key}", value)]
    assert f"at most {most} are taken here" in refused(run("design", "s.json", *line))


# Nothing exploding: cases that broke the program


@pytest.mark.slow
def test_a_market_with_one_type_and_next_to_no_sharing_is_reported(run: Run) -> None:
    """Leakage of 234,445 beside an intercept of 20: next to nothing is shared, and both firms are
    as without sharing."""
    done = run("evaluate", INPUTS / "one_noeq.yaml", "--format", "json")
    assert done.code == 0
    assert "Traceback" not in done.err
    rows = {row["policy"]: row for row in json.loads(done.out)["comparison"]}
    assert rows["nash"]["welfare"] == pytest.approx(rows["no_sharing"]["welfare"], rel=1e-9)
    assert max(rows["nash"]["sharing"]) < 1e-6


@pytest.mark.slow
def test_a_program_is_established_only_where_its_answer_is_that_of_evaluation(run: Run) -> None:
    """Slopes of 1e-19 beside 48, where a solver may have no answer."""
    done = run("evaluate", INPUTS / "unk.yaml", "--format", "json")
    assert done.code in (0, 3)
    assert "Traceback" not in done.err
    assert "imply :" not in done.err + done.out, "levels that describe no market say why"
    program = json.loads(done.out)["mechanism"]["reported"]["checks"]["program"]
    assert program["status"] == ("optimal" if program["agrees"] else "not_established")


def test_firms_that_drown_in_each_others_rounding_are_refused(run: Run) -> None:
    assert "the larger may be at most 1e+09 times the smaller" in refused(
        run("evaluate", INPUTS / "to.json")
    )


@pytest.mark.parametrize(("leakage", "good"), [("1.9e+10", True), ("2.1e+10", False)])
def test_a_firm_that_drowns_in_the_rounding_of_its_leakage_is_refused(
    run: Run, here: Path, leakage: str, good: bool
) -> None:
    (here / "x.yaml").write_text(CASE.replace("own: 3.0", f"own: {leakage}"))
    done = run("validate", "x.yaml")
    assert done.code == (0 if good else 2)
    assert good == (
        "it may be at most 1e+09 times the intercept, 20000000000.0 here" not in done.err
    )


@pytest.mark.slow
def test_a_market_without_solution_at_its_types_is_searched_thoroughly_once(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each pair of types alone takes a second here: what is missing at one pair is used at none."""
    tree = json.loads((INPUTS / "to.json").read_text())
    tree["demand"]["intercept"] = [39393.37, 3939.0]
    tree["security"]["leakage"] = {"own": 2.46e7 * (1 + 1e-13), "cross": 2.46e7, "interaction": 0}
    (here / "x.json").write_text(json.dumps(tree))
    alone: list[int] = []

    def counted(case: Case, regime: Regime, lanes: int, **more: Any) -> Outcomes:
        if more.get("prove"):
            alone.append(lanes)
        return solve_lanes(case, regime, lanes, **more)

    monkeypatch.setattr("mechanism.scheme.allocation.solve_lanes", counted)
    done = run("design", "x.json")
    assert (done.code, done.out) == (3, "")  # a finding of the market, not a fault of the file
    assert done.err.startswith("not met: x.json: ")
    assert "has no solution at some pair of types" in done.err
    assert alone == [1]


def test_a_result_whose_rows_name_no_case_is_refused(run: Run, here: Path) -> None:
    (here / "r.csv").write_text(
        "case_id,policy,status,welfare\n,nash,converged,1.0\n1,nash,converged,1.0\n"
    )
    assert "has rows without a case_id" in refused(run("compare", "r.csv"))


def test_a_figure_beyond_all_bounds_in_a_result_is_refused(run: Run, here: Path) -> None:
    columns = "case_id,policy,status,value,competes,recommended,best,welfare"
    (here / "r.csv").write_text(f"{columns}\n0,nash,converged,1,1,1,nash,{'9' * 400}\n")
    assert "has something else than numbers in the column welfare" in refused(
        run("compare", "r.csv")
    )


def test_documents_are_still_read_from_pipes(here: Path) -> None:
    read, write = os.pipe()
    os.write(write, b"a: 1\n")
    os.close(write)
    try:
        assert read_document(f"/dev/fd/{read}").tree == {"a": 1}
    finally:
        os.close(read)
