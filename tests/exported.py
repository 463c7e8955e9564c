"""Small methods that can be exported: a light field that takes a camera, a hash field for rays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from effbench.method import Checkpoint, Context, Exportable, Method
from effbench.nerf.lightfield import export
from effbench.nerf.lightfield.network import NeLFShape, build
from effbench.nerf.lightfield.rays import LightField, RayEncoder
from effbench.nerf.training.hash_method import HashConfig, HashMethod
from effbench.scene import Intrinsics
from tests.nerf_scene import context

SHAPE = NeLFShape.regular(points=4, frequencies=2, width=32, depth=6, sr_widths=(16,), sr_blocks=1)
SMALL = HashConfig(
    levels=4,
    log2_table=10,
    finest_resolution=64,
    hidden=16,
    samples=2048,
    march_steps=64,
    render_steps=64,
    grid_resolution=16,
    early_stop_eps=1e-3,
    lr=0.03,
    precision="fp32",
)


@dataclass(frozen=True)
class LightFieldConfig:
    """No parameters."""


class RandomLightField(Method):
    """A light field with random weights and statistics, as busy as a trained one."""

    name = "random-light-field"
    Config = LightFieldConfig
    trains = False
    exported_with_cell = True

    def __init__(self, config: Any, context: Context) -> None:
        super().__init__(config, context)
        network = build(SHAPE, context.seed).eval()
        generator = torch.Generator().manual_seed(context.seed)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.weight.data, module.running_mean, module.running_var):
                    assert tensor is not None
                    tensor.uniform_(0.2, 1, generator=generator)
        network.tail.weight.data *= 6
        self.network = network

    def _field(self, intrinsics: Intrinsics) -> LightField:
        return LightField(RayEncoder(SHAPE, self.context.scene, intrinsics), self.network)

    def step(self, progress: float) -> Tensor:
        raise NotImplementedError

    def render(self, pose: Tensor, intrinsics: Intrinsics) -> Tensor:
        with torch.no_grad():
            image: Tensor = self._field(intrinsics)(pose[None])[0]
        return image

    def state(self) -> dict[str, Tensor]:
        return dict(self.network.state_dict())

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.network.load_state_dict(state)

    def parameters(self) -> Iterable[Tensor]:
        return self.network.parameters()

    def exportable(self, intrinsics: Intrinsics) -> Exportable:
        return export.exportable(self._field(intrinsics))


class SmallHash(HashMethod):
    """Instant-NGP at the size of a test."""

    name = "instant-ngp"
    Config = HashConfig


@cache
def camera_method() -> RandomLightField:
    """Return a light field; not to be changed."""
    return RandomLightField(LightFieldConfig(), context())


@cache
def rays_method() -> SmallHash:
    """Return a hash field that has learnt a grey ball; not to be changed."""
    method = SmallHash(SMALL, context())
    for step in range(160):
        method.step(step / 160)
    return method


def checkpoint(method: Method, params: Mapping[str, Any]) -> Checkpoint:
    """Return what a child is given of a trained method."""
    state = {key: tensor.clone() for key, tensor in method.state().items()}
    return Checkpoint(method.name, params, state, cls=type(method))
