"""Multiresolution hash encoding (Müller et al. 2022, Instant Neural Graphics Primitives, §3).

Notation: N points, L levels, F = 2 features per entry, T entries in a hashed level, S entries in
all levels. Level l has scale s_l = base·b^l − 1 and lattice coordinates x·s_l + 0.5; its vertices
run from 0 to R_l = ⌈s_l⌉ + 1 on each axis. A level whose (R_l + 1)³ vertices fit in T is dense,
the others hash (x·1) xor (y·2654435761) xor (z·805459861) mod T.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from effbench.kernels.backends import resolve
from effbench.kernels.hash_layout import HashLayout
from effbench.method.spans import ENCODING_BACKWARD, span

PRIMES = (1, 2654435761, 805459861)


def hash_encode(
    positions: Tensor,
    table: Tensor,
    layout: HashLayout,
    backend: str = "auto",
    encoded: Tensor | None = None,
) -> Tensor:
    """Encode `positions` (float32 [N, 3] in [0, 1]) with `table` (float32 [S, F]) as
    float32 [N, L·F].

    Differentiable in `table`, and in `positions` where these ask for it. `encoded` may hold the
    result of an earlier call for the same positions and table: the forward pass then costs nothing
    and the gradient is the same.
    """
    chosen = resolve(backend, positions.device)
    if chosen == "reference":
        return hash_encode_reference(positions, table, layout)
    return _HashEncode.apply(positions, table, layout, encoded, chosen)  # type: ignore[no-any-return, no-untyped-call]


class _HashEncode(torch.autograd.Function):
    """The kernels as one differentiable operation."""

    @staticmethod
    def forward(
        ctx: Any,
        positions: Tensor,
        table: Tensor,
        layout: HashLayout,
        encoded: Tensor | None,
        backend: str,
    ) -> Tensor:
        positions = positions.contiguous()
        table = table.detach()
        ctx.save_for_backward(positions, *([table] if ctx.needs_input_grad[0] else []))
        ctx.layout, ctx.rows, ctx.backend = layout, table.shape, backend
        if encoded is not None:
            return encoded.view_as(encoded)
        features = table.new_empty(len(positions), layout.width)
        if backend == "cpu":
            from effbench.kernels.cpu import hash_encoding as cpu

            cpu.forward(positions.numpy(), table.numpy(), layout, features.numpy())
            return features
        from effbench.kernels.gpu import hash_encoding as gpu

        gpu.forward(positions, table, layout, features)
        return features

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        positions, *table = ctx.saved_tensors
        with span(ENCODING_BACKWARD):
            gradient = grads[0].contiguous()
            if ctx.backend == "cpu":
                from effbench.kernels.cpu import hash_encoding as cpu

                table_grad = torch.empty(ctx.rows)
                table_grad[ctx.layout.rows :] = 0  # levels that are not encoded yet
                cpu.backward(positions.numpy(), gradient.numpy(), ctx.layout, table_grad.numpy())
            else:
                from effbench.kernels.gpu import hash_encoding as gpu

                table_grad = torch.zeros(ctx.rows, device=positions.device)
                gpu.backward(positions, gradient, ctx.layout, table_grad)
            by_position = _position_gradient(positions, gradient, table[0], ctx) if table else None
            return by_position, table_grad, None, None, None


def _position_gradient(positions: Tensor, gradient: Tensor, table: Tensor, ctx: Any) -> Tensor:
    """Return the gradient by positions [N, 3] of an output gradient [N, L·F]."""
    if ctx.backend == "cpu":
        from effbench.kernels.cpu import hash_positions as cpu

        found = cpu.backward(positions.numpy(), gradient.numpy(), table.numpy(), ctx.layout)
        return torch.from_numpy(found)
    with torch.enable_grad():  # elsewhere by the definition
        points = positions.detach().requires_grad_()
        features = hash_encode_reference(points, table, ctx.layout)
    return torch.autograd.grad(features, points, gradient)[0]


def hash_encode_reference(positions: Tensor, table: Tensor, layout: HashLayout) -> Tensor:
    """The definition, level by level in eager torch, for any floating type and device."""
    features = []
    for level in range(layout.levels):
        scaled = positions * float(layout.scales[level]) + 0.5
        cell = scaled.floor()
        fraction = scaled - cell
        total = torch.zeros(len(positions), table.shape[1], dtype=table.dtype, device=table.device)
        for corner in range(8):
            bits = corner >> torch.arange(3, device=cell.device) & 1
            weight = torch.where(bits == 1, fraction, 1 - fraction).prod(-1, keepdim=True)
            rows = _row(cell.long() + bits, level, layout)
            total = total + weight.to(table.dtype) * table[rows]
        features.append(total)
    return torch.cat(features, -1)


def _row(vertex: Tensor, level: int, layout: HashLayout) -> Tensor:
    """Return the table row (int64 [N]) of lattice `vertex` (int64 [N, 3])."""
    x, y, z = vertex.unbind(-1)
    offset = int(layout.offsets[level])
    if layout.dense[level]:
        stride = int(layout.strides[level])
        return offset + x + stride * (y + stride * z)
    mask = 0xFFFFFFFF  # the hash is defined on 32-bit unsigned integers
    hashed = x ^ (y * PRIMES[1] & mask) ^ (z * PRIMES[2] & mask)
    return offset + hashed % (1 << layout.log2_table)
