"""Diagnostics: tables of cells put together, and the pictures made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from effbench.records import diagnostics, record, results
from effbench.records.record import Record
from effbench.report.palette import Palette
from effbench.report.plots import diagnostic_plots, pictures

ENTRIES = [("hsm", "exponent=2"), ("instant-ngp", "")]


def save(out: Path, method: str, variant: str, repetition: int, **changes: Any) -> Record:
    """Write a cell of four steps, with points after the second and the fourth."""
    written = Record(
        **{
            "cell_id": f"{method}-{repetition}",
            "suite": "hsm",
            "method": method,
            "variant": variant,
            "scene": {"key": "blocks", "name": "procedural/blocks"},
            "budget": "10s",
            "seed": repetition,
            "repetition": repetition,
            "quality": {"psnr": 20.0},
            "memory": {"phases": {"setup": 1.0, "warmup": 100.0, "steady": 200.0 + repetition}},
            "device": "CPU",
            **changes,
        }
    )
    folder = out / "cells" / written.cell_id
    record.write(folder / "record.json", written)
    rows = {
        "curve": ["fraction,train_s,iteration,loss,psnr", "0.5,6,2,0.2,15", "1,10,4,0.1,20"],
        "tables/steps": ["fraction,iteration,loss,rays,samples"]
        + [f"{0.5 if i < 3 else 1},{i},{1 / i},8,64" for i in range(1, 5)],
        "tables/distributions": ["fraction,iteration,quantity,bin_left,bin_right,density"]
        + [
            f"{f},{4 * f:g},{quantity},{left},{10 * left or 1e-8},{f + repetition + 1}"
            for f in (0.5, 1.0)
            for quantity in ("pixel_loss", "sample_weight")
            for left in (0, 1e-8, 1e-4)
        ],
        "tables/ray": ["fraction,iteration,t,weight,gradient_norm,red,green,blue"]
        + [f"{f},1,{t},{0.5 * f},{t},1,0,0.5" for f in (0.5, 1.0) for t in (1, 3)],
    }
    if method == "hsm":
        steps = rows["tables/steps"]
        steps[0] += ",inv_tau,skewness"
        steps[1:] = [f"{line},{1 - 0.1 * i:g},{i}" for i, line in enumerate(steps[1:])]
    for name, lines in rows.items():
        path = folder / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines), encoding="utf-8")
    return written


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for method, variant in ENTRIES:
        for repetition in (0, 1):
            save(tmp_path, method, variant, repetition)
    return tmp_path


def drawn(run: Path) -> dict[str, Figure | None]:
    return diagnostic_plots.figures(results.load([run]), Palette(ENTRIES))


def lines(figure: Figure | None, panel: int = 0) -> list[tuple[list[float], list[float]]]:
    assert figure is not None
    return [
        (np.asarray(line.get_xdata(), float).tolist(), np.asarray(line.get_ydata(), float).tolist())
        for line in figure.axes[panel].get_lines()
    ]


class TestTables:
    def test_steps_have_the_time_between_the_curves_points(self, run: Path) -> None:
        steps = diagnostics.steps(results.load([run]))
        assert len(steps) == 16
        own = steps[(steps["method"] == "hsm") & (steps["repetition"] == 0)]
        assert list(own["train_s"]) == [3.0, 6.0, 8.0, 10.0]
        assert list(own["loss"]) == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])

    def test_figures_of_learners_are_rows_in_a_fixed_order(self, run: Path) -> None:
        figures = diagnostics.learner_figures(diagnostics.steps(results.load([run])))
        assert set(figures["method"]) == {"hsm"}, "others report none"
        assert len(figures) == 2 * 2 * 4
        assert list(figures["figure"].unique()) == ["inv_tau", "skewness"]

    def test_mid_training_is_the_point_nearest_to_half_of_the_budget(self) -> None:
        about = dict.fromkeys(diagnostics._CELL, "x")
        cells = [{**about, "seed": seed} for seed in (0, 1)]
        rows = [{**cells[0], "fraction": f} for f in (0.1, 0.4, 0.9)]
        frame = pd.DataFrame([*rows, {**cells[1], "fraction": 1.0}])
        assert list(diagnostics.mid_training(frame)["fraction"]) == [0.4, 1.0]

    def test_phases_are_rows(self, run: Path) -> None:
        frame = diagnostics.phases(record.load([run]))
        steady = frame[(frame["phase"] == "steady") & (frame["method"] == "hsm")]
        assert sorted(steady["mb"]) == [200, 201]


class TestPictures:
    def test_all_are_written_with_the_others(self, run: Path) -> None:
        names = {path.stem for path in pictures.write_plots(run, formats=["png"])}
        assert {"mining", "loss", "distributions", "memory", "ray"} <= names

    def test_mining_is_drawn_over_time_and_its_skewness_over_iterations(self, run: Path) -> None:
        figure = drawn(run)["mining"]
        assert figure is not None
        assert [axes.get_ylabel() for axes in figure.axes] == [
            "1 / τ̂",
            "skewness of the gradients' sizes",
        ]
        ((times, values),) = lines(figure, 0)
        assert times == [3, 6, 8, 10]
        assert values == pytest.approx([1, 0.9, 0.8, 0.7])
        assert lines(figure, 1)[0][0] == [1, 2, 3, 4]

    def test_a_long_run_is_smoothed(self) -> None:
        about = dict.fromkeys(diagnostics._CELL, "x")
        about |= {"method": "hsm", "variant": "exponent=2", "budget": "10s"}
        steps = pd.DataFrame([{**about, "iteration": i, "loss": i % 2 + 1} for i in range(6000)])
        ((_, losses),) = lines(diagnostic_plots.loss(steps, Palette(ENTRIES)))
        assert len(losses) == 60
        assert losses == pytest.approx([1.5] * 60, abs=0.01)

    def test_distributions_are_those_half_way_mean_over_seeds(self, run: Path) -> None:
        figure = drawn(run)["distributions"]
        assert figure is not None
        assert [axes.get_xlabel() for axes in figure.axes] == ["pixel loss", "weight of a sample"]
        centres, density = lines(figure)[0]
        assert centres[1:] == pytest.approx([10**-7.5, 10**-3.5])
        assert density[1:] == [2.0, 2.0]  # of 1.5 and 2.5
        assert np.isnan(density[0]), "a bin that begins at 0 has no place on the axis"

    def test_memory_by_phase(self, run: Path) -> None:
        figure = drawn(run)["memory"]
        assert figure is not None
        names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
        assert names == ["hsm exponent=2", "instant-ngp"]
        warm, steady = lines(figure)
        assert warm == ([100, 100], [0, 1])
        assert steady[0] == [200.5, 200.5]

    def test_a_ray_half_way_of_the_first_seed(self, run: Path) -> None:
        figure = drawn(run)["ray"]
        assert figure is not None
        assert [axes.get_title() for axes in figure.axes] == ["hsm exponent=2", "instant-ngp"]
        assert lines(figure) == [([1, 3], [0.25, 0.75])]  # 1 and 3 of 4
        stems = figure.axes[0].collections[0].get_segments()  # type: ignore[attr-defined]
        assert [stem[1][1] for stem in stems] == [0.25, 0.25]

    def test_cells_without_tables_have_no_pictures(self, tmp_path: Path) -> None:
        cell = save(tmp_path, "nerf", "", 0, memory={})
        for path in (tmp_path / "cells" / cell.cell_id / "tables").iterdir():
            path.unlink()
        assert set(drawn(tmp_path).values()) == {None}

    def test_failed_cells_are_left_out(self, tmp_path: Path) -> None:
        save(tmp_path, "nerf", "", 0, status="oom", reason="out of memory")
        assert set(drawn(tmp_path).values()) == {None}
