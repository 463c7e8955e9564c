"""How long a leaderboard of very many records takes, and where the time goes."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from effbench.records import record, tables
from effbench.records.record import Record

VIEWS = 8  # per record: a real one has a line for each of its test views
SEEDS = 5
T = TypeVar("T")


def measure(count: int) -> dict[str, float]:
    """Return the seconds that each stage takes for `count` synthetic records; also their bytes.

    The records were just written, so that they are read from memory, not from the disk.
    """
    with tempfile.TemporaryDirectory() as folder:
        size = write(Path(folder), count)
        seconds: dict[str, float] = {}
        _timed(seconds, "find alone", lambda: record._find([folder]))
        _timed(seconds, "find and read alone", lambda: deque(record.stream([folder]), maxlen=0))
        found = record.stream([folder])
        board = _timed(
            seconds, "find, read, leaderboard", lambda: tables.leaderboard(r for _, r in found)
        )
        assert board["n"].sum() == count - count // 50
        _timed(seconds, "CSV", lambda: tables.to_csv(board))
        _timed(seconds, "Markdown", lambda: tables.to_markdown(board))
    total = seconds["find, read, leaderboard"] + seconds["CSV"]
    return {**seconds, "total to CSV": total, "rows": len(board), "bytes": size}


def write(folder: Path, count: int) -> int:
    """Write `count` records of SEEDS seeds per row; return their bytes. Files are written without
    effbench's care for a crash in between, which would take minutes."""
    size = 0
    for number in range(count):
        text = json.dumps(synthetic(number), indent=1)
        cell = os.path.join(folder, "cells", f"cell-{number}")  # noqa: PTH118
        os.makedirs(cell)  # noqa: PTH103
        with open(os.path.join(cell, record.FILE), "w", encoding="utf-8") as stream:  # noqa: PTH118, PTH123
            stream.write(text)
        size += len(text)
    return size


def synthetic(number: int) -> dict[str, Any]:
    """Return a record as an Instant-NGP cell leaves one; 1 of 50 failed."""
    row, seed = divmod(number, SEEDS)
    method, scene = divmod(row, 20)
    psnr = 20 + (number * 7919 % 1000) / 100
    views = [{"name": f"r_{i}", "psnr": psnr, "ssim": 0.9, "flip": 0.1} for i in range(VIEWS)]
    values = dict.fromkeys([f"option_{i}" for i in range(20)], 0.5) | {"width": method}
    failed = number % 50 == 49
    done: dict[str, Any] = {
        "quality": {"psnr": psnr, "ssim": 0.9, "flip": 0.1, "eval_views": VIEWS, "per_view": views},
        "time": {"train_s": 60.0, "setup_s": 3.2, "iterations": 2000, "iter_ms": 30.1},
        "memory": {"peak_mem_mb": 560.1, "saved_mb": 17.9, "phases": {"steady": 560.1}},
        "size": {"params": 1549856, "nonzero": 1549856, "model_mb": 6.23, "model_zst_mb": 5.73},
    }
    lost: dict[str, Any] = {"status": "diverged", "reason": "the loss is nan"}
    return record.to_dict(
        Record(
            cell_id=f"cell-{number}",
            suite="synthetic",
            method="instant-ngp",
            variant=f"width={method}",
            scene={"key": f"scene-{scene}", "name": f"synthetic/{scene}", "manifest": "0" * 64},
            budget="60s",
            seed=seed,
            repetition=seed,
            params=values,
            device="some CPU",
            backend="cpu",
            provenance={
                **{"effbench": "0.1", "commit": "0" * 40, "python": "3.11.7", "threads": 2},
                "packages": {"torch": "2.13.0", "numba": "0.62.1", "numpy": "2.3.4"},
                "started": f"2026-01-01T00:{row % 60:02d}:00+00:00",
            },
            **(lost if failed else done),
        )
    )


def _timed(seconds: dict[str, float], name: str, run: Callable[[], T]) -> T:
    started = time.perf_counter()
    result = run()
    seconds[name] = time.perf_counter() - started
    return result
