"""What a mean over test views hides: the worst view, and the lower end of their distribution."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

WORST, LOW = "psnr_worst", "psnr_p5"
FIGURES = (WORST, LOW)
PERCENTILE = 5.0


def lower_end(views: Iterable[Mapping[str, Any]]) -> tuple[float | None, float | None]:
    """Return the PSNR of the worst view and the 5th percentile over views, dB; None without views.

    views: entries of a record's `per_view`; those without a PSNR are left out.
    """
    values = sorted(v for view in views if (v := view.get("psnr")) is not None)
    return (values[0], _percentile(values)) if values else (None, None)


def _percentile(values: list[float]) -> float:
    """Return the percentile of sorted values, linear between two, as numpy's default.

    In plain Python: numpy's takes longer to start than the 200 views of a cell take, and there may
    be 100,000 cells.
    """
    place = PERCENTILE / 100 * (len(values) - 1)
    below = math.floor(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (place - below) * (values[above] - values[below])
