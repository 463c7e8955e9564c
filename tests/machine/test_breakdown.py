"""Parts of something: nested ones are taken out of what is around them."""

from __future__ import annotations

import time

import pytest

from effbench.machine import breakdown


def test_time_inside_a_part_belongs_to_the_inner_one_alone() -> None:
    spans = [("step", 10.0, None), ("place", 6.0, 0), ("march", 4.0, 1), ("encode", 1.0, 0)]
    again = [("step", 5.0, None), ("place", 5.0, 4)]
    assert breakdown.exclusive(spans + again) == {
        "step": 3.0,
        "place": 7.0,
        "march": 4.0,
        "encode": 1.0,
    }


def test_the_hosts_clock_counts_each_moment_once(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 1.0, 3.0, 3.5, 4.0, 10.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(moments))
    parts = breakdown.Breakdown()
    with parts.part("step"):
        with parts.part("place"):
            pass
        with parts.part("encode"):
            pass
    assert parts.milliseconds() == {"step": 7500.0, "place": 2000.0, "encode": 500.0}
