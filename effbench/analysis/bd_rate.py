"""The Bjøntegaard delta: how much smaller one curve of models is than another at equal PSNR.

Log sizes are interpolated over PSNR by monotone cubics (PCHIP) through each curve's points, and
their difference is averaged over the range of PSNR that both curves reach (Bjøntegaard,
VCEG-M33, 2001; PCHIP in place of his cubic, as JCT-VC's tables have it).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

LEAST_POINTS = 2


@dataclass(frozen=True)
class Rate:
    """percent: mean change in size against the anchor at equal PSNR, negative for smaller, NaN
    where there is none; low_db, high_db: the range of PSNR; reason: why there is none, else ""."""

    percent: float
    low_db: float = math.nan
    high_db: float = math.nan
    reason: str = ""


def bd_rate(
    anchor_size: npt.ArrayLike,
    anchor_psnr: npt.ArrayLike,
    size: npt.ArrayLike,
    psnr: npt.ArrayLike,
) -> Rate:
    """Return the BD-rate of a curve against an anchor. sizes > 0, in any one unit; PSNR in dB.

    Points that another of the same curve beats in size and PSNR are left out: no one would ship
    them, and they would bend the curve back.
    """
    curves = [_front(anchor_size, anchor_psnr), _front(size, psnr)]
    for name, (known, _) in zip(("the anchor", "the curve"), curves, strict=True):
        if len(known) < LEAST_POINTS:
            return Rate(
                math.nan, reason=f"{name} has fewer than {LEAST_POINTS} points on its front"
            )
    low = max(float(known[0]) for known, _ in curves)
    high = min(float(known[-1]) for known, _ in curves)
    if not low < high:
        return Rate(math.nan, reason="the curves have no range of PSNR in common")
    first, second = (
        float(PchipInterpolator(known, logs).integrate(low, high)) / (high - low)
        for known, logs in curves
    )
    return Rate(100 * math.expm1(second - first), low, high)


def _front(size: npt.ArrayLike, psnr: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], ...]:
    """Return PSNR, rising, and log sizes of the points that no other beats."""
    sizes, quality = np.asarray(size, float), np.asarray(psnr, float)
    order = np.lexsort((-quality, sizes))
    sizes, quality = sizes[order], quality[order]
    best = np.maximum.accumulate(np.concatenate([[-np.inf], quality]))[:-1]
    leads = quality > best
    return quality[leads], np.log(sizes[leads])
