"""Steering in Triton: one program, in the place of some forty tiny kernels.

In double precision where the definition is; a number that is not finite draws nothing.
"""

from __future__ import annotations

import triton.language as tl
from torch import Tensor

from effbench.kernels.gpu import jit, launch, power_of_two


def steer(
    rays: Tensor,
    complete: Tensor,
    marched: Tensor,
    kept: Tensor,
    loss: Tensor,
    wanted: Tensor | None,
    figures: Tensor | None,
    most_samples: int,
    most_marched: int,
    least_rays: int,
    most_rays: int,
    counts: Tensor,
    values: Tensor,
) -> None:
    """See `effbench.kernels.steering.steer`."""
    count = 0 if figures is None else len(figures)
    launch(
        _steer,
        (1,),
        rays,
        complete,
        marched,
        kept,
        loss.detach(),
        loss if wanted is None else wanted,
        loss if figures is None else figures,
        counts,
        values,
        len(kept) - 1,
        SAMPLES=most_samples,
        MARCHED=most_marched,
        LEAST=least_rays,
        MOST=most_rays,
        CHOOSES=wanted is not None,
        FIGURES=count,
        FIGURES_P=power_of_two(count),
        num_warps=1,
    )


@jit
def _steer(  # type: ignore[no-untyped-def]
    rays,
    complete,
    marched,
    kept,
    loss,
    wanted,
    figures,
    counts,
    values,
    room,
    SAMPLES: tl.constexpr,
    MARCHED: tl.constexpr,
    LEAST: tl.constexpr,
    MOST: tl.constexpr,
    CHOOSES: tl.constexpr,
    FIGURES: tl.constexpr,
    FIGURES_P: tl.constexpr,
):
    n = tl.minimum(tl.load(rays), room)
    c = tl.load(complete)
    m, k = tl.load(marched + c), tl.load(kept + c)
    by_kept = SAMPLES / tl.maximum(k, 1).to(tl.float64)
    ratio = tl.minimum(by_kept, MARCHED / tl.maximum(m, 1).to(tl.float64))
    before = n.to(tl.float64)
    after = tl.minimum(tl.maximum(c.to(tl.float64) * ratio, before * 0.5), before * 2.0)
    following = tl.minimum(tl.maximum(after.to(tl.int64), LEAST), MOST)
    growth = following.to(tl.float64) / tl.maximum(before, 1.0)
    tl.store(rays, following)
    tl.store(counts, following)
    share = tl.maximum(c, 1).to(tl.float64)
    tl.store(counts + 1, (growth * before / share * m.to(tl.float64)).to(tl.int64))
    drawn = tl.full([], 2 * SAMPLES, tl.int64)
    if CHOOSES:
        expected = growth * tl.load(wanted).to(tl.float64)
        finite = (expected == expected) & (tl.abs(expected) < float("inf"))
        drawn = tl.where(finite, expected, 0.0).to(tl.int64)
    tl.store(counts + 2, drawn)
    tl.store(counts + 3, k)
    tl.store(values, tl.load(loss).to(tl.float32))
    tl.store(values + 1, n.to(tl.float32))
    tl.store(values + 2, k.to(tl.float32))
    if FIGURES > 0:
        i = tl.arange(0, FIGURES_P)
        inside = i < FIGURES
        tl.store(values + 3 + i, tl.load(figures + i, mask=inside, other=0.0), mask=inside)
    kept_share = c.to(tl.float32) / tl.maximum(n, 1).to(tl.float32)
    tl.store(values + 3 + FIGURES, 1.0 - kept_share)
