"""Density and colour in a dense voxel grid: a complete method, to start one's own from."""

from dataclasses import dataclass

import torch
from torch.nn.functional import grid_sample

from effbench.nerf.fields import RadianceField
from effbench.nerf.sampling import OccupancyOptions, OccupancySampler
from effbench.nerf.training import RadianceFieldMethod, TrainingOptions


class VoxelField(RadianceField):
    def __init__(self, side):
        super().__init__()
        self.grid = torch.nn.Parameter(torch.full([1, 4, side, side, side], 0.1))

    def encode(self, positions, encoded=None):  # [N, 3] in [0, 1] → [N, 4], interpolated
        at = 2 * positions[None, None, None] - 1
        return grid_sample(self.grid, at, align_corners=False)[0, :, 0, 0].T

    def density(self, encoded):
        return 50 * encoded[:, 0].relu(), encoded[:, 1:]

    def encode_directions(self, directions):
        return directions

    def color(self, geometry, directions):
        return geometry.sigmoid()


@dataclass(frozen=True)
class VoxelConfig:
    side: int = 64  # cells per axis
    lr: float = 0.1


class Voxels(RadianceFieldMethod):
    """A dense grid of densities and colours, without a network."""

    name = "voxels"
    Config = VoxelConfig

    def build_options(self):
        return TrainingOptions(samples=32768)

    def build_field(self, generator):
        return VoxelField(self.config.side)

    def build_sampler(self):
        options = OccupancyOptions(resolution=64, steps=256)
        return OccupancySampler(options, self.space, self.device, self.backend)

    def build_optimizer(self):
        return torch.optim.Adam(self.field.parameters(), self.config.lr)
