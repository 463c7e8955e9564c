"""What a scene is, in figures: its views, cameras, space and manifest."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from effbench.method.config import show
from effbench.scene import Scene, SceneRef, Views

Facts = dict[str, Any]
_MOST_SIZES = 4  # that are named


def facts(scene: Scene, ref: SceneRef, root: Path | None) -> Facts:
    """Return what is to be told of a loaded scene, as JSON can hold it.

    ref: the name and parameters that it was loaded with. Lengths are in the scene's own units,
    focal lengths in pixels, angles in degrees.
    """
    folder = root / scene.name if root else None
    evaluated = str(ref.params.get("split", "test"))
    return {
        "scene": scene.name,
        "folder": str(folder) if folder and folder.is_dir() else None,
        "parameters": dict(ref.params),
        "splits": {"train": _split(scene.train), evaluated: _split(scene.test)},
        "cameras": _cameras(scene),
        "near": scene.near,
        "far": scene.far,
        "box": scene.box.tolist(),
        "inner": None if scene.inner is None else scene.inner.tolist(),
        "background": list(scene.background),
        "opaque": scene.opaque,
        "manifest": scene.manifest,
        "verified": scene.verified,
        "notes": list(scene.notes),
    }


def _split(views: Views) -> Facts:
    sizes = Counter(views.sizes).most_common()
    return {
        "views": len(views),
        "sizes": [{"width": w, "height": h, "views": count} for (w, h), count in sizes],
        "alpha": views.images.shape[-1] == 4,
    }


def _cameras(scene: Scene) -> Facts:
    cameras = [*scene.train.cameras, *scene.test.cameras]
    poses = np.concatenate([scene.train.poses, scene.test.poses]).astype(np.float64)
    away = np.linalg.norm(poses[:, :, 3] - scene.box.mean(0), axis=1)
    across = np.array([_angle(c.width, c.fx) for c in cameras])
    down = np.array([_angle(c.height, c.fy) for c in cameras])
    return {
        "different": len(set(cameras)),
        "fx": _range(np.array([c.fx for c in cameras])),
        "fy": _range(np.array([c.fy for c in cameras])),
        "field_of_view_x": _range(across),
        "field_of_view_y": _range(down),
        "distance": _range(away),
    }


def _angle(side: int, focal: float) -> float:
    """Return the field of view of a centred axis, in degrees."""
    return 2 * math.degrees(math.atan(0.5 * side / focal))


def _range(values: NDArray[np.float64]) -> dict[str, float]:
    return {
        "least": float(values.min()),
        "median": float(np.median(values)),
        "most": float(values.max()),
    }


def as_text(found: Facts) -> str:
    """Return facts as a block of text: the name, then a line each."""
    block = [f"  {name:<12} {text}" for name, text in lines(found).items()]
    notes = [f"  {'note' if not at else '':<12} {note}" for at, note in enumerate(found["notes"])]
    return "\n".join([found["scene"], *block, *notes])


def lines(found: Facts) -> dict[str, str]:
    """Return facts in words by what they are of, without the notes."""
    cameras = found["cameras"]
    number = cameras["different"]
    told = {
        "folder": found["folder"] or "",
        "parameters": " ".join(
            f"{key}={show(value)}" for key, value in found["parameters"].items()
        ),
        **{name: _split_text(split) for name, split in found["splits"].items()},
        "cameras": f"{number} {'lens' if number == 1 else 'lenses'}, focal length "
        f"{_range_text(cameras['fx'])} × {_range_text(cameras['fy'])} px, field of view "
        f"{_range_text(cameras['field_of_view_x'])}° × {_range_text(cameras['field_of_view_y'])}°",
        "distance": f"{_range_text(cameras['distance'])} from the middle of the box",
        "rays": f"from {found['near']:.3g} to {found['far']:.4g}",
        "box": box_text(found["box"]),
        "inner cube": box_text(found["inner"]) if found["inner"] else "",
        "background": _background(found),
        "manifest": f"{found['manifest']} ({_verified(found)})",
    }
    return {name: text for name, text in told.items() if text}


def _split_text(split: Facts) -> str:
    sizes = split["sizes"]
    each = [f"{one['width']}×{one['height']}" for one in sizes[:_MOST_SIZES]]
    if len(sizes) > 1:
        each = [f"{size} ({one['views']})" for size, one in zip(each, sizes, strict=False)]
    more = ", …" if len(sizes) > _MOST_SIZES else ""
    mode = "RGBA" if split["alpha"] else "RGB"
    return f"{split['views']} views, {', '.join(each)}{more}, {mode}"


def _range_text(values: dict[str, float]) -> str:
    least, most = f"{values['least']:.4g}", f"{values['most']:.4g}"
    return least if least == most else f"{least} to {most}"


def box_text(box: list[list[float]]) -> str:
    """Return a box in words: from corner to corner, or ± half a side where it is a centred cube."""
    low, high = box
    if len({-value for value in low} | set(high)) == 1:
        return f"±{high[0]:.4g}"
    corners = (" ".join(f"{value:.3g}" for value in corner) for corner in (low, high))
    return " to ".join(f"({corner})" for corner in corners)


def _background(found: Facts) -> str:
    if found["opaque"]:
        return "none: every ray ends on something"
    white = found["background"] == [1.0, 1.0, 1.0]
    return "white" if white else " ".join(f"{value:.3g}" for value in found["background"])


def _verified(found: Facts) -> str:
    return "verified: the published scene" if found["verified"] else "no published one is known"
