"""Tornado charts of a made run: bars in order of their effects, what is not reached is marked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from effbench.records import results
from effbench.report.plots import pictures, tornado_plots
from tests.acceleration_run import write_run
from tests.results_folder import write_results


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_run(folder)
    return folder


@pytest.fixture(scope="module")
def compared(run: Path) -> pd.DataFrame:
    found = results.effects(results.load([run]), "instant-ngp")
    assert found is not None
    return found


def drawn(compared: pd.DataFrame, name: str) -> Figure:
    figure = tornado_plots.chart(compared, name, "instant-ngp")
    assert figure is not None
    return figure


def names(axes: Axes) -> list[str]:
    return [label.get_text().removeprefix("instant-ngp ") for label in axes.get_yticklabels()]


def bars(axes: Axes, own: list[str]) -> dict[str, Any]:
    """Return where the bar of each of the rows, from the top, begins and ends."""
    return {
        own[round(bar.get_y() + bar.get_height() / 2)]: (bar.get_x(), bar.get_x() + bar.get_width())  # type: ignore[attr-defined]
        for bar in axes.patches
    }


def test_time_is_ranked_by_the_speed_up_then_by_iterations(compared: pd.DataFrame) -> None:
    times, steps = drawn(compared, "tornado-time").axes
    assert times.get_xscale() == steps.get_xscale() == "log"
    assert times.get_xlabel() == "speed-up (×)"
    assert times.get_title() == "procedural/blocks, against instant-ngp"
    # one is 1.25 times faster, four do not get there: 4, 1.2, 1.1 and 1.01 times as long a step
    assert names(times) == ["loading=async", "sampling=uniform", "precision=fp32",
                            "checkpointing=true", "early_stop_eps=0"]  # fmt: skip
    assert bars(times, names(times)) == {"loading=async": (1.0, pytest.approx(1.25))}
    marks = [note.get_text() for note in times.texts if isinstance(note, Annotation)]
    assert marks == ["not reached"] * 4
    assert bars(steps, names(times))["sampling=uniform"] == (1.0, pytest.approx(4.0))
    assert bars(steps, names(times))["loading=async"] == (pytest.approx(1.0), pytest.approx(0.8))


def test_memory_is_ranked_by_that_of_steady_training(compared: pd.DataFrame) -> None:
    steady, saved = drawn(compared, "tornado-memory").axes
    assert names(steady)[:3] == ["sampling=uniform", "checkpointing=true", "precision=fp32"]
    assert bars(steady, names(steady))["checkpointing=true"] == (
        pytest.approx(1.0),
        pytest.approx(0.6),
    )
    assert bars(saved, names(steady))["checkpointing=true"] == (
        pytest.approx(1.0),
        pytest.approx(0.25),
    )


def test_whiskers_are_intervals(compared: pd.DataFrame) -> None:
    wide = compared["measure"] == "steady_ratio"
    given = compared.assign(low=compared["low"].mask(wide, compared["mean"] / 2))
    axes = drawn(given, "tornado-memory").axes[0]
    ends = [np.asarray(line.get_xdata(), float) for line in axes.get_lines()]
    own = next(x for x in ends if len(x) == 2 and x[1] == pytest.approx(2.0))
    assert own[0] == pytest.approx(1.0)


def test_both_are_among_a_runs_pictures_and_others_have_none(run: Path, tmp_path: Path) -> None:
    drawn = dict(pictures.figures(results.load([run])))
    assert {"tornado-time", "tornado-memory"} <= set(drawn)
    write_results(tmp_path, scenes=["procedural/blocks"], views=0)
    assert tornado_plots.figures(results.load([tmp_path]), None) == {}
    assert tornado_plots.figures(results.load([tmp_path / "cells"]), "nerf") == {}


def test_without_any_pair_there_is_no_chart(compared: pd.DataFrame) -> None:
    assert tornado_plots.chart(compared.assign(n=0), "tornado-time", "instant-ngp") is None


@pytest.mark.parametrize("high", [1.02, 1.3, 1.7, 4.0, 60.0])
def test_an_axis_of_any_length_has_ticks_to_read_a_bar_by(high: float) -> None:
    low = 1 / high
    ticks = tornado_plots._ticks(low, high).tick_values(low, high)
    assert sum(low <= tick <= high for tick in ticks) >= 3
