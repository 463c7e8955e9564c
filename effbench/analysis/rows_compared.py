"""Any two rows against each other: figure by figure, scene by scene, with test and interval.

Qualities are compared by differences, all else by geometric ratios, whose logarithms are taken for
interval and test. Rule of the test: where both rows have the figure for the same repetitions, with
equal seeds, differences are taken within repetitions (Student's t, paired); otherwise it is
Welch's t, which lets the rows vary differently. Both are two-sided.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from effbench.analysis.figures import FIGURES, Figure
from effbench.analysis.identity import CONDITIONS, ROW
from effbench.analysis.reference import is_baseline
from effbench.analysis.significance import holm
from effbench.analysis.statistics import CONFIDENCE
from effbench.errors import ConfigError, unknown

PAIRED, WELCH, EXACT, NONE = "paired", "welch", "exact", ""
EFFECT = ("n_a", "n_b", "mean_a", "mean_b", "effect", "low", "high", "test", "p")
COLUMNS = ("scene", "budget", "device", "figure", "kind", *EFFECT, "p_holm")
# Rows of different suites may be compared, where all else that can change a figure is the same.
_CONDITIONS = tuple(name for name in CONDITIONS if name != "suite")
_EXACT = 1e-9  # standard deviations below this part of the mean are rounding, not noise


@dataclass(frozen=True)
class Comparison:
    """rows: COLUMNS, one per scene and figure; alone: what could not be compared, in words."""

    rows: pd.DataFrame
    alone: list[str]


def kind(figure: str) -> str:
    """Return "difference" for a quality, "ratio" for what is counted, timed or weighed."""
    return "difference" if FIGURES[figure].group == "quality" else "ratio"


def figures_named(names: Sequence[str]) -> list[str]:
    """Return the names of figures, each once. Raises ConfigError for one that is none."""
    for name in names:
        if name not in FIGURES:
            raise unknown("figure", name, FIGURES)
    return list(dict.fromkeys(names))


def compare(cells: pd.DataFrame, a: str, b: str, figures: Sequence[str]) -> Comparison:
    """Return row `a` against row `b` under equal conditions, on every scene that both have.

    cells: `tables.cells`; a, b: "method" or "method variant". effect: mean of a − b, or the
    geometric mean of a ÷ b; low, high: its 95 % interval; p: two-sided; p_holm: Holm's over all
    rows that have a p. test: "paired", "welch", "exact" for a figure that does not vary over seeds
    on either side (p is NaN: there is nothing to test), "" for fewer than two seeds on a side.
    Raises ConfigError for a label that no cell has, or that is several rows under equal conditions,
    and where no scene has both.
    """
    cells = cells.reset_index(drop=True)
    names = figures_named(figures)
    # Pages write a variant's settings with a space after the comma.
    is_a, is_b = (is_baseline(cells, label.replace(", ", ",")) for label in (a, b))
    if (is_a & is_b).any():
        raise ConfigError(f"'{a}' and '{b}' are the same row: name two, with their variants")
    found, alone = [], []
    for about, group in cells[is_a | is_b].groupby([*_CONDITIONS], sort=True, dropna=False):
        common = dict(zip(_CONDITIONS, about, strict=True))
        own, other = group[is_a[group.index]], group[is_b[group.index]]
        if own.empty or other.empty:
            alone.append(f"{_where(common)}: only '{b if own.empty else a}'")
            continue
        _refuse_several(a, own)
        _refuse_several(b, other)
        place = {name: common[name] for name in ("scene", "budget", "device")}
        found += [{**place, **effect} for effect in _effects(group, is_b[group.index], names)]
    if not found:
        told = "; ".join(alone)
        raise ConfigError(f"'{a}' and '{b}' share no scene, budget and device ({told}): run both")
    rows = pd.DataFrame(found).assign(p_holm=np.nan)
    tested = rows["p"].notna()
    rows.loc[tested, "p_holm"] = holm(rows.loc[tested, "p"].to_numpy(float))
    return Comparison(rows[list(COLUMNS)], alone)


def _effects(
    group: pd.DataFrame, is_b: pd.Series[bool], figures: Sequence[str]
) -> Iterator[Mapping[str, object]]:
    row, others = is_b.astype(int), pd.Series({0: 1})
    same = partners(group, row, others)
    for name in figures:
        found = effects(group, row, others, same, name)
        if found.at[0, "n_a"] or found.at[0, "n_b"]:  # measured on either side
            values = {column: found.at[0, column] for column in EFFECT}
            yield {"figure": name, "kind": kind(name), **values}


def effects(
    cells: pd.DataFrame,
    row: pd.Series[int],
    others: pd.Series[int],
    same: pd.Series[int],
    figure: str,
) -> pd.DataFrame:
    """Return EFFECT of one figure, per row (a) against another row (b): whole columns at a time.

    cells: columns status and the figure; row: per cell the number of its row; others: by the
    number of a row the number of the row it is compared with; same: `partners` of these.
    """
    known = (cells["status"] == "ok") & cells[figure].notna()
    values = cells.loc[known, figure].astype(float)
    ratio = kind(figure) == "ratio"
    if ratio:
        values = values[values > 0]
    own = row[values.index]
    plain = values.groupby(own).mean()
    if ratio:
        values = values.map(np.log)
    sides = values.groupby(own).agg(["count", "mean", "var"])
    a, b = sides.reindex(others.index), sides.reindex(others.to_numpy())
    n_a, n_b = (side["count"].fillna(0).to_numpy(float) for side in (a, b))
    size = np.maximum(a["mean"].abs().to_numpy(), b["mean"].abs().to_numpy())
    # A variance of logarithms is one of parts of the mean already.
    least = (_EXACT * (1.0 if ratio else size)) ** 2
    var_a, var_b = (np.where(s["var"] <= least, 0.0, s["var"]) for s in (a, b))
    partner = values.reindex(same.to_numpy())
    partner.index = same.index
    pairs = (values - partner).dropna().groupby(row).agg(["count", "var"]).reindex(others.index)
    enough = (n_a >= 2) & (n_b >= 2)
    paired = enough & (pairs["count"].to_numpy() == n_a) & (n_a == n_b)
    exact = enough & (var_a == 0) & (var_b == 0)
    mean = a["mean"].to_numpy() - b["mean"].to_numpy()
    with np.errstate(all="ignore"):
        error = np.sqrt(np.where(paired, pairs["var"] / n_a, var_a / n_a + var_b / n_b))
        welch = (var_a / n_a + var_b / n_b) ** 2 / (
            (var_a / n_a) ** 2 / (n_a - 1) + (var_b / n_b) ** 2 / (n_b - 1)
        )
        df = np.where(paired, n_a - 1, welch)
        half = np.where(exact, 0.0, stats.t.ppf((1 + CONFIDENCE) / 2, df) * error)
        p = np.where(mean == 0, 1.0, 2 * stats.t.sf(np.abs(mean) / error, df))
    half[~enough] = np.nan
    p[~enough | exact] = np.nan
    undo = np.exp if ratio else np.asarray
    test = np.select([exact, paired, enough], [EXACT, PAIRED, WELCH], NONE)
    found = {
        **{"n_a": n_a.astype(int), "n_b": n_b.astype(int)},
        "mean_a": plain.reindex(others.index).to_numpy(),
        "mean_b": plain.reindex(others.to_numpy()).to_numpy(),
        **{"effect": undo(mean), "low": undo(mean - half), "high": undo(mean + half)},
        **{"test": test, "p": p},
    }
    return pd.DataFrame(found, index=others.index)


def partners(cells: pd.DataFrame, row: pd.Series[int], others: pd.Series[int]) -> pd.Series[int]:
    """Return per cell the index of the other row's cell of the same repetition and seed, if any.

    cells: columns repetition and seed, unique within a row; row, others: as `effects` takes them.
    """
    keyed = pd.DataFrame(
        {"row": row, "repetition": cells["repetition"], "seed": cells["seed"], "cell": cells.index},
        index=cells.index,
    )
    own = keyed.assign(row=row.map(others)).dropna(subset=["row"])
    both = own.merge(keyed, on=["row", "repetition", "seed"], suffixes=("", "_other"))
    return pd.Series(both["cell_other"].to_numpy(), index=both["cell"].to_numpy())


def _refuse_several(label: str, cells: pd.DataFrame) -> None:
    """Raise ConfigError if a label's cells under equal conditions are several rows."""
    rows = cells[[*ROW]].drop_duplicates()
    if len(rows) == 1:
        return
    labels = sorted(set((rows["method"] + " " + rows["variant"]).str.strip()))
    if len(labels) > 1:
        raise ConfigError(f"'{label}' is several rows: name one of {', '.join(labels)}")
    differ = [name for name in ROW if rows[name].nunique(dropna=False) > 1]
    raise ConfigError(
        f"'{label}' on {rows['scene'].iloc[0]} is several rows, which differ in "
        f"{', '.join(differ)}: name the folder of one run"
    )


def _where(common: Mapping[str, object]) -> str:
    about = f"{common['scene']}, {common['budget']}, {common['device'] or 'unknown device'}"
    views = f", {common['eval_views']} test views" if common["eval_views"] else ""
    return about + views


def written(row: Mapping[str, object]) -> tuple[str, str]:
    """Return a row's effect and interval as text: ("+0.31", "[−0.02, +0.64]"), ("0.52×", …)."""
    effect, low, high = (float(row[name]) for name in ("effect", "low", "high"))  # type: ignore[arg-type]
    form = "{:+.{}f}" if row["kind"] == "difference" else "{:.{}f}×"
    places = _places(FIGURES[str(row["figure"])]) if row["kind"] == "difference" else 3
    text = "" if np.isnan(effect) else form.format(effect, places)
    if np.isnan(low) or np.isnan(high):
        return text.replace("-", "−"), ""
    bounds = ", ".join(form.format(bound, places).rstrip("×") for bound in (low, high))
    return text.replace("-", "−"), f"[{bounds}]".replace("-", "−")


def _places(about: Figure) -> int:
    """Return one decimal more than a figure's table shows."""
    return len(about.write(0.5).partition(".")[2]) + 1
