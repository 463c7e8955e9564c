"""Structured pruning of a light field's network: whole channels are removed, none is masked.

Which layers share a channel is torch-pruning's dependency graph (Fang et al. 2023, *DepGraph*).
The residual stream is one such group, and so is the stream of each stage of super-resolution;
the inside of each residual block is a group of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch_pruning
from torch import Tensor, nn

from effbench.errors import ConfigError
from effbench.nerf.compression.macs import count_macs
from effbench.nerf.lightfield.network import NeLFNetwork, NeLFShape, ResidualBlock, shape_of

Criterion = Literal["l1", "l2", "bn", "taylor"]
Groups = Literal["inner", "all"]
_SIDE = 2  # rays per side of the example that traces the graph


def importance(criterion: Criterion) -> Callable[[Any], Tensor | None]:
    """Return what scores the channels of a group: the mean over its layers of the L1 or L2 norm
    of a channel's weights, of the size of its BN scales, or of |weight · gradient| (Taylor)."""
    kinds: dict[str, Callable[[], Any]] = {
        "l1": lambda: torch_pruning.importance.GroupMagnitudeImportance(p=1),
        "l2": lambda: torch_pruning.importance.GroupMagnitudeImportance(p=2),
        "bn": torch_pruning.importance.BNScaleImportance,
        "taylor": torch_pruning.importance.GroupTaylorImportance,
    }
    scorer: Callable[[Any], Tensor | None] = kinds[criterion]()
    return scorer


@dataclass(frozen=True)
class Pruned:
    """A pruned network and, by the name of a layer in the one before, the output channels that are
    gone."""

    network: NeLFNetwork
    removed: dict[str, list[int]]


def prune(
    network: NeLFNetwork,
    full: NeLFShape,
    ratio: float,
    criterion: Criterion = "l2",
    groups: Groups = "all",
    keep: Mapping[str, int] | None = None,
) -> Pruned:
    """Remove the least important channels of every group until `ratio` of those of `full` are gone.

    network: is left alone, but for its gradients, which the criterion "taylor" reads and which
    must be there for it; full: the shape before any pruning; groups: "inner" spares the streams.
    A group keeps round((1 − ratio)·n) of its n channels, at least one. keep: how many instead, by
    the name of a group's root as `prunable` has it; a group that is not named stays whole.
    """
    work = _copy(network)
    graph = _dependencies(work)
    names = {layer: name for name, layer in work.named_modules()}
    widths = dict(_widths(full))
    score = importance(criterion)
    chosen = []
    for group in _groups(graph, work, groups):
        root, handler = group[0].dep.target.module, group[0].dep.handler
        left = round((1 - ratio) * widths[names[root]])
        if keep is not None:
            left = keep.get(names[root], root.out_channels)
        surplus = root.out_channels - max(1, left)
        if surplus <= 0:
            continue
        scores = score(group)
        if scores is None:
            raise ConfigError(
                f"criterion={criterion} does not score the channels of '{names[root]}', which no "
                "BN layer follows: use criterion=l2"
            )
        worst = torch.argsort(scores, stable=True)[:surplus]
        chosen.append((root, handler, sorted(worst.tolist())))
    removed: dict[str, list[int]] = {}
    for root, handler, channels in chosen:
        group = graph.get_pruning_group(root, handler, channels)
        for dependency, indices in group:
            layer = dependency.target.module
            if layer in names and graph.is_out_channel_pruning_fn(dependency.handler):
                removed[names[layer]] = sorted(indices)
        group.prune()
    return Pruned(_rebuilt(work), removed)


def prunable(network: NeLFNetwork, groups: Groups) -> dict[str, int]:
    """Return the channels of every group that may be pruned, by the name of its root."""
    work = _copy(network)
    names = {layer: name for name, layer in work.named_modules()}
    roots = [group[0].dep.target.module for group in _groups(_dependencies(work), work, groups)]
    return {names[root]: root.out_channels for root in roots}


@dataclass(frozen=True)
class Cost:
    """What a network costs: output channels of its prunable layers, parameters, bytes of its
    tensors in float32, and multiply-accumulates of an image of h×w rays, without those of looking
    up points' features."""

    channels: int
    parameters: int
    bytes: int
    macs: int

    @classmethod
    def of(cls, shape: NeLFShape, size: tuple[int, int]) -> Cost:
        """Return the cost of a network of a shape. size: h, w."""
        with torch.device("meta"):
            network = NeLFNetwork(shape).eval()
            macs = count_macs(network, torch.empty(1, shape.inputs, *size), call=network.decode)
        return cls(
            channels=sum(width for _, width in _widths(shape)),
            parameters=sum(p.numel() for p in network.parameters()),
            bytes=sum(t.numel() * t.element_size() for t in network.state_dict().values()),
            macs=macs,
        )

    def ratios(self, dense: Cost) -> dict[str, float]:
        """Return what is left of each figure of the dense network."""
        return {name: value / getattr(dense, name) for name, value in vars(self).items()}


def _widths(shape: NeLFShape) -> Iterator[tuple[str, int]]:
    """Yield the output channels of every layer that a group's root may be, by the layer's name."""
    with torch.device("meta"):
        network = NeLFNetwork(shape)
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer is not network.tail:
            yield name, layer.out_channels


def _groups(graph: Any, network: NeLFNetwork, groups: Groups) -> list[Any]:
    """Return the groups of coupled channels that may be pruned: never the image's three."""
    spared: list[nn.Module] = [network.tail]
    if groups == "inner":
        spared += [network.head]
        spared += [m for m in network.modules() if isinstance(m, nn.ConvTranspose2d)]
        spared += [m.leave for m in network.modules() if isinstance(m, ResidualBlock)]
    roots = [nn.Conv2d, nn.ConvTranspose2d]
    return list(graph.get_all_groups(ignored_layers=spared, root_module_types=roots))


def _copy(network: NeLFNetwork) -> NeLFNetwork:
    """Return a copy in evaluation mode with the gradients, which copying drops."""
    copy = NeLFNetwork(network.shape).to(network.tail.weight.device)
    copy.load_state_dict(network.state_dict())
    for own, theirs in zip(copy.parameters(), network.parameters(), strict=True):
        own.grad = None if theirs.grad is None else theirs.grad.detach().clone()
    return copy.eval()


def _rebuilt(network: NeLFNetwork) -> NeLFNetwork:
    """Return a network of the shape that pruning left, with its weights."""
    state = network.state_dict()
    shape = shape_of(state, network.shape)
    rebuilt = NeLFNetwork(shape).to(network.tail.weight.device)
    rebuilt.load_state_dict(state)
    return rebuilt


def _dependencies(network: NeLFNetwork) -> Any:
    """Return which layers share channels. A table of features has none that could go: the graph
    begins behind it."""
    size = (1, network.shape.inputs, _SIDE, _SIDE)
    return torch_pruning.DependencyGraph().build_dependency(
        network,
        torch.zeros(size, device=network.tail.weight.device),
        forward_fn=lambda model, inputs: model.decode(inputs),
        ignored_params=list(network.features.parameters()),
        verbose=False,  # or it warns that the table, which it does not touch, may be pruned
    )
