"""`make gpu-bench ARGS=--model`: what a step of Instant-NGP in fixed buffers has to move and to
compute, counted from layouts, networks and types of the code, and how often a kernel is launched
for it (tests/bench/test_gpu_model.py counts them). No times but those that measured ceilings of a
GPU make of them, which are bounds, not estimates: atomics, latency, launches and what else goes on
are not in them.

Notation: B samples trained on, M marched before compaction, L levels of T entries of F features.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch

from bench.gpu_kernels import GEOMETRY, LAYOUT, SAMPLES, WIDTH
from effbench.kernels.hash_layout import FEATURES, HashLayout
from effbench.kernels.marching import march
from effbench.kernels.samples import Samples
from effbench.nerf.fields import HashField

_CORNERS = 8  # of a cell, whose entries a sample reads on each level
_SINGLE, _HALF, _INDEX = 4, 2, 8  # bytes of float32, of a network's activations, of an index
_BACKWARD = 3  # times the operations of a forward pass: it is done again, then two products each
_MOMENTS = 2  # of Adam


@dataclass(frozen=True)
class Sizes:
    """B, M, the layout of the table, neurons of hidden layers and outputs beside the density.

    compacted: whether samples are dropped before the step trains on the rest; where none is, those
    marched are the B trained on.
    """

    samples: int = SAMPLES
    marched: int = 2 * SAMPLES
    layout: HashLayout = LAYOUT
    width: int = WIDTH
    geometry: int = GEOMETRY
    compacted: bool = True

    @cached_property
    def networks(self) -> dict[str, list[tuple[int, int]]]:
        """The shapes [outputs, inputs] of the networks' matrices."""
        layout = HashLayout(self.layout.levels, 4, 1, 1)  # encodings of the same width
        weights = torch.Generator().manual_seed(0)
        field = HashField(layout, self.width, self.geometry, "fp32", "reference", weights)
        named = {"density": field.density_layers, "color": field.color_layers}
        return {name: [(len(w), w.shape[1]) for w in layers] for name, layers in named.items()}

    @property
    def table_bytes(self) -> int:
        return self.layout.rows * FEATURES * _SINGLE

    @property
    def parameters(self) -> int:
        """Numbers that Adam steps: the table's and the networks'."""
        matrices = [shape for shapes in self.networks.values() for shape in shapes]
        return self.layout.rows * FEATURES + sum(a * b for a, b in matrices)


@dataclass(frozen=True)
class Part:
    """moved: bytes read or written one after the other; gathered: bytes of single rows of the
    table, read or added to wherever they lie, from the L2 cache at best; flop: of networks;
    launches: operations of torch and kernels of Triton, the nodes of a recorded step."""

    name: str
    moved: int
    launches: int
    gathered: int = 0
    flop: int = 0

    def at_least_ms(self, ceilings: Mapping[str, float]) -> float:
        """Return the milliseconds that a device with these ceilings needs at least."""
        moving = self.moved / 1e6 / ceilings["copy_gb_s"]
        return max(moving, self.flop / 1e9 / ceilings["matmul_bf16_tflop_s"])


def parts(sizes: Sizes) -> list[Part]:
    """Return the parts of a step, in its order; of rays and scalars there is next to nothing."""
    return [*_placing(sizes), *_learning(sizes)]


def _placing(sizes: Sizes) -> list[Part]:
    """Return the parts before the samples trained on are known, with what is computed for that."""
    b, slot = sizes.samples, slot_bytes()
    m = sizes.marched if sizes.compacted else b
    encoded, density = sizes.layout.width * _SINGLE, sizes.networks["density"]
    head, place = density[-1][0] * _HALF, position_bytes()
    found = [
        Part("rays and targets", 0, 4),
        Part("march", m * (slot + _INDEX), 14),
        Part("hash encoding", m * (place + encoded), 1, gathered=m * _corner_bytes(sizes)),
        Part(
            "density network",
            m * (encoded + head + _head_bytes(sizes)),
            3 if sizes.compacted else 2,
            flop=flop(density, m),
        ),
    ]
    if sizes.compacted:  # the encoding and the network's outputs move along with their sample
        found += [
            Part("compaction", 2 * b * (slot + encoded + head), 11),
            Part("density of the kept", b * _head_bytes(sizes), 1),
        ]
    return found


def _learning(sizes: Sizes) -> list[Part]:
    """Return the parts that work on the samples trained on."""
    b, encoded = sizes.samples, sizes.layout.width * _SINGLE
    density, color = sizes.networks["density"], sizes.networks["color"]
    head, inputs, rgb = density[-1][0] * _HALF, color[0][1] * _HALF, color[-1][0] * _HALF
    shaded = (1 + 3) * _SINGLE  # optical depth and colour of a sample
    return [
        Part("colour network", b * (2 * inputs + rgb), 5, flop=flop(color, b)),
        Part("volume rendering, both ways", 3 * b * shaded, 11),
        Part(
            "colour network, backward",
            b * (2 * inputs + rgb),
            3,
            flop=_BACKWARD * flop(color, b),
        ),
        Part(
            "density network, backward",
            b * (2 * encoded + head),
            3,
            flop=_BACKWARD * flop(density, b),
        ),
        Part(
            "hash encoding, backward",
            sizes.table_bytes + b * encoded,
            2,
            gathered=b * _corner_bytes(sizes),
        ),
        # weights and moments read and written, gradients read
        Part("Adam", (2 * (1 + _MOMENTS) + 1) * _SINGLE * sizes.parameters, 4),
        Part("steering", 0, 1),
    ]


def _head_bytes(sizes: Sizes) -> int:
    """Return the bytes by which a sample's density comes from the outputs of its network."""
    return sizes.networks["density"][-1][0] * _HALF + _SINGLE


def _corner_bytes(sizes: Sizes) -> int:
    """Return the bytes of the entries that a sample reads."""
    return _CORNERS * sizes.layout.levels * FEATURES * _SINGLE


def slot_bytes() -> int:
    """Return the bytes of a sample: position, distance, ray and length."""
    one = _one_ray()
    return sum(x.nbytes for x in (one.positions, one.t, one.rays, one.deltas)) // len(one)


def position_bytes() -> int:
    """Return the bytes of a sample's position."""
    one = _one_ray()
    return one.positions.nbytes // len(one)


def _one_ray() -> Samples:
    """Return the samples of a ray through a grid that is occupied everywhere."""
    origin, direction = torch.tensor([[-1.0, 0.5, 0.5]]), torch.tensor([[1.0, 0.0, 0.0]])
    bits = torch.full((64,), 255, dtype=torch.uint8)
    zero = torch.zeros(1)
    return march(origin, direction, zero, bits, 8, 0.1, zero, 100, backend="reference")


def flop(shapes: Iterable[tuple[int, int]], samples: int) -> int:
    """Return the operations of a forward pass through matrices of these shapes."""
    return 2 * samples * sum(a * b for a, b in shapes)


def print_model(sizes: Sizes, ceilings: Mapping[str, float] | None) -> None:
    """Print the parts; with ceilings that were measured, what they take at least."""
    layout = sizes.layout
    marched = f"of {sizes.marched} marched" if sizes.compacted else "without compaction"
    print(
        f"a step of B = {sizes.samples} samples {marched}, L = {layout.levels}, "
        f"T = 2^{layout.log2_table}, F = {FEATURES}, width {sizes.width}: {layout.rows} rows, "
        f"{sizes.table_bytes / 1e6:.1f} MB"
    )
    bound = f"{'at least ms':>13}" if ceilings else ""
    print(f"  {'':28}{'MB':>9}{'gathered MB':>13}{'Gflop':>9}{'launches':>10}{bound}")
    found = parts(sizes)
    for part in found:
        print(_line(part.name, [part], ceilings))
    print(_line("all", found, ceilings))


def _line(name: str, found: list[Part], ceilings: Mapping[str, float] | None) -> str:
    columns = ("moved", "gathered", "flop", "launches")
    moved, gathered, work, launches = (sum(getattr(p, c) for p in found) for c in columns)
    bound = f"{sum(p.at_least_ms(ceilings) for p in found):13.3f}" if ceilings else ""
    counts = f"{moved / 1e6:9.1f}{gathered / 1e6:13.1f}{work / 1e9:9.2f}{launches:10}"
    return f"  {name:28}{counts}{bound}"
