"""curve.csv: how training went, a line per point."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from effbench import files
from effbench.train import Point


class Curve:
    """A file of points, whole after every one: a reader never sees half a line.

    Columns: fraction (of the budget), train_s, iteration, loss, psnr (dB, over the few views of
    the curve; empty if there are none), then the method's diagnostics.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[Mapping[str, Any]] = []

    def add(self, point: Point, psnr: float, diagnostics: Mapping[str, float]) -> None:
        """Add a point and write the file. Raises EffbenchError when it cannot be written."""
        row = {
            "fraction": point.fraction,
            "train_s": round(point.train_s, 6),
            "iteration": point.iteration,
            "loss": point.loss,
            "psnr": psnr if math.isfinite(psnr) else "",
        }
        self._rows.append({**row, **diagnostics})
        columns = dict.fromkeys(key for row in self._rows for key in row)
        stream = io.StringIO()
        writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        files.write_text(self._path, stream.getvalue())
