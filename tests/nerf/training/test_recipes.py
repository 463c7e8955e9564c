"""Recipes and details of the original Instant-NGP: what they set, and that each has its effect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from effbench.errors import ConfigError
from effbench.method import Method
from effbench.nerf.sampling import OccupancyOptions, OccupancySampler
from effbench.nerf.sampling.pixels import PixelGrid
from effbench.nerf.sampling.rays import OneViewPixels, TrainingPixels
from effbench.nerf.training import RadianceFieldMethod
from effbench.nerf.training.sparse_adam import SparseAdam
from effbench.planning import registry as plugins
from effbench.planning.planner import resolve
from effbench.scene import Intrinsics
from tests.nerf_scene import SMALL, ball, context, mixed_ball

REGISTRY = plugins.discover([])


def resolved(method: str, device: str = "cpu", captured: bool = False, **params: Any) -> Any:
    return resolve(REGISTRY.method(method), params, device, captured=captured)[0]


def build(method: str = "instant-ngp", scene: Any = None, **params: Any) -> RadianceFieldMethod:
    cls: type[Method] = REGISTRY.method(method)
    config, _ = resolve(cls, SMALL | params, "cpu")
    built = cls.specialised(SMALL | params)(config, context(scene=scene or ball()))
    assert isinstance(built, RadianceFieldMethod)
    return built


@pytest.mark.parametrize("method", ["instant-ngp", "hsm"])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_method_and_baseline_have_one_published_recipe(method: str, device: str) -> None:
    config = resolved(method, device, recipe="published")
    assert (config.decay, config.loss, config.ema) == ("none", "mse", 0.95)
    assert (config.images, config.compaction) == ("one", "none")
    assert config.samples == (1 << 20 if device == "cuda" else resolved(method).samples)
    assert config.log2_table == resolved(method, device).log2_table  # what it says nothing of
    tuned = resolved(method, device)
    assert (tuned.decay, tuned.loss, tuned.ema, tuned.images) == ("exponential", "huber", 0, "all")


def test_a_recipe_is_a_rows_only_difference_and_its_parts_can_be_set() -> None:
    params = {"recipe": "published", "loss": "huber"}
    config, defaults = resolve(REGISTRY.method("instant-ngp"), params, "cpu")
    assert (config.loss, defaults.loss, defaults.recipe) == ("huber", "mse", "tuned")
    assert resolved("hsm", recipe="published").evaluate == "drawn"
    assert resolved("low-weight", recipe="published").compaction == "low-weight"


def test_published_captures_are_marched_in_cascades() -> None:
    config = resolved("instant-ngp", captured=True, recipe="published")
    assert (config.space, config.cone, config.compaction) == ("cascades", 1 / 256, "none")


def test_what_a_recipe_does_not_go_with_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no recipe=published with base=nerf"):
        resolved("hsm", recipe="published", base="nerf")
    with pytest.raises(ConfigError, match="use images=all"):
        resolved("error-map", images="one")
    assert resolved("error-map", recipe="published").images == "all"
    for method in ("instant-ngp", "hsm", "proposal", "error-map"):
        with pytest.raises(ConfigError, match="ema is 1: write a number in"):
            resolved(method, ema=1.0)


def test_a_published_cell_trains() -> None:
    method = build("hsm", recipe="published")
    assert isinstance(method.pixels, OneViewPixels)
    for _ in range(3):
        assert method.step(0.9).isfinite()
    assert method.optimizer.param_groups[0]["lr"] == pytest.approx(method.base_rates[0] * 3 / 20)
    assert method.facts()["mining_evaluates"] == "every draw"


@pytest.mark.parametrize("scene", [ball(), mixed_ball()], ids=["one size", "two sizes"])
def test_pixels_of_one_view_are_all_of_it_and_views_are_drawn_evenly(scene: Any) -> None:
    method = build(scene=scene, images="one")
    located = []

    class Noted(OneViewPixels):
        def _at(self, view: Any, y: Any, x: Any) -> Any:
            located.append((view, y, x))
            return super()._at(view, y, x)

    method.pixels.__class__ = Noted
    for _ in range(200):
        method.pixels.sample(256, method.generator)
    views = [int(view[0]) for view, _, _ in located]
    assert all((view == view[0]).all() for view, _, _ in located)
    assert min(views.count(i) for i in range(8)) > 5  # 25 on average; 5 is 4.3 deviations below
    grid = PixelGrid.of(scene.train.sizes, method.device)
    drawn = torch.cat([grid.index(*place) for place in located]).unique()
    assert len(drawn) == grid.pixels  # 51,200 draws of at most 2,048 pixels
    assert type(build(scene=scene).pixels) is TrainingPixels


def test_sparse_adam_leaves_entries_without_a_gradient_alone() -> None:
    def moved(sparse: bool) -> tuple[bool, bool]:
        method = build(sparse_adam=sparse)
        for _ in range(5):
            method.step(0.0)
        weights = dict(method.field.named_parameters())
        before = {name: weight.detach().clone() for name, weight in weights.items()}
        method.step(0.0)
        table = weights.pop("table")
        assert table.grad is not None
        untouched = torch.eq(table.grad, 0)
        assert 0 < untouched.sum() < untouched.numel()
        assert not any(torch.equal(weights[name].detach(), before[name]) for name in weights)
        changed = torch.ne(table.detach(), before["table"])
        return bool(changed[untouched].any()), bool(changed[~untouched].any())

    assert moved(sparse=False) == (True, True)
    assert moved(sparse=True) == (False, True)


def test_sparse_adam_keeps_torchs_for_other_parameters() -> None:
    ours, theirs = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    table = torch.nn.Parameter(torch.ones(4))
    how: dict[str, Any] = {"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-15}
    optimizer = SparseAdam([{"params": [table], "sparse": True}, {"params": [ours]}], **how)
    reference = torch.optim.Adam([theirs], **how)
    for step in range(4):
        ours.grad = theirs.grad = torch.tensor([0.0, 1.0, -step])
        table.grad = torch.tensor([0.0, 1.0, 0.0, step])
        optimizer.step()
        reference.step()
    assert torch.equal(ours, theirs)
    assert table.tolist()[::2] == [1, 1]
    assert table[1] < 1
    assert table.grad is not None


def test_the_grid_is_updated_often_at_first_where_its_schedule_is_a_ramp() -> None:
    constant, ramp = (OccupancyOptions(schedule=name) for name in ("constant", "ramp"))

    def every(step: int) -> int:  # clamp(step / 16, 1, 16)
        return 1 if step < 16 else 16 if step > 256 else step // 16

    assert [i for i in range(1024) if ramp.due(i)] == [
        i for i in range(1, 1024) if i % every(i) == 0
    ]
    assert [i for i in range(40) if constant.due(i)] == [16, 32]
    sampler = build(grid_schedule="ramp").sampler
    assert isinstance(sampler, OccupancySampler)
    assert sampler.options.schedule == "ramp"


def test_cells_that_no_camera_sees_are_culled_where_that_is_asked_for() -> None:
    """The cameras stand on the horizon and see half of the cube's height, so its floor and ceiling
    are out of their sight."""
    plain = ball()
    narrow = Intrinsics(width=16, height=16, fx=44.0, fy=44.0, cx=8.0, cy=8.0)
    scene = replace(plain, train=replace(plain.train, camera=narrow))

    def grid(**params: Any) -> Any:
        sampler = build(scene=scene, **params).sampler
        assert isinstance(sampler, OccupancySampler)
        return sampler.grid

    assert grid().culled == grid(grid_unseen="kept").culled == 0
    culled = grid(grid_unseen="culled")
    assert 0.2 < culled.culled < 0.8
    assert float(culled.occupied().float().mean()) == pytest.approx(1 - culled.culled)


def test_nerfaccs_thresholds_for_bounded_scenes_drop_only_what_is_hidden() -> None:
    config = resolved("low-weight-nerfacc")
    assert (config.alpha_threshold, config.early_stop_eps) == (0, 1e-4)
    captured = resolved("low-weight-nerfacc", captured=True)
    assert (captured.alpha_threshold, captured.grid_threshold) == (0, 0.01)

    def kept(compaction: str, alpha_threshold: float) -> int:
        method = build(compaction=compaction, alpha_threshold=alpha_threshold)
        rays, _ = method.pixels.sample(256, torch.Generator().manual_seed(1))
        shift = torch.Generator().manual_seed(2)
        # a fixed field and grid for all three
        method.field.load_state_dict(reference.field.state_dict())
        method.sampler.grid.optical_depth.copy_(grid.optical_depth)  # type: ignore[attr-defined]
        method.sampler.grid.bits.copy_(grid.bits)  # type: ignore[attr-defined]
        return len(method.sampler.place(rays, method.field, shift).samples)

    reference = build()
    for _ in range(40):
        reference.step(0.0)
    grid = reference.sampler.grid  # type: ignore[attr-defined]
    hidden = kept("transmittance", 0.0)
    assert kept("low-weight", 0.0) == hidden > kept("low-weight", 0.01)
