"""Encodings and networks: published sizes, hand-computed values."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from effbench.errors import ConfigError
from effbench.kernels.hash_layout import HashLayout
from effbench.nerf.fields import HashField, RadianceField, resolve_precision
from effbench.nerf.fields.encodings import frequency_encode, frequency_width
from effbench.nerf.fields.field import padded_rows
from effbench.nerf.fields.mlp import DEPTH, MLPField, MLPShape


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_frequency_encoding_is_identity_then_sine_and_cosine_of_each_octave() -> None:
    x = torch.rand(50, 3, generator=generator(), dtype=torch.float64) * 2 - 1
    expected = [x]
    for octave in range(10):
        angle = 2**octave * math.pi * x
        expected += [angle.sin(), angle.cos()]
    torch.testing.assert_close(frequency_encode(x, 10), torch.cat(expected, 1))


def test_frequency_encoding_by_double_angles_is_exact_enough_in_float32() -> None:
    x = torch.rand(2000, 3, generator=generator()) * 2 - 1
    torch.testing.assert_close(
        frequency_encode(x, 10).double(), frequency_encode(x.double(), 10), rtol=0, atol=1e-3
    )


@pytest.mark.parametrize(("octaves", "width"), [(10, 63), (4, 27), (6, 39)])
def test_frequency_widths_of_the_papers(octaves: int, width: int) -> None:
    assert frequency_width(octaves) == width
    assert frequency_encode(torch.zeros(1, 3), octaves).shape == (1, width)


def test_hash_field_has_the_layers_of_the_paper() -> None:
    layout = HashLayout(levels=16, log2_table=8, base=4, finest=64)
    field = HashField(layout, 64, 15, "fp32", "auto", generator())
    assert [tuple(w.shape) for w in field.density_layers] == [(64, 32), (16, 64)]
    assert [tuple(w.shape) for w in field.color_layers] == [(64, 31), (64, 64), (3, 64)]
    density, geometry = field.density(field.encode(torch.rand(10, 3)))
    color = field.color(geometry, field.encode_directions(torch.randn(10, 3)))
    assert density.shape == (10,)
    assert (density > 0).all()
    assert color.shape == (10, 3)
    assert 0 <= color.min() <= color.max() <= 1


def test_a_hash_field_says_how_its_networks_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = HashLayout(levels=4, log2_table=8, base=4, finest=64)

    def networks(hidden: int) -> dict[str, str]:
        field = HashField(layout, hidden, 15, "bf16", "auto", generator())
        found: dict[str, str] = field.facts()["networks"]
        return found

    assert networks(64) == dict.fromkeys(("density", "color"), "layer by layer: bf16")
    monkeypatch.setattr("effbench.kernels.mlp.resolve", lambda *_: "triton")
    assert networks(64) == {"density": "fused", "color": "fused"}
    assert networks(200)["color"] == "layer by layer: 200 wide"
    monkeypatch.setattr("effbench.kernels.gpu.shared_memory", lambda _: 65536)
    assert networks(128) == {
        "density": "fused",
        "color": "layer by layer: 3 matrices of 128 do not fit into 64 KiB",
    }


def test_vanilla_nerf_has_exactly_595844_parameters() -> None:
    field = MLPField(MLPShape(), "fp32", generator())
    assert sum(p.numel() for p in field.parameters()) == 595_844
    assert field.linear("hidden.5").weight.shape == (256, 319)


def test_a_hidden_layers_readers_read_all_of_it_and_nothing_else() -> None:
    """Raising a neuron's output and lowering its readers' columns by the same factor is neutral."""
    field = MLPField(MLPShape(), "fp32", generator(1))
    encoded = field.encode(torch.rand(20, 3, generator=generator(2)))
    before, geometry = field.density(encoded)
    color = field.color(geometry, torch.zeros(20, 27))
    with torch.no_grad():
        for layer in range(DEPTH):
            field.linear(f"hidden.{layer}").weight.mul_(4)
            field.linear(f"hidden.{layer}").bias.mul_(4)
            for name, columns in field.readers(layer):
                field.linear(name).weight[:, columns].div_(4)
    after, geometry = field.density(encoded)
    torch.testing.assert_close(after, before)
    torch.testing.assert_close(field.color(geometry, torch.zeros(20, 27)), color)


def test_the_same_seed_gives_the_same_weights() -> None:
    first, again, other = (MLPField(MLPShape(), "fp32", generator(s)) for s in (5, 5, 6))
    assert torch.equal(first.feature.weight, again.feature.weight)
    assert not torch.equal(first.feature.weight, other.feature.weight)


def test_precision_is_kept_when_asked_for_and_chosen_by_hardware_otherwise() -> None:
    cpu = torch.device("cpu")
    assert resolve_precision("fp32", cpu) == "fp32"
    assert resolve_precision("bf16", cpu) == "bf16"
    assert resolve_precision("auto", cpu) in ("fp32", "bf16")


def test_bf16_is_asked_of_the_device_in_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two GPUs the second has bf16 units; the first is the current one."""
    current = [torch.device("cuda:0")]

    @contextmanager
    def device(chosen: torch.device) -> Iterator[None]:
        current.append(chosen)
        yield
        current.pop()

    def supported(including_emulation: bool) -> bool:
        assert not including_emulation
        return current[-1] == torch.device("cuda:1")

    monkeypatch.setattr(torch.cuda, "device", device)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert resolve_precision("auto", torch.device("cuda:1")) == "bf16"
    assert resolve_precision("auto", torch.device("cuda:0")) == "fp32"
    with pytest.raises(ConfigError, match="cuda:0 has no bf16 units"):
        resolve_precision("bf16", torch.device("cuda:0"))


def test_fp16_is_refused_on_a_cpu() -> None:
    with pytest.raises(ConfigError, match="precision=fp16: a CPU has no fp16 units"):
        resolve_precision("fp16", torch.device("cpu"))


def test_fp16_networks_keep_gradients_that_fp16_cannot_hold() -> None:
    field = HashField(HashLayout(2, 8, 4, 8), 16, 15, "fp32", "reference", generator())
    half = copy.deepcopy(field)
    half.precision = "fp16"
    x = torch.rand(64, 4, generator=generator(1)) - 0.5
    harmonics = torch.rand(64, 16, generator=generator(2))
    upstream = 1e-8 * torch.rand(64, 3, generator=generator(3))  # fp16's smallest number is 6e-8
    found = []
    for each in (field, half):
        inputs = x.clone().requires_grad_()
        geometry = each.log_density(inputs)[1]
        each.color_logits(geometry, harmonics).backward(upstream)
        weights = [*each.density_layers, *each.color_layers]
        found.append([inputs.grad, *(weight.grad for weight in weights)])
    for exact, rounded in zip(*found, strict=True):
        assert rounded is not None
        assert exact is not None
        assert float((rounded - exact).norm()) < 0.05 * float(exact.norm()) != 0


def test_bf16_networks_stay_close_to_fp32() -> None:
    layout = HashLayout(levels=4, log2_table=10, base=4, finest=64)
    exact, rough = (
        HashField(layout, 32, 15, precision, "auto", generator()) for precision in ("fp32", "bf16")
    )
    encoded = torch.randn(100, layout.width, generator=generator(3))
    torch.testing.assert_close(
        rough.density(encoded)[0], exact.density(encoded)[0], rtol=0.1, atol=0.05
    )


@pytest.mark.parametrize("count", [0, 1, 255, 256, 4095, 24576, 60001])
def test_rows_are_padded_to_few_sizes_with_little_waste(count: int) -> None:
    padded = padded_rows(count)
    assert count <= padded <= max(count * 17 / 16, count + 255)
    assert padded_rows(padded) == padded


def test_an_octave_has_sixteen_padded_sizes() -> None:
    assert len({padded_rows(count) for count in range(16385, 32769)}) == 16


def field_gradients(field: RadianceField, count: int) -> list[Tensor]:
    positions = torch.rand(count, 3, generator=generator(3))
    directions = field.encode_directions(functional.normalize(positions + 0.1, dim=1))
    density, geometry = field.density(field.encode(positions))
    color = field.color(geometry, directions)
    assert len(density) == len(geometry) == len(color) == count
    return list(torch.autograd.grad(density.sum() + color.sum(), list(field.parameters())))


@pytest.mark.parametrize("count", [0, 1, 300])
@pytest.mark.parametrize("network", ["hash", "mlp"])
def test_padding_changes_neither_outputs_nor_gradients(
    network: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = HashLayout(levels=4, log2_table=10, base=4, finest=64)
    field: RadianceField = (
        HashField(layout, 32, 15, "bf16", "auto", generator())
        if network == "hash"
        else MLPField(MLPShape(), "bf16", generator())
    )
    padded = field_gradients(field, count)
    monkeypatch.setattr(field, "_padded", lambda x: x)
    for one, other in zip(padded, field_gradients(field, count), strict=True):
        torch.testing.assert_close(one, other, rtol=0.02, atol=0.02 * float(other.abs().max()))
