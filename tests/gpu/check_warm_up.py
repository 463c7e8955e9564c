"""What set-up compiles is all that training and rendering launch: nothing is compiled under a
clock.

A step in fixed buffers launches the same whatever the values are, so steps only note what they
launch; rendering, which looks at values, is done.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from effbench.cell import set_up
from effbench.kernels import gpu
from effbench.method.config import build
from effbench.nerf.training import RadianceFieldMethod
from effbench.planning.registry import discover
from effbench.scene import Intrinsics
from tests.nerf_scene import context

STEPS = 20
CAMERA = Intrinsics(3, 3, 4.0, 4.0, 1.5, 1.5)
SMALL: dict[str, Any] = {
    **{"levels": 2, "log2_table": 8, "finest_resolution": 16, "hidden": 16, "samples": 256},
    **{"march_steps": 16, "render_steps": 16, "grid_resolution": 8, "precision": "bf16"},
    **{"grid_every": 4, "grid_everywhere_until": 8, "buffers": "fixed"},
}

# a kernel as Triton compiles it: its name, what its arguments are, and its constants
Kernel = tuple[str, tuple[str, ...], tuple[tuple[str, str], ...]]


class Launched:
    """What has been launched so far. really: whether it is done, too."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.kernels: set[Kernel] = set()
        self.really = False
        for module in pkgutil.iter_modules(gpu.__path__, f"{gpu.__name__}."):
            imported = importlib.import_module(module.name)
            if hasattr(imported, "launch"):
                patch.setattr(imported, "launch", self._noted(imported.launch))
        # what no kernel fills is used all the same
        patch.setattr(torch, "empty", torch.zeros)
        patch.setattr(torch, "empty_like", torch.zeros_like)
        patch.setattr(Tensor, "new_empty", Tensor.new_zeros)

    def _noted(self, launch: Callable[..., None]) -> Callable[..., None]:
        def note(kernel: Any, grid: tuple[int, ...], *arguments: Any, **constants: Any) -> None:
            kinds = tuple(str(getattr(x, "dtype", type(x).__name__)) for x in arguments)
            known = tuple(sorted((name, str(value)) for name, value in constants.items()))
            self.kernels.add((f"{kernel.fn.__module__}.{kernel.fn.__name__}", kinds, known))
            if self.really:
                launch(kernel, grid, *arguments, **constants)

        return note

    def take(self) -> set[Kernel]:
        """Return what was launched since the last call."""
        taken, self.kernels = self.kernels, set()
        return taken


class Rendering:
    """Renders really, through a grid without an empty cell."""

    def __init__(self, method: RadianceFieldMethod, launched: Launched) -> None:
        self._method, self._launched = method, launched
        self._render = method.render

    def __call__(self, pose: Tensor, camera: Intrinsics) -> Tensor:
        self._method.sampler.grid.bits.fill_(255)  # type: ignore[attr-defined]
        self._launched.really = True
        try:
            return self._render(pose, camera)
        finally:
            self._launched.really = False


def made(name: str, device: torch.device, launched: Launched) -> RadianceFieldMethod:
    kind = discover([]).method(name)
    method = kind(build(kind.Config, SMALL, name), context(device=device, backend="triton"))
    assert isinstance(method, RadianceFieldMethod)
    method.render = Rendering(method, launched)  # type: ignore[method-assign,assignment]
    return method


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["instant-ngp", "hsm", "low-weight", "error-map"])
def test_set_up_compiles_all_that_steps_and_views_launch(
    device: torch.device, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_up, "_WARM_UP_PIXELS", 3)
    launched = Launched(monkeypatch)
    set_up._warm_up(made(name, device, launched))
    compiled = launched.take()
    method = made(name, device, launched)
    for _ in range(STEPS):
        method.step(0.5)
    steps = launched.take()
    assert {"_raise_to", "_pack_bits"} <= {kernel[0].rpartition(".")[2] for kernel in steps}
    assert steps <= compiled
    pose = torch.from_numpy(method.context.scene.test.poses[0]).to(device)
    method.render(pose, CAMERA)
    views = launched.take()
    assert any("volume_rendering" in kernel[0] for kernel in views)
    assert views <= compiled
