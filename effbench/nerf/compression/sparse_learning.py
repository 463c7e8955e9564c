"""Pruning-aware training: a regulariser that makes channels small before they are removed.

torch-pruning's sparse learners: "group-norm" pulls all weights of a channel that share it towards
zero, the less important ones up to 2⁴ times as hard (Fang et al. 2023, *DepGraph*), "bn-scale" the
scales of batch normalisation by an L1 norm (Liu et al. 2017, *Network Slimming*).
"""

from __future__ import annotations

from typing import Literal

import torch
import torch_pruning
from torch import nn

from effbench.nerf.lightfield.network import NeLFNetwork

Regulariser = Literal["none", "group-norm", "bn-scale"]
_SIDE = 2  # rays per side of the example that traces the graph


def regularise(
    network: NeLFNetwork, optimizer: torch.optim.Optimizer, kind: Regulariser, weight: float
) -> None:
    """Add the regulariser's gradient, `weight` times, to the network's before each step that this
    optimiser does from now on."""
    if kind == "none":
        return
    learners = {
        "group-norm": torch_pruning.pruner.GroupNormPruner,
        "bn-scale": torch_pruning.pruner.BNScalePruner,
    }
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
