"""Neuron pruning: published sizes, scores by hand, the coreset's expectation."""

from __future__ import annotations

import pytest
import torch

from effbench.errors import ConfigError
from effbench.nerf.compression.pruning import (
    PRUNED_LAYERS,
    SELECTIONS,
    draw_coreset,
    incoming,
    outgoing,
    prune,
    select,
    sensitivity,
)
from effbench.nerf.fields.mlp import DEPTH, MLPField, MLPShape

WEIGHT = torch.tensor([[1.0, -3.0], [0.0, 1.0], [2.0, 2.0]])  # three neurons, two inputs
BIAS = torch.tensor([0.0, 0.0, 1.0])
READER = torch.tensor([[1.0, -4.0, 0.5], [-1.0, 2.0, 0.5]])  # two outputs


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def equal(width: int) -> dict[int, int]:
    return dict.fromkeys(PRUNED_LAYERS, width)


def test_scores_by_hand() -> None:
    assert incoming(WEIGHT).tolist() == [2.0, 0.5, 2.0]
    assert outgoing(READER).tolist() == [1.0, 3.0, 0.5]
    bound = torch.tensor([1.0 * 10**0.5, 4.0 * 1.0, 0.5 * 3.0])
    torch.testing.assert_close(sensitivity(WEIGHT, BIAS, READER), bound / bound.sum())


@pytest.mark.parametrize(
    ("selection", "kept"), [("w_in", [0, 2]), ("w_out", [0, 1]), ("product", [0, 1])]
)
def test_importance_keeps_the_top_neurons(selection: str, kept: list[int]) -> None:
    chosen = select(selection, WEIGHT, BIAS, READER, 2, generator())
    assert chosen.neurons.tolist() == kept
    assert chosen.scale.tolist() == [1.0, 1.0]


def test_uniform_keeps_every_neuron_equally_often() -> None:
    hits = torch.zeros(3)
    for seed in range(600):
        hits[select("uniform", WEIGHT, BIAS, READER, 1, generator(seed)).neurons] += 1
    # 200 expected each, standard deviation 11.5: beyond ±60 with probability below 1e-6
    assert hits.tolist() == pytest.approx([200] * 3, abs=60)


def test_coreset_weights_sum_to_the_layer_in_expectation() -> None:
    probability = torch.tensor([0.5, 0.3, 0.15, 0.05])
    chosen = draw_coreset(probability, 3, generator())
    assert len(chosen.neurons) == 3
    # Σ c_i = n over the kept neurons, hence Σ scale·p = Σ c_i / n = 1
    assert (chosen.scale * probability[chosen.neurons]).sum().item() == pytest.approx(1)


def test_coreset_prefers_sensitive_neurons() -> None:
    probability = torch.tensor([0.9, 0.05, 0.05])
    first = sum(
        0 in draw_coreset(probability, 1, generator(s)).neurons.tolist() for s in range(400)
    )
    assert first == pytest.approx(360, abs=36)  # six standard deviations


def test_coreset_never_draws_impossible_neurons_before_the_possible_ones() -> None:
    chosen = draw_coreset(torch.tensor([0.0, 0.7, 0.0, 0.3]), 3, generator())
    assert set(chosen.neurons.tolist()) == {0, 1, 3}
    assert chosen.neurons.tolist() == sorted(chosen.neurons.tolist())


@pytest.mark.parametrize(("width", "parameters"), [(128, 284_036), (64, 177_284)])
@pytest.mark.parametrize("selection", SELECTIONS)
def test_published_sizes(selection: str, width: int, parameters: int) -> None:
    parent = MLPField(MLPShape(), "fp32", generator())
    child = prune(parent, selection, equal(width), generator(1))
    assert sum(p.numel() for p in child.parameters()) == parameters
    density, geometry = child.density(child.encode(torch.rand(5, 3)))
    assert child.color(geometry, torch.zeros(5, 27)).shape == (5, 3)
    assert density.isfinite().all()


@pytest.mark.parametrize("layers", [PRUNED_LAYERS, tuple(range(DEPTH)), (4,), (7,)])
def test_pruning_equals_masking_the_removed_neurons(layers: tuple[int, ...]) -> None:
    parent = MLPField(MLPShape(), "fp32", generator())
    child = prune(parent, "w_out", dict.fromkeys(layers, 100), generator())
    masked = MLPField(MLPShape(), "fp32", generator())
    masked.load_state_dict(parent.state_dict())
    for layer in layers:
        linear = masked.linear(f"hidden.{layer}")
        readers = [parent.linear(n).weight[:, c] for n, c in parent.readers(layer)]
        original = parent.linear(f"hidden.{layer}")
        kept = select(
            "w_out", original.weight, original.bias, torch.cat(readers), 100, generator()
        ).neurons
        gone = torch.ones(256, dtype=torch.bool)
        gone[kept] = False
        with torch.no_grad():
            linear.weight[gone] = 0
            linear.bias[gone] = 0
    points = torch.rand(30, 3, generator=generator(2))
    expected, wide = masked.density(masked.encode(points))
    actual, narrow = child.density(child.encode(points))
    torch.testing.assert_close(actual, expected)
    directions = torch.zeros(30, 27)
    torch.testing.assert_close(child.color(narrow, directions), masked.color(wide, directions))
    assert child.linear(f"hidden.{layers[0]}").weight.shape[0] == 100


def test_keeping_every_neuron_keeps_the_network() -> None:
    parent = MLPField(MLPShape(), "fp32", generator())
    child = prune(parent, "product", equal(256), generator())
    for name, tensor in parent.state_dict().items():
        assert torch.equal(child.state_dict()[name], tensor), name


def test_impossible_requests_are_refused() -> None:
    parent = MLPField(MLPShape(), "fp32", generator())
    with pytest.raises(ConfigError, match="width is 1 to 256"):
        prune(parent, "w_in", equal(300), generator())
    with pytest.raises(ConfigError, match="hidden layers are 0 to 7"):
        prune(parent, "w_in", {8: 64}, generator())
    with pytest.raises(ConfigError, match="uniform, w_in"):
        prune(parent, "magnitude", equal(64), generator())
