"""A machine that is slower today is no regression, and the report says how it was allowed for."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from effbench.report.gate import check as gate
from effbench.report.gate import snapshot, text, tolerances
from effbench.report.gate.check import Report
from effbench.report.gate.options import Options
from tests.report.gate.test_check import ROWS, write

GROWTH = 2.0  # dB while iterations grow e-fold


def at_speed(iterations: int) -> Callable[[dict[str, Any]], None]:
    """Return the change to a machine that does so many iterations in the minute, not 1000."""

    def apply(data: dict[str, Any]) -> None:
        data["time"]["iterations"] = iterations
        data["time"]["iter_ms"] *= 1000 / iterations
        data["quality"]["psnr"] += GROWTH * math.log(iterations / 1000)

    return apply


def with_curves(folder: Path, iterations: int) -> Path:
    lines = [
        f"{part},{60 * part},{part * iterations:.0f},{30 + GROWTH * math.log(part):.6f}"
        for part in np.linspace(0.1, 1, 10)
    ]
    for cell in folder.glob("cells/*"):
        page = "\n".join(["fraction,train_s,iteration,psnr", *lines]) + "\n"
        (cell / "curve.csv").write_text(page, encoding="utf-8")
    return folder


def checked(new: Path, old: Path, **options: Any) -> Report:
    allowed = Options(tolerances.tolerances(()), **options)
    return gate.check(snapshot.load(new), snapshot.load(old), allowed)


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """A machine 15 % slower than that of the baseline: every row lost 0.33 dB."""
    new, old = tmp_path / "new", tmp_path / "old"
    return with_curves(write(new, at_speed(850)), 850), write(old, at_speed(1000))


def test_a_slower_machine_is_no_regression(sides: tuple[Path, Path]) -> None:
    report = checked(*sides)
    assert report.status == 0
    psnr = report.table[report.table["figure"] == "psnr"]
    assert len(psnr) == len(ROWS)
    assert list(psnr["moved"]) == pytest.approx([-GROWTH * math.log(0.85)] * len(ROWS), abs=1e-2)
    assert list(psnr["doubt"]) == pytest.approx(list(0.35 * psnr["moved"]), rel=1e-6)
    assert "at the baseline's iterations, which moved it by +0.33" in text.about(report)
    assert "by the correction to equal iterations" in text.about(report)


def test_as_measured_it_is_one(sides: tuple[Path, Path]) -> None:
    report = checked(*sides, as_measured=True)
    assert report.status == 1
    assert "compared as measured, with the machine's speed in it" in text.about(report)


def test_a_baseline_file_keeps_what_the_correction_needs(
    sides: tuple[Path, Path], tmp_path: Path
) -> None:
    old = tmp_path / "old.json"
    snapshot.write(old, snapshot.load(sides[1]))
    assert checked(sides[0], old).status == 0


def test_without_iterations_it_says_that_psnr_moves_with_the_machine(tmp_path: Path) -> None:
    report = checked(write(tmp_path / "new"), write(tmp_path / "old"))
    assert f"PSNR of {len(ROWS)} rows under time budgets is compared as measured" in text.about(
        report
    )
    assert "write an old baseline file again" in text.about(report)
