"""Hardness in Triton: norms and sums of their powers by block, then one program for all that
follows from the sums. In double precision, since moments about the mean are differences of these.
"""

from __future__ import annotations

import torch
import triton.language as tl
from torch import Tensor

from effbench.kernels.gpu import blocks, jit, launch

_BLOCK = 1024  # samples per program
_CHUNK = 256  # blocks' sums at a time
_SAME = 1e-12  # relative variance of values that differ by rounding alone


def weigh(
    d_log_density: Tensor,
    d_logits: Tensor,
    count: Tensor,
    mean_tau: Tensor,
    rate: float,
    exponent: float,
    least: float,
    tiny: float,
) -> tuple[Tensor, Tensor]:
    """Return G [N] and, float32 [5], what it is divided by for h, b / B, 1 / τ̂, the skewness of h,
    and 0 or NaN; update `mean_tau`. See `effbench.kernels.hardness`."""
    size = len(d_log_density)
    programs = blocks(size, _BLOCK)
    norms = torch.empty_like(d_log_density)
    sums = norms.new_empty(programs, 3, dtype=torch.float64)
    numbers = norms.new_empty(5)
    arguments = (d_log_density, d_logits, norms, sums, size)
    launch(_norms, (programs,), *arguments, BLOCK=_BLOCK)
    launch(
        _weigh,
        (1,),
        sums,
        count,
        mean_tau,
        numbers,
        programs,
        float(rate),
        EXPONENT=float(exponent),
        LEAST=float(least),
        TINY=tiny,
        SAME=_SAME,
        CHUNK=_CHUNK,
    )
    return norms, numbers


@jit
def _norms(d_log_density, d_logits, norms, sums, count, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < count
    first = tl.load(d_log_density + i, mask=inside, other=0.0)
    channel = tl.arange(0, 4)[None, :]
    shown = inside[:, None] & (channel < 3)
    others = tl.load(d_logits + i[:, None] * 3 + channel, mask=shown, other=0.0)
    norm = tl.sqrt(first * first + tl.sum(others * others, 1))
    tl.store(norms + i, norm, mask=inside)
    x = norm.to(tl.float64)
    out = sums + tl.program_id(0) * 3
    tl.store(out, tl.sum(x, 0))
    tl.store(out + 1, tl.sum(x * x, 0))
    tl.store(out + 2, tl.sum(x * x * x, 0))


@jit
def _total(sums, power, count, CHUNK: tl.constexpr):  # type: ignore[no-untyped-def]
    total = tl.zeros([CHUNK], tl.float64)
    for start in range(0, count, CHUNK):
        block = start + tl.arange(0, CHUNK)
        total += tl.load(sums + block * 3 + power, mask=block < count, other=0.0)
    return tl.sum(total, 0)


@jit
def _weigh(  # type: ignore[no-untyped-def]
    sums,
    samples,
    mean_tau,
    numbers,
    count,
    rate,
    EXPONENT: tl.constexpr,
    LEAST: tl.constexpr,
    TINY: tl.constexpr,
    SAME: tl.constexpr,
    CHUNK: tl.constexpr,
):
    """Comparisons are the ones that leave a NaN what it is. samples: B; count: blocks."""
    number = tl.maximum(tl.load(samples), 1).to(tl.float64)
    mean = _total(sums, 0, count, CHUNK) / number
    square = _total(sums, 1, count, CHUNK) / number
    cube = _total(sums, 2, count, CHUNK) / number
    unit = tl.where(mean < TINY, TINY, mean)
    tau = tl.sqrt(square) / unit
    tau = tl.where(tau < 1.0, 1.0, tau)
    before = tl.load(mean_tau).to(tl.float64)
    running = (before + rate * (tau - before)).to(tl.float32)
    tl.store(mean_tau, running)
    wide = running.to(tl.float64)
    fraction = tl.exp2(-EXPONENT * tl.log2(wide))
    fraction = tl.where(fraction < LEAST, LEAST, fraction)
    variance = square - mean * mean
    third = cube - 3.0 * mean * square + 2.0 * mean * mean * mean
    same = variance <= SAME * mean * mean
    spread = tl.sqrt(tl.where(same, 1.0, variance))
    skewness = tl.where(same, 0.0, third / (spread * spread * spread))
    tl.store(numbers, unit.to(tl.float32))
    tl.store(numbers + 1, fraction.to(tl.float32))
    tl.store(numbers + 2, (1.0 / wide).to(tl.float32))
    tl.store(numbers + 3, skewness.to(tl.float32))
    tl.store(numbers + 4, running - running)
