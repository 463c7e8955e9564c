"""Multiply-accumulates of convolutions and matrix products, counted from what modules are given.

Counted is what a dense kernel computes, with what the padding of a transposed convolution cuts off;
biases, normalisation and activations are not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def count_macs(
    module: nn.Module, *inputs: Tensor, call: Callable[..., Tensor] | None = None
) -> int:
    """Return the multiply-accumulates of `module(*inputs)`; on the meta device nothing is computed.

    call: what is called in the module's place, such as one of its methods.

    Convolutions in 1 to 3 dimensions, transposed or not, strided, grouped or dilated, and linear
    layers. The module is left as it was, except for what a call of it changes.
    """
    total = 0

    def add(layer: nn.Module, given: tuple[Any, ...], result: Tensor) -> None:
        nonlocal total
        total += _macs(layer, given[0], result)

    counted = (nn.modules.conv._ConvNd, nn.Linear)
    hooks = [m.register_forward_hook(add) for m in module.modules() if isinstance(m, counted)]
    try:
        with torch.no_grad():
            (call or module)(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return total


def _macs(layer: Any, given: Tensor, result: Tensor) -> int:
    if isinstance(layer, nn.Linear):
        return int(result.numel() * layer.in_features)
    kernel = layer.weight[0, 0].numel()
    if isinstance(layer, nn.modules.conv._ConvTransposeNd):
        # Each input value meets every weight of its channel, whatever the stride.
        return int(given.numel() * (layer.out_channels // layer.groups) * kernel)
    # Each output value is a sum over the input channels of its group and the kernel.
    return int(result.numel() * (layer.in_channels // layer.groups) * kernel)
