"""Kernels side by side on the same inputs: effbench's, eager torch's, the optional libraries'.

What is compared is checked first: a contender that computes something else is not timed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bench import gpu
from bench.encodings import ray_points
from bench.gpu import Timing
from effbench.kernels import backends
from effbench.kernels.hash_encoding import hash_encode
from effbench.kernels.hash_layout import HashLayout
from effbench.kernels.samples import offsets_of, ray_of_slot
from effbench.kernels.volume_rendering import composite
from effbench.machine import libraries
from effbench.nerf.fields import HashField
from effbench.nerf.fields.tcnn import TcnnField
from effbench.nerf.sampling import nerfacc as nerfacc_sampler

Times = dict[str, dict[str, Timing]]  # operation to contender

SAMPLES = 1 << 18
LAYOUT = HashLayout(levels=16, log2_table=19, base=16, finest=2048)
WIDTH, GEOMETRY = 64, 15
PER_RAY = 8


def compare(device: torch.device, rounds: int, samples: int = SAMPLES) -> Times:
    """Return the times of the contenders by operation."""
    fields = _fields(device)
    times = _encoding(fields, device, rounds, samples) | _networks(fields, device, rounds, samples)
    times |= _rendering(device, rounds, samples)
    times["Adam, table"] = gpu.compare(_adam(device), rounds)
    return times


def _fields(device: torch.device) -> dict[str, Any]:
    """Return fields of equal weights by contender."""
    generator = torch.Generator().manual_seed(0)
    backend = backends.resolve("auto", device)
    ours = HashField(LAYOUT, WIDTH, GEOMETRY, "bf16", backend, generator).to(device)
    with torch.no_grad():
        ours.table.uniform_(-1, 1)
    fields: dict[str, Any] = {f"effbench {backend}": ours}
    if not libraries.missing("tcnn"):
        fields["tinycudann"] = TcnnField(ours).to(device)
    return fields


def _encoding(fields: dict[str, Any], device: torch.device, rounds: int, samples: int) -> Times:
    points = ray_points(samples).to(device)
    upstream = torch.randn(samples, LAYOUT.width, device=device)
    forward = {name: _call(field.encode, points) for name, field in fields.items()}
    table = next(iter(fields.values())).table
    forward["torch per level"] = lambda: hash_encode(points, table, LAYOUT, "reference")
    _agree({name: run() for name, run in forward.items()}, "hash encoding", 2e-2)
    tables = {name: [field.table] for name, field in fields.items()} | {"torch per level": [table]}
    backward = {name: _backward(run(), tables[name], upstream) for name, run in forward.items()}
    return {
        "hash encoding, forward": gpu.compare(forward, rounds),
        "hash encoding, backward": gpu.compare(backward, rounds),
    }


def _networks(fields: dict[str, Any], device: torch.device, rounds: int, samples: int) -> Times:
    encoded = torch.randn(samples, LAYOUT.width, device=device) / 4
    directions = torch.nn.functional.normalize(torch.randn(samples, 3, device=device), dim=1)
    ups = torch.randn(samples, device=device), torch.randn(samples, 3, device=device)

    inputs = encoded.requires_grad_()

    def both(field: Any) -> Callable[[], Tensor]:
        harmonics = field.encode_directions(directions)

        def run() -> Tensor:
            log_density, geometry = field.log_density(inputs)
            logits = field.color_logits(geometry, harmonics)
            return torch.cat([log_density[:, None], logits], 1)

        return run

    forward = {name: both(field) for name, field in fields.items()}
    _agree({name: run() for name, run in forward.items()}, "networks", 0.1)
    upstream = torch.cat([ups[0][:, None], ups[1]], 1)
    leaves = {
        name: [inputs, *(p for p in field.parameters() if p is not field.table and p.numel())]
        for name, field in fields.items()
    }
    backward = {name: _backward(run(), leaves[name], upstream) for name, run in forward.items()}
    return {
        "networks, forward": gpu.compare(forward, rounds),
        "networks, backward": gpu.compare(backward, rounds),
    }


def _rendering(device: torch.device, rounds: int, samples: int) -> Times:
    rays = samples // PER_RAY
    optical_depth = torch.rand(samples, device=device, requires_grad=True)
    colors = torch.rand(samples, 3, device=device, requires_grad=True)
    offsets = offsets_of(torch.full((rays,), PER_RAY, device=device))
    black = torch.zeros(rays, 3, device=device)
    backend = backends.resolve("auto", device)
    forward: dict[str, Callable[[], Tensor]] = {
        f"effbench {backend}": lambda: composite(optical_depth, colors, offsets, black, backend)[0],
        "torch": lambda: composite(optical_depth, colors, offsets, black, "reference")[0],
    }
    if not libraries.missing("nerfacc"):
        nerfacc = importlib.import_module("nerfacc")
        assert len(ray_of_slot(offsets, samples)) == samples
        forward["nerfacc"] = lambda: nerfacc_sampler.composite(
            optical_depth, colors, offsets, black, library=nerfacc
        )[0]
    _agree({name: run() for name, run in forward.items()}, "volume rendering", 1e-3)
    upstream = torch.randn(rays, 3, device=device)
    leaves = [optical_depth, colors]
    backward = {name: _backward(run(), leaves, upstream) for name, run in forward.items()}
    return {
        "volume rendering, forward": gpu.compare(forward, rounds),
        "volume rendering, backward": gpu.compare(backward, rounds),
    }


def _adam(device: torch.device) -> dict[str, Callable[[], object]]:
    def table() -> Tensor:
        table = torch.zeros(LAYOUT.rows, 2, device=device, requires_grad=True)
        table.grad = torch.randn_like(table)
        return table

    theirs = torch.optim.Adam([table()], lr=1e-2, eps=1e-15, fused=True)
    return {"torch, fused": theirs.step}


def adam_bytes() -> int:
    """Return the bytes that a step of Adam must move for the table: weight, gradient and two
    means read, all but the gradient written."""
    return 7 * 4 * LAYOUT.rows * 2


def network_operations(samples: int = SAMPLES) -> int:
    """Return the operations of both networks' forward pass; a backward pass has twice as many."""
    widths = [(LAYOUT.width, WIDTH), (WIDTH, 1 + GEOMETRY)]
    widths += [(16 + GEOMETRY, WIDTH), (WIDTH, WIDTH), (WIDTH, 3)]
    return 2 * samples * sum(a * b for a, b in widths)


def _call(run: Callable[[Tensor], Tensor], argument: Tensor) -> Callable[[], Tensor]:
    return lambda: run(argument)


def _backward(output: Tensor, leaves: list[Tensor], upstream: Tensor) -> Callable[[], object]:
    """Return what differentiates `output` by `leaves` again and again."""
    upstream = upstream.to(output.dtype)
    return lambda: torch.autograd.grad(output, leaves, upstream, retain_graph=True)


def _agree(results: dict[str, Tensor], what: str, tolerance: float) -> None:
    """End the program when contenders compute different things."""
    expected = next(iter(results.values())).detach().float()
    for name, result in results.items():
        error = (result.detach().float() - expected).abs().mean() / expected.abs().mean()
        if not float(error) < tolerance:
            raise SystemExit(f"{what} by {name} is off by {float(error):.2%}: not compared")
