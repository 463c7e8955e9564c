"""Updates of an occupancy grid (Müller et al. 2022, appendix E.2) as `effbench.nerf` keeps it.

Notation: M cells in all, of which n are visited.
"""

from __future__ import annotations

import torch
from torch import Tensor

from effbench.kernels.backends import resolve


def raise_to(cells: Tensor, visited: Tensor, values: Tensor, backend: str = "auto") -> None:
    """Raise the visited `cells` (float32 [M] ≥ 0, in place) to `values` (float32 [n] ≥ 0).

    visited: int64 [n]; a cell visited more than once takes the largest value.
    """
    chosen = resolve(backend, cells.device)
    if chosen == "triton":
        from effbench.kernels.gpu import occupancy as gpu

        gpu.raise_to(cells, visited.contiguous(), values.contiguous())
        return
    if chosen == "cpu":
        from effbench.kernels.cpu import occupancy as cpu

        cpu.raise_to(cells.numpy(), visited.contiguous().numpy(), values.contiguous().numpy())
        return
    cells.scatter_reduce_(0, visited, values, "amax")


def pack_bits(cells: Tensor, threshold: Tensor, backend: str = "auto") -> Tensor:
    """Return uint8 [M / 8], lowest bit first: where `cells` (float32 [M]) exceed `threshold` (0-d).

    M has to be a multiple of 8.
    """
    chosen = resolve(backend, cells.device)
    bits = torch.empty(len(cells) // 8, dtype=torch.uint8, device=cells.device)
    if chosen == "triton":
        from effbench.kernels.gpu import occupancy as gpu

        gpu.pack_bits(cells.contiguous(), threshold, bits)
        return bits
    if chosen == "cpu":
        from effbench.kernels.cpu import occupancy as cpu

        cpu.pack_bits(cells.contiguous().numpy(), threshold.item(), bits.numpy())
        return bits
    powers = 1 << torch.arange(8, device=cells.device)
    return ((cells > threshold).view(-1, 8) * powers).sum(1).to(torch.uint8)
