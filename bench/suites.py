"""How often a suite calls a method different from itself, and how often it finds 0.5 dB.

Synthetic suites of one scene: a baseline, the same method under another name (the twin), one that
is 0.5 dB better, and others that differ by more. Rows of a repetition have its seed, and half of
the variance, in common. They are tested as leaderboards mark rows and as `effbench compare` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from effbench.analysis import seeds_needed
from effbench.analysis.against_baseline import TESTED, against
from effbench.analysis.rows_compared import compare

GAIN_DB = 0.5
PSNR_STD = 0.15  # dB over seeds
SHARED = 0.5  # part of that variance which the rows of a repetition have in common
SPREADS = {"iter_ms_mean": 0.05, "peak_mem_mb": 0.02, "render_ms": 0.05}  # of logarithms
_COMMON = {
    "suite": "synthetic",
    "scene": "a/b",
    "manifest": "m",
    "eval_views": "8",
    "budget": "60s",
    "device": "CPU",
    "threads": "2",
    "status": "ok",
    "variant": "",
    "settings": "{}",
    "code": "c",
    "backend": "cpu",
    "precision": "fp32",
}
_GAINS = {"base": 0.0, "twin": 0.0, "better": GAIN_DB, "worse": -0.8, "worst": -2.0}


@dataclass(frozen=True)
class Found:
    """Shares of suites: the twin marked in PSNR, or called different by any figure of a comparison
    after Holm; the better row found, by a mark and alone (before Holm); expected: the power that
    `effbench power` states for that."""

    seeds: int
    twin_marked: float
    twin_compared: float
    better_marked: float
    better_alone: float
    expected: float


def measure(seeds: int, suites: int) -> Found:
    """Return what `suites` suites of `seeds` repetitions say."""
    rng = np.random.default_rng(seeds)
    marked, compared, better, alone = 0, 0, 0, 0
    for _ in range(suites):
        cells = suite(rng, seeds)
        row = cells.groupby("method", sort=False).ngroup()
        found = against(cells, row, "base")["psnr_p"].astype(float)
        p = dict(zip(_GAINS, found, strict=True))
        marked += p["twin"] < 0.05
        better += p["better"] < 0.05
        twin = compare(cells, "twin", "base", ["psnr", *SPREADS]).rows
        compared += bool((twin["p_holm"] < 0.05).any())
        alone += bool((compare(cells, "better", "base", ["psnr"]).rows["p"] < 0.05).all())
    std = PSNR_STD * (2 * (1 - SHARED)) ** 0.5
    spread = seeds_needed.Spread("paired", std, seeds - 1, 1.0)
    expected = seeds_needed.power_of(spread, GAIN_DB, seeds)
    return Found(
        seeds, marked / suites, compared / suites, better / suites, alone / suites, expected
    )


def suite(rng: np.random.Generator, seeds: int) -> pd.DataFrame:
    """Return the cells of one suite, as `tables.cells` has them."""
    common = rng.standard_normal(seeds) * (SHARED**0.5 * PSNR_STD)
    parts = []
    for method, gain in _GAINS.items():
        own = rng.standard_normal(seeds) * ((1 - SHARED) ** 0.5 * PSNR_STD)
        figures: dict[str, Any] = dict.fromkeys(TESTED, np.nan) | {"psnr": 27 + gain + common + own}
        for name, spread in SPREADS.items():
            figures[name] = 10 * np.exp(spread * rng.standard_normal(seeds))
        names = {"method": method, "label": method}
        numbers = {"repetition": range(seeds), "seed": range(seeds)}
        parts.append(pd.DataFrame({**_COMMON, **names, **numbers, **figures}))
    return pd.concat(parts, ignore_index=True)
