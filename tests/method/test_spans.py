"""Parts of a step: told to whoever watches, and to nobody else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from effbench.method.spans import span, watched, whole


class Watcher:
    def __init__(self) -> None:
        self.told: list[str] = []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self.told.append(f"+{name}")
        yield
        self.told.append(f"-{name}")


def test_parts_are_told_while_somebody_watches() -> None:
    outer, inner = Watcher(), Watcher()
    with span("before"):
        pass
    with watched(outer.part):
        with span("place"), span("encode"):
            pass
        with watched(inner.part), span("draw"):
            pass
        with span("step"):
            pass
    with span("after"):
        pass
    assert outer.told == ["+place", "+encode", "-encode", "-place", "+step", "-step"]
    assert inner.told == ["+draw", "-draw"]


def test_parts_of_other_threads_are_told_as_well() -> None:
    def backward() -> None:
        with span("backward"):
            pass

    watcher = Watcher()
    with watched(watcher.part):
        thread = threading.Thread(target=backward)
        thread.start()
        thread.join()
    assert watcher.told == ["+backward", "-backward"]


def test_nobody_watches_after_an_error() -> None:
    watcher = Watcher()
    with pytest.raises(ValueError, match="out"), watched(watcher.part):
        raise ValueError("out")
    with span("after"):
        pass
    assert not watcher.told


def test_a_whole_part_counts_what_is_inside_as_its_own() -> None:
    watcher = Watcher()
    with whole("before"):
        pass
    with watched(watcher.part):
        with whole("grid"), span("encode"):
            pass
        with span("place"):
            pass
    assert watcher.told == ["+grid", "-grid", "+place", "-place"]
