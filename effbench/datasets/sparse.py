"""The sparse points of a capture, where its folder has COLMAP's model, put where the scene is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from effbench.errors import SceneError
from effbench.scene import Scene
from effbench.scene.colmap import find_model, read_model

_FITS = 1e-2  # of the cameras' spread: the model is of other cameras where they are further off


def points(scene: Scene, root: Path | None) -> NDArray[np.float64]:
    """Return the points of a scene's model in the scene's own space, float64 [P, 3].

    None where there is no model that can be read, or one of other cameras: a scene's cameras say
    where its model was put, since views have the names that the model has.
    """
    none = np.empty((0, 3))
    if root is None or not (root / scene.name / "sparse").is_dir():
        return none
    try:
        model = read_model(find_model(root / scene.name))
    except SceneError:
        return none
    placed = dict(zip(scene.train.names, scene.train.poses.astype(np.float64), strict=True))
    places = [place for place, name in enumerate(model.names) if name in placed]
    if len(places) < 2:
        return none
    raw = model.poses[places]
    moved = np.stack([placed[model.names[place]] for place in places])
    return _put(raw, moved, model.points)


def _put(
    raw: NDArray[np.float64], moved: NDArray[np.float64], there: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return points [P, 3] moved by the similarity that moves poses, both [V, 3, 4]."""
    rotation = moved[0, :, :3] @ raw[0, :, :3].T
    before, after = raw[:, :, 3], moved[:, :, 3]
    old, new = before - before.mean(0), after - after.mean(0)
    spread = float(np.linalg.norm(new))
    scale = spread / max(float(np.linalg.norm(old)), 1e-12)
    if np.linalg.norm(scale * old @ rotation.T - new) > _FITS * max(spread, 1e-12):
        return np.empty((0, 3))
    put: NDArray[np.float64] = scale * (there - before.mean(0)) @ rotation.T + after.mean(0)
    return put
