"""A picture of test renders beside ground truth: per scene one view, one tile per variant, each
with an enlarged part and its FLIP error map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from effbench.records.layout import RENDERS
from effbench.records.record import Record
from effbench.records.results import Results, SceneRenders, view_psnr
from effbench.records.results import renders as find_renders
from effbench.report import error_maps
from effbench.report.error_maps import Pixels, crop
from effbench.report.plots.labels import entry_label

_TILES_PER_ROW = 6
_FEWEST_COLUMNS = 3  # the scene's title needs the width
_MOST_TILES = 23  # beside the ground truth: four rows
_TILE, _MARGIN, _TITLE, _GAP = 1.9, 0.08, 0.28, 0.04  # inches
_CAPTION_LINE, _CAPTION_POINTS = 0.125, 7.5
_CAPTION_CHARS = 30
_BOX = "#e8590c"  # what is enlarged; on the renders, so darker than the palette's


@dataclass(frozen=True)
class _Tile:
    """error: the error map as a picture, None for the ground truth."""

    image: Pixels
    error: Pixels | None
    caption: str


@dataclass(frozen=True)
class _Scene:
    """box: left, top, width, height of the enlarged part, in pixels."""

    title: str
    tiles: list[_Tile]
    box: tuple[int, int, int, int]

    @property
    def caption(self) -> float:
        """Height of the longest caption in inches, with room around it."""
        lines = max(tile.caption.count("\n") + 1 for tile in self.tiles)
        return 0.12 + lines * _CAPTION_LINE

    @property
    def tall(self) -> float:
        """Height of a render in inches; the enlarged part and the map below are half as tall."""
        height, width = self.tiles[0].image.shape[:2]
        return _TILE * float(height / width)


def renders(results: Results) -> Figure | None:
    """Draw one test view per scene: ground truth, then each method and variant, best PSNR first.

    The view is the first, by name, that ground truth and every finished cell have; of several
    seeds the first is drawn. Captions give the PSNR of that very view where it is recorded, else
    of the cell. Below each render: on the left the part of the view where the mean FLIP error of
    the drawn methods is largest, on the right the FLIP error map. At most 23 tiles are drawn for a
    scene.
    """
    scenes = [_scene(found) for found in find_renders(results)]
    return _draw(scenes) if scenes else None


def _scene(found: SceneRenders) -> _Scene:
    view = found.views[0]
    ranked = sorted(found.cells.items(), key=lambda item: -view_psnr(item[1], view))
    truth = error_maps.read(found.truth / view)
    tiles, errors = [_Tile(truth, None, "ground truth")], []
    for folder, cell in ranked[:_MOST_TILES]:
        image = error_maps.read(folder / RENDERS / view)
        errors.append(error_maps.flip(image, truth))
        tiles.append(_Tile(image, error_maps.coloured(errors[-1]), _caption(cell, view)))
    left_out = len(ranked) - _MOST_TILES
    more = f" ({left_out} more not shown)" if left_out > 0 else ""
    title = f"{found.label}, test view {Path(view).stem}{more}"
    return _Scene(title, tiles, error_maps.worst_box(errors))


def _caption(cell: Record, view: str) -> str:
    return (
        f"{entry_label(cell.method, cell.variant, _CAPTION_CHARS)}\n{view_psnr(cell, view):.2f} dB"
    )


def _draw(scenes: Sequence[_Scene]) -> Figure:
    """Set the tiles in lines below each scene's title; sizes and positions are in inches."""
    most = max(len(scene.tiles) for scene in scenes)
    columns = min(_TILES_PER_ROW, max(most, _FEWEST_COLUMNS))
    width = _MARGIN + columns * (_TILE + _MARGIN)
    height = _MARGIN + sum(_height(scene, columns) for scene in scenes)
    figure = Figure(figsize=(width, height))
    figure.set_layout_engine("none")  # whatever the style says
    top = height
    for scene in scenes:
        left, high = _MARGIN / width, (top - _MARGIN) / height
        figure.text(left, high, scene.title, va="top", fontsize=10, fontweight="bold")
        for index, tile in enumerate(scene.tiles):
            line, column = divmod(index, columns)
            left = _MARGIN + column * (_TILE + _MARGIN)
            bottom = top - _TITLE - line * _line(scene) - scene.caption - scene.tall
            _draw_tile(figure, tile, scene, left, bottom)
        top -= _height(scene, columns)
    return figure


def _draw_tile(figure: Figure, tile: _Tile, scene: _Scene, left: float, bottom: float) -> None:
    """Draw a render with its caption above; below it the enlarged part and the error map."""
    axes = _axes(figure, left, bottom, _TILE, scene.tall)
    axes.imshow(tile.image, aspect="auto")
    weight = "bold" if tile.error is None else "normal"
    axes.set_title(tile.caption, fontsize=_CAPTION_POINTS, fontweight=weight, loc="center", pad=3)
    x, y, across, down = scene.box
    corner = (x - 0.5, y - 0.5)
    axes.add_patch(Rectangle(corner, across, down, fill=False, edgecolor=_BOX, linewidth=1.0))
    half, low = (_TILE - _GAP) / 2, bottom - _GAP - _half(scene)
    part = _axes(figure, left, low, half, _half(scene))
    part.imshow(crop(tile.image, scene.box), aspect="auto", interpolation="nearest")
    right = left + half + _GAP
    if tile.error is not None:
        _axes(figure, right, low, half, _half(scene)).imshow(tile.error, aspect="auto")
    else:
        _colour_bar(_axes(figure, right + 0.1, low + 0.3, half - 0.2, 0.08))


def _colour_bar(axes: Axes) -> None:
    axes.set_axis_on()
    axes.grid(False)
    bar = axes.figure.colorbar(
        ScalarMappable(cmap=mpl.colormaps[error_maps.COLOURS]), axes, orientation="horizontal"
    )
    bar.set_ticks([0, 1])
    bar.ax.tick_params(labelsize=6.5, length=2, pad=1)
    bar.set_label("FLIP error", fontsize=6.5, labelpad=-5)
    bar.outline.set_visible(False)


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    across, up = figure.get_size_inches()
    axes = figure.add_axes((left / across, bottom / up, width / across, height / up))
    axes.set_axis_off()
    return axes


def _half(scene: _Scene) -> float:
    return scene.tall * (_TILE - _GAP) / 2 / _TILE


def _line(scene: _Scene) -> float:
    return scene.caption + scene.tall + _GAP + _half(scene)


def _height(scene: _Scene, columns: int) -> float:
    return _TITLE + -(-len(scene.tiles) // columns) * _line(scene) + _MARGIN
