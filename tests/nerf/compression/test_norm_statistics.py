"""Statistics of batch normalisation estimated anew: against means and variances by hand."""

from __future__ import annotations

import torch
from torch import nn

from effbench.nerf.compression.norm_statistics import reestimate


def test_they_are_the_means_over_the_batches_and_nothing_else_changes() -> None:
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, momentum=0.3)).eval()
    norm = network[1]
    assert isinstance(norm, nn.BatchNorm2d)
    norm.running_mean.fill_(7)  # type: ignore[union-attr]
    weights = {name: p.detach().clone() for name, p in network.named_parameters()}
    batches = [torch.rand(2, 3, 5, 5, generator=generator) for _ in range(3)]
    reestimate(network, batches)
    with torch.no_grad():
        seen = [network[0](batch) for batch in batches]
    mean = torch.stack([x.mean((0, 2, 3)) for x in seen]).mean(0)
    variance = torch.stack([x.var((0, 2, 3)) for x in seen]).mean(0)
    torch.testing.assert_close(norm.running_mean, mean)
    torch.testing.assert_close(norm.running_var, variance)
    assert (norm.momentum, network.training) == (0.3, False)
    assert all(torch.equal(p, weights[name]) for name, p in network.named_parameters())
    assert all(p.grad is None for p in network.parameters())
