"""With a capacity nothing reads from the device: one step of all kernels, captured and replayed."""

from __future__ import annotations

import math

import pytest
import torch

from effbench.kernels.compaction import keep_prefix, keep_selected
from effbench.kernels.hash_encoding import hash_encode
from effbench.kernels.hash_layout import HashLayout
from effbench.kernels.marching import march
from effbench.kernels.mlp import mlp
from effbench.kernels.occupancy import pack_bits, raise_to
from effbench.kernels.rays import generate_rays, spherical_harmonics
from effbench.kernels.resampling import inclusion_probabilities, systematic
from effbench.kernels.volume_rendering import composite, visible_counts
from effbench.machine import devices
from effbench.scene import Intrinsics

LAYOUT = HashLayout(levels=4, log2_table=10, base=4, finest=60)
CAMERA = Intrinsics(20, 30, 25.0, 26.0, 10.0, 15.0)
CAPACITY, RAYS = 1024, 40


class Step:
    """A training step at fixed capacity on tensors that stay where they are."""

    def __init__(self, device: torch.device, backend: str) -> None:
        generator = torch.Generator(device).manual_seed(0)
        self.backend = backend
        self.poses = torch.eye(4, device=device)[None, :3].repeat(2, 1, 1)
        self.poses[:, :, 3] = torch.tensor([0.5, 0.5, 1.5])
        self.pixel = torch.arange(RAYS, device=device) % 20
        self.view = torch.zeros_like(self.pixel)
        self.near, self.jitter = torch.zeros(2, RAYS, device=device)
        self.cells = torch.ones(16**3, device=device)
        self.threshold = torch.zeros((), device=device)
        self.bits = pack_bits(self.cells, self.threshold, backend)
        self.background = torch.zeros(RAYS, 3, device=device)
        self.table = torch.randn(LAYOUT.rows, 2, generator=generator, device=device)
        shapes = [(16, 8), (4, 16)]
        weights = [torch.randn(shape, generator=generator, device=device) for shape in shapes]
        self.parameters = [p.requires_grad_() for p in (self.table, *weights)]
        cuda = device.type == "cuda"
        rate = torch.tensor(0.01, device=device) if cuda else 0.01
        self.optimizer = torch.optim.Adam(self.parameters, rate, fused=True, capturable=cuda)
        self.shift = torch.zeros((), dtype=torch.float64, device=device)
        self.total = torch.full((), 50.0, device=device)

    def __call__(self) -> torch.Tensor:
        backend = self.backend
        pixels = (self.view, self.pixel, self.pixel)
        origins, directions = generate_rays(self.poses, CAMERA, *pixels, backend)
        spherical_harmonics(directions, backend)
        arguments = (origins, directions, self.near, self.bits, 16, math.sqrt(3) / 32, self.jitter)
        samples = march(*arguments, 1000, backend=backend, capacity=CAPACITY)
        ones = torch.ones_like(samples.deltas)
        counts = visible_counts(ones, samples.offsets, 1e-4, backend)
        samples, _ = keep_prefix(samples, counts, CAPACITY, backend)
        samples, _ = keep_selected(samples, samples.t > 0, CAPACITY, backend)
        encoded = hash_encode(samples.positions, self.table, LAYOUT, backend)
        output = mlp(encoded, self.parameters[1:], "bf16", backend).float()
        optical_depth = output[:, 3].exp() * samples.deltas
        color, _ = composite(
            optical_depth, output[:, :3], samples.offsets, self.background, backend
        )
        expected = inclusion_probabilities(samples.deltas, self.total, backend)
        systematic(expected, self.shift, backend, capacity=CAPACITY)
        loss = color.square().mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        raise_to(self.cells, samples.rays, samples.deltas, backend)
        self.bits.copy_(pack_bits(self.cells, self.threshold, backend))
        return loss.detach()


@pytest.mark.parametrize("backend", ["triton", "reference"])
def test_a_step_waits_for_nothing_and_lowers_the_loss(device: torch.device, backend: str) -> None:
    step = Step(device, backend)
    losses = [step()]  # the first compiles, and copies constants to the device
    with devices.no_waiting(device):
        losses += [step(), step()]
    assert 0 < losses[2] < losses[0]


@pytest.mark.parametrize("backend", ["triton", "reference"])
def test_a_captured_step_goes_on_where_eager_ones_ended(device: torch.device, backend: str) -> None:
    if device.type != "cuda":
        pytest.skip("needs a GPU: CUDA graphs")
    step, other = Step(device, backend), Step(device, backend)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step()
    for _ in range(3):
        graph.replay()
    expected = [other() for _ in range(6)][-1]
    assert float(loss) == pytest.approx(float(expected), rel=0.02)
