"""What the command line says about files: bad cases, shipped cases, the schema, the self-test."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from command import Ran, Run
from test_cli_evaluate import CASE

from cli import shipped
from cli.commands import doctor
from cli.commands.doctor import Diagnosis
from cli.tested import TESTED

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory in which the command runs."""
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped cases: one, and one that is based on it."""
    place = tmp_path / "shipped"
    place.mkdir()
    (place / "two_vendors.yaml").write_text(CASE)
    (place / "fierce.yaml").write_text(
        "base: two_vendors.yaml\nname: Fierce rivals\ndemand: {cross_slope: 1.2}\n"
    )
    monkeypatch.setattr(shipped, "folder", lambda: place)
    return place


# Bad cases


@pytest.mark.slow
@pytest.mark.parametrize("command", ["evaluate", "compare", "validate"])
@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        (
            ("cross_slope: 1.0", "cross_slope: 2.0"),
            "x.yaml:5:",
            ["demand.cross_slope", "2.0", "own_slope"],
        ),
        (("scale: 20", "scale: -20"), "x.yaml:10:", ["cost.scale", "-20"]),
        (("rivalry: 0.2", "rivalry: .nan"), "x.yaml:7:", ["security.rivalry", "NaN"]),
        (("rivalry: 0.2", "rivalry: .inf"), "x.yaml:7:", ["security.rivalry"]),
        (
            ("rivalry: 0.2", "rivalry: fierce"),
            "x.yaml:7:",
            ["security.rivalry", "fierce", "number"],
        ),
        (("rivalry:", "rivalryy:"), "x.yaml:7:", ["rivalryy", "did you mean rivalry"]),
        (
            ("  rivalry: 0.2\n", "  rivalry: 0.2\n  rivalry: 0.3\n"),
            "x.yaml:8:",
            ["security.rivalry", "twice"],
        ),
        (("cost: {", "cost: {{"), "x.yaml:10:", ["YAML"]),
        (("units: {", "units: {weight: kg, "), "x.yaml:4:", ["units.weight"]),
    ],
)
def test_a_bad_case_is_refused_with_place_key_and_reason(
    run: Run, here: Path, command: str, change: tuple[str, str], place: str, words: list[str]
) -> None:
    (here / "x.yaml").write_text(CASE.replace(*change))
    done = run(command, "x.yaml")
    assert done.code == 2
    assert done.out == ""
    assert place in done.err
    assert all(word in done.err for word in words)
    assert "Traceback" not in done.err


@pytest.mark.slow
@pytest.mark.parametrize("command", ["evaluate", "compare", "validate"])
def test_what_is_no_case_file_is_refused(run: Run, here: Path, command: str) -> None:
    (here / "folder").mkdir()
    (here / "junk.yaml").write_bytes(bytes(range(256)))
    (here / "empty.yaml").write_text("")
    (here / "list.yaml").write_text("- 1\n")
    (here / "deep.json").write_text("[" * 100_000)
    with (here / "big.yaml").open("wb") as stream:
        stream.truncate(100 * 1024 * 1024)
    expected = {
        "missing.yaml": "no such file",
        "folder": "directory",
        "junk.yaml": "not UTF-8|control",
        "empty.yaml": "empty",
        "list.yaml": "mapping",
        "deep.json": "nested deeper",
        "big.yaml": "256 KiB",
        "": "directory",
        "x" * 5000: "cannot be read",
    }
    for name, reason in expected.items():
        done = run(command, name)
        assert done.code == 2, name
        assert done.out == ""
        assert re.search(reason, done.err), (name, done.err)
        assert "Traceback" not in done.err


def test_all_faults_of_all_files_come_at_once(run: Run, here: Path) -> None:
    (here / "a.yaml").write_text(
        CASE.replace("rivalry: 0.2", "rivalry: 2").replace("scale: 20", "scale: -1")
    )
    (here / "b.yaml").write_text(CASE.replace("intercept: 20", "intercept: 0"))
    (here / "c.yaml").write_text(CASE)
    done = run("validate", "a.yaml", "c.yaml", "b.yaml")
    assert done.code == 2
    for part in ("a.yaml:7:", "a.yaml:10:", "b.yaml:5:"):
        assert part in done.err
    assert len(done.err.splitlines()) == 3
    assert done.out.startswith("OK  c.yaml  Two vendors  ")


def test_validate_prints_a_line_per_good_case(run: Run, here: Path) -> None:
    (here / "a.yaml").write_text(CASE)
    (here / "b.yaml").write_text('base: a.yaml\nname: "with \\e[31m\\nescapes"\n')
    done = run("validate", "a.yaml", "b.yaml")
    assert done.code == 0
    assert done.err == ""
    assert re.fullmatch(
        r"OK  a\.yaml  Two vendors  [0-9a-f]{12}\nOK  b\.yaml  with \\x1b\[31m\\nescapes "
        r" [0-9a-f]{12}\n",
        done.out,
    )


def test_the_schema_is_json_schema_and_knows_the_keys(run: Run) -> None:
    done = run("schema")
    schema = json.loads(done.out)
    assert done.code == 0
    assert done.err == ""
    assert {"demand", "security", "cost", "base", "expect"} <= set(schema["properties"])


# Shipped cases


@pytest.mark.parametrize("name", ["two_vendors", "two_vendors.yaml"])
@pytest.mark.parametrize("command", ["evaluate", "validate"])
def test_the_name_of_a_shipped_case_is_recognised(
    run: Run, here: Path, cases: Path, command: str, name: str
) -> None:
    done = run(command, name)
    assert done.code == 2
    assert "pigou examples copy two_vendors" in done.err
    assert "pigou examples copy" not in run(command, "other").err
    assert "pigou examples copy" not in run(command, "folder/two_vendors").err


def test_examples_are_listed_with_their_titles(run: Run, cases: Path) -> None:
    assert run("examples", "list").out == "fierce       Fierce rivals\ntwo_vendors  Two vendors\n"


def test_an_example_is_shown_as_it_is(run: Run, cases: Path) -> None:
    assert run("examples", "show", "two_vendors").out == CASE
    done = run("examples", "show", "two_vendor")
    assert done.code == 2
    assert "did you mean two_vendors" in done.err


def test_a_copied_example_brings_its_base_and_runs(run: Run, here: Path, cases: Path) -> None:
    done = run("examples", "copy", "fierce")
    assert done.out.split() == ["fierce.yaml", "two_vendors.yaml"]
    assert run("validate", "fierce.yaml").code == 0


def test_an_example_is_copied_to_a_directory_or_a_file(run: Run, here: Path, cases: Path) -> None:
    (here / "sub").mkdir()
    assert run("examples", "copy", "two_vendors", "sub").code == 0
    assert (here / "sub" / "two_vendors.yaml").read_text() == CASE
    assert run("examples", "copy", "two_vendors", "mine.yaml").code == 0
    assert (here / "mine.yaml").read_text() == CASE
    done = run("examples", "copy", "two_vendors", "none/mine.yaml")
    assert done.code == 2
    assert "does not exist" in done.err


def test_copying_overwrites_nothing_unless_forced(run: Run, here: Path, cases: Path) -> None:
    mine = here / "two_vendors.yaml"
    mine.write_text("mine")
    for name in ("two_vendors", "fierce"):
        done = run("examples", "copy", name)
        assert done.code == 2
        assert "--force" in done.err
        assert mine.read_text() == "mine"
        assert sorted(path.name for path in here.iterdir()) == ["two_vendors.yaml"]
    assert run("examples", "copy", "two_vendors", "--force").code == 0
    assert mine.read_text() == CASE
    assert run("examples", "copy", "fierce").code == 0  # the base is there already and the same


def test_all_examples_are_copied_to_a_directory(run: Run, here: Path, cases: Path) -> None:
    assert run("examples", "copy", "--all", "new/folder").code == 0
    assert sorted(path.name for path in (here / "new" / "folder").iterdir()) == [
        "fierce.yaml",
        "two_vendors.yaml",
    ]
    assert run("examples", "copy", "--all").code == 0
    assert run("examples", "copy", "--all", "two_vendors.yaml").code == 2
    assert run("examples", "copy").code == 2


def test_names_of_examples_complete(cases: Path) -> None:
    from cli.commands.examples import _starting

    assert _starting("two") == ["two_vendors"]
    assert _starting("") == ["fierce", "two_vendors"]


def test_the_shipped_cases_are_found_in_the_source_tree() -> None:
    assert shipped.folder() == ROOT / "cases"


# The self-test


def test_the_doctor_reports_every_finding_and_fails_if_one_does(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        doctor, "findings", lambda: iter([Diagnosis(True, "a", "fine"), Diagnosis(True, "b", "")])
    )
    assert run("doctor") == Ran(0, f"PASS  {'a':24}  fine\nPASS  b\n", "")
    monkeypatch.setattr(
        doctor,
        "findings",
        lambda: iter([Diagnosis(False, "a", "broken"), Diagnosis(True, "b", "fine")]),
    )
    done = run("doctor")
    assert done.code == 1
    assert done.out.startswith("FAIL  a ")
    assert "PASS  b" in done.out


def test_the_doctor_finds_another_owner_of_our_names(monkeypatch: pytest.MonkeyPatch) -> None:
    owners = {"market": ["pigou"], "mechanism": ["pigou"], "cli": ["pigou", "intruder"]}
    monkeypatch.setattr("importlib.metadata.packages_distributions", lambda: owners)
    found = list(doctor.names())
    assert [finding.ok for finding in found] == [True, True, False, True]
    assert "intruder" in found[2].detail


def test_the_doctor_notices_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "importlib.metadata.requires",
        lambda _: ["numpy>=1.26", "rich>=13.0", "scipy>=1.11", 'ruff>=0.6; extra == "dev"'],
    )
    monkeypatch.setattr(
        "importlib.metadata.version",
        {"pigou": "0.1.0", "numpy": "1.25.2", "rich": "99.0", "scipy": TESTED["scipy"]}.get,
    )
    found = {finding.subject: finding for finding in doctor.dependencies()}
    assert set(found) == {"pigou", "numpy", "rich", "scipy"}
    assert not found["numpy"].ok
    assert found["rich"].ok
    assert "tested with" in found["rich"].detail
    assert found["scipy"].detail == TESTED["scipy"]


@pytest.mark.slow
def test_a_test_of_the_doctor_that_breaks_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise RuntimeError("no luck")

    monkeypatch.setattr(doctor, "solvers", broken)
    monkeypatch.setattr(doctor, "evaluation", lambda: iter(()))
    last = list(doctor.findings())[-1]
    assert (last.ok, last.detail) == (False, "RuntimeError: no luck")


@pytest.mark.slow
def test_the_doctor_evaluates_a_case_against_what_it_expects(cases: Path) -> None:
    (cases / "two_vendors.yaml").write_text(
        CASE + "expect: {regimes.nash.status: {value: converged}}\n"
    )
    assert [finding.ok for finding in doctor.evaluation()] == [True]
    (cases / "two_vendors.yaml").write_text(CASE + "expect: {regimes.nash.welfare: {value: 1}}\n")
    missed = next(doctor.evaluation())
    assert not missed.ok
    assert "regimes.nash.welfare" in missed.detail


@pytest.mark.slow
def test_the_shipped_cases_are_good_and_the_solvers_are_there() -> None:
    assert all(
        finding.ok
        for test in (doctor.python, doctor.cases, doctor.evaluation, doctor.solvers)
        for finding in test()
    )


# What is released


def pins() -> dict[str, str]:
    """Name and version of every line of constraints.txt."""
    lines = [
        line.partition(";")[0].strip()
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", line) for line in lines)
    return dict(line.split("==") for line in lines)


def test_the_tested_versions_are_those_of_the_constraints() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    direct = [re.split("[>=]", requirement)[0] for requirement in project["dependencies"]]
    assert sorted(direct) == sorted(TESTED)
    assert {name: pins()[name.replace(".", "-")] for name in direct} == TESTED
    assert all(
        re.split("[>=]", requirement)[0] in pins()
        for requirement in project["optional-dependencies"]["dev"]
    )
