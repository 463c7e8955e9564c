"""Checks of the Triton kernels against the reference, on a GPU or in Triton's interpreter.

pytest does not collect this folder by itself: tests/kernels/test_triton.py runs it in processes of
its own, since Triton reads TRITON_INTERPRET when its kernels are defined.
"""

from __future__ import annotations

import pytest
import torch

from effbench.kernels import backends


@pytest.fixture(scope="session")
def device() -> torch.device:
    """The GPU, or the CPU where Triton interprets."""
    if backends.interpreting():
        return torch.device("cpu")
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU or TRITON_INTERPRET=1")
    return torch.device("cuda")


@pytest.fixture(scope="session")
def scale(device: torch.device) -> int:
    """How many times larger than the smallest shapes the GPU's are."""
    return 1 if device.type == "cpu" else 100


@pytest.fixture
def generator(device: torch.device) -> torch.Generator:
    return torch.Generator(device).manual_seed(0)
