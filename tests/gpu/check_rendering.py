"""Rendering by waves on the Triton kernels: the reference's image, and what a wave launches."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from effbench.kernels import gpu
from effbench.kernels.hash_layout import HashLayout
from effbench.nerf.fields import HashField
from effbench.nerf.sampling import OccupancyOptions, OccupancySampler
from effbench.nerf.sampling.rays import Aabb, Rays
from effbench.nerf.sampling.spaces import Box, Contracted, Space

LAYOUT = HashLayout(levels=2, log2_table=8, base=4, finest=16)
MOST_WAVES = 20  # of an image of 800 × 800 (tests/nerf/sampling/test_waves.py)
MOST_LAUNCHES = 1500  # of such an image
# what makes a tensor without filling it; views are known by their schema
NO_LAUNCH = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"}
NO_LAUNCH |= {"detach", "alias", "lift_fresh", "_unsafe_view", "_reshape_alias"}


class Launches(TorchDispatchMode):
    """Counts what a GPU would be told to launch, by name."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        for found in pkgutil.iter_modules(gpu.__path__, f"{gpu.__name__}."):
            module = importlib.import_module(found.name)
            if hasattr(module, "launch"):
                patch.setattr(module, "launch", self._launch)

    def _launch(
        self, kernel: Any, grid: tuple[int, ...], *arguments: Any, **constants: Any
    ) -> None:
        self.counts[f"triton {kernel.fn.__name__}"] += 1
        with _disable_current_modes():
            gpu.launch(kernel, grid, *arguments, **constants)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func.name().split("::")[1].split(".")[0]
        if not func.is_view and name not in NO_LAUNCH:
            self.counts[name] += 1
        return func(*args, **(kwargs or {}))


def some_rays(device: torch.device, count: int) -> Rays:
    """Return rays from beside the cube through its middle."""
    y = torch.linspace(0.3, 0.7, count, device=device)
    origins = torch.stack([torch.full_like(y, -0.2), y, torch.full_like(y, 0.45)], 1)
    return Rays(origins, torch.tensor([[1.0, 0.0, 0.0]], device=device).expand(count, 3))


def made(
    space: Space, device: torch.device, backend: str, steps: int
) -> tuple[OccupancySampler, HashField]:
    options = OccupancyOptions(resolution=8, steps=steps, render_steps=steps)
    sampler = OccupancySampler(options, space, device, backend)
    sampler.waits_often = False
    weights = torch.Generator().manual_seed(0)
    field = HashField(LAYOUT, 16, 15, "bf16", backend, weights)
    with torch.no_grad():
        field.table.normal_(generator=weights)
    return sampler, field.to(device)


def image(space: Space, device: torch.device, backend: str, count: int, steps: int) -> torch.Tensor:
    sampler, field = made(space, device, backend, steps)
    return sampler.render(some_rays(device, count), field, torch.ones(3, device=device))


@pytest.mark.parametrize("contracted", [False, True])
def test_the_image_is_the_references(device: torch.device, scale: int, contracted: bool) -> None:
    aabb = Aabb(torch.zeros(3, device=device), 1.0, 0.05, 3.0)
    space = Contracted(aabb) if contracted else Box(aabb)
    ours, theirs = (image(space, device, name, 5 * scale, 20) for name in ("triton", "reference"))
    assert (theirs - 1).abs().max() > 0.1
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-2)


def test_an_image_of_800_by_800_is_at_most_1500_launches(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many waves as it may have, each with the launches of one here: their number does not
    depend on how many rays and samples there are."""
    space = Box(Aabb(torch.zeros(3, device=device), 1.0, 0.0, 3.0))
    found = []
    for steps in (4, 20):  # of which the cube's side has 2 and 12: one wave and two
        sampler, field = made(space, device, "triton", steps)
        with Launches(monkeypatch) as launches:
            sampler.render(some_rays(device, 3), field, torch.ones(3, device=device))
        found.append(launches.counts)
    first, both = found
    wave = both - first
    by_name = f"{first.total()} + {wave.total()} for each more\n{wave}"
    assert wave["triton _forward"] >= 1, by_name
    assert first.total() + (MOST_WAVES - 1) * wave.total() <= MOST_LAUNCHES, by_name
    assert not {"nonzero", "masked_select", "_local_scalar_dense"} & wave.keys(), by_name
