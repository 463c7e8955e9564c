"""Statistics over seeds, scenes and curves: pure functions on tables of cells and of curves.

cells: a row per cell as `records.tables.cells` makes them. A group is what `by` names, usually
ROW; cells of one group differ in their repetition alone. Only cells with status ok count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from effbench.analysis import comparison
from effbench.analysis.comparison import CONFIDENCE
from effbench.errors import ConfigError, unknown

CONDITIONS = ["suite", "scene", "manifest", "budget", "device"]  # equal on both sides of a pair
ROW = ["suite", "method", "variant", "scene", "budget", "settings", "device", "manifest"]
RESAMPLES = 9999
_SEED = 0  # the same table gives the same intervals

Censoring = Literal["", "left", "right"]


@dataclass(frozen=True)
class Relative:
    """How a row is compared with its baseline in one figure: the difference or the ratio."""

    figure: str
    kind: Literal["difference", "ratio"]
    better: Literal["lower", "higher"]


PAIRED: Mapping[str, Relative] = {
    "psnr_gain": Relative("psnr", "difference", "higher"),
    "iter_ratio": Relative("iter_ms", "ratio", "lower"),
    "render_ratio": Relative("render_ms", "ratio", "lower"),
    "memory_ratio": Relative("peak_mem_mb", "ratio", "lower"),
    "saved_ratio": Relative("saved_mb", "ratio", "lower"),
    "size_ratio": Relative("model_mb", "ratio", "lower"),
}


def bootstrap_interval(
    values: npt.ArrayLike, *, resamples: int = RESAMPLES, confidence: float = CONFIDENCE
) -> npt.NDArray[np.float64]:
    """Return the percentile bootstrap interval of the mean over the last axis, [..., 2].

    NaN for fewer than two values. Resampling n seeds cannot leave their range: for n = 3 the 95 %
    interval is the range itself, which holds the mean less often than 95 % (docs/regression.md
    has the measured coverage). Student's t (`comparison.summarise`) is the wider alternative.
    """
    found = np.asarray(values, float)
    if found.shape[-1] < 2:
        return np.full((*found.shape[:-1], 2), math.nan)
    result = stats.bootstrap(
        (found,),
        np.mean,
        axis=-1,
        n_resamples=resamples,
        confidence_level=confidence,
        method="percentile",
        batch=max(1, 10**6 // max(1, found.size)),  # bounds memory: [batch, ..., n] at a time
        random_state=np.random.default_rng(_SEED),
    )
    return np.stack([result.confidence_interval.low, result.confidence_interval.high], axis=-1)


def describe(cells: pd.DataFrame, by: Sequence[str], figures: Sequence[str]) -> pd.DataFrame:
    """Return a row per group and figure: `by`, figure, n, mean, std, low, high.

    n: finished cells that have the figure; std: sample standard deviation (ddof = 1), NaN for
    n = 1; low, high: 95 % bootstrap interval of the mean, NaN for n = 1. A group without any is
    left out.
    """
    done = cells[cells["status"] == "ok"]
    long = done.melt(list(by), list(figures), "figure", "value")
    long["value"] = long["value"].astype(float)
    long = long.dropna(subset=["value"])
    rows = [
        {**dict(zip([*by, "figure"], key, strict=True)), "values": group.to_numpy()}
        for key, group in long.groupby([*by, "figure"], sort=False, dropna=False)["value"]
    ]
    columns = [*by, "figure", "n", "mean", "std", "low", "high"]
    if not rows:
        return pd.DataFrame(columns=columns)
    frame = pd.DataFrame(rows)
    frame["n"] = frame["values"].map(len)
    frame["mean"] = frame["values"].map(np.mean).astype(float)
    frame["std"] = frame["values"].map(lambda v: np.std(v, ddof=1) if len(v) > 1 else math.nan)
    frame[["low", "high"]] = math.nan
    for n, group in frame[frame["n"] > 1].groupby("n"):  # one call for all groups of a size
        stacked = np.stack(list(group["values"])).reshape(len(group), int(str(n)))
        frame.loc[group.index, ["low", "high"]] = bootstrap_interval(stacked)
    return frame[columns]


def over_scenes(
    cells: pd.DataFrame, figures: Sequence[str], scenes: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return cells that are unweighted means over scenes, for `describe` and `paired` to take.

    One per suite, method, variant, settings, budget, device and repetition that finished on all of
    `scenes`, by default those of the suite with this budget and device; an incomplete set has no
    mean. A figure that one scene lacks is NaN. `scene` is "mean of N scenes", `manifest` is "".
    """
    group = ["suite", "budget", "device"]
    row = [*group, "method", "variant", "settings", "repetition"]
    columns = [*row, "scene", "manifest", "status", *figures]
    means: list[dict[str, Any]] = []
    for _, common in cells.groupby(group, sort=False):
        wanted = set(common["scene"]) if scenes is None else set(scenes)
        done = common[(common["status"] == "ok") & common["scene"].isin(wanted)]
        for key, own in done.groupby(row, sort=False):
            if len(own) == len(wanted) and set(own["scene"]) == wanted:
                mean = own[list(figures)].astype(float).mean(skipna=False)
                label = f"mean of {len(wanted)} scenes"
                about = {**dict(zip(row, key, strict=True)), "scene": label, "manifest": ""}
                means.append({**about, "status": "ok", **mean})
    return pd.DataFrame(means, columns=columns)


def is_baseline(cells: pd.DataFrame, baseline: str) -> pd.Series[bool]:
    """Return which cells are the named baseline's: "method", or "method variant" as tables show it.

    Raises ConfigError, naming what there is, if no cell is.
    """
    labels = (cells["method"] + " " + cells["variant"]).str.strip()
    chosen: pd.Series[bool] = labels == baseline
    if not chosen.any():
        chosen = cells["method"] == baseline
    if not chosen.any():
        raise unknown("baseline", baseline, set(labels))
    return chosen


def paired(cells: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Return how every row compares with the named baseline, under equal CONDITIONS.

    Columns: CONDITIONS, method, variant, settings, measure (of PAIRED), n, mean, std, low, high.
    A pair is a repetition that both finished; differences and ratios are taken within pairs, then
    averaged; low, high: 95 % interval by Student's t, as `comparison.summarise`. The baseline
    itself is left out; a row without any pair has n = 0. Raises ConfigError if no cell is the
    baseline's, or if it is several rows under equal conditions.
    """
    cells = cells.reset_index(drop=True)  # masks are looked up by it
    chosen = is_baseline(cells, baseline)
    done = cells["status"] == "ok"
    columns = [*CONDITIONS, "method", "variant", "settings", "measure"]
    rows: list[dict[str, Any]] = []
    for about, group in cells.groupby(CONDITIONS, sort=False, dropna=False):
        other = group[chosen[group.index]]
        if other[["method", "variant", "settings"]].drop_duplicates().shape[0] > 1:
            raise _ambiguous(baseline, other)
        common = dict(zip(CONDITIONS, about, strict=True))
        own = group[~chosen[group.index]]
        for key, cells_of_row in own.groupby(["method", "variant", "settings"], sort=False):
            row = {**common, **dict(zip(["method", "variant", "settings"], key, strict=True))}
            pairs = comparison.pair(
                cells_of_row[done[cells_of_row.index]], other[done[other.index]]
            )
            rows += [{**row, "measure": name, **_summary(pairs, name)} for name in PAIRED]
    return pd.DataFrame(rows, columns=[*columns, "n", "mean", "std", "low", "high"])


def times_to_psnr(curves: pd.DataFrame, target: float, by: Sequence[str]) -> pd.DataFrame:
    """Return a row per curve: `by`, time_s to reach `target` dB, censored.

    curves: train_s (s) and psnr (dB), a curve per group of `by`. Linear between points. censored:
    "" for a time that is known; "left" for a curve that was there at its first point, whose time
    is then an upper bound; "right" for one that never arrived, whose last time is a lower bound.
    """
    rows = []
    known = curves.dropna(subset=["psnr"]).sort_values("train_s")
    for key, points in known.groupby(list(by), sort=False, dropna=False):
        times, values = list(points["train_s"].astype(float)), list(points["psnr"].astype(float))
        reached, bound = comparison.time_to_reach(times, values, target)
        censored: Censoring = "left" if bound == ">" else "right" if bound else ""
        time = times[-1] if censored == "right" else reached
        rows.append({**dict(zip(by, key, strict=True)), "time_s": time, "censored": censored})
    return pd.DataFrame(rows, columns=[*by, "time_s", "censored"])


def median_time(times: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return a row per group of `times_to_psnr`: `by`, n, reached, median_s, censored.

    The median over curves, which censored times at either end leave exact as long as fewer than
    half are censored there: the rest are only known to be on one side of it. Otherwise it is a
    bound, and `censored` says on which side: "right" for at least, "left" for at most median_s.
    """
    rows = []
    for key, group in times.groupby(list(by), sort=False, dropna=False):
        low = group["time_s"].where(group["censored"] != "left", 0.0)
        high = group["time_s"].where(group["censored"] != "right", math.inf)
        least, most = float(low.median()), float(high.median())
        censored: Censoring = "" if least == most else "right" if math.isinf(most) else "left"
        reached = int((group["censored"] != "right").sum())
        median = most if censored == "left" else least
        found = {"n": len(group), "reached": reached, "median_s": median, "censored": censored}
        rows.append({**dict(zip(by, key, strict=True)), **found})
    return pd.DataFrame(rows, columns=[*by, "n", "reached", "median_s", "censored"])


def pareto(
    frame: pd.DataFrame, cost: str, quality: str = "psnr", by: Sequence[str] = ()
) -> pd.Series[bool]:
    """Return which rows are on the front of their group: none is better in one of the figures and
    at least as good in the other.

    cost: lower is better (model_mb, train_s, iter_ms, peak_mem_mb); quality: higher is better. A
    row that lacks either is never on it; equal rows are on it together.
    """
    known = frame[[*by, cost, quality]].dropna(subset=[cost, quality])
    groups = [g for _, g in known.groupby(list(by), dropna=False)] if by else [known]
    fronts = [_front(group, cost, quality) for group in groups if len(group)]
    whole = pd.concat(fronts) if fronts else pd.Series(dtype=bool)
    return whole.reindex(frame.index, fill_value=False).astype(bool)


def _front(rows: pd.DataFrame, cost: str, quality: str) -> pd.Series[bool]:
    ordered = rows.sort_values([cost, quality], ascending=[True, False])
    best = ordered[quality].cummax()
    # The first row of each new best quality, and rows equal to it in both.
    leads = ordered[ordered[quality] > best.shift(fill_value=-math.inf)]
    on = set(zip(leads[cost], leads[quality], strict=True))
    pairs = zip(ordered[cost], ordered[quality], strict=True)
    return pd.Series([pair in on for pair in pairs], index=ordered.index, dtype=bool)


def _summary(pairs: pd.DataFrame, measure: str) -> dict[str, float]:
    about = PAIRED[measure]
    take = comparison.ratios if about.kind == "ratio" else comparison.differences
    found = comparison.summarise(list(take(pairs, about.figure)))
    return {name: getattr(found, name) for name in ("n", "mean", "std", "low", "high")}


def _ambiguous(baseline: str, cells: pd.DataFrame) -> ConfigError:
    labels = sorted(set((cells["method"] + " " + cells["variant"]).str.strip()))
    if len(labels) == 1:
        return ConfigError(
            f"baseline '{baseline}' was run with several sets of parameters: name one run's folder"
        )
    return ConfigError(f"baseline '{baseline}' is several rows: name one of {', '.join(labels)}")
