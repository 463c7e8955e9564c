"""Which figures of a row differ from the baseline's beyond noise over seeds.

Every figure that the regression check can compare and of which one direction is better is tested as
`rows_compared` tests two rows, and Holm's adjustment is taken over the rows of a table, figure by
figure: the chance that a column of a table has any false mark stays below the level.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from effbench.analysis.figures import FIGURES
from effbench.analysis.identity import CONDITIONS, GROUP
from effbench.analysis.rows_compared import effects, kind, partners

COLUMNS = ("baseline", "psnr_p", "better", "worse")
LEVEL = 0.05
LEAST_SEEDS = 3  # of either row: two pairs that happen to be alike would be marked
TESTED = tuple(name for name, about in FIGURES.items() if about.check and about.better)


def against(cells: pd.DataFrame, row: pd.Series[int], baseline: str | None) -> pd.DataFrame:
    """Return COLUMNS per row of a leaderboard.

    cells: columns of CONDITIONS, `label` (the row's name), status, repetition, seed and the
    figures; row: per cell the number of its row, which the result is indexed by. baseline: the
    label of the row that is compared with, "" where there is none under equal conditions, or where
    it is several rows; psnr_p: two-sided p of the PSNR after Holm, NaN where it was not tested;
    better, worse: names of the figures with p < LEVEL, separated by commas.
    """
    found = pd.DataFrame(index=pd.Index(sorted(row.unique())))
    found = found.assign(baseline="", psnr_p=np.nan, better="", worse="")
    others = _others(cells, row, baseline)
    if others.empty:
        return found[list(COLUMNS)]
    found.loc[others.index, "baseline"] = baseline
    table = cells.groupby([*GROUP], dropna=False).ngroup().groupby(row).first()[others.index]
    named: dict[str, pd.Series[str]] = {"better": found["better"], "worse": found["worse"]}
    same = partners(cells, row, others)
    for name in TESTED:
        if not cells[name].notna().any():
            continue
        effect = effects(cells, row, others, same, name)
        few = effect[["n_a", "n_b"]].min(axis=1) < LEAST_SEEDS
        p = _adjusted(effect["p"].mask(few), table)
        if name == "psnr":
            found["psnr_p"] = p.reindex(found.index)
        higher = effect["effect"] > (1.0 if kind(name) == "ratio" else 0.0)
        good = higher if FIGURES[name].better == "higher" else ~higher
        for column, chosen in (("better", good), ("worse", ~good)):
            marked = chosen.index[chosen & (p < LEVEL)]
            before = named[column].loc[marked]
            named[column].loc[marked] = np.where(before == "", name, before + "," + name)
    return found.assign(**named)[list(COLUMNS)]


def marked(names: object, figure: str) -> bool:
    """Return whether a figure is among the names in a field of `better` or `worse`."""
    return figure in str(names).split(",")


def _others(cells: pd.DataFrame, row: pd.Series[int], baseline: str | None) -> pd.Series[int]:
    """Return per row the number of the baseline's row under equal conditions, if it is one."""
    chosen = cells["label"] == baseline
    if not chosen.any():
        return pd.Series(dtype=int)
    condition = cells.groupby([*CONDITIONS], dropna=False).ngroup().groupby(row).first()
    is_base = chosen.groupby(row).any()
    rows = condition[is_base]
    single = rows[~rows.duplicated(keep=False)]
    number = pd.Series(single.index, index=single.to_numpy())
    compared = condition[~is_base]
    return compared.map(number).dropna().astype(int)


def _adjusted(p: pd.Series[float], table: pd.Series[int]) -> pd.Series[float]:
    """Return Holm's p within each table (`significance.holm`); NaN stays NaN."""
    ordered = p.dropna().sort_values(kind="stable")
    groups = ordered.groupby(table[ordered.index])
    steps = ordered * (groups.transform("size") - groups.cumcount())
    adjusted = steps.groupby(table[steps.index]).cummax().clip(upper=1.0)
    return adjusted.reindex(p.index)
