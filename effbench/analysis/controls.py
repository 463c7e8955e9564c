"""What a row gains over the row it starts from, and over its control.

Whoever starts from a parent has been trained for longer than the parent: the difference to it is
what training on brings together with what the method does. The control is trained for as long
without what the method is about (`effbench.method.Method.control`), so that the difference to it
is the method's own. Both are taken between cells of one repetition, then averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from effbench.analysis.identity import label
from effbench.analysis.statistics import CONFIDENCE

KINDS = ("parent", "control")
COLUMNS = tuple(
    column
    for kind in KINDS
    for column in (kind, f"over_{kind}", f"over_{kind}_low", f"over_{kind}_high", f"over_{kind}_n")
)


def nearest_parents(parents: Sequence[tuple[str, ...]], ids: Sequence[str]) -> list[str]:
    """Return per cell the parent that it starts from, "" for none: of several the one that is no
    parent of another of them (a student's teacher stands behind the student).

    parents: per cell the ids of its parents, in the order of their roles; ids: the cells' own.
    """
    known: Mapping[str, tuple[str, ...]] = dict(zip(ids, parents, strict=True))
    return [_nearest(own, known) if len(own) > 1 else "".join(own) for own in parents]


def _nearest(own: tuple[str, ...], known: Mapping[str, tuple[str, ...]]) -> str:
    behind = {grand for parent in own for grand in known.get(parent, ())}
    left = [parent for parent in own if parent not in behind]
    return (left or list(own))[-1]


def gains(cells: pd.DataFrame, row: pd.Series[int]) -> pd.DataFrame:
    """Return COLUMNS per row of a leaderboard.

    cells: columns cell_id, device, method, variant, status, psnr (dB), and the cell_id of its
    `parent` and `control`, "" for none; row: per cell the number of its row, which the result is
    indexed by. parent, control: the label of that row, "" where none was run; over_*: mean over
    repetitions of the difference in PSNR, dB, with the 95 % interval of the mean (Student's t; NaN
    for one repetition) and the number of repetitions.
    """
    done = cells[cells["status"] == "ok"]
    key = ["device", "cell_id"]
    others = done.drop_duplicates(key).set_index(key)
    labels = pd.Series(
        [label(m, v) for m, v in zip(others["method"], others["variant"], strict=True)],
        others.index,
        dtype=object,
    )
    found = pd.DataFrame(index=pd.Index(sorted(row.unique())))
    for kind in KINDS:
        asked = pd.MultiIndex.from_arrays([done["device"], done[kind]])
        other = others["psnr"].astype(float).reindex(asked).to_numpy()
        difference = pd.Series(done["psnr"].astype(float).to_numpy() - other, done.index)
        names = pd.Series(labels.reindex(asked).to_numpy(), done.index, dtype=object)
        own = row[done.index]
        found[kind] = names.groupby(own).first().reindex(found.index)
        found[kind] = found[kind].where(found[kind].notna(), "")
        grouped = difference.groupby(own)
        n = grouped.count().reindex(found.index).fillna(0)
        mean = grouped.mean().reindex(found.index)
        half = _half_width(grouped.std(ddof=1).reindex(found.index).to_numpy(float), n.to_numpy())
        found[f"over_{kind}"] = mean
        found[f"over_{kind}_low"] = mean - half
        found[f"over_{kind}_high"] = mean + half
        found[f"over_{kind}_n"] = n.astype("Int64").where(n > 0)
    return found[list(COLUMNS)]


def _half_width(std: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return half of the 95 % interval of means of n values, NaN for fewer than two."""
    enough = np.maximum(n, 2)
    half = stats.t.ppf((1 + CONFIDENCE) / 2, enough - 1) * std / np.sqrt(enough)
    return np.where(n >= 2, half, np.nan)
