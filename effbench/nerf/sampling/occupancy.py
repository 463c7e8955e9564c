"""The occupancy grid (Müller et al. 2022, appendix E.2): where a field is worth sampling."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from effbench.kernels.occupancy import pack_bits, raise_to

_DECAY = 0.95
_THRESHOLD = 0.01  # optical depth of one step
_BATCH = 1 << 17  # cells evaluated at once, which bounds memory


class OccupancyGrid:
    """G³ cells with a decaying maximum of the optical depth of one step in each.

    Cell (x, y, z) has index (z·G + y)·G + x. `bits`: uint8 [G³ / 8], lowest bit first, 1 where a
    cell is to be sampled: optical_depth > min(0.01, mean optical_depth). All cells start occupied.
    """

    def __init__(
        self, resolution: int, step: float, device: torch.device, backend: str = "auto"
    ) -> None:
        self.resolution, self.step, self.backend = resolution, step, backend
        cells = resolution**3
        self.optical_depth = torch.zeros(cells, device=device)
        self.bits = torch.full((cells // 8,), 255, dtype=torch.uint8, device=device)
        self._distances: tuple[tuple[int, int], Tensor] | None = None

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
        cells = len(self.optical_depth)
        if everywhere:
            visited = torch.arange(cells, device=self.optical_depth.device)
        else:
            visited = self._visit(cells // 4, generator)
        self.optical_depth *= _DECAY
        for part in torch.split(visited, _BATCH):
            optical_depth = density(self._point_in(part, generator)) * self.step
            raise_to(self.optical_depth, part, optical_depth, self.backend)
        self._refresh()

    def distances(self) -> Tensor:
        """Return uint8 [G³], on the CPU: how far each cell is from an occupied one
        (`kernels.cpu.cell_distances`), found anew when the bits have changed."""
        from effbench.kernels.cpu.cell_distances import cell_distances

        state = (self.bits.data_ptr(), self.bits._version)
        if self._distances is None or self._distances[0] != state:
            found = cell_distances(self.bits.numpy(), self.resolution)
            self._distances = (state, torch.from_numpy(found))
        return self._distances[1]

    def occupied(self) -> Tensor:
        """Return bool [G³]: which cells are sampled."""
        return unpack(self.bits)

    def _visit(self, count: int, generator: torch.Generator) -> Tensor:
        device = self.optical_depth.device
        anywhere = torch.randint(
            len(self.optical_depth), (count,), generator=generator, device=device
        )
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
        threshold = self.optical_depth.mean().clamp_max(_THRESHOLD)
        self.bits.copy_(
            pack_bits(self.optical_depth, threshold, self.backend)
        )  # kept by CUDA graphs

    def state(self) -> dict[str, Tensor]:
        """Return what rendering needs: the bits."""
        return {"occupancy.bits": self.bits}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.bits = state["occupancy.bits"].to(self.bits.device)


def unpack(bits: Tensor) -> Tensor:
    """Return bool [8·N] of bits uint8 [N], the lowest bit first."""
    shifts = torch.arange(8, device=bits.device)
    return ((bits[:, None] >> shifts) & 1).bool().flatten()
