"""How often the regression gate raises a false alarm, and how often it sees −0.3 dB.

Checks of synthetic runs: rows of normally distributed seeds, both sides from the same distribution
but for the row that is made worse. Every check has three noisy figures, as a real one has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from effbench.analysis.significance import Array, Test
from effbench.analysis.statistics import summarise
from effbench.report.gate import tolerances
from effbench.report.gate.lines import Line
from effbench.report.gate.options import Options
from effbench.report.gate.verdict import judge

LOSS_DB = 0.3
MEANS = {"psnr": 30.0, "iter_ms": 1.0, "peak_mem_mb": 500.0}
SPREADS = {"iter_ms": 0.05, "peak_mem_mb": 0.02}  # standard deviations of the logarithm


@dataclass(frozen=True)
class Setting:
    """rows: of the check; psnr_std: dB over seeds, in the middle of the rows; differ: standard
    deviation, over rows, of the logarithm of that (0: all rows vary alike)."""

    test: Test
    seeds: int
    rows: int
    psnr_std: float
    differ: float


SETTINGS = [
    Setting(test, seeds, rows, psnr_std, differ)
    for test in ("moderated", "welch")
    for psnr_std, differ in ((0.12, 0.0), (0.15, 0.5))
    for rows in (1, 3, 10)
    for seeds in (3, 5)
]


def measure(checks: int) -> list[dict[str, Any]]:
    """Return a row per setting: `false_alarm`, the share of checks of identical runs that fail;
    `power`, the share of runs with one row 0.3 dB worse in which that row is found; `power_all`,
    the share of runs with all rows 0.3 dB worse that fail. 1/4 as many checks for the latter."""
    return [_measure(setting, checks) for setting in SETTINGS]


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


def _measure(setting: Setting, checks: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    some = max(1, checks // 4)
    identical = [_failed(_check(rng, setting, 0)) for _ in range(checks)]
    one = [bool(_failed(_check(rng, setting, 1)) & {0}) for _ in range(some)]
    every = [bool(_failed(_check(rng, setting, setting.rows))) for _ in range(some)]
    return {
        **vars(setting),
        "false_alarm": float(np.mean([bool(rows) for rows in identical])),
        "power": float(np.mean(one)),
        "power_all": float(np.mean(every)),
    }


def _check(rng: np.random.Generator, setting: Setting, worse: int) -> list[Line]:
    """Return the judged lines of one check whose first `worse` rows lost LOSS_DB."""
    allowed = tolerances.tolerances(())
    scale = np.exp(setting.differ * rng.standard_normal(setting.rows))
    lines = []
    for figure, mean in MEANS.items():
        for row in range(setting.rows):
            old, new = (_seeds(rng, figure, mean, scale[row], setting) for _ in range(2))
            if figure == "psnr" and row < worse:
                new = new - LOSS_DB
            lines.append(Line((str(row),), figure, tolerance=allowed[figure], old=old, new=new))
    judge(lines, Options(allowed, test=setting.test))
    return lines


def _seeds(
    rng: np.random.Generator, figure: str, mean: float, scale: float, setting: Setting
) -> Array:
    noise = rng.standard_normal(setting.seeds) * scale
    if figure == "psnr":
        return np.asarray(mean + setting.psnr_std * noise)
    return np.asarray(mean * np.exp(SPREADS[figure] * noise))


def _failed(lines: list[Line]) -> set[int]:
    """Return the rows that regressed."""
    return {int(line.key[0]) for line in lines if line.verdict == "regressed"}
