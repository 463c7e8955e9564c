"""Where a box of the scene is occupied, by the grid of a field in another space."""

from __future__ import annotations

import torch
from torch import Tensor

from effbench.kernels.occupancy import pack_bits
from effbench.nerf.sampling.occupancy import OccupancyGrid
from effbench.nerf.sampling.rays import Aabb
from effbench.nerf.sampling.spaces import Space

_AT_ONCE = 1 << 18  # cells


def boxed_bits(bits: Tensor, space: Space, box: Aabb) -> Tensor:
    """Return the bits uint8 [G³ / 8] of a grid over `box` of those of one in `space`, uint8
    [C·G³ / 8]: a cell of the box is occupied where its middle or a corner lies in an occupied cell.

    What lies outside of the box is left out. Cells of a box of four times the inner cube's side are
    at most twice as long as those of `space`, so that none between the corners is missed.
    """
    resolution = round((8 * len(bits) / space.cascades) ** (1 / 3))
    theirs = OccupancyGrid(resolution, 0.0, bits.device, cascades=space.cascades)
    theirs.load_state({"occupancy.bits": bits})
    ours = OccupancyGrid(resolution, 0.0, bits.device)
    found = []
    for cells in torch.split(torch.arange(resolution**3, device=bits.device), _AT_ONCE):
        world = box.world(ours.points_in(cells)).flatten(0, 1)
        positions = space.place(space.aabb.local(world))
        found.append(theirs.occupied_at(positions).view(-1, 9).any(1))
    return pack_bits(torch.cat(found).float(), torch.tensor(0.5, device=bits.device))
