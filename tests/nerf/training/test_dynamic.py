"""Training on a scene that moves: every way of sampling and learning gets to know the time."""

from __future__ import annotations

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
from tests.nerf_scene import CAMERA, SMALL, ball, context, look_at_origin

REGISTRY = plugins.discover([])
WAYS = (
    {},
    {"learner": "hsm", "compaction": "none"},
    {"compaction": "low-weight"},
    {"pixels": "error-map"},
    {"compaction": "none"},
)
TINY = {"samples": 256, "march_steps": 32, "grid_resolution": 8}


def fading() -> Scene:
    """The ball, dark in the first views and bright in the last ones, at times from 0 to 1."""
    scene = ball()
    times = np.linspace(0, 1, 8, dtype=np.float32)
    images = scene.train.images.copy()
    images[..., :3] = (40 + 170 * (times > 0.5))[:, None, None, None]
    views = replace(scene.train, images=images.astype(np.uint8), times=times)
    return replace(scene, train=views, test=views)


def build(method: str = "ngp-time", scene: Scene | None = None, **params: Any) -> Any:
    own = SMALL if method == "ngp-time" else TINY
    cls = REGISTRY.method(method)
    config, _ = resolve(cls, own | params, "cpu")
    built = cls(config, context(scene=scene or fading()))
    assert isinstance(built, RadianceFieldMethod)
    return built


def shown(method: RadianceFieldMethod, time: float) -> float:
    """The brightness of the ball's middle at a time."""
    method.at(time)
    image = method.render(torch.from_numpy(look_at_origin(0.4)), CAMERA)
    return float(image[6:10, 6:10].mean())


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_it_learns_what_changes_with_time(way: dict[str, Any]) -> None:
    method = build(background="scene", warp_lr=5e-3, **way)
    for _ in range(150):
        loss = method.step(0.0)
    assert torch.isfinite(loss)
    assert shown(method, 0.0) < shown(method, 1.0) - 0.15


def test_the_vanilla_network_knows_time_too() -> None:
    method = build("t-nerf")
    for _ in range(3):
        assert torch.isfinite(method.step(0.0))
    warp = method.field.warp
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in warp.last.parameters())
    assert np.isfinite(shown(method, 0.5))


def test_rays_of_a_step_have_the_times_of_their_views() -> None:
    method = build()
    rays, pixels = method.pixels.sample(300, torch.Generator().manual_seed(0))
    inside = pixels[:, 3] > 0
    assert rays.times is not None
    bright = pixels[:, 0] > 0.5
    assert torch.equal(bright[inside], (rays.times > 0.5)[inside])


def test_the_grid_is_the_union_over_the_times_of_training() -> None:
    method = build()
    sampler = method.sampler
    assert isinstance(sampler, OccupancySampler)
    asked: list[torch.Tensor] = []
    field = method.field

    class Watched:
        def encode_at(self, positions: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
            asked.append(times)
            return positions

        def density(self, encoded: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            early = asked[-1] < 0.5  # a half of the cube is occupied early, the other later
            dense = torch.where(early, encoded[:, 0] < 0.5, encoded[:, 0] >= 0.5)
            return 1e3 * dense.float(), encoded

    for _ in range(6):
        sampler._visit(Watched(), method.generator, True)  # type: ignore[arg-type]
    assert set(torch.cat(asked).tolist()) == set(fading().train.times.tolist())  # type: ignore[union-attr]
    assert sampler.grid.occupied().float().mean() > 0.9
    assert field.plain() is None, "no kernel that knows no time takes part"


def test_on_a_scene_that_stands_still_it_shows_one_time() -> None:
    method = build(scene=ball())
    assert method.times is None
    for _ in range(3):
        method.step(0.0)
    assert shown(method, 0.0) == shown(method, 1.0)
