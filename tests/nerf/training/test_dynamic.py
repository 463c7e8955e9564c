"""Training on a scene that moves: every way of sampling and learning gets to know the time."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from effbench.nerf.sampling import OccupancySampler
from effbench.nerf.training import RadianceFieldMethod
from effbench.planning import registry as plugins
from effbench.planning.planner import resolve
from effbench.scene import Scene
from tests.nerf_scene import CAMERA, DISTANCE, RADIUS, SMALL, ball, context, look_at_origin

REGISTRY = plugins.discover([])
WAYS: tuple[dict[str, Any], ...] = (
    {},
    {"learner": "hsm", "compaction": "none"},
    {"compaction": "low-weight", "alpha_threshold": 1e-4},
    {"pixels": "error-map"},
    {"compaction": "none"},
)
TINY = {"samples": 256, "march_steps": 32, "grid_resolution": 8}


def rising() -> Scene:
    """The ball, which rises from time 0 to 1: from 2.5 pixels below the middle to as far above."""
    scene = ball()
    times = np.linspace(0, 1, 8, dtype=np.float32)
    row = np.arange(16)[:, None] + 0.5 - 8
    column = np.arange(16)[None] + 0.5 - 8
    images = scene.train.images.copy()
    for image, time in zip(images, times, strict=True):
        inside = np.hypot(row + 5 * (time - 0.5), column) / 22 < math.tan(RADIUS / DISTANCE)
        image[..., 3] = inside * 255
    views = replace(scene.train, images=images, times=times)
    return replace(scene, train=views, test=views)


def build(method: str = "ngp-time", scene: Scene | None = None, **params: Any) -> Any:
    own = SMALL if method == "ngp-time" else TINY
    cls = REGISTRY.method(method)
    config, _ = resolve(cls, own | params, "cpu")
    built = cls(config, context(scene=scene or rising()))
    assert isinstance(built, RadianceFieldMethod)
    return built


def height(method: RadianceFieldMethod, time: float) -> float:
    """How far above the middle a render's dark part is at a time, in pixels."""
    method.at(time)
    image = method.render(torch.from_numpy(look_at_origin(0.4)), CAMERA)
    dark = (1 - image).sum(-1)
    rows = 8 - (torch.arange(16) + 0.5)
    return float((dark.sum(1) * rows).sum() / dark.sum())


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_it_learns_what_moves(way: dict[str, Any]) -> None:
    method = build(lr=2e-2, **way)
    for _ in range(250):
        loss = method.step(0.0)
    assert torch.isfinite(loss)
    assert height(method, 1.0) - height(method, 0.0) > 2, "of 5 pixels"


@pytest.mark.parametrize("design", ["hyper", "4d"])
def test_other_designs_learn_it_as_well(design: str) -> None:
    method = build(design=design, lr=2e-2)
    for _ in range(250):
        loss = method.step(0.0)
    assert torch.isfinite(loss)
    assert height(method, 1.0) - height(method, 0.0) > 1, "of 5 pixels"


def test_a_basis_learns_what_stands_still_first() -> None:
    method = build(design="basis", lr=5e-3)
    losses = [float(method.step(0.0)) for _ in range(250)]
    assert sum(losses[-10:]) < 0.3 * sum(losses[:10])


def test_the_vanilla_network_knows_time_too() -> None:
    method = build("t-nerf")
    for _ in range(3):
        assert torch.isfinite(method.step(0.0))
    warp = method.field.warp
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in warp.last.parameters())
    assert np.isfinite(height(method, 0.5))


def _placed() -> list[tuple[np.ndarray, float]]:
    views = rising().train
    assert views.times is not None
    return list(zip(views.poses, views.times.tolist(), strict=True))


def test_rays_of_a_step_have_the_times_of_their_views() -> None:
    method = build()
    rays, pixels = method.pixels.sample(300, torch.Generator().manual_seed(0))
    assert rays.times is not None
    of_views = {pose[:, 3].tobytes(): time for pose, time in _placed()}
    world = (method.aabb.world(rays.origins)).numpy()
    for origin, time in zip(world, rays.times.tolist(), strict=True):
        near = min(of_views, key=lambda key: np.abs(np.frombuffer(key, np.float32) - origin).max())
        assert of_views[near] == time
    assert len(pixels) == 300


def test_the_grid_is_the_union_over_the_times_of_training() -> None:
    method = build()
    sampler = method.sampler
    assert isinstance(sampler, OccupancySampler)
    asked: list[torch.Tensor] = []
    field = method.field

    class Watched:
        def plain(self) -> None:
            """It is of no kind that kernels know."""

        def encode_at(self, positions: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
            asked.append(times)
            return positions

        def density(self, encoded: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            early = asked[-1] < 0.5  # a half of the cube is occupied early, the other later
            dense = torch.where(early, encoded[:, 0] < 0.5, encoded[:, 0] >= 0.5)
            return 1e3 * dense.float(), encoded

    for _ in range(6):
        sampler._visit(Watched(), method.generator, True)  # type: ignore[arg-type]
    assert set(torch.cat(asked).tolist()) == set(rising().train.times.tolist())  # type: ignore[union-attr]
    assert sampler.grid.occupied().float().mean() > 0.9
    assert field.plain() is None, "no kernel that knows no time takes part"


def test_on_a_scene_that_stands_still_it_shows_one_time() -> None:
    method = build(scene=ball())
    assert method.times is None
    for _ in range(3):
        method.step(0.0)
    assert height(method, 0.0) == height(method, 1.0)
