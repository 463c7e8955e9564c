"""The step's switches: those that must not change a result, and the effect of those that do."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch

from effbench.cell.memory import saved_bytes
from effbench.errors import ConfigError
from effbench.kernels.volume_rendering import composite
from effbench.method import Checkpoint
from effbench.nerf.fields import HashField
from effbench.nerf.sampling import OccupancySampler
from effbench.nerf.sampling.async_pixels import AsyncPixels
from effbench.nerf.sampling.progressive_pixels import ProgressivePixels
from effbench.nerf.sampling.rays import TrainingPixels
from effbench.nerf.training import RadianceFieldMethod
from tests.nerf.training.test_recipes import REGISTRY, build
from tests.nerf_scene import SMALL, ball, context

EVEN: dict[str, Any] = {
    "sampling": "uniform",
    "uniform": 16,
    "samples": 1024,
}  # as many samples in every step
TINY = {"samples": 256, "march_steps": 32, "grid_resolution": 8}


def gradients(method: RadianceFieldMethod) -> dict[str, torch.Tensor]:
    method.step(0.0)
    return {n: p.grad.clone() for n, p in method.field.named_parameters() if p.grad is not None}


def trained(steps: int = 12, progress: float = 0.0, **params: Any) -> RadianceFieldMethod:
    method = build(**params)
    for _ in range(steps):
        method.step(progress)
    return method


@pytest.mark.parametrize("method", ["instant-ngp", "nerf"])
def test_checkpointing_gives_the_same_gradients_and_keeps_less(method: str) -> None:
    params = {} if method == "instant-ngp" else TINY
    plain, again = (
        build_small(method, checkpointing=wanted, precision="fp32", **params)
        for wanted in (False, True)
    )
    plain.learner.composite = composite  # by its parts: one kernel keeps nothing, either
    expected, found = gradients(plain), gradients(again)
    assert expected.keys() == found.keys()
    for name, gradient in expected.items():
        scale = float(gradient.abs().max())
        torch.testing.assert_close(found[name], gradient, atol=1e-5 * scale, rtol=1e-4)
    kept, less = (saved_bytes(functools.partial(m.step, 0.0)) for m in (plain, again))
    assert 0 < less < 0.8 * kept


def build_small(method: str, **params: Any) -> RadianceFieldMethod:
    if method == "instant-ngp":
        return build(**params)
    cls = REGISTRY.method(method)
    built = cls(cls.Config(**params), context())
    assert isinstance(built, RadianceFieldMethod)
    return built


def test_pixels_sent_ahead_are_those_of_the_images_in_memory() -> None:
    where = (ball().train, build().aabb, torch.device("cpu"), "auto")

    def seed(step: int) -> int:
        return 7 + step

    ahead, plain = AsyncPixels(*where, seed), TrainingPixels(*where)
    for step in (0, 1, 2, 5):  # and a step that was not expected
        ours, theirs = (torch.Generator().manual_seed(seed(step)) for _ in range(2))
        found, colors = ahead.of_step(100, ours, step)
        expected, known = plain.of_step(100, theirs, step)
        assert torch.equal(colors, known)
        assert torch.equal(found.directions, expected.directions)
        assert torch.equal(found.origins, expected.origins)
        assert torch.equal(ours.get_state(), theirs.get_state()), "what is drawn next is the same"


def test_a_look_at_a_batch_does_not_change_which_pixels_are_next() -> None:
    ahead = AsyncPixels(ball().train, build().aabb, torch.device("cpu"), "auto", lambda step: step)
    generator = torch.Generator().manual_seed(0)
    ahead.of_step(50, generator, 0)
    ahead.sample(50, torch.Generator().manual_seed(3))
    _, found = ahead.of_step(50, generator, 1)
    twin = AsyncPixels(ball().train, build().aabb, torch.device("cpu"), "auto", lambda step: step)
    assert torch.equal(found, twin.of_step(50, generator, 1)[1])


def test_loading_ahead_trains_as_loading_before() -> None:
    # the number of rays is asked one step early: it must stand still for that to be the same
    before, ahead = (trained(loading=kind, **EVEN) for kind in ("preloaded", "async"))
    assert before.ray_count == ahead.ray_count
    before, ahead = (trained(40, loading=kind) for kind in ("preloaded", "async"))
    assert ahead.sample_count == pytest.approx(before.sample_count, rel=0.25)
    assert ahead.sample_count == pytest.approx(SMALL["samples"], rel=0.25), "it is steered"


def test_small_images_come_first() -> None:
    method = build(image_schedule="progressive")
    assert isinstance(method.pixels, ProgressivePixels)
    places = {}
    for progress in (0.0, 0.3, 0.9):
        method.pixels.advance(progress)
        rays, _ = method.pixels.sample(4000, torch.Generator().manual_seed(0))
        places[progress] = len(torch.unique((rays.directions * 1e4).round(), dim=0))
    views, side = 8, 16
    assert places[0.0] <= views * (side // 4) ** 2 < places[0.3] <= views * (side // 2) ** 2
    assert places[0.9] > views * (side // 2) ** 2


def test_fine_levels_are_left_alone_at_first_and_learn_later() -> None:
    method = trained(level_schedule="progressive")
    field = method.field
    assert isinstance(field, HashField)
    fine = slice(field.layout.first(2).rows, None)  # two of four levels
    assert not field.table[fine].any()
    assert field.table[: fine.start].abs().max() > 1e-3
    for _ in range(5):
        method.step(0.6)
    assert field.table[fine].any()


def test_levels_that_are_not_there_yet_are_the_same_to_every_kernel() -> None:
    field = trained(level_schedule="progressive").field
    assert isinstance(field, HashField)
    positions = torch.rand(50, 3, generator=torch.Generator().manual_seed(0))
    early = field.encode(positions)
    field.load_shipped(field.shipped())
    torch.testing.assert_close(field.encode(positions), early, rtol=0, atol=0)


@pytest.mark.filterwarnings("default")  # the compiler warns of its own doings
def test_compiled_networks_give_the_same_gradients() -> None:
    plain = build(precision="fp32")
    compiled = build(precision="fp32", compile=True)
    expected, found = gradients(plain), gradients(compiled)
    for name, gradient in expected.items():
        scale = float(gradient.abs().max())
        torch.testing.assert_close(found[name], gradient, atol=1e-5 * scale, rtol=1e-4)


def test_a_compiler_that_is_missing_is_told_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        def fail(*_: Any) -> Any:
            raise RuntimeError("no working C++ compiler\nand much more")

        return fail

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(ConfigError, match=r"failed: no working C\+\+ compiler\. .*g\+\+"):
        build(compile=True)


def test_nothing_behind_rays_weighs_colours_by_alpha() -> None:
    method = build(background="none")
    pixels = torch.tensor([[0.5, 0.25, 1.0, 0.5], [1.0, 1.0, 1.0, 0.0]])
    rays, _ = method.pixels.sample(2, torch.Generator().manual_seed(0))
    target, background = method.matched(rays, pixels, torch.Generator())
    assert target.tolist() == [[0.25, 0.125, 0.5], [0.0, 0.0, 0.0]]
    assert not background.any()


@pytest.mark.parametrize(("sampling", "count"), [("uniform", 16), ("hierarchical", 10)])
def test_as_many_samples_on_every_ray(sampling: str, count: int) -> None:
    method = build(sampling=sampling, uniform=16, coarse=6, fine=4)
    assert method.facts()["samples_per_ray"] <= count
    method.step(0.0)
    assert method.sample_count % count == 0
    assert "samples_skipped" not in method.facts()


def test_the_share_of_samples_that_a_grid_leaves_out_is_told() -> None:
    method = build(compaction="none")
    assert isinstance(method.sampler, OccupancySampler)
    assert method.facts()["samples_skipped"] == pytest.approx(0, abs=0.02), "nothing is known"
    bits = method.sampler.grid.bits
    bits[: len(bits) // 2] = 0  # the lower half is empty, and cameras look along the horizon
    facts = method.facts()
    assert facts["samples_skipped"] == pytest.approx(0.5, abs=0.1)
    bits.zero_()
    assert method.facts()["samples_skipped"] == 1
    assert method.facts()["samples_per_ray"] == 0


def test_training_starts_from_the_field_of_another_scene() -> None:
    first = trained(30)
    parent = Checkpoint("instant-ngp", {}, first.state())
    cls = REGISTRY.method("instant-ngp")
    config = cls.Config(**SMALL, initial="test/other")
    needed = cls.requires(config)["initial"]
    assert needed.scene == "test/other"
    assert needed.params["initial"] == ""
    begun = cls(config, context(parents={"initial": parent}))
    assert isinstance(begun, RadianceFieldMethod)
    assert isinstance(begun.field, HashField)
    assert torch.equal(begun.field.table, first.state()["field.table"])
    assert begun.sampler.facts()["grid_occupied"] == 1.0, "the grid begins anew"
    assert not begun.optimizer.state, "and so does the optimiser"
    assert begun.facts()["initial_scene"] == "test/other"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"loading": "async", "image_schedule": "progressive"}, "loading=async"),
        ({"loading": "async", "images": "one"}, "use images=all"),
        ({"sampling": "uniform", "space": "cascades"}, "sampling=uniform"),
        ({"buffers": "fixed", "loading": "async"}, "buffers=fixed"),
        ({"buffers": "fixed", "level_schedule": "progressive"}, "buffers=fixed"),
    ],
)
def test_switches_that_exclude_each_other_are_told(params: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(**params)
