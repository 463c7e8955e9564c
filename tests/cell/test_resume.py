"""What a cell goes on from: what is written is read back; what is unusable is ignored."""

from __future__ import annotations

from pathlib import Path

import torch

from effbench.cell import resume
from effbench.cell.loop import TrainLog

MADE_BY = {"package": "a", "manifest": "b", "parents": {"student": "c"}}


def test_a_snapshot_comes_back_with_the_log(tmp_path: Path) -> None:
    path = tmp_path / "resume.safetensors"
    buffer = torch.arange(6.0).view(2, 3)
    log = TrainLog(train_s=1.5, iterations=3, step_s=[0.25, 0.5, 0.75])
    resume.write(path, {"a": buffer.t(), "b": buffer[0], "count": torch.tensor(7)}, log, MADE_BY)

    found = resume.read(path, MADE_BY)

    assert found is not None
    tensors, read = found
    assert torch.equal(tensors["a"], buffer.t())
    assert torch.equal(tensors["b"], buffer[0])
    assert int(tensors["count"]) == 7
    assert (read.train_s, read.iterations, read.step_s) == (1.5, 3, [0.25, 0.5, 0.75])


def test_what_is_not_there_or_damaged_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "resume.safetensors"
    assert resume.read(path, MADE_BY) is None
    path.write_bytes(b"half a file")
    assert resume.read(path, MADE_BY) is None


def test_what_other_code_or_data_left_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "resume.safetensors"
    resume.write(path, {"a": torch.ones(1)}, TrainLog(), MADE_BY)
    assert resume.read(path, dict(reversed(MADE_BY.items()))) is not None
    assert resume.read(path, {**MADE_BY, "package": "edited"}) is None
    assert resume.read(path, {**MADE_BY, "parents": {"student": "trained again"}}) is None
