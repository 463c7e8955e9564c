"""Every kernel compiles for a GPU of compute capability 9.0, which need not be there.

The interpreter permits what the compiler refuses; this finds it. Front functions are called with
tensors on the CPU, and each launch compiles the kernel for the types at hand instead of running it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from triton.backends.compiler import GPUTarget
from triton.runtime.driver import driver
from triton.runtime.jit import JITFunction

from bench import fused_adam_triton
from bench.fused_adam import FusedAdam
from effbench.kernels import backends, gpu
from effbench.kernels.activations import density_head, sigmoid
from effbench.kernels.compaction import keep_prefix, keep_selected
from effbench.kernels.contracted_marching import march_contracted
from effbench.kernels.contraction import Norm
from effbench.kernels.gpu import hash_encoding
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


class NoDriver:
    """What Triton asks of a driver before it compiles."""

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", 90, 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cpu")


Compiled = dict[str, list[Any]]
SEEN: set[str] = set()  # module and name of every kernel that any test compiled


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Compiled]:
    """The kernels compiled by the test so far, by name."""
    found: Compiled = {}

    def compile_only(kernel: Any, grid: tuple[int, ...]) -> Callable[..., None]:
        def warm_up(*arguments: Any, **constants: Any) -> None:
            binary = kernel.warmup(*arguments, grid=grid, **constants)
            SEEN.add(f"{kernel.__module__.rpartition('.')[2]}.{kernel.__name__}")
            found.setdefault(kernel.__name__.lstrip("_"), []).append(binary)

        return warm_up

    monkeypatch.setattr(JITFunction, "__getitem__", compile_only)
    monkeypatch.setattr(backends, "interpreting", lambda: True)  # else triton is refused on a CPU
    backends.reason.cache_clear()
    driver.set_active(NoDriver())
    yield found
    backends.reason.cache_clear()


def ptx(binary: Any) -> str:
    return str(binary.asm["ptx"])


def test_the_interpreter_is_off() -> None:
    assert isinstance(hash_encoding._forward, JITFunction)


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
def test_hash_encoding(compiled: Compiled, kind: torch.dtype) -> None:
    layout = HashLayout(levels=4, log2_table=10, base=4, finest=60)
    table = torch.zeros(layout.rows, 2, dtype=kind, requires_grad=True)
    hash_encode(torch.zeros(1000, 3), table, layout, "triton").sum().backward()
    (forward,), (backward,) = compiled["forward"], compiled["backward"]
    assert "atom" in ptx(backward) or "red." in ptx(backward)
    # a row's two features are one load: of 8 bytes, or of 4 where they are half as wide
    assert ptx(forward).count("ld.global.v2.b32" if kind == torch.float32 else "ld.global.b32") >= 8


def test_volume_rendering(compiled: Compiled) -> None:
    optical_depth = torch.zeros(10, requires_grad=True)
    offsets = torch.tensor([0, 4, 10])
    color, _ = composite(optical_depth, torch.zeros(10, 3), offsets, torch.zeros(2, 3), "triton")
    color.sum().backward()
    visible_counts(optical_depth.detach(), offsets, 1e-4, "triton")
    assert set(compiled) == {"forward", "backward", "visible_counts"}


@pytest.mark.parametrize(("cascades", "cone"), [(1, 0.0), (4, 0.004)])
def test_marching(compiled: Compiled, cascades: int, cone: float) -> None:
    rays = torch.zeros(40, 3)
    near, bits = torch.zeros(40), torch.zeros(cascades * 32**3 // 8, dtype=torch.uint8)
    more: dict[str, Any] = {"capacity": 100, "cascades": cascades, "cone": cone, "step_max": 0.1}
    march(rays, rays, near, bits, 32, 0.01, near, 1024, backend="triton", **more)
    assert set(compiled) == {"coarsen", "count", "write"}


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_contracted_marching(compiled: Compiled, norm: Norm) -> None:
    rays = torch.zeros(40, 3)
    near, bits = torch.zeros(40), torch.zeros(32**3 // 8, dtype=torch.uint8)
    march_contracted(rays, rays, near, bits, 32, 0.01, near, 1024, 9.0, norm, "triton", 100)
    assert set(compiled) == {"count", "write"}


def test_compaction(compiled: Compiled) -> None:
    samples = Samples(
        torch.zeros(9, 3),
        torch.zeros(9),
        torch.zeros(9).long(),
        torch.tensor([0, 4, 9]),
        torch.zeros(9),
    )
    keep_prefix(samples, torch.tensor([1, 2]), 20, "triton")
    keep_selected(samples, torch.ones(9).bool(), 20, "triton")
    assert set(compiled) == {"copy_prefixes", "copy_selected"}


def test_rays(compiled: Compiled) -> None:
    pixel = torch.zeros(50, dtype=torch.int64)
    camera = Intrinsics(20, 30, 25.0, 26.0, 10.0, 15.0)
    _, directions = generate_rays(torch.zeros(2, 3, 4), camera, pixel, pixel, pixel, "triton")
    spherical_harmonics(directions, "triton")
    assert set(compiled) == {"generate", "spherical_harmonics"}


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize(
    "shape", [(32, 64, 16), (31, 64, 64, 3), (16, 16, 1), (128, 128, 128, 128, 128)]
)
def test_fused_networks(compiled: Compiled, shape: tuple[int, ...], precision: str) -> None:
    weights = [torch.zeros(o, i).requires_grad_() for i, o in itertools.pairwise(shape)]
    x = torch.zeros(1000, shape[0], requires_grad=True)
    mlp(x, weights, precision, "triton").float().sum().backward()
    for (binary,) in compiled.values():
        assert "wgmma" in ptx(binary) or "mma.sync" in ptx(binary)
        assert binary.metadata.shared <= 227 << 10  # bytes of a multiprocessor


@pytest.mark.parametrize("on_device", [False, True])
def test_adam(compiled: Compiled, on_device: bool) -> None:
    parameter = torch.zeros(8192, requires_grad=True)
    parameter.grad = torch.zeros(8192)
    optimizer = FusedAdam([parameter], torch.tensor(0.1) if on_device else 0.1, backend="triton")
    optimizer.copy_of(parameter, torch.float16)
    optimizer.step()
    (binary,) = compiled["step"]
    assert ptx(binary).count("ld.global.v4.b32") >= 4  # parameter, gradient and two moments


def test_occupancy(compiled: Compiled) -> None:
    cells = torch.zeros(4096)
    raise_to(cells, torch.zeros(100, dtype=torch.int64), torch.zeros(100), "triton")
    pack_bits(cells, torch.tensor(0.1), "triton")
    assert set(compiled) == {"raise_to", "pack_bits"}


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
    color, complete = torch.zeros(700, 3, requires_grad=True), torch.ones(700).bool()
    loss = pixel_loss(color, torch.zeros(700, 3), complete, complete.sum(), kind, "triton")
    loss.backward()
    assert names(compiled) == {"forward", "backward"}


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
def test_activations(compiled: Compiled, kind: torch.dtype) -> None:
    output = torch.zeros(700, 16, dtype=kind, requires_grad=True)
    density, geometry = density_head(output, "triton")
    torch.autograd.backward((density, geometry), (density, torch.zeros(700, 31).to(kind)[:, 16:]))
    sigmoid(torch.zeros(700, 3, dtype=kind, requires_grad=True), "triton").sum().backward()
    forward, backward = {"density", "sigmoid"}, {"density_backward", "sigmoid_backward"}
    assert names(compiled) == forward | backward


def test_mining(compiled: Compiled) -> None:
    gradients, mean_tau = (torch.zeros(3000), torch.zeros(3000, 3)), torch.ones(())
    weigh(*gradients, torch.tensor(9), mean_tau, Spread(0.1, 1.0, 0.0), "triton")
    systematic(gradients[0], torch.zeros((), dtype=torch.float64), "triton", 512)
    assert names(compiled) == {"norms", "weigh", "comb", "place"}


@pytest.mark.parametrize("channels", [3, 4])
def test_pixels(compiled: Compiled, channels: int) -> None:
    colors = torch.zeros(2 * 30 * 20, channels, dtype=torch.uint8)
    camera = Intrinsics(20, 30, 25.0, 26.0, 10.0, 15.0)
    pictures = Pictures(colors, torch.zeros(2, 3, 4), camera, 30, 20, torch.zeros(3), 2.0)
    look_up(pictures, torch.zeros(50, dtype=torch.int64), "triton")
    assert names(compiled) == {"look_up"}


def test_no_kernel_was_left_out() -> None:
    """Runs last: what the sources launch is what the tests above compiled."""
    launched = {
        f"{file.stem}.{name}"
        for file in (*Path(gpu.__path__[0]).glob("*.py"), Path(fused_adam_triton.__file__))
        for name in re.findall(r"launch\(\s*(_\w+)", file.read_text(encoding="utf-8"))
    }
    assert len(launched) > 10
    assert launched == SEEN
