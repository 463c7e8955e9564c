"""Hash encoding, forward and backward, by every formulation, on the same inputs in one run."""

from __future__ import annotations

import ctypes
import functools
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bench import plain_environment
from bench.timing import alternate
from effbench.kernels.hash_encoding import PRIMES, hash_encode
from effbench.kernels.hash_layout import HashLayout

Times = dict[str, dict[str, float]]  # "forward", "backward" → formulation → median ms
LAYOUTS = {  # the paper's; its small table; what `instant-ngp` has on a CPU
    "L=16, T=2^19": HashLayout(16, 19, 16, 2048),
    "L=16, T=2^15": HashLayout(16, 15, 16, 2048),
    "L=8, T=2^18": HashLayout(8, 18, 16, 512),
}

OURS, PER_LEVEL, BAG, NATIVE = "effbench", "torch per level", "torch embedding_bag", "C++/OpenMP"


def ray_points(count: int, per_ray: int = 16) -> Tensor:
    """Return [N, 3] points as a marcher gives them: short runs along rays through a shell."""
    random = np.random.default_rng(0)
    rays = count // per_ray

    def unit() -> Any:
        vectors = random.normal(size=(rays, 1, 3))
        return vectors / np.linalg.norm(vectors, axis=2, keepdims=True)

    along = np.arange(per_ray)[None, :, None] * (3**0.5 / 1024)
    points = unit() * 0.3 + 0.5 + unit() * along
    return torch.from_numpy(points.reshape(-1, 3).clip(0, 1).astype(np.float32))


def corners(points: Tensor, level: int, layout: HashLayout) -> tuple[Tensor, Tensor]:
    """Return the rows (int64 [N, 8]) and trilinear weights (float32 [N, 8]) of one level."""
    scaled = points * float(layout.scales[level]) + 0.5
    cell = scaled.floor()
    fraction = scaled - cell
    bits = torch.tensor([[c & 1, c >> 1 & 1, c >> 2] for c in range(8)])
    vertex = cell.long()[:, None] + bits
    weights = torch.where(bits == 1, fraction[:, None], 1 - fraction[:, None]).prod(-1)
    x, y, z = vertex.unbind(-1)
    if layout.dense[level]:
        stride = int(layout.strides[level])
        rows = x + stride * (y + stride * z)
    else:
        rows = (x ^ (y * PRIMES[1]) ^ (z * PRIMES[2])) & ((1 << layout.log2_table) - 1)
    return rows + int(layout.offsets[level]), weights


def per_level(points: Tensor, table: Tensor, layout: HashLayout) -> Tensor:
    """Encode as HashNeRF and nerfstudio's torch path do: index the table level by level."""
    features = []
    for level in range(layout.levels):
        rows, weights = corners(points, level, layout)
        features.append((table[rows] * weights[..., None]).sum(1))
    return torch.cat(features, -1)


class EmbeddingBag(torch.autograd.Function):
    """The best eager formulation known: all levels in one bag, gradients by one index_add."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, table: Tensor, layout: HashLayout) -> Tensor:
        parts = [corners(points, level, layout) for level in range(layout.levels)]
        rows = torch.stack([rows for rows, _ in parts], 1).view(-1, 8)
        weights = torch.stack([weights for _, weights in parts], 1).view(-1, 8)
        ctx.save_for_backward(rows, weights)
        ctx.shape = table.shape
        bags = functional.embedding_bag(rows, table, mode="sum", per_sample_weights=weights)
        return bags.view(len(points), -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor, None]:
        rows, weights = ctx.saved_tensors
        spread = (grads[0].reshape(-1, 1, 2) * weights[..., None]).view(-1, 2)
        return None, torch.zeros(ctx.shape).index_add_(0, rows.view(-1), spread), None


class Native:
    """`hash_encoding.cpp` compiled for this machine: the practical limit."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("g++") or shutil.which("clang++")
        if compiler is None:
            raise FileNotFoundError("no C++ compiler (g++ or clang++) on the PATH")
        source, library = Path(__file__).with_name("hash_encoding.cpp"), folder / "native.so"
        flags = ["-O3", "-march=native", "-ffast-math", "-fopenmp", "-shared", "-fPIC"]
        subprocess.run([compiler, *flags, str(source), "-o", str(library)], check=True)
        self._library = ctypes.CDLL(str(library))

    def run(
        self, name: str, points: Tensor, layout: HashLayout, first: Tensor, second: Tensor
    ) -> None:
        arrays = (layout.scales, layout.strides, layout.dense.astype(np.uint8), layout.offsets)
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
        tensors = [ctypes.c_void_p(tensor.data_ptr()) for tensor in (points, first, second)]
        count, levels = ctypes.c_int64(len(points)), ctypes.c_int64(layout.levels)
        getattr(self._library, name)(count, levels, *pointers, *tensors)


def as_torch_comes(layout: str, count: int = 65536, rounds: int = 9) -> Times:
    """Time the eager formulations in a process whose memory allocator is the system's.

    To be called before this process computes anything: its idle threads would spin beside.
    """
    command = [sys.executable, "-m", "bench.encodings", layout, str(count), str(rounds)]
    plain = subprocess.run(
        command, env=plain_environment(), check=True, stdout=subprocess.PIPE, text=True
    )
    times = json.loads(plain.stdout.splitlines()[-1])
    return {
        direction: {f"{name}, plain": each[name] for name in (PER_LEVEL, BAG)}
        for direction, each in times.items()
    }


def compare(name: str, count: int = 65536, rounds: int = 9) -> Times:
    """Return the times of all formulations at the layout called `name`.

    Each is checked against effbench's result before it is timed.
    """
    layout = LAYOUTS[name]
    points = ray_points(count)
    random = torch.Generator().manual_seed(0)
    table = torch.randn(layout.rows, 2, generator=random).requires_grad_()
    upstream = torch.randn(count, layout.width, generator=random)
    forwards: dict[str, Callable[[], Tensor]] = {
        OURS: lambda: hash_encode(points, table, layout),
        PER_LEVEL: lambda: per_level(points, table, layout),
        BAG: lambda: EmbeddingBag.apply(points, table, layout),  # type: ignore[no-untyped-call]
    }
    outputs = {name: forward() for name, forward in forwards.items()}

    def gradient(name: str) -> Tensor:
        (result,) = torch.autograd.grad(outputs[name], table, upstream, retain_graph=True)
        return result

    backwards: dict[str, Callable[[], Tensor]] = {
        name: functools.partial(gradient, name) for name in outputs
    }
    with tempfile.TemporaryDirectory() as folder:
        try:
            native = Native(Path(folder))
        except FileNotFoundError as error:
            print(f"{NATIVE} is left out: {error}")
        else:
            features, grad = torch.empty(count, layout.width), torch.zeros(layout.rows, 2)
            values = table.detach()

            def native_forward() -> Tensor:
                native.run("encode_forward", points, layout, values, features)
                return features

            def native_backward() -> Tensor:
                grad.zero_()  # as the others do, which return a fresh gradient
                native.run("encode_backward", points, layout, upstream, grad)
                return grad

            forwards[NATIVE], backwards[NATIVE] = native_forward, native_backward
        for name in forwards:
            torch.testing.assert_close(forwards[name](), outputs[OURS], rtol=1e-3, atol=5e-3)
            torch.testing.assert_close(backwards[name](), gradient(OURS), rtol=1e-3, atol=5e-2)
        return {
            "forward": alternate(forwards, rounds),
            "backward": alternate(backwards, rounds),
        }


if __name__ == "__main__":  # by `as_torch_comes`
    print(json.dumps(compare(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
