"""A light field for export: folding batch norm changes nothing but the number of operations."""

from __future__ import annotations

import torch
from torch import nn

from effbench.nerf.nelf_export import fold_batch_norm
from tests.exported import SHAPE, camera_method


def test_folding_keeps_the_function_and_the_original() -> None:
    network = camera_method().network
    folded = fold_batch_norm(network)
    rays = torch.randn(2, SHAPE.channels, 3, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(folded(rays), network(rays), atol=1e-5, rtol=1e-4)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def test_a_network_in_training_is_folded_with_its_statistics() -> None:
    network = camera_method().network
    network.train()
    folded = fold_batch_norm(network)
    assert network.training
    network.eval()
    rays = torch.randn(1, SHAPE.channels, 3, 5, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(folded(rays), network(rays), atol=1e-5, rtol=1e-4)
