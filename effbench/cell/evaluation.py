"""Rendering of test views: images saved as 8 bit, quality from what was saved, time per frame."""

from __future__ import annotations

import io
import math
import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from effbench import files
from effbench.cell import quality as scoring
from effbench.cell.clock import Clock
from effbench.cell.task import Task
from effbench.errors import EffbenchError
from effbench.machine import devices
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
        on_view=lambda done: task.report("evaluate", done / len(views), ""),
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
    return scoring.quantise(scene.test.composite(view, scene.background))


def render(method: Method, scene: Scene, view: int) -> torch.Tensor:
    """Render a test view. Raises EffbenchError when the image has not the camera's size."""
    camera = scene.test.intrinsics
    pose = torch.from_numpy(scene.test.poses[view]).to(method.context.device)
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
        scoring.psnr(scoring.quantise(render(method, scene, view)), truth(scene, view))
        for view in views
    ]
    return statistics.fmean(scores) if scores else math.nan


def evaluate(
    method: Method,
    scene: Scene,
    views: Sequence[int],
    renders: Path,
    truths: Path,
    on_view: Callable[[int], None],
) -> Evaluation:
    """Render test views, save them and the ground truth as PNG, and score what was saved.

    renders, truths: folders; on_view: called with the number of views done. Only rendering is
    timed, the device's queue emptied before and after. Raises Diverged for pixels not finite.
    """
    device = method.context.device
    scorers, missing = _scorers(device)
    names = file_names(scene.test)
    renders.mkdir(parents=True, exist_ok=True)
    per_view: list[dict[str, Any]] = []
    render_s, perfect = [], 0
    for done, view in enumerate(views, start=1):
        clock = Clock(devices.synchronizer(device))
        clock.start()
        image = render(method, scene, view)
        clock.pause()
        render_s.append(clock.read())
        prediction, reference = scoring.quantise(image), truth(scene, view)
        Image.fromarray(prediction).save(renders / f"{names[view]}.png")
        _save_once(truths / f"{names[view]}.png", reference)
        perfect += np.array_equal(prediction, reference)
        scores = {key: score(prediction, reference) for key, score in scorers.items()}
        per_view.append({"name": names[view], **scores})
        on_view(done)
    means = {key: statistics.fmean(v[key] for v in per_view) for key in scorers}
    if math.isnan(means["ssim"]):
        missing["ssim"] = f"the images have a side below {scoring.SSIM_WINDOW} pixels"
    quality = {**means, "eval_views": len(views), "missing": missing, "per_view": per_view}
    return Evaluation(quality, render_s, perfect)


def _scorers(device: torch.device) -> tuple[dict[str, scoring.Scorer], dict[str, str]]:
    """Return what scores images here, by column, and why the other columns stay empty."""
    scorers: dict[str, scoring.Scorer] = {
        "psnr": scoring.psnr,
        "ssim": scoring.ssim,
        "flip": scoring.flip,
    }
    missing = {}
    for net in ("vgg", "alex"):
        scorer, reason = scoring.lpips_scorer(net, device)
        if scorer:
            scorers[f"lpips_{net}"] = scorer
        else:
            missing[f"lpips_{net}"] = reason
    return scorers, missing


def _save_once(path: Path, image: NDArray[np.uint8]) -> None:
    """Save an image that other cells share: atomically, and not again."""
    if not path.exists():
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "PNG")
        files.write_bytes(path, stream.getvalue())
