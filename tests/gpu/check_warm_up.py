"""What set-up compiles is all that training and rendering launch: nothing is compiled under a
clock."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

import pytest
import torch

from effbench.cell.set_up import _warm_up
from effbench.kernels import gpu
from effbench.method.config import build
from effbench.nerf.training import RadianceFieldMethod
from effbench.planning.registry import discover
from tests.nerf_scene import context

STEPS = 20
SMALL: dict[str, Any] = {
    **{"levels": 2, "log2_table": 8, "finest_resolution": 16, "hidden": 16, "samples": 256},
    **{"march_steps": 16, "render_steps": 16, "grid_resolution": 8, "precision": "bf16"},
    **{"grid_every": 4, "grid_everywhere_until": 8, "buffers": "fixed"},
}

# a kernel as Triton compiles it: its name, what its arguments are, and its constants
Kernel = tuple[str, tuple[str, ...], tuple[tuple[str, Any], ...]]


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> set[Kernel]:
    """What has been launched so far; clear it to see what comes next."""
    found: set[Kernel] = set()

    def noted(launch: Callable[..., None]) -> Callable[..., None]:
        def note(kernel: Any, grid: tuple[int, ...], *arguments: Any, **constants: Any) -> None:
            kinds = tuple(str(getattr(x, "dtype", type(x).__name__)) for x in arguments)
            name = f"{kernel.__module__}.{kernel.__name__}"
            found.add((name, kinds, tuple(sorted((k, str(v)) for k, v in constants.items()))))
            launch(kernel, grid, *arguments, **constants)

        return note

    for module in pkgutil.iter_modules(gpu.__path__, f"{gpu.__name__}."):
        imported = importlib.import_module(module.name)
        if hasattr(imported, "launch"):
            monkeypatch.setattr(imported, "launch", noted(imported.launch))
    return found


def method(name: str, device: torch.device) -> RadianceFieldMethod:
    kind = discover([]).method(name)
    made = kind(build(kind.Config, SMALL, name), context(device=device, backend="triton"))
    assert isinstance(made, RadianceFieldMethod)
    return made


@pytest.mark.timeout(800)
@pytest.mark.parametrize("name", ["instant-ngp", "hsm", "low-weight"])
def test_set_up_compiles_all_that_steps_and_views_launch(
    device: torch.device, launched: set[Kernel], name: str
) -> None:
    _warm_up(method(name, device))
    compiled = set(launched)
    launched.clear()
    trained = method(name, device)
    for _ in range(STEPS):
        trained.step(0.5)
    assert {"_raise_to", "_pack_bits"} <= {kernel[0].rpartition(".")[2] for kernel in launched}
    pose = torch.from_numpy(trained.context.scene.test.poses[0]).to(device)
    camera = trained.context.scene.test.cameras[0]
    trained.render(pose, camera)
    trained.render_maps(pose, camera)
    assert launched <= compiled
