"""What the device can do at best: bytes copied and products multiplied per second, measured."""

from __future__ import annotations

import torch

from bench.gpu import milliseconds

_COPY_BYTES = 1 << 30
_MATRIX = 8192


def copy_gb_s(device: torch.device, rounds: int = 20) -> float:
    """Return 10⁹ bytes read and written per second by a copy of 1 GiB."""
    source = torch.empty(_COPY_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * _COPY_BYTES / 1e6 / milliseconds(lambda: target.copy_(source), rounds)


def matmul_tflop_s(device: torch.device, dtype: torch.dtype, rounds: int = 20) -> float:
    """Return 10¹² operations per second of a product of two 8192 × 8192 matrices."""
    a, b = (torch.randn(_MATRIX, _MATRIX, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(a)
    return 2 * _MATRIX**3 / 1e9 / milliseconds(lambda: torch.mm(a, b, out=out), rounds)


def measure(device: torch.device) -> dict[str, float]:
    """Return the ceilings by name."""
    return {
        "copy_gb_s": copy_gb_s(device),
        "matmul_bf16_tflop_s": matmul_tflop_s(device, torch.bfloat16),
        "matmul_fp16_tflop_s": matmul_tflop_s(device, torch.float16),
    }
