"""A scene as one HTML page that works from disk: its cameras and points in 3-D, its images.

The page shares Plotly, style and policy with the report (`effbench.report.offline`).
"""

from __future__ import annotations

import base64
import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray
from PIL import Image

import effbench
from effbench import files
from effbench.datasets.facts import Facts, lines
from effbench.report import offline
from effbench.scene import Intrinsics, Scene, Views
from effbench.scene.cameras import evenly_spaced

FOLDER = Path(__file__).with_name("template")
THUMBNAILS = {"train": 32, "test": 16}  # at most so many of a split
MOST_POINTS = 8000
_SIDE = 176  # pixels, the longest of a thumbnail
_FRUSTUM = 0.1  # depth of a drawn camera, in median distances of the cameras
_DIGITS = 4


def write(path: Path, scene: Scene, found: Facts, points: NDArray[np.float64]) -> int:
    """Write a scene's page atomically; return its size in bytes.

    found: what `facts` says of the scene; points: float64 [P, 3] in its space. Raises EffbenchError
    when the page cannot be written.
    """
    page = render(scene, found, points).encode()
    files.write_bytes(path, page)
    return len(page)


def render(scene: Scene, found: Facts, points: NDArray[np.float64]) -> str:
    """Return the page's HTML."""
    evaluated = list(found["splits"])[1]
    splits = {"train": scene.train, evaluated: scene.test}
    depth = _FRUSTUM * found["cameras"]["distance"]["median"]
    shown = _inside(points, scene.box)
    data = {
        "cameras": {name: _cameras(views, depth) for name, views in splits.items()},
        "boxes": {
            name: _edges(np.array(found[name], np.float64))
            for name in ("box", "inner")
            if found[name]
        },
        "points": _columns(shown),
    }
    plotly, source = offline.plotly()
    script = offline.script(FOLDER, ["scene.js"])
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("scene.html").render(
        scene=scene.name,
        version=effbench.__version__,
        facts=lines(found),
        notes=found["notes"],
        counts=(len(shown), len(points)),
        sheets={name: _sheet(views, name, scene.background) for name, views in splits.items()},
        totals={name: len(views) for name, views in splits.items()},
        data=offline.embed(data),
        style=offline.STYLE.read_text(encoding="utf-8")
        + (FOLDER / "scene.css").read_text(encoding="utf-8"),
        script=script,
        plotly=plotly,
        hashes=[offline.policy_hash(script), offline.policy_hash(source)],
    )


def _inside(points: NDArray[np.float64], box: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return points that lie in a box, at most MOST_POINTS of them, evenly picked."""
    kept = points[((points >= box[0]) & (points <= box[1])).all(1)]
    some: NDArray[np.float64] = kept[evenly_spaced(len(kept), MOST_POINTS)]
    return some


def _cameras(views: Views, depth: float) -> dict[str, Any]:
    """Return the centres and names of views, and their frusta as one broken line."""
    drawn = [
        _frustum(camera, pose.astype(np.float64), depth)
        for camera, pose in zip(views.cameras, views.poses, strict=True)
    ]
    centres = views.poses[:, :, 3].astype(np.float64)
    lines_ = np.concatenate(drawn)
    return {"centres": _columns(centres), "names": list(views.names), "lines": _columns(lines_)}


def _frustum(camera: Intrinsics, pose: NDArray[np.float64], depth: float) -> NDArray[np.float64]:
    """Return a camera's outline, [12, 3]: NaN ends a line. The rectangle is what it sees at a
    depth."""
    x, y = np.array([0, camera.width]), np.array([0, camera.height])
    corners = np.array(
        [(a, b) for a, b in ((x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1]))]
    )
    local = np.stack(
        [
            (corners[:, 0] - camera.cx) / camera.fx,
            (camera.cy - corners[:, 1]) / camera.fy,
            -np.ones(4),
        ],
        1,
    )
    a, b, c, d = depth * local @ pose[:, :3].T + pose[:, 3]
    eye, gap = pose[:, 3], np.full(3, np.nan)
    return np.stack([a, b, c, d, a, eye, b, gap, c, eye, d, gap])


def _edges(box: NDArray[np.float64]) -> dict[str, list[float | None]]:
    """Return the twelve edges of a box [2, 3] as one broken line."""
    ends = []
    for axis in range(3):
        for first, second in itertools.product((0, 1), repeat=2):
            for end in (0, 1):
                place = [first, second]
                place.insert(axis, end)
                ends.append(box[place, range(3)])
            ends.append(np.full(3, np.nan))
    return _columns(np.stack(ends))


def _columns(places: NDArray[np.float64]) -> dict[str, list[float | None]]:
    """Return points [P, 3] as Plotly takes them, NaN as a gap."""
    return {
        axis: [None if value != value else round(value, _DIGITS) for value in column]
        for axis, column in zip("xyz", places.T.tolist(), strict=True)
    }


def _sheet(
    views: Views, split: str, background: tuple[float, float, float]
) -> list[tuple[int, str, str]]:
    """Return place, name and thumbnail of some views, evenly spaced."""
    most = THUMBNAILS["train" if split == "train" else "test"]
    return [
        (place, views.names[place], _thumbnail(views.composite(place, background)))
        for place in evenly_spaced(len(views), most)
    ]


def _thumbnail(image: NDArray[np.float32]) -> str:
    """Return an image [H, W, 3] in [0, 1] as the data URI of a small WebP."""
    small = Image.fromarray((255 * image + 0.5).astype(np.uint8))
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "WEBP", quality=78, method=4)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
