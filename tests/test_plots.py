"""Pictures: each is made where records allow it, at a sensible size, with the figures in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from PIL import Image

from effbench import labels, plots, record, strip, tables
from effbench.panels import Looks
from effbench.record import Record

VARIANTS = {
    ("instant-ngp", ""): 28.0,
    ("nerf", ""): 25.0,
    ("nerf-pruned", "width=64"): 23.0,
    ("nerf-pruned", "width=64,init=scratch"): 22.5,
}


def cell(method: str, variant: str, seed: int, psnr: float, **changes: Any) -> Record:
    about: dict[str, Any] = {
        "cell_id": f"{method}-{variant}-{seed}",
        "suite": "pruning",
        "method": method,
        "variant": variant,
        "scene": {"key": "blocks", "name": "procedural/blocks"},
        "budget": "10s",
        "seed": seed,
        "repetition": seed,
        "quality": {"psnr": psnr, "per_view": [{"name": "r_1", "psnr": psnr + 1}]},
        "size": {"model_mb": psnr / 10},
        "device": "CPU",
    }
    return Record(**{**about, **changes})


def save_image(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((12, 16, 3), level, np.uint8)).save(path)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """An output folder of four variants with two seeds each on one scene."""
    for level, ((method, variant), psnr) in enumerate(VARIANTS.items()):
        for seed in (0, 1):
            written = cell(method, variant, seed, psnr + seed)
            folder = tmp_path / "cells" / written.cell_id
            record.write(folder / "record.json", written)
            points = [f"{f},{10 * f + seed},{100 * f:g},0.1,{psnr + seed + f}" for f in (0.5, 1.0)]
            (folder / "curve.csv").write_text(
                "\n".join(["fraction,train_s,iteration,loss,psnr", *points])
            )
            save_image(folder / "renders" / "r_1.png", 40 * level)
    for view in ("r_0", "r_1"):
        save_image(tmp_path / "truth" / "blocks" / f"{view}.png", 250)
    return tmp_path


def looks() -> Looks:
    return Looks(VARIANTS)


def test_three_pictures_are_written(run: Path) -> None:
    before = dict(mpl.rcParams)
    paths = plots.write_plots(run)
    names = ["psnr-over-time.png", "size-against-psnr.png", "renders.png"]
    assert paths == [run / "plots" / name for name in names]
    for path in paths:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        assert image.width >= 900
        assert image.height >= 300
        assert pixels.std() > 5  # not a blank page
    assert dict(mpl.rcParams) == before


def test_without_anything_to_show_nothing_is_written(tmp_path: Path) -> None:
    assert plots.write_plots(tmp_path) == []
    record.write(
        tmp_path / "cells" / "a" / "record.json",
        cell("nerf", "", 0, 20.0, status="oom", reason="out of memory", quality={}, size={}),
    )
    assert plots.write_plots(tmp_path) == []
    assert not (tmp_path / "plots").exists()


def test_a_method_has_one_family_of_colours_and_a_variant_one_marker() -> None:
    entries = [("a", ""), ("b", ""), ("a", "w=64"), ("b", "w=64")]
    chosen = Looks(entries)
    assert len(set(chosen.colour.values())) == 4
    assert chosen.marker["a", "w=64"] == chosen.marker["b", "w=64"] != chosen.marker["a", ""]
    assert Looks(reversed(entries)).colour == chosen.colour


class TestPsnrOverTime:
    def test_the_mean_over_seeds_with_a_band_of_one_deviation(self, run: Path) -> None:
        figure = plots.psnr_over_time(tables.curves(run, record.load([run])), looks())
        assert figure is not None
        (axes,) = figure.axes
        assert axes.get_xlabel() == "training time (s)"
        assert axes.get_title() == "procedural/blocks"
        lines = {line.get_color(): line for line in axes.get_lines()}
        ngp = lines[looks().colour["instant-ngp", ""]]
        # seeds at 5 and 6 s with 28.5 and 29.5 dB, then at 10 and 11 s with 29 and 30 dB
        np.testing.assert_allclose(np.asarray(ngp.get_xdata(), float), [5.5, 10.5])
        np.testing.assert_allclose(np.asarray(ngp.get_ydata(), float), [29.0, 29.5])
        band = axes.collections[0].get_paths()[0].vertices
        deviation = 0.5**0.5
        assert np.asarray(band)[:, 1].max() == pytest.approx(29.5 + deviation)
        assert np.asarray(band)[:, 1].min() == pytest.approx(29.0 - deviation)

    def test_budgets_in_iterations_are_drawn_over_iterations(self, run: Path) -> None:
        curves = tables.curves(run, record.load([run])).assign(budget="100it")
        figure = plots.psnr_over_time(curves, looks())
        assert figure is not None
        (axes,) = figure.axes
        assert axes.get_xlabel() == "training iterations"
        assert list(np.asarray(axes.get_lines()[0].get_xdata(), float)) == [50, 100]

    def test_one_panel_per_scene_and_budget(self, run: Path) -> None:
        curves = tables.curves(run, record.load([run]))
        both = pd.concat([curves, curves.assign(scene="spheres"), curves.assign(budget="5s")])
        figure = plots.psnr_over_time(both, looks())
        assert figure is not None
        titles = [axes.get_title() for axes in figure.axes]
        assert titles == ["procedural/blocks, 10s", "procedural/blocks, 5s", "spheres, 10s"]

    def test_the_legend_has_the_best_method_first_and_its_variants_together(
        self, run: Path
    ) -> None:
        figure = plots.psnr_over_time(tables.curves(run, record.load([run])), looks())
        assert figure is not None
        (legend,) = figure.legends
        assert [text.get_text() for text in legend.get_texts()] == [
            "instant-ngp",
            "nerf",
            "nerf-pruned width=64",
            "nerf-pruned width=64, init=scratch",
        ]


class TestSizeAgainstPsnr:
    def test_points_on_a_logarithmic_axis_with_labels(self, run: Path) -> None:
        figure = plots.size_against_psnr(tables.leaderboard(record.load([run])), looks())
        assert figure is not None
        (axes,) = figure.axes
        assert axes.get_xscale() == "log"
        assert axes.get_xlabel() == "shipped model (MB)"
        notes = [text for text in axes.texts if isinstance(text, Annotation)]
        assert {note.get_text(): note.xy for note in notes} == {
            "instant-ngp": pytest.approx((2.85, 28.5)),
            "nerf": pytest.approx((2.55, 25.5)),
            "64": pytest.approx((2.35, 23.5)),
            "64 scratch": pytest.approx((2.3, 23.0)),
        }

    def test_error_bars_only_where_there_are_several_seeds(self, run: Path) -> None:
        frame = tables.leaderboard(record.load([run]))
        frame.loc[frame["method"] == "nerf", "psnr_std"] = np.nan
        figure = plots.size_against_psnr(frame, looks())
        assert figure is not None
        bars = [c.has_yerr for c in figure.axes[0].containers]  # type: ignore[attr-defined]
        assert sorted(bars) == [False, True, True, True]


def test_labels_of_points_close_together_do_not_cover_each_other() -> None:
    figure = Figure(figsize=(4, 4))
    axes = figure.add_subplot(xlim=(0, 10), ylim=(0, 10))
    points = [(5.0, 5.0 + 0.05 * i, f"a label {i}") for i in range(8)]
    labels.place_labels(figure, [(axes, points)])
    figure.draw_without_rendering()
    renderer = FigureCanvasAgg(figure).get_renderer()
    # Text's own extent: an annotation's includes the line to its point
    boxes = np.array([Text.get_window_extent(note, renderer).extents for note in axes.texts])
    assert len(boxes) == len(points)
    common = labels.overlap(boxes[:, None], boxes[None])
    np.fill_diagonal(common, 0)
    assert common.max() == 0


class TestRenders:
    def test_ground_truth_first_then_the_best(self, run: Path) -> None:
        figure = strip.renders(run, record.load([run]))
        assert figure is not None
        captions = [axes.get_title() for axes in figure.axes]
        # the PSNR of the first seed, in the view that is shown
        assert captions == [
            "ground truth",
            "instant-ngp\n29.00 dB",
            "nerf\n26.00 dB",
            "nerf-pruned width=64\n24.00 dB",
            "nerf-pruned width=64,\ninit=scratch\n23.50 dB",
        ]
        levels = [int(axes.get_images()[0].get_array()[0, 0, 0]) for axes in figure.axes]  # type: ignore[index]
        assert levels == [250, 0, 40, 80, 120]
        assert figure.texts[0].get_text() == "procedural/blocks, test view r_1"

    def test_many_variants_are_wrapped_and_bounded(self, run: Path) -> None:
        cells = [cell("nerf", f"w={i}", 0, 20.0 + i) for i in range(30)]
        for one in cells:
            save_image(run / "cells" / one.cell_id / "renders" / "r_1.png", 9)
        figure = strip.renders(run, cells)
        assert figure is not None
        assert len(figure.axes) == 24
        assert "(7 more not shown)" in figure.texts[0].get_text()
        lines = {round(axes.get_position().y0, 6) for axes in figure.axes}
        assert len(lines) == 4

    def test_without_a_common_view_there_is_no_picture(self, run: Path) -> None:
        (run / "truth" / "blocks" / "r_1.png").unlink()
        assert strip.renders(run, record.load([run])) is None
