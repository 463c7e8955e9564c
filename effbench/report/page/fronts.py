"""Fronts in figures: hypervolumes, and sizes at equal PSNR."""

from __future__ import annotations

from typing import Any

import pandas as pd

from effbench.analysis.bd_rate import families
from effbench.analysis.figures import FIGURES, axis_label, significant
from effbench.analysis.hypervolume import Volume, of_rows
from effbench.analysis.identity import GROUP, ROW
from effbench.records import tables
from effbench.records.results import Results
from effbench.report.page.summary import Extra

COSTS = ("model_mb", "total_train_s", "render_ms", "peak_mem_mb")
_VOLUME = (
    "What the rows of a scene dominate in the plane of PSNR and the logarithm (base 2) of a cost, "
    "from the reference point: the largest cost and the lowest PSNR among them. To be compared "
    "between results of the same rows only. Interval: bootstrap over seeds, 95 %; empty where a "
    "row has one seed."
)
_RATE = (
    "Bjøntegaard’s delta rate: mean change of the model’s size at equal PSNR, over the PSNR that "
    "both families have (PCHIP over log size); rows that another one of the family beats in both "
    "are left out."
)


def extras(found: Results, board: pd.DataFrame) -> list[Extra]:
    """Return the tables of a report about fronts; none where there is nothing to tell."""
    return [*_volumes(found), *_rates(board)]


def _volumes(found: Results) -> list[Extra]:
    if not found.records:
        return []
    cells = tables.cells(found.records)
    cells = cells[(cells["status"] == "ok") & (cells["role"] == "row")]
    cells = cells.assign(row=cells.groupby([*ROW], dropna=False).ngroup())
    lines = []
    for (suite, scene, budget, device), own in cells.groupby([*GROUP], sort=False):
        for cost in COSTS:
            volume = of_rows(own, cost)
            if volume is not None:
                where = f"{suite}, {scene}, {budget}, {device}"
                lines.append([f"{where}: {axis_label(cost)}", *_volume(volume, cost)])
    headings = ["rows", "seeds", "reference", "dB · log₂", "95 %"]
    return [Extra("Hypervolume of the fronts", _VOLUME, headings, lines)] if lines else []


def _volume(found: Volume, cost: str) -> list[str]:
    at = f"{FIGURES[cost].write(found.cost)} {FIGURES[cost].unit}, {found.quality:.2f} dB"
    bounds = "" if pd.isna(found.low) else f"{found.low:.2f} to {found.high:.2f}"
    return [str(found.rows), str(found.seeds), at, significant(found.volume), bounds]


def _rates(board: pd.DataFrame) -> list[Extra]:
    lines = []
    for (suite, scene, budget, device), rows in board.groupby([*GROUP], sort=False):
        where = f"{suite}, {scene}, {budget}, {device}"
        for rate in families(rows).to_dict("records"):
            lines.append([f"{where}: {_spaced(rate['family'])}", *_rate(rate)])
    headings = ["against", "rows", "size", "over dB", ""]
    return [Extra("Size at equal PSNR (BD-rate)", _RATE, headings, lines)] if lines else []


def _rate(rate: dict[Any, Any]) -> list[str]:
    points = f"{rate['points']}, {rate['points_against']}"
    against = _spaced(rate["against"])
    if rate["why"]:
        return [against, points, "", "", rate["why"]]
    percent = f"{rate['percent']:+.1f} %".replace("-", "−")
    return [against, points, percent, f"{rate['low']:.2f} to {rate['high']:.2f}", ""]


def _spaced(family: str) -> str:
    return family.replace(",", ", ")
