"""Multiply-accumulates, by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from effbench.nerf.compression.macs import count_macs


@pytest.mark.parametrize(
    ("layer", "given", "macs"),
    [
        # 3×5 outputs, each a sum over 2 channels of 3×3 weights, 4 channels out
        (nn.Conv2d(2, 4, 3, padding=1), (1, 2, 3, 5), 15 * 4 * 2 * 9),
        # stride 2: 2×3 outputs
        (nn.Conv2d(2, 4, 3, stride=2, padding=1), (1, 2, 3, 5), 6 * 4 * 2 * 9),
        # groups: each output reads 2 of the 4 channels
        (nn.Conv2d(4, 6, 1, groups=2), (1, 4, 3, 5), 15 * 6 * 2),
        # dilation moves the weights apart and adds none; 1 output of 5×5 inputs
        (nn.Conv2d(1, 1, 3, dilation=2), (1, 1, 5, 5), 9),
        # transposed: each of 3×5 inputs meets 2·4 channels of 4×4 weights, whatever the stride
        (nn.ConvTranspose2d(2, 4, 4, stride=2, padding=1), (1, 2, 3, 5), 15 * 2 * 4 * 16),
        (nn.ConvTranspose2d(2, 4, 4, stride=1), (1, 2, 3, 5), 15 * 2 * 4 * 16),
        (nn.ConvTranspose2d(4, 6, 4, stride=2, groups=2), (1, 4, 3, 5), 15 * 4 * 3 * 16),
        # 2·3 rows of 5 inputs and 7 outputs
        (nn.Linear(5, 7), (2, 3, 5), 6 * 5 * 7),
        # a batch counts each image; normalisation and activations count nothing
        (nn.Sequential(nn.Conv2d(2, 4, 1), nn.BatchNorm2d(4), nn.GELU()), (3, 2, 4, 4), 3 * 16 * 8),
    ],
)
def test_layers_by_hand(layer: nn.Module, given: tuple[int, ...], macs: int) -> None:
    assert count_macs(layer.eval(), torch.zeros(given)) == macs


def test_a_transposed_convolution_costs_what_it_does_as_matrix_products() -> None:
    """Its result is one product of [pixels, in] and [in, out·k·k], then sums without products."""
    layer = nn.ConvTranspose2d(3, 5, 4, stride=2, padding=1, bias=False)
    x = torch.rand(1, 3, 6, 4)
    rows, weights = x[0].flatten(1).t(), layer.weight.flatten(1)
    columns = (rows @ weights).t()[None]
    folded = nn.functional.fold(columns, (12, 8), 4, padding=1, stride=2)
    torch.testing.assert_close(folded, layer(x))
    assert count_macs(layer, x) == rows.shape[0] * rows.shape[1] * weights.shape[1]


def test_nothing_stays_behind_and_meta_tensors_do() -> None:
    with torch.device("meta"):
        layer = nn.Conv2d(312, 256, 1)
        assert count_macs(layer, torch.empty(1, 312, 100, 100)) == 10_000 * 312 * 256
    assert not layer._forward_hooks
