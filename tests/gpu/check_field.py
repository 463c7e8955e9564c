"""All of it together: a hash field trained and rendered with Triton and with the reference."""

from __future__ import annotations

import pytest
import torch

from effbench.kernels.hash_layout import HashLayout
from effbench.nerf.fields import HashField
from effbench.nerf.sampling import OccupancyOptions, OccupancySampler
from effbench.nerf.sampling.rays import Aabb, Rays
from effbench.nerf.sampling.spaces import Box
from effbench.nerf.training.learning import Batch, FullLearner

OPTIONS = OccupancyOptions(
    resolution=8, steps=30, render_steps=30, compaction="low-weight", early_stop_eps=0.05
)


def some_rays(device: torch.device, generator: torch.Generator, count: int) -> Rays:
    origins = torch.tensor([0.5, 0.5, -0.5], device=device).expand(count, 3).contiguous()
    through = torch.rand(count, 3, generator=generator, device=device)
    return Rays(origins, torch.nn.functional.normalize(through - origins, dim=1))


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-3), ("bf16", 0.05)])
def test_a_step_and_a_rendering(
    device: torch.device, scale: int, precision: str, tolerance: float
) -> None:
    layout = HashLayout(levels=4, log2_table=10, base=4, finest=60)
    aabb = Aabb(torch.zeros(3, device=device), 1.0, 0.0, 4.0)
    found = []
    for backend in ("triton", "reference"):
        generator = torch.Generator(device).manual_seed(0)
        rays = some_rays(device, generator, 25 * scale)
        weights = torch.Generator().manual_seed(0)
        field = HashField(layout, 16, 7, precision, backend, weights).to(device)
        with torch.no_grad():
            field.table.mul_(1e4)
            field.density_layers[-1].mul_(4)
        sampler = OccupancySampler(OPTIONS, Box(aabb), device, backend)
        sampler.update(field, OPTIONS.every, generator)
        placed = sampler.place(rays, field, generator)
        background = torch.ones(len(rays), 3, device=device)
        batch = Batch(rays, placed, torch.zeros_like(background), background)
        outcome = FullLearner(backend).backward(field, sampler, batch, torch.nn.functional.mse_loss)
        image = sampler.render(rays, field, torch.ones(3, device=device))
        gradients = [parameter.grad for parameter in field.parameters()]
        found.append([outcome.color, image, *gradients])
    for ours, theirs in zip(*found, strict=True):
        assert ours is not None
        assert theirs is not None
        assert theirs.any()
        assert float((ours - theirs).norm() / theirs.norm()) < tolerance
