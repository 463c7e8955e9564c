"""Renders, ground truth and error maps for a report: scaled and encoded within a limit of bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from effbench.analysis.identity import spaced
from effbench.records.layout import RENDERS
from effbench.records.record import Record
from effbench.records.results import Results, SceneRenders, renders, view_figure, view_psnr
from effbench.report import error_maps
from effbench.report.error_maps import Pixels

MOMENTS = 24  # views of a scene that moves, for the slider over its time
MOST_ROWS = 24  # of a scene: the ones with the best PSNR
LONGEST_SIDE = 400  # pixels; larger images are scaled down
_LOSSLESS_SIDE = 128  # images up to this size are small enough to be kept exact
_QUALITY = {"image": 88, "error": 75, "depth": 80, "opacity": 75}  # of WebP, 0 to 100
_FIGURES = ("psnr", "ssim", "flip")


@dataclass(frozen=True)
class Shown:
    """A view among the images, and its items with their cells' folders; unbounded: whether the
    scene goes on without end."""

    view: dict[str, Any]
    rows: list[tuple[dict[str, Any], Path]]
    unbounded: bool


@dataclass
class Images:
    """scenes: label, width, height, views (name, truth, items); an item is a row's render in that
    view: label, seed, render, error (data URIs), and its figures.
    notes: what was left out or scaled; size: bytes of all data URIs; shown: the views, in the order
    in which they were given room."""

    scenes: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    size: int = 0
    shown: list[Shown] = field(default_factory=list)


def collect(found: Results, views: int, limit: int) -> Images:
    """Return up to `views` evenly spaced test views of each scene, within `limit` bytes.

    A scene that moves has up to `MOMENTS`, in the order of their times. Every scene gets its first
    view before any gets a second one; what does not fit is left out and named in the notes. An
    image that cannot be read is left out in the same way.
    """
    images = Images()
    scenes = renders(found)
    chosen = {scene.label: _chosen(scene, views) for scene in scenes}
    for number in range(max(map(len, chosen.values()), default=0)):
        for index, scene in enumerate(scenes):
            if number >= len(chosen[scene.label]):
                continue
            waiting = len(scenes) - index if number == 0 else 1
            share = (limit - images.size) // waiting
            _add(images, scene, chosen[scene.label][number], share)
    for entry in images.scenes:
        entry["views"].sort(key=lambda view: view.get("time", 0.0))
    for scene in scenes:
        _note(images, scene)
    return images


def _chosen(scene: SceneRenders, views: int) -> list[str]:
    """Return the views that are shown where there is room: of a scene that moves every other one
    before those between them."""
    if not any(_time(scene, view) is not None for view in scene.views):
        return _spread(scene.views, views)
    spread = _spread(scene.views, max(views, MOMENTS))
    return spread[::2] + spread[1::2]


def _time(scene: SceneRenders, view: str) -> float | None:
    """Return the time of a view in [0, 1]; None of a scene that stands still."""
    times = (view_figure(cell, view, "time") for cell in scene.cells.values())
    return next((time for time in times if time == time), None)


def _spread(names: Sequence[str], wanted: int) -> list[str]:
    """Return `wanted` names, evenly spaced and centred; all, if there are no more."""
    if wanted >= len(names):
        return list(names)
    return [names[int((i + 0.5) * len(names) / wanted)] for i in range(wanted)]


def _add(images: Images, scene: SceneRenders, view: str, share: int) -> None:
    """Add a view, its best rows first, as far as they fit into `share` bytes."""
    try:
        truth = error_maps.read(scene.truth / view)
    except OSError as error:
        images.notes.append(f"{scene.truth / view} cannot be read ({error}): left out.")
        return
    encoded = encode(truth, "image")
    spent = len(encoded)
    rows: list[tuple[dict[str, Any], Path]] = []
    ranked = sorted(scene.cells.items(), key=lambda pair: -view_psnr(pair[1], view))
    for folder, cell in ranked[:MOST_ROWS]:
        try:
            item = _item(folder / RENDERS / view, cell, view, truth, scene)
        except (OSError, ValueError) as error:
            images.notes.append(f"{folder / RENDERS / view} cannot be shown ({error}): left out.")
            continue
        size = len(item["render"]) + len(item["error"])
        if spent + size > share:
            break
        spent += size
        rows.append((item, folder))
    if not rows:
        return
    images.size += spent
    height, width = truth.shape[:2]
    entry = next((one for one in images.scenes if one["label"] == scene.label), None)
    if entry is None:
        entry = {"label": scene.label, "width": width, "height": height, "views": []}
        images.scenes.append(entry)
    items = [item for item, _ in rows]
    added: dict[str, Any] = {"name": Path(view).stem, "truth": encoded, "items": items}
    if (time := _time(scene, view)) is not None:
        added["time"] = time
    if (width, height) != (entry["width"], entry["height"]):
        added |= {"width": width, "height": height}  # in place of the first view's
    entry["views"].append(added)
    unbounded = any(scene.cells[folder].scene.get("inner") for _, folder in rows)
    images.shown.append(Shown(added, rows, unbounded))


def _item(
    path: Path, cell: Record, view: str, truth: Pixels, scene: SceneRenders
) -> dict[str, Any]:
    image = error_maps.read(path)
    errors = error_maps.coloured(error_maps.flip(image, truth))
    name = spaced(cell.method, cell.variant)
    others = [c for c in scene.cells.values() if (c.method, c.variant) == _entry(cell)]
    telling = [f for f in ("suite", "budget", "device") if len({getattr(c, f) for c in others}) > 1]
    return {
        "label": ", ".join([name, *(str(getattr(cell, f)) for f in telling)]),
        "seed": cell.repetition,
        "render": encode(image, "image"),
        "error": encode(errors, "error"),
        **{f: figure(view_figure(cell, view, f)) for f in _FIGURES},
    }


def figure(value: float) -> float | None:
    """Return a figure as JSON can hold it: None for NaN."""
    return None if value != value else value


def encode(pixels: Pixels, kind: str) -> str:
    """Return an image as the data URI of a WebP, its longest side at most LONGEST_SIDE; small
    renders are kept without loss. kind: a key of _QUALITY."""
    image = Image.fromarray(pixels)
    exact = kind == "image" and max(image.size) <= _LOSSLESS_SIDE
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "WEBP", lossless=exact, quality=_QUALITY[kind], method=4)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _entry(cell: Record) -> tuple[str, str]:
    return cell.method, cell.variant


def _note(images: Images, scene: SceneRenders) -> None:
    """Say what is shown of a scene, where that is not everything."""
    shown = next((one for one in images.scenes if one["label"] == scene.label), None)
    if shown is None:
        images.notes.append(f"{scene.label}: no view fits into the page.")
        return
    views, rows = len(shown["views"]), min(len(view["items"]) for view in shown["views"])
    said = []
    if views < len(scene.views):
        said.append(f"{views} of {len(scene.views)} test views")
    if rows < len(scene.cells):
        said.append(f"the {rows} of {len(scene.cells)} rows with the best PSNR")
    width, height = shown["width"], shown["height"]
    if max(width, height) > LONGEST_SIDE:
        said.append(f"images of {width}×{height} px scaled to {LONGEST_SIDE} px")
    if max(width, height) > _LOSSLESS_SIDE:
        said.append("compressed as WebP")
    if said:
        images.notes.append(f"{scene.label}: {', '.join(said)}.")
