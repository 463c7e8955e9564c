"""Which rows and columns of a table are shown."""

from __future__ import annotations

import pandas as pd
import pytest

from effbench.errors import ConfigError
from effbench.records import select

FRAME = pd.DataFrame(
    {
        "scene": ["nerf_synthetic/lego", "nerf_synthetic/chair (downscale=4)", "mine/a", "mine/b"],
        "psnr": [26.0, 24.0, float("nan"), 26.0],
        "size": [1, 2, 3, 4],
    }
)


def test_patterns_fit_names_with_and_without_parameters() -> None:
    def rows(*patterns: str) -> list[int]:
        return list(select.scenes(FRAME, patterns).index)

    assert rows() == [0, 1, 2, 3]
    assert rows("nerf_synthetic/*") == [0, 1]
    assert rows("nerf_synthetic/chair") == [1]
    assert rows("nerf_synthetic/chair (downscale=4)") == [1]
    assert rows("mine/?", "*/lego") == [0, 2, 3]
    with pytest.raises(ConfigError, match=r"fits mine/c: there are mine/a, mine/b, nerf"):
        rows("mine/c")


def test_columns_and_order() -> None:
    assert select.columns(" size,psnr,size ", list(map(str, FRAME))) == ["size", "psnr"]
    assert list(select.ordered(FRAME, "-psnr,-size")["size"]) == [4, 1, 2, 3]
    assert list(select.ordered(FRAME, "psnr")["size"]) == [2, 1, 4, 3]
    with pytest.raises(ConfigError, match="unknown column 'pnsr'"):
        select.ordered(FRAME, "-pnsr")
    with pytest.raises(ConfigError, match="unknown column 'sizes': did you mean size"):
        select.columns("sizes", list(map(str, FRAME)))
