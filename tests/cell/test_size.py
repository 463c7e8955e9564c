"""Sizes of models and of their files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import zstandard

from effbench.cell.size import count_parameters, file_size
from effbench.errors import EffbenchError


def test_parameters_and_those_that_are_not_zero() -> None:
    dense = torch.ones(3, 4, requires_grad=True)
    sparse = torch.tensor([0.0, 1.0, 0.0, -2.0])
    assert count_parameters(iter([dense, sparse])) == (16, 14)
    assert count_parameters([]) == (0, 0)


class TestFileSize:
    def test_bytes_before_and_after_zstandard(self, tmp_path: Path) -> None:
        path = tmp_path / "model.safetensors"
        path.write_bytes(bytes(10_000))
        size, compressed = file_size(path)
        assert size == 10_000
        assert compressed == len(zstandard.ZstdCompressor(level=10).compress(bytes(10_000))) < 100

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(EffbenchError, match=r"gone\.bin: cannot be read"):
            file_size(tmp_path / "gone.bin")
