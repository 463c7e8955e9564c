"""Rows × scenes: means and mean ranks worked out by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from effbench.analysis.matrix import matrix
from effbench.errors import ConfigError


def row(method: str, scene: str, psnr: float, **changes: object) -> dict[str, object]:
    about = {"suite": "s", "budget": "60s", "device": "CPU", "variant": "", "n": 3, "role": "row"}
    return {**about, "method": method, "scene": scene, "psnr": psnr, "model_mb": psnr, **changes}


BOARD = pd.DataFrame(
    [
        *(row("a", "x", 20.0), row("b", "x", 22.0), row("c", "x", 30.0), row("d", "x", 20.0)),
        *(row("a", "y", 25.0), row("b", "y", 24.0), row("d", "y", 21.0, n=2)),
        row("p", "x", 99.0, role="parent"),
    ]
)


def test_means_and_mean_ranks_of_rows_that_have_all_scenes() -> None:
    found = matrix(BOARD, "psnr").set_index("method")
    assert list(found.columns[4:]) == ["x", "y", "mean", "mean_rank", "scenes", "n"]
    # c lacks y: ranks are among a, b, d. On x: b 1, a and d share 2 and 3; on y: a 1, b 2, d 3
    assert found["mean_rank"].dropna().to_dict() == {"b": 1.5, "a": 1.75, "d": 2.75}
    assert found["mean"].dropna().to_dict() == {"b": 23.0, "a": 22.5, "d": 20.5}
    assert list(found.index) == ["b", "a", "d", "c"]
    assert found["scenes"].to_dict() == {"a": 2, "b": 2, "c": 1, "d": 2}
    assert found["n"].to_dict() == {"a": 6, "b": 6, "c": 3, "d": 5}


def test_lower_may_be_better() -> None:
    found = matrix(BOARD, "model_mb").set_index("method")
    assert found["mean_rank"].dropna().to_dict() == {"d": 1.25, "a": 2.25, "b": 2.5}


def test_two_rows_of_one_name_and_no_figure_are_errors() -> None:
    twice = pd.concat([BOARD, BOARD.head(1)])
    with pytest.raises(ConfigError, match="'a' on x is several rows"):
        matrix(twice, "psnr")
    with pytest.raises(ConfigError, match="no row has a ssim"):
        matrix(BOARD.assign(ssim=float("nan")), "ssim")
