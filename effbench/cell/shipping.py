"""What a user would ship of a trained method: its file and sizes, and its export."""

from __future__ import annotations

import json

import safetensors.torch
import torch

import effbench
from effbench import files
from effbench.cell.size import count_parameters, file_size
from effbench.cell.task import Task
from effbench.errors import Diverged
from effbench.export.cell import ON_DEMAND, measure_export
from effbench.method import Method
from effbench.records.layout import MODEL, ONNX


def save(task: Task, method: Method) -> None:
    """Write what a user would ship, and measure its sizes. Raises Diverged for NaN in any of it."""
    _check_finite(method)
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


def _check_finite(method: Method) -> None:
    """Raise Diverged for a method that ended with numbers that are none, though its losses and the
    views that were looked at did not show it: an entry that no test ray meets, a grid's cell."""
    trained = {f"parameter {i}": tensor for i, tensor in enumerate(method.parameters())}
    broken = [name for name, tensor in trained.items() if not torch.isfinite(tensor).all()]
    broken += [name for name, tensor in method.state().items() if torch.isnan(tensor).any()]
    if broken:
        named = ", ".join(broken[:3]) + (f" and {len(broken) - 3} more" if len(broken) > 3 else "")
        raise Diverged(f"the trained model holds NaN or infinity, in {named}")


def export(task: Task, method: Method) -> None:
    """Export what is made to be shipped as ONNX, and measure a fresh process that runs it."""
    if not method.exported_with_cell:
        task.measured.export = {"reason": ON_DEMAND}
        return
    task.report("export", 0.0, "")
    task.measured.export = measure_export(method, task.folder / ONNX)
