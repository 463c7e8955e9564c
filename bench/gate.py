"""How often the regression gate raises a false alarm, and how often it sees −0.3 dB, on machines
whose speed drifts from run to run.

Checks of synthetic runs. A run has a speed effect of its own, which all its cells share; a cell has
one besides. Under a time budget a slower cell does fewer iterations, and PSNR grows with their
logarithm, in every row by its own slope. Both sides are from the same distribution but for the row
that is made worse. Every check has the figures that a real one has: PSNR, iteration times relative
to the reference row's, those of the reference itself, and memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from effbench.analysis.statistics import summarise
from effbench.report.gate import equal_iterations, tolerances
from effbench.report.gate.equal_iterations import SLOPE
from effbench.report.gate.lines import Line
from effbench.report.gate.options import Options
from effbench.report.gate.verdict import judge

Quality = Literal["iteration budgets", "equal iterations", "as measured", "to the reference"]
QUALITIES: tuple[Quality, ...] = (
    *("iteration budgets", "equal iterations", "as measured", "to the reference"),
)
LOSS_DB = 0.3
DRIFTS = (0.0, 0.03, 0.05, 0.10)
PSNR_STD = 0.10  # dB over seeds, of iteration budgets
CELL_SPEED = 0.03  # standard deviation of the logarithm of a cell's own speed
STEP_SPEED = 0.03  # and of the median iteration time beside that
MEMORY = 0.02
SLOPES = (0.5, 2.5)  # dB by which PSNR grows while iterations grow e-fold, over rows
SLOPE_ERROR = 0.3  # relative, of a row's slope as its curves tell it: one error for all its cells


@dataclass(frozen=True)
class Setting:
    """quality: how PSNR is compared; seeds, rows: of the check, the first row is the reference;
    drift: standard deviation of the logarithm of a run's speed."""

    quality: Quality
    seeds: int
    rows: int
    drift: float


_CHOSEN = QUALITIES[:2]  # by the others, on three rows of five seeds alone
SETTINGS = [
    Setting(quality, seeds, rows, drift)
    for quality in QUALITIES
    for rows in (3, 10)
    for seeds in (3, 5)
    for drift in DRIFTS
    if quality in _CHOSEN or (rows, seeds) == (3, 5)
]


def coverage(samples: int) -> list[dict[str, float]]:
    """Return, for some numbers of seeds, how often 95 % intervals hold the mean of a normal
    distribution: `student`."""
    rng = np.random.default_rng(0)
    rows = []
    for n in (3, 5, 10, 20):
        values = rng.standard_normal((samples, n))
        t = [summarise(list(sample)) for sample in values]
        student = np.mean([s.low <= 0 <= s.high for s in t])
        rows.append({"n": n, "student": float(student)})
    return rows


def measure(setting: Setting, checks: int) -> dict[str, Any]:
    """Return a setting with `false_alarm`, the share of checks of identical runs that fail;
    `power`, the share of runs with one row 0.3 dB worse in which that row is found; `power_all`,
    the share of runs with all rows 0.3 dB worse that fail. 1/4 as many checks for the latter."""
    rng = np.random.default_rng(0)
    some = max(1, checks // 4)
    identical = [_failed(_check(rng, setting, ())) for _ in range(checks)]
    worse = setting.rows - 1  # the reference has no rival to be found by
    one = [worse in _failed(_check(rng, setting, (worse,))) for _ in range(some)]
    every = [bool(_failed(_check(rng, setting, range(setting.rows)))) for _ in range(some)]
    return {
        **vars(setting),
        "false_alarm": float(np.mean([bool(rows) for rows in identical])),
        "power": float(np.mean(one)),
        "power_all": float(np.mean(every)),
    }


def _check(rng: np.random.Generator, setting: Setting, worse: Any) -> list[Line]:
    """Return the judged lines of one check whose rows `worse` lost LOSS_DB."""
    allowed = tolerances.tolerances(())
    slopes = rng.uniform(*SLOPES, setting.rows)
    told = slopes * np.maximum(0, 1 + SLOPE_ERROR * rng.standard_normal(setting.rows))
    old, new = (_run(rng, setting, slopes, told) for _ in range(2))
    lines = []
    for row in range(setting.rows):
        new[row]["psnr"] -= LOSS_DB * (row in worse)
    for row in range(setting.rows):
        lines.append(_quality(setting, (old, new), row, allowed["psnr"]))
        for name in ("iter_ms", "peak_mem_mb"):
            was, now = (side[row][name].to_numpy() for side in (old, new))
            tolerance = allowed[name]
            if name == "iter_ms":
                tolerance = tolerance if row else allowed[tolerances.DRIFT]
                if row:
                    was, now = was / old[0][name].to_numpy(), now / new[0][name].to_numpy()
            lines.append(Line((str(row),), name, tolerance=tolerance, old=was, new=now))
    judge(lines, Options(allowed))
    return lines


def _quality(
    setting: Setting, sides: tuple[list[pd.DataFrame], list[pd.DataFrame]], row: int, allowed: float
) -> Line:
    """Return the line of a row's PSNR as the setting compares it."""
    old, new = (side[row] for side in sides)
    was, now = old["psnr"], new["psnr"]
    tolerance = allowed
    if setting.quality == "equal iterations":
        was, now = equal_iterations.correct(old, new)
        change = (now.mean() - was.mean()) - (new["psnr"].mean() - old["psnr"].mean())
        tolerance = math.hypot(allowed, equal_iterations.DOUBT * float(change))
    elif setting.quality == "to the reference" and row:
        was, now = was - sides[0][0]["psnr"], now - sides[1][0]["psnr"]
    key = (str(row),)
    return Line(key, "psnr", tolerance=tolerance, old=was.to_numpy(), new=now.to_numpy())


def _run(
    rng: np.random.Generator, setting: Setting, slopes: np.ndarray, told: np.ndarray
) -> list[pd.DataFrame]:
    """Return the cells of each row of one run: psnr, iterations, SLOPE, iter_ms, peak_mem_mb."""
    shape = (setting.rows, setting.seeds)
    slower = setting.drift * rng.standard_normal() + CELL_SPEED * rng.standard_normal(shape)
    psnr = 30 + PSNR_STD * rng.standard_normal(shape)
    if setting.quality != "iteration budgets":
        psnr -= slopes[:, None] * slower
    step = 10 * np.exp(slower + STEP_SPEED * rng.standard_normal(shape))
    memory = 500 * np.exp(MEMORY * rng.standard_normal(shape))
    return [
        pd.DataFrame(
            {
                "psnr": psnr[row],
                "iterations": 3000 * np.exp(-slower[row]),
                SLOPE: told[row],
                "iter_ms": step[row],
                "peak_mem_mb": memory[row],
            }
        )
        for row in range(setting.rows)
    ]


def _failed(lines: list[Line]) -> set[int]:
    """Return the rows that regressed."""
    return {int(line.key[0]) for line in lines if line.verdict == "regressed"}
