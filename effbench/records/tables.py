"""Leaderboards and curves from records alone: one row per method × variant × scene × budget.

A figure is the mean over seeds of the cells that finished. Units are part of the column names
(`_s` seconds, `_ms` milliseconds, `_mb` 1e6 bytes, `_j` joules; PSNR in dB); docs/records.md says
what each one means.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pandas as pd

from effbench.analysis.figures import FIGURES
from effbench.analysis.identity import ASKED, FOUND, GROUP, ROW, RUN
from effbench.errors import RecordError
from effbench.records import bulk, record
from effbench.records.record import Record

_SHIPPED = tuple(name for name, about in FIGURES.items() if about.group == "export")
COLUMNS = (
    *("suite", "method", "variant", "scene", "n", "budget", "status", "psnr", "psnr_std"),
    *(name for name in FIGURES if name != "psnr" and name not in _SHIPPED),
    *("device", "backend"),
)
EXTRA_COLUMNS = ("role", "reason", *_SHIPPED)
_COUNTS = ("n", *(name for name, about in FIGURES.items() if about.count))

_RUN = ["seed", "started"]


def latest(records: Sequence[Record]) -> list[Record]:
    """Return the records in order, of a cell that was run more than once only the last run."""
    return [records[i] for i in _latest(_table(records)).index]


def cells(records: Sequence[Record]) -> pd.DataFrame:
    """Return a row per record: suite, method, variant, scene, budget, settings (all parameters, as
    JSON), repetition, device, manifest, backend, role, status, reason, and every figure."""
    return _adopt(_table(records)).drop(columns=_RUN)


def leaderboard(records: Iterable[Record]) -> pd.DataFrame:
    """Return COLUMNS, EXTRA_COLUMNS, then `param.<name>` for parameters that differ, per row.

    Figures are means over the seeds with status ok, `n` their number, `psnr_std` the sample
    standard deviation (ddof = 1), empty for n = 1. `status` is ok or like "ok 2/3, oom 1/3".
    Sorted by suite, scene, budget and device, then the best PSNR first.
    """
    columns = [*COLUMNS, *EXTRA_COLUMNS]
    with bulk.no_garbage_collection():
        cells = _table(records)
    if cells.empty:
        return pd.DataFrame(columns=columns)
    frame = _rows(_adopt(_latest(cells)))
    for name in _COUNTS:
        frame[name] = frame[name].astype(float).round().astype("Int64")
    varying = _varying_params(frame.pop("settings"))
    frame = pd.concat([frame[columns], varying], axis=1)
    order = [*GROUP, "psnr"]
    return frame.sort_values(order, ascending=[True] * 4 + [False], ignore_index=True)


def suite_means(frame: pd.DataFrame) -> pd.DataFrame:
    """Return unweighted means over scenes, for methods that have all the scenes of their suite.

    Empty for suites of a single scene.
    """
    figures = [name for name in FIGURES if name not in _COUNTS]
    means = []
    for (suite, budget, device), group in frame.groupby(["suite", "budget", "device"]):
        scenes = set(group["scene"])
        for (method, variant), rows in group[group["n"] > 0].groupby(["method", "variant"]):
            if len(scenes) > 1 and len(rows) == len(scenes) and set(rows["scene"]) == scenes:
                about = {"suite": suite, "method": method, "variant": variant, "budget": budget}
                mean = rows[figures].mean(skipna=False)
                means.append({**about, "device": device, "scenes": len(scenes), **mean})
    columns = ["suite", "method", "variant", "budget", "device", "scenes", *figures]
    table = pd.DataFrame(means, columns=columns)
    order = ["suite", "budget", "device", "psnr"]
    return table.sort_values(order, ascending=[True] * 3 + [False], ignore_index=True)


def to_csv(frame: pd.DataFrame) -> str:
    """Return CSV with ten significant digits; a figure that does not exist is an empty field."""
    return frame.to_csv(index=False, lineterminator="\n", float_format="%.10g")


def to_json(frame: pd.DataFrame) -> str:
    """Return a JSON array of one object per row; a figure that does not exist is null."""
    rows = frame.to_json(orient="records", double_precision=15, force_ascii=False)
    return json.dumps(json.loads(rows), indent=1, ensure_ascii=False) + "\n"


def to_markdown(frame: pd.DataFrame, problems: Sequence[str] = ()) -> str:
    """Return the leaderboard as GitHub Markdown; `problems` are listed at its end."""
    from effbench.records.markdown import render

    return render(frame, suite_means(frame), problems)


def _table(records: Iterable[Record]) -> pd.DataFrame:
    """Return a row per record: ASKED, _RUN, then what `cells` returns."""
    settings = bulk.Settings()
    rows = []
    for cell in records:
        about = (cell.suite, cell.method, cell.variant, record.scene_label(cell), cell.budget)
        run = (cell.repetition, cell.seed, str(cell.provenance.get("started") or ""))
        made = (cell.device, cell.scene.get("manifest") or "", cell.backend)
        end = (cell.role, cell.status, cell.reason)
        groups = {name: getattr(cell, name) for name in _GROUPS}
        figures = [groups[group].get(name) for name, group in _PLACES]
        rows.append((*about, settings.text(cell.params), *run, *made, *end, *figures))
    frame = pd.DataFrame(rows, columns=_TABLE)
    return frame.astype(dict.fromkeys(FIGURES, float))  # what nobody measured is None


_PLACES = [(name, about.group) for name, about in FIGURES.items()]
_GROUPS = tuple(dict.fromkeys(group for _, group in _PLACES))
_TABLE = [
    *ASKED,
    *("repetition", "seed", "started"),
    *("device", "manifest", "backend"),
    *("role", "status", "reason"),
    *FIGURES,
]


def _latest(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `_table` in order, without cells that were run again later."""
    if frame.empty:
        return frame
    by_start = frame.sort_values("started", kind="stable")
    last = by_start.drop_duplicates(list(RUN), keep="last")
    return frame.loc[last.index.sort_values()]


def _adopt(frame: pd.DataFrame) -> pd.DataFrame:
    """Give failed seeds that do not know these the only value that their row's others have."""
    for column in FOUND:
        blank = frame[column] == ""
        if not blank.any():
            continue
        row = frame.groupby(list(ASKED)).ngroup()
        known = frame[column].where(~blank).groupby(row).agg(["nunique", "first"])
        only = known["first"].where(known["nunique"] == 1)
        frame = frame.assign(**{column: frame[column].mask(blank, row.map(only).fillna(""))})
    return frame


def _rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row per group of cells that are one experiment: what each column of the
    leaderboard says of them. Whole columns at a time: there may be 100,000 cells."""
    identity = list(ROW)
    row = frame.groupby(identity, dropna=False).ngroup()
    first = frame.groupby(row)[[*ASKED, "device"]].first()
    done = frame["status"] == "ok"
    figures = frame.loc[done, list(FIGURES)].astype(float).groupby(row[done])
    is_row = (frame["role"] == "row").groupby(row).any()
    return first.assign(
        n=done.groupby(row).sum(),
        status=_merged(frame["status"], row, _status),
        **figures.mean().reindex(first.index),
        psnr_std=figures["psnr"].std(ddof=1).reindex(first.index),
        backend=_merged(frame["backend"], row, lambda v: ", ".join(sorted({b for b in v if b}))),
        role=is_row.map({True: "row", False: "parent"}),
        reason=_merged(frame["reason"], row, lambda v: "; ".join(dict.fromkeys(r for r in v if r))),
    )


def _merged(
    values: pd.Series[str], row: pd.Series[int], merge: Callable[[pd.Series[str]], str]
) -> pd.Series[str]:
    """Return per row the value that its cells share, or what `merge` makes of several."""
    groups = values.groupby(row)
    shared = groups.first()
    several = groups.nunique() > 1
    for number in several.index[several]:
        shared[number] = merge(values[row == number])
    return shared


def _status(statuses: pd.Series[str]) -> str:
    counts = Counter(sorted(statuses, key=lambda s: (s != "ok", s)))
    if len(counts) == 1:
        return str(statuses.iloc[0])
    return ", ".join(f"{name} {count}/{len(statuses)}" for name, count in counts.items())


def _varying_params(settings: pd.Series[str]) -> pd.DataFrame:
    """Return `param.<name>` for each parameter that takes more than one value, as JSON text."""
    known = {text: json.loads(text) for text in settings.unique()}
    table: dict[str, pd.Series[str]] = {}
    for name in dict.fromkeys(name for params in known.values() for name in params):
        shown = {text: json.dumps(p[name]).strip('"') for text, p in known.items() if name in p}
        if len(set(shown.values())) > 1:
            values = [shown.get(text) for text in settings]
            table[f"param.{name}"] = pd.Series(values, settings.index, dtype=object)
    return pd.DataFrame(table, index=settings.index, dtype=object)


def read_csv(path: Path) -> pd.DataFrame:
    """Return a cell's curve or table. Raises RecordError when it cannot be read."""
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise RecordError(f"{path}: is not a valid table ({error}): run the cell again") from error
