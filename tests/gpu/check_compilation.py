"""Every kernel compiles for a GPU of some compute capability, which need not be there.

The interpreter permits what the compiler refuses; this finds it. Also looked at: shared memory,
registers, and the instructions that a kernel is built around.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import triton
from triton.runtime.jit import JITFunction

from effbench.kernels import gpu
from effbench.kernels.activations import density_head, sigmoid
from effbench.kernels.compaction import keep_prefix, keep_selected
from effbench.kernels.contracted_marching import march_contracted
from effbench.kernels.contraction import Norm
from effbench.kernels.gpu import hash_encoding
from effbench.kernels.gpu import mlp as mlp_kernels
from effbench.kernels.gpu.mlp import fits
from effbench.kernels.hardness import Spread, weigh
from effbench.kernels.hash_encoding import hash_encode
from effbench.kernels.hash_layout import HashLayout
from effbench.kernels.marching import march
from effbench.kernels.mlp import mlp
from effbench.kernels.occupancy import pack_bits, raise_to
from effbench.kernels.pixel_loss import pixel_loss
from effbench.kernels.pixels import Pictures, look_up
from effbench.kernels.rays import generate_rays, spherical_harmonics
from effbench.kernels.resampling import systematic
from effbench.kernels.samples import Samples
from effbench.kernels.steering import Limits, Step, steer
from effbench.kernels.volume_rendering import composite, visible_counts
from effbench.scene import Intrinsics
from tests.gpu.compiling import CAPABILITY, SHARED, Compiled, compiling, ptx, usage

# Bytes of a thread that find no register: none, but for this by Triton 3.2 on capability 9.0.
STACK = {"compaction._copy_selected": 8}
SEEN: set[str] = set()  # module and name of every kernel that any test compiled


@pytest.fixture
def compiled() -> Iterator[Compiled]:
    """The kernels compiled by the test so far, none of which may take more than there is."""
    with compiling() as found:
        yield found
    SEEN.update(found)
    for name, binary in itertools.chain(*([(k, b) for b in found[k]] for k in found)):
        assert binary.metadata.shared <= SHARED[CAPABILITY], name
        # networks have ceilings of their own, by their widths
        if not name.startswith("mlp.") and (used := usage(binary)):
            assert used.stack <= STACK.get(name, 0), name


def spilled(binary: Any) -> int:
    """Return the bytes of a thread that found no register; the test is skipped where nothing
    tells."""
    if (used := usage(binary)) is None:
        pytest.skip("this Triton brings no cuobjdump")
    return used.stack


def encode(count: int) -> None:
    layout = HashLayout(levels=4, log2_table=10, base=4, finest=60)
    table = torch.zeros(layout.rows, 2, requires_grad=True)
    hash_encode(torch.zeros(count, 3), table, layout, "triton").sum().backward()


def render(count: int) -> None:
    optical_depth = torch.zeros(count, requires_grad=True)
    offsets = torch.tensor([0, 0, count])
    background = torch.zeros(2, 3)
    color, _ = composite(optical_depth, torch.zeros(count, 3), offsets, background, "triton")
    color.sum().backward()
    visible_counts(optical_depth.detach(), offsets, 1e-4, "triton")


def place(count: int, cascades: int = 1, cone: float = 0.0) -> None:
    rays = torch.zeros(count, 3)
    near, bits = torch.zeros(count), torch.zeros(cascades * 32**3 // 8, dtype=torch.uint8)
    more: dict[str, Any] = {"capacity": 100, "cascades": cascades, "cone": cone, "step_max": 0.1}
    march(rays, rays, near, bits, 32, 0.01, near, count, backend="triton", **more)


def place_contracted(count: int, norm: Norm = "linf") -> None:
    rays = torch.zeros(count, 3)
    near, bits = torch.zeros(count), torch.zeros(32**3 // 8, dtype=torch.uint8)
    march_contracted(rays, rays, near, bits, 32, 0.01, near, count, 9.0, norm, "triton", 100)


def compact(count: int) -> None:
    """As many samples as rays, so that the ends of their tensors lie anywhere."""
    zeros = torch.zeros(count)
    samples = Samples(torch.zeros(count, 3), zeros, zeros.long(), torch.arange(count + 1), zeros)
    keep_prefix(samples, torch.ones(count).long(), count, "triton")
    keep_selected(samples, torch.ones(count).bool(), count, "triton")


def aim(count: int) -> None:
    pixel = torch.zeros(count, dtype=torch.int64)
    camera = Intrinsics(20, 30, 25.0, 26.0, 10.0, 15.0)
    _, directions = generate_rays(torch.zeros(2, 3, 4), camera, pixel, pixel, pixel, "triton")
    spherical_harmonics(directions, "triton")


def evaluate(count: int, shape: tuple[int, ...] = (32, 64, 16), precision: str = "bf16") -> None:
    weights = [torch.zeros(o, i).requires_grad_() for i, o in itertools.pairwise(shape)]
    x = torch.zeros(count, shape[0], requires_grad=True)
    mlp(x, weights, precision, "triton").float().sum().backward()


def update(count: int) -> None:
    cells = torch.zeros(8 * count)
    raise_to(cells, torch.zeros(count, dtype=torch.int64), torch.zeros(count), "triton")
    pack_bits(cells, torch.tensor(0.1), "triton")


def test_the_triton_at_hand_compiles() -> None:
    assert isinstance(hash_encoding._forward, JITFunction)
    assert triton.__version__ == os.environ.get("EFFBENCH_TRITON", triton.__version__)


def test_hash_encoding(compiled: Compiled) -> None:
    encode(1000)
    (forward,) = compiled["hash_encoding._forward"]
    (backward,) = compiled["hash_encoding._backward"]
    # a row's two features are one load
    assert ptx(forward).count("ld.global.v2.b32") >= 8
    added = re.findall(r"(?:atom|red)\.[\w.]*add[\w.]*", ptx(backward))
    assert added
    # and one addition, where there is an instruction for it
    assert all("v2.f32" in a for a in added) == (CAPABILITY >= 90)
    assert spilled(forward) == spilled(backward) == 0


def test_volume_rendering(compiled: Compiled) -> None:
    render(10)
    assert set(compiled) == {
        f"volume_rendering.{name}" for name in ("_forward", "_backward", "_visible_counts")
    }


@pytest.mark.parametrize(("cascades", "cone"), [(1, 0.0), (4, 0.004)])
def test_marching(compiled: Compiled, cascades: int, cone: float) -> None:
    place(40, cascades, cone)
    assert set(compiled) == {f"marching.{name}" for name in ("_coarsen", "_count", "_write")}


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_contracted_marching(compiled: Compiled, norm: Norm) -> None:
    place_contracted(40, norm)
    assert set(compiled) == {f"contracted_marching.{name}" for name in ("_count", "_write")}


def test_compaction(compiled: Compiled) -> None:
    compact(9)
    assert set(compiled) == {"compaction._copy_prefixes", "compaction._copy_selected"}


def test_rays(compiled: Compiled) -> None:
    aim(50)
    assert set(compiled) == {"rays._generate", "rays._spherical_harmonics"}


# Networks, and the bytes that a thread's registers do not hold: forward none, backward at most
# these for capability 9.0 and for others. Instant-NGP's two come first.
DEFAULTS = [(32, 64, 16), (31, 64, 64, 3)]
SPILLED = {
    (32, 64, 16): (0, 8),
    (31, 64, 64, 3): (160, 304),
    (16, 16, 1): (0, 0),
    (64, 64, 64, 64, 64): (736, 1424),
    (31, 128, 128, 3): (0, 0),
    (40, 128, 128, 3): (0, 0),
}


@pytest.mark.parametrize("shape", SPILLED)
def test_fused_networks(compiled: Compiled, shape: tuple[int, ...]) -> None:
    weights = [torch.empty(o, i) for i, o in itertools.pairwise(shape)]
    evaluate(1000, shape)
    if not fits(weights, SHARED[CAPABILITY]):
        assert not compiled, "the reference takes it"
        return
    (forward,), (backward,) = compiled["mlp._forward"], compiled["mlp._backward"]
    for binary in (forward, backward):
        assert ("wgmma" if CAPABILITY == 90 and max(shape) > 16 else "mma") in ptx(binary)
    assert spilled(forward) == 0
    assert spilled(backward) <= SPILLED[shape][CAPABILITY != 90]


def test_networks_in_fp16(compiled: Compiled) -> None:
    evaluate(1000, precision="fp16")
    for (binary,) in compiled.values():
        assert ".f16.f16" in ptx(binary) or "kind::f16" in ptx(binary)


@pytest.mark.parametrize("shape", DEFAULTS)
def test_a_multiprocessor_holds_as_many_programs_of_networks_as_are_meant_to_share_it(
    compiled: Compiled, shape: tuple[int, ...]
) -> None:
    evaluate(1000, shape)
    (binary,) = compiled["mlp._backward"]
    if (used := usage(binary)) is None:
        pytest.skip("this Triton brings no cuobjdump")
    programs = mlp_kernels._BACKWARD["narrow"].programs
    registers = -(-used.registers // 8) * 8 * 32 * binary.metadata.num_warps
    assert programs * registers <= 65536
    reserved = 1024  # bytes of every program that are the driver's
    assert programs * (binary.metadata.shared + reserved) <= SHARED[CAPABILITY] + reserved


def test_occupancy(compiled: Compiled) -> None:
    update(512)
    assert set(compiled) == {"occupancy._raise_to", "occupancy._pack_bits"}


def weigh_pixels(count: int, kind: str = "huber") -> None:
    color, complete = torch.zeros(count, 3, requires_grad=True), torch.ones(count).bool()
    loss = pixel_loss(color, torch.zeros(count, 3), complete, complete.sum(), kind, "triton")
    loss.backward()


def activate(count: int, kind: torch.dtype = torch.bfloat16) -> None:
    output = torch.zeros(count, 16, dtype=kind, requires_grad=True)
    density, geometry = density_head(output, "triton")
    slopes = (density, torch.zeros(count, 31).to(kind)[:, 16:])
    torch.autograd.backward((density, geometry), slopes)
    sigmoid(torch.zeros(count, 3, dtype=kind, requires_grad=True), "triton").sum().backward()


def mine(count: int) -> None:
    gradients, mean_tau = (torch.zeros(count), torch.zeros(count, 3)), torch.ones(())
    weigh(*gradients, torch.tensor(9), mean_tau, Spread(0.1, 1.0, 0.0), "triton")
    systematic(gradients[0], torch.zeros((), dtype=torch.float64), "triton", 512)


def photograph(count: int, channels: int = 4) -> None:
    colors = torch.zeros(2 * 30 * 20, channels, dtype=torch.uint8)
    camera = Intrinsics(20, 30, 25.0, 26.0, 10.0, 15.0)
    pictures = Pictures(colors, torch.zeros(2, 3, 4), camera, 30, 20, torch.zeros(3), 2.0)
    look_up(pictures, torch.zeros(count, dtype=torch.int64), "triton")


COUNTED: dict[str, Callable[[int], None]] = {
    "hash encoding": encode,
    "volume rendering": render,
    "marching": place,
    "contracted marching": place_contracted,
    "compaction": compact,
    "rays": aim,
    "networks": evaluate,
    "occupancy": update,
    "pixel loss": weigh_pixels,
    "activations": activate,
    "mining": mine,
    "pixels": photograph,
}


@pytest.mark.parametrize("operation", COUNTED)
def test_one_binary_serves_any_count(compiled: Compiled, operation: str) -> None:
    """1 and multiples of 16 are what Triton would compile a kernel anew for."""
    for count in (1, 4096, 4097):
        COUNTED[operation](count)
    binaries = {name: len({b.hash for b in found}) for name, found in compiled.items()}
    assert binaries
    assert binaries == dict.fromkeys(binaries, 1)


def names(compiled: Compiled) -> set[str]:
    """Return the kernels' names, without their modules'."""
    return {name.rpartition(".")[2].lstrip("_") for name in compiled}


@pytest.mark.parametrize("figures", [None, torch.zeros(4)])
def test_steering(compiled: Compiled, figures: torch.Tensor | None) -> None:
    offsets, loss = torch.zeros(257).long(), torch.zeros(())
    step = Step(torch.tensor(9), offsets, offsets, loss, None if figures is None else loss, figures)
    counts, values = torch.zeros(4).long(), torch.zeros(8)
    steer(torch.tensor(9), step, Limits(1000, 2000, 4096), counts, values, "triton")
    assert names(compiled) == {"steer"}


@pytest.mark.parametrize("kind", ["mse", "huber"])
def test_pixel_loss(compiled: Compiled, kind: str) -> None:
    weigh_pixels(700, kind)
    assert names(compiled) == {"forward", "backward"}


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
def test_activations(compiled: Compiled, kind: torch.dtype) -> None:
    activate(700, kind)
    forward, backward = {"density", "sigmoid"}, {"density_backward", "sigmoid_backward"}
    assert names(compiled) == forward | backward


def test_mining(compiled: Compiled) -> None:
    mine(3000)
    assert names(compiled) == {"norms", "weigh", "comb", "place"}


@pytest.mark.parametrize("channels", [3, 4])
def test_pixels(compiled: Compiled, channels: int) -> None:
    photograph(50, channels)
    assert names(compiled) == {"look_up"}


def test_no_kernel_was_left_out() -> None:
    """Runs last: what the sources launch is what the tests above compiled."""
    launched = {
        f"{file.stem}.{name}"
        for file in Path(gpu.__path__[0]).glob("*.py")
        for name in re.findall(r"launch\(\s*(_\w+)", file.read_text(encoding="utf-8"))
    }
    assert len(launched) > 10
    assert launched == SEEN
