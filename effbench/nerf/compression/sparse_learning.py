"""Pruning-aware training: a regulariser that makes channels small before they are removed.

The sparse learners of torch-pruning: "group-norm" pulls all weights that share a channel towards
zero, those of the least important channel of a group 2⁴ times as hard as those of the most
important one (Fang et al. 2023, *DepGraph*); "bn-scale" the scales of batch normalisation by an L1
norm (Liu et al. 2017, *Network Slimming*).
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch_pruning
from torch import Tensor, nn

from effbench.nerf.lightfield.network import NeLFNetwork

Regulariser = Literal["none", "group-norm", "bn-scale"]
_SIDE = 2  # rays per side of the example that traces the graph
_HARDER = 2.0**4


def regularise(
    network: NeLFNetwork, optimizer: torch.optim.Optimizer, kind: Regulariser, weight: float
) -> None:
    """Add the regulariser's gradient, `weight` times, to the network's before each step that this
    optimiser does from now on."""
    if kind == "none":
        return
    learners = {"group-norm": _GroupNorm, "bn-scale": torch_pruning.pruner.BNScalePruner}
    training = network.training
    network.eval()  # the example must not count in the statistics of batch normalisation
    learner = learners[kind](
        network,
        torch.zeros(1, network.shape.inputs, _SIDE, _SIDE, device=network.tail.weight.device),
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        reg=weight,
        ignored_layers=[network.tail, *network.features.parameters()],
        root_module_types=[nn.Conv2d, nn.ConvTranspose2d],
        forward_fn=lambda model, inputs: model.decode(inputs),
    )
    network.train(training)
    optimizer.register_step_pre_hook(lambda *_: learner.regularize(network))


class _GroupNorm(torch_pruning.pruner.GroupNormPruner):  # type: ignore[misc]
    """torch-pruning's, which takes the channels of a transposed convolution for those of a usual
    one (1.6.0)."""

    @torch.no_grad()
    def regularize(self, model: nn.Module) -> None:
        for group in self._groups:
            norms = self.estimate_importance(group).sqrt()
            spread = norms.max() - norms.min()
            if not spread > 0:  # all alike, or not a number
                continue
            pull = self.reg * _HARDER ** ((norms.max() - norms) / spread)
            for index, (dependency, channels) in enumerate(group):
                weight = getattr(dependency.target.module, "weight", None)
                if weight is None or weight.grad is None:
                    continue
                roots = torch.tensor(group[index].root_idxs, device=pull.device)
                _pull(weight, self._axis(dependency), channels, pull[roots])

    def _axis(self, dependency: Any) -> int:
        """Return the dimension of a layer's weight that the group's channels are."""
        out = self.DG.is_out_channel_pruning_fn(dependency.handler)
        transposed = isinstance(dependency.target.module, nn.ConvTranspose2d)
        return 0 if out != transposed else 1


def _pull(weight: Tensor, axis: int, channels: list[int], pull: Tensor) -> None:
    """Add weight·pull to the gradient of some channels. pull: [len(channels)]."""
    index = torch.tensor(channels, device=weight.device)
    added = weight.index_select(axis, index).movedim(axis, -1) * pull
    assert weight.grad is not None
    weight.grad.index_add_(axis, index, added.movedim(-1, axis))
