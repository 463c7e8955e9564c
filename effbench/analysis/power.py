"""How many seeds it takes to see an effect, from the variance between a run's own seeds.

Two-sided t-tests at 5 % of one comparison, by the noncentral t distribution: paired where row and
baseline share their seeds, else Welch's, with as many seeds on either side. The variance is what
the run's few seeds say, which is itself uncertain: its interval is given beside.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from effbench.analysis.identity import CONDITIONS, ENTRY, ROW
from effbench.analysis.rows_compared import PAIRED, WELCH, kind
from effbench.analysis.statistics import CONFIDENCE

LEVEL, TARGETS, MOST = 0.05, (0.8, 0.95), 10_000
COLUMNS = (
    *("scene", *ENTRY, "n", "test", "sd", "sd_low", "sd_high", "power_now"),
    *(f"{name}_{100 * target:.0f}" for target in TARGETS for name in ("seeds", "hours")),
    "why",
)


@dataclass(frozen=True)
class Noise:
    """Of the difference of two rows' means over n seeds: its variance is `variance` / n, estimated
    with `freedom` × (n − 1) degrees of freedom. test: PAIRED or WELCH; n: seeds it was seen in."""

    test: str
    variance: float
    freedom: float
    n: int


def chance(effect: float, noise: Noise, n: int) -> float:
    """Return the power of the test with n ≥ 2 seeds (on either side) for a difference `effect`."""
    if noise.variance <= 0:
        return 1.0
    df = noise.freedom * (n - 1)
    shift = abs(effect) / math.sqrt(noise.variance / n)
    limit = float(stats.t.ppf(1 - LEVEL / 2, df))
    found = float(stats.nct.sf(limit, df, shift) + stats.nct.cdf(-limit, df, shift))
    # Far out in the tails scipy's noncentral t gives NaN; the normal distribution is exact there.
    return found if math.isfinite(found) else float(stats.norm.sf(limit - shift))


def seeds_needed(effect: float, noise: Noise, target: float) -> int | None:
    """Return the fewest seeds (on either side) with that power; None for more than MOST."""
    return _first(lambda n: chance(effect, noise, n) >= target)


def _first(holds: Callable[[int], bool]) -> int | None:
    """Return the first n in [2, MOST] for which a condition holds that stays true from then on."""
    if not holds(MOST):
        return None
    low, high = 1, MOST  # holds at high, not known to at low
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def table(
    cells: pd.DataFrame, figure: str, effect: float, baseline: str | None = None
) -> pd.DataFrame:
    """Return COLUMNS per row of a run, what it takes to tell it from the baseline.

    cells: `tables.cells` with `label` (the row's name) and `wall_s` (seconds that a cell took in
    all); effect: in the figure's unit, or for a figure that is compared by ratios the logarithm of
    the ratio; baseline: a label. Where a row has no baseline under equal conditions it is held
    against a rival that varies as it does itself. sd: between seeds, of differences within
    repetitions if paired, else pooled over both rows; of logarithms for ratios; sd_low, sd_high:
    its 95 % interval. hours: of both rows, parents not counted. why: what stands in the way.
    """
    done = cells[cells["status"] == "ok"].dropna(subset=[figure])
    values = done[figure].astype(float)
    done = done.assign(
        value=np.log(values.where(values > 0)) if kind(figure) == "ratio" else values
    )
    rows = []
    for about, group in done.groupby([*CONDITIONS], sort=False, dropna=False):
        scene = dict(zip(CONDITIONS, about, strict=True))["scene"]
        rivals = group[group["label"] == baseline]
        known = rivals if len(rivals[[*ROW]].drop_duplicates()) == 1 else rivals.iloc[:0]
        for _, own in group.groupby([*ROW], sort=False, dropna=False):
            first = own.iloc[0]
            if first["label"] == baseline and len(group["label"].unique()) > 1:
                continue
            place = {"scene": scene, "method": first["method"], "variant": first["variant"]}
            rows.append({**place, **_row(own, known, effect)})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(own: pd.DataFrame, other: pd.DataFrame, effect: float) -> dict[str, object]:
    found = noise(own, other)
    if found is None:
        why = "one seed tells nothing of the variance: run at least 2"
        return {"n": len(own), "test": "", "why": why}
    sd = math.sqrt(found.variance / (1 if found.test == PAIRED else 2))
    df = found.freedom * (found.n - 1)
    alpha = (1 - CONFIDENCE) / 2
    bounds = [sd * math.sqrt(df / float(stats.chi2.ppf(q, df))) for q in (1 - alpha, alpha)]
    row: dict[str, object] = {"n": found.n, "test": found.test, "sd": sd, "why": ""}
    row |= {"sd_low": bounds[0], "sd_high": bounds[1], "power_now": chance(effect, found, found.n)}
    seconds = own["wall_s"].mean() + (other if len(other) else own)["wall_s"].mean()
    for target in TARGETS:
        seeds, name = seeds_needed(effect, found, target), f"{100 * target:.0f}"
        row[f"seeds_{name}"] = math.nan if seeds is None else seeds
        row[f"hours_{name}"] = math.nan if seeds is None else seeds * seconds / 3600
        if seeds is None:
            row["why"] = f"more than {MOST} seeds"
    return row


def noise(own: pd.DataFrame, other: pd.DataFrame) -> Noise | None:
    """Return what a row's and its baseline's seeds tell; None with fewer than two of either.

    own, other: columns value, repetition, seed; other may be empty: a rival like the row itself.
    """
    pairs = own.merge(other, on=["repetition", "seed"], suffixes=("", "_other"))
    if len(pairs) >= 2 and len(pairs) == len(own) == len(other):
        return Noise(PAIRED, float((pairs["value"] - pairs["value_other"]).var()), 1.0, len(pairs))
    sides = (own["value"], other["value"] if len(other) else own["value"])
    n = min(map(len, sides))
    if n < 2:
        return None
    a, b = (float(side.var()) for side in sides)
    freedom = (a + b) ** 2 / (a**2 + b**2) if a or b else 2.0
    return Noise(WELCH, a + b, freedom, n)
