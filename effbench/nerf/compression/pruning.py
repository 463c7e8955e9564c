"""Structured neuron pruning of the vanilla NeRF (Ding et al. 2025; Mussay et al. 2020).

Notation: hidden layer k has weight W_k [n, inputs] and bias b_k [n]; its neurons are read by
W_{k+1} [m, n]. A pruned layer keeps m of its n neurons: their rows of W_k and their columns of
W_{k+1}; everything else is removed for good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from effbench.errors import ConfigError
from effbench.nerf.fields.mlp import DEPTH, MLPField, MLPShape, Reader

SELECTIONS = ("uniform", "w_in", "w_out", "product", "coreset")
# 4 feeds the skip connection and 7 the two heads: pruning the rest of 256 to 128 gives the
# published 1.14 MB, and to 64 the published 0.7 MB.
PRUNED_LAYERS = (0, 1, 2, 3, 5, 6)


@dataclass(frozen=True)
class Selection:
    """The neurons a layer keeps: indices int64 [m], ascending, and the factor float32 [m] by
    which the outgoing weights of each are scaled."""

    neurons: Tensor
    scale: Tensor


def incoming(weight: Tensor) -> Tensor:
    """Return w_in: mean_j |W_k[i, j]| per neuron."""
    return weight.abs().mean(1)


def outgoing(reader: Tensor) -> Tensor:
    """Return w_out: mean_j |W_{k+1}[j, i]| per neuron."""
    return reader.abs().mean(0)


def sensitivity(weight: Tensor, bias: Tensor, reader: Tensor, beta: float = 1.0) -> Tensor:
    """Return each neuron's share of the upper bound on what it adds to any output.

    p_i ∝ max_k |W_{k+1}[k, i]| · φ(β·‖[W_k[i, :], b_i]‖), φ = ReLU, for inputs in the ball of
    radius β (Mussay et al. 2020, algorithm 1). Uniform when every neuron's bound is zero.
    """
    norm = torch.cat([weight, bias[:, None]], 1).norm(dim=1)
    bound = reader.abs().amax(0) * torch.relu(beta * norm)
    total = bound.sum()
    return bound / total if total > 0 else torch.full_like(bound, 1 / len(bound))


def draw_coreset(probability: Tensor, keep: int, generator: torch.Generator) -> Selection:
    """Draw with replacement until `keep` distinct neurons are hit; scale each by c_i / (n·p_i).

    n is the number of draws and c_i how often neuron i was hit, so that the layer's expected
    output is unchanged. When fewer than `keep` neurons have positive probability, the rest is
    filled up with the first of the others at scale 1: their bound is zero, and so is their output.
    """
    possible = int((probability > 0).sum())
    wanted = min(keep, possible)
    hits = torch.zeros(len(probability), dtype=torch.int64)
    draws = 0
    # as many draws as neurons are missing: the set can only be completed by the last of them
    while (missing := wanted - int((hits > 0).sum())) > 0:
        drawn = torch.multinomial(probability, missing, replacement=True, generator=generator)
        hits += torch.bincount(drawn, minlength=len(hits))
        draws += missing
    kept = (hits > 0).nonzero()[:, 0]
    scale = hits[kept] / (max(draws, 1) * probability[kept])
    if wanted < keep:
        spare = (hits == 0).nonzero()[: keep - wanted, 0]
        kept, scale = torch.cat([kept, spare]), torch.cat([scale, torch.ones(len(spare))])
        kept, order = kept.sort()
        scale = scale[order]
    return Selection(kept, scale)


def select(
    selection: str,
    weight: Tensor,
    bias: Tensor,
    reader: Tensor,
    keep: int,
    generator: torch.Generator,
) -> Selection:
    """Choose `keep` neurons of a layer by `selection`, one of SELECTIONS.

    weight: [n, inputs]; bias: [n]; reader: [m, n], the columns that read this layer.
    Raises ConfigError for an unknown selection or more neurons than there are.
    """
    neurons = len(weight)
    if not 0 < keep <= neurons:
        raise ConfigError(f"cannot keep {keep} of {neurons} neurons: width is 1 to {neurons}")
    if selection == "coreset":
        return draw_coreset(sensitivity(weight, bias, reader), keep, generator)
    scores = {
        "uniform": lambda: torch.rand(neurons, generator=generator),
        "w_in": lambda: incoming(weight),
        "w_out": lambda: outgoing(reader),
        "product": lambda: incoming(weight) * outgoing(reader),
    }
    if selection not in scores:
        raise ConfigError(f"unknown selection '{selection}': one of {', '.join(SELECTIONS)}")
    kept = scores[selection]().topk(keep).indices.sort().values
    return Selection(kept, torch.ones(keep))


def pruned_shape(shape: MLPShape, widths: Mapping[int, int]) -> MLPShape:
    """Return `shape` with hidden layers at `widths`, by layer; others stay as they are."""
    hidden = tuple(widths.get(i, shape.hidden[i]) for i in range(DEPTH))
    return MLPShape(hidden, shape.feature, shape.view)


def prune(
    parent: MLPField,
    selection: str,
    widths: Mapping[int, int],
    generator: torch.Generator,
) -> MLPField:
    """Return a really smaller copy of `parent` whose hidden layers keep `widths` neurons, by layer.

    Scores look at the parent's weights, so the order of the layers makes no difference. Raises
    ConfigError for layers that the network does not have.
    """
    if not widths.keys() <= set(range(DEPTH)):
        layers = tuple(widths)
        raise ConfigError(f"cannot prune layers {layers}: hidden layers are 0 to {DEPTH - 1}")
    child = MLPField(pruned_shape(parent.shape, widths), parent.precision, generator)
    state = {name: tensor.detach().clone() for name, tensor in parent.state_dict().items()}
    chosen = {
        layer: _select(parent, layer, selection, width, generator)
        for layer, width in widths.items()
    }
    for layer, keep in chosen.items():
        _remove(state, f"hidden.{layer}", parent.readers(layer), keep)
    child.load_state_dict(state)
    return child


def _select(
    parent: MLPField, layer: int, selection: str, width: int, generator: torch.Generator
) -> Selection:
    linear = parent.linear(f"hidden.{layer}")
    readers = [parent.linear(name).weight[:, columns] for name, columns in parent.readers(layer)]
    weight, bias, reader = linear.weight.detach(), linear.bias.detach(), torch.cat(readers).detach()
    return select(selection, weight, bias, reader, width, generator)


def _remove(state: dict[str, Tensor], name: str, readers: list[Reader], keep: Selection) -> None:
    """Drop a layer's other neurons: rows of its weight and bias, columns of its readers."""
    for part in ("weight", "bias"):
        state[f"{name}.{part}"] = state[f"{name}.{part}"][keep.neurons]
    for reader, columns in readers:
        weight = state[f"{reader}.weight"]
        scaled = weight[:, columns][:, keep.neurons] * keep.scale
        parts = [weight[:, : columns.start], scaled, weight[:, columns.stop :]]
        state[f"{reader}.weight"] = torch.cat(parts, 1)
