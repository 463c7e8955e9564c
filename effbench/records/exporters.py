"""Finished cells in other tools' formats: TensorBoard event files, NerfBaselines results.

docs/interoperability.md says what becomes of each field.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from effbench import files
from effbench.analysis.figures import FIGURES
from effbench.errors import ConfigError, RecordError, unknown
from effbench.records import record, tables
from effbench.records.layout import CURVE, RENDERS
from effbench.records.record import Record

_IMAGES = 4  # renders shown in TensorBoard
_METRICS = {"psnr": "psnr", "ssim": "ssim", "lpips_alex": "lpips", "lpips_vgg": "lpips_vgg"}


def export(folders: Iterable[str | Path], out: str | Path, form: str) -> list[Path]:
    """Write every finished cell below `folders` as `form` ("tensorboard" or "nerfbaselines") below
    `out`; return what was written. Of a cell that was run more than once the last run counts.

    Raises RecordError if there is no finished cell or a file cannot be read; ConfigError for an
    unknown form, a missing package or cells of equal ids (of several machines).
    """
    if form not in FORMS:
        raise unknown("format", form, FORMS)
    found = record.locate(folders)
    kept = {id(each) for each in tables.latest(list(found.values()))}
    cells = {f: r for f, r in found.items() if r.status == "ok" and id(r) in kept}
    if not cells:
        raise RecordError(f"{', '.join(map(str, folders))}: no finished cells: name output folders")
    ids = [cell.cell_id for cell in cells.values()]
    if len(set(ids)) < len(ids):
        raise ConfigError(
            "several machines' cells have the same id: export one machine's at a time"
        )
    return [FORMS[form](folder, cell, Path(out)) for folder, cell in cells.items()]


def to_tensorboard(folder: Path, cell: Record, out: Path) -> Path:
    """Write a cell's curve, diagnostics, final figures, parameters and some renders as events.

    The run is `out`/<cell id>; an earlier export of it is replaced. Steps are iterations; an
    event's time is the start of the cell plus its training time, so that "relative" shows counted
    training time. Raises ConfigError where tensorboard is not installed.
    """
    writer = _event_writer()
    run = out / cell.cell_id
    for earlier in run.glob("events.out.tfevents.*"):
        earlier.unlink()
    started = _seconds(cell.provenance.get("started"))
    events = writer(run)
    events.hparams(_flat(cell), started)
    curve = tables.read_csv(folder / CURVE) if (folder / CURVE).exists() else pd.DataFrame()
    for point in curve.to_dict("records"):
        values = {
            f"training/{k}": v for k, v in point.items() if k not in ("fraction", "iteration")
        }
        events.scalars(int(point["iteration"]), started + float(point["train_s"]), values)
    last = int(cell.time.get("iterations") or 0)
    ended = started + float(cell.time.get("train_s") or 0)
    final = {
        f"final/{name}": getattr(cell, about.group).get(name) for name, about in FIGURES.items()
    }
    events.scalars(last, ended, final)
    for path in sorted((folder / RENDERS).glob("*.png"))[:_IMAGES]:
        events.image(last, ended, f"render/{path.stem}", path.read_bytes())
    events.close()
    return run


def to_nerfbaselines(_folder: Path, cell: Record, out: Path) -> Path:
    """Write a cell as NerfBaselines' results JSON, `out`/<cell id>.json.

    Figures that effbench does not measure (mae, mse) and hashes of NerfBaselines' own archives are
    left out, never made up.
    """
    path = out / f"{cell.cell_id}.json"
    files.write_json(path, nerfbaselines_results(cell))
    return path


def nerfbaselines_results(cell: Record) -> dict[str, Any]:
    """Return a cell as NerfBaselines' results: `nb_info`, `metrics`, and `metrics_raw`, the values
    of every test view as base64 of little-endian float32, in the order of the views' names."""
    views = sorted(cell.quality.get("per_view", ()), key=lambda view: str(view["name"]))
    metrics, raw = {}, {}
    for own, theirs in _METRICS.items():
        if cell.quality.get(own) is None:
            continue
        metrics[theirs] = round(float(cell.quality[own]), 5)
        values = [view.get(own) for view in views]
        if values and None not in values:
            packed = struct.pack(f"<{len(values)}f", *values)
            raw[theirs] = base64.b64encode(packed).decode("ascii")
    family, _, scene = str(cell.scene["name"]).partition("/")
    digest = hashlib.sha256("".join(raw.values()).encode("ascii")).hexdigest()
    return {
        "nb_info": {
            "method": cell.method,
            "num_iterations": cell.time.get("iterations"),
            "total_train_time": cell.time.get("train_s"),
            "resources_utilization": _resources(cell),
            "datetime": cell.provenance.get("started"),
            "config_overrides": cell.params,
            "dataset_background_color": _background(cell),
            "color_space": "srgb",
            "dataset_metadata": {
                "id": _DATASETS.get(family, family),
                "scene": scene,
                "downscale_factor": cell.scene.get("params", {}).get("downscale", 1),
            },
            "evaluation_protocol": _PROTOCOL,
            "effbench": {"cell_id": cell.cell_id, "budget": cell.budget, "seed": cell.seed},
        },
        "metrics": metrics,
        "metrics_raw": raw,
        "metrics_sha256": digest,
        "evaluation_protocol": _PROTOCOL,
    }


FORMS: Mapping[str, Callable[[Path, Record, Path], Path]] = {
    "tensorboard": to_tensorboard,
    "nerfbaselines": to_nerfbaselines,
}
_PROTOCOL = "effbench"  # not theirs: 8-bit rounding and SSIM's window differ
_DATASETS = {"nerf_synthetic": "blender", "mipnerf360": "mipnerf360"}


def _resources(cell: Record) -> dict[str, Any]:
    peak = cell.memory.get("peak_mem_mb")
    rounded = None if peak is None else round(peak)
    on_gpu = cell.provenance.get("cuda") is not None
    return {"gpu_name": cell.device, "gpu_memory": rounded} if on_gpu else {"memory": rounded}


def _background(cell: Record) -> list[int] | None:
    color = cell.scene.get("background")
    return None if color is None else [round(255 * value) for value in color]


def _flat(cell: Record) -> dict[str, bool | float | str]:
    """Return what sets a cell apart, as TensorBoard's table of parameters takes it."""
    about = {
        "method": cell.method,
        "scene": record.scene_label(cell),
        "budget": cell.budget,
        "repetition": cell.repetition,
        "device": cell.device,
        **cell.params,
    }
    return {
        name: value if isinstance(value, bool | int | float | str) else json.dumps(value)
        for name, value in about.items()
    }


def _seconds(started: object) -> float:
    try:
        return datetime.fromisoformat(str(started)).timestamp()
    except ValueError:
        return 0.0


def _event_writer() -> Callable[[Path], Any]:
    try:
        from effbench.records.tensorboard_events import Events
    except ImportError as error:
        raise ConfigError(
            f"TensorBoard's event files need the package tensorboard ({error}): "
            "pip install 'effbench[tensorboard]'"
        ) from error
    return Events
