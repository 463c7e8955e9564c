"""A whole step in buffers of fixed size, on the Triton kernels and on the reference: the same."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from effbench.nerf.sampling.capacity import Capacity
from effbench.nerf.training.hsm import MiningConfig
from tests.nerf.training.test_fixed_step import Config, Small, fixed_of, gradients, set_rays
from tests.nerf_scene import context

RAYS = 8


def one_step(
    device: torch.device, backend: str, compaction: str, mining: MiningConfig | None
) -> tuple[list[Tensor], dict[str, float]]:
    """Return the gradients of a step on 6 of 8 rays, and what it reports."""
    config = Config(samples=512, compaction=compaction, mining=mining)
    method = Small(config, context(device=device, backend=backend))
    set_rays(method, 6)
    fixed = fixed_of(method)
    capacity = Capacity(RAYS, 1024, 1024, 1024)
    found = gradients(method, lambda: fixed.work(capacity))
    return found, dict(zip(fixed.names, fixed._values.tolist(), strict=True))


MINED = MiningConfig(running_mean=False)


@pytest.mark.parametrize(
    ("compaction", "mining"), [("none", MINED), ("transmittance", None), ("low-weight", MINED)]
)
def test_a_step_is_the_references(
    device: torch.device, compaction: str, mining: MiningConfig | None
) -> None:
    found, reported = one_step(device, "triton", compaction, mining)
    expected, known = one_step(device, "reference", compaction, mining)
    assert reported == pytest.approx(known, rel=1e-3)
    assert reported["rays"] == 6
    for mine, other in zip(found, expected, strict=True):
        assert float((mine - other).norm()) <= 1e-2 * float(other.norm())
