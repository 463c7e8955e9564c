"""A neural light field as one network from a camera to its image, for export."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.fusion import fuse_conv_bn_eval

from effbench.method import Exportable
from effbench.nerf.lightfield.features import PointFeatures
from effbench.nerf.lightfield.network import NeLFNetwork, ResidualBlock
from effbench.nerf.lightfield.rays import LightField
from effbench.nerf.sampling.ray_renderer import HashEncoder

_CELLS = "encoder.occupied"


class CameraView(nn.Module):
    """One pose [3, 4] to its image [H, W, 3].

    Occupied cells, of which a light field may keep a byte each, are bits in the file: a runtime
    unpacks such constants once, when it loads it.
    """

    bits: Tensor
    powers: Tensor

    def __init__(self, field: LightField) -> None:
        super().__init__()
        self.field = field
        cells = field.encoder.occupied
        self.packed = len(cells) > 0 and len(cells) % 8 == 0
        if self.packed:
            powers = 1 << torch.arange(8, device=cells.device)
            self.register_buffer("powers", powers.int())
            bits = (cells.bool().view(-1, 8) * powers).sum(1)
            self.register_buffer("bits", bits.to(torch.uint8))
            field.encoder.occupied = cells[:0]

    def forward(self, pose: Tensor) -> Tensor:
        given = {_CELLS: self._cells()} if self.packed else {}
        images: Tensor = functional_call(self.field, given, (pose[None],))
        return images[0]

    def _cells(self) -> Tensor:
        return (self.bits.int()[:, None] // self.powers % 2).to(torch.uint8).flatten()


def exportable(field: LightField) -> Exportable:
    """Return what `Method.exportable` gives for a light field; `field` is left as it is."""
    folded = LightField(copy.deepcopy(field.encoder), fold_batch_norm(field.network))
    features = folded.network.features
    if isinstance(features, PointFeatures):  # its kernels are no operations that can be exported
        features.lookup = HashEncoder(features.table, features.layout)
        del features.table
    return Exportable(CameraView(folded).eval(), takes="camera")


def fold_batch_norm(network: NeLFNetwork) -> NeLFNetwork:
    """Return a copy in which each convolution has taken in the batch norm behind it, with the
    statistics of training: the same function in evaluation mode, in fewer operations."""
    folded = copy.deepcopy(network).eval()
    for block in folded.modules():
        if isinstance(block, ResidualBlock):
            for name in ("enter", "leave"):
                norm = f"{name}_norm"
                setattr(block, name, fuse_conv_bn_eval(getattr(block, name), getattr(block, norm)))
                setattr(block, norm, nn.Identity())
    return folded
