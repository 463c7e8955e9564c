"""Depth and opacity of the test views that a report shows, and how much of them is unexplained."""

from __future__ import annotations

import traceback

import numpy as np
import torch

from effbench.cell.evaluation import file_names
from effbench.cell.task import Task
from effbench.errors import EffbenchError
from effbench.method import Method
from effbench.records import maps
from effbench.records.layout import MAPS
from effbench.records.maps import ViewMaps
from effbench.scene.cameras import evenly_spaced

VIEWS = 3  # as many as a report shows unless told otherwise


def save_maps(task: Task, method: Method) -> None:
    """Save maps of a few of the evaluated views, where the method has them; in no clock and no
    phase of memory.

    A method that fails at this loses its maps alone: why is in the log and in the cell's facts.
    """
    try:
        found = _render(task, method)
    except Exception as error:
        traceback.print_exc()
        task.notes["maps_missing"] = f"{type(error).__name__}: {error}".splitlines()[0]
        return
    if not found:
        return
    maps.write(task.folder / MAPS, found)
    residual = [1 - view.opacity.mean(dtype=np.float64) for view in found.values()]
    task.notes["residual_transmittance"] = float(np.mean(residual))
    task.notes["residual_views"] = len(found)


def _render(task: Task, method: Method) -> dict[str, ViewMaps]:
    """Return the maps by file name of the view; none of a method that has no distances."""
    scene = method.context.scene
    names = file_names(scene.test)
    views = evenly_spaced(len(scene.test), task.cell.eval_views)
    views.sort(key=lambda view: f"{names[view]}.png")  # the order in which a report chooses
    found = {}
    for view in (views[place] for place in evenly_spaced(len(views), VIEWS)):
        camera = scene.test.cameras[view]
        pose = torch.from_numpy(scene.test.poses[view]).to(method.context.device)
        if scene.test.times is not None:
            method.at(float(scene.test.times[view]))
        with torch.no_grad():
            shown = method.render_maps(pose, camera)
        if shown is None:
            return {}
        size, shapes = (camera.height, camera.width), (shown.depth.shape, shown.opacity.shape)
        if set(shapes) != {size}:
            raise EffbenchError(
                f"method '{method.name}' gave maps of shapes {[list(shape) for shape in shapes]}, "
                f"the camera has {list(size)}: correct its render_maps()"
            )
        found[names[view]] = ViewMaps(shown.depth.cpu().numpy(), shown.opacity.cpu().numpy())
    return found
