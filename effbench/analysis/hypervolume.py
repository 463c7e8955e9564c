"""The hypervolume of a Pareto front: how much of the plane of cost and quality rows dominate.

The area is taken over log₁₀ of the cost and the PSNR, in decades · dB: costs of rows differ by
orders of magnitude, and PSNR is a logarithm already. It is bounded by a reference point, the
largest cost and the lowest PSNR of the rows compared (their nadir), so that it compares rows and
fronts of one table, not of several.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def hypervolume(
    cost: npt.ArrayLike, quality: npt.ArrayLike, reference: tuple[float, float]
) -> Array:
    """Return the area that rows dominate, in decades · dB, [...].

    cost (> 0, lower is better), quality (dB): [..., rows]; reference: cost and quality beyond
    which nothing counts.
    """
    most, least = reference
    x = np.log10(np.minimum(np.asarray(cost, float), most))
    y = np.maximum(np.asarray(quality, float) - least, 0.0)
    order = np.argsort(x, axis=-1, kind="stable")
    x, y = np.take_along_axis(x, order, -1), np.take_along_axis(y, order, -1)
    height = np.maximum.accumulate(y, axis=-1)
    end = np.full((*x.shape[:-1], 1), np.log10(most))
    return np.asarray((np.diff(x, axis=-1, append=end) * height).sum(axis=-1), float)
