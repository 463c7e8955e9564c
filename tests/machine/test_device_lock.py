"""Two cells on one device: on a GPU the second waits, on a CPU it is told."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from effbench.machine import device_lock, nvml

CPU, FIRST, SECOND = torch.device("cpu"), torch.device("cuda:0"), torch.device("cuda:1")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of locks without real cells in it, and GPUs that need not be there."""
    monkeypatch.setenv("EFFBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(nvml, "device_uuid", lambda device: f"GPU-{device.index}")
    return tmp_path


def test_a_device_is_free_again_afterwards() -> None:
    for device in (CPU, FIRST, FIRST, CPU):
        with device_lock.held(device) as place:
            assert place.alone()


def test_each_device_has_its_own_lock() -> None:
    with device_lock.held(FIRST), device_lock.held(SECOND), device_lock.held(CPU) as place:
        assert place.alone()


def test_a_second_cell_on_the_cpu_goes_on_and_knows() -> None:
    told: list[str] = []
    with device_lock.held(CPU), device_lock.held(CPU, lambda: told.append("now")) as place:
        assert not place.alone()
        assert told == []  # it does not wait
    with device_lock.held(CPU) as place:
        assert place.alone()


def test_the_first_of_two_knows_too_even_of_one_that_came_and_went() -> None:
    with device_lock.held(CPU) as place:
        assert place.alone()
        with device_lock.held(CPU) as second:
            assert not second.alone()
            assert not place.alone()
        assert not place.alone(), "it was there"
        with device_lock.held(FIRST):
            pass
    with device_lock.held(CPU) as place, device_lock.held(FIRST):
        assert place.alone(), "a cell on another device does not count"


def test_a_cell_that_outlasts_the_first_is_seen_by_the_next() -> None:
    first, second = device_lock.held(CPU), device_lock.held(CPU)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    with device_lock.held(CPU) as place:
        assert not place.alone()
    second.__exit__(None, None, None)


def test_a_second_cell_on_a_gpu_waits_until_the_first_is_done() -> None:
    waiting, order = threading.Event(), []

    def second() -> None:
        with device_lock.held(FIRST, waiting.set):
            order.append("second")

    thread = threading.Thread(target=second)
    with device_lock.held(FIRST):
        thread.start()
        assert waiting.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_the_lock_of_a_process_that_was_killed_is_free() -> None:
    script = (
        "import os, sys, torch\n"
        "from effbench.machine import device_lock\n"
        "with device_lock.held(torch.device('cpu')) as place:\n"
        "    os._exit(0 if place.alone() else 1)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    with device_lock.held(CPU) as place:
        assert place.alone()
    assert not list((device_lock.lock_folder()).glob("*.here")), "it leaves nothing behind"


def test_without_a_folder_for_locks_a_cell_goes_on_and_says_why(
    own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_folder / "locks").write_text("a file in the way")
    with device_lock.held(CPU) as place:
        assert place.alone() is None, "nobody can tell"
    assert "set EFFBENCH_CACHE" in capsys.readouterr().err


def test_who_holds_a_gpu_for_children_lets_its_own_cells_through_and_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[str] = []
    with device_lock.held_for_children(FIRST):
        with device_lock.held(FIRST, lambda: waited.append("own")):
            pass
        with device_lock.held(FIRST, lambda: waited.append("own again")):
            pass
        with monkeypatch.context() as other:
            other.delenv("EFFBENCH_HELD")  # as a process has it that was started elsewhere

            class Waits(Exception):
                pass

            def refuse() -> None:
                raise Waits

            with pytest.raises(Waits), device_lock.held(FIRST, refuse):
                pass
    assert waited == []
    with device_lock.held(FIRST, lambda: waited.append("afterwards")):
        assert waited == []


def test_cells_on_other_processors_or_gpus_are_neighbours() -> None:
    folder = device_lock.lock_folder()
    first = device_lock.Presence(folder, "cpu", frozenset({0, 1}))
    assert first.neighbours() == 0
    second = device_lock.Presence(folder, "cpu", frozenset({2}))
    gpu = device_lock.Presence(folder, "GPU-1")
    assert (first.alone(), second.alone(), gpu.alone()) == (True, True, True)
    assert (first.neighbours(), second.neighbours(), gpu.neighbours()) == (2, 2, 2)
    third = device_lock.Presence(folder, "cpu", frozenset({1, 3}))
    assert not third.alone()
    assert not first.alone(), "they share a processor"
    assert second.alone()
    for place in (second, gpu, third):
        place.leave()
    assert first.neighbours() == 2, "so many were there at once"
    first.leave()
    assert not list(folder.iterdir())


def test_a_neighbour_that_came_and_went_is_known() -> None:
    folder = device_lock.lock_folder()
    first = device_lock.Presence(folder, "cpu", frozenset({0}))
    device_lock.Presence(folder, "cpu", frozenset({1})).leave()
    assert first.neighbours() == 1
    assert first.alone()
    first.leave()
