"""How busy the machine is: from what the system counts, averaged over neighbours."""

from __future__ import annotations

import time
from collections import namedtuple
from typing import cast

import psutil
import pytest

from effbench.machine import utilisation
from effbench.machine.nvml import Gpu
from effbench.machine.utilisation import Utilisation, averaged, busy, looked_at

Times = namedtuple("Times", ["user", "system", "idle", "iowait", "guest"])


def test_a_processor_is_busy_while_it_does_not_wait() -> None:
    before = Times(user=10.0, system=1.0, idle=5.0, iowait=1.0, guest=3.0)
    after = Times(user=10.5, system=1.1, idle=5.2, iowait=1.2, guest=3.5)
    assert busy(before, after) == pytest.approx(0.6)
    assert busy(after, after) == 0.0, "no tick of its clock"


def test_neighbours_are_averaged() -> None:
    assert averaged([0.0, 1.0, 0.5, 0.5, 9.0], 2) == [0.5, 0.5]
    found = Utilisation(
        t_s=[0.25, 0.5, 0.75, 1.0],
        cores={"3": [1.0, 0.0, 0.25, 0.75]},
        process=[2.0, 1.0, 1.0, 1.0],
    )
    assert found.thinned(most=2) == {
        "t_s": [0.5, 1.0],
        "cores": {"3": [0.5, 0.5]},
        "process": [1.5, 1.0],
        "device": [],
    }
    assert found.thinned(most=4)["t_s"] == [0.25, 0.5, 0.75, 1.0]


def test_each_look_is_of_the_time_since_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = iter([Times(0, 0, 0, 0, 0), Times(0.5, 0, 0.5, 0, 0), Times(2, 0, 1, 0, 0)])
    monkeypatch.setattr(utilisation, "_usable", lambda: [1])
    monkeypatch.setattr(psutil, "cpu_times", lambda **_: [None, next(counted)])
    clock, used = iter([0.0, 1.0, 3.0]), iter([0.0, 1.5, 2.5])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(time, "process_time", lambda: next(used))
    found = Utilisation()
    look = utilisation._looker(found, cast(Gpu, _FakeGpu()))
    look()
    look()
    assert (found.t_s, found.process, found.device) == ([1.0, 3.0], [1.5, 0.5], [0.9, 0.9])
    assert found.cores == {"1": [0.5, 0.75]}


def test_something_short_has_a_look_at_its_end() -> None:
    with looked_at(every_s=60.0) as found:
        pass
    assert len(found.t_s) == len(found.process) == 1
    assert found.cores
    assert not found.device


class _FakeGpu:
    def utilisation(self) -> float:
        return 0.9
