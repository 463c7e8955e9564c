"""How often the regression gate raises a false alarm, and what it sees, on machines whose speed
drifts from run to run.

Many checks of synthetic runs at once, judged by the gate's own tests, shares and tolerances
(tests/bench/test_gate.py holds them against `judge`). A run has a speed effect of its own, which
all its cells share, the reference's too; every cell has one besides. Under a time budget a slower
cell does fewer iterations, and PSNR grows with their logarithm, in every row by its own slope.
Both sides are drawn alike but for what is made worse. Where the figures come from is in
docs/regression.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from effbench.analysis import significance
from effbench.analysis.significance import Array, Samples
from effbench.analysis.statistics import summarise
from effbench.report.gate import equal_iterations, power, tolerances
from effbench.report.gate.lines import tested
from effbench.report.gate.options import ALPHA
from effbench.report.gate.testing import shares

Quality = Literal[
    "iteration budgets",
    "equal iterations",
    "equal, no doubt",
    "regressed on speed",
    "to the reference",
    "as measured",
]
CHOSEN: tuple[Quality, ...] = ("iteration budgets", "equal iterations")
OTHERS: tuple[Quality, ...] = (
    *("equal, no doubt", "regressed on speed", "to the reference", "as measured"),
)
LOSS_DB = 0.3
SLOWER = 1.2  # a row's iterations are this many times longer
DRIFTS = (0.0, 0.03, 0.05, 0.10)
PSNR_STD = 0.10  # dB over seeds, of iteration budgets
NOISIER_STD = 0.12
CELL_SPEED = 0.05  # standard deviation of the logarithm of a cell's own speed
STEP_SPEED = 0.03  # and of the median iteration time beside that
MEMORY = 0.02
SLOPES = (0.5, 3.0)  # dB by which PSNR grows while iterations grow e-fold, over rows
SLOPE_ERROR = 0.3  # relative, of a row's slope as its curves tell it: one error for all its cells
FIGURES = ("psnr", "iter_ms", "peak_mem_mb")
_BATCH = 500  # checks at once


@dataclass(frozen=True)
class Setting:
    """quality: how PSNR is compared; seeds, rows: of the check, the first row is the reference;
    drift: standard deviation of the logarithm of a run's speed; psnr_std: dB over seeds."""

    quality: Quality
    seeds: int
    rows: int
    drift: float
    psnr_std: float = PSNR_STD


@dataclass(frozen=True)
class Side:
    """One side of many checks, each [checks, rows, seeds]: psnr (dB), speed (logarithm of the
    iterations), iter_ms, peak_mem_mb."""

    psnr: Array
    speed: Array
    iter_ms: Array
    peak_mem_mb: Array


SETTINGS = [
    Setting(quality, seeds, rows, drift)
    for quality in (*CHOSEN, *OTHERS)
    for rows in (3, 10)
    for seeds in (3, 5)
    for drift in DRIFTS
] + [
    Setting(quality, seeds, rows, 0.05, NOISIER_STD)
    for quality in CHOSEN
    for rows in (3, 10)
    for seeds in (3, 5, 8)
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
    """Return a setting with shares of checks: `false_alarm`, of identical runs that fail for any
    figure; `power`, of runs with one row 0.3 dB worse in which its PSNR is found; `power_all`, of
    runs with all rows 0.3 dB worse in which any is; `slower`, of runs with one row's iterations
    20 % longer in which its time is found."""
    row = setting.rows - 1  # not the reference, by which others are judged
    worse = np.zeros((4, setting.rows))
    worse[1, row] = worse[2] = LOSS_DB
    longer = np.zeros((4, setting.rows))
    longer[3, row] = math.log(SLOWER)
    found: list[dict[str, np.ndarray]] = []
    for case in range(4):
        rng = np.random.default_rng(case)
        sizes = [min(_BATCH, checks - start) for start in range(0, checks, _BATCH)]
        parts = [check(rng, setting, size, worse[case], longer[case]) for size in sizes]
        found.append({name: np.concatenate([p[name] for p in parts]) for name in FIGURES})
    alarm = np.any([found[0][name].any(axis=1) for name in FIGURES], axis=0)
    return {
        **vars(setting),
        "false_alarm": float(alarm.mean()),
        "power": float(found[1]["psnr"][:, row].mean()),
        "power_all": float(found[2]["psnr"].any(axis=1).mean()),
        "slower": float(found[3]["iter_ms"][:, row].mean()),
    }


def suffices(row: Mapping[str, Any]) -> bool:
    """Return whether a measured setting is one to rely on."""
    found = row["power"] >= power.WANTED_IN_ONE and row["power_all"] >= power.WANTED_IN_ALL
    return bool(found and row["false_alarm"] <= ALPHA)


def check(
    rng: np.random.Generator, setting: Setting, checks: int, worse: Array, longer: Array
) -> dict[str, np.ndarray]:
    """Return by figure which rows of which checks regress, [checks, rows].

    worse: what the candidate's rows lost, dB, [rows]; longer: the logarithm by which their
    iterations became longer, [rows].
    """
    slopes = rng.uniform(*SLOPES, (checks, setting.rows))
    error = SLOPE_ERROR * rng.standard_normal((checks, setting.rows))
    told = np.maximum(0, slopes * (1 + error))
    sides = draw(rng, setting, slopes), draw(rng, setting, slopes, worse, longer)
    return judge(setting, sides, told)


def draw(
    rng: np.random.Generator,
    setting: Setting,
    slopes: Array,
    worse: Array | float = 0.0,
    longer: Array | float = 0.0,
) -> Side:
    """Return one side of as many checks as there are slopes [checks, rows]; see `check`."""
    shape = (*slopes.shape, setting.seeds)
    slower = setting.drift * rng.standard_normal((len(slopes), 1, 1))
    slower = slower + CELL_SPEED * rng.standard_normal(shape)
    slower += np.broadcast_to(longer, setting.rows)[:, None]
    psnr = 30 + setting.psnr_std * rng.standard_normal(shape)
    psnr -= np.broadcast_to(worse, setting.rows)[:, None]
    if setting.quality != "iteration budgets":
        psnr -= slopes[..., None] * slower
    step = 10 * np.exp(slower + STEP_SPEED * rng.standard_normal(shape))
    return Side(psnr, -slower, step, 500 * np.exp(MEMORY * rng.standard_normal(shape)))


def judge(setting: Setting, sides: tuple[Side, Side], told: Array) -> dict[str, np.ndarray]:
    """Return by figure which rows regress, [checks, rows]. told: slopes of the curves, dB."""
    allowed = tolerances.tolerances(())
    part = shares(FIGURES)
    if setting.quality == "as measured":  # all of it as it was: figures shared the level equally
        part = dict.fromkeys(FIGURES, 1 / len(FIGURES))
    was, now, doubt = _quality(setting.quality, sides, told)
    old, new = sides
    memory = old.peak_mem_mb, new.peak_mem_mb
    drift, rest = allowed[tolerances.DRIFT], [allowed["iter_ms"]] * (setting.rows - 1)
    return {
        "psnr": _worse("psnr", (was, now), [allowed["psnr"]], part, doubt),
        "iter_ms": _worse("iter_ms", (_relative(old), _relative(new)), [drift, *rest], part),
        "peak_mem_mb": _worse("peak_mem_mb", memory, [allowed["peak_mem_mb"]], part),
    }


def _relative(side: Side) -> Array:
    """Return iteration times as ratios to the first row's, its own in ms."""
    ratios = side.iter_ms / side.iter_ms[:, :1]
    return np.concatenate([side.iter_ms[:, :1], ratios[:, 1:]], axis=1)


def _quality(quality: Quality, sides: tuple[Side, Side], told: Array) -> tuple[Array, Array, Array]:
    """Return both sides' PSNR as it is compared, [checks, rows, seeds], and the standard error of
    what it was corrected by, [checks, rows]."""
    old, new = sides
    none = np.zeros(told.shape)
    common = old.speed.mean(axis=2, keepdims=True)
    less = new.speed.mean(axis=2) - common[..., 0]
    if quality in ("equal iterations", "equal, no doubt"):
        was, now = (s.psnr - told[..., None] * (s.speed - common) for s in sides)
        doubt = equal_iterations.doubt(told, less) if quality == "equal iterations" else none
        return was, now, doubt
    if quality == "regressed on speed":
        slope, error = _regressed(sides)
        was, now = (s.psnr - slope[..., None] * (s.speed - common) for s in sides)
        return was, now, error * np.abs(less)
    if quality == "to the reference":
        was, now = (
            np.concatenate([s.psnr[:, :1], s.psnr[:, 1:] - s.psnr[:, :1]], axis=1) for s in sides
        )
        return was, now, none
    return old.psnr, new.psnr, none


def _regressed(sides: tuple[Side, Side]) -> tuple[Array, Array]:
    """Return the slope of PSNR over the logarithm of iterations within the sides' cells, and its
    standard error, each [checks, rows]."""
    x, y = (
        np.concatenate([v - v.mean(axis=2, keepdims=True) for v in values], axis=2)
        for values in ([s.speed for s in sides], [s.psnr for s in sides])
    )
    squares = (x**2).sum(axis=2)
    slope = (x * y).sum(axis=2) / squares
    rest = ((y - slope[..., None] * x) ** 2).sum(axis=2) / (x.shape[2] - 3)
    return slope, np.sqrt(rest / squares)


def _worse(
    figure: str,
    sides: tuple[Array, Array],
    allowed: Sequence[float],
    part: dict[str, float],
    doubt: Array | float = 0.0,
) -> np.ndarray:
    """Return which rows are worse beyond noise and tolerance, [checks, rows]."""
    old, new = (_samples(tested(figure, side, 1)) for side in sides)
    p = significance.holm(significance.moderated(old, new, np.asarray(doubt, float)))
    limit = np.asarray(allowed, float)
    loss = old.mean - new.mean
    if figure != "psnr":
        loss = np.exp(loss) - 1
    return np.asarray((np.minimum(p / part[figure], 1) <= ALPHA) & (loss > limit))


def _samples(values: Array) -> Samples:
    """Return the samples of [checks, rows, seeds]."""
    n = np.full(values.shape[1], float(values.shape[2]))
    return Samples(n, values.mean(axis=2), values.var(axis=2, ddof=1))
