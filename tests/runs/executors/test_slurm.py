"""Slurm jobs by submitit: a whole run on its local stand-in, and the files that sbatch gets."""

from __future__ import annotations

import io
import re
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from effbench.errors import ConfigError, EffbenchError
from effbench.records.layout import RESUME
from effbench.runs.executors.names import Wanted
from effbench.runs.executors.slurm import Slurm
from effbench.runs.run import Result, run
from tests.runs.test_run import planned

submitit = pytest.importorskip("submitit", reason="needs submitit, of the extra `cluster`")
LOCAL = Wanted("slurm", address="local")
PATIENCE_S = 120


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EFFBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "effbench.runs.run.summarise", lambda _, out, done, **_options: Result(out, done, [], [])
    )


def test_a_suite_runs_on_the_stand_in(tmp_path: Path) -> None:
    plan = planned("mode=ok,exit", methods=("fake", "fake-child"))
    out = tmp_path / "out"
    done = run(
        plan, out, Console(file=io.StringIO()), executor=lambda out: Slurm.of(plan, out, LOCAL)
    )
    statuses = {(r.method, r.params["mode"]): r.status for r in done.records}
    assert statuses == {
        ("fake", "ok"): "ok",
        ("fake", "exit"): "failed",
        ("fake-child", "ok"): "ok",
        ("fake-child", "exit"): "skipped",
    }
    told = next(r for r in done.records if r.status == "ok").provenance["executor"]
    assert (told["name"], len(told["cores"])) == ("slurm", 1)
    assert not (out / "slurm/jobs.json").exists()


def test_a_cell_that_made_way_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SWITCHES", str(tmp_path))
    (tmp_path / "hang").touch()
    plan = planned(methods=("fake-resumable",), budget="40it")
    made: list[Slurm] = []

    def executor(out: Path) -> Slurm:
        made.append(Slurm.of(plan, out, LOCAL))
        return made[0]

    def preempt() -> None:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and not (tmp_path / "pid").exists():
            time.sleep(0.1)
        (tmp_path / "hang").unlink()
        (flight,) = made[0]._flying.values()
        # what stands in for Slurm's daemon is the parent of the process that gets the signal
        (task,) = psutil.Process(flight.job._process.pid).children()
        task.send_signal(signal.SIGUSR2)

    thread = threading.Thread(target=preempt)
    thread.start()
    (done,) = run(plan, tmp_path / "out", Console(file=io.StringIO()), executor=executor).records
    thread.join()
    assert done.status == "ok"
    assert done.facts["first"] == 20, "from its last snapshot"
    assert done.time["iterations"] == 40
    assert not list((tmp_path / "out").glob(f"cells/*/{RESUME}"))


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands of Slurm's names that note how they were called; no job ever starts."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, answer in (("sbatch", "Submitted batch job 12"), ("srun", ""), ("sacct", "")):
        script = f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/calls\necho "{answer}"\n'
        (commands / name).write_text(script)
        (commands / name).chmod(0o755)
    script = f'#!/bin/sh\necho scancel "$@" >> {tmp_path}/calls\n'
    (commands / "scancel").write_text(script)
    (commands / "scancel").chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{Path('/usr/bin')}:{Path('/bin')}")
    return tmp_path


def test_what_sbatch_gets(slurm: Path) -> None:
    plan = planned("width=1,2,3", budget="90s")
    options = ("partition=gpu", "mem=8G")
    wanted = Wanted("slurm", 2, threads=4, options=options, allowance="10m")
    out = slurm / "out"
    made = Slurm.of(plan, out, wanted)
    for cell in plan.cells:
        made.start(cell, lambda *_: None)
    assert made.ended() == []
    calls = (slurm / "calls").read_text()
    assert calls.count("sbatch ") == 1, "one array"
    (file,) = out.rglob("*_submission.sh")
    text = file.read_text()
    for line in (
        "--job-name=effbench-custom",
        "--array=0-2%2",
        "--cpus-per-task=4",
        "--time=12",  # minutes: a budget of 1.5 and 10 beyond it
        "--partition=gpu",
        "--mem=8G",
        "--signal=USR2@90",
    ):
        assert f"#SBATCH {line}\n" in text, line
    assert "--gpus" not in text
    made.stop()
    assert (slurm / "calls").read_text().count("scancel") == 3


def test_jobs_of_a_run_that_was_killed_are_cancelled(slurm: Path) -> None:
    plan = planned(budget="90s")
    first = Slurm.of(plan, slurm / "out", Wanted("slurm"))
    first.start(plan.cells[0], lambda *_: None)
    first.ended()
    assert (slurm / "out/slurm/jobs.json").exists()
    Slurm.of(plan, slurm / "out", Wanted("slurm"))
    assert re.search(r"scancel 12", (slurm / "calls").read_text())


def test_no_slurm_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EffbenchError, match="--address local"):
        Slurm.of(planned(), tmp_path, Wanted("slurm"))


def test_an_option_that_sbatch_does_not_take_is_refused(slurm: Path) -> None:
    with pytest.raises(ConfigError, match="partitoin"):
        Slurm.of(planned(), slurm, Wanted("slurm", options=("partitoin=gpu",)))
    with pytest.raises(ConfigError, match="write KEY=VALUE"):
        Slurm.of(planned(), slurm, Wanted("slurm", options=("partition",)))


def test_more_cells_than_the_stand_in_has_room_for_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--jobs"):
        Slurm.of(planned(), tmp_path, Wanted("slurm", jobs=1000, address="local"))
