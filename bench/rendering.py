"""Whole rays in one kernel on a CPU, beside the parts one after the other: rendering of a view, and
placing of the samples that a step trains on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from bench.timing import alternate
from effbench.cell import quality
from effbench.nerf.training import RadianceFieldMethod

WHOLE, PARTS = "one kernel", "its parts"


def compare(method: RadianceFieldMethod, view: int, rounds: int) -> dict[str, Any]:
    """Return median milliseconds per frame by either way, and by how many dB the PSNR of a test
    view differs (positive: the kernel's is better)."""
    scene = method.context.scene
    pose = torch.from_numpy(scene.test.poses[view])
    truth = quality.quantise(scene.test.composite(view, scene.background))

    def render() -> torch.Tensor:
        return method.render(pose, scene.test.intrinsics)

    def by_parts() -> torch.Tensor:
        with _field_of_another_kind(method):
            return render()

    times = alternate({WHOLE: render, PARTS: by_parts}, rounds)
    psnr = [quality.psnr(quality.quantise(image()), truth) for image in (render, by_parts)]
    return {"ms": times, "psnr_difference": psnr[0] - psnr[1]}


def placing(method: RadianceFieldMethod, rounds: int) -> dict[str, float]:
    """Return median milliseconds of placing a step's samples by either way."""
    rays, _ = method.pixels.sample(method.ray_count, method.generator)

    def place() -> None:
        method.sampler.place(rays, method.field, method.generator)

    def by_parts() -> None:
        with _field_of_another_kind(method):
            place()

    return alternate({WHOLE: place, PARTS: by_parts}, rounds)


@contextmanager
def _field_of_another_kind(method: RadianceFieldMethod) -> Iterator[None]:
    """Let the field be none that the kernels for whole rays know."""
    field: Any = method.field
    field.plain = lambda: None
    try:
        yield
    finally:
        del field.plain
