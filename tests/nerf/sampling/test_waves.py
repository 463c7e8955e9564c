"""Rendering by waves: the image of the definition, and how seldom the host waits for it.

On a CPU a sampler renders the other way; `waits_often` is what a GPU's has.
"""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from effbench.nerf.fields import RadianceField
from effbench.nerf.sampling import OccupancyOptions, OccupancySampler
from effbench.nerf.sampling.hierarchical import HierarchicalSampler
from effbench.nerf.sampling.proposal import ProposalOptions, ProposalSampler
from effbench.nerf.sampling.ray_maps import ray_maps
from effbench.nerf.sampling.rays import Aabb, Rays, camera_rays
from effbench.nerf.sampling.spaces import Box, Cascades, Contracted, Space
from effbench.nerf.sampling.waves import Marcher, _places
from effbench.scene import Intrinsics
from tests.nerf.sampling.test_sampler import CUBE, Ball, ball_rays, generator
from tests.nerf_scene import look_at_origin

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
INNER = Aabb(torch.tensor([-1.0, -1.0, -1.0]), 2.0, near=0.5, far=50.0)
BACKGROUND = torch.tensor([0.2, 0.4, 0.6])
FULL = Intrinsics(800, 800, 1111.0, 1111.0, 400.0, 400.0)


class Reads(TorchFunctionMode):
    """Counts what a host would wait for a device for: values, and sizes that depend on them."""

    VALUES: ClassVar = {"item", "tolist", "__int__", "__float__", "__bool__", "__index__"}
    VALUES |= {"cpu", "numpy", "nonzero", "argwhere", "masked_select", "unique"}

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        index = args[1] if name in ("__getitem__", "__setitem__") else ()
        parts = index if isinstance(index, tuple) else (index,)
        masked = any(isinstance(x, Tensor) and x.dtype == torch.bool for x in parts)
        open_end = name == "repeat_interleave" and not (kwargs or {}).get("output_size")
        if name in self.VALUES or masked or open_end:
            self.names.append(name)
        return func(*args, **(kwargs or {}))


def sampler(space: Space, backend: str = "auto", **options: Any) -> OccupancySampler:
    chosen = OccupancyOptions(**{"resolution": 16, "steps": 400, "render_steps": 400, **options})
    return OccupancySampler(chosen, space, CPU, backend)


def inner_rays(count: int) -> Rays:
    origins = torch.rand(count, 3, generator=generator(3)) * 0.2 - 0.6
    directions = torch.rand(count, 3, generator=generator(4)) + 0.1
    return Rays(origins, torch.nn.functional.normalize(directions, dim=1))


@pytest.mark.parametrize("slots", [1 << 22, 1000, 50])
@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize(
    "space", [Box(CUBE), Contracted(INNER), Cascades(INNER, 3, 0.01)], ids=lambda s: s.name
)
def test_the_image_is_that_of_the_definition(space: Space, backend: str, slots: int) -> None:
    one = sampler(space, backend, steps=100, render_steps=100)
    random = torch.randint(0, 256, one.grid.bits.shape, generator=generator()).byte()
    one.grid.bits.copy_(random | random.roll(1))
    rays = ball_rays(60) if isinstance(space, Box) else inner_rays(60)
    expected = one.render(rays, Ball(), BACKGROUND)
    one.waits_often, one.wave_slots = False, slots
    found = one.render(rays, Ball(), BACKGROUND)
    assert (expected - BACKGROUND).abs().max() > 0.1
    # a ray ends where a wave's transmittance is spent, and waves of few slots are shorter
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 if slots > 1000 else 3e-4)


def test_backgrounds_of_each_ray_and_rays_that_meet_nothing() -> None:
    one, behind = sampler(Box(CUBE)), torch.rand(40, 3, generator=generator())
    one.waits_often = False
    away = Rays(torch.full((40, 3), 5.0), torch.tensor([[1.0, 0.0, 0.0]]).expand(40, 3))
    torch.testing.assert_close(one.render(away, Ball(), behind), behind)
    assert one.render(away.select(slice(0, 0)), Ball(), BACKGROUND).shape == (0, 3)


def test_maps_are_rendered_so_too() -> None:
    one, rays = sampler(Box(CUBE)), ball_rays(60)
    expected = ray_maps(one, rays, Ball(), one.space)
    one.waits_often = False
    for mine, other in zip(ray_maps(one, rays, Ball(), one.space), expected, strict=True):
        torch.testing.assert_close(mine, other)


def test_the_host_waits_once_per_wave(monkeypatch: pytest.MonkeyPatch) -> None:
    one, rays = sampler(Box(CUBE), "reference"), ball_rays(60)
    lengths: list[int] = []
    march = one._march

    def watched(*arguments: Any) -> Any:
        lengths.append(arguments[3])
        return march(*arguments)

    monkeypatch.setattr(one, "_march", watched)
    with Reads() as before:
        one.render(rays, Ball(), BACKGROUND)
    waves, lengths[:] = list(lengths), []
    one.waits_often = False
    with Reads() as after:
        one.render(rays, Ball(), BACKGROUND)
    assert waves[:4] == lengths[:4] == [8, 16, 32, 64]
    assert after.names == ["tolist"] * len(lengths)
    assert len(before.names) >= 6 * (len(waves) - 1)


class Fog(Ball):
    """A ball that lets through half of the light in 0.1 of the cube."""

    def density(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        density, geometry = super().density(encoded)
        return density * 0.17, geometry


@pytest.mark.parametrize("field", [Ball(), Fog()])
def test_an_image_of_800_by_800_makes_the_host_wait_at_most_20_times(field: RadianceField) -> None:
    one = sampler(Box(CUBE), resolution=32, render_steps=1024)
    one.grid.update(lambda p: field.density(p)[0], generator(), everywhere=True)
    one.waits_often = False
    rays = camera_rays(torch.from_numpy(look_at_origin(0.3)), FULL, CUBE, "auto")
    assert len(rays) <= one.rays_at_once(CUDA)
    with Reads() as reads:
        one.render(rays, field, BACKGROUND)
    assert set(reads.names) == {"tolist", "numpy"}  # the second is how Numba's kernels are called
    assert 4 <= reads.names.count("tolist") <= 20


def test_waves_have_no_more_samples_than_there_is_memory_for() -> None:
    def nothing(*_: Any) -> Any:
        raise AssertionError

    limit = Marcher(nothing, nothing, 0.0, 0.0, "auto", slots=100).limit
    assert [limit(8, alive) for alive in (1, 12, 13, 50, 51, 1000)] == [8, 8, 7, 2, 1, 1]


def test_places_of_what_is_counted_already() -> None:
    mask = torch.tensor([False, True, True, False, True])
    assert _places(mask, 3).tolist() == [1, 2, 4]
    assert _places(mask, 0).tolist() == []


def test_a_cpu_renders_what_its_caches_hold_and_a_gpu_what_its_memory_does() -> None:
    hierarchical = HierarchicalSampler(64, 128, Box(CUBE), "auto")
    proposal = ProposalSampler(ProposalOptions(), Box(CUBE), CPU, "auto", seed=0)
    samplers = (sampler(Box(CUBE)), hierarchical, proposal)
    assert {each.rays_at_once(CPU) for each in samplers} == {16384}
    assert [each.rays_at_once(CUDA) for each in samplers] == [1 << 20, 10922, 1 << 16]
