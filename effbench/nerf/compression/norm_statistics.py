"""Statistics of batch normalisation, estimated anew: what pruning leaves wrong without training.

A channel that is gone changes what the layers behind it see, but not the means and variances that
they normalise by. Estimating them on some batches costs forward passes only (Li et al. 2020,
*EagleEye*).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


@torch.no_grad()
def reestimate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set the running statistics of every BN layer to the mean over `batches`, in which each layer
    normalises by the batch's own; weights stay, and so does the mode of the network."""
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    momenta, training = [norm.momentum for norm in norms], network.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all batches alike
    network.train()
    for batch in batches:
        network(batch)
    network.train(training)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
