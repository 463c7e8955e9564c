"""Processors are claimed by locks, one of each core first, and processes are bound to them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from effbench.errors import ConfigError
from effbench.machine import cores, environment

AFFINITY = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system binds no process to processors"
)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EFFBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(cores, "mine", lambda: frozenset({4, 5, 6}))
    monkeypatch.setattr(environment, "usable_threads", lambda: 3)


def test_claims_share_no_processor_and_come_back() -> None:
    first, second = cores.claim(2), cores.claim(1)
    assert first
    assert second
    assert (first.cores, second.cores) == ((4, 5), (6,))
    assert cores.claim(1) is None
    first.release()
    again = cores.claim(1)
    assert again
    assert again.cores == (4,)
    assert cores.claim(2) is None, "one is free: not enough, and it is given back"
    last = cores.claim(1)
    assert last
    assert last.cores == (5,)


def test_a_claim_ends_with_its_process() -> None:
    code = (
        "import os; from effbench.machine import cores\n"
        "cores.mine = lambda: frozenset({4})\n"
        "held = cores.claim(1)\n"
        "assert held.cores == (4,)\n"
        "assert cores.claim(1) is None\n"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    found = cores.claim(1)
    assert found
    assert found.cores == (4,)


def test_waiting_ends_when_another_gives_its_up() -> None:
    held = cores.claim(3)
    assert held
    found = cores.wait_for(2, on_wait=held.release)
    assert found.cores == (4, 5)


@pytest.mark.parametrize(("threads", "jobs"), [(4, 1), (2, 2)])
def test_more_than_there_are_is_refused(threads: int, jobs: int) -> None:
    with pytest.raises(ConfigError, match=rf"{threads} threads .* 3 processors.*--jobs"):
        cores.check_room(threads, jobs)


def test_second_hardware_threads_come_last(tmp_path: Path) -> None:
    for core, siblings in ((0, "0,2"), (1, "1,3"), (2, "0,2"), (3, "1,3")):
        file = tmp_path / f"cpu{core}/topology/thread_siblings_list"
        file.parent.mkdir(parents=True)
        file.write_text(siblings + "\n")
    assert cores.in_order(frozenset({3, 2, 1, 0}), tmp_path) == [0, 1, 2, 3]
    assert cores.in_order(frozenset({2, 3, 1, 8}), tmp_path) == [1, 8, 2, 3]
    (tmp_path / "cpu0/topology/thread_siblings_list").write_text("0-1")
    (tmp_path / "cpu1/topology/thread_siblings_list").write_text("0-1")
    assert cores.in_order(frozenset({0, 1, 8}), tmp_path) == [0, 8, 1]


@AFFINITY
def test_processes_stay_where_their_parent_was_bound() -> None:
    before = os.sched_getaffinity(0)
    core = min(before)
    with cores.pinned([core]):
        seen = subprocess.run(
            [sys.executable, "-c", "import os; print(os.sched_getaffinity(0))"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    assert seen.strip() == str({core})
    assert os.sched_getaffinity(0) == before


@AFFINITY
def test_processors_that_are_gone_are_told(capfd: pytest.CaptureFixture[str]) -> None:
    before = os.sched_getaffinity(0)
    with cores.pinned([100_000]):
        assert os.sched_getaffinity(0) == before
    assert "not bound to processors [100000]" in capfd.readouterr().err
