"""Adam in Triton: one pass over parameter, gradient and moments."""

from __future__ import annotations

import math

import triton.language as tl
from torch import Tensor

from effbench.kernels.gpu import blocks, jit, launch

_BLOCK = 1024  # elements per program


def step(
    parameter: Tensor,
    grad: Tensor,
    mean: Tensor,
    square: Tensor,
    count: Tensor,
    lr: float | Tensor,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    copy: Tensor | None,
) -> None:
    """See `bench.fused_adam.adam_step`."""
    size = parameter.numel()
    rate = lr if isinstance(lr, Tensor) else float(lr)
    launch(
        _step,
        (blocks(size, _BLOCK),),
        parameter.detach(),
        grad,
        mean,
        square,
        count,
        rate,
        parameter.detach() if copy is None else copy,
        size,
        float(eps),
        float(weight_decay),
        BETA1=betas[0],
        BETA2=betas[1],
        # 0 has no logarithm: a moment without memory has no bias
        LOG1=math.log2(betas[0]) if betas[0] else -math.inf,
        LOG2=math.log2(betas[1]) if betas[1] else -math.inf,
        ON_DEVICE=isinstance(lr, Tensor),
        COPY=copy is not None,
        BLOCK=_BLOCK,
    )


@jit
def _step(  # type: ignore[no-untyped-def]
    parameter,
    grad,
    mean,
    square,
    count,
    lr,
    copy,
    size,
    eps,
    weight_decay,
    BETA1: tl.constexpr,
    BETA2: tl.constexpr,
    LOG1: tl.constexpr,
    LOG2: tl.constexpr,
    ON_DEVICE: tl.constexpr,
    COPY: tl.constexpr,
    BLOCK: tl.constexpr,
):
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = i < size
    rate = tl.load(lr) if ON_DEVICE else lr
    # 1 − β^k cancels where k is small, so it takes double precision
    k = tl.load(count).to(tl.float64)
    unbiased = (1.0 - tl.exp2(k * LOG1)).to(tl.float32)
    root = tl.sqrt((1.0 - tl.exp2(k * LOG2)).to(tl.float32))
    p = tl.load(parameter + i, mask=inside, other=0.0)
    g = tl.load(grad + i, mask=inside, other=0.0) + weight_decay * p
    m = tl.load(mean + i, mask=inside, other=0.0)
    v = tl.load(square + i, mask=inside, other=0.0)
    m += (1.0 - BETA1) * (g - m)
    v = BETA2 * v + (1.0 - BETA2) * g * g
    p -= rate / unbiased * m / (tl.sqrt(v) / root + eps)
    tl.store(mean + i, m, mask=inside)
    tl.store(square + i, v, mask=inside)
    tl.store(parameter + i, p, mask=inside)
    if COPY:
        tl.store(copy + i, p.to(copy.dtype.element_ty), mask=inside)
