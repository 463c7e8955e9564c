"""Volume rendering in Triton: one program of one warp per ray, a chunk of samples at a time.

A ray ends where its transmittance is 0 in float32: nothing behind adds to its colour and nothing
there has a gradient, so the gradients are zeros to begin with and the loop stops. So do those of
the slots behind the last ray.
"""

from __future__ import annotations

import triton.language as tl
from torch import Tensor

from effbench.kernels.gpu import jit, launch

_CHUNK = 32  # samples at a time: a warp; few rays have many more after compaction
_OPAQUE = tl.constexpr(104.0)  # exp(−104) is below the smallest number of float32


def forward(
    optical_depth: Tensor,
    colors: Tensor,
    offsets: Tensor,
    background: Tensor,
    color: Tensor,
    opacity: Tensor,
) -> None:
    """Write `color` [R, 3] and `opacity` [R]; see `effbench.kernels.volume_rendering`."""
    arguments = (optical_depth, colors, offsets, background, color, opacity)
    launch(_forward, (len(opacity),), *arguments, CHUNK=_CHUNK, num_warps=1)


def backward(
    optical_depth: Tensor,
    colors: Tensor,
    offsets: Tensor,
    color: Tensor,
    grad: Tensor,
    d_optical_depth: Tensor,
    d_colors: Tensor,
) -> None:
    """Write the gradients of a loss with ∂L/∂color = `grad` [R, 3]; they must be zeros before."""
    arguments = (optical_depth, colors, offsets, color, grad, d_optical_depth, d_colors)
    launch(_backward, (len(color),), *arguments, CHUNK=_CHUNK, num_warps=1)


def visible_counts(optical_depth: Tensor, offsets: Tensor, limit: float, counts: Tensor) -> None:
    """Write how many samples of each ray have at most `limit` optical depth before them."""
    arguments = (optical_depth, offsets, float(limit), counts)
    launch(_visible_counts, (len(counts),), *arguments, CHUNK=_CHUNK, num_warps=1)


@jit
def _chunk(optical_depth, start, stop, before, CHUNK: tl.constexpr):  # type: ignore[no-untyped-def]
    """Return indices, which of them are on the ray, τ, and the optical_depth before each sample.

    The sum before a sample is that of the samples before it, not a difference: behind a sample of
    optical_depth 10⁶ a difference of float32 sums has lost the digits that tell the transmittance.
    """
    lane = tl.arange(0, CHUNK)
    i = start + lane
    inside = i < stop
    tau = tl.load(optical_depth + i, mask=inside, other=0.0)
    previous = tl.load(optical_depth + i - 1, mask=inside & (lane > 0), other=0.0)
    return i, inside, tau, before + tl.cumsum(previous, 0)


@jit
def _goes_on(before):  # type: ignore[no-untyped-def]
    """Return whether light still comes through, or nobody knows: NaN is for all samples behind."""
    return (before < _OPAQUE) | (before != before)


@jit
def _absorbed(tau):  # type: ignore[no-untyped-def]
    """Return 1 − exp(−τ), by its series where the difference would have few digits."""
    series = tau * (1.0 - tau * (0.5 - tau * (1.0 / 6.0)))
    return tl.where(tau < 0.01, series, 1.0 - tl.exp(-tau))


@jit
def _forward(  # type: ignore[no-untyped-def]
    optical_depth, colors, offsets, background, color, opacity, CHUNK: tl.constexpr
):
    ray = tl.program_id(0)
    start, stop = tl.load(offsets + ray), tl.load(offsets + ray + 1)
    channel = tl.arange(0, 4)
    rgb = channel < 3
    before = 0.0
    total = tl.zeros([4], tl.float32)
    while (start < stop) & _goes_on(before):
        i, inside, tau, ahead = _chunk(optical_depth, start, stop, before, CHUNK)
        weight = tl.exp(-ahead) * _absorbed(tau)
        shown = inside[:, None] & rgb[None, :]
        c = tl.load(colors + i[:, None] * 3 + channel[None, :], mask=shown, other=0.0)
        total += tl.sum(weight[:, None] * c, 0)
        before += tl.sum(tau, 0)
        start += CHUNK
    left = tl.exp(-before)
    behind = tl.load(background + ray * 3 + channel, mask=rgb, other=0.0)
    tl.store(color + ray * 3 + channel, total + left * behind, mask=rgb)
    tl.store(opacity + ray, _absorbed(before))


@jit
def _backward(  # type: ignore[no-untyped-def]
    optical_depth, colors, offsets, color, grad, d_optical_depth, d_colors, CHUNK: tl.constexpr
):
    """With q_i = c_i·g and `behind` = what the ray collects behind sample i (background included),
    dotted with g: ∂/∂τ_i = T_{i+1}·q_i − behind, ∂/∂c_i = w_i·g."""
    ray = tl.program_id(0)
    start, stop = tl.load(offsets + ray), tl.load(offsets + ray + 1)
    channel = tl.arange(0, 4)
    rgb = channel < 3
    g = tl.load(grad + ray * 3 + channel, mask=rgb, other=0.0)
    behind = tl.sum(tl.load(color + ray * 3 + channel, mask=rgb, other=0.0) * g, 0)
    before = 0.0
    while (start < stop) & _goes_on(before):
        i, inside, tau, ahead = _chunk(optical_depth, start, stop, before, CHUNK)
        weight = tl.exp(-ahead) * _absorbed(tau)
        shown = inside[:, None] & rgb[None, :]
        at = i[:, None] * 3 + channel[None, :]
        q = tl.sum(tl.load(colors + at, mask=shown, other=0.0) * g[None, :], 1)
        collected = weight * q
        rest = behind - tl.cumsum(collected, 0)
        tl.store(d_optical_depth + i, tl.exp(-ahead - tau) * q - rest, mask=inside)
        tl.store(d_colors + at, weight[:, None] * g[None, :], mask=shown)
        behind -= tl.sum(collected, 0)
        before += tl.sum(tau, 0)
        start += CHUNK


@jit
def _visible_counts(optical_depth, offsets, limit, counts, CHUNK: tl.constexpr):  # type: ignore[no-untyped-def]
    ray = tl.program_id(0)
    start, stop = tl.load(offsets + ray), tl.load(offsets + ray + 1)
    before = 0.0
    count = 0
    while (start < stop) & (before <= limit):
        _, inside, tau, ahead = _chunk(optical_depth, start, stop, before, CHUNK)
        count += tl.sum((inside & (ahead <= limit)).to(tl.int32), 0)
        before += tl.sum(tau, 0)
        start += CHUNK
    tl.store(counts + ray, count)
