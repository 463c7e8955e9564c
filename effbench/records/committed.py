"""What tables say where the records that they were made of were not kept: leaderboards and curves.

A leaderboard has means over repetitions; curves have each repetition's time, iterations and PSNR
over training, but not its final PSNR nor its memory. What is not there stays unknown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from effbench.analysis import identity
from effbench.records import tables

_BOARD = "suite,method,variant,scene,n,"  # how a leaderboard begins
_CURVES = "suite,method,variant,scene,repetition,seed,"
_UNKNOWN = ("manifest", "eval_views", "threads")  # of CONDITIONS; older tables do not say
_NOT_KEPT = ("psnr", "saved_mb", "steady_mem_mb")


def leaderboard(folders: Iterable[str | Path]) -> pd.DataFrame:
    """Return the leaderboards below `folders` in one table, whatever their files are called; empty
    for none. `role` is "row" where a table is too old to say. Raises RecordError."""
    frames = [tables.read_csv(path) for path in _files(folders, _BOARD)]
    if not frames:
        return pd.DataFrame()
    found = pd.concat(frames, ignore_index=True)
    if "iter_ms_mean" not in found:
        found["iter_ms_mean"] = np.nan
    mean = 1e3 * found["train_s"] / found["iterations"].where(found["iterations"] > 0)
    found["iter_ms_mean"] = found["iter_ms_mean"].fillna(mean)
    return found.assign(variant=found["variant"].fillna(""), device=found["device"].fillna(""))


def comparable(folders: Iterable[str | Path]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return cells and curves as `results.comparable` does, of the tables of curves below
    `folders`: mean iteration times, and what follows from curves. Raises RecordError."""
    cells, curves = [], []
    for path in _files(folders, _CURVES):
        frame = tables.read_csv(path).assign(variant=lambda f: f["variant"].fillna(""))
        keys = [*identity.CELL, "budget", "device"]
        for values, points in frame.groupby(keys, sort=False):
            about = dict(zip(keys, values, strict=True))
            name = f"{path}:{' '.join(map(str, values))}"
            cells.append({**about, **_cell(about, points), "cell": name})
            curves.append(points[["train_s", "psnr"]].assign(cell=name))
    if not cells:
        return pd.DataFrame(), pd.DataFrame(columns=["cell", "train_s", "psnr"])
    return pd.DataFrame(cells), pd.concat(curves, ignore_index=True)


def _cell(about: dict[str, Any], points: pd.DataFrame) -> dict[str, Any]:
    last = points.sort_values("train_s").iloc[-1]
    settings = (x.partition("=") for x in str(about["variant"]).split(",") if x)
    params = {key: _value(value) for key, _, value in settings}
    return {
        "status": "ok",
        "settings": json.dumps(params),
        "iter_ms_mean": 1e3 * float(last["train_s"]) / float(last["iteration"]),
        **dict.fromkeys(_UNKNOWN, ""),
        **dict.fromkeys(_NOT_KEPT, float("nan")),
    }


def _value(text: str) -> Any:
    """Return a setting's value as JSON has it, a word as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _files(folders: Iterable[str | Path], start: str) -> list[Path]:
    """Return the CSV files below `folders` whose first line begins so."""
    found = [path for folder in folders for path in sorted(Path(folder).rglob("*.csv"))]
    return [path for path in dict.fromkeys(found) if _first_line(path).startswith(start)]


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as stream:
        return stream.readline()
