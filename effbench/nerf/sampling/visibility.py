"""Which cells of an occupancy grid any training camera sees: the others are never occupied."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from effbench.nerf.sampling.occupancy import OccupancyGrid
from effbench.nerf.sampling.spaces import Space
from effbench.scene import Intrinsics, Views

_INSET = 1e-3  # of a cell: its corners are looked at from inside of it


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
    corners = itertools.product((_INSET, 1 - _INSET), repeat=3)
    offsets = torch.tensor([[0.5] * 3, *corners], device=cells.device)
    positions = [grid.points(cells, offset.expand(len(cells), 3)) for offset in offsets]
    aabb = space.aabb
    return torch.stack([space.locate(p) * aabb.side + aabb.corner for p in positions], 1)


def _in_image(points: Tensor, pose: Tensor, camera: Intrinsics) -> Tensor:
    """Return bool [N, K]: whether points [N, K, 3] are in the image of a camera at `pose`."""
    x, y, z = ((points - pose[:, 3]) @ pose[:, :3]).unbind(-1)
    depth = -z
    right, down = camera.fx * x + camera.cx * depth, -camera.fy * y + camera.cy * depth
    inside = (right >= 0) & (right <= camera.width * depth)
    return (depth > 0) & inside & (down >= 0) & (down <= camera.height * depth)
