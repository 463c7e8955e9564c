"""The occupancy grid (Müller et al. 2022, appendix E.2): where a field is worth sampling."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

_DECAY = 0.95
_THRESHOLD = 0.01  # optical thickness of one step
_BATCH = 1 << 17  # cells evaluated at once, which bounds memory


class OccupancyGrid:
    """G³ cells with a decaying maximum of the optical thickness of one step in each.

    Cell (x, y, z) has index (z·G + y)·G + x. `bits`: uint8 [G³ / 8], lowest bit first, 1 where a
    cell is to be sampled: thickness > min(0.01, mean thickness). All cells start occupied.
    """

    def __init__(self, resolution: int, step: float, device: torch.device) -> None:
        self.resolution, self.step = resolution, step
        cells = resolution**3
        self.thickness = torch.zeros(cells, device=device)
        self.bits = torch.full((cells // 8,), 255, dtype=torch.uint8, device=device)

    def update(
        self,
        density: Callable[[Tensor], Tensor],
        generator: torch.Generator,
        everywhere: bool,
    ) -> None:
        """Evaluate `density` ([N, 3] → [N]) at a random point of each cell visited.

        Visits all cells, or a quarter of the grid at random plus a quarter drawn among the
        occupied cells.
        """
        cells = len(self.thickness)
        if everywhere:
            visited = torch.arange(cells, device=self.thickness.device)
        else:
            visited = self._visit(cells // 4, generator)
        self.thickness *= _DECAY
        for part in torch.split(visited, _BATCH):
            thickness = density(self._point_in(part, generator)) * self.step
            self.thickness[part] = torch.maximum(self.thickness[part], thickness)
        self._refresh()

    def occupied(self) -> Tensor:
        """Return bool [G³]: which cells are sampled."""
        shifts = torch.arange(8, device=self.bits.device)
        return ((self.bits[:, None] >> shifts) & 1).bool().flatten()

    def _visit(self, count: int, generator: torch.Generator) -> Tensor:
        device = self.thickness.device
        anywhere = torch.randint(len(self.thickness), (count,), generator=generator, device=device)
        occupied = self.occupied().nonzero()[:, 0]
        if not len(occupied):
            return anywhere
        drawn = torch.randint(len(occupied), (count,), generator=generator, device=device)
        return torch.cat([anywhere, occupied[drawn]])

    def _point_in(self, cell: Tensor, generator: torch.Generator) -> Tensor:
        size = self.resolution
        corner = torch.stack([cell % size, cell // size % size, cell // size**2], -1)
        jitter = torch.rand(corner.shape, generator=generator, device=cell.device)
        return (corner + jitter) / size

    def _refresh(self) -> None:
        threshold = self.thickness.mean().clamp_max(_THRESHOLD)
        occupied = (self.thickness > threshold).view(-1, 8)
        powers = 1 << torch.arange(8, device=self.bits.device)
        self.bits.copy_((occupied * powers).sum(1))  # in place: recorded steps know its address

    def state(self) -> dict[str, Tensor]:
        """Return what rendering needs: the bits."""
        return {"occupancy.bits": self.bits}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.bits = state["occupancy.bits"].to(self.bits.device, copy=True)
