"""Cells of several ranks: the result of one rank's, and failed records where a rank dies."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from effbench.machine import threads
from effbench.machine.placement import place
from effbench.machine.probe import RATES
from effbench.method.config import Setting
from effbench.planning import registry
from effbench.planning.plan import Plan
from effbench.planning.planner import Request, make_plan
from effbench.records import record
from effbench.records.record import Record
from effbench.runs.worker import run_planned
from tests.nerf_scene import SMALL

TESTS = Path(__file__).parents[1]
PLUGINS = (
    TESTS / "fakes",
    TESTS / "fakes_of_ranks",
    TESTS.parent / "examples/plugins",  # has a scene to learn
)
PATIENCE_S = 60  # until something that must happen counts as not having happened


@pytest.fixture(autouse=True)
def _small_and_quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No probe beside a cell, and one thread: more of them would wait for each other."""
    monkeypatch.setattr("effbench.cell.run.probe", lambda _: dict.fromkeys(RATES, 1.0))
    with threads.at_most(1):
        yield


def planned(method: str, *settings: str, **changes: Any) -> Plan:
    device, backend = place("cpu")
    request = Request(
        methods=(method,),
        settings=tuple(map(Setting.parse, settings)),
        device=device,
        backend=backend,
        **{
            "scenes": ("toy/grey",),
            "budget": "30it",
            "ranks": 2,
            "eval_views": 1,
            "curve_views": 0,
            **changes,
        },
    )
    return make_plan(request, registry.discover(PLUGINS), plugins=PLUGINS)


def run(plan: Plan, out: Path) -> Record:
    """Run a plan's only cell, its first rank in this process."""
    plan.write(out)
    (cell,) = plan.cells
    before = psutil.Process().children()
    done = run_planned(plan, cell, out, registry.discover(plan.plugins))
    assert psutil.Process().children() == before, "no process is left"
    return done


def test_two_ranks_train_what_one_does(tmp_path: Path) -> None:
    small = [f"{key}={value}" for key, value in SMALL.items()] + ["precision=fp32"]
    # longer, and what is rounded differently grows to what two seeds differ by
    how: dict[str, Any] = {"scenes": ("ball/unit",), "budget": "60it"}
    one = run(planned("instant-ngp", *small, **how, ranks=1), tmp_path / "one")
    two = run(planned("instant-ngp", *small, **how), tmp_path / "two")
    assert (two.status, two.reason) == ("ok", "")
    assert one.quality["psnr"] > 12, "it has learnt something"
    assert two.quality["psnr"] == pytest.approx(one.quality["psnr"], abs=0.02)
    assert two.facts["grid_occupied"] == pytest.approx(one.facts["grid_occupied"], abs=0.005)
    assert (two.variant, two.params) == (f"{one.variant},ranks=2", one.params)
    assert "_ranks2_" in two.cell_id
    assert (two.facts["ranks"], two.facts["ranks_backend"]) == (2, "gloo")
    assert two.facts["reduced_bytes"] == 4 * two.size["params"]
    assert two.facts["samples_per_s"] > 0 < one.facts["samples_per_s"]
    ranks = two.facts["peak_mem_mb_of_ranks"]
    assert (len(ranks), ranks[0]) == (2, two.memory["peak_mem_mb"])
    assert "ranks" not in one.facts


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("kill", "rank 1 was killed by SIGKILL"),
        ("raise", "rank 1: ValueError: broken on purpose"),
    ],
)
def test_a_rank_that_fails_ends_the_cell_and_is_named(
    tmp_path: Path, mode: str, reason: str
) -> None:
    began = time.monotonic()
    done = run(planned("shared", f"mode={mode}"), tmp_path)
    assert (done.status, done.reason) == ("failed", reason)
    assert time.monotonic() - began < PATIENCE_S, "a hang would end by the collectives' time limit"


def test_a_first_rank_that_does_not_notice_leaves_a_record_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[tuple[int, str, str]] = []

    def ended(status: int) -> None:
        (path,) = tmp_path.rglob("record.json")
        found = record.read(path)
        left.append((status, found.status, found.reason))

    monkeypatch.setattr("effbench.cell.followers.NOTICE_S", 0.1)
    monkeypatch.setattr("effbench.cell.run.os._exit", ended)
    run(planned("shared", "mode=slow"), tmp_path)
    assert left == [(1, "failed", "rank 1 was killed by SIGKILL")]


def test_ranks_end_with_the_first_one(tmp_path: Path) -> None:
    plan = planned("shared", budget="50000it")
    plan.write(tmp_path)
    command = [sys.executable, "-m", "effbench.runs.worker", str(tmp_path), plan.cells[0].cell_id]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
        try:
            wait_for(lambda: next(tmp_path.rglob("curve.csv"), None) is not None)
            (follower,) = psutil.Process(worker.pid).children()
        finally:
            worker.kill()
    wait_for(lambda: not follower.is_running() or follower.status() == psutil.STATUS_ZOMBIE)


def wait_for(happened: Any) -> None:
    end = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)
