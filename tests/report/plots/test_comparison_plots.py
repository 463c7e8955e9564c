"""Pareto fronts, ratios to a baseline and sweeps show the tables' own figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Annotation

from effbench.analysis import comparison
from effbench.analysis.measures import MEASURES, SHOWN
from effbench.analysis.pareto import pareto
from effbench.analysis.sweeps import sweeps
from effbench.records import results, tables
from effbench.records.results import Results
from effbench.report.palette import Palette
from effbench.report.plots import comparison_plots
from tests.results_folder import PRUNING, write_results


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("run")
    write_results(folder, scenes=["procedural/blocks"], views=1, size=16)
    return results.load([folder])


@pytest.fixture(scope="module")
def board(found: Results) -> pd.DataFrame:
    return tables.leaderboard(found.records)


PALETTE = Palette(PRUNING)


class TestPareto:
    def test_points_on_a_logarithmic_axis_with_labels(self, board: pd.DataFrame) -> None:
        figure = comparison_plots.pareto(board, PALETTE, "model_mb")
        assert figure is not None
        (axes,) = figure.axes
        assert axes.get_xscale() == "log"
        assert axes.get_xlabel() == "model size (MB)"
        notes = {n.get_text(): n.xy for n in axes.texts if isinstance(n, Annotation)}
        (psnr,) = board[board["variant"] == "selection=w_out,width=64"]["psnr"]
        assert notes["w_out 64"] == pytest.approx((0.71, psnr))
        assert len(notes) == len(PRUNING)

    def test_the_staircase_goes_through_the_front(self, board: pd.DataFrame) -> None:
        figure = comparison_plots.pareto(board, PALETTE, "model_mb")
        assert figure is not None
        staircase = figure.axes[0].get_lines()[0]
        front = board[pareto(board, "model_mb")].sort_values("model_mb")
        xs, ys = np.asarray(staircase.get_xdata()), np.asarray(staircase.get_ydata())
        np.testing.assert_allclose(xs[:-1], front["model_mb"])
        np.testing.assert_allclose(ys[:-1], front["psnr"])
        assert list(front["model_mb"]) == [0.71, 1.14, 2.39, 6.23]
        assert staircase.get_drawstyle() == "steps-post"

    def test_error_bars_only_where_there_are_several_seeds(self, board: pd.DataFrame) -> None:
        single = board.assign(psnr_std=board["psnr_std"].where(board["method"] != "nerf"))
        figure = comparison_plots.pareto(single, PALETTE, "model_mb")
        assert figure is not None
        bars = [c.has_yerr for c in figure.axes[0].containers]  # type: ignore[attr-defined]
        assert sorted(bars) == [False] + [True] * (len(PRUNING) - 1)

    def test_nothing_measured_nothing_drawn(self, board: pd.DataFrame) -> None:
        assert comparison_plots.pareto(board, PALETTE, "energy_j") is None


class TestRatios:
    def test_bars_reach_from_no_difference_to_the_mean(self, found: Results) -> None:
        paired = comparison.paired(tables.cells(found.records), "nerf")
        figure = comparison_plots.ratios(paired, PALETTE, "nerf")
        assert figure is not None
        assert [axes.get_xlabel() for axes in figure.axes] == [
            MEASURES[name].short for name in SHOWN
        ]
        gains, times = figure.axes[:2]
        names = [label.get_text() for label in gains.get_yticklabels()]
        assert names[0] == "instant-ngp"  # the largest gain first
        assert len(names) == len(PRUNING) - 1
        widths = {
            names[round(bar.get_y() + bar.get_height() / 2)]: (bar.get_x(), bar.get_width())  # type: ignore[attr-defined]
            for bar in times.patches
        }
        start, width = widths["instant-ngp"]
        assert start == 1.0
        assert start + width == pytest.approx(44 / 105)

    def test_rows_of_one_name_share_a_bar(self, found: Results) -> None:
        """Cells from before and after a default changed differ in nothing that a name shows."""
        paired = comparison.paired(tables.cells(found.records), "nerf")
        twice = pd.concat(
            [
                paired,
                paired.assign(**{name: paired[name] + 0.1 for name in ("mean", "low", "high")}),
            ]
        )
        figure = comparison_plots.ratios(twice, PALETTE, "nerf")
        assert figure is not None
        assert len(figure.axes[0].get_yticklabels()) == len(PRUNING) - 1

    def test_without_pairs_there_is_no_picture(self, found: Results) -> None:
        paired = comparison.paired(tables.cells(found.records), "nerf").assign(n=0)
        assert comparison_plots.ratios(paired, PALETTE, "nerf") is None


class TestSweep:
    def test_a_numeric_parameter_becomes_an_axis(self, board: pd.DataFrame) -> None:
        (swept,) = sweeps(board)
        assert (swept.method, swept.parameter) == ("nerf-pruned", "width")
        assert swept.settings == ["selection=coreset", "selection=uniform", "selection=w_out"]
        figure = comparison_plots.sweep(swept, PALETTE)
        assert figure is not None
        labels = [axes.get_ylabel() for axes in figure.axes]
        assert labels == [
            *("PSNR (dB)", "model size (MB)", "iteration time (ms)", "rendering time (ms)"),
        ]
        sizes = figure.axes[1].get_lines()[0]
        assert list(np.asarray(sizes.get_xdata())) == [64, 128]
        assert list(np.asarray(sizes.get_ydata())) == [0.71, 1.14]

    def test_names_and_single_values_are_no_sweep(self, board: pd.DataFrame) -> None:
        assert not list(sweeps(board[board["param.width"] != "64"]))
        assert not list(sweeps(board.drop(columns="param.width")))

    def test_a_value_that_one_row_alone_has_is_no_sweep(self, board: pd.DataFrame) -> None:
        """Rows that differ in something else besides do not say what the parameter does."""
        mixed = board[board["variant"].isin(["selection=coreset,width=64",
                                             "selection=uniform,width=128"])]  # fmt: skip
        assert not list(sweeps(mixed))


def test_every_picture_has_a_name_of_its_own(found: Results) -> None:
    board = tables.leaderboard(found.records)
    drawn = comparison_plots.figures(found, board, PALETTE, None)
    assert set(drawn) == {
        *("pareto-size", "pareto-iteration-time", "pareto-memory", "pareto-rendering-time"),
        *("pareto-latency", "pareto-total-time", "ratios", "sweep-nerf-pruned-width"),
    }
    assert [name for name, figure in drawn.items() if figure is None] == ["pareto-latency"]
