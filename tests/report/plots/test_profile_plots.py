"""Pictures of profiled cells: bars end where steps end, lines are percentages."""

from __future__ import annotations

from pathlib import Path

import pytest

from effbench.records import results
from effbench.records.results import Results
from effbench.report.plots import profile_plots
from tests.results_folder import add_profiles, write_results


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("run")
    write_results(folder, scenes=["procedural/blocks"], seeds=1, views=1, size=16)
    add_profiles(folder, {"nerf": {"rays": 1.0, "optimiser": 2.5}, "instant-ngp": {"rays": 2.0}})
    return results.load([folder])


def test_bars_end_where_steps_end(found: Results) -> None:
    figure = profile_plots.figures(found)["step-parts"]
    assert figure is not None
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["instant-ngp", "nerf"]
    ends = [bar.get_x() + bar.get_width() for bar in axes.patches]  # type: ignore[attr-defined]
    # parts one after the other, each of both rows; the rest is half a millisecond
    assert ends == pytest.approx([2.0, 1.0, 2.0, 3.5, 2.5, 4.0])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["rays", "optimiser", "rest"]


def test_the_use_of_the_machine_is_drawn_per_row(found: Results) -> None:
    figure = profile_plots.figures(found)["utilisation"]
    assert figure is not None
    assert len(figure.axes) == 2
    for axes in figure.axes:
        cores, process = axes.get_lines()
        assert list(cores.get_ydata()) == pytest.approx([75.0, 25.0])  # type: ignore[arg-type]
        assert list(process.get_ydata()) == pytest.approx([50.0, 50.0])  # type: ignore[arg-type]


def test_without_profiles_nothing_is_drawn(tmp_path: Path) -> None:
    write_results(tmp_path, scenes=["procedural/blocks"], seeds=1, views=1, size=16)
    assert set(profile_plots.figures(results.load([tmp_path])).values()) == {None}
