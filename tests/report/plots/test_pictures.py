"""Pictures: each is made where records allow it, at a sensible size, with the figures in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from PIL import Image

from effbench.errors import ConfigError, RecordError
from effbench.records import record, results
from effbench.records.record import Record
from effbench.report.palette import Palette
from effbench.report.plots import labels, renders
from effbench.report.plots import pictures as plots

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


def palette() -> Palette:
    return Palette(VARIANTS)


def test_pictures_are_written_for_screens_and_for_paper(run: Path) -> None:
    before = dict(mpl.rcParams)
    paths = plots.write_plots(run)
    names = ["psnr-over-time", "pareto-size", "ratios", "renders"]
    assert paths == [run / "plots" / f"{name}.{form}" for name in names for form in ("png", "pdf")]
    for path in paths[::2]:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        assert image.width >= 900
        assert image.height >= 300
        assert pixels.std() > 5  # not a blank page
    assert all(path.read_bytes().startswith(b"%PDF") for path in paths[1::2])
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("form", ["png", "pdf", "svg"])
def test_the_same_records_give_the_same_bytes(
    run: Path, tmp_path: Path, form: plots.Format
) -> None:
    for name in ("one", "two"):
        plots.write_plots(run, to=tmp_path / name, formats=[form])
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "two").iterdir())
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_what_cannot_be_read_is_left_out_and_named(run: Path) -> None:
    (run / "cells" / "nerf--0" / "record.json").write_text("{")
    (run / "cells" / "nerf--1" / "curve.csv").write_text("")
    skipped: list[RecordError] = []
    assert plots.write_plots(run, formats=["png"], skipped=skipped)
    assert [str(error).split(":")[0].rsplit("/", 2)[1] for error in skipped] == [
        "nerf--0",
        "nerf--1",
    ]


def test_a_baseline_that_is_not_there_is_refused(run: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean nerf"):
        plots.write_plots(run, baseline="nerv")


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
    chosen = Palette(entries)
    assert len(set(chosen.colour.values())) == 4
    assert chosen.marker["a", "w=64"] == chosen.marker["b", "w=64"] != chosen.marker["a", ""]
    assert Palette(reversed(entries)).colour == chosen.colour


class TestPsnrOverTime:
    def test_the_mean_over_seeds_with_a_band_of_one_deviation(self, run: Path) -> None:
        figure = plots.psnr_over_time(results.curves(results.load([run])), palette())
        assert figure is not None
        (axes,) = figure.axes
        assert axes.get_xlabel() == "training time (s)"
        assert axes.get_title() == "procedural/blocks"
        lines = {line.get_color(): line for line in axes.get_lines()}
        ngp = lines[palette().colour["instant-ngp", ""]]
        # seeds at 5 and 6 s with 28.5 and 29.5 dB, then at 10 and 11 s with 29 and 30 dB
        np.testing.assert_allclose(np.asarray(ngp.get_xdata(), float), [5.5, 10.5])
        np.testing.assert_allclose(np.asarray(ngp.get_ydata(), float), [29.0, 29.5])
        band = axes.collections[0].get_paths()[0].vertices
        deviation = 0.5**0.5
        assert np.asarray(band)[:, 1].max() == pytest.approx(29.5 + deviation)
        assert np.asarray(band)[:, 1].min() == pytest.approx(29.0 - deviation)

    def test_budgets_in_iterations_are_drawn_over_iterations(self, run: Path) -> None:
        curves = results.curves(results.load([run])).assign(budget="100it")
        figure = plots.psnr_over_time(curves, palette())
        assert figure is not None
        (axes,) = figure.axes
        assert axes.get_xlabel() == "training iterations"
        assert list(np.asarray(axes.get_lines()[0].get_xdata(), float)) == [50, 100]

    def test_the_budget_and_the_minutes_of_papers_are_marked(self, run: Path) -> None:
        curves = results.curves(results.load([run])).assign(budget="6m")
        figure = plots.psnr_over_time(curves, palette())
        assert figure is not None
        marks = {
            text.get_text(): text.xy[0]
            for text in figure.axes[0].texts
            if isinstance(text, Annotation)
        }
        assert marks == {"2 min": 120, "5 min": 300, "360s": 360}

    def test_one_panel_per_scene_and_budget(self, run: Path) -> None:
        curves = results.curves(results.load([run]))
        both = pd.concat([curves, curves.assign(scene="spheres"), curves.assign(budget="5s")])
        figure = plots.psnr_over_time(both, palette())
        assert figure is not None
        titles = [axes.get_title() for axes in figure.axes]
        assert titles == ["procedural/blocks, 10s", "procedural/blocks, 5s", "spheres, 10s"]

    def test_the_legend_has_the_best_method_first_and_its_variants_together(
        self, run: Path
    ) -> None:
        figure = plots.psnr_over_time(results.curves(results.load([run])), palette())
        assert figure is not None
        (legend,) = figure.legends
        assert [text.get_text() for text in legend.get_texts()] == [
            "instant-ngp",
            "nerf",
            "nerf-pruned width=64",
            "nerf-pruned width=64, init=scratch",
        ]


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
        figure = renders.renders(results.load([run]))
        assert figure is not None
        tiles = [axes for axes in figure.axes if axes.get_title()]
        # the PSNR of the first seed, in the view that is shown
        assert [axes.get_title() for axes in tiles] == [
            "ground truth",
            "instant-ngp\n29.00 dB",
            "nerf\n26.00 dB",
            "nerf-pruned width=64\n24.00 dB",
            "nerf-pruned width=64,\ninit=scratch\n23.50 dB",
        ]
        assert [level(axes) for axes in tiles] == [250, 0, 40, 80, 120]
        assert figure.texts[0].get_text() == "procedural/blocks, test view r_1"

    def test_below_a_render_are_its_worst_part_and_its_error_map(self, run: Path) -> None:
        path = run / "cells" / "nerf--0" / "renders" / "r_1.png"
        image = np.full((12, 16, 3), 250, np.uint8)
        image[3:6, 8:12] = 0  # a hole of a quarter of the sides
        for cell_id in run.glob("cells/*/renders/r_1.png"):
            Image.fromarray(image).save(cell_id)
        figure = renders.renders(results.load([run]))
        assert figure is not None
        shown = [axes.get_images()[0].get_array() for axes in figure.axes if axes.get_images()]
        sizes = [np.asarray(one).shape[:2] for one in shown]
        # render and crop of the truth, then render, crop and error map of each of four rows
        assert sizes == [(12, 16), (3, 4), *[(12, 16), (3, 4), (12, 16)] * 4]
        assert path.exists()
        (box,) = figure.axes[0].patches
        assert abs(box.get_x() - 7.5) <= 1  # type: ignore[attr-defined]
        assert abs(box.get_y() - 2.5) <= 1  # type: ignore[attr-defined]
        error = np.asarray(shown[4])
        assert error[4, 9].sum() > error[11, 0].sum()

    def test_many_variants_are_wrapped_and_bounded(self, run: Path) -> None:
        for i in range(30):
            one = cell("nerf", f"w={i}", 0, 20.0 + i)
            record.write(run / "cells" / one.cell_id / "record.json", one)
            save_image(run / "cells" / one.cell_id / "renders" / "r_1.png", 9)
        figure = renders.renders(results.load([run]))
        assert figure is not None
        tiles = [axes for axes in figure.axes if axes.get_title()]
        assert len(tiles) == 24
        assert "(11 more not shown)" in figure.texts[0].get_text()
        lines = {round(axes.get_position().y0, 6) for axes in tiles}
        assert len(lines) == 4

    def test_a_long_caption_has_room_below_the_tiles_above(self, run: Path) -> None:
        variant = ",".join(f"a_parameter_with_a_name_{i}=1" for i in range(7))
        for i in range(3):
            one = cell("nerf", f"{variant},last={i}", 0, 10.0)
            record.write(run / "cells" / one.cell_id / "record.json", one)
            save_image(run / "cells" / one.cell_id / "renders" / "r_1.png", 9)
        figure = renders.renders(results.load([run]))
        assert figure is not None
        figure.draw_without_rendering()
        renderer = FigureCanvasAgg(figure).get_renderer()
        tiles = [axes for axes in figure.axes if axes.get_title()]
        captions = [axes.title.get_window_extent(renderer) for axes in tiles]
        assert captions[-1].height > 100  # pixels: eight lines
        pictures = [axes.get_window_extent() for axes in figure.axes]
        assert not any(caption.overlaps(each) for caption in captions for each in pictures)

    def test_without_a_common_view_there_is_no_picture(self, run: Path) -> None:
        (run / "truth" / "blocks" / "r_1.png").unlink()
        assert renders.renders(results.load([run])) is None


def level(axes: Axes) -> int:
    """The grey level of a tile."""
    return int(np.asarray(axes.get_images()[0].get_array())[0, 0, 0])
