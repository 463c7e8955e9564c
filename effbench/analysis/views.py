"""How a model does on its worst test views: pure functions on figures of single views."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = ("psnr_worst", "psnr_p5")


def of_cell(per_view: Sequence[Mapping[str, Any]] | None) -> tuple[float, float]:
    """Return the PSNR of the worst test view and the 5th percentile over the views (linear between
    neighbours), dB; NaN where views were not recorded."""
    found = sorted(v for view in per_view or () if (v := view.get("psnr")) is not None)
    return (found[0], percentile(found, 0.05)) if found else (math.nan, math.nan)


def percentile(ordered: Sequence[float], part: float) -> float:
    """Return the value below which a part of sorted values lies, as numpy's default does; without
    numpy, whose arrays cost more than such short lists."""
    place = part * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
