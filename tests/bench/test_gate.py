"""The gate's simulation judges as the gate does, and holds what the documentation states."""

from __future__ import annotations

import numpy as np
import pytest

from bench import gate
from bench.gate import Setting
from effbench.report.gate import equal_iterations, tolerances
from effbench.report.gate import verdict as product
from effbench.report.gate.lines import Line
from effbench.report.gate.options import Options

CHECKS = 1500


def test_checks_at_once_are_judged_as_by_the_gate() -> None:
    setting = Setting("equal iterations", seeds=4, rows=4, drift=0.1)
    rng = np.random.default_rng(2)
    slopes = rng.uniform(1, 3, (60, 4))
    worse, longer = np.array([0.0, 0.3, 0.6, 0.0]), np.array([0.0, 0.0, 0.0, 0.3])
    sides = gate.draw(rng, setting, slopes), gate.draw(rng, setting, slopes, worse, longer)
    found = gate.judge(setting, sides, slopes)
    alone = [regressed(sides, slopes, number) for number in range(60)]
    for name in gate.FIGURES:
        assert found[name].tolist() == [rows[name] for rows in alone]
    assert 0 < found["psnr"].mean() < 1
    assert found["iter_ms"].any()


def regressed(
    sides: tuple[gate.Side, gate.Side], slopes: np.ndarray, number: int
) -> dict[str, list[bool]]:
    """Return by figure which rows of one check regress, by lines as `effbench check` makes them."""
    allowed = tolerances.tolerances(())
    old, new = ({k: v[number] for k, v in vars(side).items()} for side in sides)
    less = new["speed"].mean(1) - old["speed"].mean(1)
    doubt = equal_iterations.doubt(slopes[number], less)
    lines = []
    for row, slope in enumerate(slopes[number]):
        common = old["speed"][row].mean()
        psnr = [s["psnr"][row] - slope * (s["speed"][row] - common) for s in (old, new)]
        base = [s["iter_ms"][0] if row else 1.0 for s in (old, new)]
        time = [s["iter_ms"][row] / b for s, b in zip((old, new), base, strict=True)]
        memory = [s["peak_mem_mb"][row] for s in (old, new)]
        limit = allowed["iter_ms" if row else tolerances.DRIFT]
        lines += [
            Line((str(row),), "psnr", tolerance=0.2, old=psnr[0], new=psnr[1], doubt=doubt[row]),
            Line((str(row),), "iter_ms", tolerance=limit, old=time[0], new=time[1]),
            Line((str(row),), "peak_mem_mb", tolerance=0.1, old=memory[0], new=memory[1]),
        ]
    product.judge(lines, Options(allowed))
    return {
        name: [x.verdict == "regressed" for x in lines if x.figure == name] for name in gate.FIGURES
    }


@pytest.mark.parametrize("rows", [3, 10])
def test_budgets_of_iterations_keep_the_level_and_see_a_loss_at_any_drift(rows: int) -> None:
    found = gate.measure(Setting("iteration budgets", seeds=5, rows=rows, drift=0.1), CHECKS)
    assert found["false_alarm"] <= 0.017  # 1 % and 2.7 standard errors of 1,500 checks
    assert found["power"] >= 0.77
    assert found["power_all"] >= 0.95


def test_equal_iterations_keep_the_level_where_psnr_as_measured_does_not() -> None:
    equal, measured = (
        gate.measure(Setting(quality, seeds=5, rows=10, drift=0.1), CHECKS)["false_alarm"]
        for quality in ("equal iterations", "as measured")
    )
    assert equal <= 0.017
    assert measured > 0.1
