"""Small networks: by hand, gradients by differences, and what is refused."""

from __future__ import annotations

import itertools

import pytest
import torch

from effbench.errors import ConfigError
from effbench.kernels import gpu
from effbench.kernels.gpu.mlp import fits
from effbench.kernels.mlp import mlp, why_not_fused


def test_relu_lies_between_the_layers_only() -> None:
    weights = [torch.tensor([[1.0, 0.0], [0.0, -1.0]]), torch.tensor([[1.0, 1.0], [-2.0, 0.0]])]
    # hidden: max(0, 3) and max(0, −4)
    assert mlp(torch.tensor([[3.0, 4.0]]), weights).tolist() == [[3.0, -6.0]]


def test_a_type_rounds_the_result() -> None:
    weights = [torch.eye(2), torch.eye(2)]
    out = mlp(torch.tensor([[1.001, 2.0]]), weights, "bf16")
    assert out.dtype == torch.bfloat16
    assert out.tolist() == [[1.0, 2.0]]


def test_gradients_are_those_of_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 3, generator=generator, requires_grad=True)
    weights = [
        torch.randn(shape, generator=generator, requires_grad=True) for shape in [(5, 3), (2, 5)]
    ]
    direction = [torch.randn(v.shape, generator=generator) for v in (x, *weights)]

    def value(eps: float) -> torch.Tensor:
        moved = [v.detach() + eps * d for v, d in zip((x, *weights), direction, strict=True)]
        return mlp(moved[0], moved[1:]).square().sum()

    gradients = torch.autograd.grad(mlp(x, weights).square().sum(), (x, *weights))
    slope = sum((g * d).sum() for g, d in zip(gradients, direction, strict=True))
    assert float(slope) == pytest.approx(float(value(1e-3) - value(-1e-3)) / 2e-3, rel=1e-2)


def matrices(*widths: int) -> list[torch.Tensor]:
    return [torch.empty(o, i) for i, o in itertools.pairwise(widths)]


CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("widths", "precision", "reason"),
    [
        ((32, 64, 64, 3), "bf16", ""),
        ((32, 64, 64, 3), "fp32", "fp32"),
        ((32, 256, 3), "bf16", "256 wide"),
        ((8, 8), "fp16", "1 matrices"),
        ((8, 8, 8, 8, 8, 8), "fp16", "5 matrices"),
        ((128, 128, 128, 128, 128), "bf16", "4 matrices of 128 do not fit into 227 KiB"),
    ],
)
def test_which_networks_are_fused(
    monkeypatch: pytest.MonkeyPatch, widths: tuple[int, ...], precision: str, reason: str
) -> None:
    monkeypatch.setattr("effbench.kernels.mlp.resolve", lambda *_: "triton")
    assert why_not_fused(matrices(*widths), precision, CPU) == reason


def test_a_cpu_fuses_in_float32_and_the_reference_nothing() -> None:
    assert why_not_fused(matrices(32, 64, 3), "fp32", CPU, "cpu") == ""
    assert why_not_fused(matrices(32, 64, 3), "bf16", CPU, "cpu") == "bf16"
    assert why_not_fused(matrices(32, 200, 3), "fp32", CPU, "cpu") == "200 wide"
    assert why_not_fused(matrices(32, 64, 3), "fp32", CPU, "reference") == "backend reference"


@pytest.mark.parametrize(
    ("widths", "fitting"),  # into the shared memory of a 4090, of an A100 and of an H100
    [
        ((32, 64, 16), [True, True, True]),
        ((31, 64, 64, 3), [True, True, True]),
        ((64, 64, 64, 64, 64), [True, True, True]),
        ((31, 128, 128, 3), [True, True, True]),
        ((40, 128, 128, 3), [False, True, True]),
        ((128, 128, 128, 128, 128), [False, False, False]),
    ],
)
def test_networks_find_room_in_a_gpu_or_are_not_fused(
    widths: tuple[int, ...], fitting: list[bool]
) -> None:
    rooms = (101376, 166912, 232448)
    assert [fits(matrices(*widths), room) for room in rooms] == fitting


class Told:
    """What torch says of a GPU, newer versions with its shared memory."""

    def __init__(self, major: int, minor: int, told: int | None) -> None:
        self.major, self.minor = major, minor
        if told:
            self.shared_memory_per_block_optin = told


@pytest.mark.parametrize(
    ("told", "room"),
    [
        (Told(8, 9, None), 101376),
        (Told(9, 0, None), 232448),
        (Told(12, 1, None), 49152),
        (Told(12, 1, 101376), 101376),
    ],
)
def test_a_gpu_says_how_much_shared_memory_it_has(
    monkeypatch: pytest.MonkeyPatch, told: Told, room: int
) -> None:
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: told)
    gpu.shared_memory.cache_clear()
    assert gpu.shared_memory(torch.device("cuda", 0)) == room
    gpu.shared_memory.cache_clear()


@pytest.mark.parametrize(("major", "has"), [(7, False), (8, True), (12, True)])
def test_older_gpus_have_no_tensor_cores_for_triton(
    monkeypatch: pytest.MonkeyPatch, major: int, has: bool
) -> None:
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: Told(major, 5, None))
    assert gpu.has_tensor_cores(torch.device("cuda", 0)) == has
    assert gpu.has_tensor_cores(CPU)


def test_an_unknown_precision_names_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match="bf16"):
        mlp(torch.ones(1, 1), [torch.ones(1, 1)], "half")
