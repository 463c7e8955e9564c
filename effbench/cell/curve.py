"""curve.csv: how training went, a line per point."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from effbench.cell.csv_log import GrowingTable
from effbench.cell.loop import Point


class Curve:
    """A file of points, whole after every one.

    Columns: fraction (of the budget), train_s, iteration, loss, psnr (dB, over the few views of
    the curve; empty if there are none), then the method's diagnostics. kept: up to which fraction
    an earlier file's points are kept (None: none are).
    """

    def __init__(self, path: Path, kept: float | None = None) -> None:
        self._table = GrowingTable(path, kept)

    def add(self, point: Point, psnr: float, diagnostics: Mapping[str, float]) -> None:
        """Add a point and write the file. Raises EffbenchError when it cannot be written."""
        row = {
            "fraction": point.fraction,
            "train_s": round(point.train_s, 6),
            "iteration": point.iteration,
            "loss": point.loss,
            "psnr": psnr,
        }
        self._table.add([{**row, **diagnostics}])
