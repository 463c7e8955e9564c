"""Worst views and percentiles."""

from __future__ import annotations

import math

import numpy as np
import pytest

from effbench.analysis.views import of_cell, percentile


def test_worst_and_fifth_percentile_as_numpy_has_it() -> None:
    psnr = [30.0, 20.0, 25.0, 28.0, 21.0, 26.0]
    worst, low = of_cell([{"name": "x", "psnr": value} for value in psnr])
    assert worst == 20.0
    assert low == pytest.approx(20.25)  # a quarter of the way from the first to the second
    assert low == pytest.approx(np.percentile(psnr, 5))
    assert percentile([3.0], 0.05) == 3.0


def test_views_that_were_not_recorded_have_none() -> None:
    assert all(map(math.isnan, of_cell(None)))
    assert all(map(math.isnan, of_cell([{"name": "x", "psnr": None}])))
