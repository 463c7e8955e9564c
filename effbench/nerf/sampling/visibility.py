"""Which cells of an occupancy grid any training camera sees: the others are never occupied."""

from __future__ import annotations

import torch
from torch import Tensor

from effbench.nerf.sampling.occupancy import OccupancyGrid
from effbench.nerf.sampling.spaces import Space
from effbench.scene import Intrinsics, Views


def seen_cells(grid: OccupancyGrid, space: Space, views: Views) -> Tensor:
    """Return bool [C·G³]: whether the middle or a corner of a cell lies before a camera of `views`,
    within its image."""
    device = grid.bits.device
    seen = torch.zeros(len(grid.optical_depth), dtype=torch.bool, device=device)
    left = torch.arange(len(seen), device=device)
    points = _points(grid, space, left)
    poses = torch.from_numpy(views.poses).to(device)
    for pose, camera in zip(poses, views.cameras, strict=True):
        found = _in_image(points, pose, camera).any(1)
        seen[left[found]] = True
        left, points = left[~found], points[~found]
    return seen


def _points(grid: OccupancyGrid, space: Space, cells: Tensor) -> Tensor:
    """Return the middle and the corners of cells [N] in the world, [N, 9, 3]."""
    return space.aabb.world(space.locate(grid.points_in(cells)))


def _in_image(points: Tensor, pose: Tensor, camera: Intrinsics) -> Tensor:
    """Return bool [N, K]: whether points [N, K, 3] are in the image of a camera at `pose`."""
    x, y, z = ((points - pose[:, 3]) @ pose[:, :3]).unbind(-1)
    depth = -z
    right, down = camera.fx * x + camera.cx * depth, -camera.fy * y + camera.cy * depth
    inside = (right >= 0) & (right <= camera.width * depth)
    return (depth > 0) & inside & (down >= 0) & (down <= camera.height * depth)
