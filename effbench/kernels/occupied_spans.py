"""Where rays meet the first and leave the last occupied cell of a grid."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from effbench.kernels.backends import resolve

LOOKUPS = 128  # places along a ray where occupancy is looked up


def occupied_spans(
    origins: Tensor,
    directions: Tensor,
    near: Tensor,
    far: Tensor,
    occupied: Tensor,
    backend: str = "auto",
) -> tuple[Tensor, Tensor]:
    """Return the depths [..., 1] where rays enter their first and leave their last occupied cell.

    They are exact to a 128th of the way from near to far; equal where a ray meets no such cell.
    origins, directions: float32 [..., 3] in the cube [−1, 1]³ of the grid, origins broadcast to
    directions; near, far: float32 [..., 1] where rays begin and end; occupied: uint8 [G³], cell (x,
    y, z) at (z·G + y)·G + x. The reference can be exported to ONNX. At the border of a cell
    backends may differ by one lookup.
    """
    if resolve(backend, directions.device) == "cpu":
        from effbench.kernels.cpu import occupied_spans as cpu

        shape = directions.shape
        vectors = [v.expand(shape).reshape(-1, 3).contiguous() for v in (origins, directions)]
        ends = [v.expand(*shape[:-1], 1).reshape(-1).contiguous() for v in (near, far)]
        enter, leave = torch.empty_like(ends[0]), torch.empty_like(ends[0])
        arrays = [tensor.numpy() for tensor in (*vectors, *ends, occupied, enter, leave)]
        cpu.spans(*arrays, round(len(occupied) ** (1 / 3)), LOOKUPS)
        return enter.view(*shape[:-1], 1), leave.view(*shape[:-1], 1)
    return _reference(origins, directions, near, far, occupied)


def _reference(
    origins: Tensor, directions: Tensor, near: Tensor, far: Tensor, occupied: Tensor
) -> tuple[Tensor, Tensor]:
    resolution = round(len(occupied) ** (1 / 3))
    step = (far - near) / LOOKUPS
    number = torch.arange(LOOKUPS, device=directions.device)
    along = near + step * (number + 0.5)
    # in cells from the grid's corner
    start, ahead = (origins + 1) * (resolution / 2), directions * (resolution / 2)
    points = start[..., None, :] + along[..., None] * ahead[..., None, :]
    x, y, z = points.clamp(0, resolution - 1).int().unbind(-1)
    cell = (z * resolution + y) * resolution + x
    met = functional.embedding(cell, occupied.float()[:, None])[..., 0]
    # how many lookups are left at the first that is occupied, and how many are done at the last
    left = (met * (LOOKUPS - number)).amax(-1, keepdim=True)
    done = (met * (number + 1)).amax(-1, keepdim=True)
    enter = torch.where(done > 0, near + step * (LOOKUPS - left), near)
    return enter, torch.where(done > 0, near + step * done, near)
