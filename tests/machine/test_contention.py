"""Whether others took the processor: from files that Linux keeps, and from a loop beside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from effbench.machine.contention import Contention


def spin(seconds: float) -> None:
    """Keep a processor busy for so long: of its time, however long others have it meanwhile."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_a_loop_on_the_same_processor_shows_as_waiting() -> None:
    if not Path("/proc/self/schedstat").exists():
        pytest.skip("this system does not tell how long threads wait")
    allowed = os.sched_getaffinity(0)
    one = min(allowed)
    os.sched_setaffinity(0, {one})
    try:
        undisturbed = Contention()
        spin(0.3)
        before = undisturbed.read()
        loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])  # inherits affinity
        try:
            time.sleep(0.3)  # until it is in its loop
            shared = Contention()
            spin(0.6)
            after = shared.read()
        finally:
            loop.kill()
            loop.wait()
    finally:
        os.sched_setaffinity(0, allowed)
    assert before["cpu_share"] is not None
    assert after["waiting"] is not None
    assert after["waiting"] > 0.25, "two take turns on one processor"
    assert after["cpu_share"] is not None
    assert after["cpu_share"] < 0.75


def system(root: Path, waited_ns: int, stolen: int, throttled_us: int) -> tuple[Path, Path]:
    """Write what Linux would show of a process and its machine."""
    texts = {
        "proc/self/task/1/schedstat": f"5 {waited_ns} 7\n",
        "proc/self/task/2/schedstat": "5 0 7\n",
        "proc/stat": f"cpu 1 2 3 4 5 6 7 {stolen} 0 0\ncpu0 0\n",
        "groups/cpu.stat": f"usage_usec 5\nthrottled_usec {throttled_us}\n",
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="ascii")
    return root / "proc", root / "groups"


def test_what_happened_meanwhile_is_a_part_of_the_time(tmp_path: Path) -> None:
    contention = Contention(*system(tmp_path, 10**9, 100, 0))
    began = time.perf_counter()
    spin(0.2)
    ticks = os.sysconf("SC_CLK_TCK")
    system(tmp_path, 10**9 + 200_000_000, 100 + ticks, 100_000)
    found = contention.read()
    wall = time.perf_counter() - began
    assert found["waiting"] == pytest.approx(0.5, abs=0.1), "0.2 s queued, 0.2 s at work"
    assert found["steal"] == pytest.approx(1 / wall / (os.cpu_count() or 1), rel=0.2)
    assert found["throttled"] == pytest.approx(0.1 / wall, rel=0.2)


def test_what_a_system_does_not_tell_is_none(tmp_path: Path) -> None:
    found = Contention(tmp_path, tmp_path).read()
    assert (found["waiting"], found["steal"], found["throttled"]) == (None, None, None)
