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

from jsonschema import Draft202012Validator

from effbench.records import bulk, record, tables
from effbench.records.record import Record
from effbench.records.schema_check import compile_schema

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
        _timed(seconds, "find alone", lambda: bulk.cell_folders([folder], record.FILE))
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


def tricks(count: int) -> dict[str, tuple[float, float]]:
    """Return the seconds that each part of `records.bulk` spares: plain code's, then its own."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), count)
        paths = [f"{cell}/{record.FILE}" for cell in bulk.cell_folders([folder], record.FILE)]
        data = [bulk.read_json(path) for path in paths]
        cells = [bulk.made(Record, each) for each in data]
        schema = json.loads(record.SCHEMA_PATH.read_text(encoding="utf-8"))
        plain, compiled = Draft202012Validator(schema), compile_schema(schema)
        some = max(1, count // 40)  # the plain check would take minutes
        settings = bulk.Settings()

        def quietly() -> object:
            with bulk.no_garbage_collection():
                return dict(record.stream([folder]))

        return {
            "find": (
                _best(lambda: sorted(Path(folder).rglob(f"cells/*/{record.FILE}"))),
                _best(lambda: bulk.cell_folders([folder], record.FILE)),
            ),
            "read": (
                _best(lambda: [json.loads(Path(p).read_text(encoding="utf-8")) for p in paths]),
                _best(lambda: [bulk.read_json(p) for p in paths]),
            ),
            "schema": (
                count / some * _best(lambda: [plain.is_valid(each) for each in data[:some]]),
                _best(lambda: [compiled(each) for each in data]),
            ),
            "make": (
                _best(lambda: [Record(**each) for each in data]),
                _best(lambda: [bulk.made(Record, each) for each in data]),
            ),
            "all of it": (_best(lambda: dict(record.stream([folder]))), _best(quietly)),
            "parameters": (
                _best(lambda: [json.dumps(cell.params, sort_keys=True) for cell in cells]),
                _best(lambda: [settings.text(cell.params) for cell in cells]),
            ),
        }


def _best(run: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)


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
