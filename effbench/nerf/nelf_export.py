"""A neural light field as one network from a camera to its image, for export."""

from __future__ import annotations

import copy

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from effbench.method import Exportable
from effbench.nerf.nelf_network import NeLFNetwork, ResidualBlock
from effbench.nerf.nelf_rays import LightField


class CameraView(nn.Module):
    """One pose [3, 4] to its image [H, W, 3]."""

    def __init__(self, field: LightField) -> None:
        super().__init__()
        self.field = field

    def forward(self, pose: Tensor) -> Tensor:
        images: Tensor = self.field(pose[None])
        return images[0]


def exportable(field: LightField) -> Exportable:
    """Return what `Method.exportable` gives for a light field; `field` is left as it is."""
    folded = LightField(field.encoder, fold_batch_norm(field.network))
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
