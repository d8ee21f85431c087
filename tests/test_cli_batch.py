"""`pigou batch`: files, options, messages, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from command import Run
from test_cli_process import COMMAND, environment
from trees import evaluate

from cli.batch import progress as progress_module
from cli.batch.design import load_design
from cli.batch.parts import Parts
from cli.batch.progress import Progress
from mechanism.casefile.case_keys import key_path, set_at
from mechanism.casefile.policy_case import load_case, parse_tree

ROOT = Path(__file__).resolve().parents[1]
TEXT = f"""case: {ROOT}/cases/two_vendors.yaml
vary: {{cost.scale: {{values: [12, 14]}}}}
policies: [nash, social_optimum]
"""
MANY = (
    TEXT.replace("{values: [12, 14]}", "{low: 12, high: 20}")
    + "sample: {method: sobol, count: 100000}\n"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "vary"),
    [
        (
            "two_vendors",
            {"security.rivalry": [0.2, 0.78, 0.9], "mechanism.public_funds_cost": [0.0, 0.8]},
        ),
        (
            "large_and_small",
            {
                "mechanism.participation": ["ir_market", "none"],
                "mechanism.profit_weight": [0.0, 1.0],
            },
        ),
        ("two_types", {"security.rivalry": [0.3, 0.9]}),
    ],
)
def test_what_wins_among_all_policies_is_what_evaluate_recommends(
    run: Run, tmp_path: Path, name: str, vary: dict[str, list[object]]
) -> None:
    case = ROOT / "cases" / f"{name}.yaml"
    (tmp_path / "d.yaml").write_text(
        json.dumps(
            {
                "case": str(case),
                "vary": {key: {"values": values} for key, values in vary.items()},
                "policies": "all",
            }
        )
    )
    assert run("batch", tmp_path / "d.yaml", "--out", tmp_path / "r.csv").code == 0
    frame = pd.read_csv(tmp_path / "r.csv")
    winners = set()
    for _, rows in frame.groupby("case_id"):
        tree = load_case(case).resolved | {"expect": {}}
        for key in vary:
            set_at(tree, key_path(key), rows[key].iloc[0])
        told = evaluate(parse_tree(tree))
        wanted = told["recommendation"]
        assert rows["best"].tolist() == [wanted["policy"]] * len(rows)
        assert rows[rows.recommended == 1].policy.tolist() == [wanted["policy"]]
        winners.add(wanted["policy"])
        for row in told["comparison"]:
            if row["competes"]:
                (found,) = rows[rows.policy == row["policy"]].to_dict("records")
                assert found["value"] == pytest.approx(row["value"], rel=1e-9)
                assert found["outlay_joined"] == pytest.approx(
                    row["outlay_joined"], rel=1e-9, abs=1e-9 * abs(row["value"])
                )
    assert len(winners) > 1


@pytest.fixture
def design(tmp_path: Path) -> Path:
    """A design of two cases."""
    path = tmp_path / "design.yaml"
    path.write_text(TEXT)
    return path


@pytest.mark.slow
def test_a_batch_says_what_evaluate_says(run: Run, design: Path, tmp_path: Path) -> None:
    for ending in ("parquet", "csv"):
        out = tmp_path / f"r.{ending}"
        done = run("batch", design, "--out", out)
        assert (done.code, done.out) == (0, "")
        assert f"written to {out}: 2 cases, 4 rows" in done.err
        frame = pd.read_parquet(out) if ending == "parquet" else pd.read_csv(out)
        assert list(frame.columns[:5]) == ["case_id", "cost.scale", "policy", "status", "sharing_1"]
        assert frame["case_id"].tolist() == [0, 0, 1, 1]
        assert frame["cost.scale"].tolist() == [12, 12, 14, 14]
        told = evaluate(load_case(ROOT / "cases" / "two_vendors.yaml"))["regimes"]
        for row, policy in enumerate(("nash", "social_optimum")):
            assert frame["policy"][row] == policy
            assert frame["welfare"][row] == pytest.approx(told[policy]["welfare"], rel=1e-9)
            assert frame["price_2"][row] == pytest.approx(told[policy]["price"][1], rel=1e-9)
        assert frame["ic_max_gain"].isna().all()
        assert not Parts(out).exist()
    metadata = pq.read_schema(tmp_path / "r.parquet").metadata
    assert {
        b"pigou.design",
        b"pigou.batch_sha256",
        b"pigou.version",
        b"pigou.seed",
        b"pigou.schema_version",
    } <= set(metadata)


def test_failed_cases_give_4_and_rows_that_say_why(run: Run, design: Path, tmp_path: Path) -> None:
    design.write_text(
        TEXT.replace("cost.scale: {values: [12, 14]}", "demand.cross_slope: {values: [1.0, 1.6]}")
    )
    out = tmp_path / "r.csv"
    done = run("batch", design, "--out", out, "--quiet")
    assert done.code == 4
    assert done.err.splitlines() == [
        "1 of 2 cases failed; the columns status (bad_case, failed) and message of their rows"
        " say why"
    ]
    frame = pd.read_csv(out)
    assert frame["status"].tolist()[2:] == ["bad_case"] * 2
    assert "it must lie in [0, own_slope = 1.5)" in frame["message"][2]


def test_a_dry_run_writes_nothing(run: Run, design: Path, tmp_path: Path) -> None:
    design.write_text(
        TEXT.replace("cost.scale: {values: [12, 14]}", "demand.cross_slope: {values: [1.0, 1.6]}")
    )
    done = run("batch", design, "--dry-run", "--out", tmp_path / "r.csv")
    assert done.code == 0
    told = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert told["cases"] == "2"
    assert told["rows"] == "4"
    assert told["chunks"] == "1"
    assert "ms per case" in told["time"]
    assert told["size"].startswith("about ")
    assert told["probe"].startswith(
        "2 cases spread over the design; 1 of them fail: demand.cross_slope is 1.6"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["design.yaml"]
    assert run("batch", design, "--dry-run").code == 0


@pytest.mark.slow
def test_wrong_usage_gives_2_and_a_remedy(
    run: Run, design: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object) -> str:
        done = run("batch", *arguments)
        assert (done.code, done.out) == (2, "")
        assert "Traceback" not in done.err
        return " ".join(done.err.split())

    out = tmp_path / "r.parquet"
    assert "name the result" in refused(design)
    assert "a .parquet or a .csv file" in refused(design, "--out", tmp_path / "r.json")
    assert "does not exist; make it first" in refused(design, "--out", tmp_path / "no" / "r.csv")
    assert "give one of them" in refused(design, "--out", out, "--resume", "--overwrite")
    assert "there is no such file" in refused(tmp_path / "nowhere.yaml", "--out", out)
    monkeypatch.setattr("cli.batch.pools.ANSWER", 1)
    assert "no dask scheduler answers at nonsense" in refused(
        design, "--out", out, "--cluster", "nonsense:1"
    )
    assert not Parts(out).exist()  # nothing was done, and the next attempt needs no --resume
    out.write_text("something else")
    assert "--overwrite starts again" in refused(design, "--out", out)
    assert "does not tell which design" in refused(design, "--out", out, "--resume")
    assert out.read_text() == "something else"
    monkeypatch.setitem(sys.modules, "joblib.externals.loky", None)
    assert "--jobs needs joblib" in refused(design, "--out", tmp_path / "other.csv", "--jobs", 2)
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert "--cluster needs dask" in refused(
        design, "--out", tmp_path / "other.csv", "--cluster", "local", "--resume"
    )
    monkeypatch.setattr("cli.commands.batch.find_spec", lambda name: None)
    assert "needs pyarrow" in refused(design, "--out", tmp_path / "new.parquet")


@pytest.mark.slow
def test_a_design_changed_meanwhile_is_refused(
    run: Run, design: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "r.csv"
    with monkeypatch.context() as patch:
        patch.setattr(
            "cli.batch.runner._join",
            lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")),
        )
        done = run("batch", design, "--out", out)
    assert done.code == 1
    assert "cannot write the result: No space left on device" in done.err
    assert "--resume" in done.err
    assert "Traceback" not in done.err
    design.write_text(TEXT.replace("14", "15"))
    done = run("batch", design, "--out", out, "--resume")
    assert done.code == 2
    assert "design.vary.cost.scale.values was [12,14] and is [12,15]" in done.err
    design.write_text(TEXT)
    done = run("batch", design, "--out", out, "--resume")
    assert done.code == 0
    assert "2 of them by an earlier run" in done.err


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX system")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupt_gives_130_and_resume_goes_on(tmp_path: Path, jobs: str) -> None:
    design, out = tmp_path / "design.yaml", tmp_path / "r.csv"
    design.write_text(MANY)
    command = [*COMMAND, "batch", str(design), "--out", str(out), "--jobs", jobs]
    # In a session of its own, so that an interrupt reaches the whole group as one from a keyboard
    # does.
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment(), start_new_session=True
    ) as process:
        limit = time.monotonic() + 60
        while not Parts(out).log.exists() or not Parts(out).log.read_text():
            assert time.monotonic() < limit
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert f"To go on: pigou batch {design} --out {out} --resume" in err
    assert not out.exists()
    assert Parts(out).log.read_text()


def test_progress_is_a_line_a_minute_without_a_terminal_and_nothing_when_quiet(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now)
    for quiet in (False, True):
        with Progress(10_000, quiet=quiet) as progress:
            for step in range(7):
                progress(1000 + 300 * step, 1000)
                now += 20.0
    assert capsys.readouterr().err.splitlines() == [
        "1,900 of 10,000 cases, 15 per second, 9 min left",
        "2,800 of 10,000 cases, 15 per second, 8 min left",
    ]


@pytest.mark.slow
def test_the_shipped_designs_are_listed_and_copied_with_their_cases(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "designs/alliance_or_mechanism" in run("examples", "list").out
    assert run("examples", "copy", "alliance_or_mechanism").code == 0
    copied = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.yaml"))
    assert copied == ["designs/alliance_or_mechanism.yaml", "two_types.yaml", "two_vendors.yaml"]
    assert load_design("designs/alliance_or_mechanism.yaml").count == 256


def test_the_schema_of_the_design_file_is_printed(run: Run) -> None:
    schema = json.loads(run("schema", "--design").out)
    assert {"vary", "sample", "table", "cases", "policies"} <= set(schema["properties"])
    assert run("schema", "--design", "--setting").code == 2


def test_a_table_is_not_overwritten_by_its_own_result(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("cost.scale\n12\n13\n")
    (tmp_path / "t.yaml").write_text(
        f"case: {ROOT / 'cases' / 'two_vendors.yaml'}\ntable: t.csv\npolicies: [nash]\n"
    )
    done = run("batch", tmp_path / "t.yaml", "--out", table, "--overwrite")
    assert done.code == 2
    assert "choose another name" in done.err
    assert table.read_text().startswith("cost.scale\n12")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_place_that_takes_no_files_is_bad_usage(run: Run, tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_text(
        f"case: {ROOT / 'cases' / 'two_vendors.yaml'}\nvary: {{cost.scale: {{values:"
        " [12]}}\npolicies: [nash]\n"
    )
    done = run("batch", tmp_path / "d.yaml", "--out", "/proc/x.csv")
    assert done.code == 2
    assert "cannot be written" in done.err
