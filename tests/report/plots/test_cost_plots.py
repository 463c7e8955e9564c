"""Where time went: parts add up, and nothing is drawn that was not measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from effbench.errors import RecordError
from effbench.records import results
from effbench.records.results import Results
from effbench.report.palette import Palette
from effbench.report.plots import cost_plots
from tests.results_folder import PRUNING, write_results


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("run")
    write_results(folder, scenes=["procedural/blocks"], seeds=2, views=1, size=16)
    return results.load([folder])


def test_the_rest_is_what_no_other_part_counts(found: Results) -> None:
    spent = cost_plots.times(found)
    assert len(spent) == 2 * len(PRUNING)
    # 15 s in all, less 1.5 of set-up, 10 of training, 2 of evaluation; parents are elsewhere
    assert set(spent["rest_s"]) == {1.5}
    assert set(spent["prepare_s"]) == {0.0, 12.0}


def test_bars_end_where_the_times_end(found: Results) -> None:
    figure = cost_plots.time_per_cell(cost_plots.times(found))
    assert figure is not None
    (axes,) = figure.axes
    ends = [bar.get_x() + bar.get_width() for bar in axes.patches]  # type: ignore[attr-defined]
    assert max(ends) == pytest.approx(12 + 15)
    assert len(axes.get_yticklabels()) == len(PRUNING)


def test_iterations_reach_from_median_to_the_95th_percentile(found: Results) -> None:
    figure = cost_plots.iteration_time(cost_plots.times(found), Palette(PRUNING))
    assert figure is not None
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches][:2] == [44, 105]  # type: ignore[attr-defined]
    assert list(axes.get_lines()[0].get_xdata()) == pytest.approx([44, 1.3 * 44])  # type: ignore[arg-type]


def test_without_times_nothing_is_drawn(tmp_path: Path) -> None:
    spent = cost_plots.times(Results((tmp_path,), {}))
    assert cost_plots.time_per_cell(spent) is None
    assert cost_plots.iteration_time(spent, Palette([])) is None


def test_parts_of_an_iteration_come_from_a_benchmark(found: Results, tmp_path: Path) -> None:
    palette, bench = Palette(PRUNING), tmp_path / "bench.json"
    assert cost_plots.figures(found, palette, None)["iteration-parts"] is None
    bench.write_text(json.dumps({"iteration": {"march": 1.0, "optimiser": 3.0, "total": 4.0}}))
    assert dict(cost_plots.parts(bench)) == {"optimiser": 3.0, "march": 1.0}
    figure = cost_plots.figures(found, palette, bench)["iteration-parts"]
    assert figure is not None
    assert [text.get_text().strip() for text in figure.axes[0].texts] == [
        "3.0 ms, 75%",
        "1.0 ms, 25%",
    ]


@pytest.mark.parametrize("text", [None, "{", "{}", "[]", '{"iteration": {"march": "slow"}}'])
def test_a_benchmark_that_cannot_be_read_is_named(tmp_path: Path, text: str | None) -> None:
    bench = tmp_path / "bench.json"
    if text is not None:
        bench.write_text(text)
    with pytest.raises(RecordError, match=r"bench\.json: "):
        cost_plots.parts(bench)
