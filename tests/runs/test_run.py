"""Runs: isolated cells, whatever becomes of them; resuming; nothing is left when it is killed."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from effbench.errors import EffbenchError
from effbench.machine.placement import place
from effbench.machine.probe import RATES
from effbench.method.config import Setting
from effbench.planning import registry
from effbench.planning.plan import Plan
from effbench.planning.planner import Request, make_plan
from effbench.records import record
from effbench.records.record import Record
from effbench.runs.progress import duration
from effbench.runs.run import Result, choose_folder, run
from tests.in_this_process import InThisProcess

FAKES = Path(__file__).parents[1] / "fakes"
PATIENCE_S = 60  # until something that must happen counts as not having happened


def planned(*settings: str, **changes: Any) -> Plan:
    device, backend = place("cpu")
    request = Request(
        methods=("fake",), scenes=("toy/grey",), budget="5it", device=device, backend=backend
    )
    request = replace(request, settings=tuple(map(Setting.parse, settings)), **changes)
    return make_plan(request, registry.discover([FAKES]), plugins=[FAKES])


def run_quietly(
    plan: Plan, out: Path, *, summary: bool = False, processes: bool = True, **options: Any
) -> tuple[Result, str]:
    """Run a plan as if piped; return the result and what was printed.

    summary: whether tables and plots are made, which take longer than these cells; processes:
    whether cells have their own, which take seconds to start; options: those of `run`.
    """
    stream = io.StringIO()
    if not processes:
        options["executor"] = InThisProcess
    with pytest.MonkeyPatch.context() as patch:
        if not processes:
            patch.setattr("effbench.cell.run.probe", lambda _: dict.fromkeys(RATES, 1.0))
        if not summary:
            patch.setattr(
                "effbench.runs.run.summarise",
                lambda _, out, done, **_options: Result(out, done, [], []),
            )
        return run(plan, out, Console(file=stream), **options), stream.getvalue()


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, str]:
    """A run in which one cell ends well and others in every other way."""
    plan = planned("mode=ok,raise,kill,exit", methods=("fake", "fake-child"))
    cells = tuple(c for c in plan.cells if c.method == "fake" or c.params["mode"] in ("ok", "exit"))
    return run_quietly(replace(plan, cells=cells), tmp_path_factory.mktemp("mixed"), summary=True)


def of(result: Result, method: str, mode: str) -> Record:
    return next(r for r in result.records if (r.method, r.params["mode"]) == (method, mode))


def test_a_cell_that_fails_leaves_the_others_alone(mixed: tuple[Result, str]) -> None:
    result, _ = mixed
    statuses = {(r.method, r.params["mode"]): r.status for r in result.records}
    assert statuses == {
        ("fake", "ok"): "ok",
        ("fake", "raise"): "failed",
        ("fake", "kill"): "killed",
        ("fake", "exit"): "failed",
        ("fake-child", "ok"): "ok",
        ("fake-child", "exit"): "skipped",
    }
    assert len(result.failed) == 4


def test_reasons_say_what_happened(mixed: tuple[Result, str]) -> None:
    result, _ = mixed
    assert of(result, "fake", "raise").reason == "RuntimeError: broken on purpose"
    assert "SIGKILL" in of(result, "fake", "kill").reason
    assert "memory runs out" in of(result, "fake", "kill").reason
    assert "exit status 7 and left no record: see log.txt" in of(result, "fake", "exit").reason
    parent = of(result, "fake", "exit").cell_id
    assert of(result, "fake-child", "exit").reason == f"parent failed: {parent}"


def test_every_cell_has_a_record_on_disk(mixed: tuple[Result, str]) -> None:
    result, _ = mixed
    found = {r.cell_id: r.status for r in record.load([result.out])}
    assert found == {r.cell_id: r.status for r in result.records}


def test_what_plugins_print_and_raise_is_in_the_cells_log(mixed: tuple[Result, str]) -> None:
    result, printed = mixed
    cells = result.out / "cells"
    log = (cells / of(result, "fake", "ok").cell_id / "log.txt").read_text(encoding="utf-8")
    assert "a plug-in may print" in log
    log = (cells / of(result, "fake", "raise").cell_id / "log.txt").read_text(encoding="utf-8")
    assert "Traceback" in log
    assert "a plug-in may print" not in printed


def test_tables_and_plots_are_made(mixed: tuple[Result, str]) -> None:
    result, _ = mixed
    assert {p.name for p in result.tables} == {"leaderboard.csv", "leaderboard.md", "curves.csv"}
    assert {p.suffix for p in result.plots} == {".png", ".pdf"}
    assert all(p.stat().st_size > 0 for p in [*result.tables, *result.plots])


def test_piped_progress_is_a_line_per_cell(mixed: tuple[Result, str]) -> None:
    _, printed = mixed
    lines = [line for line in printed.splitlines() if line.startswith("[")]
    assert [line.split("]")[0] for line in lines] == [f"[{i}/6" for i in range(1, 7)]
    assert sum("] fake mode=ok on toy/grey: ok " in line for line in lines) == 1
    assert "about" in lines[0], "how much is left is an estimate"
    assert "\x1b" not in printed


def test_durations_are_written_as_people_say_them() -> None:
    assert [duration(s) for s in (4.6, 200, 7500)] == ["5 s", "3 min 20 s", "2 h 5 min"]


def test_what_starts_from_a_failed_cell_is_skipped_and_nothing_else(tmp_path: Path) -> None:
    plan = planned("mode=ok,raise", methods=("fake", "fake-child", "fake-grandchild"))
    result, _ = run_quietly(plan, tmp_path, processes=False)
    failed = of(result, "fake", "raise")
    child, grandchild = (of(result, f"fake-{kin}", "raise") for kin in ("child", "grandchild"))
    assert (failed.status, child.status, grandchild.status) == ("failed", "skipped", "skipped")
    assert {child.reason, grandchild.reason} == {f"parent failed: {failed.cell_id}"}
    assert [r.status for r in result.records if r.params["mode"] == "ok"] == ["ok"] * 3


def test_what_relatives_share_is_counted_once(tmp_path: Path) -> None:
    plan = planned(methods=("fake-grandchild",))
    result, _ = run_quietly(plan, tmp_path, processes=False)
    parent, child, grandchild = result.records
    assert (parent.method, child.method) == ("fake", "fake-child")

    def own(r: Record) -> float:
        return float(r.time["setup_s"] + r.time["train_s"])

    assert child.time["prepared"] == {parent.cell_id: own(parent)}
    assert grandchild.time["prepared"] == {
        parent.cell_id: own(parent),
        child.cell_id: own(child),
        "views": 5.0,
    }
    assert grandchild.time["prepare_s"] == pytest.approx(own(parent) + own(child) + 5)
    prepared = tmp_path / "cells" / parent.cell_id / "prepared.txt"
    assert prepared.read_text() == "5it"


@pytest.fixture
def switches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose files make cells with mode=switch fail or hang."""
    folder = tmp_path / "switches"
    folder.mkdir()
    monkeypatch.setenv("FAKE_SWITCHES", str(folder))
    return folder


def test_running_again_does_only_what_did_not_end_well(tmp_path: Path, switches: Path) -> None:
    plan, out = planned("mode=ok,switch"), tmp_path / "out"
    (switches / "fail").touch()
    first, _ = run_quietly(plan, out, processes=False)
    assert [r.status for r in first.records] == ["ok", "failed"]
    kept, redone = (out / "cells" / cell.cell_id / "record.json" for cell in plan.cells)
    before = kept.stat().st_mtime_ns
    (switches / "fail").unlink()

    second, printed = run_quietly(plan, out, processes=False)

    assert [r.status for r in second.records] == ["ok", "ok"]
    assert kept.stat().st_mtime_ns == before
    assert "kept from an earlier run" in printed
    assert record.read(redone.with_name("record.1.json")).status == "failed"


def test_a_finished_parent_becomes_a_row_when_it_is_asked_for(tmp_path: Path) -> None:
    parent_and_child = planned(methods=("fake-child",))
    run_quietly(parent_and_child, tmp_path, processes=False)
    both, printed = run_quietly(planned(methods=("fake-child", "fake")), tmp_path, processes=False)
    assert {r.method: r.role for r in both.records} == {"fake": "row", "fake-child": "row"}
    assert {r.role for r in record.load([tmp_path])} == {"row"}
    assert printed.count("kept") == 2


def test_fresh_does_finished_cells_again(tmp_path: Path) -> None:
    plan = planned()
    run_quietly(plan, tmp_path, processes=False)
    run_quietly(plan, tmp_path, fresh=True, processes=False)
    assert (tmp_path / "cells" / plan.cells[0].cell_id / "record.1.json").exists()


def test_a_cell_that_was_killed_goes_on_from_its_snapshot(tmp_path: Path, switches: Path) -> None:
    plan = planned(methods=("fake-resumable",), budget="40it")
    folder = tmp_path / "cells" / plan.cells[0].cell_id
    (switches / "kill").touch()
    first, _ = run_quietly(plan, tmp_path)
    assert first.records[0].status == "killed"
    (switches / "kill").unlink()

    (again,) = run_quietly(plan, tmp_path)[0].records

    assert (again.status, again.time["iterations"]) == ("ok", 40)
    assert again.facts["first"] == 20, "the last tenth step before it was killed"
    assert again.facts["steps"] == 40 + 16, "those whose memory is measured come after"
    assert 0 < again.facts["resumed_after_s"][0] < again.time["train_s"]
    curve = (folder / "curve.csv").read_text().splitlines()
    fractions = [line.split(",")[0] for line in curve[1:]]
    assert fractions == ["0.05", "0.1", *(f"0.{i}" for i in range(2, 10)), "1.0"]
    assert not (folder / "resume.safetensors").exists()


def test_fresh_starts_a_killed_cell_anew(tmp_path: Path, switches: Path) -> None:
    plan = planned(methods=("fake-resumable",), budget="40it")
    (switches / "kill").touch()
    run_quietly(plan, tmp_path)
    (switches / "kill").unlink()
    (again,) = run_quietly(plan, tmp_path, fresh=True)[0].records
    assert (again.status, again.facts["first"]) == ("ok", 0)


def test_only_one_run_works_in_a_folder(tmp_path: Path, switches: Path) -> None:
    out = tmp_path / "out"
    (switches / "hang").touch()
    with Running(out, "mode=switch") as running:
        wait_for(lambda: (switches / "pid").exists())
        with pytest.raises(EffbenchError, match="another effbench run is at work there"):
            run(planned(), out, Console(file=io.StringIO()))
        running.process.kill()
    run_quietly(planned(), out)  # the lock went with the process


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EffbenchError, match="file/out: cannot be written"):
        run(planned(), tmp_path / "file" / "out", Console(file=io.StringIO()))


def test_the_newest_folder_of_the_same_plan_is_completed(tmp_path: Path) -> None:
    plan = planned()
    first = choose_folder(plan, runs=tmp_path)
    assert first.name.startswith("custom-20")
    plan.write(first)
    assert choose_folder(plan, runs=tmp_path) == first
    assert choose_folder(plan, runs=tmp_path, fresh=True) != first
    assert choose_folder(planned("width=2"), runs=tmp_path) != first


def test_a_later_run_of_another_plan_does_not_hide_the_folder(tmp_path: Path) -> None:
    plan, other = planned(), planned("width=2")
    plan.write(tmp_path / "custom-20260101-000000")
    other.write(tmp_path / "custom-20260102-000000")
    assert choose_folder(plan, runs=tmp_path).name == "custom-20260101-000000"


def test_killing_the_run_loses_only_the_cell_in_flight(tmp_path: Path, switches: Path) -> None:
    out = tmp_path / "out"
    (switches / "hang").touch()
    with Running(out, "mode=ok,switch") as running:
        worker = worker_of(switches)
        running.process.send_signal(signal.SIGKILL)
    wait_for(lambda: not alive(worker))
    ok, switch = (out / "cells" / cell.cell_id for cell in planned("mode=ok,switch").cells)
    before = (ok / "record.json").stat().st_mtime_ns
    assert not (switch / "record.json").exists()
    (switches / "hang").unlink()

    with Running(out, "mode=ok,switch") as running:
        assert running.process.wait(PATIENCE_S) == 0

    assert (ok / "record.json").stat().st_mtime_ns == before
    assert record.read(switch / "record.json").status == "ok"


def test_ctrl_c_stops_the_cell_and_says_how_to_go_on(tmp_path: Path, switches: Path) -> None:
    out = tmp_path / "out"
    (switches / "hang").touch()
    with Running(out, "mode=ok,switch") as running:
        worker = worker_of(switches)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(PATIENCE_S) == 130
        assert not alive(worker)
        assert running.process.stderr is not None
        message = running.process.stderr.read().decode()
    assert "finished cells are kept" in message
    assert "run the same command again" in message
    assert "Traceback" not in message
    assert [r.status for r in record.load([out])] == ["ok"]


def test_a_killed_cell_is_recorded_and_the_rest_goes_on(tmp_path: Path, switches: Path) -> None:
    out = tmp_path / "out"
    (switches / "hang").touch()
    with Running(out, "mode=switch,ok") as running:
        worker = worker_of(switches)
        worker.send_signal(signal.SIGTERM)
        assert running.process.wait(PATIENCE_S) == 3
    found = {r.params["mode"]: r for r in record.load([out])}
    assert found["ok"].status == "ok"
    assert (found["switch"].status, found["switch"].reason) == (
        "killed",
        "killed by SIGTERM: see log.txt",
    )


class Running:
    """`effbench run` of `fake` in a process of its own, which is gone when the block ends."""

    def __init__(self, out: Path, setting: str) -> None:
        command = [sys.executable, "-m", "effbench", "run", "--method", "fake", "--set", setting]
        options = ["--scene", "toy/grey", "--budget", "5it", "--device", "cpu"]
        places = ["--plugins", str(FAKES), "--out", str(out)]
        # a shell's background job ignores Ctrl-C, and so would its children
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.process = subprocess.Popen(
            [*command, *options, *places],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(FAKES.parents[1])},
        )

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()  # does nothing to one that has ended
        self.process.wait()
        if self.process.stderr:
            self.process.stderr.close()


def worker_of(switches: Path) -> psutil.Process:
    """Return the process of the cell that hangs, once it does."""
    path = switches / "pid"
    wait_for(lambda: path.exists() and path.read_text())
    return psutil.Process(int(path.read_text()))


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, "what was waited for did not happen"
        time.sleep(0.05)
