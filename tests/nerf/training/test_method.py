"""The shared training step: it learns, steers its rays, and treats backgrounds as told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from effbench.kernels.hash_layout import HashLayout
from effbench.nerf.fields import HashField
from effbench.nerf.sampling import OccupancyOptions, OccupancySampler
from effbench.nerf.sampling.rays import Rays
from effbench.nerf.training import RadianceFieldMethod, TrainingOptions
from effbench.nerf.training.hsm import HardSampleLearner, MiningConfig
from tests.nerf_scene import CAMERA, DISTANCE, RADIUS, ball, context, look_at_origin


@dataclass(frozen=True)
class Config:
    samples: int = 2048
    background: str = "random"
    ema: float = 0.0
    loss: str = "huber"
    decay: str = "none"


class Small(RadianceFieldMethod):
    name = "small"
    Config = Config

    def build_options(self) -> TrainingOptions:
        c = self.config
        return TrainingOptions(
            c.samples, loss=c.loss, background=c.background, ema=c.ema, decay=c.decay
        )

    def build_field(self, generator: torch.Generator) -> HashField:
        layout = HashLayout(levels=4, log2_table=10, base=4, finest=32)
        return HashField(layout, 16, 15, "fp32", self.backend, generator)

    def build_sampler(self) -> OccupancySampler:
        options = OccupancyOptions(resolution=16, steps=128)
        return OccupancySampler(options, self.space, self.device, self.backend)

    def build_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.field.parameters(), lr=1e-2, betas=(0.9, 0.99), eps=1e-15)


def error(method: Small) -> float:
    pose = torch.from_numpy(look_at_origin(0.4))  # between two training views
    truth = torch.from_numpy(ball().train.composite(0, (1.0, 1.0, 1.0)))
    return float((method.render(pose, CAMERA) - truth).square().mean())


@pytest.mark.parametrize("loss", ["huber", "mse"])
def test_it_learns_an_unseen_view(loss: str) -> None:
    method = Small(Config(loss=loss), context())
    untrained = error(method)
    for _ in range(150):
        method.step(0.0)
    assert error(method) < 0.01 < untrained


def test_methods_of_one_seed_draw_the_same_pixels_whatever_else_they_draw() -> None:
    class Wasteful(Small):
        def step(self, progress: float) -> torch.Tensor:
            torch.rand(7, generator=self.generator)
            return super().step(progress)

    drawn: list[list[torch.Tensor]] = []
    for kind, loss in ((Small, "huber"), (Wasteful, "mse")):
        method = kind(Config(loss=loss), context())
        sample = method.pixels.sample
        seen: list[torch.Tensor] = []

        def noted(
            count: int,
            generator: torch.Generator,
            sample: Any = sample,
            seen: list[torch.Tensor] = seen,
        ) -> Any:
            rays, pixels = sample(count, generator)
            seen.append(rays.origins)
            return rays, pixels

        method.pixels.sample = noted  # type: ignore[method-assign]
        for _ in range(4):
            method.step(0.0)
        drawn.append(seen)
    for own, other in zip(*drawn, strict=True):
        both = min(len(own), len(other))
        assert torch.equal(own[:both], other[:both])
    assert not torch.equal(drawn[0][0][:16], drawn[0][1][:16]), "steps differ"


def test_maps_show_the_ball_where_it_is() -> None:
    """Its front is RADIUS nearer than the middle, and around it there is nothing."""
    method = Small(Config(), context())
    for _ in range(150):
        method.step(0.0)
    before = method.render(torch.from_numpy(look_at_origin(0.4)), CAMERA)
    maps = method.render_maps(torch.from_numpy(look_at_origin(0.4)), CAMERA)
    assert float(maps.depth[7:9, 7:9].mean()) == pytest.approx(DISTANCE - RADIUS, abs=0.3)
    assert float(maps.opacity[7:9, 7:9].min()) > 0.9
    assert float(maps.opacity[0].max()) < 0.1
    after = method.render(torch.from_numpy(look_at_origin(0.4)), CAMERA)
    assert torch.equal(before, after), "looking changes nothing"


def test_the_ray_count_follows_the_samples() -> None:
    method = Small(Config(samples=4000), context())
    for _ in range(60):
        method.step(0.0)
    assert method.sample_count == pytest.approx(4000, rel=0.15)


def test_a_seed_decides_everything() -> None:
    def train(seed: int) -> dict[str, torch.Tensor]:
        method = Small(Config(), context(seed=seed))
        for _ in range(20):
            method.step(0.0)
        return method.state()

    first, again, other = train(3), train(3), train(4)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["field.table"], other["field.table"])


def test_backgrounds_are_random_per_ray_only_where_images_have_alpha() -> None:
    pixels = torch.tensor([[0.2, 0.4, 0.6, 0.25]]).expand(50, 4)
    rays = Rays(torch.zeros(50, 3), torch.eye(3)[[2]].expand(50, 3))
    random = Small(Config(), context())
    target, behind = random.matched(rays, pixels, random.generator)
    assert len(torch.unique(behind, dim=0)) == 50
    torch.testing.assert_close(target, 0.25 * pixels[:, :3] + 0.75 * behind)
    fixed = Small(Config(background="scene"), context())
    target, behind = fixed.matched(rays, pixels, fixed.generator)
    assert torch.unique(behind).tolist() == [1.0]
    torch.testing.assert_close(target[0], torch.tensor([0.8, 0.85, 0.9]))
    views = replace(ball().train, images=ball().train.images[..., :3])
    opaque = Small(Config(), context(scene=replace(ball(), train=views)))
    target, behind = opaque.matched(rays, pixels[:, :3], opaque.generator)
    assert torch.unique(behind).tolist() == [1.0]
    assert torch.equal(target, pixels[:, :3])


@pytest.mark.parametrize("learner", [None, MiningConfig()])
def test_a_sphere_learns_what_lies_behind(learner: MiningConfig | None) -> None:
    """Of images of nothing but what is far away: red above the horizon, blue below it."""
    scene = ball()
    images = np.zeros((8, 16, 16, 3), np.uint8)
    images[:, :8, :, 0] = images[:, 8:, :, 2] = 255
    views = replace(scene.train, images=images)
    scene = replace(scene, train=views, test=views, opaque=True)
    method = Small(Config(background="sphere"), context(scene=scene))
    if learner:
        method.learner = HardSampleLearner(learner, len(images), method.generator, "cpu")
    before = method.render(torch.from_numpy(views.poses[0]), views.intrinsics)
    for _ in range(80):
        loss = method.step(0.0)
    assert torch.isfinite(loss)
    image = method.render(torch.from_numpy(views.poses[0]), views.intrinsics)
    truth = torch.from_numpy(images[0]).float() / 255
    assert (image - truth).square().mean() < 0.4 * (before - truth).square().mean()
    assert method.environment is not None
    above, below = method.environment(torch.tensor([[0.97, 0.1, 0.2], [0.97, 0.1, -0.2]]))
    assert above[0] > 0.505 > 0.495 > below[0], "although the ball's box may be filled as well"
    fresh = Small(Config(background="sphere"), context(scene=scene))
    fresh.load_state({name: tensor.clone() for name, tensor in method.state().items()})
    again = fresh.render(torch.from_numpy(views.poses[0]), views.intrinsics)
    assert torch.equal(again, image), "it is shipped"
    assert method.environment.texels.numel() <= sum(p.numel() for p in method.parameters())
    assert method.exportable(views.intrinsics) is None


def test_the_rate_warms_up_and_decays_with_the_budget() -> None:
    method = Small(Config(decay="exponential"), context())

    def rate(iteration: int, progress: float) -> float:
        method.iteration = iteration
        method._set_rate(progress)
        return float(method.optimizer.param_groups[0]["lr"])

    assert rate(0, 0.0) == pytest.approx(1e-2 / 20)
    assert rate(100, 0.3) == pytest.approx(1e-2)
    assert rate(100, 0.65) == pytest.approx(1e-2 * 0.1**0.5)
    assert rate(100, 1.0) == pytest.approx(1e-3)


def test_the_average_is_what_is_rendered_and_shipped() -> None:
    method = Small(Config(ema=0.5), context())
    for _ in range(3):
        method.step(0.0)
    state = method.state()
    assert not torch.equal(state["field.table"], method.field.state_dict()["table"])
    fresh = Small(Config(ema=0.5), context())
    fresh.load_state(state)
    pose = torch.from_numpy(look_at_origin(0.0))
    assert torch.equal(fresh.render(pose, CAMERA), method.render(pose, CAMERA))


def test_a_step_without_any_sample_does_no_harm() -> None:
    method = Small(Config(), context())
    method.sampler.load_state({"occupancy.bits": torch.zeros(16**3 // 8, dtype=torch.uint8)})
    before = method.field.state_dict()["table"].clone()
    loss = method.step(0.0)
    assert loss.isfinite()
    assert torch.equal(method.field.state_dict()["table"], before)


def test_tables_tell_of_every_step_once() -> None:
    method = Small(Config(), context())
    losses = [float(method.step(0.0)) for _ in range(3)]
    steps = method.tables()["steps"]
    assert [(row["iteration"], row["loss"]) for row in steps] == list(enumerate(losses, 1))
    assert steps[0]["rays"] == 128
    assert steps[-1]["samples"] == method.sample_count
    method.step(0.0)
    assert [row["iteration"] for row in method.tables()["steps"]] == [4]


def test_tables_look_at_the_same_pixels_and_the_same_ray_every_time() -> None:
    method = Small(Config(), context())
    method.step(0.0)
    first, again = method.tables(), method.tables()
    assert first["distributions"] == again["distributions"] != []
    assert first["ray"] == again["ray"] != []
    assert {row["quantity"] for row in first["distributions"]} == {"pixel_loss", "sample_weight"}
    depths = [row["t"] for row in first["ray"]]
    assert depths == sorted(depths)


def test_tables_leave_training_as_it_was() -> None:
    def train(look: bool) -> dict[str, torch.Tensor]:
        method = Small(Config(), context())
        for _ in range(20):
            method.step(0.0)
            if look:
                method.tables()
        return method.state()

    alone, watched = train(False), train(True)
    assert all(torch.equal(alone[name], watched[name]) for name in alone)
