"""Every figure of the leaderboard is explained once, for tables, pictures and pages."""

from __future__ import annotations

from effbench.analysis.figures import FIGURES, axis_label, figure, significant
from effbench.records import tables


def test_every_figure_of_the_leaderboard_is_explained() -> None:
    identity = {*("suite", "method", "variant", "scene", "n", "budget", "status", "psnr_std")}
    figures = [c for c in tables.COLUMNS if c not in identity | {"device", "backend"}]
    assert [name for name in FIGURES if name in figures] == figures
    others = {*tables.EXTRA_COLUMNS, *tables.CONTEXT_COLUMNS} & set(FIGURES)
    assert others == set(FIGURES) - set(figures)
    for about in FIGURES.values():
        assert about.how.endswith(".")
        assert about.heading.endswith(about.unit) or about.unit == "1/s"


def test_a_column_that_nobody_described_keeps_its_name() -> None:
    assert figure("own_score").heading == "own score"
    assert axis_label("own_score") == "own_score"
    assert axis_label("model_mb") == "model size (MB)"


def test_three_digits_are_enough_for_most() -> None:
    assert [significant(v) for v in (0, 0.01234, 0.5, 12.345, 1234.5)] == [
        *("0.00", "0.0123", "0.50", "12.3", "1234"),
    ]
