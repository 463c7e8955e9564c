"""A short run of the fuzzer, and that it finds what it is for."""

from __future__ import annotations

import os
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from effbench.errors import SceneError
from effbench.planning.registry import discover
from tests.fuzz import worker
from tests.fuzz.__main__ import table
from tests.fuzz.mutations import Files, Trap, lay, made
from tests.fuzz.pool import Pool
from tests.fuzz.scenes import READERS


def test_damaged_scenes_end_in_a_scene_or_in_a_clear_error() -> None:
    with Pool(2, seed=1, limit=60.0) as pool:
        ends = dict(pool.outcomes(range(20 * len(READERS))))
    bad = {index: end for index, end in ends.items() if end[0] not in ("scene", "refused")}
    assert not bad, f"lay one out with: python -m tests.fuzz --seed 1 --inputs 1 --first {min(bad)}"
    assert set(ends) == set(range(20 * len(READERS)))
    refusals = [message for end, message in ends.values() if end == "refused"]
    assert len(refusals) > len(ends) / 3, "damage is found"
    assert all("To fix it, " in message for message in refusals)


@pytest.mark.parametrize("reader", READERS)
def test_what_is_damaged_was_a_valid_scene(reader: str, tmp_path: Path) -> None:
    end, _ = worker.attempt(discover([]), dict(READERS[reader]()), reader, tmp_path)
    assert end == "scene"
    assert not list(tmp_path.iterdir()), "files are removed"


def test_an_input_is_the_same_each_time_and_no_other() -> None:
    made_twice = [made("blender", 3, 7), made("blender", 3, 7)]
    assert made_twice[0] == made_twice[1]
    assert made_twice[0] != made("blender", 3, 8)
    assert made_twice[0] != made("blender", 4, 7)


def test_traps_are_laid(tmp_path: Path) -> None:
    traps: Files = {
        "a/link": Trap("link", "../b"),
        "a/folder": Trap("folder"),
        "a/pipe": Trap("pipe"),
        "b": Trap("sparse", size=1 << 40),
        "a/\udcff.png": b"x",
    }
    lay(traps, tmp_path)
    assert (tmp_path / "a/link").resolve() == tmp_path / "b"
    assert (tmp_path / "a/folder").is_dir()
    assert (tmp_path / "a/pipe").is_fifo()
    assert (tmp_path / "b").stat().st_size == 1 << 40
    assert (tmp_path / "a/\udcff.png").read_bytes() == b"x"


def serve(connection: Connection, _seed: int, _root: Path) -> None:
    """Answer as readers with faults would: 1 hangs, 2 dies, 3 raises."""
    connection.send(None)
    while (index := connection.recv()) is not None:
        if index == 1:
            time.sleep(60)
        if index == 2:
            os._exit(9)
        connection.send(("KeyError", "'w'") if index == 3 else ("scene", "digest"))


def test_a_hang_and_a_death_are_found_and_the_others_go_on() -> None:
    with Pool(2, seed=0, limit=1.0, serve=serve) as pool:
        ends = dict(pool.outcomes(range(6)))
    assert {index: end for index, (end, _) in ends.items()} == {
        **dict.fromkeys((0, 4, 5), "scene"),
        1: "hang",
        2: "died",
        3: "KeyError",
    }
    assert "9" in ends[2][1]


def test_memory_and_other_exceptions_are_findings() -> None:
    def hungry() -> str:
        raise MemoryError

    def refused() -> str:
        raise SceneError("a: cut. To fix it, b")

    assert worker._ended(hungry)[0] == "MemoryError"
    assert worker._ended(refused) == ("refused", "a: cut. To fix it, b")


def test_the_table_counts_ends_per_reader() -> None:
    text = table(Counter({("blender", "scene"): 1200, ("llff", "hang"): 2}))
    header, *lines = text.splitlines()
    assert header.split() == ["reader", "inputs", "scene", "refused", "hang"]
    assert lines[0].split() == ["blender", "1,200", "1,200", "0", "0"]
    assert lines[4].split() == ["llff", "2", "0", "0", "2"]
