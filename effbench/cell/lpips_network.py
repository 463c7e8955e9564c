"""LPIPS v0.1 (Zhang et al. 2018) as a network of its own, for where the official package is not.

The official one needs torchvision and a download. This one takes the weights that
`effbench.cell.lpips_weights` finds; its figures are the official ones' to float32 rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

Net = Literal["vgg", "alex"]
NETS: tuple[Net, ...] = ("vgg", "alex")

# Side in pixels below which a stage of the network has nothing left to look at
SMALLEST: dict[Net, int] = {"vgg": 16, "alex": 31}

_SHIFT = (-0.030, -0.088, -0.188)  # ImageNet's mean and deviation, for inputs in [-1, 1]
_SCALE = (0.458, 0.448, 0.450)


class Lpips(nn.Module):
    """The distance between two images in the channels of a classifier, weighted per channel.

    At each of five stages: activations brought to unit length per pixel, their squared difference
    weighted per channel and averaged over pixels (eq. 1). Convolutions run channels last, which a
    CPU computes a third faster.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, net: Net, weights: Mapping[str, Tensor]) -> None:
        """weights: "conv.i.weight" [out, in, k, k], "conv.i.bias" [out], "linear.i" [channels]."""
        super().__init__()
        self.stages = nn.ModuleList(_vgg16() if net == "vgg" else _alexnet())
        self.linear = nn.ParameterList(weights[f"linear.{i}"] for i in range(len(self.stages)))
        convolutions = [m for m in self.stages.modules() if isinstance(m, nn.Conv2d)]
        for index, convolution in enumerate(convolutions):
            convolution.weight = nn.Parameter(weights[f"conv.{index}.weight"])
            convolution.bias = nn.Parameter(weights[f"conv.{index}.bias"])
        self.register_buffer("shift", torch.tensor(_SHIFT).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(_SCALE).view(1, 3, 1, 1))
        self.requires_grad_(False).eval()
        for convolution in convolutions:
            kept = convolution.weight.contiguous(memory_format=torch.channels_last)
            convolution.weight = nn.Parameter(kept, requires_grad=False)

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the distances [N] of two stacks [N, 3, H, W] of images in [-1, 1]."""
        x = (torch.cat([one, other]) - self.shift) / self.scale
        x = x.contiguous(memory_format=torch.channels_last)
        distance = one.new_zeros(len(one))
        for stage, linear in zip(self.stages, self.linear, strict=True):
            x = stage(x)
            lengths = torch.linalg.vector_norm(x, dim=1, keepdim=True) + 1e-10
            a, b = (x / lengths).split(len(one))
            # channels are last in memory: rows of a product with the weights
            weighted = (a - b).square_().permute(0, 2, 3, 1) @ linear
            distance = distance + weighted.mean((1, 2))
        return distance


def _vgg16() -> list[nn.Sequential]:
    """Return VGG16's stages (Simonyan and Zisserman 2015), each up to its last activation."""
    stages: list[nn.Sequential] = []
    channels = 3
    for widths in ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3):
        layers: list[nn.Module] = [nn.MaxPool2d(2)] if stages else []
        for width in widths:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
        stages.append(nn.Sequential(*layers))
    return stages


def _alexnet() -> list[nn.Sequential]:
    """Return AlexNet's stages in its one-tower form (Krizhevsky 2014), as torchvision has it."""
    convolutions = (
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.Conv2d(256, 256, 3, padding=1),
    )
    pooled = (False, True, True, False, False)
    return [
        nn.Sequential(*([nn.MaxPool2d(3, 2)] if pool else []), convolution, nn.ReLU(inplace=True))
        for pool, convolution in zip(pooled, convolutions, strict=True)
    ]
