"""Set-up: everything compiled and warmed up on a throw-away copy, then the method to be trained."""

from __future__ import annotations

import functools
import gc
import random
from collections.abc import Callable

import numpy as np
import torch

from effbench.cell.clock import Clock
from effbench.cell.task import Task
from effbench.kernels import compilations
from effbench.method import Method
from effbench.scene import Intrinsics

_WARM_UP_STEPS = 4
_WARM_UP_PIXELS = 16  # side of the image that warm-up renders


def set_up(task: Task, build: Callable[[], Method]) -> Method:
    """Compile and warm up on a throw-away copy, then build the method that is trained.

    What does not train is the same after warming up, and built once. Measures `setup_s`.
    """
    task.report("setup", 0.0, "")
    task.memory.begin("setup")
    clock = Clock(task.synchronize)
    clock.start()
    seed_everything(task.cell.seed)
    with compilations.watched(functools.partial(_tell, task)) as compiled:
        method = build()
        _warm_up(method)
    if compiled.names:
        task.notes["compiled_s"] = round(compiled.seconds, 2)
    task.report("setup", 0.0, "")
    if method.trains:
        del method
        gc.collect()
        if task.device.type == "cuda":
            torch.cuda.empty_cache()
        seed_everything(task.cell.seed)
        method = build()
        method.begin()
    clock.pause()
    task.measured.time["setup_s"] = clock.read()
    return method


def _tell(task: Task, kernel: str) -> None:
    task.report("setup", 0.0, f"(compiling {kernel}, once on this machine)")


def seed_everything(seed: int) -> None:
    """Seed the global generators too, for methods that use libraries which draw from them."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _warm_up(method: Method) -> None:
    """Train a few steps and render a tiny image, so that everything is compiled and loaded.

    What does not train may be made for one image size: it renders a view of that.
    """
    scene = method.context.scene
    pose = torch.from_numpy(scene.train.poses[0]).to(method.context.device)
    if not method.trains:
        with torch.no_grad():
            method.render(pose, scene.test.cameras[0])
        return
    method.begin()
    for _ in range(_WARM_UP_STEPS):
        method.step(0.0)
    method.warm_up()
    side = _WARM_UP_PIXELS
    camera = scene.train.cameras[0]
    focal = camera.fx * side / camera.width
    with torch.no_grad():
        method.render(pose, Intrinsics(side, side, focal, focal, side / 2, side / 2))
