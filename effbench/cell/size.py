"""Size: numbers of a model and bytes of its file; 1 MB is 1e6 bytes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

from effbench.errors import EffbenchError

_ZSTD_LEVEL = 10  # near the best ratio on floats; higher levels only cost time


def count_parameters(tensors: Iterable[torch.Tensor]) -> tuple[int, int]:
    """Return how many numbers the tensors hold, and how many of them are not zero."""
    tensors = list(tensors)
    nonzero = sum(int(torch.count_nonzero(t.detach())) for t in tensors)
    return sum(t.numel() for t in tensors), nonzero


def file_size(path: str | Path) -> tuple[int, int]:
    """Return a file's bytes, and its bytes after zstandard at level 10.

    Raises EffbenchError when it cannot be read.
    """
    import zstandard

    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise EffbenchError(f"{path}: cannot be read ({error.strerror}): check the path") from error
    return len(data), len(zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(data))
