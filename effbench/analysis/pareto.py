"""Pareto fronts: rows that nothing beats in quality and cost at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd


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
