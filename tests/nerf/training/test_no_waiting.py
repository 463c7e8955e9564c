"""A step in fixed buffers gives the host nothing to wait for: shown without a GPU, by tensors of
the device `meta`, which have sizes but no values, so that whatever asks for a value fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from effbench.kernels.hash_layout import HashLayout
from effbench.nerf.fields import HashField
from effbench.nerf.sampling import OccupancyOptions, OccupancySampler
from effbench.nerf.sampling.capacity import Capacity
from effbench.nerf.sampling.rays import Aabb, Rays
from effbench.nerf.sampling.spaces import Box
from effbench.nerf.training.controller import RayController
from effbench.nerf.training.hsm import HardSampleLearner, MiningConfig
from effbench.nerf.training.learning import Batch, FullLearner, Learner

DEVICE = torch.device("meta")
RAYS = 256


class NoTransfer(TorchDispatchMode):
    """Refuses operations that mix tensors of the device with values of the host: these are copied
    over first, which makes the host wait (plain numbers are not: they go with the launch)."""

    MIXED = ("aten::where", "aten::copy_", "aten::_to_copy")

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        tensors = [x for x in args if isinstance(x, Tensor)]
        places = {x.device.type for x in tensors}
        if kwargs and isinstance(kwargs.get("device"), torch.device):
            places.add(kwargs["device"].type)
        if func.name().split(".")[0] in self.MIXED and len(places) > 1:
            raise RuntimeError(f"{func.name()} between the host and the device")
        return func(*args, **(kwargs or {}))


@contextmanager
def device_without_values() -> Iterator[None]:
    with NoTransfer():
        yield


def step(compaction: str, learner: Learner, field: HashField, capacity: Capacity) -> None:
    """Do what a fixed step does after its rays are drawn, with the reference kernels."""
    aabb = Aabb(torch.zeros(3, device=DEVICE), 1.0, 0.0, 10.0)
    options = OccupancyOptions(resolution=8, steps=32, compaction=compaction)
    sampler = OccupancySampler(options, Box(aabb), DEVICE, "reference")
    controller = RayController(100, 1000, 8000, 1 << 18, DEVICE)
    rays = Rays(torch.empty(RAYS, 3, device=DEVICE), torch.empty(RAYS, 3, device=DEVICE))
    n = controller.count.clamp_max(RAYS)
    filled = sampler.place_within(rays, n, field, None, capacity)  # type: ignore[arg-type]
    target = torch.empty(RAYS, 3, device=DEVICE)

    def loss(color: Tensor, target: Tensor) -> Tensor:
        each = (color - target).square().mean(1)
        return each.masked_fill(~filled.complete, 0).sum() / filled.complete.sum().clamp_min(1)

    batch = Batch(rays, filled.placed, target, torch.empty(RAYS, 3, device=DEVICE))
    learner.backward_within(field, sampler, batch, loss, capacity.drawn)
    c = filled.complete.sum()
    kept = filled.placed.samples.offsets.index_select(0, c.view(1))[0]
    controller.steer(n, c, kept, kept)


class Encoded(HashField):
    """A hash field whose table is not looked up: the encoding has a kernel of its own, while its
    reference reads constants from the host."""

    def _autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        return nullcontext()  # `meta` has none

    def encode(self, positions: Tensor, encoded: Tensor | None = None) -> Tensor:
        return positions.repeat(1, self.layout.width)[:, : self.layout.width] * self.table[0, 0]


def build() -> Encoded:
    """Return a field on the device, without values."""
    layout = HashLayout(levels=2, log2_table=6, base=4, finest=8)
    field = Encoded.__new__(Encoded)
    nn.Module.__init__(field)
    field.layout, field.precision, field.backend = layout, "fp32", "reference"
    shapes = [(16, 4), (16, 16)], [(16, 31), (16, 16), (3, 16)]

    def weights(of: list[tuple[int, int]]) -> nn.ParameterList:
        return nn.ParameterList([nn.Parameter(torch.empty(*shape, device=DEVICE)) for shape in of])

    field.table = nn.Parameter(torch.empty(layout.rows, 2, device=DEVICE))
    field.density_layers, field.color_layers = map(weights, shapes)
    return field


@pytest.mark.parametrize("compaction", ["none", "transmittance", "low-weight"])
@pytest.mark.parametrize(
    "mining",
    [
        None,
        MiningConfig(reweight=True),
        MiningConfig(reweight=True, replacement=False),
        MiningConfig(reweight=True, evaluate="drawn"),
    ],
    ids=["all", "mined", "no-replacement", "as-drawn"],
)
def test_nothing_is_asked_of_the_device(
    compaction: str, mining: MiningConfig | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # tensors without values cannot take numbers from a generator
    draw = torch.rand

    def rand(*size: int, **options: Any) -> Tensor:
        options.pop("generator")
        return draw(*size, **options)

    monkeypatch.setattr(torch, "rand", rand)
    capacity = Capacity(RAYS, 4096, 2048, 2048 if mining is None else 512)
    with device_without_values():
        learner: Learner = FullLearner("reference")
        if mining is not None:
            learner = HardSampleLearner.__new__(HardSampleLearner)
            learner.config, learner.backend = mining, "reference"
            learner.generator, learner.rate = None, 0.1  # type: ignore[assignment]
            learner.mean_tau = torch.ones((), device=DEVICE)
        step(compaction, learner, build(), capacity)


def test_the_means_of_showing_it_work() -> None:
    with device_without_values():
        values = torch.empty(4, device=DEVICE)
        with pytest.raises(Exception, match=r"[Mm]eta"):
            float(values.sum())
        with pytest.raises(Exception, match=r"nonzero|[Mm]eta"):
            values.nonzero()
        with pytest.raises(RuntimeError, match="between the host and the device"):
            torch.tensor([1.0]).to(DEVICE)
        assert values.masked_fill(values > 0, 0.0).shape == (4,)
