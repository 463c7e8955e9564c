"""Conditions: what they choose, and what they refuse."""

from __future__ import annotations

import pandas as pd
import pytest

from effbench.errors import ConfigError
from effbench.records import condition

FRAME = pd.DataFrame(
    {
        "method": ["hsm", "nerf", "nerf", "proposal"],
        "psnr": [26.0, 24.0, float("nan"), 30.0],
        "model_mb": [11.0, 2.0, 2.0, 0.0],
        "n": pd.array([3, 3, 0, 1], dtype="Int64"),
        "param.width": ["64", "128", None, "none"],
    }
)


def chosen(text: str) -> list[int]:
    return list(condition.where(FRAME, text).index)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('psnr > 25 and method == "hsm"', [0]),
        ("psnr > 25 or n < 1", [0, 2, 3]),
        ("20 <= psnr < 25", [1]),
        ('method in ["hsm", "proposal"]', [0, 3]),
        ('not method in ("hsm", "proposal")', [1, 2]),
        ('method not in ["hsm"] and psnr != 30', [1]),
        ("psnr / model_mb > 10", [1]),  # the last row's size is 0: it has no such figure
        ("psnr - -1 > 26.5", [0, 3]),
        ("psnr == psnr", [0, 1, 3]),
        ("param.width == 64", [0]),
        ('param.width == "none"', [3]),
        ("param.width in [64, 128]", [0, 1]),
        ('"rop" in method', [3]),
    ],
)
def test_what_holds(text: str, rows: list[int]) -> None:
    assert chosen(text) == rows


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("psnr", "is no condition"),
        ("open('x') == 1", r"'open\('x'\)' is not part of a condition"),
        ("psnr.real > 1", "'psnr.real' is not part"),
        ("method.__class__ == 1", "'method.__class__' is not part"),
        ("[x for x in method] == 1", "is not part"),
        ("(lambda: 1) == 1", "is not part"),
        ("f'{psnr}' == 'x'", "is not part"),
        ("psnr ** 99 > 1", "is not part"),
        ("psnr[0] > 1", "is not part"),
        ("(n := 1) == 1", "is not part"),
        ("psnr is n", "not known here"),
        ("psnr >", "cannot be read"),
        ("(" * 5000 + "psnr" + ")" * 5000 + " > 1", "cannot be read"),
        ("psrn > 1", "unknown column 'psrn': did you mean psnr"),
        ("method > 3", "compares text with a number"),
        ("method * 1000000000 == 'x'", "computes with text"),
        ("", "cannot be read"),
    ],
)
def test_all_else_is_refused(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        condition.where(FRAME, text)
