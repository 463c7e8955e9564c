"""What a regression check is told, and what it may say of a line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from effbench.analysis.significance import Test

Verdict = Literal["regressed", "improved", "within noise", "missing", "new"]
VERDICTS: tuple[Verdict, ...] = ("regressed", "missing", "improved", "new", "within noise")
ALPHA = 0.01  # false alarms per check


@dataclass(frozen=True)
class Options:
    """tolerances: figure to what it may lose, in its unit or as a part (0.1: 10 %). reference: the
    method, or "method variant", that durations are divided by; "" chooses one. as_measured: compare
    PSNR under time budgets with the machine's speed in it."""

    tolerances: Mapping[str, float]
    reference: str = ""
    test: Test = "moderated"
    alpha: float = ALPHA
    allow_hardware: bool = False
    as_measured: bool = False
