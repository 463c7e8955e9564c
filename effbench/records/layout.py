"""The files of a run's output folder."""

from __future__ import annotations

from pathlib import Path

RECORD, MODEL, ONNX, CURVE, TABLES, LOG, RENDERS, MAPS, RESUME, TRACE, PROFILE = (
    "record.json",
    "model.safetensors",
    "model.onnx",
    "curve.csv",
    "tables",
    "log.txt",
    "renders",
    "maps",
    "resume.safetensors",  # of a cell in flight whose method can go on from where it was
    "trace.json.gz",
    "profile.csv",
)


def cell_folder(out: Path, cell_id: str) -> Path:
    """Return the folder of a cell below a run's output folder."""
    return out / "cells" / cell_id


def truth_folder(out: Path, scene_key: str) -> Path:
    """Return the folder of a scene's ground truth, which all cells of the scene share."""
    return out / "truth" / scene_key
