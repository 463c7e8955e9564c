"""Rendering of test views: images saved as 8 bit, quality from what was saved, time per frame."""

from __future__ import annotations

import io
import math
import re
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from effbench import files
from effbench.cell import quality, scoring
from effbench.cell.clock import Clock
from effbench.cell.task import Task
from effbench.errors import EffbenchError
from effbench.machine import devices, environment
from effbench.method import Method
from effbench.planning.plan import scene_key
from effbench.records.layout import RENDERS, truth_folder
from effbench.scene import Scene, Views
from effbench.scene.cameras import evenly_spaced


@dataclass(frozen=True)
class Evaluation:
    """The quality group of a record, the seconds that each frame took to render, and how many
    views were equal to their truth to the last bit."""

    quality: dict[str, Any]
    render_s: list[float]
    perfect: int = 0


def evaluate_cell(task: Task, method: Method) -> None:
    """Render and score the cell's test views; measures quality, and time per frame."""
    scene = method.context.scene
    views = evenly_spaced(len(scene.test), task.cell.eval_views)
    began = time.perf_counter()
    task.memory.begin("render")
    evaluation = evaluate(
        method,
        scene,
        views,
        renders=task.folder / RENDERS,
        truths=truth_folder(task.out, scene_key(task.cell.scene)),
        on_view=lambda part: task.report("evaluate", part, ""),
    )
    task.memory.end()
    render_s = float(np.median(evaluation.render_s))
    task.measured.quality = evaluation.quality
    if evaluation.perfect:
        task.notes["perfect_views"] = evaluation.perfect
    task.measured.time |= {
        "render_ms": render_s * 1e3,
        "fps": 1 / render_s if render_s else None,
        "eval_s": time.perf_counter() - began,
    }


def file_names(views: Views) -> list[str]:
    """Return a file name without suffix per view, unique: "./test/r_0.png" becomes "r_0"."""
    stems = [re.sub(r"[^A-Za-z0-9._-]", "-", Path(name).stem) or "view" for name in views.names]
    if len(set(stems)) == len(stems):
        return stems
    return [f"{index:04d}-{stem}" for index, stem in enumerate(stems)]


def truth(scene: Scene, view: int) -> NDArray[np.uint8]:
    """Return a test view over the scene's background as uint8 [H, W, 3]."""
    return quality.quantise(scene.test.composite(view, scene.background))


def render(method: Method, scene: Scene, view: int) -> torch.Tensor:
    """Render a test view. Raises EffbenchError when the image has not the camera's size."""
    camera = scene.test.cameras[view]
    pose = torch.from_numpy(scene.test.poses[view]).to(method.context.device)
    if scene.test.times is not None:
        method.at(float(scene.test.times[view]))
    with torch.no_grad():
        image = method.render(pose, camera)
    if image.shape != (camera.height, camera.width, 3):
        raise EffbenchError(
            f"method '{method.name}' rendered an image of shape {list(image.shape)}, the camera "
            f"has {[camera.height, camera.width, 3]}: correct its render()"
        )
    return image


def mean_psnr(method: Method, scene: Scene, views: Sequence[int]) -> float:
    """Return the mean PSNR in dB over some test views; NaN for none."""
    scores = [
        quality.psnr(quality.quantise(render(method, scene, view)), truth(scene, view))
        for view in views
    ]
    return statistics.fmean(scores) if scores else math.nan


def evaluate(
    method: Method,
    scene: Scene,
    views: Sequence[int],
    renders: Path,
    truths: Path,
    on_view: Callable[[float], None],
) -> Evaluation:
    """Render test views, save them and the ground truth as PNG, and score what was saved.

    renders, truths: folders; on_view: called with the part in [0, 1] that is done. Only rendering
    is timed, the device's queue emptied before and after. Raises Diverged for pixels not finite.
    """
    device, cameras = method.context.device, [scene.test.cameras[view] for view in views]
    columns = scoring.columns([(camera.height, camera.width) for camera in cameras], device)
    pixels = sum(camera.height * camera.width for camera in cameras)
    names = file_names(scene.test)
    renders.mkdir(parents=True, exist_ok=True)
    render_s: list[float] = []
    saver = _Saver(scene, [(view, names[view]) for view in views], renders, truths, columns)
    with (
        scoring.Scoring.of(len(views), pixels, device) as scorer,
        ThreadPoolExecutor(environment.usable_threads()) as threads,  # PNG is written without GIL
    ):
        images = []
        for place, view in enumerate(views):
            clock = Clock(devices.synchronizer(device))
            clock.start()
            image = render(method, scene, view)
            clock.pause()
            render_s.append(clock.read())
            images.append(quality.quantise(image))
            on_view(0.5 * (place + 1) / len(views))
        # Only now: saved meanwhile, on the same cores, images would disturb the time of a frame
        perfect = 0
        for job, equal in threads.map(saver.save, range(len(views)), images):
            scorer.add(job)
            perfect += equal
        scores = scorer.finish(lambda done: on_view(0.5 + 0.5 * done / len(views)))
    shown = [names[view] for view in views]
    times = scene.test.times
    when = None if times is None else [float(times[view]) for view in views]
    return Evaluation(_quality(columns, shown, scores, when), render_s, perfect)


@dataclass
class _Saver:
    """Saves renders and their truth, from several threads at once.

    views: those rendered, with their file names; renders, truths: folders; columns: to be scored.
    """

    scene: Scene
    views: Sequence[tuple[int, str]]
    renders: Path
    truths: Path
    columns: scoring.Columns

    def save(self, place: int, prediction: NDArray[np.uint8]) -> tuple[scoring.Job, bool]:
        """Save the render of the view at a place; return what is to be scored of it, and whether
        it is equal to its truth."""
        view, name = self.views[place]
        saved, true = (folder / f"{name}.png" for folder in (self.renders, self.truths))
        reference = truth(self.scene, view)
        # Half of zlib's default time for 10 % more bytes
        Image.fromarray(prediction).save(saved, compress_level=1)
        _save_shared(true, reference)
        job = scoring.Job(str(saved), str(true), self.columns.of(place))
        return job, np.array_equal(prediction, reference)


def _quality(
    columns: scoring.Columns,
    names: Sequence[str],
    scores: Sequence[scoring.Scores],
    times: Sequence[float] | None,
) -> dict[str, Any]:
    """Return the quality group of a record: means over the views that each column was scored of.
    times: of the views, in a scene that moves."""
    means = {
        name: statistics.fmean(scores[place][name] for place in places)
        for name, places in columns.views.items()
    }
    fewer = {name: len(p) for name, p in columns.views.items() if len(p) < len(names)}
    return {
        **means,
        "eval_views": len(names),
        "fewer_views": fewer,
        "missing": dict(columns.missing),
        "weights": dict(columns.sources),
        "per_view": [
            {"name": name, **({} if times is None else {"time": times[place]}), **found}
            for place, (name, found) in enumerate(zip(names, scores, strict=True))
        ],
    }


def _save_shared(path: Path, image: NDArray[np.uint8]) -> None:
    """Save an image that other cells share, unless it is there as it should be."""
    try:
        there = np.array_equal(np.asarray(Image.open(path)), image)
    except OSError:  # no file, or none that Pillow knows
        there = False
    if not there:
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "PNG", compress_level=1)
        files.write_bytes(path, stream.getvalue())
