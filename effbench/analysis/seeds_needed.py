"""How many seeds it takes to see an effect against the baseline, by a run's own variance.

Two-sided tests at 5 % of one comparison: paired where both rows have the same repetitions with
equal seeds, otherwise Welch's, as rows are compared. Qualities are compared by differences, all
else by ratios, whose logarithms vary. A standard deviation from three seeds may be a third or three
times the true one: the seeds are given for its estimate and for the ends of its 80 % interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import stats

from effbench.analysis.figures import FIGURES
from effbench.analysis.identity import CONDITIONS, ENTRY, ROW
from effbench.analysis.reference import ambiguous, is_baseline
from effbench.analysis.statistics import CONFIDENCE

POWERS = (0.80, 0.95)
MOST = 1000  # seeds: beyond, the effect is out of reach
_SURE = 0.80  # of the interval of a standard deviation
COLUMNS = (
    *(*CONDITIONS, *ENTRY, "figure", "n", "test", "std", "std_low", "std_high"),
    *("seeds_80", "seeds_80_low", "seeds_80_high", "seeds_95", "seeds_95_low", "seeds_95_high"),
    *("reason",),
)

Kind = Literal["difference", "ratio"]


@dataclass(frozen=True)
class Spread:
    """test: "paired" or "welch"; std: of the difference within a pair, or √(s₁² + s₂²); df: its
    degrees of freedom; ratio: by how much df grows with n − 1 seeds."""

    test: Literal["paired", "welch"]
    std: float
    df: float
    ratio: float

    def interval(self) -> tuple[float, float]:
        """Return the 80 % interval of the standard deviation."""
        tail = (1 - _SURE) / 2
        quantiles = stats.chi2.ppf([1 - tail, tail], self.df)
        low, high = self.std * np.sqrt(self.df / quantiles)
        return float(low), float(high)


def kind(figure: str) -> Kind:
    """Return how a figure is compared: qualities by differences, all else by ratios."""
    return "difference" if FIGURES[figure].group == "quality" else "ratio"


def needed(cells: pd.DataFrame, baseline: str, effect: float, figure: str = "psnr") -> pd.DataFrame:
    """Return COLUMNS per row but the baseline: the fewest seeds of either row, for either power.

    cells: `tables.cells`, with `seed`; baseline: a row's label; effect: > 0, in the figure's unit,
    or as a part of it (0.05: 5 %) for figures that are compared by ratios. seeds: NaN for more
    than MOST; with a `reason` where two seeds are missing or nothing varies. Raises ConfigError
    for a baseline that is not there or several rows.
    """
    cells = cells.reset_index(drop=True)
    chosen = is_baseline(cells, baseline)
    rows = []
    for about, group in cells.groupby([*CONDITIONS], sort=True, dropna=False):
        other = group[chosen[group.index]]
        if other.empty:
            continue
        if len(other[[*ROW]].drop_duplicates()) > 1:
            raise ambiguous(baseline, other)
        common = dict(zip(CONDITIONS, about, strict=True))
        for entry, own in group[~chosen[group.index]].groupby([*ENTRY], sort=True):
            place = {**common, **dict(zip(ENTRY, entry, strict=True)), "figure": figure}
            rows.append({**place, **_needed(own, other, effect, figure)})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def seeds(spread: Spread, effect: float, power: float) -> float:
    """Return the fewest seeds with which an effect, in the figure's unit or as a logarithm, is seen
    with this power; NaN for more than MOST."""
    low, high = 2, MOST
    if power_of(spread, effect, high) < power:
        return math.nan
    while low < high:
        middle = (low + high) // 2
        if power_of(spread, effect, middle) < power:
            low = middle + 1
        else:
            high = middle
    return float(low)


def power_of(spread: Spread, effect: float, n: int) -> float:
    """Return the chance that n seeds show an effect at the level of 5 %, by the noncentral t."""
    df = max(spread.ratio * (n - 1), 1.0)
    shift = effect * math.sqrt(n) / spread.std
    critical = stats.t.ppf((1 + CONFIDENCE) / 2, df)
    return float(stats.nct.sf(critical, df, shift) + stats.nct.cdf(-critical, df, shift))


def spread_of(own: pd.DataFrame, other: pd.DataFrame, figure: str) -> Spread | None:
    """Return how two rows' finished cells vary; None with fewer than two on a side."""
    a, b = (_values(cells, figure) for cells in (own, other))
    if min(len(a), len(b)) < 2:
        return None
    if set(a.index) == set(b.index):  # repetitions with their seeds
        return Spread("paired", float((a - b.reindex(a.index)).std(ddof=1)), len(a) - 1, 1.0)
    var = np.array([a.var(ddof=1), b.var(ddof=1)])
    if not var.any():
        return Spread("welch", 0.0, 1.0, 1.0)
    weights = var / var.sum()
    # Welch–Satterthwaite: with n seeds on either side df is (n − 1) / Σ weights²
    df = 1 / float((weights**2 / np.array([len(a) - 1, len(b) - 1])).sum())
    return Spread("welch", math.sqrt(var.sum()), df, 1 / float((weights**2).sum()))


def _values(cells: pd.DataFrame, figure: str) -> pd.Series[float]:
    """Return a figure of the finished cells, by repetition and seed; the logarithm of a ratio's."""
    done = cells[(cells["status"] == "ok") & cells[figure].notna()]
    values = done.set_index(["repetition", "seed"])[figure].astype(float)
    if kind(figure) == "difference":
        return values
    positive: pd.Series[float] = values[values > 0]
    return pd.Series(np.log(positive.to_numpy()), positive.index)


def _needed(
    own: pd.DataFrame, other: pd.DataFrame, effect: float, figure: str
) -> Mapping[str, Any]:
    n = min(len(_values(own, figure)), len(_values(other, figure)))
    spread = spread_of(own, other, figure)
    if spread is None:
        return {"n": n, "reason": "fewer than two seeds of a row give no variance"}
    scale = 1.0 if kind(figure) == "ratio" else abs(float(own[figure].mean()))
    if spread.std <= 1e-9 * scale:
        return {"n": n, "test": spread.test, "std": 0.0, "reason": "does not vary"}
    shift = effect if kind(figure) == "difference" else math.log1p(effect)
    low, high = spread.interval()
    found: dict[str, Any] = {"n": n, "test": spread.test, "std": spread.std, "reason": ""}
    found |= {"std_low": low, "std_high": high}
    for power in POWERS:
        name = f"seeds_{round(100 * power)}"
        for end, std in (("", spread.std), ("_low", low), ("_high", high)):
            assumed = Spread(spread.test, std, spread.df, spread.ratio)
            found[name + end] = seeds(assumed, shift, power)
    return found
