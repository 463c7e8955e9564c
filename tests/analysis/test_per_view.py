"""The worst view and the 5th percentile, held to numpy's."""

from __future__ import annotations

import numpy as np
import pytest

from effbench.analysis import per_view


@pytest.mark.parametrize("count", [1, 2, 20, 21, 200])
def test_the_lower_end_is_numpys_minimum_and_percentile(count: int) -> None:
    values = np.random.default_rng(count).normal(25, 3, count)
    worst, low = per_view.lower_end({"name": str(i), "psnr": v} for i, v in enumerate(values))
    assert worst == values.min()
    assert low == pytest.approx(np.percentile(values, 5))


def test_views_without_a_figure_are_left_out() -> None:
    assert per_view.lower_end([{"psnr": None}, {"psnr": 30.0}, {"ssim": 1.0}]) == (30.0, 30.0)
    assert per_view.lower_end([]) == (None, None)
