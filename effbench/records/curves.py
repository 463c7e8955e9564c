"""Training curves read for many cells at once: only what rows are compared by."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from effbench.analysis.equal_terms import Curve
from effbench.errors import RecordError
from effbench.records.layout import CURVE
from effbench.records.record import Record

_COLUMNS = ("iteration", "train_s", "psnr")


def read(folder: Path, cell: Record) -> Curve | None:
    """Return the curve of a finished cell; None where it has none. Raises RecordError."""
    if cell.status != "ok":
        return None
    path = folder / CURVE
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            lines = csv.reader(stream)
            heading = next(lines, [])
            places = [heading.index(name) for name in _COLUMNS]
            table = [[float(line[place] or "nan") for place in places] for line in lines]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, IndexError) as error:
        raise RecordError(f"{path}: is not a valid table ({error}): run the cell again") from error
    iteration, train_s, psnr = np.array(table, float).reshape(-1, len(_COLUMNS)).T
    return Curve.of(iteration, train_s, psnr, cell.time.get("prepare_s") or 0.0)
