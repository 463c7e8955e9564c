"""The leaderboard as a page that people read: rounded, with units, failures and means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from tabulate import tabulate

_LEGEND = """\
PSNR is the mean ± sample standard deviation over n seeds; a row with n=1 has no deviation. MB are \
1e6 bytes. train: time the clock counted; setup: scene to device, compilation, warm-up; prepare: \
parents and pseudo views. iter: median duration of one iteration, and its 95th percentile. peak: \
memory while training; saved: kept for backward by one iteration. model: the shipped file, and \
after zstandard (zst). What each column means is in docs/records.md."""


def render(frame: pd.DataFrame, means: pd.DataFrame, problems: Sequence[str]) -> str:
    """Return the page of `tables.leaderboard`, `tables.suite_means` and messages to list."""
    parts = ["# Leaderboard"]
    if frame.empty:
        parts.append("No records.")
    for (suite, scene, budget, device), rows in frame.groupby(
        ["suite", "scene", "budget", "device"], sort=False
    ):
        parts += [f"## {suite} · {scene}", _about(budget, device), _table(rows)]
    for (suite, budget, device), rows in means.groupby(["suite", "budget", "device"], sort=False):
        scenes = rows["scenes"].iloc[0]
        parts += [f"## {suite} · mean of {scenes} scenes", _about(budget, device), _table(rows)]
    if not frame.empty:
        parts.append(_LEGEND + _unmeasured(frame))
    failed = [_failure(row) for row in frame.to_dict("records") if row["status"] != "ok"]
    if failed:
        parts += ["## Failures", "\n".join(failed)]
    if problems:
        parts += ["## Records that could not be read", "\n".join(f"* {p}" for p in problems)]
    return "\n\n".join(parts) + "\n"


def _decimals(count: int) -> Callable[[Any], str]:
    return lambda value: f"{value:.{count}f}"


def _significant(value: Any) -> str:
    """Return a duration, size or rate with about three significant digits, never in exponents."""
    size = abs(float(value))
    places = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 or size == 0 else 4
    return f"{value:.{places}f}"


def _integer(value: Any) -> str:
    return f"{int(value):,}"


# Column: heading with its unit, and how a figure is written.
_FIGURES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "ssim": ("SSIM", _decimals(4)),
    "lpips_vgg": ("LPIPS VGG", _decimals(4)),
    "lpips_alex": ("LPIPS Alex", _decimals(4)),
    "flip": ("FLIP", _decimals(4)),
    "train_s": ("train s", _significant),
    "setup_s": ("setup s", _significant),
    "prepare_s": ("prepare s", _significant),
    "iterations": ("iterations", _integer),
    "iter_ms": ("iter ms", _significant),
    "iter_ms_p95": ("iter p95 ms", _significant),
    "peak_mem_mb": ("peak MB", _significant),
    "saved_mb": ("saved MB", _significant),
    "params": ("parameters", _integer),
    "nonzero": ("non-zero", _integer),
    "model_mb": ("model MB", _decimals(3)),
    "model_zst_mb": ("zst MB", _decimals(3)),
    "render_ms": ("render ms", _significant),
    "fps": ("FPS", _significant),
    "energy_j": ("energy J", _significant),
    "export_mb": ("ONNX MB", _decimals(3)),
    "latency_ms": ("latency ms", _significant),
    "latency_p95_ms": ("latency p95 ms", _significant),
    "export_fps": ("ONNX FPS", _significant),
    "peak_ram_mb": ("ONNX RAM MB", _significant),
    "macs": ("MACs", _integer),
}


def _table(rows: pd.DataFrame) -> str:
    """Return a GitHub table; figures that no row has are left out."""
    cells: dict[str, list[str]] = {
        "method": [_escape(_method(row)) for row in rows.to_dict("records")],
        "variant": [_escape(v.replace(",", ", ")) for v in rows["variant"]],
    }
    if "n" in rows:
        cells["seeds"] = [f"n={n}" for n in rows["n"]]
        cells["status"] = ["" if s == "ok" else s for s in rows["status"]]
    cells["PSNR dB"] = [_psnr(row) for row in rows.to_dict("records")]
    for name, (heading, written) in _FIGURES.items():
        if name in rows:
            cells[heading] = ["" if pd.isna(v) else written(v) for v in rows[name]]
    if "backend" in rows:
        cells["backend"] = [_escape(b) for b in rows["backend"]]
    cells = {name: column for name, column in cells.items() if name == "method" or any(column)}
    text = ("method", "variant", "seeds", "status", "backend")
    align = ["left" if name in text else "right" for name in cells]
    return tabulate(cells, headers="keys", tablefmt="github", colalign=align, disable_numparse=True)


def _method(row: dict[Any, Any]) -> str:
    return f"{row['method']} (parent)" if row.get("role") == "parent" else str(row["method"])


def _psnr(row: dict[Any, Any]) -> str:
    if pd.isna(row["psnr"]):
        return ""
    deviation = row.get("psnr_std")
    return f"{row['psnr']:.2f}" + ("" if pd.isna(deviation) else f" ± {deviation:.2f}")


def _about(budget: object, device: object) -> str:
    return f"Budget {budget}" + (f" on {device}." if device else ".")


def _unmeasured(frame: pd.DataFrame) -> str:
    done = frame[frame["n"] > 0]
    empty = [name for name in _FIGURES if len(done) and done[name].isna().all()]
    names = ", ".join(f"`{name}`" for name in empty)
    return f" Not measured in any row: {names}; the records say why." if empty else ""


def _failure(row: dict[Any, Any]) -> str:
    name = " ".join(part for part in (row["method"], row["variant"]) if part)
    reason = " ".join(str(row["reason"]).split()) or "no reason recorded"
    return f"* **{name}** on {row['scene']}, {row['budget']}: {row['status']}. {reason}"


def _escape(text: object) -> str:
    return str(text).replace("|", "\\|")
