"""What a check can see is said by the spread of its own seeds."""

from __future__ import annotations

import numpy as np

from effbench.report.gate import power, tolerances
from effbench.report.gate.lines import Line
from effbench.report.gate.options import Options

OPTIONS = Options(tolerances.tolerances(()))


def lines(rows: int, seeds: int, std: float) -> list[Line]:
    """Return lines of PSNR whose seeds have exactly a deviation."""
    noise = np.random.default_rng(1).standard_normal((2, rows, seeds))
    noise -= noise.mean(2, keepdims=True)
    noise *= std / noise.std(2, ddof=1, keepdims=True)
    return [
        Line((str(i),), "psnr", tolerance=0.2, old=30 + noise[0, i], new=30 + noise[1, i])
        for i in range(rows)
    ]


def test_more_seeds_and_less_noise_see_more() -> None:
    few, many = (power.foresee(lines(3, n, 0.12), OPTIONS) for n in (3, 8))
    quiet = power.foresee(lines(3, 3, 0.03), OPTIONS)
    assert few is not None
    assert many is not None
    assert quiet is not None
    assert few.in_one < 0.5 < many.in_one
    assert (few.suffices, quiet.suffices) == (False, True)
    assert few.in_all > few.in_one


def test_what_is_too_weak_names_the_seeds_that_would_do() -> None:
    found = power.foresee(lines(3, 3, 0.12), OPTIONS)
    assert found is not None
    assert found.needed is not None
    enough = power.foresee(lines(3, found.needed, 0.12), OPTIONS)
    assert enough is not None
    assert enough.suffices
    assert f"About {found.needed} seeds on either side are needed" in str(found)
    hopeless = power.foresee(lines(3, 3, 3.0), OPTIONS)
    assert "More than 100 seeds" in str(hopeless)


def test_doubt_that_no_seeds_remove_is_named_with_the_remedy() -> None:
    doubted = lines(3, 5, 0.1)
    plain = power.foresee(doubted, OPTIONS)
    for line in doubted:
        line.doubt = 0.15
    found = power.foresee(doubted, OPTIONS)
    assert plain is not None
    assert found is not None
    assert found.in_one < plain.in_one - 0.2
    assert found.needed is None
    assert "3 rows, 5 seeds, ± 0.10 dB over seeds, ± 0.15 dB by the correction" in str(found)
    assert "budgets of iterations" in str(found)


def test_without_noise_there_is_nothing_to_foresee() -> None:
    assert power.foresee(lines(2, 3, 0.0), OPTIONS) is None
