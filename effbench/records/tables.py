"""Leaderboards and curves from records alone: one row per method × variant × scene × budget.

A figure is the mean over seeds of the cells that finished. Units are part of the column names
(`_s` seconds, `_ms` milliseconds, `_mb` 1e6 bytes, `_j` joules; PSNR in dB); docs/records.md says
what each one means.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from effbench.analysis import against_baseline, controls, disturbance, equal_terms, per_view
from effbench.analysis.figures import FIGURES
from effbench.analysis.identity import ASKED, FOUND, GROUP, ROW, RUN
from effbench.errors import RecordError
from effbench.records import bulk, marks, record
from effbench.records.record import Record

_SHIPPED = tuple(name for name, about in FIGURES.items() if about.group == "export")
# Columns are only ever added at the end: people read these tables by machine.
CONTEXT_COLUMNS = (
    *("eval_views", "curve_views", "iter_ms_mean", "commit", "speed", "marks"),
    *("total_train_s", *controls.COLUMNS, *equal_terms.COLUMNS),
    *(*against_baseline.COLUMNS, *per_view.FIGURES),
)
# What needs more than the cells of a row: curves, and the choice of a baseline.
TERMS = (*equal_terms.COLUMNS, *against_baseline.COLUMNS)
_WORDS = ("baseline", "better", "worse")
_FIRST = ("psnr", *_SHIPPED, *CONTEXT_COLUMNS)
COLUMNS = (
    *("suite", "method", "variant", "scene", "n", "budget", "status", "psnr", "psnr_std"),
    *(name for name in FIGURES if name not in _FIRST),
    *("device", "backend"),
)
EXTRA_COLUMNS = ("role", "reason", *_SHIPPED)
_COUNTS = ("n", *(name for name, about in FIGURES.items() if about.count))

Terms = Callable[[pd.DataFrame, "pd.Series[int]"], pd.DataFrame]

DEFAULT = "default"


def latest(records: Sequence[Record]) -> list[Record]:
    """Return the records in order, of a cell that was run more than once only the last run."""
    return [records[i] for i in _latest(_table(records)).index]


def cells(records: Sequence[Record]) -> pd.DataFrame:
    """Return a row per record: ASKED (settings are all parameters, as JSON), repetition, seed,
    FOUND, curve_views, commit, stale, fewer, role, status, reason, what tells of disturbances
    (`disturbance.COLUMNS`), and every figure."""
    return _adopt(_table(records)).drop(columns=["started", *_LINKS])


def leaderboard(records: Iterable[Record], terms: Terms | None = None) -> pd.DataFrame:
    """Return COLUMNS, EXTRA_COLUMNS, `param.<name>` for parameters that differ, and
    CONTEXT_COLUMNS, per row.

    Figures are means over the seeds with status ok, `n` their number, `psnr_std` the sample
    standard deviation (ddof = 1), empty for n = 1. `status` is ok or like "ok 2/3, oom 1/3".
    `speed` is the machine's, over the median of the cells on it; `marks` says in words what else a
    reader must know (`effbench.records.marks`). `over_parent` and `over_control` are explained in
    `effbench.analysis.controls`. terms: given the table of cells, indexed by the position of their
    record, and per cell the number of its row, returns TERMS per row; without it they are empty.
    Sorted by suite, scene, budget and device, then the best PSNR first.
    """
    columns = [*COLUMNS, *EXTRA_COLUMNS, *CONTEXT_COLUMNS]
    with bulk.no_garbage_collection():
        cells = _table(records)
    if cells.empty:
        return pd.DataFrame(columns=columns)
    frame = _rows(_adopt(_latest(cells)), terms)
    for name in _COUNTS:
        frame[name] = frame[name].astype(float).round().astype("Int64")
    varying = _varying_params(frame.pop("settings"))
    parts = [frame[[*COLUMNS, *EXTRA_COLUMNS]], varying, frame[list(CONTEXT_COLUMNS)]]
    frame = pd.concat(parts, axis=1)
    order = [*GROUP, "psnr"]
    return frame.sort_values(order, ascending=[True] * 4 + [False], ignore_index=True)


def suite_means(frame: pd.DataFrame) -> pd.DataFrame:
    """Return unweighted means over scenes, for methods that have all the scenes of their suite.

    Empty for suites of a single scene.
    """
    figures = [name for name in FIGURES if name not in _COUNTS]
    means: list[dict[str, Any]] = []
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
    """Return CSV with ten significant digits; a figure that does not exist is an empty field, a row
    without settings of its own has the variant `default`, which is not lost when read back."""
    if "variant" in frame:
        frame = frame.assign(variant=frame["variant"].replace("", DEFAULT))
    return frame.to_csv(index=False, lineterminator="\n", float_format="%.10g")


def to_json(frame: pd.DataFrame) -> str:
    """Return a JSON array of one object per row; a figure that does not exist is null."""
    rows = frame.to_json(orient="records", double_precision=15, force_ascii=False)
    return json.dumps(json.loads(rows), indent=1, ensure_ascii=False) + "\n"


def to_markdown(
    frame: pd.DataFrame,
    problems: Sequence[str] = (),
    columns: Sequence[str] = (),
    *,
    only_means: bool = False,
) -> str:
    """Return the leaderboard as GitHub Markdown; `problems` are listed at its end. columns,
    only_means: as `markdown.render` takes them."""
    from effbench.records.markdown import render

    return render(frame, suite_means(frame), problems, columns, only_means=only_means)


def parents_of(records: Sequence[Record]) -> list[str]:
    """Return the cell_id of the parent that each record is compared with, "" for none."""
    parents = [tuple(cell.parents.values()) for cell in records]
    scenes = [record.scene_label(cell) for cell in records]
    return _compared_with(parents, [cell.cell_id for cell in records], scenes)


def _compared_with(
    parents: Sequence[tuple[str, ...]], ids: Sequence[str], scenes: Sequence[str]
) -> list[str]:
    """Return the nearest parent of cells, "" for none or where it was trained on another scene."""
    trained_on = dict(zip(ids, scenes, strict=True))
    return [
        parent if trained_on.get(parent, scene) == scene else ""
        for parent, scene in zip(controls.nearest_parents(parents, ids), scenes, strict=True)
    ]


def _table(records: Iterable[Record]) -> pd.DataFrame:
    """Return a row per record: what `cells` returns, when it began, the cells it belongs to."""
    settings, codes = bulk.Settings(), _Codes()
    rows, parents = [], []
    for cell in records:
        parents.append(tuple(cell.parents.values()))
        about = (cell.suite, cell.method, cell.variant, record.scene_label(cell), cell.budget)
        run = (cell.repetition, cell.seed, str(cell.provenance.get("started") or ""))
        known, made, quality = cell.identity, cell.provenance, cell.quality
        found = (
            cell.device,
            cell.scene.get("manifest") or "",
            codes.short(known),
            _text(quality.get("eval_views")),
            cell.backend,
            known.get("precision") or cell.facts.get("precision") or "",
            _text(known.get("threads") or made.get("threads")),
        )
        context = (_text(known.get("curve_views")), _commit(made), known.get("stale") or "")
        fewer = ", ".join(
            f"{k} of {v} views" for k, v in (quality.get("fewer_views") or {}).items()
        )
        end = (cell.role, cell.status, cell.reason)
        groups = {name: getattr(cell, name) for name in _GROUPS}
        figures = [groups[group].get(name) for name, group in _PLACES]
        figures[_MEAN] = figures[_MEAN] or _mean_step(cell)
        disturbed = disturbance.facts(cell.machine, made)
        figures[_TOTAL] = _total(cell)
        figures[_WORST], figures[_LOW] = per_view.lower_end(quality.get("per_view") or ())
        links = (cell.cell_id, "", cell.control)
        row = (*run, *found, *context, fewer, *end, *links, *disturbed, *figures)
        rows.append((*about, settings.text(cell.params), *row))
    frame = pd.DataFrame(rows, columns=_TABLE)
    frame["parent"] = _compared_with(parents, list(frame["cell_id"]), list(frame["scene"]))
    numbers = (*FIGURES, *disturbance.COLUMNS)  # what nobody measured is None
    return frame.astype(dict.fromkeys(numbers, float))


_PLACES = [(name, about.group) for name, about in FIGURES.items()]
_MEAN, _TOTAL, _WORST, _LOW = (
    list(FIGURES).index(name) for name in ("iter_ms_mean", "total_train_s", *per_view.FIGURES)
)
_LINKS = ["cell_id", "parent", "control"]
_GROUPS = tuple(dict.fromkeys(group for _, group in _PLACES))
_TABLE = [
    *ASKED,
    *("repetition", "seed", "started"),
    *FOUND,
    *("curve_views", "commit", "stale", "fewer"),
    *("role", "status", "reason"),
    *_LINKS,
    *disturbance.COLUMNS,
    *FIGURES,
]


class _Codes:
    """One short name for the source that made a cell, of its hashes; remembers what it was asked:
    most cells share theirs."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], str] = {}

    def short(self, identity: Mapping[str, Any]) -> str:
        """Return 32 bits in hexadecimal; "" for a record that does not say."""
        package = identity.get("package")
        if not package:
            return ""
        parts = (package, identity.get("method") or "", identity.get("scene_source") or "")
        if parts not in self._known:
            self._known[parts] = hashlib.sha256(" ".join(parts).encode()).hexdigest()[:8]
        return self._known[parts]


def _mean_step(cell: Record) -> float | None:
    """Return the mean iteration time of a record of before it was recorded, ms."""
    train_s, iterations = cell.time.get("train_s"), cell.time.get("iterations")
    return 1e3 * train_s / iterations if train_s and iterations else None


def _total(cell: Record) -> float | None:
    """Return the seconds of training with what was prepared before it."""
    train_s = cell.time.get("train_s")
    return None if train_s is None else train_s + (cell.time.get("prepare_s") or 0.0)


def _text(number: Any) -> str:
    return "" if number is None else str(number)


def _commit(made: Mapping[str, Any]) -> str:
    """Return a commit as git describes it: ten digits, and whether there were changes."""
    commit = str(made.get("commit") or "")[:10]
    return f"{commit}-dirty" if commit and made.get("dirty") else commit


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
        blank = (frame[column] == "") & (frame["status"] != "ok")
        if not blank.any():
            continue
        row = frame.groupby(list(ASKED)).ngroup()
        known = frame[column].where(~blank).groupby(row).agg(["nunique", "first"])
        only = known["first"].where(known["nunique"] == 1)
        frame = frame.assign(**{column: frame[column].mask(blank, row.map(only).fillna(""))})
    return frame


def _rows(frame: pd.DataFrame, terms: Terms | None) -> pd.DataFrame:
    """Return a row per group of cells that are one experiment: what each column of the
    leaderboard says of them. Whole columns at a time: there may be 100,000 cells."""
    identity = list(ROW)
    row = frame.groupby(identity, dropna=False).ngroup()
    first = frame.groupby(row)[[*ASKED, *FOUND]].first()
    done = frame["status"] == "ok"
    figures = frame.loc[done, list(FIGURES)].astype(float).groupby(row[done])
    is_row = (frame["role"] == "row").groupby(row).any()
    if terms is None:
        equal = pd.DataFrame(index=first.index, columns=list(TERMS), dtype=float)
        equal = equal.astype(dict.fromkeys(_WORDS, object)).fillna(dict.fromkeys(_WORDS, ""))
    else:
        equal = terms(frame, row)
    board = first.assign(
        n=done.groupby(row).sum(),
        status=_merged(frame["status"], row, _status),
        **figures.mean().reindex(first.index),
        psnr_std=figures["psnr"].std(ddof=1).reindex(first.index),
        curve_views=_merged(frame["curve_views"], row, _listed),
        commit=_merged(frame["commit"], row, _listed),
        speed=disturbance.relative_speed(frame).groupby(row).mean(),
        marks=marks.of_rows(frame, row),
        role=is_row.map({True: "row", False: "parent"}),
        reason=_merged(frame["reason"], row, lambda v: "; ".join(dict.fromkeys(r for r in v if r))),
    )
    return pd.concat([board, controls.gains(frame, row), equal], axis=1)


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


def _listed(values: pd.Series[str]) -> str:
    return ", ".join(sorted({value for value in values if value}))


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
