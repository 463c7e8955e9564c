"""What NerfAcc is asked for, with a slow stand-in for its grid, and what it renders."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from effbench.kernels.volume_rendering import composite
from effbench.nerf.sampling import OccupancyOptions, OccupancySampler
from effbench.nerf.sampling import nerfacc as nerfacc_sampler
from effbench.nerf.sampling.nerfacc import NerfaccSampler
from effbench.nerf.sampling.rays import Aabb, Rays
from effbench.nerf.sampling.spaces import Box
from tests.installed import installed
from tests.nerf.sampling.test_sampler import Ball
from tests.signatures import checked, recorded

CPU = torch.device("cpu")
CUBE = Aabb(torch.zeros(3), 1.0, 0.0, 10.0)
OPTIONS = OccupancyOptions(resolution=8, steps=64, render_steps=64)


class Estimator:
    """Steps from `t_min` on, keeps steps whose middle is occupied. binaries: [1, x, y, z]."""

    def __init__(self, box: Tensor, resolution: int, levels: int) -> None:
        assert box.tolist() == [0, 0, 0, 1, 1, 1]
        assert levels == 1
        self.binaries = torch.ones(1, *[resolution] * 3, dtype=torch.bool)

    def to(self, device: torch.device) -> Estimator:
        return self

    def sampling(
        self,
        rays_o: Tensor,
        rays_d: Tensor,
        *,
        t_min: Tensor,
        far_plane: float,
        render_step_size: float,
        early_stop_eps: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        assert early_stop_eps == 0
        index, starts = [], []
        for ray in range(len(rays_o)):
            for step in range(math.ceil(2 / render_step_size)):
                start = float(t_min[ray]) + step * render_step_size
                point = rays_o[ray] + (start + render_step_size / 2) * rays_d[ray]
                inside = bool(((point >= 0) & (point < 1)).all())
                x, y, z = (point * 8).long().clamp(0, 7).tolist()
                if inside and start < far_plane and bool(self.binaries[0, x, y, z]):
                    index.append(ray)
                    starts.append(start)
        begin = torch.tensor(starts)
        return torch.tensor(index, dtype=torch.int64), begin, begin + render_step_size


def render_weight_from_density(
    t_starts: Tensor, t_ends: Tensor, sigmas: Tensor, ray_indices: Tensor, n_rays: int
) -> tuple[Tensor, ...]:
    assert int(ray_indices.max()) < n_rays
    optical_depth, weights = (t_ends - t_starts) * sigmas, []
    for i in range(len(sigmas)):
        same = ray_indices[:i] == ray_indices[i]
        weights.append(torch.exp(-optical_depth[:i][same].sum()) * -torch.expm1(-optical_depth[i]))
    return torch.stack(weights), torch.empty(0), torch.empty(0)


def accumulate_along_rays(
    weights: Tensor, values: Tensor | None, ray_indices: Tensor, n_rays: int
) -> Tensor:
    values = torch.ones(len(weights), 1) if values is None else values
    return torch.zeros(n_rays, values.shape[1]).index_add(0, ray_indices, weights[:, None] * values)


VERSION = "0.5.3"
SIGNATURES = {  # of that version
    "OccGridEstimator.__init__": "self, roi_aabb, resolution=128, levels=1, **kwargs",
    "OccGridEstimator.sampling": "self, rays_o, rays_d, sigma_fn=None, alpha_fn=None, "
    "near_plane=0.0, far_plane=1e10, t_min=None, t_max=None, render_step_size=1e-3, "
    "early_stop_eps=1e-4, alpha_thre=0.0, stratified=False, cone_angle=0.0",
    "render_weight_from_density": "t_starts, t_ends, sigmas, packed_info=None, ray_indices=None, "
    "n_rays=None, prefix_trans=None",
    "accumulate_along_rays": "weights, values=None, ray_indices=None, n_rays=None",
}


class CheckedEstimator(Estimator):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        init = checked(super().__init__, SIGNATURES["OccGridEstimator.__init__"][len("self, ") :])
        init(*arguments, **named)
        parameters = SIGNATURES["OccGridEstimator.sampling"][len("self, ") :]
        self.sampling = checked(self.sampling, parameters)  # type: ignore[method-assign]


NERFACC: Any = SimpleNamespace(
    OccGridEstimator=CheckedEstimator,
    **{
        function.__name__: checked(function, SIGNATURES[function.__name__])
        for function in (render_weight_from_density, accumulate_along_rays)
    },
)


@pytest.fixture(scope="module")
def library() -> Path:
    """A folder with NerfAcc, whose Python needs neither a GPU nor nvcc."""
    return installed("nerfacc", VERSION)


def in_a_process(library: Path, script: str) -> str:
    """Return the last line that a script prints with NerfAcc at hand, which prints on import."""
    path = os.pathsep.join([str(library), *sys.path])
    command = [sys.executable, "-c", script]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def test_the_stand_ins_signatures_are_the_librarys(library: Path) -> None:
    script = (
        "import json, operator, nerfacc\n"
        "from tests.signatures import plain\n"
        f"names = {list(SIGNATURES)}\n"
        "found = {name: str(plain(operator.attrgetter(name)(nerfacc))) for name in names}\n"
        "print(json.dumps({'version': nerfacc.__version__, **found}))\n"
    )
    expected = {name: str(recorded(parameters)) for name, parameters in SIGNATURES.items()}
    assert json.loads(in_a_process(library, script)) == {"version": VERSION, **expected}


def test_the_estimators_grid_is_an_attribute_that_can_be_set(library: Path) -> None:
    script = (
        "import nerfacc, torch\n"
        "estimator = nerfacc.OccGridEstimator(torch.tensor([0.0, 0, 0, 1, 1, 1]), 8, levels=1)\n"
        "assert estimator.binaries.shape == (1, 8, 8, 8)\n"
        "assert estimator.binaries.dtype == torch.bool\n"
        "estimator.binaries = torch.ones(1, 8, 8, 8, dtype=torch.bool)\n"
        "assert estimator.binaries.all()\n"
        "print('set')\n"
    )
    assert in_a_process(library, script) == "set"


def rays(count: int) -> Rays:
    generator = torch.Generator().manual_seed(0)
    origins = torch.rand(count, 3, generator=generator)
    directions = torch.rand(count, 3, generator=generator) - 0.5
    return Rays(origins, torch.nn.functional.normalize(directions, dim=1))


@pytest.mark.parametrize("limit", [1000, 3])
def test_it_places_samples_where_ours_does(limit: int) -> None:
    ours = OccupancySampler(OPTIONS, Box(CUBE), CPU, "reference")
    theirs = NerfaccSampler(OPTIONS, Box(CUBE), CPU, "reference", library=NERFACC)
    bits = torch.randint(0, 256, (64,), generator=torch.Generator().manual_seed(2)).byte()
    for sampler in (ours, theirs):
        sampler.load_state({"occupancy.bits": bits})
    some, near, jitter = rays(12), torch.zeros(12), torch.rand(12) * 0.9 + 0.05
    # a ray that begins inside the cube cannot begin half a step before it
    near = near + 0.05
    mine = ours._march(some, near, jitter, limit, ours.step)
    its = theirs._march(some, near, jitter, limit, theirs.step)
    assert torch.equal(its.offsets, mine.offsets)
    assert torch.equal(its.rays, mine.rays)
    torch.testing.assert_close(its.t, mine.t)
    torch.testing.assert_close(its.positions, mine.positions)
    torch.testing.assert_close(its.deltas, mine.deltas.clone())


def test_an_image_in_waves_that_are_waited_for_once_is_the_same() -> None:
    sampler = NerfaccSampler(OPTIONS, Box(CUBE), CPU, "reference", library=NERFACC)
    some, black = rays(6), torch.zeros(3)
    expected = sampler.render(some, Ball(), black)
    sampler.waits_often = False
    torch.testing.assert_close(sampler.render(some, Ball(), black), expected)
    assert expected.max() > 0.1


def test_it_renders_what_ours_renders() -> None:
    optical_depth, colors = torch.rand(20) * 2, torch.rand(20, 3)
    offsets, behind = torch.tensor([0, 4, 4, 13, 20]), torch.rand(4, 3)
    mine = composite(optical_depth, colors, offsets, behind, "reference")
    its = nerfacc_sampler.composite(optical_depth, colors, offsets, behind, library=NERFACC)
    for expected, found in zip(mine, its, strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.gpu
def test_the_real_library_renders_the_same() -> None:
    nerfacc = pytest.importorskip("nerfacc")
    device = torch.device("cuda")
    optical_depth, colors = torch.rand(20, device=device), torch.rand(20, 3, device=device)
    offsets = torch.tensor([0, 4, 4, 13, 20], device=device)
    behind = torch.rand(4, 3, device=device)
    mine = composite(optical_depth, colors, offsets, behind, "reference")
    its = nerfacc_sampler.composite(optical_depth, colors, offsets, behind, library=nerfacc)
    for expected, found in zip(mine, its, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
