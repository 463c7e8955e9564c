"""What a user would ship of a trained method: its file and sizes, and its export."""

from __future__ import annotations

import json

import safetensors.torch
import torch

import effbench
from effbench import files
from effbench.cell.size import count_parameters, file_size
from effbench.cell.task import Task
from effbench.export.cell import ON_DEMAND, measure_export
from effbench.method import Method
from effbench.records.layout import MODEL, ONNX


def save(task: Task, method: Method) -> None:
    """Write what a user would ship, and measure its sizes."""
    # Views of one buffer are made tensors of their own: safetensors refuses shared memory.
    state = {
        key: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for key, tensor in method.state().items()
    }
    metadata = {
        "effbench": effbench.__version__,
        "method": task.cell.method,
        "params": json.dumps(dict(task.cell.params)),
        "scene": task.cell.scene.name,
    }
    path = task.folder / MODEL
    files.write_bytes(path, safetensors.torch.save(state, metadata))
    size, compressed = file_size(path)
    parameters, nonzero = count_parameters(method.parameters())
    task.measured.size = {
        "params": parameters,
        "nonzero": nonzero,
        "model_mb": size / 1e6,
        "model_zst_mb": compressed / 1e6,
        "model_bytes": size,
        "model_zst_bytes": compressed,
    }


def export(task: Task, method: Method) -> None:
    """Export what is made to be shipped as ONNX, and measure a fresh process that runs it."""
    if not method.exported_with_cell:
        task.measured.export = {"reason": ON_DEMAND}
        return
    task.report("export", 0.0, "")
    task.measured.export = measure_export(method, task.folder / ONNX)
