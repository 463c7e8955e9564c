"""Leaderboards and curves from records alone: one row per method × variant × scene × budget.

A figure is the mean over seeds of the cells that finished. Units are part of the column names
(`_s` seconds, `_ms` milliseconds, `_mb` 1e6 bytes, `_j` joules; PSNR in dB); docs/records.md says
what each one means.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from effbench import files, record
from effbench.errors import RecordError
from effbench.outcome import CURVE
from effbench.record import Record

# Column to the group of the record that holds the figure, in the leaderboard's order.
_FIGURES = {
    "psnr": "quality",
    "ssim": "quality",
    "lpips_vgg": "quality",
    "lpips_alex": "quality",
    "flip": "quality",
    "train_s": "time",
    "setup_s": "time",
    "prepare_s": "time",
    "iterations": "time",
    "iter_ms": "time",
    "iter_ms_p95": "time",
    "peak_mem_mb": "memory",
    "saved_mb": "memory",
    "params": "size",
    "nonzero": "size",
    "model_mb": "size",
    "model_zst_mb": "size",
    "render_ms": "time",
    "fps": "time",
    "energy_j": "energy",
}
COLUMNS = (
    *("suite", "method", "variant", "scene", "n", "budget", "status", "psnr", "psnr_std"),
    *(name for name in _FIGURES if name != "psnr"),
    *("device", "backend"),
)
_EXPORT_FIGURES = ("export_mb", "latency_ms", "latency_p95_ms", "export_fps", "peak_ram_mb", "macs")
_FIGURES |= dict.fromkeys(_EXPORT_FIGURES, "export")
EXTRA_COLUMNS = ("role", "reason", *_EXPORT_FIGURES)
CELL = ("suite", "method", "variant", "scene", "repetition", "seed")
_COUNTS = ("n", "iterations", "params", "nonzero", "macs")

# What one row is about. Cells that failed early may not know their device or the scene's hash.
_IDENTITY = ["suite", "method", "variant", "scene", "budget", "settings"]
_LATE_IDENTITY = ["device", "manifest"]


def latest(records: Sequence[Record]) -> list[Record]:
    """Return the records in order, of a cell that was run more than once only the last run."""
    by_start = sorted(records, key=lambda r: str(r.provenance.get("started") or ""))
    last = {(*_identity(r).values(), r.device, r.seed): r for r in by_start}
    keep = {id(r) for r in last.values()}
    return [r for r in records if id(r) in keep]


def cells(records: Sequence[Record]) -> pd.DataFrame:
    """Return a row per record: suite, method, variant, scene, budget, settings (all parameters, as
    JSON), repetition, device, manifest, backend, role, status, reason, and every figure."""
    frame = pd.DataFrame([_cell(r) for r in records])
    for column in _LATE_IDENTITY:  # a failed seed belongs to the row of the seeds that finished
        frame[column] = frame.groupby(_IDENTITY)[column].transform(_adopt_only_known)
    return frame


def leaderboard(records: Sequence[Record]) -> pd.DataFrame:
    """Return COLUMNS, EXTRA_COLUMNS, then `param.<name>` for parameters that differ, per row.

    Figures are means over the seeds with status ok, `n` their number, `psnr_std` the sample
    standard deviation (ddof = 1), empty for n = 1. `status` is ok or like "ok 2/3, oom 1/3".
    Sorted by suite, scene, budget and device, then the best PSNR first.
    """
    records = latest(records)
    columns = [*COLUMNS, *EXTRA_COLUMNS]
    if not records:
        return pd.DataFrame(columns=columns)
    rows = [_row(g) for _, g in cells(records).groupby([*_IDENTITY, *_LATE_IDENTITY], dropna=False)]
    frame = pd.DataFrame(rows)
    frame[list(_FIGURES)] = frame[list(_FIGURES)].astype(float)
    for name in _COUNTS:
        frame[name] = frame[name].astype(float).round().astype("Int64")
    varying = _varying_params(frame.pop("settings").map(json.loads))
    frame = pd.concat([frame[columns], varying], axis=1)
    order = ["suite", "scene", "budget", "device", "psnr"]
    return frame.sort_values(order, ascending=[True] * 4 + [False], ignore_index=True)


def suite_means(frame: pd.DataFrame) -> pd.DataFrame:
    """Return unweighted means over scenes, for methods that have all the scenes of their suite.

    Empty for suites of a single scene.
    """
    figures = [name for name in _FIGURES if name not in _COUNTS]
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
    from effbench.markdown import render

    return render(frame, suite_means(frame), problems)


def curves(folder: str | Path, records: Sequence[Record]) -> pd.DataFrame:
    """Return the training curves of the finished cells below `folder`, one row per point.

    Columns: suite, method, variant, scene, repetition, seed, fraction, train_s (seconds),
    iteration, psnr (dB), loss, budget, device, then what the methods' diagnostics add.
    Raises RecordError for a curve that cannot be read; a cell without one has no rows.
    """
    return join(folder, records, CURVE, ["fraction", "train_s", "iteration", "psnr", "loss"])


def join(
    folder: str | Path, records: Sequence[Record], file: str, first: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the CSV files called `file` in the folders of the finished cells below `folder`, with
    CELL columns in front, then `first`, budget, device and whatever else the files have.

    Raises RecordError for a file that cannot be read; a cell without one has no rows.
    """
    fixed = [*CELL, *first, "budget", "device"]
    depth = len(Path(file).parts) - 1
    found = {p.parents[depth].name: p for p in sorted(Path(folder).rglob(f"cells/*/{file}"))}
    parts = [pd.DataFrame(columns=fixed)]
    for cell in latest(records):
        if cell.status != "ok" or cell.cell_id not in found:
            continue
        known = {name: getattr(cell, name) for name in [*CELL, "budget", "device"]}
        part = read_csv(found[cell.cell_id])
        parts.append(part.assign(**{**known, "scene": record.scene_label(cell)}))
    frame = pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
    return frame[[*fixed, *(name for name in frame if name not in fixed)]]


def write_tables(out_dir: str | Path) -> list[Path]:
    """Write leaderboard.csv, leaderboard.md and curves.csv of the records below `out_dir`.

    A record that cannot be read is named at the end of leaderboard.md. Raises RecordError when
    `out_dir` does not exist, EffbenchError when it cannot be written.
    """
    out = Path(out_dir)
    unreadable: list[RecordError] = []
    records = record.load([out], errors="skip", skipped=unreadable)
    frame = leaderboard(records)
    contents = {
        "leaderboard.csv": to_csv(frame),
        "leaderboard.md": to_markdown(frame, [str(error) for error in unreadable]),
        "curves.csv": to_csv(curves(out, records)),
    }
    for name, text in contents.items():
        files.write_text(out / name, text)
    return [out / name for name in contents]


def _identity(cell: Record) -> dict[str, str]:
    return {
        "suite": cell.suite,
        "method": cell.method,
        "variant": cell.variant,
        "scene": record.scene_label(cell),
        "budget": cell.budget,
        "settings": json.dumps(cell.params, sort_keys=True),
    }


def _cell(cell: Record) -> dict[str, Any]:
    return {
        **_identity(cell),
        "repetition": cell.repetition,
        "device": cell.device,
        "manifest": cell.scene.get("manifest") or "",
        "backend": cell.backend,
        "role": cell.role,
        "status": cell.status,
        "reason": cell.reason,
        **{name: getattr(cell, group).get(name) for name, group in _FIGURES.items()},
    }


def _adopt_only_known(values: pd.Series[str]) -> pd.Series[str]:
    known = {value for value in values if value}
    return values.mask(values == "", known.pop()) if len(known) == 1 else values


def _row(cells: pd.DataFrame) -> dict[str, Any]:
    done = cells[cells["status"] == "ok"]
    figures = done[list(_FIGURES)].astype(float)
    same = {name: cells[name].iloc[0] for name in [*_IDENTITY, "device"]}
    return {
        **same,
        "n": len(done),
        "status": _status(cells["status"]),
        **figures.mean(),
        "psnr_std": figures["psnr"].std(ddof=1),
        "backend": ", ".join(sorted({b for b in cells["backend"] if b})),
        "role": "row" if (cells["role"] == "row").any() else "parent",
        "reason": "; ".join(dict.fromkeys(r for r in cells["reason"] if r)),
    }


def _status(statuses: pd.Series[str]) -> str:
    counts = Counter(sorted(statuses, key=lambda s: (s != "ok", s)))
    if len(counts) == 1:
        return str(statuses.iloc[0])
    return ", ".join(f"{name} {count}/{len(statuses)}" for name, count in counts.items())


def _varying_params(settings: pd.Series[Any]) -> pd.DataFrame:
    """Return `param.<name>` for each parameter that takes more than one value, as JSON text."""
    table: dict[str, list[str | None]] = {}
    for name in dict.fromkeys(name for params in settings for name in params):
        values = [json.dumps(p[name]).strip('"') if name in p else None for p in settings]
        if len({value for value in values if value is not None}) > 1:
            table[f"param.{name}"] = values
    return pd.DataFrame(table, index=settings.index, dtype=object)


def read_csv(path: Path) -> pd.DataFrame:
    """Return a cell's curve or table. Raises RecordError when it cannot be read."""
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise RecordError(f"{path}: is not a valid table ({error}): run the cell again") from error
