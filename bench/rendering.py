"""Rendering of a view on a CPU: whole rays in one kernel, beside the parts one after the other."""

from __future__ import annotations

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
        field: Any = method.field
        field.plain = lambda: None  # as a field of another kind
        try:
            return render()
        finally:
            del field.plain

    times = alternate({WHOLE: render, PARTS: by_parts}, rounds)
    psnr = [quality.psnr(quality.quantise(image()), truth) for image in (render, by_parts)]
    return {"ms": times, "psnr_difference": psnr[0] - psnr[1]}
