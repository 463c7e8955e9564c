"""What a cell in flight goes on from when its run is interrupted: one file, whole or not there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from effbench import files
from effbench.cell.loop import TrainLog

_STEPS = "effbench.step_s"  # the tensor of the steps' durations, beside the method's own


def write(
    path: Path, snapshot: Mapping[str, Tensor], log: TrainLog, made_by: Mapping[str, Any]
) -> None:
    """Write a method's snapshot and the log of its training so far, atomically. made_by: the cell's
    identity (`effbench.cell.identity`)."""
    tensors = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in snapshot.items()}
    tensors[_STEPS] = torch.tensor(log.step_s, dtype=torch.float64)
    spent = {"train_s": log.train_s, "iterations": log.iterations}
    metadata = {"made by": json.dumps(made_by, sort_keys=True), "log": json.dumps(spent)}
    files.write_bytes(path, safetensors.torch.save(tensors, metadata))


def read(path: Path, made_by: Mapping[str, Any]) -> tuple[dict[str, Tensor], TrainLog] | None:
    """Return the snapshot and the log in `path`; None if there is none, or it cannot be used: it is
    damaged, or of other code, data or parents than `made_by`. The cell then starts anew."""
    if not path.exists():
        return None
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, safetensors.SafetensorError):
        return None
    if metadata.get("made by") != json.dumps(made_by, sort_keys=True):
        return None
    steps = tensors.pop(_STEPS).tolist()
    return tensors, TrainLog(**json.loads(metadata["log"]), step_s=steps)
