"""A step in fixed buffers gives the host nothing to wait for, forward or backward, and does not
mix devices: shown without a GPU, by tensors without values."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from effbench.nerf.sampling.capacity import Capacity
from effbench.nerf.training.hsm import MiningConfig
from tests.nerf.training.test_fixed_step import Config, Small, fixed_of
from tests.nerf_scene import ball, context, mixed_ball
from tests.without_values import META, as_if_interpreted, launches, to_meta

LEARNERS = {
    "all": None,
    "mined": MiningConfig(reweight=True),
    "no-replacement": MiningConfig(reweight=True, replacement=False),
    "as-drawn": MiningConfig(reweight=True, evaluate="drawn"),
}
KERNELS = {
    *("pixels._look_up", "marching._count", "marching._write", "pixel_loss._forward"),
    *("hash_encoding._forward", "hash_encoding._backward", "mlp._forward", "mlp._backward"),
    *("volume_rendering._forward", "volume_rendering._backward", "steering._steer"),
}
COMPACTING: dict[str, set[str]] = {
    "none": set(),
    "transmittance": {"volume_rendering._visible_counts", "compaction._copy_prefixes"},
    "low-weight": {"volume_rendering._visible_counts", "compaction._copy_selected"},
}


def second_step(backend: str, scene: Any = None, **choices: Any) -> set[str]:
    """Do two steps; return the names of what the second launched: the first may copy constants."""
    with as_if_interpreted():
        where = context(backend=backend, scene=scene or ball())
        method = Small(Config(precision="bf16", **choices), where)
    to_meta(method)
    fixed, learner = fixed_of(method), choices.get("mining")
    capacity = Capacity(rays=256, marched=4096, kept=2048, drawn=512 if learner else 2048)
    with launches(strict=False):
        method.pixels.refresh()
        fixed.work(capacity)
    with launches() as found:
        fixed.work(capacity)
    return set(found.counts)


def triton(names: set[str]) -> set[str]:
    return {name.removeprefix("triton ") for name in names if name.startswith("triton ")}


@pytest.mark.parametrize("compaction", COMPACTING)
@pytest.mark.parametrize("mining", LEARNERS.values(), ids=LEARNERS)
def test_nothing_is_asked_of_the_device(compaction: str, mining: MiningConfig | None) -> None:
    found = triton(second_step("triton", compaction=compaction, mining=mining))
    assert found >= KERNELS | COMPACTING[compaction]


@pytest.mark.parametrize("compaction", COMPACTING)
@pytest.mark.parametrize("name", ["all", "mined"])
def test_nor_is_it_by_the_definitions(compaction: str, name: str) -> None:
    assert not triton(second_step("reference", compaction=compaction, mining=LEARNERS[name]))


@pytest.mark.parametrize(
    "choices",
    [
        {"error_map": True},
        {"error_map": True, "mining": MiningConfig()},
        {"background": "sphere"},
        {"background": "scene", "loss": "mse"},
    ],
    ids=lambda choices: "-".join(map(str, choices)),
)
def test_nor_is_it_by_other_choices(choices: dict[str, Any]) -> None:
    assert triton(second_step("triton", **choices)) >= {"steering._steer"}


@pytest.mark.parametrize("space", ["contracted", "cascades"])
def test_nor_is_it_in_a_scene_without_end(space: str) -> None:
    inner = np.array([[-0.8] * 3, [0.8] * 3], np.float32)
    endless = dataclasses.replace(ball(), inner=inner, opaque=True)
    assert triton(second_step("triton", endless, space=space)) >= {"steering._steer"}


def test_nor_by_images_of_several_sizes() -> None:
    found = triton(second_step("triton", mixed_ball()))
    assert found >= KERNELS - {"pixels._look_up"} | {"rays._generate"}


def test_the_means_of_showing_it_work() -> None:
    with launches() as found:
        values = torch.empty(4, device=META)
        assert not found.counts
        with pytest.raises(Exception, match=r"[Mm]eta"):
            float(values.sum())
        with pytest.raises(Exception, match=r"nonzero|[Mm]eta"):
            values.nonzero()
        with pytest.raises(RuntimeError, match="between the host and the device"):
            torch.ones(1).to(META)
        with pytest.raises(RuntimeError, match="of the host's values"):
            torch.tensor([1.0], device=META)
        found.counts.clear()
        assert values.view(2, 2).masked_fill(values.view(2, 2) > 0, 0.0).shape == (2, 2)
        assert found.counts == {"gt": 1, "masked_fill": 1}
