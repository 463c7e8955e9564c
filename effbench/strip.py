"""A picture of test renders beside ground truth: per scene one view, one tile per variant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from effbench.labels import entry_label
from effbench.record import Record, scene_label

_TILES_PER_ROW = 6
_FEWEST_COLUMNS = 3  # the scene's title needs the width
_MOST_TILES = 23  # beside the ground truth: four rows
_TILE, _MARGIN, _TITLE, _CAPTION = 1.9, 0.08, 0.28, 0.5  # inches
_CAPTION_CHARS = 30


@dataclass(frozen=True)
class _Tile:
    image: NDArray[np.uint8]
    caption: str
    bold: bool = False


def renders(out: Path, records: Sequence[Record]) -> Figure | None:
    """Draw one test view per scene: ground truth, then each method and variant, best PSNR first.

    The view is the first, by name, that ground truth and every finished cell have; of several
    seeds the first is drawn. Captions give the PSNR of that very view where it is recorded, else
    of the cell. At most 23 tiles are drawn for a scene.
    """
    cells = {path.parent.name: path for path in sorted(out.rglob("cells/*/renders"))}
    truths = {path.name: path for path in sorted(out.rglob("truth/*"))}
    rows: list[tuple[str, list[_Tile]]] = []
    for key, own in _by_scene(records).items():
        shown = [(cell, cells[cell.cell_id]) for cell in own if cell.cell_id in cells]
        if key not in truths or not shown:
            continue
        view = _common_view([truths[key], *(folder for _, folder in shown)])
        if view is not None:
            rows.append(_scene_tiles(truths[key] / view, view, shown))
    return _draw(rows) if rows else None


def _by_scene(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Group the first finished seed of each row by the scene's key."""
    first: dict[tuple[str, ...], Record] = {}
    for cell in sorted(records, key=lambda r: r.repetition):
        if cell.status == "ok":
            row = (cell.scene["key"], cell.suite, cell.method, cell.variant, cell.budget)
            first.setdefault(row, cell)
    scenes: dict[str, list[Record]] = {}
    for cell in first.values():
        scenes.setdefault(cell.scene["key"], []).append(cell)
    return dict(sorted(scenes.items()))


def _common_view(folders: Sequence[Path]) -> str | None:
    names = set.intersection(*({p.name for p in folder.glob("*.png")} for folder in folders))
    return min(names, default=None)


def _scene_tiles(
    truth: Path, view: str, shown: Sequence[tuple[Record, Path]]
) -> tuple[str, list[_Tile]]:
    ranked = sorted(shown, key=lambda pair: -_psnr(pair[0], view))[:_MOST_TILES]
    tiles = [_Tile(_read(truth), "ground truth", bold=True)]
    for cell, folder in ranked:
        name = entry_label(cell.method, cell.variant, _CAPTION_CHARS)
        caption = f"{name}\n{_psnr(cell, view):.2f} dB"
        tiles.append(_Tile(_read(folder / view), caption))
    left_out = len(shown) - len(ranked)
    more = f" ({left_out} more not shown)" if left_out else ""
    return f"{scene_label(shown[0][0])}, test view {truth.stem}{more}", tiles


def _psnr(cell: Record, view: str) -> float:
    for entry in cell.quality.get("per_view", []):
        if Path(entry["name"]).stem == Path(view).stem and entry.get("psnr") is not None:
            return float(entry["psnr"])
    mean = cell.quality.get("psnr")
    return float("nan") if mean is None else float(mean)


def _read(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _draw(scenes: Sequence[tuple[str, list[_Tile]]]) -> Figure:
    """Set the tiles in lines below each scene's title; sizes and positions are in inches."""
    most = max(len(tiles) for _, tiles in scenes)
    columns = min(_TILES_PER_ROW, max(most, _FEWEST_COLUMNS))
    width = _MARGIN + columns * (_TILE + _MARGIN)
    height = _MARGIN + sum(_height(tiles, columns) for _, tiles in scenes)
    figure = Figure(figsize=(width, height))
    figure.set_layout_engine("none")  # whatever the style says
    top = height
    for title, tiles in scenes:
        left, high = _MARGIN / width, (top - _MARGIN) / height
        figure.text(left, high, title, va="top", fontsize=10, fontweight="bold")
        for index, tile in enumerate(tiles):
            line, column = divmod(index, columns)
            tall = _tile_height(tiles)
            left = _MARGIN + column * (_TILE + _MARGIN)
            bottom = top - _TITLE - (line + 1) * (tall + _CAPTION)
            box = (left / width, bottom / height, _TILE / width, tall / height)
            axes = figure.add_axes(box)
            axes.set_axis_off()
            axes.imshow(tile.image, aspect="auto")
            weight = "bold" if tile.bold else "normal"
            axes.set_title(tile.caption, fontsize=7.5, fontweight=weight, loc="center", pad=3)
        top -= _height(tiles, columns)
    return figure


def _tile_height(tiles: Sequence[_Tile]) -> float:
    height, width = tiles[0].image.shape[:2]
    return _TILE * float(height / width)


def _height(tiles: Sequence[_Tile], columns: int) -> float:
    return _TITLE + -(-len(tiles) // columns) * (_tile_height(tiles) + _CAPTION) + _MARGIN
